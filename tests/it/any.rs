//! Any house whatever: random people, random weather; and the promises asked
//! of what the rules would do there. Pure, thousands of houses in a second.

use std::collections::BTreeSet;

use proptest::prelude::*;
use usher::facts::{PlexId, ShareState, Source, Status};
use usher::ledger::{Act, EndCause, GrantKind, HeldBecause, Hold, Verdict};
use usher::member::MemberId;
use usher::policy::brake::{self, Admission};
use usher::policy::plan::{Class, Doing, Proposal};
use usher::policy::{PruneMode, Rules, reasons};

use crate::paper::{MOVIES, OWNER, Paper, TV, days};

/// How somebody's warning stands.
#[derive(Debug, Clone, Copy)]
enum Warned {
    No,
    Owed,
    Accepted(i64),
    NoChannel,
}

/// One person.
#[derive(Debug, Clone)]
struct Someone {
    /// 0 none, 1 invited, 2 accepted.
    share: u8,
    downloads: Option<bool>,
    grants: Vec<GrantKind>,
    /// Which status, and how many days ago it became so.
    subs: Vec<(u8, i64)>,
    letter: Option<i64>,
    /// Days since the last play; `None` = never seen to play.
    played: Option<i64>,
    listed: bool,
    warned: Warned,
    /// 0 nobody special, 1 VIP, 2 home, 3 the owner, 4 ADMIN_EMAIL.
    protected: u8,
    blocked: bool,
    approved: bool,
}

/// A house and its weather.
#[derive(Debug, Clone)]
struct Any {
    people: Vec<Someone>,
    /// Minutes since each source was last read whole; `None` = not since the start.
    read: [Option<i64>; 3],
    connected: bool,
    prune: u8,
    crowd: usize,
}

fn someone() -> impl Strategy<Value = Someone> {
    let grants = prop::collection::vec(
        prop::sample::select(vec![
            GrantKind::ByHand,
            GrantKind::ByHand,
            GrantKind::ByHand,
            GrantKind::Complimentary,
            GrantKind::Grandfathered,
            GrantKind::Holiday,
        ]),
        0..3,
    );
    let warned = prop_oneof![1 => Just(Warned::No), 1 => Just(Warned::Owed), 5 => (2..9_i64).prop_map(Warned::Accepted), 1 => Just(Warned::NoChannel)];
    let protected = prop_oneof![20 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    let share = prop_oneof![1 => Just(0_u8), 1 => Just(1), 5 => Just(2)];
    let downloads = prop_oneof![9 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)];
    let subs = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec((0..8_u8, 0..20_i64), 1..3)];
    let have = (share, downloads, grants, subs);
    let played = prop_oneof![1 => Just(None), 1 => (0..27_i64).prop_map(Some), 3 => (27..60_i64).prop_map(Some)];
    let did = (prop::option::of(0..9_i64), played, prop::bool::weighted(0.9), warned);
    (have, did, protected, prop::bool::weighted(0.05), prop::bool::weighted(0.2)).prop_map(
        |((share, downloads, grants, subs), (letter, played, listed, warned), protected, blocked, approved)| Someone {
            share,
            downloads,
            grants,
            subs,
            letter,
            played,
            listed,
            warned,
            protected,
            blocked,
            approved,
        },
    )
}

fn house() -> impl Strategy<Value = Any> {
    let minutes = || prop_oneof![1 => Just(None), 10 => (0..5_i64).prop_map(Some), 2 => (0..5000_i64).prop_map(Some)];
    let read = [minutes(), minutes(), minutes()];
    // Now and then the same happens to everybody: a crowd.
    let people = prop_oneof![
        5 => prop::collection::vec(someone(), 1..24),
        1 => (someone(), 2..12_usize).prop_map(|(someone, many)| vec![someone; many]),
    ];
    (people, read, prop::bool::weighted(0.9), 0..4_u8, 0..40_usize)
        .prop_map(|(people, read, connected, prune, crowd)| Any { people, read, connected, prune, crowd })
}

