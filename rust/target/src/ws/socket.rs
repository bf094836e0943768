//! One client after its upgrade: its unread bytes, its replies in flight, its unsent bytes, its way to the end.
//! Must not know other connections or wait for anything.
//!
//! ```text
//! Open ──Close received──▶ Leaving (ours is sent back) ──▶ closed
//!   │                └───▶ Mute, if it is to have no answer ──the client goes──▶ closed
//!   ├──we close──▶ Closing ──theirs, or time──▶ closed
//!   └──it fails──▶ Failed (told why, not listened to) ──the client goes, or time──▶ closed
//! ```

use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use crate::clock::now_ns;
use crate::connection::{Fate, LINGER_NS};
use crate::departures::Gate;
use crate::log::Line;
use crate::outbox::Outbox;
use crate::site::Site;
use crate::ws::Hub;
use crate::ws::commands;
use crate::ws::frame::{self, BINARY, FIN, Failure, PONG, RSV1, TEXT};
use crate::ws::handshake::Welcome;
use crate::ws::options::Slow;
use crate::ws::pipe::Pipe;
use crate::ws::reader::{Reader, Received};
use crate::ws::replies::{Replies, Reply};
use crate::ws::subscriber::Subscriber;
use crate::ws::wishes::{Echo, Wishes};

/// Bytes of replies that may be unsent before no more is read.
const MOST_UNSENT_BYTES: usize = 256 << 10;
/// How long a client may take to answer a Close.
const CLOSE_NS: u64 = 5_000_000_000;
/// Memory that a connection at rest may keep for what it sends.
const KEPT_BYTES: usize = 1 << 10;

#[derive(Debug)]
pub(crate) struct WebSocket {
    /// Of the connection, from 1 in the order of acceptance.
    number: u64,
    target: Option<Box<str>>,
    trade: Trade,
    deflate: bool,
    reader: Reader,
    input: Vec<u8>,
    replies: Replies,
    /// Messages that were answered.
    answered: u64,
    outbox: Outbox,
    /// Bytes that may be unsent before no more is read.
    most_unsent_bytes: usize,
    stage: Stage,
    until_ns: Option<u64>,
    heard_close: bool,
}

/// What the client came for.
#[derive(Debug)]
enum Trade {
    Echo(Echo),
    Feed(Subscriber),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Leaving,
    Mute,
    Failed { told: bool },
}

impl WebSocket {
    /// `feed_bytes` is what events alone may have unsent: a subscriber is still listened to then.
    pub(crate) fn new(number: u64, token: u64, welcome: Welcome, feed_bytes: usize) -> Self {
        let waiting_bytes = if welcome.wishes == Wishes::Feed { feed_bytes } else { 0 };
        Self {
            number,
            target: welcome.target,
            trade: match welcome.wishes {
                Wishes::Echo(echo) => Trade::Echo(echo),
                Wishes::Feed => Trade::Feed(Subscriber::new(token)),
            },
            deflate: welcome.deflate,
            reader: Reader::new(welcome.deflate),
            input: Vec::new(),
            replies: Replies::default(),
            answered: 0,
            outbox: Outbox::default(),
            most_unsent_bytes: MOST_UNSENT_BYTES.saturating_add(waiting_bytes),
            stage: Stage::Open,
            until_ns: None,
            heard_close: false,
        }
    }

    /// Takes in what one read brought, answers what is due.
    pub(crate) fn receive(&mut self, socket: &OwnedFd, bytes: &mut [u8], received_ns: u64, site: &mut Site) -> Fate {
        site.hub.counts.bytes.received += bytes.len() as u64;
        if self.input.is_empty() {
            // The usual read is one whole frame, and nothing of it has to be kept.
            let used = self.read(bytes, received_ns, site);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            self.input.extend_from_slice(bytes);
            self.read_input(received_ns, site);
        }
        self.proceed(socket, received_ns, site)
    }

