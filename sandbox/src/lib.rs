//! The outside world in a box: stateful stand-ins of the services around
//! Usher, over real sockets, in virtual time.
//!
//! What it promises: each stand-in behaves as the real service was seen to
//! behave, traps included, and can be told to misbehave ([`faults`]). Every
//! request is kept, and one that the real service wouldn't expect is kept
//! apart, so a test can demand that there was none. What it never does: read
//! the machine's time, sleep in real time, start a thread, leave 127.0.0.1.
//!
//! Reading order: [`time`], [`wire`], [`http`], [`faults`], [`base`], then one module
//! for each service; then [`attic`], which is all of them together, [`rig`],
//! which runs the daemon among them, and [`season`], which tells a story.

pub mod alphabet;
pub mod attic;
pub mod base;
pub mod dice;
pub mod discord;
pub mod faults;
pub mod http;
pub mod mailbag;
pub mod plex;
pub mod plug;
pub mod rig;
pub mod season;
pub mod smtp;
pub mod stripe;
pub mod tautulli;
pub mod time;
pub mod tls;
pub mod trap;
pub mod wire;
