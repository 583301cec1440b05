//! R8: free codes. A use counts once its person has access; until then the
//! open invite keeps it, and frees it when it lapses. Deleting a code ends
//! nobody: what it gave was written down when it was typed in.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use sha2::{Digest, Sha256};

use super::{Rules, Scene, pending};
use crate::facts::Moment;
use crate::hex::hex;
use crate::ledger::{Book, CodeMark, FreeUse, Letter, Member, Owed};
use crate::member::MemberId;
use crate::secret::Secret;
use crate::tier::Tier;

/// A code that lets somebody in for free.
#[derive(Debug, Clone)]
pub struct FreeCode {
    /// What is typed in.
    pub code: Secret,
    /// How often it may be used.
    pub uses: u32,
    /// Its last day, in `TZ`; `None` = no end.
    pub until: Option<NaiveDate>,
    /// For how many days it lets in; `None` = for good.
    pub days: Option<u32>,
}

impl FreeCode {
    /// What stands for it in the book.
    #[must_use]
    pub fn mark(&self) -> CodeMark {
        let sum = hex(&Sha256::digest(format!("free code {}", self.code.expose())));
        CodeMark(format!("{sum:.16}"))
    }

    /// A use of it.
    #[must_use]
    pub fn used(&self) -> FreeUse {
        FreeUse { mark: self.mark(), days: self.days }
    }

    /// Its last day isn't over.
    #[must_use]
    pub fn is_open(&self, today: NaiveDate) -> bool {
        self.until.is_none_or(|until| today <= until)
    }
}

/// The code that was typed in. Every code is compared, each in constant time,
/// so that the answer's time says nothing.
#[must_use]
pub fn typed<'a>(codes: &'a [FreeCode], guess: &str) -> Option<&'a FreeCode> {
    codes.iter().fold(None, |found, code| match code.code.is(guess.trim().as_bytes()) {
        true => found.or(Some(code)),
        false => found,
    })
}

/// Uses that are neither used up nor kept by an open invite.
#[must_use]
pub fn uses_left(scene: Scene<'_>, code: &FreeCode) -> u32 {
    let mark = code.mark();
    let takes = |member: &&Member| member.redeemed.contains(&mark) || holds_open(member, &mark, scene.now);
    let taken = scene.book.members.values().filter(takes).count();
    code.uses.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
}

/// Somebody typed it in and has not come in yet.
#[must_use]
pub fn holds_open(member: &Member, mark: &CodeMark, now: Moment) -> bool {
    let open = member.grants.iter().filter(|grant| grant.stands(now)).filter_map(|grant| grant.code.as_ref());
    !pending::is_refused(member) && !member.redeemed.contains(mark) && open.into_iter().any(|used| used.mark == *mark)
}

/// What a code opens; `None` where no tier says so.
#[must_use]
pub fn free_tier(rules: &Rules) -> Option<&Tier> {
    match &rules.free_tier {
        Some(name) => rules.tiers.named(name),
        None => rules.tiers.default_tier(),
    }
}

/// Counts the uses of those who have access by now, and begins their days.
pub fn count_uses(now: Moment, rules: &Rules, book: &mut Book) {
    for member in book.members.values_mut().filter(|member| member.has_access()) {
        let mut came = Vec::new();
        for grant in &mut member.grants {
            let Some(used) = grant.code.as_ref().filter(|used| !member.redeemed.contains(&used.mark)) else { continue };
            let last_day = used.days.map(|days| rules.day_of(now + TimeDelta::days(days.into())));
            grant.until = last_day.map(|day| rules.end_of_day(day));
            let end = last_day.map_or_else(String::new, |day| format!(", until the end of {day}"));
            came.push((used.mark.clone(), end));
        }
        for (mark, end) in came {
            member.note(now, format!("came in with free code {}{end}", mark.0));
            member.redeemed.insert(mark);
        }
    }
}

/// The free codes by which they have something.
pub(super) fn of(member: &Member, which: impl Fn(&CodeMark) -> bool) -> BTreeSet<CodeMark> {
    let codes = member.grants.iter().filter_map(|grant| grant.code.as_ref());
    codes.map(|code| code.mark.clone()).filter(|mark| which(mark)).collect()
}

/// Whoever came in by a code turned out to be somebody who had used it before.
pub(super) fn tell_used_twice(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, typed: &BTreeSet<CodeMark>) {
    let Some(member) = book.members.get(id) else { return };
    let stands = of(member, |_| true);
    let Some(mark) = typed.difference(&stands).next() else { return };
    let letter = Letter::Attention {
        title: format!("{} used a free code a second time, with another address", member.name()),
        detail: "They get nothing by it: one person uses a code once. What it let in ends again.".into(),
        what_to_do: format!("Nothing, or `usher invite {id} --tier …` lets them stay."),
    };
    book.owe(Owed::to_operator(Some(id), format!("code-twice-{}", mark.0), letter), rules.ways, now);
}
