//! The client: connections to the target, each carrying one request at a time, and what became of it. It neither
//! decides when to send nor counts anything: the loop that owns it does.

use std::net::SocketAddr;
use std::rc::Rc;

use rustix::io::Errno;

use crate::clock::{SECOND, now_ns};
use crate::http::head::HeadReader;
use crate::http::response::Progress;
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::{Pool, State};
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
    ConnectFailed(ErrorKind),
    /// A request ended.
    Ended(Outcome),
}

/// See the module.
pub struct Client<R> {
    /// What moves the bytes.
    pub reactor: R,
    pool: Pool,
    heads: HeadReader,
    addresses: Vec<SocketAddr>,
    next_address: usize,
    timeout_ns: u64,
}

impl<R: Reactor> Client<R> {
    /// A client of `addresses`, dealt round-robin from the `first`, with at most `cap` connections.
    pub fn new(reactor: R, addresses: Vec<SocketAddr>, first: usize, cap: usize, timeout_ns: u64) -> Self {
        Self { reactor, pool: Pool::new(cap), heads: HeadReader::default(), addresses, next_address: first, timeout_ns }
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a connection that is ready, if there is one.
    #[inline]
    pub fn acquire(&mut self) -> Option<Slot> {
        self.pool.acquire()
    }

    /// Writes a request on a connection that was acquired. `is_head`: its response will have no body.
    #[inline]
    pub fn send(&mut self, slot: Slot, due_ns: u64, now: u64, request: &Rc<[u8]>, is_head: bool) {
        let connection = self.pool.get(slot);
        connection.state = State::Busy;
        connection.due_ns = due_ns;
        connection.since_ns = now;
        connection.first_byte_ns = 0;
        connection.received = 0;
        connection.reader.expect(is_head);
        self.reactor.send(slot, request);
    }

    /// Begins one more connection; `None` where the cap forbids it.
    pub fn connect(&mut self, now: u64) -> Option<Happened> {
        let slot = self.pool.open(now)?;
        let address = self.addresses[self.next_address % self.addresses.len()];
        self.next_address += 1;
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
            Event::Control => Happened::Nothing,
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
        self.advance(slot, now, progress)
    }

    fn advance(&mut self, slot: Slot, now: u64, progress: Result<Progress, ErrorKind>) -> Happened {
        match progress {
            Ok(Progress::More) => Happened::Nothing,
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if now - self.pool.get(slot).since_ns > self.timeout_ns => {
                self.fail(slot, now, ErrorKind::Timeout)
            }
            Ok(Progress::Complete { status, reusable }) => {
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
        self.pool.started_before(now.saturating_sub(self.timeout_ns))
    }

    /// How long to leave between two looks at what has expired: a few looks per timeout, nothing armed per request.
    pub fn sweep_ns(&self) -> u64 {
        (self.timeout_ns / 16).clamp(SECOND / 1000, SECOND / 10)
    }

    /// Ends what has expired.
    pub fn expire(&mut self, slot: Slot, now: u64) -> Happened {
        let connecting = self.pool.get(slot).state == State::Connecting;
        self.fail(slot, now, if connecting { ErrorKind::ConnectTimeout } else { ErrorKind::Timeout })
    }

    /// A connection fails, and with it the request that it carries.
    fn fail(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        let happened = match self.pool.get(slot).state {
            State::Connecting => Happened::ConnectFailed(kind),
            _ => Happened::Ended(self.outcome(slot, now, End::Error(kind))),
        };
        self.close(slot);
        happened
    }

    #[inline]
    fn outcome(&mut self, slot: Slot, now: u64, end: End) -> Outcome {
        let connection = self.pool.get(slot);
        Outcome {
            due_ns: connection.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
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
