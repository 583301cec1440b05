//! Signed links: pure. One opens a customer's billing page, another takes up a
//! sign-in where it was left, and one lets somebody who is in subscribe.
//!
//! Promises: only who has the key can make one; it names one thing, opens
//! nothing of the other kind, and ends at its own time; what is wrong with a
//! refused one isn't told, and the comparison takes the same time whatever is
//! wrong.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::facts::{CustomerId, Moment, PriceId};
use crate::hex::hex;
use crate::member::MemberId;
use crate::secret::Secret;

/// Signs links. Kept in `STATE_DIR`: one from before a restart still works.
#[derive(Debug, Clone)]
pub struct PortalKey(Secret);

/// What a link is for: no signature of one kind is good for another.
#[derive(Debug, Clone, Copy)]
enum Purpose<'a> {
    Billing,
    SignIn(Choice<'a>),
    Place,
}

/// What a sign-in with Plex was begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The tier, by its name in addresses.
    pub tier: &'a str,
    /// One of its prices.
    pub price: &'a PriceId,
}

impl PortalKey {
    /// From the key's text.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// `CUSTOMER.UNTIL.SIGNATURE`, fit for an address.
    #[must_use]
    pub fn token(&self, customer: &CustomerId, until: Moment) -> String {
        self.signed(Purpose::Billing, customer.as_str(), until)
    }

    /// Whose page a token opens at `now`.
    #[must_use]
    pub fn customer(&self, now: Moment, token: &str) -> Option<CustomerId> {
        self.opened(Purpose::Billing, now, token).map(CustomerId::from)
    }

    /// `PIN.UNTIL.SIGNATURE`: takes up the sign-in that plex.tv knows by the
    /// number `pin`, for this choice alone.
    #[must_use]
    pub fn sign_in_token(&self, choice: Choice<'_>, pin: u64, until: Moment) -> String {
        self.signed(Purpose::SignIn(choice), &pin.to_string(), until)
    }

    /// The sign-in that a token takes up at `now` for this choice.
    #[must_use]
    pub fn sign_in(&self, now: Moment, choice: Choice<'_>, token: &str) -> Option<u64> {
        self.opened(Purpose::SignIn(choice), now, token)?.parse().ok()
    }

    /// `MEMBER.UNTIL.SIGNATURE`: with it this member subscribes, and needs no
    /// free seat while they are in (RULES R5).
    #[must_use]
    pub fn place_token(&self, member: &MemberId, until: Moment) -> String {
        self.signed(Purpose::Place, &member.0, until)
    }

    /// The member whom a token lets subscribe at `now`.
    #[must_use]
    pub fn place(&self, now: Moment, token: &str) -> Option<MemberId> {
        self.opened(Purpose::Place, now, token).map(|member| MemberId(member.to_owned()))
    }

    fn signed(&self, purpose: Purpose<'_>, what: &str, until: Moment) -> String {
        let said = format!("{what}.{}", until.timestamp());
        let signature = self.sign(purpose, &said);
        format!("{said}.{signature}")
    }

    fn opened<'a>(&self, purpose: Purpose<'_>, now: Moment, token: &'a str) -> Option<&'a str> {
        let (said, signature) = token.rsplit_once('.')?;
        let is_ours = Secret::new(self.sign(purpose, said)).is(signature.as_bytes());
        let (what, until) = said.rsplit_once('.')?;
        let until = Moment::from_timestamp(until.parse().ok()?, 0)?;
        (is_ours && now < until).then_some(what)
    }

    fn sign(&self, purpose: Purpose<'_>, said: &str) -> String {
        // HMAC takes keys of any length, so there is always a signature.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) else { return String::new() };
        match purpose {
            Purpose::Billing => mac.update(b"billing page "),
            Purpose::Place => mac.update(b"keep a place "),
            Purpose::SignIn(Choice { tier, price }) => {
                mac.update(b"plex sign-in ");
                for part in [tier, price.as_str()] {
                    mac.update(&part.len().to_be_bytes());
                    mac.update(part.as_bytes());
                }
            }
        }
        mac.update(said.as_bytes());
        hex(&mac.finalize().into_bytes())
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

    #[test]
    fn a_link_to_subscribe_is_one_members_and_opens_nothing_else() {
        let key = PortalKey::new(Secret::new("key"));
        let ann = MemberId::number(3);
        let token = key.place_token(&ann, at(60));
        assert_eq!(key.place(at(59), &token), Some(ann));
        assert_eq!(key.place(at(60), &token), None, "its time is over");
        assert_eq!(key.place(at(0), &token.replacen("m-3", "m-4", 1)), None, "another member's");
        assert_eq!(key.customer(at(0), &token), None, "no billing page");
        assert_eq!(key.place(at(0), &key.token(&CustomerId::from("m-3"), at(60))), None, "no link to subscribe");
    }

    #[test]
    fn a_sign_in_is_taken_up_for_what_it_was_begun_for_until_its_time() {
        let key = PortalKey::new(Secret::new("key"));
        let (one, other) = (PriceId::from("price_1"), PriceId::from("price_2"));
        let choice = Choice { tier: "stalls", price: &one };
        let token = key.sign_in_token(choice, 42, at(60));
        assert_eq!(key.sign_in(at(59), choice, &token), Some(42));
        assert_eq!(key.sign_in(at(60), choice, &token), None, "its time is over");
        assert_eq!(key.sign_in(at(0), Choice { tier: "box", ..choice }, &token), None, "another tier");
        assert_eq!(key.sign_in(at(0), Choice { price: &other, ..choice }, &token), None, "another price");
        assert_eq!(key.customer(at(0), &token), None, "no billing page");
        let billing = key.token(&CustomerId::from("42"), at(60));
        assert_eq!(key.sign_in(at(0), choice, &billing), None, "no sign-in");
        assert_eq!(key.sign_in(at(0), choice, &token.replacen("42", "43", 1)), None, "another number");
    }
}
