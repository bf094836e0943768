//! The decoders of encoded bodies against any bytes: they end, within the limit, and identity changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::decoding::{DECODED_LIMIT, decode};

const CODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "gzip, br", "deflate, zstd"];

fuzz_target!(|data: &[u8]| {
    let Some((&shape, body)) = data.split_first() else { return };
    let codings = CODINGS[usize::from(shape) % CODINGS.len()];
    let decoded = decode(codings, body);
    if let Ok(Some(bytes)) = &decoded {
        assert!(bytes.len() <= DECODED_LIMIT);
    }
    assert_eq!(decoded, decode(&format!("identity, {codings}"), body));
});
