//! The client against a server made of bytes: `answers` shows what it makes of one answer, `streams` how several requests
//! share a connection. What both need is here.

mod answers;
mod streams;

use std::rc::Rc;

use super::connection::Connection;
use super::request::{Rendered, render_parts};
use crate::multiplexed::{Ended, Failure, Limits, Multiplexed};
use crate::pool::Sending;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

const NO_FLAGS: u8 = 0;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const WHOLE: u8 = END_STREAM | END_HEADERS;

/// `:status: 200` in the static table.
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header without a place in any table.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        // A length of 7 bits, then groups of 7.
        let length = text.len();
        block.push(length.min(127) as u8);
        if length >= 127 {
            let mut rest = length - 127;
            while rest >= 128 {
                block.push(0x80 | (rest % 128) as u8);
                rest /= 128;
            }
            block.push(rest as u8);
        }
        block.extend_from_slice(text.as_bytes());
    }
    block
}

fn settings() -> Vec<u8> {
    frame(SETTINGS, NO_FLAGS, 0, &[])
}

fn with(block: &[u8], name: &str, value: &str) -> Vec<u8> {
    [block, &literal(name, value)].concat()
}

struct Client {
    connection: Connection,
    ended: Vec<Ended>,
    written: Vec<u8>,
    now: u64,
}

impl Client {
    fn new(limits: Limits) -> Self {
        let (connection, ended, written) = (Connection::new(limits), Vec::new(), Vec::new());
        Self { connection, ended, written, now: 1000 }
    }

    /// A client that was told what the peer takes.
    fn ready(limits: Limits) -> Self {
        let mut client = Self::new(limits);
        client.feed(&settings());
        client.take_written();
        client
    }

    /// A client with requests 0, 1, … on streams 1, 3, …
    fn asking(count: u64) -> Self {
        let mut client = Self::ready(Limits::default());
        for token in 0..count {
            assert!(client.ask(&get(), token));
        }
        client.flush();
        client
    }

    fn ask(&mut self, request: &Rendered, token: u64) -> bool {
        let sending = Sending { token, timeout_ns: 100, keeps: true, ..Sending::default() };
        self.connection.send(&Rc::new(request.clone()), sending, self.now)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.connection.feed(bytes, self.now, &mut self.ended);
        self.flush();
    }

    fn flush(&mut self) {
        self.connection.flush(self.now, true, &mut self.written, &mut self.ended);
    }

    /// (token, how it ended), in the order in which they did.
    fn results(&self) -> Vec<(u64, Result<u16, Failure>)> {
        self.ended.iter().map(|ended| (ended.sending.token, ended.result)).collect()
    }

    /// (kind, flags, stream, payload) of what was written since the last look.
    fn take_written(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let written = std::mem::take(&mut self.written);
        let mut rest = written.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap_or(&written);
        let mut frames = Vec::new();
        while let [high, middle, low, kind, flags, a, b, c, d, ..] = *rest {
            let (payload, after) = rest[9..].split_at(u32::from_be_bytes([0, high, middle, low]) as usize);
            frames.push((kind, flags, u32::from_be_bytes([a, b, c, d]), payload.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty());
        frames
    }
}

fn get() -> Rendered {
    render_parts("GET", "http://a/", &[], None).unwrap()
}
