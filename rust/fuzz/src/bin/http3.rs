//! An HTTP/3 connection with requests on it against a server that says and does anything, in any slices: it must not
//! panic, every request must end exactly once, and as it would have wherever the slices fall.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http2::request::{Rendered, render_parts};
use loadgen_engine::http3::memory::{Pair, Takes};
use loadgen_engine::multiplexed::{Ended, Limits, Multiplexed};
use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::pool::Sending;
use loadgen_engine::streamed::Part;
use loadgen_engine::upload::{Making, Upload};

const MS: u64 = 1_000_000;
/// Enough for all that there is to do, and no more than takes a moment.
const MOST_ACTS: usize = 60;
const MOST_SLICES: usize = 40;
/// The request that is streamed, and the one whose body is made meanwhile.
const STREAMED: u64 = 1;
const MADE: u64 = 2;

/// A run of one input.
struct Run {
    pair: Pair,
    making: Making,
    step: usize,
    /// Requests so far.
    asked: u64,
    /// What was sent last.
    last: Vec<u8>,
}

/// How a request ended: its status, what came for it, and the bytes that somebody could read.
type End = (Option<u16>, u64, Vec<u8>);

impl Run {
    fn begin(shape: u8, body: u8, step: usize) -> Self {
        let takes = Takes {
            requests: if shape & 1 == 0 { 4 } else { 100 },
            control: if shape & 6 == 6 { 1 } else { 3 },
            window_bytes: if shape & 8 == 0 { 1 << 20 } else { 2000 },
        };
        let limits = Limits { body_bytes: 10_000, ..Limits::default() };
        let pair = Pair::new(limits, takes);
        let mut run = Self { pair, making: Making::default(), step, asked: 0, last: Vec::new() };
        let held = render_parts("POST", "https://a/", &[], Some(&vec![b'x'; usize::from(body) * 64])).unwrap();
        let made = Rc::new(Upload::made(run.making.clone(), shape & 16 != 0));
        let made = render_parts("PUT", "https://a/", &[], None).unwrap().with_upload(Some(&made));
        for request in [held, get(), made] {
            run.ask(request);
        }
        run
    }

    fn ask(&mut self, request: Rendered) {
        let is_head = self.asked > MADE;
        let sending = Sending {
            token: self.asked,
            timeout_ns: 1000 * MS,
            idle_ns: 500 * MS,
            keeps: self.asked != STREAMED,
            streams: self.asked == STREAMED,
            is_head,
            ..Sending::default()
        };
        self.asked += u64::from(self.pair.client.send(&Rc::new(request), sending, self.pair.now_ns));
        self.pair.exchange();
    }

    /// Does what the next bytes say; what is left of them.
    fn act<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let &[what, value, ref rest @ ..] = data else { return &[] };
        let (number, token) = (what >> 4, u64::from(what >> 4));
        let pair = &mut self.pair;
        let (stream, code) = (pair.request(token), (u32::from(value) + 0xf8).into());
        let mut rest = rest;
        match (what & 15, stream) {
            (kind @ 0..=3, _) => {
                let stream = if kind < 2 { stream } else { pair.control(number) };
                if kind % 2 == 0 {
                    let (bytes, after) = rest.split_at(rest.len().min(usize::from(value)));
                    (self.last, rest) = (bytes.to_vec(), after);
                } else {
                    self.last = self.last.repeat(usize::from(value)).into_iter().take(1 << 16).collect();
                }
                for bytes in self.last.chunks(self.step.max(self.last.len() / MOST_SLICES)) {
                    if let Some(stream) = stream {
                        pair.write(stream, bytes);
                    }
                }
            }
            (4, Some(stream)) => pair.finish(stream),
            (5, Some(stream)) => pair.reset(stream, code),
            (6, Some(stream)) => pair.stop(stream, code),
            (7, Some(stream)) => drop(pair.read(stream)),
            (4..=7, None) => {}
            (8, _) => match (pair.control(number), value % 2) {
                (Some(stream), 0) => pair.finish(stream),
                (Some(stream), _) => pair.reset(stream, code),
                (None, _) => {}
            },
            (9, _) => pair.close(code),
            (10, _) => pair.wait(u64::from(value) * 10 * MS),
            (11, _) if value == 0 => self.making.end(),
            (11, _) => self.making.add(vec![b'y'; usize::from(value)]),
            (12, _) if value % 2 == 0 => pair.client.hold(token),
            (12, _) => pair.client.release(token, pair.now_ns),
            (13, _) => pair.client.leave(token, pair.now_ns, Ok(()), &mut pair.ended),
            (14, _) => pair.client.break_off(token, pair.now_ns, ErrorKind::BodyUnreadable, &mut pair.ended),
            _ => self.ask(render_parts("HEAD", "https://a/", &[], None).unwrap()),
        }
        self.pair.exchange();
        assert_eq!(self.pair.client.in_flight() + self.pair.ended.len(), self.asked as usize);
        rest
    }

    fn end(mut self) -> Vec<End> {
        let Pair { client, ended, pieces, now_ns, .. } = &mut self.pair;
        client.lose(*now_ns, ErrorKind::Closed, ended);
        client.take_pieces(pieces);
        assert!(client.is_done() && client.in_flight() == 0);
        ended.sort_by_key(|ended: &Ended| ended.sending.token);
        assert!(ended.iter().map(|ended| ended.sending.token).eq(0..self.asked));
        assert!(pieces.iter().all(|piece| piece.token == STREAMED));
        let is_head = |part: &Part| matches!(part, Part::Head(_));
        assert!(pieces.iter().skip(1).all(|piece| !is_head(&piece.part)));
        let streamed = pieces.iter().flat_map(|piece| match &piece.part {
            Part::Head(bytes) | Part::Data(bytes) => bytes.iter().copied(),
        });
        let mut ends: Vec<End> = ended
            .iter()
            .map(|ended| {
                let kept = ended.answer.as_ref().map_or(Vec::new(), |(shape, bytes)| {
                    assert!(bytes[..shape.body_at].ends_with(b"\r\n\r\n") && shape.end_at == Some(bytes.len()));
                    bytes.clone()
                });
                (ended.result.ok(), ended.bytes_received, kept)
            })
            .collect();
        if let Some((_, _, kept)) = ends.get_mut(STREAMED as usize) {
            kept.extend(streamed);
        }
        ends
    }
}

fn get() -> Rendered {
    render_parts("GET", "https://a/", &[], None).unwrap()
}

fuzz_target!(|data: &[u8]| {
    let [shape, body, step, acts @ ..] = data else { return };
    let run = |step: usize| {
        let (mut run, mut rest) = (Run::begin(*shape, *body, step), acts);
        for _ in 0..MOST_ACTS {
            rest = run.act(rest);
        }
        run.end()
    };
    let (whole, sliced) = (run(usize::MAX), run(usize::from(*step) + 1));
    for (whole, sliced) in whole.iter().zip(&sliced) {
        assert_eq!(whole.0, sliced.0, "{whole:?} {sliced:?}");
        assert!(whole.0.is_none() || whole == sliced, "{whole:?} {sliced:?}");
    }
});
