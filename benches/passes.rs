//! How long a pass takes, by the size of the house: `cargo bench --bench passes`.
//!
//! Measured is the pure half, which is all that grows with the house: folding
//! one whole reading of Plex, Stripe and Tautulli, and one decision over the
//! book. It prints members per second, and how much dearer each size is than
//! the one before. As many times dearer as there are more members is linear.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench may")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use usher::facts::{
    Activity, Billing, Customer, CustomerId, Email, Friends, Item, Moment, PlexId, PriceId, Reading, Section,
    SectionId, Share, ShareId, ShareState, Source, Status, Subscription, SubscriptionId, Watcher, Whole,
};
use usher::ledger::{Book, Ways};
use usher::policy::{PruneMode, Rules, Tiers, World, comings, customers, decide, inactivity};
use usher::tier::{Tier, Wanted};

const SIZES: [u64; 3] = [100, 2_000, 10_000];
/// Each figure is the best of as many.
const TRIES: u32 = 5;
const MOVIES: SectionId = SectionId(1);

fn main() {
    println!("{:>8}  {:>26}  {:>26}", "members", "folding a reading of each", "one decision");
    let mut before: Option<(u64, Duration, Duration)> = None;
    for size in SIZES {
        let (fold, pass) = measure(size);
        let (mut fold_ratio, mut pass_ratio, mut more) = (String::new(), String::new(), String::new());
        if let Some((smaller, smaller_fold, smaller_pass)) = before {
            fold_ratio = format!(" (x{:.1})", fold.as_secs_f64() / smaller_fold.as_secs_f64());
            pass_ratio = format!(" (x{:.1})", pass.as_secs_f64() / smaller_pass.as_secs_f64());
            more = format!("   x{:.0} the members", size as f64 / smaller as f64);
        }
        let (fold_said, pass_said) = (said(size, fold) + &fold_ratio, said(size, pass) + &pass_ratio);
        println!("{size:>8}  {fold_said:>26}  {pass_said:>26}{more}");
        before = Some((size, fold, pass));
    }
}

fn said(size: u64, took: Duration) -> String {
    format!("{:.2} ms, {:.0}/s", took.as_secs_f64() * 1e3, size as f64 / took.as_secs_f64())
}

/// A house in which all is quiet, as nearly every pass finds it.
fn measure(size: u64) -> (Duration, Duration) {
    let now = Moment::from_timestamp(1_767_430_800, 0).unwrap();
    let (rules, world) = (rules(), world(now, size));
    let mut book = Book::new(now - TimeDelta::days(100));
    fold(now, &rules, &world, &mut book);
    decide::decide(now, &rules, &world, &mut book);
    assert_eq!(book.members_with_access() as u64, size, "everybody is in the book");
    let settled = book.clone();
    let fold = best(|| fold(now, &rules, &world, &mut book));
    let pass = best(|| drop(decide::decide(now, &rules, &world, &mut book)));
    assert!(!book.differs_from(&settled), "the same facts twice change nothing");
    (fold, pass)
}

#[allow(clippy::disallowed_methods, reason = "a bench measures the machine's time")]
fn best(mut work: impl FnMut()) -> Duration {
    let timed = |_| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..TRIES).map(timed).min().unwrap()
}

fn fold(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    comings::fold_friends(now, rules, world, book, world.plex.last.as_ref().unwrap());
    customers::fold_billing(now, rules, world, book, world.stripe.last.as_ref().unwrap());
    inactivity::fold_activity(book, world.tautulli.last.as_ref().unwrap());
}

