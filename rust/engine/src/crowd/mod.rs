//! A crowd of sockets: the loop of a worker of `ws`. Each arrival of its load opens one; open ones subscribe, send what
//! is due, ask whether the peer is still there, and count what comes.
//!
//! ```text
//!   connects due ─▶ open ─▶ (101) ─▶ subscribe ─▶ open sockets ◀─ messages due, pings due
//!                    ▲        │ lost                    │ lost
//!                    └─ later ◀─────────────────────────┘          only where lost sockets are opened again
//!   the load comes to its end ─▶ unsubscribe ─▶ replies that are waited for ─▶ close all ─▶ done
//! ```
//!
//! One thread, no locks; no task and no timer for each socket.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::rc::Rc;

mod coming;
pub mod desk;
mod leaving;
pub mod messages;
pub mod path;
pub mod plan;
pub mod replies;
mod saying;
pub mod seats;
pub mod sequence;
pub mod spread;
pub mod stages;

use desk::Desk;
use messages::Messages;
use seats::Waiting;
use stages::Leave;

use crate::client::sockets::{Manner, Step};
use crate::client::{Client, Happened};
use crate::clock::{SECOND, now_ns};
use crate::control::Control;
use crate::pacer::Wake;
use crate::plan::{Pacing, Plan};
use crate::reactor::epoll::Epoll;
use crate::reactor::{Event, Reactor};
use crate::record::block::{Block, Kind, Word};
use crate::record::recorder::Recorder;
use crate::source::{Due, Source};
use crate::vitals::Vitals;
use crate::wiring::{Place, Wiring};
use crate::ws::extension::Offer;
use crate::ws::handshake::Opening;
use crate::ws::socket::Limits;

/// What is begun between two looks at what has come.
const BATCH: usize = 16;
/// Messages that are given to sockets between two looks at what has come.
const GIVE_BATCH: usize = 256;
/// Messages that may be given to sockets before those have sent them: what more is due can wait where it is, at no cost.
const GIVEN: usize = 64;
/// And for each open one. One that has several sends them in one write: so late ones catch up.
const GIVEN_EACH: usize = 8;
/// Events between two looks at what is due.
const EVENT_BATCH: usize = 16;
/// Events between two looks at timeouts and orders.
const TURN_EVENTS: usize = 4096;
/// How long a peer may take to close when it was asked to.
const CLOSE_NS: u64 = 5 * SECOND;
/// The peer is told that there was no reason but the end.
const NORMAL: u16 = 1000;

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &Plan, block: Block, index: u32, mut control: Control) -> io::Result<()> {
    let descriptor = control.descriptor()?;
    let reactor = if plan.pacing == Pacing::Eco { Epoll::thrifty(descriptor)? } else { Epoll::new(descriptor)? };
    Crowd::new(plan, block, index, reactor)?.run(&mut control)
}

struct Crowd<R> {
    client: Client<R>,
    desk: Desk,
    messages: Messages,
    origin: usize,
    manner: Rc<Manner>,
    connects: Source,
    sends: Option<Source>,
    /// When a socket is to be opened again, and which.
    again: BinaryHeap<Reverse<(u64, u32)>>,
    /// When a socket is to ask whether the peer is there; and how often it had been opened when that was planned.
    pings: VecDeque<(u64, u32, u32)>,
    /// Sockets that are being opened.
    opening: usize,
    /// Messages that are due while none is open yet, and since when.
    waiting: VecDeque<(u64, Waiting)>,
    vitals: Vitals,
    leave: Leave,
    /// All sockets were told to close.
    closing: bool,
    next_sweep_ns: u64,
    drawn: u64,
}

impl<R: Reactor> Crowd<R> {
    fn new(plan: &Plan, block: Block, index: u32, reactor: R) -> io::Result<Self> {
        let sockets = plan.sockets.clone().ok_or_else(|| io::Error::other("a plan without sockets"))?;
        let recorder = Recorder::new(block);
        let messages = Messages::new(&sockets, &recorder).map_err(io::Error::other)?;
        let mut wiring = Wiring::of_sockets(plan);
        let place = Place::of(&sockets.url.replacen("ws", "http", 1));
        let place = place.ok_or_else(|| io::Error::other("sockets.url leads nowhere"))?;
        let mut client = wiring.client(reactor, usize::MAX, plan.timeout_ns, index as usize);
        let origin = wiring.origin(&place, &plan.addresses, index as usize).map_err(io::Error::other)?;
        let origin = client.add_origin(origin);
        let offer = sockets.deflate.then(Offer::default);
        let opening = Opening::new(&sockets.url, &sockets.headers, &sockets.subprotocols, offer);
        let opening = Rc::new(opening.map_err(io::Error::other)?);
        let timeout_ns = plan.timeout_ns;
        let close_ns = CLOSE_NS.min(timeout_ns);
        let limits = Limits { handshake_ns: timeout_ns, pong_ns: timeout_ns, close_ns, ..Limits::default() };
        let connects = Source::new(&plan.load, index, plan.workers);
        let sends = sockets.sends.as_ref().map(|load| Source::new(load, index, plan.workers));
        let duration_ns = sends.as_ref().map_or(0, Source::duration_ns).max(connects.duration_ns());
        let desk = Desk::new(sockets, recorder, plan.timeout_ns);
        for &dns_ns in plan.dns_ns.iter().filter(|_| index == 0) {
            desk.recorder.sample(desk.labels.connect, Kind::Dns, dns_ns);
        }
        Ok(Self {
            client,
            desk,
            messages,
            origin,
            manner: Rc::new(Manner { opening, limits }),
            connects,
            sends,
            again: BinaryHeap::new(),
            pings: VecDeque::new(),
            opening: 0,
            waiting: VecDeque::new(),
            vitals: Vitals::new(plan, duration_ns),
            leave: Leave::default(),
            closing: false,
            next_sweep_ns: 0,
            drawn: u64::from(index) << 40,
        })
    }

