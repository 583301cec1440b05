//! The operator's word: taken up by the pass that finds it, and answered after
//! the commit.
//!
//! Promise 5: in a dry run it is written into the live book as well, first;
//! the rehearsal goes on from there.

use super::desk::{Accept, Answer, Ask, Wish};
use super::{Engine, audit_lines};
use crate::facts::Moment;
use crate::ledger::Book;
use crate::member::MemberId;
use crate::policy::asks::{self, Hearing};
use crate::policy::{Rules, World, brake, decide, handover, who};
use crate::reports::Page;
use crate::store::{Store, StoreError};

/// The live book, beside a rehearsal.
pub struct LiveBook {
    /// Where it lies.
    pub store: Store<Book>,
    /// As it stands.
    pub book: Book,
}

impl Engine {
    /// Takes up one ask.
    ///
    /// # Errors
    /// When a book can't be written any more and the process must end.
    pub(super) fn ask(&mut self, now: Moment, book: &mut Book, wish: &Wish) -> Result<Answer, StoreError> {
        match &wish.ask {
            Ask::Approve { .. } | Ask::Reject { .. } => self.give_verdict(now, book, wish),
            Ask::Accept { what } => self.accept(now, book, *what, wish.dry_run),
            ask => self.carry_out(now, book, ask, wish.dry_run),
        }
    }

    fn carry_out(&mut self, now: Moment, book: &mut Book, ask: &Ask, dry_run: bool) -> Result<Answer, StoreError> {
        if let Some(why) = brake::clock_failure(self.scene(now, book)) {
            return Ok(Err(format!("{why}. Nothing was changed")));
        }
        let rules = self.parts.rules.clone();
        let hearing = Hearing { now, rules: &rules, world: &self.world };
        let mut changed = book.clone();
        let said = match asks::carry_out(hearing, &mut changed, ask) {
            Ok(said) => said,
            Err(why) => return Ok(Err(why)),
        };
        let next = asks::what_comes_next(self.scene(now, &changed), &said.about);
        let about = who_is_meant(&changed, &said.about);
        if dry_run {
            return Ok(Ok(about.under(page(said.lines, next, true))));
        }
        if let Err(why) = self.write_live_too(now, &mut changed, book, ask, &said.about)? {
            return Ok(Err(why));
        }
        *book = changed;
        Ok(Ok(about.under(page(said.lines, next, false))))
    }

    /// In a dry run the live book hears it as well.
    fn write_live_too(
        &mut self,
        now: Moment,
        changed: &mut Book,
        rehearsal: &Book,
        ask: &Ask,
        about: &[MemberId],
    ) -> Result<Result<(), String>, StoreError> {
        let rules = self.parts.rules.clone();
        let hearing = Hearing { now, rules: &rules, world: &self.world };
        let Some(live) = self.parts.live.as_mut() else { return Ok(Ok(())) };
        let mut book = live.book.clone();
        if let Err(why) = asks::carry_over(hearing, &mut book, rehearsal, ask, about) {
            return Ok(Err(format!("the live book refuses it: {why}")));
        }
        live.write(now, book, changed, Some(ask))
    }

    /// In a dry run the verdict counts in the live book as well (RULES R11).
    fn give_verdict(&mut self, now: Moment, book: &mut Book, wish: &Wish) -> Result<Answer, StoreError> {
        let mut changed = book.clone();
        let done = match verdict(now, &mut changed, &wish.ask) {
            Ok(done) => done,
            Err(why) => return Ok(Err(why)),
        };
        let answer = told(done, "nothing waits for approval", wish.dry_run);
        if wish.dry_run {
            return Ok(Ok(answer));
        }
        if let Some(live) = self.parts.live.as_mut() {
            let mut here = live.book.clone();
            handover::pass_verdicts_on(now, &mut here, book, &changed);
            if let Err(why) = live.write(now, here, &mut changed, Some(&wish.ask))? {
                return Ok(Err(why));
            }
        }
        *book = changed;
        Ok(Ok(answer))
    }

    fn accept(&mut self, now: Moment, book: &mut Book, what: Accept, dry_run: bool) -> Result<Answer, StoreError> {
        let (mut world, mut changed) = (self.world.clone(), book.clone());
        let done = asks::accept(now, &mut world, &mut changed, what);
        if done.is_empty() || dry_run {
            return Ok(Ok(told(done, "there is nothing to accept", dry_run)));
        }
        if let Some(live) = self.parts.live.as_mut().filter(|live| !live.book.adopted.is_empty()) {
            let mut book = live.book.clone();
            asks::accept(now, &mut self.world.clone(), &mut book, what);
            if what == Accept::State {
                live.store.accept();
            }
            if let Err(why) = live.write(now, book, &mut changed, None)? {
                return Ok(Err(why));
            }
        }
        if what == Accept::State {
            self.parts.store.accept();
        }
        if let Some(source) = what.source() {
            self.wanted.insert(source, now);
        }
        (self.world, *book) = (world, changed);
        Ok(Ok(told(done, "", false)))
    }
}

