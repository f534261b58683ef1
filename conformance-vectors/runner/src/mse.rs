//! Handshakes of message stream encryption, as `mse/README.md` describes them: each from both sides, cut into
//! pieces of every size.

use crate::report::{Fault, Report};
use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant, Machine, Outbox,
    crypto::PrivateKey,
    id::InfoHash,
    mse::{Action, Choices, Ciphers, Config, Error, Handshake, Input, Level, Method, Policy, Skeys, Stage},
};
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use serde_json::Value as Json;

/// How what comes in is cut, in bytes.
const SIZES: [usize; 10] = [1, 2, 3, 5, 7, 16, 64, 100, 617, usize::MAX];

/// The initial payload that initiators of the vectors may send, in bytes.
const MAX_IA_SENT: u16 = 73;

type Check = fn(&Json, usize) -> Result<(), Fault>;

/// Checks a file of handshakes.
pub(crate) fn check(name: &str, file: &Json) -> Report {
    let mut report = Report::new(name);
    for (list, checks) in
        [("transcripts", &[initiator as Check, responder] as &[Check]), ("hostile", &[hostile as Check])]
    {
        for row in file[list].as_array().into_iter().flatten() {
            report.add(row["name"].as_str().unwrap_or(list), in_all_sizes(row, checks));
        }
    }
    report.add("plain_bt", in_all_sizes(&file["plain_bt"], &[plain as Check]));
    report
}

fn in_all_sizes(row: &Json, checks: &[Check]) -> Result<(), Fault> {
    checks.iter().try_for_each(|check| SIZES.iter().try_for_each(|&size| check(row, size)))
}

/// The side that dialled, against what the other one sends.
fn initiator(row: &Json, size: usize) -> Result<(), Fault> {
    let side = &row["initiator"];
    let choices = Choices {
        key_pad: hex(&side["pad_a"])?,
        marker_pad: hex(&side["pad_a2"])?,
        zeros: hex(&side["pad_c"])?.len() as u16,
        provide: side["provide"].as_u64().map(|bits| bits as u32),
        ..choices(&side["private"])?
    };
    let (config, info_hash) = (Config { max_ia_sent: MAX_IA_SENT, ..Config::default() }, info_hash(row)?);
    let ia = Bytes::from(hex(&side["ia"])?);
    let machine = Handshake::initiator_with(&config, config.level, info_hash, ia, choices, Instant::ZERO);
    let mut peer = Side::new(machine);
    peer.start()?;
    equal("PE1", &row["pe1"], &peer.sent())?;
    peer.receive_alive(&hex(&row["pe2"])?, size)?;
    equal("PE3", &row["pe3"], &peer.sent())?;
    Fault::unless_equal("stage", &Some(Stage::Offered), &peer.machine.stage())?;
    if row["result"]["ok"] == false {
        return Ok(());
    }
    peer.receive_alive(&[hex(&row["pe4"])?, hex(&row["payload"]["b_wire"])?].concat(), size)?;
    Fault::unless_equal("stage", &Some(Stage::Selected), &peer.machine.stage())?;
    peer.established(row, &[], ["b_plain", "a_plain", "a_wire"])
}

/// The side that was dialled.
fn responder(row: &Json, size: usize) -> Result<(), Fault> {
    let mut peer = responder_of(row)?;
    peer.receive_alive(&hex(&row["pe1"])?, size)?;
    equal("PE2", &row["pe2"], &peer.sent())?;
    let pe3 = hex(&row["pe3"])?;
    if row["result"]["ok"] == false {
        let error = peer.receive(&pe3, size).err().map(|(_, error)| code(error));
        Fault::unless_equal("error", &row["result"]["error"].as_str(), &error.as_deref())?;
        return Fault::unless_equal("sent in answer", &Vec::new(), &peer.sent());
    }
    peer.receive_alive(&[pe3, hex(&row["payload"]["a_wire"])?].concat(), size)?;
    equal("PE4", &row["pe4"], &peer.sent())?;
    Fault::unless_equal("torrents asked for", &1, &peer.identified)?;
    peer.established(row, &hex(&row["result"]["ia_delivered"])?, ["a_plain", "b_plain", "b_wire"])
}

