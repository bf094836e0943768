//! What carries several requests at a time, without I/O: bytes go in, bytes to be written and requests that ended come
//! out. HTTP/2 is one such, HTTP/3 another; whoever owns a connection need not know which.

pub(crate) mod exchange;
pub(crate) mod in_flight;

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::http::response::{BODY_LIMIT, Shape};
use crate::http2::request::Rendered;
use crate::outcome::ErrorKind;
use crate::pool::Sending;
use crate::streamed::Piece;

/// What the peer may send unasked: nothing waits here for a reader, so there is no reason to slow it down.
pub const WINDOW_BYTES: u32 = 1 << 30;
/// How many requests at a time, if nobody says otherwise. RFC 9113 wants no peer to take fewer.
const USUAL_STREAMS: usize = 100;

/// A connection. The owner moves its bytes and decides when to send; all instants are the owner's.
pub trait Multiplexed: fmt::Debug {
    /// The peer has said what it takes. Before, a request might be one too many and be refused: to wait for this belongs
    /// to connecting.
    fn is_ready(&self) -> bool;

    /// How many more requests it takes now.
    fn room(&self) -> usize;

    /// Requests without an end.
    fn in_flight(&self) -> usize;

    /// The labels of those.
    fn labels(&self) -> Vec<usize>;

    /// It will never carry anything again: flush it once more, then close it.
    fn is_done(&self) -> bool;

    /// Why it will never carry anything again, where it failed.
    fn failure(&self) -> Option<Failure>;

    /// Begins a request, to be written with the next [`Multiplexed::flush`]. What flow control does not allow yet waits
    /// and follows by itself. `false`: it has no room, ask another connection.
    #[must_use]
    fn send(&mut self, request: &Rc<Rendered>, sending: Sending, now: u64) -> bool;

    /// Takes bytes of the peer that arrived at an instant: in whatever slices, or each datagram by itself.
    fn feed(&mut self, bytes: &[u8], now: u64, ended: &mut Vec<Ended>);

    /// Appends what is to be written to `out`. To be asked after [`Multiplexed::send`] and [`Multiplexed::feed`]; several
    /// requests before it go out together. `may_upload`: pieces of bodies too; whether there were any.
    fn flush(&mut self, now: u64, may_upload: bool, out: &mut Vec<u8>, ended: &mut Vec<Ended>) -> bool;

    /// All that was written so far has been sent: the peer reads.
    fn all_sent(&mut self);

    /// It takes no more requests; those on it go on.
    fn retire(&mut self);

    /// Whether bodies are read while they are sent.
    fn has_uploads(&self) -> bool;

    /// Requests that took more than one write and are written by now: their labels, and how long that took.
    fn take_sent(&mut self) -> Vec<(usize, u64)>;

    /// The tokens of requests that wait for the next piece of a body that is still being made.
    fn take_hungry(&mut self) -> Vec<u64>;

    /// What came of responses that are streamed.
    fn take_pieces(&mut self, pieces: &mut Vec<Piece>);

    /// Ends what has taken longer than its timeout; the peer is told with the next [`Multiplexed::flush`].
    fn expire(&mut self, now: u64, ended: &mut Vec<Ended>);

    /// Whether it carries the request with this token, streamed.
    fn is_streaming(&self, token: u64) -> bool;

    /// Whoever reads a streamed response cannot take more for now.
    fn hold(&mut self, token: u64);

    /// What came of a streamed response was taken: the peer is told with the next [`Multiplexed::flush`].
    fn release(&mut self, token: u64, now: u64);

    /// Ends a streamed request whose head has come: the rest is not wanted, or the failure is the reader's. The peer is
    /// told with the next [`Multiplexed::flush`].
    fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>, ended: &mut Vec<Ended>);

    /// Ends a request whose body cannot be made to its end. The peer is told with the next [`Multiplexed::flush`].
    fn break_off(&mut self, token: u64, now: u64, why: ErrorKind, ended: &mut Vec<Ended>);

    /// The connection was lost: so are the requests on it.
    fn lose(&mut self, now: u64, kind: ErrorKind, ended: &mut Vec<Ended>);

    /// Lengths of the datagrams that the last [`Multiplexed::flush`] wrote, where they are not just bytes.
    fn take_datagrams(&mut self) -> Vec<usize> {
        Vec::new()
    }

    /// When to call [`Multiplexed::see_to_time`], if ever.
    fn timer_ns(&mut self) -> Option<u64> {
        None
    }

    /// Does what time demands.
    fn see_to_time(&mut self, _now: u64, _ended: &mut Vec<Ended>) {}

    /// The next [`Multiplexed::flush`] tells the peer that there is nothing more to come, where the end of the socket
    /// does not say so.
    fn say_goodbye(&mut self, _now: u64) {}
}

/// How much a connection takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at a time.
    pub streams: usize,
    /// Largest body of a response.
    pub body_bytes: u64,
    /// How much of a response may come that nobody has taken.
    pub window_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: USUAL_STREAMS, body_bytes: BODY_LIMIT, window_bytes: WINDOW_BYTES }
    }
}

/// A request that ended. All instants as the owner gave them.
#[derive(Debug)]
pub struct Ended {
    /// What it was.
    pub request: Rc<Rendered>,
    /// What the sender said of it.
    pub sending: Sending,
    /// When it was sent.
    pub sent_ns: u64,
    /// When the first byte of its answer was read; `sent_ns` if none came.
    pub first_byte_ns: u64,
    /// Bytes of the frames that were written for it.
    pub bytes_sent: u64,
    /// Bytes of the frames that came for it.
    pub bytes_received: u64,
    /// The status of its response.
    pub result: Result<u16, Failure>,
    /// The response in the words of HTTP/1.1, if it was to be kept.
    pub answer: Option<(Shape, Vec<u8>)>,
}

/// Why a request on such a connection has no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer broke the rules of the protocol.
    Protocol,
    /// The peer gave the stream up, with this code.
    Reset(u32),
    /// The peer did not begin with the request and says so: it may be sent again.
    Refused,
    /// The peer gave the connection up, with this code, before it began with the request: it may be sent again
    /// elsewhere.
    GoAway(u32),
    /// What can happen to any request.
    Other(ErrorKind),
}

impl Failure {
    /// As the books have it.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Protocol => ErrorKind::ProtocolError,
            Self::Reset(_) | Self::Refused => ErrorKind::StreamReset,
            Self::GoAway(_) => ErrorKind::GoAway,
            Self::Other(kind) => kind,
        }
    }
}

/// The context of somebody who looks again when there is something to see.
pub(crate) fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
