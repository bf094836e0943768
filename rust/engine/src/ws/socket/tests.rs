//! One socket against a server made of bytes: how it opens, what it answers, how it ends.

use super::*;

const OPENED: &str = "opened";

struct Bench {
    socket: Socket,
    inbox: Inbox,
    out: Vec<u8>,
    now_ns: u64,
}

impl Bench {
    /// A socket whose handshake is written.
    fn new() -> Self {
        let opening = Rc::new(Opening::new("ws://a/", &[], &["chat".into()], None).unwrap());
        let limits = Limits { message_bytes: 100, handshake_ns: 10, pong_ns: 20, close_ns: 30 };
        let mut out = Vec::new();
        let socket = Socket::new(&opening, limits, 1, 0, &mut out);
        Self { socket, inbox: Inbox::default(), out, now_ns: 0 }
    }

    /// A socket that is open.
    fn open() -> Self {
        let mut bench = Self::new();
        let answer = bench.answer();
        assert_eq!(bench.feed(&answer), [OPENED]);
        bench
    }

    fn answer(&mut self) -> Vec<u8> {
        let text = String::from_utf8(std::mem::take(&mut self.out)).unwrap();
        let key = text.split("Sec-WebSocket-Key: ").nth(1).unwrap().trim_end();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes()
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        loop {
            let next = self.socket.next(&mut bytes, self.now_ns, &mut self.inbox, &mut self.out);
            shown.push(match next {
                Ok(None) => return shown,
                Ok(Some(Event::Opened)) => OPENED.into(),
                Ok(Some(Event::Message(message))) => format!("message {:?}", message.bytes()),
                Ok(Some(Event::Ping(payload))) => format!("ping {payload:?}"),
                Ok(Some(Event::Pong(_, took_ns))) => format!("pong {took_ns:?}"),
                Ok(Some(Event::Closed(code, reason))) => format!("closed {code:?} {reason}"),
                Err(failure) => failure.name().into(),
            });
        }
    }

    /// What was written since the last time: first bytes and payloads.
    fn sent(&mut self) -> Vec<(u8, Vec<u8>)> {
        let (out, mut at, mut sent) = (std::mem::take(&mut self.out), 0, Vec::new());
        while at < out.len() {
            let length = usize::from(out[at + 1] & 0x7f);
            let (key, payload) = out[at + 2..at + 6 + length].split_at(4);
            let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            sent.push((out[at], payload));
            at += 6 + length;
        }
        sent
    }
}

#[test]
fn what_follows_the_handshake_belongs_to_the_socket() {
    let mut bench = Bench::new();
    assert_eq!(bench.socket.next_deadline(), Some(10));
    assert!(!bench.socket.send(Message::Text("early"), &mut Outbox::default(), &mut Vec::new()));
    let answer = [&bench.answer()[..], b"\x81\x01a"].concat();
    assert_eq!(bench.feed(&answer), [OPENED, "message [97]"]);
    assert_eq!((bench.socket.protocol(), bench.socket.next_deadline()), (Some("chat"), None));
}

#[test]
fn pings_are_answered_and_what_is_sent_is_counted() {
    let mut bench = Bench::open();
    assert_eq!(bench.feed(b"\x89\x01x\x82\x02\x01\x02"), ["ping [120]", "message [1, 2]"]);
    assert!(bench.socket.send(Message::Text("abc"), &mut Outbox::default(), &mut bench.out));
    assert_eq!(bench.sent(), [(0x8a, b"x".to_vec()), (0x81, b"abc".to_vec())]);
    let expected = Counts {
        messages_sent: 1,
        messages_received: 1,
        payload_sent: 3,
        payload_received: 2,
        wire_sent: 7 + 9,
        wire_received: 3 + 4,
    };
    assert_eq!(bench.socket.counts(), expected);
}

#[test]
fn a_ping_is_awaited_and_its_round_trip_told() {
    let mut bench = Bench::open();
    assert!(bench.socket.ping(100, &mut bench.out) && bench.socket.ping(110, &mut bench.out));
    assert_eq!(bench.sent(), [(0x89, 100u64.to_be_bytes().to_vec()), (0x89, 110u64.to_be_bytes().to_vec())]);
    assert_eq!(bench.socket.next_deadline(), Some(120));
    bench.now_ns = 115;
    let pong = |sent_ns: u64| [&[0x8a, 8][..], &sent_ns.to_be_bytes()].concat();
    assert_eq!(bench.feed(b"\x8a\x01x"), ["pong None"]);
    assert_eq!(bench.feed(&pong(99)), ["pong None"]);
    assert_eq!(bench.feed(&pong(100)), ["pong Some(15)"]);
    assert_eq!(bench.socket.next_deadline(), Some(130));
    assert_eq!(bench.feed(&pong(100)), ["pong None"]);
    assert_eq!(bench.feed(&pong(110)), ["pong Some(5)"]);
    assert_eq!(bench.socket.next_deadline(), None);
}

