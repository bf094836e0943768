//! Responses that are read while they come: their parts, each with when it came. Who wants them takes them at once; nothing
//! is gathered here.

use crate::http::response::Sink;

/// A part of a response that is streamed.
#[derive(Debug)]
pub struct Piece {
    /// What the sender of the request knows it by.
    pub token: u64,
    /// When that was sent.
    pub sent_ns: u64,
    /// When this was read.
    pub at_ns: u64,
    /// What it is.
    pub part: Part,
}

/// What a piece is.
#[derive(Debug)]
pub enum Part {
    /// The whole head, in the words of HTTP/1.1.
    Head(Vec<u8>),
    /// Some of the body, without framing.
    Data(Vec<u8>),
}

/// Makes pieces of what one read brought.
#[derive(Debug)]
pub struct Receiver<'p> {
    /// Of the request.
    pub token: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When it came.
    pub at_ns: u64,
    /// Where they go.
    pub pieces: &'p mut Vec<Piece>,
}

impl Receiver<'_> {
    fn push(&mut self, part: Part) {
        self.pieces.push(Piece { token: self.token, sent_ns: self.sent_ns, at_ns: self.at_ns, part });
    }
}

impl Sink for Receiver<'_> {
    fn head(&mut self, bytes: &[u8]) {
        self.push(Part::Head(bytes.to_vec()));
    }

    fn data(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            // Chunks that came together are one piece.
            Some(Piece { token, at_ns, part: Part::Data(data), .. })
                if (*token, *at_ns) == (self.token, self.at_ns) =>
            {
                data.extend_from_slice(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.push(Part::Data(bytes.to_vec())),
        }
    }
}
