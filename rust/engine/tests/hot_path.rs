//! The path of a request allocates nothing: run a whole worker against a server and count.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;

use loadgen_engine::clock::now_ns;
use loadgen_engine::record::block::Block;
use loadgen_engine::record::snapshot::Snapshot;
use loadgen_engine::worker;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Answers every request on every connection, whatever it asks.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").is_err() {
            return;
        }
    }
}

fn allocations_per_request(reactor: &str, load: &str) -> (u64, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener));
    let plan = format!(
        r#"{{"schema": "loadgen/plan/1", "label": "GET /", "addresses": ["{address}"], "connections": 8, "workers": 1,
            "request": {{"method": "GET", "url": "http://{address}/", "headers": [], "body": null}},
            "load": {load}, "pacing": "eco", "reactor": "{reactor}",
            "timeout_ns": 10000000000, "drain_ns": 10000000000}}"#
    );
    let block = Block::create(1).unwrap();
    let theirs = block.fd().as_fd().try_clone_to_owned().unwrap();
    let (orders, mut parent) = std::io::pipe().unwrap();
    let (reader, reports) = std::io::pipe().unwrap();
    let worker = thread::spawn(move || {
        let before = ALLOCATIONS.get();
        worker::run(plan.as_bytes(), theirs, 0, orders.into(), reports.into()).unwrap();
        ALLOCATIONS.get() - before
    });
    let mut lines = BufReader::new(reader).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    writeln!(parent, "start {}", now_ns()).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "done");
    let allocations = worker.join().unwrap();
    (allocations, Snapshot::read([&block]).counters()["ok"])
}

#[test]
fn a_request_allocates_nothing() {
    let closed = r#"{"model": "closed", "stages": [{"duration_ns": 1000000000, "from_users": 8, "to_users": 8}]}"#;
    let open = r#"{"model": "open", "arrivals": "poisson", "seed": 1, "drop_after_ns": null,
                   "stages": [{"duration_ns": 1000000000, "from_rate": 5000, "to_rate": 5000}]}"#;
    for load in [closed, open] {
        for reactor in ["epoll", "auto"] {
            let (allocations, requests) = allocations_per_request(reactor, load);
            // What remains is the start, the end and a few a second for the heartbeat.
            assert!(requests > 1000, "{requests} requests are too few to tell");
            assert!(allocations < 400, "{allocations} allocations for {requests} requests ({reactor}, {load})");
        }
    }
}
