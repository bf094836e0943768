//! Runs the client's cases of the Autobahn suite: start `wstest -m fuzzingserver`, then
//! `cargo run --package loadgen-engine --example ws_autobahn -- ws://127.0.0.1:9001`. The suite writes the report.
#![expect(clippy::print_stdout, reason = "it says how far it is")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use loadgen_engine::clock::now_ns;
use loadgen_engine::ws::extension::Offer;
use loadgen_engine::ws::handshake::Opening;
use loadgen_engine::ws::reader::Inbox;
use loadgen_engine::ws::socket::{Event, Limits, Socket};
use loadgen_engine::ws::writer::{Message, Outbox};

const AGENT: &str = "loadgen";

/// Runs one socket to its end, and echoes what comes where that is wanted. The last text that came.
fn run(server: &str, path: &str, offer: Option<Offer>, echoes: bool) -> String {
    let opening = Rc::new(Opening::new(&format!("{server}{path}"), &[], &[], offer).expect("an address"));
    let mut stream = TcpStream::connect(server.trim_start_matches("ws://")).expect("a server");
    let (mut out, mut inbox, mut outbox) = (Vec::new(), Inbox::default(), Outbox::default());
    let mut socket = Socket::new(&opening, Limits::default(), now_ns(), now_ns(), &mut out);
    let (mut buffer, mut last) = (vec![0; 64 << 10], String::new());
    loop {
        // A peer that has gone is seen when reading.
        let _ = stream.write_all(&std::mem::take(&mut out));
        let left_ns = socket.next_deadline().map(|deadline_ns| deadline_ns.saturating_sub(now_ns()).max(1_000_000));
        stream.set_read_timeout(left_ns.map(Duration::from_nanos)).expect("a timeout");
        match stream.read(&mut buffer) {
            Ok(0) => {
                let _ = socket.end();
            }
            Ok(length) => {
                let mut bytes = &buffer[..length];
                // A failure is what many cases are about; the report says whether it was the right one.
                while let Ok(Some(event)) = socket.next(&mut bytes, now_ns(), &mut inbox, &mut out) {
                    let Event::Message(message) = event else { continue };
                    if echoes {
                        socket.send(message, &mut outbox, &mut out);
                    } else if let Message::Text(text) = message {
                        text.clone_into(&mut last);
                    }
                }
            }
            Err(_) => {
                let _ = socket.expire(now_ns(), &mut out);
                let _ = stream.write_all(&std::mem::take(&mut out));
            }
        }
        if socket.is_over() {
            return last;
        }
    }
}

fn main() {
    let server = std::env::args().nth(1).expect("the address of the suite, such as ws://127.0.0.1:9001");
    let offer = Offer { client_takeover: true, server_takeover: true, server_window_bits: None };
    let cases: u32 = run(&server, "/getCaseCount", None, false).parse().expect("a number of cases");
    for case in 1..=cases {
        run(&server, &format!("/runCase?case={case}&agent={AGENT}"), Some(offer), true);
        if case % 50 == 0 {
            println!("{case} of {cases}");
        }
    }
    run(&server, &format!("/updateReports?agent={AGENT}"), None, false);
}
