//! Long bad days, and what everybody must have kept when they are over.

use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};
use sandbox::stripe::Delivery;
use usher::facts::PlexId;

use super::{all_is_well, days, heard, hours, told, told_at, unhurried};

fn account(n: u64) -> PlexId {
    PlexId(2_000_001 + n)
}

#[tokio::test(start_paused = true)]
async fn promise_01_ten_days_without_mail_while_twenty_fall_idle_remove_nobody_and_lose_no_letter() {
    let mut rig = Rig::new("ten-days-without-mail").await;
    unhurried(&mut rig, 2);
    rig.set("DISCORD_WEBHOOK", "");
    for n in 0..30 {
        rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
        // Two fall idle each day; ten watch and watch.
        let ago = if n < 20 { days(27) - hours(12 * i64::try_from(n).unwrap() + 13) } else { hours(5) };
        rig.watched(account(n), ago);
    }
    rig.open().await;
    rig.hours(4).await;
    rig.smtp.fault(smtp::Fault::Down, Stay::UntilCleared);
    for _ in 0..10 {
        rig.days(1).await;
        (20..30).for_each(|n| rig.watched(account(n), hours(3)));
    }
    assert_eq!(rig.plex.changes().len(), 0, "nobody is removed unwarned");
    let while_down = rig.smtp.received().len();
    rig.smtp.clear_faults();
    let back = rig.now();
    rig.days(1).await;
    assert!(while_down <= 2, "the mail server was down");
    for n in 0..20 {
        let name = format!("friend{n}");
        assert_eq!(told(&rig, &name, "Still with us"), 1, "{name}: {:?}", rig.subjects_to(&name));
        assert!(told_at(&rig, &name, "Still with us") >= back);
    }
    assert_eq!(rig.plex.changes().len(), 0);
    for _ in 0..12 {
        rig.days(1).await;
        (20..30).for_each(|n| rig.watched(account(n), hours(3)));
        super::say(&rig, "approve", &["all"]).await;
    }
    let gone = rig.plex.deletions();
    assert_eq!(gone.len(), 20, "{:?}", super::waits(&rig).await);
    for removal in &gone {
        let name = rig.plex.username_of(removal.account.expect("an account")).expect("a name");
        let warned = told_at(&rig, &name, "Still with us");
        assert!(removal.at - warned >= days(3), "{name} had {} after the warning", removal.at - warned);
    }
    assert!((20..30).all(|n| rig.plex.has_access(account(n))));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_02_sixty_days_in_which_tautulli_saw_nothing_count_for_nobody() {
    let mut rig = Rig::new("sixty-blind-days").await;
    unhurried(&mut rig, 4);
    for n in 0..6 {
        rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
        rig.watched(account(n), hours(20));
    }
    rig.open().await;
    rig.hours(8).await;
    rig.tautulli.set_connected(false);
    rig.days(60).await;
    rig.tautulli.set_connected(true);
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Tautulli is cut off from Plex"), 1, "{:?}", rig.operator_subjects());
    let back = rig.now();
    rig.days(25).await;
    super::nothing_was_done(&rig);
    rig.days(3).await;
    super::say(&rig, "approve", &["all"]).await; // Six at once are a crowd.
    rig.hours(12).await;
    for n in 0..6 {
        let warned = told_at(&rig, &format!("friend{n}"), "Still with us");
        assert!(warned - back >= days(25), "WARN_DAYS of observed time: {}", warned - back);
    }
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

/// Five people's month: joined, cancelled, failed, recovered, upgraded. What
/// is left of it in the end, in words.
async fn a_month(name: &str, delivery: Delivery, echoes: usize) -> Vec<String> {
    let mut rig = Rig::new(name).await;
    for name in ["CHECK_NEW_USERS_SECS", "CHECK_INACTIVITY_SECS", "CHECK_BILLING_SECS"] {
        rig.set(name, "7200");
    }
    rig.open().await;
    rig.connect_webhooks();
    rig.stripe.set_delivery(delivery);
    let (basic, premium) = (rig.basic.clone(), rig.premium.clone());
    let mut subs = Vec::new();
    for n in 0..5 {
        let name = format!("friend{n}");
        rig.person(2_000_001 + n, &name);
        let customer = rig.stripe.customer(&address(&name), &name);
        subs.push(rig.stripe.subscribe(&customer, &basic));
        rig.hours(3).await;
        assert!(rig.plex.accept_invite(address(&name).as_str()).is_some(), "{name} was invited");
    }
    rig.days(1).await;
    rig.stripe.cancel_now(&subs[0], "cancellation_requested");
    rig.stripe.card_fails(&subs[1]);
    rig.stripe.change_price(&subs[2], &premium);
    rig.stripe.cancel_at(&subs[3], rig.now() + days(5));
    rig.days(2).await;
    rig.stripe.retry_succeeds(&subs[1]);
    rig.stripe.undo_cancel(&subs[3]);
    let url = format!("{}/webhook/stripe", rig.door().expect("it listens"));
    for crowd in shuffled(&rig.stripe.events(), echoes).chunks(100) {
        let mut posts = tokio::task::JoinSet::new();
        for event in crowd {
            let (stripe, url, event) = (rig.stripe.clone(), url.clone(), event.clone());
            posts.spawn(async move { stripe.send_webhook(&url, &event).await.ok() });
        }
        let answers = posts.join_all().await;
        assert!(answers.iter().all(|answer| *answer == Some(200)), "signed, so welcome: {answers:?}");
    }
    rig.days(30).await;
    all_is_well(&rig);
    let mut world: Vec<String> = rig
        .plex
        .shares()
        .iter()
        .map(|share| format!("{:?} has {:?}, accepted {}", share.account, share.sections, share.accepted_at.is_some()))
        .collect();
    world.sort();
    for n in 0..5 {
        let mut subjects = rig.subjects_to(&format!("friend{n}"));
        subjects.sort();
        world.push(format!("friend{n} read {subjects:?}"));
    }
    world.push(format!("{} invites, {} removals", rig.plex.invites_sent().len(), rig.plex.deletions().len()));
    world
}

/// So many of them, each at least three times, in an order that replays.
fn shuffled<T: Clone>(events: &[T], many: usize) -> Vec<T> {
    let mut state = 42_u64;
    let mut all: Vec<T> = events.iter().cycle().take(many).cloned().collect();
    for i in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn promise_04_ten_thousand_webhooks_shuffled_and_tripled_or_none_end_in_the_same_world() {
    let none = a_month("webhooks-none", Delivery::Lost, 0).await;
    let flood = a_month("webhooks-flood", Delivery::Reordered, 10_000).await;
    assert_eq!(none, flood);
    assert!(none.iter().any(|line| line.contains("5 invites, 1 removals")), "{none:#?}");
}

/// Six friends, one of them nearly idle, and one who pays; then `trouble`, and
/// somebody new pays meanwhile. Three days later nothing was done, and of what
/// is wrong there was one notice with this in its subject.
async fn nothing_is_done_and_it_is_told_once(name: &str, subject: &str, trouble: impl AsyncFnOnce(&mut Rig)) {
    let mut rig = Rig::new(name).await;
    rig.set("DIGEST", "off");
    unhurried(&mut rig, 1);
    for n in 0..6 {
        rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
        rig.watched(account(n), if n == 0 { days(26) + hours(14) } else { hours(4) });
    }
    super::old_payer(&rig, 2_000_050, "payer", &rig.basic.clone());
    rig.open().await;
    rig.hours(3).await;
    super::nothing_was_done(&rig);
    trouble(&mut rig).await;
    rig.person(2_000_090, "zoe");
    let customer = rig.stripe.customer(&address("zoe"), "Zoe");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(30).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, subject), 1, "{:?}", rig.operator_subjects());
    assert_eq!(rig.operator_subjects().len(), 1, "and nothing else: {:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_plex_token_changes_nothing_and_is_one_notice() {
    nothing_is_done_and_it_is_told_once("wrong-token", "plex.tv can't be read", async |rig| {
        rig.plex.set_token("rotated");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_test_key_where_a_live_one_was_changes_nothing_and_is_one_notice() {
    nothing_is_done_and_it_is_told_once("test-key", "Stripe is not the one in the book", async |rig| {
        // The book knows the mode of the sandbox's key; this is the other one.
        rig.close().await;
        rig.stripe.set_key("sk_live_sandbox");
        rig.set("STRIPE_SECRET_KEY", "sk_live_sandbox");
        rig.open().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_a_year_ahead_changes_nothing_and_is_one_notice() {
    nothing_is_done_and_it_is_told_once("clock-year-ahead", "clocks disagree", async |rig| {
        rig.time.set_offset(days(365));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_the_clock_a_year_ahead_changes_nothing_and_is_one_notice() {
    nothing_is_done_and_it_is_told_once("restart-year-ahead", "clocks disagree", async |rig| {
        rig.close().await;
        rig.time.set_offset(days(365));
        rig.open().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn promise_06_a_book_of_a_month_ago_put_back_changes_nobodys_access_and_lists_what_it_forgot() {
    let mut rig = Rig::new("month-old-book").await;
    unhurried(&mut rig, 4);
    for n in 0..6 {
        rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
        rig.watched(account(n), hours(5));
    }
    let (_, cleo) = super::old_payer(&rig, 2_000_051, "cleo", &rig.basic.clone());
    rig.open().await;
    rig.days(1).await;
    rig.close().await;
    let file = rig.state().join("state.json");
    let old = std::fs::read(&file).expect("the book");
    rig.open().await;
    // A month: Ann comes, Cleo goes, and the others watch.
    let ann = rig.person(2_000_050, "ann");
    let customer = rig.stripe.customer(&address("ann"), "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(5).await;
    assert!(rig.plex.accept_invite(ann).is_some());
    rig.days(2).await;
    rig.stripe.cancel_now(&cleo, "cancellation_requested");
    for _ in 0..28 {
        rig.days(1).await;
        (0..6).for_each(|n| rig.watched(account(n), hours(5)));
    }
    rig.close().await;
    std::fs::write(&file, old).expect("put back");
    let (changes, removals) = (rig.plex.changes().len(), rig.plex.deletions().len());
    let mails = |rig: &Rig| rig.smtp.received().iter().filter(|mail| mail.to != [sandbox::rig::OPERATOR]).count();
    let written = mails(&rig);
    rig.open().await;
    rig.days(3).await;
    assert_eq!(rig.plex.changes().len(), changes, "it only looks");
    assert_eq!(mails(&rig), written, "and writes to nobody");
    assert_eq!(heard(&rig, "only looks"), 1, "{:?}", rig.operator_subjects());
    let mail =
        rig.smtp.received_for(sandbox::rig::OPERATOR).into_iter().find(|mail| mail.subject.contains("only looks"));
    let text = mail.expect("a mail").text();
    assert!(
        text.contains("invite Ann") && text.contains("removed: idle") && text.contains("accept state"),
        "what it has forgotten, and the way on: {text}"
    );
    super::accept(&rig, "state").await;
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "she pays");
    assert!((0..6).all(|n| rig.plex.has_access(account(n))));
    assert_eq!(rig.plex.deletions().len(), removals, "nobody is removed by it");
    all_is_well(&rig);
}

/// R9.4, README "held because of the clock … set it right". A machine whose
/// clock is wrong and whose network isn't up yet: nobody can say so.
#[tokio::test(start_paused = true)]
async fn a_clock_ahead_at_a_start_without_any_service_costs_nobody_anything_once_it_is_right() {
    for ahead in [days(15), days(400)] {
        let mut rig = Rig::new(&format!("ahead-and-alone-{}", ahead.num_days())).await;
        let friend = rig.old_friend(2_000_001, "friend", 400);
        rig.watched(friend, days(20));
        rig.open().await;
        rig.hours(2).await;
        rig.pull_the_plug().await;
        let services = [rig.plex.faults(), rig.stripe.faults(), rig.tautulli.faults()];
        for faults in &services {
            faults.always(Matching::All, Fault::DropBeforeEffect);
        }
        rig.time.set_offset(ahead);
        rig.open().await;
        rig.hours(5).await;
        super::nothing_was_done(&rig);
        rig.time.set_offset(days(0));
        rig.minutes(10).await;
        services.iter().for_each(sandbox::faults::Faults::clear);
        rig.connect_webhooks();
        let customer = rig.stripe.customer(&address("zoe"), "Zoe");
        rig.stripe.subscribe(&customer, &rig.basic);
        rig.minutes(20).await;
        assert!(rig.plex.pending_of(address("zoe").as_str()).is_some(), "{ahead}: {:?}", rig.operator_subjects());
        rig.days(2).await;
        assert!(rig.plex.has_access(friend));
        assert_eq!((told(&rig, "friend", ""), heard(&rig, "clocks disagree")), (0, 0), "{:?}", rig.operator_subjects());
        all_is_well(&rig);
    }
}
