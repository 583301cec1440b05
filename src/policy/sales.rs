//! What another program may sell, and to whom: trial and price come from the
//! operator's tier, never from who asks; one trial for each person; who has
//! bought before is the same customer again.
//!
//! It decides only. Stripe is asked by the door, and what came of it is read
//! from Stripe like everything else.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::{Scene, brake, libraries, pending, prices, reasons, selling, who};
use crate::facts::{CustomerId, Email, PriceId, Source, Status, SubscriptionId};
use crate::ledger::{Billed, Member};
use crate::member::MemberId;
use crate::tier::Tier;

/// Why nothing is sold, changed or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub why: String,
}

fn no<T>(code: &'static str, why: impl Into<String>) -> Result<T, No> {
    Err(No { code, why: why.into() })
}

/// Who wants to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Somebody in the book, by id, email, username or Plex id.
    Member(String),
    /// Anybody, by the address that the page is to be filled in with.
    Email(Email),
}

/// A purchase that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutAsked {
    /// Who buys.
    pub whom: Whom,
    /// The tier's name.
    pub tier: String,
    /// One of its prices; needed where it has several.
    pub price: Option<PriceId>,
    /// The Plex name that they gave. It proves nothing.
    pub plex: Option<String>,
}

/// A purchase as it may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// What is bought.
    pub price: PriceId,
    /// Who has bought before.
    pub customer: Option<CustomerId>,
    /// Otherwise: what the page is filled in with.
    pub email: Option<Email>,
    /// Whom it is for.
    pub member: Option<MemberId>,
    /// The tier's trial, where they have had none.
    pub trial_days: Option<NonZeroU32>,
}

/// A subscription that may be changed, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub subscription: SubscriptionId,
    /// Whose.
    pub customer: CustomerId,
}

/// A change of tier as it may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// What is changed.
    pub held: Held,
    /// The price that it has.
    pub from: PriceId,
    /// The price that it shall have.
    pub to: PriceId,
}

/// Whom a word means.
///
/// # Errors
/// `not_found`, or `ambiguous`.
pub fn meant<'a>(scene: Scene<'a>, who: &str) -> Result<&'a Member, No> {
    let code = if who::is_known(scene.book, who) { "ambiguous" } else { "not_found" };
    who::find(scene.book, who).map_err(|why| No { code, why })
}

/// See [`Checkout`].
///
/// # Errors
/// Why it can't be bought.
pub fn checkout(scene: Scene<'_>, asked: &CheckoutAsked) -> Result<Checkout, No> {
    trusted(scene)?;
    let tier = on_sale(scene, &asked.tier)?;
    let price = price_of(scene, tier, asked.price.as_ref(), None)?;
    let member = match &asked.whom {
        Whom::Member(who) => Some(meant(scene, who)?),
        Whom::Email(_) => None,
    };
    if member.is_some_and(|member| member.blocked.is_some()) {
        return no("revoked", "they are revoked; `usher restore` takes that back first");
    }
    if let Some(running) = member.and_then(|member| running(member).next()) {
        let why = format!("they have {} already ({}); use /api/upgrade", running.now.id, running.now.status.word());
        return no("already_subscribed", why);
    }
    if !has_seat(member) && pending::seats_free(scene) == Some(0) {
        return no("full", "all seats are taken (SEATS); who pays now could not be let in");
    }
    let customer = member.and_then(|member| customer_of(scene, member));
    let email = match &asked.whom {
        Whom::Email(email) => Some(email.clone()),
        Whom::Member(_) => member.and_then(Member::access_email).cloned(),
    };
    let had_one = had_trial(scene, member, email.as_ref(), asked.plex.as_deref());
    Ok(Checkout {
        price,
        email: email.filter(|_| customer.is_none()),
        customer,
        member: member.map(|member| member.id.clone()),
        trial_days: tier.trial_days.filter(|_| !had_one),
    })
}

/// Who is in, or invited, has a seat already.
pub(super) fn has_seat(member: Option<&Member>) -> bool {
    member.is_some_and(|member| member.share.is_some())
}

/// Stripe is the one in the book, has been read, and the clocks agree.
fn trusted(scene: Scene<'_>) -> Result<(), No> {
    if scene.world.stripe.value().is_none() {
        return no("not_ready", "Stripe has not been read yet; ask again in a moment");
    }
    let amiss = brake::identity_failure(scene, Source::Stripe).or_else(|| brake::clock_failure(scene));
    match amiss.or_else(|| scene.world.only_look.clone()) {
        Some(why) => no("not_ready", why),
        None => Ok(()),
    }
}

