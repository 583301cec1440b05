//! The brake on paper: each of its ten rules holds when it should, and lets
//! through when it should (RULES R9, promise 3).

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Email, ShareId, Source, Status};
use usher::ledger::{
    Act, ActKey, EndCause, EndedBecause, HeldBecause, Hold, Intent, IntentState, Population, Removal, Verdict,
};
use usher::member::MemberId;
use usher::policy::Drop;
use usher::policy::brake::{self, NotNow, SecondLook};
use usher::policy::continuity;

use crate::paper::{Change, MOVIES, Paper, TV, days, noon};

/// Ann is idle, warned, and everything says: remove.
fn ann_is_due() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(31));
    paper.warned(&ann, days(4));
    paper
}

/// Ann's subscription ended two days ago: remove, stated by Stripe.
fn ann_has_lapsed() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(200));
    paper.ended(&ann, days(2));
    paper
}

/// Ann pays and has no share: invite.
fn ann_pays() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    paper
}

/// The rule that holds the only proposal; `None` when it goes.
fn rule(paper: &Paper) -> Option<&'static str> {
    let admission = paper.admit();
    assert_eq!(admission.admitted.len() + admission.held.len(), 1, "{admission:?}");
    admission.held.first().map(|(_, because)| because.rule())
}

fn rules_of(paper: &Paper) -> Vec<(String, &'static str)> {
    paper.admit().held.into_iter().map(|(proposal, because)| (proposal.what, because.rule())).collect()
}

fn everything_answered() -> SecondLook {
    SecondLook { answered: Source::ALL.to_vec(), ..SecondLook::default() }
}

/// What the second admission says of the only proposal.
fn second(paper: &Paper, looked: &SecondLook) -> Result<(), &'static str> {
    let key = paper.plan().proposals.first().map_or_else(|| ActKey("none".into()), |proposal| proposal.key.clone());
    match brake::second(paper.scene(), &key, looked) {
        Ok(_) => Ok(()),
        Err(NotNow::Held(because)) => Err(because.rule()),
        Err(NotNow::NoLongerDue) => Err("no longer due"),
    }
}

/// The operator's word on everything that waits now.
fn verdict(paper: &mut Paper, verdict: Verdict) {
    let held = paper.admit().held;
    for (n, (proposal, because)) in held.into_iter().enumerate() {
        hold(paper, n, &proposal.key, &proposal.member, because, Some(verdict));
    }
}

fn hold(paper: &mut Paper, n: usize, key: &ActKey, member: &MemberId, because: HeldBecause, verdict: Option<Verdict>) {
    let hold = Hold {
        id: format!("h-{n}"),
        key: key.clone(),
        member: member.clone(),
        what: String::new(),
        why: String::new(),
        because,
        since: paper.now,
        verdict,
        notice: None,
        rehearsed: false,
    };
    paper.book.holds.insert(key.clone(), hold);
}

#[test]
fn brake_01_looked_holds() {
    for source in Source::ALL {
        let mut paper = ann_is_due();
        match source {
            Source::Plex => paper.world.plex.wholes = 1,
            Source::Stripe => paper.world.stripe.wholes = 1,
            Source::Tautulli => paper.world.tautulli.wholes = 1,
        }
        assert_eq!(rule(&paper), Some("looked"), "{source}");
    }
    let mut paper = ann_pays();
    paper.world.stripe.wholes = 1;
    assert_eq!(rule(&paper), Some("looked"), "grants, too");
}

#[test]
fn brake_01_looked_lets_through() {
    assert_eq!(rule(&ann_is_due()), None);
    let mut paper = ann_pays();
    paper.world.tautulli.wholes = 0;
    assert_eq!(rule(&paper), None, "an invite doesn't rest on Tautulli");
}

#[test]
fn brake_02_fresh_holds() {
    let old = Paper::new().now - TimeDelta::minutes(91);
    let mut paper = ann_is_due();
    paper.world.plex.whole_mut().unwrap().at = old;
    assert_eq!(rule(&paper), Some("fresh"));
    let mut paper = ann_is_due();
    paper.world.stripe.whole_mut().unwrap().at = old;
    assert_eq!(rule(&paper), Some("fresh"));
    let mut paper = ann_is_due();
    paper.world.tautulli.whole_mut().unwrap().at = old;
    assert_eq!(rule(&paper), Some("fresh"));
}

