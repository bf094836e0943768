//! When answers leave: the queues, the freeze gate and the heap of held departures. Knows no sockets and reads no clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::law::Law;

/// The state of one path and query: how many requests it has seen and when its server is free.
#[derive(Debug, Default)]
pub(crate) struct Line {
    requests: u64,
    free_ns: u64,
}

impl Line {
    /// Infinitely many servers: every request takes its own time from when it was received.
    pub(crate) fn delay(&mut self, law: Law, received_ns: u64) -> u64 {
        self.requests += 1;
        received_ns + law.draw_ns(self.requests)
    }

    /// One server, first come first served, by Lindley's recursion:
    ///
    /// ```text
    /// dep(i) = gate(max(received(i), dep(i-1)) + service(i))
    /// ```
    ///
    /// The gate stands inside: a frozen server serves nobody, so a freeze leaves a backlog behind
    /// that is worked off at the pace of the service.
    pub(crate) fn queue(&mut self, law: Law, received_ns: u64, gate: &Gate) -> u64 {
        self.requests += 1;
        let served_ns = received_ns.max(self.free_ns) + law.draw_ns(self.requests);
        self.free_ns = gate.release_ns(served_ns);
        served_ns
    }
}

/// Windows in which nothing leaves: [start, start + length), repeated every `every_ns` if that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) start_ns: u64,
    /// 0 for a gate that stands open for good.
    pub(crate) length_ns: u64,
    /// Longer than `length_ns`, or an answer would fall from one window into the next for ever.
    pub(crate) every_ns: Option<u64>,
}

impl Gate {
    /// When an answer that is due at `due_ns` may leave: then, or at the end of its window.
    pub(crate) fn release_ns(&self, due_ns: u64) -> u64 {
        let Some(since_start_ns) = due_ns.checked_sub(self.start_ns) else {
            return due_ns;
        };
        let into_window_ns = match self.every_ns {
            Some(every_ns) => since_start_ns % every_ns,
            None => since_start_ns,
        };
        if into_window_ns < self.length_ns { due_ns - into_window_ns + self.length_ns } else { due_ns }
    }
}

/// A promise to look at one connection at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Departure {
    pub(crate) due_ns: u64,
    /// Who came first leaves first where several leave at once, as they do at the end of a freeze.
    pub(crate) order: u64,
    pub(crate) token: u64,
}

/// All promises, earliest first.
///
/// An entry is never taken back: whoever pops one asks its connection whether the promise still
/// stands. `forget` keeps the rest from piling up.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    heap: BinaryHeap<Reverse<Departure>>,
}

impl Departures {
    pub(crate) fn promise(&mut self, departure: Departure) {
        self.heap.push(Reverse(departure));
    }

    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(next)| next.due_ns)
    }

    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Departure> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn forget(&mut self, stands: impl Fn(&Departure) -> bool) {
        self.heap.retain(|Reverse(departure)| stands(departure));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Gate = Gate { start_ns: 0, length_ns: 0, every_ns: None };
    const FIXED: Law = Law::Fixed { span_ns: 10 };

    #[test]
    fn the_gate_moves_what_falls_into_a_window_to_its_end_and_nothing_else() {
        let once = Gate { start_ns: 100, length_ns: 20, every_ns: None };
        let often = Gate { every_ns: Some(50), ..once };
        for (due_ns, from_once_ns, from_often_ns, why) in [
            (0, 0, 0, "long before"),
            (99, 99, 99, "the last moment before"),
            (100, 120, 120, "a window includes its beginning"),
            (119, 120, 120, "the last moment inside"),
            (120, 120, 120, "a window excludes its end"),
            (149, 149, 149, "between two windows"),
            (150, 150, 170, "the second window"),
            (1_069, 1_069, 1_070, "the twentieth window"),
        ] {
            assert_eq!(once.release_ns(due_ns), from_once_ns, "once: {why}");
            assert_eq!(often.release_ns(due_ns), from_often_ns, "often: {why}");
            assert_eq!(OPEN.release_ns(due_ns), due_ns, "open: {why}");
        }
    }

    #[test]
    fn a_delay_is_counted_from_the_receipt_of_each() {
        let mut line = Line::default();
        assert_eq!(line.delay(FIXED, 100), 110);
        assert_eq!(line.delay(FIXED, 101), 111);
    }

    #[test]
    fn a_queue_serves_one_after_the_other_and_idles_when_it_is_empty() {
        let mut line = Line::default();
        let served: Vec<u64> = [100, 101, 115, 200].map(|received_ns| line.queue(FIXED, received_ns, &OPEN)).to_vec();
        assert_eq!(served, [110, 120, 130, 210]);
    }

    #[test]
    fn a_frozen_queue_resumes_at_the_end_of_the_window_with_its_backlog() {
        let gate = Gate { start_ns: 105, length_ns: 95, every_ns: None };
        let mut line = Line::default();
        let left: Vec<u64> =
            [100, 101, 102].map(|received_ns| gate.release_ns(line.queue(FIXED, received_ns, &gate))).to_vec();
        assert_eq!(left, [200, 210, 220]);
    }

    #[test]
    fn departures_come_out_by_time_then_by_order_and_never_early() {
        let mut departures = Departures::default();
        for (due_ns, order) in [(30, 1), (10, 3), (10, 2), (20, 4)] {
            departures.promise(Departure { due_ns, order, token: order });
        }
        let mut popped = Vec::new();
        while let Some(departure) = departures.pop_due(20) {
            popped.push(departure.token);
        }
        assert_eq!(popped, [2, 3, 4]);
        assert_eq!(departures.next_ns(), Some(30));
        departures.forget(|departure| departure.token != 1);
        assert_eq!((departures.len(), departures.next_ns()), (0, None));
    }
}
