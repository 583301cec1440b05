//! One pass over the book: what is read back is confirmed, letters are owed,
//! the plan is made, the brake applied, and what it lets through is written
//! down. The caller commits. The same book and readings twice → no change.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Rules, Scene, World, brake, by_hand, codes, confirm, entitlements, inactivity, letters, libraries, life, made_for,
    offers, pausing, pending,
    plan::{self, Doing, Problem, Proposal},
    pruning, reasons, rehearsing, selling, sharing, standing_reports, starting, still_true, trials, two_reports,
    unmanaged, webhooks, who,
};
use crate::facts::{Moment, PriceId, Source};
use crate::ledger::{
    Act, ActKey, Book, Delivery, HeldBecause, Hindered, Hold, Intent, IntentState, Letter, MadeFor, Member, NoticeKey,
    Owed, Verdict,
};
use crate::member::MemberId;

/// A rejection that was said in a rehearsal is kept for its occasion so long.
const REJECTION_KEPT: TimeDelta = TimeDelta::days(365);

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
    who::remember_addresses(book);
    who::link_payers(now, book);
    by_hand::freeze_all(now, rules, book);
    codes::count_uses(now, rules, book);
    pending::lapse_refused(now, rules, book);
    made_for::keep(now, rules, world, book);
    let unresolved = libraries::take_up(book, rules.tiers.all());
    offers::offer(now, rules, book);
    letters::take_note(now, rules, world, book);
    if rules.ways.dry_run && book.imagine(now) {
        letters::take_note(now, rules, world, book);
    }
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
    let doubts = std::mem::take(&mut plan.doubts);
    standing_reports::tell_problems(now, rules, book, &plan.problems);
    who::tell_doubts(now, rules, world, book, &doubts);
    who::tell_disputes(now, rules, book);
    starting::gather(now, rules, world, book, &plan);
    let admission = brake::admit(Scene { now, rules, book, world }, plan);
    drop_what_is_no_longer_due(now, rules, world, book, &due, &untold);
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
    rehearsing::tell(now, rules, world, book);
    pausing::tell(now, rules, book);
    standing_reports::tell_doubled(now, rules, book);
    standing_reports::tell_stuck(now, rules, world, book);
    two_reports::tell(now, rules, world, book, &waiting);
    still_true::check(now, rules, world, book);
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
            // Whoever was asked to subscribe in this very pass reads one letter.
            if book.members.get(&proposal.member).is_none_or(|member| member.asked.is_none()) {
                letters::open_idle_spell(now, rules, book, &proposal.member, spell, days);
            }
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
    let idempotency_key = idempotency_key(now, &act);
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
        not_done: 0,
        first_try: None,
        last_try: None,
        not_before: now,
        last_error: None,
        ended: None,
        hindered: Hindered::default(),
        idempotency_key,
    };
    book.intents.insert(proposal.key, intent);
}

/// Stripe answers a key that it has seen with what it answered then, for a day:
/// each occasion has its own, whatever was cancelled before.
fn idempotency_key(decided: Moment, act: &Act) -> Option<String> {
    match act {
        Act::Cancel { subscription, .. } => Some(format!("usher-cancel-{subscription}-{}", decided.timestamp_millis())),
        _ => None,
    }
}