#[test]
fn a_ping_without_a_pong_fails_the_socket() {
    let mut bench = Bench::open();
    bench.socket.ping(100, &mut bench.out);
    bench.sent();
    assert_eq!(bench.socket.expire(119, &mut bench.out), Ok(()));
    assert_eq!(bench.socket.expire(120, &mut bench.out), Err(Failure::NoPong));
    assert_eq!(bench.sent(), [(0x88, vec![3, 0xf3])]);
    assert_eq!(bench.feed(b"\x81\x01a"), [""; 0]);
    assert_eq!(bench.socket.expire(150, &mut bench.out), Ok(()));
    assert!(bench.socket.is_over());
}

#[test]
fn while_nothing_is_read_no_pong_is_late() {
    let mut bench = Bench::open();
    bench.socket.excuse(90);
    assert_eq!(bench.socket.next_deadline(), None);
    bench.socket.ping(100, &mut bench.out);
    bench.socket.excuse(200);
    assert_eq!(bench.socket.next_deadline(), Some(220));
    bench.socket.close(1000, "", 210, &mut bench.out);
    bench.socket.excuse(300);
    assert_eq!(bench.socket.next_deadline(), Some(240));
}

#[test]
fn we_close() {
    let mut bench = Bench::open();
    assert!(bench.socket.close(1000, "bye", 100, &mut bench.out));
    assert_eq!(bench.sent(), [(0x88, b"\x03\xe8bye".to_vec())]);
    assert!(!bench.socket.close(1000, "", 100, &mut bench.out) && !bench.socket.ping(100, &mut bench.out));
    assert_eq!(
        bench.feed(b"\x81\x01a\x89\x00\x88\x02\x03\xe8\x81\x01b"),
        ["message [97]", "ping []", "closed Some(1000) "]
    );
    assert_eq!((bench.sent(), bench.socket.is_over()), (vec![], false));
    assert_eq!(bench.socket.end(), Ok(()));
    assert!(bench.socket.is_over() && bench.socket.next_deadline().is_none());
}

#[test]
fn they_close() {
    for (frame, shown, reply) in
        [(&b"\x88\x05\x0f\xa0bye"[..], "closed Some(4000) bye", &b"\x0f\xa0"[..]), (b"\x88\x00", "closed None ", b"")]
    {
        let mut bench = Bench::open();
        bench.now_ns = 100;
        assert_eq!(bench.feed(frame), [shown]);
        assert_eq!(bench.sent(), [(0x88, reply.to_vec())]);
        assert!(!bench.socket.send(Message::Text("late"), &mut Outbox::default(), &mut bench.out));
        assert_eq!(bench.socket.next_deadline(), Some(130));
        assert_eq!(bench.socket.expire(130, &mut bench.out), Ok(()));
        assert!(bench.socket.is_over());
    }
}

#[test]
fn failures_are_told_to_the_server_once() {
    for (bytes, name, code) in [
        (&b"\x81\x01\xff"[..], "ws_bad_utf8", 1007u16),
        (b"\x83\x00", "ws_protocol", 1002),
        (b"\x82\x65", "ws_too_large", 1009),
    ] {
        let mut bench = Bench::open();
        assert_eq!(bench.feed(bytes), [name]);
        assert_eq!(bench.sent(), [(0x88, code.to_be_bytes().to_vec())]);
        assert_eq!(bench.feed(bytes), [""; 0]);
        assert_eq!((bench.sent(), bench.socket.end()), (vec![], Ok(())));
    }
    let mut bench = Bench::open();
    bench.socket.close(1000, "", 0, &mut bench.out);
    bench.sent();
    assert_eq!(bench.feed(b"\x83\x00"), ["ws_protocol"]);
    assert_eq!(bench.sent(), []);
}

#[test]
fn what_ends_too_soon_or_too_late() {
    let closed = Err(Failure::Http(ErrorKind::Closed));
    assert_eq!(Bench::new().socket.end(), closed);
    assert_eq!(Bench::open().socket.end(), Err(Failure::AbnormalClose));
    let timeout = Err(Failure::Http(ErrorKind::Timeout));
    assert_eq!(Bench::new().socket.expire(10, &mut Vec::new()), timeout);
    for ends in [true, false] {
        let mut bench = Bench::open();
        bench.socket.close(1000, "", 100, &mut bench.out);
        let (result, expected) = if ends {
            (bench.socket.end(), Failure::AbnormalClose)
        } else {
            (bench.socket.expire(130, &mut bench.out), Failure::CloseTimeout)
        };
        assert_eq!(result, Err(expected));
        assert!(bench.socket.is_over());
    }
    let mut bench = Bench::new();
    assert_eq!(bench.feed(b"HTTP/1.1 503 x\r\n\r\n"), ["ws_refused"]);
    assert!(bench.socket.is_over() && bench.socket.end() == Ok(()));
}
