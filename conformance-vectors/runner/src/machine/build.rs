//! Which machines there are, and what each is built from.

use super::life::{Life, live};
use bytes::Bytes;
use convoy_core::{
    Instant, Seed, choker, engine, holepunch,
    id::{InfoHash, PeerId},
    metadata, mse, pex, picker,
    serial::Hex,
    swarm,
    tracker::announcer,
    wire,
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::convert::Infallible;

/// The machines by name, and the type of the configuration of each.
pub const MACHINES: [(&str, &str); 13] = [
    ("announcer", "Announcer"),
    ("choker", "choker::Config"),
    ("engine", "engine::Config"),
    ("holepunch", "holepunch::Config"),
    ("metadata", "metadata::Config"),
    ("mse_initiator", "MseInitiator"),
    ("mse_responder", "MseResponder"),
    ("pex", "pex::Config"),
    ("picker", "picker::Config"),
    ("swarm", "swarm::Setup"),
    ("wire_connection", "Connection"),
    ("wire_initiator", "Initiator"),
    ("wire_responder", "Responder"),
];

/// What an announcer is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcer {
    /// How trackers are asked.
    pub config: announcer::Config,
    /// Their URLs.
    pub tiers: Vec<Vec<String>>,
}

/// What an initiator of [`mse`] is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MseInitiator {
    /// What it does and tolerates.
    pub config: mse::Config,
    /// What it offers.
    pub level: mse::Level,
    /// The torrent.
    pub info_hash: InfoHash,
    /// What it says first.
    pub payload: Hex<Bytes>,
    /// When it was built.
    pub now: Instant,
}

/// What a responder of [`mse`] is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MseResponder {
    /// What it does and tolerates.
    pub config: mse::Config,
    /// When it was built.
    pub now: Instant,
}

/// What an initiator of [`wire`] is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initiator {
    /// What it tolerates.
    pub config: wire::HandshakeConfig,
    /// The torrent.
    pub info_hash: InfoHash,
    /// Its name.
    pub peer_id: PeerId,
    /// What it can do.
    pub reserved: wire::Reserved,
    /// When it was built.
    pub now: Instant,
}

/// What a responder of [`wire`] is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responder {
    /// What it tolerates.
    pub config: wire::HandshakeConfig,
    /// What it can do.
    pub reserved: wire::Reserved,
    /// When it was built.
    pub now: Instant,
}

/// What a connection is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// What was agreed on and what it tolerates.
    pub config: wire::Config,
    /// When it was built.
    pub now: Instant,
}

/// Builds a machine by its name; `None` if there is none of that name.
pub(super) fn build(
    machine: &str,
    config: &RawValue,
    seed: Seed,
) -> serde_json::Result<Option<Box<dyn Life>>> {
    let config = config.get();
    Ok(Some(match machine {
        "announcer" => {
            let Announcer { config, tiers } = serde_json::from_str(config)?;
            live(announcer::Announcer::new(config, tiers, seed), never)
        }
        "choker" => live(choker::Choker::new(serde_json::from_str(config)?, seed), never),
        "engine" => live(engine::Engine::new(serde_json::from_str(config)?, seed), never),
        "holepunch" => live(holepunch::Holepunch::new(serde_json::from_str(config)?), never),
        "metadata" => live(metadata::Exchange::new(serde_json::from_str(config)?, seed), never),
        "pex" => live(pex::Pex::new(serde_json::from_str(config)?), never),
        "picker" => live(picker::Picker::new(serde_json::from_str(config)?, seed), never),
        "swarm" => live(swarm::Swarm::new(serde_json::from_str(config)?, seed), never),
        "mse_initiator" => {
            let MseInitiator { config, level, info_hash, payload: Hex(payload), now } =
                serde_json::from_str(config)?;
            live(mse::Handshake::initiator(&config, level, info_hash, payload, seed, now), to_raw_value)
        }
        "mse_responder" => {
            let MseResponder { config, now } = serde_json::from_str(config)?;
            live(mse::Handshake::responder(&config, seed, now), to_raw_value)
        }
        "wire_connection" => {
            let Connection { config, now } = serde_json::from_str(config)?;
            live(wire::Connection::new(config, now), to_raw_value)
        }
        "wire_initiator" => {
            let Initiator { config, info_hash, peer_id, reserved, now } = serde_json::from_str(config)?;
            live(wire::Handshake::initiator(info_hash, peer_id, reserved, config, now), to_raw_value)
        }
        "wire_responder" => {
            let Responder { config, reserved, now } = serde_json::from_str(config)?;
            live(wire::Handshake::responder(reserved, config, now), to_raw_value)
        }
        _ => return Ok(None),
    }))
}

pub(super) fn never(error: &Infallible) -> serde_json::Result<Box<RawValue>> {
    match *error {}
}
