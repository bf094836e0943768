//! From the feed to one connection: as many bytes as it may have waiting, and counted. Must not choose events.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;

use crate::outbox::Outbox;
use crate::ws::counts::Counts;
use crate::ws::deflate::Codec;
use crate::ws::event::Event;
use crate::ws::subscriber::Sink;

/// Where the events of a feed go: those that come alone straight from where they lie to the socket.
pub(crate) struct Pipe<'p> {
    pub(crate) outbox: &'p mut Outbox,
    pub(crate) counts: &'p mut Counts,
    pub(crate) codec: &'p mut Codec,
    pub(crate) deflate: bool,
    pub(crate) most_bytes: usize,
    pub(crate) alone: Option<Rc<Event>>,
}

impl Pipe<'_> {
    /// Sends what came alone; the rest waits to be sent.
    pub(crate) fn finish(mut self, socket: &OwnedFd) -> Result<(), Errno> {
        match self.alone.take() {
            Some(event) => self.outbox.pass(socket, event.bytes(self.deflate, self.codec)),
            None => Ok(()),
        }
    }

    /// What came alone waits with the rest.
    pub(crate) fn keep(&mut self) {
        if let Some(event) = self.alone.take() {
            self.outbox.written.extend_from_slice(event.bytes(self.deflate, self.codec));
        }
    }
}

impl Sink for Pipe<'_> {
    fn send(&mut self, event: &Rc<Event>) -> bool {
        self.keep();
        let length = event.bytes(self.deflate, self.codec).len();
        let unsent = self.outbox.unsent();
        // An event that is larger than the bound has to pass, or it never would.
        if unsent > 0 && unsent + length > self.most_bytes {
            return false;
        }
        self.counts.messages.sent += 1;
        self.alone = Some(Rc::clone(event));
        if unsent > 0 {
            self.keep();
        }
        true
    }
}
