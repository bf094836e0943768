//! The requests of a virtual user. `loadgen.user.User` is made on top of it.

use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use loadgen_engine::client::sockets::Manner;
use loadgen_engine::clock::{SECOND, now_ns};
use loadgen_engine::ws::extension::Offer;
use loadgen_engine::ws::handshake::Opening;
use loadgen_engine::ws::socket::Limits;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::body::is_made;
use crate::cookies::Cookies;
use crate::engine::{Engine, kind_named};
use crate::request::{Prepared, Wanted, is_simple_auth, nanoseconds};
use crate::response::Response;
use crate::socket::Asked as AskedSocket;
use crate::stream::Stream;
use crate::waiters::{Recipient, Recorded};

/// What a handshake is called where others have their method.
const SOCKET: &str = "WS";
/// How long a peer may take to close when it was asked to.
const CLOSE_NS: u64 = 5 * SECOND;

#[pyclass(module = "loadgen._engine", subclass, frozen, weakref, dict)]
pub(crate) struct Client {
    #[pyo3(get, name = "_engine")]
    pub(crate) engine: Py<Engine>,
    /// Its place in the engine.
    #[pyo3(get, name = "_place")]
    pub(crate) place: usize,
    /// Requests made so far.
    pub(crate) made: AtomicU64,
    #[pyo3(get)]
    pub(crate) cookies: Py<Cookies>,
}

/// A request that can be sent, and how long its response may take.
struct Asked {
    prepared: Prepared,
    timeout_ns: Option<u64>,
}

impl Client {
    /// One attempt, native: a future of its response. Where the host is not known yet, a coroutine that finds it first.
    fn attempt<'py>(
        slf: &Bound<'py, Self>,
        method: &'static str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        this.made.fetch_add(1, Relaxed);
        let engine = this.engine.get();
        let text = url.to_str()?;
        if options.is_none() {
            let prepared = engine.core()?.requests.remembered(py, method, text);
            if let Some(prepared) = prepared {
                return this.submit(py, prepared, None);
            }
        }
        let wanted = this.wanted(method, text, options)?;
        if wanted.idle_ns.is_some() {
            return Err(PyTypeError::new_err("idle_timeout is for user.stream: a whole response has its timeout"));
        }
        let Asked { prepared, timeout_ns } = match this.prepare(py, wanted)? {
            Ok(asked) => asked,
            Err(site) => {
                this.made.fetch_sub(1, Relaxed);
                return slf.call_method1("_find_and_send", (site, method, url, options));
            }
        };
        if options.is_some() {
            return engine.submit(py, this.place, &prepared, timeout_ns, &this.cookies);
        }
        let mut core = engine.core()?;
        if core.has_begun() {
            core.requests.remember(method, text, prepared.clone_ref(py));
        }
        drop(core);
        this.submit(py, prepared, timeout_ns)
    }

    /// What is to be sent; or the site that must be made known first.
    fn prepare(&self, py: Python<'_>, wanted: Wanted) -> PyResult<Result<Asked, String>> {
        let mut core = self.engine.get().core()?;
        let Some(origin) = core.requests.origin(&wanted.site) else { return Ok(Err(wanted.site)) };
        let (bytes, is_head) = core.requests.render(&wanted)?;
        let label = core.request_label(&wanted.label)?;
        let url = PyString::new(py, &wanted.url).unbind();
        let Wanted { method, upload, maker, timeout_ns, .. } = wanted;
        let upload = upload.map(Rc::new);
        let prepared = Prepared { origin, label, is_head, method, bytes, upload, maker, url };
        Ok(Ok(Asked { prepared, timeout_ns }))
    }

    /// What a script asks for; with options, also the cookies that go with it.
    fn wanted(&self, method: &'static str, url: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Wanted> {
        let base = self.engine.get().core()?.requests.base();
        let mut wanted = Wanted::read(&base, method, url, options)?;
        if options.is_some() && !self.engine.get().core()?.requests.says_cookies(&wanted) {
            let line = self.cookies.get().line(&wanted.url, &wanted.cookies);
            if !line.is_empty() {
                wanted.headers.push(("Cookie".into(), line));
            }
        }
        Ok(wanted)
    }

    /// Sends a request without options, with the cookies that are meant for it.
    #[inline]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        mut prepared: Prepared,
        timeout_ns: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.engine.get();
        if self.cookies.get().may_have_any() && !engine.core()?.requests.has_cookie_header {
            prepared.add_cookies(&self.cookies.get().line(prepared.url.bind(py).to_str()?, &[]));
        }
        engine.submit(py, self.place, &prepared, timeout_ns, &self.cookies)
    }

    fn call<'py>(
        slf: &Bound<'py, Self>,
        method: &'static str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = slf.get().engine.get();
        if !engine.policy_always.get() && !options.is_some_and(needs_conversation) {
            return Self::attempt(slf, method, url, options);
        }
        let py = slf.py();
        let policy = engine.policy_of(py)?;
        let options = options.cloned().unwrap_or_else(|| PyDict::new(py));
        Ok(policy.call1(py, (slf, method, url, options))?.into_bound(py))
    }
}

