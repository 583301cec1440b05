//! The operator's digest: when it is due, and what it says.

use chrono::TimeDelta;
use chrono_tz::Tz;
use proptest::prelude::*;
use usher::facts::{FailureKind, Moment, Reading, Source, Unread};
use usher::ledger::{Audience, Book, Channel, Delivered, DeliveryOutcome, DigestPart, Letter};
use usher::policy::plan::Problem;
use usher::policy::{Digest, PruneMode, Scene, digest, standing_reports};
use usher::reports;

use super::house::{House, MOVIES, days};

fn scene(house: &House) -> Scene<'_> {
    Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world }
}

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

/// A house with nothing to read, whose book was begun then.
fn quiet(every: Digest, tz: Tz, begun: &str) -> House {
    let mut house = House::new();
    house.now = moment(begun);
    house.book = Book::new(house.now);
    house.rules.configured.clear();
    (house.rules.digest, house.rules.tz) = (every, tz);
    house
}

/// Makes the digest if it is due, as the engine does.
fn make(house: &mut House) -> Option<Letter> {
    let due = digest::due(scene(house))?;
    let letter = reports::digest(scene(house), &due);
    let owed = due.owed(house.now, letter.clone());
    house.book.owe(owed, house.rules.ways, house.now);
    Some(letter)
}

fn local(house: &House) -> String {
    house.now.with_timezone(&house.rules.tz).format("%a %Y-%m-%d %H:%M").to_string()
}

/// Sleeps from one deadline to the next; when digests were made.
fn mornings(house: &mut House, many: usize) -> Vec<String> {
    let mut made = Vec::new();
    while made.len() < many {
        house.now = digest::next(scene(house)).expect("there is a next one");
        if make(house).is_some() {
            made.push(local(house));
        }
    }
    made
}

/// Whether one is due at this moment.
fn is_due(house: &mut House, at: &str) -> bool {
    house.now = moment(at);
    digest::due(scene(house)).is_some()
}

#[test]
fn a_weekly_digest_comes_on_mondays_at_nine_whatever_the_clocks_do() {
    let mut house = quiet(Digest::Weekly, Tz::Europe__Berlin, "2026-10-14T10:00:00Z");
    let made = ["Mon 2026-10-19 09:00", "Mon 2026-10-26 09:00", "Mon 2026-11-02 09:00"];
    assert_eq!(mornings(&mut house, 3), made, "summer time ends on 25 October");
    assert_eq!(house.now, moment("2026-11-02T08:00:00Z"));
}

#[test]
fn a_daily_digest_comes_each_day_at_nine_whatever_the_clocks_do() {
    for (tz, begun) in [
        (Tz::Europe__Berlin, "2026-03-27T12:00:00Z"),
        (Tz::America__New_York, "2026-10-30T16:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-04-03T12:00:00Z"),
        (Tz::Asia__Kathmandu, "2026-06-01T12:00:00Z"),
    ] {
        let mut house = quiet(Digest::Daily, tz, begun);
        let first = house.rules.day_of(house.now) + days(1);
        let made = mornings(&mut house, 5);
        let each_day = (0..5).map(|n| (first + days(n)).format("%a %Y-%m-%d 09:00").to_string());
        assert_eq!(made, each_day.collect::<Vec<_>>(), "{tz}");
    }
}

#[test]
fn the_first_digest_comes_at_the_first_such_time_after_the_book_was_begun() {
    for (begun, first) in [
        ("2026-11-23T08:59:00Z", "Mon 2026-11-23 09:00"),
        ("2026-11-23T09:00:00Z", "Mon 2026-11-30 09:00"),
        ("2026-11-24T12:00:00Z", "Mon 2026-11-30 09:00"),
    ] {
        let mut house = quiet(Digest::Weekly, Tz::UTC, begun);
        assert_eq!(digest::due(scene(&house)), None, "never at once");
        assert_eq!(mornings(&mut house, 1), [first], "begun {begun}");
    }
}

