//! How connections come about: from the first address to the protocol that is spoken, or to why there is none.

use std::mem;

use rustix::io::Errno;

use super::{Client, Happened};
use crate::http2::connection::Connection as Http2;
#[cfg(feature = "http3")]
use crate::http3::connection::Connection as Http3;
use crate::layers::{self, Layers};
use crate::multiplexed::Limits;
use crate::outcome::ErrorKind;
use crate::pool::Connection;
use crate::reactor::{Address, Reactor, Slot};
use crate::wire::Version;

/// Where requests go.
pub struct Origin {
    /// Dealt round-robin.
    pub addresses: Vec<Address>,
    /// Whose turn it is.
    pub next: usize,
    /// What lies between a socket and HTTP.
    pub layers: layers::Plan,
    /// Whether its connections carry several requests at once; `None` until the peer has said so.
    pub shares: Option<bool>,
}

impl<R: Reactor> Client<R> {
    /// How many more connections to make for so many requests that wait for one.
    pub fn wanted(&self, origin: usize, waiting: usize) -> usize {
        let streams = self.origins[origin].layers.streams;
        let may_share = self.may_share(origin);
        // One at a time where it may carry many: what waits is soon on its way.
        let needed = if may_share { waiting.div_ceil(self.limits(streams).streams) } else { waiting };
        needed.saturating_sub(self.pool.connecting(origin))
    }

    /// Whether a connection may carry several requests at once.
    fn may_share(&self, origin: usize) -> bool {
        let Origin { layers: layers::Plan { http, ref tls, .. }, shares, .. } = self.origins[origin];
        !self.wear.once
            && shares.unwrap_or(matches!(http, Version::Two | Version::Three) || http == Version::Auto && tls.is_some())
    }

    /// What a shared connection may carry.
    fn limits(&self, streams: Option<u32>) -> Limits {
        let usual = Limits::default();
        let streams = if self.wear.once { 1 } else { streams.map_or(usual.streams, |streams| streams as usize) };
        Limits { streams, window_bytes: self.window_bytes, ..usual }
    }

    /// Begins one more connection; `None` where the cap forbids it.
    pub fn connect(&mut self, origin: usize, now: u64) -> Option<Happened> {
        self.make_room(origin);
        let slot = self.pool.open(origin, now, now.saturating_add(self.connect_timeout_ns))?;
        Some(match self.begin_connecting(slot, origin) {
            Ok(()) => Happened::Nothing,
            Err(error) => self.fail(slot, now, connect_error(error)),
        })
    }

    /// Closes an idle connection that leads elsewhere, where the cap allows no more.
    pub(super) fn make_room(&mut self, origin: usize) {
        if self.pool.opened() >= self.pool.cap()
            && let Some(slot) = self.pool.spare(origin)
        {
            self.close(slot);
        }
    }

    /// To the address whose turn it is, from the one whose turn it is.
    pub(super) fn begin_connecting(&mut self, slot: Slot, origin: usize) -> Result<(), Errno> {
        let source = (!self.sources.is_empty()).then(|| self.sources[self.bound % self.sources.len()]);
        self.bound += 1;
        let Origin { addresses, next, .. } = &mut self.origins[origin];
        let address = addresses[*next % addresses.len()].clone();
        *next += 1;
        self.reactor.connect(slot, &address, source)?;
        self.begin_datagrams(slot, &address)
    }

    /// Where datagrams go, what is spoken by them makes the connection.
    #[cfg(feature = "http3")]
    fn begin_datagrams(&mut self, slot: Slot, address: &Address) -> Result<(), Errno> {
        let plan = &self.origins[self.pool.get(slot).origin].layers;
        if let (Address::Datagrams(address), Some(peer)) = (address, &plan.quic) {
            let http3 = Http3::new(peer, *address, self.limits(plan.streams)).map_err(|_| Errno::INVAL)?;
            self.pool.get(slot).shared = Some(Box::new(http3));
        }
        Ok(())
    }

    #[cfg(not(feature = "http3"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it stands for the other")]
    fn begin_datagrams(&mut self, _: Slot, _: &Address) -> Result<(), Errno> {
        Ok(())
    }

    /// There is a socket.
    pub(super) fn connected(&mut self, slot: Slot, now: u64) -> Happened {
        if self.pool.get(slot).shared.is_some() {
            self.unflushed.push(slot);
            return Happened::Nothing;
        }
        let plan = &self.origins[self.pool.get(slot).origin].layers;
        if plan.is_empty() {
            return self.ready(slot, now);
        }
        let begun = Layers::begin(plan, now, &mut self.out);
        self.send_out(slot);
        match begun {
            Ok(layers) => {
                let is_built = layers.is_built();
                self.pool.get(slot).layers = Some(Box::new(layers));
                if is_built { self.ready(slot, now) } else { Happened::Nothing }
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    /// The layers stand: what is spoken above them?
    pub(super) fn ready(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        let origin = &mut self.origins[connection.origin];
        let layers::Plan { http, streams, .. } = origin.layers;
        let version = connection.layers.as_ref().map_or(Ok(Version::One), |layers| layers.version(http));
        origin.shares = Some(version == Ok(Version::Two));
        match version {
            Err(kind) => self.fail(slot, now, kind),
            Ok(_) if self.pool.get(slot).socket.is_some() => self.begin_socket(slot, now),
            Ok(Version::Two) => {
                let limits = self.limits(streams);
                self.pool.get(slot).shared = Some(Box::new(Http2::new(limits)));
                self.unflushed.push(slot);
                Happened::Nothing
            }
            Ok(_) => {
                self.idle(slot, now);
                self.has_connected(slot, now)
            }
        }
    }

    pub(super) fn has_connected(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        let handshake = connection.layers.as_ref().and_then(|layers| layers.handshake());
        let took_ns = handshake.map_or(now, |(tls_since_ns, _)| tls_since_ns).saturating_sub(connection.since_ns);
        Happened::Connected { origin: connection.origin, took_ns, tls_ns: handshake.map(|(_, tls_ns)| tls_ns) }
    }

    /// A connection fails before it has carried anything, and with it who waits for it.
    pub(super) fn fail_to_connect(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        let Connection { origin, born_ns, .. } = *self.pool.get(slot);
        self.close(slot);
        if self.pool.connecting(origin) == 0 {
            for again in mem::take(&mut self.again) {
                if again.origin == origin {
                    self.not_sent(again.sent_ns, now, again.sending, kind);
                } else {
                    self.again.push_back(again);
                }
            }
        }
        Happened::ConnectFailed { origin, kind, since_ns: if self.may_share(origin) { born_ns } else { 0 } }
    }
}

pub(super) fn connect_error(error: Errno) -> ErrorKind {
    match error {
        Errno::CONNREFUSED => ErrorKind::ConnectRefused,
        Errno::TIMEDOUT => ErrorKind::ConnectTimeout,
        Errno::MFILE | Errno::NFILE => ErrorKind::NoDescriptors,
        Errno::ADDRNOTAVAIL => ErrorKind::NoPorts,
        _ => ErrorKind::ConnectFailed,
    }
}
