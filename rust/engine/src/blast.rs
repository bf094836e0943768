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
//! One thread, no locks, no allocation per request.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;

use crate::clock::{SECOND, cpu_ns, now_ns};
use crate::control::{Control, Order};
use crate::http::request::render;
use crate::http::response::Progress;
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pacer::{Pacer, Wake};
use crate::plan::{Plan, ReactorChoice};
use crate::pool::{Pool, State};
use crate::reactor::epoll::Epoll;
use crate::reactor::uring::Uring;
use crate::reactor::{Event, Reactor, Slot};
use crate::record::block::{Block, Kind, Word};
use crate::record::recorder::Recorder;
use crate::source::{Due, Source};

/// Sends between two looks at what has come.
const DISPATCH_BATCH: usize = 64;
/// Connections begun between two looks at what has come.
const CONNECT_BATCH: usize = 64;
/// Events between two looks at what is due.
const EVENT_BATCH: usize = 16;
const HEARTBEAT_NS: u64 = SECOND / 5;
/// Connections of a run that sets no cap of its own, over all workers.
pub const DEFAULT_CONNECTIONS: usize = 10_000;

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &[u8], block: OwnedFd, index: u32, orders: OwnedFd, reports: OwnedFd) -> io::Result<()> {
    let plan = Plan::read(plan).map_err(io::Error::other)?;
    let block = Block::attach(block)?;
    let control = Control::new(orders, reports)?;
    match plan.reactor {
        ReactorChoice::Epoll => {}
        ReactorChoice::Uring => {
            let reactor = Uring::new(control.descriptor()?)
                .map_err(|error| io::Error::other(format!("io_uring is not available here: {error}")))?;
            return Worker::new(&plan, block, index, reactor)?.run(control);
        }
        ReactorChoice::Auto => {
            if let Ok(reactor) = Uring::new(control.descriptor()?) {
                return Worker::new(&plan, block, index, reactor)?.run(control);
            }
        }
    }
    Worker::new(&plan, block, index, Epoll::new(control.descriptor()?)?)?.run(control)
}

struct Worker<'a, R> {
    plan: &'a Plan,
    request: Rc<[u8]>,
    label: usize,
    recorder: Recorder,
    reactor: R,
    pool: Pool,
    source: Source,
    pacer: Pacer,
    /// The start of the run; instants of the source count from here.
    start_ns: u64,
    /// Past this, nothing that is in flight is waited for.
    drain_until_ns: u64,
    /// When a request last found no connection ready: what was due by then has waited for one.
    starved_at_ns: Option<u64>,
    /// The last look at the schedule ended so.
    starved: bool,
    cpu_at_start_ns: u64,
    address: usize,
    next_sweep_ns: u64,
    next_heartbeat_ns: u64,
    /// The end of the last wait, or the last look at the schedule.
    looked_ns: u64,
    stopped: bool,
}

impl<'a, R: Reactor> Worker<'a, R> {
    fn new(plan: &'a Plan, block: Block, index: u32, reactor: R) -> io::Result<Self> {
        let rendered = render(&plan.request).map_err(io::Error::other)?;
        let recorder = Recorder::new(block);
        let label = recorder.label(&plan.label);
        let all = plan.connections.map_or(DEFAULT_CONNECTIONS, |cap| cap as usize);
        let workers = plan.workers as usize;
        let cap = ((all + workers - 1 - index as usize % workers) / workers).max(1);
        Ok(Self {
            plan,
            request: rendered.bytes.into(),
            label,
            recorder,
            reactor,
            pool: Pool::new(cap, rendered.is_head),
            source: Source::new(plan, index),
            pacer: Pacer::new(plan.pacing),
            start_ns: 0,
            drain_until_ns: u64::MAX,
            starved_at_ns: None,
            starved: false,
            cpu_at_start_ns: 0,
            address: index as usize,
            next_sweep_ns: 0,
            next_heartbeat_ns: 0,
            looked_ns: 0,
            stopped: false,
        })
    }

    fn run(mut self, mut control: Control) -> io::Result<()> {
        self.pacer.calibrate(&mut self.reactor)?;
        control.report("ready")?;
        self.await_start(&mut control)?;
        while !self.is_done() {
            let wake = self.turn();
            let now = now_ns();
            self.pacer.wait(&mut self.reactor, now, wake)?;
            self.looked_ns = now_ns();
            let mut handled = 0;
            while let Some(event) = self.reactor.next() {
                if event == Event::Control {
                    self.obey(&mut control);
                } else {
                    self.handle(event);
                }
                handled += 1;
                if handled % EVENT_BATCH == 0 {
                    self.dispatch();
                }
            }
        }
        self.close_the_books();
        control.report("done")
    }

    fn await_start(&mut self, control: &mut Control) -> io::Result<()> {
        while self.start_ns == 0 && !self.stopped {
            self.reactor.wait(Some(now_ns() + HEARTBEAT_NS))?;
            while self.reactor.next().is_some() {
                self.obey(control);
            }
            self.recorder.heartbeat(now_ns());
        }
        (self.pacer.blocked_ns, self.pacer.spin_ns) = (0, 0);
        self.cpu_at_start_ns = cpu_ns();
        self.looked_ns = self.start_ns;
        self.drain_until_ns = self.start_ns + self.source.duration_ns() + self.plan.drain_ns;
        Ok(())
    }

