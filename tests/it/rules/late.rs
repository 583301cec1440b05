//! R3, R5, R9 and R10: letters that go out late, time in which somebody could
//! not be seen, and what follows long after.

use chrono::TimeDelta;
use usher::facts::{PlexId, Source};
use usher::ledger::{AskedSpell, Audience, Channel, Delivered, Delivery, DeliveryOutcome, Letter, NoticeKey, Owed};
use usher::ledger::{Book, Dispatch, Ways};
use usher::policy::plan::Class;
use usher::policy::{brake, decide};

use super::house::{House, MOVIES, days};
use crate::paper::Paper;

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

fn hand_out(book: &mut Book, audience: Audience, now: usher::facts::Moment) -> Vec<Dispatch> {
    book.hand_out(Channel::Mail, &[audience], "attic.example", false, now).into_iter().collect()
}

fn report(book: &mut Book, key: &NoticeKey, outcome: DeliveryOutcome, now: usher::facts::Moment) {
    book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome }, now);
}

fn down() -> DeliveryOutcome {
    DeliveryOutcome::Later { why: "451 try later".into(), after_secs: None }
}

/// Ann is in by hand alone and was asked to subscribe: the letter was accepted
/// `accepted` ago and names the day on which it is that many days from now.
fn asked(accepted: TimeDelta, names: i64) -> Paper {
    let mut paper = Paper::new();
    paper.rules.unmanaged_days = Some(14);
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let promised = paper.rules.end_of_day(paper.rules.day_of(paper.now + days(names)));
    let told = paper.now - accepted;
    let notice = NoticeKey("asked".into());
    paper.member().asked = Some(AskedSpell {
        since: paper.now - days(40),
        notice,
        told_at: Some(told),
        promised_end: Some(promised),
        no_channel: false,
    });
    paper
}

fn classes(paper: &Paper) -> Vec<Class> {
    paper.plan().proposals.iter().map(|proposal| proposal.class).collect()
}

#[test]
fn promise_01_who_is_asked_to_subscribe_has_the_whole_time_from_the_acceptance() {
    assert_eq!(classes(&asked(days(2), -5)), [], "it named a day in last week");
    assert_eq!(classes(&asked(days(14) - TimeDelta::seconds(1), -1)), []);
    assert_eq!(classes(&asked(days(14), -1)), [Class::Removal { stated: false }]);
    assert_eq!(classes(&asked(days(20), 1)), [], "nor before the day that it named is over");
}

#[test]
fn what_is_for_the_operator_is_never_given_up_for_age_and_the_oldest_goes_first() {
    let mut paper = Paper::new();
    let ways = Ways { mail: true, operator_mail: true, discord: false, dry_run: false };
    let mut keys = Vec::new();
    for n in 0..30 {
        let letter = Letter::Attention { title: format!("{n}"), detail: String::new(), what_to_do: String::new() };
        let owed = Owed::to_operator(None, format!("occasion-{}", 99 - n), letter);
        keys.push(paper.book.owe(owed, ways, paper.now + hours(n)));
    }
    let late = paper.now + days(30);
    let mut sent = Vec::new();
    loop {
        let batch = hand_out(&mut paper.book, Audience::Operator, late);
        if batch.is_empty() {
            break;
        }
        for letter in batch {
            report(&mut paper.book, &letter.key, DeliveryOutcome::Accepted, late);
            sent.push(letter.key);
        }
    }
    assert_eq!(sent, keys);
}

#[test]
fn the_bounce_of_one_address_says_nothing_of_another() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    let ways = Ways { mail: true, operator_mail: true, discord: false, dry_run: false };
    paper.make_friend(&ann, days(28));
    // Money letters go to another address, which is dead.
    for n in 0..2 {
        let letter = Letter::CancellationUndone { renews: None };
        let mut owed = Owed::to_member(paper.member(), format!("{n}"), letter, days(60));
        owed.to = usher::facts::Email::parse("money@example.com");
        let key = paper.book.owe(owed, ways, paper.now);
        let at = paper.now - days(2 - n);
        paper
            .book
            .outbox
            .get_mut(&key)
            .unwrap()
            .deliveries
            .insert(Channel::Mail, Delivery::Due { not_before: at, tries: 0, last_error: None });
        hand_out(&mut paper.book, Audience::Member, at);
        report(&mut paper.book, &key, DeliveryOutcome::Never { why: "550".into(), bad_address: true }, at);
    }
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let warning = paper.book.outbox.values().find(|notice| notice.letter.kind() == "inactivity_warning").unwrap();
    assert!(matches!(warning.deliveries[&Channel::Mail], Delivery::Due { .. }), "{warning:?}");
}

