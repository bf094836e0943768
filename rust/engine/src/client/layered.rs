//! Bytes on their way through the layers between a socket and HTTP.

use std::rc::Rc;

use super::single::read;
use super::{Client, Happened};
use crate::http::response::Progress;
use crate::layers;
use crate::outcome::ErrorKind;
use crate::pool::State;
use crate::reactor::{Reactor, Slot};

impl<R: Reactor> Client<R> {
    pub(super) fn send_through_layers(&mut self, slot: Slot, request: &[u8]) {
        let connection = self.pool.get(slot);
        let sent = connection.layers.as_mut().map(|layers| layers.send(request, &mut self.out));
        if matches!(sent, Some(Err(_))) {
            // It cannot be sent any more: the next look at what has expired ends it.
            connection.deadline_ns = 0;
        }
        self.send_out(slot);
    }

    /// Sends what layers want sent.
    pub(super) fn send_out(&mut self, slot: Slot) {
        if !self.out.is_empty() {
            self.reactor.send(slot, &Rc::from(&self.out[..]));
            self.out.clear();
        }
    }

    pub(super) fn received_through_layers(&mut self, slot: Slot, now: u64) -> Happened {
        let now = self.reactor.arrived_ns(now).max(self.pool.get(slot).since_ns);
        let Some(mut layers) = self.pool.get(slot).layers.take() else { return Happened::Nothing };
        self.plain.clear();
        let progress = layers.receive(self.reactor.received(), now, &mut self.plain, &mut self.out);
        self.send_out(slot);
        let connection = self.pool.get(slot);
        connection.layers = Some(layers);
        if connection.http2.is_some() {
            return self.received_shared(slot, now, progress);
        }
        match progress {
            Err(kind) => self.fail(slot, now, kind),
            Ok(layers::Progress::Building) => Happened::Nothing,
            Ok(layers::Progress::Built) => {
                let happened = self.ready(slot, now);
                match self.pool.get(slot).state {
                    _ if self.plain.is_empty() => happened,
                    // Over HTTP/2 the peer may speak first; else nothing was asked for yet.
                    State::Connecting => self.received_shared(slot, now, progress),
                    State::Idle => self.fail_to_connect(slot, now, ErrorKind::BadResponse),
                    _ => happened,
                }
            }
            Ok(layers::Progress::Open) if self.plain.is_empty() => Happened::Nothing,
            Ok(progress) if connection.state == State::Busy => {
                let read = match read(connection, &mut self.heads, &self.plain, now, &mut self.pieces) {
                    Ok(Progress::More) if progress == layers::Progress::Closed => connection.reader.close(),
                    // What is closed carries no other request.
                    Ok(Progress::Complete { status, .. }) if progress == layers::Progress::Closed => {
                        Ok(Progress::Complete { status, reusable: false })
                    }
                    read => read,
                };
                self.advance(slot, now, read)
            }
            Ok(_) => self.unasked(slot),
        }
    }
}
