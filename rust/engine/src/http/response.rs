//! Reads a response from slices: its head, its body, where it ends. It does no I/O, keeps no body, and bounds what a
//! hostile server can make it hold.

use super::chunk::{ChunkError, ChunkReader};
use super::head::{Framing, HEAD_LIMIT, HeadReader};
use crate::outcome::ErrorKind;

/// Largest body of a response, in bytes.
pub const BODY_LIMIT: u64 = 1 << 30;

/// What a slice brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The response goes on.
    More,
    /// The response is complete.
    Complete {
        /// Its status.
        status: u16,
        /// The connection may carry another request.
        reusable: bool,
    },
}

/// Where the parts of a response lie among its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of interim responses before the head.
    pub head_at: usize,
    /// Where the body begins.
    pub body_at: usize,
    /// Where it ends, if its length is known beforehand.
    pub end_at: Option<usize>,
    /// The body is in chunks.
    pub is_chunked: bool,
}

#[derive(Debug, Default)]
enum Body {
    /// The head is not complete.
    #[default]
    Head,
    Length(u64),
    Chunked(ChunkReader),
    /// Until the peer closes.
    Close(u64),
}

/// Takes the parts of a response as they come.
pub trait Sink {
    /// The whole head.
    fn head(&mut self, bytes: &[u8]);

    /// The next bytes of the body, without framing.
    fn data(&mut self, bytes: &[u8]);
}

/// Nobody wants them.
impl Sink for () {
    fn head(&mut self, _bytes: &[u8]) {}

    fn data(&mut self, _bytes: &[u8]) {}
}

/// The state of one response between two slices.
#[derive(Debug, Default)]
pub struct ResponseReader {
    body: Body,
    status: u16,
    keep_alive: bool,
    is_head: bool,
    /// The beginning of a head that came in pieces; empty in the common case.
    partial: Vec<u8>,
    /// Bytes of interim responses before this one.
    interim: usize,
    /// One of them said that the body of the request is wanted.
    continued: bool,
    shape: Shape,
}

impl ResponseReader {
    /// A response comes next; `is_head` when the request was HEAD.
    #[inline]
    pub fn expect(&mut self, is_head: bool) {
        self.is_head = is_head;
    }

