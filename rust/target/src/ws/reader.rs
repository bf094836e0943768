//! From a client's bytes to whole messages: fragments, UTF-8, limits. Must not know sockets or what messages mean.

use std::borrow::Cow;

use crate::ws::deflate::Codec;
use crate::ws::frame::{self, BINARY, CLOSE, CONTINUATION, Failure, Head, PING, TEXT};

/// The largest message, also once it is inflated.
pub(crate) const MOST_MESSAGE_BYTES: usize = 16 << 20;

/// What one frame brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'b> {
    Message {
        text: bool,
        payload: Cow<'b, [u8]>,
    },
    Ping(&'b [u8]),
    Pong,
    /// With its code, if it has one.
    Close(Option<u16>),
    /// More of its message is to come.
    Fragment,
}

/// How far one client has come.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The extension was agreed on.
    deflate: bool,
    partial: Option<Box<Partial>>,
}

/// A message in fragments.
#[derive(Debug)]
struct Partial {
    text: bool,
    deflated: bool,
    bytes: Vec<u8>,
    /// So many bytes are known to be UTF-8.
    valid: usize,
}

impl Reader {
    pub(crate) fn new(deflate: bool) -> Self {
        Self { deflate, partial: None }
    }

    /// The first frame of `bytes` and how many of them it takes, once it is whole.
    pub(crate) fn next<'b>(
        &mut self,
        bytes: &'b mut [u8],
        codec: &mut Codec,
    ) -> Result<Option<(usize, Received<'b>)>, Failure> {
        let Some(head) = frame::parse(bytes)? else {
            return Ok(None);
        };
        self.check(head)?;
        let length = head.head_bytes + head.length as usize;
        if bytes.len() < length {
            return Ok(None);
        }
        let payload = &mut bytes[head.head_bytes..length];
        frame::unmask(payload, head.key);
        let payload = &*payload;
        let received = match head.opcode {
            CLOSE => Received::Close(frame::read_close(payload)?),
            PING => Received::Ping(payload),
            CONTINUATION | TEXT | BINARY => self.data(head, payload, codec)?,
            _ => Received::Pong,
        };
        Ok(Some((length, received)))
    }

    /// What the head says must fit to what came before, and is refused without waiting for the payload.
    fn check(&self, head: Head) -> Result<(), Failure> {
        let known_bytes = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
        let begins = matches!(head.opcode, TEXT | BINARY);
        if head.rsv1 && !(self.deflate && begins) {
            Err(Failure::protocol("reserved bit set"))
        } else if begins && self.partial.is_some() {
            Err(Failure::protocol("message amid the fragments of another"))
        } else if head.opcode == CONTINUATION && self.partial.is_none() {
            Err(Failure::protocol("continuation of nothing"))
        } else if !head.is_control() && head.length > (MOST_MESSAGE_BYTES - known_bytes) as u64 {
            Err(Failure::too_big())
        } else {
            Ok(())
        }
    }

    fn data<'b>(&mut self, head: Head, payload: &'b [u8], codec: &mut Codec) -> Result<Received<'b>, Failure> {
        let Some(partial) = &mut self.partial else {
            let mut partial = Partial { text: head.opcode == TEXT, deflated: head.rsv1, bytes: Vec::new(), valid: 0 };
            if head.fin && !partial.deflated {
                if partial.text && str::from_utf8(payload).is_err() {
                    return Err(NOT_UTF_8);
                }
                return Ok(Received::Message { text: partial.text, payload: Cow::Borrowed(payload) });
            }
            partial.take(payload)?;
            if head.fin {
                return partial.finish(codec);
            }
            self.partial = Some(Box::new(partial));
            return Ok(Received::Fragment);
        };
        partial.take(payload)?;
        match self.partial.take_if(|_| head.fin) {
            Some(whole) => whole.finish(codec),
            None => Ok(Received::Fragment),
        }
    }
}

const NOT_UTF_8: Failure = Failure::payload("text not UTF-8");

impl Partial {
    fn take(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(payload);
        if self.text && !self.deflated {
            // A character may be cut by the end of a fragment, but not be wrong.
            match str::from_utf8(&self.bytes[self.valid..]) {
                Ok(rest) => self.valid += rest.len(),
                Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
                Err(_) => return Err(NOT_UTF_8),
            }
        }
        Ok(())
    }

