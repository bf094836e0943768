//! The one clock of the server and its one precise wait; must not know what is being waited for.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

/// A moment that never comes.
pub(crate) const NEVER_NS: u64 = u64::MAX;

const SECOND_NS: u64 = 1_000_000_000;

/// Now, in nanoseconds of `CLOCK_MONOTONIC`: one clock for all processes of a machine, so that the
/// stamps in the log can be compared with those of a client on the same host.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND_NS + now.tv_nsec as u64
}

/// A span of nanoseconds as the kernel wants it.
pub(crate) fn timespec(span_ns: u64) -> Timespec {
    Timespec { tv_sec: (span_ns / SECOND_NS) as i64, tv_nsec: (span_ns % SECOND_NS) as i64 }
}

/// Sleeps for `span_ns`, or until `epoll` has something to tell.
///
/// `ppoll` on the epoll descriptor rather than a timeout for `epoll_wait`: that one counts in
/// milliseconds (rustix rounds up to them), and `epoll_pwait2` is missing before Linux 5.11.
/// A failure (a signal) is no more than an early end of the sleep.
pub(crate) fn sleep_unless_ready(epoll: BorrowedFd<'_>, span_ns: u64) {
    let mut watched = [PollFd::from_borrowed_fd(epoll, PollFlags::IN)];
    let _ = poll(&mut watched, Some(&timespec(span_ns)));
}

/// Asks the kernel to end this thread's sleeps on time, and not up to 50 µs later to save wake-ups.
/// Where it refuses, departures are a little less exact, which the log shows.
pub(crate) fn ask_for_precise_sleep() {
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_split_into_seconds_and_the_rest() {
        let span = timespec(3_000_000_007);
        assert_eq!((span.tv_sec, span.tv_nsec), (3, 7));
    }

    #[test]
    fn a_sleep_never_ends_early_when_nothing_happens() {
        let epoll =
            rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).expect("an epoll descriptor");
        let began_ns = now_ns();
        sleep_unless_ready(std::os::fd::AsFd::as_fd(&epoll), 2_000_000);
        assert!(now_ns() - began_ns >= 2_000_000);
    }
}
