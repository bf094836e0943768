//! Undoes the `Content-Encoding` of a body while it comes. What little becomes of much is bounded for each piece: the whole
//! may be endless.

use std::io::{self, Read, Write};
use std::mem;

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::FrameDecoder;

use super::decoding::{Fault, is_zlib, known_codings};

/// Most bytes that one piece may become.
pub const PIECE_LIMIT: usize = 16 << 20;
/// Largest window of what is compressed with zstd for the web (RFC 9659).
const WINDOW_LIMIT: u64 = 8 << 20;
/// Longest head of a frame of zstd.
const FRAME_HEAD: usize = 18;

/// See the module.
pub struct Decoder {
    /// The outermost coding first.
    layers: Vec<(String, Layer)>,
    has_begun: bool,
}

enum Layer {
    Gzip(MultiGzDecoder<Room>),
    /// Nobody knows yet whether it is zlib, as it should be.
    Deflate(Vec<u8>),
    Zlib(ZlibDecoder<Room>),
    Bare(DeflateDecoder<Room>),
    Brotli(Box<DecompressorWriter<Room>>),
    Zstd(Box<Zstd>),
}

/// Where decoded bytes go.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full = self.bytes.len() + bytes.len() > PIECE_LIMIT;
        if self.is_full {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// For the codings that a header names. `None`: there is none, or one that is not known, and the body is left as it
    /// is.
    pub fn of(codings: &str) -> Option<Self> {
        let layers: Vec<_> =
            known_codings(codings)?.into_iter().rev().map(|coding| (coding.clone(), Layer::of(&coding))).collect();
        (!layers.is_empty()).then_some(Self { layers, has_begun: false })
    }

    /// What the next bytes stand for, as far as that is known by now.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        self.has_begun = true;
        self.run(bytes, false)
    }

    /// The body is whole: what is left of it. One of nothing at all is nothing, whatever its coding.
    pub fn finish(&mut self) -> Result<Vec<u8>, Fault> {
        if self.has_begun { self.run(&[], true) } else { Ok(Vec::new()) }
    }

    fn run(&mut self, bytes: &[u8], is_last: bool) -> Result<Vec<u8>, Fault> {
        let mut bytes = bytes.to_vec();
        for (coding, layer) in &mut self.layers {
            let fed = layer.feed(&bytes).and_then(|()| if is_last { layer.finish() } else { Ok(()) });
            let Room { bytes: decoded, is_full } = layer.room().map(mem::take).unwrap_or_default();
            bytes = decoded;
            fed.map_err(|_| if is_full { Fault::PieceTooLarge } else { Fault::Broken(coding.clone()) })?;
        }
        Ok(bytes)
    }
}

impl Layer {
    fn of(coding: &str) -> Self {
        match coding {
            "br" => Self::Brotli(Box::new(DecompressorWriter::new(Room::default(), 4096))),
            "zstd" => Self::Zstd(Box::default()),
            "deflate" => Self::Deflate(Vec::new()),
            _ => Self::Gzip(MultiGzDecoder::new(Room::default())),
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let into: &mut dyn Write = match self {
            Self::Deflate(begun) => {
                begun.extend_from_slice(bytes);
                if begun.len() < 2 {
                    return Ok(());
                }
                // RFC 9110 means zlib; some send the bare stream.
                let begun = mem::take(begun);
                *self = if is_zlib(&begun) {
                    Self::Zlib(ZlibDecoder::new(Room::default()))
                } else {
                    Self::Bare(DeflateDecoder::new(Room::default()))
                };
                return self.feed(&begun);
            }
            Self::Zstd(zstd) => return zstd.feed(bytes),
            Self::Gzip(into) => into,
            Self::Zlib(into) => into,
            Self::Bare(into) => into,
            Self::Brotli(into) => into,
        };
        into.write_all(bytes)?;
        into.flush()
    }

    /// Nothing follows.
    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(into) => into.try_finish(),
            Self::Deflate(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Zlib(into) => into.try_finish(),
            Self::Bare(into) => into.try_finish(),
            Self::Brotli(into) => into.close(),
            Self::Zstd(zstd) => zstd.finish(),
        }
    }

    fn room(&mut self) -> Option<&mut Room> {
        Some(match self {
            Self::Gzip(into) => into.get_mut(),
            Self::Zlib(into) => into.get_mut(),
            Self::Bare(into) => into.get_mut(),
            Self::Brotli(into) => into.get_mut(),
            Self::Zstd(zstd) => &mut zstd.room,
            Self::Deflate(_) => return None,
        })
    }
}

/// The library takes whole blocks and keeps a window of what came of them: that comes late, the rest with the frame's end.
struct Zstd {
    frame: FrameDecoder,
    is_within: bool,
    has_checksum: bool,
    pending: Vec<u8>,
    room: Room,
}

impl Default for Zstd {
    fn default() -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW_LIMIT);
        Self { frame, is_within: false, has_checksum: false, pending: Vec::new(), room: Room::default() }
    }
}

