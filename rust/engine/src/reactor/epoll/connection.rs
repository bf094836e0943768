//! A connection of an epoll's: its socket, what its peer has not taken yet, and what is known of its end. It reads once
//! and writes once when it is told to; when that is, it does not know.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::super::unsent::{Unsent, is_loss};
use super::super::{Generation, borrow, connected, stamp};

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct Connection {
    pub(super) socket: Option<OwnedFd>,
    pub(super) generation: Generation,
    pub(super) connecting: bool,
    pub(super) ending: bool,
    /// Nothing is read of it for now.
    pub(super) paused: bool,
    pub(super) unsent: Unsent,
    /// Somebody wants to know when there is nothing unsent.
    pub(super) tells: bool,
}

impl Connection {
    /// Reads what has come: how many bytes, and when the last of them did by the wall clock, if that is wanted and the
    /// kernel says so.
    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8], stamped: bool) -> Result<(usize, Option<i64>), Errno> {
        let socket = borrow(self.socket.as_ref()).ok_or(Errno::AGAIN)?;
        retry_on_intr(|| {
            if stamped {
                stamp::receive(socket, buffer)
            } else {
                recv(socket, &mut *buffer, RecvFlags::empty()).map(|(length, _)| (length, None))
            }
        })
    }

    /// Writes behind what is left; `Err` when the connection is broken.
    #[inline]
    pub(super) fn write(&mut self, bytes: &Rc<[u8]>) -> Result<(), Errno> {
        let Some(socket) = borrow(self.socket.as_ref()) else {
            return Ok(());
        };
        if !self.unsent.is_empty() {
            self.unsent.push(bytes, 0);
            return Ok(());
        }
        match retry_on_intr(|| send(socket, bytes, SendFlags::NOSIGNAL)) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => {
                self.unsent.push(bytes, written);
                self.unsent.write(socket)
            }
            Err(error) if self.unsent.is_datagrams && is_loss(error) => Ok(()),
            Err(error) => {
                self.unsent.push(bytes, 0);
                if error == Errno::AGAIN { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Writes what is left.
    pub(super) fn write_on(&mut self) -> Result<(), Errno> {
        borrow(self.socket.as_ref()).map_or(Ok(()), |socket| self.unsent.write(socket))
    }

    /// How the attempt to connect went, now that it is decided.
    pub(super) fn decide(&mut self) -> Result<(), Errno> {
        self.connecting = false;
        borrow(self.socket.as_ref()).map_or(Err(Errno::NOTCONN), connected)
    }
}
