//! R10: what a payer hears of a trial that ends, a cancellation and another
//! tier: once, in time, and not what they hear otherwise.

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Item, Moment, PriceId, Status};
use usher::ledger::{Act, ActKey, Channel, Delivery, FirstSending, Heard, HeardEnd, IntentState, Letter, Notice};
use usher::policy::{Tiers, life};

use crate::paper::{Change, MOVIES, Paper, TV, days};

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// The kinds of letter that this pass owes.
fn hears(paper: &mut Paper) -> Vec<&'static str> {
    life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
    std::mem::take(&mut paper.book.outbox).into_values().map(|notice| notice.letter.kind()).collect()
}

/// Ann pays, is in, and knows how her subscription stands.
fn payer(status: Status) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(20));
    paper.pays(&ann, status, days(20));
    assert!(hears(&mut paper).is_empty(), "what was there before is no news");
    paper
}

fn trial(left: TimeDelta) -> Paper {
    let mut paper = payer(Status::Trialing);
    let end = paper.now + left;
    paper.first().now.trial_end = Some(end);
    paper
}

#[test]
fn the_end_of_a_trial_is_told_once_three_days_before() {
    assert!(hears(&mut trial(days(3) + SECOND)).is_empty(), "later");
    let mut paper = trial(days(3));
    assert_eq!(hears(&mut paper), ["trial_ending"]);
    paper.now += days(1);
    assert!(hears(&mut paper).is_empty(), "once");
    let moved = paper.now + days(3);
    paper.first().now.trial_end = Some(moved);
    assert_eq!(hears(&mut paper), ["trial_ending"], "another end");
    assert_eq!(hears(&mut trial(SECOND)), ["trial_ending"], "better late than never");
    assert!(hears(&mut trial(TimeDelta::zero())).is_empty(), "it is over");
}

#[test]
fn no_end_of_a_trial_is_told_to_who_hears_of_it_otherwise() {
    let not: [(&str, Change); 5] = [
        ("they pay already", |paper| paper.first().now.status = Status::Active),
        ("they were revoked", |paper| paper.member().blocked = Some(paper.now)),
        ("Stripe doesn't know it any more", |paper| paper.first().vanished = Some(paper.now)),
        ("it was so when the book began", |paper| paper.first().heard = None),
        ("they cancelled", |paper| {
            let end = paper.first().now.trial_end;
            paper.first().now.cancel_at = end;
            let (at, told) = (end.unwrap(), paper.now);
            paper.first().heard.as_mut().unwrap().end = Some(HeardEnd { at, told, notice: None });
        }),
    ];
    for (why, spoil) in not {
        let mut paper = trial(days(2));
        spoil(&mut paper);
        assert!(hears(&mut paper).is_empty(), "{why}");
        assert!(hears(&mut paper).is_empty(), "{why}");
    }
    // One that ends long after the book began is still to be told.
    let mut paper = trial(days(10));
    paper.first().heard = None;
    assert!(hears(&mut paper).is_empty());
    paper.now += days(8);
    assert_eq!(hears(&mut paper), ["trial_ending"]);
}

#[test]
fn a_cancellation_is_told_unless_it_is_our_own_call() {
    let cancelled = |ours: Option<(&str, u32)>| {
        let mut paper = payer(Status::Active);
        let (now, end) = (paper.now, paper.now + days(9));
        let known = paper.first().now.id.clone();
        paper.first().now.cancel_at = Some(end);
        if let Some((subscription, tries)) = ours {
            let subscription = if subscription == "this" { known } else { subscription.into() };
            let key = ActKey("cancel/m-1/x".into());
            let (ann, when) = (paper.ann.clone(), CancelWhen::PeriodEnd);
            let intent = paper.intends(key, &ann, Act::Cancel { subscription, when, idle_days: None }, days(0));
            (intent.state, intent.tries) = (IntentState::Attempted { at: now }, tries);
        }
        hears(&mut paper).len()
    };
    assert_eq!(cancelled(None), 1);
    assert_eq!(cancelled(Some(("this", 1))), 0, "its confirmation says it");
    assert_eq!(cancelled(Some(("this", 0))), 1, "they were faster than we");
    assert_eq!(cancelled(Some(("sub_other", 1))), 1);
}

/// Ann cancelled, to the end of the period in nine days; her letter is owed.
fn cancelled() -> Paper {
    let mut paper = payer(Status::Active);
    let end = paper.now + days(9);
    paper.first().now.cancel_at = Some(end);
    life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert_eq!(kinds(&paper), ["cancellation_received"]);
    paper
}

