//! What messages that come mean: replies, deliveries, places in a stream. It counts them; it sends nothing.

use std::collections::HashMap;

use super::path::{self, Path};
use super::plan::{Sockets, StampClock};
use super::replies::{Asked, Replies};
use super::seats::Seats;
use super::sequence::Arrived;
use super::spread::Spread;
use super::stages::Stage;
use crate::clock::{now_ns, time_of_day_ns};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::reactor::Slot;
use crate::record::block::{Kind, Role, TallyKind};
use crate::record::recorder::Recorder;

/// The labels that every run has.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// From when a socket was due until it was open.
    pub connect: usize,
    /// The same of those that were lost; where they are not opened again it is not asked for.
    pub reconnect: usize,
    /// From then on until it was closed.
    pub session: usize,
    /// Round trips.
    pub ping: usize,
    /// From the stamp of a message until it came.
    pub delivery: usize,
}

/// What is counted one by one.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Count {
    /// Sockets that were open.
    Opened,
    /// Those that were lost before their time.
    Lost,
    /// Tries to open one again.
    Reconnects,
    /// Messages.
    Sent,
    /// Messages.
    Received,
    /// Bytes of messages.
    BytesSent,
    /// Bytes of messages.
    BytesReceived,
    /// Round trips begun.
    Pings,
    /// Round trips ended.
    Pongs,
    /// Numbers of a stream that have not come.
    Missing,
    /// Those that came again.
    Repeated,
    /// Those that came late.
    Reordered,
    /// Replies that nobody waited for.
    Unmatched,
    /// The most sockets that were open at a time.
    MostOpen,
}

impl Count {
    const ALL: [&str; 14] = [
        "sockets opened",
        "sockets lost",
        "reconnects",
        "messages sent",
        "messages received",
        "bytes sent",
        "bytes received",
        "pings sent",
        "pongs received",
        "missing",
        "repeated",
        "reordered",
        "unmatched replies",
        "most open",
    ];
}

/// See the module.
pub struct Desk {
    /// What everything is counted with.
    pub recorder: Recorder,
    /// See there.
    pub labels: Labels,
    /// Messages that wait.
    pub replies: Replies,
    /// The places of sockets.
    pub seats: Seats,
    /// How messages spread.
    pub spread: Spread,
    /// What the run does.
    pub plan: Sockets,
    /// Sockets of which nothing waits for a reply that belongs to their stage.
    pub ready: Vec<u32>,
    counts: [Option<usize>; Count::ALL.len()],
    named: HashMap<String, Option<usize>>,
    /// What is looked for in each message.
    paths: Vec<Path>,
    /// Which of them is what: stamp, number, stream, the key of a reply.
    places: [Option<usize>; 4],
    /// And what replies have.
    expected: Vec<Option<usize>>,
}

impl Desk {
    /// Nothing has come yet.
    pub fn new(plan: Sockets, recorder: Recorder, timeout_ns: u64) -> Self {
        let connect = recorder.label("connect", Role::Request);
        let labels = Labels {
            connect,
            reconnect: plan.reconnect.map_or(connect, |_| recorder.label("reconnect", Role::Request)),
            session: recorder.label("session", Role::Group),
            ping: recorder.label("ping", Role::Trend),
            delivery: recorder.label("delivery", Role::Trend),
        };
        let places = [
            plan.stamp.as_ref().map(|stamp| &stamp.path),
            plan.sequence.as_ref(),
            plan.channel.as_ref(),
            plan.correlate.as_ref().map(|correlation| &correlation.reply),
        ];
        let mut paths: Vec<Path> = Vec::new();
        let mut place = |path: Option<&Path>| {
            let path = path?;
            let known = paths.iter().position(|other| other == path);
            Some(known.unwrap_or_else(|| {
                paths.push(path.clone());
                paths.len() - 1
            }))
        };
        let places = places.map(&mut place);
        let expected = plan.expect.iter().map(|expected| place(expected.path.as_ref())).collect();
        let counts = Count::ALL.map(|name| recorder.tally(TallyKind::Counter, name));
        let (replies, seats, spread) = (Replies::new(timeout_ns), Seats::default(), Spread::default());
        let (named, ready) = (HashMap::new(), Vec::new());
        Self { recorder, labels, replies, seats, spread, plan, ready, counts, named, paths, places, expected }
    }

    /// Counts.
    #[inline]
    pub fn count(&self, what: Count, amount: f64) {
        if let Some(tally) = self.counts[what as usize] {
            self.recorder.tally_add(tally, 0, amount);
            self.recorder.tally_add(tally, 1, 1.0);
        }
    }

    /// Counts something that has a name of its own.
    pub fn count_named(&mut self, name: String) {
        let Self { named, recorder, .. } = self;
        let tally = *named.entry(name).or_insert_with_key(|name| recorder.tally(TallyKind::Counter, name));
        if let Some(tally) = tally {
            self.recorder.tally_add(tally, 0, 1.0);
            self.recorder.tally_add(tally, 1, 1.0);
        }
    }

    /// A message has come.
    #[inline]
    pub fn message(&mut self, seat: u32, slot: Slot, message: &[u8], now: u64) {
        self.count(Count::Received, 1.0);
        self.count(Count::BytesReceived, message.len() as f64);
        let mut found = [None; path::MOST];
        path::find(&self.paths, message, &mut found);
        let [stamp, sequence, channel, key] = self.places.map(|place| place.and_then(|at| found[at]));
        if let Some(said) = stamp.and_then(path::number) {
            self.deliver(said, now);
        }
        if let Some(number) = sequence.and_then(path::number) {
            self.follow(seat, channel.unwrap_or_default(), number);
        }
        if self.plan.waits() && self.is_expected(&found) {
            self.answer(slot, key, message, now);
        }
    }