/// The house on paper, with everybody's id in order.
fn build(any: &Any) -> (Paper, Vec<MemberId>) {
    let mut paper = Paper::new();
    paper.crowd(any.crowd);
    paper.rules.prune_mode =
        [PruneMode::Auto, PruneMode::Auto, PruneMode::Approve, PruneMode::Report][usize::from(any.prune)];
    let ids: Vec<MemberId> = any.people.iter().enumerate().map(|(n, someone)| enter(&mut paper, n, someone)).collect();
    let now = paper.now;
    let read = |minutes: i64| now - chrono::TimeDelta::minutes(minutes);
    if let Some(tautulli) = paper.world.tautulli.whole_mut() {
        tautulli.value.connected = any.connected;
    }
    let [plex, stripe, tautulli] = any.read.map(|minutes| minutes.map(read));
    age(&mut paper.world.plex, plex);
    age(&mut paper.world.stripe, stripe);
    age(&mut paper.world.tautulli, tautulli);
    approve(&mut paper, any, &ids);
    (paper, ids)
}

fn age<T: Clone>(seen: &mut usher::policy::Seen<T>, at: Option<usher::facts::Moment>) {
    match (at, seen.whole_mut()) {
        (Some(at), Some(whole)) => {
            whole.begun = at - chrono::TimeDelta::seconds(1);
            whole.at = at;
        }
        _ => {
            seen.last = None;
            seen.wholes = 0;
        }
    }
}

fn enter(paper: &mut Paper, n: usize, someone: &Someone) -> MemberId {
    let id = paper.person(&format!("any{n}"));
    match someone.share {
        0 => {}
        1 => paper.invited(&id, &[MOVIES]),
        _ => paper.shares(&id, &[MOVIES, TV], days(400)),
    }
    if let Some(share) = paper.of(&id).share.as_mut() {
        share.row.downloads = someone.downloads;
    }
    someone.grants.iter().for_each(|kind| paper.grant(&id, *kind));
    for (status, ago) in &someone.subs {
        subscribe(paper, &id, *status, days(*ago));
    }
    if !someone.subs.is_empty() {
        paper.told_unpaid(&id, someone.letter.map(days));
    }
    if let Some(played) = someone.played {
        paper.watched(&id, days(played));
    }
    warn(paper, &id, someone.warned);
    let account = paper.of(&id).plex.unwrap();
    if !someone.listed {
        paper.world.tautulli.whole_mut().unwrap().value.people.remove(&account);
    }
    match someone.protected {
        1 => {
            paper.rules.vip_names.push(format!("any{n}"));
            paper.book.vips.insert(format!("any{n}"), account);
        }
        2 => paper.of(&id).home = true,
        3 => paper.of(&id).plex = Some(OWNER),
        4 => paper.of(&id).email = paper.rules.admin_email.clone(),
        _ => {}
    }
    if someone.blocked {
        paper.of(&id).blocked = Some(paper.now);
    }
    id
}

fn subscribe(paper: &mut Paper, id: &MemberId, status: u8, ago: chrono::TimeDelta) {
    let now = paper.now;
    match status {
        0 | 1 => drop(paper.pays(id, Status::Active, ago)),
        2 => drop(paper.pays(id, Status::Trialing, ago)),
        3 => paper.owes(id, Status::PastDue, ago, None),
        4 => paper.owes(id, Status::Unpaid, ago, Some(days(2))),
        5 => paper.ended(id, ago),
        6 => {
            let billed = paper.pays(id, Status::Canceled, ago + days(40));
            (billed.now.ended_at, billed.now.ended_by_failed_payment) = (Some(now - ago), true);
        }
        _ => drop(paper.pays(id, Status::from("frozen".to_owned()), ago)),
    }
}

fn warn(paper: &mut Paper, id: &MemberId, warned: Warned) {
    let standing = reasons::standing(paper.scene(), &paper.book.members[id]);
    let idle = usher::policy::inactivity::idle(paper.scene(), &paper.book.members[id], &standing);
    if !matches!(idle, usher::policy::inactivity::Idle::Days { .. }) {
        return;
    }
    let mut spell = paper.spell(id);
    match warned {
        Warned::No => return,
        Warned::Owed => {}
        Warned::NoChannel => spell.no_channel = true,
        Warned::Accepted(ago) => return paper.warned(id, days(ago)),
    }
    paper.of(id).idle = Some(spell);
}

