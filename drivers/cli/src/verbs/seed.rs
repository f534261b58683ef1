//! `convoy seed`: serve what is there.

use super::session::{self, Goal, Order};
use crate::{args, config::Config, failure::Failure, output::Reporter, source::Source, wish::Wish};

/// Goes on until somebody stops it, unless something is missing.
pub(super) async fn run(args: args::Seed, reporter: &Reporter) -> Result<(), Failure> {
    let config = Config::load(&args.node, &args.settings)?;
    if args.node.print_config {
        return super::write_out(config.to_toml()?.as_bytes());
    }
    let sources = session::read(&args.sources)?;
    if let Some(Source::Link(link)) = sources.iter().find(|source| matches!(source, Source::Link(_))) {
        return Err(Failure::usage(format!("{} is a link, which does not say what to serve", link.name()))
            .advise("give the .torrent, or `convoy download` it again"));
    }
    let order = Order { goal: Goal::Serve, folder: &config.data, wish: Wish::to_share(&config) };
    session::run(order, sources, &config, reporter).await
}
