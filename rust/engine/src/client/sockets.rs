//! Connections that become sockets: each is made for one, carries nothing else, and ends with it.
//!
//! ```text
//!   open_socket ─▶ opening, as any ─▶ handshake ─▶ say, ping, hang_up
//!                        │                └──▶ Speaks: hear tells what came
//!                        └──▶ Lost                             until it is gone
//! ```

use std::rc::Rc;

use super::opening::connect_error;
use super::{Client, Happened};
use crate::outcome::ErrorKind;
use crate::pool::State;
use crate::reactor::{Reactor, Slot};
use crate::ws::failure::Failure;
use crate::ws::handshake::Opening;
use crate::ws::reader::Inbox;
use crate::ws::socket::{Event, Limits, Socket};
use crate::ws::writer::{Message, Outbox};

/// Messages that go together are not kept together beyond this.
const LONGEST_WRITE: usize = 64 * 1024;

/// What sockets to a place have in common.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Their handshake.
    pub opening: Rc<Opening>,
    /// What the peer may take.
    pub limits: Limits,
}

/// What a connection is for that becomes a socket.
#[derive(Debug)]
pub struct Purpose {
    /// What its owner knows it by.
    pub(super) token: u64,
    manner: Rc<Manner>,
    /// From the handshake on.
    pub(super) socket: Option<Socket>,
    /// The peer has said below the socket that nothing more will come.
    is_cut: bool,
}

impl Purpose {
    /// Whether something has taken too long.
    pub fn is_due(&self, now: u64) -> bool {
        self.socket.as_ref().and_then(Socket::next_deadline).is_some_and(|deadline_ns| deadline_ns < now)
    }
}

/// What all sockets of a client share.
#[derive(Default)]
pub(super) struct Shared {
    inbox: Inbox,
    outbox: Outbox,
    /// What they want sent.
    said: Vec<u8>,
    /// Those that there are, from the first address on.
    count: usize,
    /// How many there have been: no two draw the same.
    opened: u64,
}

/// What happened to a socket.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Its connection stands.
    Connected {
        /// Until there was a connection, and a tunnel where one is needed.
        took_ns: u64,
        /// And from then on until TLS stood, where it is used.
        tls_ns: Option<u64>,
    },
    /// Bytes have come: [`Client::hear`] tells what they say.
    Speaks,
    /// It is lost. Its connection may linger for a while, to end as it should.
    Lost(Lost),
}

/// Why a socket is lost, or did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The kind.
    pub kind: ErrorKind,
    /// The answer to the handshake, where that was the reason.
    pub status: Option<u16>,
}

