//! `ut_holepunch` (BEP 55): two peers behind NATs meet with the help of a third.

use super::Error;
use crate::compact::{self, V4, V6};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A message of the holepunch extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Holepunch {
    /// 0: bring me together with this peer.
    Rendezvous(SocketAddr),
    /// 1: dial this peer now; it dials you.
    Connect(SocketAddr),
    /// 2: this peer cannot be met, and why.
    Failed(SocketAddr, HolepunchError),
}

/// Why a peer cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum HolepunchError {
    /// 1: the address is not one that anybody could have.
    NoSuchPeer,
    /// 2: the relay is not connected to it.
    NotConnected,
    /// 3: it does not speak the extension.
    NoSupport,
    /// 4: it is the relay.
    NoSelf,
    /// Any other code.
    Other(u32),
}

impl HolepunchError {
    const fn code(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(code) => code,
        }
    }

    /// What a code means.
    #[must_use]
    pub const fn of(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            code => Self::Other(code),
        }
    }
}

impl Holepunch {
    /// Reads a payload. `None` is a type of message to come. libtorrent leaves the error code out where there
    /// is no error; the BEP has it always.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, Error> {
        let [kind, family, rest @ ..] = payload else { return Err(Error::Malformed) };
        let length = match family {
            0 => V4,
            1 => V6,
            _ => return Err(Error::Malformed),
        };
        let (addr, code) = rest.split_at_checked(length).ok_or(Error::Malformed)?;
        let addr = compact::read(addr).ok_or(Error::Malformed)?;
        let code = <[u8; 4]>::try_from(code).map(u32::from_be_bytes).ok();
        let complete = code.is_some() || (rest.len() == length && *kind != 2);
        match kind {
            _ if !complete => Err(Error::Malformed),
            0 => Ok(Some(Self::Rendezvous(addr))),
            1 => Ok(Some(Self::Connect(addr))),
            2 => Ok(code.map(|code| Self::Failed(addr, HolepunchError::of(code)))),
            _ => Ok(None),
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, addr, code) = match self {
            Self::Rendezvous(addr) => (0, addr, 0),
            Self::Connect(addr) => (1, addr, 0),
            Self::Failed(addr, error) => (2, addr, error.code()),
        };
        let mut payload = alloc::vec![kind, u8::from(addr.is_ipv6())];
        compact::write(*addr, &mut payload);
        payload.extend_from_slice(&u32::to_be_bytes(code));
        payload
    }
}
