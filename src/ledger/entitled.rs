//! What Stripe said of a customer's entitlements, and when.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::Moment;

/// One customer's active entitlements, as last read. A try that failed changes
/// nothing of what was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitled {
    /// When Stripe was last asked.
    pub asked: Moment,
    /// When it last answered whole.
    pub read: Option<Moment>,
    /// The lookup keys of that answer.
    pub keys: BTreeSet<String>,
    /// Why the last try gave nothing, if it did.
    pub failed: Option<String>,
}

impl Entitled {
    /// What is known; `None` when no answer ever came.
    #[must_use]
    pub fn known(&self) -> Option<&BTreeSet<String>> {
        self.read.map(|_| &self.keys)
    }
}
