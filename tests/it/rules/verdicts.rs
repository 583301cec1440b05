//! What a pass writes down: holds and the operator's word on them, rehearsals,
//! and when time alone will change something.

use chrono::TimeDelta;
use usher::facts::{PriceId, Status};
use usher::ledger::{Act, ActKey, GrantKind, HeldBecause, Hold, IntentState, Letter, Offer, Removal, Verdict};
use usher::member::MemberId;
use usher::policy::Tiers;
use usher::policy::decide;
use usher::tier::Wanted;

use super::house::{House, MOVIES, TV, days};
use crate::paper::Paper;

/// Three actions wait for the operator: h-1, h-2, h-3.
fn holds() -> Paper {
    let mut paper = Paper::new();
    for n in 1..=3 {
        let key = ActKey(format!("key-{n}"));
        let hold = Hold {
            id: format!("h-{n}"),
            key: key.clone(),
            member: paper.ann.clone(),
            what: format!("action {n}"),
            why: String::new(),
            because: HeldBecause::Approval { why: String::new() },
            since: paper.now,
            verdict: None,
            notice: None,
            rehearsed: false,
        };
        paper.book.holds.insert(key, hold);
    }
    paper
}

fn say(paper: &mut Paper, ids: &[&str], approve: bool) -> Result<Vec<String>, String> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    decide::give_verdict(paper.now, &mut paper.book, &ids, approve)
}

/// The word on each hold: `Some(true)` is a yes.
fn verdicts(paper: &Paper) -> Vec<Option<bool>> {
    let word = |hold: &Hold| hold.verdict.map(|verdict| matches!(verdict, Verdict::Approved { .. }));
    paper.book.holds.values().map(word).collect()
}

#[test]
fn the_operators_word_is_for_what_was_named_and_for_nothing_else() {
    let mut paper = holds();
    assert_eq!(say(&mut paper, &["h-2"], true), Ok(vec!["approved h-2: action 2".to_owned()]));
    assert_eq!(verdicts(&paper), [None, Some(true), None]);
    assert_eq!(say(&mut paper, &["h-3"], false), Ok(vec!["rejected h-3: action 3".to_owned()]));
    assert_eq!(verdicts(&paper), [None, Some(true), Some(false)]);
    let journal: Vec<&str> = paper.member().journal.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(journal, ["you approved h-2: action 2", "you rejected h-3: action 3"]);
}

#[test]
fn a_word_on_all_leaves_what_was_decided_before() {
    let mut paper = holds();
    say(&mut paper, &["h-2"], true).unwrap();
    assert_eq!(say(&mut paper, &["all"], false).unwrap().len(), 2);
    assert_eq!(verdicts(&paper), [Some(false), Some(true), Some(false)]);
    assert_eq!(say(&mut paper, &["all"], true), Ok(vec![]), "nothing waits without a word");
    assert_eq!(verdicts(&paper), [Some(false), Some(true), Some(false)]);
}

#[test]
fn a_word_that_names_one_that_does_not_exist_decides_nothing() {
    let mut paper = holds();
    let said = say(&mut paper, &["h-1", "h-9"], true);
    assert!(said.as_ref().is_err_and(|why| why.contains("h-9") && !why.contains("h-1,")), "{said:?}");
    assert_eq!(verdicts(&paper), [None, None, None]);
}

#[test]
fn a_word_on_all_answers_each_offered_library_once() {
    let mut paper = Paper::new();
    for (id, section) in [("h-1", MOVIES), ("h-2", TV)] {
        let offer = Offer { tier: "Premium".into(), section, since: paper.now, rejected: None };
        paper.book.libraries.offers.insert(id.into(), offer);
    }
    assert_eq!(say(&mut paper, &["h-1"], false).unwrap().len(), 1);
    assert_eq!(say(&mut paper, &["all"], true).unwrap().len(), 1);
    assert_eq!(paper.book.libraries.everything["Premium"], [TV].into(), "a no stands until it is taken back by name");
}

/// Ann (200) pays for Basic and has no share yet: her invite is decided.
fn invited(dry_run: bool) -> House {
    let mut house = House::new();
    house.settle();
    house.rules.ways.dry_run = dry_run;
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house
}

fn journal_has(house: &House, what: &str) -> bool {
    house.payer("ann").journal.iter().any(|entry| entry.what.starts_with(what))
}

#[test]
fn promise_05_a_rehearsal_writes_down_what_it_would_do_and_tells_it_once() {
    let dry = invited(true);
    assert!(dry.book.intents.values().all(|intent| matches!(intent.state, IntentState::Rehearsed { .. })));
    assert_eq!((dry.book.intents.len(), dry.letters("would_have").len()), (1, 1));
    assert!(journal_has(&dry, "would invite") && !journal_has(&dry, "decided to"));
    let live = invited(false);
    assert_eq!((live.invites().len(), live.letters("would_have").len()), (1, 0));
    assert!(journal_has(&live, "decided to invite") && !journal_has(&live, "would"));
}

