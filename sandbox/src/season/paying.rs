//! Those who pay: they come, change, and go.

use chrono::TimeDelta;
use usher::facts::PlexId;

use super::Failed;
use super::cast::{ANN, CORA, DAVE, EMMA, FINN, UMA, VERA, pays};
use super::teller::{
    ENDED, ENDS, Held, INVITED, Season, UNPAID, WELCOME, had, invited, is_in, is_out, same, so, told, told_on_discord,
};
use crate::rig::{Rig, address};
use crate::stripe::{CancelForm, Delivery, Status};

/// From Stripe's webhook to the invite.
const HINT_LIMIT: TimeDelta = TimeDelta::seconds(5);
/// Until the next whole look at Plex, with its jitter.
const NEXT_LOOK: TimeDelta = TimeDelta::minutes(70);
/// From a deadline to the deed.
const PROMPT: TimeDelta = TimeDelta::seconds(60);

/// Six people pay, by every kind of luck with webhooks.
pub(super) async fn they_come(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("People pay, and are let in")?;
    season.to(1, 5, 14, 0).await;
    pays(&season.rig, Some(ANN), "ann", &season.rig.basic);
    season
        .within(
            HINT_LIMIT,
            "Ann pays for Basic. Before five seconds are over, her invite is out: Movies, no downloads",
            |rig| {
                invited(rig, "ann", 1)?;
                last_invite(rig, |invite| invite.sections == [rig.movies] && !invite.allow_sync)
            },
        )
        .await?;
    season
        .within(TimeDelta::minutes(1), "A letter tells her which address to accept it with", |rig| {
            had(rig, "ann", INVITED, 1)?;
            so(text_to(rig, "ann").contains("ann@example.com"), "the letter doesn't name the address")
        })
        .await?;
    season.rig.minutes(40).await;
    season.rig.plex.accept_invite("ann@example.com");
    season
        .within(NEXT_LOOK, "Ann accepted: she is welcomed, and the operator hears that she is in", |rig| {
            had(rig, "ann", WELCOME, 1)?;
            told(rig, "ann is in", 1)
        })
        .await?;
    a_lost_webhook(season).await?;
    doubled_and_reordered(season).await?;
    three_more(season).await
}

async fn a_lost_webhook(season: &mut Season<'_>) -> Result<(), Failed> {
    season.to(1, 6, 10, 0).await;
    season.rig.stripe.set_delivery(Delivery::Lost);
    pays(&season.rig, None, "ben", &season.rig.basic);
    season
        .within(
            TimeDelta::hours(4) + TimeDelta::minutes(20),
            "Ben paid, and the webhook was lost: the next poll finds him and invites him",
            |rig| invited(rig, "ben", 1),
        )
        .await?;
    season.rig.stripe.set_delivery(Delivery::On);
    season.rig.minutes(30).await;
    season.rig.plex.accept_invite("ben@example.com");
    season
        .within(NEXT_LOOK, "Ben had no Plex account, made one and accepted: he is welcomed", |rig| {
            had(rig, "ben", WELCOME, 1)?;
            is_in(rig, account(rig, "ben"))
        })
        .await
}

async fn doubled_and_reordered(season: &mut Season<'_>) -> Result<(), Failed> {
    season.to(1, 7, 20, 0).await;
    let before = season.rig.stripe.deliveries().len();
    season.rig.stripe.set_delivery(Delivery::Doubled);
    pays(&season.rig, Some(CORA), "cora", &season.rig.premium);
    season.rig.minutes(2).await;
    season.line("Cora pays for Premium, and each webhook comes twice: one invite, with TV and downloads", |rig| {
        let doubled = doubled(rig, before);
        so(doubled > 0, "no webhook was doubled")?;
        invited(rig, "cora", 1)?;
        last_invite(rig, |invite| invite.sections == [rig.movies, rig.tv] && invite.allow_sync)
    })?;
    season.rig.stripe.set_delivery(Delivery::Reordered);
    let before = season.rig.stripe.deliveries().len();
    pays(&season.rig, Some(DAVE), "dave", &season.rig.basic);
    season.rig.minutes(2).await;
    season.line("Dave pays, and his webhooks arrive in the wrong order: one invite", |rig| {
        so(reordered(rig, before), "the webhooks arrived in order")?;
        invited(rig, "dave", 1)
    })?;
    season.rig.stripe.set_delivery(Delivery::On);
    season.rig.plex.accept_invite("cora@example.com");
    season.rig.plex.accept_invite("dave@example.com");
    season
        .within(NEXT_LOOK, "Both accepted, and both are welcomed", |rig| {
            ["cora", "dave"].iter().try_for_each(|name| had(rig, name, WELCOME, 1))
        })
        .await
}

