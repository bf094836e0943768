//! Bodies that scripts give as files: opened here, read by the engine while they are sent.

use std::fs::File;
use std::path::PathBuf;

use loadgen_engine::upload::{Part, Upload};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::body::Body;
use crate::worker::duplicate;

/// What one request may hold in memory.
const MEMORY_BYTES: usize = 256_000_000;

/// A body, as a script describes it.
pub(crate) enum Content {
    Held(Vec<u8>),
    Streamed(Upload),
    Made(Py<Body>),
}

impl Content {
    /// Of bytes, text, a path, an open file, or several of them one behind the other; or what is made while it is sent.
    pub(crate) fn read(value: &Bound<'_, PyAny>, expects_continue: bool) -> PyResult<Self> {
        if let Ok(body) = value.cast::<Body>() {
            return Ok(Self::Made(body.clone().unbind()));
        }
        let several = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
        let parts = if several {
            value.try_iter()?.map(|one| part(&one?)).collect::<PyResult<Vec<_>>>()?
        } else {
            vec![part(value)?]
        };
        let held: usize = parts.iter().map(|part| if let Part::Bytes(bytes) = part { bytes.len() } else { 0 }).sum();
        if held > MEMORY_BYTES {
            let remedy = "give a file on a disk, open as binary, or its path";
            return Err(PyValueError::new_err(format!("a body in memory has at most 256 MB: {remedy}")));
        }
        Ok(Self::of(parts, expects_continue))
    }

    fn of(parts: Vec<Part>, expects_continue: bool) -> Self {
        let upload = Upload::new(parts, expects_continue);
        if upload.length() == Some(0) {
            return Self::Held(Vec::new());
        }
        if expects_continue {
            Self::Streamed(upload)
        } else {
            upload.into_bytes().map_or_else(Self::Streamed, Self::Held)
        }
    }

    /// The same of bytes that are there already.
    pub(crate) fn of_bytes(bytes: Vec<u8>, expects_continue: bool) -> Self {
        if expects_continue { Self::of(vec![Part::Bytes(bytes.into())], true) } else { Self::Held(bytes) }
    }
}

fn part(value: &Bound<'_, PyAny>) -> PyResult<Part> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Part::Bytes(text.to_str()?.as_bytes().into()));
    }
    if value.hasattr("__fspath__")? {
        let path: PathBuf = value.extract()?;
        let opened = File::open(&path).and_then(|file| Part::of_file(file, 0));
        return opened.map_err(|error| PyValueError::new_err(format!("{}: {error}", path.display())));
    }
    if value.hasattr("read")? {
        return file(value);
    }
    let bytes: Result<Vec<u8>, _> = value.extract();
    bytes.map(|bytes| Part::Bytes(bytes.into())).map_err(|_| {
        let kind = value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!(
            "content: expected bytes, text, a path, an open file, a list of them, or a generator, got {kind}"
        ))
    })
}

/// An open file, from where it stands, and it stays there: what is tried again is the same again.
fn file(value: &Bound<'_, PyAny>) -> PyResult<Part> {
    // What a temporary file with a name is wrapped around.
    let value = &value.getattr("file").unwrap_or_else(|_| value.clone());
    let at = value.call_method0("tell").ok();
    if let Some(at) = &at
        && is_on_disk(value)?
    {
        value.call_method0("flush")?;
        let opened = File::from(duplicate(value.call_method0("fileno")?.extract()?)?);
        if opened.metadata()?.is_file() {
            return Ok(Part::of_file(opened, at.extract()?)?);
        }
    }
    let content = value.call_method1("read", (MEMORY_BYTES + 1,))?;
    if let Some(at) = at {
        value.call_method1("seek", (at,))?;
    }
    match content.cast::<PyString>() {
        Ok(text) => Ok(Part::Bytes(text.to_str()?.as_bytes().into())),
        Err(_) => Ok(Part::Bytes(content.extract::<Vec<u8>>()?.into())),
    }
}

/// Whether reading it is reading its descriptor, which is not so of what unpacks, for one.
fn is_on_disk(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let io = value.py().import("io")?;
    let raw = io.getattr("FileIO")?;
    let buffered =
        value.is_instance(&io.getattr("BufferedReader")?)? || value.is_instance(&io.getattr("BufferedRandom")?)?;
    if buffered { value.getattr("raw")?.is_instance(&raw) } else { value.is_instance(&raw) }
}
