//! The way of a web socket to its end, whoever begins it.
//!
//! ```text
//! Open ──Close received──▶ Leaving (ours is sent back) ──▶ closed
//!   │                └───▶ Mute, if it is to have no answer ──the client goes──▶ closed
//!   ├──we close──▶ Closing ──theirs, or time──▶ closed
//!   └──it fails──▶ Failed (told why, not listened to) ──the client goes, or time──▶ closed
//! ```

use std::os::fd::OwnedFd;

use super::{Trade, WebSocket};
use crate::clock::now_ns;
use crate::connection::LINGER_NS;
use crate::site::Site;
use crate::ws::frame::{self, Failure};
use crate::ws::wishes::Echo;

/// How long a client may take to answer a Close.
const CLOSE_NS: u64 = 5_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Closing,
    Leaving,
    Mute,
    Failed { told: bool },
}

impl WebSocket {
    /// The last word of a server that stops, as far as the socket takes it.
    pub(crate) fn bid_farewell(&mut self, socket: &OwnedFd, site: &mut Site) {
        if self.stage == Stage::Open {
            self.close(1001, now_ns(), site);
            self.proceed(socket, now_ns(), site);
        }
    }

    /// Forgets what will never be answered, and counts the end.
    pub(crate) fn abandon(&mut self, site: &mut Site) {
        self.give_up(site);
        site.hub.counts.closed += 1;
        if !self.heard_close {
            site.hub.counts.no_close_received();
        }
    }

    pub(super) fn hear_close(&mut self, code: Option<u16>, site: &mut Site) {
        site.hub.counts.close_received(code);
        self.heard_close = true;
        self.give_up(site);
        if matches!(self.trade, Trade::Echo(Echo { no_close: true, .. })) {
            self.stage = Stage::Mute;
            self.until_ns = None;
            return;
        }
        if self.stage == Stage::Open {
            frame::write_close(&mut self.outbox.written, code, "");
            site.hub.counts.close_sent(code);
        }
        self.stage = Stage::Leaving;
    }

    pub(super) fn close(&mut self, code: u16, now_ns: u64, site: &mut Site) {
        self.give_up(site);
        frame::write_close(&mut self.outbox.written, Some(code), "");
        site.hub.counts.close_sent(Some(code));
        self.stage = Stage::Closing;
        self.until_ns = Some(now_ns + CLOSE_NS);
    }

    pub(super) fn fail(&mut self, failure: Failure, now_ns: u64, site: &mut Site) {
        self.give_up(site);
        if self.stage == Stage::Open {
            frame::write_close(&mut self.outbox.written, Some(failure.code), failure.reason);
            site.hub.counts.close_sent(Some(failure.code));
        }
        self.stage = Stage::Failed { told: false };
        self.until_ns = Some(now_ns + LINGER_NS);
    }

    /// Nothing more will be said but the end.
    fn give_up(&mut self, site: &mut Site) {
        for reply in self.replies.take_all() {
            self.log(&reply, false, site);
        }
        if let Trade::Feed(subscriber) = &mut self.trade {
            subscriber.leave(&mut site.hub.feed);
        }
    }
}
