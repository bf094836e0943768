//! What the system alone takes of a client's time for sockets: the calls that nobody can leave out, and nothing
//! around them. `tests/bench/sockets.py` prints it beside the tools; `ws_floor HOST:PORT` asks a server that echoes,
//! `ws_floor HOST:PORT SECONDS` reads events for so long.
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::io::{Read, Write};
use std::net::TcpStream;

use loadgen_engine::clock::{SECOND, cpu_ns, now_ns, timespec};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const SOCKETS: u32 = 5000;
const AT_ONCE: usize = 500;
const ROUNDS: u32 = 200;
/// A masked text of 63 bytes, by a mask of zeros.
const HEAD: [u8; 6] = [0x81, 0x80 | 63, 0, 0, 0, 0];
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
const SUBSCRIBE: &str = r#"{"op":"subscribe","id":"1","channel":"blocks"}"#;

fn open(server: &str, path: &str, buffer: &mut [u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a server");
    stream.set_nodelay(true).expect("an option of TCP");
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a server that reads");
    let length = stream.read(buffer).expect("an answer");
    assert!(buffer[..length].starts_with(b"HTTP/1.1 101"), "{server} does not speak WebSocket at {path}");
    stream
}

/// CPU time that it takes to wait for events and to read each as it comes.
fn read_events(server: &str, seconds: u64) {
    let mut buffer = vec![0; 64 * 1024];
    let mut streams: Vec<TcpStream> = (0..AT_ONCE).map(|_| open(server, "/ws/feed", &mut buffer)).collect();
    let set = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let head = [0x81, 0x80 | SUBSCRIBE.len() as u8, 0, 0, 0, 0];
    let before = cpu_ns();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&[&head, SUBSCRIBE.as_bytes()].concat()).expect("a server that reads");
        let data = EventData::new_u64(number as u64);
        epoll::add(&set, &*stream, data, EventFlags::IN | EventFlags::ET).expect("a socket");
    }
    let (until_ns, mut events) = (now_ns() + seconds * SECOND, Vec::with_capacity(256));
    while now_ns() < until_ns {
        events.clear();
        epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), Some(&timespec(SECOND))).expect("epoll");
        for event in &events {
            let event: &epoll::Event = event;
            let _ = streams[event.data.u64() as usize].read(&mut buffer).expect("an event");
        }
    }
    println!("{:.3}", (cpu_ns() - before) as f64 / 1e9);
}

fn main() {
    let server = std::env::args().nth(1).expect("HOST:PORT");
    if let Some(seconds) = std::env::args().nth(2) {
        return read_events(&server, seconds.parse().expect("SECONDS"));
    }
    let mut buffer = [0; 4096];

    let before = cpu_ns();
    for _ in 0..SOCKETS {
        let mut stream = open(&server, "/ws/echo", &mut buffer);
        stream.write_all(&CLOSE).expect("a server that reads");
        let _ = stream.read(&mut buffer).expect("its close");
    }
    let socket_us = (cpu_ns() - before) as f64 / 1e3 / f64::from(SOCKETS);

    let mut streams: Vec<TcpStream> = (0..AT_ONCE).map(|_| open(&server, "/ws/echo", &mut buffer)).collect();
    let message: Vec<u8> = HEAD.into_iter().chain([b'x'; 63]).collect();
    let before = cpu_ns();
    for _ in 0..ROUNDS {
        for stream in &mut streams {
            stream.write_all(&message).expect("a server that reads");
        }
        for stream in &mut streams {
            let _ = stream.read(&mut buffer).expect("an echo");
        }
    }
    let message_us = (cpu_ns() - before) as f64 / 1e3 / f64::from(ROUNDS) / AT_ONCE as f64;
    println!("{message_us:.2} {socket_us:.1}");
}
