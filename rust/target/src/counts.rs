//! Exact counts of complete requests by path; must not grow without bound, whatever clients ask for.

use std::collections::HashMap;
use std::fmt::Write as _;

const MOST_PATHS: usize = 10_000;
/// A longer path is counted as one of the others.
const LONGEST_PATH_BYTES: usize = 1 << 10;

/// What `/requests` tells.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    paths: HashMap<Box<str>, u64>,
    others: u64,
    connections: u64,
}

impl Counts {
    pub(crate) fn connection(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn request(&mut self, path: &str) {
        if let Some(count) = self.paths.get_mut(path) {
            *count += 1;
        } else if self.paths.len() < MOST_PATHS && path.len() <= LONGEST_PATH_BYTES {
            self.paths.insert(path.into(), 1);
        } else {
            self.others += 1;
        }
    }

    /// `{"total": 3, "paths": {"/": 2, "/echo": 1}, "connections": 1}`, paths in order, what found
    /// no place under `other` (no path is called that: paths begin with a slash).
    pub(crate) fn to_json(&self) -> String {
        let mut paths: Vec<(&str, u64)> = self.paths.iter().map(|(path, count)| (&**path, *count)).collect();
        paths.sort_unstable();
        if self.others > 0 {
            paths.push(("other", self.others));
        }
        let total: u64 = paths.iter().map(|(_, count)| count).sum();
        let mut json = format!("{{\"total\": {total}, \"paths\": {{");
        for (place, (path, count)) in paths.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(json, "{separator}{}: {count}", quoted(path)).expect("a String takes every text");
        }
        write!(json, "}}, \"connections\": {}}}", self.connections).expect("a String takes every text");
        json
    }
}

/// A JSON string. A target holds no control characters; quotes and backslashes it may hold.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_seen_at_first() {
        let json = Counts::default().to_json();
        assert_eq!(json, r#"{"total": 0, "paths": {}, "connections": 0}"#);
    }

    #[test]
    fn paths_are_counted_each_and_quoted() {
        let mut counts = Counts::default();
        counts.connection();
        for path in ["/b", "/", "/b", "/\"\\"] {
            counts.request(path);
        }
        assert_eq!(counts.to_json(), r#"{"total": 4, "paths": {"/": 1, "/\"\\": 1, "/b": 2}, "connections": 1}"#);
    }

    #[test]
    fn too_many_and_too_long_paths_are_others_and_known_paths_are_still_counted() {
        let mut counts = Counts::default();
        counts.request(&"/".repeat(LONGEST_PATH_BYTES + 1));
        for number in 0..MOST_PATHS + 5 {
            counts.request(&format!("/{number}"));
        }
        counts.request("/0");
        let json = counts.to_json();
        assert!(json.starts_with(r#"{"total": 10007, "#), "{}", &json[..40]);
        assert!(json.contains(r#""/0": 2"#) && json.contains(r#""other": 6"#));
    }
}
