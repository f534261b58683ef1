//! `convoy tracker`: a tracker, until somebody stops it.

mod access;

use crate::{
    args,
    failure::Failure,
    output::{Event, Reporter, to_stderr},
    signals::{Reloads, Signals},
};
use convoy_core::tracker::access::Access;
use convoy_tokio::tracker::{Config, Found, Service, StartError, Tracker};
use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};

/// The port that trackers have by custom.
const PORT: u16 = 6969;

/// Answers until somebody stops it.
pub(super) async fn run(args: args::Tracker, reporter: &Reporter) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut reloads = Reloads::listen()?;
    let tracker = Tracker::start(&config(&args), read_access(&args, false, reporter)?).map_err(failure)?;
    tell(&tracker, reporter);
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = reloads.next() => match read_access(&args, true, reporter) {
                Ok(access) => tracker.replace_access(access),
                Err(failure) => {
                    reporter.event(&failure.event());
                    to_stderr(format_args!("error: {failure}\n  what was read before goes on to hold"));
                }
            },
        }
    }
    if let Err(error) = tracker.stop() {
        let file = args.state.unwrap_or_default();
        return Err(Failure::io("cannot save", &file, &error).advise("who is in which swarm is lost"));
    }
    Err(Failure::interrupted())
}

fn config(args: &args::Tracker) -> Config {
    let everywhere = Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)));
    let (udp, http) = match (args.udp, args.http) {
        (None, None) => (everywhere, everywhere),
        given => given,
    };
    Config {
        udp,
        http,
        metrics: args.metrics,
        workers: args.workers.map_or(0, usize::from),
        interval: args.interval.0,
        unlimited: args.unlimited,
        state: args.state.clone(),
        ..Config::default()
    }
}

fn read_access(args: &args::Tracker, again: bool, reporter: &Reporter) -> Result<Access, Failure> {
    let access::Read { access, swarms, members } =
        access::read(args.members.as_deref(), args.rules.as_deref())?;
    if args.members.is_some() || args.rules.is_some() {
        reporter.event(&Event::AccessRead { swarms, members, again });
        reporter.note(format_args!("rules for {swarms} swarms, {members} members of communities"));
    }
    Ok(access)
}

/// Says where it answers.
fn tell(tracker: &Tracker, reporter: &Reporter) {
    let listeners = [
        (tracker.udp(), "udp", "udp://", "/announce"),
        (tracker.http(), "http", "http://", "/announce"),
        (tracker.metrics(), "metrics", "http://", "/metrics"),
    ];
    match tracker.found() {
        Found::Nothing => {}
        Found::Swarms { swarms, peers } => {
            reporter.event(&Event::StateRead { swarms: *swarms, peers: *peers });
            reporter.note(format_args!("{peers} peers in {swarms} swarms are known from before"));
        }
        Found::Damaged { moved_to, why } => {
            let message = format!("the state of an earlier run cannot be read: {why}");
            reporter.event(&Event::Error { message: &message, file: moved_to.to_str(), advice: None });
            let place = moved_to.display();
            to_stderr(format_args!("warning: {message}\n  it is at {place} now, and nobody is known"));
        }
    }
    for (addr, service, scheme, path) in listeners {
        let Some(addr) = addr else { continue };
        reporter.event(&Event::Listening { addr, service: Some(service) });
        reporter.result(format_args!("{service:7} {scheme}{addr}{path}"));
    }
}

fn failure(error: StartError) -> Failure {
    let advice = match &error {
        StartError::Listen { service, addr, error } => advice(*service, *addr, error),
        StartError::State { .. } => Some("give a file in a folder where you may write, with --state".into()),
        StartError::System(_) => None,
    };
    let failure = Failure::new(error.to_string());
    match advice {
        Some(advice) => failure.advise(advice),
        None => failure,
    }
}

fn advice(service: Service, addr: SocketAddr, error: &io::Error) -> Option<String> {
    let flag = match service {
        Service::Udp => "--udp",
        Service::Http => "--http",
        Service::Metrics => "--metrics",
    };
    let port = addr.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => Some(format!(
            "another program listens at port {port}: stop it, or give another address with {flag}"
        )),
        io::ErrorKind::PermissionDenied => {
            Some(format!("port {port} is not for every user: give one above 1023 with {flag}"))
        }
        io::ErrorKind::AddrNotAvailable => {
            Some(format!("give an address of this machine with {flag}, or [::]:{port} for all of them"))
        }
        _ => None,
    }
}