#[test]
fn brake_02_fresh_lets_through() {
    let mut paper = ann_is_due();
    paper.world.tautulli.whole_mut().unwrap().at = paper.now - TimeDelta::minutes(89);
    assert_eq!(rule(&paper), None, "within three intervals of 30 min");
    let mut paper = ann_is_due();
    paper.world.plex.whole_mut().unwrap().at = paper.now - TimeDelta::minutes(9);
    assert_eq!(rule(&paper), None, "never less than 10 min");
    let mut paper = ann_pays();
    paper.world.stripe.whole_mut().unwrap().at = paper.now - TimeDelta::hours(9);
    assert_eq!(rule(&paper), None, "an invite takes nothing away");
}

#[test]
fn brake_03_identity_holds() {
    let spoil: [(Source, Change); 5] = [
        (Source::Plex, |paper| paper.world.plex.whole_mut().unwrap().value.server = "another".into()),
        (Source::Stripe, |paper| paper.world.stripe.whole_mut().unwrap().value.account = Some("acct_2".into())),
        (Source::Stripe, |paper| paper.world.stripe.whole_mut().unwrap().value.key_livemode = true),
        (Source::Stripe, |paper| paper.world.stripe.whole_mut().unwrap().value.livemode_fits = false),
        (Source::Tautulli, |paper| paper.world.tautulli.whole_mut().unwrap().value.server = "another".into()),
    ];
    for (source, spoil) in spoil {
        let mut paper = ann_is_due();
        spoil(&mut paper);
        assert_eq!(rule(&paper), Some("identity"));
        // What is read of another server is not counted as a look at ours, and
        // a second look wouldn't help: the operator is told what would.
        paper.world.begin_looking_anew(source);
        assert_eq!(rule(&paper), Some("identity"), "rather than looked");
    }
    for (_, spoil) in spoil.into_iter().take(4) {
        let mut paper = ann_pays();
        spoil(&mut paper);
        assert_eq!(rule(&paper), Some("identity"), "grants, too");
    }
}

#[test]
fn brake_03_identity_lets_through() {
    let mut paper = ann_is_due();
    paper.world.stripe.whole_mut().unwrap().value.account = None;
    assert_eq!(rule(&paper), None, "not known is never a mismatch");
    paper.world.tautulli.whole_mut().unwrap().value.server = "another".into();
    paper.book.identities.tautulli_server = Some("another".into());
    assert_eq!(rule(&paper), None, "`usher accept tautulli`");
}

#[test]
fn brake_04_clock_holds() {
    for skew in [301, -301, 86_400, -86_400] {
        let mut paper = ann_is_due();
        paper.world.plex.whole_mut().unwrap().skew_secs = Some(skew);
        assert_eq!(rule(&paper), Some("clock"));
        let mut paper = ann_pays();
        paper.world.stripe.whole_mut().unwrap().skew_secs = Some(skew);
        assert_eq!(rule(&paper), Some("clock"), "grants, too");
    }
    let mut paper = ann_pays();
    paper.book.committed = paper.now + TimeDelta::minutes(6);
    assert_eq!(rule(&paper), Some("clock"), "before the last commit");
}

#[test]
fn brake_04_clock_lets_through() {
    let mut paper = ann_is_due();
    paper.world.plex.whole_mut().unwrap().skew_secs = Some(300);
    paper.world.stripe.whole_mut().unwrap().skew_secs = Some(-299);
    paper.world.tautulli.whole_mut().unwrap().skew_secs = Some(9999);
    assert_eq!(rule(&paper), None, "Tautulli's clock is nobody's measure");
}

fn fewer() -> Drop {
    Drop { since: Paper::new().now, now: 5, expected: 20, begun_anew: false }
}

#[test]
fn brake_05_continuity_holds() {
    for population in [Population::Friends, Population::Subscriptions, Population::Watchers, Population::History] {
        let mut paper = ann_is_due();
        paper.world.drops.insert(population, fewer());
        assert_eq!(rule(&paper), Some("continuity"), "{population:?}");
    }
    let mut paper = ann_pays();
    paper.world.drops.insert(Population::Friends, fewer());
    assert_eq!(rule(&paper), Some("continuity"), "invites wait for the friends");
}

