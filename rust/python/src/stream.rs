//! A response that a script takes while it comes: what has come and was not taken yet, each piece with when it came.
//!
//! ```text
//!   engine: pieces ──▶ take_in ──▶ unread ──▶ decoder ──▶ take, take_events ──▶ the script
//!                        │ too much of it                    │      ▲
//!                        └──▶ held ◀──────── released ───────┘      └── wait: a future, until there is something
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_engine::http::decoder::Decoder;
use loadgen_engine::http::decoding::Fault;
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

/// So many bytes that a script has not taken make the peer wait.
const HOLD_BYTES: usize = 1 << 19;
/// So many that it has taken are told to the peer at once: well below what its window has room for beside what is held.
const RELEASE_BYTES: usize = 1 << 18;
/// Handed to a script at once, or little more: what is encoded may become a thousand times as much.
const TAKE_BYTES: usize = 1 << 20;
/// Decoded in one step.
const STEP_BYTES: usize = 4096;
const MEGABYTE: usize = 1 << 20;

/// What becomes of a response of which a piece was taken in.
pub(crate) enum Taken {
    Well,
    /// The peer must wait.
    Full,
    /// The script has left.
    Unwanted,
}

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
    /// Bytes that were taken since the peer was told of it last.
    taken_bytes: usize,
    /// When the last of them had come.
    last_ns: u64,
    is_held: bool,
    decoder: Option<Decoder>,
    reader: EventReader,
    waiting: Option<Py<PyAny>>,
    is_over: bool,
    error: Option<&'static str>,
    /// How it ended.
    ended: Option<Py<Response>>,
    is_left: bool,
}

impl State {
    fn take(&mut self) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
        let (mut taken, mut bytes_taken) = (Vec::new(), 0);
        while bytes_taken < TAKE_BYTES
            && let Some((at_ns, mut bytes)) = self.unread.pop_front()
        {
            let mut rest = None;
            if let Some(decoder) = &mut self.decoder {
                let (mut decoded, mut used) = (Vec::new(), 0);
                while used < bytes.len() && decoded.len() < TAKE_BYTES {
                    let step = &bytes[used..bytes.len().min(used + STEP_BYTES)];
                    decoded.extend(decoder.feed(step)?);
                    used += step.len();
                }
                rest = (used < bytes.len()).then(|| bytes.split_off(used));
                self.account(bytes.len());
                bytes = decoded;
            } else {
                self.account(bytes.len());
            }
            bytes_taken += bytes.len();
            if !bytes.is_empty() {
                taken.push((at_ns, bytes));
            }
            self.last_ns = at_ns;
            if let Some(rest) = rest {
                self.unread.push_front((at_ns, rest));
            }
        }
        if self.is_over
            && self.unread.is_empty()
            && let Some(mut decoder) = self.decoder.take()
            && self.error.is_none()
        {
            let last = decoder.finish()?;
            if !last.is_empty() {
                taken.push((self.last_ns, last));
            }
        }
        Ok(taken)
    }

    fn account(&mut self, taken: usize) {
        self.unread_bytes -= taken;
        self.taken_bytes += taken;
    }
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Stream {
    engine: Py<Engine>,
    method: &'static str,
    url: Py<PyString>,
    cookies: Option<Py<Cookies>>,
    idle_ns: Option<u64>,
    state: Mutex<State>,
}

impl Stream {
    pub(crate) fn new(
        engine: Py<Engine>,
        method: &'static str,
        url: Py<PyString>,
        cookies: Option<Py<Cookies>>,
        idle_ns: Option<u64>,
    ) -> Self {
        Self { engine, method, url, cookies, idle_ns, state: Mutex::default() }
    }

    /// How long it may pause, where that is said.
    pub(crate) fn idle_ns(&self) -> Option<u64> {
        self.idle_ns
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

    /// Takes what has come. No code of Python's runs here.
    pub(crate) fn take_in(&self, piece: Piece) -> Taken {
        let state = &mut *self.state();
        match piece.part {
            Part::Head(bytes) => {
                state.sent_ns = piece.sent_ns;
                state.told = Some((bytes, piece.sent_ns, piece.at_ns));
            }
            Part::Data(bytes) if !state.is_left => {
                state.unread_bytes += bytes.len();
                state.unread.push_back((piece.at_ns, bytes));
            }
            Part::Data(_) => {}
        }
        if state.is_left {
            return Taken::Unwanted;
        }
        let is_full = state.unread_bytes > HOLD_BYTES;
        if is_full && !std::mem::replace(&mut state.is_held, is_full) { Taken::Full } else { Taken::Well }
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
            self.state().decoder = Decoder::of(&response.codings(py));
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
        let response = Bound::new(py, response)?;
        {
            let mut state = self.state();
            (state.is_over, state.error) = (true, response.get().error_kind());
            state.ended = Some(response.clone().unbind());
        }
        self.rouse(py)?;
        let head = self.state().head.take();
        match head {
            // It never had a head.
            Some(future) => Engine::resolve(py, &future, response.into_any()),
            None => Ok(()),
        }
    }

    /// What is unread, decoded: all of it, or as much as is handed on at once.
    fn taken(slf: &Bound<'_, Self>) -> PyResult<Vec<(u64, Vec<u8>)>> {
        let stream = slf.get();
        let (taken, releases) = {
            let mut state = stream.state();
            let taken = state.take();
            let releases = state.taken_bytes >= RELEASE_BYTES || state.is_held && state.unread_bytes == 0;
            if releases {
                (state.taken_bytes, state.is_held) = (0, false);
            }
            (taken, releases)
        };
        if releases {
            stream.engine.get().core()?.release(slf);
        }
        taken.map_err(|fault| {
            let end = if fault == Fault::PieceTooLarge { Err(ErrorKind::BodyTooLarge) } else { Ok(()) };
            let left = stream.engine.get().core().map(|mut core| core.leave(slf, end));
            let text = format!("{} {}: {fault}", stream.method, stream.url);
            left.err().unwrap_or_else(|| PyValueError::new_err(text))
        })
    }

    fn too_much(&self, bytes: usize, what: &str) -> PyErr {
        PyValueError::new_err(format!("{} {}: more than {} MB {what}", self.method, self.url, bytes / MEGABYTE))
    }
}

#[pymethods]
impl Stream {
    /// A future of the response, as far as its head goes.
    #[getter]
    pub(crate) fn head(&self, py: Python<'_>) -> Option<Py<PyAny>> {
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
        state.is_left || state.is_over && state.unread.is_empty() && state.decoder.is_none()
    }

    /// What its request came to, once it is over: for `settle`.
    #[getter]
    fn ended(&self, py: Python<'_>) -> Option<Py<Response>> {
        self.state().ended.as_ref().map(|ended| ended.clone_ref(py))
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
            if !state.unread.is_empty() || state.is_over || state.is_left {
                return Ok(None);
            }
        }
        let future = self.engine.get().new_future(py)?;
        self.state().waiting = Some(future.clone().unbind());
        Ok(Some(future))
    }

    /// The pieces that have come, each with when it came.
    fn take<'py>(slf: &Bound<'py, Self>, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        Ok(Self::taken(slf)?.into_iter().map(|(at_ns, bytes)| (at_ns, PyBytes::new(py, &bytes))).collect())
    }

    /// The events that are complete, each with when its last byte came.
    fn take_events(slf: &Bound<'_, Self>) -> PyResult<Vec<(u64, Event)>> {
        let stream = slf.get();
        let pieces = Self::taken(slf)?;
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
