//! `history.jsonl`: what happened, one line each, for people. Written after
//! the commit it tells of, so a missing tail is normal and it is never the
//! authority. It does show when a book is older than it should be.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Generation, StoreError, disk};
use crate::{facts::Moment, limits};

/// A change, as the engine tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// When it was decided or seen.
    pub at: Moment,
    /// Whom it is about; `None` for the house itself.
    pub member: Option<String>,
    /// What happened, in a word or a short sentence.
    pub what: String,
    /// The details; `Null` for none. No secrets.
    pub fields: Value,
}

/// A change, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// When it was decided or seen.
    pub at: Moment,
    /// The commit that it belongs to.
    pub generation: Generation,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What happened.
    pub what: String,
    /// The details.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub fields: Value,
}

/// The files of one history: the present one and those set aside, `.1` the
/// youngest of them.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    bytes_max: u64,
}

impl History {
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(name), bytes_max: limits::HISTORY_BYTES_MAX }
    }

    #[cfg(test)]
    pub(super) fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Adds the lines of one commit.
    pub(super) fn append(&self, generation: Generation, lines: &[AuditLine]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            let AuditLine { at, member, what, fields } = line.clone();
            serde_json::to_writer(&mut bytes, &HistoryLine { at, generation, member, what, fields })?;
            bytes.push(b'\n');
        }
        self.rotate_when_full()?;
        let mut file = disk::open_append(&self.path)?;
        if !ends_with_newline(&mut file)? {
            bytes.insert(0, b'\n');
        }
        file.write_all(&bytes)
    }

    /// The youngest commit that the history tells of.
    pub(super) fn last_generation(&self) -> Result<Option<Generation>, StoreError> {
        for path in self.youngest_first() {
            let last = lines_of(&path)?.iter().map(|line| line.generation).max();
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    /// The last `max` lines that are wanted, in the order in which they happened.
    pub(super) fn select(
        &self,
        max: usize,
        wanted: impl Fn(&HistoryLine) -> bool,
    ) -> Result<Vec<HistoryLine>, StoreError> {
        let mut found = Vec::new();
        for path in self.youngest_first() {
            let missing = max.saturating_sub(found.len());
            if missing == 0 {
                break;
            }
            found.extend(lines_of(&path)?.into_iter().rev().filter(&wanted).take(missing));
        }
        found.reverse();
        Ok(found)
    }

    pub(super) fn exists(&self) -> bool {
        self.youngest_first().iter().any(|path| path.exists())
    }

    fn aside(&self, number: usize) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!("{name}.{number}"))
    }

    fn youngest_first(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.path.clone()];
        paths.extend((1..=limits::HISTORY_FILES_KEPT).map(|number| self.aside(number)));
        paths
    }

    fn rotate_when_full(&self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(there) if there.len() >= self.bytes_max => {}
            _ => return Ok(()),
        }
        for number in (1..limits::HISTORY_FILES_KEPT).rev() {
            rename_if_there(&self.aside(number), &self.aside(number + 1))?;
        }
        fs::rename(&self.path, self.aside(1))
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// Lines that can be read; a torn one (the machine died there) is skipped.
fn lines_of(path: &Path) -> Result<Vec<HistoryLine>, StoreError> {
    let bytes = disk::read_if_there(path)?.unwrap_or_default();
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Whether the next line may start right away.
fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0_u8];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
