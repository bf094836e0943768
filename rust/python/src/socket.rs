//! A WebSocket of a script's, as the script sees it: what has come of it and was not taken yet, each message with when it
//! came. What is counted of it is in `socket_news.rs`, how it comes about in `sockets.rs`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_engine::clock::now_ns;
use loadgen_engine::reactor::Slot;
use loadgen_engine::ws::writer::Message;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::cookies::Cookies;
use crate::engine::{Core, Engine};

/// So many may wait before it is looked at who has given up.
const MOST_WAITING: usize = 16;

/// A socket as it was asked for.
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) name: String,
    /// Of the handshake.
    pub(crate) label: usize,
    pub(crate) due_ns: u64,
    pub(crate) asked_ns: u64,
    pub(crate) timeout_ns: u64,
    pub(crate) ping_every_ns: Option<u64>,
    /// Where cookies of the answer to the handshake go, if they are kept.
    pub(crate) cookies: Option<Py<Cookies>>,
}

/// A message that was not taken yet.
pub(crate) enum Unread {
    Text(String),
    Binary(Vec<u8>),
}

impl Unread {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) token: u64,
    pub(crate) slot: Option<Slot>,
    /// When its connection stood, and the handshake was sent.
    pub(crate) stood_ns: u64,
    pub(crate) open_since_ns: u64,
    /// The label of the time from its opening to its end.
    pub(crate) session: Option<usize>,
    /// The script has closed it.
    pub(crate) is_leaving: bool,
    pub(crate) is_over: bool,
    pub(crate) protocol: Option<String>,
    /// What the handshake was answered with.
    pub(crate) status: u16,
    pub(crate) error: Option<&'static str>,
    pub(crate) close: Option<(u16, String)>,
    pub(crate) unread: VecDeque<(u64, Unread)>,
    pub(crate) unread_bytes: usize,
    pub(crate) is_held: bool,
    waiting: Vec<Py<PyAny>>,
    /// How many of them had not given up when that was looked at.
    waited: usize,
    /// When the last ping that was answered had been sent, and when it was answered.
    pub(crate) pong_ns: (u64, u64),
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Socket {
    engine: Py<Engine>,
    pub(crate) asked: Asked,
    state: Mutex<State>,
}

impl Socket {
    pub(crate) fn new(engine: Py<Engine>, asked: Asked, token: u64) -> Self {
        Self { engine, asked, state: Mutex::new(State { token, ..State::default() }) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the script look.
    pub(crate) fn rouse(&self, py: Python<'_>) -> PyResult<()> {
        let waiting = std::mem::take(&mut self.state().waiting);
        waiting.into_iter().try_for_each(|future| Engine::resolve(py, &future, py.None().into_bound(py)))
    }
}

#[pymethods]
impl Socket {
    #[getter]
    fn url(&self) -> &str {
        &self.asked.url
    }

    /// The label of its handshake.
    #[getter]
    fn name(&self) -> &str {
        &self.asked.name
    }

    #[getter]
    fn asked_ns(&self) -> u64 {
        self.asked.asked_ns
    }

    /// How long an answer may take.
    #[getter]
    fn timeout_ns(&self) -> u64 {
        self.asked.timeout_ns
    }

    /// When it opened; 0 before.
    #[getter]
    fn opened_ns(&self) -> u64 {
        self.state().open_since_ns
    }

    /// Messages may be sent.
    #[getter]
    fn is_open(&self) -> bool {
        let state = self.state();
        state.open_since_ns > 0 && !state.is_leaving && !state.is_over
    }

    /// Nothing more comes, beside what was not taken yet.
    #[getter]
    fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// 101, or whatever else the handshake was answered with; 0 before.
    #[getter]
    fn status(&self) -> u16 {
        self.state().status
    }

    #[getter]
    fn error(&self) -> Option<&'static str> {
        self.state().error
    }

    #[getter]
    fn subprotocol(&self) -> Option<String> {
        self.state().protocol.clone()
    }

    #[getter]
    fn close_code(&self) -> Option<u16> {
        self.state().close.as_ref().map(|(code, _)| *code)
    }

    #[getter]
    fn close_reason(&self) -> Option<String> {
        self.state().close.as_ref().map(|(_, reason)| reason.clone())
    }

    /// When the last ping that was answered had been sent, and when it was answered.
    #[getter]
    fn pong_ns(&self) -> (u64, u64) {
        self.state().pong_ns
    }

    /// A future that is done when something has happened.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.engine.get().new_future(py)?;
        let many = {
            let mut state = self.state();
            state.waiting.push(future.clone().unbind());
            let is_crowded = state.waiting.len() > MOST_WAITING.max(2 * state.waited);
            if is_crowded { std::mem::take(&mut state.waiting) } else { Vec::new() }
        };
        if !many.is_empty() {
            // Those who gave up meanwhile would stay here until something happens.
            let done = |future: &Py<PyAny>| future.bind(py).call_method0(intern!(py, "done"))?.is_truthy();
            let mut wanted = Vec::new();
            for future in many {
                if !done(&future)? {
                    wanted.push(future);
                }
            }
            let mut state = self.state();
            state.waited = wanted.len();
            state.waiting = wanted;
        }
        Ok(future)
    }

