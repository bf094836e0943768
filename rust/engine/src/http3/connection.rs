//! One connection: several requests at a time, each on a stream of its own. The owner moves the datagrams, looks at the
//! time, and decides when to send.
//!
//! ```text
//!                 ┌───────────────── Connection ─────────────────┐
//!   send ────────▶│ streams ──▶ h3 ──▶ transport ──▶ QUIC ──────▶│──▶ flush: datagrams to write
//!   feed, timer ─▶│ QUIC: which streams? ──▶ h3 ──▶ streams      │──▶ requests that ended
//!                 └──────────────────────────────────────────────┘
//! ```

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use h3::error::{Code, StreamError};

use super::loss_of;
use super::protocol::Protocol;
use super::quic::{Peer, Quic};
use super::stream::Stream;
use crate::http2::request::Rendered;
use crate::multiplexed::exchange::Exchange;
use crate::multiplexed::in_flight::InFlight;
use crate::multiplexed::{Ended, Failure, Limits, Multiplexed};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;

/// See the module.
pub struct Connection {
    /// Once there is QUIC below it.
    protocol: Option<Protocol>,
    quic: Rc<RefCell<Quic>>,
    streams: InFlight<Stream>,
    limits: Limits,
    /// Requests that took more than one write: their labels, and how long the writing took.
    sent: Vec<(usize, u64)>,
    is_retired: bool,
    over: Option<Failure>,
    /// Requests whose heads the peer does not take.
    refused: Vec<Ended>,
    /// Lengths of the datagrams that were written last.
    datagrams: Vec<usize>,
}

impl Connection {
    /// A connection to be made; the first [`Multiplexed::flush`] gives what opens it.
    pub fn new(peer: &Peer, address: SocketAddr, limits: Limits) -> Result<Self, ErrorKind> {
        Ok(Self {
            protocol: None,
            quic: Rc::new(RefCell::new(Quic::connect(peer, address, limits.window_bytes)?)),
            streams: InFlight::new(limits.body_bytes),
            limits,
            sent: Vec::new(),
            is_retired: false,
            over: None,
            refused: Vec::new(),
            datagrams: Vec::new(),
        })
    }

    /// One look at the connection and at what has something to read.
    fn drive(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.streams.is_dirty = true;
        if self.protocol.is_none() && self.over.is_none() && self.quic.borrow().is_connected {
            self.protocol = Protocol::begin(&self.quic);
            self.over = self.protocol.is_none().then_some(Failure::Protocol);
        }
        self.hear_news(now, ended);
        let mut readable = std::mem::take(&mut self.quic.borrow_mut().readable);
        for id in readable.drain(..) {
            if let Some((place, stream)) = self.streams.find(|stream| stream.id == id) {
                stream.exchange.hear(now);
                self.advance(place, now, ended);
            }
        }
        self.quic.borrow_mut().readable = readable;
        self.see_what_is_sent(now);
        let lost = self.quic.borrow_mut().lost.take();
        if let Some(lost) = lost {
            self.give_up(now, loss_of(&lost), ended);
        }
    }

    /// What the peer says of the connection.
    fn hear_news(&mut self, now: u64, ended: &mut Vec<Ended>) {
        if let Some(protocol) = &mut self.protocol
            && std::mem::take(&mut self.quic.borrow_mut().has_news)
            && protocol.is_over()
        {
            self.give_up(now, Failure::Protocol, ended);
        }
    }

    fn advance(&mut self, place: usize, now: u64, ended: &mut Vec<Ended>) {
        if let Some(result) = self.streams.read(place, now) {
            if result == Err(Failure::Protocol) {
                // It may be the connection that is wrong.
                self.quic.borrow_mut().has_news = true;
            }
            self.streams.end(place, now, result, ended);
            self.hear_news(now, ended);
        }
    }

    /// Requests that were not written at once, and are by now.
    fn see_what_is_sent(&mut self, now: u64) {
        for stream in self.streams.iter_mut() {
            if stream.is_newly_sent() {
                self.sent.push((stream.exchange.sending.label, now.saturating_sub(stream.exchange.sent_ns)));
            }
        }
    }

    fn give_up(&mut self, now: u64, failure: Failure, ended: &mut Vec<Ended>) {
        self.is_retired = true;
        self.over.get_or_insert(failure);
        ended.append(&mut self.refused);
        self.streams.end_all(now, ended, |found| found.filter(Result::is_ok).unwrap_or(Err(failure)));
    }
}

impl Multiplexed for Connection {
    fn is_ready(&self) -> bool {
        self.protocol.is_some()
    }

