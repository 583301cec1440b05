//! `usher link` and `usher unlink`: the operator's word on who is who
//! (RULES R2).

use super::{Hearing, Said, of};
use crate::facts::{CustomerId, Email, Moment, PlexId, Share, SubscriptionId};
use crate::ledger::{Billed, Book, Grant, GrantKind, Meant, Member, Payer, Proof, Stranger};
use crate::member::MemberId;
use crate::policy::{by_hand, who};

/// Says which Plex account somebody is, or what at Stripe is theirs.
pub(super) fn link(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    plex: Option<&str>,
    stripe: Option<&str>,
) -> Result<Said, String> {
    if plex.is_none() && stripe.is_none() {
        return Err("say what is linked: --plex, --stripe or both".into());
    }
    let mut said = Said { lines: Vec::new(), about: vec![id.clone()] };
    let mut id = id.clone();
    if let Some(plex) = plex {
        id = link_plex(hearing, book, &id, plex, &mut said)?;
    }
    match stripe.map(str::trim) {
        None => {}
        Some(customer) if customer.starts_with("cus_") => link_customer(hearing, book, &id, customer, &mut said)?,
        Some(sub) if sub.starts_with("sub_") => link_subscription(hearing, book, &id, sub, &mut said)?,
        Some(other) => return Err(format!("--stripe takes cus_… or sub_…, not {other:?}")),
    }
    Ok(said)
}

/// This member is that account. Returns who they are now.
fn link_plex(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    whom: &str,
    said: &mut Said,
) -> Result<MemberId, String> {
    let account = account(book, whom)?;
    if book.identities.owner == Some(account) {
        return Err("that is your own account".into());
    }
    let member = of(book, id)?;
    let name = member.name();
    match member.plex {
        Some(theirs) if theirs == account => {
            prove(book, id);
            said.lines.push(format!("{name} is Plex account {account} already"));
            return Ok(id.clone());
        }
        Some(theirs) => {
            let apart = member.subscriptions.values().filter(|billed| billed.now.status.is_running());
            let apart: Vec<String> =
                apart.map(|billed| format!("`usher unlink {id} --stripe {}`", billed.now.id)).collect();
            let apart = match apart.as_slice() {
                [] => String::new(),
                some => format!("; if that is somebody else's, say {} first", some.join(" or ")),
            };
            return Err(format!(
                "{name} is Plex account {theirs}, and that never changes; link what they pay: --stripe{apart}"
            ));
        }
        None => {}
    }
    let now = hearing.now;
    let Some(target) = book.by_account(account).map(|member| member.id.clone()).filter(|target| target != id) else {
        prove(book, id);
        if let Some(member) = book.members.get_mut(id) {
            who::set_account(member, account);
            member.invite_refused = None;
            member.note(now, format!("you said that they are Plex account {account}"));
        }
        said.lines.push(format!("{name} is Plex account {account}"));
        if let Some(invite) = leave_invite(now, book, id, account) {
            said.lines.push(invite);
        }
        return Ok(id.clone());
    };
    can_be_one(book, id, &target)?;
    let theirs = of(book, &target)?.name();
    prove(book, id);
    let astray = leave_invite(now, book, id, account);
    who::merge(now, book, id, &target, "you linked them");
    if let Some(member) = book.members.get_mut(&target) {
        who::set_account(member, account);
    }
    said.about.push(target.clone());
    said.lines.push(format!("{name} ({id}) and {theirs} ({target}) are one"));
    said.lines.extend(astray);
    Ok(target)
}

