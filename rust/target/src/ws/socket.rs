//! One client after its upgrade: its unread bytes, its replies in flight, its unsent bytes, its way to the end.
//! Must not know other connections or wait for anything.
//!
//! What it says is told in [`replying`], how it ends in [`ending`].

mod ending;
mod replying;

use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use ending::Stage;

use crate::clock::now_ns;
use crate::connection::Fate;
use crate::departures::Gate;
use crate::outbox::Outbox;
use crate::site::Site;
use crate::ws::Hub;
use crate::ws::frame::Failure;
use crate::ws::handshake::Welcome;
use crate::ws::options::Slow;
use crate::ws::pipe::Pipe;
use crate::ws::reader::{Reader, Received};
use crate::ws::replies::Replies;
use crate::ws::subscriber::Subscriber;
use crate::ws::wishes::{Echo, Wishes};

/// Bytes of replies that may be unsent before no more is read.
const MOST_UNSENT_BYTES: usize = 256 << 10;
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
