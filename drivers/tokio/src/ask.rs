//! One question to one tracker, without a node.

use crate::{
    http::Http,
    outside::{self, Datagrams},
};
use bytes::Bytes;
use convoy_core::{
    Machine, Outbox, Seed,
    fetch::{FetchError, Response},
    id::{GetToken, ResolveToken},
    slab::Slab,
    tracker::{
        Failure, Question, QuestionKey, Reply,
        client::{Action, Client, Config, Input},
    },
};
use std::{io, net::SocketAddr, time::Instant};
use tokio::{
    sync::mpsc,
    task::{LocalSet, spawn_local},
    time::sleep,
};

/// Asks a tracker, and waits for all that it answers: one reply of each address family that it has.
///
/// # Errors
/// Why there was no answer; or, from outside, that there is no randomness or no event loop.
pub fn ask(
    config: Config,
    proxy: Option<String>,
    url: &str,
    question: Question,
) -> io::Result<Result<Vec<Reply>, Failure>> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asking = Asking::new(Client::new(config, seed), Http::new(proxy));
    Ok(LocalSet::new().block_on(&runtime, asking.run(url.to_owned(), question)))
}

/// What comes back from the world.
enum News {
    Resolved(ResolveToken, Vec<SocketAddr>),
    Got(GetToken, Result<Response, FetchError>),
    Datagram(SocketAddr, Bytes),
}

struct Asking {
    client: Client,
    out: Outbox<Action>,
    epoch: Instant,
    http: Http,
    datagrams: Datagrams,
    news: (mpsc::UnboundedSender<News>, mpsc::UnboundedReceiver<News>),
}

impl Asking {
    fn new(client: Client, http: Http) -> Self {
        let (out, datagrams) = (Outbox::new(), Datagrams::default());
        Self { client, out, epoch: Instant::now(), http, datagrams, news: mpsc::unbounded_channel() }
    }

    async fn run(mut self, url: String, question: Question) -> Result<Vec<Reply>, Failure> {
        let key = Slab::<QuestionKey, ()>::new().insert(());
        let mut replies = Vec::new();
        self.tell(Input::Ask { key, url, question });
        loop {
            for action in self.out.drain().collect::<Vec<_>>() {
                if let Action::Answer { result, last, .. } = action {
                    replies.push(result?);
                    if last {
                        return Ok(replies);
                    }
                } else {
                    self.carry(action);
                }
            }
            let pause = self.client.poll_timeout().map(|deadline| deadline.at - self.now());
            tokio::select! {
                Some(news) = self.news.1.recv() => self.tell(match news {
                    News::Resolved(token, addrs) => Input::Resolved { token, addrs },
                    News::Got(token, result) => Input::Got { token, result },
                    News::Datagram(from, data) => Input::Datagram { from, data },
                }),
                () = sleep(pause.unwrap_or_default()), if pause.is_some() => {
                    let now = self.now();
                    let Ok(()) = self.client.handle_timeout(now, &mut self.out);
                }
            }
        }
    }

    fn carry(&mut self, action: Action) {
        let news = self.news.0.clone();
        match action {
            Action::Resolve { token, host, port } => drop(spawn_local(async move {
                let _ = news.send(News::Resolved(token, outside::resolve(&host, port).await));
            })),
            Action::Get { token, url, limit } => {
                let client = self.http.client();
                drop(spawn_local(async move {
                    let _ = news.send(News::Got(token, outside::get(client, &url, limit).await));
                }));
            }
            Action::SendTo { to, data } => {
                if let Some(socket) = self.datagrams.send(to, &data) {
                    drop(spawn_local(outside::receive(socket, move |from, data| {
                        let _ = news.send(News::Datagram(from, data));
                    })));
                }
            }
            Action::CancelGet { .. } | Action::Answer { .. } => {}
        }
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        let Ok(()) = self.client.handle_input(now, input, &mut self.out);
    }

    fn now(&self) -> convoy_core::Instant {
        convoy_core::Instant::from_micros(self.epoch.elapsed().as_micros() as u64)
    }
}
