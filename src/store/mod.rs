//! The book on the disk, and the small files beside it.
//!
//! **Promises.** After a commit has answered `Ok`, the book is on the disk.
//! Killed between any two steps, a reload gives the old book or the new one,
//! whole. A torn, edited or old file never passes for the present one. One
//! usher per folder. Everything is 0600.
//!
//! **Never.** Starts empty over traces of an earlier life; falls back to a
//! copy because a file couldn't be *read* (rights, a disk error); overwrites
//! the evidence of damage; treats the history as the authority; writes on
//! behalf of a reading command.
//!
//! **Known races.** A reading command may see the book of a moment ago. A
//! commit may be on the disk although its caller was told `Fatal`: hence the
//! process ends and starts again from what is really there. The history may
//! lack the lines of the last commit.
//!
//! A book that an older version wrote is read; the first commit over it keeps it
//! beside the new one, as `state.schema-1.json` for schema 1 (`UPGRADE.md`).
//!
//! The file system is asked in this order; [`Step`] names the points between:
//! temp file written, synced, previous one linked to `.prev`, renamed over the
//! present one, folder synced, history appended, now and then a backup.

mod backups;
mod disk;
mod document;
mod error;
mod history;
mod inspection;
mod load;
mod lock;
mod mount;
mod older;
mod small;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};

pub use error::StoreError;
pub use history::{AuditLine, HistoryLine};
pub use inspection::{Inspection, inspect};
pub use load::{Loaded, Trust};
pub use mount::is_mount;
pub use small::{
    Listening, Tokens, client_id, client_id_for_a_look, existing_tokens, portal_key, read_listening, remove_listening,
    tokens, write_listening,
};

use crate::facts::Moment;
use backups::Backups;
use history::History;
use lock::Lock;

/// The number of a commit, from 1; it only grows.
pub type Generation = u64;

/// Which of the two books of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `state.json`: what was really done.
    Live,
    /// `dry-run.json`: what would have been done.
    DryRun,
}

/// The points of a commit at which a machine can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing was written yet.
    BeforeTemp,
    /// The new book is in its temp file.
    TempWritten,
    /// And on the disk.
    TempSynced,
    /// The present book is also called `.prev`.
    PrevLinked,
    /// The new book is the present one.
    Renamed,
    /// And stays so.
    FolderSynced,
    /// The history tells of it.
    HistoryAppended,
}

impl Step {
    /// In the order in which they are passed.
    pub const ALL: [Self; 7] = [
        Self::BeforeTemp,
        Self::TempWritten,
        Self::TempSynced,
        Self::PrevLinked,
        Self::Renamed,
        Self::FolderSynced,
        Self::HistoryAppended,
    ];
}

/// What a test makes happen at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepFault {
    /// The machine dies here.
    Die,
    /// The work that leads to this step finds the disk full.
    DiskFull,
    /// The sync that leads to this step fails.
    FsyncFails,
}

/// Called at each step of each commit; `None` outside tests.
pub type Hook = Option<Arc<dyn Fn(Step) -> Result<(), StepFault> + Send + Sync>>;

/// The one writer of a book. `B` is the book's own type.
pub struct Store<B> {
    files: Files,
    hook: Hook,
    lock: Arc<Lock>,
    generation: Generation,
    /// The next commit is above both this and `generation`.
    history_generation: Generation,
    trust: Trust,
    /// The present file is damaged or missing: it is kept aside, not as `.prev`.
    present_is_damaged: bool,
    /// The present file is of this older schema: it is kept before it is replaced.
    present_is_older: Option<u32>,
    stopped: bool,
    history: History,
    backups: Backups,
    trouble: Option<String>,
    book: PhantomData<fn(&B)>,
}

impl<B: Serialize + DeserializeOwned> Store<B> {
    /// Takes the folder (made when it isn't there) and reads the book.
    ///
    /// # Errors
    /// When another usher has it, it can't be written, or the book can't be
    /// read although there was one; each says what to do.
    pub fn open(dir: &Path, which: Which, hook: Hook, now: Moment) -> Result<(Self, Loaded<B>), StoreError> {
        disk::require_writable(dir)?;
        let lock = Arc::new(Lock::take(dir, now)?);
        Self::open_locked(Files::new(dir, which), hook, lock)
    }

    /// The folder's other book, under the same lock (what the operator says is
    /// written to both).
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_beside(&self, which: Which) -> Result<(Self, Loaded<B>), StoreError> {
        Self::open_locked(Files::new(&self.files.dir, which), self.hook.clone(), Arc::clone(&self.lock))
    }

