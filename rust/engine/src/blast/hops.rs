//! An arrival of several requests goes on from one to the next, and ends with the last.

use std::net::SocketAddr;

use super::Worker;
use crate::conversation::{Journey, Step};
use crate::http::redirect::Hop;
use crate::lanes::Waiting;
use crate::outcome::{End, ErrorKind, Outcome};
use crate::places::{Found, Known};
use crate::pool::Sending;
use crate::reactor::{Reactor, Slot};
use crate::record::block::Kind;
use crate::requests::Chosen;
use crate::wiring::Place;

impl<R: Reactor> Worker<R> {
    /// What an arrival counts as, where its requests count apart.
    #[inline]
    pub(super) fn arrival_label(&self, chosen: Chosen) -> usize {
        self.conversation.as_ref().map_or(chosen.label, |conversation| conversation.iteration)
    }

    /// Sends the next request of an arrival, or its first.
    pub(super) fn send_on(&mut self, slot: Slot, waiting: Waiting, now: u64) {
        let Some(conversation) = &mut self.conversation else { return };
        let Waiting { due_ns, chosen, journey, .. } = waiting;
        let journey = journey.unwrap_or_else(|| {
            self.recorder.sample(conversation.iteration, Kind::Lateness, now.saturating_sub(due_ns));
            conversation.begin(chosen, self.requests.bytes(chosen, due_ns), due_ns, now)
        });
        let Some((request, upload)) = conversation.words(journey) else { return };
        let Chosen { label, is_head, .. } = chosen;
        let sending = Sending {
            due_ns,
            timeout_ns: self.timeout_ns,
            label,
            token: journey as u64,
            is_head,
            keeps: true,
            only_head: true,
            ..Sending::default()
        };
        let bytes = self.client.send(slot, now, &request, upload.as_ref(), sending);
        self.recorder.sent(label, due_ns, now, bytes);
    }

    /// A request that went through a lane has ended, and with it its arrival unless another one follows.
    pub(super) fn ended_in_lane(&mut self, outcome: &Outcome, now: u64) {
        let Some(conversation) = &mut self.conversation else {
            self.lanes.ended(outcome.token as usize);
            return self.ended(outcome);
        };
        let journey = outcome.token as usize;
        let chosen = conversation.chosen(journey);
        self.lanes.ended(chosen.origin);
        self.recorder.finished(outcome.label, outcome);
        let step = match outcome.end {
            End::Response(status) if conversation.may_lead_on(status) => self
                .client
                .answer()
                .and_then(|(shape, bytes)| bytes.get(shape.head_at..shape.body_at))
                .and_then(|head| conversation.next(journey, status, head, &self.wiring)),
            _ => None,
        };
        match step {
            None => self.arrival_ended(journey, outcome),
            Some(Step::Again) => {
                self.recorder.begun(chosen.label);
                self.wait(Waiting { due_ns: outcome.done_ns, looked_ns: now, chosen, journey: Some(journey) }, now);
            }
            Some(Step::Hop(hop, known)) => self.hop(journey, hop, known, outcome.done_ns, now),
        }
    }

    /// An arrival follows a redirect, as far as it can.
    fn hop(&mut self, journey: usize, hop: Hop, known: Result<Known, ErrorKind>, due_ns: u64, now: u64) {
        let Some(conversation) = &mut self.conversation else { return };
        let place = hop.place.clone();
        let label = conversation.label(&hop.label, &self.recorder);
        let chosen = conversation.take(journey, hop, label);
        self.recorder.begun(label);
        let waiting = Waiting { due_ns, looked_ns: now, chosen, journey: Some(journey) };
        match known {
            Ok(Known::Origin(origin)) => self.lead(waiting, origin, now),
            Ok(Known::Addresses(addresses)) => self.open(waiting, &place, &addresses, now),
            Ok(Known::Lookup(lookup)) => {
                self.starved_since_ns.get_or_insert(now);
                self.lanes.hold(lookup, waiting);
            }
            Err(kind) => self.fail_unsent(waiting, kind, now),
        }
    }

