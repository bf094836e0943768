//! Answers to a server's challenge (RFC 7616): MD5 and SHA-256, also with `-sess`, and `qop=auth`. The same as `auth.py`
//! for scripts. It sends nothing.

use std::fmt::Write;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::plan::Credentials;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

/// What a server asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Names this challenge among those of the server.
    pub nonce: Vec<u8>,
    /// The nonce of an answer was too old; the password may be right.
    pub is_stale: bool,
    realm: Vec<u8>,
    /// As it came.
    algorithm: Option<Vec<u8>>,
    opaque: Option<Vec<u8>>,
    has_qop: bool,
    hash: Hash,
    is_session: bool,
}

impl Challenge {
    /// The first in the values of `WWW-Authenticate` that can be answered: servers name the best first.
    pub fn find(values: &[&[u8]]) -> Option<Self> {
        values.iter().find_map(|value| parameters_of_digest(value).into_iter().find_map(|found| Self::read(&found)))
    }

    fn read(parameters: &[(String, Vec<u8>)]) -> Option<Self> {
        let get = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let algorithm = get("algorithm");
        let name = algorithm.as_deref().unwrap_or(b"MD5").to_ascii_uppercase();
        let (name, is_session) = match name.strip_suffix(b"-SESS") {
            Some(name) => (name, true),
            None => (&name[..], false),
        };
        let hash = match name {
            b"MD5" => Hash::Md5,
            b"SHA-256" => Hash::Sha256,
            _ => return None,
        };
        let qop = get("qop").unwrap_or_default();
        let has_qop = qop.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"auth"));
        let is_stale = get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"));
        if !has_qop && !qop.trim_ascii().is_empty() {
            return None;
        }
        let (nonce, realm) = (get("nonce")?, get("realm")?);
        Some(Self { nonce, realm, is_stale, algorithm, opaque: get("opaque"), has_qop, hash, is_session })
    }

    /// The value of `Authorization` for the `count`th request that this challenge is answered for.
    pub fn answer(&self, who: &Credentials, count: u32, cnonce: &str, method: &str, target: &str) -> Vec<u8> {
        let Credentials { username, password } = who;
        let count = format!("{count:08x}");
        let mut secret = self.hash(&[username.as_bytes(), &self.realm, password.as_bytes()]);
        if self.is_session {
            secret = self.hash(&[secret.as_bytes(), &self.nonce, cnonce.as_bytes()]);
        }
        let asked = self.hash(&[method.as_bytes(), target.as_bytes()]);
        let response = if self.has_qop {
            let middle = [count.as_bytes(), cnonce.as_bytes(), b"auth"];
            self.hash(&[secret.as_bytes(), &self.nonce, middle[0], middle[1], middle[2], asked.as_bytes()])
        } else {
            self.hash(&[secret.as_bytes(), &self.nonce, asked.as_bytes()])
        };
        let mut text = b"Digest ".to_vec();
        let mut say = |name: &str, value: &[u8]| {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(value);
        };
        say("username=", &quoted(username.as_bytes()));
        say(", realm=", &quoted(&self.realm));
        say(", nonce=", &quoted(&self.nonce));
        say(", uri=", &quoted(target.as_bytes()));
        say(", response=", &quoted(response.as_bytes()));
        if let Some(algorithm) = &self.algorithm {
            say(", algorithm=", algorithm);
        }
        if let Some(opaque) = &self.opaque {
            say(", opaque=", &quoted(opaque));
        }
        if self.has_qop {
            say(", qop=auth, nc=", count.as_bytes());
            say(", cnonce=", &quoted(cnonce.as_bytes()));
        }
        text
    }

    /// Of the parts with colons between them, in hexadecimal digits.
    fn hash(&self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        let bytes = match self.hash {
            Hash::Md5 => Md5::digest(&text).to_vec(),
            Hash::Sha256 => Sha256::digest(&text).to_vec(),
        };
        let mut digits = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

/// The parameters of each challenge of the scheme in a header that may have several.
fn parameters_of_digest(value: &[u8]) -> Vec<Vec<(String, Vec<u8>)>> {
    const SCHEME: &[u8] = b"digest";
    let begins = |at: usize| {
        let before = value[..at].trim_ascii_end();
        let rest = &value[at..];
        (before.is_empty() || before.ends_with(b","))
            && rest.len() > SCHEME.len()
            && rest[..SCHEME.len()].eq_ignore_ascii_case(SCHEME)
            && rest[SCHEME.len()].is_ascii_whitespace()
    };
    let starts = (0..value.len()).filter(|&at| begins(at));
    starts.map(|at| parameters(&value[at + SCHEME.len()..])).collect()
}

/// `name=value`, with commas between them, up to what is none.
fn parameters(mut text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        text = text.trim_ascii_start();
        let end = text.iter().position(|byte| !byte.is_ascii_alphabetic() && !b"*-".contains(byte));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"=") else { return found };
        let (value, rest) = value(rest.trim_ascii_start());
        let rest = rest.trim_ascii_start();
        let next = rest.strip_prefix(b",");
        if name.is_empty() || next.is_none() && !rest.is_empty() {
            return found;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if found.iter().all(|(known, _)| *known != name) {
            found.push((name, value));
        }
        match next {
            Some(rest) => text = rest,
            None => return found,
        }
    }
}

