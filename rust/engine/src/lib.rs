//! The engine of loadgen: everything between a plan and the recorded outcomes. It knows no Python.
//!
//! Read it in the order of the data: a [`plan`] gives the [`schedule`], a pure function from the number of an arrival
//! to the instant when it is due. [`blast`] walks its share of that list; the [`pacer`] decides how to wait for the
//! next one; a [`reactor`] moves bytes; [`http`] reads what comes back; each finished request is an [`outcome`],
//! counted by the [`record`] modules in shared memory that others may read at any time.
//!
//! Three rules hold everywhere. Every operation has the same stamps (due, sent, first byte, done), taken here, on
//! `CLOCK_MONOTONIC`. Nothing on the path of a request allocates, but for the library in [`http2`]. A failed request is
//! data; only a broken run is an error.
#![deny(missing_docs)]

pub mod blast;
pub mod client;
pub mod clock;
pub mod control;
pub mod conversation;
pub mod courier;
pub mod crowd;
pub mod growth;
pub mod http;
pub mod http2;
#[cfg(feature = "http3")]
pub mod http3;
pub mod lanes;
pub mod layers;
pub mod multiplexed;
pub mod outcome;
pub mod pacer;
pub mod places;
pub mod plan;
pub mod pool;
pub mod random;
pub mod reactor;
pub mod record;
pub mod requests;
pub mod schedule;
pub mod slice;
pub mod source;
pub mod streamed;
pub mod streams;
pub mod template;
pub mod tls;
pub mod tunnel;
pub mod upload;
pub mod vitals;
pub mod wire;
pub mod wiring;
pub mod worker;
pub mod ws;
