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
    is_unrationed: bool,
    is_failing: bool,
}

impl Growth {
    /// Of connections that carry one request each: there is nothing to ration, every request needs one. Only while none
    /// can be made it is the same as for others: users of a dead target would do nothing else but try.
    pub fn unrationed() -> Self {
        Self { is_unrationed: true, ..Self::default() }
    }

    /// A connection was made, or could not be.
    pub fn ended(&mut self, is_made: bool) {
        self.is_failing = !is_made;
    }

    /// When the next connections may be begun, if not now.
    pub fn rests_until(&self, now: u64) -> Option<u64> {
        (now < self.next_ns).then_some(self.next_ns)
    }

    /// Connections were begun, of `wanted`. When to look again.
    pub fn begun(&mut self, from_ns: u64, done_ns: u64, wanted: usize) -> u64 {
        let rests = self.is_failing || !self.is_unrationed;
        let rest_ns = if rests { (done_ns - from_ns) * CONNECT_REST } else { 0 };
        self.next_ns = done_ns + LONGEST_REST_NS.min(rest_ns);
        if wanted > CONNECT_BATCH { self.next_ns } else { done_ns + LONGEST_REST_NS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the next may be begun after some that took from 100 to 110.
    fn rest(growth: &mut Growth) -> Option<u64> {
        growth.begun(100, 110, CONNECT_BATCH + 1);
        growth.rests_until(110)
    }

    #[test]
    fn time_is_left_for_requests() {
        let mut growth = Growth::default();
        assert_eq!(rest(&mut growth), Some(140));
        growth.begun(0, SECOND, CONNECT_BATCH + 1);
        assert_eq!(growth.rests_until(SECOND), Some(SECOND + LONGEST_REST_NS));
        assert_eq!(growth.rests_until(SECOND + LONGEST_REST_NS), None);
    }

    #[test]
    fn what_needs_a_connection_for_each_request_rests_only_while_there_are_none() {
        let mut growth = Growth::unrationed();
        assert_eq!(rest(&mut growth), None);
        growth.ended(false);
        assert_eq!(rest(&mut growth), Some(140));
        growth.ended(true);
        assert_eq!(rest(&mut growth), None);
    }
}
