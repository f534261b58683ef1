//! Who plays on a peer (`ic_auth`), and what is urgent to whom (`ic_priority`).

use super::{
    Action,
    machine::{Phase, Swarm},
};
use crate::{
    Deadline, Instant, Outbox, choker,
    ic::{Binding, PlayerSecret, Purpose, Token, TokenError, Verified, Version},
    id::{PeerKey, PieceIndex},
    picker::Tier,
    wire::extension::{Auth, PRIORITY_PIECES_MAX, Priority, PriorityLevel},
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::time::Duration;
use thiserror::Error;

/// A second `ic_auth` within this time is ignored.
const AUTH_PAUSE: Duration = Duration::from_secs(60);

/// A peer may send one `ic_priority` in so much time, on average.
const PRIORITY_PAUSE: Duration = Duration::from_secs(1);
/// And so many at once.
const PRIORITY_BURST: u32 = 5;

/// How often urgency is said again: it is forgotten after 60 s.
const RENEW: Duration = Duration::from_secs(45);

/// The community in which a torrent is shared, and who we are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Community {
    /// Its name.
    pub id: [u8; 32],
    /// The player that we speak for.
    pub player: PlayerSecret,
    /// The public keys of the players who are members; empty: everybody is.
    #[cfg_attr(feature = "serde", serde(default))]
    pub members: BTreeSet<[u8; 32]>,
}

/// Why a peer is not the player that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AuthFailure {
    /// Its token proves nothing.
    #[error("{0}")]
    Token(TokenError),
    /// It speaks in another community.
    #[error("of another community")]
    OtherCommunity,
    /// The player is nobody that the community knows.
    #[error("not a member")]
    NotMember,
}

/// What a peer has said of players and urgency.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PlayerState {
    /// Whether a player who is a member has proven to be there.
    pub(super) authenticated: bool,
    heard: Option<Instant>,
    /// Whether it was told who we are.
    told: bool,
    /// `ic_priority` messages that it may still send, and since when that is so.
    allowance: u32,
    allowed_at: Option<Instant>,
}

impl PlayerState {
    /// Whether the peer may send one more `ic_priority` now.
    fn spend(&mut self, now: Instant) -> bool {
        let gained = match self.allowed_at {
            None => PRIORITY_BURST,
            Some(at) => {
                u32::try_from((now - at).as_micros() / PRIORITY_PAUSE.as_micros()).unwrap_or(u32::MAX)
            }
        };
        if gained > 0 {
            self.allowance = self.allowance.saturating_add(gained).min(PRIORITY_BURST);
            self.allowed_at = Some(now);
        }
        let left = self.allowance.checked_sub(1);
        self.allowance = left.unwrap_or(0);
        left.is_some()
    }
}

