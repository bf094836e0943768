//! What comes of the bytes of a server: tables from the standards, and the same however they are cut.

use super::super::extension::Agreed;
use super::*;
use proptest::prelude::*;

const LIMIT: usize = 1000;
const HELLO: &str = "text Hello";

fn show(received: Received<'_>) -> String {
    match received {
        Received::Text(text) => format!("text {text}"),
        Received::Binary(bytes) if bytes.len() > 9 => format!("binary of {}", bytes.len()),
        Received::Binary(bytes) => format!("binary {bytes:?}"),
        Received::Ping(payload) => format!("ping {payload:?}"),
        Received::Pong(payload) => format!("pong {payload:?}"),
        Received::Close(code, reason) => format!("close {code:?} {reason}"),
    }
}

/// What comes of the pieces; the failure at the end, if there is one.
fn read<'a>(parts: impl Iterator<Item = &'a [u8]>, deflates: bool) -> Vec<String> {
    let agreed = Agreed { client_takeover: false, server_takeover: true, client_window_bits: 15 };
    let mut deflate = deflates.then(|| Deflate::new(agreed));
    let (mut reader, mut inbox, mut shown) = (Reader::default(), Inbox::default(), Vec::new());
    for mut bytes in parts {
        loop {
            match reader.next(&mut bytes, LIMIT, deflate.as_mut(), &mut inbox) {
                Ok(Some(received)) => shown.push(show(received)),
                Ok(None) => break,
                Err(failure) => {
                    shown.push(failure.name().into());
                    return shown;
                }
            }
        }
        assert!(bytes.is_empty());
    }
    shown
}

