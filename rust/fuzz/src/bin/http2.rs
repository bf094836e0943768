//! An HTTP/2 connection with requests on it against any bytes in any slices: it must not panic, every request must end
//! exactly once, and as it would have wherever the slices fall.
#![no_main]

use std::rc::Rc;
use libfuzzer_sys::fuzz_target;
use loadgen_engine::http2::connection::Connection;
use loadgen_engine::http2::request::{Rendered, render_parts};
use loadgen_engine::multiplexed::{Ended, Limits, Multiplexed};
use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::pool::Sending;

const REQUESTS: u64 = 3;
/// The peer takes what it is given.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// How each request ended and how many bytes came for it.
fn read<'a>(request: &Rc<Rendered>, parts: impl Iterator<Item = &'a [u8]>) -> Vec<(Option<u16>, u64)> {
    let (mut connection, mut written, mut ended) = (Connection::new(Limits::default()), Vec::new(), Vec::new());
    connection.feed(SETTINGS, 0, &mut ended);
    for token in 0..REQUESTS {
        let sending = Sending { token, timeout_ns: 10, keeps: true, ..Sending::default() };
        assert!(connection.send(request, sending, 0));
    }
    connection.flush(0, true, &mut written, &mut ended);
    for part in parts {
        connection.feed(part, 1, &mut ended);
        connection.flush(1, true, &mut written, &mut ended);
    }
    connection.lose(1, ErrorKind::Closed, &mut ended);
    assert!(connection.is_done() && connection.in_flight() == 0);
    ended.sort_by_key(|ended: &Ended| ended.sending.token);
    assert!(ended.iter().map(|ended| ended.sending.token).eq(0..REQUESTS));
    for ended in &ended {
        let Some((shape, bytes)) = &ended.answer else { continue };
        assert!(bytes[..shape.body_at].ends_with(b"\r\n\r\n") && shape.end_at == Some(bytes.len()));
    }
    ended.iter().map(|ended| (ended.result.ok(), ended.bytes_received)).collect()
}

fuzz_target!(|data: &[u8]| {
    let [first, step, bytes @ ..] = data else { return };
    let body = vec![b'x'; usize::from(*first) * 512];
    let request = Rc::new(render_parts("POST", "http://a/", &[], Some(&body)).unwrap());
    let whole = read(&request, std::iter::once(bytes));
    let sliced = read(&request, bytes.chunks(usize::from(*step) + 1));
    for (whole, sliced) in whole.iter().zip(&sliced) {
        // What comes after the end counts where it came along. The bytes before a fault may end a request or not.
        assert!(whole.0 == sliced.0 || whole.0.is_none() || sliced.0.is_none(), "{whole:?} {sliced:?}");
    }
});