impl Swarm {
    /// Tells a peer who we are, in a way that is worth nothing to anybody else.
    pub(super) fn authenticate_to(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(community) = &self.config.community else { return };
        // Once, even if the peer takes its id for it back and names another.
        let Some(peer) = self.peers.get(key).filter(|peer| !peer.player.told) else { return };
        let (player, issued_at) = (community.player.signing_key(), self.unix_time(now));
        let token = match Version::of(peer.ic_version) {
            None => return,
            Some(Version::V1) => Token::sign_v1(&player, self.session_id, issued_at),
            Some(Version::V2) => {
                let audience = peer.info.peer_id.0;
                Token::sign_v2(&player, self.session_id, issued_at, &self.binding(community.id, &audience))
            }
        };
        let auth = Auth { community_id: community.id, token };
        self.tell_extended(now, key, |ids| ids.ic_auth, auth.encode(), out);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.player.told = true;
        }
    }

    fn binding<'a>(&self, community_id: [u8; 32], audience: &'a [u8]) -> Binding<'a> {
        let info_hash = self.info.info_hash;
        Binding { purpose: Purpose::PeerMessage, community_id, info_hash, audience }
    }

    fn unix_time(&self, now: Instant) -> u64 {
        self.config.unix_epoch_s.saturating_add((now - Instant::ZERO).as_secs())
    }

    pub(super) fn on_ic_auth(
        &mut self,
        now: Instant,
        key: PeerKey,
        payload: &[u8],
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.player.heard.is_some_and(|heard| now - heard < AUTH_PAUSE) {
            return;
        }
        let (version, remote) = (Version::of(peer.ic_version), peer.info.remote);
        let (Some(version), Ok(auth)) = (version, Auth::decode(payload)) else { return };
        peer.player.heard = Some(now);
        let result = self.judge(now, &auth, version);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.player.authenticated = matches!(result, Ok(Verified::Authenticated { .. }));
        }
        // A failure closes nothing: in a public swarm everybody is welcome.
        out.push(Action::Player { remote, result });
    }

    fn judge(&self, now: Instant, auth: &Auth, version: Version) -> Result<Verified, AuthFailure> {
        let binding = self.binding(auth.community_id, &self.peer_id.0);
        let verified =
            auth.token.verify(version, &binding, self.unix_time(now)).map_err(AuthFailure::Token)?;
        // Protocol page 7.3: lengths, time and signature first, membership last.
        let Some(community) = &self.config.community else { return Ok(verified) };
        if community.id != auth.community_id {
            return Err(AuthFailure::OtherCommunity);
        }
        let member = community.members.is_empty() || community.members.contains(&auth.token.player_key);
        if member { Ok(verified) } else { Err(AuthFailure::NotMember) }
    }

    pub(super) fn on_ic_priority(
        &mut self,
        now: Instant,
        key: PeerKey,
        payload: &[u8],
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !peer.player.spend(now) || self.phase != Phase::Running {
            return;
        }
        let restricted =
            self.config.community.as_ref().is_some_and(|community| !community.members.is_empty());
        let needs_auth = restricted || self.config.require_auth_for_lobby;
        let may = peer.player.authenticated || !needs_auth;
        if let Ok(Some(priority)) = Priority::decode(payload, self.geometry.pieces()) {
            let wants = may && priority.priority == PriorityLevel::LobbyUrgent;
            self.choose(now, choker::Input::Lobby { peer: key, wants }, out);
        }
    }

    /// When urgency is said again.
    pub(super) fn urgency_deadline(&self) -> Option<Deadline> {
        self.urgent_until.map(|at| Deadline { at, why: "say what is urgent" })
    }

    /// Says to all who listen what is urgent, or that nothing is any more.
    pub(super) fn say_urgency(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let pieces = self.urgent_pieces();
        let before = self.urgent_until.take();
        if pieces.is_empty() && before.is_none() {
            return;
        }
        if !pieces.is_empty() {
            self.urgent_until = Some(now + RENEW);
        }
        let message = urgency(pieces);
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            slot = key.index() + 1;
            self.tell_extended(now, key, |ids| ids.ic_priority, message.clone(), out);
        }
    }

    /// Says to a newcomer what is urgent.
    pub(super) fn say_urgency_to(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        if self.urgent_until.is_some() {
            let message = urgency(self.urgent_pieces());
            self.tell_extended(now, key, |ids| ids.ic_priority, message, out);
        }
    }

    /// The pieces that a lobby waits for, as many as a message has room for.
    fn urgent_pieces(&self) -> Vec<PieceIndex> {
        if self.is_finished() || self.is_magnet || !self.plan.names(Tier::LobbyUrgent) {
            return Vec::new();
        }
        let pieces = (0..self.geometry.pieces()).map(PieceIndex);
        let urgent = pieces.filter(|piece| self.picker.tier(*piece) == Tier::LobbyUrgent);
        urgent.filter(|piece| !self.have.get(*piece)).take(PRIORITY_PIECES_MAX).collect()
    }
}

fn urgency(pieces: Vec<PieceIndex>) -> Vec<u8> {
    let level = if pieces.is_empty() { PriorityLevel::UserRequested } else { PriorityLevel::LobbyUrgent };
    let reason = (level == PriorityLevel::LobbyUrgent).then(|| "lobby-urgent".into());
    Priority { pieces, priority: level, reason }.encode()
}
