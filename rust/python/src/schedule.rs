//! The arrivals of an open plan.

use loadgen_engine::plan::{Load, Plan};
use loadgen_engine::schedule::{Arrivals as List, Schedule as Function};
use pyo3::prelude::*;

use crate::refused;

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Schedule {
    function: Function,
}

#[pymethods]
impl Schedule {
    #[new]
    fn new(plan: &[u8]) -> PyResult<Self> {
        let plan = Plan::read(plan).map_err(refused)?;
        let function = Function::of(&plan.load).ok_or_else(|| refused("plan: the closed model has no schedule"))?;
        Ok(Self { function })
    }

    #[getter]
    fn total(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.function.total())
    }

    #[getter]
    fn duration_ns(&self) -> u64 {
        self.function.duration_ns()
    }

    fn count_before(&self, py: Python<'_>, ns: u64) -> u64 {
        py.detach(|| self.function.count_before(ns))
    }

    fn rate_at(&self, ns: u64) -> f64 {
        self.function.rate_at(ns)
    }

    /// The same up to an instant, and from there on those of an open load, which is laid from the start of the run.
    fn changed(&self, at_ns: u64, load: &[u8]) -> PyResult<Self> {
        let Load::Open { stages, .. } = Load::read(load).map_err(refused)? else {
            return Err(refused("load: the closed model has no schedule"));
        };
        let mut function = self.function.clone();
        function.change(at_ns, &stages);
        Ok(Self { function })
    }

    #[pyo3(signature = (worker = 0, workers = 1))]
    fn arrivals(&self, worker: u64, workers: u64) -> PyResult<Arrivals> {
        if worker >= workers {
            return Err(refused("arrivals: expected a worker below the number of workers"));
        }
        Ok(Arrivals { list: self.function.arrivals(worker, workers) })
    }
}

#[pyclass(module = "loadgen._engine")]
struct Arrivals {
    list: List,
}

#[pymethods]
impl Arrivals {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<(u64, u64)> {
        self.list.next().map(|tick| (tick.number, tick.due_ns))
    }
}
