//! `usher grandfather`, `invite`, `extend` and `pause`: who is given what, for
//! how long, and who is not (R1).

use chrono::{NaiveDate, TimeDelta};
use usher::facts::{Email, SectionId, Status};
use usher::ledger::{CodeMark, FreeUse, Gone, Grant, GrantKind, InviteRefused};
use usher::member::MemberId;
use usher::policy::asks::{Ask, Stay, Wish};

use crate::paper::{MOVIES, Paper, TV, days};

fn grandfather(who: &str) -> Ask {
    Ask::Grandfather { who: who.into() }
}

fn invite(who: &str, tier: &str, days: Option<u32>) -> Ask {
    Ask::Invite { who: who.into(), tier: tier.into(), days: days.map(Stay::Days) }
}

fn extend(who: &str, days: u32) -> Ask {
    Ask::Extend { who: who.into(), days }
}

fn pause(until: NaiveDate, note: &str) -> Ask {
    Ask::Pause { who: "ann".into(), until, note: note.into() }
}

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

/// Their grants of this kind, over or not.
fn grants<'a>(paper: &'a Paper, id: &MemberId, kind: GrantKind) -> Vec<&'a Grant> {
    paper.book.members[id].grants.iter().filter(|grant| grant.kind == kind).collect()
}

/// The last day of what an extension gave Ann.
fn extended_to(paper: &Paper) -> NaiveDate {
    let [extension] = grants(paper, &paper.ann, GrantKind::Extension)[..] else { panic!("one extension") };
    paper.rules.day_of(extension.until.unwrap() - TimeDelta::seconds(1))
}

/// Ann is in as a guest, until then.
fn guest(paper: &mut Paper, joined: TimeDelta, ended: TimeDelta) {
    let (ann, until) = (paper.ann.clone(), paper.now - ended);
    paper.shares(&ann, &[MOVIES], joined);
    paper.grant(&ann, GrantKind::Complimentary);
    paper.member().grants[0].until = Some(until);
}

#[test]
fn who_is_revoked_is_given_nothing_before_restore() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    paper.member().blocked = Some(paper.now);
    let asks = [grandfather("ann"), invite("ann", "Basic", None), extend("ann", 10), pause(day(2, 20), "ill")];
    for ask in &asks {
        let why = paper.says(ask).unwrap_err();
        assert!(why.contains("ann is revoked; `usher restore m-1`"), "{ask:?}: {why}");
    }
    paper.says(&Ask::Restore { who: "ann".into() }).unwrap();
    for ask in [grandfather("ann"), invite("ann", "Basic", None), pause(day(2, 20), "ill")] {
        paper.says(&ask).unwrap();
    }
}

#[test]
fn who_is_grandfathered_keeps_just_what_they_have_and_all_stays_all() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), paper.person("bob"));
    for id in [&ann, &bob] {
        paper.shares(id, &[MOVIES], days(400));
    }
    let share = paper.of(&bob).share.as_mut().unwrap();
    (share.row.all_libraries, share.row.sections) = (true, [].into());
    let said = paper.says(&grandfather("ann")).unwrap();
    paper.says(&grandfather("bob")).unwrap();
    assert_eq!(grants(&paper, &ann, GrantKind::Grandfathered)[0].libraries, Some([MOVIES].into()));
    assert_eq!(grants(&paper, &bob, GrantKind::Grandfathered)[0].libraries, None, "what is added is his as well");
    assert_eq!(said.lines, ["ann is grandfathered: in for good, with Movies"]);
}

#[test]
fn who_has_no_share_is_not_grandfathered_and_it_is_said_what_lets_them_in() {
    let mut paper = Paper::new();
    let bob = paper.friend("bob", days(1));
    paper.removed(&bob, days(3));
    let why = [paper.says(&grandfather("ann")).unwrap_err(), paper.says(&grandfather("bob")).unwrap_err()];
    assert!(why[0].contains("`usher invite m-1`") && why[1].contains("`usher restore m-2`"), "{why:?}");
}

