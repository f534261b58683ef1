//! The primitives of message stream encryption: a key exchange over a 768-bit prime, and RC4.
//!
//! Both are what the protocol asks for, and neither is worth anything against somebody who means it:
//! MSE hides BitTorrent from those who look for it. For secrecy there is the mesh session.

pub mod dh;
pub mod rc4;

pub use dh::{PrivateKey, PublicKey, SharedSecret};
pub use rc4::Rc4;
