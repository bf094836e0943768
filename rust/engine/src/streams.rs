//! The streams of a scripted run: each is a load and the virtual users that carry it. It says who begins what, and when;
//! what a user is, and what it does, its owner knows.
//!
//! ```text
//!   arrival due, or user free ──▶ a parked user of the stream? ──yes──▶ Start(user, scenario, due)
//!                                        │no
//!                                        └─▶ below the cap? Spawn: somebody makes one, and it parks
//! ```
//!
//! Which scenario an arrival takes is drawn from its number, in the closed model from the user's and how often it has
//! begun: the seed alone decides, whatever the target does.

use std::collections::BTreeMap;

use crate::plan::{Load, Plan, Script};
use crate::random;
use crate::source::{Due, Source};

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A parked user begins an iteration.
    Start {
        /// Which.
        user: usize,
        /// Of what, by its place in the script.
        scenario: usize,
        /// When that was due, from the start of the run.
        due_ns: u64,
    },
    /// One more user of this stream is needed.
    Spawn {
        /// Which stream.
        stream: usize,
    },
    /// A parked user is needed no more.
    Leave {
        /// Which.
        user: usize,
    },
    /// An arrival was too late and is given up.
    Drop {
        /// Of which scenario.
        scenario: usize,
    },
    /// Nothing before this instant, if anything at all.
    Nothing(Option<u64>),
}

#[derive(Debug)]
struct User {
    stream: usize,
    /// Unique over all workers.
    number: u64,
    begun: u64,
}

#[derive(Debug)]
struct Stream {
    source: Source,
    is_open: bool,
    seed: u64,
    /// (scenario, the sum of weights up to and with it)
    weights: Vec<(usize, f64)>,
    /// The last is taken first. Who went without being dismissed is still among them.
    parked: Vec<usize>,
    users: usize,
    /// Asked for and not parked yet.
    spawning: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    users: Vec<Option<User>>,
    born: u64,
    index: u64,
    workers: u64,
    iterations_left: Option<u64>,
    iterations_per_user: Option<u64>,
    finished: bool,
    asked: usize,
    most_users: usize,
    /// (from when on, how many may be at it)
    caps: Vec<(u64, usize)>,
    /// How many are.
    running: usize,
    given_up: BTreeMap<usize, u64>,
}

impl Streams {
    /// One worker's share.
    pub fn new(plan: &Plan, script: &Script, index: u32) -> Self {
        let share = |all: u64| (all + u64::from(plan.workers - 1 - index)) / u64::from(plan.workers);
        let most = |all: Option<u32>| all.map_or(usize::MAX, |all| share(u64::from(all)).max(1) as usize);
        let numbered = || script.scenarios.iter().enumerate();
        let mut streams = Vec::new();
        let mut add = |load: &Load, weights: Vec<(usize, f64)>| {
            let (is_open, seed) = match load {
                Load::Open { seed, .. } => (true, *seed),
                Load::Closed { .. } => (false, script.seed),
            };
            streams.push(Stream {
                source: Source::new(load, index, plan.workers),
                is_open,
                seed,
                weights,
                parked: Vec::new(),
                users: 0,
                spawning: 0,
            });
        };
        let mut sum = 0.0;
        let mut common = Vec::new();
        for (number, scenario) in numbered().filter(|(_, scenario)| scenario.load.is_none() && scenario.weight > 0.0) {
            sum += scenario.weight;
            common.push((number, sum));
        }
        if !common.is_empty() {
            add(&plan.load, common);
        }
        for (number, scenario) in numbered() {
            if let Some(load) = &scenario.load {
                add(load, vec![(number, 1.0)]);
            }
        }
        Self {
            streams,
            users: Vec::new(),
            born: 0,
            index: u64::from(index),
            workers: u64::from(plan.workers),
            iterations_left: script.iterations.map(share),
            iterations_per_user: script.iterations_per_user,
            finished: false,
            asked: 0,
            most_users: share(u64::from(script.max_users)).max(1) as usize,
            caps: script.caps.iter().map(|cap| (cap.from_ns, most(cap.users))).collect(),
            running: 0,
            given_up: BTreeMap::new(),
        }
    }

