//! Exact counts of what web sockets did, as `/ws/stats` tells them; must not know channels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What came and what went.
#[derive(Debug, Default)]
pub(crate) struct Both {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Since the start of the server. Bytes are those on the wire behind the handshakes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    pub(crate) messages: Both,
    pub(crate) bytes: Both,
    pub(crate) pings_received: u64,
    pub(crate) pongs: Both,
    closes_received: BTreeMap<u16, u64>,
    closes_sent: BTreeMap<u16, u64>,
}

/// A Close without a code, and an end without a Close, as RFC 6455 calls them.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

impl Counts {
    pub(crate) fn close_received(&mut self, code: Option<u16>) {
        *self.closes_received.entry(code.unwrap_or(NO_CODE)).or_default() += 1;
    }

    pub(crate) fn close_sent(&mut self, code: Option<u16>) {
        *self.closes_sent.entry(code.unwrap_or(NO_CODE)).or_default() += 1;
    }

    /// The client went without a Close.
    pub(crate) fn no_close_received(&mut self) {
        self.close_received(Some(NO_CLOSE));
    }

    pub(crate) fn to_json(&self) -> Value {
        let both = |Both { received, sent }: &Both| json!({"received": received, "sent": sent});
        json!({
            "connections": {"open": self.opened - self.closed, "opened": self.opened, "closed": self.closed},
            "messages": both(&self.messages),
            "bytes": both(&self.bytes),
            "pings": {"received": self.pings_received},
            "pongs": both(&self.pongs),
            "close_codes": {"received": self.closes_received, "sent": self.closes_sent},
        })
    }
}
