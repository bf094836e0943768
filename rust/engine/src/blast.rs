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
//! A blast on several origins takes what is due out of the source at once: what finds no connection waits in the lane
//! of its origin, and the others go on.

use std::io;
use std::os::fd::OwnedFd;

use crate::client::{Client, Happened};
use crate::clock::{SECOND, cpu_ns, now_ns};
use crate::control::{Control, Order};
use crate::growth::{CONNECT_BATCH, Growth};
use crate::lanes::{Lanes, Waiting};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pacer::{Pacer, Wake};
use crate::plan::{Load, Pacing, Plan, ReactorChoice};
use crate::pool::Sending;
use crate::reactor::epoll::Epoll;
use crate::reactor::uring::Uring;
use crate::reactor::{Event, Reactor, Slot};
use crate::record::block::{Block, Kind, Word};
use crate::record::recorder::Recorder;
use crate::requests::{Chosen, Requests};
use crate::source::{Due, Source};
use crate::wiring::{Place, Wiring};

/// Sends between two looks at what has come.
const DISPATCH_BATCH: usize = 16;
/// Events between two looks at what is due.
const EVENT_BATCH: usize = 16;
/// Events between two looks at timeouts and orders: a target that never stops sending must not keep us from those.
const TURN_EVENTS: usize = 4096;
const HEARTBEAT_NS: u64 = SECOND / 5;
/// Most blasts know one place to send to.
const ORIGIN: usize = 0;
/// Connections of a run that sets no cap of its own, over all workers.
pub const DEFAULT_CONNECTIONS: usize = 10_000;

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &[u8], block: OwnedFd, index: u32, orders: OwnedFd, reports: OwnedFd) -> io::Result<()> {
    let plan = Plan::read(plan).map_err(io::Error::other)?;
    let block = Block::attach(block)?;
    let control = Control::new(orders, reports)?;
    let thrifty = plan.pacing == Pacing::Eco;
    let needs_queue = plan.needs_layers() || plan.uploads();
    let uring = match plan.reactor {
        ReactorChoice::Epoll => None,
        ReactorChoice::Auto if needs_queue && !Uring::QUEUES_SENDS => None,
        ReactorChoice::Uring if needs_queue && !Uring::QUEUES_SENDS => {
            return Err(io::Error::other(
                "io_uring carries plain HTTP/1.1 only, each request at once: no TLS, no HTTP/2, no proxy, \
                 no body in pieces",
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
        Some(reactor) => Worker::new(&plan, block, index, reactor)?.run(control),
        None if thrifty => Worker::new(&plan, block, index, Epoll::thrifty(control.descriptor()?)?)?.run(control),
        None => Worker::new(&plan, block, index, Epoll::new(control.descriptor()?)?)?.run(control),
    }
}

struct Worker<R> {
    requests: Requests,
    lanes: Lanes,
    timeout_ns: u64,
    drop_after_ns: Option<u64>,
    recorder: Recorder,
    client: Client<R>,
    source: Source,
    pacer: Pacer,
    /// The start of the run; instants of the source count from here.
    start_ns: u64,
    drain_ns: u64,
    /// Past this, nothing that is in flight is waited for.
    drain_until_ns: u64,
    /// Since when requests wait because no connection is ready; `None` while none does.
    starved_since_ns: Option<u64>,
    cpu_at_start_ns: u64,
    growth: Growth,
    next_sweep_ns: u64,
    next_heartbeat_ns: u64,
    stopped: bool,
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
        for (url, addresses) in &origins {
            let place = Place::of(url).ok_or_else(|| io::Error::other(format!("{url} leads nowhere")))?;
            client.add_origin(wiring.origin(&place, addresses, index_of).map_err(io::Error::other)?);
        }
        for &dns_ns in plan.dns_ns.iter().filter(|_| index == 0) {
            recorder.sample(requests.first_label(), Kind::Dns, dns_ns);
        }
        Ok(Self {
            requests,
            lanes: Lanes::new(origins.len(), cap),
            timeout_ns: plan.timeout_ns,
            drop_after_ns: match plan.load {
                Load::Open { drop_after_ns, .. } => drop_after_ns,
                Load::Closed { .. } => None,
            },
            recorder,
            client,
            source: Source::new(&plan.load, index, plan.workers),
            pacer: Pacer::new(plan.pacing),
            start_ns: 0,
            drain_ns: plan.drain_ns,
            drain_until_ns: u64::MAX,
            starved_since_ns: None,
            cpu_at_start_ns: 0,
            growth: wiring.growth(),
            next_sweep_ns: 0,
            next_heartbeat_ns: 0,
            stopped: false,
        })
    }

    fn run(mut self, mut control: Control) -> io::Result<()> {
        self.pacer.calibrate(&mut self.client.reactor)?;
        control.report("ready")?;
        self.await_start(&mut control)?;
        while !self.is_done() {
            self.account_for_more(now_ns());
            let wake = self.turn();
            self.client.flush();
            let now = now_ns();
            // What ended while others were sent is told at once.
            let wake = if self.client.has_more() { Wake::Timer(now) } else { wake };
            self.pacer.wait(&mut self.client.reactor, now, wake)?;
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

    fn await_start(&mut self, control: &mut Control) -> io::Result<()> {
        while self.start_ns == 0 && !self.stopped {
            self.client.reactor.wait(Some(now_ns() + HEARTBEAT_NS))?;
            while self.client.reactor.next().is_some() {
                self.obey(control);
            }
            self.recorder.heartbeat(now_ns());
        }
        self.pacer.spin_ns = 0;
        self.cpu_at_start_ns = cpu_ns();
        self.drain_until_ns = self.start_ns + self.source.duration_ns() + self.drain_ns;
        Ok(())
    }

    fn obey(&mut self, control: &mut Control) {
        for order in control.orders() {
            match order {
                Order::Start(ns) => self.start_ns = ns,
                Order::Finish if self.start_ns == 0 => self.stopped = true,
                Order::Finish => {
                    let now = now_ns();
                    self.give_up_the_rest(now);
                    self.drain_until_ns = self.drain_until_ns.min(now + self.drain_ns);
                }
                Order::Stop => self.stopped = true,
            }
        }
    }

    fn is_done(&self) -> bool {
        if self.stopped {
            return true;
        }
        let now = now_ns();
        let exhausted = self.source.is_exhausted(now.saturating_sub(self.start_ns));
        let is_idle = self.client.pool().in_flight() == 0 && self.lanes.waiting() == 0 && !self.client.has_more();
        (exhausted && is_idle) || now >= self.drain_until_ns
    }

    /// Sends what is due, sees to what time demands, and says until when to wait.
    fn turn(&mut self) -> Wake {
        let now = now_ns();
        let next_due_ns = self.dispatch(now);
        if now >= self.next_heartbeat_ns {
            self.heartbeat(now);
        }
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        let mut timer_ns = self.next_heartbeat_ns.min(self.next_sweep_ns).min(self.drain_until_ns);
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

    /// Sends what is due, as far as connections go. When the next is due, if that is known and could be sent. The
    /// caller has just read the clock; it is read again only when a write has taken time.
    #[inline]
    fn dispatch(&mut self, mut now: u64) -> Option<u64> {
        if now < self.start_ns {
            return Some(self.start_ns);
        }
        if self.lanes.count() > 1 {
            return self.dispatch_lanes(now);
        }
        for sends in 0..DISPATCH_BATCH {
            let due_ns = match self.source.due(now - self.start_ns) {
                Due::Send(due_ns) => self.start_ns + due_ns,
                Due::Drop => {
                    self.drop_next();
                    continue;
                }
                Due::Nothing(next_ns) => {
                    self.starved_since_ns = None;
                    return next_ns.map(|ns| self.start_ns + ns);
                }
            };
            let Some(slot) = self.client.acquire(ORIGIN) else {
                self.starved_since_ns.get_or_insert(now);
                return None;
            };
            if sends > 0 {
                now = now_ns();
            }
            let chosen = self.take(due_ns, now);
            self.send(slot, chosen, due_ns, now);
        }
        Some(now)
    }

    /// The same where there are several origins: what waits goes first, then what is due is sent or begins to wait.
    fn dispatch_lanes(&mut self, now: u64) -> Option<u64> {
        for origin in 0..self.lanes.count() {
            while self.lanes.length(origin) > 0
                && let Some(slot) = self.client.acquire(origin)
                && let Some(waiting) = self.lanes.pop(origin)
            {
                self.begin_waiting(waiting, now);
                self.send(slot, waiting.chosen, waiting.due_ns, now);
            }
        }
        for _ in 0..DISPATCH_BATCH {
            if self.lanes.are_full() {
                return None;
            }
            let due_ns = match self.source.due(now - self.start_ns) {
                Due::Send(due_ns) => self.start_ns + due_ns,
                Due::Drop => {
                    self.drop_next();
                    continue;
                }
                Due::Nothing(next_ns) => {
                    self.give_up_late(now);
                    return next_ns.map(|ns| self.start_ns + ns);
                }
            };
            let chosen = self.requests.choose(self.source.number());
            self.source.take();
            let waiting = Waiting { due_ns, looked_ns: now, chosen };
            if let Some(slot) = self.client.acquire(chosen.origin) {
                self.begin_waiting(waiting, now);
                self.send(slot, chosen, due_ns, now);
            } else {
                self.starved_since_ns.get_or_insert(now);
                self.lanes.push(waiting);
            }
        }
        Some(now)
    }

    /// Counts an arrival of a lane as taken up.
    fn begin_waiting(&mut self, waiting: Waiting, now: u64) {
        let Waiting { due_ns, looked_ns, chosen: Chosen { label, .. } } = waiting;
        self.recorder.taken(label);
        self.recorder.sample(label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        if now > looked_ns {
            self.recorder.add(Word::PoolWaits, 1);
            self.recorder.sample(label, Kind::PoolWait, now - looked_ns);
        }
        if self.lanes.waiting() == 0 {
            self.starved_since_ns = None;
        }
    }

    /// Gives up what has waited in a lane for too long, and users that wait when the load is over.
    fn give_up_late(&mut self, now: u64) {
        if self.lanes.waiting() == 0 {
            return;
        }
        if let Some(limit_ns) = self.drop_after_ns {
            for origin in 0..self.lanes.count() {
                while let Some(late) = self.lanes.pop_before(origin, now.saturating_sub(limit_ns)) {
                    self.recorder.given_up(late.chosen.label, Word::Dropped, 1);
                }
            }
        }
        if !self.source.is_numbered() && self.source.is_exhausted(now - self.start_ns) {
            self.empty_lanes();
        }
    }

    /// Nobody waits any more. An arrival that did is cancelled; a user has asked for nothing that was scheduled.
    fn empty_lanes(&mut self) {
        for waiting in self.lanes.drain() {
            if self.source.is_numbered() {
                self.recorder.given_up(waiting.chosen.label, Word::Cancelled, 1);
            } else {
                self.source.retire();
            }
        }
        self.starved_since_ns = None;
    }

    /// What is due next is too late.
    fn drop_next(&mut self) {
        let Chosen { label, .. } = self.requests.choose(self.source.number());
        self.source.take();
        self.recorder.given_up(label, Word::Dropped, 1);
    }

    #[inline]
    fn take(&mut self, due_ns: u64, now: u64) -> Chosen {
        let chosen = self.requests.choose(self.source.number());
        self.source.take();
        self.recorder.taken(chosen.label);
        // Until somebody looked it was the generator that kept the request waiting, then the lack of a connection.
        let looked_ns = self.starved_since_ns.map_or(now, |since_ns| since_ns.max(due_ns));
        self.recorder.sample(chosen.label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        if self.starved_since_ns.is_some() {
            self.recorder.add(Word::PoolWaits, 1);
            self.recorder.sample(chosen.label, Kind::PoolWait, now.saturating_sub(looked_ns));
        }
        chosen
    }

    #[inline]
    fn send(&mut self, slot: Slot, chosen: Chosen, due_ns: u64, now: u64) {
        let Chosen { label, is_head, .. } = chosen;
        let (request, upload) = self.requests.bytes(chosen);
        let token = chosen.origin as u64;
        let sending = Sending { due_ns, timeout_ns: self.timeout_ns, label, is_head, token, ..Sending::default() };
        if self.lanes.count() > 1 {
            self.lanes.sent(chosen.origin);
        }
        let bytes = self.client.send(slot, now, request, upload, sending);
        self.recorder.sent(label, due_ns, now, bytes);
    }

    /// Begins as many connections as there are requests waiting for one, a few at a time. When to look again: at the
    /// cap that is when one is free, and that will be heard of.
    fn grow(&mut self, now: u64) -> Option<u64> {
        if let Some(rest_ns) = self.growth.rests_until(now) {
            return Some(rest_ns);
        }
        if self.lanes.count() > 1 {
            return Some(self.grow_lanes(now));
        }
        let waiting = self.source.overdue(now.saturating_sub(self.start_ns)).max(1) as usize;
        let wanted = self.client.wanted(ORIGIN, waiting);
        for _ in 0..wanted.min(CONNECT_BATCH) {
            let Some(happened) = self.client.connect(ORIGIN, now) else {
                self.recorder.add(Word::CapHits, 1);
                return None;
            };
            self.account(happened, now);
        }
        Some(self.growth.begun(now, now_ns(), wanted))
    }

    /// The same for each origin by itself. Where one is at the cap, others may still close what they do not need.
    fn grow_lanes(&mut self, now: u64) -> u64 {
        let mut most_wanted = 0;
        for origin in 0..self.lanes.count() {
            let connecting = self.client.pool().connecting(origin);
            let wanted = self.client.wanted(origin, self.lanes.length(origin));
            let wanted = wanted.min(self.lanes.room(origin, connecting));
            for _ in 0..wanted.min(CONNECT_BATCH) {
                let Some(happened) = self.client.connect(origin, now) else {
                    self.recorder.add(Word::CapHits, 1);
                    break;
                };
                self.account(happened, now);
            }
            most_wanted = most_wanted.max(wanted);
        }
        self.growth.begun(now, now_ns(), most_wanted)
    }

    /// Counts what happened, and lets those go on who waited for it.
    #[inline]
    fn account(&mut self, happened: Happened, now: u64) {
        match happened {
            Happened::Nothing => return,
            Happened::Sent { label, took_ns } => return self.recorder.sample(label, Kind::Send, took_ns),
            Happened::Ended(outcome) => {
                if self.lanes.count() > 1 {
                    self.lanes.ended(outcome.token as usize);
                }
                self.ended(&outcome);
            }
            Happened::Connected { took_ns, tls_ns } => {
                self.recorder.add(Word::Connects, 1);
                self.growth.ended(true);
                self.recorder.connected(self.requests.first_label(), took_ns, tls_ns);
            }
            Happened::ConnectFailed { origin, kind, since_ns } => {
                return self.connect_failed(origin, kind, since_ns, now);
            }
        }
        self.dispatch(now);
    }

    /// One event may have ended many requests. Those that end meanwhile have their turn after what has come.
    #[inline]
    fn account_for_more(&mut self, now: u64) {
        for _ in 0..self.client.count_more() {
            let Some(happened) = self.client.next_more() else { break };
            self.account(happened, now);
        }
    }

    #[inline]
    fn ended(&mut self, outcome: &Outcome) {
        self.recorder.finished(outcome.label, outcome);
        self.source.ended(outcome.done_ns - self.start_ns);
    }

    /// No request is tied to a connection that is being made, so the one that has waited longest fails with it, if any
    /// still waits: somebody must be told, or a dead target would look like a patient one. One that was to carry many
    /// fails with all that waited when it was begun.
    fn connect_failed(&mut self, origin: usize, kind: ErrorKind, since_ns: u64, now: u64) {
        self.recorder.add(Word::ConnectFailures, 1);
        self.growth.ended(false);
        let mut next = self.take_waiting(origin, now.saturating_add(1), now);
        while let Some((due_ns, chosen)) = next {
            self.ended(&Outcome {
                due_ns,
                sent_ns: now,
                first_byte_ns: now,
                done_ns: now,
                label: chosen.label,
                token: 0,
                bytes_sent: 0,
                bytes_received: 0,
                end: End::Error(kind),
            });
            next = self.take_waiting(origin, since_ns, now);
        }
    }

    /// Takes up what has waited longest for a connection to an origin, if it was due before an instant.
    fn take_waiting(&mut self, origin: usize, before_ns: u64, now: u64) -> Option<(u64, Chosen)> {
        if self.lanes.count() > 1 {
            let waiting = self.lanes.pop_before(origin, before_ns)?;
            self.begin_waiting(waiting, now);
            return Some((waiting.due_ns, waiting.chosen));
        }
        let Due::Send(due_ns) = self.source.due(now.saturating_sub(self.start_ns)) else { return None };
        let due_ns = self.start_ns + due_ns;
        (due_ns < before_ns).then(|| (due_ns, self.take(due_ns, now)))
    }

    fn sweep(&mut self, now: u64) {
        for slot in self.client.expired(now) {
            let happened = self.client.expire(slot, now);
            self.account(happened, now_ns());
            self.account_for_more(now_ns());
        }
        self.next_sweep_ns = now + self.client.sweep_ns();
    }

    fn heartbeat(&mut self, now: u64) {
        // A worker that was stopped before it began has no time behind it.
        let since_start_ns = if self.start_ns == 0 { 0 } else { now.saturating_sub(self.start_ns) };
        self.recorder.heartbeat(now);
        // CPU time, not time awake: an io_uring works for us within the wait.
        let busy_ns = cpu_ns().saturating_sub(self.cpu_at_start_ns + self.pacer.spin_ns);
        let blocked_ns = since_start_ns.saturating_sub(busy_ns + self.pacer.spin_ns);
        for (word, value) in [
            (Word::Connections, self.client.pool().opened() as u64),
            (Word::Overdue, self.source.overdue(since_start_ns) + self.lanes.waiting() as u64),
            (Word::ActiveUsers, self.source.active_users()),
            (Word::BusyNs, busy_ns),
            (Word::SpinNs, self.pacer.spin_ns),
            (Word::BlockedNs, blocked_ns),
            (Word::MarginNs, self.pacer.margin_ns()),
        ] {
            self.recorder.set(word, value);
        }
        if now % SECOND < HEARTBEAT_NS {
            self.recorder.memory();
        }
        self.next_heartbeat_ns = now + HEARTBEAT_NS;
    }

    fn give_up_the_rest(&mut self, now: u64) {
        let since_start_ns = now.saturating_sub(self.start_ns);
        self.empty_lanes();
        // Where arrivals have labels of their own, each is told by name.
        while self.requests.is_many()
            && self.source.is_numbered()
            && let Due::Send(_) | Due::Drop = self.source.due(since_start_ns)
        {
            let Chosen { label, .. } = self.requests.choose(self.source.number());
            self.source.take();
            self.recorder.given_up(label, Word::Cancelled, 1);
        }
        let given_up = self.source.finish(since_start_ns);
        self.recorder.given_up(self.requests.first_label(), Word::Cancelled, given_up);
    }

    /// What was due and not sent is cancelled, what was sent and not answered is unfinished. Nothing is left out.
    fn close_the_books(&mut self) {
        let now = now_ns();
        if self.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        for label in self.client.labels_in_flight() {
            self.recorder.unfinished(label, 1);
        }
        self.heartbeat(now);
        self.recorder.memory();
        self.recorder.set(Word::Connections, 0);
    }
}
