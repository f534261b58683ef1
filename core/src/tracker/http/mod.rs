//! The HTTP tracker protocol (BEP 3, 7, 23, 24, 31, 48), as values: whoever speaks HTTP carries them.
//!
//! ```text
//!   client                                            server
//!     announce_url ──── GET /announce?info_hash=… ────▶ Server::answer
//!     read_announce ◀────────── bencode ─────────────── write_announce, write_failure
//!     scrape_url ────── GET /scrape?info_hash=… ──────▶ Server::answer
//!     read_scrape ◀──────────── bencode ─────────────── write_scrape, write_failure
//! ```
//!
//! ```
//! use convoy_core::{id::InfoHash, tracker::http};
//!
//! let url = http::scrape_url("http://tracker.example/announce", &[InfoHash(*b"an info-hash: raw...")]);
//! assert_eq!(url.as_deref(), Some("http://tracker.example/scrape?info_hash=an%20info-hash%3A%20raw..."));
//! ```

mod query;
mod reply;
mod request;
mod response;
mod server;
#[cfg(test)]
mod tests;

pub use query::MAX_QUERY_BYTES;
pub use reply::{PeerForm, write_announce, write_failure, write_scrape};
pub use request::{Encryption, Extras, announce_url, scrape_url};
pub use response::{MAX_BODY_BYTES, MAX_TRACKER_ID_BYTES, read_announce, read_scrape};
pub use server::{Reply, Server, ServerConfig};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The most info-hashes in one scrape: as many as over UDP (BEP 15).
pub const MAX_SCRAPE: usize = super::udp::MAX_SCRAPE;

/// What stands as it is in a query: the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
