//! R4's two standing reports: *charged without access* and *access without a
//! reason*. Both must be empty, and whoever comes to stand on one is told once.
//! Nothing is done because of them: what isn't known to have ended isn't ended.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Rules, Scene, World,
    decide::Waiting,
    paying::{self, Stands},
    plan, reasons, sharing,
    standing_reports::attention,
    undo, who,
};
use crate::facts::{CustomerId, Moment};
use crate::ledger::{Billed, Book, Member};
use crate::member::MemberId;

/// Whoever should be let in by itself and still isn't after so long is told.
const LET_IN_WITHIN: TimeDelta = TimeDelta::hours(24);

/// Whom Stripe charges and who isn't in, each with the reason why.
pub fn charged_without_access(scene: Scene<'_>) -> impl Iterator<Item = (&Member, String)> {
    scene.book.members.values().filter_map(move |member| {
        let charged = undo::charging(member).any(|billed| !is_given_up(scene, member, billed)) && !member.has_access();
        let charged = charged && !sharing::is_of_the_house(scene, member); // They need no share.
        let why = || match (member.blocked, plan::unmatched(member).or_else(|| paid_from_the_house(scene, member))) {
            (Some(_), _) => "you revoked their access".to_owned(),
            (None, Some(why)) => why,
            (None, None) => "not let in yet".to_owned(),
        };
        charged.then(|| (member, why()))
    })
}

/// An invite for what they pay would go to somebody who is never invited.
#[must_use]
pub fn paid_from_the_house(scene: Scene<'_>, member: &Member) -> Option<String> {
    let waits = member.has_running_subscription() && member.share.is_none();
    let to = sharing::invite_to(member).filter(|_| waits && member.plex.is_none())?;
    sharing::leads_home(scene, &to).then(|| {
        "the address they paid with is yours, or that of somebody in your Plex Home, who is never invited".to_owned()
    })
}

/// Past due beyond its grace, and Stripe has stopped trying (RULES R4): they
/// were let go for not paying, and nothing is taken from them. So it is while
/// collection is paused (`PAUSED_COLLECTION=end`).
fn is_given_up(scene: Scene<'_>, member: &Member, billed: &Billed) -> bool {
    let ended = || matches!(paying::stands(scene.now, scene.rules, member, billed), Stands::Ended(_));
    (billed.now.status.is_failing() || billed.now.collection_paused) && ended()
}

/// Who is in, and nothing stands for it, and nothing is known to have ended.
pub fn access_without_reason(scene: Scene<'_>) -> impl Iterator<Item = &Member> {
    scene.book.members.values().filter(|member| member.has_access()).filter(move |member| {
        let standing = reasons::standing(scene, member);
        standing.protected.is_none()
            && !standing.blocked
            && standing.reasons.is_empty()
            && standing.unknown.is_empty()
            && !standing.is_known_to_have_ended()
    })
}

/// Tells both, once each person.
pub fn tell(now: Moment, rules: &Rules, world: &World, book: &mut Book, waiting: &[Waiting]) {
    tell_unexplained(now, rules, world, book);
    tell_charged(now, rules, world, book, waiting);
}

fn tell_unexplained(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let scene = Scene { now, rules, book, world };
    let found: Vec<(MemberId, String)> =
        access_without_reason(scene).map(|member| (member.id.clone(), member.name())).collect();
    let standing: BTreeSet<String> = found.iter().map(|(id, _)| format!("unexplained/{id}")).collect();
    book.untell_others("unexplained/", |key| standing.contains(key));
    for (id, name) in found {
        let title = format!("{name} has access without a reason");
        let detail = "No subscription and no grant stands for it, and none is known to have ended. Nothing is done.";
        let mend = format!("`usher why {id}` shows what is known. If they should go, remove them in Plex.");
        attention(now, rules, book, &format!("unexplained/{id}"), &title, detail, &mend);
    }
}

/// Somebody who is charged and not in, and whether Usher can let them in.
struct Charged {
    id: MemberId,
    name: String,
    why: String,
    hopeless: bool,
    mend: String,
}

fn mend(book: &Book, member: &Member) -> String {
    let id = &member.id;
    if member.blocked.is_some() {
        return format!("`usher revoke {id} --cancel now` ends it at Stripe; `usher restore {id}` lets them in");
    }
    let otherwise = format!(
        "`usher link {id} --plex …` says which Plex account they are, or share with them in Plex under the address they \
         paid with; `usher why {id}` shows what is known."
    );
    let Some((customer, other)) = namesake(book, member) else { return otherwise };
    let theirs = format!("The address they paid with is that of {} at Plex", who::in_full(other));
    format!("{theirs}: if it is them, `usher link {} --stripe {customer}`. If not, {otherwise}", other.id)
}

/// Somebody else with a Plex account, which has the address that was paid with.
fn namesake<'a>(book: &'a Book, member: &'a Member) -> Option<(&'a CustomerId, &'a Member)> {
    member.customers.iter().find_map(|(customer, payer)| {
        let email = payer.email.as_ref()?;
        let has_it = |other: &&Member| {
            other.id != member.id
                && other.plex.is_some()
                && other.email.as_ref() == Some(email)
                && !other.strangers.contains_key(customer.as_str())
        };
        Some((customer, book.members.values().find(has_it)?))
    })
}

fn tell_charged(now: Moment, rules: &Rules, world: &World, book: &mut Book, waiting: &[Waiting]) {
    let scene = Scene { now, rules, book, world };
    // Told elsewhere: who left without us, whose invite waits
    // to be taken up or to be sent (the outage, or the hold, is what is told).
    let untold = |member: &Member| {
        let left = member.gone.as_ref().is_some_and(|gone| !gone.by_us);
        let under_way = book.intents.values().any(|intent| intent.member == member.id)
            || waiting.iter().any(|waiting| waiting.member == member.id);
        // Who may be one of several is told with the commands that say who.
        !left && !member.is_invited() && !under_way && member.disputed.is_empty()
    };
    let charged: Vec<(&Member, String)> = charged_without_access(scene).collect();
    // Who is invited once more after a refusal was told of, and isn't anew.
    let stands = |member: &Member| untold(member) || member.invite_refused.is_some();
    let concerned: BTreeSet<MemberId> =
        charged.iter().filter(|(member, _)| stands(member)).map(|(member, _)| member.id.clone()).collect();
    let found: Vec<Charged> = charged
        .into_iter()
        .filter(|(member, _)| untold(member))
        .map(|(member, why)| Charged {
            id: member.id.clone(),
            name: member.name(),
            why,
            // Of a price in no tier the operator heard when it was bought.
            hopeless: plan::unmatched(member).or_else(|| paid_from_the_house(scene, member)).is_some()
                && plan::buys_no_tier(member).is_none(),
            mend: mend(book, member),
        })
        .collect();
    let concerns = |prefix: &str, key: &str| {
        key.strip_prefix(prefix).is_some_and(|id| concerned.iter().any(|one| one.to_string() == id))
    };
    book.untell_others("unmatched/", |key| concerns("unmatched/", key));
    // Only counts how long it has been so.
    book.told.retain(|key, _| !key.starts_with("outside/") || concerns("outside/", key));
    for Charged { id, name, why, hopeless, mend } in found {
        let since = *book.told.entry(format!("outside/{id}")).or_insert(now);
        if !hopeless && now - since < LET_IN_WITHIN {
            continue;
        }
        let title = format!("{name} pays and can't be let in");
        attention(now, rules, book, &format!("unmatched/{id}"), &title, &format!("{why}."), &mend);
    }
}
