//! How far an address reaches, and whom to believe when he names one.
//!
//! Peers name addresses to each other (BEP 11, BEP 55), and we dial them: whoever names one makes us send a
//! packet there. So a stranger does not get to point at our router, at the machine's own services, or at
//! anybody's mail server.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ports below this are other people's services: mail, web, names.
const LOWEST_PORT: u16 = 1024;

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// From the same machine.
    Loopback,
    /// From the same wire; nobody hands these on.
    Link,
    /// From the same network: RFC 1918, RFC 4193, and RFC 6598 (carriers).
    Private,
    /// From everywhere.
    Global,
}

/// What is believed, besides what is always believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Trust {
    /// Addresses that only reach here, whoever names them. No: for tests, and for swarms within one network.
    pub local: bool,
    /// Ports below 1024. No.
    pub low_ports: bool,
}

impl Reach {
    /// How far an address reaches; `None` if no single host is there. One that holds an IPv4 address (mapped,
    /// 6to4, NAT64) reaches as far as that.
    ///
    /// ```
    /// use convoy_core::reach::Reach;
    ///
    /// assert_eq!(Reach::of([192, 168, 1, 1].into()), Some(Reach::Private));
    /// assert_eq!(Reach::of("::ffff:127.0.0.1".parse()?), Some(Reach::Loopback));
    /// assert_eq!(Reach::of([224, 0, 0, 1].into()), None);
    /// # Ok::<(), core::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }
}

impl Trust {
    /// Whether to dial `address` because a peer says so who is at `teller`, as far as that is known.
    /// Addresses that only reach here are believed of those who are here.
    ///
    /// ```
    /// use convoy_core::reach::Trust;
    ///
    /// let (stranger, neighbour) = ([8, 8, 8, 8].into(), [10, 0, 0, 7].into());
    /// let inside = ([10, 0, 0, 1], 6881).into();
    /// assert!(!Trust::default().admits(inside, Some(stranger)));
    /// assert!(Trust::default().admits(inside, Some(neighbour)));
    /// assert!(!Trust::default().admits(([8, 8, 4, 4], 25).into(), Some(stranger)));
    /// ```
    #[must_use]
    pub fn admits(self, address: SocketAddr, teller: Option<IpAddr>) -> bool {
        let lowest = if self.low_ports { 1 } else { LOWEST_PORT };
        if address.port() < lowest {
            return false;
        }
        match Reach::of(address.ip()) {
            None => false,
            Some(Reach::Global) => true,
            Some(Reach::Link) => self.local,
            here @ Some(Reach::Private | Reach::Loopback) => self.local || teller.and_then(Reach::of) == here,
        }
    }
}

/// The one way to write an address: an IPv4 address as such, and nothing besides address and port.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn of_v4(ip: Ipv4Addr) -> Option<Reach> {
    match ip.octets() {
        // This host (RFC 1122); multicast; reserved, and the broadcast (RFC 1112).
        [0 | 224..=255, ..] => None,
        [127, ..] => Some(Reach::Loopback),
        [169, 254, ..] => Some(Reach::Link),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(Reach::Private),
        _ => Some(Reach::Global),
    }
}

fn of_v6(ip: Ipv6Addr) -> Option<Reach> {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Reach::Loopback),
        // Unspecified, and IPv4-compatible (deprecated).
        [0, 0, 0, 0, 0, 0, ..] | [0xff00..=0xffff, ..] => None,
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        [0xfe80..=0xfebf, ..] => Some(Reach::Link),
        // Unique local, and site-local (deprecated).
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Reach::Private),
        _ => Some(Reach::Global),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(ip: &str) -> Option<Reach> {
        Reach::of(ip.parse().expect("an address"))
    }

    #[test]
    fn every_kind_of_address_is_known() {
        let known = [
            ("8.8.8.8", Some(Reach::Global)),
            ("10.255.0.1", Some(Reach::Private)),
            ("172.15.0.1", Some(Reach::Global)),
            ("172.16.0.1", Some(Reach::Private)),
            ("172.31.255.255", Some(Reach::Private)),
            ("172.32.0.1", Some(Reach::Global)),
            ("192.168.0.1", Some(Reach::Private)),
            ("100.64.0.1", Some(Reach::Private)),
            ("100.128.0.1", Some(Reach::Global)),
            ("127.8.8.8", Some(Reach::Loopback)),
            ("169.254.169.254", Some(Reach::Link)),
            ("0.1.2.3", None),
            ("239.255.255.250", None),
            ("255.255.255.255", None),
            ("240.0.0.1", None),
            ("2a00::1", Some(Reach::Global)),
            ("::1", Some(Reach::Loopback)),
            ("::", None),
            ("::7f00:1", None),
            ("ff02::1", None),
            ("fe80::1", Some(Reach::Link)),
            ("fd12::1", Some(Reach::Private)),
            ("fec0::1", Some(Reach::Private)),
            ("::ffff:10.0.0.1", Some(Reach::Private)),
            ("64:ff9b::127.0.0.1", Some(Reach::Loopback)),
            ("64:ff9b::8.8.8.8", Some(Reach::Global)),
            ("2002:c0a8:101::1", Some(Reach::Private)),
        ];
        for (ip, expected) in known {
            assert_eq!(reach(ip), expected, "{ip}");
        }
    }

    #[test]
    fn what_reaches_only_here_is_believed_of_those_who_are_here() {
        let admits = |trust: Trust, address: &str, teller: &str| {
            trust.admits(address.parse().expect("an address"), teller.parse().ok())
        };
        let (strict, local) = (Trust::default(), Trust { local: true, ..Trust::default() });
        assert!(admits(strict, "127.0.0.1:6881", "127.0.0.1"));
        assert!(!admits(strict, "127.0.0.1:6881", "10.0.0.1"));
        assert!(!admits(strict, "127.0.0.1:6881", "nobody knows"));
        assert!(admits(local, "127.0.0.1:6881", "8.8.8.8"));
        assert!(!admits(strict, "169.254.1.1:6881", "169.254.1.2"));
        assert!(admits(local, "169.254.1.1:6881", "8.8.8.8"));
        assert!(!admits(local, "0.0.0.0:6881", "8.8.8.8"));
    }

    #[test]
    fn low_ports_are_admitted_if_asked_for_and_port_0_never() {
        let (strict, low) = (Trust::default(), Trust { low_ports: true, ..Trust::default() });
        let at = |port| SocketAddr::from(([8, 8, 8, 8], port));
        assert!(!strict.admits(at(1023), None) && strict.admits(at(1024), None));
        assert!(low.admits(at(25), None) && !low.admits(at(0), None));
    }
}
