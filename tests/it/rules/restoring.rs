//! `usher revoke` and `usher restore`: what was taken is given back just as it
//! was (promise 9).

use chrono::TimeDelta;
use usher::facts::{CancelWhen, SectionId, SharingSettings, Source, Status};
use usher::ledger::{Act, Grant, GrantKind, InviteRefused};
use usher::policy::asks::{Ask, Said};
use usher::policy::plan::Doing;

use crate::paper::{Change, MOVIES, Paper, TV, days};

fn restore(paper: &mut Paper) -> Result<Said, String> {
    paper.says(&Ask::Restore { who: "ann".into() })
}

fn revoke(paper: &mut Paper) -> Said {
    paper.says(&Ask::Revoke { who: "ann".into(), cancel: None }).unwrap()
}

/// Ann was a friend with these libraries, and was removed twenty days ago.
fn removed(sections: &[SectionId], downloads: bool, grants: Vec<Grant>) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, sections, days(400));
    paper.member().share.as_mut().unwrap().row.downloads = Some(downloads);
    paper.member().grants = grants;
    paper.removed(&ann, days(20));
    paper
}

fn kinds(paper: &mut Paper) -> Vec<GrantKind> {
    paper.member().grants.iter().map(|grant| grant.kind).collect()
}

#[test]
fn who_was_removed_gets_back_their_libraries_and_downloads_and_no_more() {
    for (downloads, word) in [(true, "on"), (false, "off")] {
        let mut paper = removed(&[MOVIES, TV], downloads, Vec::new());
        let said = restore(&mut paper).unwrap();
        let [guest] = &paper.member().grants[..] else { panic!("one reason") };
        assert_eq!((guest.kind, guest.libraries.clone()), (GrantKind::Complimentary, Some([MOVIES, TV].into())));
        assert_eq!(guest.downloads, Some(downloads));
        assert_eq!(paper.next(&said.about), ["next: invite ann to Movies, TV"]);
        assert_eq!(said.lines[0], "ann is restored");
        let back = format!("they get back what they had on 2026-01-11: Movies, TV; downloads {word}");
        assert_eq!(said.lines[1], back);
        assert_eq!(said.lines.len(), 3, "and as whose guest: {said:?}");
    }
}

#[test]
fn restore_said_twice_changes_nothing_the_second_time() {
    let mut paper = removed(&[MOVIES], false, Vec::new());
    restore(&mut paper).unwrap();
    let before = paper.book.clone();
    paper.now += days(1);
    assert_eq!(restore(&mut paper).unwrap().lines, ["ann is being restored already"]);
    assert!(!paper.book.differs_from(&before));
}

#[test]
fn a_library_that_is_gone_is_named_and_the_others_come_back() {
    let mut paper = removed(&[MOVIES, SectionId(8), SectionId(9)], false, Vec::new());
    let said = restore(&mut paper).unwrap();
    let plan = paper.plan();
    let Doing::Act(Act::Invite { sections, .. }) = &plan.proposals[0].doing else { panic!("{plan:?}") };
    assert_eq!(*sections.ids(), [MOVIES].into());
    assert_eq!(said.lines[2], "2 of their libraries are no longer on the server");

    let mut paper = removed(&[SectionId(8), SectionId(9)], false, Vec::new());
    assert!(restore(&mut paper).unwrap_err().contains("on the server any more"), "an empty list would mean all");
}

#[test]
fn a_reason_of_before_stands_again_unless_a_newer_one_of_its_kind_stands() {
    let by_hand = || Grant::new(GrantKind::ByHand, crate::paper::noon() - days(400));
    let guest = |tier: &str, until: i64| Grant {
        tier: Some(tier.into()),
        until: Some(crate::paper::noon() + days(until)),
        ..Grant::new(GrantKind::Complimentary, crate::paper::noon() - days(30))
    };
    let tiers = |paper: &mut Paper| -> Vec<Option<String>> {
        paper.member().grants.iter().filter(|g| g.until > Some(crate::paper::noon())).map(|g| g.tier.clone()).collect()
    };
    let mut paper = removed(&[MOVIES], false, vec![by_hand(), guest("Basic", 100)]);
    paper.member().grants = vec![guest("Premium", 10)];
    restore(&mut paper).unwrap();
    assert_eq!(kinds(&mut paper), [GrantKind::Complimentary, GrantKind::ByHand]);
    assert_eq!(tiers(&mut paper), [Some("Premium".to_owned())], "the newer word counts");

    // One that is over is no reason, and stands in no other's way.
    let mut paper = removed(&[MOVIES], false, vec![guest("Basic", 100)]);
    paper.member().grants = vec![guest("Premium", -1)];
    restore(&mut paper).unwrap();
    assert_eq!(tiers(&mut paper), [Some("Basic".to_owned())]);
}

