//! Text with `{{value}}` in it, parsed once into pieces and written as often as needed. It reads no clock and draws
//! nothing: the values of an arrival are given to it.
//!
//! ```text
//!   {{0}} {{1}} …     columns of the row              {{random}}     a whole number below a thousand million
//!   {{k}}             number of the arrival           {{timestamp}}  milliseconds since 1970
//!   {{uuid}}          a random UUID (version 4)       {{open}}       two opening braces
//!   {{length}}        bytes of the body               {{due_ns}}     when it is due, on the clock of all stamps
//!   {{connection}}    number of the socket          {{reply.0}} …    values of an acknowledgement
//! ```
//!
//! The face writes these; it has replaced the names that people use by the numbers of columns.

use std::io::Write;

use crate::plan::Encoding;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A column of the row.
    Column(usize),
    /// The number of the arrival.
    Number,
    /// 128 random bits.
    Uuid,
    /// A random whole number.
    Random,
    /// When the request is written.
    Timestamp,
    /// What would begin a value.
    Open,
    /// How long the body is.
    Length,
    /// When it is due.
    Due,
    /// Which socket sends it.
    Connection,
    /// A value of an acknowledgement.
    Reply(usize),
}

impl Value {
    /// Whether it differs from one arrival to the next, so that it cannot be written before.
    pub fn is_of_an_arrival(&self) -> bool {
        match self {
            Self::Number
            | Self::Uuid
            | Self::Random
            | Self::Timestamp
            | Self::Due
            | Self::Connection
            | Self::Reply(_) => true,
            Self::Column(_) | Self::Open | Self::Length => false,
        }
    }
}

/// The values of one arrival.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// Its row; empty where there are no rows.
    pub row: &'a [String],
    /// Its number.
    pub number: u64,
    /// Random bits for `{{uuid}}`.
    pub uuid: u128,
    /// For `{{random}}`.
    pub random: u64,
    /// For `{{timestamp}}`.
    pub timestamp_ms: u64,
    /// For `{{length}}`.
    pub length: usize,
    /// For `{{due_ns}}`.
    pub due_ns: u64,
    /// For `{{connection}}`.
    pub connection: u64,
    /// For `{{reply.0}}`, as JSON has them; `None` where there is none.
    pub reply: &'a [Option<Box<str>>],
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Value(Value),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    encoding: Encoding,
}

impl Template {
    /// Finds the values in a text. Braces that hold none stay as they are.
    pub fn parse(text: &[u8], encoding: Encoding) -> Self {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some(&byte) = rest.first() {
            if let Some((value, after)) = begins_with_value(rest) {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                pieces.push(Piece::Value(value));
                rest = after;
            } else {
                literal.push(byte);
                rest = &rest[1..];
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Self { pieces, encoding }
    }

    /// The values in it, in order.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Value(value) => Some(*value),
        })
    }

    /// Appends the text with these values.
    pub fn write(&self, values: &Values<'_>, into: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => into.extend_from_slice(bytes),
                Piece::Value(Value::Column(column)) => encode(values.row[*column].as_bytes(), self.encoding, into),
                Piece::Value(Value::Number) => number(values.number, into),
                Piece::Value(Value::Uuid) => uuid(values.uuid, into),
                Piece::Value(Value::Random) => number(values.random % 1_000_000_000, into),
                Piece::Value(Value::Timestamp) => number(values.timestamp_ms, into),
                Piece::Value(Value::Open) => encode(b"{{", self.encoding, into),
                Piece::Value(Value::Length) => number(values.length as u64, into),
                Piece::Value(Value::Due) => number(values.due_ns, into),
                Piece::Value(Value::Connection) => number(values.connection, into),
                Piece::Value(Value::Reply(place)) => {
                    if let Some(Some(json)) = values.reply.get(*place) {
                        quote(json, self.encoding, into);
                    }
                }
            }
        }
    }
}

fn begins_with_value(text: &[u8]) -> Option<(Value, &[u8])> {
    let inner = text.strip_prefix(b"{{")?;
    let end = inner.iter().position(|&byte| byte == b'}')?;
    let (name, after) = inner.split_at(end);
    let after = after.strip_prefix(b"}}")?;
    let value = match name {
        b"k" => Value::Number,
        b"uuid" => Value::Uuid,
        b"random" => Value::Random,
        b"timestamp" => Value::Timestamp,
        b"open" => Value::Open,
        b"length" => Value::Length,
        b"due_ns" => Value::Due,
        b"connection" => Value::Connection,
        name => match name.strip_prefix(b"reply.") {
            Some(digits) => Value::Reply(place(digits)?),
            None => Value::Column(place(name)?),
        },
    };
    Some((value, after))
}

