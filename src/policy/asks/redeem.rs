//! A free code, typed in by a stranger (RULES R8).
//!
//! Promises: a typed address proves nothing, so whoever has access keeps it as
//! it is, and nobody learns whether an address is known here; who was thrown
//! out is not let in by a code. The invite goes to the address alone, and
//! whoever takes it up has shown that it is theirs (R2).

use super::{Hearing, Said, of};
use crate::facts::Email;
use crate::ledger::{Book, FreeUse, Grant, GrantKind, Letter, Meant, Member, Owed};
use crate::member::MemberId;
use crate::policy::{codes, libraries, pending, sharing, who};

/// For strangers: never which part was wrong.
pub const NO_SUCH_CODE: &str = "this code lets nobody in, or nobody any more";

/// Lets in whoever typed a good code: their invite goes out with the next pass.
pub(super) fn redeem(hearing: Hearing<'_>, book: &mut Book, email: &str, code: &str) -> Result<Said, String> {
    let (now, rules) = (hearing.now, hearing.rules);
    if rules.ways.dry_run {
        return Err("this is a dry run, which lets nobody in".into());
    }
    let tier = codes::free_tier(rules).ok_or("no tier says what a free code opens (FREE_TIER)")?.clone();
    libraries::resolve(&book.libraries, &tier)?;
    let email = Email::parse(email).ok_or_else(|| format!("{email:?} is no email address"))?;
    if who::is_relay(&email) {
        return Err(format!("{email} is a relay address; ask for the address of their Plex account"));
    }
    let code = codes::typed(&rules.free_codes, code).filter(|code| code.is_open(rules.day_of(now)));
    let code = code.ok_or(NO_SUCH_CODE)?;
    let known: Vec<MemberId> = who::with_address(book, &email).iter().map(|member| member.id.clone()).collect();
    if let [one] = known.as_slice()
        && codes::holds_open(of(book, one)?, &code.mark(), now)
    {
        return Ok(Said::about(one, "they typed this code before; their invite waits"));
    }
    let scene = hearing.scene(book);
    if codes::uses_left(scene, code) == 0 {
        return Err(NO_SUCH_CODE.into());
    }
    if pending::seats_free(scene) == Some(0) {
        return Err("all seats are taken (SEATS)".into());
    }
    let id = match known.as_slice() {
        [] if rules.admin_email.as_ref() == Some(&email) => return Ok(Said::default()),
        [] if sharing::is_home_address(scene, &email) => return Ok(Said::default()),
        [] => {
            let id = book.enter_known(now, &Meant::at(Some(email.clone())));
            if let Some(member) = book.members.get_mut(&id) {
                member.given_email = Some(email);
            }
            id
        }
        [one] => match why_not(hearing, book, of(book, one)?, code) {
            None => one.clone(),
            Some(why) => return Ok(tell(hearing, book, one, &code.used(), why)),
        },
        [several, ..] => return Ok(tell(hearing, book, several, &code.used(), "several people have this address")),
    };
    if let Some(member) = book.members.get_mut(&id) {
        let kind = if code.days.is_some() { GrantKind::Complimentary } else { GrantKind::Grandfathered };
        let grant = Grant::new(kind, now);
        // Typed in again, because Plex refused the address at first.
        let before = code.mark();
        member.grants.retain(|grant| grant.code.as_ref().is_none_or(|used| used.mark != before));
        member.grants.push(Grant { tier: Some(tier.name.clone()), code: Some(code.used()), ..grant });
        member.returned = member.gone.take().map(|_| now).or(member.returned);
        member.invite_refused = None;
        member.note(now, format!("free code {} was typed in with their address: {}", code.mark().0, tier.name));
    }
    Ok(Said::about(&id, format!("invited to {} by a free code", tier.name)))
}

/// Why somebody in the book gets nothing by a code.
fn why_not(hearing: Hearing<'_>, book: &Book, member: &Member, code: &codes::FreeCode) -> Option<&'static str> {
    let is_of_the_house = || sharing::is_of_the_house(hearing.scene(book), member);
    let thrown_out = || member.gone.as_ref().is_some_and(|gone| !gone.by_us);
    match () {
        () if member.blocked.is_some() => Some("they are revoked"),
        () if member.share.is_some() => Some("they have access or an invite already, which stays as it is"),
        () if is_of_the_house() => Some("they belong to your Plex Home"),
        () if member.redeemed.contains(&code.mark()) => Some("they have used it before"),
        () if thrown_out() => Some("their share went away in Plex, without Usher"),
        () => None,
    }
}

/// Nothing is done, and the operator hears it: once a person and code.
fn tell(hearing: Hearing<'_>, book: &mut Book, id: &MemberId, used: &FreeUse, why: &str) -> Said {
    let name = book.members.get(id).map(Member::name).unwrap_or_default();
    let letter = Letter::Attention {
        title: format!("A free code was typed in with the address of {name}"),
        detail: format!("Nothing was changed: {why}. Anybody who knows the code may have typed it."),
        what_to_do: format!("Nothing, or `usher grandfather {id}`, `usher invite {id}` or `usher restore {id}`."),
    };
    let owed = Owed::to_operator(Some(id), format!("code-{}", used.mark.0), letter);
    book.owe(owed, hearing.rules.ways, hearing.now);
    Said { lines: vec![format!("{name} gets nothing by this code: {why}")], about: vec![id.clone()] }
}
