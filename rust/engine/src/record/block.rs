//! A block: the shared memory in which one worker counts. One writer, any number of readers, nobody waits.
//!
//! ```text
//!   block  = header (one page of words) | tallies | slot of label 0 | slot of label 1 | …
//!   tally  = kind | length of its name | four values | name      (TALLY_WORDS words)
//!   slot   = counters | name | statuses | errors | histogram heads | what was touched   (SLOT_HEAD words)
//!            then for each kind of latency the buckets of its histogram (BUCKETS words)
//! ```
//!
//! Every word is a `u64` that only its writer changes. Counters only grow; a reader may see one outcome's counts half
//! done, never wrong ones, and after the writer has gone what it reads is exact. Pages that were never touched take no
//! memory: a reader looks at what was touched first, because reading a hole would fill it, and because of a thousand
//! labels most words are 0. Touched are segments of a histogram, groups of buckets in a segment, groups of statuses.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, Ordering::Relaxed};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::buckets::{BUCKETS, SEGMENT, SEGMENTS};
use crate::outcome::ErrorKind;

/// Words about the worker as a whole, by number in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Word {
    /// Version of this layout; 0 until the writer has attached.
    Version,
    /// Slots for labels.
    Capacity,
    /// Slots in use.
    Labels,
    /// Process of the writer.
    Pid,
    /// Its last sign of life.
    Heartbeat,
    /// Arrivals taken up or given up.
    Scheduled,
    /// Given up for being too late.
    Dropped,
    /// Given up because the run was stopped.
    Cancelled,
    /// Connections made.
    Connects,
    /// Connections that could not be made.
    ConnectFailures,
    /// Connections open now.
    Connections,
    /// Arrivals that are due and wait for a connection now.
    Overdue,
    /// Users active now.
    ActiveUsers,
    /// CPU time of the run but for spinning.
    BusyNs,
    /// Time in which it spun, waiting for an instant.
    SpinNs,
    /// The rest of the time: asleep, or kept from running.
    BlockedNs,
    /// CPU time of the process.
    CpuNs,
    /// Largest resident size of the process.
    MaxRssKb,
    /// Sends that had waited for a connection.
    PoolWaits,
    /// Looks at the schedule that found the cap on connections in the way.
    CapHits,
    /// Present margin of the pacer.
    MarginNs,
    /// Tallies in use.
    Tallies,
    /// Time spent in Python code.
    ScriptNs,
    /// Virtual users that live now.
    Users,
    /// Attempts at requests that a policy could try again.
    Attempts,
    /// Those that were not the first.
    Retries,
}

const HEADER_WORDS: usize = 512;
/// Layout version: a reader and a writer of different builds refuse each other.
pub const VERSION: u64 = 6;

/// Words of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum LabelWord {
    /// Length of the name in bytes.
    NameLength,
    /// Requests begun.
    Sent,
    /// Complete responses below 400.
    Ok,
    /// Everything else that ended.
    Failed,
    /// Bytes written.
    BytesSent,
    /// Bytes read.
    BytesReceived,
    /// What the label counts, a [`Role`].
    Role,
}

/// What a label counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u64)]
pub enum Role {
    /// A request of loadgen's own.
    #[default]
    Request,
    /// A block of a script that counts like a request: it makes none of loadgen's own.
    Operation,
    /// A block of a script around requests that are counted themselves.
    Group,
    /// One run of a scenario.
    Iteration,
    /// Values that a script gives.
    Trend,
}

impl Role {
    /// All roles, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Request, Self::Operation, Self::Group, Self::Iteration, Self::Trend];

    /// The name that summaries use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Operation => "operation",
            Self::Group => "group",
            Self::Iteration => "iteration",
            Self::Trend => "trend",
        }
    }

    /// Whether it belongs to the totals of a run.
    pub fn counts(self) -> bool {
        matches!(self, Self::Request | Self::Operation)
    }
}

/// What a tally counts. Four values each, of which some stay 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum TallyKind {
    /// Passed, failed.
    Check,
    /// Sum, count.
    Counter,
    /// Last, least, most, count.
    Gauge,
    /// True, false.
    Rate,
}

impl TallyKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Check, Self::Counter, Self::Gauge, Self::Rate];

    /// The name that summaries use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
        }
    }
}

