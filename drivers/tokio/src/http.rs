//! The HTTP client that everything shares.

use convoy_core::fetch::{FetchError, MAX_REDIRECTS};
use reqwest::{Client, Proxy, redirect::Policy};
use std::{cell::OnceCell, time::Duration};
use tracing::debug;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long a server may be silent.
const IDLE_AT_MOST: Duration = Duration::from_secs(30);

/// A client, made when it is first needed.
#[derive(Default)]
pub(crate) struct Http {
    /// Through whom everything goes.
    proxy: Option<String>,
    client: OnceCell<Option<Client>>,
}

impl Http {
    pub(crate) fn new(proxy: Option<String>) -> Self {
        Self { proxy, client: OnceCell::new() }
    }

    /// The client; `None` if the system has no place for one.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client.get_or_init(|| build(self.proxy.as_deref())).clone()
    }
}

fn build(proxy: Option<&str>) -> Option<Client> {
    // A program that has chosen its ciphers already keeps them.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("convoy/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::limited(MAX_REDIRECTS))
        // The URL of a tracker may hold what only its members know: nobody else is told who sent us.
        .referer(false)
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(IDLE_AT_MOST);
    let builder = match proxy.map(Proxy::all) {
        Some(Ok(proxy)) => builder.proxy(proxy),
        // Rather nothing than something that does not go through the proxy.
        Some(Err(error)) => {
            debug!(%error, "no such proxy");
            return None;
        }
        None => builder,
    };
    builder.build().inspect_err(|error| debug!(%error, "no HTTP")).ok()
}

/// Core's word for a failure.
pub(crate) fn fetch_error(error: &reqwest::Error) -> FetchError {
    if error.is_builder() {
        FetchError::BadUrl
    } else if error.is_redirect() {
        FetchError::Redirects
    } else if error.is_timeout() {
        FetchError::TimedOut
    } else if error.is_connect() {
        FetchError::Connect
    } else {
        FetchError::Broken
    }
}
