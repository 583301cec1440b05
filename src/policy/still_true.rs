//! R10: before each try of a letter to a member, is what it says still true?
//! If not, it is cancelled with why, or says what is true now.
//!
//! A letter that may be out already is kept as it was, byte for byte, unless
//! it names a day that is over: then it is written anew. The day that a warning
//! promises is kept true where its spell is ([`super::letters::keep_promise`]).
//! What the operator hears is what happened then, and stays as it is.

use chrono::NaiveDate;

use super::{
    Rules, Scene, World, inactivity, letters, libraries, life, pausing, paying, reasons, standing_reports, who,
};
use crate::facts::{Invoice, Moment, Status};
use crate::ledger::{Audience, Billed, Book, Channel, Delivery, Letter, Member, Notice, NoticeKey, ShareRecord};

/// What a letter has to say now.
enum Truth {
    /// This.
    Says(Letter),
    /// Nothing any more.
    Over(&'static str),
}

use Truth::{Over, Says};

/// Looks at each letter to a member that may be tried now.
pub fn check(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let is_due = |notice: &&Notice| {
        let due = |delivery: &Delivery| matches!(delivery, Delivery::Due { not_before, .. } if *not_before <= now);
        notice.audience == Audience::Member && notice.deliveries.get(&Channel::Mail).is_some_and(due)
    };
    let due: Vec<NoticeKey> = book.outbox.values().filter(is_due).map(|notice| notice.key.clone()).collect();
    let today = rules.day_of(now);
    for key in due {
        follow_address(book, &key);
        let Some(notice) = book.outbox.get(&key) else { continue };
        match truth(Scene { now, rules, book, world }, notice) {
            Over(why) => book.cancel_notice(&key, why, now),
            Says(letter) if notice.first_sending.is_none() || notice.letter.is_outdated(today) => {
                book.reword(&key, letter, now);
            }
            Says(_) => {}
        }
    }
}

/// A letter about access goes to the address that the account has now, unless it
/// may be out to the one of before. Letters about money and invites have an
/// address of their own.
fn follow_address(book: &mut Book, key: &NoticeKey) {
    let Some(notice) = book.outbox.get(key).filter(|notice| notice.first_sending.is_none()) else { return };
    let own = notice.customer.is_some()
        || matches!(notice.letter, Letter::Invited { .. } | Letter::InviteReminder { .. } | Letter::BillingLink { .. });
    let address = about(book, notice).and_then(|member| member.email.clone()).filter(|_| !own);
    if let (Some(address), Some(notice)) = (address, book.outbox.get_mut(key)) {
        notice.to = Some(address);
    }
}

/// The member that a notice is about, also where two have become one.
fn about<'a>(book: &'a Book, notice: &Notice) -> Option<&'a Member> {
    let id = notice.member.as_ref()?;
    book.members.get(id).or_else(|| book.members.get(book.merged.get(id)?))
}

fn truth(scene: Scene<'_>, notice: &Notice) -> Truth {
    let Some(member) = about(scene.book, notice) else { return Over("they are no longer in the book") };
    if is_superseded(scene.book, notice) {
        return Over("a newer letter says it");
    }
    match &notice.letter {
        Letter::Invited { .. } | Letter::InviteReminder { .. } => of_an_invite(scene, member, &notice.letter),
        Letter::Welcome { .. } | Letter::TierChanged { .. } => of_what_is_open(scene, member, &notice.letter),
        Letter::RemovedInactive { .. } | Letter::AccessEnded { .. } if member.has_access() => Over("they are back"),
        Letter::InactivityWarning { until, .. } => of_idleness(scene, member, notice, *until),
        Letter::PaymentFailed { .. } | Letter::PaymentActionRequired { .. } => of_a_payment(scene, member, notice),
        Letter::SubscriptionPaused { until, .. } => {
            let spell = member.unpaid.values().find(|spell| spell.notice == notice.key);
            match spell.and_then(|spell| pausing::letter_now(scene, member, spell, *until)) {
                Some(letter) => Says(letter),
                None => Over("the break is over, or nothing ends with it"),
            }
        }
        Letter::Doubled { .. } if !standing_reports::pays_twice(member) => Over("they pay for one subscription"),
        Letter::Subscribe { until, .. } => match &member.asked {
            Some(spell) if spell.notice == notice.key => {
                let (address, member) = (member.email.clone(), Some(member.id.clone()));
                Says(Letter::Subscribe { until: *until, address, member })
            }
            _ => Over("they no longer need to be asked to subscribe"),
        },
        Letter::AccessEnding { on, given, .. } => {
            let days_left = (*on - scene.rules.day_of(scene.now)).num_days();
            match days_left < 0 {
                true => Over("that day is over"),
                false => Says(Letter::AccessEnding { on: *on, days_left, given: *given }),
            }
        }
        Letter::TrialEnding { .. }
        | Letter::CancellationReceived { .. }
        | Letter::CancellationUndone { .. }
        | Letter::SubscriptionCancelled { .. } => of_a_subscription(scene, member, notice),
        Letter::BillingLink { until, .. } if *until <= scene.now => Over("the link no longer works"),
        letter => Says(letter.clone()),
    }
}

