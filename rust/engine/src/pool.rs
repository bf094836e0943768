//! The connections of a worker: which are idle, which carry a request, which may still be opened. No I/O here.

use crate::client::sockets::Purpose;
use crate::http::response::ResponseReader;
use crate::layers::Layers;
use crate::multiplexed::Multiplexed;
use crate::reactor::Slot;
use crate::upload::Sender;

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
    /// Carrying any number of requests, over HTTP/2 or 3.
    Shared,
    /// A socket's own, from its handshake on.
    Socket,
}

/// A connection and the request on it.
#[derive(Debug)]
pub struct Connection {
    /// What it is doing.
    pub state: State,
    /// Where it leads.
    pub origin: usize,
    /// What its request is.
    pub sending: Sending,
    /// When what it does has taken too long.
    pub deadline_ns: u64,
    /// When connecting began, then when its request was sent.
    pub since_ns: u64,
    /// When connecting began.
    pub born_ns: u64,
    /// When it last had nothing more to do.
    pub idle_since_ns: u64,
    /// When the first byte of the response was read; 0 before.
    pub first_byte_ns: u64,
    /// Bytes read for the request.
    pub received: u64,
    /// The response so far.
    pub reader: ResponseReader,
    /// Its bytes, where they are kept and came in several pieces.
    pub kept: Vec<u8>,
    /// Whoever reads it as it comes cannot take more for now.
    pub is_held: bool,
    /// The body of its request, while that is being sent in pieces.
    pub upload: Option<Box<Sender>>,
    /// What lies between the socket and HTTP; `None` where nothing does.
    pub layers: Option<Box<Layers>>,
    /// What carries several requests at once.
    pub shared: Option<Box<dyn Multiplexed>>,
    /// What it is for, where that is a socket.
    pub socket: Option<Box<Purpose>>,
    /// One that is shared can be acquired.
    pub is_offered: bool,
}

impl Connection {
    /// One that is shared carries a request, at least.
    pub fn is_in_use(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.in_flight() > 0)
    }
}

/// A request, as far as the connection that carries it must know.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Sending {
    /// When it was due.
    pub due_ns: u64,
    /// How long its response may take, from sending on; where it is streamed, its head.
    pub timeout_ns: u64,
    /// Where it is streamed, how long its body may pause.
    pub idle_ns: u64,
    /// The label under which it counts.
    pub label: usize,
    /// Whatever the sender knows it by.
    pub token: u64,
    /// Its response has no body, whatever the headers say.
    pub is_head: bool,
    /// Somebody wants to read the response.
    pub keeps: bool,
    /// Of that, no more than its head.
    pub only_head: bool,
    /// Somebody wants to read it as it comes.
    pub streams: bool,
    /// A peer has already gone away without looking at it.
    pub is_second: bool,
    /// Whose connection is to carry it, and nobody else's from then on; 0: anybody's.
    pub owner: usize,
}

/// The connections to one origin that do not carry a request.
#[derive(Debug, Default)]
struct Origin {
    idle: Vec<Slot>,
    connecting: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    connections: Vec<Connection>,
    origins: Vec<Origin>,
    /// The idle connections of each owner.
    owned: Vec<Vec<Slot>>,
    free: Vec<Slot>,
    opened: usize,
    in_flight: usize,
    cap: usize,
}

impl Pool {
    /// An empty pool that may grow to `cap` connections.
    pub fn new(cap: usize) -> Self {
        let (connections, origins, owned, free) = Default::default();
        Self { connections, origins, owned, free, opened: 0, in_flight: 0, cap }
    }

    /// One more place for connections to lead to; its number.
    pub fn add_origin(&mut self) -> usize {
        self.origins.push(Origin::default());
        self.origins.len() - 1
    }

    /// Takes a connection that is ready. The one used last comes first: it is warm, and those that are not needed any
    /// more stay idle.
    #[inline]
    pub fn acquire(&mut self, origin: usize) -> Option<Slot> {
        let slot = self.origins[origin].idle.pop()?;
        self.in_flight += 1;
        self.get(slot).is_offered = false;
        Some(slot)
    }

