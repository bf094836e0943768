//! A connection that is paused brings nothing, not even its end; resumed, it brings everything, and in order.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use loadgen_engine::clock::{SECOND, now_ns};
use loadgen_engine::reactor::epoll::Epoll;
use loadgen_engine::reactor::{Address, Event, Reactor};
use rustix::event::{EventfdFlags, eventfd};

/// More than one read takes, less than a socket holds: the peer has closed long before all is read.
const SENT: usize = 200_000;

fn epoll() -> Epoll {
    Epoll::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap()).unwrap()
}

/// The next event, if there is one within a while.
fn next(reactor: &mut Epoll, for_ns: u64) -> Option<Event> {
    let until_ns = now_ns() + for_ns;
    while now_ns() < until_ns {
        reactor.wait(Some(until_ns)).unwrap();
        if let Some(event) = reactor.next() {
            return Some(event);
        }
    }
    None
}

fn read_with_pauses(pauses: impl Fn(usize) -> bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let content: Vec<u8> = (0..SENT).map(|at| (at / 7) as u8).collect();
        listener.accept().unwrap().0.write_all(&content).unwrap();
        content
    });
    let mut reactor = epoll();
    reactor.connect(0, &Address::Inet(address), None).unwrap();
    assert_eq!(next(&mut reactor, 10 * SECOND), Some(Event::Connected(0)));
    if pauses(0) {
        reactor.pause(0);
    }
    let sent = server.join().unwrap();
    let (mut read, mut reads) = (Vec::new(), 0);
    loop {
        if pauses(reads) {
            reactor.pause(0);
            assert_eq!(next(&mut reactor, SECOND / 50), None, "after {reads} reads");
            reactor.resume(0);
        }
        match next(&mut reactor, 10 * SECOND).expect("there is more") {
            Event::Received(0) => read.extend_from_slice(reactor.received()),
            Event::Ended(0, None) => break,
            other => panic!("{other:?}"),
        }
        reads += 1;
    }
    assert_eq!(read.len(), SENT);
    assert!(read == sent);
}

#[test]
fn nothing_is_lost_however_often_it_is_paused() {
    read_with_pauses(|_| false);
    read_with_pauses(|reads| reads == 0);
    read_with_pauses(|reads| reads == 1);
    read_with_pauses(|reads| reads % 2 == 1);
    read_with_pauses(|_| true);
}

#[test]
fn one_that_was_closed_while_it_was_paused_is_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut reactor = epoll();
    reactor.connect(0, &Address::Inet(listener.local_addr().unwrap()), None).unwrap();
    assert_eq!(next(&mut reactor, 10 * SECOND), Some(Event::Connected(0)));
    reactor.pause(0);
    drop(listener.accept().unwrap());
    assert_eq!(next(&mut reactor, SECOND / 50), None);
    reactor.close(0);
    reactor.resume(0);
    assert_eq!(next(&mut reactor, SECOND / 50), None);
}
