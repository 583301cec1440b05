//! Standing conditions: the operator hears of each when it begins, once, and
//! of what to do about it; and again when it comes again.

use chrono::TimeDelta;
use usher::facts::{FailureKind, Moment, PlexId, Reading, Source, Status, Unread};
use usher::ledger::{Act, ActKey, Delivery, HeldBecause, Letter, Owed, Population};
use usher::policy::decide::Waiting;
use usher::policy::standing_reports::{self, mend, words_for};
use usher::policy::{Drop as Fewer, Seen};

use crate::paper::{MOVIES, Paper, days};

/// What the operator was written since the last look.
fn letters(paper: &mut Paper) -> Vec<Letter> {
    std::mem::take(&mut paper.book.outbox).into_values().map(|notice| notice.letter).collect()
}

/// The titles of it, where it needs their eyes.
fn titles(paper: &mut Paper) -> Vec<String> {
    let title = |letter| match letter {
        Letter::Attention { title, .. } => Some(title),
        Letter::Doubled { .. } => None, // To the payer.
        other => panic!("{other:?}"),
    };
    letters(paper).into_iter().filter_map(title).collect()
}

fn tell_sources(paper: &mut Paper) {
    standing_reports::tell_sources(paper.now, &paper.rules, &paper.world, &mut paper.book);
}

/// What is told of the sources now.
fn told(paper: &mut Paper) -> Vec<String> {
    tell_sources(paper);
    titles(paper)
}

fn fails(paper: &mut Paper, times: u32, at: Moment) {
    for _ in 0..times {
        let unread = Unread { at, kind: FailureKind::Unreachable, why: "no answer".into() };
        paper.world.tautulli.see(Reading::Unread(unread));
    }
}

#[test]
fn an_outage_is_told_once_and_so_is_its_end() {
    let mut paper = Paper::new();
    let (since, reading) = (paper.now - TimeDelta::hours(5), paper.world.tautulli.last.clone().unwrap());
    fails(&mut paper, 3, since);
    tell_sources(&mut paper);
    let what_to_do = mend(Source::Tautulli, FailureKind::Unreachable).to_owned();
    let source = || "Tautulli".to_owned();
    let down = Letter::SourceDown { source: source(), since, why: "no answer".into(), what_to_do };
    assert_eq!(letters(&mut paper), [down]);
    tell_sources(&mut paper);
    assert_eq!(letters(&mut paper), []);

    // A restart meanwhile: nothing is known yet, and one failure is no end.
    paper.world.tautulli = Seen::default();
    tell_sources(&mut paper);
    assert_eq!(letters(&mut paper), []);
    paper.world.tautulli = Seen { last: Some(reading.clone()), wholes: 1, ..Seen::default() };
    let now = paper.now;
    fails(&mut paper, 1, now);
    tell_sources(&mut paper);
    assert_eq!(letters(&mut paper), []);

    paper.world.tautulli.see(Reading::Read((*reading).clone()));
    tell_sources(&mut paper);
    let back = Letter::SourceRecovered { source: source(), since, down_for: "5 hours".into() };
    assert_eq!(letters(&mut paper), [back]);
    tell_sources(&mut paper);
    assert_eq!(letters(&mut paper), []);
}

#[test]
fn each_failure_names_what_mends_it() {
    use FailureKind::{Forbidden, Gone, Internal, Nonsense, Partial, Unauthorized, Unreachable};
    for (source, kind, word) in [
        (Source::Plex, Unauthorized, "PLEX_TOKEN"),
        (Source::Plex, Gone, "newer Usher"),
        (Source::Stripe, Unauthorized, "STRIPE_SECRET_KEY"),
        (Source::Stripe, Forbidden, "read right"),
        (Source::Tautulli, Unauthorized, "TAUTULLI_API_KEY"),
        (Source::Tautulli, Nonsense, "database"),
        (Source::Tautulli, Partial, "database"),
        (Source::Tautulli, Unreachable, "TAUTULLI_URL"),
        (Source::Plex, Unreachable, "Nothing, if it passes"),
        (Source::Stripe, Internal, "Nothing, if it passes"),
    ] {
        assert!(mend(source, kind).contains(word), "{source} {kind:?}: {}", mend(source, kind));
    }
}

#[test]
fn a_span_is_said_in_its_largest_unit_of_which_there_are_two() {
    let minute = 60;
    for (seconds, words) in [
        (48 * 60 * minute, "2 days"),
        (48 * 60 * minute - 1, "47 hours"),
        (120 * minute, "2 hours"),
        (120 * minute - 1, "119 minutes"),
        (2 * minute, "2 minutes"),
        (2 * minute - 1, "119 seconds"),
        (-5, "0 seconds"),
    ] {
        assert_eq!(words_for(TimeDelta::seconds(seconds)), words);
    }
}