#[test]
fn everybody_who_is_in_for_nothing_is_grandfathered_and_nobody_else() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let bob = paper.friend("bob", days(1));
    let payer = paper.friend("cleo", days(1));
    paper.pays(&payer, Status::Active, days(30));
    let revoked = paper.friend("dan", days(1));
    paper.of(&revoked).blocked = Some(paper.now);
    let gone = paper.friend("eve", days(1));
    paper.removed(&gone, days(3));
    let invited = paper.person("fay");
    paper.invited(&invited, &[MOVIES]);
    let home = paper.friend("gus", days(1));
    paper.of(&home).home = true;

    let said = paper.says(&Ask::GrandfatherEveryone).unwrap();
    let in_for_good = |paper: &Paper| -> Vec<MemberId> {
        let all = paper.book.members.values();
        all.filter(|member| member.grant(GrantKind::Grandfathered, paper.now).is_some()).map(|m| m.id.clone()).collect()
    };
    assert_eq!(in_for_good(&paper), [ann.clone(), bob.clone()]);
    assert_eq!(said.about, [ann, bob]);
    let left_out =
        "1 who pay are left out: grandfathered, they would stay without paying: cleo (m-3): sub_m-3_0 is active";
    assert_eq!((said.lines.len(), said.lines[2].as_str()), (3, left_out));

    let again = paper.says(&Ask::GrandfatherEveryone).unwrap();
    assert_eq!(again.lines, ["nobody is left to grandfather", left_out]);
    paper.removed(&payer, days(0));
    assert_eq!(paper.says(&Ask::GrandfatherEveryone).unwrap().lines, ["nobody is left to grandfather"]);
}

#[test]
fn who_belongs_to_the_plex_home_needs_no_invite_and_gets_none() {
    let mut paper = Paper::new();
    paper.member().home = true;
    assert!(paper.says(&invite("ann", "Basic", None)).unwrap_err().contains("belongs to your Plex Home"));
    assert!(paper.says(&Ask::Restore { who: "ann".into() }).unwrap_err().contains("belongs to your Plex Home"));
}

#[test]
fn an_invite_said_twice_changes_nothing_the_second_time() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    for days in [None, Some(10)] {
        paper.says(&invite("ann", "Premium", days)).unwrap();
        let before = paper.book.clone();
        let said = paper.says(&invite("ann", "premium ", days)).unwrap();
        assert!(!paper.book.differs_from(&before), "{:?}", paper.member().journal);
        assert_eq!(said.lines, ["ann is your guest in Premium already"]);
    }
}

#[test]
fn a_guest_is_moved_to_another_tier_or_day_and_keeps_every_other_reason() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    for (tier, days, until) in [("Basic", 10, day(2, 10)), ("Premium", 10, day(2, 10)), ("Premium", 20, day(2, 20))] {
        let said = paper.says(&invite("ann", tier, Some(days))).unwrap();
        let [guest] = grants(&paper, &ann, GrantKind::Complimentary)[..] else { panic!("one") };
        assert_eq!((guest.tier.as_deref(), guest.until), (Some(tier), Some(paper.rules.end_of_day(until))));
        assert_eq!(said.lines, [format!("ann has {tier}, as your guest until the end of {until}")]);
    }
    assert_eq!(grants(&paper, &ann, GrantKind::ByHand).len(), 1, "what was given by hand is still theirs");
}

#[test]
fn who_went_away_without_usher_or_was_refused_by_plex_is_let_in_by_an_invite() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.make_friend(&ann, days(1));
    paper.left(&ann, days(5));
    paper.member().invite_refused =
        Some(InviteRefused { at: now - days(9), by_id: true, by_email: true, unknown: None, why: "no".into() });
    let said = paper.says(&invite("ann", "Basic", None)).unwrap();
    assert_eq!(paper.next(&said.about), ["next: invite ann to Movies"]);
    assert_eq!((paper.member().returned, paper.member().gone.take()), (Some(now), None), "a new spell");
    assert_eq!(said.lines, ["ann is invited to Basic, as your guest"]);
}

#[test]
fn an_address_of_several_or_of_a_relay_invites_nobody() {
    let mut paper = Paper::new();
    let bob = paper.person("bob");
    paper.of(&bob).email = Email::parse("ann@example.com");
    assert!(paper.says(&invite("ann@example.com", "Basic", None)).unwrap_err().contains("use the member id"));
    let relay = invite("x7@privaterelay.appleid.com", "Basic", None);
    assert!(paper.says(&relay).unwrap_err().contains("is a relay address"));
    let said = paper.says(&invite("new@example.com", "Basic", None)).unwrap();
    assert_eq!(paper.next(&said.about), ["next: invite new to Movies"]);
}

#[test]
fn an_extension_adds_whole_days_to_the_last_end_and_ends_no_other_reason() {
    let mut paper = Paper::new();
    let end = paper.rules.end_of_day(day(2, 10)) - paper.now;
    guest(&mut paper, days(400), -end);
    let said = paper.says(&extend("ann", 10)).unwrap();
    assert_eq!(extended_to(&paper), day(2, 20));
    assert_eq!(said.lines, ["ann is extended by 10 days from 2026-02-10 until the end of 2026-02-20"]);
    paper.says(&extend("ann", 5)).unwrap();
    assert_eq!(extended_to(&paper), day(2, 25));
    let ann = paper.ann.clone();
    assert_eq!(grants(&paper, &ann, GrantKind::Complimentary).len(), 1);
    assert_eq!(grants(&paper, &ann, GrantKind::Extension)[0].libraries, None, "the share as it stands");
}

