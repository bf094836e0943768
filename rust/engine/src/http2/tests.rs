//! The client against a server made of bytes: what it sends, and what it makes of what comes back.

use proptest::prelude::*;

use super::Failure;
use super::connection::{Connection, Ended, Limits};
use super::request::{Rendered, render_parts};
use crate::http::response::BODY_LIMIT;
use crate::outcome::ErrorKind;
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

/// Several frames as slices of one connection.
type Frames = Vec<Vec<u8>>;

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
        self.connection.send(request, sending, self.now)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.connection.feed(bytes, self.now, &mut self.ended);
        self.flush();
    }

    fn flush(&mut self) {
        self.connection.flush(self.now, &mut self.written, &mut self.ended);
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

fn post(length: usize) -> Rendered {
    render_parts("POST", "http://a/", &[], Some(&vec![b'x'; length])).unwrap()
}

/// How the one request on a connection ends after these frames; `None` if it does not.
fn answered(frames: &Frames) -> Option<Result<u16, Failure>> {
    let mut client = Client::asking(1);
    client.feed(&frames.concat());
    client.ended.pop().map(|ended| ended.result)
}

const OVERSIZE: Option<Result<u16, Failure>> = Some(Err(Failure::Other(ErrorKind::HeaderTooLarge)));
const PROTOCOL: Option<Result<u16, Failure>> = Some(Err(Failure::Protocol));

/// (what it shows, what comes after the SETTINGS, how the request on stream 1 ends)
fn cases() -> Vec<(&'static str, Frames, Option<Result<u16, Failure>>)> {
    let head = |block: &[u8]| frame(HEADERS, END_HEADERS, 1, block);
    let length = |value: &str| head(&with(OK, "content-length", value));
    let filler = with(OK, "a", &"y".repeat(16_000));
    let mut endless = vec![frame(HEADERS, NO_FLAGS, 1, &filler)];
    endless.extend((0..1000).map(|_| frame(CONTINUATION, NO_FLAGS, 1, &literal("a", &"y".repeat(16_000)))));
    let interim = head(&with(&[], ":status", "103"));
    let last = |stream: u32, code: u32| frame(GO_AWAY, 0, 0, &[stream.to_be_bytes(), code.to_be_bytes()].concat());
    vec![
        ("a head alone", vec![frame(HEADERS, WHOLE, 1, OK)], Some(Ok(200))),
        ("a head and data", vec![head(OK), frame(DATA, END_STREAM, 1, b"hi")], Some(Ok(200))),
        ("data without an end", vec![head(OK), frame(DATA, NO_FLAGS, 1, b"hi")], None),
        ("an end of its own", vec![head(OK), frame(DATA, 0, 1, b"hi"), frame(DATA, END_STREAM, 1, b"")], Some(Ok(200))),
        ("padding", vec![head(OK), frame(DATA, END_STREAM | 8, 1, b"\x03hi\0\0\0")], Some(Ok(200))),
        ("more padding than data", vec![head(OK), frame(DATA, END_STREAM | 8, 1, b"\x09hi")], PROTOCOL),
        ("a priority", vec![frame(HEADERS, WHOLE | 0x20, 1, b"\0\0\0\0\x10\x88")], Some(Ok(200))),
        ("a head in two", vec![frame(HEADERS, 1, 1, &[]), frame(CONTINUATION, END_HEADERS, 1, OK)], Some(Ok(200))),
        ("a frame within a head", vec![frame(HEADERS, 1, 1, &[]), frame(PING, 0, 0, &[0; 8])], PROTOCOL),
        ("trailers", vec![head(OK), frame(HEADERS, WHOLE, 1, &literal("a", "b"))], Some(Ok(200))),
        ("trailers without an end", vec![head(OK), head(&literal("a", "b"))], PROTOCOL),
        ("interim first", vec![interim.clone(), frame(HEADERS, WHOLE, 1, &[0x8D])], Some(Ok(404))),
        ("interim without end", vec![interim; 5000], OVERSIZE),
        ("the length that was said", vec![length("2"), frame(DATA, END_STREAM, 1, b"hi")], Some(Ok(200))),
        ("less than was said", vec![length("3"), frame(DATA, END_STREAM, 1, b"hi")], PROTOCOL),
        ("more than was said", vec![length("1"), frame(DATA, END_STREAM, 1, b"hi")], PROTOCOL),
        ("a length that is none", vec![length("+2"), frame(DATA, END_STREAM, 1, b"hi")], PROTOCOL),
        ("no status", vec![frame(HEADERS, WHOLE, 1, &literal("a", "b"))], PROTOCOL),
        ("a name in capitals", vec![frame(HEADERS, WHOLE, 1, &with(OK, "A", "b"))], PROTOCOL),
        ("a header of a connection", vec![frame(HEADERS, WHOLE, 1, &with(OK, "connection", "close"))], PROTOCOL),
        ("data before the head", vec![frame(DATA, END_STREAM, 1, b"hi")], PROTOCOL),
        ("a stream nobody began", vec![frame(HEADERS, WHOLE, 3, OK)], PROTOCOL),
        ("a stream of the peer", vec![frame(HEADERS, WHOLE, 2, OK)], PROTOCOL),
        ("a code that is none", vec![frame(HEADERS, WHOLE, 1, &[0x80])], PROTOCOL),
        ("a frame that is too large", vec![head(OK), frame(DATA, END_STREAM, 1, &[0; 16_385])], PROTOCOL),
        ("a push", vec![frame(PUSH, END_HEADERS, 1, &[&[0, 0, 0, 2], OK].concat())], PROTOCOL),
        ("a frame nobody knows", vec![frame(0xBE, 0xFF, 1, b"?"), frame(HEADERS, WHOLE, 1, OK)], Some(Ok(200))),
        ("a ping of 7 bytes", vec![frame(PING, 0, 0, &[0; 7])], PROTOCOL),
        ("a window of nothing", vec![frame(WINDOW, 0, 1, &[0; 4])], PROTOCOL),
        ("a window beyond all", vec![frame(WINDOW, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF])], PROTOCOL),
        ("a large head", vec![head(&filler), frame(DATA, END_STREAM, 1, b"")], Some(Ok(200))),
        ("a head of 80 KB", [&endless[..5], &[frame(CONTINUATION, END_HEADERS, 1, &[])]].concat(), OVERSIZE),
        ("a head without end", endless, OVERSIZE),
        ("129 headers", vec![frame(HEADERS, WHOLE, 1, &[OK, &literal("a", "b").repeat(129)].concat())], OVERSIZE),
        ("given up", vec![head(OK), frame(RESET, 0, 1, &[0, 0, 0, 2])], Some(Err(Failure::Reset(2)))),
        ("refused", vec![frame(RESET, 0, 1, &[0, 0, 0, 7])], Some(Err(Failure::Refused))),
        ("given up after its end", vec![frame(HEADERS, WHOLE, 1, OK), frame(RESET, 0, 1, &[0; 4])], Some(Ok(200))),
        ("leaving without it", vec![last(0, 0)], Some(Err(Failure::GoAway(0)))),
        ("leaving in anger", vec![last(0, 11)], Some(Err(Failure::GoAway(11)))),
        ("leaving, but with it", vec![last(1, 0), frame(HEADERS, WHOLE, 1, OK)], Some(Ok(200))),
        ("small data without end", [vec![head(OK)], vec![frame(DATA, 0, 1, b""); 20_000]].concat(), PROTOCOL),
    ]
}

