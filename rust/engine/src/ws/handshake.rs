//! The handshake: a request that asks to switch protocols, and whether the answer agrees. RFC 6455, sections 4.1, 4.2.2.

use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::extension::{Agreed, Offer};
use super::failure::Failure;
use crate::http::head::{HEAD_LIMIT, HEADER_LIMIT};
use crate::http::request::{UNSENT_EMPTY, is_token, render_parts};
use crate::outcome::ErrorKind;
use crate::plan::PlanError;
use crate::random;

/// What the server appends to the key to show that it knows the protocol.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Headers of which the handshake knows better.
const OWN: [&str; 9] = [
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-accept",
    "content-length",
    "transfer-encoding",
];

/// The handshake of any number of sockets: all but their keys.
#[derive(Debug)]
pub struct Opening {
    head: Vec<u8>,
    protocols: Vec<String>,
    offer: Option<Offer>,
}

/// What a server has agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The number of the subprotocol among those that were offered.
    pub protocol: Option<usize>,
    /// Compression.
    pub deflate: Option<Agreed>,
    /// What it sets: the values of `Set-Cookie` that are text.
    pub cookies: Vec<String>,
}

/// The answer so far.
#[derive(Debug)]
pub struct Answer {
    accept: String,
    /// Heads that came, but for the last of no consequence.
    text: Vec<u8>,
    /// Where the last of them begins.
    begin: usize,
}

impl Opening {
    /// The URL begins with `ws://` or `wss://`. The headers come on top of those that make the handshake.
    pub fn new(
        url: &str,
        headers: &[(String, String)],
        protocols: &[String],
        offer: Option<Offer>,
    ) -> Result<Self, PlanError> {
        let rest = url.strip_prefix("ws://").or_else(|| url.strip_prefix("wss://"));
        let Some(rest) = rest.filter(|rest| !rest.contains('#')) else {
            return Err(PlanError(format!("url: expected ws://HOST/PATH or wss://HOST/PATH, got {url:?}")));
        };
        // One that is given empty takes a default away, and is not sent itself.
        let mut all = headers.to_vec();
        all.retain(|(name, value)| !value.is_empty() || UNSENT_EMPTY.iter().any(|it| it.eq_ignore_ascii_case(name)));
        if let Some((name, _)) = all.iter().find(|(name, _)| OWN.iter().any(|own| name.eq_ignore_ascii_case(own))) {
            return Err(PlanError(format!("headers: {name} is the handshake's own, leave it out")));
        }
        for (at, protocol) in protocols.iter().enumerate() {
            if !is_token(protocol) || protocols[..at].contains(protocol) {
                return Err(PlanError(format!("subprotocols: expected different names, got {protocol:?}")));
            }
        }
        if let Some(bits) = offer.and_then(|offer| offer.server_window_bits).filter(|bits| !(8..=15).contains(bits)) {
            return Err(PlanError(format!("server_window_bits: expected 8 to 15, got {bits}")));
        }
        all.push(("Connection".into(), "Upgrade".into()));
        all.push(("Upgrade".into(), "websocket".into()));
        all.push(("Sec-WebSocket-Version".into(), "13".into()));
        if !protocols.is_empty() {
            all.push(("Sec-WebSocket-Protocol".into(), protocols.join(", ")));
        }
        if let Some(offer) = offer {
            all.push(("Sec-WebSocket-Extensions".into(), offer.render()));
        }
        let mut head = render_parts("GET", &format!("http://{rest}"), &all, None)?.bytes.into_vec();
        // The key of each socket takes the place of the empty line.
        head.truncate(head.len() - 2);
        Ok(Self { head, protocols: protocols.to_vec(), offer })
    }

    /// Appends the request of one socket, whose key follows from the seed. Its answer is what comes next.
    pub fn begin(&self, seed: u64, out: &mut Vec<u8>) -> Answer {
        let nonce = u128::from(random::bits(seed, u64::MAX)) << 64 | u128::from(random::bits(seed, u64::MAX - 1));
        let key = STANDARD.encode(nonce.to_be_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(format!("Sec-WebSocket-Key: {key}\r\n\r\n").as_bytes());
        Answer { accept: accept(&key), text: Vec::new(), begin: 0 }
    }

    /// The name of a subprotocol that was agreed on.
    pub fn protocol(&self, number: usize) -> &str {
        &self.protocols[number]
    }
}

impl Answer {
    /// Takes what belongs to the answer from the beginning of `bytes`. What the server agreed to, once it has.
    pub fn feed(&mut self, opening: &Opening, bytes: &mut &[u8]) -> Result<Option<Accepted>, Failure> {
        let before = self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(HEAD_LIMIT - before)]);
        // Parsed when its end has come, not at every byte: see `ResponseReader`.
        while ends(&self.text[before.saturating_sub(2).max(self.begin)..]) {
            let mut headers = [const { MaybeUninit::uninit() }; HEADER_LIMIT];
            let mut response = httparse::Response::new(&mut []);
            let parsed = httparse::ParserConfig::default()
                .parse_response_with_uninit_headers(&mut response, &self.text[self.begin..], &mut headers)
                .map_err(|error| match error {
                    httparse::Error::TooManyHeaders => Failure::Http(ErrorKind::HeaderTooLarge),
                    _ => Failure::Http(ErrorKind::BadResponse),
                })?;
            let httparse::Status::Complete(used) = parsed else { break };
            self.begin += used;
            match response.code.unwrap_or(0) {
                101 => {
                    let accepted = agree(opening, &self.accept, &response).map_err(Failure::BadHandshake)?;
                    *bytes = &bytes[self.begin - before..];
                    return Ok(Some(accepted));
                }
                // The real answer follows, before long.
                100..=199 => {}
                status @ 200..=999 => return Err(Failure::Refused(status)),
                _ => return Err(Failure::Http(ErrorKind::BadResponse)),
            }
        }
        if self.text.len() >= HEAD_LIMIT {
            return Err(Failure::Http(ErrorKind::HeaderTooLarge));
        }
        *bytes = &[];
        Ok(None)
    }
}