/// Intents and holds whose cause is gone. One that was tried stays until a
/// listing begun well after the try shows what became of it. Not knowing is no
/// reason to forget what the operator said, or what was rehearsed.
fn drop_what_is_no_longer_due(
    now: Moment,
    rules: &Rules,
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
            IntentState::Attempted { .. } => confirm::shows_no_effect(now, world, intent),
            IntentState::Decided => true,
            IntentState::Rehearsed { .. } => !untold.contains(&intent.member),
        })
        .map(|intent| intent.key.clone())
        .collect();
    for key in gone {
        if let Some(intent) = book.intents.remove(&key) {
            made_for::give_up(book, &intent);
            book.note(&intent.member, now, format!("no longer due: {}", intent.because));
        }
    }
    let read = rules.configured.iter().all(|source| world.state(*source).wholes >= 2);
    // So is an unread Tautulli none (each start, each outage) to ask again.
    let scene = Scene { now, rules, book, world };
    let watches = rules.configured.contains(&Source::Tautulli);
    let unseen = |hold: &&Hold| {
        watches && pruning::is_about_watching(&hold.key) && inactivity::is_unknowable(scene, &hold.member)
    };
    let unseen: BTreeSet<ActKey> = book.holds.values().filter(unseen).map(|hold| hold.key.clone()).collect();
    let untold = |hold: &Hold| untold.contains(&hold.member) || unseen.contains(&hold.key);
    book.holds.retain(|key, hold| due.contains(key) || untold(hold) || stands_yet(now, hold, read));
}

/// What was said in a rehearsal stands until everything has been read here: an
/// approval as long as what it is about is due then, a rejection until the
/// occasion comes (the rehearsal was ahead: it only imagined the warnings).
fn stands_yet(now: Moment, hold: &Hold, read: bool) -> bool {
    hold.rehearsed
        && match hold.verdict {
            Some(Verdict::Rejected { at }) => now - at < REJECTION_KEPT,
            Some(Verdict::Approved { .. }) => !read,
            None => false,
        }
}

/// Enters new holds and tells the operator of them, once, in one message a rule.
fn hold(now: Moment, rules: &Rules, book: &mut Book, held: Vec<(Proposal, HeldBecause)>) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    let mut new: BTreeMap<&'static str, Vec<Hold>> = BTreeMap::new();
    for (proposal, because) in held {
        if because.wants_approval() && !because.is_of_a_start() && !book.holds.contains_key(&proposal.key) {
            let hold = Hold {
                id: book.hold_number(&proposal.key),
                key: proposal.key.clone(),
                member: proposal.member.clone(),
                what: proposal.what.clone(),
                why: proposal.because.clone(),
                because: because.clone(),
                since: now,
                verdict: None,
                notice: None,
                rehearsed: false,
            };
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
    let notice = book.owe(Owed::to_operator(member, first.id.clone(), letter), rules.ways, now);
    for told in holds {
        if let Some(hold) = book.holds.get_mut(&told.key) {
            hold.notice = Some(notice.clone());
        }
    }
}

fn remember_matching_prices(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let mut matching: Vec<(MemberId, BTreeSet<PriceId>, BTreeSet<MadeFor>)> = Vec::new();
    let scene = Scene { now, rules, book, world };
    let measured = |member: &&Member| {
        let given = member.grants.iter().any(|grant| grant.tier.is_some());
        member.has_access() && (given || !member.subscriptions.is_empty())
    };
    for member in book.members.values().filter(measured) {
        let standing = reasons::standing(scene, member);
        let Some(prices) = sharing::matching_prices(scene, member, &standing) else { continue };
        let grants = standing.grants();
        if prices != member.matched_prices || grants != member.matched_grants {
            matching.push((member.id.clone(), prices, grants));
        }
    }
    for (id, prices, grants) in matching {
        if let Some(member) = book.members.get_mut(&id) {
            (member.matched_prices, member.matched_grants) = (prices, grants);
        }
    }
}

/// The operator's word on holds. `all` means every one without a word yet of
/// which the operator has been told; the others are named in the answer.
///
/// # Errors
/// Names the ids that don't exist, and whom or what they meant before, if they
/// were given by an older rehearsal; then nothing is changed.
pub fn give_verdict(now: Moment, book: &mut Book, ids: &[String], approve: bool) -> Result<Vec<String>, String> {
    let all = ids.iter().any(|id| id == "all");
    let named = || ids.iter().filter(|id| *id != "all");
    let refused: Vec<String> = named().filter_map(|id| book.refused_number(id)).collect();
    if !refused.is_empty() {
        return Err(refused.join(". "));
    }
    let unknown: Vec<&str> = named()
        .filter(|id| !book.libraries.offers.contains_key(*id))
        .filter(|id| !book.holds.values().any(|hold| hold.id == **id))
        .filter(|id| !starting::names(&book.starting, id))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(format!("no such hold: {}; `usher holds` lists them", unknown.join(", ")));
    }
    let mut left_out = Vec::new();
    let mut holds = Vec::new();
    for hold in book.holds.values() {
        // What waits because of a start has the same number: the word is on that.
        let named = ids.contains(&hold.id) && !starting::names(&book.starting, &hold.id);
        match named || (all && hold.verdict.is_none() && is_told(book, hold.notice.as_ref())) {
            true => holds.push(hold.key.clone()),
            false if all && hold.verdict.is_none() => left_out.push(format!("{} ({})", hold.id, hold.what)),
            false => {}
        }
    }
    let mut offered = Vec::new();
    for (id, offer) in &book.libraries.offers {
        let told = || is_told(book, Some(&offers::notice(id)));
        match ids.contains(id) || (all && offer.rejected.is_none() && told()) {
            true => offered.push(id.clone()),
            false if all && offer.rejected.is_none() => {
                left_out.push(format!("{id} ({})", offers::words(book, offer)));
            }
            false => {}
        }
    }
    let mut started = Vec::new();
    for (matter, hold) in &book.starting.waits {
        match starting::is_meant(hold, ids) || (all && is_told(book, hold.notice.as_ref())) {
            true => started.push(matter.clone()),
            false if all => left_out.push(format!("{} ({})", hold.id, hold.what)),
            false => {}
        }
    }
    let mut done = starting::answer(now, book, &started, ids, approve);
    done.extend(holds.iter().filter_map(|key| answer(now, book, key, approve)).collect::<Vec<_>>());
    done.extend(offered.iter().filter_map(|id| offers::answer(now, book, id, approve)));
    if !left_out.is_empty() {
        done.push(format!("left out, because you have not been told of it yet: {}", left_out.join("; ")));
    }
    Ok(done)
}