    /// What is to be done at an instant, counted from the start. To be asked until it is nothing.
    pub fn next(&mut self, now_ns: u64) -> Next {
        let mut next_ns = None;
        for place in 0..self.streams.len() {
            // Each in turn is asked first, or one that is never done would keep the others waiting.
            let number = (place + self.asked) % self.streams.len();
            match self.next_of(number, now_ns) {
                Next::Nothing(ns) => next_ns = next_ns.into_iter().chain(ns).min(),
                next => {
                    self.asked = number + 1;
                    return next;
                }
            }
        }
        Next::Nothing(next_ns)
    }

    fn next_of(&mut self, number: usize, now_ns: u64) -> Next {
        if self.iterations_left == Some(0) && !self.finished {
            self.finish(now_ns);
            // What is due beyond the limit was never wanted.
            self.given_up.clear();
        }
        let open_users: usize = self.streams.iter().filter(|one| one.is_open).map(|one| one.users).sum();
        let stream = &mut self.streams[number];
        // Users that a falling number of them, or the end, makes superfluous.
        let _ = stream.source.due(now_ns);
        let wanted = if stream.is_open { usize::MAX } else { stream.source.active_users() as usize };
        if (self.finished || stream.users > wanted)
            && let Some(user) = stream.unpark(&self.users)
        {
            return self.dismiss(user);
        }
        match stream.source.due(now_ns) {
            Due::Drop => {
                let scenario = stream.scenario_of(stream.source.number().unwrap_or(0));
                stream.source.take();
                Next::Drop { scenario }
            }
            Due::Nothing(ns) => Next::Nothing(ns),
            Due::Send(due_ns) if stream.is_open && self.running >= cap_at(&self.caps, due_ns) => {
                let scenario = stream.scenario_of(stream.source.number().unwrap_or(0));
                stream.source.take();
                Next::Drop { scenario }
            }
            Due::Send(due_ns) => match stream.unpark(&self.users) {
                Some(id) => {
                    self.running += 1;
                    let user = self.users[id].as_mut().expect("a parked user lives");
                    let drawn = stream.source.number().unwrap_or_else(|| random::bits(user.number, user.begun));
                    user.begun += 1;
                    stream.source.take();
                    if let Some(left) = &mut self.iterations_left {
                        *left -= 1;
                    }
                    Next::Start { user: id, scenario: stream.scenario_of(drawn), due_ns }
                }
                None if stream.spawning == 0 || (stream.spawning as u64) < stream.source.overdue(now_ns) => {
                    if stream.is_open && open_users >= self.most_users {
                        return Next::Nothing(None);
                    }
                    stream.users += 1;
                    stream.spawning += 1;
                    Next::Spawn { stream: number }
                }
                None => Next::Nothing(None),
            },
        }
    }

    fn dismiss(&mut self, user: usize) -> Next {
        if let Some(gone) = self.users[user].take() {
            self.streams[gone.stream].users -= 1;
        }
        Next::Leave { user }
    }

    /// The loads become others, from an instant on; `None` stays as it is.
    pub fn change(&mut self, at_ns: u64, loads: Vec<Option<Load>>) {
        for (stream, load) in self.streams.iter_mut().zip(loads) {
            if let Some(load) = load {
                stream.source.change(at_ns, load);
            }
        }
    }

    /// The most users of closed loads that there will be at a time, as far as is known.
    pub fn most_users(&self) -> u64 {
        self.streams.iter().map(|stream| stream.source.most_users()).sum()
    }

