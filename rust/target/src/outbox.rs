//! The bytes on their way to one client; must not make any, and must not starve the other clients.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::tail::{FILLER, Tail};

/// What one client may take before the others have their turn.
const TURN_BYTES: usize = 1 << 20;
/// A buffer beyond this is given back once it is empty.
const KEPT_BYTES: usize = 64 << 10;

/// Responses in the order of their requests: the written part, then the tail of the last one.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) written: Vec<u8>,
    pub(crate) tail: Tail,
    sent: usize,
    /// Bytes that the kernel has taken since somebody asked.
    taken: u64,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty() && matches!(self.tail, Tail::Nothing)
    }

    /// True if another response can be written before anything is sent.
    pub(crate) fn has_room(&self, most_bytes: usize) -> bool {
        matches!(self.tail, Tail::Nothing) && self.written.len() < most_bytes
    }

    /// Bytes that are written and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.written.len() - self.sent
    }

    /// Bytes that were sent since the last call.
    pub(crate) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// Gives memory back, down to this, while nothing is to be sent.
    pub(crate) fn keep(&mut self, most_bytes: usize) {
        if self.written.capacity() > most_bytes {
            self.written = Vec::new();
        }
    }

    /// Sends bytes from where they lie, as nothing is before them; keeps what the socket does not take.
    pub(crate) fn pass(&mut self, socket: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
        debug_assert!(self.is_empty());
        let sent = match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(error),
        };
        self.taken += sent as u64;
        self.written.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Sends what the socket takes; false if there is more to send when it is writable again.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> Result<bool, Errno> {
        let mut turn = 0;
        while !self.is_empty() && turn < TURN_BYTES {
            self.tail_to_written();
            let (bytes, flags) = self.next();
            match send(socket, bytes, flags) {
                Ok(count) => {
                    self.advance(count);
                    turn += count;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.forget_sent();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_empty())
    }

    /// One that is always written to before it is empty would grow for ever.
    fn forget_sent(&mut self) {
        if self.sent > KEPT_BYTES && self.sent > self.written.len() / 2 {
            self.written.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Chunks have to be written before they can be sent.
    fn tail_to_written(&mut self) {
        if self.written.is_empty() {
            self.tail.write_chunk(&mut self.written);
        }
    }

    /// The next bytes that lie together. `MORE` makes the kernel wait for the rest of the response
    /// instead of sending a packet for its head alone.
    fn next(&self) -> (&[u8], SendFlags) {
        let bytes = match &self.tail {
            _ if !self.written.is_empty() => &self.written[self.sent..],
            Tail::Filler(left) => &FILLER[..FILLER.len().min(*left as usize)],
            Tail::Own { body, at } => &body[*at..],
            Tail::Nothing | Tail::Chunks(_) => &[],
        };
        let whole = self.written.is_empty() || matches!(self.tail, Tail::Nothing);
        let more = if whole { SendFlags::empty() } else { SendFlags::MORE };
        (bytes, SendFlags::NOSIGNAL | more)
    }

    fn advance(&mut self, count: usize) {
        self.taken += count as u64;
        if !self.written.is_empty() {
            self.sent += count;
            if self.sent == self.written.len() {
                self.sent = 0;
                self.written.clear();
                self.written.shrink_to(KEPT_BYTES);
            }
            return;
        }
        let left = match &mut self.tail {
            Tail::Filler(left) => {
                *left -= count as u64;
                *left
            }
            Tail::Own { body, at } => {
                *at += count;
                (body.len() - *at) as u64
            }
            Tail::Nothing | Tail::Chunks(_) => 0,
        };
        if left == 0 {
            self.tail = Tail::Nothing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    fn received(tail: Tail) -> Vec<u8> {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a mode of sockets");
        let socket = OwnedFd::from(ours);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).map(|_| all).expect("what was sent")
        });
        let mut outbox = Outbox { written: b"head ".to_vec(), tail, ..Outbox::default() };
        while !outbox.flush(&socket).expect("an open socket") {
            std::thread::yield_now();
        }
        drop(socket);
        reader.join().expect("a reader")
    }

    #[test]
    fn every_tail_arrives_whole_behind_its_head_though_the_socket_takes_parts() {
        let size = 3 << 20;
        let filler = received(Tail::Filler(size));
        assert!(filler.starts_with(b"head xxx") && filler.len() as u64 == size + 5);
        let own: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
        let body = own.clone();
        assert_eq!(received(Tail::Own { body, at: 0 })[5..], own);
        let chunks = received(Tail::Chunks(size));
        assert!(chunks.ends_with(b"xx\r\n0\r\n\r\n") && chunks.starts_with(b"head 4000\r\nxx"));
        let framing = (size / (16 << 10)) as usize * "4000\r\n\r\n".len() + "0\r\n\r\n".len();
        assert_eq!(chunks.len(), "head ".len() + size as usize + framing);
    }
}
