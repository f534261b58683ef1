//! What a node tells, as people hear it.

use super::{
    Fetching, GO_ON, Goal, Hints, Next, Session, fail, look, read_ahead, stream::Streaming, torrent::Torrent,
};
use crate::{
    failure::Failure,
    output::{Event as Line, encryption_name, printable},
    units::ByteSize,
};
use convoy_core::{
    bitfield::Bitfield,
    engine::{Event, PeerEnd, Progress, Refusal, WebSeedEnd},
    fetch::FetchError,
    id::{FileIndex, InfoHash},
    metainfo::Info,
    storage::StorageError,
    tracker::announcer::{TrackerState, TrackerStatus},
};
use convoy_tokio::NodeEvent;
use std::{net::SocketAddr, time::Duration};

/// What to do where a certificate is not trusted.
const CERTIFICATE_ADVICE: &str = ". Are the clock and the name in the URL right? A certificate of your own has \
    to be among those that the system trusts; on Linux, SSL_CERT_FILE names a file of others";

impl Session<'_> {
    /// What the node tells, for people; and whether to go on.
    pub(super) fn hear(&mut self, event: NodeEvent) -> Next {
        match event {
            NodeEvent::Engine(event) => return self.handle(event),
            NodeEvent::StorageFailed { info_hash, path, error, .. } => {
                if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                    torrent.refused = Some((path, error));
                }
            }
            NodeEvent::ResumeSaved { info_hash } => {
                if let Some(Torrent { resume, .. }) = self.torrents.get(&info_hash) {
                    self.reporter.event(&Line::ResumeSaved { info_hash, file: resume });
                }
            }
            _ => {}
        }
        GO_ON
    }

    fn handle(&mut self, event: Event) -> Next {
        match event {
            Event::Listening { local } => {
                self.reporter.event(&Line::Listening { addr: local, service: None });
                self.reporter.note(format_args!("listening on {local}"));
                GO_ON
            }
            Event::NotListening { error } => {
                self.reporter.event(&Line::NotListening { why: error.to_string() });
                self.reporter.note(format_args!(
                    "warning: peers cannot reach this node: {error}. It can still reach them. Name an address of \
                     this machine with --listen ADDR, such as [::]:0"
                ));
                GO_ON
            }
            Event::Fetching { info_hash } => self.asking(info_hash),
            Event::Metadata { info } => self.known(*info),
            Event::MetadataUnusable { info_hash, error } => {
                fail(look::unusable(&self.name(info_hash), &error))
            }
            Event::Added { info_hash } => self.added(info_hash),
            Event::Refused { info_hash, why } => self.refused(info_hash, why),
            Event::Checked { info_hash, have } => self.checked(info_hash, &have),
            Event::Progress(progress) => self.progress(*progress),
            Event::Finished { info_hash } | Event::Completed { info_hash } => self.finished(info_hash),
            Event::SeedGoalReached { info_hash } => self.shared(info_hash),
            Event::Failed { info_hash, file, error } => self.failed(info_hash, file, error),
            Event::DialFailed { info_hash, remote, why } => self.dial_failed(info_hash, remote, &why),
            other => {
                self.tell(&other);
                GO_ON
            }
        }
    }

    /// Events after which it goes on in any case.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Statistics(statistics) => {
                self.reporter.event(&Line::EncryptionSummary((&**statistics).into()));
            }
            Event::PieceVerified { info_hash, piece, from } => {
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_piece(*piece);
                }
                if let Some(streaming) = &mut self.streaming {
                    streaming.verified(*piece);
                }
                self.reporter.event(&Line::Piece { info_hash: *info_hash, index: piece.0, from: *from });
            }
            Event::PieceFailed { info_hash, piece } => {
                tracing::warn!(piece = piece.0, "a piece did not match its hash");
                self.reporter.event(&Line::PieceFailed { info_hash: *info_hash, index: piece.0 });
            }
            Event::PeerBanned { info_hash, remote } => {
                tracing::warn!(peer = %remote, "sent corrupt data, and is banned");
                self.reporter.event(&Line::PeerBanned { info_hash: *info_hash, addr: *remote });
            }
            Event::PeerConnected { info_hash, peer } => {
                let encryption = encryption_name(peer.encryption);
                tracing::info!(peer = %peer.remote, outgoing = peer.outgoing, encryption, "connected");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_peer(peer);
                }
                self.reporter.event(&Line::peer(*info_hash, peer));
            }
            Event::PeerGone { info_hash, peer, why } => {
                tracing::info!(peer = %peer.remote, %why, "gone");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_exchange(peer.downloaded_bytes, peer.uploaded_bytes);
                }
                self.reporter.event(&Line::peer_gone(*info_hash, peer, why.to_string()));
            }
            Event::WebSeedUp { info_hash, url } => {
                tracing::info!(url, "a web seed answers");
                self.reporter.event(&Line::WebSeed { info_hash: *info_hash, url });
            }
            Event::WebSeedGone { info_hash, url, downloaded_bytes, why, retry_after } => {
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_exchange(*downloaded_bytes, 0);
                }
                self.web_seed_gone(*info_hash, url, *downloaded_bytes, *why, *retry_after);
            }
            Event::Tracker { info_hash, status } => self.tracker(*info_hash, status),
            Event::FellBack { info_hash, remote, why } => {
                tracing::info!(peer = %remote, %why, "dialled again the other way");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.fallbacks += 1;
                }
                let (addr, why) = (*remote, why.to_string());
                self.reporter.event(&Line::FellBack { info_hash: *info_hash, addr, why });
            }
            _ => {}
        }
    }

    /// What people call a torrent.
    fn name(&self, info_hash: InfoHash) -> String {
        let known = self.torrents.get(&info_hash).map(|torrent| &torrent.info.name);
        known.or(self.fetching.get(&info_hash).map(|fetching| &fetching.name)).cloned().unwrap_or_default()
    }

    fn asking(&self, info_hash: InfoHash) -> Next {
        let name = &self.name(info_hash);
        self.reporter.event(&Line::Fetching { info_hash, name });
        self.reporter.note(format_args!("[{}] asking what it is", printable(name)));
        GO_ON
    }

    /// Peers have said what a link stands for.
    fn known(&mut self, info: Info) -> Next {
        let info_hash = info.info_hash;
        let Some(Fetching { name: before, selection, web_seeds, .. }) = self.fetching.remove(&info_hash)
        else {
            return GO_ON;
        };
        let (name, total, pieces) = (&info.name, info.total_length(), info.geometry.pieces());
        let files = info.files.iter().filter(|file| !file.padding).count();
        self.reporter.event(&Line::Metadata { info_hash, name, total, pieces, files });
        self.reporter.drop_progress(&before);
        let (before, name, size) = (printable(&before), printable(name), ByteSize(total));
        self.reporter.note(format_args!("[{before}] it is {name}, {size} in {files} files"));
        self.add(info, Hints { web_seeds, ..Hints::default() }, selection.as_ref())
            .map_or_else(fail, |()| GO_ON)
    }

    fn added(&self, info_hash: InfoHash) -> Next {
        if let Some(Torrent { info, .. }) = self.torrents.get(&info_hash) {
            let (total, pieces) = (info.geometry.total_length(), info.geometry.pieces());
            self.reporter.event(&Line::Added { info_hash, name: &info.name, total, pieces });
        }
        GO_ON
    }

    fn refused(&self, info_hash: InfoHash, why: Refusal) -> Next {
        let advice = match why {
            Refusal::AlreadyThere => "leave it out: what is there goes on",
            Refusal::TooMany => "begin with fewer, or run the program once more for the others",
            Refusal::Mismatch => "look at it anew: name another folder for what is known with --state DIR",
            _ => "run it again",
        };
        fail(Failure::new(format!("{}: {why}", printable(&self.name(info_hash)))).advise(advice))
    }

    fn checked(&mut self, info_hash: InfoHash, have: &Bitfield) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        let (count, pieces) = (have.count(), have.len());
        self.reporter.event(&Line::Checked { info_hash, have: count, pieces });
        torrent.begin(have);
        if let Some(file) = self.order.wish.stream {
            self.streaming = Streaming::begin(torrent, file, have, self.written.clone());
            read_ahead(&self.node, self.streaming.as_ref(), 0);
        }
        let name = printable(&torrent.info.name);
        if self.order.goal == Goal::Serve {
            if !have.is_full() {
                return fail(torrent.not_all_there(have, self.reporter));
            }
            self.reporter.note(format_args!("[{name}] complete; serving it until Ctrl-C"));
        } else if count > 0 {
            self.reporter.note(format_args!("[{name}] {count} of {pieces} pieces are there already"));
        }
        if have.is_full() { self.finished(info_hash) } else { GO_ON }
    }

    fn progress(&mut self, progress: Progress) -> Next {
        if let Some(fetching) = self.fetching.get_mut(&progress.info_hash) {
            fetching.progress(&progress, self.reporter);
        } else if let Some(torrent) = self.torrents.get_mut(&progress.info_hash) {
            self.reporter.progress(&torrent.info.name, &progress);
            torrent.progress = Some(progress);
        }
        GO_ON
    }

    /// Everything that is wanted is there.
    fn finished(&mut self, info_hash: InfoHash) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        if !torrent.finished && self.order.goal != Goal::Serve {
            if let Err(failure) = torrent.make_empty_files() {
                return fail(failure);
            }
            torrent.tell_finish(self.reporter);
        }
        torrent.finished = true;
        self.end_if_reached()
    }

    /// It was shared for as long as was asked for.
    fn shared(&mut self, info_hash: InfoHash) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        torrent.shared = true;
        let name = &torrent.info.name;
        self.reporter.event(&Line::SeedGoalReached { info_hash, name });
        self.reporter.note(format_args!("[{}] shared for as long as was asked for", printable(name)));
        self.end_if_reached()
    }

    fn failed(&self, info_hash: InfoHash, file: Option<FileIndex>, error: StorageError) -> Next {
        self.torrents.get(&info_hash).map_or(GO_ON, |torrent| fail(torrent.failed(file, error)))
    }

    fn dial_failed(&mut self, info_hash: InfoHash, addr: SocketAddr, why: &PeerEnd) -> Next {
        self.reporter.event(&Line::DialFailed { info_hash, addr, why: why.to_string() });
        // A dial that our own end cuts short says nothing of the peer.
        if *why != PeerEnd::Stopped && self.unreached.insert(addr) {
            self.reporter.note(format_args!("cannot reach the peer {addr}: {why}; will try again"));
        }
        GO_ON
    }

    /// How it stands with a tracker. People are told what is new: that it answers, or why not.
    fn tracker(&mut self, info_hash: InfoHash, status: &TrackerStatus) {
        self.reporter.event(&Line::tracker(info_hash, status));
        let word = match &status.state {
            TrackerState::Working => None,
            TrackerState::Failed(failure) => Some(failure.to_string()),
            TrackerState::Unsupported => Some("cannot be asked by this build".to_owned()),
            TrackerState::Idle | TrackerState::Asking => return,
        };
        let before = self.trackers.insert((info_hash, status.url.clone()), word.clone());
        if before.as_ref() == Some(&word) {
            return;
        }
        let (name, url) = (self.name(info_hash), printable(&status.url));
        let name = printable(&name);
        match word {
            Some(word) => self.reporter.note(format_args!("[{name}] tracker {url}: {}", printable(&word))),
            // That one answers is what everybody expects, unless it did not.
            None if before.is_some() => self.reporter.note(format_args!("[{name}] tracker {url} answers")),
            None => {}
        }
    }

    fn web_seed_gone(
        &self,
        info_hash: InfoHash,
        url: &str,
        downloaded: u64,
        why: WebSeedEnd,
        retry_after: Option<Duration>,
    ) {
        let retry_after_s = retry_after.map(|time| time.as_secs());
        let text = why.to_string();
        self.reporter.event(&Line::WebSeedGone { info_hash, url, why: text, downloaded, retry_after_s });
        let shown = printable(url);
        let advice = match why {
            WebSeedEnd::Fetch(FetchError::Certificate) => CERTIFICATE_ADVICE,
            _ => "",
        };
        match retry_after_s {
            _ if why == WebSeedEnd::Idle => {}
            Some(s) => {
                self.reporter.note(format_args!("web seed {shown}: {why}; will try again in {s} s{advice}"));
            }
            None => self.reporter.note(format_args!("web seed {shown}: {why}; given up")),
        }
    }
}