fn on_sale<'a>(scene: Scene<'a>, name: &str) -> Result<&'a Tier, No> {
    let Some(tier) = scene.rules.tiers.named(name) else {
        return no("no_such_tier", format!("there is no tier {name:?}; /api/plans lists them"));
    };
    if !tier.active {
        return no("not_for_sale", format!("tier {name:?} is not sold any more"));
    }
    match libraries::resolve(&scene.book.libraries, tier) {
        Ok(_) => Ok(tier),
        Err(why) => no("not_for_sale", why),
    }
}

/// The price that is meant: the named one, the only one, or the one that is
/// charged like `like`.
fn price_of(scene: Scene<'_>, tier: &Tier, named: Option<&PriceId>, like: Option<&PriceId>) -> Result<PriceId, No> {
    let catalogue = scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let sold = selling::prices_of(scene.rules, catalogue, tier);
    if let Some(named) = named {
        return match sold.contains(named) {
            true => Ok(named.clone()),
            false => no("no_such_price", format!("{named} is no price at which tier {:?} is sold", tier.name)),
        };
    }
    let tag = |price: &PriceId| catalogue.and_then(|known| known.tags.get(price));
    let rhythm = |price: &PriceId| tag(price).map(|tag| (&tag.currency, &tag.interval, tag.interval_count));
    let alike: Vec<&PriceId> =
        sold.iter().filter(|price| like.is_some_and(|like| rhythm(like) == rhythm(price))).collect();
    let all: Vec<&PriceId> = sold.iter().collect();
    match (all.as_slice(), alike.as_slice()) {
        ([], _) => no("not_for_sale", format!("tier {:?} has no price at which it is sold", tier.name)),
        ([one], _) | (_, [one]) => Ok((*one).clone()),
        (several, _) => {
            let several: Vec<&str> = several.iter().map(|price| price.as_str()).collect();
            no("which_price", format!("tier {:?} has several prices; say which: {}", tier.name, several.join(", ")))
        }
    }
}

/// Whether they had a trial: by any customer of theirs or of their address, or
/// as the Plex account that they named.
pub(super) fn had_trial(scene: Scene<'_>, member: Option<&Member>, email: Option<&Email>, plex: Option<&str>) -> bool {
    let with_address = email.into_iter().flat_map(|email| who::with_address(scene.book, email));
    let called = plex.into_iter().flat_map(|name| who::called(scene.book, name));
    let people: Vec<&Member> = member.into_iter().chain(with_address).chain(called).collect();
    let in_book = people.iter().flat_map(|member| member.subscriptions.values()).any(|sub| sub.now.trial_end.is_some());
    let mut customers: BTreeSet<&CustomerId> =
        people.iter().flat_map(|member| member.customers.keys().chain(member.former.keys())).collect();
    let addresses: BTreeSet<&Email> = people
        .iter()
        .flat_map(|member| member.customers.values().flat_map(|payer| payer.email.iter().chain(&payer.mail_to)))
        .chain(people.iter().filter_map(|member| member.access_email()))
        .chain(email)
        .collect();
    let billing = scene.world.stripe.value();
    let theirs = billing.iter().flat_map(|billing| billing.customers.values());
    let theirs = theirs.filter(|customer| customer.email.as_ref().is_some_and(|email| addresses.contains(email)));
    customers.extend(theirs.map(|customer| &customer.id));
    // Also what ended before the book began.
    let mut all = billing.iter().flat_map(|billing| billing.subscriptions.values());
    in_book || all.any(|sub| sub.trial_end.is_some() && customers.contains(&sub.customer))
}

pub(super) fn running(member: &Member) -> impl Iterator<Item = &Billed> {
    member.subscriptions.values().filter(|billed| billed.now.status.is_running() && billed.vanished.is_none())
}

/// Whose page and meter are theirs: the customer of the newest subscription
/// that runs, else the newest one.
fn customer_of(scene: Scene<'_>, member: &Member) -> Option<CustomerId> {
    let known = scene.world.stripe.value().map(|billing| &billing.customers);
    let is_there = |id: &CustomerId| !known.and_then(|known| known.get(id)).is_some_and(|customer| customer.deleted);
    let newest =
        |id: &CustomerId| running(member).filter(|sub| sub.now.customer == *id).map(|sub| sub.now.created).max();
    let usable = member.customers.iter().filter(|(id, payer)| payer.unlinked.is_none() && is_there(id));
    usable.max_by_key(|(id, payer)| (newest(id), payer.since)).map(|(id, _)| id.clone())
}

