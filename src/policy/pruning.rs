//! R3: warn whoever doesn't watch, then remove them; with `PRUNE_PAYING` end a
//! payer's subscription with its period, and billing ends the access. Nobody is
//! removed for not watching while Stripe still charges them (R4).

use std::collections::BTreeSet;

use super::{
    PruneMode, Rules, Scene, World,
    inactivity::{self, Idle},
    life,
    plan::{Class, Doing, Plan, Proposal},
    reasons::{self, Standing},
    undo,
};
use crate::facts::{CancelWhen, Moment, Source};
use crate::ledger::{Act, ActKey, Billed, Book, EndCause, HeardEnd, Letter, Member, Owed};

/// Whether this act is one of [`propose`]'s.
#[must_use]
pub fn is_about_watching(key: &ActKey) -> bool {
    key.0.starts_with("warn/") || key.0.contains("-idle-")
}

/// With this ends the key of what ends a spell that began then.
#[must_use]
pub fn occasion(spell: Moment) -> String {
    format!("-idle-{}", spell.timestamp())
}

/// Warns, removes, or cancels.
pub fn propose(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    let Idle::Days { days, since } = inactivity::idle(scene, member, standing) else { return };
    if days < scene.rules.warn_days || scene.rules.prune_mode == PruneMode::Report {
        return;
    }
    let checked: Vec<&str> = standing.reasons.iter().map(|reason| reason.what.as_str()).collect();
    let because = format!(
        "idle for {days} days of observed time since {}; only reason: {}",
        since.date_naive(),
        checked.join(", ")
    );
    let mut rests_on = BTreeSet::from([Source::Plex, Source::Tautulli]);
    if scene.rules.configured.contains(&Source::Stripe) {
        rests_on.insert(Source::Stripe);
    }
    let Some(spell) = member.idle.as_ref().filter(|spell| spell.started == since) else {
        plan.proposals.push(Proposal {
            key: ActKey::new("warn", &member.id, &since.timestamp().to_string()),
            member: member.id.clone(),
            class: Class::Warning,
            doing: Doing::Warn { spell: since, days },
            what: format!("warn {}", member.name()),
            because,
            rests_on,
            due: since,
            approval: None,
            unwarned: None,
        });
        return;
    };
    let Some(share) = member.share.as_ref().filter(|_| days >= scene.rules.kick_days) else { return };
    let cause = EndCause::Idle { spell: since, days, warned: spell.warned_at, promised_end: spell.promised_end };
    let removal = Proposal {
        key: ActKey::new("end", &member.id, &format!("{}{}", share.id(), occasion(since))),
        member: member.id.clone(),
        class: Class::Removal { stated: false },
        what: format!("remove {}", member.name()),
        because,
        rests_on,
        due: spell.promised_end.unwrap_or(scene.now),
        approval: idle_approval(scene, member),
        unwarned: unwarned(scene, member).or_else(|| charged(member)),
        doing: Doing::Act(Act::End { share: share.id(), cause }),
    };
    match scene.rules.prune_paying && undo::charging(member).next().is_some() {
        true => plan.proposals.extend(cancellations(scene, member, &removal, since, days)),
        false => plan.proposals.push(removal),
    }
}

/// R4: cancel first, or refuse and say so.
#[must_use]
pub fn charged(member: &Member) -> Option<String> {
    let billed = undo::charging(member).next()?;
    Some(format!("Stripe still charges them ({}); end that subscription first", billed.now.id))
}

/// `PRUNE_PAYING`: what Stripe charges is set to end with its period, instead
/// of a removal.
fn cancellations(scene: Scene<'_>, member: &Member, removal: &Proposal, spell: Moment, days: i64) -> Vec<Proposal> {
    let cancel = |billed: &Billed| {
        let subscription = billed.now.id.clone();
        Proposal {
            key: ActKey::new("cancel", &member.id, &format!("{subscription}{}", occasion(spell))),
            class: Class::Unsubscribe,
            what: format!("set the end of {subscription} of {} at Stripe", member.name()),
            unwarned: unwarned(scene, member),
            doing: Doing::Act(Act::Cancel { subscription, when: CancelWhen::PeriodEnd, idle_days: Some(days) }),
            ..removal.clone()
        }
    };
    undo::charging(member).filter(|billed| billed.now.scheduled_end().is_none()).map(cancel).collect()
}

