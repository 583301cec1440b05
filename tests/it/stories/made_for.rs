//! What Usher made is over with what it was made for, whatever the dates say
//! (R6); and what the operator made by hand is the operator's (R1, R2).

use sandbox::faults::{Fault, Matching};
use sandbox::rig::Rig;
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, asked, days, heard, old_payer, payer, told, unhurried, why};

/// Ann pays and her invite is out. Her account and her subscription.
async fn ann_is_invited(rig: &mut Rig) -> (PlexId, String) {
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    (ann, sub)
}

#[tokio::test(start_paused = true)]
async fn who_pays_cancels_in_the_same_second_and_takes_the_invite_doesnt_watch_for_free() {
    let mut rig = Rig::new("same-second").await;
    let (ann, sub) = ann_is_invited(&mut rig).await;
    while rig.plex.invites_sent().is_empty() {
        rig.pass(std::time::Duration::from_millis(20)).await;
    }
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    let told = rig.stripe.object(&sub);
    assert_eq!(told["created"], told["ended_at"], "as Stripe has it, in the same second");
    assert!(rig.plex.accept_invite("ann@example.com").is_some(), "{:?}", rig.plex.invites_sent());
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(heard(&rig, "without a reason"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_cancels_while_the_answer_to_the_invite_is_lost_and_the_listing_late_is_not_in_by_hand() {
    let mut rig = Rig::new("cancelled-late-row").await;
    rig.plex.switch(|switches| switches.lag = chrono::TimeDelta::seconds(100));
    rig.plex.faults().once(Matching::Writes, Fault::EffectThenDrop);
    let (ann, sub) = ann_is_invited(&mut rig).await;
    rig.pass(std::time::Duration::from_secs(15)).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.minutes(4).await;
    let _ = rig.plex.accept_invite("ann@example.com");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(rig.plex.pending_of("ann@example.com").is_none(), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_cancels_while_plex_is_down_and_takes_the_invite_later_is_let_go() {
    let mut rig = Rig::new("cancelled-plex-down").await;
    let (ann, sub) = ann_is_invited(&mut rig).await;
    rig.minutes(1).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    let down = rig.plex.faults().always(Matching::All, Fault::status(503));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    let _ = rig.plex.accept_invite("ann@example.com");
    rig.plex.faults().remove(down);
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_the_invite_and_its_acceptance_forgets_nothing() {
    let mut rig = Rig::new("cancelled-restart").await;
    let (ann, sub) = ann_is_invited(&mut rig).await;
    rig.minutes(1).await;
    rig.close().await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    let _ = rig.plex.accept_invite("ann@example.com");
    rig.open().await;
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_guests_invite_is_over_with_the_guests_last_day_also_when_it_is_taken_up_in_the_last_moment() {
    let mut rig = Rig::new("guest-over").await;
    rig.open().await;
    let nina = rig.person(2_000_001, "nina");
    asked(&rig, json!({ "ask": "invite", "who": "nina@example.com", "tier": "Basic", "days": 2 })).await;
    rig.minutes(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    rig.hours(62).await;
    let _ = rig.plex.accept_invite("nina@example.com");
    rig.days(2).await;
    assert!(!rig.plex.has_access(nina), "{}", why(&rig, "nina@example.com").await);
    assert!(rig.plex.pending_of("nina@example.com").is_none());
    all_is_well(&rig);
}

/// Let in by hand after the end of what was paid for; plex.tv keeps the day on
/// which the account first came.
#[tokio::test(start_paused = true)]
async fn who_is_let_in_by_hand_after_lapsing_stays_though_plex_keeps_the_old_date() {
    let mut rig = Rig::new("by-hand-old-date").await;
    unhurried(&mut rig, 1);
    rig.old_friend(2_000_009, "zed", 500);
    let (ann, sub) = old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.open().await;
    rig.hours(2).await;
    let accepted = rig.plex.share_of(ann).and_then(|share| share.accepted_at).expect("a date");
    // By hand she stays; her subscription is what goes, and the operator ends the rest.
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.plex.remove_share_by_hand(ann);
    rig.days(3).await;
    for round in 0..3 {
        rig.plex.share_with(ann, &[rig.movies], accepted);
        rig.days(4).await;
        assert!(rig.plex.has_access(ann), "round {round}: {}", why(&rig, "ann").await);
        rig.plex.remove_share_by_hand(ann);
        rig.days(1).await;
    }
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_lapsed_and_was_removed_by_usher_stays_when_the_operator_lets_them_in() {
    let mut rig = Rig::new("by-hand-after-lapse").await;
    unhurried(&mut rig, 1);
    rig.old_friend(2_000_009, "zed", 500);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let accepted = rig.plex.share_of(ann).and_then(|share| share.accepted_at).expect("a date");
    rig.days(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann));
    for round in 0..3 {
        rig.plex.share_with(ann, &[rig.movies], accepted);
        rig.days(4).await;
        assert!(rig.plex.has_access(ann), "round {round}: {}", why(&rig, "ann").await);
        rig.plex.remove_share_by_hand(ann);
        rig.days(1).await;
    }
    assert_eq!(rig.plex.deletions().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_checkout_that_expires_unpaid_ends_nobody_who_was_let_in_by_hand() {
    let mut rig = Rig::new("incomplete-by-hand").await;
    unhurried(&mut rig, 1);
    rig.old_friend(2_000_009, "zed", 500);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann));
    let customer = rig.stripe.customer_of("ann@example.com").expect("a customer");
    let open = rig.stripe.subscribe_incomplete(&customer, &rig.basic);
    rig.hours(2).await;
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(3).await;
    rig.days(5).await;
    assert_eq!(rig.stripe.status(&open), Some(sandbox::stripe::Status::IncompleteExpired));
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_guest_stays_a_guest_while_plex_is_read_by_its_older_listing() {
    let mut rig = Rig::new("guest-v1").await;
    unhurried(&mut rig, 1);
    rig.set("CHECK_NEW_USERS_SECS", "900");
    rig.plex.switch(|switches| switches.v1_ids_differ = true);
    rig.old_friend(2_000_009, "zed", 500);
    rig.open().await;
    let nina = rig.person(2_000_001, "nina");
    asked(&rig, json!({ "ask": "invite", "who": "nina@example.com", "tier": "Basic", "days": 4 })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("nina@example.com").expect("an invite");
    rig.minutes(20).await;
    let v2 = || Matching::when(|request| request.path.contains("/api/v2/shared_servers/owned"));
    let gone = rig.plex.faults().always(v2(), Fault::status(410));
    rig.minutes(60).await;
    assert!(!why(&rig, "nina").await.contains("shared by hand"), "{}", why(&rig, "nina").await);
    rig.plex.faults().remove(gone);
    rig.minutes(60).await;
    assert!(!why(&rig, "nina").await.contains("shared by hand"), "{}", why(&rig, "nina").await);
    let _again = rig.plex.faults().always(v2(), Fault::status(410));
    rig.days(7).await;
    assert!(!rig.plex.has_access(nina), "{}", why(&rig, "nina").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_the_operator_made_is_not_taken_for_one_that_failed() {
    let mut rig = Rig::new("carls-invite").await;
    let carl = rig.person(2_000_003, "carl");
    rig.plex.with_account(carl, |carl| carl.email_hidden = true);
    rig.plex.faults().add(sandbox::faults::Rule::new(Matching::Writes, Fault::too_many(600)).times(3));
    let (ann, sub) = ann_is_invited(&mut rig).await;
    rig.minutes(1).await;
    assert!(rig.plex.invites_sent().is_empty(), "it failed for sure");
    rig.plex.invite_by_hand("carl@example.com", &[rig.movies]);
    rig.minutes(5).await;
    rig.plex.accept_invite(carl).expect("an invite");
    rig.hours(2).await;
    assert!(why(&rig, "carl").await.contains("shared by hand"), "{}", why(&rig, "carl").await);
    assert!(!why(&rig, "carl").await.contains(&sub), "{}", why(&rig, "carl").await);
    assert!(rig.plex.pending_of(ann).is_some(), "and Ann is invited: {}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_library_that_was_deleted_is_asked_for_no_more() {
    let mut rig = Rig::new("deleted-library").await;
    let kids = rig.plex.add_section("Kids", "movie");
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies, rig.tv, kids], rig.now() - days(400));
    rig.open().await;
    rig.minutes(10).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.hours(2).await;
    let before = rig.plex.changes().len();
    rig.plex.remove_section(kids);
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), before, "{:?}", rig.plex.changes().last());
    assert_eq!(heard(&rig, "in vain"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_leaves_and_buys_anew_before_it_is_noticed_is_invited() {
    let mut rig = Rig::new("buys-before-noticed").await;
    for n in 0..6 {
        rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    let (ann, old) = payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.hours(5).await;
    rig.plex.leave(ann);
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.minutes(4).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(30).await;
    let invite = rig.plex.pending_of(ann).unwrap_or_else(|| panic!("she was invited"));
    assert_eq!(invite.sections.len(), 2, "{}", why(&rig, "ann").await);
    assert_eq!((rig.plex.invites_sent().len(), told(&rig, "ann", "Your invitation")), (2, 2));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_leaves_and_buys_anew_while_usher_is_down_is_invited() {
    let mut rig = Rig::new("buys-while-down").await;
    for n in 0..6 {
        rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    let (ann, old) = payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.hours(5).await;
    rig.close().await;
    rig.hours(2).await;
    rig.plex.leave(ann);
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.hours(20).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(2).await;
    rig.open().await;
    rig.minutes(30).await;
    assert!(rig.plex.pending_of(ann).is_some(), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_made_for_a_subscription_that_is_over_goes_on_for_a_grant_with_no_more_than_it_gives() {
    let mut rig = Rig::new("invite-goes-on").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let nina = rig.person(2_000_001, "nina");
    let customer = rig.stripe.customer("nina@example.com", "Nina");
    let sub = rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(5).await;
    asked(&rig, json!({ "ask": "invite", "who": "nina@example.com", "tier": "Basic", "days": 8 })).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.pending_of(nina).is_some(), "{:?} {}", rig.plex.changes(), why(&rig, "nina@example.com").await);
    rig.plex.accept_invite(nina).expect("hers");
    rig.hours(5).await;
    assert_eq!(rig.plex.share_of(nina).map(|s| s.sections), Some(vec![rig.movies]), "{}", why(&rig, "nina").await);
    rig.days(8).await;
    assert!(!rig.plex.has_access(nina), "{}", why(&rig, "nina").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_of_ours_that_another_account_takes_up_is_over_with_its_subscription() {
    let mut rig = Rig::new("made-for-another").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    rig.person(2_000_002, "bob");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    // It is Bob's, the operator says; the invite that went to Ann is still out.
    asked(&rig, json!({ "ask": "link", "who": customer, "plex": "2000002" })).await;
    rig.hours(5).await;
    let _ = rig.plex.accept_invite("ann@example.com");
    rig.days(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", rig.get("/api/members").await);
    all_is_well(&rig);
}

/// Somebody's address is tied to an account that took up another's invite
/// meanwhile: plex.tv lists both under that account.
#[tokio::test(start_paused = true)]
async fn promise_08_an_invite_that_is_taken_back_ends_no_access_by_another() {
    let mut rig = Rig::new("two-rows").await;
    rig.set("CHECK_NEW_USERS_SECS", "600");
    let (ann, sub) = ann_is_invited(&mut rig).await;
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    rig.stripe.subscribe(&customer, &rig.premium.clone());
    rig.minutes(5).await;
    rig.plex.accept_invite_as("bob@example.com", ann).expect("Bob's invite");
    rig.minutes(15).await;
    assert!(rig.plex.has_access(ann) && rig.plex.pending_of(ann).is_some(), "{:?}", rig.plex.shares());
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.pending_of(ann).is_none(), "what she bought is over: {}", why(&rig, "ann@example.com").await);
    assert!(rig.plex.has_access(ann), "what Bob bought is not: {}", why(&rig, "ann").await);
    assert!(rig.plex.deletions().iter().all(|gone| !gone.was_accepted), "{:?}", rig.plex.deletions());
    all_is_well(&rig);
}

/// plex.tv's older listing has numbers of its own, and an invite that goes to a mere
/// address is a stranger's once a stranger has taken it up.
#[tokio::test(start_paused = true)]
async fn an_invite_that_a_stranger_takes_up_is_over_with_its_subscription_also_where_the_older_listing_is_all_there_is()
{
    for v2_until_then in [false, true] {
        let mut rig = Rig::new(&format!("stranger-v1-{v2_until_then}")).await;
        unhurried(&mut rig, 1);
        rig.plex.switch(|switches| (switches.v1_ids_differ, switches.v1_delete_ends_pending) = (true, true));
        for n in 0..4 {
            rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        }
        let v2 = || Matching::when(|request| request.path.contains("/api/v2/shared_servers/owned"));
        let mut gone = Vec::new();
        if !v2_until_then {
            gone.push(rig.plex.faults().always(v2(), Fault::status(410)));
        }
        rig.open().await;
        let bob = rig.person(2_000_002, "bob");
        let customer = rig.stripe.customer("ann@example.com", "Ann");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        rig.hours(2).await;
        if v2_until_then {
            gone.push(rig.plex.faults().always(v2(), Fault::status(410)));
        }
        rig.plex.accept_invite_as("ann@example.com", bob).expect("ann's invite");
        rig.hours(10).await;
        assert!(rig.plex.has_access(bob));
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.days(1).await;
        if v2_until_then {
            gone.into_iter().for_each(|fault| rig.plex.faults().remove(fault));
        }
        rig.days(3).await;
        assert!(!rig.plex.has_access(bob), "{v2_until_then}: {}", why(&rig, "bob").await);
        all_is_well(&rig);
    }
}

/// The operator invites somebody in the very second in which Usher invites Ann.
#[tokio::test(start_paused = true)]
async fn what_the_operator_shares_in_the_second_of_an_invite_of_ours_is_by_hand_in_the_older_listing() {
    let mut rig = Rig::new("same-second-v1").await;
    unhurried(&mut rig, 1);
    rig.plex.switch(|switches| switches.v1_ids_differ = true);
    let v2 = Matching::when(|request| request.path.contains("/api/v2/shared_servers/owned"));
    rig.plex.faults().always(v2, Fault::status(410));
    let (ann, sub) = ann_is_invited(&mut rig).await;
    let bob = rig.person(2_000_002, "bob");
    while rig.plex.invites_sent().is_empty() {
        rig.pass(std::time::Duration::from_millis(20)).await;
    }
    rig.plex.invite_by_hand("bob@example.com", &[rig.movies]);
    rig.plex.accept_invite(bob).expect("the operator's");
    rig.hours(5).await;
    assert!(why(&rig, "bob").await.contains("shared by hand"), "{}", why(&rig, "bob").await);
    rig.plex.accept_invite(ann).expect("hers");
    rig.hours(5).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(4).await;
    assert!(rig.plex.has_access(bob) && !rig.plex.has_access(ann), "{}", rig.get("/api/members").await["text"]);
    all_is_well(&rig);
}
