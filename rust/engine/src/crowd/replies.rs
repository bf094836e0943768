//! Messages that wait for a reply, and which message is the reply to which. It sends nothing and counts nothing.
//!
//! ```text
//!   by key      a text that stands in both: whichever connection it comes on, whatever comes between
//!   in turn     the next message on the same connection, or the next that looks like a reply
//! ```

use std::collections::{HashMap, VecDeque};

use super::stages::Stage;
use crate::reactor::Slot;

/// A message that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The label under which it counts.
    pub label: usize,
    /// When it was due.
    pub due_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// On which connection.
    pub slot: Slot,
    /// Of which socket.
    pub seat: u32,
    /// To which of its stages it belongs; `None` where it has a due time of its own.
    pub stage: Option<Stage>,
}

/// What a message is known by until it is answered.
type Number = u64;

/// See the module.
#[derive(Debug)]
pub struct Replies {
    timeout_ns: u64,
    waiting: HashMap<Number, (Asked, Option<Box<str>>)>,
    /// The one that was sent first comes first.
    by_key: HashMap<Box<str>, Vec<Number>>,
    /// In the order in which they were sent: those that wait no more are skipped when they come first.
    order: VecDeque<(u64, Number)>,
    by_slot: HashMap<Slot, VecDeque<Number>>,
    next: Number,
}

impl Replies {
    /// None wait; each will for so long.
    pub fn new(timeout_ns: u64) -> Self {
        Self {
            timeout_ns,
            waiting: HashMap::new(),
            by_key: HashMap::new(),
            order: VecDeque::new(),
            by_slot: HashMap::new(),
            next: 0,
        }
    }

    /// One more waits; by its key, where it has one.
    pub fn ask(&mut self, asked: Asked, key: Option<&str>) {
        let number = self.next;
        self.next += 1;
        if let Some(key) = key {
            self.by_key.entry(key.into()).or_default().push(number);
        }
        self.waiting.insert(number, (asked, key.map(Into::into)));
        self.order.push_back((asked.sent_ns.saturating_add(self.timeout_ns), number));
        let of_slot = self.by_slot.entry(asked.slot).or_default();
        while of_slot.front().is_some_and(|number| !self.waiting.contains_key(number)) {
            of_slot.pop_front();
        }
        of_slot.push_back(number);
    }

    /// Who has waited longest for a reply with this key.
    pub fn answer_key(&mut self, key: &str) -> Option<Asked> {
        let number = *self.by_key.get(key)?.first()?;
        self.forget(number)
    }

    /// Who has waited longest on a connection.
    pub fn answer_next(&mut self, slot: Slot) -> Option<Asked> {
        let of_slot = self.by_slot.get_mut(&slot)?;
        while let Some(number) = of_slot.pop_front() {
            if let Some((asked, _)) = self.waiting.remove(&number) {
                return Some(asked);
            }
        }
        None
    }

    /// Who will wait in vain, because the connection is no more.
    pub fn lose(&mut self, slot: Slot) -> Vec<Asked> {
        let numbers = self.by_slot.remove(&slot).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.forget(number)).collect()
    }

    /// Who has waited too long.
    pub fn expire(&mut self, now: u64) -> Vec<Asked> {
        let mut late = Vec::new();
        while let Some(&(deadline_ns, number)) = self.order.front() {
            if deadline_ns >= now && self.waiting.contains_key(&number) {
                break;
            }
            self.order.pop_front();
            late.extend(self.forget(number));
        }
        late
    }

    /// Who waits still.
    pub fn all(&self) -> impl Iterator<Item = Asked> {
        self.waiting.values().map(|(asked, _)| *asked)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn forget(&mut self, number: Number) -> Option<Asked> {
        let (asked, key) = self.waiting.remove(&number)?;
        if let Some(key) = key
            && let Some(numbers) = self.by_key.get_mut(&key)
        {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_key.remove(&key);
            }
        }
        Some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(slot: Slot, sent_ns: u64) -> Asked {
        Asked { label: 0, due_ns: sent_ns, sent_ns, slot, seat: 0, stage: None }
    }

    #[test]
    fn replies_come_in_turn_on_a_connection() {
        let mut replies = Replies::new(100);
        for (slot, at) in [(1, 1), (2, 2), (1, 3)] {
            replies.ask(asked(slot, at), None);
        }
        let answered = |replies: &mut Replies, slot| replies.answer_next(slot).map(|asked| asked.sent_ns);
        assert_eq!([1, 1, 1, 2].map(|slot| answered(&mut replies, slot)), [Some(1), Some(3), None, Some(2)]);
        assert!(replies.is_empty());
    }

    #[test]
    fn replies_with_a_key_come_in_any_order_once() {
        let mut replies = Replies::new(100);
        for (slot, at, key) in [(1, 1, "a"), (1, 2, "b"), (2, 3, "a")] {
            replies.ask(asked(slot, at), Some(key));
        }
        let answered = |replies: &mut Replies, key| replies.answer_key(key).map(|asked| asked.sent_ns);
        let keys = ["b", "b", "a", "a", "a"];
        assert_eq!(keys.map(|key| answered(&mut replies, key)), [Some(2), None, Some(1), Some(3), None]);
        assert_eq!((replies.is_empty(), replies.lose(1).len(), replies.lose(2).len()), (true, 0, 0));
    }

    #[test]
    fn who_waits_too_long_or_for_a_lost_connection_is_told() {
        let mut replies = Replies::new(100);
        replies.ask(asked(1, 1), Some("a"));
        replies.ask(asked(2, 50), None);
        replies.ask(asked(3, 60), Some("c"));
        assert_eq!(replies.lose(2).len(), 1);
        assert_eq!(replies.expire(101), []);
        assert_eq!(replies.expire(102), [asked(1, 1)]);
        assert_eq!(replies.answer_key("a"), None);
        assert_eq!(replies.all().count(), 1);
        assert_eq!(replies.expire(1000), [asked(3, 60)]);
        assert!(replies.is_empty() && replies.expire(2000).is_empty());
    }
}
