//! Folds what Stripe says into the book: customers, subscriptions, and the
//! moments that no listing shows.
//!
//! A subscription that left the listing, or is not running in it any more, is
//! believed only after Stripe was asked about it singly (RULES R4, promise 4).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Rules, World, entitlements, moments, pausing, paying,
    prices::{self, Bought},
    sign_in,
};
use crate::facts::{
    AfterTrial, Billing, Catalogue, Customer, CustomerId, CustomerLook, InvoiceId, Moment, PriceId, Source, Stated,
    Status, Subscription, SubscriptionId, Whole,
};
use crate::ledger::{Billed, Book, Heard, Index, Letter, Meant, Owed, Payer, Population, Proof};
use crate::member::MemberId;

/// Stripe's clock and ours may differ by as much as the clock brake allows:
/// only what is older than the book by more than this is certainly older.
const CLOCKS_MAY_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// Folds a whole reading of Stripe.
pub fn fold_billing(now: Moment, rules: &Rules, world: &World, book: &mut Book, whole: &Whole<Billing>) {
    let billing = &whole.value;
    if !is_our_account(book, billing) {
        return;
    }
    entitlements::fold_all(whole.begun, book, billing);
    let terms = &Terms {
        rules,
        catalogue: billing.catalogue.as_ref(),
        buy_ours: entitlements::buy_ours(rules, billing.catalogue.as_ref(), billing.subscriptions.values()),
        pauses: Some(&billing.pauses),
    };
    let index = &mut Index::of(book);
    let mut foreign = 0_usize;
    // A look begun later than this reading knows better about its customer.
    let outdated =
        |sub: &Subscription| world.customers_looked.get(&sub.customer).is_some_and(|looked| *looked > whole.begun);
    for (id, listed) in billing.subscriptions.iter().filter(|(_, listed)| !outdated(listed)) {
        let stated = match billing.stated.get(id) {
            Some(Stated::Is(sub)) => sub,
            _ => listed,
        };
        if is_running_in_book(book, index, id) && !listed.status.is_running() && !billing.stated.contains_key(id) {
            continue; // Not believed until asked about singly.
        }
        let customer = billing.customers.get(&stated.customer);
        if !see_subscription(now, terms, book, index, stated, customer) {
            foreign += 1;
        }
    }
    for (id, stated) in billing.stated.iter().filter(|(id, _)| !billing.subscriptions.contains_key(*id)) {
        match stated {
            Stated::Is(sub) if outdated(sub) => {}
            Stated::Is(sub) => {
                see_subscription(now, terms, book, index, sub, billing.customers.get(&sub.customer));
            }
            // An empty Stripe is a wrong or a sick one, which is told as such.
            Stated::NotFound if billing.subscriptions.is_empty() => {}
            Stated::NotFound => mark_vanished(now, rules, book, id),
        }
    }
    for customer in billing.customers.values() {
        see_customer(book, index, customer);
    }
    tell_foreign(now, rules, book, foreign);
    moments::fold(now, rules, world, book, billing);
    book.cursor = billing.cursor.clone().or_else(|| book.cursor.take());
    book.adopted.entry(Source::Stripe).or_insert(now);
}

fn is_our_account(book: &mut Book, billing: &Billing) -> bool {
    let known = &mut book.identities;
    let mode = *known.stripe_livemode.get_or_insert(billing.key_livemode);
    if known.stripe_account.is_none() {
        known.stripe_account = billing.account.clone();
    }
    let account_fits = billing.account.is_none() || billing.account == known.stripe_account;
    account_fits && mode == billing.key_livemode && billing.livemode_fits
}

