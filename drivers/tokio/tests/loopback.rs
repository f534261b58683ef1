//! Two nodes in one process, over real sockets and files.

use convoy_core::{
    engine::{self, Event},
    metainfo::{Builder, Info},
};
use convoy_tokio::{AddTorrent, Events, Node, NodeConfig, NodeEvent};
use std::{fs, net::SocketAddr, time::Duration};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_leecher_gets_what_a_seed_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = content(8 << 20);
    let (seeds, leeches) = (folder.path().join("seed"), folder.path().join("leech"));
    fs::create_dir_all(&seeds).expect("a folder");
    fs::write(seeds.join("content"), &content).expect("a file");
    let info = info(&content);
    let (seed, mut seed_events) = node();
    seed.add(AddTorrent::new(info.clone(), &seeds));
    let address = listening(&mut seed_events).await;
    let (leecher, mut events) = node();
    let resume = Some(leeches.join("content.resume"));
    leecher.add(AddTorrent { peers: vec![address], resume, ..AddTorrent::new(info, &leeches) });
    wait(&mut events, |event| matches!(event, NodeEvent::Engine(Event::Completed { .. }))).await;
    assert!(fs::read(leeches.join("content")).expect("a file") == content);
    leecher.stop();
    wait(&mut events, |event| matches!(event, NodeEvent::ResumeSaved { .. })).await;
    while timeout(PATIENCE, events.recv()).await.expect("in time").is_some() {}
    assert!(leeches.join("content.resume").exists());
}

#[tokio::test]
async fn what_was_saved_is_trusted_and_a_damaged_file_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = content(1 << 20);
    fs::write(folder.path().join("content"), &content).expect("a file");
    let resume = folder.path().join("resume");
    for (round, checked) in [(0, true), (1, false), (2, true)] {
        if round == 2 {
            let mut damaged = content.clone();
            damaged[300_000] ^= 1;
            fs::write(folder.path().join("content"), damaged).expect("a file");
        }
        let (node, mut events) = node();
        node.add(AddTorrent {
            resume: Some(resume.clone()),
            ..AddTorrent::new(info(&content), folder.path())
        });
        let event =
            wait(&mut events, |event| matches!(event, NodeEvent::Engine(Event::Checked { .. }))).await;
        let NodeEvent::Engine(Event::Checked { have, .. }) = event else { unreachable!("waited for it") };
        assert_eq!(have.is_full(), round < 2, "round {round}");
        node.stop();
        let mut saved = false;
        while let Some(event) = timeout(PATIENCE, events.recv()).await.expect("in time") {
            saved |= matches!(event, NodeEvent::ResumeSaved { .. });
        }
        assert_eq!(saved, checked, "round {round}: only what was looked at is news");
    }
}

#[tokio::test]
async fn a_failure_comes_with_the_file_and_the_systems_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = content(1 << 20);
    fs::write(folder.path().join("content"), &content).expect("a file");
    let (seed, mut seed_events) = node();
    seed.add(AddTorrent::new(info(&content), folder.path()));
    let address = listening(&mut seed_events).await;
    let blocked = folder.path().join("a file, not a folder");
    fs::write(&blocked, "").expect("a file");
    let (leecher, mut events) = node();
    leecher.add(AddTorrent { peers: vec![address], ..AddTorrent::new(info(&content), &blocked) });
    let event = wait(&mut events, |event| matches!(event, NodeEvent::StorageFailed { .. })).await;
    let NodeEvent::StorageFailed { path, .. } = event else { unreachable!("waited for it") };
    assert_eq!(path, blocked.join("content"));
    wait(&mut events, |event| matches!(event, NodeEvent::Engine(Event::Failed { .. }))).await;
}

fn content(length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn info(content: &[u8]) -> Info {
    let plan =
        Builder::single_file("content", content.len() as u64).piece_length(64 << 10).plan().expect("valid");
    let mut hasher = plan.hasher();
    hasher.update(content);
    plan.finish(&hasher.finish().expect("whole")).expect("valid").info
}

fn node() -> (Node, Events) {
    let engine = engine::Config { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Default::default() };
    convoy_tokio::spawn(NodeConfig { engine, ..NodeConfig::default() }).expect("a node")
}

async fn listening(events: &mut Events) -> SocketAddr {
    let (mut address, mut checked) = (None, false);
    while address.is_none() || !checked {
        match timeout(PATIENCE, events.recv()).await.expect("in time").expect("a node") {
            NodeEvent::Engine(Event::Listening { local }) => address = Some(local),
            NodeEvent::Engine(Event::Checked { .. }) => checked = true,
            _ => {}
        }
    }
    address.expect("waited for it")
}

async fn wait(events: &mut Events, fits: impl Fn(&NodeEvent) -> bool) -> NodeEvent {
    loop {
        let event = timeout(PATIENCE, events.recv()).await.expect("in time").expect("a node");
        if fits(&event) {
            return event;
        }
    }
}
