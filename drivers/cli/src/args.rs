//! The command line. Every flag is also an environment variable: `CONVOY_` and the flag's name for those
//! that verbs share, `CONVOY_`, the verb and the flag's name for the others.

mod ask;
mod tracker;

use crate::{
    config::{PeerAddr, SeedBytes, WebAddress},
    units::{ByteSize, Ratio, Span},
    wish::{Priority, Selection},
};
pub(crate) use ask::{Announce, Asked, Scrape, State};
use clap::{
    ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum,
    builder::{BoolishValueParser, FalseyValueParser},
};
use convoy_core::mse;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};
pub(crate) use tracker::Tracker;

/// Moves files between peers: a BitTorrent-compatible client.
#[derive(Debug, Parser)]
#[command(name = "convoy", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n\
    Results go to stdout; progress and logs go to stderr. Every flag is also a variable CONVOY_….")]
pub(crate) struct Args {
    /// How to speak.
    #[command(flatten)]
    pub(crate) console: Console,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// How the program speaks.
#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub(crate) struct Console {
    /// Print one JSON object a line: events, progress and results
    #[arg(long, global = true, env = "CONVOY_JSON", value_parser = FalseyValueParser::new(), help_heading = "Console")]
    pub(crate) json: bool,
    /// Show no progress: results and errors only
    #[arg(short, long, global = true, env = "CONVOY_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Console")]
    pub(crate) quiet: bool,
    /// Log more; may repeat. CONVOY_LOG takes finer filters, such as convoy_tokio=trace
    #[arg(short, long, global = true, env = "CONVOY_VERBOSE", action = ArgAction::Count, help_heading = "Console")]
    pub(crate) verbose: u8,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Download a torrent, then seed it until Ctrl-C
    Download(Download),
    /// Serve data that is there, until Ctrl-C
    Seed(Seed),
    /// Make a .torrent of a file or a folder
    Create(Create),
    /// Show what a .torrent or a magnet link says
    #[command(visible_alias = "show")]
    Info(Info),
    /// Print the magnet link of a .torrent
    Magnet(Magnet),
    /// Check data against a .torrent
    Verify(Verify),
    /// Tell a torrent's trackers that we are there, once, and print the peers that they name
    Announce(Announce),
    /// Ask a torrent's trackers how many share it
    Scrape(Scrape),
    /// Run a tracker, until Ctrl-C
    Tracker(Tracker),
    /// Run a whole swarm on this machine and check what it delivers
    Demo(Demo),
    /// Run a simulated swarm: the same seed gives the same life
    Sim(Sim),
    /// Live a recorded trace again and show the first difference
    Replay(Replay),
    /// Hold this program against conformance vectors
    #[command(subcommand)]
    Vectors(Vectors),
    /// Print a script that completes commands in a shell
    Completions(Completions),
    /// Print the version
    Version,
}

impl Verb {
    /// Whether stdout is for data alone.
    pub(crate) const fn streams(&self) -> bool {
        matches!(self, Self::Download(Download { stream: Some(_), .. }))
    }
}

/// `convoy download`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Peers send whole pieces: where a chosen file shares a piece with a neighbour, the \
    neighbour's bytes of that piece come too and are written to its file. Empty files are made whatever is \
    chosen.")]