/// Folds a look at one customer.
pub fn fold_look(now: Moment, rules: &Rules, book: &mut Book, catalogue: Option<&Catalogue>, look: &CustomerLook) {
    if let Some(entitled) = &look.entitled {
        entitlements::fold(book, &look.id, entitled);
    }
    let buy_ours = entitlements::buy_ours(rules, catalogue, look.subscriptions.iter());
    let terms = &Terms { rules, catalogue, buy_ours, pauses: None };
    let index = &mut Index::of(book);
    for sub in &look.subscriptions {
        see_subscription(now, terms, book, index, sub, look.customer.as_ref());
    }
    if let Some(customer) = &look.customer {
        see_customer(book, index, customer);
    }
}

fn is_running_in_book(book: &Book, index: &Index, id: &SubscriptionId) -> bool {
    let member = index.subscription(id).and_then(|member| book.members.get(member));
    member.and_then(|member| member.subscriptions.get(id)).is_some_and(|billed| billed.now.status.is_running())
}

/// By what it is told what a subscription gives.
struct Terms<'a> {
    rules: &'a Rules,
    catalogue: Option<&'a Catalogue>,
    /// Who has a running subscription on a price of ours.
    buy_ours: BTreeSet<CustomerId>,
    /// When subscriptions were paused, where a whole reading says so.
    pauses: Option<&'a BTreeMap<SubscriptionId, Moment>>,
}

impl Terms<'_> {
    /// What its prices buy, and what entitlements give beside them; `None` when
    /// it is none of ours.
    fn of(&self, book: &Book, index: &Index, sub: &Subscription) -> Option<(Bought, BTreeSet<String>)> {
        let bought = prices::bought_by_book(self.rules, self.catalogue, &book.tiers, sub);
        let member = index.subscription(&sub.id);
        let was = member.and_then(|member| book.members.get(member)?.subscriptions.get(&sub.id));
        let elsewhere = bought.is_none() && self.buy_ours.contains(&sub.customer);
        let entitled = entitlements::given(self.rules, book, sub, was, elsewhere);
        let ours = bought.is_some() || !entitled.is_empty() || member.is_some();
        ours.then(|| (bought.unwrap_or_default(), entitled))
    }
}