async fn three_more(season: &mut Season<'_>) -> Result<(), Failed> {
    const NAMES: [&str; 3] = ["emma", "finn", "uma"];
    season.to(1, 9, 18, 0).await;
    for (who, name) in [EMMA, FINN, UMA].into_iter().zip(NAMES) {
        pays(&season.rig, Some(who), name, &season.rig.basic);
    }
    season
        .within(
            TimeDelta::minutes(1),
            "Emma, Finn and Uma pay in the same second: three invites, one after the other",
            |rig| NAMES.iter().try_for_each(|name| invited(rig, name, 1)),
        )
        .await?;
    for name in NAMES {
        let _ = season.rig.plex.accept_invite(address(name).as_str());
    }
    season
        .within(NEXT_LOOK, "All three are in and welcomed", |rig| {
            NAMES.iter().try_for_each(|name| had(rig, name, WELCOME, 1))
        })
        .await
}

/// An upgrade, and an old friend who begins to pay.
pub(super) async fn they_change(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Somebody wants more")?;
    season.to(1, 20, 19, 0).await;
    let share = season.rig.plex.share_of(UMA).map(|share| share.id);
    season.rig.stripe.change_price(&subscription(&season.rig, "uma"), &season.rig.premium);
    season
        .within(
            TimeDelta::seconds(10),
            "Uma moves from Basic to Premium: the share she has gains TV and downloads",
            |rig| {
                let now = rig.plex.share_of(UMA).ok_or("she has no share")?;
                same("her share", &Some(now.id), &share)?;
                same("her libraries", &now.sections, &vec![rig.movies, rig.tv])?;
                so(now.settings.allow_sync, "she has no downloads")?;
                same("updates", &rig.plex.updates().len(), &1)?;
                invited(rig, "uma", 1)
            },
        )
        .await?;
    season.to(1, 21, 19, 0).await;
    let customer = season.rig.stripe.customer("vera@example.com", "Vera");
    season.rig.stripe.subscribe(&customer, &season.rig.premium);
    season
        .within(
            TimeDelta::seconds(10),
            "Vera, a friend of old, begins to pay: no second invite, but downloads",
            |rig| {
                let now = rig.plex.share_of(VERA).ok_or("she has no share")?;
                so(now.settings.allow_sync, "she has no downloads")?;
                invited(rig, "vera", 0)
            },
        )
        .await
}

/// Dave cancels; Emma's card fails and recovers; Finn's doesn't.
pub(super) async fn they_end(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Paid time runs out")?;
    season.to(1, 22, 12, 0).await;
    let dave = subscription(&season.rig, "dave");
    season.rig.stripe.cancel_at_period_end(&dave, CancelForm::Flexible);
    let end = season.rig.stripe.period_end(&dave).unwrap_or_default();
    season.until(end - TimeDelta::days(2)).await;
    season.line("Dave has cancelled: two letters have told him the day, and nothing else has changed", |rig| {
        had(rig, "dave", ENDS, 2)?;
        same("status", &rig.stripe.status(&dave), &Some(Status::Active))?;
        is_in(rig, DAVE)
    })?;
    season.until(end + TimeDelta::days(1) - TimeDelta::minutes(1)).await;
    season.line("His paid time was over yesterday. For a day it settles: he is still in", |rig| {
        same("status", &rig.stripe.status(&dave), &Some(Status::Canceled))?;
        is_in(rig, DAVE)
    })?;
    season.until(end + TimeDelta::days(1)).await;
    season
        .within(PROMPT, "The day of settling is over, and within the minute Dave is out", |rig| is_out(rig, DAVE))
        .await?;
    season
        .within(TimeDelta::minutes(2), "A letter tells him so, and the operator hears it", |rig| {
            had(rig, "dave", ENDED, 1)?;
            told(rig, "dave was removed", 1)
        })
        .await?;
    cards(season).await
}

