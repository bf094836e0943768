//! Which of this machine's ports a connection leaves from. Left to itself Linux tries every second port in turn and
//! leaves the others to servers: with half of them taken each connect would walk through 14,000, for a fifth of a second
//! in the end. Here each connection takes the second port behind the last one's, and where that is taken the search goes on at
//! a random place: so a crowd does not run into itself, and seldom into others.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::io::Errno;

use super::set_option;
use crate::clock::now_ns;
use crate::random;

/// Of Linux 6.3; an older one does not know it and chooses by itself.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
/// Tries before the system is left to search: by then nearly all are taken.
const TRIES: u64 = 12;
/// The first of them are among those that servers are not given.
const POLITE_TRIES: u64 = 6;

/// Begins to connect.
pub(super) fn connect(socket: &OwnedFd, to: &SocketAddr) -> Result<(), Errno> {
    thread_local!(static PLACE: Cell<u64> = Cell::new(random::bits(now_ns(), 0)));
    if let Some(ports) = ports() {
        for attempt in 0..TRIES {
            let place = PLACE.get();
            PLACE.set(place.wrapping_add(2));
            let port = choose(ports, place, attempt < POLITE_TRIES);
            // Where nobody listens there, a connection from there would reach itself.
            if port == to.port() {
                continue;
            }
            choose_among(socket, port, port);
            let connected = rustix::net::connect(socket, to);
            if connected != Err(Errno::ADDRNOTAVAIL) {
                return connected;
            }
            PLACE.set(random::bits(now_ns(), attempt));
        }
        choose_among(socket, 0, 0);
    }
    rustix::net::connect(socket, to)
}

/// The one at a place; a polite choice leaves every second to servers.
fn choose(ports: &RangeInclusive<u16>, place: u64, is_polite: bool) -> u16 {
    let offset = (place % (u64::from(ports.end() - ports.start()) + 1)) as u16;
    ports.start() + if is_polite { offset & !1 } else { offset }
}

/// What the system is to choose from; all of its ports where both are 0.
fn choose_among(socket: &OwnedFd, first: u16, last: u16) {
    let range = u32::from(last) << 16 | u32::from(first);
    set_option(socket, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, range.cast_signed());
}

/// The system's own range.
fn ports() -> Option<&'static RangeInclusive<u16>> {
    static PORTS: OnceLock<Option<RangeInclusive<u16>>> = OnceLock::new();
    PORTS.get_or_init(|| parse(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)).as_ref()
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = text.split_whitespace().map(str::parse);
    let range = ends.next()?.ok()?..=ends.next()?.ok()?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

    use super::*;

    #[test]
    fn the_range_is_read_as_the_system_writes_it() {
        assert_eq!(parse("32768\t60999\n"), Some(32768..=60999));
        for wrong in ["", "32768", "60999 32768", "a b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn servers_keep_their_half_until_ours_is_full() {
        let ports = 32768..=60999;
        let all = |is_polite| (0..100_000).map(move |place| choose(&(32768..=60999), place, is_polite));
        assert!(all(true).chain(all(false)).all(|port| ports.contains(&port)));
        assert!(all(true).all(|port| port % 2 == 0) && all(false).any(|port| port % 2 == 1));
        assert_eq!(choose(&(1..=1), 7, true), 1);
    }

    /// Catches a port that is asked for and not free, and is then not looked for elsewhere: 200 from one address.
    #[test]
    fn a_connection_leaves_from_a_free_port() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let made: Vec<_> = (0..200)
            .map(|_| {
                let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP)).unwrap();
                super::super::leave_port_open(&socket);
                bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 0))).unwrap();
                connect(&socket, &to).unwrap();
                (socket, listener.accept().unwrap().1)
            })
            .collect();
        let mut ports: Vec<_> = made.iter().map(|(_, from)| from.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200);
        if let Some(range) = super::ports() {
            assert!(ports.iter().all(|port| range.contains(port)), "{ports:?} in {range:?}");
        }
    }
}
