//! The response reader against any bytes in any slices: it must not panic, must not depend on where the slices fall,
//! and must not hold more than its limits allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::head::HeadReader;
use loadgen_engine::http::response::{Progress, ResponseReader};
use loadgen_engine::outcome::ErrorKind;

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>, is_head: bool) -> Result<(u16, bool), ErrorKind> {
    let (mut reader, mut heads) = (ResponseReader::default(), HeadReader::default());
    reader.expect(is_head);
    for part in parts {
        if let Progress::Complete { status, reusable } = reader.feed(part, &mut heads)? {
            return Ok((status, reusable));
        }
    }
    match reader.close()? {
        Progress::Complete { status, reusable } => Ok((status, reusable)),
        Progress::More => unreachable!("a closed connection has nothing more"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&shape, bytes)) = data.split_first() else { return };
    let (is_head, step) = (shape & 1 == 1, usize::from(shape >> 1) + 1);
    let whole = read(std::iter::once(bytes), is_head);
    let sliced = read(bytes.chunks(step), is_head);
    match (whole, sliced) {
        // Surplus bytes are seen or not, depending on whether they came along; so may be an error in them.
        (Ok((status, _)), Ok((other, _))) => assert_eq!(status, other),
        (Err(_), Err(_)) => {}
        (whole, sliced) => panic!("{whole:?} in one piece, {sliced:?} in pieces of {step}"),
    }
});
