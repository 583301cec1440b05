//! The only owner of the book, and the only place where somebody can gain or
//! lose access.
//!
//! A pass = drain the mailbox, fold what came, decide, apply the brake,
//! commit, publish. Promises: it never waits for the network, only for its
//! mailbox and the disk; what it hands out (a call, a letter) was committed
//! before. Never: two acts at once. Known races: a reading that was begun
//! before our own last act had settled would show our own change as somebody
//! else's, so it is dropped and another is asked for.

pub mod act;
mod asks;
mod clock;
mod couriers;
pub mod desk;
mod fold;
pub mod mailbox;
mod orders;
mod outcomes;
pub mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::facts::{Friends, Moment, Source, Whole};
use crate::ledger::{ActKey, Book, Channel, Dispatch, Letter, Owed};
use crate::limits;
use crate::policy::decide::{self, Waiting};
use crate::policy::{Rules, Scene, World, brake, confirm, digest, entitlements, follow, starting};
use crate::store::{AuditLine, Store, StoreError};
use act::Job;
pub use asks::LiveBook;
use mailbox::{Drained, Mailbox};
use snapshot::{Needs, Published};

/// Watermarks are written by themselves at most this often.
const MARKS_WRITTEN_EVERY: TimeDelta = TimeDelta::hours(1);

/// A clock that is a day ahead would write a book from the future, after which
/// the right time looks like a clock that went back: nothing is committed until
/// somebody's `Date` was seen. When nobody answers for so long, the operator
/// must hear of that.
const UNCOMPARED_FOR: TimeDelta = TimeDelta::minutes(10);

/// A book that could not be written is tried again after this at the latest.
const WRITTEN_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// The condition that the book can't be written.
const DISK: &str = "disk";

/// More journal lines than this in one pass are logged as one line.
const LOGGED_SINGLY_MAX: usize = 50;

/// The way out to each channel that is configured.
pub type Couriers = BTreeMap<Channel, mpsc::Sender<Dispatch>>;

/// What the engine needs besides its mailbox.
pub struct Parts {
    /// Where the book lies.
    pub store: Store<Book>,
    /// The book as loaded.
    pub book: Book,
    /// In a dry run: the live book, which hears what the operator says.
    pub live: Option<LiveBook>,
    /// Live, and the last who ran on this book was a rehearsal.
    pub rehearsed: bool,
    /// The operator's thresholds.
    pub rules: Arc<Rules>,
    /// Why only looking is allowed, if it is.
    pub only_look: Option<String>,
    /// What such a book has forgotten, as far as the history tells.
    pub forgotten: Vec<String>,
    /// The time.
    pub clock: Clock,
    /// The domain of `From`, for Message-IDs.
    pub mail_domain: String,
    /// Where acts are done.
    pub acts: mpsc::Sender<Job>,
    /// Where letters go out.
    pub couriers: Couriers,
    /// What everybody may see.
    pub publish: watch::Sender<Arc<dyn desk::View>>,
    /// What the loops go by.
    pub needs: watch::Sender<Arc<Needs>>,
}

/// See the module.
pub struct Engine {
    parts: Parts,
    book: Arc<Book>,
    world: World,
    waiting: Vec<Waiting>,
    started: Moment,
    /// The one act under way.
    acting: Option<ActKey>,
    /// Channels whose courier has a letter of which the outcome isn't known yet.
    carrying: BTreeSet<Channel>,
    /// Channels that are down, and until when.
    paused: BTreeMap<Channel, Moment>,
    /// Failed tries of a channel that is down.
    down_tries: BTreeMap<Channel, u32>,
    /// Readings that are wanted before their interval, by source.
    wanted: BTreeMap<Source, Moment>,
    /// When an act or a hint last had a good answer of a service that its loop
    /// could not read.
    answered: BTreeMap<Source, Moment>,
    /// Sources that sent a whole reading, and their failures before it.
    recovered: BTreeMap<Source, u32>,
    /// A reading of plex.tv that was begun too soon after a call of ours.
    unsettled: Option<Whole<Friends>>,
    marks_written: Moment,
    /// What the book on the disk lacks, while it can't be written or the
    /// clocks disagree.
    unwritten: Unwritten,
    /// Messages to the operator that can't wait for the disk or the clock.
    aside: Book,
    clock: clock::Watch,
    /// Readings that came before any clock was compared with ours.
    early: fold::Sound,
    closing: bool,
}

