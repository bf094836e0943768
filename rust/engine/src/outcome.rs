//! An outcome: one finished operation, with its stamps and how it ended. Only data; who counts it is in `record`.

/// How a request failed when it did not end in a complete response.
///
/// The order is part of the layout of a block: add at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ErrorKind {
    /// Nobody listens there.
    ConnectRefused,
    /// No connection within the timeout.
    ConnectTimeout,
    /// Any other failure to connect, such as an unreachable network.
    ConnectFailed,
    /// This machine has no file descriptor left (`EMFILE`, `ENFILE`).
    NoDescriptors,
    /// This machine has no local port left (`EADDRNOTAVAIL`).
    NoPorts,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before the response was complete.
    Closed,
    /// No complete response within the timeout.
    Timeout,
    /// What came back is not HTTP.
    BadResponse,
    /// The head of the response exceeds its limit.
    HeaderTooLarge,
    /// The body of the response exceeds its limit.
    BodyTooLarge,
    /// The user's own code raised an exception.
    ScriptError,
    /// A policy of the script's did not let it be sent.
    Refused,
    /// The name of the host has no address.
    NotResolved,
    /// It was sent on and on, and the next hop was not followed.
    TooManyRedirects,
    /// The certificate is expired, or not valid yet.
    TlsExpired,
    /// The certificate is for another name.
    TlsWrongName,
    /// Nobody who is trusted vouches for the certificate.
    TlsUntrusted,
    /// Any other failure of TLS.
    TlsFailed,
    /// The proxy refused, or is none.
    ProxyFailed,
    /// The peer broke the rules of HTTP/2 or 3, or does not speak it.
    ProtocolError,
    /// The peer gave up this one request of a connection.
    StreamReset,
    /// The peer gave up the connection before it looked at the request.
    GoAway,
    /// A file that was being sent became shorter, or could not be read.
    BodyUnreadable,
    /// The peer answered the handshake of a socket, and not with 101.
    WsRefused,
    /// It accepted what it was not asked for.
    WsBadHandshake,
    /// The peer broke the rules of WebSocket.
    WsProtocol,
    /// A message exceeds its limit.
    WsTooLarge,
    /// A text is not UTF-8.
    WsBadUtf8,
    /// A ping was not answered in time.
    WsNoPong,
    /// A close was not answered in time.
    WsCloseTimeout,
    /// A socket's connection ended without a close.
    WsAbnormalClose,
    /// The peer closed a socket that was still wanted.
    WsClosed,
    /// An answer came, and the script says that it is a failure.
    Rejected,
}

impl ErrorKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 34] = [
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::ConnectFailed,
        Self::NoDescriptors,
        Self::NoPorts,
        Self::Reset,
        Self::Closed,
        Self::Timeout,
        Self::BadResponse,
        Self::HeaderTooLarge,
        Self::BodyTooLarge,
        Self::ScriptError,
        Self::Refused,
        Self::NotResolved,
        Self::TooManyRedirects,
        Self::TlsExpired,
        Self::TlsWrongName,
        Self::TlsUntrusted,
        Self::TlsFailed,
        Self::ProxyFailed,
        Self::ProtocolError,
        Self::StreamReset,
        Self::GoAway,
        Self::BodyUnreadable,
        Self::WsRefused,
        Self::WsBadHandshake,
        Self::WsProtocol,
        Self::WsTooLarge,
        Self::WsBadUtf8,
        Self::WsNoPong,
        Self::WsCloseTimeout,
        Self::WsAbnormalClose,
        Self::WsClosed,
        Self::Rejected,
    ];

    /// The name that summaries and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::NoDescriptors => "no_descriptors",
            Self::NoPorts => "no_ports",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::BadResponse => "bad_response",
            Self::HeaderTooLarge => "header_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::ScriptError => "script_error",
            Self::Refused => "breaker_open",
            Self::NotResolved => "name_not_resolved",
            Self::TooManyRedirects => "too_many_redirects",
            Self::TlsExpired => "tls_expired",
            Self::TlsWrongName => "tls_wrong_name",
            Self::TlsUntrusted => "tls_untrusted",
            Self::TlsFailed => "tls_failed",
            Self::ProxyFailed => "proxy_failed",
            Self::ProtocolError => "protocol_error",
            Self::StreamReset => "stream_reset",
            Self::GoAway => "goaway",
            Self::BodyUnreadable => "body_unreadable",
            Self::WsRefused => "ws_refused",
            Self::WsBadHandshake => "ws_bad_handshake",
            Self::WsProtocol => "ws_protocol",
            Self::WsTooLarge => "ws_too_large",
            Self::WsBadUtf8 => "ws_bad_utf8",
            Self::WsNoPong => "ws_no_pong",
            Self::WsCloseTimeout => "ws_close_timeout",
            Self::WsAbnormalClose => "ws_abnormal_close",
            Self::WsClosed => "ws_closed",
            Self::Rejected => "rejected",
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A complete response with this status.
    Response(u16),
    /// No complete response.
    Error(ErrorKind),
}

/// One finished operation. All instants in nanoseconds of [`crate::clock`].
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// When the schedule, or in the closed model the user, wanted it sent.
    pub due_ns: u64,
    /// Just before its first byte was written.
    pub sent_ns: u64,
    /// When the first byte of the answer was read; `sent_ns` if none came.
    pub first_byte_ns: u64,
    /// When it was complete, or had failed.
    pub done_ns: u64,
    /// The label under which it counts.
    pub label: usize,
    /// Whatever whoever sent it knows it by.
    pub token: u64,
    /// Bytes written for it, where that was not known when it was sent.
    pub bytes_sent: u64,
    /// Bytes read for it.
    pub bytes_received: u64,
    /// How it ended.
    pub end: End,
}
