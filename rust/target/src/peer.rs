//! One accepted socket and what is spoken on it: HTTP, and after an upgrade WebSocket. Decides nothing.

use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;

use crate::connection::{Connection, Fate};
use crate::departures::Gate;
use crate::site::Site;
use crate::ws::socket::WebSocket;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) socket: OwnedFd,
    /// What the server has told epoll to watch for.
    pub(crate) watched: EventFlags,
    /// The promise in the heap that stands; all others for this connection are void.
    pub(crate) promised_ns: Option<u64>,
    /// Where broadcasts find it.
    pub(crate) token: u64,
    speech: Speech,
}

/// Both on the heap: what is at rest takes no more room than it needs.
#[derive(Debug)]
enum Speech {
    Http(Box<Connection>),
    WebSocket(Box<WebSocket>),
}

impl Peer {
    pub(crate) fn new(socket: OwnedFd, number: u64, watched: EventFlags) -> Self {
        let speech = Speech::Http(Box::new(Connection::new(number)));
        Self { socket, watched, promised_ns: None, token: 0, speech }
    }

    /// Takes in what one read brought, answers what is due.
    pub(crate) fn receive(&mut self, bytes: &mut [u8], received_ns: u64, site: &mut Site) -> Fate {
        match &mut self.speech {
            Speech::Http(connection) => {
                let fate = connection.receive(&self.socket, bytes, received_ns, site);
                self.turn(fate, received_ns, site)
            }
            Speech::WebSocket(web_socket) => web_socket.receive(&self.socket, bytes, received_ns, site),
        }
    }

    /// The client sends no more.
    pub(crate) fn end_of_input(&mut self, now_ns: u64, site: &mut Site) -> Fate {
        match &mut self.speech {
            Speech::Http(connection) => connection.end_of_input(&self.socket, now_ns, site),
            Speech::WebSocket(_) => Fate::Closed, // what it wanted to say about that is a Close
        }
    }

    /// Sends what is due and what the socket takes.
    pub(crate) fn proceed(&mut self, now_ns: u64, site: &mut Site) -> Fate {
        match &mut self.speech {
            Speech::Http(connection) => {
                let fate = connection.proceed(&self.socket, now_ns, site);
                self.turn(fate, now_ns, site)
            }
            Speech::WebSocket(web_socket) => web_socket.proceed(&self.socket, now_ns, site),
        }
    }

    /// Takes what it wants of the feed's batch.
    pub(crate) fn deliver(&mut self, site: &mut Site) -> Fate {
        match &mut self.speech {
            Speech::Http(_) => Fate::Open,
            Speech::WebSocket(web_socket) => web_socket.deliver(&self.socket, site),
        }
    }

    /// The next moment at which it needs a look without any event on its socket.
    pub(crate) fn next_look(&self) -> Option<(u64, u64)> {
        match &self.speech {
            Speech::Http(connection) => connection.next_look(),
            Speech::WebSocket(web_socket) => web_socket.next_look(),
        }
    }

    /// What epoll has to watch for.
    pub(crate) fn interest(&self) -> EventFlags {
        match &self.speech {
            Speech::Http(connection) => connection.interest(),
            Speech::WebSocket(web_socket) => web_socket.interest(),
        }
    }

    pub(crate) fn regate(&mut self, gate: &Gate, now_ns: u64) {
        match &mut self.speech {
            Speech::Http(connection) => connection.regate(gate, now_ns),
            Speech::WebSocket(web_socket) => web_socket.regate(gate, now_ns),
        }
    }

    /// The server stops.
    pub(crate) fn bid_farewell(&mut self, site: &mut Site) {
        if let Speech::WebSocket(web_socket) = &mut self.speech {
            web_socket.bid_farewell(&self.socket, site);
        }
    }

    /// Logs and counts what will never be answered.
    pub(crate) fn abandon(&mut self, site: &mut Site) {
        match &mut self.speech {
            Speech::Http(connection) => connection.abandon(site),
            Speech::WebSocket(web_socket) => web_socket.abandon(site),
        }
    }

    /// Changes to WebSocket once the 101 has left; what came behind the request belongs to that.
    fn turn(&mut self, fate: Fate, now_ns: u64, site: &mut Site) -> Fate {
        if fate == Fate::Open
            && let Speech::Http(connection) = &mut self.speech
            && let Some((web_socket, mut unread)) = connection.upgraded(self.token, site)
        {
            site.hub.counts.opened += 1;
            self.speech = Speech::WebSocket(Box::new(web_socket));
            return if unread.is_empty() { Fate::Open } else { self.receive(&mut unread, now_ns, site) };
        }
        fate
    }
}
