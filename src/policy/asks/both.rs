//! Promise 5: what the operator says in a rehearsal is written into the live
//! book as well. What Usher thought in the rehearsal is not.

use super::{Ask, Hearing, Said, carry_out, links};
use crate::ledger::Book;
use crate::member::MemberId;
use crate::policy::handover;

/// Carries out in the live book what was said in the rehearsal. People whom
/// the live book hasn't met yet are entered with what was read of them, and
/// those whom it has met are brought up to date ([`handover`]).
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
    handover::learn_of_the_house(live, rehearsal);
    let ask = &ask.clone().by_account(rehearsal);
    let enter = |id| handover::enter(hearing.now, live, rehearsal, id);
    let theirs: Vec<MemberId> = about.iter().filter_map(enter).collect();
    // Whom the operator meant was found in the rehearsal: here the numbers are
    // our own, and none of them is refused.
    let refused = std::mem::take(&mut live.numbers.refused);
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
    live.numbers.refused = refused;
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
