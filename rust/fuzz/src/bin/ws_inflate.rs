//! Any bytes as compressed messages: they end within the limit. And any bytes, compressed, are themselves again, whatever
//! window was agreed on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::ws::deflate::{Deflate, Deflating, Inflating};
use loadgen_engine::ws::extension::Agreed;

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let [shape, step, bytes @ ..] = data else { return };
    let takeover = shape & 1 != 0;
    let agreed =
        Agreed { client_takeover: takeover, server_takeover: takeover, client_window_bits: 8 + (shape >> 1 & 7) };
    let (mut inflating, mut deflating) = (Inflating::default(), Deflating::default());
    let (mut hostile, mut honest) = (Deflate::new(agreed), Deflate::new(agreed));
    let (mut payload, mut message) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(usize::from(*step) + 1) {
        if hostile.inflate(piece, LIMIT, &mut inflating, &mut message).is_ok() {
            assert!(message.len() <= LIMIT);
        }
        honest.deflate(piece, &mut deflating, &mut payload);
        honest.inflate(&payload, piece.len(), &mut inflating, &mut message).expect("it is what was compressed");
        assert_eq!(message, piece);
    }
});
