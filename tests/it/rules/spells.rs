//! R1 and R4: each failing subscription has its own spell, grace counts from
//! this cycle's invoice, and several prices buy the union.

use chrono::TimeDelta;
use usher::facts::{Item, PriceId, ProductId, Status, SubscriptionId};
use usher::policy::Scene;
use usher::policy::reasons;

use super::house::{House, MOVIES, TV, days, unpaid};

/// Ann pays for this and is in, as account 200, by an invite of ours.
fn member(house: &mut House, price: &str) -> SubscriptionId {
    let (sub, _) = house.ann_pays(price);
    house.carry_out();
    house.deliver();
    sub
}

fn item(price: &str) -> Item {
    Item { price: PriceId::from(price), product: Some(ProductId::from("prod_1")), period_start: None, period_end: None }
}

fn member_letters(house: &House) -> usize {
    house.letters("payment_failed").iter().filter(|key| key.0.ends_with("/member")).count()
}

#[test]
fn promise_01_two_subscriptions_that_fail_at_once_have_each_their_letter_and_their_time() {
    let mut house = House::new();
    let first = member(&mut house, "price_basic");
    let second = house.subscribe("sub_2", "ann", "price_premium");
    house.settle();
    house.carry_out();
    let failed = house.now;
    house.past_due(&first, "in_1", failed);
    house.settle();
    house.later(days(4));
    let failed_later = house.now;
    house.past_due(&second, "in_2", failed_later);
    house.settle();
    assert_eq!(member_letters(&house), 2, "one about each");
    house.deliver();
    house.days(5);
    assert_eq!(house.ends(), Vec::<String>::new(), "the second still has grace");
    house.days(4);
    assert_eq!(house.ends().len(), 1, "{:?}", house.member(200).journal);
    assert_eq!(member_letters(&house), 2, "neither hid the other and asked anew");
}

/// R10: the key says what it is about, so the same isn't owed twice; however
/// often it is decided, what is out stays out.
#[test]
fn promise_07_a_letter_that_is_out_is_not_owed_again_however_often_the_same_is_decided() {
    let mut house = House::new();
    let sub = member(&mut house, "price_basic");
    house.past_due(&sub, "in_1", house.now);
    house.settle();
    house.deliver();
    let letters = house.book.outbox.clone();
    assert_eq!(member_letters(&house), 1);
    for _ in 0..5 {
        house.later(TimeDelta::hours(3));
        // As after a restart, or when a spell's record was lost.
        for member in house.book.members.values_mut() {
            member.unpaid.clear();
        }
        house.settle();
    }
    let now: Vec<_> = letters.keys().map(|key| (key, &house.book.outbox[key].deliveries)).collect();
    let then: Vec<_> = letters.iter().map(|(key, notice)| (key, &notice.deliveries)).collect();
    assert_eq!(now, then, "none is due again");
    assert_eq!(house.book.outbox.len(), letters.len(), "none is new");
}

#[test]
fn one_that_is_paid_leaves_the_others_spell_alone() {
    let mut house = House::new();
    let first = member(&mut house, "price_basic");
    let second = house.subscribe("sub_2", "ann", "price_premium");
    house.settle();
    house.carry_out();
    let failed = house.now;
    house.past_due(&first, "in_1", failed);
    house.past_due(&second, "in_2", failed);
    house.days(2);
    house.sub(&first).status = Status::Active;
    house.sub(&first).open_invoices = None;
    house.settle();
    let spells: Vec<_> = house.member(200).unpaid.keys().cloned().collect();
    assert_eq!(spells, [second]);
    house.days(20);
    assert_eq!(house.ends(), Vec::<String>::new(), "the first pays");
}

