//! Running out of file descriptors, which is the fate of a whole process: alone in its file for that reason.

mod common;

use std::fs::File;

use common::Target;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn allow(descriptors: u64) {
    let limit = Rlimit { current: Some(descriptors), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("a limit below the highest");
}

#[test]
fn a_client_that_comes_when_there_are_no_descriptors_is_served_when_there_are_again() {
    let target = Target::start();
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    let mut early = target.connect();
    assert_eq!(early.get("/").status, 200);

    allow(100);
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    hoard.pop(); // for the client's side of one more connection
    let mut late = target.connect();
    late.send("GET /status/201 HTTP/1.1\r\n\r\n");
    for _ in 0..100 {
        assert_eq!(early.get("/delay/2").status, 200, "those who are in are served");
    }
    let counts = early.get("/requests");
    assert!(counts.text().ends_with(r#""connections": 1}"#), "{}", counts.text());

    allow(before);
    drop(hoard);
    assert_eq!(late.read().status, 201);
}
