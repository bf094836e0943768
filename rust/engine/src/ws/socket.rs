//! One WebSocket: the handshake, messages both ways, pings, the close. The owner moves the bytes, keeps the time, and
//! closes the connection when the socket is over.
//!
//! ```text
//!                 101                  close sent              their close
//!   Handshaking ──────▶ Open ───────────────────────▶ Closing ─────────────┐
//!        │               │  their close, answered; a failure, told         ▼
//!        │               └────────────────────────────────────────────▶ Ending
//!        │ any other answer, or none in time          none in time         │ the connection ends, or not in time
//!        └───────────────────────────────────▶ Over ◀──────────────────────┘
//! ```

use std::rc::Rc;

use super::deflate::Deflate;
use super::failure::Failure;
use super::frame::Opcode;
use super::handshake::{Answer, Opening};
use super::reader::{Inbox, MESSAGE_LIMIT, Reader, Received};
use super::writer::{Message, Outbox, Writer};
use crate::clock::SECOND;
use crate::outcome::ErrorKind;

const NEVER: u64 = u64::MAX;

/// How much a server may send, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest message.
    pub message_bytes: usize,
    /// Until the handshake is answered.
    pub handshake_ns: u64,
    /// Until a ping is answered.
    pub pong_ns: u64,
    /// Until a close is answered, and then until the server ends the connection.
    pub close_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: MESSAGE_LIMIT, handshake_ns: 10 * SECOND, pong_ns: 20 * SECOND, close_ns: 10 * SECOND }
    }
}

