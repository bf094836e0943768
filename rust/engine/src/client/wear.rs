//! How long connections may be used.

use super::Client;
use crate::clock::now_ns;
use crate::reactor::{Reactor, Slot};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Wear {
    /// For one request each.
    pub once: bool,
    /// So long since the last request.
    pub idle_ns: Option<u64>,
    /// So long since they were made.
    pub lifetime_ns: Option<u64>,
}

impl Wear {
    /// Whether time wears connections out.
    #[inline]
    pub(super) fn is_limited(&self) -> bool {
        self.idle_ns.is_some() || self.lifetime_ns.is_some()
    }
}

impl<R: Reactor> Client<R> {
    #[cold]
    pub(super) fn is_worn(&mut self, slot: Slot) -> bool {
        let (wear, now) = (self.wear, now_ns());
        let connection = self.pool.get(slot);
        let over = |limit: Option<u64>, since_ns: u64| limit.is_some_and(|limit| now.saturating_sub(since_ns) > limit);
        over(wear.lifetime_ns, connection.born_ns)
            || !connection.is_in_use() && over(wear.idle_ns, connection.idle_since_ns)
    }
}
