//! Reads a response from slices: its status, how its body is framed, where it ends. It does no I/O, keeps no body,
//! and bounds what a hostile server can make it hold.
//!
//! The framing follows RFC 9112, section 6.3; where that leaves a client room, an ambiguous response (two different
//! lengths, a length beside a transfer coding) is refused, because its end could not be trusted.

use std::mem::MaybeUninit;

use super::chunk::{ChunkError, ChunkReader};
use crate::outcome::ErrorKind;

/// Largest head of a response, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;
/// Most headers of a response.
pub const HEADER_LIMIT: usize = 128;
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
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, ErrorKind> {
        if matches!(self.body, Body::Head) { self.feed_head(bytes) } else { self.feed_body(bytes) }
    }

    /// The peer closed. The end of a response without a length; for any other an error.
    pub fn close(&mut self) -> Result<Progress, ErrorKind> {
        if matches!(self.body, Body::Close(_)) { Ok(self.complete(true)) } else { Err(ErrorKind::Closed) }
    }

    fn complete(&mut self, at_end: bool) -> Progress {
        let reusable = self.keep_alive && at_end && !matches!(self.body, Body::Close(_));
        self.body = Body::Head;
        self.partial = Vec::new();
        self.interim = 0;
        Progress::Complete { status: self.status, reusable }
    }

    fn feed_head(&mut self, bytes: &[u8]) -> Result<Progress, ErrorKind> {
        if !self.partial.is_empty() {
            return self.feed_split_head(bytes);
        }
        let mut rest = bytes;
        loop {
            let Some(used) = self.read_head(rest)? else {
                if rest.len() > HEAD_LIMIT {
                    return Err(ErrorKind::HeaderTooLarge);
                }
                self.partial.extend_from_slice(rest);
                return Ok(Progress::More);
            };
            rest = &rest[used..];
            match self.status {
                // An interim response: the real one follows, before long.
                100..=199 => {
                    self.interim += used;
                    if self.interim > HEAD_LIMIT {
                        return Err(ErrorKind::HeaderTooLarge);
                    }
                }
                _ => return self.feed_body(rest),
            }
        }
    }

    /// A head that comes in pieces is parsed when its end has come, not at every byte: a server that sends it byte by
    /// byte must not cost the square of its length.
    fn feed_split_head(&mut self, bytes: &[u8]) -> Result<Progress, ErrorKind> {
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
        self.feed_head(&whole)
    }

    /// Parses a head at the beginning of `bytes`; how many of them it takes, or `None` if it is not complete.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, ErrorKind> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, bytes, &mut headers)
            .map_err(|error| match error {
                httparse::Error::TooManyHeaders => ErrorKind::HeaderTooLarge,
                _ => ErrorKind::BadResponse,
            })?;
        let httparse::Status::Complete(used) = parsed else {
            return Ok(None);
        };
        if used > HEAD_LIMIT {
            return Err(ErrorKind::HeaderTooLarge);
        }
        self.status = response.code.unwrap_or(0);
        self.keep_alive = response.version == Some(1);
        let (mut length, mut chunked, mut coded) = (None, false, false);
        for header in response.headers.iter() {
            // Comparing lengths first skips most headers with one comparison.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    let value = parse_length(header.value)?;
                    if length.is_some_and(|other| other != value) {
                        return Err(ErrorKind::BadResponse);
                    }
                    length = Some(value);
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    coded = true;
                    chunked = last_token(header.value).eq_ignore_ascii_case(b"chunked");
                }
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    for token in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                        if token.eq_ignore_ascii_case(b"close") {
                            self.keep_alive = false;
                        } else if token.eq_ignore_ascii_case(b"keep-alive") {
                            self.keep_alive = true;
                        }
                    }
                }
                _ => {}
            }
        }
        self.body = match self.status {
            // Nobody asked to switch protocols.
            101 => return Err(ErrorKind::BadResponse),
            100..=199 => Body::Head,
            204 | 304 => Body::Length(0),
            200..=999 if self.is_head => Body::Length(0),
            200..=999 if coded && length.is_some() => return Err(ErrorKind::BadResponse),
            200..=999 if chunked => Body::Chunked(ChunkReader::default()),
            200..=999 if coded => Body::Close(0),
            200..=999 => length.map_or(Body::Close(0), Body::Length),
            _ => return Err(ErrorKind::BadResponse),
        };
        if matches!(self.body, Body::Length(length) if length > BODY_LIMIT) {
            return Err(ErrorKind::BodyTooLarge);
        }
        Ok(Some(used))
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<Progress, ErrorKind> {
        match &mut self.body {
            Body::Length(left) => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                if *left == 0 {
                    return Ok(self.complete(taken == bytes.len() as u64));
                }
            }
            Body::Chunked(reader) => {
                let end = reader.feed(bytes).map_err(|error| match error {
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
            }
            Body::Head => unreachable!("feed_head is done before there is a body"),
        }
        Ok(Progress::More)
    }
}

/// A length is digits and nothing else; a list of equal ones, which a proxy may make, is that one.
fn parse_length(value: &[u8]) -> Result<u64, ErrorKind> {
    let mut length = None;
    for part in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        let digits = !part.is_empty() && part.len() <= 19 && part.iter().all(u8::is_ascii_digit);
        let parsed = std::str::from_utf8(part).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        match (length, parsed) {
            (None, Some(value)) => length = Some(value),
            (Some(before), Some(value)) if before == value => {}
            _ => return Err(ErrorKind::BadResponse),
        }
    }
    length.ok_or(ErrorKind::BadResponse)
}

fn last_token(value: &[u8]) -> &[u8] {
    value.rsplit(|&byte| byte == b',').next().unwrap_or(value).trim_ascii()
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
        let mut reader = ResponseReader::default();
        reader.expect(is_head);
        for part in parts {
            match reader.feed(part)? {
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
        let mut reader = ResponseReader::default();
        let error = (0..10_000).find_map(|_| reader.feed(b"HTTP/1.1 102 Processing\r\n\r\n").err());
        assert_eq!(error, Some(ErrorKind::HeaderTooLarge));
    }

    #[test]
    fn an_endless_head_is_cut() {
        let line = b"X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
        let mut reader = ResponseReader::default();
        assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\n"), Ok(Progress::More));
        let error = (0..10_000).find_map(|_| reader.feed(line).err());
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
