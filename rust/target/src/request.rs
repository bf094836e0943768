//! From received bytes to one complete request, its body included; must not know sockets, routes or clocks.

use std::mem::MaybeUninit;

use httparse::{EMPTY_HEADER, Header, Status};

/// The largest head of a request: its first line and all headers, or the trailers of a chunked body.
pub(crate) const MOST_HEAD_BYTES: usize = 64 << 10;
/// The largest body, and the largest body that is echoed.
pub(crate) const MOST_BODY_BYTES: usize = 64 << 20;
/// What a chunked body may take with all its framing, so that a body of tiny chunks stays bounded too.
const MOST_CHUNKED_BYTES: usize = 2 * MOST_BODY_BYTES;
const MOST_CHUNK_LINE_BYTES: usize = 4 << 10;
const MOST_HEADERS: usize = 128;
const MOST_TRAILERS: usize = 32;

/// Room for the headers of one request, on the caller's stack and not cleared for each request.
pub(crate) type HeaderRoom<'b> = [MaybeUninit<Header<'b>>; MOST_HEADERS];

pub(crate) const fn header_room<'b>() -> HeaderRoom<'b> {
    [const { MaybeUninit::uninit() }; MOST_HEADERS]
}

/// How the answer must be written for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) keep_alive: bool,
    /// The client speaks HTTP/1.0: no chunks, and keeping the connection must be said aloud.
    pub(crate) http_1_0: bool,
    /// The request was HEAD: all headers, no body.
    pub(crate) head_only: bool,
}

/// A complete request, borrowed from the bytes it came in.
pub(crate) struct Request<'h, 'b> {
    pub(crate) method: &'b str,
    /// Path and query.
    pub(crate) target: &'b str,
    pub(crate) headers: &'h [Header<'b>],
    pub(crate) manner: Manner,
    body: Body<'b>,
}

#[derive(Clone, Copy)]
enum Body<'b> {
    Plain(&'b [u8]),
    Chunked(&'b [u8]),
}

/// What the bytes at hand amount to.
pub(crate) enum Parsed<'h, 'b> {
    Complete {
        request: Request<'h, 'b>,
        length: usize,
    },
    /// Not yet a request: ask again when there are `wanted` bytes.
    Partial {
        wanted: usize,
        continues: bool,
    },
    /// Never will be one: answer with this status and close.
    Refused {
        status: u16,
    },
}

/// How far a chunked body has been walked, so that each further read goes on from there.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    bytes: usize,
    decoded: usize,
}

/// How the head says that its body is framed.
struct Framing {
    length: Option<usize>,
    chunked: bool,
    keep_alive: bool,
    continues: bool,
}

impl Request<'_, '_> {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(header.value)
    }

    /// The body without its framing.
    pub(crate) fn body(&self) -> Vec<u8> {
        match self.body {
            Body::Plain(bytes) => bytes.to_vec(),
            Body::Chunked(mut rest) => {
                let mut decoded = Vec::new();
                while let Ok(Status::Complete((start, size @ 1..))) = httparse::parse_chunk_size(rest) {
                    let end = start + size as usize;
                    decoded.extend_from_slice(&rest[start..end]);
                    rest = &rest[end + 2..];
                }
                decoded
            }
        }
    }
}

