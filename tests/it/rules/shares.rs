//! R6: what an invite or an update of a share gives and takes, on what word,
//! and when the count of invites doesn't stand in its way.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{PriceId, SectionId, ShareId, Source, Status};
use usher::ledger::{Act, CodeMark, FreeUse, Gone, Grant, GrantKind, Proof};
use usher::policy::plan::{Class, Doing, Proposal};
use usher::policy::{reasons, sharing};

use crate::paper::{Change, MOVIES, Paper, TV, days, noon};

/// The one thing that is proposed, if any.
fn only(paper: &Paper) -> Option<Proposal> {
    let mut proposals = paper.plan().proposals;
    assert!(proposals.len() < 2, "{proposals:?}");
    proposals.pop()
}

/// What the one update that is proposed makes of the share, and its downloads.
fn updated(paper: &Paper) -> Option<(BTreeSet<SectionId>, Option<bool>)> {
    match only(paper)?.doing {
        Doing::Act(Act::Update { sections, downloads, .. }) => Some((sections.ids().clone(), downloads)),
        other => panic!("{other:?}"),
    }
}

/// Ann pays for this tier, and has these libraries from Usher.
fn payer(tier: &str, sections: &[SectionId]) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, sections, days(300));
    paper.pays(&ann, Status::Active, days(300)).tiers = [tier.into()].into();
    let row = paper.member().share.as_ref().unwrap().row.id;
    paper.member().made.insert(row);
    paper
}

/// Had by hand before Ann paid, as it was then.
fn frozen(sections: &[SectionId]) -> Grant {
    let libraries = Some(sections.iter().copied().collect());
    Grant { libraries, downloads: Some(false), ..Grant::new(GrantKind::ByHand, noon() - days(400)) }
}

/// Ann's subscription is over for good; this is what it left behind.
fn left_over(grants: Vec<Grant>) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES, TV], days(300));
    paper.watched(&ann, days(1));
    paper.ended(&ann, days(3));
    let member = paper.member();
    member.matched_prices = [PriceId::from("price_premium")].into();
    member.grants = grants;
    paper
}

#[test]
fn an_invite_that_waits_is_not_changed_before_it_is_taken_up() {
    let mut paper = payer("Premium", &[MOVIES]);
    assert_eq!(updated(&paper), Some(([MOVIES, TV].into(), Some(true))));
    let ann = paper.ann.clone();
    paper.waits(&ann, days(2));
    assert_eq!(only(&paper), None);
}

#[test]
fn a_grant_that_is_over_and_the_share_under_a_guests_tier_give_no_library() {
    let narrowed = Some(([MOVIES].into(), None));
    let mut paper = payer("Basic", &[MOVIES, TV]);
    assert_eq!(updated(&paper), narrowed);
    paper.member().grants = vec![Grant { until: Some(noon()), ..frozen(&[TV]) }];
    assert_eq!(updated(&paper), narrowed, "over since this very moment");
    let guest = |tier: &str| Grant { tier: Some(tier.into()), ..Grant::new(GrantKind::Complimentary, noon()) };
    paper.member().grants = vec![guest("Basic")];
    assert_eq!(updated(&paper), narrowed, "a tier gives what it gives, not what is there");
    paper.member().grants = vec![frozen(&[TV])];
    assert_eq!(updated(&paper), None, "what stands is theirs");
}

#[test]
fn a_payment_or_a_word_of_today_never_waits_on_the_count_of_invites() {
    let second = TimeDelta::seconds(1);
    let code = || Some(FreeUse { mark: CodeMark("c0de".into()), days: None });
    let granted = |kind: GrantKind, ago: TimeDelta, code: Option<FreeUse>| {
        let mut paper = Paper::new();
        let tier = Some("Basic".into());
        paper.member().grants.push(Grant { tier, code, ..Grant::new(kind, noon() - ago) });
        let invite = only(&paper).unwrap();
        assert_eq!(invite.key.0, "invite/m-1/grant");
        assert_eq!(invite.rests_on, [Source::Plex].into(), "no word of Stripe's");
        invite.class == Class::Invite { fresh: true, adoption: false }
    };
    assert!(granted(GrantKind::Complimentary, days(1) - second, None));
    assert!(!granted(GrantKind::Complimentary, days(1), None));
    assert!(granted(GrantKind::Grandfathered, days(1) - second, code()), "its uses are counted already");
    assert!(!granted(GrantKind::Grandfathered, days(1), code()));
    assert!(!granted(GrantKind::Grandfathered, days(0), None), "no word of one person's");

    let paid = |ago: TimeDelta| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, ago);
        let invite = only(&paper).unwrap();
        assert_eq!(invite.key.0, "invite/m-1/sub_m-1_0", "each subscription is an occasion of its own");
        assert_eq!(invite.rests_on, [Source::Plex, Source::Stripe].into());
        invite.class == Class::Invite { fresh: true, adoption: false }
    };
    assert!(paid(days(1) - second));
    assert!(paid(days(30)), "R9.9: it began after the book did, however late it was seen");
}

