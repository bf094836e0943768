//! What a web socket says: echoes when they are due, what a feed's commands are answered, pongs at once.

use super::{Trade, WebSocket};
use crate::clock::now_ns;
use crate::log::Line;
use crate::site::Site;
use crate::ws::frame::{self, BINARY, FIN, PONG, RSV1, TEXT};
use crate::ws::pipe::Pipe;
use crate::ws::replies::Reply;
use crate::ws::wishes::Echo;
use crate::ws::{Hub, commands};

impl WebSocket {
    pub(super) fn answer(&mut self, text: bool, payload: &[u8], now_ns: u64, site: &mut Site) {
        match &mut self.trade {
            Trade::Echo(echo) => {
                let echo = *echo;
                let target = self.target.as_deref().unwrap_or_default();
                let natural_ns = echo.delay.map_or(now_ns, |law| site.departure_ns(law, target, now_ns));
                let seq = site.number_message();
                self.say(text, payload, (seq, now_ns, natural_ns), site);
            }
            Trade::Feed(subscriber) => {
                let Hub { counts, codec, feed } = &mut site.hub;
                let (deflate, most_bytes) = (self.deflate, feed.options.buffer_bytes);
                let mut pipe = Pipe { outbox: &mut self.outbox, counts, codec, deflate, most_bytes, alone: None };
                let reply = commands::obey(payload, subscriber, feed, &mut pipe, now_ns);
                pipe.keep();
                self.say(true, reply.as_bytes(), (0, now_ns, now_ns), site);
            }
        }
    }

    /// A message, to leave when it is due.
    fn say(&mut self, text: bool, payload: &[u8], (seq, received_ns, natural_ns): (u64, u64, u64), site: &mut Site) {
        let due_ns = site.gate.release_ns(natural_ns);
        let mut reply = Reply { seq, received_ns, natural_ns, due_ns, bytes: Vec::new(), message: true };
        if self.replies.is_empty() && due_ns <= received_ns {
            self.write_message(text, payload, site, None);
            self.depart(&reply, received_ns, site);
        } else {
            self.write_message(text, payload, site, Some(&mut reply.bytes));
            self.replies.push(reply);
        }
    }

    /// Into these bytes, or to what is sent next.
    fn write_message(&mut self, text: bool, payload: &[u8], site: &mut Site, out: Option<&mut Vec<u8>>) {
        let out = out.unwrap_or(&mut self.outbox.written);
        let opcode = if text { TEXT } else { BINARY };
        let fragment_bytes = match self.trade {
            Trade::Echo(Echo { fragment: Some(bytes), .. }) => bytes,
            _ => usize::MAX,
        };
        if self.deflate {
            let deflated = site.hub.codec.deflate(payload);
            frame::write_fragments(out, opcode, RSV1, &deflated, fragment_bytes);
        } else {
            frame::write_fragments(out, opcode, 0, payload, fragment_bytes);
        }
    }

    /// At once, before messages that wait: a pong says that somebody is there.
    pub(super) fn pong(&mut self, payload: &[u8], now_ns: u64, site: &mut Site) {
        let due_ns = site.gate.release_ns(now_ns);
        if due_ns <= now_ns {
            frame::write(&mut self.outbox.written, FIN | PONG, payload);
            site.hub.counts.pongs.sent += 1;
        } else {
            let mut bytes = Vec::new();
            frame::write(&mut bytes, FIN | PONG, payload);
            let natural_ns = now_ns;
            self.replies.push(Reply { seq: 0, received_ns: now_ns, natural_ns, due_ns, bytes, message: false });
        }
    }

    /// Writes the replies that are due, in order.
    pub(super) fn write_due(&mut self, now_ns: u64, site: &mut Site) {
        while self.outbox.unsent() < self.most_unsent_bytes
            && let Some(reply) = self.replies.pop_due(now_ns)
        {
            self.outbox.written.extend_from_slice(&reply.bytes);
            self.depart(&reply, now_ns, site);
        }
    }

    /// Notes that a reply leaves, which may have been the last.
    fn depart(&mut self, reply: &Reply, now_ns: u64, site: &mut Site) {
        if !reply.message {
            site.hub.counts.pongs.sent += 1;
            return;
        }
        site.hub.counts.messages.sent += 1;
        self.log(reply, true, site);
        self.answered += 1;
        if let Trade::Echo(Echo { close_after: Some(most), .. }) = self.trade
            && self.answered == most
        {
            self.close(1000, now_ns, site);
        }
    }

    /// One line for each echo; a feed's replies are not of the kind that is timed.
    pub(super) fn log(&self, reply: &Reply, sent: bool, site: &mut Site) {
        if let (Some(log), Some(target), Trade::Echo(_)) = (&mut site.log, &self.target, &self.trade)
            && reply.message
        {
            log.write(Line {
                seq: reply.seq,
                connection: self.number,
                received_ns: reply.received_ns,
                due_ns: reply.due_ns,
                sent_ns: if sent { now_ns() } else { 0 },
                target,
            });
        }
    }
}
