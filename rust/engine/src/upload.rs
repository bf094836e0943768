//! A body that is read while it is sent, so that it is never in memory as a whole: pieces of files, and bytes between
//! them. Whoever sends it knows how far it is; so it can be sent by many at once, and again.
//!
//! Or one that is made while it is sent: somebody is asked for each piece when the last one is on its way. Nobody knows
//! its length, and it is sent once.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::SECOND;
use crate::outcome::ErrorKind;

/// Sent at once: enough that a wake-up more or less does not matter, and little for each of thousands of connections.
pub const PIECE_BYTES: usize = 128 * 1024;
/// A peer that was asked whether it wants the body, and says nothing for so long, is sent it (RFC 9110, 10.1.1).
pub const CONTINUE_NS: u64 = SECOND;

/// See the module.
#[derive(Debug)]
pub struct Upload {
    source: Source,
    /// The peer is asked first whether it wants it.
    pub expects_continue: bool,
}

#[derive(Debug)]
enum Source {
    /// With the length of them all.
    Parts(Vec<Part>, u64),
    Made(Making),
}

/// A body that is made while it is sent: what there is of it, and not sent yet. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Making(Arc<Mutex<Made>>);

#[derive(Debug, Default)]
struct Made {
    bytes: Vec<u8>,
    taken: usize,
    is_over: bool,
}

/// What a body is put together from.
#[derive(Debug)]
pub enum Part {
    /// Held in memory.
    Bytes(Box<[u8]>),
    /// So many bytes of a file, from an offset on.
    File(File, u64, u64),
}

impl Part {
    /// What a file holds behind an offset now.
    pub fn of_file(file: File, offset: u64) -> io::Result<Self> {
        let length = file.metadata()?.len().saturating_sub(offset);
        Ok(Self::File(file, offset, length))
    }

    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, _, length) => *length,
        }
    }
}

impl Making {
    fn get(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece.
    pub fn add(&self, bytes: Vec<u8>) {
        let made = &mut *self.get();
        if made.taken == made.bytes.len() {
            (made.bytes, made.taken) = (bytes, 0);
        } else {
            made.bytes.extend_from_slice(&bytes);
        }
    }

    /// There are no more.
    pub fn end(&self) {
        self.get().is_over = true;
    }
}

impl Upload {
    /// A body of these parts, one behind the other.
    pub fn new(parts: Vec<Part>, expects_continue: bool) -> Self {
        let length = parts.iter().map(Part::length).sum();
        Self { source: Source::Parts(parts, length), expects_continue }
    }

    /// A body that is made while it is sent.
    pub fn made(making: Making, expects_continue: bool) -> Self {
        Self { source: Source::Made(making), expects_continue }
    }

    /// The whole, where no file is among its parts.
    pub fn into_bytes(self) -> Result<Vec<u8>, Self> {
        let Source::Parts(parts, _) = &self.source else { return Err(self) };
        let is_held = parts.iter().all(|part| matches!(part, Part::Bytes(_)));
        if !is_held {
            return Err(self);
        }
        let mut bytes = Vec::new();
        for part in parts {
            if let Part::Bytes(held) = part {
                bytes.extend_from_slice(held);
            }
        }
        Ok(bytes)
    }

    /// Bytes of the whole, where that is known.
    pub fn length(&self) -> Option<u64> {
        match &self.source {
            Source::Parts(_, length) => Some(*length),
            Source::Made(_) => None,
        }
    }

    /// Bytes behind an offset that can be had now, at most `room`; `None`: there will never be any.
    fn at_hand(&self, at: u64, room: usize) -> Option<usize> {
        match &self.source {
            Source::Parts(_, length) => {
                let left = usize::try_from(length - at).unwrap_or(usize::MAX);
                (left > 0).then_some(left.min(room))
            }
            Source::Made(making) => {
                let made = making.get();
                let left = made.bytes.len() - made.taken;
                (left > 0 || !made.is_over).then_some(left.min(room))
            }
        }
    }

