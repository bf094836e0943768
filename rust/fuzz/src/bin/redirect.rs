//! What follows from a redirect, whatever its head says: the next request is one, and has no more lines than it should.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::redirect::next_hop;
use loadgen_engine::wiring::Place;

const REQUEST: &[u8] = b"POST /a/b?c=d HTTP/1.1\r\nHost: a:8080\r\nAuthorization: x\r\nCookie: y\r\nContent-Length: 2\r\n\r\nhi";

fuzz_target!(|data: &[u8]| {
    let Some((&first, location)) = data.split_first() else { return };
    let status = [301, 302, 303, 307, 308][usize::from(first) % 5];
    let from = Place { is_secure: first & 128 != 0, host: "a".into(), port: 8080 };
    let head = [b"HTTP/1.1 302 Found\r\nLocation: ", location, b"\r\n\r\n"].concat();
    let Some(hop) = next_hop(status, &head, REQUEST, &from) else { return };
    let end = hop.request.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
    let text = std::str::from_utf8(&hop.request[..end]).expect("a head is ASCII");
    assert!(text.is_ascii() && text.lines().count() <= 5, "{text}");
    assert_eq!(&hop.request[end + 4..], if hop.keeps_body { &b"hi"[..] } else { b"" });
    assert!(!hop.crosses || !text.contains("Cookie: y"), "{text}");
    let target = text.split(' ').nth(1).expect("a request has a target");
    assert!(target.starts_with('/') && target.bytes().all(|byte| byte > b' ' && byte < 0x7f), "{target}");
    assert!(!hop.place.host.is_empty() && hop.place.port > 0);
});
