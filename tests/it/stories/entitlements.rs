//! Stripe's Entitlements, beside prices (R1).

use sandbox::faults::{Fault, Matching};
use sandbox::rig::Rig;
use sandbox::stripe::Interval;
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, heard, holds, say, unhurried, why};

const ASKED: &str = "/v1/entitlements/active_entitlements";

/// Basic by its price; the lookup key `plus` opens TV.
fn write_tiers(rig: &Rig) {
    let tiers = json!([
        { "name": "Basic", "prices": [rig.basic], "libraries": ["Movies"] },
        { "name": "Plus", "entitlement": "plus", "libraries": ["TV"] },
    ]);
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
}

/// A price of a product that gives its buyers that feature.
fn sells(rig: &Rig, name: &str, feature: &str) -> (String, String) {
    let product = rig.stripe.add_product(name, &[]);
    rig.stripe.attach_feature(&product, feature);
    let price = rig.stripe.add_price(&product, 700, "usd", Some(Interval::Month));
    (product, price)
}

/// Ann pays for Basic and, beside it, for what gives the feature.
async fn ann(rig: &Rig) -> (PlexId, String) {
    let (product, extra) = sells(rig, "Evenings", "plus");
    let account = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&sandbox::rig::address("ann"), "ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.stripe.subscribe(&customer, &extra);
    rig.minutes(2).await;
    assert!(rig.plex.accept_invite(sandbox::rig::address("ann").as_str()).is_some(), "invited");
    rig.minutes(10).await;
    assert_eq!(rig.plex.share_of(account).expect("a share").sections, [rig.movies, rig.tv]);
    (account, product)
}

fn asked(rig: &Rig) -> usize {
    rig.stripe.requests().iter().filter(|request| request.path == ASKED).count()
}

#[tokio::test(start_paused = true)]
async fn an_entitlement_opens_its_tier_also_for_who_pays_for_something_else() {
    let mut rig = Rig::new("entitled").await;
    write_tiers(&rig);
    let (_, price) = sells(&rig, "Club", "plus");
    let mug = rig.stripe.add_product("Mug", &[]);
    let mug = rig.stripe.add_price(&mug, 100, "usd", Some(Interval::Month));
    rig.open().await;
    let account = rig.person(2_000_002, "bob");
    rig.stripe.subscribe(&rig.stripe.customer(&sandbox::rig::address("bob"), "bob"), &price);
    rig.stripe.subscribe(&rig.stripe.customer("cy@example.com", "cy"), &mug);
    rig.minutes(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "bob, and nobody for a mug");
    assert!(rig.plex.accept_invite(sandbox::rig::address("bob").as_str()).is_some());
    rig.minutes(5).await;
    assert_eq!(rig.plex.share_of(account).expect("a share").sections, [rig.tv]);
    let page = why(&rig, "bob").await;
    assert!(page.contains("entitlements: plus [Stripe, read"), "{page}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_02_entitlements_that_can_not_be_read_change_nobodys_libraries_and_are_told_once() {
    for (name, fault) in [
        ("entitlements-403", Fault::status(403)),
        ("entitlements-500", Fault::status(500)),
        ("entitlements-html", Fault::Html),
    ] {
        let mut rig = Rig::new(name).await;
        unhurried(&mut rig, 1);
        write_tiers(&rig);
        rig.open().await;
        let (account, _) = ann(&rig).await;
        let before = rig.plex.changes().len();
        rig.stripe.faults().always(Matching::PathContains(ASKED.into()), fault);
        rig.days(2).await;
        assert_eq!(rig.plex.changes().len(), before, "{name}");
        assert_eq!(rig.plex.share_of(account).expect("a share").sections, [rig.movies, rig.tv]);
        assert_eq!(heard(&rig, "entitlements can't be read"), 1, "{name}: {:?}", rig.operator_subjects());
        assert_eq!(heard(&rig, "Stripe can't be read"), 0, "{name}: {:?}", rig.operator_subjects());
        // Others' payments count all the while.
        rig.stripe.subscribe(&rig.stripe.customer("dee@example.com", "dee"), &rig.basic);
        rig.minutes(5).await;
        assert_eq!(rig.plex.changes().len(), before + 1, "{name}");
        rig.stripe.faults().clear();
        rig.hours(3).await;
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feature_that_is_taken_away_narrows_only_with_the_operators_word() {
    let mut rig = Rig::new("entitlement-gone").await;
    write_tiers(&rig);
    rig.open().await;
    let (account, product) = ann(&rig).await;
    rig.stripe.detach_feature(&product, "plus");
    rig.hours(30).await;
    assert_eq!(rig.plex.share_of(account).expect("a share").sections, [rig.movies, rig.tv]);
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"], "{waiting:?}");
    say(&rig, "approve", &[&waiting[0].0]).await;
    rig.minutes(10).await;
    assert_eq!(rig.plex.share_of(account).expect("a share").sections, [rig.movies]);
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_about_without_an_entitlement_in_the_tiers_and_seldom_with_one() {
    let mut rig = Rig::new("entitlements-cost").await;
    let (_, price) = sells(&rig, "Club", "plus");
    for n in 0..25 {
        let customer = rig.stripe.customer(&format!("payer{n}@example.com"), "payer");
        rig.stripe.subscribe(&customer, &price);
    }
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(asked(&rig), 0);
    write_tiers(&rig);
    rig.minutes(2).await;
    assert!((1..=40).contains(&asked(&rig)), "{} at once", asked(&rig));
    rig.hours(1).await;
    let before = asked(&rig);
    assert!(before >= 25, "everybody: {before}");
    rig.hours(10).await;
    assert!((200..=275).contains(&(asked(&rig) - before)), "hourly: {}", asked(&rig) - before);
    all_is_well(&rig);
}
