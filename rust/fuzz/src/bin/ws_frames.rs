//! A WebSocket after its handshake against any bytes in any slices: the same events, the same answers and the same end
//! wherever they fall, and no message beyond the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::ws::deflate::Deflate;
use loadgen_engine::ws::extension::Agreed;
use loadgen_engine::ws::failure::Failure;
use loadgen_engine::ws::reader::{Inbox, Reader, Received};

const LIMIT: usize = 4096;

/// What came: its kind, its code if it is a close, its bytes.
type Seen = (u8, Option<u16>, Vec<u8>);

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>, shape: u8) -> (Vec<Seen>, Option<Failure>) {
    let agreed = Agreed { client_takeover: false, server_takeover: shape & 2 != 0, client_window_bits: 15 };
    let mut deflate = (shape & 1 != 0).then(|| Deflate::new(agreed));
    let (mut reader, mut inbox, mut seen) = (Reader::default(), Inbox::default(), Vec::new());
    for mut bytes in parts {
        loop {
            let received = match reader.next(&mut bytes, LIMIT, deflate.as_mut(), &mut inbox) {
                Ok(Some(received)) => received,
                Ok(None) => break,
                Err(failure) => return (seen, Some(failure)),
            };
            let (kind, code, bytes) = match received {
                Received::Text(text) => (1, None, text.as_bytes()),
                Received::Binary(bytes) => (2, None, bytes),
                Received::Ping(bytes) => (9, None, bytes),
                Received::Pong(bytes) => (10, None, bytes),
                Received::Close(code, reason) => (8, code, reason.as_bytes()),
            };
            assert!(bytes.len() <= if kind < 8 { LIMIT } else { 125 });
            seen.push((kind, code, bytes.to_vec()));
        }
        assert!(bytes.is_empty());
    }
    (seen, None)
}

fuzz_target!(|data: &[u8]| {
    let [shape, step, bytes @ ..] = data else { return };
    let whole = read(std::iter::once(bytes), *shape);
    assert_eq!(whole, read(bytes.chunks(usize::from(*step) + 1), *shape));
});
