//! One TLS set-up for every client: ring, the public authorities, and the
//! operator's own (`EXTRA_CA_FILE`).

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// Makes ring the process's cryptography. Harmless when called again.
pub fn install_provider() {
    // The error only says that one is installed already.
    drop(ring::default_provider().install_default());
}

/// The client side: the public authorities, and those in `extra_ca_pem`.
///
/// # Errors
/// A sentence, when `extra_ca_pem` holds no certificate or a broken one.
pub fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| format!("EXTRA_CA_FILE isn't readable as PEM: {e}"))?;
            roots.add(certificate).map_err(|e| format!("EXTRA_CA_FILE holds a certificate that isn't usable: {e}"))?;
        }
        if roots.len() == before {
            return Err("EXTRA_CA_FILE holds no certificate (expected PEM, -----BEGIN CERTIFICATE-----)".to_owned());
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS can't be set up: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_ca_file_without_a_certificate_is_refused() {
        install_provider();
        install_provider();
        assert!(client_config(None).is_ok());
        assert!(client_config(Some(b"hello")).unwrap_err().contains("EXTRA_CA_FILE"));
    }
}