/// One subscription. False when it is none of ours.
fn see_subscription(
    now: Moment,
    terms: &Terms<'_>,
    book: &mut Book,
    index: &mut Index,
    sub: &Subscription,
    customer: Option<&Customer>,
) -> bool {
    let rules = terms.rules;
    let Some((bought, entitled)) = terms.of(book, index, sub) else { return false };
    if let Status::Unknown(word) = &sub.status {
        tell_unknown_status(now, rules, book, sub, word);
    }
    let Some(id) = whose(now, rules, book, index, sub, customer) else { return true };
    let begun = book.begun;
    let Some(member) = book.members.get_mut(&id) else { return true };
    let was = member.subscriptions.get(&sub.id).cloned();
    let mut fresh = sub.clone();
    // An answer without the invoices doesn't make known ones unknown.
    if fresh.open_invoices.is_none() && may_owe(&fresh.status) {
        fresh.open_invoices = was.as_ref().and_then(|billed| billed.now.open_invoices.clone());
    }
    // Only a customer shown whole says whether there is a card.
    if fresh.after_trial == AfterTrial::Unknown
        && let Some(was) = &was
    {
        fresh.after_trial = was.now.after_trial;
    }
    let paused_since =
        sub.collection_paused.then(|| was.as_ref().and_then(|billed| billed.paused_since).unwrap_or(now));
    let paused_before = was.as_ref().filter(|billed| billed.paused_since.is_some());
    let paused_paid_until = paused_before.map_or(sub.period_end(), |billed| billed.paused_paid_until);
    let last_paid = was.as_ref().map(|billed| billed.tiers.clone()).unwrap_or_default();
    let mut tiers = what_it_gives(rules, sub, &bought, last_paid);
    tiers.extend(entitled.iter().cloned());
    let lack = match &was {
        Some(was) if tiers.is_empty() && !was.entitled.is_empty() => Lack::Entitlement,
        _ => Lack::Tier,
    };
    let unpaid_from = unpaid_from(was.as_ref(), &fresh);
    let told_by_event = terms.pauses.and_then(|pauses| pauses.get(&sub.id).copied());
    let pause = pausing::noted(now, was.as_ref(), &fresh, told_by_event);
    let goes_on = sub.status.is_running() && sub.scheduled_end().is_none();
    let mut billed = Billed {
        now: fresh,
        first_seen: was.as_ref().map_or(now, |billed| billed.first_seen),
        tiers,
        entitled,
        unclear: bought.unclear,
        unpaid_from,
        paused_since,
        paused_paid_until: paused_paid_until.filter(|_| sub.collection_paused),
        pause,
        ran: sub.status.is_running() || was.as_ref().is_some_and(|billed| billed.ran),
        cut_off: was.as_ref().and_then(|billed| billed.cut_off),
        promised_end: was.as_ref().and_then(|billed| billed.promised_end).filter(|_| !goes_on),
        let_go: was.as_ref().and_then(|billed| billed.let_go).filter(|_| !sub.status.is_running()),
        heard: None,
        reversed: was.as_ref().and_then(|billed| billed.reversed.clone()),
        vanished: None,
        adopted: was.as_ref().map_or(sub.created + CLOCKS_MAY_DIFFER < begun, |billed| billed.adopted),
    };
    billed.heard = match &was {
        Some(was) => was.heard.clone(),
        None => (!billed.adopted).then(|| Heard::at_its_start(&billed)),
    };
    note_change(now, member, was.as_ref(), &billed);
    if was.is_none() && sub.status.is_running() {
        member.invite_refused = None; // A new payment is worth another try.
    }
    // A word that we don't know explains nothing.
    let is_over = !sub.status.is_running() && !matches!(sub.status, Status::Unknown(_));
    let cancelled = was.as_ref().is_some_and(|was| was.now.scheduled_end().is_some() && was.now.status.is_running());
    if cancelled && goes_on {
        // They want to stay: the time in which they didn't watch is forgiven, and
        // nothing is cancelled for it without a new warning.
        member.returned = Some(now);
    }
    if goes_on || is_over {
        member.ends_set.remove(&sub.id);
    }
    let ended = is_over && was.as_ref().is_some_and(|was| was.now.status.is_running());
    let no_tier = (billed.tiers.is_empty() || !billed.unclear.is_empty()) && sub.status.is_running();
    let unclear = billed.unclear.clone();
    member.subscriptions.insert(sub.id.clone(), billed);
    index.note(member);
    if ended {
        book.explain(now, Population::Subscriptions, sub.id.0.clone());
    }
    if no_tier {
        tell_no_tier(now, rules, book, &id, sub, &unclear, lack);
    }
    true
}

/// It waits for a payment that failed; or it is paused, perhaps for that.
fn may_owe(status: &Status) -> bool {
    status.is_failing() || *status == Status::Paused
}

/// What a price bought last is kept when its status is terminal: an ended
/// subscription must still be known as ours. And grace gives what was last
/// paid for, not what was only ordered (RULES R1).
fn what_it_gives(rules: &Rules, sub: &Subscription, bought: &Bought, last_paid: BTreeSet<String>) -> BTreeSet<String> {
    let still_sold = !last_paid.is_empty() && last_paid.iter().all(|tier| rules.tiers.named(tier).is_some());
    let kept = may_owe(&sub.status) && still_sold;
    if kept || (bought.tiers.is_empty() && !sub.status.is_running()) { last_paid } else { bought.tiers.clone() }
}

/// Since which invoice it is failing: the one of before while that is open,
/// else the oldest of this cycle. What couldn't be read changes nothing.
fn unpaid_from(was: Option<&Billed>, fresh: &Subscription) -> Option<InvoiceId> {
    if !may_owe(&fresh.status) {
        return None;
    }
    let before = was.and_then(|was| was.unpaid_from.clone());
    let Some(open) = &fresh.open_invoices else { return before };
    let stands = before.filter(|before| open.iter().any(|invoice| invoice.id == *before));
    stands.or_else(|| paying::oldest_of_this_cycle(fresh).map(|invoice| invoice.id.clone()))
}

