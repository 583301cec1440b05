//! One pass over the book: what is read back is confirmed, letters are owed,
//! the plan is made, the brake applied, and what it lets through is written
//! down. The caller commits. The same book and readings twice → no change.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Rules, Scene, World, brake, by_hand, codes, confirm, entitlements, letters, libraries, life, offers, pending,
    plan::{self, Doing, Problem, Proposal},
    pruning, reasons, selling, sharing, standing_reports, trials, two_reports, unmanaged, webhooks, who,
};
use crate::facts::{Moment, PriceId};
use crate::ledger::{ActKey, Book, HeldBecause, Hold, Intent, IntentState, Letter, Offer, Owed, Verdict};
use crate::member::MemberId;

/// Something of the plan that waits, for `holds` and the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which action.
    pub key: ActKey,
    /// About whom.
    pub member: MemberId,
    /// What would be done.
    pub what: String,
    /// Why it is due.
    pub why: String,
    /// Why it waits.
    pub because: HeldBecause,
}

/// One pass. Returns what waits.
pub fn decide(now: Moment, rules: &Rules, world: &World, book: &mut Book) -> Vec<Waiting> {
    confirm::confirm(now, rules, world, book);
    who::link_by_standing_share(now, book);
    by_hand::freeze_all(now, rules, book);
    codes::count_uses(now, rules, book);
    let unresolved = libraries::take_up(book, rules.tiers.all());
    offers::offer(now, rules, book);
    letters::take_note(now, rules, world, book);
    life::tell(now, rules, world, book);
    letters::owe_money_letters(now, rules, world, book);
    pending::remind(now, rules, world, book);
    let mut plan = plan::plan(Scene { now, rules, book, world });
    if !book.libraries.known.is_empty() {
        plan.problems.extend(unresolved.into_iter().map(unresolved_tier));
    }
    plan.problems.extend(selling::problems(rules, world));
    plan.problems.extend(trials::problems(book));
    let due: BTreeSet<ActKey> = plan.proposals.iter().map(|proposal| proposal.key.clone()).collect();
    let untold = std::mem::take(&mut plan.untold);
    standing_reports::tell_problems(now, rules, book, &plan.problems);
    let admission = brake::admit(Scene { now, rules, book, world }, plan);
    drop_what_is_no_longer_due(now, world, book, &due, &untold);
    for proposal in admission.admitted {
        write_down(now, rules, book, proposal);
    }
    let waiting = hold(now, rules, book, admission.held);
    pruning::report(now, rules, world, book);
    standing_reports::tell_budget(now, rules, book, &waiting);
    remember_matching_prices(now, rules, world, book);
    standing_reports::tell_sources(now, rules, world, book);
    webhooks::tell(now, rules, world, book);
    entitlements::tell(now, rules, book);
    standing_reports::tell_doubled(now, rules, book);
    standing_reports::tell_stuck(now, rules, book);
    two_reports::tell(now, rules, world, book, &waiting);
    book.prune(now);
    waiting
}

fn unresolved_tier(why: String) -> Problem {
    Problem {
        key: format!("tier: {why}"),
        title: "A tier can't be shared".into(),
        detail: format!("{why}. Until it is mended, nobody is invited to it or changed."),
        what_to_do: "Mend the tiers file (TIERS_FILE); it is read again each minute.".into(),
    }
}

