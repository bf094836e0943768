//! The courier carries requests that scripts ask for: at once where a connection is ready, else in the order asked.
//!
//! ```text
//!   submit ──▶ connection ready? ──yes──▶ sent ──▶ (answer) ──▶ Outcome
//!                    │no                             ▲
//!                    └─▶ waits, connections grow ────┘      fails with the connection that could not be made,
//!                                                           or when its time is over; withdrawn, and unfinished,
//!                                                           when its owner waits for it no more
//! ```
//!
//! It records that a request was begun and sent. How it ended is its owner's to record: only that one knows whether more
//! belongs to it, and what the answer means. A token tells who waits for it.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::{Client, Happened, Origin};
use crate::clock::now_ns;
use crate::growth::{CONNECT_BATCH, Growth};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::Sending;
use crate::reactor::{Event, Reactor, Slot};
use crate::record::block::{Kind, Word};
use crate::record::recorder::Recorder;
use crate::upload::Upload;

/// How much of a response that is read while it comes may be on its way over HTTP/2 before any of it is taken: for each of
/// thousands of readers that are slow.
const WINDOW_BYTES: u32 = 1 << 20;

/// A request that somebody asked for.
#[derive(Debug)]
pub struct Parcel {
    /// Where to: a number that [`Courier::add_origin`] gave.
    pub origin: usize,
    /// Head and body.
    pub request: Rc<[u8]>,
    /// A body that is read while it is sent, behind them.
    pub upload: Option<Rc<Upload>>,
    /// What the connection must know.
    pub sending: Sending,
    /// When it was asked for: its due time, but for the first request of an arrival.
    pub asked_ns: u64,
    /// It goes on with a request that was begun before, and is counted with it.
    pub continues: bool,
}

/// Asks the owner of a token whether it still wants its request sent. One that does not is forgotten by both.
pub type IsWanted<'a> = &'a mut dyn FnMut(u64) -> bool;

/// See the module.
pub struct Courier<R> {
    /// The connections.
    pub client: Client<R>,
    waiting: Vec<VecDeque<Parcel>>,
    /// Of each origin, the label of the request that began to wait last.
    labels: Vec<usize>,
    /// Those that ended without an event of their own.
    failed: VecDeque<Outcome>,
    growth: Growth,
    /// When to look again whether more connections are needed.
    look_ns: u64,
    next_sweep_ns: u64,
}

impl<R: Reactor> Courier<R> {
    /// A courier with these connections.
    pub fn new(mut client: Client<R>, growth: Growth) -> Self {
        client.window_bytes = WINDOW_BYTES;
        let (waiting, labels, failed) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { client, waiting, labels, failed, growth, look_ns: u64::MAX, next_sweep_ns: 0 }
    }

    /// One more place that requests may go to.
    pub fn add_origin(&mut self, origin: Origin) -> usize {
        self.waiting.push(VecDeque::new());
        self.labels.push(0);
        self.client.add_origin(origin)
    }

    /// Takes a request. The caller has just read the clock.
    #[inline]
    pub fn submit(&mut self, recorder: &Recorder, parcel: Parcel, now: u64) {
        if !parcel.continues {
            recorder.begun(parcel.sending.label);
        }
        let origin = parcel.origin;
        if self.waiting[origin].is_empty()
            && let Some(slot) = self.client.acquire_for(origin, parcel.sending.owner)
        {
            self.send(recorder, slot, &parcel, now);
            return;
        }
        self.client.mind(parcel.sending.timeout_ns);
        self.labels[origin] = parcel.sending.label;
        self.waiting[origin].push_back(parcel);
        self.look_ns = self.look_ns.min(now);
    }

