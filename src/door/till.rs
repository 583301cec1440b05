//! The till, opened for other programs: Stripe, and the right to ask it for
//! something.

use sha2::{Digest, Sha256};

use super::api::Trouble;
use super::lobby::Till;
use crate::config::Live;
use crate::facts::FailureKind;
use crate::hex::hex;
use crate::services::stripe::{Failure, Stripe};

/// A till at which something can be sold.
pub(super) struct OpenTill<'a> {
    pub(super) stripe: &'a Stripe,
    pub(super) live: &'a Live,
    pub(super) public_url: Option<&'a str>,
}

/// Open, or why not.
pub(super) fn open(till: Option<&Till>) -> Result<OpenTill<'_>, Trouble> {
    let Some(till) = till else {
        return Err(Trouble::not_set_up("no_stripe", "nobody pays here: STRIPE_SECRET_KEY is not set"));
    };
    let Some(live) = &till.live else {
        let why = "this is a dry run: nothing is created or changed at Stripe until DRY_RUN=false";
        return Err(Trouble::not_set_up("dry_run", why));
    };
    Ok(OpenTill { stripe: &till.stripe, live, public_url: till.public_url.as_deref() })
}

impl OpenTill<'_> {
    /// Where Stripe sends people after a purchase, and without one.
    pub(super) fn ways_back(&self) -> Result<(String, String), Trouble> {
        let Some(base) = self.public_url.map(|url| url.trim_end_matches('/')) else {
            let why = "PUBLIC_URL is not set; Stripe has to know where to send people after they paid";
            return Err(Trouble::not_set_up("no_public_url", why));
        };
        Ok((joined(base), format!("{base}/plans")))
    }
}

/// Where Stripe sends people who have paid.
pub(super) fn joined(public_url: &str) -> String {
    format!("{public_url}/joined?s={{CHECKOUT_SESSION_ID}}")
}

/// A try of its own: two people who buy the same never share a page at Stripe.
pub(super) fn fresh_key(verb: &str) -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    let failed = |why| Failure::not_done(FailureKind::Internal, format!("no random numbers: {why}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(format!("usher-{verb}-{}", hex(&bytes)))
}

/// One request to Stripe. Sent again by a caller who gives it the same key, it
/// has the same name at Stripe; a different one never takes its place.
pub(super) struct Request {
    pub(super) verb: &'static str,
    /// The caller's `Idempotency-Key`.
    pub(super) callers: Option<String>,
    /// Everything that is sent, in any form.
    pub(super) about: String,
}

impl Request {
    /// The idempotency key.
    pub(super) fn key(self) -> Result<String, Trouble> {
        let Some(callers) = self.callers else {
            return Ok(fresh_key(self.verb)?);
        };
        let mut digest = Sha256::new();
        for part in [self.verb, &callers, &self.about] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Ok(format!("usher-{}-{}", self.verb, hex(&digest.finalize())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(verb: &'static str, callers: Option<&str>, about: &str) -> String {
        let request = Request { verb, callers: callers.map(str::to_owned), about: about.to_owned() };
        request.key().unwrap_or_default()
    }

    #[test]
    fn the_same_wish_has_one_name_and_another_wish_another() {
        assert_eq!(key("cancel", Some("a"), "sub_1"), key("cancel", Some("a"), "sub_1"));
        for other in
            [key("cancel", Some("b"), "sub_1"), key("cancel", Some("a"), "sub_2"), key("keep", Some("a"), "sub_1")]
        {
            assert_ne!(other, key("cancel", Some("a"), "sub_1"));
        }
        assert_ne!(key("cancel", None, "sub_1"), key("cancel", None, "sub_1"));
        assert!(key("checkout", Some("a"), "x").len() <= 100);
    }
}
