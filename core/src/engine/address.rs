//! Where we are, as peers see us (`yourip` of BEP 10).

use crate::wire::canonical_priority;
use core::net::{IpAddr, SocketAddr};

/// What most peers say of our address, for each family. One that lies moves nothing as long as more tell the
/// truth (the majority vote of Boyer and Moore).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnAddress {
    v4: Option<(IpAddr, u32)>,
    v6: Option<(IpAddr, u32)>,
}

impl OwnAddress {
    /// Nobody has said anything.
    pub(super) const NOWHERE: Self = Self { v4: None, v6: None };

    /// A peer says that we are here. Whether that changes what is believed.
    pub(super) fn vote(&mut self, ip: IpAddr) -> bool {
        let leader = if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        match leader {
            Some((leading, votes)) if *leading == ip => *votes = votes.saturating_add(1),
            Some((_, votes)) if *votes > 0 => *votes -= 1,
            _ => {
                *leader = Some((ip, 1));
                return true;
            }
        }
        false
    }

    /// Where we are, for each family of which anybody has said so.
    pub(super) fn ips(&self) -> [Option<IpAddr>; 2] {
        [self.v4, self.v6].map(|leader| leader.map(|(ip, _)| ip))
    }

    /// Where we are for somebody at `remote`.
    pub(super) fn towards(&self, remote: SocketAddr, port: u16) -> Option<SocketAddr> {
        let leader = if remote.is_ipv4() { self.v4 } else { self.v6 };
        leader.map(|(ip, _)| SocketAddr::new(ip, port))
    }

    /// The priority of BEP 40 between us and somebody at `remote`.
    pub(super) fn priority(&self, remote: SocketAddr) -> Option<u32> {
        // The port counts only between peers at one address: whichever we have does.
        self.towards(remote, 0).map(|own| canonical_priority(own, remote))
    }

    /// Whether both believe the same, by however many votes.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let ips = |own: &Self| [own.v4, own.v6].map(|leader| leader.map(|(ip, _)| ip));
        ips(self) == ips(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minority_that_lies_is_not_believed() {
        let (truth, lie) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
        let mut own = OwnAddress::default();
        let remote = SocketAddr::from(([203, 0, 113, 1], 1));
        assert_eq!(own.towards(remote, 6881), None);
        assert!(own.vote(truth), "the first word is news");
        [truth, lie, truth, lie, truth].iter().for_each(|ip| assert!(!own.vote(*ip)));
        assert_eq!(own.towards(remote, 6881), Some(SocketAddr::new(truth, 6881)));
        assert_eq!(own.towards("[2001:db8::1]:1".parse().expect("an address"), 6881), None);
    }

    #[test]
    fn a_new_address_is_believed_once_more_say_so_than_said_the_old() {
        let (old, new) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
        let mut own = OwnAddress::default();
        assert_eq!([old, old, new, new, new].map(|ip| own.vote(ip)), [true, false, false, false, true]);
    }
}
