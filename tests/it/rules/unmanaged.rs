//! R5: people in by hand, where places need a subscription.

use chrono::TimeDelta;
use usher::facts::Status;
use usher::ledger::{AskedSpell, GrantKind, HeldBecause, InviteRefused, Letter, NoticeKey};
use usher::policy::plan::{Class, Proposal};
use usher::policy::{decide, unmanaged};

use super::house::{House, MOVIES, TV, days};
use crate::paper::{Change, Paper};

/// Twelve are here: ten pay and watch, Ann (200) and Bob (201) were shared with
/// by hand, and places need a subscription from now on.
fn house() -> House {
    let mut house = House::new();
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES, TV], days(400));
    }
    for n in 2..12 {
        house.subscribe(&format!("sub_{n}"), &format!("friend{n}"), "price_premium");
    }
    house.rules.prune_mode = usher::policy::PruneMode::Report; // Nobody here need watch.
    house.settle();
    house.rules.unmanaged_days = Some(14);
    house
}

fn asked(house: &House) -> usize {
    house.letters("subscribe").len()
}

fn until(house: &House) -> chrono::NaiveDate {
    let key = house.letters("subscribe")[0];
    let Letter::Subscribe { until, .. } = house.book.outbox[key].letter else { panic!() };
    until
}

#[test]
fn who_is_in_by_hand_is_asked_to_subscribe_and_ends_after_the_promised_day() {
    let mut house = house();
    house.settle();
    assert_eq!(asked(&house), 2, "{:?}", house.waiting);
    house.deliver();
    let over = house.rules.end_of_day(until(&house));
    while house.now + TimeDelta::hours(2) < over {
        house.days(0);
        house.later(TimeDelta::hours(2));
        house.read();
        assert_eq!(house.ends(), Vec::<String>::new(), "before {over}");
    }
    house.later(TimeDelta::hours(2));
    house.settle();
    assert_eq!(house.ends().len(), 1, "one a day by the budget: {:?}", house.waiting);
    house.carry_out();
    house.days(2);
    house.carry_out();
    house.deliver();
    assert!(!house.member(200).has_access() && !house.member(201).has_access());
    assert_eq!(house.letters("access_ended").len(), 2);
    assert_eq!(asked(&house), 2, "one letter each");
    assert!((2..12).all(|n| house.member(200 + n).has_access()), "payers stay");
}

#[test]
fn promise_01_whom_no_letter_reached_is_not_ended_for_want_of_a_subscription() {
    let mut house = house();
    house.settle();
    assert_eq!(asked(&house), 2);
    for _ in 0..60 {
        house.later(days(1));
        house.settle();
        assert_eq!(house.ends(), Vec::<String>::new());
    }
    house.deliver();
    let promised = house.rules.end_of_day(until(&house));
    assert!(promised >= house.now + days(13), "the promise was made anew");
    house.days(13);
    assert_eq!(house.ends(), Vec::<String>::new());
    house.days(2);
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn while_a_paying_customer_is_unmatched_nobody_is_asked_and_nobody_ends() {
    let mut house = house();
    house.subscribe("sub_x", "stranger", "price_basic");
    house.settle();
    house.carry_out();
    assert!(house.payer("stranger").is_invited());
    house.days(2);
    assert_eq!(asked(&house), 0);
    let warned =
        |house: &House| house.waiting.iter().filter(|w| matches!(w.because, HeldBecause::Warned { .. })).count();
    assert_eq!(warned(&house), 2, "{:?}", house.waiting);
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 400, "stranger");
    house.settle();
    house.deliver();
    assert_eq!(asked(&house), 2);
    // Later another one pays from an address that nobody knows.
    house.days(13);
    house.subscribe("sub_y", "another", "price_basic");
    house.settle();
    house.carry_out();
    house.days(5);
    assert_eq!(house.ends(), Vec::<String>::new(), "Ann or Bob could be them");
}

