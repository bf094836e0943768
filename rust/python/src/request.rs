//! What a script asks for, made into bytes: and remembered, because scripts ask for the same again and again.

use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;

use loadgen_engine::http::request::{render_parts, split};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

/// Requests that are remembered, at most.
const REMEMBERED: usize = 4096;

/// The options that requests take; `retry` is the policy's.
const OPTIONS: [&str; 9] = ["params", "headers", "path", "name", "timeout", "json", "content", "data", "tags"];

/// A request that can be sent.
pub(crate) struct Prepared {
    pub(crate) origin: usize,
    pub(crate) label: usize,
    pub(crate) is_head: bool,
    pub(crate) method: &'static str,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) url: Py<PyString>,
}

impl Prepared {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { bytes: Rc::clone(&self.bytes), url: self.url.clone_ref(py), ..*self }
    }
}

/// A request as a script describes it.
pub(crate) struct Wanted {
    pub(crate) method: &'static str,
    /// Absolute.
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) label: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout_ns: Option<u64>,
}

/// What all requests of a worker have in common.
pub(crate) struct Requests {
    base: Rc<str>,
    defaults: Vec<(String, String)>,
    origins: HashMap<String, usize>,
    remembered: HashMap<&'static str, HashMap<Box<str>, Prepared>>,
}

impl Requests {
    pub(crate) fn new(base_url: &str, defaults: Vec<(String, String)>) -> Self {
        let base = base_url.trim_end_matches('/').into();
        Self { base, defaults, origins: HashMap::new(), remembered: HashMap::new() }
    }

    /// What a path is put behind.
    pub(crate) fn base(&self) -> Rc<str> {
        Rc::clone(&self.base)
    }

    pub(crate) fn base_authority(&self) -> Option<String> {
        split(&self.base).map(|(authority, _)| authority.to_owned())
    }

    pub(crate) fn add_origin(&mut self, authority: String, origin: usize) {
        self.origins.insert(authority, origin);
    }

    pub(crate) fn origin(&self, authority: &str) -> Option<usize> {
        self.origins.get(authority).copied()
    }

    /// A request without options that was made before.
    #[inline]
    pub(crate) fn remembered(&self, py: Python<'_>, method: &'static str, url: &str) -> Option<Prepared> {
        Some(self.remembered.get(method)?.get(url)?.clone_ref(py))
    }

    pub(crate) fn remember(&mut self, method: &'static str, url: &str, prepared: Prepared) {
        let known = self.remembered.entry(method).or_default();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(url.into(), prepared);
    }

    /// The bytes of a request.
    pub(crate) fn render(&self, wanted: &Wanted) -> PyResult<(Rc<[u8]>, bool)> {
        let given = |name: &str| wanted.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let defaults = self.defaults.iter().filter(|(name, _)| !given(name)).cloned();
        let headers: Vec<_> = defaults.chain(wanted.headers.iter().cloned()).collect();
        let rendered = render_parts(wanted.method, &wanted.url, &headers, wanted.body.as_deref())
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((rendered.bytes.into(), rendered.is_head))
    }
}

impl Wanted {
    /// Reads what a script asks for. It calls Python code, so nothing of the engine may be borrowed meanwhile.
    pub(crate) fn read(
        base: &str,
        method: &'static str,
        url: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let absolute = url.find("://").is_some_and(|at| !url[..at].contains(['/', '?', '#']));
        if absolute && !url.starts_with("http://") {
            let scheme = url.split("://").next().unwrap_or_default();
            return Err(PyValueError::new_err(format!("{url}: {scheme} is not supported yet, only http is")));
        }
        if !absolute && base.is_empty() {
            return Err(PyValueError::new_err(format!("{url} needs a base: Plan(base_url=…) or --url")));
        }
        let slash = if absolute || url.starts_with('/') || url.is_empty() { "" } else { "/" };
        let template = if absolute { url.to_owned() } else { format!("{base}{slash}{url}") };
        let mut wanted = Self {
            method,
            label: format!("{method} {}", label_path(if absolute { url } else { "" }, slash, url)),
            url: template,
            authority: String::new(),
            headers: Vec::new(),
            body: None,
            timeout_ns: None,
        };
        if let Some(options) = options {
            wanted.apply(options)?;
        }
        if let Some((_, rest)) = wanted.url.split_once('{')
            && let Some((name, _)) = rest.split_once('}')
        {
            let text = format!("{url} has {{{name}}}, and no value for it: path={{\"{name}\": …}}");
            return Err(PyValueError::new_err(text));
        }
        wanted.url = encoded(&wanted.url);
        let (authority, _) = split(&wanted.url)
            .ok_or_else(|| PyValueError::new_err(format!("expected a path or http://HOST/PATH, got {url:?}")))?;
        if authority.contains('@') {
            return Err(PyValueError::new_err("a URL must hold no user and password: they belong into headers="));
        }
        wanted.authority = authority.to_owned();
        Ok(wanted)
    }

