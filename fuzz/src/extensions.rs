//! An extension message that is read, written and read again is the same. A token is good for what it was
//! signed for, as long as it lasts, and for nothing else. What both sides compute is the same on both.

use crate::{Reached, tree::Tree};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::{
    ic::{Binding, LIFETIME_S, Purpose, SKEW_S, SigningKey, Token, TokenError, Verified, Version},
    id::{InfoHash, PieceIndex},
    wire::{
        allowed_fast_set, canonical_priority,
        extension::{
            self, AUTH_MAX, Auth, Error, HashRequest, Holepunch, Metadata, PEX_MAX, PRIORITY_MAX, Pex,
            Priority,
        },
    },
};
use std::{collections::BTreeSet, fmt::Debug, net::SocketAddr};

/// Keys, and strings as long as fields have to be.
const WORDS: [&str; 22] = [
    "msg_type",
    "piece",
    "total_size",
    "added",
    "added.f",
    "added6",
    "added6.f",
    "dropped",
    "dropped6",
    "community_id",
    "issued_at",
    "player_key",
    "session_id",
    "signature",
    "pieces",
    "priority",
    "reason",
    "peer_1",
    "eighteen bytes, ok",
    "sixteen bytes...",
    "thirty-two bytes: a key or names",
    "sixty-four bytes, which could be what somebody signed, or not it",
];

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(Kind, &'a [u8]),
    /// Bencode, and what stands behind it.
    Made(Kind, Tree, &'a [u8]),
    /// A message of fields that are all there.
    Whole(Kind, Vec<Tree>),
    /// So many bytes.
    Long(Kind, u32),
    Signed(Signed<'a>),
    Computed(Computed),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Metadata,
    Pex,
    Holepunch,
    DontHave,
    UploadOnly,
    HashRequest,
    Auth,
    Priority(u32),
    Token,
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut reached = Reached::default();
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(kind, raw)) => read(kind, raw, &mut reached),
        Ok(Input::Made(kind, tree, behind)) => {
            read(kind, &[&tree.encode(&WORDS), behind].concat(), &mut reached);
        }
        Ok(Input::Whole(kind, values)) => read(kind, &whole(kind, &values), &mut reached),
        Ok(Input::Long(kind, length)) => {
            read(kind, &vec![b'd'; length as usize % (PEX_MAX + 2)], &mut reached);
        }
        Ok(Input::Signed(signed)) => signed.judge(&mut reached),
        Ok(Input::Computed(computed)) => computed.check(&mut reached),
        Err(_) => {}
    }
    reached
}

/// A dictionary with every key that a message of this kind has, in order.
fn whole(kind: Kind, values: &[Tree]) -> Vec<u8> {
    let keys = match kind {
        Kind::Metadata => &WORDS[..3],
        Kind::Pex => &WORDS[3..9],
        Kind::Auth => &WORDS[9..14],
        _ => &WORDS[14..17],
    };
    let mut payload = vec![b'd'];
    for (key, value) in keys.iter().zip(values) {
        payload.extend_from_slice(format!("{}:{key}", key.len()).as_bytes());
        payload.extend_from_slice(&value.encode(&WORDS));
    }
    payload.push(b'e');
    payload
}

fn read(kind: Kind, raw: &[u8], reached: &mut Reached) {
    let state = match kind {
        Kind::Metadata => {
            stable(raw, |raw| Metadata::decode(&raw.to_vec().into()), Metadata::encode, 17 * 1024)
        }
        Kind::Pex => stable(raw, |raw| Pex::decode(raw).map(Some), Pex::encode, PEX_MAX),
        Kind::Holepunch => stable(raw, Holepunch::decode, Holepunch::encode, 24),
        Kind::DontHave => {
            stable(raw, some(extension::decode_dont_have), |piece| extension::encode_dont_have(*piece), 4)
        }
        Kind::UploadOnly => {
            stable(raw, some(extension::decode_upload_only), |flag| extension::encode_upload_only(*flag), 1)
        }
        Kind::HashRequest => stable(raw, some(HashRequest::decode), HashRequest::encode, 48),
        Kind::Auth => stable(raw, |raw| Auth::decode(raw).map(Some), Auth::encode, AUTH_MAX),
        Kind::Priority(pieces) => {
            stable(raw, |raw| Priority::decode(raw, pieces), Priority::encode, PRIORITY_MAX)
        }
        Kind::Token => stable(raw, some(Token::decode), Token::encode, 120),
    };
    let kind = format!("{kind:?}");
    reached.add(&format!("{} {state}", kind.split('(').next().unwrap_or_default()));
}

