//! The client: connections to the target, each carrying one request at a time, and what became of it. It neither
//! decides when to send nor counts anything: the loop that owns it does.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::IpAddr;
use std::rc::Rc;

use rustix::io::Errno;

use crate::clock::{SECOND, now_ns};
use crate::http::head::HeadReader;
use crate::http::response::{Progress, Shape};
use crate::http2::connection::{Connection as Http2, Ended, Limits};
use crate::http2::request::{Rendered, translate};
use crate::layers::{self, Layers};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::{Connection, Pool, Sending, State};
use crate::reactor::{Address, Event, Reactor, Slot};
use crate::wire::Version;

/// Requests at once on a connection of HTTP/2, where nobody says otherwise.
const DEFAULT_STREAMS: usize = 100;

/// What an event means for whoever waits.
#[derive(Clone, Copy, Debug)]
pub enum Happened {
    /// Nothing yet.
    Nothing,
    /// A connection is ready; it took this long to make.
    Connected {
        /// Until there was a socket, and a tunnel where one is needed.
        took_ns: u64,
        /// And from then on until TLS stood, where it is used.
        tls_ns: Option<u64>,
    },
    /// A connection could not be made.
    ConnectFailed {
        /// Where it was to lead.
        origin: usize,
        /// Why not.
        kind: ErrorKind,
    },
    /// A request ended.
    Ended(Outcome),
}

/// See the module.
pub struct Client<R> {
    /// What moves the bytes.
    pub reactor: R,
    pool: Pool,
    heads: HeadReader,
    origins: Vec<Origin>,
    connect_timeout_ns: u64,
    shortest_timeout_ns: u64,
    wear: Wear,
    sources: Vec<IpAddr>,
    /// Turns taken by the sources.
    bound: usize,
    answer: Answer,
    /// What the layers made of the bytes that came last.
    plain: Vec<u8>,
    /// What layers want sent.
    out: Vec<u8>,
    /// Requests as HTTP/2 has them, by where their bytes lie, which are kept for that.
    translated: HashMap<*const u8, (Rc<[u8]>, Rendered)>,
    /// Shared connections with something to write.
    unflushed: Vec<Slot>,
    /// Requests on shared connections that have ended.
    ended: Vec<Ended>,
    /// What happened beside what was told of last.
    more: VecDeque<(Happened, Answer)>,
}

/// Requests that are remembered in the words of HTTP/2, at most.
const TRANSLATED: usize = 4096;

/// How long connections may be used.
#[derive(Clone, Copy, Debug)]
pub struct Wear {
    /// For one request each.
    pub once: bool,
    /// So long since the last request.
    pub idle_ns: Option<u64>,
    /// So long since they were made.
    pub lifetime_ns: Option<u64>,
}

/// Where requests go.
pub struct Origin {
    /// Dealt round-robin.
    pub addresses: Vec<Address>,
    /// Whose turn it is.
    pub next: usize,
    /// What lies between a socket and HTTP.
    pub layers: layers::Plan,
}

/// Where the bytes of the last response are that was kept.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    /// Still in the reactor's buffer, or behind the layers.
    Whole(Shape),
    /// What the layers have made of it.
    Unwrapped(Shape),
    /// It came in pieces.
    Pieces(Shape, Vec<u8>),
}

impl<R: Reactor> Client<R> {
    /// A client with at most `cap` connections, each to be made within a time, from these addresses in turns.
    pub fn new(reactor: R, cap: usize, connect_timeout_ns: u64, wear: Wear, sources: Vec<IpAddr>) -> Self {
        Self {
            reactor,
            pool: Pool::new(cap),
            heads: HeadReader::default(),
            origins: Vec::new(),
            connect_timeout_ns,
            shortest_timeout_ns: connect_timeout_ns,
            wear,
            sources,
            bound: 0,
            answer: Answer::None,
            plain: Vec::new(),
            out: Vec::new(),
            translated: HashMap::new(),
            unflushed: Vec::new(),
            ended: Vec::new(),
            more: VecDeque::new(),
        }
    }

