//! One request between its receipt and its departure; must not know who decided either.

use crate::answers::Answer;
use crate::clock::NEVER_NS;
use crate::departures::Gate;
use crate::events::Progress;
use crate::request::Manner;
use crate::ws::handshake::Welcome;

/// One request on its way to its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// From 1 in the order of receipt; 0 for bytes that never became a request.
    pub(crate) seq: u64,
    pub(crate) due_ns: u64,
    pub(crate) manner: Manner,
    pub(crate) act: Act,
    pub(crate) received_ns: u64,
    /// When it would be due if nothing were ever frozen.
    pub(crate) natural_ns: u64,
    /// The answer is one that is held: it tells for how long.
    pub(crate) timed: bool,
    /// The gate does not hold this one: it belongs to the paths that control the server.
    pub(crate) control: bool,
    /// Kept for the log alone.
    pub(crate) target: Option<Box<str>>,
}

/// What happens at the departure.
#[derive(Debug)]
pub(crate) enum Act {
    Answer(Answer),
    /// One of several parts of an answer leaves, and the next is to follow.
    Events(Progress),
    /// HTTP ends here, and WebSocket begins.
    Upgrade(Box<Welcome>),
    /// The connection ends without an answer.
    Drop,
    /// The connection is reset.
    Reset,
}

impl Exchange {
    /// The last word to a client that does not speak HTTP.
    pub(crate) fn refusal(status: u16) -> Self {
        Self {
            seq: 0,
            due_ns: 0,
            manner: Manner { keep_alive: false, http_1_0: false, head_only: false },
            act: Act::Answer(Answer::Status(status)),
            received_ns: 0,
            natural_ns: 0,
            timed: false,
            control: true,
            target: None,
        }
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.seq == 0
    }

    /// Memory that the answer holds while it waits.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.act {
            Act::Answer(answer) => answer.held_bytes(),
            Act::Events(_) | Act::Upgrade(_) | Act::Drop | Act::Reset => 0,
        }
    }

    /// Puts what has not left by `now_ns` behind a gate that has moved.
    pub(crate) fn regate(&mut self, gate: &Gate, now_ns: u64) {
        if !self.control && self.due_ns > now_ns && self.due_ns != NEVER_NS {
            self.due_ns = gate.release_ns(self.natural_ns.max(now_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_at(natural_ns: u64) -> Exchange {
        Exchange { due_ns: natural_ns, natural_ns, control: false, ..Exchange::refusal(400) }
    }

    #[test]
    fn a_gate_that_moves_holds_what_waits_and_lets_go_what_it_held() {
        let shut = Gate { start_ns: 100, length_ns: 100, every_ns: None };
        let open = Gate::default();
        let mut exchange = due_at(150);
        exchange.regate(&shut, 110);
        assert_eq!(exchange.due_ns, 200, "held to the end of the window");
        exchange.regate(&open, 120);
        assert_eq!(exchange.due_ns, 150, "its own time is yet to come");
        exchange.regate(&shut, 130);
        exchange.regate(&open, 160);
        assert_eq!(exchange.due_ns, 160, "its own time has passed");
    }

    #[test]
    fn a_gate_holds_neither_what_is_leaving_nor_what_controls_it_nor_what_never_leaves() {
        let shut = Gate { start_ns: 100, length_ns: 100, every_ns: None };
        let control = Exchange { control: true, ..due_at(150) };
        for mut exchange in [due_at(105), control, due_at(NEVER_NS)] {
            let due_ns = exchange.due_ns;
            exchange.regate(&shut, 110);
            assert_eq!(exchange.due_ns, due_ns);
        }
    }
}
