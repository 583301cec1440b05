//! The long half of the ladder (DESIGN §11): the shipped binary, crashes at
//! every step, and years.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may"
)]

mod binary;
mod centuries;
mod crash;
mod years;
