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

use crate::multiplexed::Failure;
use crate::outcome::ErrorKind;

/// What the library says, as the owner has it.
fn failure_of(error: &h2::Error) -> Failure {
    let code = error.reason().map_or(0, u32::from);
    match error {
        _ if error.is_io() => Failure::Other(ErrorKind::Closed),
        _ if !error.is_remote() => Failure::Protocol,
        _ if error.is_go_away() => Failure::GoAway(code),
        _ if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Failure::Refused,
        _ => Failure::Reset(code),
    }
}
