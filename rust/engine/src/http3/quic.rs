//! One QUIC connection, by `quinn-proto`: datagrams in, datagrams out, and bytes on streams between them. It always takes
//! what is written to a stream, and sends it as the peer allows.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::SocketAddr;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event,
    RandomConnectionIdGenerator, ReadError, StreamEvent, StreamId, TransportConfig, VarInt, WriteError,
};

use crate::clock::now_ns;
use crate::multiplexed::WINDOW_BYTES;
use crate::outcome::ErrorKind;
use crate::tls::Settings;

/// What may be under way to the peer without its acknowledgement. It is kept until then.
const SEND_WINDOW_BYTES: u64 = 1 << 20;
/// A response may take longer than a peer keeps a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How to connect to a host.
#[derive(Clone, Debug)]
pub struct Peer {
    config: ClientConfig,
    endpoint: Arc<EndpointConfig>,
    name: String,
}

impl Peer {
    /// `name`: a host name or an address, as it must stand in the certificate.
    pub fn new(settings: &Settings, name: &str) -> Result<Self, String> {
        let crypto = QuicClientConfig::try_from(settings.shared()).map_err(|error| error.to_string())?;
        Ok(Self::over(ClientConfig::new(Arc::new(crypto)), name))
    }

    pub(super) fn over(config: ClientConfig, name: &str) -> Self {
        let mut endpoint = EndpointConfig::default();
        // A socket of its own tells a connection from the others.
        endpoint.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(0)));
        Self { config, endpoint: Arc::new(endpoint), name: name.to_owned() }
    }
}

/// What a stream has carried, and what it is to carry yet.
#[derive(Debug, Default)]
pub(super) struct Flow {
    unsent: VecDeque<Bytes>,
    is_ending: bool,
    /// Nothing follows what was sent.
    pub(super) is_sent: bool,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

impl Flow {
    /// It waits for the peer to take what was written.
    pub(super) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }
}

/// What came of a look at a stream.
pub(super) enum Read {
    Nothing,
    Data(Bytes),
    End,
    Reset(u64),
}

/// See the module.
pub(super) struct Quic {
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    remote: SocketAddr,
    /// The same instant by both clocks.
    base: (Instant, u64),
    now: Instant,
    flows: HashMap<StreamId, Flow>,
    /// The next stream for a request, where the peer allows one.
    spare: Option<StreamId>,
    /// That of the last request.
    pub(super) last_begun: Option<StreamId>,
    /// Streams with something to read.
    pub(super) readable: Vec<StreamId>,
    /// The peer's own streams have something to read.
    pub(super) has_news: bool,
    /// The handshake is done.
    pub(super) is_connected: bool,
    /// Why there is no connection any more.
    pub(super) lost: Option<ConnectionError>,
    datagram: Vec<u8>,
}

impl Quic {
    /// Begins a handshake: the first [`Quic::transmit`] gives what opens it. Of each stream, so much may come that
    /// nobody has read.
    pub(super) fn connect(peer: &Peer, remote: SocketAddr, window_bytes: u32) -> Result<Self, ErrorKind> {
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .stream_receive_window(VarInt::from_u32(window_bytes))
            .receive_window(VarInt::from_u32(WINDOW_BYTES))
            .send_window(SEND_WINDOW_BYTES)
            .max_idle_timeout(None)
            .keep_alive_interval(Some(KEEP_ALIVE))
            .datagram_receive_buffer_size(None);
        let mut config = peer.config.clone();
        config.transport_config(Arc::new(transport));
        let (now, now_ns) = (Instant::now(), now_ns());
        let mut endpoint = Endpoint::new(Arc::clone(&peer.endpoint), None, true, None);
        let (handle, connection) =
            endpoint.connect(now, config, remote, &peer.name).map_err(|_| ErrorKind::ConnectFailed)?;
        Ok(Self {
            endpoint,
            handle,
            connection,
            remote,
            base: (now, now_ns),
            now,
            flows: HashMap::new(),
            spare: None,
            last_begun: None,
            readable: Vec::new(),
            has_news: false,
            is_connected: false,
            lost: None,
            datagram: Vec::new(),
        })
    }

    /// Time goes on, and never back.
    pub(super) fn set_clock(&mut self, now_ns: u64) {
        let (base, base_ns) = self.base;
        self.now = self.now.max(base + Duration::from_nanos(now_ns.saturating_sub(base_ns)));
    }

