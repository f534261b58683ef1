//! Packets of UDP trackers (BEP 15, BEP 41, IC).

use super::{Fault, Found, Vector, code, hex};
use convoy_core::{
    ic::Token,
    tracker::{
        AnnounceRequest, Counts, IcAnswer,
        udp::{Asked, ConnectionId, IcBlock, Request, Response, TransactionId, announce_options, url_data},
    },
};
use serde_json::{Value as Json, json};

/// A connect request, or the response to it.
pub(super) fn connect(vector: &Vector) -> Result<Found, Fault> {
    let packet = vector.bytes()?;
    if is_response(vector)? {
        return Ok(response(vector, &packet, |transaction, response| match response {
            Response::Connect(connection) => {
                Some(json!({ "transaction": id(transaction), "connection": long_id(*connection) }))
            }
            _ => None,
        }));
    }
    Ok(match Request::decode(&packet) {
        Some(request @ Request::Connect { transaction }) => {
            Found::value(json!({ "transaction": id(transaction) })).written(&encoded(&request))
        }
        _ => malformed(),
    })
}

/// An announce request with all that stands behind it.
pub(super) fn announce_request(vector: &Vector) -> Result<Found, Fault> {
    let packet = vector.bytes()?;
    let Some(Request::Announce { connection, transaction, announce, options }) = Request::decode(&packet)
    else {
        return Ok(malformed());
    };
    let (path, ic) = (String::from_utf8_lossy(&url_data(options)).into_owned(), IcBlock::decode(options));
    let options = announce_options(&path, ic.as_ref());
    let again = encoded(&Request::Announce { connection, transaction, announce, options: &options });
    let AnnounceRequest { info_hash, peer_id, port, uploaded, downloaded, left, event, key, num_want } =
        announce;
    let value = json!({
        "connection": long_id(connection),
        "transaction": id(transaction),
        "info_hash": hex(info_hash.0),
        "peer_id": hex(peer_id.0),
        "downloaded": downloaded.to_string(),
        "left": left.to_string(),
        "uploaded": uploaded.to_string(),
        "event": code(event),
        "key": hex(key.to_be_bytes()),
        "num_want": num_want,
        "port": port,
        "url_data": path,
        "ic": ic.map(|IcBlock { version, token, capabilities }| json!({
            "version": version,
            "token": token.map(|token: Token| hex(token.encode())),
            "capabilities": capabilities.bits(),
        })),
    });
    Ok(Found::value(value).written(&again))
}

/// An announce response, to a request of which the setup says what its sender must know.
pub(super) fn announce_response(vector: &Vector) -> Result<Found, Fault> {
    Ok(response(vector, &vector.bytes()?, |transaction, response| match response {
        Response::Announce { interval_s, counts, peers, ic } => Some(json!({
            "transaction": id(transaction),
            "interval_s": interval_s,
            "leechers": counts.leechers,
            "seeders": counts.seeders,
            "peers": peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ic": ic.map(|IcAnswer { auth_accepted, restricted, advisories }| json!({
                "auth_accepted": auth_accepted,
                "restricted": restricted,
                "advisories": advisories,
            })),
        })),
        _ => None,
    }))
}

/// A scrape request, or the response to it.
pub(super) fn scrape(vector: &Vector) -> Result<Found, Fault> {
    let packet = vector.bytes()?;
    if is_response(vector)? {
        return Ok(response(vector, &packet, |transaction, response| match response {
            Response::Scrape(swarms) => Some(json!({
                "transaction": id(transaction),
                "swarms": swarms.iter().map(shown).collect::<Vec<_>>(),
            })),
            _ => None,
        }));
    }
    Ok(match Request::decode(&packet) {
        Some(request @ Request::Scrape { connection, transaction, info_hashes }) => Found::value(json!({
            "connection": long_id(connection),
            "transaction": id(transaction),
            "info_hashes": info_hashes.iter().map(hex).collect::<Vec<_>>(),
        }))
        .written(&encoded(&request)),
        _ => malformed(),
    })
}

/// A refusal.
pub(super) fn error(vector: &Vector) -> Result<Found, Fault> {
    Ok(response(vector, &vector.bytes()?, |transaction, response| match response {
        Response::Error(reason) => Some(json!({ "transaction": id(transaction), "reason": reason })),
        _ => None,
    }))
}

/// How many are in a swarm.
pub(super) fn shown(counts: &Counts) -> Json {
    json!({ "seeders": counts.seeders, "completed": counts.completed, "leechers": counts.leechers })
}

/// A response that is one of those that `show` shows.
fn response(
    vector: &Vector,
    packet: &[u8],
    show: impl Fn(TransactionId, &Response) -> Option<Json>,
) -> Found {
    let is = |key: &str| vector.setup[key] == true;
    let asked = Asked { ipv6: is("ipv6"), ic: is("ic") };
    let read = Response::decode(packet, asked);
    let shown =
        read.and_then(|(transaction, response)| Some((show(transaction, &response)?, transaction, response)));
    let Some((value, transaction, response)) = shown else { return malformed() };
    let mut again = Vec::new();
    response.encode(transaction, &mut again);
    Found::value(value).written(&again)
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}

fn is_response(vector: &Vector) -> Result<bool, Fault> {
    match vector.setup["from"].as_str() {
        Some("client") => Ok(false),
        Some("tracker") => Ok(true),
        _ => Err(Fault::unfit("from", &vector.setup)),
    }
}

fn malformed() -> Found {
    Found::error("malformed")
}

fn id(transaction: TransactionId) -> Json {
    hex(transaction.0.to_be_bytes())
}

fn long_id(connection: ConnectionId) -> Json {
    hex(connection.0.to_be_bytes())
}
