//! One request and what has come back for it, in the words of HTTP/1.1 where somebody wants to read it.

use std::rc::Rc;

use http::HeaderMap;

use super::{Ended, Failure};
use crate::http::head::HEADER_LIMIT;
use crate::http::response::Shape;
use crate::http2::request::Rendered;
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::{Part, Piece};

/// The head is larger than anybody would read.
pub(crate) const HEADER_TOO_LARGE: Failure = Failure::Other(ErrorKind::HeaderTooLarge);

/// See the module.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Rc<Rendered>,
    pub(crate) sending: Sending,
    pub(crate) sent_ns: u64,
    pub(crate) deadline_ns: u64,
    /// When the first byte of the answer was read; 0 before.
    pub(crate) first_byte_ns: u64,
    /// Bytes of the frames that were written for it.
    pub(crate) bytes_sent: u64,
    /// Bytes of the frames that came for it.
    pub(crate) bytes_received: u64,
    /// The status of the answer, once its head has come.
    pub(crate) status: Option<u16>,
    /// Bytes of its body.
    pub(crate) body_bytes: u64,
    /// Whoever reads it as it comes cannot take more for now.
    pub(crate) is_held: bool,
    kept: Vec<u8>,
    body_at: usize,
}

impl Exchange {
    pub(crate) fn new(request: &Rc<Rendered>, sending: Sending, now: u64) -> Self {
        Self {
            request: Rc::clone(request),
            sending,
            sent_ns: now,
            deadline_ns: now.saturating_add(sending.timeout_ns),
            first_byte_ns: 0,
            bytes_sent: 0,
            bytes_received: 0,
            status: None,
            body_bytes: 0,
            is_held: false,
            kept: Vec::new(),
            body_at: 0,
        }
    }

    /// Something of the answer has come.
    pub(crate) fn hear(&mut self, now: u64) {
        if self.first_byte_ns == 0 {
            self.first_byte_ns = now;
        }
    }

    /// The head.
    pub(crate) fn begin(&mut self, status: u16, headers: &HeaderMap) -> Result<(), Failure> {
        if headers.len() > HEADER_LIMIT {
            return Err(HEADER_TOO_LARGE);
        }
        self.status = Some(status);
        if self.sending.keeps || self.sending.streams {
            // The version that readers of such a head know; they ask for headers and nothing else.
            self.kept.extend_from_slice(format!("HTTP/1.1 {status}\r\n").as_bytes());
            for (name, value) in headers {
                for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    self.kept.extend_from_slice(part);
                }
            }
            self.kept.extend_from_slice(b"\r\n");
            self.body_at = self.kept.len();
        }
        Ok(())
    }

    /// Some of the body.
    pub(crate) fn go_on(&mut self, data: &[u8], body_limit: u64) -> Result<(), Failure> {
        self.body_bytes += data.len() as u64;
        if self.body_bytes > body_limit {
            return Err(Failure::Other(ErrorKind::BodyTooLarge));
        }
        if self.sending.keeps && !self.sending.only_head || self.sending.streams {
            self.kept.extend_from_slice(data);
        }
        Ok(())
    }

    /// What has come since the last look, where it is streamed.
    pub(crate) fn take_pieces(&mut self, at_ns: u64, pieces: &mut Vec<Piece>) {
        if !self.sending.streams || self.kept.is_empty() {
            return;
        }
        let (token, sent_ns) = (self.sending.token, self.sent_ns);
        let mut bytes = std::mem::take(&mut self.kept);
        if self.body_at > 0 {
            let data = bytes.split_off(std::mem::take(&mut self.body_at));
            pieces.push(Piece { token, sent_ns, at_ns, part: Part::Head(bytes) });
            bytes = data;
        }
        if !bytes.is_empty() {
            pieces.push(Piece { token, sent_ns, at_ns, part: Part::Data(bytes) });
        }
        // It may go on as long as it speaks. One that spoke too late has not.
        if at_ns <= self.deadline_ns && !self.is_held {
            self.deadline_ns = at_ns.saturating_add(self.sending.idle_ns);
        }
    }

    /// Whoever reads cannot take more for now: that time does not count as the peer's.
    pub(crate) fn hold(&mut self) {
        (self.is_held, self.deadline_ns) = (true, u64::MAX);
    }

    /// What has come was taken. Whether it was held back.
    pub(crate) fn release(&mut self, now: u64) -> bool {
        let was_held = std::mem::take(&mut self.is_held);
        if was_held {
            self.deadline_ns = now.saturating_add(self.sending.idle_ns);
        }
        was_held
    }

    /// It is over.
    pub(crate) fn end(self, now: u64, result: Result<u16, Failure>) -> Ended {
        // Swept late or not: an answer after the timeout is no answer.
        let is_late = result.is_ok() && now > self.deadline_ns;
        let result = if is_late { Err(Failure::Other(ErrorKind::Timeout)) } else { result };
        let end_at = Some(self.kept.len());
        let shape = Shape { head_at: 0, body_at: self.body_at, end_at, is_chunked: false };
        Ended {
            request: self.request,
            sending: self.sending,
            sent_ns: self.sent_ns,
            first_byte_ns: self.first_byte_ns.max(self.sent_ns),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            result,
            answer: (result.is_ok() && self.sending.keeps).then_some((shape, self.kept)),
        }
    }
}
