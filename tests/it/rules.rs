//! The rules alone: the house on paper, no network, no disk.

mod house;
mod looking;
