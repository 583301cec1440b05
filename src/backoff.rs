//! When to try again. Pure: it says how long to wait, the next pass (or the
//! loop's next turn) does it. Jitter comes from a hash of who asks and how
//! often, so a test's year replays to the second and two loops still don't
//! march in step.

use std::time::Duration;

use chrono::TimeDelta;

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A failing loop first waits the smaller of its interval and this.
pub const LOOP_BASE_MAX: Duration = minutes(1);
/// A failing loop never waits longer than this (DESIGN §7).
pub const LOOP_CAP: Duration = minutes(15);

/// The same while somebody who paid, or a hint of money, waits for it.
pub const HURRIED_CAP: Duration = minutes(2);
/// What was held, refused or throttled waits first so long (RULES R9)…
pub const AGAIN_BASE: Duration = minutes(1);
/// …and then longer each time, up to this.
pub const AGAIN_CAP: Duration = minutes(60);
/// A hint that failed is followed again after this at the earliest.
pub const HINT_BASE: Duration = Duration::from_secs(5);

/// After the first, second, … failed delivery of a letter; the last one is
/// repeated for as long as the letter is worth sending. RFC 5321
/// asks for 30 min; most hiccups and greylists are over in five, hence the
/// shorter beginning.
pub const MAIL_SCHEDULE: [Duration; 6] =
    [minutes(1), minutes(5), minutes(15), minutes(30), minutes(60), MAIL_SCHEDULE_END];
/// The pace of letters that keep failing.
pub const MAIL_SCHEDULE_END: Duration = minutes(120);

/// The longest wait that a service may ask for; after it we look again.
pub const ASKED_FOR_MAX: Duration = minutes(24 * 60);

/// Nothing waits longer by the clock: what a service may ask for, and the second by
/// which that is rounded up.
pub const WAIT_MAX: TimeDelta = TimeDelta::seconds(24 * 3600 + 1);

/// How long to wait where a service says how long: nonsense neither silences it
/// for good nor runs off the calendar.
#[must_use]
pub fn asked_for(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait.min(ASKED_FOR_MAX)).unwrap_or_default()
}

/// How long to wait after `failures` failures in a row (the first waits about
/// `base`): doubling up to `cap`, and of that a hashed 75 to 100 %.
#[must_use]
pub fn delay(base: Duration, cap: Duration, failures: u32, key: &str) -> Duration {
    let doublings = failures.saturating_sub(1);
    let grown = 2_u32.checked_pow(doublings).and_then(|factor| base.checked_mul(factor)).unwrap_or(cap);
    permille_of(grown.min(cap), 750 + share_of(251, key, u64::from(failures)))
}

/// How long a loop with this interval waits after `failures` failures.
#[must_use]
pub fn loop_delay(interval: Duration, cap: Duration, failures: u32, key: &str) -> Duration {
    delay(interval.min(LOOP_BASE_MAX), cap, failures, key)
}

/// How long something waits that was held, refused or throttled so many times.
#[must_use]
pub fn again(cap: Duration, times: u32, key: &str) -> TimeDelta {
    TimeDelta::from_std(delay(AGAIN_BASE, cap, times, key)).unwrap_or(TimeDelta::hours(1))
}

/// How long a hint waits that could not be followed for `failing`: half as long
/// again. So an outage of a minute costs at most half a minute more, and any
/// outage at most two, in some ten calls and then one each two minutes.
#[must_use]
pub fn hint_delay(failing: Duration) -> Duration {
    (failing / 2).clamp(HINT_BASE, HURRIED_CAP)
}

/// The `n`th wait of a loop that is well: its interval, ±5 % by hash.
#[must_use]
pub fn interval_with_jitter(interval: Duration, key: &str, n: u64) -> Duration {
    permille_of(interval, 950 + share_of(101, key, n))
}

/// How long a letter waits after `failures` failed deliveries (the first is 1).
#[must_use]
pub fn mail_delay(failures: u32, key: &str) -> Duration {
    let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = MAIL_SCHEDULE.get(place).copied().unwrap_or(MAIL_SCHEDULE_END);
    permille_of(wait, 1000 + share_of(51, key, u64::from(failures)))
}

