//! The client: connections to the target, each carrying one request at a time, and what became of it. It neither
//! decides when to send nor counts anything: the loop that owns it does.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::rc::Rc;

use rustix::io::Errno;

use crate::clock::{SECOND, now_ns};
use crate::http::head::HeadReader;
use crate::http::response::{Progress, Shape};
use crate::http2::Failure;
use crate::http2::connection::{Connection as Http2, Ended, Limits};
use crate::http2::request::{Rendered, translate};
use crate::http2::translations::Translations;
use crate::layers::{self, Layers};
use crate::outcome::{End, ErrorKind, Outcome};
use crate::pool::{Connection, Pool, Sending, State};
use crate::reactor::{Address, Event, Reactor, Slot};
use crate::streamed::{Piece, Receiver};
use crate::upload::{PIECE_BYTES, Sender, Upload};
use crate::wire::Version;

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
        /// Who has waited since before then fails with it: it was to carry all of them. At least one does.
        since_ns: u64,
    },
    /// A request that one write did not take as a whole is written.
    Sent {
        /// The label under which it counts.
        label: usize,
        /// From its first byte to its last.
        took_ns: u64,
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
    translations: Translations,
    /// Shared connections with something to write.
    unflushed: Vec<Slot>,
    /// Requests on shared connections that have ended.
    ended: Vec<Ended>,
    /// Requests that a peer left without having looked at them: they go out once more, as any client would send them.
    again: VecDeque<Again>,
    /// What happened beside what was told of last.
    more: VecDeque<(Happened, Answer)>,
    /// What came of responses that are streamed, before what is told of their ends.
    pub pieces: Vec<Piece>,
}

/// A request to be sent once more.
struct Again {
    origin: usize,
    request: Rc<Rendered>,
    sending: Sending,
    sent_ns: u64,
}

