//! A body that is read while it is sent, so that it is never in memory as a whole: pieces of files, and bytes between
//! them. Whoever sends it knows how far it is; so it can be sent by many at once, and again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use crate::clock::SECOND;
use crate::outcome::ErrorKind;

/// Sent at once: enough that a wake-up more or less does not matter, and little for each of thousands of connections.
pub const PIECE_BYTES: usize = 128 * 1024;
/// A peer that was asked whether it wants the body, and says nothing for so long, is sent it (RFC 9110, 10.1.1).
pub const CONTINUE_NS: u64 = SECOND;

/// See the module.
#[derive(Debug)]
pub struct Upload {
    parts: Vec<Part>,
    length: u64,
    /// The peer is asked first whether it wants it.
    pub expects_continue: bool,
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

impl Upload {
    /// A body of these parts, one behind the other.
    pub fn new(parts: Vec<Part>, expects_continue: bool) -> Self {
        let length = parts.iter().map(Part::length).sum();
        Self { parts, length, expects_continue }
    }

    /// The whole, where no file is among its parts.
    pub fn into_bytes(self) -> Result<Vec<u8>, Self> {
        let is_held = self.parts.iter().all(|part| matches!(part, Part::Bytes(_)));
        if !is_held {
            return Err(self);
        }
        let mut bytes = Vec::new();
        for part in self.parts {
            if let Part::Bytes(held) = part {
                bytes.extend_from_slice(&held);
            }
        }
        Ok(bytes)
    }

    /// Bytes of the whole.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends what stands at an offset: at most `room` bytes, and at least one before the end. A file that has become
    /// shorter, or cannot be read, has no such bytes.
    fn read(&self, mut at: u64, room: usize, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let mut parts = self.parts.iter().skip_while(|part| {
            let is_before = part.length() <= at;
            at -= if is_before { part.length() } else { 0 };
            is_before
        });
        let Some(part) = parts.next() else { return Ok(()) };
        let taken = room.min(usize::try_from(part.length() - at).unwrap_or(usize::MAX));
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
}

/// How far one request is with its body.
#[derive(Debug)]
pub struct Sender {
    upload: Rc<Upload>,
    at: u64,
    /// Until when the peer is given time to say whether it wants the body; 0 when that is past.
    pub waits_until_ns: u64,
}

impl Sender {
    /// The body of a request that is sent now.
    pub fn new(upload: &Rc<Upload>, now: u64) -> Self {
        let waits_until_ns = if upload.expects_continue { now.saturating_add(CONTINUE_NS) } else { 0 };
        Self { upload: Rc::clone(upload), at: 0, waits_until_ns }
    }

    /// Appends the next piece, of at most `room` bytes; none when all was sent.
    pub fn next(&mut self, room: usize, into: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let before = into.len();
        self.upload.read(self.at, room.min(PIECE_BYTES), into)?;
        self.at += (into.len() - before) as u64;
        Ok(())
    }

    /// Bytes handed out so far.
    pub fn sent(&self) -> u64 {
        self.at
    }

    /// The peer has had its time to say whether it wants the body.
    pub fn is_over(&self, now: u64) -> bool {
        self.waits_until_ns > 0 && self.waits_until_ns < now
    }

    /// Nothing is left.
    pub fn is_done(&self) -> bool {
        self.at >= self.upload.length
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
            assert_eq!((sender.sent(), upload.length()), (22, 22));
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
}
