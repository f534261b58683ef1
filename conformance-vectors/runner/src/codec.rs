//! Codec vectors: bytes and the value they stand for, or the error they must give.
//!
//! A codec is a function from a vector to what the code makes of it: a value or an error. The comparison is the
//! same for all. `codec.schema.json` says what a file looks like, and its README what it means.

mod bencode;
mod crypto;
mod extension;
mod http_tracker;
mod magnet;
mod path;
mod token;
mod torrent;
mod udp_tracker;
mod wire;

use crate::report::{Fault, Report};
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// What a file of codec vectors says as its `schema`.
pub const SCHEMA: &str = "codec.schema.json";

/// The codecs by the name that files give them.
const CODECS: [(&str, Codec); 36] = [
    ("bencode", bencode::read),
    ("info", torrent::info),
    ("torrent", torrent::file),
    ("torrent-built", torrent::built),
    ("magnet", magnet::link),
    ("path-element", path::element),
    ("path-set", path::set),
    ("wire-message", wire::message),
    ("wire-extended", wire::extended),
    ("wire-handshake", wire::handshake),
    ("wire-stream", wire::stream),
    ("ut-metadata", extension::metadata),
    ("ut-pex", extension::pex),
    ("ut-holepunch", extension::holepunch),
    ("lt-donthave", extension::dont_have),
    ("upload-only", extension::upload_only),
    ("hash-request", extension::hash_request),
    ("ic-auth", extension::auth),
    ("ic-priority", extension::priority),
    ("ic-token", token::token),
    ("allowed-fast", extension::allowed_fast),
    ("peer-priority", extension::peer_priority),
    ("udp-connect", udp_tracker::connect),
    ("udp-announce-request", udp_tracker::announce_request),
    ("udp-announce-response", udp_tracker::announce_response),
    ("udp-scrape", udp_tracker::scrape),
    ("udp-error", udp_tracker::error),
    ("http-announce-url", http_tracker::announce_question),
    ("http-announce-response", http_tracker::announce_answer),
    ("http-scrape-url", http_tracker::scrape_question),
    ("http-scrape-response", http_tracker::scrape_answer),
    ("rc4", crypto::rc4),
    ("x25519", crypto::x25519),
    ("ed25519", crypto::ed25519),
    ("chacha20-poly1305", crypto::chacha20_poly1305),
    ("hkdf-sha256", crypto::hkdf_sha256),
];

type Codec = fn(&Vector) -> Result<Found, Fault>;

/// A file of codec vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: String,
    codec: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "provenance")]
    _provenance: Vec<String>,
    #[serde(rename = "fields")]
    _fields: BTreeMap<String, String>,
    vectors: Vec<Vector>,
}

/// A vector, as it stands in its file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    name: String,
    /// What else the codec must know.
    #[serde(default)]
    setup: Json,
    bytes: Option<Bytes>,
    text: Option<String>,
    value: Option<Json>,
    canonical: Option<Canonical>,
    error: Option<String>,
    error_at_byte: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Hex(String),
    Filler { filler: u64 },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Canonical {
    /// The value is written as the very input.
    Same(bool),
    /// It is written like this.
    Other(String),
}

/// What the code makes of a vector.
#[derive(Debug)]
struct Found {
    outcome: Result<Json, Refusal>,
    /// The value as it is written again, in the vector's own notation.
    written: Option<String>,
}

/// An error of the code, as the vectors name it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: String,
    at_byte: Option<usize>,
}

impl Found {
    fn value(value: impl Into<Json>) -> Self {
        Self { outcome: Ok(value.into()), written: None }
    }

    fn error(code: impl Into<String>) -> Self {
        Self { outcome: Err(Refusal { code: code.into(), at_byte: None }), written: None }
    }

    fn error_at(code: impl Into<String>, at_byte: Option<usize>) -> Self {
        Self { outcome: Err(Refusal { code: code.into(), at_byte }), written: None }
    }

    fn written(mut self, bytes: &[u8]) -> Self {
        self.written = Some(HEX.encode(bytes));
        self
    }
}

/// Checks a file of codec vectors.
pub(crate) fn check(name: &str, json: Json) -> Report {
    let file: File = match serde_json::from_value(json) {
        Ok(file) => file,
        Err(error) => return Report::unreadable(name, &error),
    };
    let mut report = Report::new(name);
    let codec = CODECS.iter().find(|(name, _)| *name == file.codec).map(|(_, codec)| codec);
    let mut names = BTreeSet::new();
    for vector in &file.vectors {
        if !names.insert(&vector.name) {
            report.add(&vector.name, Err(Fault::unfit("a name of its own", "a name that is there before")));
        }
        match codec {
            Some(codec) => report.add(&vector.name, vector.check(*codec)),
            None => report.skip(&vector.name, format!("no codec {} here", file.codec)),
        }
    }
    report
}

