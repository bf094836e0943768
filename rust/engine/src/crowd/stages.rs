//! What a socket says beside the messages that are due: one stage after the other, each when nothing of the one before
//! it waits for a reply any more.
//!
//! ```text
//!   open ─▶ subscribe ─▶ list ─▶ is held … the load is over ─▶ unsubscribe ─▶ (all close)
//! ```

use super::messages::Filling;
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

impl<R: Reactor> Crowd<R> {
    /// Sockets that wait for nothing go on.
    pub(super) fn go_on(&mut self) {
        while let Some(seat) = self.desk.ready.pop() {
            let is_over = self.closing;
            let it = self.desk.seats.get(seat);
            let may_go_on = it.open_since_ns > 0 && it.unsettled == 0 && !is_over;
            match it.stage {
                Some(stage) if may_go_on && (stage != Stage::Unsubscribe || self.leaves) => {
                    it.stage = stage.next();
                    self.begin(seat, stage);
                }
                _ => {}
            }
        }
    }

    fn begin(&mut self, seat: u32, stage: Stage) {
        for place in 0..self.messages.count(stage) {
            // What refers to an acknowledgement is said once for each.
            let times =
                if self.messages.refers(stage, place) { self.desk.seats.get(seat).acknowledged.len() } else { 1 };
            for turn in 0..times {
                let now = now_ns();
                let it = self.desk.seats.get(seat);
                let reply = it.acknowledged.get(turn).map_or(&[][..], |values| values);
                let filling = Filling { number: it.number, connection: it.number, due_ns: now, reply };
                let Some((label, is_binary)) = self.messages.write_of(stage, place, filling) else { continue };
                it.unsettled += 1;
                self.desk.recorder.begun(label);
                self.say(seat, Some(stage), label, now, now, is_binary);
            }
        }
        if self.desk.seats.get(seat).unsettled == 0 {
            self.desk.ready.push(seat);
        }
    }

    /// The load is over: sockets unsubscribe, a few at a time. When there are more of them to do so.
    pub(super) fn take_leave(&mut self, now: u64) -> u64 {
        if !self.leaves {
            self.leaves = true;
            self.to_leave = self.desk.seats.all_open().to_vec();
        }
        let rest = self.to_leave.len().saturating_sub(BATCH);
        self.desk.ready.extend(self.to_leave.drain(rest..));
        self.go_on();
        if self.to_leave.is_empty() { u64::MAX } else { now }
    }
}
