//! Usher: the door of a Plex server.

pub mod backoff;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod door;
pub mod engine;
pub mod facts;
pub mod ledger;
pub mod letters;
pub mod limits;
pub mod loops;
pub mod member;
pub mod policy;
pub mod reports;
pub mod secret;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod tier;
