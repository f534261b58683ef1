//! A torrent of a session, as far as people are told of it.

use crate::{
    failure::Failure,
    inspect::{inspect, place},
    output::{Event as Line, FileStatus, Reporter, printable},
    source::make_folder,
    units::{ByteSize, Percent, Rate},
    verbs::verify,
};
use convoy_core::{
    bitfield::Bitfield,
    engine::{Encryption, PeerInfo, Progress},
    id::{FileIndex, PieceIndex},
    metainfo::{File, Info},
    storage::StorageError,
};
use std::{collections::BTreeSet, fs, io, path::PathBuf, time::Instant};

/// What is known of it.
pub(super) struct Torrent {
    pub(super) info: Info,
    /// The folder that holds its file or folder.
    folder: PathBuf,
    /// Keeps what is known of it from one run to the next.
    pub(super) resume: PathBuf,
    /// When its download began.
    began: Instant,
    /// Bytes that were there before.
    found: u64,
    /// Bytes verified; at the end more than the last progress says.
    verified: u64,
    /// Bytes of blocks had from peers that are gone; at the end more than the last progress says.
    downloaded: u64,
    /// The same, sent to them.
    uploaded: u64,
    /// Peers with encryption, and without.
    peers: (u32, u32),
    pub(super) fallbacks: u32,
    pub(super) progress: Option<Progress>,
    /// Whether everything that is wanted of it is there.
    pub(super) finished: bool,
    /// Whether it was shared for as long as was asked for.
    pub(super) shared: bool,
    /// What the system said last when it refused something of the files, and of which.
    pub(super) refused: Option<(PathBuf, io::Error)>,
}

impl Torrent {
    /// A torrent that is not checked yet.
    pub(super) fn new(info: Info, folder: PathBuf, resume: PathBuf) -> Self {
        Self {
            info,
            folder,
            resume,
            began: Instant::now(),
            found: 0,
            verified: 0,
            downloaded: 0,
            uploaded: 0,
            peers: (0, 0),
            fallbacks: 0,
            progress: None,
            finished: false,
            shared: false,
            refused: None,
        }
    }

    /// Counts a peer that is connected.
    pub(super) fn count_peer(&mut self, peer: &PeerInfo) {
        match peer.encryption {
            Encryption::None => self.peers.1 += 1,
            Encryption::Header | Encryption::Rc4 => self.peers.0 += 1,
        }
    }

    /// Begins to count, with what is there.
    pub(super) fn begin(&mut self, have: &Bitfield) {
        self.found = have.iter().map(|piece| u64::from(self.info.geometry.piece_size(piece))).sum();
        self.verified = self.found;
        self.began = Instant::now();
    }

    /// Counts a piece that came in.
    pub(super) fn count_piece(&mut self, piece: PieceIndex) {
        self.verified += u64::from(self.info.geometry.piece_size(piece));
    }

    /// Counts what was exchanged with a peer that is gone.
    pub(super) fn count_exchange(&mut self, downloaded: u64, uploaded: u64) {
        self.downloaded += downloaded;
        self.uploaded += uploaded;
    }

    /// Names the files that keep a seed from serving.
    pub(super) fn not_all_there(&self, have: &Bitfield, reporter: &Reporter) -> Failure {
        let Self { info, folder, .. } = self;
        let reports = inspect(info, folder, have);
        let bad: Vec<_> = reports.iter().filter(|report| report.status != FileStatus::Ok).collect();
        for report in &bad {
            verify::print(report, reporter);
        }
        let (missing, pieces) = (have.len() - have.count(), have.len());
        let place = bad.first().map_or_else(|| folder.clone(), |report| folder.join(&report.path));
        Failure::new(format!(
            "{}: {missing} of {pieces} pieces are missing or damaged, in {} of {} files under {}",
            printable(&info.name),
            bad.len(),
            reports.len(),
            folder.display()
        ))
        .at(&place)
        .advise("name the folder that holds the data with --data, or fetch what is missing with `convoy download`")
    }

    /// Why it cannot go on.
    pub(super) fn failed(&self, file: Option<FileIndex>, error: StorageError) -> Failure {
        let (at, said) = match &self.refused {
            Some((at, said)) => (at.clone(), said.to_string()),
            None => (self.place(file), error.to_string()),
        };
        let advice = match error {
            _ if self.is_in_the_way() => {
                "move away what has its name, or choose another folder, and run it again"
            }
            StorageError::Full => "make room, and run it again: what is verified is kept",
            StorageError::PermissionDenied => "make it writable, or choose another folder, and run it again",
            StorageError::NotFound | StorageError::TooShort => "put it back, or download it again",
            _ => "look for a fault of the disk, and run it again: what is verified is kept",
        };
        Failure::new(format!("{}: {said}", at.display())).at(&at).advise(advice)
    }

