mod model;

use super::*;
use convoy_core::{
    id::StorageToken,
    storage::{Resume, StorageError::*},
};

const TOKEN: StorageToken = StorageToken(9);
const PIECE: u32 = 16 * 1024;
const FILES: [u64; 3] = [100_000, 0, 50_000];
const START: Instant = Instant::from_micros(1_000_000);
/// When everything that was asked of a disk since `START` is long done.
const LATER: Instant = Instant::from_micros(100_000_000);

thread_local! {
    static CONTENT: Rc<Content> = Rc::new(Content::new(3, &FILES, PIECE).unwrap());
}

/// A torrent on a disk, and `now`.
struct Host {
    content: Rc<Content>,
    disk: Disk,
    volume: VolumeId,
    now: Instant,
}

impl Host {
    fn new(full: bool, seed: u8) -> Self {
        let content = CONTENT.with(Rc::clone);
        let mut disk = Disk::new(DiskConfig::default(), [seed; 32]);
        let volume = disk.add_volume(Rc::clone(&content), full);
        Self { content, disk, volume, now: START }
    }

    fn read(&mut self, file: u32, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        let read = Operation::Read { token: TOKEN, file: FileIndex(file), offset, length };
        match self.disk.submit(self.now, self.volume, read).1 {
            Completion::Read { token: TOKEN, result } => result,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, file: u32, offset: u64, data: Bytes) -> Result<(), StorageError> {
        let write = Operation::Write { token: TOKEN, file: FileIndex(file), offset, data };
        match self.disk.submit(self.now, self.volume, write).1 {
            Completion::Written { token: TOKEN, result } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Writes what belongs there.
    fn write_right(&mut self, file: u32, offset: u64, length: u32) -> Result<(), StorageError> {
        let data = self.content.read(FileIndex(file), offset, length);
        self.write(file, offset, data)
    }

    /// When the flush ends, and how.
    fn flush(&mut self) -> (Instant, Result<(), StorageError>) {
        match self.disk.submit(self.now, self.volume, Operation::Flush { token: TOKEN }) {
            (due, Completion::Flushed { token: TOKEN, result }) => (due, result),
            other => panic!("{other:?}"),
        }
    }

    fn stamp(&self, file: usize) -> Option<FileStamp> {
        self.disk.stamps(self.volume)[file]
    }

    fn first_wrong(&self, pieces: &[u32]) -> Option<u32> {
        let mut claimed = Bitfield::new(self.content.info().geometry.pieces());
        pieces.iter().for_each(|piece| assert!(claimed.set(PieceIndex(*piece))));
        self.disk.first_wrong_piece(self.volume, &claimed).map(|piece| piece.0)
    }
}

fn always(change: impl FnOnce(&mut Trouble)) -> Trouble {
    let mut trouble = Trouble::default();
    change(&mut trouble);
    trouble
}

fn bits_apart(one: &[u8], other: &[u8]) -> u32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn a_seeds_files_are_whole() {
    let mut host = Host::new(true, 1);
    for (file, length) in (0..).zip(FILES) {
        let bytes = host.content.read(FileIndex(file), 0, length as u32);
        assert_eq!(host.read(file, 0, length as u32), Ok(bytes));
        assert_eq!(host.stamp(file as usize).map(|stamp| stamp.size), Some(length));
    }
    host.disk.power_loss(START);
    let pieces = host.content.info().geometry.pieces();
    assert_eq!(host.disk.first_wrong_piece(host.volume, &Bitfield::full(pieces)), None);
}

#[test]
fn what_was_never_written_is_not_found_or_too_short_or_zeros() {
    let mut host = Host::new(false, 1);
    assert_eq!(host.read(0, 0, 1), Err(NotFound));
    assert_eq!(host.stamp(0), None);
    host.write_right(0, 10, 5).unwrap();
    assert_eq!(host.read(0, 0, 12).unwrap()[..10], [0; 10]);
    assert_eq!(host.read(0, 14, 1), Ok(host.content.read(FileIndex(0), 14, 1)));
    assert_eq!(host.read(0, 14, 2), Err(TooShort));
    assert_eq!(host.read(0, u64::MAX, 2), Err(TooShort));
    assert_eq!(host.read(3, 0, 1), Err(NotFound));
    assert_eq!(host.write(3, 0, Bytes::new()), Err(NotFound));
}

#[test]
fn the_spindle_does_one_thing_at_a_time_and_seeks_when_it_must() {
    let mut host = Host::new(true, 1);
    let config = DiskConfig {
        seek: Duration::from_micros(1000),
        read_bytes_per_s: 1_000_000,
        write_bytes_per_s: 500_000,
        flush: Duration::from_micros(7),
        capacity: None,
    };
    host.disk.config = config;
    let mut due =
        |now: Instant, operation| (host.disk.submit(now, host.volume, operation).0 - now).as_micros();
    let read = |offset, length| Operation::Read { token: TOKEN, file: FileIndex(0), offset, length };
    let write = Operation::Write { token: TOKEN, file: FileIndex(0), offset: 30, data: vec![0; 10].into() };
    assert_eq!(due(START, read(0, 10)), 1010, "seeks at first");
    assert_eq!(due(START, read(10, 20)), 1030, "goes on where it ended");
    assert_eq!(due(START, write), 1050, "at the speed of writes");
    assert_eq!(due(START, Operation::Flush { token: TOKEN }), 1057);
    assert_eq!(due(START, read(0, 1)), 2058, "seeks back");
    assert_eq!(due(LATER, read(1, 1)), 1, "idle in between");

    host.disk.set_trouble(always(|it| (it.slow_ppm, it.slow) = (MILLION, Duration::from_micros(500))));
    let (at, _) = host.disk.submit(LATER + Duration::from_secs(1), host.volume, read(2, 1));
    assert_eq!(at - LATER, Duration::from_micros(1_000_501));
}

#[test]
fn trouble_with_reads_leaves_the_disk_as_it_is() {
    let mut host = Host::new(true, 1);
    let right = host.read(0, 0, 1000).unwrap();
    host.disk.set_trouble(always(|it| it.corrupt_read_ppm = MILLION));
    assert_eq!(bits_apart(&host.read(0, 0, 1000).unwrap(), &right), 1);
    assert_eq!(host.read(0, 0, 0), Ok(Bytes::new()));
    host.disk.set_trouble(always(|it| it.read_error_ppm = MILLION));
    assert_eq!(host.read(0, 0, 1000), Err(Io));
    host.disk.set_trouble(Trouble::default());
    assert_eq!(host.read(0, 0, 1000), Ok(right));
    assert_eq!(host.first_wrong(&[0]), None);
}

#[test]
fn a_write_that_fails_does_nothing() {
    let mut host = Host::new(false, 1);
    host.disk.set_trouble(always(|it| it.write_error_ppm = MILLION));
    assert_eq!(host.write_right(0, 0, PIECE), Err(Io));
    assert_eq!(host.flush().1, Err(Io));
    assert_eq!(host.stamp(0), None);
}

#[test]
fn a_corrupt_write_is_reported_as_done_and_found_by_the_audit() {
    let mut host = Host::new(false, 1);
    host.disk.set_trouble(always(|it| it.corrupt_write_ppm = MILLION));
    assert_eq!(host.write_right(0, 0, PIECE), Ok(()));
    let right = host.content.read(FileIndex(0), 0, PIECE);
    assert_eq!(bits_apart(&host.read(0, 0, PIECE).unwrap(), &right), 1);
    assert_eq!(host.first_wrong(&[0]), Some(0));
    host.disk.set_trouble(Trouble::default());
    assert_eq!(host.write_right(0, 0, PIECE), Ok(()));
    assert_eq!(host.first_wrong(&[0]), None);
}

#[test]
fn odds_are_kept() {
    let mut host = Host::new(true, 1);
    host.disk.set_trouble(always(|it| it.read_error_ppm = MILLION / 4));
    let errors = (0..4000).filter(|_| host.read(0, 0, 1).is_err()).count();
    assert!((900..1100).contains(&errors), "{errors}");
}

#[test]
fn a_full_disk_takes_no_more_but_lets_what_is_there_be_written_over() {
    let mut host = Host::new(false, 1);
    let other = host.disk.add_volume(Rc::clone(&host.content), true);
    assert_eq!(host.disk.stamps(other).iter().flatten().count(), 3);
    host.disk.set_capacity(Some(150_000 + 20_000));
    assert_eq!(host.write_right(0, 50_000, 15_000), Ok(()), "holes take no room");
    assert_eq!(host.write_right(0, 0, 6000), Err(Full));
    assert_eq!(host.write_right(0, 49_000, 6000), Ok(()), "1000 of them new");
    assert_eq!(host.write_right(2, 0, 4000), Ok(()));
    assert_eq!(host.write_right(2, 4000, 1), Err(Full));
    host.disk.set_capacity(Some(0));
    assert_eq!(host.write_right(0, 49_000, 16_000), Ok(()));
    host.disk.set_capacity(None);
    host.disk.set_trouble(always(|it| it.is_full = true));
    assert_eq!(host.write_right(2, 4000, 1), Err(Full));
    host.disk.set_trouble(Trouble::default());
    assert_eq!(host.write_right(2, 4000, 1), Ok(()));
}

#[test]
fn the_audit_sees_claims_of_what_is_missing_wrong_or_in_another_file() {
    let mut host = Host::new(false, 1);
    // Piece 6 has the end of file 0 and the start of file 2.
    assert_eq!(host.first_wrong(&[]), None);
    assert_eq!(host.first_wrong(&[6]), Some(6));
    host.write_right(0, 6 * u64::from(PIECE), 100_000 - 6 * PIECE).unwrap();
    assert_eq!(host.first_wrong(&[6]), Some(6));
    host.write_right(2, 0, 20_000).unwrap();
    assert_eq!(host.first_wrong(&[6]), None);
    host.write(2, 5, Bytes::from_static(b"wrong")).unwrap();
    assert_eq!(host.first_wrong(&[6]), Some(6));
    // Right again, in pieces of which some were kept as they are.
    host.write_right(2, 4, 2).unwrap();
    host.write_right(2, 8, 4).unwrap();
    assert_eq!(host.first_wrong(&[6]), Some(6));
    host.write_right(2, 6, 2).unwrap();
    assert_eq!(host.first_wrong(&[5, 6]), Some(5));
}

#[test]
fn a_flush_makes_durable_when_it_ends_and_not_before() {
    let mut survived = 0;
    for seed in 0..100 {
        let mut host = Host::new(false, seed);
        host.write_right(0, 0, PIECE).unwrap();
        let (end, result) = host.flush();
        assert_eq!(result, Ok(()));
        host.disk.power_loss(Instant::from_micros(end.as_micros() - 1));
        survived += u32::from(host.first_wrong(&[0]).is_none());

        let mut host = Host::new(false, seed);
        host.write_right(0, 0, PIECE).unwrap();
        let (end, _) = host.flush();
        host.write_right(0, u64::from(PIECE), PIECE).unwrap();
        host.disk.power_loss(end);
        assert_eq!(host.first_wrong(&[0]), None);
    }
    assert!((10..70).contains(&survived), "{survived}");
}

#[test]
fn a_write_without_a_flush_is_kept_lost_or_torn_between_pages_and_not_in_order() {
    let mut fates = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut host = Host::new(false, seed);
        host.write(0, 0, vec![0; 40_000].into()).unwrap();
        host.now = host.flush().0;
        host.write(0, 100, vec![1; 16_384].into()).unwrap();
        host.write(0, 20_000, vec![2; 3000].into()).unwrap();
        host.disk.power_loss(host.now);
        let bytes = host.read(0, 0, 40_000).unwrap();
        let ones: Vec<usize> = (0..40_000).filter(|at| bytes[*at] == 1).collect();
        let twos = bytes.iter().filter(|byte| **byte == 2).count();
        assert!([0, 480, 2520, 3000].contains(&twos), "page 5 starts at 20480: {twos}");
        fates.insert((ones.len(), ones.first().copied(), twos > 0));
    }
    let (lost, kept) = ((0, None), (16_384, Some(100)));
    let heads = (1..=4).map(|page| (page * 4096 - 100, Some(100)));
    let tails = (1..=4).map(|page| (16_484 - page * 4096, Some(page * 4096)));
    let all = [lost, kept].into_iter().chain(heads).chain(tails);
    let expected = all.flat_map(|(count, first)| [false, true].map(|second| (count, first, second)));
    assert_eq!(fates, expected.collect());
}

#[test]
fn a_new_file_may_be_gone_or_empty_after_a_power_loss() {
    let mut sizes = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let mut host = Host::new(false, seed);
        host.write_right(0, 0, 4096).unwrap();
        host.disk.power_loss(START);
        let size = host.stamp(0).map(|stamp| stamp.size);
        assert_eq!(host.read(0, 0, 4096).is_ok(), size == Some(4096));
        sizes.insert(size);
    }
    assert_eq!(sizes, [None, Some(0), Some(4096)].into());
}

#[test]
fn a_power_loss_ends_what_the_spindle_was_at() {
    let mut host = Host::new(true, 1);
    host.disk.set_trouble(always(|it| (it.slow_ppm, it.slow) = (MILLION, Duration::from_secs(60))));
    host.read(0, 0, 1).unwrap();
    host.disk.set_trouble(Trouble::default());
    assert!(host.flush().0 > START + Duration::from_secs(60));
    host.disk.power_loss(START);
    assert_eq!(host.flush().0, START + host.disk.config.flush);
}

#[test]
fn the_resume_file_survives() {
    let mut host = Host::new(false, 1);
    assert_eq!(host.disk.resume(host.volume), None);
    host.disk.save_resume(host.volume, Bytes::from_static(b"one"));
    host.disk.save_resume(host.volume, Bytes::from_static(b"two"));
    host.disk.power_loss(START);
    assert_eq!(host.disk.resume(host.volume), Some(Bytes::from_static(b"two")));
}

#[test]
fn every_write_changes_the_stamp_even_at_the_same_time_and_after_a_power_loss() {
    for seed in 0..20 {
        let mut host = Host::new(true, seed);
        let mut seen = vec![host.stamp(0)];
        for offset in 0..10 {
            host.write_right(0, offset, 1).unwrap();
            assert!(!seen.contains(&host.stamp(0)));
            seen.push(host.stamp(0));
        }
        host.disk.power_loss(START);
        assert!(seen.contains(&host.stamp(0)), "of the last write that survived");
        host.write_right(0, 0, 1).unwrap();
        assert!(!seen.contains(&host.stamp(0)));
    }
}

/// What `core` trusts by size and time is right, whatever a power loss does to later writes.
#[test]
fn a_resume_file_is_never_trusted_too_far() {
    let (mut trusted, mut checked) = (0, 0);
    for seed in 0..200 {
        let mut host = Host::new(false, seed);
        let info = host.content.info().clone();
        let mut have = Bitfield::new(info.geometry.pieces());
        for piece in 0..2 {
            host.write_right(0, u64::from(piece * PIECE), PIECE).unwrap();
            have.set(PieceIndex(piece));
        }
        let (end, _) = host.flush();
        let write_late = |host: &mut Host| {
            host.write_right(0, u64::from(2 * PIECE), PIECE).unwrap();
            host.write(0, u64::from(3 * PIECE), vec![7; 100].into()).unwrap();
        };
        if seed % 2 == 0 {
            write_late(&mut host);
        }
        host.now = end;
        let files = host.disk.stamps(host.volume);
        let resume = Resume { info_hash: info.info_hash, have, files, clean: false };
        if seed % 2 == 1 {
            write_late(&mut host);
        }
        host.disk.power_loss(end);

        let verdict = resume.trusted(host.content.layout(), &host.disk.stamps(host.volume));
        assert_eq!(host.disk.first_wrong_piece(host.volume, &verdict.trusted), None);
        assert!((0..2).map(PieceIndex).all(|it| verdict.trusted.get(it) || verdict.check.get(it)));
        trusted += verdict.trusted.count();
        checked += verdict.check.count();
    }
    assert!(trusted > 0 && checked > 0);
}
