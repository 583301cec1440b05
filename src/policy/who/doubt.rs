//! Who may be a payer of whom no account is known, or one that is gone (RULES R2).
//!
//! Nobody is warned, narrowed, unsubscribed or removed while a customer whom
//! nothing links to anybody pays, or paid within a day, and shares anything
//! known with them. It waits, and the operator is told once. No approval stands
//! for that; `usher revoke` does, and so does saying who it is, or isn't.
//!
//! The same holds where the customer is linked to somebody whose share went away
//! without Usher. Whoever deletes their Plex account and makes a new one may be
//! let in by hand with the new one, while what they pay is linked to the old.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::known::{Common, Known};
use super::link;
use crate::facts::{Customer, CustomerId, Moment, Status, Subscription, SubscriptionId};
use crate::ledger::{Act, Book, EndCause, GrantKind, Member};
use crate::member::MemberId;
use crate::policy::plan::{Class, Doing, Plan, Proposal};
use crate::policy::standing_reports::attention;
use crate::policy::{Rules, Scene, World, prices, sharing};

/// A payment younger than this may be somebody's, whatever became of it since.
const FRESH_PAYMENT: TimeDelta = TimeDelta::hours(24);

/// A member may be who pays as this customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Who waits.
    pub member: MemberId,
    /// Under whose id the customer stands in the book.
    pub payer: Option<MemberId>,
    /// Who pays.
    pub customer: CustomerId,
    /// What they have in common, in words.
    pub by: String,
}

/// Somebody who pays, and of whom no account is known, or only one that is gone.
struct Unlinked<'a> {
    payer: Option<&'a Member>,
    customer: &'a CustomerId,
    subscription: &'a SubscriptionId,
    known: Known<'a>,
}

/// It runs; or it was paid for within a day.
fn pays(now: Moment, subscription: &Subscription) -> bool {
    let paid = subscription.period_start().map_or(subscription.created, |start| start.max(subscription.created));
    let was_paid = !matches!(subscription.status, Status::Incomplete | Status::IncompleteExpired);
    subscription.status.is_running() || (was_paid && now - paid < FRESH_PAYMENT)
}

/// All of them: in the book, and at Stripe, where one that ended before it was
/// first seen isn't entered.
fn unlinked(scene: Scene<'_>) -> Vec<Unlinked<'_>> {
    let book = scene.book;
    let mut unlinked = Vec::new();
    // Who is of the house needs no share.
    let is_gone = |member: &Member| {
        let went = member.gone.as_ref().is_some_and(|gone| !gone.by_us);
        went && member.share.is_none() && !sharing::is_of_the_house(scene, member)
    };
    let nobody_known = |member: &&Member| member.plex.is_none() || is_gone(member);
    for payer in book.members.values().filter(nobody_known).filter(|member| member.blocked.is_none()) {
        let paying = payer.subscriptions.values().filter(|billed| pays(scene.now, &billed.now));
        let paying = paying.filter(|billed| payer.customers.contains_key(&billed.now.customer));
        unlinked.extend(paying.map(|billed| Unlinked {
            payer: Some(payer),
            customer: &billed.now.customer,
            subscription: &billed.now.id,
            known: Known::of(book, payer),
        }));
    }
    let Some(billing) = scene.world.stripe.value() else { return unlinked };
    let ours = |sub: &&Subscription| prices::bought(scene.rules, billing.catalogue.as_ref(), sub).is_some();
    let ended = billing.subscriptions.values().filter(|sub| !sub.status.is_running() && pays(scene.now, sub));
    for sub in ended.filter(|sub| book.by_customer(&sub.customer).is_none()).filter(ours) {
        let known = Known::of_customer(billing.customers.get(&sub.customer), sub);
        unlinked.push(Unlinked { payer: None, customer: &sub.customer, subscription: &sub.id, known });
    }
    unlinked
}

/// The operator said that the member isn't this customer.
fn is_declared(book: &Book, member: &Member, payer: Option<&Member>, customer: &CustomerId) -> bool {
    let says = |of: &Member| of.strangers.contains_key(customer.as_str());
    // Of what older books unlinked it isn't known from whom: from everybody.
    let unlinked =
        || payer.and_then(|payer| payer.customers.get(customer)).is_some_and(|known| known.unlinked.is_some());
    says(member) || (unlinked() && !book.members.values().any(says))
}

/// The first unlinked payer whom a member may be.
fn doubt<'a>(
    book: &'a Book,
    unlinked: &'a [Unlinked<'a>],
    member: &'a Member,
    by_name: bool,
) -> Option<(&'a Unlinked<'a>, Common<'a>)> {
    let known = Known::of(book, member);
    let others = unlinked.iter().filter(|other| other.payer.is_none_or(|payer| payer.id != member.id));
    let others = others.filter(|other| !member.strangers.contains_key(other.subscription.as_str()));
    others
        .filter_map(|other| Some((other, other.known.common(&known)?)))
        .filter(|(_, common)| by_name || *common != Common::Name)
        .find(|(other, _)| !is_declared(book, member, other.payer, other.customer))
}

