//! What sockets send: messages that are due, questions whether the peer is still there.

use super::desk::Count;
use super::messages::Filling;
use super::replies::Asked;
use super::seats::Waiting;
use super::{BATCH, Crowd, GIVE_BATCH, GIVEN, GIVEN_EACH};
use crate::client::news::News;
use crate::clock::now_ns;
use crate::reactor::Reactor;
use crate::record::block::{Kind, Word};
use crate::source::Due;
use crate::ws::writer::Message;

impl<R: Reactor> Crowd<R> {
    /// Gives the messages that are due to sockets, in turns. When the next is.
    pub(super) fn give_messages(&mut self, since_start_ns: u64, now: u64) -> u64 {
        let most = GIVEN + GIVEN_EACH * self.desk.seats.count_open();
        let room = most.saturating_sub(self.desk.seats.count_given());
        for _ in 0..room.min(GIVE_BATCH) {
            if self.desk.seats.count_open() > 0
                && let Some((since_ns, message)) = self.waiting.pop_front()
            {
                let waited_ns = message.waited_ns + now.saturating_sub(since_ns);
                self.give(Waiting { waited_ns, ..message });
                continue;
            }
            let Some(sends) = &mut self.sends else { return u64::MAX };
            match sends.due(since_start_ns) {
                Due::Send(due_ns) => {
                    let due_ns = self.vitals.start_ns + due_ns;
                    let number = self.next_message();
                    self.give(Waiting { number, due_ns, waited_ns: 0 });
                }
                Due::Drop => self.drop_message(),
                Due::Nothing(due_ns) => return due_ns.map_or(u64::MAX, |due_ns| self.vitals.start_ns + due_ns),
            }
        }
        now
    }

    /// To the socket whose turn it is.
    pub(super) fn give(&mut self, message: Waiting) {
        match self.desk.seats.next_open() {
            Some(seat) => self.desk.seats.give(seat, message),
            None if self.opening > 0 => self.waiting.push_back((now_ns(), message)),
            None => self.give_up(message.number, Word::Dropped),
        }
    }

    /// A few sockets send what they were given. When the next does.
    pub(super) fn send_some(&mut self, now: u64) -> u64 {
        for _ in 0..BATCH {
            let Some(seat) = self.desk.seats.next_given() else { return u64::MAX };
            self.send(seat);
        }
        now
    }

    /// A socket sends all that it was given, in one write.
    fn send(&mut self, seat: u32) {
        let Some(slot) = self.desk.seats.get(seat).slot else { return };
        let connection = self.desk.seats.get(seat).number;
        let given = self.desk.seats.take_given(seat);
        for (at, &Waiting { number, due_ns, waited_ns }) in given.iter().enumerate() {
            let now = now_ns();
            let label = self.messages.label(number);
            self.desk.recorder.taken(label);
            self.desk.recorder.sample(label, Kind::Dispatch, now.saturating_sub(due_ns + waited_ns));
            if waited_ns > 0 {
                self.desk.recorder.add(Word::PoolWaits, 1);
                self.desk.recorder.sample(label, Kind::PoolWait, waited_ns);
            }
            let is_binary = self.messages.write(Filling { number, connection, due_ns, reply: &[] });
            self.say(Asked { label, due_ns, sent_ns: now, slot, seat, stage: None }, is_binary, at + 1 == given.len());
        }
        if given.len() > 1 && !self.desk.plan.waits() && !self.client.lags(slot) {
            self.desk.wrote(slot, now_ns());
        }
        self.desk.seats.give_back(seat, given);
    }

    pub(super) fn next_message(&mut self) -> u64 {
        let Some(sends) = &mut self.sends else { return 0 };
        let number = sends.number().unwrap_or(0);
        sends.take();
        number
    }

    /// Nobody is there who could send it.
    pub(super) fn drop_message(&mut self) {
        let number = self.next_message();
        self.give_up(number, Word::Dropped);
    }

    pub(super) fn give_up(&self, number: u64, why: Word) {
        self.desk.recorder.given_up(self.messages.label(number), why, 1);
    }

    pub(super) fn give_up_what_waits(&mut self, why: Word) {
        let given = self.desk.seats.take_all_given();
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(_, message)| message);
        for message in waiting.chain(given) {
            self.give_up(message.number, why);
        }
    }

    /// Sends what was written last; unless it is the last of several, behind which the others come at once.
    pub(super) fn say(&mut self, asked: Asked, is_binary: bool, is_last: bool) {
        let text = &self.messages.written;
        let message = match str::from_utf8(text) {
            Ok(text) if !is_binary => Message::Text(text),
            _ => Message::Binary(text),
        };
        self.client.say(asked.slot, message, is_last);
        let is_written = self.desk.plan.waits() || is_last && !self.client.lags(asked.slot);
        self.desk.sent(asked, text, is_written);
    }

    /// What peers have taken by now ends, where that was all to wait for.
    pub(super) fn take_writes(&mut self) {
        for News { token, at_ns, .. } in std::mem::take(&mut self.client.news) {
            if let Some(slot) = self.desk.seats.get(token as u32).slot {
                self.desk.wrote(slot, at_ns);
            }
        }
        self.go_on();
    }

    /// Asks a few peers whether they are still there. When the next is to be asked.
    pub(super) fn ping(&mut self, now: u64) -> u64 {
        let Some(every_ns) = self.desk.plan.ping_every_ns else { return u64::MAX };
        for begun in 0..=BATCH {
            let Some(&(due_ns, seat, opened)) = self.pings.front() else { break };
            if due_ns > now || begun == BATCH {
                return due_ns;
            }
            self.pings.pop_front();
            let it = self.desk.seats.get(seat);
            if let Some(slot) = it.slot.filter(|_| it.open_since_ns > 0 && it.opened == opened) {
                self.client.ping(slot, now_ns());
                self.desk.count(Count::Pings, 1.0);
                self.pings.push_back((due_ns + every_ns, seat, opened));
            }
        }
        u64::MAX
    }
}
