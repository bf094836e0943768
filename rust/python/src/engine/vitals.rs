//! The run of a worker: the parent's orders, its phases, what is given up, and the last entries.

use loadgen_engine::clock::now_ns;
use loadgen_engine::record::block::Word;
use loadgen_engine::record::snapshot::Snapshot as Sums;
use loadgen_engine::streams::Streams;
use pyo3::prelude::*;

use super::{Core, Engine};
use crate::refused;
use crate::snapshot::Snapshot;

impl Core {
    /// Whether the load has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.vitals.start_ns > 0 || self.streams.is_none()
    }

    pub(super) fn since_start(&self, now: u64) -> u64 {
        now.saturating_sub(self.vitals.start_ns)
    }

    pub(super) fn is_on(&self, now: u64) -> bool {
        self.vitals.start_ns > 0 && now >= self.vitals.start_ns
    }

    /// What a sign of life shows.
    pub(super) fn shown(&self, now: u64) -> [(Word, u64); 5] {
        let overdue = self.streams.as_ref().map_or(0, |streams| streams.overdue(self.vitals.age_ns(now)));
        let users = self.streams.as_ref().map_or(0, Streams::users) as u64;
        [
            (Word::Connections, self.courier.client.pool().opened() as u64),
            (Word::Overdue, overdue),
            (Word::ActiveUsers, self.running as u64),
            (Word::Users, users),
            (Word::ScriptNs, self.script_ns),
        ]
    }

    fn give_up_the_rest(&mut self, now: u64) {
        let since = self.since_start(now);
        if let Some(streams) = &mut self.streams {
            streams.finish(since);
        }
        self.record_given_up();
    }

    pub(super) fn record_given_up(&mut self) {
        let given_up = self.streams.as_mut().map(Streams::take_given_up).unwrap_or_default();
        for (scenario, count) in given_up {
            self.recorder.given_up(self.iteration_labels[scenario], Word::Cancelled, count);
        }
    }

    pub(super) fn obey(&mut self, now: u64) {
        let Some(control) = &mut self.control else { return };
        let waited = self.vitals.start_ns == 0;
        let gives_up = self.vitals.obey(control, now);
        if waited && self.vitals.start_ns > 0 {
            self.vitals.count_from_here();
            (self.script_ns, self.native_ns) = (0, 0);
        }
        if gives_up {
            self.give_up_the_rest(now);
        }
        for change in std::mem::take(&mut self.vitals.changes) {
            let Some(streams) = &mut self.streams else { break };
            let users_before = streams.most_users();
            streams.change(change.at_ns, change.loads);
            self.courier.client.follow_users(users_before, streams.most_users());
        }
    }

    fn phase(&mut self, now: u64) -> &'static str {
        let since = self.since_start(now);
        let exhausted = self.streams.as_ref().is_none_or(|streams| streams.is_exhausted(since));
        if exhausted && self.vitals.start_ns > 0 {
            // It may come long before the plan's end: where iterations or rows are used up.
            self.vitals.end_at(now);
        }
        match () {
            () if self.vitals.stopped => "stopped",
            () if self.vitals.start_ns == 0 => "waiting",
            () if !exhausted => "load",
            () if self.running > 0 && now < self.vitals.drain_until_ns => "drain",
            () => "over",
        }
    }

    fn close_the_books(&mut self, now: u64) {
        if self.vitals.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        let Self { courier, recorder, pending, .. } = self;
        // What has ended without an event of its own, and was not told of yet.
        while let Some(outcome) = courier.next_ended(recorder, &mut |_| true) {
            recorder.finished(outcome.label, &outcome);
        }
        courier.abandon(recorder);
        // Nobody says any more what is to be made of them.
        for outcome in pending.take_all() {
            recorder.finished(outcome.label, &outcome);
        }
        self.abandon_iterations();
        self.abandon_sockets();
        self.vitals.close(&self.recorder, now, &self.shown(now));
        self.recorder.set(Word::Users, 0);
    }
}

#[pymethods]
impl Engine {
    /// Tells the parent something, in one line.
    fn report(&self, line: &str) -> PyResult<()> {
        match &mut self.core()?.control {
            Some(control) => control.report(line).map_err(refused),
            None => Ok(()),
        }
    }

    /// What this worker has counted so far.
    fn snapshot(&self) -> PyResult<Snapshot> {
        Ok(Snapshot::new(Sums::read([self.core()?.recorder.block()])))
    }

    /// "waiting", "load", "drain", "over" or "stopped".
    #[getter]
    fn phase(&self) -> PyResult<&'static str> {
        Ok(self.core()?.phase(now_ns()))
    }

    /// Nothing new from here on.
    fn finish(&self) -> PyResult<()> {
        self.core()?.give_up_the_rest(now_ns());
        Ok(())
    }

    /// The last entries: what is under way is unfinished.
    fn close_the_books(&self) -> PyResult<()> {
        self.core()?.close_the_books(now_ns());
        Ok(())
    }
}
