//! bencode, under strict and under lenient rules.

use super::{Fault, Found, Vector, code, hex};
use convoy_core::bencode::{Decoder, Value, Writer};
use serde_json::{Value as Json, json};

pub(super) fn read(vector: &Vector) -> Result<Found, Fault> {
    let decoder = match vector.setup["rules"].as_str() {
        Some("strict") => Decoder::strict(),
        Some("lenient") => Decoder::lenient(),
        _ => return Err(Fault::unfit("strict or lenient rules", &vector.setup)),
    };
    let input = vector.bytes()?;
    let document = match decoder.decode(&input) {
        Ok(document) => document,
        Err(error) => return Ok(Found::error(code(error.kind))),
    };
    let root = document.root();
    Fault::unless_equal("all of the input as the value's", &&input[..], &root.raw())?;
    let written = encode(root);
    Fault::unless_equal("canonical to be", &(written == input), &root.is_canonical())?;
    Ok(Found::value(json(root)).written(&written))
}

fn json(value: Value<'_, '_>) -> Json {
    if let Some(items) = value.list() {
        return items.map(json).collect();
    }
    if let Some(dict) = value.dict() {
        let mut entries: Vec<_> = dict.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        let entries = entries.into_iter().map(|(key, value)| json!([hex(key), json(value)]));
        return json!({ "dict": entries.collect::<Json>() });
    }
    match value.string() {
        Some(string) => json!({ "string": hex(string) }),
        None => json!({ "integer": value.integer().map(|integer| integer.to_string()) }),
    }
}

/// The value, written anew.
fn encode(value: Value<'_, '_>) -> Vec<u8> {
    let mut out = Vec::new();
    let writer = Writer::new(&mut out);
    if let Some(items) = value.list() {
        writer.list(|list| {
            items.for_each(|item| {
                list.raw(&encode(item));
            });
        });
    } else if let Some(dict) = value.dict() {
        writer.dict(|writer| {
            dict.iter().for_each(|(key, value)| {
                writer.raw(key, &encode(value));
            });
        });
    } else if let Some(string) = value.string() {
        writer.string(string);
    } else if let Some(integer) = value.integer() {
        writer.integer(integer);
    }
    out
}