#[test]
fn far_fewer_of_something_is_one_message_a_source() {
    let mut paper = Paper::new();
    let fewer = Fewer { since: paper.now, now: 1, expected: 50, begun_anew: false };
    for population in [Population::Friends, Population::Watchers, Population::History] {
        paper.world.drops.insert(population, fewer.clone());
    }
    let (friends, tautulli) = (
        "Far fewer people with access than lately",
        "Far fewer people with history and plays in the history than lately",
    );
    let mut both = told(&mut paper);
    both.sort();
    assert_eq!(both, [friends, tautulli]);
    assert!(told(&mut paper).is_empty(), "once");
    paper.world.drops.remove(&Population::Friends);
    assert!(told(&mut paper).is_empty());
    for times in [1, 1, 0] {
        paper.world.drops.insert(Population::Friends, fewer.clone());
        assert_eq!(told(&mut paper).len(), times, "it came again");
        paper.world.drops.remove(&Population::Friends);
        assert!(told(&mut paper).is_empty());
    }
    paper.world.drops.insert(Population::Friends, fewer.clone());
    assert!(told(&mut paper).is_empty(), "it comes and goes");
    paper.now += TimeDelta::hours(6);
    assert_eq!(told(&mut paper), [friends], "and lasts");
    paper.world.drops.remove(&Population::Friends);
    assert!(told(&mut paper).is_empty());
    paper.now += TimeDelta::hours(24);
    paper.world.drops.insert(Population::Friends, fewer);
    assert_eq!(told(&mut paper), [friends], "it came again");
}

#[test]
fn a_tautulli_that_is_cut_off_from_plex_is_told_after_two_intervals() {
    let blind = ["Tautulli is cut off from Plex"];
    let cut_off = |ago: TimeDelta| {
        let mut paper = Paper::new();
        let since = paper.now - ago;
        paper.book.blind.open(since);
        paper.world.tautulli.whole_mut().unwrap().value.connected = false;
        paper
    };
    let hour = TimeDelta::hours(1);
    let mut unbelieved = cut_off(hour);
    unbelieved.world.tautulli.whole_mut().unwrap().value.connected = true;
    assert!(told(&mut unbelieved).is_empty(), "what isn't believed is told as that");
    assert!(told(&mut cut_off(hour - TimeDelta::seconds(1))).is_empty());
    let mut paper = cut_off(hour);
    assert_eq!(told(&mut paper), blind);
    assert!(told(&mut paper).is_empty(), "once");
    let now = paper.now;
    paper.book.blind.close(now);
    assert!(told(&mut paper).is_empty() && !paper.book.told.contains_key("blind"));

    // One that doesn't answer is an outage, and one not asked yet is nothing.
    let mut paper = cut_off(hour);
    fails(&mut paper, 1, now);
    assert!(told(&mut paper).is_empty());
    let mut paper = cut_off(hour);
    paper.world.tautulli = Seen::default();
    assert!(told(&mut paper).is_empty());
}

#[test]
fn letters_that_cant_be_sent_for_a_week_are_told() {
    let mut paper = Paper::new();
    let now = paper.now;
    let letter = Letter::Attention { title: "A".into(), detail: "B".into(), what_to_do: "C".into() };
    let (ways, created) = (paper.rules.ways, now - days(8));
    let key = paper.book.owe(Owed::to_operator(None, "x", letter), ways, created);
    let stuck = Delivery::Due { not_before: now, tries: 9, last_error: Some("refused".into()) };
    paper.book.outbox.get_mut(&key).unwrap().deliveries.values_mut().for_each(|delivery| *delivery = stuck.clone());
    let notice = paper.book.outbox[&key].clone();
    assert!(told(&mut paper).contains(&"1 letters could not be sent for 7 days".to_owned()));
    assert!(told(&mut paper).is_empty() && !paper.book.told.contains_key("undeliverable"), "over");
    paper.book.outbox.insert(key, notice);
    assert!(told(&mut paper).contains(&"1 letters could not be sent for 7 days".to_owned()), "it came again");
}

