//! Challenges that servers may send: what can be answered has an answer of one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::digest::Challenge;
use loadgen_engine::plan::Credentials;

fuzz_target!(|data: &[u8]| {
    // As a head's reader gives them: without the bytes that end a line.
    let lines: Vec<&[u8]> = data.split(|byte| matches!(byte, b'\r' | b'\n' | 0)).collect();
    let Some(challenge) = Challenge::find(&lines) else { return };
    let who = Credentials { username: "a\"b".into(), password: "c".into() };
    let answer = challenge.answer(&who, 1, "0123", "GET", "/");
    assert!(answer.starts_with(b"Digest ") && !answer.contains(&b'\n') && !answer.contains(&b'\r'));
});
