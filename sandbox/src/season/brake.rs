//! A plug that is pulled, and what the brake holds.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use usher::facts::PlexId;

use super::Failed;
use super::cast::{GRETA, HENRY, LENA, MAX, NORA, OTTO, pays, will_watch_weekly};
use super::paying::{account, subscription};
use super::teller::{ENDED, Season, WARNING, WELCOME, date, had, invited, is_in, is_out, same, so, told, told_by_mail};
use crate::faults::{Fault, Matching};

/// The film night's guests.
const GUESTS: [(PlexId, &str); 4] = [(LENA, "lena"), (MAX, "max"), (NORA, "nora"), (OTTO, "otto")];
/// Between two removals (`REMOVAL_PACE_MINS`).
const PACE: TimeDelta = TimeDelta::minutes(10);
/// What is awaited here is looked for this often.
const STEP: Duration = Duration::from_secs(1);

/// The power fails between a removal and the look whether it worked.
pub(super) async fn a_crash(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("The power fails in the middle of a removal")?;
    season.to(3, 17, 9, 0).await;
    let ben = account(&season.rig, "ben");
    season.rig.stripe.cancel_now(&subscription(&season.rig, "ben"), "cancellation_requested");
    season.to(3, 18, 8, 59).await;
    season.line("Ben has cancelled; his last minute has come", |rig| is_in(rig, ben))?;
    let ended = season.rig.plex.deletions().len();
    let plex = season.rig.plex.clone();
    // Once his share is gone, plex.tv answers nothing any more.
    let silent = Matching::when(move |request| !request.change && plex.deletions().len() > ended);
    season.rig.plex.faults().always(silent, Fault::Hang);
    for _ in 0..300 {
        if season.rig.plex.deletions().len() > ended {
            break;
        }
        season.rig.pass(STEP).await;
    }
    season.line("Usher has ended his share and waits to see it gone", |rig| {
        is_out(rig, ben)?;
        had(rig, "ben", ENDED, 0)
    })?;
    season.rig.pull_the_plug().await;
    season.aside("Here the power fails. Twenty minutes later it is back.")?;
    season.rig.plex.faults().clear();
    season.rig.minutes(20).await;
    season.rig.open().await;
    season
        .within(
            TimeDelta::minutes(5),
            "Usher starts, looks, and sees that it was done: no second call, one letter",
            |rig| {
                is_out(rig, ben)?;
                had(rig, "ben", ENDED, 1)?;
                told(rig, "ben was removed", 1)
            },
        )
        .await
}

/// Four guests of one evening fall idle at the same minute.
pub(super) async fn film_night(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Four at once: the brake holds")?;
    season.to(3, 28, 20, 55).await;
    season.aside("Lena, Max, Nora and Otto watched a film together on Sunday, 1 March, and nothing since.")?;
    season
        .within(
            TimeDelta::minutes(70),
            "27 days later all four are due a warning. So many at once wait for the operator",
            |rig| {
                told(rig, "Waiting for you: 4 actions", 1)?;
                GUESTS.iter().try_for_each(|(_, name)| had(rig, name, WARNING, 0))
            },
        )
        .await?;
    season.to(3, 29, 10, 0).await;
    approve(season, 4).await?;
    season
        .within(TimeDelta::minutes(1), "The operator approves, and four warnings go out: until Wednesday", |rig| {
            GUESTS.iter().try_for_each(|(_, name)| had(rig, name, &format!("{WARNING}Wednesday, 1 April 2026"), 1))
        })
        .await?;
    season.to(3, 30, 20, 0).await;
    let now = season.rig.now();
    season.rig.tautulli.play(OTTO, now, now + TimeDelta::hours(2));
    will_watch_weekly(&season.rig, OTTO, date(&season.rig, 4, 30, 0, 0));

    season.to(4, 2, 0, 0).await;
    season
        .within(
            TimeDelta::minutes(2),
            "Otto watched on Monday and stays. The other three are due: again too many, held",
            |rig| told(rig, "Waiting for you: 3 actions", 1),
        )
        .await?;
    season.to(4, 2, 9, 0).await;
    season.line("In the morning nobody has been removed", |rig| {
        GUESTS.iter().try_for_each(|(who, _)| is_in(rig, *who))
    })?;
    approve(season, 3).await?;
    season
        .within(
            TimeDelta::minutes(40),
            "The operator approves: Lena, Max and Nora are out, ten minutes apart, a letter each",
            |rig| {
                for (who, name) in GUESTS.iter().take(3) {
                    is_out(rig, *who)?;
                    had(rig, name, ENDED, 1)?;
                    told_by_mail(rig, &format!("{name} was removed"), 1)?;
                }
                let ends: Vec<_> = rig.plex.deletions().into_iter().rev().take(3).map(|deleted| deleted.at).collect();
                let apart = ends.iter().zip(ends.iter().skip(1)).all(|(late, early)| *late - *early >= PACE);
                so(apart, &format!("they went at {ends:?}"))
            },
        )
        .await?;
    season.line("Otto is in; Greta and Henry, who watched nothing all season, were never touched", |rig| {
        for who in [OTTO, GRETA, HENRY] {
            is_in(rig, who)?;
        }
        same("letters to otto", &rig.subjects_to("otto").len(), &1)?;
        same("letters to greta and henry", &(rig.subjects_to("greta").len() + rig.subjects_to("henry").len()), &0)
    })
}

/// Approves all that waits, as `usher approve all` does; so many were held.
async fn approve(season: &mut Season<'_>, wanted: usize) -> Result<(), Failed> {
    let page = season.rig.get("/api/holds").await;
    let held = page["json"]["holds"].as_array().map_or(0, Vec::len);
    season.line(&format!("`usher holds` lists {wanted}; `usher approve all`"), |_| same("holds", &held, &wanted))?;
    season.held += held;
    season.rig.ask(json!({ "ask": "approve", "ids": ["all"] })).await;
    Ok(())
}

/// Somebody who was removed pays and comes back.
pub(super) async fn back_again(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("One comes back")?;
    season.to(4, 3, 12, 0).await;
    pays(&season.rig, None, "nora", &season.rig.basic);
    season
        .within(TimeDelta::seconds(5), "Nora pays for Basic: whoever pays is invited, whatever was before", |rig| {
            invited(rig, "nora", 1)
        })
        .await?;
    season.rig.plex.accept_invite("nora@example.com");
    season
        .within(TimeDelta::minutes(70), "She accepts and is welcomed back, to Movies", |rig| {
            had(rig, "nora", WELCOME, 1)?;
            let share = rig.plex.share_of(NORA).ok_or("she has no share")?;
            same("her libraries", &share.sections, &vec![rig.movies])
        })
        .await?;
    season.to(4, 4, 9, 0).await;
    Ok(())
}
