//! Progress where there is no terminal: one line at a time.

use super::printable;
use crate::units::{ByteSize, Eta, Percent, Rate};
use convoy_core::engine::{Progress, State};

/// `[name] 42.17% (1.2 GiB / 2.9 GiB), ↓ 12.3 MiB/s, ↑ 1.1 MiB/s, ETA 2m10s, peers 17 live / 40 known`;
/// what does not move is left out.
pub(super) fn progress(name: &str, progress: &Progress) -> String {
    let wanted = || share(fetched(progress), progress.wanted_bytes);
    let name = printable(name);
    let up = Rate(progress.upload_rate_bytes_per_s);
    let peers = format!("peers {} live / {} known", progress.peers_live, progress.peers_known);
    match progress.state {
        State::FetchingMetadata => format!("[{name}] asking what it is, peers {}", progress.peers_live),
        State::Checking => {
            format!("[{name}] checking {}", share(progress.checked_bytes, progress.total_bytes))
        }
        State::Downloading => {
            let (down, eta) = (Rate(progress.download_rate_bytes_per_s), eta(progress));
            format!("[{name}] {}, ↓ {down}, ↑ {up}, ETA {eta}, {peers}", wanted())
        }
        State::Seeding => {
            let sent = ByteSize(progress.uploaded_bytes);
            format!("[{name}] seeding {}, ↑ {up}, {sent} sent, {peers}", wanted())
        }
        State::Paused => format!("[{name}] paused {}", wanted()),
        State::Failed => format!("[{name}] failed at {}", wanted()),
    }
}

/// `42.17% (1.2 GiB / 2.9 GiB)`.
pub(super) fn share(done: u64, total: u64) -> String {
    format!("{} ({} / {})", Percent { part: done, whole: total }, ByteSize(done), ByteSize(total))
}

/// How much of what is wanted is there.
pub(super) const fn fetched(progress: &Progress) -> u64 {
    progress.wanted_bytes.saturating_sub(progress.missing_bytes)
}

/// When everything that is wanted is there, if it goes on like this.
pub(super) fn eta(progress: &Progress) -> Eta {
    Eta::new(progress.missing_bytes, progress.download_rate_bytes_per_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoy_core::id::InfoHash;

    fn standing(state: State) -> Progress {
        Progress {
            info_hash: InfoHash([0; 20]),
            state,
            total_bytes: 1000 << 20,
            verified_bytes: 300 << 20,
            wanted_bytes: 800 << 20,
            missing_bytes: 600 << 20,
            checked_bytes: 100 << 20,
            downloaded_bytes: 260 << 20,
            uploaded_bytes: 30 << 20,
            wasted_bytes: 0,
            download_rate_bytes_per_s: 10 << 20,
            upload_rate_bytes_per_s: 1 << 20,
            peers_live: 17,
            peers_encrypted: 0,
            peers_known: 40,
        }
    }

    #[test]
    fn a_download_has_the_documented_form_and_counts_what_is_wanted() {
        assert_eq!(
            progress("name", &standing(State::Downloading)),
            "[name] 25.00% (200.0 MiB / 800.0 MiB), ↓ 10.0 MiB/s, ↑ 1.0 MiB/s, ETA 1m00s, \
             peers 17 live / 40 known"
        );
    }

    #[test]
    fn what_does_not_move_is_left_out() {
        assert_eq!(
            progress("name", &standing(State::Checking)),
            "[name] checking 10.00% (100.0 MiB / 1000.0 MiB)"
        );
        assert_eq!(
            progress("name", &standing(State::Seeding)),
            "[name] seeding 25.00% (200.0 MiB / 800.0 MiB), ↑ 1.0 MiB/s, 30.0 MiB sent, \
             peers 17 live / 40 known"
        );
    }
}
