//! R4: moments of money that no listing shows: refunds, disputes, fraud
//! warnings, invoices given up or waiting for a bank.
//!
//! The operator always hears of them, once each. With `ON_REFUND=end` and
//! `ON_DISPUTE=end` the subscription is cancelled at Stripe, through the brake
//! like any other call, and access ends as after any cancellation. Only a
//! refund of all that was paid last ends anything; a dispute that was won ends
//! nothing.

use std::collections::BTreeSet;

use super::{
    Rules, Scene, World, life,
    plan::{Class, Doing, Proposal},
    reasons,
};
use crate::facts::{Billing, CancelWhen, Invoice, Moment, MoneyMoment, MoneyWhat, Source};
use crate::ledger::{Act, ActKey, Billed, Book, EndedBecause, Letter, Member, NoticeKey, Owed, Reversed};
use crate::member::MemberId;

/// Takes up the moments of a reading.
pub fn fold(now: Moment, rules: &Rules, world: &World, book: &mut Book, billing: &Billing) {
    for moment in &billing.moments {
        // Whatever else is sold on the account is nobody's here.
        let Some(id) = whose(book, moment) else { continue };
        if let MoneyWhat::ActionRequired { invoice } = &moment.what {
            ask_to_confirm(now, rules, book, &id, moment, invoice);
            continue;
        }
        let ends = ends_it(Scene { now, rules, book, world }, &id, moment);
        tell(now, rules, book, &id, moment, ends.is_some());
        let billed = billed(book, &id, moment);
        let won = matches!(&moment.what, MoneyWhat::Dispute { status, .. } if status == "won");
        if let (Some(billed), true) = (billed, ends.is_some() || won) {
            let this = |reversed: &Reversed| reversed.id == claim(&moment.what);
            match ends {
                Some(because) => billed.reversed = Some(Reversed { because, id: claim(&moment.what), at: moment.at }),
                // Not cancelled yet: it isn't any more.
                None if may_be_charged(billed) && billed.reversed.as_ref().is_some_and(this) => billed.reversed = None,
                None => {}
            }
        }
    }
}

fn whose(book: &Book, moment: &MoneyMoment) -> Option<MemberId> {
    let by_subscription = || {
        let id = moment.subscription.as_ref()?;
        book.members.values().find(|member| member.subscriptions.contains_key(id))
    };
    let by_customer = || book.by_customer(moment.customer.as_ref()?);
    by_subscription().or_else(by_customer).map(|member| member.id.clone())
}

fn billed<'a>(book: &'a mut Book, id: &MemberId, moment: &MoneyMoment) -> Option<&'a mut Billed> {
    book.members.get_mut(id)?.subscriptions.get_mut(moment.subscription.as_ref()?)
}

/// The id of what happened.
fn claim(what: &MoneyWhat) -> String {
    match what {
        MoneyWhat::Refund { id, .. } | MoneyWhat::Dispute { id, .. } | MoneyWhat::FraudWarning { id } => id.clone(),
        MoneyWhat::Uncollectible { invoice } => invoice.0.clone(),
        MoneyWhat::ActionRequired { invoice } => invoice.id.0.clone(),
    }
}

/// Why the subscription is to be cancelled for it, if it is.
fn ends_it(scene: Scene<'_>, id: &MemberId, moment: &MoneyMoment) -> Option<EndedBecause> {
    let because = match &moment.what {
        MoneyWhat::Refund { failed: false, whole: true, of_the_latest: true, .. } if scene.rules.refund_ends => {
            EndedBecause::Refunded
        }
        // A mere inquiry (`warning_…`) has moved no money.
        MoneyWhat::Dispute { status, .. } if scene.rules.dispute_ends => match status.as_str() {
            "needs_response" | "under_review" | "lost" => EndedBecause::Disputed,
            // An appeal comes after a loss, which has ended what it had to end.
            status if status.starts_with("appeal_") && !was_told(scene.book, id, &claim(&moment.what)) => {
                EndedBecause::Disputed
            }
            _ => return None,
        },
        _ => return None,
    };
    let member = scene.book.members.get(id)?;
    let billed = member.subscriptions.get(moment.subscription.as_ref()?)?;
    let open = may_be_charged(billed) && billed.reversed.is_none();
    (open && reasons::protected(scene, member).is_none()).then_some(because)
}

