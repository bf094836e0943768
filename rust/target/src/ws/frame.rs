//! Frames of RFC 6455 as bytes: heads read and written, masks taken off. Must not know messages or sockets.
//!
//! ```text
//! FIN RSV1-3 opcode | MASK length 7 | length 16 or 64, if 126 or 127 | key 32, if MASK | payload
//! ```

pub(crate) const FIN: u8 = 0x80;
/// Set on the first frame of a message whose payload is deflated.
pub(crate) const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

const MOST_CONTROL_BYTES: u64 = 125;

/// Why a connection fails, as its peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Failure {
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    pub(crate) const fn payload(reason: &'static str) -> Self {
        Self { code: 1007, reason }
    }

    pub(crate) const fn too_big() -> Self {
        Self { code: 1009, reason: "message too big" }
    }
}

/// The head of a frame that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) fin: bool,
    pub(crate) rsv1: bool,
    pub(crate) opcode: u8,
    pub(crate) key: [u8; 4],
    /// Bytes of the payload.
    pub(crate) length: u64,
    /// Bytes of the head itself.
    pub(crate) head_bytes: usize,
}

impl Head {
    pub(crate) fn is_control(self) -> bool {
        self.opcode & 8 != 0
    }
}

/// The head at the beginning of `bytes`, as soon as it is there. What no frame of a client may say
/// is refused by the first bytes that say it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (fin, opcode) = (first & FIN != 0, first & 0x0F);
    if first & RSV2_AND_3 != 0 {
        return Err(Failure::protocol("reserved bit set"));
    }
    if !matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG) {
        return Err(Failure::protocol("reserved opcode"));
    }
    if second & MASKED == 0 {
        return Err(Failure::protocol("frame without a mask"));
    }
    let short = second & !MASKED;
    let control = opcode & 8 != 0;
    if control && (!fin || u64::from(short) > MOST_CONTROL_BYTES) {
        return Err(Failure::protocol("control frame in fragments, or longer than 125 bytes"));
    }
    let (length, least, taken) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 126, 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 1 << 16, 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(Failure::protocol("length not in its shortest form"));
    }
    Ok(rest[taken..].first_chunk().map(|key| Head {
        fin,
        rsv1: first & RSV1 != 0,
        opcode,
        key: *key,
        length,
        head_bytes: 2 + taken + key.len(),
    }))
}

/// Appends a frame of the server: no mask.
pub(crate) fn write(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.reserve(10 + payload.len());
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a message in frames of at most `most_bytes`; `flags` are `RSV1` or nothing.
pub(crate) fn write_fragments(out: &mut Vec<u8>, opcode: u8, flags: u8, payload: &[u8], most_bytes: usize) {
    let mut first = opcode | flags;
    let mut rest = payload;
    while rest.len() > most_bytes {
        let (part, left) = rest.split_at(most_bytes);
        write(out, first, part);
        (first, rest) = (CONTINUATION, left);
    }
    write(out, FIN | first, rest);
}

/// Appends a Close; without a code it says nothing.
pub(crate) fn write_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    write(out, FIN | CLOSE, &payload);
}

/// Takes the mask off, eight bytes at a time: the compiler makes wider steps of them where it can.
pub(crate) fn unmask(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key, key].concat().try_into().expect("two keys of four bytes"));
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Code and reason of a received Close; no code where it says nothing.
pub(crate) fn read_close(payload: &[u8]) -> Result<Option<u16>, Failure> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Failure::protocol("close code of one byte")) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Failure::protocol("close code not for the wire"));
    }
    if str::from_utf8(reason).is_err() {
        return Err(Failure::payload("close reason not UTF-8"));
    }
    Ok(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_written_as_they_stand() {
        let mut out = Vec::new();
        write(&mut out, FIN | TEXT, b"Hello");
        assert_eq!(out, *b"\x81\x05Hello");
        out.clear();
        write_fragments(&mut out, TEXT, 0, b"Hello", 3);
        assert_eq!(out, *b"\x01\x03Hel\x80\x02lo");
        for (length, head) in [(256, &b"\x82\x7E\x01\x00"[..]), (65536, b"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00")] {
            out.clear();
            write(&mut out, FIN | BINARY, &vec![0; length]);
            assert!(out.starts_with(head) && out.len() == head.len() + length);
        }
        out.clear();
        write_close(&mut out, Some(1000), "bye");
        assert_eq!(out, *b"\x88\x05\x03\xE8bye");
    }

    #[test]
    fn the_masked_example_of_the_rfc_is_read_and_never_before_its_head_is_whole() {
        let frame = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        for end in 0..6 {
            assert_eq!(parse(&frame[..end]), Ok(None));
        }
        let head = parse(&frame).expect("legal").expect("whole");
        assert_eq!((head.fin, head.opcode, head.length, head.head_bytes), (true, TEXT, 5, 6));
        let mut payload = frame[6..].to_vec();
        unmask(&mut payload, head.key);
        assert_eq!(payload, b"Hello");
    }

    #[test]
    fn a_mask_comes_off_at_every_length() {
        let key = [1, 2, 3, 250];
        for length in 0..40_usize {
            let mut bytes: Vec<u8> = (0..length).map(|place| place as u8 ^ key[place % 4]).collect();
            unmask(&mut bytes, key);
            assert!(bytes.iter().enumerate().all(|(place, byte)| place as u8 == *byte), "{length}");
        }
    }

    #[test]
    fn what_no_client_may_send_is_refused() {
        for (frame, why) in [
            (&b"\xA1\x80"[..], "RSV2"),
            (b"\x91\x80", "RSV3"),
            (b"\x83\x80", "opcode 3"),
            (b"\x8B\x80", "opcode 11"),
            (b"\x81\x05", "no mask"),
            (b"\x09\x80", "ping in fragments"),
            (b"\x89\xFE\x00\x7E", "ping of 126 bytes"),
            (b"\x81\xFE\x00\x7D", "125 in two bytes"),
            (b"\x81\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF", "65535 in eight bytes"),
            (b"\x81\xFF\x80\x00\x00\x00\x00\x01\x00\x00", "the highest bit"),
        ] {
            assert_eq!(parse(frame).expect_err(why).code, 1002, "{why}");
        }
    }

    #[test]
    fn close_codes_are_those_of_the_wire() {
        assert_eq!(read_close(b""), Ok(None));
        for code in [1000_u16, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert_eq!(read_close(&code.to_be_bytes()), Ok(Some(code)));
        }
        for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(read_close(&code.to_be_bytes()).expect_err("illegal").code, 1002, "{code}");
        }
        assert_eq!(read_close(b"\x03").expect_err("illegal").code, 1002);
        assert_eq!(read_close(b"\x03\xE8\xFF").expect_err("illegal").code, 1007);
    }
}
