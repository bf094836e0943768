//! Where a stream stands in its frames: each has a type, a length and a payload (RFC 9114, 7.1).

const DATA: u64 = 0;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Of the number at hand, as far as it has come.
    number: u64,
    /// Bytes of it that are still to come.
    number_left: u32,
    /// The type of the frame whose length comes next.
    kind: Option<u64>,
    is_data: bool,
    payload_left: u64,
}

impl Frames {
    /// The next bytes of the stream.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= skipped;
                bytes = &bytes[skipped as usize..];
                continue;
            }
            bytes = rest;
            if self.number_left == 0 {
                // Its first two bits are the logarithm of its length.
                (self.number, self.number_left) = (u64::from(first & 0x3f), 1 << (first >> 6));
            } else {
                self.number = self.number << 8 | u64::from(*first);
            }
            self.number_left -= 1;
            if self.number_left == 0 {
                match self.kind.take() {
                    None => self.kind = Some(self.number),
                    Some(kind) => (self.is_data, self.payload_left) = (kind == DATA, self.number),
                }
            }
        }
    }

    /// More of a body was announced than has come.
    pub(super) fn is_within_data(&self) -> bool {
        self.is_data && self.payload_left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_cut_is_noticed_wherever_slices_fall() {
        // A head, a frame that nobody knows, bodies whose lengths take 1, 2, 4 and 8 bytes, and one of nothing.
        let head = [1, 3, 0, 0, 0xd9].to_vec();
        let unknown = [&[0x40, 0x21, 0x40, 70][..], &[0; 70]].concat();
        let lengths: [&[u8]; 5] = [&[5], &[0x40, 5], &[0x80, 0, 0, 5], &[0xc0, 0, 0, 0, 0, 0, 0, 5], &[0]];
        let bodies = lengths.map(|length| [&[0], length, &vec![1; length[length.len() - 1].into()]].concat());
        let stream = [head, unknown, bodies.concat()].concat();
        let is_cut = |end: usize| {
            let step = end % 3 + 1;
            let mut frames = Frames::default();
            stream[..end].chunks(step).for_each(|slice| frames.follow(slice));
            frames.is_within_data()
        };
        let cut = (0..=stream.len()).filter(|&end| is_cut(end)).count();
        assert_eq!((cut, is_cut(stream.len())), (4 * 5, false));
        assert!(!is_cut(6 + 30), "what is no body may be cut");
    }
}