/// What a histogram measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// From due to done.
    Response,
    /// From sent to done.
    Service,
    /// From due to sent.
    Lateness,
    /// From due until the loop took it up: the part of lateness that is the generator's own.
    Dispatch,
    /// Making the connection.
    Connect,
    /// From sent to the first byte.
    FirstByte,
    /// From the first byte to done.
    Receive,
    /// From then until it was sent, where it had to wait for a connection.
    PoolWait,
    /// Finding the addresses of a name.
    Dns,
    /// The handshake of TLS.
    Tls,
    /// From the first byte written to the last, where one write did not take all.
    Send,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Response,
        Self::Service,
        Self::Lateness,
        Self::Dispatch,
        Self::Connect,
        Self::FirstByte,
        Self::Receive,
        Self::PoolWait,
        Self::Dns,
        Self::Tls,
        Self::Send,
    ];

    /// The name that summaries use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Lateness => "lateness",
            Self::Dispatch => "dispatch",
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
            Self::Receive => "receive",
            Self::PoolWait => "pool_wait",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Send => "send",
        }
    }
}

/// Words at the head of a histogram; the buckets lie elsewhere in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum HeadWord {
    /// Finite samples.
    Count,
    /// Their sum.
    Sum,
    /// The sum of their squares, the bits of an `f64`.
    SumOfSquares,
    /// The complement of the smallest, so that fresh memory (0) means none.
    MinComplement,
    /// The largest.
    Max,
    /// Samples that never ended.
    Infinite,
    /// Samples clamped to the largest bucket.
    Overflow,
    /// Bit i: segment i has been written to.
    Touched,
}

/// Statuses that have a counter: 0 … 999.
pub const STATUSES: usize = 1000;
/// Longest label kept, in bytes.
pub const NAME_BYTES: usize = 512;

/// Tallies of a block.
pub const TALLIES: usize = 512;
/// Longest name of a tally kept, in bytes.
pub const TALLY_NAME_BYTES: usize = 208;

const TALLY_VALUES_AT: usize = 2;
const TALLY_NAME_AT: usize = 6;
const TALLY_WORDS: usize = TALLY_NAME_AT + TALLY_NAME_BYTES / 8;
const LABELS_AT: usize = HEADER_WORDS + TALLIES * TALLY_WORDS;
const HEAD_WORDS: usize = 8;
const NAME_AT: usize = 16;
const STATUSES_AT: usize = NAME_AT + NAME_BYTES / 8;
const ERRORS_AT: usize = STATUSES_AT + STATUSES;
const HEADS_AT: usize = ERRORS_AT + 64;
/// Buckets, or statuses, that share one bit.
const GROUP: usize = SEGMENT / 64;
const STATUSES_TOUCHED_AT: usize = HEADS_AT + Kind::ALL.len() * HEAD_WORDS;
const BUCKETS_TOUCHED_AT: usize = STATUSES_TOUCHED_AT + 1;
const SLOT_HEAD: usize = 2048;
const SLOT_WORDS: usize = SLOT_HEAD + Kind::ALL.len() * BUCKETS;
const _: () = assert!(BUCKETS_TOUCHED_AT + Kind::ALL.len() * SEGMENTS <= SLOT_HEAD);
const _: () = assert!(ErrorKind::ALL.len() <= 64 && STATUSES <= 64 * GROUP);

/// The mapped memory of one worker.
#[derive(Debug)]
pub struct Block {
    fd: OwnedFd,
    words: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the mapping is plain shared memory that lives as long as the block, and every access to it is atomic.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// New, empty memory with room for `labels`.
    pub fn create(labels: usize) -> io::Result<Self> {
        let fd = memfd_create("loadgen-block", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, ((LABELS_AT + labels * SLOT_WORDS) * 8) as u64)?;
        let block = Self::map(fd)?;
        block.word(Word::Capacity).store(labels as u64, Relaxed);
        block.word(Word::Version).store(VERSION, Relaxed);
        Ok(block)
    }