    /// Sends what is due and what the socket takes.
    pub(crate) fn proceed(&mut self, socket: &OwnedFd, now_ns: u64, site: &mut Site) -> Fate {
        let fate = self.try_proceed(socket, now_ns, site).unwrap_or(Fate::Closed); // the client is gone
        site.hub.counts.bytes.sent += self.outbox.take_sent();
        if self.until_ns.is_some_and(|until_ns| until_ns <= now_ns) { Fate::Closed } else { fate }
    }

    /// Takes what it wants of the feed's batch.
    pub(crate) fn deliver(&mut self, socket: &OwnedFd, site: &mut Site) -> Fate {
        let now_ns = now_ns();
        if !self.replies.is_empty() {
            self.write_due(now_ns, site); // whoever subscribed hears so before the first event
        }
        let Trade::Feed(subscriber) = &mut self.trade else {
            return Fate::Open;
        };
        let Hub { counts, codec, feed } = &mut site.hub;
        let most_bytes = feed.options.buffer_bytes;
        let mut pipe = Pipe { outbox: &mut self.outbox, counts, codec, deflate: self.deflate, most_bytes, alone: None };
        let kept_up = subscriber.deliver(feed, &mut pipe);
        if pipe.finish(socket).is_err() {
            return Fate::Closed;
        }
        if !kept_up && site.hub.feed.options.slow == Slow::Close {
            self.fail(Failure { code: 1008, reason: "slow consumer" }, now_ns, site);
        }
        self.proceed(socket, now_ns, site)
    }

    pub(crate) fn next_look(&self) -> Option<(u64, u64)> {
        let reply = self.replies.first().filter(|_| self.outbox.is_empty());
        let reply = reply.map(|reply| (reply.due_ns, reply.seq));
        reply.into_iter().chain(self.until_ns.map(|until_ns| (until_ns, 0))).min()
    }

    pub(crate) fn interest(&self) -> EventFlags {
        let mut interest = EventFlags::empty();
        if self.stage != Stage::Leaving && !self.is_full() {
            interest |= EventFlags::IN;
        }
        if !self.outbox.is_empty() {
            interest |= EventFlags::OUT;
        }
        interest
    }

    pub(crate) fn regate(&mut self, gate: &Gate, now_ns: u64) {
        self.replies.regate(gate, now_ns);
    }

    /// The last word of a server that stops, as far as the socket takes it.
    pub(crate) fn bid_farewell(&mut self, socket: &OwnedFd, site: &mut Site) {
        if self.stage == Stage::Open {
            self.close(1001, now_ns(), site);
            self.proceed(socket, now_ns(), site);
        }
    }

    /// Forgets what will never be answered, and counts the end.
    pub(crate) fn abandon(&mut self, site: &mut Site) {
        self.give_up(site);
        site.hub.counts.closed += 1;
        if !self.heard_close {
            site.hub.counts.no_close_received();
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closing)
    }

    fn is_full(&self) -> bool {
        self.replies.is_full() || self.outbox.unsent() >= self.most_unsent_bytes
    }

    fn read_input(&mut self, now_ns: u64, site: &mut Site) {
        let mut input = std::mem::take(&mut self.input);
        let used = self.read(&mut input, now_ns, site);
        if used < input.len() {
            input.drain(..used);
            self.input = input; // else its memory is given back
        }
    }

    /// Reads as many frames as there are and as may wait; tells how many bytes are done with.
    fn read(&mut self, bytes: &mut [u8], now_ns: u64, site: &mut Site) -> usize {
        let mut used = 0;
        while self.is_listening() && !self.is_full() {
            match self.reader.next(&mut bytes[used..], &mut site.hub.codec) {
                Ok(Some((length, received))) => {
                    used += length;
                    self.take(received, now_ns, site);
                }
                Ok(None) => return used,
                Err(failure) => self.fail(failure, now_ns, site),
            }
        }
        if self.is_listening() { used } else { bytes.len() }
    }

