//! R1, R2, R4: what Stripe says, taken up: what is believed of a listing, whose
//! a subscription is, and what the operator hears of it.

use chrono::TimeDelta;
use usher::facts::{
    AfterTrial, Item, Moment, PriceId, ProductId, Reading, Stated, Status, StripeAccountId, Subscription,
    SubscriptionId, Whole,
};
use usher::ledger::{Billed, Letter, Member, Payer, Population, Proof};
use usher::policy::{Tiers, customers, readings};

use super::house::{House, MOVIES, days, email, unpaid};

/// Ann (200) and Bob (201) are here and pay for Basic.
fn house() -> (House, SubscriptionId) {
    let mut house = House::new();
    for (n, name) in [(0, "ann"), (1, "bob")] {
        house.share(10 + n, 200 + n, name, &[MOVIES], days(400));
    }
    house.settle();
    let ann = house.subscribe("sub_ann", "ann", "price_basic");
    house.subscribe("sub_bob", "bob", "price_basic");
    house.settle();
    house.billing.stated.clear();
    (house, ann)
}

/// A whole reading of Stripe as it is now, begun then.
fn listed(house: &mut House, begun: Moment) {
    let whole = Whole { begun, at: house.now, skew_secs: Some(0), value: house.billing.clone() };
    house.world.stripe.see(Reading::Read(whole));
    readings::fold_stripe(house.now, &house.rules, &mut house.world, &mut house.book);
    house.decide();
}

fn now(house: &mut House) {
    listed(house, house.now);
}

/// Stripe, asked about this one singly, says so.
fn state(house: &mut House, sub: &SubscriptionId, change: impl FnOnce(&mut Subscription)) {
    let mut one = house.billing.subscriptions.get(sub).unwrap_or(&billed(house, "ann").now).clone();
    change(&mut one);
    house.billing.stated = [(sub.clone(), Stated::Is(Box::new(one)))].into();
}

fn canceled(sub: &mut Subscription) {
    (sub.status, sub.ended_at) = (Status::Canceled, Some(sub.created + TimeDelta::minutes(1)));
}

fn billed<'a>(house: &'a House, name: &str) -> &'a Billed {
    house.payer(name).subscriptions.values().next().unwrap()
}

fn status(house: &House) -> &Status {
    &billed(house, "ann").now.status
}

/// Title and detail of what the operator was told under this occasion.
fn told(house: &House, about: &str) -> Vec<(String, String)> {
    let told = house.letters("attention").into_iter().filter(|key| key.0.contains(about));
    told.map(|key| match &house.book.outbox[key].letter {
        Letter::Attention { title, detail, .. } => (title.clone(), detail.clone()),
        _ => panic!(),
    })
    .collect()
}

fn explained(house: &House) -> usize {
    house.book.explained.iter().filter(|explained| explained.population == Population::Subscriptions).count()
}

#[test]
fn promise_04_an_end_that_only_a_listing_shows_is_not_believed() {
    let (mut house, sub) = house();
    house.sub(&sub).status = Status::Canceled;
    now(&mut house);
    assert_eq!(status(&house), &Status::Active, "Stripe was not asked about her");
    house.billing.subscriptions.remove(&sub);
    now(&mut house);
    assert_eq!((status(&house), explained(&house)), (&Status::Active, 0), "nor when it isn't listed");
    state(&mut house, &sub, canceled);
    now(&mut house);
    assert_eq!((status(&house), explained(&house)), (&Status::Canceled, 1));
}

#[test]
fn what_is_over_already_is_believed_as_it_is_listed() {
    let (mut house, sub) = house();
    state(&mut house, &sub, |sub| sub.status = Status::Canceled);
    house.billing.subscriptions.remove(&sub).unwrap();
    now(&mut house);
    let mut one = billed(&house, "ann").now.clone();
    assert_eq!((&one.status, one.ended_at), (&Status::Canceled, None));
    canceled(&mut one);
    house.billing.stated.clear();
    house.billing.subscriptions.insert(sub, one);
    now(&mut house);
    assert!(billed(&house, "ann").now.ended_at.is_some(), "since when is known now");
}

#[test]
fn what_stripe_says_singly_goes_before_what_it_lists() {
    let (mut house, sub) = house();
    state(&mut house, &sub, canceled);
    now(&mut house);
    assert_eq!(status(&house), &Status::Canceled);
}

