//! A response as scripts see it. Its bytes are kept as they came; what is asked for is read when it is asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;

use loadgen_engine::http::cookies::pair_of;
use loadgen_engine::http::decoding::decode;
use loadgen_engine::http::head::HEADER_LIMIT;
use loadgen_engine::http::response::Shape;
use loadgen_engine::outcome::{End, Outcome};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::cookies::Cookies;
use crate::pending::Pending;

const NANOSECOND: f64 = 1e-9;

#[pyclass(module = "loadgen._engine", frozen, weakref)]
pub(crate) struct Response {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    error: Option<&'static str>,
    #[pyo3(get)]
    method: &'static str,
    #[pyo3(get)]
    url: Py<PyString>,
    raw: Option<Py<PyBytes>>,
    shape: Shape,
    due_ns: u64,
    sent_ns: u64,
    first_byte_ns: u64,
    done_ns: u64,
    /// Where it waits to be recorded.
    pub(crate) pending: AtomicUsize,
    content: PyOnceLock<Py<PyBytes>>,
    headers: PyOnceLock<Py<PyAny>>,
    history: PyOnceLock<Py<PyList>>,
}

impl Response {
    pub(crate) fn new(
        py: Python<'_>,
        outcome: &Outcome,
        answer: Option<(Shape, &[u8])>,
        method: &'static str,
        url: Py<PyString>,
    ) -> Self {
        let (status, error) = match outcome.end {
            End::Response(status) => (status, None),
            End::Error(kind) => (0, Some(kind.name())),
        };
        let (shape, raw) = match answer {
            Some((shape, bytes)) if error.is_none() => (shape, Some(PyBytes::new(py, bytes).unbind())),
            _ => (Shape::default(), None),
        };
        let Outcome { due_ns, sent_ns, first_byte_ns, done_ns, .. } = *outcome;
        let (content, headers, history) = (PyOnceLock::new(), PyOnceLock::new(), PyOnceLock::new());
        let pending = AtomicUsize::new(Pending::NONE);
        Self {
            status,
            error,
            method,
            url,
            raw,
            shape,
            due_ns,
            sent_ns,
            first_byte_ns,
            done_ns,
            pending,
            content,
            headers,
            history,
        }
    }

    /// One that is not recorded yet, or goes on with another.
    pub(crate) fn pending(self, place: usize, whole: &Outcome) -> Self {
        Self { pending: AtomicUsize::new(place), due_ns: whole.due_ns, ..self }
    }

    /// A response whose head has come, and whose body goes elsewhere.
    pub(crate) fn of_head(
        py: Python<'_>,
        head: &[u8],
        (sent_ns, at_ns): (u64, u64),
        method: &'static str,
        url: Py<PyString>,
    ) -> Self {
        // As the engine has read it: "HTTP/1.1 200 OK".
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0);
        let shape = Shape { head_at: 0, body_at: head.len(), end_at: Some(head.len()), is_chunked: false };
        let outcome = Outcome {
            due_ns: sent_ns,
            sent_ns,
            first_byte_ns: at_ns,
            done_ns: at_ns,
            label: 0,
            token: 0,
            bytes_sent: 0,
            bytes_received: 0,
            end: End::Response(status),
        };
        Self::new(py, &outcome, Some((shape, head)), method, url)
    }

    pub(crate) fn error_kind(&self) -> Option<&'static str> {
        self.error
    }

    /// Hands on what it sets. Most set nothing, and that is found out in one pass over the head.
    #[inline]
    pub(crate) fn give_cookies(&self, py: Python<'_>, cookies: &Cookies) {
        if has_header(self.head(py), b"set-cookie", 7)
            && let Ok(url) = self.url.bind(py).to_str()
        {
            cookies.take(url, &self.set_cookies(py));
        }
    }

    /// The values of `Set-Cookie` that are text.
    fn set_cookies(&self, py: Python<'_>) -> Vec<String> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        let _ = response.parse(self.head(py));
        let lines = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("set-cookie"));
        lines.filter_map(|header| std::str::from_utf8(header.value).ok().map(str::to_owned)).collect()
    }

    /// The body as the server made it.
    fn decoded(&self, py: Python<'_>) -> PyResult<Py<PyBytes>> {
        let body = if self.shape.is_chunked { unchunked(self.body(py)).into() } else { Cow::from(self.body(py)) };
        if has_header(self.head(py), b"content-encoding", 15) {
            let decoded = decode(&self.codings(py), &body)
                .map_err(|fault| PyValueError::new_err(format!("{} {}: {fault}", self.method, self.url.bind(py))))?;
            if let Some(decoded) = decoded {
                return Ok(PyBytes::new(py, &decoded).unbind());
            }
        }
        Ok(PyBytes::new(py, &body).unbind())
    }

    /// What its head says of how the body is encoded.
    pub(crate) fn codings(&self, py: Python<'_>) -> String {
        let codings: Vec<_> = self.pairs(py).into_iter().filter(|(name, _)| is(name, "content-encoding")).collect();
        let codings: Vec<_> = codings.iter().map(|(_, value)| value.as_str()).collect();
        codings.join(",")
    }

    fn head<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        self.raw.as_ref().map_or(b"", |raw| &raw.as_bytes(py)[self.shape.head_at..self.shape.body_at])
    }

    fn body<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        self.raw.as_ref().map_or(b"", |raw| {
            let bytes = raw.as_bytes(py);
            &bytes[self.shape.body_at..self.shape.end_at.unwrap_or(bytes.len()).min(bytes.len())]
        })
    }

    /// Names and values, in the order of the head.
    fn pairs(&self, py: Python<'_>) -> Vec<(String, String)> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        // The engine has read it before; had it been wrong, there would be no response.
        let _ = response.parse(self.head(py));
        response.headers.iter().map(|header| (header.name.to_owned(), latin(header.value))).collect()
    }

    fn charset(&self, py: Python<'_>) -> String {
        let of_type = |(name, value): (String, String)| name.eq_ignore_ascii_case("content-type").then_some(value);
        let kind = self.pairs(py).into_iter().find_map(of_type).unwrap_or_default().to_ascii_lowercase();
        let charset = kind.split(';').find_map(|part| part.trim().strip_prefix("charset=")).unwrap_or("utf-8");
        charset.trim_matches('"').to_owned()
    }
}

