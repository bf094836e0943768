"""The mutants: wrong ways to measure that tools have shipped, each a small change to the true sources.

A mutant is alive as long as one of the tests named for it passes. Texts to replace must occur exactly once,
so that a mutant cannot die out unnoticed when the code around it changes.
"""

from __future__ import annotations

from dataclasses import dataclass

ARRIVALS = "tests/fidelity/test_arrivals.py::"
ECO_STAMPS = "tests/fidelity/test_eco_stamps.py::"
FAULTS = "tests/fidelity/test_client_faults.py::"
STALLS = "tests/fidelity/test_stalls.py::"

EVEN = ARRIVALS + "test_even_arrivals_reach_the_server_evenly"
TURNS = ARRIVALS + "test_two_workers_take_turns"
CAPPED = STALLS + "test_a_cap_on_connections_hides_no_stall"
STOPPED = FAULTS + "test_a_stopped_worker_is_late_and_says_so"

BLAST = "rust/engine/src/blast/due.rs"
HISTOGRAM = "rust/engine/src/record/histogram.rs"
LEDGER = "python/loadgen/ledger.py"
RECORDER = "rust/engine/src/record/recorder.rs"
SOURCE = "rust/engine/src/source.rs"

# Where a blast on one place sends, and where it takes what is due.
SEND = "\n            self.send(slot, chosen, due_ns, now);"
TAKEN = (
    "in 0..DISPATCH_BATCH {\n"
    "            let due_ns = match self.source.due(now - self.vitals.start_ns) {\n"
    "                "
)


@dataclass(frozen=True)
class Patch:
    """One replacement in one file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A defect, where it is put, and the tests that must notice."""

    name: str
    defect: str
    patches: tuple[Patch, ...]
    tests: tuple[str, ...]


# The ledger closes gaps in the histograms and says that the books are wrong: a tool without one would not.
NO_LEDGER = (Patch(LEDGER, "return expected - histogram.count - histogram.infinite", "return 0"),)