pub(crate) struct Download {
    /// .torrent files, - for one on stdin, magnet links or info-hashes
    #[arg(required_unless_present = "print_config", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// List the files with their numbers, and do nothing
    #[arg(long, env = "CONVOY_LIST", value_parser = FalseyValueParser::new())]
    pub(crate) list: bool,
    /// Write this file to stdout while it comes, and stop when it is out; what else there is to say goes to
    /// stderr
    #[arg(long, value_name = "INDEX", env = "CONVOY_STREAM")]
    pub(crate) stream: Option<u32>,
    /// Flags that are settings too.
    #[command(flatten)]
    pub(crate) settings: DownloadSettings,
    /// What the node is told.
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

/// Settings that only `download` has.
#[derive(Debug, ClapArgs, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DownloadSettings {
    /// Where the files go [default: .]
    #[arg(short, long, value_name = "DIR", env = "CONVOY_OUTPUT")]
    output: Option<PathBuf>,
    /// The files to download, by their numbers, such as 0,2-4 [default: all]
    #[arg(long, value_name = "INDICES", env = "CONVOY_SELECT")]
    select: Option<Selection>,
    /// How urgent it is: where a rate limit holds torrents up, the more urgent come first (those that are
    /// complete count as user); no difference without one [default: user]
    #[arg(long, value_name = "TIER", env = "CONVOY_PRIORITY")]
    priority: Option<Priority>,
    /// Ask for pieces in their order, not for the rarest first
    #[arg(long, env = "CONVOY_SEQUENTIAL", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sequential: Option<bool>,
    /// Stop when everything that is wanted is there instead of seeding on
    #[arg(long, env = "CONVOY_EXIT_WHEN_DONE", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    exit_when_done: Option<bool>,
    /// A web server that has the files, besides those that the .torrent names; may repeat
    #[arg(long, value_name = "URL", env = "CONVOY_WEBSEED", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webseed: Vec<WebAddress>,
}

/// `convoy seed`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Seed {
    /// .torrent files, or - for one on stdin
    #[arg(required_unless_present = "print_config", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Flags that are settings too.
    #[command(flatten)]
    pub(crate) settings: DataSettings,
    /// What the node is told.
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

/// Where data lie that are there already.
#[derive(Debug, ClapArgs, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DataSettings {
    /// The folder that holds the torrent's file or folder [default: .]
    #[arg(long, value_name = "DIR", env = "CONVOY_DATA")]
    data: Option<PathBuf>,
}

/// `convoy verify`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// A .torrent file, or - for one on stdin
    pub(crate) source: String,
    /// The folder that holds the torrent's file or folder
    #[arg(long, value_name = "DIR", env = "CONVOY_DATA", default_value = ".")]
    pub(crate) data: PathBuf,
}

/// `convoy create`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Everything in a folder is taken, hidden files and empty files too, in the order of \
    their names' bytes. Symbolic links and special files inside it are left out with a warning. The same \
    input makes the same .torrent, byte for byte, unless --date is given.")]
pub(crate) struct Create {
    /// The file or folder to share
    pub(crate) path: PathBuf,
    /// Where to write the .torrent, or - for stdout; replaced if it exists [default: NAME.torrent]
    #[arg(short, long, value_name = "FILE", env = "CONVOY_CREATE_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Bytes in a piece, a power of two of 16KiB or more [default: by size]
    #[arg(long, value_name = "SIZE", env = "CONVOY_CREATE_PIECE_LENGTH")]
    pub(crate) piece_length: Option<ByteSize>,
    /// A tracker; each one further is a tier of its own
    #[arg(long, value_name = "URL", env = "CONVOY_CREATE_TRACKER", value_delimiter = ',', value_parser = address)]
    pub(crate) tracker: Vec<String>,
    /// An address where a web server has the same content
    #[arg(long, value_name = "URL", env = "CONVOY_CREATE_WEBSEED", value_delimiter = ',')]
    pub(crate) webseed: Vec<WebAddress>,
    /// Let peers be learnt from the trackers only
    #[arg(long, env = "CONVOY_CREATE_PRIVATE", value_parser = FalseyValueParser::new())]
    pub(crate) private: bool,
    /// Free text, shown to those who look
    #[arg(long, value_name = "TEXT", env = "CONVOY_CREATE_COMMENT")]
    pub(crate) comment: Option<String>,
    /// A tag that gives the same content another info-hash
    #[arg(long, value_name = "TEXT", env = "CONVOY_CREATE_SOURCE")]
    pub(crate) source: Option<String>,
    /// Write a creation date: now, or the given seconds of Unix time
    #[arg(long, value_name = "SECONDS", env = "CONVOY_CREATE_DATE", num_args = 0..=1, require_equals = true)]
    pub(crate) date: Option<Option<i64>>,
    /// Write no creation date (the default)
    #[arg(long, conflicts_with = "date", env = "CONVOY_CREATE_NO_DATE", value_parser = FalseyValueParser::new())]
    pub(crate) no_date: bool,
}