/// The end of a head is in sight.
fn ends(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"\n\n") || text.windows(3).any(|three| three == b"\n\r\n")
}

fn agree(opening: &Opening, accept: &str, response: &httparse::Response<'_, '_>) -> Result<Accepted, &'static str> {
    let values = |name: &'static str| {
        let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| str::from_utf8(header.value).unwrap_or("\u{fffd}").trim())
    };
    let says = |name, token: &str| {
        values(name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if response.version != Some(1) {
        return Err("it is not HTTP/1.1");
    }
    if !says("upgrade", "websocket") || !says("connection", "upgrade") {
        return Err("it does not say that it upgrades to WebSocket");
    }
    if !values("sec-websocket-accept").eq([accept]) {
        return Err("its Sec-WebSocket-Accept is not the one to the key");
    }
    let mut protocols = values("sec-websocket-protocol");
    let protocol = match (protocols.next(), protocols.next()) {
        (None, _) => None,
        (Some(name), None) => {
            let number = opening.protocols.iter().position(|offered| offered == name);
            Some(number.ok_or("its subprotocol is not one that was offered")?)
        }
        _ => return Err("it names more than one subprotocol"),
    };
    let deflate = Offer::agree(opening.offer, values("sec-websocket-extensions"))?;
    let cookies = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("set-cookie"));
    let cookies = cookies.filter_map(|header| str::from_utf8(header.value).ok().map(str::to_owned)).collect();
    Ok(Accepted { protocol, deflate, cookies })
}

fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

    fn opening(headers: &[(&str, &str)], offer: Option<Offer>) -> Result<Opening, PlanError> {
        let headers: Vec<_> = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Opening::new("ws://a:1/b?c", &headers, &["chat".into(), "v2.chat".into()], offer)
    }

    /// Feeds an answer in which `ACCEPT` stands for what the key demands. How much was left behind it.
    fn answered(text: &str, step: usize) -> Result<Option<(Accepted, usize)>, Failure> {
        let opening = opening(&[], Some(Offer::default())).unwrap();
        let mut answer = opening.begin(1, &mut Vec::new());
        let text = text.replace("ACCEPT", &format!("Sec-WebSocket-Accept: {}\r\n", answer.accept));
        let mut fed = 0;
        for mut piece in text.as_bytes().chunks(step) {
            fed += piece.len();
            if let Some(accepted) = answer.feed(&opening, &mut piece)? {
                return Ok(Some((accepted, text.len() - fed + piece.len())));
            }
            assert!(piece.is_empty());
        }
        Ok(None)
    }

    #[test]
    fn the_key_of_the_standard() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_request_says_what_the_standard_wants() {
        let mut out = Vec::new();
        opening(&[("Origin", "http://a"), ("Host", "b")], Some(Offer::default())).unwrap().begin(5, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /b?c HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("==\r\n\r\n") && text.matches("\r\n\r\n").count() == 1, "{text}");
        for line in [
            "Host: b",
            "Origin: http://a",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: chat, v2.chat",
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line} in {text}");
        }
        assert!(text.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; "));
        let key = text.split("Sec-WebSocket-Key: ").nth(1).unwrap().trim_end();
        assert_eq!(STANDARD.decode(key).unwrap().len(), 16);
        let mut other = Vec::new();
        opening(&[], None).unwrap().begin(6, &mut other);
        let other = String::from_utf8(other).unwrap();
        assert!(!other.contains(key) && !other.contains("Extensions"));
        let mut bare = Vec::new();
        opening(&[("Connection", ""), ("X-Of-Requests", ""), ("Accept", "")], None).unwrap().begin(7, &mut bare);
        let bare = String::from_utf8(bare).unwrap();
        assert!(bare.contains("\r\nConnection: Upgrade\r\n") && !bare.contains("X-Of") && !bare.contains("Accept:"));
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for (name, value) in [("UPGRADE", "x"), ("Sec-WebSocket-Key", "x"), ("Connection", "close")] {
            let PlanError(text) = opening(&[(name, value)], None).unwrap_err();
            assert_eq!(text, format!("headers: {name} is the handshake's own, leave it out"));
        }
        assert!(opening(&[("A", "b\r\nC: d")], None).is_err());
        for url in ["http://a/", "a", "ws://", "ws://a/#b", "ws://a/ b"] {
            assert!(Opening::new(url, &[], &[], None).is_err(), "{url}");
        }
        for protocols in [&["a b"][..], &["a,b"], &[""], &["a", "a"]] {
            let protocols: Vec<String> = protocols.iter().map(|&name| name.to_owned()).collect();
            assert!(Opening::new("wss://a", &[], &protocols, None).is_err(), "{protocols:?}");
        }
        let narrow = Offer { server_window_bits: Some(7), ..Offer::default() };
        assert!(opening(&[], Some(narrow)).is_err());
    }

    #[test]
    fn an_answer_that_agrees() {
        let usual = Agreed { client_takeover: false, server_takeover: false, client_window_bits: 15 };
        let none: &[&str] = &[];
        for (text, protocol, deflate, cookies, left) in [
            (format!("{BOTH}ACCEPT\r\n"), None, None, none, 0),
            (format!("{BOTH}ACCEPTSec-WebSocket-Protocol: v2.chat\r\n\r\n\u{1}xyz"), Some(1), None, none, 4),
            (
                format!(
                    "{BOTH}ACCEPTSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                     client_no_context_takeover\r\n\r\n"
                ),
                None,
                Some(usual),
                none,
                0,
            ),
            (
                "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 101 \r\nupgrade: x, WebSocket\r\n\
                 connection: keep-alive\r\nconnection: upgrade\r\nACCEPT\r\n\n"
                    .into(),
                None,
                None,
                none,
                1,
            ),
            (
                format!("{BOTH}Set-Cookie: a=1; Path=/\r\nACCEPTset-cookie: b=2\r\n\r\n"),
                None,
                None,
                &["a=1; Path=/", "b=2"],
                0,
            ),
        ] {
            let cookies: Vec<_> = cookies.iter().map(|&line| line.to_owned()).collect();
            for step in [1, 3, 1000] {
                let accepted = Accepted { protocol, deflate, cookies: cookies.clone() };
                assert_eq!(answered(&text, step), Ok(Some((accepted, left))), "{text}");
            }
        }
    }

    #[test]
    fn an_answer_that_does_not() {
        let bad = |text| Err(Failure::BadHandshake(text));
        for (text, expected) in [
            (format!("{BOTH}ACCEPT"), Ok(None)),
            ("HTTP/1.1 403 No\r\n\r\n".into(), Err(Failure::Refused(403))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".into(), Err(Failure::Refused(200))),
            ("SSH-2.0-OpenSSH\r\n\r\n".into(), Err(Failure::Http(ErrorKind::BadResponse))),
            (format!("{BOTH}\r\n"), bad("its Sec-WebSocket-Accept is not the one to the key")),
            (format!("{BOTH}ACCEPTACCEPT\r\n"), bad("its Sec-WebSocket-Accept is not the one to the key")),
            (
                format!("{BOTH}Sec-WebSocket-Accept: AAAA\r\n\r\n"),
                bad("its Sec-WebSocket-Accept is not the one to the key"),
            ),
            (
                "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nACCEPT\r\n".into(),
                bad("it does not say that it upgrades to WebSocket"),
            ),
            (
                "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nACCEPT\r\n".into(),
                bad("it does not say that it upgrades to WebSocket"),
            ),
            (format!("{BOTH}ACCEPT\r\n").replace("1.1", "1.0"), bad("it is not HTTP/1.1")),
            (
                format!("{BOTH}ACCEPTSec-WebSocket-Protocol: other\r\n\r\n"),
                bad("its subprotocol is not one that was offered"),
            ),
            (
                format!("{BOTH}ACCEPTSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
                bad("it names more than one subprotocol"),
            ),
            (
                format!("{BOTH}ACCEPTSec-WebSocket-Extensions: x-other\r\n\r\n"),
                bad("an extension that was not offered"),
            ),
            (format!("{BOTH}{}\r\n", "A: b\r\n".repeat(HEADER_LIMIT)), Err(Failure::Http(ErrorKind::HeaderTooLarge))),
            (format!("{BOTH}A: {}", "b".repeat(HEAD_LIMIT)), Err(Failure::Http(ErrorKind::HeaderTooLarge))),
            ("HTTP/1.1 102 x\r\n\r\n".repeat(HEAD_LIMIT / 8), Err(Failure::Http(ErrorKind::HeaderTooLarge))),
        ] {
            for step in [7, 1000] {
                assert_eq!(answered(&text, step), expected, "{text:.80}");
            }
        }
    }
}