/// What stands in memory only.
#[derive(Debug, Default)]
struct Unwritten {
    /// The book in memory is newer than the one on the disk.
    book: bool,
    /// Lines that belong to it.
    audit: Vec<AuditLine>,
    /// Why it could not be written.
    why: Option<String>,
}

impl Engine {
    /// Takes over the book. What was being sent when the process ended goes
    /// again, with the same Message-ID.
    #[must_use]
    pub fn new(mut parts: Parts) -> Self {
        let now = parts.clock.now();
        let mut book = parts.book.clone();
        let repeats = book.reopen_sendings(now);
        clock::forget_times_ahead(now, &mut book);
        if repeats > 0 {
            tracing::warn!(
                letters = repeats,
                "letters were being sent when Usher stopped; they go again with the same Message-ID"
            );
        }
        outcomes::begin_anew(now, &mut book);
        let (only_look, forgotten) = (parts.only_look.take(), std::mem::take(&mut parts.forgotten));
        let world = World { only_look, forgotten, ..World::default() };
        take_up_tiers_of_before(&mut parts, &mut book);
        if !parts.rules.ways.dry_run {
            starting::begin(now, &parts.rules, &mut book, parts.rehearsed);
        }
        // A process that lives for minutes only writes them all the same.
        let written = book.committed;
        if let Some(live) = &parts.live {
            asks::catch_up(&parts.rules, &world, &live.book, &mut book);
        }
        let changed = book.tiers != parts.book.tiers || book.starting != parts.book.starting;
        let unwritten = Unwritten { book: changed, ..Unwritten::default() };
        let book = Arc::new(book);
        Self {
            book,
            world,
            waiting: Vec::new(),
            started: now,
            acting: None,
            carrying: BTreeSet::new(),
            paused: BTreeMap::new(),
            down_tries: BTreeMap::new(),
            wanted: BTreeMap::new(),
            answered: BTreeMap::new(),
            recovered: BTreeMap::new(),
            unsettled: None,
            marks_written: written,
            unwritten,
            aside: Book::new(now),
            clock: clock::Watch::begun(written),
            early: fold::Sound::default(),
            closing: false,
            parts,
        }
    }

