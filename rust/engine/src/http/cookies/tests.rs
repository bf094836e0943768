//! Tables from RFC 6265, and laws that hold whatever a server says.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_700_000_000;

fn at(url: &str) -> Page<'_> {
    Page::of(url).unwrap()
}

fn jar(sets: &[(&str, &str)]) -> Jar {
    let mut jar = Jar::default();
    for (url, line) in sets {
        let _ = jar.take(at(url), line, NOW);
    }
    jar
}

fn said(jar: &Jar, url: &str) -> String {
    let mut line = String::new();
    jar.write(at(url), NOW, &[], &mut line);
    line
}

#[test]
fn what_is_set_is_said_where_it_belongs() {
    for (set_at, line, asked_at, wanted, why) in [
        ("http://a.test/", "SID=31d4", "http://a.test/x", "SID=31d4", "section 3.1"),
        ("http://a.test/", "SID=1", "http://www.a.test/", "", "without a domain: the host only"),
        ("http://www.a.test/", "S=1; Domain=a.test", "http://b.a.test/", "S=1", "the domain and all below"),
        ("http://www.a.test/", "S=1; Domain=.A.Test", "http://a.test/", "S=1", "a dot in front means nothing"),
        ("http://a.test/", "S=1; Domain=b.a.test", "http://b.a.test/", "", "not for those below it"),
        ("http://a.test/", "S=1; Domain=other.test", "http://other.test/", "", "nor for strangers"),
        ("http://ba.test/", "S=1; Domain=a.test", "http://a.test/", "", "a suffix of letters is no parent"),
        ("http://a.test/", "S=1; Domain=test", "http://b.test/", "", "nobody speaks for a top-level domain"),
        ("http://localhost/", "S=1; Domain=localhost", "http://localhost/", "S=1", "but for itself"),
        ("http://localhost/", "S=1; Domain=localhost", "http://a.localhost/", "", "and not for those below"),
        ("http://127.0.0.1/", "S=1; Domain=0.0.1", "http://127.0.0.1/", "", "addresses have no parents"),
        ("http://127.0.0.1:1/", "S=1", "http://127.0.0.1:2/", "S=1", "ports are no part of it"),
        ("http://[::1]:80/", "S=1", "http://[::1]/", "S=1", "nor in IPv6"),
        ("http://a.test/x/y", "S=1", "http://a.test/x/z", "S=1", "the default path is the folder"),
        ("http://a.test/x/y", "S=1", "http://a.test/", "", "and not above it"),
        ("http://a.test/", "S=1; Path=/foo", "http://a.test/foo/bar", "S=1", "below a path"),
        ("http://a.test/", "S=1; Path=/foo", "http://a.test/foobar", "", "which ends at a slash"),
        ("http://a.test/", "S=1; Path=/foo/", "http://a.test/foo/bar", "S=1", "or has it"),
        ("http://a.test/", "S=1; Path=/foo", "http://a.test/foo?q=/", "S=1", "the query is no part of it"),
        ("http://a.test/", "S=1; Path=foo", "http://a.test/any", "S=1", "a path without a slash is the default"),
        ("http://a.test/", "S=1; Secure", "http://a.test/", "", "secure ones need TLS"),
        ("http://a.test/", "S=1; Secure", "https://a.test/", "S=1", "and go over it"),
        ("http://a.test/", " S = 1 ;HttpOnly", "http://a.test/", "S=1", "spaces around are none of it"),
        ("http://a.test/", "S=\"a b\"", "http://a.test/", "S=\"a b\"", "quotes are"),
        ("http://a.test/", "just", "http://a.test/", "just", "a value without a name"),
        ("http://a.test/", "S=1; Max-Age=60", "http://a.test/", "S=1", "it has a minute"),
        ("http://a.test/", "S=1; Max-Age=0", "http://a.test/", "", "it has ended"),
        ("http://a.test/", "S=1; Max-Age=-1", "http://a.test/", "", "long ago"),
        ("http://a.test/", "S=1; Max-Age=99999999999999999999", "http://a.test/", "S=1", "it never ends"),
        ("http://a.test/", "S=1; Max-Age=x", "http://a.test/", "S=1", "nonsense is passed over"),
        ("http://a.test/", "S=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT", "http://a.test/", "", "it has ended"),
        ("http://a.test/", "S=1; Expires=Wed, 09 Jun 2100 10:18:14 GMT", "http://a.test/", "S=1", "it has not"),
        ("http://a.test/", "S=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT; Max-Age=9", "http://a.test/", "S=1", "first"),
        (
            "http://a.test/",
            "S=1; Max-Age=9; Expires=Wed, 09 Jun 2021 10:18:14 GMT",
            "http://a.test/",
            "S=1",
            "either way",
        ),
        ("http://a.test/", "S=1\u{1}", "http://a.test/", "", "control characters are refused"),
    ] {
        assert_eq!(said(&jar(&[(set_at, line)]), asked_at), wanted, "{line}: {why}");
    }
}

