//! A reactor on `io_uring`: one multishot receive per connection into provided buffers, sends queued and submitted
//! with the wait, so a busy loop makes one system call for many requests.
//!
//! The kernel holds pointers into two kinds of memory, and both outlive its use of them. The provided buffers live as
//! long as the ring. The bytes of a send are kept in their connection: those of a large one until the kernel has
//! reported its end, those of a small one, which fits into the socket's empty buffer and is taken at once, until the
//! next send or the end of the connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::{Address, Event, Generation, Reactor, Slot, borrow, connected, open};
use crate::clock::{self, SECOND};

/// Submissions that fit before the kernel has to be called.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps more aside.
const COMPLETIONS: u32 = 4096;
/// Receive buffers that all connections share.
const BUFFERS: u16 = 256;
/// Bytes of one.
const BUFFER_BYTES: usize = 16 * 1024;
const GROUP: u16 = 0;

/// A request up to this size is taken by the socket at once. The kernel does not report that it was, which saves a
/// completion for each; the end of a larger one is reported.
const SMALL_SEND: usize = 16 * 1024;

/// What a completion belongs to: the low byte of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Operation {
    Connect,
    Receive,
    Send,
    Cancel,
    Control,
}

#[derive(Debug, Default)]
struct Connection {
    socket: Option<OwnedFd>,
    generation: Generation,
    /// Operations that the kernel has not reported the end of.
    pending: u32,
    /// The bytes of the last send.
    sending: Option<Rc<[u8]>>,
    /// They are many, and the kernel has not reported that it has taken them.
    unsent: bool,
    /// Somebody wants to know when it has.
    tells: bool,
}

impl Connection {
    /// An operation on it has ended.
    fn operation_ended(&mut self, operation: Operation) {
        // A small send is heard of only when it fails, and was not counted.
        if operation != Operation::Send || std::mem::take(&mut self.unsent) {
            self.pending -= 1;
        }
    }
}

/// Memory that the kernel writes received bytes to, and the ring in which they are offered to it.
#[derive(Debug)]
struct Buffers {
    base: NonNull<u8>,
    ring: NonNull<BufRingEntry>,
    tail: u16,
}

/// See the module.
pub struct Uring {
    ring: IoUring,
    buffers: Buffers,
    control: OwnedFd,
    connections: Vec<Connection>,
    /// Connections that were closed while the kernel still worked on them, by slot and generation.
    closing: HashMap<(Slot, u32), Connection>,
    /// The buffer of the last received bytes, to be given back, and their number.
    held: Option<(u16, usize)>,
}

impl Uring {
    /// A reactor that also listens to a control descriptor; an error where the system does not allow it.
    pub fn new(control: OwnedFd) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::new()?;
        // SAFETY: the entries are page-aligned, `BUFFERS` long, and live until after the ring (field order).
        unsafe { ring.submitter().register_buf_ring_with_flags(buffers.ring.as_ptr() as u64, BUFFERS, GROUP, 0)? };
        let mut uring = Self { ring, buffers, control, connections: Vec::new(), closing: HashMap::new(), held: None };
        for buffer in 0..BUFFERS {
            uring.buffers.offer(buffer);
        }
        uring.listen_to_control();
        Ok(uring)
    }

    fn listen_to_control(&mut self) {
        let poll = opcode::PollAdd::new(Fd(self.control.as_raw_fd()), POLLIN).multi(true).build();
        self.push(&poll.user_data(data(0, Generation::default(), Operation::Control)));
    }

    #[inline]
    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: what an entry points to outlives its operation: see the top of this file.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            // Full: hand over what is there. The kernel takes all of it or says why, and then tries again.
            let _ = self.ring.submit();
        }
    }

    fn start(&mut self, slot: Slot, operation: Operation, entry: squeue::Entry) {
        let connection = &mut self.connections[slot as usize];
        connection.pending += 1;
        let entry = entry.user_data(data(slot, connection.generation, operation));
        self.push(&entry);
    }

    fn receive(&mut self, slot: Slot) {
        let Some(fd) = self.connections[slot as usize].socket.as_ref().map(AsRawFd::as_raw_fd) else {
            return;
        };
        self.start(slot, Operation::Receive, opcode::RecvMulti::new(Fd(fd), GROUP).build());
    }

    fn completed(&mut self, completion: &cqueue::Entry) -> Option<Event> {
        let (slot, generation, operation) = undo(completion.user_data());
        let result = completion.result();
        let more = cqueue::more(completion.flags());
        if operation == Operation::Control {
            if !more {
                self.listen_to_control();
            }
            return Some(Event::Control);
        }
        let buffer = cqueue::buffer_select(completion.flags());
        let connection = &mut self.connections[slot as usize];
        if connection.generation != generation {
            if let Some(buffer) = buffer {
                self.buffers.offer(buffer);
            }
            if !more {
                self.forget(slot, generation, operation);
            }
            return None;
        }
        if !more {
            connection.operation_ended(operation);
        }
        let error = (result < 0).then(|| Errno::from_raw_os_error(-result));
        match operation {
            Operation::Connect => {
                let outcome = borrow(connection.socket.as_ref()).map_or(Ok(()), connected);
                Some(match error.map_or(outcome, Err) {
                    Ok(()) => {
                        self.receive(slot);
                        Event::Connected(slot)
                    }
                    Err(error) => Event::Ended(slot, Some(error)),
                })
            }
            Operation::Receive => {
                if let Some(buffer) = buffer {
                    self.held = Some((buffer, result.max(0) as usize));
                }
                match error {
                    None if result == 0 => Some(Event::Ended(slot, None)),
                    None => {
                        if !more {
                            self.receive(slot);
                        }
                        Some(Event::Received(slot))
                    }
                    // All buffers are full: they are given back as they are read, and then there is room again.
                    Some(Errno::NOBUFS) => {
                        self.receive(slot);
                        None
                    }
                    Some(error) => Some(Event::Ended(slot, Some(error))),
                }
            }
            Operation::Send => match error {
                Some(error) => Some(Event::Ended(slot, Some(error))),
                None => std::mem::take(&mut connection.tells).then_some(Event::Written(slot)),
            },
            Operation::Cancel | Operation::Control => None,
        }
    }

    /// The kernel has ended an operation on a connection that is closed for us.
    fn forget(&mut self, slot: Slot, generation: Generation, operation: Operation) {
        if let Entry::Occupied(mut closing) = self.closing.entry((slot, generation.0)) {
            closing.get_mut().operation_ended(operation);
            if closing.get().pending == 0 {
                closing.remove();
            }
        }
    }

    fn release(&mut self) {
        if let Some((buffer, _)) = self.held.take() {
            self.buffers.offer(buffer);
        }
    }
}