    /// Works until `shutdown`, then lets what is under way end for a moment.
    ///
    /// # Errors
    /// When the book can't be written any more: the process must end and
    /// start again from the disk.
    pub async fn run(mut self, mut mailbox: Mailbox, shutdown: impl Future<Output = ()>) -> Result<(), StoreError> {
        self.publish();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                drained = mailbox.drain() => self.pass(drained)?,
            }
        }
        self.closing = true;
        let rest = async {
            while self.acting.is_some() || !self.carrying.is_empty() {
                let drained = mailbox.drain().await;
                self.pass(drained)?;
            }
            Ok(())
        };
        // What is still under way stays `attempted` or `sending` in the book.
        tokio::time::timeout(limits::SHUTDOWN_GRACE, rest).await.unwrap_or(Ok(()))
    }

    fn scene<'a>(&'a self, now: Moment, book: &'a Book) -> Scene<'a> {
        Scene { now, rules: &self.parts.rules, book, world: &self.world }
    }

    fn pass(&mut self, drained: Drained) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let mut book = (*self.book).clone();
        self.note_time(now, &mut book);
        let mut orders = Vec::new();
        let sound = self.see(&drained.plex, &drained.stripe, &drained.tautulli);
        let mut answers = Vec::new();
        for (wish, reply) in drained.asks {
            answers.push((self.ask(now, &mut book, &wish)?, reply));
        }
        let compared = self.world.clock_was_compared() || now - self.started >= UNCOMPARED_FOR;
        let clock_fails = brake::clock_failure(self.scene(now, &book)).is_some();
        let clock_stands = compared && !clock_fails;
        self.early |= sound;
        if clock_stands {
            self.note_right_clock(now, &mut book);
            let sound = std::mem::take(&mut self.early);
            self.fold_readings(now, &mut book, sound);
        } else if clock_fails {
            let sound = std::mem::take(&mut self.early);
            self.set_aside(now, &mut book, sound);
            self.clock.goes_wrong(now);
        }
        for mail in drained.mail {
            orders.extend(self.take(now, &mut book, mail, clock_stands));
        }
        if clock_stands {
            self.decide_and_act(now, book, orders.pop())?;
        } else if !clock_fails {
            self.keep_in_memory(book);
        } else {
            self.only_tell_of_the_clock(now, book);
        }
        for (answer, reply) in answers {
            let answer = match &self.unwritten.why {
                Some(why) => {
                    Err(format!("{why}. What you asked is kept in memory only, until the book can be written"))
                }
                None => answer,
            };
            // Whoever asked may have gone away.
            let _ = reply.send(answer);
        }
        self.publish();
        Ok(())
    }

    fn decide_and_act(&mut self, now: Moment, mut book: Book, looked: Option<act::Looked>) -> Result<(), StoreError> {
        let rules = self.parts.rules.clone();
        self.waiting = decide::decide(now, &rules, &self.world, &mut book);
        self.owe_digest(now, &mut book);
        self.unwritten.audit.extend(audit_lines(&self.book, &book));
        // What is only decided is kept aside where something may be handed out:
        // it stays when the book can't be written.
        let decided = (looked.is_some() || book.has_letters_due(now)).then(|| book.clone());
        let admitted = looked.and_then(|looked| self.admit(now, &mut book, &looked));
        let job = match admitted {
            Some(job) => Some(job),
            None => self.next_look(now, &mut book),
        };
        let letters = self.hand_out(now, &mut book);
        let Some(unwritten) = self.commit(now, book)? else {
            if let Some(job) = job {
                self.start(job);
            }
            self.carry(letters);
            return Ok(());
        };
        // Nothing is handed out that was not written down: what was decided
        // stays in memory, and the next pass tries to write it again.
        if job.is_some() {
            self.acting = None;
        }
        let decided = decided.unwrap_or(unwritten);
        self.unwritten.book |= decided.differs_from(&self.book);
        self.book = Arc::new(decided);
        self.carry_aside(now);
        Ok(())
    }

    fn keep_in_memory(&mut self, book: Book) {
        self.unwritten.book |= book.differs_from(&self.book);
        self.unwritten.audit.extend(audit_lines(&self.book, &book));
        self.book = Arc::new(book);
    }

    /// A message to the operator that never stands in the book.
    fn tell_aside(&mut self, now: Moment, title: &str, detail: String, what_to_do: &str) {
        let letter = Letter::Attention { title: title.into(), detail, what_to_do: what_to_do.into() };
        let owed = Owed::to_operator(None, format!("aside-{}", now.timestamp()), letter);
        self.aside.owe(owed, self.parts.rules.ways, now);
    }

    /// Writes the book if anything changed; watermarks alone at most hourly.
    /// Given back when it could not be written: the one on the disk still
    /// stands, and nothing may be done that rests on the new one.
    fn commit(&mut self, now: Moment, mut book: Book) -> Result<Option<Book>, StoreError> {
        let changed = self.unwritten.book || book.differs_from(&self.book);
        let marks_due = book.marks != self.book.marks && now - self.marks_written >= MARKS_WRITTEN_EVERY;
        if changed || marks_due {
            // A time that nobody has confirmed dates no book: were it ahead, the
            // right time would look like a clock that went back.
            book.committed = book.committed.max(self.clock.right);
            match self.parts.store.commit(&book, now, &self.unwritten.audit) {
                Ok(_) => self.note_written(now),
                Err(error @ StoreError::NotWritten { .. }) => {
                    self.note_not_written(now, error.to_string());
                    book.committed = self.book.committed;
                    return Ok(Some(book));
                }
                Err(error) => return Err(error),
            }
        }
        self.book = Arc::new(book);
        Ok(None)
    }

    fn note_written(&mut self, now: Moment) {
        self.marks_written = now;
        let unwritten = std::mem::take(&mut self.unwritten);
        if unwritten.why.is_some() {
            tracing::info!("the book can be written again");
            self.aside.outbox.clear();
            self.aside.untell(DISK);
        }
        if let Some(trouble) = self.parts.store.trouble() {
            tracing::warn!("{trouble}");
        }
        log_changes(&unwritten.audit);
    }

    fn note_not_written(&mut self, now: Moment, why: String) {
        if self.unwritten.why.is_none() {
            tracing::error!("{why}; nothing is done until the book can be written");
        }
        if self.aside.tell(DISK, now) {
            let mend = "Make room on the disk of STATE_DIR. Usher keeps looking, and tries to write at each pass.";
            self.tell_aside(now, "The book can't be written: Usher only looks", why.clone(), mend);
        }
        self.unwritten.why = Some(why);
    }

    fn publish(&self) {
        let now = self.parts.clock.now();
        let published = Published {
            book: self.book.clone(),
            world: self.world.clone(),
            rules: self.parts.rules.clone(),
            waiting: self.waiting.clone(),
            generation: self.parts.store.generation(),
            started: self.started,
            paused: self.paused.clone(),
            unwritten: self.unwritten.why.clone(),
        };
        let needs = self.needs(now);
        self.parts.publish.send_replace(Arc::new(published));
        self.parts.needs.send_if_modified(|known| {
            let changed = **known != needs;
            if changed {
                *known = Arc::new(needs);
            }
            changed
        });
    }

    /// Readings that are wanted early; of plex.tv also those that may show what
    /// became of a call.
    fn wishes(&self, now: Moment) -> BTreeMap<Source, Moment> {
        let mut wishes = self.wanted.clone();
        wishes.extend(self.clock_wishes(now));
        if let Some(next) = confirm::next_listing(&self.world, &self.book) {
            let begun = self.world.plex.last.as_ref().map(|whole| whole.begun);
            let open = wishes.get(&Source::Plex).copied().filter(|wanted| Some(*wanted) > begun);
            wishes.insert(Source::Plex, open.map_or(next, |wanted| wanted.min(next)));
        }
        wishes
    }

    fn needs(&self, now: Moment) -> Needs {
        let scene = self.scene(now, &self.book);
        let deadline = decide::next_deadline(scene);
        let digest = digest::next(scene);
        let paused = self.paused.values().copied().filter(|until| *until > now).min();
        let compare = Some(self.started + UNCOMPARED_FOR).filter(|at| *at > now && !self.world.clock_was_compared());
        let write_again = self.unwritten.why.is_some().then(|| now + WRITTEN_AGAIN_AFTER);
        Needs {
            wanted: self.wishes(now),
            hurried: self.hurried(),
            answered: self.answered.clone(),
            deadline: [deadline, digest, paused, write_again, compare, self.clock.look_again(now)]
                .into_iter()
                .flatten()
                .min(),
            server: self.book.identities.plex_server.clone(),
            running: self.book.running_subscriptions(),
            cursor: self.book.cursor.clone(),
            entitled: entitlements::due(&self.parts.rules, &self.book),
        }
    }
}