/// Ann (200) and eleven others are in by hand; all but Ann watch daily.
fn watching_house() -> House {
    let mut house = House::new();
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.settle();
    house.deliver();
    house
}

fn pass_days(house: &mut House, count: i64) {
    for _ in 0..count {
        for n in 1..12 {
            house.played(200 + n, days(0));
        }
        house.days(1);
    }
}

fn warned(house: &House) -> bool {
    house.member(200).idle.is_some()
}

#[test]
fn promise_02_time_in_which_somebody_could_not_be_seen_stands_still_for_them() {
    type Change = fn(&mut House);
    let spoils: [(&str, Change, Change); 3] = [
        (
            "no history is kept for her",
            |house| house.activity.people.get_mut(&PlexId(200)).unwrap().keep_history = false,
            |house| house.activity.people.get_mut(&PlexId(200)).unwrap().keep_history = true,
        ),
        (
            "Tautulli doesn't list her",
            |house| {
                house.activity.people.remove(&PlexId(200));
            },
            |house| {
                let at = house.book.by_account(PlexId(200)).unwrap().last_play;
                let watcher = usher::facts::Watcher { last_play: at, keep_history: true };
                house.activity.people.insert(PlexId(200), watcher);
            },
        ),
        (
            "a library of hers has no history",
            |house| {
                house.activity.unlogged_keys.insert(1);
            },
            |house| house.activity.unlogged_keys.clear(),
        ),
    ];
    for (why, spoil, mend) in spoils {
        let mut house = watching_house();
        pass_days(&mut house, 10);
        spoil(&mut house);
        pass_days(&mut house, 60);
        mend(&mut house);
        pass_days(&mut house, 15);
        assert!(!warned(&house), "{why}: ten days before and fifteen after");
        pass_days(&mut house, 3);
        assert!(warned(&house), "{why}: now it is 27");
    }
}

#[test]
fn promise_08_forgetting_and_unfriending_are_removals_to_looked_fresh_continuity_and_protected() {
    let gone = || {
        let mut paper = Paper::new();
        let (now, account) = (paper.now, paper.member().plex.unwrap());
        paper.rules.unfriend_days = Some(5);
        paper.world.plex.whole_mut().unwrap().value.friends = Some([account].into());
        paper.member().forget_at = Some(now);
        paper.member().unfriend_at = Some(now);
        paper
    };
    let held = |paper: &Paper| {
        let admission = brake::admit(paper.scene(), paper.plan());
        let held: Vec<&str> = admission.held.iter().map(|(_, because)| because.rule()).collect();
        (admission.admitted.len(), held)
    };
    assert_eq!(held(&gone()), (2, vec![]));
    let mut stale = gone();
    let read = stale.now - days(3);
    let whole = stale.world.plex.whole_mut().unwrap();
    (whole.begun, whole.at) = (read, read);
    assert_eq!(held(&stale), (0, vec!["fresh", "fresh"]));
    let mut home = gone();
    home.member().home = true;
    assert_eq!(held(&home).0, 0);
    let mut drop = gone();
    let fewer = usher::policy::Drop { since: drop.now, now: 3, expected: 20, begun_anew: false };
    drop.world.drops.insert(usher::ledger::Population::Friends, fewer);
    assert_eq!(held(&drop), (0, vec!["continuity", "continuity"]));
    let mut pays = gone();
    let ann = pays.ann.clone();
    pays.pays(&ann, usher::facts::Status::Active, days(1));
    assert!(!classes(&pays).contains(&Class::Forget), "who pays will be back");
    assert!(gone().rules.configured.contains(&Source::Stripe));
}

#[test]
fn an_explanation_is_kept_as_long_as_the_peak_that_it_is_subtracted_from() {
    use usher::ledger::Population;
    use usher::policy::{World, continuity};
    let now = Paper::new().now;
    let (mut world, mut book) = (World::default(), Book::new(now));
    continuity::measure(now, &mut world, &mut book, Population::Subscriptions, 5);
    for n in 0..3 {
        book.explain(now + hours(1), Population::Subscriptions, format!("sub_{n}"));
    }
    // Asleep for three weeks; the first pass forgets what it can.
    let awake = now + days(21);
    book.prune(awake);
    continuity::measure(awake, &mut world, &mut book, Population::Subscriptions, 2);
    assert!(world.drops.is_empty(), "{:?}", world.drops);
}

