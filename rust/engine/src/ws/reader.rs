//! Bytes of a connection to messages. One that came whole is borrowed from where it came to; what came in pieces is kept
//! until the rest has come. It answers nothing: that is the socket's.

use super::deflate::{Deflate, Inflating};
use super::failure::Failure;
use super::frame::{HEADER_BYTES, Header, Opcode};

/// Largest message, if nobody says otherwise.
pub const MESSAGE_LIMIT: usize = 64 << 20;
/// Most fragments of a message: empty ones cost their sender little, and would never come to the other limit.
pub const FRAGMENT_LIMIT: u32 = 1 << 20;

/// Room asked for a message before its bytes are there.
const FIRST_BYTES: usize = 64 << 10;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A message.
    Text(&'a str),
    /// A message.
    Binary(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer.
    Pong(&'a [u8]),
    /// The last that comes: why, if it says so.
    Close(Option<u16>, &'a str),
}

/// Where a message lies that did not come whole, or compressed: one for all sockets of a thread.
#[derive(Debug, Default)]
pub struct Inbox {
    message: Vec<u8>,
    inflating: Inflating,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Reader {
    head: Head,
    partial: Option<Box<Partial>>,
}

/// The beginning of a header.
#[derive(Debug, Default)]
struct Head {
    bytes: [u8; HEADER_BYTES],
    held: u8,
}

/// What is there of a frame or of a message.
#[derive(Debug, Default)]
struct Partial {
    /// The frame at hand and how much of it is missing.
    frame: Option<(Header, u64)>,
    control: Vec<u8>,
    message: Option<Message>,
}

/// A message that is not complete.
#[derive(Debug)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    fragments: u32,
    bytes: Vec<u8>,
    /// So much of it is UTF-8.
    checked: usize,
}

impl Reader {
    /// The next that came, taken from the beginning of `bytes`; `None` when nothing is left of them. After a failure
    /// there is nothing to read any more.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        limit: usize,
        deflate: Option<&mut Deflate>,
        inbox: &'a mut Inbox,
    ) -> Result<Option<Received<'a>>, Failure> {
        if self.partial.is_some() {
            return self.next_of_pieces(bytes, limit, deflate, inbox);
        }
        let Some(header) = self.head.read(bytes)? else { return Ok(None) };
        check(header, None, limit, deflate.is_some())?;
        if !header.is_final || header.payload_bytes > bytes.len() as u64 {
            self.partial.insert(Box::default()).begin(header)?;
            return self.next_of_pieces(bytes, limit, deflate, inbox);
        }
        let (payload, rest) = bytes.split_at(header.payload_bytes as usize);
        *bytes = rest;
        match header.opcode {
            opcode if opcode.is_control() => control(opcode, payload).map(Some),
            opcode if header.is_compressed => {
                inflated(opcode == Opcode::Text, payload, limit, deflate, inbox).map(Some)
            }
            opcode => message(opcode == Opcode::Text, payload).map(Some),
        }
    }

    #[cold]
    fn next_of_pieces<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        limit: usize,
        deflate: Option<&mut Deflate>,
        inbox: &'a mut Inbox,
    ) -> Result<Option<Received<'a>>, Failure> {
        let Some(partial) = &mut self.partial else { return Ok(None) };
        loop {
            let Some((header, missing)) = &mut partial.frame else {
                let Some(header) = self.head.read(bytes)? else { return Ok(None) };
                check(header, partial.message.as_ref(), limit, deflate.is_some())?;
                partial.begin(header)?;
                continue;
            };
            let header = *header;
            let (piece, rest) = bytes.split_at((*missing).min(bytes.len() as u64) as usize);
            *bytes = rest;
            *missing -= piece.len() as u64;
            let is_whole = *missing == 0;
            partial.add(header.opcode, piece)?;
            if !is_whole {
                return Ok(None);
            }
            partial.frame = None;
            if header.opcode.is_control() {
                inbox.message = std::mem::take(&mut partial.control);
                if partial.message.is_none() {
                    self.partial = None;
                }
                return control(header.opcode, &inbox.message).map(Some);
            }
            if header.is_final {
                let whole = partial.message.take();
                self.partial = None;
                let Some(whole) = whole else { unreachable!("its last fragment was added to it") };
                if whole.is_compressed {
                    return inflated(whole.is_text, &whole.bytes, limit, deflate, inbox).map(Some);
                }
                inbox.message = whole.bytes;
                // Looked at once more where it was looked at in pieces: that is cheaper than to trust a promise.
                return message(whole.is_text, &inbox.message).map(Some);
            }
        }
    }
}

