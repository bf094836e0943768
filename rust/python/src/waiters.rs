//! Who waits for which answer. It knows neither connections nor what an answer says.

use loadgen_engine::outcome::{End, Outcome};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::body::Body;
use crate::call::Call;
use crate::cookies::Cookies;
use crate::stream::Stream;

/// When the end of a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// As soon as it has ended.
    AtOnce,
    /// Likewise, unless it was redirected: then with what follows.
    UnlessRedirected,
    /// When the script says what it makes of it.
    Later,
}

impl Recorded {
    pub(crate) fn waits(self, end: End) -> bool {
        match self {
            Self::AtOnce => false,
            Self::UnlessRedirected => matches!(end, End::Response(301 | 302 | 303 | 307 | 308)),
            Self::Later => true,
        }
    }
}

/// Whom an answer is given to.
pub(crate) enum Recipient {
    /// Code that awaits a future of it.
    Future(Py<PyAny>),
    /// Code that blocks.
    Call(Py<Call>),
    /// Who takes it while it comes.
    Stream(Py<Stream>),
}

/// Who waits for an answer.
pub(crate) struct Waiter {
    pub(crate) recipient: Recipient,
    pub(crate) method: &'static str,
    pub(crate) url: Py<PyString>,
    /// Where cookies of the answer go, if they are kept.
    pub(crate) cookies: Option<Py<Cookies>>,
    /// Who makes the body of the request while it is sent.
    pub(crate) body: Option<Py<Body>>,
    pub(crate) recorded: Recorded,
    /// What it goes on with: how the request ended that was sent on.
    pub(crate) before: Option<Box<Outcome>>,
}

impl Waiter {
    /// For the collector: who waits is often held by what waits.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.recipient {
            Recipient::Future(future) => visit.call(future)?,
            Recipient::Call(call) => visit.call(call)?,
            Recipient::Stream(stream) => visit.call(stream)?,
        }
        visit.call(&self.cookies)?;
        visit.call(&self.body)
    }
}

/// Waiters, by the token of their request.
#[derive(Default)]
pub(crate) struct Waiters {
    places: Vec<Option<Waiter>>,
    free: Vec<usize>,
    /// Those that gave up. What they hold may run code of the script's when it goes, so their owner says when.
    pub(crate) gone: Vec<Waiter>,
}

impl Waiters {
    /// The token of one more.
    pub(crate) fn add(&mut self, waiter: Waiter) -> u64 {
        let place = self.free.pop().unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push(Some(waiter));
        } else {
            self.places[place] = Some(waiter);
        }
        place as u64
    }

    /// Who waited for this outcome, and waits no more.
    pub(crate) fn take(&mut self, outcome: &Outcome) -> Option<Waiter> {
        let place = outcome.token as usize;
        let waiter = self.places.get_mut(place)?.take()?;
        if let Some(body) = &waiter.body {
            body.get().close();
        }
        self.free.push(place);
        Some(waiter)
    }

    /// Who takes the answer to a request while it comes.
    pub(crate) fn stream(&self, token: u64) -> Option<&Py<Stream>> {
        match &self.places.get(token as usize)?.as_ref()?.recipient {
            Recipient::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// Who makes the body of a request while it is sent.
    pub(crate) fn body(&self, token: u64) -> Option<&Py<Body>> {
        self.places.get(token as usize)?.as_ref()?.body.as_ref()
    }

    /// Everybody who waits. Their tokens are given to nobody else: answers to them may yet come.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Waiter> {
        self.places.iter().flatten().chain(&self.gone)
    }

    /// The same, who then wait no more.
    pub(crate) fn take_all(&mut self) -> Vec<Waiter> {
        self.places.iter_mut().filter_map(Option::take).chain(self.gone.drain(..)).collect()
    }

    /// Whether somebody still wants the answer to a request that was not sent yet; if not, its token is free.
    pub(crate) fn wants(&mut self, py: Python<'_>, token: u64) -> bool {
        let place = token as usize;
        let Some(waiter) = &self.places[place] else { return true };
        let is_gone = match &waiter.recipient {
            Recipient::Future(future) => is_cancelled(py, future),
            Recipient::Call(call) => call.get().is_given_up(),
            Recipient::Stream(stream) => stream.get().head(py).is_some_and(|head| is_cancelled(py, &head)),
        };
        if !is_gone {
            return true;
        }
        self.gone.extend(self.places[place].take());
        self.free.push(place);
        false
    }
}

fn is_cancelled(py: Python<'_>, future: &Py<PyAny>) -> bool {
    let cancelled = future.bind(py).call_method0(intern!(py, "cancelled"));
    cancelled.is_ok_and(|cancelled| cancelled.is_truthy().unwrap_or(false))
}
