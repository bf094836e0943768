//! The subscriptions of one connection: what they take of a batch, and what becomes of it on purpose.
//! Must not know sockets.
//!
//! Anybody can recompute the faults. With u(s, n) and hash(s, n) of `law.rs` and the number of the
//! subscription (from 1, in the order of the whole server, `s7` is 7):
//!
//! ```text
//! u = u(hash(seed, subscription), seq)     lost     if u <= lose
//!                                          repeated if u <= lose + repeat
//!                                          held     if u <= lose + repeat + reorder
//! ```
//!
//! What is held leaves right behind the next event that its subscription is sent, and is counted as
//! reordered then. While one is held, no other is.

use std::rc::Rc;

use crate::law::{hash, uniform};
use crate::ws::event::{ChannelId, Event};
use crate::ws::feed::{Feed, Listener};
use crate::ws::filter::Filter;
use crate::ws::options::FeedOptions;

/// Subscriptions of one connection.
const MOST_SUBSCRIPTIONS: usize = 1000;

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    pub(crate) channel: ChannelId,
    pub(crate) filter: Option<(Filter, Box<str>)>,
    /// The last event of the channel before it.
    after_seq: u64,
    held: Option<Rc<Event>>,
}

/// What becomes of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Sent,
    Lost,
    Repeated,
    Held,
}

/// The receiving end: false if it has no room for the event.
pub(crate) trait Sink {
    fn send(&mut self, event: &Rc<Event>) -> bool;
}

#[derive(Debug)]
pub(crate) struct Subscriber {
    token: u64,
    /// Its place among the listeners, while it has subscriptions.
    listener: Option<u64>,
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Subscriber {
    pub(crate) fn new(token: u64) -> Self {
        Self { token, listener: None, subscriptions: Vec::new() }
    }

    /// The number of a new subscription.
    pub(crate) fn subscribe(
        &mut self,
        channel: ChannelId,
        filter: Option<(Filter, Box<str>)>,
        feed: &mut Feed,
        now_ns: u64,
    ) -> Result<u64, String> {
        if self.subscriptions.len() >= MOST_SUBSCRIPTIONS {
            return Err(format!("more than {MOST_SUBSCRIPTIONS} subscriptions on one connection"));
        }
        feed.subscriptions += 1;
        let number = feed.subscriptions;
        let own = &mut feed.channels[channel.place()];
        own.join(now_ns);
        let subscription = Subscription { number, channel, filter, after_seq: own.seq, held: None };
        self.subscriptions.push(subscription);
        self.register(feed);
        Ok(number)
    }

    /// Ends a subscription; false if there is none of that number. What it held back leaves first.
    pub(crate) fn unsubscribe(&mut self, number: u64, feed: &mut Feed, sink: &mut impl Sink) -> bool {
        let Some(place) = self.subscriptions.iter().position(|one| one.number == number) else {
            return false;
        };
        let mut subscription = self.subscriptions.remove(place);
        let channel = &mut feed.channels[subscription.channel.place()];
        if let Some(held) = subscription.held.take() {
            channel.held -= 1;
            channel.note(sink.send(&held));
        }
        channel.leave();
        self.register(feed);
        true
    }

    /// Ends all subscriptions of a connection that nothing can be sent to any more.
    pub(crate) fn leave(&mut self, feed: &mut Feed) {
        for subscription in self.subscriptions.drain(..) {
            let channel = &mut feed.channels[subscription.channel.place()];
            if subscription.held.is_some() {
                channel.held -= 1;
                channel.unsent += 1;
            }
            channel.leave();
        }
        self.register(feed);
    }

    /// Takes what it wants of the batch. False as soon as the sink has no room for an event.
    pub(crate) fn deliver(&mut self, feed: &mut Feed, sink: &mut impl Sink) -> bool {
        let Feed { batch, channels, options, .. } = feed;
        let mut kept_up = true;
        for event in &*batch {
            for subscription in &mut self.subscriptions {
                if !subscription.wants(event) {
                    continue;
                }
                let channel = &mut channels[event.channel.place()];
                let fate = subscription.fate(event.seq, options);
                match fate {
                    Fate::Lost => {
                        channel.lost += 1;
                        continue;
                    }
                    Fate::Held => {
                        channel.held += 1;
                        subscription.held = Some(Rc::clone(event));
                        continue;
                    }
                    Fate::Sent | Fate::Repeated => kept_up &= channel.note(sink.send(event)),
                }
                // A copy that finds no room was never meant to be: it is no loss.
                if fate == Fate::Repeated && kept_up && sink.send(event) {
                    channel.note(true);
                    channel.repeated += 1;
                }
                if let Some(held) = subscription.held.take() {
                    channel.held -= 1;
                    let sent = channel.note(sink.send(&held));
                    channel.reordered += u64::from(sent);
                    kept_up &= sent;
                }
            }
        }
        kept_up
    }

    /// Brings the list of listeners up to date.
    fn register(&mut self, feed: &mut Feed) {
        let channels = self.subscriptions.iter().fold(0, |bits, one| bits | one.channel.bit());
        match self.listener {
            Some(place) if channels == 0 => {
                feed.listeners.remove(place);
                self.listener = None;
            }
            Some(place) => feed.listeners.get_mut(place).expect("ours").channels = channels,
            None if channels == 0 => {}
            None => self.listener = Some(feed.listeners.insert(Listener { token: self.token, channels })),
        }
    }
}

impl Subscription {
    fn wants(&self, event: &Event) -> bool {
        event.channel == self.channel
            && event.seq > self.after_seq
            && self.filter.as_ref().is_none_or(|(filter, _)| filter.passes(&event.data))
    }