#[pymethods]
impl Response {
    #[getter]
    fn ok(&self) -> bool {
        (1..400).contains(&self.status)
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(self.content.get_or_try_init(py, || self.decoded(py))?.bind(py).clone())
    }

    #[getter]
    fn num_bytes_downloaded(&self, py: Python<'_>) -> usize {
        self.body(py).len()
    }

    /// What this response sets: the user's jar has what it keeps.
    #[getter]
    fn cookies(&self, py: Python<'_>) -> HashMap<String, String> {
        let pair = |line: String| {
            let (name, value) = pair_of(&line);
            (name.to_owned(), value.to_owned())
        };
        self.set_cookies(py).into_iter().map(pair).collect()
    }

    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> Bound<'py, PyList> {
        self.history.get_or_init(py, || PyList::empty(py).unbind()).bind(py).clone()
    }

    /// Those that led here; said once.
    fn _set_history(&self, py: Python<'_>, responses: Py<PyList>) {
        let _ = self.history.set(py, responses);
    }

    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let content = self.content(py)?;
        let decoded = content.call_method1("decode", (self.charset(py), "replace"));
        // A charset that nobody knows: better some text than none.
        decoded.or_else(|_| content.call_method1("decode", ("utf-8", "replace")))
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let make = || {
            let class = py.import("loadgen.headers")?.getattr("Headers")?;
            Ok::<_, PyErr>(class.call1((self.pairs(py),))?.unbind())
        };
        Ok(self.headers.get_or_try_init(py, make)?.bind(py).clone())
    }

    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let decode =
            DECODE.get_or_try_init(py, || Ok::<_, PyErr>(py.import("msgspec.json")?.getattr("decode")?.unbind()))?;
        decode.bind(py).call1((self.content(py)?,))
    }

    #[getter]
    fn elapsed(&self) -> f64 {
        self.done_ns.saturating_sub(self.sent_ns) as f64 * NANOSECOND
    }

    /// Milliseconds from when it was due, or the one that was sent on to it, to the last byte.
    #[getter]
    fn _took_ms(&self) -> f64 {
        self.done_ns.saturating_sub(self.due_ns) as f64 * 1e-6
    }

    /// What its server calls its status.
    #[getter]
    fn _reason(&self, py: Python<'_>) -> String {
        let line = self.head(py).split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
        line.splitn(3, |&byte| byte == b' ').nth(2).map_or_else(String::new, latin)
    }

    #[getter]
    fn timings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let timings = PyDict::new(py);
        let first_byte = self.first_byte_ns.saturating_sub(self.sent_ns) as f64 * NANOSECOND;
        let receive = self.done_ns.saturating_sub(self.first_byte_ns) as f64 * NANOSECOND;
        timings.set_item("first_byte", first_byte)?;
        timings.set_item("receive", receive)?;
        Ok(timings)
    }

    fn raise_for_status(slf: Bound<'_, Self>) -> PyResult<()> {
        if slf.get().ok() {
            return Ok(());
        }
        let py = slf.py();
        let response = slf.get();
        let outcome = response.error.map_or_else(|| response.status.to_string(), str::to_owned);
        let text = format!("{} {}: {outcome}", response.method, response.url.bind(py));
        let error = py.import("loadgen.errors")?.getattr("StatusError")?.call1((text, slf))?;
        Err(PyErr::from_value(error))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let outcome = self.error.map_or_else(|| self.status.to_string(), str::to_owned);
        format!("<Response {outcome} {} {}>", self.method, self.url.bind(py))
    }
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Whether a head has a header, by a letter of its name that is rare in others.
fn has_header(head: &[u8], name: &[u8], rare: usize) -> bool {
    let (small, large) = (name[rare], name[rare].to_ascii_uppercase());
    memchr::memchr2_iter(small, large, head).any(|at| {
        at > rare
            && head[at - rare - 1] == b'\n'
            && head.get(at - rare..at - rare + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
    })
}

/// The data of chunks that the engine has found whole.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes.len());
    while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
        let digits: Vec<u8> = bytes[..end].iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        let size = std::str::from_utf8(&digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let (Some(size @ 1..), rest) = (size, &bytes[end + 1..]) else { break };
        data.extend_from_slice(&rest[..size.min(rest.len())]);
        let next = rest.get(size..).unwrap_or_default();
        bytes = next.strip_prefix(b"\r\n").or_else(|| next.strip_prefix(b"\n")).unwrap_or_default();
    }
    data
}

#[cfg(test)]
mod tests {
    use super::unchunked;

    #[test]
    fn chunks_are_joined() {
        assert_eq!(unchunked(b"2\r\nhi\r\n3;x=y\r\n ho\r\n0\r\nTrailer: 1\r\n\r\n"), b"hi ho");
        assert_eq!(unchunked(b"0\r\n\r\n"), b"");
    }
}
