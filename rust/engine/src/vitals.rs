//! The vitals of a worker: the orders by which its run begins and ends, its signs of life in between, and where its time
//! went. It knows neither loads nor connections.
//!
//! ```text
//!   ready ─▶ (start) ─▶ start_ns ── the load ──▶ ends_ns ── what is in flight may end ──▶ drain_until_ns
//!                                     (finish) ─▶ ends now                       (stop) ─▶ all ends now
//! ```

use std::io;

use crate::clock::{SECOND, cpu_ns, now_ns};
use crate::control::{Change, Control, Order};
use crate::pacer::Pacer;
use crate::plan::Plan;
use crate::reactor::Reactor;
use crate::record::block::Word;
use crate::record::recorder::Recorder;

/// Between two signs of life.
const HEARTBEAT_NS: u64 = SECOND / 5;

/// See the module.
#[derive(Debug)]
pub struct Vitals {
    /// How it waits: what it spins is no work.
    pub pacer: Pacer,
    /// The start of the run, from which the instants of its load count; 0 until it is known.
    pub start_ns: u64,
    duration_ns: u64,
    /// When the load is over.
    pub ends_ns: u64,
    /// How long what is in flight then is waited for.
    pub drain_ns: u64,
    /// Past this, nothing is waited for.
    pub drain_until_ns: u64,
    /// All is to end now.
    pub stopped: bool,
    /// Changes of the load that have been ordered; whoever has the load takes them.
    pub changes: Vec<Change>,
    cpu_at_start_ns: u64,
    /// When to give the next sign of life.
    pub next_heartbeat_ns: u64,
}

impl Vitals {
    /// Those of a worker that is about to be ready, for a load that lasts so long.
    pub fn new(plan: &Plan, duration_ns: u64) -> Self {
        Self {
            pacer: Pacer::new(plan.pacing),
            start_ns: 0,
            duration_ns,
            ends_ns: u64::MAX,
            drain_ns: plan.drain_ns,
            drain_until_ns: u64::MAX,
            stopped: false,
            changes: Vec::new(),
            cpu_at_start_ns: 0,
            next_heartbeat_ns: 0,
        }
    }

    /// Learns how late this machine wakes, says that all is ready, and waits until it may start, or has to stop.
    pub fn await_start(
        &mut self,
        reactor: &mut impl Reactor,
        recorder: &Recorder,
        control: &mut Control,
    ) -> io::Result<()> {
        self.pacer.calibrate(reactor)?;
        control.report("ready")?;
        while self.start_ns == 0 && !self.stopped {
            reactor.wait(Some(now_ns() + HEARTBEAT_NS))?;
            while reactor.next().is_some() {
                // Nothing is in flight that could be waited for.
                self.stopped |= self.obey(control, now_ns());
            }
            recorder.heartbeat(now_ns());
        }
        self.count_from_here();
        Ok(())
    }

    /// What was done up to here is none of the run's work.
    pub fn count_from_here(&mut self) {
        self.pacer.spin_ns = 0;
        self.cpu_at_start_ns = cpu_ns();
    }

    /// Obeys the orders that have come. Whether the rest of the load is to be given up.
    pub fn obey(&mut self, control: &mut Control, now: u64) -> bool {
        let mut gives_up = false;
        for order in control.orders() {
            match order {
                Order::Start(ns) => {
                    self.start_ns = ns;
                    self.end_at(ns + self.duration_ns);
                }
                Order::Change(change) => self.changes.push(change),
                Order::Finish if self.start_ns > 0 => {
                    self.end_at(now);
                    gives_up = true;
                }
                Order::Finish | Order::Stop => self.stopped = true,
            }
        }
        gives_up
    }

    /// The load is over then, unless it is earlier.
    pub fn end_at(&mut self, ends_ns: u64) {
        self.ends_ns = self.ends_ns.min(ends_ns);
        self.drain_until_ns = self.ends_ns.saturating_add(self.drain_ns);
    }

    /// Whether nothing is waited for any more.
    #[inline]
    pub fn is_over(&self, now: u64) -> bool {
        self.stopped || now >= self.drain_until_ns
    }

    /// How long the run has lasted. A worker that was stopped before it began has no time behind it.
    pub fn age_ns(&self, now: u64) -> u64 {
        if self.start_ns == 0 { 0 } else { now.saturating_sub(self.start_ns) }
    }

    /// A sign of life: what the worker's owner shows of it, and where the time went.
    pub fn heartbeat(&mut self, recorder: &Recorder, now: u64, shown: &[(Word, u64)]) {
        recorder.heartbeat(now);
        let spin_ns = self.pacer.spin_ns;
        // CPU time, not time awake: an io_uring works for us within the wait.
        let busy_ns = cpu_ns().saturating_sub(self.cpu_at_start_ns + spin_ns);
        let blocked_ns = self.age_ns(now).saturating_sub(busy_ns + spin_ns);
        let times = [
            (Word::BusyNs, busy_ns),
            (Word::SpinNs, spin_ns),
            (Word::BlockedNs, blocked_ns),
            (Word::MarginNs, self.pacer.margin_ns()),
        ];
        for &(word, value) in shown.iter().chain(&times) {
            recorder.set(word, value);
        }
        if now % SECOND < HEARTBEAT_NS {
            recorder.memory();
        }
        self.next_heartbeat_ns = now + HEARTBEAT_NS;
    }

    /// The last sign of life: no connection is left.
    pub fn close(&mut self, recorder: &Recorder, now: u64, shown: &[(Word, u64)]) {
        self.heartbeat(recorder, now, shown);
        recorder.memory();
        recorder.set(Word::Connections, 0);
    }
}
