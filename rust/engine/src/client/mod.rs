//! The client: connections to the target, each carrying one request at a time or several, and what became of them. It
//! neither decides when to send nor counts anything: the loop that owns it does.
//!
//! ```text
//!   connect ─▶ opening ─▶ acquire ─▶ send ─▶ single, layered or shared ─▶ handle, next_more: what became of it
//!                                                     ending ◀─ handle, expire, leave
//! ```

mod ending;
mod layered;
pub mod news;
mod opening;
mod shared;
mod single;
pub mod sockets;
mod streaming;
mod timers;
mod wear;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

pub use opening::Origin;
use shared::Again;
use timers::Timers;
pub use wear::Wear;

use crate::clock::now_ns;
use crate::http::head::HeadReader;
use crate::http::response::Shape;
use crate::http2::translations::Translations;
use crate::multiplexed::{Ended, Limits};
use crate::outcome::{ErrorKind, Outcome};
use crate::pool::{Pool, Sending, State};
use crate::reactor::{Event, Reactor, Slot};
use crate::streamed::Piece;
use crate::upload::{Sender, Upload};

/// What an event means for whoever waits.
#[derive(Clone, Copy, Debug)]
pub enum Happened {
    /// Nothing yet.
    Nothing,
    /// A connection is ready; it took this long to make.
    Connected {
        /// Where it leads.
        origin: usize,
        /// Until there was a socket, and a tunnel where one is needed.
        took_ns: u64,
        /// And from then on until TLS stood, where it is used.
        tls_ns: Option<u64>,
    },
    /// A connection could not be made.
    ConnectFailed {
        /// Where it was to lead.
        origin: usize,
        /// Why not.
        kind: ErrorKind,
        /// Who has waited since before then fails with it: it was to carry all of them. At least one does.
        since_ns: u64,
    },
    /// A request that one write did not take as a whole is written.
    Sent {
        /// The label under which it counts.
        label: usize,
        /// From its first byte to its last.
        took_ns: u64,
    },
    /// A request ended.
    Ended(Outcome),
    /// Something of a connection that is, or becomes, a socket.
    Socket {
        /// Its connection.
        slot: Slot,
        /// What its owner knows it by.
        token: u64,
        /// What it is.
        step: sockets::Step,
    },
}

/// See the module.
pub struct Client<R> {
    /// What moves the bytes.
    pub reactor: R,
    pool: Pool,
    heads: HeadReader,
    origins: Vec<Origin>,
    connect_timeout_ns: u64,
    shortest_timeout_ns: u64,
    /// How much of a response may come over HTTP/2 that nobody has taken.
    pub window_bytes: u32,
    wear: Wear,
    sources: Vec<IpAddr>,
    /// Turns taken by the sources.
    bound: usize,
    answer: Answer,
    /// What the layers made of the bytes that came last.
    plain: Vec<u8>,
    /// What layers want sent.
    out: Vec<u8>,
    translations: Translations,
    /// Shared connections with something to write.
    unflushed: Vec<Slot>,
    timers: Timers,
    /// Requests on shared connections that have ended.
    ended: Vec<Ended>,
    /// Requests that a peer left without having looked at them: they go out once more, as any client would send them.
    again: VecDeque<Again>,
    /// What happened beside what was told of last.
    more: VecDeque<(Happened, Answer)>,
    /// What came of responses that are streamed, before what is told of their ends.
    pub pieces: Vec<Piece>,
    /// Requests that wait for the next piece of a body that is made while it is sent: where they are, and their tokens.
    pub hungry: Vec<(Slot, u64)>,
    sockets: sockets::Shared,
    /// What has happened to sockets whose owner looks later.
    pub news: Vec<news::News>,
}

/// Where the bytes of the last response are that was kept.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    /// Still in the reactor's buffer, or behind the layers.
    Whole(Shape),
    /// What the layers have made of it.
    Unwrapped(Shape),
    /// It came in pieces.
    Pieces(Shape, Vec<u8>),
}

impl<R: Reactor> Client<R> {
    /// A client with at most `cap` connections, each to be made within a time, from these addresses in turns.
    pub fn new(reactor: R, cap: usize, connect_timeout_ns: u64, wear: Wear, sources: Vec<IpAddr>) -> Self {
        Self {
            reactor,
            pool: Pool::new(cap),
            heads: HeadReader::default(),
            origins: Vec::new(),
            connect_timeout_ns,
            shortest_timeout_ns: connect_timeout_ns,
            window_bytes: Limits::default().window_bytes,
            wear,
            sources,
            bound: 0,
            answer: Answer::None,
            plain: Vec::new(),
            out: Vec::new(),
            translations: Translations::default(),
            unflushed: Vec::new(),
            timers: Timers::default(),
            ended: Vec::new(),
            again: VecDeque::new(),
            more: VecDeque::new(),
            pieces: Vec::new(),
            hungry: Vec::new(),
            sockets: sockets::Shared::default(),
            news: Vec::new(),
        }
    }

