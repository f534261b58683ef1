//! What a connection tolerates, whoever the peer is. What users may want otherwise is in
//! [`Config`](super::Config).

use core::time::Duration;

/// We send a keep-alive when we have sent nothing for so long. BEP 3: generally every two minutes.
pub const KEEP_ALIVE: Duration = Duration::from_secs(110);

/// A peer that sends not a byte for so long is gone: two minutes and a bit for the network. So is one that takes
/// not a byte of what is on its way to it.
pub const IDLE: Duration = Duration::from_secs(150);

/// More keep-alives than this within a minute are a flood: real peers send one.
pub const KEEP_ALIVES_PER_MINUTE: u32 = 100;

/// More bitfields than this within a minute, behind the first message, are a flood. BEP 3 and 6 allow none,
/// but aria2 sends one instead of many haves.
pub const LATE_BITFIELDS_PER_MINUTE: u32 = 1000;

/// How long the start of a message may pin the driver's read buffer before it is copied out of it. Longer
/// than any pause of a transfer that flows, so that those copy nothing.
pub const SETTLE: Duration = Duration::from_secs(1);

/// The longest request, in bytes, that is passed on. Nobody serves more than 16 KiB, but some clients ask;
/// a request for more than 128 KiB is an attack on our memory.
pub const REQUEST_MAX: u32 = 128 * 1024;

/// The longest payload of an extension message, in bytes: libtorrent's limit too.
pub const EXTENDED_MAX: u32 = 1 << 20;

/// The longest extension handshake, in bytes. A longer one is dropped as it comes, and counted.
pub const EXTENDED_HANDSHAKE_MAX: u32 = 64 * 1024;

/// The longest `hashes` message, in bytes behind the id: a request, 512 hashes (the most that one asks for,
/// BEP 52) and a proof as deep as a tree of 2^64 leaves.
pub const HASHES_MAX: u32 = 48 + 32 * (512 + 64);

/// How many pieces a peer may name before the metadata is known; 8 bytes each. The rest is dropped and
/// counted: who has so much to tell sends a bitfield.
pub const EARLY_PIECES_MAX: usize = 4096;

/// The longest name of a program that is kept (`v` of BEP 10), in bytes.
pub const CLIENT_MAX: usize = 256;

/// The longest info dictionary that is believed (`metadata_size` of BEP 9), in bytes.
pub const METADATA_MAX: u32 = 16 << 20;

/// The smallest send window, in bytes: the head of any message fits.
pub const SEND_WINDOW_MIN: usize = 64;
