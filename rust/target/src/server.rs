//! The event loop of one server: sockets, departures, broadcasts and nothing in between. Must not know HTTP.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv};

use crate::clock::{ask_for_precise_sleep, now_ns, sleep_unless_ready, timespec};
use crate::connection::Fate;
use crate::departures::{Departure, Departures};
use crate::peer::Peer;
use crate::site::Site;
use crate::slots::Slots;

/// Events taken at a time.
const MOST_EVENTS: usize = 128;
/// Departures between two looks at the sockets: a crowd that is released at once must not delay
/// the receive stamps of those who come.
const MOST_DEPARTURES: usize = 16;
/// Listeners that a broadcast reaches between two looks at the sockets.
const MOST_DELIVERIES: usize = 256;
/// What one read takes from one client.
const READ_BYTES: usize = 64 << 10;
/// A sleep ends this long before a departure and the rest is spent polling: waking up takes about
/// 40 µs.
const SPIN_NS: u64 = 60_000;
/// The longest time between two looks at the wish to stop.
const TICK_NS: u64 = 100_000_000;

const LISTENER: u64 = u64::MAX;
const PARENT: u64 = u64::MAX - 1;

pub(crate) struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    parent: Option<OwnedFd>,
    stop: Option<Arc<AtomicBool>>,
    parent_gone: bool,
    accepting: bool,
    accepted: u64,
    connections: Slots<Peer>,
    departures: Departures,
    site: Site,
    read_buffer: Vec<u8>,
    next_tick_ns: u64,
}

impl Server {
    pub(crate) fn new(
        listener: TcpListener,
        parent: Option<OwnedFd>,
        stop: Option<Arc<AtomicBool>>,
        site: Site,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        if let Some(parent) = &parent {
            epoll::add(&epoll, parent, EventData::new_u64(PARENT), EventFlags::IN)?;
        }
        Ok(Self {
            epoll,
            listener,
            parent,
            stop,
            parent_gone: false,
            accepting: true,
            accepted: 0,
            connections: Slots::default(),
            departures: Departures::default(),
            site,
            read_buffer: vec![0; READ_BYTES],
            next_tick_ns: 0,
        })
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        ask_for_precise_sleep();
        let mut events = Vec::with_capacity(MOST_EVENTS);
        while !self.should_stop() {
            self.poll(&mut events)?;
            for event in &events {
                self.handle(*event);
                self.depart();
            }
            self.depart();
            self.broadcast();
            self.site.relieve_log()?;
            self.tick()?;
            if events.is_empty() {
                self.sleep_until_departure();
            }
        }
        for token in self.connections.tokens() {
            if let Some(peer) = self.connections.get_mut(token) {
                peer.bid_farewell(&mut self.site);
            }
            self.remove(token);
        }
        self.site.flush_log()
    }

