//! The names that a script counts under: labels of requests and blocks, tallies of checks and values.

use loadgen_engine::clock::now_ns;
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::record::block::{Kind, Role, TallyKind, Word};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{Core, Engine};
use crate::refused;

/// Where labels that find no room are counted.
const OTHER: &str = "(other)";

impl Core {
    /// The slot of a label. Where all are in use requests and operations share one, and the rest have none.
    pub(crate) fn label(&mut self, role: Role, name: &str) -> Option<usize> {
        if let Some(&label) = self.labels[role as usize].get(name) {
            return Some(label);
        }
        // The last one is for all that find no room. Names that find none are not kept either: they may be endless.
        if self.recorder.labels_left() <= 1 && name != OTHER {
            if !self.labels_full {
                self.labels_full = true;
                self.tell_of_labels();
            }
            return if role.counts() { self.label(Role::Request, OTHER) } else { None };
        }
        let taken = self.labels.iter().any(|labels| labels.contains_key(name));
        let label = if taken {
            self.recorder.label(&format!("{name} ({})", role.name()), role)
        } else {
            self.recorder.label(name, role)
        };
        self.labels[role as usize].insert(name.to_owned(), label);
        Some(label)
    }

    fn tell_of_labels(&mut self) {
        if let Some(control) = &mut self.control {
            let text = "too many labels, the rest are counted as (other): give path={...} or name=";
            let _ = control.report(&format!(r#"event {{"kind":"labels_full","text":"{text}"}}"#));
        }
    }

    /// The label of a request: before the load there is none to belong to.
    pub(crate) fn request_label(&mut self, name: &str) -> PyResult<usize> {
        let has_begun = self.has_begun();
        let label = if has_begun {
            self.label(Role::Request, name)
        } else {
            self.label(Role::Group, &format!("before the load: {name}"))
        };
        let label = label.ok_or_else(|| refused("there are too many labels"))?;
        // They belong to no request: the one that is asked for next stands for them.
        for dns_ns in self.lookups_ns.drain(..if has_begun { self.lookups_ns.len() } else { 0 }) {
            self.recorder.sample(label, Kind::Dns, dns_ns);
        }
        Ok(label)
    }

    /// What a script says of a request that it made with a client of its own.
    pub(crate) fn foreign_ended(&mut self, name: &str, now: u64, took_ns: u64, bytes: u64, ok: bool) {
        let role = if self.has_begun() { Role::Operation } else { Role::Group };
        let Some(label) = self.label(role, name) else { return };
        let begun_ns = now.saturating_sub(took_ns);
        self.recorder.begun(label);
        self.recorder.sample(label, Kind::Lateness, 0);
        self.recorder.sample(label, Kind::Dispatch, 0);
        self.recorder.received(label, bytes);
        if ok {
            self.recorder.ended_well(label, begun_ns, begun_ns, now);
        } else {
            self.recorder.ended_ill(label, begun_ns, now);
        }
    }

    pub(crate) fn tally(&mut self, kind: TallyKind, name: &str) -> Option<usize> {
        if let Some(&tally) = self.tallies[kind as usize].get(name) {
            return Some(tally);
        }
        let tally = self.recorder.tally(kind, name)?;
        self.tallies[kind as usize].insert(name.to_owned(), tally);
        Some(tally)
    }
}

#[pymethods]
impl Engine {
    /// A block of a script ended: well, not, or (`None`) not at all. `is_group`: requests of our own were made in it.
    /// `ended_ns`, `error`: when that was, and of what kind its failure, where that is known.
    #[pyo3(signature = (place, name, begun_ns, is_group, ok, ended_ns = None, error = None))]
    #[expect(clippy::too_many_arguments, reason = "it is all that is to be known of it")]
    fn operation(
        &self,
        place: usize,
        name: &str,
        begun_ns: u64,
        is_group: bool,
        ok: Option<bool>,
        ended_ns: Option<u64>,
        error: Option<&str>,
    ) -> PyResult<()> {
        let how = how_ended(ok, error)?;
        let mut core = self.core()?;
        let now = ended_ns.unwrap_or_else(now_ns);
        let role = if is_group || !core.has_begun() { Role::Group } else { Role::Operation };
        let Some(label) = core.label(role, name) else { return Ok(()) };
        let due_ns = if is_group { begun_ns } else { core.due_ns(place, begun_ns) };
        let recorder = &core.recorder;
        recorder.begun(label);
        recorder.sample(label, Kind::Lateness, begun_ns - due_ns);
        if !is_group {
            recorder.sample(label, Kind::Dispatch, begun_ns - due_ns);
        }
        match how {
            Some(Ok(())) => recorder.ended_well(label, due_ns, begun_ns, now),
            Some(Err(kind)) => recorder.finished(label, &unsent(label, now, End::Error(kind))),
            None => recorder.unfinished(label, 1),
        }
        Ok(())
    }

    fn check(&self, name: &str, passed: bool) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Check, name) {
            core.recorder.tally_add(tally, usize::from(!passed), 1.0);
        }
        Ok(())
    }