fn note_change(now: Moment, member: &mut crate::ledger::Member, was: Option<&Billed>, billed: &Billed) {
    let word = billed.now.status.word();
    match was {
        None => member.note(now, format!("{} is {word}", billed.now.id)),
        Some(was) if was.now.status != billed.now.status => {
            member.note(now, format!("{} went from {} to {word}", billed.now.id, was.now.status.word()));
        }
        Some(was) if was.now.scheduled_end() != billed.now.scheduled_end() => match billed.now.scheduled_end() {
            Some(end) => member.note(now, format!("{} is set to end on {}", billed.now.id, end.date_naive())),
            None => member.note(now, format!("{} is no longer set to end", billed.now.id)),
        },
        Some(_) => {}
    }
}

/// The member who holds the subscription or its customer; a new one for a
/// running subscription; nobody for one that is over and was never ours.
fn whose(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    index: &Index,
    sub: &Subscription,
    customer: Option<&Customer>,
) -> Option<MemberId> {
    if let Some(member) = index.subscription(&sub.id) {
        return Some(member.clone());
    }
    if let Some(member) = index.customer(&sub.customer) {
        sign_in::tell_if_anothers(now, rules, book, member, sub);
        return Some(member.clone());
    }
    if !sub.status.is_running() {
        return None;
    }
    let (id, proof) = buyer(now, book, sub);
    let email = customer.and_then(|customer| customer.email.clone());
    let payer = Payer {
        mail_to: email.clone(),
        email,
        name: customer.and_then(|customer| customer.name.clone()),
        since: now,
        proof,
        unlinked: None,
    };
    if let Some(member) = book.members.get_mut(&id) {
        member.customers.insert(sub.customer.clone(), payer);
        member.invite_refused = None; // A new customer is worth another try.
    }
    Some(id)
}

/// Who bought, as far as our own key wrote it down, and what that proves;
/// otherwise somebody new.
fn buyer(now: Moment, book: &mut Book, sub: &Subscription) -> (MemberId, Option<Proof>) {
    if let Some(id) = made_for(book, sub) {
        let proof = has_account(book, &id).then_some(Proof::Checkout);
        return (id, proof);
    }
    match sign_in::holder(now, book, sub) {
        Some(id) => (id, Some(Proof::PlexSignIn)),
        None => {
            let customers = [sub.customer.clone()].into();
            (book.enter_known(now, &Meant { customers, ..Meant::default() }), None)
        }
    }
}

/// The member for whom Usher had this bought. One who came into the book only
/// later isn't meant: an id may have been another's, in a book that is lost.
fn made_for(book: &Book, sub: &Subscription) -> Option<MemberId> {
    let named = sub.member.as_ref()?;
    let id = book.merged.get(named).unwrap_or(named);
    let member = book.members.get(id)?;
    (member.since <= sub.created).then(|| id.clone())
}

fn has_account(book: &Book, id: &MemberId) -> bool {
    book.members.get(id).is_some_and(|member| member.plex.is_some())
}

/// Labels and the address for money letters follow Stripe; the address that
/// proves who they are doesn't (RULES R2).
fn see_customer(book: &mut Book, index: &Index, customer: &Customer) {
    let member = index.customer(&customer.id).and_then(|member| book.members.get_mut(member));
    let known = member.and_then(|member| member.customers.get_mut(&customer.id));
    let Some(payer) = known.filter(|_| !customer.deleted) else { return };
    payer.mail_to = customer.email.clone();
    payer.name = customer.name.clone();
    if payer.email.is_none() {
        payer.email = customer.email.clone();
    }
}

