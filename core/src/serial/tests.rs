//! What is written can be read again.

use crate::{
    Instant,
    bitfield::Bitfield,
    choker, engine,
    fetch::{ContentRange, FetchError, Fetched, Head},
    id::{
        AcceptTicket, Block, ComputeToken, FetchToken, InfoHash, PackageId, PeerId, PeerKey, PieceIndex,
        StorageToken, StreamId, TorrentId,
    },
    metainfo::Builder,
    mse, picker,
    slab::Key,
    storage::{Completion, FileStamp, Geometry, HashJob, HashOutcome, HashState, Resume, StorageError},
    swarm::{self, PeerEnd, StreamError},
    wire::{self, Message},
};
use alloc::{format, string::String, vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::{fmt::Debug, time::Duration};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

#[track_caller]
fn is_written<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, text: &str) {
    assert_eq!(serde_json::to_string(&value).expect("nothing here cannot be written"), text);
    assert_eq!(serde_json::from_str::<T>(text).expect("what is written can be read"), value);
}

fn survive<T: Serialize + DeserializeOwned + PartialEq + Debug>(values: impl IntoIterator<Item = T>) {
    for value in values {
        let text = serde_json::to_string(&value).expect("nothing here cannot be written");
        assert_eq!(serde_json::from_str::<T>(&text).expect(&text), value);
    }
}

fn is_refused<T: DeserializeOwned + Debug>(text: &str) {
    let _ = serde_json::from_str::<T>(text).expect_err(text);
}

