//! The connections of a worker: which are idle, which carry a request, which may still be opened. No I/O here.

use crate::http::response::ResponseReader;
use crate::reactor::Slot;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its slot is free.
    Closed,
    /// Being made. No request is tied to it: who waits takes whichever connection is ready first.
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
    /// When connecting began, then when its request was sent.
    pub since_ns: u64,
    /// When the first byte of the response was read; 0 before.
    pub first_byte_ns: u64,
    /// Bytes read for the request.
    pub received: u64,
    /// The response so far.
    pub reader: ResponseReader,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    connections: Vec<Connection>,
    idle: Vec<Slot>,
    free: Vec<Slot>,
    opened: usize,
    connecting: usize,
    cap: usize,
}

impl Pool {
    /// An empty pool that may grow to `cap` connections.
    pub fn new(cap: usize) -> Self {
        Self { connections: Vec::new(), idle: Vec::new(), free: Vec::new(), opened: 0, connecting: 0, cap }
    }

    /// Takes a connection that is ready. The one used last comes first: it is warm, and those that are not needed any
    /// more stay idle.
    #[inline]
    pub fn acquire(&mut self) -> Option<Slot> {
        self.idle.pop()
    }

    /// A slot to connect, unless the cap is reached.
    pub fn open(&mut self, now: u64) -> Option<Slot> {
        if self.opened >= self.cap {
            return None;
        }
        self.opened += 1;
        self.connecting += 1;
        let fresh = Connection {
            state: State::Connecting,
            due_ns: 0,
            since_ns: now,
            first_byte_ns: 0,
            received: 0,
            reader: ResponseReader::default(),
        };
        let slot = self.free.pop().unwrap_or(self.connections.len() as Slot);
        if slot as usize == self.connections.len() {
            self.connections.push(fresh);
        } else {
            *self.get(slot) = fresh;
        }
        Some(slot)
    }

    /// The connection of a slot.
    #[inline]
    pub fn get(&mut self, slot: Slot) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// It is connected, or its request is done: it may carry the next.
    #[inline]
    pub fn idle(&mut self, slot: Slot) {
        let connection = self.get(slot);
        if connection.state == State::Connecting {
            self.connecting -= 1;
        }
        self.get(slot).state = State::Idle;
        self.idle.push(slot);
    }

    /// It was closed: the slot is free.
    pub fn closed(&mut self, slot: Slot) {
        match self.get(slot).state {
            State::Idle => self.idle.retain(|&idle| idle != slot),
            State::Connecting => self.connecting -= 1,
            State::Busy | State::Closed => {}
        }
        self.get(slot).state = State::Closed;
        self.free.push(slot);
        self.opened -= 1;
    }

    /// Connections that are open or being opened.
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Those being opened.
    pub fn connecting(&self) -> usize {
        self.connecting
    }

    /// Those that carry a request.
    pub fn in_flight(&self) -> usize {
        self.opened - self.connecting - self.idle.len()
    }

    /// Slots whose present step, connecting or a request, began before an instant.
    pub fn started_before(&self, ns: u64) -> Vec<Slot> {
        let slow = |c: &Connection| matches!(c.state, State::Connecting | State::Busy) && c.since_ns < ns;
        (0..).zip(&self.connections).filter(|(_, c)| slow(c)).map(|(slot, _)| slot).collect()
    }
}