/// A payer's subscription was set to end for not watching: they hear of it,
/// and so does the operator.
pub fn tell_cancelled(now: Moment, rules: &Rules, book: &mut Book, member: &Member, billed: &Billed, days: i64) {
    let end = billed.now.scheduled_end();
    let until = end.map(|end| rules.day_of(end));
    let occasion = format!("{}-{}", billed.now.id, now.timestamp());
    let letter = Letter::SubscriptionCancelled { idle_days: days, until };
    let notice =
        book.owe(life::to_payer(book, member, billed, occasion.clone(), letter, life::NEWS_SHELF), rules.ways, now);
    // It says all that a cancellation's own letter would.
    if let Some(at) = end {
        life::promise(rules, book, member, &billed.now.id, at);
        let known = book.members.get_mut(&member.id).and_then(|known| known.subscriptions.get_mut(&billed.now.id));
        if let Some(heard) = known.and_then(|known| known.heard.as_mut()) {
            heard.end = Some(HeardEnd { at, told: now, notice: Some(notice) });
        }
    }
    let letter = Letter::Attention {
        title: format!("{} doesn't watch: their subscription ends", member.name()),
        detail: format!(
            "{} was set to end with its period after {days} idle days (PRUNE_PAYING); access ends with it.",
            billed.now.id
        ),
        what_to_do: "Nothing, if that is right. To let them stay, take the cancellation back in Stripe's dashboard."
            .into(),
    };
    book.owe(Owed::to_operator(Some(&member.id), occasion, letter), rules.ways, now);
}

/// `PRUNE_MODE=report`: nobody is warned or removed, and the operator hears
/// once who would be, in one message for those who are new.
pub fn report(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let scene = Scene { now, rules, book, world };
    let idle = |member: &Member| match inactivity::idle(scene, member, &reasons::standing(scene, member)) {
        Idle::Days { days, since } if days >= rules.kick_days => {
            let condition = format!("idle-report/{}/{}", member.id, since.timestamp());
            Some((condition, format!("{} ({}): {days} days", member.name(), member.id)))
        }
        _ => None,
    };
    let reports = rules.prune_mode == PruneMode::Report;
    let found: Vec<(String, String)> = book.members.values().filter(|_| reports).filter_map(idle).collect();
    let stands = |condition: &str| found.iter().any(|(known, _)| known == condition);
    // What can't be told at present was told all the same.
    if !reports || scene.world.tautulli.failures == 0 {
        book.untell_others("idle-report/", stands);
    }
    let new: Vec<String> =
        found.into_iter().filter(|(condition, _)| book.tell(condition.clone(), now)).map(|(_, words)| words).collect();
    if new.is_empty() {
        return;
    }
    let letter = Letter::Attention {
        title: match new.len() {
            1 => "Somebody doesn't watch".into(),
            many => format!("{many} people don't watch"),
        },
        detail: format!("{}.", new.join("; ")),
        what_to_do: "PRUNE_MODE=report: nothing is done. With approve or auto they would be warned first.".into(),
    };
    book.owe(Owed::to_operator(None, format!("idle-{}", now.timestamp()), letter), rules.ways, now);
}

/// Why only the operator may remove this idle member.
fn idle_approval(scene: Scene<'_>, member: &Member) -> Option<String> {
    let spell = member.idle.as_ref()?;
    if spell.no_channel {
        return Some("there is no way to write to them, so they were never warned".into());
    }
    if member.share.as_ref().and_then(|share| share.row.downloads) != Some(false) {
        return Some("they may have downloads and watch offline, which Tautulli doesn't see".into());
    }
    (scene.rules.prune_mode == PruneMode::Approve).then(|| "PRUNE_MODE=approve".into())
}

/// Promise 1: warned in this spell, the warning accepted by a channel long
/// enough ago, and the promised day over. `None` when all of it is so.
fn unwarned(scene: Scene<'_>, member: &Member) -> Option<String> {
    let Some(spell) = &member.idle else { return Some("they were not warned in this spell".into()) };
    if spell.no_channel {
        return None; // Approval stands for the warning that could not be sent.
    }
    let (Some(warned), Some(promised)) = (spell.warned_at, spell.promised_end) else {
        return Some("their warning has not been accepted by a mail server yet".into());
    };
    let days = scene.rules.warning_days();
    if inactivity::counted(scene, member, warned).num_days() < days {
        return Some(format!("their warning is younger than {days} days of observed time"));
    }
    (scene.now < promised).then(|| format!("the promised day ends {}", promised.format("%Y-%m-%d %H:%M UTC")))
}
