//! The shipped binary as its operator meets it: a process, in real time.

mod child;
mod commands;
mod deaf;
mod kills;
mod stops;
