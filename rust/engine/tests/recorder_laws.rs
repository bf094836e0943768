//! The laws of recording: merging equals recording together, intervals add up, percentiles are those of the sorted
//! samples, the interchange format keeps every bucket. Seeds are printed by what fails.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use hdrhistogram::serialization::Deserializer;
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::random;
use loadgen_engine::record::block::{Block, Kind, Role, TallyKind, Word};
use loadgen_engine::record::buckets::HIGHEST;
use loadgen_engine::record::histogram::Histogram;
use loadgen_engine::record::recorder::Recorder;
use loadgen_engine::record::snapshot::Snapshot;

/// A block and its writer, on the same memory as parent and worker share it.
fn block() -> (Block, Recorder) {
    let block = Block::create(4).unwrap();
    let writer = Block::attach(block.fd().as_fd().try_clone_to_owned().unwrap()).unwrap();
    (block, Recorder::new(writer))
}

/// Samples from 100 ns to 10 s, even on a logarithmic scale.
fn samples(seed: u64, count: u64) -> Vec<u64> {
    (0..count).map(|k| 10f64.powf(2.0 + 8.0 * random::uniform(seed, k)) as u64).collect()
}

fn histogram(values: &[u64]) -> Histogram {
    let (block, recorder) = block();
    let label = recorder.label("x", Role::Request);
    for &value in values {
        recorder.sample(label, Kind::Response, value);
    }
    Histogram::read(&block, label, Kind::Response)
}

#[test]
fn merging_workers_equals_recording_all_in_one() {
    let all = samples(1, 60_000);
    let whole = histogram(&all);
    for workers in [1, 2, 3, 7] {
        let mut shares: Vec<Histogram> = all.chunks(all.len().div_ceil(workers)).map(histogram).collect();
        for _ in 0..2 {
            let mut merged = Histogram::default();
            for share in &shares {
                merged.merge(share);
            }
            assert!(merged.buckets().eq(whole.buckets()), "{workers} workers");
            assert_eq!((merged.count, merged.min(), merged.max()), (whole.count, whole.min(), whole.max()));
            assert_eq!(merged.mean(), whole.mean());
            shares.reverse();
        }
    }
}

#[test]
fn percentiles_are_those_of_the_sorted_samples_to_a_bucket() {
    for seed in 0..5 {
        let mut values = samples(seed, 200_000);
        let histogram = histogram(&values);
        values.sort_unstable();
        for percent in [0.001, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0] {
            let rank = ((percent / 100.0 * values.len() as f64 - 1e-9).ceil() as usize).max(1);
            let (exact, found) = (values[rank - 1] as f64, histogram.percentile(percent).unwrap());
            assert!((found - exact).abs() <= exact / 1024.0, "seed {seed}, p{percent}: {found} for {exact}");
        }
        let sum: u64 = values.iter().sum();
        assert_eq!(histogram.mean(), Some(sum as f64 / values.len() as f64));
        assert_eq!((histogram.min(), histogram.max()), (values.first().copied(), values.last().copied()));
    }
}

#[test]
fn two_workers_with_unlike_latencies_have_one_honest_percentile() {
    // Averaging each worker's p99.5 would give about 50 ms.
    let mut merged = histogram(&vec![1_000_000; 9_900]);
    merged.merge(&histogram(&vec![100_000_000; 100]));
    assert!((merged.percentile(50.0).unwrap() / 1e6 - 1.0).abs() < 0.001);
    assert!((merged.percentile(99.5).unwrap() / 1e6 - 100.0).abs() < 0.1);
}

#[test]
fn infinite_samples_take_the_top_of_the_ranks() {
    let (block, recorder) = block();
    let label = recorder.label("x", Role::Request);
    (0..98).for_each(|_| recorder.sample(label, Kind::Response, 1000));
    recorder.given_up(label, Word::Dropped, 1);
    recorder.unfinished(label, 1);
    let histogram = Histogram::read(&block, label, Kind::Response);
    assert_eq!((histogram.count, histogram.infinite), (98, 2));
    assert_eq!(histogram.percentile(98.0), Some(1000.0));
    assert_eq!(histogram.percentile(98.1), Some(f64::INFINITY));
    assert_eq!(Histogram::default().percentile(50.0), None);
}

