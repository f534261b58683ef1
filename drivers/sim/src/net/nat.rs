//! Who can reach a host: nobody in between, a firewall, or a NAT of one of four kinds (RFC 3489, 5).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

/// Who can reach a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everybody.
    #[default]
    Public,
    /// Only those that it spoke to from the same port.
    Firewalled,
    /// As its NAT does it. Streams cannot be opened towards it.
    Nat(NatKind),
}

/// What a NAT lets in, and how it gives out ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// One port outside for each inside; anybody may answer to it.
    FullCone,
    /// The same, but only addresses that were spoken to may.
    AddressRestricted,
    /// The same, but only address and port that were spoken to may.
    PortRestricted,
    /// A port outside for each pair of port inside and destination, which alone may answer to it.
    Symmetric,
}

/// The first port that a NAT gives out.
const FIRST_PORT: u16 = 20_000;
/// How many it has. Behind the last comes the first again, and whoever had it has it no more.
const PORTS: usize = 45_000;

/// What a NAT, or a firewall, remembers.
#[derive(Debug, Default)]
pub(super) struct Nat {
    /// Ports outside, by port inside; of a symmetric one, by destination too.
    mapped: BTreeMap<(u16, Option<SocketAddr>), u16>,
    inside: BTreeMap<u16, u16>,
    spoken_to: BTreeSet<(u16, SocketAddr)>,
}

impl Nat {
    /// The port outside from which a datagram from `port` to `to` comes.
    pub(super) fn outwards(&mut self, reach: Reach, port: u16, to: SocketAddr) -> u16 {
        let outside = match reach {
            Reach::Public => return port,
            Reach::Firewalled => port,
            Reach::Nat(kind) => self.map(port, (kind == NatKind::Symmetric).then_some(to)),
        };
        self.spoken_to.insert((outside, to));
        outside
    }

    /// The port inside that a datagram from `from` to the port outside reaches, if it gets in.
    pub(super) fn inwards(&self, reach: Reach, outside: u16, from: SocketAddr) -> Option<u16> {
        match reach {
            Reach::Public => Some(outside),
            Reach::Firewalled => self.spoken_to.contains(&(outside, from)).then_some(outside),
            Reach::Nat(kind) => {
                let inside = *self.inside.get(&outside)?;
                let may = match kind {
                    NatKind::FullCone => true,
                    NatKind::AddressRestricted => self.spoke_with(outside, from.ip()),
                    NatKind::PortRestricted | NatKind::Symmetric => self.spoken_to.contains(&(outside, from)),
                };
                may.then_some(inside)
            }
        }
    }

    fn spoke_with(&self, outside: u16, address: IpAddr) -> bool {
        let first = (outside, SocketAddr::new(address, 0));
        self.spoken_to.range(first..=(outside, SocketAddr::new(address, u16::MAX))).next().is_some()
    }

    fn map(&mut self, port: u16, to: Option<SocketAddr>) -> u16 {
        let next = FIRST_PORT + (self.mapped.len() % PORTS) as u16;
        let outside = *self.mapped.entry((port, to)).or_insert(next);
        self.inside.insert(outside, port);
        outside
    }
}