impl Vector {
    fn check(&self, codec: Codec) -> Result<(), Fault> {
        let expected = match (&self.value, &self.error) {
            (Some(value), None) => Ok(value.clone()),
            (None, Some(code)) => Err(Refusal { code: code.clone(), at_byte: self.error_at_byte }),
            _ => return Err(Fault::unfit("either value or error", "both, or neither")),
        };
        let found = codec(self)?;
        if found.outcome != expected {
            let (expected, found) = apart(expected, found.outcome);
            return Err(Fault::Differs { expected, found });
        }
        let canonical = match &self.canonical {
            Some(Canonical::Same(true)) => match (&self.bytes, &self.text) {
                (Some(Bytes::Hex(hex)), None) => hex,
                (None, Some(text)) => text,
                _ => return Err(Fault::unfit("bytes in hex, or text", "something else")),
            },
            Some(Canonical::Other(other)) => other,
            Some(Canonical::Same(false)) => return Err(Fault::unfit("canonical: true or text", "false")),
            None => return Ok(()),
        };
        Fault::unless_equal("to be written as", &Some(canonical), &found.written.as_ref())
    }

    /// The bytes.
    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        match &self.bytes {
            Some(Bytes::Hex(hex)) => unhex("bytes", hex),
            Some(Bytes::Filler { filler }) => Ok(content(*filler)),
            None => Err(Fault::unfit("bytes", "none")),
        }
    }

    /// The text.
    fn text(&self) -> Result<&str, Fault> {
        self.text.as_deref().ok_or_else(|| Fault::unfit("text", "none"))
    }

    /// Bytes of the setup.
    fn setup_hex(&self, key: &str) -> Result<Vec<u8>, Fault> {
        unhex(key, self.setup[key].as_str().ok_or_else(|| Fault::unfit(key, &self.setup))?)
    }

    /// Bytes of the setup, of which there must be `N`.
    fn setup_array<const N: usize>(&self, key: &str) -> Result<[u8; N], Fault> {
        let bytes = self.setup_hex(key)?;
        bytes.try_into().map_err(|_| Fault::unfit(format!("{key} of {N} bytes"), &self.setup[key]))
    }
}

/// The content that vectors are made of, so that they need not hold it.
fn content(length: u64) -> Vec<u8> {
    (0..length).map(|i| (31 * i + 7 * (i >> 8)) as u8).collect()
}

fn unhex(key: &str, digits: &str) -> Result<Vec<u8>, Fault> {
    HEX.decode(digits.as_bytes()).map_err(|error| Fault::unfit(format!("{key} in hex"), error))
}

fn hex(bytes: impl AsRef<[u8]>) -> Json {
    HEX.encode(bytes.as_ref()).into()
}

fn hex_or_null<T: AsRef<[u8]>>(bytes: Option<T>) -> Json {
    bytes.map_or(Json::Null, hex)
}

/// An error's name as the vectors write it: `PeerMisbehaved::TooLong { length: 1 }` is `too_long`.
pub(crate) fn code(error: impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let name = debug.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let mut code = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

/// Two outcomes that differ, as text. Of two values, the fields in which they are the same are left out.
fn apart(expected: Result<Json, Refusal>, found: Result<Json, Refusal>) -> (String, String) {
    let only = |these: &Map<String, Json>, those: &Map<String, Json>| {
        let fields = these.iter().filter(|(key, value)| those.get(*key) != Some(value));
        Json::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect()).to_string()
    };
    match (&expected, &found) {
        (Ok(Json::Object(expected)), Ok(Json::Object(found))) => {
            (only(expected, found), only(found, expected))
        }
        _ => (describe(expected), describe(found)),
    }
}

fn describe(outcome: Result<Json, Refusal>) -> String {
    match outcome {
        Ok(value) => value.to_string(),
        Err(Refusal { code, at_byte: None }) => format!("error {code}"),
        Err(Refusal { code, at_byte: Some(at) }) => format!("error {code} at byte {at}"),
    }
}

/// `{"key": value, …}` of those that are there.
fn fields<const N: usize>(fields: [(&str, Option<Json>); N]) -> Json {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Json::Object(there.collect())
}
