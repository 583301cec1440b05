//! The rules alone: the house on paper, no network, no disk.

mod by_hand;
mod house;
mod looking;
