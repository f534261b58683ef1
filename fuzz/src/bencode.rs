//! Strict bencode is lenient bencode too, and its root is all of the input; what is written is canonical.

use crate::{Reached, tree::Tree};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::bencode::{Decoder, Value, Writer};

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(Tree),
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut reached = Reached::default();
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(raw)) => read(raw, &mut reached),
        Ok(Input::Made(tree)) => {
            let raw = tree.encode(&["", "a", "b", "ab"]);
            assert!(
                tree.depth() > 32 || Decoder::strict().decode(&raw).is_ok(),
                "what was written is canonical"
            );
            reached.add("made");
            read(&raw, &mut reached);
        }
        Err(_) => {}
    }
    reached
}

fn read(raw: &[u8], reached: &mut Reached) {
    let strict = Decoder::strict().decode(raw);
    reached.add_variant(&strict.as_ref().map(|_| ()).map_err(|error| error.kind));
    if let Ok(document) = &strict {
        assert_eq!(document.root().raw(), raw);
        assert!(document.root().is_canonical());
        let mut again = Vec::new();
        let depth = copy(document.root(), &mut again);
        assert_eq!(again, raw, "read and written again, value by value");
        if depth >= 4 {
            reached.add("four deep");
        }
    }
    match Decoder::lenient().decode_prefix(raw) {
        Ok((document, used)) => {
            assert_eq!(document.root().raw(), &raw[..used]);
            assert!(copy(document.root(), &mut Vec::new()) <= 16);
            if !document.root().is_canonical() {
                reached.add("lenient only");
            } else if used < raw.len() {
                reached.add("prefix");
            }
        }
        Err(_) => assert!(strict.is_err() || raw.len() > 1 << 16 || deep(&strict), "strict is lenient too"),
    }
}

/// Whether a document is deeper than messages may be.
fn deep(document: &Result<convoy_core::bencode::Document<'_>, convoy_core::bencode::Error>) -> bool {
    document.as_ref().is_ok_and(|document| copy(document.root(), &mut Vec::new()) > 16)
}

/// Writes a value as it was read, and says how deep it is.
fn copy(value: Value<'_, '_>, out: &mut Vec<u8>) -> usize {
    let mut deepest = 0;
    if let Some(items) = value.list() {
        let items: Vec<_> = items.map(|item| nested(item, &mut deepest)).collect();
        Writer::new(out).list(|list| {
            items.iter().for_each(|item| {
                list.raw(item);
            });
        });
        deepest + 1
    } else if let Some(entries) = value.dict() {
        let entries: Vec<_> = entries.iter().map(|(key, value)| (key, nested(value, &mut deepest))).collect();
        Writer::new(out).dict(|dict| {
            entries.iter().for_each(|(key, value)| {
                dict.raw(key, value);
            });
        });
        deepest + 1
    } else {
        match (value.integer(), value.string()) {
            (Some(number), _) => Writer::new(out).integer(number),
            (_, Some(string)) => Writer::new(out).string(string),
            (None, None) => unreachable!("a value is one of four"),
        }
        0
    }
}

fn nested(value: Value<'_, '_>, deepest: &mut usize) -> Vec<u8> {
    let mut raw = Vec::new();
    *deepest = copy(value, &mut raw).max(*deepest);
    raw
}
