//! What sockets send: messages that are due, questions whether the peer is still there.

use super::desk::Count;
use super::messages::Filling;
use super::replies::Asked;
use super::stages::Stage;
use super::{BATCH, Crowd, Waiting};
use crate::client::news::News;
use crate::clock::now_ns;
use crate::reactor::Reactor;
use crate::record::block::{Kind, Word};
use crate::ws::writer::Message;

impl<R: Reactor> Crowd<R> {
    /// A message is due.
    pub(super) fn take_message(&mut self, due_ns: u64) {
        let (number, looked_ns) = (self.next_message(), now_ns());
        match self.desk.seats.next_open() {
            Some(seat) => self.send(seat, Waiting { number, due_ns, looked_ns }),
            None if self.opening > 0 => self.waiting.push_back(Waiting { number, due_ns, looked_ns }),
            None => self.give_up(number, Word::Dropped),
        }
    }

    pub(super) fn send(&mut self, seat: u32, message: Waiting) {
        let Waiting { number, due_ns, looked_ns } = message;
        let now = now_ns();
        let label = self.messages.label(number);
        self.desk.recorder.taken(label);
        self.desk.recorder.sample(label, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        let connection = self.desk.seats.get(seat).number;
        let is_binary = self.messages.write(Filling { number, connection, due_ns, reply: &[] });
        self.say(seat, None, label, due_ns, now, is_binary);
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

    /// A socket is open: it sends what had waited for one.
    pub(super) fn send_what_waits(&mut self, seat: u32) {
        while let Some(message) = self.waiting.pop_front() {
            let (label, waited_ns) = (self.messages.label(message.number), now_ns().saturating_sub(message.looked_ns));
            self.desk.recorder.add(Word::PoolWaits, 1);
            self.desk.recorder.sample(label, Kind::PoolWait, waited_ns);
            self.send(seat, message);
        }
    }

    pub(super) fn give_up_what_waits(&mut self, why: Word) {
        for message in std::mem::take(&mut self.waiting) {
            self.give_up(message.number, why);
        }
    }

    /// Sends what was written last.
    pub(super) fn say(
        &mut self,
        seat: u32,
        stage: Option<Stage>,
        label: usize,
        due_ns: u64,
        now: u64,
        is_binary: bool,
    ) {
        let Some(slot) = self.desk.seats.get(seat).slot else { return };
        let text = &self.messages.written;
        let message = match str::from_utf8(text) {
            Ok(text) if !is_binary => Message::Text(text),
            _ => Message::Binary(text),
        };
        self.client.say(slot, message);
        let is_written = self.desk.plan.waits() || !self.client.lags(slot);
        self.desk.sent(Asked { label, due_ns, sent_ns: now, slot, seat, stage }, text, is_written);
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