/// The kinds of letter that are owed and not called back.
fn kinds(paper: &Paper) -> Vec<&'static str> {
    let open = |notice: &&Notice| !matches!(notice.deliveries[&Channel::Mail], Delivery::Cancelled { .. });
    paper.book.outbox.values().filter(open).map(|notice| notice.letter.kind()).collect()
}

#[test]
fn an_end_that_moves_is_told_anew_only_if_it_is_another_day() {
    let moved = |to: fn(Moment, Moment) -> Moment| {
        let mut paper = cancelled();
        let (now, was) = (paper.now, paper.now + days(9));
        paper.first().now.cancel_at = Some(to(now, was));
        life::tell(now, &paper.rules, &paper.world, &mut paper.book);
        let heard = paper.first().heard.clone().unwrap().end.unwrap();
        (kinds(&paper).len(), paper.book.outbox.len(), heard.at == to(now, was))
    };
    assert_eq!(moved(|_, was| was + TimeDelta::hours(11)), (1, 1, true), "the letter names that day already");
    assert_eq!(moved(|_, was| was + days(3)), (1, 2, true), "the first one is called back");
    assert_eq!(moved(|now, _| now), (1, 1, false), "what is over is told by its end");
}

#[test]
fn a_cancellation_taken_back_is_told_only_to_who_may_have_read_of_it() {
    let undone = |spoil: Change| {
        let mut paper = cancelled();
        spoil(&mut paper);
        paper.first().now.cancel_at = None;
        life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
        assert_eq!(paper.first().heard.clone().unwrap().end, None);
        kinds(&paper)
    };
    assert_eq!(undone(|_| ()), Vec::<&str>::new(), "the letter was still here");
    let both = ["cancellation_received", "cancellation_undone"];
    let letter = |paper: &mut Paper, change: fn(&mut Notice, Moment)| {
        let now = paper.now;
        paper.book.outbox.values_mut().for_each(|notice| change(notice, now));
    };
    let sent: Change = |paper| {
        let at = paper.now;
        let accepted = Delivery::Accepted { at };
        paper
            .book
            .outbox
            .values_mut()
            .for_each(|notice| drop(notice.deliveries.insert(Channel::Mail, accepted.clone())));
    };
    assert_eq!(undone(sent), both);
    let unsure = [
        |notice: &mut Notice, _: Moment| notice.maybe_out = true,
        |notice: &mut Notice, date: Moment| {
            notice.first_sending = Some(FirstSending { message_id: "1@attic.example".into(), date });
        },
    ];
    for unsure in unsure {
        let mut paper = cancelled();
        letter(&mut paper, unsure);
        paper.first().now.cancel_at = None;
        life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
        assert!(kinds(&paper).contains(&"cancellation_undone"), "it may be out");
    }
    assert_eq!(undone(|paper| paper.member().blocked = Some(paper.now)), Vec::<&str>::new());
    // Set to end still, but Stripe doesn't say when: it is not taken back.
    let mut paper = cancelled();
    paper.first().now.cancel_at = None;
    paper.first().now.cancel_at_period_end = true;
    life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert_eq!(kinds(&paper), ["cancellation_received"]);
    assert!(paper.first().heard.clone().unwrap().end.is_some());
}

#[test]
fn another_tier_is_told_once_the_share_gives_it_and_only_to_who_is_in() {
    let upgraded = |spoil: Change| {
        let mut paper = payer(Status::Active);
        let billed = paper.first();
        billed.tiers = ["Premium".into()].into();
        let price = PriceId::from("price_premium");
        billed.now.items = vec![Item { price, ..billed.now.items[0].clone() }];
        let row = &mut paper.member().share.as_mut().unwrap().row;
        (row.sections, row.downloads) = ([MOVIES, TV].into(), Some(true));
        spoil(&mut paper);
        let first = hears(&mut paper);
        assert!(hears(&mut paper).is_empty(), "once");
        let heard: Option<Heard> = paper.first().heard.clone();
        (first, heard.unwrap().tiers == ["Premium".into()].into())
    };
    assert_eq!(upgraded(|_| ()), (vec!["tier_changed"], true));
    let narrow: Change = |paper| paper.member().share.as_mut().unwrap().row.sections = [MOVIES].into();
    assert_eq!(upgraded(narrow), (vec![], false), "not before it is so");
    let unsaid = (vec![], true);
    assert_eq!(upgraded(|paper| paper.member().blocked = Some(paper.now)), unsaid);
    assert_eq!(upgraded(|paper| paper.member().home = true), unsaid);
    assert_eq!(upgraded(|paper| paper.member().share = None), unsaid, "who isn't in yet");
    let renamed: Change = |paper| paper.first().now.items[0].price = "price_basic".into();
    assert_eq!(upgraded(renamed), unsaid, "the tier was edited: no news of theirs");
}

