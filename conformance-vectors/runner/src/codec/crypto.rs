//! The primitives that encryption stands on, held to their RFCs.

use super::{Fault, Found, Vector, hex};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use convoy_core::crypto::Rc4;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use serde_json::{Map, Value as Json, json};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

/// At each offset that the value names, the next 16 bytes of the keystream.
pub(super) fn rc4(vector: &Vector) -> Result<Found, Fault> {
    let key = vector.setup_hex("key")?;
    let offsets = vector.value.as_ref().and_then(Json::as_object).into_iter().flat_map(Map::keys);
    let rows = offsets.map(|offset| {
        let skipped: usize = offset.parse().map_err(|_| Fault::unfit("an offset", offset))?;
        let mut keystream = vec![0; skipped + 16];
        Rc4::new(&key).apply(&mut keystream);
        Ok((offset.clone(), hex(keystream.split_off(skipped))))
    });
    Ok(Found::value(rows.collect::<Result<Map<_, _>, Fault>>()?))
}

/// The function, applied as often as the setup says. A result of zero is refused, as the mesh session does.
pub(super) fn x25519(vector: &Vector) -> Result<Found, Fault> {
    let (mut scalar, mut u): ([u8; 32], [u8; 32]) = (vector.setup_array("scalar")?, vector.setup_array("u")?);
    for _ in 0..vector.setup["iterations"].as_u64().unwrap_or(1) {
        let shared = StaticSecret::from(scalar).diffie_hellman(&PublicKey::from(u));
        if !shared.was_contributory() {
            return Ok(Found::error("all_zero"));
        }
        (scalar, u) = (shared.to_bytes(), scalar);
    }
    Ok(Found::value(hex(scalar)))
}

/// The signature of the bytes, which must verify strictly.
pub(super) fn ed25519(vector: &Vector) -> Result<Found, Fault> {
    let (key, message) = (SigningKey::from_bytes(&vector.setup_array("secret_key")?), vector.bytes()?);
    let (public, signature) = (key.verifying_key(), key.sign(&message));
    if let Err(error) = public.verify_strict(&message, &signature) {
        return Ok(Found::error(error.to_string()));
    }
    Ok(Found::value(json!({ "public_key": hex(public.as_bytes()), "signature": hex(signature.to_bytes()) })))
}

/// The bytes, opened, and sealed again.
pub(super) fn chacha20_poly1305(vector: &Vector) -> Result<Found, Fault> {
    let cipher = ChaCha20Poly1305::new(&vector.setup_array::<32>("key")?.into());
    let (nonce, aad) = (vector.setup_array::<12>("nonce")?.into(), vector.setup_hex("aad")?);
    let Ok(plain) = cipher.decrypt(&nonce, Payload { msg: &vector.bytes()?, aad: &aad }) else {
        return Ok(Found::error("bad_tag"));
    };
    let sealed = cipher.encrypt(&nonce, Payload { msg: &plain, aad: &aad });
    let sealed = sealed.map_err(|error| Fault::unfit("a text that can be sealed", error))?;
    Ok(Found::value(hex(plain)).written(&sealed))
}

/// What is extracted from the bytes and expanded.
pub(super) fn hkdf_sha256(vector: &Vector) -> Result<Found, Fault> {
    let unfit = || Fault::unfit("a length", &vector.setup);
    let length = vector.setup["length"].as_u64().and_then(|length| length.try_into().ok());
    let (salt, info) = (vector.setup_hex("salt")?, vector.setup_hex("info")?);
    let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(&salt[..]), &vector.bytes()?);
    let mut okm = vec![0; length.ok_or_else(unfit)?];
    hkdf.expand(&info, &mut okm).map_err(|_| unfit())?;
    Ok(Found::value(json!({ "prk": hex(prk), "okm": hex(okm) })))
}
