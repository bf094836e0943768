//! Several requests on one connection: how it opens, what it takes, how it ends.

use super::*;
use crate::http::response::BODY_LIMIT;
use crate::outcome::ErrorKind;

fn post(length: usize) -> Rendered {
    render_parts("POST", "http://a/", &[], Some(&vec![b'x'; length])).unwrap()
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
