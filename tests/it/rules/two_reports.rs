//! R4: *charged without access* and *access without a reason* alarm when they
//! aren't empty, once a person.

use usher::facts::{PlexId, Status};
use usher::ledger::{Act, ActKey, Gone, GrantKind, HeldBecause, InviteRefused, Letter};
use usher::member::MemberId;
use usher::policy::decide::Waiting;
use usher::policy::{Scene, two_reports};

use super::house::{House, MOVIES, days};
use crate::paper::{Change, Paper};

fn alarms(house: &House, part: &str) -> usize {
    house.letters("attention").iter().filter(|key| key.0.contains(part)).count()
}

fn charged(house: &House) -> Vec<String> {
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    two_reports::charged_without_access(scene).map(|(member, why)| format!("{}: {why}", member.name())).collect()
}

#[test]
fn whoever_is_charged_and_cant_be_let_in_is_told_at_once_and_once() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let id = house.payer("ann").id.clone();
    let refused = InviteRefused { at: house.now, by_id: true, by_email: true, unknown: None, why: "no".into() };
    house.book.members.get_mut(&id).unwrap().invite_refused = Some(refused);
    house.settle();
    house.days(5);
    assert_eq!(alarms(&house, "unmatched/"), 1);
    assert_eq!(charged(&house), ["ann: Plex refused the invite: no"]);
}

#[test]
fn whoever_is_charged_and_not_in_after_a_day_is_told_whatever_the_reason() {
    let mut house = House::new();
    house.rules.seats = Some(0);
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.later(days(1) - chrono::TimeDelta::hours(1));
    house.read();
    assert_eq!(alarms(&house, "unmatched/"), 0);
    house.days(3);
    assert_eq!(alarms(&house, "unmatched/"), 1);
    assert_eq!(charged(&house), ["ann: not let in yet"]);
}

#[test]
fn whoever_is_let_in_stands_on_no_report() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.days(3);
    assert_eq!((charged(&house), alarms(&house, "unmatched/")), (Vec::new(), 0));
    assert!(house.book.told.keys().all(|key| !key.starts_with("outside/")));
}

#[test]
fn whoever_was_let_go_for_not_paying_is_not_charged_without_access() {
    let mut house = House::new();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.days(3);
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.days(9);
    house.carry_out();
    house.days(3);
    assert!(!house.member(200).has_access(), "the grace is over");
    assert_eq!((charged(&house), alarms(&house, "unmatched/")), (Vec::new(), 0));
}

#[test]
fn access_that_nothing_stands_for_is_told_and_not_taken() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().grants.clear();
    house.days(5);
    assert_eq!(alarms(&house, "unexplained/"), 1);
    assert_eq!(house.decided(), Vec::<String>::new());
}

/// Ann pays and Plex refuses her; somebody else's business goes on, or hers.
fn told_while(spoil: fn(&mut Paper) -> Vec<Waiting>) -> bool {
    let mut paper = Paper::new();
    let (ann, at) = (paper.ann.clone(), paper.now);
    paper.pays(&ann, Status::Active, days(3));
    paper.member().invite_refused =
        Some(InviteRefused { at, by_id: true, by_email: true, unknown: None, why: "no".into() });
    let waiting = spoil(&mut paper);
    two_reports::tell(paper.now, &paper.rules, &paper.world, &mut paper.book, &waiting);
    paper.book.outbox.keys().any(|key| key.0.contains("unmatched/"))
}

fn waits(member: &MemberId) -> Vec<Waiting> {
    let key = ActKey::new("invite", member, "sub");
    let (what, why) = (String::new(), String::new());
    vec![Waiting { key, member: member.clone(), what, why, because: HeldBecause::Adoption }]
}

#[test]
fn who_is_charged_is_told_of_unless_something_of_theirs_is_under_way() {
    assert!(told_while(|_| Vec::new()));
    assert!(!told_while(|paper| waits(&paper.ann.clone())), "the hold is what is told");
    assert!(told_while(|paper| waits(&paper.person("bob"))), "what waits for others is nothing to her");
    assert!(!told_while(|paper| {
        let ann = paper.ann.clone();
        paper.invited(&ann, &[MOVIES]);
        Vec::new()
    }));
    assert!(!told_while(|paper| {
        let at = paper.now;
        paper.member().gone =
            Some(Gone { at, by_us: false, why: "left".into(), standing: [].into(), was_invite: false, row: None });
        Vec::new()
    }));
}

