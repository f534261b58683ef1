//! The UDP tracker protocol (BEP 15), with URL data (BEP 41) and the IC block.
//!
//! ```text
//!   client                                         server
//!     connect ─────────────────────────────────▶     no state: the id is a MAC of the client's address
//!     ◀───────────────────────────── connection id
//!     announce or scrape, with the id ─────────▶     a wrong id: silence
//!     ◀──────────────────────────────────── answer
//! ```
//!
//! Nothing is kept for a client until it has shown that it is where its packets say they come from, and until
//! then nothing longer goes there than what came.

pub mod client;
mod message;
mod options;
pub mod server;
#[cfg(test)]
mod tests;

pub use client::{Action, Client, ClientConfig, Input};
pub use message::{
    ANNOUNCE_LENGTH, ANNOUNCE_RESPONSE_LENGTH, Asked, CONNECT_LENGTH, ConnectionId, MAX_SCRAPE, PROTOCOL_ID,
    Request, Response, TransactionId, announce_options,
};
pub use options::{IcBlock, url_data};
pub use server::{
    Answered, Budget, MAX_REPLY, Server, ServerConfig, Silence, TokenUse, Tracker, VERIFICATION_UNITS,
};
