//! Makes clients and the places they send to, as the plan wants them wired.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::net::SocketAddrUnix;

use crate::client::{Client, Origin, Wear};
use crate::growth::Growth;
#[cfg(feature = "http3")]
use crate::http3::quic::Peer;
use crate::layers::{self, Forward};
use crate::plan::Plan;
use crate::reactor::{Address, Reactor};
use crate::tls::{Host, Settings};
use crate::tunnel::Way;
use crate::wire::{Proxy, ProxyKind, Version, Wire};

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// With TLS.
    pub is_secure: bool,
    /// A name, or an address without brackets.
    pub host: String,
    /// The port, said or not.
    pub port: u16,
}

impl Place {
    /// Reads `http://HOST[:PORT]` or `https://…`, whatever follows.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|&port| port > 0)?),
            _ => (authority, if is_secure { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| Self { is_secure, host: host.to_owned(), port })
    }

    /// Host and port, as a URL and the header `Host` have them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.is_secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether both are one origin.
    pub fn is_same(&self, other: &Self) -> bool {
        let are = |place: &Self| (place.is_secure, place.port);
        are(self) == are(other) && self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// See the module.
pub struct Wiring {
    wire: Wire,
    known: HashMap<String, IpAddr>,
    settings: Option<Settings>,
    /// Proxies carry bytes, and no requests.
    tunnels: bool,
}

impl Wiring {
    /// What the plan says.
    pub fn new(plan: &Plan) -> Self {
        Self { wire: plan.wire.clone(), known: plan.resolve.clone(), settings: None, tunnels: false }
    }

    /// The same for connections that become sockets: HTTP/1.1 up to there, and nobody who passes on requests between.
    pub fn of_sockets(plan: &Plan) -> Self {
        let mut wiring = Self { tunnels: true, ..Self::new(plan) };
        wiring.wire.http = Version::One;
        wiring
    }

    /// A client with at most `cap` connections. Workers begin at different ones of the addresses that it binds.
    pub fn client<R: Reactor>(&self, reactor: R, cap: usize, connect_timeout_ns: u64, index: usize) -> Client<R> {
        let Wire { no_keepalive, max_idle_ns, max_lifetime_ns, ref bind, .. } = self.wire;
        let wear = Wear { once: no_keepalive, idle_ns: max_idle_ns, lifetime_ns: max_lifetime_ns };
        let mut sources = bind.clone();
        let turn = index.checked_rem(sources.len()).unwrap_or(0);
        sources.rotate_left(turn);
        Client::new(reactor, cap, connect_timeout_ns, wear, sources)
    }

    /// How fast connections may be opened.
    pub fn growth(&self) -> Growth {
        if self.wire.no_keepalive { Growth::unrationed() } else { Growth::default() }
    }

    /// The addresses to give for a place, where nobody needs to be asked for them.
    pub fn addresses(&self, place: &Place) -> Option<Vec<SocketAddr>> {
        if self.wire.unix_socket.is_some() || self.wire.proxy.as_ref().is_some_and(|proxy| proxy.finds(&place.host)) {
            return Some(Vec::new());
        }
        let known = self.known.get(&format!("{}:{}", place.host.to_ascii_lowercase(), place.port))?;
        Some(vec![SocketAddr::new(*known, place.port)])
    }

    /// A place that requests may go to, whose addresses are dealt round-robin from the `first`.
    pub fn origin(&mut self, place: &Place, addresses: &[SocketAddr], first: usize) -> Result<Origin, String> {
        let Wire { http, streams, .. } = self.wire;
        let mut layers = layers::Plan { http, streams, ..layers::Plan::default() };
        let mut ways: Vec<_> = addresses.iter().copied().map(Address::Inet).collect();
        if let Some(path) = &self.wire.unix_socket {
            let address = SocketAddrUnix::new(path).map_err(|error| format!("{}: {error}", path.display()))?;
            ways = vec![Address::Unix(address)];
        } else if let Some(proxy) = self.wire.proxy.as_ref().filter(|proxy| !proxy.leaves_out(&place.host)) {
            ways = vec![Address::Inet(proxy.address)];
            self.lead_through(proxy, place, addresses, &mut layers);
        }
        if place.is_secure {
            if self.settings.is_none() {
                self.settings = Some(Settings::read(&self.wire.tls, self.wire.http)?);
            }
            let host = self.settings.as_ref().and_then(|settings| Host::new(settings, &place.host));
            layers.tls = Some(host.ok_or_else(|| format!("{}: no certificate can be for that name", place.host))?);
        }
        if ways.is_empty() {
            return Err(format!("{}: no address", place.host));
        }
        if http == Version::Three {
            self.lead_by_datagrams(place, &mut ways, &mut layers)?;
        }
        Ok(Origin { addresses: ways, next: first, layers, shares: None })
    }

    #[cfg(feature = "http3")]
    fn lead_by_datagrams(&self, place: &Place, ways: &mut [Address], layers: &mut layers::Plan) -> Result<(), String> {
        let Some(settings) = self.settings.as_ref().filter(|_| place.is_secure) else {
            return Err(format!("{}: HTTP/3 needs https", place.host));
        };
        if layers.tunnel.is_some() || self.wire.unix_socket.is_some() {
            return Err(format!("{}: HTTP/3 goes straight to the server", place.host));
        }
        layers.quic = Some(Peer::new(settings, &place.host)?);
        for way in ways {
            if let Address::Inet(address) = way {
                *way = Address::Datagrams(*address);
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "http3"))]
    #[expect(clippy::unused_self, reason = "it stands for the other")]
    fn lead_by_datagrams(&self, _: &Place, _: &mut [Address], _: &mut layers::Plan) -> Result<(), String> {
        Err("this build has no HTTP/3".into())
    }

    fn lead_through(&self, proxy: &Proxy, place: &Place, addresses: &[SocketAddr], layers: &mut layers::Plan) {
        let userinfo = proxy.userinfo.clone();
        let is_clear = !self.tunnels && !place.is_secure && self.wire.http != Version::Two;
        if proxy.kind == ProxyKind::Http && is_clear {
            let authorization = userinfo.map(|it| format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(it)));
            let prefix = format!("http://{}", place.authority());
            layers.forward = Some(Rc::new(Forward { prefix, authorization: authorization.unwrap_or_default() }));
            return;
        }
        let resolved = addresses.first().filter(|_| proxy.kind == ProxyKind::Socks5);
        let host = resolved.map_or_else(|| place.host.clone(), |address| address.ip().to_string());
        layers.tunnel = Some(Rc::new(Way { kind: proxy.kind, userinfo, host, port: place.port }));
    }
}

impl Proxy {
    /// Whether it finds out itself where a host is.
    fn finds(&self, host: &str) -> bool {
        self.kind != ProxyKind::Socks5 && !self.leaves_out(host)
    }

