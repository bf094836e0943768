//! Undoes the percent encoding of URLs (RFC 3986, 2.1).

/// The bytes that a text stands for. What is no encoding stands for itself.
pub fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_encoding_stays_as_it_is() {
        for (text, expected) in [
            ("", &b""[..]),
            ("m%65%3a", b"me:"),
            ("%C3%bc", "ü".as_bytes()),
            ("%ff", b"\xff"),
            ("ü%", "ü%".as_bytes()),
            ("100%4", b"100%4"),
            ("%%41", b"%A"),
            ("%+1%-1%4g%ü", "%+1%-1%4g%ü".as_bytes()),
            ("a+b", b"a+b"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