/// The invite that is out went to another account than they are said to be, or
/// to an address that no account is known to have: it is no longer theirs, and
/// they are invited as the account that they are. It stays what it was made for,
/// and is over with that.
fn leave_invite(now: Moment, book: &mut Book, id: &MemberId, account: PlexId) -> Option<String> {
    let theirs = book.by_account(account).and_then(|member| member.email.clone());
    let member = book.members.get_mut(id)?;
    let is_for_them = |row: &Share| match row.account {
        Some(to) => to == account,
        None => row.email.is_some() && row.email == theirs,
    };
    let astray = member.share.take_if(|share| !share.row.is_accepted() && !is_for_them(&share.row))?;
    let ours = member.made.remove(&astray.id());
    let made_for = member.made_for.remove(&astray.id()).unwrap_or_default();
    let to = match &astray.row.email {
        Some(address) => address.to_string(),
        None => astray.row.account.map_or_else(String::new, |account| format!("Plex account {account}")),
    };
    let (which, went) = match astray.row.account {
        Some(_) => ("which is another account", "account"),
        None => ("which is not known to be this account's", "address"),
    };
    let holder = astray.row.account.and_then(|account| book.by_account(account)).map(|holder| holder.id.clone());
    let meant = Meant { plex: astray.row.account, ..Meant::at(astray.row.email.clone()) };
    let holder = holder.unwrap_or_else(|| book.enter_known(now, &meant));
    let other = book.members.get_mut(&holder)?;
    other.note(now, format!("the invite of {id} is theirs: it went to their {went}"));
    if ours {
        other.note_made(astray.id(), made_for);
    }
    other.share.get_or_insert(astray);
    Some(format!("an invite for {to}, {which}, is out ({holder}); take it back in Plex, unless it should stay"))
}

/// An account by its number, or by who has it.
pub(super) fn account(book: &Book, whom: &str) -> Result<PlexId, String> {
    if let Ok(number) = whom.trim().parse() {
        return Ok(PlexId(number));
    }
    let member = who::find(book, whom)?;
    member.plex.ok_or_else(|| format!("of {} no Plex account is known; say its number", member.name()))
}

/// What they pay is theirs, by the operator's word.
fn prove(book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get_mut(id) else { return };
    for payer in member.customers.values_mut() {
        (payer.proof, payer.unlinked) = (payer.proof.or(Some(Proof::Operator)), None);
    }
}

/// Of two who each have a row at Plex, one would be left behind there; and
/// with somebody revoked the other would be out as well, unsaid.
fn can_be_one(book: &Book, from: &MemberId, into: &MemberId) -> Result<(), String> {
    let (from, into) = (of(book, from)?, of(book, into)?);
    let (one, other) = (from.name(), into.name());
    if from.blocked.is_some() && into.blocked.is_none() {
        return Err(format!(
            "{one} is revoked, and {other} would be out with them; say `usher restore {}` or `usher revoke {}` first",
            from.id, into.id
        ));
    }
    let (Some(invite), Some(_)) = (&from.share, &into.share) else { return Ok(()) };
    let address = invite.row.email.as_ref().map_or_else(String::new, |address| format!(" for {address}"));
    Err(format!("{one} has an invite{address} at Plex and {other} has a share; take the invite back there first"))
}

fn link_customer(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    customer: &str,
    said: &mut Said,
) -> Result<(), String> {
    let (customer, now) = (CustomerId::from(customer), hearing.now);
    let name = of(book, id)?.name();
    no_stranger(book, id, customer.as_str());
    let holder = book.by_customer(&customer).map(|member| member.id.clone());
    if holder.as_ref() == Some(id) {
        prove(book, id);
        said.lines.push(format!("{customer} is {name}'s already"));
        return Ok(());
    }
    let Some(holder) = holder else {
        let payer =
            Payer { email: None, mail_to: None, name: None, since: now, proof: Some(Proof::Operator), unlinked: None };
        if let Some(member) = book.members.get_mut(id) {
            member.customers.insert(customer.clone(), payer);
            member.note(now, format!("you said that {customer} is theirs"));
        }
        said.lines.push(format!("{customer} is {name}'s; Stripe has not told of it yet"));
        return Ok(());
    };
    said.about.push(holder.clone());
    if is_nothing_but(of(book, &holder)?, &customer) {
        can_be_one(book, &holder, id)?;
        prove(book, &holder);
        who::merge(now, book, &holder, id, "you linked them");
    } else {
        move_customer(hearing, book, &holder, id, &customer);
        prove(book, id);
        note_move(hearing, book, &holder, id, customer.as_str());
    }
    said.lines.push(format!("{customer} is {name}'s"));
    Ok(())
}

/// A payer of whom nothing else is known.
fn is_nothing_but(member: &Member, customer: &CustomerId) -> bool {
    member.plex.is_none() && member.customers.keys().all(|theirs| theirs == customer)
}

