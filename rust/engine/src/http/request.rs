//! Renders a request to the bytes that go over the wire. For `blast` once in a run, for scripts whenever they ask for
//! something new.

use std::fs::File;

use crate::plan::{PlanError, Request};
use crate::upload::{Part, Upload};

/// Headers with a default, ours or a plan's.
pub(crate) const UNSENT_EMPTY: [&str; 4] = ["Host", "User-Agent", "Accept", "Accept-Encoding"];

/// A rendered request.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Head and body.
    pub bytes: Box<[u8]>,
    /// A response to HEAD has no body, whatever its headers say.
    pub is_head: bool,
}

/// Renders a request. Headers of the plan replace the defaults of the same name. An upload is not among the bytes.
pub fn render(request: &Request, upload: Option<&Upload>) -> Result<Rendered, PlanError> {
    let Request { method, url, headers, .. } = request;
    let rendered = match upload {
        Some(upload) => render_parts(method, url, &with_upload(headers, upload), None),
        None => decode_body(request).and_then(|body| render_parts(method, url, headers, body.as_deref())),
    };
    rendered.map_err(|PlanError(text)| PlanError(format!("request.{text}")))
}

/// The headers of a request and those that announce its upload.
pub fn with_upload(headers: &[(String, String)], upload: &Upload) -> Vec<(String, String)> {
    let mut headers = headers.to_vec();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        headers.push(match upload.length() {
            Some(length) => ("Content-Length".into(), length.to_string()),
            None => ("Transfer-Encoding".into(), "chunked".into()),
        });
    }
    if upload.expects_continue {
        headers.push(("Expect".into(), "100-continue".into()));
    }
    headers
}

/// The body of a request that is sent in pieces, if it is.
pub fn open_body(request: &Request) -> Result<Option<Upload>, PlanError> {
    let part = if let Some(path) = &request.body_file {
        let opened = File::open(path).and_then(|file| Part::of_file(file, 0));
        opened.map_err(|error| PlanError(format!("request.body_file: {}: {error}", path.display())))?
    } else {
        Part::Bytes(decode_body(request)?.unwrap_or_default().into())
    };
    let upload = Upload::new(vec![part], request.expect_continue);
    Ok((request.uploads() && upload.length() != Some(0)).then_some(upload))
}

/// The body of a request, if it has one.
pub fn decode_body(request: &Request) -> Result<Option<Vec<u8>>, PlanError> {
    let decode = |text| decode_base64(text).ok_or_else(|| PlanError("body: expected base64".into()));
    request.body.as_deref().map(decode).transpose()
}

/// The same, of parts. The URL is absolute.
pub fn render_parts(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Rendered, PlanError> {
    let user_agent = concat!("loadgen/", env!("CARGO_PKG_VERSION"));
    render_with(&[("User-Agent", user_agent), ("Accept", "*/*")], method, url, headers, body)
}

/// The same, with no header of our own but those that HTTP asks for.
pub fn render_bare(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Rendered, PlanError> {
    render_with(&[], method, url, headers, body)
}

fn render_with(
    usual: &[(&str, &str)],
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Rendered, PlanError> {
    let (authority, path) =
        split(url).ok_or_else(|| PlanError(format!("url: expected http://HOST/PATH, got {url:?}")))?;
    if !is_token(method) {
        return Err(PlanError(format!("method: expected a method, got {method:?}")));
    }
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for &(name, value) in [("Host", authority)].iter().chain(usual) {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
    for (name, value) in headers {
        // As curl has it: one that is given empty takes the place of a default, and is not sent itself.
        if value.is_empty() && UNSENT_EMPTY.iter().any(|default| default.eq_ignore_ascii_case(name)) {
            continue;
        }
        if !is_token(name) || value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(PlanError(format!("headers: {name:?} is not a header that can be sent")));
        }
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    let tells =
        |name: &str| ["content-length", "transfer-encoding"].iter().any(|other| name.eq_ignore_ascii_case(other));
    let has_length = headers.iter().any(|(name, _)| tells(name));
    if !has_length && (body.is_some() || matches!(method, "POST" | "PUT" | "PATCH")) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.map_or(0, <[u8]>::len)).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    Ok(Rendered { bytes: bytes.into_boxed_slice(), is_head: method == "HEAD" })
}

/// Authority and path with query of an absolute URL.
pub fn split(url: &str) -> Option<(&str, String)> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    if rest.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!authority.is_empty()).then(|| (authority, format!("{slash}{path}")))
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Result<String, PlanError> {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let body = body.map(Into::into);
        let request =
            Request { method: method.into(), url: url.into(), headers, body, body_file: None, expect_continue: false };
        render(&request, None).map(|rendered| String::from_utf8(rendered.bytes.into()).unwrap())
    }

    #[test]
    fn defaults_are_there_and_give_way() {
        let text = rendered("GET", "http://a:1?q=1", &[("host", "b")], None).unwrap();
        assert!(text.starts_with("GET /?q=1 HTTP/1.1\r\nUser-Agent: loadgen/"));
        assert!(text.ends_with("Accept: */*\r\nhost: b\r\n\r\n"));
    }

    #[test]
    fn a_default_that_is_given_empty_is_not_sent() {
        let text = rendered("GET", "http://a/", &[("accept", ""), ("User-Agent", ""), ("X-Empty", "")], None).unwrap();
        assert_eq!(text, "GET / HTTP/1.1\r\nHost: a\r\nX-Empty: \r\n\r\n");
    }

    #[test]
    fn bodies_carry_their_length() {
        assert!(rendered("POST", "http://a/", &[], Some("aGk=")).unwrap().ends_with("Content-Length: 2\r\n\r\nhi"));
        assert!(rendered("PUT", "http://a/", &[], None).unwrap().contains("Content-Length: 0\r\n"));
        assert!(!rendered("GET", "http://a/", &[], None).unwrap().contains("Content-Length"));
    }

    #[test]
    fn what_would_smuggle_a_second_request_is_refused() {
        for (method, url, headers) in [
            ("GET /", "http://a/", vec![]),
            ("GET", "http://a/ HTTP/1.1\r\nX: y", vec![]),
            ("GET", "http:///", vec![]),
            ("GET", "http://a/", vec![("A\r\nB", "c")]),
            ("GET", "http://a/", vec![("A", "b\r\nC: d")]),
        ] {
            assert!(rendered(method, url, &headers, None).is_err(), "{method} {url} {headers:?}");
        }
    }
}
