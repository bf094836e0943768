//! What a socket says beside the messages that are due: one stage after the other, each when nothing of the one before
//! it waits for a reply any more.
//!
//! ```text
//!   open ─▶ subscribe ─▶ list ─▶ is held … its turn to leave ─▶ unsubscribe ─▶ (all close)
//! ```

use super::messages::Filling;
use super::replies::Asked;
use super::{BATCH, Crowd};
use crate::clock::now_ns;
use crate::reactor::Reactor;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// When the socket is open.
    Subscribe,
    /// When it has subscribed.
    List,
    /// Before it is closed.
    Unsubscribe,
}

impl Stage {
    fn next(self) -> Option<Self> {
        match self {
            Self::Subscribe => Some(Self::List),
            Self::List => Some(Self::Unsubscribe),
            Self::Unsubscribe => None,
        }
    }
}

/// How sockets take their leave, one after the other.
#[derive(Debug, Default)]
pub(super) struct Leave {
    has_begun: bool,
    /// Who has yet to, the next one last.
    seats: Vec<u32>,
    gap_ns: u64,
    next_ns: u64,
}

impl<R: Reactor> Crowd<R> {
    /// Sockets of which nothing waits for a reply go on.
    pub(super) fn go_on(&mut self) {
        while let Some(seat) = self.desk.ready.pop() {
            self.enter(seat, None);
        }
    }

    /// Begins the next stage of a socket, if it may.
    fn enter(&mut self, seat: u32, due_ns: Option<u64>) {
        let it = self.desk.seats.get(seat);
        let may = it.open_since_ns > 0 && it.unsettled == 0 && !self.closing;
        let Some((stage, slot)) = it.stage.zip(it.slot).filter(|_| may) else { return };
        if stage == Stage::Unsubscribe && !self.leave.has_begun {
            return;
        }
        it.stage = stage.next();
        for place in 0..self.messages.count(stage) {
            // What refers to an acknowledgement is said once for each.
            let refers = self.messages.refers(stage, place);
            let times = if refers { self.desk.seats.get(seat).acknowledged.len() } else { 1 };
            for turn in 0..times {
                let now = now_ns();
                let due_ns = due_ns.unwrap_or(now);
                let it = self.desk.seats.get(seat);
                let reply = it.acknowledged.get(turn).map_or(&[][..], |values| values);
                let filling = Filling { number: it.number, connection: it.number, due_ns, reply };
                let Some((label, is_binary)) = self.messages.write_of(stage, place, filling) else { continue };
                it.unsettled += 1;
                self.desk.recorder.begun(label);
                let asked = Asked { label, due_ns, sent_ns: now, slot, seat, stage: Some(stage) };
                self.say(asked, is_binary, true);
            }
        }
        if self.desk.seats.get(seat).unsettled == 0 {
            self.desk.ready.push(seat);
        }
    }

    /// The load comes to its end: sockets unsubscribe. When the next is due to.
    pub(super) fn take_leave(&mut self, now: u64) -> u64 {
        if self.messages.count(Stage::Unsubscribe) == 0 {
            return u64::MAX;
        }
        let leave_ns = self.desk.plan.leave_ns;
        let from_ns = self.vitals.ends_ns.saturating_sub(leave_ns);
        if now < from_ns {
            return from_ns;
        }
        if !std::mem::replace(&mut self.leave.has_begun, true) {
            self.leave.seats = self.desk.seats.all_open().iter().rev().copied().collect();
            self.leave.gap_ns = leave_ns / self.leave.seats.len().max(1) as u64;
            self.leave.next_ns = from_ns;
        }
        for _ in 0..BATCH {
            let due_ns = self.leave.next_ns.min(self.vitals.ends_ns);
            let Some(&seat) = self.leave.seats.last() else { return u64::MAX };
            if due_ns > now {
                return due_ns;
            }
            self.leave.seats.pop();
            self.leave.next_ns += self.leave.gap_ns;
            self.enter(seat, Some(due_ns));
            self.go_on();
        }
        now
    }
}