    /// The book for a reading command while no daemon runs: takes no lock and
    /// never writes (G28).
    ///
    /// # Errors
    /// When there was a book and it can't be read.
    pub fn read_only(dir: &Path, which: Which) -> Result<Loaded<B>, StoreError> {
        load::load(&Files::new(dir, which))
    }

    /// Everything that the histories of this book tell, the oldest first: of a
    /// book that is lost it may be all there is.
    ///
    /// # Errors
    /// When they are there and can't be read.
    pub fn told(dir: &Path, which: Which) -> Result<Vec<HistoryLine>, StoreError> {
        Files::new(dir, which).history().select(usize::MAX, |_| true)
    }

    fn open_locked(files: Files, hook: Hook, lock: Arc<Lock>) -> Result<(Self, Loaded<B>), StoreError> {
        let loaded = load::load::<B>(&files)?;
        // A commit whose last sync was never confirmed may be what was read.
        disk::sync_folder(&files.dir).map_err(|why| StoreError::Fatal { doing: "syncing the folder", why })?;
        let present = disk::read_if_there(&files.book())?;
        let present_is_older = present.as_deref().and_then(document::older_schema);
        let present_is_damaged = matches!(loaded.trust, Trust::FromPrev { .. } | Trust::FromBackup { .. })
            && !matches!(present.map(|bytes| document::decode::<B>(&bytes)), Some(document::Found::Whole { .. }));
        let history = files.history();
        let store = Self {
            history_generation: history.last_generation()?.unwrap_or(0),
            backups: files.backups(),
            history,
            files,
            hook,
            lock,
            generation: loaded.generation,
            trust: loaded.trust.clone(),
            present_is_damaged,
            present_is_older,
            stopped: false,
            trouble: None,
            book: PhantomData,
        };
        Ok((store, loaded))
    }

    /// Puts the book on the disk, then adds `audit` to the history.
    ///
    /// # Errors
    /// [`StoreError::NotWritten`]: the old book still stands. When
    /// [`StoreError::ends_the_process`] holds, exit. Trouble with the history
    /// or a backup is no error; see [`Store::trouble`].
    pub fn commit(&mut self, book: &B, now: Moment, audit: &[AuditLine]) -> Result<Generation, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let generation = self.generation.max(self.history_generation) + 1;
        let bytes = document::encode(book, generation, &self.trust)?;
        let put = self.put(&bytes);
        self.stopped = matches!(&put, Err(error) if error.ends_the_process());
        put?;
        self.generation = generation;
        self.present_is_damaged = false;
        self.present_is_older = None;
        self.trouble = None;
        let told = self.history.append(generation, audit);
        let told = told.and_then(|()| self.pass_harmlessly(Step::HistoryAppended));
        self.note_trouble("history.jsonl could not be written", told);
        if self.stopped {
            return Err(StoreError::Dropped);
        }
        if self.trust.is_sound() {
            let kept = self.backups.keep::<B>(now, generation, &bytes);
            self.note_trouble("no backup could be made", kept);
        }
        Ok(generation)
    }

    /// The operator takes the book as it is (`usher accept state`). Counts from
    /// the next commit on.
    pub fn accept(&mut self) {
        self.trust = Trust::Sound;
    }

    /// Whether the book may be acted on.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The last commit.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What the last commit could not do beside the book itself (history,
    /// backup); a sentence for the operator. Never stops anything.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The steps up to where the book is safe. On a plain error the present
    /// book is untouched and the temp file gone.
    fn put(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let (present, temp) = (self.files.book(), disk::temp_name(&self.files.book()));
        let prepared = self.prepare(&temp, bytes);
        if matches!(prepared, Err(StoreError::NotWritten { .. })) {
            // What stays is overwritten by the next try.
            let _ = disk::remove_if_there(&temp);
        }
        prepared?;
        fs::rename(&temp, &present).map_err(|why| StoreError::NotWritten { doing: "renaming", why })?;
        // From here on the new book may be the present one: no way back.
        let certain = self.pass(Step::Renamed, "renaming");
        certain.map_err(no_way_back)?;
        disk::sync_folder(&self.files.dir).map_err(|why| StoreError::Fatal { doing: "syncing the folder", why })?;
        self.pass(Step::FolderSynced, "syncing the folder").map_err(no_way_back)
    }

    /// Everything before the rename that makes the new book the present one.
    fn prepare(&self, temp: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let not_written = |doing| move |why| StoreError::NotWritten { doing, why };
        self.pass(Step::BeforeTemp, "starting")?;
        let file = disk::write_new(temp, bytes).map_err(not_written("writing"))?;
        self.pass(Step::TempWritten, "writing")?;
        file.sync_all().map_err(|why| StoreError::Fatal { doing: "syncing the book", why })?;
        self.pass(Step::TempSynced, "syncing the book")?;
        let (present, prev) = (self.files.book(), self.files.prev());
        if present.exists() {
            if let Some(schema) = self.present_is_older {
                self.keep_older(schema).map_err(not_written("keeping the book of the older version"))?;
            }
            let kept = if self.present_is_damaged {
                // `.prev` is the good one then; the damaged one is evidence.
                fs::rename(&present, self.files.damaged(self.generation))
            } else {
                disk::link_or_copy(&present, &prev)
            };
            kept.map_err(not_written("keeping the previous book"))?;
        }
        self.pass(Step::PrevLinked, "keeping the previous book")
    }

    /// Keeps the book that an older version wrote under a name of its own. One
    /// that is kept already stays when it is younger.
    fn keep_older(&self, schema: u32) -> io::Result<()> {
        let (present, kept) = (self.files.book(), self.files.of_schema(schema));
        let generation = |file: &Path| match document::decode::<serde::de::IgnoredAny>(&fs::read(file).ok()?) {
            document::Found::Whole { generation, .. } => Some(generation),
            _ => None,
        };
        let younger_is_kept = generation(&kept).is_some_and(|kept| generation(&present).is_none_or(|new| new < kept));
        if younger_is_kept { Ok(()) } else { disk::link_or_copy(&present, &kept) }
    }

    /// Lets a test's hook interfere.
    fn pass(&self, step: Step, doing: &'static str) -> Result<(), StoreError> {
        let Some(Err(fault)) = self.hook.as_ref().map(|hook| hook(step)) else {
            return Ok(());
        };
        Err(match fault {
            StepFault::Die => StoreError::Dropped,
            StepFault::DiskFull => StoreError::NotWritten { doing, why: io::ErrorKind::StorageFull.into() },
            StepFault::FsyncFails => StoreError::Fatal { doing, why: io::Error::other("a test's doing") },
        })
    }

    /// As `pass`, where only the machine's death ends anything.
    fn pass_harmlessly(&mut self, step: Step) -> io::Result<()> {
        match self.pass(step, "history") {
            Ok(()) => Ok(()),
            Err(StoreError::NotWritten { why, .. } | StoreError::Fatal { why, .. }) => Err(why),
            Err(_) => {
                self.stopped = true;
                Ok(())
            }
        }
    }

    fn note_trouble(&mut self, what: &str, done: io::Result<()>) {
        if let Err(why) = done {
            self.trouble = Some(format!("{what}: {why}"));
        }
    }
}

