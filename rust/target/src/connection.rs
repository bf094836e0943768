//! One client: its unread bytes, its requests in flight, its unsent bytes. Must not know other connections or wait for anything.
//!
//! ```text
//! receive ──▶ input ──parse──▶ queue of exchanges ──due and in order──▶ outbox ──▶ socket
//! ```
//!
//! Every request goes through the queue, also those that are answered at once: HTTP wants the
//! answers of one connection in the order of the requests, whatever their departures.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown, sockopt};

use crate::clock::{NEVER_NS, now_ns};
use crate::departures::Gate;
use crate::exchange::{Act, Exchange};
use crate::outbox::Outbox;
use crate::request::{self, Parsed, Walked};
use crate::site::Site;
use crate::ws::handshake::Welcome;
use crate::ws::socket::WebSocket;

/// Requests of one client that may wait for their answers before no more are read from it.
const MOST_WAITING: usize = 1024;
/// Bytes that these answers may hold.
const MOST_WAITING_BYTES: usize = request::MOST_BODY_BYTES;
/// Responses are collected up to this size before they are sent.
const BATCH_BYTES: usize = 256 << 10;
/// How long a client that was refused may take to notice.
pub(crate) const LINGER_NS: u64 = 1_000_000_000;

/// Whether the server has to keep a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    Closed,
}

/// How a connection ends once everything before has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All was read, all was said.
    Close,
    /// The client may still be sending: closing at once would reset the connection, and the answer
    /// might be lost on its way.
    Linger,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    input: Vec<u8>,
    /// Fewer bytes of input than this cannot be a request.
    wanted: usize,
    walked: Walked,
    /// The client waits for permission to send its body; once per request.
    permission: Permission,
    received_ns: u64,
    /// No further request is read: the client has ended, or was told that the connection will.
    deaf: bool,
    ended_by_client: bool,
    queue: VecDeque<Exchange>,
    queue_bytes: usize,
    outbox: Outbox,
    ending: Option<Ending>,
    upgrade: Upgrade,
    linger_until_ns: Option<u64>,
}