    /// A file that this torrent and another one in the same folder both write to.
    pub(super) fn common_file(&self, other: &Info) -> Option<PathBuf> {
        // All files of a torrent lie under its name.
        if self.info.name != other.name {
            return None;
        }
        let written = |file: &&File| file.length > 0 && !file.padding;
        let ours: BTreeSet<_> = self.info.files.iter().filter(written).map(|file| &file.path).collect();
        let common = other.files.iter().filter(written).find(|file| ours.contains(&file.path))?;
        Some(place(&self.folder, &common.path))
    }

    /// Whether there is a folder in place of a file, or a file in place of a folder.
    fn is_in_the_way(&self) -> bool {
        use io::ErrorKind::{IsADirectory, NotADirectory};
        self.refused.as_ref().is_some_and(|(_, said)| matches!(said.kind(), IsADirectory | NotADirectory))
    }

    /// Where a file lies, or all of them.
    pub(super) fn place(&self, file: Option<FileIndex>) -> PathBuf {
        let file = file.and_then(|file| self.info.files.get(file.0 as usize));
        file.map_or_else(|| self.folder.join(&self.info.name), |file| place(&self.folder, &file.path))
    }

    /// Makes the empty files that are not there: a node makes them with the first block, and none may have been
    /// missing.
    pub(super) fn make_empty_files(&self) -> Result<(), Failure> {
        for file in self.info.files.iter().filter(|file| file.length == 0 && !file.padding) {
            let place = place(&self.folder, &file.path);
            place.parent().map_or(Ok(()), make_folder)?;
            match fs::File::create_new(&place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    let advice = "make it writable, or choose another folder, and run it again";
                    return Err(Failure::io("cannot make", &place, &error).advise(advice));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether all of it is there.
    const fn is_complete(&self) -> bool {
        self.verified == self.info.total_length()
    }

    /// Says that everything that is wanted is there.
    pub(super) fn tell_finish(&self, reporter: &Reporter) {
        let Self { info, folder, began, found, verified, .. } = self;
        let (info_hash, name, total) = (info.info_hash, &info.name, info.total_length());
        let (time, fetched, path) = (began.elapsed(), verified - found, folder.join(name));
        let rate = Rate::mean(fetched, time);
        let seconds = time.as_secs_f64();
        let (shown, size) = (path.display().to_string(), ByteSize(*verified));
        let how = if fetched == 0 {
            "all of it was there already".to_owned()
        } else {
            format!("{} fetched in {seconds:.1} s ({rate})", ByteSize(fetched))
        };
        let what = if self.is_complete() {
            let (path, rate) = (&path, rate.0);
            reporter.event(&Line::Completed { info_hash, name, path, total, seconds, rate });
            format!("complete, {size}")
        } else {
            let (path, verified, rate) = (&path, *verified, rate.0);
            reporter.event(&Line::Finished { info_hash, name, path, verified, total, seconds, rate });
            format!("what was chosen is there, {size} of {}", ByteSize(total))
        };
        reporter.result(format_args!("{}: {what}, {how}", printable(&shown)));
    }

    /// Says how it stands at the end.
    pub(super) fn sum_up(&self, reporter: &Reporter) {
        let Self { info, progress, finished, began, verified, .. } = self;
        let of = |field: fn(&Progress) -> u64| progress.as_ref().map_or(0, field);
        let total = info.geometry.total_length();
        reporter.event(&Line::Summary {
            info_hash: info.info_hash,
            name: &info.name,
            complete: self.is_complete(),
            finished: *finished,
            total,
            verified: *verified,
            downloaded: self.downloaded.max(of(|progress| progress.downloaded_bytes)),
            uploaded: self.uploaded.max(of(|progress| progress.uploaded_bytes)),
            wasted: of(|progress| progress.wasted_bytes),
            encrypted_peers: self.peers.0,
            plain_peers: self.peers.1,
            fallbacks: self.fallbacks,
            seconds: began.elapsed().as_secs_f64(),
        });
        if !finished {
            let (name, share) = (printable(&info.name), Percent { part: *verified, whole: total });
            reporter.note(format_args!("[{name}] stopped at {share}; the next run goes on from there"));
        }
    }
}
