//! How the world carries out what attackers want.

use super::World;
use crate::{
    host::{Host, Raw, Who},
    hostile,
    net::{HostId, NetEventKind},
};
use std::mem;

/// What a socket takes before it is full: an attacker that goes on then says the rest to nobody.
const SOCKET_BUFFER: usize = 1 << 20;

impl World {
    /// Gives an attacker an input now.
    pub(super) fn attack(&mut self, host: HostId, input: hostile::Input) {
        let now = self.now;
        let Some(Host { who: Who::Attacker(raw), .. }) = self.hosts.get_mut(host.0 as usize) else { return };
        let Ok(()) = raw.machine.handle_input(now, input, &mut raw.out);
        self.counts.calls += 1;
        self.carry_attack(host);
    }

    /// Carries out what an attacker wants.
    pub(super) fn carry_attack(&mut self, host: HostId) {
        let now = self.now;
        let Some(Host { who: Who::Attacker(raw), .. }) = self.hosts.get_mut(host.0 as usize) else { return };
        let mut out = mem::take(&mut raw.out);
        for action in out.drain() {
            match action {
                // Where it cannot listen it can still dial.
                hostile::Action::Listen { port } => drop(self.net.listen(host, port)),
                hostile::Action::Connect { stream, remote } => {
                    let conn = self.net.connect(now, host, remote);
                    raw.conns.insert(conn, stream);
                    raw.streams.insert(stream, (conn, 0));
                }
                hostile::Action::Send { stream, data } => {
                    let Some((conn, unsent)) = raw.streams.get_mut(&stream) else { continue };
                    if *unsent < SOCKET_BUFFER {
                        *unsent += data.len();
                        self.net.send(now, *conn, data);
                    }
                }
                hostile::Action::Close { stream } => {
                    if let Some((conn, _)) = raw.streams.remove(&stream) {
                        raw.conns.remove(&conn);
                        self.net.close(now, conn);
                    }
                }
            }
        }
        raw.out = out;
        self.rearm(host);
    }
}

/// What a network event means to an attacker.
pub(super) fn attacker_input(raw: &mut Raw, kind: NetEventKind) -> Option<hostile::Input> {
    Some(match kind {
        NetEventKind::Incoming { conn, remote } => {
            let stream = raw.accepted;
            raw.accepted += 1;
            raw.conns.insert(conn, stream);
            raw.streams.insert(stream, (conn, 0));
            hostile::Input::Accepted { stream, remote }
        }
        NetEventKind::Connected { conn } => hostile::Input::Connected { stream: *raw.conns.get(&conn)? },
        NetEventKind::Received { conn, data } => {
            hostile::Input::Received { stream: *raw.conns.get(&conn)?, data }
        }
        NetEventKind::Closed { conn, .. } => {
            let stream = raw.conns.remove(&conn)?;
            raw.streams.remove(&stream);
            hostile::Input::Closed { stream }
        }
        NetEventKind::Sent { conn, bytes } => {
            let (_, unsent) = raw.streams.get_mut(raw.conns.get(&conn)?)?;
            *unsent = unsent.saturating_sub(bytes);
            return None;
        }
        NetEventKind::Datagram { .. } => return None,
    })
}
