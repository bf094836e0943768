//! The recorder: the one writer of a block. It counts; it holds no opinion on what it counts.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

use super::block::{Block, HeadWord, Kind, LabelWord, Role, TallyKind, Word};
use super::buckets;
use crate::clock;
use crate::outcome::{End, ErrorKind, Outcome};

/// Writes one worker's outcomes into its block.
#[derive(Debug)]
pub struct Recorder {
    block: Block,
}

/// With a single writer a load and a store are enough, and cheaper than a locked addition. Release: a reader that sees
/// that a request ended also sees that it was sent.
#[inline]
fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Relaxed).wrapping_add(amount), Release);
}

#[inline]
fn raise(word: &AtomicU64, value: u64) {
    if value > word.load(Relaxed) {
        word.store(value, Relaxed);
    }
}

impl Recorder {
    /// Takes the block over as its writer.
    pub fn new(block: Block) -> Self {
        block.word(Word::Pid).store(u64::from(std::process::id()), Relaxed);
        let recorder = Self { block };
        recorder.heartbeat(clock::now_ns());
        recorder
    }

    /// What it has written.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// A slot for a label; when the block is full, the last one is shared.
    pub fn label(&self, name: &str, role: Role) -> usize {
        self.block.add_label(name, role).unwrap_or_else(|| self.block.labels() - 1)
    }

    /// How many labels may still be added.
    pub fn labels_left(&self) -> usize {
        self.block.get(Word::Capacity) as usize - self.block.labels()
    }

    /// A tally; `None` when all are in use.
    pub fn tally(&self, kind: TallyKind, name: &str) -> Option<usize> {
        self.block.add_tally(kind, name)
    }

    /// Adds to a value of a tally.
    #[inline]
    pub fn tally_add(&self, tally: usize, value: usize, amount: f64) {
        let word = self.block.tally(tally, value);
        word.store((f64::from_bits(word.load(Relaxed)) + amount).to_bits(), Relaxed);
    }

    /// A gauge shows a value.
    pub fn tally_gauge(&self, tally: usize, shown: f64) {
        let get = |value: usize| f64::from_bits(self.block.tally(tally, value).load(Relaxed));
        let set = |value: usize, to: f64| self.block.tally(tally, value).store(to.to_bits(), Relaxed);
        let first = get(3) == 0.0;
        set(0, shown);
        set(1, if first { shown } else { get(1).min(shown) });
        set(2, if first { shown } else { get(2).max(shown) });
        set(3, get(3) + 1.0);
    }

    /// A sign of life, with what the process has used so far.
    pub fn heartbeat(&self, now_ns: u64) {
        self.set(Word::Heartbeat, now_ns);
        self.set(Word::CpuNs, clock::cpu_ns());
    }

    /// How much memory the process has used so far. Costs three system calls.
    pub fn memory(&self) {
        self.set(Word::MaxRssKb, max_rss_kb());
    }

    /// Adds to a word about the worker.
    #[inline]
    pub fn add(&self, word: Word, amount: u64) {
        add(self.block.word(word), amount);
    }

    /// Sets a word that tells the present state.
    #[inline]
    pub fn set(&self, word: Word, value: u64) {
        self.block.word(word).store(value, Relaxed);
    }

    /// A connection was made.
    pub fn connected(&self, label: usize, took_ns: u64, tls_ns: Option<u64>) {
        self.sample(label, Kind::Connect, took_ns);
        if let Some(tls_ns) = tls_ns {
            self.sample(label, Kind::Tls, tls_ns);
        }
    }

    /// A request is about to be written.
    #[inline]
    pub fn sent(&self, label: usize, due_ns: u64, sent_ns: u64, bytes: u64) {
        add(self.block.label_word(label, LabelWord::BytesSent), bytes);
        self.sample(label, Kind::Lateness, sent_ns.saturating_sub(due_ns));
    }

    /// More of a request that was sent before is about to be written.
    pub fn sent_on(&self, label: usize, bytes: u64) {
        add(self.block.label_word(label, LabelWord::BytesSent), bytes);
    }

    /// A request that was begun under one label counts under another. Nothing else makes a count less: an interval that
    /// sees only half of it is one short for this label.
    pub fn renamed(&self, from: usize, to: usize) {
        let sent = self.block.label_word(from, LabelWord::Sent);
        sent.store(sent.load(Relaxed).saturating_sub(1), Release);
        self.begun(to);
    }

    /// An arrival was taken up: from here on it counts as sent.
    #[inline]
    pub fn taken(&self, label: usize) {
        self.add(Word::Scheduled, 1);
        self.begun(label);
    }

    /// A request was begun that no schedule knows of.
    #[inline]
    pub fn begun(&self, label: usize) {
        add(self.block.label_word(label, LabelWord::Sent), 1);
    }

    /// Bytes came for a label.
    #[inline]
    pub fn received(&self, label: usize, bytes: u64) {
        add(self.block.label_word(label, LabelWord::BytesReceived), bytes);
    }

