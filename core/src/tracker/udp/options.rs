//! What stands behind the 98 bytes of an announce: options of BEP 41, then the IC block.
//!
//! ```text
//! p+0   u16  ic_version (1 to 255)      its first byte, 0, is at the same time BEP 41's EndOfOptions
//! p+2   u16  ic_token_len               0 or 120
//! p+4   T    token
//! p+4+T u16  ic_capabilities
//! ```

use crate::ic::{Capabilities, TOKEN_LENGTH, Token};
use alloc::vec::Vec;

const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// The most bytes of one option.
const OPTION_MAX: usize = 255;

/// What a peer says of itself that BEP 15 has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IcBlock {
    /// The version of the IC extensions that it speaks, never 0.
    pub version: u8,
    /// Who plays on it.
    pub token: Option<Token>,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl IcBlock {
    /// Finds the block behind the options; `None` where there is none, or none that makes sense. Never an
    /// error: it is an announce like any other then.
    #[must_use]
    pub fn decode(options: &[u8]) -> Option<Self> {
        let mut walk = Walk(options);
        while walk.next().is_some() {}
        let (version, rest) = split_u16(walk.0)?;
        let version = u8::try_from(version).ok().filter(|version| *version != 0)?;
        let (length, rest) = split_u16(rest)?;
        let (token, rest) = rest.split_at_checked(usize::from(length))?;
        let token = match token.len() {
            0 => None,
            TOKEN_LENGTH => Some(Token::decode(token)?),
            _ => return None,
        };
        let (capabilities, _) = split_u16(rest)?;
        Some(Self { version, token, capabilities: Capabilities::from_bits(capabilities) })
    }

    /// Writes the block behind what is in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u16::from(self.version).to_be_bytes());
        let token = self.token.as_ref().map(Token::encode).unwrap_or_default();
        out.extend_from_slice(&(token.len() as u16).to_be_bytes());
        out.extend_from_slice(&token);
        out.extend_from_slice(&self.capabilities.bits().to_be_bytes());
    }
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// Path and query of the tracker's URL as the client has it: all its parts in a row.
#[must_use]
pub fn url_data(options: &[u8]) -> Vec<u8> {
    Walk(options).filter(|(kind, _)| *kind == URL_DATA).flat_map(|(_, data)| data.iter().copied()).collect()
}

/// Writes path and query of the tracker's URL, in as many options as they need.
pub(super) fn write_url_data(path_and_query: &[u8], out: &mut Vec<u8>) {
    for part in path_and_query.chunks(OPTION_MAX) {
        out.extend_from_slice(&[URL_DATA, part.len() as u8]);
        out.extend_from_slice(part);
    }
}

/// The options with their data, up to EndOfOptions or to where they make no sense any more. What is left is
/// what follows; nothing after an option that is cut off.
struct Walk<'a>(&'a [u8]);

impl<'a> Iterator for Walk<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first()?;
        match *kind {
            END_OF_OPTIONS => None,
            NOP => {
                self.0 = rest;
                Some((NOP, &[]))
            }
            kind => {
                let cut =
                    rest.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
                let (data, rest) = cut.unzip();
                self.0 = rest.unwrap_or_default();
                data.map(|data| (kind, data))
            }
        }
    }
}
