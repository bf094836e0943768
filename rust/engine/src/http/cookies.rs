//! A jar of cookies as RFC 6265 has it: what a response sets, and what a later request says. Pure: the caller brings
//! the time, in seconds since 1970.
//!
//! Where the RFC leaves a choice the jar is strict: a domain of one label (`com`) is nobody's to set, values with
//! control characters are dropped, and there are limits, so that no server can fill a generator's memory.

use std::fmt;

/// Longest name and value together, and longest of the other attributes, in bytes.
pub const COOKIE_LIMIT: usize = 4096;
/// Most cookies of one domain.
pub const DOMAIN_LIMIT: usize = 50;
/// Most cookies of a jar.
pub const JAR_LIMIT: usize = 3000;

/// Why a cookie is not taken. A response's is then left out; a script's is its mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name; may be empty.
    pub name: String,
    /// Its value, as it came.
    pub value: String,
    /// In small letters, without a dot in front.
    pub domain: String,
    /// The paths below this get it.
    pub path: String,
    /// Only the host itself gets it, and no name below.
    pub host_only: bool,
    /// It goes over TLS only.
    pub secure: bool,
    /// When it ends; `None`: with the user.
    pub expires_s: Option<i64>,
}

/// Where a request goes, or a response came from.
#[derive(Clone, Copy, Debug)]
pub struct Page<'url> {
    /// Without a port.
    pub host: &'url str,
    /// Without the query.
    pub path: &'url str,
    /// Over TLS.
    pub secure: bool,
}

impl<'url> Page<'url> {
    /// Of an absolute URL.
    pub fn of(url: &'url str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let port_at = if authority.ends_with(']') { None } else { authority.rfind(':') };
        let path = &target[..target.find(['?', '#']).unwrap_or(target.len())];
        Some(Self { host: &authority[..port_at.unwrap_or(authority.len())], path, secure: scheme == "https" })
    }

    fn is_in(&self, cookie: &Cookie) -> bool {
        (self.host.eq_ignore_ascii_case(&cookie.domain) || !cookie.host_only && is_below(self.host, &cookie.domain))
            && path_matches(self.path, &cookie.path)
            && (self.secure || !cookie.secure)
    }
}

/// The cookies of one user, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

impl Jar {
    /// Takes what one `Set-Cookie` says, if it may.
    pub fn take(&mut self, page: Page<'_>, set_cookie: &str, now_s: i64) -> Result<(), Refused> {
        self.put(Cookie::parse(page, set_cookie, now_s)?, now_s)
    }

    /// Puts a cookie in, in the place of one with the same name, domain and path. One that has ended removes it.
    pub fn put(&mut self, cookie: Cookie, now_s: i64) -> Result<(), Refused> {
        cookie.check()?;
        let same =
            |other: &Cookie| (&other.name, &other.domain, &other.path) == (&cookie.name, &cookie.domain, &cookie.path);
        let known = self.cookies.iter().position(same);
        match (known, cookie.has_ended(now_s)) {
            (Some(at), true) => drop(self.cookies.remove(at)),
            (Some(at), false) => self.cookies[at] = cookie,
            (None, true) => {}
            (None, false) => {
                self.make_room(&cookie.domain, now_s);
                self.cookies.push(cookie);
            }
        }
        Ok(())
    }

    fn make_room(&mut self, domain: &str, now_s: i64) {
        let of_domain = |cookie: &Cookie| cookie.domain == domain;
        if self.cookies.len() < JAR_LIMIT && self.cookies.iter().filter(|one| of_domain(one)).count() < DOMAIN_LIMIT {
            return;
        }
        self.cookies.retain(|cookie| !cookie.has_ended(now_s));
        if self.cookies.iter().filter(|one| of_domain(one)).count() >= DOMAIN_LIMIT {
            let oldest = self.cookies.iter().position(of_domain);
            oldest.map(|at| self.cookies.remove(at));
        }
        if self.cookies.len() >= JAR_LIMIT {
            self.cookies.remove(0);
        }
    }

    /// Appends `name=value; …` of what a request to this page says, but for the names in `without`: longer paths
    /// first, then the older.
    pub fn write(&self, page: Page<'_>, now_s: i64, without: &[(String, String)], line: &mut String) {
        let is_meant = |cookie: &&Cookie| {
            page.is_in(cookie) && !cookie.has_ended(now_s) && !without.iter().any(|(name, _)| *name == cookie.name)
        };
        let mut meant: Vec<&Cookie> = self.cookies.iter().filter(is_meant).collect();
        meant.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        for cookie in meant {
            write_pair(line, &cookie.name, &cookie.value);
        }
    }

