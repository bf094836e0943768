//! Connections in line: who stands in it when a round begins has a turn in that round, who joins later in the next. One
//! that joins again and again is no quicker served than the others.

use std::collections::VecDeque;

use super::super::{Generation, Slot};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<(Slot, Generation)>,
    /// How many of them have their turn in this round.
    turns: usize,
}

impl Line {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn join(&mut self, slot: Slot, generation: Generation) {
        self.waiting.push_back((slot, generation));
    }

    #[inline]
    pub(super) fn begin_round(&mut self) {
        self.turns = self.waiting.len();
    }

    /// Whose turn it is. The connection may have been closed since it joined.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Slot, Generation)> {
        self.turns = self.turns.checked_sub(1)?;
        self.waiting.pop_front()
    }
}
