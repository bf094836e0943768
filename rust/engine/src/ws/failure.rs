//! How a WebSocket fails: the name that it counts under, the sentence that says it, the code that tells the peer.

use std::fmt;

use crate::outcome::ErrorKind;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The handshake failed as any request may: no answer in time, none at all, one that is not HTTP.
    Http(ErrorKind),
    /// The server answered the handshake with this status.
    Refused(u16),
    /// It agreed to switch, but not to what was asked for.
    BadHandshake(&'static str),
    /// It broke the rules of the protocol.
    Protocol(&'static str),
    /// A message exceeds its limit.
    TooLarge,
    /// A text, or the reason of a close, is not UTF-8.
    BadUtf8,
    /// A ping was not answered in time.
    NoPong,
    /// A close was not answered in time.
    CloseTimeout,
    /// The connection ended without a close.
    AbnormalClose,
}

impl Failure {
    /// The name that summaries and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http(kind) => kind.name(),
            Self::Refused(_) => "ws_refused",
            Self::BadHandshake(_) => "ws_bad_handshake",
            Self::Protocol(_) => "ws_protocol",
            Self::TooLarge => "ws_too_large",
            Self::BadUtf8 => "ws_bad_utf8",
            Self::NoPong => "ws_no_pong",
            Self::CloseTimeout => "ws_close_timeout",
            Self::AbnormalClose => "ws_abnormal_close",
        }
    }

    /// What the peer is told, where there is still somebody to tell: RFC 6455, section 7.4.1.
    pub fn close_code(self) -> Option<u16> {
        match self {
            Self::Protocol(_) => Some(1002),
            Self::BadUtf8 => Some(1007),
            Self::TooLarge => Some(1009),
            Self::NoPong => Some(1011),
            Self::Http(_) | Self::Refused(_) | Self::BadHandshake(_) | Self::CloseTimeout | Self::AbnormalClose => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(ErrorKind::Timeout) => f.write_str("the server did not answer the handshake in time"),
            Self::Http(ErrorKind::Closed) => f.write_str("the server closed before it had answered the handshake"),
            Self::Http(ErrorKind::HeaderTooLarge) => f.write_str("the answer to the handshake is too large"),
            Self::Http(_) => f.write_str("the answer to the handshake is not HTTP"),
            Self::Refused(status) => write!(f, "the server answered the handshake with status {status}, not 101"),
            Self::BadHandshake(what) => write!(f, "the server accepted the handshake wrongly: {what}"),
            Self::Protocol(what) => write!(f, "the server broke the WebSocket protocol: {what}"),
            Self::TooLarge => f.write_str("the server sent a message larger than the limit"),
            Self::BadUtf8 => f.write_str("the server sent a text that is not UTF-8"),
            Self::NoPong => f.write_str("the server did not answer a ping in time"),
            Self::CloseTimeout => f.write_str("the server did not answer a close in time"),
            Self::AbnormalClose => f.write_str("the connection ended without a close"),
        }
    }
}
