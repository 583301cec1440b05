//! Centuries of the house rules alone: the policy's readings, decisions and
//! brake are the real ones, day by day; around them stand a few lines that
//! play plex.tv, Stripe, Tautulli and the mail, and many people's lives. What
//! the rules do is held against the lives, which the rules never see (DESIGN
//! §11). Besides, everybody makes moves of the sandbox's alphabets, as far as
//! they do something to what the rules read.
//!
//! Each house has its own seed, which is its size: `USHER_SEED=n` is the house of
//! n people.

mod deeds;
mod door;
mod lives;
mod moves;
mod weather;
mod wrongs;

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use door::{Count, House};

/// Days that each house lives in CI.
const DAYS: u64 = 365;

/// The houses of these sizes, on all cores, largest first.
fn live(mut sizes: Vec<u64>, days: u64) -> Count {
    if let Ok(size) = std::env::var("USHER_SEED") {
        sizes = vec![size.parse().expect("USHER_SEED is a number")];
    }
    let sizes = Mutex::new(sizes.into_iter().rev());
    let next = || sizes.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lives = || {
        let mut count = Count::default();
        while let Some(size) = next() {
            let mut house = House::of(size);
            (0..days).for_each(|_| house.day());
            count.add(&house.count);
        }
        count
    };
    let mut all = Count::default();
    std::thread::scope(|threads| {
        let working: Vec<_> = (0..cores).map(|_| threads.spawn(lives)).collect();
        working.into_iter().for_each(|thread| all.add(&thread.join().unwrap_or_else(|why| resume_unwind(why))));
    });
    println!("{all:#?}");
    all
}

/// Small houses of every size, and a few large ones: as many member-years as fit
/// into a minute of CI, unoptimised.
#[test]
fn centuries_of_the_rules_alone_keep_the_promises() {
    let count = live((1..=40).chain([60, 100, 150, 500]).collect(), DAYS);
    if std::env::var("USHER_SEED").is_err() {
        assert!(count.member_days / DAYS >= 1600, "{count:?}");
        count.must_have_seen_enough();
    }
}

#[test]
#[ignore = "a million member-years: cargo test --profile long --test long million -- --ignored"]
fn a_million_member_years() {
    let count = live((1..=500).collect(), DAYS * 8);
    if std::env::var("USHER_SEED").is_err() {
        assert!(count.member_days / DAYS >= 1_000_000, "{count:?}");
        count.must_have_seen_enough();
    }
}

/// The lives are held against a door that is broken on purpose, one rule after
/// the other: each breach is noticed.
#[test]
fn a_broken_rule_is_noticed() {
    use door::Broken;
    for (broken, noticed) in [
        (Broken::WarnsNobody, &["unwarned"][..]),
        // Whose plays are not believed is removed too early, or by the warning
        // of a spell that a play has ended.
        (Broken::BelievesSilence, &["idle for only", "unwarned"]),
        (Broken::IgnoresPayment, &["pays"]),
        (Broken::ForgetsProtection, &["protected"]),
        (Broken::NoBudget, &["budget"]),
    ] {
        let life = std::panic::catch_unwind(|| {
            let mut house = House::of(120);
            house.broken = Some(broken);
            (0..400).for_each(|_| house.day());
        });
        let why = life.expect_err(&format!("{broken:?} went unnoticed"));
        let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(noticed.iter().any(|wrong| why.contains(wrong)), "{broken:?}: {why}");
    }
}