#[test]
fn who_is_still_here_when_the_revocation_is_taken_back_simply_stays() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let said = revoke(&mut paper);
    assert_eq!(paper.next(&said.about), ["next: remove ann"]);
    paper.rules.ways.dry_run = true;
    assert_eq!(paper.next(&said.about), ["next: remove ann (dry run: told, not done)"]);
    paper.rules.ways.dry_run = false;
    let said = restore(&mut paper).unwrap();
    assert_eq!((paper.member().blocked, paper.member().has_access()), (None, true));
    assert_eq!(paper.next(&said.about), ["next: nothing; no share is changed by it"]);
    assert_eq!(said.lines, ["ann is restored", "the revocation is taken back"]);
    assert!(restore(&mut paper).unwrap_err().contains("ann has access; there is nothing to give back"));
}

#[test]
fn a_payer_whom_plex_refused_is_invited_anew_by_restore() {
    for blocked in [false, true] {
        let mut paper = Paper::new();
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.pays(&ann, Status::Active, days(0));
        paper.member().invite_refused =
            Some(InviteRefused { at: now - days(2), by_id: true, by_email: true, unknown: None, why: "no".into() });
        paper.member().blocked = blocked.then_some(now);
        let said = restore(&mut paper).unwrap();
        assert_eq!(paper.next(&said.about), ["next: invite ann to Movies"]);
        assert_eq!(said.lines.last().unwrap(), "nothing was kept of them, so they get what their reasons give");
    }
}

#[test]
fn who_never_had_access_is_given_none_by_restore() {
    let mut paper = Paper::new();
    assert!(restore(&mut paper).unwrap_err().contains("nothing was ever taken from ann"));
    revoke(&mut paper);
    let said = restore(&mut paper).unwrap();
    assert_eq!((paper.member().blocked, paper.plan().proposals.len()), (None, 0));
    let none = "they had no access before, so none is given back";
    assert_eq!(said.lines, ["ann is restored", "the revocation is taken back", none]);
}

/// Ann was a friend, was removed, and is being restored.
fn restoring() -> Paper {
    let mut paper = removed(&[MOVIES], false, Vec::new());
    restore(&mut paper).unwrap();
    paper
}

/// The actions that are proposed.
fn acts(paper: &Paper) -> Vec<Act> {
    let doing = paper.plan().proposals.into_iter().map(|proposal| proposal.doing);
    doing.filter_map(|doing| if let Doing::Act(act) = doing { Some(act) } else { None }).collect()
}

#[test]
fn filters_come_back_as_they_were_and_downloads_as_they_were_counted() {
    let settings = |kept: Option<SharingSettings>| {
        let mut paper = restoring();
        paper.member().restoring.as_mut().unwrap().share.settings = kept;
        match &acts(&paper)[..] {
            [Act::Invite { settings, .. }] => settings.clone(),
            other => panic!("{other:?}"),
        }
    };
    let filters = |sync: bool| {
        let filter = ("filterMovies".to_owned(), "contentRating=G".into());
        SharingSettings::from([filter, ("allowSync".to_owned(), sync.into())])
    };
    assert_eq!(settings(Some(filters(true))), Some(filters(false)), "a child's filter stays");
    assert_eq!(settings(None), None, "none was read, so none is made up");
}

#[test]
fn nothing_is_given_back_without_a_reason_nor_to_the_house() {
    assert_eq!(acts(&restoring()).len(), 1);
    let mut paper = restoring();
    paper.member().grants.clear();
    assert_eq!(acts(&paper), []);
    let mut paper = restoring();
    paper.member().home = true;
    assert_eq!(acts(&paper), []);
    let mut paper = restoring();
    paper.book.identities.owner = paper.member().plex;
    assert_eq!(acts(&paper), []);
}

#[test]
fn who_was_deleted_in_tautulli_is_taken_back_there_once_they_are_here() {
    let taken_back = |mut paper: Paper, spoil: Change| {
        let forgotten = paper.now - days(5);
        paper.member().forgotten = Some(forgotten);
        spoil(&mut paper);
        acts(&paper).iter().any(|act| matches!(act, Act::Remember { plex } if Some(*plex) == paper.member().plex))
    };
    let friend = || {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(1));
        paper
    };
    let same: Change = |_| ();
    assert!(taken_back(friend(), same));
    assert!(taken_back(restoring(), same), "before the first play, not after it");
    assert!(!taken_back(friend(), |paper| paper.member().forgotten = None));
    assert!(!taken_back(friend(), |paper| paper.rules.configured.retain(|source| *source != Source::Tautulli)));
    assert!(!taken_back(removed(&[MOVIES], false, Vec::new()), same), "who is gone stays forgotten");
}

/// Ann pays, has access, and was revoked ten days ago.
fn revoked_payer(joined: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.shares(&ann, &[MOVIES], joined);
    paper.pays(&ann, Status::Active, days(30));
    paper.member().blocked = Some(now - days(10));
    paper
}

