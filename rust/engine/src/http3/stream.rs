//! One request on a connection and what has come back for it.

use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::client::RequestStream;
use http::header::CONTENT_LENGTH;
use quinn_proto::StreamId;

use super::failure_of;
use super::transport;
use crate::http::head::HEAD_LIMIT;
use crate::http::response::Shape;
use crate::http2::request::Rendered;
use crate::multiplexed::Failure;
use crate::multiplexed::response::{HEADER_TOO_LARGE, Response};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;
use crate::upload::{PIECE_BYTES, Sender};

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) request: Rc<Rendered>,
    pub(super) sending: Sending,
    pub(super) sent_ns: u64,
    pub(super) deadline_ns: u64,
    pub(super) first_byte_ns: u64,
    /// Its body, while that is sent in pieces.
    pub(super) uploading: Option<Sender>,
    /// It was not written at once: it is to be told of when it is.
    pub(super) is_told: bool,
    frames: RequestStream<transport::Stream, Bytes>,
    response: Response,
    /// What the head says of the body.
    length: Option<u64>,
    is_body_read: bool,
    /// Whoever reads it as it comes cannot take more for now: what comes meanwhile stays where it is.
    is_held: bool,
    /// The peer has nothing more to say.
    pub(super) is_complete: bool,
}

impl Stream {
    pub(super) fn new(
        id: StreamId,
        request: &Rc<Rendered>,
        frames: RequestStream<transport::Stream, Bytes>,
        sending: Sending,
        now: u64,
    ) -> Self {
        Self {
            id,
            request: Rc::clone(request),
            sending,
            sent_ns: now,
            deadline_ns: now.saturating_add(sending.timeout_ns),
            first_byte_ns: 0,
            uploading: request.upload.as_ref().map(|upload| Sender::new(upload, now)),
            is_told: false,
            frames,
            response: Response::default(),
            length: None,
            is_body_read: false,
            is_held: false,
            is_complete: false,
        }
    }

    /// Sends some of its body, and that it ends there.
    pub(super) fn put(&mut self, context: &mut Context<'_>, body: Bytes, is_end: bool) {
        // The transport takes everything at once; what the peer does not take any more, its response speaks of.
        if !body.is_empty() {
            let _ = pin!(self.frames.send_data(body)).poll(context);
        }
        if is_end {
            let _ = pin!(self.frames.finish()).poll(context);
        }
    }

    /// Sends the next piece of its body, if there is one and the peer wants it. Whether it did; who is to make that
    /// piece is asked for it by `hungry`.
    pub(super) fn upload(
        &mut self,
        context: &mut Context<'_>,
        now: u64,
        hungry: &mut Vec<u64>,
    ) -> Result<bool, ErrorKind> {
        let Some(from) = &mut self.uploading else { return Ok(false) };
        if from.waits_until_ns > now || from.waits_until_ns > 0 && self.response.status.is_some() {
            return Ok(false);
        }
        from.waits_until_ns = 0;
        if from.asks() {
            hungry.push(self.sending.token);
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
        self.put(context, piece.into(), is_end);
        Ok(true)
    }

    /// Reads as far as the bytes go: the status when the response is complete, `None` before.
    pub(super) fn advance(
        &mut self,
        context: &mut Context<'_>,
        received: u64,
        body_limit: u64,
    ) -> Option<Result<u16, Failure>> {
        match self.read(context, body_limit) {
            Ok(Poll::Ready(())) => {
                self.is_complete = true;
                self.response.status.map(Ok)
            }
            // Interim responses without end, or one head without end.
            Ok(Poll::Pending) if self.response.status.is_none() && received > HEAD_LIMIT as u64 => {
                Some(Err(HEADER_TOO_LARGE))
            }
            Ok(Poll::Pending) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    fn read(&mut self, context: &mut Context<'_>, body_limit: u64) -> Result<Poll<()>, Failure> {
        while self.response.status.is_none() {
            let head = pin!(self.frames.recv_response()).poll(context);
            match head {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(failure_of(&error)),
                // An interim one: the peer wants the body.
                Poll::Ready(Ok(interim)) if interim.status().is_informational() => {
                    if let Some(from) = &mut self.uploading {
                        from.waits_until_ns = 0;
                    }
                }
                Poll::Ready(Ok(head)) => self.begin(&head)?,
            }
        }
        while !self.is_body_read {
            if self.is_held {
                return Ok(Poll::Pending);
            }
            match self.frames.poll_recv_data(context) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(failure_of(&error)),
                Poll::Ready(Ok(None)) => self.is_body_read = true,
                Poll::Ready(Ok(Some(mut data))) => {
                    while data.has_remaining() {
                        let chunk = data.chunk();
                        self.response.go_on(chunk, &self.sending, body_limit)?;
                        let taken = chunk.len();
                        data.advance(taken);
                    }
                }
            }
        }
        match self.frames.poll_recv_trailers(context) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(failure_of(&error)),
            Poll::Ready(Ok(_)) if self.length.is_some_and(|length| length != self.response.body_bytes) => {
                Err(Failure::Protocol)
            }
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
        }
    }

    fn begin(&mut self, head: &http::Response<()>) -> Result<(), Failure> {
        let (status, headers) = (head.status(), head.headers());
        let has_no_body = self.sending.is_head || [204, 304].contains(&status.as_u16());
        let length = headers.get(CONTENT_LENGTH).filter(|_| !has_no_body);
        // The library does not compare them.
        self.length = match length.map(|value| value.to_str().ok().and_then(|text| text.parse().ok())) {
            Some(None) => return Err(Failure::Protocol),
            given => given.flatten(),
        };
        self.response.begin(status.as_u16(), headers, &self.sending)
    }

    /// That time does not count as the peer's.
    pub(super) fn hold(&mut self) {
        (self.is_held, self.deadline_ns) = (true, u64::MAX);
    }

    /// What has come was taken. Whether it was held back.
    pub(super) fn release(&mut self, now: u64) -> bool {
        let was_held = mem::take(&mut self.is_held);
        if was_held {
            self.deadline_ns = now.saturating_add(self.sending.idle_ns);
        }
        was_held
    }

    /// What has come since the last look of a response that is streamed.
    pub(super) fn take_pieces(&mut self, at_ns: u64, pieces: &mut Vec<Piece>) {
        let has_spoken = self.response.take_pieces(&self.sending, self.sent_ns, at_ns, pieces);
        // It may go on as long as it speaks. One that spoke too late has not.
        if has_spoken && at_ns <= self.deadline_ns && !self.is_held {
            self.deadline_ns = at_ns.saturating_add(self.sending.idle_ns);
        }
    }

    /// The status, once the head has come.
    pub(super) fn status(&self) -> Option<u16> {
        self.response.status
    }

    /// The response with where its parts lie, if it was to be kept.
    pub(super) fn take_answer(&mut self) -> Option<(Shape, Vec<u8>)> {
        self.response.take_answer(&self.sending)
    }
}
