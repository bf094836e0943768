//! Compresses and inflates messages: RFC 7692, section 7.2. Between two messages nothing is kept, but where takeover was
//! agreed; else all sockets of a thread share one compressor and one inflater.
//!
//! On the wire a message ends where a flush would end, without the four bytes that each flush ends with.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Agreed;
use super::failure::Failure;

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Room asked for at a time.
const STEP_BYTES: usize = 16 << 10;
/// The largest buffer that is kept for the next message.
const KEPT_BYTES: usize = 1 << 20;

/// The inflater of those that keep none.
#[derive(Debug, Default)]
pub struct Inflating(Option<Box<Decompress>>);

/// The compressor of those that keep none, and how far back it refers.
#[derive(Debug, Default)]
pub struct Deflating(Option<(u8, Box<Compress>)>);

/// The compression of one socket.
#[derive(Debug)]
pub struct Deflate {
    agreed: Agreed,
    inflater: Inflating,
    deflater: Deflating,
}

impl Deflate {
    /// As both sides agreed.
    pub fn new(agreed: Agreed) -> Self {
        Self { agreed, inflater: Inflating::default(), deflater: Deflating::default() }
    }

    /// The message that a payload stands for; at most `limit` bytes.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        limit: usize,
        shared: &mut Inflating,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Inflating(inflater) = if self.agreed.server_takeover { &mut self.inflater } else { shared };
        let inflater = inflater.get_or_insert_with(|| Box::new(Decompress::new(false)));
        if !self.agreed.server_takeover {
            inflater.reset(false);
        }
        empty(out);
        if !inflate(inflater, payload, limit, out)? {
            inflate(inflater, &TAIL, limit, out)?;
        }
        Ok(())
    }

    /// The payload that stands for a message that is not empty.
    pub fn deflate(&mut self, message: &[u8], shared: &mut Deflating, out: &mut Vec<u8>) {
        let bits = self.agreed.client_window_bits;
        let Deflating(deflater) = if self.agreed.client_takeover { &mut self.deflater } else { shared };
        let deflater = match deflater {
            Some((known, deflater)) if *known == bits => {
                if !self.agreed.client_takeover {
                    deflater.reset();
                }
                deflater
            }
            _ => &mut deflater.insert((bits, Box::new(compressor(bits)))).1,
        };
        empty(out);
        out.reserve(message.len() + message.len() / 8 + 64);
        let mut rest = message;
        loop {
            let before = deflater.total_in();
            deflater.compress_vec(rest, out, FlushCompress::Sync).expect("any bytes can be compressed");
            rest = &rest[(deflater.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(STEP_BYTES);
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }
}

/// There is no compressor that refers back 256 bytes at most; one that never refers back keeps that limit too.
fn compressor(window_bits: u8) -> Compress {
    match window_bits {
        ..9 => Compress::new(Compression::none(), false),
        bits => Compress::new_with_window_bits(Compression::fast(), false, bits),
    }
}

/// Whether the stream ended with the bytes. A block may say that it is the last, though others follow in a message and
/// messages follow it.
fn inflate(inflater: &mut Decompress, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<bool, Failure> {
    let mut rest = bytes;
    loop {
        out.reserve(STEP_BYTES.min(4 * rest.len() + 64));
        let (read, written) = (inflater.total_in(), out.len());
        let status = inflater
            .decompress_vec(rest, out, FlushDecompress::Sync)
            .map_err(|_| Failure::Protocol("compressed bytes that cannot be inflated"))?;
        rest = &rest[(inflater.total_in() - read) as usize..];
        if out.len() > limit {
            return Err(Failure::TooLarge);
        }
        if status == Status::StreamEnd {
            inflater.reset(false);
            if rest.is_empty() {
                return Ok(true);
            }
        } else if rest.is_empty() && out.len() < out.capacity() {
            return Ok(false);
        } else if inflater.total_in() == read && out.len() == written {
            return Err(Failure::Protocol("compressed bytes that cannot be inflated"));
        }
    }
}

fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
    buffer.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(takeover: bool, client_window_bits: u8) -> Deflate {
        Deflate::new(Agreed { client_takeover: takeover, server_takeover: takeover, client_window_bits })
    }

    fn inflated(deflate: &mut Deflate, payload: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        deflate.inflate(payload, limit, &mut Inflating::default(), &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_the_standard() {
        for (name, payload, expected) in [
            ("one block", &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], "Hello"),
            ("a stored block", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),
            ("a last block", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
            ("two blocks", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
            ("nothing", b"\x00", ""),
        ] {
            assert_eq!(inflated(&mut both(false, 15), payload, 100).as_deref(), Ok(expected.as_bytes()), "{name}");
        }
        let mut takeover = both(true, 15);
        for payload in [&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], b"\xf2\x00\x11\x00\x00"] {
            assert_eq!(inflated(&mut takeover, payload, 100).as_deref(), Ok(&b"Hello"[..]));
        }
        let refers_back = inflated(&mut both(false, 15), b"\xf2\x00\x11\x00\x00", 100);
        assert_eq!(refers_back, Err(Failure::Protocol("compressed bytes that cannot be inflated")));
    }

    #[test]
    fn a_few_bytes_do_not_become_gigabytes() {
        let (mut deflate, mut payload) = (both(false, 15), Vec::new());
        deflate.deflate(&vec![0; 8 << 20], &mut Deflating::default(), &mut payload);
        assert!(payload.len() < 128 << 10);
        assert_eq!(inflated(&mut deflate, &payload, 8 << 20).map(|message| message.len()), Ok(8 << 20));
        assert_eq!(inflated(&mut deflate, &payload, (8 << 20) - 1), Err(Failure::TooLarge));
        let (mut shared, mut out) = (Inflating::default(), Vec::new());
        assert_eq!(deflate.inflate(&payload, 1 << 20, &mut shared, &mut out), Err(Failure::TooLarge));
        assert!(out.capacity() <= 2 << 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_compressed_is_inflated_within_the_window(
            seeds in prop::collection::vec((0u16..300, 1usize..9000), 1..6),
            takeover: bool,
            bits in 8u8..=15,
        ) {
            let (mut deflate, mut shared, mut payload) = (both(takeover, bits), Deflating::default(), Vec::new());
            // What is inflated a few bytes at a time can refer to the window alone.
            let mut narrow = Decompress::new_with_window_bits(false, bits.max(9));
            for (seed, length) in seeds {
                let message: Vec<u8> = (0..length).map(|at| (at * at / 7 % usize::from(seed + 1)) as u8).collect();
                deflate.deflate(&message, &mut shared, &mut payload);
                prop_assert_eq!(inflated(&mut deflate, &payload, length), Ok(message.clone()));
                let (mut plain, mut rest) = (Vec::new(), [&payload[..], &TAIL].concat());
                loop {
                    let (read, mut piece) = (narrow.total_in(), Vec::with_capacity(7));
                    narrow.decompress_vec(&rest, &mut piece, FlushDecompress::Sync).unwrap();
                    rest.drain(..(narrow.total_in() - read) as usize);
                    plain.extend_from_slice(&piece);
                    if rest.is_empty() && piece.len() < piece.capacity() {
                        break;
                    }
                }
                prop_assert_eq!(plain, message);
                if !takeover {
                    narrow.reset(false);
                }
            }
        }

        #[test]
        fn any_bytes_are_inflated_without_panic(payload in prop::collection::vec(any::<u8>(), 0..200), takeover: bool) {
            if let Ok(message) = inflated(&mut both(takeover, 15), &payload, 1000) {
                prop_assert!(message.len() <= 1000);
            }
        }
    }
}