#[test]
fn nobody_who_is_revoked_is_ended_while_stripe_charges_them_but_who_came_in_after_it() {
    let ends = |paper: &Paper| acts(paper).iter().any(|act| matches!(act, Act::End { .. }));
    let told = |paper: &Paper| paper.plan().problems.iter().any(|problem| problem.key.starts_with("charged/"));
    for (joined, came_after) in [(300, false), (10, false), (9, true)] {
        let mut paper = revoked_payer(days(joined));
        assert_eq!((ends(&paper), told(&paper)), (came_after, !came_after), "joined {joined} days ago");
        paper.member().cancels = Some(CancelWhen::PeriodEnd);
        assert!(!ends(&paper), "the cancellation goes first, whenever they joined");
        assert!(matches!(&acts(&paper)[..], [Act::Cancel { when: CancelWhen::PeriodEnd, .. }]));
        paper.first().now.status = Status::Canceled;
        assert!(ends(&paper) && !told(&paper));
    }
}

#[test]
fn nothing_of_the_houses_is_cancelled_whatever_was_revoked() {
    let mut paper = revoked_payer(days(300));
    paper.member().cancels = Some(CancelWhen::Now);
    assert_eq!(acts(&paper).len(), 1);
    paper.member().home = true;
    assert_eq!(acts(&paper), []);
}

/// Ann pays, and the revocation set its end.
fn set_to_end() -> Paper {
    let mut paper = Paper::new();
    let (ann, end) = (paper.ann.clone(), paper.now + days(20));
    paper.shares(&ann, &[MOVIES], days(30));
    paper.pays(&ann, Status::Active, days(30)).now.cancel_at = Some(end);
    paper.member().blocked = Some(paper.now);
    paper.member().cancels = Some(CancelWhen::PeriodEnd);
    paper
}

fn uncancels(paper: &Paper) -> usize {
    paper.plan().proposals.iter().filter(|p| matches!(p.doing, Doing::Act(Act::Uncancel { .. }))).count()
}

#[test]
fn only_an_end_that_the_revocation_set_is_taken_back_with_it() {
    let mut paper = set_to_end();
    paper.member().ends_set = ["sub_m-1_0".into()].into();
    assert_eq!(uncancels(&paper), 0, "while it stands");
    let said = restore(&mut paper).unwrap();
    assert!(said.lines[2].contains("that is taken back at Stripe"), "{said:?}");
    assert_eq!(paper.next(&said.about), ["next: have sub_m-1_0 of ann go on at Stripe"]);
    // It needs no warning and no look at how many there are, but the right Stripe.
    paper.book.identities.stripe_account = Some("acct_other".into());
    assert!(paper.next(&said.about)[0].contains("it waits (identity)"));

    let mut paper = set_to_end();
    let said = restore(&mut paper).unwrap();
    assert_eq!((uncancels(&paper), said.lines.len()), (0, 3));
    assert!(said.lines[2].contains("which Usher did not set: that stays"), "{said:?}");

    // An older version wrote it into the journal only.
    let mut paper = set_to_end();
    let now = paper.now;
    paper.member().note(now, "sub_m-1_0 set to end with the paid period at Stripe: you revoked their access");
    restore(&mut paper).unwrap();
    assert_eq!(uncancels(&paper), 1);
}

#[test]
fn who_pays_for_less_by_now_gets_that_of_what_they_had_and_is_told_so() {
    let mut paper = removed(&[MOVIES, TV], true, Vec::new());
    let ann = paper.ann.clone();
    paper.pays(&ann, Status::Active, days(1));
    let said = restore(&mut paper).unwrap();
    assert_eq!(said.lines[1], "they get back what they had on 2026-01-11: Movies; downloads off");
    assert_eq!(said.lines[2], "they had TV and downloads as well, which nothing that stands gives them now");
    assert_eq!(paper.next(&said.about), ["next: invite ann to Movies"]);
    // Nothing of it is narrowed afterwards without a word.
    assert_eq!(paper.member().matched_prices, ["price_basic".into()].into());

    // By hand they had it all, and that stands again.
    let by_hand = Grant::new(GrantKind::ByHand, crate::paper::noon() - days(400));
    let mut paper = removed(&[MOVIES, TV], true, vec![by_hand]);
    paper.pays(&ann, Status::Active, days(1));
    assert_eq!(
        restore(&mut paper).unwrap().lines[1],
        "they get back what they had on 2026-01-11: Movies, TV; downloads on"
    );

    // Nothing of what they had: what they pay for.
    let mut paper = removed(&[TV], false, Vec::new());
    paper.pays(&ann, Status::Active, days(1));
    assert_eq!(restore(&mut paper).unwrap().lines[1], "they get what their reasons give now: Movies; downloads off");

    // What can't be told takes nothing away.
    let mut paper = removed(&[MOVIES, TV], false, Vec::new());
    paper.pays(&ann, Status::Active, days(1)).tiers = ["No such tier".to_owned()].into();
    assert_eq!(
        restore(&mut paper).unwrap().lines[1],
        "they get back what they had on 2026-01-11: Movies, TV; downloads off"
    );
}