/// Reads one request from the beginning of `bytes`. `walked` is the caller's between two calls for
/// the same request, and must be fresh for the next one.
pub(crate) fn parse<'h, 'b>(bytes: &'b [u8], room: &'h mut HeaderRoom<'b>, walked: &mut Walked) -> Parsed<'h, 'b> {
    let mut head = httparse::Request::new(&mut []);
    let head_bytes = match head.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(head_bytes)) if head_bytes <= MOST_HEAD_BYTES => head_bytes,
        Ok(Status::Partial) if bytes.len() < MOST_HEAD_BYTES => {
            return Parsed::Partial { wanted: bytes.len() + 1, continues: false };
        }
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Parsed::Refused { status: 431 },
        Err(_) => return Parsed::Refused { status: 400 },
    };
    let http_1_0 = head.version == Some(0);
    let framing = match framing(head.headers, http_1_0) {
        Ok(framing) => framing,
        Err(status) => return Parsed::Refused { status },
    };
    let rest = &bytes[head_bytes..];
    let walk = if framing.chunked { walk_chunks(rest, walked) } else { Ok(framing.length.unwrap_or(0)) };
    let body_bytes = match walk {
        Ok(body_bytes) => body_bytes,
        Err(status) => return Parsed::Refused { status },
    };
    let length = head_bytes + body_bytes;
    if bytes.len() < length {
        return Parsed::Partial { wanted: length, continues: framing.continues && !http_1_0 };
    }
    let raw = &rest[..body_bytes];
    Parsed::Complete {
        request: Request {
            method: head.method.unwrap_or_default(),
            target: origin_form(head.path.unwrap_or_default()),
            headers: head.headers,
            manner: Manner { keep_alive: framing.keep_alive, http_1_0, head_only: head.method == Some("HEAD") },
            body: if framing.chunked { Body::Chunked(raw) } else { Body::Plain(raw) },
        },
        length,
    }
}

/// A request through a proxy names the whole URL; what counts here is its path and query.
fn origin_form(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => target,
    }
}

fn framing(headers: &[Header<'_>], http_1_0: bool) -> Result<Framing, u16> {
    let mut framing = Framing { length: None, chunked: false, keep_alive: !http_1_0, continues: false };
    for header in headers {
        // The length of the name decides for nearly every header of a usual request.
        match header.name.len() {
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for option in words(header.value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        framing.keep_alive = false;
                    } else if http_1_0 && option.eq_ignore_ascii_case(b"keep-alive") {
                        framing.keep_alive = true;
                    }
                }
            }
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let length = content_length(header.value)?;
                if framing.length.is_some_and(|known| known != length) {
                    return Err(400);
                }
                framing.length = Some(length);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                if framing.chunked || http_1_0 {
                    return Err(400);
                }
                if !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(501);
                }
                framing.chunked = true;
            }
            6 if header.name.eq_ignore_ascii_case("expect") => {
                framing.continues = header.value.eq_ignore_ascii_case(b"100-continue");
            }
            _ => {}
        }
    }
    // Two lengths for one body are how requests get smuggled past each other.
    if framing.chunked && framing.length.is_some() { Err(400) } else { Ok(framing) }
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn content_length(value: &[u8]) -> Result<usize, u16> {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(400);
    }
    match str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()) {
        Some(length) if length <= MOST_BODY_BYTES => Ok(length),
        _ => Err(413),
    }
}

/// How many bytes the chunked body at the beginning of `raw` takes, or, where it is not all there
/// yet, a number beyond the end of `raw` that it takes at least.
fn walk_chunks(raw: &[u8], walked: &mut Walked) -> Result<usize, u16> {
    loop {
        let rest = &raw[walked.bytes..];
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(Status::Complete(line)) => line,
            Ok(Status::Partial) if rest.len() < MOST_CHUNK_LINE_BYTES => return Ok(raw.len() + 1),
            _ => return Err(400),
        };
        if size == 0 {
            let mut trailers = [EMPTY_HEADER; MOST_TRAILERS];
            return match httparse::parse_headers(&rest[start..], &mut trailers) {
                Ok(Status::Complete((length, _))) => Ok(walked.bytes + start + length),
                Ok(Status::Partial) if rest.len() < MOST_HEAD_BYTES => Ok(raw.len() + 1),
                Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(431),
                Err(_) => Err(400),
            };
        }
        // Before any sum: a size is up to 2^64 - 1.
        if size > MOST_BODY_BYTES as u64 {
            return Err(413);
        }
        let end = start + size as usize + 2;
        if walked.decoded + size as usize > MOST_BODY_BYTES || walked.bytes + end > MOST_CHUNKED_BYTES {
            return Err(413);
        }
        if rest.len() < end {
            return Ok(walked.bytes + end);
        }
        if &rest[end - 2..end] != b"\r\n" {
            return Err(400);
        }
        walked.bytes += end;
        walked.decoded += size as usize;
    }
}

#[cfg(test)]
mod tests;
