//! The engine of a worker that runs Python: sockets, arrivals, timers and the ready queue on one thread, one wait.
//!
//! ```text
//!   LoadgenLoop._run_once ─▶ turn: arrivals due ▶ users begin · wait (without the GIL) · answers ▶ who waits
//!                         ─▶ run_ready: the callbacks that asyncio wants run, the users' steps among them
//! ```
//!
//! Nothing of `core` stays borrowed while Python code may run: it will call back.
//!
//! Here is what it holds. The loop goes round in [`turn`]; iterations begin and end in [`users`]; requests and their
//! answers are passed on in [`parcels`], to places that [`origins`] knows; what scripts count, [`names`] enters; when
//! the run begins and ends, [`vitals`] knows.

mod names;
mod origins;
mod parcels;
mod turn;
mod users;
mod vitals;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use loadgen_engine::control::Control;
use loadgen_engine::courier::Courier;
use loadgen_engine::growth::Growth;
use loadgen_engine::plan::{Plan, Script};
use loadgen_engine::reactor::epoll::Epoll;
use loadgen_engine::record::block::{Block, Role, TallyKind};
use loadgen_engine::record::recorder::Recorder;
use loadgen_engine::streams::Streams;
use loadgen_engine::vitals::Vitals;
use loadgen_engine::wiring::{Place, Wiring};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub(crate) use names::kind_named;
use users::User;

use crate::pending::Pending;
use crate::ready::Ready;
use crate::refused;
use crate::request::Requests;
use crate::sockets::Sockets;
use crate::stream::Stream;
use crate::waiters::Waiters;
use crate::worker::duplicate;

/// Connections of a run that sets no cap of its own.
const DEFAULT_CONNECTIONS: u32 = 10_000;

pub(crate) struct Core {
    pub(crate) courier: Courier<Epoll>,
    wiring: Wiring,
    /// For connections that become sockets.
    socket_wiring: Wiring,
    /// Where the base is, as far as the plan says.
    home: Option<(Place, Vec<SocketAddr>)>,
    pub(crate) recorder: Recorder,
    streams: Option<Streams>,
    vitals: Vitals,
    control: Option<Control>,
    pub(crate) timeout_ns: u64,
    running: usize,
    /// Each iteration is carried by connections of its own.
    owns_connections: bool,
    iteration_labels: Vec<usize>,
    users: Vec<User>,
    waiters: Waiters,
    pub(crate) pending: Pending,
    /// By role, then by name.
    labels: [HashMap<String, usize>; Role::ALL.len()],
    /// By kind, then by name.
    tallies: [HashMap<String, usize>; TallyKind::ALL.len()],
    labels_full: bool,
    /// How long names took to be looked up, since a request was asked for.
    lookups_ns: Vec<u64>,
    pub(crate) requests: Requests,
    script_ns: u64,
    pub(crate) native_ns: u64,
    pub(crate) sockets: Sockets,
    /// Those for whom something has come.
    roused: Vec<Py<Stream>>,
}

#[pyclass(module = "loadgen._engine", frozen, weakref)]
pub(crate) struct Engine {
    core: RefCell<Core>,
    thread: usize,
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

// SAFETY: what is in it is touched with the interpreter's lock held, and the core by one thread alone: others that live
// beside it are refused, see `Engine::core`. They may drop it, and then nobody else has it.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

/// A number that no other thread has that lives. The standard one counts who holds it, with every look.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Core {
    fn new(plan: &Plan, script: &Script, block: Block, index: u32, control: Option<Control>) -> PyResult<Self> {
        let descriptor = match &control {
            Some(control) => control.descriptor(),
            // Something that never speaks.
            None => rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).map_err(io::Error::from),
        };
        let reactor = descriptor.and_then(Epoll::thrifty).map_err(refused)?;
        let recorder = Recorder::new(block);
        let all = plan.connections.unwrap_or(DEFAULT_CONNECTIONS) as usize;
        let (workers, place) = (plan.workers as usize, index as usize);
        let cap = ((all + workers - 1 - place % workers) / workers).max(1);
        let wiring = Wiring::new(plan);
        let streams = control.is_some().then(|| Streams::new(plan, script, index));
        let duration_ns = streams.as_ref().map_or(0, Streams::duration_ns);
        // Where each iteration needs its own there is nothing to ration.
        let growth = if script.own_connections { Growth::unrationed() } else { wiring.growth() };
        let mut core = Self {
            courier: Courier::new(wiring.client(reactor, cap, plan.timeout_ns, place), growth),
            wiring,
            socket_wiring: Wiring::of_sockets(plan),
            home: None,
            recorder,
            streams,
            vitals: Vitals::new(plan, duration_ns),
            control,
            timeout_ns: plan.timeout_ns,
            running: 0,
            owns_connections: script.own_connections,
            iteration_labels: Vec::new(),
            users: Vec::new(),
            waiters: Waiters::default(),
            pending: Pending::default(),
            labels: Default::default(),
            tallies: Default::default(),
            labels_full: false,
            lookups_ns: if index == 0 { plan.dns_ns.clone() } else { Vec::new() },
            requests: Requests::new(&script.base_url, script.headers.clone()),
            script_ns: 0,
            native_ns: 0,
            sockets: Sockets::default(),
            roused: Vec::new(),
        };
        for scenario in &script.scenarios {
            let label = core.label(Role::Iteration, &scenario.name);
            core.iteration_labels.push(label.ok_or_else(|| refused("there are too many scenarios"))?);
        }
        core.add_base(plan, place)?;
        Ok(core)
    }
}

impl Engine {
    /// The core, for as long as no Python code runs.
    pub(crate) fn core(&self) -> PyResult<RefMut<'_, Core>> {
        if this_thread() != self.thread {
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

    pub(crate) fn resolve<'py>(py: Python<'py>, future: &Py<PyAny>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let set = future.bind(py).call_method1(pyo3::intern!(py, "set_result"), (value,));
        match set {
            // Whoever waited has been cancelled; the outcome is recorded all the same.
            Err(_) if future.bind(py).call_method0(pyo3::intern!(py, "done"))?.is_truthy()? => Ok(()),
            other => other.map(drop),
        }
    }

    fn owner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let owner = self.owner.borrow();
        Ok(owner.as_ref().ok_or_else(|| refused("the engine has no loop yet"))?.bind(py).clone())
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
        let core = Core::new(&plan, script, block.map_err(refused)?, index, control)?;
        Ok(Self {
            core: RefCell::new(core),
            thread: this_thread(),
            ready: Ready::default(),
            owner: RefCell::default(),
            future_type: py.import("_asyncio")?.getattr("Future")?.unbind(),
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

    /// How many sockets there are, those included that are being opened or closed.
    #[getter]
    fn sockets(&self) -> PyResult<usize> {
        Ok(self.core()?.sockets.len())
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

    /// Forgets the loop, and what was to be run on it.
    fn detach(&self) {
        self.__clear__();
    }
}
