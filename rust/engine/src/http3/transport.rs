//! The QUIC that `h3` believes it has: it always takes what is written, and has nothing to read when what has come is
//! used up. Nothing here needs waking.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    Connection, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream, StreamErrorIncoming,
    StreamId as Http3StreamId, WriteBuf,
};
use quinn_proto::{Dir, StreamId};

use super::frames::Frames;
use super::quic::{Quic, Read};

/// What a peer may say on a stream of its own, in all: settings, and that it goes. The library keeps such a frame until
/// it is whole, however long it is.
const MOST_CONTROL_BYTES: usize = 64 * 1024;

/// See the module. Clones are ends of the same connection.
#[derive(Clone)]
pub(super) struct Transport(pub(super) Rc<RefCell<Quic>>);

/// One stream of it. Given up by its owner, not by being dropped.
pub(super) struct Stream {
    quic: Rc<RefCell<Quic>>,
    id: StreamId,
    frames: Frames,
    received: usize,
    is_over: bool,
}

impl Transport {
    fn stream(&self, id: StreamId) -> Stream {
        Stream { quic: Rc::clone(&self.0), id, frames: Frames::default(), received: 0, is_over: false }
    }
}

impl Stream {
    /// The peer broke the rules: the connection ends.
    fn give_up(&self, code: Code, reason: &[u8]) -> StreamErrorIncoming {
        let error_code = code.value();
        self.quic.borrow_mut().close(error_code, reason);
        let connection_error = ConnectionErrorIncoming::ApplicationClose { error_code };
        StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
    }
}

impl OpenStreams<Bytes> for Transport {
    type BidiStream = Stream;
    type SendStream = Stream;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        let begun = self.0.borrow_mut().begin_request();
        begun.map_or(Poll::Pending, |id| Poll::Ready(Ok(self.stream(id))))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        let begun = self.0.borrow_mut().begin_control();
        begun.map_or(Poll::Pending, |id| Poll::Ready(Ok(self.stream(id))))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.0.borrow_mut().close(code.value(), reason);
    }
}

impl Connection<Bytes> for Transport {
    type RecvStream = Stream;
    type OpenStreams = Self;

    fn poll_accept_recv(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, ConnectionErrorIncoming>> {
        let accepted = self.0.borrow_mut().accept_control();
        accepted.map_or(Poll::Pending, |id| Poll::Ready(Ok(self.stream(id))))
    }

    fn poll_accept_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, ConnectionErrorIncoming>> {
        Poll::Pending // the peer was told that it may open none
    }

    fn opener(&self) -> Self {
        self.clone()
    }
}

impl SendStream<Bytes> for Stream {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        let mut data = data.into();
        let bytes = data.copy_to_bytes(data.remaining());
        self.quic.borrow_mut().write(self.id, bytes);
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.quic.borrow_mut().finish(self.id);
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, code: u64) {
        self.quic.borrow_mut().reset(self.id, code);
    }

    fn send_id(&self) -> Http3StreamId {
        number(self.id)
    }
}

impl RecvStream for Stream {
    type Buf = Bytes;

    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let read = self.quic.borrow_mut().read(self.id);
        self.is_over = matches!(read, Read::End);
        match read {
            Read::Nothing => Poll::Pending,
            Read::Data(bytes) => {
                self.received += bytes.len();
                if self.id.dir() == Dir::Uni && self.received > MOST_CONTROL_BYTES {
                    return Poll::Ready(Err(self.give_up(Code::H3_EXCESSIVE_LOAD, b"too much on a control stream")));
                }
                self.frames.follow(&bytes);
                Poll::Ready(Ok(Some(bytes)))
            }
            // The library takes it for a whole one, and breaks.
            Read::End if self.id.dir() == Dir::Bi && self.frames.is_within_data() => {
                Poll::Ready(Err(self.give_up(Code::H3_FRAME_ERROR, b"received incomplete frame")))
            }
            Read::End => Poll::Ready(Ok(None)),
            Read::Reset(error_code) => Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code })),
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.quic.borrow_mut().stop(self.id, code);
    }

    fn recv_id(&self) -> Http3StreamId {
        number(self.id)
    }
}

fn number(id: StreamId) -> Http3StreamId {
    u64::from(id).try_into().unwrap_or_else(|_| unreachable!("both libraries number streams alike"))
}