fn place(digits: &[u8]) -> Option<usize> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if are_digits { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// A text as other texts are, anything else as it is written: an object is one where it is put.
fn quote(json: &str, encoding: Encoding, into: &mut Vec<u8>) {
    match serde_json::from_str::<String>(json) {
        Ok(text) => encode(text.as_bytes(), encoding, into),
        Err(_) => into.extend_from_slice(json.as_bytes()),
    }
}

fn encode(text: &[u8], encoding: Encoding, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |nibble: u8| HEX[usize::from(nibble & 15)];
    match encoding {
        Encoding::Raw => into.extend_from_slice(text),
        Encoding::Percent => {
            for &byte in text {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    into.push(byte);
                } else {
                    into.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte)]);
                }
            }
        }
        Encoding::Json => {
            for &byte in text {
                match byte {
                    b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
                    b'\n' => into.extend_from_slice(b"\\n"),
                    b'\r' => into.extend_from_slice(b"\\r"),
                    b'\t' => into.extend_from_slice(b"\\t"),
                    0..0x20 => into.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]),
                    _ => into.push(byte),
                }
            }
        }
    }
}

fn number(value: u64, into: &mut Vec<u8>) {
    write!(into, "{value}").expect("a vector takes all");
}

/// Version 4, the variant of RFC 9562.
fn uuid(bits: u128, into: &mut Vec<u8>) {
    let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    into.extend_from_slice(groups.join("-").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, encoding: Encoding, row: &[&str]) -> String {
        let row: Vec<String> = row.iter().map(|&text| text.into()).collect();
        let values = Values { row: &row, number: 7, timestamp_ms: 5, random: 3_000_000_001, ..Values::default() };
        let mut bytes = Vec::new();
        Template::parse(text.as_bytes(), encoding).write(&values, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn values_stand_where_their_places_were() {
        assert_eq!(written("{{1}}-{{0}}{{k}}", Encoding::Raw, &["a", "b"]), "b-a7");
        assert_eq!(written("{{{0}}} {{random}} {{timestamp}}", Encoding::Raw, &["a"]), "{a} 1 5");
        assert_eq!(written("{{open}}0}}", Encoding::Raw, &["a"]), "{{0}}");
    }

    #[test]
    fn values_of_a_reply_are_written_as_what_they_are() {
        let reply = [r#""a\"é""#, "17", r#"{"b": [null]}"#].map(|json| Some(json.into()));
        for (text, encoding, expected) in [
            (r#""{{reply.0}}" {{reply.1}} {{reply.2}}"#, Encoding::Json, r#""a\"é" 17 {"b": [null]}"#),
            ("{{reply.0}} {{reply.1}}{{reply.3}}", Encoding::Raw, r#"a"é 17"#),
        ] {
            let values = Values { reply: &reply, ..Values::default() };
            let mut bytes = Vec::new();
            Template::parse(text.as_bytes(), encoding).write(&values, &mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn braces_without_a_value_stay() {
        for text in ["{{", "{{}}", "{{name}}", "{{reply}}", "{{reply.x}}", "{{0}", "}}{{", r#"{"a":{"b":{}}}"#] {
            assert_eq!(written(text, Encoding::Raw, &["a"]), text);
        }
    }

    #[test]
    fn values_are_encoded_and_the_text_around_them_is_not() {
        assert_eq!(written("/a b?{{0}}", Encoding::Percent, &["x/y &é"]), "/a b?x%2Fy%20%26%C3%A9");
        assert_eq!(written("\"{{0}}\"", Encoding::Json, &["a\"\\\n\u{1}é"]), "\"a\\\"\\\\\\n\\u0001é\"");
        assert_eq!(written("{{0}}", Encoding::Raw, &["a\"% é"]), "a\"% é");
    }

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        for bits in [0, u128::MAX] {
            let mut bytes = Vec::new();
            Template::parse(b"{{uuid}}", Encoding::Raw).write(&Values { uuid: bits, ..Values::default() }, &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!((text.len(), &text[14..15]), (36, "4"));
            assert!("89ab".contains(&text[19..20]), "{text}");
        }
    }
}