/// What came of bytes.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// The peer has agreed: messages may be sent.
    Open,
    /// A message.
    Message(Message<'a>),
    /// A ping of ours was answered after so long.
    Pong(u64),
    /// The peer closes, or answers that we do: the code, if it gave one.
    Close(Option<u16>, &'a str),
    /// It is lost.
    Lost(Lost),
}

impl<R: Reactor> Client<R> {
    /// Begins one.
    pub fn open_socket(&mut self, origin: usize, manner: &Rc<Manner>, token: u64, now: u64) -> Result<Slot, ErrorKind> {
        let patience_ns = manner.limits.handshake_ns;
        self.mind(patience_ns);
        self.make_room(origin);
        let slot = self.pool.open(origin, now, now.saturating_add(patience_ns)).ok_or(ErrorKind::NoDescriptors)?;
        let purpose = Purpose { token, manner: Rc::clone(manner), socket: None, is_cut: false };
        self.pool.get(slot).socket = Some(Box::new(purpose));
        self.sockets.count += 1;
        if let Err(error) = self.begin_connecting(slot, origin) {
            self.close_socket(slot);
            return Err(connect_error(error));
        }
        Ok(slot)
    }

    /// How many there are, those that are being opened or linger included.
    pub fn count_sockets(&self) -> usize {
        self.sockets.count
    }

    /// The connection stands: the handshake is sent.
    pub(super) fn begin_socket(&mut self, slot: Slot, now: u64) -> Happened {
        self.pool.seat(slot);
        let Some(purpose) = &mut self.pool.get(slot).socket else { return Happened::Nothing };
        let Manner { opening, limits } = &*purpose.manner;
        self.sockets.opened += 1;
        let seed = now ^ self.sockets.opened.rotate_left(32);
        purpose.socket = Some(Socket::new(opening, *limits, seed, now, &mut self.sockets.said));
        let token = purpose.token;
        self.send_said(slot);
        match self.has_connected(slot, now) {
            Happened::Connected { took_ns, tls_ns, .. } => {
                Happened::Socket { slot, token, step: Step::Connected { took_ns, tls_ns } }
            }
            other => other,
        }
    }

    pub(super) fn socket_speaks(&mut self, slot: Slot, is_cut: bool) -> Happened {
        let Some(purpose) = &mut self.pool.get(slot).socket else { return Happened::Nothing };
        purpose.is_cut |= is_cut;
        Happened::Socket { slot, token: purpose.token, step: Step::Speaks }
    }

    /// Tells what has come. To be called at once: the bytes are still where they came to.
    pub fn hear(&mut self, slot: Slot, now: u64, tell: &mut impl FnMut(Heard<'_>)) {
        let now = self.reactor.arrived_ns(now);
        let connection = self.pool.get(slot);
        let is_layered = connection.layers.is_some();
        let Some(purpose) = &mut connection.socket else { return };
        let Some(socket) = &mut purpose.socket else { return };
        let mut bytes = if is_layered { &self.plain[..] } else { self.reactor.received() };
        loop {
            let mut rest = bytes;
            match socket.next(&mut rest, now, &mut self.sockets.inbox, &mut self.sockets.said) {
                Ok(None) => break,
                Ok(Some(Event::Opened)) => tell(Heard::Open),
                Ok(Some(Event::Message(message))) => tell(Heard::Message(message)),
                Ok(Some(Event::Pong(_, took_ns))) => took_ns.into_iter().for_each(|took_ns| tell(Heard::Pong(took_ns))),
                Ok(Some(Event::Ping(_))) => {}
                Ok(Some(Event::Closed(code, reason))) => tell(Heard::Close(code, reason)),
                Err(failure) => {
                    tell(Heard::Lost(failure.into()));
                    break;
                }
            }
            bytes = &bytes[bytes.len() - rest.len()..];
        }
        if purpose.is_cut
            && let Err(failure) = socket.end()
        {
            tell(Heard::Lost(failure.into()));
        }
        let is_over = socket.is_over();
        self.send_said(slot);
        if is_over {
            self.close_socket(slot);
        }
    }

    /// Sends a message. Whether it could be. Unless it is the last, others on the same socket come at once, and go with it.
    pub fn say(&mut self, slot: Slot, message: Message<'_>, is_last: bool) -> bool {
        let Some(socket) = self.pool.get(slot).socket.as_mut().and_then(|purpose| purpose.socket.as_mut()) else {
            return false;
        };
        let is_said = socket.send(message, &mut self.sockets.outbox, &mut self.sockets.said);
        if is_last || self.sockets.said.len() > LONGEST_WRITE {
            self.send_said(slot);
        }
        is_said
    }

    /// Asks whether the peer is still there.
    pub fn ping(&mut self, slot: Slot, now: u64) -> bool {
        self.with_socket(slot, |socket, said| socket.ping(now, said))
    }

    /// Says that it ends. It lingers until the peer has ended it, or has not in time. One that is not open is given up.
    pub fn hang_up(&mut self, slot: Slot, code: u16, reason: &str, now: u64) {
        // What has closed it may have told of it only now.
        let is_there = self.pool.get(slot).socket.is_some();
        if is_there && !self.with_socket(slot, |socket, said| socket.close(code, reason, now, said)) {
            self.close_socket(slot);
        }
    }

    fn with_socket(&mut self, slot: Slot, act: impl FnOnce(&mut Socket, &mut Vec<u8>) -> bool) -> bool {
        let Some(socket) = self.pool.get(slot).socket.as_mut().and_then(|purpose| purpose.socket.as_mut()) else {
            return false;
        };
        let is_done = act(socket, &mut self.sockets.said);
        self.send_said(slot);
        is_done
    }

    /// Its connection has ended, or cannot be made.
    pub(super) fn lose_socket(&mut self, slot: Slot, kind: ErrorKind) -> Happened {
        let Some(purpose) = &mut self.pool.get(slot).socket else { return Happened::Nothing };
        let token = purpose.token;
        let lost = match &mut purpose.socket {
            None => Some(Lost { kind, status: None }),
            Some(socket) => match (socket.end(), kind) {
                (Ok(()), _) => None,
                (Err(Failure::AbnormalClose), ErrorKind::Closed) => Some(Failure::AbnormalClose.into()),
                (Err(_), kind) => Some(Lost { kind, status: None }),
            },
        };
        self.close_socket(slot);
        lost.map_or(Happened::Nothing, |lost| Happened::Socket { slot, token, step: Step::Lost(lost) })
    }

    /// Ends what has taken too long.
    pub(super) fn expire_socket(&mut self, slot: Slot, now: u64) -> Happened {
        let Some(purpose) = &mut self.pool.get(slot).socket else { return Happened::Nothing };
        let token = purpose.token;
        let Some(socket) = &mut purpose.socket else { return Happened::Nothing };
        let expired = socket.expire(now, &mut self.sockets.said);
        let is_over = socket.is_over();
        self.send_said(slot);
        if is_over {
            self.close_socket(slot);
        }
        match expired {
            Ok(()) => Happened::Nothing,
            Err(failure) => Happened::Socket { slot, token, step: Step::Lost(failure.into()) },
        }
    }

    fn send_said(&mut self, slot: Slot) {
        if self.sockets.said.is_empty() {
            return;
        }
        let connection = self.pool.get(slot);
        match &mut connection.layers {
            None => self.reactor.send(slot, &Rc::from(&self.sockets.said[..])),
            Some(layers) => {
                // What cannot be sent any more will be heard of as an end.
                let _ = layers.send_more(&self.sockets.said, &mut self.out);
                self.send_out(slot);
            }
        }
        self.sockets.said.clear();
    }

    fn close_socket(&mut self, slot: Slot) {
        debug_assert!(self.pool.get(slot).socket.is_some() && self.pool.get(slot).state != State::Closed);
        self.sockets.count -= 1;
        self.close(slot);
    }
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        let (kind, status) = match failure {
            Failure::Http(kind) => (kind, None),
            Failure::Refused(status) => (ErrorKind::WsRefused, Some(status)),
            Failure::BadHandshake(_) => (ErrorKind::WsBadHandshake, None),
            Failure::Protocol(_) => (ErrorKind::WsProtocol, None),
            Failure::TooLarge => (ErrorKind::WsTooLarge, None),
            Failure::BadUtf8 => (ErrorKind::WsBadUtf8, None),
            Failure::NoPong => (ErrorKind::WsNoPong, None),
            Failure::CloseTimeout => (ErrorKind::WsCloseTimeout, None),
            Failure::AbnormalClose => (ErrorKind::WsAbnormalClose, None),
        };
        Self { kind, status }
    }
}
