//! Connections that carry several requests at a time: what is sent on them, what came of it, and what goes out again.

use std::rc::Rc;

use super::{Answer, Client, Happened};
use crate::clock::now_ns;
use crate::http2::request::{Rendered, translate};
use crate::layers;
use crate::multiplexed::{Ended, Failure};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::{Sending, State};
use crate::reactor::{Reactor, Slot};
use crate::upload::Upload;

/// A request to be sent once more.
pub(super) struct Again {
    pub(super) origin: usize,
    request: Rc<Rendered>,
    pub(super) sending: Sending,
    pub(super) sent_ns: u64,
}

/// A peer that goes away with this code has only had enough of the connection.
const NO_ERROR: u32 = 0;

impl<R: Reactor> Client<R> {
    /// One of several requests on a connection. It is written with the next [`Client::flush`].
    pub(super) fn send_shared(
        &mut self,
        slot: Slot,
        now: u64,
        request: &Rc<[u8]>,
        upload: Option<&Rc<Upload>>,
        sending: Sending,
    ) {
        self.mind(sending.timeout_ns);
        match self.translate(slot, request, upload) {
            Ok(rendered) => self.send_rendered(slot, now, rendered, sending),
            Err(kind) => {
                self.pool.offer(slot);
                self.not_sent(now, now, sending, kind);
            }
        }
    }

    fn send_rendered(&mut self, slot: Slot, sent_ns: u64, request: Rc<Rendered>, sending: Sending) {
        let Some(shared) = &mut self.pool.get(slot).shared else { return };
        let is_sent = shared.send(&request, sending, sent_ns);
        if self.wear.once {
            shared.retire();
        }
        let has_room = shared.room() > 0;
        self.unflushed.push(slot);
        if has_room {
            self.pool.offer(slot);
        }
        if !is_sent {
            let origin = self.pool.get(slot).origin;
            self.again.push_back(Again { origin, request, sending, sent_ns });
        }
    }

    fn translate(
        &mut self,
        slot: Slot,
        request: &Rc<[u8]>,
        upload: Option<&Rc<Upload>>,
    ) -> Result<Rc<Rendered>, ErrorKind> {
        let is_secure = self.origins[self.pool.get(slot).origin].layers.tls.is_some();
        if upload.is_none() {
            return self.translations.of(request, is_secure).map_err(|_| ErrorKind::ProtocolError);
        }
        // What is remembered keeps its body: no file should stay open for that.
        let rendered = translate(request, is_secure).map_err(|_| ErrorKind::ProtocolError)?;
        Ok(Rc::new(rendered.with_upload(upload)))
    }

    /// A request that was acquired for, and will not be sent.
    pub(super) fn not_sent(&mut self, sent_ns: u64, now: u64, sending: Sending, kind: ErrorKind) {
        self.pool.ended(1);
        let outcome = Outcome {
            due_ns: sending.due_ns,
            sent_ns,
            first_byte_ns: sent_ns,
            done_ns: now,
            label: sending.label,
            token: sending.token,
            bytes_sent: 0,
            bytes_received: 0,
            end: End::Error(kind),
        };
        self.more.push_back((Happened::Ended(outcome), Answer::None));
    }

    /// Writes what shared connections have gathered. To be called before every wait.
    #[inline]
    pub fn flush(&mut self) {
        if !self.timers.is_empty() {
            self.see_to_time(now_ns());
        }
        if !self.again.is_empty() {
            self.send_again(now_ns());
        }
        while let Some(slot) = self.unflushed.pop() {
            self.flush_one(slot);
        }
    }

    /// When [`Client::flush`] has something to do even if nothing else happens.
    #[inline]
    pub fn next_timer_ns(&self) -> u64 {
        self.timers.next_ns()
    }

    #[cold]
    fn see_to_time(&mut self, now: u64) {
        while let Some(slot) = self.timers.take_due(now) {
            let Some(shared) = &mut self.pool.get(slot).shared else { continue };
            shared.see_to_time(now, &mut self.ended);
            self.unflushed.push(slot);
            let happened = self.go_on(slot, now);
            if !matches!(happened, Happened::Nothing) {
                self.more.push_back((happened, Answer::None));
            }
        }
    }

    #[cold]
    fn send_again(&mut self, now: u64) {
        for _ in 0..self.again.len() {
            let Some(Again { origin, request, sending, sent_ns }) = self.again.pop_front() else { break };
            if sent_ns.saturating_add(sending.timeout_ns) < now {
                self.not_sent(sent_ns, now, sending, ErrorKind::Timeout);
            } else if let Some(slot) = self.acquire(origin) {
                self.pool.release(); // it was never out of flight
                if self.pool.get(slot).state == State::Shared {
                    self.send_rendered(slot, sent_ns, request, sending);
                } else {
                    // Who answers now speaks HTTP/1.1.
                    self.pool.idle(slot);
                    self.not_sent(sent_ns, now, sending, ErrorKind::GoAway);
                }
            } else {
                self.again.push_back(Again { origin, request, sending, sent_ns });
                if self.pool.connecting(origin) == 0
                    && let Some(happened @ Happened::ConnectFailed { .. }) = self.connect(origin, now)
                {
                    self.more.push_back((happened, Answer::None));
                }
            }
        }
    }