#[test]
fn a_cancellation_that_was_told_near_its_end_needs_no_second_letter() {
    let was_told = |told_before: TimeDelta, spoil: Change| {
        let mut paper = payer(Status::Active);
        let (at, now) = (paper.now + days(30), paper.now);
        let letter = Letter::CancellationReceived { on: paper.rules.day_of(at), stays: false, asked: false };
        let member = paper.book.members[&paper.ann].clone();
        let owed = usher::ledger::Owed::to_member(&member, "sub".to_owned(), letter, days(9));
        let notice = Some(paper.book.owe(owed, paper.rules.ways, now));
        let told: Moment = at - told_before;
        paper.first().heard.as_mut().unwrap().end = Some(HeardEnd { at, told, notice });
        spoil(&mut paper);
        let billed = paper.first().clone();
        life::was_told_of(&paper.book, &paper.book.members[&paper.ann], &billed, 7)
    };
    assert!(was_told(days(8), |_| ()));
    assert!(!was_told(days(8) + SECOND, |_| ()), "that was long before");
    assert!(!was_told(days(8), |paper| paper.book.outbox.clear()));
    let elsewhere: Change = |paper| paper.book.outbox.values_mut().for_each(|notice| notice.to = None);
    assert!(!was_told(days(8), elsewhere), "another address than that of their access");
}

#[test]
fn a_price_that_no_tier_knows_in_between_is_no_end_of_the_story() {
    let mut paper = payer(Status::Active);
    let ann = paper.ann.clone();
    let buys = |paper: &mut Paper, price: &str, tiers: &[&str]| {
        let billed = paper.first();
        billed.now.items[0].price = PriceId::from(price);
        billed.tiers = tiers.iter().map(ToString::to_string).collect();
    };
    buys(&mut paper, "price_unknown", &[]);
    assert!(hears(&mut paper).is_empty());
    buys(&mut paper, "price_premium", &["Premium"]);
    paper.member().matched_prices = ["price_premium".into()].into();
    paper.shares(&ann, &[MOVIES, TV], days(20));
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    assert_eq!(hears(&mut paper), ["tier_changed"], "from Basic, as they knew it");
}

#[test]
fn a_yearly_price_of_the_same_tier_is_no_news_nor_is_the_tiers_new_name_later() {
    let mut paper = payer(Status::Active);
    paper.first().now.items[0].price = PriceId::from("price_basic_year");
    assert!(hears(&mut paper).is_empty());
    let Tiers::File(tiers) = &mut paper.rules.tiers else { panic!() };
    tiers[0].name = "Cinema".into();
    paper.first().tiers = ["Cinema".into()].into();
    paper.member().matched_prices = ["price_basic_year".into()].into();
    assert!(hears(&mut paper).is_empty());
}

#[test]
fn a_trial_that_ends_within_three_days_of_the_beginning_is_no_news_then() {
    for (left, is_known) in [(days(3), true), (days(3) + SECOND, false)] {
        let mut paper = trial(left);
        paper.first().heard = None;
        assert!(hears(&mut paper).is_empty());
        let end = paper.first().now.trial_end;
        let heard = paper.first().heard.as_ref().unwrap();
        assert_eq!(heard.trial_end, end.filter(|_| is_known), "{left}");
    }
}

#[test]
fn who_was_outside_while_their_price_was_unknown_hears_of_the_tier_when_they_are_in() {
    let mut paper = payer(Status::Active);
    let share = paper.member().share.take();
    let billed = paper.first();
    billed.now.items[0].price = PriceId::from("price_unknown");
    billed.tiers.clear();
    assert!(hears(&mut paper).is_empty());
    paper.member().share = share;
    let billed = paper.first();
    billed.now.items[0].price = PriceId::from("price_premium");
    billed.tiers = ["Premium".into()].into();
    paper.member().matched_prices = ["price_premium".into()].into();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES, TV], days(20));
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    assert_eq!(hears(&mut paper), ["tier_changed"]);
}
