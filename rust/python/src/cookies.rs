//! `user.cookies`: the jar of one user. A request of a user who has none costs one look at a flag.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use loadgen_engine::http::cookies::{Cookie, Jar, Page, write_pair};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

#[pyclass(module = "loadgen._engine", frozen, mapping)]
pub(crate) struct Cookies {
    /// Where a cookie goes that a script sets without a domain: the host of the base.
    home: Arc<str>,
    may_have_any: AtomicBool,
    jar: Mutex<Jar>,
}

impl Cookies {
    pub(crate) fn new(home: Arc<str>) -> Self {
        Self { home, may_have_any: AtomicBool::new(false), jar: Mutex::default() }
    }

    #[inline]
    pub(crate) fn may_have_any(&self) -> bool {
        self.may_have_any.load(Relaxed)
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of the `Cookie` header of a request: what it gives itself, and what the jar has for it.
    pub(crate) fn line(&self, url: &str, given: &[(String, String)]) -> String {
        let mut line = String::new();
        for (name, value) in given {
            write_pair(&mut line, name, value);
        }
        if self.may_have_any()
            && let Some(page) = Page::of(url)
        {
            self.jar().write(page, now_s(), given, &mut line);
        }
        line
    }

    /// Takes what a response sets, as far as it may.
    pub(crate) fn take(&self, url: &str, lines: &[String]) {
        let Some(page) = Page::of(url) else { return };
        let mut jar = self.jar();
        for line in lines {
            let _ = jar.take(page, line, now_s());
        }
        self.may_have_any.store(!jar.is_empty(), Relaxed);
    }

    fn found(&self, name: &str, domain: Option<&str>, path: Option<&str>) -> Option<String> {
        let is_meant = meant(Some(name), domain, path);
        // The newest, where several hosts have one of this name.
        self.jar().iter(now_s()).filter(|cookie| is_meant(cookie)).last().map(|cookie| cookie.value.clone())
    }

    fn remove(&self, name: Option<&str>, domain: Option<&str>, path: Option<&str>) -> usize {
        let mut jar = self.jar();
        let removed = jar.remove(meant(name, domain, path));
        self.may_have_any.store(!jar.is_empty(), Relaxed);
        removed
    }

    fn pairs(&self) -> Vec<(String, String)> {
        self.jar().iter(now_s()).map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect()
    }
}

#[pymethods]
impl Cookies {
    /// Without a domain: for the host of the base.
    #[pyo3(signature = (name, value, domain = "", path = "/"))]
    fn set(&self, name: &str, value: &str, domain: &str, path: &str) -> PyResult<()> {
        let host_only = domain.is_empty();
        let domain = if host_only { &self.home } else { domain.strip_prefix('.').unwrap_or(domain) };
        if domain.is_empty() {
            return Err(PyValueError::new_err(format!("cookie {name:?}: there is no base URL, so give domain=")));
        }
        let cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: domain.to_ascii_lowercase(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            host_only,
            secure: false,
            expires_s: None,
        };
        let put = self.jar().put(cookie, now_s());
        put.map_err(|why| PyValueError::new_err(format!("cookie {name:?} cannot be set: {why}")))?;
        self.may_have_any.store(true, Relaxed);
        Ok(())
    }

    #[pyo3(signature = (name, default = None, domain = None, path = None))]
    fn get(&self, name: &str, default: Option<String>, domain: Option<&str>, path: Option<&str>) -> Option<String> {
        self.found(name, domain, path).or(default)
    }

    #[pyo3(signature = (name, domain = None, path = None))]
    fn delete(&self, name: &str, domain: Option<&str>, path: Option<&str>) -> PyResult<()> {
        match self.remove(Some(name), domain, path) {
            0 => Err(PyKeyError::new_err(name.to_owned())),
            _ => Ok(()),
        }
    }

    #[pyo3(signature = (domain = None, path = None))]
    fn clear(&self, domain: Option<&str>, path: Option<&str>) {
        self.remove(None, domain, path);
    }

    fn keys(&self) -> Vec<String> {
        self.pairs().into_iter().map(|(name, _)| name).collect()
    }

    fn items(&self) -> Vec<(String, String)> {
        self.pairs()
    }

    fn __getitem__(&self, name: &str) -> PyResult<String> {
        self.found(name, None, None).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __setitem__(&self, name: &str, value: &str) -> PyResult<()> {
        self.set(name, value, "", "/")
    }

    fn __delitem__(&self, name: &str) -> PyResult<()> {
        self.delete(name, None, None)
    }

    fn __contains__(&self, name: &str) -> bool {
        self.found(name, None, None).is_some()
    }

    fn __len__(&self) -> usize {
        self.jar().iter(now_s()).count()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.keys())?.try_iter()
    }

    /// Names alone: values open doors.
    fn __repr__(&self) -> String {
        format!("<Cookies {}>", self.keys().join(", "))
    }
}

fn meant<'a>(name: Option<&'a str>, domain: Option<&'a str>, path: Option<&'a str>) -> impl Fn(&Cookie) -> bool + 'a {
    move |cookie| {
        name.is_none_or(|name| cookie.name == name)
            && domain.is_none_or(|domain| cookie.domain.eq_ignore_ascii_case(domain))
            && path.is_none_or(|path| cookie.path == path)
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