/// `convoy info`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Info {
    /// A .torrent file, - for one on stdin, a magnet link or an info-hash
    pub(crate) source: String,
    /// A peer that is asked what a link stands for, HOST:PORT; may repeat
    #[arg(
        long,
        value_name = "ADDR",
        env = "CONVOY_PEER",
        visible_alias = "initial-peers",
        value_delimiter = ','
    )]
    pub(crate) peer: Vec<PeerAddr>,
}

impl Info {
    /// What a node that asks is told.
    pub(crate) fn node(&self) -> NodeOptions {
        NodeOptions { peer: self.peer.clone(), ..NodeOptions::default() }
    }
}

/// `convoy magnet`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Magnet {
    /// A .torrent file, or - for one on stdin
    pub(crate) source: String,
}

/// `convoy demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// How many leechers there are besides the seed
    #[arg(long, value_name = "N", default_value = "3", env = "CONVOY_DEMO_PEERS",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) peers: u8,
    /// How many bytes the shared file has
    #[arg(long, default_value = "64MiB", env = "CONVOY_DEMO_SIZE")]
    pub(crate) size: ByteSize,
    /// Bytes in a piece, a power of two of 16KiB or more [default: by size]
    #[arg(long, value_name = "SIZE", env = "CONVOY_DEMO_PIECE_LENGTH")]
    pub(crate) piece_length: Option<ByteSize>,
    /// Where to make the scratch folder, which is removed at the end [default: the system's]
    #[arg(long, env = "CONVOY_DEMO_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Whether streams are encrypted
    #[arg(long, value_name = "POLICY", default_value = "enabled", env = "CONVOY_ENCRYPTION")]
    pub(crate) encryption: Encryption,
    /// What encryption covers
    #[arg(long, value_name = "LEVEL", default_value = "both", env = "CONVOY_ENCRYPTION_LEVEL")]
    pub(crate) encryption_level: EncryptionLevel,
    /// 64 hex digits that make the run repeatable; for tests
    #[arg(long, value_name = "HEX", env = "CONVOY_SEED_BYTES")]
    pub(crate) seed_bytes: Option<SeedBytes>,
}

/// `convoy sim`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "A run that fails is printed with its seed and shrunk to fewer hosts and faults.")]
pub(crate) struct Sim {
    /// What happens: a scenario's name, or a TOML file of one
    #[arg(long, value_name = "NAME", default_value = "flash-crowd", env = "CONVOY_SIM_SCENARIO")]
    pub(crate) scenario: String,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value = "1", env = "CONVOY_SIM_SEED")]
    pub(crate) seed: u64,
    /// How many hosts there are [default: the scenario's]
    #[arg(long, value_name = "N", env = "CONVOY_SIM_PEERS")]
    pub(crate) peers: Option<u32>,
    /// Draw completion, rate and unchoked peers over time as SVG
    #[arg(long, value_name = "FILE", env = "CONVOY_SIM_PLOT")]
    pub(crate) plot: Option<PathBuf>,
    /// Write down everything that hosts do
    #[arg(long, value_name = "FILE", env = "CONVOY_SIM_TRACE")]
    pub(crate) trace: Option<PathBuf>,
}

/// `convoy replay`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Replay {
    /// A trace or a machine vector, or - for one on stdin
    pub(crate) file: String,
}

/// `convoy vectors`.
#[derive(Debug, Subcommand)]
pub(crate) enum Vectors {
    /// Check every file of vectors in a folder
    Check(VectorsCheck),
}

/// `convoy vectors check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct VectorsCheck {
    /// The folder; what lies below it counts
    #[arg(value_name = "DIR", default_value = "conformance-vectors")]
    pub(crate) dir: PathBuf,
}

