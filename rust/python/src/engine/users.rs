//! The users: each is one task of the loop that waits for its next iteration. When that is due, the streams say.

use loadgen_engine::clock::{SECOND, now_ns};
use loadgen_engine::outcome::{End, ErrorKind};
use loadgen_engine::record::block::{Kind, Word};
use loadgen_engine::streams::{Next, Parked};
use pyo3::prelude::*;

use super::names::{how_ended, unsent};
use super::turn::BATCH;
use super::{Core, Engine};
use crate::refused;

/// A hundred years.
const LONGEST_REST_NS: f64 = 3.2e18;

/// A virtual user, as far as the engine knows it.
#[derive(Default)]
pub(super) struct User {
    pub(super) parked: Option<Py<PyAny>>,
    running: Option<Running>,
    /// The turn of the loop in which it was looked at last.
    turn: u64,
    /// The one scenario that it plays, where it has a part of its own.
    part: Option<usize>,
}

#[derive(Clone, Copy)]
struct Running {
    scenario: usize,
    due_ns: u64,
    begun_ns: u64,
    /// Nothing has been sent yet: what is sent first was due with the iteration.
    is_fresh: bool,
}

/// The number by which connections know it.
fn owner_of(user: usize) -> usize {
    user + 1
}

impl Core {
    /// What is to be done next for the load; iterations that begin are recorded.
    fn next_act(&mut self, now: u64) -> Next {
        let since = self.since_start(now);
        let on = self.is_on(now);
        let start_ns = self.vitals.start_ns;
        let Some(streams) = &mut self.streams else { return Next::Nothing(None) };
        if !on {
            return Next::Nothing((start_ns > 0).then_some(0));
        }
        let next = streams.next(since);
        match next {
            Next::Start { user, scenario, due_ns } => {
                self.iteration_begins(user, scenario, start_ns + due_ns, now);
            }
            Next::Drop { scenario } => self.recorder.given_up(self.iteration_labels[scenario], Word::Dropped, 1),
            _ => self.record_given_up(),
        }
        next
    }

    /// An iteration has begun. Of which scenario.
    fn iteration_begins(&mut self, user: usize, drawn: usize, due_ns: u64, now: u64) -> usize {
        let scenario = self.users[user].part.unwrap_or(drawn);
        let label = self.iteration_labels[scenario];
        self.recorder.taken(label);
        self.recorder.sample(label, Kind::Lateness, now.saturating_sub(due_ns));
        self.running += 1;
        self.users[user].running = Some(Running { scenario, due_ns, begun_ns: now, is_fresh: true });
        scenario
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

    /// Whose connections carry what a user sends: those of its iteration, or anybody's.
    pub(super) fn owner(&self, user: usize) -> usize {
        if self.owns_connections && user < self.users.len() { owner_of(user) } else { 0 }
    }

    /// An iteration has ended: well, or not.
    fn iteration_ended(&mut self, id: usize, how: Result<(), ErrorKind>, now: u64) {
        let Some(running) = self.users[id].running.take() else { return };
        self.running -= 1;
        self.courier.client.disown(owner_of(id));
        let Running { scenario, due_ns, begun_ns, .. } = running;
        let label = self.iteration_labels[scenario];
        match how {
            Ok(()) => self.recorder.ended_well(label, due_ns, begun_ns, now),
            Err(kind) => self.recorder.finished(label, &unsent(label, now, End::Error(kind))),
        }
    }

    /// Those that still run are unfinished.
    pub(super) fn abandon_iterations(&mut self) {
        for running in self.users.iter_mut().filter_map(|user| user.running.take()) {
            self.recorder.unfinished(self.iteration_labels[running.scenario], 1);
        }
    }
}

impl Engine {
    /// Begins what is due. When the next is due, from the start of the run.
    pub(super) fn begin_due(&self, py: Python<'_>) -> PyResult<Option<u64>> {
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
}

#[pymethods]
impl Engine {
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
    /// last one ended, where there was one; `error` of what kind its failure was, where that is known. The next one
    /// does not begin before the user has rested.
    #[pyo3(signature = (place, ok = None, error = None, rest_s = 0.0))]
    fn park<'py>(
        &self,
        py: Python<'py>,
        place: usize,
        ok: Option<bool>,
        error: Option<&str>,
        rest_s: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = how_ended(ok, error)?;
        let future = self.new_future(py)?;
        let waits = {
            let mut core = self.core()?;
            let now = now_ns();
            if let Some(how) = how {
                core.iteration_ended(place, how, now);
            }
            let since = core.since_start(now);
            // Longer than any run where it is too large for a number of nanoseconds.
            let pause_ns = (rest_s.max(0.0) * SECOND as f64).min(LONGEST_REST_NS) as u64;
            let was_running = ok.is_some();
            let parked = core.streams.as_mut().map(|streams| streams.park(place, since, was_running, pause_ns));
            let waits = parked == Some(Parked::Waits);
            if waits {
                core.users[place].parked = Some(future.clone().unbind());
            }
            waits
        };
        if !waits {
            future.call_method1("set_result", (py.None(),))?;
        }
        Ok(future)
    }

