//! R2: who is who.
//!
//! What it promises: a customer is linked to a Plex account once, by proof; a
//! typed name, an address that was changed later, or a label proves nothing and
//! moves nothing; nobody loses anything while they may be somebody who pays.
//!
//! - [`known`]: everything by which a person may be recognised;
//! - [`link`]: whose a customer is, and what becomes of proofs that disagree;
//! - [`doubt`]: who may be a payer of whom no account is known, and so waits;
//! - [`find`]: whom a command or a program means.

mod doubt;
mod find;
mod known;
mod link;
mod merge;
mod vips;

pub use doubt::{Doubt, could_be_theirs, may_pay, spare_who_may_pay, tell_doubts};
pub use find::{callable, called, find, in_full, is_known, with_address};
pub use known::{Known, remember_addresses};
pub use link::{
    bind_account, link_by_standing_share, link_payers, lose_account, prove_by_acceptance, set_account, tell_disputes,
};
pub use merge::merge;
pub use vips::bind_vips;

use super::libraries;
use crate::facts::Email;
use crate::ledger::{Book, Member};

/// Addresses behind which another Plex identity hides: not invited, asked for
/// a Plex address instead.
#[must_use]
pub fn is_relay(email: &Email) -> bool {
    const RELAYS: [&str; 3] = ["@privaterelay.appleid.com", "@relay.firefox.com", "@mozmail.com"];
    RELAYS.iter().any(|relay| email.as_str().ends_with(relay))
}

/// A Plex account of theirs is known, or was until plex.tv knew it no more.
#[must_use]
pub fn has_had_account(member: &Member) -> bool {
    member.plex.is_some() || !member.former_accounts.is_empty()
}

/// Titles of what a member's share opens, for letters.
#[must_use]
pub fn open_to(book: &Book, member: &Member) -> Vec<String> {
    member
        .share
        .as_ref()
        .map_or_else(Vec::new, |share| libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known)))
}
