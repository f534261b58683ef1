//! Tokens of players: read, judged, and signed again.

use super::{Fault, Found, Vector, code, hex};
use convoy_core::{
    ic::{Binding, Purpose, SigningKey, Token, Verified, Version},
    id::InfoHash,
};
use serde_json::json;

/// A token, judged at a time and for a use. Who has the player's secret key must sign the very same.
pub(super) fn token(vector: &Vector) -> Result<Found, Fault> {
    let Some(token) = Token::decode(&vector.bytes()?) else { return Ok(Found::error("length")) };
    let setup = &vector.setup;
    let (version, now) = match (setup["version"].as_u64(), digits(vector, "now")?) {
        (Some(1), now) => (Version::V1, now),
        (Some(2), now) => (Version::V2, now),
        _ => return Err(Fault::unfit("version 1 or 2", setup)),
    };
    let purpose = match setup["purpose"].as_str() {
        Some("peer_message") => Purpose::PeerMessage,
        Some("udp_announce") => Purpose::UdpAnnounce,
        Some("ws_announce") => Purpose::WsAnnounce,
        _ => return Err(Fault::unfit("a purpose", setup)),
    };
    let audience = vector.setup_hex("audience")?;
    let binding = Binding {
        purpose,
        community_id: vector.setup_array("community_id")?,
        info_hash: InfoHash(vector.setup_array("info_hash")?),
        audience: &audience,
    };
    let proves = match token.verify(version, &binding, now) {
        Ok(Verified::Authenticated { .. }) => "authenticated",
        Ok(Verified::IdentifiedOnly { .. }) => "identified_only",
        Err(error) => return Ok(Found::error(code(error))),
    };
    let value = json!({
        "player_key": hex(token.player_key),
        "session_id": hex(token.session_id),
        "issued_at": token.issued_at.to_string(),
        "signature": hex(token.signature),
        "proves": proves,
    });
    let player = SigningKey::from_bytes(&vector.setup_array("secret_key")?);
    let signed = match version {
        Version::V1 => Token::sign_v1(&player, token.session_id, token.issued_at),
        Version::V2 => Token::sign_v2(&player, token.session_id, token.issued_at, &binding),
    };
    Ok(Found::value(value).written(&signed.encode()))
}

fn digits(vector: &Vector, key: &str) -> Result<u64, Fault> {
    let number = vector.setup[key].as_str().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Fault::unfit(format!("{key}: a string of digits"), &vector.setup))
}
