//! How long others are kept waiting, and keep us waiting, for a processor: who asks for short slices of its time gets
//! its turn soon. On a machine where the target and the parent share our cores it is they who make sends late.

use std::mem;

/// The shortest that Linux grants. A worker that is alone on its core does not notice.
const SLICE_NS: u64 = 100_000;

/// Asks for this thread. Linux before 6.12 takes no notice, and what the user has chosen instead of the usual policy
/// stands.
pub fn ask_for_short_ones() {
    // SAFETY: the structure is plain numbers, and each call is given its true size.
    unsafe {
        let mut attributes: libc::sched_attr = mem::zeroed();
        let size = size_of::<libc::sched_attr>() as libc::c_uint;
        if libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) != 0
            || attributes.sched_policy != libc::SCHED_OTHER.cast_unsigned()
        {
            return;
        }
        attributes.sched_runtime = SLICE_NS;
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
    }
}
