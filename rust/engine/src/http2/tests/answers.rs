//! What the client makes of one answer, as the standard says, and of bytes that are none.

use proptest::prelude::*;

use super::*;
use crate::outcome::ErrorKind;

/// Several frames of one connection.
type Frames = Vec<Vec<u8>>;
/// How a request ends; `None` if it does not.
type Answer = Option<Result<u16, Failure>>;

/// How the one request on a connection ends after these frames.
fn answered(frames: &Frames) -> Answer {
    let mut client = Client::asking(1);
    client.feed(&frames.concat());
    client.ended.pop().map(|ended| ended.result)
}

const OVERSIZE: Answer = Some(Err(Failure::Other(ErrorKind::HeaderTooLarge)));
const PROTOCOL: Answer = Some(Err(Failure::Protocol));

/// (what it shows, what comes after the SETTINGS, how the request on stream 1 ends)
fn cases() -> Vec<(&'static str, Frames, Answer)> {
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
