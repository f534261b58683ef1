//! `convoy download`: fetch, then seed on.

use super::session::{self, Goal};
use crate::{args, config::Config, failure::Failure, output::Reporter, source::make_folder};

/// Goes on until everything is there, or until somebody stops it.
pub(super) async fn run(args: args::Download, reporter: &Reporter) -> Result<(), Failure> {
    let config = Config::load(&args.node, &args.settings)?;
    if args.node.print_config {
        return super::write_out(config.to_toml()?.as_bytes());
    }
    let goal = if config.exit_when_done { Goal::Complete } else { Goal::Fetch };
    let torrents = session::read(&args.sources)?;
    make_folder(&config.output)?;
    session::run(goal, torrents, &config.output, &config, reporter).await
}
