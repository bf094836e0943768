//! Tests of the request parser: every framing, every cut, every refusal.

use super::*;

/// What became of some bytes, without borrowing from them.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Complete { target: String, keep_alive: bool, body: Vec<u8>, length: usize },
    Partial { continues: bool },
    Refused(u16),
}

fn see(bytes: &[u8], walked: &mut Walked) -> Seen {
    match parse(bytes, &mut header_room(), walked) {
        Parsed::Complete { request, length } => Seen::Complete {
            target: request.target.to_owned(),
            keep_alive: request.manner.keep_alive,
            body: request.body(),
            length,
        },
        Parsed::Partial { wanted, continues } => {
            assert!(wanted > bytes.len(), "asks for bytes that it has");
            Seen::Partial { continues }
        }
        Parsed::Refused { status } => Seen::Refused(status),
    }
}

fn see_once(bytes: &[u8]) -> Seen {
    see(bytes, &mut Walked::default())
}

fn complete(text: &str, target: &str, keep_alive: bool, body: &str) {
    let expected =
        Seen::Complete { target: target.to_owned(), keep_alive, body: body.as_bytes().to_vec(), length: text.len() };
    assert_eq!(see_once(text.as_bytes()), expected, "{text:?}");
    let followed = format!("{text}GET / HTTP/1.1\r\n\r\n");
    assert_eq!(see_once(followed.as_bytes()), expected, "followed by another: {text:?}");
    let mut walked = Walked::default();
    for end in 0..text.len() {
        let part = &text.as_bytes()[..end];
        assert!(matches!(see(part, &mut walked), Seen::Partial { .. }), "{part:?}");
    }
    assert_eq!(see(text.as_bytes(), &mut walked), expected, "byte at a time: {text:?}");
}

#[test]
fn complete_requests_are_read_whole_and_byte_at_a_time() {
    complete("GET / HTTP/1.1\r\n\r\n", "/", true, "");
    complete("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "/a?b=c", true, "");
    complete("GET http://host:1/a?b HTTP/1.1\r\n\r\n", "/a?b", true, "");
    complete("GET http://host HTTP/1.1\r\n\r\n", "/", true, "");
    complete("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", "/", false, "");
    complete("GET / HTTP/1.0\r\n\r\n", "/", false, "");
    complete("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", "/", true, "");
    complete("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello", "/", true, "hello");
    complete(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        "/",
        true,
        "hello",
    );
    complete(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: yes\r\n\r\n",
        "/",
        true,
        "x",
    );
}

#[test]
fn a_client_that_waits_for_permission_is_recognised_while_the_body_is_missing() {
    let head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(see_once(head.as_bytes()), Seen::Partial { continues: true });
    let old = head.replace("1.1", "1.0");
    assert_eq!(see_once(old.as_bytes()), Seen::Partial { continues: false });
}

#[test]
fn what_is_malformed_or_too_large_is_refused_with_its_status() {
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
    for (text, status) in [
        ("\0\0\0\0", 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (&format!("{chunked}Content-Length: 3\r\n\r\n"), 400),
        (&format!("{chunked}\r\nxyz\r\n"), 400),
        (&format!("{chunked}\r\n1\r\nab\r\n"), 400),
        (&format!("{chunked}\r\n4000001\r\n"), 413),
        (&format!("{chunked}\r\nffffffffffffffff\r\n"), 413),
    ] {
        assert_eq!(see_once(text.as_bytes()), Seen::Refused(status), "{text:?}");
    }
}

#[test]
fn a_head_beyond_the_limit_is_refused_complete_or_not() {
    let mut text = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(MOST_HEAD_BYTES));
    assert_eq!(see_once(text.as_bytes()), Seen::Refused(431));
    text.push_str("\r\n\r\n");
    assert_eq!(see_once(text.as_bytes()), Seen::Refused(431));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MOST_HEADERS + 1));
    assert_eq!(see_once(many.as_bytes()), Seen::Refused(431));
}