fn link_subscription(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    sub: &str,
    said: &mut Said,
) -> Result<(), String> {
    let sub = SubscriptionId::from(sub);
    let name = of(book, id)?.name();
    let found = book.members.values().find_map(|member| Some((member, member.subscriptions.get(&sub)?)));
    let Some((holder, billed)) = found else {
        return Err(format!("Stripe has not told of {sub}; is the number right?"));
    };
    if holder.id == *id {
        said.lines.push(format!("{sub} is {name}'s already"));
        return Ok(());
    }
    let customer = billed.now.customer.clone();
    let stranger = sub.0.clone();
    let is_all_they_have = holder.subscriptions.len() == 1 && holder.plex.is_none();
    let (pays_it, pays_nothing) = (holder.customers.contains_key(&customer), holder.customers.is_empty());
    let holder = holder.id.clone();
    if is_all_they_have && pays_it {
        return link_customer(hearing, book, id, customer.as_str(), said);
    }
    no_stranger(book, id, &stranger);
    said.about.push(holder.clone());
    if is_all_they_have && pays_nothing {
        can_be_one(book, &holder, id)?;
        who::merge(hearing.now, book, &holder, id, "you linked them");
    } else {
        move_subscriptions(book, &holder, id, |billed| billed.now.id == sub);
        give_back_by_hand(hearing, book, &holder);
    }
    note_move(hearing, book, &holder, id, sub.as_str());
    said.lines.push(format!("{sub} is {name}'s"));
    Ok(())
}

fn move_customer(hearing: Hearing<'_>, book: &mut Book, from: &MemberId, into: &MemberId, customer: &CustomerId) {
    let old = book.members.get_mut(from);
    let payer = old.and_then(|member| {
        let payer = member.customers.remove(customer)?;
        member.former.insert(customer.clone(), payer.clone());
        Some(payer)
    });
    if let (Some(payer), Some(member)) = (payer, book.members.get_mut(into)) {
        member.former.remove(customer);
        // What tied them to somebody says nothing of anybody else.
        member.customers.insert(customer.clone(), Payer { proof: None, ..payer });
        member.invite_refused = None;
    }
    move_subscriptions(book, from, into, |billed| billed.now.customer == *customer);
    give_back_by_hand(hearing, book, from);
}

fn move_subscriptions(book: &mut Book, from: &MemberId, into: &MemberId, which: impl Fn(&Billed) -> bool) {
    let Some(old) = book.members.get_mut(from) else { return };
    let ids: Vec<SubscriptionId> =
        old.subscriptions.iter().filter(|(_, billed)| which(billed)).map(|(id, _)| id.clone()).collect();
    for id in ids {
        let Some(old) = book.members.get_mut(from) else { return };
        let (billed, spell) = (old.subscriptions.remove(&id), old.unpaid.remove(&id));
        let Some(new) = book.members.get_mut(into) else { return };
        new.subscriptions.extend(billed.map(|billed| (id.clone(), billed)));
        new.unpaid.extend(spell.map(|spell| (id, spell)));
    }
}

/// A share made by hand stood for a subscription that is somebody else's: it
/// stands by hand again, as far as what else they paid for leaves it so (R1).
fn give_back_by_hand(hearing: Hearing<'_>, book: &mut Book, id: &MemberId) {
    let (now, rules) = (hearing.now, hearing.rules);
    let Some(member) = book.members.get_mut(id) else { return };
    let Some(share) = member.share.as_ref().filter(|share| share.row.is_accepted()) else { return };
    if member.made.contains(&share.id()) || member.grant(GrantKind::ByHand, now).is_some() {
        return;
    }
    let grant = Grant { since: share.first_seen, ..by_hand::grant(now, rules, member, &share.row) };
    member.grants.push(grant);
    by_hand::freeze(now, rules, book, id);
}

fn note_move(hearing: Hearing<'_>, book: &mut Book, from: &MemberId, into: &MemberId, what: &str) {
    book.note(from, hearing.now, format!("you said that {what} is {into}'s"));
    book.note(into, hearing.now, format!("you said that {what} is theirs; it was {from}'s"));
}

/// The operator says now that it is theirs.
fn no_stranger(book: &mut Book, id: &MemberId, what: &str) {
    if let Some(member) = book.members.get_mut(id) {
        member.strangers.remove(what);
    }
}

/// The operator says that a customer or subscription isn't theirs, for good.
fn declare(hearing: Hearing<'_>, book: &mut Book, id: &MemberId, what: &str, email: Option<Email>) {
    if let Some(member) = book.members.get_mut(id) {
        let since = hearing.now;
        member.strangers.entry(what.to_owned()).or_insert(Stranger { since, email });
    }
}

