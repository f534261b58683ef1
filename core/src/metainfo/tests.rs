//! What must be so for all torrents and links. What is accepted and what is not stands in the conformance
//! vectors, which have a runner of their own.

mod building;
mod links;
mod paths;
mod reading;

use alloc::{format, vec::Vec};
use serde_json::Value as Json;

/// The rows of a file of conformance vectors.
fn vectors(file: &str) -> Vec<Json> {
    let path = format!("{}/../conformance-vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are in the tree");
    let file: Json = serde_json::from_str(&text).expect("JSON");
    file["vectors"].as_array().expect("a list").clone()
}

fn bytes_of(hex: &Json) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_str().expect("a string").as_bytes()).expect("hex")
}

/// The content that the vectors are made of.
fn filler(length: u64) -> Vec<u8> {
    (0..length).map(|i| (31 * i + 7 * (i >> 8)) as u8).collect()
}