fn tell(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, moment: &MoneyMoment, ends: bool) {
    let Some(member) = book.members.get(id) else { return };
    let name = member.name();
    let amount = moment.amount.as_ref().map_or_else(|| "an unknown amount".to_owned(), ToString::to_string);
    let claim = claim(&moment.what);
    let of = moment.subscription.as_ref().map_or_else(String::new, |sub| format!(" for {sub}"));
    let look = "Look at it in Stripe's dashboard.";
    let (occasion, title, what, what_to_do) = match &moment.what {
        MoneyWhat::Refund { failed: true, .. } => (
            format!("{claim}-failed"),
            format!("A refund for {name} failed: {amount}"),
            format!("The refund {claim} of {amount}{of} did not arrive; the money is back with you."),
            look,
        ),
        MoneyWhat::Refund { whole, .. } => {
            let share = if *whole { "all of it" } else { "a part of it" };
            (
                claim.clone(),
                format!("{name} got a refund of {amount}"),
                format!("The refund {claim} gave back {amount}{of}: {share}."),
                look,
            )
        }
        MoneyWhat::Dispute { status, due_by, .. } => {
            let appealed = was_told(book, id, &format!("{claim}-appeal"));
            let (stage, words, what_to_do) = dispute_in_words(status, appealed);
            let until = due_by.filter(|_| status.ends_with("needs_response")).map_or_else(String::new, |due_by| {
                let until = due_by.with_timezone(&rules.tz).format("%Y-%m-%d %H:%M %Z");
                format!(" Stripe takes your answer until {until}.")
            });
            (
                format!("{claim}-{stage}"),
                format!("The dispute of {name} over {amount} {words}"),
                format!("The dispute {claim} over {amount}{of} {words} ({}).{until}", status.replace('_', " ")),
                what_to_do,
            )
        }
        MoneyWhat::FraudWarning { .. } => (
            claim.clone(),
            format!("Fraud warning: a payment of {amount} by {name}"),
            format!("The payer's bank suspects fraud in a payment of {amount}{of} ({claim})."),
            "If you don't know them, refund it before it becomes a dispute, which costs more.",
        ),
        MoneyWhat::Uncollectible { .. } => (
            claim.clone(),
            format!("An invoice of {name} was given up: {amount}"),
            format!("The invoice {claim} over {amount}{of} is marked uncollectible: nobody will try to charge it."),
            "To end the subscription, cancel it at Stripe; access ends with it.",
        ),
        MoneyWhat::ActionRequired { .. } => return,
    };
    let then = match (&moment.what, ends) {
        (MoneyWhat::Refund { .. }, true) => {
            "ON_REFUND=end: the subscription is cancelled at Stripe, and access ends with it."
        }
        (_, true) => "ON_DISPUTE=end: the subscription is cancelled at Stripe, and access ends with it.",
        (_, false) => "Access is not changed by it.",
    };
    let detail = format!("{what} {then}");
    let letter =
        Letter::Attention { title, detail, what_to_do: format!("{what_to_do} `usher why {id}` shows how they stand.") };
    let owed = Owed::to_operator(Some(id), occasion, letter);
    if book.outbox.contains_key(&owed.key()) {
        return; // Another event of the same thing.
    }
    book.note(id, moment.at, what);
    book.owe(owed, rules.ways, now);
}

/// How a dispute stands: the stage that is told once, words, and what to do.
fn dispute_in_words(status: &str, appealed: bool) -> (&'static str, &'static str, &'static str) {
    let look = "Look at it in Stripe's dashboard.";
    match status {
        "won" => ("won", "is won", "Nothing."),
        "lost" if appealed => ("appeal-lost", "is lost for good: the appeal failed", look),
        "lost" => ("lost", "is lost", look),
        "warning_closed" | "prevented" => ("closed", "is closed without money moved", "Nothing."),
        "appeal_needs_response" => {
            ("appeal", "is lost, but can be appealed", "Answer it in Stripe's dashboard before its deadline.")
        }
        "appeal_under_review" => {
            ("appeal-review", "is under review once more, on appeal", "Nothing; the bank decides.")
        }
        _ => ("opened", "was opened", "Answer it in Stripe's dashboard before its deadline."),
    }
}

/// The operator was told of this claim, at a stage that begins so.
fn was_told(book: &Book, id: &MemberId, claim: &str) -> bool {
    let prefix = format!("{id}/attention/{claim}-");
    book.outbox.range(NoticeKey(prefix.clone())..).next().is_some_and(|(key, _)| key.0.starts_with(&prefix))
}

/// While the subscription itself doesn't fail: another tier, say, that waits
/// for its payment. A failing one has a spell, which tells it (R10).
fn ask_to_confirm(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, moment: &MoneyMoment, invoice: &Invoice) {
    let Some(member) = book.members.get(id).cloned() else { return };
    let Some(billed) = moment.subscription.as_ref().and_then(|id| member.subscriptions.get(id)) else { return };
    if !billed.now.status.is_running() || billed.now.status.is_failing() || member.blocked.is_some() {
        return;
    }
    let (amount, pay_url) = (moment.amount.as_ref().map(ToString::to_string), invoice.hosted_url.clone());
    let letter = Letter::PaymentActionRequired { amount, pay_url, access_until: None };
    let owed = life::to_payer(book, &member, billed, invoice.id.0.clone(), letter, life::NEWS_SHELF);
    book.owe(owed, rules.ways, now);
}

/// Stripe takes money for this one, or would once its pause is over: a break
/// doesn't keep what was given back from being cancelled.
fn may_be_charged(billed: &Billed) -> bool {
    billed.vanished.is_none() && billed.now.status.may_charge()
}

/// What was given back or claimed back is cancelled at Stripe first.
pub fn propose(scene: Scene<'_>, member: &Member) -> Vec<Proposal> {
    if member.blocked.is_some() || reasons::protected(scene, member).is_some() {
        return Vec::new();
    }
    let cancel = |billed: &Billed| {
        let reversed = billed.reversed.as_ref()?;
        let subscription = billed.now.id.clone();
        let (how, name) = match reversed.because {
            EndedBecause::Disputed => ("disputed", "ON_DISPUTE"),
            _ => ("refunded", "ON_REFUND"),
        };
        Some(Proposal {
            key: ActKey::new("cancel", &member.id, &format!("{subscription}-{}", reversed.id)),
            member: member.id.clone(),
            class: Class::CutOff,
            what: format!("cancel {subscription} of {} at Stripe", member.name()),
            because: format!("its payment was {how} ({}; {name}=end)", reversed.id),
            rests_on: BTreeSet::from([Source::Plex, Source::Stripe]),
            due: reversed.at,
            approval: None,
            unwarned: None,
            doing: Doing::Act(Act::Cancel { subscription, when: CancelWhen::Now, idle_days: None }),
        })
    };
    member.subscriptions.values().filter(|billed| may_be_charged(billed)).filter_map(cancel).collect()
}
