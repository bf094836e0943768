//! Values in JSON documents that scripts ask for by their paths.

use loadgen_engine::crowd::path::Path;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The text of a value in a JSON document, such as the one at `data.id`; None where there is none.
#[pyfunction]
pub(crate) fn json_at(path: &str, document: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let known = Path::parse(path);
    let known = known.ok_or_else(|| PyValueError::new_err(format!("expected a path such as data.id, got {path:?}")))?;
    let document = match document.cast::<PyString>() {
        Ok(text) => text.to_str()?.as_bytes(),
        Err(_) => document.cast::<PyBytes>()?.as_bytes(),
    };
    Ok(known.find(document).map(str::to_owned))
}
