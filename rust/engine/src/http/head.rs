//! Reads the head of a response: its status, how its body is framed, whether the connection may stay. No I/O, no body.
//!
//! The framing follows RFC 9112, section 6.3; where that leaves a client room, an ambiguous response (two different
//! lengths, a length beside a transfer coding) is refused, because its end could not be trusted.

use std::mem::MaybeUninit;

use crate::outcome::ErrorKind;

/// Largest head of a response, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;
/// Most headers of a response.
pub const HEADER_LIMIT: usize = 128;

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: an interim response, and another one follows.
    Interim,
    /// After so many bytes.
    Length(u64),
    /// Where the chunks say.
    Chunked,
    /// Where the peer closes.
    Close,
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many bytes it takes.
    pub bytes: usize,
    /// The status.
    pub status: u16,
    /// The peer will take another request on the connection.
    pub keep_alive: bool,
    /// Where the body ends.
    pub framing: Framing,
}

/// Reads heads, and remembers the last one: a target says the same again and again, but for a date that changes once a
/// second, and comparing takes a tenth of what parsing takes.
#[derive(Debug, Default)]
pub struct HeadReader {
    text: Vec<u8>,
    /// What `text` says, and whether it answered a HEAD.
    known: Option<(Head, bool)>,
}

impl HeadReader {
    /// The head at the beginning of `bytes`, or `None` if it is not complete. `is_head`: it answers a HEAD.
    #[inline]
    pub fn read(&mut self, bytes: &[u8], is_head: bool) -> Result<Option<Head>, ErrorKind> {
        match self.known {
            Some((head, answered)) if answered == is_head && bytes.starts_with(&self.text) => Ok(Some(head)),
            _ => self.parse(bytes, is_head),
        }
    }

    #[cold]
    fn parse(&mut self, bytes: &[u8], is_head: bool) -> Result<Option<Head>, ErrorKind> {
        let head = parse(bytes, is_head)?;
        if let Some(head) = head {
            self.text.clear();
            self.text.extend_from_slice(&bytes[..head.bytes]);
            self.known = Some((head, is_head));
        }
        Ok(head)
    }
}

fn parse(bytes: &[u8], is_head: bool) -> Result<Option<Head>, ErrorKind> {
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
    let mut keep_alive = response.version == Some(1);
    let (mut length, mut chunked, mut coded) = (None, false, false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = parse_length(header.value)?;
            if length.is_some_and(|other| other != value) {
                return Err(ErrorKind::BadResponse);
            }
            length = Some(value);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            coded = true;
            chunked = last_token(header.value).eq_ignore_ascii_case(b"chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            for token in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"close") {
                    keep_alive = false;
                } else if token.eq_ignore_ascii_case(b"keep-alive") {
                    keep_alive = true;
                }
            }
        }
    }
    let status = response.code.unwrap_or(0);
    let framing = match status {
        // Nobody asked to switch protocols.
        101 => return Err(ErrorKind::BadResponse),
        100..=199 => Framing::Interim,
        204 | 304 => Framing::Length(0),
        200..=999 if is_head => Framing::Length(0),
        200..=999 if coded && length.is_some() => return Err(ErrorKind::BadResponse),
        200..=999 if chunked => Framing::Chunked,
        200..=999 if coded => Framing::Close,
        200..=999 => length.map_or(Framing::Close, Framing::Length),
        _ => return Err(ErrorKind::BadResponse),
    };
    Ok(Some(Head { bytes: used, status, keep_alive, framing }))
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

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn what_is_remembered_is_what_would_be_parsed() {
        let mut heads = HeadReader::default();
        let longer = [OK, b"more"].concat();
        let other = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi";
        for bytes in [OK, &longer, OK, other, &OK[..20], OK, b"HTTP/1.1 103 x\r\n\r\n", OK] {
            for is_head in [false, true, false] {
                assert_eq!(heads.read(bytes, is_head), parse(bytes, is_head));
            }
        }
    }

    #[test]
    fn a_fault_is_not_remembered() {
        let mut heads = HeadReader::default();
        assert_eq!(heads.read(b"nonsense\r\n\r\n", false), Err(ErrorKind::BadResponse));
        assert_eq!(heads.read(OK, false).unwrap().unwrap().framing, Framing::Length(2));
        assert_eq!(heads.read(b"nonsense\r\n\r\n", false), Err(ErrorKind::BadResponse));
    }
}
