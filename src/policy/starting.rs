//! R11: starts that surprise nobody.
//!
//! The first live start after a rehearsal, and the first start of a new version
//! on an older book, first look. When every configured source has been read
//! whole twice, what is due is one hold, *go-live* or *upgrade*: ends,
//! narrowings, warnings, and letters to members. After a rehearsal that is all
//! of it; after an upgrade only what the version before would not have done.
//! Invites are never among it, nor what is said or asked for after the start.
//! The operator lets it go whole or one by one; the rest of the brake stays.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Rules, Scene, Seen, World, decide, inactivity,
    plan::{self, Class, Doing, Plan, Proposal},
};
use crate::facts::{Activity, Billing, Catalogue, Customer, Friends, Moment, PlexId, Source, Watcher, Whole};
use crate::ledger::{
    Act, ActKey, Book, HeldBecause, Hold, Letter, Looking, Matter, NoticeKey, Owed, StartCause, Starting, VERSION,
    Verdict, is_owed,
};
use crate::member::MemberId;

/// A live start. `rehearsed`: the last who ran on this book was a rehearsal.
pub fn begin(now: Moment, rules: &Rules, book: &mut Book, rehearsed: bool) {
    let earlier = book.starting.looking.take();
    let is_older = book.version != VERSION;
    book.version = VERSION.to_owned();
    let going_live = earlier.as_ref().filter(|looking| looking.cause == StartCause::GoLive);
    if rehearsed || going_live.is_some() {
        let since = going_live.map_or(now, |looking| if rehearsed { now } else { looking.since });
        book.starting.looking = Some(Looking { cause: StartCause::GoLive, since, only: None });
        return;
    }
    let mut only = earlier.as_ref().and_then(|looking| looking.only.clone()).unwrap_or_default();
    if is_older && !book.adopted.is_empty() {
        only.extend(newly(rules, book));
    }
    if !only.is_empty() {
        let since = earlier.map_or(now, |looking| looking.since);
        book.starting.looking = Some(Looking { cause: StartCause::Upgrade, since, only: Some(only) });
    }
}

/// What a proposal is about, where a start may let it wait.
#[must_use]
pub fn matter(proposal: &Proposal) -> Option<Matter> {
    let member = &proposal.member;
    Some(match (&proposal.doing, proposal.class) {
        (Doing::Warn { .. }, _) => Matter::of("warn", member),
        (Doing::AskToSubscribe, _) => Matter::of("ask", member),
        (Doing::Act(Act::Cancel { subscription, .. }), _) => Matter::about("cancel", member, subscription.as_str()),
        (Doing::Act(Act::End { .. }), _) => Matter::of("end", member),
        (_, Class::Narrowing) => Matter::of("narrow", member),
        (Doing::Act(Act::Forget { .. }), _) => Matter::of("forget", member),
        (Doing::Act(Act::Unfriend { .. }), _) => Matter::of("unfriend", member),
        (Doing::Act(Act::Invite { .. } | Act::Update { .. } | Act::Remember { .. } | Act::Uncancel { .. }), _) => {
            return None;
        }
    })
}

/// Why something waits because of a start.
#[must_use]
pub fn held(scene: Scene<'_>, proposal: &Proposal) -> Option<HeldBecause> {
    let starting = &scene.book.starting;
    let rejected = scene.book.holds.get(&proposal.key).filter(|hold| hold.because.is_of_a_start() && is_rejected(hold));
    if let Some(hold) = rejected {
        return (!was_said_since(scene.book, proposal, hold.since)).then_some(HeldBecause::Rejected);
    }
    if starting.is_over() {
        return None;
    }
    let matter = matter(proposal)?;
    if let Some(hold) = starting.waits.get(&matter) {
        return (!was_said_since(scene.book, proposal, hold.since)).then(|| hold.because.clone());
    }
    let looking = starting.looking.as_ref().filter(|looking| looking.concerns(&matter))?;
    if was_said_since(scene.book, proposal, looking.since) {
        return None;
    }
    let unseen = |source: &&Source| scene.world.state(**source).wholes < 2;
    let source = scene.rules.configured.iter().find(unseen).copied();
    Some(source.map_or_else(|| looking.cause.because(), |source| HeldBecause::Looked { source }))
}