/// Writes an admitted proposal down: an intent, or a spell with its warning.
fn write_down(now: Moment, rules: &Rules, book: &mut Book, proposal: Proposal) {
    let act = match proposal.doing {
        Doing::Warn { spell, days } => {
            letters::open_idle_spell(now, rules, book, &proposal.member, spell, days);
            book.holds.remove(&proposal.key);
            return;
        }
        Doing::AskToSubscribe => {
            unmanaged::open(now, rules, book, &proposal.member);
            book.holds.remove(&proposal.key);
            return;
        }
        Doing::Act(act) => act,
    };
    if let Some(intent) = book.intents.get_mut(&proposal.key) {
        if intent.state == IntentState::Decided {
            intent.act = act; // What the looks must answer follows from it.
        }
        return;
    }
    let dry_run = rules.ways.dry_run;
    let state = if dry_run { IntentState::Rehearsed { at: now } } else { IntentState::Decided };
    if dry_run {
        let Some(member) = book.members.get(&proposal.member) else { return };
        let (what, why) = (proposal.what.clone(), proposal.because.clone());
        let letter = Letter::WouldHave { who: member.person(), what, why };
        book.owe(Owed::to_operator(Some(&proposal.member), proposal.key.0.clone(), letter), rules.ways, now);
    }
    let verb = if dry_run { "would" } else { "decided to" };
    book.note(&proposal.member, now, format!("{verb} {}: {}", proposal.what, proposal.because));
    let intent = Intent {
        key: proposal.key.clone(),
        member: proposal.member,
        act,
        because: proposal.because,
        rests_on: proposal.rests_on,
        decided: now,
        due: proposal.due,
        state,
        tries: 0,
        not_before: now,
        last_error: None,
    };
    book.intents.insert(proposal.key, intent);
}

/// Intents and holds whose cause is gone. One that was tried stays until a
/// listing begun well after the try shows what became of it. Not knowing is no
/// reason to forget what the operator said, or what was rehearsed.
fn drop_what_is_no_longer_due(
    now: Moment,
    world: &World,
    book: &mut Book,
    due: &BTreeSet<ActKey>,
    untold: &BTreeSet<MemberId>,
) {
    let gone: Vec<ActKey> = book
        .intents
        .values()
        .filter(|intent| !due.contains(&intent.key))
        .filter(|intent| match intent.state {
            IntentState::Attempted { .. } => confirm::shows_no_effect(world, intent),
            IntentState::Decided => true,
            IntentState::Rehearsed { .. } => !untold.contains(&intent.member),
        })
        .map(|intent| intent.key.clone())
        .collect();
    for key in gone {
        if let Some(intent) = book.intents.remove(&key) {
            book.note(&intent.member, now, format!("no longer due: {}", intent.because));
        }
    }
    book.holds.retain(|key, hold| due.contains(key) || untold.contains(&hold.member));
}

/// Enters new holds and tells the operator of them, once, in one message a rule.
fn hold(now: Moment, rules: &Rules, book: &mut Book, held: Vec<(Proposal, HeldBecause)>) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    let mut new: BTreeMap<&'static str, Vec<Hold>> = BTreeMap::new();
    for (proposal, because) in held {
        if because.wants_approval() && !book.holds.contains_key(&proposal.key) {
            let hold = Hold {
                id: format!("h-{}", book.next_hold),
                key: proposal.key.clone(),
                member: proposal.member.clone(),
                what: proposal.what.clone(),
                why: proposal.because.clone(),
                because: because.clone(),
                since: now,
                verdict: None,
            };
            book.next_hold += 1;
            book.note(&proposal.member, now, format!("waits for you ({}): {}", hold.id, hold.what));
            new.entry(because.rule()).or_default().push(hold.clone());
            book.holds.insert(proposal.key.clone(), hold);
        }
        // An intent that was decided but must wait again is not tried: the
        // second admission holds it. It stays in the book.
        waiting.push(Waiting {
            key: proposal.key,
            member: proposal.member,
            what: proposal.what,
            why: proposal.because,
            because,
        });
    }
    for holds in new.values() {
        tell_held(now, rules, book, holds);
    }
    waiting
}

fn tell_held(now: Moment, rules: &Rules, book: &mut Book, holds: &[Hold]) {
    let Some(first) = holds.first() else { return };
    let title = match holds.len() {
        1 => first.what.clone(),
        many => format!("{many} actions"),
    };
    let people = holds.iter().map(|hold| format!("{}: {}: {}", hold.id, hold.what, hold.why)).collect();
    let ids: Vec<&str> = holds.iter().map(|hold| hold.id.as_str()).collect();
    let how_to_approve = vec![format!("usher approve {}", ids.join(" ")), format!("usher reject {}", ids.join(" "))];
    let reason = first.because.sentence();
    let letter = Letter::Held { title, reason, people, how_to_approve };
    let member = (holds.len() == 1).then_some(&first.member);
    book.owe(Owed::to_operator(member, first.id.clone(), letter), rules.ways, now);
}