    /// Something that is no exchange of bytes ended well.
    #[inline]
    pub fn ended_well(&self, label: usize, due_ns: u64, begun_ns: u64, done_ns: u64) {
        self.sample(label, Kind::Response, done_ns.saturating_sub(due_ns));
        self.sample(label, Kind::Service, done_ns.saturating_sub(begun_ns));
        add(self.block.label_word(label, LabelWord::Ok), 1);
    }

    /// Something that is no exchange of bytes came to its end, and is said to have failed.
    pub fn ended_ill(&self, label: usize, begun_ns: u64, done_ns: u64) {
        self.sample(label, Kind::Response, done_ns.saturating_sub(begun_ns));
        self.sample(label, Kind::Service, done_ns.saturating_sub(begun_ns));
        add(self.block.error(label, ErrorKind::Rejected), 1);
        add(self.block.label_word(label, LabelWord::Failed), 1);
    }

    /// An arrival was given up without being sent; it counts against the percentiles.
    pub fn given_up(&self, label: usize, word: Word, amount: u64) {
        self.add(Word::Scheduled, amount);
        self.add(word, amount);
        for kind in [Kind::Response, Kind::Lateness] {
            add(self.block.head(label, kind, HeadWord::Infinite), amount);
        }
    }

    /// A request ended.
    #[inline]
    pub fn finished(&self, label: usize, outcome: &Outcome) {
        self.moved(label, outcome);
        match outcome.end {
            End::Response(status) => {
                self.answered(label, outcome);
                self.came(label, status);
                let word = if status < 400 { LabelWord::Ok } else { LabelWord::Failed };
                add(self.block.label_word(label, word), 1);
            }
            End::Error(kind) => {
                for infinite in [Kind::Response, Kind::Service] {
                    add(self.block.head(label, infinite, HeadWord::Infinite), 1);
                }
                add(self.block.error(label, kind), 1);
                add(self.block.label_word(label, LabelWord::Failed), 1);
            }
        }
    }

    /// A request ended, and whoever asked for it says whether well: that counts more than its status.
    pub fn judged(&self, label: usize, outcome: &Outcome, is_ok: bool) {
        if is_ok == matches!(outcome.end, End::Response(status) if status < 400) {
            return self.finished(label, outcome);
        }
        self.moved(label, outcome);
        self.answered(label, outcome);
        if let End::Response(status) = outcome.end {
            self.came(label, status);
        }
        if is_ok {
            add(self.block.label_word(label, LabelWord::Ok), 1);
        } else {
            add(self.block.error(label, ErrorKind::Rejected), 1);
            add(self.block.label_word(label, LabelWord::Failed), 1);
        }
    }

    fn moved(&self, label: usize, outcome: &Outcome) {
        add(self.block.label_word(label, LabelWord::BytesReceived), outcome.bytes_received);
        if outcome.bytes_sent > 0 {
            add(self.block.label_word(label, LabelWord::BytesSent), outcome.bytes_sent);
        }
    }

    #[inline]
    fn came(&self, label: usize, status: u16) {
        self.block.touch_status(label, status);
        add(self.block.status(label, status), 1);
    }

    #[inline]
    fn answered(&self, label: usize, outcome: &Outcome) {
        self.sample(label, Kind::Response, outcome.done_ns.saturating_sub(outcome.due_ns));
        self.sample(label, Kind::Service, outcome.done_ns.saturating_sub(outcome.sent_ns));
        self.sample(label, Kind::FirstByte, outcome.first_byte_ns.saturating_sub(outcome.sent_ns));
        self.sample(label, Kind::Receive, outcome.done_ns.saturating_sub(outcome.first_byte_ns));
    }

    /// Requests that had not ended when the run did: infinite, and neither ok nor failed.
    pub fn unfinished(&self, label: usize, amount: u64) {
        for kind in [Kind::Response, Kind::Service] {
            add(self.block.head(label, kind, HeadWord::Infinite), amount);
        }
    }

    /// Counts one value in a histogram.
    #[inline]
    pub fn sample(&self, label: usize, kind: Kind, value: u64) {
        let head = |word| self.block.head(label, kind, word);
        let clamped = value.min(buckets::HIGHEST);
        if value > buckets::HIGHEST {
            add(head(HeadWord::Overflow), 1);
        }
        let index = buckets::index(clamped);
        self.block.touch(label, kind, index);
        add(self.block.bucket(label, kind, index), 1);
        add(head(HeadWord::Count), 1);
        add(head(HeadWord::Sum), value);
        let squares = head(HeadWord::SumOfSquares);
        let square = value as f64 * value as f64;
        squares.store((f64::from_bits(squares.load(Relaxed)) + square).to_bits(), Relaxed);
        raise(head(HeadWord::MinComplement), !value);
        raise(head(HeadWord::Max), value);
    }
}

/// Largest resident size of this process so far; 0 where the system does not tell.
fn max_rss_kb() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
