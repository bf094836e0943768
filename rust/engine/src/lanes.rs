//! Arrivals that wait for a connection, apart for each place that they go to: one that stands still keeps those of
//! others waiting only when its lane is so long that all lanes together are full.
//!
//! Only a blast on several origins has lanes. With one, what is due and cannot be sent simply stays in the source.

use std::collections::VecDeque;

use crate::requests::Chosen;

/// Arrivals in all lanes of a worker; what is due beyond stays in the source.
const MOST_WAITING: usize = 100_000;

/// An arrival that was due and could not be sent at once.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// When it was due.
    pub due_ns: u64,
    /// When somebody looked and found no connection.
    pub looked_ns: u64,
    /// What it sends.
    pub chosen: Chosen,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<VecDeque<Waiting>>,
    waiting: usize,
    /// Requests under way, by origin.
    in_flight: Vec<usize>,
    /// The most connections that one origin may use, so that one which stands still leaves some to the others.
    limit: usize,
}

impl Lanes {
    /// One lane for each origin. Of `cap` connections each origin leaves half of an even share to every other.
    pub fn new(origins: usize, cap: usize) -> Self {
        let left_to_others = (origins - 1) * (cap / (2 * origins)).max(1);
        let limit = cap.saturating_sub(left_to_others).max(1);
        Self { lanes: vec![VecDeque::new(); origins], waiting: 0, in_flight: vec![0; origins], limit }
    }

    /// A request to an origin is under way.
    pub fn sent(&mut self, origin: usize) {
        self.in_flight[origin] += 1;
    }

    /// It has ended.
    pub fn ended(&mut self, origin: usize) {
        self.in_flight[origin] -= 1;
    }

    /// How many more connections an origin may use, where so many are being made.
    pub fn room(&self, origin: usize, connecting: usize) -> usize {
        self.limit.saturating_sub(self.in_flight[origin] + connecting)
    }

    /// How many lanes there are.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// How many arrivals wait, in all lanes.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether no arrival may be added.
    pub fn are_full(&self) -> bool {
        self.waiting >= MOST_WAITING
    }

    /// How many arrivals wait in one.
    pub fn length(&self, origin: usize) -> usize {
        self.lanes[origin].len()
    }

    /// One more, at the end of its lane.
    pub fn push(&mut self, waiting: Waiting) {
        self.lanes[waiting.chosen.origin].push_back(waiting);
        self.waiting += 1;
    }

    /// The one that has waited longest in a lane.
    pub fn pop(&mut self, origin: usize) -> Option<Waiting> {
        let first = self.lanes[origin].pop_front()?;
        self.waiting -= 1;
        Some(first)
    }

    /// The same, if it was due before an instant.
    pub fn pop_before(&mut self, origin: usize, instant_ns: u64) -> Option<Waiting> {
        let is_late = self.lanes[origin].front().is_some_and(|first| first.due_ns < instant_ns);
        if is_late { self.pop(origin) } else { None }
    }

    /// All that wait, lane by lane; none wait any more.
    pub fn drain(&mut self) -> Vec<Waiting> {
        self.waiting = 0;
        self.lanes.iter_mut().flat_map(|lane| lane.drain(..)).collect()
    }
}
