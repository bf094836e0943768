//! Undoes a body's `Content-Encoding`. It stops at a limit: a few bytes can stand for gigabytes.

use std::fmt;
use std::io::{self, Read};

use super::decoder::PIECE_LIMIT;

/// Most bytes that a body may become.
pub const DECODED_LIMIT: usize = 64 << 20;
/// Most codings, one around the other.
const CODINGS: usize = 4;

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It became too large.
    TooLarge,
    /// A piece of it did, of one that is taken while it comes.
    PieceTooLarge,
    /// It is not what its header says.
    Broken(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "decoded, the body is larger than the limit of {} MiB", DECODED_LIMIT >> 20),
            Self::PieceTooLarge => {
                write!(f, "decoded, a piece of the body is larger than the limit of {} MiB", PIECE_LIMIT >> 20)
            }
            Self::Broken(coding) => write!(f, "the body is not {coding}, though its Content-Encoding says so"),
        }
    }
}

/// A body without the codings that its header names. `None`: one is not known, and the body is left as it is.
pub fn decode(codings: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let Some(codings) = known_codings(codings) else { return Ok(None) };
    let mut decoded: Option<Vec<u8>> = None;
    for coding in codings.iter().rev() {
        let bytes = decoded.as_deref().unwrap_or(body);
        // A server that has nothing to say may say so without the frame around nothing.
        if bytes.is_empty() {
            break;
        }
        let read = match coding.as_str() {
            "br" => read_all(brotli_decompressor::Decompressor::new(bytes, 4096)),
            "zstd" => unzstd(bytes),
            // RFC 9110 means zlib; some send the bare stream.
            "deflate" if is_zlib(bytes) => read_all(flate2::read::ZlibDecoder::new(bytes)),
            "deflate" => read_all(flate2::read::DeflateDecoder::new(bytes)),
            _ => read_all(flate2::read::MultiGzDecoder::new(bytes)),
        };
        let read = read.map_err(|_| Fault::Broken(coding.clone()))?;
        if read.len() > DECODED_LIMIT {
            return Err(Fault::TooLarge);
        }
        decoded = Some(read);
    }
    Ok(decoded)
}

/// The codings that a header names, but for those that change nothing; `None` where one is not known.
pub(super) fn known_codings(codings: &str) -> Option<Vec<String>> {
    let codings: Vec<_> = codings.split(',').map(|coding| coding.trim().to_ascii_lowercase()).collect();
    let known = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];
    if codings.len() > CODINGS || codings.iter().any(|coding| !known.contains(&coding.as_str())) {
        return None;
    }
    Some(codings.into_iter().filter(|coding| coding != "identity").collect())
}

/// All, or one byte more than the limit.
fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    reader.take(DECODED_LIMIT as u64 + 1).read_to_end(&mut decoded)?;
    Ok(decoded)
}

fn unzstd(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    while !bytes.is_empty() && decoded.len() <= DECODED_LIMIT {
        let frame = ruzstd::decoding::StreamingDecoder::new(&mut bytes).map_err(io::Error::other)?;
        frame.take((DECODED_LIMIT + 1 - decoded.len()) as u64).read_to_end(&mut decoded)?;
    }
    Ok(decoded)
}

pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    bytes.len() >= 2 && bytes[0] & 0x0f == 8 && (u16::from(bytes[0]) << 8 | u16::from(bytes[1])).is_multiple_of(31)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) const HELLO_BR: &[u8] = b"\x0b\x02\x80hello\x03";

    /// What is left as it is.
    pub(crate) const UNKNOWN: [&str; 5] = ["", "compress", "gzip, magic", "gzip,gzip,gzip,gzip,gzip", "identity"];

    /// Codings, and `hello` in them.
    pub(crate) fn hello() -> [(&'static str, Vec<u8>); 9] {
        [
            ("gzip", gzip(b"hello")),
            ("X-GZIP", gzip(b"hello")),
            ("gzip", [gzip(b"he"), gzip(b"llo")].concat()),
            ("deflate", zlib(b"hello")),
            ("deflate", deflate(b"hello")),
            ("br", HELLO_BR.to_vec()),
            ("zstd", zstd(b"hello")),
            ("zstd", [zstd(b"he"), zstd(b"llo")].concat()),
            ("deflate, identity, gzip", gzip(&zlib(b"hello"))),
        ]
    }

    pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn what_was_encoded_comes_back() {
        for (codings, body) in hello() {
            assert_eq!(decode(codings, &body).unwrap().as_deref(), Some(&b"hello"[..]), "{codings}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_as_it_is() {
        for codings in UNKNOWN {
            assert_eq!(decode(codings, b"hello"), Ok(None), "{codings}");
        }
        assert_eq!(decode("gzip", b""), Ok(None), "nothing is nothing");
    }

    #[test]
    fn a_bomb_is_refused_and_so_is_what_is_broken() {
        let zeros = vec![0; DECODED_LIMIT + 1];
        for (coding, body) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("zstd", zstd(&zeros))] {
            assert_eq!(decode(coding, &body), Err(Fault::TooLarge), "{coding}");
        }
        assert_eq!(decode("gzip", &gzip(&zeros[1..])).unwrap().unwrap().len(), DECODED_LIMIT);
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(decode(coding, b"\xff\xff hello"), Err(Fault::Broken(coding.into())));
        }
        assert_eq!(decode("gzip", &gzip(b"hello")[..20]), Err(Fault::Broken("gzip".into())));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(
            coding in "gzip|deflate|br|zstd", body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = decode(&coding, &body);
        }
    }
}
