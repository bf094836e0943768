//! HTTP/1.1 as clients really speak it, and as they should not; must not measure speed.

mod common;

use std::os::fd::OwnedFd;

use common::{Client, Target};
use loadgen_target::{FeedOptions, Options, serve};

#[test]
fn pipelined_requests_are_answered_in_order_whatever_their_departures() {
    let target = Target::start();
    let mut client = target.connect();
    let paths = ["/status/201", "/delay/30", "/status/202", "/bytes/500000", "/delay/1", "/status/203"];
    for path in paths {
        client.send(format!("GET {path} HTTP/1.1\r\n\r\n"));
    }
    let seen: Vec<(u16, usize)> =
        paths.iter().map(|_| client.read()).map(|response| (response.status, response.body.len())).collect();
    assert_eq!(seen[1], (200, 3));
    assert_eq!(seen[3], (200, 500_000));
    assert_eq!([seen[0].0, seen[2].0, seen[5].0], [201, 202, 203]);
}

#[test]
fn a_flood_of_pipelined_requests_behind_a_held_one_is_answered_and_counted_in_full() {
    let target = Target::start();
    let mut client = target.connect();
    let flood = 5_000;
    client.send("GET /delay/20 HTTP/1.1\r\n\r\n");
    client.send("GET / HTTP/1.1\r\n\r\n".repeat(flood));
    for _ in 0..=flood {
        assert_eq!(client.read().status, 200);
    }
    let counts = client.get("/requests");
    assert!(counts.text().contains(&format!(r#""/": {flood}, "/delay/20": 1"#)), "{}", counts.text());
}

#[test]
fn requests_may_come_byte_by_byte() {
    let target = Target::start();
    let mut client = target.connect();
    let requests = concat!(
        "GET /status/201 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nf\r\n0\r\n\r\n",
    );
    for byte in requests.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.read().status, 201);
    assert_eq!(client.read().text(), "hello");
    assert_eq!(client.read().text(), "abcde");
    assert_eq!(client.read().text(), "f");
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let target = Target::start();
    let mut client = target.connect();
    for path in ["/", "/bytes/1000000", "/status/404", "/delay/1", "/headers"] {
        let length = client.request("HEAD", path, &[], "").headers["content-length"].clone();
        assert_eq!(client.get(path).headers["content-length"], length, "{path}");
    }
    let response = client.request("HEAD", "/chunked/10", &[], "");
    assert_eq!(response.headers["transfer-encoding"], "chunked");
    assert_eq!(client.get("/status/202").status, 202, "no body lies in between");
}

#[test]
fn keep_alive_follows_the_version_and_the_connection_header() {
    let target = Target::start();
    for (version, header, keeps) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let mut client = target.connect();
        client.send(format!("GET / HTTP/{version}\r\n{header}\r\n"));
        let response = client.read();
        let said = response.headers.get("connection").map(String::as_str);
        let expected = match (version, keeps) {
            (_, false) => Some("close"),
            ("1.0", true) => Some("keep-alive"),
            _ => None,
        };
        assert_eq!(said, expected, "{version} {header}");
        if keeps {
            assert_eq!(client.get("/status/204").status, 204);
        } else {
            assert_eq!(client.read_to_end().expect("an orderly end"), b"");
        }
    }
}

#[test]
fn a_body_is_read_on_every_path_so_that_the_next_request_is_understood() {
    let target = Target::start();
    let mut client = target.connect();
    let body = "GET /reset HTTP/1.1\r\n\r\n".repeat(10_000);
    assert_eq!(client.request("POST", "/", &[], &body).status, 200);
    client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x};extension\r\n{body}\r\n0\r\nTrailer: x\r\n\r\n", body.len()));
    assert_eq!(client.read().status, 200);
    assert_eq!(client.get("/status/204").status, 204);
}

#[test]
fn a_client_that_asks_before_it_sends_its_body_is_told_to_continue() {
    let target = Target::start();
    let mut client = target.connect();
    for body in ["first", "again"] {
        client.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.read_head().status, 100);
        client.send(body);
        assert_eq!(client.read().text(), body);
    }
    // Behind a held answer the permission has to wait for its turn.
    client.send("GET /delay/10 HTTP/1.1\r\n\r\n");
    client.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.read().text(), "ok\n");
    assert_eq!(client.read_head().status, 100);
    client.send("third");
    assert_eq!(client.read().text(), "third");
}

#[test]
fn what_is_too_large_or_malformed_is_refused_and_the_answer_arrives() {
    let target = Target::start();
    let large_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    for (request, status) in [
        (&*large_header, 431),
        ("POST / HTTP/1.1\r\nContent-Length: 67108865\r\n\r\nbeginning", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("not http at all\r\n\r\n", 400),
    ] {
        let mut client = target.connect();
        client.send(request);
        let response = client.read();
        assert_eq!((response.status, &*response.headers["connection"]), (status, "close"));
        assert_eq!(client.read_to_end().expect("an orderly end"), b"");
    }
    assert_eq!(target.get("/requests").text(), r#"{"total": 0, "paths": {}, "connections": 5}"#);
}

#[test]
fn a_client_that_has_ended_its_side_still_gets_its_held_answers() {
    let target = Target::start();
    let mut client = target.connect();
    client.send("GET /delay/10 HTTP/1.1\r\n\r\nGET /status/201 HTTP/1.1\r\n\r\n");
    client.half_close();
    assert_eq!(client.read().status, 200);
    assert_eq!(client.read().status, 201);
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");
}

#[test]
fn a_client_that_gives_up_on_what_is_never_answered_is_noticed_whatever_it_sent_behind() {
    let target = Target::start();
    let mut client = target.connect();
    client.send("GET /never HTTP/1.1\r\n\r\n");
    client.send("GET / HTTP/1.1\r\n\r\n".repeat(5_000));
    client.half_close();
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");
}

#[test]
fn clients_that_vanish_leave_the_server_well() {
    let target = Target::start();
    for path in ["/delay/5", "/bytes/100000000", "/never", "/"] {
        let mut client = target.connect();
        client.send(format!("GET {path} HTTP/1.1\r\n\r\n"));
    }
    assert_eq!(target.get("/delay/20").status, 200);
}

#[test]
fn the_server_stops_when_its_parent_is_gone() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let options = Options {
        host: "localhost".to_owned(),
        port: 0,
        log: None,
        parent: Some(OwnedFd::from(theirs)),
        feed: FeedOptions::default(),
        stop: None,
    };
    let (tell, ready) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || serve(options, |address| tell.send(address).expect("a test")));
    let address = ready.recv().expect("a server");
    let mut client = Client::new(address);
    assert_eq!(client.get("/").status, 200);
    drop(ours);
    server.join().expect("no panic").expect("no failure");
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");
}