#[test]
fn values_are_written_as_documented() {
    is_written(InfoHash([0xab; 20]), &format!("\"{}\"", "ab".repeat(20)));
    is_written(StreamId::new(3, 1), "4294967299");
    is_written(Bitfield::full(9), r#"{"pieces":9,"bits":"ff80"}"#);
    is_written(Message::Have(PieceIndex(7)), r#"{"have":7}"#);
    is_written(Message::HaveAll, r#""have_all""#);
    is_written(Message::Bitfield(Bytes::from_static(&[0xff, 0x80])), r#"{"bitfield":"ff80"}"#);
    let block = Block { piece: PieceIndex(1), begin: 2, length: 3 };
    is_written(Message::Request(block), r#"{"request":{"piece":1,"begin":2,"length":3}}"#);
    let why = PeerEnd::Wire(wire::Error::Peer(wire::PeerMisbehaved::TooLong { length: 9 }));
    is_written(why, r#"{"wire":{"peer":{"too_long":{"length":9}}}}"#);
}

#[test]
fn outcomes_of_operations_are_told_apart() {
    let token = StorageToken(5);
    is_written(
        Completion::Read { token, result: Ok(Bytes::from_static(b"a")) },
        r#"{"read":{"token":5,"result":{"ok":"61"}}}"#,
    );
    is_written(
        Completion::Written { token, result: Err(StorageError::Full) },
        r#"{"written":{"token":5,"result":{"error":"full"}}}"#,
    );
    is_written(
        Completion::Flushed { token, result: Ok(()) },
        r#"{"flushed":{"token":5,"result":{"ok":null}}}"#,
    );
}

#[test]
fn a_configuration_may_name_only_what_differs() {
    let config: choker::Config = serde_json::from_str(r#"{"round":2000000}"#).expect("valid");
    let round = Duration::from_secs(2);
    assert_eq!(config, choker::Config { round, ..choker::Config::default() });
    is_refused::<choker::Config>(r#"{"rounds":2000000}"#);
}

#[test]
fn what_breaks_a_rule_of_its_type_is_refused() {
    is_refused::<InfoHash>(r#""abab""#);
    is_refused::<InfoHash>(&format!("\"{}\"", "xy".repeat(20)));
    is_refused::<Bitfield>(r#"{"pieces":4294967295,"bits":"ff"}"#);
    is_refused::<Geometry>(r#"{"piece_length":0,"total_length":1}"#);
    is_refused::<HashState>(r#""00""#);
    is_refused::<picker::Input>(r#"{"have":{"peer":0}}"#);
}

#[test]
fn inputs_of_picker_and_choker_can_be_read_again() {
    use picker::Input;
    let (peer, piece) = (PeerKey::new(7, 2), PieceIndex(3));
    let block = Block { piece, begin: 16_384, length: 1 };
    survive([
        Input::PeerJoined { peer, source: picker::Source::Peer { fast: true } },
        Input::PeerJoined { peer, source: picker::Source::Web },
        Input::Suggested { peer, piece },
        Input::AllowedFast { peer, piece },
        Input::Package { package: PackageId(1), pieces: 2..5, tier: picker::Tier::LobbyUrgent },
        Input::Deadline { piece, at: Some(Instant::from_micros(5)) },
        Input::Sequential(true),
        Input::PeerLeft { peer },
        Input::Bitfield { peer, pieces: Bitfield::full(13) },
        Input::HaveAll { peer },
        Input::Have { peer, piece },
        Input::DontHave { peer, piece },
        Input::Choked { peer },
        Input::Unchoked { peer },
        Input::RequestLimit { peer, requests: 1 },
        Input::Block { peer, block },
        Input::Rejected { peer, block },
        Input::Verified { piece },
        Input::Failed { piece },
        Input::Budget { bytes: u64::MAX },
    ]);
    survive([
        choker::Input::PeerJoined { peer },
        choker::Input::PeerLeft { peer },
        choker::Input::Interested { peer },
        choker::Input::NotInterested { peer },
        choker::Input::Downloaded { peer, bytes: 1 },
        choker::Input::Uploaded { peer, bytes: 2 },
        choker::Input::Completion { peer, pieces: 3 },
        choker::Input::Lobby { peer, wants: true },
        choker::Input::Seeding(false),
        choker::Input::Sent { peer, bytes: 4, backlog: true },
    ]);
}

#[test]
fn inputs_of_streams_can_be_read_again() {
    let data = Bytes::from_static(b"\0\xff");
    let (piece, begin) = (PieceIndex(1), 2);
    let block = Block { piece, begin, length: 3 };
    let geometry = Geometry::new(16_384, 100_000).expect("valid");
    let messages = [
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Have(piece),
        Message::Bitfield(data.clone()),
        Message::Request(block),
        Message::Piece { piece, begin, data: data.clone() },
        Message::Cancel(block),
        Message::Port(6881),
        Message::Suggest(piece),
        Message::HaveAll,
        Message::HaveNone,
        Message::Reject(block),
        Message::AllowedFast(piece),
        Message::Extended { id: 1, payload: data.clone() },
        Message::HashRequest(data.clone()),
        Message::Hashes(data.clone()),
        Message::HashReject(data.clone()),
        Message::Unknown { id: 99 },
    ];
    survive(messages.map(wire::Input::Send));
    survive([
        wire::Input::Received(data.clone().into()),
        wire::Input::Sent(1),
        wire::Input::Geometry(geometry),
    ]);
    let peer_id = PeerId([1; 20]);
    survive([
        wire::HandshakeInput::Received(data.clone().into()),
        wire::HandshakeInput::Identified { peer_id },
    ]);
    let info_hash = InfoHash([2; 20]);
    survive([mse::Input::Received(data.into()), mse::Input::Identified { info_hash }, mse::Input::Unknown]);
}

fn outcomes() -> Vec<HashOutcome> {
    let job =
        |last| HashJob::Piece { state: HashState::default(), data: vec![Bytes::from_static(b"ab")], last };
    let blocks = HashJob::Blocks { blocks: vec![Bytes::from_static(b"ab")] };
    vec![job(false).run(), job(true).run(), blocks.run()]
}

fn completions() -> Vec<Completion> {
    let token = StorageToken(u64::MAX);
    let errors = [
        StorageError::NotFound,
        StorageError::TooShort,
        StorageError::PermissionDenied,
        StorageError::Full,
        StorageError::Io,
    ];
    let mut completions = vec![
        Completion::Read { token, result: Ok(Bytes::from_static(b"ab")) },
        Completion::Written { token, result: Ok(()) },
        Completion::Flushed { token, result: Ok(()) },
    ];
    for error in errors {
        completions.push(Completion::Read { token, result: Err(error) });
        completions.push(Completion::Written { token, result: Err(error) });
        completions.push(Completion::Flushed { token, result: Err(error) });
    }
    completions
}

fn ends() -> Vec<PeerEnd> {
    vec![
        PeerEnd::ClosedByPeer,
        PeerEnd::Stream(StreamError::Unreachable),
        PeerEnd::Encryption(mse::PeerMisbehaved::BadSelect { select: 7 }.into()),
        PeerEnd::Encryption(mse::PeerIncompatible::PlainAnswer.into()),
        PeerEnd::Handshake(wire::HandshakeError::Peer(wire::HandshakeMisbehaved::TooSlow)),
        PeerEnd::Handshake(wire::HandshakeError::Local(wire::HandshakeLocal::SelfConnection)),
        PeerEnd::Wire(wire::Error::Peer(wire::PeerMisbehaved::UnrequestedBlock(Block::default()))),
        PeerEnd::Wire(wire::Error::Incompatible(wire::PeerIncompatible::EarlyBitfield { length: 1 })),
        PeerEnd::UnknownTorrent,
        PeerEnd::Duplicate,
        PeerEnd::SelfConnection,
        PeerEnd::BothSeeds,
        PeerEnd::CorruptPiece,
        PeerEnd::Unsolicited,
        PeerEnd::TooMany,
        PeerEnd::Stopped,
    ]
}

fn fetched() -> impl Iterator<Item = Fetched> {
    let content_range = Some(ContentRange { first: 1, last: 2, total: Some(3) });
    let retry_after = Some(Duration::from_secs(5));
    let heads = [(content_range, None), (None, retry_after)]
        .map(|(content_range, retry_after)| Fetched::Head(Head { status: 206, content_range, retry_after }));
    let body = Fetched::Body(Bytes::from_static(b"body"));
    heads.into_iter().chain([body, Fetched::End, Fetched::Failed(FetchError::TimedOut)])
}

#[test]
fn inputs_of_swarms_can_be_read_again() {
    use swarm::Input;
    let peer = PeerKey::new(1, 0);
    let joined = swarm::Joined {
        stream: StreamId::new(4, 5),
        remote: "[2001:db8::1]:6881".parse().expect("an address"),
        outgoing: true,
        peer_id: PeerId([1; 20]),
        encryption: swarm::Encryption::Rc4,
        reserved: wire::Reserved::ours(true, true),
        rest: BytesMut::from(&b"rest"[..]),
    };
    survive(ends().into_iter().map(|why| Input::Left { peer, why }));
    survive(completions().into_iter().map(Input::Storage));
    survive(fetched().map(|what| Input::Fetched { token: FetchToken(1), what }));
    survive(outcomes().into_iter().map(|outcome| Input::Computed { token: ComputeToken(1), outcome }));
    survive([
        Input::Start,
        Input::Joined(joined),
        Input::Received { peer, data: BytesMut::new() },
        Input::Sent { peer, bytes: 9 },
        Input::AddWebSeed("http://192.0.2.1/a".into()),
        Input::Allowance { download: None, upload: Some(1) },
        Input::ListenPort(Some(6881)),
        Input::ListenPort(None),
        Input::Ours("192.0.2.1:6881".parse().expect("an address")),
        Input::Pause,
        Input::Unpause,
        Input::Stop,
    ]);
}

#[test]
fn inputs_of_engines_can_be_read_again() {
    use engine::{AddTorrent, Command, Input};
    let plan = Builder::single_file("hello", 5).plan().expect("a plan");
    let mut hasher = plan.hasher();
    hasher.update(b"hello");
    let mut info = plan.finish(&hasher.finish().expect("five bytes")).expect("one hash").info;
    info.info_hash_v2 = Some([5; 32]);
    let (info_hash, stream) = (info.info_hash, StreamId::new(1, 1));
    let remote = "192.0.2.1:6881".parse().expect("an address");
    let stamp = Some(FileStamp { size: 5, mtime: -1 });
    let resume = Resume { info_hash, have: Bitfield::full(1), files: vec![stamp, None], clean: true };
    let add = AddTorrent {
        info,
        resume: Some(resume),
        on_disk: vec![None, stamp],
        plan: crate::engine::Plan::default(),
        paused: true,
        peers: vec![remote],
        web_seeds: vec!["http://192.0.2.1/a/".into()],
        trackers: Vec::new(),
    };
    let commands = [
        Command::Add(add.into()),
        Command::Remove { info_hash },
        Command::Pause { info_hash },
        Command::Unpause { info_hash },
        Command::AddPeer { info_hash, remote },
        Command::AddWebSeed { info_hash, url: "https://h".into() },
        Command::Limit { info_hash: None, download: Some(0), upload: None },
        Command::Stop,
    ];
    let torrent = TorrentId::new(2, 0);
    let token = ComputeToken(1);
    survive(commands.map(Input::Command));
    survive(completions().into_iter().map(|completion| Input::Storage { torrent, completion }));
    survive(outcomes().into_iter().map(|outcome| Input::Computed { torrent, token, outcome }));
    survive([
        Input::Start,
        Input::Listening { local: remote },
        Input::ListenFailed { error: StreamError::AddressInUse },
        Input::Accepted { ticket: AcceptTicket(1), remote },
        Input::Connected { stream },
        Input::Received { stream, data: BytesMut::from(&b"data"[..]) },
        Input::Sent { stream, bytes: 1 },
        Input::Closed { stream, error: Some(StreamError::Reset) },
        Input::Closed { stream, error: None },
    ]);
    let config = engine::Config { progress_interval: None, ..engine::Config::default() };
    survive([engine::Config::default(), config]);
}

proptest! {
    #[test]
    fn a_hash_goes_on_where_it_was_written(
        start in prop::collection::vec(any::<u8>(), 0..200),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let whole: Vec<u8> = start.iter().chain(&rest).copied().collect();
        let job = HashJob::Piece { state: HashState::default(), data: [start.into()].into(), last: false };
        let text: String = serde_json::to_string(&job.run()).expect("written");
        let HashOutcome::Partial(state) = serde_json::from_str(&text).expect("read") else {
            panic!("not the last")
        };
        let digest = HashJob::Piece { state, data: [rest.into()].into(), last: true }.run();
        prop_assert_eq!(digest, HashJob::from(Bytes::from(whole)).run());
    }
}
