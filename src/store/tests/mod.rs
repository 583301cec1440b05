//! The book survives: every step killed, every file torn. On the real file
//! system, a fresh folder for each test.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

mod beside;
mod commits;
mod damage;
mod older;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Book {
    members: Vec<String>,
    note: String,
}

fn book(n: u64) -> Book {
    Book { members: vec![format!("m-{n}")], note: "line one\nline \"two\" é".into() }
}

fn at(minutes: i64) -> Moment {
    Moment::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
}

fn line(what: &str) -> Vec<AuditLine> {
    vec![AuditLine { at: at(0), member: Some("m-1".into()), what: what.into(), fields: json!({"tier": "basic"}) }]
}

/// Removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("usher-store-{}-{n}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    fn open(&self) -> (Store<Book>, Loaded<Book>) {
        self.try_open().unwrap()
    }
    fn try_open(&self) -> Result<(Store<Book>, Loaded<Book>), StoreError> {
        Store::open(&self.0, Which::Live, None, at(0))
    }
    fn refused(&self) -> StoreError {
        self.try_open().err().expect("a refusal")
    }
    fn open_with(&self, at_step: Step, fault: StepFault) -> Store<Book> {
        let hook: Hook = Some(Arc::new(move |step| if step == at_step { Err(fault) } else { Ok(()) }));
        Store::open(&self.0, Which::Live, hook, at(0)).unwrap().0
    }
    /// Commits `book(1)` to `book(count)`, an hour apart, each with a line.
    fn lived(test: &str, count: u64) -> Self {
        let folder = Self::new(test);
        let (mut store, _) = folder.open();
        for n in 1..=count {
            let now = at(i64::try_from(n).unwrap() * 60);
            assert_eq!(store.commit(&book(n), now, &line(&format!("change {n}"))).unwrap(), n);
            assert_eq!(store.trouble(), None);
        }
        folder
    }
    fn tear(&self, name: &str) {
        let whole = fs::read(self.path(name)).unwrap();
        fs::write(self.path(name), &whole[..whole.len() / 2]).unwrap();
    }
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut dirs = vec![self.0.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    files.push((path.display().to_string(), fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
    fn backups(&self) -> Vec<String> {
        disk::names_in(&self.path("backups")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
