//! Server-sent events as they leave, one by one; must not know sockets, and decides nothing about when.

use crate::request::Manner;
use crate::routes::Events;
use crate::tail::put;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
    Transfer-Encoding: chunked\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// How far a response has come.
#[derive(Debug)]
pub(crate) struct Progress {
    events: Events,
    has_head: bool,
    written: u64,
}

impl Progress {
    pub(crate) fn of(events: Events) -> Self {
        Self { events, has_head: false, written: 0 }
    }

    /// Whether what comes next is an event: the head goes before all.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_head
    }

    /// Appends what leaves now. How long after it the next part does; `None` after the last.
    pub(crate) fn write(&mut self, manner: Manner, out: &mut Vec<u8>) -> Option<u64> {
        if self.has_head {
            self.written += 1;
            let event = format!("id: {0}\ndata: {{\"number\": {0}}}\n\n", self.written);
            put(out, format_args!("{:x}\r\n{event}\r\n", event.len()));
        } else {
            self.has_head = true;
            out.extend_from_slice(HEAD);
            out.extend_from_slice(if manner.keep_alive { b"\r\n" } else { b"Connection: close\r\n\r\n" });
            if manner.head_only {
                return None;
            }
        }
        if self.written == self.events.count {
            out.extend_from_slice(END);
            return None;
        }
        Some(self.events.every_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: u64, manner: Manner) -> String {
        let mut progress = Progress::of(Events { count, every_ns: 7 });
        let mut out = Vec::new();
        while let Some(after_ns) = progress.write(manner, &mut out) {
            assert_eq!(after_ns, 7);
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn each_event_is_a_chunk_behind_the_head() {
        let manner = Manner { keep_alive: true, http_1_0: false, head_only: false };
        let text = written(2, manner);
        let body = text.split_once("\r\n\r\n").expect("a head").1;
        let event = |number: u32| format!("1b\r\nid: {number}\ndata: {{\"number\": {number}}}\n\n\r\n");
        assert_eq!(body, format!("{}{}0\r\n\r\n", event(1), event(2)));
        assert!(written(0, manner).ends_with("\r\n\r\n0\r\n\r\n"));
        assert!(!written(2, Manner { head_only: true, ..manner }).contains("data"));
    }
}