#[test]
fn a_value_beyond_the_range_is_clamped_and_said_so() {
    let over = histogram(&[5, HIGHEST + 1, u64::MAX / 2]);
    assert_eq!((over.count, over.overflow), (3, 2));
    assert_eq!(over.max(), Some(u64::MAX / 2));
}

#[test]
fn intervals_add_up_to_the_whole() {
    let (block, recorder) = block();
    let label = recorder.label("GET /", Role::Request);
    let mut snapshots = vec![Snapshot::read([&block])];
    for interval in 0..5u64 {
        for value in samples(interval, 3_000) {
            recorder.taken(label);
            let end = match value % 50 {
                0 => End::Error(ErrorKind::Reset),
                1 => End::Response(503),
                _ => End::Response(200),
            };
            let outcome = Outcome {
                due_ns: 10,
                sent_ns: 20,
                first_byte_ns: 25,
                done_ns: 20 + value,
                label,
                token: 0,
                bytes_sent: 0,
                bytes_received: 7,
                end,
            };
            recorder.finished(label, &outcome);
        }
        snapshots.push(Snapshot::read([&block]));
    }
    let mut sum = Histogram::default();
    let mut counters = std::collections::BTreeMap::new();
    for pair in snapshots.windows(2) {
        let interval = pair[1].since(&pair[0]);
        sum.merge(interval.total().histogram(Kind::Response));
        for name in ["sent", "ok", "failed", "bytes_received", "scheduled", "infinite"] {
            *counters.entry(name).or_insert(0) += interval.counters()[name];
        }
    }
    let last = snapshots.last().unwrap();
    let whole = last.total();
    assert!(sum.buckets().eq(whole.histogram(Kind::Response).buckets()));
    assert_eq!(sum.infinite, whole.histogram(Kind::Response).infinite);
    assert!(counters.iter().all(|(name, value)| last.counters()[name] == *value), "{counters:?}");
    assert_eq!(last.counters()["sent"], last.counters()["ok"] + last.counters()["failed"]);
    assert_eq!(whole.statuses[&503] + whole.errors["reset"], last.counters()["failed"]);
}

#[test]
fn a_sum_is_what_merging_in_turn_gives() {
    let parts: Vec<Histogram> = (0..20).map(|seed| histogram(&samples(seed, 500))).collect();
    let merged = parts.iter().fold(Histogram::default(), |mut sum, part| {
        sum.merge(part);
        sum
    });
    let sum = Histogram::sum(&parts);
    assert!(sum.buckets().eq(merged.buckets()));
    assert_eq!((sum.count, sum.min(), sum.max()), (merged.count, merged.min(), merged.max()));
    assert_eq!((sum.mean(), sum.stddev()), (merged.mean(), merged.stddev()));
    assert_eq!(Histogram::sum(&parts[..1]), parts[0]);
    assert_eq!(Histogram::sum([]), Histogram::default());
}

#[test]
fn room_for_many_labels_takes_no_memory_until_it_is_used() {
    let block = Block::create(2_000).unwrap();
    let file = std::fs::File::from(block.fd().as_fd().try_clone_to_owned().unwrap());
    let taken = || file.metadata().unwrap().blocks() * 512;
    let recorder = Recorder::new(Block::attach(block.fd().as_fd().try_clone_to_owned().unwrap()).unwrap());
    assert!(taken() < 16_384, "{} bytes", taken());
    let labels: Vec<usize> = (0..100).map(|number| recorder.label(&format!("{number}"), Role::Request)).collect();
    for &label in &labels {
        recorder.sample(label, Kind::Response, 1_000_000);
    }
    let read = Snapshot::read([&block]);
    assert_eq!(read.total().histogram(Kind::Response).count, 100);
    // Two pages at its head and one of its histogram, for each.
    assert!(taken() < 100 * 4 * 4096, "{} bytes", taken());
}

