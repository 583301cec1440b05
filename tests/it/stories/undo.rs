//! `usher restore` and `usher revoke` (promise 9, R1 blocked, R4).

use std::time::Duration;

use sandbox::faults::{Fault, Matching};
use sandbox::rig::Rig;
use sandbox::stripe::Delivery;
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, asked, book, days, heard, hours, payer, refused, told, unhurried, why};

/// Ann was removed for idleness two days ago; she had one library and a filter.
async fn ann_was_idle(name: &str, forget_days: &str) -> (Rig, PlexId) {
    let mut rig = Rig::new(name).await;
    let ann = super::idle::ann_watched(&mut rig, days(26) + hours(20)).await;
    let share = rig.plex.share_of(ann).expect("a share");
    let movies = rig.movies;
    rig.plex.with_share(share.id, |share| {
        share.sections = vec![movies];
        share.settings.filter_movies = "contentRating=G".into();
    });
    rig.set("TAUTULLI_FORGET_DAYS", forget_days);
    unhurried(&mut rig, 4);
    rig.open().await;
    rig.days(7).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    (rig, ann)
}

#[tokio::test(start_paused = true)]
async fn promise_09_who_was_removed_for_idleness_gets_back_just_what_they_had_and_counts_again() {
    let (rig, ann) = ann_was_idle("restore-idle", "1").await;
    rig.days(2).await;
    assert!(rig.tautulli.is_deleted(ann));
    let answer = asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    assert!(answer.contains("Movies") && answer.contains("shared by hand"), "{answer}");
    rig.minutes(5).await;
    let invite = rig.plex.invites_sent().pop().expect("an invite");
    assert_eq!((invite.sections, invite.allow_sync), (vec![rig.movies], false));
    rig.plex.accept_invite(ann);
    rig.hours(9).await;
    let share = rig.plex.share_of(ann).expect("a share");
    assert_eq!(share.settings.filter_movies, "contentRating=G");
    assert_eq!(share.sections, [rig.movies]);
    assert_eq!(rig.tautulli.undeleted_users().iter().map(|(_, who)| *who).collect::<Vec<_>>(), [ann]);
    // A new spell, with a day of grace, and the reason of before.
    rig.days(20).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(why(&rig, "ann").await.contains("shared by hand"), "{}", why(&rig, "ann").await);
    assert_eq!((told(&rig, "ann", "Still with us"), rig.plex.invites_sent().len()), (1, 1), "warned once, long ago");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_restore_said_twice_invites_once_and_one_who_is_here_is_not_restored() {
    let (rig, ann) = ann_was_idle("restore-twice", "never").await;
    asked(&rig, json!({ "ask": "restore", "who": "ann@example.com" })).await;
    asked(&rig, json!({ "ask": "restore", "who": "ann@example.com" })).await;
    rig.minutes(5).await;
    let answer = refused(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    assert!(answer.contains("has an invite"), "{answer}");
    rig.plex.accept_invite(ann);
    rig.hours(5).await;
    let answer = refused(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    assert!(answer.contains("has access"), "{answer}");
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_for_idleness_is_invited_by_no_reason_of_before() {
    let (rig, ann) = ann_was_idle("idle-stays-out", "never").await;
    rig.days(40).await;
    assert!(!rig.plex.has_access(ann));
    assert_eq!(rig.plex.invites_sent().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_09_who_stopped_paying_comes_back_as_a_guest_and_stays() {
    let mut rig = Rig::new("restore-lapsed").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.hours(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    assert!(!rig.plex.has_access(ann));
    let answer = asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    assert!(answer.contains("guest"), "{answer}");
    rig.minutes(5).await;
    rig.plex.accept_invite(ann);
    rig.days(5).await;
    let share = rig.plex.share_of(ann).expect("a share");
    assert_eq!((share.sections, share.settings.allow_sync), (vec![rig.movies, rig.tv], true));
    assert_eq!(rig.plex.deletions().len(), 1, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payer_whose_share_went_away_without_us_is_let_in_again_by_restore() {
    let mut rig = Rig::new("restore-departed").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    for n in 0..4 {
        rig.old_friend(2_000_002 + n, &format!("friend{n}"), 400);
    }
    rig.minutes(5).await;
    assert!(rig.plex.remove_share_by_hand(ann));
    rig.minutes(30).await;
    assert_eq!((heard(&rig, "ann is gone"), rig.plex.invites_sent().len()), (1, 1));
    asked(&rig, json!({ "ask": "restore", "who": "2000001" })).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 2);
    rig.plex.accept_invite(ann);
    rig.hours(30).await;
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_is_out_within_minutes_and_restore_takes_it_back() {
    let mut rig = Rig::new("revoke").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    let ann = PlexId(2_000_001);
    rig.open().await;
    let answer = asked(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    assert!(answer.contains("next: remove ann"), "{answer}");
    rig.minutes(5).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!((told(&rig, "ann", "has ended"), heard(&rig, "ann was removed")), (1, 1));
    // Shared with again by mistake: out again.
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(3).await;
    assert!(!rig.plex.has_access(ann));
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.minutes(5).await;
    rig.plex.accept_invite(ann);
    rig.hours(30).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payer_is_revoked_only_when_stripe_charges_them_no_more() {
    let mut rig = Rig::new("revoke-payer").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    let answer = refused(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    assert!(answer.contains("--cancel now") && answer.contains(&sub), "{answer}");
    rig.hours(2).await;
    assert!(rig.plex.has_access(ann));
    asked(&rig, json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await;
    rig.minutes(10).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let ended = rig.stripe.ended_at(&sub).expect("cancelled");
    assert!(ended <= rig.plex.deletions()[0].at, "money first");
    rig.hours(30).await;
    assert_eq!(rig.plex.deletions().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payer_who_is_revoked_at_the_periods_end_keeps_what_is_paid_for() {
    let mut rig = Rig::new("revoke-period-end").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(7).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann@example.com", "cancel": "period-end" })).await;
    rig.hours(7).await;
    let end = rig.stripe.scheduled_end(&sub).expect("an end is set");
    rig.days(28).await;
    assert!(rig.plex.has_access(ann), "paid for until {end}: {}", why(&rig, "ann").await);
    rig.days(5).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at >= end);
    assert_eq!(rig.stripe.ended_at(&sub), Some(end), "not charged again");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_08_a_protected_member_is_not_revoked() {
    let mut rig = Rig::new("revoke-vip").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    rig.set("VIP_NAMES", "ann");
    rig.open().await;
    let answer = refused(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    assert!(answer.contains("VIP_NAMES"), "{answer}");
    rig.hours(3).await;
    super::nothing_was_done(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_ask_of_two_people_or_with_dry_run_changes_nothing() {
    let mut rig = Rig::new("ask-nothing").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    let other = rig.old_friend(2_000_009, "ann2", 300);
    rig.plex.with_account(other, |other| (other.username, other.title) = (String::new(), "ann".into()));
    rig.watched(other, days(1));
    rig.open().await;
    rig.minutes(5).await;
    let before = book(&rig);
    let answer = refused(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    assert!(answer.contains("could be") && answer.contains("ann2"), "{answer}");
    let answer = refused(&rig, json!({ "ask": "revoke", "who": "nobody" })).await;
    assert!(answer.contains("usher members"), "{answer}");
    let answer = asked(&rig, json!({ "ask": "revoke", "who": "2000001", "dry_run": true })).await;
    assert!(answer.contains("--dry-run") && answer.contains("next: remove ann"), "{answer}");
    rig.hours(3).await;
    assert_eq!(book(&rig)["members"], before["members"]);
    super::nothing_was_done(&rig);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_what_is_said_in_a_rehearsal_is_written_in_both_books_and_done_when_live() {
    let mut rig = Rig::new("said-dry").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.hours(1).await;
    assert!(!rig.state().join("state.json").exists(), "nothing was said yet");
    let answer = asked(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    assert!(answer.contains("dry run"), "{answer}");
    rig.hours(1).await;
    let live = book(&rig);
    let ann = live["members"].as_object().expect("members").values().next().expect("ann");
    assert!(ann["blocked"].is_string(), "{ann}");
    assert_eq!(live["members"].as_object().map(serde_json::Map::len), Some(1), "only whom it was said of");
    assert_eq!((heard(&rig, "remove ann"), rig.plex.changes().len()), (1, 0));
    let before = std::fs::read(rig.state().join("state.json")).expect("the book");
    for _ in 0..2 {
        rig.close().await;
        rig.open().await;
        rig.hours(2).await;
    }
    assert_eq!(heard(&rig, "remove ann"), 1, "the rehearsal goes on: {:?}", rig.operator_subjects());
    assert_eq!(std::fs::read(rig.state().join("state.json")).expect("the book"), before);
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(1).await;
    assert!(rig.plex.has_access(PlexId(2_000_001)), "going live shows it first");
    super::say(&rig, "approve", &["go-live"]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(PlexId(2_000_001)), "{}", why(&rig, "ann").await);
    assert!(rig.plex.has_access(PlexId(2_000_002)));
    assert_eq!(told(&rig, "bob", "Welcome"), 0, "nobody else is new");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_with_their_subscription_is_out_at_once_though_stripe_is_polled_once_a_day() {
    let mut rig = Rig::new("revoke-and-cancel").await;
    unhurried(&mut rig, 24);
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(1).await;
    rig.plex.accept_invite("ann@example.com");
    rig.hours(25).await;
    rig.stripe.set_delivery(Delivery::Lost);
    asked(&rig, json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.deletions().len(), 1, "the cancellation is looked at: {}", why(&rig, "ann").await);
}

/// Ann pays, was revoked with the end of her paid period, and restored.
async fn revoked_and_restored(rig: &Rig, sub: &str) -> String {
    asked(rig, json!({ "ask": "revoke", "who": "ann@example.com", "cancel": "period-end" })).await;
    rig.minutes(10).await;
    assert!(rig.stripe.scheduled_end(sub).is_some(), "{}", why(rig, "ann").await);
    let answer = asked(rig, json!({ "ask": "restore", "who": "ann@example.com" })).await;
    rig.minutes(10).await;
    answer
}

#[tokio::test(start_paused = true)]
async fn restore_takes_back_the_end_that_a_revocation_set_at_stripe_and_says_so() {
    let mut rig = Rig::new("restore-uncancels").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.hours(9).await;
    for _ in 0..2 {
        // The second time within the same day, too.
        let answer = revoked_and_restored(&rig, &sub).await;
        assert!(answer.contains(&sub) && answer.contains("taken back at Stripe"), "{answer}");
        assert_eq!(rig.stripe.scheduled_end(&sub), None, "{}", why(&rig, "ann").await);
    }
    assert_eq!(told(&rig, "ann", "cancel"), 0, "she had heard of nothing: {:?}", rig.subjects_to("ann"));
    rig.days(40).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_member_set_stays_when_a_revocation_is_taken_back() {
    let mut rig = Rig::new("restore-keeps-her-end").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.hours(9).await;
    rig.stripe.cancel_at_period_end(&sub, sandbox::stripe::CancelForm::Classic);
    rig.hours(1).await;
    let answer = revoked_and_restored(&rig, &sub).await;
    assert!(answer.contains(&sub) && answer.contains("did not set"), "{answer}");
    assert!(rig.stripe.scheduled_end(&sub).is_some());
}

#[tokio::test(start_paused = true)]
async fn restore_gives_no_more_than_is_paid_for_and_says_what_is_missing() {
    let mut rig = Rig::new("restore-downgraded").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.hours(9).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann@example.com", "cancel": "now" })).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.subscribe(&customer, &rig.basic.clone());
    rig.hours(9).await;
    let answer = asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    assert!(answer.contains("Movies") && answer.contains("they had TV and downloads as well"), "{answer}");
    rig.minutes(5).await;
    let invite = rig.plex.invites_sent().pop().expect("an invite");
    assert_eq!((invite.sections, invite.allow_sync), (vec![rig.movies], false));
    rig.plex.accept_invite(ann);
    rig.hours(5).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
    assert_eq!(rig.plex.updates().len(), 0, "nothing is taken back");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_restored_on_the_day_of_a_cancellation_that_cannot_be_taken_back_stays() {
    let mut rig = Rig::new("restored-same-day").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await;
    rig.minutes(30).await;
    assert!(!rig.plex.has_access(ann));
    let said = asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.minutes(10).await;
    rig.plex.accept_invite(ann).expect("hers");
    rig.days(4).await;
    assert!(rig.plex.has_access(ann), "{said}\n{}", why(&rig, "ann").await);
    assert!(said.contains("guest"), "{said}");
    all_is_well(&rig);
}

/// Ann's paid time is over, and the call that ends her share takes ten seconds.
async fn ann_is_on_her_way_out(name: &str) -> (Rig, PlexId) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..4 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    let deletes = Matching::when(|request| request.method == "DELETE");
    rig.plex.faults().once(deletes, Fault::Delay(Duration::from_secs(10)));
    rig.hours(23).await;
    for _ in 0..10_000 {
        rig.pass(Duration::from_millis(500)).await;
        if book(&rig)["intents"].to_string().contains("attempted") {
            break;
        }
    }
    rig.pass(Duration::from_secs(2)).await;
    assert!(rig.plex.has_access(ann));
    (rig, ann)
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_the_seconds_of_a_removal_is_refused_and_not_lost() {
    let (rig, ann) = ann_is_on_her_way_out("said-too-late").await;
    let asks = [
        json!({ "ask": "restore", "who": "ann" }),
        json!({ "ask": "grandfather", "who": "ann" }),
        json!({ "ask": "invite", "who": "ann", "tier": "Basic", "days": 9 }),
        json!({ "ask": "pause", "who": "ann", "until": "2026-01-20", "note": "x" }),
        json!({ "ask": "extend", "who": "ann", "days": 9 }),
    ];
    for ask in &asks {
        let answer = refused(&rig, ask.clone()).await;
        assert!(answer.contains("say it again in a minute"), "{answer}");
    }
    rig.minutes(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(asked(&rig, asks[4].clone()).await.contains("next: invite ann"));
    rig.minutes(3).await;
    rig.plex.accept_invite(ann).expect("an invite");
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}
