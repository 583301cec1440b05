//! What may follow long after somebody is gone: their record in Tautulli is
//! deleted (R3.2), and the friendship at plex.tv ends (R6). Neither while they
//! have anything here, and to the brake both are removals (R9).

use std::collections::BTreeSet;

use super::{
    Scene,
    plan::{Class, Doing, Proposal},
    reasons::Standing,
};
use crate::facts::Source;
use crate::ledger::{Act, ActKey, Member};

/// What both rest on: that they are gone, and that nothing calls them back.
fn rests_on(scene: Scene<'_>, other: Option<Source>) -> BTreeSet<Source> {
    let stripe = scene.rules.configured.contains(&Source::Stripe).then_some(Source::Stripe);
    [Some(Source::Plex), stripe, other].into_iter().flatten().collect()
}

/// They have access or an invite, are due one, or can't be told about.
fn is_wanted(member: &Member, standing: &Standing) -> bool {
    let here = member.share.is_some() || member.restoring.is_some();
    here || standing.protected.is_some() || standing.is_in() || !standing.unknown.is_empty()
}

/// R3.2: delete the person in Tautulli, once gone and long after.
#[must_use]
pub fn forget(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Proposal> {
    let plex = member.plex?;
    let at = member.forget_at.filter(|at| scene.now >= *at)?;
    if is_wanted(member, standing) || !scene.rules.configured.contains(&Source::Tautulli) {
        return None;
    }
    Some(Proposal {
        key: ActKey::new("forget", &member.id, &at.timestamp().to_string()),
        member: member.id.clone(),
        class: Class::Forget,
        doing: Doing::Act(Act::Forget { plex }),
        what: format!("delete {} in Tautulli", member.name()),
        because: "removed, and still gone".into(),
        rests_on: rests_on(scene, Some(Source::Tautulli)),
        due: at,
        approval: None,
        unwarned: None,
    })
}

/// R6: `UNFRIEND_AFTER_DAYS` after a removal the friendship ends, too: only if
/// plex.tv still lists them as a friend, nothing stands for them, and nothing is
/// shared with them on any server of the owner.
#[must_use]
pub fn unfriend(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Proposal> {
    scene.rules.unfriend_days?;
    let plex = member.plex?;
    let at = member.unfriend_at.filter(|at| scene.now >= *at)?;
    let friends = scene.world.plex.value()?;
    let is_friend = friends.friends.as_ref().is_some_and(|friends| friends.contains(&plex));
    if !is_friend || is_wanted(member, standing) || friends.on_other_servers.contains(&plex) {
        return None;
    }
    Some(Proposal {
        key: ActKey::new("unfriend", &member.id, &at.timestamp().to_string()),
        member: member.id.clone(),
        class: Class::Unfriend,
        doing: Doing::Act(Act::Unfriend { plex }),
        what: format!("end the friendship with {} at plex.tv", member.name()),
        because: "removed, still gone, and nothing is shared with them on any server (UNFRIEND_AFTER_DAYS)".into(),
        rests_on: rests_on(scene, None),
        due: at,
        approval: None,
        unwarned: None,
    })
}