#[test]
fn who_pays_is_extended_beyond_the_paid_period_or_from_today() {
    for (paid, until) in [(None, day(2, 10)), (Some(days(20)), day(3, 2))] {
        let mut paper = Paper::new();
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.shares(&ann, &[MOVIES], days(30));
        paper.pays(&ann, Status::Active, days(30)).now.items[0].period_end = paid.map(|paid| now + paid);
        paper.says(&extend("ann", 10)).unwrap();
        assert_eq!(extended_to(&paper), until, "{paid:?}");
    }
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    assert!(paper.says(&extend("ann", 10)).unwrap_err().contains("nothing of ann's ends"));
}

#[test]
fn an_end_of_another_time_doesnt_shorten_an_extension() {
    // When it ended and when they joined, days ago; how many are given; to when.
    for (ended, joined, given, until) in [
        (9, 400, 10, day(2, 1)),
        (10, 400, 10, day(2, 10)), // That would end this very moment: from today.
        (20, 10, 30, day(3, 2)),   // Long over when they came back.
        (5, 0, 10, day(2, 10)),    // They are back this very moment.
        (5, 5, 10, day(2, 5)),     // It ended the moment they joined.
    ] {
        let mut paper = Paper::new();
        guest(&mut paper, days(joined), days(ended));
        paper.says(&extend("ann", given)).unwrap();
        assert_eq!(extended_to(&paper), until, "ended {ended}, joined {joined}");
    }
}

#[test]
fn who_was_let_go_gets_back_what_they_had_with_an_extension() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    guest(&mut paper, days(400), days(21));
    paper.member().share.as_mut().unwrap().row.sections = [MOVIES, TV].into();
    paper.removed(&ann, days(20));
    let said = paper.says(&extend("ann", 10)).unwrap();
    assert_eq!(extended_to(&paper), day(2, 10));
    let both: std::collections::BTreeSet<SectionId> = [MOVIES, TV].into();
    assert_eq!(grants(&paper, &ann, GrantKind::Extension)[0].libraries, Some(both));
    assert_eq!(paper.next(&said.about), ["next: invite ann to Movies, TV"]);
    assert_eq!(paper.member().grants.len(), 1, "the extension is their reason: no guest for good");

    // Who is back has what they have now, and not what was taken once.
    let bob = paper.person("bob");
    paper.shares(&bob, &[TV], days(400));
    paper.removed(&bob, days(100));
    paper.shares(&bob, &[MOVIES], days(50));
    paper.grant(&bob, GrantKind::Complimentary);
    paper.of(&bob).grants[0].until = Some(now + days(1));
    paper.says(&extend("bob", 10)).unwrap();
    assert_eq!(grants(&paper, &bob, GrantKind::Extension)[0].libraries, None);
}

#[test]
fn a_holiday_lasts_to_the_end_of_its_day_which_may_be_today() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    assert!(paper.says(&pause(day(2, 20), "ill")).unwrap_err().contains("has no access"));
    paper.make_friend(&ann, days(1));
    assert_eq!(paper.says(&pause(day(1, 30), "ill")), Err("2026-01-30 is over; say a day to come".into()));
    assert!(paper.says(&pause(day(2, 20), "  ")).unwrap_err().contains("--note"));
    paper.says(&pause(day(1, 31), "ill")).unwrap();
    assert_eq!(grants(&paper, &ann, GrantKind::Holiday)[0].until, Some(paper.rules.end_of_day(day(1, 31))));
}

#[test]
fn the_same_invite_twice_is_one_and_who_is_gone_since_is_invited_anew() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.says(&invite("ann", "Basic", None)).unwrap();
    let first = grants(&paper, &ann, GrantKind::Complimentary)[0].clone();
    paper.now += days(1);
    let again = paper.says(&invite("ann", "Basic", None)).unwrap();
    assert!(again.lines[0].contains("already"), "{:?}", again.lines);
    assert_eq!(grants(&paper, &ann, GrantKind::Complimentary), [&first], "before the invite is out");
    let gone =
        Gone { at: paper.now, by_us: false, why: "declined".into(), standing: [].into(), was_invite: false, row: None };
    paper.member().gone = Some(gone);
    paper.says(&invite("ann", "Basic", None)).unwrap();
    let now = paper.now;
    assert_eq!((paper.member().gone.clone(), paper.member().returned), (None, Some(now)));
    assert_ne!(grants(&paper, &ann, GrantKind::Complimentary)[0].since, first.since);
}

