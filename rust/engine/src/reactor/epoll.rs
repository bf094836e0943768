//! A reactor on `epoll`: edge-triggered, one read per response, one write per request, one shared read buffer.
//!
//! To wake costs more CPU than to send and to read together. A [`Epoll::thrifty`] one has the kernel stamp what
//! arrives, so that it may sleep through a response until the next arrival is due, and wake once instead of twice.

mod connection;
mod line;

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::ClockId;

use connection::Connection;
use line::Line;

use super::{Address, Event, Generation, Reactor, Readiness, Slot, open, stamp};
use crate::clock;

/// Events taken from the kernel at once.
const BATCH: usize = 256;

/// Datagrams that are read from one connection before the others have their turn.
const BURST: usize = 64;

/// The shared read buffer: a response larger than this takes several reads.
const READ_BYTES: usize = 64 * 1024;

/// The longest rest. Not everything has a stamp: the end of a connection is seen this much late at most.
const LONGEST_REST_NS: u64 = 250_000;

/// A loop of asyncio's watches one descriptor for itself, by which threads wake it.
const OWN_WATCHED: usize = 1;

/// The slot that stands for the control descriptor in the kernel's data.
const CONTROL: Slot = Slot::MAX;

/// Set in a slot that stands for a descriptor of somebody else's; the other bits are its number.
const FOREIGN: Slot = 1 << 31;

/// See the module.
pub struct Epoll {
    set: OwnedFd,
    /// Keeps the control descriptor registered.
    _control: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    at: usize,
    /// Connections with more to read: they filled the whole buffer, or were closed behind what was read.
    again: Line,
    /// Connections whose write failed; told on the next call of `next`.
    failed: Vec<(Slot, Generation, Errno)>,
    /// Connections on which all was written, and somebody wants to know.
    written: Line,
    buffer: Box<[u8]>,
    filled: usize,
    /// Datagrams that were read from one connection in a row.
    burst: usize,
    thrifty: bool,
    /// When the bytes in the buffer arrived, where the kernel has said so.
    arrived_ns: Option<u64>,
    /// How far the kernel's stamps were ahead of our clock at the last wait.
    stamps_ahead_ns: i64,
    /// Connections being made: how long that takes has no stamp, so there is no rest meanwhile.
    connecting: usize,
    /// Descriptors of others that are watched: what comes on them has no stamp either.
    watched: Cell<usize>,
}

impl Epoll {
    /// A reactor that also listens to a control descriptor.
    pub fn new(control: OwnedFd) -> io::Result<Self> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&set, &control, data(CONTROL, Generation::default()), EventFlags::IN)?;
        Ok(Self {
            set,
            _control: control,
            connections: Vec::new(),
            events: Vec::with_capacity(BATCH),
            at: 0,
            again: Line::default(),
            failed: Vec::new(),
            written: Line::default(),
            buffer: vec![0; READ_BYTES].into(),
            filled: 0,
            burst: 0,
            thrifty: false,
            arrived_ns: None,
            stamps_ahead_ns: 0,
            connecting: 0,
            watched: Cell::new(0),
        })
    }

    /// The same, sparing with CPU: see the module.
    pub fn thrifty(control: OwnedFd) -> io::Result<Self> {
        Ok(Self { thrifty: true, ..Self::new(control)? })
    }

    fn read(&mut self, slot: Slot) -> Option<Event> {
        let connection = &self.connections[slot as usize];
        let is_datagrams = connection.unsent.is_datagrams;
        match connection.read(&mut self.buffer, self.thrifty) {
            Ok((0, _)) if !is_datagrams => Some(Event::Ended(slot, None)),
            Ok((length, stamp_ns)) => {
                self.filled = length;
                self.arrived_ns = stamp_ns.map(|ns| (ns - self.stamps_ahead_ns).max(0) as u64);
                // A short read has drained the socket; the edge comes again with the next bytes. One that said that the
                // peer has closed behind them does not.
                if (length == self.buffer.len() || self.connections[slot as usize].ending) && !is_datagrams {
                    self.read_again(slot);
                }
                Some(Event::Received(slot))
            }
            Err(Errno::AGAIN) => None,
            Err(error) => Some(Event::Ended(slot, Some(error))),
        }
    }

    fn wrote(&mut self, slot: Slot, result: Result<(), Errno>) {
        if let Err(error) = result {
            self.failed.push((slot, self.connections[slot as usize].generation, error));
        }
    }

    fn writable(&mut self, slot: Slot) -> Option<Event> {
        let connection = &mut self.connections[slot as usize];
        if connection.connecting {
            self.connecting -= 1;
            return Some(match connection.decide() {
                Ok(()) => Event::Connected(slot),
                Err(error) => Event::Ended(slot, Some(error)),
            });
        }
        let written = connection.write_on();
        let tells = connection.unsent.is_empty() && std::mem::take(&mut connection.tells);
        self.wrote(slot, written);
        tells.then_some(Event::Written(slot))
    }
}

impl Reactor for Epoll {
    const QUEUES_SENDS: bool = true;