fn responder_of(row: &Json) -> Result<Side, Fault> {
    let side = &row["responder"];
    let choices = Choices {
        key_pad: hex(&side["pad_b"])?,
        marker_pad: hex(&side["pad_b2"])?,
        zeros: hex(&side["pad_d"])?.len() as u16,
        ..choices(&side["private"])?
    };
    let level = match side["allowed"].as_u64() {
        Some(1) => Level::Plaintext,
        Some(2) => Level::Rc4,
        _ => Level::Both,
    };
    let prefer = if side["prefer"] == 1 { Method::Plaintext } else { Method::Rc4 };
    let config = Config { level, prefer, ..Config::default() };
    let mut peer = Side::new(Handshake::responder_with(&config, choices, Instant::ZERO));
    for info_hash in side["known_info_hashes"].as_array().into_iter().flatten() {
        peer.skeys.add(InfoHash(array(info_hash)?));
    }
    Ok(peer)
}

/// A peer that means ill: the machine must end with the byte that shows it.
fn hostile(row: &Json, size: usize) -> Result<(), Fault> {
    let (mut peer, feed) = (victim_of(row)?, hex(&row["feed"])?);
    let Err((came, error)) = peer.receive(&feed, size) else {
        return Fault::unless_equal("error", &row["error"].as_str(), &None);
    };
    Fault::unless_equal("error", &row["error"].as_str(), &Some(&*code(error)))?;
    let at = row["error_at_byte"].as_u64().unwrap_or_default() as usize;
    if !(1..=feed.len()).contains(&at) {
        return Err(Fault::unfit("error_at_byte inside the feed", at));
    }
    let expected = at.div_ceil(size).saturating_mul(size).min(feed.len());
    Fault::unless_equal("bytes before the error", &expected, &came)?;
    Fault::unless_equal("an end", &None, &peer.end)?;
    if row["error"] == "bad_public_key" {
        Fault::unless_equal("sent in answer", &Vec::new(), &peer.sent())?;
    }
    Fault::unless_equal("the same error for ever", &Err(error), &peer.input(Input::Received("more".into())))
}

/// The machine that a hostile peer meets, and what it said first taken away.
fn victim_of(row: &Json) -> Result<Side, Fault> {
    let (info_hash, now) = (info_hash(row)?, Instant::ZERO);
    let mut choices = choices(&row["private"])?;
    let machine = if row["role"] == "initiator" {
        choices.provide = row["provide"].as_u64().map(|bits| bits as u32);
        let config = Config::default();
        Handshake::initiator_with(&config, config.level, info_hash, Bytes::new(), choices, now)
    } else {
        let incoming = if row["allow_plain_bt"] == true { Policy::Enabled } else { Policy::Required };
        let max_ia = row["max_ia"].as_u64().unwrap_or_default() as u16;
        Handshake::responder_with(&Config { incoming, max_ia, ..Config::default() }, choices, now)
    };
    let mut peer = Side::new(machine);
    peer.skeys.add(info_hash);
    peer.start()?;
    peer.sent();
    Ok(peer)
}

/// A peer that does not encrypt, where that is allowed.
fn plain(row: &Json, size: usize) -> Result<(), Fault> {
    let feed = hex(&row["feed"])?;
    let at = row["recognised_at_byte"].as_u64().unwrap_or_default() as usize;
    let (before, rest) =
        feed.split_at_checked(at.wrapping_sub(1)).ok_or_else(|| Fault::unfit("a byte of the feed", at))?;
    let mut peer = Side::new(Handshake::responder(&Config::default(), [1; 32], Instant::ZERO));
    peer.receive_alive(before, size)?;
    Fault::unless_equal("an end before", &None, &peer.end)?;
    peer.receive_alive(rest, size)?;
    let all = BytesMut::from(&feed[..]);
    Fault::unless_equal("the end", &Some(Action::PlainDetected { bytes: all }), &peer.end)?;
    Fault::unless_equal("sent in answer", &Vec::new(), &peer.sent())
}

/// A handshake, and a parent that knows torrents and answers at once.
struct Side {
    machine: Handshake,
    skeys: Skeys,
    out: Outbox<Action>,
    sent: Vec<u8>,
    identified: usize,
    end: Option<Action>,
}

