//! What a complete request sets in motion: its count, its departure, its answer. Must not know sockets or bytes on a wire.

use std::collections::HashMap;
use std::io;

use crate::answers::Answer;
use crate::clock::{NEVER_NS, now_ns};
use crate::counts::Counts;
use crate::departures::{Gate, Line};
use crate::events::Progress;
use crate::exchange::{Act, Exchange};
use crate::law::Law;
use crate::log::{self, Log};
use crate::request::Request;
use crate::routes::{self, Route, Stall};
use crate::ws::Hub;
use crate::ws::event::ChannelId;
use crate::ws::handshake::{Refusal, Welcome};
use crate::ws::options::FeedOptions;
use crate::ws::wishes::{Echo, Wishes};

/// Distinct paths and queries that have a state of their own.
const MOST_LINES: usize = 10_000;

/// All that the connections of one server share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) counts: Counts,
    pub(crate) log: Option<Log>,
    pub(crate) hub: Hub,
    pub(crate) gate: Gate,
    gate_moved: bool,
    lines: HashMap<Box<str>, Line>,
    requests: u64,
}

/// Moment and deed, before the gate.
struct Planned {
    act: Act,
    natural_ns: u64,
    timed: bool,
}

impl Site {
    pub(crate) fn new(log: Option<Log>, feed: FeedOptions) -> Self {
        Self {
            counts: Counts::default(),
            log,
            hub: Hub::new(feed),
            gate: Gate::default(),
            gate_moved: false,
            lines: HashMap::new(),
            requests: 0,
        }
    }

    /// Takes in one complete request.
    pub(crate) fn accept(&mut self, request: &Request<'_, '_>, received_ns: u64) -> Exchange {
        self.requests += 1;
        let mut manner = request.manner;
        let route = routes::route(request.target);
        let control = matches!(route, Ok(Route::Stall(_) | Route::Requests { .. } | Route::WebSocketStats));
        if !control {
            self.counts.request(routes::split(request.target).0);
        }
        if route == Ok(Route::Close) {
            manner.keep_alive = false;
        }
        let Planned { act, natural_ns, timed } = match route {
            Ok(Route::Delay(law)) => self.delay(law, request.target, received_ns),
            Ok(Route::Queue(law)) => self.queue(law, request.target, received_ns),
            Ok(Route::Stall(stall)) => at_once(self.stall(stall, received_ns), received_ns),
            Ok(Route::Requests { reset }) => at_once(self.requests(reset), received_ns),
            Ok(Route::WebSocketStats) => at_once(Answer::json(self.hub.to_json()), received_ns),
            Ok(Route::Publish(channel)) => at_once(self.publish(channel, request, received_ns), received_ns),
            Ok(Route::WebSocket(wishes)) => self.upgrade(wishes, request, received_ns),
            Ok(route) => stateless(route, request, received_ns),
            Err(reason) => at_once(Answer::text(400, format!("{reason}\n")), received_ns),
        };
        let due_ns = if control || natural_ns == NEVER_NS { natural_ns } else { self.gate.release_ns(natural_ns) };
        Exchange {
            seq: self.requests,
            due_ns,
            manner,
            act,
            received_ns,
            natural_ns,
            timed,
            control,
            target: self.log.is_some().then(|| request.target.into()),
        }
    }

    /// The number of a message that is answered like a request, for the log.
    pub(crate) fn number_message(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// When a message on this path and query is answered.
    pub(crate) fn departure_ns(&mut self, law: Law, target: &str, received_ns: u64) -> u64 {
        match law {
            Law::Fixed { span_ns } => received_ns + span_ns,
            // Its line was there at the upgrade, or there had been none.
            law => self.line(target).map_or(received_ns, |line| line.delay(law, received_ns)),
        }
    }

    /// Notes that an exchange departs now, or is given up (`sent` false). Tells how long a held
    /// answer was held, which is also what its client reads.
    pub(crate) fn depart(&mut self, exchange: &Exchange, connection: u64, sent: bool) -> Option<u64> {
        let held = exchange.timed || exchange.due_ns > exchange.received_ns;
        if !held && self.log.is_none() {
            return None; // the usual case needs no clock
        }
        let sent_ns = if sent { now_ns() } else { 0 };
        if let (Some(log), Some(target)) = (&mut self.log, &exchange.target) {
            log.write(log::Line {
                seq: exchange.seq,
                connection,
                received_ns: exchange.received_ns,
                due_ns: if exchange.due_ns == NEVER_NS { 0 } else { exchange.due_ns },
                sent_ns,
                target,
            });
        }
        held.then(|| sent_ns.saturating_sub(exchange.received_ns))
    }

    /// The rest of an answer in parts, to leave so long after this one would have without any freeze.
    pub(crate) fn follow_up(&self, mut exchange: Exchange, after_ns: u64) -> Exchange {
        exchange.natural_ns += after_ns;
        exchange.due_ns = self.gate.release_ns(exchange.natural_ns);
        exchange
    }

    /// The new gate, once after each time it was moved.
    pub(crate) fn moved_gate(&mut self) -> Option<Gate> {
        std::mem::take(&mut self.gate_moved).then_some(self.gate)
    }

    pub(crate) fn relieve_log(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::relieve)
    }

