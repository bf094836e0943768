//! What a run of `ws` does, as the plan says it.

use serde::Deserialize;

use super::path::{self, Path};
use crate::plan::{Encoding, Load, PlanError};

/// What replies may look like: beside what else is looked for in each message.
const MOST_EXPECTED: usize = path::MOST - 4;

/// Sockets: each arrival of the plan's load opens one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// `ws://` or `wss://`, ASCII only.
    pub url: String,
    /// Headers of the handshake, beside its own.
    pub headers: Vec<(String, String)>,
    /// Offered, the most wanted first.
    #[serde(default)]
    pub subprotocols: Vec<String>,
    /// Offers compression.
    #[serde(default)]
    pub deflate: bool,
    /// Every socket sends all of these when it is open.
    #[serde(default)]
    pub subscribe: Vec<Message>,
    /// And one of these: socket `k` number `k` modulo how many there are.
    #[serde(default)]
    pub subscriptions: Vec<Message>,
    /// And all of these when it has subscribed.
    #[serde(default)]
    pub listing: Vec<Message>,
    /// And all of these before it is closed.
    #[serde(default)]
    pub unsubscribe: Vec<Message>,
    /// How long sockets take to begin with that, one after the other, up to the end of the load.
    #[serde(default)]
    pub leave_ns: u64,
    /// What the last two may refer to: values in the acknowledgements of subscriptions.
    #[serde(default)]
    pub reply: Vec<Path>,
    /// Message `j` of `sends` is number `j` modulo how many there are.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// When messages are due.
    #[serde(default)]
    pub sends: Option<Load>,
    /// How often each socket asks whether the peer is still there.
    #[serde(default)]
    pub ping_every_ns: Option<u64>,
    /// What replies look like, like one of these; without any and without `correlate` nothing is waited for.
    #[serde(default)]
    pub expect: Vec<Expected>,
    /// What is the same in a message and its reply.
    #[serde(default)]
    pub correlate: Option<Correlation>,
    /// When a message was sent, as it says itself.
    #[serde(default)]
    pub stamp: Option<Stamp>,
    /// The number of a message within its stream.
    #[serde(default)]
    pub sequence: Option<Path>,
    /// Which stream that is.
    #[serde(default)]
    pub channel: Option<Path>,
    /// Opens a socket again that was lost.
    #[serde(default)]
    pub reconnect: Option<Backoff>,
    /// Message `j`, socket `k` takes row `j`, `k` modulo their number.
    #[serde(default)]
    pub rows: Vec<Vec<String>>,
    #[serde(default, rename = "row_count")]
    _row_count: serde::de::IgnoredAny,
    #[serde(default, rename = "columns")]
    _columns: serde::de::IgnoredAny,
    /// Seed of what is drawn.
    #[serde(default)]
    pub seed: u64,
}

/// A message, with values in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// A template; in base64 where it is sent as bytes.
    pub text: String,
    /// Sent as bytes, not as text.
    #[serde(default)]
    pub binary: bool,
    /// How values of a row are written into it.
    #[serde(default = "json")]
    pub encoding: Encoding,
    /// Name under which it is counted.
    pub label: String,
}

fn json() -> Encoding {
    Encoding::Json
}

/// What a reply looks like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// It has a value there; without a path every message will do.
    #[serde(default)]
    pub path: Option<Path>,
    /// And it is this one, as JSON writes it.
    #[serde(default)]
    pub value: Option<String>,
}

impl Expected {
    /// Whether a message looks like it that has this at the path.
    pub fn is(&self, found: Option<&str>) -> bool {
        match &self.value {
            _ if self.path.is_none() => true,
            Some(value) => found == Some(value.as_str()),
            None => found.is_some(),
        }
    }
}

/// Where the value stands that a message and its reply have in common.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// In the message.
    pub request: Path,
    /// In the reply.
    pub reply: Path,
}

/// Where a message says when it was sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// A whole number.
    pub path: Path,
    /// Its unit.
    pub unit_ns: u64,
    /// What it counts from.
    pub clock: StampClock,
}

/// What the stamps of messages count from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum StampClock {
    /// This machine's `CLOCK_MONOTONIC`.
    Monotonic,
    /// 1970.
    Wall,
}

/// How long to wait before a lost socket is opened again: a random time up to a bound that doubles.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first bound.
    pub first_ns: u64,
    /// The last.
    pub most_ns: u64,
}

impl Backoff {
    /// The bound before a try, the first of which is number 0.
    pub fn bound_ns(&self, tries: u32) -> u64 {
        self.first_ns.saturating_mul(1 << tries.min(30)).min(self.most_ns.max(self.first_ns))
    }
}

impl Sockets {
    /// Whether anything that is sent waits for a reply.
    pub fn waits(&self) -> bool {
        !self.expect.is_empty() || self.correlate.is_some()
    }

    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let refuse = |condition: bool, text: &str| {
            if condition { Err(PlanError(format!("sockets.{text}"))) } else { Ok(()) }
        };
        let is_ws = self.url.starts_with("ws://") || self.url.starts_with("wss://");
        refuse(!is_ws, "url: expected ws:// or wss://")?;
        refuse(self.sends.is_some() && self.messages.is_empty(), "messages: expected at least one to send")?;
        refuse(self.ping_every_ns == Some(0), "ping_every_ns: expected more than 0")?;
        refuse(self.reconnect.is_some_and(|backoff| backoff.first_ns == 0), "reconnect: expected more than 0")?;
        refuse(self.stamp.as_ref().is_some_and(|stamp| stamp.unit_ns == 0), "stamp.unit_ns: expected more than 0")?;
        refuse(self.expect.len() > MOST_EXPECTED, "expect: too many")?;
        let columns = self.rows.first().map_or(0, Vec::len);
        refuse(self.rows.iter().any(|row| row.len() != columns), "rows: expected as many values in each")?;
        refuse(matches!(self.sends, Some(Load::Closed { .. })), "sends: expected the open model")?;
        self.sends.as_ref().map_or(Ok(()), Load::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_told_by_what_it_has() {
        let expected = |path: Option<&str>, value: Option<&str>| Expected {
            path: path.map(|path| Path::parse(path).unwrap()),
            value: value.map(str::to_owned),
        };
        let message = br#"{"op": "subscribed", "id": 7}"#;
        for (path, value, is) in [
            (None, None, true),
            (Some("id"), None, true),
            (Some("x"), None, false),
            (Some("op"), Some(r#""subscribed""#), true),
            (Some("op"), Some("subscribed"), false),
            (Some("id"), Some("7"), true),
        ] {
            let expected = expected(path, value);
            let found = expected.path.as_ref().and_then(|path| path.find(message));
            assert_eq!(expected.is(found), is, "{path:?} {value:?}");
        }
    }

    #[test]
    fn backing_off_doubles_up_to_a_bound() {
        let backoff = Backoff { first_ns: 100, most_ns: 1000 };
        assert_eq!([0, 1, 2, 3, 4, 99].map(|tries| backoff.bound_ns(tries)), [100, 200, 400, 800, 1000, 1000]);
    }
}