fn remember_matching_prices(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let mut matching: Vec<(MemberId, BTreeSet<PriceId>)> = Vec::new();
    let scene = Scene { now, rules, book, world };
    for member in book.members.values().filter(|member| member.has_access() && !member.subscriptions.is_empty()) {
        let standing = reasons::standing(scene, member);
        if let Some(prices) = sharing::matching_prices(scene, member, &standing)
            && prices != member.matched_prices
        {
            matching.push((member.id.clone(), prices));
        }
    }
    for (id, prices) in matching {
        if let Some(member) = book.members.get_mut(&id) {
            member.matched_prices = prices;
        }
    }
}

/// The operator's word on holds. `all` means every one without a word yet.
///
/// # Errors
/// Names the ids that don't exist; then nothing is changed.
pub fn give_verdict(now: Moment, book: &mut Book, ids: &[String], approve: bool) -> Result<Vec<String>, String> {
    let all = ids.iter().any(|id| id == "all");
    let unknown: Vec<&str> = ids
        .iter()
        .filter(|id| *id != "all" && !book.libraries.offers.contains_key(*id))
        .filter(|id| *id != "all" && !book.holds.values().any(|hold| hold.id == **id))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(format!("no such hold: {}; `usher holds` lists them", unknown.join(", ")));
    }
    let mut done = Vec::new();
    let mut notes = Vec::new();
    for hold in book.holds.values_mut() {
        let meant = if all { hold.verdict.is_none() } else { ids.contains(&hold.id) };
        if !meant {
            continue;
        }
        hold.verdict = Some(if approve { Verdict::Approved { at: now } } else { Verdict::Rejected { at: now } });
        let word = if approve { "approved" } else { "rejected" };
        done.push(format!("{word} {}: {}", hold.id, hold.what));
        notes.push((hold.member.clone(), format!("you {word} {}: {}", hold.id, hold.what)));
    }
    for (member, note) in notes {
        book.note(&member, now, note);
    }
    let meant = |id: &&String, offer: &Offer| if all { offer.rejected.is_none() } else { ids.contains(*id) };
    let offered: Vec<String> =
        book.libraries.offers.iter().filter(|(id, offer)| meant(id, offer)).map(|(id, _)| id.clone()).collect();
    done.extend(offered.iter().filter_map(|id| offers::answer(now, book, id, approve)));
    Ok(done)
}

/// The earliest instant at which time alone changes something: a lapse, a
/// warning, a promised day, a delivery, a retry.
#[must_use]
pub fn next_deadline(scene: Scene<'_>) -> Option<Moment> {
    let mut deadlines: Vec<Moment> = Vec::new();
    for member in scene.book.members.values() {
        let standing = reasons::standing(scene, member);
        deadlines.extend(standing.reasons.iter().filter_map(|reason| reason.until));
        if let Some(spell) = &member.idle {
            deadlines.extend(spell.promised_end);
        }
        if let super::inactivity::Idle::Days { since, .. } = super::inactivity::idle(scene, member, &standing) {
            for days in [scene.rules.warn_days, scene.rules.kick_days] {
                let blind = (scene.now - since) - super::inactivity::counted(scene, member, since);
                deadlines.push(since + TimeDelta::days(days) + blind);
            }
        }
        deadlines.extend(member.forget_at);
        deadlines.extend(member.unfriend_at);
        deadlines.extend(member.asked.as_ref().and_then(|asked| asked.promised_end));
        deadlines.extend(pending::deadlines(scene, member));
    }
    deadlines.extend(scene.book.intents.values().map(|intent| intent.not_before));
    deadlines.extend(brake::pace(scene));
    deadlines.extend(scene.book.removals.iter().map(|removal| removal.at + TimeDelta::hours(24)));
    deadlines.extend(scene.book.next_delivery(scene.now));
    deadlines.into_iter().filter(|deadline| *deadline > scene.now).min()
}
