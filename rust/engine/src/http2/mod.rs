//! HTTP/2 as a client needs it, without I/O: slices go in, bytes to be written and requests that ended come out.
//!
//! The protocol is the `h2` crate's. What it expects around itself, a socket and an executor, is here instead: the socket
//! is two buffers ([`transport`]); the executor is one look at the connection for each slice, and one at each stream
//! that the slice spoke of ([`frames`] knows which), so nothing needs waking.

pub mod connection;
mod frames;
pub mod request;
mod stream;
pub mod translations;
mod transport;

#[cfg(test)]
mod tests;

use crate::outcome::ErrorKind;

/// Why a request over HTTP/2 has no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer broke the rules of HTTP/2.
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

    fn of(error: &h2::Error) -> Self {
        let code = error.reason().map_or(0, u32::from);
        match error {
            _ if error.is_io() => Self::Other(ErrorKind::Closed),
            _ if !error.is_remote() => Self::Protocol,
            _ if error.is_go_away() => Self::GoAway(code),
            _ if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Self::Refused,
            _ => Self::Reset(code),
        }
    }
}
