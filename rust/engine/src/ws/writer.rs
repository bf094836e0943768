//! Messages and control frames to bytes. A message is one frame: nothing is gained by fragments of what is there as a
//! whole.

use super::deflate::{Deflate, Deflating};
use super::frame::{CONTROL_LIMIT, Header, Opcode, mask};
use crate::random;

/// A message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// What it says.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Where a message is compressed: one for all sockets of a thread.
#[derive(Debug, Default)]
pub struct Outbox {
    payload: Vec<u8>,
    deflating: Deflating,
}

/// See the module.
#[derive(Debug)]
pub struct Writer {
    seed: u64,
    frames: u64,
}

impl Writer {
    /// The keys of its masks follow from the seed. They guard proxies against what a page makes a browser send; a
    /// generator writes no page's bytes, so that it is enough that they change.
    pub fn new(seed: u64) -> Self {
        Self { seed, frames: 0 }
    }

    /// Appends a message.
    #[inline]
    pub fn message(
        &mut self,
        message: Message<'_>,
        deflate: Option<&mut Deflate>,
        outbox: &mut Outbox,
        out: &mut Vec<u8>,
    ) {
        let opcode = if matches!(message, Message::Text(_)) { Opcode::Text } else { Opcode::Binary };
        let bytes = message.bytes();
        match deflate {
            Some(deflate) if !bytes.is_empty() => {
                deflate.deflate(bytes, &mut outbox.deflating, &mut outbox.payload);
                self.frame(opcode, true, &outbox.payload, out);
            }
            _ => self.frame(opcode, false, bytes, out),
        }
    }

    /// Appends a ping or a pong; of more than 125 bytes the first.
    pub fn control(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.frame(opcode, false, &payload[..payload.len().min(CONTROL_LIMIT)], out);
    }

    /// Appends a close; of a reason that is too long, as many characters as there is room for.
    pub fn close(&mut self, code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
        let Some(code) = code else { return self.frame(Opcode::Close, false, &[], out) };
        let room = (0..=reason.len().min(CONTROL_LIMIT - 2)).rev().find(|&end| reason.is_char_boundary(end));
        let reason = &reason[..room.unwrap_or(0)];
        self.frame(Opcode::Close, false, &[&code.to_be_bytes(), reason.as_bytes()].concat(), out);
    }

    #[inline]
    fn frame(&mut self, opcode: Opcode, is_compressed: bool, payload: &[u8], out: &mut Vec<u8>) {
        let key = (random::bits(self.seed, self.frames) as u32).to_ne_bytes();
        self.frames += 1;
        Header { is_final: true, is_compressed, opcode, payload_bytes: payload.len() as u64 }.write(key, out);
        let begin = out.len();
        out.extend_from_slice(payload);
        mask(&mut out[begin..], key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::extension::Agreed;
    use super::*;

    /// The first two bytes of a frame, its header's length, and what it says without the mask.
    fn unmasked(frame: &[u8]) -> ([u8; 2], usize, Vec<u8>) {
        let at = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let mut payload = frame[at + 4..].to_vec();
        mask(&mut payload, frame[at..at + 4].try_into().unwrap());
        ([frame[0], frame[1]], at, payload)
    }

    fn written(message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(1).message(message, None, &mut Outbox::default(), &mut out);
        out
    }

    #[test]
    fn a_message_is_one_masked_frame() {
        let (start, _, payload) = unmasked(&written(Message::Text("Hello")));
        assert_eq!((start, &payload[..]), ([0x81, 0x85], &b"Hello"[..]));
        for (length, second, at) in [(125, 0xfd, 2), (126, 0xfe, 4), (0xffff, 0xfe, 4), (0x1_0000, 0xff, 10)] {
            let bytes = vec![7; length];
            assert_eq!(unmasked(&written(Message::Binary(&bytes))), ([0x82, second], at, bytes));
        }
    }

    #[test]
    fn each_frame_has_a_key_of_its_own() {
        let (mut writer, mut keys) = (Writer::new(3), std::collections::HashSet::new());
        for _ in 0..1000 {
            let mut out = Vec::new();
            writer.control(Opcode::Ping, b"", &mut out);
            assert!(keys.insert(out[2..6].to_vec()));
        }
    }

    #[test]
    fn compression_is_said_and_nothing_is_not_compressed() {
        let agreed = Agreed { client_takeover: true, server_takeover: true, client_window_bits: 15 };
        let (mut writer, mut deflate, mut outbox) = (Writer::new(1), Deflate::new(agreed), Outbox::default());
        let mut sent = |text| {
            let mut out = Vec::new();
            writer.message(Message::Text(text), Some(&mut deflate), &mut outbox, &mut out);
            unmasked(&out)
        };
        assert_eq!(sent("").0, [0x81, 0x80]);
        let (first, second) = (sent("Hello, Hello, Hello"), sent("Hello, Hello, Hello"));
        assert_eq!((first.0[0], second.0[0]), (0xc1, 0xc1));
        assert!(first.2.len() < 19 && second.2.len() < first.2.len());
        assert_eq!(sent("").0, [0x81, 0x80]);
    }

    #[test]
    fn control_frames_stay_small() {
        let mut out = Vec::new();
        Writer::new(1).close(Some(1000), &"\u{e9}".repeat(100), &mut out);
        let (start, _, payload) = unmasked(&out);
        assert_eq!((start, payload.len()), ([0x88, 0xfc], 124));
        assert!(std::str::from_utf8(&payload[2..]).is_ok());
        out.clear();
        Writer::new(1).control(Opcode::Pong, &[1; 200], &mut out);
        assert_eq!(unmasked(&out), ([0x8a, 0xfd], 2, vec![1; 125]));
        out.clear();
        Writer::new(1).close(None, "why", &mut out);
        assert_eq!(unmasked(&out), ([0x88, 0x80], 2, vec![]));
    }
}