    /// Appends so many bytes of those at hand behind an offset. A file that has become shorter, or cannot be read, has
    /// no such bytes.
    fn read(&self, at: u64, count: usize, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
        match &self.source {
            Source::Parts(parts, _) => read_parts(parts, at, count, into),
            Source::Made(making) => {
                let made = &mut *making.get();
                into.extend_from_slice(&made.bytes[made.taken..made.taken + count]);
                made.taken += count;
                Ok(())
            }
        }
    }
}

/// At least one byte, where any are asked for; not all where the next stand in another part.
fn read_parts(parts: &[Part], mut at: u64, count: usize, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
    let mut parts = parts.iter().skip_while(|part| {
        let is_before = part.length() <= at;
        at -= if is_before { part.length() } else { 0 };
        is_before
    });
    let Some(part) = parts.next() else { return Ok(()) };
    let taken = count.min(usize::try_from(part.length() - at).unwrap_or(usize::MAX));
    match part {
        Part::Bytes(bytes) => into.extend_from_slice(&bytes[at as usize..at as usize + taken]),
        Part::File(file, offset, _) => {
            let start = into.len();
            into.resize(start + taken, 0);
            file.read_exact_at(&mut into[start..], offset + at).map_err(|_| ErrorKind::BodyUnreadable)?;
        }
    }
    Ok(())
}

/// How far one request is with its body.
#[derive(Debug)]
pub struct Sender {
    upload: Rc<Upload>,
    at: u64,
    /// Bytes of the frames around what was handed out.
    framing: u64,
    is_done: bool,
    /// Somebody was asked for the next piece.
    has_asked: bool,
    /// Until when the peer is given time to say whether it wants the body; 0 when that is past.
    pub waits_until_ns: u64,
}

impl Sender {
    /// The body of a request that is sent now.
    pub fn new(upload: &Rc<Upload>, now: u64) -> Self {
        let waits_until_ns = if upload.expects_continue { now.saturating_add(CONTINUE_NS) } else { 0 };
        let is_done = upload.length() == Some(0);
        Self { upload: Rc::clone(upload), at: 0, framing: 0, is_done, has_asked: false, waits_until_ns }
    }

    /// Whether the next piece is still to be made, and nobody was asked for it before.
    pub fn asks(&mut self) -> bool {
        self.at_hand() == Some(0) && !mem::replace(&mut self.has_asked, true)
    }

    /// How many bytes the next piece has; none while it is still being made. `None`: there is no next one.
    pub fn at_hand(&self) -> Option<usize> {
        self.upload.at_hand(self.at, PIECE_BYTES)
    }

    /// Appends the next piece, of at most `room` bytes; none when all was sent, or while it is still being made.
    pub fn next(&mut self, room: usize, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let before = into.len();
        if let Some(count) = self.at_hand() {
            self.upload.read(self.at, count.min(room), into)?;
            self.has_asked &= count == 0;
        }
        self.at += (into.len() - before) as u64;
        self.is_done = self.at_hand().is_none();
        Ok(())
    }

    /// The same as HTTP/1.1 wants it: a body of a length that nobody knows comes in chunks.
    pub fn next_framed(&mut self, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
        if self.upload.length().is_some() {
            return self.next(PIECE_BYTES, into);
        }
        let before = into.len();
        let count = self.at_hand().unwrap_or(0);
        if count > 0 {
            let _ = write!(into, "{count:x}\r\n");
        }
        self.next(count, into)?;
        if count > 0 {
            into.extend_from_slice(b"\r\n");
        }
        if self.is_done {
            into.extend_from_slice(b"0\r\n\r\n");
        }
        self.framing += (into.len() - before - count) as u64;
        Ok(())
    }

    /// Bytes handed out so far, with their frames.
    pub fn sent(&self) -> u64 {
        self.at + self.framing
    }

