//! The channels, their pace and who listens: from what happens to batches of events. Must not know connections.
//!
//! A batch is taken round all listeners, some at a time, and the next one waits for its end. So the
//! others are served amid a broadcast, and where the server cannot keep up, the batches grow and
//! each listener gets many events in one write.

use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::departures::Gate;
use crate::slots::Slots;
use crate::ws::event::{ALL, ChannelId, Event};
use crate::ws::made_up;
use crate::ws::options::FeedOptions;

/// Events of one batch.
const MOST_EVENTS: usize = 64;
/// Publications that may wait for their batch.
const MOST_WAITING: usize = 1000;

/// One channel: its pace and what became of its events. `due = delivered - repeated + lost +
/// slow_dropped + unsent + held`, where due is every event times the subscriptions it passed.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    rate_per_s: f64,
    /// When the first subscriber came, and how many events were made up since; no events without any.
    pace: Option<(u64, u64)>,
    /// The number of the last event.
    pub(crate) seq: u64,
    pub(crate) subscribers: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) reordered: u64,
    pub(crate) slow_dropped: u64,
    /// Held back to be reordered when their subscription ended.
    pub(crate) unsent: u64,
    /// Held back now.
    pub(crate) held: u64,
}

impl Channel {
    /// When the next event happens by itself.
    fn next_ns(&self) -> Option<u64> {
        let (began_ns, made) = self.pace?;
        Some(began_ns + ((made + 1) as f64 * 1e9 / self.rate_per_s) as u64)
    }

    pub(crate) fn join(&mut self, now_ns: u64) {
        self.subscribers += 1;
        if self.pace.is_none() && self.rate_per_s > 0.0 {
            self.pace = Some((now_ns, 0));
        }
    }

    pub(crate) fn leave(&mut self) {
        self.subscribers -= 1;
        if self.subscribers == 0 {
            self.pace = None;
        }
    }

    /// Whether an event was sent, or found no room.
    pub(crate) fn note(&mut self, sent: bool) -> bool {
        if sent {
            self.delivered += 1;
        } else {
            self.slow_dropped += 1;
        }
        sent
    }

    fn to_json(&self) -> Value {
        json!({
            "published": self.seq,
            "subscribers": self.subscribers,
            "delivered": self.delivered,
            "lost": self.lost,
            "repeated": self.repeated,
            "reordered": self.reordered,
            "slow_dropped": self.slow_dropped,
            "unsent": self.unsent,
            "held": self.held,
        })
    }
}

/// A connection with subscriptions, and to which channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) token: u64,
    pub(crate) channels: u8,
}

#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) options: FeedOptions,
    pub(crate) channels: [Channel; 3],
    pub(crate) listeners: Slots<Listener>,
    /// The number of the last subscription.
    pub(crate) subscriptions: u64,
    waiting: VecDeque<Rc<Event>>,
    pub(crate) batch: Vec<Rc<Event>>,
    /// The place of the listener that gets the batch next.
    at: usize,
}

impl Feed {
    pub(crate) fn new(options: FeedOptions) -> Self {
        let rates = [options.blocks, options.transactions, options.network_stats];
        Self {
            options,
            channels: rates.map(|rate_per_s| Channel { rate_per_s, ..Channel::default() }),
            listeners: Slots::default(),
            subscriptions: 0,
            waiting: VecDeque::new(),
            batch: Vec::new(),
            at: 0,
        }
    }

    /// Takes in an event from outside; its number. `text` is `data` as it was written.
    pub(crate) fn publish(&mut self, channel: ChannelId, data: Value, text: &str, now_ns: u64) -> Result<u64, String> {
        if !data.is_object() {
            return Err("data: expected a JSON object".to_owned());
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(format!("more than {MOST_WAITING} events wait; publish fewer"));
        }
        let own = &mut self.channels[channel.place()];
        own.seq += 1;
        if own.subscribers > 0 {
            self.waiting.push_back(Rc::new(Event::new(channel, own.seq, now_ns, data, text)));
        }
        Ok(own.seq)
    }

    /// When there is something to do next: 0 for now, `None` for never.
    pub(crate) fn next_ns(&self, gate: &Gate, now_ns: impl Fn() -> u64) -> Option<u64> {
        if !self.batch.is_empty() {
            return Some(0);
        }
        if !self.waiting.is_empty() {
            return Some(gate.release_ns(now_ns()));
        }
        let next_ns = self.channels.iter().filter_map(Channel::next_ns).min()?;
        Some(gate.release_ns(next_ns))
    }

