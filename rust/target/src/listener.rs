//! The listening socket; must not know what becomes of the connections.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

/// Clipped by the kernel to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A listening socket on the first address of the host that can be had.
pub(crate) fn listen_on(host: &str, port: u16) -> io::Result<TcpListener> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("{host}: no address"));
    for address in (host, port).to_socket_addrs()? {
        match listen_at(&address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

fn listen_at(address: &SocketAddr) -> Result<TcpListener, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted sockets inherit this one, which saves a call for each of them.
    sockopt::set_tcp_nodelay(&socket, true)?;
    bind(&socket, address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_brackets() {
        let v6 = TcpListener::bind("[::1]:0").is_ok(); // not every container has it
        for host in ["127.0.0.1", "localhost", "::1", "[::1]"] {
            if host.contains(':') && !v6 {
                continue;
            }
            let listener = listen_on(host, 0).unwrap_or_else(|error| panic!("{host}: {error}"));
            let address = listener.local_addr().expect("an address");
            assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error() {
        let first = listen_on("127.0.0.1", 0).expect("a free port");
        let port = first.local_addr().expect("an address").port();
        let error = listen_on("127.0.0.1", port).expect_err("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