#[test]
fn brake_05_continuity_lets_through() {
    let mut paper = ann_pays();
    paper.world.drops.insert(Population::Subscriptions, fewer());
    assert_eq!(rule(&paper), None, "a payer is a payer");
    let mut paper = ann_has_lapsed();
    paper.world.drops.insert(Population::Watchers, fewer());
    assert_eq!(rule(&paper), None, "the end of paying doesn't rest on Tautulli");
    let mut paper = ann_is_due();
    let measure = |paper: &mut Paper, ago: TimeDelta, count| {
        continuity::measure(paper.now - ago, &mut paper.world, &mut paper.book, Population::Friends, count);
        rule(paper)
    };
    assert_eq!(measure(&mut paper, TimeDelta::hours(5), 20), None);
    assert_eq!(measure(&mut paper, TimeDelta::hours(2), 12), Some("continuity"));
    assert_eq!(measure(&mut paper, TimeDelta::hours(1), 12), None, "confirmed an hour later");
}

#[test]
fn brake_06_protected_holds() {
    // The plan already leaves the protected alone; the brake asks once more.
    let mut paper = ann_is_due();
    let plan = paper.plan();
    let ann = paper.ann.clone();
    paper.of(&ann).email = Email::parse("operator@example.com");
    let admission = brake::admit(paper.scene(), plan);
    assert_eq!(admission.held.iter().map(|(_, because)| because.rule()).collect::<Vec<_>>(), ["protected"]);
    let protect: [fn(&mut Paper); 4] = [
        |paper| paper.member().home = true,
        |paper| paper.book.identities.owner = paper.member().plex,
        |paper| paper.member().email = Email::parse("operator@example.com"),
        |paper| {
            paper.rules.vip_names = vec!["ann".into()];
            let account = paper.member().plex.unwrap();
            paper.book.vips.insert("ann".into(), account);
        },
    ];
    for protect in protect {
        for mut paper in [ann_is_due(), ann_has_lapsed()] {
            protect(&mut paper);
            assert_eq!(paper.plan().proposals, Vec::new(), "nothing is even planned");
        }
    }
}

#[test]
fn brake_06_protected_lets_through() {
    let mut paper = ann_is_due();
    let account = paper.member().plex.unwrap();
    paper.book.vips.insert("ann".into(), account);
    assert_eq!(rule(&paper), None, "an entry that is no longer in VIP_NAMES protects nobody");
    let mut paper = ann_pays();
    paper.rules.vip_names = vec!["ann".into()];
    let account = paper.member().plex.unwrap();
    paper.book.vips.insert("ann".into(), account);
    assert_eq!(rule(&paper), None, "who is protected may be let in");
}

#[test]
fn brake_07_warned_holds() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(400));
    let spell = paper.spell(&ann);
    paper.member().idle = Some(spell);
    assert_eq!(rule(&paper), Some("warned"), "the letter is still in the outbox");
    for ago in [0, 1, 2] {
        paper.warned(&ann, days(ago));
        assert_eq!(rule(&paper), Some("warned"), "accepted {ago} days ago");
    }
    // Observed time, not time.
    paper.warned(&ann, days(4));
    paper.book.blind.add(paper.now - days(3), paper.now - days(1));
    assert_eq!(rule(&paper), Some("warned"), "two of the four days were blind");
    // The promised day is not over.
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(400));
    paper.warned(&ann, days(3));
    assert_eq!(rule(&paper), Some("warned"), "today was promised");
}

#[test]
fn brake_07_warned_lets_through() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(400));
    paper.warned(&ann, days(3) + TimeDelta::hours(13));
    assert_eq!(rule(&paper), None);
}

#[test]
fn brake_07_approval_holds_and_lets_through() {
    let mut paper = ann_is_due();
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    assert_eq!(rule(&paper), Some("approval"));
    verdict(&mut paper, Verdict::Approved { at: noon() });
    assert_eq!(rule(&paper), None);
    let mut paper = ann_is_due();
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    verdict(&mut paper, Verdict::Rejected { at: noon() });
    assert_eq!(rule(&paper), Some("rejected"));
}

