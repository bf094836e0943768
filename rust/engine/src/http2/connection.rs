//! One connection: several requests at a time, each on a stream of its own. The owner moves the bytes and decides when
//! to send.
//!
//! ```text
//!                 ┌──────────────── Connection ────────────────┐
//!   send ────────▶│ streams ──▶ h2 ──▶ transport ─────────────▶│──▶ flush: bytes to write
//!   feed ────────▶│ frames: whose bytes? ──▶ h2 ──▶ streams    │──▶ requests that ended
//!                 └────────────────────────────────────────────┘
//! ```

use std::fmt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};

use super::failure_of;
use super::frames::Frames;
use super::request::Rendered;
use super::stream::Stream;
use super::transport::Transport;
use crate::http::head::HEAD_LIMIT;
use crate::multiplexed::in_flight::InFlight;
use crate::multiplexed::{Ended, Failure, Limits, Multiplexed, WINDOW_BYTES, idle};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;

/// Length of what a client says before anything else.
const PREFACE_BYTES: usize = 24;
/// What a peer may have us answer before it has read the answers.
const UNASKED_LIMIT: u64 = 1 << 20;
/// The last stream that a client can begin. Tests come to it sooner.
const LAST_STREAM: u32 = if cfg!(test) { 1001 } else { (1 << 31) - 1 };

/// See the module.
pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: h2::client::Connection<Transport, Bytes>,
    transport: Transport,
    inbound: Frames,
    outbound: Frames,
    streams: InFlight<Stream>,
    /// Streams that the slice at hand spoke of.
    touched: Vec<u32>,
    limits: Limits,
    /// How many requests the peer takes at a time; none before it has said so.
    peer_streams: usize,
    /// Requests that took more than one write: their labels, and how long the writing took.
    sent: Vec<(usize, u64)>,
    is_retired: bool,
    /// The peer has said that it goes.
    is_left: bool,
    /// Bytes written that no request asked for, such as answers to pings, since somebody said that all was sent.
    unasked: u64,
    over: Option<Failure>,
}

impl Multiplexed for Connection {
    fn is_ready(&self) -> bool {
        self.peer_streams > 0
    }

    #[inline]
    fn room(&self) -> usize {
        if self.is_retired {
            return 0;
        }
        self.limits.streams.min(self.peer_streams).saturating_sub(self.streams.len())
    }

    fn in_flight(&self) -> usize {
        self.streams.len()
    }

    fn labels(&self) -> Vec<usize> {
        self.streams.labels()
    }

    fn is_done(&self) -> bool {
        self.over.is_some() || self.is_retired && self.streams.is_empty()
    }

    fn failure(&self) -> Option<Failure> {
        self.over
    }

    #[inline]
    fn send(&mut self, request: &Rc<Rendered>, sending: Sending, now: u64) -> bool {
        if self.room() == 0 || !matches!(self.requests.poll_ready(&mut idle()), Poll::Ready(Ok(()))) {
            return false;
        }
        let is_bodiless = request.body.is_empty() && request.upload.is_none();
        let Ok((response, mut body)) = self.requests.send_request(request.head.clone(), is_bodiless) else {
            // The peer is leaving, or has been left without numbers for streams.
            self.is_retired = true;
            return false;
        };
        let id = u32::from(response.stream_id());
        if !request.body.is_empty() {
            // Refused only on a stream that is closed already, whose response says why.
            let _ = body.send_data(request.body.clone(), true);
        }
        self.is_retired = id >= LAST_STREAM;
        let mut stream = Stream::new(id, request, response, sending, now);
        if request.upload.is_some() {
            stream.upload_into(body, now);
        }
        self.streams.push(stream);
        true
    }