#[test]
fn a_digest_that_was_slept_through_comes_late_while_it_is_of_use_and_then_not() {
    let mut weekly = quiet(Digest::Weekly, Tz::Europe__Berlin, "2026-11-01T12:00:00Z");
    for late in ["2026-11-23T15:00:00Z", "2026-11-24T22:00:00Z", "2026-11-25T22:59:00Z"] {
        assert!(is_due(&mut weekly, late), "{late}");
    }
    assert!(!is_due(&mut weekly, "2026-11-25T23:00:00Z"), "Wednesday is over in Berlin");
    assert!(!is_due(&mut weekly, "2026-11-30T07:59:00Z"));
    let mut daily = quiet(Digest::Daily, Tz::Europe__Berlin, "2026-11-01T12:00:00Z");
    assert!(is_due(&mut daily, "2026-11-23T22:59:00Z"));
    assert!(!is_due(&mut daily, "2026-11-23T23:00:00Z"), "the next day has begun");
    assert_eq!(digest::next(scene(&daily)), Some(moment("2026-11-24T08:00:00Z")));
}

#[test]
fn promise_07_a_digest_is_owed_once_also_after_a_restart_from_the_disk() {
    let mut house = quiet(Digest::Weekly, Tz::UTC, "2026-11-01T12:00:00Z");
    house.now = moment("2026-11-23T09:00:00Z");
    assert!(make(&mut house).is_some());
    assert_eq!(digest::due(scene(&house)), None);
    let text = serde_json::to_string(&house.book).unwrap();
    house.book = serde_json::from_str(&text).unwrap();
    house.now += TimeDelta::hours(3);
    assert_eq!(digest::due(scene(&house)), None);
    assert_eq!(house.letters("digest").len(), 1);
}

#[test]
fn there_is_no_digest_where_it_is_off_or_nobody_would_get_it() {
    let mut off = quiet(Digest::Off, Tz::UTC, "2026-11-01T12:00:00Z");
    let mut alone = quiet(Digest::Daily, Tz::UTC, "2026-11-01T12:00:00Z");
    alone.rules.ways.operator_mail = false;
    for house in [&mut off, &mut alone] {
        assert!(!is_due(house, "2026-11-23T09:00:00Z"));
    }
    assert_eq!(digest::next(scene(&off)), None);
}

#[test]
fn after_a_start_it_waits_for_stripe_but_not_until_it_is_of_no_use() {
    let mut house = House::new();
    house.rules.digest = Digest::Daily;
    house.now = moment("2026-01-05T10:00:00Z");
    assert_eq!(digest::due(scene(&house)), None, "nothing was read yet");
    assert_eq!(digest::next(scene(&house)), Some(moment("2026-01-05T23:00:00Z")));
    // Tautulli is not waited for once it was tried, Stripe is.
    let no_answer =
        || Unread { at: moment("2026-01-05T10:00:00Z"), kind: FailureKind::Unreachable, why: "no answer".into() };
    house.settle();
    house.world.tautulli = usher::policy::Seen::default();
    assert_eq!(digest::due(scene(&house)), None, "Tautulli was not tried yet");
    house.world.tautulli.see(Reading::Unread(no_answer()));
    assert!(digest::due(scene(&house)).is_some());
    house.world.stripe = usher::policy::Seen::default();
    house.world.stripe.see(Reading::Unread(no_answer()));
    assert_eq!(digest::due(scene(&house)), None);
    house.now = moment("2026-01-05T23:00:00Z");
    let letter = make(&mut house).expect("late, but of use");
    assert!(said(&letter).contains("- Stripe could not be read since Usher started"), "{}", said(&letter));
}

#[test]
fn a_digest_that_no_mail_server_takes_in_time_is_not_sent_later() {
    let mut house = quiet(Digest::Weekly, Tz::UTC, "2026-11-01T12:00:00Z");
    let hand_out =
        |house: &mut House| house.book.hand_out(Channel::Mail, &[Audience::Operator], "example.com", false, house.now);
    house.now = moment("2026-11-23T09:00:00Z");
    make(&mut house).expect("due");
    let sent = hand_out(&mut house).expect("due");
    let outcome = DeliveryOutcome::Later { why: "450 try later".into(), after_secs: None };
    let report = Delivered { key: sent.key, channel: Channel::Mail, outcome };
    house.book.delivered(&report, house.now);
    house.now = moment("2026-11-26T00:01:00Z");
    assert_eq!(hand_out(&mut house), None);
    assert_eq!(house.book.notices_open(), 0, "it is given up");
}

/// As a mail has it.
fn said(letter: &Letter) -> String {
    let Letter::Digest { people_in, to_do, parts, .. } = letter else { panic!("{letter:?}") };
    let part = |part: &DigestPart| {
        let more = if part.more > 0 { format!("- and {} more\n", part.more) } else { String::new() };
        let lines: String = part.lines.iter().map(|line| format!("- {line}\n")).collect();
        format!("{}\n{lines}{more}", part.title)
    };
    format!("{people_in} in\n{}", to_do.iter().chain(parts).map(part).collect::<String>())
}

