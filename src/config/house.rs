//! The house's rules, as far as the operator sets them.

use chrono::{Datelike, NaiveDate};

use super::parse::{self, Complaint, Parsed, Problems};
use super::raw::Raw;
use crate::policy::{FreeCode, PruneMode};
use crate::secret::Secret;

/// When failed payments end access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentGrace {
    /// After the days, and not before Stripe has given up trying.
    Stripe,
    /// At the day count; the subscription is cancelled.
    Strict,
}

/// Whether a subscription with paused collection counts as paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PausedCollection {
    /// It does.
    Keep,
    /// It ends.
    End,
}

/// What becomes of access while a subscription is paused by somebody's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPause {
    /// It stays.
    Keep,
    /// It ends with what is paid for.
    End,
}

/// What a refund or a dispute does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReversal {
    /// The operator is told.
    Tell,
    /// Access ends.
    End,
}

/// What becomes of people who were let in by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmanaged {
    /// They stay.
    Keep,
    /// They are asked to subscribe.
    RequireSubscription,
}

/// The numbers and switches of the rules.
#[derive(Debug, Clone)]
pub struct House {
    /// Idle days until the warning.
    pub warn_days: u32,
    /// Idle days until the removal; more than `warn_days`.
    pub kick_days: u32,
    /// What a removal for inactivity needs.
    pub prune_mode: PruneMode,
    /// Whether payers are looked at too.
    pub prune_paying: bool,
    /// Days of grace after a failed payment.
    pub payment_grace_days: u32,
    /// When that grace ends.
    pub payment_grace: PaymentGrace,
    /// Hours between an end at Stripe and the end of access.
    pub expiry_settle_hours: u32,
    /// Days before a scheduled end on which a letter goes out; falling.
    pub expiry_warn_days: Vec<u32>,
    /// Paused collection.
    pub paused_collection: PausedCollection,
    /// A paused subscription.
    pub on_pause: OnPause,
    /// A refund.
    pub on_refund: OnReversal,
    /// A dispute.
    pub on_dispute: OnReversal,
    /// People let in by hand.
    pub unmanaged: Unmanaged,
    /// Days they have to subscribe.
    pub adoption_grace_days: u32,
    /// Days until a grant's invite lapses.
    pub invite_days: u32,
    /// Days after a removal until the friendship ends; `None` = never.
    pub unfriend_after_days: Option<u32>,
    /// How many may be in; `None` = no limit.
    pub seats: Option<u32>,
    /// Usernames, emails (bare) or ids that are protected.
    pub vip_names: Vec<String>,
    /// `None` = by the house's own rule (R9.9).
    pub max_removals_per_day: Option<u32>,
    /// Minutes between two removals.
    pub removal_pace_mins: u32,
}

pub(super) fn house(raw: &Raw, problems: &mut Problems) -> House {
    let days = |range| parse::number(range, "days");
    let reversal = parse::one_of(&[("tell", OnReversal::Tell), ("end", OnReversal::End)]);
    let modes = [("auto", PruneMode::Auto), ("approve", PruneMode::Approve), ("report", PruneMode::Report)];
    let graces = [("stripe", PaymentGrace::Stripe), ("strict", PaymentGrace::Strict)];
    let paused = [("keep", PausedCollection::Keep), ("end", PausedCollection::End)];
    let pauses = [("keep", OnPause::Keep), ("end", OnPause::End)];
    let unmanaged = [("keep", Unmanaged::Keep), ("require-subscription", Unmanaged::RequireSubscription)];
    let house = House {
        warn_days: problems.read_or(raw.warn_days(), 27, days(1..=3650)),
        kick_days: problems.read_or(raw.kick_days(), 30, days(1..=3650)),
        prune_mode: problems.read_or(raw.prune_mode(), PruneMode::Auto, parse::one_of(&modes)),
        prune_paying: problems.read_or(raw.prune_paying(), false, parse::yes_or_no),
        payment_grace_days: problems.read_or(raw.payment_grace_days(), 7, days(0..=365)),
        payment_grace: problems.read_or(raw.payment_grace(), PaymentGrace::Stripe, parse::one_of(&graces)),
        expiry_settle_hours: problems.read_or(raw.expiry_settle_hours(), 24, parse::number(0..=720, "hours")),
        expiry_warn_days: problems.read_or(raw.expiry_warn_days(), vec![7, 3], warn_days),
        paused_collection: problems.read_or(raw.paused_collection(), PausedCollection::Keep, parse::one_of(&paused)),
        on_pause: problems.read_or(raw.on_pause(), OnPause::End, parse::one_of(&pauses)),
        on_refund: problems.read_or(raw.on_refund(), OnReversal::Tell, &reversal),
        on_dispute: problems.read_or(raw.on_dispute(), OnReversal::Tell, &reversal),
        unmanaged: problems.read_or(raw.unmanaged(), Unmanaged::Keep, parse::one_of(&unmanaged)),
        adoption_grace_days: problems.read_or(raw.adoption_grace_days(), 14, days(1..=365)),
        invite_days: problems.read_or(raw.invite_days(), 14, days(1..=365)),
        unfriend_after_days: problems.read_or(
            raw.unfriend_after_days(),
            None,
            parse::number_or("never", 0..=3650, "days"),
        ),
        seats: problems.read(raw.seats(), parse::number(1..=100_000, "seats")),
        vip_names: problems.read(raw.vip_names(), vip_names).unwrap_or_default(),
        max_removals_per_day: problems.read_or(
            raw.max_removals_per_day(),
            None,
            parse::number_or("auto", 0..=1000, "removals"),
        ),
        removal_pace_mins: problems.read_or(raw.removal_pace_mins(), 10, parse::number(0..=1440, "minutes")),
    };
    across(&house, raw, problems);
    house
}

