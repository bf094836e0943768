//! What stands in for TLS: a handshake that tells each side what the other takes, and keys that hide nothing.
//!
//! | heard so far | client says           | server says                             |
//! |--------------|-----------------------|-----------------------------------------|
//! | nothing      | its parameters        |                                         |
//! | one message  | (new keys)            | nothing (new keys), parameters (again)  |
//! | two          | nothing (new keys)    |                                         |

use std::any::Any;
use std::sync::Arc;

use bytes::BytesMut;
use quinn_proto::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};

/// See the module.
pub(crate) struct Plain;

/// After so many messages of the peer: what is said, and whether new keys follow.
struct Step {
    heard: usize,
    message: Option<Vec<u8>>,
    has_keys: bool,
}

struct Handshake {
    side: Side,
    steps: Vec<Step>,
    incoming: Vec<u8>,
    heard: Vec<Vec<u8>>,
}

impl Handshake {
    fn begin(side: Side, parameters: &TransportParameters) -> Box<dyn Session> {
        let mut own = Vec::new();
        parameters.write(&mut own);
        let step = |heard, message, has_keys| Step { heard, message, has_keys };
        // The last one first.
        let steps = match side {
            Side::Client => vec![step(2, Some(Vec::new()), true), step(1, None, true), step(0, Some(own), false)],
            Side::Server => vec![step(1, Some(own), true), step(1, Some(Vec::new()), true)],
        };
        Box::new(Self { side, steps, incoming: Vec::new(), heard: Vec::new() })
    }
}

impl Session for Handshake {
    fn initial_keys(&self, _: &ConnectionId, _: Side) -> Keys {
        keys()
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.heard.len() < 2
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.incoming.extend_from_slice(bytes);
        while let [high, low, rest @ ..] = &self.incoming[..]
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
        {
            self.heard.push(message.to_vec());
            self.incoming.drain(..2 + self.heard.last().map_or(0, Vec::len));
        }
        Ok(false)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let of_peer = if self.side == Side::Client { self.heard.get(1) } else { self.heard.first() };
        of_peer.map(|bytes| TransportParameters::read(self.side, &mut &bytes[..])).transpose().map_err(Into::into)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let step = self.steps.pop_if(|step| step.heard <= self.heard.len())?;
        if let Some(message) = step.message {
            out.extend_from_slice(&(message.len() as u16).to_be_bytes());
            out.extend_from_slice(&message);
        }
        step.has_keys.then(keys)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(keys().packet)
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn export_keying_material(&self, _: &mut [u8], _: &[u8], _: &[u8]) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

impl ClientConfig for Plain {
    fn start_session(
        self: Arc<Self>,
        _: u32,
        _: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(Handshake::begin(Side::Client, parameters))
    }
}

impl ServerConfig for Plain {
    fn initial_keys(&self, _: u32, _: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        Ok(keys())
    }

    fn retry_tag(&self, _: u32, _: &ConnectionId, _: &[u8]) -> [u8; 16] {
        [0; 16]
    }

    fn start_session(self: Arc<Self>, _: u32, parameters: &TransportParameters) -> Box<dyn Session> {
        Handshake::begin(Side::Server, parameters)
    }
}

impl PacketKey for Plain {
    fn encrypt(&self, _: u64, _: &mut [u8], _: usize) {}

    fn decrypt(&self, _: u64, _: &[u8], _: &mut BytesMut) -> Result<(), CryptoError> {
        Ok(())
    }

    fn tag_len(&self) -> usize {
        0
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

impl HeaderKey for Plain {
    fn decrypt(&self, _: usize, _: &mut [u8]) {}

    fn encrypt(&self, _: usize, _: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        0
    }
}

fn keys() -> Keys {
    Keys {
        header: KeyPair { local: Box::new(Plain), remote: Box::new(Plain) },
        packet: KeyPair { local: Box::new(Plain), remote: Box::new(Plain) },
    }
}