/// (what it shows, the bytes, what comes of them)
const CASES: &[(&str, &[u8], &[&str])] = &[
    ("a text, RFC 6455 5.7", b"\x81\x05\x48\x65\x6c\x6c\x6f", &[HELLO]),
    ("fragments, RFC 6455 5.7", b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", &[HELLO]),
    ("a ping, RFC 6455 5.7", b"\x89\x02\x48\x65", &["ping [72, 101]"]),
    ("a masked text, RFC 6455 5.7", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &["ws_protocol"]),
    ("compressed, RFC 7692 7.2.3.1", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", &[HELLO]),
    ("in fragments, RFC 7692 7.2.3.1", b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", &[HELLO]),
    (
        "with a window, RFC 7692 7.2.3.2",
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00",
        &[HELLO, HELLO],
    ),
    ("stored, RFC 7692 7.2.3.3", b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", &[HELLO]),
    ("a last block, RFC 7692 7.2.3.4", b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", &[HELLO]),
    ("two blocks, RFC 7692 7.2.3.5", b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", &[HELLO]),
    ("nothing, compressed", b"\xc1\x01\x00\xc2\x00", &["text ", "binary []"]),
    ("not compressed among others", b"\x81\x01a\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", &["text a", HELLO]),
    ("broken compression", b"\xc2\x02\xff\xff", &["ws_protocol"]),
    ("a compressed text that is none", b"\xc1\x07\x00\x01\x00\xfe\xff\xff\x00", &["ws_bad_utf8"]),
    ("nothing", b"\x81\x00\x82\x00", &["text ", "binary []"]),
    ("several in one piece", b"\x82\x01\x01\x8a\x00\x81\x01x", &["binary [1]", "pong []", "text x"]),
    (
        "control frames within a message",
        b"\x02\x01\x01\x89\x01p\x00\x01\x02\x8a\x01q\x80\x01\x03",
        &["ping [112]", "pong [113]", "binary [1, 2, 3]"],
    ),
    ("a close within a message", b"\x01\x01a\x88\x00", &["close None "]),
    ("empty fragments", b"\x01\x00\x00\x00\x00\x01a\x80\x00", &["text a"]),
    ("a character across fragments", b"\x01\x01\xc3\x80\x01\xa9", &["text \u{e9}"]),
    ("half a character", b"\x81\x01\xc3", &["ws_bad_utf8"]),
    ("half a character, then the end", b"\x01\x01\xc3\x80\x00", &["ws_bad_utf8"]),
    ("no text any more, seen before its end", b"\x01\x7e\x01\x00\xff", &["ws_bad_utf8"]),
    ("a surrogate, seen at its second byte", b"\x01\x03\xed\xa0", &["ws_bad_utf8"]),
    ("beyond the last character", b"\x01\x02\xf4\x90", &["ws_bad_utf8"]),
    ("a fragment of nothing", b"\x80\x00", &["ws_protocol"]),
    ("after a message nothing goes on", b"\x81\x01a\x00\x00", &["text a", "ws_protocol"]),
    ("a message within another", b"\x01\x01a\x81\x01b", &["ws_protocol"]),
    ("compressed, though it goes on", b"\x41\x01\xf2\xc0\x00", &["ws_protocol"]),
    ("too large, seen at its header", b"\x82\x7e\x03\xe9", &["ws_too_large"]),
    ("too large, seen at a later header", b"\x02\x01a\x00\x7e\x03\xe8", &["ws_too_large"]),
    ("far too large", b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", &["ws_too_large"]),
    ("a close with a reason", b"\x88\x05\x03\xe8bye", &["close Some(1000) bye"]),
    ("half a code", b"\x88\x01\x03", &["ws_protocol"]),
    ("a reason that is no text", b"\x88\x03\x03\xe8\xff", &["ws_bad_utf8"]),
];

#[test]
fn what_comes_is_what_the_standards_say() {
    for (name, bytes, expected) in CASES {
        assert_eq!(&read(std::iter::once(*bytes), true), expected, "{name}");
        assert_eq!(&read(bytes.chunks(1), true), expected, "{name}, a byte at a time");
    }
}

#[test]
fn without_compression_its_bit_is_reserved() {
    assert_eq!(read(std::iter::once(&b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..]), false), ["ws_protocol"]);
}

#[test]
fn a_message_may_be_as_large_as_the_limit() {
    let whole = [&b"\x82\x7e\x03\xe8"[..], &[0; LIMIT]].concat();
    assert_eq!(read(whole.chunks(7), false), ["binary of 1000"]);
}

#[test]
fn endless_empty_fragments_are_cut() {
    let (mut reader, mut inbox) = (Reader::default(), Inbox::default());
    assert_eq!(reader.next(&mut &b"\x02\x00"[..], LIMIT, None, &mut inbox), Ok(None));
    let mut one = || reader.next(&mut &b"\x00\x00"[..], LIMIT, None, &mut inbox).err();
    assert_eq!((0..=FRAGMENT_LIMIT).find_map(|_| one()), Some(Failure::TooLarge));
}

#[test]
fn a_promise_of_bytes_takes_no_memory() {
    let (mut reader, mut inbox) = (Reader::default(), Inbox::default());
    let promise = b"\x82\x7f\x00\x00\x00\x00\x3f\xff\xff\xff";
    assert_eq!(reader.next(&mut &promise[..], MESSAGE_LIMIT << 8, None, &mut inbox), Ok(None));
    let message = reader.partial.unwrap().message.unwrap();
    assert!(message.bytes.capacity() <= 64 << 10);
}

#[test]
fn codes_that_are_not_to_be_sent() {
    for code in 0..=u16::MAX {
        let [high, low] = code.to_be_bytes();
        let is_known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if is_known { format!("close Some({code}) ") } else { "ws_protocol".into() };
        assert_eq!(read(std::iter::once(&[0x88, 2, high, low][..]), false), [expected]);
    }
}

proptest! {
    #[test]
    fn where_the_pieces_are_cut_makes_no_difference(
        cases in prop::collection::vec(0..CASES.len(), 1..6),
        cuts in prop::collection::vec(0usize..200, 0..8),
    ) {
        let bytes: Vec<u8> = cases.iter().flat_map(|&case| CASES[case].1).copied().collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(read(parts, true), read(std::iter::once(&bytes[..]), true));
    }
}
