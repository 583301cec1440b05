//! Reading the book back: the present one if it can be trusted, else the
//! youngest copy that can be read, and a sentence for the operator. Never a
//! new one over traces of an old one (G26).

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Files, Generation, StoreError,
    document::{self, Found, SCHEMA},
    history::HistoryLine,
};
use crate::limits;

/// What was found on the disk.
#[derive(Debug)]
pub struct Loaded<B> {
    /// The book, or `None` in a folder without any trace of one.
    pub book: Option<B>,
    /// Its commit; 0 without a book.
    pub generation: Generation,
    /// Whether the daemon may act on it.
    pub trust: Trust,
    /// What happened after this book was written, as far as the history tells
    /// (the last `limits::FORGOTTEN_LINES_MAX`); empty for a sound book.
    pub forgotten: Vec<HistoryLine>,
}

/// Whether the book is the one we last wrote. Anything but `Sound` means: only
/// look, until `usher accept state`. It is kept in the document, so that a
/// restart doesn't make it sound.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// As we left it.
    #[default]
    Sound,
    /// The previous commit, since the last one couldn't be read.
    FromPrev {
        /// What was wrong with the last one.
        why: String,
    },
    /// A backup, since neither of the last two could be read.
    FromBackup {
        /// The file in `backups/`.
        name: String,
        /// What was wrong with the others.
        why: String,
    },
    /// Whole, but the history tells of later commits: somebody put an old copy
    /// back.
    Older {
        /// The last commit that the history knows.
        history_generation: Generation,
    },
}

impl Trust {
    /// Whether the daemon may act.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::Sound)
    }
}

/// For the operator.
impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const THEN: &str = "Usher only looks until `usher accept state`.";
        match self {
            Self::Sound => f.write_str("the book is sound"),
            Self::FromPrev { why } => {
                write!(f, "the last book couldn't be read ({why}); the one before it is used. {THEN}")
            }
            Self::FromBackup { name, why } => {
                write!(f, "the book couldn't be read ({why}); the backup {name} is used. {THEN}")
            }
            Self::Older { history_generation } => write!(
                f,
                "the book is older than the history, which tells of commit {history_generation}: an old copy was put \
                 back, and what happened since is forgotten. {THEN}"
            ),
        }
    }
}

/// A copy that could be read.
struct Copy<B> {
    book: B,
    generation: Generation,
    trust: Trust,
}

pub(super) fn load<B: DeserializeOwned>(files: &Files) -> Result<Loaded<B>, StoreError> {
    let why_not = match read::<B>(files.book())? {
        Some(Ok(copy)) => return judge(files, copy),
        Some(Err(why)) => Some(why),
        None => None,
    };
    let missing = || format!("{} is missing", files.book_name());
    match older_copies(files)? {
        Ok(mut copy) => {
            let why = why_not.unwrap_or_else(missing);
            copy.trust = match copy.trust {
                Trust::FromBackup { name, .. } => Trust::FromBackup { name, why },
                _ => Trust::FromPrev { why },
            };
            judge(files, copy)
        }
        Err(reasons) => match evidence(files)? {
            None => Ok(Loaded { book: None, generation: 0, trust: Trust::Sound, forgotten: Vec::new() }),
            Some(evidence) => {
                let mut why = vec![why_not.unwrap_or_else(missing)];
                why.extend(reasons);
                Err(StoreError::NothingReadable {
                    dir: files.dir.clone(),
                    file: files.book_name(),
                    evidence,
                    why: why.join("; "),
                })
            }
        },
    }
}

/// The youngest of `.prev` and the backups, its trust saying which; or why
/// none of them will do.
fn older_copies<B: DeserializeOwned>(files: &Files) -> Result<Result<Copy<B>, Vec<String>>, StoreError> {
    let mut reasons = Vec::new();
    let mut best = None;
    match read::<B>(files.prev())? {
        Some(Ok(copy)) => best = Some(Copy { trust: Trust::FromPrev { why: String::new() }, ..copy }),
        Some(Err(why)) => reasons.push(why),
        None => {}
    }
    let backups = files.backups();
    let unlisted = |why| StoreError::Unreadable { file: files.dir.join("backups"), why };
    for backup in backups.oldest_first().map_err(unlisted)?.into_iter().rev() {
        if best.as_ref().is_some_and(|copy| copy.generation >= backup.generation) {
            break;
        }
        match read::<B>(backups.path(&backup))? {
            Some(Ok(copy)) => {
                best = Some(Copy { trust: Trust::FromBackup { name: backup.name, why: String::new() }, ..copy });
                break;
            }
            Some(Err(why)) => reasons.push(why),
            None => {}
        }
    }
    Ok(best.ok_or(reasons))
}

/// A whole copy, or why it is damaged; `None` when there is no such file.
/// Files that only another version understands end the start.
fn read<B: DeserializeOwned>(file: PathBuf) -> Result<Option<Result<Copy<B>, String>>, StoreError> {
    let Some(bytes) = super::disk::read_if_there(&file)? else {
        return Ok(None);
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match document::decode(&bytes) {
        Found::Whole { book, generation, trust } => Ok(Some(Ok(Copy { book, generation, trust }))),
        Found::Damaged { why } => Ok(Some(Err(format!("{name}: {why}")))),
        Found::Newer { schema } => Err(StoreError::NewerSchema { file, found: schema, known: SCHEMA }),
        Found::NotUnderstood { why } => Err(StoreError::NotUnderstood { file, why }),
    }
}

/// Compares a copy with the history.
fn judge<B>(files: &Files, copy: Copy<B>) -> Result<Loaded<B>, StoreError> {
    let Copy { book, generation, mut trust } = copy;
    let history = files.history();
    if let (Trust::Sound, Some(history_generation)) = (&trust, history.last_generation()?)
        && history_generation > generation
    {
        trust = Trust::Older { history_generation };
    }
    let forgotten = match trust {
        Trust::Sound => Vec::new(),
        _ => history.select(limits::FORGOTTEN_LINES_MAX, |line| line.generation > generation)?,
    };
    Ok(Loaded { book: Some(book), generation, trust, forgotten })
}

/// What shows that there was a book here once.
fn evidence(files: &Files) -> Result<Option<String>, StoreError> {
    let mut found = Vec::new();
    for path in [files.book(), files.prev()] {
        if path.exists() {
            found.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    for schema in (1..SCHEMA).map(|schema| files.of_schema(schema)).filter(|kept| kept.exists()) {
        found.push(schema.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    let unlisted = |why| StoreError::Unreadable { file: files.dir.join("backups"), why };
    let backups = files.backups().oldest_first().map_err(unlisted)?;
    if !backups.is_empty() {
        found.push(format!("{} backups", backups.len()));
    }
    if files.history().exists() {
        found.push(files.history_name());
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}
