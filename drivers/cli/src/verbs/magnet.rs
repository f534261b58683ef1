//! `convoy magnet`: the magnet link of a torrent.

use crate::{
    args,
    failure::Failure,
    output::{Event, Reporter},
    source::read_torrent,
};

/// Prints the link.
pub(super) fn run(args: &args::Magnet, reporter: &Reporter) -> Result<(), Failure> {
    let uri = read_torrent(&args.source)?.magnet().to_string();
    reporter.event(&Event::Magnet { uri: &uri });
    reporter.result(&uri);
    Ok(())
}