/// Of letters about the same thing only the newest goes: of two reminders of an
/// end the nearer one.
fn is_superseded(book: &Book, notice: &Notice) -> bool {
    let family = |letter: &Letter| match letter {
        Letter::Invited { .. } | Letter::InviteReminder { .. } => Some("invite"),
        Letter::AccessEnding { .. } => Some("end"),
        Letter::TierChanged { .. } => Some("tier"),
        _ => None,
    };
    let Some(mine) = family(&notice.letter) else { return false };
    let newer = |other: &Notice| {
        let goes = |delivery: &Delivery| !matches!(delivery, Delivery::Cancelled { .. } | Delivery::NoChannel);
        other.created > notice.created
            && other.member == notice.member
            && family(&other.letter) == Some(mine)
            && other.deliveries.values().any(goes)
    };
    book.outbox.values().any(newer)
}

fn opens(book: &Book, share: &ShareRecord) -> Vec<String> {
    libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known))
}

fn of_an_invite(scene: Scene<'_>, member: &Member, letter: &Letter) -> Truth {
    let Some(share) = &member.share else { return Over("the invite is gone") };
    if share.row.is_accepted() {
        return Over("they have taken the invite up");
    }
    let today = scene.rules.day_of(scene.now);
    Says(match letter.clone() {
        Letter::Invited { tier, address, .. } => Letter::Invited {
            tier,
            libraries: opens(scene.book, share),
            downloads: share.row.downloads.unwrap_or(false),
            address,
        },
        Letter::InviteReminder { lapses: Some(day), .. } if day < today => return Over("the invite lapses"),
        Letter::InviteReminder { address, lapses, .. } => Letter::InviteReminder {
            libraries: opens(scene.book, share),
            address,
            days_ago: (scene.now - share.first_seen).num_days(),
            lapses,
        },
        other => other,
    })
}

fn of_what_is_open(scene: Scene<'_>, member: &Member, letter: &Letter) -> Truth {
    let Some(share) = member.share.as_ref().filter(|share| share.row.is_accepted()) else {
        return Over("they have no access any more");
    };
    let downloads = share.row.downloads.unwrap_or(false);
    Says(match letter.clone() {
        Letter::Welcome { .. } => Letter::Welcome { libraries: who::open_to(scene.book, member), downloads },
        Letter::TierChanged { tier, .. } => {
            let words = |billed: &Billed| scene.rules.tiers.words(&billed.tiers);
            let buys = |billed: &&Billed| billed.now.status.is_running() && words(billed).as_ref() == Some(&tier);
            let letter =
                member.subscriptions.values().find(buys).and_then(|billed| life::tier_changed(scene, billed, share));
            match letter {
                Some(letter) => letter,
                None => return Over("they buy something else by now"),
            }
        }
        other => other,
    })
}

fn of_idleness(scene: Scene<'_>, member: &Member, notice: &Notice, until: NaiveDate) -> Truth {
    if member.idle.as_ref().is_none_or(|spell| spell.notice != notice.key) {
        return Over("the idle spell is over");
    }
    let standing = reasons::standing(scene, member);
    match inactivity::idle(scene, member, &standing) {
        inactivity::Idle::Days { days, .. } => Says(letters::idle_warning(scene.rules, member, days, until)),
        _ => Says(notice.letter.clone()),
    }
}

