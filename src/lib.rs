//! Usher: the door of a Plex server. People pay through Stripe and are let in;
//! people who stop paying, or stop watching, are warned and then let go;
//! everyone hears about it by mail, and the operator hears it on Discord.
//!
//! # Six verbs
//!
//! *observe → decide → brake → record → act → tell*
//!
//! The reading [`loops`] each ask one outside system what is true and post the
//! answer to the [`engine`], which alone owns the book and alone lets anybody
//! in or out. [`policy`] says, purely, who should have access and why, and its
//! [brake](policy::brake) what may be done now; [`ledger`] is the book they
//! write in, [`store`] keeps it on disk before anything is done. One
//! [act](engine::act) at a time runs beside the engine and is closed by reading
//! back, not by a status code. The [courier](loops::courier) carries the
//! [`letters`].
//!
//! # Ten promises
//!
//! 1. **Warned first.** No removal for inactivity or failed payment without an
//!    accepted warning, in the same spell, long enough ago.
//! 2. **Unknown never removes.** An outage or half an answer only postpones.
//! 3. **Bounded harm.** The brake is on by default.
//! 4. **Paying means in.** Whatever happens to webhooks.
//! 5. **Dry means dry.** Only `DRY_RUN=false` hands out [`config::Live`].
//! 6. **Crash-safe.** Killed between any two steps, it finishes or cancels.
//! 7. **Once.** A notice goes out once.
//! 8. **Protected stay.** No path touches them.
//! 9. **Undo.** Every removal remembers what it took.
//! 10. **Explained and quiet.** `usher why` shows every fact, and no log line
//!     holds a secret.
//!
//! # Follow Ann from card to cinema
//!
//! Ann pays. Stripe's webhook is [verified](door::verify) and leaves a
//! [hint](engine::desk::Hint); the [billing loop](loops::billing::run) looks at
//! her customer at Stripe and posts the look. The engine
//! [folds](policy::customers::fold_look) it: she is in the book. One
//! [pass](policy::decide::decide) finds that she [pays](policy::paying::stands),
//! that her tier [resolves](policy::libraries::resolve) to one library, and
//! [plans](policy::plan::plan) an invite; the brake [admits](policy::brake::admit)
//! it, and it stands in the book as an [intent](ledger::Intent) before anything
//! is sent. The [act](engine::act::run) looks at plex.tv once more, the brake
//! admits it a [second](policy::brake::second) time, the invite goes out, a
//! fresh listing shows it, and it is [confirmed](policy::confirm::confirm). Ann
//! accepts; the [friends loop](loops::friends::run) reads so, the book
//! [sees her come in](policy::comings::fold_friends) and owes her a welcome.
//!
//! # Reading order
//!
//! [`facts`], [`member`], [`tier`], [`ledger`], [`policy`] (a file for each house
//! rule), [`engine`], [`loops`], [`services`], [`door`], [`letters`], [`reports`],
//! [`store`], [`config`], [`commands`], [`daemon`].

pub mod backoff;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod door;
pub mod engine;
pub mod facts;
pub mod hex;
pub mod ledger;
pub mod letters;
pub mod limits;
pub mod loops;
pub mod member;
pub mod policy;
pub mod portal;
pub mod reports;
pub mod secret;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod tier;
