//! How long a pass takes, by the size of the house: `cargo bench --bench passes`.
//!
//! Measured is the pure half, which is all that grows with the house: folding
//! a whole reading of Plex, of Stripe and of Tautulli into the book, and deciding
//! over it (`policy::decide::decide`). Where the cost grows as the members do,
//! it is linear.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench may")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use usher::config::Config;
use usher::daemon;
use usher::facts::{
    Activity, Billing, Customer, CustomerId, Email, Friends, Item, Moment, PlexId, PriceId, Reading, Section,
    SectionId, Share, ShareId, ShareState, Status, Subscription, SubscriptionId, Watcher, Whole,
};
use usher::ledger::Book;
use usher::policy::{Rules, Tiers, World, comings, customers, decide, inactivity};
use usher::tier::{Tier, Wanted};

const SIZES: [u64; 3] = [100, 2_000, 10_000];
/// Each figure is the best of as many,
const TRIES: u32 = 5;
/// or as fit in here.
const PATIENCE: Duration = Duration::from_secs(1);
const MOVIES: SectionId = SectionId(1);

fn main() {
    println!("milliseconds (members per second; how many times the size before)");
    println!("{:>8}  {:>28}  {:>28}  {:>28}  {:>28}", "members", "fold Plex", "fold Stripe", "fold Tautulli", "decide");
    let mut before: Option<(u64, [Duration; 4])> = None;
    for size in SIZES {
        let took = measure(size);
        let mut line = format!("{size:>8}");
        for (step, took) in took.into_iter().enumerate() {
            let seconds = took.as_secs_f64();
            let ratio = before.map_or(String::new(), |(_, smaller)| {
                smaller.get(step).map_or(String::new(), |smaller| format!("; x{:.1}", seconds / smaller.as_secs_f64()))
            });
            let said = format!("{:.2} ({:.0}/s{ratio})", seconds * 1e3, size as f64 / seconds);
            line.push_str(&format!("  {said:>28}"));
        }
        let more = before.map_or(String::new(), |(smaller, _)| format!("  x{} the members", size / smaller));
        println!("{line}{more}");
        before = Some((size, took));
    }
}

/// A house in which all is quiet, as nearly every pass finds it.
fn measure(size: u64) -> [Duration; 4] {
    let now = Moment::from_timestamp(1_767_430_800, 0).unwrap();
    let (rules, world) = (rules(), world(now, size));
    let mut book = Book::new(now - TimeDelta::days(100));
    let friends = |book: &mut Book| comings::fold_friends(now, &rules, &world, book, world.plex.last.as_ref().unwrap());
    let billing =
        |book: &mut Book| customers::fold_billing(now, &rules, &world, book, world.stripe.last.as_ref().unwrap());
    let activity = |book: &mut Book| inactivity::fold_activity(&rules, book, world.tautulli.last.as_ref().unwrap());
    let decide = |book: &mut Book| drop(decide::decide(now, &rules, &world, book));
    friends(&mut book);
    billing(&mut book);
    activity(&mut book);
    decide(&mut book);
    assert_eq!(book.members_with_access() as u64, size, "everybody is in the book");
    let settled = book.clone();
    let took = [
        best(|| friends(&mut book)),
        best(|| billing(&mut book)),
        best(|| activity(&mut book)),
        best(|| decide(&mut book)),
    ];
    assert!(!book.differs_from(&settled), "the same facts twice change nothing");
    took
}

/// The best of some tries; what is slow is tried once.
#[allow(clippy::disallowed_methods, reason = "a bench measures the machine's time")]
fn best(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    for _ in 0..TRIES {
        let began = Instant::now();
        work();
        best = best.min(began.elapsed());
        if begun.elapsed() > PATIENCE {
            break;
        }
    }
    best
}

fn rules() -> Rules {
    let tier = Tier { prices: BTreeSet::from([price()]), ..Tier::of("Basic", Wanted::Titles(vec!["Movies".into()])) };
    // As the daemon has them: defaults, with everything turned on.
    let environment = [
        ("PLEX_TOKEN", "bench"),
        ("STRIPE_SECRET_KEY", "sk_test_bench"),
        ("TAUTULLI_URL", "http://127.0.0.1:1"),
        ("TAUTULLI_API_KEY", "bench"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_FROM", "bench@example.com"),
        ("ADMIN_EMAIL", "operator@example.com"),
        ("VIP_NAMES", "guest7"),
        ("DEFAULT_LIBRARIES", "Movies"),
        ("DRY_RUN", "false"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut rules = daemon::rules(&Config::from_env(environment.into_iter()).unwrap()).unwrap();
    rules.tiers = Tiers::File(vec![tier]);
    rules
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
        house_emails: BTreeSet::new(),
        server: "bench".into(),
        server_name: "Bench".into(),
        sections: BTreeMap::from([(MOVIES, movies)]),
        shares: (1..=size).map(|number| share(now, number)).collect(),
        home: BTreeSet::new(),
        friends: None,
        on_other_servers: BTreeSet::new(),
    };
    let customer = |number: u64| Customer {
        id: CustomerId(format!("cus_{number}")),
        email: Some(email(number)),
        name: None,
        deleted: false,
    };
    let billing = Billing {
        catalogue: None,
        subscriptions: payers().map(|number| subscription(now, number)).map(|sub| (sub.id.clone(), sub)).collect(),
        customers: payers().map(customer).map(|customer| (customer.id.clone(), customer)).collect(),
        ..Billing::empty(None, false)
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
        invited_at: None,
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
        items: vec![Item {
            price: price(),
            product: None,
            period_start: None,
            period_end: Some(now + TimeDelta::days(20)),
        }],
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        ended_by_failed_payment: false,
        trial_end: None,
        after_trial: usher::facts::AfterTrial::Unknown,
        member: None,
        signed_in: None,
        collection_paused: false,
        paused: usher::facts::PausedSaid::default(),
        open_invoices: None,
    }
}