fn of_a_payment(scene: Scene<'_>, member: &Member, notice: &Notice) -> Truth {
    let runs = |billed: &Billed| billed.now.status.is_running();
    let Some(spell) = member.unpaid.values().find(|spell| spell.notice == notice.key) else {
        // An invoice of a subscription that doesn't fail, which waits for a bank.
        let waits = matches!(notice.letter, Letter::PaymentActionRequired { access_until: None, .. });
        return match waits && member.subscriptions.values().any(runs) {
            true => Says(notice.letter.clone()),
            false => Over("nothing is unpaid any more"),
        };
    };
    let billed = member.subscriptions.get(&spell.subscription);
    let open = billed.and_then(|billed| billed.now.open_invoices.as_ref());
    let invoice = open.and_then(|open| open.iter().find(|invoice| spell.invoice.as_ref() == Some(&invoice.id)));
    let amount_now = |known: Option<String>| invoice.map(Invoice::amount).or(known);
    // Written anew, it gives as much time as any other.
    let earliest = scene.rules.day_of(scene.now + paying::AFTER_LETTER);
    let until_now = |known: Option<NaiveDate>| known.map(|day| day.max(earliest));
    let url_now = |known: Option<String>| invoice.and_then(|invoice| invoice.hosted_url.clone()).or(known);
    Says(match notice.letter.clone() {
        Letter::PaymentFailed { amount, pay_url, access_until, .. } => {
            let next = invoice.and_then(|invoice| invoice.next_attempt_at).filter(|at| *at > scene.now);
            let next_attempt = next.map(|at| scene.rules.day_of(at));
            let access_until = until_now(access_until);
            Letter::PaymentFailed { amount: amount_now(amount), pay_url: url_now(pay_url), access_until, next_attempt }
        }
        Letter::PaymentActionRequired { amount, pay_url, access_until } => {
            let access_until = until_now(access_until);
            Letter::PaymentActionRequired { amount: amount_now(amount), pay_url: url_now(pay_url), access_until }
        }
        other => other,
    })
}

/// Letters about the life of a subscription, which go to its customer.
fn of_a_subscription(scene: Scene<'_>, member: &Member, notice: &Notice) -> Truth {
    let Scene { now, rules, .. } = scene;
    let theirs = || {
        let of_customer = |billed: &&Billed| notice.customer.as_ref() == Some(&billed.now.customer);
        member.subscriptions.values().filter(of_customer).filter(|billed| billed.now.status.is_running())
    };
    let ends_on = |day: NaiveDate| {
        move |billed: &&Billed| billed.now.scheduled_end().is_some_and(|end| end > now && rules.day_of(end) == day)
    };
    match notice.letter.clone() {
        Letter::TrialEnding { on, .. } => {
            let ends = |billed: &&Billed| {
                let trial_end = billed.now.trial_end.filter(|end| *end > now);
                billed.now.status == Status::Trialing && trial_end.is_some_and(|end| rules.day_of(end) == on)
            };
            match theirs().find(ends).filter(|billed| !billed.now.is_set_to_end()) {
                Some(billed) => Says(Letter::TrialEnding { on, then: billed.now.after_trial }),
                None => Over("no trial ends then"),
            }
        }
        Letter::CancellationReceived { on, .. } => match theirs().find(ends_on(on)) {
            Some(billed) => {
                let standing = reasons::standing(scene, member);
                Says(letters::cancellation(rules, member, &standing, &billed.now.id, on))
            }
            None => Over("their subscription does not end then"),
        },
        Letter::SubscriptionCancelled { until: Some(on), .. } if !theirs().any(|billed| ends_on(on)(&billed)) => {
            Over("their subscription does not end then")
        }
        Letter::CancellationUndone { .. } => match theirs().find(|billed| !billed.now.is_set_to_end()) {
            Some(billed) => {
                let renews = billed.now.period_end().filter(|at| *at > now);
                Says(Letter::CancellationUndone { renews: renews.map(|at| rules.day_of(at)) })
            }
            None => Over("it is set to end again"),
        },
        letter => Says(letter),
    }
}