fn mark_vanished(now: Moment, rules: &Rules, book: &mut Book, id: &SubscriptionId) {
    let Some(member) = book.members.values_mut().find(|member| member.subscriptions.contains_key(id)) else { return };
    let Some(billed) = member.subscriptions.get_mut(id) else { return };
    if billed.vanished.is_some() {
        return;
    }
    billed.vanished = Some(now);
    let (who, member_id) = (member.person(), member.id.clone());
    let letter = Letter::Attention {
        title: format!("Stripe no longer knows {id}"),
        detail: format!(
            "It belonged to {}. Usher takes this for neither an end nor a payment, and changes nothing.",
            who.name
        ),
        what_to_do: "Look at the customer in Stripe's dashboard. Is STRIPE_SECRET_KEY the right account's?".into(),
    };
    book.owe(Owed::to_operator(Some(&member_id), format!("vanished-{id}"), letter), rules.ways, now);
}

/// An unknown status on a price of ours holds and is told (RULES R1).
fn tell_unknown_status(now: Moment, rules: &Rules, book: &mut Book, sub: &Subscription, word: &str) {
    let letter = Letter::Attention {
        title: format!("Stripe says {} is {word:?}, which Usher doesn't know", sub.id),
        detail: "Nobody is let in or ended because of it.".into(),
        what_to_do: "Look at it in Stripe's dashboard, and look for a newer Usher.".into(),
    };
    book.owe(Owed::to_operator(None, format!("status-{}-{word}", sub.id), letter), rules.ways, now);
}

/// Why a running subscription gives nothing that we know.
enum Lack {
    /// No tier has its price.
    Tier,
    /// Nor has Stripe the entitlement any more that gave one.
    Entitlement,
}

fn tell_no_tier(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    member: &MemberId,
    sub: &Subscription,
    unclear: &BTreeSet<PriceId>,
    lack: Lack,
) {
    let all = || sub.items.iter().map(|item| item.price.as_str()).collect();
    let prices: Vec<&str> =
        if unclear.is_empty() { all() } else { unclear.iter().map(|price| price.as_str()).collect() };
    let (title, mend) = match lack {
        Lack::Tier => ("A subscription has a price that is in no tier", "Add the price to a tier in the tiers file."),
        Lack::Entitlement => (
            "A subscription lost the entitlement that gave its tier",
            "If that was meant, cancel the subscription at Stripe; otherwise attach the feature to its product again.",
        ),
    };
    let letter = Letter::Attention {
        title: title.into(),
        detail: format!(
            "{} has price {}, which is in no tier. Nobody is let in or ended because of it.",
            sub.id,
            prices.join(", ")
        ),
        what_to_do: mend.into(),
    };
    book.owe(Owed::to_operator(Some(member), format!("no-tier-{}", sub.id), letter), rules.ways, now);
}

/// Everything else on the Stripe account is ignored, counted, said once.
fn tell_foreign(now: Moment, rules: &Rules, book: &mut Book, foreign: usize) {
    if foreign == 0 || !book.tell("foreign subscriptions", now) {
        return;
    }
    let letter = Letter::Attention {
        title: format!("{foreign} subscriptions on the Stripe account are none of ours"),
        detail: "Their prices are in no tier and their products are not named. Usher ignores them.".into(),
        what_to_do: "Nothing, if they belong to something else. Otherwise add their prices to the tiers file.".into(),
    };
    book.owe(Owed::to_operator(None, "foreign", letter), rules.ways, now);
}

/// Running subscriptions of ours, for continuity.
#[must_use]
pub fn running(rules: &Rules, book: &Book, billing: &Billing) -> u64 {
    let members = book.members.values();
    let entitled: BTreeSet<&SubscriptionId> = members
        .flat_map(|member| &member.subscriptions)
        .filter(|(_, billed)| !billed.entitled.is_empty())
        .map(|(id, _)| id)
        .collect();
    let ours = |sub: &&Subscription| {
        let bought = || prices::bought_by_book(rules, billing.catalogue.as_ref(), &book.tiers, sub).is_some();
        sub.status.is_running() && (entitled.contains(&sub.id) || bought())
    };
    billing.subscriptions.values().filter(ours).count() as u64
}
