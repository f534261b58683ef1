//! `convoy create`: a .torrent of a file or a folder.

use super::{info::torrent, write_out};
use crate::{
    args,
    author::{builder, make},
    failure::Failure,
    output::{Event, Reporter, printable},
    source::write_whole,
    units::{ByteSize, grouped},
    walk::{Found, walk},
};
use convoy_core::metainfo::{Builder, Metainfo};
use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Makes the .torrent.
pub(super) fn run(args: &args::Create, reporter: &Reporter) -> Result<(), Failure> {
    let found = walk(&args.path)?;
    for place in &found.left_out {
        reporter
            .note(format_args!("warning: left out {}, which is a link or a special file", place.display()));
    }
    let metainfo = make(&found, described(&found, args)?, reporter)?;
    let bytes = metainfo.encode();
    if args.output.as_deref() == Some(Path::new("-")) {
        return write_out(&bytes);
    }
    let file =
        args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.torrent", metainfo.info.name)));
    write_whole(&file, &bytes)?;
    tell(&metainfo, &file, reporter);
    Ok(())
}

/// What the arguments say.
fn described(found: &Found, args: &args::Create) -> Result<Builder, Failure> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let mut builder = builder(found, args.piece_length)?;
    for url in &args.tracker {
        builder = builder.tracker(url);
    }
    for address in &args.webseed {
        builder = builder.web_seed(&address.0);
    }
    if args.private {
        builder = builder.private();
    }
    if let Some(source) = &args.source {
        builder = builder.source(source);
    }
    if let Some(comment) = &args.comment {
        builder = builder.comment(comment);
    }
    if let Some(date) = args.date {
        builder = builder.creation_date(date.unwrap_or_else(now));
    }
    Ok(builder)
}

fn tell(metainfo: &Metainfo, file: &Path, reporter: &Reporter) {
    let geometry = &metainfo.info.geometry;
    reporter.event(&Event::Created { torrent: Box::new(torrent(metainfo)), file });
    reporter.result(format_args!(
        "{}: {} in {} pieces of {:#}, info hash {}",
        printable(&file.display().to_string()),
        ByteSize(geometry.total_length()),
        grouped(u64::from(geometry.pieces())),
        ByteSize(u64::from(geometry.piece_length())),
        metainfo.info.info_hash
    ));
}
