//! Message stream encryption (MSE/PE): a handshake that hides BitTorrent from those who look for it.
//!
//! Two peers that share a torrent exchange keys, prove by its info-hash that they share it, and agree on
//! what becomes of the bytes behind: RC4, or nothing. To anybody else the stream is noise of random
//! length. It authenticates nobody, and who knows the info-hash and sits in the middle reads
//! everything: this is obfuscation, not security.
//!
//! ```text
//!  initiator                                             responder
//!  ── Ya, PadA ────────────────────────────────────────▶
//!  ◀──────────────────────────────────────── Yb, PadB ──
//!  ── req1, req2 under req3,
//!     RC4{ VC, provide, PadC, IA } ────────────────────▶ Identify ──▶ parent
//!                                                        Identified ◀──
//!  ◀─────────────────────── RC4{ VC, select, PadD } ──
//!  Established                                           Established
//! ```
//!
//! No length is in the clear, so each side finds the other's place by a marker: the responder looks for
//! `HASH("req1" ‖ S)`, which only the owner of the secret S can make, the initiator for eight zeros under
//! the responder's keystream. Both read every byte once, and stop at the last byte at which the marker
//! could end.
//!
//! [`Handshake`] is the machine, for both sides. A responder tells plain BitTorrent by its first 20 bytes,
//! and asks its parent for the torrent by a hash that [`Skeys`] looks up. What comes out is a pair
//! of [`Ciphers`] and what came behind the handshake, decrypted. [`Attempt`] says how to dial a peer, and
//! how to dial it again.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     id::InfoHash,
//!     mse::{Action, Config, Handshake, Input, Level, Skeys},
//! };
//!
//! let (now, config, torrent) = (Instant::ZERO, Config::default(), InfoHash([1; 20]));
//! let mut skeys = Skeys::default();
//! skeys.add(torrent);
//! let hello = Bytes::from_static(b"what alice says first");
//! let mut alice = Handshake::initiator(&config, Level::Both, torrent, hello, [1; 32], now);
//! let mut bob = Handshake::responder(&config, [2; 32], now);
//!
//! let mut out = Outbox::new();
//! let mut ends = Vec::new();
//! alice.handle_timeout(now, &mut out)?;
//! let mut actions: Vec<(bool, Action)> = out.drain().map(|action| (true, action)).collect();
//! while let Some((by_alice, action)) = actions.pop() {
//!     let (mine, peer) = if by_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
//!     let of_alice = match action {
//!         Action::Send(bytes) => {
//!             peer.handle_input(now, Input::Received(BytesMut::from(bytes)), &mut out)?;
//!             !by_alice
//!         }
//!         Action::Identify { req2_hash } => {
//!             let answer = skeys.find(&req2_hash);
//!             let answer = answer.map_or(Input::Unknown, |info_hash| Input::Identified { info_hash });
//!             mine.handle_input(now, answer, &mut out)?;
//!             by_alice
//!         }
//!         Action::Established { ciphers, ia, .. } => {
//!             ends.push((ciphers, ia));
//!             continue;
//!         }
//!         Action::PlainDetected { .. } => panic!("both speak MSE"),
//!     };
//!     actions.extend(out.drain().map(|action| (of_alice, action)));
//! }
//!
//! let [(bobs, heard), (alices, _)] = &mut ends[..] else { panic!("both are established") };
//! assert_eq!(heard, &b"what alice says first"[..]);
//! let secret = bobs.encrypt(Bytes::from_static(b"hello alice"));
//! let mut read = BytesMut::from(secret);
//! alices.decrypt(&mut read);
//! assert_eq!(read, &b"hello alice"[..]);
//! # Ok::<(), convoy_core::mse::Error>(())
//! ```

mod cipher;
mod config;
mod error;
mod initiator;
mod keys;
mod machine;
mod message;
mod policy;
mod reader;
mod responder;
mod scan;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

pub use cipher::Ciphers;
pub use config::Config;
pub use error::{Error, PeerIncompatible, PeerMisbehaved};
pub use keys::{Choices, Req2Hash, Skeys};
pub use machine::{Action, Handshake, Input};
pub use message::{PAD_MAX, REST_MAX};
pub use policy::{Attempt, Known, Level, Method, Policy, Speech, Stage};
