//! `convoy download`: fetch, then seed on.

use super::session::{self, Goal, Order};
use crate::{
    args,
    config::Config,
    failure::Failure,
    output::{Event, Reporter, printable},
    source::make_folder,
    units::ByteSize,
    wish::Wish,
};
use convoy_core::metainfo::Info;

/// Goes on until everything is there, or until somebody stops it.
pub(super) async fn run(args: args::Download, reporter: &Reporter) -> Result<(), Failure> {
    let config = Config::load(&args.node, &args.settings)?;
    if args.node.print_config {
        return super::write_out(config.to_toml()?.as_bytes());
    }
    let goal = if config.exit_when_done { Goal::Finish } else { Goal::Fetch };
    if config.select.is_some() && args.sources.len() > 1 {
        return Err(Failure::usage("files can be chosen of one SOURCE at a time"));
    }
    let torrents = session::read(&args.sources)?;
    if args.list {
        torrents.iter().for_each(|info| list(info, reporter));
        return Ok(());
    }
    make_folder(&config.output)?;
    let order = Order { goal, folder: &config.output, wish: Wish::new(&config) };
    session::run(order, torrents, &config, reporter).await
}

/// Shows a torrent's files with their numbers.
fn list(info: &Info, reporter: &Reporter) {
    for (index, file) in (0..).zip(&info.files).filter(|(_, file)| !file.padding) {
        let path = file.path.join("/");
        let size = ByteSize(file.length).to_string();
        reporter.result(format_args!("{index:>5}  {size:>10}  {}", printable(&path)));
        let info_hash = info.info_hash;
        reporter.event(&Event::ListedFile { info_hash, index, path: &path, length: file.length });
    }
}