    fn should_stop(&self) -> bool {
        self.parent_gone || self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Takes the events at hand. Only where nothing is due to leave may epoll itself wait: its
    /// timeout is in milliseconds.
    fn poll(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let wait_ns = if self.next_ns().is_none() { TICK_NS } else { 0 };
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timespec(wait_ns))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When something is to be done without any event.
    fn next_ns(&self) -> Option<u64> {
        let feed_ns = self.site.hub.feed.next_ns(&self.site.gate, now_ns);
        self.departures.next_ns().into_iter().chain(feed_ns).min()
    }

    /// Sleeps to shortly before the next departure. From there on it returns at once, and the loop
    /// spins: polling sockets is as good a way to pass the time as any.
    fn sleep_until_departure(&self) {
        if let Some(next_ns) = self.next_ns() {
            let left_ns = next_ns.saturating_sub(now_ns() + SPIN_NS);
            if left_ns > 0 {
                sleep_unless_ready(self.epoll.as_fd(), left_ns.min(TICK_NS));
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let flags = event.flags;
        match event.data.u64() {
            LISTENER => self.accept_all(),
            PARENT => self.listen_to_parent(),
            token => {
                let fate = if flags.contains(EventFlags::ERR) {
                    Fate::Closed
                } else if flags.intersects(EventFlags::IN | EventFlags::HUP) {
                    self.read(token)
                } else {
                    self.proceed(token, now_ns())
                };
                self.settle(token, fate);
            }
        }
    }

    fn read(&mut self, token: u64) -> Fate {
        let Some(connection) = self.connections.get_mut(token) else {
            return Fate::Closed; // closed by an earlier event of the same batch
        };
        let read = recv(&connection.socket, &mut *self.read_buffer, RecvFlags::empty());
        let received_ns = now_ns();
        match read {
            Ok((0, _)) => connection.end_of_input(received_ns, &mut self.site),
            Ok((count, _)) => connection.receive(&mut self.read_buffer[..count], received_ns, &mut self.site),
            Err(Errno::AGAIN | Errno::INTR) => Fate::Open,
            Err(_) => Fate::Closed,
        }
    }

    fn proceed(&mut self, token: u64, now_ns: u64) -> Fate {
        match self.connections.get_mut(token) {
            Some(connection) => connection.proceed(now_ns, &mut self.site),
            None => Fate::Closed,
        }
    }

    /// Brings epoll and the departures up to date with what has become of a connection.
    fn settle(&mut self, token: u64, fate: Fate) {
        let Some(connection) = self.connections.get_mut(token) else {
            return;
        };
        let interest = connection.interest();
        let watched = interest == connection.watched
            || epoll::modify(&self.epoll, &connection.socket, EventData::new_u64(token), interest).is_ok();
        connection.watched = interest;
        if fate == Fate::Closed || !watched {
            self.remove(token);
            return;
        }
        let next_look = connection.next_look();
        let due_ns = next_look.map(|(due_ns, _)| due_ns);
        if due_ns != connection.promised_ns {
            connection.promised_ns = due_ns;
            if let Some((due_ns, order)) = next_look {
                self.departures.promise(Departure { due_ns, order, token });
            }
        }
    }

    fn remove(&mut self, token: u64) {
        if let Some(mut connection) = self.connections.remove(token) {
            connection.abandon(&mut self.site);
        }
        if self.departures.len() > 2 * self.connections.len() + 1024 {
            let connections = &self.connections;
            self.departures.forget(|departure| {
                let promised_ns = connections.get(departure.token).and_then(|one| one.promised_ns);
                promised_ns == Some(departure.due_ns)
            });
        }
    }

    /// Lets go what is due, some at a time.
    fn depart(&mut self) {
        self.regate();
        for _ in 0..MOST_DEPARTURES {
            if self.departures.next_ns().is_none() {
                return; // the usual case needs no clock
            }
            let now_ns = now_ns();
            let Some(departure) = self.departures.pop_due(now_ns) else {
                return;
            };
            let Some(connection) = self.connections.get_mut(departure.token) else {
                continue;
            };
            if connection.promised_ns == Some(departure.due_ns) {
                connection.promised_ns = None;
                let fate = self.proceed(departure.token, now_ns);
                self.settle(departure.token, fate);
            }
        }
    }

    /// Takes what has happened round those who listen, some at a time.
    fn broadcast(&mut self) {
        let feed = &mut self.site.hub.feed;
        if feed.next_ns(&self.site.gate, now_ns).is_none() {
            return; // the usual case needs no clock
        }
        feed.gather(&self.site.gate, now_ns());
        for _ in 0..MOST_DELIVERIES {
            let Some(token) = self.site.hub.feed.next_listener() else {
                return;
            };
            if let Some(peer) = self.connections.get_mut(token) {
                let fate = peer.deliver(&mut self.site);
                self.settle(token, fate);
            }
        }
    }

    /// Puts all that wait behind the gate, if it has just been moved.
    fn regate(&mut self) {
        let Some(gate) = self.site.moved_gate() else {
            return;
        };
        let now_ns = now_ns();
        for token in self.connections.tokens() {
            if let Some(connection) = self.connections.get_mut(token) {
                connection.regate(&gate, now_ns);
            }
            self.settle(token, Fate::Open);
        }
    }

    fn accept_all(&mut self) {
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.admit(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                // Out of descriptors or memory. The listener would stay readable and the loop
                // would spin: look away from it until the next tick.
                Err(_) => return self.listen_for_clients(false),
            }
            self.depart();
        }
    }

    fn admit(&mut self, socket: OwnedFd) {
        self.accepted += 1;
        self.site.counts.connection();
        let token = self.connections.insert(Peer::new(socket, self.accepted, EventFlags::IN));
        let peer = self.connections.get_mut(token).expect("just inserted");
        peer.token = token;
        if epoll::add(&self.epoll, &peer.socket, EventData::new_u64(token), EventFlags::IN).is_err() {
            self.connections.remove(token);
        }
    }

    fn listen_for_clients(&mut self, accepting: bool) {
        self.accepting = accepting;
        let interest = if accepting { EventFlags::IN } else { EventFlags::empty() };
        let _ = epoll::modify(&self.epoll, &self.listener, EventData::new_u64(LISTENER), interest);
    }

    fn listen_to_parent(&mut self) {
        if let Some(parent) = &self.parent {
            let mut ignored = [0_u8; 64];
            let read = rustix::io::read(parent, &mut ignored);
            self.parent_gone = !matches!(read, Ok(1..) | Err(Errno::AGAIN | Errno::INTR));
        }
    }

    /// What has to be done now and then.
    fn tick(&mut self) -> io::Result<()> {
        let now_ns = now_ns();
        if now_ns < self.next_tick_ns {
            return Ok(());
        }
        self.next_tick_ns = now_ns + TICK_NS;
        if !self.accepting {
            self.listen_for_clients(true);
        }
        self.site.rest_log()
    }
}
