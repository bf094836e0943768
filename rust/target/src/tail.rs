//! The parts of bodies that are made while they are sent; must not know sockets or statuses.

use std::fmt::Arguments;
use std::io::Write as _;

/// Bodies up to this size are written behind their head, larger ones from the shared filler.
const MOST_INLINE_BYTES: u64 = 16 << 10;
/// Data bytes of one chunk of `/chunked`.
const CHUNK_BYTES: u64 = 16 << 10;

/// What all made-up bodies consist of.
pub(crate) static FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

/// The part of a body that is made while it is sent.
#[derive(Debug, Default)]
pub(crate) enum Tail {
    #[default]
    Nothing,
    /// So many bytes of filler.
    Filler(u64),
    /// So many bytes of filler in chunks, then the last chunk.
    Chunks(u64),
    /// The body from `at` on.
    Own { body: Vec<u8>, at: usize },
}

impl Tail {
    /// Moves a small tail behind its head, so that both leave in one packet and one call.
    pub(crate) fn inline(self, out: &mut Vec<u8>) -> Tail {
        match self {
            Tail::Filler(bytes) if bytes <= MOST_INLINE_BYTES => {
                out.extend_from_slice(&FILLER[..bytes as usize]);
                Tail::Nothing
            }
            Tail::Own { body, .. } if body.len() as u64 <= MOST_INLINE_BYTES => {
                out.extend_from_slice(&body);
                Tail::Nothing
            }
            tail => tail,
        }
    }

    /// Appends the next chunk of a chunked tail; other tails are sent from where they lie.
    pub(crate) fn write_chunk(&mut self, out: &mut Vec<u8>) {
        if let Tail::Chunks(left) = self {
            if *left == 0 {
                out.extend_from_slice(b"0\r\n\r\n");
                *self = Tail::Nothing;
            } else {
                let size = CHUNK_BYTES.min(*left);
                put(out, format_args!("{size:x}\r\n"));
                out.extend_from_slice(&FILLER[..size as usize]);
                out.extend_from_slice(b"\r\n");
                *left -= size;
            }
        }
    }
}

/// Appends a formatted text.
pub(crate) fn put(out: &mut Vec<u8>, text: Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_add_up_to_the_body() {
        let mut tail = Tail::Chunks(CHUNK_BYTES + 3);
        let mut out = Vec::new();
        while !matches!(tail, Tail::Nothing) {
            tail.write_chunk(&mut out);
        }
        let filler = "x".repeat(CHUNK_BYTES as usize);
        let expected = format!("4000\r\n{filler}\r\n3\r\nxxx\r\n0\r\n\r\n");
        assert_eq!(out, expected.as_bytes());
    }
}
