//! Going live after a rehearsal surprises nobody (RULES R11).

use sandbox::rig::{OPERATOR, Rig, address};
use serde_json::json;

use super::{all_is_well, asked, days, heard, holds, hours, old_payer, refused, say, told, told_at, unhurried, why};

/// A house with much to do, rehearsed for two days: Ann is idle; Bea was
/// revoked in the rehearsal; Pia's subscription ended; Cleo pays and is outside.
async fn rehearsed(name: &str) -> (Rig, House) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..12 {
        let id = 2_000_050 + n;
        let who = rig.old_friend(id, &format!("friend{n}"), 400);
        for week in 0..10 {
            let at = rig.now() + days(week * 7 - 1);
            rig.tautulli.play(who, at - hours(2), at);
        }
    }
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ann, days(40));
    let bea = rig.old_friend(2_000_002, "bea", 400);
    rig.watched(bea, days(1));
    let (pia, sub) = old_payer(&rig, 2_000_003, "pia", &rig.basic.clone());
    let share = rig.plex.share_of(pia).expect("pia's share").id;
    rig.plex.with_share(share, |row| row.accepted_at = Some(sandbox::time::moment(sandbox::rig::BEGINNING) - days(1)));
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.hours(3).await;
    asked(&rig, json!({ "ask": "revoke", "who": "bea" })).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.person(2_000_004, "cleo");
    let cleo = rig.stripe.customer("cleo@example.com", "Cleo");
    rig.stripe.subscribe(&cleo, &rig.basic);
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), 0);
    rig.close().await;
    rig.smtp.forget_received();
    rig.set("DRY_RUN", "false");
    (rig, House { ann, bea })
}

struct House {
    ann: usher::facts::PlexId,
    bea: usher::facts::PlexId,
}

/// Letters to anybody but the operator, as `name: subject`.
fn letters(rig: &Rig) -> Vec<String> {
    let all = rig.smtp.received().into_iter().filter(|mail| mail.to != [OPERATOR]);
    all.map(|mail| format!("{}: {}", mail.to[0], mail.subject)).collect()
}

async fn on_hold(rig: &Rig, rule: &str) -> Vec<String> {
    let all = holds(rig).await.into_iter().filter(|(_, held, _)| held == rule);
    all.map(|(_, _, what)| what).collect()
}

async fn number(rig: &Rig, part: &str) -> String {
    let all = holds(rig).await;
    all.iter().find(|(_, _, what)| what.contains(part)).unwrap_or_else(|| panic!("{part}: {all:?}")).0.clone()
}