    #[inline]
    fn send(&mut self, recorder: &Recorder, slot: Slot, parcel: &Parcel, now: u64) {
        let Parcel { request, upload, sending, asked_ns, .. } = parcel;
        let bytes = self.client.send(slot, now, request, upload.as_ref(), *sending);
        if parcel.continues {
            recorder.sent_on(sending.label, bytes);
            return;
        }
        recorder.sent(sending.label, sending.due_ns, now, bytes);
        recorder.sample(sending.label, Kind::Dispatch, asked_ns.saturating_sub(sending.due_ns));
        if now > *asked_ns {
            recorder.add(Word::PoolWaits, 1);
            recorder.sample(sending.label, Kind::PoolWait, now - asked_ns);
        }
    }

    /// What an event of the reactor ended; it is not recorded yet.
    #[inline]
    pub fn handle(&mut self, recorder: &Recorder, event: Event, is_wanted: IsWanted<'_>) -> Option<Outcome> {
        let (happened, now) = self.client.handle(event);
        self.account(recorder, happened, now, is_wanted)
    }

    #[inline]
    fn account(
        &mut self,
        recorder: &Recorder,
        happened: Happened,
        now: u64,
        is_wanted: IsWanted<'_>,
    ) -> Option<Outcome> {
        let outcome = match happened {
            Happened::Nothing => return None,
            Happened::Socket { slot, token, step } => {
                self.client.gather(slot, token, step, now);
                return None;
            }
            Happened::Sent { label, took_ns } => {
                recorder.sample(label, Kind::Send, took_ns);
                return None;
            }
            Happened::Ended(outcome) => Some(outcome),
            Happened::Connected { origin, took_ns, tls_ns } => {
                recorder.add(Word::Connects, 1);
                self.growth.ended(true);
                // Connections belong to no request: the one that waits longest stands for them, or the last that did.
                let first = self.waiting[origin].front();
                let label = first.map_or(self.labels[origin], |parcel| parcel.sending.label);
                recorder.connected(label, took_ns, tls_ns);
                None
            }
            Happened::ConnectFailed { origin, kind, since_ns } => {
                recorder.add(Word::ConnectFailures, 1);
                self.growth.ended(false);
                self.forget_unwanted(recorder, origin, is_wanted);
                let first = self.waiting[origin].pop_front();
                // One that was to carry many fails with all that waited when it was begun.
                while self.forget_unwanted(recorder, origin, is_wanted)
                    && self.waiting[origin].front().is_some_and(|parcel| parcel.asked_ns < since_ns)
                    && let Some(parcel) = self.waiting[origin].pop_front()
                {
                    self.failed.push_back(end_unsent(recorder, &parcel, now, kind));
                }
                first.map(|parcel| end_unsent(recorder, &parcel, now, kind))
            }
        };
        self.dispatch(recorder, now, is_wanted);
        outcome
    }

    /// Sends what waits, as far as connections go.
    #[inline]
    fn dispatch(&mut self, recorder: &Recorder, now: u64, is_wanted: IsWanted<'_>) {
        for origin in 0..self.waiting.len() {
            while self.forget_unwanted(recorder, origin, is_wanted)
                && let Some(owner) = self.waiting[origin].front().map(|parcel| parcel.sending.owner)
                && let Some(slot) = self.client.acquire_for(origin, owner)
                && let Some(parcel) = self.waiting[origin].pop_front()
            {
                self.send(recorder, slot, &parcel, now);
            }
        }
    }

    /// Withdraws what nobody wants any more from the head of a queue. Whether anything is left in it.
    #[inline]
    fn forget_unwanted(&mut self, recorder: &Recorder, origin: usize, is_wanted: IsWanted<'_>) -> bool {
        while let Some(parcel) = self.waiting[origin].front() {
            if is_wanted(parcel.sending.token) {
                return true;
            }
            recorder.unfinished(parcel.sending.label, 1);
            self.waiting[origin].pop_front();
        }
        false
    }

    /// A request that ended without an event of its own; it is not recorded yet.
    pub fn next_ended(&mut self, recorder: &Recorder, is_wanted: IsWanted<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.failed.pop_front() {
            return Some(outcome);
        }
        while let Some(happened) = self.client.next_more() {
            let ended = self.account(recorder, happened, now_ns(), is_wanted);
            if ended.is_some() {
                return ended;
            }
        }
        None
    }

