//! A jar that takes any cookies from any page: what it says fits in a header, and it stays within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::cookies::{DOMAIN_LIMIT, Jar, Page};

const NOW_S: i64 = 1_800_000_000;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(page) = lines.next().and_then(Page::of) else { return };
    let mut jar = Jar::default();
    for line in lines {
        let _ = jar.take(page, line, NOW_S);
        assert!(
            jar.iter(NOW_S)
                .all(|cookie| cookie.path.starts_with('/') && (cookie.host_only || cookie.domain.contains('.')))
        );
    }
    assert!(jar.iter(NOW_S).count() <= DOMAIN_LIMIT * (page.host.matches('.').count() + 1));
    for url in ["http://example.com/", "https://www.example.com/a/b?c", text.lines().next().unwrap_or_default()] {
        let Some(page) = Page::of(url) else { continue };
        let mut line = String::new();
        jar.write(page, NOW_S, &[], &mut line);
        assert!(!line.bytes().any(|byte| byte == 0x7f || byte < b' ' && byte != b'\t'), "{line:?}");
    }
});
