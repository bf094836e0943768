//! What a script asks for, made into bytes: and remembered, because scripts ask for the same again and again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loadgen_engine::http::cookies::{Page, check_pair};
use loadgen_engine::http::percent::decoded;
use loadgen_engine::http::request::{render_parts, split, with_upload};
use loadgen_engine::upload::Upload;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::body::Body;
use crate::upload::Content;

/// Headers that another origin must not see.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Requests that are remembered, at most.
const REMEMBERED: usize = 4096;

/// The options that requests take, those of the conversation around them included.
const OPTIONS: [&str; 15] = [
    "params",
    "headers",
    "cookies",
    "auth",
    "path",
    "name",
    "timeout",
    "json",
    "content",
    "data",
    "files",
    "tags",
    "retry",
    "follow_redirects",
    "expect_continue",
];

/// A request that can be sent.
pub(crate) struct Prepared {
    pub(crate) origin: usize,
    pub(crate) label: usize,
    pub(crate) is_head: bool,
    pub(crate) method: &'static str,
    pub(crate) bytes: Rc<[u8]>,
    /// The body, where it is read while it is sent.
    pub(crate) upload: Option<Rc<Upload>>,
    /// Who makes it, where it is made then.
    pub(crate) maker: Option<Py<Body>>,
    pub(crate) url: Py<PyString>,
}

impl Prepared {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            bytes: Rc::clone(&self.bytes),
            upload: self.upload.clone(),
            maker: self.maker.as_ref().map(|maker| maker.clone_ref(py)),
            url: self.url.clone_ref(py),
            ..*self
        }
    }

    /// Puts a `Cookie` header at the end of the head.
    pub(crate) fn add_cookies(&mut self, line: &str) {
        if !line.is_empty() {
            let end = memchr::memmem::find(&self.bytes, b"\r\n\r\n").map_or(self.bytes.len(), |end| end + 2);
            let (head, rest) = self.bytes.split_at(end);
            self.bytes = [head, b"Cookie: ", line.as_bytes(), b"\r\n", rest].concat().into();
        }
    }
}

/// A request as a script describes it.
pub(crate) struct Wanted {
    pub(crate) method: &'static str,
    /// Absolute.
    pub(crate) url: String,
    /// Scheme and host, with its port where that is said.
    pub(crate) site: String,
    pub(crate) label: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// A body that is read while it is sent, instead.
    pub(crate) upload: Option<Upload>,
    /// Who makes it.
    pub(crate) maker: Option<Py<Body>>,
    pub(crate) timeout_ns: Option<u64>,
    /// How long a response that is streamed may pause.
    pub(crate) idle_ns: Option<u64>,
    /// Besides the user's own.
    pub(crate) cookies: Vec<(String, String)>,
    /// The plan's headers that say who asks go with it. A redirect to another origin leaves them behind.
    is_trusted: bool,
    /// `auth=None`: not even who the plan says.
    is_anonymous: bool,
    /// The URL goes out as it is written: braces in it are no places for values.
    is_literal: bool,
}

/// What all requests of a worker have in common.
pub(crate) struct Requests {
    base: Rc<str>,
    defaults: Vec<(String, String)>,
    /// Of the plan's `auth`: for the base alone.
    pub(crate) authorization: Option<String>,
    pub(crate) keeps_cookies: bool,
    /// The plan's headers have cookies already.
    pub(crate) has_cookie_header: bool,
    origins: HashMap<String, usize>,
    remembered: HashMap<&'static str, HashMap<Box<str>, Prepared>>,
}

impl Requests {
    pub(crate) fn new(base_url: &str, defaults: Vec<(String, String)>) -> Self {
        let base = base_url.trim_end_matches('/').into();
        let has_cookie_header = defaults.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        Self {
            base,
            defaults,
            authorization: None,
            keeps_cookies: true,
            has_cookie_header,
            origins: HashMap::new(),
            remembered: HashMap::new(),
        }
    }

    /// The host of the base; empty where there is none.
    pub(crate) fn home(&self) -> Arc<str> {
        Page::of(&self.base).map_or("", |page| page.host).into()
    }

    /// Whether headers say what cookies go with a request, so that none are added.
    pub(crate) fn says_cookies(&self, wanted: &Wanted) -> bool {
        let has_own = || wanted.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        wanted.cookies.is_empty() && (self.has_cookie_header && wanted.is_trusted || has_own())
    }

