//! The loop of a worker that runs no Python: take what is due, send it, read what comes back, record it.
//!
//! ```text
//!   ┌─▶ dispatch: due? ──▶ connection? ──▶ send ──▶ (sent)          at most DISPATCH_BATCH at a time,
//!   │   grow: still due, and none idle? connect                     so that responses are not left lying
//!   │   wait: sleep, spin, or look
//!   │   handle events: connected ▶ send · received ▶ read ▶ (done)  after every EVENT_BATCH of them dispatch
//!   └── housekeeping: timeouts, heartbeat, orders                   again, so that sends are not late
//! ```
//!
//! One thread, no locks; no allocation per request, unless it must be rendered when it is sent.
//!
//! Here is the loop. What is due is sent in [`due`]; where there are several origins, or arrivals that may take several
//! requests, through lanes in [`waiting`], and on to the next request in [`hops`]. What happened is told in [`accounts`].

mod accounts;
mod due;
mod hops;
mod waiting;

use std::io;

use crate::client::Client;
use crate::clock::now_ns;
use crate::control::Control;
use crate::conversation::Conversation;
use crate::growth::Growth;
use crate::lanes::Lanes;
use crate::pacer::Wake;
use crate::places::Places;
use crate::plan::{Load, Pacing, Plan, ReactorChoice};
use crate::reactor::epoll::Epoll;
use crate::reactor::uring::Uring;
use crate::reactor::{Event, Reactor};
use crate::record::block::{Block, Kind};
use crate::record::recorder::Recorder;
use crate::requests::Requests;
use crate::source::Source;
use crate::vitals::Vitals;
use crate::wiring::{Place, Wiring};

/// Events between two looks at what is due.
const EVENT_BATCH: usize = 16;
/// Events between two looks at timeouts and orders: a target that never stops sending must not keep us from those.
const TURN_EVENTS: usize = 4096;
/// Connections of a run that sets no cap of its own, over all workers.
pub const DEFAULT_CONNECTIONS: usize = 10_000;

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &Plan, block: Block, index: u32, control: Control) -> io::Result<()> {
    let thrifty = plan.pacing == Pacing::Eco;
    let needs_queue = plan.needs_layers() || plan.uploads();
    let uring = match plan.reactor {
        ReactorChoice::Epoll => None,
        ReactorChoice::Auto if needs_queue && !Uring::QUEUES_SENDS => None,
        ReactorChoice::Uring if needs_queue && !Uring::QUEUES_SENDS => {
            return Err(io::Error::other(
                "io_uring carries plain HTTP/1.1 only, each request at once: no TLS, no HTTP/2 or 3, no proxy, \
                 no body in pieces, no redirects",
            ));
        }
        ReactorChoice::Auto if thrifty => None,
        ReactorChoice::Auto => Uring::new(control.descriptor()?).ok(),
        ReactorChoice::Uring => Some(
            Uring::new(control.descriptor()?)
                .map_err(|error| io::Error::other(format!("io_uring is not available here: {error}")))?,
        ),
    };
    match uring {
        Some(reactor) => Worker::new(plan, block, index, reactor)?.run(control),
        None if thrifty => Worker::new(plan, block, index, Epoll::thrifty(control.descriptor()?)?)?.run(control),
        None => Worker::new(plan, block, index, Epoll::new(control.descriptor()?)?)?.run(control),
    }
}

struct Worker<R> {
    requests: Requests,
    lanes: Lanes,
    /// Where an arrival may take several requests.
    conversation: Option<Box<Conversation>>,
    wiring: Wiring,
    index: usize,
    timeout_ns: u64,
    drop_after_ns: Option<u64>,
    recorder: Recorder,
    client: Client<R>,
    source: Source,
    vitals: Vitals,
    /// Since when requests wait because no connection is ready; `None` while none does.
    starved_since_ns: Option<u64>,
    growth: Growth,
    next_sweep_ns: u64,
}