/// A message about it has reached the operator. Of old holds it isn't known
/// which message that was, and one that is over has been done with.
fn is_told(book: &Book, notice: Option<&NoticeKey>) -> bool {
    let Some(notice) = notice.and_then(|notice| book.outbox.get(notice)) else { return true };
    let mut ways = notice.deliveries.values().peekable();
    ways.peek().is_none() || ways.any(|delivery| matches!(delivery, Delivery::Accepted { .. }))
}

fn answer(now: Moment, book: &mut Book, key: &ActKey, approve: bool) -> Option<String> {
    let hold = book.holds.get_mut(key)?;
    hold.verdict = Some(if approve { Verdict::Approved { at: now } } else { Verdict::Rejected { at: now } });
    let word = if approve { "approved" } else { "rejected" };
    let (member, words) = (hold.member.clone(), format!("{word} {}: {}", hold.id, hold.what));
    book.note(&member, now, format!("you {words}"));
    Some(words)
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
        deadlines.extend(member.asked.as_ref().and_then(|asked| unmanaged::over(scene.rules, asked)));
        deadlines.extend(pending::deadlines(scene, member));
    }
    deadlines.extend(scene.book.intents.values().map(|intent| intent.not_before));
    deadlines.extend(scene.book.intents.values().filter_map(confirm::settles));
    deadlines.extend(scene.book.rests.values());
    deadlines.extend(scene.world.stalled.values().map(|stalled| stalled.until));
    deadlines.extend(brake::pace(scene));
    deadlines.extend(scene.book.removals.iter().map(|removal| removal.at + TimeDelta::hours(24)));
    deadlines.extend(rehearsing::next(scene));
    deadlines.extend(scene.book.next_delivery(scene.now));
    deadlines.into_iter().filter(|deadline| *deadline > scene.now).min()
}