#[test]
fn a_failed_try_leaves_the_letter_free_to_say_what_is_true_now() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[crate::paper::MOVIES], days(299));
    let end = paper.now + days(7) - hours(1);
    paper.pays(&ann, usher::facts::Status::Active, days(300)).now.cancel_at = Some(end);
    let pass = |paper: &mut Paper| {
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    };
    let open = |paper: &Paper| {
        let due = |notice: &&usher::ledger::Notice| {
            notice.letter.kind() == "access_ending" && matches!(notice.deliveries[&Channel::Mail], Delivery::Due { .. })
        };
        let letters = paper.book.outbox.values().filter(due).map(|notice| notice.letter.clone());
        letters
            .map(|letter| match letter {
                Letter::AccessEnding { days_left, .. } => days_left,
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    pass(&mut paper);
    assert_eq!(open(&paper), [7]);
    for letter in hand_out(&mut paper.book, Audience::Member, paper.now) {
        report(&mut paper.book, &letter.key, down(), paper.now);
    }
    paper.now += days(2);
    pass(&mut paper);
    assert_eq!(open(&paper), [5], "what it says is counted from today");
    paper.now += days(3);
    pass(&mut paper);
    assert_eq!(open(&paper), [2], "of both that are due only the nearest goes");
}

#[test]
fn books_of_before_keep_their_bounces_for_the_address_that_they_were_of() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    let mut old = serde_json::to_value(&paper.book).unwrap();
    let member = old["members"].as_object_mut().unwrap().values_mut().next().unwrap();
    for new in ["unseen", "seen_since", "record"] {
        member.as_object_mut().unwrap().remove(new);
    }
    member["bounces"] = serde_json::json!(["2026-01-20", "2026-01-21"]);
    old.as_object_mut().unwrap().remove("bounced");
    paper.book = serde_json::from_value(old).unwrap();
    let mut moved = paper.book.clone();
    decide::decide(paper.now, &paper.rules, &paper.world, &mut moved);
    let address = paper.member().email.clone().unwrap();
    assert!(moved.is_dead(&address) && moved.members[&ann].bounces.is_empty());
    assert!(moved.members[&ann].idle.as_ref().unwrap().notice.0.starts_with(&ann.0));
    let warning = &moved.outbox[&moved.members[&ann].idle.as_ref().unwrap().notice];
    assert_eq!(warning.deliveries[&Channel::Mail], Delivery::NoChannel);
}

#[test]
fn promise_01_who_has_another_address_by_now_is_warned_there() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    let dead = paper.member().email.clone().unwrap();
    let day = paper.now.date_naive();
    paper.book.bounced.insert(dead, [day, day - days(1)].into());
    let pass = |paper: &mut Paper| {
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    };
    pass(&mut paper);
    pass(&mut paper);
    assert!(paper.member().idle.as_ref().unwrap().no_channel);
    paper.now += days(3);
    let new = usher::facts::Email::parse("new@example.com");
    paper.member().email = new.clone();
    pass(&mut paper);
    let spell = paper.member().idle.clone().unwrap();
    assert!(!spell.no_channel);
    let sent = crate::paper::hand_out(&mut paper.book, &spell.notice, paper.now).expect("it goes after all");
    assert_eq!(sent.to, new);
    report(&mut paper.book, &spell.notice, DeliveryOutcome::Accepted, paper.now);
    pass(&mut paper);
    let spell = paper.member().idle.clone().unwrap();
    assert!(spell.warned_at == Some(paper.now) && spell.promised_end.unwrap() >= paper.now + days(3));
}

#[test]
fn what_waits_for_a_channel_that_is_switched_off_is_not_queued() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert!(paper.book.has_letters_due(paper.now));
    (paper.rules.ways.mail, paper.rules.ways.operator_mail) = (false, false);
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let open = |notice: &&usher::ledger::Notice| notice.deliveries.get(&Channel::Mail).is_some_and(|at| !at.is_done());
    assert_eq!(paper.book.outbox.values().filter(open).count(), 0);
    assert!(paper.member().idle.as_ref().unwrap().no_channel, "removal only by approval");
}