    fn finish<'b>(self, codec: &mut Codec) -> Result<Received<'b>, Failure> {
        let Partial { text, deflated, mut bytes, valid } = self;
        if deflated {
            bytes = codec.inflate(&bytes, MOST_MESSAGE_BYTES)?;
            if text && str::from_utf8(&bytes).is_err() {
                return Err(NOT_UTF_8);
            }
        } else if text && valid != bytes.len() {
            return Err(NOT_UTF_8);
        }
        Ok(Received::Message { text, payload: Cow::Owned(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::frame::{FIN, RSV1};

    const KEY: [u8; 4] = [7, 77, 177, 211];

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame::write(&mut out, first, payload);
        out[1] |= 0x80;
        let head_bytes = out.len() - payload.len();
        frame::unmask(&mut out[head_bytes..], KEY);
        out.splice(head_bytes..head_bytes, KEY);
        out
    }

    /// All that a reader makes of these bytes, in pieces of such a size.
    fn read(bytes: &[u8], piece: usize, deflate: bool) -> Result<Vec<String>, Failure> {
        let (mut reader, mut codec) = (Reader::new(deflate), Codec::default());
        let (mut input, mut seen) = (Vec::new(), Vec::new());
        for part in bytes.chunks(piece) {
            input.extend_from_slice(part);
            while let Some((length, received)) = reader.next(&mut input, &mut codec)? {
                match received {
                    Received::Fragment => {}
                    received => seen.push(format!("{received:?}")),
                }
                input.drain(..length);
            }
        }
        Ok(seen)
    }

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let bytes = [
            masked(TEXT, "hé".as_bytes().split_last().expect("bytes").1),
            masked(FIN | PING, b"amid"),
            masked(FIN | CONTINUATION, &"hé".as_bytes()[2..]),
            masked(FIN | BINARY, &[255; 300]),
            masked(FIN | TEXT, b""),
            masked(FIN | CLOSE, b"\x03\xE9"),
        ]
        .concat();
        let whole = read(&bytes, bytes.len(), false).expect("legal");
        assert_eq!(whole.len(), 5);
        assert!(whole[0].starts_with("Ping") && whole[4] == "Close(Some(1001))", "{whole:?}");
        for piece in 1..20 {
            assert_eq!(read(&bytes, piece, false).as_ref(), Ok(&whole), "{piece}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_code() {
        let too_big = ((MOST_MESSAGE_BYTES + 1) as u64).to_be_bytes();
        for (bytes, code, why) in [
            (masked(FIN | CONTINUATION, b"x"), 1002, "continuation of nothing"),
            ([masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat(), 1002, "a message within another"),
            (masked(FIN | RSV1 | TEXT, b"a"), 1002, "deflated, not agreed on"),
            (masked(FIN | TEXT, b"\xFF"), 1007, "not UTF-8"),
            (masked(TEXT, b"\xCE\xBA\xED\xA0\x80"), 1007, "not UTF-8, seen before the end"),
            ([masked(TEXT, b"\xCE"), masked(FIN | CONTINUATION, b"")].concat(), 1007, "half a character at the end"),
            ([&b"\x82\xFF"[..], &too_big, &KEY].concat(), 1009, "too big, by its head"),
        ] {
            assert_eq!(read(&bytes, bytes.len(), false).expect_err(why).code, code, "{why}");
        }
    }

    #[test]
    fn the_deflated_examples_of_rfc_7692_are_read() {
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        let expected = read(&masked(FIN | TEXT, b"Hello"), 100, false).expect("legal");
        let expected = [expected[0].replace("Borrowed", "Owned")];
        for bytes in [
            masked(FIN | RSV1 | TEXT, hello),
            [masked(RSV1 | TEXT, &hello[..3]), masked(FIN | CONTINUATION, &hello[3..])].concat(),
            masked(FIN | RSV1 | TEXT, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), // stored
            masked(FIN | RSV1 | TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),             // ends with BFINAL
        ] {
            assert_eq!(read(&bytes, bytes.len(), true).as_deref(), Ok(&expected[..]), "{bytes:?}");
        }
        let broken = masked(FIN | RSV1 | TEXT, b"\xFF\xFF\xFF");
        assert_eq!(read(&broken, 100, true).expect_err("not deflate").code, 1007);
    }
}
