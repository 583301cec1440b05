//! The rules alone: the house on paper, no network, no disk.

mod afterwards;
mod asking;
mod book;
mod by_hand;
mod codes;
mod crowds;
mod digest;
mod entitlements;
mod front;
mod granting;
pub(crate) mod house;
mod idle_spells;
mod linking;
mod looking;
mod money;
mod offers;
mod pending;
mod pruning;
mod rehearsing;
mod restoring;
mod rows;
mod selling;
mod sign_in;
mod spells;
mod two_reports;
mod unmanaged;
