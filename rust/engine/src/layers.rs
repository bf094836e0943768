//! What lies between a socket and HTTP/1.1 on connections that need more than the socket: a tunnel through a proxy
//! first, then TLS. Bytes in, bytes out. No I/O here.
//!
//! ```text
//!   socket ──▶ tunnel? ──▶ TLS? ──▶ plain        every step writes what it wants sent to `out`
//! ```

use std::rc::Rc;

use crate::outcome::ErrorKind;
use crate::tls::{Host, Session, Stage};
use crate::tunnel::{Tunnel, Way};
use crate::wire::Version;

/// How connections to a place are built up, once there is a socket.
#[derive(Clone, Default)]
pub struct Plan {
    /// Through a proxy.
    pub tunnel: Option<Rc<Way>>,
    /// With TLS.
    pub tls: Option<Host>,
    /// Which HTTP is spoken above.
    pub http: Version,
    /// HTTP/2 and 3: requests at once.
    pub streams: Option<u32>,
    /// With QUIC instead of all that.
    #[cfg(feature = "http3")]
    pub quic: Option<crate::http3::quic::Peer>,
    /// By a proxy that is told with each request where it goes.
    pub forward: Option<Rc<Forward>>,
}

/// What a proxy must be told that passes requests on.
#[derive(Debug)]
pub struct Forward {
    /// What to put before a path: `http://host:port`.
    pub prefix: String,
    /// Who asks, as a whole line; empty where it does not matter.
    pub authorization: String,
}

impl Plan {
    /// Whether a socket is all that is needed.
    pub fn is_empty(&self) -> bool {
        self.tunnel.is_none() && self.tls.is_none() && self.forward.is_none() && self.http != Version::Two
    }
}

/// What came of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The connection is still being built up.
    Building,
    /// It stands, as of now.
    Built,
    /// It has stood before: `plain` is HTTP's.
    Open,
    /// The same, and the peer has said that it will send no more.
    Closed,
}

/// The layers of one connection.
#[derive(Debug)]
pub struct Layers {
    tunnel: Option<Tunnel>,
    host: Option<Host>,
    tls: Option<Session>,
    forward: Option<Rc<Forward>>,
    built: bool,
    /// When TLS began, once it has.
    tls_since_ns: u64,
    /// How long its handshake took, once it has ended.
    tls_ns: u64,
}

impl Layers {
    /// The socket stands: begins with the first layer.
    pub fn begin(plan: &Plan, now: u64, out: &mut Vec<u8>) -> Result<Self, ErrorKind> {
        let tunnel = plan.tunnel.as_ref().map(|way| Tunnel::begin(way, out));
        let forward = plan.forward.clone();
        let mut layers =
            Self { tunnel, host: plan.tls.clone(), tls: None, forward, built: false, tls_since_ns: 0, tls_ns: 0 };
        if layers.tunnel.is_none() {
            layers.go_on(now, out)?;
        }
        Ok(layers)
    }

    /// The tunnel stands, or there is none: what comes now is TLS, or HTTP.
    fn go_on(&mut self, now: u64, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        self.tunnel = None;
        match self.host.take() {
            None => self.built = true,
            Some(host) => {
                self.tls_since_ns = now;
                self.tls = Some(Session::begin(&host, out)?);
            }
        }
        Ok(())
    }

    /// Takes what has come.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        now: u64,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Progress, ErrorKind> {
        if let Some(tunnel) = &mut self.tunnel {
            let Some(taken) = tunnel.receive(bytes, out)? else {
                return Ok(Progress::Building);
            };
            bytes = &bytes[taken..];
            self.go_on(now, out)?;
            if self.built {
                plain.extend_from_slice(bytes);
                return Ok(Progress::Built);
            }
        }
        let Some(tls) = &mut self.tls else {
            plain.extend_from_slice(bytes);
            return Ok(Progress::Open);
        };
        Ok(match tls.receive(bytes, plain, out)? {
            Stage::Handshake => Progress::Building,
            // A peer that leaves while the connection is built up has not built it.
            Stage::Closed if !self.built => return Err(ErrorKind::TlsFailed),
            Stage::Open if !self.built => {
                self.built = true;
                self.tls_ns = now.saturating_sub(self.tls_since_ns);
                Progress::Built
            }
            Stage::Open => Progress::Open,
            Stage::Closed => Progress::Closed,
        })
    }

    /// Wraps what is to be sent.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        if let Some(tls) = &mut self.tls {
            return tls.send(plain, out);
        }
        let Some(forward) = &self.forward else {
            out.extend_from_slice(plain);
            return Ok(());
        };
        let path_at = plain.iter().position(|&byte| byte == b' ').map_or(0, |at| at + 1);
        let line_end = plain.iter().position(|&byte| byte == b'\n').map_or(plain.len(), |at| at + 1);
        for part in [
            &plain[..path_at],
            forward.prefix.as_bytes(),
            &plain[path_at..line_end],
            forward.authorization.as_bytes(),
            &plain[line_end..],
        ] {
            out.extend_from_slice(part);
        }
        Ok(())
    }

    /// Wraps what follows a request's head.
    pub fn send_more(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        if let Some(tls) = &mut self.tls {
            return tls.send(plain, out);
        }
        out.extend_from_slice(plain);
        Ok(())
    }

    /// There is nothing to wait for.
    pub fn is_built(&self) -> bool {
        self.built
    }

    /// When TLS began and how long its handshake took, where there is any.
    pub fn handshake(&self) -> Option<(u64, u64)> {
        self.tls.as_ref().map(|_| (self.tls_since_ns, self.tls_ns))
    }

    /// What is spoken above; an error where the peer has not chosen what it must.
    pub fn version(&self, wanted: Version) -> Result<Version, ErrorKind> {
        match &self.tls {
            Some(tls) if tls.is_http2() => Ok(Version::Two),
            Some(_) if wanted == Version::Two => Err(ErrorKind::ProtocolError),
            None if wanted == Version::Two => Ok(Version::Two),
            _ => Ok(Version::One),
        }
    }

    /// The end of the bytes must be said within TLS, or anybody on the way could have cut them off.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// What a connection died of that had not been built up yet.
    pub fn broken(&self) -> ErrorKind {
        match self {
            Self { tunnel: Some(_), .. } => ErrorKind::ProxyFailed,
            Self { built: false, .. } => ErrorKind::TlsFailed,
            _ => ErrorKind::Closed,
        }
    }
}
