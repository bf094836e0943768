//! The requests on a connection, each on a stream of its own, whatever protocol carries them. Where they are in a list
//! is their place, until one of them ends.

use super::exchange::Exchange;
use super::{Ended, Failure};
use crate::outcome::ErrorKind;
use crate::streamed::Piece;

/// What carries one request.
pub(crate) trait Carrier {
    /// What it carries.
    fn exchange(&self) -> &Exchange;

    /// The same, to be changed.
    fn exchange_mut(&mut self) -> &mut Exchange;

    /// Reads as far as the bytes go: the status when the response is complete, `None` before.
    fn advance(&mut self, body_limit: u64) -> Option<Result<u16, Failure>>;

    /// Sends the next piece of its body, if there is one and the peer takes any now. Whether it did; who is to make that
    /// piece is asked for it by `hungry`.
    fn upload(&mut self, now: u64, hungry: &mut Vec<u64>) -> Result<bool, ErrorKind>;

    /// What has come was taken, by somebody who could not take more before or could.
    fn go_on(&mut self, was_held: bool);

    /// Gives up what is not complete.
    fn close(self) -> Exchange;
}

/// See the module.
pub(crate) struct InFlight<C> {
    carriers: Vec<C>,
    /// Largest body of a response.
    body_limit: u64,
    /// How many have bodies that are read while they are sent.
    uploads: usize,
    /// The tokens of requests that wait for the next piece of a body that is still being made; the owner takes them.
    hungry: Vec<u64>,
    /// What came of responses that are streamed; the owner takes it.
    pieces: Vec<Piece>,
    /// The protocol may have something to write that it was not asked for yet.
    pub(crate) is_dirty: bool,
}

impl<C: Carrier> InFlight<C> {
    pub(crate) fn new(body_limit: u64) -> Self {
        // What opens the connection is to be written.
        Self { carriers: Vec::new(), body_limit, uploads: 0, hungry: Vec::new(), pieces: Vec::new(), is_dirty: true }
    }

    pub(crate) fn len(&self) -> usize {
        self.carriers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.carriers.is_empty()
    }

    pub(crate) fn has_uploads(&self) -> bool {
        self.uploads > 0
    }

    pub(crate) fn labels(&self) -> Vec<usize> {
        self.carriers.iter().map(|carrier| carrier.exchange().sending.label).collect()
    }

    pub(crate) fn take_hungry(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hungry)
    }

    pub(crate) fn take_pieces(&mut self, pieces: &mut Vec<Piece>) {
        pieces.append(&mut self.pieces);
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.carriers.iter_mut()
    }

    /// The first that is meant, and its place.
    pub(crate) fn find(&mut self, is_meant: impl Fn(&C) -> bool) -> Option<(usize, &mut C)> {
        self.carriers.iter_mut().enumerate().find(|(_, carrier)| is_meant(carrier))
    }

    pub(crate) fn push(&mut self, carrier: C) {
        self.uploads += usize::from(carrier.exchange().request.upload.is_some());
        self.carriers.push(carrier);
        self.is_dirty = true;
    }

    /// What has come for one: the status when the response is complete, `None` before.
    pub(crate) fn read(&mut self, place: usize, now: u64) -> Option<Result<u16, Failure>> {
        let carrier = &mut self.carriers[place];
        let result = carrier.advance(self.body_limit);
        carrier.exchange_mut().take_pieces(now, &mut self.pieces);
        result
    }

    /// Gives the protocol the next pieces of bodies, as far as the peer takes them. Whether there were any.
    pub(crate) fn upload(&mut self, now: u64, ended: &mut Vec<Ended>) -> bool {
        let mut has_uploaded = false;
        for place in (0..self.carriers.len()).rev() {
            match self.carriers[place].upload(now, &mut self.hungry) {
                Ok(is_any) => has_uploaded |= is_any,
                Err(kind) => self.end(place, now, Err(Failure::Other(kind)), ended),
            }
        }
        self.is_dirty |= has_uploaded;
        has_uploaded
    }

    /// One is over.
    pub(crate) fn end(&mut self, place: usize, now: u64, result: Result<u16, Failure>, ended: &mut Vec<Ended>) {
        let exchange = self.carriers.swap_remove(place).close();
        self.uploads -= usize::from(exchange.request.upload.is_some());
        // Released windows, and a cancellation of what was not complete.
        self.is_dirty = true;
        ended.push(exchange.end(now, result));
    }

    /// All are over. `result`: of one for which this is what has come.
    pub(crate) fn end_all(
        &mut self,
        now: u64,
        ended: &mut Vec<Ended>,
        result: impl Fn(Option<Result<u16, Failure>>) -> Result<u16, Failure>,
    ) {
        while !self.is_empty() {
            // What is complete among them is complete.
            let found = self.read(0, now);
            self.end(0, now, result(found), ended);
        }
    }

    /// Ends what has taken longer than its timeout.
    pub(crate) fn expire(&mut self, now: u64, ended: &mut Vec<Ended>) {
        while let Some(place) = self.carriers.iter().position(|carrier| carrier.exchange().deadline_ns < now) {
            self.end(place, now, Err(Failure::Other(ErrorKind::Timeout)), ended);
        }
    }

    pub(crate) fn is_streaming(&self, token: u64) -> bool {
        self.streaming(token).is_some()
    }

    pub(crate) fn hold(&mut self, token: u64) {
        if let Some(place) = self.streaming(token) {
            self.carriers[place].exchange_mut().hold();
        }
    }

    pub(crate) fn release(&mut self, token: u64, now: u64) {
        if let Some(place) = self.streaming(token) {
            let was_held = self.carriers[place].exchange_mut().release(now);
            self.carriers[place].go_on(was_held);
            self.is_dirty = true;
        }
    }

    pub(crate) fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>, ended: &mut Vec<Ended>) {
        if let Some(place) = self.streaming(token)
            && let Some(status) = self.carriers[place].exchange().status
        {
            self.end(place, now, why.map(|()| status).map_err(Failure::Other), ended);
        }
    }

    pub(crate) fn break_off(&mut self, token: u64, now: u64, why: ErrorKind, ended: &mut Vec<Ended>) {
        if let Some(place) = self.carriers.iter().position(|carrier| carrier.exchange().sending.token == token) {
            self.end(place, now, Err(Failure::Other(why)), ended);
        }
    }

    fn streaming(&self, token: u64) -> Option<usize> {
        let is_meant = |exchange: &Exchange| exchange.sending.streams && exchange.sending.token == token;
        self.carriers.iter().position(|carrier| is_meant(carrier.exchange()))
    }
}