#[test]
fn a_payer_from_before_the_book_waits_for_a_word_unless_they_were_found_on_plex() {
    let adopts = |spoil: Change| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(300)).adopted = true;
        paper.member().customers.values_mut().for_each(|payer| payer.proof = Some(Proof::PlexSignIn));
        spoil(&mut paper);
        only(&paper).unwrap().class == Class::Invite { fresh: false, adoption: true }
    };
    fn proof(paper: &mut Paper, proof: Option<Proof>) {
        paper.member().customers.values_mut().for_each(|payer| payer.proof = proof);
    }
    fn gone(paper: &mut Paper) {
        let gone = Gone {
            at: noon() - days(9),
            by_us: true,
            why: "removed".into(),
            standing: BTreeSet::new(),
            was_invite: false,
            row: None,
        };
        paper.member().gone = Some(gone);
    }
    assert!(adopts(|_| ()), "that they signed in says nothing of a place here");
    assert!(
        adopts(|paper| {
            proof(paper, None);
            paper.member().plex = None;
        }),
        "an address alone"
    );
    assert!(!adopts(|paper| paper.first().adopted = false));
    assert!(!adopts(|paper| proof(paper, Some(Proof::Operator))));
    assert!(!adopts(|paper| proof(paper, None)));
    assert!(!adopts(gone), "they had a place once");
    assert!(!adopts(|paper| paper.member().made.extend([ShareId(7)])), "of ours, even");
    assert!(
        !adopts(|paper| {
            let ann = paper.ann.clone();
            paper.pays_as(&ann, "cus_other", Status::Active, days(200)).adopted = true;
        }),
        "the operator said so of one of their customers"
    );
    assert!(
        !adopts(|paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(200));
        }),
        "one that the book saw begin"
    );
}

#[test]
fn a_change_says_whether_it_was_bought_or_given() {
    let paper = payer("Premium", &[MOVIES]);
    assert_eq!(only(&paper).unwrap().because, "their subscription buys Premium");
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(30));
    paper.watched(&ann, days(1));
    let tier = Some("Premium".into());
    paper.member().grants = vec![Grant { tier, ..Grant::new(GrantKind::Complimentary, noon() - days(30)) }];
    let given = only(&paper).unwrap();
    assert_eq!(given.because, "they are given Premium");
    assert_eq!(given.rests_on, [Source::Plex].into());
}

#[test]
fn after_a_subscription_only_what_was_had_by_hand_before_it_is_left() {
    let paper = left_over(vec![frozen(&[MOVIES])]);
    assert_eq!(updated(&paper), Some(([MOVIES].into(), None)));
    assert_eq!(only(&paper).unwrap().rests_on, [Source::Plex, Source::Stripe].into(), "Stripe says that it ended");

    let spared: [(&str, Change); 5] = [
        ("by hand as it stands", |paper| paper.member().grants[0].libraries = None),
        ("a guest", |paper| paper.member().grants[0].kind = GrantKind::Complimentary),
        ("it never gave anything", |paper| paper.member().matched_prices.clear()),
        ("not known to Stripe any more", |paper| paper.first().vanished = Some(noon())),
        ("it never began", |paper| {
            let sub = &mut paper.first().now;
            (sub.status, sub.ended_at) = (Status::Incomplete, None);
        }),
    ];
    for (why, spoil) in spared {
        let mut paper = left_over(vec![frozen(&[MOVIES])]);
        spoil(&mut paper);
        assert_eq!(updated(&paper), None, "{why}");
    }
}

#[test]
fn who_had_two_subscriptions_gets_what_the_other_one_buys() {
    let mut paper = left_over(vec![frozen(&[MOVIES])]);
    let ann = paper.ann.clone();
    paper.member().share.as_mut().unwrap().row.sections = [MOVIES].into();
    paper.pays(&ann, Status::Active, days(100)).tiers = ["Premium".into()].into();
    assert_eq!(updated(&paper), Some(([MOVIES, TV].into(), Some(true))), "it is not left over: it is paid for");
}

#[test]
fn a_share_is_measured_when_it_gives_just_what_is_bought_or_was_left() {
    let measured = |mut paper: Paper, downloads: Option<bool>| {
        paper.member().share.as_mut().unwrap().row.downloads = downloads;
        let member = &paper.book.members[&paper.ann];
        let standing = reasons::standing(paper.scene(), member);
        sharing::matching_prices(paper.scene(), member, &standing)
    };
    let basic: Option<BTreeSet<PriceId>> = Some([PriceId::from("price_basic")].into());
    assert_eq!(measured(payer("Basic", &[MOVIES]), Some(false)), basic);
    assert_eq!(measured(payer("Basic", &[MOVIES, TV]), Some(false)), None);
    let left = |downloads: bool| left_over(vec![Grant { downloads: Some(downloads), ..frozen(&[MOVIES, TV]) }]);
    let nothing = Some(BTreeSet::new());
    assert_eq!(measured(left(false), Some(false)), nothing, "nothing is measured any more");
    assert_eq!(measured(left(false), None), nothing);
    assert_eq!(measured(left(false), Some(true)), None, "the downloads that were bought are still to go");
    assert_eq!(measured(left(true), Some(true)), nothing, "those were had by hand, too");
    let mut friend = left(false);
    friend.member().subscriptions.clear();
    assert_eq!(measured(friend, Some(false)), None, "there is nothing to measure in what was only had by hand");
}