#[test]
fn a_label_of_an_interval_has_what_came_in_it() {
    let (block, recorder) = block();
    let finish = |label, status, ms: u64| {
        let outcome = Outcome {
            due_ns: 0,
            sent_ns: 0,
            first_byte_ns: 0,
            done_ns: ms * 1_000_000,
            label,
            token: 0,
            bytes_sent: 0,
            bytes_received: 1,
            end: End::Response(status),
        };
        recorder.finished(label, &outcome);
    };
    let old = recorder.label("old", Role::Request);
    finish(old, 200, 1);
    let before = Snapshot::read([&block]);
    let new = recorder.label("new", Role::Request);
    finish(old, 999, 2);
    finish(new, 404, 3);
    let interval = Snapshot::read([&block]).since(&before);
    for (name, status, ok, ms) in [("old", 999, 0, 2), ("new", 404, 0, 3)] {
        let part = interval.label(name).unwrap();
        assert_eq!(part.statuses().into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [(status, 1)]);
        assert_eq!((part.counters()["ok"], part.counters()["failed"]), (ok, 1));
        let response = part.histogram(Kind::Response);
        assert_eq!((response.count, response.max().map(|max| max / 1_000_000)), (1, Some(ms)));
    }
    assert!(interval.label("unknown").is_none());
}

#[test]
fn a_judgement_counts_more_than_a_status_and_every_request_once() {
    let (block, recorder) = block();
    let (label, other) = (recorder.label("GET /", Role::Request), recorder.label("GET /named", Role::Request));
    let ends = [End::Response(200), End::Response(404), End::Error(ErrorKind::Closed)];
    for end in ends {
        for is_ok in [true, false] {
            let outcome = Outcome {
                due_ns: 10,
                sent_ns: 20,
                first_byte_ns: 25,
                done_ns: 30,
                label,
                token: 0,
                bytes_sent: 0,
                bytes_received: 7,
                end,
            };
            recorder.begun(label);
            recorder.renamed(label, other);
            recorder.judged(other, &outcome, is_ok);
        }
    }
    let snapshot = Snapshot::read([&block]);
    let (before, after) = (snapshot.label("GET /").unwrap(), snapshot.label("GET /named").unwrap());
    let count_of = |status| after.statuses().into_iter().find(|(one, _)| *one == status).map(|(_, count)| count);
    assert_eq!((before.counters()["sent"], after.counters()["sent"]), (0, 6));
    assert_eq!((after.counters()["ok"], after.counters()["failed"]), (3, 3));
    assert_eq!((count_of(200), count_of(404)), (Some(2), Some(2)));
    // A 200 that was refused, and what had no answer and was not forgiven; a 404 speaks for itself.
    assert_eq!((after.errors()["rejected"], after.errors()["closed"]), (1, 1));
    let response = after.histogram(Kind::Response);
    assert_eq!((response.count, response.infinite), (5, 1));

    let forgiven = recorder.label("GET /forgiven", Role::Request);
    let outcome = Outcome {
        due_ns: 10,
        sent_ns: 20,
        first_byte_ns: 25,
        done_ns: 30,
        label: forgiven,
        token: 0,
        bytes_sent: 0,
        bytes_received: 7,
        end: End::Response(503),
    };
    recorder.begun(forgiven);
    recorder.judged(forgiven, &outcome, true);
    let snapshot = Snapshot::read([&block]);
    let seen = snapshot.label("GET /forgiven").unwrap().statuses();
    assert_eq!(seen.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [(503, 1)]);
}

#[test]
fn the_interchange_format_keeps_every_bucket() {
    let ours = histogram(&samples(9, 50_000));
    let bytes = ours.encode();
    let read: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
    let theirs = read.iter_recorded().map(|step| (step.value_iterated_to(), step.count_since_last_iteration()));
    assert!(ours.buckets().map(|(_, highest, count)| (highest, count)).eq(theirs));
}

