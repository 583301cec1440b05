//! Promise 5: what the operator says in a rehearsal is written into the live
//! book as well. What Usher thought in the rehearsal is not.

use std::collections::BTreeMap;

use super::{Ask, Hearing, Said, carry_out, links};
use crate::facts::Moment;
use crate::ledger::{Book, Member};
use crate::member::MemberId;

/// Carries out in the live book what was said in the rehearsal. People whom
/// the live book hasn't met yet are entered with what is known of them.
///
/// # Errors
/// As [`carry_out`].
pub fn carry_over(
    hearing: Hearing<'_>,
    live: &mut Book,
    rehearsal: &Book,
    ask: &Ask,
    about: &[MemberId],
) -> Result<Said, String> {
    if live.libraries.known.is_empty() {
        live.libraries = rehearsal.libraries.clone();
    }
    let ask = &ask.clone().by_account(rehearsal);
    let theirs: Vec<MemberId> = about.iter().filter_map(|id| enter(hearing.now, live, rehearsal, id)).collect();
    let mut said = Said::default();
    // What was said of everyone was said of those whom the rehearsal knows.
    let many = if *ask == Ask::GrandfatherEveryone { theirs.len() } else { 1 };
    for member in theirs.iter().take(many) {
        let one = carry_out(hearing, live, &ask.clone().of(member))?;
        said.lines.extend(one.lines);
    }
    if theirs.is_empty() && *ask != Ask::GrandfatherEveryone {
        said = carry_out(hearing, live, ask)?;
    }
    Ok(said)
}

impl Ask {
    /// The same ask in any book: each numbers its members itself, and an
    /// account has the number that plex.tv gave it.
    fn by_account(mut self, rehearsal: &Book) -> Self {
        if let Self::Link { plex: Some(whom), .. } = &mut self
            && let Ok(account) = links::account(rehearsal, whom)
        {
            *whom = account.to_string();
        }
        self
    }

    /// The same ask, of this member.
    fn of(mut self, member: &MemberId) -> Self {
        match &mut self {
            Self::Restore { who }
            | Self::Revoke { who, .. }
            | Self::Invite { who, .. }
            | Self::Extend { who, .. }
            | Self::Pause { who, .. }
            | Self::Link { who, .. }
            | Self::Unlink { who, .. }
            | Self::Grandfather { who } => *who = member.to_string(),
            Self::GrandfatherEveryone => self = Self::Grandfather { who: member.to_string() },
            Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Accept { .. }
            | Self::Redeem { .. }
            | Self::BillingLink { .. } => {}
        }
        self
    }
}

/// The live book's own id of somebody in the rehearsal.
fn enter(now: Moment, live: &mut Book, rehearsal: &Book, id: &MemberId) -> Option<MemberId> {
    let known = rehearsal.members.get(id)?;
    let found = live.members.values().find(|member| is_same(member, known)).map(|member| member.id.clone());
    Some(found.unwrap_or_else(|| {
        let id = live.enter(now);
        let copy = Member {
            id: id.clone(),
            idle: None,
            unpaid: BTreeMap::new(),
            missing_since: None,
            journal: Vec::new(),
            ..known.clone()
        };
        live.members.insert(id.clone(), copy);
        id
    }))
}

/// By account; by customer, where an account isn't known on either side; by
/// the row that both were seen with.
fn is_same(member: &Member, known: &Member) -> bool {
    if let (Some(theirs), Some(account)) = (member.plex, known.plex) {
        return theirs == account;
    }
    let row = |of: &Member| of.share.as_ref().map(|share| share.row.id);
    known.customers.keys().any(|customer| member.customers.contains_key(customer))
        || (row(known).is_some() && row(member) == row(known))
        || (member.id == known.id && member.since == known.since)
}
