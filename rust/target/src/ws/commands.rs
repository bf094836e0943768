//! What clients of `/ws/feed` say, and the replies: JSON both ways. Must not know frames or sockets.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ws::event::ChannelId;
use crate::ws::feed::Feed;
use crate::ws::filter::Filter;
use crate::ws::subscriber::{Sink, Subscriber};
use crate::ws::wishes::UNKNOWN_CHANNEL;

#[derive(Deserialize)]
struct Command<'c> {
    #[serde(borrow, default)]
    op: Cow<'c, str>,
    /// Comes back in the reply, whatever it is.
    #[serde(borrow)]
    id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    channel: Cow<'c, str>,
    #[serde(borrow)]
    filter: Option<&'c RawValue>,
    #[serde(borrow, default)]
    subscription: Cow<'c, str>,
    #[serde(borrow)]
    data: Option<&'c RawValue>,
}

/// Does what a message asks for; the reply to it.
pub(crate) fn obey(
    message: &[u8],
    subscriber: &mut Subscriber,
    feed: &mut Feed,
    sink: &mut impl Sink,
    now_ns: u64,
) -> String {
    match serde_json::from_slice::<Command<'_>>(message) {
        Ok(command) => {
            let id = command.id;
            match command.obey(subscriber, feed, sink, now_ns) {
                Ok((op, rest)) => reply(op, id, &rest),
                Err(error) => reply("error", id, &format!(r#","error":{}"#, Value::String(error))),
            }
        }
        Err(error) => {
            let error = format!("expected a JSON object such as {{\"op\":\"ping\"}}: {error}");
            reply("error", None, &format!(r#","error":{}"#, Value::String(error)))
        }
    }
}

fn reply(op: &str, id: Option<&RawValue>, rest: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#","id":{id}"#));
    format!(r#"{{"op":"{op}"{id}{rest}}}"#)
}

/// The name of a reply and its further fields, each behind a comma.
type Reply = (&'static str, String);

impl Command<'_> {
    fn obey(
        self,
        subscriber: &mut Subscriber,
        feed: &mut Feed,
        sink: &mut impl Sink,
        now_ns: u64,
    ) -> Result<Reply, String> {
        match &*self.op {
            "subscribe" => {
                let channel = self.channel()?;
                let filter = self.filter.map(read_filter).transpose()?;
                let number = subscriber.subscribe(channel, filter, feed, now_ns)?;
                Ok(("subscribed", format!(r#","subscription":"s{number}","channel":"{}""#, channel.name())))
            }
            "unsubscribe" => {
                let number = self.subscription.strip_prefix('s').and_then(|number| number.parse().ok());
                match number {
                    Some(number) if subscriber.unsubscribe(number, feed, sink) => {
                        Ok(("unsubscribed", format!(r#","subscription":"s{number}""#)))
                    }
                    _ => Err("subscription: expected one of this connection, such as \"s1\"".to_owned()),
                }
            }
            "list" => Ok(("subscriptions", format!(r#","subscriptions":[{}]"#, list(subscriber)))),
            "publish" => {
                let channel = self.channel()?;
                let text = self.data.ok_or("data: expected a JSON object")?.get();
                let data = serde_json::from_str(text).map_err(|error| format!("data: {error}"))?;
                let seq = feed.publish(channel, data, text, now_ns)?;
                Ok(("published", format!(r#","channel":"{}","seq":{seq}"#, channel.name())))
            }
            "ping" => Ok(("pong", String::new())),
            _ => Err("op: expected subscribe, unsubscribe, list, publish or ping".to_owned()),
        }
    }

    fn channel(&self) -> Result<ChannelId, String> {
        ChannelId::named(&self.channel).ok_or_else(|| UNKNOWN_CHANNEL.to_owned())
    }
}

fn read_filter(text: &RawValue) -> Result<(Filter, Box<str>), String> {
    let value: Value = serde_json::from_str(text.get()).map_err(|error| format!("filter: {error}"))?;
    Ok((Filter::read(&value)?, text.get().into()))
}

fn list(subscriber: &Subscriber) -> String {
    let one = |subscription: &crate::ws::subscriber::Subscription| {
        let filter = subscription.filter.as_ref().map_or_else(String::new, |(_, text)| format!(r#","filter":{text}"#));
        let (number, channel) = (subscription.number, subscription.channel.name());
        format!(r#"{{"subscription":"s{number}","channel":"{channel}"{filter}}}"#)
    };
    subscriber.subscriptions.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    use crate::ws::event::Event;
    use crate::ws::options::FeedOptions;

    struct Nobody;

    impl Sink for Nobody {
        fn send(&mut self, _: &Rc<Event>) -> bool {
            true
        }
    }

    #[test]
    fn every_command_has_its_reply() {
        let mut feed = Feed::new(FeedOptions::default());
        let mut subscriber = Subscriber::new(1);
        for (message, expected) in [
            (r#"{"op":"ping","id":1}"#, r#"{"op":"pong","id":1}"#),
            (r#"{"op":"ping","id":"a\n"}"#, r#"{"op":"pong","id":"a\n"}"#),
            (
                r#"{"op":"subscribe","id":2,"channel":"blocks","filter":{"miner": "0x1"}}"#,
                r#"{"op":"subscribed","id":2,"subscription":"s1","channel":"blocks"}"#,
            ),
            (
                r#"{"op":"subscribe","channel":"network_stats"}"#,
                r#"{"op":"subscribed","subscription":"s2","channel":"network_stats"}"#,
            ),
            (
                r#"{"op":"list"}"#,
                concat!(
                    r#"{"op":"subscriptions","subscriptions":[{"subscription":"s1","channel":"blocks","#,
                    r#""filter":{"miner": "0x1"}},{"subscription":"s2","channel":"network_stats"}]}"#
                ),
            ),
            (r#"{"op":"unsubscribe","subscription":"s2"}"#, r#"{"op":"unsubscribed","subscription":"s2"}"#),
            (
                r#"{"op":"publish","channel":"blocks","data":{"a": 1}}"#,
                r#"{"op":"published","channel":"blocks","seq":1}"#,
            ),
        ] {
            let reply = obey(message.as_bytes(), &mut subscriber, &mut feed, &mut Nobody, 0);
            assert_eq!(reply, expected);
        }
    }

    #[test]
    fn nonsense_is_answered_with_what_is_wrong() {
        let mut feed = Feed::new(FeedOptions::default());
        let mut subscriber = Subscriber::new(1);
        for (message, error) in [
            ("[", "expected a JSON object"),
            ("{}", "op:"),
            (r#"{"op":"subscribe","channel":"x"}"#, "channel:"),
            (r#"{"op":"subscribe","channel":"blocks","filter":[]}"#, "filter:"),
            (r#"{"op":"unsubscribe","subscription":"s9"}"#, "subscription:"),
            (r#"{"op":"publish","channel":"blocks"}"#, "data:"),
            (r#"{"op":"publish","channel":"blocks","data":1}"#, "data:"),
        ] {
            let reply = obey(message.as_bytes(), &mut subscriber, &mut feed, &mut Nobody, 0);
            let reply: Value = serde_json::from_str(&reply).expect("JSON");
            assert_eq!(reply["op"], "error", "{message}");
            assert!(reply["error"].as_str().is_some_and(|text| text.starts_with(error)), "{reply}");
        }
    }
}
