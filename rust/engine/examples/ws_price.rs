//! What a WebSocket message costs without I/O, received and sent, beside `tungstenite` with a read buffer of 4 KiB; and
//! what the mask costs beside a plain loop. `cargo run --profile wheel --package loadgen-engine --example ws_price`
#![expect(clippy::print_stdout, reason = "it prints figures")]

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::rc::Rc;

use loadgen_engine::clock::cpu_ns;
use loadgen_engine::ws::deflate::{Deflate, Deflating, Inflating};
use loadgen_engine::ws::extension::Agreed;
use loadgen_engine::ws::frame::mask;
use loadgen_engine::ws::handshake::Opening;
use loadgen_engine::ws::reader::{Inbox, Reader};
use loadgen_engine::ws::socket::{Event, Limits, Socket};
use loadgen_engine::ws::writer::{Message, Outbox};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Utf8Bytes, WebSocket};

const ROUNDS: usize = 9;
const READ_BYTES: usize = 4 << 10;

/// Gives the same bytes once, and swallows what is written.
struct Memory<'a>(&'a [u8]);

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        if length == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(length) }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open() -> Socket {
    let opening = Rc::new(Opening::new("ws://a/", &[], &[], None).expect("an address"));
    let (mut request, mut out) = (Vec::new(), Vec::new());
    let mut socket = Socket::new(&opening, Limits::default(), 1, 0, &mut request);
    let request = String::from_utf8(request).expect("a request");
    let key = request.split("Sec-WebSocket-Key: ").nth(1).expect("a key").trim_end();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let opened = socket.next(&mut answer.as_bytes(), 0, &mut Inbox::default(), &mut out).map(|event| event.is_some());
    assert_eq!(opened, Ok(true));
    socket
}

/// The least of several rounds, in CPU time per message: whatever disturbs can only add.
fn least(messages: usize, mut round: impl FnMut()) -> f64 {
    let once = |_| {
        let begun_ns = cpu_ns();
        round();
        (cpu_ns() - begun_ns) as f64 / messages as f64
    };
    (0..ROUNDS).map(once).fold(f64::INFINITY, f64::min)
}

fn compare(what: &str, ours_ns: f64, theirs_ns: f64) {
    println!("{what:<34} {ours_ns:>9.1} ns {theirs_ns:>9.1} ns {:>7.2}", ours_ns / theirs_ns);
}

fn received(length: usize) {
    let messages = (64 << 20) / (length + 500);
    let text = "x".repeat(length);
    let head = if length < 126 { vec![0x81, length as u8] } else { vec![0x81, 126, (length >> 8) as u8, length as u8] };
    let bytes = [&head, text.as_bytes()].concat().repeat(messages);
    let ours_ns = least(messages, || {
        let (mut socket, mut inbox, mut out, mut seen) = (open(), Inbox::default(), Vec::new(), 0);
        for mut piece in bytes.chunks(READ_BYTES) {
            while let Ok(Some(Event::Message(message))) = socket.next(&mut piece, 0, &mut inbox, &mut out) {
                seen += usize::from(black_box(message).bytes().len() == length);
            }
        }
        assert_eq!(seen, messages);
    });
    let theirs_ns = least(messages, || {
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let mut socket = WebSocket::from_raw_socket(Memory(&bytes), Role::Client, Some(config));
        let mut seen = 0;
        while let Ok(message) = socket.read() {
            seen += usize::from(black_box(message).len() == length);
        }
        assert_eq!(seen, messages);
    });
    compare(&format!("a text of {length} bytes, received"), ours_ns, theirs_ns);
}

fn sent(length: usize) {
    let messages = (64 << 20) / (length + 500);
    let text = "x".repeat(length);
    let ours_ns = least(messages, || {
        let (mut socket, mut outbox, mut out) = (open(), Outbox::default(), Vec::new());
        for _ in 0..messages {
            out.clear();
            assert!(socket.send(Message::Text(black_box(&text)), &mut outbox, &mut out));
            black_box(&out);
        }
    });
    let shared = Utf8Bytes::from(text.as_str());
    let theirs_ns = least(messages, || {
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0);
        let mut socket = WebSocket::from_raw_socket(Memory(b""), Role::Client, Some(config));
        for _ in 0..messages {
            socket.send(tungstenite::Message::Text(black_box(&shared).clone())).expect("memory takes everything");
        }
    });
    compare(&format!("a text of {length} bytes, sent"), ours_ns, theirs_ns);
}

fn masked(length: usize) {
    const TIMES: usize = 100_000;
    let mut bytes = vec![7u8; length];
    let wide_ns = least(TIMES, || {
        for round in 0..TIMES as u32 {
            mask(black_box(&mut bytes), black_box(round.to_ne_bytes()));
        }
    });
    let plain_ns = least(TIMES, || {
        for round in 0..TIMES as u32 {
            let key = black_box(round.to_ne_bytes());
            for (at, byte) in black_box(&mut bytes).iter_mut().enumerate() {
                *byte ^= key[at & 3];
            }
        }
    });
    compare(&format!("the mask over {length} bytes, plain"), wide_ns, plain_ns);
}

fn compressed() {
    let text = br#"{"op":"event","channel":"transactions","seq":1234567,"data":{"from":"0xabcdef","value":42}}"#;
    let (mut deflating, mut inflating) = (Deflating::default(), Inflating::default());
    let (mut payload, mut message) = (Vec::new(), Vec::new());
    let mut deflate = Deflate::new(Agreed { client_takeover: false, server_takeover: false, client_window_bits: 15 });
    let deflate_ns = least(1000, || {
        for _ in 0..1000 {
            deflate.deflate(black_box(text), &mut deflating, &mut payload);
        }
    });
    let inflate_ns = least(1000, || {
        for _ in 0..1000 {
            assert_eq!(deflate.inflate(black_box(&payload), 1 << 20, &mut inflating, &mut message), Ok(()));
        }
    });
    println!("{} bytes: compressed in {deflate_ns:.0} ns, inflated in {inflate_ns:.0} ns", text.len());
}

fn main() {
    println!("{:<34} {:>12} {:>12} {:>7}", "", "ours", "theirs", "ratio");
    for length in [16, 125, 1000] {
        received(length);
    }
    for length in [16, 125, 1000] {
        sent(length);
    }
    for length in [16, 125, 1000, 16_000] {
        masked(length);
    }
    compressed();
    println!("{} bytes a socket, of which {} for reading", size_of::<Socket>(), size_of::<Reader>());
}
