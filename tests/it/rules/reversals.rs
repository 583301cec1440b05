//! R4: refunds, disputes and the like: what ends a subscription, and what is
//! only told (`ON_REFUND`, `ON_DISPUTE`).

use usher::facts::{Invoice, MoneyMoment, MoneyWhat, Status, SubscriptionId};
use usher::ledger::{EndedBecause, Letter};
use usher::policy::moments;
use usher::policy::plan::Class;

use super::house::unpaid;
use crate::paper::{Change, MOVIES, Paper, days};

const ID: &str = "re_1";

/// Ann pays and is in; money that goes back ends what it paid for.
fn payer() -> Paper {
    let mut paper = Paper::new();
    (paper.rules.refund_ends, paper.rules.dispute_ends) = (true, true);
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.pays(&ann, Status::Active, days(300));
    paper
}

fn refund(failed: bool, whole: bool, of_the_latest: bool) -> MoneyWhat {
    MoneyWhat::Refund { id: ID.into(), failed, whole, of_the_latest }
}

fn dispute(status: &str) -> MoneyWhat {
    MoneyWhat::Dispute { id: ID.into(), status: status.into(), due_by: None }
}

/// A reading tells of it, for this subscription.
fn hear(paper: &mut Paper, what: MoneyWhat, subscription: Option<SubscriptionId>) {
    let customer = paper.member().customers.keys().next().cloned();
    let moment = MoneyMoment { event: "evt_1".into(), at: paper.now, what, customer, subscription, amount: None };
    let mut billing = paper.world.stripe.last.as_ref().unwrap().value.clone();
    billing.moments = vec![moment];
    moments::fold(paper.now, &paper.rules, &paper.world, &mut paper.book, &billing);
}

/// What it came to: why the subscription is to be cancelled, and the titles told.
fn heard(mut paper: Paper, what: MoneyWhat) -> (Option<EndedBecause>, Vec<String>) {
    let subscription = paper.first().now.id.clone();
    hear(&mut paper, what, Some(subscription));
    let told = paper.book.outbox.values().filter_map(|notice| match &notice.letter {
        Letter::Attention { title, .. } => Some(title.clone()),
        _ => None,
    });
    let told = told.collect();
    let reversed = paper.first().reversed.clone();
    assert!(reversed.as_ref().is_none_or(|reversed| reversed.id == ID && reversed.at == paper.now));
    let proposed: Vec<Class> = paper.plan().proposals.iter().map(|proposal| proposal.class).collect();
    assert_eq!(proposed.contains(&Class::CutOff), reversed.is_some(), "{proposed:?}");
    (reversed.map(|reversed| reversed.because), told)
}