    /// Takes the next bytes of the connection. Bytes beyond the end belong to no request: the response counts, the
    /// connection cannot be trusted any more.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], heads: &mut HeadReader) -> Result<Progress, ErrorKind> {
        self.feed_to(bytes, heads, &mut ())
    }

    /// The same, and hands on what has come.
    #[inline]
    pub fn feed_to(
        &mut self,
        bytes: &[u8],
        heads: &mut HeadReader,
        sink: &mut impl Sink,
    ) -> Result<Progress, ErrorKind> {
        if matches!(self.body, Body::Head) { self.feed_head(bytes, heads, sink) } else { self.feed_body(bytes, sink) }
    }

    /// The status, once the head has come.
    pub fn status(&self) -> Option<u16> {
        (!matches!(self.body, Body::Head)).then_some(self.status)
    }

    /// The peer closed. The end of a response without a length; for any other an error.
    pub fn close(&mut self) -> Result<Progress, ErrorKind> {
        if matches!(self.body, Body::Close(_)) { Ok(self.complete(true)) } else { Err(ErrorKind::Closed) }
    }

    /// The peer has said that it wants the body of the request.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// Nothing is known of the response yet: no byte of it, or of none but interim ones, has come.
    pub fn is_untouched(&self) -> bool {
        matches!(self.body, Body::Head) && self.partial.is_empty()
    }

    /// Where the parts of the last complete response lie.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    fn complete(&mut self, at_end: bool) -> Progress {
        let reusable = self.keep_alive && at_end && !matches!(self.body, Body::Close(_));
        self.body = Body::Head;
        self.partial = Vec::new();
        self.interim = 0;
        self.continued = false;
        Progress::Complete { status: self.status, reusable }
    }

    #[inline]
    fn feed_head(&mut self, bytes: &[u8], heads: &mut HeadReader, sink: &mut impl Sink) -> Result<Progress, ErrorKind> {
        if !self.partial.is_empty() {
            return self.feed_split_head(bytes, heads, sink);
        }
        let mut rest = bytes;
        loop {
            let Some(head) = heads.read(rest, self.is_head)? else {
                if rest.len() > HEAD_LIMIT {
                    return Err(ErrorKind::HeaderTooLarge);
                }
                self.partial.extend_from_slice(rest);
                return Ok(Progress::More);
            };
            let (bytes, after) = rest.split_at(head.bytes);
            rest = after;
            self.body = match head.framing {
                // The real response follows, before long.
                Framing::Interim => {
                    self.continued |= head.status == 100;
                    self.interim += head.bytes;
                    if self.interim > HEAD_LIMIT {
                        return Err(ErrorKind::HeaderTooLarge);
                    }
                    continue;
                }
                Framing::Length(length) if length > BODY_LIMIT => return Err(ErrorKind::BodyTooLarge),
                Framing::Length(length) => Body::Length(length),
                Framing::Chunked => Body::Chunked(ChunkReader::default()),
                Framing::Close => Body::Close(0),
            };
            (self.status, self.keep_alive) = (head.status, head.keep_alive);
            let is_chunked = head.framing == Framing::Chunked;
            let body_at = self.interim + head.bytes;
            let end_at = match head.framing {
                Framing::Length(length) => Some(body_at + length as usize),
                _ => None,
            };
            self.shape = Shape { head_at: self.interim, body_at, end_at, is_chunked };
            sink.head(bytes);
            return self.feed_body(rest, sink);
        }
    }

    /// A head that comes in pieces is parsed when its end has come, not at every byte: a server that sends it byte by
    /// byte must not cost the square of its length.
    fn feed_split_head(
        &mut self,
        bytes: &[u8],
        heads: &mut HeadReader,
        sink: &mut impl Sink,
    ) -> Result<Progress, ErrorKind> {
        let seen = self.partial.len().saturating_sub(2);
        let room = HEAD_LIMIT.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let tail = &self.partial[seen..];
        let ended = tail.windows(2).any(|pair| pair == b"\n\n") || tail.windows(3).any(|three| three == b"\n\r\n");
        if !ended {
            return if bytes.len() >= room { Err(ErrorKind::HeaderTooLarge) } else { Ok(Progress::More) };
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(&bytes[bytes.len().min(room)..]);
        self.feed_head(&whole, heads, sink)
    }

    fn feed_body(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<Progress, ErrorKind> {
        match &mut self.body {
            Body::Length(left) => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                sink.data(&bytes[..taken as usize]);
                if *left == 0 {
                    return Ok(self.complete(taken == bytes.len() as u64));
                }
            }
            Body::Chunked(reader) => {
                let end = reader.feed_to(bytes, |data| sink.data(data)).map_err(|error| match error {
                    ChunkError::Malformed => ErrorKind::BadResponse,
                    ChunkError::LineTooLong => ErrorKind::HeaderTooLarge,
                })?;
                if reader.data_bytes > BODY_LIMIT {
                    return Err(ErrorKind::BodyTooLarge);
                }
                if let Some(used) = end {
                    return Ok(self.complete(used == bytes.len()));
                }
            }
            Body::Close(seen) => {
                *seen += bytes.len() as u64;
                if *seen > BODY_LIMIT {
                    return Err(ErrorKind::BodyTooLarge);
                }
                sink.data(bytes);
            }
            Body::Head => unreachable!("feed_head is done before there is a body"),
        }
        Ok(Progress::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::unnecessary_wraps, reason = "an entry of the table below")]
    const fn complete(status: u16, reusable: bool) -> Result<Progress, ErrorKind> {
        Ok(Progress::Complete { status, reusable })
    }

    fn read(parts: &[&[u8]], is_head: bool) -> Result<Progress, ErrorKind> {
        let (mut reader, mut heads) = (ResponseReader::default(), HeadReader::default());
        reader.expect(is_head);
        for part in parts {
            match reader.feed(part, &mut heads)? {
                Progress::More => {}
                done @ Progress::Complete { .. } => return Ok(done),
            }
        }
        reader.close()
    }

    /// (what it shows, the bytes, how it ends)
    const CASES: &[(&str, &str, Result<Progress, ErrorKind>)] = &[
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", complete(200, true)),
        ("no body", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", complete(204, true)),
        ("not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", complete(304, true)),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", complete(200, true)),
        ("until close", "HTTP/1.1 200 OK\r\n\r\nhi", complete(200, false)),
        ("a coding that is not chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", complete(200, false)),
        (
            "the peer says close",
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
            complete(200, false),
        ),
        ("1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", complete(200, false)),
        ("1.0 may stay", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", complete(200, true)),
        (
            "interim first",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx",
            complete(500, true),
        ),
        ("bytes after the end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", complete(200, false)),
        ("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", complete(200, true)),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
            Err(ErrorKind::BadResponse),
        ),
        (
            "length and chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err(ErrorKind::BadResponse),
        ),
        ("a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", Err(ErrorKind::BadResponse)),
        (
            "a length beyond the limit",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            Err(ErrorKind::BodyTooLarge),
        ),
        ("a switch nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(ErrorKind::BadResponse)),
        ("not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", Err(ErrorKind::BadResponse)),
        ("closed within the head", "HTTP/1.1 200 OK\r\nConte", Err(ErrorKind::Closed)),
        ("closed within the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err(ErrorKind::Closed)),
        (
            "closed within a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
            Err(ErrorKind::Closed),
        ),
        ("nothing at all", "", Err(ErrorKind::Closed)),
    ];

    #[test]
    fn responses_end_as_the_standard_says() {
        for (name, text, expected) in CASES {
            assert_eq!(&read(&[text.as_bytes()], false), expected, "{name}");
        }
    }

    #[test]
    fn a_byte_at_a_time_makes_no_difference() {
        for (name, text, expected) in CASES {
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            // The surplus byte of the one case has not come yet when the response is complete.
            if *name != "bytes after the end" {
                assert_eq!(&read(&bytes, false), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_response_to_head_has_no_body() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n";
        assert_eq!(read(&[text], true), complete(200, true));
    }

    #[test]
    fn endless_interim_responses_are_cut() {
        let (mut reader, mut heads) = (ResponseReader::default(), HeadReader::default());
        let error = (0..10_000).find_map(|_| reader.feed(b"HTTP/1.1 102 Processing\r\n\r\n", &mut heads).err());
        assert_eq!(error, Some(ErrorKind::HeaderTooLarge));
    }

    #[test]
    fn an_endless_head_is_cut() {
        let line = b"X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
        let (mut reader, mut heads) = (ResponseReader::default(), HeadReader::default());
        assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\n", &mut heads), Ok(Progress::More));
        let error = (0..10_000).find_map(|_| reader.feed(line, &mut heads).err());
        assert_eq!(error, Some(ErrorKind::HeaderTooLarge));
        assert!(reader.partial.capacity() <= 2 * HEAD_LIMIT);
    }

    proptest! {
        #[test]
        fn where_the_slices_fall_makes_no_difference(case in 0..CASES.len(), cuts in prop::collection::vec(0usize..200, 0..6)) {
            let (name, text, expected) = &CASES[case];
            prop_assume!(*name != "bytes after the end");
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&read(&parts, false), expected);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
            let cut = cut.min(bytes.len());
            let _ = read(&[&bytes[..cut], &bytes[cut..]], false);
        }
    }
}
