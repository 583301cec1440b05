//! Promise 9, undo: what a removal took away is given back just as it was;
//! and `usher revoke`, which it also undoes.

use std::collections::BTreeSet;

use super::{
    Scene, libraries,
    plan::{Class, Doing, Problem, Proposal},
    reasons::{self, Standing},
    sharing,
};
use crate::facts::{CancelWhen, Moment, SectionId, SectionSet, SharingSettings, Source};
use crate::ledger::{Act, ActKey, Billed, Member, Restoring};

/// The invite that gives back what `usher restore` found in the book: these
/// libraries, downloads and filters, whatever a tier would give.
#[must_use]
pub fn give_back(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Proposal> {
    let restoring = member.restoring.as_ref()?;
    if standing.reasons.is_empty() || sharing::is_of_the_house(scene, member) {
        return None;
    }
    let to = sharing::invite_to(member)?;
    let given = given_back(scene, member, standing, restoring);
    let (sections, downloads) = (SectionSet::new(given.sections)?, given.downloads);
    let titles = libraries::titles(&scene.book.libraries, sections.ids()).join(", ");
    Some(Proposal {
        key: ActKey::new("invite", &member.id, &format!("restore-{}", restoring.since.timestamp())),
        member: member.id.clone(),
        // The operator's own word, for one person: it waits for no other word.
        class: Class::Invite { fresh: true, adoption: false },
        what: format!("invite {} to {titles}", member.name()),
        because: "you asked to give back what they had".into(),
        rests_on: sharing::sources(standing),
        due: restoring.since,
        approval: None,
        unwarned: None,
        doing: Doing::Act(Act::Invite {
            to,
            sections,
            downloads,
            settings: settings(restoring, downloads),
            made_for: standing.made_for(),
        }),
    })
}

/// What a restored person gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    /// These libraries.
    pub sections: BTreeSet<SectionId>,
    /// Whether downloads are allowed.
    pub downloads: bool,
}

/// What they had, as far as the server still has it and their reasons give it
/// now: what goes beyond would be taken away again. Where all that they had
/// does, what their reasons give. What can't be told limits nothing.
#[must_use]
pub fn given_back(scene: Scene<'_>, member: &Member, standing: &Standing, restoring: &Restoring) -> GivenBack {
    let had = GivenBack { sections: sections(scene, restoring), downloads: restoring.share.downloads.unwrap_or(false) };
    if standing.protected.is_some() || !standing.unknown.is_empty() {
        return had;
    }
    let Some(granted) = sharing::granted(scene, member, standing) else { return had };
    let both: BTreeSet<SectionId> = had.sections.intersection(&granted.sections).copied().collect();
    let sections = if both.is_empty() { granted.sections } else { both };
    GivenBack { sections, downloads: had.downloads && granted.downloads }
}

/// The libraries that they had, as far as the server still has them.
#[must_use]
pub fn sections(scene: Scene<'_>, restoring: &Restoring) -> BTreeSet<SectionId> {
    let known = &scene.book.libraries.known;
    restoring.share.libraries(known).into_iter().filter(|id| known.contains_key(id)).collect()
}

/// Every setting as it was read; the downloads as they were counted.
fn settings(restoring: &Restoring, downloads: bool) -> Option<SharingSettings> {
    let mut settings = restoring.share.settings.clone()?;
    settings.insert("allowSync".into(), downloads.into());
    Some(settings)
}

/// Whoever was deleted in Tautulli and is here again must be taken back there:
/// else nothing that they watch is ever recorded (LESSONS G15).
#[must_use]
pub fn remember(scene: Scene<'_>, member: &Member) -> Option<Proposal> {
    let (forgotten, plex) = (member.forgotten?, member.plex?);
    let here = member.share.is_some() || member.restoring.is_some();
    if !here || !scene.rules.configured.contains(&Source::Tautulli) {
        return None;
    }
    Some(Proposal {
        key: ActKey::new("remember", &member.id, &forgotten.timestamp().to_string()),
        member: member.id.clone(),
        class: Class::Remember,
        what: format!("take {} back in Tautulli", member.name()),
        because: "they are here again".into(),
        rests_on: BTreeSet::from([Source::Plex, Source::Tautulli]),
        due: scene.now,
        approval: None,
        unwarned: None,
        doing: Doing::Act(Act::Remember { plex }),
    })
}

