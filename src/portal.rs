//! A signed link to a customer's billing page: pure.
//!
//! Promises: only who has the key can make one; it names one customer and ends
//! at its own time; what is wrong with a refused one isn't told, and the
//! comparison takes the same time whatever is wrong.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::facts::{CustomerId, Moment};
use crate::secret::Secret;

/// Signs links to billing pages. Kept in `STATE_DIR`: a link from before a
/// restart still works.
#[derive(Debug, Clone)]
pub struct PortalKey(Secret);

impl PortalKey {
    /// From the key's text.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// `CUSTOMER.UNTIL.SIGNATURE`, fit for an address.
    #[must_use]
    pub fn token(&self, customer: &CustomerId, until: Moment) -> String {
        let said = format!("{customer}.{}", until.timestamp());
        let signature = self.sign(&said);
        format!("{said}.{signature}")
    }

    /// Whose page a token opens at `now`.
    #[must_use]
    pub fn customer(&self, now: Moment, token: &str) -> Option<CustomerId> {
        let (said, signature) = token.rsplit_once('.')?;
        let is_ours = Secret::new(self.sign(said)).is(signature.as_bytes());
        let (customer, until) = said.rsplit_once('.')?;
        let until = Moment::from_timestamp(until.parse().ok()?, 0)?;
        (is_ours && now < until).then(|| CustomerId::from(customer))
    }

    fn sign(&self, said: &str) -> String {
        // HMAC takes keys of any length, so there is always a signature.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) else { return String::new() };
        mac.update(b"billing page ");
        mac.update(said.as_bytes());
        mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_timestamp(1_700_000_000 + secs, 0).unwrap()
    }

    #[test]
    fn a_link_opens_one_customers_page_until_its_time() {
        let key = PortalKey::new(Secret::new("key"));
        let ann = CustomerId::from("cus_ann");
        let token = key.token(&ann, at(60));
        assert_eq!(key.customer(at(59), &token), Some(ann.clone()));
        assert_eq!(key.customer(at(60), &token), None, "its time is over");
        let other = PortalKey::new(Secret::new("other"));
        assert_eq!(other.customer(at(0), &token), None, "another key's");
        let (_, signature) = token.rsplit_once('.').unwrap();
        for forged in [
            format!("cus_bob.{}.{signature}", at(60).timestamp()),
            format!("cus_ann.{}.{signature}", at(6000).timestamp()),
            format!("cus_ann.{}.", at(60).timestamp()),
            token.to_uppercase(),
            signature.to_owned(),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(key.customer(at(0), &forged), None, "{forged}");
        }
    }
}
