//! The client: connections to the target, each carrying one request at a time, and what became of it. It neither
//! decides when to send nor counts anything: the loop that owns it does.

use std::net::SocketAddr;
use std::rc::Rc;

use rustix::io::Errno;

use crate::clock::{SECOND, now_ns};
use crate::http::head::HeadReader;
use crate::http::response::{Progress, Shape};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::{Pool, Sending, State};
use crate::reactor::{Event, Reactor, Slot};

/// What an event means for whoever waits.
#[derive(Clone, Copy, Debug)]
pub enum Happened {
    /// Nothing yet.
    Nothing,
    /// A connection is ready; it took this long to make.
    Connected {
        /// From the start of connecting.
        took_ns: u64,
    },
    /// A connection could not be made.
    ConnectFailed {
        /// Where it was to lead.
        origin: usize,
        /// Why not.
        kind: ErrorKind,
    },
    /// A request ended.
    Ended(Outcome),
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
    answer: Answer,
}

/// Where requests go: addresses, dealt round-robin.
struct Origin {
    addresses: Vec<SocketAddr>,
    next: usize,
}

/// Where the bytes of the last response are that was kept.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    /// Still in the reactor's buffer.
    Whole(Shape),
    /// It came in pieces.
    Pieces(Shape, Vec<u8>),
}

impl<R: Reactor> Client<R> {
    /// A client with at most `cap` connections, each to be made within a time.
    pub fn new(reactor: R, cap: usize, connect_timeout_ns: u64) -> Self {
        Self {
            reactor,
            pool: Pool::new(cap),
            heads: HeadReader::default(),
            origins: Vec::new(),
            connect_timeout_ns,
            shortest_timeout_ns: connect_timeout_ns,
            answer: Answer::None,
        }
    }

