//! Where a `Location` leads from the request that it answers (RFC 3986, 5.2). It resolves no name and sends nothing.

use std::fmt::Write;
use std::net::Ipv6Addr;

use crate::wiring::Place;

/// The place and what to ask there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its host is in small letters.
    pub place: Place,
    /// Path and query, as they go into a request.
    pub target: String,
    /// What stood before an `@`.
    pub userinfo: Option<String>,
}

/// Follows a reference from a path and query at a place; `None` where it leads nowhere that a request could go to.
pub fn follow(from: &Place, target: &str, location: &[u8]) -> Option<Destination> {
    let text = as_text(location);
    let whole = text.trim_matches([' ', '\t']).replace('\t', "");
    if whole.is_empty() {
        return None;
    }
    let reference = whole.split('#').next().unwrap_or_default();
    let here = if from.is_secure { "https" } else { "http" };
    let (scheme, rest) = match split_scheme(reference) {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (here.to_owned(), reference),
    };
    let is_secure = match scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    if let Some(rest) = rest.strip_prefix("//") {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo.to_owned()), authority),
            None => (None, authority),
        };
        let place = place_of(authority, is_secure)?;
        return Some(Destination { place, target: encoded(&merged("/", path)), userinfo });
    }
    // The scheme alone says nothing new; another one without a host leads nowhere.
    (scheme == here).then(|| Destination {
        place: from.clone(),
        target: encoded(&merged(target, rest)),
        userinfo: None,
    })
}

/// A path in a header is UTF-8 more often than the Latin-1 that headers are.
fn as_text(location: &[u8]) -> String {
    match std::str::from_utf8(location) {
        Ok(text) => text.to_owned(),
        Err(_) => location.iter().copied().map(char::from).collect(),
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_name = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (is_name && scheme.starts_with(|first: char| first.is_ascii_alphabetic())).then_some((scheme, rest))
}

fn place_of(authority: &str, is_secure: bool) -> Option<Place> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { "" } else { port.strip_prefix(':')? })
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let usual = if is_secure { 443 } else { 80 };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if port.is_empty() { usual } else { port.parse().ok().filter(|&port| port > 0 && is_number)? };
    (!host.is_empty() && host.bytes().all(is_name)).then(|| Place { is_secure, host: host.to_ascii_lowercase(), port })
}

/// A path with query, as it reads from another one.
fn merged(from: &str, to: &str) -> String {
    let (from_path, from_query) = from.split_once('?').map_or((from, None), |(path, query)| (path, Some(query)));
    let (path, query) = to.split_once('?').map_or((to, None), |(path, query)| (path, Some(query)));
    let (path, query) = match path {
        "" => (from_path.to_owned(), query.or(from_query)),
        _ if path.starts_with('/') => (without_dots(path), query),
        _ => (without_dots(&format!("{}{path}", &from_path[..from_path.rfind('/').map_or(0, |at| at + 1)])), query),
    };
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut segments = path.trim_start_matches('/').split('/').peekable();
    // Of slashes in a row at the start all but one belong to the path.
    let slashes = path.len() - path.trim_start_matches('/').len();
    parts.extend(std::iter::repeat_n("", slashes.saturating_sub(1)));
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(parts.pop()),
            _ => {
                parts.push(segment);
                continue;
            }
        }
        if is_last {
            parts.push("");
        }
    }
    format!("/{}", parts.join("/"))
}

fn encoded(target: &str) -> String {
    let mut text = String::with_capacity(target.len());
    for byte in target.bytes() {
        if matches!(byte, b'{' | b'}' | 0..=b' ' | 0x7f..) {
            let _ = write!(text, "%{byte:02X}");
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(location: &str) -> Option<String> {
        let from = Place { is_secure: false, host: "a".into(), port: 8000 };
        let Destination { place, target, userinfo } = follow(&from, "/b/c/d?q=1", location.as_bytes())?;
        let Place { is_secure, host, port } = place;
        let (scheme, who) = (if is_secure { "https" } else { "http" }, userinfo.map(|it| it + "@").unwrap_or_default());
        Some(format!("{scheme}://{who}{host} {port} {target}"))
    }

    #[test]
    fn references_are_resolved() {
        for (location, expected) in [
            ("/x", "http://a 8000 /x"),
            (" /x?y=1#part ", "http://a 8000 /x?y=1"),
            ("x", "http://a 8000 /b/c/x"),
            ("./x/../y/.", "http://a 8000 /b/c/y/"),
            ("../../../x", "http://a 8000 /x"),
            ("..", "http://a 8000 /b/"),
            ("?r=2", "http://a 8000 /b/c/d?r=2"),
            ("#part", "http://a 8000 /b/c/d?q=1"),
            ("http:x", "http://a 8000 /b/c/x"),
            ("//Other/x", "http://other 80 /x"),
            ("HTTPS://Other", "https://other 443 /"),
            ("http://other:81?q", "http://other 81 /?q"),
            ("http://other/a//b/../c", "http://other 80 /a//c"),
            ("http://me:se@cret@other:/x", "http://me:se@cret@other 80 /x"),
            ("http://[::1]:9/x", "http://::1 9 /x"),
            ("https://[::1]", "https://::1 443 /"),
            ("/a b/{x}/é\t?ü", "http://a 8000 /a%20b/%7Bx%7D/%C3%A9?%C3%BC"),
            ("/to?u=http://other/../x", "http://a 8000 /to?u=http://other/../x"),
        ] {
            assert_eq!(followed(location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn some_lead_nowhere() {
        let locations = "mailto:me@here ftp://a/x https:x http:// http:///x http://[ http://[::1 http://[::1]x/ http://[x]/ \
             http://x:99999/ http://x:0/ http://x:+1/ http://a\\b/ http://bücher/ http://x:1:2/";
        for location in locations.split(' ').chain(["", "  ", "http://a b/"]) {
            assert_eq!(followed(location), None, "{location}");
        }
    }

    #[test]
    fn latin_1_is_understood() {
        let from = Place { is_secure: false, host: "a".into(), port: 80 };
        assert_eq!(follow(&from, "/", b"/\xe9").unwrap().target, "/%C3%A9");
    }
}
