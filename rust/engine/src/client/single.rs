//! Connections that carry one request at a time, over HTTP/1.1: its body, and its response.

use std::mem;
use std::rc::Rc;

use super::{Answer, Client, Happened};
use crate::clock::now_ns;
use crate::http::head::HeadReader;
use crate::http::response::Progress;
use crate::outcome::{End, ErrorKind};
use crate::pool::{Connection, State};
use crate::reactor::{Reactor, Slot};
use crate::streamed::{Piece, Receiver};

impl<R: Reactor> Client<R> {
    /// All that was to be sent is written: now the next piece of the body, if there is one.
    pub(super) fn written(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        match connection.state {
            State::Busy => {}
            State::Shared => {
                self.unflushed.push(slot);
                return Happened::Nothing;
            }
            State::Socket => {
                self.socket_wrote(slot);
                return Happened::Nothing;
            }
            _ => return Happened::Nothing,
        }
        let Some(sender) = connection.upload.as_mut().filter(|sender| !sender.is_done()) else {
            let took_ns = now.saturating_sub(connection.since_ns);
            return Happened::Sent { label: connection.sending.label, took_ns };
        };
        if sender.asks() {
            self.hungry.push((slot, connection.sending.token));
        }
        if sender.at_hand() == Some(0) {
            return Happened::Nothing;
        }
        self.plain.clear();
        if let Err(kind) = sender.next_framed(&mut self.plain) {
            return self.fail(slot, now, kind);
        }
        match &mut connection.layers {
            None => self.reactor.send(slot, &Rc::from(&self.plain[..])),
            Some(layers) => {
                let sent = layers.send_more(&self.plain, &mut self.out);
                self.send_out(slot);
                if let Err(kind) = sent {
                    return self.fail(slot, now, kind);
                }
            }
        }
        self.reactor.tell_written(slot);
        Happened::Nothing
    }

    /// Who was asked for the next piece of a body has made it, or has ended the body. The request is still under way.
    pub fn feed(&mut self, slot: Slot) {
        let happened = self.written(slot, now_ns());
        if let Happened::Ended(_) = happened {
            self.more.push_back((happened, Answer::None));
        }
    }

    /// The peer wants the body of a request, or has had its time to say that it does not.
    pub(super) fn begin_upload(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        let Some(sender) = &mut connection.upload else { return };
        if connection.reader.is_continued() || connection.reader.is_untouched() {
            sender.waits_until_ns = 0;
            self.reactor.tell_written(slot);
        } else {
            // It has begun with another answer.
            sender.waits_until_ns = u64::MAX;
        }
    }

    #[inline]
    pub(super) fn received(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        if connection.layers.is_some() {
            return self.received_through_layers(slot, now);
        }
        match connection.state {
            State::Busy => {}
            State::Socket => return self.socket_speaks(slot, false),
            _ if connection.shared.is_some() => return self.received_datagram(slot, now),
            _ => return self.unasked(slot),
        }
        let now = self.reactor.arrived_ns(now).max(connection.since_ns);
        let progress = read(connection, &mut self.heads, self.reactor.received(), now, &mut self.pieces);
        self.advance(slot, now, progress)
    }

    /// Bytes that nobody asked for: whatever they are, the next response could not be told from them.
    pub(super) fn unasked(&mut self, slot: Slot) -> Happened {
        self.close(slot);
        Happened::Nothing
    }

    pub(super) fn advance(&mut self, slot: Slot, now: u64, progress: Result<Progress, ErrorKind>) -> Happened {
        match progress {
            Ok(Progress::More) => {
                let connection = self.pool.get(slot);
                if connection.reader.is_continued()
                    && connection.upload.as_ref().is_some_and(|sender| sender.waits_until_ns > 0)
                {
                    self.begin_upload(slot);
                }
                Happened::Nothing
            }
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if now > self.pool.get(slot).deadline_ns => {
                self.fail(slot, now, ErrorKind::Timeout)
            }
            Ok(Progress::Complete { status, reusable }) => {
                if self.pool.get(slot).sending.keeps {
                    self.keep(slot);
                }
                let is_sent = self.pool.get(slot).upload.as_ref().is_none_or(|sender| sender.is_done());
                let outcome = self.outcome(slot, now, End::Response(status));
                let goes_on = is_sent && !self.reactor.is_sending(slot) && !self.reactor.is_ending(slot);
                if reusable && !self.wear.once && goes_on {
                    self.idle(slot, now);
                } else {
                    self.close(slot);
                }
                Happened::Ended(outcome)
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    /// Puts the bytes of a response aside for whoever asked to see them.
    fn keep(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        let shape = connection.reader.shape();
        let kept = mem::take(&mut connection.kept);
        self.answer = match kept.is_empty() {
            true if connection.layers.is_some() => Answer::Unwrapped(shape),
            true => Answer::Whole(shape),
            false => Answer::Pieces(shape, kept),
        };
    }
}

/// Takes what has come of a response.
#[inline]
pub(super) fn read(
    connection: &mut Connection,
    heads: &mut HeadReader,
    bytes: &[u8],
    now: u64,
    pieces: &mut Vec<Piece>,
) -> Result<Progress, ErrorKind> {
    if connection.first_byte_ns == 0 {
        connection.first_byte_ns = now;
    }
    connection.received += bytes.len() as u64;
    if connection.sending.streams {
        let mut receiver =
            Receiver { token: connection.sending.token, sent_ns: connection.since_ns, at_ns: now, pieces };
        let progress = connection.reader.feed_to(bytes, heads, &mut receiver);
        // It may go on as long as it speaks. One that spoke too late has not.
        if connection.reader.status().is_some() && now <= connection.deadline_ns && !connection.is_held {
            // From now on: what was held back came long ago.
            connection.deadline_ns = now_ns().saturating_add(connection.sending.idle_ns);
        }
        return progress;
    }
    let progress = connection.reader.feed(bytes, heads);
    if connection.sending.keeps {
        let is_complete = matches!(progress, Ok(Progress::Complete { .. }));
        let whole = connection.kept.is_empty() && is_complete;
        let has_head = (is_complete || connection.reader.status().is_some())
            && connection.kept.len() >= connection.reader.shape().body_at;
        if !(whole || has_head && connection.sending.only_head) {
            connection.kept.extend_from_slice(bytes);
        }
    }
    progress
}
