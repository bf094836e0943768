//! Our client beside another's server: `tungstenite` reads what we write, and we read what it writes.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use loadgen_engine::ws::frame::Opcode;
use loadgen_engine::ws::handshake::Opening;
use loadgen_engine::ws::reader::Inbox;
use loadgen_engine::ws::socket::{Event, Limits, Socket};
use loadgen_engine::ws::writer::{Message, Outbox};
use proptest::prelude::*;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Bytes, WebSocket};

/// Two buffers: what the server may read, and what it wrote.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<(Vec<u8>, Vec<u8>)>>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inbound = &mut self.0.borrow_mut().0;
        let length = inbound.len().min(buffer.len());
        buffer[..length].copy_from_slice(&inbound[..length]);
        inbound.drain(..length);
        if length == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(length) }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    socket: Socket,
    server: WebSocket<Pipe>,
    pipe: Pipe,
    inbox: Inbox,
    out: Vec<u8>,
    step: usize,
}

impl Pair {
    /// Both, after their handshake. What the server writes comes in pieces of so many bytes.
    fn new(step: usize) -> Self {
        let opening = Rc::new(Opening::new("ws://a/b", &[], &["x".into(), "y".into()], None).unwrap());
        let (pipe, mut out) = (Pipe::default(), Vec::new());
        let socket = Socket::new(&opening, Limits::default(), 7, 0, &mut out);
        pipe.0.borrow_mut().0.append(&mut out);
        #[expect(clippy::result_large_err, reason = "the type is the peer's")]
        let choose = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/b");
            assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "x, y");
            response.headers_mut().insert("Sec-WebSocket-Protocol", "y".parse().unwrap());
            Ok(response)
        };
        let Ok(server) = tungstenite::accept_hdr(pipe.clone(), choose) else { panic!("it refused our handshake") };
        let mut pair = Self { socket, server, pipe, inbox: Inbox::default(), out, step };
        assert_eq!(pair.read(), ["Opened"]);
        assert_eq!(pair.socket.protocol(), Some("y"));
        pair
    }

    /// What comes of all that the server wrote; what that made us say goes to the server.
    fn read(&mut self) -> Vec<String> {
        let (written, mut shown) = (std::mem::take(&mut self.pipe.0.borrow_mut().1), Vec::new());
        for mut piece in written.chunks(self.step) {
            while let Some(event) = self.socket.next(&mut piece, 9, &mut self.inbox, &mut self.out).unwrap() {
                shown.push(match event {
                    Event::Message(Message::Text(text)) => format!("text {text}"),
                    Event::Message(Message::Binary(bytes)) => format!("binary {bytes:?}"),
                    event => format!("{event:?}"),
                });
            }
        }
        self.deliver();
        shown
    }

    fn deliver(&mut self) {
        self.pipe.0.borrow_mut().0.append(&mut self.out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_reads_what_the_other_writes(
        texts in prop::collection::vec("\\PC{0,80}", 1..5),
        sizes in prop::collection::vec(0usize..70_000, 1..4),
        step in 1usize..5000,
    ) {
        let mut pair = Pair::new(step);
        let mut outbox = Outbox::default();
        for text in &texts {
            prop_assert!(pair.socket.send(Message::Text(text), &mut outbox, &mut pair.out));
            pair.deliver();
            let message = pair.server.read().unwrap();
            prop_assert_eq!(message.to_text().unwrap(), text);
            pair.server.send(message).unwrap();
            prop_assert_eq!(pair.read(), [format!("text {text}")]);
        }
        for size in sizes {
            let bytes: Vec<u8> = (0..size).map(|at| (at * at) as u8).collect();
            prop_assert!(pair.socket.send(Message::Binary(&bytes), &mut outbox, &mut pair.out));
            pair.deliver();
            let message = pair.server.read().unwrap();
            prop_assert_eq!(&message.clone().into_data()[..], &bytes[..]);
            pair.server.send(message).unwrap();
            prop_assert_eq!(pair.read(), [format!("binary {bytes:?}")]);
        }
    }

    #[test]
    fn fragments_become_their_message(text in "\\PC{0,200}", parts in 1usize..20, step in 1usize..100) {
        let mut pair = Pair::new(step);
        let size = text.len().div_ceil(parts).max(1);
        let pieces: Vec<_> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let count = pieces.len();
        for (at, piece) in pieces.into_iter().enumerate() {
            let opcode = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
            let frame = Frame::message(piece, opcode, at + 1 == count);
            pair.server.send(tungstenite::Message::Frame(frame)).unwrap();
            pair.server.send(tungstenite::Message::Ping(Bytes::from_static(b"x"))).unwrap();
        }
        let mut shown = pair.read();
        shown.retain(|event| !event.starts_with("Ping"));
        prop_assert_eq!(shown.concat(), if count == 0 { String::new() } else { format!("text {text}") });
        for _ in 0..count {
            prop_assert_eq!(pair.server.read().unwrap(), tungstenite::Message::Pong(Bytes::from_static(b"x")));
        }
    }
}

#[test]
fn pings_and_closes_are_understood() {
    let mut pair = Pair::new(3);
    assert!(pair.socket.ping(4, &mut pair.out) && pair.socket.control(Opcode::Ping, b"hi", &mut pair.out));
    pair.deliver();
    assert!(pair.server.read().unwrap().is_ping() && pair.server.read().unwrap().is_ping());
    pair.server.flush().unwrap();
    let shown = pair.read();
    // A server may answer the last ping alone.
    assert_eq!(shown.last().map(String::as_str), Some("Pong([104, 105], None)"));

    assert!(pair.socket.close(3001, "enough", 5, &mut pair.out));
    pair.deliver();
    let frame = CloseFrame { code: 3001.into(), reason: "enough".into() };
    assert_eq!(pair.server.read().unwrap(), tungstenite::Message::Close(Some(frame)));
    assert!(pair.server.flush().is_err());
    assert_eq!(pair.read(), ["Closed(Some(3001), \"enough\")"]);
    assert_eq!(pair.socket.end(), Ok(()));

    let mut pair = Pair::new(1000);
    pair.server.close(Some(CloseFrame { code: 1001.into(), reason: "going".into() })).unwrap();
    assert_eq!(pair.read(), ["Closed(Some(1001), \"going\")"]);
    assert!(pair.server.read().unwrap().is_close());
    assert!(matches!(pair.server.read(), Err(tungstenite::Error::ConnectionClosed)));
}