impl Reactor for Uring {
    // A small send is not reported, so its bytes would have to be kept until who knows when.
    const QUEUES_SENDS: bool = false;

    fn connect(&mut self, slot: Slot, to: &Address, from: Option<IpAddr>) -> Result<(), Errno> {
        let index = slot as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, Connection::default);
        }
        let socket = open(to, from)?;
        let poll = opcode::PollAdd::new(Fd(socket.as_raw_fd()), POLLOUT).build();
        self.connections[index].socket = Some(socket);
        self.start(slot, Operation::Connect, poll);
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: Slot, bytes: &Rc<[u8]>) {
        let connection = &mut self.connections[slot as usize];
        let Some(fd) = connection.socket.as_ref().map(AsRawFd::as_raw_fd) else {
            return;
        };
        connection.sending = Some(Rc::clone(bytes));
        connection.unsent = bytes.len() > SMALL_SEND;
        connection.pending += u32::from(connection.unsent);
        let reported = if connection.unsent { squeue::Flags::empty() } else { squeue::Flags::SKIP_SUCCESS };
        // MSG_WAITALL: the kernel goes on after a partial write.
        let entry = opcode::Send::new(Fd(fd), bytes.as_ptr(), bytes.len() as u32)
            .flags(MSG_NOSIGNAL | MSG_WAITALL)
            .build()
            .flags(reported)
            .user_data(data(slot, connection.generation, Operation::Send));
        self.push(&entry);
    }

    fn is_sending(&self, slot: Slot) -> bool {
        self.connections[slot as usize].unsent
    }

    fn is_ending(&self, _: Slot) -> bool {
        false // the end comes as an event of its own, at once
    }

    fn tell_written(&mut self, slot: Slot) {
        // Of a small send nothing is heard; who asks has seen that there is something to wait for.
        let connection = &mut self.connections[slot as usize];
        connection.tells = connection.unsent;
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() { Ok(()) } else { forgive(self.ring.submit().map(drop)) }
    }

    fn close(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let generation = connection.generation;
        let fresh = Connection { generation: generation.next(), ..Connection::default() };
        let mut closed = std::mem::replace(connection, fresh);
        let Some(fd) = closed.socket.as_ref().map(AsRawFd::as_raw_fd) else {
            return;
        };
        // What the kernel still does on the connection is called off; socket and bytes stay until it has said so.
        closed.pending += 1;
        self.closing.insert((slot, generation.0), closed);
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build();
        self.push(&cancel.user_data(data(slot, generation, Operation::Cancel)));
    }

    #[inline]
    fn wait(&mut self, deadline_ns: Option<u64>) -> io::Result<bool> {
        self.release();
        let wait_ns = deadline_ns.map(|deadline| match deadline {
            0 => 0,
            _ => deadline.saturating_sub(clock::now_ns()),
        });
        let found = match wait_ns {
            Some(0) => {
                let (pending, taskrun) = {
                    let queue = self.ring.submission();
                    (!queue.is_empty(), queue.taskrun() || queue.cq_overflow())
                };
                // Nothing to hand over and nothing announced: not even a system call.
                if pending || taskrun { self.ring.submitter().submit_with_args(0, &SubmitArgs::new()) } else { Ok(0) }
            }
            Some(ns) => {
                let timeout = Timespec::new().sec(ns / SECOND).nsec((ns % SECOND) as u32);
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout))
            }
            None => self.ring.submit_and_wait(1),
        };
        forgive(found.map(drop))?;
        Ok(!self.ring.completion().is_empty())
    }

    #[inline]
    fn next(&mut self) -> Option<Event> {
        self.release();
        loop {
            let completion = self.ring.completion().next()?;
            if let Some(event) = self.completed(&completion) {
                return Some(event);
            }
            self.release();
        }
    }

    fn is_drained(&self) -> bool {
        // SAFETY: the only other view of this queue is made in methods that hold `&mut self`.
        unsafe { self.ring.completion_shared() }.is_empty()
    }

    #[inline]
    fn received(&self) -> &[u8] {
        self.held.map_or(&[], |(buffer, length)| self.buffers.bytes(buffer, length))
    }
}