    /// Those that have not ended.
    pub fn iter(&self, now_s: i64) -> impl Iterator<Item = &Cookie> {
        self.cookies.iter().filter(move |cookie| !cookie.has_ended(now_s))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Removes those that `leaves` says; how many that were.
    pub fn remove(&mut self, mut leaves: impl FnMut(&Cookie) -> bool) -> usize {
        let before = self.cookies.len();
        self.cookies.retain(|cookie| !leaves(cookie));
        before - self.cookies.len()
    }
}

/// Appends one pair to the value of a `Cookie` header.
pub fn write_pair(line: &mut String, name: &str, value: &str) {
    if !line.is_empty() {
        line.push_str("; ");
    }
    if !name.is_empty() {
        line.push_str(name);
        line.push('=');
    }
    line.push_str(value);
}

/// The name and value at the beginning of a `Set-Cookie`.
pub fn pair_of(set_cookie: &str) -> (&str, &str) {
    let pair = set_cookie.split(';').next().unwrap_or_default();
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    (trim(name), trim(value))
}

impl Cookie {
    /// RFC 6265, sections 5.2 and 5.3.
    fn parse(page: Page<'_>, set_cookie: &str, now_s: i64) -> Result<Self, Refused> {
        let (name, value) = pair_of(set_cookie);
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: String::new(),
            path: default_path(page.path).to_owned(),
            host_only: true,
            secure: false,
            expires_s: None,
        };
        let mut has_max_age = false;
        for attribute in set_cookie.split(';').skip(1) {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = trim(value);
            match trim(key).to_ascii_lowercase().as_str() {
                "domain" => cookie.domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase(),
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "path" => default_path(page.path).clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => {
                    let digits = value.strip_prefix('-').unwrap_or(value);
                    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        has_max_age = true;
                        let seconds = digits.parse::<i64>().unwrap_or(i64::MAX);
                        let past = value.starts_with('-') || seconds == 0;
                        cookie.expires_s = Some(if past { i64::MIN } else { now_s.saturating_add(seconds) });
                    }
                }
                "expires" if !has_max_age => cookie.expires_s = date(value).or(cookie.expires_s),
                _ => {}
            }
        }
        let host = page.host.to_ascii_lowercase();
        if cookie.domain.is_empty() || cookie.domain == host {
            // A host may name itself, also where nobody may speak for all below it.
            cookie.host_only = cookie.domain.is_empty() || !host.contains('.');
            cookie.domain = host;
        } else if !is_below(&host, &cookie.domain) {
            return Err(Refused("its domain is not the host's"));
        } else if !cookie.domain.contains('.') {
            return Err(Refused("its domain is a top-level one"));
        } else {
            cookie.host_only = false;
        }
        Ok(cookie)
    }

    fn check(&self) -> Result<(), Refused> {
        if self.name.is_empty() && self.value.is_empty() {
            return Err(Refused("it has neither name nor value"));
        }
        if self.name.len() + self.value.len() > COOKIE_LIMIT || self.domain.len() + self.path.len() > COOKIE_LIMIT {
            return Err(Refused("it is longer than 4096 bytes"));
        }
        check_pair(&self.name, &self.value)
    }

    fn has_ended(&self, now_s: i64) -> bool {
        self.expires_s.is_some_and(|expires_s| expires_s <= now_s)
    }
}

/// Whether a name and value can stand in a header: nothing that ends the line or begins another cookie.
pub fn check_pair(name: &str, value: &str) -> Result<(), Refused> {
    let breaks = |byte: u8| byte == b';' || byte == 0x7f || byte < b' ' && byte != b'\t';
    if name.bytes().any(|byte| breaks(byte) || byte == b'=') || value.bytes().any(breaks) {
        return Err(Refused("it has control characters, or a separator of cookies"));
    }
    Ok(())
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Section 5.1.3, for names that differ. Addresses have nothing below them.
fn is_below(host: &str, domain: &str) -> bool {
    let bytes = host.as_bytes();
    let Some(at) = bytes.len().checked_sub(domain.len() + 1) else { return false };
    let is_name = !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err();
    is_name && !domain.is_empty() && bytes[at] == b'.' && bytes[at + 1..].eq_ignore_ascii_case(domain.as_bytes())
}

/// Section 5.1.4.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 && path.starts_with('/') => &path[..at],
        _ => "/",
    }
}

fn path_matches(path: &str, wanted: &str) -> bool {
    let path = if path.starts_with('/') { path } else { "/" };
    let Some(rest) = path.strip_prefix(wanted) else { return false };
    rest.is_empty() || wanted.ends_with('/') || rest.starts_with('/')
}

/// A date as section 5.1.1 reads it, which is leniently.
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter = |byte: char| !(byte.is_ascii_alphanumeric() || byte == ':' || byte > '\u{7f}');
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        let digits = token.bytes().take_while(u8::is_ascii_digit).count();
        let number = token[..digits].parse::<i64>().ok();
        let prefix = token.get(..3).unwrap_or_default().to_ascii_lowercase();
        if time.is_none() && token.contains(':') {
            time = clock_time(token);
        } else if day.is_none() && (1..=2).contains(&digits) {
            day = number;
        } else if month.is_none() && MONTHS.contains(&prefix.as_str()) {
            month = MONTHS.iter().position(|name| *name == prefix).map(|at| at as i64 + 1);
        } else if year.is_none() && (2..=4).contains(&digits) {
            year = number.map(|year| match year {
                70..=99 => year + 1900,
                0..=69 => year + 2000,
                _ => year,
            });
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, day?, month?, year?);
    let is_right = (1..=31).contains(&day) && year >= 1601 && hour < 24 && minute < 60 && second < 60;
    is_right.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn clock_time(token: &str) -> Option<(i64, i64, i64)> {
    let mut parts = token.splitn(3, ':').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=2).contains(&digits) { part[..digits].parse::<i64>().ok() } else { None }
    });
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Days from 1970 to a date of the Gregorian calendar, which begins its years in March here.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
