//! What can go wrong with the book, sorted by what has to be done about it.

use std::{io, path::PathBuf};

/// Why the store refuses or fails. Every sentence is meant for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another usher holds this folder.
    #[error(
        "another usher is already running on {dir} ({who}): stop that one first, or give this one its own STATE_DIR",
        dir = dir.display()
    )]
    Locked {
        /// The folder both want.
        dir: PathBuf,
        /// What the other one wrote into the lock file.
        who: String,
    },
    /// The folder can't be written, so nothing could be remembered.
    #[error(
        "STATE_DIR {dir} can't be written by user {uid}: {why}. Usher refuses to run without a memory; \
         give that user the folder (chown {uid} {dir}) or mount one it may write",
        dir = dir.display()
    )]
    NotWritable {
        /// The folder.
        dir: PathBuf,
        /// Who we are.
        uid: u32,
        /// What the system said.
        why: io::Error,
    },
    /// The file was written by a newer usher.
    #[error(
        "{file} was written by a newer usher (schema {found}, this one knows {known}): \
         run that newer version again, or go back as UPGRADE.md says (the book of before was kept beside it)",
        file = file.display()
    )]
    NewerSchema {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest that we read.
        known: u32,
    },
    /// The file is whole, its sum is right, and yet it makes no sense to us.
    #[error(
        "{file} is undamaged but this version doesn't understand it ({why}): run the version that wrote it, \
         or move the file away by hand and restore one from backups/",
        file = file.display()
    )]
    NotUnderstood {
        /// The file.
        file: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// There was a book here once, and none of its copies can be read.
    #[error(
        "there was a book in {dir} ({evidence}) but no copy of it can be read: {why}. Usher doesn't start empty \
         over an earlier life. Restore {file} or the backups folder from your own backup; only if you mean to \
         begin anew, move everything in the folder elsewhere",
        dir = dir.display()
    )]
    NothingReadable {
        /// The folder.
        dir: PathBuf,
        /// The name of the book that is missed.
        file: String,
        /// What shows that there was one.
        evidence: String,
        /// Why each copy was refused.
        why: String,
    },
    /// The system wouldn't let us read a file that exists. Not the same as a
    /// damaged one: falling back to an older copy now would lose the newer.
    #[error("can't read {file}: {why}. It is left alone; mend the rights or the disk and start again", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Not written, and the old book still stands: nothing may be done that
    /// rests on the new one. May be tried again.
    #[error("the book could not be written ({doing}): {why}. The previous one still stands")]
    NotWritten {
        /// Which step failed.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// A sync failed, so nobody knows what is on the disk. Exit and start
    /// again from what the disk says.
    #[error("the disk refused to confirm a write ({doing}): {why}. Exiting, to start again from what is really there")]
    Fatal {
        /// Which step failed.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// The store has failed for good before this call; it writes no more.
    #[error("the store stopped after an earlier failure; start again")]
    Stopped,
    /// A test's hook played the machine dying here.
    #[error("the machine died here (a test's doing)")]
    Dropped,
    /// The book can't be put into JSON: a fault of ours.
    #[error("the book can't be written as JSON: {why}")]
    NotJson {
        /// What the serializer said.
        why: String,
    },
    /// The machine gave no randomness.
    #[error("the system gave no random bytes: {why}")]
    NoRandomness {
        /// What it said.
        why: String,
    },
}

impl StoreError {
    /// Whether the process must end: nothing written after this counts.
    #[must_use]
    pub fn ends_the_process(&self) -> bool {
        matches!(self, Self::Fatal { .. } | Self::Stopped | Self::Dropped)
    }
}
