//! Requests that were rendered for HTTP/1.1, in the words of HTTP/2: translated once where the same is sent again and
//! again.

use std::collections::HashMap;
use std::rc::Rc;

use super::request::{Rendered, translate};
use crate::plan::PlanError;

/// Bytes of requests that are remembered, at most; a script may render each anew.
const REMEMBERED_BYTES: usize = 4 << 20;
/// What remembering one takes beside its bytes.
const EACH: usize = 1024;

/// A request is known by where its bytes lie, and by its scheme.
#[derive(Debug)]
struct Known {
    /// Kept, so that nothing else comes to lie there.
    _bytes: Rc<[u8]>,
    rendered: Rc<Rendered>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Translations {
    known: HashMap<(*const u8, bool), Known>,
    bytes: usize,
}

impl Translations {
    /// A request as HTTP/2 has it.
    #[inline]
    pub fn of(&mut self, request: &Rc<[u8]>, is_secure: bool) -> Result<Rc<Rendered>, PlanError> {
        if let Some(Known { rendered, .. }) = self.known.get(&(request.as_ptr(), is_secure)) {
            return Ok(Rc::clone(rendered));
        }
        let rendered = Rc::new(translate(request, is_secure)?);
        let bytes = EACH + 2 * request.len();
        if self.bytes + bytes > REMEMBERED_BYTES {
            (self.known, self.bytes) = (HashMap::new(), 0);
        }
        self.bytes += bytes;
        let known = Known { _bytes: Rc::clone(request), rendered: Rc::clone(&rendered) };
        self.known.insert((request.as_ptr(), is_secure), known);
        Ok(rendered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: usize) -> Rc<[u8]> {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {body}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; body]].concat().into()
    }

    #[test]
    fn the_same_request_is_translated_once_for_each_scheme() {
        let (mut translations, request) = (Translations::default(), request(1));
        let first = translations.of(&request, true).unwrap();
        assert!(Rc::ptr_eq(&first, &translations.of(&request, true).unwrap()));
        assert_eq!(translations.of(&request, false).unwrap().head.uri().scheme_str(), Some("http"));
    }

    #[test]
    fn bodies_that_are_never_sent_again_do_not_pile_up() {
        let mut translations = Translations::default();
        for _ in 0..1000 {
            translations.of(&request(100_000), false).unwrap();
            assert!(translations.known.len() <= REMEMBERED_BYTES / 200_000);
        }
        // One that is larger than all that is remembered is sent all the same.
        let large = request(REMEMBERED_BYTES);
        assert_eq!(translations.of(&large, false).unwrap().body.len(), REMEMBERED_BYTES);
    }
}