#[test]
fn who_subscribes_in_time_stays_and_hears_no_more_of_it() {
    let mut house = house();
    house.settle();
    house.deliver();
    house.days(5);
    house.subscribe("sub_0", "friend0", "price_premium");
    house.settle();
    assert!(house.member(200).asked.is_none(), "{:?}", house.member(200).journal);
    house.days(20);
    assert!(house.ends().iter().all(|end| !end.contains(&house.member(200).id.0)), "{:?}", house.ends());
}

#[test]
fn more_than_a_few_at_once_wait_for_the_operator() {
    let mut house = House::new();
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES, TV], days(400));
    }
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    house.rules.unmanaged_days = Some(14);
    house.settle();
    assert_eq!(asked(&house), 0);
    assert_eq!(house.book.holds.len(), 12, "a switch that was set in error asks nobody");
    let all = ["all".to_owned()];
    let said = decide::give_verdict(house.now, &mut house.book, &all, true).unwrap();
    assert!(said.len() == 1 && said[0].contains("h-12"), "nobody has been told yet: {said:?}");
    house.settle();
    assert_eq!(asked(&house), 0);
    house.deliver();
    decide::give_verdict(house.now, &mut house.book, &all, true).unwrap();
    house.settle();
    assert_eq!(asked(&house), 12);
}

#[test]
fn whom_usher_cant_write_to_is_ended_only_by_the_operator() {
    let mut house = house();
    house.row(10).email = None;
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().email = None;
    house.settle();
    house.deliver();
    house.days(20);
    let hold = house.book.holds.values().find(|hold| hold.member == id).expect("waits for approval");
    assert!(matches!(hold.because, HeldBecause::Approval { .. }), "{hold:?}");
}

#[test]
fn protected_and_grandfathered_are_not_asked() {
    let mut house = house();
    house.rules.vip_names = vec!["friend0".into()];
    let bob = house.member(201).id.clone();
    let since = house.now;
    let grant = usher::ledger::Grant::new(usher::ledger::GrantKind::Grandfathered, since);
    house.book.members.get_mut(&bob).unwrap().grants.push(grant);
    house.days(30);
    assert_eq!(asked(&house), 0);
    assert_eq!(house.ends(), Vec::<String>::new());
}

/// Ann is in by hand alone, asked to subscribe long ago; and somebody else.
fn ann_is_asked(spoil: fn(&mut Paper)) -> Paper {
    let mut paper = Paper::new();
    paper.rules.unmanaged_days = Some(14);
    paper.crowd(30);
    for member in paper.book.members.values_mut() {
        member.grants.iter_mut().for_each(|grant| grant.kind = GrantKind::Grandfathered);
    }
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let now = paper.now;
    paper.member().asked = Some(AskedSpell {
        since: now - days(20),
        notice: NoticeKey("asked".into()),
        told_at: Some(now - days(20)),
        promised_end: Some(now - days(5)),
        no_channel: false,
    });
    spoil(&mut paper);
    paper
}

/// Whether she is removed, and what that waits for.
fn removal(spoil: fn(&mut Paper)) -> Option<Option<&'static str>> {
    let admission = ann_is_asked(spoil).admit();
    let ends = |proposal: &Proposal| matches!(proposal.class, Class::Removal { .. });
    let waits = admission.held.iter().find(|(proposal, _)| ends(proposal)).map(|(_, because)| Some(because.rule()));
    waits.or_else(|| admission.admitted.iter().any(ends).then_some(None))
}

#[test]
fn only_who_is_in_by_hand_and_nothing_else_is_ended_for_want_of_a_subscription() {
    assert_eq!(removal(|_| ()), Some(None));
    let stays: [(&str, Change); 8] = [
        ("places need no subscription", |paper| paper.rules.unmanaged_days = None),
        ("nothing was promised yet", |paper| paper.member().asked.as_mut().unwrap().promised_end = None),
        ("the promised day isn't over", |paper| {
            let later = Some(paper.now + TimeDelta::seconds(1));
            paper.member().asked.as_mut().unwrap().promised_end = later;
        }),
        ("protected", |paper| paper.member().home = true),
        ("grandfathered", |paper| {
            let ann = paper.ann.clone();
            paper.grant(&ann, GrantKind::Grandfathered);
        }),
        ("pays", |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(3));
        }),
        ("what Stripe says of them can't be told", |paper| {
            let (ann, now) = (paper.ann.clone(), paper.now);
            paper.pays(&ann, Status::Active, days(3)).vanished = Some(now);
        }),
        ("only invited", |paper| {
            let ann = paper.ann.clone();
            paper.invited(&ann, &[crate::paper::MOVIES]);
        }),
    ];
    for (why, spoil) in stays {
        assert_eq!(removal(spoil), None, "{why}");
    }
}