/// `usher revoke`, said after the start: that is the operator's word already.
fn was_said_since(book: &Book, proposal: &Proposal, since: Moment) -> bool {
    let by_word = match &proposal.doing {
        Doing::Act(Act::End { cause, .. }) => *cause == crate::ledger::EndCause::Revoked,
        Doing::Act(Act::Cancel { .. }) => true,
        _ => false,
    };
    let blocked = || book.members.get(&proposal.member).and_then(|member| member.blocked);
    by_word && blocked().is_some_and(|blocked| blocked >= since)
}

/// Every configured source was read whole twice by this process, of the right
/// server and account, and the book may be acted on.
fn has_looked(scene: Scene<'_>) -> bool {
    let sound = |source: &Source| {
        scene.world.state(*source).wholes >= 2 && super::brake::identity_failure(scene, *source).is_none()
    };
    scene.world.only_look.is_none() && scene.rules.configured.iter().all(sound)
}

/// Turns what is due into the hold once all has been looked at, tells of it,
/// and lets go of what is no longer due.
pub fn gather(now: Moment, rules: &Rules, world: &World, book: &mut Book, plan: &Plan) {
    if book.starting.is_over() || !has_looked(Scene { now, rules, book, world }) {
        return;
    }
    forget_what_is_over(now, rules, world, book, plan);
    let Some(looking) = book.starting.looking.take() else { return };
    let mut found: BTreeMap<Matter, Hold> = BTreeMap::new();
    for proposal in &plan.proposals {
        let Some(matter) = matter(proposal).filter(|matter| looking.concerns(matter)) else { continue };
        let is_rejected = book.holds.get(&proposal.key).is_some_and(is_rejected);
        if is_rejected || was_said_since(book, proposal, looking.since) {
            continue;
        }
        let (what, why) = (proposal.what.clone(), proposal.because.clone());
        found.entry(matter).or_insert_with(|| hold(now, &looking, proposal.key.clone(), &proposal.member, what, why));
    }
    let letters: Vec<NoticeKey> = book
        .outbox
        .values()
        .filter(|notice| is_owed(notice) && book.starting_keeps_back(&looking, notice))
        .map(|notice| notice.key.clone())
        .collect();
    for key in letters {
        let Some((notice, member)) = book.outbox.get(&key).and_then(|notice| Some((notice, notice.member.clone()?)))
        else {
            continue;
        };
        let name = book.members.get(&member).map(crate::ledger::Member::name).unwrap_or_default();
        let what = format!("write to {name}: {}", notice.letter.kind().replace('_', " "));
        let why = format!("owed since {}", notice.created.format("%Y-%m-%d %H:%M UTC"));
        let act = ActKey(Matter::letter(&key).0);
        found.insert(Matter::letter(&key), hold(now, &looking, act, &member, what, why));
    }
    for (matter, mut new) in found {
        if book.starting.waits.contains_key(&matter) {
            continue; // From a start before: it keeps its number.
        }
        new.id = book.hold_number(&new.key);
        book.note(&new.member, now, format!("waits for you ({}, {}): {}", new.id, looking.cause.name(), new.what));
        book.starting.waits.insert(matter, new);
    }
    tell(now, rules, book, &looking);
}

fn is_rejected(hold: &Hold) -> bool {
    matches!(hold.verdict, Some(Verdict::Rejected { .. }))
}

fn hold(now: Moment, looking: &Looking, key: ActKey, member: &MemberId, what: String, why: String) -> Hold {
    let because = looking.cause.because();
    let (id, member) = (String::new(), member.clone());
    Hold { id, key, member, what, why, because, since: now, verdict: None, notice: None, rehearsed: false }
}

/// One message that lists all that waits, with the commands.
fn tell(now: Moment, rules: &Rules, book: &mut Book, looking: &Looking) {
    let because = looking.cause.because();
    let waits: Vec<&Hold> = book.starting.waits.values().filter(|hold| hold.because == because).collect();
    let Some(first) = waits.first() else { return };
    let name = looking.cause.name();
    let title = match (looking.cause, waits.len()) {
        (StartCause::GoLive, 1) => "one thing that going live would do".to_owned(),
        (StartCause::GoLive, many) => format!("{many} things that going live would do"),
        (StartCause::Upgrade, 1) => "one thing that only the new version would do".to_owned(),
        (StartCause::Upgrade, many) => format!("{many} things that only the new version would do"),
    };
    let reason = match looking.cause {
        StartCause::GoLive => {
            "Usher is live now. What was due at this start is not done yet: it waits for your word, over restarts \
             too. Who pays is invited meanwhile."
        }
        StartCause::Upgrade => {
            "This version of Usher would do what the one before would not, on the same facts. It waits for your \
             word, over restarts too. Who pays is invited meanwhile."
        }
    };
    let people = waits.iter().map(|hold| format!("{}: {} ({}): {}", hold.id, hold.what, hold.member, hold.why));
    let letter = Letter::Held {
        title,
        reason: reason.to_owned(),
        people: people.collect(),
        how_to_approve: vec![
            format!("usher approve {name}"),
            format!("usher approve {}", first.id),
            format!("usher reject {}", first.id),
            format!("usher reject {name}"),
        ],
    };
    let occasion = format!("{name}-{}", looking.since.timestamp());
    let notice = book.owe(Owed::to_operator(None, occasion, letter), rules.ways, now);
    for hold in book.starting.waits.values_mut().filter(|hold| hold.because == because) {
        hold.notice = Some(notice.clone());
    }
}

