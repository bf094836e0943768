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
    arrivals: Arrivals,
    next: Option<Tick>,
    finished: bool,
    drop_after_ns: Option<u64>,
    workers: u64,
}

/// See [`Source`].
#[derive(Debug)]
pub struct Closed {
    stages: Vec<UserStage>,
    duration_ns: u64,
    /// The most users, over all workers, that any stages so far have at a time.
    most_users: u32,
    /// Users stay, and ask for nothing.
    paused: bool,
    /// What is to be in force, and from when on; no stages: a pause.
    changes: VecDeque<(u64, Vec<UserStage>)>,
    index: u64,
    workers: u64,
    /// Users that run, waiting ones included.
    active: u64,
    /// Users that should run, when last looked at.
    target: u64,
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
                let next = arrivals.peek();
                Self::Open(Open { arrivals, next, finished: false, drop_after_ns: *drop_after_ns, workers })
            }
            (Load::Closed { stages }, _) => Self::Closed(Closed::new(stages.clone(), index, workers)),
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
                Some(tick) => Due::Nothing(Some(tick.due_ns)),
                None => Due::Nothing(Some(open.ends_ns()).filter(|&ns| ns > now_ns)),
            },
            Self::Closed(closed) => {
                if now_ns >= closed.next_look_ns {
                    closed.look(now_ns);
                }
                match closed.waiting.front() {
                    Some(&asked_ns) if !closed.paused => Due::Send(asked_ns),
                    _ => Due::Nothing(Some(closed.next_look_ns).filter(|&ns| ns < u64::MAX)),
                }
            }
        }
    }

    /// Takes what was due.
    #[inline]
    pub fn take(&mut self) {
        match self {
            Self::Open(open) => {
                open.arrivals.advance();
                open.next = open.arrivals.peek();
            }
            Self::Closed(closed) => {
                closed.waiting.pop_front();
            }
        }
    }

    /// From an instant on the load is another one, laid from the start of the run as this one was. Users without any
    /// stages pause.
    pub fn change(&mut self, at_ns: u64, load: Load) {
        match (self, load) {
            (Self::Open(open), Load::Open { stages, .. }) if !open.finished => {
                open.arrivals.change(at_ns, &stages);
                open.next = open.arrivals.peek();
            }
            (Self::Closed(closed), Load::Closed { stages }) if closed.duration_ns > 0 => {
                closed.next_look_ns = closed.next_look_ns.min(at_ns);
                closed.most_users = closed.most_users.max(most_users(&stages));
                closed.changes.push_back((at_ns, stages));
            }
            _ => {}
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
            closed.active = closed.active.saturating_sub(1);
        }
    }

    /// A user whose request has ended will ask no more, because it is not wanted.
    pub fn forget(&mut self) {
        if let Self::Closed(closed) = self {
            closed.active = closed.active.saturating_sub(1);
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
                if std::mem::replace(&mut open.finished, true) {
                    return 0;
                }
                open.next = None;
                open.arrivals.by_ref().take_while(|tick| tick.due_ns <= now_ns).count() as u64
            }
            Self::Closed(closed) => {
                closed.duration_ns = 0;
                closed.target = 0;
                closed.next_look_ns = u64::MAX;
                // A user that waits has asked for something that was never scheduled: only arrivals are.
                closed.active -= closed.waiting.len() as u64;
                closed.waiting.clear();
                0
            }
        }
    }

    /// Whether nothing will ever be due again. Before its end a load may still be changed.
    pub fn is_exhausted(&self, now_ns: u64) -> bool {
        match self {
            Self::Open(open) => open.next.is_none() && now_ns >= open.ends_ns(),
            Self::Closed(closed) => now_ns >= closed.duration_ns,
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
            Self::Open(open) => open.arrivals.schedule().duration_ns(),
            Self::Closed(closed) => closed.duration_ns,
        }
    }

    /// About how many requests wait for a connection.
    pub fn overdue(&self, now_ns: u64) -> u64 {
        match self {
            Self::Open(open) => open.next.filter(|tick| tick.due_ns < now_ns).map_or(0, |tick| {
                let schedule = open.arrivals.schedule();
                let expected = schedule.expected_before(now_ns) - schedule.expected_before(tick.due_ns);
                (expected / open.workers as f64) as u64
            }),
            Self::Closed(closed) if closed.paused => 0,
            Self::Closed(closed) => closed.waiting.len() as u64,
        }
    }

    /// The most users that there will be at a time, as far as is known.
    pub fn most_users(&self) -> u64 {
        match self {
            Self::Open(_) => 0,
            Self::Closed(closed) => closed.most(),
        }
    }

    /// Users that should run now.
    pub fn wanted_users(&self) -> u64 {
        match self {
            Self::Open(_) => 0,
            Self::Closed(closed) => closed.target,
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

impl Open {
    /// Past this, nothing is due that is not yet.
    fn ends_ns(&self) -> u64 {
        if self.finished { 0 } else { self.arrivals.schedule().duration_ns() }
    }
}

impl Closed {
    fn new(stages: Vec<UserStage>, index: u64, workers: u64) -> Self {
        Self {
            duration_ns: stages.iter().map(|stage| stage.duration_ns).sum(),
            most_users: most_users(&stages),
            stages,
            paused: false,
            changes: VecDeque::new(),
            index,
            workers,
            active: 0,
            target: 0,
            retired: 0,
            waiting: VecDeque::new(),
            next_look_ns: 0,
        }
    }

    fn share(&self, users: u64) -> u64 {
        (users + self.workers - 1 - self.index) / self.workers
    }

    /// The most users that this worker will have at a time, as far as is known.
    fn most(&self) -> u64 {
        self.share(u64::from(self.most_users))
    }

    /// Brings into force what is to be by now.
    fn change(&mut self, now_ns: u64) {
        while self.changes.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns)
            && let Some((at_ns, stages)) = self.changes.pop_front()
        {
            let was_paused = std::mem::replace(&mut self.paused, stages.is_empty());
            if self.paused {
                continue;
            }
            self.stages = stages;
            if was_paused {
                // Nobody was kept waiting meanwhile.
                self.waiting.iter_mut().for_each(|asked_ns| *asked_ns = at_ns.max(*asked_ns));
            }
        }
    }

    /// Starts users that should run by now; those that should not, leave when their request has ended.
    fn look(&mut self, now_ns: u64) {
        self.change(now_ns);
        let wanted = self.wanted(now_ns);
        self.target = wanted;
        while self.active < wanted {
            self.active += 1;
            self.waiting.push_back(now_ns);
        }
        while self.active > wanted && self.waiting.pop_back().is_some() {
            self.active -= 1;
        }
        let changes = self.stages.iter().any(|stage| stage.from_users != stage.to_users) || self.stages.len() > 1;
        let change_ns = self.changes.front().map_or(u64::MAX, |(at_ns, _)| *at_ns);
        self.next_look_ns = match self.duration_ns {
            end_ns if now_ns >= end_ns => u64::MAX,
            end_ns if changes => end_ns.min(now_ns + RAMP_STEP_NS).min(change_ns),
            end_ns => end_ns.min(change_ns),
        };
    }

    /// This worker's part of the users at an instant: of users 0 … n-1 those whose number is its own modulo the number
    /// of workers.
    fn wanted(&self, now_ns: u64) -> u64 {
        if now_ns >= self.duration_ns {
            return 0;
        }
        if self.paused {
            return self.active;
        }
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

fn most_users(stages: &[UserStage]) -> u32 {
    stages.iter().map(|stage| stage.from_users.max(stage.to_users)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ArrivalProcess, RateStage};

    fn closed(stages: &[(u64, u32, u32)], index: u64, workers: u64) -> Closed {
        let stage = |&(seconds, from_users, to_users): &(u64, u32, u32)| UserStage {
            duration_ns: seconds * SECOND,
            from_users,
            to_users,
        };
        Closed::new(stages.iter().map(stage).collect(), index, workers)
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

    fn flat(users: u32) -> Load {
        Load::Closed { stages: vec![UserStage { duration_ns: 10 * SECOND, from_users: users, to_users: users }] }
    }

    /// Those that ask at an instant; they go on asking when they are answered.
    fn asking(source: &mut Source, now_ns: u64) -> Vec<u64> {
        let mut asked = Vec::new();
        while let Due::Send(asked_ns) = source.due(now_ns) {
            source.take();
            asked.push(asked_ns);
        }
        asked
    }

    #[test]
    fn users_are_more_or_fewer_from_the_instant_of_a_change_on() {
        let mut source = Source::Closed(closed(&[(10, 2, 2)], 0, 1));
        assert_eq!(asking(&mut source, 0), [0, 0]);
        source.change(SECOND, flat(5));
        source.change(3 * SECOND, flat(1));
        assert_eq!(source.due(SECOND - 1), Due::Nothing(Some(SECOND)));
        assert_eq!(asking(&mut source, SECOND), [SECOND; 3]);
        assert_eq!(source.active_users(), 5);
        assert_eq!(source.due(SECOND), Due::Nothing(Some(3 * SECOND)));
        assert_eq!(source.due(3 * SECOND), Due::Nothing(Some(10 * SECOND)));
        (0..5).for_each(|_| source.ended(4 * SECOND));
        assert_eq!((asking(&mut source, 4 * SECOND).len(), source.active_users()), (1, 1));
    }

    #[test]
    fn users_that_pause_stay_and_were_not_kept_waiting() {
        let mut source = Source::Closed(closed(&[(10, 3, 3)], 0, 1));
        assert_eq!(asking(&mut source, 0).len(), 3);
        source.change(SECOND, Load::Closed { stages: Vec::new() });
        assert!(matches!(source.due(SECOND), Due::Nothing(_)));
        (0..3).for_each(|_| source.ended(2 * SECOND));
        assert!(asking(&mut source, 3 * SECOND).is_empty());
        assert_eq!((source.active_users(), source.overdue(3 * SECOND)), (3, 0));
        source.change(4 * SECOND, flat(3));
        assert_eq!(asking(&mut source, 5 * SECOND), [4 * SECOND; 3]);
        source.change(6 * SECOND, Load::Closed { stages: Vec::new() });
        assert!(matches!(source.due(6 * SECOND), Due::Nothing(_)));
        (0..3).for_each(|_| source.ended(7 * SECOND));
        assert_eq!(source.due(10 * SECOND), Due::Nothing(None));
        assert!(source.is_exhausted(10 * SECOND) && source.active_users() == 0);
    }

    #[test]
    fn a_load_may_go_on_until_its_planned_end_and_not_beyond() {
        let stages = |rate: f64| vec![RateStage { duration_ns: 10 * SECOND, from_rate: rate, to_rate: rate }];
        let arrivals = ArrivalProcess::Constant;
        let load = |rate: f64| Load::Open { stages: stages(rate), arrivals, seed: 1, drop_after_ns: None };
        let mut source = Source::new(&load(1.0), 1, 2);
        source.change(2 * SECOND, load(0.0));
        assert_eq!(asking(&mut source, 10 * SECOND - 1), [SECOND]);
        assert_eq!(source.due(5 * SECOND), Due::Nothing(Some(10 * SECOND)));
        assert!(!source.is_exhausted(5 * SECOND) && source.is_exhausted(10 * SECOND));
        source.change(6 * SECOND, load(1.0));
        assert_eq!(asking(&mut source, 9 * SECOND), [7 * SECOND, 9 * SECOND]);
        source.finish(9 * SECOND);
        source.change(9 * SECOND, load(100.0));
        assert_eq!((source.due(9 * SECOND), source.is_exhausted(9 * SECOND)), (Due::Nothing(None), true));
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
