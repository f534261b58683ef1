//! `convoy download`: fetch, then seed on.

use super::session::{self, Goal, Order};
use crate::{
    args,
    config::Config,
    failure::Failure,
    output::{Event, Reporter, printable},
    source::{Source, make_folder},
    units::ByteSize,
    wish::Wish,
};
use convoy_core::{id::FileIndex, metainfo::Info};

/// Goes on until everything is there, or until somebody stops it.
pub(super) async fn run(args: args::Download, reporter: &Reporter) -> Result<(), Failure> {
    let config = Config::load(&args.node, &args.settings)?;
    if args.node.print_config {
        return super::write_out(config.to_toml()?.as_bytes());
    }
    let wish = Wish { stream: args.stream.map(FileIndex), ..Wish::new(&config) };
    // Who reads a file is done when it is out, unless it is to be shared as well.
    let is_enough = config.exit_when_done || wish.stream.is_some() && !wish.has_seed_goal();
    let goal = if is_enough { Goal::Finish } else { Goal::Fetch };
    if (config.select.is_some() || args.stream.is_some()) && args.sources.len() > 1 {
        return Err(Failure::usage("files can be chosen of one SOURCE at a time")
            .advise("run it once for each, or without --select and --stream"));
    }
    let sources = session::read(&args.sources)?;
    if args.list {
        return list(sources, &config, reporter).await;
    }
    make_folder(&config.output)?;
    let order = Order { goal, folder: &config.output, wish };
    session::run(order, sources, &config, reporter).await
}

/// Shows the torrents' files with their numbers, as soon as they are known.
async fn list(sources: Vec<Source>, config: &Config, reporter: &Reporter) -> Result<(), Failure> {
    for source in sources {
        let info = match source {
            Source::Torrent(metainfo) => metainfo.info,
            Source::Link(link) => session::look(&link, config, reporter).await?,
        };
        list_files(&info, reporter);
    }
    Ok(())
}

fn list_files(info: &Info, reporter: &Reporter) {
    for (index, file) in (0..).zip(&info.files).filter(|(_, file)| !file.padding) {
        let path = file.path.join("/");
        let size = ByteSize(file.length).to_string();
        reporter.result(format_args!("{index:>5}  {size:>10}  {}", printable(&path)));
        let info_hash = info.info_hash;
        reporter.event(&Event::ListedFile { info_hash, index, path: &path, length: file.length });
    }
}
