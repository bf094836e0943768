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
//!
//! A user may rest before it is free again. Of users that are too many those leave first that came last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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

/// What becomes of a user that parks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It waits for its next iteration.
    Waits,
    /// It is to leave instead.
    Leaves,
    /// Its next iteration, of this scenario and due at this instant, has begun already.
    Begins {
        /// Of what, by its place in the script.
        scenario: usize,
        /// When that was due, from the start of the run.
        due_ns: u64,
    },
}

#[derive(Debug)]
struct User {
    stream: usize,
    /// Unique over all workers.
    number: u64,
    begun: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was made and has not parked yet.
    Coming,
    Parked,
    Running,
    /// It parks by itself when its rest is over.
    Resting,
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
    /// (when its rest is over, user), the next one first. Who went meanwhile is still among them.
    resting: BinaryHeap<Reverse<(u64, usize)>>,
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
            resting: BinaryHeap::new(),
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
        let mut next_ns = self.end_rests(now_ns);
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
        let _ = stream.source.due(now_ns);
        if let Some(user) = self.superfluous(number) {
            return self.dismiss(user);
        }
        let stream = &mut self.streams[number];
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
                Some(id) => Next::Start { user: id, scenario: self.begin(id), due_ns },
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

    /// A user takes what is due. Of which scenario it is.
    fn begin(&mut self, id: usize) -> usize {
        let user = self.users[id].as_mut().expect("a parked user lives");
        let stream = &mut self.streams[user.stream];
        let drawn = stream.source.number().unwrap_or_else(|| random::bits(user.number, user.begun));
        user.begun += 1;
        user.state = State::Running;
        self.running += 1;
        stream.source.take();
        if let Some(left) = &mut self.iterations_left {
            *left -= 1;
        }
        stream.scenario_of(drawn)
    }

    /// Parks those whose rest is over. When the next one's is.
    fn end_rests(&mut self, now_ns: u64) -> Option<u64> {
        while let Some(&Reverse((wakes_ns, id))) = self.resting.peek() {
            if wakes_ns > now_ns {
                return Some(wakes_ns);
            }
            self.resting.pop();
            if let Some(user) = self.users[id].as_mut().filter(|user| user.state == State::Resting) {
                let stream = &mut self.streams[user.stream];
                user.state = State::Parked;
                stream.source.ended(wakes_ns);
                stream.parked.push(id);
            }
        }
        None
    }

    /// Somebody who can leave, where a falling number of users, or the end, makes some superfluous: the last ones.
    fn superfluous(&mut self, number: usize) -> Option<usize> {
        let Self { streams, users, resting, finished, .. } = self;
        let stream = &mut streams[number];
        if *finished {
            let mut rests = std::iter::from_fn(|| resting.pop()).map(|Reverse((_, id))| id);
            let is_resting = |user: &User| user.state == State::Resting;
            return stream.unpark(users).or_else(|| rests.find(|&id| users[id].as_ref().is_some_and(is_resting)));
        }
        let wanted = if stream.is_open { usize::MAX } else { stream.source.wanted_users() as usize };
        let excess = stream.users.saturating_sub(wanted);
        if excess == 0 {
            return None;
        }
        let own = users.iter().enumerate().rev().filter_map(|(id, user)| Some((id, user.as_ref()?)));
        let mut last = own.filter(|(_, user)| user.stream == number).take(excess);
        let (id, user) = last.find(|(_, user)| matches!(user.state, State::Parked | State::Resting))?;
        if user.state == State::Resting {
            stream.source.forget();
        }
        Some(id)
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
        self.users.push(Some(User { stream, number, begun: 0, state: State::Coming }));
        (self.users.len() - 1, number)
    }

    /// As [`Streams::park`] of one that has just ended an iteration, but where the next one is due and nobody waits for
    /// one before it, it begins without a wait.
    pub fn go_on(&mut self, id: usize, now_ns: u64) -> Parked {
        let parked = self.park(id, now_ns, true, 0);
        let Some(user) = self.users[id].as_ref().filter(|_| parked == Parked::Waits) else { return parked };
        let stream = &mut self.streams[user.stream];
        let due = stream.source.due(now_ns);
        let is_wanted = stream.is_open || stream.users as u64 <= stream.source.wanted_users();
        match due {
            Due::Send(due_ns) if is_wanted && stream.parked.len() == 1 && self.iterations_left != Some(0) => {
                stream.parked.clear();
                Parked::Begins { scenario: self.begin(id), due_ns }
            }
            _ => parked,
        }
    }

    /// A user waits for its next iteration, which does not begin before it has rested. `now_ns` counts from the start;
    /// `was_running`: it has just ended one.
    pub fn park(&mut self, id: usize, now_ns: u64, was_running: bool, rest_ns: u64) -> Parked {
        self.running -= usize::from(was_running);
        let Some(user) = &mut self.users[id] else { return Parked::Leaves };
        let stream = &mut self.streams[user.stream];
        let is_done = self.iterations_per_user.is_some_and(|most| user.begun >= most);
        if was_running && rest_ns > 0 && !is_done && !self.finished {
            user.state = State::Resting;
            self.resting.push(Reverse((now_ns + rest_ns, id)));
            return Parked::Waits;
        }
        user.state = State::Parked;
        if !was_running {
            stream.spawning = stream.spawning.saturating_sub(1);
        } else if is_done {
            stream.source.retire();
        } else {
            stream.source.ended(now_ns);
        }
        if is_done || self.finished {
            self.dismiss(id);
            return Parked::Leaves;
        }
        stream.parked.push(id);
        Parked::Waits
    }