    /// Whether a message looks as replies do.
    fn is_expected(&self, found: &[Option<&str>]) -> bool {
        let mut wanted = self.plan.expect.iter().zip(&self.expected);
        self.expected.is_empty() || wanted.any(|(wanted, place)| wanted.is(place.and_then(|at| found[at])))
    }

    /// One that says when it was sent.
    #[inline]
    fn deliver(&mut self, said: u64, now: u64) {
        let Some(stamp) = &self.plan.stamp else { return };
        let said_ns = said.saturating_mul(stamp.unit_ns);
        // On the clock of the stamp, which may be ahead of ours: then it came before it was sent.
        let came_ns = match stamp.clock {
            StampClock::Monotonic => now,
            StampClock::Wall => time_of_day_ns().saturating_sub(now_ns().saturating_sub(now)),
        };
        self.recorder.sample(self.labels.delivery, Kind::Response, came_ns.saturating_sub(said_ns));
        self.spread.deliver(said_ns, came_ns, now);
    }

    /// One that has a number.
    #[inline]
    fn follow(&mut self, seat: u32, stream: &str, number: u64) {
        match self.seats.get(seat).see(stream, number) {
            None | Some(Arrived::InOrder) => {}
            Some(Arrived::Ahead(missing)) => self.count(Count::Missing, missing as f64),
            Some(Arrived::Late) => {
                self.count(Count::Missing, -1.0);
                self.count(Count::Reordered, 1.0);
            }
            Some(Arrived::Again) => self.count(Count::Repeated, 1.0),
        }
    }

    /// One that may be a reply.
    #[inline]
    fn answer(&mut self, slot: Slot, key: Option<&str>, message: &[u8], now: u64) {
        let asked = match (&self.plan.correlate, key) {
            (None, _) => self.replies.answer_next(slot),
            (Some(_), Some(key)) => self.replies.answer_key(key),
            (Some(_), None) => return,
        };
        let Some(asked) = asked else {
            return self.count(Count::Unmatched, 1.0);
        };
        self.recorder.received(asked.label, message.len() as u64);
        if asked.stage == Some(Stage::Subscribe) && !self.plan.reply.is_empty() {
            let values = self.plan.reply.iter().map(|path| path.find(message).map(Into::into)).collect();
            self.seats.get(asked.seat).acknowledged.push(values);
        }
        self.succeed(asked, now);
    }

    fn succeed(&mut self, asked: Asked, now: u64) {
        self.recorder.ended_well(asked.label, asked.due_ns, asked.sent_ns, now);
        self.settle(asked);
    }

    /// Nothing waits for its reply any more.
    fn settle(&mut self, asked: Asked) {
        if asked.stage.is_some() {
            let it = self.seats.get(asked.seat);
            it.unsettled -= 1;
            if it.unsettled == 0 {
                self.ready.push(asked.seat);
            }
        }
    }

    /// A message that is sent, and may wait for its reply from now on.
    pub fn sent(&mut self, asked: Asked, text: &[u8], is_written: bool) {
        self.count(Count::Sent, 1.0);
        self.count(Count::BytesSent, text.len() as f64);
        self.recorder.sent(asked.label, asked.due_ns, asked.sent_ns, text.len() as u64);
        if !self.plan.waits() {
            if is_written {
                return self.succeed(asked, now_ns());
            }
            // The peer has yet to take it: that is what it waits for.
            return self.replies.ask(asked, None);
        }
        let key = self.plan.correlate.as_ref().map(|correlation| correlation.request.find(text));
        match key {
            None => self.replies.ask(asked, None),
            Some(Some(key)) => self.replies.ask(asked, Some(key)),
            // Nothing in it that a reply could have: it is sent, and that is all.
            Some(None) => self.succeed(asked, now_ns()),
        }
    }

    /// All that was said on a connection is written.
    pub fn wrote(&mut self, slot: Slot, now: u64) {
        while let Some(asked) = self.replies.answer_next(slot) {
            self.succeed(asked, now);
        }
    }

    /// A message will have no reply.
    fn fail(&mut self, asked: Asked, now: u64, kind: ErrorKind) {
        let Asked { label, due_ns, sent_ns, .. } = asked;
        self.recorder.finished(label, &ended(label, due_ns, sent_ns, now, End::Error(kind)));
        self.settle(asked);
    }

    /// The connection of a socket is gone, and with it all that waited on it.
    pub fn lose(&mut self, slot: Slot, now: u64, kind: ErrorKind) {
        for asked in self.replies.lose(slot) {
            self.fail(asked, now, kind);
        }
    }

    /// The run is over: what waits on a connection will never be known.
    pub fn abandon(&mut self, slot: Slot) {
        for asked in self.replies.lose(slot) {
            self.recorder.unfinished(asked.label, 1);
        }
    }

    /// Nobody waits for ever.
    pub fn expire(&mut self, now: u64) {
        for asked in self.replies.expire(now) {
            self.fail(asked, now, ErrorKind::Timeout);
        }
    }
}

/// An outcome of something that is no request: its answer, where it has one, comes in one piece.
pub fn ended(label: usize, due_ns: u64, sent_ns: u64, done_ns: u64, end: End) -> Outcome {
    Outcome { due_ns, sent_ns, first_byte_ns: done_ns, done_ns, label, token: 0, bytes_sent: 0, bytes_received: 0, end }
}