    /// Whether a host is reached without it.
    pub fn leaves_out(&self, host: &str) -> bool {
        leaves_out(&self.except, host)
    }
}

/// Whether a host is among those that a proxy is not for: as curl reads `NO_PROXY`, but for IPv6 in brackets or as a
/// network and for `*` beside others, which older ones of it do not know. Of ports it knows nothing.
pub fn leaves_out(except: &[String], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let address = parse_address(&host);
    except.iter().map(|except| except.to_ascii_lowercase()).any(|except| match address {
        _ if except == "*" => true,
        Some(address) => parse_address(&except) == Some(address) || lies_within(address, &except),
        None => {
            let name = except.strip_suffix('.').unwrap_or(&except);
            let name = name.strip_prefix('.').unwrap_or(name);
            let before = if name.is_empty() { None } else { host.strip_suffix(name) };
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        }
    })
}

/// An address with brackets or without. A zone such as `%eth0` says only by which way it is reached.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.split('%').next()?.parse().ok()
}

/// Whether an address lies in a network such as `10.0.0.0/8`.
fn lies_within(address: IpAddr, network: &str) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return false };
    let (Some(base), Ok(bits)) = (parse_address(base), bits.parse::<u32>()) else { return false };
    let all = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((one, width), (other, other_width)) = (all(address), all(base));
    width == other_width && bits <= width && (one ^ other).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_urls() {
        let place = |is_secure, host: &str, port| Some(Place { is_secure, host: host.into(), port });
        for (url, expected) in [
            ("http://a/b:9", place(false, "a", 80)),
            ("https://a?x", place(true, "a", 443)),
            ("https://[::1]:8443/", place(true, "::1", 8443)),
            ("http://[::1]", place(false, "::1", 80)),
            ("ftp://a", None),
            ("http://:80/", None),
            ("http://a:x/", None),
        ] {
            assert_eq!(Place::of(url), expected, "{url}");
        }
    }

    /// (the list, who is left out, who is not)
    const EXCEPTIONS: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &["a.test", "127.0.0.1", "::1"]),
        ("*", &["a.test", "127.0.0.1", "::1"], &[]),
        ("b.test *", &["a.test", "::1"], &[]),
        ("a.test", &["a.test", "A.Test", "a.test.", "www.a.test", "WWW.A.test."], &["wwwa.test", "test", "a.test.b"]),
        ("A.Test.", &["a.test", "A.TEST."], &["b.test"]),
        (".a.test", &["a.test", "www.a.test"], &["wwwa.test"]),
        (". ..", &[], &["a.test", "127.0.0.1"]),
        ("*.a.test *a.test", &[], &["www.a.test", "a.test"]),
        ("a.test:80 127.0.0.1:80 [::1]:80", &[], &["a.test", "127.0.0.1", "::1"]),
        ("127.0.0.1", &["127.0.0.1"], &["127.0.0.2", "::1"]),
        ("0.0.1 .0.0.1 127.1", &[], &["127.0.0.1"]),
        ("10.0.0.0/8", &["10.1.2.3"], &["11.1.2.3", "::1", "a.test"]),
        ("10.0.0.0/33 10.0.0.0/x", &[], &["10.0.0.0"]),
        ("::1", &["::1", "0:0::1", "::1%lo"], &["::2", "127.0.0.1"]),
        ("[::1]", &["::1"], &["::2"]),
        ("0:0:0:0:0:0:0:1", &["::1"], &["::2"]),
        ("fd00::/8", &["fd12::1"], &["fe80::1", "10.0.0.1"]),
    ];

    #[test]
    fn hosts_are_left_out_as_curl_does_it() {
        for (list, without, through) in EXCEPTIONS {
            let except: Vec<_> = list.split_whitespace().map(String::from).collect();
            for host in *without {
                assert!(leaves_out(&except, host), "{list:?} leaves out {host}");
            }
            for host in *through {
                assert!(!leaves_out(&except, host), "{list:?} does not leave out {host}");
            }
        }
    }
}