#[test]
fn what_is_not_so_any_more_is_not_said() {
    use crate::paper::{MOVIES, TV};
    use usher::facts::Status;
    use usher::ledger::EndedBecause;
    type Change = fn(&mut Paper);
    let here: Change = |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES, TV], days(20));
        paper.pays(&ann, Status::Active, days(20));
    };
    let waits: Change = |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(20));
        paper.waits(&ann, days(2));
    };
    let gone: Change = |_| ();
    let address = || usher::facts::Email::parse("ann@example.com").unwrap();
    let welcome = || Letter::Welcome { libraries: vec!["Old".into()], downloads: false };
    let invited = || Letter::Invited { tier: None, libraries: Vec::new(), downloads: false, address: address() };
    let on = Paper::new().now.date_naive();
    let cases: [(&str, Letter, Change, Option<&str>); 12] = [
        ("a welcome, and they are here", welcome(), here, None),
        ("a welcome, and they are gone", welcome(), gone, Some("they have no access any more")),
        ("an invite, and it waits", invited(), waits, None),
        ("an invite, and they are in", invited(), here, Some("they have taken the invite up")),
        ("an invite, and it is gone", invited(), gone, Some("the invite is gone")),
        (
            "an end, and they are back",
            Letter::AccessEnded { because: EndedBecause::Canceled },
            here,
            Some("they are back"),
        ),
        ("an end, and they are gone", Letter::AccessEnded { because: EndedBecause::Canceled }, gone, None),
        (
            "a cancellation that was taken back",
            Letter::CancellationReceived { on: on + days(5), stays: false, asked: false },
            here,
            Some("their subscription does not end then"),
        ),
        ("what was taken back", Letter::CancellationUndone { renews: Some(on - days(3)) }, here, None),
        (
            "another tier of before",
            Letter::TierChanged { tier: "Gold".into(), libraries: Vec::new(), downloads: false, also: Vec::new() },
            here,
            Some("they buy something else by now"),
        ),
        (
            "a trial that is over",
            Letter::TrialEnding { on: on - days(1), then: usher::facts::AfterTrial::Unknown },
            here,
            Some("no trial ends then"),
        ),
        (
            "a payment that came",
            Letter::PaymentFailed { amount: None, pay_url: None, access_until: None, next_attempt: Some(on - days(2)) },
            here,
            Some("nothing is unpaid any more"),
        ),
    ];
    for (what, letter, make, over) in cases {
        let mut paper = Paper::new();
        make(&mut paper);
        let now = paper.now;
        let due = Delivery::Due { not_before: now, tries: 1, last_error: None };
        let key = paper.letter("m-1/letter", letter, days(4), due);
        let customer = paper.member().customers.keys().next().cloned();
        paper.book.outbox.get_mut(&key).unwrap().customer = customer;
        usher::policy::still_true::check(now, &paper.rules, &paper.world, &mut paper.book);
        let notice = &paper.book.outbox[&key];
        let why = match &notice.deliveries[&Channel::Mail] {
            Delivery::Cancelled { why, .. } => Some(why.as_str()),
            _ => None,
        };
        assert_eq!(why, over, "{what}");
        match &notice.letter {
            Letter::Welcome { libraries, .. } if over.is_none() => assert_eq!(libraries.len(), 2, "as it is now"),
            Letter::CancellationUndone { renews } => assert_eq!(*renews, None, "that day is over"),
            _ => {}
        }
        if let Some(why) = over {
            assert!(paper.member().journal.last().unwrap().what.contains(why), "{what}");
        }
    }
}

#[test]
fn of_two_letters_about_one_invite_only_the_newer_goes() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.pays(&ann, usher::facts::Status::Active, days(20));
    paper.waits(&ann, days(3));
    let now = paper.now;
    let due = || Delivery::Due { not_before: now, tries: 1, last_error: None };
    let address = usher::facts::Email::parse("ann@example.com").unwrap();
    let invited = Letter::Invited { tier: None, libraries: Vec::new(), downloads: false, address };
    let key = paper.letter("m-1/invited/share-1/member", invited, days(3), due());
    decide::decide(now, &paper.rules, &paper.world, &mut paper.book);
    assert!(matches!(paper.book.outbox[&key].deliveries[&Channel::Mail], Delivery::Cancelled { .. }));
    let open: Vec<&str> = paper
        .book
        .outbox
        .values()
        .filter(|notice| notice.audience == Audience::Member && notice.deliveries.values().any(|at| !at.is_done()))
        .map(|notice| notice.letter.kind())
        .collect();
    assert_eq!(open, ["invite_reminder"]);
}