    fn take(&mut self, received: Received<'_>, now_ns: u64, site: &mut Site) {
        match received {
            Received::Message { text, payload } => {
                site.hub.counts.messages.received += 1;
                if self.stage == Stage::Open {
                    self.answer(text, &payload, now_ns, site);
                }
            }
            Received::Ping(payload) => {
                site.hub.counts.pings_received += 1;
                if !matches!(self.trade, Trade::Echo(Echo { no_pong: true, .. })) {
                    self.pong(payload, now_ns, site);
                }
            }
            Received::Pong => site.hub.counts.pongs.received += 1,
            Received::Close(code) => self.hear_close(code, site),
            Received::Fragment => {}
        }
    }

    fn answer(&mut self, text: bool, payload: &[u8], now_ns: u64, site: &mut Site) {
        match &mut self.trade {
            Trade::Echo(echo) => {
                let echo = *echo;
                let target = self.target.as_deref().unwrap_or_default();
                let natural_ns = echo.delay.map_or(now_ns, |law| site.departure_ns(law, target, now_ns));
                let seq = site.number_message();
                self.say(text, payload, (seq, now_ns, natural_ns), site);
            }
            Trade::Feed(subscriber) => {
                let Hub { counts, codec, feed } = &mut site.hub;
                let (deflate, most_bytes) = (self.deflate, feed.options.buffer_bytes);
                let mut pipe = Pipe { outbox: &mut self.outbox, counts, codec, deflate, most_bytes, alone: None };
                let reply = commands::obey(payload, subscriber, feed, &mut pipe, now_ns);
                pipe.keep();
                self.say(true, reply.as_bytes(), (0, now_ns, now_ns), site);
            }
        }
    }

    /// A message, to leave when it is due.
    fn say(&mut self, text: bool, payload: &[u8], (seq, received_ns, natural_ns): (u64, u64, u64), site: &mut Site) {
        let due_ns = site.gate.release_ns(natural_ns);
        let mut reply = Reply { seq, received_ns, natural_ns, due_ns, bytes: Vec::new(), message: true };
        if self.replies.is_empty() && due_ns <= received_ns {
            self.write_message(text, payload, site, None);
            self.depart(&reply, received_ns, site);
        } else {
            self.write_message(text, payload, site, Some(&mut reply.bytes));
            self.replies.push(reply);
        }
    }

    /// Into these bytes, or to what is sent next.
    fn write_message(&mut self, text: bool, payload: &[u8], site: &mut Site, out: Option<&mut Vec<u8>>) {
        let out = out.unwrap_or(&mut self.outbox.written);
        let opcode = if text { TEXT } else { BINARY };
        let fragment_bytes = match self.trade {
            Trade::Echo(Echo { fragment: Some(bytes), .. }) => bytes,
            _ => usize::MAX,
        };
        if self.deflate {
            let deflated = site.hub.codec.deflate(payload);
            frame::write_fragments(out, opcode, RSV1, &deflated, fragment_bytes);
        } else {
            frame::write_fragments(out, opcode, 0, payload, fragment_bytes);
        }
    }

    /// At once, before messages that wait: a pong says that somebody is there.
    fn pong(&mut self, payload: &[u8], now_ns: u64, site: &mut Site) {
        let due_ns = site.gate.release_ns(now_ns);
        if due_ns <= now_ns {
            frame::write(&mut self.outbox.written, FIN | PONG, payload);
            site.hub.counts.pongs.sent += 1;
        } else {
            let mut bytes = Vec::new();
            frame::write(&mut bytes, FIN | PONG, payload);
            let natural_ns = now_ns;
            self.replies.push(Reply { seq: 0, received_ns: now_ns, natural_ns, due_ns, bytes, message: false });
        }
    }

