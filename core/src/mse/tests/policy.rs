//! Who speaks how with whom, over all settings of both sides.

use super::*;
use crate::mse::{Attempt, Known, Speech};

const POLICIES: [Policy; 3] = [Policy::Disabled, Policy::Enabled, Policy::Required];
const LEVELS: [Level; 3] = [Level::Plaintext, Level::Rc4, Level::Both];
const METHODS: [Method; 2] = [Method::Plaintext, Method::Rc4];
const STAGES: [Stage; 3] = [Stage::Keys, Stage::Offered, Stage::Selected];

/// What a network sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing but closed connections.
    Failure,
    /// Plain BitTorrent.
    Plain,
    /// An obfuscated header; what follows is in the clear.
    Header,
    /// Noise.
    Noise,
}

/// What MSE comes to. Rows: what the initiator offers (plaintext, RC4, both). Columns: what the responder
/// allows (plaintext, RC4, both and prefers RC4, both and prefers plaintext).
const NEGOTIATION: [[Seen; 4]; 3] = {
    use Seen::{Failure as F, Header as H, Noise as N};
    [[H, F, H, H], [F, N, N, N], [H, N, N, H]]
};

/// What two policies come to, and in how many connections. Rows: outgoing (disabled, enabled, required).
/// Columns: incoming, likewise.
const POLICY: [[Rule; 3]; 3] = {
    use Rule::{Is, Mse};
    [
        [Is(Seen::Plain, 1), Is(Seen::Plain, 1), Is(Seen::Failure, 1)],
        [Is(Seen::Plain, 2), Mse { or: (Seen::Plain, 2) }, Mse { or: (Seen::Failure, 2) }],
        [Is(Seen::Failure, 1), Mse { or: (Seen::Failure, 1) }, Mse { or: (Seen::Failure, 1) }],
    ]
};

#[derive(Clone, Copy)]
enum Rule {
    Is(Seen, usize),
    /// One connection, as negotiated; or else this.
    Mse {
        or: (Seen, usize),
    },
}

#[test]
fn every_pair_of_settings_comes_to_what_the_matrix_says() {
    for (row, outgoing) in POLICIES.into_iter().enumerate() {
        for (column, incoming) in POLICIES.into_iter().enumerate() {
            for (offered, level) in LEVELS.into_iter().enumerate() {
                for (allowed, theirs, prefer) in responders() {
                    let dialler = Config { outgoing, level, ..Config::default() };
                    let dialled = Config { incoming, level: theirs, prefer, ..Config::default() };
                    let expected = match (POLICY[row][column], NEGOTIATION[offered][allowed]) {
                        (Rule::Is(seen, connections), _) => (seen, connections),
                        (Rule::Mse { or }, Seen::Failure) => or,
                        (Rule::Mse { .. }, seen) => (seen, 1),
                    };
                    assert_eq!(dial(dialler, dialled), expected, "{dialler:?} dials {dialled:?}");
                }
            }
        }
    }
}

/// Column of the table, level and preference. What a level of one method prefers does not matter.
fn responders() -> impl Iterator<Item = (usize, Level, Method)> {
    LEVELS.into_iter().enumerate().flat_map(|(column, level)| {
        METHODS.map(|prefer| {
            let column = if (level, prefer) == (Level::Both, Method::Plaintext) { 3 } else { column };
            (column, level, prefer)
        })
    })
}

#[test]
fn bad_input_32_nothing_that_happens_makes_a_required_dial_plain() {
    for (level, plain, prefers_encryption) in all_known() {
        let config = Config { outgoing: Policy::Required, level, ..Config::default() };
        let first = Attempt::first(&config, Known { plain, prefers_encryption });
        assert_ne!(first.speech(), Speech::Plain);
        for reached in STAGES {
            let second = first.after(&config, reached);
            assert!(second.is_none_or(|second| second.speech() == Speech::Encrypted(Level::Rc4)));
        }
    }
}

#[test]
fn nobody_is_dialled_a_third_time() {
    for outgoing in POLICIES {
        for (level, plain, prefers_encryption) in all_known() {
            let config = Config { outgoing, level, ..Config::default() };
            let first = Attempt::first(&config, Known { plain, prefers_encryption });
            for (one, other) in STAGES.into_iter().flat_map(|one| STAGES.map(|other| (one, other))) {
                let third = first.after(&config, one).and_then(|second| second.after(&config, other));
                assert_eq!(third, None);
            }
        }
    }
}