    fn run(mut self, control: &mut Control) -> io::Result<()> {
        self.vitals.await_start(&mut self.client.reactor, &self.desk.recorder, control)?;
        self.change();
        while !self.is_done() {
            let wake = self.turn(control)?;
            self.vitals.pacer.wait(&mut self.client.reactor, now_ns(), wake)?;
            for handled in 1..=TURN_EVENTS {
                let Some(event) = self.client.reactor.next() else { break };
                if event == Event::Control {
                    self.obey(control);
                } else {
                    let (happened, now) = self.client.handle(event);
                    self.account(happened, now);
                    if !self.client.news.is_empty() {
                        self.take_writes();
                    }
                }
                if handled % EVENT_BATCH == 0 {
                    self.dispatch(now_ns());
                    self.client.reactor.flush()?;
                }
            }
        }
        self.close_the_books(control)?;
        control.report("done")
    }

    fn obey(&mut self, control: &mut Control) {
        let now = now_ns();
        if self.vitals.obey(control, now) {
            self.give_up_the_rest(now);
            self.desk.plan.leave_ns = 0; // they leave at once
        }
        self.change();
    }

    /// The loads become what they were ordered to be.
    fn change(&mut self) {
        for change in std::mem::take(&mut self.vitals.changes) {
            let sources = [Some(&mut self.connects), self.sends.as_mut()].into_iter().flatten();
            for (source, load) in sources.zip(change.loads) {
                if let Some(load) = load {
                    source.change(change.at_ns, load);
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.vitals.is_over(now_ns()) || self.closing && self.client.count_sockets() == 0
    }

    /// Does what is due, sees to what time demands, and says until when to wait.
    fn turn(&mut self, control: &mut Control) -> io::Result<Wake> {
        let now = now_ns();
        let next_due_ns = self.dispatch(now);
        if now >= self.vitals.next_heartbeat_ns {
            self.vitals.heartbeat(&self.desk.recorder, now, &self.shown(now));
            self.tell_of_deliveries(control, now)?;
        }
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        if now >= self.vitals.ends_ns && !self.closing && next_due_ns.is_none_or(|due_ns| due_ns > now) {
            self.end(now);
        }
        let mut timer_ns = self.vitals.next_heartbeat_ns.min(self.next_sweep_ns).min(self.vitals.drain_until_ns);
        if now < self.vitals.ends_ns {
            timer_ns = timer_ns.min(self.vitals.ends_ns);
        }
        Ok(match next_due_ns {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        })
    }

    /// Begins what is due, a few things at a time. When the next is due.
    fn dispatch(&mut self, now: u64) -> Option<u64> {
        if now < self.vitals.start_ns {
            return Some(self.vitals.start_ns);
        }
        if self.closing {
            return None;
        }
        // What was due by the end is begun, however late.
        let since_start_ns = now.min(self.vitals.ends_ns).saturating_sub(self.vitals.start_ns);
        let mut next_ns = u64::MAX;
        for begun in 0..=BATCH {
            let due = self.connects.due(since_start_ns);
            match due {
                _ if begun == BATCH => next_ns = now,
                Due::Send(due_ns) => self.take_connect(self.vitals.start_ns + due_ns, now),
                Due::Drop => {
                    self.connects.take();
                    self.desk.recorder.given_up(self.desk.labels.connect, Word::Dropped, 1);
                }
                Due::Nothing(due_ns) => {
                    next_ns = due_ns.map_or(u64::MAX, |due_ns| self.vitals.start_ns + due_ns);
                    break;
                }
            }
        }
        next_ns = next_ns.min(self.give_messages(since_start_ns, now)).min(self.send_some(now));
        if now < self.vitals.ends_ns {
            next_ns = next_ns.min(self.reopen(now)).min(self.ping(now));
        }
        next_ns = next_ns.min(self.take_leave(now));
        (next_ns < u64::MAX).then_some(next_ns)
    }

    /// Counts what happened.
    fn account(&mut self, happened: Happened, now: u64) {
        let Happened::Socket { slot, token, step } = happened else { return };
        let seat = token as u32;
        match step {
            Step::Connected { took_ns, tls_ns } => {
                self.desk.recorder.add(Word::Connects, 1);
                self.desk.recorder.connected(self.desk.labels.connect, took_ns, tls_ns);
            }
            Step::Speaks => self.hear(seat, slot, now),
            Step::Lost(why) => self.lost(seat, slot, now, why),
        }
    }
}