    /// What a path is put behind.
    pub(crate) fn base(&self) -> Rc<str> {
        Rc::clone(&self.base)
    }

    pub(crate) fn base_site(&self) -> Option<String> {
        site_of(&self.base)
    }

    pub(crate) fn add_origin(&mut self, site: String, origin: usize) {
        self.origins.insert(site, origin);
    }

    pub(crate) fn origin(&self, site: &str) -> Option<usize> {
        self.origins.get(site).copied()
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

    /// The headers of a request, but for those that follow from how it is sent.
    pub(crate) fn headers(&self, wanted: &Wanted) -> Vec<(String, String)> {
        let given = |name: &str| wanted.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let may_go =
            |name: &str| wanted.is_trusted || !CREDENTIALS.iter().any(|other| name.eq_ignore_ascii_case(other));
        let defaults = self.defaults.iter().filter(|(name, _)| !given(name) && may_go(name)).cloned();
        let mut headers: Vec<_> = defaults.chain(wanted.headers.iter().cloned()).collect();
        if let Some(authorization) = &self.authorization
            && !wanted.is_anonymous
            && self.base_site().is_some_and(|site| site == wanted.site)
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            headers.push(("Authorization".into(), authorization.clone()));
        }
        headers
    }

    /// The bytes of a request.
    pub(crate) fn render(&self, wanted: &Wanted) -> PyResult<(Rc<[u8]>, bool)> {
        let mut headers = self.headers(wanted);
        if let Some(upload) = &wanted.upload {
            headers = with_upload(&headers, upload);
        }
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
        let (url, userinfo) = without_userinfo(url);
        let url = &*url;
        let absolute = url.find("://").is_some_and(|at| !url[..at].contains(['/', '?', '#']));
        if absolute && !url.starts_with("http://") && !url.starts_with("https://") {
            let scheme = url.split("://").next().unwrap_or_default();
            return Err(PyValueError::new_err(format!("{url}: {scheme} is not supported, http and https are")));
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
            site: String::new(),
            headers: Vec::new(),
            body: None,
            upload: None,
            maker: None,
            timeout_ns: None,
            idle_ns: None,
            cookies: Vec::new(),
            is_trusted: true,
            is_anonymous: false,
            is_literal: false,
        };
        if let Some(options) = options {
            wanted.apply(options)?;
        }
        if !wanted.is_literal
            && let Some((_, rest)) = wanted.url.split_once('{')
            && let Some((name, _)) = rest.split_once('}')
        {
            let text = format!("{url} has {{{name}}}, and no value for it: path={{\"{name}\": …}}");
            return Err(PyValueError::new_err(text));
        }
        wanted.url = encoded(&wanted.url);
        let site = site_of(&wanted.url)
            .ok_or_else(|| PyValueError::new_err(format!("expected a path or http://HOST/PATH, got {url:?}")))?;
        if let Some(userinfo) = userinfo
            && !wanted.has_header("authorization")
        {
            let (user, password) = userinfo.split_once(':').unwrap_or((&userinfo, ""));
            let [user, password] = [user, password].map(|text| String::from_utf8_lossy(&decoded(text)).into_owned());
            wanted.headers.push(("Authorization".into(), basic(&user, &password)?));
        }
        wanted.site = site;
        Ok(wanted)
    }

