//! `convoy tracker`.

use crate::units::Span;
use clap::{Args, builder::FalseyValueParser};
use std::{net::SocketAddr, path::PathBuf};

/// What `--help` says at the end.
const MORE: &str = "\
Without --udp and --http it answers both at [::]:6969, which takes IPv4 too.

Peers are forgotten when they have not announced for long, and at the end unless there is --state.

SIGHUP reads --rules and --members again. If one is broken, what was read before goes on to hold.
A tracker's rules:
  default = \"public\"        # what is not listed: \"public\", or \"unknown\" to everybody
  [[swarm]]
  info_hash = \"…\"          # 40 hex digits
  visibility = \"community\" # or \"public\"; \"quarantined\": for moderators alone
  community = \"…\"          # 64 hex digits
  advisories = 1
Its members, each a player's key of 64 hex digits:
  [[community]]
  id = \"…\"
  members = [\"…\"]
  moderators = [\"…\"]";

/// `convoy tracker`.
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(crate) struct Tracker {
    /// Answer over UDP there
    #[arg(long, value_name = "ADDR", env = "CONVOY_TRACKER_UDP")]
    pub(crate) udp: Option<SocketAddr>,
    /// Answer over HTTP there
    #[arg(long, value_name = "ADDR", env = "CONVOY_TRACKER_HTTP")]
    pub(crate) http: Option<SocketAddr>,
    /// Who is in which community, as TOML
    #[arg(long, value_name = "FILE", env = "CONVOY_TRACKER_MEMBERS")]
    pub(crate) members: Option<PathBuf>,
    /// Who may know of which swarm, as TOML [default: everybody of every swarm]
    #[arg(long, value_name = "FILE", env = "CONVOY_TRACKER_RULES")]
    pub(crate) rules: Option<PathBuf>,
    /// Tell Prometheus there what is counted, at /metrics
    #[arg(long, value_name = "ADDR", env = "CONVOY_TRACKER_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Keep who is in which swarm from one run to the next in this file
    #[arg(long, value_name = "FILE", env = "CONVOY_TRACKER_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Threads for each of UDP and HTTP [default: as many as there are cores]
    #[arg(long, value_name = "N", env = "CONVOY_TRACKER_WORKERS",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
    /// How often peers are to announce
    #[arg(long, value_name = "TIME", env = "CONVOY_TRACKER_INTERVAL", default_value = "30m", value_parser = interval)]
    pub(crate) interval: Span,
    /// Let every client ask as much as it likes: for load tests
    #[arg(long, env = "CONVOY_TRACKER_UNLIMITED", value_parser = FalseyValueParser::new())]
    pub(crate) unlimited: bool,
}

fn interval(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    match span.0.as_secs() {
        60..=86400 => Ok(span),
        _ => Err("clients keep to intervals from 1m to 1d".into()),
    }
}
