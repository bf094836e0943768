//! What happens to a socket of a script's: it is counted, and kept for the script.
//!
//! ```text
//!   engine: news ──▶ note: counted ──▶ unread ──▶ take ──▶ the script
//!                              │ too much of it     │  ▲
//!                              └──▶ held ◀─released─┘  └── wait: a future, until something has come
//! ```
//!
//! Its handshake is a request; from its opening to its end it is a group, which fails with the kind of its loss.

use std::cmp::Reverse;

use loadgen_engine::client::news::What;
use loadgen_engine::client::sockets::Lost;
use loadgen_engine::outcome::{End, ErrorKind, Outcome};
use loadgen_engine::record::block::{Kind, Role, TallyKind, Word};

use crate::engine::Core;
use crate::socket::{Socket, State, Unread};

/// So many bytes that a script has not taken make the peer wait.
const HOLD_BYTES: usize = 1 << 20;
/// What a message takes beside its bytes.
const MESSAGE_BYTES: usize = 64;
/// The status of a handshake that went well.
const SWITCHING: u16 = 101;
/// There was no reason but the end.
const NORMAL: u16 = 1000;
/// A close without a code, and an end without a close.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

impl Core {
    /// Counts what has happened to a socket, and keeps it for the script.
    pub(crate) fn note(&mut self, socket: &Socket, at_ns: u64, what: What) {
        let state = &mut *socket.state();
        let asked = &socket.asked;
        match what {
            What::Connected { took_ns, tls_ns } => {
                state.stood_ns = at_ns;
                self.recorder.add(Word::Connects, 1);
                self.recorder.connected(asked.label, took_ns, tls_ns);
                self.recorder.sent(asked.label, asked.due_ns, at_ns, 0);
                self.recorder.sample(asked.label, Kind::Dispatch, asked.asked_ns.saturating_sub(asked.due_ns));
                self.recorder.add(Word::PoolWaits, 1);
                self.recorder.sample(asked.label, Kind::PoolWait, at_ns.saturating_sub(asked.asked_ns));
            }
            What::Open => {
                state.open_since_ns = at_ns;
                state.status = SWITCHING;
                state.protocol = state.slot.and_then(|slot| self.courier.client.protocol(slot));
                let outcome = socket.outcome(state.stood_ns, at_ns, End::Response(SWITCHING));
                self.recorder.finished(asked.label, &outcome);
                state.session = self.label(Role::Group, &format!("{} session", asked.name));
                if let Some(session) = state.session {
                    self.recorder.begun(session);
                }
                self.tally_one("sockets opened");
                if let (Some(cookies), Some(slot)) = (&asked.cookies, state.slot) {
                    cookies.get().take(&asked.url.replacen("ws", "http", 1), &self.courier.client.set_cookies(slot));
                }
                if let Some(every_ns) = asked.ping_every_ns {
                    self.sockets.pings.push(Reverse((at_ns + every_ns, state.token)));
                }
            }
            What::Text(text) => self.keep(state, at_ns, Unread::Text(text)),
            What::Binary(bytes) => self.keep(state, at_ns, Unread::Binary(bytes)),
            What::Pong(took_ns) => {
                state.pong_ns = (at_ns.saturating_sub(took_ns), at_ns);
                self.tally_one("pongs received");
                if let Some(label) = self.label(Role::Trend, "ping") {
                    self.recorder.sample(label, Kind::Response, took_ns);
                }
            }
            What::Written => {}
            What::Close(code, reason) => {
                let code = code.unwrap_or(NO_CODE);
                state.close = Some((code, reason));
                // Who closes so has said all: whether that was too early, the script decides.
                let is_well = state.is_leaving || code == NORMAL;
                self.socket_ended(socket, state, at_ns, (!is_well).then_some(ErrorKind::WsClosed));
            }
            What::Lost(Lost { kind, status }) => {
                state.status = status.unwrap_or(state.status);
                self.socket_ended(socket, state, at_ns, Some(kind));
            }
        }
    }

    fn socket_ended(&mut self, socket: &Socket, state: &mut State, now: u64, error: Option<ErrorKind>) {
        (state.is_over, state.slot) = (true, None);
        state.error = error.map(ErrorKind::name);
        if state.open_since_ns == 0 {
            let Some(kind) = error else { return };
            if state.stood_ns == 0 {
                self.recorder.add(Word::ConnectFailures, 1);
                let late_ns = now.saturating_sub(socket.asked.due_ns);
                self.recorder.sample(socket.asked.label, Kind::Lateness, late_ns);
            }
            let outcome = socket.outcome(state.stood_ns, now, End::Error(kind));
            self.recorder.finished(socket.asked.label, &outcome);
            if state.status > 0 {
                self.tally_one(&format!("refused {}", state.status));
            }
            return;
        }
        let (code, _) = state.close.get_or_insert((NO_CLOSE, String::new()));
        self.tally_one(&format!("close {code}"));
        if error.is_some() {
            self.tally_one("sockets lost");
        }
        let since_ns = state.open_since_ns;
        match (state.session, error) {
            (Some(session), None) => self.recorder.ended_well(session, since_ns, since_ns, now),
            (Some(session), Some(kind)) => {
                self.recorder.finished(session, &ended(session, since_ns, since_ns, now, End::Error(kind)));
            }
            (None, _) => {}
        }
    }

    fn keep(&mut self, state: &mut State, at_ns: u64, unread: Unread) {
        self.tally_one("messages received");
        self.tally_many("bytes received", unread.len());
        if state.is_leaving {
            return;
        }
        state.unread_bytes += unread.len() + MESSAGE_BYTES;
        state.unread.push_back((at_ns, unread));
        if state.unread_bytes > HOLD_BYTES
            && !state.is_held
            && let Some(slot) = state.slot
        {
            state.is_held = true;
            self.courier.client.hold_socket(slot);
        }
    }

    pub(crate) fn release_socket(&mut self, state: &mut State) {
        if std::mem::take(&mut state.is_held)
            && let Some(slot) = state.slot
        {
            self.courier.client.release_socket(slot);
        }
    }

    pub(crate) fn tally_one(&mut self, name: &str) {
        self.tally_many(name, 1);
    }

    pub(crate) fn tally_many(&mut self, name: &str, amount: usize) {
        if let Some(tally) = self.tally(TallyKind::Counter, name) {
            self.recorder.tally_add(tally, 0, amount as f64);
            self.recorder.tally_add(tally, 1, 1.0);
        }
    }
}

impl Socket {
    fn outcome(&self, stood_ns: u64, now: u64, end: End) -> Outcome {
        let sent_ns = if stood_ns == 0 { now } else { stood_ns };
        ended(self.asked.label, self.asked.due_ns, sent_ns, now, end)
    }
}

fn ended(label: usize, due_ns: u64, sent_ns: u64, now: u64, end: End) -> Outcome {
    Outcome {
        due_ns,
        sent_ns,
        first_byte_ns: now,
        done_ns: now,
        label,
        token: 0,
        bytes_sent: 0,
        bytes_received: 0,
        end,
    }
}