    /// One more place that requests may go to: its addresses are dealt round-robin from the `first`.
    pub fn add_origin(&mut self, addresses: Vec<SocketAddr>, first: usize) -> usize {
        self.origins.push(Origin { addresses, next: first });
        self.pool.add_origin()
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a connection that is ready, if there is one.
    #[inline]
    pub fn acquire(&mut self, origin: usize) -> Option<Slot> {
        self.pool.acquire(origin)
    }

    /// Writes a request on a connection that was acquired.
    #[inline]
    pub fn send(&mut self, slot: Slot, now: u64, request: &Rc<[u8]>, sending: Sending) {
        let connection = self.pool.get(slot);
        connection.state = State::Busy;
        connection.sending = sending;
        connection.since_ns = now;
        connection.deadline_ns = now.saturating_add(sending.timeout_ns);
        connection.first_byte_ns = 0;
        connection.received = 0;
        connection.reader.expect(sending.is_head);
        self.mind(sending.timeout_ns);
        self.reactor.send(slot, request);
    }

    /// There is a request with this timeout: looks at what has expired must be as frequent as it asks for.
    #[inline]
    pub fn mind(&mut self, timeout_ns: u64) {
        self.shortest_timeout_ns = self.shortest_timeout_ns.min(timeout_ns);
    }

    /// Begins one more connection; `None` where the cap forbids it.
    pub fn connect(&mut self, origin: usize, now: u64) -> Option<Happened> {
        if self.pool.opened() >= self.pool.cap()
            && let Some(slot) = self.pool.spare(origin)
        {
            self.close(slot);
        }
        let slot = self.pool.open(origin, now, now.saturating_add(self.connect_timeout_ns))?;
        let Origin { addresses, next } = &mut self.origins[origin];
        let address = addresses[*next % addresses.len()];
        *next += 1;
        Some(match self.reactor.connect(slot, &address) {
            Ok(()) => Happened::Nothing,
            Err(error) => self.fail(slot, now, connect_error(error)),
        })
    }

    /// What an event of the reactor means, and the instant at which it was looked at.
    #[inline]
    pub fn handle(&mut self, event: Event) -> (Happened, u64) {
        let now = now_ns();
        let happened = match event {
            Event::Received(slot) => self.received(slot, now),
            Event::Connected(slot) => {
                let took_ns = now.saturating_sub(self.pool.get(slot).since_ns);
                self.pool.idle(slot);
                Happened::Connected { took_ns }
            }
            Event::Ended(slot, error) => self.ended(slot, now, error),
            Event::Control | Event::Foreign(..) => Happened::Nothing,
        };
        (happened, now)
    }

    #[inline]
    fn received(&mut self, slot: Slot, now: u64) -> Happened {
        let bytes = self.reactor.received();
        let connection = self.pool.get(slot);
        if connection.state != State::Busy {
            // Bytes that nobody asked for: whatever they are, the next response could not be told from them.
            self.close(slot);
            return Happened::Nothing;
        }
        let now = self.reactor.arrived_ns(now).max(connection.since_ns);
        if connection.first_byte_ns == 0 {
            connection.first_byte_ns = now;
        }
        connection.received += bytes.len() as u64;
        let progress = connection.reader.feed(bytes, &mut self.heads);
        if connection.sending.keeps {
            let whole = connection.kept.is_empty() && matches!(progress, Ok(Progress::Complete { .. }));
            if !whole {
                connection.kept.extend_from_slice(bytes);
            }
        }
        self.advance(slot, now, progress)
    }

    /// Puts the bytes of a response aside for whoever asked to see them.
    fn keep(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        let shape = connection.reader.shape();
        let kept = std::mem::take(&mut connection.kept);
        self.answer = if kept.is_empty() { Answer::Whole(shape) } else { Answer::Pieces(shape, kept) };
    }

    /// The bytes of the response that the last [`Happened::Ended`] told of, if they were to be kept.
    pub fn answer(&self) -> Option<(Shape, &[u8])> {
        match &self.answer {
            Answer::None => None,
            Answer::Whole(shape) => Some((*shape, self.reactor.received())),
            Answer::Pieces(shape, bytes) => Some((*shape, bytes)),
        }
    }

    fn advance(&mut self, slot: Slot, now: u64, progress: Result<Progress, ErrorKind>) -> Happened {
        match progress {
            Ok(Progress::More) => Happened::Nothing,
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if now > self.pool.get(slot).deadline_ns => {
                self.fail(slot, now, ErrorKind::Timeout)
            }
            Ok(Progress::Complete { status, reusable }) => {
                if self.pool.get(slot).sending.keeps {
                    self.keep(slot);
                }
                let outcome = self.outcome(slot, now, End::Response(status));
                if reusable && !self.reactor.is_sending(slot) {
                    self.pool.idle(slot);
                } else {
                    self.close(slot);
                }
                Happened::Ended(outcome)
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    fn ended(&mut self, slot: Slot, now: u64, error: Option<Errno>) -> Happened {
        let connection = self.pool.get(slot);
        match (connection.state, error) {
            (State::Connecting, error) => self.fail(slot, now, connect_error(error.unwrap_or(Errno::CONNRESET))),
            (State::Busy, None) => {
                let progress = connection.reader.close();
                self.advance(slot, now, progress)
            }
            (State::Busy, Some(Errno::TIMEDOUT)) => self.fail(slot, now, ErrorKind::Timeout),
            (State::Busy, Some(_)) => self.fail(slot, now, ErrorKind::Reset),
            (State::Idle, _) => {
                self.close(slot);
                Happened::Nothing
            }
            (State::Closed, _) => Happened::Nothing,
        }
    }

    /// Connections and requests that have taken longer than the timeout; each must be given to [`Client::expire`].
    pub fn expired(&self, now: u64) -> Vec<Slot> {
        self.pool.expired(now)
    }

    /// How long to leave between two looks at what has expired: a few looks per timeout, nothing armed per request.
    pub fn sweep_ns(&self) -> u64 {
        (self.shortest_timeout_ns / 16).clamp(SECOND / 1000, SECOND / 10)
    }

    /// Ends what has expired.
    pub fn expire(&mut self, slot: Slot, now: u64) -> Happened {
        let connecting = self.pool.get(slot).state == State::Connecting;
        self.fail(slot, now, if connecting { ErrorKind::ConnectTimeout } else { ErrorKind::Timeout })
    }

    /// A connection fails, and with it the request that it carries.
    fn fail(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        let happened = match self.pool.get(slot).state {
            State::Connecting => Happened::ConnectFailed { origin: self.pool.get(slot).origin, kind },
            _ => Happened::Ended(self.outcome(slot, now, End::Error(kind))),
        };
        self.close(slot);
        happened
    }

    #[inline]
    fn outcome(&mut self, slot: Slot, now: u64, end: End) -> Outcome {
        let connection = self.pool.get(slot);
        Outcome {
            due_ns: connection.sending.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
            label: connection.sending.label,
            token: connection.sending.token,
            bytes_received: connection.received,
            end,
        }
    }

    fn close(&mut self, slot: Slot) {
        self.reactor.close(slot);
        self.pool.closed(slot);
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
