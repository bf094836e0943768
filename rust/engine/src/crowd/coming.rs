//! How sockets come about, what they say when they are open, and what becomes of those that are lost.

use std::cmp::Reverse;

use super::Crowd;
use super::desk::{Count, ended};
use crate::client::sockets::{Heard, Lost};
use crate::clock::now_ns;
use crate::outcome::{End, ErrorKind};
use crate::random;
use crate::reactor::{Reactor, Slot};
use crate::record::block::{Kind, Word};

/// Keeps the draws of waits apart from those of texts.
const BACKOFF_STREAM: u64 = 0x0014_D000;
/// The status of a socket that is open.
const SWITCHING: u16 = 101;
/// A close without a code.
const NO_CODE: u16 = 1005;
/// An end without a close.
const ABNORMAL: u16 = 1006;

impl<R: Reactor> Crowd<R> {
    /// An arrival: one more socket.
    pub(super) fn take_connect(&mut self, due_ns: u64, looked_ns: u64) {
        let number = self.connects.number().unwrap_or(0);
        self.connects.take();
        let connect = self.desk.labels.connect;
        self.desk.recorder.taken(connect);
        self.desk.recorder.sample(connect, Kind::Dispatch, looked_ns.saturating_sub(due_ns));
        let seat = self.desk.seats.add(number);
        self.open(seat, due_ns, connect);
    }

    pub(super) fn open(&mut self, seat: u32, due_ns: u64, label: usize) {
        let now = now_ns();
        let it = self.desk.seats.get(seat);
        (it.label, it.due_ns, it.begun_ns) = (label, due_ns, now);
        self.desk.recorder.sent(label, due_ns, now, 0);
        match self.client.open_socket(self.origin, &self.manner, u64::from(seat), now) {
            Ok(slot) => {
                self.desk.seats.get(seat).slot = Some(slot);
                self.opening += 1;
            }
            Err(kind) => self.not_opened(seat, now, Lost { kind, status: None }),
        }
    }

    /// Opens again what was lost, where the wait is over. When the next is due.
    pub(super) fn reopen(&mut self, now: u64) -> u64 {
        while let Some(&Reverse((due_ns, seat))) = self.again.peek() {
            if due_ns > now {
                return due_ns;
            }
            self.again.pop();
            self.desk.count(Count::Reconnects, 1.0);
            let label = self.desk.labels.reconnect;
            self.desk.recorder.begun(label);
            self.open(seat, due_ns, label);
        }
        u64::MAX
    }

    /// Bytes have come.
    pub(super) fn hear(&mut self, seat: u32, slot: Slot, now: u64) {
        let desk = &mut self.desk;
        let (mut is_open, mut lost) = (false, None);
        self.client.hear(slot, now, &mut |heard| match heard {
            Heard::Open => is_open = true,
            Heard::Message(message) => desk.message(seat, slot, message.bytes(), now),
            Heard::Pong(took_ns) => {
                desk.count(Count::Pongs, 1.0);
                desk.recorder.sample(desk.labels.ping, Kind::Response, took_ns);
            }
            Heard::Close(code, _) => {
                desk.count_named(format!("close {}", code.unwrap_or(NO_CODE)));
                lost = Some(Lost { kind: ErrorKind::WsClosed, status: None });
            }
            Heard::Lost(why) => lost = Some(why),
        });
        if is_open {
            self.opened(seat, now);
        }
        if let Some(why) = lost {
            self.lost(seat, slot, now, why);
        }
        self.go_on();
    }

    /// A socket is open: it says what it has to say first.
    pub(super) fn opened(&mut self, seat: u32, now: u64) {
        self.opening -= 1;
        let desk = &mut self.desk;
        if desk.seats.opened(seat, now) {
            desk.count(Count::MostOpen, 1.0);
        }
        desk.count(Count::Opened, 1.0);
        let it = desk.seats.get(seat);
        let (due_ns, begun_ns, label, opened) = (it.due_ns, it.begun_ns, it.label, it.opened);
        desk.recorder.finished(label, &ended(label, due_ns, begun_ns, now, End::Response(SWITCHING)));
        desk.recorder.begun(desk.labels.session);
        if let Some(every_ns) = desk.plan.ping_every_ns {
            self.pings.push_back((now + every_ns, seat, opened));
        }
        if self.closing {
            return self.hang_up(seat, now);
        }
        self.desk.ready.push(seat);
        self.go_on();
    }

    /// A socket is gone, or did not come about.
    pub(super) fn lost(&mut self, seat: u32, slot: Slot, now: u64, why: Lost) {
        // What lingers of a connection that was given up is of no interest.
        if self.desk.seats.get(seat).slot != Some(slot) {
            return;
        }
        let since_ns = self.desk.seats.closed(seat);
        for message in self.desk.seats.take_given(seat) {
            self.give(message);
        }
        if self.closing {
            // It is we who did not wait any longer.
            self.desk.abandon(slot);
        } else {
            self.desk.lose(slot, now, why.kind);
        }
        if since_ns == 0 {
            self.one_less_opening();
            return self.not_opened(seat, now, why);
        }
        if matches!(why.kind, ErrorKind::WsAbnormalClose | ErrorKind::Reset | ErrorKind::Closed) {
            self.desk.count_named(format!("close {ABNORMAL}"));
        }
        let session = self.desk.labels.session;
        if self.closing {
            return self.desk.recorder.ended_well(session, since_ns, since_ns, now);
        }
        self.desk.recorder.finished(session, &ended(session, since_ns, since_ns, now, End::Error(why.kind)));
        self.desk.count(Count::Lost, 1.0);
        self.try_again(seat, now);
    }

    pub(super) fn not_opened(&mut self, seat: u32, now: u64, why: Lost) {
        let it = self.desk.seats.get(seat);
        it.slot = None;
        let (label, due_ns, begun_ns) = (it.label, it.due_ns, it.begun_ns);
        self.desk.recorder.add(Word::ConnectFailures, 1);
        self.desk.recorder.finished(label, &ended(label, due_ns, begun_ns, now, End::Error(why.kind)));
        if let Some(status) = why.status {
            self.desk.count_named(format!("refused {status}"));
        }
        self.try_again(seat, now);
    }

    /// A socket did not come about; where it was the last that might, nothing waits for one.
    pub(super) fn one_less_opening(&mut self) {
        self.opening -= 1;
        if self.opening == 0 && self.desk.seats.count_open() == 0 {
            self.give_up_what_waits(Word::Dropped);
        }
    }

    pub(super) fn try_again(&mut self, seat: u32, now: u64) {
        let Some(backoff) = self.desk.plan.reconnect else { return };
        if self.closing || now >= self.vitals.ends_ns {
            return;
        }
        let it = self.desk.seats.get(seat);
        let bound_ns = backoff.bound_ns(it.tries);
        it.tries += 1;
        self.drawn += 1;
        let wait_ns = random::uniform(self.desk.plan.seed ^ BACKOFF_STREAM, self.drawn) * bound_ns as f64;
        self.again.push(Reverse((now + wait_ns as u64, seat)));
    }
}
