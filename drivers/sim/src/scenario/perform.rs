//! Carries a plan out in the simulated world.

use super::{
    file::Role,
    plan::{HostNumber, HostPlan, Plan},
    report::{Failure, Report},
    run::{Run, Stage},
    slots::Slots,
};
use crate::{
    content::Content,
    disk::Trouble,
    host::PeerConfig,
    net::{HostId, Link},
    world::{Observer, World},
};
use convoy_core::{
    Instant,
    bitfield::Bitfield,
    choker,
    engine::{self, Command, Event, Memory},
    id::PieceIndex,
    storage::Geometry,
    swarm,
};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    panic::{self, AssertUnwindSafe},
    rc::Rc,
};

/// How fast hosts hash: one core with SHA instructions.
const HASH_BYTES_PER_S: u64 = 1 << 30;

/// What to look at beyond the outcome. It costs time and changes nothing.
#[derive(Default)]
pub struct Extras {
    /// Count slots, for [`Sample::slots`](super::Sample::slots).
    pub slots: bool,
    /// Sees every call of every engine.
    pub observer: Option<Box<dyn Observer>>,
}

/// Carries out `plan`. A panic on the way is a failure like others.
#[must_use]
pub fn perform(plan: &Plan, extras: Extras) -> Report {
    let performed = panic::catch_unwind(AssertUnwindSafe(|| {
        let content = Content::new(plan.seed, &plan.files, plan.piece_length);
        let content = content.map_err(|error| Failure::NoTorrent { why: error.to_string() })?;
        let stage = WorldStage::new(plan, Rc::new(content), extras);
        Ok(Run::new(plan, stage, engine::Config::default().swarm).finish())
    }));
    let failed = |failure| Report::without_a_run(plan, failure);
    performed.map_or_else(
        |cause| failed(Failure::Panic { message: message(&*cause) }),
        |ran| ran.unwrap_or_else(failed),
    )
}

/// What a panic said.
fn message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

/// The world with its hosts by their numbers.
struct WorldStage {
    world: World,
    content: Rc<Content>,
    ids: BTreeMap<HostNumber, HostId>,
    /// In the order of their ids.
    numbers: Vec<HostNumber>,
    slots: Slots,
}

impl WorldStage {
    fn new(plan: &Plan, content: Rc<Content>, extras: Extras) -> Self {
        let mut world = World::new(plan.world_seed());
        let slots = Slots::default();
        if extras.slots {
            world.observe(slots.beside(extras.observer));
        } else if let Some(observer) = extras.observer {
            world.observe(observer);
        }
        Self { world, content, ids: BTreeMap::new(), numbers: Vec::new(), slots }
    }

    fn id(&self, number: HostNumber) -> HostId {
        self.ids[&number]
    }

    fn addresses(&self, numbers: &[HostNumber]) -> Vec<SocketAddr> {
        numbers.iter().map(|number| self.world.address(self.id(*number))).collect()
    }
}

impl Stage for WorldStage {
    fn geometry(&self) -> Geometry {
        self.content.info().geometry
    }

    fn add(&mut self, number: HostNumber, host: &HostPlan) -> IpAddr {
        let id = if let Role::Attack(attack) = host.role {
            self.world.add_attacker(attack, &self.content, host.link, host.reach)
        } else {
            let engine = engine::Config::default();
            let adaptive = host.adaptive_slots.then(choker::Adaptive::default);
            let choker = choker::Config { slots: host.slots, adaptive, ..engine.swarm.choker };
            let swarm = swarm::Config { hash_memory: host.hash_memory, choker, ..engine.swarm };
            let id = self.world.add_peer(PeerConfig {
                engine: engine::Config { encryption: host.encryption, swarm, ..engine },
                link: host.link,
                reach: host.reach,
                disk: host.disk,
                hash_bytes_per_s: HASH_BYTES_PER_S,
                trackers: Vec::new(),
            });
            self.world.add_torrent(id, &self.content, host.role == Role::Seed, Vec::new());
            id
        };
        self.ids.insert(number, id);
        self.numbers.push(number);
        self.world.address(id).ip()
    }

    fn start(&mut self, number: HostNumber) {
        self.world.start(self.id(number));
    }

    fn stop(&mut self, number: HostNumber) {
        self.world.stop(self.id(number));
    }

    fn kill(&mut self, number: HostNumber) {
        self.world.kill(self.id(number));
    }

    fn power_loss(&mut self, number: HostNumber) {
        self.world.crash(self.id(number));
    }

    fn follow(&mut self, number: HostNumber, plan: engine::Plan) {
        let info_hash = self.content.info().info_hash;
        self.world.command(self.id(number), Command::Follow { info_hash, plan: Box::new(plan) });
    }

    fn tell(&mut self, number: HostNumber, others: &[HostNumber]) {
        let info_hash = self.content.info().info_hash;
        for remote in self.addresses(others) {
            self.world.tell(self.id(number), info_hash, remote);
        }
    }

    fn partition(&mut self, these: &BTreeSet<HostNumber>, blocked: bool) {
        let (these, others): (Vec<_>, Vec<_>) =
            self.ids.iter().partition(|(number, _)| these.contains(number));
        let [these, others] =
            [these, others].map(|side| side.into_iter().map(|(_, id)| *id).collect::<Vec<_>>());
        self.world.net_mut().partition(&these, &others, blocked);
        self.world.net_mut().partition(&others, &these, blocked);
    }

    fn set_trouble(&mut self, number: HostNumber, trouble: Trouble) {
        let id = self.id(number);
        if let Some(disk) = self.world.disk_mut(id) {
            disk.set_trouble(trouble);
        }
    }

    fn set_link(&mut self, number: HostNumber, link: Link) {
        let id = self.id(number);
        self.world.net_mut().set_link(id, link);
    }

    fn jump_clock(&mut self, number: HostNumber, micros: i64) {
        self.world.jump_clock(self.id(number), micros);
    }

    fn run_until(&mut self, at: Instant) -> Vec<(Instant, HostNumber, Event)> {
        self.world.run_until(at);
        let events = self.world.take_events().into_iter();
        events.map(|(at, id, event)| (at, self.numbers[id.0 as usize], event)).collect()
    }

    fn memory(&self, number: HostNumber) -> Option<Memory> {
        self.world.engine(self.id(number)).map(engine::Engine::memory)
    }

    fn first_wrong_piece(&self, number: HostNumber, claimed: &Bitfield) -> Option<PieceIndex> {
        self.world.first_wrong_piece(self.id(number), self.content.info().info_hash, claimed)
    }

    fn take_slots(&mut self) -> u32 {
        self.slots.take()
    }

    fn breach(&self) -> Option<String> {
        self.world.breaches().first().cloned()
    }

    fn trace(&self) -> (u64, String) {
        (self.world.counts().calls, self.world.trace_hash())
    }
}
