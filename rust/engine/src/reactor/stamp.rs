//! When bytes arrived, by the kernel's own stamp: so a response may be read late and still be timed right.
//!
//! The kernel stamps with the wall clock, loadgen counts by the monotonic one. The distance between the two is read
//! with every wait, so a stepped wall clock can falsify only what was under way; callers keep stamps within bounds.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::clock::SECOND;

/// Room for one control message that carries a time; aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Asks the kernel to stamp what this socket receives. Where it refuses, there are no stamps.
pub(super) fn enable(socket: BorrowedFd<'_>) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, and is given the address and the size of one.
    unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size);
    }
}

/// Reads what has come: how many bytes, and when the last of them did by the wall clock, if the kernel says so.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Option<i64>), Errno> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid message header.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the message names a buffer and a control buffer that live through the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    if length < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    // SAFETY: the kernel has filled the message in; its macros stay within the control buffer.
    let stamp = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let carries_time = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_TIMESTAMPNS;
        carries_time.then(|| libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned())
    };
    Ok((length as usize, stamp.map(|wall| wall.tv_sec * SECOND as i64 + wall.tv_nsec)))
}
