//! Follows the borders of frames in the bytes of a connection: which stream each byte is for. It understands nothing
//! else and refuses nothing; the protocol is read elsewhere.
//!
//! ```text
//!   ┌─ 3 bytes ─┬ 1 byte ┬ 1 byte ┬──── 4 bytes ────┬─ length bytes ─┐
//!   │  length   │  kind  │ flags  │ 0, stream (31)  │    payload     │
//!   └───────────┴────────┴────────┴─────────────────┴────────────────┘
//! ```

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const HEAD_BYTES: usize = 9;

/// What [`Frames`] says of some bytes.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing of the frame")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The stream that they are for; 0 is the connection.
    pub(super) stream: u32,
    /// How many.
    pub(super) bytes: u64,
    /// They belong to the head of a response.
    pub(super) is_head: bool,
    /// The last of a message.
    pub(super) is_end: bool,
    /// The last of what the peer says it takes.
    pub(super) is_settings: bool,
    /// The peer will take no more requests.
    pub(super) is_go_away: bool,
}

/// Where in a frame the bytes so far ended.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    payload_left: usize,
}

impl Frames {
    /// Of a side that begins with bytes that are no frame; they count for the connection.
    pub(super) fn after(bytes: usize) -> Self {
        Self { head: [0; HEAD_BYTES], head_bytes: HEAD_BYTES, payload_left: bytes }
    }

    /// Takes the next bytes of one side of the connection and tells `on` of each frame, or part of one, in them.
    #[inline]
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut on: impl FnMut(Part)) {
        while !bytes.is_empty() {
            let mut taken = 0;
            if self.head_bytes < HEAD_BYTES {
                let part = bytes.len().min(HEAD_BYTES - self.head_bytes);
                self.head[self.head_bytes..self.head_bytes + part].copy_from_slice(&bytes[..part]);
                self.head_bytes += part;
                if self.head_bytes < HEAD_BYTES {
                    return;
                }
                let [high, middle, low, ..] = self.head;
                self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                // A head that came in pieces counts as a whole with its last one.
                taken = HEAD_BYTES;
                bytes = &bytes[part..];
            }
            let part = bytes.len().min(self.payload_left);
            bytes = &bytes[part..];
            self.payload_left -= part;
            let [_, _, _, kind, flags, stream @ ..] = self.head;
            on(Part {
                stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
                bytes: (taken + part) as u64,
                is_head: matches!(kind, HEADERS | CONTINUATION),
                is_end: matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 && self.payload_left == 0,
                is_settings: kind == SETTINGS && self.payload_left == 0,
                is_go_away: kind == GO_AWAY,
            });
            if self.payload_left == 0 {
                self.head_bytes = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn follow<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<(u32, u64, bool, bool)> {
        let (mut frames, mut seen) = (Frames::default(), Vec::<(u32, u64, bool, bool)>::new());
        for part in parts {
            frames.follow(part, |part| match seen.last_mut() {
                Some((stream, bytes, ..)) if *stream == part.stream => *bytes += part.bytes,
                _ => seen.push((part.stream, part.bytes, part.is_head, part.is_go_away)),
            });
        }
        seen
    }

    const BYTES: &[u8] =
        b"\0\0\x02\x01\x04\0\0\0\x01hi\0\0\0\0\x01\x80\0\0\x03\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0";

    proptest! {
        #[test]
        fn bytes_belong_to_their_frames_wherever_slices_fall(step in 1usize..40) {
            let expected = vec![(1, 11, true, false), (3, 9, false, false), (0, 17, false, true)];
            prop_assert_eq!(follow(BYTES.chunks(step)), expected);
        }

        #[test]
        fn no_whole_frame_is_lost(bytes in prop::collection::vec(0u8..3, 0..400), step in 1usize..50) {
            let sum = |parts: Vec<(u32, u64, bool, bool)>| parts.iter().map(|part| part.1).sum::<u64>();
            let counted = sum(follow(bytes.chunks(step)));
            prop_assert_eq!(counted, sum(follow(std::iter::once(&bytes[..]))));
            prop_assert!(bytes.len() as u64 - counted < 9);
        }
    }
}
