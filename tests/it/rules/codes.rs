//! R8: free codes. What a stranger types proves nothing, reveals nothing, and
//! is counted.

use chrono::NaiveDate;
use usher::ledger::{Book, GrantKind};
use usher::policy::asks::{self, Ask, Hearing, NO_SUCH_CODE, Said};
use usher::policy::codes;
use usher::policy::reasons::{self, ReasonKind};
use usher::policy::{FreeCode, Scene};
use usher::secret::Secret;

use super::house::{House, MOVIES, TV, days};
use crate::paper::{Change, Paper};

/// A house with the code `film` for Basic: so many uses, so many days each.
fn with_code(uses: u32, days: Option<u32>) -> House {
    let mut house = House::new();
    house.rules.free_tier = Some("Basic".into());
    house.rules.free_codes = vec![FreeCode { code: Secret::new("film"), uses, until: None, days }];
    for n in 0..3 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], super::house::days(400));
    }
    house.settle();
    house
}

fn redeem(house: &mut House, name: &str, code: &str) -> Result<Said, String> {
    let ask = Ask::Redeem { email: format!("{name}@example.com"), code: code.into() };
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    let mut changed: Book = house.book.clone();
    let said = asks::carry_out(hearing, &mut changed, &ask)?;
    house.book = changed;
    house.settle();
    house.carry_out();
    Ok(said)
}

fn ok(house: &mut House, name: &str) {
    redeem(house, name, "film").unwrap();
}

/// Their invite, by the address.
fn invite(house: &House, name: &str) -> Option<u64> {
    let is_theirs = |row: &&usher::facts::Share| !row.is_accepted() && row.email == Some(super::house::email(name));
    house.friends.shares.iter().find(is_theirs).map(|row| row.id.0)
}

fn accepts(house: &mut House, name: &str, account: u64) {
    let id = invite(house, name).expect("an invite");
    house.accept(id, account, name);
    house.settle();
}

#[test]
fn a_code_with_one_use_lets_one_in() {
    let mut house = with_code(1, None);
    ok(&mut house, "ann");
    assert!(invite(&house, "ann").is_some());
    assert_eq!(redeem(&mut house, "bob", "film"), Err(NO_SUCH_CODE.into()), "the open invite keeps the use");
    ok(&mut house, "ann");
    accepts(&mut house, "ann", 300);
    let ann = house.member(300);
    assert!(ann.has_access() && ann.grant(GrantKind::Grandfathered, house.now).is_some());
    assert_eq!(redeem(&mut house, "bob", "film"), Err(NO_SUCH_CODE.into()), "and it is used up");
    house.days(100);
    assert!(house.member(300).has_access() && house.ends().is_empty(), "grandfathered: never idle");
}

#[test]
fn an_invite_that_lapses_frees_the_use() {
    let mut house = with_code(1, None);
    ok(&mut house, "ann");
    house.days(15);
    house.carry_out();
    house.settle();
    assert_eq!(invite(&house, "ann"), None);
    ok(&mut house, "bob");
    assert!(invite(&house, "bob").is_some());
    assert_eq!(redeem(&mut house, "ann", "film"), Err(NO_SUCH_CODE.into()));
}

#[test]
fn a_code_with_days_lets_in_for_so_many_days_from_when_they_come() {
    let mut house = with_code(5, Some(30));
    ok(&mut house, "ann");
    house.days(5);
    accepts(&mut house, "ann", 300);
    let last_day = house.now.date_naive() + days(30);
    let grant = house.member(300).grant(GrantKind::Complimentary, house.now).unwrap().clone();
    assert_eq!(grant.until, Some(house.rules.end_of_day(last_day)));
    for _ in 0..30 {
        house.played(300, days(0));
        house.days(1);
    }
    assert!(house.ends().is_empty() && house.member(300).has_access(), "the last day is not over");
    house.played(300, days(0));
    house.days(2);
    assert_eq!(house.ends().len(), 1);
    house.carry_out();
    house.settle();
    assert!(!house.member(300).has_access());
    // Once a person: the same code is not a place for ever, 30 days at a time.
    ok(&mut house, "ann");
    assert_eq!(invite(&house, "ann"), None);
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("code-")).count(), 1);
}

