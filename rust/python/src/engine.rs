//! The engine of a worker that runs Python: sockets, arrivals, timers and the ready queue on one thread, one wait.
//!
//! ```text
//!   LoadgenLoop._run_once ─▶ turn: arrivals due ▶ users begin · wait (without the GIL) · answers ▶ futures
//!                         ─▶ run_ready: the callbacks that asyncio wants run, the users' steps among them
//! ```
//!
//! Nothing of `core` stays borrowed while Python code may run: it will call back.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};
use std::thread::ThreadId;

use loadgen_engine::clock::{SECOND, cpu_ns, now_ns};
use loadgen_engine::control::{Control, Order};
use loadgen_engine::courier::{Courier, Parcel};
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::pacer::{Pacer, Wake};
use loadgen_engine::plan::Plan;
use loadgen_engine::pool::Sending;
use loadgen_engine::reactor::epoll::Epoll;
use loadgen_engine::reactor::{Event, Reactor, Readiness, Slot};
use loadgen_engine::record::block::{Block, Kind, Role, TallyKind, Word};
use loadgen_engine::record::recorder::Recorder;
use loadgen_engine::streams::{Next, Streams};
use loadgen_engine::wiring::{Place, Wiring};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::body::{BROKEN, Body};
use crate::cookies::Cookies;
use crate::ready::{Handle, Ready};
use crate::refused;
use crate::request::{Prepared, Requests};
use crate::response::Response;
use crate::sockets::Sockets;
use crate::stream::{Stream, Taken};
use crate::waiters::{Waiter, Waiters};
use crate::worker::duplicate;

const HEARTBEAT_NS: u64 = SECOND / 5;
/// Iterations begun, and events handled, between two looks at the ready queue.
const BATCH: usize = 32;
/// Where labels that find no room are counted.
const OTHER: &str = "(other)";
/// Connections of a run that sets no cap of its own.
const DEFAULT_CONNECTIONS: u32 = 10_000;

/// A virtual user, as far as the engine knows it.
#[derive(Default)]
struct User {
    parked: Option<Py<PyAny>>,
    running: Option<Running>,
}

#[derive(Clone, Copy)]
struct Running {
    scenario: usize,
    due_ns: u64,
    begun_ns: u64,
    /// Nothing has been sent yet: what is sent first was due with the iteration.
    is_fresh: bool,
}

pub(crate) struct Core {
    pub(crate) courier: Courier<Epoll>,
    wiring: Wiring,
    /// For connections that become sockets.
    socket_wiring: Wiring,
    /// Where the base is, as far as the plan says.
    home: Option<(Place, Vec<SocketAddr>)>,
    pub(crate) recorder: Recorder,
    streams: Option<Streams>,
    pacer: Pacer,
    control: Option<Control>,
    pub(crate) timeout_ns: u64,
    start_ns: u64,
    drain_ns: u64,
    drain_until_ns: u64,
    stopped: bool,
    running: usize,
    iteration_labels: Vec<usize>,
    users: Vec<User>,
    waiters: Waiters,
    /// By role, then by name.
    labels: [HashMap<String, usize>; Role::ALL.len()],
    /// By kind, then by name.
    tallies: [HashMap<String, usize>; TallyKind::ALL.len()],
    labels_full: bool,
    /// When no iteration could begin any more.
    exhausted_ns: Option<u64>,
    /// How long names took to be looked up, since a request was asked for.
    lookups_ns: Vec<u64>,
    pub(crate) requests: Requests,
    next_heartbeat_ns: u64,
    cpu_at_start_ns: u64,
    script_ns: u64,
    pub(crate) native_ns: u64,
    pub(crate) sockets: Sockets,
    /// Those for whom something has come.
    roused: Vec<Py<Stream>>,
}

#[pyclass(module = "loadgen._engine", frozen, weakref)]
pub(crate) struct Engine {
    core: RefCell<Core>,
    thread: ThreadId,
    ready: Ready,
    owner: RefCell<Option<Py<PyAny>>>,
    future_type: Py<PyAny>,
    future_arguments: RefCell<Option<Py<PyDict>>>,
    /// Asked to make users: `spawn(stream)`.
    spawn: RefCell<Option<Py<PyAny>>>,
    policy: RefCell<Option<Py<PyAny>>>,
    /// Also requests that ask for nothing special.
    pub(crate) policy_always: Cell<bool>,
    running_since_ns: Cell<u64>,
    turns: Cell<u64>,
    foreign: RefCell<Vec<(RawFd, u8)>>,
}

// SAFETY: what is in it is touched with the interpreter's lock held, and the core by one thread alone: others are
// refused, see `Engine::core`. They may drop it, and then nobody else has it.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

/// The interpreter may run other threads until this is dropped.
struct Released(*mut ffi::PyThreadState);

impl Released {
    fn new(_attached: Python<'_>) -> Self {
        // SAFETY: this thread is attached; it touches nothing of Python's until the state is restored.
        Self(unsafe { ffi::PyEval_SaveThread() })
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        // SAFETY: the state is the one that was saved on this thread.
        unsafe { ffi::PyEval_RestoreThread(self.0) };
    }
}

impl Core {
    /// The slot of a label. Where all are in use requests and operations share one, and the rest have none.
    pub(crate) fn label(&mut self, role: Role, name: &str) -> Option<usize> {
        if let Some(&label) = self.labels[role as usize].get(name) {
            return Some(label);
        }
        // The last one is for all that find no room. Names that find none are not kept either: they may be endless.
        if self.recorder.labels_left() <= 1 && name != OTHER {
            if !self.labels_full {
                self.labels_full = true;
                self.tell_of_labels();
            }
            return if role.counts() { self.label(Role::Request, OTHER) } else { None };
        }
        let taken = self.labels.iter().any(|labels| labels.contains_key(name));
        let label = if taken {
            self.recorder.label(&format!("{name} ({})", role.name()), role)
        } else {
            self.recorder.label(name, role)
        };
        self.labels[role as usize].insert(name.to_owned(), label);
        Some(label)
    }

