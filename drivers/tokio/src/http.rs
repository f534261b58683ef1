//! The HTTP client that everything shares.

use convoy_core::fetch::{FetchError, MAX_REDIRECTS};
use reqwest::{Client, ClientBuilder, Proxy, redirect::Policy};
use std::{cell::OnceCell, error::Error, io, iter, time::Duration};
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
    // A system may know no certificates: then no HTTPS server is trusted, and HTTP works all the same.
    let client = builder(proxy).and_then(ClientBuilder::build).or_else(|error| {
        debug!(%error, "no certificates");
        builder(proxy)?.tls_certs_only([]).build()
    });
    client.inspect_err(|error| debug!(%error, "no HTTP")).ok()
}

fn builder(proxy: Option<&str>) -> reqwest::Result<ClientBuilder> {
    let builder = Client::builder()
        .user_agent(concat!("convoy/", env!("CARGO_PKG_VERSION")))
        // From HTTPS to HTTP, too: what comes is held to the hashes of the torrent wherever it comes from.
        .redirect(Policy::limited(MAX_REDIRECTS))
        // The URL of a tracker may hold what only its members know: nobody else is told who sent us.
        .referer(false)
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(IDLE_AT_MOST);
    // Rather nothing than something that does not go through the proxy.
    proxy.map(Proxy::all).transpose().map(|proxy| proxy.into_iter().fold(builder, ClientBuilder::proxy))
}

/// Core's word for a failure.
pub(crate) fn fetch_error(error: &reqwest::Error) -> FetchError {
    if error.is_builder() {
        FetchError::BadUrl
    } else if error.is_redirect() {
        FetchError::Redirects
    } else if error.is_timeout() {
        FetchError::TimedOut
    } else if is_certificate_error(error) {
        FetchError::Certificate
    } else if error.is_connect() {
        FetchError::Connect
    } else {
        FetchError::Broken
    }
}

/// Whether it is the server's certificate that stands at the bottom of an error.
fn is_certificate_error(error: &(dyn Error + 'static)) -> bool {
    let is_invalid = |error: &rustls::Error| matches!(error, rustls::Error::InvalidCertificate(_));
    iter::successors(Some(error), cause).any(|error| error.downcast_ref().is_some_and(is_invalid))
}

fn cause<'a>(&error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // What it wraps is not called its source.
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}
