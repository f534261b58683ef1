//! Makes torrents of what is on disk.

use crate::{
    failure::Failure,
    hashing::{Content, Hashed},
    output::Reporter,
    units::ByteSize,
    walk::{Found, FoundFile},
};
use convoy_core::metainfo::{BuildError, Builder, Metainfo, Plan, SourceFile};
use std::io;

/// The smallest piece length that other programs take, in bytes.
const MIN_PIECE_LENGTH: u32 = 16 << 10;
/// The largest, being a power of two, in bytes.
const MAX_PIECE_LENGTH: u32 = 256 << 20;

/// A torrent of `found`, to which more can be added.
///
/// # Errors
/// The piece length is not one that other programs take.
pub(crate) fn builder(found: &Found, piece_length: Option<ByteSize>) -> Result<Builder, Failure> {
    let builder = if found.is_folder {
        Builder::folder(&found.name, found.files.iter().map(source_file)).keep_order()
    } else {
        Builder::single_file(&found.name, found.total())
    };
    let builder = builder.created_by(concat!("Convoy ", env!("CARGO_PKG_VERSION")));
    Ok(match piece_length {
        Some(asked) => builder.piece_length(checked(asked)?),
        None => builder,
    })
}

/// Reads and hashes `found`, and finishes the torrent.
///
/// # Errors
/// A file cannot be read, changed meanwhile, or has a name that not every system can store.
pub(crate) fn make(found: &Found, builder: Builder, reporter: &Reporter) -> Result<Metainfo, Failure> {
    let plan = builder.plan().map_err(|error| refused(found, error))?;
    check_names(found, &plan)?;
    let files = found.files.iter().map(|file| (Some(file.place.clone()), file.length));
    let work = reporter.work("hashing", &found.name, found.total());
    let hashed = Content::new(files, plan.geometry()).hash(&work);
    drop(work);
    let hashes: Result<Vec<_>, Failure> = hashed.into_iter().map(|piece| readable(found, piece)).collect();
    plan.finish(&hashes?).map_err(|error| refused(found, error))
}

/// The file's path below the folder that is shared.
fn source_file(file: &FoundFile) -> SourceFile {
    SourceFile { path: file.path.iter().skip(1).cloned().collect(), length: file.length, executable: false }
}

/// A piece length that somebody asked for.
fn checked(ByteSize(asked): ByteSize) -> Result<u32, Failure> {
    match u32::try_from(asked) {
        Ok(length) if length.is_power_of_two() && (MIN_PIECE_LENGTH..=MAX_PIECE_LENGTH).contains(&length) => {
            Ok(length)
        }
        _ => Err(Failure::usage(format!("{asked} bytes is no piece length"))
            .advise("it is a power of two from 16KiB to 256MiB, such as 256KiB or 1MiB")),
    }
}

fn refused(found: &Found, error: BuildError) -> Failure {
    let failure = Failure::new(format!("cannot make a torrent of {}: {error}", found.name));
    match error {
        BuildError::BadAddress => Failure::usage("a --tracker or --webseed is not an address"),
        BuildError::PieceLength => failure.advise("give another --piece-length"),
        BuildError::Empty => failure.advise("put something into it"),
        _ => failure,
    }
}

/// The hash, or the file that spoils it.
fn readable(found: &Found, piece: Hashed) -> Result<[u8; 20], Failure> {
    piece.map_err(|why| match found.files.get(why.file.0 as usize) {
        Some(FoundFile { place, .. }) if why.error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(format!("{} became shorter while it was read", place.display()))
                .at(place)
                .advise("run it again when nothing writes there")
        }
        Some(FoundFile { place, .. }) => Failure::io("cannot read", place, &why.error),
        None => Failure::new(why.error.to_string()),
    })
}

/// A name that a receiver has to change is refused: nobody could seed from where it lies now.
fn check_names(found: &Found, plan: &Plan) -> Result<(), Failure> {
    let hashes = vec![[0; 20]; plan.geometry().pieces() as usize];
    let rehearsal = plan.clone().finish(&hashes).map_err(|error| refused(found, error))?;
    let changed = found.files.iter().zip(&rehearsal.info.files).find(|(file, read)| file.path != read.path);
    changed.map_or(Ok(()), |(file, read)| {
        Err(Failure::new(format!("not every system can store a file named {}", file.path.join("/")))
            .at(&file.place)
            .advise(format!("rename it, for example to {}", read.path.join("/"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths_that_others_refuse_are_refused() {
        for asked in [0, 1, 8192, 100_000, 512 << 20, 1 << 40] {
            assert!(checked(ByteSize(asked)).is_err(), "{asked}");
        }
        assert_eq!(checked(ByteSize(256 << 10)).ok(), Some(256 << 10));
    }
}
