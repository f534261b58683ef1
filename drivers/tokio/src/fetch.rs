//! HTTP: fetches under way, each a task that reads on as far as it has credit.

use crate::{http::fetch_error, node::Shared};
use bytes::Bytes;
use convoy_core::{
    engine::Input,
    fetch::{ContentRange, FetchError, Fetched, Head, Request},
    id::{FetchToken, TorrentId},
};
use reqwest::{
    Client, Response,
    header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderName, RANGE, RETRY_AFTER},
};
use std::{
    cell::Cell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Notify,
    task::{AbortHandle, spawn_local},
};
use tracing::debug;

/// How a fetch is named.
type Name = (TorrentId, FetchToken);

/// The fetches under way.
#[derive(Default)]
pub(crate) struct Fetches {
    under_way: HashMap<Name, (Rc<Credit>, AbortHandle)>,
}

/// Bytes that may be handed on.
#[derive(Default)]
struct Credit {
    bytes: Cell<u64>,
    /// Wakes the task when there are more.
    more: Notify,
}

impl Fetches {
    /// Begins a fetch.
    pub(crate) fn begin(
        &mut self,
        shared: &Rc<Shared>,
        client: Option<Client>,
        name: Name,
        request: Request,
        bytes: u64,
    ) {
        let credit = Rc::new(Credit { bytes: Cell::new(bytes), more: Notify::new() });
        let task = spawn_local(run(Rc::clone(shared), client, name, request, Rc::clone(&credit)));
        self.under_way.insert(name, (credit, task.abort_handle()));
    }

    /// Lets a fetch hand on more.
    pub(crate) fn lend(&self, name: Name, bytes: u64) {
        if let Some((credit, _)) = self.under_way.get(&name) {
            credit.bytes.update(|before| before + bytes);
            credit.more.notify_one();
        }
    }

    /// Ends a fetch: its connection is closed, because nobody reads what is still on its way.
    pub(crate) fn cancel(&mut self, name: Name) {
        if let Some((_, task)) = self.under_way.remove(&name) {
            task.abort();
        }
    }

    /// A fetch has ended by itself.
    pub(crate) fn forget(&mut self, name: Name) {
        self.under_way.remove(&name);
    }
}

impl Credit {
    /// Waits until something may be handed on, then takes as much of it as there is in `data`.
    async fn take(&self, data: &mut Bytes) -> Bytes {
        while self.bytes.get() == 0 {
            self.more.notified().await;
        }
        let bytes = self.bytes.get().min(data.len() as u64);
        self.bytes.update(|before| before - bytes);
        data.split_to(bytes as usize)
    }
}

async fn run(shared: Rc<Shared>, client: Option<Client>, name: Name, request: Request, credit: Rc<Credit>) {
    let end = match client {
        Some(client) => fetch(&shared, &client, name, &request, &credit).await,
        None => Err(FetchError::Connect),
    };
    shared.fetch_ended(name);
    tell(&shared, name, end.map_or_else(Fetched::Failed, |()| Fetched::End));
}

async fn fetch(
    shared: &Rc<Shared>,
    client: &Client,
    name: Name,
    request: &Request,
    credit: &Credit,
) -> Result<(), FetchError> {
    let failed = |error: reqwest::Error| {
        debug!(url = request.url, %error, "fetch failed");
        fetch_error(&error)
    };
    let get = client.get(&request.url).header(RANGE, request.range()).header(ACCEPT_ENCODING, "identity");
    let mut response = get.send().await.map_err(failed)?;
    tell(shared, name, Fetched::Head(head(&response)));
    while let Some(mut data) = response.chunk().await.map_err(failed)? {
        while !data.is_empty() {
            let part = credit.take(&mut data).await;
            tell(shared, name, Fetched::Body(part));
        }
    }
    Ok(())
}

fn tell(shared: &Rc<Shared>, (torrent, token): Name, what: Fetched) {
    shared.input(Input::Fetched { torrent, token, what });
}

fn head(response: &Response) -> Head {
    let field = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    Head {
        status: response.status().as_u16(),
        content_range: field(CONTENT_RANGE).and_then(ContentRange::parse),
        retry_after: field(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now())),
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): so many seconds, or a date, of which core has no notion. One that
/// is over is no time at all.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let seconds = value.parse().map(Duration::from_secs);
    let until = |date: SystemTime| date.duration_since(now).unwrap_or_default();
    seconds.ok().or_else(|| httpdate::parse_http_date(value).ok().map(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_in_seconds_or_by_a_date_how_long_it_wants_to_be_left_alone() {
        // Sun, 06 Nov 1994 08:49:00 GMT.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_740);
        for (value, seconds) in [
            ("0", 0),
            ("120", 120),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37),
            ("Sun Nov  6 08:49:37 1994", 37),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ] {
            assert_eq!(retry_after(value, now), Some(Duration::from_secs(seconds)), "{value}");
        }
        for value in ["", "soon", "-1", "1.5", "99999999999999999999", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(value, now), None, "{value}");
        }
    }
}
