//! A WebSocket of a script's: what has come of it and was not taken yet, each message with when it came.
//!
//! ```text
//!   engine: news ──▶ note: counted ──▶ unread ──▶ take ──▶ the script
//!                              │ too much of it     │  ▲
//!                              └──▶ held ◀─released─┘  └── wait: a future, until something has come
//! ```
//!
//! Its handshake is a request; from its opening to its end it is a group, which fails with the kind of its loss.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_engine::client::news::{News, What};
use loadgen_engine::client::sockets::{Lost, Manner};
use loadgen_engine::clock::{SECOND, now_ns};
use loadgen_engine::crowd::path::Path;
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::reactor::Slot;
use loadgen_engine::record::block::{Kind, Role, TallyKind, Word};
use loadgen_engine::ws::writer::Message;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::engine::{Core, Engine};
use crate::refused;

/// So many bytes that a script has not taken make the peer wait.
const HOLD_BYTES: usize = 1 << 20;
/// So many may wait before it is looked at who has given up.
const MOST_WAITING: usize = 16;
/// What a message takes beside its bytes.
const MESSAGE_BYTES: usize = 64;
/// How long a peer may take to close when it was asked to.
pub(crate) const CLOSE_NS: u64 = 5 * SECOND;
/// The status of a handshake that went well.
const SWITCHING: u16 = 101;
/// There was no reason but the end.
const NORMAL: u16 = 1000;
/// A close without a code, and an end without a close.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

/// All that are open, or are being opened or closed.
#[derive(Default)]
pub(crate) struct Sockets {
    all: HashMap<u64, Py<Socket>>,
    /// How many there have been.
    begun: u64,
    /// Those to which something has happened.
    roused: Vec<Py<Socket>>,
    /// When they ask whether the peer is still there.
    pings: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Sockets {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Py<Socket>> {
        self.all.values().chain(&self.roused)
    }

    /// What the collector is to let go.
    pub(crate) fn take_all(&mut self) -> Vec<Py<Socket>> {
        self.all.drain().map(|(_, socket)| socket).chain(self.roused.drain(..)).collect()
    }

    pub(crate) fn take_roused(&mut self) -> Vec<Py<Socket>> {
        std::mem::take(&mut self.roused)
    }
}

/// A socket as it was asked for.
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) name: String,
    /// Of the handshake.
    pub(crate) label: usize,
    pub(crate) due_ns: u64,
    pub(crate) asked_ns: u64,
    pub(crate) timeout_ns: u64,
    pub(crate) ping_every_ns: Option<u64>,
}

enum Unread {
    Text(String),
    Binary(Vec<u8>),
}

impl Unread {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

#[derive(Default)]
struct State {
    token: u64,
    slot: Option<Slot>,
    /// When its connection stood, and the handshake was sent.
    stood_ns: u64,
    open_since_ns: u64,
    /// The label of the time from its opening to its end.
    session: Option<usize>,
    /// The script has closed it.
    is_leaving: bool,
    is_over: bool,
    protocol: Option<String>,
    /// What the handshake was answered with.
    status: u16,
    error: Option<&'static str>,
    close: Option<(u16, String)>,
    unread: VecDeque<(u64, Unread)>,
    unread_bytes: usize,
    is_held: bool,
    waiting: Vec<Py<PyAny>>,
    /// How many of them had not given up when that was looked at.
    waited: usize,
    /// When the last ping that was answered had been sent, and when it was answered.
    pong_ns: (u64, u64),
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Socket {
    engine: Py<Engine>,
    asked: Asked,
    state: Mutex<State>,
}

impl Socket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the script look.
    pub(crate) fn rouse(&self, py: Python<'_>) -> PyResult<()> {
        let waiting = std::mem::take(&mut self.state().waiting);
        waiting.into_iter().try_for_each(|future| Engine::resolve(py, &future, py.None().into_bound(py)))
    }

