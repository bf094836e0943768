//! A WebSocket at rest is small, and a message that came whole allocates nothing on its way: count.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

use loadgen_engine::ws::extension::Offer;
use loadgen_engine::ws::handshake::Opening;
use loadgen_engine::ws::reader::Inbox;
use loadgen_engine::ws::socket::{Event, Limits, Socket};
use loadgen_engine::ws::writer::{Message, Outbox};
use tungstenite::handshake::derive_accept_key;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get() + layout.size() as i64));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.with(|bytes| bytes.set(bytes.get() - layout.size() as i64));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Bench {
    opening: Rc<Opening>,
    inbox: Inbox,
    outbox: Outbox,
    out: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let opening = Rc::new(Opening::new("ws://a/", &[], &[], Some(Offer::default())).unwrap());
        Self { opening, inbox: Inbox::default(), outbox: Outbox::default(), out: Vec::with_capacity(1 << 16) }
    }

    /// A socket that is open, with compression where it says so.
    fn open(&mut self, seed: u64, extensions: &str) -> Box<Socket> {
        self.out.clear();
        let mut socket = Box::new(Socket::new(&self.opening, Limits::default(), seed, 0, &mut self.out));
        let request = std::str::from_utf8(&self.out).unwrap();
        let accept = derive_accept_key(request.split("Sec-WebSocket-Key: ").nth(1).unwrap().trim_end().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
             {extensions}\r\n"
        );
        assert_eq!(self.feed(&mut socket, answer.as_bytes()), 0);
        assert!(socket.is_open());
        socket
    }

    /// How many messages come.
    fn feed(&mut self, socket: &mut Socket, mut bytes: &[u8]) -> usize {
        let mut messages = 0;
        while let Some(event) = socket.next(&mut bytes, 0, &mut self.inbox, &mut self.out).unwrap() {
            messages += usize::from(matches!(event, Event::Message(_)));
        }
        messages
    }
}

#[test]
fn a_socket_at_rest_is_small() {
    const SOCKETS: u64 = 100;
    let hello = [&b"\x81\x05Hello"[..], b"\x01\x03Hel", b"\x80\x02lo", b"\x81\x05He", b"llo", b"\x89", b"\x01x"];
    let compressed =
        [&b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..], b"\x41\x03\xf2\x48\xcd", b"\x80\x04\xc9\xc9\x07\x00"];
    let extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    for (extensions, pieces, messages) in [("", &hello[..], 3), (extensions, &compressed[..], 2)] {
        let mut bench = Bench::new();
        let first = bench.open(0, extensions);
        drop(first);
        let mut sockets = Vec::with_capacity(SOCKETS as usize);
        // What is shared has been made by one that stays out of the count.
        for seed in 0..=SOCKETS {
            let before = BYTES.get();
            let mut socket = bench.open(seed, extensions);
            let came: usize = pieces.iter().map(|piece| bench.feed(&mut socket, piece)).sum();
            assert_eq!(came, messages);
            assert!(socket.send(Message::Text("Hello"), &mut bench.outbox, &mut bench.out));
            socket.ping(1, &mut bench.out);
            if seed > 0 {
                // The last message in pieces lies in the inbox until the next one takes its place.
                let bytes = BYTES.get() - before;
                assert!((0..512).contains(&bytes), "{bytes} bytes for a socket at rest");
            }
            sockets.push(socket);
        }
    }
}

#[test]
fn a_message_that_came_whole_allocates_nothing() {
    let mut bench = Bench::new();
    let mut socket = bench.open(1, "");
    let piece: Vec<u8> = (0..1000).flat_map(|_| *b"\x81\x05Hello\x82\x03abc\x89\x01x\x8a\x00").collect();
    for _ in 0..3 {
        let before = ALLOCATIONS.get();
        bench.out.clear();
        assert_eq!(bench.feed(&mut socket, &piece), 2000);
        for _ in 0..1000 {
            assert!(socket.send(Message::Text("Hello"), &mut bench.outbox, &mut bench.out));
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    }
}
