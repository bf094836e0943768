//! The pacer: how to wait for the next instant. It decides between sleeping and spinning; what is due it does not know.
//!
//! A sleeping thread wakes late, by about 40 µs and more on a busy machine, whichever primitive it sleeps on. So
//! `hybrid` sleeps until a margin before the instant and spins from there, looking for responses all the while; the
//! margin follows the 99th percentile of how late this machine wakes. Where the gap between arrivals is shorter than
//! the margin it spins throughout. `eco` never spins, wakes once for arrivals that are close together, and where the
//! reactor can say later when a response came, it sleeps through that too; `spin` never sleeps.

use std::io;
use std::num::NonZeroU64;

use crate::clock::now_ns;
use crate::plan::Pacing;
use crate::reactor::Reactor;
use crate::slice;

/// The margin stays within these bounds: a lower one would miss, a higher one burns a core for nothing.
const MARGIN_NS: (u64, u64) = (10_000, 200_000);

/// To wake costs more than to send, so `eco` wakes no more often than this: what is due in between goes out together.
const ECO_GAP_NS: u64 = 100_000;

/// How far one sample moves the margin, at most.
const STEP_NS: f64 = 2_000.0;

/// Which instant is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// An arrival is due: worth spinning for.
    Arrival(u64),
    /// Anything else: a timeout, a heartbeat.
    Timer(u64),
}

/// Waits, and knows how much of the time it spun.
#[derive(Debug)]
pub struct Pacer {
    pacing: Pacing,
    margin_ns: f64,
    /// When it last woke for an arrival, if it is `eco`.
    woke_ns: u64,
    /// Time spun so far.
    pub spin_ns: u64,
}

impl Pacer {
    /// A pacer that has not yet seen this machine.
    pub fn new(pacing: Pacing) -> Self {
        // Timers may else be late by 50 µs on purpose. Where it is refused, the margin will show it.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Self { pacing, margin_ns: 60_000.0, woke_ns: 0, spin_ns: 0 }
    }

    /// Learns how late this machine wakes, before anything is due.
    pub fn calibrate(&mut self, reactor: &mut impl Reactor) -> io::Result<()> {
        slice::ask_for_short_ones();
        if self.pacing == Pacing::Hybrid {
            for _ in 0..100 {
                self.sleep(reactor, now_ns() + 100_000)?;
            }
        }
        Ok(())
    }

    /// The present margin.
    pub fn margin_ns(&self) -> u64 {
        self.margin_ns as u64
    }

    /// Waits for events, at most until the instant.
    #[inline]
    pub fn wait(&mut self, reactor: &mut impl Reactor, now: u64, wake: Wake) -> io::Result<()> {
        if let (Wake::Arrival(due_ns), Pacing::Eco) = (wake, self.pacing) {
            return self.doze(reactor, now, due_ns);
        }
        let (until_ns, spin_from_ns) = match (wake, self.pacing) {
            (Wake::Arrival(due) | Wake::Timer(due), Pacing::Spin) => (due, 0),
            (Wake::Arrival(due), Pacing::Hybrid) => (due, due.saturating_sub(self.margin_ns())),
            (Wake::Arrival(due) | Wake::Timer(due), _) => (due, due),
        };
        if until_ns <= now {
            return reactor.wait(Some(0)).map(drop);
        }
        if now < spin_from_ns {
            let (found, woke_ns) = self.sleep(reactor, spin_from_ns)?;
            if found || spin_from_ns == until_ns || woke_ns >= until_ns {
                return Ok(());
            }
            return self.spin(reactor, woke_ns, until_ns);
        }
        self.spin(reactor, now, until_ns)
    }

    /// Sleeps for `eco` until an arrival is due, or a little longer.
    fn doze(&mut self, reactor: &mut impl Reactor, now: u64, due_ns: u64) -> io::Result<()> {
        if due_ns <= now {
            return reactor.wait(Some(0)).map(drop);
        }
        let until_ns = due_ns.max(self.woke_ns + ECO_GAP_NS);
        if reactor.rest(now, until_ns) {
            self.woke_ns = now_ns();
            return reactor.wait(Some(0)).map(drop);
        }
        let (_, woke_ns) = self.sleep(reactor, until_ns)?;
        if woke_ns >= until_ns {
            self.woke_ns = woke_ns;
        }
        Ok(())
    }

    fn sleep(&mut self, reactor: &mut impl Reactor, until_ns: u64) -> io::Result<(bool, u64)> {
        let found = reactor.wait(Some(until_ns))?;
        let woke_ns = now_ns();
        if !found && woke_ns >= until_ns {
            // A running estimate of the 99th percentile: up by 99 parts when exceeded, else down by one.
            let exceeded = (woke_ns - until_ns) as f64 > self.margin_ns;
            let moved = self.margin_ns + if exceeded { 0.99 } else { -0.01 } * STEP_NS;
            self.margin_ns = moved.clamp(MARGIN_NS.0 as f64, MARGIN_NS.1 as f64);
        }
        Ok((found, woke_ns))
    }

    fn spin(&mut self, reactor: &mut impl Reactor, from_ns: u64, until_ns: u64) -> io::Result<()> {
        loop {
            let found = reactor.wait(Some(0))?;
            let now = now_ns();
            if found || now >= until_ns {
                self.spin_ns += now - from_ns;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::rc::Rc;

    use rustix::io::Errno;

    use super::*;
    use crate::reactor::{Address, Event, Slot};

    /// Rests without resting, and remembers until when it was to.
    #[derive(Default)]
    struct Restless(Vec<u64>);

    impl Reactor for Restless {
        const QUEUES_SENDS: bool = true;

        fn connect(&mut self, _: Slot, _: &Address, _: Option<IpAddr>) -> Result<(), Errno> {
            Ok(())
        }

        fn send(&mut self, _: Slot, _: &Rc<[u8]>) {}

        fn is_sending(&self, _: Slot) -> bool {
            false
        }

        fn is_ending(&self, _: Slot) -> bool {
            false
        }

        fn tell_written(&mut self, _: Slot) {}

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn close(&mut self, _: Slot) {}

        fn wait(&mut self, _: Option<u64>) -> io::Result<bool> {
            Ok(false)
        }

        fn next(&mut self) -> Option<Event> {
            None
        }

        fn is_drained(&self) -> bool {
            true
        }

        fn received(&self) -> &[u8] {
            &[]
        }

        fn rest(&mut self, _: u64, until_ns: u64) -> bool {
            self.0.push(until_ns);
            true
        }
    }

    #[test]
    fn eco_wakes_once_for_arrivals_that_are_close_together() {
        let (mut pacer, mut reactor) = (Pacer::new(Pacing::Eco), Restless::default());
        let now = now_ns();
        let dues = [now + 1_000_000, now + 1_020_000, now + 3_000_000_000];
        for due_ns in dues {
            pacer.wait(&mut reactor, now, Wake::Arrival(due_ns)).unwrap();
            // As if it had slept.
            pacer.woke_ns = *reactor.0.last().unwrap();
        }
        pacer.wait(&mut reactor, now, Wake::Arrival(now)).unwrap();
        assert_eq!(reactor.0, [dues[0], dues[0] + ECO_GAP_NS, dues[2]]);
    }
}