impl Zstd {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        self.advance(FRAME_HEAD)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.advance(1)?;
        if self.is_within || !self.pending.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// As far as the bytes go. `head`: how many must be there before the head of a frame is read.
    fn advance(&mut self, head: usize) -> io::Result<()> {
        loop {
            if !self.is_within {
                if self.pending.len() < head {
                    return Ok(());
                }
                let mut source = &self.pending[..];
                self.frame.init(&mut source).map_err(io::Error::other)?;
                let used = self.pending.len() - source.len();
                // The flag stands behind the magic number.
                self.has_checksum = self.pending[4] & 4 != 0;
                self.pending.drain(..used);
                self.is_within = true;
            }
            let Some(length) = self.block_length() else { return Ok(()) };
            let (used, _) = self.frame.decode_from_to(&self.pending[..length], &mut []).map_err(io::Error::other)?;
            self.pending.drain(..used.min(length));
            io::copy(&mut self.frame.by_ref(), &mut self.room)?;
            self.is_within = !self.frame.is_finished();
        }
    }

    /// How many bytes the next block has, once they are all there: with the checksum behind the last one.
    fn block_length(&self) -> Option<usize> {
        let &[low, middle, high, ..] = &self.pending[..] else { return None };
        let head = u32::from_le_bytes([low, middle, high, 0]);
        let (is_last, kind, size) = (head & 1 == 1, head >> 1 & 3, (head >> 3) as usize);
        let content = if kind == 1 { 1 } else { size };
        let length = 3 + content + if is_last && self.has_checksum { 4 } else { 0 };
        (self.pending.len() >= length).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::super::decoding::tests::{HELLO_BR, UNKNOWN, gzip, hello, zlib, zstd};
    use super::*;

    /// Fed so many bytes at a time.
    fn decoded(codings: &str, body: &[u8], step: usize) -> Result<Vec<u8>, Fault> {
        let mut decoder = Decoder::of(codings).unwrap();
        let mut whole = Vec::new();
        for piece in body.chunks(step) {
            whole.extend(decoder.feed(piece)?);
        }
        whole.extend(decoder.finish()?);
        Ok(whole)
    }

    #[test]
    fn what_was_encoded_comes_back_whatever_the_pieces() {
        let long: Vec<u8> = (0..300_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for step in [1, 2, 7, 100_000] {
            for (codings, body) in hello() {
                assert_eq!(decoded(codings, &body, step).as_deref(), Ok(&b"hello"[..]), "{codings} by {step}");
            }
            if step > 1 {
                for (coding, body) in [("gzip", gzip(&long)), ("zstd", zstd(&long))] {
                    assert!(decoded(coding, &body, step).as_ref() == Ok(&long), "{coding} by {step}");
                }
            }
        }
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(decoded(coding, b"", 1).as_deref(), Ok(&b""[..]), "{coding}: nothing is nothing");
        }
    }

    #[test]
    fn what_the_server_has_flushed_is_there_at_once() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        let encoders: [(&str, &mut dyn Flushed); 3] =
            [("gzip", &mut gzip), ("deflate", &mut zlib), ("deflate", &mut bare)];
        for (coding, encoder) in encoders {
            let mut decoder = Decoder::of(coding).unwrap();
            for word in ["first", "second", "third"] {
                assert_eq!(decoder.feed(&encoder.flushed(word)).unwrap(), word.as_bytes(), "{coding}");
            }
        }
    }

    trait Flushed {
        fn flushed(&mut self, text: &str) -> Vec<u8>;
    }

    macro_rules! flushed {
        ($($encoder:ident),+) => {
            $(impl Flushed for $encoder<Vec<u8>> {
                fn flushed(&mut self, text: &str) -> Vec<u8> {
                    self.write_all(text.as_bytes()).unwrap();
                    self.flush().unwrap();
                    mem::take(self.get_mut())
                }
            })+
        };
    }

    flushed!(GzEncoder, ZlibEncoder, DeflateEncoder);

    #[test]
    fn what_is_not_known_is_left_as_it_is() {
        for codings in UNKNOWN {
            assert!(Decoder::of(codings).is_none(), "{codings}");
        }
    }

    #[test]
    fn a_bomb_is_refused_and_so_is_what_is_broken() {
        let zeros = vec![0; 2 * PIECE_LIMIT];
        for (coding, body) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("zstd", zstd(&zeros))] {
            assert_eq!(decoded(coding, &body, body.len()), Err(Fault::PieceTooLarge), "{coding}");
            if coding != "zstd" {
                assert_eq!(decoded(coding, &body, 4096).unwrap().len(), zeros.len(), "{coding}, taken slowly");
            }
        }
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let broken = decoded(coding, b"\xff\xff hello, and so on and on", 3);
            assert_eq!(broken, Err(Fault::Broken(coding.into())));
        }
        for (coding, body) in [("gzip", gzip(b"hello")), ("zstd", zstd(b"hello")), ("br", HELLO_BR.to_vec())] {
            let cut = &body[..body.len() - 3];
            assert_eq!(decoded(coding, cut, 5), Err(Fault::Broken(coding.into())), "{coding}");
        }
    }
}