#[test]
fn it_says_what_waits_who_came_and_went_and_what_comes() {
    let mut house = House::new();
    house.rules.digest = Digest::Weekly;
    house.rules.prune_mode = PruneMode::Approve;
    // Bob idles until he waits for a word; Cleo will be warned in the second week.
    for (id, name, idle) in [(10, "bob", 26), (11, "cleo", 13), (12, "emil", 1)] {
        house.share(id, 200 + id, name, &[MOVIES], days(400));
        house.played(200 + id, days(idle));
    }
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.subscribe("sub_2", "gil", "price_premium");
    house.billing.customers.values_mut().filter(|customer| customer.name.as_deref() == Some("gil")).for_each(|gil| {
        gil.email = usher::facts::Email::parse("x7k2@privaterelay.appleid.com");
    });
    house.settle();
    house.carry_out();
    house.days(2);
    let first = make(&mut house).expect("Monday, 5 January");
    assert!(said(&first).contains("Since Saturday, 3 January\n- Nobody came, and nobody went."), "{}", said(&first));
    let invite = house.friends.shares.iter().find(|row| !row.is_accepted()).expect("ann's invite").id.0;
    house.accept(invite, 300, "ann");
    house.days(3);
    house.unshare(12);
    house.days(4);
    let second = make(&mut house).expect("Monday, 12 January");
    assert_eq!(
        said(&second),
        "3 in
Waits for you
- h-1: remove bob (m-1): idle for 30 days of observed time since 2025-12-08
Pays and isn't in
- gil (m-5): they paid with a relay address, behind which another Plex account hides
Money
- Each month: nothing (Stripe, read 2026-01-12 09:06)
- Now: 2 active, 0 trialing, 0 past due, 0 unpaid, 0 paused; 0 of them set to end
- 2026-01: 2 new, 0 lost of 0 at its beginning (nobody was there before)
- Not counted: 2 whose price or discount could not be read (see --json)
In the house
- 1 paying, 2 shared by hand
- No invite waits to be taken up.
Since Monday, 5 January
- Came: ann
- Went: emil: the share went away in Plex, without Usher
Until Monday, 19 January
- Sat 17 Jan: write to cleo: watch something by 2026-01-20
"
    );
    assert_eq!(make(&mut house), None, "once");
}

#[test]
fn a_house_in_which_all_is_well_has_nothing_to_do() {
    let mut house = House::new();
    house.rules.digest = Digest::Weekly;
    house.settle();
    house.days(2);
    let letter = make(&mut house).expect("Monday, 5 January");
    assert_eq!(
        said(&letter),
        "0 in
Money
- Each month: nothing (Stripe, read 2026-01-05 09:03)
- Now: 0 active, 0 trialing, 0 past due, 0 unpaid, 0 paused; 0 of them set to end
- 2026-01: 0 new, 0 lost of 0 at its beginning (nobody was there before)
In the house
- No invite waits to be taken up.
Since Saturday, 3 January
- Nobody came, and nobody went.
Until Monday, 12 January
- Nothing is due.
"
    );
}

#[test]
fn a_source_that_is_down_is_said_for_as_long_as_it_is() {
    let mut house = House::new();
    house.rules.digest = Digest::Daily;
    house.settle();
    let fails = |house: &mut House, hours: i64| {
        for _ in 0..hours {
            house.later(TimeDelta::hours(1));
            let why = Unread { at: house.now, kind: FailureKind::Unreachable, why: "no answer".into() };
            house.world.tautulli.see(Reading::Unread(why));
            house.decide();
        }
    };
    for _ in 0..2 {
        fails(&mut house, 24);
        let letter = make(&mut house).expect("each day");
        assert!(said(&letter).contains("- Tautulli can't be read (since Sat 3 Jan)"), "{}", said(&letter));
    }
    house.days(1);
    let letter = make(&mut house).expect("each day");
    assert!(!said(&letter).contains("Tautulli"), "{}", said(&letter));
    assert!(house.rules.configured.contains(&Source::Tautulli));
}

