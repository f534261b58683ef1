//! `convoy seed`: serve what is there.

use super::session::{self, Goal, Order};
use crate::{args, config::Config, failure::Failure, output::Reporter, wish::Wish};

/// Goes on until somebody stops it, unless something is missing.
pub(super) async fn run(args: args::Seed, reporter: &Reporter) -> Result<(), Failure> {
    let config = Config::load(&args.node, &args.settings)?;
    if args.node.print_config {
        return super::write_out(config.to_toml()?.as_bytes());
    }
    let torrents = session::read(&args.sources)?;
    let order = Order { goal: Goal::Serve, folder: &config.data, wish: Wish::to_share(&config) };
    session::run(order, torrents, &config, reporter).await
}
