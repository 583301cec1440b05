//! Who is who (R2): proof, and the operator's word.

use sandbox::rig::Rig;
use serde_json::{Value, json};
use usher::facts::PlexId;

use super::{all_is_well, asked, days, heard, nothing_was_done, payer, refused, told, unhurried, why};

/// `usher unmatched`: names.
async fn unmatched(rig: &Rig) -> Vec<String> {
    let page = rig.get("/api/unmatched").await;
    let rows = page["json"]["unmatched"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The id under which the book has somebody.
async fn id_of(rig: &Rig, name: &str) -> String {
    let page = rig.get("/api/members").await;
    let rows = page["json"]["members"].as_array().cloned().unwrap_or_default();
    let found = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("nobody is {name}: {page}"));
    found["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_payer_behind_a_relay_address_is_unmatched_until_the_operator_says_who_they_are() {
    let mut rig = Rig::new("link-relay").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("x7@privaterelay.appleid.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(10).await;
    assert_eq!(rig.plex.invites_sent().len(), 0);
    assert_eq!((unmatched(&rig).await, heard(&rig, "can't be let in")), (vec!["Ann".to_owned()], 1));
    let answer = asked(&rig, json!({ "ask": "link", "who": customer, "plex": ann.to_string() })).await;
    assert!(answer.contains("next: invite"), "{answer}");
    rig.minutes(5).await;
    rig.plex.accept_invite(ann);
    rig.hours(3).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, &customer).await);
    assert_eq!(unmatched(&rig).await, Vec::<String>::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_friend_who_pays_with_another_address_is_one_with_the_payer_when_linked() {
    let mut rig = Rig::new("link-friend").await;
    unhurried(&mut rig, 1);
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.open().await;
    let customer = rig.stripe.customer("work@example.com", "Ann at work");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    let link = json!({ "ask": "link", "who": "ann", "stripe": customer });
    let answer = refused(&rig, link.clone()).await;
    assert!(answer.contains("work@example.com") && answer.contains("take the invite back"), "{answer}");
    rig.plex.decline_invite("work@example.com");
    rig.hours(2).await;
    asked(&rig, link.clone()).await;
    assert!(asked(&rig, link).await.contains("already"));
    rig.hours(3).await;
    assert!(why(&rig, "ann").await.contains(&sub), "{}", why(&rig, "ann").await);
    assert_eq!(rig.plex.invites_sent().len(), 1);
    // What she had by hand survives it.
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(2).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn of_two_subscriptions_of_one_person_one_may_be_somebody_elses() {
    let mut rig = Rig::new("link-sub").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, first) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let bob = rig.person(2_000_002, "bob");
    let customer = rig.stripe.object(&first)["customer"].as_str().expect("a customer").to_owned();
    let second = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(30).await;
    assert_eq!(heard(&rig, "ann pays for 2 subscriptions"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(told(&rig, "ann", "two subscriptions"), 1, "{:?}", rig.subjects_to("ann"));
    rig.plex.share_with(bob, &[rig.movies], rig.now());
    rig.hours(2).await;
    let answer = asked(&rig, json!({ "ask": "link", "who": "bob", "stripe": second })).await;
    assert!(answer.contains("bob"), "{answer}");
    rig.hours(2).await;
    assert!(why(&rig, "bob").await.contains(&second), "{}", why(&rig, "bob").await);
    assert!(!why(&rig, "ann").await.contains(&format!("{second}: active")), "{}", why(&rig, "ann").await);
    // Hers ends, his goes on; each is told by the mail of the one who pays.
    rig.stripe.card_fails(&second);
    rig.hours(2).await;
    assert_eq!(
        (told(&rig, "ann", "payment for"), told(&rig, "bob", "payment for")),
        (1, 0),
        "{:?}",
        rig.subjects_to("ann")
    );
    rig.stripe.retry_succeeds(&second);
    rig.stripe.cancel_now(&first, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_was_unlinked_is_tied_again_by_the_operator_alone() {
    let mut rig = Rig::new("unlink").await;
    unhurried(&mut rig, 1);
    let (ann, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    let bob = rig.old_friend(2_000_002, "bob", 300);
    rig.open().await;
    rig.hours(2).await;
    assert!(why(&rig, "ann").await.contains("stood under its address"), "{}", why(&rig, "ann").await);
    let answer = asked(&rig, json!({ "ask": "unlink", "who": "ann" })).await;
    assert!(answer.contains("no longer ann's"), "{answer}");
    rig.days(2).await;
    nothing_was_done(&rig);
    assert_eq!(unmatched(&rig).await, ["ann"]);
    assert!(
        !why(&rig, &ann.to_string()).await.contains(&format!("{sub}: active")),
        "{}",
        why(&rig, &ann.to_string()).await
    );
    asked(&rig, json!({ "ask": "link", "who": "bob", "stripe": sub })).await;
    rig.hours(2).await;
    assert!(why(&rig, "bob").await.contains(&sub), "{}", why(&rig, "bob").await);
    assert_eq!(unmatched(&rig).await, Vec::<String>::new());
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bob));
    nothing_was_done(&rig);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_types_anothers_name_or_takes_their_address_later_moves_nobody() {
    let mut rig = Rig::new("typed-name").await;
    unhurried(&mut rig, 1);
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ann, days(1));
    rig.person(2_000_066, "eve");
    rig.open().await;
    let customer = rig.stripe.customer("eve@example.com", "ann");
    let sub = rig.stripe.subscribe(&customer, &rig.premium);
    rig.stripe.set_metadata(&sub, "plex_username", "ann");
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "Eve's own address is invited");
    rig.plex.accept_invite("eve@example.com");
    rig.hours(2).await;
    rig.stripe.change_email(&customer, "ann@example.com");
    rig.hours(3).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(2).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 1, "Eve's own");
    assert!(!why(&rig, &ann.to_string()).await.contains(&sub));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_is_not_let_in_by_an_invite_to_another_address() {
    let mut rig = Rig::new("blocked-merge").await;
    unhurried(&mut rig, 1);
    let ann = rig.old_friend(2_000_001, "ann", 400);
    for n in 0..4 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann" })).await;
    rig.minutes(5).await;
    assert!(!rig.plex.has_access(ann));
    let customer = rig.stripe.customer("second@example.com", "Ann again");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(2).await;
    rig.plex.accept_invite_as("second@example.com", ann).expect("accepted");
    rig.hours(5).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let id = id_of(&rig, "ann").await;
    let said = mails.iter().filter(|mail| mail.text().contains(&format!("usher revoke {id} --cancel now"))).count();
    assert_eq!(said, 1, "{:?}", rig.operator_subjects());
    asked(&rig, json!({ "ask": "revoke", "who": id, "cancel": "now" })).await;
    rig.hours(1).await;
    assert_eq!(unmatched(&rig).await, Vec::<String>::new(), "no longer charged");
    all_is_well(&rig);
}

/// `--cancel now` spoke of what Ann paid; the invite that she takes up is Bob's.
#[tokio::test(start_paused = true)]
async fn promise_04_what_another_pays_is_not_cancelled_because_somebody_revoked_takes_up_their_invite() {
    let mut rig = Rig::new("revoked-takes-bobs").await;
    unhurried(&mut rig, 1);
    for n in 0..9 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    let (ann, _) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await;
    rig.hours(3).await;
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    let bobs = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    rig.plex.accept_invite_as("bob@example.com", ann).expect("Bob's invite");
    rig.hours(5).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(rig.stripe.ended_at(&bobs), None, "nobody said so: {}", why(&rig, "ann").await);
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let said = mails.iter().filter(|mail| mail.text().contains("--cancel now")).count();
    assert_eq!(said, 1, "{:?}", rig.operator_subjects());
    asked(&rig, json!({ "ask": "unlink", "who": "ann", "stripe": customer })).await;
    let bob = id_of(&rig, "bob@example.com").await;
    asked(&rig, json!({ "ask": "link", "who": bob, "stripe": customer })).await;
    rig.hours(5).await;
    let bob = rig.plex.accept_invite("bob@example.com").expect("invited anew");
    rig.days(2).await;
    assert!(rig.plex.has_access(bob) && !rig.plex.has_access(ann), "{}", why(&rig, "bob@example.com").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn links_that_make_no_sense_are_refused() {
    let mut rig = Rig::new("link-refused").await;
    rig.old_friend(2_000_001, "ann", 400);
    rig.old_friend(2_000_002, "bob", 400);
    rig.open().await;
    let cases: [(Value, &str); 5] = [
        (json!({ "ask": "link", "who": "ann" }), "--plex, --stripe"),
        (json!({ "ask": "link", "who": "ann", "plex": "bob" }), "never changes"),
        (json!({ "ask": "link", "who": "ann", "stripe": "in_1" }), "cus_"),
        (json!({ "ask": "link", "who": "ann", "stripe": "sub_nobodys" }), "not told"),
        (json!({ "ask": "unlink", "who": "ann" }), "nothing at Stripe"),
    ];
    for (ask, part) in cases {
        let answer = refused(&rig, ask.clone()).await;
        assert!(answer.contains(part), "{ask}: {answer}");
    }
    nothing_was_done(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_link_that_was_said_in_a_rehearsal_holds_when_live() {
    let mut rig = Rig::new("link-dry").await;
    unhurried(&mut rig, 1);
    rig.set("DRY_RUN", "true");
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ann, days(1));
    rig.open().await;
    let customer = rig.stripe.customer("x7@privaterelay.appleid.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(10).await;
    asked(&rig, json!({ "ask": "link", "who": customer, "plex": "ann" })).await;
    rig.hours(3).await;
    assert_eq!((heard(&rig, "change the share of ann"), rig.plex.changes().len()), (1, 0));
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(3).await;
    let page = rig.get("/api/members").await;
    assert!(why(&rig, "ann").await.contains(&format!("{sub}: active")), "{page:#}");
    assert_eq!(page["json"]["members"].as_array().map(Vec::len), Some(1), "{page:#}");
    assert_eq!((rig.plex.invites_sent().len(), rig.plex.updates().len()), (0, 1));
    assert!(rig.plex.share_of(ann).expect("a share").settings.allow_sync, "Premium has downloads");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_is_another_account_is_invited_though_the_first_invite_is_out() {
    let mut rig = Rig::new("link-astray").await;
    unhurried(&mut rig, 1);
    for n in 0..4 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let bob = rig.person(2_000_002, "bob");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert!(rig.plex.pending_of(ann).is_some());
    let answer = asked(&rig, json!({ "ask": "link", "who": customer, "plex": "2000002" })).await;
    assert!(answer.contains("next: invite") && answer.contains("take it back in Plex"), "{answer}");
    rig.minutes(5).await;
    assert!(rig.plex.pending_of(bob).is_some(), "{}", why(&rig, &customer).await);
    rig.plex.accept_invite(bob).expect("his");
    rig.plex.remove_share_by_hand(ann);
    rig.hours(5).await;
    assert!(rig.plex.has_access(bob) && !rig.plex.has_access(ann), "{}", why(&rig, "bob").await);
    assert_eq!(heard(&rig, "bob is in"), 1, "{:?}", rig.operator_subjects());
    assert_eq!((unmatched(&rig).await, rig.plex.invites_sent().len()), (Vec::new(), 2));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_second_subscription_is_given_to_a_new_account_by_the_commands_that_usher_names() {
    let mut rig = Rig::new("link-second").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let bob = rig.person(2_000_002, "bob");
    let customer = rig.stripe.customer_of("ann@example.com").expect("a customer");
    let second = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    let link = json!({ "ask": "link", "who": second, "plex": bob.to_string() });
    let answer = refused(&rig, link.clone()).await;
    let id = id_of(&rig, "ann").await;
    assert!(answer.contains(&format!("`usher unlink {id} --stripe {second}`")), "{answer}");
    asked(&rig, json!({ "ask": "unlink", "who": id, "stripe": second })).await;
    assert!(asked(&rig, link).await.contains("next: invite"));
    rig.minutes(5).await;
    rig.plex.accept_invite(bob).expect("his");
    rig.hours(3).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, &second).await);
    rig.stripe.cancel_now(&second, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.has_access(ann) && !rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

/// Zoe has paid with a typing error in her address, which nobody's account has.
async fn zoe_mistyped(name: &str) -> (Rig, String, String) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..4 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    rig.person(2_000_001, "zoe");
    let customer = rig.stripe.customer("zoo@example.com", "Zoe");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    assert!(rig.plex.pending_of("zoo@example.com").is_some());
    (rig, customer, sub)
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_mistyped_their_address_is_invited_as_the_account_that_i_say() {
    let zoe = PlexId(2_000_001);
    // Or she takes up the one that was mailed: at once, or when both are out.
    for (takes_up, later) in [("hers", true), ("the mailed one", false), ("the mailed one", true)] {
        let (rig, customer, sub) = zoe_mistyped("link-mistyped").await;
        let answer = asked(&rig, json!({ "ask": "link", "who": customer, "plex": "2000001" })).await;
        assert!(answer.contains("next: invite") && answer.contains("zoo@example.com"), "{answer}");
        if later {
            rig.hours(3).await;
            assert!(rig.plex.pending_of(zoe).is_some(), "{}", why(&rig, &customer).await);
        }
        match takes_up {
            "hers" => rig.plex.accept_invite(zoe),
            _ => rig.plex.accept_invite_as("zoo@example.com", zoe),
        };
        rig.days(2).await;
        assert!(rig.plex.has_access(zoe), "{}", why(&rig, "zoe").await);
        assert_eq!((heard(&rig, "zoe is in"), unmatched(&rig).await), (1, Vec::new()));
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.days(4).await;
        assert!(!rig.plex.has_access(zoe), "{}", why(&rig, "zoe").await);
        let waits = |to: Option<sandbox::plex::ShareView>| to.is_some();
        assert!(!waits(rig.plex.pending_of("zoo@example.com")) && !waits(rig.plex.pending_of(zoe)), "both are over");
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_was_here_before_and_mistyped_their_address_is_invited_when_i_say_who_they_are() {
    // Nobody has that address; or somebody else does.
    for somebody in [false, true] {
        let mut rig = Rig::new(&format!("link-mistyped-again-{somebody}")).await;
        unhurried(&mut rig, 1);
        rig.open().await;
        let (zoe, old) = payer(&rig, 2_000_001, "zoe", &rig.basic.clone()).await;
        if somebody {
            rig.person(2_000_002, "zoo");
        }
        rig.hours(2).await;
        rig.stripe.cancel_now(&old, "cancellation_requested");
        rig.days(3).await;
        let customer = rig.stripe.customer("zoo@example.com", "Z");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        rig.hours(2).await;
        asked(&rig, json!({ "ask": "link", "who": customer, "plex": "zoe" })).await;
        rig.hours(3).await;
        assert!(rig.plex.accept_invite(zoe).is_some(), "{}", why(&rig, "zoe").await);
        rig.days(1).await;
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.days(4).await;
        assert!(!rig.plex.has_access(zoe), "{}", why(&rig, "zoe").await);
        assert!(rig.plex.pending_of("zoo@example.com").is_none(), "what it was made for is over");
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn who_corrects_their_address_at_stripe_reads_there_where_the_invite_waits() {
    let (rig, customer, _) = zoe_mistyped("address-corrected").await;
    rig.stripe.change_email(&customer, "zoe@example.com");
    rig.days(4).await;
    let mails = rig.smtp.received_for("zoe@example.com");
    assert_eq!(mails.len(), 1, "the reminder, which could not reach her where the invite went");
    assert!(mails[0].text().contains("zoo@example.com"), "{}", mails[0].text());
    assert_eq!(rig.subjects_to("zoo").len(), 1, "what was written before: {:?}", rig.subjects_to("zoo"));
    let page = rig.get("/api/unmatched").await["text"].to_string();
    assert!(page.contains("invited as zoo@example.com") && page.contains("usher link m-"), "{page}");
    all_is_well(&rig);
}