    /// Takes a datagram.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let (data, mut reply) = (BytesMut::from(bytes), Vec::new());
        // What is for no connection of ours would be answered; the peer has got lost, and will find out.
        if let Some(DatagramEvent::ConnectionEvent(_, event)) =
            self.endpoint.handle(self.now, self.remote, None, None, data, &mut reply)
        {
            self.connection.handle_event(event);
            self.look();
        }
    }

    /// When to call [`Quic::see_to_time`] at the latest.
    pub(super) fn timer_ns(&mut self) -> Option<u64> {
        let (base, base_ns) = self.base;
        let at = self.connection.poll_timeout()?;
        // Rounded up: it does not look before its time.
        Some(base_ns + at.saturating_duration_since(base).as_nanos() as u64 + 1)
    }

    /// Does what time demands.
    pub(super) fn see_to_time(&mut self) {
        self.connection.handle_timeout(self.now);
        self.look();
    }

    /// Appends a datagram to what is to be written; its length, or `None` where there is no more.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        self.datagram.clear();
        let transmit = self.connection.poll_transmit(self.now, 1, &mut self.datagram)?;
        out.extend_from_slice(&self.datagram[..transmit.size]);
        Some(transmit.size)
    }

    /// Tells the peer that there is nothing more to come.
    pub(super) fn close(&mut self, code: u64, reason: &[u8]) {
        self.connection.close(self.now, number(code), Bytes::copy_from_slice(reason));
    }

    fn look(&mut self) {
        loop {
            while let Some(event) = self.connection.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                    self.connection.handle_event(event);
                }
            }
            let Some(event) = self.connection.poll() else { break };
            match event {
                Event::Connected => self.is_connected = true,
                Event::ConnectionLost { reason } => self.lost = Some(reason),
                Event::Stream(StreamEvent::Readable { id }) if id.dir() == Dir::Bi => self.readable.push(id),
                Event::Stream(StreamEvent::Readable { .. } | StreamEvent::Opened { .. }) => self.has_news = true,
                Event::Stream(StreamEvent::Writable { id }) => self.go_on(id),
                Event::Stream(StreamEvent::Stopped { id, error_code }) => self.reset(id, error_code.into_inner()),
                _ => {}
            }
        }
        self.find_spare();
    }

    fn find_spare(&mut self) {
        if self.spare.is_none() && self.is_connected {
            self.spare = self.connection.streams().open(Dir::Bi);
        }
    }

    /// Whether the peer takes one more request.
    pub(super) fn has_room(&self) -> bool {
        self.spare.is_some()
    }

    /// The stream that a request is to be on.
    pub(super) fn begin_request(&mut self) -> Option<StreamId> {
        let id = self.spare.take()?;
        self.flows.insert(id, Flow::default());
        self.last_begun = Some(id);
        self.find_spare();
        Some(id)
    }

    /// A stream to tell the peer about the connection.
    pub(super) fn begin_control(&mut self) -> Option<StreamId> {
        let id = self.connection.streams().open(Dir::Uni)?;
        self.flows.insert(id, Flow::default());
        Some(id)
    }

    /// The next stream by which the peer tells of the connection.
    pub(super) fn accept_control(&mut self) -> Option<StreamId> {
        self.connection.streams().accept(Dir::Uni)
    }

    /// Sends bytes on a stream.
    pub(super) fn write(&mut self, id: StreamId, bytes: Bytes) {
        if let Some(flow) = self.flows.get_mut(&id).filter(|_| !bytes.is_empty()) {
            flow.unsent.push_back(bytes);
            self.go_on(id);
        }
    }

    /// Nothing follows on a stream.
    pub(super) fn finish(&mut self, id: StreamId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.is_ending = true;
            self.go_on(id);
        }
    }

    /// Writes what a stream has to carry, as far as the peer takes it.
    fn go_on(&mut self, id: StreamId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let mut stream = self.connection.send_stream(id);
        while let Some(next) = flow.unsent.front_mut() {
            match stream.write_chunks(slice::from_mut(next)) {
                Ok(written) => flow.bytes_sent += written.bytes as u64,
                Err(WriteError::Blocked) => return,
                // The peer wants no more: its response says why.
                Err(WriteError::Stopped(code)) => return self.reset(id, code.into_inner()),
                Err(WriteError::ClosedStream) => return self.forget_unsent(id),
            }
            if next.is_empty() {
                flow.unsent.pop_front();
            }
        }
        if flow.is_ending && !mem::replace(&mut flow.is_sent, true) {
            // Refused only where the peer has stopped it.
            let _ = stream.finish();
        }
    }

    fn forget_unsent(&mut self, id: StreamId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.unsent.clear();
            (flow.is_ending, flow.is_sent) = (true, true);
        }
    }

    /// What has come on a stream.
    pub(super) fn read(&mut self, id: StreamId) -> Read {
        let mut stream = self.connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return Read::End };
        match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.bytes_received += chunk.bytes.len() as u64;
                }
                Read::Data(chunk.bytes)
            }
            Ok(None) => Read::End,
            Err(ReadError::Blocked) => Read::Nothing,
            Err(ReadError::Reset(code)) => Read::Reset(code.into_inner()),
        }
    }

    /// What a stream has carried.
    pub(super) fn flow(&self, id: StreamId) -> Option<&Flow> {
        self.flows.get(&id)
    }

    /// The request on a stream has ended. What is not complete by then is not wanted any more.
    pub(super) fn forget(&mut self, id: StreamId, is_complete: bool, code: u64) {
        let is_sent = self.flows.remove(&id).is_none_or(|flow| flow.is_sent);
        // Each is refused where it is over already.
        if !is_complete {
            let _ = self.connection.recv_stream(id).stop(number(code));
        }
        if !is_sent {
            let _ = self.connection.send_stream(id).reset(number(code));
        }
    }

    /// Nothing is asked on the stream that was begun last.
    pub(super) fn give_back(&mut self, code: u64) {
        if let Some(id) = self.last_begun.take() {
            self.forget(id, false, code);
        }
    }

    /// The peer need not send more on a stream.
    pub(super) fn stop(&mut self, id: StreamId, code: u64) {
        let _ = self.connection.recv_stream(id).stop(number(code));
    }

    /// Gives up what was to be sent on a stream.
    pub(super) fn reset(&mut self, id: StreamId, code: u64) {
        let _ = self.connection.send_stream(id).reset(number(code));
        self.forget_unsent(id);
    }
}

fn number(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