#[test]
fn a_code_is_good_to_the_end_of_its_last_day_and_deleting_it_ends_nobody() {
    let mut house = with_code(5, None);
    house.rules.tz = chrono_tz::America::Los_Angeles;
    house.rules.free_codes[0].until = NaiveDate::from_ymd_opt(2026, 1, 3);
    let last = house.rules.end_of_day(NaiveDate::from_ymd_opt(2026, 1, 3).unwrap());
    house.later(last - house.now - chrono::TimeDelta::hours(1));
    ok(&mut house, "ann");
    accepts(&mut house, "ann", 300);
    house.later(chrono::TimeDelta::hours(1));
    assert_eq!(redeem(&mut house, "bob", "film"), Err(NO_SUCH_CODE.into()));
    house.rules.free_codes.clear();
    house.rules.free_tier = None;
    house.days(60);
    assert!(house.member(300).has_access() && house.ends().is_empty());
}

#[test]
fn which_part_was_wrong_is_never_said() {
    let mut house = with_code(5, None);
    for code in ["", "fil", "films", "FILM", "film:5"] {
        assert_eq!(redeem(&mut house, "ann", code), Err(NO_SUCH_CODE.into()), "{code}");
    }
    redeem(&mut house, "ann", " film ").unwrap();
}

#[test]
fn a_typed_address_moves_nobodys_access_and_tells_nobody_that_it_is_known() {
    let mut house = with_code(9, None);
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let (before, rows) = (house.book.members.clone(), house.friends.shares.len());
    // Invited, in by hand, and in the house.
    house.rules.admin_email = usher::facts::Email::parse("admin@example.com");
    for name in ["ann", "friend0", "admin"] {
        ok(&mut house, name);
    }
    assert_eq!(house.friends.shares.len(), rows, "nobody is invited");
    for (id, member) in &before {
        assert_eq!(house.book.members[id].grants, member.grants, "{id}");
    }
    assert_eq!(house.book.members.len(), before.len());
    assert_eq!(
        house.letters("attention").iter().filter(|key| key.0.contains("/code-")).count(),
        2,
        "the operator hears"
    );
}

#[test]
fn who_was_thrown_out_is_not_let_in_by_a_code() {
    let mut house = with_code(9, None);
    house.book.members.values_mut().find(|member| member.name() == "friend0").unwrap().blocked = Some(house.now);
    house.unshare(11);
    house.days(1);
    assert!(!house.member(201).has_access());
    ok(&mut house, "friend0");
    ok(&mut house, "friend1");
    assert!(invite(&house, "friend0").is_none() && invite(&house, "friend1").is_none());
}

#[test]
fn seats_are_counted_and_a_dry_run_lets_nobody_in() {
    let mut house = with_code(9, None);
    house.rules.seats = Some(4);
    ok(&mut house, "ann");
    assert!(redeem(&mut house, "bob", "film").unwrap_err().contains("seats"));
    house.rules.seats = None;
    house.rules.ways.dry_run = true;
    assert!(redeem(&mut house, "bob", "film").unwrap_err().contains("dry run"));
}

#[test]
fn who_pays_as_well_keeps_both_reasons() {
    let mut house = with_code(9, Some(30));
    ok(&mut house, "ann");
    accepts(&mut house, "ann", 300);
    house.subscribe("sub_1", "ann", "price_premium");
    house.settle();
    house.carry_out();
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    let standing = reasons::standing(scene, house.member(300));
    let kinds: Vec<_> = standing.reasons.iter().map(|reason| reason.kind).collect();
    assert_eq!(kinds, [ReasonKind::Paying, ReasonKind::Granted(GrantKind::Complimentary)]);
    let open = &house.member(300).share.as_ref().unwrap().row.sections;
    assert_eq!(open.iter().copied().collect::<Vec<_>>(), [MOVIES, TV]);
}

