//! Each stand-in behaves as the real service was seen to behave. These tests
//! stand outside of the library, so that it is compiled only once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may")]

mod base;
mod discord;
mod letter;
mod mailbag;
mod plex;
mod smtp;
mod stripe;
mod tautulli;
mod tls;
