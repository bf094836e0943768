//! What has happened to sockets, for an owner who looks later than it happens: each thing with when it came.

use super::Client;
use super::sockets::{Heard, Lost, Step};
use crate::clock::now_ns;
use crate::reactor::{Reactor, Slot};
use crate::ws::socket::Socket;
use crate::ws::writer::Message;

/// Something that happened to a socket.
#[derive(Debug)]
pub struct News {
    /// What its owner knows it by.
    pub token: u64,
    /// When it came.
    pub at_ns: u64,
    /// What it is.
    pub what: What,
}

/// What a piece of news is. After a close, or a loss, nothing more comes of a socket.
#[derive(Debug)]
pub enum What {
    /// Its connection stands: see [`Step::Connected`].
    Connected {
        /// Until there was a connection.
        took_ns: u64,
        /// And then until TLS stood.
        tls_ns: Option<u64>,
    },
    /// The peer has agreed: messages may be sent.
    Open,
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A ping was answered after so long.
    Pong(u64),
    /// All that was said is written.
    Written,
    /// The peer closes, or answers that we do: its code, if it gave one, and its reason.
    Close(Option<u16>, String),
    /// It is lost.
    Lost(Lost),
}

impl<R: Reactor> Client<R> {
    /// Keeps what a step means. To be called at once.
    pub fn gather(&mut self, slot: Slot, token: u64, step: Step, now: u64) {
        let mut news = std::mem::take(&mut self.news);
        let mut tell = |at_ns, what| news.push(News { token, at_ns, what });
        match step {
            Step::Connected { took_ns, tls_ns } => tell(now, What::Connected { took_ns, tls_ns }),
            Step::Lost(why) => tell(now, What::Lost(why)),
            Step::Speaks => {
                let at_ns = self.reactor.arrived_ns(now);
                self.hear(slot, now, &mut |heard| {
                    let what = match heard {
                        Heard::Open => What::Open,
                        Heard::Message(Message::Text(text)) => What::Text(text.to_owned()),
                        Heard::Message(Message::Binary(bytes)) => What::Binary(bytes.to_vec()),
                        Heard::Pong(took_ns) => What::Pong(took_ns),
                        Heard::Close(code, reason) => What::Close(code, reason.to_owned()),
                        Heard::Lost(why) => What::Lost(why),
                    };
                    tell(at_ns, what);
                });
            }
        }
        self.news = news;
    }

    /// All that was said on a socket is written.
    pub(super) fn socket_wrote(&mut self, slot: Slot) {
        if let Some(purpose) = &self.pool.get(slot).socket {
            self.news.push(News { token: purpose.token, at_ns: now_ns(), what: What::Written });
        }
    }

    /// The subprotocol that a socket's peer has agreed on.
    pub fn protocol(&mut self, slot: Slot) -> Option<String> {
        self.pool.get(slot).socket.as_ref()?.socket.as_ref()?.protocol().map(str::to_owned)
    }

    /// The values of `Set-Cookie` in the answer to a socket's handshake, once.
    pub fn set_cookies(&mut self, slot: Slot) -> Vec<String> {
        let socket = self.pool.get(slot).socket.as_mut().and_then(|purpose| purpose.socket.as_mut());
        socket.map(Socket::take_cookies).unwrap_or_default()
    }

    /// Whether the peer has yet to take what was said on a socket. If so, [`What::Written`] tells when it has.
    pub fn lags(&mut self, slot: Slot) -> bool {
        let lags = self.reactor.is_sending(slot);
        if lags {
            self.reactor.tell_written(slot);
        }
        lags
    }

    /// Whoever reads a socket cannot take more for now: the peer must wait, and none of its times run.
    pub fn hold_socket(&mut self, slot: Slot) {
        self.pool.get(slot).is_held = true;
        self.reactor.pause(slot);
    }

    /// There is room again.
    pub fn release_socket(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        if !std::mem::take(&mut connection.is_held) {
            return;
        }
        if let Some(socket) = connection.socket.as_mut().and_then(|purpose| purpose.socket.as_mut()) {
            socket.excuse(now_ns());
        }
        self.reactor.resume(slot);
    }
}
