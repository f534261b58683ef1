//! The IC extensions: what a peer can do ([`Capabilities`]), and who plays on it ([`Token`]).
//!
//! A player is an Ed25519 key. A token is what the player signed, once, for a community: 120 bytes that a
//! peer sends in `ic_auth` ([`Auth`](crate::wire::extension::Auth)) and shows to trackers. What it proves
//! depends on its [`Version`]. The first signs no more than the player's own words, so whoever has seen such
//! a token can show it again to anybody: it says who somebody claims to be. The second is [bound](Binding) to
//! a community, a torrent, one purpose and one listener, and is worth nothing to anybody else.
//!
//! ```
//! use convoy_core::{
//!     ic::{Binding, Purpose, SigningKey, Token, TokenError, Verified, Version},
//!     id::InfoHash,
//! };
//!
//! let player = SigningKey::from_bytes(&[7; 32]);
//! let binding = Binding {
//!     purpose: Purpose::PeerMessage,
//!     community_id: [1; 32],
//!     info_hash: InfoHash([2; 20]),
//!     audience: b"-IC0100-mnopqrstuvwx",
//! };
//! let token = Token::sign_v2(&player, [3; 16], 1_740_000_000, &binding);
//! assert_eq!(Token::decode(&token.encode()), Some(token));
//!
//! let player_key = player.verifying_key().to_bytes();
//! let verified = token.verify(Version::V2, &binding, 1_740_000_060);
//! assert_eq!(verified, Ok(Verified::Authenticated { player_key }));
//! let elsewhere = Binding { audience: b"-IC0100-yzyzyzyzyzyz", ..binding };
//! assert_eq!(token.verify(Version::V2, &elsewhere, 1_740_000_060), Err(TokenError::BadSignature));
//! ```

mod capabilities;
mod player;
#[cfg(test)]
mod tests;
mod token;

pub use capabilities::Capabilities;
pub use ed25519_dalek::SigningKey;
pub use player::PlayerSecret;
pub use token::{Binding, LIFETIME_S, Purpose, SKEW_S, TOKEN_LENGTH, Token, TokenError, Verified, Version};