impl Side {
    fn new(machine: Handshake) -> Self {
        let (skeys, out) = (Skeys::default(), Outbox::new());
        Self { machine, skeys, out, sent: Vec::new(), identified: 0, end: None }
    }

    fn start(&mut self) -> Result<(), Fault> {
        let started = self.machine.handle_timeout(Instant::ZERO, &mut self.out);
        Fault::unless_equal("start", &Ok(()), &started.and_then(|()| self.settle()))
    }

    fn receive_alive(&mut self, bytes: &[u8], size: usize) -> Result<(), Fault> {
        Fault::unless_equal("life", &Ok(()), &self.receive(bytes, size))
    }

    /// `bytes` in pieces of `size`; how many bytes had come when it failed.
    fn receive(&mut self, bytes: &[u8], size: usize) -> Result<(), (usize, Error)> {
        let mut came = 0;
        for chunk in bytes.chunks(size) {
            came += chunk.len();
            match self.end.as_mut() {
                Some(Action::Established { ciphers, rest, .. }) => {
                    let mut chunk = BytesMut::from(chunk);
                    ciphers.decrypt(&mut chunk);
                    rest.extend_from_slice(&chunk);
                }
                Some(Action::PlainDetected { bytes }) => bytes.extend_from_slice(chunk),
                _ => self.input(Input::Received(chunk.into())).map_err(|error| (came, error))?,
            }
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<(), Error> {
        let result = self.machine.handle_input(Instant::ZERO, input, &mut self.out);
        self.settle().and(result)
    }

    fn settle(&mut self) -> Result<(), Error> {
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Action::Identify { req2_hash } => {
                    self.identified += 1;
                    let answer = self.skeys.find(&req2_hash);
                    self.input(answer.map_or(Input::Unknown, |info_hash| Input::Identified { info_hash }))?;
                }
                end => self.end = Some(end),
            }
        }
        Ok(())
    }

    fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// What became of a handshake that went well: of the payload, what came, what is said, and what that
    /// becomes on the wire.
    fn established(mut self, row: &Json, ia: &[u8], [came, said, wire]: [&str; 3]) -> Result<(), Fault> {
        let Some(Action::Established { ciphers, info_hash: agreed, ia: delivered, rest }) = &mut self.end
        else {
            return Fault::unless_equal("an established stream", &true, &false);
        };
        Fault::unless_equal("the torrent", &info_hash(row)?, agreed)?;
        Fault::unless_equal("IA", &ia, &&delivered[..])?;
        equal(came, &row["payload"][came], rest)?;
        equal(wire, &row["payload"][wire], &ciphers.encrypt(hex(&row["payload"][said])?.into()))?;
        let encrypted = matches!(ciphers, Ciphers::Rc4 { .. });
        Fault::unless_equal("RC4 selected", &(row["result"]["select"] == 2), &encrypted)
    }
}

fn choices(private: &Json) -> Result<Choices, Fault> {
    let private = PrivateKey::from_bytes(array(private)?);
    Ok(Choices { private, key_pad: Vec::new(), marker_pad: Vec::new(), zeros: 0, provide: None })
}

/// The error as the vectors name it.
fn code(error: Error) -> String {
    match error {
        Error::Peer(misbehaved) => crate::codec::code(misbehaved),
        Error::Incompatible(incompatible) => crate::codec::code(incompatible),
        other => crate::codec::code(other),
    }
}

fn info_hash(row: &Json) -> Result<InfoHash, Fault> {
    Ok(InfoHash(array(&row["info_hash"])?))
}

fn equal(what: &str, expected: &Json, found: &[u8]) -> Result<(), Fault> {
    Fault::unless_equal(what, &HEX.encode(&hex(expected)?), &HEX.encode(found))
}

fn hex(digits: &Json) -> Result<Vec<u8>, Fault> {
    let decoded = digits.as_str().and_then(|digits| HEX.decode(digits.as_bytes()).ok());
    decoded.ok_or_else(|| Fault::unfit("bytes in hex", digits))
}

fn array<const N: usize>(digits: &Json) -> Result<[u8; N], Fault> {
    hex(digits)?.try_into().map_err(|_| Fault::unfit(format!("{N} bytes in hex"), digits))
}
