//! The same where there are several origins, or several requests to an arrival: what is due is taken out of the source
//! at once, and what finds no connection waits in the lane of its origin while the others go on.

use super::Worker;
use super::due::DISPATCH_BATCH;
use crate::clock::now_ns;
use crate::growth::CONNECT_BATCH;
use crate::lanes::Waiting;
use crate::reactor::{Reactor, Slot};
use crate::record::block::{Kind, Word};
use crate::requests::Chosen;
use crate::source::Due;

impl<R: Reactor> Worker<R> {
    /// What waits goes first, then what is due is sent or begins to wait.
    pub(super) fn dispatch_lanes(&mut self, now: u64) -> Option<u64> {
        for origin in 0..self.lanes.count() {
            while self.lanes.length(origin) > 0
                && let Some(slot) = self.acquire(origin)
                && let Some(waiting) = self.lanes.pop(origin)
            {
                self.begin_waiting(waiting, now);
                self.send_waiting(slot, waiting, now);
            }
        }
        for _ in 0..DISPATCH_BATCH {
            if self.lanes.are_full() {
                return None;
            }
            let due_ns = match self.source.due(now - self.vitals.start_ns) {
                Due::Send(due_ns) => self.vitals.start_ns + due_ns,
                Due::Drop => {
                    self.drop_next();
                    continue;
                }
                Due::Nothing(next_ns) => {
                    self.give_up_late(now);
                    return next_ns.map(|ns| self.vitals.start_ns + ns);
                }
            };
            let chosen = self.requests.choose(self.source.number());
            self.source.take();
            let waiting = Waiting { due_ns, looked_ns: now, chosen, journey: None };
            if let Some(slot) = self.acquire(chosen.origin) {
                self.begin_waiting(waiting, now);
                self.send_waiting(slot, waiting, now);
            } else {
                self.wait(waiting, now);
            }
        }
        Some(now)
    }

    /// A connection that is ready, unless it is to make room for one to somewhere else.
    fn acquire(&mut self, origin: usize) -> Option<Slot> {
        let pool = self.client.pool();
        if pool.opened() >= pool.cap() && self.lanes.must_yield(origin) {
            return None;
        }
        self.client.acquire(origin)
    }

    /// No connection is ready for it.
    pub(super) fn wait(&mut self, waiting: Waiting, now: u64) {
        self.starved_since_ns.get_or_insert(now);
        self.lanes.push(waiting);
    }

    /// Counts a request of a lane as taken up. A hop was counted when its arrival came to it.
    pub(super) fn begin_waiting(&mut self, waiting: Waiting, now: u64) {
        let Waiting { due_ns, looked_ns, chosen, journey } = waiting;
        let Chosen { label, .. } = chosen;
        if journey.is_none() {
            let arrival = self.arrival_label(chosen);
            self.recorder.taken(arrival);
            if arrival != label {
                self.recorder.begun(label);
                self.recorder.sample(arrival, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
            }
        }
        self.recorder.sample(label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        if now > looked_ns {
            self.recorder.add(Word::PoolWaits, 1);
            self.recorder.sample(label, Kind::PoolWait, now - looked_ns);
        }
        if self.lanes.waiting() == 0 {
            self.starved_since_ns = None;
        }
    }

    fn send_waiting(&mut self, slot: Slot, waiting: Waiting, now: u64) {
        self.lanes.sent(waiting.chosen.origin);
        if self.conversation.is_some() {
            self.send_on(slot, waiting, now);
        } else {
            self.send(slot, waiting.chosen, waiting.due_ns, now);
        }
    }

    /// Gives up what has waited in a lane for too long, and users that wait when the load is over.
    fn give_up_late(&mut self, now: u64) {
        if self.lanes.waiting() == 0 {
            return;
        }
        if let Some(limit_ns) = self.drop_after_ns {
            for origin in 0..self.lanes.count() {
                while let Some(late) = self.lanes.pop_late(origin, now.saturating_sub(limit_ns)) {
                    self.recorder.given_up(self.arrival_label(late.chosen), Word::Dropped, 1);
                }
            }
        }
        if !self.source.is_numbered() && self.source.is_exhausted(now - self.vitals.start_ns) {
            self.empty_lanes();
        }
    }

    /// No arrival waits any more. One that did is cancelled; a user has asked for nothing that was scheduled.
    pub(super) fn empty_lanes(&mut self) {
        for waiting in self.lanes.drain_arrivals() {
            if self.source.is_numbered() {
                self.recorder.given_up(self.arrival_label(waiting.chosen), Word::Cancelled, 1);
            } else {
                self.source.retire();
            }
        }
        if self.lanes.waiting() == 0 {
            self.starved_since_ns = None;
        }
    }

    /// Begins connections for each origin by itself. Where one is at the cap, others may still close what they do not
    /// need. It is also the time to see whether it is known by now where hops go.
    pub(super) fn grow_lanes(&mut self, now: u64) -> u64 {
        self.release_found(now);
        let mut most_wanted = 0;
        for origin in 0..self.lanes.count() {
            let connecting = self.client.pool().connecting(origin);
            let wanted = self.client.wanted(origin, self.lanes.length(origin));
            let wanted = wanted.min(self.lanes.room(origin, connecting));
            for _ in 0..wanted.min(CONNECT_BATCH) {
                let Some(happened) = self.client.connect(origin, now) else {
                    self.recorder.add(Word::CapHits, 1);
                    break;
                };
                self.account(happened, now);
            }
            most_wanted = most_wanted.max(wanted);
        }
        self.growth.begun(now, now_ns(), most_wanted)
    }
}
