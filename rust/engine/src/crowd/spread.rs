//! How one message spreads over its receivers: when the first had it, when the last. Messages are told apart by the
//! stamp in them. One worker knows its own receivers only; the parent puts the workers' parts together.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

/// So long after its first receiver a message has reached whom it will reach.
const SETTLED_NS: u64 = 2_000_000_000;
/// Messages that may be on their way at a time; beyond, the oldest is taken for settled.
const MOST: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    first_ns: u64,
    last_ns: u64,
    receivers: u64,
    /// On our clock, whatever that of the stamps.
    begun_ns: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Spread {
    groups: HashMap<u64, Group>,
    order: VecDeque<u64>,
    settled: String,
}

impl Spread {
    /// A receiver has a message: `came_ns` is on the clock of the stamps.
    pub fn deliver(&mut self, stamp_ns: u64, came_ns: u64, now: u64) {
        if let Some(group) = self.groups.get_mut(&stamp_ns) {
            group.last_ns = group.last_ns.max(came_ns);
            group.receivers += 1;
            return;
        }
        if self.order.len() >= MOST {
            self.settle_first();
        }
        self.groups.insert(stamp_ns, Group { first_ns: came_ns, last_ns: came_ns, receivers: 1, begun_ns: now });
        self.order.push_back(stamp_ns);
    }

    /// What has settled by an instant, `stamp first last receivers` each, in nanoseconds, parted by commas.
    pub fn settle(&mut self, now: u64) -> String {
        while let Some(stamp_ns) = self.order.front()
            && self.groups[stamp_ns].begun_ns.saturating_add(SETTLED_NS) <= now
        {
            self.settle_first();
        }
        std::mem::take(&mut self.settled)
    }

    fn settle_first(&mut self) {
        let Some(stamp_ns) = self.order.pop_front() else { return };
        let Some(Group { first_ns, last_ns, receivers, .. }) = self.groups.remove(&stamp_ns) else { return };
        let comma = if self.settled.is_empty() { "" } else { "," };
        let _ = write!(self.settled, "{comma}{stamp_ns} {first_ns} {last_ns} {receivers}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_together_is_told_together() {
        let mut spread = Spread::default();
        for (stamp, now) in [(5, 10), (6, 12), (5, 15), (5, 11)] {
            spread.deliver(stamp, now, now);
        }
        assert_eq!(spread.settle(SETTLED_NS), "");
        assert_eq!(spread.settle(SETTLED_NS + 10), "5 10 15 3");
        assert_eq!(spread.settle(u64::MAX), "6 12 12 1");
        assert_eq!(spread.settle(u64::MAX), "");
    }
}