async fn cards(season: &mut Season<'_>) -> Result<(), Failed> {
    season.to(2, 9, 12, 0).await;
    let (emma, finn) = (subscription(&season.rig, "emma"), subscription(&season.rig, "finn"));
    for sub in [&emma, &finn] {
        season.rig.stripe.set_card_works(sub, false);
    }
    season.to(2, 9, 18, 50).await;
    season
        .within(TimeDelta::minutes(15), "The cards of Emma and Finn fail: a letter each, and both stay in", |rig| {
            for name in ["emma", "finn"] {
                had(rig, name, UNPAID, 1)?;
                told_on_discord(rig, &format!("Payment trouble: {name}"), 1)?;
            }
            is_in(rig, EMMA)?;
            is_in(rig, FINN)
        })
        .await?;
    season.to(2, 11, 9, 0).await;
    season.rig.stripe.set_card_works(&emma, true);
    season.to(2, 13, 9, 0).await;
    season.line("Emma put in a new card and the second try went through: nothing has happened to her", |rig| {
        same("status", &rig.stripe.status(&emma), &Some(Status::Active))?;
        same("letters to emma", &rig.subjects_to("emma").len(), &3)?;
        is_in(rig, EMMA)
    })?;
    season.to(2, 17, 9, 0).await;
    season.line("Finn's seven days of grace are over, but Stripe will try once more: he is still in", |rig| {
        same("status", &rig.stripe.status(&finn), &Some(Status::PastDue))?;
        is_in(rig, FINN)
    })?;
    season.to(2, 18, 18, 55).await;
    season
        .within(TimeDelta::minutes(10), "The fourth and last try failed: Finn is out", |rig| is_out(rig, FINN))
        .await?;
    season
        .within(TimeDelta::minutes(2), "He was written to nine days ago; now a letter says that it has ended", |rig| {
            had(rig, "finn", ENDED, 1)?;
            told(rig, "finn was removed", 1)
        })
        .await
}

/// A payer's subscription.
pub(super) fn subscription(rig: &Rig, name: &str) -> String {
    let customer = rig.stripe.customer_of(&address(name)).unwrap_or_default();
    rig.stripe.subscriptions_of(&customer).pop().unwrap_or_default()
}

/// A payer's account.
pub(super) fn account(rig: &Rig, name: &str) -> PlexId {
    rig.plex.account_of(&address(name)).unwrap_or(PlexId(0))
}

fn last_invite(rig: &Rig, such: impl Fn(&crate::plex::Invited) -> bool) -> Held {
    let invites = rig.plex.invites_sent();
    let last = invites.last().ok_or("nobody was invited")?;
    so(such(last), &format!("the invite is {last:?}"))
}

fn text_to(rig: &Rig, name: &str) -> String {
    rig.smtp.received_for(&address(name)).last().map(crate::smtp::Received::text).unwrap_or_default()
}

/// Events since then that came more than once.
fn doubled(rig: &Rig, since: usize) -> usize {
    let attempts = rig.stripe.deliveries().split_off(since);
    let times = |event: &str| attempts.iter().filter(|attempt| attempt.event == event).count();
    attempts.iter().filter(|attempt| times(&attempt.event) > 1).count()
}

/// Whether a later event came before an earlier one since then.
fn reordered(rig: &Rig, since: usize) -> bool {
    let attempts = rig.stripe.deliveries().split_off(since);
    attempts.iter().zip(attempts.iter().skip(1)).any(|(first, second)| second.event < first.event)
}
