//! What time demands: timeouts, what signs of life show, the end of the load and of the run.

use std::io;

use super::{Crowd, NORMAL};
use crate::clock::{SECOND, now_ns};
use crate::control::Control;
use crate::reactor::Reactor;
use crate::record::block::Word;
use crate::source::Due;

/// Of what is told of deliveries at a time, in bytes.
const LONGEST_LINE: usize = 50_000;
/// Between two looks whether the last replies have come.
const LOOK_NS: u64 = SECOND / 100;

impl<R: Reactor> Crowd<R> {
    pub(super) fn sweep(&mut self, now: u64) {
        for slot in self.client.expired(now) {
            let happened = self.client.expire(slot, now);
            self.account(happened, now);
        }
        self.desk.expire(now);
        self.go_on();
        self.next_sweep_ns = now + self.client.sweep_ns();
    }

    /// The load is over. Replies that are waited for may come; then all sockets close.
    pub(super) fn end(&mut self, now: u64) {
        let may_wait_until_ns = self.vitals.ends_ns + self.vitals.drain_ns / 2;
        if !self.desk.replies.is_empty() && now < may_wait_until_ns {
            self.next_sweep_ns = self.next_sweep_ns.min(now + LOOK_NS);
            return;
        }
        self.closing = true;
        for seat in self.desk.seats.all_open().to_vec() {
            self.hang_up(seat, now);
        }
    }

    pub(super) fn hang_up(&mut self, seat: u32, now: u64) {
        if let Some(slot) = self.desk.seats.get(seat).slot {
            self.client.hang_up(slot, NORMAL, "", now);
        }
    }

    pub(super) fn tell_of_deliveries(&mut self, control: &mut Control, now: u64) -> io::Result<()> {
        let settled = self.desk.spread.settle(now);
        let mut rest = settled.as_str();
        while !rest.is_empty() {
            // Who reads gives up a line that is longer than a pipe holds.
            let end = if rest.len() > LONGEST_LINE { rest[..LONGEST_LINE].rfind(',') } else { None };
            let (groups, after) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
            control.report(&format!(r#"event {{"kind":"deliveries","groups":"{groups}"}}"#))?;
            rest = after;
        }
        Ok(())
    }

    /// What a sign of life shows.
    pub(super) fn shown(&self, now: u64) -> [(Word, u64); 2] {
        let age_ns = self.vitals.age_ns(now);
        let given = self.desk.seats.count_given() as u64;
        let sends = self.sends.as_ref().map_or(0, |sends| given + sends.overdue(age_ns));
        let overdue = self.connects.overdue(age_ns) + sends;
        [(Word::Connections, self.desk.seats.count_open() as u64), (Word::Overdue, overdue)]
    }

    pub(super) fn give_up_the_rest(&mut self, now: u64) {
        let since_start_ns = now.saturating_sub(self.vitals.start_ns);
        let given_up = self.connects.finish(since_start_ns);
        self.desk.recorder.given_up(self.desk.labels.connect, Word::Cancelled, given_up);
        self.give_up_what_waits(Word::Cancelled);
        while let Some(sends) = &mut self.sends
            && let Due::Send(_) | Due::Drop = sends.due(since_start_ns)
        {
            let number = self.next_message();
            self.desk.recorder.given_up(self.messages.label(number), Word::Cancelled, 1);
        }
        if let Some(sends) = &mut self.sends {
            sends.finish(since_start_ns);
        }
    }

    /// What was due and not begun is cancelled, what has not ended is unfinished. Nothing is left out.
    pub(super) fn close_the_books(&mut self, control: &mut Control) -> io::Result<()> {
        let now = now_ns();
        if self.vitals.start_ns > 0 {
            self.give_up_the_rest(now);
        }
        self.tell_of_deliveries(control, u64::MAX)?;
        let desk = &self.desk;
        for asked in desk.replies.all() {
            desk.recorder.unfinished(asked.label, 1);
        }
        for seat in desk.seats.being_opened() {
            desk.recorder.unfinished(seat.label, 1);
        }
        desk.recorder.unfinished(desk.labels.session, desk.seats.count_open() as u64);
        self.vitals.close(&self.desk.recorder, now, &self.shown(now));
        Ok(())
    }
}
