//! One request on a connection and what has come back for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};

use super::failure_of;
use super::request::Rendered;
use crate::http::head::HEAD_LIMIT;
use crate::http::response::Shape;
use crate::multiplexed::Failure;
use crate::multiplexed::response::{HEADER_TOO_LARGE, Response};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;
use crate::upload::Sender;

/// Where the response is.
pub(super) enum Receiving {
    Head(ResponseFuture),
    Body(RecvStream),
}

/// See the module. Dropped before its end, it is cancelled.
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) request: Rc<Rendered>,
    pub(super) sending: Sending,
    pub(super) sent_ns: u64,
    pub(super) deadline_ns: u64,
    pub(super) first_byte_ns: u64,
    /// Bytes of the frames that were written for it.
    pub(super) bytes_sent: u64,
    /// Bytes of the frames that came for it.
    pub(super) bytes_received: u64,
    /// Those of its heads: interim ones, the real one, trailers.
    pub(super) head_received: u64,
    /// When its first byte was written; 0 before.
    pub(super) begun_ns: u64,
    /// Where its body goes and where it comes from, while it is sent in pieces.
    uploading: Option<(SendStream<Bytes>, Sender)>,
    receiving: Receiving,
    response: Response,
    /// Bytes that whoever reads them as they come has not taken: the peer is not told to send as many more.
    untaken: usize,
    /// Whoever reads cannot take more for now.
    is_held: bool,
}

impl Stream {
    pub(super) fn new(id: u32, request: &Rc<Rendered>, response: ResponseFuture, sending: Sending, now: u64) -> Self {
        Self {
            id,
            request: Rc::clone(request),
            sending,
            sent_ns: now,
            deadline_ns: now.saturating_add(sending.timeout_ns),
            first_byte_ns: 0,
            bytes_sent: 0,
            bytes_received: 0,
            head_received: 0,
            begun_ns: 0,
            uploading: None,
            receiving: Receiving::Head(response),
            response: Response::default(),
            untaken: 0,
            is_held: false,
        }
    }

    /// Its body is read while it is sent.
    pub(super) fn upload_into(&mut self, into: SendStream<Bytes>, now: u64) {
        self.uploading = self.request.upload.as_ref().map(|upload| (into, Sender::new(upload, now)));
    }

    /// Sends the next piece of its body, if there is one and the peer takes any now. Whether it did; who is to make that
    /// piece is asked for it by `hungry`.
    pub(super) fn upload(&mut self, now: u64, hungry: &mut Vec<u64>) -> Result<bool, ErrorKind> {
        let Some((into, from)) = &mut self.uploading else { return Ok(false) };
        let is_answered = matches!(self.receiving, Receiving::Body(_));
        if from.waits_until_ns > now || from.waits_until_ns > 0 && is_answered {
            return Ok(false);
        }
        from.waits_until_ns = 0;
        let at_hand = from.at_hand();
        // What is not there yet holds no room that others could use.
        into.reserve_capacity(at_hand.unwrap_or(0));
        if from.asks() {
            hungry.push(self.sending.token);
        }
        let room = into.capacity();
        if at_hand == Some(0) || at_hand.is_some() && room == 0 {
            return Ok(false);
        }
        let mut piece = Vec::new();
        from.next(room, &mut piece)?;
        let is_end = from.is_done();
        // Refused only on a stream that is closed already, whose response says why.
        let _ = into.send_data(piece.into(), is_end);
        if is_end {
            self.uploading = None;
        }
        Ok(true)
    }

    /// Reads as far as the bytes go: the status when the response is complete, `None` before.
    pub(super) fn advance(&mut self, context: &mut Context<'_>, body_limit: u64) -> Option<Result<u16, Failure>> {
        match self.read(context, body_limit) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => self.response.status.map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    fn read(&mut self, context: &mut Context<'_>, body_limit: u64) -> Result<Poll<()>, Failure> {
        if let Receiving::Head(response) = &mut self.receiving {
            match Pin::new(response).poll(context) {
                // Interim responses without end, or one head without end.
                Poll::Pending if self.head_received > HEAD_LIMIT as u64 => return Err(HEADER_TOO_LARGE),
                Poll::Pending => {
                    // A head that is none yet is an interim one: the peer wants the body.
                    if let Some((_, from)) = &mut self.uploading {
                        from.waits_until_ns = 0;
                    }
                    return Ok(Poll::Pending);
                }
                Poll::Ready(Err(error)) => return Err(self.head_failure(&error)),
                Poll::Ready(Ok(response)) => self.begin_body(response)?,
            }
        }
        let Receiving::Body(body) = &mut self.receiving else { unreachable!("the head has just been read") };
        loop {
            if body.is_end_stream() {
                return Ok(Poll::Ready(()));
            }
            match body.poll_data(context) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) => return Err(failure_of(&error)),
                Poll::Ready(Some(Ok(data))) => {
                    self.response.go_on(&data, &self.sending, body_limit)?;
                    if self.sending.streams {
                        self.untaken += data.len();
                    } else {
                        // The whole is always released: it cannot exceed what came.
                        let _ = body.flow_control().release_capacity(data.len());
                    }
                }
            }
        }
        match body.poll_trailers(context) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
            Poll::Ready(Err(error)) => Err(failure_of(&error)),
        }
    }

    fn begin_body(&mut self, response: http::Response<RecvStream>) -> Result<(), Failure> {
        let (head, body) = response.into_parts();
        self.response.begin(head.status.as_u16(), &head.headers, &self.sending)?;
        self.receiving = Receiving::Body(body);
        Ok(())
    }

    /// The library does not tell a head that is too large from one that is wrong. The shortest code of a character is 5
    /// bits: one beyond the limit came in more than half as many bytes, unless its headers repeat one another.
    fn head_failure(&self, error: &h2::Error) -> Failure {
        match failure_of(error) {
            Failure::Protocol if self.head_received > HEAD_LIMIT as u64 / 2 => HEADER_TOO_LARGE,
            failure => failure,
        }
    }

    /// Whoever reads cannot take more for now: that time does not count as the peer's.
    pub(super) fn hold(&mut self) {
        (self.is_held, self.deadline_ns) = (true, u64::MAX);
    }

    /// What has come was taken.
    pub(super) fn release(&mut self, now: u64) {
        if std::mem::take(&mut self.is_held) {
            self.deadline_ns = now.saturating_add(self.sending.idle_ns);
        }
        if let Receiving::Body(body) = &mut self.receiving {
            let _ = body.flow_control().release_capacity(std::mem::take(&mut self.untaken));
        }
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
