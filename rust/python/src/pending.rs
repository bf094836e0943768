//! Requests that have ended and are not recorded yet: their script says first what it makes of them.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use loadgen_engine::outcome::Outcome;

/// See the module.
#[derive(Default)]
pub(crate) struct Pending {
    places: Vec<Option<Outcome>>,
    free: Vec<usize>,
}

impl Pending {
    /// The place of what is recorded already.
    pub(crate) const NONE: usize = usize::MAX;

    /// The place of one more.
    pub(crate) fn add(&mut self, outcome: Outcome) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push(None);
        }
        self.places[place] = Some(outcome);
        place
    }

    /// What is to be recorded, or goes on: once.
    pub(crate) fn take(&mut self, place: &AtomicUsize) -> Option<Outcome> {
        let place = place.swap(Self::NONE, Relaxed);
        let outcome = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(outcome)
    }

    /// All that are left. Their places are nobody else's.
    pub(crate) fn take_all(&mut self) -> Vec<Outcome> {
        self.places.iter_mut().filter_map(Option::take).collect()
    }
}
