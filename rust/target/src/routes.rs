//! From a request target to a route, as a pure function of the text; must not know connections, clocks or counts.

use crate::law::Law;
use crate::ws::event::ChannelId;
use crate::ws::wishes::{self, Wishes};

/// The largest body that `/bytes` and `/chunked` make.
pub(crate) const MOST_BYTES: u64 = 1 << 30;
/// The longest time that any path accepts.
const LONGEST_MS: f64 = 3_600_000.0;
/// The most events of one response.
const MOST_EVENTS: u64 = 1_000_000;
const MOST_SEGMENTS: usize = 6;

/// What a target asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Page,
    Delay(Law),
    Queue(Law),
    Status(u16),
    Bytes(u64),
    Chunked(u64),
    Echo,
    Headers,
    Close,
    Drop,
    Reset,
    Never,
    Events(Events),
    Stall(Stall),
    Requests { reset: bool },
    WebSocket(Wishes),
    Publish(ChannelId),
    WebSocketStats,
    Unknown,
}

/// Server-sent events, the first of them one interval after the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) count: u64,
    pub(crate) every_ns: u64,
}

/// A wish to freeze the server, relative to when it is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// 0 ends all freezing.
    pub(crate) for_ns: u64,
    pub(crate) every_ns: Option<u64>,
    pub(crate) after_ns: u64,
}

/// The route of a target, or why the target is nonsense.
pub(crate) fn route(target: &str) -> Result<Route, &'static str> {
    let (path, query) = split(target);
    if path == "/" {
        return Ok(Route::Page); // by far the most frequent
    }
    let mut segments = [""; MOST_SEGMENTS];
    let mut count = 0;
    for segment in path.trim_start_matches('/').split('/') {
        let Some(place) = segments.get_mut(count) else {
            return Ok(Route::Unknown);
        };
        *place = segment;
        count += 1;
    }
    Ok(match segments[..count] {
        ["health"] => Route::Page,
        ["delay", span] => Route::Delay(fixed(span)?),
        ["delay", "exp", mean] => Route::Delay(exponential(mean, query)?),
        ["delay", "bimodal", fast, slow, every] => Route::Delay(bimodal(fast, slow, every)?),
        ["queue", span] => Route::Queue(fixed(span)?),
        ["queue", "exp", mean] => Route::Queue(exponential(mean, query)?),
        ["status", code] => Route::Status(status(code)?),
        ["bytes", size] => Route::Bytes(size_of(size)?),
        ["chunked", size] => Route::Chunked(size_of(size)?),
        ["echo"] => Route::Echo,
        ["headers"] => Route::Headers,
        ["close"] => Route::Close,
        ["drop"] => Route::Drop,
        ["reset"] => Route::Reset,
        ["never"] => Route::Never,
        ["events"] => Route::Events(events(query)?),
        ["stall"] => Route::Stall(stall(query)?),
        ["requests"] => Route::Requests { reset: parameter(query, "reset") == Some("1") },
        ["ws", "echo"] => Route::WebSocket(Wishes::Echo(wishes::echo(query)?)),
        ["ws", "feed"] => Route::WebSocket(Wishes::Feed),
        ["ws", "publish"] => Route::Publish(wishes::channel(query)?),
        ["ws", "stats"] => Route::WebSocketStats,
        _ => Route::Unknown,
    })
}

/// Path and query of a target.
pub(crate) fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

pub(crate) fn fixed(span: &str) -> Result<Law, &'static str> {
    Ok(Law::Fixed { span_ns: milliseconds(span)? })
}

pub(crate) fn exponential(mean: &str, query: &str) -> Result<Law, &'static str> {
    Ok(Law::Exponential {
        mean_ns: milliseconds(mean)?,
        seed: parameter(query, "seed")
            .map_or(Ok(0), |seed| seed.parse().map_err(|_| "seed: expected a whole number from 0 to 2^64 - 1"))?,
    })
}

pub(crate) fn bimodal(fast: &str, slow: &str, every: &str) -> Result<Law, &'static str> {
    Ok(Law::Bimodal {
        fast_ns: milliseconds(fast)?,
        slow_ns: milliseconds(slow)?,
        every: match every.parse() {
            Ok(every) if every > 0 => every,
            _ => return Err("expected a whole number from 1: every how many requests one is slow"),
        },
    })
}

fn stall(query: &str) -> Result<Stall, &'static str> {
    let span = |name| parameter(query, name).map(milliseconds).transpose();
    let stall = Stall {
        for_ns: span("for")?.ok_or("expected /stall?for=MS, with every=MS and after=MS if needed")?,
        every_ns: span("every")?,
        after_ns: span("after")?.unwrap_or(0),
    };
    if stall.every_ns.is_some_and(|every_ns| every_ns <= stall.for_ns) {
        return Err("every: must be longer than for, or nothing would ever leave");
    }
    Ok(stall)
}

