//! Requests that wait for a connection, apart for each place that they go to: one that stands still keeps those of
//! others waiting only when its lane is so long that all lanes together are full.
//!
//! Only a blast on several origins, or one whose arrivals may take several requests, has lanes. Without, what is due and
//! cannot be sent simply stays in the source.

use std::collections::VecDeque;

use crate::requests::Chosen;

/// Requests in all lanes of a worker; what is due beyond stays in the source.
const MOST_WAITING: usize = 100_000;

/// A request that was due and could not be sent at once.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// When it was due.
    pub due_ns: u64,
    /// When somebody looked and found no connection.
    pub looked_ns: u64,
    /// What it sends, or where and as what.
    pub chosen: Chosen,
    /// The journey whose next request it is; `None` for an arrival.
    pub journey: Option<usize>,
}

#[derive(Debug, Default)]
struct Lane {
    /// They go first: their arrivals have begun.
    hops: VecDeque<Waiting>,
    arrivals: VecDeque<Waiting>,
    /// Requests under way.
    in_flight: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    is_used: bool,
    /// Hops to places whose addresses are being looked up: what is looked up, by number, and what waits for it.
    held: Vec<(usize, Waiting)>,
    waiting: usize,
    cap: usize,
    /// The most connections that one origin may use, so that one which stands still leaves some to the others.
    limit: usize,
}

impl Lanes {
    /// One lane for each origin. Of `cap` connections each origin leaves half of an even share to every other.
    pub fn new(origins: usize, cap: usize, converses: bool) -> Self {
        let mut lanes = Self { is_used: origins > 1 || converses, cap, ..Self::default() };
        (0..origins).for_each(|_| lanes.add());
        lanes
    }

    /// One more, for one more origin.
    pub fn add(&mut self) {
        self.lanes.push(Lane::default());
        self.set_cap(self.cap);
    }

    /// How many connections there may be now.
    pub fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
        let origins = self.lanes.len();
        let left_to_others = (origins - 1) * (self.cap / (2 * origins)).max(1);
        self.limit = self.cap.saturating_sub(left_to_others).max(1);
    }

    /// Whether what is due goes through lanes.
    #[inline]
    pub fn are_used(&self) -> bool {
        self.is_used
    }

    /// A request to an origin is under way.
    pub fn sent(&mut self, origin: usize) {
        self.lanes[origin].in_flight += 1;
    }

    /// It has ended.
    pub fn ended(&mut self, origin: usize) {
        self.lanes[origin].in_flight -= 1;
    }

    /// How many more connections an origin may use, where so many are being made.
    pub fn room(&self, origin: usize, connecting: usize) -> usize {
        self.limit.saturating_sub(self.lanes[origin].in_flight + connecting)
    }

    /// Whether an origin has as much as it may have while another one waits that has nothing.
    pub fn must_yield(&self, origin: usize) -> bool {
        let starves = |lane: &Lane| lane.in_flight == 0 && !(lane.hops.is_empty() && lane.arrivals.is_empty());
        self.lanes[origin].in_flight >= self.limit && self.lanes.iter().any(starves)
    }

    /// How many lanes there are.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// How many requests wait, in all lanes.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether no arrival may be added.
    pub fn are_full(&self) -> bool {
        self.waiting >= MOST_WAITING
    }

    /// How many wait in one.
    pub fn length(&self, origin: usize) -> usize {
        self.lanes[origin].hops.len() + self.lanes[origin].arrivals.len()
    }

    /// One more, at the end of its kind in its lane.
    pub fn push(&mut self, waiting: Waiting) {
        let lane = &mut self.lanes[waiting.chosen.origin];
        let queue = if waiting.journey.is_some() { &mut lane.hops } else { &mut lane.arrivals };
        queue.push_back(waiting);
        self.waiting += 1;
    }

    /// The one that is next in a lane.
    pub fn pop(&mut self, origin: usize) -> Option<Waiting> {
        self.pop_before(origin, u64::MAX)
    }

    /// The same, of those that were due before an instant.
    pub fn pop_before(&mut self, origin: usize, instant_ns: u64) -> Option<Waiting> {
        let Lane { hops, arrivals, .. } = &mut self.lanes[origin];
        let popped = pop_due_before(hops, instant_ns).or_else(|| pop_due_before(arrivals, instant_ns))?;
        self.waiting -= 1;
        Some(popped)
    }

    /// An arrival that was due before an instant, and has not begun.
    pub fn pop_late(&mut self, origin: usize, instant_ns: u64) -> Option<Waiting> {
        let late = pop_due_before(&mut self.lanes[origin].arrivals, instant_ns)?;
        self.waiting -= 1;
        Some(late)
    }

    /// All arrivals, lane by lane; only what has begun still waits.
    pub fn drain_arrivals(&mut self) -> Vec<Waiting> {
        let drained: Vec<_> = self.lanes.iter_mut().flat_map(|lane| lane.arrivals.drain(..)).collect();
        self.waiting -= drained.len();
        drained
    }

    /// A hop waits until it is known where it goes.
    pub fn hold(&mut self, lookup: usize, waiting: Waiting) {
        self.held.push((lookup, waiting));
        self.waiting += 1;
    }

    /// What has waited for a lookup waits no more.
    pub fn release(&mut self, lookup: usize) -> Vec<Waiting> {
        let (released, held) = std::mem::take(&mut self.held).into_iter().partition(|(number, _)| *number == lookup);
        self.held = held;
        let released: Vec<(usize, Waiting)> = released;
        self.waiting -= released.len();
        released.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// The hops that wait.
    pub fn hops(&self) -> impl Iterator<Item = &Waiting> {
        self.lanes.iter().flat_map(|lane| &lane.hops).chain(self.held.iter().map(|(_, waiting)| waiting))
    }
}

fn pop_due_before(queue: &mut VecDeque<Waiting>, instant_ns: u64) -> Option<Waiting> {
    let is_due = queue.front().is_some_and(|first| first.due_ns < instant_ns);
    if is_due { queue.pop_front() } else { None }
}
