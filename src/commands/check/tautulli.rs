//! Tautulli: whether idleness can be known at all.

use chrono::TimeDelta;

use super::{Finding, Said, plex::drops, read, way_out};
use crate::clock::Clock;
use crate::config::Config;
use crate::facts::{Activity, FailureKind, Source};
use crate::policy::{Scene, brake};
use crate::services::tautulli::Tautulli;

const WHAT: &str = "Tautulli";

/// Everybody's last play, as the activity loop reads it.
pub(super) async fn ask(config: &Config, clock: &Clock, tautulli: &Tautulli) -> Said<Activity> {
    let since = (clock.now() - TimeDelta::days(i64::from(config.house.kick_days))).date_naive();
    let reading = read(clock, tautulli.activity(since)).await;
    Said { reading, skew_secs: tautulli.skew_secs() }
}

pub(super) fn judge(config: &Config, scene: Scene<'_>) -> Vec<Finding> {
    if config.tautulli.is_none() {
        return vec![Finding::off(WHAT, "TAUTULLI_URL isn't set: nobody is looked at for not watching")];
    }
    let Some(activity) = scene.world.tautulli.value() else {
        let Some(unread) = &scene.world.tautulli.last_error else { return Vec::new() };
        let mend = match unread.kind {
            FailureKind::Unreachable if !unread.why.contains("certificate") && !unread.why.contains("answered") => {
                "; is TAUTULLI_URL right? In a container localhost is the container itself: name Tautulli's container or \
                 address"
            }
            _ => way_out(unread),
        };
        return vec![Finding::fail(WHAT, format!("{}{mend}", unread.why))];
    };
    if let Some(why) = brake::identity_failure(scene, Source::Tautulli) {
        return vec![Finding::fail(WHAT, why)];
    }
    if !activity.connected {
        let says = "it isn't connected to Plex, so no play is recorded and nobody is judged; look at Tautulli's Settings, \
                    Plex Media Server";
        return vec![Finding::fail(WHAT, says)];
    }
    let mut findings = vec![Finding::ok(
        WHAT,
        format!(
            "it watches our server and is connected; plays in its history: {}, people with any: {}",
            activity.history_total,
            activity.people.values().filter(|watcher| watcher.last_play.is_some()).count()
        ),
    )];
    findings.extend(gaps(scene, activity).into_iter().map(|says| Finding::warn(WHAT, says)));
    findings.extend(drops(scene, Source::Tautulli).map(|says| Finding::warn(WHAT, says)));
    findings
}

/// What it doesn't record, and who so is never judged.
fn gaps(scene: Scene<'_>, activity: &Activity) -> Vec<String> {
    let mut gaps = Vec::new();
    let unkept = activity.people.values().filter(|watcher| !watcher.keep_history).count();
    if unkept > 0 {
        gaps.push(format!(
            "it keeps no history of {unkept} of {} people, who are never judged; in Tautulli: Users, the person, Keep \
             History",
            activity.people.len()
        ));
    }
    let titles: Vec<String> = activity
        .unlogged_keys
        .iter()
        .map(|key| {
            let known = scene.book.libraries.known.values().find(|section| section.key == *key);
            known.map_or_else(|| format!("#{key}"), |section| format!("{:?}", section.title))
        })
        .collect();
    if !titles.is_empty() {
        gaps.push(format!(
            "it keeps no history of {}, and who may watch there is never judged; in Tautulli: Libraries, the library, \
             Keep History",
            titles.join(", ")
        ));
    }
    gaps
}