#[test]
fn what_is_decided_follows_the_facts_until_it_is_tried() {
    let opens = |house: &House| match &house.book.intents.values().next().unwrap().act {
        Act::Invite { sections, .. } => sections.ids().len(),
        _ => panic!(),
    };
    let upgrade = |house: &mut House| {
        house.sub(&"sub_1".into()).items[0].price = PriceId::from("price_premium");
        house.read();
    };
    let mut house = invited(false);
    upgrade(&mut house);
    assert_eq!(opens(&house), 2);
    let mut house = invited(false);
    house.world.calling = true;
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries) = (IntentState::Attempted { at: house.now }, 1);
    }
    upgrade(&mut house);
    assert_eq!(opens(&house), 1, "what was tried is written down as it was tried");
}

#[test]
fn what_was_rehearsed_is_forgotten_when_it_is_known_to_be_no_longer_due() {
    let lapsed = || {
        let mut house = House::new();
        for (n, name) in [(0, "ann"), (1, "bob"), (2, "cleo")] {
            house.share(10 + n, 200 + n, name, &[MOVIES], days(1));
        }
        house.settle();
        let sub = house.subscribe("sub_1", "ann", "price_basic");
        house.settle();
        let ann = house.member(200).id.clone();
        house.book.members.get_mut(&ann).unwrap().grants.clear();
        house.rules.ways.dry_run = true;
        let ended = house.now;
        house.cancel(&sub, ended);
        house.days(2);
        assert_eq!(house.book.intents.len(), 1, "{:?}", house.waiting);
        (house, sub)
    };
    let (mut house, sub) = lapsed();
    let ann = house.member(200).id.clone();
    let member = house.book.members.get_mut(&ann).unwrap();
    member.subscriptions.get_mut(&sub).unwrap().vanished = Some(house.now);
    house.decide();
    assert_eq!(house.book.intents.len(), 1, "not knowing is no reason to forget");
    let (mut house, _) = lapsed();
    house.subscribe("sub_2", "ann", "price_basic");
    house.settle();
    assert_eq!(house.book.intents.len(), 0);
}

#[test]
fn what_waits_for_the_operator_is_told_in_one_message_by_its_names() {
    let held = |many: u64| {
        let mut house = House::new();
        for n in 0..many {
            house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
            house.played(200 + n, days(28));
            // Members with downloads go only by the operator's word.
            house.row(10 + n).downloads = Some(true);
        }
        house.rules.prune_mode = usher::policy::PruneMode::Approve;
        house.settle();
        house.deliver();
        house.days(8);
        let keys = house.letters("held");
        let notice = &house.book.outbox[*keys.last().unwrap()];
        let Letter::Held { people, how_to_approve, .. } = &notice.letter else { panic!() };
        (keys.len(), people.len(), how_to_approve.len(), notice.member.is_some())
    };
    assert_eq!(held(1), (1, 1, 2, true), "about one, it is about them");
    assert_eq!(held(2), (1, 2, 2, false));
}

#[test]
fn a_tier_that_cant_be_shared_is_told_only_once_the_libraries_are_known() {
    let mut house = House::new();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[0].libraries = Wanted::Titles(vec!["Music".into()]);
    house.decide();
    assert!(house.letters("attention").is_empty(), "nothing was read yet");
    house.settle();
    assert_eq!(house.letters("attention").len(), 1);
}

fn next(paper: &Paper) -> Option<TimeDelta> {
    decide::next_deadline(paper.scene()).map(|next| next - paper.now)
}

#[test]
fn the_next_look_is_at_the_day_on_which_somebody_becomes_due() {
    let idle = |ago: i64| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(ago));
        paper
    };
    assert_eq!(next(&idle(20)), Some(days(7)), "to be warned after 27 days");
    assert_eq!(next(&idle(27)), Some(days(3)), "the warning is due now; to be removed after 30");
    let mut blind = idle(20);
    blind.book.blind.add(blind.now - days(5), blind.now - days(3));
    assert_eq!(next(&blind), Some(days(9)), "two days nobody could see");
    let mut removed = Paper::new();
    assert_eq!(next(&removed), None);
    let removal = Removal { at: removed.now - TimeDelta::hours(5), member: MemberId::number(9), stated: false };
    removed.book.removals = vec![removal];
    assert_eq!(next(&removed), Some(TimeDelta::hours(19)), "the day's budget is free again");
    let mut guest = Paper::new();
    let (ann, now) = (guest.ann.clone(), guest.now);
    guest.shares(&ann, &[MOVIES], TimeDelta::hours(1));
    guest.grant(&ann, GrantKind::Grandfathered);
    guest.grant(&ann, GrantKind::Complimentary);
    guest.member().grants[1].until = Some(now + days(2));
    assert_eq!(next(&guest), Some(days(2)));
    guest.pays(&ann, Status::Active, days(10)).now.cancel_at = Some(now + days(1));
    assert_eq!(next(&guest), Some(days(1)));
}
