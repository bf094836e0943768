//! What the feed of a server is to do, as it is given when the server starts.

use serde::Deserialize;

/// The feed. Rates are in events per second, 0 for none; shares are of the deliveries to each subscriber.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedOptions {
    /// Rate of the channel `blocks`.
    pub blocks: f64,
    /// Rate of the channel `transactions`.
    pub transactions: f64,
    /// Rate of the channel `network_stats`.
    pub network_stats: f64,
    /// What becomes of a subscriber that does not keep up.
    pub slow: Slow,
    /// How many bytes may wait for one connection, beside those the kernel holds.
    pub buffer_bytes: usize,
    /// The share that is left out.
    pub lose: f64,
    /// The share that is sent twice.
    pub repeat: f64,
    /// The share that changes places with the next.
    pub reorder: f64,
    /// Makes events and faults repeatable.
    pub seed: u64,
}

/// What becomes of a subscriber that does not keep up.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Slow {
    /// It misses events until it has caught up.
    Drop,
    /// It is closed with code 1008.
    Close,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            blocks: 1.0,
            transactions: 50.0,
            network_stats: 1.0,
            slow: Slow::Drop,
            buffer_bytes: 1 << 20,
            lose: 0.0,
            repeat: 0.0,
            reorder: 0.0,
            seed: 1,
        }
    }
}

/// The shortest time between two events of a channel is a microsecond.
const MOST_PER_SECOND: f64 = 1e6;

impl FeedOptions {
    /// From JSON; what is not in it is as usual.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let options: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let rates = [options.blocks, options.transactions, options.network_stats];
        if !rates.iter().all(|rate| (0.0..=MOST_PER_SECOND).contains(rate)) {
            return Err("rates: expected events per second from 0 to 1000000".to_owned());
        }
        let shares = [options.lose, options.repeat, options.reorder];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) || shares.iter().sum::<f64>() > 1.0 {
            return Err("lose, repeat and reorder: expected shares from 0 to 1, no more than 1 together".to_owned());
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let options = FeedOptions::from_json(r#"{"blocks": 100, "slow": "close"}"#).expect("sensible");
        assert_eq!((options.blocks, options.transactions, options.slow), (100.0, 50.0, Slow::Close));
        for json in [
            r#"{"block": 1}"#,
            r#"{"blocks": -1}"#,
            r#"{"blocks": 1e7}"#,
            r#"{"lose": 1.1}"#,
            r#"{"lose": 0.6, "repeat": 0.6}"#,
            r#"{"slow": "wait"}"#,
        ] {
            assert!(FeedOptions::from_json(json).is_err(), "{json}");
        }
    }
}
