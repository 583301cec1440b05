//! The house rules in code, a file for each rule (RULES.md). Pure: no I/O, no
//! clock, no logging.
//!
//! What it promises: the same book, readings and instant give the same plan;
//! a plan that was carried out is followed by an empty one. What it never
//! does: conclude anything from what is missing (promise 2).

pub mod afterwards;
pub mod asks;
pub mod brake;
pub mod by_hand;
pub mod codes;
pub mod comings;
pub mod confirm;
pub mod continuity;
pub mod customers;
pub mod decide;
pub mod digest;
pub mod entitlements;
pub mod follow;
pub mod foresee;
pub mod front;
pub mod handover;
pub mod inactivity;
pub mod letters;
pub mod libraries;
pub mod life;
pub mod made_for;
pub mod moments;
mod news;
pub mod numbers;
pub mod offers;
pub mod pausing;
pub mod paying;
pub mod pending;
pub mod plan;
pub mod prices;
pub mod pruning;
pub mod readings;
pub mod reasons;
pub mod refusals;
pub mod rehearsing;
mod rules;
pub mod sales;
pub mod selling;
pub mod sharing;
pub mod sign_in;
pub mod standing_reports;
pub mod starting;
pub mod still_true;
mod tiers;
pub mod trials;
pub mod two_reports;
pub mod undo;
pub mod unmanaged;
pub mod unpaid;
pub mod webhooks;
pub mod who;
mod whose_row;
mod world;

pub use codes::FreeCode;
pub use digest::Digest;
pub use rules::*;
pub use tiers::Tiers;
pub use world::*;

use crate::facts::Moment;
use crate::ledger::Book;

/// Everything a rule may look at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The present instant.
    pub now: Moment,
    /// The operator's thresholds.
    pub rules: &'a Rules,
    /// What is written down.
    pub book: &'a Book,
    /// What the services said last.
    pub world: &'a World,
}
