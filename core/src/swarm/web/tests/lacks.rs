//! Servers that do not have every file.

use super::World;
use crate::{
    fetch::{FetchError, Fetched},
    id::{FileIndex, PieceIndex},
    picker::Tier,
    swarm::{
        Input, Plan, WebSeedEnd,
        subject::PIECE,
        web::end::{RETRY_FIRST, RETRY_REFUSED},
    },
};
use alloc::{string::String, vec::Vec};
use core::time::Duration;

const FOLDER: &str = "http://192.0.2.1/x/";

/// Three files, of which the second shares pieces with both others.
const A_B_C: [(&str, usize, bool); 3] = [("a", 400_000, false), ("b", 60_000, false), ("c", 400_000, false)];

/// Three files of whole pieces.
const WHOLE_PIECES: [(&str, usize, bool); 3] =
    [("a", 8 * PIECE as usize, false), ("b", 3 * PIECE as usize, false), ("c", 8 * PIECE as usize, false)];

#[test]
fn a_file_that_a_server_lacks_holds_up_no_other() {
    for ranges in [true, false] {
        let mut world = World { ranges, ..World::of_files(&A_B_C) };
        world.lacks = |url| url.ends_with("/b");
        world.add(FOLDER);
        world.serve();
        assert_eq!(world.missing(), world.pieces_of_b());
        assert_eq!(world.requests_for("/b"), 1);
        assert_eq!(world.gone, [(WebSeedEnd::Status(404), Some(RETRY_REFUSED))]);
        world.lacks = |_| false;
        world.pass(RETRY_REFUSED - Duration::from_millis(5));
        assert!(world.fetches.is_empty());
        world.pass(Duration::from_millis(5));
        world.serve();
        assert!(world.swarm.is_complete(), "after an hour it is asked again");
        assert!(world.fetches.is_empty() && world.ups == 2);
    }
}

#[test]
fn what_a_server_lacks_is_remembered_while_it_rests_or_is_not_needed() {
    let mut world = World::of_files(&A_B_C);
    world.lacks = |url| url.ends_with("/b");
    world.add(FOLDER);
    while world.requests_for("/b") == 0 {
        let fetch = world.fetches[0].clone();
        world.answer(&fetch);
    }
    let fetch = world.fetches.iter().find(|fetch| fetch.request.url.ends_with("/b")).cloned();
    world.answer(&fetch.expect("b is asked for"));
    let token = world.fetches[0].token;
    world.fetched(token, Fetched::Failed(FetchError::Broken));
    world.pass(RETRY_FIRST);
    world.tell(Input::Pause);
    world.tell(Input::Unpause);
    world.serve();
    assert_eq!(world.missing(), world.pieces_of_b());
    assert_eq!(world.requests_for("/b"), 1);
}

#[test]
fn a_server_that_has_nothing_that_is_wanted_makes_room_for_others() {
    let mut world = World::of_files(&A_B_C);
    world.lacks = |url| !url.starts_with("http://192.0.2.5/") && url.ends_with("/b");
    for server in 1..=4 {
        world.add(&alloc::format!("http://192.0.2.{server}/"));
    }
    world.add("http://192.0.2.5/");
    assert!(!world.urls.iter().any(|url| url.starts_with("http://192.0.2.5/")), "four are enough");
    world.serve();
    assert!(world.swarm.is_complete());
    let lacking = |url: &&String| !url.starts_with("http://192.0.2.5/") && url.ends_with("/b");
    assert!(world.urls.iter().filter(lacking).count() <= 4, "each is asked once");
}

#[test]
fn a_server_that_lacks_a_file_is_asked_at_once_for_what_is_wanted_later() {
    let mut world = World::of_files(&A_B_C);
    world.lacks = |url| url.ends_with("/b");
    let skip_c = Plan { files: [(FileIndex(2), Tier::Skip)].into(), ..Plan::default() };
    world.tell(Input::Follow(skip_c.into()));
    world.add(FOLDER);
    world.serve();
    assert_eq!((world.requests_for("/c"), world.gone.len()), (0, 1));
    world.tell(Input::Follow(Plan::default().into()));
    world.serve();
    assert_eq!(world.missing(), world.pieces_of_b());
    assert_eq!((world.requests_for("/b"), world.gone.len()), (1, 2));
}

#[test]
fn a_server_that_has_no_file_at_all_is_not_asked_for_thousands_at_once() {
    let names: Vec<String> = (0..40).map(|number| alloc::format!("{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), PIECE as usize, false)).collect();
    let mut world = World::of_files(&files);
    world.lacks = |_| true;
    world.add(FOLDER);
    let status = WebSeedEnd::Status(404);
    let mut rests = Vec::new();
    for rest in [10, 20, 3600].map(Duration::from_secs) {
        let before = world.urls.len();
        world.serve();
        assert!(world.urls.len() - before <= 17, "{} at once", world.urls.len() - before);
        rests.push((status, Some(rest)));
        assert_eq!(world.gone, rests);
        if rest < RETRY_REFUSED {
            world.pass(rest);
        }
    }
    assert!(world.urls.len() <= names.len() + 2, "no file twice but one under way as a rest began");
}

#[test]
fn a_file_that_a_server_has_otherwise_holds_up_no_other_until_it_is_corrupt_again() {
    for ranges in [true, false] {
        let mut world = World { ranges, ..World::of_files(&WHOLE_PIECES) };
        world.spoils = |url| url.ends_with("/b");
        world.add(FOLDER);
        world.serve();
        assert_eq!(world.missing(), world.pieces_of_b());
        let mut gone = Vec::from([(WebSeedEnd::CorruptPiece, Some(RETRY_REFUSED))]);
        assert_eq!(world.gone, gone);
        world.pass(RETRY_REFUSED);
        world.serve();
        gone.push((WebSeedEnd::CorruptPiece, None));
        assert_eq!(world.gone, gone);
    }
}

#[test]
fn a_server_of_two_corrupt_files_is_never_asked_again() {
    let mut world = World::of_files(&WHOLE_PIECES);
    world.spoils = |url| url.ends_with("/b") || url.ends_with("/c");
    world.add(FOLDER);
    world.serve();
    assert_eq!(world.gone, [(WebSeedEnd::CorruptPiece, None)]);
}

impl World {
    /// What is not here yet.
    fn missing(&self) -> Vec<PieceIndex> {
        let pieces = self.swarm.geometry.pieces();
        (0..pieces).map(PieceIndex).filter(|piece| !self.swarm.have.get(*piece)).collect()
    }

    fn pieces_of_b(&self) -> Vec<PieceIndex> {
        self.swarm.layout.pieces_of(FileIndex(1)).collect()
    }

    fn requests_for(&self, file: &str) -> usize {
        self.urls.iter().filter(|url| url.ends_with(file)).count()
    }
}