/// What is no longer due waits no more. Not knowing is no reason to forget.
fn forget_what_is_over(now: Moment, rules: &Rules, world: &World, book: &mut Book, plan: &Plan) {
    let mut due: BTreeSet<Matter> = BTreeSet::new();
    for proposal in &plan.proposals {
        let Some(matter) = matter(proposal) else { continue };
        let said = book.starting.waits.get(&matter).is_some_and(|hold| was_said_since(book, proposal, hold.since));
        if said {
            continue;
        }
        // The same matter under another share or other libraries.
        if let Some(hold) = book.starting.waits.get_mut(&matter).filter(|hold| hold.key != proposal.key) {
            hold.key = proposal.key.clone();
            (hold.what, hold.why) = (proposal.what.clone(), proposal.because.clone());
        }
        due.insert(matter);
    }
    let stale = |notice: &crate::ledger::Notice| now > notice.stale_after && notice.first_sending.is_none();
    let mut over = Vec::new();
    for (matter, hold) in &book.starting.waits {
        let letter = matter.0.strip_prefix("letter/").map(|key| NoticeKey(key.to_owned()));
        let stays = match letter.and_then(|key| book.outbox.get(&key)) {
            Some(notice) => is_owed(notice) && !stale(notice),
            None => due.contains(matter) || is_untold(Scene { now, rules, book, world }, plan, &hold.member),
        };
        if !stays {
            over.push(matter.clone());
        }
    }
    for matter in over {
        let Some(hold) = book.starting.waits.remove(&matter) else { continue };
        if let Some(key) = matter.0.strip_prefix("letter/") {
            book.cancel_notice(&NoticeKey(key.to_owned()), "no longer worth sending", now);
        }
        book.note(&hold.member, now, format!("waits no more ({}): {}", hold.id, hold.what));
    }
}

/// It can't be told at present whether something is still due for them.
fn is_untold(scene: Scene<'_>, plan: &Plan, member: &MemberId) -> bool {
    plan.untold.contains(member) || inactivity::is_unknowable(scene, member)
}

/// The operator's word on what waits because of a start. A yes lifts this hold
/// alone.
pub fn answer(now: Moment, book: &mut Book, matters: &[Matter], ids: &[String], approve: bool) -> Vec<String> {
    let mut done = Vec::new();
    if approve {
        // One that was rejected before: the yes lifts the start's hold, no more.
        let named = |hold: &Hold| hold.because.is_of_a_start() && ids.contains(&hold.id);
        book.holds.retain(|_, hold| {
            if named(hold) {
                done.push(format!("approved {}: {}", hold.id, hold.what));
            }
            !named(hold)
        });
    }
    for matter in matters {
        let Some(mut hold) = book.starting.waits.remove(matter) else { continue };
        let word = if approve { "approved" } else { "rejected" };
        let words = format!("{word} {}: {}", hold.id, hold.what);
        book.note(&hold.member, now, format!("you {words}"));
        done.push(words);
        if approve {
            continue;
        }
        match matter.0.strip_prefix("letter/") {
            Some(key) => book.cancel_notice(&NoticeKey(key.to_owned()), "you rejected it", now),
            None => {
                hold.verdict = Some(Verdict::Rejected { at: now });
                book.holds.insert(hold.key.clone(), hold);
            }
        }
    }
    done
}

/// Whether one of a command's words means this hold of a start: its number, or
/// the name of what let it wait (`go-live`, `upgrade`).
#[must_use]
pub fn is_meant(hold: &Hold, ids: &[String]) -> bool {
    ids.iter().any(|id| *id == hold.id || *id == hold.because.rule())
}

