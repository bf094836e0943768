//! A crowd of sockets: the loop of a worker of `ws`. Each arrival of its load opens one; open ones subscribe, send what
//! is due, ask whether the peer is still there, and count what comes.
//!
//! ```text
//!   connects due ─▶ open ─▶ (101) ─▶ subscribe ─▶ open sockets ◀─ messages due, pings due
//!                    ▲        │ lost                    │ lost
//!                    └─ later ◀─────────────────────────┘          only where lost sockets are opened again
//!   the load is over ─▶ replies that are waited for ─▶ close all ─▶ done
//! ```
//!
//! One thread, no locks; no task and no timer for each socket.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::rc::Rc;

pub mod desk;
pub mod messages;
pub mod path;
pub mod plan;
pub mod replies;
pub mod seats;
pub mod sequence;
pub mod spread;

use desk::{Count, Desk, ended};
use messages::{Filling, Messages};
use replies::Asked;

use crate::client::sockets::{Heard, Lost, Manner, Step};
use crate::client::{Client, Happened};
use crate::clock::{SECOND, cpu_ns, now_ns};
use crate::control::{Control, Order};
use crate::outcome::{End, ErrorKind};
use crate::pacer::{Pacer, Wake};
use crate::plan::{Pacing, Plan};
use crate::random;
use crate::reactor::epoll::Epoll;
use crate::reactor::{Event, Reactor, Slot};
use crate::record::block::{Block, Kind, Word};
use crate::record::recorder::Recorder;
use crate::source::{Due, Source};
use crate::wiring::{Place, Wiring};
use crate::ws::extension::Offer;
use crate::ws::handshake::Opening;
use crate::ws::socket::Limits;
use crate::ws::writer::Message;

/// What is begun between two looks at what has come.
const BATCH: usize = 16;
/// Events between two looks at what is due.
const EVENT_BATCH: usize = 16;
/// Events between two looks at timeouts and orders.
const TURN_EVENTS: usize = 4096;
/// Of what is told of deliveries at a time, in bytes.
const LONGEST_LINE: usize = 50_000;
const HEARTBEAT_NS: u64 = SECOND / 5;
/// How long a peer may take to close when it was asked to.
const CLOSE_NS: u64 = 5 * SECOND;
/// Keeps the draws of waits apart from those of texts.
const BACKOFF_STREAM: u64 = 0x0014_D000;
/// The status of a socket that is open.
const SWITCHING: u16 = 101;
/// A close without a code.
const NO_CODE: u16 = 1005;
/// The peer is told that there was no reason but the end.
const NORMAL: u16 = 1000;

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &Plan, block: Block, index: u32, mut control: Control) -> io::Result<()> {
    let descriptor = control.descriptor()?;
    let reactor = if plan.pacing == Pacing::Eco { Epoll::thrifty(descriptor)? } else { Epoll::new(descriptor)? };
    Crowd::new(plan, block, index, reactor)?.run(&mut control)
}

