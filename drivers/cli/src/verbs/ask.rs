//! `convoy announce` and `convoy scrape`: one question to each tracker of a torrent.

use super::entropy;
use crate::{
    args::{Announce, Asked, Scrape, State},
    failure::Failure,
    output::{Event, Reporter, printable},
    source::{self, Source},
};
use convoy_core::{
    Random,
    id::{InfoHash, PeerId},
    metainfo::Info,
    tracker::{self, AnnounceRequest, AnnounceResponse, Counts, Question, Reply, client},
};
use std::fmt::Write;

/// How often a UDP tracker is asked again: whoever waits is told after 45 s that nobody answers.
const RETRANSMISSIONS: u32 = 1;

/// What a downloader lacks of whose size nothing is known.
const UNKNOWN_LEFT: u64 = 16 * 1024;

/// Announces to each tracker, and prints the peers that it tells of.
pub(super) fn announce(args: &Announce, reporter: &Reporter) -> Result<(), Failure> {
    let torrent = Torrent::read(&args.asked)?;
    let mut random = Random::new(entropy()?);
    let mut peer_id = *b"-IC0100-000000000000";
    peer_id.iter_mut().skip(8).for_each(|letter| *letter = b'a' + random.below(26) as u8);
    let announce = AnnounceRequest {
        info_hash: torrent.info_hash,
        peer_id: PeerId(peer_id),
        port: args.port,
        uploaded: 0,
        downloaded: 0,
        left: if args.seeder { 0 } else { torrent.length.unwrap_or(UNKNOWN_LEFT) },
        event: match args.state {
            State::Started => tracker::Event::Started,
            State::Running => tracker::Event::None,
            State::Completed => tracker::Event::Completed,
            State::Stopped => tracker::Event::Stopped,
        },
        key: random.below(u32::MAX),
        num_want: Some(args.num_want),
    };
    torrent.ask(&args.asked, &Question::Announce { announce, tracker_id: None }, reporter)
}

/// Asks each tracker how many there are.
pub(super) fn scrape(args: &Scrape, reporter: &Reporter) -> Result<(), Failure> {
    let torrent = Torrent::read(&args.asked)?;
    let question = Question::Scrape { info_hashes: vec![torrent.info_hash] };
    torrent.ask(&args.asked, &question, reporter)
}

/// What is asked about.
struct Torrent {
    info_hash: InfoHash,
    length: Option<u64>,
    trackers: Vec<String>,
}

impl Torrent {
    fn read(asked: &Asked) -> Result<Self, Failure> {
        let source = source::read(&asked.source)?;
        let info_hash = source.info_hash();
        let (length, named) = match source {
            Source::Torrent(metainfo) => {
                (Some(Info::total_length(&metainfo.info)), metainfo.trackers.into_iter().flatten().collect())
            }
            Source::Link(link) => (None, link.magnet.trackers),
        };
        let trackers = if asked.tracker.is_empty() { named } else { asked.tracker.clone() };
        if trackers.is_empty() {
            return Err(Failure::usage(format!("{} names no tracker", asked.source))
                .advise("name one with --tracker URL, such as udp://host:port/announce"));
        }
        Ok(Self { info_hash, length, trackers })
    }

    /// Asks one tracker after the other.
    ///
    /// # Errors
    /// None of them answers.
    fn ask(&self, asked: &Asked, question: &Question, reporter: &Reporter) -> Result<(), Failure> {
        let mut answers = 0;
        for tracker in &self.trackers {
            let config = client::Config { max_retransmissions: RETRANSMISSIONS, ..client::Config::default() };
            let replies = convoy_tokio::ask(config, asked.proxy.clone(), tracker, question.clone())
                .map_err(|error| Failure::new(format!("cannot ask a tracker: {error}")))?;
            let shown = printable(tracker);
            match replies {
                Ok(replies) => {
                    answers += 1;
                    self.tell(tracker, replies, reporter);
                }
                Err(failure) => {
                    let why = failure.to_string();
                    reporter.event(&Event::TrackerFailed { info_hash: self.info_hash, tracker, why: &why });
                    reporter.note(format_args!("{shown}: {}", printable(&why)));
                }
            }
        }
        if answers > 0 {
            return Ok(());
        }
        Err(Failure::new("no tracker answers as it should")
            .advise("see above for why; try another one with --tracker URL"))
    }

    fn tell(&self, tracker: &str, replies: Vec<Reply>, reporter: &Reporter) {
        let mut counts = Counts::default();
        let mut all: Option<AnnounceResponse> = None;
        for reply in replies {
            match reply {
                Reply::Scrape(swarms) => {
                    swarms.into_iter().for_each(|swarm| counts = most(counts, swarm));
                }
                Reply::Announce(response) => {
                    counts = most(counts, response.counts);
                    match &mut all {
                        Some(all) => all.peers.extend(response.peers),
                        None => all = Some(response),
                    }
                }
            }
        }
        let (info_hash, shown) = (self.info_hash, printable(tracker));
        let Counts { seeders, leechers, downloaders, completed } = counts;
        let Some(response) = all else {
            reporter.event(&Event::Scraped { info_hash, tracker, seeders, leechers, downloaders, completed });
            return reporter.result(format_args!("{shown}: {}", Said(counts)));
        };
        let interval_s = response.interval.map(|interval| interval.as_secs());
        reporter.event(&Event::Announced {
            info_hash,
            tracker,
            seeders,
            leechers,
            completed,
            interval_s,
            min_interval_s: response.min_interval.map(|interval| interval.as_secs()),
            peers: &response.peers,
            external_ip: response.external_ip,
            warning: response.warning.as_deref(),
        });
        let again = interval_s.map(|s| format!(", again in {s} s")).unwrap_or_default();
        reporter.result(format_args!("{shown}: {}{again}", Said(counts)));
        response.peers.iter().for_each(|peer| reporter.result(peer));
        if let Some(warning) = &response.warning {
            reporter.note(format_args!("{shown} says: {}", printable(warning)));
        }
    }
}

/// Trackers count each address family by itself, or both: the larger number is no double count.
fn most(one: Counts, other: Counts) -> Counts {
    Counts {
        seeders: one.seeders.max(other.seeders),
        leechers: one.leechers.max(other.leechers),
        downloaders: one.downloaders.max(other.downloaders),
        completed: one.completed.max(other.completed),
    }
}

/// How many there are, in words.
struct Said(Counts);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { seeders, leechers, downloaders, completed } = self.0;
        let partial_seeds = leechers.zip(downloaders).and_then(|(all, some)| all.checked_sub(some));
        let mut words = String::new();
        for (count, what) in [
            (seeders, "seeders"),
            (leechers, "leechers"),
            (partial_seeds, "of them partial seeds"),
            (completed, "completed"),
        ] {
            if let Some(count) = count {
                let comma = if words.is_empty() { "" } else { ", " };
                write!(words, "{comma}{count} {what}")?;
            }
        }
        f.write_str(if words.is_empty() { "it does not say how many" } else { &words })
    }
}