/// `convoy completions`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// What a node can be told: each flag is a setting of the same name in the configuration file.
#[derive(Debug, Default, ClapArgs, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Node")]
pub(crate) struct NodeOptions {
    /// Where peers can reach us; a port that is taken is replaced by a free one.
    #[arg(
        long,
        value_name = "ADDR",
        env = "CONVOY_LISTEN",
        help = "Where peers can reach us; a port that is taken is replaced by a free one [default: [::]:6881]"
    )]
    listen: Option<SocketAddr>,
    /// A peer to begin with, HOST:PORT; may repeat
    #[arg(
        long,
        value_name = "ADDR",
        env = "CONVOY_PEER",
        visible_alias = "initial-peers",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    peer: Vec<PeerAddr>,
    /// A tracker besides those that the torrents name; may repeat
    #[arg(long, value_name = "URL", env = "CONVOY_TRACKER", value_delimiter = ',', value_parser = address)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tracker: Vec<String>,
    /// A proxy for HTTP trackers and web seeds; peers and UDP trackers are reached without it
    #[arg(long, value_name = "URL", env = "CONVOY_PROXY", value_parser = address)]
    proxy: Option<String>,
    /// The most bytes a second from peers, such as 500k or 2Mi; 0 is no limit [default: 0]
    #[arg(short, long, value_name = "RATE", env = "CONVOY_DOWNLOAD_LIMIT")]
    download_limit: Option<ByteSize>,
    /// The most bytes a second to peers; 0 is no limit [default: 0]
    #[arg(short, long, value_name = "RATE", env = "CONVOY_UPLOAD_LIMIT")]
    upload_limit: Option<ByteSize>,
    /// The most peers of one torrent [default: 100]
    #[arg(long, value_name = "N", env = "CONVOY_PEER_LIMIT")]
    peer_limit: Option<NonZeroU32>,
    /// Share until so many bytes were sent for each that is wanted, then stop, such as 1.5
    #[arg(long, value_name = "R", env = "CONVOY_SEED_RATIO")]
    seed_ratio: Option<Ratio>,
    /// Share for so long from when everything is there, then stop, such as 90s or 2h
    #[arg(long, value_name = "TIME", env = "CONVOY_SEED_TIME")]
    seed_time: Option<Span>,
    /// Where resume files are kept [default: $XDG_STATE_HOME/convoy]
    #[arg(long, value_name = "DIR", env = "CONVOY_STATE")]
    state: Option<PathBuf>,
    /// Whether streams are encrypted [default: enabled]
    #[arg(long, value_name = "POLICY", env = "CONVOY_ENCRYPTION")]
    encryption: Option<Encryption>,
    /// What encryption covers [default: both]
    #[arg(long, value_name = "LEVEL", env = "CONVOY_ENCRYPTION_LEVEL")]
    encryption_level: Option<EncryptionLevel>,
    /// Take the room on disk at once instead of as pieces come
    #[arg(long, env = "CONVOY_PREALLOCATE", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    preallocate: Option<bool>,
    /// Do without the DHT (this build has none)
    #[arg(long, env = "CONVOY_NO_DHT", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_dht: Option<bool>,
    /// Learn of no peers from other peers, and tell of none (peer exchange)
    #[arg(long, env = "CONVOY_NO_PEX", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_pex: Option<bool>,
    /// Do without uTP (this build has none)
    #[arg(long, env = "CONVOY_NO_UTP", value_name = "BOOL", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_utp: Option<bool>,
    /// 64 hex digits that make a run repeatable; for tests
    #[arg(long, value_name = "HEX", env = "CONVOY_SEED_BYTES")]
    seed_bytes: Option<SeedBytes>,
    /// Settings as TOML [default: $XDG_CONFIG_HOME/convoy/config.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "CONVOY_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings that hold, as a configuration file, and do nothing
    #[arg(long, env = "CONVOY_PRINT_CONFIG", value_parser = FalseyValueParser::new())]
    #[serde(skip)]
    pub(crate) print_config: bool,
}

/// A URL, as far as one can tell without asking it.
fn address(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(text.to_owned()),
        _ => {
            Err("an address begins with its protocol, such as udp://host:port/announce or https://host/path"
                .into())
        }
    }
}

