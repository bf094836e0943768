//! Requests on their way: given to the courier, and what comes of them handed to those who wait.

use loadgen_engine::clock::now_ns;
use loadgen_engine::courier::Parcel;
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::pool::Sending;
use loadgen_engine::reactor::Slot;
use pyo3::prelude::*;

use super::names::unsent;
use super::{Core, Engine};
use crate::body::{BROKEN, Body};
use crate::cookies::Cookies;
use crate::pending::Pending;
use crate::request::Prepared;
use crate::response::Response;
use crate::stream::{Stream, Taken};
use crate::waiters::{Recipient, Recorded, Waiter};

impl Core {
    /// Hands what has come of streamed responses to those who take them.
    #[cold]
    pub(super) fn hand_on(&mut self, py: Python<'_>) {
        for piece in std::mem::take(&mut self.courier.client.pieces) {
            let token = piece.token;
            let Some(stream) = self.waiters.stream(token) else { continue };
            let came_of_it = stream.get().take_in(piece);
            if !self.roused.last().is_some_and(|last| last.is(stream)) {
                self.roused.push(stream.clone_ref(py));
            }
            match came_of_it {
                Taken::Well => {}
                Taken::Full => self.courier.client.hold(token),
                Taken::Unwanted => self.courier.client.leave(token, now_ns(), Ok(())),
            }
        }
    }

    /// A script has taken what there was of a stream.
    pub(crate) fn release(&mut self, stream: &Bound<'_, Stream>) {
        let token = stream.get().token();
        if self.waiters.stream(token).is_some_and(|other| other.is(stream)) {
            self.courier.client.release(token);
        }
    }

    /// A script wants no more of a stream, or cannot take it.
    pub(crate) fn leave(&mut self, stream: &Bound<'_, Stream>, why: Result<(), ErrorKind>) {
        let token = stream.get().token();
        // Once it has ended its token may be somebody else's.
        if self.waiters.stream(token).is_some_and(|other| other.is(stream)) {
            self.courier.client.leave(token, now_ns(), why);
        }
    }

    /// Finds those whose bodies are wanted further. One that cannot be made to its end takes its request with it.
    #[cold]
    pub(super) fn ask_on(&mut self, py: Python<'_>) -> Vec<Py<Body>> {
        let mut asked = Vec::new();
        for (slot, token) in std::mem::take(&mut self.courier.client.hungry) {
            let Some(body) = self.waiters.body(token) else { continue };
            if body.get().ask(slot, token) {
                asked.push(body.clone_ref(py));
            } else {
                self.courier.client.break_off(slot, token, BROKEN);
            }
        }
        asked
    }

    /// There is more of a body.
    pub(crate) fn feed(&mut self, slot: Slot) {
        self.courier.client.feed(slot);
    }

    /// There will be no more of a body.
    pub(crate) fn break_off(&mut self, slot: Slot, token: u64) {
        self.courier.client.break_off(slot, token, BROKEN);
    }

    /// Who waited, and the response.
    pub(super) fn deliver(&mut self, py: Python<'_>, outcome: &Outcome) -> Option<(Waiter, Response)> {
        let Some(waiter) = self.waiters.take(outcome) else {
            self.recorder.finished(outcome.label, outcome);
            return None;
        };
        let whole = waiter.before.as_ref().map_or(*outcome, |before| going_on(before, outcome));
        let pending = if waiter.recorded.waits(outcome.end) {
            self.pending.add(whole)
        } else {
            self.recorder.finished(whole.label, &whole);
            Pending::NONE
        };
        let answer = self.courier.client.answer();
        let url = waiter.url.clone_ref(py);
        let response = Response::new(py, outcome, answer, waiter.method, url).pending(pending, &whole);
        Some((waiter, response))
    }

    /// A request that is not sent, and failed.
    pub(crate) fn refuse(&mut self, label: &str, kind: ErrorKind) -> PyResult<Outcome> {
        let label = self.request_label(label)?;
        let outcome = unsent(label, now_ns(), End::Error(kind));
        self.recorder.begun(label);
        self.recorder.finished(label, &outcome);
        Ok(outcome)
    }
}

