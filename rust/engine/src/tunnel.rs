//! A tunnel through a proxy: HTTP CONNECT or SOCKS5 (RFC 1928, RFC 1929). Bytes in, bytes out. No I/O here.

use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::head::HEAD_LIMIT;
use crate::outcome::ErrorKind;
use crate::wire::ProxyKind;

/// Whereto, through what.
#[derive(Clone, Debug)]
pub struct Way {
    /// How the proxy is spoken to.
    pub kind: ProxyKind,
    /// `user:password`, if it wants to know.
    pub userinfo: Option<String>,
    /// The host to reach: a name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The head of the response to CONNECT.
    Connect,
    /// SOCKS: which method of authentication.
    Method,
    /// SOCKS: whether the password was right.
    Password,
    /// SOCKS: whether the host was reached.
    Reply,
}

/// A tunnel being made.
#[derive(Debug)]
pub struct Tunnel {
    way: Rc<Way>,
    step: Step,
    seen: Vec<u8>,
}

const SOCKS: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;

impl Tunnel {
    /// Begins: `out` is what must be sent.
    pub fn begin(way: &Rc<Way>, out: &mut Vec<u8>) -> Self {
        let step = match way.kind {
            ProxyKind::Http => {
                let host = if way.host.contains(':') { format!("[{}]", way.host) } else { way.host.clone() };
                let authority = format!("{host}:{}", way.port);
                out.extend_from_slice(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").as_bytes());
                if let Some(userinfo) = &way.userinfo {
                    let line = format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(userinfo));
                    out.extend_from_slice(line.as_bytes());
                }
                out.extend_from_slice(b"\r\n");
                Step::Connect
            }
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                match way.userinfo {
                    None => out.extend_from_slice(&[SOCKS, 1, NO_AUTHENTICATION]),
                    Some(_) => out.extend_from_slice(&[SOCKS, 2, NO_AUTHENTICATION, USER_AND_PASSWORD]),
                }
                Step::Method
            }
        };
        Self { way: Rc::clone(way), step, seen: Vec::new() }
    }

    /// Takes what has come. How much of it belonged to the tunnel, once that stands: the rest is what comes through.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, ErrorKind> {
        let before = self.seen.len();
        self.seen.extend_from_slice(bytes);
        let mut used = 0;
        let mut done = false;
        while !done {
            let Some(length) = self.length_of_answer(used)? else { break };
            let answer = used..used + length;
            done = self.answered(answer.clone(), out)?;
            used = answer.end;
        }
        if done {
            return Ok(Some(used - before));
        }
        self.seen.drain(..used);
        Ok(None)
    }

    /// How long the answer is that begins at a place; `None` if it is not complete.
    fn length_of_answer(&self, at: usize) -> Result<Option<usize>, ErrorKind> {
        let seen = &self.seen[at..];
        let length = match self.step {
            Step::Connect => {
                let end = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4);
                if end.is_none() && seen.len() > HEAD_LIMIT {
                    return Err(ErrorKind::ProxyFailed);
                }
                return Ok(end);
            }
            Step::Method | Step::Password => 2,
            Step::Reply => match seen {
                [_, _, _, 1, ..] => 4 + 4 + 2,
                [_, _, _, 3, name, ..] => 4 + 1 + usize::from(*name) + 2,
                [_, _, _, 4, ..] => 4 + 16 + 2,
                [_, _, _, 3] | [] | [_] | [_, _] | [_, _, _] => return Ok(None),
                _ => return Err(ErrorKind::ProxyFailed),
            },
        };
        Ok((seen.len() >= length).then_some(length))
    }

    /// Goes on to the next step. Whether the tunnel stands.
    fn answered(&mut self, answer: Range<usize>, out: &mut Vec<u8>) -> Result<bool, ErrorKind> {
        let answer = &self.seen[answer];
        match (self.step, answer) {
            // Whatever follows a 2xx is the other side of the tunnel: such a response has no body.
            (Step::Connect, _) => {
                let mut headers = [httparse::EMPTY_HEADER; 64];
                let mut response = httparse::Response::new(&mut headers);
                let parsed = response.parse(answer).map_err(|_| ErrorKind::ProxyFailed)?;
                let accepted = parsed.is_complete() && matches!(response.code, Some(200..=299));
                return if accepted { Ok(true) } else { Err(ErrorKind::ProxyFailed) };
            }
            (Step::Method, [SOCKS, NO_AUTHENTICATION]) | (Step::Password, [_, 0]) => self.ask(out),
            (Step::Method, [SOCKS, USER_AND_PASSWORD]) => {
                let userinfo = self.way.userinfo.as_deref().unwrap_or_default();
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                out.push(1);
                for text in [user, password] {
                    out.push(u8::try_from(text.len()).map_err(|_| ErrorKind::ProxyFailed)?);
                    out.extend_from_slice(text.as_bytes());
                }
                self.step = Step::Password;
                Ok(())
            }
            (Step::Reply, [SOCKS, 0, ..]) => return Ok(true),
            _ => Err(ErrorKind::ProxyFailed),
        }?;
        Ok(false)
    }

    fn ask(&mut self, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        out.extend_from_slice(&[SOCKS, 1, 0]);
        match self.way.host.parse() {
            Ok(IpAddr::V4(address)) => {
                out.push(1);
                out.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            Err(_) => {
                out.push(3);
                out.push(u8::try_from(self.way.host.len()).map_err(|_| ErrorKind::ProxyFailed)?);
                out.extend_from_slice(self.way.host.as_bytes());
            }
        }
        out.extend_from_slice(&self.way.port.to_be_bytes());
        self.step = Step::Reply;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(kind: ProxyKind, userinfo: Option<&str>, host: &str) -> Rc<Way> {
        Rc::new(Way { kind, userinfo: userinfo.map(Into::into), host: host.into(), port: 443 })
    }

    /// What is sent, and how it ends, when the proxy sends these pieces.
    fn talk(way: &Rc<Way>, pieces: &[&[u8]]) -> (Vec<u8>, Result<Option<usize>, ErrorKind>) {
        let mut out = Vec::new();
        let mut tunnel = Tunnel::begin(way, &mut out);
        let mut last = Ok(None);
        for piece in pieces {
            last = tunnel.receive(piece, &mut out);
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        (out, last)
    }

    #[test]
    fn connect_names_the_host_and_leaves_what_follows() {
        let (out, end) = talk(&way(ProxyKind::Http, None, "::1"), &[b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello"]);
        assert_eq!(out, b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n");
        assert_eq!(end, Ok(Some(25)));
    }

    #[test]
    fn connect_in_pieces_counts_the_last_piece_only() {
        let (out, end) = talk(&way(ProxyKind::Http, Some("a:b"), "h"), &[b"HTTP/1.1 200 O", b"K\r\n\r", b"\nxy"]);
        assert!(String::from_utf8(out).unwrap().contains("Proxy-Authorization: Basic YTpi\r\n"));
        assert_eq!(end, Ok(Some(1)));
    }

    #[test]
    fn a_refusal_is_the_proxys() {
        for pieces in [&b"HTTP/1.1 407 No\r\n\r\n"[..], b"\x05\x00\r\n\r\n", b"HTTP/1.1 200\x00\r\n\r\n"] {
            assert_eq!(talk(&way(ProxyKind::Http, None, "h"), &[pieces]).1, Err(ErrorKind::ProxyFailed));
        }
        for pieces in [&[5, 0xff][..], &[4, 0], &[5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0], &[5, 0, 5, 0, 0, 9]] {
            assert_eq!(talk(&way(ProxyKind::Socks5, None, "h"), &[pieces]).1, Err(ErrorKind::ProxyFailed));
        }
    }

    #[test]
    fn socks_a_byte_at_a_time() {
        let answers = [5, 2, 1, 0, 5, 0, 0, 3, 2, b'a', b'b', 0, 80];
        let pieces: Vec<&[u8]> = answers.chunks(1).collect();
        let (out, end) = talk(&way(ProxyKind::Socks5h, Some("me:pw"), "name"), &pieces);
        assert_eq!(out, b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x03\x04name\x01\xbb");
        assert_eq!(end, Ok(Some(1)));
        let (out, end) =
            talk(&way(ProxyKind::Socks5, None, "127.0.0.1"), &[&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 9]]);
        assert_eq!((&out[3..], end), (&[5, 1, 0, 1, 127, 0, 0, 1, 1, 0xbb][..], Ok(Some(12))));
    }
}
