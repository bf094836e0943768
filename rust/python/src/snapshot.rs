//! What the blocks hold, and the distributions in it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loadgen_engine::record::block::{Kind, Role};
use loadgen_engine::record::histogram::Histogram as Distribution;
use loadgen_engine::record::snapshot::{Label, Part, Snapshot as Sums};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;

use crate::block::Block;

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Snapshot {
    sums: Sums,
    total: Label,
}

impl Snapshot {
    pub(crate) fn new(sums: Sums) -> Self {
        Self { total: sums.total(), sums }
    }

    fn label(&self, name: &str) -> PyResult<Part<'_>> {
        self.sums.label(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }
}

#[pymethods]
impl Snapshot {
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "what pyo3 makes of a sequence")]
    fn read(blocks: Vec<PyRef<'_, Block>>) -> PyResult<Self> {
        let memory = blocks.iter().map(|block| block.memory()).collect::<PyResult<Vec<_>>>()?;
        Ok(Self::new(Sums::read(memory)))
    }

    #[getter]
    fn taken_at_ns(&self) -> u64 {
        self.sums.taken_at_ns
    }

    fn since(&self, earlier: &Self) -> Self {
        Self::new(self.sums.since(&earlier.sums))
    }

    #[getter]
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.sums.counters()
    }

    #[getter]
    fn statuses(&self) -> BTreeMap<u16, u64> {
        self.total.statuses.clone()
    }

    #[getter]
    fn errors(&self) -> BTreeMap<&'static str, u64> {
        self.total.errors.clone()
    }

    #[getter]
    fn labels(&self) -> Vec<&str> {
        self.sums.labels().collect()
    }

    fn label_counters(&self, label: &str) -> PyResult<BTreeMap<&'static str, u64>> {
        Ok(self.label(label)?.counters())
    }

    fn label_statuses(&self, label: &str) -> PyResult<BTreeMap<u16, u64>> {
        Ok(self.label(label)?.statuses())
    }

    fn label_errors(&self, label: &str) -> PyResult<BTreeMap<&'static str, u64>> {
        Ok(self.label(label)?.errors())
    }

    #[pyo3(signature = (kind, label = None))]
    fn histogram(&self, kind: &str, label: Option<&str>) -> PyResult<Histogram> {
        let kind = kind_named(kind)?;
        let distribution = match label {
            None => self.total.histogram(kind).clone(),
            Some(name) => self.label(name)?.histogram(kind),
        };
        Ok(Histogram { distribution })
    }

    fn role(&self, label: &str) -> PyResult<&'static str> {
        Ok(self.label(label)?.role().name())
    }

    fn role_counters(&self, role: &str) -> PyResult<BTreeMap<&'static str, u64>> {
        Ok(self.sums.of_role(role_named(role)?).counters.clone())
    }

    fn role_histogram(&self, role: &str, kind: &str) -> PyResult<Histogram> {
        let distribution = self.sums.of_role(role_named(role)?).histogram(kind_named(kind)?).clone();
        Ok(Histogram { distribution })
    }

    #[getter]
    fn tallies(&self) -> Vec<(&'static str, &str, f64, f64, f64, f64)> {
        self.sums.tallies().map(|(kind, name, [a, b, c, d])| (kind.name(), name, a, b, c, d)).collect()
    }
}

fn kind_named(name: &str) -> PyResult<Kind> {
    let found = Kind::ALL.into_iter().find(|known| known.name() == name);
    found.ok_or_else(|| PyValueError::new_err(format!("no such kind of latency: {name}")))
}

fn role_named(name: &str) -> PyResult<Role> {
    let found = Role::ALL.into_iter().find(|known| known.name() == name);
    found.ok_or_else(|| PyValueError::new_err(format!("no such role: {name}")))
}

#[pyclass(module = "loadgen._engine", frozen)]
pub(crate) struct Histogram {
    distribution: Distribution,
}

#[pymethods]
impl Histogram {
    #[getter]
    fn count(&self) -> u64 {
        self.distribution.count
    }

    #[getter]
    fn infinite(&self) -> u64 {
        self.distribution.infinite
    }

    #[getter]
    fn overflow(&self) -> u64 {
        self.distribution.overflow
    }

    #[getter]
    fn mean_ns(&self) -> Option<f64> {
        self.distribution.mean()
    }

    #[getter]
    fn stddev_ns(&self) -> Option<f64> {
        self.distribution.stddev()
    }

    #[getter]
    fn min_ns(&self) -> Option<u64> {
        self.distribution.min()
    }

    #[getter]
    fn max_ns(&self) -> Option<u64> {
        self.distribution.max()
    }

    fn percentile(&self, percent: f64) -> PyResult<Option<f64>> {
        if (0.0..=100.0).contains(&percent) {
            Ok(self.distribution.percentile(percent))
        } else {
            Err(PyValueError::new_err("a percentile lies between 0 and 100"))
        }
    }

    fn count_above(&self, ns: u64) -> u64 {
        self.distribution.count_above(ns)
    }

    fn encode(&self) -> String {
        STANDARD.encode(self.distribution.encode())
    }

    fn buckets(&self) -> Vec<(u64, u64, u64)> {
        self.distribution.buckets().collect()
    }
}