    fn apply(&mut self, options: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = options.py();
        let encode = |value| py.import("urllib.parse")?.getattr("urlencode")?.call1((value, true))?.extract::<String>();
        let (mut body, mut tags, mut auth, mut is_typed) = (None, Vec::new(), None, true);
        let asks = options.get_item("expect_continue")?.map_or(Ok(false), |asks| asks.is_truthy())?;
        let held = |bytes| Content::of_bytes(bytes, asks);
        for (key, value) in options {
            let key: String = key.extract()?;
            if value.is_none() {
                self.is_anonymous |= key == "auth";
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
                    let mark = if self.url.contains('?') { '&' } else { '?' };
                    self.url = format!("{}{mark}{}", self.url, encode(value)?);
                }
                "headers" => {
                    for (name, value) in pairs(&value)? {
                        if ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
                            return Err(PyValueError::new_err(format!("{name} follows from the body: leave it out")));
                        }
                        self.headers.push((name, value));
                    }
                }
                "cookies" => {
                    for (name, value) in pairs(&value)? {
                        check_pair(&name, &value)
                            .map_err(|why| PyValueError::new_err(format!("cookie {name:?} cannot be sent: {why}")))?;
                        self.cookies.push((name, value));
                    }
                }
                "auth" => auth = Some(authorization(&value)?),
                "name" => self.label = value.extract()?,
                "timeout" => self.timeout_ns = Some(nanoseconds(&key, &value)?),
                "idle_timeout" => self.idle_ns = Some(nanoseconds(&key, &value)?),
                "json" => body = Some(("application/json", held(encode_json(&value)?))),
                "content" => {
                    let is_text = value.is_instance_of::<PyString>();
                    let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
                    body = Some((kind, Content::read(&value, asks)?));
                }
                "data" => body = Some(("application/x-www-form-urlencoded", held(encode(value)?.into_bytes()))),
                "tags" => tags = pairs(&value)?,
                "_trusted" => self.is_trusted = value.is_truthy()?,
                "_untyped" => is_typed = !value.is_truthy()?,
                "_literal" => self.is_literal = value.is_truthy()?,
                "retry" | "follow_redirects" | "expect_continue" => {}
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
        if let Some(auth) = auth {
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            self.headers.push(("Authorization".into(), auth));
        }
        if let Some((kind, body)) = body {
            if is_typed && !self.has_header("content-type") {
                self.headers.push(("Content-Type".into(), kind.into()));
            }
            match body {
                Content::Held(bytes) => self.body = Some(bytes),
                Content::Streamed(upload) => self.upload = Some(upload),
                Content::Made(body) => {
                    self.upload = Some(body.get().upload(asks));
                    self.maker = Some(body);
                }
            }
        }
        if !tags.is_empty() {
            let mut tags: Vec<String> = tags.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            tags.sort();
            self.label = format!("{} [{}]", self.label, tags.join(" "));
        }
        Ok(())
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

/// Whether an `auth` is one header, known beforehand.
pub(crate) fn is_simple_auth(auth: &Bound<'_, PyAny>) -> bool {
    auth.is_instance_of::<PyTuple>() || auth.hasattr("authorization").unwrap_or(false)
}

/// The header of a user and password, or of whatever has an `authorization`.
fn authorization(auth: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok((user, password)) = auth.extract::<(String, String)>() {
        return basic(&user, &password);
    }
    auth.getattr("authorization").and_then(|header| header.extract()).map_err(|_| {
        PyTypeError::new_err(
            "auth: expected (\"user\", \"password\"), Bearer(\"token\") or DigestAuth(\"user\", \"password\")",
        )
    })
}

fn basic(user: &str, password: &str) -> PyResult<String> {
    if user.contains(':') {
        return Err(PyValueError::new_err("auth: the name of a user has no colon"));
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// A URL without user and password, and them: they belong into a header, and into no message.
fn without_userinfo(url: &str) -> (Cow<'_, str>, Option<String>) {
    let Some(at) = url.find("://") else { return (url.into(), None) };
    let (scheme, rest) = url.split_at(at + 3);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((userinfo, _)) if !scheme[..at].contains(['/', '?', '#']) => {
            (format!("{scheme}{}", &rest[userinfo.len() + 1..]).into(), Some(userinfo.to_owned()))
        }
        _ => (url.into(), None),
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
    let text = absolute.split_once("://").map_or(url, |(_, rest)| rest);
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let path = &text[..end];
    if absolute.is_empty() && path.is_empty() { "/".into() } else { format!("{slash}{path}") }
}

/// Where a URL leads: `http://host:port`.
pub(crate) fn site_of(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once("://")?;
    let (authority, _) = split(url)?;
    let usual = if scheme == "https" { ":443" } else { ":80" };
    Some(format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(authority).to_ascii_lowercase()))
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

pub(crate) fn nanoseconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(seconds) = value.extract::<f64>() {
        if seconds.is_finite() && seconds > 0.0 {
            return Ok((seconds * 1e9).min(1e18) as u64);
        }
        return Err(PyValueError::new_err(format!("{name}: expected seconds above 0, got {value}")));
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
