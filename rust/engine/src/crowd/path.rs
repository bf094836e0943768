//! Where in a JSON document values stand: `data.id`, `params[0].seq`. It finds the text of a value and leaves it as it
//! is: two values are the same where they are written the same.
//!
//! Several are looked for in one pass, which ends with the last that is found: what is wanted of a message most often
//! stands at its beginning.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Most paths that are looked for at once.
pub const MOST: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Place(usize),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    /// Reads a path; `None` where it is none. A `$.` before it is as good as nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$').map_or(text, |rest| rest.strip_prefix('.').unwrap_or(rest));
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (place, after) = inner.split_once(']')?;
                steps.push(Step::Place(place.parse().ok()?));
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                steps.push(Step::Field(rest[..end].into()));
                rest = &rest[end..];
            }
            if let Some(after) = rest.strip_prefix('.') {
                if after.is_empty() || after.starts_with(['.', '[']) {
                    return None;
                }
                rest = after;
            }
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// The text of the value in a document; `None` where there is none.
    pub fn find<'d>(&self, document: &'d [u8]) -> Option<&'d str> {
        let mut found = [None; MOST];
        find(std::slice::from_ref(self), document, &mut found);
        found[0]
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| Error::custom(format!("expected a path such as data.id, got {text:?}")))
    }
}

/// The texts of the values in a document, at most [`MOST`]. What is found before the document turns out to be none stays
/// found.
pub fn find<'d>(paths: &[Path], document: &'d [u8], found: &mut [Option<&'d str>; MOST]) {
    if paths.is_empty() {
        return;
    }
    let wanted = ((1u16 << paths.len().min(MOST)) - 1) as u8;
    let mut missing = wanted.count_ones();
    let seek = Seek { paths, wanted, depth: 0, found, missing: &mut missing };
    // An error is how it stops before the end.
    let _ = seek.deserialize(&mut serde_json::Deserializer::from_slice(document));
}

/// A whole number, in quotes or not.
pub fn number(text: &str) -> Option<u64> {
    text.trim_matches('"').parse().ok()
}

/// Goes the rest of several ways that have come as far as here.
struct Seek<'p, 'f, 'd> {
    paths: &'p [Path],
    /// Bit i: path i leads here.
    wanted: u8,
    /// Steps gone.
    depth: usize,
    found: &'f mut [Option<&'d str>; MOST],
    missing: &'f mut u32,
}

impl<'p, 'd> Seek<'p, '_, 'd> {
    /// The paths whose next step is one; and those of them that it ends.
    fn lead(&self, step: impl Fn(&Step) -> bool) -> (u8, u8) {
        let (mut on, mut end) = (0, 0);
        for (number, path) in self.paths.iter().enumerate() {
            if self.wanted & 1 << number != 0 && step(&path.0[self.depth]) {
                on |= 1 << number;
                end |= u8::from(path.0.len() == self.depth + 1) << number;
            }
        }
        (on, end)
    }

    fn further(&mut self, wanted: u8) -> Seek<'p, '_, 'd> {
        Seek { paths: self.paths, wanted, depth: self.depth + 1, found: self.found, missing: self.missing }
    }

    /// Paths end at a value, others may lead on into it.
    fn take<E: Error>(&mut self, value: &'d RawValue, on: u8, end: u8) -> Result<(), E> {
        for number in 0..MOST {
            if end & 1 << number != 0 && self.found[number].replace(value.get()).is_none() {
                *self.missing -= 1;
            }
        }
        if on != end {
            let mut inner = serde_json::Deserializer::from_str(value.get());
            let _ = self.further(on & !end).deserialize(&mut inner);
        }
        if *self.missing == 0 { Err(E::custom("")) } else { Ok(()) }
    }
}

impl<'d> DeserializeSeed<'d> for Seek<'_, '_, 'd> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for Seek<'_, '_, 'd> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'d>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((on, end)) = map.next_key_seed(Lead(&self))? {
            match (on, end) {
                (0, _) => {
                    map.next_value::<IgnoredAny>()?;
                }
                (_, 0) => map.next_value_seed(self.further(on))?,
                _ => {
                    let value = map.next_value()?;
                    self.take(value, on, end)?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'d>>(mut self, mut list: A) -> Result<(), A::Error> {
        for place in 0.. {
            let (on, end) = self.lead(|step| *step == Step::Place(place));
            let is_over = match (on, end) {
                (0, _) => list.next_element::<IgnoredAny>()?.is_none(),
                (_, 0) => list.next_element_seed(self.further(on))?.is_none(),
                _ => match list.next_element()? {
                    Some(value) => {
                        self.take(value, on, end)?;
                        false
                    }
                    None => true,
                },
            };
            if is_over {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key: which paths it is a step of.
struct Lead<'s, 'p, 'f, 'd>(&'s Seek<'p, 'f, 'd>);

impl<'de> DeserializeSeed<'de> for Lead<'_, '_, '_, '_> {
    type Value = (u8, u8);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Lead<'_, '_, '_, '_> {
    type Value = (u8, u8);

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.lead(|step| matches!(step, Step::Field(name) if **name == *key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &[u8] = br#"{"id": "a\"b", "data": {"n": 1.50, "list": [1, {"x": null}, [true]]}, "n": {"n": -7}}"#;
    const VALUES: [(&str, Option<&str>); 12] = [
        ("id", Some(r#""a\"b""#)),
        ("$.id", Some(r#""a\"b""#)),
        ("data.n", Some("1.50")),
        ("data.list[1].x", Some("null")),
        ("data.list[2][0]", Some("true")),
        ("data.list[2]", Some("[true]")),
        ("data.list[3]", None),
        ("data.list.x", None),
        ("id.x", None),
        ("n.n", Some("-7")),
        ("nothing", None),
        ("n", Some(r#"{"n": -7}"#)),
    ];

    #[test]
    fn values_are_found_as_they_are_written() {
        for (path, expected) in VALUES {
            assert_eq!(Path::parse(path).unwrap().find(DOCUMENT), expected, "{path}");
        }
        assert_eq!(Path::parse("[1].a").unwrap().find(br#"[0, {"a": 2}]"#), Some("2"));
    }

    #[test]
    fn several_are_found_as_each_would_be() {
        for first in VALUES {
            for second in VALUES {
                for third in VALUES {
                    let all = [first, second, third];
                    let paths = all.map(|(path, _)| Path::parse(path).unwrap());
                    let mut found = [None; MOST];
                    find(&paths, DOCUMENT, &mut found);
                    assert_eq!(found[..3], all.map(|(_, expected)| expected), "{all:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_document_has_no_values() {
        let path = Path::parse("a").unwrap();
        for text in ["", "{", "hello", r#"{"b": 1"#, "7", "[]", "\u{0}", r#"{"a": "#, r#"{"a": {"#] {
            assert_eq!(path.find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "$", ".a", "a.", "a..b", "a[", "a[x]", "a.[0]", "[-1]"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_may_stand_in_quotes() {
        for (text, expected) in
            [("17", Some(17)), ("\"18446744073709551615\"", Some(u64::MAX)), ("-1", None), ("1.5", None)]
        {
            assert_eq!(number(text), expected);
        }
    }
}
