//! What has come of a response, in the words of HTTP/1.1 where somebody wants to read it.

use http::HeaderMap;

use super::Failure;
use crate::http::head::HEADER_LIMIT;
use crate::http::response::Shape;
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::{Part, Piece};

/// The head is larger than anybody would read.
pub const HEADER_TOO_LARGE: Failure = Failure::Other(ErrorKind::HeaderTooLarge);

/// See the module.
#[derive(Debug, Default)]
pub struct Response {
    /// Its status, once the head has come.
    pub status: Option<u16>,
    /// Bytes of its body.
    pub body_bytes: u64,
    kept: Vec<u8>,
    body_at: usize,
}

impl Response {
    /// The head.
    pub fn begin(&mut self, status: u16, headers: &HeaderMap, sending: &Sending) -> Result<(), Failure> {
        if headers.len() > HEADER_LIMIT {
            return Err(HEADER_TOO_LARGE);
        }
        self.status = Some(status);
        if sending.keeps || sending.streams {
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
    pub fn go_on(&mut self, data: &[u8], sending: &Sending, body_limit: u64) -> Result<(), Failure> {
        self.body_bytes += data.len() as u64;
        if self.body_bytes > body_limit {
            return Err(Failure::Other(ErrorKind::BodyTooLarge));
        }
        if sending.keeps && !sending.only_head || sending.streams {
            self.kept.extend_from_slice(data);
        }
        Ok(())
    }

    /// What has come since the last look, where it is streamed; whether anything has.
    pub fn take_pieces(&mut self, sending: &Sending, sent_ns: u64, at_ns: u64, pieces: &mut Vec<Piece>) -> bool {
        if !sending.streams || self.kept.is_empty() {
            return false;
        }
        let token = sending.token;
        let mut bytes = std::mem::take(&mut self.kept);
        if self.body_at > 0 {
            let data = bytes.split_off(std::mem::take(&mut self.body_at));
            pieces.push(Piece { token, sent_ns, at_ns, part: Part::Head(bytes) });
            bytes = data;
        }
        if !bytes.is_empty() {
            pieces.push(Piece { token, sent_ns, at_ns, part: Part::Data(bytes) });
        }
        true
    }

    /// The response with where its parts lie, if it was to be kept.
    pub fn take_answer(&mut self, sending: &Sending) -> Option<(Shape, Vec<u8>)> {
        let kept = std::mem::take(&mut self.kept);
        let shape = Shape { head_at: 0, body_at: self.body_at, end_at: Some(kept.len()), is_chunked: false };
        sending.keeps.then_some((shape, kept))
    }
}
