//! One request on a connection and what has come back for it.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Buf, Bytes};
use h3::error::Code;
use http::header::CONTENT_LENGTH;
use quinn_proto::StreamId;

use super::failure_of;
use super::protocol::RequestFrames;
use super::quic::{Flow, Quic};
use crate::http::head::HEAD_LIMIT;
use crate::multiplexed::exchange::{Exchange, HEADER_TOO_LARGE};
use crate::multiplexed::in_flight::Carrier;
use crate::multiplexed::{Failure, idle};
use crate::outcome::ErrorKind;
use crate::upload::{PIECE_BYTES, Sender};

/// See the module.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) exchange: Exchange,
    quic: Rc<RefCell<Quic>>,
    frames: RequestFrames,
    /// Its body, while that is sent in pieces.
    uploading: Option<Sender>,
    /// Nothing of it waits to be written.
    is_sent: bool,
    /// What the head says of the body.
    length: Option<u64>,
    is_body_read: bool,
    /// The peer has nothing more to say.
    is_complete: bool,
}

impl Stream {
    /// Sends what follows a head, but for a body that is read meanwhile.
    pub(super) fn begin(quic: &Rc<RefCell<Quic>>, id: StreamId, frames: RequestFrames, exchange: Exchange) -> Self {
        let uploading = exchange.request.upload.as_ref().map(|upload| Sender::new(upload, exchange.sent_ns));
        let mut stream = Self {
            id,
            exchange,
            quic: Rc::clone(quic),
            frames,
            uploading,
            is_sent: false,
            length: None,
            is_body_read: false,
            is_complete: false,
        };
        if stream.uploading.is_none() {
            stream.put(stream.exchange.request.body.clone(), true);
            // One that is written at once took no time.
            stream.is_newly_sent();
        }
        stream
    }

    /// Whether all was written since the last look.
    pub(super) fn is_newly_sent(&mut self) -> bool {
        let is_sent = !self.is_sent && self.quic.borrow().flow(self.id).is_some_and(|flow| flow.is_sent);
        self.is_sent |= is_sent;
        is_sent
    }

    /// Sends some of its body, and that it ends there.
    fn put(&mut self, body: Bytes, is_end: bool) {
        // The transport takes everything at once; what the peer does not take any more, its response speaks of.
        if !body.is_empty() {
            let _ = pin!(self.frames.send_data(body)).poll(&mut idle());
        }
        if is_end {
            let _ = pin!(self.frames.finish()).poll(&mut idle());
        }
    }

    fn read(&mut self, body_limit: u64) -> Result<Poll<()>, Failure> {
        while self.exchange.status.is_none() {
            let head = pin!(self.frames.recv_response()).poll(&mut idle());
            match head {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(failure_of(&error)),
                // An interim one: the peer wants the body.
                Poll::Ready(Ok(interim)) if interim.status().is_informational() => {
                    if let Some(from) = &mut self.uploading {
                        from.waits_until_ns = 0;
                    }
                }
                Poll::Ready(Ok(head)) => self.begin_body(&head)?,
            }
        }
        while !self.is_body_read {
            // What comes meanwhile stays where it is.
            if self.exchange.is_held {
                return Ok(Poll::Pending);
            }
            match self.frames.poll_recv_data(&mut idle()) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(failure_of(&error)),
                Poll::Ready(Ok(None)) => self.is_body_read = true,
                Poll::Ready(Ok(Some(mut data))) => {
                    while data.has_remaining() {
                        let chunk = data.chunk();
                        self.exchange.go_on(chunk, body_limit)?;
                        let taken = chunk.len();
                        data.advance(taken);
                    }
                }
            }
        }
        match self.frames.poll_recv_trailers(&mut idle()) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(failure_of(&error)),
            Poll::Ready(Ok(_)) if self.length.is_some_and(|length| length != self.exchange.body_bytes) => {
                Err(Failure::Protocol)
            }
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
        }
    }

    fn begin_body(&mut self, head: &http::Response<()>) -> Result<(), Failure> {
        let (status, headers) = (head.status(), head.headers());
        let has_no_body = self.exchange.sending.is_head || [204, 304].contains(&status.as_u16());
        let length = headers.get(CONTENT_LENGTH).filter(|_| !has_no_body);
        // The library does not compare them.
        self.length = match length.map(|value| value.to_str().ok().and_then(|text| text.parse().ok())) {
            Some(None) => return Err(Failure::Protocol),
            given => given.flatten(),
        };
        self.exchange.begin(status.as_u16(), headers)
    }
}

impl Carrier for Stream {
    fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn advance(&mut self, body_limit: u64) -> Option<Result<u16, Failure>> {
        let received = self.quic.borrow().flow(self.id).map_or(0, |flow| flow.bytes_received);
        match self.read(body_limit) {
            Ok(Poll::Ready(())) => {
                self.is_complete = true;
                self.exchange.status.map(Ok)
            }
            // Interim responses without end, or one head without end.
            Ok(Poll::Pending) if self.exchange.status.is_none() && received > HEAD_LIMIT as u64 => {
                Some(Err(HEADER_TOO_LARGE))
            }
            Ok(Poll::Pending) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    fn upload(&mut self, now: u64, hungry: &mut Vec<u64>) -> Result<bool, ErrorKind> {
        let Some(from) = &mut self.uploading else { return Ok(false) };
        let is_answered = self.exchange.status.is_some();
        if self.quic.borrow().flow(self.id).is_some_and(Flow::is_blocked)
            || from.waits_until_ns > now
            || from.waits_until_ns > 0 && is_answered
        {
            return Ok(false);
        }
        from.waits_until_ns = 0;
        if from.asks() {
            hungry.push(self.exchange.sending.token);
        }
        if from.at_hand() == Some(0) {
            return Ok(false);
        }
        let mut piece = Vec::new();
        from.next(PIECE_BYTES, &mut piece)?;
        let is_end = from.is_done();
        if is_end {
            self.uploading = None;
        }
        self.put(piece.into(), is_end);
        Ok(true)
    }

    fn go_on(&mut self, was_held: bool) {
        if was_held {
            // The next flush looks at what has come meanwhile.
            self.quic.borrow_mut().readable.push(self.id);
        }
    }

    fn close(mut self) -> Exchange {
        let mut quic = self.quic.borrow_mut();
        if let Some(flow) = quic.flow(self.id) {
            (self.exchange.bytes_sent, self.exchange.bytes_received) = (flow.bytes_sent, flow.bytes_received);
        }
        quic.forget(self.id, self.is_complete, Code::H3_REQUEST_CANCELLED.value());
        drop(quic);
        self.exchange
    }
}