    fn connect(&mut self, slot: Slot, to: &Address, from: Option<IpAddr>) -> Result<(), Errno> {
        let index = slot as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, Connection::default);
        }
        let connection = &mut self.connections[index];
        let socket = open(to, from)?;
        // Both directions once and edge-triggered: no further epoll_ctl in the life of a connection.
        if self.thrifty {
            stamp::enable(socket.as_fd());
        }
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.set, &socket, data(slot, connection.generation), interest)?;
        connection.socket = Some(socket);
        connection.unsent.is_datagrams = matches!(to, Address::Datagrams(_));
        connection.connecting = true;
        self.connecting += 1;
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: Slot, bytes: &Rc<[u8]>) {
        let written = self.connections[slot as usize].write(bytes);
        self.wrote(slot, written);
    }

    fn is_sending(&self, slot: Slot) -> bool {
        !self.connections[slot as usize].unsent.is_empty()
    }

    #[inline]
    fn is_ending(&self, slot: Slot) -> bool {
        self.connections[slot as usize].ending
    }

    fn tell_written(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        connection.tells = !connection.unsent.is_empty();
        if !connection.tells {
            self.written.join(slot, connection.generation);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn pause(&mut self, slot: Slot) {
        self.connections[slot as usize].paused = true;
    }

    fn resume(&mut self, slot: Slot) {
        if std::mem::take(&mut self.connections[slot as usize].paused) {
            // What came meanwhile was not looked at, and its edge does not come again.
            self.read_again(slot);
        }
    }

    fn close(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        self.connecting -= usize::from(connection.connecting);
        // Closing takes it out of the epoll set as well.
        *connection = Connection { generation: connection.generation.next(), ..Connection::default() };
    }

    #[inline]
    fn wait(&mut self, deadline_ns: Option<u64>) -> io::Result<bool> {
        if self.at < self.events.len() {
            return Ok(true);
        }
        self.events.clear();
        self.at = 0;
        self.again.begin_round();
        self.written.begin_round();
        let ready = !self.again.is_empty() || !self.failed.is_empty() || !self.written.is_empty();
        let timeout = match deadline_ns {
            _ if ready => Some(clock::timespec(0)),
            Some(0) => Some(clock::timespec(0)),
            Some(deadline) => Some(clock::timespec(deadline.saturating_sub(clock::now_ns()))),
            None => None,
        };
        let waited = epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref());
        if self.thrifty {
            self.stamps_ahead_ns = clock::wall_ahead_ns();
        }
        match waited {
            Ok(_) | Err(Errno::INTR) => Ok(ready || !self.events.is_empty()),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Event> {
        while let Some((slot, generation, error)) = self.failed.pop() {
            if self.connections[slot as usize].generation != generation {
                continue;
            }
            let connection = &mut self.connections[slot as usize];
            if connection.paused {
                // Nothing can be written any more, and what there is to read is read when it is wanted.
                connection.ending = true;
                continue;
            }
            // The peer may have answered before it closed: what it said counts first.
            if let Some(received @ Event::Received(_)) = self.read(slot) {
                self.failed.push((slot, generation, error));
                return Some(received);
            }
            return Some(Event::Ended(slot, Some(error)));
        }
        // Before what has come meanwhile: no answer is told of before its request was written.
        while let Some((slot, generation)) = self.written.next() {
            if self.connections[slot as usize].generation == generation {
                return Some(Event::Written(slot));
            }
        }
        while self.at < self.events.len() {
            let event = &mut self.events[self.at];
            let (slot, generation) = undo(event.data);
            if slot == CONTROL {
                self.at += 1;
                return Some(Event::Control);
            }
            if slot & FOREIGN != 0 {
                let flags = event.flags;
                self.at += 1;
                let failed = flags.intersects(EventFlags::HUP | EventFlags::ERR);
                let readable = failed || flags.contains(EventFlags::IN);
                let writable = failed || flags.contains(EventFlags::OUT);
                return Some(Event::Foreign((slot & !FOREIGN) as RawFd, Readiness { readable, writable }));
            }
            if self.connections[slot as usize].generation != generation {
                self.at += 1;
                continue;
            }
            // One event may say both: what can be written is seen to first, then the same event is looked at again.
            let flags = event.flags;
            event.flags = flags.difference(EventFlags::OUT);
            let connection = &self.connections[slot as usize];
            let found = if flags.contains(EventFlags::OUT) && (connection.connecting || !connection.unsent.is_empty()) {
                self.writable(slot)
            } else {
                let is_datagrams = connection.unsent.is_datagrams;
                let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
                let found = if flags.intersects(readable) { self.readable(slot, flags) } else { None };
                if !is_datagrams || !self.stays(slot, found) {
                    self.at += 1;
                }
                found
            };
            if found.is_some() {
                return found;
            }
            // What broke the write says more than what a read would say now.
            if !self.failed.is_empty() {
                return self.next();
            }
        }
        // Last, and each once.
        while let Some((slot, generation)) = self.again.next() {
            let connection = &self.connections[slot as usize];
            if connection.generation == generation
                && !connection.paused
                && let Some(event) = self.read(slot)
            {
                if self.connections[slot as usize].unsent.is_datagrams && event == Event::Received(slot) {
                    self.read_again(slot);
                }
                return Some(event);
            }
        }
        None
    }

    fn is_drained(&self) -> bool {
        self.at == self.events.len() && self.at < BATCH && self.again.is_empty()
    }

    #[inline]
    fn received(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    #[inline]
    fn arrived_ns(&self, now: u64) -> u64 {
        self.arrived_ns.map_or(now, |arrived_ns| arrived_ns.min(now))
    }

    fn rest(&mut self, now: u64, until_ns: u64) -> bool {
        let unstamped = self.connecting > 0 || self.watched.get() > OWN_WATCHED;
        let queues_empty = self.again.is_empty() && self.failed.is_empty() && self.written.is_empty();
        let all_told = self.at == self.events.len() && queues_empty;
        let rests = self.thrifty && all_told && !unstamped && until_ns.saturating_sub(now) <= LONGEST_REST_NS;
        rests && clock_nanosleep_absolute(ClockId::Monotonic, &clock::timespec(until_ns)).is_ok()
    }
}

impl Epoll {
    /// Watches a descriptor of somebody else's, from now on for this and nothing else. It tells of it again and again
    /// while it lasts.
    pub fn watch(&self, fd: BorrowedFd<'_>, what: Readiness, is_new: bool) -> io::Result<()> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, what.readable);
        flags.set(EventFlags::OUT, what.writable);
        let data = EventData::new_u64(u64::from(FOREIGN | fd.as_raw_fd() as Slot));
        let watched =
            if is_new { epoll::add(&self.set, fd, data, flags) } else { epoll::modify(&self.set, fd, data, flags) };
        watched?;
        self.watched.set(self.watched.get() + usize::from(is_new));
        Ok(())
    }

    /// Watches it no more.
    pub fn unwatch(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.watched.set(self.watched.get().saturating_sub(1));
        Ok(epoll::delete(&self.set, fd)?)
    }

    fn readable(&mut self, slot: Slot, flags: EventFlags) -> Option<Event> {
        let connection = &mut self.connections[slot as usize];
        connection.ending |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
        if connection.paused { None } else { self.read(slot) }
    }

    /// Behind a datagram there may be others, up to the one that is not there. Whether to look for it at once.
    fn stays(&mut self, slot: Slot, found: Option<Event>) -> bool {
        self.burst += 1;
        let has_come = found == Some(Event::Received(slot));
        if has_come && self.burst < BURST {
            return true;
        }
        if has_come {
            self.read_again(slot);
        }
        self.burst = 0;
        false
    }

    fn read_again(&mut self, slot: Slot) {
        self.again.join(slot, self.connections[slot as usize].generation);
    }
}

fn data(slot: Slot, generation: Generation) -> EventData {
    EventData::new_u64(u64::from(generation.0) << 32 | u64::from(slot))
}

fn undo(data: EventData) -> (Slot, Generation) {
    (data.u64() as Slot, Generation((data.u64() >> 32) as u32))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::clock::{SECOND, now_ns};

    /// The next event, within a second.
    fn event(reactor: &mut Epoll) -> Event {
        let until_ns = now_ns() + SECOND;
        loop {
            if let Some(event) = reactor.next() {
                return event;
            }
            assert!(reactor.wait(Some(until_ns)).unwrap() || now_ns() < until_ns, "nothing happens");
        }
    }

    fn connected() -> (Epoll, UdpSocket, UnixStream) {
        let (control, other_end) = UnixStream::pair().unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut reactor = Epoll::new(OwnedFd::from(control)).unwrap();
        reactor.connect(0, &Address::Datagrams(server.local_addr().unwrap()), None).unwrap();
        assert_eq!(event(&mut reactor), Event::Connected(0));
        (reactor, server, other_end)
    }

    #[test]
    fn datagrams_keep_their_bounds_both_ways() {
        let (mut reactor, server, _control) = connected();
        // More than a burst, and no more than the kernel keeps.
        let sizes = || (0..BURST + 20).map(|number| number % 7 * 50);
        let mut buffer = [0; 2000];
        let mut client = None;
        for size in sizes() {
            reactor.send(0, &vec![size as u8; size].into());
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(length, size);
            client = Some(from);
        }
        for size in sizes() {
            server.send_to(&vec![size as u8; size], client.unwrap()).unwrap();
        }
        for size in sizes() {
            assert_eq!(event(&mut reactor), Event::Received(0));
            assert_eq!(reactor.received(), vec![size as u8; size]);
        }
        assert_eq!(reactor.next(), None);
    }

    #[test]
    fn a_datagram_that_is_too_large_is_lost_and_a_port_without_a_listener_is_told() {
        let (mut reactor, server, _control) = connected();
        reactor.send(0, &vec![0; 70_000].into());
        assert!(!reactor.is_sending(0));
        drop(server);
        reactor.send(0, &Rc::from(&b"anybody?"[..]));
        assert_eq!(event(&mut reactor), Event::Ended(0, Some(Errno::CONNREFUSED)));
    }
}
