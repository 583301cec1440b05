//! Certificates for the stand-ins that speak TLS.
//!
//! What it promises: one authority per process, a certificate of it for
//! `127.0.0.1` and `localhost`, and a second, unknown authority for proving
//! that nobody is believed just because he has a certificate. What it never
//! does: install a crypto provider for the whole process, or touch the disk.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A made-up authority and a server certificate that it signed.
struct Authority {
    ca_pem: String,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// The authority's certificate as PEM: the content of an `EXTRA_CA_FILE`.
#[must_use]
pub fn ca_pem() -> &'static str {
    &trusted().ca_pem
}

/// Server side of TLS with a certificate for `127.0.0.1` and `localhost`.
#[must_use]
pub fn server_config() -> Arc<ServerConfig> {
    Arc::clone(&trusted().server)
}

/// The same names, but signed by an authority that [`ca_pem`] knows nothing of.
#[must_use]
pub fn stranger_config() -> Arc<ServerConfig> {
    static STRANGER: OnceLock<Authority> = OnceLock::new();
    Arc::clone(&STRANGER.get_or_init(|| Authority::invent("Stranger CA")).server)
}

/// Client side that trusts [`ca_pem`] and nobody else, for the sandbox's tests.
#[must_use]
pub fn client_config() -> Arc<ClientConfig> {
    Arc::clone(&trusted().client)
}

fn trusted() -> &'static Authority {
    static TRUSTED: OnceLock<Authority> = OnceLock::new();
    TRUSTED.get_or_init(|| Authority::invent("Sandbox CA"))
}

impl Authority {
    fn invent(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a fresh key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a certificate of our own");

        // `new` turns "127.0.0.1" into an IP name, as verifiers want it.
        let mut leaf =
            CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("two plain names");
        leaf.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate().expect("a fresh key");
        let leaf_cert = leaf.signed_by(&leaf_key, &ca).expect("a signed certificate");

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf_cert.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            )
            .expect("the key fits the certificate");

        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).expect("a CA certificate");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { ca_pem: ca.pem(), server: Arc::new(server), client: Arc::new(client) }
    }
}
