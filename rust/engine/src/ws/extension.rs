//! Agrees on compression: what a client offers in `Sec-WebSocket-Extensions`, and whether the answer keeps to it.
//! RFC 7692, section 7.1.

use std::fmt::Write;

/// The name of the one extension there is.
const NAME: &str = "permessage-deflate";
/// What an answer that is none is called.
const BROKEN: &str = "extensions that are not a list of names and parameters";

/// Compression as a client offers it. The usual offer keeps no window on either side between two messages, so that a
/// socket at rest costs no more than without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What is sent may refer to messages sent before.
    pub client_takeover: bool,
    /// What comes may refer to messages that came before.
    pub server_takeover: bool,
    /// How far back the server may refer: two to the power of this many bytes, 8 to 15.
    pub server_window_bits: Option<u8>,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What is sent may refer to messages sent before.
    pub client_takeover: bool,
    /// What comes may refer to messages that came before.
    pub server_takeover: bool,
    /// How far back what is sent may refer.
    pub client_window_bits: u8,
}

impl Offer {
    /// The value of the header.
    pub fn render(self) -> String {
        let mut text = format!("{NAME}; client_max_window_bits");
        if !self.client_takeover {
            text.push_str("; client_no_context_takeover");
        }
        if !self.server_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if let Some(bits) = self.server_window_bits {
            let _ = write!(text, "; server_max_window_bits={bits}");
        }
        text
    }

    /// What the values of the server's headers agree to; what is wrong with them.
    pub fn agree<'a>(
        offer: Option<Self>,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Agreed>, &'static str> {
        let mut agreed = None;
        for extension in values.flat_map(|value| value.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
            match offer {
                Some(offer) if agreed.is_none() => agreed = Some(offer.read(extension)?),
                _ => return Err("an extension that was not offered"),
            }
        }
        Ok(agreed)
    }

    fn read(self, extension: &str) -> Result<Agreed, &'static str> {
        let mut parts = extension.split(';').map(str::trim);
        if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            return Err("an extension that was not offered");
        }
        let (mut client_none, mut server_none, mut client_bits, mut server_bits) = (None, None, None, None);
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), unquote(value.trim_start())),
                None => (part, ""),
            };
            let place = match name {
                "client_no_context_takeover" => &mut client_none,
                "server_no_context_takeover" => &mut server_none,
                "client_max_window_bits" => &mut client_bits,
                "server_max_window_bits" => &mut server_bits,
                "" => return Err(BROKEN),
                _ => return Err("a parameter of compression that there is not"),
            };
            if place.replace(value).is_some() {
                return Err("a parameter of compression twice");
            }
        }
        if [client_none, server_none].into_iter().flatten().any(|value| !value.is_empty()) {
            return Err("a value for a parameter of compression that has none");
        }
        let client_bits = client_bits.map(window_bits).transpose()?;
        let server_bits = server_bits.map(window_bits).transpose()?;
        if server_none.is_none() && !self.server_takeover {
            return Err("compression with a window that was to be dropped");
        }
        if self.server_window_bits.is_some_and(|limit| server_bits.is_none_or(|bits| bits > limit)) {
            return Err("compression with a larger window than was offered");
        }
        Ok(Agreed {
            client_takeover: self.client_takeover && client_none.is_none(),
            server_takeover: server_none.is_none(),
            client_window_bits: client_bits.unwrap_or(15),
        })
    }
}

/// 8 to 15, in plain digits.
fn window_bits(value: &str) -> Result<u8, &'static str> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" | "11" | "12" | "13" | "14" | "15" => Ok(10 + (value.as_bytes()[1] - b'0')),
        _ => Err("a window of compression that there is not"),
    }
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEOVER: Offer = Offer { client_takeover: true, server_takeover: true, server_window_bits: None };

    fn agreed(offer: Offer, value: &str) -> Result<(bool, bool, u8), &'static str> {
        let agreed = Offer::agree(Some(offer), [value].into_iter())?.ok_or("nothing")?;
        Ok((agreed.client_takeover, agreed.server_takeover, agreed.client_window_bits))
    }

    #[test]
    fn the_usual_offer_keeps_no_window() {
        let text = "permessage-deflate; client_max_window_bits; client_no_context_takeover; server_no_context_takeover";
        assert_eq!(Offer::default().render(), text);
        let text = "permessage-deflate; client_max_window_bits; server_max_window_bits=10";
        assert_eq!(Offer { server_window_bits: Some(10), ..TAKEOVER }.render(), text);
    }

    #[test]
    fn an_answer_may_take_less_than_was_offered() {
        for (offer, value, expected) in [
            (TAKEOVER, "permessage-deflate", (true, true, 15)),
            (TAKEOVER, "Permessage-Deflate ; server_no_context_takeover", (true, false, 15)),
            (TAKEOVER, "permessage-deflate; client_no_context_takeover", (false, true, 15)),
            (TAKEOVER, "permessage-deflate; client_max_window_bits = \"9\", ", (true, true, 9)),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=8;client_max_window_bits=8", (true, true, 8)),
            (Offer::default(), "permessage-deflate; server_no_context_takeover", (false, false, 15)),
        ] {
            assert_eq!(agreed(offer, value), Ok(expected), "{value}");
        }
        assert_eq!(Offer::agree(Some(TAKEOVER), [""].into_iter()), Ok(None));
        assert_eq!(Offer::agree(None, std::iter::empty()), Ok(None));
    }

    #[test]
    fn an_answer_may_not_take_anything_else() {
        let narrow = Offer { server_window_bits: Some(10), ..TAKEOVER };
        for (offer, value, expected) in [
            (TAKEOVER, "x-webkit-deflate-frame", "an extension that was not offered"),
            (TAKEOVER, "permessage-deflate, permessage-deflate", "an extension that was not offered"),
            (TAKEOVER, "permessage-deflate; level=9", "a parameter of compression that there is not"),
            (TAKEOVER, "permessage-deflate;", BROKEN),
            (
                TAKEOVER,
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                "a parameter of compression twice",
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_no_context_takeover=1",
                "a value for a parameter of compression that has none",
            ),
            (TAKEOVER, "permessage-deflate; client_max_window_bits", "a window of compression that there is not"),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=7", "a window of compression that there is not"),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=16", "a window of compression that there is not"),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=09", "a window of compression that there is not"),
            (Offer::default(), "permessage-deflate", "compression with a window that was to be dropped"),
            (narrow, "permessage-deflate", "compression with a larger window than was offered"),
            (
                narrow,
                "permessage-deflate; server_max_window_bits=11",
                "compression with a larger window than was offered",
            ),
        ] {
            assert_eq!(agreed(offer, value), Err(expected), "{value}");
        }
        let unasked = Offer::agree(None, ["permessage-deflate"].into_iter());
        assert_eq!(unasked, Err("an extension that was not offered"));
    }
}
