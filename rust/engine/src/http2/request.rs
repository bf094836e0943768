//! Renders a request for HTTP/2: checked once, sent as often as wanted. The same defaults as in HTTP/1.1, and the same
//! headers of a plan serve both.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Uri};

use crate::plan::PlanError;
use crate::upload::Upload;

/// A rendered request. A clone shares its body.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub(crate) head: http::Request<()>,
    pub(crate) body: Bytes,
    /// A body that is read while it is sent, instead.
    pub(crate) upload: Option<Rc<Upload>>,
}

/// Headers that speak of one HTTP/1.1 connection. HTTP/2 has its own ways and forbids them.
const OF_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Renders a request of its parts. The URL is absolute; a header `Host` replaces its authority.
pub fn render_parts(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Rendered, PlanError> {
    let method = match http::Method::from_bytes(method.as_bytes()) {
        Ok(given) if given != http::Method::CONNECT => given,
        _ => return Err(PlanError(format!("method: expected a method, got {method:?}"))),
    };
    let mut uri = parse_url(url)?;
    let mut map = HeaderMap::with_capacity(headers.len() + 3);
    let given = |name: &HeaderName| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name.as_str()));
    let user_agent = concat!("loadgen/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [(header::USER_AGENT, user_agent), (header::ACCEPT, "*/*")] {
        if !given(&name) {
            map.insert(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in headers {
        let refuse = || PlanError(format!("headers: {name:?} is not a header that can be sent"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refuse())?;
        if name == header::HOST {
            let authority = Authority::try_from(value.as_bytes()).map_err(|_| refuse())?;
            let mut parts = uri.into_parts();
            parts.authority = Some(authority);
            uri = Uri::from_parts(parts).map_err(|_| refuse())?;
        } else if !OF_CONNECTION.contains(&name) && (name != header::TE || value == "trailers") {
            map.append(name, value);
        }
    }
    let wants_length = body.is_some() || [http::Method::POST, http::Method::PUT, http::Method::PATCH].contains(&method);
    if wants_length && !given(&header::CONTENT_LENGTH) {
        map.insert(header::CONTENT_LENGTH, body.map_or(0, <[u8]>::len).into());
    }
    let mut head = http::Request::new(());
    *head.method_mut() = method;
    *head.uri_mut() = uri;
    *head.headers_mut() = map;
    Ok(Rendered { head, body: Bytes::copy_from_slice(body.unwrap_or_default()), upload: None })
}

impl Rendered {
    /// With this body; its length, where it is known, is among the headers already.
    #[must_use]
    pub fn with_upload(mut self, upload: Option<&Rc<Upload>>) -> Self {
        if upload.is_some_and(|upload| upload.length().is_none()) {
            self.head.headers_mut().remove(header::CONTENT_LENGTH);
        }
        Self { upload: upload.cloned(), ..self }
    }

    /// Whether it can be sent once more: what is made while it is sent may be gone.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.length().is_some())
    }
}

/// The same of a request that was rendered for HTTP/1.1.
pub fn translate(http1: &[u8], is_secure: bool) -> Result<Rendered, PlanError> {
    let wrong = || PlanError("request: cannot be put into HTTP/2".into());
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(body_at)) = request.parse(http1) else { return Err(wrong()) };
    let (Some(method), Some(path)) = (request.method, request.path) else { return Err(wrong()) };
    let mut host = "";
    let mut others = Vec::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let value = str::from_utf8(header.value).map_err(|_| wrong())?;
        if header.name.eq_ignore_ascii_case("host") {
            host = value;
        } else {
            others.push((header.name.to_owned(), value.to_owned()));
        }
    }
    let scheme = if is_secure { "https" } else { "http" };
    let body = &http1[body_at..];
    render_parts(method, &format!("{scheme}://{host}{path}"), &others, (!body.is_empty()).then_some(body))
}

fn parse_url(url: &str) -> Result<Uri, PlanError> {
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or_else(|| {
        let remedy = "percent-encode what a URL may not hold";
        PlanError(format!("url: expected http://HOST/PATH or https://HOST/PATH, got {url:?}; {remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Result<Rendered, PlanError> {
        let headers: Vec<_> = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        render_parts(method, url, &headers, body.map(str::as_bytes))
    }

    fn names(rendered: &Rendered) -> Vec<&str> {
        rendered.head.headers().keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn defaults_are_there_and_give_way() {
        let request = rendered("GET", "http://a:1?q=1", &[("host", "b"), ("ACCEPT", "x"), ("X-Y", "1")], None).unwrap();
        assert_eq!(request.head.uri(), "http://b/?q=1");
        assert_eq!(names(&request), ["user-agent", "accept", "x-y"]);
        assert_eq!(request.head.headers()["accept"], "x");
    }

    #[test]
    fn what_was_rendered_for_the_older_version_is_the_same_request() {
        let request =
            translate(b"POST /a?b HTTP/1.1\r\nHost: c:1\r\nX-Y: 1\r\nContent-Length: 2\r\n\r\nhi", true).unwrap();
        assert_eq!(
            (request.head.uri().to_string(), request.head.method().as_str()),
            ("https://c:1/a?b".into(), "POST")
        );
        assert_eq!(&request.body[..], b"hi");
        assert_eq!(names(&request), ["user-agent", "accept", "x-y", "content-length"]);
        for wrong in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"GET /", b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n"] {
            assert!(translate(wrong, false).is_err());
        }
    }

    #[test]
    fn headers_of_a_connection_stay_behind() {
        let headers = ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "TE"];
        let request = rendered("GET", "https://a/", &headers.map(|name| (name, "x")), None).unwrap();
        assert_eq!(names(&request), ["user-agent", "accept"]);
        let request = rendered("GET", "https://a/", &[("te", "trailers")], None).unwrap();
        assert_eq!(names(&request), ["user-agent", "accept", "te"]);
    }

    #[test]
    fn bodies_carry_their_length() {
        for (method, body, length) in [
            ("POST", Some("hi"), Some("2")),
            ("PUT", None, Some("0")),
            ("GET", None, None),
            ("GET", Some("x"), Some("1")),
        ] {
            let request = rendered(method, "http://a/", &[], body).unwrap();
            assert_eq!(request.head.headers().get("content-length").map(|value| value.to_str().unwrap()), length);
        }
        let own = rendered("POST", "http://a/", &[("Content-Length", "7")], Some("hi")).unwrap();
        assert_eq!(own.head.headers()["content-length"], "7");
    }

    #[test]
    fn what_would_smuggle_a_second_request_is_refused() {
        for (method, url, headers) in [
            ("GET /", "http://a/", vec![]),
            ("CONNECT", "http://a/", vec![]),
            ("GET", "http://a/ b", vec![]),
            ("GET", "ftp://a/", vec![]),
            ("GET", "http:///", vec![]),
            ("GET", "/a", vec![]),
            ("GET", "http://a/", vec![("A\r\nB", "c")]),
            ("GET", "http://a/", vec![("A", "b\r\nC: d")]),
            ("GET", "http://a/", vec![(":path", "/b")]),
            ("GET", "http://a/", vec![("Host", "b c")]),
        ] {
            assert!(rendered(method, url, &headers, None).is_err(), "{method} {url} {headers:?}");
        }
    }
}
