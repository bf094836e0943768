//! A request that blocking code waits for: a greenlet, which goes on when the answer has come.
//!
//! It is what a future would be, without what makes futures dear: the loop is asked for nothing, and one look tells
//! who is woken for what.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::response::Response;

#[pyclass(module = "loadgen._engine", frozen, freelist = 256)]
pub(crate) struct Call {
    /// Called with this to let who waits go on.
    wake: Py<PyAny>,
    response: PyOnceLock<Py<Response>>,
    is_given_up: AtomicBool,
}

impl Call {
    pub(crate) fn new(wake: Py<PyAny>) -> Self {
        Self { wake, response: PyOnceLock::new(), is_given_up: AtomicBool::new(false) }
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Relaxed)
    }

    /// The answer has come.
    pub(crate) fn answer(&self, py: Python<'_>, response: Py<Response>) {
        let _ = self.response.set(py, response);
    }

    /// Lets who waits go on.
    pub(crate) fn wake(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if this.is_given_up() { Ok(()) } else { this.wake.bind(slf.py()).call1((slf,)).map(drop) }
    }

    /// What complaints name.
    pub(crate) fn waiting(&self) -> &Py<PyAny> {
        &self.wake
    }
}

#[pymethods]
impl Call {
    /// The answer; None before it has come.
    #[getter]
    fn response(&self, py: Python<'_>) -> Option<Py<Response>> {
        self.response.get(py).map(|response| response.clone_ref(py))
    }

    /// Nobody waits any more.
    fn give_up(&self) {
        self.is_given_up.store(true, Relaxed);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.wake)
    }
}