#[test]
fn what_goes_on_is_believed_as_it_is_listed() {
    let (mut house, sub) = house();
    house.sub(&sub).items[0].price = PriceId::from("price_premium");
    now(&mut house);
    assert_eq!(billed(&house, "ann").tiers, ["Premium".to_owned()].into());
}

#[test]
fn a_listing_that_was_begun_before_a_look_at_the_customer_does_not_undo_it() {
    let (mut house, sub) = house();
    let (customer, looked) = (house.sub(&sub).customer.clone(), house.now + TimeDelta::seconds(1));
    house.world.customers_looked.insert(customer, looked);
    house.sub(&sub).status = Status::PastDue;
    now(&mut house);
    assert_eq!(status(&house), &Status::Active);
    state(&mut house, &sub, canceled);
    house.billing.subscriptions.remove(&sub);
    now(&mut house);
    assert_eq!(status(&house), &Status::Active, "nor does what was said singly before the look");
    listed(&mut house, looked);
    assert_eq!(status(&house), &Status::Canceled);
}

#[test]
fn promise_04_a_subscription_that_stripe_no_longer_knows_ends_nobody_and_is_told_once() {
    let (mut house, sub) = house();
    house.billing.subscriptions.remove(&sub);
    house.billing.stated = [(sub.clone(), Stated::NotFound)].into();
    let since = house.now;
    for _ in 0..3 {
        now(&mut house);
        house.later(days(1));
    }
    assert_eq!(billed(&house, "ann").vanished, Some(since));
    assert_eq!(told(&house, "vanished-").len(), 1);
    assert!(house.member(200).has_access() && house.decided().is_empty(), "{:?}", house.decided());
}

#[test]
fn promise_02_a_stripe_that_knows_nothing_at_all_takes_nobody_for_vanished() {
    let (mut house, sub) = house();
    house.billing.subscriptions.clear();
    house.billing.stated = [(sub, Stated::NotFound)].into();
    now(&mut house);
    assert_eq!(billed(&house, "ann").vanished, None);
}

#[test]
fn nothing_is_taken_from_another_account_or_of_another_mode() {
    let spoil: [fn(&mut House); 3] = [
        |house| house.billing.account = Some(StripeAccountId::from("acct_2")),
        |house| house.billing.key_livemode = false,
        |house| house.billing.livemode_fits = false,
    ];
    for spoil in spoil {
        let (mut house, sub) = house();
        canceled(house.sub(&sub));
        state(&mut house, &sub, canceled);
        spoil(&mut house);
        let before = house.book.clone();
        let whole = Whole { begun: house.now, at: house.now, skew_secs: None, value: house.billing.clone() };
        customers::fold_billing(house.now, &house.rules, &house.world, &mut house.book, &whole);
        assert!(!house.book.differs_from(&before));
        assert_eq!(house.book.identities.stripe_account, before.identities.stripe_account);
    }
}

#[test]
fn what_a_trial_ends_in_is_known_until_stripe_says_otherwise() {
    let (mut house, sub) = house();
    for (said, known) in [
        (AfterTrial::Charged, AfterTrial::Charged),
        (AfterTrial::Unknown, AfterTrial::Charged),
        (AfterTrial::Canceled, AfterTrial::Canceled),
    ] {
        house.sub(&sub).after_trial = said;
        now(&mut house);
        assert_eq!(billed(&house, "ann").now.after_trial, known);
    }
}

#[test]
fn only_what_is_older_than_the_book_by_more_than_the_clocks_may_differ_is_adopted() {
    let (mut house, _) = house();
    let (at, end) = (house.book.begun - TimeDelta::minutes(5), house.now + days(20));
    for (name, created) in [("cleo", at), ("dora", at - TimeDelta::seconds(1))] {
        let sub = house.subscribe(&format!("sub_{name}"), name, "price_basic");
        house.sub(&sub).created = created;
        house.sub(&sub).cancel_at = Some(end);
    }
    now(&mut house);
    assert_eq!((billed(&house, "cleo").adopted, billed(&house, "dora").adopted), (false, true));
    let heard = house.letters("cancellation_received");
    assert_eq!(heard.len(), 1, "what Dora was told before nobody knows");
    assert_eq!(house.book.outbox[heard[0]].member.as_ref(), Some(&house.payer("cleo").id));
}