    /// As `park`, of a user that has not to rest. Where it may go on at once it does, and it is told the scenario's place
    /// in place of a future. One that has waited for nothing since it began has to wait now: others want to run too.
    fn go_on<'py>(&self, py: Python<'py>, place: usize, ok: bool) -> PyResult<Bound<'py, PyAny>> {
        let turn = self.turns.get();
        {
            let mut core = self.core()?;
            let now = now_ns();
            let core = &mut *core;
            let has_waited = std::mem::replace(&mut core.users[place].turn, turn) != turn;
            if has_waited && core.is_on(now) && now < core.vitals.ends_ns {
                let since = core.since_start(now);
                let how = if ok { Ok(()) } else { Err(ErrorKind::ScriptError) };
                core.iteration_ended(place, how, now);
                match core.streams.as_mut().map_or(Parked::Leaves, |streams| streams.go_on(place, since)) {
                    Parked::Begins { scenario, due_ns } => {
                        let due_ns = core.vitals.start_ns + due_ns;
                        return Ok(core.iteration_begins(place, scenario, due_ns, now).into_pyobject(py)?.into_any());
                    }
                    Parked::Leaves => return Ok(py.None().into_bound(py)),
                    Parked::Waits => {
                        let future = self.new_future(py)?;
                        core.users[place].parked = Some(future.clone().unbind());
                        return Ok(future);
                    }
                }
            }
        }
        self.park(py, place, Some(ok), None, 0.0)
    }

    /// A user plays this scenario alone, whichever is drawn.
    fn cast(&self, place: usize, scenario: usize) -> PyResult<()> {
        self.core()?.users[place].part = Some(scenario);
        Ok(())
    }

    /// A user is gone. `ok` says how the iteration ended that it was in: None that it was broken off. `for_good`: nobody
    /// comes in its place, even if it never parked.
    #[pyo3(signature = (place, ok = None, *, for_good = false))]
    fn gone(&self, place: usize, ok: Option<bool>, for_good: bool) -> PyResult<()> {
        let mut core = self.core()?;
        let now = now_ns();
        let was_running = core.users[place].running;
        match (was_running, ok) {
            (Some(_), Some(ok)) => core.iteration_ended(place, ok.then_some(()).ok_or(ErrorKind::ScriptError), now),
            (Some(running), None) => {
                core.running -= 1;
                core.users[place].running = None;
                core.courier.client.disown(owner_of(place));
                core.recorder.unfinished(core.iteration_labels[running.scenario], 1);
            }
            (None, _) => {}
        }
        core.users[place].parked = None;
        if let Some(streams) = &mut core.streams {
            streams.gone(place, for_good);
        }
        Ok(())
    }
}
