//! The schedule: a pure function from the number of an arrival to the instant when it is due. It holds no clock and
//! accumulates no period, so N workers, a test and a report compute the same list.
//!
//! An arrival has a *position*: constant arrivals stand at 0, 1, 2, …; Poisson arrivals at sums of exponential gaps
//! of mean 1. The rate over time is piecewise linear, and its integral turns time into position; `due` is the inverse:
//!
//! ```text
//!   rate ▲      ╱▔▔▔▔            position(t) = ∫ rate            due(x) = the t with position(t) = x
//!        │    ╱                  within a stage, with A twice the area left of t, T its length, dr = r1 - r0:
//!        │  ╱   stage 2            A = 2·r0·t + dr·t²/T          t = A / (r0 + √(r0² + dr·A/T))
//!        └───────────▶ time      dr = 0: t = A / (2·r0), in integers, exactly
//! ```
//!
//! The root has no cancellation while dr ≥ 0; a falling ramp is therefore solved backwards from its end, where it
//! rises. In f64 the result is then within two nanoseconds for ramps of days; areas are integers throughout.
//!
//! A load that is changed on the way is the same function of another rate: up to that instant the old one, from there on
//! the new one. Positions go on, so arrivals keep their numbers and their place in the random stream.

use crate::plan::{ArrivalProcess, Load, RateStage};
use crate::random;

/// Rates are whole multiples of 1/3,600,000 per second: exact for /s with three decimals, for whole /m and /h.
pub const RATE_UNIT: u64 = 3_600_000;

/// Fractional bits of a position.
const FRACTION: u32 = 32;

/// Twice the area (rate units × nanoseconds) of one arrival.
const ARRIVAL_AREA: u128 = 2 * RATE_UNIT as u128 * 1_000_000_000;

/// One arrival: its number and the nanoseconds from the start of the run until it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Which arrival of the whole run this is.
    pub number: u64,
    /// When it is due, counted from the start.
    pub due_ns: u64,
}

#[derive(Clone, Debug)]
struct Stage {
    start_ns: u64,
    duration_ns: u64,
    from: u64,
    to: u64,
    /// Twice the area before this stage, in the fixed point of positions.
    area_before: u128,
    area: u128,
}

/// The arrivals of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    stages: Vec<Stage>,
    arrivals: ArrivalProcess,
    seed: u64,
    area: u128,
    duration_ns: u64,
}

impl Schedule {
    /// The arrivals of a load, or `None` in the closed model.
    pub fn of(load: &Load) -> Option<Self> {
        match load {
            Load::Open { stages, arrivals, seed, .. } => Some(Self::new(stages, *arrivals, *seed)),
            Load::Closed { .. } => None,
        }
    }

    /// Lays the stages end to end. The plan reader has checked that the numbers fit.
    pub fn new(stages: &[RateStage], arrivals: ArrivalProcess, seed: u64) -> Self {
        let units = |rate: f64| (rate * RATE_UNIT as f64).round() as u64;
        Self::lay(stages.iter().map(|it| (it.duration_ns, units(it.from_rate), units(it.to_rate))), arrivals, seed)
    }

    /// Of stretches of (duration, rate units at the start, rate units at the end).
    fn lay(stretches: impl Iterator<Item = (u64, u64, u64)>, arrivals: ArrivalProcess, seed: u64) -> Self {
        let mut stages = Vec::new();
        let (mut start_ns, mut area_before) = (0, 0);
        for (duration_ns, from, to) in stretches.filter(|&(duration_ns, ..)| duration_ns > 0) {
            let area = (u128::from(from + to) * u128::from(duration_ns)) << FRACTION;
            stages.push(Stage { start_ns, duration_ns, from, to, area_before, area });
            start_ns += duration_ns;
            area_before += area;
        }
        Self { stages, arrivals, seed, area: area_before, duration_ns: start_ns }
    }

    /// From an instant on, the rate is that of other stages, which are laid from the start of the run as these were.
    pub fn change(&mut self, at_ns: u64, stages: &[RateStage]) {
        let other = Self::new(stages, self.arrivals, self.seed);
        let at_ns = self.spread_from(at_ns);
        let before = self.stages.iter().filter_map(|stage| stage.within(0, at_ns));
        let after = other.stages.iter().filter_map(|stage| stage.within(at_ns, u64::MAX));
        *self = Self::lay(before.chain(after), self.arrivals, self.seed);
    }