    /// It is known where a hop goes.
    fn lead(&mut self, waiting: Waiting, origin: usize, now: u64) {
        let (Some(conversation), Some(journey)) = (&mut self.conversation, waiting.journey) else { return };
        let chosen = conversation.lead(journey, origin);
        self.wait(Waiting { chosen, ..waiting }, now);
    }

    /// The same, where that is a place that nobody has been to.
    fn open(&mut self, waiting: Waiting, place: &Place, addresses: &[SocketAddr], now: u64) {
        let origin = match &mut self.conversation {
            Some(conversation) => conversation.places.origin(place),
            None => None,
        };
        if let Some(origin) = origin {
            return self.lead(waiting, origin, now);
        }
        let Ok(found) = self.wiring.origin(place, addresses, self.index) else {
            let kind = match addresses {
                [] => ErrorKind::NotResolved,
                // No certificate can be for that name.
                _ if place.is_secure => ErrorKind::TlsFailed,
                // What the plan insists on is not spoken without TLS.
                _ => ErrorKind::ProtocolError,
            };
            if let Some(conversation) = &mut self.conversation {
                conversation.places.give_up(place, kind);
            }
            return self.fail_unsent(waiting, kind, now);
        };
        let origin = self.client.add_origin(found);
        self.lanes.add();
        if let Some(conversation) = &mut self.conversation {
            conversation.places.add(place, origin);
        }
        self.lead(waiting, origin, now);
    }

    /// Hops go on whose places are found by now.
    pub(super) fn release_found(&mut self, now: u64) {
        while let Some(conversation) = &mut self.conversation
            && let Some(Found { lookup, addresses, dns_ns }) = conversation.places.next_found()
        {
            let place = conversation.places.at(lookup).clone();
            let released = self.lanes.release(lookup);
            // It belongs to no request: the one that has waited longest stands for those that waited.
            if let Some(waiting) = released.first().filter(|_| !addresses.is_empty()) {
                self.recorder.sample(waiting.chosen.label, Kind::Dns, dns_ns);
            }
            for waiting in released {
                self.open(waiting, &place, &addresses, now);
            }
        }
    }

    /// Nothing can be sent for a request that waits: it has failed.
    pub(super) fn fail_unsent(&mut self, waiting: Waiting, kind: ErrorKind, now: u64) {
        let Waiting { due_ns, chosen, journey, .. } = waiting;
        let outcome = Outcome {
            due_ns,
            sent_ns: now,
            first_byte_ns: now,
            done_ns: now,
            label: chosen.label,
            token: 0,
            bytes_sent: 0,
            bytes_received: 0,
            end: End::Error(kind),
        };
        if let Some(journey) = journey {
            self.recorder.finished(chosen.label, &outcome);
            return self.arrival_ended(journey, &outcome);
        }
        let arrival = self.arrival_label(chosen);
        if arrival != chosen.label {
            self.recorder.finished(arrival, &outcome);
        }
        self.ended(&outcome);
    }

    /// The last request of an arrival has ended.
    fn arrival_ended(&mut self, journey: usize, last: &Outcome) {
        let Some(conversation) = &mut self.conversation else { return };
        if let Some(Journey { due_ns, began_ns, .. }) = conversation.end(journey) {
            let whole = Outcome { due_ns, sent_ns: began_ns, bytes_sent: 0, bytes_received: 0, ..*last };
            self.recorder.finished(conversation.iteration, &whole);
            self.source.ended(last.done_ns - self.vitals.start_ns);
        }
    }

    /// Arrivals that are under way, and their requests that wait, will not end any more.
    pub(super) fn abandon(&mut self) {
        for hop in self.lanes.hops() {
            self.recorder.unfinished(hop.chosen.label, 1);
        }
        if let Some(conversation) = &self.conversation {
            self.recorder.unfinished(conversation.iteration, conversation.under_way() as u64);
        }
    }
}
