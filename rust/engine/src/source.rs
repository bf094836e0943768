//! Where requests come from: the arrivals of a schedule, or users who ask again when they have been answered.
//!
//! A backlog needs no queue: an arrival that is due and cannot be sent is one that was not taken yet, and the schedule
//! still knows when it was due. So a target that stands still costs no memory, however long.

use std::collections::VecDeque;

use crate::clock::SECOND;
use crate::plan::{Load, UserStage};
use crate::schedule::{Arrivals, Schedule, Tick};

/// While the number of users changes it is looked at this often.
const RAMP_STEP_NS: u64 = SECOND / 100;

/// One worker's share of the load.
#[derive(Debug)]
pub enum Source {
    /// Open model.
    Open(Open),
    /// Closed model.
    Closed(Closed),
}

/// See [`Source`].
#[derive(Debug)]
pub struct Open {
    schedule: Schedule,
    arrivals: Arrivals,
    next: Option<Tick>,
    drop_after_ns: Option<u64>,
    workers: u64,
}

/// See [`Source`].
#[derive(Debug)]
pub struct Closed {
    stages: Vec<UserStage>,
    index: u64,
    workers: u64,
    /// Users that run, waiting ones included.
    active: u64,
    /// Users that have done all that they were to do.
    retired: u64,
    /// When those asked that have no request under way.
    waiting: VecDeque<u64>,
    next_look_ns: u64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a request that was due at this instant.
    Send(u64),
    /// Too late to be sent: give it up.
    Drop,
    /// Nothing before this instant, if anything at all.
    Nothing(Option<u64>),
}

impl Source {
    /// The share of worker `index` of a load.
    pub fn new(load: &Load, index: u32, workers: u32) -> Self {
        let (index, workers) = (u64::from(index), u64::from(workers));
        match (load, Schedule::of(load)) {
            (Load::Open { drop_after_ns, .. }, Some(schedule)) => {
                let mut arrivals = schedule.arrivals(index, workers);
                let next = arrivals.next();
                Self::Open(Open { schedule, arrivals, next, drop_after_ns: *drop_after_ns, workers })
            }
            (Load::Closed { stages }, _) => Self::Closed(Closed {
                stages: stages.clone(),
                index,
                workers,
                active: 0,
                retired: 0,
                waiting: VecDeque::new(),
                next_look_ns: 0,
            }),
            (Load::Open { .. }, None) => unreachable!("an open load has a schedule"),
        }
    }

    /// What is due at an instant; both counted from the start of the run. Asks only; [`Source::take`] takes it.
    #[inline]
    pub fn due(&mut self, now_ns: u64) -> Due {
        match self {
            Self::Open(open) => match open.next {
                Some(tick) if tick.due_ns <= now_ns => match open.drop_after_ns {
                    Some(limit) if now_ns - tick.due_ns > limit => Due::Drop,
                    _ => Due::Send(tick.due_ns),
                },
                next => Due::Nothing(next.map(|tick| tick.due_ns)),
            },
            Self::Closed(closed) => {
                if now_ns >= closed.next_look_ns {
                    closed.look(now_ns);
                }
                match closed.waiting.front() {
                    Some(&asked_ns) => Due::Send(asked_ns),
                    None => Due::Nothing(Some(closed.next_look_ns).filter(|&ns| ns < u64::MAX)),
                }
            }
        }
    }

    /// Takes what was due.
    #[inline]
    pub fn take(&mut self) {
        match self {
            Self::Open(open) => open.next = open.arrivals.next(),
            Self::Closed(closed) => {
                closed.waiting.pop_front();
            }
        }
    }

    /// A request ended: its user, if there is one, is free again.
    #[inline]
    pub fn ended(&mut self, now_ns: u64) {
        if let Self::Closed(closed) = self {
            if closed.active > closed.wanted(now_ns) {
                closed.active -= 1;
            } else {
                closed.waiting.push_back(now_ns);
            }
        }
    }

    /// A user whose request has ended has done all that it was to do.
    pub fn retire(&mut self) {
        if let Self::Closed(closed) = self {
            closed.retired += 1;
            closed.active -= 1;
        }
    }