    fn counter(&self, name: &str, amount: f64) -> PyResult<()> {
        check_finite("counter", name, amount)?;
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Counter, name) {
            core.recorder.tally_add(tally, 0, amount);
            core.recorder.tally_add(tally, 1, 1.0);
        }
        Ok(())
    }

    fn rate(&self, name: &str, is_true: bool) -> PyResult<()> {
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Rate, name) {
            core.recorder.tally_add(tally, usize::from(!is_true), 1.0);
        }
        Ok(())
    }

    fn gauge(&self, name: &str, value: f64) -> PyResult<()> {
        check_finite("gauge", name, value)?;
        let mut core = self.core()?;
        if let Some(tally) = core.tally(TallyKind::Gauge, name) {
            core.recorder.tally_gauge(tally, value);
        }
        Ok(())
    }

    fn trend(&self, name: &str, value: f64) -> PyResult<()> {
        if !(0.0..1e12).contains(&value) {
            return Err(PyValueError::new_err(format!("trend {name:?}: expected a value from 0 to 1e12, got {value}")));
        }
        let mut core = self.core()?;
        if let Some(label) = core.label(Role::Trend, name) {
            core.recorder.sample(label, Kind::Response, (value * 1e6) as u64);
        }
        Ok(())
    }

    /// Adds to what policies count: "attempts" or "retries".
    fn count(&self, what: &str, amount: u64) -> PyResult<()> {
        let word = match what {
            "attempts" => Word::Attempts,
            "retries" => Word::Retries,
            _ => return Err(PyValueError::new_err(format!("nothing is counted as {what:?}"))),
        };
        self.core()?.recorder.add(word, amount);
        Ok(())
    }
}

/// A failure is the script's, unless its kind is known.
pub(super) fn how_ended(ok: Option<bool>, error: Option<&str>) -> PyResult<Option<Result<(), ErrorKind>>> {
    let kind = error.map_or(Ok(ErrorKind::ScriptError), kind_named)?;
    Ok(ok.map(|ok| if ok { Ok(()) } else { Err(kind) }))
}

/// The kinds of errors, by their names.
pub(crate) fn kind_named(name: &str) -> PyResult<ErrorKind> {
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| PyValueError::new_err(format!("no such kind of error: {name}")))
}

/// The outcome of what moved no bytes: only how it ended counts.
pub(super) fn unsent(label: usize, now: u64, end: End) -> Outcome {
    Outcome {
        due_ns: now,
        sent_ns: now,
        first_byte_ns: now,
        done_ns: now,
        label,
        token: 0,
        bytes_sent: 0,
        bytes_received: 0,
        end,
    }
}

/// Beyond the finite there are no sums, and no JSON.
fn check_finite(kind: &str, name: &str, value: f64) -> PyResult<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("{kind} {name:?}: expected a finite number, got {value}")))
}
