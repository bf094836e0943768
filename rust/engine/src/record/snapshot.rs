//! A snapshot: all blocks summed at one instant. Two of them subtract to an interval.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::block::{Block, Kind, LabelWord, Role, STATUSES, TallyKind, Word};
use super::histogram::Histogram;
use crate::clock;
use crate::outcome::ErrorKind;

/// The words that sum over workers, with the names that summaries use. All of them only grow but for the last group,
/// which tells the present state.
const WORDS: [(&str, Word, Reading); 22] = {
    use Reading::{Grows, Most, Now};
    [
        ("scheduled", Word::Scheduled, Grows),
        ("dropped", Word::Dropped, Grows),
        ("cancelled", Word::Cancelled, Grows),
        ("connects", Word::Connects, Grows),
        ("connect_failures", Word::ConnectFailures, Grows),
        ("busy_ns", Word::BusyNs, Grows),
        ("spin_ns", Word::SpinNs, Grows),
        ("blocked_ns", Word::BlockedNs, Grows),
        ("cpu_ns", Word::CpuNs, Grows),
        ("pool_waits", Word::PoolWaits, Grows),
        ("cap_hits", Word::CapHits, Grows),
        ("script_ns", Word::ScriptNs, Grows),
        ("attempts", Word::Attempts, Grows),
        ("retries", Word::Retries, Grows),
        ("users", Word::Users, Now),
        ("connections", Word::Connections, Now),
        ("overdue", Word::Overdue, Now),
        ("active_users", Word::ActiveUsers, Now),
        ("max_rss_kb", Word::MaxRssKb, Now),
        ("margin_ns", Word::MarginNs, Most),
        ("heartbeat_ns", Word::Heartbeat, Most),
        ("labels", Word::Labels, Most),
    ]
};

const LABEL_WORDS: [(&str, LabelWord); 5] = [
    ("sent", LabelWord::Sent),
    ("ok", LabelWord::Ok),
    ("failed", LabelWord::Failed),
    ("bytes_sent", LabelWord::BytesSent),
    ("bytes_received", LabelWord::BytesReceived),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Sums over workers; an interval is the difference.
    Grows,
    /// Sums over workers; an interval keeps the later value.
    Now,
    /// The largest of the workers'.
    Most,
}

/// One label's part of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Label {
    /// What it counts.
    pub role: Role,
    /// Counters by name.
    pub counters: BTreeMap<&'static str, u64>,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures without a response by kind.
    pub errors: BTreeMap<&'static str, u64>,
    histograms: [Histogram; Kind::ALL.len()],
}

impl Label {
    /// One of its histograms.
    pub fn histogram(&self, kind: Kind) -> &Histogram {
        &self.histograms[kind as usize]
    }

    fn read(block: &Block, label: usize) -> Self {
        // Ended before begun: read the other way round, a request could seem to have ended before it was sent.
        let mut counters: BTreeMap<_, _> = BTreeMap::new();
        for (name, word) in LABEL_WORDS.into_iter().rev() {
            counters.insert(name, block.label_word(label, word).load(Acquire));
        }
        let some = |count: u64| (count > 0).then_some(count);
        let status = |status: u16| Some((status, some(block.status(label, status).load(Relaxed))?));
        let error = |kind: ErrorKind| Some((kind.name(), some(block.error(label, kind).load(Relaxed))?));
        Self {
            role: block.role(label),
            counters,
            statuses: (0..STATUSES as u16).filter_map(status).collect(),
            errors: ErrorKind::ALL.into_iter().filter_map(error).collect(),
            histograms: Kind::ALL.map(|kind| Histogram::read(block, label, kind)),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.role = other.role;
        add_all(&mut self.counters, &other.counters);
        add_all(&mut self.statuses, &other.statuses);
        add_all(&mut self.errors, &other.errors);
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            mine.merge(theirs);
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            role: self.role,
            counters: subtract_all(&self.counters, &earlier.counters),
            statuses: subtract_all(&self.statuses, &earlier.statuses),
            errors: subtract_all(&self.errors, &earlier.errors),
            histograms: Kind::ALL.map(|kind| self.histogram(kind).since(earlier.histogram(kind))),
        }
    }
}

/// What all workers had counted at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was read.
    pub taken_at_ns: u64,
    words: BTreeMap<&'static str, u64>,
    labels: BTreeMap<String, Label>,
    tallies: BTreeMap<(TallyKind, String), [f64; 4]>,
}