    fn flush_one(&mut self, slot: Slot) {
        let now = now_ns();
        self.write(slot, now);
        self.tell_ended(slot, now);
    }

    /// Writes what a shared connection has gathered.
    pub(super) fn write(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        let Some(mut shared) = connection.shared.take() else { return };
        self.plain.clear();
        let may_upload = !self.reactor.is_sending(slot);
        if may_upload {
            shared.all_sent();
        }
        let has_uploaded = shared.flush(now, may_upload, &mut self.plain, &mut self.ended);
        let sent_whole =
            shared.take_sent().into_iter().map(|(label, took_ns)| (Happened::Sent { label, took_ns }, Answer::None));
        self.more.extend(sent_whole);
        self.hungry.extend(shared.take_hungry().into_iter().map(|token| (slot, token)));
        let goes_on = has_uploaded || !may_upload && shared.has_uploads();
        let sent = match &mut connection.layers {
            Some(layers) if !self.plain.is_empty() => layers.send(&self.plain, &mut self.out),
            Some(_) => Ok(()),
            None => {
                let mut rest = &self.plain[..];
                for length in shared.take_datagrams() {
                    let (datagram, others) = rest.split_at(length);
                    self.reactor.send(slot, &Rc::from(datagram));
                    rest = others;
                }
                Ok(())
            }
        };
        let timer_ns = shared.timer_ns();
        if let Err(kind) = sent {
            shared.lose(now, kind, &mut self.ended);
        }
        connection.shared = Some(shared);
        self.timers.set(slot, timer_ns);
        self.send_out(slot);
        if goes_on {
            self.reactor.tell_written(slot);
        }
    }

    /// What came on one without layers.
    pub(super) fn received_datagram(&mut self, slot: Slot, now: u64) -> Happened {
        let now = self.reactor.arrived_ns(now).max(self.pool.get(slot).since_ns);
        self.plain.clear();
        self.plain.extend_from_slice(self.reactor.received());
        self.received_shared(slot, now, Ok(layers::Progress::Open))
    }

    /// What came on a connection that carries several requests.
    pub(super) fn received_shared(
        &mut self,
        slot: Slot,
        now: u64,
        progress: Result<layers::Progress, ErrorKind>,
    ) -> Happened {
        let Some(mut shared) = self.pool.get(slot).shared.take() else { return Happened::Nothing };
        shared.feed(&self.plain, now, &mut self.ended);
        match progress {
            Ok(layers::Progress::Closed) => shared.lose(now, ErrorKind::Closed, &mut self.ended),
            Err(kind) => shared.lose(now, kind, &mut self.ended),
            Ok(_) => {}
        }
        self.pool.get(slot).shared = Some(shared);
        self.go_on(slot, now)
    }

    /// Something has happened on a shared connection, or to it.
    fn go_on(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        let Some(shared) = &connection.shared else { return Happened::Nothing };
        let (is_ready, is_done, failure) = (shared.is_ready(), shared.is_done(), shared.failure());
        self.unflushed.push(slot);
        if connection.state == State::Connecting {
            return match failure {
                Some(failure) => self.fail(slot, now, failure.kind()),
                None if is_done => self.fail(slot, now, ErrorKind::GoAway),
                None if is_ready => {
                    connection.idle_since_ns = now;
                    self.pool.share(slot);
                    self.has_connected(slot, now)
                }
                None => Happened::Nothing,
            };
        }
        self.tell_ended(slot, now);
        Happened::Nothing
    }

    /// Requests that have ended on a shared connection, to be told of one by one.
    pub(super) fn tell_ended(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        let origin = connection.origin;
        if let Some(shared) = &mut connection.shared {
            shared.take_pieces(&mut self.pieces);
        }
        for ended in self.ended.drain(..) {
            let Ended { request, mut sending, sent_ns, first_byte_ns, bytes_sent, bytes_received, result, answer } =
                ended;
            if matches!(result, Err(Failure::GoAway(NO_ERROR))) && !sending.is_second && request.is_repeatable() {
                sending.is_second = true;
                self.again.push_back(Again { origin, request, sending, sent_ns });
                continue;
            }
            let outcome = Outcome {
                due_ns: sending.due_ns,
                sent_ns,
                first_byte_ns,
                done_ns: now,
                label: sending.label,
                token: sending.token,
                bytes_sent,
                bytes_received,
                end: result.map_or_else(|failure| End::Error(failure.kind()), End::Response),
            };
            let answer = answer.map_or(Answer::None, |(shape, bytes)| Answer::Pieces(shape, bytes));
            self.pool.ended(1);
            self.more.push_back((Happened::Ended(outcome), answer));
        }
        self.settle(slot, now);
    }

    /// What a shared connection does next: it may carry more requests, or never again any.
    fn settle(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        if connection.state != State::Shared {
            return;
        }
        let is_in_use = connection.is_in_use();
        let (has_room, is_done) =
            connection.shared.as_ref().map_or((false, true), |shared| (shared.room() > 0, shared.is_done()));
        if !is_in_use {
            connection.idle_since_ns = now;
        }
        if is_done {
            self.write(slot, now);
            self.close(slot);
        } else if has_room {
            self.pool.offer(slot);
        }
    }
}
