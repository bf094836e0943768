//! Responses that are read while they come: holding them back, taking them up again, leaving them.

use super::{Answer, Client, Happened};
use crate::clock::now_ns;
use crate::outcome::{End, ErrorKind};
use crate::reactor::Reactor;

impl<R: Reactor> Client<R> {
    /// Whoever reads a response cannot take more of it for now. Over HTTP/1.1 nothing more is read; over HTTP/2 the peer
    /// may send as much as its window has room for. That time does not count as the peer's.
    pub fn hold(&mut self, token: u64) {
        let Some(slot) = self.pool.streaming(token) else { return };
        let connection = self.pool.get(slot);
        if let Some(shared) = &mut connection.shared {
            return shared.hold(token);
        }
        connection.is_held = true;
        connection.deadline_ns = u64::MAX;
        self.reactor.pause(slot);
    }

    /// What came of a response so far was taken: the peer may send more.
    pub fn release(&mut self, token: u64) {
        let Some(slot) = self.pool.streaming(token) else { return };
        let (now, connection) = (now_ns(), self.pool.get(slot));
        if let Some(shared) = &mut connection.shared {
            shared.release(token, now);
            return self.unflushed.push(slot);
        }
        if std::mem::take(&mut connection.is_held) {
            connection.deadline_ns = now.saturating_add(connection.sending.idle_ns);
            self.reactor.resume(slot);
        }
    }

    /// Ends a streamed request whose head has come: the rest of it is not wanted, or cannot be taken. A connection that
    /// carries nothing else is closed with it. [`Client::next_more`] tells of it; what has ended already stays as it is.
    pub fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>) {
        let Some(slot) = self.pool.streaming(token) else { return };
        let connection = self.pool.get(slot);
        if let Some(shared) = &mut connection.shared {
            shared.leave(token, now, why, &mut self.ended);
            self.unflushed.push(slot);
            return self.tell_ended(slot, now);
        }
        let Some(status) = connection.reader.status() else { return };
        let end = match why {
            _ if now > connection.deadline_ns => End::Error(ErrorKind::Timeout),
            Ok(()) => End::Response(status),
            Err(kind) => End::Error(kind),
        };
        let outcome = self.outcome(slot, now, end);
        self.close(slot);
        self.more.push_back((Happened::Ended(outcome), Answer::None));
    }
}