#[test]
fn requests_end_as_the_standard_says() {
    for (name, frames, expected) in cases() {
        assert_eq!(answered(&frames), expected, "{name}");
    }
}

#[test]
fn a_connection_opens_with_what_it_bears() {
    let mut client = Client::new(Limits::default());
    client.flush();
    assert!(client.written.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    let frames = client.take_written();
    let (SETTINGS, 0, 0, payload) = &frames[0] else { panic!("{frames:?}") };
    let said: Vec<(u8, u32)> =
        payload.chunks(6).map(|pair| (pair[1], u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]))).collect();
    assert_eq!(said, [(2, 0), (4, 1 << 30), (6, 64 * 1024)], "no push, windows, heads");
    assert_eq!(frames[1], (WINDOW, 0, 0, ((1u32 << 30) - 65_535).to_be_bytes().to_vec()));
}

#[test]
fn several_requests_share_a_connection() {
    let mut client = Client::asking(3);
    let frames = client.take_written();
    let begun: Vec<_> = frames.iter().filter(|frame| frame.0 == HEADERS).map(|frame| (frame.1, frame.2)).collect();
    assert_eq!(begun, [(WHOLE, 1), (WHOLE, 3), (WHOLE, 5)]);
    client.now = 1010;
    client.feed(&[frame(HEADERS, END_HEADERS, 5, OK), frame(HEADERS, END_HEADERS, 1, OK)].concat());
    client.now = 1020;
    client.feed(&frame(DATA, END_STREAM, 1, b"one"));
    client.feed(&[frame(HEADERS, WHOLE, 3, &[0x8D]), frame(DATA, END_STREAM, 5, b"three")].concat());
    assert_eq!(client.results(), [(0, Ok(200)), (1, Ok(404)), (2, Ok(200))]);
    let sent: Vec<u64> = client.ended.iter().map(|ended| ended.bytes_sent).collect();
    let heads: Vec<u64> = frames.iter().map(|frame| 9 + frame.3.len() as u64).collect();
    assert_eq!(sent, heads);
    let seen: Vec<_> = client.ended.iter().map(|ended| (ended.first_byte_ns, ended.bytes_received)).collect();
    assert_eq!(seen, [(1010, 10 + 12), (1020, 10), (1010, 10 + 14)]);
    assert_eq!((client.connection.in_flight(), client.connection.room()), (0, 100));
}

