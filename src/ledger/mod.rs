//! The book's document and its lawful changes. Pure: no I/O, no clock.
//!
//! What it promises: a book can be serialised, read back and compared; every
//! notice and every action stands in it at most once, under a key made from
//! the fact that caused it. What it never does: decide. That is `policy`.

mod billed;
mod blind;
mod book;
mod entitled;
mod grant;
mod index;
mod intent;
mod known_tiers;
mod made_for;
mod member;
mod numbers;
mod outbox;
mod payer;
mod post;
mod rehearsal;
mod starting;
mod told;

pub use billed::*;
pub use blind::*;
pub use book::*;
pub use entitled::*;
pub use grant::*;
pub use index::*;
pub use intent::*;
pub use known_tiers::*;
pub use made_for::*;
pub use member::*;
pub use numbers::*;
pub use outbox::*;
pub use payer::*;
pub use post::*;
pub use starting::*;
pub use told::*;
