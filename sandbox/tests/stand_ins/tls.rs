use std::sync::Arc;

use sandbox::tls::*;

#[test]
fn one_authority_per_process_and_another_one_for_strangers() {
    assert!(ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(ca_pem(), ca_pem());
    assert!(!Arc::ptr_eq(&server_config(), &stranger_config()));
}
