//! URLs and endpoints as they stand in torrents and links: taken or left, never repaired.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};
use core::net::Ipv6Addr;

/// The longest URL that is kept, in bytes: what browsers and servers agree on.
pub const MAX_URL_BYTES: usize = 2048;

/// The longest host name, in bytes (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// `text` without space around it, if it can be a URL: not empty, not too long, no spaces, no controls.
pub(super) fn url(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= MAX_URL_BYTES;
    (fits && !text.contains(|c: char| c.is_control() || c.is_whitespace())).then(|| text.to_owned())
}

/// The host if it is a name, an IPv4 address, or an IPv6 address without brackets, in its usual form.
pub(super) fn host(text: &str) -> Option<String> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|address| address.to_string());
    }
    let fits = !text.is_empty() && text.len() <= MAX_HOST_BYTES;
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (fits && is_name).then(|| text.to_owned())
}

/// Reads `host:port` or `[v6]:port`. Port 0 is none.
pub(super) fn endpoint(text: &str) -> Option<(String, u16)> {
    let (name, port) = text.trim().rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let name = match name.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| v6.contains(':'))?,
        None => Some(name).filter(|name| !name.contains(':'))?,
    };
    Some((host(name)?, port))
}

/// What [`endpoint`] reads.
pub(super) fn write_endpoint(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
