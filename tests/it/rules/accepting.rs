//! `usher accept`: what was held as somebody else's is ours after all.

use usher::facts::{ServerId, Source, StripeAccountId};
use usher::ledger::Population;
use usher::policy::Drop;
use usher::policy::asks::{self, Accept};
use usher::policy::brake;

use crate::paper::{Paper, days};

const ALL: [Accept; 5] = [Accept::Server, Accept::Stripe, Accept::Tautulli, Accept::Clock, Accept::State];

fn accept(paper: &mut Paper, what: Accept) -> Vec<String> {
    asks::accept(paper.now, &mut paper.world, &mut paper.book, what)
}

/// Accepting this ends the hold; accepting anything else doesn't, and the
/// second time there is nothing to accept.
fn ends_it(what: Accept, spoil: fn(&mut Paper), is_held: fn(&Paper) -> bool) {
    for other in ALL.into_iter().filter(|other| *other != what) {
        let mut paper = Paper::new();
        spoil(&mut paper);
        assert_eq!(accept(&mut paper, other), Vec::<String>::new(), "{what:?} is not {other:?}");
        assert!(is_held(&paper));
    }
    let mut paper = Paper::new();
    assert!(!is_held(&paper));
    spoil(&mut paper);
    assert!(is_held(&paper));
    assert_eq!(accept(&mut paper, what).len(), 1);
    assert!(!is_held(&paper));
    assert_eq!(accept(&mut paper, what), Vec::<String>::new());
}

#[test]
fn a_server_an_account_or_a_tautulli_is_ours_when_the_operator_says_so() {
    let fails = |paper: &Paper, source| brake::identity_failure(paper.scene(), source).is_some();
    ends_it(
        Accept::Stripe,
        |paper| paper.world.stripe.whole_mut().unwrap().value.account = Some("acct_2".into()),
        |paper| brake::identity_failure(paper.scene(), Source::Stripe).is_some(),
    );
    ends_it(
        Accept::Stripe,
        |paper| paper.world.stripe.whole_mut().unwrap().value.key_livemode = true,
        |paper| brake::identity_failure(paper.scene(), Source::Stripe).is_some(),
    );
    ends_it(
        Accept::Tautulli,
        |paper| paper.world.tautulli.whole_mut().unwrap().value.server = "another".into(),
        |paper| brake::identity_failure(paper.scene(), Source::Tautulli).is_some(),
    );
    // With the server its Tautulli moves too.
    let mut paper = Paper::new();
    paper.world.plex.whole_mut().unwrap().value.server = "another".into();
    paper.book.marks.populations.insert(Population::Friends, [].into());
    assert!(fails(&paper, Source::Plex));
    assert_eq!(accept(&mut paper, Accept::Server).len(), 1);
    assert!(!fails(&paper, Source::Plex));
    assert_eq!(paper.book.identities.plex_server, Some(ServerId::from("another")));
    assert!(!paper.book.marks.populations.contains_key(&Population::Friends), "that was another house's crowd");
}

#[test]
fn a_clock_and_an_old_book_are_taken_as_they_stand() {
    ends_it(
        Accept::Clock,
        |paper| paper.book.committed = paper.now + days(365),
        |paper| brake::clock_failure(paper.scene()).is_some(),
    );
    ends_it(
        Accept::State,
        |paper| paper.world.only_look = Some("older than its history".into()),
        |paper| paper.world.only_look.is_some(),
    );
    let mut paper = Paper::new();
    paper.world.only_look = Some("older than its history".into());
    let before = paper.book.clone();
    accept(&mut paper, Accept::State);
    assert!(paper.book.differs_from(&before), "the acceptance itself is written");
}

#[test]
fn fewer_people_are_believed_for_just_the_source_that_was_named() {
    let drop = |paper: &mut Paper, population| {
        let drop = Drop { since: paper.now, now: 3, expected: 30, begun_anew: false };
        paper.world.drops.insert(population, drop);
        paper.book.marks.populations.insert(population, [].into());
    };
    for (what, theirs) in [
        (Accept::Server, vec![Population::Friends]),
        (Accept::Stripe, vec![Population::Subscriptions]),
        (Accept::Tautulli, vec![Population::Watchers, Population::History]),
        (Accept::Clock, vec![]),
    ] {
        let mut paper = Paper::new();
        for population in [Population::Friends, Population::Subscriptions, Population::Watchers, Population::History] {
            drop(&mut paper, population);
        }
        assert_eq!(accept(&mut paper, what).len(), theirs.len());
        for population in [Population::Friends, Population::Subscriptions, Population::Watchers, Population::History] {
            let taken = theirs.contains(&population);
            assert_eq!(paper.world.drops.contains_key(&population), !taken, "{what:?}: {population:?}");
            assert_eq!(paper.book.marks.populations.contains_key(&population), !taken);
            assert_eq!(paper.world.accepted_drops.contains(&population), taken);
        }
    }
}

#[test]
fn a_key_that_may_not_name_its_account_makes_the_known_one_not_forgotten() {
    let mut paper = Paper::new();
    paper.world.stripe.whole_mut().unwrap().value.account = None;
    assert_eq!(accept(&mut paper, Accept::Stripe), Vec::<String>::new());
    assert_eq!(paper.book.identities.stripe_account, Some(StripeAccountId::from("acct_1")));
    // Another mode is another house, whatever its name.
    paper.world.stripe.whole_mut().unwrap().value.key_livemode = true;
    assert_eq!(accept(&mut paper, Accept::Stripe).len(), 1);
    assert_eq!((paper.book.identities.stripe_livemode, &paper.book.identities.stripe_account), (Some(true), &None));
}
