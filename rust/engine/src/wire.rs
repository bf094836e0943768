//! How connections are made, as the plan says it: where from, through what, with which security, for how long.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// What holds for every connection of a run. What is not given is what a user expects who said nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wire {
    /// What https needs to know.
    pub tls: Tls,
    /// Which HTTP to speak.
    pub http: Version,
    /// Cap on requests at once on a connection of HTTP/2 or 3; the peer may allow fewer.
    pub streams: Option<u32>,
    /// Every request on a connection of its own.
    pub no_keepalive: bool,
    /// A connection that was idle for longer is not used again.
    pub max_idle_ns: Option<u64>,
    /// A connection that is older is not used again.
    pub max_lifetime_ns: Option<u64>,
    /// Addresses of this machine that connections come from, in turns.
    pub bind: Vec<IpAddr>,
    /// A socket in the file system that all connections go to.
    pub unix_socket: Option<PathBuf>,
    /// What connections go through.
    pub proxy: Option<Proxy>,
}

/// Which HTTP to speak.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Version {
    /// What the peer prefers, where it can be asked: HTTP/2 or 1.1 over TLS, 1.1 in clear text.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1")]
    One,
    /// HTTP/2.
    #[serde(rename = "2")]
    Two,
    /// HTTP/3.
    #[serde(rename = "3")]
    Three,
}

/// What https needs to know.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A file of certificates to trust instead of the system's.
    pub cacert: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub cert: Option<PathBuf>,
    /// Its key, where it is not in the same file.
    pub key: Option<PathBuf>,
    /// Trust whoever answers.
    pub insecure: bool,
    /// Refuse TLS 1.2.
    pub only_tls13: bool,
    /// Every handshake a full one.
    pub no_resumption: bool,
}

/// What connections go through.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Where it is.
    pub address: SocketAddr,
    /// `user:password`.
    #[serde(default)]
    pub userinfo: Option<String>,
    /// Hosts that are reached without it: names, which stand for what ends in them too, and addresses.
    #[serde(default)]
    pub except: Vec<String>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    /// `CONNECT host:port`, and from then on it only carries bytes.
    Http,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved there.
    Socks5h,
}
