//! A body that a script makes while it is sent: it is asked for a piece when the last one is on its way.
//!
//! ```text
//!   engine: hungry ──▶ ask ──▶ wanted: a future ──▶ the script makes a piece ──▶ add, end ──▶ engine: feed
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::reactor::Slot;
use loadgen_engine::upload::{Making, Upload};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::engine::Engine;

/// What a request counts as whose body is broken off.
pub(crate) const BROKEN: ErrorKind = ErrorKind::ScriptError;

#[derive(Default)]
struct State {
    /// Where its request is, and its token, while the next piece is wanted there.
    place: Option<(Slot, u64)>,
    waiting: Option<Py<PyAny>>,
    /// Its request has ended.
    is_over: bool,
    /// The script cannot make the rest.
    is_broken: bool,
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Body {
    engine: Py<Engine>,
    making: Making,
    state: Mutex<State>,
}

impl Body {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the engine sends it.
    pub(crate) fn upload(&self, expects_continue: bool) -> Upload {
        Upload::made(self.making.clone(), expects_continue)
    }

    /// The next piece is wanted. `false`: there will be none, the request must be broken off.
    pub(crate) fn ask(&self, slot: Slot, token: u64) -> bool {
        let mut state = self.state();
        state.place = Some((slot, token));
        !state.is_broken
    }

    /// Lets the script look.
    pub(crate) fn rouse(&self, py: Python<'_>) -> PyResult<()> {
        let waiting = self.state().waiting.take();
        waiting.map_or(Ok(()), |future| Engine::resolve(py, &future, py.None().into_bound(py)))
    }

    /// Its request has ended.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        (state.place, state.is_over) = (None, true);
    }

    /// Hands on what was made, if somebody waits for it.
    fn feed(&self) -> PyResult<()> {
        let place = self.state().place.take();
        if let Some((slot, _)) = place {
            self.engine.get().core()?.feed(slot);
        }
        Ok(())
    }
}

#[pymethods]
impl Body {
    #[new]
    fn new(engine: Py<Engine>) -> Self {
        Self { engine, making: Making::default(), state: Mutex::default() }
    }

    /// A future that is done when the next piece is wanted; None where it is now.
    fn wanted<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.state().place.is_some() {
            return Ok(None);
        }
        let future = self.engine.get().new_future(py)?;
        self.state().waiting = Some(future.clone().unbind());
        Ok(Some(future))
    }

    /// The next piece; an empty one is none.
    fn add(&self, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = match piece.cast::<PyString>() {
            Ok(text) => text.to_str()?.as_bytes().to_vec(),
            Err(_) => piece.extract::<Vec<u8>>().map_err(|_| {
                let kind = piece.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
                PyTypeError::new_err(format!("content: its pieces are bytes or text, got {kind}"))
            })?,
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.making.add(bytes);
        self.feed()
    }

    /// There are no more.
    fn end(&self) -> PyResult<()> {
        self.making.end();
        self.feed()
    }

    /// The rest cannot be made: the request fails.
    fn break_off(&self) -> PyResult<()> {
        let place = {
            let mut state = self.state();
            state.is_broken = true;
            state.place.take()
        };
        if let Some((slot, token)) = place {
            self.engine.get().core()?.break_off(slot, token);
        }
        Ok(())
    }
}

/// Whether a body is made while it is sent: whatever can be iterated over and has no length, but for files and paths.
#[pyfunction]
pub(crate) fn is_made(content: &Bound<'_, PyAny>) -> PyResult<bool> {
    if content.hasattr("__len__")? || content.hasattr("read")? || content.hasattr("__fspath__")? {
        return Ok(false);
    }
    Ok(content.hasattr("__iter__")? || content.hasattr("__aiter__")?)
}
