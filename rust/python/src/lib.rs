//! The binding `loadgen._engine`: the engine and the target as Python sees them. The only crate that knows pyo3, and
//! it decides nothing: it translates. The shape is fixed in `python/loadgen/_engine.pyi`.

mod block;
mod body;
mod call;
mod client;
mod cookies;
mod engine;
mod json;
mod pending;
mod prepared;
mod proxy;
mod ready;
mod request;
mod response;
mod schedule;
mod snapshot;
mod socket;
mod socket_news;
mod sockets;
mod stream;
mod target;
mod upload;
mod waiters;
mod worker;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    _engine,
    EngineError,
    PyException,
    "The engine refused what it was given, or met what it cannot mend."
);

/// Whatever the engine says, as the one exception that Python knows.
fn refused(error: impl std::fmt::Display) -> PyErr {
    EngineError::new_err(error.to_string())
}

#[pymodule(gil_used = true)]
mod _engine {
    #[pymodule_export]
    use super::EngineError;
    #[pymodule_export]
    use super::block::Block;
    #[pymodule_export]
    use super::body::{Body, is_made};
    #[pymodule_export]
    use super::call::Call;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::cookies::Cookies;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::json::json_at;
    #[pymodule_export]
    use super::prepared::Request;
    #[pymodule_export]
    use super::proxy::leaves_out;
    #[pymodule_export]
    use super::response::Response;
    #[pymodule_export]
    use super::schedule::Schedule;
    #[pymodule_export]
    use super::snapshot::{Histogram, Snapshot};
    #[pymodule_export]
    use super::socket::Socket;
    #[pymodule_export]
    use super::stream::{Event, Stream};
    #[pymodule_export]
    use super::target::serve_target;
    #[pymodule_export]
    use super::worker::{monotonic_ns, run_worker};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("HAS_HTTP3", cfg!(feature = "http3"))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
