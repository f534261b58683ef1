//! `convoy demo`: a swarm of one seed and some leechers in this process, over real sockets on loopback.

mod report;
mod swarm;

use super::{on_thread, verify::check};
use crate::{
    args,
    author::{builder, make},
    failure::Failure,
    output::Reporter,
    signals::Signals,
    units::ByteSize,
    walk::walk,
};
use convoy_core::{Random, metainfo::Info, random::Seed};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::Arc,
};
use swarm::Swarm;
use tempfile::TempDir;

/// The name of the shared file.
const FILE_NAME: &str = "demo.bin";

/// Runs the swarm, reads back what it delivered, and prints a table.
pub(super) async fn run(args: args::Demo, reporter: &Arc<Reporter>) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        done = demonstrate(args, reporter) => done,
        // The scratch folder goes with what is dropped here.
        () = signals.next() => Err(Failure::interrupted()),
    }
}

async fn demonstrate(args: args::Demo, reporter: &Arc<Reporter>) -> Result<(), Failure> {
    let scratch = scratch_folder(args.dir.as_deref())?;
    check_room(&args, scratch.path())?;
    let mut random = Random::new(seed(&args)?);
    let (folder, content) = (scratch.path().join("seed"), random.child_seed());
    let leechers = usize::from(args.peers);
    let encryption = args::mse_config(args.encryption, args.encryption_level);
    let info = on_thread(reporter, move |reporter| make_content(&args, &folder, content, reporter)).await?;

    let mut swarm = Swarm::start(&info, scratch.path(), leechers, encryption, &mut random, reporter).await?;
    swarm.run().await?;
    let members = swarm.stop().await;
    let geometry = info.geometry;

    let folders: Vec<_> = members.iter().map(|member| member.folder.clone()).collect();
    let sound = on_thread(reporter, move |reporter| {
        Ok(folders.iter().map(|folder| check(&info, folder, reporter).is_full()).collect::<Vec<_>>())
    })
    .await?;
    report::tell(geometry, &members, &sound, reporter)
}

fn scratch_folder(dir: Option<&Path>) -> Result<TempDir, Failure> {
    let dir = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::Builder::new().prefix("convoy-demo-").tempdir_in(&dir).map_err(|error| {
        Failure::io("cannot make a scratch folder in", &dir, &error).advise("name another with --dir")
    })
}

/// Every node has a copy. To find out by filling the disk, or a memory that poses as one, harms others.
fn check_room(args: &args::Demo, folder: &Path) -> Result<(), Failure> {
    let needed = ByteSize(args.size.0.saturating_mul(u64::from(args.peers) + 1));
    match free(folder) {
        Some(free) if free < needed => Err(Failure::new(format!(
            "the demo needs {needed}, and {} has {free} left",
            folder.parent().unwrap_or(folder).display()
        ))
        .at(folder)
        .advise("name a folder with more room with --dir, or a smaller --size")),
        _ => Ok(()),
    }
}

/// The room that is left around a folder, where the system tells.
#[cfg(unix)]
fn free(folder: &Path) -> Option<ByteSize> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(ByteSize(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<ByteSize> {
    None
}

/// What everything random in the run comes from.
fn seed(args: &args::Demo) -> Result<Seed, Failure> {
    match args.seed_bytes {
        Some(seed) => Ok(seed.0),
        None => super::entropy(),
    }
}

/// Writes a file of random bytes, and makes a torrent of it.
fn make_content(args: &args::Demo, folder: &Path, seed: Seed, reporter: &Reporter) -> Result<Info, Failure> {
    let file = folder.join(FILE_NAME);
    let written = fs::create_dir(folder).and_then(|()| write_random(&file, args.size, seed));
    written.map_err(|error| {
        Failure::io("cannot write", &file, &error)
            .advise("name a folder with more room with --dir, or a smaller --size")
    })?;
    let found = walk(&file)?;
    Ok(make(&found, builder(&found, args.piece_length)?, reporter)?.info)
}

fn write_random(file: &Path, ByteSize(mut left): ByteSize, seed: Seed) -> io::Result<()> {
    let mut random = Random::new(seed);
    let mut file = File::create(file)?;
    let mut chunk = vec![0; 1 << 20];
    while left > 0 {
        let length = left.min(chunk.len() as u64);
        let part = &mut chunk[..length as usize];
        random.fill_public(part);
        file.write_all(part)?;
        left -= length;
    }
    Ok(())
}