MUTANTS = (
    Mutant(
        "due-is-sent",
        "latency counts from when the request was sent",
        (Patch(BLAST, SEND, "\n            self.send(slot, chosen, now, now);"),),
        (CAPPED, STOPPED),
    ),
    Mutant(
        "due-is-woken",
        "latency counts from when the dispatcher woke up",
        (
            Patch(
                BLAST,
                f"for sends {TAKEN}Due::Send(due_ns) => self.vitals.start_ns + due_ns,",
                f"let woke_ns = now;\n        for sends {TAKEN}Due::Send(_) => woke_ns,",
            ),
        ),
        (CAPPED, STOPPED),
    ),
    Mutant(
        "due-is-free",
        "late requests count from when a connection was free",
        (
            Patch(
                BLAST,
                SEND,
                "\n            let from_ns = if self.starved_since_ns.is_some() { now } else { due_ns };"
                "\n            self.send(slot, chosen, from_ns, now);",
            ),
        ),
        (CAPPED,),
    ),
    Mutant(
        "milliseconds",
        "the pacer rounds its sleeps up to milliseconds",
        (
            Patch(
                "rust/engine/src/pacer.rs",
                "let found = reactor.wait(Some(until_ns))?;",
                "let from_ns = now_ns();\n"
                "        let rounded_ns = until_ns.saturating_sub(from_ns).next_multiple_of(1_000_000);\n"
                "        let found = reactor.wait(Some(from_ns + rounded_ns))?;",
            ),
        ),
        (ARRIVALS + "test_a_slow_rate_is_punctual",),
    ),
    Mutant(
        "lockstep",
        "connections send together, twenty at a time, each of them evenly",
        (
            Patch(
                SOURCE, "Some(tick) if tick.due_ns <= now_ns =>", "Some(tick) if in_step(tick) <= now_ns =>"
            ),
            Patch(
                SOURCE,
                "next => Due::Nothing(next.map(|tick| tick.due_ns)),",
                "next => Due::Nothing(next.map(in_step)),",
            ),
            Patch(
                SOURCE,
                "/// What is to be done now.\n",
                "fn in_step(tick: Tick) -> u64 {\n    tick.due_ns.next_multiple_of(20_000_000)\n}\n\n"
                "/// What is to be done now.\n",
            ),
        ),
        (EVEN, "tests/fidelity/test_queues.py::test_sojourns_are_those_of_the_queue[D/M/1]"),
    ),
    Mutant(
        "early-batches",
        "what is due within 20 ms is sent at the beginning of them, and counted from there",
        (
            Patch(
                SOURCE,
                "Self::Open(open) => open.next = open.arrivals.next(),",
                "Self::Open(open) => {\n"
                "                let step = |due_ns: u64| due_ns - due_ns % 20_000_000;\n"
                "                let next = open.arrivals.next();\n"
                "                open.next = next.map(|tick| Tick { due_ns: step(tick.due_ns), ..tick });\n"
                "            }",
            ),
        ),
        (EVEN,),
    ),
    Mutant(
        "workers-in-lockstep",
        "every worker sends the same share at the same time",
        (Patch(SOURCE, "schedule.arrivals(index, workers)", "schedule.arrivals(index * 0, workers)"),),
        (TURNS,),
    ),
    Mutant(
        "done-is-read",
        "latency counts to when the answer was read, by a worker that slept through its arrival",
        (
            Patch(
                "rust/engine/src/reactor/epoll.rs",
                "self.arrived_ns = arrived_ns;",
                "self.arrived_ns = arrived_ns.and(None);",
            ),
        ),
        (
            ECO_STAMPS + "test_an_answer_read_late_counts_from_when_it_came",
            ECO_STAMPS + "test_late_reads_leave_no_trace_on_known_delays",
        ),
    ),
    Mutant(
        "dropped-excluded",
        "requests that were dropped for being late are in no percentile",
        (
            Patch(
                RECORDER,
                "for kind in [Kind::Response, Kind::Lateness] {",
                "for kind in [Kind::Response, Kind::Lateness].into_iter().filter(|_| false) {",
            ),
            *NO_LEDGER,
        ),
        (STALLS + "test_what_is_dropped_for_being_late_is_in_the_percentiles",),
    ),
    Mutant(
        "unfinished-excluded",
        "requests without an answer at the end of the run are in no percentile",
        (
            Patch(
                RECORDER,
                "for kind in [Kind::Response, Kind::Service] {",
                "for kind in [Kind::Response, Kind::Service].into_iter().filter(|_| false) {",
            ),
            *NO_LEDGER,
        ),
        (STALLS + "test_a_stall_without_end_is_in_the_percentiles",),
    ),
    Mutant(
        "truncated-period",
        "arrivals are multiples of a period in whole nanoseconds",
        (
            Patch(
                "rust/engine/src/schedule.rs",
                "(area / (u128::from(2 * self.from) << FRACTION)) as u64",
                "((area / (ARRIVAL_AREA << FRACTION)) * (ARRIVAL_AREA / u128::from(2 * self.from))) as u64",
            ),
        ),
        (
            "tests/engine/test_constant_arrivals.py::test_first_and_far_arrivals_are_due_when_the_fraction_says",
            "tests/engine/test_constant_arrivals.py::test_the_ten_billionth_arrival_is_exact",
        ),
    ),
    Mutant(
        "averaged-percentiles",
        "a percentile of several workers is the mean of theirs",
        (
            Patch(
                HISTOGRAM,
                "    sum_of_squares: f64,\n    min: Option<u64>,",
                "    sum_of_squares: f64,\n    parts: Vec<Histogram>,\n    min: Option<u64>,",
            ),
            Patch(
                HISTOGRAM,
                "sum_of_squares: f64::from_bits(head(HeadWord::SumOfSquares)),",
                "sum_of_squares: f64::from_bits(head(HeadWord::SumOfSquares)),\n"
                "            parts: Vec::new(),",
            ),
            Patch(
                HISTOGRAM,
                "sum_of_squares: (self.sum_of_squares - earlier.sum_of_squares).max(0.0),",
                "sum_of_squares: (self.sum_of_squares - earlier.sum_of_squares).max(0.0),\n"
                "            parts: Vec::new(),",
            ),
            Patch(
                HISTOGRAM,
                "        self.count += other.count;",
                "        self.parts.push(other.clone());\n        self.count += other.count;",
            ),
            Patch(
                HISTOGRAM,
                "        let total = self.count + self.infinite;\n        if total == 0 {",
                "        if !self.parts.is_empty() {\n"
                "            let of = |one: &Histogram| one.percentile(percent);\n"
                "            let all: Vec<f64> = self.parts.iter().filter_map(of).collect();\n"
                "            return (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);\n"
                "        }\n"
                "        let total = self.count + self.infinite;\n        if total == 0 {",
            ),
        ),
        ("tests/fidelity/test_workers.py::test_one_slow_worker_is_in_the_tail_and_not_in_the_median",),
    ),
    Mutant(
        "failures-are-finite",
        "a request that failed counts as answered when it failed",
        (
            Patch(
                RECORDER,
                "                for infinite in [Kind::Response, Kind::Service] {\n"
                "                    add(self.block.head(label, infinite, HeadWord::Infinite), 1);\n"
                "                }\n",
                "                self.sample(label, Kind::Response, outcome.done_ns - outcome.due_ns);\n"
                "                self.sample(label, Kind::Service, outcome.done_ns - outcome.sent_ns);\n",
            ),
        ),
        (STALLS + "test_what_had_no_answer_in_time_is_in_the_percentiles",),
    ),
)
