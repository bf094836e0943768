//! All sockets of a worker's scripts: how they come about, ask whether the peer is there, and what of them is left at the
//! end. Where all connections are in use, one waits for its place as a request does, as long as its timeout says.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::rc::Rc;

use loadgen_engine::client::news::{News, What};
use loadgen_engine::client::sockets::{Lost, Manner};
use loadgen_engine::clock::now_ns;
use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::record::block::Word;
use pyo3::prelude::*;

use crate::engine::{Core, Engine};
use crate::socket::{Asked, Socket};

/// All that are open, or are being opened or closed.
#[derive(Default)]
pub(crate) struct Sockets {
    all: HashMap<u64, Py<Socket>>,
    /// How many there have been.
    begun: u64,
    /// Those to which something has happened.
    roused: Vec<Py<Socket>>,
    /// When they ask whether the peer is still there.
    pub(crate) pings: BinaryHeap<Reverse<(u64, u64)>>,
    /// Those for which there was no place yet, in the order in which they were asked for.
    waiting: VecDeque<Waiting>,
    /// When one of them has waited too long; as far as it is known.
    patience_ns: u64,
}

/// A socket that waits until there may be one connection more.
struct Waiting {
    socket: Py<Socket>,
    origin: usize,
    manner: Rc<Manner>,
}

impl Sockets {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Py<Socket>> {
        self.all.values().chain(&self.roused).chain(self.waiting.iter().map(|waiting| &waiting.socket))
    }

    /// What the collector is to let go.
    pub(crate) fn take_all(&mut self) -> Vec<Py<Socket>> {
        let waiting = self.waiting.drain(..).map(|waiting| waiting.socket);
        self.all.drain().map(|(_, socket)| socket).chain(self.roused.drain(..)).chain(waiting).collect()
    }

    /// One that the script has given up.
    pub(crate) fn forget(&mut self, token: u64) {
        self.all.remove(&token);
    }

    pub(crate) fn take_roused(&mut self) -> Vec<Py<Socket>> {
        std::mem::take(&mut self.roused)
    }
}

impl Core {
    /// Begins one.
    pub(crate) fn open_socket(
        &mut self,
        py: Python<'_>,
        engine: Py<Engine>,
        origin: usize,
        manner: &Rc<Manner>,
        asked: Asked,
    ) -> PyResult<Py<Socket>> {
        self.sockets.begun += 1;
        let token = self.sockets.begun;
        self.recorder.begun(asked.label);
        let give_up_ns = asked.asked_ns.saturating_add(asked.timeout_ns);
        let socket = Py::new(py, Socket::new(engine, asked, token))?;
        self.sockets.all.insert(token, socket.clone_ref(py));
        let waiting = Waiting { socket: socket.clone_ref(py), origin, manner: Rc::clone(manner) };
        if self.sockets.waiting.is_empty() && self.has_place(origin) {
            self.connect_socket(waiting, now_ns());
        } else {
            self.recorder.add(Word::CapHits, 1);
            self.sockets.patience_ns = self.sockets.patience_ns.min(give_up_ns);
            self.sockets.waiting.push_back(waiting);
        }
        Ok(socket)
    }

    fn has_place(&self, origin: usize) -> bool {
        let pool = self.courier.client.pool();
        pool.opened() < pool.cap() || pool.spare(origin).is_some()
    }

    fn connect_socket(&mut self, waiting: Waiting, now: u64) {
        let Waiting { socket, origin, manner } = waiting;
        let token = socket.get().state().token;
        match self.courier.client.open_socket(origin, &manner, token, now) {
            Ok(slot) => socket.get().state().slot = Some(slot),
            Err(kind) => self.lose_waiting(socket, now, kind),
        }
    }

    /// One that had no connection yet has failed.
    fn lose_waiting(&mut self, socket: Py<Socket>, now: u64, kind: ErrorKind) {
        self.note(socket.get(), now, What::Lost(Lost { kind, status: None }));
        self.sockets.forget(socket.get().state().token);
        self.sockets.roused.push(socket);
    }

    /// Gives sockets that wait the places that have become free. When one of them will have waited too long.
    pub(crate) fn seat_sockets(&mut self, now: u64) -> u64 {
        while let Some(first) = self.sockets.waiting.front() {
            let is_wanted = !first.socket.get().state().is_over;
            if is_wanted && !self.has_place(first.origin) {
                break;
            }
            let Some(first) = self.sockets.waiting.pop_front() else { break };
            if is_wanted {
                self.connect_socket(first, now);
            } else {
                // It goes when nothing of the core is borrowed: what waited for it goes with it.
                self.sockets.roused.push(first.socket);
            }
        }
        if self.sockets.waiting.is_empty() {
            self.sockets.patience_ns = u64::MAX;
        } else if now >= self.sockets.patience_ns {
            self.expire_waiting(now);
        }
        if self.sockets.roused.is_empty() { self.sockets.patience_ns } else { now }
    }

    #[cold]
    fn expire_waiting(&mut self, now: u64) {
        let (mut kept, mut patience_ns) = (VecDeque::new(), u64::MAX);
        for waiting in std::mem::take(&mut self.sockets.waiting) {
            let asked = &waiting.socket.get().asked;
            let give_up_ns = asked.asked_ns.saturating_add(asked.timeout_ns);
            if waiting.socket.get().state().is_over {
                self.sockets.roused.push(waiting.socket);
            } else if give_up_ns <= now {
                self.lose_waiting(waiting.socket, now, ErrorKind::ConnectTimeout);
            } else {
                patience_ns = patience_ns.min(give_up_ns);
                kept.push_back(waiting);
            }
        }
        (self.sockets.waiting, self.sockets.patience_ns) = (kept, patience_ns);
    }

    /// Takes what has happened to sockets.
    #[cold]
    pub(crate) fn hear_of_sockets(&mut self, py: Python<'_>) {
        for News { token, at_ns, what } in std::mem::take(&mut self.courier.client.news) {
            // What lingers of one that has ended is of no interest.
            let Some(socket) = self.sockets.all.get(&token).map(|socket| socket.clone_ref(py)) else { continue };
            self.note(socket.get(), at_ns, what);
            if socket.get().state().is_over {
                self.sockets.all.remove(&token);
            }
            if !self.sockets.roused.last().is_some_and(|last| last.is(&socket)) {
                self.sockets.roused.push(socket);
            }
        }
    }

    /// Asks peers whether they are still there. When the next is to be asked.
    pub(crate) fn ping_sockets(&mut self, now: u64) -> u64 {
        while let Some(&Reverse((due_ns, token))) = self.sockets.pings.peek() {
            if due_ns > now {
                return due_ns;
            }
            self.sockets.pings.pop();
            let Some(socket) = self.sockets.all.get(&token) else { continue };
            let every_ns = socket.get().asked.ping_every_ns.unwrap_or(u64::MAX);
            let slot = socket.get().state().slot;
            if slot.is_some_and(|slot| self.courier.client.ping(slot, now)) {
                self.tally_one("pings sent");
                self.sockets.pings.push(Reverse((due_ns.saturating_add(every_ns).max(now), token)));
            }
        }
        u64::MAX
    }

    /// Those that are there when the run ends are unfinished.
    pub(crate) fn abandon_sockets(&mut self) {
        for socket in self.sockets.all.values() {
            let state = socket.get().state();
            let label = if state.open_since_ns == 0 { Some(socket.get().asked.label) } else { state.session };
            if let Some(label) = label {
                self.recorder.unfinished(label, 1);
            }
        }
    }
}
