//! The reactor moves bytes between sockets and the loop. It knows connections by number and nothing of HTTP.
//!
//! Two implementations of one trait: [`epoll`], which works everywhere on Linux, and [`uring`], which takes a fifth
//! less CPU where the system allows `io_uring`. A loop is compiled for each, so there is no dispatch on the path of a
//! request.
//!
//! ```text
//!   wait(deadline) ──▶ next() ─▶ Received(slot): look at received(), then send() or close(), then next() …
//! ```

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, ipproto, socket_with, sockopt,
};

pub mod epoll;
mod ports;
mod stamp;
mod unsent;
pub mod uring;

/// Number of a connection within a reactor: an index chosen by the caller, free again once it was closed.
pub type Slot = u32;

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection stands.
    Connected(Slot),
    /// Bytes have come; [`Reactor::received`] holds them until the next call of [`Reactor::next`].
    Received(Slot),
    /// The peer will send no more (`None`), or the connection failed.
    Ended(Slot, Option<Errno>),
    /// Everything was written: [`Reactor::tell_written`] has asked for it.
    Written(Slot),
    /// The control descriptor can be read.
    Control,
    /// A descriptor that somebody else watches can be read, or written.
    Foreign(RawFd, Readiness),
}

/// What can be done with a descriptor without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Reading, or hearing that it has ended or failed.
    pub readable: bool,
    /// Writing, or hearing that it has failed.
    pub writable: bool,
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Another host, or this one.
    Inet(SocketAddr),
    /// The same, by datagrams: each [`Reactor::send`] is one, and each [`Event::Received`].
    Datagrams(SocketAddr),
    /// A socket in the file system.
    Unix(SocketAddrUnix),
}

/// Moves bytes; see the module.
pub trait Reactor {
    /// Whether several sends may be under way on a connection at once: what carries TLS or HTTP/2 needs that.
    const QUEUES_SENDS: bool;

    /// Begins to connect, from an address of this machine's where one is given. [`Event::Connected`] or
    /// [`Event::Ended`] follows.
    fn connect(&mut self, slot: Slot, to: &Address, from: Option<IpAddr>) -> Result<(), Errno>;

    /// Writes all of `bytes`, now or as soon as the peer takes them. Unless sends are queued, one at a time on a
    /// connection. A failure comes as [`Event::Ended`].
    fn send(&mut self, slot: Slot, bytes: &Rc<[u8]>);

    /// Whether a request is still being written. A connection on which the answer came first must not carry another.
    fn is_sending(&self, slot: Slot) -> bool;

    /// Whether the peer is known to have closed behind what was read: it will answer no other request.
    fn is_ending(&self, slot: Slot) -> bool;

    /// Asks for one [`Event::Written`] as soon as all that was given to [`Reactor::send`] is written. Unless sends are
    /// queued, only while [`Reactor::is_sending`].
    fn tell_written(&mut self, slot: Slot);

    /// Hands over what was queued, where sends are queued.
    fn flush(&mut self) -> io::Result<()>;

    /// Reads no more of a connection, nor tells of its end, until [`Reactor::resume`]: the peer is to wait. Nobody asks
    /// for it but who streams responses; a reactor that is never used for that need not know how.
    fn pause(&mut self, _slot: Slot) {}

    /// Reads on.
    fn resume(&mut self, _slot: Slot) {}

    /// Closes a connection. Nothing more is heard of it.
    fn close(&mut self, slot: Slot);

    /// Waits for events until an instant (`None`: for ever; one that is past: not at all). Whether it found any.
    fn wait(&mut self, deadline_ns: Option<u64>) -> io::Result<bool>;

    /// The next event of the last wait. Those that are not asked for come after the next wait.
    fn next(&mut self) -> Option<Event>;

    /// Whether everything that had happened by the last wait was told; else the next one has more at once.
    fn is_drained(&self) -> bool;

    /// The bytes of the last [`Event::Received`].
    fn received(&self) -> &[u8];

    /// When they arrived, at the latest `now`. A reactor that reads at once need not know better.
    fn arrived_ns(&self, now: u64) -> u64 {
        now
    }

    /// Sleeps until an instant without looking at what comes meanwhile, where that spoils no stamp. Whether it did.
    fn rest(&mut self, _now: u64, _until_ns: u64) -> bool {
        false
    }
}

/// A new socket, connecting. Both reactors connect the same way: it happens once in a connection's life.
fn open(to: &Address, from: Option<IpAddr>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, connected) = match to {
        Address::Inet(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
            // A request is one write; waiting for more to send would only delay it.
            sockopt::set_tcp_nodelay(&socket, true)?;
            if let Some(source) = from.filter(|source| source.is_ipv4() == address.is_ipv4()) {
                leave_port_open(&socket);
                bind(&socket, &SocketAddr::new(source, 0))?;
            }
            let connected = ports::connect(&socket, address);
            (socket, connected)
        }
        Address::Datagrams(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
            forbid_fragments(&socket, address.is_ipv4());
            if let Some(source) = from.filter(|source| source.is_ipv4() == address.is_ipv4()) {
                bind(&socket, &SocketAddr::new(source, 0))?;
            }
            let connected = connect(&socket, address);
            (socket, connected)
        }
        Address::Unix(path) => {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let connected = connect(&socket, path);
            (socket, connected)
        }
    };
    match connected {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// The port is chosen when it is known where the connection leads: one may serve many destinations. A system that
/// cannot do that only runs out of ports sooner.
fn leave_port_open(socket: &OwnedFd) {
    set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1);
}

/// A datagram that is too large for the way is to be lost: who sends it is finding out what the way takes.
fn forbid_fragments(socket: &OwnedFd, is_ipv4: bool) {
    if is_ipv4 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE);
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE);
    }
}

/// Sets what a socket can do without.
fn set_option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    // SAFETY: the value is an int that outlives the call, and its size is given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// How an attempt to connect went, once the socket says that it is decided.
fn connected(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    sockopt::socket_error(socket).and_then(|result| result)
}

/// A number that tells a connection from an earlier one in the same slot: events of a closed connection may still be
/// on their way when its slot is taken again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Generation(u32);

impl Generation {
    /// Kept within 24 bits, so that a slot, a generation and a kind fit into the 64 bits that the kernel carries.
    fn next(self) -> Self {
        Self((self.0 + 1) & 0xff_ffff)
    }
}

fn borrow(socket: Option<&OwnedFd>) -> Option<BorrowedFd<'_>> {
    socket.map(AsFd::as_fd)
}