/// After the rename a failure leaves it unknown which book a restart finds.
fn no_way_back(error: StoreError) -> StoreError {
    match error {
        StoreError::NotWritten { doing, why } => StoreError::Fatal { doing, why },
        other => other,
    }
}

/// The last `max` lines of the history that are about `member` (or all), for
/// commands; in the order in which they happened.
///
/// # Errors
/// When a file exists and can't be read.
pub fn read_history(
    dir: &Path,
    which: Which,
    member: Option<&str>,
    max: usize,
) -> Result<Vec<HistoryLine>, StoreError> {
    let of_interest = |line: &HistoryLine| member.is_none() || line.member.as_deref() == member;
    Files::new(dir, which).history().select(max, of_interest)
}

/// The names of a book's files.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    which: Which,
}

impl Files {
    fn new(dir: &Path, which: Which) -> Self {
        Self { dir: dir.to_owned(), which }
    }

    fn stem(&self) -> &'static str {
        match self.which {
            Which::Live => "state",
            Which::DryRun => "dry-run",
        }
    }

    fn book_name(&self) -> String {
        format!("{}.json", self.stem())
    }

    fn history_name(&self) -> String {
        match self.which {
            Which::Live => "history.jsonl".into(),
            Which::DryRun => "dry-run-history.jsonl".into(),
        }
    }

    fn book(&self) -> PathBuf {
        self.dir.join(self.book_name())
    }

    fn prev(&self) -> PathBuf {
        self.dir.join(format!("{}.prev", self.book_name()))
    }

    /// Where a book of an older schema is kept.
    fn of_schema(&self, schema: u32) -> PathBuf {
        self.dir.join(format!("{}.schema-{schema}.json", self.stem()))
    }

    /// Where a damaged book is put aside.
    fn damaged(&self, before: Generation) -> PathBuf {
        self.dir.join(format!("{}.damaged-after-{before}", self.book_name()))
    }

    fn history(&self) -> History {
        History::new(&self.dir, &self.history_name())
    }

    fn backups(&self) -> Backups {
        Backups::new(&self.dir, self.stem())
    }
}
