//! Those who stop watching.

use chrono::TimeDelta;

use super::Failed;
use super::cast::{JONAS, KARIN};
use super::teller::{ENDED, Season, WARNING, date, had, is_in, is_out, same, told};

/// From a deadline to the deed.
const PROMPT: TimeDelta = TimeDelta::seconds(60);

/// Jonas watches again; Karin doesn't.
pub(super) async fn january(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Two friends fall idle")?;
    season.to(1, 10, 20, 55).await;
    season
        .within(TimeDelta::hours(2), "Jonas hasn't watched for 27 days: he is warned, and has until Tuesday", |rig| {
            had(rig, "jonas", &format!("{WARNING}Tuesday, 13 January 2026"), 1)?;
            told(rig, "jonas is idle", 1)
        })
        .await?;
    season.to(1, 11, 20, 0).await;
    let now = season.rig.now();
    season.rig.tautulli.play(JONAS, now, now + TimeDelta::hours(2));
    super::cast::will_watch_weekly(&season.rig, JONAS, date(&season.rig, 4, 30, 0, 0));
    season.to(1, 12, 20, 55).await;
    season
        .within(TimeDelta::hours(2), "Karin hasn't watched for 27 days: she is warned, and has until Thursday", |rig| {
            had(rig, "karin", &format!("{WARNING}Thursday, 15 January 2026"), 1)
        })
        .await?;
    season.to(1, 14, 12, 0).await;
    season.line("Jonas watched a film on Sunday: his Tuesday has passed, and he stays", |rig| {
        same("letters to jonas", &rig.subjects_to("jonas").len(), &1)?;
        is_in(rig, JONAS)
    })?;
    season.to(1, 15, 23, 59).await;
    season.line("Karin still has this minute: the whole day was promised to her", |rig| is_in(rig, KARIN))?;
    season.to(1, 16, 0, 0).await;
    season.within(PROMPT, "Her day is over, and within the minute Karin is out", |rig| is_out(rig, KARIN)).await?;
    season
        .within(TimeDelta::minutes(2), "A letter tells her why, and the operator hears it", |rig| {
            had(rig, "karin", ENDED, 1)?;
            told(rig, "karin was removed", 1)?;
            same("deleted in Tautulli", &rig.tautulli.deleted_users(), &Vec::new())
        })
        .await
}
