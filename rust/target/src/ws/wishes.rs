//! How a WebSocket is to behave, by its path and query; a pure function of the text.

use crate::law::Law;
use crate::routes::{bimodal, exponential, fixed, parameter, status};
use crate::ws::event::{CHANNELS, ChannelId};

/// What a client asked for when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wishes {
    Echo(Echo),
    Feed,
}

impl Wishes {
    /// Its delays are drawn one after the other for all of its path and query.
    pub(crate) fn have_state(self) -> bool {
        matches!(self, Wishes::Echo(Echo { delay: Some(Law::Exponential { .. } | Law::Bimodal { .. }), .. }))
    }
}

/// An echo, and its faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Echo {
    /// How much later than its message each reply leaves.
    pub(crate) delay: Option<Law>,
    /// Close after so many replies.
    pub(crate) close_after: Option<u64>,
    /// Answer no ping.
    pub(crate) no_pong: bool,
    /// Answer no Close.
    pub(crate) no_close: bool,
    /// Replies in frames of so many bytes.
    pub(crate) fragment: Option<usize>,
    /// Answer the upgrade with this status instead.
    pub(crate) refuse: Option<u16>,
    /// Never answer the upgrade.
    pub(crate) never: bool,
}

pub(crate) fn echo(query: &str) -> Result<Echo, &'static str> {
    let is_set = |name| parameter(query, name) == Some("1");
    Ok(Echo {
        delay: parameter(query, "delay").map(|law| delay(law, query)).transpose()?,
        close_after: number(query, "close_after", "close_after: expected a number of replies from 1")?,
        no_pong: is_set("no_pong"),
        no_close: is_set("no_close"),
        fragment: number(query, "fragment", "fragment: expected a number of bytes from 1")?.map(|bytes| bytes as usize),
        refuse: parameter(query, "status").map(status).transpose()?,
        never: is_set("never"),
    })
}

/// The channel that a publication names.
pub(crate) fn channel(query: &str) -> Result<ChannelId, &'static str> {
    let name = parameter(query, "channel").unwrap_or_default();
    ChannelId::named(name).ok_or(UNKNOWN_CHANNEL)
}

pub(crate) const UNKNOWN_CHANNEL: &str = "channel: expected blocks, transactions or network_stats";
const _: [&str; 3] = CHANNELS; // the text above names them all

/// The words behind `/delay/` on the path of a request: `5`, `exp/5` with `seed=`, `bimodal/1/20/100`.
fn delay(law: &str, query: &str) -> Result<Law, &'static str> {
    let mut words = law.split('/');
    let parts: [Option<&str>; 5] = std::array::from_fn(|_| words.next());
    match parts {
        [Some(span), None, ..] => fixed(span),
        [Some("exp"), Some(mean), None, ..] => exponential(mean, query),
        [Some("bimodal"), Some(fast), Some(slow), Some(every), None] => bimodal(fast, slow, every),
        _ => Err("delay: expected MS, exp/MS or bimodal/FAST/SLOW/N"),
    }
}

fn number(query: &str, name: &str, complaint: &'static str) -> Result<Option<u64>, &'static str> {
    match parameter(query, name).map(str::parse) {
        None => Ok(None),
        Some(Ok(number)) if number > 0 => Ok(Some(number)),
        Some(_) => Err(complaint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_word() {
        for (query, expected) in [
            ("", Echo::default()),
            ("delay=2.5", Echo { delay: Some(Law::Fixed { span_ns: 2_500_000 }), ..Echo::default() }),
            (
                "seed=9&delay=exp/4",
                Echo { delay: Some(Law::Exponential { mean_ns: 4_000_000, seed: 9 }), ..Echo::default() },
            ),
            (
                "delay=bimodal/1/20/100",
                Echo {
                    delay: Some(Law::Bimodal { fast_ns: 1_000_000, slow_ns: 20_000_000, every: 100 }),
                    ..Echo::default()
                },
            ),
            ("close_after=3&fragment=2", Echo { close_after: Some(3), fragment: Some(2), ..Echo::default() }),
            ("no_pong=1&no_close=1", Echo { no_pong: true, no_close: true, ..Echo::default() }),
            ("status=403", Echo { refuse: Some(403), ..Echo::default() }),
            ("never=1", Echo { never: true, ..Echo::default() }),
        ] {
            assert_eq!(echo(query), Ok(expected), "{query}");
        }
        for query in ["delay=x", "delay=exp", "delay=1/2", "close_after=0", "fragment=-1", "status=99"] {
            assert!(echo(query).is_err(), "{query}");
        }
    }
}