#[test]
fn a_failure_after_the_selection_is_final() {
    for outgoing in POLICIES {
        for (level, plain, prefers_encryption) in all_known() {
            let config = Config { outgoing, level, ..Config::default() };
            let first = Attempt::first(&config, Known { plain, prefers_encryption });
            assert_eq!(first.after(&config, Stage::Selected), None);
        }
    }
}

#[test]
fn an_offer_of_both_that_dies_unanswered_is_repeated_without_plaintext_if_encryption_is_required() {
    let config = Config { outgoing: Policy::Required, ..Config::default() };
    let first = Attempt::first(&config, Known::default());
    assert_eq!(first.after(&config, Stage::Keys), None);
    let second = first.after(&config, Stage::Offered).expect("once more");
    assert_eq!(second.speech(), Speech::Encrypted(Level::Rc4));
    for level in [Level::Plaintext, Level::Rc4] {
        let config = Config { level, ..config };
        assert_eq!(Attempt::first(&config, Known::default()).after(&config, Stage::Offered), None);
    }
}

#[test]
fn an_offer_that_dies_unanswered_is_followed_by_plain_if_it_may() {
    for level in LEVELS {
        let config = Config { level, ..Config::default() };
        let second = Attempt::first(&config, Known::default()).after(&config, Stage::Offered);
        assert_eq!(second.map(Attempt::speech), Some(Speech::Plain));
    }
}

#[test]
fn what_worked_last_time_comes_first_unless_the_peer_prefers_encryption() {
    let config = Config::default();
    let plain = Known { plain: true, prefers_encryption: false };
    let first = Attempt::first(&config, plain);
    assert_eq!(first.speech(), Speech::Plain);
    let second = first.after(&config, Stage::Keys).map(Attempt::speech);
    assert_eq!(second, Some(Speech::Encrypted(Level::Both)), "it changed its mind");
    let hint = Known { prefers_encryption: true, ..plain };
    assert_eq!(Attempt::first(&config, hint).speech(), Speech::Encrypted(Level::Both));
    let disabled = Config { outgoing: Policy::Disabled, ..config };
    assert_eq!(Attempt::first(&disabled, hint).speech(), Speech::Plain);
}

fn all_known() -> impl Iterator<Item = (Level, bool, bool)> {
    let hints = [(false, false), (false, true), (true, false), (true, true)];
    LEVELS.into_iter().flat_map(move |level| hints.map(|(plain, hint)| (level, plain, hint)))
}

/// Dials until it works or is final; what was seen, and in how many connections.
fn dial(dialler: Config, dialled: Config) -> (Seen, usize) {
    let mut attempt = Attempt::first(&dialler, Known::default());
    for connections in 1.. {
        match connect(attempt.speech(), dialler, dialled) {
            Ok(seen) => return (seen, connections),
            Err(reached) => match attempt.after(&dialler, reached) {
                Some(next) => attempt = next,
                None => return (Seen::Failure, connections),
            },
        }
    }
    unreachable!("it ends")
}

fn connect(speech: Speech, dialler: Config, dialled: Config) -> Result<Seen, Stage> {
    let mut responder = World::responder(dialled, 2);
    let Speech::Encrypted(level) = speech else {
        return responder.receive(HELLO).map(|()| Seen::Plain).map_err(|_| Stage::Keys);
    };
    let mut initiator = World::initiator(Config { level, ..dialler }, 1);
    if converse(&mut initiator, &mut responder, &[usize::MAX]).is_err() {
        return Err(initiator.handshake.stage().expect("an initiator"));
    }
    let ((mut alice, ..), (mut bob, _, ia, _)) = (initiator.established(), responder.established());
    assert_eq!(ia, &HELLO[..]);
    let wire = alice.encrypt(Bytes::from_static(b"in the clear?"));
    let mut read = BytesMut::from(&wire[..]);
    bob.decrypt(&mut read);
    assert_eq!(read, &b"in the clear?"[..]);
    Ok(if wire == read { Seen::Header } else { Seen::Noise })
}