/// A value, in quotes or not, and what stands behind it.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b',').unwrap_or(text.len());
        return (text[..end].to_vec(), &text[end..]);
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return (value, rest),
            [b'"', after @ ..] => return (value, after),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => (value.push(*byte), rest = after).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(challenge: &str, cnonce: &str) -> String {
        let who = Credentials { username: "Mufasa".into(), password: "Circle of Life".into() };
        let challenge = Challenge::find(&[b"Basic realm=\"x\"", challenge.as_bytes()]).unwrap();
        String::from_utf8(challenge.answer(&who, 1, cnonce, "GET", "/dir/index.html")).unwrap()
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let said = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=ALGORITHM,
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let text = answer(&said.replace("ALGORITHM", algorithm), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
            assert!(text.contains(&format!(r#"response="{response}", algorithm={algorithm}, opaque="FQ"#)), "{text}");
            assert!(text.contains("qop=auth, nc=00000001, cnonce=\"f2/"), "{text}");
        }
    }

    #[test]
    fn without_qop_as_in_the_old_days() {
        let who = Credentials { username: "Mufasa".into(), password: "Circle Of Life".into() };
        let said = br#"digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093""#;
        let text = Challenge::find(&[said]).unwrap().answer(&who, 1, "x", "GET", "/dir/index.html");
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with(r#"response="670fd8c2df070c60b045671b8b24ff02""#), "{text}");
    }

    #[test]
    fn the_first_that_can_be_answered_is_taken() {
        let realm =
            |said: &str| Challenge::find(&[said.as_bytes()]).map(|found| String::from_utf8(found.realm).unwrap());
        let two =
            r#"Digest realm="1", nonce="n", algorithm=SHA-512-256, Digest realm="a \"b\"", nonce="n", stale=TRUE"#;
        assert_eq!(realm(two).as_deref(), Some("a \"b\""));
        for said in [
            "Digest",
            "Digest realm=x",
            "Basic realm=x, nonce=y",
            "Digestive realm=x, nonce=y",
            r#"Digest realm="x", nonce="y", qop="auth-int""#,
            r#"Digest realm="x" nonce="y""#,
        ] {
            assert_eq!(realm(said), None, "{said}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_asks_the_answer_is_one_header(
            asked in prop::collection::vec(prop::sample::select(&b"digest,= \"\\realmnoncqpMD5-\xe9"[..]), 0..80),
        ) {
            let who = Credentials { username: "a\"b".into(), password: "c".into() };
            let usual = [b"Digest nonce=1, realm=\"".as_slice(), &asked, b"\", qop=auth"].concat();
            for said in [asked, usual] {
                let Some(challenge) = Challenge::find(&[&said]) else { continue };
                let answer = challenge.answer(&who, 1, "x", "GET", "/");
                prop_assert!(answer.iter().all(|&byte| byte >= b' '));
                let read = Challenge::find(&[&answer]);
                prop_assert_eq!(read.map(|read| (read.nonce, read.realm)), Some((challenge.nonce, challenge.realm)));
            }
        }
    }
}
