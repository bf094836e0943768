//! One turn of the loop: what is due begins, then it waits, and hands on what has come.

use std::os::fd::{BorrowedFd, RawFd};

use loadgen_engine::clock::{SECOND, now_ns};
use loadgen_engine::pacer::Wake;
use loadgen_engine::reactor::{Event, Reactor, Readiness};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{Core, Engine};
use crate::ready::Handle;
use crate::refused;

/// Iterations begun, and events handled, between two looks at the ready queue.
pub(super) const BATCH: usize = 32;

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
    /// When something must be looked at again, and whether that is an arrival.
    fn wake(&mut self, py: Python<'_>, now: u64, next_arrival_ns: Option<u64>, timer_ns: Option<u64>) -> Wake {
        if now >= self.vitals.next_heartbeat_ns {
            self.vitals.heartbeat(&self.recorder, now, &self.shown(now));
        }
        let Self { courier, recorder, waiters, .. } = self;
        let courier_ns = courier.turn(recorder, now, &mut |token| waiters.wants(py, token));
        let socket_ns = self.seat_sockets(now).min(self.ping_sockets(now));
        let timer_ns = self.vitals.next_heartbeat_ns.min(courier_ns).min(socket_ns).min(timer_ns.unwrap_or(u64::MAX));
        match next_arrival_ns.map(|ns| self.vitals.start_ns + ns) {
            Some(due_ns) if due_ns <= timer_ns => Wake::Arrival(due_ns),
            _ => Wake::Timer(timer_ns),
        }
    }
}

impl Engine {
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
                self.answer(py, waiter, response)?;
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
                self.answer(py, waiter, response)?;
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
            let Core { courier, vitals, .. } = &mut *core;
            let waited = vitals.pacer.wait(&mut courier.client.reactor, now, wake);
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
        let Core { courier, vitals, .. } = &mut *core;
        vitals.pacer.calibrate(&mut courier.client.reactor).map_err(refused)
    }
}

/// A descriptor of the caller's, for one call.
unsafe fn borrowed<'fd>(fd: RawFd) -> PyResult<BorrowedFd<'fd>> {
    if fd < 0 {
        return Err(PyValueError::new_err(format!("no descriptor: {fd}")));
    }
    // SAFETY: it is not -1; whether it is open, the kernel will say.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}
