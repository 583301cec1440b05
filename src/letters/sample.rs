//! One letter of each kind, for `usher preview`, for trying the operator's
//! own templates, and for the golden files. All persons are invented.

use chrono::{NaiveDate, TimeZone, Utc};

use crate::facts::{AfterTrial, CustomerId, Email, Moment, PlexId};
use crate::ledger::{
    Audience, DigestPart, Dispatch, EndedBecause, FirstSending, Letter, MemberTold, NoticeKey, Person,
};
use crate::member::MemberId;

/// Every kind's word, members' letters first.
pub const KINDS: [&str; 29] = [
    "invited",
    "welcome",
    "inactivity_warning",
    "removed_inactive",
    "payment_failed",
    "payment_action_required",
    "trial_ending",
    "cancellation_received",
    "cancellation_undone",
    "tier_changed",
    "access_ending",
    "subscription_paused",
    "doubled",
    "access_ended",
    "invite_reminder",
    "subscribe",
    "subscription_cancelled",
    "billing_link",
    "joined",
    "departed",
    "warned",
    "removed",
    "payment_trouble",
    "held",
    "source_down",
    "source_recovered",
    "attention",
    "would_have",
    "digest",
];

/// A letter of `kind`; `None` when there is no such kind.
#[must_use]
pub fn sample(kind: &str) -> Option<Letter> {
    to_member(kind).or_else(|| to_operator(kind))
}

/// The same, as it is handed to a channel: from Saturday, 21 November 2026.
#[must_use]
pub fn sample_dispatch(kind: &str) -> Option<Dispatch> {
    let member = to_member(kind).is_some();
    Some(Dispatch {
        key: NoticeKey(format!("m-42/{kind}/sample/{}", if member { "member" } else { "operator" })),
        audience: if member { Audience::Member } else { Audience::Operator },
        to: if member { Email::parse("ann@example.com") } else { None },
        letter: sample(kind)?,
        first: FirstSending { message_id: format!("7f9c0e1a.{kind}@example.com"), date: at(8) },
        dry_run: kind == "would_have",
    })
}

fn to_member(kind: &str) -> Option<Letter> {
    let libraries = || texts(&["Films", "Series", "Children's Films"]);
    Some(match kind {
        "invited" => Letter::Invited {
            tier: Some("Balcony".to_owned()),
            libraries: libraries(),
            downloads: true,
            address: Email::parse("ann@example.com")?,
        },
        "welcome" => Letter::Welcome { libraries: libraries(), downloads: true },
        "inactivity_warning" => Letter::InactivityWarning {
            idle_days: 27,
            last_play: date(2026, 10, 25),
            never_watched: false,
            until: date(2026, 11, 24)?,
            downloads: true,
            pays: false,
        },
        "removed_inactive" => {
            Letter::RemovedInactive { idle_days: 30, warned_on: date(2026, 11, 21), was_promised: date(2026, 11, 24) }
        }
        "payment_failed" => Letter::PaymentFailed {
            amount: Some("€ 8.00".to_owned()),
            pay_url: Some("https://invoice.stripe.com/i/acct_1/test_sample".to_owned()),
            access_until: date(2026, 11, 28),
            next_attempt: date(2026, 11, 24),
        },
        "payment_action_required" => Letter::PaymentActionRequired {
            amount: Some("€ 8.00".to_owned()),
            pay_url: Some("https://invoice.stripe.com/i/acct_1/test_sample".to_owned()),
            access_until: date(2026, 11, 28),
        },
        "trial_ending" => Letter::TrialEnding { on: date(2026, 11, 24)?, then: AfterTrial::Charged },
        "cancellation_received" => Letter::CancellationReceived { on: date(2026, 12, 5)?, stays: false, asked: false },
        "cancellation_undone" => Letter::CancellationUndone { renews: date(2026, 12, 5) },
        "tier_changed" => Letter::TierChanged {
            tier: "Balcony".to_owned(),
            libraries: libraries(),
            downloads: true,
            also: texts(&["Concerts"]),
        },
        "access_ending" => Letter::AccessEnding { on: date(2026, 11, 28)?, days_left: 7, given: false },
        "subscription_paused" => Letter::SubscriptionPaused { until: date(2026, 12, 3)?, loses: Vec::new() },
        "doubled" => Letter::Doubled { plans: texts(&["Balcony", "Stalls"]) },
        "access_ended" => Letter::AccessEnded { because: EndedBecause::Canceled },
        "invite_reminder" => Letter::InviteReminder {
            libraries: libraries(),
            address: Email::parse("ann@example.com")?,
            days_ago: 10,
            lapses: date(2026, 11, 25),
        },
        "subscribe" => Letter::Subscribe {
            until: date(2026, 12, 5)?,
            address: Email::parse("ann@example.com"),
            member: Some(MemberId::number(3)),
        },
        "subscription_cancelled" => Letter::SubscriptionCancelled { idle_days: 30, until: date(2026, 12, 5) },
        "billing_link" => Letter::BillingLink { customer: CustomerId::from("cus_sample"), until: at(9) },
        _ => return None,
    })
}

