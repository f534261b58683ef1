//! `convoy info`: what a .torrent or a magnet link says.

use super::{session, unless_interrupted};
use crate::{
    args,
    config::Config,
    failure::Failure,
    output::{Event, Hex, InfoFile, Reporter, Torrent, printable, utc},
    source::{self, Link, Source},
    units::{ByteSize, grouped},
    wish::Selection,
};
use convoy_core::metainfo::{File, Info, Magnet, Metainfo};
use std::{
    fmt::{self, Display, Write},
    sync::Arc,
};

/// Prints it. Of a link, what peers say it stands for, if there are some to ask.
pub(super) async fn run(args: args::Info, reporter: &Arc<Reporter>) -> Result<(), Failure> {
    let name = args.source.clone();
    match unless_interrupted(reporter, move |_| source::read(&name)).await? {
        Source::Torrent(metainfo) => show(&metainfo, reporter),
        Source::Link(link) if args.peer.is_empty() => show_link(&link, reporter),
        Source::Link(link) => {
            let config = Config::load(&args.node(), &toml::Table::new())?;
            let info = session::look(&link, &config, reporter).await?;
            show(&of_link(info, link.magnet), reporter);
        }
    }
    Ok(())
}

fn show(metainfo: &Metainfo, reporter: &Reporter) {
    reporter.event(&Event::Torrent(Box::new(torrent(metainfo))));
    reporter.result(Sheet(metainfo));
}

/// What peers and the link say together.
fn of_link(info: Info, magnet: Magnet) -> Metainfo {
    let Magnet { trackers, web_seeds, nodes, .. } = magnet;
    Metainfo {
        info,
        trackers: trackers.into_iter().map(|tracker| vec![tracker]).collect(),
        web_seeds,
        nodes,
        comment: None,
        created_by: None,
        creation_date: None,
    }
}

fn show_link(Link { info_hash, magnet }: &Link, reporter: &Reporter) {
    reporter.event(&Event::Link {
        info_hash: *info_hash,
        info_hash_v2: magnet.info_hash_v2.map(|hash| Hex(&hash).to_string()),
        name: magnet.name.as_deref(),
        trackers: &magnet.trackers,
        web_seeds: &magnet.web_seeds,
        peers: &magnet.peers,
        select: Selection::of_link(&magnet.select).map(String::from),
        nodes: &magnet.nodes,
    });
    reporter.result(LinkSheet(magnet));
}

/// As an object.
pub(super) fn torrent(metainfo: &Metainfo) -> Torrent<'_> {
    let info = &metainfo.info;
    let file = |file: &File| InfoFile {
        path: file.path.join("/"),
        length: file.length,
        padding: file.padding,
        executable: file.executable,
    };
    Torrent {
        name: &info.name,
        info_hash: info.info_hash,
        info_hash_v2: info.info_hash_v2.map(|hash| Hex(&hash).to_string()),
        total: info.geometry.total_length(),
        piece_length: info.geometry.piece_length(),
        pieces: info.geometry.pieces(),
        files: info.files.iter().map(file).collect(),
        trackers: &metainfo.trackers,
        web_seeds: &metainfo.web_seeds,
        nodes: &metainfo.nodes,
        private: info.private,
        source: info.source.as_deref(),
        comment: metainfo.comment.as_deref(),
        created_by: metainfo.created_by.as_deref(),
        creation_date: metainfo.creation_date,
        non_canonical: info.non_canonical,
        magnet: metainfo.magnet().to_string(),
    }
}

/// A link as people read it.
struct LinkSheet<'a>(&'a Magnet);

impl Display for LinkSheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(magnet) = self;
        if let Some(name) = &magnet.name {
            row(f, "Name", printable(name))?;
        }
        if let Some(hash) = &magnet.info_hash {
            row(f, "Info hash", hash)?;
        }
        if let Some(hash) = &magnet.info_hash_v2 {
            row(f, "Info hash v2", Hex(hash))?;
        }
        for (name, values) in
            [("Tracker", &magnet.trackers), ("Web seed", &magnet.web_seeds), ("Peer", &magnet.peers)]
        {
            values.iter().try_for_each(|value| row(f, name, printable(value)))?;
        }
        nodes(f, &magnet.nodes)?;
        if let Some(selection) = Selection::of_link(&magnet.select) {
            row(f, "Selects", format_args!("files {selection}"))?;
        }
        row(f, "Note", "the rest is known to peers: name one with --peer HOST:PORT to ask it")
    }
}

/// A torrent as people read it.
struct Sheet<'a>(&'a Metainfo);

