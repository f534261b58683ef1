//! What a tracker counts, and how Prometheus reads it.

use super::{
    Shared,
    web::{self, Limits, Page},
};
use convoy_core::tracker::udp::{Answered, Silence, TokenUse};
use std::{
    fmt::Display,
    net::{IpAddr, TcpListener},
    ops::AddAssign,
    sync::Arc,
};
use tracing::error;

/// Families of addresses, by their index in counters.
const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];

/// What becomes of a datagram, by its index in counters. The last three get no answer.
const OUTCOMES: [&str; 7] =
    ["connect", "announce", "scrape", "error", "malformed", "wrong_connection", "over_budget"];

/// What becomes of the token of an announce, by its index in counters.
const TOKENS: [&str; 4] = ["verified", "remembered", "refused", "unheeded"];

/// Counts of one family of addresses.
type Of<const KINDS: usize> = [u64; KINDS];

/// What came over UDP, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Datagrams {
    outcomes: [Of<{ OUTCOMES.len() }>; 2],
    tokens: [Of<{ TOKENS.len() }>; 2],
    /// Bytes of what came.
    pub(super) bytes_in: u64,
    /// Bytes of the answers.
    pub(super) bytes_out: u64,
    /// Answers that the system would not take.
    pub(super) unsent: u64,
}

impl Datagrams {
    /// Counts a datagram.
    pub(super) fn count(&mut self, source: IpAddr, answered: Answered) {
        let family = family(source);
        self.outcomes[family][outcome(answered)] += 1;
        if let Answered::Announce(token) = answered
            && let Some(token) = token_index(token)
        {
            self.tokens[family][token] += 1;
        }
    }
}

impl AddAssign for Datagrams {
    fn add_assign(&mut self, other: Self) {
        let sum = |ours: &mut [u64], others: &[u64]| {
            ours.iter_mut().zip(others).for_each(|(ours, others)| *ours += others);
        };
        sum(self.outcomes.as_flattened_mut(), other.outcomes.as_flattened());
        sum(self.tokens.as_flattened_mut(), other.tokens.as_flattened());
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.unsent += other.unsent;
    }
}

const fn outcome(answered: Answered) -> usize {
    match answered {
        Answered::Connect => 0,
        Answered::Announce(_) => 1,
        Answered::Scrape => 2,
        Answered::Error => 3,
        Answered::Silence(Silence::Malformed) => 4,
        Answered::Silence(Silence::WrongConnection) => 5,
        Answered::Silence(Silence::OverBudget) => 6,
    }
}

const fn token_index(token: TokenUse) -> Option<usize> {
    match token {
        TokenUse::None => None,
        TokenUse::Verified => Some(0),
        TokenUse::Remembered => Some(1),
        TokenUse::Refused => Some(2),
        TokenUse::Unheeded => Some(3),
    }
}

fn family(source: IpAddr) -> usize {
    usize::from(source.to_canonical().is_ipv6())
}

/// What came over HTTP, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    /// By family.
    answered: [u64; 2],
    refused: [u64; 2],
}

impl Requests {
    /// Counts a request.
    pub(super) fn count(&mut self, source: IpAddr, refused: bool) {
        let counts = if refused { &mut self.refused } else { &mut self.answered };
        counts[family(source)] += 1;
    }
}

/// All that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) datagrams: Datagrams,
    pub(super) requests: Requests,
    pub(super) swarms: usize,
    pub(super) peers: usize,
}

impl Counted {
    /// As Prometheus reads it: its text format, version 0.0.4.
    pub(super) fn text(&self) -> String {
        let mut text = Text(String::new());
        text.head("udp_datagrams_total", "counter", "Datagrams by what became of them");
        for (family, counts) in FAMILIES.iter().zip(&self.datagrams.outcomes) {
            for (outcome, count) in OUTCOMES.iter().zip(counts) {
                let labels = format_args!("{{family=\"{family}\",outcome=\"{outcome}\"}}");
                text.line("udp_datagrams_total", labels, *count);
            }
        }
        text.head("udp_tokens_total", "counter", "Tokens of announces by what became of them");
        for (family, counts) in FAMILIES.iter().zip(&self.datagrams.tokens) {
            for (outcome, count) in TOKENS.iter().zip(counts) {
                let labels = format_args!("{{family=\"{family}\",outcome=\"{outcome}\"}}");
                text.line("udp_tokens_total", labels, *count);
            }
        }
        text.head("udp_bytes_total", "counter", "Bytes in datagrams");
        text.line("udp_bytes_total", "{direction=\"in\"}", self.datagrams.bytes_in);
        text.line("udp_bytes_total", "{direction=\"out\"}", self.datagrams.bytes_out);
        text.head("udp_unsent_total", "counter", "Answers that the system would not take");
        text.line("udp_unsent_total", "", self.datagrams.unsent);
        text.head("http_requests_total", "counter", "Requests over HTTP");
        let Requests { answered, refused } = &self.requests;
        for (outcome, counts) in [("answered", answered), ("refused", refused)] {
            for (family, count) in FAMILIES.iter().zip(counts) {
                let labels = format_args!("{{family=\"{family}\",outcome=\"{outcome}\"}}");
                text.line("http_requests_total", labels, *count);
            }
        }
        for (name, help, value) in
            [("swarms", "Swarms with peers", self.swarms), ("peers", "Peers in all swarms", self.peers)]
        {
            text.head(name, "gauge", help);
            text.line(name, "", value as u64);
        }
        text.0
    }
}

/// A page of metrics that is being written.
struct Text(String);

impl Text {
    /// What a metric is.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.0 += &format!("# HELP convoy_tracker_{name} {help}.\n# TYPE convoy_tracker_{name} {kind}\n");
    }

    /// One value of it.
    fn line(&mut self, name: &str, labels: impl Display, value: u64) {
        self.0 += &format!("convoy_tracker_{name}{labels} {value}\n");
    }
}

/// Tells what is counted to who asks for `/metrics`, until the tracker stops.
pub(super) fn run(listener: TcpListener, shared: &Arc<Shared>) {
    let stop = shared.stop.subscribe();
    let shared = Arc::clone(shared);
    let served = web::serve(listener, Limits::default(), stop, move |_, path| match path {
        "/metrics" => Page {
            status: 200,
            content_type: "text/plain; version=0.0.4",
            body: shared.counted().text().into_bytes(),
        },
        _ => Page { status: 404, content_type: "text/plain", body: b"see /metrics\n".to_vec() },
    });
    if let Err(error) = served {
        error!(%error, "no metrics");
    }
}
