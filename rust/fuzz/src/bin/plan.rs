//! The plan reader against any bytes: what it accepts must give a schedule that keeps its order and its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::request::render;
use loadgen_engine::plan::Plan;
use loadgen_engine::schedule::Schedule;

fuzz_target!(|data: &[u8]| {
    let Ok(plan) = Plan::read(data) else { return };
    let _ = plan.request.as_ref().map(|request| render(request, None));
    if let Some(schedule) = Schedule::of(&plan.load) {
        let due: Vec<u64> = schedule.arrivals(0, u64::from(plan.workers)).take(50).map(|tick| tick.due_ns).collect();
        assert!(due.is_sorted() && due.iter().all(|&ns| ns < schedule.duration_ns()), "{due:?}");
        let _ = (schedule.rate_at(schedule.duration_ns() / 2), schedule.expected_before(u64::MAX / 2));
    }
});
