//! TLS: whom to trust, and what its failures mean.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Error, Uri};

/// Protects a connection; the certificate is checked against the system's authorities and those of
/// `ca_file`, unless `verify` is off.
pub(crate) async fn protect(
    socket: TcpStream,
    uri: &Uri,
    verify: bool,
    ca_file: Option<&Path>,
) -> Result<TlsStream<TcpStream>, Error> {
    let address = uri.address();
    let failed = |reason: String| Error::Tls { address: address.clone(), reason };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let config = if verify {
        config.with_root_certificates(roots(ca_file)?).with_no_client_auth()
    } else {
        config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth()
    };
    let name = ServerName::try_from(uri.host().to_owned())
        .map_err(|_| failed(format!("{:?} is no name a certificate could be for", uri.host())))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .map_err(|error| failed(explain(&error)))
}

/// The system's authorities, or Mozilla's where the system has none, and those of a file.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = SYSTEM
        .get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            let (_, unusable) = roots.add_parsable_certificates(found.certs);
            if unusable > 0 || !found.errors.is_empty() {
                tracing::debug!(unusable, errors = ?found.errors, "some system certificates");
            }
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            roots
        })
        .clone();
    if let Some(path) = ca_file {
        let failed = |reason: String| Error::CaFile { path: path.to_owned(), reason };
        let mut added = 0;
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            added += 1;
        }
        if added == 0 {
            return Err(failed("it holds no certificate".to_owned()));
        }
    }
    Ok(roots)
}

fn explain(error: &io::Error) -> String {
    use rustls::{CertificateError, Error as Tls};
    const PLAIN: &str = "the server does not speak TLS there; \
        use a scheme without +s or +ssc if it is meant to be unprotected";
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    match inner {
        Some(Tls::InvalidMessage(_)) => PLAIN.to_owned(),
        Some(Tls::InvalidCertificate(why)) => {
            let advice = match why {
                CertificateError::UnknownIssuer => {
                    "give the file of the authority that signed it, \
                     or use +ssc to accept a self-signed certificate"
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    "use the host name that the certificate is for"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "renew the server's certificate, and check the clocks"
                }
                // A self-signed certificate that is not marked as an authority's.
                CertificateError::Other(_) => {
                    "renew the server's certificate, or use +ssc to accept any"
                }
                _ => "renew the server's certificate",
            };
            format!("the server's certificate is not trusted: {error}; {advice}")
        }
        Some(_) => format!("{error}; check the TLS settings of the server"),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!("the connection was closed: {PLAIN}")
            }
            _ => format!("{error}; check the network"),
        },
    }
}

/// Accepts every certificate, but still asks for proof of its private key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