/// A message that is due and has no socket yet.
#[derive(Clone, Copy)]
struct Waiting {
    number: u64,
    due_ns: u64,
    looked_ns: u64,
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
    /// Messages that are due while none is open yet.
    waiting: VecDeque<Waiting>,
    pacer: Pacer,
    start_ns: u64,
    duration_ns: u64,
    drain_ns: u64,
    /// When the load is over: replies are waited for, nothing is sent.
    ends_ns: u64,
    drain_until_ns: u64,
    /// All sockets were told to close.
    closing: bool,
    cpu_at_start_ns: u64,
    next_sweep_ns: u64,
    next_heartbeat_ns: u64,
    drawn: u64,
    stopped: bool,
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
            pacer: Pacer::new(plan.pacing),
            start_ns: 0,
            duration_ns,
            drain_ns: plan.drain_ns,
            ends_ns: u64::MAX,
            drain_until_ns: u64::MAX,
            closing: false,
            cpu_at_start_ns: 0,
            next_sweep_ns: 0,
            next_heartbeat_ns: 0,
            drawn: u64::from(index) << 40,
            stopped: false,
        })
    }

    fn run(mut self, control: &mut Control) -> io::Result<()> {
        self.pacer.calibrate(&mut self.client.reactor)?;
        control.report("ready")?;
        self.await_start(control)?;
        while !self.is_done() {
            let wake = self.turn(control)?;
            self.pacer.wait(&mut self.client.reactor, now_ns(), wake)?;
            for handled in 1..=TURN_EVENTS {
                let Some(event) = self.client.reactor.next() else { break };
                if event == Event::Control {
                    self.obey(control);
                } else {
                    let (happened, now) = self.client.handle(event);
                    self.account(happened, now);
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

    fn await_start(&mut self, control: &mut Control) -> io::Result<()> {
        while self.start_ns == 0 && !self.stopped {
            self.client.reactor.wait(Some(now_ns() + HEARTBEAT_NS))?;
            while self.client.reactor.next().is_some() {
                self.obey(control);
            }
            self.desk.recorder.heartbeat(now_ns());
        }
        self.pacer.spin_ns = 0;
        self.cpu_at_start_ns = cpu_ns();
        self.end_at(self.start_ns + self.duration_ns);
        Ok(())
    }

    fn end_at(&mut self, ends_ns: u64) {
        self.ends_ns = self.ends_ns.min(ends_ns);
        self.drain_until_ns = self.ends_ns.saturating_add(self.drain_ns);
    }

    fn obey(&mut self, control: &mut Control) {
        for order in control.orders() {
            match order {
                Order::Start(ns) => self.start_ns = ns,
                Order::Finish if self.start_ns == 0 => self.stopped = true,
                Order::Finish => {
                    let now = now_ns();
                    self.give_up_the_rest(now);
                    self.end_at(now);
                }
                Order::Stop => self.stopped = true,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.stopped || now_ns() >= self.drain_until_ns || self.closing && self.client.count_sockets() == 0
    }

    /// Does what is due, sees to what time demands, and says until when to wait.
    fn turn(&mut self, control: &mut Control) -> io::Result<Wake> {
        let now = now_ns();
        let next_due_ns = self.dispatch(now);
        if now >= self.next_heartbeat_ns {
            self.heartbeat(now);
            self.tell_of_deliveries(control, now)?;
        }
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        if now >= self.ends_ns && !self.closing && next_due_ns.is_none_or(|due_ns| due_ns > now) {
            self.end(now);
        }
        let mut timer_ns = self.next_heartbeat_ns.min(self.next_sweep_ns).min(self.drain_until_ns);
        if !self.closing {
            timer_ns = timer_ns.min(self.ends_ns.max(now));
        }
        Ok(match next_due_ns {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        })
    }

    /// Begins what is due, a few things at a time. When the next is due.
    fn dispatch(&mut self, now: u64) -> Option<u64> {
        if now < self.start_ns {
            return Some(self.start_ns);
        }
        if self.closing {
            return None;
        }
        // What was due by the end is begun, however late.
        let since_start_ns = now.min(self.ends_ns).saturating_sub(self.start_ns);
        let mut next_ns = u64::MAX;
        for begun in 0..=BATCH {
            let due = self.connects.due(since_start_ns);
            match due {
                _ if begun == BATCH => next_ns = now,
                Due::Send(due_ns) => self.take_connect(self.start_ns + due_ns, now),
                Due::Drop => {
                    self.connects.take();
                    self.desk.recorder.given_up(self.desk.labels.connect, Word::Dropped, 1);
                }
                Due::Nothing(due_ns) => {
                    next_ns = due_ns.map_or(u64::MAX, |due_ns| self.start_ns + due_ns);
                    break;
                }
            }
        }
        for begun in 0..=BATCH {
            let Some(sends) = &mut self.sends else { break };
            match sends.due(since_start_ns) {
                _ if begun == BATCH => next_ns = now,
                Due::Send(due_ns) => self.take_message(self.start_ns + due_ns),
                Due::Drop => self.drop_message(),
                Due::Nothing(due_ns) => {
                    next_ns = next_ns.min(due_ns.map_or(u64::MAX, |due_ns| self.start_ns + due_ns));
                    break;
                }
            }
        }
        if now < self.ends_ns {
            next_ns = next_ns.min(self.reopen(now)).min(self.ping(now));
        }
        (next_ns < u64::MAX).then_some(next_ns)
    }

    /// An arrival: one more socket.
    fn take_connect(&mut self, due_ns: u64, looked_ns: u64) {
        let number = self.connects.number().unwrap_or(0);
        self.connects.take();
        let connect = self.desk.labels.connect;
        self.desk.recorder.taken(connect);
        self.desk.recorder.sample(connect, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        let seat = self.desk.seats.add(number);
        self.open(seat, due_ns, connect);
    }

    fn open(&mut self, seat: u32, due_ns: u64, label: usize) {
        let now = now_ns();
        let it = self.desk.seats.get(seat);
        (it.label, it.due_ns, it.begun_ns, it.first_byte_ns) = (label, due_ns, now, 0);
        self.desk.recorder.sent(label, due_ns, now, 0);
        match self.client.open_socket(self.origin, &self.manner, u64::from(seat), now) {
            Ok(slot) => {
                self.desk.seats.get(seat).slot = Some(slot);
                self.opening += 1;
            }
            Err(kind) => self.not_opened(seat, now, Lost { kind, status: None }),
        }
    }

    /// A message is due.
    fn take_message(&mut self, due_ns: u64) {
        let (number, looked_ns) = (self.next_message(), now_ns());
        match self.desk.seats.next_open() {
            Some(seat) => self.send(seat, Waiting { number, due_ns, looked_ns }),
            None if self.opening > 0 => self.waiting.push_back(Waiting { number, due_ns, looked_ns }),
            None => self.give_up(number, Word::Dropped),
        }
    }

    fn send(&mut self, seat: u32, message: Waiting) {
        let Waiting { number, due_ns, looked_ns } = message;
        let now = now_ns();
        let label = self.messages.label(number);
        self.desk.recorder.taken(label);
        self.desk.recorder.sample(label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        let filling = self.filling(seat, number, due_ns);
        let is_binary = self.messages.write(filling);
        self.say(seat, label, due_ns, now, is_binary);
    }

    fn next_message(&mut self) -> u64 {
        let Some(sends) = &mut self.sends else { return 0 };
        let number = sends.number().unwrap_or(0);
        sends.take();
        number
    }

    /// Nobody is there who could send it.
    fn drop_message(&mut self) {
        let number = self.next_message();
        self.give_up(number, Word::Dropped);
    }

    fn give_up(&self, number: u64, why: Word) {
        self.desk.recorder.given_up(self.messages.label(number), why, 1);
    }

    /// A socket is open: it sends what had waited for one.
    fn send_what_waits(&mut self, seat: u32) {
        while let Some(message) = self.waiting.pop_front() {
            let (label, waited_ns) = (self.messages.label(message.number), now_ns().saturating_sub(message.looked_ns));
            self.desk.recorder.add(Word::PoolWaits, 1);
            self.desk.recorder.sample(label, Kind::PoolWait, waited_ns);
            self.send(seat, message);
        }
    }

    /// A socket did not come about; where it was the last that might, nothing waits for one.
    fn one_less_opening(&mut self) {
        self.opening -= 1;
        if self.opening == 0 && self.desk.seats.count_open() == 0 {
            self.give_up_what_waits(Word::Dropped);
        }
    }

    fn give_up_what_waits(&mut self, why: Word) {
        for message in std::mem::take(&mut self.waiting) {
            self.give_up(message.number, why);
        }
    }

    fn filling(&mut self, seat: u32, number: u64, due_ns: u64) -> Filling {
        Filling { number, connection: self.desk.seats.get(seat).number, due_ns }
    }

    /// Sends what was written last.
    fn say(&mut self, seat: u32, label: usize, due_ns: u64, now: u64, is_binary: bool) {
        let Some(slot) = self.desk.seats.get(seat).slot else { return };
        let text = &self.messages.written;
        let message = match str::from_utf8(text) {
            Ok(text) if !is_binary => Message::Text(text),
            _ => Message::Binary(text),
        };
        self.client.say(slot, message);
        self.desk.sent(Asked { label, due_ns, sent_ns: now, slot }, text);
    }

    /// Opens again what was lost, where the wait is over. When the next is due.
    fn reopen(&mut self, now: u64) -> u64 {
        while let Some(&Reverse((due_ns, seat))) = self.again.peek() {
            if due_ns > now {
                return due_ns;
            }
            self.again.pop();
            self.desk.count(Count::Reconnects, 1.0);
            let label = self.desk.labels.reconnect;
            self.desk.recorder.begun(label);
            self.open(seat, due_ns, label);
        }
        u64::MAX
    }

    /// Asks the peers whether they are still there. When the next is to be asked.
    fn ping(&mut self, now: u64) -> u64 {
        let Some(every_ns) = self.desk.plan.ping_every_ns else { return u64::MAX };
        while let Some(&(due_ns, seat, opened)) = self.pings.front() {
            if due_ns > now {
                return due_ns;
            }
            self.pings.pop_front();
            let it = self.desk.seats.get(seat);
            if let Some(slot) = it.slot.filter(|_| it.open_since_ns > 0 && it.opened == opened) {
                self.client.ping(slot, now_ns());
                self.desk.count(Count::Pings, 1.0);
                self.pings.push_back((due_ns + every_ns, seat, opened));
            }
        }
        u64::MAX
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

    /// Bytes have come.
    fn hear(&mut self, seat: u32, slot: Slot, now: u64) {
        let desk = &mut self.desk;
        let (mut is_open, mut lost) = (false, None);
        self.client.hear(slot, now, &mut |heard| match heard {
            Heard::Open => is_open = true,
            Heard::Message(message) => desk.message(seat, slot, message.bytes(), now),
            Heard::Pong(took_ns) => {
                desk.count(Count::Pongs, 1.0);
                desk.recorder.sample(desk.labels.ping, Kind::Response, took_ns);
            }
            Heard::Close(code, _) => {
                desk.count_named(format!("close {}", code.unwrap_or(NO_CODE)));
                lost = Some(Lost { kind: ErrorKind::WsClosed, status: None });
            }
            Heard::Lost(why) => lost = Some(why),
        });
        if is_open {
            self.opened(seat, now);
        }
        if let Some(why) = lost {
            self.lost(seat, slot, now, why);
        }
    }

    /// A socket is open: it says what it has to say first.
    fn opened(&mut self, seat: u32, now: u64) {
        self.opening -= 1;
        let desk = &mut self.desk;
        if desk.seats.opened(seat, now) {
            desk.count(Count::MostOpen, 1.0);
        }
        desk.count(Count::Opened, 1.0);
        let it = desk.seats.get(seat);
        let (due_ns, begun_ns, number, opened) = (it.due_ns, it.begun_ns, it.number, it.opened);
        let label = it.label;
        desk.recorder.finished(label, &ended(label, due_ns, begun_ns, now, End::Response(SWITCHING)));
        desk.recorder.begun(desk.labels.session);
        if let Some(every_ns) = desk.plan.ping_every_ns {
            self.pings.push_back((now + every_ns, seat, opened));
        }
        if self.closing {
            return self.hang_up(seat, now);
        }
        for place in 0..self.messages.count_first() {
            let filling = self.filling(seat, number, now);
            let (label, is_binary) = self.messages.write_first(place, filling);
            let now = now_ns();
            self.desk.recorder.begun(label);
            self.say(seat, label, now, now, is_binary);
        }
        self.send_what_waits(seat);
    }

    /// A socket is gone, or did not come about.
    fn lost(&mut self, seat: u32, slot: Slot, now: u64, why: Lost) {
        // What lingers of a connection that was given up is of no interest.
        if self.desk.seats.get(seat).slot != Some(slot) {
            return;
        }
        let since_ns = self.desk.seats.closed(seat);
        self.desk.lose(slot, now, why.kind);
        if since_ns == 0 {
            self.one_less_opening();
            return self.not_opened(seat, now, why);
        }
        let session = self.desk.labels.session;
        if self.closing {
            return self.desk.recorder.ended_well(session, since_ns, since_ns, now);
        }
        self.desk.recorder.finished(session, &ended(session, since_ns, since_ns, now, End::Error(why.kind)));
        self.desk.count(Count::Lost, 1.0);
        self.try_again(seat, now);
    }

    fn not_opened(&mut self, seat: u32, now: u64, why: Lost) {
        let it = self.desk.seats.get(seat);
        it.slot = None;
        let (label, due_ns, begun_ns) = (it.label, it.due_ns, it.begun_ns);
        self.desk.recorder.add(Word::ConnectFailures, 1);
        self.desk.recorder.finished(label, &ended(label, due_ns, begun_ns, now, End::Error(why.kind)));
        if let Some(status) = why.status {
            self.desk.count_named(format!("refused {status}"));
        }
        self.try_again(seat, now);
    }

    fn try_again(&mut self, seat: u32, now: u64) {
        let Some(backoff) = self.desk.plan.reconnect else { return };
        if self.closing || now >= self.ends_ns {
            return;
        }
        let it = self.desk.seats.get(seat);
        let bound_ns = backoff.bound_ns(it.tries);
        it.tries += 1;
        self.drawn += 1;
        let wait_ns = random::uniform(self.desk.plan.seed ^ BACKOFF_STREAM, self.drawn) * bound_ns as f64;
        self.again.push(Reverse((now + wait_ns as u64, seat)));
    }

    fn sweep(&mut self, now: u64) {
        for slot in self.client.expired(now) {
            let happened = self.client.expire(slot, now);
            self.account(happened, now);
        }
        self.desk.expire(now);
        self.next_sweep_ns = now + self.client.sweep_ns();
    }

    /// The load is over. Replies that are waited for may come; then all sockets close.
    fn end(&mut self, now: u64) {
        let may_wait_until_ns = self.ends_ns + self.drain_ns / 2;
        if !self.desk.replies.is_empty() && now < may_wait_until_ns {
            self.next_sweep_ns = self.next_sweep_ns.min(now + SECOND / 100);
            return;
        }
        self.closing = true;
        for seat in self.desk.seats.all_open().to_vec() {
            self.hang_up(seat, now);
        }
    }

    fn hang_up(&mut self, seat: u32, now: u64) {
        if let Some(slot) = self.desk.seats.get(seat).slot {
            self.client.hang_up(slot, NORMAL, "", now);
        }
    }

    fn tell_of_deliveries(&mut self, control: &mut Control, now: u64) -> io::Result<()> {
        let settled = self.desk.spread.settle(now);
        let mut rest = settled.as_str();
        while !rest.is_empty() {
            // Who reads gives up a line that is longer than a pipe holds.
            let end = if rest.len() > LONGEST_LINE { rest[..LONGEST_LINE].rfind(',') } else { None };
            let (groups, after) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
            control.report(&format!(r#"event {{"kind":"deliveries","groups":"{groups}"}}"#))?;
            rest = after;
        }
        Ok(())
    }

    fn heartbeat(&mut self, now: u64) {
        let since_start_ns = if self.start_ns == 0 { 0 } else { now.saturating_sub(self.start_ns) };
        let recorder = &self.desk.recorder;
        recorder.heartbeat(now);
        let busy_ns = cpu_ns().saturating_sub(self.cpu_at_start_ns + self.pacer.spin_ns);
        let overdue =
            self.connects.overdue(since_start_ns) + self.sends.as_ref().map_or(0, |s| s.overdue(since_start_ns));
        for (word, value) in [
            (Word::Connections, self.desk.seats.count_open() as u64),
            (Word::Overdue, overdue),
            (Word::BusyNs, busy_ns),
            (Word::SpinNs, self.pacer.spin_ns),
            (Word::BlockedNs, since_start_ns.saturating_sub(busy_ns + self.pacer.spin_ns)),
            (Word::MarginNs, self.pacer.margin_ns()),
        ] {
            recorder.set(word, value);
        }
        if now % SECOND < HEARTBEAT_NS {
            recorder.memory();
        }
        self.next_heartbeat_ns = now + HEARTBEAT_NS;
    }

    fn give_up_the_rest(&mut self, now: u64) {
        let since_start_ns = now.saturating_sub(self.start_ns);
        let given_up = self.connects.finish(since_start_ns);
        self.desk.recorder.given_up(self.desk.labels.connect, Word::Cancelled, given_up);
        self.give_up_what_waits(Word::Cancelled);
        while let Some(sends) = &mut self.sends
            && let Due::Send(_) | Due::Drop = sends.due(since_start_ns)
        {
            let number = self.next_message();
            self.desk.recorder.given_up(self.messages.label(number), Word::Cancelled, 1);
        }
        if let Some(sends) = &mut self.sends {
            sends.finish(since_start_ns);
        }
    }

    /// What was due and not begun is cancelled, what has not ended is unfinished. Nothing is left out.
    fn close_the_books(&mut self, control: &mut Control) -> io::Result<()> {
        let now = now_ns();
        if self.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        self.tell_of_deliveries(control, u64::MAX)?;
        let desk = &self.desk;
        for asked in desk.replies.all() {
            desk.recorder.unfinished(asked.label, 1);
        }
        for seat in desk.seats.being_opened() {
            desk.recorder.unfinished(seat.label, 1);
        }
        desk.recorder.unfinished(desk.labels.session, desk.seats.count_open() as u64);
        self.heartbeat(now);
        self.desk.recorder.memory();
        self.desk.recorder.set(Word::Connections, 0);
        Ok(())
    }
}