/// Whether it follows from the end of paying: then an equal name is enough.
fn follows_from_paying(member: &Member, proposal: &Proposal) -> bool {
    match &proposal.doing {
        Doing::Act(Act::End { cause, .. }) => {
            matches!(cause, EndCause::Lapsed { .. } | EndCause::GrantOver { kind: GrantKind::Extension, .. })
        }
        Doing::Act(Act::Cancel { idle_days, .. }) => idle_days.is_none(),
        Doing::Act(Act::Update { narrows, .. }) => *narrows && !member.has_running_subscription(),
        _ => false,
    }
}

/// Has whatever would be taken from somebody who may be a payer wait for the
/// operator's word on who it is.
pub fn spare_who_may_pay(scene: Scene<'_>, plan: &mut Plan) {
    let takes = |proposal: &&mut Proposal| {
        matches!(
            proposal.class,
            Class::Warning | Class::Narrowing | Class::Removal { .. } | Class::Unsubscribe | Class::CutOff
        )
    };
    let mut payers = None;
    let mut doubts = Vec::new();
    for proposal in plan.proposals.iter_mut().filter(takes) {
        let payers = payers.get_or_insert_with(|| unlinked(scene));
        let Some(member) = scene.book.members.get(&proposal.member).filter(|member| member.blocked.is_none()) else {
            continue;
        };
        let by_name = follows_from_paying(member, proposal);
        let Some((other, common)) = doubt(scene.book, payers, member, by_name) else { continue };
        let doubt = Doubt::of(member, other, &common);
        proposal.unwarned.get_or_insert_with(|| {
            format!("{}, and nothing shows that it is them; if it is, {}", doubt.by, doubt.commands())
        });
        doubts.push(doubt);
    }
    plan.doubts = doubts;
}

/// Those of the members who may be somebody who pays and whom nothing links to
/// an account, by whatever is known of them.
#[must_use]
pub fn may_pay(scene: Scene<'_>) -> BTreeMap<MemberId, Doubt> {
    let payers = unlinked(scene);
    let members = scene.book.members.values().filter(|member| member.has_access());
    let found = members.filter_map(|member| {
        let (other, common) = doubt(scene.book, &payers, member, true)?;
        Some((member.id.clone(), Doubt::of(member, other, &common)))
    });
    found.collect()
}

impl Doubt {
    fn of(member: &Member, other: &Unlinked<'_>, common: &Common<'_>) -> Self {
        let customer = other.customer;
        let by = match common {
            Common::Address(_) => format!("{customer} pays with their address"),
            Common::Account(account) => format!("{customer} pays, and has to do with their Plex account {account}"),
            Common::Name => format!("{customer} pays under their name"),
        };
        let payer = other.payer.map(|payer| payer.id.clone());
        Self { member: member.id.clone(), payer, customer: customer.clone(), by }
    }

