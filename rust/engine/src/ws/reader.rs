//! Bytes of a connection to messages. One that came whole is borrowed from where it came to; what came in pieces is kept
//! until the rest has come. It answers nothing: that is the socket's.

use super::deflate::{Deflate, Inflating};
use super::failure::Failure;
use super::frame::{CONTROL_LIMIT, HEADER_BYTES, Header, Opcode};

/// Largest message, if nobody says otherwise.
pub const MESSAGE_LIMIT: usize = 64 << 20;
/// Most fragments of a message: empty ones cost their sender little, and would never come to the other limit.
pub const FRAGMENT_LIMIT: u32 = 1 << 20;

/// Room asked for a message before its bytes are there.
const FIRST_BYTES: usize = 64 << 10;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A message.
    Text(&'a str),
    /// A message.
    Binary(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer.
    Pong(&'a [u8]),
    /// The last that comes: why, if it says so.
    Close(Option<u16>, &'a str),
}

/// Where a message lies that did not come whole, or compressed: one for all sockets of a thread.
#[derive(Debug, Default)]
pub struct Inbox {
    message: Vec<u8>,
    inflating: Inflating,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a header.
    head: [u8; HEADER_BYTES],
    held: u8,
    partial: Option<Box<Partial>>,
}

/// What is there of a frame or of a message.
#[derive(Debug, Default)]
struct Partial {
    /// The frame at hand and how much of it is missing.
    frame: Option<(Header, u64)>,
    control: Vec<u8>,
    message: Option<Message>,
}

/// A message that is not complete.
#[derive(Debug)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    fragments: u32,
    bytes: Vec<u8>,
    /// So much of it is UTF-8.
    checked: usize,
}

impl Reader {
    /// The next that came, taken from the beginning of `bytes`; `None` when nothing is left of them. After a failure
    /// there is nothing to read any more.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        limit: usize,
        deflate: Option<&mut Deflate>,
        inbox: &'a mut Inbox,
    ) -> Result<Option<Received<'a>>, Failure> {
        if self.partial.is_some() {
            return self.next_of_pieces(bytes, limit, deflate, inbox);
        }
        let Some(header) = self.read_header(bytes)? else { return Ok(None) };
        check(header, None, limit, deflate.is_some())?;
        match take(bytes, header) {
            Some(payload) if header.opcode.is_control() => control(header.opcode, payload).map(Some),
            Some(payload) if header.is_final && !header.is_compressed => {
                message(header.opcode == Opcode::Text, payload).map(Some)
            }
            Some(payload) if header.is_final => {
                inflated(header.opcode == Opcode::Text, payload, limit, deflate, inbox).map(Some)
            }
            payload => {
                let mut partial = Box::<Partial>::default();
                partial.begin(header, payload)?;
                self.partial = Some(partial);
                self.next_of_pieces(bytes, limit, deflate, inbox)
            }
        }
    }

    #[cold]
    fn next_of_pieces<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        limit: usize,
        deflate: Option<&mut Deflate>,
        inbox: &'a mut Inbox,
    ) -> Result<Option<Received<'a>>, Failure> {
        loop {
            let Some(partial) = &mut self.partial else { return Ok(None) };
            let header = if let Some((header, missing)) = &mut partial.frame {
                let header = *header;
                let (piece, rest) = bytes.split_at((*missing).min(bytes.len() as u64) as usize);
                *bytes = rest;
                *missing -= piece.len() as u64;
                let is_whole = *missing == 0;
                partial.add(header.opcode, piece)?;
                if !is_whole {
                    return Ok(None);
                }
                partial.frame = None;
                header
            } else {
                let Some(header) = self.read_header(bytes)? else { return Ok(None) };
                let Some(partial) = &mut self.partial else { unreachable!("it was there above") };
                check(header, partial.message.as_ref(), limit, deflate.is_some())?;
                match take(bytes, header) {
                    Some(payload) if header.opcode.is_control() => return control(header.opcode, payload).map(Some),
                    None => {
                        partial.begin(header, None)?;
                        continue;
                    }
                    payload => partial.begin(header, payload)?,
                }
                header
            };
            let Some(partial) = &mut self.partial else { unreachable!("it was there above") };
            if header.opcode.is_control() {
                inbox.message = std::mem::take(&mut partial.control);
                if partial.message.is_none() {
                    self.partial = None;
                }
                return control(header.opcode, &inbox.message).map(Some);
            }
            if header.is_final {
                let whole = partial.message.take();
                self.partial = None;
                let Some(whole) = whole else { unreachable!("its last fragment was added to it") };
                if whole.is_compressed {
                    return inflated(whole.is_text, &whole.bytes, limit, deflate, inbox).map(Some);
                }
                inbox.message = whole.bytes;
                // Looked at once more where it was looked at in pieces: that is cheaper than to trust a promise.
                return message(whole.is_text, &inbox.message).map(Some);
            }
        }
    }

    #[inline]
    fn read_header(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, Failure> {
        if self.held > 0 {
            return self.read_split_header(bytes);
        }
        if let Some((header, used)) = Header::read(bytes)? {
            *bytes = &bytes[used..];
            return Ok(Some(header));
        }
        self.head[..bytes.len()].copy_from_slice(bytes);
        self.held = bytes.len() as u8;
        *bytes = &[];
        Ok(None)
    }

    #[cold]
    fn read_split_header(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, Failure> {
        while let Some((first, rest)) = bytes.split_first() {
            self.head[usize::from(self.held)] = *first;
            self.held += 1;
            *bytes = rest;
            if let Some((header, _)) = Header::read(&self.head[..usize::from(self.held)])? {
                self.held = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

impl Partial {
    /// A frame begins; all of its payload is there, or none has been looked at.
    fn begin(&mut self, header: Header, payload: Option<&[u8]>) -> Result<(), Failure> {
        let room = header.payload_bytes.min(FIRST_BYTES as u64) as usize;
        if header.opcode.is_control() {
            self.control.reserve_exact(CONTROL_LIMIT.min(room));
        } else {
            let message = self.message.get_or_insert_with(|| Message {
                is_text: header.opcode == Opcode::Text,
                is_compressed: header.is_compressed,
                fragments: 0,
                bytes: Vec::with_capacity(room),
                checked: 0,
            });
            message.fragments += 1;
            if message.fragments > FRAGMENT_LIMIT {
                return Err(Failure::TooLarge);
            }
        }
        if let Some(payload) = payload {
            return self.add(header.opcode, payload);
        }
        self.frame = Some((header, header.payload_bytes));
        Ok(())
    }

    fn add(&mut self, opcode: Opcode, piece: &[u8]) -> Result<(), Failure> {
        if opcode.is_control() {
            self.control.extend_from_slice(piece);
            return Ok(());
        }
        let Some(message) = &mut self.message else { unreachable!("its first frame has begun it") };
        message.bytes.extend_from_slice(piece);
        if message.is_text && !message.is_compressed {
            // As soon as it cannot become a text any more, there is no use in waiting for its end.
            message.checked += match str::from_utf8(&message.bytes[message.checked..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Failure::BadUtf8),
            };
        }
        Ok(())
    }
}

/// Whether a frame may come now.
#[inline]
fn check(header: Header, message: Option<&Message>, limit: usize, deflates: bool) -> Result<(), Failure> {
    if header.opcode.is_control() {
        return Ok(());
    }
    if header.is_compressed && !deflates {
        return Err(Failure::Protocol("a reserved bit set"));
    }
    let before = match (message, header.opcode) {
        (Some(message), Opcode::Continuation) => message.bytes.len(),
        (None, Opcode::Text | Opcode::Binary) => 0,
        (None, _) => return Err(Failure::Protocol("a fragment of no message")),
        (Some(_), _) => return Err(Failure::Protocol("a message within the fragments of another")),
    };
    if header.payload_bytes > (limit - before.min(limit)) as u64 { Err(Failure::TooLarge) } else { Ok(()) }
}

/// The payload of a frame, if all of it has come.
#[inline]
fn take<'a>(bytes: &mut &'a [u8], header: Header) -> Option<&'a [u8]> {
    if header.payload_bytes > bytes.len() as u64 {
        return None;
    }
    let (payload, rest) = bytes.split_at(header.payload_bytes as usize);
    *bytes = rest;
    Some(payload)
}

#[inline]
fn message(is_text: bool, bytes: &[u8]) -> Result<Received<'_>, Failure> {
    if is_text {
        str::from_utf8(bytes).map(Received::Text).map_err(|_| Failure::BadUtf8)
    } else {
        Ok(Received::Binary(bytes))
    }
}

fn inflated<'a>(
    is_text: bool,
    payload: &[u8],
    limit: usize,
    deflate: Option<&mut Deflate>,
    inbox: &'a mut Inbox,
) -> Result<Received<'a>, Failure> {
    let Some(deflate) = deflate else { unreachable!("the header was checked") };
    deflate.inflate(payload, limit, &mut inbox.inflating, &mut inbox.message)?;
    message(is_text, &inbox.message)
}

fn control(opcode: Opcode, payload: &[u8]) -> Result<Received<'_>, Failure> {
    match (opcode, payload) {
        (Opcode::Ping, _) => Ok(Received::Ping(payload)),
        (Opcode::Pong, _) => Ok(Received::Pong(payload)),
        (_, []) => Ok(Received::Close(None, "")),
        (_, [_]) => Err(Failure::Protocol("a close with half a code")),
        (_, [high, low, reason @ ..]) => match u16::from_be_bytes([*high, *low]) {
            // 1004 means nothing; 1005, 1006 and 1015 stand for what is not sent; up to 2999 no others are defined.
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => {
                let reason = str::from_utf8(reason).map_err(|_| Failure::BadUtf8)?;
                Ok(Received::Close(Some(code), reason))
            }
            _ => Err(Failure::Protocol("a close with a code that is not to be sent")),
        },
    }
}

#[cfg(test)]
mod tests {
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
}
