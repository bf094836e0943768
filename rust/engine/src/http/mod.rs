//! HTTP/1.1 as a client needs it, without I/O: a request is rendered once, a response is read from slices.

pub mod chunk;
pub mod cookies;
pub mod decoder;
pub mod decoding;
pub mod digest;
pub mod events;
pub mod head;
pub mod location;
pub mod percent;
pub mod redirect;
pub mod request;
pub mod response;