    /// A user is gone that was not dismissed. Nobody takes its place, but that of one that had never parked.
    pub fn gone(&mut self, id: usize, for_good: bool) {
        if let Some(user) = &self.users[id] {
            let stream = &mut self.streams[user.stream];
            self.running -= usize::from(user.state == State::Running);
            match user.state {
                State::Running | State::Resting => stream.source.retire(),
                State::Parked => {}
                State::Coming => {
                    stream.spawning = stream.spawning.saturating_sub(1);
                    if for_good {
                        stream.source.take();
                        stream.source.retire();
                    }
                }
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
                    begun.park(user, SECOND, false, 0);
                }
                Next::Start { user, scenario, .. } => {
                    *drawn.entry(scenario).or_default() += 1;
                    begun.park(user, SECOND, true, 0);
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
                    streams.park(user, now, false, 0);
                }
                Next::Start { user, .. } => begun.push(user),
                Next::Drop { .. } => dropped += 1,
                _ => return (begun.len(), dropped),
            }
        };
        // 400 a second: the first two begin and go on.
        assert_eq!(go_on_until(&mut streams, SECOND / 4), (2, 99));
        streams.park(0, SECOND / 4, true, 0);
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
                streams.park(user, 0, false, 0);
            }
        }
        streams.gone(2, false);
        assert!(matches!(streams.next(0), Next::Start { user: 1, .. }));
        assert!(matches!(streams.next(0), Next::Start { user: 0, .. }));
        assert_eq!(streams.users(), 2);
    }

    /// A crowd of users that have parked, of which each that could begin has begun.
    fn begun(streams: &mut Streams, now_ns: u64) -> Vec<usize> {
        let mut users = Vec::new();
        loop {
            match streams.next(now_ns) {
                Next::Spawn { stream } => {
                    let (user, _) = streams.born(stream);
                    assert_eq!(Parked::Waits, streams.park(user, now_ns, false, 0));
                }
                Next::Start { user, .. } => users.push(user),
                _ => return users,
            }
        }
    }

    #[test]
    fn a_user_that_rests_is_due_when_its_rest_is_over() {
        let mut streams = streams(CLOSED);
        assert_eq!(begun(&mut streams, 0).len(), 3);
        assert_eq!(Parked::Waits, streams.park(1, 100, true, 50));
        assert_eq!(streams.next(149), Next::Nothing(Some(150)));
        assert!(matches!(streams.next(160), Next::Start { user: 1, due_ns: 150, .. }));
    }

    #[test]
    fn who_is_the_only_one_to_wait_goes_on_at_once() {
        let mut streams = streams(CLOSED);
        assert_eq!(begun(&mut streams, 0).len(), 3);
        assert!(matches!(streams.go_on(1, 70), Parked::Begins { due_ns: 70, .. }));
        assert_eq!(streams.park(2, 80, true, 0), Parked::Waits);
        assert_eq!(streams.go_on(1, 90), Parked::Waits);
        assert_eq!(begun(&mut streams, 90).len(), 2);
        streams.finish(100);
        assert_eq!(streams.go_on(1, 110), Parked::Leaves);
    }

    #[test]
    fn who_came_last_leaves_first_even_while_it_rests() {
        let falling = r#"{"model": "closed", "stages": [
            {"duration_ns": 1000000000, "from_users": 3, "to_users": 3},
            {"duration_ns": 1000000000, "from_users": 1, "to_users": 1}]}"#;
        let mut streams = streams(falling);
        let users = begun(&mut streams, 0);
        assert_eq!(users.len(), 3);
        assert_eq!(Parked::Waits, streams.park(0, 10, true, 5 * SECOND));
        assert_eq!(Parked::Waits, streams.park(2, 10, true, 5 * SECOND));
        // The first stays, though it rests as well; the second leaves when it has ended what it does.
        assert_eq!(streams.next(SECOND), Next::Leave { user: 2 });
        assert!(matches!(streams.next(SECOND), Next::Nothing(_)));
        assert_eq!(Parked::Waits, streams.park(1, SECOND, true, SECOND));
        assert_eq!(streams.next(SECOND), Next::Leave { user: 1 });
        assert!(matches!(streams.next(SECOND), Next::Nothing(_)));
        assert_eq!(streams.users(), 1);
        streams.finish(SECOND);
        assert_eq!(streams.next(SECOND), Next::Leave { user: 0 });
        assert_eq!(streams.users(), 0);
    }

    #[test]
    fn nobody_takes_the_place_of_one_that_is_gone_for_good() {
        let mut streams = streams(CLOSED);
        let Next::Spawn { stream } = streams.next(0) else { panic!("users are wanted") };
        let (user, _) = streams.born(stream);
        streams.gone(user, true);
        assert_eq!(begun(&mut streams, 0).len(), 2);
        streams.gone(1, false);
        streams.gone(2, true);
        assert!(streams.is_exhausted(0));
    }
}
