//! The laws of departure, recomputed from the log; must not assert on a wall clock, except that nothing leaves early.

#![allow(clippy::struct_field_names)]

mod common;

use std::collections::HashMap;

use common::{Line, Target};

const MS: u64 = 1_000_000;

/// Sends every target on a connection of its own, all at once, and waits for all answers.
fn crowd(target: &Target, paths: &[String]) {
    let mut clients: Vec<_> = paths.iter().map(|_| target.connect()).collect();
    for (client, path) in clients.iter_mut().zip(paths) {
        client.send(format!("GET {path} HTTP/1.1\r\n\r\n"));
    }
    for client in &mut clients {
        let response = client.read();
        assert_eq!(response.status, 200);
    }
}

/// The log in the order of receipt, with what must hold on every line.
fn checked_log(target: Target) -> Vec<Line> {
    let mut lines = target.into_log();
    lines.sort_by_key(|line| line.seq);
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line.seq, place as u64 + 1, "one line for each request");
        assert!(line.due_ns >= line.received_ns, "{line:?}");
        assert!(line.sent_ns >= line.due_ns, "left before it was due: {line:?}");
    }
    lines
}

/// The documented hash, written again: what a client in another language would do.
fn exponential_ns(mean_ns: f64, seed: u64, number: u64) -> u64 {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let hash = mix(mix(seed).wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let uniform = ((hash >> 11) + 1) as f64 / 2_f64.powi(53);
    (-mean_ns * uniform.ln()).round() as u64
}

/// Two libraries may differ in the last bit of a logarithm.
fn assert_within_1_ns(seen: u64, expected: u64, line: &Line) {
    assert!(seen.abs_diff(expected) <= 1, "{seen} against {expected}: {line:?}");
}

#[test]
fn a_delay_departs_exactly_that_long_after_its_receipt() {
    let target = Target::start();
    let response = target.get("/delay/2.5");
    assert!(response.hold_ns() >= 2_500_000);
    crowd(&target, &vec!["/delay/7".to_owned(); 50]);
    for line in checked_log(target) {
        let span_ns = if line.path == "/delay/7" { 7 * MS } else { 2_500_000 };
        assert_eq!(line.due_ns - line.received_ns, span_ns);
    }
}

#[test]
fn the_hold_that_is_told_is_the_one_in_the_log() {
    let target = Target::start();
    let told_ns: Vec<u64> = (0..20).map(|_| target.get("/delay/exp/1?seed=3").hold_ns()).collect();
    let logged_ns: Vec<u64> = checked_log(target).iter().map(|line| line.sent_ns - line.received_ns).collect();
    assert_eq!(told_ns, logged_ns);
}

#[test]
fn random_delays_are_drawn_by_seed_and_number_on_each_path() {
    let target = Target::start();
    let paths: Vec<String> = (0..150).map(|place| format!("/delay/exp/3?seed={}", place % 3)).collect();
    crowd(&target, &paths);
    let mut numbers: HashMap<String, u64> = HashMap::new();
    for line in checked_log(target) {
        let number = numbers.entry(line.path.clone()).or_default();
        *number += 1;
        let seed = line.path[line.path.len() - 1..].parse().expect("a seed");
        let expected_ns = exponential_ns(3e6, seed, *number);
        assert_within_1_ns(line.due_ns - line.received_ns, expected_ns, &line);
    }
    assert!(numbers.values().all(|number| *number == 50));
}

#[test]
fn of_a_bimodal_path_every_nth_request_is_slow() {
    let target = Target::start();
    let mut client = target.connect();
    for _ in 0..12 {
        client.get("/delay/bimodal/0.5/4/4");
    }
    for line in checked_log(target) {
        let span_ns = if line.seq % 4 == 0 { 4 * MS } else { MS / 2 };
        assert_eq!(line.due_ns - line.received_ns, span_ns);
    }
}

#[test]
fn queues_follow_lindley_exactly_and_each_on_its_own() {
    let target = Target::start();
    let mut paths = vec!["/queue/0.5".to_owned(); 100];
    paths.extend(vec!["/queue/exp/0.7?seed=5".to_owned(); 100]);
    paths.extend(vec!["/queue/0.5?another".to_owned(); 20]);
    crowd(&target, &paths);
    target.get("/queue/0.5"); // finds its queue empty
    let mut queues: HashMap<String, (u64, u64)> = HashMap::new();
    for line in checked_log(target) {
        let (number, free_ns) = queues.entry(line.path.clone()).or_default();
        *number += 1;
        let random = line.path.starts_with("/queue/exp");
        let service_ns = if random { exponential_ns(0.7e6, 5, *number) } else { MS / 2 };
        let expected_ns = line.received_ns.max(*free_ns) + service_ns;
        assert_within_1_ns(line.due_ns, expected_ns, &line);
        *free_ns = line.due_ns;
    }
    assert_eq!(queues.len(), 3);
}

/// Windows of a stall as the log of its request and its parameters tell them.
struct Windows {
    start_ns: u64,
    length_ns: u64,
    every_ns: u64,
}

impl Windows {
    fn end_of_window_at(&self, due_ns: u64) -> Option<u64> {
        let into_ns = due_ns.checked_sub(self.start_ns)? % self.every_ns;
        (into_ns < self.length_ns).then(|| due_ns - into_ns + self.length_ns)
    }
}

#[test]
fn what_is_due_in_a_window_leaves_at_its_end_on_every_path() {
    let target = Target::start();
    target.get("/stall?for=15&every=40&after=5");
    let mut clients: Vec<_> =
        ["/", "/delay/3", "/echo", "/status/404"].iter().map(|path| (target.connect(), *path)).collect();
    for _ in 0..40 {
        for (client, path) in &mut clients {
            client.send(format!("GET {path} HTTP/1.1\r\n\r\n"));
        }
        for (client, _) in &mut clients {
            client.read();
        }
    }
    let control = target.connect().get("/requests");
    assert!(!control.headers.contains_key("x-hold-ns"), "the control paths are never frozen");
    let lines = checked_log(target);
    let windows = Windows { start_ns: lines[0].received_ns + 5 * MS, length_ns: 15 * MS, every_ns: 40 * MS };
    let mut frozen = 0;
    for line in lines.iter().filter(|line| !line.path.starts_with("/stall") && !line.path.starts_with("/req")) {
        let span_ns = if line.path == "/delay/3" { 3 * MS } else { 0 };
        let natural_ns = line.received_ns + span_ns;
        let window_end_ns = windows.end_of_window_at(natural_ns);
        frozen += u64::from(window_end_ns.is_some());
        assert_eq!(line.due_ns, window_end_ns.unwrap_or(natural_ns), "{line:?}");
    }
    assert!(frozen >= 4, "the test has to meet a window; it met {frozen}");
}

#[test]
fn a_frozen_queue_serves_nobody_and_has_its_backlog_afterwards() {
    let target = Target::start();
    target.get("/stall?for=100&after=0");
    crowd(&target, &vec!["/queue/1".to_owned(); 10]);
    let lines = checked_log(target);
    let window_end_ns = lines[0].received_ns + 100 * MS;
    let mut free_ns = 0;
    let mut backlog = 0;
    for line in &lines[1..] {
        let served_ns = line.received_ns.max(free_ns) + MS;
        let in_window = served_ns < window_end_ns;
        backlog += u64::from(line.received_ns < window_end_ns && !in_window);
        let expected_ns = if in_window { window_end_ns } else { served_ns };
        assert_eq!(line.due_ns, expected_ns, "{line:?}");
        free_ns = line.due_ns;
    }
    assert!(backlog > 0, "the test has to leave a backlog");
}

#[test]
fn a_stall_holds_what_waits_already_and_its_end_lets_it_go() {
    let target = Target::start();
    let mut waiting = target.connect();
    waiting.send("GET /delay/40 HTTP/1.1\r\n\r\n");
    // Seen by the server before the stall: its count says so.
    while !target.get("/requests").text().contains("/delay/40") {}
    target.get("/stall?for=3600000");
    let mut frozen = target.connect();
    frozen.send("GET / HTTP/1.1\r\n\r\n");
    while !target.get("/requests").text().contains(r#""/": 1"#) {}
    target.get("/stall?for=0");
    assert!(frozen.read().hold_ns() > 0);
    assert!(waiting.read().hold_ns() >= 40 * MS);
    assert!(!target.get("/").headers.contains_key("x-hold-ns"), "open for good");
    let lines = checked_log(target);
    assert_eq!(lines.iter().filter(|line| line.path == "/").count(), 2);
}

#[test]
fn requests_that_are_never_answered_have_their_line_too() {
    let target = Target::start();
    let mut never = target.connect();
    let mut held = target.connect();
    never.send("GET /never HTTP/1.1\r\n\r\n");
    held.send("GET /delay/3600000 HTTP/1.1\r\n\r\n");
    while !target.get("/requests").text().contains(r#""total": 2"#) {}
    let lines = target.into_log();
    let line = |path: &str| lines.iter().find(|line| line.path == path).expect("a line");
    assert_eq!((line("/never").due_ns, line("/never").sent_ns), (0, 0));
    let held = line("/delay/3600000");
    assert_eq!(held.due_ns, held.received_ns + 3_600_000 * MS);
    assert_eq!(held.sent_ns, 0);
}