fn events(query: &str) -> Result<Events, &'static str> {
    let count = parameter(query, "count").map_or(Ok(10), str::parse);
    Ok(Events {
        count: count.ok().filter(|count| *count <= MOST_EVENTS).ok_or("count: expected a number from 0 to 1000000")?,
        every_ns: parameter(query, "every").map_or(Ok(10_000_000), milliseconds)?,
    })
}

pub(crate) fn status(code: &str) -> Result<u16, &'static str> {
    match code.parse() {
        Ok(status @ 200..=599) if code.len() == 3 => Ok(status),
        _ => Err("expected a status code from 200 to 599"),
    }
}

fn size_of(size: &str) -> Result<u64, &'static str> {
    match size.parse() {
        Ok(bytes) if bytes <= MOST_BYTES => Ok(bytes),
        _ => Err("expected a number of bytes from 0 to 1073741824"),
    }
}

/// Milliseconds, fractions allowed, as nanoseconds.
fn milliseconds(text: &str) -> Result<u64, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse::<f64>() {
        Ok(ms) if plain && ms <= LONGEST_MS => Ok((ms * 1e6).round() as u64),
        _ => Err("expected milliseconds from 0 to 3600000, such as 2.5"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_route() {
        let exponential = Law::Exponential { mean_ns: 4_000_000, seed: 9 };
        for (target, expected) in [
            ("/", Route::Page),
            ("/?a=b", Route::Page),
            ("/health", Route::Page),
            ("/delay/2.5", Route::Delay(Law::Fixed { span_ns: 2_500_000 })),
            ("/delay/exp/4?seed=9", Route::Delay(exponential)),
            ("/queue/0", Route::Queue(Law::Fixed { span_ns: 0 })),
            ("/queue/exp/4?x=1&seed=9", Route::Queue(exponential)),
            (
                "/delay/bimodal/1/20/100",
                Route::Delay(Law::Bimodal { fast_ns: 1_000_000, slow_ns: 20_000_000, every: 100 }),
            ),
            ("/status/503", Route::Status(503)),
            ("/bytes/1073741824", Route::Bytes(MOST_BYTES)),
            ("/chunked/0", Route::Chunked(0)),
            ("/echo?again", Route::Echo),
            ("/headers", Route::Headers),
            ("/close", Route::Close),
            ("/drop", Route::Drop),
            ("/reset", Route::Reset),
            ("/never", Route::Never),
            ("/events", Route::Events(Events { count: 10, every_ns: 10_000_000 })),
            ("/events?every=2.5&count=3", Route::Events(Events { count: 3, every_ns: 2_500_000 })),
            ("/ws/echo", Route::WebSocket(Wishes::Echo(wishes::Echo::default()))),
            ("/ws/feed", Route::WebSocket(Wishes::Feed)),
            ("/ws/publish?channel=blocks", Route::Publish(ChannelId::Blocks)),
            ("/ws/stats", Route::WebSocketStats),
            ("/requests", Route::Requests { reset: false }),
            ("/requests?reset=1", Route::Requests { reset: true }),
            ("/no/such/path", Route::Unknown),
            ("/a/b/c/d/e/f/g/h", Route::Unknown),
            ("/delay", Route::Unknown),
            ("", Route::Unknown),
            ("*", Route::Unknown),
        ] {
            assert_eq!(route(target), Ok(expected), "{target}");
        }
    }

    #[test]
    fn a_stall_has_a_length_and_perhaps_a_period_and_a_beginning() {
        for (target, for_ns, every_ns, after_ns) in [
            ("/stall?for=1", 1_000_000, None, 0),
            ("/stall?for=0", 0, None, 0),
            ("/stall?for=2&every=3&after=0.5", 2_000_000, Some(3_000_000), 500_000),
        ] {
            let expected = Route::Stall(Stall { for_ns, every_ns, after_ns });
            assert_eq!(route(target), Ok(expected), "{target}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for target in [
            "/delay/",
            "/delay/x",
            "/delay/-1",
            "/delay/inf",
            "/delay/NaN",
            "/delay/1e3",
            "/delay/3600000.1",
            "/delay/exp/1?seed=x",
            "/delay/bimodal/1/2/0",
            "/queue/1.2.3",
            "/events?count=1000001",
            "/events?every=x",
            "/status/99",
            "/status/100",
            "/status/600",
            "/status/0200",
            "/bytes/1073741825",
            "/bytes/-1",
            "/chunked/many",
            "/ws/publish",
            "/ws/echo?delay=x",
            "/stall",
            "/stall?for=x",
            "/stall?for=5&every=5",
            "/stall?for=5&every=0",
        ] {
            assert!(route(target).is_err(), "{target}");
        }
    }
}