#[test]
fn brake_07_approval_does_not_stand_for_a_warning() {
    let mut paper = ann_is_due();
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    verdict(&mut paper, Verdict::Approved { at: noon() });
    let ann = paper.ann.clone();
    paper.warned(&ann, days(1));
    assert_eq!(rule(&paper), Some("warned"));
}

#[test]
fn brake_08_second_look_holds() {
    let paper = ann_is_due();
    for missing in Source::ALL {
        let answered = Source::ALL.into_iter().filter(|source| *source != missing).collect();
        let looked = SecondLook { answered, ..SecondLook::default() };
        assert_eq!(second(&paper, &looked), Err("second look"), "{missing} was not asked again");
    }
    let silent = SecondLook { unanswered: Some("500".into()), ..everything_answered() };
    assert_eq!(second(&paper, &silent), Err("second look"));
    let new = SecondLook { could_be_theirs: Some("sub_new".into()), ..everything_answered() };
    assert_eq!(second(&paper, &new), Err("second look"), "they may have just paid");
    assert_eq!(second(&ann_pays(), &silent), Err("second look"), "an invite looks for an own share first");
}

#[test]
fn brake_08_second_look_lets_through() {
    assert_eq!(second(&ann_is_due(), &everything_answered()), Ok(()));
    let lapsed = SecondLook { answered: vec![Source::Plex, Source::Stripe], ..SecondLook::default() };
    assert_eq!(second(&ann_has_lapsed(), &lapsed), Ok(()), "Tautulli has no say in it");
    // What the look shows is in the book by then: she has watched.
    let mut paper = ann_is_due();
    let key = paper.plan().proposals[0].key.clone();
    let ann = paper.ann.clone();
    paper.watched(&ann, TimeDelta::minutes(1));
    assert!(matches!(brake::second(paper.scene(), &key, &everything_answered()), Err(NotNow::NoLongerDue)));
}

/// Ann and two more are due; the house is large enough for no hold-all.
fn three_are_due(others: usize) -> Paper {
    let mut paper = ann_is_due();
    paper.crowd(others);
    for (n, name) in ["bob", "cleo"].into_iter().enumerate() {
        let id = paper.friend(name, days(32 + i64::try_from(n).unwrap()));
        paper.warned(&id, days(5));
    }
    paper
}

#[test]
fn brake_09_budget_holds() {
    let mut paper = three_are_due(40);
    paper.rules.removals_per_day_max = Some(2);
    assert_eq!(rules_of(&paper), [("remove ann".into(), "budget")], "the oldest due go first");
    let removal = Removal { at: paper.now - TimeDelta::hours(23), member: MemberId::number(99), stated: false };
    paper.book.removals = vec![removal.clone(), removal];
    assert_eq!(rules_of(&paper).len(), 3, "two in the last 24 hours");
}

#[test]
fn brake_09_budget_lets_through() {
    let paper = three_are_due(40);
    assert_eq!(rules_of(&paper), [], "43 people: three a day");
    let mut paper = ann_is_due();
    let removal =
        |hours, stated| Removal { at: paper.now - TimeDelta::hours(hours), member: MemberId::number(99), stated };
    paper.book.removals = vec![removal(25, false), removal(3, true)];
    assert_eq!(rule(&paper), None, "what Stripe stated and what is older doesn't count");
    let mut paper = ann_has_lapsed();
    let removal = Removal { at: paper.now - TimeDelta::hours(1), member: MemberId::number(99), stated: false };
    paper.book.removals = vec![removal];
    assert_eq!(rule(&paper), None, "an end that Stripe states needs no budget");
}

#[test]
fn brake_09_hold_all_holds() {
    let paper = three_are_due(3);
    assert_eq!(rules_of(&paper).iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["hold-all"; 3]);
    // Ends that Stripe states count with them.
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    for name in ["bob", "cleo", "dora"] {
        let id = paper.person(name);
        paper.shares(&id, &[MOVIES], days(200));
        paper.ended(&id, days(2));
    }
    assert_eq!(rules_of(&paper).iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["hold-all"; 3]);
}

