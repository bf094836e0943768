//! A worker process, from here on without Python.

use std::os::fd::{BorrowedFd, OwnedFd};

use loadgen_engine::{clock, worker};
use pyo3::prelude::*;

use crate::refused;

#[pyfunction]
pub(crate) fn monotonic_ns() -> u64 {
    clock::now_ns()
}

#[pyfunction]
pub(crate) fn run_worker(
    py: Python<'_>,
    plan: &[u8],
    block_fd: i32,
    index: u32,
    control_fd: i32,
    report_fd: i32,
) -> PyResult<()> {
    let (block, control, report) = (duplicate(block_fd)?, duplicate(control_fd)?, duplicate(report_fd)?);
    py.detach(|| worker::run(plan, block, index, control, report)).map_err(refused)
}

/// The caller keeps its descriptor, the engine owns another to the same thing.
pub(crate) fn duplicate(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(refused("expected an open descriptor"));
    }
    // SAFETY: the descriptor is borrowed for this one call; if it is not open, duplicating says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned().map_err(refused)
}
