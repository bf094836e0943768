//! A request that was made once and is sent again and again, by any user; and how it ended, told later.

use std::sync::atomic::Ordering::Relaxed;

use loadgen_engine::clock::now_ns;
use loadgen_engine::http::request::render_bare;
use loadgen_engine::outcome::End;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::Call;
use crate::client::{Client, method_named};
use crate::engine::Engine;
use crate::request::{Prepared, site_of};
use crate::response::Response;
use crate::stream::Stream;
use crate::waiters::{Recipient, Recorded};

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Request {
    prepared: Prepared,
    timeout_ns: Option<u64>,
    /// Besides those of the user who sends it.
    cookies: Vec<(String, String)>,
    takes_cookies: bool,
    /// It counts under its own name: those that are sent before the load do not.
    #[pyo3(get)]
    lasts: bool,
}

// SAFETY: its bytes are counted by the thread of the engine alone, which the methods of `Client` see to; whoever else
// holds the interpreter's lock may drop it, and nobody counts meanwhile.
unsafe impl Send for Request {}
// SAFETY: as above.
unsafe impl Sync for Request {}

#[pymethods]
impl Client {
    /// A request with these headers and no others; or the site that must be made known first.
    #[pyo3(signature = (method, url, headers, body, label, timeout, cookies))]
    #[expect(clippy::too_many_arguments, reason = "it is all that a request has")]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 makes of a list")]
    fn _prepare<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        url: &str,
        headers: Vec<(String, String)>,
        body: Option<&[u8]>,
        label: &str,
        timeout: Option<f64>,
        cookies: Vec<(String, String)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let invalid = |why: &dyn std::fmt::Display| PyValueError::new_err(why.to_string());
        let site = site_of(url).ok_or_else(|| invalid(&format!("expected http://HOST/PATH, got {url:?}")))?;
        let method = method_named(method)?;
        let mut core = slf.get().engine.get().core()?;
        let Some(origin) = core.requests.origin(&site) else { return Ok(PyString::new(py, &site).into_any()) };
        let rendered = render_bare(method, url, &headers, body).map_err(|error| invalid(&error))?;
        let lasts = core.has_begun();
        let prepared = Prepared {
            origin,
            label: core.request_label(label)?,
            is_head: rendered.is_head,
            method,
            bytes: rendered.bytes.into(),
            upload: None,
            maker: None,
            url: PyString::new(py, url).unbind(),
        };
        let takes_cookies = !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let timeout_ns = timeout.map(|seconds| (seconds * 1e9) as u64);
        let request = Request { prepared, timeout_ns, cookies, takes_cookies, lasts };
        Ok(Bound::new(py, request)?.into_any())
    }

    /// Sends it, for one who blocks: `waiting` is a greenlet, which is switched to, with what is returned, when the answer
    /// has come. `later`: its end is recorded when `settle` says how; that of a redirect always is. `after` is the
    /// redirect that it follows.
    #[pyo3(signature = (waiting, request, later, after = None))]
    fn _call<'py>(
        slf: &Bound<'py, Self>,
        waiting: Py<PyAny>,
        request: &Bound<'py, Request>,
        later: bool,
        after: Option<&Bound<'py, Response>>,
    ) -> PyResult<Py<Call>> {
        let call = Py::new(slf.py(), Call::new(waiting))?;
        slf.get().send(slf.py(), Recipient::Call(call.clone_ref(slf.py())), request.get(), later, after)?;
        Ok(call)
    }

    /// The same, but its answer is taken while it comes.
    #[pyo3(signature = (request, later, after = None))]
    fn _submit_stream<'py>(
        slf: &Bound<'py, Self>,
        request: &Bound<'py, Request>,
        later: bool,
        after: Option<&Bound<'py, Response>>,
    ) -> PyResult<Bound<'py, Stream>> {
        let (py, this, request) = (slf.py(), slf.get(), request.get());
        let keeps_cookies = this.engine.get().core()?.requests.keeps_cookies;
        let cookies = keeps_cookies.then(|| this.cookies.clone_ref(py));
        let Prepared { method, url, .. } = &request.prepared;
        let stream = Stream::new(this.engine.clone_ref(py), method, url.clone_ref(py), cookies, None);
        let stream = Bound::new(py, stream)?;
        this.send(py, Recipient::Stream(stream.clone().unbind()), request, later, after)?;
        Ok(stream)
    }
}

impl Client {
    #[inline]
    fn send(
        &self,
        py: Python<'_>,
        recipient: Recipient,
        request: &Request,
        later: bool,
        after: Option<&Bound<'_, Response>>,
    ) -> PyResult<()> {
        let engine = self.engine.get();
        self.made.fetch_add(1, Relaxed);
        let recorded = if later { Recorded::Later } else { Recorded::UnlessRedirected };
        let before = after.and_then(|after| engine.core().ok()?.pending.take(&after.get().pending)).map(Box::new);
        let jar = self.cookies.get();
        let submit = |prepared: &Prepared| {
            engine.submit_as(py, recipient, self.place, prepared, request.timeout_ns, &self.cookies, recorded, before)
        };
        if request.takes_cookies && (jar.may_have_any() || !request.cookies.is_empty()) {
            let mut prepared = request.prepared.clone_ref(py);
            prepared.add_cookies(&jar.line(prepared.url.bind(py).to_str()?, &request.cookies));
            return submit(&prepared);
        }
        submit(&request.prepared)
    }
}

#[pymethods]
impl Engine {
    /// Records how a request ended that was sent `later`. `ok`: what its script says, or `None`: what its status does.
    /// `name` is its label where that has changed, and `took_ms` its time.
    #[pyo3(signature = (response, ok = None, name = None, took_ms = None))]
    fn settle(
        &self,
        response: &Bound<'_, Response>,
        ok: Option<bool>,
        name: Option<&str>,
        took_ms: Option<f64>,
    ) -> PyResult<()> {
        let mut core = self.core()?;
        let Some(mut outcome) = core.pending.take(&response.get().pending) else { return Ok(()) };
        if let Some(name) = name {
            let label = core.request_label(name)?;
            core.recorder.renamed(outcome.label, label);
            outcome.label = label;
        }
        if let Some(ms) = took_ms {
            outcome.done_ns = outcome.due_ns + (ms.max(0.0) * 1e6) as u64;
        }
        let by_status = matches!(outcome.end, End::Response(status) if status < 400);
        core.recorder.judged(outcome.label, &outcome, ok.unwrap_or(by_status));
        Ok(())
    }

    /// A request of another client's than ours, which took so long.
    #[pyo3(signature = (name, took_ms, length, ok))]
    fn foreign(&self, name: &str, took_ms: f64, length: u64, ok: bool) -> PyResult<()> {
        let mut core = self.core()?;
        core.foreign_ended(name, now_ns(), (took_ms.max(0.0) * 1e6) as u64, length, ok);
        Ok(())
    }
}