#[test]
fn of_what_an_old_book_has_forgotten_the_latest_is_shown_and_the_rest_is_counted() {
    let detail = |lines: usize| {
        let mut paper = Paper::new();
        paper.world.only_look = Some("It is old.".into());
        paper.world.forgotten = (1..=lines).map(|line| format!("line {line}")).collect();
        tell_sources(&mut paper);
        match &letters(&mut paper)[..] {
            [Letter::Attention { detail, .. }] => detail.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(detail(0), "It is old.");
    assert_eq!(detail(2), "It is old. What it has forgotten: line 1; line 2.");
    let many = detail(42);
    assert!(many.contains(" (and 2 or more before; history.jsonl has them all): line 3; "), "{many}");
    assert!(many.ends_with("line 42."));
}

#[test]
fn removals_that_wait_for_another_day_are_told_while_any_does() {
    let mut paper = Paper::new();
    let waiting = |because: HeldBecause| Waiting {
        key: ActKey("end/m-1/1".into()),
        member: paper.ann.clone(),
        what: "remove ann".into(),
        why: "idle".into(),
        because,
    };
    let (budget, rejected) = (waiting(HeldBecause::Budget { max: 3 }), waiting(HeldBecause::Rejected));
    let mut tell = |waiting: &[Waiting]| {
        standing_reports::tell_budget(paper.now, &paper.rules, &mut paper.book, waiting);
        titles(&mut paper)
    };
    assert!(tell(std::slice::from_ref(&rejected)).is_empty());
    let queue = [budget.clone(), rejected, budget];
    assert_eq!(tell(&queue), ["2 removals wait for another day"]);
    assert!(tell(&queue).is_empty(), "once");
    assert!(tell(&[]).is_empty());
    assert_eq!(tell(&queue).len(), 1, "they wait again");
}

#[test]
fn a_call_that_failed_three_times_is_told_until_it_is_done() {
    let mut paper = Paper::new();
    let key = ActKey("remember/m-1/1".into());
    let ann = paper.ann.clone();
    let intent = paper.intends(key.clone(), &ann, Act::Remember { plex: PlexId(101) }, days(0));
    (intent.because, intent.tries) = ("they are here again".into(), 2);
    let _intent = intent.clone();
    let tell = |paper: &mut Paper| {
        standing_reports::tell_stuck(paper.now, &paper.rules, &paper.world, &mut paper.book);
        titles(paper)
    };
    assert!(tell(&mut paper).is_empty());
    paper.book.intents.get_mut(&key).unwrap().tries = 3;
    assert_eq!(tell(&mut paper), ["Tried 3 times for ann, in vain"]);
    assert!(tell(&mut paper).is_empty(), "once");
    paper.book.intents.clear();
    assert!(tell(&mut paper).is_empty() && paper.book.told.is_empty());
}

#[test]
fn who_pays_for_two_subscriptions_of_ours_is_told_while_both_run() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    let tell = |paper: &mut Paper| {
        standing_reports::tell_doubled(paper.now, &paper.rules, &mut paper.book);
        titles(paper)
    };
    assert!(tell(&mut paper).is_empty());
    paper.pays(&ann, Status::Active, days(30));
    assert!(tell(&mut paper).is_empty(), "one is as it should be");
    paper.pays(&ann, Status::Active, days(20)).tiers.clear();
    assert!(tell(&mut paper).is_empty(), "the other buys nothing of ours");
    paper.member().subscriptions.values_mut().for_each(|billed| billed.tiers = ["Basic".into()].into());
    assert_eq!(tell(&mut paper), ["ann pays for 2 subscriptions"]);
    assert!(tell(&mut paper).is_empty(), "once");
    paper.first().now.status = Status::Canceled;
    assert!(tell(&mut paper).is_empty() && paper.book.told.is_empty());
}

/// To whom a letter about two subscriptions is owed.
fn told_payers(paper: &Paper) -> Vec<String> {
    let such = paper.book.outbox.values().filter(|notice| notice.letter.kind() == "doubled");
    such.filter_map(|notice| Some(notice.to.as_ref()?.to_string())).collect()
}

#[test]
fn who_pays_for_two_subscriptions_hears_of_it_once_where_each_is_paid_for() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.pays(&ann, Status::Active, days(30));
    paper.pays(&ann, Status::Active, days(20));
    for _ in 0..2 {
        standing_reports::tell_doubled(paper.now, &paper.rules, &mut paper.book);
        assert_eq!(told_payers(&paper), ["ann@example.com"], "once");
        paper.now += days(1);
    }
    let payers = |paper: &mut Paper| {
        paper.book.outbox.clear();
        paper.book.told.clear();
        standing_reports::tell_doubled(paper.now, &paper.rules, &mut paper.book);
        told_payers(paper)
    };
    let other = "cus_other".into();
    paper.member().subscriptions.values_mut().last().unwrap().now.customer = "cus_other".into();
    let mut payer = paper.member().customers.values().next().unwrap().clone();
    payer.mail_to = usher::facts::Email::parse("mum@example.com");
    paper.member().customers.insert(other, payer);
    assert_eq!(payers(&mut paper).len(), 2, "each by the mail of the one who pays");
    let end = paper.now + days(5);
    paper.first().now.cancel_at = Some(end);
    assert!(payers(&mut paper).is_empty(), "they have changed over already");
}