/// What only two variables together can get wrong.
fn across(house: &House, raw: &Raw, problems: &mut Problems) {
    let (warn, kick) = (house.warn_days, house.kick_days);
    if warn >= kick {
        problems.tell(
            raw.warn_days(),
            format!("{warn} is not less than KICK_DAYS ({kick})"),
            "set WARN_DAYS below KICK_DAYS, so that there are days between the warning and the removal",
        );
    }
    if house.unmanaged == Unmanaged::RequireSubscription && !raw.stripe_secret_key().is_set() {
        problems.tell(
            raw.unmanaged(),
            "require-subscription needs Stripe, and STRIPE_SECRET_KEY is not set",
            "set STRIPE_SECRET_KEY, or UNMANAGED=keep",
        );
    }
}

fn warn_days(text: &str) -> Parsed<Vec<u32>> {
    let days: Parsed<Vec<u32>> = parse::list(text).iter().map(|day| parse::number(1..=90, "days")(day)).collect();
    let mut days = days?;
    days.sort_unstable_by(|one, other| other.cmp(one));
    days.dedup();
    Ok(days)
}

/// `Name <mail>` counts as the mail: the older tool kept the whole string, and
/// so protected nobody.
fn vip_names(text: &str) -> Parsed<Vec<String>> {
    parse::list(text)
        .into_iter()
        .map(|entry| {
            if entry.contains('<') {
                return parse::mailbox(&entry).map(|(_, address)| address.as_str().to_owned()).map_err(|_| {
                    Complaint::new(format!("{entry:?} is no username, email or id"), "list them by commas")
                });
            }
            parse::text(&entry)
        })
        .collect()
}

/// `code[:uses[:until[:days]]]`, by commas.
pub(super) fn free_codes(text: &str) -> Parsed<Vec<FreeCode>> {
    parse::list(text).iter().map(|entry| free_code(entry)).collect()
}

/// Ten years, as in the commands that give days.
const CODE_DAYS_MAX: u32 = 3650;

fn free_code(entry: &str) -> Parsed<FreeCode> {
    let wrong = |why: &str| {
        Complaint::new(format!("a code has {why}"), "write code:uses:until:days, such as film:10:2027-01-31:30")
    };
    let mut parts = entry.split(':').map(|part| Some(part.trim()).filter(|part| !part.is_empty()));
    let code = parts.next().flatten().ok_or_else(|| wrong("no text"))?;
    if code.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("white space in it"));
    }
    let number = |text: Option<&str>| text.map(str::parse::<u32>).transpose();
    let uses = number(parts.next().flatten()).map_err(|_| wrong("uses that are no number"))?.unwrap_or(10);
    let until = parts.next().flatten().map(str::parse::<NaiveDate>).transpose();
    let until = until.ok().filter(|until| until.is_none_or(|until| until.year() <= 9999));
    let until = until.ok_or_else(|| wrong("an until that is no date (YYYY-MM-DD)"))?;
    let days = number(parts.next().flatten()).map_err(|_| wrong("days that are no number"))?;
    if uses == 0 || days == Some(0) {
        return Err(wrong("a zero, which lets nobody in"));
    }
    if days.is_some_and(|days| days > CODE_DAYS_MAX) {
        return Err(wrong(&format!("more than {CODE_DAYS_MAX} days; leave them out, and they are let in for good")));
    }
    if parts.next().is_some() {
        return Err(wrong("more than four parts"));
    }
    Ok(FreeCode { code: Secret::new(code), uses, until, days })
}
