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

/// How far the wall clock, by which the kernel stamps what arrives, is ahead of this one now.
pub fn wall_ahead_ns() -> i64 {
    // The wall clock first: what comes between the two readings makes stamps later, never earlier than they were.
    let wall_ns = time_of_day_ns() as i64;
    wall_ns - now_ns() as i64
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