    fn tell_of_labels(&mut self) {
        if let Some(control) = &mut self.control {
            let text = "too many labels, the rest are counted as (other): give path={...} or name=";
            let _ = control.report(&format!(r#"event {{"kind":"labels_full","text":"{text}"}}"#));
        }
    }

    /// The label of a request: before the load there is none to belong to.
    pub(crate) fn request_label(&mut self, name: &str) -> PyResult<usize> {
        let has_begun = self.has_begun();
        let label = if has_begun {
            self.label(Role::Request, name)
        } else {
            self.label(Role::Group, &format!("before the load: {name}"))
        };
        let label = label.ok_or_else(|| refused("there are too many labels"))?;
        // They belong to no request: the one that is asked for next stands for them.
        for dns_ns in self.lookups_ns.drain(..if has_begun { self.lookups_ns.len() } else { 0 }) {
            self.recorder.sample(label, Kind::Dns, dns_ns);
        }
        Ok(label)
    }

    pub(crate) fn tally(&mut self, kind: TallyKind, name: &str) -> Option<usize> {
        if let Some(&tally) = self.tallies[kind as usize].get(name) {
            return Some(tally);
        }
        let tally = self.recorder.tally(kind, name)?;
        self.tallies[kind as usize].insert(name.to_owned(), tally);
        Some(tally)
    }

    /// Whether the load has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.start_ns > 0 || self.streams.is_none()
    }

    fn since_start(&self, now: u64) -> u64 {
        now.saturating_sub(self.start_ns)
    }

    fn is_on(&self, now: u64) -> bool {
        self.start_ns > 0 && now >= self.start_ns
    }

    fn heartbeat(&mut self, now: u64) {
        self.recorder.heartbeat(now);
        let since = if self.start_ns == 0 { 0 } else { self.since_start(now) };
        let busy = cpu_ns().saturating_sub(self.cpu_at_start_ns + self.pacer.spin_ns);
        let overdue = self.streams.as_ref().map_or(0, |streams| streams.overdue(since));
        let users = self.streams.as_ref().map_or(0, Streams::users) as u64;
        for (word, value) in [
            (Word::Connections, self.courier.client.pool().opened() as u64),
            (Word::Overdue, overdue),
            (Word::ActiveUsers, self.running as u64),
            (Word::Users, users),
            (Word::BusyNs, busy),
            (Word::SpinNs, self.pacer.spin_ns),
            (Word::BlockedNs, since.saturating_sub(busy + self.pacer.spin_ns)),
            (Word::ScriptNs, self.script_ns),
            (Word::MarginNs, self.pacer.margin_ns()),
        ] {
            self.recorder.set(word, value);
        }
        if now % SECOND < HEARTBEAT_NS {
            self.recorder.memory();
        }
        self.next_heartbeat_ns = now + HEARTBEAT_NS;
    }

    fn give_up_the_rest(&mut self, now: u64) {
        let since = self.since_start(now);
        if let Some(streams) = &mut self.streams {
            streams.finish(since);
        }
        self.record_given_up();
    }

    fn record_given_up(&mut self) {
        let given_up = self.streams.as_mut().map(Streams::take_given_up).unwrap_or_default();
        for (scenario, count) in given_up {
            self.recorder.given_up(self.iteration_labels[scenario], Word::Cancelled, count);
        }
    }

    fn obey(&mut self, now: u64) {
        let orders = self.control.as_mut().map(Control::orders).unwrap_or_default();
        for order in orders {
            match order {
                Order::Start(ns) => {
                    self.start_ns = ns;
                    let duration_ns = self.streams.as_ref().map_or(0, Streams::duration_ns);
                    self.drain_until_ns = ns + duration_ns + self.drain_ns;
                    self.pacer.spin_ns = 0;
                    self.cpu_at_start_ns = cpu_ns();
                    (self.script_ns, self.native_ns) = (0, 0);
                }
                Order::Finish if self.start_ns == 0 => self.stopped = true,
                Order::Finish => {
                    self.give_up_the_rest(now);
                    self.drain_until_ns = self.drain_until_ns.min(now + self.drain_ns);
                }
                Order::Stop => self.stopped = true,
            }
        }
    }

    /// What is to be done next for the load; iterations that begin are recorded.
    fn next_act(&mut self, now: u64) -> Next {
        let since = self.since_start(now);
        let on = self.is_on(now);
        let start_ns = self.start_ns;
        let Some(streams) = &mut self.streams else { return Next::Nothing(None) };
        if !on {
            return Next::Nothing((start_ns > 0).then_some(0));
        }
        let next = streams.next(since);
        match next {
            Next::Start { user, scenario, due_ns } => {
                let due_ns = start_ns + due_ns;
                let label = self.iteration_labels[scenario];
                self.recorder.taken(label);
                self.recorder.sample(label, Kind::Lateness, now.saturating_sub(due_ns));
                self.running += 1;
                self.users[user].running = Some(Running { scenario, due_ns, begun_ns: now, is_fresh: true });
            }
            Next::Drop { scenario } => self.recorder.given_up(self.iteration_labels[scenario], Word::Dropped, 1),
            _ => self.record_given_up(),
        }
        next
    }

    /// When something must be looked at again, and whether that is an arrival.
    fn wake(&mut self, py: Python<'_>, now: u64, next_arrival_ns: Option<u64>, timer_ns: Option<u64>) -> Wake {
        if now >= self.next_heartbeat_ns {
            self.heartbeat(now);
        }
        let Self { courier, recorder, waiters, .. } = self;
        let courier_ns = courier.turn(recorder, now, &mut |token| waiters.wants(py, token));
        let socket_ns = self.seat_sockets(now).min(self.ping_sockets(now));
        let timer_ns = self.next_heartbeat_ns.min(courier_ns).min(socket_ns).min(timer_ns.unwrap_or(u64::MAX));
        match next_arrival_ns.map(|ns| self.start_ns + ns) {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        }
    }

    /// One more place to send to.
    fn add_origin(&mut self, site: String, addresses: &[SocketAddr], first: usize) -> PyResult<()> {
        let wiring = if site.starts_with("ws") { &mut self.socket_wiring } else { &mut self.wiring };
        let origin = wiring.origin(&place_of(&site)?, addresses, first).map_err(PyValueError::new_err)?;
        let origin = self.courier.add_origin(origin);
        self.requests.add_origin(site, origin);
        Ok(())
    }

    /// Hands what has come of streamed responses to those who take them.
    #[cold]
    fn hand_on(&mut self, py: Python<'_>) {
        for piece in std::mem::take(&mut self.courier.client.pieces) {
            let token = piece.token;
            let Some(stream) = self.waiters.stream(token) else { continue };
            let came_of_it = stream.get().take_in(piece);
            if !self.roused.last().is_some_and(|last| last.is(stream)) {
                self.roused.push(stream.clone_ref(py));
            }
            match came_of_it {
                Taken::Well => {}
                Taken::Full => self.courier.client.hold(token),
                Taken::Unwanted => self.courier.client.leave(token, now_ns(), Ok(())),
            }
        }
    }

    /// A script has taken what there was of a stream.
    pub(crate) fn release(&mut self, stream: &Bound<'_, Stream>) {
        let token = stream.get().token();
        if self.waiters.stream(token).is_some_and(|other| other.is(stream)) {
            self.courier.client.release(token);
        }
    }

    /// A script wants no more of a stream, or cannot take it.
    pub(crate) fn leave(&mut self, stream: &Bound<'_, Stream>, why: Result<(), ErrorKind>) {
        let token = stream.get().token();
        // Once it has ended its token may be somebody else's.
        if self.waiters.stream(token).is_some_and(|other| other.is(stream)) {
            self.courier.client.leave(token, now_ns(), why);
        }
    }

    /// Finds those whose bodies are wanted further. One that cannot be made to its end takes its request with it.
    #[cold]
    fn ask_on(&mut self, py: Python<'_>) -> Vec<Py<Body>> {
        let mut asked = Vec::new();
        for (slot, token) in std::mem::take(&mut self.courier.client.hungry) {
            let Some(body) = self.waiters.body(token) else { continue };
            if body.get().ask(slot, token) {
                asked.push(body.clone_ref(py));
            } else {
                self.courier.client.break_off(slot, token, BROKEN);
            }
        }
        asked
    }

    /// There is more of a body.
    pub(crate) fn feed(&mut self, slot: Slot) {
        self.courier.client.feed(slot);
    }

    /// There will be no more of a body.
    pub(crate) fn break_off(&mut self, slot: Slot, token: u64) {
        self.courier.client.break_off(slot, token, BROKEN);
    }

    /// Who waited, and the response.
    fn deliver(&mut self, py: Python<'_>, outcome: &Outcome) -> Option<(Waiter, Response)> {
        let waiter = self.waiters.take(outcome)?;
        let answer = self.courier.client.answer();
        let url = waiter.url.clone_ref(py);
        let response = Response::new(py, outcome, answer, waiter.method, url);
        Some((waiter, response))
    }

    /// A request that is not sent, and failed.
    pub(crate) fn refuse(&mut self, label: &str, kind: ErrorKind) -> PyResult<Outcome> {
        let label = self.request_label(label)?;
        let outcome = unsent(label, now_ns(), End::Error(kind));
        self.recorder.begun(label);
        self.recorder.finished(label, &outcome);
        Ok(outcome)
    }

    /// The users' iteration is due with what it sends first; what is sent later, when it is asked for.
    pub(crate) fn due_ns(&mut self, user: usize, asked_ns: u64) -> u64 {
        let running = self.users.get_mut(user).and_then(|user| user.running.as_mut());
        match running.filter(|running| running.is_fresh) {
            Some(running) => {
                running.is_fresh = false;
                running.due_ns.min(asked_ns)
            }
            None => asked_ns,
        }
    }

    /// An iteration has ended: well, or not.
    fn iteration_ended(&mut self, id: usize, how: Result<(), ErrorKind>, now: u64) {
        let Some(running) = self.users[id].running.take() else { return };
        self.running -= 1;
        let Running { scenario, due_ns, begun_ns, .. } = running;
        let label = self.iteration_labels[scenario];
        match how {
            Ok(()) => self.recorder.ended_well(label, due_ns, begun_ns, now),
            Err(kind) => self.recorder.finished(label, &unsent(label, now, End::Error(kind))),
        }
    }
}

/// Where a site leads: also that of a socket, `ws://host:port`.
fn place_of(site: &str) -> PyResult<Place> {
    let place = site.strip_prefix("ws").map_or_else(|| Place::of(site), |rest| Place::of(&format!("http{rest}")));
    place.ok_or_else(|| PyValueError::new_err(format!("{site} leads nowhere: is its port from 1 to 65535?")))
}

/// The outcome of what moved no bytes: only how it ended counts.
fn unsent(label: usize, now: u64, end: End) -> Outcome {
    Outcome {
        due_ns: now,
        sent_ns: now,
        first_byte_ns: now,
        done_ns: now,
        label,
        token: 0,
        bytes_sent: 0,
        bytes_received: 0,
        end,
    }
}

impl Engine {
    /// The core, for as long as no Python code runs.
    pub(crate) fn core(&self) -> PyResult<RefMut<'_, Core>> {
        if std::thread::current().id() != self.thread {
            let text = "a user's methods belong to the thread of its loop; this is another one";
            return Err(PyRuntimeError::new_err(text));
        }
        self.core.try_borrow_mut().map_err(|_| PyRuntimeError::new_err("the engine is in the middle of something"))
    }

