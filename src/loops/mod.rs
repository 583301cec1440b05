//! The loops that run side by side, one file a loop.

pub mod courier;
