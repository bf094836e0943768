//! The connections of a worker: which are idle, which carry a request, which may still be opened. No I/O here.

use crate::http::response::ResponseReader;
use crate::reactor::Slot;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its slot is free.
    Closed,
    /// Being made, for a request that waits for it.
    Connecting,
    /// Carrying a request.
    Busy,
    /// Ready for the next one.
    Idle,
}

/// A connection and the request on it.
#[derive(Debug)]
pub struct Connection {
    /// What it is doing.
    pub state: State,
    /// When its request was due.
    pub due_ns: u64,
    /// When the connection was begun, then when its request was sent.
    pub since_ns: u64,
    /// When the first byte of the response was read; 0 before.
    pub first_byte_ns: u64,
    /// Bytes read for the request.
    pub received: u64,
    /// The response so far.
    pub reader: ResponseReader,
}

/// What [`Pool::acquire`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// This connection is ready.
    Idle(Slot),
    /// This slot is free: connect it.
    Fresh(Slot),
    /// All connections that are allowed carry requests.
    Full,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    connections: Vec<Connection>,
    idle: Vec<Slot>,
    free: Vec<Slot>,
    open: usize,
    cap: usize,
    is_head: bool,
}

impl Pool {
    /// An empty pool that may grow to `cap` connections, for requests that are HEAD or are not.
    pub fn new(cap: usize, is_head: bool) -> Self {
        Self {
            connections: Vec::new(),
            idle: Vec::new(),
            free: Vec::new(),
            open: 0,
            cap,
            is_head,
        }
    }

    /// Finds a connection for a request. The one used last comes first: it is warm, and those that are not needed any
    /// more stay idle.
    #[inline]
    pub fn acquire(&mut self) -> Acquired {
        if let Some(slot) = self.idle.pop() {
            return Acquired::Idle(slot);
        }
        if self.open >= self.cap {
            return Acquired::Full;
        }
        self.open += 1;
        Acquired::Fresh(self.free.pop().unwrap_or_else(|| {
            self.connections.push(Connection {
                state: State::Closed,
                due_ns: 0,
                since_ns: 0,
                first_byte_ns: 0,
                received: 0,
                reader: ResponseReader::new(self.is_head),
            });
            self.connections.len() as Slot - 1
        }))
    }

    /// The connection of a slot.
    #[inline]
    pub fn get(&mut self, slot: Slot) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// Its request is done and it may carry another.
    #[inline]
    pub fn idle(&mut self, slot: Slot) {
        self.get(slot).state = State::Idle;
        self.idle.push(slot);
    }

    /// It was closed: the slot is free.
    pub fn closed(&mut self, slot: Slot) {
        if self.get(slot).state == State::Idle {
            self.idle.retain(|&idle| idle != slot);
        }
        let reader = ResponseReader::new(self.is_head);
        let connection = self.get(slot);
        connection.state = State::Closed;
        connection.reader = reader;
        self.free.push(slot);
        self.open -= 1;
    }

    /// Connections that are open or being opened.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Those that carry a request or are being made for one.
    pub fn in_flight(&self) -> usize {
        self.open - self.idle.len()
    }

    /// Slots whose present step began before an instant, with what they do.
    pub fn started_before(&self, ns: u64) -> Vec<Slot> {
        let slow =
            |c: &Connection| matches!(c.state, State::Connecting | State::Busy) && c.since_ns < ns;
        (0..)
            .zip(&self.connections)
            .filter(|(_, c)| slow(c))
            .map(|(slot, _)| slot)
            .collect()
    }
}
