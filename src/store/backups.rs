//! `backups/`: copies of whole books. A new one is read back and checked
//! before any older one goes (G27), and none is made or lost while the book
//! itself is in doubt.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{Duration, NaiveDateTime};
use serde::de::DeserializeOwned;

use super::{
    Generation, disk,
    document::{self, Found},
};
use crate::{facts::Moment, limits};

const FOLDER: &str = "backups";
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The backups of one book (live or dry run), told apart by their names:
/// `state-0000000042-20261121T101500Z.json`.
#[derive(Debug)]
pub(super) struct Backups {
    dir: PathBuf,
    stem: String,
    /// When the newest was made; `None` before the first.
    newest_at: Option<Moment>,
}

/// One backup, as its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Backup {
    pub generation: Generation,
    pub at: Moment,
    pub name: String,
}

impl Backups {
    pub(super) fn new(dir: &Path, stem: &str) -> Self {
        let mut backups = Self { dir: dir.join(FOLDER), stem: stem.to_owned(), newest_at: None };
        // A folder that can't be listed now is told at the next backup.
        backups.newest_at = backups.oldest_first().ok().and_then(|all| Some(all.last()?.at));
        backups
    }

    pub(super) fn path(&self, backup: &Backup) -> PathBuf {
        self.dir.join(&backup.name)
    }

    /// By generation.
    pub(super) fn oldest_first(&self) -> io::Result<Vec<Backup>> {
        let mut all: Vec<_> = disk::names_in(&self.dir)?.into_iter().filter_map(|name| self.parse(name)).collect();
        all.sort();
        Ok(all)
    }

    /// Keeps a copy of this document when the last one is old enough, checks
    /// it, and only then lets the surplus go.
    pub(super) fn keep<B: DeserializeOwned>(
        &mut self,
        now: Moment,
        generation: Generation,
        bytes: &[u8],
    ) -> io::Result<()> {
        if !self.is_due(now) {
            return Ok(());
        }
        disk::make_folder(&self.dir)?;
        let name = format!("{}-{generation:010}-{}.json", self.stem, now.format(TIME_FORMAT));
        let path = self.dir.join(&name);
        let temp = disk::temp_name(&path);
        // A copy, not a link: an editor that writes in place would reach it.
        disk::write_new(&temp, bytes)?.sync_all()?;
        fs::rename(&temp, &path)?;
        disk::sync_folder(&self.dir)?;
        if !matches!(document::decode::<B>(&fs::read(&path)?), Found::Whole { .. }) {
            disk::remove_if_there(&path)?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy couldn't be read back"));
        }
        self.newest_at = Some(now);
        self.let_surplus_go()
    }

    /// A clock that went back makes one backup, not none for a year.
    fn is_due(&self, now: Moment) -> bool {
        let spacing = Duration::from_std(limits::BACKUP_SPACING).unwrap_or(Duration::zero());
        self.newest_at.is_none_or(|newest| now < newest || now - newest >= spacing)
    }

    fn let_surplus_go(&self) -> io::Result<()> {
        let all = self.oldest_first()?;
        for backup in surplus(&all) {
            disk::remove_if_there(&self.path(backup))?;
        }
        Ok(())
    }

    fn parse(&self, name: String) -> Option<Backup> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?.strip_suffix(".json")?;
        let (generation, at) = rest.split_once('-')?;
        let generation = generation.parse().ok()?;
        let at = NaiveDateTime::parse_from_str(at, TIME_FORMAT).ok()?.and_utc();
        Some(Backup { generation, at, name })
    }
}

/// Those that are neither among the recent ones nor the last of a recent day.
fn surplus(oldest_first: &[Backup]) -> Vec<&Backup> {
    let mut days = BTreeSet::new();
    let mut surplus = Vec::new();
    for (age, backup) in oldest_first.iter().rev().enumerate() {
        let last_of_its_day = days.len() < limits::BACKUPS_DAILY && days.insert(backup.at.date_naive());
        if age >= limits::BACKUPS_RECENT && !last_of_its_day {
            surplus.push(backup);
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_recent_and_the_last_of_fourteen_days_stay() {
        // Every six hours for 40 days.
        let all: Vec<_> = (0..160)
            .map(|n| {
                let at = Moment::from_timestamp(1_800_000_000 + n * 6 * 3600, 0).unwrap();
                Backup { generation: n.unsigned_abs(), at, name: format!("{n:03}") }
            })
            .collect();
        let gone: BTreeSet<_> = surplus(&all).into_iter().cloned().collect();
        let kept: Vec<_> = all.iter().filter(|backup| !gone.contains(backup)).collect();
        assert!(kept.ends_with(&all.iter().rev().take(10).rev().collect::<Vec<_>>()));
        let days: BTreeSet<_> = kept.iter().map(|backup| backup.at.date_naive()).collect();
        assert_eq!(days.len(), 14);
        assert!(kept.len() <= 24, "{}", kept.len());
        for day in days {
            let last = all.iter().rfind(|backup| backup.at.date_naive() == day).unwrap();
            assert!(kept.contains(&last));
        }
    }
}