/// What has gone over a socket since its handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages written.
    pub messages_sent: u64,
    /// Messages read.
    pub messages_received: u64,
    /// Bytes of the messages written, before compression.
    pub payload_sent: u64,
    /// Bytes of the messages read, after inflation.
    pub payload_received: u64,
    /// Bytes written, all told.
    pub wire_sent: u64,
    /// Bytes read, all told.
    pub wire_received: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server agreed: messages can be sent.
    Opened,
    /// A message came.
    Message(Message<'a>),
    /// A ping came, and is answered unless we are closing.
    Ping(&'a [u8]),
    /// A pong came; if it answers a ping of [`Socket::ping`], how long that took.
    Pong(&'a [u8], Option<u64>),
    /// The server closes, or answers our close: the code and the reason that it gave.
    Closed(Option<u16>, &'a str),
}

#[derive(Debug)]
enum State {
    Handshaking(Box<Answer>),
    Open,
    /// We have said that we close.
    Closing,
    /// All is said. The server is to end the connection first: see RFC 6455, section 7.1.1.
    Ending,
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Socket {
    opening: Rc<Opening>,
    limits: Limits,
    state: State,
    protocol: Option<usize>,
    cookies: Vec<String>,
    reader: Reader,
    writer: Writer,
    deflate: Option<Deflate>,
    /// When the state has lasted too long; in the open state, when a pong is overdue.
    deadline_ns: u64,
    /// The pings without a pong: when the first and the last of them were sent.
    pings_ns: Option<(u64, u64)>,
    counts: Counts,
}

impl Socket {
    /// A socket on a connection that stands; its request is appended to `out`. What is random in it follows from the
    /// seed.
    pub fn new(opening: &Rc<Opening>, limits: Limits, seed: u64, now_ns: u64, out: &mut Vec<u8>) -> Self {
        let answer = opening.begin(seed, out);
        Self {
            opening: Rc::clone(opening),
            limits,
            state: State::Handshaking(Box::new(answer)),
            protocol: None,
            cookies: Vec::new(),
            reader: Reader::default(),
            writer: Writer::new(seed),
            deflate: None,
            deadline_ns: now_ns.saturating_add(limits.handshake_ns),
            pings_ns: None,
            counts: Counts::default(),
        }
    }

    /// Takes bytes that came from their beginning, until something happened or none are left. What they make necessary is
    /// appended to `out`. A failure is told once; whatever comes then is of no interest.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        now_ns: u64,
        inbox: &'a mut Inbox,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Failure> {
        match self.state {
            State::Handshaking(_) => return self.next_of_handshake(bytes),
            State::Open | State::Closing => {}
            State::Ending | State::Over => {
                *bytes = &[];
                return Ok(None);
            }
        }
        let before = bytes.len();
        let received = self.reader.next(bytes, self.limits.message_bytes, self.deflate.as_mut(), inbox);
        self.counts.wire_received += (before - bytes.len()) as u64;
        match received {
            Ok(None) => Ok(None),
            Ok(Some(Received::Text(text))) => Ok(Some(self.count(Message::Text(text)))),
            Ok(Some(Received::Binary(bytes))) => Ok(Some(self.count(Message::Binary(bytes)))),
            Ok(Some(Received::Ping(payload))) => {
                self.control(Opcode::Pong, payload, out);
                Ok(Some(Event::Ping(payload)))
            }
            Ok(Some(Received::Pong(payload))) => Ok(Some(Event::Pong(payload, self.round_trip(payload, now_ns)))),
            Ok(Some(Received::Close(code, reason))) => {
                self.say_close(code, "", out);
                self.end_within(now_ns);
                *bytes = &[];
                Ok(Some(Event::Closed(code, reason)))
            }
            Err(failure) => {
                self.say_close(failure.close_code(), "", out);
                self.end_within(now_ns);
                *bytes = &[];
                Err(failure)
            }
        }
    }

    fn next_of_handshake<'a>(&mut self, bytes: &mut &[u8]) -> Result<Option<Event<'a>>, Failure> {
        let State::Handshaking(answer) = &mut self.state else { return Ok(None) };
        match answer.feed(&self.opening, bytes) {
            Ok(None) => Ok(None),
            Ok(Some(accepted)) => {
                self.protocol = accepted.protocol;
                self.cookies = accepted.cookies;
                self.deflate = accepted.deflate.map(Deflate::new);
                self.state = State::Open;
                self.deadline_ns = NEVER;
                Ok(Some(Event::Opened))
            }
            Err(failure) => {
                *bytes = &[];
                self.state = State::Over;
                Err(failure)
            }
        }
    }

    /// Appends a message. Whether it was: not before the handshake, and not after a close.
    #[inline]
    pub fn send(&mut self, message: Message<'_>, outbox: &mut Outbox, out: &mut Vec<u8>) -> bool {
        if !self.is_open() {
            return false;
        }
        let before = out.len();
        self.writer.message(message, self.deflate.as_mut(), outbox, out);
        self.counts.messages_sent += 1;
        self.counts.payload_sent += message.bytes().len() as u64;
        self.counts.wire_sent += (out.len() - before) as u64;
        true
    }

    /// Appends a ping that carries the instant. Whether it was; if so, its pong has a deadline.
    pub fn ping(&mut self, now_ns: u64, out: &mut Vec<u8>) -> bool {
        if !self.control(Opcode::Ping, &now_ns.to_be_bytes(), out) {
            return false;
        }
        let first_ns = self.pings_ns.map_or(now_ns, |(first_ns, _)| first_ns);
        if self.pings_ns.is_none() {
            self.deadline_ns = now_ns.saturating_add(self.limits.pong_ns);
        }
        self.pings_ns = Some((first_ns, now_ns));
        true
    }

    /// Appends a ping or a pong with a payload of the owner's, of which nothing is expected. Whether it was.
    pub fn control(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.is_open() {
            return false;
        }
        let before = out.len();
        self.writer.control(opcode, payload, out);
        self.counts.wire_sent += (out.len() - before) as u64;
        true
    }

    /// Says that we close. Messages that are on their way still come, then the server's answer. Whether there was
    /// something to close: a handshake can only be given up.
    pub fn close(&mut self, code: u16, reason: &str, now_ns: u64, out: &mut Vec<u8>) -> bool {
        if !self.is_open() {
            return false;
        }
        self.say_close(Some(code), reason, out);
        self.state = State::Closing;
        self.deadline_ns = now_ns.saturating_add(self.limits.close_ns);
        true
    }

    /// The connection ended. A failure, unless all was said.
    pub fn end(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Handshaking(_) => Err(Failure::Http(ErrorKind::Closed)),
            State::Open | State::Closing => Err(Failure::AbnormalClose),
            State::Ending | State::Over => Ok(()),
        }
    }

    /// When [`Socket::expire`] must be called.
    pub fn next_deadline(&self) -> Option<u64> {
        (self.deadline_ns != NEVER && !self.is_over()).then_some(self.deadline_ns)
    }

    /// Gives up what has taken too long.
    pub fn expire(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.next_deadline().is_none_or(|deadline_ns| now_ns < deadline_ns) {
            return Ok(());
        }
        if self.is_open() {
            self.say_close(Failure::NoPong.close_code(), "", out);
            self.end_within(now_ns);
            return Err(Failure::NoPong);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Handshaking(_) => Err(Failure::Http(ErrorKind::Timeout)),
            State::Closing => Err(Failure::CloseTimeout),
            _ => Ok(()),
        }
    }

    /// Nothing was read for a while, which is not the server's fault: its time begins anew.
    pub fn excuse(&mut self, now_ns: u64) {
        if self.is_open() && self.pings_ns.is_some() {
            self.deadline_ns = now_ns.saturating_add(self.limits.pong_ns);
        }
    }

    /// Messages can be sent.
    #[inline]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Nothing more comes of it: close the connection.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.map(|number| self.opening.protocol(number))
    }

    /// What the answer to the handshake sets, for whoever keeps it.
    pub fn take_cookies(&mut self) -> Vec<String> {
        std::mem::take(&mut self.cookies)
    }

    /// Compression was agreed on.
    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// What has gone over it.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    #[inline]
    fn count<'a>(&mut self, message: Message<'a>) -> Event<'a> {
        self.counts.messages_received += 1;
        self.counts.payload_received += message.bytes().len() as u64;
        Event::Message(message)
    }

    /// A pong answers the ping whose instant it carries, and all before it.
    fn round_trip(&mut self, payload: &[u8], now_ns: u64) -> Option<u64> {
        let sent_ns = u64::from_be_bytes(payload.try_into().ok()?);
        let (_, last_ns) = self.pings_ns.filter(|&(first_ns, last_ns)| (first_ns..=last_ns).contains(&sent_ns))?;
        let is_last = sent_ns == last_ns;
        self.pings_ns = (!is_last).then_some((sent_ns + 1, last_ns));
        if self.is_open() {
            self.deadline_ns = if is_last { NEVER } else { last_ns.saturating_add(self.limits.pong_ns) };
        }
        Some(now_ns.saturating_sub(sent_ns))
    }

    /// Unless it was said before.
    fn say_close(&mut self, code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
        if self.is_open() {
            let before = out.len();
            self.writer.close(code, reason, out);
            self.counts.wire_sent += (out.len() - before) as u64;
        }
    }

    fn end_within(&mut self, now_ns: u64) {
        self.state = State::Ending;
        self.deadline_ns = now_ns.saturating_add(self.limits.close_ns);
    }
}

#[cfg(test)]
mod tests;
