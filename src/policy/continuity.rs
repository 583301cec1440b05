//! R9.5: continuity. A population far smaller than its largest in 7 days is
//! not believed at once; goings that were explained singly don't count as
//! missing.

use chrono::TimeDelta;

use super::{Drop, World, inactivity};
use crate::facts::{Activity, Moment, Source};
use crate::ledger::{Book, Explained, Peak, Population};

/// The largest count of so many days is what counts.
const DAYS: i64 = 7;
/// A second whole reading so much later confirms a drop to half or more.
const CONFIRMED_AFTER: TimeDelta = TimeDelta::minutes(60);

/// Measures one population in a whole reading that was begun at `begun`.
pub fn measure(begun: Moment, world: &mut World, book: &mut Book, population: Population, count: u64) {
    let expected = expected(begun, book, population);
    let few = expected.saturating_sub(count);
    let stands = (count * 100 >= expected * 80 || few <= 2) && !(count == 0 && expected > 0);
    if stands {
        world.drops.remove(&population);
        world.accepted_drops.remove(&population);
        raise(begun, book, population, count);
        return;
    }
    let at_half = count * 2 >= expected;
    // A first reading at half is none that confirms, whatever came before it.
    let before = world.drops.get(&population).filter(|drop| !at_half || drop.now * 2 >= drop.expected);
    let since = before.map_or(begun, |drop| drop.since);
    let confirmed = at_half && begun - since >= CONFIRMED_AFTER;
    if confirmed || world.accepted_drops.remove(&population) {
        world.drops.remove(&population);
        book.marks.populations.remove(&population);
        raise(begun, book, population, count);
        return;
    }
    world.drops.insert(population, Drop { since, now: count, expected, begun_anew: false });
}

/// Measures Tautulli's populations. A history that fell below half and lacks the
/// plays it had begun with is not the one of before: then neither its growth nor
/// an hour makes it believed, but only `usher accept`.
pub fn measure_history(begun: Moment, world: &mut World, book: &mut Book, activity: &Activity) {
    let counts = inactivity::populations(activity);
    let begun_anew = match (activity.oldest_play, book.marks.history_since) {
        (Some(oldest), Some(known)) => oldest > known,
        (oldest, known) => oldest.is_none() && known.is_some(),
    };
    if book.marks.history_fell && begun_anew {
        for (population, now) in counts.into_iter().filter(|(population, _)| *population == Population::History) {
            let since = world.drops.get(&population).map_or(begun, |drop| drop.since);
            let expected = expected(begun, book, population);
            world.drops.insert(population, Drop { since, now, expected, begun_anew });
        }
        return;
    }
    for (population, count) in counts {
        measure(begun, world, book, population, count);
    }
    let fell = |(population, drop): (&Population, &Drop)| {
        population.source() == Source::Tautulli && drop.now * 2 < drop.expected
    };
    book.marks.history_fell = world.drops.iter().any(fell);
}

/// The largest count of the last 7 days, or, where none of them was believed,
/// of the 7 days up to the last count that was; less what was explained since
/// then. A drop that isn't believed doesn't
/// become the measure by lasting: not after a week, not after a restart.
fn expected(now: Moment, book: &Book, population: Population) -> u64 {
    let Some(peaks) = book.marks.populations.get(&population) else { return 0 };
    let Some(believed) = peaks.values().map(|peak| peak.at).max() else { return 0 };
    let end = if now - believed <= TimeDelta::days(DAYS) { now } else { believed };
    // A count is as old as its reading's begin: what was explained in that very
    // instant came after it.
    let since = |at: Moment| move |explained: &&Explained| explained.population == population && explained.at >= at;
    let explained_since =
        |at: Moment| book.explained.iter().filter(since(at)).map(|explained| explained.count).sum::<u64>();
    peaks
        .values()
        .filter(|peak| end - peak.at <= TimeDelta::days(DAYS))
        .map(|peak| peak.count.saturating_sub(explained_since(peak.at)))
        .max()
        .unwrap_or(0)
}