    pub(crate) fn rest_log(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::rest)
    }

    pub(crate) fn flush_log(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::flush)
    }

    fn delay(&mut self, law: Law, target: &str, received_ns: u64) -> Planned {
        if let Law::Fixed { span_ns } = law {
            return held_until(received_ns + span_ns); // needs no state
        }
        match self.line(target) {
            Some(line) => held_until(line.delay(law, received_ns)),
            None => at_once(too_many_lines(), received_ns),
        }
    }

    fn queue(&mut self, law: Law, target: &str, received_ns: u64) -> Planned {
        let gate = self.gate;
        match self.line(target) {
            Some(line) => held_until(line.queue(law, received_ns, &gate)),
            None => at_once(too_many_lines(), received_ns),
        }
    }

    fn upgrade(&mut self, wishes: Wishes, request: &Request<'_, '_>, received_ns: u64) -> Planned {
        if let Wishes::Echo(Echo { refuse, never, .. }) = wishes {
            if let Some(status) = refuse {
                return at_once(Answer::Status(status), received_ns);
            }
            if never {
                return Planned { natural_ns: NEVER_NS, ..at_once(Answer::Page, received_ns) };
            }
            if wishes.have_state() && self.line(request.target).is_none() {
                return at_once(too_many_lines(), received_ns);
            }
        }
        match Welcome::of(request, wishes, self.log.is_some()) {
            Ok(welcome) => Planned { act: Act::Upgrade(Box::new(welcome)), natural_ns: received_ns, timed: false },
            Err(Refusal::NotThisProtocol) => at_once(Answer::UpgradeRequired, received_ns),
            Err(Refusal::Broken(reason)) => at_once(Answer::text(400, format!("{reason}\n")), received_ns),
        }
    }

    fn publish(&mut self, channel: ChannelId, request: &Request<'_, '_>, received_ns: u64) -> Answer {
        let body = request.body();
        let text = str::from_utf8(&body).unwrap_or_default();
        let published = serde_json::from_str(text)
            .map_err(|error| format!("body: expected a JSON object: {error}"))
            .and_then(|data| self.hub.feed.publish(channel, data, text, received_ns));
        match published {
            Ok(seq) => Answer::json(format!(
                r#"{{"channel":"{}","seq":{seq},"ts_ns":{received_ns},"subscribers":{}}}"#,
                channel.name(),
                self.hub.feed.channels[channel.place()].subscribers
            )),
            Err(reason) => Answer::text(400, format!("{reason}\n")),
        }
    }

    fn line(&mut self, target: &str) -> Option<&mut Line> {
        if !self.lines.contains_key(target) {
            if self.lines.len() >= MOST_LINES {
                return None;
            }
            self.lines.insert(target.into(), Line::default());
        }
        self.lines.get_mut(target)
    }

    fn stall(&mut self, stall: Stall, received_ns: u64) -> Answer {
        self.gate = Gate { start_ns: received_ns + stall.after_ns, length_ns: stall.for_ns, every_ns: stall.every_ns };
        self.gate_moved = true;
        Answer::Page
    }

    fn requests(&mut self, reset: bool) -> Answer {
        let json = self.counts.to_json();
        if reset {
            self.counts = Counts::default();
        }
        Answer::json(json)
    }
}

/// The routes that need nothing but the request.
fn stateless(route: Route, request: &Request<'_, '_>, received_ns: u64) -> Planned {
    let act = match route {
        Route::Status(status) => Act::Answer(Answer::Status(status)),
        Route::Bytes(bytes) => Act::Answer(Answer::Bytes(bytes)),
        Route::Chunked(bytes) => Act::Answer(Answer::Chunked(bytes)),
        Route::Echo => Act::Answer(Answer::echo(request.header("content-type"), request.body())),
        Route::Headers => Act::Answer(Answer::text(200, headers_as_text(request))),
        // The version without chunks.
        Route::Events(_) if request.manner.http_1_0 => Act::Answer(Answer::Status(505)),
        Route::Events(events) => Act::Events(Progress::of(events)),
        Route::Drop => Act::Drop,
        Route::Reset => Act::Reset,
        Route::Unknown => Act::Answer(Answer::Status(404)),
        _ => Act::Answer(Answer::Page),
    };
    Planned { act, natural_ns: if route == Route::Never { NEVER_NS } else { received_ns }, timed: false }
}

fn at_once(answer: Answer, received_ns: u64) -> Planned {
    Planned { act: Act::Answer(answer), natural_ns: received_ns, timed: false }
}

fn held_until(natural_ns: u64) -> Planned {
    Planned { act: Act::Answer(Answer::Page), natural_ns, timed: true }
}

fn too_many_lines() -> Answer {
    Answer::text(503, format!("more than {MOST_LINES} distinct paths with a state; use fewer\n"))
}

fn headers_as_text(request: &Request<'_, '_>) -> Vec<u8> {
    let mut text = Vec::new();
    for header in request.headers {
        text.extend_from_slice(header.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(header.value);
        text.push(b'\n');
    }
    text
}