    /// The messages that have come, each with when it came.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyAny>)>> {
        let taken = {
            let mut core = self.engine.get().core()?;
            let mut state = self.state();
            state.unread_bytes = 0;
            core.release_socket(&mut state);
            std::mem::take(&mut state.unread)
        };
        let made = taken.into_iter().map(|(at_ns, unread)| match unread {
            Unread::Text(text) => (at_ns, PyString::new(py, &text).into_any()),
            Unread::Binary(bytes) => (at_ns, PyBytes::new(py, &bytes).into_any()),
        });
        Ok(made.collect())
    }

    /// Sends a message: text, or bytes. Whether the peer has yet to take what was said; `wait` tells when it has.
    fn send(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let message = match message.cast::<PyString>() {
            Ok(text) => Message::Text(text.to_str()?),
            Err(_) => Message::Binary(message.cast::<PyBytes>()?.as_bytes()),
        };
        let mut core = self.engine.get().core()?;
        let begun_ns = now_ns();
        let slot = self.state().slot;
        let Some(slot) = slot.filter(|&slot| core.courier.client.say(slot, message, true)) else {
            return Err(PyRuntimeError::new_err("the socket is not open"));
        };
        core.tally_one("messages sent");
        core.tally_many("bytes sent", message.bytes().len());
        core.native_ns += now_ns() - begun_ns;
        Ok(core.courier.client.lags(slot))
    }

    #[getter]
    fn lags(&self) -> PyResult<bool> {
        let mut core = self.engine.get().core()?;
        Ok(self.state().slot.is_some_and(|slot| core.courier.client.lags(slot)))
    }

    /// Asks whether the peer is still there. When that was.
    fn ping(&self) -> PyResult<u64> {
        let mut core = self.engine.get().core()?;
        let now = now_ns();
        if !self.state().slot.is_some_and(|slot| core.courier.client.ping(slot, now)) {
            return Err(PyRuntimeError::new_err("the socket is not open"));
        }
        core.tally_one("pings sent");
        Ok(now)
    }

    /// Says that it ends; one that is not open yet is given up, and unfinished.
    fn leave(&self, code: u16, reason: &str) -> PyResult<()> {
        let Core { courier, recorder, sockets, .. } = &mut *self.engine.get().core()?;
        let mut state = self.state();
        if state.is_leaving || state.is_over {
            return Ok(());
        }
        state.is_leaving = true;
        if let Some(slot) = state.slot {
            if std::mem::take(&mut state.is_held) {
                courier.client.release_socket(slot);
            }
            courier.client.hang_up(slot, code, reason, now_ns());
        }
        if state.open_since_ns == 0 {
            (state.is_over, state.slot) = (true, None);
            recorder.unfinished(self.asked.label, 1);
            sockets.forget(state.token);
        }
        Ok(())
    }
}
