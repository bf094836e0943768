//! The log of requests, one CSV line each; must not make a request wait for the disk more often than every 64 KiB.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

const FLUSH_BYTES: usize = 64 << 10;

/// The first line of the file. All times in ns of `CLOCK_MONOTONIC`.
pub(crate) const COLUMNS: &str = "seq,connection,recv_ns,due_ns,sent_ns,path\n";

/// One line: a complete request and what became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'t> {
    /// The number of the request, from 1, in the order of receipt.
    pub(crate) seq: u64,
    /// The number of its connection, from 1, in the order of acceptance.
    pub(crate) connection: u64,
    pub(crate) received_ns: u64,
    /// The computed departure; 0 for a request that is never answered.
    pub(crate) due_ns: u64,
    /// 0 where no answer left.
    pub(crate) sent_ns: u64,
    pub(crate) target: &'t str,
}

/// An open log.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    buffer: Vec<u8>,
    /// Lines came in since `rest` was last called.
    busy: bool,
}

impl Log {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, buffer: COLUMNS.as_bytes().to_vec(), busy: true })
    }

    pub(crate) fn write(&mut self, line: Line<'_>) {
        write_line(&mut self.buffer, line);
        self.busy = true;
    }

    /// Writes the buffer out if it is full.
    pub(crate) fn relieve(&mut self) -> io::Result<()> {
        if self.buffer.len() < FLUSH_BYTES { Ok(()) } else { self.flush() }
    }

    /// To be called in regular intervals: writes the buffer out if nothing came in for one of them.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.busy) { Ok(()) } else { self.flush() }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The path stands last and is quoted only where CSV asks for it.
fn write_line(buffer: &mut Vec<u8>, line: Line<'_>) {
    let Line { seq, connection, received_ns, due_ns, sent_ns, target } = line;
    write!(buffer, "{seq},{connection},{received_ns},{due_ns},{sent_ns},").expect("a Vec takes every byte");
    if target.contains([',', '"']) {
        writeln!(buffer, "\"{}\"", target.replace('"', "\"\"")).expect("a Vec takes every byte");
    } else {
        buffer.extend_from_slice(target.as_bytes());
        buffer.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str) -> String {
        let mut buffer = Vec::new();
        write_line(&mut buffer, Line { seq: 1, connection: 2, received_ns: 3, due_ns: 4, sent_ns: 5, target });
        String::from_utf8(buffer).expect("text")
    }

    #[test]
    fn a_line_has_the_columns_of_the_first_line() {
        assert_eq!(line("/a?b=c"), "1,2,3,4,5,/a?b=c\n");
        assert_eq!(COLUMNS.split(',').count(), line("/").split(',').count());
    }

    #[test]
    fn a_path_with_commas_or_quotes_is_quoted() {
        assert_eq!(line("/a,b"), "1,2,3,4,5,\"/a,b\"\n");
        assert_eq!(line("/\"x\""), "1,2,3,4,5,\"/\"\"x\"\"\"\n");
    }
}