    /// How many requests are on their way, or wait to be.
    pub fn under_way(&self) -> usize {
        self.client.pool().in_flight() + self.waiting.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Everything that had come by an instant has been read: what is not answered by now and should be, never will.
    pub fn all_read(&mut self, recorder: &Recorder, by_ns: u64, is_wanted: IsWanted<'_>) {
        if by_ns >= self.next_sweep_ns {
            self.sweep(recorder, by_ns, is_wanted);
        }
    }

    /// Sees to what time demands. When to come again at the latest.
    pub fn turn(&mut self, recorder: &Recorder, now: u64, is_wanted: IsWanted<'_>) -> u64 {
        if now >= self.look_ns {
            self.look_ns = self.grow(recorder, now, is_wanted);
        }
        self.client.flush();
        let next_ns = self.next_sweep_ns.min(self.look_ns).min(self.client.next_timer_ns());
        let is_all_told = self.failed.is_empty() && !self.client.has_more() && self.client.hungry.is_empty();
        if is_all_told { next_ns } else { now }
    }

    /// Begins as many connections as requests wait for one, a few at a time. When to look again.
    fn grow(&mut self, recorder: &Recorder, now: u64, is_wanted: IsWanted<'_>) -> u64 {
        if let Some(rest_ns) = self.growth.rests_until(now) {
            return rest_ns;
        }
        let mut again_ns = u64::MAX;
        for origin in 0..self.waiting.len() {
            let wanted = self.client.wanted(origin, self.waiting[origin].len());
            for _ in 0..wanted.min(CONNECT_BATCH) {
                match self.client.connect(origin, now) {
                    Some(happened) => {
                        let ended = self.account(recorder, happened, now, is_wanted);
                        self.failed.extend(ended);
                    }
                    None => recorder.add(Word::CapHits, 1),
                }
            }
            if !self.waiting[origin].is_empty() {
                again_ns = again_ns.min(self.growth.begun(now, now_ns(), wanted));
            }
        }
        again_ns
    }

    fn sweep(&mut self, recorder: &Recorder, now: u64, is_wanted: IsWanted<'_>) {
        for slot in self.client.expired(now) {
            let happened = self.client.expire(slot, now);
            let ended = self.account(recorder, happened, now, is_wanted);
            self.failed.extend(ended);
        }
        for queue in &mut self.waiting {
            queue.retain(|parcel| {
                if !is_wanted(parcel.sending.token) {
                    recorder.unfinished(parcel.sending.label, 1);
                    return false;
                }
                let is_over = parcel.asked_ns.saturating_add(parcel.sending.timeout_ns) < now;
                if is_over {
                    self.failed.push_back(end_unsent(recorder, parcel, now, ErrorKind::ConnectTimeout));
                }
                !is_over
            });
        }
        self.next_sweep_ns = now + self.client.sweep_ns();
    }

    /// Nothing more is waited for: what is under way is unfinished.
    pub fn abandon(&mut self, recorder: &Recorder) {
        for parcel in self.waiting.iter_mut().flat_map(|queue| queue.drain(..)) {
            recorder.unfinished(parcel.sending.label, 1);
        }
        for label in self.client.labels_in_flight() {
            recorder.unfinished(label, 1);
        }
        self.client.say_goodbye_to_all();
    }
}

/// A request whose time was over before it was sent.
fn end_unsent(recorder: &Recorder, parcel: &Parcel, now: u64, kind: ErrorKind) -> Outcome {
    let Sending { due_ns, label, token, .. } = parcel.sending;
    if !parcel.continues {
        recorder.sample(label, Kind::Lateness, now.saturating_sub(due_ns));
    }
    let end = End::Error(kind);
    Outcome {
        due_ns,
        sent_ns: now,
        first_byte_ns: now,
        done_ns: now,
        label,
        token,
        bytes_sent: 0,
        bytes_received: 0,
        end,
    }
}