    /// A user of a stream was made: its place and its number.
    pub fn born(&mut self, stream: usize) -> (usize, u64) {
        let number = self.born * self.workers + self.index;
        self.born += 1;
        // A place is never taken twice: who leaves may have something to do yet.
        self.users.push(Some(User { stream, number, begun: 0 }));
        (self.users.len() - 1, number)
    }

    /// A user waits for its next iteration. `now_ns` counts from the start; `was_running`: it has just ended one.
    /// Whether it is to leave instead.
    pub fn park(&mut self, id: usize, now_ns: u64, was_running: bool) -> bool {
        self.running -= usize::from(was_running);
        let Some(user) = &self.users[id] else { return true };
        let stream = &mut self.streams[user.stream];
        let is_done = self.iterations_per_user.is_some_and(|most| user.begun >= most);
        if !was_running {
            stream.spawning = stream.spawning.saturating_sub(1);
        } else if is_done {
            stream.source.retire();
        } else {
            stream.source.ended(now_ns);
        }
        if is_done || self.finished {
            self.dismiss(id);
            return true;
        }
        stream.parked.push(id);
        false
    }

    /// A user is gone that was not dismissed.
    pub fn gone(&mut self, id: usize, was_running: bool) {
        self.running -= usize::from(was_running);
        if let Some(user) = &self.users[id] {
            let stream = &mut self.streams[user.stream];
            if was_running {
                stream.source.retire();
            } else {
                stream.spawning = stream.spawning.saturating_sub(1);
            }
            self.dismiss(id);
        }
    }

    /// Nothing new from here on.
    pub fn finish(&mut self, now_ns: u64) {
        self.finished = true;
        for stream in &mut self.streams {
            while let Some(number) = stream.source.number()
                && !matches!(stream.source.due(now_ns), Due::Nothing(_))
            {
                *self.given_up.entry(stream.scenario_of(number)).or_default() += 1;
                stream.source.take();
            }
            stream.source.finish(now_ns);
        }
    }

    /// Arrivals that were due and have been given up since the last call, by scenario.
    pub fn take_given_up(&mut self) -> BTreeMap<usize, u64> {
        std::mem::take(&mut self.given_up)
    }

    /// Whether no iteration will ever begin again.
    pub fn is_exhausted(&self, now_ns: u64) -> bool {
        self.finished || self.streams.iter().all(|one| one.source.is_exhausted(now_ns) || one.source.is_spent())
    }

    /// How long the longest load lasts.
    pub fn duration_ns(&self) -> u64 {
        self.streams.iter().map(|stream| stream.source.duration_ns()).max().unwrap_or(0)
    }

    /// About how many iterations wait for a user.
    pub fn overdue(&self, now_ns: u64) -> u64 {
        self.streams.iter().map(|stream| stream.source.overdue(now_ns)).sum()
    }

    /// Users that live.
    pub fn users(&self) -> usize {
        self.streams.iter().map(|stream| stream.users).sum()
    }
}

/// How many users may be at it at an instant.
fn cap_at(caps: &[(u64, usize)], ns: u64) -> usize {
    let since = caps.iter().rev().find(|(from_ns, _)| *from_ns <= ns);
    since.map_or(usize::MAX, |(_, most)| *most)
}

impl Stream {
    /// A parked user that lives.
    fn unpark(&mut self, users: &[Option<User>]) -> Option<usize> {
        std::iter::from_fn(|| self.parked.pop()).find(|&id| users[id].is_some())
    }

    fn scenario_of(&self, drawn: u64) -> usize {
        if let [(only, _)] = self.weights[..] {
            return only;
        }
        let (last, sum) = self.weights[self.weights.len() - 1];
        let point = random::uniform(self.seed ^ WEIGHT_STREAM, drawn) * sum;
        self.weights.iter().find(|(_, up_to)| point <= *up_to).map_or(last, |(scenario, _)| *scenario)
    }
}

