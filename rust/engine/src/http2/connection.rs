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
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};

use super::Failure;
use super::frames::Frames;
use super::request::Rendered;
use super::stream::Stream;
use super::transport::Transport;
use crate::http::head::HEAD_LIMIT;
use crate::http::response::{BODY_LIMIT, Shape};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;

/// What the peer may send unasked: nothing waits here for a reader, so there is no reason to slow it down.
const WINDOW_BYTES: u32 = 1 << 30;
/// Length of what a client says before anything else.
const PREFACE_BYTES: usize = 24;
/// How many requests at a time, if nobody says otherwise. RFC 9113 wants no peer to take fewer.
const USUAL_STREAMS: usize = 100;
/// What a peer may have us answer before it has read the answers.
const UNASKED_LIMIT: u64 = 1 << 20;
/// The last stream that a client can begin. Tests come to it sooner.
const LAST_STREAM: u32 = if cfg!(test) { 1001 } else { (1 << 31) - 1 };

/// How much a connection takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at a time.
    pub streams: usize,
    /// Largest body of a response.
    pub body_bytes: u64,
    /// How much of a response may come that nobody has taken.
    pub window_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: USUAL_STREAMS, body_bytes: BODY_LIMIT, window_bytes: WINDOW_BYTES }
    }
}

/// A request that ended. All instants as the owner gave them.
#[derive(Debug)]
pub struct Ended {
    /// What it was.
    pub request: Rc<Rendered>,
    /// What the sender said of it.
    pub sending: Sending,
    /// When it was sent.
    pub sent_ns: u64,
    /// When the first byte of its answer was read; `sent_ns` if none came.
    pub first_byte_ns: u64,
    /// Bytes of the frames that were written for it.
    pub bytes_sent: u64,
    /// Bytes of the frames that came for it.
    pub bytes_received: u64,
    /// The status of its response.
    pub result: Result<u16, Failure>,
    /// The response in the words of HTTP/1.1, if it was to be kept.
    pub answer: Option<(Shape, Vec<u8>)>,
}

