//! What other programs read: what is sold, how somebody's subscription stands,
//! and whether they may use something (`/api/plans`, `/api/subscription`,
//! `/api/access`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::ledger::{Billed, GrantKind, Member};
use crate::policy::sales::{self, No};
use crate::policy::{Scene, reasons, selling};
use crate::tier::{Tier, UNLIMITED, Wanted};

/// What is asked about somebody's access; nothing = whether they are in at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// They have this tier.
    pub tier: Option<String>,
    /// They have a tier with this feature.
    pub feature: Option<String>,
}

/// Everything that is sold, and what costs nothing, in the tiers' order.
pub(super) fn plans(scene: Scene<'_>) -> Value {
    let tiers = scene.rules.tiers.in_order().into_iter().filter(|tier| tier.active);
    let is_free = |tier: &Tier| scene.rules.tiers.free().is_some() && tier.is_free();
    let plans: Vec<Value> = tiers.map(|tier| plan(scene, tier, is_free(tier))).collect();
    json!({ "plans": plans })
}

fn plan(scene: Scene<'_>, tier: &Tier, is_free: bool) -> Value {
    let catalogue = scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let price = |id| {
        let tag = catalogue.and_then(|known| known.tags.get(id));
        json!({
            "id": id,
            "currency": tag.map(|tag| &tag.currency),
            "unit_amount": tag.and_then(|tag| tag.amount),
            "interval": tag.map(|tag| &tag.interval),
            "interval_count": tag.map(|tag| tag.interval_count),
        })
    };
    let libraries = match &tier.libraries {
        Wanted::Titles(titles) => titles.clone(),
        Wanted::Everything { except } => {
            std::iter::once("*".to_owned()).chain(except.iter().map(|title| format!("-{title}"))).collect()
        }
    };
    json!({
        "name": tier.name,
        "description": tier.description,
        "order": tier.order,
        "free": is_free,
        "trial_days": tier.trial_days,
        "libraries": libraries,
        "downloads": tier.downloads,
        "features": tier.features,
        "limits": tier.limits,
        "prices": selling::prices_of(scene.rules, catalogue, tier).iter().map(price).collect::<Vec<_>>(),
    })
}

/// How somebody's subscription stands.
pub(super) fn subscription(scene: Scene<'_>, who: &str) -> Result<Value, No> {
    let member = sales::meant(scene, who)?;
    let tiers = sales::tiers_of(scene, member);
    let main = main_subscription(member);
    let runs = |billed: &&Billed| billed.now.status.is_running();
    let is_subscribed = main.as_ref().is_some_and(runs) && reasons::standing(scene, member).has_stripe_reason();
    let period_end = main.and_then(|billed| billed.now.period_end());
    let ends = main.and_then(|billed| billed.now.scheduled_end());
    let renews = period_end.filter(|_| is_subscribed && ends.is_none());
    let features: BTreeSet<&String> = tiers.iter().flat_map(|tier| &tier.features).collect();
    Ok(json!({
        "member": member.id,
        "plan_name": plan_name(&tiers),
        "plan_status": plan_status(scene, member, main),
        "is_subscribed": is_subscribed,
        "days_until_renewal": renews.map(|at| (at - scene.now).num_days().max(0)),
        "current_period_start": main.and_then(|billed| billed.now.period_start()),
        "current_period_end": period_end,
        "cancel_at": ends,
        "ended_at": main.and_then(|billed| billed.now.ended_at),
        "trial_end": main.and_then(|billed| billed.now.trial_end),
        "tiers": tiers.iter().map(|tier| &tier.name).collect::<Vec<_>>(),
        "features": features,
        "limits": limits(&tiers),
        "has_access": member.has_access(),
        "subscription": main.map(|billed| &billed.now.id),
        "customer": main.map(|billed| &billed.now.customer),
    }))
}

fn plan_name(tiers: &[&Tier]) -> Option<String> {
    let names: Vec<&str> = tiers.iter().map(|tier| tier.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

/// The newest that runs, else the newest.
fn main_subscription(member: &Member) -> Option<&Billed> {
    member.subscriptions.values().max_by_key(|billed| (billed.now.status.is_running(), billed.now.created))
}

/// Stripe's word while Stripe has a say; else what they are in by.
fn plan_status(scene: Scene<'_>, member: &Member, main: Option<&Billed>) -> String {
    let standing = reasons::standing(scene, member);
    let word = main.map(|billed| billed.now.status.word().to_owned());
    let granted = |kind| standing.reasons.iter().any(|reason| reason.kind == reasons::ReasonKind::Granted(kind));
    match main {
        Some(billed) if billed.now.status.is_running() => word.unwrap_or_default(),
        _ if granted(GrantKind::Grandfathered) => "grandfathered".to_owned(),
        _ if standing.is_in() && !standing.has_stripe_reason() || standing.protected.is_some() => "free".to_owned(),
        _ => word.unwrap_or_else(|| "none".to_owned()),
    }
}

/// The most generous of each.
fn limits<'a>(tiers: &[&'a Tier]) -> BTreeMap<&'a String, i64> {
    let mut limits: BTreeMap<&String, i64> = BTreeMap::new();
    for (name, limit) in tiers.iter().flat_map(|tier| &tier.limits) {
        let known = limits.entry(name).or_insert(*limit);
        let endless = *known == UNLIMITED || *limit == UNLIMITED;
        *known = if endless { UNLIMITED } else { (*known).max(*limit) };
    }
    limits
}

/// Whether they may. Whoever isn't known may not.
pub(super) fn access(scene: Scene<'_>, who: &str, wish: &Wish) -> Result<Value, No> {
    let denied = |why: String| No { code: "no_access", why };
    let member = sales::meant(scene, who).map_err(|no| denied(no.why))?;
    let standing = reasons::standing(scene, member);
    let tiers = sales::tiers_of(scene, member);
    let has = match wish {
        _ if standing.blocked => false,
        _ if standing.protected.is_some() => true,
        Wish { tier: None, feature: None } => standing.is_in() || !tiers.is_empty(),
        Wish { tier, feature } => {
            let of_name = |name: &String| tiers.iter().any(|tier| tier.name == *name);
            let with = |feature: &String| tiers.iter().any(|tier| tier.features.contains(feature));
            tier.as_ref().is_none_or(of_name) && feature.as_ref().is_none_or(with)
        }
    };
    if !has {
        return Err(denied(format!("{} doesn't have it", member.id)));
    }
    Ok(json!({ "access": true, "member": member.id }))
}
