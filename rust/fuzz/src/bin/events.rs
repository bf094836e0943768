//! The reader of server-sent events against any bytes in any slices: the same events wherever they fall.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::http::events::{Event, EventReader, TooLarge};

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), TooLarge>) {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    for part in parts {
        if let Err(error) = reader.feed(part, |event| events.push(event)) {
            return (events, Err(error));
        }
    }
    (events, Ok(()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, bytes)) = data.split_first() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(whole, read(bytes.chunks(usize::from(step) + 1)));
    for event in whole.0 {
        assert!(!event.event.is_empty() && !event.id.contains('\0'));
        assert!(![event.event, event.data.replace('\n', ""), event.id].concat().contains(['\r', '\n']));
    }
});