/// Says of two who were never linked that they are different people.
fn tell_apart(hearing: Hearing<'_>, book: &mut Book, id: &MemberId, what: &str) -> Result<Said, String> {
    let (customer, sub) = (CustomerId::from(what), SubscriptionId::from(what));
    let by_sub = || book.members.values().find(|member| member.subscriptions.contains_key(&sub));
    let Some(holder) = book.by_customer(&customer).or_else(by_sub) else {
        return Err(format!("Stripe has not told of {what}; is the number right?"));
    };
    let billed = holder.subscriptions.get(&sub).map(|billed| &billed.now.customer);
    let payer = holder.customers.get(billed.unwrap_or(&customer));
    let (email, other) = (payer.and_then(|payer| payer.email.clone()), holder.id.clone());
    let (name, customer) = (of(book, id)?.name(), billed.cloned());
    declare(hearing, book, id, what, email.clone());
    if let Some(customer) = customer {
        declare(hearing, book, id, customer.as_str(), email);
    }
    if let Some(member) = book.members.get_mut(id) {
        member.note(hearing.now, format!("you said that {what} is somebody else's"));
    }
    let said =
        Said { lines: vec![format!("{name} is somebody else than {what}, for good")], about: vec![id.clone(), other] };
    Ok(said.and(format!("`usher link {id} --stripe {what}` would say the opposite")))
}

/// Takes apart what was linked, or says that it never was one. Only `usher
/// link` ties it again.
pub(super) fn unlink(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    stripe: Option<&str>,
) -> Result<Said, String> {
    let member = of(book, id)?;
    let (name, now) = (member.name(), hearing.now);
    let customers: Vec<&str> = member.customers.keys().map(CustomerId::as_str).collect();
    let what = match (stripe.map(str::trim), customers.as_slice()) {
        (Some(what), _) => what.to_owned(),
        (None, [one]) => (*one).to_owned(),
        (None, []) => return Err(format!("nothing at Stripe is linked to {name}")),
        (None, several) => return Err(format!("{name} has {}; say which: --stripe", several.join(", "))),
    };
    let (customer, sub) = (CustomerId::from(what.as_str()), SubscriptionId::from(what.as_str()));
    let billed = member.subscriptions.get(&sub).map(|billed| billed.now.customer.clone());
    let apart = match billed {
        Some(customer) => {
            let home = book.by_customer(&customer).map(|member| member.id.clone()).filter(|home| home != id);
            let apart = home.unwrap_or_else(|| book.enter(now));
            let address = book.by_customer(&customer).and_then(|member| member.customers.get(&customer)?.email.clone());
            declare(hearing, book, id, &what, address);
            move_subscriptions(book, id, &apart, |billed| billed.now.id == sub);
            give_back_by_hand(hearing, book, id);
            apart
        }
        None if member.plex.is_none() => return Err(format!("{name} is tied to no Plex account: nothing is linked")),
        None if member.customers.contains_key(&customer) => {
            let address = member.customers.get(&customer).and_then(|payer| payer.email.clone());
            let apart = book.enter(now);
            declare(hearing, book, id, &what, address);
            move_customer(hearing, book, id, &apart, &customer);
            let theirs = book.members.get_mut(&apart).into_iter().flat_map(|member| member.customers.values_mut());
            for payer in theirs {
                (payer.proof, payer.unlinked) = (None, Some(now));
            }
            apart
        }
        None => return tell_apart(hearing, book, id, &what),
    };
    note_move(hearing, book, id, &apart, &what);
    let about = vec![id.clone(), apart.clone()];
    // A subscription goes back to the member whose customer pays it.
    let is_home = |home: &&Member| home.customers.values().any(|payer| payer.unlinked.is_none());
    if let Some(home) = book.members.get(&apart).filter(is_home) {
        let whose = who::in_full(home);
        let line = format!("{what} is no longer {name}'s; it is with the customer who pays it: {whose}");
        let said = Said { lines: vec![line], about };
        return Ok(said.and(format!("if that is wrong, `usher link {id} --stripe {what}` takes it back")));
    }
    let line = format!("{what} is no longer {name}'s; it stands by itself as {apart}");
    let said = Said { lines: vec![line], about };
    Ok(said.and(format!("`usher link WHO --stripe {what}` says whose it is; until then nobody is invited for it")))
}