#[test]
fn brake_09_hold_all_is_sticky_and_approved_one_by_one() {
    let mut paper = three_are_due(3);
    for (n, (proposal, because)) in paper.admit().held.into_iter().enumerate() {
        hold(&mut paper, n, &proposal.key, &proposal.member, because, None);
    }
    // Two of them watch again: one alone would not be many, and waits yet.
    for name in ["bob", "cleo"] {
        let id =
            paper.book.members.values().find(|member| member.username.as_deref() == Some(name)).unwrap().id.clone();
        paper.of(&id).last_play = Some(paper.now - days(1));
        paper.of(&id).idle = None;
    }
    assert_eq!(rules_of(&paper), [("remove ann".into(), "hold-all")]);
    let mut paper = three_are_due(3);
    for (n, (proposal, because)) in paper.admit().held.into_iter().enumerate() {
        let verdict = (n == 0).then_some(Verdict::Approved { at: paper.now });
        hold(&mut paper, n, &proposal.key, &proposal.member, because, verdict);
    }
    assert_eq!(rules_of(&paper).len(), 2, "approving one doesn't release the others");
    verdict_on(&mut paper, 1, Verdict::Rejected { at: noon() });
    assert_eq!(rules_of(&paper).iter().filter(|(_, rule)| *rule == "rejected").count(), 1);
}

fn verdict_on(paper: &mut Paper, n: usize, verdict: Verdict) {
    let hold = paper.book.holds.values_mut().find(|hold| hold.id == format!("h-{n}")).unwrap();
    hold.verdict = Some(verdict);
}

#[test]
fn brake_09_hold_all_lets_through() {
    let mut paper = three_are_due(40);
    paper.rules.removals_per_day_max = Some(10);
    assert_eq!(rules_of(&paper), [], "three of 43 are at most 10 %");
    // Invites for payments younger than 24 h never wait on the count.
    let mut paper = Paper::new();
    for n in 0..9 {
        let id = paper.person(&format!("new{n}"));
        paper.pays(&id, Status::Active, TimeDelta::hours(2));
    }
    assert_eq!(rules_of(&paper), []);
}

#[test]
fn brake_09_hold_all_counts_warnings_narrowings_and_invites_apart() {
    let mut paper = Paper::new();
    for name in ["bob", "cleo"] {
        paper.friend(name, days(28)); // Two warnings,
        let id = paper.person(&format!("{name}2"));
        paper.pays(&id, Status::Active, days(3)); // two invites,
        let id = paper.person(&format!("{name}3"));
        paper.shares(&id, &[MOVIES], days(200));
        paper.ended(&id, days(2)); // and two ends.
    }
    assert_eq!(rules_of(&paper), [], "two of each pass");
    paper.friend("dora", days(28));
    assert_eq!(rules_of(&paper).iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["hold-all"; 3]);
    let mut paper = Paper::new();
    for n in 0..3 {
        let id = paper.person(&format!("late{n}"));
        paper.pays(&id, Status::Active, days(3));
    }
    assert_eq!(rules_of(&paper), [], "their subscriptions began after the book did");
    for member in paper.book.members.values_mut() {
        member.subscriptions.values_mut().for_each(|billed| billed.adopted = true);
    }
    assert_eq!(rules_of(&paper).iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["hold-all"; 3], "invites");
    let mut paper = Paper::new();
    for n in 0..3 {
        let id = paper.person(&format!("down{n}"));
        paper.shares(&id, &[MOVIES, TV], days(100));
        paper.pays(&id, Status::Active, days(100));
        paper.of(&id).matched_prices = ["price_premium".into()].into();
    }
    assert_eq!(rules_of(&paper).iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["hold-all"; 3], "narrowings");
}

#[test]
fn brake_10_pace_holds() {
    let mut paper = ann_has_lapsed();
    paper.book.removals =
        vec![Removal { at: paper.now - TimeDelta::minutes(9), member: MemberId::number(99), stated: true }];
    assert_eq!(second(&paper, &everything_answered()), Err("pace"));
}