    fn fate(&self, seq: u64, options: &FeedOptions) -> Fate {
        let FeedOptions { lose, repeat, reorder, seed, .. } = *options;
        if lose + repeat + reorder == 0.0 {
            return Fate::Sent; // the usual case needs no draw
        }
        let drawn = uniform(hash(seed, self.number), seq);
        if drawn <= lose {
            Fate::Lost
        } else if drawn <= lose + repeat {
            Fate::Repeated
        } else if drawn <= lose + repeat + reorder && self.held.is_none() {
            Fate::Held
        } else {
            Fate::Sent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::departures::Gate;

    /// Keeps the numbers of what it is sent, while it has room.
    struct Kept {
        seqs: Vec<u64>,
        room: usize,
    }

    impl Sink for Kept {
        fn send(&mut self, event: &Rc<Event>) -> bool {
            let room = self.seqs.len() < self.room;
            if room {
                self.seqs.push(event.seq);
            }
            room
        }
    }

    fn run(options: FeedOptions, events: u64, room: usize) -> (Vec<u64>, Feed, Subscriber) {
        let mut feed = Feed::new(options);
        let mut subscriber = Subscriber::new(1);
        subscriber.subscribe(ChannelId::Blocks, None, &mut feed, 0).expect("room");
        let mut kept = Kept { seqs: Vec::new(), room };
        for _ in 0..events {
            feed.publish(ChannelId::Blocks, serde_json::json!({}), "{}", 0).expect("room");
            feed.gather(&Gate::default(), 0);
            while feed.next_listener().is_some() {
                subscriber.deliver(&mut feed, &mut kept);
            }
        }
        (kept.seqs, feed, subscriber)
    }

    #[test]
    fn faults_are_counted_as_a_listener_sees_them_and_a_seed_repeats_them() {
        let options = FeedOptions { lose: 0.1, repeat: 0.1, reorder: 0.1, ..FeedOptions::default() };
        let (seqs, feed, _) = run(options.clone(), 3000, usize::MAX);
        let channel = &feed.channels[0];
        let mut distinct = seqs.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let repeated = seqs.windows(2).filter(|two| two[0] == two[1]).count();
        let backward = seqs.windows(2).filter(|two| two[0] > two[1]).count();
        assert_eq!(channel.delivered, seqs.len() as u64);
        assert_eq!(channel.repeated, repeated as u64);
        assert_eq!(channel.reordered, backward as u64);
        assert_eq!(channel.lost + channel.held, 3000 - distinct.len() as u64);
        for count in [channel.lost, channel.repeated, channel.reordered] {
            assert!((200..400).contains(&count), "{channel:?}");
        }
        assert_eq!(run(options.clone(), 3000, usize::MAX).0, seqs);
        assert_ne!(run(FeedOptions { seed: 2, ..options }, 3000, usize::MAX).0, seqs);
    }

    #[test]
    fn what_is_held_leaves_with_its_subscription_and_is_never_forgotten() {
        let options = FeedOptions { reorder: 1.0, ..FeedOptions::default() };
        let (seqs, mut feed, mut subscriber) = run(options.clone(), 3, usize::MAX);
        assert_eq!((seqs, feed.channels[0].held), (vec![2, 1], 1));
        let mut rest = Kept { seqs: Vec::new(), room: 9 };
        assert!(subscriber.unsubscribe(1, &mut feed, &mut rest));
        assert!(!subscriber.unsubscribe(1, &mut feed, &mut rest));
        assert_eq!(rest.seqs, [3]);
        let channel = &feed.channels[0];
        assert_eq!((channel.held, channel.delivered, channel.reordered, channel.subscribers), (0, 3, 1, 0));
        let (_, mut feed, mut subscriber) = run(options, 3, usize::MAX);
        subscriber.leave(&mut feed);
        assert_eq!((feed.channels[0].held, feed.channels[0].unsent, feed.listeners.len()), (0, 1, 0));
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let (seqs, feed, _) = run(FeedOptions::default(), 10, 4);
        assert_eq!((seqs.len(), feed.channels[0].slow_dropped), (4, 6));
    }
}
