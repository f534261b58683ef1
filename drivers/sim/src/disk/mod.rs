//! Disks with a speed, a size and faults.
//!
//! A [`Disk`] carries out the engine's [`Operation`]s in virtual time. What is written is seen at once, as in
//! a page cache; the answer comes when the one spindle has got round to it, and what was written survives
//! a [power loss](Disk::power_loss) for certain only when a flush that came after it has ended.
//! No bytes are kept where they are the torrent's own.

mod extents;
#[cfg(test)]
mod tests;
mod volume;

use crate::content::Content;
use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant, Random, Seed,
    bitfield::Bitfield,
    id::{FileIndex, PieceIndex},
    storage::{Completion, FileStamp, Operation, StorageError},
};
use core::time::Duration;
use std::rc::Rc;
use volume::Volume;

const MILLION: u32 = 1_000_000;

/// The folder of one torrent on a disk, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeId(pub u32);

/// How fast and how large a disk is. By default a small SSD without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// Before every operation that does not go on where the last one ended.
    pub seek: Duration,
    /// Bytes read in a second.
    pub read_bytes_per_s: u64,
    /// Bytes written in a second.
    pub write_bytes_per_s: u64,
    /// What a flush takes.
    pub flush: Duration,
    /// The most bytes in all files, holes not counted.
    pub capacity: Option<u64>,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            seek: Duration::from_micros(50),
            read_bytes_per_s: 500_000_000,
            write_bytes_per_s: 400_000_000,
            flush: Duration::from_millis(2),
            capacity: None,
        }
    }
}

/// What goes wrong, each with its odds for every operation in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// A read gives [`StorageError::Io`].
    pub read_error_ppm: u32,
    /// A write or flush gives [`StorageError::Io`] and does nothing.
    pub write_error_ppm: u32,
    /// A bit is flipped in what a read gives, not on the disk.
    pub corrupt_read_ppm: u32,
    /// A bit is flipped in what lands on the disk, and the write is reported as done.
    pub corrupt_write_ppm: u32,
    /// An operation takes longer by [`slow`](Self::slow).
    pub slow_ppm: u32,
    /// By how much.
    pub slow: Duration,
    /// There is no room for another byte: a write that needs some gives [`StorageError::Full`].
    pub is_full: bool,
}

/// The disk of one host.
///
/// ```
/// use convoy_core::{Instant, id::{FileIndex, StorageToken}, storage::{Completion, Operation}};
/// use convoy_sim::{content::Content, disk::{Disk, DiskConfig}};
/// use std::rc::Rc;
///
/// let content = Rc::new(Content::new(1, &[100_000], 16_384)?);
/// let mut disk = Disk::new(DiskConfig::default(), [1; 32]);
/// let volume = disk.add_volume(content.clone(), true);
///
/// let read = Operation::Read { token: StorageToken(0), file: FileIndex(0), offset: 5, length: 7 };
/// let (due, answer) = disk.submit(Instant::ZERO, volume, read);
/// assert!(due > Instant::ZERO);
/// let Completion::Read { result, .. } = answer else { unreachable!() };
/// assert_eq!(result?, content.read(FileIndex(0), 5, 7));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Disk {
    config: DiskConfig,
    trouble: Trouble,
    random: Random,
    volumes: Vec<Volume>,
    busy_until: Instant,
    /// Where the last operation ended.
    head: Option<Place>,
    /// The latest time of change of any file, in nanoseconds.
    last_mtime: i64,
}

/// A byte of a file, on which the head stands.
type Place = (VolumeId, FileIndex, u64);

impl Disk {
    /// An empty disk without trouble. `seed` decides what goes wrong when there is some.
    #[must_use]
    pub fn new(config: DiskConfig, seed: Seed) -> Self {
        Self {
            config,
            trouble: Trouble::default(),
            random: Random::new(seed),
            volumes: Vec::new(),
            busy_until: Instant::ZERO,
            head: None,
            last_mtime: 0,
        }
    }

    /// Makes room for a torrent: without any file, or `full`, with all of them whole and durable.
    pub fn add_volume(&mut self, content: Rc<Content>, full: bool) -> VolumeId {
        let id = VolumeId(self.volumes.len() as u32);
        self.volumes.push(Volume::new(content, full));
        id
    }