impl<R: Reactor> Worker<R> {
    fn new(plan: &Plan, block: Block, index: u32, reactor: R) -> io::Result<Self> {
        let recorder = Recorder::new(block);
        let requests = Requests::new(plan, &recorder, index).map_err(io::Error::other)?;
        let all = plan.connections.map_or(DEFAULT_CONNECTIONS, |cap| cap as usize);
        let (workers, index_of) = (plan.workers as usize, index as usize);
        let cap = ((all + workers - 1 - index_of % workers) / workers).max(1);
        let mut wiring = Wiring::new(plan);
        let mut client = wiring.client(reactor, cap, plan.timeout_ns, index_of);
        let hosts = plan.mix.iter().flat_map(|mix| &mix.hosts).map(|host| (&host.url, &host.addresses));
        let single = plan.request.iter().map(|request| (&request.url, &plan.addresses));
        let origins: Vec<_> = if plan.mix.is_some() { hosts.collect() } else { single.collect() };
        let mut planned = Vec::new();
        for (url, addresses) in origins {
            let place = Place::of(url).ok_or_else(|| io::Error::other(format!("{url} leads nowhere")))?;
            client.add_origin(wiring.origin(&place, addresses, index_of).map_err(io::Error::other)?);
            planned.push((place, addresses.clone()));
        }
        let lanes = Lanes::new(planned.len(), cap, plan.converses());
        let source = Source::new(&plan.load, index, plan.workers);
        let conversation = Conversation::new(plan, Places::new(planned), &requests, &recorder);
        for &dns_ns in plan.dns_ns.iter().filter(|_| index == 0) {
            recorder.sample(requests.first_label(), Kind::Dns, dns_ns);
        }
        Ok(Self {
            requests,
            lanes,
            conversation: conversation.map(Box::new),
            timeout_ns: plan.timeout_ns,
            drop_after_ns: match plan.load {
                Load::Open { drop_after_ns, .. } => drop_after_ns,
                Load::Closed { .. } => None,
            },
            recorder,
            client,
            vitals: Vitals::new(plan, source.duration_ns()),
            source,
            starved_since_ns: None,
            growth: wiring.growth(),
            wiring,
            index: index_of,
            next_sweep_ns: 0,
        })
    }

    fn run(mut self, mut control: Control) -> io::Result<()> {
        self.vitals.await_start(&mut self.client.reactor, &self.recorder, &mut control)?;
        self.change();
        while !self.is_done() {
            self.account_for_more(now_ns());
            let wake = self.turn();
            self.client.flush();
            let now = now_ns();
            // What ended while others were sent is told at once.
            let wake = if self.client.has_more() { Wake::Timer(now) } else { wake };
            self.vitals.pacer.wait(&mut self.client.reactor, now, wake)?;
            for handled in 1..=TURN_EVENTS {
                let Some(event) = self.client.reactor.next() else { break };
                if event == Event::Control {
                    self.obey(&mut control);
                } else {
                    let (happened, now) = self.client.handle(event);
                    self.account(happened, now);
                    self.account_for_more(now);
                }
                if handled % EVENT_BATCH == 0 {
                    self.dispatch(now_ns());
                    self.client.flush();
                    self.client.reactor.flush()?;
                }
            }
        }
        self.close_the_books();
        control.report("done")
    }

    fn obey(&mut self, control: &mut Control) {
        let now = now_ns();
        if self.vitals.obey(control, now) {
            self.give_up_the_rest(now);
        }
        self.change();
    }

    /// The load becomes what it was ordered to be.
    fn change(&mut self) {
        for change in std::mem::take(&mut self.vitals.changes) {
            let users_before = self.source.most_users();
            for load in change.loads.into_iter().flatten() {
                self.source.change(change.at_ns, load);
            }
            self.client.follow_users(users_before, self.source.most_users());
            self.lanes.set_cap(self.client.pool().cap());
        }
    }

    fn is_done(&self) -> bool {
        let now = now_ns();
        let exhausted = self.source.is_exhausted(now.saturating_sub(self.vitals.start_ns));
        let is_idle = self.client.pool().in_flight() == 0 && self.lanes.waiting() == 0 && !self.client.has_more();
        (exhausted && is_idle) || self.vitals.is_over(now)
    }

    /// Sends what is due, sees to what time demands, and says until when to wait.
    fn turn(&mut self) -> Wake {
        let now = now_ns();
        let next_due_ns = self.dispatch(now);
        if now >= self.vitals.next_heartbeat_ns {
            self.vitals.heartbeat(&self.recorder, now, &self.shown(now));
        }
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        let mut timer_ns = self.vitals.next_heartbeat_ns.min(self.next_sweep_ns).min(self.vitals.drain_until_ns);
        timer_ns = timer_ns.min(self.client.next_timer_ns());
        if self.starved_since_ns.is_some() {
            // Only when all that has come is read: a response that lies unread is a connection about to be free.
            let look_ns = if self.client.reactor.is_drained() { self.grow(now) } else { Some(now) };
            timer_ns = timer_ns.min(look_ns.unwrap_or(u64::MAX));
        }
        match next_due_ns {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        }
    }
}
