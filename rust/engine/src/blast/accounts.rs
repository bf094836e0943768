//! What happened is counted, and in the end nothing is left out of the books.

use super::Worker;
use crate::client::Happened;
use crate::clock::now_ns;
use crate::lanes::Waiting;
use crate::outcome::{ErrorKind, Outcome};
use crate::reactor::Reactor;
use crate::record::block::{Kind, Word};
use crate::source::Due;

impl<R: Reactor> Worker<R> {
    /// Counts what happened, and lets those go on who waited for it.
    #[inline]
    pub(super) fn account(&mut self, happened: Happened, now: u64) {
        match happened {
            Happened::Nothing | Happened::Socket { .. } => return,
            Happened::Sent { label, took_ns } => return self.recorder.sample(label, Kind::Send, took_ns),
            Happened::Ended(outcome) => {
                if self.lanes.are_used() {
                    self.ended_in_lane(&outcome, now);
                } else {
                    self.ended(&outcome);
                }
            }
            Happened::Connected { origin, took_ns, tls_ns } => {
                self.growth.ended(true);
                self.recorder.add(Word::Connects, 1);
                self.recorder.connected(self.requests.label_of(origin), took_ns, tls_ns);
            }
            Happened::ConnectFailed { origin, kind, since_ns } => {
                return self.connect_failed(origin, kind, since_ns, now);
            }
        }
        self.dispatch(now);
    }

    /// One event may have ended many requests. Those that end meanwhile have their turn after what has come.
    #[inline]
    pub(super) fn account_for_more(&mut self, now: u64) {
        for _ in 0..self.client.count_more() {
            let Some(happened) = self.client.next_more() else { break };
            self.account(happened, now);
        }
    }

    #[inline]
    pub(super) fn ended(&mut self, outcome: &Outcome) {
        self.recorder.finished(outcome.label, outcome);
        self.source.ended(outcome.done_ns - self.vitals.start_ns);
    }

    /// No request is tied to a connection that is being made, so the one that has waited longest fails with it, if any
    /// still waits: somebody must be told, or a dead target would look like a patient one. One that was to carry many
    /// fails with all that waited when it was begun.
    fn connect_failed(&mut self, origin: usize, kind: ErrorKind, since_ns: u64, now: u64) {
        self.recorder.add(Word::ConnectFailures, 1);
        self.growth.ended(false);
        let mut next = self.take_waiting(origin, now.saturating_add(1), now);
        while let Some(waiting) = next {
            self.fail_unsent(waiting, kind, now);
            next = self.take_waiting(origin, since_ns, now);
        }
    }

    /// Takes up what has waited longest for a connection to an origin, if it was due before an instant.
    fn take_waiting(&mut self, origin: usize, before_ns: u64, now: u64) -> Option<Waiting> {
        if self.lanes.are_used() {
            let waiting = self.lanes.pop_before(origin, before_ns)?;
            self.begin_waiting(waiting, now);
            return Some(waiting);
        }
        let Due::Send(due_ns) = self.source.due(now.saturating_sub(self.vitals.start_ns)) else { return None };
        let due_ns = self.vitals.start_ns + due_ns;
        (due_ns < before_ns).then(|| Waiting { due_ns, looked_ns: now, chosen: self.take(due_ns, now), journey: None })
    }

    pub(super) fn sweep(&mut self, now: u64) {
        for slot in self.client.expired(now) {
            let happened = self.client.expire(slot, now);
            self.account(happened, now_ns());
            self.account_for_more(now_ns());
        }
        self.next_sweep_ns = now + self.client.sweep_ns();
    }

    /// What a sign of life shows.
    pub(super) fn shown(&self, now: u64) -> [(Word, u64); 3] {
        let overdue = self.source.overdue(self.vitals.age_ns(now)) + self.lanes.waiting() as u64;
        [
            (Word::Connections, self.client.pool().opened() as u64),
            (Word::Overdue, overdue),
            (Word::ActiveUsers, self.source.active_users()),
        ]
    }

    pub(super) fn give_up_the_rest(&mut self, now: u64) {
        let since_start_ns = now.saturating_sub(self.vitals.start_ns);
        self.empty_lanes();
        // Where arrivals have labels of their own, each is told by name.
        while self.requests.is_many()
            && self.source.is_numbered()
            && let Due::Send(_) | Due::Drop = self.source.due(since_start_ns)
        {
            self.give_up_next(Word::Cancelled);
        }
        let given_up = self.source.finish(since_start_ns);
        let label = self.conversation.as_ref().map_or(self.requests.first_label(), |it| it.iteration);
        self.recorder.given_up(label, Word::Cancelled, given_up);
    }

    /// What was due and not sent is cancelled, what was sent and not answered is unfinished. Nothing is left out.
    pub(super) fn close_the_books(&mut self) {
        let now = now_ns();
        if self.vitals.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        for label in self.client.labels_in_flight() {
            self.recorder.unfinished(label, 1);
        }
        self.abandon();
        self.client.say_goodbye_to_all();
        self.vitals.close(&self.recorder, now, &self.shown(now));
    }
}
