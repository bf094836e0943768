//! Something that happened on a channel, as the bytes of one frame for all who want it. Must not know who they are.

use std::cell::OnceCell;

use serde_json::Value;

use crate::ws::deflate::Codec;
use crate::ws::frame::{self, FIN, RSV1, TEXT};

pub(crate) const CHANNELS: [&str; 3] = ["blocks", "transactions", "network_stats"];
pub(crate) const ALL: [ChannelId; 3] = [ChannelId::Blocks, ChannelId::Transactions, ChannelId::NetworkStats];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelId {
    Blocks,
    Transactions,
    NetworkStats,
}

impl ChannelId {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|channel| channel.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        CHANNELS[self.place()]
    }

    pub(crate) fn place(self) -> usize {
        self as usize
    }

    pub(crate) fn bit(self) -> u8 {
        1 << self.place()
    }
}

/// Something that happened, as its bytes leave to all who want it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) channel: ChannelId,
    pub(crate) seq: u64,
    pub(crate) data: Value,
    plain: Vec<u8>,
    deflated: OnceCell<Vec<u8>>,
}

impl Event {
    pub(crate) fn new(channel: ChannelId, seq: u64, happened_ns: u64, data: Value, text: &str) -> Self {
        let name = channel.name();
        let text = format!(r#"{{"op":"event","channel":"{name}","seq":{seq},"ts_ns":{happened_ns},"data":{text}}}"#);
        let mut plain = Vec::new();
        frame::write(&mut plain, FIN | TEXT, text.as_bytes());
        Self { channel, seq, data, plain, deflated: OnceCell::new() }
    }

    /// The whole frame.
    pub(crate) fn bytes(&self, deflate: bool, codec: &mut Codec) -> &[u8] {
        if !deflate {
            return &self.plain;
        }
        self.deflated.get_or_init(|| {
            let head_bytes = match self.plain[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            let mut deflated = Vec::new();
            frame::write(&mut deflated, FIN | RSV1 | TEXT, &codec.deflate(&self.plain[head_bytes..]));
            deflated
        })
    }
}
