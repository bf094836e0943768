//! TLS between a socket and HTTP: bytes in, bytes out. No I/O here; certificates are verified unless the user said not
//! to.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedCipherSuite,
    version,
};

use crate::outcome::ErrorKind;
use crate::wire::{Tls, Version};

/// Sessions that are remembered for each host, to be resumed.
const REMEMBERED: usize = 4096;
/// Room for what surrounds a record, more than any version of TLS takes.
const OVERHEAD: usize = 64;
/// Largest plaintext of a record.
const RECORD: usize = 16 * 1024;

/// What all connections of a run share: whom to trust, what to offer.
#[derive(Clone, Debug)]
pub struct Settings(Arc<ClientConfig>);

impl Settings {
    /// Reads the files that the plan names, and else the system's certificates. An error says which file is wrong.
    pub fn read(tls: &Tls, http: Version) -> Result<Self, String> {
        let provider = Arc::new(provider());
        let versions: &[_] = if tls.only_tls13 || http == Version::Three {
            &[&version::TLS13]
        } else {
            &[&version::TLS13, &version::TLS12]
        };
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).map_err(|error| error.to_string())?;
        let builder = if tls.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(algorithms)))
        } else {
            builder.with_root_certificates(roots(tls.cacert.as_deref())?)
        };
        let mut config = match &tls.cert {
            None => builder.with_no_client_auth(),
            Some(cert) => {
                let key = tls.key.as_ref().unwrap_or(cert);
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
                builder.with_client_auth_cert(certificates(cert)?, key).map_err(|error| wrong(cert, &error))?
            }
        };
        config.resumption =
            if tls.no_resumption { Resumption::disabled() } else { Resumption::in_memory_sessions(REMEMBERED) };
        config.alpn_protocols = match http {
            Version::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Version::One => vec![b"http/1.1".to_vec()],
            Version::Two => vec![b"h2".to_vec()],
            Version::Three => vec![b"h3".to_vec()],
        };
        Ok(Self(Arc::new(config)))
    }

    /// For who speaks TLS in another way.
    #[cfg(feature = "http3")]
    pub(crate) fn shared(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// What browsers offer, in their order: the shorter key first, which is the quicker one.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let is_short = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).contains("AES_128");
    provider.cipher_suites.sort_by_key(|suite| (suite.version() != &version::TLS13, !is_short(suite)));
    provider
}

fn roots(cacert: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = cacert {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| wrong(file, &error))?;
        }
    } else {
        // One that cannot be read takes nothing from the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(wrong(file, &"it holds no certificate")),
        found => found.map_err(|error| wrong(file, &error)),
    }
}

fn wrong(file: &Path, problem: &dyn fmt::Display) -> String {
    format!("{}: {problem}", file.display())
}

/// Trusts whoever answers; that it holds the key of what it shows is checked all the same.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Whom a connection is made to.
#[derive(Clone, Debug)]
pub struct Host {
    settings: Settings,
    name: ServerName<'static>,
}

impl Host {
    /// `name`: a host name or an address, as it must stand in the certificate. `None` where nothing can be named so.
    pub fn new(settings: &Settings, name: &str) -> Option<Self> {
        let name = ServerName::try_from(name.to_owned()).ok()?;
        Some(Self { settings: settings.clone(), name })
    }
}

/// What a session has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The handshake goes on.
    Handshake,
    /// What was received is HTTP's.
    Open,
    /// The peer will send no more, and has said so.
    Closed,
}

/// One connection's side of TLS.
pub struct Session {
    tls: UnbufferedClientConnection,
    /// What has come of a record that is not complete.
    incoming: Vec<u8>,
}

impl Session {
    /// Begins a handshake: `out` is what must be sent.
    pub fn begin(host: &Host, out: &mut Vec<u8>) -> Result<Self, ErrorKind> {
        let tls = UnbufferedClientConnection::new(Arc::clone(&host.settings.0), host.name.clone())
            .map_err(|error| kind_of(&error))?;
        let mut session = Self { tls, incoming: Vec::new() };
        session.receive(&[], &mut Vec::new(), out)?;
        Ok(session)
    }

    /// Takes what has come. `plain` gets what it says, `out` what must be sent, an alert to the peer too where there
    /// is an error.
    pub fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Stage, ErrorKind> {
        self.incoming.extend_from_slice(bytes);
        let mut taken = 0;
        let stage = loop {
            let status = self.tls.process_tls_records(&mut self.incoming[taken..]);
            taken += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        plain.extend_from_slice(record.map_err(|error| kind_of(&error))?.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let encoded = append(out, OVERHEAD, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(needed)) => Err(Some(needed)),
                        other => other.map_err(|_| None),
                    });
                    encoded?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(_)) => break Ok(Stage::Open),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => break Ok(Stage::Closed),
                Ok(ConnectionState::BlockedHandshake) => break Ok(Stage::Handshake),
                Ok(_) => break Err(ErrorKind::TlsFailed),
                Err(error) => {
                    self.say_why(taken, out);
                    break Err(kind_of(&error));
                }
            }
        };
        self.incoming.drain(..taken);
        stage
    }

    /// An error leaves an alert for the peer.
    fn say_why(&mut self, taken: usize, out: &mut Vec<u8>) {
        let status = self.tls.process_tls_records(&mut self.incoming[taken..]);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            let _ = append(out, OVERHEAD, |room| data.encode(room).map_err(|_| None));
        }
    }

    /// Wraps what is to be sent.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let records = plain.len().div_ceil(RECORD).max(1);
        match self.tls.process_tls_records(&mut []).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                append(out, plain.len() + records * OVERHEAD, |room| match traffic.encrypt(plain, room) {
                    Err(EncryptError::InsufficientSize(needed)) => Err(Some(needed)),
                    other => other.map_err(|_| None),
                })
            }
            _ => Err(ErrorKind::TlsFailed),
        }
    }

    /// The peer has chosen HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.tls.alpn_protocol() == Some(b"h2")
    }
}

/// Lets something be written behind what `out` holds; once more with the room that it says it needs.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), ErrorKind> {
    let begin = out.len();
    out.resize(begin + room, 0);
    let written = match write(&mut out[begin..]) {
        Err(Some(needed)) => {
            out.resize(begin + needed.required_size, 0);
            write(&mut out[begin..])
        }
        other => other,
    };
    out.truncate(begin + written.as_ref().map_or(0, |&bytes| bytes));
    written.map(drop).map_err(|_| ErrorKind::TlsFailed)
}

fn kind_of(error: &Error) -> ErrorKind {
    let Error::InvalidCertificate(problem) = error else {
        return ErrorKind::TlsFailed;
    };
    match problem {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => ErrorKind::TlsExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => ErrorKind::TlsWrongName,
        _ => ErrorKind::TlsUntrusted,
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("incoming", &self.incoming.len()).finish_non_exhaustive()
    }
}
