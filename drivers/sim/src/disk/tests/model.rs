//! A disk against files of plain bytes.

use super::*;
use proptest::{prelude::*, sample::Index};

#[derive(Clone, Debug)]
enum Step {
    Write { file: u32, offset: u64, length: u32, wrong: Option<(Index, u8)> },
    Read { file: u32, offset: u64, length: u32 },
    Flush,
    Wait(Duration),
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..3_u32, 0..40_000_u64, 0..30_000_u32);
    let wrong = prop::option::weighted(0.3, (any::<Index>(), 1..=255_u8));
    prop_oneof![
        8 => (place(), wrong).prop_map(|((file, offset, length), wrong)| Step::Write { file, offset, length, wrong }),
        4 => place().prop_map(|(file, offset, length)| Step::Read { file, offset, length }),
        2 => Just(Step::Flush),
        2 => (0..5000_u64).prop_map(|micros| Step::Wait(Duration::from_micros(micros))),
        1 => Just(Step::PowerLoss),
    ]
}

#[derive(Clone, Default)]
struct Model {
    seen: [Option<Vec<u8>>; 3],
    durable: [Option<Vec<u8>>; 3],
    unflushed: Vec<(usize, u64, Vec<u8>)>,
    /// When a flush ends, and how many of `unflushed` it covers.
    flushes: Vec<(Instant, usize)>,
}

fn write(file: &mut Option<Vec<u8>>, offset: u64, data: &[u8]) {
    let file = file.get_or_insert_default();
    let end = offset as usize + data.len();
    if !data.is_empty() {
        file.resize(file.len().max(end), 0);
    }
    if let Some(place) = file.get_mut(offset as usize..end) {
        place.copy_from_slice(data);
    }
}

impl Model {
    fn settle(&mut self, now: Instant) {
        while self.flushes.first().is_some_and(|(end, _)| *end <= now) {
            let (_, covered) = self.flushes.remove(0);
            for (file, offset, data) in self.unflushed.drain(..covered) {
                write(&mut self.durable[file], offset, &data);
            }
            self.flushes.iter_mut().for_each(|(_, later)| *later -= covered);
        }
    }

    fn read(&self, file: u32, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        let bytes = self.seen[file as usize].as_ref().ok_or(NotFound)?;
        let range = offset as usize..offset as usize + length as usize;
        bytes.get(range).map(Bytes::copy_from_slice).ok_or(TooShort)
    }

    /// Whether `survivor` may be what a power loss left of `file`.
    fn may_leave(&self, file: usize, survivor: &Option<Vec<u8>>) -> bool {
        let writes = || self.unflushed.iter().filter(|write| write.0 == file);
        let durable = self.durable[file].as_deref();
        let Some(survivor) = survivor else { return durable.is_none() };
        if durable.is_none() && writes().next().is_none() {
            return false;
        }
        // The latest write first: that is what most bytes are.
        let written = |at: usize, byte: u8| {
            writes().rev().any(|(_, offset, data)| {
                at.checked_sub(*offset as usize).and_then(|at| data.get(at)) == Some(&byte)
            })
        };
        let durable = durable.unwrap_or_default();
        let ends = writes()
            .filter(|(_, _, data)| !data.is_empty())
            .map(|(_, offset, data)| *offset as usize + data.len());
        let longest = ends.fold(durable.len(), usize::max);
        (durable.len()..=longest).contains(&survivor.len())
            && survivor
                .iter()
                .enumerate()
                .all(|(at, byte)| durable.get(at).unwrap_or(&0) == byte || written(at, *byte))
    }
}

fn whole_file(host: &mut Host, file: usize) -> Option<Vec<u8>> {
    let size = host.stamp(file)?.size;
    Some(host.read(file as u32, 0, size as u32).unwrap().to_vec())
}