    /// Makes the next batch of what has happened, once the last one has gone all the way round.
    pub(crate) fn gather(&mut self, gate: &Gate, now_ns: u64) {
        if !self.batch.is_empty() || gate.release_ns(now_ns) > now_ns {
            return;
        }
        self.at = 0;
        let waiting = self.waiting.len().min(MOST_EVENTS);
        self.batch.extend(self.waiting.drain(..waiting));
        // Numbers were given already to those that wait: no other may get before them.
        while self.waiting.is_empty() && self.batch.len() < MOST_EVENTS {
            let due = ALL.into_iter().filter_map(|channel| {
                let next_ns = self.channels[channel.place()].next_ns()?;
                (next_ns <= now_ns).then_some((next_ns, channel))
            });
            let Some((due_ns, id)) = due.min_by_key(|(due_ns, _)| *due_ns) else {
                break;
            };
            let channel = &mut self.channels[id.place()];
            if let Some((_, made)) = &mut channel.pace {
                *made += 1;
            }
            channel.seq += 1;
            let data = made_up::data(self.options.seed, id, channel.seq);
            let text = data.to_string();
            self.batch.push(Rc::new(Event::new(id, channel.seq, due_ns, data, &text)));
        }
    }

    /// Who gets the batch next. After the last one the batch is done with.
    pub(crate) fn next_listener(&mut self) -> Option<u64> {
        let wanted = self.batch.iter().fold(0, |bits, event| bits | event.channel.bit());
        while wanted != 0 && self.at < self.listeners.places() {
            self.at += 1;
            if let Some(listener) = self.listeners.at(self.at - 1)
                && listener.channels & wanted != 0
            {
                return Some(listener.token);
            }
        }
        self.batch.clear();
        None
    }

    pub(crate) fn to_json(&self) -> Value {
        let named = ALL.into_iter().map(|id| (id.name().to_owned(), self.channels[id.place()].to_json()));
        Value::Object(named.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::deflate::Codec;

    const OPEN: Gate = Gate { start_ns: 0, length_ns: 0, every_ns: None };

    fn feed(rate_per_s: f64) -> Feed {
        let mut feed = Feed::new(FeedOptions { blocks: rate_per_s, ..FeedOptions::default() });
        feed.channels[0].join(1_000);
        feed.listeners.insert(Listener { token: 7, channels: 1 });
        feed
    }

    fn seqs(feed: &mut Feed, now_ns: u64, gate: &Gate) -> Vec<u64> {
        feed.gather(gate, now_ns);
        let seqs = feed.batch.iter().map(|event| event.seq).collect();
        while feed.next_listener().is_some() {}
        seqs
    }

    #[test]
    fn events_happen_at_their_pace_while_anybody_listens_and_numbers_have_no_gaps() {
        let mut feed = feed(1e6);
        assert_eq!(feed.next_ns(&OPEN, || 0), Some(2_000));
        assert_eq!(seqs(&mut feed, 1_999, &OPEN), [0; 0]);
        assert_eq!(seqs(&mut feed, 2_000, &OPEN), [1]);
        assert_eq!(seqs(&mut feed, 4_500, &OPEN), [2, 3]);
        feed.channels[0].leave();
        assert_eq!(feed.next_ns(&OPEN, || 0), None);
        feed.channels[0].join(10_000);
        assert_eq!(seqs(&mut feed, 11_000, &OPEN), [4], "what nobody was there for did not happen");
    }

    #[test]
    fn publications_go_before_what_is_made_up_after_them() {
        let mut feed = feed(1e6);
        assert_eq!(feed.publish(ChannelId::Blocks, json!({}), "{}", 1_500), Ok(1));
        assert_eq!(feed.next_ns(&OPEN, || 1_600), Some(1_600));
        assert_eq!(seqs(&mut feed, 2_000, &OPEN), [1, 2]);
        assert!(feed.publish(ChannelId::Blocks, json!(1), "1", 0).is_err());
        for _ in 0..MOST_WAITING {
            feed.publish(ChannelId::Blocks, json!({}), "{}", 0).expect("room");
        }
        assert!(feed.publish(ChannelId::Blocks, json!({}), "{}", 0).is_err());
        assert_eq!(seqs(&mut feed, 1 << 40, &OPEN), (3..3 + MOST_EVENTS as u64).collect::<Vec<_>>());
    }

    #[test]
    fn what_happens_in_a_freeze_leaves_at_its_end_with_the_time_it_happened() {
        let gate = Gate { start_ns: 1_500, length_ns: 2_000, every_ns: None };
        let mut feed = feed(1e6);
        assert_eq!(feed.next_ns(&gate, || 0), Some(3_500));
        assert_eq!(seqs(&mut feed, 3_499, &gate), [0; 0]);
        feed.gather(&gate, 3_500);
        let event = feed.batch[0].bytes(false, &mut Codec::default()).to_vec();
        assert!(String::from_utf8_lossy(&event).contains(r#""seq":1,"ts_ns":2000,"data":{"#));
        assert_eq!(feed.batch.len(), 2);
    }
}