    fn apply(&mut self, options: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = options.py();
        for (key, value) in options {
            let key: String = key.extract()?;
            if value.is_none() {
                continue;
            }
            match key.as_str() {
                "path" => {
                    let quote = py.import("urllib.parse")?.getattr("quote")?;
                    for (name, part) in value.cast::<PyDict>()? {
                        let text: String = quote.call1((part.str()?, ""))?.extract()?;
                        self.url = self.url.replace(&format!("{{{name}}}"), &text);
                    }
                }
                "params" => {
                    let pairs = py.import("urllib.parse")?.getattr("urlencode")?.call1((value, true))?;
                    let query: String = pairs.extract()?;
                    let mark = if self.url.contains('?') { '&' } else { '?' };
                    self.url = format!("{}{mark}{query}", self.url);
                }
                "headers" => {
                    for (name, value) in pairs(&value)? {
                        if ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
                            return Err(PyValueError::new_err(format!("{name} follows from the body: leave it out")));
                        }
                        self.headers.push((name, value));
                    }
                }
                "name" => self.label = value.extract()?,
                "timeout" => self.timeout_ns = Some(nanoseconds(&value)?),
                "json" => self.set_body("application/json", encode_json(&value)?),
                "content" => match value.cast::<PyString>() {
                    Ok(text) => self.set_body("text/plain; charset=utf-8", text.to_str()?.as_bytes().to_vec()),
                    Err(_) => self.set_body("application/octet-stream", value.extract()?),
                },
                "data" => {
                    let form = py.import("urllib.parse")?.getattr("urlencode")?.call1((value, true))?;
                    self.set_body("application/x-www-form-urlencoded", form.extract::<String>()?.into_bytes());
                }
                "tags" => {
                    let mut tags: Vec<String> =
                        pairs(&value)?.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
                    tags.sort();
                    self.label = format!("{} [{}]", self.label, tags.join(" "));
                }
                "retry" => {}
                unknown => {
                    return Err(PyTypeError::new_err(format!(
                        "{}() got an unexpected option {unknown}; there are {}",
                        self.method.to_lowercase(),
                        OPTIONS.join(", "),
                        unknown = Quoted(unknown),
                    )));
                }
            }
        }
        Ok(())
    }

    fn set_body(&mut self, kind: &str, body: Vec<u8>) {
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            self.headers.push(("Content-Type".into(), kind.into()));
        }
        self.body = Some(body);
    }
}

/// Text in the quotes that Python's messages have.
struct Quoted<'text>(&'text str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

/// The path of a label: without the query, and for other hosts than the base's with the host.
fn label_path(absolute: &str, slash: &str, url: &str) -> String {
    let text = absolute.strip_prefix("http://").unwrap_or(url);
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let path = &text[..end];
    if absolute.is_empty() && path.is_empty() { "/".into() } else { format!("{slash}{path}") }
}

fn encoded(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    if url.bytes().all(|byte| byte > b' ' && byte < 0x7f) {
        return url.to_owned();
    }
    let mut text = String::with_capacity(url.len() + 16);
    for byte in url.bytes() {
        if byte > b' ' && byte < 0x7f {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn pairs(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let items = if value.hasattr("items")? { value.call_method0("items")? } else { value.clone() };
    let mut pairs = Vec::new();
    for item in items.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        pairs.push((name.str()?.extract()?, value.str()?.extract()?));
    }
    Ok(pairs)
}

fn nanoseconds(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(seconds) = value.extract::<f64>() {
        if seconds.is_finite() && seconds > 0.0 {
            return Ok((seconds * 1e9).min(1e18) as u64);
        }
        return Err(PyValueError::new_err(format!("timeout: expected seconds above 0, got {value}")));
    }
    value.py().import("loadgen.units")?.getattr("parse_duration_ns")?.call1((value,))?.extract()
}

fn encode_json(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    static ENCODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let encode =
        ENCODE.get_or_try_init(py, || Ok::<_, PyErr>(py.import("msgspec.json")?.getattr("encode")?.unbind()))?;
    Ok(encode.bind(py).call1((value,))?.cast_into::<PyBytes>()?.as_bytes().to_vec())
}