fn rules() -> Rules {
    let tier = Tier {
        name: "Basic".into(),
        description: None,
        prices: BTreeSet::from([price()]),
        libraries: Wanted::Titles(vec!["Movies".into()]),
        downloads: false,
    };
    Rules {
        warn_days: 27,
        kick_days: 30,
        prune_mode: PruneMode::Auto,
        payment_grace_days: 7,
        settle: TimeDelta::hours(24),
        expiry_warn_days: vec![7, 3],
        paused_collection_ends: false,
        vip_names: vec!["guest7".into()],
        admin_email: None,
        removals_per_day_max: None,
        removal_pace: TimeDelta::minutes(10),
        intervals: BTreeMap::new(),
        configured: Source::ALL.into_iter().collect(),
        ways: Ways { mail: true, operator_mail: true, discord: true, dry_run: false },
        tz: chrono_tz::UTC,
        tiers: Tiers::File(vec![tier]),
        products: BTreeSet::new(),
        forget_days: Some(30),
    }
}

fn price() -> PriceId {
    PriceId("price_basic".into())
}

fn email(number: u64) -> Email {
    Email::parse(&format!("guest{number}@example.com")).unwrap()
}

/// Two of three pay; all have watched within the last three weeks.
fn world(now: Moment, size: u64) -> World {
    let payers = || (1..=size).filter(|number| number % 3 != 0);
    let movies = Section { id: MOVIES, key: 1, title: "Movies".into() };
    let friends = Friends {
        owner: PlexId(1_000_000),
        owner_email: None,
        server: "bench".into(),
        server_name: "Bench".into(),
        sections: BTreeMap::from([(MOVIES, movies)]),
        shares: (1..=size).map(|number| share(now, number)).collect(),
        home: BTreeSet::new(),
        on_other_servers: BTreeSet::new(),
    };
    let customer = |number: u64| Customer {
        id: CustomerId(format!("cus_{number}")),
        email: Some(email(number)),
        name: None,
        deleted: false,
    };
    let billing = Billing {
        account: None,
        key_livemode: false,
        livemode_fits: true,
        catalogue: None,
        subscriptions: payers().map(|number| subscription(now, number)).map(|sub| (sub.id.clone(), sub)).collect(),
        customers: payers().map(customer).map(|customer| (customer.id.clone(), customer)).collect(),
        stated: BTreeMap::new(),
        moments: Vec::new(),
        cursor: None,
    };
    let watcher = |number: u64| Watcher {
        last_play: Some(now - TimeDelta::hours(24 + i64::try_from(number % 500).unwrap())),
        keep_history: true,
    };
    let activity = Activity {
        server: "bench".into(),
        connected: true,
        people: (1..=size).map(|number| (PlexId(number), watcher(number))).collect(),
        watching_now: Some(BTreeSet::new()),
        oldest_play: Some(now - TimeDelta::days(900)),
        history_total: size * 100,
        unlogged_keys: BTreeSet::new(),
    };
    let mut world = World::default();
    // Twice: the first look of a process only looks.
    for _ in 0..2 {
        world.plex.see(Reading::Read(whole(now, friends.clone())));
        world.stripe.see(Reading::Read(whole(now, billing.clone())));
        world.tautulli.see(Reading::Read(whole(now, activity.clone())));
    }
    world
}

fn whole<T>(now: Moment, value: T) -> Whole<T> {
    Whole { begun: now - TimeDelta::seconds(2), at: now - TimeDelta::seconds(1), skew_secs: Some(0), value }
}

fn share(now: Moment, number: u64) -> Share {
    Share {
        id: ShareId(number),
        account: Some(PlexId(number)),
        username: Some(format!("guest{number}")),
        title: None,
        email: Some(email(number)),
        sections: BTreeSet::from([MOVIES]),
        all_libraries: false,
        downloads: Some(false),
        settings: None,
        state: ShareState::Accepted { accepted_at: Some(now - TimeDelta::days(200)) },
        home: false,
        restricted: false,
    }
}

fn subscription(now: Moment, number: u64) -> Subscription {
    Subscription {
        id: SubscriptionId(format!("sub_{number}")),
        customer: CustomerId(format!("cus_{number}")),
        status: Status::Active,
        created: now - TimeDelta::days(90),
        items: vec![Item { price: price(), product: None, period_end: Some(now + TimeDelta::days(20)) }],
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        ended_by_failed_payment: false,
        trial_end: None,
        collection_paused: false,
        open_invoices: None,
    }
}
