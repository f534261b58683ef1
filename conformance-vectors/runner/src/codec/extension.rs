//! Extension messages, and what is computed beside them: payloads behind the id of the message.

use super::{Fault, Found, Vector, code, fields, hex};
use convoy_core::{
    id::{InfoHash, PieceIndex},
    wire::{
        allowed_fast_set, canonical_priority,
        extension::{
            self, Auth, Error, HashRequest, Holepunch, HolepunchError, Metadata, Pex, PexFlags, PexPeer,
            Priority,
        },
    },
};
use serde_json::{Value as Json, json};
use std::{fmt::Display, str::FromStr};

/// `ut_metadata` (BEP 9).
pub(super) fn metadata(vector: &Vector) -> Result<Found, Fault> {
    found(Metadata::decode(&vector.bytes()?.into()), Metadata::encode, |message| match message {
        Metadata::Request { piece } => json!({ "type": "request", "piece": piece }),
        Metadata::Data { piece, total_size, data } => {
            json!({ "type": "data", "piece": piece, "total_size": total_size, "data": hex(data) })
        }
        Metadata::Reject { piece } => json!({ "type": "reject", "piece": piece }),
    })
}

/// `ut_pex` (BEP 11).
pub(super) fn pex(vector: &Vector) -> Result<Found, Fault> {
    found(Pex::decode(&vector.bytes()?).map(Some), Pex::encode, |Pex { added, dropped }| {
        let peer = |PexPeer { addr, flags: PexFlags(flags) }: &PexPeer| json!([addr.to_string(), flags]);
        let added: Vec<Json> = added.iter().map(peer).collect();
        json!({ "added": added, "dropped": dropped.iter().map(texts).collect::<Vec<_>>() })
    })
}

/// `ut_holepunch` (BEP 55).
pub(super) fn holepunch(vector: &Vector) -> Result<Found, Fault> {
    found(Holepunch::decode(&vector.bytes()?), Holepunch::encode, |message| match message {
        Holepunch::Rendezvous(addr) => json!({ "type": "rendezvous", "addr": texts(addr) }),
        Holepunch::Connect(addr) => json!({ "type": "connect", "addr": texts(addr) }),
        Holepunch::Failed(addr, HolepunchError::Other(number)) => {
            json!({ "type": "error", "addr": texts(addr), "error": number })
        }
        Holepunch::Failed(addr, error) => {
            json!({ "type": "error", "addr": texts(addr), "error": code(error) })
        }
    })
}

/// `lt_donthave` (BEP 54).
pub(super) fn dont_have(vector: &Vector) -> Result<Found, Fault> {
    let read = extension::decode_dont_have(&vector.bytes()?).ok_or(Error::Malformed).map(Some);
    found(read, |piece| extension::encode_dont_have(*piece), |piece| json!({ "piece": piece.0 }))
}

/// `upload_only` (BEP 21).
pub(super) fn upload_only(vector: &Vector) -> Result<Found, Fault> {
    let read = extension::decode_upload_only(&vector.bytes()?).ok_or(Error::Malformed).map(Some);
    found(read, |flag| extension::encode_upload_only(*flag), |flag| json!({ "upload_only": flag }))
}

/// What stands behind the id of a hash request or of its reject (BEP 52).
pub(super) fn hash_request(vector: &Vector) -> Result<Found, Fault> {
    let read = HashRequest::decode(&vector.bytes()?).ok_or(Error::Malformed).map(Some);
    found(read, HashRequest::encode, |request| {
        json!({
            "pieces_root": hex(request.pieces_root),
            "base_layer": request.base_layer,
            "index": request.index,
            "length": request.length,
            "proof_layers": request.proof_layers,
        })
    })
}

/// `ic_auth`.
pub(super) fn auth(vector: &Vector) -> Result<Found, Fault> {
    found(
        Auth::decode(&vector.bytes()?).map(Some),
        Auth::encode,
        |Auth { community_id, token }| json!({ "community_id": hex(community_id), "token": hex(token.encode()) }),
    )
}

/// `ic_priority`, about a torrent of as many pieces as the setup says.
pub(super) fn priority(vector: &Vector) -> Result<Found, Fault> {
    let read = Priority::decode(&vector.bytes()?, number(vector, "pieces")?);
    found(read, Priority::encode, |Priority { pieces, priority, reason }| {
        fields([
            ("pieces", Some(numbers(pieces))),
            ("priority", Some((*priority as u8).into())),
            ("reason", reason.clone().map(Json::from)),
        ])
    })
}

/// The set of BEP 6.
pub(super) fn allowed_fast(vector: &Vector) -> Result<Found, Fault> {
    let (pieces, k) = (number(vector, "pieces")?, number(vector, "k")?);
    let info_hash = InfoHash(vector.setup_array("info_hash")?);
    Ok(Found::value(numbers(&allowed_fast_set(parsed(vector, "ip")?, info_hash, pieces, k))))
}

/// The priority of BEP 40, which must be the same on both sides.
pub(super) fn peer_priority(vector: &Vector) -> Result<Found, Fault> {
    let (one, other) = (parsed(vector, "one")?, parsed(vector, "other")?);
    let priority = canonical_priority(one, other);
    Fault::unless_equal("on the other side", &priority, &canonical_priority(other, one))?;
    Ok(Found::value(hex(priority.to_be_bytes())))
}

/// What was read, if anything, and how it is written again. A message to come is `ignored`.
fn found<T>(
    read: Result<Option<T>, Error>,
    encode: impl Fn(&T) -> Vec<u8>,
    show: impl Fn(&T) -> Json,
) -> Result<Found, Fault> {
    Ok(match read {
        Ok(Some(message)) => Found::value(show(&message)).written(&encode(&message)),
        Ok(None) => Found::error("ignored"),
        Err(error) => Found::error(code(error)),
    })
}

fn number(vector: &Vector, key: &str) -> Result<u32, Fault> {
    let number = vector.setup[key].as_u64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| Fault::unfit(key, &vector.setup))
}

fn parsed<T: FromStr>(vector: &Vector, key: &str) -> Result<T, Fault> {
    let parsed = vector.setup[key].as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Fault::unfit(key, &vector.setup))
}

fn numbers(pieces: &[PieceIndex]) -> Json {
    pieces.iter().map(|piece| piece.0).collect()
}

fn texts(shown: impl Display) -> Json {
    shown.to_string().into()
}