    /// The peer has had its time to say whether it wants the body.
    pub fn is_over(&self, now: u64) -> bool {
        self.waits_until_ns > 0 && self.waits_until_ns < now
    }

    /// All was handed out.
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let memory = rustix::fs::memfd_create("body", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = File::from(memory);
        file.write_all(content).unwrap();
        file
    }

    fn parts(shrinking: &File) -> Vec<Part> {
        vec![
            Part::Bytes(b"head ".as_slice().into()),
            Part::of_file(file(b"0123456789"), 4).unwrap(),
            Part::Bytes(Box::default()),
            Part::of_file(shrinking.try_clone().unwrap(), 0).unwrap(),
        ]
    }

    #[test]
    fn the_parts_come_one_behind_the_other_in_pieces_of_any_size() {
        for room in 1..20 {
            let upload = Rc::new(Upload::new(parts(&file(b" and a tail")), false));
            let (mut sender, mut whole) = (Sender::new(&upload, 5), Vec::new());
            while !sender.is_done() {
                let before = whole.len();
                sender.next(room, &mut whole).unwrap();
                assert!((1..=room).contains(&(whole.len() - before)));
            }
            assert_eq!(whole, b"head 456789 and a tail");
            assert_eq!((sender.sent(), upload.length()), (22, Some(22)));
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let shrinking = file(b"tail");
        let mut sender = Sender::new(&Rc::new(Upload::new(parts(&shrinking), true)), 5);
        shrinking.set_len(2).unwrap();
        let mut whole = Vec::new();
        assert_eq!(sender.waits_until_ns, 5 + CONTINUE_NS);
        while sender.sent() < 11 {
            sender.next(100, &mut whole).unwrap();
        }
        assert_eq!(sender.next(100, &mut whole), Err(ErrorKind::BodyUnreadable));
    }

    #[test]
    fn what_is_made_comes_as_it_is_made() {
        let making = Making::default();
        let upload = Rc::new(Upload::made(making.clone(), false));
        let (mut sender, mut whole) = (Sender::new(&upload, 5), Vec::new());
        sender.next_framed(&mut whole).unwrap();
        assert_eq!((upload.length(), sender.at_hand(), sender.is_done()), (None, Some(0), false));
        assert_eq!((sender.asks(), sender.asks()), (true, false));
        making.add(b"hello".to_vec());
        assert_eq!(sender.at_hand(), Some(5));
        sender.next(2, &mut whole).unwrap();
        making.add(b" you".to_vec());
        sender.next(100, &mut whole).unwrap();
        assert!(sender.asks());
        assert_eq!((whole.as_slice(), sender.at_hand(), sender.is_done()), (b"hello you".as_slice(), Some(0), false));
        making.end();
        assert_eq!(sender.at_hand(), None);
        sender.next(100, &mut whole).unwrap();
        assert_eq!((sender.sent(), sender.is_done()), (9, true));
    }

    #[test]
    fn chunks_go_around_what_is_made() {
        let making = Making::default();
        let upload = Rc::new(Upload::made(making.clone(), false));
        let (mut sender, mut whole) = (Sender::new(&upload, 5), Vec::new());
        for piece in [&b"0123456789abcdef"[..], b"", b"!"] {
            making.add(piece.to_vec());
            sender.next_framed(&mut whole).unwrap();
        }
        assert!(!sender.is_done());
        making.end();
        sender.next_framed(&mut whole).unwrap();
        assert_eq!(whole, b"10\r\n0123456789abcdef\r\n1\r\n!\r\n0\r\n\r\n");
        assert_eq!((sender.sent(), sender.is_done()), (whole.len() as u64, true));
        let mut nothing = Vec::new();
        Sender::new(&Rc::new(Upload::made(making, false)), 5).next_framed(&mut nothing).unwrap();
        assert_eq!(nothing, b"0\r\n\r\n");
    }
}