/// Bytes to a message and back, twice. What is read is not longer than `most`, nor is it written so.
fn stable<T: Debug + PartialEq>(
    raw: &[u8],
    decode: impl Fn(&[u8]) -> Result<Option<T>, Error>,
    encode: impl Fn(&T) -> Vec<u8>,
    most: usize,
) -> &'static str {
    match decode(raw) {
        Ok(Some(message)) => {
            let written = encode(&message);
            assert!(raw.len() <= most && written.len() <= most, "{message:?}");
            assert_eq!(decode(&written), Ok(Some(message)));
            "read"
        }
        Ok(None) => "ignored",
        Err(Error::TooLong { length }) => {
            assert!(length == raw.len() && length > most);
            "too long"
        }
        Err(_) => "malformed",
    }
}

/// One of the decoders that know no errors.
fn some<T>(decode: impl Fn(&[u8]) -> Option<T>) -> impl Fn(&[u8]) -> Result<Option<T>, Error> {
    move |raw| decode(raw).map(Some).ok_or(Error::Malformed)
}

/// A token, signed for one use and judged at another time, or with one bit of it turned.
#[derive(Arbitrary)]
struct Signed<'a> {
    secret: [u8; 32],
    session_id: [u8; 16],
    issued_at: u64,
    purpose: u8,
    community_id: [u8; 32],
    info_hash: [u8; 20],
    audience: &'a [u8],
    seconds_later: i32,
    turned: Option<u16>,
}

impl Signed<'_> {
    fn judge(&self, reached: &mut Reached) {
        let player = SigningKey::from_bytes(&self.secret);
        let binding = Binding {
            purpose: [Purpose::PeerMessage, Purpose::UdpAnnounce, Purpose::WsAnnounce]
                [usize::from(self.purpose) % 3],
            community_id: self.community_id,
            info_hash: InfoHash(self.info_hash),
            audience: self.audience,
        };
        let now = self.issued_at.wrapping_add_signed(self.seconds_later.into());
        let player_key = player.verifying_key().to_bytes();
        let first = Token::sign_v1(&player, self.session_id, self.issued_at);
        let second = Token::sign_v2(&player, self.session_id, self.issued_at, &binding);
        for (version, token, proves) in [
            (Version::V1, first, Verified::IdentifiedOnly { player_key }),
            (Version::V2, second, Verified::Authenticated { player_key }),
        ] {
            let age = i128::from(now) - i128::from(self.issued_at);
            let expected = match age {
                _ if age < -i128::from(SKEW_S) => Err(TokenError::FromTheFuture),
                _ if age > i128::from(LIFETIME_S) => Err(TokenError::TooOld),
                _ => Ok(proves),
            };
            let verified = token.verify(version, &binding, now);
            assert_eq!(verified, expected);
            reached.add_variant(&verified);
            if let Some(bit) = self.turned.map(|bit| usize::from(bit) % (120 * 8)) {
                let mut bytes = token.encode();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let turned = Token::decode(&bytes).map(|token| token.verify(version, &binding, now));
                let error = turned.expect("its length is right").expect_err("nobody signed it");
                reached.add_variant(&error);
            }
        }
        let crossed = [first.verify(Version::V2, &binding, now), second.verify(Version::V1, &binding, now)];
        assert!(crossed.iter().all(Result::is_err), "one version is never taken for the other");
    }
}

/// What peers compute by themselves.
#[derive(Arbitrary)]
struct Computed {
    ip: [u8; 4],
    info_hash: [u8; 20],
    pieces: u32,
    k: u8,
    one: ([u8; 16], u16),
    other: ([u8; 16], u16),
    v4: (bool, bool),
}

impl Computed {
    fn check(&self, reached: &mut Reached) {
        let set_at = |ip: [u8; 4]| {
            allowed_fast_set(ip.into(), InfoHash(self.info_hash), self.pieces, u32::from(self.k % 32))
        };
        let (set, [a, b, c, d]) = (set_at(self.ip), self.ip);
        let distinct: BTreeSet<PieceIndex> = set.iter().copied().collect();
        assert_eq!(distinct.len(), usize::from(self.k % 32).min(self.pieces as usize));
        assert!(set.len() == distinct.len() && set.iter().all(|piece| piece.0 < self.pieces));
        assert_eq!(set, set_at([a, b, c, !d]), "one set for each /24");
        reached.add("set");

        let addr = |(ip, port): ([u8; 16], u16), v4: bool| match ip {
            [a, b, c, d, ..] if v4 => SocketAddr::from(([a, b, c, d], port)),
            _ => SocketAddr::from((ip, port)),
        };
        let (one, other) = (addr(self.one, self.v4.0), addr(self.other, self.v4.1));
        assert_eq!(canonical_priority(one, other), canonical_priority(other, one));
        reached.add(match (one.ip() == other.ip(), one.is_ipv4(), other.is_ipv4()) {
            (true, ..) => "priority of ports",
            (_, true, true) => "priority of IPv4",
            (_, false, false) => "priority of IPv6",
            _ => "priority of both",
        });
    }
}
