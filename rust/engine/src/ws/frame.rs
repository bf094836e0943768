//! Headers of frames, read and written, and the mask over what a client sends: RFC 6455, section 5.2. No state here.
//!
//! ```text
//!   byte 0             byte 1             then
//!   F R R R o o o o    M l l l l l l l    l = 126: 2 bytes of length; l = 127: 8 bytes; M: 4 bytes of mask
//!   final, reserved,   masked, length
//!   opcode
//! ```

use super::failure::Failure;

/// Most bytes of a header that a server sends: it does not mask.
pub const HEADER_BYTES: usize = 10;
/// Most bytes of payload of a control frame.
pub const CONTROL_LIMIT: usize = 125;

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of the message that was begun.
    Continuation = 0,
    /// A text, or its first fragment.
    Text = 1,
    /// Bytes, or their first fragment.
    Binary = 2,
    /// The last frame of its sender.
    Close = 8,
    /// To be answered.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

impl Opcode {
    /// It may come between the fragments of a message, and has none itself.
    #[inline]
    pub fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// No fragment of the message follows.
    pub is_final: bool,
    /// The message is compressed; its first frame says so.
    pub is_compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// How long it is behind the header.
    pub payload_bytes: u64,
}

impl Header {
    /// The header of a server's frame at the beginning of `bytes`, and how long it is; `None` if it is not complete.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Failure> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let fault = |what| Err(Failure::Protocol(what));
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return fault("a frame with a reserved opcode"),
        };
        let (is_final, is_compressed) = (first & FINAL != 0, first & COMPRESSED != 0);
        let short = second & !MASKED;
        if first & RESERVED != 0 {
            return fault("a frame with a reserved bit set");
        }
        if is_compressed && (opcode.is_control() || opcode == Opcode::Continuation) {
            return fault("a reserved bit set where no message begins");
        }
        if second & MASKED != 0 {
            return fault("a masked frame");
        }
        if opcode.is_control() && !is_final {
            return fault("a control frame in fragments");
        }
        if opcode.is_control() && usize::from(short) > CONTROL_LIMIT {
            return fault("a control frame longer than 125 bytes");
        }
        let (payload_bytes, header_bytes, least) = match short {
            TWO_BYTES => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4, u64::from(TWO_BYTES)),
                None => return Ok(None),
            },
            EIGHT_BYTES => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), HEADER_BYTES, 1 << 16),
                None => return Ok(None),
            },
            _ => (u64::from(short), 2, 0),
        };
        if payload_bytes < least {
            return fault("a length written longer than it need be");
        }
        if payload_bytes > i64::MAX as u64 {
            return fault("a length with its highest bit set");
        }
        Ok(Some((Self { is_final, is_compressed, opcode, payload_bytes }, header_bytes)))
    }

    /// Appends the header of a client's frame.
    #[inline]
    pub fn write(self, key: [u8; 4], out: &mut Vec<u8>) {
        let first =
            self.opcode as u8 | if self.is_final { FINAL } else { 0 } | if self.is_compressed { COMPRESSED } else { 0 };
        match self.payload_bytes {
            length @ 0..126 => out.extend_from_slice(&[first, MASKED | length as u8]),
            length @ 126..0x1_0000 => {
                out.extend_from_slice(&[first, MASKED | TWO_BYTES]);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.extend_from_slice(&[first, MASKED | EIGHT_BYTES]);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        out.extend_from_slice(&key);
    }
}

/// Puts the mask over bytes, or takes it off.
#[inline]
pub fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<(Opcode, u64, usize)>, &'static str> {
        match Header::read(bytes) {
            Ok(found) => Ok(found.map(|(header, used)| (header.opcode, header.payload_bytes, used))),
            Err(Failure::Protocol(what)) => Err(what),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for (bytes, expected) in [
            (&b"\x82\x7d"[..], Ok(Some((Opcode::Binary, 125, 2)))),
            (b"\x82\x7e\x00\x7e", Ok(Some((Opcode::Binary, 126, 4)))),
            (b"\x82\x7e\xff\xff", Ok(Some((Opcode::Binary, 0xffff, 4)))),
            (b"\x82\x7f\0\0\0\0\0\x01\0\0", Ok(Some((Opcode::Binary, 0x1_0000, 10)))),
            (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", Ok(Some((Opcode::Binary, i64::MAX as u64, 10)))),
            (b"\x82\x7e\x00", Ok(None)),
            (b"\x82\x7f\0\0\0\0\0\x01\0", Ok(None)),
            (b"\x82", Ok(None)),
            (b"\x82\x7e\x00\x7d", Err("a length written longer than it need be")),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", Err("a length written longer than it need be")),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", Err("a length with its highest bit set")),
        ] {
            assert_eq!(read(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for (bytes, what) in [
            (b"\x83\x00", "a frame with a reserved opcode"),
            (b"\x8b\x00", "a frame with a reserved opcode"),
            (b"\xa1\x00", "a frame with a reserved bit set"),
            (b"\x91\x00", "a frame with a reserved bit set"),
            (b"\xc9\x00", "a reserved bit set where no message begins"),
            (b"\xc0\x00", "a reserved bit set where no message begins"),
            (b"\x81\x80", "a masked frame"),
            (b"\x09\x00", "a control frame in fragments"),
            (b"\x89\x7e", "a control frame longer than 125 bytes"),
        ] {
            assert_eq!(read(bytes), Err(what), "{bytes:02x?}");
        }
    }

    #[test]
    fn the_mask_of_the_standard() {
        let mut bytes = *b"Hello";
        mask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(bytes, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest! {
        #[test]
        fn eight_at_a_time_is_one_at_a_time(bytes in prop::collection::vec(any::<u8>(), 0..40), key in any::<[u8; 4]>()) {
            let plain: Vec<u8> = bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let mut masked = bytes;
            mask(&mut masked, key);
            prop_assert_eq!(masked, plain);
        }
    }
}