fn raise(at: Moment, book: &mut Book, population: Population, count: u64) {
    let peaks = book.marks.populations.entry(population).or_default();
    let peak = peaks.entry(at.date_naive()).or_insert(Peak { count, at });
    if count >= peak.count {
        *peak = Peak { count, at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Moment {
        Moment::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn held(counts: &[(i64, u64)]) -> bool {
        let (mut world, mut book) = (World::default(), Book::new(at(0)));
        for (minutes, count) in counts {
            measure(at(*minutes), &mut world, &mut book, Population::Friends, *count);
        }
        !world.drops.is_empty()
    }

    #[test]
    fn a_listing_of_nobody_is_never_believed_by_itself() {
        assert!(held(&[(0, 1), (2, 0)]));
        assert!(held(&[(0, 12), (2, 0), (70, 0), (500, 0)]));
    }

    #[test]
    fn up_to_two_fewer_or_four_fifths_pass() {
        assert!(!held(&[(0, 5), (2, 3)]));
        assert!(!held(&[(0, 100), (2, 80)]));
        assert!(held(&[(0, 100), (2, 79)]));
    }

    #[test]
    fn half_is_believed_after_an_hour_and_less_than_half_never() {
        assert!(held(&[(0, 100), (2, 50), (61, 50)]));
        assert!(!held(&[(0, 100), (2, 50), (62, 50)]));
        assert!(held(&[(0, 100), (2, 49), (300, 49)]));
    }

    #[test]
    fn two_readings_at_half_confirm_and_none_below_it_does() {
        assert!(held(&[(0, 100), (2, 0), (90, 50)]), "the first that shows half");
        assert!(held(&[(0, 100), (2, 50), (30, 0), (90, 50)]));
        assert!(!held(&[(0, 100), (2, 0), (90, 50), (150, 55)]));
    }

    #[test]
    fn a_drop_below_half_does_not_become_the_measure_by_lasting() {
        let day = 24 * 60;
        assert!(held(&[(0, 12), (day, 5), (6 * day, 5), (8 * day, 5), (30 * day, 5)]));
        let (mut world, mut book) = (World::default(), Book::new(at(0)));
        measure(at(0), &mut world, &mut book, Population::Friends, 12);
        for days in 1..40 {
            book.prune(at(days * day));
            let mut restarted = World::default();
            measure(at(days * day), &mut restarted, &mut book, Population::Friends, 0);
            assert!(!restarted.drops.is_empty(), "day {days}");
        }
    }

    #[test]
    fn what_was_believed_a_week_ago_is_no_measure() {
        let day = 24 * 60;
        let slowly: Vec<(i64, u64)> = (0..40).map(|n: u8| (i64::from(n) * 3 * day, u64::from(100 - 2 * n))).collect();
        assert!(!held(&slowly));
    }

    #[test]
    fn explained_goings_are_not_missing() {
        let (mut world, mut book) = (World::default(), Book::new(at(0)));
        measure(at(0), &mut world, &mut book, Population::Friends, 4);
        for n in 0..4 {
            book.explain(at(1), Population::Friends, format!("m-{n}"));
        }
        measure(at(2), &mut world, &mut book, Population::Friends, 0);
        assert!(world.drops.is_empty());
    }

    #[test]
    fn many_small_drops_in_one_day_are_one_large_one() {
        assert!(held(&[(0, 20), (2, 17), (4, 14)]), "14 of 20, each step less than a fifth");
    }

    #[test]
    fn who_came_after_others_had_gone_is_expected_to_stay() {
        let (mut world, mut book) = (World::default(), Book::new(at(0)));
        measure(at(0), &mut world, &mut book, Population::Friends, 10);
        for n in 0..3 {
            book.explain(at(1), Population::Friends, format!("m-{n}"));
        }
        measure(at(2), &mut world, &mut book, Population::Friends, 10);
        measure(at(3), &mut world, &mut book, Population::Friends, 7);
        assert!(!world.drops.is_empty(), "of those ten nobody's going was explained");
    }

    #[test]
    fn only_goings_of_this_population_since_it_was_counted_are_explained() {
        let after = |explained: i64, population| {
            let (mut world, mut book) = (World::default(), Book::new(at(0)));
            measure(at(5), &mut world, &mut book, Population::Friends, 10);
            for n in 0..4 {
                book.explain(at(explained), population, format!("m-{n}"));
            }
            measure(at(9), &mut world, &mut book, Population::Friends, 6);
            world.drops.is_empty()
        };
        assert!(after(6, Population::Friends) && after(5, Population::Friends));
        assert!(!after(4, Population::Friends), "they were missing from the count already");
        assert!(!after(6, Population::Subscriptions), "who pays no longer has not left");
    }

    #[test]
    fn what_is_exactly_a_week_old_is_still_a_measure_and_no_more_than_that() {
        let day = 24 * 60;
        assert!(!held(&[(0, 20), (3 * day, 18), (10 * day, 15)]), "15 of 18; the 20 are ten days old");
        assert!(held(&[(0, 20), (3 * day, 18), (7 * day, 15)]), "15 of 20");
    }
}
