//! A request that blocking code waits for: a greenlet, which goes on when the answer has come.
//!
//! It is what a future would be, without what makes futures dear: the loop is asked for nothing, and one look tells
//! who is woken for what.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::response::Response;

#[pyclass(module = "loadgen._engine", frozen, freelist = 256)]
pub(crate) struct Call {
    /// The greenlet that waits. The collector looks into none that does, so it need not see this either.
    waiting: Py<PyAny>,
    response: PyOnceLock<Py<Response>>,
    is_given_up: AtomicBool,
}

impl Call {
    pub(crate) fn new(waiting: Py<PyAny>) -> Self {
        Self { waiting, response: PyOnceLock::new(), is_given_up: AtomicBool::new(false) }
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Relaxed)
    }

    /// The answer has come.
    pub(crate) fn answer(&self, py: Python<'_>, response: Py<Response>) {
        let _ = self.response.set(py, response);
    }

    /// Lets who waits go on, with this as what it has waited for.
    pub(crate) fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        if this.is_given_up() {
            return Ok(());
        }
        this.waiting.bind(py).call_method1(intern!(py, "switch"), (slf,)).map(drop)
    }

    /// What complaints name.
    pub(crate) fn waiting(&self) -> &Py<PyAny> {
        &self.waiting
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
}
