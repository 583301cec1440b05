//! The book's document and its lawful changes. Pure: no I/O, no clock.

mod outbox;

pub use outbox::*;