#[tokio::test(start_paused = true)]
async fn going_live_tells_first_what_it_would_do_and_does_it_when_i_have_said_so() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live").await;
    rig.open().await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "who pays doesn't wait: {:?}", rig.plex.changes());
    assert_eq!(told(&rig, "cleo", "invitation"), 1);
    assert_eq!(heard(&rig, "going live would do"), 1, "{:?}", rig.operator_subjects());
    let mail = rig
        .smtp
        .received_for(OPERATOR)
        .into_iter()
        .find(|mail| mail.subject.contains("going live would do"))
        .expect("told");
    for part in ["warn ann", "remove bea", "usher approve go-live"] {
        assert!(mail.text().contains(part), "{part}: {}", mail.text());
    }
    assert_eq!(on_hold(&rig, "go-live").await.len(), 2, "{:?}", holds(&rig).await);
    assert!(why(&rig, "ann").await.contains("go-live"), "{}", why(&rig, "ann").await);
    for _ in 0..3 {
        rig.days(2).await;
        rig.close().await;
        rig.open().await;
    }
    assert_eq!(rig.plex.deletions().len(), 0);
    assert_eq!(letters(&rig).iter().filter(|letter| !letter.starts_with("cleo")).count(), 0, "{:?}", letters(&rig));
    assert_eq!(heard(&rig, "going live would do"), 1, "told once: {:?}", rig.operator_subjects());
    assert_eq!(on_hold(&rig, "go-live").await.len(), 2);

    let said = rig.now();
    say(&rig, "approve", &["go-live"]).await;
    rig.minutes(5).await;
    assert!(!rig.plex.has_access(bea));
    assert_eq!((told(&rig, "bea", "has ended"), told(&rig, "ann", "Still with us")), (1, 1), "{:?}", letters(&rig));
    assert!(on_hold(&rig, "go-live").await.is_empty());
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "her days run from the letter on");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(told_at(&rig, "ann", "Still with us") >= said);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn each_may_be_let_go_or_dropped_by_itself() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-singly").await;
    rig.open().await;
    rig.minutes(5).await;
    say(&rig, "reject", &[number(&rig, "remove bea").await.as_str()]).await;
    rig.days(1).await;
    say(&rig, "approve", &[number(&rig, "warn ann").await.as_str()]).await;
    rig.days(5).await;
    assert!(rig.plex.has_access(bea) && !rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.close().await;
    rig.open().await;
    rig.days(3).await;
    assert!(rig.plex.has_access(bea), "no means no: {}", why(&rig, "bea").await);
    assert!(letters(&rig).iter().all(|letter| !letter.starts_with("bea")), "{:?}", letters(&rig));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_watches_or_is_taken_back_meanwhile_is_no_longer_on_the_list() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-over").await;
    rig.open().await;
    rig.minutes(5).await;
    rig.watched(ann, hours(0));
    asked(&rig, json!({ "ask": "restore", "who": "bea" })).await;
    rig.hours(3).await;
    assert_eq!(on_hold(&rig, "go-live").await, Vec::<String>::new());
    assert!(refused(&rig, json!({ "ask": "approve", "ids": ["go-live"] })).await.contains("go-live"));
    // What comes up later is another matter, and needs no word.
    rig.days(29).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{:?}", letters(&rig));
    assert!(rig.plex.has_access(bea));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_i_say_after_the_start_does_not_wait() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-word").await;
    rig.open().await;
    rig.minutes(5).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    rig.minutes(5).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    let said = asked(&rig, json!({ "ask": "revoke", "who": "bea" })).await;
    assert!(said.contains("goes on now"), "{said}");
    rig.minutes(15).await;
    assert!(!rig.plex.has_access(bea), "{}", why(&rig, "bea").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn rehearsing_again_while_it_waits_and_going_live_again_holds_it_again_under_its_number() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-again").await;
    rig.open().await;
    rig.minutes(5).await;
    let first = number(&rig, "remove bea").await;
    rig.close().await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.days(2).await;
    assert_eq!(heard(&rig, "Would remove bea"), 1, "{:?}", rig.operator_subjects());
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.days(4).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bea), "{:?}", rig.plex.deletions());
    assert_eq!(on_hold(&rig, "go-live").await.len(), 2, "{:?}", holds(&rig).await);
    assert_eq!(number(&rig, "remove bea").await, first);
    assert_eq!(heard(&rig, "going live would do"), 2, "told at each such start");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_short_rehearsal_of_a_house_that_was_live_holds_what_is_due_and_owed_then() {
    let mut rig = Rig::new("go-live-after-live").await;
    unhurried(&mut rig, 1);
    let ann = super::idle::ann_watched(&mut rig, days(26) + hours(12)).await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (_, sub) = super::payer(&rig, 2_000_009, "dan", &rig.basic.clone()).await;
    let gina = rig.person(2_000_010, "gina");
    asked(&rig, json!({ "ask": "invite", "who": "gina@example.com", "tier": "Basic", "days": 3 })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("gina@example.com").expect("an invite");
    rig.days(1).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    // Dan's letter can't be sent before the rehearsal begins.
    rig.smtp.fault(sandbox::smtp::Fault::Down, sandbox::smtp::Stay::UntilCleared);
    rig.stripe.card_fails(&sub);
    rig.hours(2).await;
    rig.close().await;
    rig.smtp.clear_faults();
    rig.smtp.forget_received();
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.days(4).await;
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.days(1).await;
    assert!(rig.plex.has_access(gina), "{} {:?}", why(&rig, "gina").await, holds(&rig).await);
    assert_eq!(letters(&rig), Vec::<String>::new());
    let held = on_hold(&rig, "go-live").await;
    assert!(
        held.contains(&"remove gina".to_owned()) && held.iter().any(|what| what.contains("write to dan")),
        "{held:?}"
    );
    say(&rig, "approve", &["go-live"]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(gina), "{}", why(&rig, "gina").await);
    assert_eq!(told(&rig, "dan", "payment"), 1, "{:?}", letters(&rig));
    // Ann was really warned, and nobody saw her while nothing was live.
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_waited_and_is_no_longer_true_is_not_sent() {
    let mut rig = Rig::new("go-live-paid").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (_, sub) = super::payer(&rig, 2_000_009, "dan", &rig.basic.clone()).await;
    rig.days(1).await;
    rig.close().await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.stripe.card_fails(&sub);
    rig.days(1).await;
    rig.close().await;
    rig.smtp.forget_received();
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(3).await;
    assert!(on_hold(&rig, "go-live").await.iter().any(|what| what.contains("write to dan")), "{:?}", holds(&rig).await);
    rig.stripe.retry_succeeds(&sub);
    rig.hours(3).await;
    assert_eq!(on_hold(&rig, "go-live").await, Vec::<String>::new(), "he paid");
    rig.days(2).await;
    assert_eq!(told(&rig, "dan", "didn't go through"), 0, "{:?}", letters(&rig));
    let _ = address("dan");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_house_that_never_rehearsed_has_no_such_hold() {
    let mut rig = Rig::new("go-live-at-once").await;
    super::idle::ann_watched(&mut rig, days(40)).await;
    unhurried(&mut rig, 1);
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    assert_eq!(heard(&rig, "going live would do"), 0);
    for _ in 0..2 {
        rig.close().await;
        rig.open().await;
        rig.hours(1).await;
    }
    assert_eq!(on_hold(&rig, "go-live").await, Vec::<String>::new());
    assert_eq!(on_hold(&rig, "upgrade").await, Vec::<String>::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn killed_before_it_has_looked_it_still_holds_after_the_next_start() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-killed").await;
    rig.tautulli.set_sql_error(true);
    for _ in 0..3 {
        rig.open().await;
        rig.hours(2).await;
        drop(rig.pull_the_plug().await);
    }
    assert_eq!(rig.plex.deletions().len(), 0, "what was said in the rehearsal strikes nobody unseen");
    rig.tautulli.set_sql_error(false);
    rig.open().await;
    rig.hours(3).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bea));
    assert!(on_hold(&rig, "go-live").await.contains(&"remove bea".to_owned()), "{:?}", holds(&rig).await);
    assert_eq!(rig.plex.invites_sent().len(), 1, "who pays was let in all the while");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_i_drop_as_a_whole_stays_dropped_over_starts_also_a_warning() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-dropped").await;
    rig.open().await;
    rig.hours(3).await;
    say(&rig, "reject", &["go-live"]).await;
    for _ in 0..2 {
        rig.days(1).await;
        rig.close().await;
        rig.open().await;
    }
    rig.days(5).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bea), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn while_tautulli_has_not_been_read_nothing_happens_but_for_who_pays_and_then_it_is_told_whole() {
    let (mut rig, House { ann, bea }) = rehearsed("go-live-unread").await;
    rig.tautulli.faults().always(sandbox::faults::Matching::All, sandbox::faults::Fault::status(503));
    rig.open().await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "who pays doesn't wait: {:?}", rig.plex.changes());
    rig.days(2).await;
    rig.close().await;
    rig.open().await;
    rig.days(1).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bea), "{:?}", rig.plex.deletions());
    assert!(letters(&rig).iter().all(|letter| letter.starts_with("cleo")), "{:?}", letters(&rig));
    rig.tautulli.faults().clear();
    rig.hours(6).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bea), "{:?}", rig.plex.deletions());
    assert_eq!(heard(&rig, "going live would do"), 1, "{:?}", rig.operator_subjects());
    say(&rig, "approve", &["go-live"]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(bea), "{}", why(&rig, "bea").await);
    all_is_well(&rig);
}
