//! Where a tracker's URL points.

use alloc::{borrow::ToOwned, string::String};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What a tracker's URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// It speaks HTTP, with TLS or without.
    Http,
    /// It speaks UDP.
    Udp {
        /// A name, or an address.
        host: Host,
        /// Its port; there is no usual one.
        port: u16,
        /// Path and query: `/` where there is none.
        path: String,
    },
}

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name: it has to be looked up.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl Address {
    /// Reads a URL. `None` if it is none, or of a scheme that we do not speak.
    ///
    /// ```
    /// use convoy_core::tracker::client::Address;
    ///
    /// assert_eq!(Address::parse("https://example.org/announce"), Some(Address::Http));
    /// assert!(matches!(Address::parse("udp://[::1]:6969"), Some(Address::Udp { port: 6969, .. })));
    /// assert_eq!(Address::parse("udp://example.org/announce"), None, "no port");
    /// assert_eq!(Address::parse("wss://example.org"), None);
    /// ```
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return None;
        }
        if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
            return Some(Self::Http);
        }
        if !scheme.eq_ignore_ascii_case("udp") {
            return None;
        }
        let (host, port) = authority.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self::Udp { host: Host::parse(host)?, port, path: slash.to_owned() + path })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(v6) = text.strip_prefix('[') {
            return v6.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let host = text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip);
        (is_name && !text.is_empty()).then_some(host)
    }
}

/// One address of each family, the first that a name stands for.
pub(super) fn one_of_each(addrs: &[SocketAddr]) -> impl Iterator<Item = SocketAddr> {
    let first = |wanted: fn(&SocketAddr) -> bool| addrs.iter().copied().find(wanted);
    [first(SocketAddr::is_ipv4), first(SocketAddr::is_ipv6)].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_trackers_are_read_with_their_paths_and_nothing_else_is() {
        let udp = |url: &str| match Address::parse(url) {
            Some(Address::Udp { host, port, path }) => Some((host, port, path)),
            _ => None,
        };
        let name = |name: &str, path: &str| Some((Host::Name(name.to_owned()), 80, path.to_owned()));
        let ip = |ip: &str, path: &str| Some((Host::Ip(ip.parse().unwrap()), 80, path.to_owned()));
        assert_eq!(udp("udp://tracker.example.org:80/announce"), name("tracker.example.org", "/announce"));
        assert_eq!(udp("UDP://a-b_c:80/announce?key=1#x"), name("a-b_c", "/announce?key=1"));
        assert_eq!(udp("udp://a:80"), name("a", "/"));
        assert_eq!(udp("udp://a:80?x"), name("a", "/?x"));
        assert_eq!(udp("udp://192.0.2.1:80/"), ip("192.0.2.1", "/"));
        assert_eq!(udp("udp://[2001:db8::1]:80/"), ip("2001:db8::1", "/"));
        for bad in [
            "",
            "udp",
            "udp://",
            "udp://:80",
            "udp://a",
            "udp://a:0",
            "udp://a:65536",
            "udp://a:b",
            "udp:a:80",
            "udp://[::1:80",
            "udp://::1:80",
            "udp://[a]:80",
            "udp://user@a:80",
            "udp://a b:80",
            "ftp://a:80",
            "http:///announce",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
