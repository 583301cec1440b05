//! Usher comes to a house that has been open for years.

use std::time::Duration;

use chrono::TimeDelta;

use super::Failed;
use super::cast::{self, GRETA, MIA, OLD_FRIENDS};
use super::teller::{Season, WELCOME, date, had, is_in, nothing_changed, people_in, same, told};
use crate::rig::OPERATOR;

/// Long intervals, so that what happens to the minute is the deadlines' and
/// the webhooks' doing. Tautulli: unread for two hours counts as unseen.
const INTERVALS: [(&str, &str); 3] =
    [("CHECK_BILLING_SECS", "14400"), ("CHECK_NEW_USERS_SECS", "3600"), ("CHECK_INACTIVITY_SECS", "6600")];
/// Stripe tells of what falls due by itself this soon.
const STRIPE_TELLS_EVERY: Duration = Duration::from_secs(60);

/// Twelve friends of old, and one who is invited by hand.
pub(super) async fn play(season: &mut Season<'_>) -> Result<(), Failed> {
    season.episode("Usher comes to the door")?;
    cast::gather(&season.rig);
    for (name, secs) in INTERVALS {
        season.rig.set(name, secs);
    }
    season.rig.set("VIP_NAMES", "greta");
    season.rig.stripe.tick_every(STRIPE_TELLS_EVERY);
    season.aside("Attic Cinema has 12 friends: Greta is a VIP, Henry is family, both haven't watched for ages.")?;
    season.aside("Usher looks at Plex every hour, at Tautulli every 110 minutes, at Stripe every 4 hours.")?;
    let opened = season.rig.now();
    season.rig.open().await;
    season.rig.hours(3).await;
    season.line("Usher has looked around: 12 friends stay as they are, and nobody hears of it", |rig| {
        nothing_changed(rig, opened, OLD_FRIENDS)?;
        let to_members = rig.smtp.received().into_iter().filter(|letter| letter.to != [OPERATOR]);
        same("letters to members", &to_members.map(|letter| letter.subject).collect::<Vec<_>>(), &Vec::new())
    })?;

    season.to(1, 4, 15, 0).await;
    season.rig.person(MIA.0, "mia");
    season.rig.plex.invite_by_hand("mia@example.com", &[season.rig.movies]);
    season.rig.minutes(40).await;
    season.rig.plex.accept_invite("mia@example.com");
    season
        .within(
            TimeDelta::minutes(70),
            "Mia, invited by hand in Plex, took it up: Usher sees her and welcomes her",
            |rig| {
                had(rig, "mia", WELCOME, 1)?;
                told(rig, "mia is in", 1)?;
                same("people with access", &people_in(rig), &(OLD_FRIENDS + 1))
            },
        )
        .await?;
    cast::will_watch_weekly(&season.rig, MIA, date(&season.rig, 4, 30, 0, 0));
    season.line("Greta and Henry are protected: no warning goes to them", |rig| {
        same("letters to greta", &rig.subjects_to("greta"), &Vec::new())?;
        same("letters to henry", &rig.subjects_to("henry"), &Vec::new())?;
        is_in(rig, GRETA)
    })
}