/// Ann was removed by Usher twenty days ago, and types in a code for Basic.
fn ann_comes_back(change: impl FnOnce(&mut Paper)) -> (Paper, Result<Said, String>) {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.rules.free_tier = Some("Basic".into());
    paper.rules.free_codes = vec![FreeCode { code: Secret::new("film"), uses: 9, until: None, days: None }];
    paper.shares(&ann, &[MOVIES], days(400));
    paper.removed(&ann, days(20));
    change(&mut paper);
    let said = paper.says(&Ask::Redeem { email: "ann@example.com".into(), code: "film".into() });
    (paper, said)
}

#[test]
fn who_was_let_go_may_come_back_with_a_code() {
    let (mut paper, said) = ann_comes_back(|_| {});
    assert_eq!(paper.next(&said.unwrap().about), ["next: invite ann to Movies"]);
    let now = paper.now;
    assert!(paper.member().grant(GrantKind::Grandfathered, now).is_some());
    assert_eq!((paper.member().returned, paper.member().gone.take()), (Some(now), None), "a new spell");
}

#[test]
fn who_may_not_come_back_by_a_code_is_given_nothing_and_the_operator_hears_why() {
    let cases: [(&str, Change); 4] = [
        ("they are revoked", |paper| {
            let now = paper.now;
            paper.member().blocked = Some(now);
        }),
        ("they belong to your Plex Home", |paper| paper.member().home = true),
        ("they have used it before", |paper| {
            let mark = paper.rules.free_codes[0].mark();
            paper.member().redeemed.insert(mark);
        }),
        ("their share went away in Plex, without Usher", |paper| {
            paper.member().gone.as_mut().unwrap().by_us = false;
        }),
    ];
    for (why, change) in cases {
        let (mut paper, said) = ann_comes_back(change);
        assert_eq!(said.unwrap().lines, [format!("ann gets nothing by this code: {why}")]);
        assert!(paper.member().grants.is_empty() && paper.plan().proposals.is_empty(), "{why}");
        assert_eq!(paper.book.outbox.len(), 1, "{why}");
    }
}

#[test]
fn a_relay_address_is_not_let_in_by_a_code() {
    let mut house = with_code(9, None);
    let ask = Ask::Redeem { email: "x7@privaterelay.appleid.com".into(), code: "film".into() };
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    assert!(asks::carry_out(hearing, &mut house.book, &ask).unwrap_err().contains("relay address"));
}

#[test]
fn a_use_of_one_code_takes_none_of_another() {
    let mut house = with_code(1, None);
    house.rules.free_codes.push(FreeCode { code: Secret::new("show"), uses: 1, until: None, days: None });
    ok(&mut house, "ann");
    redeem(&mut house, "bob", "show").unwrap();
    assert!(invite(&house, "bob").is_some());
    assert_eq!(redeem(&mut house, "cleo", "show"), Err(NO_SUCH_CODE.into()));
}

#[test]
fn a_code_is_open_on_its_last_day_and_not_after_it() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    let code = FreeCode { code: Secret::new("film"), uses: 1, until: Some(day(3)), days: None };
    assert_eq!([2, 3, 4].map(|n| code.is_open(day(n))), [true, true, false]);
}

#[test]
fn the_days_of_a_code_begin_once_with_the_first_access() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    let mut grant = usher::ledger::Grant::new(GrantKind::Complimentary, paper.now - days(3));
    let code = FreeCode { code: Secret::new("film"), uses: 1, until: None, days: Some(30) };
    grant.code = Some(code.used());
    paper.member().grants.push(grant);
    let until = |paper: &mut Paper| {
        codes::count_uses(paper.now, &paper.rules, &mut paper.book);
        paper.member().grants[0].until
    };
    paper.invited(&ann, &[MOVIES]);
    assert_eq!(until(&mut paper), None, "an invite that waits uses up nothing");
    paper.shares(&ann, &[MOVIES], days(0));
    let last = paper.rules.end_of_day(paper.rules.day_of(paper.now + days(30)));
    assert_eq!(until(&mut paper), Some(last));
    paper.now += days(5);
    assert_eq!(until(&mut paper), Some(last), "counted once");
}
