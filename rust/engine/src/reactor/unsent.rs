//! What a peer has not taken yet of what was sent to it, in order. It is kept as it was given, however much it is.
//!
//! Of a stream of bytes, one call hands over several parts; a datagram takes a call of its own, and may be lost.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

/// Parts that one call hands to the kernel, at most.
const SLICES: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    parts: VecDeque<Rc<[u8]>>,
    /// Bytes of the first part that the peer has.
    from: usize,
    /// Each part is a datagram.
    pub(super) is_datagrams: bool,
}

impl Unsent {
    /// The peer has everything.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// One more part, of which the peer has so many bytes: none, unless it is the first.
    pub(super) fn push(&mut self, part: &Rc<[u8]>, from: usize) {
        self.from += from;
        self.parts.push_back(Rc::clone(part));
    }

    /// Writes as much as the peer takes. What is left where that fails stays: nothing else may be sent behind it.
    pub(super) fn write(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut from = self.from;
            for (slice, part) in slices.iter_mut().zip(&self.parts) {
                *slice = IoSlice::new(&part[mem::take(&mut from)..]);
            }
            let slices = &slices[..if self.is_datagrams { 1 } else { self.parts.len().min(SLICES) }];
            let mut no_control = SendAncillaryBuffer::default();
            match retry_on_intr(|| sendmsg(socket, slices, &mut no_control, SendFlags::NOSIGNAL)) {
                Ok(written) => self.written(written),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) if self.is_datagrams && is_loss(error) => self.written(slices[0].len()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, written: usize) {
        self.from += written;
        while let Some(part) = self.parts.front().filter(|part| part.len() <= self.from) {
            self.from -= part.len();
            self.parts.pop_front();
        }
    }
}

/// Such a datagram is lost, and nothing else.
pub(super) fn is_loss(error: Errno) -> bool {
    matches!(error, Errno::MSGSIZE | Errno::NOBUFS)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use proptest::prelude::*;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap()
    }

    proptest! {
        #[test]
        fn the_peer_reads_what_was_sent_however_it_reads(
            lengths in prop::collection::vec(prop_oneof![0usize..9, 1usize..300_000], 1..150),
            reads in prop::collection::vec(1usize..200_000, 1..20),
        ) {
            let (ours, theirs) = pair();
            let mut unsent = Unsent::default();
            let (mut sent, mut read) = (Vec::new(), Vec::new());
            let mut buffer = vec![0; 200_000];
            let mut sizes = reads.iter().cycle();
            for (number, length) in lengths.into_iter().enumerate() {
                let part: Rc<[u8]> = (0..length).map(|at| (number + at) as u8).collect();
                sent.extend_from_slice(&part);
                unsent.push(&part, 0);
                unsent.write(ours.as_fd()).unwrap();
                if number % 3 == 0 && let Ok((got, _)) = recv(&theirs, &mut buffer[..*sizes.next().unwrap()], RecvFlags::empty()) {
                    read.extend_from_slice(&buffer[..got]);
                }
            }
            unsent.write(ours.as_fd()).unwrap();
            while let Ok((got, _)) = recv(&theirs, &mut buffer[..*sizes.next().unwrap()], RecvFlags::empty()) {
                read.extend_from_slice(&buffer[..got]);
                unsent.write(ours.as_fd()).unwrap();
            }
            prop_assert!(unsent.is_empty());
            prop_assert!(read == sent);
        }
    }

    #[test]
    fn what_waits_is_not_copied_and_what_the_peer_has_is_let_go() {
        let (ours, theirs) = pair();
        let parts: Vec<Rc<[u8]>> = (0..100).map(|_| vec![0; 100_000].into()).collect();
        let mut unsent = Unsent::default();
        for part in &parts {
            unsent.push(part, 0);
            unsent.write(ours.as_fd()).unwrap();
        }
        let held = |parts: &[Rc<[u8]>]| parts.iter().filter(|part| Rc::strong_count(part) == 2).count();
        assert!(held(&parts) > 90, "a socket takes some, and the rest waits as it was given");
        let mut buffer = vec![0; 100_000];
        while recv(&theirs, &mut buffer[..], RecvFlags::empty()).is_ok() {
            unsent.write(ours.as_fd()).unwrap();
        }
        assert_eq!(held(&parts), 0);
    }

    #[test]
    fn what_cannot_be_written_stays() {
        let (ours, theirs) = pair();
        let mut unsent = Unsent::default();
        unsent.push(&Rc::from(&b"request"[..]), 3);
        drop(theirs);
        assert_eq!(unsent.write(ours.as_fd()), Err(Errno::PIPE));
        assert!(!unsent.is_empty());
    }
}
