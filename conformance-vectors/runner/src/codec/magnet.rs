//! Magnet links.

use super::{Fault, Found, Vector, code, hex_or_null};
use convoy_core::metainfo::Magnet;
use serde_json::{Value as Json, json};

pub(super) fn link(vector: &Vector) -> Result<Found, Fault> {
    let magnet = match Magnet::parse(vector.text()?) {
        Ok(magnet) => magnet,
        Err(error) => return Ok(Found::error(code(error))),
    };
    let select = magnet.select.iter().map(|range| json!([range.start().0, range.end().0]));
    let mut found = Found::value(json!({
        "info_hash": hex_or_null(magnet.info_hash.map(|hash| hash.0)),
        "info_hash_v2": hex_or_null(magnet.info_hash_v2),
        "display_name": magnet.name,
        "trackers": magnet.trackers,
        "web_seeds": magnet.web_seeds,
        "peers": magnet.peers,
        "select": select.collect::<Json>(),
        "nodes": magnet.nodes,
    }));
    found.written = Some(magnet.to_string());
    Ok(found)
}