/// Whether a command's word names something that waits because of a start.
#[must_use]
pub fn names(starting: &Starting, id: &str) -> bool {
    starting.waits.values().any(|hold| is_meant(hold, &[id.to_owned()]))
}

/// `usher revoke`, said once more of somebody whose end waits because of a
/// start: now it is said after it.
pub fn let_go(book: &mut Book, member: &MemberId) -> bool {
    let end = Matter::of("end", member);
    let cancel = format!("cancel/{member}/");
    let before = book.starting.waits.len() + book.holds.len();
    book.starting.waits.retain(|matter, _| *matter != end && !matter.0.starts_with(&cancel));
    let of_the_end = |key: &ActKey| key.0.starts_with(&format!("{}/", end.0)) || key.0.starts_with(&cancel);
    book.holds.retain(|key, hold| !(hold.because.is_of_a_start() && of_the_end(key)));
    book.starting.waits.len() + book.holds.len() < before
}

/// What these rules would do with this book at the very instant of its last
/// commit, on the facts that it holds, and the book itself neither does nor
/// owes: the version that wrote it would not.
fn newly(rules: &Rules, book: &Book) -> BTreeSet<Matter> {
    let now = book.committed;
    let world = as_last_read(book);
    let known = |key: &ActKey| book.intents.contains_key(key) || book.holds.contains_key(key);
    let plan = plan::plan(Scene { now, rules, book, world: &world });
    let mut newly: BTreeSet<Matter> =
        plan.proposals.iter().filter(|proposal| !known(&proposal.key)).filter_map(matter).collect();
    let mut live = rules.clone();
    live.ways.dry_run = false;
    let mut then = book.clone();
    decide::decide(now, &live, &world, &mut then);
    let owed = then.outbox.values().filter(|notice| is_owed(notice) && !book.outbox.contains_key(&notice.key));
    newly.extend(owed.map(|notice| Matter::letter(&notice.key)));
    newly
}

/// The services as the book last had them from them.
fn as_last_read(book: &Book) -> World {
    fn seen<T>(now: Moment, value: T) -> Seen<T> {
        let last = Whole { begun: now, at: now, skew_secs: None, value };
        Seen { last: Some(last.into()), wholes: 2, ..Seen::default() }
    }
    let now = book.committed;
    let server = book.identities.plex_server.clone().unwrap_or_else(|| "".into());
    let members = || book.members.values();
    let billed = || members().flat_map(|member| member.subscriptions.values().map(|billed| &billed.now));
    let items = billed().flat_map(|sub| &sub.items);
    let friends = Friends {
        owner: book.identities.owner.unwrap_or(PlexId(0)),
        owner_email: None,
        house_emails: BTreeSet::new(),
        server: server.clone(),
        server_name: String::new(),
        sections: book.libraries.known.clone(),
        shares: members().filter_map(|member| Some(member.share.as_ref()?.row.clone())).collect(),
        home: members().filter(|member| member.home).filter_map(|member| member.plex).collect(),
        friends: Some(members().filter_map(|member| member.plex).collect()),
        on_other_servers: BTreeSet::new(),
    };
    let billing = Billing {
        catalogue: Some(Catalogue {
            prices: items.filter_map(|item| Some((item.price.clone(), item.product.clone()?))).collect(),
            ..Catalogue::default()
        }),
        subscriptions: billed().map(|sub| (sub.id.clone(), sub.clone())).collect(),
        customers: members()
            .flat_map(|member| &member.customers)
            .map(|(id, payer)| {
                let (email, name) = (payer.email.clone(), payer.name.clone());
                (id.clone(), Customer { id: id.clone(), email, name, deleted: false })
            })
            .collect(),
        cursor: book.cursor.clone(),
        ..Billing::empty(book.identities.stripe_account.clone(), book.identities.stripe_livemode.unwrap_or(true))
    };
    let watchers = members()
        .filter_map(|member| Some((member.plex?, Watcher { last_play: member.last_play, keep_history: true })));
    let activity = Activity {
        server,
        connected: true,
        people: watchers.collect(),
        watching_now: Some(BTreeSet::new()),
        // Whoever never played is counted from when they came.
        oldest_play: Some(Moment::UNIX_EPOCH),
        history_total: 0,
        unlogged_keys: BTreeSet::new(),
    };
    World { plex: seen(now, friends), stripe: seen(now, billing), tautulli: seen(now, activity), ..World::default() }
}
