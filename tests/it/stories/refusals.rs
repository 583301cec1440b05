//! R6 "refusal": what Plex answers to an invite, and what it means for who paid.

use std::time::Duration;

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching, Rule};
use sandbox::plex::Told;
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};

use super::{all_is_well, heard, heard_on_discord, told};

/// plex.tv's own 422 about a person, which is not "already shared".
const NO: &str = r#"{"errors":[{"code":1010,"message":"This account can't be shared with","status":422}]}"#;

fn invites() -> Matching {
    Matching::WritesOf("/api/v2/shared_servers".into())
}

/// The house is open, and Ann pays; she has a Plex account under her address.
async fn ann_pays(name: &str, prepare: impl FnOnce(&Rig)) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.open().await;
    rig.minutes(2).await;
    rig.person(2_000_001, "ann");
    prepare(&rig);
    let customer = rig.stripe.customer(&address("ann"), "ann");
    rig.stripe.subscribe(&customer, &rig.basic.clone());
    rig
}

fn posts(rig: &Rig) -> usize {
    rig.plex.count(|call| call.request.method == "POST")
}

fn is_invited_and_told(rig: &Rig) {
    assert!(rig.plex.pending_of(address("ann").as_str()).is_some(), "no invite: {:?}", rig.operator_subjects());
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(told(rig, "ann", "invitation"), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!(heard(rig, "can't be let in"), 0, "{:?}", rig.operator_subjects());
}

#[tokio::test(start_paused = true)]
async fn a_payer_is_invited_though_plex_hiccuped_at_the_first_try() {
    let hiccups = [408, 409, 425, 500, 503].map(Fault::status);
    let pages = [400, 403, 404, 409, 422, 502].map(Fault::page);
    let odd = [Fault::says(400, "bad request"), Fault::says(422, ""), Fault::status(418)];
    for (n, fault) in hiccups.into_iter().chain(pages).chain(odd).enumerate() {
        let what = format!("{fault:?}");
        let rig = ann_pays(&format!("hiccup-{n}"), |rig| {
            rig.plex.faults().once(invites(), fault);
        })
        .await;
        rig.minutes(6).await;
        assert_eq!(posts(&rig), 2, "{what}");
        is_invited_and_told(&rig);
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_was_made_and_answered_with_a_refusal_is_ours_and_has_its_letter() {
    for code in [400, 403, 404, 422, 500] {
        for lag in [0, 110] {
            let what = format!("{code}, a lag of {lag} s");
            let rig = ann_pays(&format!("done-{code}-{lag}"), |rig| {
                rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(lag));
                rig.plex.faults().once(invites(), Fault::EffectThenStatus(code));
            })
            .await;
            rig.minutes(10).await;
            assert_eq!((posts(&rig), rig.plex.invites_sent().len()), (1, 1), "{what}");
            assert_eq!(told(&rig, "ann", "invitation"), 1, "{what}: {:?}", rig.subjects_to("ann"));
            rig.plex.accept_invite(usher::facts::PlexId(2_000_001)).unwrap();
            rig.minutes(10).await;
            assert_eq!(rig.subjects_to("ann").len(), 2, "{what}: {:?}", rig.subjects_to("ann"));
            assert!(heard(&rig, "can't be let in") <= usize::from(lag > 0), "{what}: {:?}", rig.operator_subjects());
            let why = super::why(&rig, "ann").await;
            assert!(!why.contains("by hand"), "{what}: {why}");
            all_is_well(&rig);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_the_operator_makes_after_a_refusal_is_theirs() {
    let rig = ann_pays("by-hand-after", |rig| {
        rig.plex.faults().once(invites(), Fault::says(422, NO));
    })
    .await;
    rig.minutes(4).await;
    assert_eq!((posts(&rig), told(&rig, "ann", "invitation")), (1, 0));
    rig.plex.invite_by_hand(address("ann").as_str(), &[rig.movies]);
    rig.minutes(10).await;
    assert_eq!(told(&rig, "ann", "invitation"), 0, "{:?}", rig.subjects_to("ann"));
    let why = super::why(&rig, "ann@example.com").await;
    assert!(why.contains("by hand"), "{why}");
    all_is_well(&rig);
}

/// plex.tv keeps the date of acceptance of years ago for what is shared anew.
#[tokio::test(start_paused = true)]
async fn what_the_operator_shares_days_after_a_refusal_is_by_hand_whatever_date_plex_keeps() {
    let rig = ann_pays("by-hand-old-date", |rig| {
        rig.plex.faults().once(invites(), Fault::says(422, NO));
    })
    .await;
    rig.minutes(4).await;
    let sub = rig.stripe.subscriptions_of("cus_S000001").pop().expect("hers");
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    rig.plex.share_with(usher::facts::PlexId(2_000_001), &[rig.movies], rig.now() - TimeDelta::days(500));
    rig.days(3).await;
    assert!(rig.plex.has_access(usher::facts::PlexId(2_000_001)), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

/// The first try took effect and its answer was lost; the listing lags so far
/// behind that a second try is made, and Plex says "already".
#[tokio::test(start_paused = true)]
async fn an_invite_that_plex_calls_made_already_is_never_a_refusal() {
    let rig = ann_pays("already", |rig| {
        rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(240));
        rig.plex.faults().once(invites(), Fault::EffectThenDrop);
    })
    .await;
    rig.minutes(15).await;
    is_invited_and_told(&rig);
    assert!(posts(&rig) <= 3, "{}", posts(&rig));
    rig.plex.accept_invite(address("ann").as_str());
    rig.minutes(15).await;
    assert!(rig.plex.has_access(usher::facts::PlexId(2_000_001)));
    assert_eq!(told(&rig, "ann", "Welcome"), 1, "{:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

/// plex.tv's listing lacks half of the people for a day, Ann's invite among them.
#[tokio::test(start_paused = true)]
async fn an_invite_that_shows_a_day_later_is_ours_and_has_its_letter() {
    let rig = ann_pays("shows-late", |rig| {
        rig.plex.switch(|switches| switches.people_told = Told::Half);
    })
    .await;
    rig.hours(1).await;
    assert_eq!(
        (rig.plex.invites_sent().len(), heard(&rig, "can't be let in")),
        (1, 1),
        "{:?}",
        rig.operator_subjects()
    );
    let tried = posts(&rig);
    rig.hours(16).await;
    assert_eq!((posts(&rig), told(&rig, "ann", "invitation")), (tried, 0));
    rig.plex.switch(|switches| switches.people_told = Told::All);
    rig.minutes(20).await;
    assert_eq!(told(&rig, "ann", "invitation"), 1, "{:?}", rig.subjects_to("ann"));
    let why = super::why(&rig, "ann@example.com").await;
    assert!(!why.contains("by hand") && !why.contains("and is outside: Plex refused"), "{why}");
    rig.hours(24).await;
    assert_eq!((posts(&rig), told(&rig, "ann", "invitation")), (tried, 1), "{:?}", rig.subjects_to("ann"));
    rig.plex.accept_invite(address("ann").as_str()).unwrap();
    rig.minutes(10).await;
    assert_eq!(told(&rig, "ann", "Welcome"), 1, "{:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_forgotten_after_a_day() {
    let rig = ann_pays("refused-a-day", |rig| {
        rig.plex.faults().once(invites(), Fault::says(422, NO));
    })
    .await;
    rig.hours(1).await;
    assert_eq!((posts(&rig), heard(&rig, "can't be let in")), (1, 1), "{:?}", rig.operator_subjects());
    rig.hours(22).await;
    assert_eq!(posts(&rig), 1);
    rig.hours(2).await;
    assert!(rig.plex.pending_of(address("ann").as_str()).is_some());
    assert_eq!(posts(&rig), 2);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_plex_forbids_or_does_not_find_is_told_and_tried_again_after_a_day() {
    for code in [403, 404] {
        let rig = ann_pays(&format!("denied-{code}"), |rig| {
            rig.plex.faults().once(invites(), Fault::status(code));
        })
        .await;
        rig.hours(1).await;
        assert_eq!((posts(&rig), heard(&rig, "can't be let in")), (1, 1), "{code}: {:?}", rig.operator_subjects());
        rig.hours(24).await;
        assert_eq!(posts(&rig), 2, "{code}");
        assert!(rig.plex.pending_of(address("ann").as_str()).is_some(), "{code}");
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_is_told_and_nothing_is_tried_with_it() {
    for code in [401, 498] {
        let mut rig = ann_pays(&format!("token-{code}"), |rig| {
            rig.plex.faults().always(Matching::Writes, Fault::status(code));
        })
        .await;
        let customer = rig.stripe.customer(&address("bob"), "bob");
        rig.stripe.subscribe(&customer, &rig.basic.clone());
        rig.hours(1).await;
        assert!(posts(&rig) <= 8, "{code}: {} tries in an hour", posts(&rig));
        assert_eq!(heard(&rig, "can't be let in"), 0, "{code}: {:?}", rig.operator_subjects());
        let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
        let alarm = mails.iter().filter(|mail| mail.text().contains("ign in again for a new PLEX_TOKEN"));
        assert_eq!(alarm.count(), 1, "{code}: {:?}", rig.operator_subjects());
        rig.close().await;
        rig.plex.faults().clear();
        rig.open().await;
        rig.minutes(2).await;
        for name in ["ann", "bob"] {
            assert!(rig.plex.pending_of(address(name).as_str()).is_some(), "{code}: {name}");
        }
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_answered_498_is_told_as_the_tokens_end() {
    let rig = ann_pays("token-readings", |rig| {
        rig.plex.faults().always(Matching::All, Fault::status(498));
    })
    .await;
    rig.hours(1).await;
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let alarm = mails.iter().find(|mail| mail.subject.contains("plex.tv can't be read")).expect("it is told");
    assert!(alarm.text().contains("ign in again for a new PLEX_TOKEN"), "{}", alarm.text());
    all_is_well(&rig);
}

/// facts/smtp.md, 2026: Microsoft turns logins by password off.
#[tokio::test(start_paused = true)]
async fn a_mail_server_that_takes_no_passwords_any_more_loses_no_letter_and_blames_nobody() {
    const NO_PASSWORDS: &str = "550 5.7.30 Basic authentication is not supported for Client Submission.";
    for (n, fault) in [smtp::Fault::RecipientReply(NO_PASSWORDS.into()), smtp::Fault::DotReply(NO_PASSWORDS.into())]
        .into_iter()
        .enumerate()
    {
        let rig = ann_pays(&format!("no-passwords-{n}"), |rig| rig.smtp.fault(fault, Stay::UntilCleared)).await;
        rig.hours(30).await;
        let tries: u64 = rig.smtp.bitten().values().sum();
        assert!((2..=40).contains(&tries), "{tries} tries in 30 hours");
        assert_eq!(heard_on_discord(&rig, "No mail"), 1);
        let bounced = super::book(&rig)["bounced"].clone();
        assert!(bounced.as_object().is_none_or(|bounced| bounced.is_empty()), "{bounced}");
        rig.smtp.clear_faults();
        rig.pass(Duration::from_secs(2 * 3600)).await;
        assert_eq!(told(&rig, "ann", "invitation"), 1, "{:?}", rig.subjects_to("ann"));
        all_is_well(&rig);
    }
}

/// The rest of the rules about refusals is in `rules/refusing.rs`.
#[tokio::test(start_paused = true)]
async fn a_hiccup_of_an_hour_costs_few_calls() {
    let rig = ann_pays("hiccups", |rig| {
        rig.plex.faults().add(Rule::new(invites(), Fault::status(503)));
    })
    .await;
    rig.hours(1).await;
    assert!(posts(&rig) <= 25, "{}", posts(&rig));
    rig.plex.faults().clear();
    rig.minutes(5).await;
    is_invited_and_told(&rig);
    all_is_well(&rig);
}

/// Each 404 is a day's wait, and not a longer one; it is told, and not each time.
#[tokio::test(start_paused = true)]
async fn an_update_that_plex_does_not_find_twice_is_done_after_two_days_and_told_once() {
    for code in [403, 404] {
        let mut rig = Rig::new(&format!("update-denied-{code}")).await;
        rig.open().await;
        let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
        rig.minutes(30).await;
        let premium = rig.premium.clone();
        rig.plex.faults().add(Rule::new(Matching::Writes, Fault::status(code)).times(2));
        let writes = |rig: &Rig| {
            let updates = |path: &str| path.starts_with("/api/v2/shared_servers/");
            rig.plex.count(|call| call.request.method == "POST" && updates(&call.request.path))
        };
        rig.stripe.change_price(&sub, &premium);
        let began = rig.now();
        let sections = |rig: &Rig| rig.plex.share_of(ann).expect("a share").sections.len();
        for (hour, tries, has) in [(1, 1, 1), (23, 1, 1), (25, 2, 1), (47, 2, 1), (49, 3, 2)] {
            rig.pass((began + TimeDelta::hours(hour) - rig.now()).to_std().expect("to come")).await;
            assert_eq!(
                (writes(&rig), sections(&rig)),
                (tries, has),
                "{code}: after {hour} h {:?}",
                rig.operator_subjects()
            );
        }
        assert_eq!(heard(&rig, "in vain"), 1, "{code}: {:?}", rig.operator_subjects());
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_whose_invite_was_refused_and_whom_i_let_in_myself_is_that_guest_and_stays() {
    for seen_pending in [true, false] {
        let mut rig = Rig::new(&format!("guest-refused-{seen_pending}")).await;
        super::unhurried(&mut rig, 1);
        rig.open().await;
        let nina = rig.person(2_000_001, "nina");
        rig.plex.faults().always(invites(), Fault::says(422, NO));
        let days = serde_json::json!({ "ask": "invite", "who": "nina@example.com", "tier": "Premium", "days": 4 });
        super::asked(&rig, days).await;
        rig.hours(1).await;
        rig.plex.invite_by_hand(address("nina").as_str(), &[rig.movies]);
        rig.hours(if seen_pending { 3 } else { 0 }).await;
        rig.plex.accept_invite(address("nina").as_str()).expect("an invite");
        rig.hours(6).await;
        rig.plex.faults().clear();
        rig.days(2).await;
        assert_eq!(rig.plex.invites_sent().len(), 0, "{:?}", rig.operator_subjects());
        let has = rig.plex.share_of(nina).expect("a share").sections;
        assert_eq!(has, [rig.movies, rig.tv], "what she was given: {}", super::why(&rig, "nina@example.com").await);
        rig.days(4).await;
        assert!(rig.plex.has_access(nina), "what I gave in Plex has no end: {}", super::why(&rig, "nina").await);
        all_is_well(&rig);
    }
}

/// plex.tv makes the invite, answers that it won't, and lists it only two days later.
/// She has cancelled by then, and taken it up.
#[tokio::test(start_paused = true)]
async fn an_invite_that_plex_refused_and_hid_is_ours_though_it_was_taken_up_before_it_showed() {
    for code in [422, 404, 400, 500] {
        let mut rig = Rig::new(&format!("hidden-{code}")).await;
        super::unhurried(&mut rig, 1);
        rig.set("CHECK_NEW_USERS_SECS", "900");
        for n in 0..4 {
            rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        }
        rig.open().await;
        let ann = rig.person(2_000_001, "ann");
        rig.plex.switch(|switches| switches.lag = TimeDelta::days(2));
        rig.plex.faults().once(invites(), Fault::EffectThenStatus(code));
        let customer = rig.stripe.customer("ann@example.com", "Ann");
        let sub = rig.stripe.subscribe(&customer, &rig.basic.clone());
        rig.hours(5).await;
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.hours(2).await;
        rig.plex.accept_invite(ann).expect("she took it");
        rig.days(5).await;
        assert!(!rig.plex.has_access(ann), "{code}: {}", super::why(&rig, "ann").await);
        all_is_well(&rig);
    }
}

/// He lets her in for old times' sake, and she is in before the next listing.
#[tokio::test(start_paused = true)]
async fn what_the_operator_shares_after_a_refusal_and_a_cancellation_is_by_hand() {
    for hours in [2, 30] {
        let rig = ann_pays(&format!("old-times-{hours}"), |rig| {
            rig.plex.faults().once(invites(), Fault::says(422, NO));
        })
        .await;
        rig.minutes(4).await;
        let sub = rig.stripe.subscriptions_of("cus_S000001").pop().expect("hers");
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.hours(hours).await;
        // plex.tv's listings lag by two minutes at most.
        rig.plex.switch(|switches| switches.lag = TimeDelta::minutes(2));
        rig.plex.invite_by_hand(address("ann").as_str(), &[rig.movies]);
        rig.plex.accept_invite(address("ann").as_str()).expect("his");
        rig.days(4).await;
        assert!(rig.plex.has_access(usher::facts::PlexId(2_000_001)), "{}", super::why(&rig, "ann").await);
        all_is_well(&rig);
    }
}
