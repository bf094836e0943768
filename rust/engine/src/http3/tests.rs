//! The client against a server in memory that says what it is told to.

use std::rc::Rc;

use super::memory::{Pair, Takes};
use crate::http2::request::{Rendered, render_parts};
use crate::multiplexed::{Failure, Limits, Multiplexed};
use crate::outcome::ErrorKind;
use crate::pool::Sending;

const TAKES: Takes = Takes { requests: 10, control: 3, window_bytes: 1 << 20 };

/// A control stream that begins with `SETTINGS`, of heads without a limit, and of tiny ones.
const SETTINGS: &[u8] = &[0, 4, 0];
const TINY_HEADS: &[u8] = &[0, 4, 2, 6, 10];
/// `HEADERS` with `:status: 200` of the static table.
const OK: &[u8] = &[1, 3, 0, 0, 0xd9];

fn pair(settings: &[u8]) -> Pair {
    let mut pair = Pair::new(Limits::default(), TAKES);
    let control = pair.control(0).unwrap();
    pair.write(control, settings);
    pair
}

fn get() -> Rc<Rendered> {
    Rc::new(render_parts("GET", "https://memory/", &[], None).unwrap())
}

fn ask(pair: &mut Pair, token: u64) -> bool {
    let sending = Sending { token, timeout_ns: 1000, keeps: true, ..Sending::default() };
    pair.client.send(&get(), sending, pair.now_ns)
}

fn results(pair: &Pair) -> Vec<(u64, Result<u16, Failure>)> {
    pair.ended.iter().map(|ended| (ended.sending.token, ended.result)).collect()
}

#[test]
fn several_requests_share_a_connection() {
    let mut pair = pair(SETTINGS);
    assert!(ask(&mut pair, 7) && ask(&mut pair, 8));
    pair.exchange();
    for (number, text) in [(1, b"second"), (0, b"first!")] {
        let id = pair.request(number).unwrap();
        pair.write(id, &[OK, &[0, 6], text].concat());
        assert!(pair.ended.len() == 1 - number as usize);
        pair.finish(id);
    }
    assert_eq!(results(&pair), [(8, Ok(200)), (7, Ok(200))]);
    assert_eq!(pair.ended[0].bytes_received, 13);
    let heard = pair.read(pair.request(1).unwrap());
    assert_eq!(pair.ended[0].bytes_sent, heard.len() as u64);
    let (shape, kept) = pair.ended[1].answer.as_ref().unwrap();
    assert_eq!((&kept[..shape.body_at], &kept[shape.body_at..]), (&b"HTTP/1.1 200\r\n\r\n"[..], &b"first!"[..]));
}

#[test]
fn a_body_that_is_cut_breaks_the_rules() {
    let mut pair = pair(SETTINGS);
    assert!(ask(&mut pair, 7) && ask(&mut pair, 8));
    pair.exchange();
    let id = pair.request(0).unwrap();
    pair.write(id, &[OK, &[0, 6], b"fir"].concat());
    pair.finish(id);
    assert_eq!(results(&pair), [(7, Err(Failure::Protocol)), (8, Err(Failure::Protocol))]);
    assert!(pair.client.is_done());
}

#[test]
fn a_control_frame_without_an_end_breaks_the_rules() {
    let mut pair = pair(SETTINGS);
    assert!(ask(&mut pair, 7));
    pair.exchange();
    // One of a kind that nobody knows, and a gigabyte long.
    let control = pair.control(0).unwrap();
    pair.write(control, &[0x21, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]);
    for _ in 0..20 {
        pair.write(control, &[0; 8192]);
    }
    assert_eq!(results(&pair), [(7, Err(Failure::Protocol))]);
    assert!(pair.client.is_done());
}

#[test]
fn heads_that_the_peer_does_not_take_use_none_of_its_streams() {
    let mut pair = pair(TINY_HEADS);
    for token in 0..3 * u64::from(TAKES.requests) {
        assert!(ask(&mut pair, token), "request {token} finds no stream");
        pair.exchange();
        assert_eq!(pair.ended.last().map(|ended| ended.result), Some(Err(Failure::Refused)));
        assert!(pair.read(pair.request(token).unwrap()).is_empty());
    }
}

#[test]
fn what_is_refused_ends_with_the_connection_at_the_latest() {
    let mut pair = pair(TINY_HEADS);
    assert!(ask(&mut pair, 7));
    pair.client.lose(pair.now_ns, ErrorKind::Closed, &mut pair.ended);
    assert_eq!(results(&pair), [(7, Err(Failure::Refused))]);
    assert_eq!(pair.client.in_flight(), 0);
}
