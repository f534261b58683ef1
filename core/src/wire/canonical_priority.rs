//! Which of many peers to connect to (BEP 40).

use core::net::{IpAddr, SocketAddr};

/// How much two peers should want to be connected; the greatest first. Both sides compute the same, and
/// nobody can choose an address that everybody prefers. Of addresses of different families only the octets
/// count.
///
/// ```
/// use convoy_core::wire::canonical_priority;
///
/// let (ours, theirs) = ("123.213.32.10:6881".parse()?, "98.76.54.32:6881".parse()?);
/// assert_eq!(canonical_priority(ours, theirs), 0xec2d_7224);
/// assert_eq!(canonical_priority(theirs, ours), 0xec2d_7224);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[must_use]
pub fn canonical_priority(one: SocketAddr, other: SocketAddr) -> u32 {
    match (one.ip(), other.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a == b => of_ports(one, other),
        (IpAddr::V6(a), IpAddr::V6(b)) if a == b => of_ports(one, other),
        // BEP 40: FF.FF.55.55 as a rule, one octet more of those that are in the same /16, all of the same /24.
        (IpAddr::V4(a), IpAddr::V4(b)) => of_ips(a.octets(), b.octets(), 2),
        // The same for IPv6, from /48 on.
        (IpAddr::V6(a), IpAddr::V6(b)) => of_ips(a.octets(), b.octets(), 6),
        (IpAddr::V4(a), IpAddr::V6(b)) | (IpAddr::V6(b), IpAddr::V4(a)) => {
            of_ips(a.to_ipv6_mapped().octets(), b.octets(), 6)
        }
    }
}

/// The ports of two peers at one address, in order.
fn of_ports(one: SocketAddr, other: SocketAddr) -> u32 {
    let (low, high) = (one.port().min(other.port()), one.port().max(other.port()));
    let ([a, b], [c, d]) = (low.to_be_bytes(), high.to_be_bytes());
    crc32c([a, b, c, d].iter())
}

/// Two addresses, in order. The first `whole` octets count whole, and so do all that are equal and the first
/// that is not; of the rest every other bit does.
fn of_ips<const N: usize>(a: [u8; N], b: [u8; N], whole: usize) -> u32 {
    let equal = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let clear = whole.max(equal + 1);
    let mask = |ip: [u8; N]| {
        let mut masked = ip;
        masked.iter_mut().skip(clear).for_each(|octet| *octet &= 0x55);
        masked
    };
    let (a, b) = (mask(a), mask(b));
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    crc32c(low.iter().chain(&high))
}

/// CRC-32C (Castagnoli), bit by bit: some 64 octets for each address that is learned.
fn crc32c<'a>(octets: impl Iterator<Item = &'a u8>) -> u32 {
    /// The polynomial, its bits in the order of the wire (RFC 3720, B.4).
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !octets.fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (POLYNOMIAL * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(one: &str, other: &str) -> u32 {
        let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let priority = canonical_priority(parse(one), parse(other));
        assert_eq!(priority, canonical_priority(parse(other), parse(one)), "the same on both sides");
        priority
    }

    #[test]
    fn the_vectors_of_bep_40() {
        assert_eq!(priority("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(priority("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn every_other_bit_of_what_is_far_off_does_not_count() {
        let near = priority("123.213.32.10:1", "98.76.54.32:2");
        assert_eq!(near, priority("123.213.32.10:1", "98.76.54.34:2"));
        assert_ne!(near, priority("123.213.32.10:1", "98.77.54.32:2"));
        assert_ne!(
            priority("123.213.32.10:1", "123.213.54.32:2"),
            priority("123.213.32.10:1", "123.213.56.32:2"),
            "in the same /16 the third octet counts whole"
        );
        let (ours, theirs) = ("[2001:db8:1::1]:1", "[2001:db8:2::1]:2");
        assert_eq!(priority(ours, theirs), priority(ours, "[2001:db8:2:aaaa::1]:2"));
        assert_ne!(
            priority(ours, "[2001:db8:1::4]:2"),
            priority(ours, "[2001:db8:1::6]:2"),
            "neighbours count whole"
        );
    }

    #[test]
    fn peers_at_one_address_are_told_apart_by_their_ports() {
        assert_ne!(priority("192.0.2.1:1", "192.0.2.1:2"), priority("192.0.2.1:1", "192.0.2.1:3"));
        assert_eq!(priority("[::1]:1", "[::1]:2"), priority("192.0.2.1:1", "192.0.2.1:2"));
    }

    #[test]
    fn crc32c_of_its_check_string() {
        assert_eq!(crc32c(b"123456789".iter()), 0xe306_9283);
    }
}