/// What follows an upgrade is not HTTP, and is not read as such.
#[derive(Debug)]
enum Upgrade {
    NotAsked,
    Asked,
    Answered(Box<Welcome>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    NotAsked,
    Asked,
    Given,
}

impl Connection {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            input: Vec::new(),
            wanted: 0,
            walked: Walked::default(),
            permission: Permission::NotAsked,
            received_ns: 0,
            deaf: false,
            ended_by_client: false,
            queue: VecDeque::new(),
            queue_bytes: 0,
            outbox: Outbox::default(),
            ending: None,
            upgrade: Upgrade::NotAsked,
            linger_until_ns: None,
        }
    }

    /// Takes in what one read brought, answers what is due.
    pub(crate) fn receive(&mut self, socket: &OwnedFd, bytes: &[u8], received_ns: u64, site: &mut Site) -> Fate {
        self.received_ns = received_ns;
        if self.input.is_empty() {
            // The usual read is one whole request, and nothing of it has to be kept.
            let used = self.parse(bytes, site);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            self.input.extend_from_slice(bytes);
            self.parse_input(site);
        }
        self.proceed(socket, received_ns, site)
    }

    /// The client sends no more. It may still want its answers, if there will be any.
    pub(crate) fn end_of_input(&mut self, socket: &OwnedFd, now_ns: u64, site: &mut Site) -> Fate {
        self.ended_by_client = true;
        self.deaf = true;
        self.input = Vec::new();
        let hopeless = self.queue.front().is_some_and(|first| first.due_ns == NEVER_NS);
        if hopeless || self.linger_until_ns.is_some() { Fate::Closed } else { self.proceed(socket, now_ns, site) }
    }

    /// Sends what is due and what the socket takes. Call it when a departure has come, when the
    /// socket is writable again, and after input.
    pub(crate) fn proceed(&mut self, socket: &OwnedFd, now_ns: u64, site: &mut Site) -> Fate {
        self.try_proceed(socket, now_ns, site).unwrap_or(Fate::Closed) // the client is gone: nobody to tell
    }

    /// The next moment at which this connection needs a look without any event on its socket.
    pub(crate) fn next_look(&self) -> Option<(u64, u64)> {
        if let Some(until_ns) = self.linger_until_ns {
            return Some((until_ns, 0));
        }
        let first = self.queue.front()?;
        let will_come = first.due_ns != NEVER_NS && self.outbox.is_empty();
        will_come.then_some((first.due_ns, first.seq))
    }

    /// The WebSocket that this has become, once all before it has been sent, and what came for it.
    pub(crate) fn upgraded(&mut self, token: u64, site: &Site) -> Option<(WebSocket, Vec<u8>)> {
        match std::mem::replace(&mut self.upgrade, Upgrade::NotAsked) {
            Upgrade::Answered(welcome) if self.outbox.is_empty() => {
                let feed_bytes = site.hub.feed.options.buffer_bytes;
                let web_socket = WebSocket::new(self.number, token, *welcome, feed_bytes);
                Some((web_socket, std::mem::take(&mut self.input)))
            }
            other => {
                self.upgrade = other;
                None
            }
        }
    }

    /// What epoll has to watch for.
    pub(crate) fn interest(&self) -> EventFlags {
        let mut interest = EventFlags::empty();
        if !self.ended_by_client && !self.is_full() && matches!(self.upgrade, Upgrade::NotAsked) {
            interest |= EventFlags::IN;
        }
        if !self.outbox.is_empty() {
            interest |= EventFlags::OUT;
        }
        interest
    }

    pub(crate) fn regate(&mut self, gate: &Gate, now_ns: u64) {
        for exchange in &mut self.queue {
            exchange.regate(gate, now_ns);
        }
    }

    /// Logs what will never be answered.
    pub(crate) fn abandon(&mut self, site: &mut Site) {
        for exchange in self.queue.drain(..) {
            site.depart(&exchange, self.number, false);
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= MOST_WAITING || self.queue_bytes >= MOST_WAITING_BYTES
    }

    fn parse_input(&mut self, site: &mut Site) {
        let mut input = std::mem::take(&mut self.input);
        let used = self.parse(&input, site);
        if used < input.len() {
            input.drain(..used);
            self.input = input; // else its memory is given back
        }
    }

    /// Reads as many requests as there are and as may wait; tells how many bytes are done with.
    fn parse(&mut self, bytes: &[u8], site: &mut Site) -> usize {
        let mut used = 0;
        while !self.deaf && !self.is_full() && matches!(self.upgrade, Upgrade::NotAsked) && used < bytes.len() {
            let rest = &bytes[used..];
            if rest.len() < self.wanted {
                return used;
            }
            let mut room = request::header_room();
            match request::parse(rest, &mut room, &mut self.walked) {
                Parsed::Complete { request, length } => {
                    used += length;
                    self.wanted = 0;
                    self.walked = Walked::default();
                    self.permission = Permission::NotAsked;
                    let exchange = site.accept(&request, self.received_ns);
                    self.enqueue(exchange);
                }
                Parsed::Partial { wanted, continues } => {
                    self.wanted = wanted;
                    if continues && self.permission == Permission::NotAsked {
                        self.permission = Permission::Asked;
                    }
                    return used;
                }
                Parsed::Refused { status } => self.enqueue(Exchange::refusal(status)),
            }
        }
        if self.deaf { bytes.len() } else { used }
    }

    fn enqueue(&mut self, exchange: Exchange) {
        // After /never nothing can follow, and an open ear notices when the client gives up.
        self.deaf = !exchange.manner.keep_alive || exchange.due_ns == NEVER_NS;
        if matches!(exchange.act, Act::Upgrade(_)) {
            (self.upgrade, self.deaf) = (Upgrade::Asked, false);
        }
        self.queue_bytes += exchange.held_bytes();
        self.queue.push_back(exchange);
    }

    fn try_proceed(&mut self, socket: &OwnedFd, now_ns: u64, site: &mut Site) -> Result<Fate, Errno> {
        loop {
            if !self.outbox.flush(socket)? {
                return Ok(Fate::Open);
            }
            if let Some(ending) = self.ending.take() {
                return self.end(socket, ending);
            }
            if matches!(self.upgrade, Upgrade::Answered(_)) {
                return Ok(Fate::Open);
            }
            if let Some(until_ns) = self.linger_until_ns {
                return Ok(if until_ns <= now_ns { Fate::Closed } else { Fate::Open });
            }
            let was_full = self.is_full();
            self.write_due(now_ns, site);
            if was_full && !self.is_full() {
                self.parse_input(site); // what had to wait in the input
            }
            if self.queue.is_empty() && self.permission == Permission::Asked {
                self.permission = Permission::Given;
                self.outbox.written.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            if self.outbox.is_empty() && self.ending.is_none() {
                let over = self.deaf && self.queue.is_empty();
                return Ok(if over { Fate::Closed } else { Fate::Open });
            }
        }
    }

    /// Writes the answers that are due, in order, up to the first one that has to be sent before
    /// another can be written.
    fn write_due(&mut self, now_ns: u64, site: &mut Site) {
        while self.outbox.has_room(BATCH_BYTES)
            && self.ending.is_none()
            && self.queue.front().is_some_and(|first| first.due_ns <= now_ns)
            && let Some(mut exchange) = self.queue.pop_front()
        {
            if let Act::Events(events) = &mut exchange.act {
                let is_event = events.has_begun();
                let follows_ns = events.write(exchange.manner, &mut self.outbox.written);
                if is_event {
                    site.depart(&exchange, self.number, true);
                }
                match follows_ns {
                    Some(after_ns) => self.queue.push_front(site.follow_up(exchange, after_ns)),
                    None if !exchange.manner.keep_alive => self.ending = Some(Ending::Close),
                    None => {}
                }
                continue;
            }
            self.queue_bytes -= exchange.held_bytes();
            let answered = matches!(exchange.act, Act::Answer(_) | Act::Upgrade(_));
            let hold_ns = site.depart(&exchange, self.number, answered);
            self.ending = match exchange.act {
                Act::Answer(_) if exchange.manner.keep_alive => None,
                Act::Answer(_) if exchange.is_refusal() => Some(Ending::Linger),
                Act::Answer(_) | Act::Drop => Some(Ending::Close),
                Act::Reset => Some(Ending::Reset),
                Act::Events(_) | Act::Upgrade(_) => None,
            };
            match exchange.act {
                Act::Answer(answer) => {
                    self.outbox.tail = answer.write(exchange.manner, hold_ns, &mut self.outbox.written);
                }
                Act::Upgrade(welcome) => {
                    welcome.write(&mut self.outbox.written);
                    self.upgrade = Upgrade::Answered(welcome);
                    return;
                }
                Act::Events(_) | Act::Drop | Act::Reset => {}
            }
        }
    }

    fn end(&mut self, socket: &OwnedFd, ending: Ending) -> Result<Fate, Errno> {
        match ending {
            Ending::Linger if !self.ended_by_client => {
                shutdown(socket, Shutdown::Write)?;
                self.linger_until_ns = Some(now_ns() + LINGER_NS);
                return Ok(Fate::Open);
            }
            Ending::Reset => sockopt::set_socket_linger(socket, Some(Duration::ZERO))?,
            Ending::Close | Ending::Linger => {}
        }
        Ok(Fate::Closed)
    }
}