    /// The same for an owner, whose own come before those that nobody has used.
    #[inline]
    pub fn acquire_for(&mut self, origin: usize, owner: usize) -> Option<Slot> {
        let connections = &self.connections;
        let own = self.owned.get_mut(owner).and_then(|own| {
            let place = own.iter().position(|&slot| connections[slot as usize].origin == origin)?;
            Some(own.swap_remove(place))
        });
        if own.is_some() {
            self.in_flight += 1;
        }
        own.or_else(|| self.acquire(origin))
    }

    /// An idle connection of an owner's, which is its own no more. It is to be closed.
    pub fn disown(&mut self, owner: usize) -> Option<Slot> {
        self.owned.get_mut(owner)?.pop()
    }

    /// A shared connection has room for another request.
    pub fn offer(&mut self, slot: Slot) {
        let connection = self.get(slot);
        let origin = connection.origin;
        if !std::mem::replace(&mut connection.is_offered, true) {
            self.origins[origin].idle.push(slot);
        }
    }

    /// It is connected, and shared from now on.
    pub fn share(&mut self, slot: Slot) {
        let connection = self.get(slot);
        let origin = connection.origin;
        connection.state = State::Shared;
        self.origins[origin].connecting -= 1;
        self.offer(slot);
    }

    /// It is connected, and a socket's from now on.
    pub fn seat(&mut self, slot: Slot) {
        let connection = self.get(slot);
        let origin = connection.origin;
        connection.state = State::Socket;
        self.origins[origin].connecting -= 1;
    }

    /// Requests on shared connections have ended.
    pub fn ended(&mut self, requests: usize) {
        self.in_flight -= requests;
    }

    /// What was acquired carries no request after all. It is acquired no more until it is told to be idle, or offered.
    pub fn release(&mut self) {
        self.in_flight -= 1;
    }

    /// An idle connection that leads elsewhere, and could be closed to make room for one to `origin`.
    pub fn spare(&self, origin: usize) -> Option<Slot> {
        let others = self.origins.iter().enumerate().filter(|(number, _)| *number != origin);
        let mut idle = others.flat_map(|(_, other)| &other.idle).copied();
        idle.find(|&slot| !self.connections[slot as usize].is_in_use())
    }

