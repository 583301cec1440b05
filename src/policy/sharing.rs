//! R6: making it so. Reason and no share → invite with exactly the tier's
//! sections. Reason and another share → update in place. Nothing is shared
//! from a tier that doesn't resolve (R7).

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Scene, libraries,
    paying::{self, Grace, Stands},
    plan::{Class, Doing, Plan, Problem, Proposal},
    prices,
    reasons::{Reason, ReasonKind, Standing},
    refusals, undo, who,
};
use crate::facts::{Email, Friends, PriceId, SectionId, SectionSet, ShareId, Source, SubscriptionId};
use crate::ledger::{
    Act, ActKey, Billed, EndedBecause, Grant, GrantKind, InviteRefused, InviteTo, MadeFor, Member, Payer, Proof,
};

/// A grant younger than this never waits on the count of invites.
const FRESH_GRANT: TimeDelta = TimeDelta::hours(24);

/// What the reasons together grant.
pub(super) struct Entitlement {
    pub(super) sections: BTreeSet<SectionId>,
    pub(super) downloads: bool,
    tiers: BTreeSet<String>,
}

/// Proposes the invite or update that makes a member's share what it should be.
pub fn make_it_so(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    if standing.blocked {
        return;
    }
    match &member.share {
        None if member.restoring.is_some() => plan.proposals.extend(undo::give_back(scene, member, standing)),
        None => invite(scene, member, standing, plan),
        Some(share) if share.row.is_accepted() => update(scene, member, standing, plan),
        Some(_) => {} // Pending: what an update would reach is not known; it waits.
    }
}

