//! What the rules of the peer wire ask of a swarm: an answer to each request and none besides, and patience
//! with what honest peers do.

use super::{
    Table,
    extensions::{extended, extensions, join},
};
use crate::{
    swarm::Input,
    wire::extension::{Holepunch, HolepunchError},
};
use core::net::SocketAddr;

#[test]
fn nobody_meets_us_through_us() {
    let mut table = Table::new(true);
    let peer = join(&mut table);
    table.hear(peer, &extended(0, b"d1:md12:ut_holepunchi22eee"));
    let ours = SocketAddr::from(([192, 0, 2, 200], 6881));
    table.tell(Input::Ours(ours));
    table.sent(peer);
    let said = table.hear(peer, &extended(4, &Holepunch::Rendezvous(ours).encode()));
    let refused = Holepunch::Failed(ours, HolepunchError::NoSelf);
    assert_eq!(extensions(&said), [(22, refused.encode())]);
    table.hear(peer, &extended(4, &Holepunch::Connect(ours).encode()));
    assert!(table.found.is_empty(), "nor do we dial ourselves");
}