    /// A slot to connect, unless the cap is reached.
    pub fn open(&mut self, origin: usize, now: u64, deadline_ns: u64) -> Option<Slot> {
        if self.opened >= self.cap {
            return None;
        }
        self.opened += 1;
        self.origins[origin].connecting += 1;
        let fresh = Connection {
            state: State::Connecting,
            origin,
            sending: Sending::default(),
            deadline_ns,
            since_ns: now,
            born_ns: now,
            idle_since_ns: now,
            first_byte_ns: 0,
            received: 0,
            reader: ResponseReader::default(),
            kept: Vec::new(),
            is_held: false,
            upload: None,
            layers: None,
            shared: None,
            socket: None,
            is_offered: false,
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
        let (origin, was) = (connection.origin, connection.state);
        connection.state = State::Idle;
        self.leave(origin, was, slot);
        self.idle_beside(slot).push(slot);
    }

    /// Those that are idle beside it: of its owner, or of all to its origin.
    fn idle_beside(&mut self, slot: Slot) -> &mut Vec<Slot> {
        let Connection { origin, sending: Sending { owner, .. }, .. } = self.connections[slot as usize];
        if owner == 0 {
            return &mut self.origins[origin].idle;
        }
        if self.owned.len() <= owner {
            self.owned.resize_with(owner + 1, Vec::new);
        }
        &mut self.owned[owner]
    }

    fn leave(&mut self, origin: usize, state: State, slot: Slot) {
        match state {
            State::Idle | State::Shared => self.idle_beside(slot).retain(|&idle| idle != slot),
            State::Connecting => self.origins[origin].connecting -= 1,
            State::Busy => self.in_flight -= 1,
            State::Socket | State::Closed => {}
        }
    }

    /// It was closed: the slot is free.
    pub fn closed(&mut self, slot: Slot) {
        let connection = self.get(slot);
        let (origin, was) = (connection.origin, connection.state);
        connection.state = State::Closed;
        connection.kept = Vec::new();
        connection.upload = None;
        connection.layers = None;
        connection.shared = None;
        connection.socket = None;
        self.leave(origin, was, slot);
        self.free.push(slot);
        self.opened -= 1;
    }

    /// Those that are not free.
    pub fn open_slots(&self) -> Vec<Slot> {
        let is_open = |c: &Connection| c.state != State::Closed;
        (0..).zip(&self.connections).filter(|(_, c)| is_open(c)).map(|(slot, _)| slot).collect()
    }

    /// How many there may be.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// There may be that many, or more.
    pub fn raise_cap(&mut self, cap: usize) {
        self.cap = self.cap.max(cap);
    }

    /// Connections that are open or being opened.
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Those to an origin that are being opened.
    pub fn connecting(&self, origin: usize) -> usize {
        self.origins[origin].connecting
    }

    /// Those that carry a request.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The labels of the requests that connections carry.
    pub fn labels_in_flight(&self) -> impl Iterator<Item = usize> {
        let single = |c: &Connection| (c.state == State::Busy).then_some(c.sending.label);
        let shared = |c: &Connection| c.shared.as_ref().map(|shared| shared.labels());
        self.connections.iter().flat_map(move |c| single(c).into_iter().chain(shared(c).into_iter().flatten()))
    }

    /// Where the request with a token is, among those that are streamed.
    pub fn streaming(&self, token: u64) -> Option<Slot> {
        let single = |c: &Connection| c.state == State::Busy && c.sending.streams && c.sending.token == token;
        let shared = |c: &Connection| c.shared.as_ref().is_some_and(|shared| shared.is_streaming(token));
        (0..).zip(&self.connections).find(|(_, c)| single(c) || shared(c)).map(|(slot, _)| slot)
    }

    /// Slots whose present step, connecting or a request, has taken too long.
    pub fn expired(&self, now: u64) -> Vec<Slot> {
        let slow = |c: &Connection| match c.state {
            State::Connecting => c.deadline_ns < now,
            State::Busy => c.deadline_ns < now || c.upload.as_ref().is_some_and(|upload| upload.is_over(now)),
            // Each of its requests has a time of its own.
            State::Shared => true,
            State::Socket => !c.is_held && c.socket.as_ref().is_some_and(|socket| socket.is_due(now)),
            State::Idle | State::Closed => false,
        };
        (0..).zip(&self.connections).filter(|(_, c)| slow(c)).map(|(slot, _)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const CAP: usize = 3;

    /// What the owner of a pool may do with a connection next, in as few words as it can be said.
    #[derive(Clone, Copy, Debug)]
    struct Known {
        origin: usize,
        state: State,
        /// Requests that it carries.
        requests: usize,
        /// It can be acquired.
        is_ready: bool,
    }

    fn check(pool: &Pool, model: &HashMap<Slot, Known>) -> Result<(), TestCaseError> {
        prop_assert_eq!(pool.opened(), model.len());
        prop_assert_eq!(pool.in_flight(), model.values().map(|known| known.requests).sum::<usize>());
        for origin in 0..2 {
            let of_origin = || model.iter().filter(|(_, known)| known.origin == origin);
            let connecting = of_origin().filter(|(_, known)| known.state == State::Connecting).count();
            prop_assert_eq!(pool.connecting(origin), connecting);
            let mut ready: Vec<Slot> = of_origin().filter(|(_, known)| known.is_ready).map(|(slot, _)| *slot).collect();
            let mut idle = pool.origins[origin].idle.clone();
            ready.sort_unstable();
            idle.sort_unstable();
            prop_assert_eq!(idle, ready, "each that is ready, and each once");
        }
        Ok(())
    }

    /// A connection that carries a request of an owner's.
    fn busy(pool: &mut Pool, slot: Slot, owner: usize) {
        let connection = pool.get(slot);
        (connection.state, connection.sending) = (State::Busy, Sending { owner, ..Sending::default() });
    }

    #[test]
    fn what_an_owner_has_used_is_nobody_elses() {
        let mut pool = Pool::new(CAP);
        let origins = [pool.add_origin(), pool.add_origin()];
        let slots = origins.map(|origin| pool.open(origin, 0, 0).unwrap());
        for slot in slots {
            pool.idle(slot);
        }
        assert_eq!(pool.acquire_for(origins[0], 7), Some(slots[0]), "one that nobody has used is anybody's");
        busy(&mut pool, slots[0], 7);
        pool.idle(slots[0]);
        assert_eq!((pool.acquire(origins[0]), pool.acquire_for(origins[0], 8)), (None, None));
        assert_eq!(pool.acquire_for(origins[1], 7), Some(slots[1]), "to elsewhere it has none yet");
        assert_eq!(pool.acquire_for(origins[0], 7), Some(slots[0]));
        assert_eq!(pool.in_flight(), 2);
        for slot in slots {
            busy(&mut pool, slot, 7);
            pool.idle(slot);
        }
        pool.closed(slots[0]);
        assert_eq!((pool.disown(7), pool.disown(7), pool.disown(8)), (Some(slots[1]), None, None));
        pool.closed(slots[1]);
        assert_eq!((pool.opened(), pool.in_flight()), (0, 0));
    }

    proptest! {
        #[test]
        fn no_connection_is_ready_twice_and_no_request_is_forgotten(
            steps in prop::collection::vec((0u8..8, 0usize..2, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut pool = Pool::new(CAP);
            let mut model: HashMap<Slot, Known> = HashMap::new();
            pool.add_origin();
            pool.add_origin();
            for (step, origin, which) in steps {
                let mut slots: Vec<Slot> = model.keys().copied().collect();
                slots.sort_unstable();
                let slot = (!slots.is_empty()).then(|| *which.get(&slots));
                let known = slot.and_then(|slot| model.get_mut(&slot));
                match (step, slot, known) {
                    (0, ..) => {
                        let opened = pool.open(origin, 0, 0);
                        prop_assert_eq!(opened.is_some(), model.len() < CAP);
                        let fresh = Known { origin, state: State::Connecting, requests: 0, is_ready: false };
                        let before = opened.and_then(|slot| model.insert(slot, fresh));
                        prop_assert!(before.is_none(), "a slot is free before it is taken");
                    }
                    (1, Some(slot), Some(known)) if known.state == State::Connecting => {
                        (known.state, known.is_ready) = (State::Idle, true);
                        pool.idle(slot);
                    }
                    (2, Some(slot), Some(known)) if known.state == State::Connecting => {
                        (known.state, known.is_ready) = (State::Shared, true);
                        pool.share(slot);
                    }
                    (3, ..) => {
                        let acquired = pool.acquire(origin);
                        let is_any = model.values().any(|known| known.origin == origin && known.is_ready);
                        prop_assert_eq!(acquired.is_some(), is_any);
                        let Some(slot) = acquired else { continue };
                        let known = model.get_mut(&slot).unwrap();
                        prop_assert!(known.is_ready && known.origin == origin);
                        known.is_ready = false;
                        known.requests += 1;
                        if known.state == State::Idle {
                            pool.get(slot).state = State::Busy;
                            known.state = State::Busy;
                        }
                    }
                    (4, Some(slot), Some(known)) if known.state == State::Busy => {
                        *known = Known { state: State::Idle, requests: 0, is_ready: true, ..*known };
                        pool.idle(slot);
                    }
                    (5, Some(slot), Some(known)) if known.state == State::Shared => {
                        known.is_ready = true;
                        pool.offer(slot);
                    }
                    (6, Some(_), Some(known)) if known.state == State::Shared && known.requests > 0 => {
                        known.requests -= 1;
                        pool.ended(1);
                    }
                    // One that is shared is closed when its requests have ended.
                    (7, Some(slot), Some(known)) if known.state != State::Shared || known.requests == 0 => {
                        pool.closed(slot);
                        model.remove(&slot);
                    }
                    _ => {}
                }
                check(&pool, &model)?;
            }
        }
    }
}
