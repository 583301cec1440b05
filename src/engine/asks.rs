//! The operator's word: taken up by the pass that finds it, and answered after
//! the commit.
//!
//! Promise 5: in a dry run it is written into the live book as well, first;
//! the rehearsal goes on from there.

use super::desk::{Accept, Answer, Ask, Wish};
use super::{Engine, audit_lines};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Population};
use crate::member::MemberId;
use crate::policy::asks::{self, Hearing};
use crate::policy::{World, brake, comings, decide};
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
            Ask::Approve { ids } => Ok(give_verdict(now, book, ids, true, wish.dry_run)),
            Ask::Reject { ids } => Ok(give_verdict(now, book, ids, false, wish.dry_run)),
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
        if dry_run {
            return Ok(Ok(page(said.lines, next, true)));
        }
        if let Err(why) = self.write_live_too(now, &mut changed, book, ask, &said.about)? {
            return Ok(Err(why));
        }
        *book = changed;
        Ok(Ok(page(said.lines, next, false)))
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
        live.write(now, book, changed)
    }

    fn accept(&mut self, now: Moment, book: &mut Book, what: Accept, dry_run: bool) -> Result<Answer, StoreError> {
        let (mut world, mut changed) = (self.world.clone(), book.clone());
        let done = accept_in(now, &mut world, &mut changed, what);
        if done.is_empty() || dry_run {
            return Ok(Ok(told(done, "there is nothing to accept", dry_run)));
        }
        if let Some(live) = self.parts.live.as_mut().filter(|live| !live.book.adopted.is_empty()) {
            let mut book = live.book.clone();
            accept_in(now, &mut self.world.clone(), &mut book, what);
            if what == Accept::State {
                live.store.accept();
            }
            if let Err(why) = live.write(now, book, &mut changed)? {
                return Ok(Err(why));
            }
        }
        if what == Accept::State {
            self.parts.store.accept();
        }
        let source = match what {
            Accept::Server => Some(Source::Plex),
            Accept::Stripe => Some(Source::Stripe),
            Accept::Tautulli => Some(Source::Tautulli),
            Accept::Clock | Accept::State => None,
        };
        if let Some(source) = source {
            self.wanted.insert(source, now);
        }
        (self.world, *book) = (world, changed);
        Ok(Ok(told(done, "", false)))
    }
}

impl LiveBook {
    /// Writes it, and has the rehearsal go on from there.
    fn write(&mut self, now: Moment, mut book: Book, rehearsal: &mut Book) -> Result<Result<(), String>, StoreError> {
        if !book.differs_from(&self.book) && book.committed == self.book.committed {
            return Ok(Ok(()));
        }
        let audit = audit_lines(&self.book, &book);
        book.committed = now;
        match self.store.commit(&book, now, &audit) {
            Ok(generation) => {
                rehearsal.rehearses = Some(generation);
                self.book = book;
                Ok(Ok(()))
            }
            Err(error @ StoreError::NotWritten { .. }) => Ok(Err(format!("{error}. Nothing was changed"))),
            Err(error) => Err(error),
        }
    }
}

fn give_verdict(now: Moment, book: &mut Book, ids: &[String], approve: bool, dry_run: bool) -> Answer {
    let mut changed = book.clone();
    let done = decide::give_verdict(now, &mut changed, ids, approve)?;
    if !dry_run {
        *book = changed;
    }
    Ok(told(done, "nothing waits for approval", dry_run))
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

/// Ends an identity, clock, continuity or old-state hold.
fn accept_in(now: Moment, world: &mut World, book: &mut Book, what: Accept) -> Vec<String> {
    let mut done = Vec::new();
    match what {
        Accept::Server => {
            take_drops(world, book, Source::Plex, &mut done);
            let friends =
                world.plex.value().filter(|friends| book.identities.plex_server.as_ref() != Some(&friends.server));
            if let Some(friends) = friends {
                done.push(format!("server {:?} is ours now", friends.server_name));
                comings::move_house(now, book, friends);
            }
        }
        Accept::Stripe => {
            take_drops(world, book, Source::Stripe, &mut done);
            if let Some(billing) = world.stripe.value() {
                let mode = Some(billing.key_livemode);
                if book.identities.stripe_livemode != mode || book.identities.stripe_account != billing.account {
                    done.push("the key's Stripe account and mode are ours now".to_owned());
                    book.identities.stripe_livemode = mode;
                    book.identities.stripe_account = billing.account.clone();
                }
            }
        }
        Accept::Tautulli => {
            take_drops(world, book, Source::Tautulli, &mut done);
            let ours = &book.identities.plex_server;
            let activity = world.tautulli.value().filter(|activity| ours.as_ref() != Some(&activity.server));
            if let Some(activity) = activity {
                done.push("the server that Tautulli watches is accepted".to_owned());
                book.identities.tautulli_server = Some(activity.server.clone());
            }
        }
        Accept::Clock => {
            if book.committed > now {
                book.committed = now;
                done.push("the book's time is set back to the clock's".to_owned());
            }
        }
        Accept::State => {
            if world.only_look.take().is_some() {
                book.next_letter += 1; // So that the acceptance itself is committed.
                done.push("the book is accepted as it stands".to_owned());
            }
        }
    }
    done
}

fn take_drops(world: &mut World, book: &mut Book, source: Source, done: &mut Vec<String>) {
    for population in [Population::Friends, Population::Subscriptions, Population::Watchers, Population::History] {
        if population.source() == source && world.drops.remove(&population).is_some() {
            book.marks.populations.remove(&population);
            world.accepted_drops.insert(population);
            done.push(format!("the smaller number of {} is accepted", population.words()));
        }
    }
}
