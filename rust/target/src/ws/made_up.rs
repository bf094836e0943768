//! The data of events that nobody published: a pure function of seed, channel and number.

use serde_json::{Value, json};

use crate::law::hash;
use crate::ws::event::ChannelId;

/// Addresses are 0x…01 to 0x…64, so that a filter for one of them takes one event in a hundred.
const ADDRESSES: u64 = 100;

/// The data of event `seq` (from 1) of a channel.
pub(crate) fn data(seed: u64, channel: ChannelId, seq: u64) -> Value {
    let key = hash(seed, channel.place() as u64);
    let event = hash(key, seq);
    // Draw `number` of this event, below `bound`.
    let draw = |number: u64, bound: u64| hash(event, number) % bound;
    match channel {
        ChannelId::Blocks => json!({
            "number": seq,
            "hash": hash_text(event),
            "parent_hash": hash_text(hash(key, seq - 1)),
            "miner": address(draw(1, ADDRESSES)),
            "transactions": draw(2, 200),
            "gas_used": draw(3, 30_000_000),
            "gas_limit": 30_000_000,
        }),
        ChannelId::Transactions => json!({
            "hash": hash_text(event),
            "from": address(draw(1, ADDRESSES)),
            "to": address(draw(2, ADDRESSES)),
            "value": draw(3, 1_000_000),
            "gas": 21_000 + draw(4, 100_000),
            "gas_price": 1 + draw(5, 100),
            "nonce": seq,
        }),
        ChannelId::NetworkStats => json!({
            "peers": 20 + draw(1, 60),
            "pending_transactions": draw(2, 5_000),
            "gas_price": 1 + draw(3, 100),
            "hash_rate": 1_000_000 + draw(4, 1_000_000),
        }),
    }
}

fn address(number: u64) -> String {
    format!("0x{:040x}", number + 1)
}

fn hash_text(event: u64) -> String {
    let words: [u64; 4] = std::array::from_fn(|place| hash(event, place as u64));
    format!("0x{:016x}{:016x}{:016x}{:016x}", words[0], words[1], words[2], words[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::event::ALL;

    #[test]
    fn a_seed_repeats_its_events_and_another_has_others() {
        for channel in ALL {
            assert_eq!(data(1, channel, 7), data(1, channel, 7));
            assert_ne!(data(1, channel, 7), data(2, channel, 7));
            assert_ne!(data(1, channel, 7), data(1, channel, 8));
        }
    }

    #[test]
    fn blocks_are_a_chain() {
        let block = |seq| data(1, ChannelId::Blocks, seq);
        assert_eq!(block(2)["parent_hash"], block(1)["hash"]);
        assert_eq!(block(1)["hash"].as_str().map(str::len), Some(66));
        assert_eq!(address(0), "0x0000000000000000000000000000000000000001");
    }
}
