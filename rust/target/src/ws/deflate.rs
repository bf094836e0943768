//! permessage-deflate (RFC 7692): what is agreed on, and the bytes. Must not know frames.
//!
//! Neither side takes its context over to the next message. So no connection owns a window, one
//! pair serves the whole server, and an event is deflated once for all who get it.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::ws::frame::Failure;

/// What is answered to an offer that can be met.
pub(crate) const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The end of every flushed block, which is not sent.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The window that is used; an offer that asks for less cannot be met.
const WINDOW_BITS: &str = "15";

/// True if one of the offers in this header can be met.
pub(crate) fn is_offered(header: &str) -> bool {
    header.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("permessage-deflate")) && can_be_met(parts)
    })
}

fn can_be_met<'o>(parameters: impl Iterator<Item = &'o str>) -> bool {
    let mut seen = Vec::new();
    for parameter in parameters {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start().trim_matches('"'))),
            None => (parameter, None),
        };
        let known = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "client_max_window_bits" => value.is_none_or(|bits| matches!(bits.parse(), Ok(8..=15_u8))),
            "server_max_window_bits" => value == Some(WINDOW_BITS),
            _ => false,
        };
        if !known || seen.contains(&name) {
            return false;
        }
        seen.push(name);
    }
    true
}

/// The windows, made when they are first wanted.
#[derive(Default)]
pub(crate) struct Codec {
    compress: Option<Compress>,
    decompress: Option<Decompress>,
}

impl Codec {
    /// A message as it goes on the wire.
    pub(crate) fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let compress = self.compress.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        compress.reset();
        let mut out = Vec::with_capacity(payload.len() / 2 + 64);
        let mut rest = payload;
        loop {
            let before = compress.total_in();
            compress.compress_vec(rest, &mut out, FlushCompress::Sync).expect("room, and a stream without an end");
            rest = &rest[(compress.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(rest.len() + 64);
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// A message as it was meant, if it is not longer than this.
    pub(crate) fn inflate(&mut self, deflated: &[u8], most_bytes: usize) -> Result<Vec<u8>, Failure> {
        let decompress = self.decompress.get_or_insert_with(|| Decompress::new(false));
        decompress.reset(false);
        let mut out = Vec::new();
        for part in [deflated, &TAIL] {
            if inflate_part(decompress, part, &mut out, most_bytes)? {
                break; // the block said that it is the last: the tail is not part of it
            }
        }
        Ok(out)
    }
}

/// True at the end of the stream.
fn inflate_part(
    decompress: &mut Decompress,
    mut rest: &[u8],
    out: &mut Vec<u8>,
    most_bytes: usize,
) -> Result<bool, Failure> {
    loop {
        out.reserve(rest.len().clamp(64, 64 << 10));
        let (before_in, before_out) = (decompress.total_in(), out.len());
        let status = decompress
            .decompress_vec(rest, out, FlushDecompress::Sync)
            .map_err(|_| Failure::payload("deflated data broken"))?;
        let taken = (decompress.total_in() - before_in) as usize;
        rest = &rest[taken..];
        if out.len() > most_bytes {
            return Err(Failure::too_big());
        }
        if status == Status::StreamEnd {
            return Ok(true);
        }
        if out.len() < out.capacity() {
            if rest.is_empty() {
                return Ok(false);
            }
            if taken == 0 && out.len() == before_out {
                return Err(Failure::payload("deflated data broken"));
            }
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Codec")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_and_no_message_leans_on_another() {
        let mut codec = Codec::default();
        let mut state = 1_u64;
        for length in [0, 1, 63, 64, 1000, 70_000, 1 << 20] {
            let noise = (0..length).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            });
            for payload in [vec![b'x'; length], noise.collect()] {
                let deflated = codec.deflate(&payload);
                assert_eq!(Codec::default().inflate(&deflated, length), Ok(payload));
            }
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut codec = Codec::default();
        let deflated = codec.deflate(&vec![0; 1 << 20]);
        assert!(deflated.len() < 32 << 10);
        assert_eq!(codec.inflate(&deflated, (1 << 20) - 1), Err(Failure::too_big()));
    }

    #[test]
    fn an_offer_is_met_or_passed_over() {
        for (header, met) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("x-other, Permessage-Deflate; client_max_window_bits=10; server_no_context_takeover", true),
            ("permessage-deflate; server_max_window_bits=\"15\"", true),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", false),
            ("permessage-deflate; client_no_context_takeover=1", false),
            ("permessage-deflate; unheard_of", false),
            ("permessage-bzip2", false),
        ] {
            assert_eq!(is_offered(header), met, "{header}");
        }
    }
}
