//! Frames that wait until they are due, in order. Must not know what they say.

use std::collections::VecDeque;

use crate::departures::Gate;
use crate::ws::reader::MOST_MESSAGE_BYTES;

/// Replies that may wait before no more is read, and the bytes that they may hold.
const MOST_WAITING: usize = 1024;
const MOST_WAITING_BYTES: usize = MOST_MESSAGE_BYTES;
/// Room that a connection at rest may keep.
const KEPT_REPLIES: usize = 8;

#[derive(Debug)]
pub(crate) struct Reply {
    /// The number of its message in the log.
    pub(crate) seq: u64,
    pub(crate) received_ns: u64,
    /// When it would be due if nothing were ever frozen.
    pub(crate) natural_ns: u64,
    pub(crate) due_ns: u64,
    pub(crate) bytes: Vec<u8>,
    /// The answer to a message, not a pong.
    pub(crate) message: bool,
}

/// What one connection has yet to say.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: VecDeque<Reply>,
    bytes: usize,
}

impl Replies {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING || self.bytes >= MOST_WAITING_BYTES
    }

    pub(crate) fn first(&self) -> Option<&Reply> {
        self.waiting.front()
    }

    pub(crate) fn push(&mut self, reply: Reply) {
        self.bytes += reply.bytes.len();
        self.waiting.push_back(reply);
    }

    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Reply> {
        if self.first()?.due_ns > now_ns {
            return None;
        }
        let reply = self.waiting.pop_front()?;
        self.bytes -= reply.bytes.len();
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_REPLIES {
            self.waiting = VecDeque::new();
        }
        Some(reply)
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Reply> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_iter()
    }

    /// Puts what has not left by `now_ns` behind a gate that has moved.
    pub(crate) fn regate(&mut self, gate: &Gate, now_ns: u64) {
        for reply in self.waiting.iter_mut().filter(|reply| reply.due_ns > now_ns) {
            reply.due_ns = gate.release_ns(reply.natural_ns.max(now_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(natural_ns: u64) -> Reply {
        Reply { seq: 0, received_ns: 0, natural_ns, due_ns: natural_ns, bytes: vec![0; 9], message: true }
    }

    #[test]
    fn none_leaves_early_or_before_another_and_the_bytes_of_all_are_bounded() {
        let mut replies = Replies::default();
        replies.push(reply(20));
        replies.push(reply(10));
        assert!(replies.pop_due(19).is_none());
        assert_eq!(replies.pop_due(20).map(|first| first.due_ns), Some(20));
        assert_eq!((replies.pop_due(20).map(|next| next.due_ns), replies.bytes), (Some(10), 0));
        replies.push(Reply { bytes: vec![0; MOST_WAITING_BYTES], ..reply(1) });
        assert!(replies.is_full());
        assert_eq!((replies.take_all().count(), replies.is_full()), (1, false));
        (0..MOST_WAITING).for_each(|_| replies.push(reply(1)));
        assert!(replies.is_full());
    }

    #[test]
    fn a_gate_that_moves_holds_what_waits_and_lets_go_what_it_held() {
        let mut replies = Replies::default();
        replies.push(reply(150));
        replies.regate(&Gate { start_ns: 100, length_ns: 100, every_ns: None }, 110);
        assert_eq!(replies.first().map(|first| first.due_ns), Some(200));
        replies.regate(&Gate::default(), 160);
        assert_eq!(replies.first().map(|first| first.due_ns), Some(160));
    }
}