#[test]
fn longer_paths_come_first_then_the_older() {
    let jar = jar(&[
        ("http://a.test/", "a=1"),
        ("http://a.test/", "b=2; Path=/x"),
        ("http://a.test/", "c=3"),
        ("http://a.test/", "a=4"),
    ]);
    assert_eq!(said(&jar, "http://a.test/x"), "b=2; a=4; c=3");
}

#[test]
fn names_that_the_request_gives_itself_are_left_out() {
    let mut line = String::new();
    let given = [("a".to_owned(), "mine".to_owned())];
    jar(&[("http://a.test/", "a=1"), ("http://a.test/", "b=2")]).write(at("http://a.test/"), NOW, &given, &mut line);
    assert_eq!(line, "b=2");
}

#[test]
fn a_server_can_take_its_cookie_back() {
    let mut jar = jar(&[("http://a.test/", "a=1"), ("http://a.test/", "b=2")]);
    jar.take(at("http://a.test/"), "a=; Max-Age=0", NOW).unwrap();
    assert_eq!(said(&jar, "http://a.test/"), "b=2");
    assert_eq!(jar.remove(|cookie| cookie.name == "b"), 1);
    assert!(jar.is_empty());
}

#[test]
fn dates_are_read_as_the_rfc_reads_them() {
    for (text, wanted) in [
        ("Wed, 09 Jun 2021 10:18:14 GMT", Some(1_623_233_894)),
        ("Wednesday, 09-Jun-21 10:18:14 GMT", Some(1_623_233_894)),
        ("Wed Jun  9 10:18:14 2021", Some(1_623_233_894)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
        ("Fri, 31 Dec 1999 23:59:59 GMT", Some(946_684_799)),
        ("Wed, 09 Jun 1600 10:18:14 GMT", None),
        ("Wed, 32 Jun 2021 10:18:14 GMT", None),
        ("Wed, 09 Jun 2021 24:18:14 GMT", None),
        ("Wed, 09 Jun 2021", None),
        ("\u{e9}\u{e9} 1:2", None),
        ("", None),
    ] {
        assert_eq!(date(text), wanted, "{text}");
    }
}

#[test]
fn nobody_can_fill_the_memory() {
    let mut jar = Jar::default();
    let huge = format!("a={}", "x".repeat(COOKIE_LIMIT));
    assert!(jar.take(at("http://a.test/"), &huge, NOW).is_err());
    assert!(jar.take(at("http://a.test/"), &huge[..COOKIE_LIMIT], NOW).is_ok());
    for number in 0..2 * DOMAIN_LIMIT {
        jar.take(at("http://a.test/"), &format!("n{number}=1"), NOW).unwrap();
    }
    assert_eq!(jar.iter(NOW).count(), DOMAIN_LIMIT);
    assert!(said(&jar, "http://a.test/").starts_with("n50=1; "), "the oldest went");
    for host in 0..2 * JAR_LIMIT {
        jar.take(at(&format!("http://h{host}.test/")), "a=1", NOW).unwrap();
    }
    assert_eq!(jar.iter(NOW).count(), JAR_LIMIT);
}

#[test]
fn what_would_break_a_header_is_refused() {
    for (name, value) in [("a\r\nX", "1"), ("a", "1\r\nX: y"), ("a", "1; b=2"), ("a=b", "1"), ("a", "\0")] {
        assert!(check_pair(name, value).is_err(), "{name:?} {value:?}");
    }
    assert!(check_pair("a", "b=c, \"d\"\te").is_ok());
}

proptest! {
    #[test]
    fn whatever_a_server_says_the_line_is_one_header(
        lines in prop::collection::vec("\\PC{0,20}|[ -~\t\r\n]{0,40}|[a-c]=[a-z]{0,3}(; (Path=/[xy]?|Domain=a.test))?", 0..20),
    ) {
        let mut jar = Jar::default();
        for line in &lines {
            let _ = jar.take(at("http://www.a.test/x/y"), line, NOW);
        }
        let line = said(&jar, "http://www.a.test/x/z");
        prop_assert!(!line.contains(['\r', '\n', '\0']));
        let known: std::collections::HashSet<_> =
            jar.iter(NOW).map(|cookie| (&cookie.name, &cookie.domain, &cookie.path)).collect();
        prop_assert_eq!(known.len(), jar.iter(NOW).count(), "each once");
    }

    #[test]
    fn days_count_on(day in -100_000i64..100_000) {
        // The way back, from Howard Hinnant's calendar.
        let shifted = day + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        prop_assert_eq!(days(year, month, of_year - (153 * shifted_month + 2) / 5 + 1), day);
    }
}