#[test]
fn access_stands_without_a_reason_only_where_nothing_is_known_of_them() {
    let unexplained = |spoil: Change| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(300));
        spoil(&mut paper);
        two_reports::access_without_reason(paper.scene()).count() == 1
    };
    assert!(unexplained(|_| ()));
    let explained: [(&str, Change); 6] = [
        ("protected", |paper| paper.member().home = true),
        ("revoked", |paper| paper.member().blocked = Some(paper.now)),
        ("by hand", |paper| {
            let ann = paper.ann.clone();
            paper.grant(&ann, GrantKind::ByHand);
        }),
        ("Stripe can't be told", |paper| {
            let (ann, now) = (paper.ann.clone(), paper.now);
            paper.pays(&ann, Status::Active, days(3)).vanished = Some(now);
        }),
        ("their subscription ended", |paper| {
            let ann = paper.ann.clone();
            paper.ended(&ann, days(5));
        }),
        ("only invited", |paper| {
            let ann = paper.ann.clone();
            paper.invited(&ann, &[MOVIES]);
        }),
    ];
    for (why, spoil) in explained {
        assert!(!unexplained(spoil), "{why}");
    }
}

#[test]
fn who_is_outside_while_stripe_still_tries_is_charged_without_access_and_who_is_given_up_is_not() {
    let charged = |next: Option<chrono::TimeDelta>, ago: chrono::TimeDelta| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::PastDue, ago, next);
        paper.told_unpaid(&ann, Some(days(5)));
        two_reports::charged_without_access(paper.scene()).count() == 1
    };
    assert!(charged(Some(days(2)), days(2)), "in grace");
    assert!(charged(Some(days(2)), days(20)), "they may pay tomorrow");
    assert!(!charged(None, days(20)), "nothing is taken from them any more");
}

#[test]
fn an_act_under_way_is_waited_for_where_it_is_theirs() {
    let with_act = |theirs: bool| {
        told_while(match theirs {
            true => |paper| under_way(paper, |paper| paper.ann.clone()),
            false => |paper| under_way(paper, |paper| paper.person("bob")),
        })
    };
    assert_eq!((with_act(true), with_act(false)), (false, true));
}

fn under_way(paper: &mut Paper, whose: fn(&mut Paper) -> MemberId) -> Vec<Waiting> {
    let member = whose(paper);
    paper.intends(ActKey::new("remember", &member, "1"), &member, Act::Remember { plex: PlexId(1) }, days(0));
    Vec::new()
}

#[test]
fn a_day_outside_is_told_on_the_day_and_says_what_would_help() {
    let mut paper = Paper::new();
    paper.rules.seats = Some(0);
    let (ann, at) = (paper.ann.clone(), paper.now);
    paper.pays(&ann, Status::Active, days(3));
    let tell = |paper: &mut Paper, after: chrono::TimeDelta| {
        two_reports::tell(at + after, &paper.rules, &paper.world, &mut paper.book, &[]);
        let told = paper.book.outbox.values().find_map(|notice| match &notice.letter {
            Letter::Attention { what_to_do, .. } => Some(what_to_do.clone()),
            _ => None,
        });
        told.unwrap_or_default()
    };
    assert_eq!(tell(&mut paper, days(0)), "");
    assert_eq!(tell(&mut paper, days(1) - chrono::TimeDelta::seconds(1)), "");
    let mend = tell(&mut paper, days(1));
    assert!(mend.contains("`usher link m-1 --plex") && mend.contains("`usher why m-1`"), "{mend}");
    let mut revoked = Paper::new();
    revoked.pays(&ann, Status::Active, days(3));
    revoked.member().blocked = Some(at);
    let mend = tell(&mut revoked, days(0));
    let mend = if mend.is_empty() { tell(&mut revoked, days(1)) } else { mend };
    assert!(mend.contains("`usher revoke m-1 --cancel now`") && mend.contains("`usher restore m-1`"), "{mend}");
}
