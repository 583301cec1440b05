//! The quick half of the ladder (DESIGN §11): everything here together takes
//! less than 30 seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may"
)]

mod alphabet;
mod any;
mod brake;
mod channels;
mod engine;
mod hardship;
mod lessons;
mod mrr;
mod paper;
mod planted;
mod rules;
mod season;
mod services;
mod stories;
mod table;
mod tidy;