    /// What comes in bursts is moved forward, to where they are: the instant from which on nothing is moved to before
    /// this one.
    fn spread_from(&self, ns: u64) -> u64 {
        let ArrivalProcess::Bursts { on_ns, off_ns } = self.arrivals else { return ns };
        let period = on_ns + off_ns;
        let spread = u128::from(ns % period) * u128::from(period);
        ns - ns % period + (spread.div_ceil(u128::from(on_ns)) as u64).min(period)
    }

    /// How long the plan lasts.
    pub fn duration_ns(&self) -> u64 {
        self.duration_ns
    }

    /// Arrivals of the whole plan.
    pub fn total(&self) -> u64 {
        match self.arrivals {
            ArrivalProcess::Poisson => self.arrivals(0, 1).count() as u64,
            _ => self.area.div_ceil(ARRIVAL_AREA << FRACTION) as u64,
        }
    }

    /// Arrivals due before `ns` from the start.
    pub fn count_before(&self, ns: u64) -> u64 {
        if self.arrivals == ArrivalProcess::Poisson {
            return self.arrivals(0, 1).take_while(|tick| tick.due_ns < ns).count() as u64;
        }
        let (mut low, mut high) = (0, self.total());
        while low < high {
            let middle = u64::midpoint(low, high);
            match self.due(u128::from(middle) << FRACTION) {
                Some(due_ns) if due_ns < ns => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The integral of the rate up to an instant: how many arrivals to expect by then.
    pub fn expected_before(&self, ns: u64) -> f64 {
        let area = |stage: &Stage| {
            let within = ns.saturating_sub(stage.start_ns).min(stage.duration_ns) as f64;
            let slope = (stage.to as f64 - stage.from as f64) / stage.duration_ns as f64;
            2.0 * stage.from as f64 * within + slope * within * within
        };
        self.stages.iter().map(area).sum::<f64>() / ARRIVAL_AREA as f64
    }

    /// The planned rate at an instant, per second; 0 after the end.
    pub fn rate_at(&self, ns: u64) -> f64 {
        let within = |stage: &&Stage| ns >= stage.start_ns && ns - stage.start_ns < stage.duration_ns;
        self.stages.iter().find(within).map_or(0.0, |stage| {
            let share = (ns - stage.start_ns) as f64 / stage.duration_ns as f64;
            (stage.from as f64 + (stage.to as f64 - stage.from as f64) * share) / RATE_UNIT as f64
        })
    }

    /// The share of one of `workers`: arrivals `worker`, `worker + workers`, … in order.
    pub fn arrivals(&self, worker: u64, workers: u64) -> Arrivals {
        Arrivals { schedule: self.clone(), number: 0, next: worker, step: workers, position: 0 }
    }

    /// When a position is reached, or `None` after the end.
    fn due(&self, position: u128) -> Option<u64> {
        let target = position * ARRIVAL_AREA;
        if target >= self.area {
            return None;
        }
        let stage = &self.stages[self.stages.partition_point(|stage| stage.area_before + stage.area <= target)];
        let due_ns = stage.start_ns + stage.due(target - stage.area_before);
        Some(match self.arrivals {
            ArrivalProcess::Bursts { on_ns, off_ns } => {
                let period = on_ns + off_ns;
                let into_burst = u128::from(due_ns % period) * u128::from(on_ns) / u128::from(period);
                due_ns - due_ns % period + into_burst as u64
            }
            _ => due_ns,
        })
    }
}

impl Stage {
    /// The part of it within some time, if there is one: how long, and its rates.
    fn within(&self, from_ns: u64, to_ns: u64) -> Option<(u64, u64, u64)> {
        let begin = from_ns.clamp(self.start_ns, self.start_ns + self.duration_ns) - self.start_ns;
        let end = to_ns.clamp(self.start_ns, self.start_ns + self.duration_ns) - self.start_ns;
        (begin < end).then(|| (end - begin, self.units_at(begin), self.units_at(end)))
    }

    /// Its rate so long after its start, in units.
    fn units_at(&self, ns: u64) -> u64 {
        let rest_ns = self.duration_ns - ns;
        let sum = u128::from(self.from) * u128::from(rest_ns) + u128::from(self.to) * u128::from(ns);
        ((sum + u128::from(self.duration_ns / 2)) / u128::from(self.duration_ns)) as u64
    }

    /// Nanoseconds from the start of the stage until twice the area left of it is `area`.
    fn due(&self, area: u128) -> u64 {
        let (from, to) = (self.from as f64, self.to as f64);
        let slope = (to - from).abs() / self.duration_ns as f64;
        let real = |fixed: u128| fixed as f64 / (1u64 << FRACTION) as f64;
        let rising = |start: f64, area: f64| area / (start + (start * start + slope * area).sqrt());
        let within = match self.to.cmp(&self.from) {
            std::cmp::Ordering::Equal => (area / (u128::from(2 * self.from) << FRACTION)) as u64,
            std::cmp::Ordering::Greater if area == 0 => 0,
            std::cmp::Ordering::Greater => rising(from, real(area)) as u64,
            std::cmp::Ordering::Less => {
                self.duration_ns.saturating_sub(rising(to, real(self.area - area)).ceil() as u64)
            }
        };
        within.min(self.duration_ns - 1)
    }
}

/// One worker's arrivals, in order.
#[derive(Clone, Debug)]
pub struct Arrivals {
    schedule: Schedule,
    /// The first arrival whose gap is not yet in `position`.
    number: u64,
    next: u64,
    step: u64,
    position: u128,
}

impl Iterator for Arrivals {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        let tick = self.peek()?;
        self.advance();
        Some(tick)
    }
}

impl Arrivals {
    /// The next one.
    #[inline]
    pub fn peek(&mut self) -> Option<Tick> {
        if self.schedule.arrivals == ArrivalProcess::Poisson {
            // A sum of gaps has no closed form: each worker adds up all of them and takes its own.
            while self.number <= self.next {
                let gap = random::exponential(self.schedule.seed, self.number);
                self.position += (gap * (1u64 << FRACTION) as f64) as u128;
                self.number += 1;
            }
        } else {
            self.position = u128::from(self.next) << FRACTION;
        }
        let due_ns = self.schedule.due(self.position)?;
        Some(Tick { number: self.next, due_ns })
    }

    /// Leaves the next one behind.
    #[inline]
    pub fn advance(&mut self) {
        self.next += self.step;
    }

    /// What they are taken from.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// See [`Schedule::change`]. Those that were taken stay taken, and nobody else has their numbers.
    pub fn change(&mut self, at_ns: u64, stages: &[RateStage]) {
        self.schedule.change(at_ns, stages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    fn flat(rate: f64, seconds: u64) -> Schedule {
        ramp(rate, rate, seconds, ArrivalProcess::Constant)
    }

    fn ramp(from_rate: f64, to_rate: f64, seconds: u64, arrivals: ArrivalProcess) -> Schedule {
        Schedule::new(&[RateStage { duration_ns: seconds * SECOND, from_rate, to_rate }], arrivals, 1)
    }

    #[test]
    fn constant_arrivals_are_exact_and_counted_exactly() {
        // (rate, seconds): the k-th is due at floor(k/rate), and ceil(rate·T) of them fit.
        for (rate, seconds) in [(1u64, 10), (3, 7), (333_333, 3), (700_001, 2), (1_000_000, 2)] {
            let schedule = flat(rate as f64, seconds);
            assert_eq!(schedule.total(), rate * seconds, "rate {rate}");
            for tick in schedule.arrivals(0, 1).step_by(997) {
                assert_eq!(u128::from(tick.due_ns), u128::from(tick.number) * u128::from(SECOND) / u128::from(rate));
            }
        }
        assert_eq!(flat(0.5, 3).total(), 2); // at 0 s and 2 s
        assert_eq!(flat(100.0 / 60.0, 60).total(), 100); // 100 a minute
    }

    #[test]
    fn late_arrivals_of_a_long_run_are_as_exact_as_the_first() {
        let schedule = flat(700_001.0, 100_000);
        let number = 10_000_000_000u64;
        let due_ns = schedule.arrivals(number, 1).next().unwrap().due_ns;
        assert_eq!(u128::from(due_ns), u128::from(number) * u128::from(SECOND) / 700_001);
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let bursts = ArrivalProcess::Bursts { on_ns: 10_000_000, off_ns: 90_000_000 };
        for arrivals in [ArrivalProcess::Constant, ArrivalProcess::Poisson, bursts] {
            let schedule = ramp(10.0, 2000.0, 2, arrivals);
            let whole: Vec<Tick> = schedule.arrivals(0, 1).collect();
            for workers in [1, 2, 3, 7, 64] {
                let mut union: Vec<Tick> = (0..workers).flat_map(|w| schedule.arrivals(w, workers)).collect();
                union.sort_by_key(|tick| tick.number);
                assert_eq!(union, whole, "{arrivals:?} over {workers}");
            }
            assert_eq!(schedule.total(), whole.len() as u64);
        }
    }

    #[test]
    fn ramps_count_their_area_and_keep_their_order() {
        for (from, to) in [(0.0, 1000.0), (1000.0, 0.0), (500.0, 700.0), (900.0, 100.0)] {
            let schedule = ramp(from, to, 10, ArrivalProcess::Constant);
            let due: Vec<u64> = schedule.arrivals(0, 1).map(|tick| tick.due_ns).collect();
            assert!((due.len() as f64 - f64::midpoint(from, to) * 10.0).abs() <= 1.0);
            assert!(due.is_sorted() && *due.last().unwrap() < 10 * SECOND);
        }
    }

    #[test]
    fn bursts_move_arrivals_and_lose_none() {
        let bursts = ArrivalProcess::Bursts { on_ns: 200_000_000, off_ns: 800_000_000 };
        let schedule = ramp(100.0, 100.0, 5, bursts);
        let due: Vec<u64> = schedule.arrivals(0, 1).map(|tick| tick.due_ns).collect();
        assert_eq!(due.len(), 500);
        assert!(due.iter().all(|ns| ns % SECOND < 200_000_000));
        assert_eq!(schedule.count_before(SECOND), 100);
    }

    const SHARP: ArrivalProcess = ArrivalProcess::Bursts { on_ns: 200_000_000, off_ns: 800_000_000 };

    fn stage(from_rate: f64, to_rate: f64, seconds: u64) -> [RateStage; 1] {
        [RateStage { duration_ns: seconds * SECOND, from_rate, to_rate }]
    }

    #[test]
    fn what_was_due_before_a_change_stays_as_it_was_and_the_rest_follows_the_new_rate() {
        for arrivals in [ArrivalProcess::Constant, ArrivalProcess::Poisson, SHARP] {
            for at_ns in [1, SECOND / 10, 5 * SECOND / 3, 2 * SECOND + 300_000_000, 4 * SECOND - 1] {
                let planned = ramp(700.0, 700.0, 4, arrivals);
                let mut changed = planned.clone();
                changed.change(at_ns, &stage(250.0, 250.0, 4));
                let due = |schedule: &Schedule| schedule.arrivals(0, 1).map(|tick| tick.due_ns).collect::<Vec<_>>();
                let (planned_due, due) = (due(&planned), due(&changed));
                let before = planned.count_before(at_ns);
                assert_eq!(changed.count_before(at_ns), before, "{arrivals:?} at {at_ns}");
                assert_eq!(due[..before as usize], planned_due[..before as usize]);
                assert!(due.is_sorted() && due[before as usize..].iter().all(|&ns| ns >= at_ns));
                assert_eq!(changed.total(), due.len() as u64);
                assert_eq!(changed.duration_ns(), planned.duration_ns());
                let rest = changed.expected_before(4 * SECOND) - changed.expected_before(at_ns);
                let follows = (rest - 250.0 * (4 * SECOND - at_ns) as f64 / 1e9).abs() < 0.001;
                assert!(follows || arrivals == SHARP, "{rest} after {at_ns}");
            }
        }
    }

    #[test]
    fn a_flat_rate_that_is_changed_is_exact_on_both_sides() {
        let mut schedule = flat(100.0, 10);
        schedule.change(5 * SECOND, &stage(400.0, 400.0, 10));
        let due: Vec<u64> = schedule.arrivals(0, 1).map(|tick| tick.due_ns).collect();
        let slow = (0..500).map(|k| k * SECOND / 100);
        assert_eq!(due, slow.chain((0..2000).map(|k| 5 * SECOND + k * SECOND / 400)).collect::<Vec<_>>());
        assert_eq!((schedule.rate_at(5 * SECOND - 1), schedule.rate_at(5 * SECOND)), (100.0, 400.0));
    }

    #[test]
    fn a_pause_holds_arrivals_back_and_none_is_gained_by_many_of_them() {
        let (mut schedule, planned) = (flat(1.0, 100), stage(1.0, 1.0, 100));
        for second in (10..90).step_by(2) {
            schedule.change(second * SECOND + 500_000_000, &stage(0.0, 0.0, 100));
            schedule.change((second + 1) * SECOND + 500_000_000, &planned);
        }
        let within = |ns: u64| (10_500_000_000..90_500_000_000).contains(&ns) && (ns + SECOND / 2) / SECOND % 2 == 1;
        assert!(schedule.arrivals(0, 1).all(|tick| !within(tick.due_ns)));
        assert_eq!(schedule.total(), 60);
    }

    #[test]
    fn a_load_that_is_paused_to_its_end_and_gone_on_with_is_the_planned_one() {
        let bursts = ArrivalProcess::Bursts { on_ns: 10_000_000, off_ns: 90_000_000 };
        for arrivals in [ArrivalProcess::Constant, ArrivalProcess::Poisson, bursts] {
            let mut schedule = ramp(10.0, 900.0, 4, arrivals);
            let at_ns = SECOND + 7;
            schedule.change(at_ns, &stage(0.0, 0.0, 4));
            assert_eq!(schedule.total(), schedule.count_before(at_ns));
            assert!(schedule.rate_at(2 * SECOND).abs() < 1e-9);
            schedule.change(3 * SECOND, &stage(10.0, 900.0, 4));
            assert!((schedule.rate_at(3 * SECOND + SECOND / 2) - 788.75).abs() < 0.01);
            let late = schedule.arrivals(0, 1).filter(|tick| tick.due_ns >= at_ns).collect::<Vec<_>>();
            assert!(!late.is_empty() && late.iter().all(|tick| tick.due_ns >= 3 * SECOND));
        }
    }

    #[test]
    fn shares_of_a_changed_schedule_add_up_to_the_whole_whenever_workers_hear_of_it() {
        let changes = [(SECOND / 2, (900.0, 900.0)), (SECOND, (0.0, 0.0)), (3 * SECOND / 2, (3000.0, 10.0))];
        for arrivals in [ArrivalProcess::Constant, ArrivalProcess::Poisson, SHARP] {
            let planned = ramp(10.0, 2000.0, 2, arrivals);
            let mut schedule = planned.clone();
            for (at_ns, (from, to)) in changes {
                schedule.change(at_ns, &stage(from, to, 2));
            }
            let whole: Vec<Tick> = schedule.arrivals(0, 1).collect();
            assert_eq!(schedule.total(), whole.len() as u64);
            let mut union: Vec<Tick> = Vec::new();
            for worker in 0..3 {
                let mut share = planned.arrivals(worker, 3);
                for (at_ns, (from, to)) in changes {
                    // Each has looked at what comes next when it hears of a change, 0 to 200 ms before.
                    while let Some(tick) = share.peek().filter(|tick| tick.due_ns + worker * SECOND / 10 < at_ns) {
                        union.push(tick);
                        share.advance();
                    }
                    share.change(at_ns, &stage(from, to, 2));
                }
                union.extend(share);
            }
            union.sort_by_key(|tick| tick.number);
            assert_eq!(union, whole, "{arrivals:?}");
        }
    }

    #[test]
    fn an_empty_schedule_has_no_arrivals() {
        assert_eq!(flat(0.0, 5).total(), 0);
        assert_eq!(flat(0.0, 5).arrivals(0, 1).next(), None);
        assert_eq!(Schedule::new(&[], ArrivalProcess::Constant, 0).total(), 0);
    }
}