/// The tiers at a start: the file's, or those of products as the book knows
/// them, until Stripe is read.
fn take_up_tiers_of_before(parts: &mut Parts, book: &mut Book) {
    if let Some(tiers) = parts.rules.tiers.products_of_before(&book.tiers) {
        parts.rules = Arc::new(Rules { tiers, ..(*parts.rules).clone() });
    }
    follow::take_up(book, &parts.rules.tiers);
}

/// One line per change of the world; many at once (adoption) are one line.
fn log_changes(audit: &[AuditLine]) {
    if audit.len() > LOGGED_SINGLY_MAX {
        tracing::info!(lines = audit.len(), "many changes at once; they stand one by one in the history file");
        return;
    }
    for line in audit {
        tracing::info!(member = line.member.as_deref().unwrap_or("-"), "{}", line.what);
    }
}

/// New journal lines since the last commit: the log and the history say the same.
fn audit_lines(before: &Book, after: &Book) -> Vec<AuditLine> {
    let mut lines = Vec::new();
    for member in after.members.values() {
        let known = before.members.get(&member.id).map_or(0, |member| member.journal.len());
        // A full journal drops its oldest line as it takes a new one.
        let new: Vec<_> = match before.members.get(&member.id) {
            Some(old) if old.journal == member.journal => continue,
            Some(old) => member.journal.iter().filter(|entry| !old.journal.contains(entry)).collect(),
            None => member.journal.iter().skip(known).collect(),
        };
        lines.extend(new.into_iter().map(|entry| AuditLine {
            at: entry.at,
            member: Some(member.id.to_string()),
            what: entry.what.clone(),
            fields: serde_json::Value::Null,
        }));
    }
    lines
}
