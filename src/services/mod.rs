//! The only network clients: concrete, each with its base URL in the
//! constructor.
//!
//! They return `facts` and know neither ledger, policy nor store. They never
//! retry (the next pass does), never follow a redirect, and never put a
//! token, an address, a body or a query into a log line or an error.

pub mod discord;
pub mod failure;
pub mod http;
mod loose;
#[expect(clippy::indexing_slicing, reason = "an answer's missing member reads as null; nothing is sliced")]
pub mod plex;
#[cfg(test)]
#[path = "tests/script.rs"]
pub(crate) mod script;
#[expect(clippy::indexing_slicing, reason = "an answer's missing member reads as null; nothing is sliced")]
pub mod sign_in;
mod skew;
pub mod smtp;
#[expect(clippy::indexing_slicing, reason = "an answer's missing member reads as null; nothing is sliced")]
pub mod stripe;
#[expect(clippy::indexing_slicing, reason = "an answer's missing member reads as null; nothing is sliced")]
pub mod tautulli;
pub mod tls;
