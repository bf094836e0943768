//! One request on a connection and what has come back for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};

use super::failure_of;
use super::request::Rendered;
use crate::http::head::HEAD_LIMIT;
use crate::multiplexed::exchange::{Exchange, HEADER_TOO_LARGE};
use crate::multiplexed::in_flight::Carrier;
use crate::multiplexed::{Failure, idle};
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::upload::Sender;

/// Where the response is.
pub(super) enum Receiving {
    Head(ResponseFuture),
    Body(RecvStream),
}

/// See the module. Dropped before its end, it is cancelled.
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) exchange: Exchange,
    /// Bytes that came for its heads: interim ones, the real one, trailers.
    pub(super) head_received: u64,
    /// When its first byte was written; 0 before.
    pub(super) begun_ns: u64,
    /// Where its body goes and where it comes from, while it is sent in pieces.
    uploading: Option<(SendStream<Bytes>, Sender)>,
    receiving: Receiving,
    /// Bytes that whoever reads them as they come has not taken: the peer is not told to send as many more.
    untaken: usize,
}

impl Stream {
    pub(super) fn new(id: u32, request: &Rc<Rendered>, response: ResponseFuture, sending: Sending, now: u64) -> Self {
        Self {
            id,
            exchange: Exchange::new(request, sending, now),
            head_received: 0,
            begun_ns: 0,
            uploading: None,
            receiving: Receiving::Head(response),
            untaken: 0,
        }
    }

    /// Its body is read while it is sent.
    pub(super) fn upload_into(&mut self, into: SendStream<Bytes>, now: u64) {
        self.uploading = self.exchange.request.upload.as_ref().map(|upload| (into, Sender::new(upload, now)));
    }

    fn read(&mut self, body_limit: u64) -> Result<Poll<()>, Failure> {
        if let Receiving::Head(response) = &mut self.receiving {
            match Pin::new(response).poll(&mut idle()) {
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
            match body.poll_data(&mut idle()) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) => return Err(failure_of(&error)),
                Poll::Ready(Some(Ok(data))) => {
                    self.exchange.go_on(&data, body_limit)?;
                    if self.exchange.sending.streams {
                        self.untaken += data.len();
                    } else {
                        // The whole is always released: it cannot exceed what came.
                        let _ = body.flow_control().release_capacity(data.len());
                    }
                }
            }
        }
        match body.poll_trailers(&mut idle()) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
            Poll::Ready(Err(error)) => Err(failure_of(&error)),
        }
    }

    fn begin_body(&mut self, response: http::Response<RecvStream>) -> Result<(), Failure> {
        let (head, body) = response.into_parts();
        self.exchange.begin(head.status.as_u16(), &head.headers)?;
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
}

impl Carrier for Stream {
    fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn advance(&mut self, body_limit: u64) -> Option<Result<u16, Failure>> {
        match self.read(body_limit) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => self.exchange.status.map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    fn upload(&mut self, now: u64, hungry: &mut Vec<u64>) -> Result<bool, ErrorKind> {
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
            hungry.push(self.exchange.sending.token);
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

    fn go_on(&mut self, _was_held: bool) {
        if let Receiving::Body(body) = &mut self.receiving {
            let _ = body.flow_control().release_capacity(std::mem::take(&mut self.untaken));
        }
    }

    fn close(self) -> Exchange {
        self.exchange
    }
}
