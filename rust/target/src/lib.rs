//! The embedded target: a server of HTTP/1.1 and `WebSocket` that a run hits when no URL is given, and the oracle of the latency tests.
//!
//! One thread, one epoll, everything bounded. It must be fast enough not to be the limit of a run,
//! and exact enough to be its judge: every answer has a departure time that is computed when the
//! request is received and never slept towards in sequence, so a slow client or a crowd cannot
//! shift it, and anybody can recompute it from the log.
//!
//! ```text
//! bytes ──request──▶ Request ──routes──▶ Route ──site──▶ Exchange (when, what) ──answers──▶ bytes
//!   ▲                                                        │                                │
//!   └────── server: epoll, slots, peers ◀── departures (heap) ◀── connection: queue, outbox ◀─┘
//! ```
//!
//! # Paths
//!
//! Any method; `HEAD` gets no body. Times are in milliseconds, fractions allowed, up to an hour.
//!
//! | path | answer |
//! | --- | --- |
//! | `/`, `/health` | 200 and a short text, at once |
//! | `/delay/MS` | leaves exactly that long after its request was received |
//! | `/delay/exp/MS?seed=S` | the same, exponentially distributed with that mean |
//! | `/delay/bimodal/FAST/SLOW/N` | every N-th leaves after SLOW, the others after FAST |
//! | `/queue/MS`, `/queue/exp/MS?seed=S` | one server, first come first served, with that service time; a queue for each distinct path and query |
//! | `/status/CODE` | that status, 200 to 599 |
//! | `/bytes/N`, `/chunked/N` | N bytes with a length or in chunks, up to 1 GiB |
//! | `/echo`, `/headers` | the body of the request with its content type; its headers as text |
//! | `/close`, `/drop`, `/reset`, `/never` | an answer and the end of the connection; its end without an answer; a reset; nothing |
//! | `/stall?for=MS&every=MS&after=MS` | freezes the server: what is due in a window [after, after + for), repeated every `every`, leaves at its end; `for=0` ends that |
//! | `/requests`, `/requests?reset=1` | JSON: complete requests received by path, connections accepted, since the start or the last reset |
//! | `/ws/echo`, `/ws/feed` | an upgrade: messages come back; channels to subscribe to |
//! | `/ws/publish?channel=C` | the JSON object in the body happens on that channel |
//! | `/ws/stats` | JSON: exact counts of both |
//!
//! `/stall`, `/requests` and `/ws/stats` are neither frozen nor counted. A request that makes no sense gets 400,
//! an unknown path 404. The draws of the random paths are numbered by request on each path and
//! query; `law.rs` says how to recompute them, `departures.rs` how queues and windows combine: a
//! frozen queue serves nobody, and has its backlog when it thaws.
//!
//! Answers that were held tell for how long in `x-hold-ns`: from the read that completed the
//! request to just before the write.
//!
//! # Log
//!
//! `seq,connection,recv_ns,due_ns,sent_ns,path` under that heading, in ns of `CLOCK_MONOTONIC`: one
//! line for each complete request and each message that is echoed, in the order of departure. `due_ns` is the computed departure (0
//! on `/never`), `sent_ns` is 0 where no answer left: dropped, reset, or the client gone first.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
// A unit in the name of every field is what keeps ns and ms apart.
#![allow(clippy::struct_field_names)]

mod answers;
mod clock;
mod connection;
mod counts;
mod departures;
mod events;
mod exchange;
mod law;
mod listener;
mod log;
mod outbox;
mod peer;
mod request;
mod routes;
mod server;
mod site;
mod slots;
mod tail;
mod ws;

pub use ws::options::{FeedOptions, Slow};

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where to serve, and until when.
#[derive(Debug)]
pub struct Options {
    /// A name or an address, IPv4 or IPv6. The first address of a name that can be bound is taken.
    pub host: String,
    /// 0 for any free port.
    pub port: u16,
    /// Write a line for each request to this file, which is begun anew.
    pub log: Option<PathBuf>,
    /// Stop when this pipe or socket comes to its end: whoever held the other end is gone.
    pub parent: Option<OwnedFd>,
    /// What `/ws/feed` tells.
    pub feed: FeedOptions,
    /// Stop when this is set; noticed within a tenth of a second.
    pub stop: Option<Arc<AtomicBool>>,
}

/// Serves on the calling thread until it is told to stop; calls `ready` once connections are taken.
///
/// Fails if the address cannot be had, if the log cannot be written, or if the kernel refuses what
/// a server cannot do without. What clients do never makes it fail.
pub fn serve(options: Options, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let log = options.log.as_deref().map(log::Log::create).transpose()?;
    let listener = listener::listen_on(&options.host, options.port)?;
    let address = listener.local_addr()?;
    let site = site::Site::new(log, options.feed);
    let mut server = server::Server::new(listener, options.parent, options.stop, site)?;
    ready(address);
    server.run()
}
