//! The vectors hold what is accepted and what is not; the properties hold what must be so for all.

mod building;
mod links;
mod paths;
mod reading;

use alloc::{format, string::String, vec::Vec};
use serde_json::Value as Json;

/// The rows of a file of conformance vectors.
fn vectors(file: &str, list: &str) -> Vec<Json> {
    let path = format!("{}/../conformance-vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are in the tree");
    let file: Json = serde_json::from_str(&text).expect("JSON");
    file[list].as_array().expect("a list").clone()
}

fn bytes_of(hex: &Json) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text_of(hex).as_bytes()).expect("hex")
}

fn text_of(json: &Json) -> &str {
    json.as_str().expect("a string")
}

fn strings_of(json: &Json) -> Vec<String> {
    json.as_array().expect("a list").iter().map(|item| text_of(item).into()).collect()
}

/// Lists of pairs, such as nodes.
fn pairs_of(json: &Json) -> Vec<(Json, u64)> {
    let pair = |pair: &Json| (pair[0].clone(), pair[1].as_u64().expect("a number"));
    json.as_array().expect("a list").iter().map(pair).collect()
}

fn nodes_of(json: &Json) -> Vec<(String, u16)> {
    pairs_of(json).into_iter().map(|(host, port)| (text_of(&host).into(), port as u16)).collect()
}

fn hex_or_null(bytes: Option<&[u8]>) -> Json {
    bytes.map(|bytes| data_encoding::HEXLOWER.encode(bytes)).into()
}

/// The content that the vectors are made of.
fn filler(length: u64) -> Vec<u8> {
    (0..length).map(|i| (31 * i + 7 * (i >> 8)) as u8).collect()
}
