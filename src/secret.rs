//! Secrets that never print.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret text: `Debug` and `Display` show nothing of it. It isn't
/// serializable, so it can't end in the book either.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for a header or a key, never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `guess` is the secret; how long that takes tells at most the
    /// secret's length.
    #[must_use]
    pub fn is(&self, guess: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(guess).into()
    }
}

/// In constant time, so that `==` is never the wrong choice.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹secret›")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹secret›")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::new("sk_live_abc");
        assert_eq!(format!("{secret:?} {secret}"), "‹secret› ‹secret›");
        assert!(secret.is(b"sk_live_abc") && !secret.is(b"sk_live_ab") && !secret.is(b""));
    }
}
