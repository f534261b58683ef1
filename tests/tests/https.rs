//! Torrents come from web servers over TLS, if these can prove who they are.

use convoy_tests::{Convoy, Payload, Peer, Scratch, peers::WebServer};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{
    fs,
    path::{Path, PathBuf},
};

const MIB: u64 = 1 << 20;

/// A server that speaks HTTPS, and its certificate.
struct Secure {
    server: Peer,
    certificate: PathBuf,
}

/// Serves a payload under a certificate for `name`.
fn serve(scratch: &Scratch, payload: &Payload, name: &str, options: &[&str]) -> Secure {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).expect("a name");
    let [certificate, key] = ["cert.pem", "key.pem"].map(|file| scratch.path(file));
    fs::write(&certificate, cert.pem()).expect("room for a certificate");
    fs::write(&key, signing_key.serialize_pem()).expect("room for a key");
    let tls = ["--tls", text(&certificate), text(&key)];
    let server = WebServer::serve(&payload.dir, &[&tls, options].concat());
    Secure { server, certificate }
}

impl Secure {
    fn url(&self) -> String {
        format!("https://{}/file.bin", self.server.addr)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// `convoy download`, from this web seed alone.
fn download(scratch: &Scratch, payload: &Payload, url: &str) -> Convoy {
    Convoy::download(scratch, &payload.torrent, &scratch.dir("out")).args(&[
        "--exit-when-done",
        "--webseed",
        url,
    ])
}

/// Convoy meets a server that it cannot trust.
fn assert_refused(download: Convoy) {
    let gone = download.spawn().wait_for("web_seed_gone");
    assert_eq!(gone["why"], "the server's certificate is not trusted");
    assert_eq!((&gone["retry_after_s"], &gone["downloaded"]), (&3600.into(), &0.into()));
}

#[test]
fn a_file_comes_from_a_server_whose_certificate_is_trusted() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 8 * MIB + 1, 256 << 10);
    let secure = serve(&scratch, &payload, "127.0.0.1", &[]);
    let outcome =
        download(&scratch, &payload, &secure.url()).trusting(&secure.certificate).spawn().wait_success();
    payload.assert_in(&scratch.dir("out"));
    assert_eq!(outcome.event("web_seed")["url"], secure.url());
    assert_eq!(outcome.event("web_seed_gone")["downloaded"], payload.total);
}

#[test]
fn a_server_with_an_unknown_certificate_is_left_alone() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB, 64 << 10);
    let secure = serve(&scratch, &payload, "127.0.0.1", &[]);
    assert_refused(download(&scratch, &payload, &secure.url()));
    assert!(secure.server.process.kill().lines.iter().all(|line| line["event"] != "request"));
}

#[test]
fn people_hear_what_to_do_about_a_certificate_while_another_server_sends() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 4 * MIB, 256 << 10);
    let (secure, plain) = (serve(&scratch, &payload, "127.0.0.1", &[]), WebServer::serve(&payload.dir, &[]));
    let download = download(&scratch, &payload, &secure.url()).for_people();
    let download = download.args(&["--webseed", &format!("http://{}/file.bin", plain.addr)]);
    let outcome = download.args(&["--download-limit", "2Mi"]).spawn().wait_success();
    payload.assert_in(&scratch.dir("out"));
    outcome.assert_said("the server's certificate is not trusted; will try again in 3600 s");
    outcome.assert_said("SSL_CERT_FILE");
}

#[test]
fn a_server_with_the_certificate_of_another_is_left_alone() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB, 64 << 10);
    let secure = serve(&scratch, &payload, "else.example", &[]);
    let download = download(&scratch, &payload, &secure.url()).trusting(&secure.certificate);
    assert_refused(download);
}

#[test]
fn a_redirect_from_https_to_http_is_followed() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 << 10);
    let plain = WebServer::serve(&payload.dir, &[]);
    let secure = serve(&scratch, &payload, "127.0.0.1", &["--redirect", &format!("http://{}", plain.addr)]);
    download(&scratch, &payload, &secure.url()).trusting(&secure.certificate).spawn().wait_success();
    payload.assert_in(&scratch.dir("out"));
    let requests = plain.process.kill().lines.iter().filter(|line| line["status"] == 206).count();
    assert!(requests > 0, "what is here came over HTTP");
}

#[test]
fn a_system_that_trusts_nobody_has_http_all_the_same() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB, 64 << 10);
    let server = WebServer::serve(&payload.dir, &[]);
    let url = format!("http://{}/file.bin", server.addr);
    download(&scratch, &payload, &url).trusting(Path::new("/dev/null")).spawn().wait_success();
    payload.assert_in(&scratch.dir("out"));
}
