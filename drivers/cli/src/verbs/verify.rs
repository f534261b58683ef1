//! `convoy verify`: whether data on disk are what a .torrent says.

use crate::{
    args,
    failure::Failure,
    hashing::{Content, Hashed},
    inspect::{FileReport, inspect, place},
    output::{Event, FileStatus, PieceRange, Reporter, printable},
    source::read_torrent,
    units::{ByteSize, Percent},
};
use convoy_core::{
    bitfield::Bitfield,
    id::PieceIndex,
    metainfo::{File, Info},
};
use std::path::Path;

/// How many ranges of bad pieces of one file are printed.
const RANGES_SHOWN: usize = 8;

/// Reads everything, and prints how each file stands.
pub(super) fn run(args: &args::Verify, reporter: &Reporter) -> Result<(), Failure> {
    let info = read_torrent(&args.source)?.info;
    let good = check(&info, &args.data, reporter);
    let reports = inspect(&info, &args.data, &good);
    let bad_files = reports.iter().filter(|report| report.status != FileStatus::Ok).count();
    for report in &reports {
        print(report, reporter);
    }
    let ok = bad_files == 0 && good.is_full();
    let (have, pieces) = (good.count(), good.len());
    reporter.event(&Event::VerifySummary {
        info_hash: info.info_hash,
        ok,
        have,
        pieces,
        files: reports.len(),
        bad_files,
    });
    let share = Percent { part: u64::from(have), whole: u64::from(pieces) };
    reporter.result(format_args!("{}: {have} of {pieces} pieces are good ({share})", printable(&info.name)));
    if ok {
        return Ok(());
    }
    let advice = if good.is_full() {
        "nothing is to be fetched: make the files that are empty, and cut off what a file has too much"
    } else {
        "`convoy download` into the same folder fetches what is missing"
    };
    Err(Failure::new(format!("{bad_files} of {} files are not as they should be", reports.len()))
        .at(&args.data)
        .advise(advice))
}

/// Which pieces are good.
pub(super) fn check(info: &Info, folder: &Path, reporter: &Reporter) -> Bitfield {
    let padding_or_place = |file: &File| (!file.padding).then(|| place(folder, &file.path));
    let files = info.files.iter().map(|file| (padding_or_place(file), file.length));
    let work = reporter.work("checking", &info.name, info.geometry.total_length());
    let mut good = Bitfield::new(info.geometry.pieces());
    for (piece, hashed) in (0..).map(PieceIndex).zip(Content::new(files, info.geometry).hash(&work)) {
        if is_good(&hashed, piece, info) {
            good.set(piece);
        }
    }
    good
}

fn is_good(hashed: &Hashed, piece: PieceIndex, info: &Info) -> bool {
    match hashed {
        Ok(hash) => info.piece_hash(piece) == Some(*hash),
        Err(why) => {
            let file =
                info.files.get(why.file.0 as usize).map(|file| file.path.join("/")).unwrap_or_default();
            tracing::debug!(file, error = %why.error, "cannot read");
            false
        }
    }
}

/// Prints how a file stands.
pub(in crate::verbs) fn print(report: &FileReport, reporter: &Reporter) {
    let FileReport { path, length, status, bad_pieces } = report;
    reporter.event(&Event::File { path, length: *length, status: *status, bad_pieces });
    reporter.result(line(report));
}

fn line(report: &FileReport) -> String {
    let what = match report.status {
        FileStatus::Ok => "ok",
        FileStatus::Missing => "MISSING",
        FileStatus::WrongLength => "WRONG LENGTH",
        FileStatus::Damaged => "DAMAGED",
        FileStatus::Unreadable => "UNREADABLE",
        FileStatus::Unknown => "UNKNOWN: shares its bad pieces with another file that is bad",
    };
    let (path, length) = (printable(&report.path), ByteSize(report.length));
    if report.bad_pieces.is_empty() {
        return format!("{path} ({length}): {what}");
    }
    format!("{path} ({length}): {what}; bad pieces {}", ranges(&report.bad_pieces))
}

/// `3, 7-9 (4 in all)`.
pub(super) fn ranges(bad: &[PieceRange]) -> String {
    let shown: Vec<String> = bad
        .iter()
        .take(RANGES_SHOWN)
        .map(
            |&PieceRange { first, last }| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
        .collect();
    let count: u64 = bad.iter().map(|range| u64::from(range.last - range.first) + 1).sum();
    let more = if bad.len() > RANGES_SHOWN { ", …" } else { "" };
    format!("{}{more} ({count} in all)", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_pieces_are_shown_as_ranges_and_counted() {
        let range = |first, last| PieceRange { first, last };
        assert_eq!(ranges(&[range(3, 3), range(7, 9)]), "3, 7-9 (4 in all)");
        let many: Vec<_> = (0..20).map(|n| range(2 * n, 2 * n)).collect();
        assert_eq!(ranges(&many), "0, 2, 4, 6, 8, 10, 12, 14, … (20 in all)");
    }
}
