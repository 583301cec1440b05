//! An outage of each service, and what it did: nothing bad.

use chrono::TimeDelta;
use usher::facts::Moment;

use super::Failed;
use super::cast::{CORA, KARIN, OLD_FRIENDS, ROSA, XENIA, ZOE, pays, will_watch_weekly};
use super::paying::subscription;
use super::teller::{
    ENDED, Held, Season, WARNING, WELCOME, date, had, invited, is_in, is_out, nothing_changed, people_in, same, so,
    told, told_by_mail, told_on_discord,
};
use crate::faults::{Fault, Matching};
use crate::plex::Told;
use crate::rig::Rig;
use crate::smtp;

/// Until the next whole look at Plex, with its jitter.
const NEXT_LOOK: TimeDelta = TimeDelta::minutes(70);

/// plex.tv lists nobody for a day's work, and half of all for a moment.
pub(super) async fn plex(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("plex.tv has a bad day")?;
    season.line("A month after she left, Karin's record in Tautulli has been deleted, and only hers", |rig| {
        let deleted: Vec<_> = rig.tautulli.deleted_users().into_iter().map(|(_, who)| who).collect();
        same("deleted in Tautulli", &deleted, &vec![KARIN])
    })?;
    season.to(2, 19, 8, 0).await;
    let (began, people) = (season.rig.now(), people_in(&season.rig));
    season.rig.plex.switch(|switches| switches.people_told = Told::Nothing);
    season.to(2, 19, 10, 0).await;
    pays(&season.rig, Some(XENIA), "xenia", &season.rig.basic);
    season.to(2, 19, 16, 59).await;
    season.line("plex.tv lists nobody for nine hours: nobody is taken for gone", |rig| {
        so(looks_since(rig, began) >= 8, "plex.tv was hardly asked")?;
        same("people with access", &people_in(rig), &people)?;
        told(rig, "Far fewer people with access than lately", 1)?;
        told(rig, "is gone", 0)
    })?;
    season.line(
        "Xenia paid meanwhile, and was never in: she is invited, and not again while no listing can show it",
        |rig| {
            let late = rig.plex.changes().into_iter().filter(|change| change.at > began).count();
            same("changes at plex.tv", &late, &1)?;
            invited(rig, "xenia", 1)
        },
    )?;
    season.rig.plex.switch(|switches| switches.people_told = Told::All);
    season
        .within(NEXT_LOOK, "The listing is whole again, and Xenia is written to", |rig| {
            had(rig, "xenia", "Your invitation to Attic Cinema", 1)
        })
        .await?;
    season.rig.plex.accept_invite("xenia@example.com");
    season.within(NEXT_LOOK, "She accepts and is welcomed", |rig| had(rig, "xenia", WELCOME, 1)).await?;

    season.to(2, 20, 8, 0).await;
    let (began, people) = (season.rig.now(), people_in(&season.rig));
    season.rig.plex.switch(|switches| switches.people_told = Told::Half);
    while looks_since(&season.rig, began) == 0 && season.rig.now() - began < NEXT_LOOK {
        season.rig.minutes(1).await;
    }
    season.rig.plex.switch(|switches| switches.people_told = Told::All);
    season.rig.hours(3).await;
    season.line("plex.tv lists half of them, once: nobody is taken for gone", |rig| {
        so(looks_since(rig, began) > 0, "plex.tv was not asked")?;
        nothing_changed(rig, began, people)?;
        told(rig, "Far fewer people with access than lately", 2)?;
        told(rig, "is gone", 0)
    })
}

/// Whole listings that plex.tv was asked for since then.
fn looks_since(rig: &Rig, since: Moment) -> usize {
    rig.plex.count(|asked| asked.at > since && asked.path.contains("shared_servers/owned/accepted"))
}

/// Stripe fails for eleven hours, and sells nothing for nine.
pub(super) async fn stripe(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Stripe has two")?;
    season.to(2, 21, 18, 0).await;
    let cora = subscription(&season.rig, "cora");
    season.rig.stripe.cancel_now(&cora, "cancellation_requested");
    season.to(2, 22, 12, 0).await;
    let fault = Fault::status(500);
    season.rig.stripe.faults().always(Matching::All, fault.clone());
    season.to(2, 22, 22, 59).await;
    season.line(
        "Stripe answers 500 all day. Cora's paid time is over, but nobody can confirm it: she stays",
        |rig| {
            so(rig.stripe.faults().struck(&fault) >= 4, "Stripe was hardly asked")?;
            told(rig, "Stripe can't be read", 1)?;
            is_in(rig, CORA)
        },
    )?;
    season.rig.stripe.faults().clear();
    season
        .within(TimeDelta::minutes(20), "Stripe answers again and confirms it: now Cora is out", |rig| {
            is_out(rig, CORA)?;
            had(rig, "cora", ENDED, 1)?;
            told(rig, "Stripe is back", 1)
        })
        .await?;

    season.to(2, 23, 9, 0).await;
    let (began, people) = (season.rig.now(), people_in(&season.rig));
    season.rig.stripe.set_lists_empty(true);
    season.to(2, 23, 18, 0).await;
    season.rig.stripe.set_lists_empty(false);
    season.rig.hours(5).await;
    season.line("Stripe lists no subscription for nine hours: nobody is taken for a non-payer", |rig| {
        let lists = |asked: &crate::http::Recorded| asked.at > began && asked.path == "/v1/subscriptions";
        so(rig.stripe.count(lists) >= 2, "Stripe was hardly asked")?;
        told(rig, "Far fewer running subscriptions than lately", 1)?;
        nothing_changed(rig, began, people)
    })
}