/// Whether streams are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encryption {
    /// Never.
    #[serde(alias = "tolerated")]
    #[value(alias = "tolerated")]
    Disabled,
    /// Where the peer can; with others, on a second try, not.
    #[default]
    #[serde(alias = "preferred")]
    #[value(alias = "preferred")]
    Enabled,
    /// Always.
    #[serde(alias = "forced")]
    #[value(alias = "forced")]
    Required,
}

/// What encryption covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncryptionLevel {
    /// Everything.
    Rc4,
    /// Only the first bytes.
    Plaintext,
    /// Either, as the peer can; everything if it can both.
    #[default]
    Both,
}

/// The engine's words for it.
pub(crate) fn mse_config(policy: Encryption, level: EncryptionLevel) -> mse::Config {
    let policy = match policy {
        Encryption::Disabled => mse::Policy::Disabled,
        Encryption::Enabled => mse::Policy::Enabled,
        Encryption::Required => mse::Policy::Required,
    };
    let level = match level {
        EncryptionLevel::Rc4 => mse::Level::Rc4,
        EncryptionLevel::Plaintext => mse::Level::Plaintext,
        EncryptionLevel::Both => mse::Level::Both,
    };
    mse::Config { outgoing: policy, incoming: policy, level, ..mse::Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_fits_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_is_a_variable_too() {
        let mut command = Args::command();
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            for arg in verb.get_opts().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
                let name = arg.get_env().and_then(|name| name.to_str()).unwrap_or("nothing");
                let flag = arg.get_long().expect("every flag has a long name");
                let suffix = flag.replace('-', "_").to_uppercase();
                assert!(name.starts_with("CONVOY_") && name.ends_with(&suffix), "{flag} is {name}");
            }
        }
    }

    #[test]
    fn documented_commands_are_understood() {
        for line in [
            "convoy create FILE -o x.torrent --piece-length 256KiB",
            "convoy info x.torrent",
            "convoy info x.torrent --json",
            "convoy show -",
            "convoy info magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567 --peer [::1]:2",
            "convoy seed x.torrent --data DIR --listen 127.0.0.1:7001",
            "convoy download x.torrent -o DIR --peer 127.0.0.1:7001 --exit-when-done --json",
            "convoy download x.torrent --initial-peers host.example:1,[::1]:2 -d 500k -u 2Mi --peer-limit 7",
            "convoy download x.torrent --select 0,2-4 --priority lobby --sequential --list",
            "convoy download x.torrent --stream 2 --json",
            "convoy download x.torrent --seed-ratio 1.5 --seed-time 1h30m",
            "convoy seed x.torrent --seed-time 90s",
            "convoy download --print-config",
            "convoy verify x.torrent --data DIR",
            "convoy -q demo --peers 5 --size 8MiB",
            "convoy create DIR --date",
            "convoy create DIR --date=1700000000",
            "convoy sim --seed 7 --peers 1000 --scenario flash-crowd --plot out.svg --trace FILE",
            "convoy replay trace.jsonl",
            "convoy replay - --json",
            "convoy download x.torrent --tracker udp://host:1/announce,http://host/announce --proxy http://host:8080",
            "convoy announce x.torrent --tracker udp://host:1 --port 7000 --state stopped --seeder --num-want 5",
            "convoy scrape magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567",
            "convoy tracker",
            "convoy tracker --udp 127.0.0.1:0 --http [::]:6969 --metrics [::1]:9 --workers 1 --unlimited",
            "convoy tracker --members members.toml --rules rules.toml --state FILE --interval 15m",
            "convoy completions zsh",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn wrong_usage_is_told_apart() {
        assert_eq!(parse("convoy download").unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("convoy seed x --listen here").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy seed x --peer ::1").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy download x --select a").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy download x --seed-time 30").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy tracker --interval 1s").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy tracker --udp here").unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(parse("convoy dht").unwrap_err().kind(), ErrorKind::InvalidSubcommand);
        assert_eq!(
            parse("convoy create x --date --no-date").unwrap_err().kind(),
            ErrorKind::ArgumentConflict
        );
    }
}
