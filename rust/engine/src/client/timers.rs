//! When connections want to be looked at again that have timers of their own.

use std::collections::BTreeSet;

use crate::reactor::Slot;

/// A timer that was put off goes off when it was to at first, and is then set anew: most are put off again and again
/// and never go off.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(u64, Slot)>,
    of_slot: Vec<Option<u64>>,
}

impl Timers {
    /// There is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// When a connection wants to be looked at; `None`: never again.
    pub(super) fn set(&mut self, slot: Slot, at_ns: Option<u64>) {
        let index = slot as usize;
        let set_ns = self.of_slot.get(index).copied().flatten();
        match (set_ns, at_ns) {
            (None, None) => return,
            (Some(set_ns), Some(at_ns)) if set_ns <= at_ns => return,
            _ => {}
        }
        if let Some(set_ns) = set_ns {
            self.by_time.remove(&(set_ns, slot));
        }
        if self.of_slot.len() <= index {
            self.of_slot.resize(index + 1, None);
        }
        self.of_slot[index] = at_ns;
        self.by_time.extend(at_ns.map(|at_ns| (at_ns, slot)));
    }

    /// When the first is due; the end of time where there is none.
    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        self.by_time.first().map_or(u64::MAX, |&(at_ns, _)| at_ns)
    }

    /// A connection whose time has come. It is to be set again.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Slot> {
        if self.next_ns() > now {
            return None;
        }
        let (_, slot) = self.by_time.pop_first()?;
        self.of_slot[slot as usize] = None;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_first_and_each_once() {
        let mut timers = Timers::default();
        for (slot, at_ns) in [(3, 30), (1, 10), (2, 20)] {
            timers.set(slot, Some(at_ns));
        }
        assert_eq!(timers.next_ns(), 10);
        assert_eq!((timers.take_due(9), timers.take_due(20), timers.take_due(20)), (None, Some(1), Some(2)));
        assert_eq!((timers.take_due(20), timers.take_due(30), timers.next_ns()), (None, Some(3), u64::MAX));
    }

    #[test]
    fn what_is_put_off_goes_off_as_it_was_and_what_is_brought_forward_sooner() {
        let mut timers = Timers::default();
        timers.set(0, Some(10));
        timers.set(0, Some(50));
        assert_eq!(timers.next_ns(), 10);
        timers.set(0, Some(5));
        assert_eq!((timers.take_due(5), timers.is_empty()), (Some(0), true));
        timers.set(0, Some(7));
        timers.set(0, None);
        assert!(timers.is_empty());
    }
}
