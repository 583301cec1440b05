//! A trap in the store: lies in wait at a step of a commit, and springs once,
//! or at every commit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use usher::ledger::Book;
use usher::store::{Hook, Step, StepFault, Store, Which};

/// Whether a book looks like that.
pub type Looks = Arc<dyn Fn(&Book) -> bool + Send + Sync>;

/// When it springs.
pub enum Spring {
    /// Not at all.
    Never,
    /// At this step of the nth commit since it was set; the machine dies.
    Nth(Step, u32),
    /// At this step, once the book on the disk looks like that; it dies.
    Once(Step, Looks),
    /// At this step of every commit.
    Always(Step, StepFault),
}

struct Inner {
    spring: Spring,
    commits: u32,
    sprung: u32,
    folder: PathBuf,
}

/// See the module. Clones are the same.
#[derive(Clone)]
pub struct Trap(Arc<Mutex<Inner>>);

impl Trap {
    /// For the store in this folder; it never springs until it is set.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let inner = Inner { spring: Spring::Never, commits: 0, sprung: 0, folder: folder.to_owned() };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says when it springs from now on.
    pub fn set(&self, spring: Spring) {
        let mut inner = self.inner();
        (inner.spring, inner.commits, inner.sprung) = (spring, 0, 0);
    }

    /// How often it sprang since it was set.
    #[must_use]
    pub fn sprung(&self) -> u32 {
        self.inner().sprung
    }

    /// Commits begun since it was set.
    #[must_use]
    pub fn commits(&self) -> u32 {
        self.inner().commits
    }

    /// What the store calls at each step.
    #[must_use]
    pub fn hook(&self) -> Hook {
        let trap = self.clone();
        Some(Arc::new(move |step| trap.inner().passes(step)))
    }
}

impl Inner {
    fn passes(&mut self, step: Step) -> Result<(), StepFault> {
        self.commits += u32::from(step == Step::BeforeTemp);
        let fault = match &self.spring {
            Spring::Nth(at, nth) if *at == step && self.commits == *nth => StepFault::Die,
            Spring::Once(at, looks) if *at == step && book(&self.folder).is_some_and(|book| looks(&book)) => {
                StepFault::Die
            }
            Spring::Always(at, fault) if *at == step => *fault,
            _ => return Ok(()),
        };
        self.sprung += 1;
        if fault == StepFault::Die {
            self.spring = Spring::Never;
        }
        Err(fault)
    }
}

/// The book as it lies on the disk.
#[must_use]
pub fn book(folder: &Path) -> Option<Book> {
    Store::<Book>::read_only(folder, Which::Live).ok()?.book
}
