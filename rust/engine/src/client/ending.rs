//! How connections end, and requests that end with them: by the peer, by the time, by whoever does not want the rest.

use rustix::io::Errno;

use super::opening::connect_error;
use super::{Answer, Client, Happened};
use crate::clock::{SECOND, now_ns};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::State;
use crate::reactor::{Reactor, Slot};

impl<R: Reactor> Client<R> {
    pub(super) fn ended(&mut self, slot: Slot, now: u64, error: Option<Errno>) -> Happened {
        let connection = self.pool.get(slot);
        match (connection.state, error) {
            (State::Socket, None) => self.lose_socket(slot, ErrorKind::Closed),
            (State::Socket, Some(_)) => self.lose_socket(slot, ErrorKind::Reset),
            (State::Connecting, _) if let Some(layers) = &connection.layers => {
                let kind = layers.broken();
                self.fail(slot, now, kind)
            }
            (State::Connecting, error) => self.fail(slot, now, connect_error(error.unwrap_or(Errno::CONNRESET))),
            // Not said within TLS: somebody else may have cut the response off.
            (State::Busy, None) if connection.layers.as_ref().is_some_and(|layers| layers.is_secure()) => {
                self.fail(slot, now, ErrorKind::Closed)
            }
            (State::Busy, None) => {
                let progress = connection.reader.close();
                self.advance(slot, now, progress)
            }
            (State::Busy, Some(Errno::TIMEDOUT)) => self.fail(slot, now, ErrorKind::Timeout),
            (State::Busy, Some(_)) => self.fail(slot, now, ErrorKind::Reset),
            (State::Shared, error) => {
                let kind = if error.is_some() { ErrorKind::Reset } else { ErrorKind::Closed };
                if let Some(shared) = &mut connection.shared {
                    shared.lose(now, kind, &mut self.ended);
                }
                self.tell_ended(slot, now);
                Happened::Nothing
            }
            (State::Idle, _) => {
                self.close(slot);
                Happened::Nothing
            }
            (State::Closed, _) => Happened::Nothing,
        }
    }

    /// Connections and requests that have taken longer than the timeout; each must be given to [`Client::expire`].
    pub fn expired(&self, now: u64) -> Vec<Slot> {
        self.pool.expired(now)
    }

    /// How long to leave between two looks at what has expired: a few looks per timeout, nothing armed per request.
    pub fn sweep_ns(&self) -> u64 {
        (self.shortest_timeout_ns / 16).clamp(SECOND / 1000, SECOND / 10)
    }

    /// Ends what has expired.
    pub fn expire(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        if connection.state == State::Shared
            && let Some(shared) = &mut connection.shared
        {
            shared.expire(now, &mut self.ended);
            if !self.ended.is_empty() || shared.has_uploads() {
                self.unflushed.push(slot);
                self.tell_ended(slot, now);
            }
            return Happened::Nothing;
        }
        // What was done about another one may have closed this one, or opened it anew.
        let (state, is_over) = (connection.state, connection.deadline_ns < now);
        match state {
            State::Socket => self.expire_socket(slot, now),
            State::Connecting if is_over => self.fail(slot, now, ErrorKind::ConnectTimeout),
            State::Busy if is_over => self.fail(slot, now, ErrorKind::Timeout),
            State::Busy => {
                self.begin_upload(slot);
                Happened::Nothing
            }
            _ => Happened::Nothing,
        }
    }

    /// Ends a request whose body cannot be made to its end; it is still under way. [`Client::next_more`] tells of it.
    pub fn break_off(&mut self, slot: Slot, token: u64, why: ErrorKind) {
        let now = now_ns();
        if let Some(shared) = &mut self.pool.get(slot).shared {
            shared.break_off(token, now, why, &mut self.ended);
            self.unflushed.push(slot);
            return self.tell_ended(slot, now);
        }
        let connection = self.pool.get(slot);
        if connection.state != State::Busy || connection.sending.token != token {
            return;
        }
        let failed = self.fail(slot, now, why);
        self.more.push_back((failed, Answer::None));
    }

    /// A connection fails, and with it the request that it carries.
    pub(super) fn fail(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        if self.pool.get(slot).socket.is_some() {
            return self.lose_socket(slot, kind);
        }
        if self.pool.get(slot).state == State::Connecting {
            return self.fail_to_connect(slot, now, kind);
        }
        let outcome = self.outcome(slot, now, End::Error(kind));
        self.close(slot);
        Happened::Ended(outcome)
    }

    #[inline]
    pub(super) fn outcome(&mut self, slot: Slot, now: u64, end: End) -> Outcome {
        let connection = self.pool.get(slot);
        // The rest was counted when it was sent.
        let bytes_sent = connection.upload.take().map_or(0, |sender| sender.sent());
        Outcome {
            due_ns: connection.sending.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
            label: connection.sending.label,
            token: connection.sending.token,
            bytes_sent,
            bytes_received: connection.received,
            end,
        }
    }

    pub(super) fn close(&mut self, slot: Slot) {
        self.say_goodbye(slot);
        self.reactor.close(slot);
        self.pool.closed(slot);
    }

    /// The end of a socket tells the peer; the end of datagrams does not.
    fn say_goodbye(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        if let Some(shared) = &mut connection.shared
            && connection.layers.is_none()
        {
            let now = now_ns();
            shared.say_goodbye(now);
            self.write(slot, now);
            self.timers.set(slot, None);
        }
    }

    /// Nothing more is wanted of anybody.
    pub fn say_goodbye_to_all(&mut self) {
        for slot in self.pool.open_slots() {
            self.say_goodbye(slot);
        }
    }
}