#[test]
fn promise_01_a_warning_dies_with_its_spell_also_where_the_next_one_begins_at_the_same_play() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    let pass = |paper: &mut Paper| {
        paper.book.committed = paper.now;
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    };
    let accept = |paper: &mut Paper| {
        let notice = paper.member().idle.as_ref().expect("a spell").notice.clone();
        crate::paper::hand_out(&mut paper.book, &notice, paper.now).expect("due");
        report(&mut paper.book, &notice, DeliveryOutcome::Accepted, paper.now);
        pass(paper);
        paper.member().idle.clone().expect("a spell")
    };
    pass(&mut paper);
    let first = accept(&mut paper);
    assert_eq!(first.warned_at, Some(paper.now));
    // They are protected for ten days, and watch nothing.
    paper.member().home = true;
    pass(&mut paper);
    assert!(paper.member().idle.is_none());
    paper.now += days(10);
    let whole = paper.world.plex.whole_mut().unwrap();
    (whole.begun, whole.at) = (paper.now, paper.now);
    let whole = paper.world.stripe.whole_mut().unwrap();
    (whole.begun, whole.at) = (paper.now, paper.now);
    let whole = paper.world.tautulli.whole_mut().unwrap();
    (whole.begun, whole.at) = (paper.now, paper.now);
    paper.member().home = false;
    pass(&mut paper);
    let again = paper.member().idle.clone().expect("a spell");
    assert_eq!((again.started, again.warned_at), (first.started, None), "the warning of before warns nobody");
    assert_eq!(paper.admit().admitted, [], "nobody is removed by it");
    let second = accept(&mut paper);
    assert_eq!(second.warned_at, Some(paper.now));
    let told = paper.book.outbox.values().filter(|notice| notice.letter.kind() == "warned").count();
    assert_eq!(told, 2, "the operator hears of both");
}

#[test]
fn a_letter_that_waits_goes_to_the_address_that_they_have_by_then() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    let pass = |paper: &mut Paper| {
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    };
    pass(&mut paper);
    let key = paper.member().idle.clone().unwrap().notice;
    paper.member().email = usher::facts::Email::parse("new@example.com");
    pass(&mut paper);
    let sent = crate::paper::hand_out(&mut paper.book, &key, paper.now).unwrap();
    assert_eq!(sent.to, paper.member().email.clone());
    report(&mut paper.book, &key, DeliveryOutcome::Unknown { why: "lost".into() }, paper.now);
    paper.now += TimeDelta::minutes(5);
    paper.member().email = usher::facts::Email::parse("newer@example.com");
    pass(&mut paper);
    let again = crate::paper::hand_out(&mut paper.book, &key, paper.now).unwrap();
    assert_eq!((again.to, again.first), (sent.to, sent.first), "a repeat is the same letter");
}

#[test]
fn a_late_letter_that_has_just_said_it_is_not_followed_by_another() {
    for (accepted_left, letters) in [(hours(3 * 24 + 10), 1), (hours(4 * 24), 2)] {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[crate::paper::MOVIES], days(299));
        let end = paper.now + days(6);
        paper.pays(&ann, usher::facts::Status::Active, days(300)).now.cancel_at = Some(end);
        let pass = |paper: &mut Paper| {
            decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
        };
        let written = |paper: &Paper| {
            let about = |key: &&NoticeKey| key.0.contains("/access_ending/");
            paper.book.outbox.keys().filter(about).cloned().collect::<Vec<_>>()
        };
        pass(&mut paper);
        let key = written(&paper).pop().unwrap();
        paper.now = end - accepted_left;
        pass(&mut paper);
        crate::paper::hand_out(&mut paper.book, &key, paper.now).unwrap();
        report(&mut paper.book, &key, DeliveryOutcome::Accepted, paper.now);
        paper.now = end - days(2);
        pass(&mut paper);
        assert_eq!(written(&paper).len(), letters, "accepted {accepted_left} before the end");
    }
}
