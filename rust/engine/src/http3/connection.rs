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
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h3::client::SendRequest;
use h3::error::{Code, StreamError};

use super::loss_of;
use super::quic::{Flow, Peer, Quic};
use super::stream::Stream;
use super::transport::Transport;
use crate::http::head::HEAD_LIMIT;
use crate::http2::request::Rendered;
use crate::multiplexed::{Ended, Failure, Limits, Multiplexed};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;

/// What speaks HTTP/3, once there is QUIC below it.
struct Protocol {
    requests: SendRequest<Transport, Bytes>,
    driver: h3::client::Connection<Transport, Bytes>,
}

/// See the module.
pub struct Connection {
    protocol: Option<Protocol>,
    quic: Rc<RefCell<Quic>>,
    streams: Vec<Stream>,
    limits: Limits,
    /// Streams whose requests have bodies that are read while they are sent.
    uploads: usize,
    /// The tokens of requests that wait for the next piece of a body that is still being made.
    hungry: Vec<u64>,
    /// Requests that took more than one write: their labels, and how long the writing took.
    sent: Vec<(usize, u64)>,
    /// QUIC may have something to write.
    is_dirty: bool,
    is_retired: bool,
    over: Option<Failure>,
    pieces: Vec<Piece>,
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
            streams: Vec::new(),
            limits,
            uploads: 0,
            hungry: Vec::new(),
            sent: Vec::new(),
            is_dirty: true,
            is_retired: false,
            over: None,
            pieces: Vec::new(),
            refused: Vec::new(),
            datagrams: Vec::new(),
        })
    }

    /// The handshake is done: both sides say what they take.
    fn begin(&mut self) {
        let mut builder = h3::client::builder();
        builder.send_grease(false).max_field_section_size(HEAD_LIMIT as u64);
        let transport = Transport(Rc::clone(&self.quic));
        match pin!(builder.build::<_, _, Bytes>(transport)).poll(&mut idle()) {
            Poll::Ready(Ok((driver, requests))) => self.protocol = Some(Protocol { requests, driver }),
            // A peer that does not even allow the streams for that.
            _ => self.over = Some(Failure::Protocol),
        }
    }

    /// One look at the connection and at what has something to read.
    fn drive(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.is_dirty = true;
        if self.protocol.is_none() && self.over.is_none() && self.quic.borrow().is_connected {
            self.begin();
        }
        self.hear_news(now, ended);
        let mut readable = std::mem::take(&mut self.quic.borrow_mut().readable);
        for id in readable.drain(..) {
            if let Some(place) = self.streams.iter().position(|stream| stream.id == id) {
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
            && protocol.driver.poll_close(&mut idle()).is_ready()
        {
            self.give_up(now, Failure::Protocol, ended);
        }
    }

    fn advance(&mut self, place: usize, now: u64, ended: &mut Vec<Ended>) {
        let stream = &mut self.streams[place];
        stream.first_byte_ns = if stream.first_byte_ns == 0 { now } else { stream.first_byte_ns };
        let result = self.read(place, now);
        if let Some(result) = result {
            if result == Err(Failure::Protocol) {
                // It may be the connection that is wrong.
                self.quic.borrow_mut().has_news = true;
            }
            self.end(place, now, result, ended);
            self.hear_news(now, ended);
        }
    }

    fn read(&mut self, place: usize, now: u64) -> Option<Result<u16, Failure>> {
        let stream = &mut self.streams[place];
        let received = self.quic.borrow().flow(stream.id).map_or(0, |flow| flow.bytes_received);
        let result = stream.advance(&mut idle(), received, self.limits.body_bytes);
        stream.take_pieces(now, &mut self.pieces);
        result
    }

    /// Requests that were not written at once, and are by now.
    fn see_what_is_sent(&mut self, now: u64) {
        let quic = self.quic.borrow();
        for stream in self.streams.iter_mut().filter(|stream| !stream.is_told) {
            if quic.flow(stream.id).is_some_and(|flow| flow.is_sent) {
                stream.is_told = true;
                self.sent.push((stream.sending.label, now.saturating_sub(stream.sent_ns)));
            }
        }
    }

    /// Gives the protocol the next pieces of bodies, as far as the peer takes them. Whether there were any.
    fn upload(&mut self, now: u64, ended: &mut Vec<Ended>) -> bool {
        let mut has_uploaded = false;
        for place in (0..self.streams.len()).rev() {
            let id = self.streams[place].id;
            if self.quic.borrow().flow(id).is_some_and(Flow::is_blocked) {
                continue;
            }
            match self.streams[place].upload(&mut idle(), now, &mut self.hungry) {
                Ok(is_any) => has_uploaded |= is_any,
                Err(kind) => self.end(place, now, Err(Failure::Other(kind)), ended),
            }
        }
        if has_uploaded {
            self.is_dirty = true;
            self.see_what_is_sent(now);
        }
        has_uploaded
    }

    fn give_up(&mut self, now: u64, failure: Failure, ended: &mut Vec<Ended>) {
        self.is_retired = true;
        self.over.get_or_insert(failure);
        while !self.streams.is_empty() {
            // What is complete among them is complete.
            let result = self.read(0, now).filter(Result::is_ok);
            self.end(0, now, result.unwrap_or(Err(failure)), ended);
        }
    }

    fn end(&mut self, place: usize, now: u64, result: Result<u16, Failure>, ended: &mut Vec<Ended>) {
        let mut stream = self.streams.swap_remove(place);
        self.uploads -= usize::from(stream.request.upload.is_some());
        self.is_dirty = true;
        let is_late = result.is_ok() && now > stream.deadline_ns;
        let mut quic = self.quic.borrow_mut();
        let (bytes_sent, bytes_received) =
            quic.flow(stream.id).map_or((0, 0), |flow| (flow.bytes_sent, flow.bytes_received));
        quic.forget(stream.id, stream.is_complete, Code::H3_REQUEST_CANCELLED.value());
        // Swept late or not: an answer after the timeout is no answer.
        let result = if is_late { Err(Failure::Other(ErrorKind::Timeout)) } else { result };
        ended.push(Ended {
            request: Rc::clone(&stream.request),
            sending: stream.sending,
            sent_ns: stream.sent_ns,
            first_byte_ns: stream.first_byte_ns.max(stream.sent_ns),
            bytes_sent,
            bytes_received,
            result,
            answer: if result.is_ok() { stream.take_answer() } else { None },
        });
    }

    fn streaming(&self, token: u64) -> Option<usize> {
        self.streams.iter().position(|stream| stream.sending.streams && stream.sending.token == token)
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
        let refused = self.refused.iter().map(|ended| ended.sending.label);
        self.streams.iter().map(|stream| stream.sending.label).chain(refused).collect()
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
        let Some(Protocol { requests, .. }) = &mut self.protocol else { return false };
        self.quic.borrow_mut().set_clock(now);
        let sent = match pin!(requests.send_request(request.head.clone())).poll(&mut idle()) {
            Poll::Ready(sent) => sent,
            Poll::Pending => unreachable!("there is room, and the transport takes everything"),
        };
        let frames = match sent {
            Ok(frames) => frames,
            Err(StreamError::HeaderTooBig { .. }) => {
                self.refused.push(refuse(request, sending, now));
                return true;
            }
            // The peer is leaving.
            Err(_) => {
                self.is_retired = true;
                return false;
            }
        };
        let Some(id) = self.quic.borrow().last_begun else { return false };
        let mut stream = Stream::new(id, request, frames, sending, now);
        if stream.uploading.is_some() {
            self.uploads += 1;
        } else {
            stream.put(&mut idle(), request.body.clone(), true);
            stream.is_told = self.quic.borrow().flow(id).is_none_or(|flow| flow.is_sent);
        }
        self.streams.push(stream);
        self.is_dirty = true;
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
        if self.is_dirty && !self.quic.borrow().readable.is_empty() {
            self.drive(now, ended);
        }
        let has_uploaded = may_upload && self.has_uploads() && self.upload(now, ended);
        if std::mem::take(&mut self.is_dirty) {
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
        self.uploads > 0
    }

    fn take_sent(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.sent)
    }

    fn take_hungry(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hungry)
    }

    fn take_pieces(&mut self, pieces: &mut Vec<Piece>) {
        pieces.append(&mut self.pieces);
    }

    fn expire(&mut self, now: u64, ended: &mut Vec<Ended>) {
        while let Some(place) = self.streams.iter().position(|stream| stream.deadline_ns < now) {
            self.end(place, now, Err(Failure::Other(ErrorKind::Timeout)), ended);
        }
    }

    fn is_streaming(&self, token: u64) -> bool {
        self.streaming(token).is_some()
    }

    fn hold(&mut self, token: u64) {
        if let Some(place) = self.streaming(token) {
            self.streams[place].hold();
        }
    }

    fn release(&mut self, token: u64, now: u64) {
        if let Some(place) = self.streaming(token)
            && self.streams[place].release(now)
        {
            // The next flush looks at what has come meanwhile.
            self.quic.borrow_mut().readable.push(self.streams[place].id);
            self.is_dirty = true;
        }
    }

    fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>, ended: &mut Vec<Ended>) {
        if let Some(place) = self.streaming(token)
            && let Some(status) = self.streams[place].status()
        {
            self.end(place, now, why.map(|()| status).map_err(Failure::Other), ended);
        }
    }

    fn break_off(&mut self, token: u64, now: u64, why: ErrorKind, ended: &mut Vec<Ended>) {
        if let Some(place) = self.streams.iter().position(|stream| stream.sending.token == token) {
            self.end(place, now, Err(Failure::Other(why)), ended);
        }
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
        self.is_dirty = true;
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

/// A request that ends before it has begun.
fn refuse(request: &Rc<Rendered>, sending: Sending, now: u64) -> Ended {
    Ended {
        request: Rc::clone(request),
        sending,
        sent_ns: now,
        first_byte_ns: now,
        bytes_sent: 0,
        bytes_received: 0,
        result: Err(Failure::Refused),
        answer: None,
    }
}

/// The context of somebody who looks again when there is something to see.
fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