impl Buffers {
    fn new() -> io::Result<Self> {
        // SAFETY: new private mappings at addresses that the kernel chooses; page-aligned, as the ring demands.
        unsafe {
            let map = |bytes| {
                mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
            };
            let base = NonNull::new(map(BUFFERS as usize * BUFFER_BYTES)?.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            let ring = NonNull::new(map(RING_BYTES)?.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { base, ring, tail: 0 })
        }
    }

    /// Gives a buffer to the kernel.
    #[inline]
    fn offer(&mut self, buffer: u16) {
        let at = self.tail & (BUFFERS - 1);
        // SAFETY: `at` and `buffer` lie below `BUFFERS`, and the kernel does not read an entry beyond the tail. The
        // release makes the entry visible before the tail that covers it.
        unsafe {
            let entry = self.ring.add(at as usize).as_mut();
            entry.set_addr(self.base.add(buffer as usize * BUFFER_BYTES).as_ptr() as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.ring.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    #[inline]
    fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        // SAFETY: the kernel has filled `length` bytes of this buffer and will not touch it before it is offered
        // again, which needs `&mut self`.
        unsafe {
            let start = self.base.add(buffer as usize * BUFFER_BYTES);
            std::slice::from_raw_parts(start.as_ptr(), length.min(BUFFER_BYTES))
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with these lengths. The ring, a field before this one, is closed by now, and with it
        // the kernel's use of them.
        unsafe {
            let _ = munmap(self.base.as_ptr().cast(), BUFFERS as usize * BUFFER_BYTES);
            let _ = munmap(self.ring.as_ptr().cast(), RING_BYTES);
        }
    }
}

/// What an enter may say although all is well: the time is up, or there is more to do before more can be done.
fn forgive(result: io::Result<()>) -> io::Result<()> {
    let harmless = [Errno::TIME, Errno::INTR, Errno::AGAIN, Errno::BUSY].map(Errno::raw_os_error);
    match result {
        Err(error) if error.raw_os_error().is_some_and(|code| harmless.contains(&code)) => Ok(()),
        result => result,
    }
}

const RING_BYTES: usize = BUFFERS as usize * size_of::<BufRingEntry>();
const POLLIN: u32 = rustix::event::PollFlags::IN.bits() as u32;
const POLLOUT: u32 = rustix::event::PollFlags::OUT.bits() as u32;
const MSG_NOSIGNAL: i32 = rustix::net::SendFlags::NOSIGNAL.bits() as i32;
const MSG_WAITALL: i32 = rustix::net::RecvFlags::WAITALL.bits() as i32;

fn data(slot: Slot, generation: Generation, operation: Operation) -> u64 {
    u64::from(slot) << 32 | u64::from(generation.0) << 8 | operation as u64
}

fn undo(data: u64) -> (Slot, Generation, Operation) {
    let operation = match data & 0xff {
        0 => Operation::Connect,
        1 => Operation::Receive,
        2 => Operation::Send,
        3 => Operation::Cancel,
        _ => Operation::Control,
    };
    ((data >> 32) as Slot, Generation((data >> 8 & 0xff_ffff) as u32), operation)
}