/// A peer that goes away with this code has only had enough of the connection.
const NO_ERROR: u32 = 0;

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
    /// Whether its connections carry several requests at once; `None` until the peer has said so.
    pub shares: Option<bool>,
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
            translations: Translations::default(),
            unflushed: Vec::new(),
            ended: Vec::new(),
            again: VecDeque::new(),
            more: VecDeque::new(),
            pieces: Vec::new(),
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
            self.pool.release();
            match &mut self.pool.get(slot).http2 {
                Some(http2) if http2.in_flight() > 0 => http2.retire(),
                _ => self.close(slot),
            }
        }
    }

    #[cold]
    fn is_worn(&mut self, slot: Slot) -> bool {
        let (wear, now) = (self.wear, now_ns());
        let connection = self.pool.get(slot);
        let over = |limit: Option<u64>, since_ns: u64| limit.is_some_and(|limit| now.saturating_sub(since_ns) > limit);
        over(wear.lifetime_ns, connection.born_ns)
            || !connection.is_in_use() && over(wear.idle_ns, connection.idle_since_ns)
    }

    /// Writes a request on a connection that was acquired; a body that is read while it is sent follows piece by piece.
    /// How many bytes that are; what HTTP/2 makes of it, and how long that body was, the outcome tells.
    #[inline]
    pub fn send(
        &mut self,
        slot: Slot,
        now: u64,
        request: &Rc<[u8]>,
        upload: Option<&Rc<Upload>>,
        sending: Sending,
    ) -> u64 {
        let connection = self.pool.get(slot);
        if connection.state == State::Shared {
            self.send_shared(slot, now, request, upload, sending);
            return 0;
        }
        connection.state = State::Busy;
        connection.sending = sending;
        connection.since_ns = now;
        connection.deadline_ns = now.saturating_add(sending.timeout_ns);
        connection.first_byte_ns = 0;
        connection.received = 0;
        connection.reader.expect(sending.is_head);
        connection.upload = upload.map(|upload| Box::new(Sender::new(upload, now)));
        let is_layered = connection.layers.is_some();
        self.mind(sending.timeout_ns);
        if is_layered {
            self.send_through_layers(slot, request);
        } else {
            self.reactor.send(slot, request);
        }
        match upload {
            Some(upload) if !upload.expects_continue => self.reactor.tell_written(slot),
            None if self.reactor.is_sending(slot) => self.reactor.tell_written(slot),
            _ => {}
        }
        request.len() as u64
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
    fn send_shared(&mut self, slot: Slot, now: u64, request: &Rc<[u8]>, upload: Option<&Rc<Upload>>, sending: Sending) {
        self.mind(sending.timeout_ns);
        match self.translate(slot, request, upload) {
            Ok(rendered) => self.send_rendered(slot, now, rendered, sending),
            Err(kind) => {
                self.pool.offer(slot);
                self.not_sent(now, now, sending, kind);
            }
        }
    }

    fn send_rendered(&mut self, slot: Slot, sent_ns: u64, request: Rc<Rendered>, sending: Sending) {
        let Some(http2) = &mut self.pool.get(slot).http2 else { return };
        let is_sent = http2.send(&request, sending, sent_ns);
        if self.wear.once {
            http2.retire();
        }
        let has_room = http2.room() > 0;
        self.unflushed.push(slot);
        if has_room {
            self.pool.offer(slot);
        }
        if !is_sent {
            let origin = self.pool.get(slot).origin;
            self.again.push_back(Again { origin, request, sending, sent_ns });
        }
    }

    fn translate(
        &mut self,
        slot: Slot,
        request: &Rc<[u8]>,
        upload: Option<&Rc<Upload>>,
    ) -> Result<Rc<Rendered>, ErrorKind> {
        let is_secure = self.origins[self.pool.get(slot).origin].layers.tls.is_some();
        if upload.is_none() {
            return self.translations.of(request, is_secure).map_err(|_| ErrorKind::ProtocolError);
        }
        // What is remembered keeps its body: no file should stay open for that.
        let rendered = translate(request, is_secure).map_err(|_| ErrorKind::ProtocolError)?;
        Ok(Rc::new(rendered.with_upload(upload)))
    }

    /// A request that was acquired for, and will not be sent.
    fn not_sent(&mut self, sent_ns: u64, now: u64, sending: Sending, kind: ErrorKind) {
        self.pool.ended(1);
        let outcome = Outcome {
            due_ns: sending.due_ns,
            sent_ns,
            first_byte_ns: sent_ns,
            done_ns: now,
            label: sending.label,
            token: sending.token,
            bytes_sent: 0,
            bytes_received: 0,
            end: End::Error(kind),
        };
        self.more.push_back((Happened::Ended(outcome), Answer::None));
    }

    /// Requests that have ended on a shared connection, to be told of one by one.
    fn tell_ended(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        let origin = connection.origin;
        if let Some(http2) = &mut connection.http2 {
            self.pieces.append(&mut http2.pieces);
        }
        for ended in self.ended.drain(..) {
            let Ended { request, mut sending, sent_ns, first_byte_ns, bytes_sent, bytes_received, result, answer } =
                ended;
            if matches!(result, Err(Failure::GoAway(NO_ERROR))) && !sending.is_second {
                sending.is_second = true;
                self.again.push_back(Again { origin, request, sending, sent_ns });
                continue;
            }
            let outcome = Outcome {
                due_ns: sending.due_ns,
                sent_ns,
                first_byte_ns,
                done_ns: now,
                label: sending.label,
                token: sending.token,
                bytes_sent,
                bytes_received,
                end: result.map_or_else(|failure| End::Error(failure.kind()), End::Response),
            };
            let answer = answer.map_or(Answer::None, |(shape, bytes)| Answer::Pieces(shape, bytes));
            self.pool.ended(1);
            self.more.push_back((Happened::Ended(outcome), answer));
        }
        self.settle(slot, now);
    }

    /// What a shared connection does next: it may carry more requests, or never again any.
    fn settle(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        if connection.state != State::Shared {
            return;
        }
        let is_in_use = connection.is_in_use();
        let (has_room, is_done) =
            connection.http2.as_ref().map_or((false, true), |http2| (http2.room() > 0, http2.is_done()));
        if !is_in_use {
            connection.idle_since_ns = now;
        }
        if is_done {
            self.write(slot, now);
            self.close(slot);
        } else if has_room {
            self.pool.offer(slot);
        }
    }

    /// Writes what shared connections have gathered. To be called before every wait.
    #[inline]
    pub fn flush(&mut self) {
        if !self.again.is_empty() {
            self.send_again(now_ns());
        }
        while let Some(slot) = self.unflushed.pop() {
            self.flush_one(slot);
        }
    }

    #[cold]
    fn send_again(&mut self, now: u64) {
        for _ in 0..self.again.len() {
            let Some(Again { origin, request, sending, sent_ns }) = self.again.pop_front() else { break };
            if sent_ns.saturating_add(sending.timeout_ns) < now {
                self.not_sent(sent_ns, now, sending, ErrorKind::Timeout);
            } else if let Some(slot) = self.acquire(origin) {
                self.pool.release(); // it was never out of flight
                if self.pool.get(slot).state == State::Shared {
                    self.send_rendered(slot, sent_ns, request, sending);
                } else {
                    // Who answers now speaks HTTP/1.1.
                    self.pool.idle(slot);
                    self.not_sent(sent_ns, now, sending, ErrorKind::GoAway);
                }
            } else {
                self.again.push_back(Again { origin, request, sending, sent_ns });
                if self.pool.connecting(origin) == 0
                    && let Some(happened @ Happened::ConnectFailed { .. }) = self.connect(origin, now)
                {
                    self.more.push_back((happened, Answer::None));
                }
            }
        }
    }

    /// The labels of requests that are under way, or have ended and were not told of yet.
    pub fn labels_in_flight(&self) -> impl Iterator<Item = usize> {
        let untold = self.more.iter().filter_map(|(happened, _)| match happened {
            Happened::Ended(outcome) => Some(outcome.label),
            _ => None,
        });
        self.pool.labels_in_flight().chain(self.again.iter().map(|again| again.sending.label)).chain(untold)
    }

    fn flush_one(&mut self, slot: Slot) {
        let now = now_ns();
        self.write(slot, now);
        self.tell_ended(slot, now);
    }

    /// Writes what a shared connection has gathered.
    fn write(&mut self, slot: Slot, now: u64) {
        let connection = self.pool.get(slot);
        let Some(mut http2) = connection.http2.take() else { return };
        self.plain.clear();
        let may_upload = !self.reactor.is_sending(slot);
        if may_upload {
            http2.all_sent();
        }
        let has_uploaded = http2.flush(now, may_upload, &mut self.plain, &mut self.ended);
        let sent_whole = http2.take_sent().map(|(label, took_ns)| (Happened::Sent { label, took_ns }, Answer::None));
        self.more.extend(sent_whole);
        let goes_on = has_uploaded || !may_upload && http2.has_uploads();
        let sent = match &mut connection.layers {
            Some(layers) if !self.plain.is_empty() => layers.send(&self.plain, &mut self.out),
            _ => Ok(()),
        };
        if let Err(kind) = sent {
            http2.lose(now, kind, &mut self.ended);
        }
        connection.http2 = Some(http2);
        self.send_out(slot);
        if goes_on {
            self.reactor.tell_written(slot);
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
    #[inline]
    pub fn has_more(&self) -> bool {
        !self.more.is_empty()
    }

    /// How much that is.
    #[inline]
    pub fn count_more(&self) -> usize {
        self.more.len()
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
        let streams = self.origins[origin].layers.streams;
        let may_share = self.may_share(origin);
        // One at a time where it may carry many: what waits is soon on its way.
        let needed = if may_share { waiting.div_ceil(self.limits(streams).streams) } else { waiting };
        needed.saturating_sub(self.pool.connecting(origin))
    }

    /// Whether a connection may carry several requests at once.
    fn may_share(&self, origin: usize) -> bool {
        let Origin { layers: layers::Plan { http, ref tls, .. }, shares, .. } = self.origins[origin];
        !self.wear.once && shares.unwrap_or(http == Version::Two || http == Version::Auto && tls.is_some())
    }

    /// What a shared connection may carry.
    fn limits(&self, streams: Option<u32>) -> Limits {
        let usual = Limits::default();
        let streams = if self.wear.once { 1 } else { streams.map_or(usual.streams, |streams| streams as usize) };
        Limits { streams, ..usual }
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
            Event::Written(slot) => self.written(slot, now),
            Event::Control | Event::Foreign(..) => Happened::Nothing,
        };
        (happened, now)
    }

    /// There is a socket.
    fn connected(&mut self, slot: Slot, now: u64) -> Happened {
        let plan = &self.origins[self.pool.get(slot).origin].layers;
        if plan.is_empty() {
            return self.ready(slot, now);
        }
        let begun = Layers::begin(plan, now, &mut self.out);
        self.send_out(slot);
        match begun {
            Ok(layers) => {
                let is_built = layers.is_built();
                self.pool.get(slot).layers = Some(Box::new(layers));
                if is_built { self.ready(slot, now) } else { Happened::Nothing }
            }
            Err(kind) => self.fail(slot, now, kind),
        }
    }

    /// The layers stand: what is spoken above them?
    fn ready(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        let origin = &mut self.origins[connection.origin];
        let layers::Plan { http, streams, .. } = origin.layers;
        let version = connection.layers.as_ref().map_or(Ok(Version::One), |layers| layers.version(http));
        origin.shares = Some(version == Ok(Version::Two));
        match version {
            Err(kind) => self.fail(slot, now, kind),
            Ok(Version::Two) => {
                let limits = self.limits(streams);
                self.pool.get(slot).http2 = Some(Box::new(Http2::new(limits)));
                self.unflushed.push(slot);
                Happened::Nothing
            }
            Ok(_) => {
                self.idle(slot, now);
                self.has_connected(slot, now)
            }
        }
    }

    /// All that was to be sent is written: now the next piece of the body, if there is one.
    fn written(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        match connection.state {
            State::Busy => {}
            State::Shared => {
                self.unflushed.push(slot);
                return Happened::Nothing;
            }
            _ => return Happened::Nothing,
        }
        let Some(sender) = connection.upload.as_mut().filter(|sender| !sender.is_done()) else {
            let took_ns = now.saturating_sub(connection.since_ns);
            return Happened::Sent { label: connection.sending.label, took_ns };
        };
        self.plain.clear();
        if let Err(kind) = sender.next(PIECE_BYTES, &mut self.plain) {
            return self.fail(slot, now, kind);
        }
        match &mut connection.layers {
            None => self.reactor.send(slot, &Rc::from(&self.plain[..])),
            Some(layers) => {
                let sent = layers.send_more(&self.plain, &mut self.out);
                self.send_out(slot);
                if let Err(kind) = sent {
                    return self.fail(slot, now, kind);
                }
            }
        }
        self.reactor.tell_written(slot);
        Happened::Nothing
    }

    /// The peer wants the body of a request, or has had its time to say that it does not.
    fn begin_upload(&mut self, slot: Slot) {
        let connection = self.pool.get(slot);
        let Some(sender) = &mut connection.upload else { return };
        if connection.reader.is_continued() || connection.reader.is_untouched() {
            sender.waits_until_ns = 0;
            self.reactor.tell_written(slot);
        } else {
            // It has begun with another answer.
            sender.waits_until_ns = u64::MAX;
        }
    }

    fn has_connected(&mut self, slot: Slot, now: u64) -> Happened {
        let connection = self.pool.get(slot);
        let handshake = connection.layers.as_ref().and_then(|layers| layers.handshake());
        let took_ns = handshake.map_or(now, |(tls_since_ns, _)| tls_since_ns).saturating_sub(connection.since_ns);
        Happened::Connected { took_ns, tls_ns: handshake.map(|(_, tls_ns)| tls_ns) }
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
        let progress = read(connection, &mut self.heads, self.reactor.received(), now, &mut self.pieces);
        self.advance(slot, now, progress)
    }

    fn received_through_layers(&mut self, slot: Slot, now: u64) -> Happened {
        let now = self.reactor.arrived_ns(now).max(self.pool.get(slot).since_ns);
        let Some(mut layers) = self.pool.get(slot).layers.take() else { return Happened::Nothing };
        self.plain.clear();
        let progress = layers.receive(self.reactor.received(), now, &mut self.plain, &mut self.out);
        self.send_out(slot);
        let connection = self.pool.get(slot);
        connection.layers = Some(layers);
        if connection.http2.is_some() {
            return self.received_shared(slot, now, progress);
        }
        match progress {
            Err(kind) => self.fail(slot, now, kind),
            Ok(layers::Progress::Building) => Happened::Nothing,
            Ok(layers::Progress::Built) => {
                let happened = self.ready(slot, now);
                match self.pool.get(slot).state {
                    _ if self.plain.is_empty() => happened,
                    // Over HTTP/2 the peer may speak first; else nothing was asked for yet.
                    State::Connecting => self.received_shared(slot, now, progress),
                    State::Idle => self.fail_to_connect(slot, now, ErrorKind::BadResponse),
                    _ => happened,
                }
            }
            Ok(layers::Progress::Open) if self.plain.is_empty() => Happened::Nothing,
            Ok(progress) if connection.state == State::Busy => {
                let read = match read(connection, &mut self.heads, &self.plain, now, &mut self.pieces) {
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
        let (is_ready, is_done, failure) = (http2.is_ready(), http2.is_done(), http2.failure());
        let connection = self.pool.get(slot);
        connection.http2 = Some(http2);
        self.unflushed.push(slot);
        if connection.state == State::Connecting {
            return match failure {
                Some(failure) => self.fail(slot, now, failure.kind()),
                None if is_done => self.fail(slot, now, ErrorKind::GoAway),
                None if is_ready => {
                    connection.idle_since_ns = now;
                    self.pool.share(slot);
                    self.has_connected(slot, now)
                }
                None => Happened::Nothing,
            };
        }
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
            Ok(Progress::More) => {
                let connection = self.pool.get(slot);
                if connection.reader.is_continued()
                    && connection.upload.as_ref().is_some_and(|sender| sender.waits_until_ns > 0)
                {
                    self.begin_upload(slot);
                }
                Happened::Nothing
            }
            // Swept late or not: an answer after the timeout is no answer.
            Ok(Progress::Complete { .. }) if now > self.pool.get(slot).deadline_ns => {
                self.fail(slot, now, ErrorKind::Timeout)
            }
            Ok(Progress::Complete { status, reusable }) => {
                if self.pool.get(slot).sending.keeps {
                    self.keep(slot);
                }
                let is_sent = self.pool.get(slot).upload.as_ref().is_none_or(|sender| sender.is_done());
                let outcome = self.outcome(slot, now, End::Response(status));
                let goes_on = is_sent && !self.reactor.is_sending(slot) && !self.reactor.is_ending(slot);
                if reusable && !self.wear.once && goes_on {
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
        let connection = self.pool.get(slot);
        if connection.state == State::Shared
            && let Some(http2) = &mut connection.http2
        {
            http2.expire(now, &mut self.ended);
            if !self.ended.is_empty() || http2.has_uploads() {
                self.unflushed.push(slot);
                self.tell_ended(slot, now);
            }
            return Happened::Nothing;
        }
        // What was done about another one may have closed this one, or opened it anew.
        let (state, is_over) = (connection.state, connection.deadline_ns < now);
        match state {
            State::Connecting if is_over => self.fail(slot, now, ErrorKind::ConnectTimeout),
            State::Busy if is_over => self.fail(slot, now, ErrorKind::Timeout),
            State::Busy => {
                self.begin_upload(slot);
                Happened::Nothing
            }
            _ => Happened::Nothing,
        }
    }

    /// Ends a streamed request whose head has come: the rest of it is not wanted, or cannot be taken. A connection that
    /// carries nothing else is closed with it. [`Client::next_more`] tells of it; what has ended already stays as it is.
    pub fn leave(&mut self, token: u64, now: u64, why: Result<(), ErrorKind>) {
        let Some(slot) = self.pool.streaming(token) else { return };
        let connection = self.pool.get(slot);
        if let Some(http2) = &mut connection.http2 {
            http2.leave(token, now, why, &mut self.ended);
            self.unflushed.push(slot);
            return self.tell_ended(slot, now);
        }
        let Some(status) = connection.reader.status() else { return };
        let end = match why {
            _ if now > connection.deadline_ns => End::Error(ErrorKind::Timeout),
            Ok(()) => End::Response(status),
            Err(kind) => End::Error(kind),
        };
        let outcome = self.outcome(slot, now, end);
        self.close(slot);
        self.more.push_back((Happened::Ended(outcome), Answer::None));
    }

    /// A connection fails, and with it the request that it carries.
    fn fail(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        if self.pool.get(slot).state == State::Connecting {
            return self.fail_to_connect(slot, now, kind);
        }
        let outcome = self.outcome(slot, now, End::Error(kind));
        self.close(slot);
        Happened::Ended(outcome)
    }

    /// A connection fails before it has carried anything, and with it who waits for it.
    fn fail_to_connect(&mut self, slot: Slot, now: u64, kind: ErrorKind) -> Happened {
        let Connection { origin, born_ns, .. } = *self.pool.get(slot);
        self.close(slot);
        if self.pool.connecting(origin) == 0 {
            for again in mem::take(&mut self.again) {
                if again.origin == origin {
                    self.not_sent(again.sent_ns, now, again.sending, kind);
                } else {
                    self.again.push_back(again);
                }
            }
        }
        Happened::ConnectFailed { origin, kind, since_ns: if self.may_share(origin) { born_ns } else { 0 } }
    }

    #[inline]
    fn outcome(&mut self, slot: Slot, now: u64, end: End) -> Outcome {
        let connection = self.pool.get(slot);
        // The rest was counted when it was sent.
        let bytes_sent = connection.upload.take().map_or(0, |sender| sender.sent());
        Outcome {
            due_ns: connection.sending.due_ns,
            sent_ns: connection.since_ns,
            first_byte_ns: connection.first_byte_ns.max(connection.since_ns),
            done_ns: now,
            label: connection.sending.label,
            token: connection.sending.token,
            bytes_sent,
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
fn read(
    connection: &mut Connection,
    heads: &mut HeadReader,
    bytes: &[u8],
    now: u64,
    pieces: &mut Vec<Piece>,
) -> Result<Progress, ErrorKind> {
    if connection.first_byte_ns == 0 {
        connection.first_byte_ns = now;
    }
    connection.received += bytes.len() as u64;
    if connection.sending.streams {
        let mut receiver =
            Receiver { token: connection.sending.token, sent_ns: connection.since_ns, at_ns: now, pieces };
        return connection.reader.feed_to(bytes, heads, &mut receiver);
    }
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
