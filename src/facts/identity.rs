//! The names by which services know things.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            #[allow(missing_docs)]
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.to_owned()) }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self { Self(text) }
        }
    )*};
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    )*};
}

text_id! {
    /// A Plex server's machineIdentifier (`clientIdentifier` in resources).
    ServerId,
    /// A Stripe account, `acct_…`.
    StripeAccountId,
    /// A Stripe customer, `cus_…`.
    CustomerId,
    /// A Stripe subscription, `sub_…`.
    SubscriptionId,
    /// A Stripe price, `price_…`.
    PriceId,
    /// A Stripe product, `prod_…`.
    ProductId,
    /// A Stripe invoice, `in_…`.
    InvoiceId,
    /// A Stripe event, `evt_…`.
    EventId,
}

number_id! {
    /// A person's numeric Plex account id: the only identity at Plex.
    /// Tautulli's `user_id` is the same number.
    PlexId,
    /// One share (or invite) of one server to one person.
    ShareId,
    /// plex.tv's global id of a library section; never the server's own `key`.
    SectionId,
}

/// An email address, trimmed and lower-cased, compared whole (RULES R2: no
/// plus or dot folding). A label for people, never an identity at Plex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// `None` when the text has no `@` with something on both sides, or holds
    /// white space or control characters (which could end a mail header).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@')?;
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ','));
        (clean && !local.is_empty() && !domain.is_empty()).then_some(Self(text))
    }

    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Addresses stay out of `{:?}`, and so out of logs (promise 10).
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}
