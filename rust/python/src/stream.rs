//! A response that a script takes while it comes: what has come and was not taken yet, each piece with when it came.
//!
//! ```text
//!   engine: pieces ──▶ take_in ──▶ unread ──▶ take, take_events ──▶ the script
//!                        │ too much of it           ▲
//!                        └──▶ given up              └── wait: a future, until there is something
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_engine::http::events::{self, EVENT_LIMIT, EventReader};
use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::streamed::{Part, Piece};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

use crate::cookies::Cookies;
use crate::engine::Engine;
use crate::response::Response;

/// Most bytes that may wait for a script.
const UNREAD_LIMIT: usize = 16 << 20;
const MEGABYTE: usize = 1 << 20;

/// An event as a script sees it.
#[pyclass(module = "loadgen._engine", frozen, get_all)]
pub(crate) struct Event {
    event: String,
    data: String,
    id: String,
    /// In milliseconds.
    retry: Option<u64>,
}

#[pymethods]
impl Event {
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let decode =
            DECODE.get_or_try_init(py, || Ok::<_, PyErr>(py.import("msgspec.json")?.getattr("decode")?.unbind()))?;
        decode.bind(py).call1((&self.data,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Event {} {}>", self.event, PyString::new(py, &self.data).repr()?))
    }
}

#[derive(Default)]
struct State {
    token: u64,
    /// The head's own future, until it is resolved.
    head: Option<Py<PyAny>>,
    /// The head, until it is told: when its request was sent, when it came.
    told: Option<(Vec<u8>, u64, u64)>,
    sent_ns: u64,
    unread: VecDeque<(u64, Vec<u8>)>,
    unread_bytes: usize,
    reader: EventReader,
    waiting: Option<Py<PyAny>>,
    is_over: bool,
    error: Option<&'static str>,
    is_left: bool,
    /// More came than may wait.
    is_full: bool,
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Stream {
    engine: Py<Engine>,
    method: &'static str,
    url: Py<PyString>,
    cookies: Option<Py<Cookies>>,
    state: Mutex<State>,
}

impl Stream {
    pub(crate) fn new(
        engine: Py<Engine>,
        method: &'static str,
        url: Py<PyString>,
        cookies: Option<Py<Cookies>>,
    ) -> Self {
        Self { engine, method, url, cookies, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, token: u64, head: Py<PyAny>) {
        let mut state = self.state();
        (state.token, state.head) = (token, Some(head));
    }

    pub(crate) fn token(&self) -> u64 {
        self.state().token
    }

    /// Takes what has come. `Some`: it must come to an end, and how. No code of Python's runs here.
    pub(crate) fn take_in(&self, piece: Piece) -> Option<Result<(), ErrorKind>> {
        let state = &mut *self.state();
        match piece.part {
            Part::Head(bytes) => {
                state.sent_ns = piece.sent_ns;
                state.told = Some((bytes, piece.sent_ns, piece.at_ns));
            }
            Part::Data(bytes) if !state.is_left && !state.is_full => {
                state.unread_bytes += bytes.len();
                state.is_full = state.unread_bytes > UNREAD_LIMIT;
                state.unread.push_back((piece.at_ns, bytes));
            }
            Part::Data(_) => {}
        }
        match state {
            State { is_left: true, .. } => Some(Ok(())),
            State { is_full: true, .. } => Some(Err(ErrorKind::BodyTooLarge)),
            _ => None,
        }
    }

    /// Lets the script look.
    pub(crate) fn rouse(&self, py: Python<'_>) -> PyResult<()> {
        let (told, waiting) = {
            let mut state = self.state();
            let told = state.told.take();
            (told.and_then(|told| Some((told, state.head.take()?))), state.waiting.take())
        };
        if let Some(((head, sent_ns, at_ns), future)) = told {
            let response = Response::of_head(py, &head, (sent_ns, at_ns), self.method, self.url.clone_ref(py));
            if let Some(cookies) = &self.cookies {
                response.give_cookies(py, cookies.get());
            }
            Engine::resolve(py, &future, Bound::new(py, response)?.into_any())?;
        }
        if let Some(future) = waiting {
            Engine::resolve(py, &future, py.None().into_bound(py))?;
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn end(&self, py: Python<'_>, response: Response) -> PyResult<()> {
        {
            let mut state = self.state();
            (state.is_over, state.error) = (true, response.error_kind());
        }
        self.rouse(py)?;
        let head = self.state().head.take();
        match head {
            // It never had a head.
            Some(future) => Engine::resolve(py, &future, Bound::new(py, response)?.into_any()),
            None => Ok(()),
        }
    }

    /// What is unread, unless too much of it was.
    fn taken(&self) -> PyResult<VecDeque<(u64, Vec<u8>)>> {
        let mut state = self.state();
        if state.is_full {
            return Err(self.too_much(UNREAD_LIMIT, "of the response lay unread: read it faster, or ask for less"));
        }
        state.unread_bytes = 0;
        Ok(std::mem::take(&mut state.unread))
    }

    fn too_much(&self, bytes: usize, what: &str) -> PyErr {
        PyValueError::new_err(format!("{} {}: more than {} MB {what}", self.method, self.url, bytes / MEGABYTE))
    }
}

#[pymethods]
impl Stream {
    /// A future of the response, as far as its head goes.
    #[getter]
    fn head(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().head.as_ref().map(|future| future.clone_ref(py))
    }

    #[getter]
    fn sent_ns(&self) -> u64 {
        self.state().sent_ns
    }

    /// Whether nothing is left to take, and nothing more will come.
    #[getter]
    fn is_drained(&self) -> bool {
        let state = self.state();
        state.is_left || state.is_over && state.unread.is_empty() && !state.is_full
    }

    /// What broke it off.
    #[getter]
    fn error(&self) -> Option<&'static str> {
        self.state().error
    }

    /// A future that is done when there is something to take, or nothing more will come; None where that is so now.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        {
            let state = self.state();
            if !state.unread.is_empty() || state.is_over || state.is_left || state.is_full {
                return Ok(None);
            }
        }
        let future = self.engine.get().new_future(py)?;
        self.state().waiting = Some(future.clone().unbind());
        Ok(Some(future))
    }

    /// The pieces that have come, each with when it came.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        Ok(self.taken()?.into_iter().map(|(at_ns, bytes)| (at_ns, PyBytes::new(py, &bytes))).collect())
    }

    /// The events that are complete, each with when its last byte came.
    fn take_events(slf: &Bound<'_, Self>) -> PyResult<Vec<(u64, Event)>> {
        let stream = slf.get();
        let pieces = stream.taken()?;
        let mut found = Vec::new();
        let mut fits = Ok(());
        {
            let mut state = stream.state();
            for (at_ns, bytes) in pieces {
                let take = |events::Event { event, data, id, retry_ms: retry }| {
                    found.push((at_ns, Event { event, data, id, retry }));
                };
                fits = fits.and(state.reader.feed(&bytes, take));
            }
        }
        if fits.is_err() {
            stream.engine.get().core()?.leave(slf, Err(ErrorKind::BodyTooLarge));
            return Err(stream.too_much(EVENT_LIMIT, "in one event"));
        }
        Ok(found)
    }

    /// The rest is not wanted.
    fn leave(slf: &Bound<'_, Self>) -> PyResult<()> {
        let dropped = {
            let mut state = slf.get().state();
            state.is_left = true;
            std::mem::take(&mut state.unread)
        };
        drop(dropped);
        slf.get().engine.get().core()?.leave(slf, Ok(()));
        Ok(())
    }
}