/// Keeps the draws of scenarios apart from those of arrivals, which have the same seed.
const WEIGHT_STREAM: u64 = 0x5CE7_A210;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    const OPEN: &str = r#"{"model": "open", "arrivals": "constant", "seed": 7, "drop_after_ns": null,
        "stages": [{"duration_ns": 1000000000, "from_rate": 400, "to_rate": 400}]}"#;
    const CLOSED: &str =
        r#"{"model": "closed", "stages": [{"duration_ns": 1000000000, "from_users": 3, "to_users": 3}]}"#;

    /// Two scenarios, of weight 3 and 1, that share a load.
    fn streams(load: &str) -> Streams {
        let document = format!(
            r#"{{"schema": "loadgen/plan/1", "addresses": ["127.0.0.1:9"], "load": {load}, "connections": null,
            "workers": 1, "pacing": "eco", "timeout_ns": 1000000000, "drain_ns": 0, "reactor": "epoll",
            "script": {{"base_url": "http://127.0.0.1:9", "max_users": 10, "scenarios": [
                {{"name": "often", "weight": 3}}, {{"name": "seldom", "weight": 1}}]}}}}"#
        );
        let plan = Plan::read(document.as_bytes()).expect("a plan");
        Streams::new(&plan, plan.script.as_ref().expect("a script"), 0)
    }

    #[test]
    fn what_is_given_up_is_shared_out_as_it_would_have_been_drawn() {
        let mut drawn = BTreeMap::new();
        let mut begun = streams(OPEN);
        loop {
            match begun.next(SECOND) {
                Next::Spawn { stream } => {
                    let (user, _) = begun.born(stream);
                    begun.park(user, SECOND, false);
                }
                Next::Start { user, scenario, .. } => {
                    *drawn.entry(scenario).or_default() += 1;
                    begun.park(user, SECOND, true);
                }
                _ => break,
            }
        }
        let mut given_up = streams(OPEN);
        given_up.finish(SECOND);
        assert_eq!(given_up.take_given_up(), drawn);
        assert_eq!((drawn.len(), drawn.values().sum::<u64>()), (2, 400));
        assert!(given_up.take_given_up().is_empty());
    }

    #[test]
    fn what_is_due_while_as_many_as_may_are_at_it_is_dropped() {
        let mut streams = streams(OPEN);
        streams.caps = vec![(0, 2), (SECOND / 2, usize::MAX)];
        let (mut begun, mut dropped) = (Vec::new(), 0);
        let mut go_on_until = |streams: &mut Streams, now: u64| loop {
            match streams.next(now) {
                Next::Spawn { stream } => {
                    let (user, _) = streams.born(stream);
                    streams.park(user, now, false);
                }
                Next::Start { user, .. } => begun.push(user),
                Next::Drop { .. } => dropped += 1,
                _ => return (begun.len(), dropped),
            }
        };
        // 400 a second: the first two begin and go on.
        assert_eq!(go_on_until(&mut streams, SECOND / 4), (2, 99));
        streams.park(0, SECOND / 4, true);
        assert_eq!(go_on_until(&mut streams, SECOND / 4 + 2_500_000), (3, 99), "one has ended: the next one begins");
        assert_eq!(go_on_until(&mut streams, SECOND / 2 - 1), (3, 197));
        assert_eq!(go_on_until(&mut streams, SECOND / 2 + 7_500_000).0, 3 + 4, "there is no cap any more");
    }

    #[test]
    fn a_user_that_went_while_it_was_parked_begins_nothing() {
        let mut streams = streams(CLOSED);
        for _ in 0..3 {
            assert_eq!(streams.next(0), Next::Spawn { stream: 0 });
            let (user, _) = streams.born(0);
            if user < 2 {
                continue;
            }
            for user in 0..3 {
                streams.park(user, 0, false);
            }
        }
        streams.gone(2, false);
        assert!(matches!(streams.next(0), Next::Start { user: 1, .. }));
        assert!(matches!(streams.next(0), Next::Start { user: 0, .. }));
        assert_eq!(streams.users(), 2);
    }
}