#[test]
fn while_somebody_pays_and_is_not_matched_nobody_is_asked_or_ended() {
    fn somebody(paper: &mut Paper) -> usher::member::MemberId {
        let id = paper.person("payer");
        paper.pays(&id, Status::Active, days(3));
        paper.of(&id).plex = None;
        id
    }
    assert_eq!(removal(|paper| drop(somebody(paper))), Some(Some("warned")), "anybody here could be them");
    let invited = |paper: &mut Paper| {
        let id = somebody(paper);
        paper.of(&id).plex = Some(usher::facts::PlexId(999));
        paper.invited(&id, &[crate::paper::MOVIES]);
    };
    assert_eq!(removal(invited), Some(Some("warned")), "who is invited may be here under another account");
    let refused = |paper: &mut Paper| {
        let (id, at) = (somebody(paper), paper.now);
        let member = paper.of(&id);
        member.plex = Some(usher::facts::PlexId(999));
        member.invite_refused =
            Some(InviteRefused { at, by_id: true, by_email: true, unknown: None, why: "422".into() });
    };
    assert_eq!(removal(refused), Some(Some("warned")));
    let nobody_else: [(&str, Change); 4] = [
        ("nothing of theirs runs", |paper| {
            let id = somebody(paper);
            paper.of(&id).subscriptions.values_mut().for_each(|billed| billed.now.status = Status::Canceled);
        }),
        ("they are in", |paper| {
            let id = somebody(paper);
            paper.of(&id).plex = Some(usher::facts::PlexId(999));
            paper.shares(&id, &[crate::paper::MOVIES], days(3));
        }),
        ("they are revoked", |paper| {
            let (id, now) = (somebody(paper), paper.now);
            paper.of(&id).blocked = Some(now);
        }),
        ("their account is known, and they are nobody else", |paper| {
            let id = somebody(paper);
            paper.of(&id).plex = Some(usher::facts::PlexId(999));
        }),
    ];
    for (why, spoil) in nobody_else {
        assert_eq!(removal(spoil), Some(None), "{why}");
    }
}

#[test]
fn whom_no_letter_could_be_written_waits_as_many_days_before_the_operator_is_asked() {
    let after = |ago: i64| {
        let mut paper = ann_is_asked(|_| ());
        let since = paper.now - days(ago);
        let asked = paper.member().asked.as_mut().unwrap();
        (asked.since, asked.told_at, asked.promised_end, asked.no_channel) = (since, None, None, true);
        let ends = |proposal: &Proposal| matches!(proposal.class, Class::Removal { .. });
        paper.admit().held.iter().any(|(proposal, _)| ends(proposal))
    };
    assert_eq!((after(13), after(14)), (false, true));
}

#[test]
fn to_an_address_that_bounced_no_letter_is_owed() {
    let mut paper = ann_is_asked(|paper| paper.member().asked = None);
    let ann = paper.ann.clone();
    let day = paper.rules.day_of(paper.now);
    let address = paper.member().email.clone().unwrap();
    paper.book.bounced.insert(address.clone(), [day, day - days(1), day - days(2)].into());
    assert!(paper.book.is_dead(&address));
    unmanaged::open(paper.now, &paper.rules, &mut paper.book, &ann);
    let notice = paper.member().asked.as_ref().unwrap().notice.clone();
    assert_eq!(paper.book.outbox[&notice].to, None);
}
