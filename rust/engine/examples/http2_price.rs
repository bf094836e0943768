//! What HTTP/2 costs per request without I/O: ten at a time, each answered with five headers and twelve bytes.
//! `cargo run --profile wheel --package loadgen-engine --example http2_price`
#![expect(clippy::print_stdout, reason = "it prints a figure")]

use std::rc::Rc;

use loadgen_engine::clock::now_ns;
use loadgen_engine::http2::connection::Connection;
use loadgen_engine::http2::request::render_parts;
use loadgen_engine::multiplexed::{Limits, Multiplexed};
use loadgen_engine::pool::Sending;

const ROUNDS: u32 = 20_000;
const STREAMS: u32 = 10;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

fn main() {
    let mut head = vec![0x88];
    for (name, value) in [
        ("server", "nginx/1.22.1"),
        ("date", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("content-type", "text/plain"),
        ("content-length", "12"),
    ] {
        head.extend([&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat());
    }
    let answer = |stream| [frame(1, 4, stream, &head), frame(0, 1, stream, b"hello world\n")].concat();
    let answers: Vec<Vec<u8>> = (0..ROUNDS)
        .map(|round| (0..STREAMS).flat_map(|place| answer(2 * (round * STREAMS + place) + 1)).collect())
        .collect();
    let request =
        Rc::new(render_parts("GET", "http://127.0.0.1:8080/", &[], None).expect("a request that can be sent"));
    let (mut connection, mut written, mut ended) = (Connection::new(Limits::default()), Vec::new(), Vec::new());
    connection.feed(&frame(4, 0, 0, &[]), 0, &mut ended);
    let begun_ns = now_ns();
    for bytes in &answers {
        for _ in 0..STREAMS {
            assert!(connection.send(&request, Sending { timeout_ns: u64::MAX, ..Sending::default() }, now_ns()));
        }
        written.clear();
        connection.flush(now_ns(), true, &mut written, &mut ended);
        connection.feed(bytes, now_ns(), &mut ended);
        assert!(ended.len() == STREAMS as usize && ended.iter().all(|ended| ended.result == Ok(200)));
        ended.clear();
    }
    println!("{} ns per request", (now_ns() - begun_ns) / u64::from(ROUNDS * STREAMS));
}