#[test]
fn labels_are_told_apart_and_long_names_are_cut_between_characters() {
    let (block, recorder) = block();
    let long = "ü".repeat(400);
    let labels: Vec<usize> = ["a", "b", &long].map(|name| recorder.label(name, Role::Request)).into();
    assert_eq!(labels, [0, 1, 2]);
    assert_eq!(block.label_name(2), "ü".repeat(256));
    assert_eq!(recorder.label("d", Role::Request), 3);
    assert_eq!(recorder.label("one too many", Role::Request), 3);
}

#[test]
fn a_reader_sees_only_growth_while_the_writer_works() {
    let (block, recorder) = block();
    let writer = std::thread::spawn(move || {
        let label = recorder.label("x", Role::Request);
        for value in samples(3, 200_000) {
            recorder.taken(label);
            let end = End::Response(200);
            let outcome = Outcome {
                due_ns: 0,
                sent_ns: 0,
                first_byte_ns: 0,
                done_ns: value,
                label,
                token: 0,
                bytes_sent: 0,
                bytes_received: 1,
                end,
            };
            recorder.finished(label, &outcome);
        }
    });
    let mut before = Snapshot::read([&block]);
    while !writer.is_finished() {
        let now = Snapshot::read([&block]);
        for (name, value) in now.counters().iter().filter(|(name, _)| ["sent", "ok", "scheduled"].contains(*name)) {
            assert!(*value >= before.counters()[name], "{name} shrank");
        }
        assert!(now.counters()["ok"] <= now.counters()["sent"]);
        before = now;
    }
    writer.join().unwrap();
    let last = Snapshot::read([&block]);
    assert_eq!((last.counters()["sent"], last.counters()["ok"]), (200_000, 200_000));
    assert_eq!(last.total().histogram(Kind::Response).count, 200_000);
}

#[test]
fn tallies_of_several_workers_are_one() {
    let blocks: Vec<Block> = (0..2).map(|_| Block::create(1).unwrap()).collect();
    for (number, block) in blocks.iter().enumerate() {
        let memory = Block::attach(block.fd().as_fd().try_clone_to_owned().unwrap()).unwrap();
        let recorder = Recorder::new(memory);
        let check = recorder.tally(TallyKind::Check, "listing ok").unwrap();
        let gauge = recorder.tally(TallyKind::Gauge, "queue").unwrap();
        recorder.tally_add(check, 0, 2.0);
        recorder.tally_add(check, 1, number as f64);
        recorder.tally_gauge(gauge, 5.0 + number as f64);
        recorder.tally_gauge(gauge, 3.0);
    }
    let snapshot = Snapshot::read(&blocks);
    let tallies: Vec<_> = snapshot.tallies().map(|(kind, name, values)| (kind, name.to_owned(), values)).collect();
    assert_eq!(tallies[0], (TallyKind::Check, "listing ok".into(), [4.0, 1.0, 0.0, 0.0]));
    assert_eq!(tallies[1], (TallyKind::Gauge, "queue".into(), [3.0, 3.0, 6.0, 4.0]));
    let later = Snapshot::read(&blocks);
    let (_, _, [passed, ..]) = later.since(&snapshot).tallies().next().unwrap();
    assert!(passed.abs() < 1e-9);
}

#[test]
fn only_requests_and_operations_are_in_the_totals() {
    let block = Block::create(5).unwrap();
    let recorder = Recorder::new(Block::attach(block.fd().as_fd().try_clone_to_owned().unwrap()).unwrap());
    for (number, role) in Role::ALL.into_iter().enumerate() {
        let label = recorder.label(role.name(), role);
        recorder.begun(label);
        recorder.ended_well(label, 0, 1, 10 + number as u64);
    }
    let snapshot = Snapshot::read([&block]);
    assert_eq!(snapshot.total().counters["sent"], 2);
    assert_eq!(snapshot.counters()["iterations_ok"], 1);
    assert_eq!(snapshot.of_role(Role::Trend).histogram(Kind::Response).max(), Some(14));
}