impl Display for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metainfo) = self;
        self.content(f)?;
        for (tier, trackers) in metainfo.trackers.iter().enumerate() {
            for tracker in trackers {
                row(f, "Tracker", format_args!("{} (tier {})", printable(tracker), tier + 1))?;
            }
        }
        for seed in &metainfo.web_seeds {
            row(f, "Web seed", printable(seed))?;
        }
        nodes(f, &metainfo.nodes)?;
        self.origin(f)?;
        row(f, "Magnet", metainfo.magnet())?;
        f.write_str("Files\n")?;
        tree(f, &metainfo.info.files)
    }
}

impl Sheet<'_> {
    fn content(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.0.info;
        let (geometry, files) = (&info.geometry, info.files.iter().filter(|file| !file.padding).count());
        let total = geometry.total_length();
        row(f, "Name", printable(&info.name))?;
        row(f, "Info hash", info.info_hash)?;
        if let Some(hash) = &info.info_hash_v2 {
            row(f, "Info hash v2", Hex(hash))?;
        }
        row(f, "Size", format_args!("{} ({} bytes)", ByteSize(total), grouped(total)))?;
        let piece = ByteSize(u64::from(geometry.piece_length()));
        row(f, "Pieces", format_args!("{} of {piece:#}", grouped(u64::from(geometry.pieces()))))?;
        row(f, "Files", grouped(files as u64))?;
        row(f, "Private", if info.private { "yes" } else { "no" })?;
        if info.non_canonical {
            row(f, "Note", "the info dictionary is not canonical bencode; other programs may refuse it")?;
        }
        Ok(())
    }

    fn origin(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metainfo) = self;
        let texts = [
            ("Source", &metainfo.info.source),
            ("Comment", &metainfo.comment),
            ("Created by", &metainfo.created_by),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                row(f, name, printable(text))?;
            }
        }
        metainfo.creation_date.map_or(Ok(()), |date| row(f, "Created", utc(date)))
    }
}

fn nodes(f: &mut impl Write, nodes: &[(String, u16)]) -> fmt::Result {
    nodes.iter().try_for_each(|(host, port)| row(f, "DHT node", format_args!("{}:{port}", printable(host))))
}

fn row(f: &mut impl Write, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{name:<14}{value}")
}

/// Files under their folders; a folder is named when the one before was another.
fn tree(f: &mut impl Write, files: &[File]) -> fmt::Result {
    let mut at: &[String] = &[];
    for file in files.iter().filter(|file| !file.padding) {
        let Some((name, folders)) = file.path.split_last() else { continue };
        let common = at.iter().zip(folders).take_while(|(one, other)| one == other).count();
        for (depth, folder) in folders.iter().enumerate().skip(common) {
            writeln!(f, "{:indent$}{}/", "", printable(folder), indent = 2 + 2 * depth)?;
        }
        let executable = if file.executable { ", executable" } else { "" };
        let indent = 2 + 2 * folders.len();
        writeln!(f, "{:indent$}{} ({}{executable})", "", printable(name), ByteSize(file.length))?;
        at = folders;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_with_all_its_hints() {
        let magnet = Magnet::parse(
            "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=A+film&tr=udp%3A%2F%2Ft.example%3A1\
             &ws=https%3A%2F%2Fw.example%2F&x.pe=192.0.2.1:7&so=0,2-4&dht=d.example:2",
        );
        let shown = LinkSheet(&magnet.expect("valid")).to_string();
        let expected = [
            "Name          A film",
            "Info hash     0123456789abcdef0123456789abcdef01234567",
            "Tracker       udp://t.example:1",
            "Web seed      https://w.example/",
            "Peer          192.0.2.1:7",
            "DHT node      d.example:2",
            "Selects       files 0,2-4",
            "Note          the rest is known to peers: name one with --peer HOST:PORT to ask it",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn folders_are_named_once_and_padding_is_not_shown() {
        let file = |path: &str, padding| File {
            path: path.split('/').map(str::to_owned).collect(),
            length: 1024,
            padding,
            executable: path.ends_with("run"),
        };
        let files = [
            file("top/a/one", false),
            file("top/.pad/7", true),
            file("top/a/two", false),
            file("top/b/c/run", false),
            file("top/z\u{1b}", false),
        ];
        let mut shown = String::new();
        tree(&mut shown, &files).expect("written");
        let expected = [
            "  top/",
            "    a/",
            "      one (1.0 KiB)",
            "      two (1.0 KiB)",
            "    b/",
            "      c/",
            "        run (1.0 KiB, executable)",
            "    z\\u{1b} (1.0 KiB)",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    }
}
