//! HTTP/3 as a client needs it, without I/O: datagrams go in, datagrams to be written and requests that ended come out.
//!
//! QUIC is the `quinn-proto` crate's, the protocol above it the `h3` crate's. What `h3` expects around itself, a QUIC
//! connection with an executor, is here instead, as in [`crate::http2`]: streams that take everything ([`transport`]),
//! one look at the connection when the peer speaks of it, and one at each stream that has something to read, so nothing
//! needs waking. Only QUIC has timers; whoever owns a connection asks when the next is due.

pub mod connection;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod memory;
mod protocol;
pub mod quic;
mod stream;
mod transport;

#[cfg(test)]
mod tests;

use h3::error::{Code, StreamError};

use crate::multiplexed::Failure;
use crate::multiplexed::exchange::HEADER_TOO_LARGE;
use crate::outcome::ErrorKind;

/// What the library says of a request, as the owner has it.
fn failure_of(error: &StreamError) -> Failure {
    match error {
        StreamError::RemoteTerminate { code: Code::H3_REQUEST_REJECTED, .. } => Failure::Refused,
        StreamError::RemoteTerminate { code, .. } => Failure::Reset(code.value() as u32),
        StreamError::HeaderTooBig { .. } => HEADER_TOO_LARGE,
        _ => Failure::Protocol,
    }
}

/// Why a connection is none any more.
fn loss_of(error: &quinn_proto::ConnectionError) -> Failure {
    use quinn_proto::ConnectionError as Lost;
    use quinn_proto::TransportErrorCode as Reason;
    let kind = match error {
        Lost::TransportError(error) => match alert_of(error.code) {
            None => return Failure::Protocol,
            Some(BAD_CERTIFICATE) => ErrorKind::TlsWrongName,
            Some(CERTIFICATE_EXPIRED) => ErrorKind::TlsExpired,
            Some(CERTIFICATE_UNKNOWN | UNKNOWN_CA | UNSUPPORTED_CERTIFICATE | CERTIFICATE_REVOKED | DECRYPT_ERROR) => {
                ErrorKind::TlsUntrusted
            }
            Some(_) => ErrorKind::TlsFailed,
        },
        Lost::ConnectionClosed(close) if alert_of(close.error_code).is_some() => ErrorKind::TlsFailed,
        Lost::ConnectionClosed(close) if close.error_code == Reason::CONNECTION_REFUSED => ErrorKind::ConnectRefused,
        Lost::Reset => ErrorKind::Reset,
        Lost::VersionMismatch | Lost::LocallyClosed => return Failure::Protocol,
        _ => ErrorKind::Closed,
    };
    Failure::Other(kind)
}

// What TLS tells the peer is all that QUIC leaves of its errors; `rustls` has one alert for each kind of ours.
const BAD_CERTIFICATE: u8 = 42;
const UNSUPPORTED_CERTIFICATE: u8 = 43;
const CERTIFICATE_REVOKED: u8 = 44;
const CERTIFICATE_EXPIRED: u8 = 45;
const CERTIFICATE_UNKNOWN: u8 = 46;
const UNKNOWN_CA: u8 = 48;
const DECRYPT_ERROR: u8 = 51;

/// The alert of TLS that an error of QUIC stands for (RFC 9001, 4.8).
fn alert_of(code: quinn_proto::TransportErrorCode) -> Option<u8> {
    u64::from(code).checked_sub(0x100).and_then(|alert| u8::try_from(alert).ok())
}
