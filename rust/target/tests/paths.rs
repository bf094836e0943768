//! Every path of the target through a real socket; must not measure speed.

mod common;

use common::Target;

#[test]
fn the_small_page_is_at_both_paths_for_every_method() {
    let target = Target::start();
    let mut client = target.connect();
    for path in ["/", "/health", "/?with=query"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "PURGE"] {
            let response = client.request(method, path, &[], "");
            assert_eq!((response.status, response.text()), (200, "ok\n"), "{method} {path}");
            assert!(!response.headers.contains_key("x-hold-ns"));
        }
    }
}

#[test]
fn statuses_come_as_asked_and_those_without_a_body_have_none() {
    let target = Target::start();
    let mut client = target.connect();
    for status in [200, 204, 301, 304, 404, 418, 500, 503, 599] {
        let response = client.get(&format!("/status/{status}"));
        assert_eq!(response.status, status);
        let bodyless = matches!(status, 204 | 304);
        assert_eq!(response.headers.contains_key("content-length"), !bodyless, "{status}");
    }
}

#[test]
fn bodies_have_the_size_asked_for_in_both_framings() {
    let target = Target::start();
    let mut client = target.connect();
    for size in [0, 1, 16_384, 16_385, 65_536, 3_000_000] {
        let plain = client.get(&format!("/bytes/{size}"));
        assert_eq!(plain.headers["content-length"], size.to_string());
        let chunked = client.get(&format!("/chunked/{size}"));
        assert_eq!(chunked.headers["transfer-encoding"], "chunked");
        for response in [plain, chunked] {
            assert_eq!(response.body.len(), size);
            assert!(response.body.iter().all(|byte| *byte == b'x'));
        }
    }
}

#[test]
fn nonsense_gets_400_with_a_reason_and_unknown_paths_404_and_the_connection_lives_on() {
    let target = Target::start();
    let mut client = target.connect();
    for path in ["/delay/x", "/bytes/1073741825", "/status/42", "/stall"] {
        let response = client.get(path);
        assert_eq!(response.status, 400, "{path}");
        assert!(response.text().starts_with("expected "), "{}", response.text());
    }
    assert_eq!(client.get("/no/such/path").status, 404);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn echo_returns_body_and_content_type() {
    let target = Target::start();
    let mut client = target.connect();
    let response = client.request("PUT", "/echo", &["Content-Type: text/css"], "a body");
    assert_eq!(response.headers["content-type"], "text/css");
    assert_eq!(response.text(), "a body");
    let large = "0123456789".repeat(300_000);
    let response = client.request("POST", "/echo", &[], &large);
    assert_eq!(response.headers["content-type"], "application/octet-stream");
    assert!(response.text() == large, "3 MB came back changed");
    assert_eq!(client.get("/echo").text(), "");
}

#[test]
fn headers_come_back_as_text() {
    let target = Target::start();
    let response = target.connect().request("GET", "/headers", &["X-One: 1", "x-two: b, c"], "");
    assert_eq!(response.text(), "Host: test\nX-One: 1\nx-two: b, c\n");
}

#[test]
fn connections_end_in_all_the_ways_that_can_be_asked_for() {
    let target = Target::start();

    let mut client = target.connect();
    let response = client.get("/close");
    assert_eq!((response.status, &*response.headers["connection"]), (200, "close"));
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");

    let mut client = target.connect();
    client.send("GET /drop HTTP/1.1\r\n\r\n");
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");

    let mut client = target.connect();
    client.send("GET /reset HTTP/1.1\r\n\r\n");
    let error = client.read_to_end().expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    // The server gives up on what is never answered as soon as its client does.
    let mut client = target.connect();
    client.send("GET /never HTTP/1.1\r\n\r\n");
    client.half_close();
    assert_eq!(client.read_to_end().expect("an orderly end"), b"");

    let lines = target.into_log();
    let sent = |path: &str| lines.iter().find(|line| line.path == path).expect("a line").sent_ns;
    assert!(sent("/close") > 0);
    assert_eq!([sent("/drop"), sent("/reset"), sent("/never")], [0, 0, 0]);
}

#[test]
fn counts_are_exact_by_path_and_leave_out_the_paths_of_control() {
    let target = Target::start();
    let mut client = target.connect();
    for path in ["/", "/?a", "/echo?b", "/", "/nowhere", "/status/500", "/stall?for=0"] {
        client.get(path);
    }
    target.get("/");
    let mut unfinished = target.connect();
    unfinished.send("GET /unfinished HTTP/1.1\r\n");
    let expected = concat!(
        r#"{"total": 7, "paths": {"/": 4, "/echo": 1, "/nowhere": 1, "/status/500": 1}, "#,
        r#""connections": 3}"#
    );
    // The third connection may wait in the backlog for another moment.
    while !client.get("/requests").text().ends_with(r#""connections": 3}"#) {}
    assert_eq!(client.get("/requests?reset=1").text(), expected);
    let response = client.get("/requests");
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(response.text(), r#"{"total": 0, "paths": {}, "connections": 0}"#);
}
