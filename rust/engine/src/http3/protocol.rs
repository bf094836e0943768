//! What speaks HTTP/3 over a QUIC connection: the library, asked and never waited for.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h3::client::{Connection, RequestStream, SendRequest};
use h3::error::StreamError;
use http::Request;

use super::quic::Quic;
use super::transport::{Stream, Transport};
use crate::http::head::HEAD_LIMIT;
use crate::multiplexed::idle;

/// The frames of one request and of its response.
pub(super) type RequestFrames = RequestStream<Stream, Bytes>;

/// See the module.
pub(super) struct Protocol {
    requests: SendRequest<Transport, Bytes>,
    driver: Connection<Transport, Bytes>,
}

impl Protocol {
    /// The handshake is done: both sides say what they take. `None`: the peer does not even allow the streams for that.
    pub(super) fn begin(quic: &Rc<RefCell<Quic>>) -> Option<Self> {
        let mut builder = h3::client::builder();
        builder.send_grease(false).max_field_section_size(HEAD_LIMIT as u64);
        match pin!(builder.build::<_, _, Bytes>(Transport(Rc::clone(quic)))).poll(&mut idle()) {
            Poll::Ready(Ok((driver, requests))) => Some(Self { requests, driver }),
            _ => None,
        }
    }

    /// Sends the head of a request, where the peer takes one more.
    pub(super) fn request(&mut self, head: &Request<()>) -> Result<RequestFrames, StreamError> {
        match pin!(self.requests.send_request(head.clone())).poll(&mut idle()) {
            Poll::Ready(sent) => sent,
            Poll::Pending => unreachable!("there is room, and the transport takes everything"),
        }
    }

    /// Hears what the peer says of the connection. Whether that ends it.
    pub(super) fn is_over(&mut self) -> bool {
        self.driver.poll_close(&mut idle()).is_ready()
    }
}