#[test]
fn promise_04_an_invoice_forgotten_long_ago_does_not_shorten_this_cycles_grace() {
    let mut house = House::new();
    let sub = member(&mut house, "price_basic");
    let (forgotten, renewed) = (house.now - days(200), house.now);
    house.sub(&sub).items[0].period_start = Some(renewed);
    house.sub(&sub).status = Status::PastDue;
    house.sub(&sub).open_invoices =
        Some(vec![unpaid("in_old", forgotten), unpaid("in_now", renewed + TimeDelta::hours(1))]);
    house.days(6);
    assert_eq!(house.ends(), Vec::<String>::new(), "7 days of grace from this cycle's invoice");
    house.days(3);
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn a_new_cycle_does_not_begin_the_grace_anew_while_the_first_unpaid_invoice_is_open() {
    let mut house = House::new();
    let sub = member(&mut house, "price_basic");
    let january = house.now;
    house.sub(&sub).items[0].period_start = Some(january);
    house.past_due(&sub, "in_jan", january);
    house.sub(&sub).open_invoices.as_mut().unwrap()[0].next_attempt_at = Some(january + days(31));
    house.days(31);
    assert_eq!(house.ends(), Vec::<String>::new(), "Stripe still tried");
    // February's invoice comes and is not paid either; nobody tries any more.
    let february = house.now;
    house.sub(&sub).items[0].period_start = Some(february);
    house.sub(&sub).open_invoices = Some(vec![unpaid("in_jan", january), unpaid("in_feb", february)]);
    house.settle();
    assert_eq!(house.ends().len(), 1, "January's grace was over long ago: {:?}", house.waiting);
    assert_eq!(member_letters(&house), 1);
}

#[test]
fn where_all_that_is_open_is_old_the_youngest_of_it_counts() {
    let mut house = House::new();
    let sub = member(&mut house, "price_basic");
    let now = house.now;
    house.sub(&sub).items[0].period_start = Some(now);
    house.sub(&sub).status = Status::Unpaid;
    house.sub(&sub).open_invoices = Some(vec![unpaid("in_a", now - days(90)), unpaid("in_b", now - days(3))]);
    house.days(3);
    assert_eq!(house.ends(), Vec::<String>::new());
    house.days(4);
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn several_prices_in_one_subscription_open_all_that_they_buy() {
    let mut house = House::new();
    let sub = member(&mut house, "price_basic");
    house.sub(&sub).items.push(item("price_premium"));
    house.settle();
    house.carry_out();
    let share = house.friends.shares[0].clone();
    assert_eq!((share.sections, share.downloads), ([MOVIES, TV].into(), Some(true)));
    // In the other order it is the same.
    house.sub(&sub).items.reverse();
    house.settle();
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn a_price_in_no_tier_takes_nothing_from_what_the_others_buy_and_is_told() {
    let mut house = House::new();
    let sub = member(&mut house, "price_premium");
    house.rules.products = [ProductId::from("prod_9")].into();
    house.sub(&sub).items =
        vec![item("price_basic"), Item { product: Some(ProductId::from("prod_9")), ..item("price_new") }];
    house.settle();
    assert_eq!(house.decided(), Vec::<String>::new(), "what the other buys is not known: nothing is narrowed");
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("no-tier")).count(), 1);
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    let standing = reasons::standing(scene, house.member(200));
    assert!(standing.tiers().contains("Basic") && standing.unknown[0].contains("price_new"), "{standing:?}");
}

#[test]
fn a_book_of_before_is_read_with_its_one_tier() {
    let mut house = House::new();
    member(&mut house, "price_basic");
    let mut old = serde_json::to_value(house.member(200)).unwrap();
    let billed = &mut old["subscriptions"]["sub_1"];
    billed["tier"] = billed["tiers"][0].take();
    billed.as_object_mut().unwrap().remove("tiers");
    old.as_object_mut().unwrap().remove("unpaid_spells");
    old["unpaid"] = serde_json::Value::Null;
    let read: usher::ledger::Member = serde_json::from_value(old).unwrap();
    assert_eq!(&read, house.member(200));
}
