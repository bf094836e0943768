//! Where an absolute URL leads, read without a copy. Whether there is anything, others find out.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'url> {
    /// Over TLS.
    pub is_secure: bool,
    /// A name, or an address without brackets.
    pub host: &'url str,
    /// The port, said or not.
    pub port: u16,
    /// Without the query; empty where none is said.
    pub path: &'url str,
}

impl<'url> Place<'url> {
    /// Reads `http://[USER:PASSWORD@]HOST[:PORT][/PATH]` or `https://…`, whatever follows.
    pub fn of(url: &'url str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (is_secure, usual_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let path = &target[..target.find(['?', '#']).unwrap_or(target.len())];
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|&port| port > 0)?),
            _ => (authority, usual_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some(Self { is_secure, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_urls() {
        let place = |is_secure, host, port, path| Some(Place { is_secure, host, port, path });
        for (url, expected) in [
            ("http://a/b:9", place(false, "a", 80, "/b:9")),
            ("https://a?x/y", place(true, "a", 443, "")),
            ("https://[::1]:8443/#x", place(true, "::1", 8443, "/")),
            ("http://[::1]", place(false, "::1", 80, "")),
            ("http://me:secret@a:1/b?c", place(false, "a", 1, "/b")),
            ("ftp://a", None),
            ("http://:80/", None),
            ("http://a:x/", None),
        ] {
            assert_eq!(Place::of(url), expected, "{url}");
        }
    }
}