/// `permille` thousandths of `whole`, to the millisecond.
fn permille_of(whole: Duration, permille: u64) -> Duration {
    let whole_millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX / 2000);
    Duration::from_millis(whole_millis.saturating_mul(permille) / 1000)
}

/// A number below `below` that depends on nothing but key and count: FNV-1a,
/// then a finisher, since FNV alone barely moves when only the count changes.
fn share_of(below: u64, key: &str, n: u64) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let count = n.to_le_bytes();
    let mut hash = FNV_OFFSET;
    for byte in key.bytes().chain(count) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)) % below
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const BASE: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_and_stay_between_three_quarters_and_the_whole() {
        for (failures, whole_secs) in [(0, 60), (1, 60), (2, 120), (3, 240), (4, 480), (5, 900), (6, 900), (90, 900)] {
            let whole = Duration::from_secs(whole_secs);
            let wait = delay(BASE, LOOP_CAP, failures, "billing");
            assert!(wait <= whole && wait >= whole * 3 / 4, "{failures} failures: {wait:?}");
        }
    }

    #[test]
    fn no_number_of_failures_overflows_or_goes_past_the_cap() {
        for failures in [31, 32, 33, 64, u32::MAX] {
            assert!(delay(BASE, LOOP_CAP, failures, "x") <= LOOP_CAP);
            assert!(delay(Duration::MAX, Duration::MAX, failures, "x") > LOOP_CAP);
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        assert_eq!(delay(BASE, LOOP_CAP, 3, "friends"), delay(BASE, LOOP_CAP, 3, "friends"));
        assert_eq!(interval_with_jitter(BASE, "friends", 3), interval_with_jitter(BASE, "friends", 3));
    }

    #[test]
    fn loops_and_turns_do_not_march_in_step() {
        let turns: BTreeSet<_> = (0..100).map(|n| interval_with_jitter(BASE, "friends", n)).collect();
        assert!(turns.len() > 40, "only {} different waits of 100", turns.len());
        let loops: BTreeSet<_> =
            ["billing", "friends", "activity", "courier"].map(|key| delay(BASE, LOOP_CAP, 4, key)).into();
        assert_eq!(loops.len(), 4);
    }

    #[test]
    fn jitter_stays_within_five_percent_and_reaches_both_sides() {
        let waits: Vec<_> = (0..1000).map(|n| interval_with_jitter(Duration::from_secs(100), "billing", n)).collect();
        assert!(waits.iter().all(|wait| (95_000..=105_000).contains(&wait.as_millis())));
        assert!(waits.iter().any(|wait| wait.as_millis() < 96_000));
        assert!(waits.iter().any(|wait| wait.as_millis() > 104_000));
    }

    #[test]
    fn what_a_service_asks_for_is_granted_up_to_a_day() {
        for (asked, granted) in [(0, 0), (90, 90), (86_400, 86_400), (86_401, 86_400), (u64::MAX, 86_400)] {
            assert_eq!(asked_for(Duration::from_secs(asked)), TimeDelta::seconds(granted), "{asked}");
        }
    }

    #[test]
    fn a_quick_loop_is_not_slowed_to_a_minute_by_its_first_failure() {
        assert!(loop_delay(Duration::from_secs(2), LOOP_CAP, 1, "friends") <= Duration::from_secs(2));
        assert!(loop_delay(Duration::from_secs(1800), LOOP_CAP, 1, "activity") <= LOOP_BASE_MAX);
    }

    #[test]
    fn a_hint_waits_half_a_minute_after_a_minute_and_never_longer_than_two() {
        for (failing, waits) in [(0, 5), (8, 5), (20, 10), (60, 30), (240, 120), (90_000, 120)] {
            assert_eq!(hint_delay(Duration::from_secs(failing)).as_secs(), waits, "{failing}");
        }
    }

    #[test]
    fn letters_follow_the_list_and_then_every_two_hours() {
        for (failures, wait) in [(1, 1), (2, 5), (3, 15), (4, 30), (5, 60), (6, 120), (7, 120), (500, 120)] {
            let wait = minutes(wait);
            let told = mail_delay(failures, "n-1");
            assert!(told >= wait && told <= wait * 105 / 100, "{failures}: {told:?}");
        }
    }
}
