//! What is due is taken and sent, as far as connections go; where they do not, more are made.

use super::Worker;
use crate::clock::now_ns;
use crate::growth::CONNECT_BATCH;
use crate::pool::Sending;
use crate::reactor::{Reactor, Slot};
use crate::record::block::{Kind, Word};
use crate::requests::Chosen;
use crate::source::Due;

/// Sends between two looks at what has come.
pub(super) const DISPATCH_BATCH: usize = 16;
/// Most blasts know one place to send to.
pub(super) const ORIGIN: usize = 0;

impl<R: Reactor> Worker<R> {
    /// Sends what is due, as far as connections go. When the next is due, if that is known and could be sent. The
    /// caller has just read the clock; it is read again only when a write has taken time.
    #[inline]
    pub(super) fn dispatch(&mut self, mut now: u64) -> Option<u64> {
        if now < self.vitals.start_ns {
            return Some(self.vitals.start_ns);
        }
        if self.lanes.are_used() {
            return self.dispatch_lanes(now);
        }
        for sends in 0..DISPATCH_BATCH {
            let due_ns = match self.source.due(now - self.vitals.start_ns) {
                Due::Send(due_ns) => self.vitals.start_ns + due_ns,
                Due::Drop => {
                    self.drop_next();
                    continue;
                }
                Due::Nothing(next_ns) => {
                    self.starved_since_ns = None;
                    return next_ns.map(|ns| self.vitals.start_ns + ns);
                }
            };
            let Some(slot) = self.client.acquire(ORIGIN) else {
                self.starved_since_ns.get_or_insert(now);
                return None;
            };
            if sends > 0 {
                now = now_ns();
            }
            let chosen = self.take(due_ns, now);
            self.send(slot, chosen, due_ns, now);
        }
        Some(now)
    }

    /// What is due next is too late.
    pub(super) fn drop_next(&mut self) {
        self.give_up_next(Word::Dropped);
    }

    /// What is due next is not sent.
    pub(super) fn give_up_next(&mut self, word: Word) {
        let chosen = self.requests.choose(self.source.number());
        self.source.take();
        self.recorder.given_up(self.arrival_label(chosen), word, 1);
    }

    #[inline]
    pub(super) fn take(&mut self, due_ns: u64, now: u64) -> Chosen {
        let chosen = self.requests.choose(self.source.number());
        self.source.take();
        self.recorder.taken(chosen.label);
        // Until somebody looked it was the generator that kept the request waiting, then the lack of a connection.
        let looked_ns = self.starved_since_ns.map_or(now, |since_ns| since_ns.max(due_ns));
        self.recorder.sample(chosen.label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        if self.starved_since_ns.is_some() {
            self.recorder.add(Word::PoolWaits, 1);
            self.recorder.sample(chosen.label, Kind::PoolWait, now.saturating_sub(looked_ns));
        }
        chosen
    }

    #[inline]
    pub(super) fn send(&mut self, slot: Slot, chosen: Chosen, due_ns: u64, now: u64) {
        let Chosen { label, is_head, .. } = chosen;
        let (request, upload) = self.requests.bytes(chosen, due_ns);
        let token = chosen.origin as u64;
        let sending = Sending { due_ns, timeout_ns: self.timeout_ns, label, is_head, token, ..Sending::default() };
        let bytes = self.client.send(slot, now, request, upload, sending);
        self.recorder.sent(label, due_ns, now, bytes);
    }

    /// Begins as many connections as there are requests waiting for one, a few at a time. When to look again: at the
    /// cap that is when one is free, and that will be heard of.
    pub(super) fn grow(&mut self, now: u64) -> Option<u64> {
        if let Some(rest_ns) = self.growth.rests_until(now) {
            return Some(rest_ns);
        }
        if self.lanes.are_used() {
            return Some(self.grow_lanes(now));
        }
        let waiting = self.source.overdue(now.saturating_sub(self.vitals.start_ns)).max(1) as usize;
        let wanted = self.client.wanted(ORIGIN, waiting);
        for _ in 0..wanted.min(CONNECT_BATCH) {
            let Some(happened) = self.client.connect(ORIGIN, now) else {
                self.recorder.add(Word::CapHits, 1);
                return None;
            };
            self.account(happened, now);
        }
        Some(self.growth.begun(now, now_ns(), wanted))
    }
}
