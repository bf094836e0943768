//! A connection and its server in memory, with QUIC between them and no TLS: what tests and the fuzzer talk to. Nothing
//! is lost on the way, and time goes on when they say so.

mod plain;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::congestion::CubicConfig;
use quinn_proto::{
    ClientConfig, Connection as Server, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event,
    ServerConfig, Side, StreamEvent, StreamId, TransportConfig, ValidationTokenConfig, VarInt,
};

use super::connection::Connection;
use super::quic::Peer;
use crate::clock::now_ns;
use crate::multiplexed::{Ended, Limits, Multiplexed};
use crate::streamed::Piece;
use plain::Plain;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 443);
/// Datagrams that are answered with datagrams, before somebody asks why.
const MOST_ROUNDS: u32 = 10_000;
/// More than anybody sends here: no server waits for its turn.
const WINDOW_BYTES: u64 = 1 << 24;

static PEER: LazyLock<Peer> = LazyLock::new(|| Peer::over(ClientConfig::new(Arc::new(Plain)), "memory"));
static ENDPOINT: LazyLock<Arc<EndpointConfig>> = LazyLock::new(Arc::default);
static SERVER: LazyLock<ServerConfig> = LazyLock::new(|| {
    let mut config = ServerConfig::with_crypto(Arc::new(Plain));
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    config.validation_token_config(tokens);
    config
});

/// What a server takes.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// Requests at a time.
    pub requests: u32,
    /// Streams on which the client tells of the connection.
    pub control: u32,
    /// Bytes of a request that it has not read.
    pub window_bytes: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Pair {
    /// The client's side.
    pub client: Connection,
    /// The present instant.
    pub now_ns: u64,
    /// What ended.
    pub ended: Vec<Ended>,
    /// What came of responses that are streamed.
    pub pieces: Vec<Piece>,
    endpoint: Endpoint,
    server: Option<(ConnectionHandle, Server)>,
    base: (Instant, u64),
    /// So many were begun.
    requests: u64,
    control: HashMap<u8, StreamId>,
}

impl Pair {
    /// Both, when they have shaken hands.
    pub fn new(limits: Limits, takes: Takes) -> Self {
        let mut quick = CubicConfig::default();
        quick.initial_window(WINDOW_BYTES);
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(takes.requests.into())
            .max_concurrent_uni_streams(takes.control.into())
            .stream_receive_window(takes.window_bytes.into())
            .congestion_controller_factory(Arc::new(quick))
            .mtu_discovery_config(None);
        let mut config = SERVER.clone();
        config.transport_config(Arc::new(transport));
        let now_ns = now_ns();
        let mut pair = Self {
            client: Connection::new(&PEER, ADDRESS, limits).expect("an address that can be connected to"),
            now_ns,
            ended: Vec::new(),
            pieces: Vec::new(),
            endpoint: Endpoint::new(Arc::clone(&ENDPOINT), Some(Arc::new(config)), false, None),
            server: None,
            base: (Instant::now(), now_ns),
            requests: 0,
            control: HashMap::new(),
        };
        pair.exchange();
        pair
    }

    fn now(&self) -> Instant {
        self.base.0 + Duration::from_nanos(self.now_ns - self.base.1)
    }

