//! The embedded target, served from a thread of its own so that Python's signal handlers still run.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loadgen_target::{FeedOptions, Options, serve};
use pyo3::prelude::*;

use crate::refused;
use crate::worker::duplicate;

/// How long a signal may wait for its handler.
const SIGNAL_DELAY: Duration = Duration::from_millis(50);

#[pyfunction]
#[pyo3(signature = (host, port, *, parent_fd, log, feed))]
pub(crate) fn serve_target(
    py: Python<'_>,
    host: String,
    port: u16,
    parent_fd: Option<i32>,
    log: Option<String>,
    feed: &str,
) -> PyResult<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let parent = parent_fd.map(duplicate).transpose()?;
    let feed = FeedOptions::from_json(feed).map_err(refused)?;
    let options = Options { host, port, log: log.map(Into::into), parent, feed, stop: Some(Arc::clone(&stop)) };
    let main = thread::current();
    let thread = thread::spawn(move || {
        let served = serve(options, |address| {
            let mut out = std::io::stdout().lock();
            // Whoever started the target may have gone already; then the pipe to it says so.
            let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
        });
        main.unpark();
        served
    });
    let mut interrupted = Ok(());
    while !thread.is_finished() && interrupted.is_ok() {
        py.detach(|| thread::park_timeout(SIGNAL_DELAY));
        interrupted = py.check_signals();
    }
    stop.store(true, Ordering::Relaxed);
    let served = py.detach(|| thread.join());
    interrupted?;
    served.map_err(|_| refused("the target stopped unexpectedly"))?.map_err(refused)
}