#[test]
fn who_takes_back_a_cancellation_is_forgiven_the_time_in_which_they_did_not_watch() {
    let (mut house, sub) = house();
    let (end, returned) = (house.now + days(20), |house: &House| house.payer("ann").returned);
    now(&mut house);
    assert_eq!(returned(&house), None, "a subscription that just goes on is no return");
    house.sub(&sub).cancel_at = Some(end);
    now(&mut house);
    now(&mut house);
    assert_eq!(returned(&house), None, "nor is one that is to end");
    house.sub(&sub).cancel_at = None;
    house.later(days(1));
    now(&mut house);
    assert_eq!(returned(&house), Some(house.now));
}

#[test]
fn a_word_that_usher_does_not_know_ends_nobody_explains_nothing_and_is_told_once() {
    let (mut house, sub) = house();
    now(&mut house);
    assert_eq!(explained(&house), 0, "nothing is missing");
    for _ in 0..2 {
        state(&mut house, &sub, |sub| sub.status = Status::Unknown("frozen".into()));
        now(&mut house);
    }
    assert_eq!((explained(&house), told(&house, "status-").len()), (0, 1));
    assert!(house.decided().is_empty());
}

#[test]
fn a_price_that_is_taken_out_of_the_tiers_ends_nobody_and_is_told_by_its_name() {
    let (mut house, _) = house();
    assert_eq!(told(&house, "no-tier").len(), 0);
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    for tier in tiers.iter_mut() {
        tier.prices = [PriceId::from(format!("price_new_{}", tier.name).as_str())].into();
    }
    now(&mut house);
    assert!(billed(&house, "ann").tiers.is_empty(), "what it gives now nobody knows");
    let told = told(&house, "no-tier-sub_ann");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "A subscription has a price that is in no tier");
    assert!(told[0].1.contains("price_basic"), "{told:?}");
    house.days(3);
    assert!(house.decided().is_empty(), "{:?}", house.decided());
}

#[test]
fn of_several_prices_the_one_without_a_tier_is_named() {
    let (mut house, sub) = house();
    house.rules.products = [ProductId::from("prod_9")].into();
    let product = Some(ProductId::from("prod_9"));
    house.sub(&sub).items.push(Item {
        price: PriceId::from("price_odd"),
        product,
        period_start: None,
        period_end: None,
    });
    now(&mut house);
    let told = told(&house, "no-tier-sub_ann");
    assert!(told[0].1.contains("price_odd") && !told[0].1.contains("price_basic"), "{told:?}");
}

#[test]
fn the_first_invoice_that_was_not_paid_counts_as_long_as_it_is_open() {
    let (mut house, sub) = house();
    let january = house.now;
    let from = |house: &House| billed(house, "ann").unpaid_from.clone().map(|invoice| invoice.0);
    house.past_due(&sub, "in_jan", january);
    now(&mut house);
    assert_eq!(from(&house).as_deref(), Some("in_jan"));
    let february = january + days(31);
    house.later(days(31));
    house.sub(&sub).items[0].period_start = Some(february);
    house.sub(&sub).open_invoices = Some(vec![unpaid("in_jan", january), unpaid("in_feb", february)]);
    now(&mut house);
    assert_eq!(from(&house).as_deref(), Some("in_jan"), "a new cycle doesn't begin the grace anew");
    house.sub(&sub).open_invoices = Some(vec![unpaid("in_feb", february)]);
    now(&mut house);
    assert_eq!(from(&house).as_deref(), Some("in_feb"));
    house.sub(&sub).open_invoices = None;
    now(&mut house);
    assert_eq!(from(&house).as_deref(), Some("in_feb"), "what was not read changes nothing");
    house.sub(&sub).status = Status::Active;
    now(&mut house);
    assert_eq!(from(&house), None);
}

#[test]
fn the_journal_says_what_became_of_a_subscription() {
    let (mut house, sub) = house();
    let end = house.now + days(20);
    house.sub(&sub).cancel_at = Some(end);
    now(&mut house);
    house.sub(&sub).cancel_at = None;
    now(&mut house);
    house.past_due(&sub, "in_1", house.now);
    now(&mut house);
    now(&mut house);
    let journal: Vec<&str> = house.payer("ann").journal.iter().map(|entry| entry.what.as_str()).collect();
    let about: Vec<&str> = journal.into_iter().filter(|what| what.starts_with("sub_ann ")).collect();
    let (set, back) = (format!("sub_ann is set to end on {}", end.date_naive()), "sub_ann is no longer set to end");
    assert_eq!(about, ["sub_ann is active", &set, back, "sub_ann went from active to past_due"]);
}