#[test]
fn what_is_kept_reads_like_http_1() {
    let mut client = Client::asking(1);
    let block = with(&with(OK, "x-y", "1"), "set-cookie", "a=b");
    client.feed(&[frame(HEADERS, END_HEADERS, 1, &block)].concat());
    client.feed(&[frame(DATA, 0, 1, b"he"), frame(DATA, END_STREAM, 1, b"llo")].concat());
    let (shape, bytes) = client.ended.pop().unwrap().answer.unwrap();
    assert_eq!(&bytes[shape.head_at..shape.body_at], b"HTTP/1.1 200\r\nx-y: 1\r\nset-cookie: a=b\r\n\r\n");
    assert_eq!(&bytes[shape.body_at..shape.end_at.unwrap()], b"hello");
    let mut headers = [httparse::EMPTY_HEADER; 4];
    assert!(httparse::Response::new(&mut headers).parse(&bytes).unwrap().is_complete());
}

#[test]
fn bodies_wait_for_the_windows() {
    let mut client = Client::ready(Limits::default());
    assert!(client.ask(&post(100_000), 0));
    client.flush();
    let sent = |client: &mut Client| {
        let written = client.take_written();
        assert!(written.iter().all(|frame| frame.0 != DATA || frame.3.len() <= 16_384));
        written.iter().filter(|frame| frame.0 == DATA).map(|frame| frame.3.len()).sum::<usize>()
    };
    assert_eq!(sent(&mut client), 65_535);
    client.feed(&[frame(WINDOW, 0, 1, &[0, 1, 0, 0])].concat());
    assert_eq!(sent(&mut client), 0);
    client.feed(&frame(WINDOW, 0, 0, &[0, 0, 0, 10]));
    assert_eq!(sent(&mut client), 10);
    client.feed(&frame(WINDOW, 0, 0, &[0, 1, 0, 0]));
    assert_eq!(sent(&mut client), 100_000 - 65_545);
    client.feed(&frame(HEADERS, WHOLE, 1, OK));
    assert_eq!(client.results(), [(0, Ok(200))]);
    assert!((100_000..100_300).contains(&client.ended[0].bytes_sent));
}