    fn room(&self) -> usize {
        if self.is_retired || !self.quic.borrow().has_room() {
            return 0;
        }
        self.limits.streams.saturating_sub(self.streams.len())
    }

    fn in_flight(&self) -> usize {
        self.streams.len() + self.refused.len()
    }

    fn labels(&self) -> Vec<usize> {
        let mut labels = self.streams.labels();
        labels.extend(self.refused.iter().map(|ended| ended.sending.label));
        labels
    }

    fn is_done(&self) -> bool {
        self.over.is_some() || self.is_retired && self.streams.is_empty()
    }

    fn failure(&self) -> Option<Failure> {
        self.over
    }

    fn send(&mut self, request: &Rc<Rendered>, sending: Sending, now: u64) -> bool {
        if self.room() == 0 {
            return false;
        }
        let Some(protocol) = &mut self.protocol else { return false };
        self.quic.borrow_mut().set_clock(now);
        let exchange = Exchange::new(request, sending, now);
        let frames = match protocol.request(&request.head) {
            Ok(frames) => frames,
            Err(StreamError::HeaderTooBig { .. }) => {
                // The library has begun a stream for it before it looked.
                self.quic.borrow_mut().give_back(Code::H3_REQUEST_CANCELLED.value());
                self.streams.is_dirty = true;
                self.refused.push(exchange.end(now, Err(Failure::Refused)));
                return true;
            }
            // The peer is leaving.
            Err(_) => {
                self.is_retired = true;
                return false;
            }
        };
        let Some(id) = self.quic.borrow().last_begun else { return false };
        self.streams.push(Stream::begin(&self.quic, id, frames, exchange));
        true
    }

    fn feed(&mut self, bytes: &[u8], now: u64, ended: &mut Vec<Ended>) {
        {
            let mut quic = self.quic.borrow_mut();
            quic.set_clock(now);
            quic.receive(bytes);
        }
        self.drive(now, ended);
    }

    fn flush(&mut self, now: u64, may_upload: bool, out: &mut Vec<u8>, ended: &mut Vec<Ended>) -> bool {
        ended.append(&mut self.refused);
        if self.streams.is_dirty && !self.quic.borrow().readable.is_empty() {
            self.drive(now, ended);
        }
        let has_uploaded = may_upload && self.has_uploads() && self.streams.upload(now, ended);
        if has_uploaded {
            self.see_what_is_sent(now);
        }
        if std::mem::take(&mut self.streams.is_dirty) {
            let mut quic = self.quic.borrow_mut();
            quic.set_clock(now);
            while let Some(length) = quic.transmit(out) {
                self.datagrams.push(length);
            }
        }
        has_uploaded
    }

    fn all_sent(&mut self) {}

    fn retire(&mut self) {
        self.is_retired = true;
    }

    fn has_uploads(&self) -> bool {
        self.streams.has_uploads()
    }

    fn take_sent(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.sent)
    }

    fn take_hungry(&mut self) -> Vec<u64> {
        self.streams.take_hungry()
    }

    fn take_pieces(&mut self, pieces: &mut Vec<Piece>) {
        self.streams.take_pieces(pieces);
    }

    fn expire(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.streams.expire(now, ended);
    }

    fn is_streaming(&self, token: u64) -> bool {
        self.streams.is_streaming(token)
    }

    fn hold(&mut self, token: u64) {
        self.streams.hold(token);
    }

    fn release(&mut self, token: u64, now: u64) {
        self.streams.release(token, now);
    }

    fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>, ended: &mut Vec<Ended>) {
        self.streams.leave(token, now, why, ended);
    }

    fn break_off(&mut self, token: u64, now: u64, why: ErrorKind, ended: &mut Vec<Ended>) {
        self.streams.break_off(token, now, why, ended);
    }

    fn lose(&mut self, now: u64, kind: ErrorKind, ended: &mut Vec<Ended>) {
        self.give_up(now, Failure::Other(kind), ended);
    }

    fn take_datagrams(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.datagrams)
    }

    fn timer_ns(&mut self) -> Option<u64> {
        self.quic.borrow_mut().timer_ns()
    }

    fn see_to_time(&mut self, now: u64, ended: &mut Vec<Ended>) {
        {
            let mut quic = self.quic.borrow_mut();
            quic.set_clock(now);
            quic.see_to_time();
        }
        self.drive(now, ended);
    }

    fn say_goodbye(&mut self, now: u64) {
        let mut quic = self.quic.borrow_mut();
        quic.set_clock(now);
        quic.close(Code::H3_NO_ERROR.value(), b"");
        self.streams.is_dirty = true;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("in_flight", &self.in_flight())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
