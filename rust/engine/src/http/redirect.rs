//! What a redirect makes of the request that it answers: the rules of `redirect.py`, on requests as they were rendered.
//!
//! | status        | method of the hop                | body            |
//! |---------------|----------------------------------|-----------------|
//! | 303, 302      | GET, but HEAD stays              | gone with it    |
//! | 301           | GET for a POST, else the same    | gone with it    |
//! | 307, 308      | the same                         | the same        |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::head::HEADER_LIMIT;
use super::location::{Destination, follow};
use super::percent::decoded;
use crate::wiring::Place;

/// Most headers of a request that is sent on.
pub const MOST_HEADERS: usize = 256;
/// What is not told to another origin.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// What speaks of a body.
const OF_BODY: [&str; 5] = ["content-length", "content-type", "content-encoding", "transfer-encoding", "expect"];

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where it goes.
    pub place: Place,
    /// Head and body.
    pub request: Vec<u8>,
    /// Its method and path: what it is counted as.
    pub label: String,
    /// Its response has no body.
    pub is_head: bool,
    /// A body is sent again.
    pub keeps_body: bool,
    /// It goes to another origin than the one before.
    pub crosses: bool,
}

/// Whether a response with this status may lead on.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The request that follows from a response to `request`, if one does. `from` is where that was sent.
pub fn next_hop(status: u16, head: &[u8], request: &[u8], from: &Place) -> Option<Hop> {
    let location = header_values(head, "location").into_iter().next()?;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut before = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(body_at)) = before.parse(request) else { return None };
    let (method, target) = (before.method?, before.path?);
    let Destination { place, target, userinfo } = follow(from, target, location)?;
    let next = match (status, method) {
        (302 | 303, other) if other != "HEAD" => "GET",
        (301, "POST") => "GET",
        _ => method,
    };
    let keeps_body = next == method;
    let crosses = !place.is_same(from);
    let is_left = |name: &str| {
        let is_among = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
        !keeps_body && is_among(&OF_BODY) || crosses && (is_among(&CREDENTIALS) || is_among(&["host"]))
    };
    let mut bytes = format!("{next} {target} HTTP/1.1\r\n").into_bytes();
    if crosses {
        bytes.extend_from_slice(format!("Host: {}\r\n", place.authority()).as_bytes());
    }
    let mut says_who = false;
    for header in before.headers.iter().filter(|header| !is_left(header.name)) {
        says_who |= header.name.eq_ignore_ascii_case("authorization");
        for part in [header.name.as_bytes(), b": ", header.value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    if let Some(userinfo) = userinfo.filter(|_| !says_who) {
        bytes.extend_from_slice(format!("Authorization: Basic {}\r\n", STANDARD.encode(decoded(&userinfo))).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if keeps_body {
        bytes.extend_from_slice(&request[body_at..]);
    }
    let path = target.split('?').next().unwrap_or_default();
    let label = format!("{next} {path}");
    Some(Hop { label, is_head: next == "HEAD", place, request: bytes, keeps_body, crosses })
}

/// The values of a header in the head of a response, in their order.
pub fn header_values<'h>(head: &'h [u8], name: &str) -> Vec<&'h [u8]> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(httparse::Status::Complete(_))) {
        return Vec::new();
    }
    let named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POST: &str = "POST /a?b HTTP/1.1\r\nHost: shop\r\nCookie: c\r\nAuthorization: x\r\nX-Own: 1\r\n\
                        Content-Type: t\r\nContent-Length: 2\r\n\r\nhi";

    fn hop(status: u16, location: &str, request: &str) -> Option<(String, Hop)> {
        let from = Place { is_secure: false, host: "a".into(), port: 80 };
        let head = format!("HTTP/1.1 {status}\r\nServer: x\r\nlocation: {location}\r\n\r\n");
        let hop = next_hop(status, head.as_bytes(), request.as_bytes(), &from)?;
        Some((String::from_utf8(hop.request.clone()).unwrap(), hop))
    }

    #[test]
    fn methods_and_bodies() {
        for (status, method, then) in [
            (301, "POST", "GET"),
            (301, "PUT", "PUT"),
            (302, "DELETE", "GET"),
            (302, "HEAD", "HEAD"),
            (303, "PUT", "GET"),
            (307, "POST", "POST"),
            (308, "PATCH", "PATCH"),
        ] {
            let (text, hop) = hop(status, "/n?x", &POST.replacen("POST", method, 1)).unwrap();
            assert!(text.starts_with(&format!("{then} /n?x HTTP/1.1\r\nHost: shop\r\nCookie: c\r\n")), "{text}");
            assert_eq!((hop.label, hop.is_head), (format!("{then} /n"), then == "HEAD"));
            assert_eq!(text.ends_with("\r\n\r\nhi") && text.contains("Content-Type"), then == method, "{text}");
            assert_eq!(text.contains("Content-Length: 2"), then == method);
        }
    }

    #[test]
    fn another_origin_is_told_nothing_of_the_first() {
        let (text, https) = hop(307, "https://[::1]:9/n", POST).unwrap();
        assert!(https.crosses && https.keeps_body);
        assert_eq!(
            text,
            "POST /n HTTP/1.1\r\nHost: [::1]:9\r\nX-Own: 1\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nhi"
        );
        let (text, _) = hop(302, "http://m%65:s@b/", POST).unwrap();
        assert_eq!(text, "GET / HTTP/1.1\r\nHost: b\r\nX-Own: 1\r\nAuthorization: Basic bWU6cw==\r\n\r\n");
    }

    #[test]
    fn what_leads_nowhere_is_no_hop() {
        assert!(hop(302, "mailto:me", POST).is_none() && hop(302, "", POST).is_none());
        let from = Place { is_secure: false, host: "a".into(), port: 80 };
        assert!(next_hop(302, b"HTTP/1.1 302 Found\r\n\r\n", POST.as_bytes(), &from).is_none());
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_the_hop_is_one_request_to_one_place(
            status in 300u16..309,
            location in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(&b":/?#@[].{} http"[..])],
                0..60,
            ),
        ) {
            let from = Place { is_secure: false, host: "a".into(), port: 80 };
            let head = [b"HTTP/1.1 302 x\r\nLocation: /".as_slice(), &location, b"\r\n\r\n"].concat();
            let absolute = [b"HTTP/1.1 302 x\r\nLocation: ".as_slice(), &location, b"\r\n\r\n"].concat();
            for head in [head, absolute] {
                let Some(hop) = next_hop(status, &head, POST.as_bytes(), &from) else { continue };
                let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
                let mut request = httparse::Request::new(&mut headers);
                let parsed = request.parse(&hop.request).unwrap();
                prop_assert_eq!(parsed, httparse::Status::Complete(hop.request.len() - if hop.keeps_body { 2 } else { 0 }));
                prop_assert!(request.path.unwrap().starts_with('/') && hop.label.is_ascii());
                prop_assert!(request.headers.len() <= 7);
                let url = format!("{}://{}/", if hop.place.is_secure { "https" } else { "http" }, hop.place.authority());
                prop_assert_eq!(Place::of(&url), Some(hop.place));
            }
        }
    }
}
