//! Any text as a template: what it writes is the text with its values in their places, and nothing is lost between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_engine::plan::Encoding;
use loadgen_engine::template::{Template, Value, Values};

fuzz_target!(|text: &[u8]| {
    for encoding in [Encoding::Raw, Encoding::Percent, Encoding::Json] {
        let template = Template::parse(text, encoding);
        let columns = template.values().filter_map(|value| if let Value::Column(at) = value { Some(at) } else { None });
        // The face has checked that there are as many as are asked for.
        let row = vec!["\"a b\"\n\u{e9}".to_owned(); columns.max().map_or(0, |most| most.min(999) + 1)];
        if template.values().any(|value| matches!(value, Value::Column(at) if at >= row.len())) {
            continue;
        }
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        let values = Values { row: &row, ..Values::default() };
        template.write(&values, &mut once);
        if template.values().next().is_none() {
            assert_eq!(once, text);
        } else if encoding == Encoding::Raw {
            // A template that says itself has values only where its values brought some.
            template.write(&values, &mut twice);
            assert_eq!(once, twice);
        }
    }
});