fn payer<'a>(house: &'a House, name: &str) -> &'a Payer {
    house.payer(name).customers.values().next().unwrap()
}

#[test]
fn an_address_that_is_changed_at_stripe_later_gets_the_letters_and_proves_nothing() {
    let (mut house, _) = house();
    let ann = "cus_ann".into();
    house.billing.customers.get_mut(&ann).unwrap().email = Some(email("bob"));
    now(&mut house);
    assert_eq!(
        (&payer(&house, "ann").email, &payer(&house, "ann").mail_to),
        (&Some(email("ann")), &Some(email("bob")))
    );
    house.billing.customers.get_mut(&ann).unwrap().deleted = true;
    house.billing.customers.get_mut(&ann).unwrap().email = None;
    now(&mut house);
    assert_eq!(payer(&house, "ann").mail_to, Some(email("bob")), "of a deleted one nothing is said");
    // Who gave none at first is known by the first one that they give.
    house.subscribe("sub_zoe", "zoe", "price_basic");
    house.billing.customers.get_mut(&"cus_zoe".into()).unwrap().email = None;
    now(&mut house);
    assert_eq!(payer(&house, "zoe").email, None);
    house.billing.customers.get_mut(&"cus_zoe".into()).unwrap().email = Some(email("zoe"));
    now(&mut house);
    assert_eq!(payer(&house, "zoe").email, Some(email("zoe")));
}

/// A customer of another name subscribes, where our own key wrote whose it is.
fn bought_for(house: &mut House, whom: &Member, created: Moment) -> Option<Proof> {
    let sub = house.subscribe("sub_other", "other", "price_premium");
    house.sub(&sub).member = Some(whom.id.clone());
    house.sub(&sub).created = created;
    now(house);
    assert_eq!(house.payer("other").id == whom.id, created >= whom.since, "made for nobody who came later");
    payer_of(house, whom).and_then(|payer| payer.proof)
}

fn payer_of<'a>(house: &'a House, whom: &Member) -> Option<&'a Payer> {
    house.book.members[&whom.id].customers.get(&"cus_other".into())
}

#[test]
fn what_was_bought_for_a_member_is_theirs_and_proves_an_account_only_where_they_have_one() {
    let (mut house, _) = house();
    let ann = house.member(200).clone();
    assert_eq!(bought_for(&mut house, &ann, ann.since), Some(Proof::Checkout));
    let (mut later, _) = self::house();
    assert_eq!(bought_for(&mut later, &ann, ann.since - TimeDelta::seconds(1)), None);
    let (mut house, _) = self::house();
    house.subscribe("sub_zoe", "zoe", "price_basic");
    now(&mut house);
    let zoe = house.payer("zoe").clone();
    assert_eq!((zoe.plex, bought_for(&mut house, &zoe, zoe.since)), (None, None));
}

#[test]
fn what_is_none_of_ours_is_counted_and_told_once_and_is_no_part_of_the_population() {
    let (mut house, ann) = house();
    assert_eq!(told(&house, "foreign").len(), 0);
    for name in ["mug", "cap"] {
        let id = house.subscribe(&format!("sub_{name}"), name, "price_mug");
        house.sub(&id).items[0].product = Some(ProductId::from("prod_mug"));
    }
    house.read();
    assert_eq!(told(&house, "foreign").len(), 1, "at the first reading");
    house.settle();
    let told = told(&house, "foreign");
    assert_eq!(told.len(), 1, "and once");
    assert!(told[0].0.starts_with("2 subscriptions"), "{told:?}");
    let running = |house: &House| customers::running(&house.rules, &house.book, &house.billing);
    assert_eq!(running(&house), 2, "Ann's and Bob's");
    // Ann buys a mug as well, and her place comes from an entitlement now.
    house.sub(&ann).items[0].price = PriceId::from("price_mug");
    house.sub(&ann).items[0].product = Some(ProductId::from("prod_mug"));
    assert_eq!(running(&house), 1);
    let id = house.payer("ann").id.clone();
    let members = &mut house.book.members;
    members.get_mut(&id).unwrap().subscriptions.get_mut(&ann).unwrap().entitled = ["Plus".to_owned()].into();
    assert_eq!(running(&house), 2);
    canceled(house.sub(&ann));
    assert_eq!(running(&house), 1);
}
