//! The chunk reader against any bytes in any slices: the same end and the same count of data wherever they fall.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::chunk::{ChunkError, ChunkReader};

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Result<(Option<usize>, u64), ChunkError> {
    let (mut reader, mut before) = (ChunkReader::default(), 0);
    for part in parts {
        if let Some(used) = reader.feed(part)? {
            return Ok((Some(before + used), reader.data_bytes));
        }
        before += part.len();
    }
    Ok((None, reader.data_bytes))
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, bytes)) = data.split_first() else { return };
    let whole = read(std::iter::once(bytes));
    let sliced = read(bytes.chunks(usize::from(step) + 1));
    assert_eq!(whole, sliced);
    if let Ok((Some(used), data_bytes)) = whole {
        assert!(used <= bytes.len() && data_bytes < used as u64);
    }
});