#[test]
fn only_a_whole_refund_of_what_was_paid_last_ends_anything_and_every_one_is_told() {
    for (failed, whole, of_the_latest) in
        [(false, true, true), (true, true, true), (false, false, true), (false, true, false)]
    {
        let (ends, told) = heard(payer(), refund(failed, whole, of_the_latest));
        let expected = (!failed && whole && of_the_latest).then_some(EndedBecause::Refunded);
        assert_eq!(ends, expected, "failed {failed}, whole {whole}, latest {of_the_latest}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].contains("failed"), failed, "{told:?}");
    }
}

#[test]
fn a_dispute_ends_it_while_it_is_open_or_lost_and_no_inquiry_does() {
    for (status, ends, words) in [
        ("needs_response", true, "was opened"),
        ("under_review", true, "was opened"),
        ("lost", true, "is lost"),
        ("won", false, "is won"),
        ("warning_needs_response", false, "was opened"),
        ("warning_under_review", false, "was opened"),
        ("warning_closed", false, "without money moved"),
        ("prevented", false, "without money moved"),
        ("a_word_of_tomorrow", false, "was opened"),
    ] {
        let (because, told) = heard(payer(), dispute(status));
        assert_eq!(because, ends.then_some(EndedBecause::Disputed), "{status}");
        assert!(told.len() == 1 && told[0].contains(words), "{status}: {told:?}");
    }
}

#[test]
fn without_the_operators_wish_money_that_goes_back_is_only_told() {
    let spoil: [(&str, Change); 4] = [
        ("ON_REFUND=tell, ON_DISPUTE=tell", |paper| {
            (paper.rules.refund_ends, paper.rules.dispute_ends) = (false, false);
        }),
        ("protected", |paper| paper.member().home = true),
        ("ended already", |paper| {
            let now = paper.now;
            let sub = &mut paper.first().now;
            (sub.status, sub.ended_at) = (Status::Canceled, Some(now));
        }),
        ("no longer known to Stripe", |paper| paper.first().vanished = Some(paper.now)),
    ];
    for (why, spoil) in spoil {
        for what in [refund(false, true, true), dispute("lost")] {
            let mut paper = payer();
            spoil(&mut paper);
            let (ends, told) = heard(paper, what);
            assert_eq!((ends, told.len()), (None, 1), "{why}");
        }
    }
    // One wish is not the other.
    let mut paper = payer();
    paper.rules.refund_ends = false;
    assert_eq!(heard(paper, refund(false, true, true)).0, None);
    let mut paper = payer();
    paper.rules.dispute_ends = false;
    assert_eq!(heard(paper, dispute("lost")).0, None);
}

#[test]
fn a_dispute_that_is_won_before_anything_was_cancelled_takes_the_cancellation_back() {
    let mut paper = payer();
    let subscription = Some(paper.first().now.id.clone());
    hear(&mut paper, dispute("needs_response"), subscription.clone());
    assert!(paper.first().reversed.is_some());
    hear(&mut paper, dispute("under_review"), subscription.clone());
    assert!(paper.first().reversed.is_some(), "still open");
    let another = MoneyWhat::Dispute { id: "dp_2".into(), status: "won".into(), due_by: None };
    hear(&mut paper, another, subscription.clone());
    assert!(paper.first().reversed.is_some(), "another one");
    hear(&mut paper, dispute("won"), subscription.clone());
    assert_eq!(paper.first().reversed, None);

    // Cancelled already: what we did is not undone in the book.
    let mut paper = payer();
    hear(&mut paper, dispute("needs_response"), subscription.clone());
    let now = paper.now;
    let sub = &mut paper.first().now;
    (sub.status, sub.ended_at) = (Status::Canceled, Some(now));
    hear(&mut paper, dispute("won"), subscription);
    assert!(paper.first().reversed.is_some(), "it counts in the day's budget as ours");
}

#[test]
fn what_was_paid_for_something_else_ends_nothing() {
    let mut paper = payer();
    hear(&mut paper, refund(false, true, true), None);
    hear(&mut paper, refund(false, true, true), Some("sub_of_another".into()));
    assert_eq!(paper.first().reversed, None);
}

#[test]
fn who_is_revoked_is_not_cancelled_a_second_time_for_a_refund() {
    let mut paper = payer();
    let subscription = Some(paper.first().now.id.clone());
    hear(&mut paper, refund(false, true, true), subscription);
    let blocked = paper.now;
    paper.member().blocked = Some(blocked);
    assert_eq!(moments::propose(paper.scene(), &paper.book.members[&paper.ann]), Vec::new());
}

#[test]
fn a_payment_to_be_confirmed_is_asked_for_unless_the_subscription_itself_fails() {
    let asked = |spoil: fn(&mut Paper)| {
        let mut paper = payer();
        spoil(&mut paper);
        let subscription = Some(paper.first().now.id.clone());
        let invoice = Invoice { needs_action: true, ..unpaid("in_9", paper.now) };
        hear(&mut paper, MoneyWhat::ActionRequired { invoice }, subscription);
        paper.book.outbox.keys().filter(|key| key.0.contains("/payment_action_required/")).count()
    };
    assert_eq!(asked(|_| ()), 1, "another tier, say, that waits for its payment");
    assert_eq!(asked(|paper| paper.first().now.status = Status::PastDue), 0, "its spell tells it");
    assert_eq!(asked(|paper| paper.first().now.status = Status::Canceled), 0);
    assert_eq!(asked(|paper| paper.member().blocked = Some(paper.now)), 0);
}

#[test]
fn what_is_cancelled_says_which_wish_of_the_operators_it_was() {
    for (what, words) in [
        (refund(false, true, true), "was refunded (re_1; ON_REFUND=end)"),
        (dispute("lost"), "was disputed (re_1; ON_DISPUTE=end)"),
    ] {
        let mut paper = payer();
        let subscription = paper.first().now.id.clone();
        hear(&mut paper, what, Some(subscription));
        let proposals = moments::propose(paper.scene(), &paper.book.members[&paper.ann]);
        assert!(proposals[0].because.contains(words), "{}", proposals[0].because);
    }
}

#[test]
fn an_appeal_comes_after_a_loss_with_a_deadline_of_its_own_and_ends_nothing_more() {
    let mut paper = payer();
    let subscription = Some(paper.first().now.id.clone());
    let due_by = |paper: &Paper, ahead: i64| Some(paper.now + days(ahead));
    let at = |paper: &Paper, status: &str, ahead: Option<i64>| MoneyWhat::Dispute {
        id: ID.into(),
        status: status.into(),
        due_by: ahead.and_then(|ahead| due_by(paper, ahead)),
    };
    for (status, ahead) in [
        ("needs_response", Some(9)),
        ("under_review", None),
        ("lost", None),
        ("appeal_needs_response", Some(20)),
        ("appeal_needs_response", Some(20)),
        ("appeal_under_review", None),
        ("lost", None),
    ] {
        let what = at(&paper, status, ahead);
        hear(&mut paper, what, subscription.clone());
        if status == "lost" {
            // It was cancelled for it, and bought anew since.
            paper.first().reversed = None;
        }
        assert!(!status.starts_with("appeal") || paper.first().reversed.is_none(), "{status}");
    }
    let told: Vec<(String, String)> = paper
        .book
        .outbox
        .values()
        .filter_map(|notice| match &notice.letter {
            Letter::Attention { title, detail, .. } => Some((title.clone(), detail.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 5, "{told:?}");
    for (words, day) in [("was opened", 9), ("can be appealed", 20)] {
        let day = (paper.now + days(day)).format("%Y-%m-%d").to_string();
        let detail = &told.iter().find(|(title, _)| title.contains(words)).expect(words).1;
        assert!(detail.contains(&day), "{detail}");
    }
    assert!(told.iter().any(|(title, _)| title.contains("the appeal failed")), "{told:?}");
    // Nobody had heard of the dispute before.
    assert_eq!(heard(payer(), dispute("appeal_needs_response")).0, Some(EndedBecause::Disputed));
}
