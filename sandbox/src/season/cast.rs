//! Who is at the door this season.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId};

use super::teller::date;
use crate::rig::{Rig, address};

/// Of the old friends: a VIP, one of the owner's home, and the rest.
pub(super) const GRETA: PlexId = PlexId(2_000_001);
pub(super) const HENRY: PlexId = PlexId(2_000_002);
pub(super) const IDA: PlexId = PlexId(2_000_003);
pub(super) const PAUL: PlexId = PlexId(2_000_004);
pub(super) const JONAS: PlexId = PlexId(2_000_005);
pub(super) const KARIN: PlexId = PlexId(2_000_006);
pub(super) const ROSA: PlexId = PlexId(2_000_007);
pub(super) const VERA: PlexId = PlexId(2_000_008);
/// Those of the film night.
pub(super) const LENA: PlexId = PlexId(2_000_009);
pub(super) const MAX: PlexId = PlexId(2_000_010);
pub(super) const NORA: PlexId = PlexId(2_000_011);
pub(super) const OTTO: PlexId = PlexId(2_000_012);
/// How many they are.
pub(super) const OLD_FRIENDS: usize = 12;

/// People who come during the season.
pub(super) const MIA: PlexId = PlexId(2_000_020);
pub(super) const ANN: PlexId = PlexId(2_000_021);
pub(super) const CORA: PlexId = PlexId(2_000_022);
pub(super) const DAVE: PlexId = PlexId(2_000_023);
pub(super) const EMMA: PlexId = PlexId(2_000_024);
pub(super) const FINN: PlexId = PlexId(2_000_025);
pub(super) const UMA: PlexId = PlexId(2_000_026);
pub(super) const XENIA: PlexId = PlexId(2_000_027);
pub(super) const ZOE: PlexId = PlexId(2_000_028);

/// The friends from before Usher, with what they watched and will watch.
pub(super) fn gather(rig: &Rig) {
    let friends = [
        (GRETA, "greta"),
        (IDA, "ida"),
        (PAUL, "paul"),
        (JONAS, "jonas"),
        (KARIN, "karin"),
        (ROSA, "rosa"),
        (VERA, "vera"),
        (LENA, "lena"),
        (MAX, "max"),
        (NORA, "nora"),
        (OTTO, "otto"),
    ];
    for (id, name) in friends {
        rig.old_friend(id.0, name, 400);
    }
    rig.plex.add_home_user(HENRY, "henry", &address("henry"));
    rig.tautulli.add_user(HENRY, "henry", &address("henry"));
    rig.plex.share_with(HENRY, &[rig.movies, rig.tv], rig.now() - TimeDelta::days(900));

    rig.watched(GRETA, TimeDelta::days(200));
    rig.watched(HENRY, TimeDelta::days(300));
    let weekly = |who, last| watches_weekly(rig, who, last);
    weekly(IDA, date(rig, 4, 30, 0, 0));
    weekly(PAUL, date(rig, 4, 30, 0, 0));
    weekly(VERA, date(rig, 4, 30, 0, 0));
    weekly(ROSA, date(rig, 1, 31, 0, 0));
    for who in [LENA, MAX, NORA, OTTO] {
        weekly(who, date(rig, 3, 1, 0, 0));
    }
    // Sunday, 14 December, and Tuesday, 16 December, both until 21:00.
    rig.watched(JONAS, TimeDelta::hours(19 * 24 + 12));
    rig.watched(KARIN, TimeDelta::hours(17 * 24 + 12));
}

/// Two hours every Friday evening, from five weeks ago until `last`.
fn watches_weekly(rig: &Rig, who: PlexId, last: Moment) {
    // The season begins on a Saturday at nine.
    every_week(rig, who, rig.now() - TimeDelta::days(36) + TimeDelta::hours(13), last);
}

/// Two hours every week from now on until `last`.
pub(super) fn will_watch_weekly(rig: &Rig, who: PlexId, last: Moment) {
    every_week(rig, who, rig.now() + TimeDelta::hours(2), last);
}

fn every_week(rig: &Rig, who: PlexId, first: Moment, last: Moment) {
    let mut stopped = first;
    while stopped < last {
        rig.tautulli.play(who, stopped - TimeDelta::hours(2), stopped);
        stopped += TimeDelta::days(7);
    }
}

/// Somebody with a Plex account pays under its address: customer and subscription.
pub(super) fn pays(rig: &Rig, who: Option<PlexId>, name: &str, price: &str) -> String {
    if let Some(id) = who {
        rig.person(id.0, name);
    }
    let customer = rig.stripe.customer(&address(name), &capital(name));
    rig.stripe.subscribe(&customer, price)
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
