//! A server in a thread and a client that speaks raw HTTP to it; must not decide what is right.

#![allow(dead_code, clippy::struct_field_names)] // each test file uses its part

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use loadgen_target::{FeedOptions, Options, serve};

/// Nothing in these tests takes as long; reading fails then instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    log: PathBuf,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Target {
    pub(crate) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = format!("target-{}-{number}.csv", std::process::id());
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
        let stop = Arc::new(AtomicBool::new(false));
        let options = Options {
            host: "127.0.0.1".to_owned(),
            port: 0,
            log: Some(log.clone()),
            parent: None,
            feed: FeedOptions::default(),
            stop: Some(Arc::clone(&stop)),
        };
        let (tell, ready) = mpsc::channel();
        let server = std::thread::spawn(move || serve(options, |address| tell.send(address).expect("a test")));
        Self { address: ready.recv_timeout(PATIENCE).expect("a server"), stop, log, server: Some(server) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// Stops the server and reads its log.
    pub(crate) fn into_log(mut self) -> Vec<Line> {
        self.stop();
        let text = fs::read_to_string(&self.log).expect("a log");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("seq,connection,recv_ns,due_ns,sent_ns,path"));
        lines.map(Line::read).collect()
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            server.join().expect("no panic").expect("no failure");
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
        let _ = fs::remove_file(&self.log);
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) connection: u64,
    pub(crate) received_ns: u64,
    pub(crate) due_ns: u64,
    pub(crate) sent_ns: u64,
    pub(crate) path: String,
}

impl Line {
    fn read(text: &str) -> Self {
        let fields: Vec<&str> = text.splitn(6, ',').collect();
        let number = |place: usize| fields[place].parse().unwrap_or_else(|_| panic!("not a number: {text}"));
        Self {
            seq: number(0),
            connection: number(1),
            received_ns: number(2),
            due_ns: number(3),
            sent_ns: number(4),
            path: fields[5].to_owned(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn hold_ns(&self) -> u64 {
        self.headers["x-hold-ns"].parse().expect("a number")
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("a server that reads");
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("an open connection");
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, &[], "")
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, headers: &[&str], body: &str) -> Response {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        for header in headers {
            write!(text, "{header}\r\n").expect("a String takes every text");
        }
        if !body.is_empty() {
            write!(text, "Content-Length: {}\r\n", body.len()).expect("a String takes every text");
        }
        self.send(text + "\r\n" + body);
        if method == "HEAD" { self.read_head() } else { self.read() }
    }

    pub(crate) fn read_head(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read_more();
        };
        let head = String::from_utf8(self.take(end + 4)).expect("text");
        let mut lines = head.trim_end().lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_lowercase(), value.to_owned())
        };
        Response { status: status.parse().expect("a status"), headers: lines.map(pair).collect(), body: Vec::new() }
    }

    pub(crate) fn read(&mut self) -> Response {
        let mut response = self.read_head();
        if let Some(length) = response.headers.get("content-length") {
            response.body = self.take(length.parse().expect("a length"));
        } else if response.headers.contains_key("transfer-encoding") {
            loop {
                let line = self.line();
                let size = usize::from_str_radix(&line, 16).expect("a chunk size");
                response.body.extend(self.take(size));
                assert_eq!(self.line(), "");
                if size == 0 {
                    break;
                }
            }
        }
        response
    }

    /// What comes until the server closes; an error if it resets the connection.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.unread);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\r\n") {
                break end;
            }
            self.read_more();
        };
        String::from_utf8(self.take(end + 2)).expect("text").trim_end().to_owned()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            self.read_more();
        }
        self.unread.drain(..count).collect()
    }

    fn read_more(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let count = self.stream.read(&mut buffer).expect("an answer");
        assert!(count > 0, "closed amid a response");
        self.unread.extend_from_slice(&buffer[..count]);
    }
}
