//! Reads a chunked body: where it ends, how many bytes it holds. It keeps no body and trusts no length.
//!
//! ```text
//!   Size ──hex──▶ Size ──;──▶ Extension ──CR──▶ SizeLf ──LF──▶ Data(n) ──n bytes──▶ DataCr ─CR─▶ DataLf ─LF─▶ Size
//!                                                  │ size 0
//!                                                  └──▶ TrailerStart ──CR──▶ EndLf ──LF──▶ complete
//!                                                        │  ▲
//!                                                        └──┴── Trailer ─ … CR LF
//! ```

/// Longest size line with its extensions, and longest trailer section, in bytes.
pub const LINE_LIMIT: u32 = 16 * 1024;

/// Why the bytes are not a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A byte that the grammar does not allow there.
    Malformed,
    /// A size line or the trailers exceed [`LINE_LIMIT`].
    LineTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Complete,
}

/// The state of a chunked body between two slices.
#[derive(Clone, Debug)]
pub struct ChunkReader {
    state: State,
    remaining: u64,
    has_digits: bool,
    line: u32,
    /// Bytes of data so far, without the framing.
    pub data_bytes: u64,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self { state: State::Size, remaining: 0, has_digits: false, line: 0, data_bytes: 0 }
    }
}

impl ChunkReader {
    /// Takes the next bytes. `Some(n)`: the body ended with the n-th of them. `None`: more must come.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, ChunkError> {
        self.feed_to(bytes, |_| ())
    }

    /// The same, and hands on the data among them.
    #[inline]
    pub fn feed_to(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<Option<usize>, ChunkError> {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Data {
                let step = self.remaining.min((bytes.len() - at) as u64);
                self.remaining -= step;
                self.data_bytes += step;
                data(&bytes[at..at + step as usize]);
                at += step as usize;
                if self.remaining == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let byte = bytes[at];
            at += 1;
            self.state = self.step(byte)?;
            if self.state == State::Complete {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.line += 1;
        if self.line > LINE_LIMIT {
            return Err(ChunkError::LineTooLong);
        }
        Ok(match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).expect("matched as a hexadecimal digit");
                if self.remaining >> 60 != 0 {
                    return Err(ChunkError::Malformed);
                }
                self.remaining = self.remaining << 4 | u64::from(digit);
                self.has_digits = true;
                State::Size
            }
            (State::Size, b'\r') if self.has_digits => State::SizeLf,
            (State::Size, b';' | b' ' | b'\t') if self.has_digits => State::Extension,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, byte) if byte != b'\n' => State::Extension,
            (State::SizeLf, b'\n') => {
                (self.line, self.has_digits) = (0, false);
                if self.remaining == 0 { State::TrailerStart } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::Size
            }
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::Trailer, byte) if byte != b'\n' => {
                if byte == b'\r' {
                    State::TrailerLf
                } else {
                    State::Trailer
                }
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Complete,
            _ => return Err(ChunkError::Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed_in(parts: &[&[u8]]) -> Result<(Option<usize>, u64), ChunkError> {
        let mut reader = ChunkReader::default();
        let mut before = 0;
        for part in parts {
            if let Some(used) = reader.feed(part)? {
                return Ok((Some(before + used), reader.data_bytes));
            }
            before += part.len();
        }
        Ok((None, reader.data_bytes))
    }

    #[test]
    fn bodies_end_where_they_end() {
        for (body, data) in [
            (&b"0\r\n\r\n"[..], 0),
            (b"5\r\nhello\r\n0\r\n\r\n", 5),
            (b"1;name=value\r\na\r\nA\r\n0123456789\r\n00\r\nExpires: never\r\nX: y\r\n\r\n", 11),
        ] {
            assert_eq!(feed_in(&[body]), Ok((Some(body.len()), data)));
            let with_more = [body, b"HTTP/1.1"].concat();
            assert_eq!(feed_in(&[&with_more]), Ok((Some(body.len()), data)));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for body in [&b"\r\n"[..], b"x\r\n", b"5\nhello", b"5\r\nhelloX", b"-1\r\n", b"fffffffffffffffff\r\n", b";\r\n"]
        {
            assert_eq!(feed_in(&[body]), Err(ChunkError::Malformed), "{body:?}");
        }
        let endless = vec![b'a'; LINE_LIMIT as usize + 10];
        assert_eq!(feed_in(&[b"1;", &endless]), Err(ChunkError::LineTooLong));
        assert_eq!(feed_in(&[b"0\r\n", &endless]), Err(ChunkError::LineTooLong));
    }

    proptest! {
        #[test]
        fn where_the_slices_fall_makes_no_difference(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in prop::collection::vec(0usize..3000, 0..12),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % body.len()).chain([0, body.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            let data: usize = chunks.iter().map(Vec::len).sum();
            prop_assert_eq!(feed_in(&parts), Ok((Some(body.len()), data as u64)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = feed_in(&[&bytes]);
        }
    }
}
