//! The ready queue of the loop: callbacks that asyncio wants run soon, in order. It knows no sockets and no users.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::call::Call;

/// What `call_soon` returns.
#[pyclass(module = "loadgen._engine", frozen, freelist = 256)]
pub(crate) struct Handle {
    is_cancelled: AtomicBool,
}

#[pymethods]
impl Handle {
    fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }

    #[getter]
    fn _cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }
}

enum Entry {
    Own {
        callback: Py<PyAny>,
        arguments: Py<PyTuple>,
        context: Py<PyAny>,
        handle: Py<Handle>,
    },
    /// One of asyncio's handles, which runs itself.
    Foreign(Py<PyAny>),
    /// A greenlet that goes on, in a context of its own.
    Call(Py<Call>),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ready {
    queue: RefCell<VecDeque<Entry>>,
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    pub(crate) fn call_soon(
        &self,
        py: Python<'_>,
        callback: Py<PyAny>,
        arguments: Py<PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<Handle>> {
        let context = match context {
            Some(context) => context,
            // SAFETY: the interpreter is attached; the result is a new reference, or an error that is set.
            None => unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? }.unbind(),
        };
        let handle = Py::new(py, Handle { is_cancelled: AtomicBool::new(false) })?;
        let entry = Entry::Own { callback, arguments, context, handle: handle.clone_ref(py) };
        self.queue.borrow_mut().push_back(entry);
        Ok(handle)
    }

    pub(crate) fn push(&self, handle: Py<PyAny>) {
        self.queue.borrow_mut().push_back(Entry::Foreign(handle));
    }

    pub(crate) fn resume(&self, call: Py<Call>) {
        self.queue.borrow_mut().push_back(Entry::Call(call));
    }

    pub(crate) fn clear(&self) {
        // Taken out first: what is dropped may run code that asks for more.
        let taken = std::mem::take(&mut *self.queue.borrow_mut());
        drop(taken);
    }

    /// Runs what is in the queue now; what that adds waits for the next turn.
    pub(crate) fn run(&self, py: Python<'_>, owner: &Bound<'_, PyAny>) -> PyResult<()> {
        let count = self.queue.borrow().len();
        for _ in 0..count {
            let Some(entry) = self.queue.borrow_mut().pop_front() else { break };
            match entry {
                Entry::Own { callback, arguments, context, handle } => {
                    if handle.get().is_cancelled.load(Relaxed) {
                        continue;
                    }
                    if let Err(error) = call_in(py, &context, &callback, arguments.bind(py)) {
                        complain(py, owner, &callback, error)?;
                    }
                }
                Entry::Call(call) => {
                    if let Err(error) = Call::resume(call.bind(py)) {
                        complain(py, owner, call.get().waiting(), error)?;
                    }
                }
                Entry::Foreign(handle) => {
                    if !handle.getattr(py, pyo3::intern!(py, "_cancelled"))?.is_truthy(py)? {
                        owner.call_method1(pyo3::intern!(py, "_run_handle"), (handle,))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn call_in(py: Python<'_>, context: &Py<PyAny>, callback: &Py<PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
    // SAFETY: the context is one of Python's own, given by asyncio or copied by us, and it is left again below. The
    // arguments are a tuple that lives through the call.
    unsafe {
        if ffi::PyContext_Enter(context.as_ptr()) < 0 {
            return Err(PyErr::fetch(py));
        }
        let result = match arguments.len() {
            0 => ffi::PyObject_CallNoArgs(callback.as_ptr()),
            1 => ffi::PyObject_CallOneArg(callback.as_ptr(), ffi::PyTuple_GET_ITEM(arguments.as_ptr(), 0)),
            _ => ffi::PyObject_Call(callback.as_ptr(), arguments.as_ptr(), std::ptr::null_mut()),
        };
        // The error, if there is one, must survive leaving the context.
        let result = Bound::from_owned_ptr_or_err(py, result);
        ffi::PyContext_Exit(context.as_ptr());
        result.map(drop)
    }
}

/// An exception in a callback goes to the loop's handler of exceptions, except those that are to end the loop.
fn complain(py: Python<'_>, owner: &Bound<'_, PyAny>, callback: &Py<PyAny>, error: PyErr) -> PyResult<()> {
    if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Err(error);
    }
    let context = PyDict::new(py);
    context.set_item("message", format!("Exception in callback {}", callback.bind(py).repr()?))?;
    context.set_item("exception", error.into_value(py))?;
    owner.call_method1("call_exception_handler", (context,)).map(drop)
}