#[test]
fn windows_that_open_often_are_not_a_head() {
    let mut client = Client::ready(Limits::default());
    assert!(client.ask(&post(100_000), 0));
    client.flush();
    client.feed(&frame(WINDOW, 0, 1, &[0, 0, 0, 1]).repeat(10_000));
    client.feed(&frame(HEADERS, WHOLE, 1, OK));
    assert_eq!(client.results(), [(0, Ok(200))]);
}

#[test]
fn an_answer_before_the_body_has_gone_ends_the_request() {
    let mut client = Client::ready(Limits::default());
    assert!(client.ask(&post(100_000), 0));
    client.flush();
    client.take_written();
    client.feed(&[frame(HEADERS, WHOLE, 1, OK), frame(RESET, 0, 1, &[0; 4])].concat());
    assert_eq!(client.results(), [(0, Ok(200))]);
    client.feed(&[frame(WINDOW, 0, 0, &[0, 1, 0, 0]), frame(WINDOW, 0, 1, &[0, 1, 0, 0])].concat());
    assert!(client.take_written().iter().all(|frame| frame.0 != DATA));
    assert!(client.ask(&get(), 1));
}

#[test]
fn a_body_beyond_the_limit_is_cut() {
    let too_large = [(0, Err(Failure::Other(ErrorKind::BodyTooLarge)))];
    let mut client = Client::ready(Limits { body_bytes: 10, ..Limits::default() });
    assert!(client.ask(&get(), 0));
    client.flush();
    client.feed(&[frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, 0, 1, &[0; 10])].concat());
    assert_eq!(client.results(), []);
    client.feed(&frame(DATA, 0, 1, &[0]));
    assert_eq!(client.results(), too_large);
    assert_eq!(client.take_written().last().unwrap(), &(RESET, 0, 1, vec![0, 0, 0, 8]));
    assert_eq!(Limits::default().body_bytes, BODY_LIMIT);
}

#[test]
fn a_peer_that_takes_fewer_gets_fewer() {
    let mut client = Client::new(Limits { streams: 3, ..Limits::default() });
    assert!(!client.connection.is_ready() && !client.ask(&get(), 0));
    let said = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 2]);
    client.feed(&said[..12]);
    assert!(!client.connection.is_ready());
    client.feed(&said[12..]);
    assert_eq!((client.connection.is_ready(), client.connection.room()), (true, 2));
    assert!(client.ask(&get(), 0) && client.ask(&get(), 1) && !client.ask(&get(), 2));
    client.flush();
    client.feed(&frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 50]));
    assert!(client.ask(&get(), 2) && !client.ask(&get(), 3));
    client.feed(&frame(HEADERS, WHOLE, 1, OK));
    assert!(client.ask(&get(), 3));
}

#[test]
fn answers_without_a_body_may_tell_its_length() {
    for (method, status) in [("HEAD", "200"), ("GET", "304"), ("GET", "204")] {
        let mut client = Client::ready(Limits::default());
        assert!(client.ask(&render_parts(method, "http://a/", &[], None).unwrap(), 0));
        client.flush();
        client.feed(&frame(HEADERS, WHOLE, 1, &with(&literal(":status", status), "content-length", "12345")));
        assert_eq!(client.results(), [(0, Ok(status.parse().unwrap()))], "{method} {status}");
    }
}

#[test]
fn a_connection_whose_numbers_are_used_up_retires() {
    let mut client = Client::ready(Limits::default());
    for stream in (1..=1001).step_by(2) {
        assert!(!client.connection.is_done() && client.ask(&get(), 0));
        client.flush();
        client.feed(&frame(HEADERS, WHOLE, stream, OK));
    }
    assert!(client.connection.is_done() && !client.ask(&get(), 0));
    assert!(client.results().iter().all(|(_, result)| *result == Ok(200)));
}

#[test]
fn pings_are_answered() {
    let mut client = Client::asking(0);
    client.take_written();
    client.feed(&[settings(), frame(PING, 0, 0, b"12345678")].concat());
    assert_eq!(client.take_written(), [(SETTINGS, 1, 0, vec![]), (PING, 1, 0, b"12345678".to_vec())]);
}