/// Whether there may be more than one request in it, or a body that must be made.
fn needs_conversation(options: &Bound<'_, PyDict>) -> bool {
    let py = options.py();
    let has = |name: &Bound<'_, PyString>| options.contains(name).unwrap_or(false);
    let is_challenged = || {
        let auth = options.get_item(intern!(py, "auth")).ok().flatten();
        auth.is_some_and(|auth| !auth.is_none() && !is_simple_auth(&auth))
    };
    let is_to_be_made = || {
        let content = options.get_item(intern!(py, "content")).ok().flatten();
        content.is_some_and(|content| is_made(&content).unwrap_or(false))
    };
    has(intern!(py, "retry"))
        || has(intern!(py, "follow_redirects"))
        || has(intern!(py, "files"))
        || is_to_be_made()
        || is_challenged()
}

/// The methods that there are, by their names.
pub(crate) fn method_named(name: &str) -> PyResult<&'static str> {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PURGE", "REPORT", "PROPFIND"];
    let found = known.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    found.ok_or_else(|| PyTypeError::new_err(format!("expected a method such as \"GET\", got {name:?}")))
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, engine: Py<Engine>, place: usize) -> PyResult<Self> {
        let home = engine.get().core()?.requests.home();
        let cookies = Py::new(py, Cookies::new(home))?;
        Ok(Self { engine, place, made: AtomicU64::new(0), cookies })
    }

    #[getter]
    fn _requests(&self) -> u64 {
        self.made.load(Relaxed)
    }

    #[pyo3(signature = (method, url, **options))]
    fn request<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::call(slf, method_named(method)?, url, options)
    }

    /// One attempt, whatever the policy.
    #[pyo3(signature = (method, url, **options))]
    fn _send<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::attempt(slf, method_named(method)?, url, options.filter(|options| !options.is_empty()))
    }

    /// A request whose response is taken while it comes; or the site that must be made known first.
    #[pyo3(signature = (method, url, **options))]
    fn _stream<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let none = PyDict::new(py);
        let wanted = this.wanted(method_named(method)?, url.to_str()?, Some(options.unwrap_or(&none)))?;
        let idle_ns = wanted.idle_ns;
        let Asked { prepared, timeout_ns } = match this.prepare(py, wanted)? {
            Ok(asked) => asked,
            Err(site) => return Ok(PyString::new(py, &site).into_any()),
        };
        this.made.fetch_add(1, Relaxed);
        let engine = this.engine.get();
        let cookies = engine.core()?.requests.keeps_cookies.then(|| this.cookies.clone_ref(py));
        let url = prepared.url.clone_ref(py);
        let stream = Stream::new(this.engine.clone_ref(py), prepared.method, url, cookies, idle_ns);
        let stream = Bound::new(py, stream)?;
        let recipient = Recipient::Stream(stream.clone().unbind());
        engine.submit_as(py, recipient, this.place, &prepared, timeout_ns, &this.cookies, Recorded::AtOnce, None)?;
        Ok(stream.into_any())
    }

    /// A socket whose handshake is on its way; or the site that must be made known first.
    #[pyo3(signature = (url, subprotocols, deflate, ping, **options))]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 makes of a sequence")]
    fn _socket<'py>(
        slf: &Bound<'py, Self>,
        url: &str,
        subprotocols: Vec<String>,
        deflate: bool,
        ping: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let none = PyDict::new(py);
        let options = options.unwrap_or(&none);
        for name in ["retry", "follow_redirects", "expect_continue"] {
            if options.contains(name)? {
                return Err(PyTypeError::new_err(format!("ws(): {name} is for requests; a handshake is sent once")));
            }
        }
        // Read as that of any other request, of which it takes the options.
        let is_absolute = url.starts_with("ws://") || url.starts_with("wss://");
        let url = if is_absolute { url.replacen("ws", "http", 1) } else { url.to_owned() };
        let wanted = this.wanted(SOCKET, &url, Some(options))?;
        if wanted.body.is_some() || wanted.upload.is_some() || wanted.maker.is_some() || wanted.idle_ns.is_some() {
            return Err(PyTypeError::new_err("ws(): a handshake has no body, and no idle_timeout: send messages"));
        }
        let ping_every_ns = ping.map(|ping| nanoseconds("ping", ping)).transpose()?;
        let mut core = this.engine.get().core()?;
        let site = wanted.site.replacen("http", "ws", 1);
        let Some(origin) = core.requests.origin(&site) else { return Ok(PyString::new(py, &site).into_any()) };
        let headers = core.requests.headers(&wanted);
        let url = wanted.url.replacen("http", "ws", 1);
        let offer = deflate.then(Offer::default);
        let opening = Opening::new(&url, &headers, &subprotocols, offer);
        let opening = Rc::new(opening.map_err(|error| PyValueError::new_err(error.to_string()))?);
        let timeout_ns = wanted.timeout_ns.unwrap_or(core.timeout_ns);
        let close_ns = CLOSE_NS.min(timeout_ns);
        let limits = Limits { handshake_ns: timeout_ns, pong_ns: timeout_ns, close_ns, ..Limits::default() };
        let label = core.request_label(&wanted.label)?;
        this.made.fetch_add(1, Relaxed);
        let asked_ns = now_ns();
        let due_ns = core.due_ns(this.place, asked_ns);
        let cookies = core.requests.keeps_cookies.then(|| this.cookies.clone_ref(py));
        let asked =
            AskedSocket { url, name: wanted.label, label, due_ns, asked_ns, timeout_ns, ping_every_ns, cookies };
        let manner = Rc::new(Manner { opening, limits });
        let socket = core.open_socket(py, this.engine.clone_ref(py), origin, &manner, asked)?;
        Ok(socket.into_bound(py).into_any())
    }

    /// The bytes of a request, which is not sent.
    #[pyo3(signature = (method, url, **options))]
    fn _render<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        url: &Bound<'py, PyString>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let none = PyDict::new(slf.py());
        let wanted = slf.get().wanted(method_named(method)?, url.to_str()?, Some(options.unwrap_or(&none)))?;
        let (bytes, _) = slf.get().engine.get().core()?.requests.render(&wanted)?;
        Ok(PyBytes::new(slf.py(), &bytes))
    }

    /// A response to a request that a policy did not let be sent; it is counted as failed.
    fn _refuse(
        slf: &Bound<'_, Self>,
        method: &str,
        url: &Bound<'_, PyString>,
        options: &Bound<'_, PyDict>,
        error: &str,
    ) -> PyResult<Response> {
        let py = slf.py();
        let kind = kind_named(error)?;
        let method = if method == SOCKET { SOCKET } else { method_named(method)? };
        let this = slf.get();
        this.made.fetch_add(1, Relaxed);
        let engine = this.engine.get();
        let base = engine.core()?.requests.base();
        let wanted = Wanted::read(&base, method, url.to_str()?, Some(options))?;
        let outcome = engine.core()?.refuse(&wanted.label, kind)?;
        Ok(Response::new(py, &outcome, None, method, PyString::new(py, &wanted.url).unbind()))
    }
}

/// One method for each verb.
macro_rules! verbs {
    ($($name:ident: $method:literal),+) => {
        #[pymethods]
        impl Client {
            $(#[pyo3(signature = (url, **options))]
            fn $name<'py>(
                slf: &Bound<'py, Self>,
                url: &Bound<'py, PyString>,
                options: Option<&Bound<'py, PyDict>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                Self::call(slf, $method, url, options)
            })+
        }
    };
}

verbs!(get: "GET", post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE", head: "HEAD", options: "OPTIONS");