/// Tautulli answers nothing for a day, and sees nothing for three.
pub(super) async fn tautulli(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Tautulli goes blind")?;
    season.to(2, 24, 8, 0).await;
    let (began, people) = (season.rig.now(), people_in(&season.rig));
    season.rig.tautulli.set_sql_error(true);
    season.to(2, 25, 8, 0).await;
    season.rig.tautulli.set_sql_error(false);
    season.line(
        "Tautulli's database is locked for a day, which looks like an empty success: nobody counts as idle",
        |rig| {
            told(rig, "Tautulli can't be read", 1)?;
            warned(rig, 0)?;
            nothing_changed(rig, began, people)
        },
    )?;
    season.to(2, 26, 8, 0).await;
    season.rig.tautulli.set_connected(false);
    season.to(2, 28, 8, 0).await;
    season.line("Then it is cut off from Plex. Rosa's 27 days would be over, but unseen days don't count", |rig| {
        had(rig, "rosa", WARNING, 0)?;
        warned(rig, 0)
    })?;
    season.to(3, 1, 8, 0).await;
    season.rig.tautulli.set_connected(true);
    season.to(3, 2, 10, 0).await;
    season.line("It sees again since yesterday: still nobody is warned, and nobody has lost anything", |rig| {
        warned(rig, 0)?;
        nothing_changed(rig, began, people)
    })
}

/// Nobody but Jonas and Karin has been warned, and `more`.
fn warned(rig: &Rig, more: usize) -> Held {
    let warnings = rig.smtp.received().into_iter().filter(|letter| letter.subject.starts_with(WARNING));
    same("warnings", &warnings.count(), &(2 + more))
}

/// The mail server refuses the login for nine days.
pub(super) async fn mail(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("No letter gets out")?;
    season.to(3, 2, 12, 0).await;
    season.rig.smtp.fault(smtp::Fault::AuthRefused, smtp::Stay::UntilCleared);
    season.to(3, 8, 12, 0).await;
    season.line(
        "The mail server refuses Usher's password. Rosa's 30 days are over, even without the unseen ones",
        |rig| {
            let refused = rig.smtp.bitten().get("535 auth").copied().unwrap_or(0);
            so(refused > 0, "no letter was tried")?;
            so(refused < 24 * 6 + 6, &format!("the login was tried {refused} times: that locks an account"))
        },
    )?;
    season.line("But no warning of hers was accepted anywhere, and so she stays", |rig| {
        had(rig, "rosa", WARNING, 0)?;
        is_in(rig, ROSA)
    })?;
    season.to(3, 11, 11, 59).await;
    season.line("After seven days Discord tells the operator that letters are stuck", |rig| {
        told_on_discord(rig, "could not be sent for 7 days", 1)?;
        is_in(rig, ROSA)
    })?;
    season.rig.smtp.clear_faults();
    season.rig.discord.limit_next(20.0);
    season
        .within(
            TimeDelta::minutes(70),
            "The password is right again: Rosa is warned, and has until Saturday, not less",
            |rig| {
                had(rig, "rosa", &format!("{WARNING}Saturday, 14 March 2026"), 1)?;
                told_by_mail(rig, "rosa is idle", 1)
            },
        )
        .await?;
    season
        .within(TimeDelta::minutes(2), "Discord says 429, wait 20 s: it gets its message after that", |rig| {
            let limited = rig.discord.count(|asked| asked.status == Some(429));
            so(limited > 0, "Discord never said 429")?;
            told_on_discord(rig, "rosa is idle", 1)
        })
        .await?;
    season.to(3, 12, 20, 0).await;
    let now = season.rig.now();
    season.rig.tautulli.play(ROSA, now, now + TimeDelta::hours(2));
    will_watch_weekly(&season.rig, ROSA, date(&season.rig, 4, 30, 0, 0));
    season.to(3, 15, 12, 0).await;
    season.line("Rosa watches on Thursday: her Saturday passes, and she stays", |rig| is_in(rig, ROSA))
}

/// Discord's webhook is gone for six hours.
pub(super) async fn discord(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Discord is away")?;
    season.to(3, 15, 14, 0).await;
    let gone = Fault::status(404);
    season.rig.discord.faults().always(Matching::All, gone.clone());
    pays(&season.rig, Some(ZOE), "zoe", &season.rig.premium);
    season.rig.minutes(5).await;
    season.rig.plex.accept_invite("zoe@example.com");
    season
        .within(NEXT_LOOK, "Discord's webhook answers 404. Zoe pays, is invited and welcomed all the same", |rig| {
            had(rig, "zoe", WELCOME, 1)?;
            told_by_mail(rig, "zoe is in", 1)?;
            so(rig.discord.faults().struck(&gone) > 0, "Discord was not tried")
        })
        .await?;
    season.to(3, 15, 20, 0).await;
    season.rig.discord.faults().clear();
    season
        .within(
            TimeDelta::hours(25),
            "The webhook works again: the message that waited comes within a day, once",
            |rig| told_on_discord(rig, "zoe is in", 1),
        )
        .await?;
    season.line("Six outages: not one who should be in has lost access", |rig| {
        // Of old: all but Karin. Mia; and of those who pay: all but Dave, Finn and Cora.
        same("people with access", &people_in(rig), &(OLD_FRIENDS - 1 + 1 + 6))
    })
}
