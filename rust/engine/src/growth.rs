//! How fast connections may be opened. It rations; who needs how many, its owner knows.

use crate::clock::SECOND;

/// Connections begun between two looks at what has come.
pub const CONNECT_BATCH: usize = 4;
/// Time left for requests after connections were begun, as a multiple of what beginning them took. One costs as much as
/// ten requests: without this, a short stall at a high rate would ask for hundreds, beginning them would make the next
/// arrivals late, and those would ask for yet more.
const CONNECT_REST: u64 = 3;
/// The longest such rest, and the time between two looks at what waits while connections are being made. It is also the
/// pace at which users try again to whom no connection can be made.
pub const LONGEST_REST_NS: u64 = SECOND / 1000;

/// See the module.
#[derive(Debug, Default)]
pub struct Growth {
    next_ns: u64,
    unrationed: bool,
}

impl Growth {
    /// Of connections that carry one request each: there is nothing to ration, every request needs one.
    pub fn unrationed() -> Self {
        Self { unrationed: true, ..Self::default() }
    }

    /// When the next connections may be begun, if not now.
    pub fn rests_until(&self, now: u64) -> Option<u64> {
        (now < self.next_ns).then_some(self.next_ns)
    }

    /// Connections were begun, of `wanted`. When to look again.
    pub fn begun(&mut self, from_ns: u64, done_ns: u64, wanted: usize) -> u64 {
        let rest_ns = if self.unrationed { 0 } else { (done_ns - from_ns) * CONNECT_REST };
        self.next_ns = done_ns + LONGEST_REST_NS.min(rest_ns);
        if wanted > CONNECT_BATCH { self.next_ns } else { done_ns + LONGEST_REST_NS }
    }
}