impl Snapshot {
    /// Reads and sums blocks. The same label in several blocks is one.
    pub fn read<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Self {
        let words = WORDS.iter().map(|&(name, _, _)| (name, 0)).collect();
        let mut snapshot = Self { taken_at_ns: clock::now_ns(), words, ..Self::default() };
        for block in blocks {
            // Labels first: what has ended or been sent by then is counted in the words that are read after them.
            for label in 0..block.labels() {
                let read = Label::read(block, label);
                snapshot.labels.entry(block.label_name(label)).or_default().merge(&read);
            }
            for (name, word, reading) in WORDS {
                let sum = snapshot.words.entry(name).or_default();
                let value = block.get(word);
                *sum = if reading == Reading::Most { (*sum).max(value) } else { *sum + value };
            }
            for (kind, name, values) in block.tallies() {
                match snapshot.tallies.entry((kind, name)) {
                    Entry::Vacant(entry) => drop(entry.insert(values)),
                    Entry::Occupied(mut entry) => merge_tally(kind, entry.get_mut(), values),
                }
            }
        }
        snapshot
    }

    /// What scripts count themselves, by name.
    pub fn tallies(&self) -> impl Iterator<Item = (TallyKind, &str, [f64; 4])> {
        self.tallies.iter().map(|((kind, name), values)| (*kind, name.as_str(), *values))
    }

    /// The interval between an earlier snapshot of the same blocks and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut words = self.words.clone();
        for (name, _, _) in WORDS.iter().filter(|(_, _, reading)| *reading == Reading::Grows) {
            let before = earlier.words.get(name).copied().unwrap_or(0);
            words.entry(name).and_modify(|value| *value = value.saturating_sub(before));
        }
        let none = Label::default();
        let since =
            |(name, label): (&String, &Label)| (name.clone(), label.since(earlier.labels.get(name).unwrap_or(&none)));
        let labels = self.labels.iter().map(since).collect();
        Self { taken_at_ns: self.taken_at_ns, words, labels, tallies: self.tallies_since(earlier) }
    }

    fn tallies_since(&self, earlier: &Self) -> BTreeMap<(TallyKind, String), [f64; 4]> {
        let since = |(key, values): (&(TallyKind, String), &[f64; 4])| {
            let before = earlier.tallies.get(key).unwrap_or(&[0.0; 4]);
            let grown = [0, 1, 2, 3].map(|i| values[i] - before[i]);
            // A gauge shows states: what it shows now stays.
            (key.clone(), if key.0 == TallyKind::Gauge { *values } else { grown })
        };
        self.tallies.iter().map(since).collect()
    }

    /// Everything that is counted, by name, over all labels.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let all = self.total();
        let mut counters = self.words.clone();
        counters.remove("labels");
        counters.extend(&all.counters);
        let ended = all.counters["ok"] + all.counters["failed"];
        counters.insert("in_flight", all.counters["sent"].saturating_sub(ended));
        counters.insert("infinite", all.histogram(Kind::Response).infinite);
        let iterations = self.of_role(Role::Iteration);
        let named = [("iterations_started", "sent"), ("iterations_ok", "ok"), ("iterations_failed", "failed")];
        counters.extend(named.map(|(name, counter)| (name, iterations.counters[counter])));
        counters
    }

    /// All labels that count as requests as one.
    pub fn total(&self) -> Label {
        self.sum(Role::counts)
    }

    /// All labels of a role as one.
    pub fn of_role(&self, wanted: Role) -> Label {
        self.sum(|role| role == wanted)
    }

    fn sum(&self, is_wanted: impl Fn(Role) -> bool) -> Label {
        let mut sum = Label { counters: LABEL_WORDS.map(|(name, _)| (name, 0)).into(), ..Label::default() };
        for label in self.labels.values().filter(|label| is_wanted(label.role)) {
            sum.merge(label);
        }
        sum
    }

    /// The names of the labels, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.keys().map(String::as_str)
    }

    /// One label's part.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.get(name)
    }
}

fn merge_tally(kind: TallyKind, sums: &mut [f64; 4], more: [f64; 4]) {
    if kind != TallyKind::Gauge {
        for (sum, value) in sums.iter_mut().zip(more) {
            *sum += value;
        }
    } else if more[3] > 0.0 {
        let [_, least, most, count] = *sums;
        let seen = count > 0.0;
        *sums = [
            more[0],
            if seen { least.min(more[1]) } else { more[1] },
            if seen { most.max(more[2]) } else { more[2] },
            count + more[3],
        ];
    }
}

fn add_all<K: Ord + Copy>(sums: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (&key, &value) in more {
        *sums.entry(key).or_default() += value;
    }
}

fn subtract_all<K: Ord + Copy>(now: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    now.iter().map(|(&key, &value)| (key, value.saturating_sub(before.get(&key).copied().unwrap_or(0)))).collect()
}
