//! The socket that the protocol believes it has: one buffer to read from, one to write to. It always takes what is
//! written, and has nothing to read when the last slice is used up.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug, Default)]
struct Buffers {
    inbound: Vec<u8>,
    read: usize,
    outbound: Vec<u8>,
}

/// See the module. Clones are the two ends of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Transport(Rc<RefCell<Buffers>>);

impl Transport {
    /// Bytes that came from the peer.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.0.borrow_mut().inbound.extend_from_slice(bytes);
    }

    /// Moves what is to be written to the end of `out`.
    pub(super) fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.borrow_mut().outbound);
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let buffers = &mut *self.0.borrow_mut();
        let rest = &buffers.inbound[buffers.read..];
        let part = rest.len().min(into.remaining());
        into.put_slice(&rest[..part]);
        buffers.read += part;
        if buffers.read == buffers.inbound.len() {
            buffers.inbound.clear();
            buffers.read = 0;
        }
        if part == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().outbound.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