    /// The number of the arrival that is due next, where arrivals are numbered.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Open(open) => open.next.map(|tick| tick.number),
            Self::Closed(_) => None,
        }
    }

    /// Whether it has arrivals, which are numbered, and not users.
    pub fn is_numbered(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Nothing new from here on. How many arrivals were due and are given up.
    pub fn finish(&mut self, now_ns: u64) -> u64 {
        match self {
            Self::Open(open) => {
                let due = |tick: &Tick| tick.due_ns <= now_ns;
                let first = open.next.take().filter(due);
                first.map_or(0, |_| 1 + open.arrivals.by_ref().take_while(due).count() as u64)
            }
            Self::Closed(closed) => {
                closed.stages.clear();
                closed.next_look_ns = u64::MAX;
                // A user that waits has asked for something that was never scheduled: only arrivals are.
                closed.active -= closed.waiting.len() as u64;
                closed.waiting.clear();
                0
            }
        }
    }

    /// Whether nothing will ever be due again.
    pub fn is_exhausted(&self, now_ns: u64) -> bool {
        match self {
            Self::Open(open) => open.next.is_none(),
            Self::Closed(closed) => now_ns >= closed.duration_ns(),
        }
    }

    /// Whether every user that there will ever be has done all that it was to do.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::Open(_) => false,
            Self::Closed(closed) => closed.retired > 0 && closed.retired >= closed.most(),
        }
    }

    /// How long the load lasts.
    pub fn duration_ns(&self) -> u64 {
        match self {
            Self::Open(open) => open.schedule.duration_ns(),
            Self::Closed(closed) => closed.duration_ns(),
        }
    }

    /// About how many requests wait for a connection.
    pub fn overdue(&self, now_ns: u64) -> u64 {
        match self {
            Self::Open(open) => open.next.filter(|tick| tick.due_ns < now_ns).map_or(0, |tick| {
                let expected = open.schedule.expected_before(now_ns) - open.schedule.expected_before(tick.due_ns);
                (expected / open.workers as f64) as u64
            }),
            Self::Closed(closed) => closed.waiting.len() as u64,
        }
    }

    /// Users that run now.
    pub fn active_users(&self) -> u64 {
        match self {
            Self::Open(_) => 0,
            Self::Closed(closed) => closed.active,
        }
    }
}

impl Closed {
    fn share(&self, users: u64) -> u64 {
        (users + self.workers - 1 - self.index) / self.workers
    }

    /// The most users that this worker will have at a time.
    fn most(&self) -> u64 {
        let most = self.stages.iter().map(|stage| stage.from_users.max(stage.to_users)).max();
        self.share(u64::from(most.unwrap_or(0)))
    }

    fn duration_ns(&self) -> u64 {
        self.stages.iter().map(|stage| stage.duration_ns).sum()
    }

    /// Starts users that should run by now; those that should not, leave when their request has ended.
    fn look(&mut self, now_ns: u64) {
        let wanted = self.wanted(now_ns);
        while self.active < wanted {
            self.active += 1;
            self.waiting.push_back(now_ns);
        }
        while self.active > wanted && self.waiting.pop_back().is_some() {
            self.active -= 1;
        }
        let changes = self.stages.iter().any(|stage| stage.from_users != stage.to_users) || self.stages.len() > 1;
        self.next_look_ns = match self.duration_ns() {
            end_ns if now_ns >= end_ns => u64::MAX,
            end_ns if changes => end_ns.min(now_ns + RAMP_STEP_NS),
            end_ns => end_ns,
        };
    }

    /// This worker's part of the users at an instant: of users 0 … n-1 those whose number is its own modulo the number
    /// of workers.
    fn wanted(&self, now_ns: u64) -> u64 {
        let mut start_ns = 0;
        for stage in &self.stages {
            if now_ns < start_ns + stage.duration_ns {
                let share = (now_ns - start_ns) as f64 / stage.duration_ns as f64;
                let (from, to) = (f64::from(stage.from_users), f64::from(stage.to_users));
                let users = (from + (to - from) * share + 1e-9) as u64;
                return self.share(users).min(self.most().saturating_sub(self.retired));
            }
            start_ns += stage.duration_ns;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(stages: &[(u64, u32, u32)], index: u64, workers: u64) -> Closed {
        let stage = |&(seconds, from_users, to_users): &(u64, u32, u32)| UserStage {
            duration_ns: seconds * SECOND,
            from_users,
            to_users,
        };
        let stages = stages.iter().map(stage).collect();
        Closed { stages, index, workers, active: 0, retired: 0, waiting: VecDeque::new(), next_look_ns: 0 }
    }

    #[test]
    fn the_workers_shares_add_up_to_all_users() {
        for ns in [0, SECOND / 2, SECOND, 3 * SECOND / 2, 2 * SECOND - 1] {
            let stages = [(1, 0, 50), (1, 50, 7)];
            let whole = closed(&stages, 0, 1).wanted(ns);
            let shares: u64 = (0..3).map(|index| closed(&stages, index, 3).wanted(ns)).sum();
            assert_eq!(shares, whole, "at {ns}");
        }
        assert_eq!(closed(&[(1, 10, 10)], 0, 1).wanted(SECOND), 0);
    }

    #[test]
    fn users_come_and_go_with_the_profile() {
        let mut source = Source::Closed(closed(&[(1, 2, 2), (1, 0, 0)], 0, 1));
        assert_eq!(source.due(0), Due::Send(0));
        source.take();
        assert_eq!(source.due(5), Due::Send(0));
        source.take();
        assert_eq!(source.due(6), Due::Nothing(Some(RAMP_STEP_NS)));
        source.ended(7);
        assert_eq!(source.due(7), Due::Send(7));
        source.take();
        source.ended(SECOND + 1);
        source.ended(SECOND + 2);
        assert!(matches!(source.due(SECOND + 3), Due::Nothing(_)));
        assert_eq!(source.active_users(), 0);
    }

    #[test]
    fn when_finished_nobody_asks_again() {
        let mut source = Source::Closed(closed(&[(10, 2, 2)], 0, 1));
        assert_eq!(source.due(0), Due::Send(0));
        source.take();
        assert_eq!(source.finish(5), 0);
        source.ended(6);
        assert_eq!(source.due(7), Due::Nothing(None));
        assert!(source.is_exhausted(7) && source.active_users() == 0);
    }
}