fn to_operator(kind: &str) -> Option<Letter> {
    let who = Person {
        member: MemberId::number(42),
        name: "ann".to_owned(),
        email: Email::parse("ann@example.com"),
        plex: Some(PlexId(1_234_567)),
    };
    Some(match kind {
        "joined" => Letter::Joined {
            who,
            how: "Accepted the invite that was paid for (Balcony).".to_owned(),
            libraries: texts(&["Films", "Series"]),
        },
        "departed" => Letter::Departed { who, how: "The share was gone in two listings, 12 minutes apart.".to_owned() },
        "warned" => Letter::Warned { who, idle_days: 27, until: date(2026, 11, 24), told: MemberTold::Accepted },
        "removed" => Letter::Removed {
            who,
            why: "Idle for 30 days; warned on Saturday, 21 November 2026.".to_owned(),
            checked: texts(&[
                "Tautulli, just before: last play on Sunday, 25 October 2026, nothing playing now.",
                "Stripe, just before: no subscription of theirs.",
                "plex.tv, afterwards: the share is gone from the listing.",
            ]),
            told: MemberTold::Accepted,
            undo: "usher restore m-42".to_owned(),
        },
        "payment_trouble" => Letter::PaymentTrouble {
            who,
            detail: "€ 8.00, open since Saturday, 21 November 2026; Stripe tries again on the 24th.".to_owned(),
        },
        "held" => Letter::Held {
            title: "3 removals".to_owned(),
            reason: "One plan would remove 3 of 20 members, more than the 2 that may go in one. All of them wait."
                .to_owned(),
            people: texts(&[
                "ann (m-42): idle for 31 days",
                "bob (m-7): idle for 30 days",
                "Cleo (m-9): idle for 30 days",
            ]),
            how_to_approve: texts(&["usher approve h-3", "usher reject h-3"]),
        },
        "source_down" => Letter::SourceDown {
            source: "Tautulli".to_owned(),
            since: at(6),
            why: "Nothing answers at its address (connection refused).".to_owned(),
            what_to_do: "See whether Tautulli runs; `usher check` tells what Usher sees of it.".to_owned(),
        },
        "source_recovered" => {
            Letter::SourceRecovered { source: "Tautulli".to_owned(), since: at(6), down_for: "2 h 10 min".to_owned() }
        }
        "attention" => Letter::Attention {
            title: "The Plex server is another one".to_owned(),
            detail:
                "The server named “Attic” has another id than the one in the book. Nothing is changed at Plex until \
                     you say which is right."
                    .to_owned(),
            what_to_do: "If you have set the server up anew: `usher accept server`. Else check PLEX_TOKEN.".to_owned(),
        },
        "would_have" => Letter::WouldHave {
            who,
            what: "remove ann".to_owned(),
            why: "Idle for 30 days; the warning of Saturday, 21 November 2026 counts as accepted in dry run."
                .to_owned(),
        },
        "digest" => digest()?,
        _ => return None,
    })
}

fn digest() -> Option<Letter> {
    let part = |title: &str, lines: &[&str], more, see: &str| DigestPart {
        title: title.to_owned(),
        lines: texts(lines),
        more,
        see: see.to_owned(),
    };
    let holds = "`usher holds` says why each waits; `usher approve ID` lets it go on, `usher reject ID` drops it.";
    let unmatched = "`usher unmatched` lists them; `usher link ID --plex ACCOUNT` says who one is.";
    Some(Letter::Digest {
        day: date(2026, 11, 23)?,
        people_in: 42,
        to_do: vec![
            part(
                "Waits for you",
                &["h-3: remove ann (m-42): idle for 31 days", "h-4: remove bob (m-7): idle for 30 days"],
                0,
                holds,
            ),
            part("Pays and isn't in", &["Cleo (m-9): Stripe has no address for them"], 0, unmatched),
            part(
                "Not in order",
                &["Tautulli can't be read (since Sat 21 Nov)"],
                0,
                "You were written to when it began, with what to do.",
            ),
        ],
        parts: vec![
            part(
                "Money",
                &[
                    "Each month: 231.50 EUR + 20.00 USD (Stripe, read 2026-11-23 08:58)",
                    "Now: 29 active, 2 trialing, 1 past due, 0 unpaid, 0 paused; 1 of them set to end",
                    "2026-11: 3 new, 1 lost of 28 at its beginning (3.6 % churn)",
                ],
                0,
                "",
            ),
            part(
                "In the house",
                &[
                    "31 paying, 1 in grace, 2 protected, 1 complimentary, 3 grandfathered, 4 shared by hand",
                    "2 invites wait to be taken up.",
                ],
                0,
                "",
            ),
            part(
                "Since Monday, 16 November",
                &["Came: dora, emil", "Went: fred: idle for 30 days of observed time since 2026-10-19"],
                0,
                "",
            ),
            part(
                "Until Monday, 30 November",
                &[
                    "Mon 23 Nov: write to gil: watch something by 2026-11-26",
                    "Wed 25 Nov: write to hana: access ends on 2026-11-28",
                    "Fri 27 Nov: remove gil: idle for 30 days of observed time since 2026-10-27",
                ],
                4,
                "`usher plan` lists them all.",
            ),
        ],
    })
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|&one| one.to_owned()).collect()
}

fn date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day)
}

fn at(hour: u32) -> Moment {
    Utc.with_ymd_and_hms(2026, 11, 21, hour, 0, 0).single().unwrap_or_default()
}