    fn outcome(&self, stood_ns: u64, now: u64, end: End) -> Outcome {
        let sent_ns = if stood_ns == 0 { now } else { stood_ns };
        ended(self.asked.label, self.asked.due_ns, sent_ns, now, end)
    }
}

fn ended(label: usize, due_ns: u64, sent_ns: u64, now: u64, end: End) -> Outcome {
    Outcome {
        due_ns,
        sent_ns,
        first_byte_ns: now,
        done_ns: now,
        label,
        token: 0,
        bytes_sent: 0,
        bytes_received: 0,
        end,
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
        let pool = self.courier.client.pool();
        if pool.opened() >= pool.cap() && pool.spare(origin).is_none() {
            self.recorder.add(Word::CapHits, 1);
            let text =
                format!("all {} connections of this worker are in use: Plan(connections=…) allows more", pool.cap());
            return Err(refused(text));
        }
        self.sockets.begun += 1;
        let token = self.sockets.begun;
        self.recorder.begun(asked.label);
        let state = State { token, ..State::default() };
        let socket = Py::new(py, Socket { engine, asked, state: Mutex::new(state) })?;
        self.sockets.all.insert(token, socket.clone_ref(py));
        let now = now_ns();
        match self.courier.client.open_socket(origin, manner, token, now) {
            Ok(slot) => socket.get().state().slot = Some(slot),
            Err(kind) => {
                self.note(socket.get(), now, What::Lost(Lost { kind, status: None }));
                self.sockets.all.remove(&token);
            }
        }
        Ok(socket)
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

    /// Counts what has happened to a socket, and keeps it for the script.
    fn note(&mut self, socket: &Socket, at_ns: u64, what: What) {
        let state = &mut *socket.state();
        let asked = &socket.asked;
        match what {
            What::Connected { took_ns, tls_ns } => {
                state.stood_ns = at_ns;
                self.recorder.add(Word::Connects, 1);
                self.recorder.connected(asked.label, took_ns, tls_ns);
                self.recorder.sent(asked.label, asked.due_ns, at_ns, 0);
                self.recorder.sample(asked.label, Kind::Dispatch, asked.asked_ns.saturating_sub(asked.due_ns));
                self.recorder.add(Word::PoolWaits, 1);
                self.recorder.sample(asked.label, Kind::PoolWait, at_ns.saturating_sub(asked.asked_ns));
            }
            What::Open => {
                state.open_since_ns = at_ns;
                state.status = SWITCHING;
                state.protocol = state.slot.and_then(|slot| self.courier.client.protocol(slot));
                let outcome = socket.outcome(state.stood_ns, at_ns, End::Response(SWITCHING));
                self.recorder.finished(asked.label, &outcome);
                state.session = self.label(Role::Group, &format!("{} session", asked.name));
                if let Some(session) = state.session {
                    self.recorder.begun(session);
                }
                self.tally_one("sockets opened");
                if let Some(every_ns) = asked.ping_every_ns {
                    self.sockets.pings.push(Reverse((at_ns + every_ns, state.token)));
                }
            }
            What::Text(text) => self.keep(state, at_ns, Unread::Text(text)),
            What::Binary(bytes) => self.keep(state, at_ns, Unread::Binary(bytes)),
            What::Pong(took_ns) => {
                state.pong_ns = (at_ns.saturating_sub(took_ns), at_ns);
                self.tally_one("pongs received");
                if let Some(label) = self.label(Role::Trend, "ping") {
                    self.recorder.sample(label, Kind::Response, took_ns);
                }
            }
            What::Written => {}
            What::Close(code, reason) => {
                let code = code.unwrap_or(NO_CODE);
                state.close = Some((code, reason));
                // Who closes so has said all: whether that was too early, the script decides.
                let is_well = state.is_leaving || code == NORMAL;
                self.socket_ended(socket, state, at_ns, (!is_well).then_some(ErrorKind::WsClosed));
            }
            What::Lost(Lost { kind, status }) => {
                state.status = status.unwrap_or(state.status);
                self.socket_ended(socket, state, at_ns, Some(kind));
            }
        }
    }

    fn socket_ended(&mut self, socket: &Socket, state: &mut State, now: u64, error: Option<ErrorKind>) {
        (state.is_over, state.slot) = (true, None);
        state.error = error.map(ErrorKind::name);
        if state.open_since_ns == 0 {
            let Some(kind) = error else { return };
            if state.stood_ns == 0 {
                self.recorder.add(Word::ConnectFailures, 1);
                let late_ns = now.saturating_sub(socket.asked.due_ns);
                self.recorder.sample(socket.asked.label, Kind::Lateness, late_ns);
            }
            let outcome = socket.outcome(state.stood_ns, now, End::Error(kind));
            self.recorder.finished(socket.asked.label, &outcome);
            if state.status > 0 {
                self.tally_one(&format!("refused {}", state.status));
            }
            return;
        }
        let (code, _) = state.close.get_or_insert((NO_CLOSE, String::new()));
        self.tally_one(&format!("close {code}"));
        if error.is_some() {
            self.tally_one("sockets lost");
        }
        let since_ns = state.open_since_ns;
        match (state.session, error) {
            (Some(session), None) => self.recorder.ended_well(session, since_ns, since_ns, now),
            (Some(session), Some(kind)) => {
                self.recorder.finished(session, &ended(session, since_ns, since_ns, now, End::Error(kind)));
            }
            (None, _) => {}
        }
    }

    fn keep(&mut self, state: &mut State, at_ns: u64, unread: Unread) {
        self.tally_one("messages received");
        self.tally_many("bytes received", unread.len());
        if state.is_leaving {
            return;
        }
        state.unread_bytes += unread.len() + MESSAGE_BYTES;
        state.unread.push_back((at_ns, unread));
        if state.unread_bytes > HOLD_BYTES
            && !state.is_held
            && let Some(slot) = state.slot
        {
            state.is_held = true;
            self.courier.client.hold_socket(slot);
        }
    }

    fn release_socket(&mut self, state: &mut State) {
        if std::mem::take(&mut state.is_held)
            && let Some(slot) = state.slot
        {
            self.courier.client.release_socket(slot);
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

    fn tally_one(&mut self, name: &str) {
        self.tally_many(name, 1);
    }

    fn tally_many(&mut self, name: &str, amount: usize) {
        if let Some(tally) = self.tally(TallyKind::Counter, name) {
            self.recorder.tally_add(tally, 0, amount as f64);
            self.recorder.tally_add(tally, 1, 1.0);
        }
    }
}

#[pymethods]
impl Socket {
    #[getter]
    fn url(&self) -> &str {
        &self.asked.url
    }

    /// The label of its handshake.
    #[getter]
    fn name(&self) -> &str {
        &self.asked.name
    }

    #[getter]
    fn asked_ns(&self) -> u64 {
        self.asked.asked_ns
    }

    /// How long an answer may take.
    #[getter]
    fn timeout_ns(&self) -> u64 {
        self.asked.timeout_ns
    }

    /// When it opened; 0 before.
    #[getter]
    fn opened_ns(&self) -> u64 {
        self.state().open_since_ns
    }

    /// Messages may be sent.
    #[getter]
    fn is_open(&self) -> bool {
        let state = self.state();
        state.open_since_ns > 0 && !state.is_leaving && !state.is_over
    }

    /// Nothing more comes, beside what was not taken yet.
    #[getter]
    fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// 101, or whatever else the handshake was answered with; 0 before.
    #[getter]
    fn status(&self) -> u16 {
        self.state().status
    }

    #[getter]
    fn error(&self) -> Option<&'static str> {
        self.state().error
    }

    #[getter]
    fn subprotocol(&self) -> Option<String> {
        self.state().protocol.clone()
    }

    #[getter]
    fn close_code(&self) -> Option<u16> {
        self.state().close.as_ref().map(|(code, _)| *code)
    }

    #[getter]
    fn close_reason(&self) -> Option<String> {
        self.state().close.as_ref().map(|(_, reason)| reason.clone())
    }

    /// When the last ping that was answered had been sent, and when it was answered.
    #[getter]
    fn pong_ns(&self) -> (u64, u64) {
        self.state().pong_ns
    }

    /// A future that is done when something has happened.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.engine.get().new_future(py)?;
        let many = {
            let mut state = self.state();
            state.waiting.push(future.clone().unbind());
            let is_crowded = state.waiting.len() > MOST_WAITING.max(2 * state.waited);
            if is_crowded { std::mem::take(&mut state.waiting) } else { Vec::new() }
        };
        if !many.is_empty() {
            // Those who gave up meanwhile would stay here until something happens.
            let done = |future: &Py<PyAny>| future.bind(py).call_method0(intern!(py, "done"))?.is_truthy();
            let mut wanted = Vec::new();
            for future in many {
                if !done(&future)? {
                    wanted.push(future);
                }
            }
            let mut state = self.state();
            state.waited = wanted.len();
            state.waiting = wanted;
        }
        Ok(future)
    }

    /// The messages that have come, each with when it came.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyAny>)>> {
        let taken = {
            let mut core = self.engine.get().core()?;
            let mut state = self.state();
            state.unread_bytes = 0;
            core.release_socket(&mut state);
            std::mem::take(&mut state.unread)
        };
        let made = taken.into_iter().map(|(at_ns, unread)| match unread {
            Unread::Text(text) => (at_ns, PyString::new(py, &text).into_any()),
            Unread::Binary(bytes) => (at_ns, PyBytes::new(py, &bytes).into_any()),
        });
        Ok(made.collect())
    }

    /// Sends a message: text, or bytes. Whether the peer has yet to take what was said; `wait` tells when it has.
    fn send(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let message = match message.cast::<PyString>() {
            Ok(text) => Message::Text(text.to_str()?),
            Err(_) => Message::Binary(message.cast::<PyBytes>()?.as_bytes()),
        };
        let mut core = self.engine.get().core()?;
        let begun_ns = now_ns();
        let slot = self.state().slot;
        let Some(slot) = slot.filter(|&slot| core.courier.client.say(slot, message)) else {
            return Err(PyRuntimeError::new_err("the socket is not open"));
        };
        core.tally_one("messages sent");
        core.tally_many("bytes sent", message.bytes().len());
        core.native_ns += now_ns() - begun_ns;
        Ok(core.courier.client.lags(slot))
    }

    #[getter]
    fn lags(&self) -> PyResult<bool> {
        let mut core = self.engine.get().core()?;
        Ok(self.state().slot.is_some_and(|slot| core.courier.client.lags(slot)))
    }

    /// Asks whether the peer is still there. When that was.
    fn ping(&self) -> PyResult<u64> {
        let mut core = self.engine.get().core()?;
        let now = now_ns();
        if !self.state().slot.is_some_and(|slot| core.courier.client.ping(slot, now)) {
            return Err(PyRuntimeError::new_err("the socket is not open"));
        }
        core.tally_one("pings sent");
        Ok(now)
    }

    /// Says that it ends; one that is not open yet is given up, and unfinished.
    fn leave(&self, code: u16, reason: &str) -> PyResult<()> {
        let Core { courier, recorder, sockets, .. } = &mut *self.engine.get().core()?;
        let mut state = self.state();
        let Some(slot) = state.slot.filter(|_| !state.is_leaving) else { return Ok(()) };
        if std::mem::take(&mut state.is_held) {
            courier.client.release_socket(slot);
        }
        courier.client.hang_up(slot, code, reason, now_ns());
        state.is_leaving = true;
        if state.open_since_ns == 0 {
            (state.is_over, state.slot) = (true, None);
            recorder.unfinished(self.asked.label, 1);
            sockets.all.remove(&state.token);
        }
        Ok(())
    }
}

/// The text of a value in a JSON document, such as the one at `data.id`; None where there is none.
#[pyfunction]
pub(crate) fn json_at(path: &str, document: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let known = Path::parse(path);
    let known = known.ok_or_else(|| PyValueError::new_err(format!("expected a path such as data.id, got {path:?}")))?;
    let document = match document.cast::<PyString>() {
        Ok(text) => text.to_str()?.as_bytes(),
        Err(_) => document.cast::<PyBytes>()?.as_bytes(),
    };
    Ok(known.find(document).map(str::to_owned))
}