/// The operator has approved whatever would be done to some of them.
fn approve(paper: &mut Paper, any: &Any, ids: &[MemberId]) {
    let meant: BTreeSet<&MemberId> =
        ids.iter().zip(&any.people).filter(|(_, someone)| someone.approved).map(|(id, _)| id).collect();
    for (n, proposal) in paper.plan().proposals.into_iter().enumerate() {
        if meant.contains(&proposal.member) {
            let hold = Hold {
                id: format!("h-{n}"),
                key: proposal.key.clone(),
                member: proposal.member.clone(),
                what: proposal.what.clone(),
                why: proposal.because.clone(),
                because: HeldBecause::Approval { why: "a test".into() },
                since: paper.now,
                verdict: Some(Verdict::Approved { at: paper.now }),
                notice: None,
                rehearsed: false,
            };
            paper.book.holds.insert(proposal.key, hold);
        }
    }
}

fn removals(admission: &Admission) -> impl Iterator<Item = &Proposal> {
    admission.admitted.iter().filter(|proposal| matches!(proposal.class, Class::Removal { .. }))
}

fn cause(proposal: &Proposal) -> Option<&EndCause> {
    match &proposal.doing {
        Doing::Act(Act::End { cause, .. }) => Some(cause),
        _ => None,
    }
}

fn is_approved(paper: &Paper, proposal: &Proposal) -> bool {
    paper.book.holds.get(&proposal.key).is_some_and(|hold| matches!(hold.verdict, Some(Verdict::Approved { .. })))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promise_01_in_any_house_only_who_was_warned_long_enough_ago_goes_for_idleness(any in house()) {
        let (paper, _) = build(&any);
        for proposal in removals(&paper.admit()) {
            let Some(EndCause::Idle { .. }) = cause(proposal) else { continue };
            let member = &paper.book.members[&proposal.member];
            let spell = member.idle.as_ref().expect("a spell");
            let warned = spell.warned_at.is_some_and(|at| paper.now - at >= days(3));
            let over = spell.promised_end.is_some_and(|end| paper.now >= end);
            let asked = spell.no_channel && is_approved(&paper, proposal);
            prop_assert!((warned && over) || asked, "{} goes unwarned: {spell:?}", member.name());
            // Who never played was shared with 400 days ago, as everybody here.
            prop_assert!(member.last_play.is_none_or(|played| paper.now - played >= days(30)));
        }
    }

    #[test]
    fn promise_02_in_any_house_nothing_rests_on_a_source_that_is_stale_or_silent(any in house()) {
        let (paper, _) = build(&any);
        let admission = paper.admit();
        for proposal in admission.admitted.iter().filter(|proposal| proposal.class.takes_away()) {
            let revoked = matches!(cause(proposal), Some(EndCause::Revoked));
            for source in &proposal.rests_on {
                let fresh = paper.world.is_fresh(paper.now, &paper.rules, *source);
                prop_assert!(fresh || revoked, "{} rests on {source}", proposal.what);
            }
            let watching = proposal.class == Class::Warning || matches!(cause(proposal), Some(EndCause::Idle { .. }));
            prop_assert!(!watching || any.connected, "{}: Tautulli saw nothing", proposal.what);
            let listed = |n: usize| any.people[n].listed;
            let name = paper.book.members[&proposal.member].name();
            let number = name.strip_prefix("any").and_then(|n| n.parse().ok());
            prop_assert!(!watching || number.is_none_or(listed), "{name} isn't listed by Tautulli");
        }
    }

    #[test]
    fn promise_03_in_any_house_no_more_go_than_the_day_allows(any in house()) {
        let (paper, _) = build(&any);
        let admission = paper.admit();
        let unasked: Vec<&Proposal> = removals(&admission)
            .filter(|proposal| !is_approved(&paper, proposal) && !matches!(cause(proposal), Some(EndCause::Revoked)))
            .collect();
        let with_access = paper.book.members_with_access();
        prop_assert!(unasked.len() <= Rules::hold_all_threshold(with_access));
        let unstated = unasked.iter().filter(|proposal| proposal.class == Class::Removal { stated: false }).count();
        prop_assert!(unstated <= paper.rules.removals_per_day(with_access));
        prop_assert!(unstated <= 3, "three a day, however large the house");
    }

    #[test]
    fn promise_04_in_any_house_who_pays_is_neither_warned_nor_removed(any in house()) {
        let (paper, _) = build(&any);
        for proposal in paper.plan().proposals {
            let member = &paper.book.members[&proposal.member];
            let pays = member
                .subscriptions
                .values()
                .any(|billed| matches!(billed.now.status, Status::Active | Status::Trialing));
            let out = matches!(proposal.class, Class::Removal { .. } | Class::Warning | Class::CancelInvite);
            prop_assert!(!(pays && out) || member.blocked.is_some(), "{} pays: {}", member.name(), proposal.what);
        }
    }

    #[test]
    fn promise_08_in_any_house_nothing_is_taken_from_the_protected(any in house()) {
        let (paper, ids) = build(&any);
        let protected: BTreeSet<&MemberId> =
            ids.iter().zip(&any.people).filter(|(_, someone)| someone.protected > 0).map(|(id, _)| id).collect();
        for proposal in paper.admit().admitted {
            let takes = proposal.class.takes_away() && proposal.class != Class::Forget;
            prop_assert!(!(takes && protected.contains(&proposal.member)), "{}", proposal.what);
        }
    }

    #[test]
    fn promise_10_in_any_house_every_action_and_every_wait_says_why(any in house()) {
        let (paper, _) = build(&any);
        let admission = paper.admit();
        for proposal in admission.admitted.iter().chain(admission.held.iter().map(|(proposal, _)| proposal)) {
            prop_assert!(!proposal.because.is_empty() && !proposal.what.is_empty() && !proposal.rests_on.is_empty());
            prop_assert!(proposal.rests_on.contains(&Source::Plex));
        }
        prop_assert!(admission.held.iter().all(|(_, because)| !because.sentence().is_empty()));
    }

    #[test]
    fn in_any_house_the_same_facts_give_the_same_plan_and_a_second_pass_adds_nothing(any in house()) {
        let (mut paper, _) = build(&any);
        prop_assert_eq!(paper.plan(), paper.plan());
        let (now, rules, world) = (paper.now, paper.rules.clone(), paper.world.clone());
        usher::policy::decide::decide(now, &rules, &world, &mut paper.book);
        let once = paper.book.clone();
        usher::policy::decide::decide(now, &rules, &world, &mut paper.book);
        prop_assert!(!paper.book.differs_from(&once), "deciding twice is deciding once");
    }

    /// The second admission lets nothing through that the first would hold.
    #[test]
    fn in_any_house_an_act_needs_its_looks(any in house()) {
        let (paper, _) = build(&any);
        for proposal in paper.admit().admitted {
            let blind = brake::second(paper.scene(), &proposal.key, &brake::SecondLook::default());
            prop_assert!(blind.is_err() || !proposal.class.takes_away(), "{} went without a look", proposal.what);
        }
    }
}

