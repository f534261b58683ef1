//! What a tracker is asked from the command line.

use clap::{Args, ValueEnum};

/// `convoy announce`.
#[derive(Debug, Args)]
#[command(after_help = "This makes the tracker tell others of us. Say good-bye with --state stopped, or it \
    will go on for as long as its interval.")]
pub(crate) struct Announce {
    /// Whom to ask, of what.
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// The port at which peers are told to reach us
    #[arg(long, value_name = "PORT", env = "CONVOY_ANNOUNCE_PORT", default_value = "6881",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// What has happened
    #[arg(long, value_name = "EVENT", env = "CONVOY_ANNOUNCE_STATE", default_value = "started")]
    pub(crate) state: State,
    /// Say that we have everything
    #[arg(long, env = "CONVOY_ANNOUNCE_SEEDER", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) seeder: bool,
    /// How many peers to ask for
    #[arg(long, value_name = "N", env = "CONVOY_ANNOUNCE_NUM_WANT", default_value = "50")]
    pub(crate) num_want: u32,
}

/// `convoy scrape`.
#[derive(Debug, Args)]
pub(crate) struct Scrape {
    /// Whom to ask, of what.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Whom to ask, of what.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// A .torrent file, - for one on stdin, a magnet link or an info-hash
    pub(crate) source: String,
    /// Ask this tracker and not those that SOURCE names; may repeat
    #[arg(long, value_name = "URL", env = "CONVOY_TRACKER", value_delimiter = ',', value_parser = super::address)]
    pub(crate) tracker: Vec<String>,
    /// A proxy for HTTP trackers
    #[arg(long, value_name = "URL", env = "CONVOY_PROXY", value_parser = super::address)]
    pub(crate) proxy: Option<String>,
}

/// What an announce says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// We have begun.
    Started,
    /// Nothing new.
    Running,
    /// The download is complete.
    Completed,
    /// We leave.
    Stopped,
}