#[test]
fn what_has_been_out_of_order_for_half_a_year_is_still_said() {
    let mut house = quiet(Digest::Weekly, Tz::UTC, "2026-01-03T09:00:00Z");
    let (title, nothing) = ("A tier can't be shared".to_owned(), String::new);
    let problem = Problem { key: "tier: x".into(), title, detail: nothing(), what_to_do: nothing() };
    let House { now, rules, book, .. } = &mut house;
    standing_reports::tell_problems(*now, rules, book, std::slice::from_ref(&problem));
    house.deliver();
    house.now = moment("2026-07-06T09:00:00Z");
    let House { now, rules, book, .. } = &mut house;
    standing_reports::tell_problems(*now, rules, book, &[problem]);
    book.prune(*now);
    let letter = make(&mut house).expect("a Monday");
    assert!(said(&letter).contains("Not in order\n- A tier can't be shared (since Sat 3 Jan)\n"), "{}", said(&letter));
    let House { now, rules, book, .. } = &mut house;
    standing_reports::tell_problems(*now, rules, book, &[]);
    book.prune(*now);
    assert_eq!(house.letters("attention").len(), 0, "what is over is forgotten in its time");
}

#[test]
fn a_letter_that_was_refused_is_said_in_the_next_digest_only() {
    let mut house = House::new();
    house.rules.digest = Digest::Daily;
    house.share(10, 210, "bob", &[MOVIES], days(400));
    house.played(210, days(28));
    house.settle();
    let warning = house.letters("inactivity_warning")[0].clone();
    let now = house.now;
    crate::paper::hand_out(&mut house.book, &warning, now).expect("due");
    let outcome = DeliveryOutcome::Never { why: "550 no such user".into(), bad_address: false };
    house.book.delivered(&Delivered { key: warning, channel: Channel::Mail, outcome }, now);
    let line = "- inactivity warning to bob: refused: 550 no such user\n";
    house.later(days(1));
    house.read();
    let letter = make(&mut house).expect("due");
    assert!(said(&letter).contains(line), "{}", said(&letter));
    house.later(days(1));
    house.read();
    let letter = make(&mut house).expect("due");
    assert!(!said(&letter).contains(line), "{}", said(&letter));
}

#[test]
fn long_lists_are_cut_and_the_rest_is_counted() {
    let mut house = House::new();
    house.rules.digest = Digest::Weekly;
    house.settle();
    for n in 0..30 {
        house.subscribe(&format!("sub_{n}"), &format!("payer{n}"), "price_basic");
    }
    for customer in house.billing.customers.values_mut() {
        customer.email = None;
    }
    house.days(2);
    let letter = make(&mut house).expect("Monday, 5 January");
    let Letter::Digest { to_do, .. } = &letter else { panic!("{letter:?}") };
    let outside = to_do.iter().find(|part| part.title == "Pays and isn't in").expect("the unmatched");
    assert_eq!((outside.lines.len(), outside.more), (8, 22), "{}", said(&letter));
    assert!(outside.see.contains("`usher unmatched`"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whenever Usher looks, at whatever distances: a digest is never late
    /// beyond use nor early, none is made twice, and none is missed by whoever
    /// looks often enough.
    #[test]
    fn promise_07_any_rhythm_of_passes_makes_each_digest_at_most_once(
        weekly: bool,
        zone in prop::sample::select(vec![Tz::UTC, Tz::Europe__Berlin, Tz::America__Sao_Paulo, Tz::Pacific__Auckland]),
        pauses in prop::collection::vec(1_i64..4000, 20..120),
    ) {
        let (every, use_days) = if weekly { (Digest::Weekly, 3) } else { (Digest::Daily, 1) };
        let mut house = quiet(every, zone, "2026-02-13T10:00:00Z");
        let mut made = Vec::new();
        for pause in pauses {
            house.later(TimeDelta::minutes(pause));
            let was_due = digest::due(scene(&house));
            let Some(Letter::Digest { day, .. }) = make(&mut house) else {
                prop_assert!(was_due.is_none());
                continue;
            };
            let began = house.rules.at_hour(day, 9);
            prop_assert!(began <= house.now && house.now < house.rules.end_of_day(day + days(use_days - 1)));
            prop_assert!(began > house.book.begun);
            prop_assert!(!made.contains(&day), "{day} twice");
            prop_assert!(digest::due(scene(&house)).is_none());
            prop_assert!(digest::next(scene(&house)).is_some_and(|next| next > house.now));
            made.push(day);
        }
    }
}
