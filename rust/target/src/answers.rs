//! From an answer to the bytes of a response; must not know sockets, and decides nothing about when.

use std::borrow::Cow;

use crate::request::Manner;
use crate::tail::{Tail, put};

const PLAIN: &[u8] = b"text/plain";
const BINARY: &[u8] = b"application/octet-stream";
const PAGE_BODY: &[u8] = b"ok\n";
/// The answer to nearly all requests of nearly all runs, ready to be copied.
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

const UPGRADE_REQUIRED: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n";

/// What to say.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The small page.
    Page,
    /// A status with its name for a body.
    Status(u16),
    /// 426: this path is for web sockets.
    UpgradeRequired,
    /// So many bytes, with a length.
    Bytes(u64),
    /// So many bytes, in chunks.
    Chunked(u64),
    /// A body of its own.
    Own { status: u16, content_type: Cow<'static, [u8]>, body: Vec<u8> },
}

impl Answer {
    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Answer::Own { status, content_type: Cow::Borrowed(PLAIN), body: body.into() }
    }

    pub(crate) fn json(body: String) -> Self {
        Answer::Own { status: 200, content_type: Cow::Borrowed(b"application/json"), body: body.into_bytes() }
    }

    pub(crate) fn echo(content_type: Option<&[u8]>, body: Vec<u8>) -> Self {
        Answer::Own {
            status: 200,
            content_type: content_type.map_or(Cow::Borrowed(BINARY), |own| Cow::Owned(own.to_vec())),
            body,
        }
    }

    /// Memory that this answer holds while it waits.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Answer::Own { body, .. } => body.len(),
            _ => 0,
        }
    }

    /// Appends the response to `out`, all but what it returns as the tail. `hold_ns` is how long
    /// the answer was held, where that is to be told.
    pub(crate) fn write(self, manner: Manner, hold_ns: Option<u64>, out: &mut Vec<u8>) -> Tail {
        let mut head = Head { manner, hold_ns, out };
        let tail = match self {
            Answer::Page if hold_ns.is_none() && manner.is_usual() => {
                head.out.extend_from_slice(PAGE);
                return Tail::Nothing;
            }
            Answer::Page => {
                head.write_with(200, PAGE_BODY);
                Tail::Nothing
            }
            Answer::Status(status @ (204 | 304)) => {
                head.write(status, PLAIN, None);
                Tail::Nothing
            }
            Answer::Status(status) => {
                head.write_with(status, reason(status).as_bytes());
                Tail::Nothing
            }
            Answer::UpgradeRequired => {
                head.out.extend_from_slice(UPGRADE_REQUIRED);
                head.end();
                Tail::Nothing
            }
            Answer::Chunked(bytes) if !manner.http_1_0 => {
                head.write_chunked();
                Tail::Chunks(bytes)
            }
            Answer::Bytes(bytes) | Answer::Chunked(bytes) => {
                head.write(200, BINARY, Some(bytes));
                Tail::Filler(bytes)
            }
            Answer::Own { status, content_type, body } => {
                head.write(status, &content_type, Some(body.len() as u64));
                Tail::Own { body, at: 0 }
            }
        };
        if manner.head_only { Tail::Nothing } else { tail.inline(out) }
    }
}

impl Manner {
    /// True where the ready page fits.
    fn is_usual(self) -> bool {
        self.keep_alive && !self.http_1_0 && !self.head_only
    }
}

/// Writes the head of one response.
struct Head<'o> {
    manner: Manner,
    hold_ns: Option<u64>,
    out: &'o mut Vec<u8>,
}

impl Head<'_> {
    fn write(&mut self, status: u16, content_type: &[u8], length: Option<u64>) {
        put(self.out, format_args!("HTTP/1.1 {status} {}\r\n", reason(status)));
        if let Some(length) = length {
            self.out.extend_from_slice(b"Content-Type: ");
            self.out.extend_from_slice(content_type);
            put(self.out, format_args!("\r\nContent-Length: {length}\r\n"));
        }
        self.end();
    }

    /// A head and its short text.
    fn write_with(&mut self, status: u16, text: &[u8]) {
        self.write(status, PLAIN, Some(text.len() as u64));
        if !self.manner.head_only {
            self.out.extend_from_slice(text);
        }
    }

    fn write_chunked(&mut self) {
        self.out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: ");
        self.out.extend_from_slice(BINARY);
        self.out.extend_from_slice(b"\r\nTransfer-Encoding: chunked\r\n");
        self.end();
    }

    fn end(&mut self) {
        if let Some(hold_ns) = self.hold_ns {
            put(self.out, format_args!("x-hold-ns: {hold_ns}\r\n"));
        }
        if !self.manner.keep_alive {
            self.out.extend_from_slice(b"Connection: close\r\n");
        } else if self.manner.http_1_0 {
            self.out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        418 => "I'm a Teapot",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => match status / 100 {
            2 => "Success",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Manner = Manner { keep_alive: true, http_1_0: false, head_only: false };

    fn written(answer: Answer, manner: Manner, hold_ns: Option<u64>) -> (String, Tail) {
        let mut out = Vec::new();
        let tail = answer.write(manner, hold_ns, &mut out);
        (String::from_utf8(out).expect("text"), tail)
    }

    #[test]
    fn the_ready_page_is_the_page_that_would_be_written() {
        let held = written(Answer::Page, USUAL, Some(7)).0;
        assert_eq!(held.replace("x-hold-ns: 7\r\n", "").as_bytes(), PAGE);
        assert_eq!(written(Answer::Page, USUAL, None).0.as_bytes(), PAGE);
    }

    #[test]
    fn head_has_all_headers_and_no_body() {
        let head = Manner { head_only: true, ..USUAL };
        for answer in [Answer::Page, Answer::Bytes(1 << 30), Answer::Chunked(5), Answer::Status(500)] {
            let (text, tail) = written(answer, head, None);
            assert!(text.ends_with("\r\n\r\n") && matches!(tail, Tail::Nothing), "{text}");
        }
    }

    #[test]
    fn http_1_0_gets_a_length_instead_of_chunks() {
        let old = Manner { http_1_0: true, ..USUAL };
        let (text, _) = written(Answer::Chunked(5), old, None);
        assert!(text.contains("Content-Length: 5\r\nConnection: keep-alive\r\n\r\nxxxxx"), "{text}");
    }
}