#[test]
fn what_is_given_twice_is_given_once() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(400));
    paper.says(&grandfather("ann")).unwrap();
    let said = paper.says(&grandfather("ann")).unwrap();
    assert_eq!(said.lines, ["ann is grandfathered already"]);
    assert_eq!(grants(&paper, &ann, GrantKind::Grandfathered).len(), 1);
    // Somebody new, whose invite isn't out yet.
    paper.says(&invite("bob@example.com", "Basic", None)).unwrap();
    let said = paper.says(&invite("bob@example.com", "Basic", None)).unwrap();
    assert_eq!(said.lines, ["bob is your guest in Basic already"]);
    // Who has gone meanwhile is asked in again.
    let at = paper.now;
    let bob = said.about[0].clone();
    paper.of(&bob).gone =
        Some(Gone { at, by_us: false, why: "left".into(), standing: [].into(), was_invite: false, row: None });
    let said = paper.says(&invite("bob@example.com", "Basic", None)).unwrap();
    assert_eq!(said.lines, ["bob is invited to Basic, as your guest"]);
}

#[test]
fn guests_with_an_end_and_who_pays_for_an_unknown_price_are_not_grandfathered_with_everybody() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    guest(&mut paper, days(10), days(-5));
    let bob = paper.friend("bob", days(1));
    paper.pays(&bob, Status::Active, days(30)).tiers.clear();
    let cleo = paper.friend("cleo", days(1));
    paper.of(&cleo).grants.clear();
    paper.ended(&cleo, days(5));
    let dan = paper.friend("dan", days(1));
    paper.grant(&dan, GrantKind::Holiday);
    paper.of(&dan).grants[1].until = Some(now + days(9));
    let said = paper.says(&Ask::GrandfatherEveryone).unwrap();
    assert_eq!(said.about, [dan], "a holiday ends, but not what he has beside it");
    assert!(said.lines[1].contains("bob (m-2): sub_m-2_0 is active"), "{said:?}");
    assert!(said.lines[2].starts_with("2 whose access has an end are left out"), "{said:?}");
    for who in ["ann (m-1): complimentary until the end of 2026-02-05", "cleo (m-3): sub_m-3_0 has ended"] {
        assert!(said.lines[2].contains(who), "{said:?}");
    }
    let _ = ann;
}

#[test]
fn a_guest_keeps_an_end_of_which_nothing_is_said_also_that_of_a_code() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.says(&invite("ann", "Basic", Some(10))).unwrap();
    let end = Some(paper.rules.end_of_day(day(2, 10)));
    paper.now += days(1);
    paper.says(&invite("ann", "Premium", None)).unwrap();
    let [guest] = grants(&paper, &ann, GrantKind::Complimentary)[..] else { panic!("one") };
    assert_eq!((guest.tier.as_deref(), guest.until), (Some("Premium"), end));
    // The days of a code begin when they come in.
    let used = FreeUse { mark: CodeMark("mark".into()), days: Some(30) };
    let grant = &mut paper.member().grants[0];
    (grant.until, grant.code) = (None, Some(used.clone()));
    paper.says(&invite("ann", "Basic", None)).unwrap();
    assert_eq!(grants(&paper, &ann, GrantKind::Complimentary)[0].code, Some(used));
    let never = Ask::Invite { who: "ann".into(), tier: "Basic".into(), days: Some(Stay::FOR_GOOD) };
    paper.says(&never).unwrap();
    let [guest] = grants(&paper, &ann, GrantKind::Complimentary)[..] else { panic!("one") };
    assert_eq!((guest.until, guest.code.clone()), (None, None));
    // What is over is no end that could be kept.
    paper.says(&invite("ann", "Basic", Some(2))).unwrap();
    paper.now += days(5);
    paper.says(&invite("ann", "Basic", None)).unwrap();
    assert_eq!(grants(&paper, &ann, GrantKind::Complimentary)[0].until, None);
}

#[test]
fn days_are_a_number_or_never() {
    for (word, stay) in [("3", Stay::Days(3)), ("\"never\"", Stay::FOR_GOOD)] {
        let ask = format!("{{\"ask\":\"invite\",\"who\":\"ann\",\"tier\":\"Basic\",\"days\":{word}}}");
        let wish: Wish = serde_json::from_str(&ask).unwrap();
        assert_eq!(wish.ask, Ask::Invite { who: "ann".into(), tier: "Basic".into(), days: Some(stay) });
    }
}
