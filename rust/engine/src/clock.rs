//! The one clock of the data path: `CLOCK_MONOTONIC` in nanoseconds. No accumulated periods here, and no wall time but
//! to translate the kernel's stamps and to fill in requests.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// The present instant. Shared by all processes of the machine, so stamps of parent, workers and target compare.
#[inline]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

/// How long ago an instant of the wall clock was, by which the kernel stamps what arrives. Only the distance is used, and
/// only of what has just arrived: a correction of that clock can falsify nothing else.
pub fn since_wall_ns(wall: Timespec) -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let ns = |time: Timespec| time.tv_sec as u64 * SECOND + time.tv_nsec as u64;
    ns(now).saturating_sub(ns(wall))
}

/// The time of day in milliseconds since 1970: for requests that carry it, never for a stamp.
pub fn time_of_day_ms() -> u64 {
    time_of_day_ns() / 1_000_000
}

/// The same in nanoseconds.
pub fn time_of_day_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

/// CPU time of this process so far, user and system.
pub fn cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as u64 * SECOND + used.tv_nsec as u64
}

/// A span as the kernel wants it.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / SECOND) as i64, tv_nsec: (ns % SECOND) as i64 }
}