/// The customer whose billing page is theirs, and whose meters count.
///
/// # Errors
/// Why there is none.
pub fn payer(scene: Scene<'_>, who: &str) -> Result<CustomerId, No> {
    trusted(scene)?;
    let member = meant(scene, who)?;
    match customer_of(scene, member) {
        Some(customer) => Ok(customer),
        None => no("no_customer", "they have never bought anything here"),
    }
}

/// The subscription that can be ended.
///
/// # Errors
/// Why there is none, or which there are.
pub fn held(scene: Scene<'_>, who: &str, named: Option<&SubscriptionId>) -> Result<Held, No> {
    trusted(scene)?;
    let member = meant(scene, who)?;
    let over = |billed: &Billed| matches!(billed.now.status, Status::Canceled | Status::IncompleteExpired);
    the_one(member.subscriptions.values().filter(|billed| !over(billed)), named)
        .map(|billed| Held { subscription: billed.now.id.clone(), customer: billed.now.customer.clone() })
}

fn the_one<'a>(all: impl Iterator<Item = &'a Billed>, named: Option<&SubscriptionId>) -> Result<&'a Billed, No> {
    let fit: Vec<&Billed> = all.filter(|billed| named.is_none_or(|named| billed.now.id == *named)).collect();
    match fit.as_slice() {
        [one] => Ok(one),
        [] => no("no_subscription", "No active subscription found"),
        several => {
            let several: Vec<&str> = several.iter().map(|billed| billed.now.id.as_str()).collect();
            no("which_subscription", format!("they have several; say which: {}", several.join(", ")))
        }
    }
}

/// See [`Upgrade`].
///
/// # Errors
/// Why it can't be changed.
pub fn upgrade(
    scene: Scene<'_>,
    who: &str,
    named: Option<&SubscriptionId>,
    tier: &str,
    price: Option<&PriceId>,
) -> Result<Upgrade, No> {
    trusted(scene)?;
    let tier = on_sale(scene, tier)?;
    let billed = the_one(running(meant(scene, who)?), named)?;
    if billed.now.status.is_failing() {
        let word = billed.now.status.word();
        return no("unpaid", format!("{} is {word}; what is owed comes first: /api/portal", billed.now.id));
    }
    let catalogue = scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let ours = billed
        .now
        .items
        .iter()
        .filter(|item| prices::tier_of(scene.rules, catalogue, &item.price, item.product.as_ref()).is_some());
    let ours: Vec<&PriceId> = ours.map(|item| &item.price).collect();
    let [from] = ours.as_slice() else {
        return no("several_prices", format!("{} has not just one price of ours; change it at Stripe", billed.now.id));
    };
    let to = price_of(scene, tier, price, Some(from))?;
    if to == **from {
        return no("same_price", format!("{} has {to} already", billed.now.id));
    }
    let currency = |price: &PriceId| catalogue.and_then(|known| known.tags.get(price)).map(|tag| &tag.currency);
    if currency(from) != currency(&to) {
        return no("other_currency", "a subscription can't change its currency; it ends and another begins");
    }
    let held = Held { subscription: billed.now.id.clone(), customer: billed.now.customer.clone() };
    Ok(Upgrade { held, from: (*from).clone(), to })
}

/// The tiers that a member has now: what stands, what can't be told (unknown
/// never removes), and the free one for who is in otherwise.
#[must_use]
pub fn tiers_of<'a>(scene: Scene<'a>, member: &Member) -> Vec<&'a Tier> {
    let standing = reasons::standing(scene, member);
    if standing.blocked {
        return Vec::new();
    }
    let untold = member.subscriptions.values().filter(|billed| billed.vanished.is_some());
    let names: BTreeSet<&str> =
        standing.tiers().into_iter().chain(untold.flat_map(|billed| billed.tiers.iter().map(String::as_str))).collect();
    let mut tiers: Vec<&Tier> = names.into_iter().filter_map(|name| scene.rules.tiers.named(name)).collect();
    if tiers.is_empty() && (standing.is_in() || standing.protected.is_some()) {
        tiers.extend(scene.rules.tiers.free());
    }
    tiers.sort_by_key(|tier| tier.order);
    tiers
}