/// What the reasons together grant; `None` where it can't be told.
pub(super) fn granted(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Entitlement> {
    entitlement(scene, member, standing, &mut Plan::default())
}

/// Whether who pays is not invited because what they bought opens no library now.
#[must_use]
pub fn opens_nothing(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    let calls = standing.has_stripe_reason() && !standing.blocked && member.share.is_none();
    calls && granted(scene, member, standing).is_none_or(|granted| granted.sections.is_empty())
}

/// The union of what the paying reasons give and of what was had by hand.
fn entitlement(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) -> Option<Entitlement> {
    let mut granted = Entitlement { sections: BTreeSet::new(), downloads: false, tiers: BTreeSet::new() };
    for name in standing.tiers() {
        let Some(tier) = scene.rules.tiers.named(name) else {
            if is_read_anew(scene, member, name) {
                return None;
            }
            let title = format!("Tier {name:?} is no longer in the tiers file");
            plan.problems.push(problem(title, "People whose price bought it keep what they have."));
            return None;
        };
        match libraries::resolve(&scene.book.libraries, tier) {
            Ok(sections) => granted.sections.extend(sections.ids()),
            Err(_) => return None, // Told with the tiers that don't resolve.
        }
        granted.downloads |= tier.downloads;
        granted.tiers.insert(name.to_owned());
    }
    for grant in member.grants.iter().filter(|grant| grant.stands(scene.now) && grant.tier.is_none()) {
        // Who is being restored has it as it was.
        let of_before = || member.restoring.as_ref().map(|restoring| &restoring.share);
        let current = member.share.as_ref().map(|share| &share.row).or_else(of_before);
        let as_it_stands = || current.map(|row| row.libraries(&scene.book.libraries.known)).unwrap_or_default();
        // Nobody but Usher lists libraries one by one in a share made by hand:
        // while it says "all", new libraries are theirs as well.
        let all = grant.kind == GrantKind::ByHand && current.is_some_and(|row| row.all_libraries);
        let frozen = grant.libraries.clone().filter(|_| !all);
        granted.sections.extend(frozen.unwrap_or_else(as_it_stands));
        granted.downloads |= grant.downloads.or_else(|| current.and_then(|row| row.downloads)).unwrap_or(false);
    }
    // A library that was deleted stays in what was frozen, and can't be sent
    // (RULES R6). One that is shared and not in the list of libraries yet stays.
    let known = &scene.book.libraries.known;
    let is_shared = |id: &SectionId| member.share.as_ref().is_some_and(|share| share.row.sections.contains(id));
    granted.sections.retain(|id| known.contains_key(id) || is_shared(id));
    Some(granted)
}

/// Its subscription's prices are in another tier by now, which the next reading
/// of Stripe writes down.
fn is_read_anew(scene: Scene<'_>, member: &Member, tier: &str) -> bool {
    let catalogue = scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let now = |billed: &Billed| prices::bought_by_book(scene.rules, catalogue, &scene.book.tiers, &billed.now);
    let mut such = member.subscriptions.values().filter(|billed| billed.tiers.contains(tier)).peekable();
    let granted = member.grants.iter().any(|grant| grant.stands(scene.now) && grant.tier.as_deref() == Some(tier));
    !granted && such.peek().is_some() && such.all(|billed| now(billed).is_some_and(|bought| !bought.tiers.is_empty()))
}

fn problem(title: String, detail: &str) -> Problem {
    Problem {
        key: title.clone(),
        title,
        detail: detail.to_owned(),
        what_to_do: "Mend the tiers file (TIERS_FILE); it is read again each minute.".into(),
    }
}

fn invite(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    if standing.protected.is_some() && !is_paying_vip(scene, member, standing) {
        return;
    }
    // The address they paid with speaks for somebody who is in, or is revoked: an
    // invite to it would be theirs.
    let would_be_theirs = |id: &crate::member::MemberId| {
        scene.book.members.get(id).is_some_and(|other| other.has_access() || other.blocked.is_some())
    };
    if member.plex.is_none() && member.disputed.iter().any(would_be_theirs) {
        return;
    }
    let calls = |reason: &&Reason| match reason.kind {
        ReasonKind::Paying => true,
        ReasonKind::Granted(kind) => matches!(kind, GrantKind::Grandfathered | GrantKind::Complimentary),
        ReasonKind::Grace => is_worth_an_invite(scene, member, reason),
    };
    let calling: Vec<_> = standing.reasons.iter().filter(calls).collect();
    if calling.is_empty() {
        return;
    }
    let standing_subs = standing.subscriptions();
    if member.gone.as_ref().is_some_and(|gone| !gone.by_us && standing_subs.is_subset(&gone.standing)) {
        return; // Went away without us while this same reason stood.
    }
    let Some(granted) = entitlement(scene, member, standing, plan) else { return };
    let Some(sections) = SectionSet::new(granted.sections) else { return };
    let refused = member.invite_refused.as_ref();
    let refused = refused.filter(|refused| refusals::stands(scene.now, refused, &sections));
    let Some(to) = unless_refused(member, refused) else { return };
    if leads_home(scene, &to) {
        return;
    }
    let subs: Vec<&str> = standing_subs.iter().map(|id| id.as_str()).collect();
    let billed = || member.subscriptions.values().filter(|billed| standing_subs.contains(&billed.now.id));
    // A subscription that began after the book never waits on the count of
    // invites (RULES R9.9). Nor does a grant of today: the operator said it, or a
    // code gave it, whose uses are counted.
    let said = |grant: &Grant| grant.kind == GrantKind::Complimentary || grant.code.is_some();
    let today = |grant: &Grant| said(grant) && scene.now - grant.since < FRESH_GRANT;
    let fresh = billed().any(|billed| !billed.adopted) || member.grants.iter().any(today);
    let adoption = !was_found_on_plex(member)
        && member.made.is_empty()
        && !standing_subs.is_empty()
        && billed().all(|billed| billed.adopted);
    let occasion = if subs.is_empty() { "grant".to_owned() } else { subs.join("+") };
    let titles = libraries::titles(&scene.book.libraries, sections.ids()).join(", ");
    let why: Vec<&str> = calling.iter().map(|reason| reason.what.as_str()).collect();
    plan.proposals.push(Proposal {
        key: ActKey::new("invite", &member.id, &occasion),
        member: member.id.clone(),
        class: Class::Invite { fresh, adoption },
        what: format!("invite {} to {titles}", member.name()),
        because: format!("{}; no share on this server", why.join(", ")),
        rests_on: sources(standing),
        due: billed().map(|billed| billed.first_seen).min().unwrap_or(scene.now),
        approval: None,
        unwarned: None,
        doing: Doing::Act(Act::Invite {
            to,
            sections,
            downloads: granted.downloads,
            settings: None,
            made_for: standing.made_for(),
        }),
    });
}

/// They had a place once, or the operator said who they are. That somebody
/// signed in shows an account, and nothing of a place here.
fn was_found_on_plex(member: &Member) -> bool {
    let signed_in = |payer: &Payer| payer.proof == Some(Proof::PlexSignIn);
    let only_signed_in = !member.customers.is_empty() && member.customers.values().all(signed_in);
    who::has_had_account(member) && (member.gone.is_some() || !only_signed_in)
}

/// Grace is a reason, too, while its days run or Stripe will try again. Not
/// what only waits to end: it would be taken back at once. And not once more
/// for a subscription beside which their last share ended: that waits for the
/// money, or each cycle's failed payment would open the door for a week.
fn is_worth_an_invite(scene: Scene<'_>, member: &Member, grace: &Reason) -> bool {
    let Some(billed) = grace.subscription.as_ref().and_then(|id| member.subscriptions.get(id)) else { return false };
    let stands = paying::stands(scene.now, scene.rules, member, billed);
    let runs = matches!(stands, Stands::Grace { kind: Grace::Money | Grace::Paid, until: Some(_), .. });
    runs && member.gone.as_ref().is_none_or(|gone| !gone.standing.contains(&billed.now.id))
}

/// Owner and home users are never invited; a VIP who pays is.
fn is_paying_vip(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    !is_of_the_house(scene, member) && standing.has_stripe_reason()
}

/// The owner, or somebody in the owner's Plex Home.
#[must_use]
pub fn is_of_the_house(scene: Scene<'_>, member: &Member) -> bool {
    member.home || (member.plex.is_some() && member.plex == scene.book.identities.owner)
}

/// This address is the owner's, or that of somebody in the owner's Plex Home.
#[must_use]
pub fn is_home_address(scene: Scene<'_>, email: &Email) -> bool {
    scene.world.plex.value().is_some_and(|friends| friends.house_emails.contains(email))
}

/// What would be sent there is sent to the owner, or into the owner's Home.
pub(super) fn leads_home(scene: Scene<'_>, to: &InviteTo) -> bool {
    match to {
        InviteTo::Account(account) => {
            let at_home = |friends: &Friends| friends.owner == *account || friends.home.contains(account);
            scene.world.plex.value().is_some_and(at_home)
        }
        InviteTo::Email(email) => is_home_address(scene, email),
    }
}

/// By account id where it is known, once by address if that is refused, then
/// nobody: unmatched (RULES R2).
pub(super) fn invite_to(member: &Member) -> Option<InviteTo> {
    unless_refused(member, member.invite_refused.as_ref())
}

fn unless_refused(member: &Member, refused: Option<&InviteRefused>) -> Option<InviteTo> {
    if let Some(account) = member.plex.filter(|_| refused.is_none_or(|refused| !refused.by_id)) {
        return Some(InviteTo::Account(account));
    }
    // Their Plex account's own address, once an account is known: the one they
    // paid with could be another account's.
    let restored = || member.restoring.as_ref().and_then(|restoring| restoring.share.email.as_ref());
    let email = member.email.as_ref().filter(|_| who::has_had_account(member));
    let given = || member.given_email.as_ref();
    let email = email.or_else(|| member.paying_email()).or_else(given).or_else(restored)?;
    if refused.is_some_and(|refused| refused.by_email) || (!who::has_had_account(member) && who::is_relay(email)) {
        return None;
    }
    Some(InviteTo::Email(email.clone()))
}

fn update(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    let left_over = is_left_over(scene, member, standing);
    if (standing.tiers().is_empty() && !left_over) || standing.protected.is_some() {
        return;
    }
    let Some(share) = &member.share else { return };
    let Some(mut granted) = entitlement(scene, member, standing, plan) else { return };
    let known = &scene.book.libraries.known;
    let current = share.row.libraries(known);
    if !standing.unknown.is_empty() {
        // What can't be told takes nothing away; what is known still gives.
        granted.sections.extend(&current);
        granted.downloads |= share.row.downloads.unwrap_or(false);
    }
    let lost: BTreeSet<SectionId> = current.difference(&granted.sections).copied().collect();
    let gained = granted.sections.difference(&current).next().is_some();
    let elsewhere = member.plex.is_some_and(|account| {
        scene.world.plex.value().is_none_or(|friends| friends.on_other_servers.contains(&account))
    });
    let downloads = share.row.downloads.filter(|_| !elsewhere && share.row.settings.is_some());
    let downloads = downloads.filter(|now| *now != granted.downloads).map(|_| granted.downloads);
    if lost.is_empty() && !gained && downloads.is_none() {
        return;
    }
    if left_over && gained {
        return; // What they had by hand was taken away by hand.
    }
    let Some(sections) = SectionSet::new(granted.sections) else { return };
    let narrows = !lost.is_empty() || downloads == Some(false);
    let off = downloads == Some(false);
    let approval = if narrows { why_ask(scene, member, standing, share.id(), &lost, off) } else { None };
    let ids: Vec<String> = sections.ids().iter().map(ToString::to_string).collect();
    let titles = libraries::titles(&scene.book.libraries, sections.ids()).join(", ");
    let tiers: Vec<String> = granted.tiers.into_iter().collect();
    let on_break = standing.ended.iter().find(|(_, ended)| ended.because == EndedBecause::Paused);
    let because = match left_over {
        true if on_break.is_some() => "their subscription is paused; what they had by hand before it stays".to_owned(),
        true => "their subscription ended; what they had by hand before it stays".to_owned(),
        false if standing.has_stripe_reason() => format!("their subscription buys {}", tiers.join(" and ")),
        false => format!("they are given {}", tiers.join(" and ")),
    };
    let allows = match downloads {
        Some(true) => ", downloads on",
        Some(false) => ", downloads off",
        None => "",
    };
    plan.proposals.push(Proposal {
        key: ActKey::new("update", &member.id, &format!("{}-{}-{}", share.id(), ids.join("."), allows.len())),
        member: member.id.clone(),
        class: if narrows { Class::Narrowing } else { Class::Widening },
        what: format!("change the share of {} to {titles}{allows}", member.name()),
        because,
        rests_on: if member.subscriptions.is_empty() { sources(standing) } else { both() },
        due: scene.now,
        approval,
        unwarned: None,
        doing: Doing::Act(Act::Update { share: share.id(), sections, downloads, narrows }),
    });
}

/// Why the operator is asked before something is taken away: it isn't the
/// member who buys less now.
fn why_ask(
    scene: Scene<'_>,
    member: &Member,
    standing: &Standing,
    share: ShareId,
    lost: &BTreeSet<SectionId>,
    downloads_off: bool,
) -> Option<String> {
    if let Some(why) = asks_for_its_end(member, standing) {
        return Some(why);
    }
    if member.matched_prices == prices(member, standing) {
        if went_with_a_grant(scene, member, lost, downloads_off) || was_made_for_more(member, standing, share) {
            return None;
        }
        return Some("it takes something away that the same price gave before: the tier was edited, an entitlement ended at Stripe, or the share was changed in Plex".to_owned());
    }
    let by_hand = member.matched_prices.is_empty() && !member.made.contains(&share);
    by_hand.then(|| "the share was made by hand in Plex, with more than the subscription buys".to_owned())
}

/// An end that only the operator decides takes nothing away by itself, where
/// something else keeps them in.
fn asks_for_its_end(member: &Member, standing: &Standing) -> Option<String> {
    let of_the_share = |id: &SubscriptionId| {
        let items = || member.subscriptions.get(id).into_iter().flat_map(|billed| &billed.now.items);
        member.matched_prices.is_empty() || items().any(|item| member.matched_prices.contains(&item.price))
    };
    let ended = standing.ended.iter().filter(|(id, _)| of_the_share(id));
    ended.filter_map(|(_, ended)| ended.approval.clone()).next()
}

/// Usher made it for something that was over before it was taken up: it never
/// was as what stands would have it, and what goes was never theirs.
fn was_made_for_more(member: &Member, standing: &Standing, share: ShareId) -> bool {
    let stands = standing.made_for();
    let never_measured = member.matched_prices.is_empty() && member.matched_grants.is_empty();
    let made_for = member.made_for.get(&share).filter(|_| member.made.contains(&share));
    never_measured && made_for.is_some_and(|made_for| made_for.iter().any(|of| !stands.contains(of)))
}

/// All that goes was given by a grant with a tier or libraries of its own, which
/// stood when the share was last seen as it should be, and whose day is over.
fn went_with_a_grant(scene: Scene<'_>, member: &Member, lost: &BTreeSet<SectionId>, downloads_off: bool) -> bool {
    let (mut gave, mut downloads) = (BTreeSet::new(), false);
    let stood = |grant: &&Grant| {
        let of = MadeFor::Grant { kind: grant.kind, since: grant.since };
        !grant.stands(scene.now) && member.matched_grants.contains(&of)
    };
    for grant in member.grants.iter().filter(stood) {
        gave.extend(grant.libraries.iter().flatten().copied());
        downloads |= grant.downloads == Some(true);
        let Some(tier) = grant.tier.as_ref().and_then(|tier| scene.rules.tiers.named(tier)) else { continue };
        downloads |= tier.downloads;
        gave.extend(libraries::resolve(&scene.book.libraries, tier).iter().flat_map(SectionSet::ids).copied());
    }
    lost.is_subset(&gave) && (downloads || !downloads_off)
}

pub(super) fn prices(member: &Member, standing: &Standing) -> BTreeSet<PriceId> {
    let subscriptions = standing.subscriptions();
    let billed = member.subscriptions.values().filter(|billed| subscriptions.contains(&billed.now.id));
    billed.flat_map(|billed| billed.now.items.iter().map(|item| item.price.clone())).collect()
}

/// A subscription gave more than was had by hand before it, and is over: what
/// was had by hand, frozen when it began, is all that stands.
fn is_left_over(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    let kept = |kind| matches!(kind, GrantKind::ByHand | GrantKind::Grandfathered);
    let frozen = |grant: &Grant| kept(grant.kind) && grant.libraries.is_some();
    let ended = !standing.ended.is_empty() && standing.subscriptions().is_empty() && standing.unknown.is_empty();
    let mut stand = member.grants.iter().filter(|grant| grant.stands(scene.now));
    ended && !member.matched_prices.is_empty() && stand.all(frozen)
}

/// The prices of a share that gives just what they buy: what a later narrowing
/// is measured against.
#[must_use]
pub fn matching_prices(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<BTreeSet<PriceId>> {
    let share = member.share.as_ref().filter(|share| share.row.is_accepted())?;
    let granted = granted(scene, member, standing)?;
    let current = share.row.libraries(&scene.book.libraries.known);
    // Once only what was had by hand is left, nothing is measured any more.
    let is_off = || granted.downloads || share.row.downloads != Some(true);
    let measured = !granted.tiers.is_empty() || (is_left_over(scene, member, standing) && is_off());
    (measured && granted.sections == current).then(|| prices(member, standing))
}

fn both() -> BTreeSet<Source> {
    BTreeSet::from([Source::Plex, Source::Stripe])
}

pub(super) fn sources(standing: &Standing) -> BTreeSet<Source> {
    let mut sources = BTreeSet::from([Source::Plex]);
    if standing.has_stripe_reason() {
        sources.insert(Source::Stripe);
    }
    sources
}