impl Engine {
    /// Sends a request of a user's, or lets it wait for a connection.
    pub(crate) fn submit<'py>(
        &self,
        py: Python<'py>,
        user: usize,
        prepared: &Prepared,
        timeout_ns: Option<u64>,
        cookies: &Py<Cookies>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = self.new_future(py)?;
        let recipient = Recipient::Future(future.clone().unbind());
        self.submit_as(py, recipient, user, prepared, timeout_ns, cookies, Recorded::AtOnce, None)?;
        Ok(future)
    }

    /// The same, with when it is recorded, and what it goes on with.
    #[expect(clippy::too_many_arguments, reason = "it is all that is to be known of it")]
    pub(crate) fn submit_as(
        &self,
        py: Python<'_>,
        recipient: Recipient,
        user: usize,
        prepared: &Prepared,
        timeout_ns: Option<u64>,
        cookies: &Py<Cookies>,
        recorded: Recorded,
        before: Option<Box<Outcome>>,
    ) -> PyResult<()> {
        let stream = match &recipient {
            Recipient::Stream(stream) => Some((stream.clone_ref(py), self.new_future(py)?.unbind())),
            _ => None,
        };
        let mut core = self.core()?;
        let continues = before.is_some();
        let label = before.as_ref().map_or(prepared.label, |before| before.label);
        let waiter = Waiter {
            recorded,
            before,
            recipient,
            method: prepared.method,
            url: prepared.url.clone_ref(py),
            cookies: (stream.is_none() && core.requests.keeps_cookies).then(|| cookies.clone_ref(py)),
            body: prepared.maker.as_ref().map(|maker| maker.clone_ref(py)),
        };
        let token = core.waiters.add(waiter);
        let now = now_ns();
        let due_ns = if continues { now } else { core.due_ns(user, now) };
        let timeout_ns = timeout_ns.unwrap_or(core.timeout_ns);
        let (mut idle_ns, streams) = (timeout_ns, stream.is_some());
        if let Some((stream, head)) = stream {
            stream.get().begin(token, head);
            if let Some(own_ns) = stream.get().idle_ns() {
                idle_ns = own_ns;
                core.courier.client.mind(own_ns);
            }
        }
        let sending = Sending {
            due_ns,
            timeout_ns,
            idle_ns,
            label,
            token,
            is_head: prepared.is_head,
            keeps: !streams,
            only_head: false,
            streams,
            is_second: false,
            owner: core.owner(user),
        };
        let parcel = Parcel {
            origin: prepared.origin,
            request: prepared.bytes.clone(),
            upload: prepared.upload.clone(),
            sending,
            asked_ns: now,
            continues,
        };
        let Core { courier, recorder, .. } = &mut *core;
        courier.submit(recorder, parcel, now);
        core.native_ns += now_ns() - now;
        Ok(())
    }

    pub(super) fn answer(&self, py: Python<'_>, waiter: Waiter, response: Response) -> PyResult<()> {
        if let Some(cookies) = &waiter.cookies {
            response.give_cookies(py, cookies.get());
        }
        match waiter.recipient {
            Recipient::Future(future) => Self::resolve(py, &future, Bound::new(py, response)?.into_any()),
            Recipient::Call(call) => {
                call.get().answer(py, Py::new(py, response)?);
                self.ready.resume(call);
                Ok(())
            }
            Recipient::Stream(stream) => stream.get().end(py, response),
        }
    }
}

/// A request that was sent on, with what it was sent on to: one, from when the first was due to the last's end.
fn going_on(before: &Outcome, last: &Outcome) -> Outcome {
    Outcome {
        due_ns: before.due_ns,
        sent_ns: before.sent_ns,
        label: before.label,
        bytes_sent: before.bytes_sent + last.bytes_sent,
        bytes_received: before.bytes_received + last.bytes_received,
        ..*last
    }
}
