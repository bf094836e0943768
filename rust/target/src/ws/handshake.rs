//! The upgrade of a request to a WebSocket: what it must say, and the 101. Must not know sockets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::request::Request;
use crate::tail::put;
use crate::ws::deflate;
use crate::ws::wishes::Wishes;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// All that the 101 says, and what comes after it.
#[derive(Debug)]
pub(crate) struct Welcome {
    accept: String,
    protocol: Option<Box<str>>,
    pub(crate) deflate: bool,
    pub(crate) wishes: Wishes,
    /// Kept where the log or a law of delay asks for it.
    pub(crate) target: Option<Box<str>>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An ordinary request, or another version: 426.
    NotThisProtocol,
    /// 400.
    Broken(&'static str),
}

impl Welcome {
    pub(crate) fn of(request: &Request<'_, '_>, wishes: Wishes, logged: bool) -> Result<Self, Refusal> {
        let version = request.header("sec-websocket-version").map(<[u8]>::trim_ascii);
        if !has_word(request, "upgrade", "websocket") || version.is_some_and(|version| version != b"13") {
            return Err(Refusal::NotThisProtocol);
        }
        if request.method != "GET" || request.manner.http_1_0 || version.is_none() {
            return Err(Refusal::Broken("expected GET, HTTP/1.1 and Sec-WebSocket-Version: 13"));
        }
        if !has_word(request, "connection", "upgrade") {
            return Err(Refusal::Broken("expected Connection: Upgrade"));
        }
        let key = request.header("sec-websocket-key").unwrap_or_default().trim_ascii();
        if BASE64_STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
            return Err(Refusal::Broken("Sec-WebSocket-Key: expected 16 bytes in base64"));
        }
        let protocol = words(request, "sec-websocket-protocol").next();
        Ok(Self {
            accept: accept(key),
            protocol: protocol.map(Into::into),
            deflate: values(request, "sec-websocket-extensions").any(deflate::is_offered),
            wishes,
            target: (logged || wishes.have_state()).then(|| request.target.into()),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        put(out, format_args!("Sec-WebSocket-Accept: {}\r\n", self.accept));
        if let Some(protocol) = &self.protocol {
            put(out, format_args!("Sec-WebSocket-Protocol: {protocol}\r\n"));
        }
        if self.deflate {
            put(out, format_args!("Sec-WebSocket-Extensions: {}\r\n", deflate::ANSWER));
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn accept(key: &[u8]) -> String {
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

/// A list may be spread over several headers of one name.
fn values<'r>(request: &'r Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'r str> {
    let named = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.filter_map(|header| str::from_utf8(header.value).ok())
}

fn words<'r>(request: &'r Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'r str> {
    values(request, name).flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn has_word(request: &Request<'_, '_>, name: &'static str, word: &str) -> bool {
    words(request, name).any(|one| one.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Parsed, Walked, header_room, parse};

    const USUAL: [&str; 5] = [
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: chat, superchat",
    ];

    fn answered(method: &str, headers: &[&str]) -> Result<String, Refusal> {
        let text = format!("{method} /ws/echo HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
        let mut room = header_room();
        let Parsed::Complete { request, .. } = parse(text.as_bytes(), &mut room, &mut Walked::default()) else {
            panic!("not a request: {text}");
        };
        let welcome = Welcome::of(&request, Wishes::Feed, false)?;
        let mut out = Vec::new();
        welcome.write(&mut out);
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_with_the_first_protocol() {
        let text = answered("GET", &USUAL).expect("legal");
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{text}");
        assert!(text.ends_with("Sec-WebSocket-Protocol: chat\r\n\r\n"), "{text}");
        let offered = [&USUAL[..4], &["Sec-WebSocket-Extensions: permessage-deflate"]].concat();
        let text = answered("GET", &offered).expect("legal");
        assert!(text.ends_with(&format!("Sec-WebSocket-Extensions: {}\r\n\r\n", deflate::ANSWER)), "{text}");
    }

    #[test]
    fn every_part_is_needed() {
        let without = |place: usize| {
            let headers: Vec<&str> = (0..4).filter(|other| *other != place).map(|other| USUAL[other]).collect();
            answered("GET", &headers).expect_err("not an upgrade")
        };
        assert_eq!(without(0), Refusal::NotThisProtocol);
        for place in [1, 2, 3] {
            assert!(matches!(without(place), Refusal::Broken(_)), "{}", USUAL[place]);
        }
        assert!(matches!(answered("POST", &USUAL), Err(Refusal::Broken(_))));
        let old = [USUAL[0], USUAL[1], "Sec-WebSocket-Version: 8", USUAL[3]];
        assert_eq!(answered("GET", &old), Err(Refusal::NotThisProtocol));
    }
}