    /// One more place that requests may go to.
    pub fn add_origin(&mut self, origin: Origin) -> usize {
        self.origins.push(origin);
        self.pool.add_origin()
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// There are to be more users. Where each could have a connection, each still can.
    pub fn follow_users(&mut self, users_before: u64, users: u64) {
        if users_before <= self.pool.cap() as u64 {
            self.pool.raise_cap(users as usize);
        }
    }

    /// Takes a connection that is ready, if there is one.
    #[inline]
    pub fn acquire(&mut self, origin: usize) -> Option<Slot> {
        self.acquire_for(origin, 0)
    }

    /// Takes a connection of an owner's that is ready, or one that becomes its own; 0: of anybody's.
    #[inline]
    pub fn acquire_for(&mut self, origin: usize, owner: usize) -> Option<Slot> {
        loop {
            let slot = if owner == 0 { self.pool.acquire(origin) } else { self.pool.acquire_for(origin, owner) }?;
            if !self.wear.is_limited() || !self.is_worn(slot) {
                return Some(slot);
            }
            self.pool.release();
            match &mut self.pool.get(slot).shared {
                Some(shared) if shared.in_flight() > 0 => shared.retire(),
                _ => self.close(slot),
            }
        }
    }

    /// Closes the connections of an owner: it begins anew, or is gone.
    pub fn disown(&mut self, owner: usize) {
        while let Some(slot) = self.pool.disown(owner) {
            self.close(slot);
        }
    }

    /// Writes a request on a connection that was acquired; a body that is read while it is sent follows piece by piece.
    /// How many bytes that are; what HTTP/2 makes of it, and how long that body was, the outcome tells.
    #[inline]
    pub fn send(
        &mut self,
        slot: Slot,
        now: u64,
        request: &Rc<[u8]>,
        upload: Option<&Rc<Upload>>,
        sending: Sending,
    ) -> u64 {
        let connection = self.pool.get(slot);
        if connection.state == State::Shared {
            self.send_shared(slot, now, request, upload, sending);
            return 0;
        }
        connection.state = State::Busy;
        connection.sending = sending;
        connection.since_ns = now;
        connection.deadline_ns = now.saturating_add(sending.timeout_ns);
        connection.first_byte_ns = 0;
        connection.received = 0;
        connection.is_held = false;
        connection.reader.expect(sending.is_head);
        connection.upload = upload.map(|upload| Box::new(Sender::new(upload, now)));
        let is_layered = connection.layers.is_some();
        self.mind(sending.timeout_ns);
        if !is_layered {
            self.reactor.send(slot, request);
        } else if !self.send_through_layers(slot, now, request) {
            return 0;
        }
        match upload {
            Some(upload) if !upload.expects_continue => self.reactor.tell_written(slot),
            None if self.reactor.is_sending(slot) => self.reactor.tell_written(slot),
            _ => {}
        }
        request.len() as u64
    }

    /// The labels of requests that are under way, or have ended and were not told of yet.
    pub fn labels_in_flight(&self) -> impl Iterator<Item = usize> {
        let untold = self.more.iter().filter_map(|(happened, _)| match happened {
            Happened::Ended(outcome) => Some(outcome.label),
            _ => None,
        });
        self.pool.labels_in_flight().chain(self.again.iter().map(|again| again.sending.label)).chain(untold)
    }

    /// What else has happened: over HTTP/2 one event may tell of many requests.
    #[inline]
    pub fn next_more(&mut self) -> Option<Happened> {
        let (happened, answer) = self.more.pop_front()?;
        self.answer = answer;
        Some(happened)
    }

    /// Whether there is something that [`Client::next_more`] has to tell.
    #[inline]
    pub fn has_more(&self) -> bool {
        !self.more.is_empty()
    }

    /// How much that is.
    #[inline]
    pub fn count_more(&self) -> usize {
        self.more.len()
    }

    /// There is a request with this timeout: looks at what has expired must be as frequent as it asks for.
    #[inline]
    pub fn mind(&mut self, timeout_ns: u64) {
        self.shortest_timeout_ns = self.shortest_timeout_ns.min(timeout_ns);
    }

    /// What an event of the reactor means, and the instant at which it was looked at.
    #[inline]
    pub fn handle(&mut self, event: Event) -> (Happened, u64) {
        let now = now_ns();
        let happened = match event {
            Event::Received(slot) => self.received(slot, now),
            Event::Connected(slot) => self.connected(slot, now),
            Event::Ended(slot, error) => self.ended(slot, now, error),
            Event::Written(slot) => self.written(slot, now),
            Event::Control | Event::Foreign(..) => Happened::Nothing,
        };
        (happened, now)
    }

    #[inline]
    fn idle(&mut self, slot: Slot, now: u64) {
        self.pool.get(slot).idle_since_ns = now;
        self.pool.idle(slot);
    }

    /// The bytes of the response that the last [`Happened::Ended`] told of, if they were to be kept.
    pub fn answer(&self) -> Option<(Shape, &[u8])> {
        match &self.answer {
            Answer::None => None,
            Answer::Whole(shape) => Some((*shape, self.reactor.received())),
            Answer::Unwrapped(shape) => Some((*shape, &self.plain)),
            Answer::Pieces(shape, bytes) => Some((*shape, bytes)),
        }
    }
}