fn power_loss(host: &mut Host, model: &mut Model) -> Result<(), TestCaseError> {
    model.settle(host.now);
    let stamps = host.disk.stamps(host.volume);
    host.disk.power_loss(host.now);
    for (file, stamp) in stamps.into_iter().enumerate() {
        let survivor = whole_file(host, file);
        prop_assert!(model.may_leave(file, &survivor));
        if model.unflushed.iter().all(|write| write.0 != file) {
            prop_assert_eq!(host.stamp(file), stamp);
        }
        (model.seen[file], model.durable[file]) = (survivor.clone(), survivor);
    }
    model.unflushed.clear();
    model.flushes.clear();
    Ok(())
}

fn apply(host: &mut Host, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Write { file, offset, length, wrong } => {
            let mut data = host.content.read(FileIndex(file), offset, length).to_vec();
            // Also beyond the end of the torrent's file, and with any one byte wrong.
            data.resize(length as usize, 0);
            if let Some((at, flip)) = wrong.filter(|_| length > 0) {
                data[at.index(length as usize)] ^= flip;
            }
            write(&mut model.seen[file as usize], offset, &data);
            model.unflushed.push((file as usize, offset, data.clone()));
            prop_assert_eq!(host.write(file, offset, data.into()), Ok(()));
        }
        Step::Read { file, offset, length } => {
            prop_assert_eq!(host.read(file, offset, length), model.read(file, offset, length));
        }
        Step::Flush => {
            model.settle(host.now);
            let end = host.flush().0;
            model.flushes.push((end, model.unflushed.len()));
        }
        Step::Wait(time) => {
            host.now = host.now + time;
            model.settle(host.now);
        }
        Step::PowerLoss => power_loss(host, model)?,
    }
    Ok(())
}

/// Every audited piece is right in the model just when the disk says so.
fn audit(host: &Host, model: &Model) -> Result<(), TestCaseError> {
    let content = &host.content;
    for piece in (0..content.info().geometry.pieces()).map(PieceIndex) {
        let right = content.layout().piece_segments(piece).all(|segment| {
            let file = segment.file.unwrap();
            let bytes = model.read(file.0, segment.offset, segment.length);
            bytes == Ok(content.read(file, segment.offset, segment.length))
        });
        prop_assert_eq!(host.first_wrong(&[piece.0]), (!right).then_some(piece.0));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_disk_is_like_files_of_plain_bytes_and_keeps_what_was_flushed(
        steps in prop::collection::vec(step(), 0..60),
        seed in any::<u8>(),
    ) {
        let (mut host, mut model) = (Host::new(false, seed), Model::default());
        for step in steps {
            apply(&mut host, &mut model, step)?;
        }
        for file in 0..3 {
            prop_assert_eq!(whole_file(&mut host, file), model.seen[file].clone());
        }
        audit(&host, &model)?;
    }

    #[test]
    fn the_same_seed_gives_the_same_life(steps in prop::collection::vec(step(), 0..60), seed in any::<u8>()) {
        let trouble = Trouble {
            is_full: false,
            read_error_ppm: 100_000,
            write_error_ppm: 100_000,
            corrupt_read_ppm: 100_000,
            corrupt_write_ppm: 100_000,
            slow_ppm: 100_000,
            slow: Duration::from_millis(30),
        };
        let life = || {
            let mut host = Host::new(false, seed);
            host.disk.set_trouble(trouble);
            let mut log = Vec::new();
            for step in steps.clone() {
                match step {
                    Step::Write { file, offset, length, .. } => {
                        log.push(format!("{:?}", host.write_right(file, offset, length)));
                    }
                    Step::Read { file, offset, length } => log.push(format!("{:?}", host.read(file, offset, length))),
                    Step::Flush => log.push(format!("{:?}", host.flush())),
                    Step::Wait(time) => host.now = host.now + time,
                    Step::PowerLoss => host.disk.power_loss(host.now),
                }
                log.push(format!("{:?}", host.disk.stamps(host.volume)));
            }
            log
        };
        prop_assert_eq!(life(), life());
    }
}