    /// The server's side of QUIC.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server.as_mut().expect("they have shaken hands").1
    }

    /// The stream of a request, by its number; `None`: there was no such request yet.
    pub fn request(&self, number: u64) -> Option<StreamId> {
        (number < self.requests).then(|| StreamId::new(Side::Client, Dir::Bi, number))
    }

    /// A stream of the server's own, by its number; `None`: the client takes no more of them.
    pub fn control(&mut self, number: u8) -> Option<StreamId> {
        if let Some(id) = self.control.get(&number) {
            return Some(*id);
        }
        let id = self.server().streams().open(Dir::Uni)?;
        self.control.insert(number, id);
        Some(id)
    }

    /// The server sends bytes on a stream, where there is such a stream, and they arrive.
    pub fn write(&mut self, id: StreamId, mut bytes: &[u8]) {
        while let Ok(written @ 1..) = self.server().send_stream(id).write(bytes) {
            bytes = &bytes[written..];
        }
        self.exchange();
    }

    /// The server sends nothing more on a stream.
    pub fn finish(&mut self, id: StreamId) {
        let _ = self.server().send_stream(id).finish();
        self.exchange();
    }

    /// The server breaks a stream off.
    pub fn reset(&mut self, id: StreamId, code: VarInt) {
        let _ = self.server().send_stream(id).reset(code);
        self.exchange();
    }

    /// The server wants no more of a stream.
    pub fn stop(&mut self, id: StreamId, code: VarInt) {
        let _ = self.server().recv_stream(id).stop(code);
        self.exchange();
    }

    /// The server reads what has come on a stream.
    pub fn read(&mut self, id: StreamId) -> Vec<u8> {
        let mut read = Vec::new();
        let mut stream = self.server().recv_stream(id);
        if let Ok(mut chunks) = stream.read(true) {
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                read.extend_from_slice(&chunk.bytes);
            }
            let _ = chunks.finalize();
        }
        self.exchange();
        read
    }

    /// The server gives the connection up.
    pub fn close(&mut self, code: VarInt) {
        let now = self.now();
        self.server().close(now, code, b"enough"[..].into());
        self.exchange();
    }

    /// Until neither has anything to say.
    pub fn exchange(&mut self) {
        let mut written = Vec::new();
        for _ in 0..MOST_ROUNDS {
            written.clear();
            let has_uploaded = self.client.flush(self.now_ns, true, &mut written, &mut self.ended);
            let mut rest = &written[..];
            for length in self.client.take_datagrams() {
                let (datagram, after) = rest.split_at(length);
                self.receive(datagram);
                rest = after;
            }
            let answers = self.answer();
            for answer in &answers {
                self.client.feed(answer, self.now_ns, &mut self.ended);
            }
            self.client.take_pieces(&mut self.pieces);
            if written.is_empty() && answers.is_empty() && !has_uploaded {
                return;
            }
        }
        panic!("they never come to an end");
    }

    fn receive(&mut self, datagram: &[u8]) {
        let (now, mut reply) = (self.now(), Vec::new());
        match self.endpoint.handle(now, ADDRESS, None, None, BytesMut::from(datagram), &mut reply) {
            Some(DatagramEvent::NewConnection(incoming)) => {
                self.server = self.endpoint.accept(incoming, now, &mut reply, None).ok();
            }
            Some(DatagramEvent::ConnectionEvent(_, event)) => self.server().handle_event(event),
            _ => {}
        }
    }

    fn answer(&mut self) -> Vec<Vec<u8>> {
        let now = self.now();
        let Self { endpoint, server: Some((handle, server)), requests, .. } = self else { return Vec::new() };
        while let Some(event) = server.poll_endpoint_events() {
            if let Some(event) = endpoint.handle_event(*handle, event) {
                server.handle_event(event);
            }
        }
        while let Some(event) = server.poll() {
            // What is not wanted is not sent.
            if let Event::Stream(StreamEvent::Stopped { id, error_code }) = event {
                let _ = server.send_stream(id).reset(error_code);
            }
        }
        while server.streams().accept(Dir::Bi).is_some() {
            *requests += 1;
        }
        while server.streams().accept(Dir::Uni).is_some() {}
        let (mut answers, mut answer) = (Vec::new(), Vec::new());
        while server.poll_transmit(now, 1, &mut answer).is_some() {
            answers.push(std::mem::take(&mut answer));
        }
        answers
    }

    /// Time goes on, and the client does what it demands.
    pub fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
        self.client.expire(self.now_ns, &mut self.ended);
        let mut looks = 0;
        while self.client.timer_ns().is_some_and(|at_ns| at_ns <= self.now_ns) {
            self.client.see_to_time(self.now_ns, &mut self.ended);
            looks += 1;
            assert!(looks < 100, "what time demands is done, and demanded again");
        }
        self.exchange();
    }
}