/// The revocation was taken back: what it had set to end at Stripe goes on.
#[must_use]
pub fn uncancel(scene: Scene<'_>, member: &Member) -> Vec<Proposal> {
    let Some(said) = member.returned.filter(|_| member.blocked.is_none()) else { return Vec::new() };
    let proposal = |billed: &Billed| {
        let subscription = billed.now.id.clone();
        let key = ActKey::new("uncancel", &member.id, &format!("{subscription}-{}", said.timestamp()));
        let what = format!("have {subscription} of {} go on at Stripe", member.name());
        let because = "you took back the revocation that had set it to end";
        by_your_word(member, key, Act::Uncancel { subscription, said }, scene.now, what, because)
    };
    ended_by_revocation(member).map(proposal).collect()
}

/// A call at Stripe that follows from what the operator said of a revocation.
fn by_your_word(member: &Member, key: ActKey, act: Act, due: Moment, what: String, because: &str) -> Proposal {
    Proposal {
        key,
        member: member.id.clone(),
        class: if matches!(act, Act::Uncancel { .. }) { Class::Uncancel } else { Class::CutOff },
        what,
        because: because.to_owned(),
        rests_on: BTreeSet::from([Source::Plex, Source::Stripe]),
        due,
        approval: None,
        unwarned: None,
        doing: Doing::Act(act),
    }
}

/// What still runs, and ends at Stripe because `usher revoke` set it so.
pub fn ended_by_revocation(member: &Member) -> impl Iterator<Item = &Billed> {
    charging(member).filter(|billed| billed.now.scheduled_end().is_some() && member.ends_set.contains(&billed.now.id))
}

/// What Stripe would still take money for.
pub fn charging(member: &Member) -> impl Iterator<Item = &Billed> {
    member.subscriptions.values().filter(|billed| is_charged(billed))
}

/// Stripe would still take money for this one.
#[must_use]
pub fn is_charged(billed: &Billed) -> bool {
    billed.vanished.is_none() && billed.now.status.is_charging()
}

/// Revoked: nobody is ended while Stripe still charges them (RULES R4).
#[must_use]
pub fn is_charged_first(member: &Member) -> bool {
    // Who came in after it is not ended, but not let in (RULES R2).
    let came_after = member.blocked.zip(member.joined()).is_some_and(|(blocked, joined)| joined > blocked);
    charging(member).next().is_some() && (member.cancels.is_some() || !came_after)
}

/// Revoked without `--cancel`, and they pay again since: refused, and said.
#[must_use]
pub fn charged_and_revoked(member: &Member) -> Option<Problem> {
    let (Some(_), None, Some(_)) = (member.blocked, member.cancels, &member.share) else { return None };
    let billed = charging(member).next().filter(|_| is_charged_first(member))?;
    Some(Problem {
        key: format!("charged/{}/{}", member.id, billed.now.id),
        title: format!("{} is revoked, and Stripe still charges them", member.name()),
        detail: format!("{} is {}. Nobody is ended while they are charged.", billed.now.id, billed.now.status.word()),
        what_to_do: format!(
            "`usher revoke {0} --cancel now` or `--cancel period-end`; or `usher restore {0}`.",
            member.id
        ),
    })
}

/// The cancellations that `usher revoke --cancel` asked for.
#[must_use]
pub fn cancel_for_revoke(scene: Scene<'_>, member: &Member) -> Vec<Proposal> {
    let (Some(blocked), Some(when)) = (member.blocked, member.cancels) else { return Vec::new() };
    if reasons::protected(scene, member).is_some() {
        return Vec::new();
    }
    let is_open = |billed: &&Billed| when == CancelWhen::Now || billed.now.scheduled_end().is_none();
    let proposal = |billed: &Billed| {
        let subscription = billed.now.id.clone();
        let how = match when {
            CancelWhen::Now => "cancel",
            CancelWhen::PeriodEnd => "set the end of",
        };
        let key = ActKey::new("cancel", &member.id, subscription.as_str());
        let what = format!("{how} {subscription} of {} at Stripe", member.name());
        let act = Act::Cancel { subscription, when, idle_days: None };
        by_your_word(member, key, act, blocked, what, "you revoked their access")
    };
    charging(member).filter(is_open).map(proposal).collect()
}
