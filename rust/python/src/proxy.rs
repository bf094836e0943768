//! Which hosts a proxy is not for: what is found out before a run must be what its workers do.

use loadgen_engine::wiring;
use pyo3::prelude::*;

/// Whether a host is among those that a proxy is not for.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "so pyo3 hands a list over")]
pub(crate) fn leaves_out(exceptions: Vec<String>, host: &str) -> bool {
    wiring::leaves_out(&exceptions, host)
}
