//! WebSocket, the client's side of RFC 6455 and RFC 7692, without I/O: bytes that came go in, messages come out, and
//! what is to be sent is appended to a buffer of the owner's.
//!
//! ```text
//!              ┌───────────────────── Socket ─────────────────────┐
//!   bytes ────▶│ handshake ──▶ reader (frame, deflate) ──▶ events │──▶ the owner
//!   out   ◀────│ handshake ◀── writer (frame, deflate) ◀── sends  │◀── the owner
//!              └──────────────────────────────────────────────────┘
//! ```
//!
//! A socket at rest holds no buffer: what a message needs only while it is in pieces, or compressed, lies in the
//! [`reader::Inbox`] and the [`writer::Outbox`] that all sockets of a thread share.

pub mod deflate;
pub mod extension;
pub mod failure;
pub mod frame;
pub mod handshake;
pub mod reader;
pub mod socket;
pub mod writer;
