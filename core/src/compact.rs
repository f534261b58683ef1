//! Compact addresses: 4 or 16 bytes and a port, big-endian (BEP 23, BEP 7).
//!
//! ```
//! use convoy_core::compact;
//!
//! let mut bytes = Vec::new();
//! compact::write("192.0.2.1:6881".parse()?, &mut bytes);
//! assert_eq!(bytes, [192, 0, 2, 1, 0x1a, 0xe1]);
//! assert!(compact::read_all(&bytes, compact::V4).eq(compact::read(&bytes)));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a compact IPv4 address.
pub const V4: usize = 6;
/// Bytes of a compact IPv6 address.
pub const V6: usize = 18;

/// Reads one, if it has the right length.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::V4(Ipv4Addr::from(*ip.first_chunk::<4>()?)),
        16 => IpAddr::V6(Ipv6Addr::from(*ip.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Reads a list of addresses of `each` bytes; nothing if its length is not a multiple of that.
pub fn read_all(bytes: &[u8], each: usize) -> impl Iterator<Item = SocketAddr> {
    let whole = if bytes.len().is_multiple_of(each) { bytes } else { &[] };
    whole.chunks_exact(each).filter_map(read)
}

/// Writes one behind what is there.
pub fn write(addr: SocketAddr, out: &mut Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}