impl Head {
    /// The header at the beginning of `bytes`, or what has come of it before and now.
    #[inline]
    fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, Failure> {
        if self.held > 0 {
            return self.read_on(bytes);
        }
        if let Some((header, used)) = Header::read(bytes)? {
            *bytes = &bytes[used..];
            return Ok(Some(header));
        }
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.held = bytes.len() as u8;
        *bytes = &[];
        Ok(None)
    }

    #[cold]
    fn read_on(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, Failure> {
        while let Some((first, rest)) = bytes.split_first() {
            self.bytes[usize::from(self.held)] = *first;
            self.held += 1;
            *bytes = rest;
            if let Some((header, _)) = Header::read(&self.bytes[..usize::from(self.held)])? {
                self.held = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

impl Partial {
    /// A frame begins, whose payload is still to be added.
    fn begin(&mut self, header: Header) -> Result<(), Failure> {
        self.frame = Some((header, header.payload_bytes));
        if header.opcode.is_control() {
            return Ok(());
        }
        let message = self.message.get_or_insert_with(|| Message {
            is_text: header.opcode == Opcode::Text,
            is_compressed: header.is_compressed,
            fragments: 0,
            bytes: Vec::with_capacity(header.payload_bytes.min(FIRST_BYTES as u64) as usize),
            checked: 0,
        });
        message.fragments += 1;
        if message.fragments > FRAGMENT_LIMIT { Err(Failure::TooLarge) } else { Ok(()) }
    }

    fn add(&mut self, opcode: Opcode, piece: &[u8]) -> Result<(), Failure> {
        if opcode.is_control() {
            self.control.extend_from_slice(piece);
            return Ok(());
        }
        let Some(message) = &mut self.message else { unreachable!("its first frame has begun it") };
        message.bytes.extend_from_slice(piece);
        if message.is_text && !message.is_compressed {
            // As soon as it cannot become a text any more, there is no use in waiting for its end.
            message.checked += match str::from_utf8(&message.bytes[message.checked..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Failure::BadUtf8),
            };
        }
        Ok(())
    }
}

/// Whether a frame may come now.
#[inline]
fn check(header: Header, message: Option<&Message>, limit: usize, deflates: bool) -> Result<(), Failure> {
    if header.opcode.is_control() {
        return Ok(());
    }
    if header.is_compressed && !deflates {
        return Err(Failure::Protocol("a reserved bit set"));
    }
    let before = match (message, header.opcode) {
        (Some(message), Opcode::Continuation) => message.bytes.len(),
        (None, Opcode::Text | Opcode::Binary) => 0,
        (None, _) => return Err(Failure::Protocol("a fragment of no message")),
        (Some(_), _) => return Err(Failure::Protocol("a message within the fragments of another")),
    };
    if header.payload_bytes > (limit - before.min(limit)) as u64 { Err(Failure::TooLarge) } else { Ok(()) }
}

#[inline]
fn message(is_text: bool, bytes: &[u8]) -> Result<Received<'_>, Failure> {
    if is_text {
        str::from_utf8(bytes).map(Received::Text).map_err(|_| Failure::BadUtf8)
    } else {
        Ok(Received::Binary(bytes))
    }
}

fn inflated<'a>(
    is_text: bool,
    payload: &[u8],
    limit: usize,
    deflate: Option<&mut Deflate>,
    inbox: &'a mut Inbox,
) -> Result<Received<'a>, Failure> {
    let Some(deflate) = deflate else { unreachable!("the header was checked") };
    deflate.inflate(payload, limit, &mut inbox.inflating, &mut inbox.message)?;
    message(is_text, &inbox.message)
}

fn control(opcode: Opcode, payload: &[u8]) -> Result<Received<'_>, Failure> {
    match (opcode, payload) {
        (Opcode::Ping, _) => Ok(Received::Ping(payload)),
        (Opcode::Pong, _) => Ok(Received::Pong(payload)),
        (_, []) => Ok(Received::Close(None, "")),
        (_, [_]) => Err(Failure::Protocol("a close with half a code")),
        (_, [high, low, reason @ ..]) => match u16::from_be_bytes([*high, *low]) {
            // 1004 means nothing; 1005, 1006 and 1015 stand for what is not sent; up to 2999 no others are defined.
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => {
                let reason = str::from_utf8(reason).map_err(|_| Failure::BadUtf8)?;
                Ok(Received::Close(Some(code), reason))
            }
            _ => Err(Failure::Protocol("a close with a code that is not to be sent")),
        },
    }
}

#[cfg(test)]
mod tests;
