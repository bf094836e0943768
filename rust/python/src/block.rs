//! One worker's shared memory, as the parent holds it.

use std::os::fd::{AsFd, AsRawFd};

use loadgen_engine::record::block::{Block as Memory, Word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::refused;

#[pyclass(module = "loadgen._engine")]
pub(crate) struct Block {
    memory: Option<Memory>,
}

impl Block {
    pub(crate) fn memory(&self) -> PyResult<&Memory> {
        self.memory.as_ref().ok_or_else(|| PyValueError::new_err("the block is closed"))
    }
}

#[pymethods]
impl Block {
    #[new]
    #[pyo3(signature = (labels = 1))]
    fn new(labels: usize) -> PyResult<Self> {
        Ok(Self { memory: Some(Memory::create(labels).map_err(refused)?) })
    }

    #[getter]
    fn fd(&self) -> PyResult<i32> {
        Ok(self.memory()?.fd().as_fd().as_raw_fd())
    }

    #[getter]
    fn pid(&self) -> PyResult<u64> {
        Ok(self.memory()?.get(Word::Pid))
    }

    #[getter]
    fn heartbeat_ns(&self) -> PyResult<u64> {
        Ok(self.memory()?.get(Word::Heartbeat))
    }

    fn close(&mut self) {
        self.memory = None;
    }
}