/// The listing after a call may fail: the call was made all the same.
#[test]
fn brake_10_pace_holds_after_a_try_that_nobody_could_read_back() {
    let tried = |spoil: &dyn Fn(&mut Intent)| {
        let mut paper = ann_has_lapsed();
        let bob = paper.friend("bob", days(1));
        let at = paper.now - TimeDelta::minutes(9);
        let cause = EndCause::Lapsed { subscription: "sub_bob".into(), ended: at, because: EndedBecause::Canceled };
        let act = Act::End { share: ShareId(1), cause };
        let intent = paper.intends(ActKey::new("end", &bob, "1"), &bob, act, TimeDelta::minutes(9));
        intent.state = IntentState::Attempted { at };
        spoil(intent);
        second(&paper, &everything_answered())
    };
    assert_eq!(tried(&|_| ()), Err("pace"));
    assert_eq!(tried(&|intent| intent.state = IntentState::Decided), Ok(()), "it waits itself");
    let ten_minutes = |intent: &mut Intent| {
        intent.state = IntentState::Attempted { at: intent.due - TimeDelta::minutes(1) };
    };
    assert_eq!(tried(&ten_minutes), Ok(()));
    let cancel = |idle_days| Act::Cancel { subscription: "sub_bob".into(), when: CancelWhen::PeriodEnd, idle_days };
    assert_eq!(tried(&|intent| intent.act = cancel(Some(30))), Err("pace"), "it ends with what is paid");
    assert_eq!(tried(&|intent| intent.act = cancel(None)), Ok(()), "it only stops the money");
    let revoked = |intent: &mut Intent| intent.act = Act::End { share: ShareId(1), cause: EndCause::Revoked };
    assert_eq!(tried(&revoked), Ok(()), "the operator's own word");
}

#[test]
fn brake_10_pace_lets_through() {
    let mut paper = ann_has_lapsed();
    paper.book.removals =
        vec![Removal { at: paper.now - TimeDelta::minutes(10), member: MemberId::number(99), stated: true }];
    assert_eq!(second(&paper, &everything_answered()), Ok(()));
    let mut paper = ann_pays();
    paper.book.removals = vec![Removal { at: paper.now, member: MemberId::number(99), stated: true }];
    assert_eq!(second(&paper, &everything_answered()), Ok(()), "an invite is no removal");
}

#[test]
fn brake_revoke_answers_only_to_identity_clock_protected_and_second_look() {
    let revoked = || {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(1));
        paper.member().blocked = Some(paper.now);
        paper
    };
    let mut paper = revoked();
    paper.world.plex.whole_mut().unwrap().at = paper.now - days(2);
    paper.world.drops.insert(Population::Friends, fewer());
    let removal = Removal { at: paper.now - TimeDelta::hours(1), member: MemberId::number(99), stated: false };
    paper.book.removals = vec![removal.clone(), removal];
    assert_eq!(rule(&paper), None);
    let is_revoked = |act: &Act| matches!(act, Act::End { cause: EndCause::Revoked, .. });
    assert!(
        paper
            .plan()
            .proposals
            .iter()
            .all(|proposal| matches!(&proposal.doing, usher::policy::plan::Doing::Act(act) if is_revoked(act)))
    );
    // Not to rules 1, 9 and 10 either.
    paper.world.plex.wholes = 1;
    assert_eq!(rule(&paper), None, "rule 1");
    paper.world.plex.wholes = 2;
    paper.book.removals[0].at = paper.now;
    assert_eq!(second(&paper, &everything_answered()), Ok(()), "rule 10");
    let mut crowd = revoked();
    for name in ["bob", "cleo", "dora"] {
        let id = crowd.friend(name, days(1));
        crowd.of(&id).blocked = Some(crowd.now);
    }
    assert_eq!(rules_of(&crowd), [], "rule 9");
    let mut paper = revoked();
    paper.world.plex.whole_mut().unwrap().skew_secs = Some(999);
    assert_eq!(rule(&paper), Some("clock"));
    let mut paper = revoked();
    paper.world.plex.whole_mut().unwrap().value.server = "another".into();
    assert_eq!(rule(&paper), Some("identity"));
}

#[test]
fn brake_only_look_holds_everything() {
    for mut paper in [ann_is_due(), ann_has_lapsed(), ann_pays()] {
        paper.world.only_look = Some("restored from a backup".into());
        assert_eq!(rule(&paper), Some("only look"));
    }
}