    /// A future of the loop. Its one argument, by name, is made once: making it costs as much as the future.
    pub(crate) fn new_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let arguments = self.future_arguments.borrow();
        let arguments = arguments.as_ref().ok_or_else(|| refused("the engine has no loop yet"))?;
        self.future_type.bind(py).call((), Some(arguments.bind(py)))
    }

    fn owner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let owner = self.owner.borrow();
        Ok(owner.as_ref().ok_or_else(|| refused("the engine has no loop yet"))?.bind(py).clone())
    }

    /// Sends a request of a user's, or lets it wait for a connection.
    pub(crate) fn submit<'py>(
        &self,
        py: Python<'py>,
        user: usize,
        prepared: &Prepared,
        timeout_ns: Option<u64>,
        cookies: &Py<Cookies>,
        stream: Option<&Bound<'py, Stream>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = self.new_future(py)?;
        let mut core = self.core()?;
        let waiter = Waiter {
            future: future.clone().unbind(),
            method: prepared.method,
            url: prepared.url.clone_ref(py),
            cookies: core.requests.keeps_cookies.then(|| cookies.clone_ref(py)),
            stream: stream.map(|stream| stream.clone().unbind()),
            body: prepared.maker.as_ref().map(|maker| maker.clone_ref(py)),
        };
        let token = core.waiters.add(waiter);
        if let Some(stream) = stream {
            stream.get().begin(token, future.clone().unbind());
        }
        let now = now_ns();
        let due_ns = core.due_ns(user, now);
        let timeout_ns = timeout_ns.unwrap_or(core.timeout_ns);
        let mut idle_ns = timeout_ns;
        if let Some(own_ns) = stream.and_then(|stream| stream.get().idle_ns()) {
            idle_ns = own_ns;
            core.courier.client.mind(own_ns);
        }
        let sending = Sending {
            due_ns,
            timeout_ns,
            idle_ns,
            label: prepared.label,
            token,
            is_head: prepared.is_head,
            keeps: stream.is_none(),
            only_head: false,
            streams: stream.is_some(),
            is_second: false,
        };
        let parcel = Parcel {
            origin: prepared.origin,
            request: prepared.bytes.clone(),
            upload: prepared.upload.clone(),
            sending,
            asked_ns: now,
        };
        let Core { courier, recorder, .. } = &mut *core;
        courier.submit(recorder, parcel, now);
        core.native_ns += now_ns() - now;
        Ok(future)
    }

    pub(crate) fn resolve<'py>(py: Python<'py>, future: &Py<PyAny>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let set = future.bind(py).call_method1(pyo3::intern!(py, "set_result"), (value,));
        match set {
            // Whoever waited has been cancelled; the outcome is recorded all the same.
            Err(_) if future.bind(py).call_method0(pyo3::intern!(py, "done"))?.is_truthy()? => Ok(()),
            other => other.map(drop),
        }
    }

    fn answer(py: Python<'_>, waiter: &Waiter, response: Response) -> PyResult<()> {
        if let Some(stream) = &waiter.stream {
            return stream.get().end(py, response);
        }
        if let Some(cookies) = &waiter.cookies {
            response.give_cookies(py, cookies.get());
        }
        Self::resolve(py, &waiter.future, Bound::new(py, response)?.into_any())
    }

    /// Begins what is due. When the next is due, from the start of the run.
    fn begin_due(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        for _ in 0..BATCH {
            let now = now_ns();
            let next = self.core()?.next_act(now);
            match next {
                Next::Nothing(next_ns) => return Ok(next_ns),
                Next::Drop { .. } => {}
                Next::Start { user, scenario, .. } => {
                    let parked = self.core()?.users[user].parked.take();
                    if let Some(future) = parked {
                        Self::resolve(py, &future, scenario.into_pyobject(py)?.into_any())?;
                    }
                }
                Next::Leave { user } => {
                    let parked = self.core()?.users[user].parked.take();
                    if let Some(future) = parked {
                        Self::resolve(py, &future, py.None().into_bound(py))?;
                    }
                }
                Next::Spawn { stream } => {
                    let spawn = self.spawn.borrow().as_ref().map(|spawn| spawn.clone_ref(py));
                    spawn.ok_or_else(|| refused("nobody makes users"))?.call1(py, (stream,))?;
                }
            }
        }
        Ok(Some(0))
    }

    /// Hands answers to those who wait for them.
    fn handle_events(&self, py: Python<'_>, polled_ns: u64) -> PyResult<()> {
        for _ in 0..BATCH {
            let ended = {
                let mut core = self.core()?;
                let Some(event) = core.courier.client.reactor.next() else { break };
                match event {
                    Event::Control => {
                        core.obey(now_ns());
                        None
                    }
                    Event::Foreign(fd, Readiness { readable, writable }) => {
                        self.foreign.borrow_mut().push((fd, u8::from(readable) | u8::from(writable) << 1));
                        None
                    }
                    _ => {
                        let Core { courier, recorder, waiters, .. } = &mut *core;
                        let outcome = courier.handle(recorder, event, &mut |token| waiters.wants(py, token));
                        if !core.courier.client.pieces.is_empty() {
                            core.hand_on(py);
                        }
                        if !core.courier.client.news.is_empty() {
                            core.hear_of_sockets(py);
                        }
                        outcome.and_then(|outcome| core.deliver(py, &outcome))
                    }
                }
            };
            if let Some((waiter, response)) = ended {
                Self::answer(py, &waiter, response)?;
            }
        }
        {
            let Core { courier, recorder, waiters, .. } = &mut *self.core()?;
            if courier.client.reactor.is_drained() {
                courier.all_read(recorder, polled_ns, &mut |token| waiters.wants(py, token));
            }
        }
        loop {
            let ended = {
                let mut core = self.core()?;
                let Core { courier, recorder, waiters, .. } = &mut *core;
                let outcome = courier.next_ended(recorder, &mut |token| waiters.wants(py, token));
                if !core.courier.client.pieces.is_empty() {
                    core.hand_on(py);
                }
                let Some(outcome) = outcome else { break };
                core.deliver(py, &outcome)
            };
            if let Some((waiter, response)) = ended {
                Self::answer(py, &waiter, response)?;
            }
        }
        let (gone, roused, asked, sockets) = {
            let core = &mut *self.core()?;
            if !core.courier.client.news.is_empty() {
                core.hear_of_sockets(py);
            }
            let sockets = core.sockets.take_roused();
            let asked = if core.courier.client.hungry.is_empty() { Vec::new() } else { core.ask_on(py) };
            (std::mem::take(&mut core.waiters.gone), std::mem::take(&mut core.roused), asked, sockets)
        };
        drop(gone);
        for body in asked {
            body.get().rouse(py)?;
        }
        for stream in roused {
            stream.get().rouse(py)?;
        }
        for socket in sockets {
            socket.get().rouse(py)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Engine {
    /// `block_fd`, `control_fd`: None where no parent counts and commands.
    #[new]
    #[pyo3(signature = (plan, *, block_fd = None, index = 0, control_fd = None, report_fd = None))]
    fn new(
        py: Python<'_>,
        plan: &[u8],
        block_fd: Option<i32>,
        index: u32,
        control_fd: Option<i32>,
        report_fd: Option<i32>,
    ) -> PyResult<Self> {
        let plan = Plan::read(plan).map_err(refused)?;
        let script = plan.script.as_ref().ok_or_else(|| refused("the plan has no script"))?;
        let block = match block_fd {
            Some(fd) => Block::attach(duplicate(fd)?),
            None => Block::create(512),
        };
        let control = match (control_fd, report_fd) {
            (Some(orders), Some(reports)) => {
                Some(Control::new(duplicate(orders)?, duplicate(reports)?).map_err(refused)?)
            }
            _ => None,
        };
        let descriptor = match &control {
            Some(control) => control.descriptor(),
            // Something that never speaks.
            None => rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).map_err(io::Error::from),
        };
        let reactor = descriptor.and_then(Epoll::thrifty).map_err(refused)?;
        let recorder = Recorder::new(block.map_err(refused)?);
        let all = plan.connections.unwrap_or(DEFAULT_CONNECTIONS) as usize;
        let (workers, place) = (plan.workers as usize, index as usize);
        let cap = ((all + workers - 1 - place % workers) / workers).max(1);
        let wiring = Wiring::new(&plan);
        let mut core = Core {
            courier: Courier::new(wiring.client(reactor, cap, plan.timeout_ns, place), wiring.growth()),
            wiring,
            socket_wiring: Wiring::of_sockets(&plan),
            home: None,
            recorder,
            streams: control.is_some().then(|| Streams::new(&plan, script, index)),
            pacer: Pacer::new(plan.pacing),
            control,
            timeout_ns: plan.timeout_ns,
            start_ns: 0,
            drain_ns: plan.drain_ns,
            drain_until_ns: u64::MAX,
            stopped: false,
            running: 0,
            iteration_labels: Vec::new(),
            users: Vec::new(),
            waiters: Waiters::default(),
            labels: Default::default(),
            tallies: Default::default(),
            labels_full: false,
            exhausted_ns: None,
            lookups_ns: if index == 0 { plan.dns_ns.clone() } else { Vec::new() },
            requests: Requests::new(&script.base_url, script.headers.clone()),
            next_heartbeat_ns: 0,
            cpu_at_start_ns: 0,
            script_ns: 0,
            native_ns: 0,
            sockets: Sockets::default(),
            roused: Vec::new(),
        };
        for scenario in &script.scenarios {
            let label = core.label(Role::Iteration, &scenario.name);
            core.iteration_labels.push(label.ok_or_else(|| refused("there are too many scenarios"))?);
        }
        if let Some(site) = core.requests.base_site() {
            let given = Some(plan.addresses.clone()).filter(|addresses| !addresses.is_empty());
            if let Some(addresses) = given.or_else(|| core.wiring.addresses(&place_of(&site).ok()?)) {
                core.home = Some((place_of(&site)?, addresses.clone()));
                core.add_origin(site, &addresses, place)?;
            }
        }
        let core = RefCell::new(core);
        let future_type = py.import("_asyncio")?.getattr("Future")?.unbind();
        Ok(Self {
            core,
            thread: std::thread::current().id(),
            ready: Ready::default(),
            owner: RefCell::default(),
            future_type,
            future_arguments: RefCell::default(),
            spawn: RefCell::default(),
            policy: RefCell::default(),
            policy_always: Cell::new(false),
            running_since_ns: Cell::new(0),
            turns: Cell::new(0),
            foreign: RefCell::new(Vec::new()),
        })
    }

    /// The loop that is driven.
    fn attach(&self, py: Python<'_>, owner: Py<PyAny>) -> PyResult<()> {
        let arguments = PyDict::new(py);
        arguments.set_item("loop", &owner)?;
        *self.future_arguments.borrow_mut() = Some(arguments.unbind());
        *self.owner.borrow_mut() = Some(owner);
        Ok(())
    }

    /// Who makes users.
    fn set_spawn(&self, spawn: Py<PyAny>) {
        *self.spawn.borrow_mut() = Some(spawn);
    }

    /// What all requests have in common, besides headers: whether users keep cookies, and how they show the base who
    /// they are.
    #[pyo3(signature = (*, cookies = true, authorization = None))]
    fn set_manners(&self, cookies: bool, authorization: Option<String>) -> PyResult<()> {
        let requests = &mut self.core()?.requests;
        requests.keeps_cookies = cookies;
        requests.authorization = authorization;
        Ok(())
    }

    /// Through whom requests go: `always`, or those that may take more than one.
    #[pyo3(signature = (policy, *, always = true))]
    fn set_policy(&self, policy: Py<PyAny>, always: bool) {
        self.policy_always.set(always);
        *self.policy.borrow_mut() = Some(policy);
    }

    /// Through whom requests go that may take more than one.
    #[getter(policy)]
    pub(crate) fn policy_of(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let policy = self.policy.borrow().as_ref().map(|policy| policy.clone_ref(py));
        policy.ok_or_else(|| refused("nobody carries conversations through"))
    }

    /// Loop and engine hold each other: the collector must see it.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for held in [&self.owner, &self.spawn, &self.policy] {
            if let Ok(held) = held.try_borrow() {
                visit.call(&*held)?;
            }
        }
        if let Ok(held) = self.future_arguments.try_borrow() {
            visit.call(&*held)?;
        }
        if let Ok(core) = self.core.try_borrow() {
            core.waiters.all().try_for_each(|waiter| waiter.traverse(&visit))?;
            core.roused.iter().try_for_each(|stream| visit.call(stream))?;
            core.sockets.all().try_for_each(|socket| visit.call(socket))?;
            core.users.iter().try_for_each(|user| visit.call(&user.parked))?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        for held in [&self.owner, &self.spawn, &self.policy] {
            let taken = held.take();
            drop(taken);
        }
        let taken = self.future_arguments.take();
        drop(taken);
        // What is dropped may run code that asks for more, so it is dropped when the core is given back.
        let taken = self.core.try_borrow_mut().map(|mut core| {
            let parked: Vec<_> = core.users.iter_mut().filter_map(|user| user.parked.take()).collect();
            (core.waiters.take_all(), std::mem::take(&mut core.roused), core.sockets.take_all(), parked)
        });
        drop(taken);
        self.ready.clear();
    }

    #[pyo3(signature = (callback, *arguments, context = None))]
    fn call_soon(
        &self,
        py: Python<'_>,
        callback: Py<PyAny>,
        arguments: Py<PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<Handle>> {
        self.ready.call_soon(py, callback, arguments, context)
    }

    /// One of asyncio's own handles.
    fn push(&self, handle: Py<PyAny>) {
        self.ready.push(handle);
    }

    /// Forgets the loop, and what was to be run on it.
    fn detach(&self) {
        self.__clear__();
    }

    /// Waits for whatever comes first, and sees to it. Descriptors of others that are ready are returned.
    #[pyo3(signature = (timer, stopping))]
    fn turn(&self, py: Python<'_>, timer: Option<f64>, stopping: bool) -> PyResult<Vec<(RawFd, u8)>> {
        let next_arrival_ns = self.begin_due(py)?;
        let polled_ns = {
            let mut core = self.core()?;
            let now = now_ns();
            let timer_ns = timer.map(|at| (at.max(0.0) * SECOND as f64) as u64);
            let mut wake = core.wake(py, now, next_arrival_ns, timer_ns);
            if stopping || !self.ready.is_empty() {
                wake = Wake::Timer(0);
            }
            let sleeps = !matches!(wake, Wake::Timer(at) | Wake::Arrival(at) if at <= now);
            let released = sleeps.then(|| Released::new(py));
            let Core { courier, pacer, .. } = &mut *core;
            let waited = pacer.wait(&mut courier.client.reactor, now, wake);
            drop(released);
            waited.map_err(refused)?;
            // The poll came after this: what had arrived by then is among its events.
            now
        };
        self.handle_events(py, polled_ns)?;
        Ok(std::mem::take(&mut *self.foreign.borrow_mut()))
    }

    /// Runs the callbacks that are ready.
    fn run_ready(&self, py: Python<'_>) -> PyResult<()> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let owner = self.owner(py)?;
        let began_ns = now_ns();
        let native_before_ns = self.core()?.native_ns;
        self.running_since_ns.set(began_ns);
        self.turns.set(self.turns.get() + 1);
        let ran = self.ready.run(py, &owner);
        self.running_since_ns.set(0);
        let mut core = self.core()?;
        let native_ns = core.native_ns - native_before_ns;
        core.script_ns += (now_ns() - began_ns).saturating_sub(native_ns);
        ran
    }

    /// How often the ready queue was run: code that has waited finds it higher.
    #[getter]
    fn turns(&self) -> u64 {
        self.turns.get()
    }

    /// Since when callbacks run without a look at the sockets; 0 while none does.
    #[getter]
    fn running_since_ns(&self) -> u64 {
        self.running_since_ns.get()
    }

    /// Watches a descriptor: 1 to read, 2 to write, 3 both.
    fn watch(&self, fd: RawFd, what: u8, is_new: bool) -> PyResult<()> {
        let what = Readiness { readable: what & 1 != 0, writable: what & 2 != 0 };
        let core = self.core()?;
        // SAFETY: the caller has it open; where it lies, the kernel says so.
        Ok(core.courier.client.reactor.watch(unsafe { borrowed(fd)? }, what, is_new)?)
    }

    fn unwatch(&self, fd: RawFd) -> PyResult<()> {
        // SAFETY: as above.
        Ok(self.core()?.courier.client.reactor.unwatch(unsafe { borrowed(fd)? })?)
    }

    /// Learns how late this machine wakes.
    fn calibrate(&self) -> PyResult<()> {
        let mut core = self.core()?;
        let Core { courier, pacer, .. } = &mut *core;
        pacer.calibrate(&mut courier.client.reactor).map_err(refused)
    }

    /// How many sockets there are, those included that are being opened or closed.
    #[getter]
    fn sockets(&self) -> PyResult<usize> {
        Ok(self.core()?.sockets.len())
    }

    /// Tells the parent something, in one line.
    fn report(&self, line: &str) -> PyResult<()> {
        match &mut self.core()?.control {
            Some(control) => control.report(line).map_err(refused),
            None => Ok(()),
        }
    }

    /// "waiting", "load", "drain", "over" or "stopped".
    #[getter]
    fn phase(&self) -> PyResult<&'static str> {
        let mut core = self.core()?;
        let now = now_ns();
        let since = core.since_start(now);
        let exhausted = core.streams.as_ref().is_none_or(|streams| streams.is_exhausted(since));
        if exhausted && core.start_ns > 0 {
            // It may come long before the plan's end: where iterations or rows are used up.
            let exhausted_ns = *core.exhausted_ns.get_or_insert(now);
            core.drain_until_ns = core.drain_until_ns.min(exhausted_ns + core.drain_ns);
        }
        Ok(match () {
            () if core.stopped => "stopped",
            () if core.start_ns == 0 => "waiting",
            () if !exhausted => "load",
            () if core.running > 0 && now < core.drain_until_ns => "drain",
            () => "over",
        })
    }

    /// Nothing new from here on.
    fn finish(&self) -> PyResult<()> {
        self.core()?.give_up_the_rest(now_ns());
        Ok(())
    }

    /// A user of a stream was made: (its place, its number over all workers).
    fn born(&self, stream: usize) -> PyResult<(usize, u64)> {
        let mut core = self.core()?;
        let streams = core.streams.as_mut().ok_or_else(|| refused("no load, no streams"))?;
        let (id, number) = streams.born(stream);
        if core.users.len() <= id {
            core.users.resize_with(id + 1, User::default);
        }
        core.users[id] = User::default();
        Ok((id, number))
    }

    /// Waits for the next iteration of a user: a future of the scenario's place, or of None: leave. `ok` says how the
    /// last one ended, where there was one; `error` of what kind its failure was, where that is known.
    #[pyo3(signature = (place, ok = None, error = None))]
    fn park<'py>(
        &self,
        py: Python<'py>,
        place: usize,
        ok: Option<bool>,
        error: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = how_ended(ok, error)?;
        let future = self.new_future(py)?;
        let leaves = {
            let mut core = self.core()?;
            let now = now_ns();
            if let Some(how) = how {
                core.iteration_ended(place, how, now);
            }
            let since = core.since_start(now);
            let leaves = core.streams.as_mut().is_none_or(|streams| streams.park(place, since, ok.is_some()));
            if !leaves {
                core.users[place].parked = Some(future.clone().unbind());
            }
            leaves
        };
        if leaves {
            future.call_method1("set_result", (py.None(),))?;
        }
        Ok(future)
    }

    /// A user is gone. `ok` says how the iteration ended that it was in: None that it was broken off.
    #[pyo3(signature = (place, ok = None))]
    fn gone(&self, place: usize, ok: Option<bool>) -> PyResult<()> {
        let mut core = self.core()?;
        let now = now_ns();
        let was_running = core.users[place].running;
        match (was_running, ok) {
            (Some(_), Some(ok)) => core.iteration_ended(place, ok.then_some(()).ok_or(ErrorKind::ScriptError), now),
            (Some(running), None) => {
                core.running -= 1;
                core.users[place].running = None;
                core.recorder.unfinished(core.iteration_labels[running.scenario], 1);
            }
            (None, _) => {}
        }
        core.users[place].parked = None;
        if let Some(streams) = &mut core.streams {
            streams.gone(place, was_running.is_some());
        }
        Ok(())
    }

    /// The addresses of a site such as "https://host:port", or None where its name must be looked up.
    fn known_addresses(&self, site: &str) -> PyResult<Option<Vec<String>>> {
        let place = place_of(site)?;
        let core = self.core()?;
        let home = core.home.as_ref().filter(|(home, _)| home.is_same(&place)).map(|(_, addresses)| addresses.clone());
        let found = home.or_else(|| core.wiring.addresses(&place));
        Ok(found.map(|addresses| addresses.iter().map(ToString::to_string).collect()))
    }

    /// One more place to send to: a site such as "https://host:port" and its addresses; how long finding them took, where
    /// a name was looked up.
    #[pyo3(signature = (site, addresses, dns_ns = None))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 makes of a sequence")]
    fn add_origin(&self, site: String, addresses: Vec<String>, dns_ns: Option<u64>) -> PyResult<()> {
        let parse =
            |text: &String| text.parse::<SocketAddr>().map_err(|error| PyValueError::new_err(error.to_string()));
        let addresses = addresses.iter().map(parse).collect::<PyResult<Vec<_>>>()?;
        let mut core = self.core()?;
        if core.requests.origin(&site).is_none() {
            core.add_origin(site, &addresses, 0)?;
            core.lookups_ns.extend(dns_ns);
        }
        Ok(())
    }

    /// A block of a script ended: well, not, or (`None`) not at all. `is_group`: requests of our own were made in it.
    /// `ended_ns`, `error`: when that was, and of what kind its failure, where that is known.
    #[pyo3(signature = (place, name, begun_ns, is_group, ok, ended_ns = None, error = None))]
    #[expect(clippy::too_many_arguments, reason = "it is all that is to be known of it")]
    fn operation(
        &self,
        place: usize,
        name: &str,
        begun_ns: u64,
        is_group: bool,
        ok: Option<bool>,
        ended_ns: Option<u64>,
        error: Option<&str>,
    ) -> PyResult<()> {
        let how = how_ended(ok, error)?;
        let mut core = self.core()?;
        let now = ended_ns.unwrap_or_else(now_ns);
        let role = if is_group || !core.has_begun() { Role::Group } else { Role::Operation };
        let Some(label) = core.label(role, name) else { return Ok(()) };
        let due_ns = if is_group { begun_ns } else { core.due_ns(place, begun_ns) };
        let recorder = &core.recorder;
        recorder.begun(label);
        recorder.sample(label, Kind::Lateness, begun_ns - due_ns);
        if !is_group {
            recorder.sample(label, Kind::Dispatch, begun_ns - due_ns);
        }
        match how {
            Some(Ok(())) => recorder.ended_well(label, due_ns, begun_ns, now),
            Some(Err(kind)) => recorder.finished(label, &unsent(label, now, End::Error(kind))),
            None => recorder.unfinished(label, 1),
        }
        Ok(())
    }

    fn check(&self, name: &str, passed: bool) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Check, name) {
            core.recorder.tally_add(tally, usize::from(!passed), 1.0);
        }
        Ok(())
    }

    fn counter(&self, name: &str, amount: f64) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Counter, name) {
            core.recorder.tally_add(tally, 0, amount);
            core.recorder.tally_add(tally, 1, 1.0);
        }
        Ok(())
    }

    fn rate(&self, name: &str, is_true: bool) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Rate, name) {
            core.recorder.tally_add(tally, usize::from(!is_true), 1.0);
        }
        Ok(())
    }

    fn gauge(&self, name: &str, value: f64) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Gauge, name) {
            core.recorder.tally_gauge(tally, value);
        }
        Ok(())
    }

    fn trend(&self, name: &str, value: f64) -> PyResult<()> {
        if !(0.0..1e12).contains(&value) {
            return Err(PyValueError::new_err(format!("trend {name:?}: expected a value from 0 to 1e12, got {value}")));
        }
        let mut core = self.core()?;
        if let Some(label) = core.label(Role::Trend, name) {
            core.recorder.sample(label, Kind::Response, (value * 1e6) as u64);
        }
        Ok(())
    }

    /// Adds to what policies count: "attempts" or "retries".
    fn count(&self, what: &str, amount: u64) -> PyResult<()> {
        let word = match what {
            "attempts" => Word::Attempts,
            "retries" => Word::Retries,
            _ => return Err(PyValueError::new_err(format!("nothing is counted as {what:?}"))),
        };
        self.core()?.recorder.add(word, amount);
        Ok(())
    }

    /// The last entries: what is under way is unfinished.
    fn close_the_books(&self) -> PyResult<()> {
        let mut core = self.core()?;
        let now = now_ns();
        if core.start_ns > 0 {
            core.give_up_the_rest(now);
        }
        let Core { courier, recorder, users, iteration_labels, .. } = &mut *core;
        // What has ended without an event of its own, and was not told of yet.
        while courier.next_ended(recorder, &mut |_| true).is_some() {}
        courier.abandon(recorder);
        for running in users.iter_mut().filter_map(|user| user.running.take()) {
            recorder.unfinished(iteration_labels[running.scenario], 1);
        }
        core.abandon_sockets();
        core.heartbeat(now);
        core.recorder.memory();
        core.recorder.set(Word::Connections, 0);
        core.recorder.set(Word::Users, 0);
        Ok(())
    }
}

/// A failure is the script's, unless its kind is known.
fn how_ended(ok: Option<bool>, error: Option<&str>) -> PyResult<Option<Result<(), ErrorKind>>> {
    let kind = error.map_or(Ok(ErrorKind::ScriptError), kind_named)?;
    Ok(ok.map(|ok| if ok { Ok(()) } else { Err(kind) }))
}

/// The kinds of errors, by their names.
pub(crate) fn kind_named(name: &str) -> PyResult<ErrorKind> {
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| PyValueError::new_err(format!("no such kind of error: {name}")))
}

/// A descriptor of the caller's, for one call.
unsafe fn borrowed<'fd>(fd: RawFd) -> PyResult<BorrowedFd<'fd>> {
    if fd < 0 {
        return Err(PyValueError::new_err(format!("no descriptor: {fd}")));
    }
    // SAFETY: it is not -1; whether it is open, the kernel will say.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}