    /// The memory behind a descriptor that was inherited from the process that created it.
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        let block = Self::map(fd)?;
        let version = block.get(Word::Version);
        let capacity = block.get(Word::Capacity) as usize;
        let fits = capacity.checked_mul(SLOT_WORDS).is_some_and(|words| LABELS_AT + words == block.len);
        if version != VERSION || !fits {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a block of this version of loadgen"));
        }
        Ok(block)
    }

    fn map(fd: OwnedFd) -> io::Result<Self> {
        let bytes = File::from(fd.try_clone()?).metadata()?.len() as usize;
        if bytes < HEADER_WORDS * 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a block"));
        }
        // SAFETY: a new shared mapping of a descriptor that we own, at an address that the kernel chooses.
        let address =
            unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)? };
        let words = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { fd, words, len: bytes / 8 })
    }

    /// The descriptor to hand to the worker.
    pub fn fd(&self) -> impl AsFd + '_ {
        &self.fd
    }

    #[inline]
    fn at(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.len);
        // SAFETY: the index lies in the mapping, which is page-aligned and lives as long as `self`.
        unsafe { self.words.add(index).as_ref() }
    }

    /// A word about the worker.
    #[inline]
    pub fn word(&self, word: Word) -> &AtomicU64 {
        self.at(word as usize)
    }

    /// Its present value.
    pub fn get(&self, word: Word) -> u64 {
        self.word(word).load(Relaxed)
    }

    /// The labels in use.
    pub fn labels(&self) -> usize {
        // Acquire: whoever sees a label sees its name, see `add_label`.
        let labels = self.word(Word::Labels).load(Ordering::Acquire);
        labels.min(self.get(Word::Capacity)) as usize
    }

    /// Takes the next slot for a label, or `None` when all are in use. Writer only.
    pub fn add_label(&self, name: &str, role: Role) -> Option<usize> {
        let label = self.get(Word::Labels);
        if label >= self.get(Word::Capacity) {
            return None;
        }
        let length = self.write_name(Self::slot_at(label as usize) + NAME_AT, name, NAME_BYTES);
        self.label_word(label as usize, LabelWord::NameLength).store(length, Relaxed);
        self.label_word(label as usize, LabelWord::Role).store(role as u64, Relaxed);
        // Release: whoever sees the new count sees the name too.
        self.word(Word::Labels).store(label + 1, Ordering::Release);
        Some(label as usize)
    }

    /// The name of a label.
    pub fn label_name(&self, label: usize) -> String {
        let length = self.label_word(label, LabelWord::NameLength).load(Relaxed) as usize;
        self.read_name(Self::slot_at(label) + NAME_AT, length.min(NAME_BYTES))
    }

    /// What a label counts.
    pub fn role(&self, label: usize) -> Role {
        let number = self.label_word(label, LabelWord::Role).load(Relaxed) as usize;
        Role::ALL.get(number).copied().unwrap_or_default()
    }

    /// Takes the next tally, or `None` when all are in use. Writer only.
    pub fn add_tally(&self, kind: TallyKind, name: &str) -> Option<usize> {
        let tally = self.get(Word::Tallies);
        if tally >= TALLIES as u64 {
            return None;
        }
        let at = HEADER_WORDS + tally as usize * TALLY_WORDS;
        let length = self.write_name(at + TALLY_NAME_AT, name, TALLY_NAME_BYTES);
        self.at(at).store(kind as u64, Relaxed);
        self.at(at + 1).store(length, Relaxed);
        self.word(Word::Tallies).store(tally + 1, Ordering::Release);
        Some(tally as usize)
    }

    /// One of the four values of a tally, the bits of an `f64`.
    #[inline]
    pub fn tally(&self, tally: usize, value: usize) -> &AtomicU64 {
        self.at(HEADER_WORDS + tally * TALLY_WORDS + TALLY_VALUES_AT + value)
    }

    /// The tallies in use: kind, name, values.
    pub fn tallies(&self) -> Vec<(TallyKind, String, [f64; 4])> {
        let used = self.word(Word::Tallies).load(Ordering::Acquire).min(TALLIES as u64) as usize;
        let read = |tally: usize| {
            let at = HEADER_WORDS + tally * TALLY_WORDS;
            let kind = TallyKind::ALL.get(self.at(at).load(Relaxed) as usize).copied()?;
            let length = self.at(at + 1).load(Relaxed) as usize;
            let values = [0, 1, 2, 3].map(|value| f64::from_bits(self.tally(tally, value).load(Relaxed)));
            Some((kind, self.read_name(at + TALLY_NAME_AT, length.min(TALLY_NAME_BYTES)), values))
        };
        (0..used).filter_map(read).collect()
    }

    /// Writes a name and says how many bytes of it found room.
    fn write_name(&self, at: usize, name: &str, room: usize) -> u64 {
        let mut end = name.len().min(room);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        for (i, chunk) in name.as_bytes()[..end].chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.at(at + i).store(u64::from_le_bytes(bytes), Relaxed);
        }
        end as u64
    }

    fn read_name(&self, at: usize, length: usize) -> String {
        let words = (0..length.div_ceil(8)).map(|i| self.at(at + i).load(Relaxed));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(length);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[inline]
    fn slot_at(label: usize) -> usize {
        LABELS_AT + label * SLOT_WORDS
    }

    #[inline]
    fn slot(&self, label: usize, offset: usize) -> &AtomicU64 {
        self.at(Self::slot_at(label) + offset)
    }

    /// A counter of a label.
    #[inline]
    pub fn label_word(&self, label: usize, word: LabelWord) -> &AtomicU64 {
        self.slot(label, word as usize)
    }

    /// The counter of a status of a label; statuses beyond the table count as 0.
    #[inline]
    pub fn status(&self, label: usize, status: u16) -> &AtomicU64 {
        self.slot(label, STATUSES_AT + Self::known(status))
    }

    #[inline]
    fn known(status: u16) -> usize {
        let status = usize::from(status);
        if status < STATUSES { status } else { 0 }
    }

    /// Says that the counter of a status is about to be more than 0. Writer only.
    #[inline]
    pub fn touch_status(&self, label: usize, status: u16) {
        set_bit(self.slot(label, STATUSES_TOUCHED_AT), Self::known(status) / GROUP);
    }

    /// The statuses of a label that were seen, with their counts.
    pub fn statuses(&self, label: usize) -> impl Iterator<Item = (u16, u64)> + '_ {
        let touched = self.slot(label, STATUSES_TOUCHED_AT).load(Relaxed);
        (0..64).filter(move |group| touched >> group & 1 == 1).flat_map(move |group| {
            let group = group * GROUP..((group + 1) * GROUP).min(STATUSES);
            group.filter_map(move |status| {
                let count = self.status(label, status as u16).load(Relaxed);
                (count > 0).then_some((status as u16, count))
            })
        })
    }

    /// The counter of an error kind of a label.
    #[inline]
    pub fn error(&self, label: usize, kind: ErrorKind) -> &AtomicU64 {
        self.slot(label, ERRORS_AT + kind as usize)
    }

    /// A word at the head of a histogram.
    #[inline]
    pub fn head(&self, label: usize, kind: Kind, word: HeadWord) -> &AtomicU64 {
        self.slot(label, HEADS_AT + kind as usize * HEAD_WORDS + word as usize)
    }

    /// A bucket of a histogram.
    #[inline]
    pub fn bucket(&self, label: usize, kind: Kind, index: usize) -> &AtomicU64 {
        self.slot(label, SLOT_HEAD + kind as usize * BUCKETS + index)
    }

    /// Says that a bucket is about to hold something. Writer only.
    #[inline]
    pub fn touch(&self, label: usize, kind: Kind, index: usize) {
        let groups = self.groups(label, kind, index / SEGMENT);
        if set_bit(groups, index % SEGMENT / GROUP) {
            set_bit(self.head(label, kind, HeadWord::Touched), index / SEGMENT);
        }
    }

    /// Bit i: group i of the buckets of a segment has been written to.
    #[inline]
    fn groups(&self, label: usize, kind: Kind, segment: usize) -> &AtomicU64 {
        self.slot(label, BUCKETS_TOUCHED_AT + kind as usize * SEGMENTS + segment)
    }

    /// The buckets of a histogram that hold anything, as (index, count).
    pub fn filled(&self, label: usize, kind: Kind) -> impl Iterator<Item = (u32, u64)> + '_ {
        let touched = self.head(label, kind, HeadWord::Touched).load(Relaxed);
        (0..SEGMENTS).filter(move |segment| touched >> segment & 1 == 1).flat_map(move |segment| {
            let groups = self.groups(label, kind, segment).load(Relaxed);
            (0..64).filter(move |group| groups >> group & 1 == 1).flat_map(move |group| {
                let first = segment * SEGMENT + group * GROUP;
                (first..first + GROUP).filter_map(move |index| {
                    let count = self.bucket(label, kind, index).load(Relaxed);
                    (count > 0).then_some((index as u32, count))
                })
            })
        })
    }
}

/// Whether it was not set before. With a single writer a load and a store are enough.
#[inline]
fn set_bit(word: &AtomicU64, bit: usize) -> bool {
    let before = word.load(Relaxed);
    let is_new = before >> bit & 1 == 0;
    if is_new {
        word.store(before | 1 << bit, Relaxed);
    }
    is_new
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and no reference outlives `self`.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.len * 8) };
    }
}