    /// One more place that requests may go to.
    pub fn add_origin(&mut self, origin: Origin) -> usize {
        self.origins.push(origin);
        self.pool.add_origin()
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a connection that is ready, if there is one.
    #[inline]
    pub fn acquire(&mut self, origin: usize) -> Option<Slot> {
        loop {
            let slot = self.pool.acquire(origin)?;
            if !self.wear.is_limited() || !self.is_worn(slot) {
                return Some(slot);
            }
            self.pool.release(slot);
            self.close(slot);
        }
    }

    #[cold]
    fn is_worn(&mut self, slot: Slot) -> bool {
        let (wear, now) = (self.wear, now_ns());
        let connection = self.pool.get(slot);
        let over = |limit: Option<u64>, since_ns: u64| limit.is_some_and(|limit| now.saturating_sub(since_ns) > limit);
        over(wear.lifetime_ns, connection.born_ns) || over(wear.idle_ns, connection.idle_since_ns)
    }

    /// Writes a request on a connection that was acquired.
    #[inline]
    pub fn send(&mut self, slot: Slot, now: u64, request: &Rc<[u8]>, sending: Sending) {
        let connection = self.pool.get(slot);
        if connection.state == State::Shared {
            return self.send_shared(slot, now, request, sending);
        }
        connection.state = State::Busy;
        connection.sending = sending;
        connection.since_ns = now;
        connection.deadline_ns = now.saturating_add(sending.timeout_ns);
        connection.first_byte_ns = 0;
        connection.received = 0;
        connection.reader.expect(sending.is_head);
        let is_layered = connection.layers.is_some();
        self.mind(sending.timeout_ns);
        if is_layered {
            self.send_through_layers(slot, request);
        } else {
            self.reactor.send(slot, request);
        }
    }

    fn send_through_layers(&mut self, slot: Slot, request: &[u8]) {
        let connection = self.pool.get(slot);
        let sent = connection.layers.as_mut().map(|layers| layers.send(request, &mut self.out));
        if matches!(sent, Some(Err(_))) {
            // It cannot be sent any more: the next look at what has expired ends it.
            connection.deadline_ns = 0;
        }
        self.send_out(slot);
    }

    /// One of several requests on a connection. It is written with the next [`Client::flush`].
    fn send_shared(&mut self, slot: Slot, now: u64, request: &Rc<[u8]>, sending: Sending) {
        self.mind(sending.timeout_ns);
        let known = self.translated.get(&request.as_ptr()).is_some_and(|(bytes, _)| Rc::ptr_eq(bytes, request));
        if !known && let Err(kind) = self.translate(slot, request) {
            return self.not_sent(slot, now, sending, kind);
        }
        let connection = self.pool.get(slot);
        let (Some(http2), Some((_, rendered))) = (&mut connection.http2, self.translated.get(&request.as_ptr())) else {
            return;
        };
        let is_sent = http2.send(rendered, sending, now);
        let has_room = http2.room() > 0;
        self.unflushed.push(slot);
        if has_room {
            self.pool.offer(slot);
        }
        if !is_sent {
            self.not_sent(slot, now, sending, ErrorKind::GoAway);
        }
    }

    fn translate(&mut self, slot: Slot, request: &Rc<[u8]>) -> Result<(), ErrorKind> {
        let is_secure = self.origins[self.pool.get(slot).origin].layers.tls.is_some();
        let rendered = translate(request, is_secure).map_err(|_| ErrorKind::ProtocolError)?;
        if self.translated.len() >= TRANSLATED {
            self.translated.clear();
        }
        self.translated.insert(request.as_ptr(), (Rc::clone(request), rendered));
        Ok(())
    }

    fn not_sent(&mut self, slot: Slot, now: u64, sending: Sending, kind: ErrorKind) {
        let failed = Err(crate::http2::Failure::Other(kind));
        let (first_byte_ns, received, answer) = (now, 0, None);
        self.ended.push(Ended { sending, sent_ns: now, first_byte_ns, received, result: failed, answer });
        self.tell_ended(slot, now);
    }

    /// Requests that have ended on a shared connection, to be told of one by one.
    fn tell_ended(&mut self, slot: Slot, now: u64) {
        self.pool.ended(self.ended.len());
        for ended in self.ended.drain(..) {
            let Ended { sending, sent_ns, first_byte_ns, received, result, answer } = ended;
            let end = result.map_or_else(|failure| End::Error(failure.kind()), End::Response);
            let outcome = Outcome {
                due_ns: sending.due_ns,
                sent_ns,
                first_byte_ns,
                done_ns: now,
                label: sending.label,
                token: sending.token,
                bytes_received: received,
                end,
            };
            let answer = answer.map_or(Answer::None, |(shape, bytes)| Answer::Pieces(shape, bytes));
            self.more.push_back((Happened::Ended(outcome), answer));
        }
        let connection = self.pool.get(slot);
        if connection.state != State::Shared {
            return;
        }
        let (has_room, is_done) =
            connection.http2.as_ref().map_or((false, true), |http2| (http2.room() > 0, http2.is_done()));
        if is_done {
            self.flush_one(slot);
            self.close(slot);
        } else if has_room {
            self.pool.offer(slot);
        }
    }

    /// Writes what shared connections have gathered. To be called before every wait.
    #[inline]
    pub fn flush(&mut self) {
        while let Some(slot) = self.unflushed.pop() {
            self.flush_one(slot);
        }
    }

    fn flush_one(&mut self, slot: Slot) {
        let now = now_ns();
        let connection = self.pool.get(slot);
        let Some(mut http2) = connection.http2.take() else { return };
        self.plain.clear();
        http2.flush(now, &mut self.plain, &mut self.ended);
        let sent = match &mut connection.layers {
            Some(layers) if !self.plain.is_empty() => layers.send(&self.plain, &mut self.out),
            _ => Ok(()),
        };
        if let Err(kind) = sent {
            http2.lose(now, kind, &mut self.ended);
        }
        connection.http2 = Some(http2);
        self.send_out(slot);
        if !self.ended.is_empty() {
            self.tell_ended(slot, now);
        }
    }

    /// What else has happened: over HTTP/2 one event may tell of many requests.
    #[inline]
    pub fn next_more(&mut self) -> Option<Happened> {
        let (happened, answer) = self.more.pop_front()?;
        self.answer = answer;
        Some(happened)
    }

    /// Whether there is something that [`Client::next_more`] has to tell.
    pub fn has_more(&self) -> bool {
        !self.more.is_empty()
    }

    /// Sends what layers want sent.
    fn send_out(&mut self, slot: Slot) {
        if !self.out.is_empty() {
            self.reactor.send(slot, &Rc::from(&self.out[..]));
            self.out.clear();
        }
    }

    /// There is a request with this timeout: looks at what has expired must be as frequent as it asks for.
    #[inline]
    pub fn mind(&mut self, timeout_ns: u64) {
        self.shortest_timeout_ns = self.shortest_timeout_ns.min(timeout_ns);
    }

    /// How many more connections to make for so many requests that wait for one.
    pub fn wanted(&self, origin: usize, waiting: usize) -> usize {
        let layers::Plan { http, streams, ref tls, .. } = self.origins[origin].layers;
        let may_share = http == Version::Two || http == Version::Auto && tls.is_some();
        // One at a time where it may carry many: what waits is soon on its way.
        let needed = if may_share {
            waiting.div_ceil(streams.map_or(DEFAULT_STREAMS, |streams| streams as usize))
        } else {
            waiting
        };
        needed.saturating_sub(self.pool.connecting(origin))
    }

    /// Begins one more connection; `None` where the cap forbids it.
    pub fn connect(&mut self, origin: usize, now: u64) -> Option<Happened> {
        if self.pool.opened() >= self.pool.cap()
            && let Some(slot) = self.pool.spare(origin)
        {
            self.close(slot);
        }
        let slot = self.pool.open(origin, now, now.saturating_add(self.connect_timeout_ns))?;
        let source = (!self.sources.is_empty()).then(|| self.sources[self.bound % self.sources.len()]);
        self.bound += 1;
        let Origin { addresses, next, .. } = &mut self.origins[origin];
        let address = &addresses[*next % addresses.len()];
        *next += 1;
        Some(match self.reactor.connect(slot, address, source) {
            Ok(()) => Happened::Nothing,
            Err(error) => self.fail(slot, now, connect_error(error)),
        })
    }

    /// What an event of the reactor means, and the instant at which it was looked at.
    #[inline]
    pub fn handle(&mut self, event: Event) -> (Happened, u64) {
        let now = now_ns();
        let happened = match event {
            Event::Received(slot) => self.received(slot, now),
            Event::Connected(slot) => self.connected(slot, now),
            Event::Ended(slot, error) => self.ended(slot, now, error),
            Event::Control | Event::Foreign(..) => Happened::Nothing,
        };
        (happened, now)
    }

    /// There is a socket.
    fn connected(&mut self, slot: Slot, now: u64) -> Happened {
        let plan = &self.origins[self.pool.get(slot).origin].layers;
        if plan.is_empty() {
            return self.ready(slot, now, None);
        }
        let begun = Layers::begin(plan, now, &mut self.out);
        self.send_out(slot);
        match begun {
            Ok(layers) => {
                let is_built = layers.is_built();
                self.pool.get(slot).layers = Some(Box::new(layers));
                if is_built { self.ready(slot, now, None) } else { Happened::Nothing }
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    /// A connection can carry requests.
    fn ready(&mut self, slot: Slot, now: u64, tls_since_ns: Option<u64>) -> Happened {
        let connection = self.pool.get(slot);
        let since_ns = connection.since_ns;
        let layers::Plan { http, streams, .. } = self.origins[connection.origin].layers;
        match connection.layers.as_ref().map_or(Ok(Version::One), |layers| layers.version(http)) {
            Err(kind) => return self.fail(slot, now, kind),
            Ok(Version::Two) => {
                let limits = Limits {
                    streams: streams.map_or(DEFAULT_STREAMS, |streams| streams as usize),
                    ..Limits::default()
                };
                connection.http2 = Some(Box::new(Http2::new(limits)));
                self.pool.share(slot);
                self.unflushed.push(slot);
            }
            Ok(_) => self.idle(slot, now),
        }
        let took_ns = tls_since_ns.unwrap_or(now).saturating_sub(since_ns);
        Happened::Connected { took_ns, tls_ns: tls_since_ns.map(|since_ns| now.saturating_sub(since_ns)) }
    }

    #[inline]
    fn idle(&mut self, slot: Slot, now: u64) {
        self.pool.get(slot).idle_since_ns = now;
        self.pool.idle(slot);
    }

    #[inline]
    fn received(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        if connection.layers.is_some() {
            return self.received_through_layers(slot, now);
        }
        if connection.state != State::Busy {
            return self.unasked(slot);
        }
        let now = self.reactor.arrived_ns(now).max(connection.since_ns);
        let progress = read(connection, &mut self.heads, self.reactor.received(), now);
        self.advance(slot, now, progress)
    }

    fn received_through_layers(&mut self, slot: Slot, now: u64) -> Happened {
        let now = self.reactor.arrived_ns(now).max(self.pool.get(slot).since_ns);
        let Some(mut layers) = self.pool.get(slot).layers.take() else { return Happened::Nothing };
        self.plain.clear();
        let progress = layers.receive(self.reactor.received(), now, &mut self.plain, &mut self.out);
        self.send_out(slot);
        let tls_since_ns = layers.is_secure().then(|| layers.tls_since_ns());
        let connection = self.pool.get(slot);
        connection.layers = Some(layers);
        if connection.state == State::Shared {
            return self.received_shared(slot, now, progress);
        }
        match progress {
            Err(kind) => self.fail(slot, now, kind),
            Ok(layers::Progress::Building) => Happened::Nothing,
            Ok(layers::Progress::Built) => {
                let happened = self.ready(slot, now, tls_since_ns);
                if self.plain.is_empty() {
                    return happened;
                }
                // Over HTTP/2 the peer may speak first; else nothing was asked for yet.
                match self.pool.get(slot).state {
                    State::Shared => self.received_shared(slot, now, progress),
                    _ => return self.unasked(slot),
                };
                happened
            }
            Ok(layers::Progress::Open) if self.plain.is_empty() => Happened::Nothing,
            Ok(progress) if connection.state == State::Busy => {
                let read = match read(connection, &mut self.heads, &self.plain, now) {
                    Ok(Progress::More) if progress == layers::Progress::Closed => connection.reader.close(),
                    // What is closed carries no other request.
                    Ok(Progress::Complete { status, .. }) if progress == layers::Progress::Closed => {
                        Ok(Progress::Complete { status, reusable: false })
                    }
                    read => read,
                };
                self.advance(slot, now, read)
            }
            Ok(_) => self.unasked(slot),
        }
    }

    /// Bytes that nobody asked for: whatever they are, the next response could not be told from them.
    fn unasked(&mut self, slot: Slot) -> Happened {
        self.close(slot);
        Happened::Nothing
    }

    /// What came on a connection that carries several requests.
    fn received_shared(&mut self, slot: Slot, now: u64, progress: Result<layers::Progress, ErrorKind>) -> Happened {
        let Some(mut http2) = self.pool.get(slot).http2.take() else { return Happened::Nothing };
        http2.feed(&self.plain, now, &mut self.ended);
        match progress {
            Ok(layers::Progress::Closed) => http2.lose(now, ErrorKind::Closed, &mut self.ended),
            Err(kind) => http2.lose(now, kind, &mut self.ended),
            Ok(_) => {}
        }
        self.pool.get(slot).http2 = Some(http2);
        self.unflushed.push(slot);
        self.tell_ended(slot, now);
        Happened::Nothing
    }

    /// Puts the bytes of a response aside for whoever asked to see them.
    fn keep(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        let shape = connection.reader.shape();
        let kept = mem::take(&mut connection.kept);
        self.answer = match kept.is_empty() {
            true if connection.layers.is_some() => Answer::Unwrapped(shape),
            true => Answer::Whole(shape),
            false => Answer::Pieces(shape, kept),
        };
    }

    /// The bytes of the response that the last [`Happened::Ended`] told of, if they were to be kept.
    pub fn answer(&self) -> Option<(Shape, &[u8])> {
        match &self.answer {
            Answer::None => None,
            Answer::Whole(shape) => Some((*shape, self.reactor.received())),
            Answer::Unwrapped(shape) => Some((*shape, &self.plain)),
            Answer::Pieces(shape, bytes) => Some((*shape, bytes)),
        }
    }

    fn advance(&mut self, slot: Slot, now: u64, progress: Result<Progress, ErrorKind>) -> Happened {
        match progress {
            Ok(Progress::More) => Happened::Nothing,
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if now > self.pool.get(slot).deadline_ns => {
                self.fail(slot, now, ErrorKind::Timeout)
            }
            Ok(Progress::Complete { status, reusable }) => {
                if self.pool.get(slot).sending.keeps {
                    self.keep(slot);
                }
                let outcome = self.outcome(slot, now, End::Response(status));
                if reusable && !self.wear.once && !self.reactor.is_sending(slot) {
                    self.idle(slot, now);
                } else {
                    self.close(slot);
                }
                Happened::Ended(outcome)
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    fn ended(&mut self, slot: Slot, now: u64, error: Option<Errno>) -> Happened {
        let connection = self.pool.get(slot);
        match (connection.state, error) {
            (State::Connecting, _) if let Some(layers) = &connection.layers => {
                let kind = layers.broken();
                self.fail(slot, now, kind)
            }
            (State::Connecting, error) => self.fail(slot, now, connect_error(error.unwrap_or(Errno::CONNRESET))),
            // Not said within TLS: somebody else may have cut the response off.
            (State::Busy, None) if connection.layers.as_ref().is_some_and(|layers| layers.is_secure()) => {
                self.fail(slot, now, ErrorKind::Closed)
            }
            (State::Busy, None) => {
                let progress = connection.reader.close();
                self.advance(slot, now, progress)
            }
            (State::Busy, Some(Errno::TIMEDOUT)) => self.fail(slot, now, ErrorKind::Timeout),
            (State::Busy, Some(_)) => self.fail(slot, now, ErrorKind::Reset),
            (State::Shared, error) => {
                let kind = if error.is_some() { ErrorKind::Reset } else { ErrorKind::Closed };
                if let Some(http2) = &mut connection.http2 {
                    http2.lose(now, kind, &mut self.ended);
                }
                self.tell_ended(slot, now);
                Happened::Nothing
            }
            (State::Idle, _) => {
                self.close(slot);
                Happened::Nothing
            }
            (State::Closed, _) => Happened::Nothing,
        }
    }

    /// Connections and requests that have taken longer than the timeout; each must be given to [`Client::expire`].
    pub fn expired(&self, now: u64) -> Vec<Slot> {
        self.pool.expired(now)
    }

    /// How long to leave between two looks at what has expired: a few looks per timeout, nothing armed per request.
    pub fn sweep_ns(&self) -> u64 {
        (self.shortest_timeout_ns / 16).clamp(SECOND / 1000, SECOND / 10)
    }

    /// Ends what has expired.
    pub fn expire(&mut self, slot: Slot, now: u64) -> Happened {
        if let Some(http2) = &mut self.pool.get(slot).http2 {
            http2.expire(now, &mut self.ended);
            if !self.ended.is_empty() {
                self.unflushed.push(slot);
                self.tell_ended(slot, now);
            }
            return Happened::Nothing;
        }
        let connecting = self.pool.get(slot).state == State::Connecting;
        self.fail(slot, now, if connecting { ErrorKind::ConnectTimeout } else { ErrorKind::Timeout })
    }

    /// A connection fails, and with it the request that it carries.
    fn fail(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        let happened = match self.pool.get(slot).state {
            State::Connecting => Happened::ConnectFailed { origin: self.pool.get(slot).origin, kind },
            _ => Happened::Ended(self.outcome(slot, now, End::Error(kind))),
        };
        self.close(slot);
        happened
    }

    #[inline]
    fn outcome(&mut self, slot: Slot, now: u64, end: End) -> Outcome {
        let connection = self.pool.get(slot);
        Outcome {
            due_ns: connection.sending.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
            label: connection.sending.label,
            token: connection.sending.token,
            bytes_received: connection.received,
            end,
        }
    }

    fn close(&mut self, slot: Slot) {
        self.reactor.close(slot);
        self.pool.closed(slot);
    }
}

/// Takes what has come of a response.
#[inline]
fn read(connection: &mut Connection, heads: &mut HeadReader, bytes: &[u8], now: u64) -> Result<Progress, ErrorKind> {
    if connection.first_byte_ns == 0 {
        connection.first_byte_ns = now;
    }
    connection.received += bytes.len() as u64;
    let progress = connection.reader.feed(bytes, heads);
    if connection.sending.keeps {
        let whole = connection.kept.is_empty() && matches!(progress, Ok(Progress::Complete { .. }));
        if !whole {
            connection.kept.extend_from_slice(bytes);
        }
    }
    progress
}

impl Wear {
    /// Whether time wears connections out.
    #[inline]
    fn is_limited(&self) -> bool {
        self.idle_ns.is_some() || self.lifetime_ns.is_some()
    }
}

fn connect_error(error: Errno) -> ErrorKind {
    match error {
        Errno::CONNREFUSED => ErrorKind::ConnectRefused,
        Errno::TIMEDOUT => ErrorKind::ConnectTimeout,
        Errno::MFILE | Errno::NFILE => ErrorKind::NoDescriptors,
        Errno::ADDRNOTAVAIL => ErrorKind::NoPorts,
        _ => ErrorKind::ConnectFailed,
    }
}