/// See the module.
pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: h2::client::Connection<Transport, Bytes>,
    transport: Transport,
    inbound: Frames,
    outbound: Frames,
    streams: Vec<Stream>,
    /// Streams that the slice at hand spoke of.
    touched: Vec<u32>,
    limits: Limits,
    /// How many requests the peer takes at a time; none before it has said so.
    peer_streams: usize,
    /// Streams whose requests have bodies that are read while they are sent.
    uploads: usize,
    /// The tokens of requests that wait for the next piece of a body that is still being made; the owner takes them.
    pub hungry: Vec<u64>,
    /// Requests that took more than one write: their labels, and how long the writing took.
    sent: Vec<(usize, u64)>,
    /// The protocol may have something to write that it was not asked for yet.
    is_dirty: bool,
    is_retired: bool,
    /// The peer has said that it goes.
    is_left: bool,
    /// Bytes written that no request asked for, such as answers to pings, since somebody said that all was sent.
    unasked: u64,
    over: Option<Failure>,
    /// What came of responses that are streamed; the owner takes it.
    pub pieces: Vec<Piece>,
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
            streams: Vec::new(),
            touched: Vec::new(),
            limits,
            peer_streams: 0,
            uploads: 0,
            hungry: Vec::new(),
            sent: Vec::new(),
            is_dirty: true,
            is_retired: false,
            is_left: false,
            unasked: 0,
            over: None,
            pieces: Vec::new(),
        }
    }

    /// The peer has said what it takes. Before, a request might be one too many and be refused: to wait for this belongs
    /// to connecting.
    pub fn is_ready(&self) -> bool {
        self.peer_streams > 0
    }

    /// How many more requests it takes now.
    #[inline]
    pub fn room(&self) -> usize {
        if self.is_retired {
            return 0;
        }
        self.limits.streams.min(self.peer_streams).saturating_sub(self.streams.len())
    }

    /// Requests without an end.
    pub fn in_flight(&self) -> usize {
        self.streams.len()
    }

    /// The labels of those.
    pub fn labels(&self) -> impl Iterator<Item = usize> {
        self.streams.iter().map(|stream| stream.sending.label)
    }

    /// It will never carry anything again: flush it once more, then close it.
    pub fn is_done(&self) -> bool {
        self.over.is_some() || self.is_retired && self.streams.is_empty()
    }

    /// Why it will never carry anything again, where it failed.
    pub fn failure(&self) -> Option<Failure> {
        self.over
    }

    /// Begins a request, to be written with the next [`Connection::flush`]. What flow control does not allow yet waits
    /// and follows by itself. `false`: it has no room, ask another connection.
    #[inline]
    #[must_use]
    pub fn send(&mut self, request: &Rc<Rendered>, sending: Sending, now: u64) -> bool {
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
        self.is_dirty = true;
        let mut stream = Stream::new(id, request, response, sending, now);
        if request.upload.is_some() {
            stream.upload_into(body, now);
            self.uploads += 1;
        }
        self.streams.push(stream);
        true
    }

    /// Takes bytes of the peer that arrived at an instant, in whatever slices.
    pub fn feed(&mut self, bytes: &[u8], now: u64, ended: &mut Vec<Ended>) {
        if self.over.is_some() {
            return;
        }
        let Self { inbound, streams, touched, is_retired, is_left, .. } = self;
        let (mut is_leaving, mut is_settings) = (false, false);
        inbound.follow(bytes, |part| {
            is_settings |= part.is_settings;
            is_leaving |= part.is_go_away;
            if let Some(stream) = streams.iter_mut().find(|stream| stream.id == part.stream) {
                stream.bytes_received += part.bytes;
                if part.is_head {
                    stream.head_received += part.bytes;
                    stream.first_byte_ns = if stream.first_byte_ns == 0 { now } else { stream.first_byte_ns };
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
            touched.extend(streams.iter().map(|stream| stream.id));
        }
        self.transport.push(bytes);
        self.drive(now, ended);
        if is_settings {
            self.peer_streams = self.requests.current_max_send_streams();
        }
    }

    /// Appends what is to be written to `out`. To be asked after [`Connection::send`] and [`Connection::feed`]; several
    /// requests before it go out together. `may_upload`: pieces of bodies too; whether there were any.
    pub fn flush(&mut self, now: u64, may_upload: bool, out: &mut Vec<u8>, ended: &mut Vec<Ended>) -> bool {
        let has_uploaded = may_upload && self.has_uploads() && self.upload(now, ended);
        if self.is_dirty && self.over.is_none() {
            self.drive(now, ended);
        }
        let before = out.len();
        self.transport.take(out);
        let Self { outbound, streams, sent, unasked, .. } = self;
        outbound.follow(&out[before..], |part| match streams.iter_mut().find(|stream| stream.id == part.stream) {
            Some(stream) => {
                stream.bytes_sent += part.bytes;
                stream.begun_ns = if stream.begun_ns == 0 { now } else { stream.begun_ns };
                if part.is_end && stream.begun_ns < now {
                    sent.push((stream.sending.label, now.saturating_sub(stream.sent_ns)));
                }
            }
            None => *unasked += part.bytes,
        });
        if *unasked > UNASKED_LIMIT && self.over.is_none() {
            self.give_up(now, Failure::Protocol, ended);
        }
        has_uploaded
    }

    /// All that was written so far has been sent: the peer reads.
    #[inline]
    pub fn all_sent(&mut self) {
        self.unasked = 0;
    }

    /// It takes no more requests; those on it go on.
    pub fn retire(&mut self) {
        self.is_retired = true;
    }

    /// Whether bodies are read while they are sent.
    pub fn has_uploads(&self) -> bool {
        self.uploads > 0
    }

    /// Requests that took more than one write and are written by now: their labels, and how long that took.
    pub fn take_sent(&mut self) -> impl Iterator<Item = (usize, u64)> {
        self.sent.drain(..)
    }

    /// Gives the protocol the next pieces of bodies, as far as the peer takes them. Whether there were any.
    fn upload(&mut self, now: u64, ended: &mut Vec<Ended>) -> bool {
        let mut has_uploaded = false;
        for place in (0..self.streams.len()).rev() {
            match self.streams[place].upload(now, &mut self.hungry) {
                Ok(is_any) => has_uploaded |= is_any,
                Err(kind) => self.end(place, now, Err(Failure::Other(kind)), ended),
            }
        }
        self.is_dirty |= has_uploaded;
        has_uploaded
    }

    /// Ends what has taken longer than its timeout; the peer is told with the next [`Connection::flush`].
    pub fn expire(&mut self, now: u64, ended: &mut Vec<Ended>) {
        while let Some(place) = self.streams.iter().position(|stream| stream.deadline_ns < now) {
            self.end(place, now, Err(Failure::Other(ErrorKind::Timeout)), ended);
        }
    }

    /// Whether it carries the request with this token, streamed.
    pub fn is_streaming(&self, token: u64) -> bool {
        self.streaming(token).is_some()
    }

    fn streaming(&self, token: u64) -> Option<usize> {
        self.streams.iter().position(|stream| stream.sending.streams && stream.sending.token == token)
    }

    /// Whoever reads a streamed response cannot take more for now.
    pub fn hold(&mut self, token: u64) {
        if let Some(place) = self.streaming(token) {
            self.streams[place].hold();
        }
    }

    /// What came of a streamed response was taken: the peer is told with the next [`Connection::flush`].
    pub fn release(&mut self, token: u64, now: u64) {
        if let Some(place) = self.streaming(token) {
            self.streams[place].release(now);
            self.is_dirty = true;
        }
    }

    /// Ends a streamed request whose head has come: the rest is not wanted, or the failure is the reader's. The peer is
    /// told with the next [`Connection::flush`].
    pub fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>, ended: &mut Vec<Ended>) {
        if let Some(place) = self.streaming(token)
            && let Some(status) = self.streams[place].status()
        {
            self.end(place, now, why.map(|()| status).map_err(Failure::Other), ended);
        }
    }

    /// Ends a request whose body cannot be made to its end. The peer is told with the next [`Connection::flush`].
    pub fn break_off(&mut self, token: u64, now: u64, why: ErrorKind, ended: &mut Vec<Ended>) {
        if let Some(place) = self.streams.iter().position(|stream| stream.sending.token == token) {
            self.end(place, now, Err(Failure::Other(why)), ended);
        }
    }

    /// The connection was lost: so are the requests on it.
    pub fn lose(&mut self, now: u64, kind: ErrorKind, ended: &mut Vec<Ended>) {
        let kind = if self.is_left { ErrorKind::GoAway } else { kind };
        self.give_up(now, Failure::Other(kind), ended);
    }

    /// One look at the connection and at what was touched.
    fn drive(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.is_dirty = false;
        let polled = Pin::new(&mut self.driver).poll(&mut idle());
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(place) = self.streams.iter().position(|stream| stream.id == id) {
                let result = self.streams[place].advance(&mut idle(), self.limits.body_bytes);
                self.streams[place].take_pieces(now, &mut self.pieces);
                if let Some(result) = result {
                    self.end(place, now, result, ended);
                }
            }
        }
        self.touched = touched;
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.lose(now, ErrorKind::Closed, ended),
            Poll::Ready(Err(error)) => self.give_up(now, Failure::of(&error), ended),
        }
    }

    fn give_up(&mut self, now: u64, failure: Failure, ended: &mut Vec<Ended>) {
        self.is_retired = true;
        self.over = Some(failure);
        while !self.streams.is_empty() {
            // What is complete among them is complete.
            let result = self.streams[0].advance(&mut idle(), self.limits.body_bytes);
            self.streams[0].take_pieces(now, &mut self.pieces);
            self.end(0, now, result.unwrap_or(Err(failure)), ended);
        }
    }

    fn end(&mut self, place: usize, now: u64, result: Result<u16, Failure>, ended: &mut Vec<Ended>) {
        let mut stream = self.streams.swap_remove(place);
        self.uploads -= usize::from(stream.request.upload.is_some());
        // Released windows, and a cancellation of what was not complete.
        self.is_dirty = true;
        let is_late = result.is_ok() && now > stream.deadline_ns;
        // Swept late or not: an answer after the timeout is no answer.
        let result = if is_late { Err(Failure::Other(ErrorKind::Timeout)) } else { result };
        ended.push(Ended {
            request: Rc::clone(&stream.request),
            sending: stream.sending,
            sent_ns: stream.sent_ns,
            first_byte_ns: stream.first_byte_ns.max(stream.sent_ns),
            bytes_sent: stream.bytes_sent,
            bytes_received: stream.bytes_received,
            result,
            answer: if result.is_ok() { stream.take_answer() } else { None },
        });
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

/// The context of somebody who looks again when there is something to see.
fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
