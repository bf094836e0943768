//! A snapshot: all blocks summed at one instant. Two of them subtract to an interval.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::block::{Block, Kind, LabelWord, Role, TallyKind, Word};
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

/// What one label counted, or several as one.
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
        let error = |kind: ErrorKind| Some((kind.name(), some(block.error(label, kind).load(Relaxed))?));
        Self {
            role: block.role(label),
            counters,
            statuses: block.statuses(label).collect(),
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

    fn sum<'a>(role: Role, parts: impl Iterator<Item = &'a Self>) -> Self {
        let parts: Vec<_> = parts.collect();
        let mut sum = Self { role, counters: LABEL_WORDS.map(|(name, _)| (name, 0)).into(), ..Self::default() };
        for part in &parts {
            add_all(&mut sum.counters, &part.counters);
            add_all(&mut sum.statuses, &part.statuses);
            add_all(&mut sum.errors, &part.errors);
        }
        sum.histograms = Kind::ALL.map(|kind| Histogram::sum(parts.iter().map(|part| part.histogram(kind))));
        sum
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

/// One label's part of a snapshot: of an interval, what came in it. Only what is asked for is worked out.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    label: &'a Label,
    earlier: Option<&'a Label>,
}

impl Part<'_> {
    /// What it counts.
    pub fn role(&self) -> Role {
        self.label.role
    }

    /// Counters by name.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.grown(|label| &label.counters)
    }

    /// Responses by status.
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        self.grown(|label| &label.statuses)
    }

    /// Failures without a response by kind.
    pub fn errors(&self) -> BTreeMap<&'static str, u64> {
        self.grown(|label| &label.errors)
    }

    /// One of its histograms.
    pub fn histogram(&self, kind: Kind) -> Histogram {
        let now = self.label.histogram(kind);
        self.earlier.map_or_else(|| now.clone(), |earlier| now.since(earlier.histogram(kind)))
    }

    fn grown<K: Ord + Copy>(&self, of: impl Fn(&Label) -> &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
        let now = of(self.label);
        self.earlier.map_or_else(|| now.clone(), |earlier| subtract_all(now, of(earlier)))
    }
}

type Labels = BTreeMap<String, Label>;

/// What all workers had counted at one instant, or between two.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was read.
    pub taken_at_ns: u64,
    words: BTreeMap<&'static str, u64>,
    labels: Arc<Labels>,
    /// Of an interval: the labels when it began.
    earlier: Option<Arc<Labels>>,
    /// The labels of each role as one.
    sums: [Label; Role::ALL.len()],
    tallies: BTreeMap<(TallyKind, String), [f64; 4]>,
}

impl Snapshot {
    /// Reads and sums blocks. The same label in several blocks is one.
    pub fn read<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Self {
        let taken_at_ns = clock::now_ns();
        let mut words: BTreeMap<_, _> = WORDS.iter().map(|&(name, _, _)| (name, 0)).collect();
        let (mut labels, mut tallies) = (Labels::new(), BTreeMap::new());
        for block in blocks {
            // Labels first: what has ended or been sent by then is counted in the words that are read after them.
            for label in 0..block.labels() {
                let read = Label::read(block, label);
                match labels.entry(block.label_name(label)) {
                    Entry::Vacant(entry) => drop(entry.insert(read)),
                    Entry::Occupied(mut entry) => entry.get_mut().merge(&read),
                }
            }
            for (name, word, reading) in WORDS {
                let sum: &mut u64 = words.entry(name).or_default();
                let value = block.get(word);
                *sum = if reading == Reading::Most { (*sum).max(value) } else { *sum + value };
            }
            for (kind, name, values) in block.tallies() {
                match tallies.entry((kind, name)) {
                    Entry::Vacant(entry) => drop(entry.insert(values)),
                    Entry::Occupied(mut entry) => merge_tally(kind, entry.get_mut(), values),
                }
            }
        }
        let sums = Role::ALL.map(|role| Label::sum(role, labels.values().filter(|label| label.role == role)));
        Self { taken_at_ns, words, labels: Arc::new(labels), earlier: None, sums, tallies }
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
        Self {
            taken_at_ns: self.taken_at_ns,
            words,
            labels: Arc::clone(&self.labels),
            earlier: Some(Arc::clone(&earlier.labels)),
            sums: Role::ALL.map(|role| self.sums[role as usize].since(&earlier.sums[role as usize])),
            tallies: self.tallies_since(earlier),
        }
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
        let mut counters = self.words.clone();
        counters.remove("labels");
        let mut infinite = 0;
        for sum in self.sums.iter().filter(|sum| sum.role.counts()) {
            add_all(&mut counters, &sum.counters);
            infinite += sum.histogram(Kind::Response).infinite;
        }
        let ended = counters["ok"] + counters["failed"];
        counters.insert("in_flight", counters["sent"].saturating_sub(ended));
        counters.insert("infinite", infinite);
        let iterations = self.of_role(Role::Iteration);
        let named = [("iterations_started", "sent"), ("iterations_ok", "ok"), ("iterations_failed", "failed")];
        counters.extend(named.map(|(name, counter)| (name, iterations.counters[counter])));
        counters
    }

    /// All labels that count as requests as one.
    pub fn total(&self) -> Label {
        Label::sum(Role::Request, self.sums.iter().filter(|sum| sum.role.counts()))
    }

    /// All labels of a role as one.
    pub fn of_role(&self, wanted: Role) -> &Label {
        &self.sums[wanted as usize]
    }

    /// The names of the labels, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.keys().map(String::as_str)
    }

    /// One label's part.
    pub fn label(&self, name: &str) -> Option<Part<'_>> {
        let label = self.labels.get(name)?;
        // One that was not there then has counted all of it since.
        let earlier = self.earlier.as_ref().and_then(|labels| labels.get(name));
        Some(Part { label, earlier })
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
