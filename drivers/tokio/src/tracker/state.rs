//! Who is in which swarm, from one run to the next.

use super::{clock::Clock, swarms::Partitions};
use crate::lock;
use convoy_core::tracker::store::snapshot;
use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What was found of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was none, or nothing was to be kept of it.
    Nothing,
    /// Its swarms, but for those who would have been forgotten in the meantime.
    Swarms {
        /// How many.
        swarms: usize,
        /// How many are in them.
        peers: usize,
    },
    /// Something that cannot be read. It is out of the way, and the tracker begins with nothing.
    Damaged {
        /// Where it is now.
        moved_to: PathBuf,
        /// What is wrong with it.
        why: snapshot::SnapshotError,
    },
}

/// Takes in what an earlier run wrote.
///
/// # Errors
/// The file is there and cannot be read, or a damaged one cannot be moved.
pub(super) fn load(file: &Path, swarms: &Partitions, clock: &Clock) -> io::Result<Found> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    match snapshot::read(&bytes) {
        Ok(groups) => {
            let elapsed = age(file);
            groups.iter().for_each(|group| swarms.restore(clock.now(), group, elapsed));
            let (swarms, peers) = swarms.count();
            Ok(Found::Swarms { swarms, peers })
        }
        Err(why) => {
            let moved_to = beside(file, ".bad");
            fs::rename(file, &moved_to)?;
            Ok(Found::Damaged { moved_to, why })
        }
    }
}

/// Writes who is in which swarm, so that there is always the old file or the new one, whole. No store is locked
/// for longer than a portion takes.
///
/// # Errors
/// The system's words.
pub(super) fn save(file: &Path, swarms: &Partitions, clock: &Clock) -> io::Result<()> {
    let temporary = beside(file, ".new");
    // Some of these swarms are not for everybody to know of.
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let mut bytes = Vec::new();
    let mut writer = snapshot::Writer::new(&mut bytes);
    for store in swarms.stores() {
        let mut more = true;
        while more {
            more = writer.portion(clock.now(), &lock(store), &mut bytes);
            out.write_all(&bytes)?;
            bytes.clear();
        }
    }
    writer.finish(&mut bytes);
    out.write_all(&bytes)?;
    out.sync_all()?;
    fs::rename(&temporary, file)
}

/// How long ago a file was written. By a clock that was set back since: not at all.
fn age(file: &Path) -> Duration {
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    written.ok().and_then(|written| SystemTime::now().duration_since(written).ok()).unwrap_or_default()
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}
