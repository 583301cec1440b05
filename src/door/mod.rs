//! The door: what the outside may say to Usher.
//!
//! Promises: strangers can look at `/health` and at the pages on which places
//! are sold, and Stripe can leave hints; beyond what a free code gives, nobody
//! changes anything without the operator's token. Never touches the
//! book: everything goes through the engine's mailbox and its snapshot.

mod admin;
mod answers;
mod api;
mod health;
mod lobby;
mod metrics;
mod pages;
mod public;
mod reply;
mod server;
mod signature;
mod strangers;
mod till;
mod webhook;

#[cfg(test)]
pub(crate) mod tests;

pub use crate::engine::desk::ANSWER_TIMEOUT;
pub use admin::{AdminDoor, AdminTokens};
pub use lobby::{Lobby, Till};
pub use pages::Pages;
pub use public::PublicDoor;
pub use reply::{Asked, BodyRefused, Reply, query_value};
pub use server::{Limits, serve};
pub use signature::{FUTURE_SECS_MAX, Refusal, verify};
pub use strangers::{Strangers, Trusted};
pub use webhook::{Cause, Tally, WebhookSettings};