    /// From now on this goes wrong, and nothing else.
    pub const fn set_trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
    }

    /// The most bytes in all files. Those that are there stay, and may be written over.
    pub const fn set_capacity(&mut self, capacity: Option<u64>) {
        self.config.capacity = capacity;
    }

    /// Carries out `operation`, and says when to give the answer. Never before an earlier one.
    #[must_use]
    pub fn submit(&mut self, now: Instant, volume: VolumeId, operation: Operation) -> (Instant, Completion) {
        if let Some(volume) = self.volume_mut(volume) {
            volume.settle(now);
        }
        match operation {
            Operation::Read { token, file, offset, length } => {
                let transfer = transfer(length as usize, self.config.read_bytes_per_s);
                let due = self.occupy(now, (volume, file, offset), length as usize, transfer);
                (due, Completion::Read { token, result: self.read(volume, file, offset, length) })
            }
            Operation::Write { token, file, offset, data } => {
                let transfer = transfer(data.len(), self.config.write_bytes_per_s);
                let due = self.occupy(now, (volume, file, offset), data.len(), transfer);
                (due, Completion::Written { token, result: self.write(now, volume, file, offset, data) })
            }
            Operation::Flush { token } => {
                let due = self.busy_for(now, self.config.flush);
                (due, Completion::Flushed { token, result: self.flush(due, volume) })
            }
        }
    }

    /// The power fails, and comes back to what is on the platters: each write that no flush had made durable
    /// is kept, lost, or torn at a multiple of 4 KiB, and not in order; a new file may be gone. Answers
    /// that were not given yet never will be.
    pub fn power_loss(&mut self, now: Instant) {
        for volume in &mut self.volumes {
            volume.power_loss(now, &mut self.random);
        }
        self.busy_until = now;
        self.head = None;
    }

    /// Keeps a resume file, whole and for good.
    pub fn save_resume(&mut self, volume: VolumeId, resume: Bytes) {
        if let Some(volume) = self.volume_mut(volume) {
            volume.resume = Some(resume);
        }
    }

    /// The resume file that was kept last.
    #[must_use]
    pub fn resume(&self, volume: VolumeId) -> Option<Bytes> {
        self.volume(volume)?.resume.clone()
    }

    /// Size and time of change of each file, as the torrent orders them. The times are nanoseconds of virtual
    /// time; no two writes on one disk have the same.
    #[must_use]
    pub fn stamps(&self, volume: VolumeId) -> Vec<Option<FileStamp>> {
        self.volume(volume).map_or_else(Vec::new, Volume::stamps)
    }

    /// The audit: a piece that is `claimed`, and whose bytes are not all here and right.
    #[must_use]
    pub fn first_wrong_piece(&self, volume: VolumeId, claimed: &Bitfield) -> Option<PieceIndex> {
        match self.volume(volume) {
            Some(volume) => volume.first_wrong_piece(claimed),
            None => claimed.iter().next(),
        }
    }

    fn read(
        &mut self,
        volume: VolumeId,
        file: FileIndex,
        offset: u64,
        length: u32,
    ) -> Result<Bytes, StorageError> {
        if self.happens(self.trouble.read_error_ppm) {
            return Err(StorageError::Io);
        }
        let bytes = self.volume(volume).ok_or(StorageError::NotFound)?.read(file, offset, length)?;
        let corrupt = self.happens(self.trouble.corrupt_read_ppm);
        Ok(if corrupt { self.flip_a_bit(&bytes) } else { bytes })
    }

    fn write(
        &mut self,
        now: Instant,
        volume: VolumeId,
        file: FileIndex,
        offset: u64,
        mut data: Bytes,
    ) -> Result<(), StorageError> {
        if self.happens(self.trouble.write_error_ppm) {
            return Err(StorageError::Io);
        }
        let end = offset.checked_add(data.len() as u64).ok_or(StorageError::Full)?;
        let used = || self.volumes.iter().map(Volume::bytes_used).sum::<u64>();
        let capacity = if self.trouble.is_full { Some(0) } else { self.config.capacity };
        if let Some(capacity) = capacity {
            let needed = self.volume(volume).map_or(0, |volume| volume.room_needed(file, offset..end));
            if needed > 0 && used() + needed > capacity {
                return Err(StorageError::Full);
            }
        }
        if self.happens(self.trouble.corrupt_write_ppm) {
            data = self.flip_a_bit(&data);
        }
        // No two alike, so that a stamp tells every state of a file from every other.
        let now_ns = i64::try_from(now.as_micros()).map_or(i64::MAX, |micros| micros.saturating_mul(1000));
        self.last_mtime = now_ns.max(self.last_mtime.saturating_add(1));
        let mtime = self.last_mtime;
        self.volume_mut(volume).ok_or(StorageError::NotFound)?.write(file, offset, &data, mtime)
    }

    fn flush(&mut self, end: Instant, volume: VolumeId) -> Result<(), StorageError> {
        if self.happens(self.trouble.write_error_ppm) {
            return Err(StorageError::Io);
        }
        self.volume_mut(volume).ok_or(StorageError::NotFound)?.flush(end);
        Ok(())
    }

    /// The spindle goes to `place`, if it is not there, and is busy with `length` bytes; until when.
    fn occupy(&mut self, now: Instant, place: Place, length: usize, transfer: Duration) -> Instant {
        let seek = if self.head == Some(place) { Duration::ZERO } else { self.config.seek };
        let (volume, file, offset) = place;
        self.head = Some((volume, file, offset.saturating_add(length as u64)));
        self.busy_for(now, seek + transfer)
    }

    fn busy_for(&mut self, now: Instant, work: Duration) -> Instant {
        let slow = if self.happens(self.trouble.slow_ppm) { self.trouble.slow } else { Duration::ZERO };
        self.busy_until = now.max(self.busy_until) + work + slow;
        self.busy_until
    }

    fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.random.below(MILLION) < ppm
    }

    fn flip_a_bit(&mut self, bytes: &[u8]) -> Bytes {
        let mut flipped = BytesMut::from(bytes);
        let at = self.random.below(bytes.len() as u32);
        if let Some(byte) = flipped.get_mut(at as usize) {
            *byte ^= 1 << self.random.below(8);
        }
        flipped.freeze()
    }

    fn volume(&self, volume: VolumeId) -> Option<&Volume> {
        self.volumes.get(volume.0 as usize)
    }

    fn volume_mut(&mut self, volume: VolumeId) -> Option<&mut Volume> {
        self.volumes.get_mut(volume.0 as usize)
    }
}

/// How long `bytes` take at this rate, rounded up.
fn transfer(bytes: usize, bytes_per_s: u64) -> Duration {
    let micros = (bytes as u64).saturating_mul(u64::from(MILLION)).div_ceil(bytes_per_s.max(1));
    Duration::from_micros(micros)
}