    fn feed(&mut self, bytes: &[u8], now: u64, ended: &mut Vec<Ended>) {
        if self.over.is_some() {
            return;
        }
        let Self { inbound, streams, touched, is_retired, is_left, .. } = self;
        let (mut is_leaving, mut is_settings) = (false, false);
        inbound.follow(bytes, |part| {
            is_settings |= part.is_settings;
            is_leaving |= part.is_go_away;
            if let Some((_, stream)) = streams.find(|stream| stream.id == part.stream) {
                stream.exchange.bytes_received += part.bytes;
                if part.is_head {
                    stream.head_received += part.bytes;
                    stream.exchange.hear(now);
                }
                if touched.last() != Some(&stream.id) {
                    touched.push(stream.id);
                }
            }
        });
        if is_leaving {
            *is_retired = true;
            *is_left = true;
            touched.clear();
            touched.extend(streams.iter_mut().map(|stream| stream.id));
        }
        self.transport.push(bytes);
        self.drive(now, ended);
        if is_settings {
            self.peer_streams = self.requests.current_max_send_streams();
        }
    }

    fn flush(&mut self, now: u64, may_upload: bool, out: &mut Vec<u8>, ended: &mut Vec<Ended>) -> bool {
        let has_uploaded = may_upload && self.has_uploads() && self.streams.upload(now, ended);
        if self.streams.is_dirty && self.over.is_none() {
            self.drive(now, ended);
        }
        let before = out.len();
        self.transport.take(out);
        let Self { outbound, streams, sent, unasked, .. } = self;
        outbound.follow(&out[before..], |part| match streams.find(|stream| stream.id == part.stream) {
            Some((_, Stream { exchange, begun_ns, .. })) => {
                exchange.bytes_sent += part.bytes;
                *begun_ns = if *begun_ns == 0 { now } else { *begun_ns };
                if part.is_end && *begun_ns < now {
                    sent.push((exchange.sending.label, now.saturating_sub(exchange.sent_ns)));
                }
            }
            None => *unasked += part.bytes,
        });
        if *unasked > UNASKED_LIMIT && self.over.is_none() {
            self.give_up(now, Failure::Protocol, ended);
        }
        has_uploaded
    }

    #[inline]
    fn all_sent(&mut self) {
        self.unasked = 0;
    }

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
        let kind = if self.is_left { ErrorKind::GoAway } else { kind };
        self.give_up(now, Failure::Other(kind), ended);
    }
}

impl Connection {
    /// A connection whose bytes can flow; the first [`Connection::flush`] gives what opens it.
    pub fn new(limits: Limits) -> Self {
        let transport = Transport::default();
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(limits.window_bytes)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(HEAD_LIMIT as u32);
        let opening = pin!(builder.handshake(transport.clone()));
        let Poll::Ready(Ok((requests, driver))) = opening.poll(&mut idle()) else {
            unreachable!("opening writes to memory and waits for nothing");
        };
        Self {
            requests,
            driver,
            transport,
            inbound: Frames::default(),
            outbound: Frames::after(PREFACE_BYTES),
            streams: InFlight::new(limits.body_bytes),
            touched: Vec::new(),
            limits,
            peer_streams: 0,
            sent: Vec::new(),
            is_retired: false,
            is_left: false,
            unasked: 0,
            over: None,
        }
    }

    /// One look at the connection and at what was touched.
    fn drive(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.streams.is_dirty = false;
        let polled = Pin::new(&mut self.driver).poll(&mut idle());
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some((place, _)) = self.streams.find(|stream| stream.id == id)
                && let Some(result) = self.streams.read(place, now)
            {
                self.streams.end(place, now, result, ended);
            }
        }
        self.touched = touched;
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.lose(now, ErrorKind::Closed, ended),
            Poll::Ready(Err(error)) => self.give_up(now, failure_of(&error), ended),
        }
    }

    fn give_up(&mut self, now: u64, failure: Failure, ended: &mut Vec<Ended>) {
        self.is_retired = true;
        self.over = Some(failure);
        self.streams.end_all(now, ended, |found| found.unwrap_or(Err(failure)));
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