    /// Writes the replies that are due, in order.
    fn write_due(&mut self, now_ns: u64, site: &mut Site) {
        while self.outbox.unsent() < self.most_unsent_bytes
            && let Some(reply) = self.replies.pop_due(now_ns)
        {
            self.outbox.written.extend_from_slice(&reply.bytes);
            self.depart(&reply, now_ns, site);
        }
    }

    /// Notes that a reply leaves, which may have been the last.
    fn depart(&mut self, reply: &Reply, now_ns: u64, site: &mut Site) {
        if !reply.message {
            site.hub.counts.pongs.sent += 1;
            return;
        }
        site.hub.counts.messages.sent += 1;
        self.log(reply, true, site);
        self.answered += 1;
        if let Trade::Echo(Echo { close_after: Some(most), .. }) = self.trade
            && self.answered == most
        {
            self.close(1000, now_ns, site);
        }
    }

    /// One line for each echo; a feed's replies are not of the kind that is timed.
    fn log(&self, reply: &Reply, sent: bool, site: &mut Site) {
        if let (Some(log), Some(target), Trade::Echo(_)) = (&mut site.log, &self.target, &self.trade)
            && reply.message
        {
            log.write(Line {
                seq: reply.seq,
                connection: self.number,
                received_ns: reply.received_ns,
                due_ns: reply.due_ns,
                sent_ns: if sent { now_ns() } else { 0 },
                target,
            });
        }
    }

    fn hear_close(&mut self, code: Option<u16>, site: &mut Site) {
        site.hub.counts.close_received(code);
        self.heard_close = true;
        self.give_up(site);
        if matches!(self.trade, Trade::Echo(Echo { no_close: true, .. })) {
            self.stage = Stage::Mute;
            self.until_ns = None;
            return;
        }
        if self.stage == Stage::Open {
            frame::write_close(&mut self.outbox.written, code, "");
            site.hub.counts.close_sent(code);
        }
        self.stage = Stage::Leaving;
    }

    fn close(&mut self, code: u16, now_ns: u64, site: &mut Site) {
        self.give_up(site);
        frame::write_close(&mut self.outbox.written, Some(code), "");
        site.hub.counts.close_sent(Some(code));
        self.stage = Stage::Closing;
        self.until_ns = Some(now_ns + CLOSE_NS);
    }

    fn fail(&mut self, failure: Failure, now_ns: u64, site: &mut Site) {
        self.give_up(site);
        if self.stage == Stage::Open {
            frame::write_close(&mut self.outbox.written, Some(failure.code), failure.reason);
            site.hub.counts.close_sent(Some(failure.code));
        }
        self.stage = Stage::Failed { told: false };
        self.until_ns = Some(now_ns + LINGER_NS);
    }

    /// Nothing more will be said but the end.
    fn give_up(&mut self, site: &mut Site) {
        for reply in self.replies.take_all() {
            self.log(&reply, false, site);
        }
        if let Trade::Feed(subscriber) = &mut self.trade {
            subscriber.leave(&mut site.hub.feed);
        }
    }

    fn try_proceed(&mut self, socket: &OwnedFd, now_ns: u64, site: &mut Site) -> Result<Fate, Errno> {
        loop {
            let was_full = self.is_full();
            if !self.outbox.flush(socket)? {
                return Ok(Fate::Open);
            }
            match self.stage {
                Stage::Leaving => return Ok(Fate::Closed),
                // All was said; closing at once would reset the connection if it is still sending.
                Stage::Failed { told: false } => {
                    shutdown(socket, Shutdown::Write)?;
                    self.stage = Stage::Failed { told: true };
                }
                _ => {}
            }
            self.write_due(now_ns, site);
            if was_full && !self.is_full() {
                self.read_input(now_ns, site); // what had to wait in the input
            }
            if self.outbox.is_empty() && !matches!(self.stage, Stage::Leaving | Stage::Failed { told: false }) {
                self.outbox.keep(KEPT_BYTES);
                return Ok(Fate::Open);
            }
        }
    }
}