#[test]
fn what_expired_is_cancelled_and_a_late_answer_disturbs_nobody() {
    let mut client = Client::asking(80);
    client.take_written();
    client.now = 1101;
    assert!(client.ask(&get(), 80));
    client.connection.expire(client.now, &mut client.ended);
    client.flush();
    assert!(client.results().iter().all(|(_, result)| *result == Err(Failure::Other(ErrorKind::Timeout))));
    assert_eq!(client.ended.len(), 80);
    let cancelled = client.take_written().iter().filter(|frame| frame.0 == RESET && frame.3 == [0, 0, 0, 8]).count();
    assert_eq!(cancelled, 80);
    for stream in 0..80 {
        client.feed(&frame(HEADERS, WHOLE, 2 * stream + 1, OK));
    }
    client.feed(&frame(HEADERS, WHOLE, 161, OK));
    assert_eq!(client.results().last(), Some(&(80, Ok(200))));
    assert!(!client.connection.is_done());
}

#[test]
fn an_answer_after_the_timeout_is_none() {
    let mut client = Client::asking(1);
    client.now = 1101;
    client.feed(&[frame(HEADERS, WHOLE, 1, OK)].concat());
    assert_eq!(client.results(), [(0, Err(Failure::Other(ErrorKind::Timeout)))]);
    assert!(client.ended[0].answer.is_none());
}

#[test]
fn a_peer_that_leaves_finishes_what_it_began() {
    let mut client = Client::asking(2);
    client.feed(&frame(GO_AWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    assert_eq!(client.results(), [(1, Err(Failure::GoAway(0)))]);
    assert!(client.connection.room() == 0 && !client.ask(&get(), 2) && !client.connection.is_done());
    client.feed(&frame(HEADERS, WHOLE, 1, OK));
    assert_eq!(client.results()[1], (0, Ok(200)));
    assert!(client.connection.is_done());
}

#[test]
fn a_broken_rule_ends_all_and_the_peer_is_told() {
    let mut client = Client::asking(2);
    client.take_written();
    client.feed(&[frame(HEADERS, WHOLE, 1, OK), frame(PING, 0, 0, &[0; 7])].concat());
    assert_eq!(client.results(), [(0, Ok(200)), (1, Err(Failure::Protocol))]);
    assert!(client.connection.is_done());
    assert!(client.take_written().iter().any(|frame| frame.0 == GO_AWAY));
}

#[test]
fn a_lost_connection_ends_all() {
    let mut client = Client::asking(2);
    client.connection.lose(client.now, ErrorKind::Closed, &mut client.ended);
    let lost = Err(Failure::Other(ErrorKind::Closed));
    assert_eq!(client.results(), [(0, lost), (1, lost)]);
    assert!(client.connection.is_done());
}

proptest! {
    #[test]
    fn where_the_slices_fall_makes_no_difference(case in 0..cases().len(), step in 1usize..60) {
        let (name, frames, expected) = cases().swap_remove(case);
        let bytes = frames.concat();
        prop_assume!(bytes.len() < 10_000);
        let mut client = Client::asking(1);
            bytes.chunks(step).for_each(|part| client.feed(part));
        prop_assert_eq!(client.ended.pop().map(|ended| ended.result), expected, "{}", name);
    }

    #[test]
    fn any_frames_are_read_without_panic(
        frames in prop::collection::vec((0u8..11, any::<u8>(), 0u32..8, prop::collection::vec(any::<u8>(), 0..20)), 0..20),
        step in 1usize..60,
    ) {
        let mut client = Client::asking(3);
        let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect();
        bytes.chunks(step).for_each(|part| client.feed(part));
        client.connection.lose(client.now, ErrorKind::Closed, &mut client.ended);
        let mut tokens: Vec<u64> = client.ended.iter().map(|ended| ended.sending.token).collect();
        tokens.sort_unstable();
        prop_assert_eq!(tokens, [0, 1, 2]);
    }
}