impl LiveBook {
    /// Writes it. The rehearsal goes on from there: the live book counts what
    /// it only heard, and remembers what that was, in case the rehearsal is not
    /// written any more.
    fn write(
        &mut self,
        now: Moment,
        mut book: Book,
        rehearsal: &mut Book,
        ask: Option<&Ask>,
    ) -> Result<Result<(), String>, StoreError> {
        if !book.differs_from(&self.book) && book.committed == self.book.committed {
            return Ok(Ok(()));
        }
        let audit = audit_lines(&self.book, &book);
        book.committed = now;
        book.words += 1;
        book.last_word = ask.and_then(|ask| serde_json::to_value(ask).ok());
        match self.store.commit(&book, now, &audit) {
            Ok(_) => {
                rehearsal.words = book.words;
                self.book = book;
                Ok(Ok(()))
            }
            Err(error @ StoreError::NotWritten { .. }) => Ok(Err(format!("{error}. Nothing was changed"))),
            Err(error) => Err(error),
        }
    }
}

/// Whom an ask concerned, for its confirmation: with ids and addresses.
struct About {
    lines: Vec<String>,
    people: Vec<serde_json::Value>,
}

fn who_is_meant(book: &Book, about: &[MemberId]) -> About {
    let mut ids: Vec<&MemberId> = Vec::new();
    for id in about.iter().map(|id| book.merged.get(id).unwrap_or(id)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let members: Vec<_> = ids.into_iter().filter_map(|id| book.members.get(id)).collect();
    let person = |member: &&crate::ledger::Member| {
        serde_json::json!({
            "id": member.id, "name": member.name(), "email": member.access_email(), "plex_id": member.plex,
        })
    };
    About {
        lines: members.iter().map(|member| format!("about {}", who::in_full(member))).collect(),
        people: members.iter().map(person).collect(),
    }
}

impl About {
    /// Puts them under the page's text.
    fn under(self, mut page: Page) -> Page {
        for line in self.lines {
            page.text.push('\n');
            page.text.push_str(&line);
        }
        if let Some(json) = page.json.as_object_mut() {
            json.insert("about".to_owned(), self.people.into());
        }
        page
    }
}

/// What the live book heard just before the process ended, and the rehearsal
/// did not: it is said there as well.
pub(super) fn catch_up(rules: &Rules, world: &World, live: &Book, book: &mut Book) {
    if book.words == live.words {
        return;
    }
    let now = live.committed;
    let mut changed = book.clone();
    let word = live.last_word.clone().and_then(|word| serde_json::from_value::<Ask>(word).ok());
    let said = match &word {
        None => Ok(()),
        Some(ask @ (Ask::Approve { .. } | Ask::Reject { .. })) => verdict(now, &mut changed, ask).map(drop),
        Some(ask) => asks::carry_out(Hearing { now, rules, world }, &mut changed, ask).map(drop),
    };
    match said {
        Ok(()) => *book = changed,
        Err(why) => tracing::warn!("what was said last is in the live book only: {why}"),
    }
    book.words = live.words;
}

/// `usher approve` and `usher reject`.
fn verdict(now: Moment, book: &mut Book, ask: &Ask) -> Result<Vec<String>, String> {
    match ask {
        Ask::Approve { ids } => decide::give_verdict(now, book, ids, true),
        Ask::Reject { ids } => decide::give_verdict(now, book, ids, false),
        _ => Ok(Vec::new()),
    }
}

fn told(lines: Vec<String>, nothing: &str, dry_run: bool) -> Page {
    let nothing_done = if lines.is_empty() { nothing.to_owned() } else { String::new() };
    let mut page = page(lines, Vec::new(), dry_run);
    if !nothing_done.is_empty() {
        page.text = nothing_done;
    }
    page
}

fn page(done: Vec<String>, next: Vec<String>, dry_run: bool) -> Page {
    let head = dry_run.then(|| "--dry-run: nothing was changed; this is what would be:".to_owned());
    let lines: Vec<String> = head.into_iter().chain(done.iter().cloned()).chain(next.iter().cloned()).collect();
    Page { text: lines.join("\n"), json: serde_json::json!({ "done": done, "next": next, "dry_run": dry_run }) }
}