    fn obey(&mut self, control: &mut Control) {
        for order in control.orders() {
            match order {
                Order::Start(ns) => self.start_ns = ns,
                Order::Finish => {
                    let now = now_ns();
                    self.give_up_the_rest(now);
                    self.drain_until_ns = self.drain_until_ns.min(now + self.plan.drain_ns);
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
        (exhausted && self.pool.in_flight() == 0) || now >= self.drain_until_ns
    }

    /// Sends what is due, sees to what time demands, and says until when to wait.
    fn turn(&mut self) -> Wake {
        let next_due_ns = self.dispatch();
        let now = now_ns();
        // Only when all that has come is read: a response that lies unread is a connection about to be free.
        if self.starved && self.reactor.is_drained() {
            self.grow(now);
        }
        if now >= self.next_heartbeat_ns {
            self.heartbeat(now);
        }
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        let timer_ns = self.next_heartbeat_ns.min(self.next_sweep_ns).min(self.drain_until_ns);
        match next_due_ns {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        }
    }

    /// Sends what is due, as far as connections go. When the next is due, if that is known and could be sent.
    #[inline]
    fn dispatch(&mut self) -> Option<u64> {
        let mut now = now_ns();
        self.recorder.raise(Word::MaxGapNs, now.saturating_sub(self.looked_ns));
        self.looked_ns = now;
        self.starved = false;
        for _ in 0..DISPATCH_BATCH {
            if now < self.start_ns {
                return Some(self.start_ns);
            }
            let due_ns = match self.source.due(now - self.start_ns) {
                Due::Send(due_ns) => self.start_ns + due_ns,
                Due::Drop => {
                    self.source.take();
                    self.recorder.given_up(self.label, Word::Dropped, 1);
                    continue;
                }
                Due::Nothing(next_ns) => return next_ns.map(|ns| self.start_ns + ns),
            };
            let Some(slot) = self.pool.acquire() else {
                self.starved_at_ns = Some(now);
                self.starved = true;
                return None;
            };
            self.take(due_ns, now);
            self.send(slot, due_ns, now);
            now = now_ns();
        }
        Some(now)
    }

    #[inline]
    fn take(&mut self, due_ns: u64, now: u64) {
        self.source.take();
        self.recorder.taken(self.label);
        if self.starved_at_ns.is_some_and(|starved_ns| due_ns <= starved_ns) {
            self.recorder.add(Word::PoolWaits, 1);
            self.recorder.sample(self.label, Kind::PoolWait, now.saturating_sub(due_ns));
        } else {
            self.recorder.sample(self.label, Kind::Dispatch, now.saturating_sub(due_ns));
        }
    }

    #[inline]
    fn send(&mut self, slot: Slot, due_ns: u64, now: u64) {
        let connection = self.pool.get(slot);
        connection.state = State::Busy;
        connection.due_ns = due_ns;
        connection.since_ns = now;
        connection.first_byte_ns = 0;
        connection.received = 0;
        self.recorder.sent(self.label, due_ns, now, self.request.len() as u64);
        self.reactor.send(slot, &self.request);
    }

    /// Begins as many connections as there are requests waiting for one.
    fn grow(&mut self, now: u64) {
        let waiting = self.source.overdue(now.saturating_sub(self.start_ns)).max(1) as usize;
        for _ in 0..CONNECT_BATCH.min(waiting.saturating_sub(self.pool.connecting())) {
            let Some(slot) = self.pool.open(now) else {
                self.recorder.add(Word::CapHits, 1);
                return;
            };
            let address = self.plan.addresses[self.address % self.plan.addresses.len()];
            self.address += 1;
            if let Err(error) = self.reactor.connect(slot, &address) {
                self.fail(slot, connect_error(error));
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Received(slot) => self.received(slot),
            Event::Connected(slot) => {
                let took_ns = now_ns().saturating_sub(self.pool.get(slot).since_ns);
                self.recorder.add(Word::Connects, 1);
                self.recorder.sample(self.label, Kind::Connect, took_ns);
                self.pool.idle(slot);
                self.dispatch();
            }
            Event::Ended(slot, error) => self.ended(slot, error),
            Event::Control => unreachable!("orders are obeyed where they come in"),
        }
    }

    #[inline]
    fn received(&mut self, slot: Slot) {
        let now = now_ns();
        let bytes = self.reactor.received();
        let connection = self.pool.get(slot);
        if connection.state != State::Busy {
            // Bytes that nobody asked for: whatever they are, the next response could not be told from them.
            return self.close(slot);
        }
        if connection.first_byte_ns == 0 {
            connection.first_byte_ns = now;
        }
        connection.received += bytes.len() as u64;
        let progress = connection.reader.feed(bytes);
        self.advance(slot, now, progress);
    }

    fn advance(&mut self, slot: Slot, now: u64, progress: Result<Progress, ErrorKind>) {
        match progress {
            Ok(Progress::More) => {}
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if self.is_late(slot, now) => self.fail(slot, ErrorKind::Timeout),
            Ok(Progress::Complete { status, reusable }) => {
                self.record(slot, now, End::Response(status));
                if reusable {
                    self.pool.idle(slot);
                } else {
                    self.close(slot);
                }
                self.source.ended(now - self.start_ns);
                self.dispatch();
            }
            Err(kind) => self.fail(slot, kind),
        }
    }

    fn is_late(&mut self, slot: Slot, now: u64) -> bool {
        now.saturating_sub(self.pool.get(slot).since_ns) > self.plan.timeout_ns
    }

    fn ended(&mut self, slot: Slot, error: Option<Errno>) {
        let connection = self.pool.get(slot);
        match (connection.state, error) {
            (State::Idle, _) => self.close(slot),
            (State::Connecting, error) => self.fail(slot, connect_error(error.unwrap_or(Errno::CONNRESET))),
            (State::Busy, None) => {
                let progress = connection.reader.close();
                self.advance(slot, now_ns(), progress);
            }
            (State::Busy, Some(error)) => {
                let kind = if error == Errno::TIMEDOUT { ErrorKind::Timeout } else { ErrorKind::Reset };
                self.fail(slot, kind);
            }
            (State::Closed, _) => {}
        }
    }

    /// A connection fails, and with it the request that it carries. One that never stood fails the request that has
    /// waited longest, if any still does: somebody must be told, or a dead target would look like a patient one.
    fn fail(&mut self, slot: Slot, kind: ErrorKind) {
        let now = now_ns();
        if self.pool.get(slot).state == State::Connecting {
            self.recorder.add(Word::ConnectFailures, 1);
            let Due::Send(due_ns) = self.source.due(now.saturating_sub(self.start_ns)) else {
                return self.close(slot);
            };
            let connection = self.pool.get(slot);
            connection.due_ns = self.start_ns + due_ns;
            self.take(self.start_ns + due_ns, now);
        }
        self.record(slot, now, End::Error(kind));
        self.close(slot);
        self.source.ended(now - self.start_ns);
    }

    #[inline]
    fn record(&mut self, slot: Slot, now: u64, end: End) {
        let connection = self.pool.get(slot);
        let outcome = Outcome {
            due_ns: connection.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
            bytes_received: connection.received,
            end,
        };
        self.recorder.finished(self.label, &outcome);
    }

    fn close(&mut self, slot: Slot) {
        self.reactor.close(slot);
        self.pool.closed(slot);
    }

    /// Ends what has taken longer than the timeout. Looked at a few times per timeout, not armed per request.
    fn sweep(&mut self, now: u64) {
        for slot in self.pool.started_before(now.saturating_sub(self.plan.timeout_ns)) {
            let connecting = self.pool.get(slot).state == State::Connecting;
            self.fail(slot, if connecting { ErrorKind::ConnectTimeout } else { ErrorKind::Timeout });
        }
        self.next_sweep_ns = now + (self.plan.timeout_ns / 16).clamp(SECOND / 1000, SECOND / 10);
    }

    fn heartbeat(&mut self, now: u64) {
        let since_start_ns = now.saturating_sub(self.start_ns);
        self.recorder.heartbeat(now);
        // CPU time, not time awake: an io_uring works for us within the wait.
        let busy_ns = cpu_ns().saturating_sub(self.cpu_at_start_ns + self.pacer.spin_ns);
        for (word, value) in [
            (Word::Connections, self.pool.opened() as u64),
            (Word::Overdue, self.source.overdue(since_start_ns)),
            (Word::ActiveUsers, self.source.active_users()),
            (Word::BusyNs, busy_ns),
            (Word::SpinNs, self.pacer.spin_ns),
            (Word::BlockedNs, self.pacer.blocked_ns),
            (Word::MarginNs, self.pacer.margin_ns()),
        ] {
            self.recorder.set(word, value);
        }
        self.next_heartbeat_ns = now + HEARTBEAT_NS;
    }

    fn give_up_the_rest(&mut self, now: u64) {
        let given_up = self.source.finish(now.saturating_sub(self.start_ns));
        self.recorder.given_up(self.label, Word::Cancelled, given_up);
    }

    /// What was due and not sent is cancelled, what was sent and not answered is unfinished. Nothing is left out.
    fn close_the_books(&mut self) {
        let now = now_ns();
        if self.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        self.recorder.unfinished(self.label, self.pool.in_flight() as u64);
        self.heartbeat(now);
        self.recorder.set(Word::Connections, 0);
    }
}

fn connect_error(error: Errno) -> ErrorKind {
    match error {
        Errno::CONNREFUSED => ErrorKind::ConnectRefused,
        Errno::TIMEDOUT => ErrorKind::ConnectTimeout,
        Errno::MFILE | Errno::NFILE => ErrorKind::NoDescriptors,
        Errno::ADDRNOTAVAIL => ErrorKind::NoPorts,
        _ => ErrorKind::ConnectFailed,
    }
}