/// What the houses above are made of comes true often enough to prove something.
#[test]
fn the_houses_are_worth_looking_at() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut idle, mut lapsed, mut warned, mut invited, mut held) = (0, 0, 0, 0, BTreeSet::new());
    for _ in 0..600 {
        let any = house().new_tree(&mut runner).expect("a house").current();
        let admission = build(&any).0.admit();
        idle += removals(&admission).filter(|it| matches!(cause(it), Some(EndCause::Idle { .. }))).count();
        lapsed += removals(&admission).filter(|it| matches!(cause(it), Some(EndCause::Lapsed { .. }))).count();
        warned += admission.admitted.iter().filter(|it| it.class == Class::Warning).count();
        invited += admission.admitted.iter().filter(|it| matches!(it.class, Class::Invite { .. })).count();
        held.extend(admission.held.iter().map(|(_, because)| because.rule()));
    }
    assert!(idle > 10 && lapsed > 10 && warned > 10 && invited > 10, "{idle} {lapsed} {warned} {invited}");
    for rule in ["looked", "fresh", "warned", "approval", "budget", "hold-all"] {
        assert!(held.iter().any(|held| held.contains(rule)), "{rule} never held: {held:?}");
    }
}

/// Pending and accepted rows are told apart everywhere above.
#[test]
fn a_paper_invite_is_no_access() {
    let mut paper = Paper::new();
    let id = paper.person("eve");
    paper.invited(&id, &[MOVIES]);
    let member = &paper.book.members[&id];
    assert!(!member.has_access() && member.is_invited());
    assert!(matches!(member.share.as_ref().unwrap().row.state, ShareState::Pending { .. }));
    assert_eq!(member.plex, Some(PlexId(100 + paper.book.next_member)));
}
