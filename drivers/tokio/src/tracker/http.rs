//! The HTTP tracker: threads that answer GETs, each with a listener of its own.

use super::{
    Shared,
    web::{self, Limits, Page},
};
use crate::lock;
use convoy_core::tracker::http::Server;
use std::{net::TcpListener, sync::Arc};
use tracing::error;

/// How a refusal begins: trackers give them with the status of success.
const FAILURE: &[u8] = b"d14:failure reason";

/// Answers what is asked of a listener until the tracker stops.
pub(super) fn run(listener: TcpListener, mut server: Server, shared: &Arc<Shared>) {
    let stop = shared.stop.subscribe();
    let shared = Arc::clone(shared);
    let served = web::serve(listener, Limits::default(), stop, move |source, path_and_query| {
        let (now, access) = (shared.clock.now(), shared.access());
        let reply = server.answer(now, source, path_and_query, &mut &shared.swarms, &access);
        let refused = reply.status != 200 || reply.body.starts_with(FAILURE);
        lock(&shared.requests).count(source, refused);
        Page { status: reply.status, content_type: reply.content_type, body: reply.body }
    });
    if let Err(error) = served {
        error!(%error, "no HTTP");
    }
}
