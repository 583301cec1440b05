//! R6: making it so. Reason and no share → invite with exactly the tier's
//! sections. Reason and another share → update in place. Nothing is shared
//! from a tier that doesn't resolve (R7).

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Scene, libraries,
    plan::{Class, Doing, Plan, Problem, Proposal},
    reasons::{ReasonKind, Standing},
    who,
};
use crate::facts::{SectionId, SectionSet, Source};
use crate::ledger::{Act, ActKey, GrantKind, InviteTo, Member};

/// A payment younger than this never waits on the count of invites.
const FRESH_PAYMENT: TimeDelta = TimeDelta::hours(24);

/// What the reasons together grant.
struct Entitlement {
    sections: BTreeSet<SectionId>,
    downloads: bool,
    tiers: BTreeSet<String>,
}

/// Proposes the invite or update that makes a member's share what it should be.
pub fn make_it_so(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    if standing.blocked {
        return;
    }
    match &member.share {
        None => invite(scene, member, standing, plan),
        Some(share) if share.row.is_accepted() => update(scene, member, standing, plan),
        Some(_) => {} // Pending: what an update would reach is not known; it waits.
    }
}

/// The union of what the paying reasons give and of what was had by hand.
fn entitlement(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) -> Option<Entitlement> {
    let mut granted = Entitlement { sections: BTreeSet::new(), downloads: false, tiers: BTreeSet::new() };
    for name in standing.tiers() {
        let Some(tier) = scene.rules.tiers.named(name) else {
            let title = format!("Tier {name:?} is no longer in the tiers file");
            plan.problems.push(problem(title, "People whose price bought it keep what they have."));
            return None;
        };
        match libraries::resolve(&scene.book.libraries, tier) {
            Ok(sections) => granted.sections.extend(sections.ids()),
            Err(why) => {
                if !scene.book.libraries.known.is_empty() {
                    let title = format!("Tier {name:?} can't be shared");
                    plan.problems.push(problem(
                        title,
                        &format!("{why}. Until it is mended, nobody is invited to it or changed."),
                    ));
                }
                return None;
            }
        }
        granted.downloads |= tier.downloads;
        granted.tiers.insert(name.to_owned());
    }
    for grant in member.grants.iter().filter(|grant| grant.until.is_none_or(|until| scene.now < until)) {
        let current = member.share.as_ref();
        let as_it_stands = || current.map(|share| share.row.libraries(&scene.book.libraries.known)).unwrap_or_default();
        granted.sections.extend(grant.libraries.clone().unwrap_or_else(as_it_stands));
        granted.downloads |= grant.downloads.or_else(|| current.and_then(|share| share.row.downloads)).unwrap_or(false);
    }
    Some(granted)
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
    let grants = |kind| match kind {
        ReasonKind::Paying => true,
        ReasonKind::Granted(kind) => matches!(kind, GrantKind::Grandfathered | GrantKind::Complimentary),
        ReasonKind::Grace => false,
    };
    let calling: Vec<_> = standing.reasons.iter().filter(|reason| grants(reason.kind)).collect();
    if calling.is_empty() {
        return;
    }
    let standing_subs = standing.subscriptions();
    if member.gone.as_ref().is_some_and(|gone| !gone.by_us && standing_subs.is_subset(&gone.standing)) {
        return; // Went away without us while this same reason stood.
    }
    let Some(to) = invite_to(member) else { return };
    let Some(granted) = entitlement(scene, member, standing, plan) else { return };
    let Some(sections) = SectionSet::new(granted.sections) else { return };
    let subs: Vec<&str> = standing_subs.iter().map(|id| id.as_str()).collect();
    let billed = || member.subscriptions.values().filter(|billed| standing_subs.contains(&billed.now.id));
    let fresh = billed().any(|billed| scene.now - billed.now.created < FRESH_PAYMENT);
    let adoption = member.plex.is_none()
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
        doing: Doing::Act(Act::Invite { to, sections, downloads: granted.downloads }),
    });
}

/// Owner and home users are never invited; a VIP who pays is.
fn is_paying_vip(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    let of_the_house = member.home || (member.plex.is_some() && member.plex == scene.book.identities.owner);
    !of_the_house && standing.has_stripe_reason()
}

/// By account id where it is known, once by address if that is refused, then
/// nobody: unmatched (RULES R2).
fn invite_to(member: &Member) -> Option<InviteTo> {
    let refused = member.invite_refused.as_ref();
    if let Some(account) = member.plex.filter(|_| refused.is_none_or(|refused| !refused.by_id)) {
        return Some(InviteTo::Account(account));
    }
    let email = member.paying_email().or(member.email.as_ref())?;
    if refused.is_some_and(|refused| refused.by_email) || (member.plex.is_none() && who::is_relay(email)) {
        return None;
    }
    Some(InviteTo::Email(email.clone()))
}

fn update(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) {
    if standing.tiers().is_empty() || standing.protected.is_some() || !standing.unknown.is_empty() {
        return;
    }
    let Some(share) = &member.share else { return };
    let Some(granted) = entitlement(scene, member, standing, plan) else { return };
    let known = &scene.book.libraries.known;
    let current = share.row.libraries(known);
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
    let Some(sections) = SectionSet::new(granted.sections) else { return };
    let narrows = !lost.is_empty() || downloads == Some(false);
    let same_tiers = member.entitled_tiers == granted.tiers;
    let approval = (narrows && same_tiers).then(|| {
        "it takes something away that the same tier gave before: the tier was edited, or the share was changed in Plex".to_owned()
    });
    let ids: Vec<String> = sections.ids().iter().map(ToString::to_string).collect();
    let titles = libraries::titles(&scene.book.libraries, sections.ids()).join(", ");
    let tiers: Vec<String> = granted.tiers.into_iter().collect();
    let allows = match downloads {
        Some(true) => ", downloads on",
        Some(false) => ", downloads off",
        None => "",
    };
    plan.proposals.push(Proposal {
        key: ActKey::new("update", &member.id, &format!("{}-{}-{}", share.row.id, ids.join("."), allows.len())),
        member: member.id.clone(),
        class: if narrows { Class::Narrowing } else { Class::Widening },
        what: format!("change the share of {} to {titles}{allows}", member.name()),
        because: format!("their subscription buys {}", tiers.join(" and ")),
        rests_on: sources(standing),
        due: scene.now,
        approval,
        unwarned: None,
        doing: Doing::Act(Act::Update { share: share.row.id, sections, downloads, narrows }),
    });
}

/// Shares that match their tiers: what a later narrowing is measured against.
#[must_use]
pub fn matching_tiers(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<BTreeSet<String>> {
    let share = member.share.as_ref().filter(|share| share.row.is_accepted())?;
    let mut ignored = Plan::default();
    let granted = entitlement(scene, member, standing, &mut ignored)?;
    let current = share.row.libraries(&scene.book.libraries.known);
    (!granted.tiers.is_empty() && granted.sections == current).then_some(granted.tiers)
}

fn sources(standing: &Standing) -> BTreeSet<Source> {
    let mut sources = BTreeSet::from([Source::Plex]);
    if standing.has_stripe_reason() {
        sources.insert(Source::Stripe);
    }
    sources
}
