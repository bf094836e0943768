//! Reads server-sent events from slices, as the HTML standard says. It bounds what a hostile server can make it hold.

/// Largest event, in bytes.
pub const EVENT_LIMIT: usize = 4 << 20;

/// An event as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where nothing else was said.
    pub event: String,
    /// Its lines.
    pub data: String,
    /// The last that the server has named.
    pub id: String,
    /// How long to wait before connecting again, where this event says so.
    pub retry_ms: Option<u64>,
}

/// An event exceeds [`EVENT_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The state of a stream of events between two slices.
#[derive(Debug, Default)]
pub struct EventReader {
    /// The beginning of a line that came in pieces.
    line: Vec<u8>,
    /// The last line ended with CR: a LF belongs to it.
    after_cr: bool,
    is_begun: bool,
    event: String,
    /// Each line with a LF behind it.
    data: String,
    id: String,
    retry_ms: Option<u64>,
}

impl EventReader {
    /// Takes the next bytes, and hands on the events that they complete. One without an empty line behind it never is.
    pub fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(Event)) -> Result<(), TooLarge> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.data.len() + self.line.len() + part.len() > EVENT_LIMIT {
                return Err(TooLarge);
            }
            let Some(end) = end else {
                self.line.extend_from_slice(part);
                return Ok(());
            };
            if self.line.is_empty() {
                self.end_line(part, &mut take);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.end_line(&line, &mut take);
                line.clear();
                self.line = line;
            }
            // The line counts at once: whether a LF follows, only later bytes would say.
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8], take: &mut impl FnMut(Event)) {
        if !std::mem::replace(&mut self.is_begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event(take);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match &line[..colon] {
            b"event" => self.event = value.into_owned(),
            b"data" => {
                self.data.push_str(&value);
                self.data.push('\n');
            }
            b"id" if !value.contains('\0') => self.id = value.into_owned(),
            b"retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
            }
            // A comment has no name; other names mean nothing.
            _ => {}
        }
    }

    fn end_event(&mut self, take: &mut impl FnMut(Event)) {
        let (mut event, mut data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        let retry_ms = self.retry_ms.take();
        if data.pop().is_none() {
            return;
        }
        if event.is_empty() {
            event.push_str("message");
        }
        take(Event { event, data, id: self.id.clone(), retry_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(parts: &[&[u8]]) -> Vec<(String, String, String, Option<u64>)> {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for part in parts {
            reader.feed(part, |Event { event, data, id, retry_ms }| events.push((event, data, id, retry_ms))).unwrap();
        }
        events
    }

    /// (what it shows, the bytes, (type, data, id, retry) of each event)
    #[expect(clippy::type_complexity, reason = "a table")]
    const CASES: &[(&str, &[u8], &[(&str, &str, &str, Option<u64>)])] = &[
        ("a line", b"data: hi\n\n", &[("message", "hi", "", None)]),
        ("CRLF", b"data: hi\r\n\r\n", &[("message", "hi", "", None)]),
        ("CR", b"data: a\r\rdata: b\r\r", &[("message", "a", "", None), ("message", "b", "", None)]),
        ("ends of lines mixed", b"data: a\rdata: b\r\ndata: c\n\r\n", &[("message", "a\nb\nc", "", None)]),
        (
            "one space is taken off",
            b"data:  a\n\ndata:b\n\n",
            &[("message", " a", "", None), ("message", "b", "", None)],
        ),
        (
            "a type, for one event",
            b"event: x\ndata: 1\n\ndata: 2\n\n",
            &[("x", "1", "", None), ("message", "2", "", None)],
        ),
        (
            "an id, until the next",
            b"id: 7\ndata\n\ndata: 2\n\n",
            &[("message", "", "7", None), ("message", "2", "7", None)],
        ),
        (
            "an empty id",
            b"id: 7\ndata: 1\n\nid\ndata: 2\n\n",
            &[("message", "1", "7", None), ("message", "2", "", None)],
        ),
        ("an id with NUL is none", b"id: 7\0\ndata: 1\n\n", &[("message", "1", "", None)]),
        ("an id without data stays", b"id: 7\n\ndata: 1\n\n", &[("message", "1", "7", None)]),
        (
            "a time to wait",
            b"retry: 250\ndata: 1\n\ndata: 2\n\n",
            &[("message", "1", "", Some(250)), ("message", "2", "", None)],
        ),
        ("no time to wait", b"retry: 2s\ndata: 1\n\n", &[("message", "1", "", None)]),
        ("comments and unknown names", b": hello\nfoo: bar\n:\ndata: 1\n\n", &[("message", "1", "", None)]),
        ("a type without data is none", b"event: x\n\ndata: 1\n\n", &[("message", "1", "", None)]),
        ("an empty line of data", b"data\ndata\n\n", &[("message", "\n", "", None)]),
        ("a byte order mark", b"\xef\xbb\xbfdata: 1\n\n", &[("message", "1", "", None)]),
        ("only the first", b"\n\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", &[("message", "2", "", None)]),
        ("UTF-8", "data: Grüße €\n\n".as_bytes(), &[("message", "Grüße €", "", None)]),
        ("what is not UTF-8", b"data: \xff!\n\n", &[("message", "\u{fffd}!", "", None)]),
        ("an event without an end", b"data: 1\n\ndata: 2\n", &[("message", "1", "", None)]),
    ];

    #[test]
    fn events_are_read_as_the_standard_says() {
        for (name, bytes, expected) in CASES {
            let expected: Vec<_> =
                expected.iter().map(|(a, b, c, d)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), *d)).collect();
            assert_eq!(read(&[bytes]), expected, "{name}");
            assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), expected, "{name}, a byte at a time");
        }
    }

    #[test]
    fn a_line_that_ends_with_cr_does_not_wait_for_what_follows() {
        assert_eq!(read(&[b"data: 1\r\n\r"]).len(), 1);
    }

    #[test]
    fn an_endless_event_is_cut() {
        for line in [&b"data: 0123456789\n"[..], b"data: 0123456789"] {
            let mut reader = EventReader::default();
            let fed = (0..EVENT_LIMIT).find(|_| reader.feed(line, |_| ()).is_err()).expect("it is cut");
            assert!((EVENT_LIMIT / 32..EVENT_LIMIT / 8).contains(&fed), "{fed}");
        }
    }

    proptest! {
        #[test]
        fn where_the_slices_fall_makes_no_difference(
            bytes in prop::collection::vec(prop::sample::select(&b"data:id \r\nx\xc3\xbc"[..]), 0..80),
            cut in 0usize..80,
        ) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), read(&[&bytes]));
        }
    }
}
