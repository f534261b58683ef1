//! A disk that fails ends the program with 1 and an error that names the file; nothing verified is lost.

use convoy_tests::{
    Convoy, Payload, Process, Scratch,
    convoy::{downloaded, verified},
    mount::SmallDisk,
    peers::Libtorrent,
};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn payload(scratch: &Scratch) -> Payload {
    scratch.payload("file.bin", 8 * MIB, 64 * KIB)
}

fn download(scratch: &Scratch, payload: &Payload, dir: &Path, peer: SocketAddr) -> Convoy {
    Convoy::download(scratch, &payload.torrent, dir).peers(&[peer]).arg("--exit-when-done")
}

#[test]
fn a_full_disk_is_named_and_the_rest_comes_later() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let Some(disk) = SmallDisk::mount(scratch.dir("small"), 3 * MIB) else { return };
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);

    let outcome = download(&scratch, &payload, disk.path(), seed.addr).run();
    outcome.assert_fails_naming("file.bin");
    let verified = verified(outcome.event("summary"));

    disk.grow(16 * MIB);
    let outcome = download(&scratch, &payload, disk.path(), seed.addr).spawn().wait_success();
    payload.assert_in(disk.path());
    let downloaded = downloaded(outcome.event("summary"));
    assert!(downloaded + verified <= payload.total, "{verified} + {downloaded} of {}", payload.total);
}

#[test]
fn a_file_that_cannot_grow_is_named() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    // 2 MiB a file; without the signal, so that a write fails as it would on a full disk.
    let outcome = download(&scratch, &payload, &out, seed.addr).run_after("trap '' XFSZ; ulimit -f 2048");
    outcome.assert_fails_naming("file.bin");
    Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);
}

#[test]
fn a_read_only_disk_is_named() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let Some(disk) = SmallDisk::mount(scratch.dir("small"), 16 * MIB) else { return };
    disk.make_read_only();
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let outcome = download(&scratch, &payload, disk.path(), seed.addr).run();
    outcome.assert_fails_naming("file.bin");
}

#[test]
fn a_file_where_a_folder_belongs_is_named() {
    let scratch = Scratch::new();
    let payload = scratch.payload_tree("tree", &[("sub/a", 100_000), ("sub/b", 1)], 32 * KIB, false);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    fs::create_dir(out.join("tree")).expect("a folder");
    fs::write(out.join("tree/sub"), "in the way").expect("room on the disk");
    let outcome = download(&scratch, &payload, &out, seed.addr).run();
    outcome.assert_fails_naming("tree/sub");
    assert_eq!(fs::read_to_string(out.join("tree/sub")).expect("still there"), "in the way");
}

#[test]
fn a_folder_where_the_file_belongs_is_named() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    fs::create_dir(out.join("file.bin")).expect("a folder");
    let outcome = download(&scratch, &payload, &out, seed.addr).run();
    outcome.assert_fails_naming("file.bin");
}

#[test]
fn an_output_that_is_a_file_is_named() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let out = scratch.path("out");
    fs::write(&out, "no folder").expect("room on the disk");
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let outcome = download(&scratch, &payload, &out, seed.addr).run();
    outcome.assert_fails_naming("out");
}

#[test]
fn a_seed_without_its_data_is_told_which_file_is_missing() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let elsewhere = scratch.dir("elsewhere");
    let outcome = Convoy::seed(&scratch, &payload.torrent, &elsewhere).run();
    outcome.assert_fails_naming("file.bin");
}

#[test]
fn a_file_that_vanishes_while_it_is_seeded_is_named() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let mut seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    wait_until_seeding(&mut seed.process);
    // Emptied first, in case the program holds it open.
    File::create(payload.data()).expect("an empty file");
    fs::remove_file(payload.data()).expect("it was there");

    let leecher = Libtorrent::download(&payload.torrent, &scratch.dir("out"), &[seed.addr]);
    seed.process.wait_exit().assert_fails_naming("file.bin");
    drop(leecher);
}

fn wait_until_seeding(seed: &mut Process) {
    if !seed.seen().iter().any(|line| line["event"] == "checked") {
        seed.wait_for("checked");
    }
}
