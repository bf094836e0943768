//! `WebSocket` (RFC 6455, RFC 7692) on `/ws/echo` and `/ws/feed`. Frames are read and written here: a broadcast
//! is serialised once, and one pair of deflate windows serves all connections, as nobody keeps a context.
//!
//! ```text
//! bytes ──reader──▶ Received ──socket──▶ echo, or commands ──▶ replies ──due──▶ outbox ──▶ bytes
//!                                             │ subscribe                        ▲
//!                                             ▼                                  │
//!            feed: rates, publications ──▶ batch of events ──subscriber: filter, fate
//! ```

pub(crate) mod commands;
pub(crate) mod counts;
pub(crate) mod deflate;
pub(crate) mod event;
pub(crate) mod feed;
pub(crate) mod filter;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod made_up;
pub(crate) mod options;
pub(crate) mod pipe;
pub(crate) mod reader;
pub(crate) mod replies;
pub(crate) mod socket;
pub(crate) mod subscriber;
pub(crate) mod wishes;

use counts::Counts;
use deflate::Codec;
use feed::Feed;
use options::FeedOptions;

/// What all web sockets of one server share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) counts: Counts,
    pub(crate) codec: Codec,
    pub(crate) feed: Feed,
}

impl Hub {
    pub(crate) fn new(options: FeedOptions) -> Self {
        Self { counts: Counts::default(), codec: Codec::default(), feed: Feed::new(options) }
    }

    /// What `/ws/stats` tells.
    pub(crate) fn to_json(&self) -> String {
        let mut json = self.counts.to_json();
        json["channels"] = self.feed.to_json();
        json.to_string()
    }
}