    /// Why they may be that payer, and what the operator can say.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{}; if it is them, {}", self.by, self.commands())
    }

    /// What the operator can say.
    fn commands(&self) -> String {
        let Self { member, customer, .. } = self;
        let payer = self.payer.as_ref().map_or_else(|| customer.to_string(), ToString::to_string);
        format!(
            "`usher link {member} --stripe {customer}`; if not, `usher link {payer} --plex` and whose it is, or `usher \
             unlink {member} --stripe {customer}`"
        )
    }

    fn condition(&self) -> String {
        format!("could-be/{}/{}", self.member, self.customer)
    }
}

/// Whether the doubt of this condition is still one.
fn lasts(book: &Book, payers: &[Unlinked<'_>], condition: &str) -> bool {
    let mut parts = condition.split('/').skip(1);
    let (Some(member), Some(customer)) = (parts.next(), parts.next()) else { return false };
    let member = MemberId(member.to_owned());
    let Some(member) = book.members.get(book.merged.get(&member).unwrap_or(&member)) else { return false };
    let known = Known::of(book, member);
    payers.iter().filter(|other| other.customer.as_str() == customer).any(|other| {
        let others = other.payer.is_none_or(|payer| payer.id != member.id);
        others && other.known.common(&known).is_some() && !is_declared(book, member, other.payer, other.customer)
    })
}

/// Tells of each doubt for which something waits, once while it lasts.
pub fn tell_doubts(now: Moment, rules: &Rules, world: &World, book: &mut Book, doubts: &[Doubt]) {
    let told: Vec<String> = book.told.keys().filter(|key| key.starts_with("could-be/")).cloned().collect();
    if !told.is_empty() {
        let payers = unlinked(Scene { now, rules, book, world });
        let over: Vec<String> = told.into_iter().filter(|key| !lasts(book, &payers, key)).collect();
        book.untell_others("could-be/", |key| !over.iter().any(|over| over == key));
    }
    for doubt in doubts {
        let name = book.members.get(&doubt.member).map(super::in_full).unwrap_or_default();
        let title = format!(
            "{} may pay as {}",
            book.members.get(&doubt.member).map(Member::name).unwrap_or_default(),
            doubt.customer
        );
        let detail = format!(
            "{}, and nothing shows that it is {name}. Whatever would be taken from them waits until you say who it is.",
            doubt.by
        );
        let mend = format!("If it is them, {}.", doubt.commands());
        attention(now, rules, book, &doubt.condition(), &title, &detail, &mend);
    }
}

/// Of what was just bought, as the last look before a call found it: a
/// subscription that could be this member's.
#[must_use]
pub fn could_be_theirs(
    now: Moment,
    book: &Book,
    id: &MemberId,
    created: &[(Subscription, Customer)],
) -> Option<String> {
    let member = book.members.get(id)?;
    let could_be = |(sub, customer): &&(Subscription, Customer)| {
        pays(now, sub) && !member.strangers.contains_key(sub.id.as_str()) && {
            let holder = book.by_customer(&customer.id);
            match holder {
                // Theirs was read anew with this look; or it is somebody else's.
                Some(holder) if holder.plex.is_some() || holder.id == *id => false,
                Some(holder) => !is_declared(book, member, Some(holder), &customer.id),
                None => !is_anothers(book, member, sub, customer),
            }
        }
    };
    created.iter().find(could_be).map(|(sub, _)| sub.id.0.clone())
}

/// A customer whom the book hasn't met is somebody else's by proof.
fn is_anothers(book: &Book, member: &Member, sub: &Subscription, customer: &Customer) -> bool {
    if member.strangers.contains_key(customer.id.as_str()) {
        return true;
    }
    if let Some(signed_in) = &sub.signed_in {
        return member.plex.is_some_and(|account| account != signed_in.account);
    }
    let by_address = customer.email.as_ref().and_then(|email| link::whose_address(book, email, sub.created));
    by_address.is_some_and(|whose| whose != member.id)
}
