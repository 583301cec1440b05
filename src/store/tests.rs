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

use chrono::Duration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::limits;

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

// ---- Writing and reading ----

#[test]
fn a_fresh_folder_has_no_book_and_is_sound() {
    let folder = Folder::new("fresh");
    let (_, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.generation, loaded.trust), (None, 0, Trust::Sound));
}

#[test]
fn a_missing_folder_is_made() {
    let folder = Folder::new("made");
    Store::<Book>::open(&folder.path("a/b"), Which::Live, None, at(0)).unwrap();
    assert!(folder.path("a/b/usher.lock").exists());
}

#[test]
fn what_was_committed_is_read_back() {
    let folder = Folder::lived("back", 3);
    let (store, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.generation, loaded.trust), (Some(book(3)), 3, Trust::Sound));
    assert_eq!(store.generation(), 3);
    assert!(loaded.forgotten.is_empty());
}

#[test]
fn the_document_is_pretty_json_with_its_sum() {
    let folder = Folder::lived("pretty", 1);
    let text = fs::read_to_string(folder.path("state.json")).unwrap();
    assert!(text.starts_with("{\n  \"schema\": 1,\n  \"generation\": 1,\n  \"sha256\": \""), "{text}");
    assert!(text.contains("\n  \"book\": {\n    \"members\": [\n      \"m-1\"\n    ],"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["book"], serde_json::to_value(book(1)).unwrap());
}

#[test]
fn everything_written_is_for_its_owner_only() {
    let folder = Folder::lived("modes", 2);
    tokens(&folder.0).unwrap();
    client_id(&folder.0).unwrap();
    let files = folder.files();
    assert!(files.len() >= 8, "{files:?}");
    for (name, _) in files {
        let mode = fs::metadata(&name).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn promise_05_the_dry_run_has_files_of_its_own() {
    let folder = Folder::lived("dry", 2);
    let live = fs::read(folder.path("state.json")).unwrap();
    let (store, _) = folder.open();
    let (mut dry, loaded) = store.open_beside(Which::DryRun).unwrap();
    assert_eq!(loaded.book, None);
    dry.commit(&book(7), at(0), &line("would invite")).unwrap();
    dry.commit(&book(8), at(60), &line("would remove")).unwrap();
    assert_eq!(fs::read(folder.path("state.json")).unwrap(), live);
    for name in ["dry-run.json", "dry-run.json.prev", "dry-run-history.jsonl"] {
        assert!(folder.path(name).exists(), "{name}");
    }
    assert_eq!(Store::<Book>::read_only(&folder.0, Which::DryRun).unwrap().book, Some(book(8)));
    assert_eq!(Store::<Book>::read_only(&folder.0, Which::Live).unwrap().book, Some(book(2)));
}

// ---- Crashes (H24, G20) ----

#[test]
fn promise_06_killed_at_any_step_the_book_is_the_old_or_the_new_one_whole() {
    for step in Step::ALL {
        let folder = Folder::lived("killed", 2);
        let mut store = folder.open_with(step, StepFault::Die);
        assert!(matches!(store.commit(&book(3), at(200), &line("change 3")), Err(StoreError::Dropped)), "{step:?}");
        // A dead machine writes no more.
        assert!(matches!(store.commit(&book(9), at(201), &[]), Err(StoreError::Stopped)));
        drop(store);
        let (mut store, loaded) = folder.open();
        let expected = if step < Step::Renamed { 2 } else { 3 };
        assert_eq!((loaded.book, loaded.generation), (Some(book(expected)), expected), "{step:?}");
        assert_eq!(loaded.trust, Trust::Sound, "{step:?}");
        assert_eq!(store.commit(&book(4), at(202), &line("on it goes")).unwrap(), expected + 1);
        drop(store);
        assert_eq!(folder.open().1.book, Some(book(4)));
    }
}

#[test]
fn the_first_commit_ever_may_be_killed_too() {
    for step in Step::ALL {
        let folder = Folder::new("first");
        let mut store = folder.open_with(step, StepFault::Die);
        store.commit(&book(1), at(0), &line("adopted")).unwrap_err();
        drop(store);
        let (_, loaded) = folder.open();
        let expected = (step >= Step::Renamed).then(|| book(1));
        assert_eq!((loaded.book, loaded.trust), (expected, Trust::Sound), "{step:?}");
    }
}

#[test]
fn a_half_written_temp_file_is_no_book() {
    let folder = Folder::lived("temp", 2);
    fs::write(folder.path(".state.json.tmp"), b"{\"schema\": 1, \"gener").unwrap();
    fs::write(folder.path(".state.json.prev.tmp"), b"{").unwrap();
    let (mut store, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.trust), (Some(book(2)), Trust::Sound));
    store.commit(&book(3), at(300), &[]).unwrap();
    assert!(!folder.path(".state.json.tmp").exists() && !folder.path(".state.json.prev.tmp").exists());
}

#[test]
fn a_missing_tail_of_the_history_is_normal_and_a_torn_line_is_skipped() {
    let folder = Folder::lived("tail", 3);
    let lines = fs::read(folder.path("history.jsonl")).unwrap();
    fs::write(folder.path("history.jsonl"), &lines[..lines.len() - 20]).unwrap();
    let (mut store, loaded) = folder.open();
    assert_eq!(loaded.trust, Trust::Sound);
    store.commit(&book(4), at(300), &line("change 4")).unwrap();
    let told: Vec<_> =
        read_history(&folder.0, Which::Live, None, 10).unwrap().into_iter().map(|line| line.what).collect();
    assert_eq!(told, ["change 1", "change 2", "change 4"]);
}

// ---- Faults of the disk ----

#[test]
fn a_full_disk_leaves_the_old_book_and_may_be_tried_again() {
    for step in [Step::BeforeTemp, Step::TempWritten, Step::TempSynced, Step::PrevLinked] {
        let folder = Folder::lived("full", 2);
        let mut store = folder.open_with(step, StepFault::DiskFull);
        let error = store.commit(&book(3), at(200), &[]).unwrap_err();
        assert!(matches!(error, StoreError::NotWritten { .. }) && !error.ends_the_process(), "{step:?}");
        assert!(!folder.path(".state.json.tmp").exists(), "{step:?}");
        assert_eq!(store.generation(), 2);
        store.hook = None;
        assert_eq!(store.commit(&book(3), at(200), &[]).unwrap(), 3);
        drop(store);
        assert_eq!(folder.open().1.book, Some(book(3)));
    }
}

#[test]
fn a_failed_sync_ends_the_process_and_the_restart_finds_a_whole_book() {
    for step in [Step::TempSynced, Step::FolderSynced] {
        let folder = Folder::lived("sync", 2);
        let mut store = folder.open_with(step, StepFault::FsyncFails);
        let error = store.commit(&book(3), at(200), &line("change 3")).unwrap_err();
        assert!(matches!(error, StoreError::Fatal { .. }) && error.ends_the_process(), "{step:?}");
        store.hook = None;
        assert!(matches!(store.commit(&book(3), at(200), &[]), Err(StoreError::Stopped)));
        drop(store);
        let (_, loaded) = folder.open();
        assert!([Some(book(2)), Some(book(3))].contains(&loaded.book), "{step:?}");
        assert_eq!(loaded.trust, Trust::Sound);
    }
}

#[test]
fn trouble_after_the_rename_is_never_taken_for_an_unwritten_book() {
    for step in [Step::Renamed, Step::FolderSynced] {
        let folder = Folder::lived("late", 2);
        let mut store = folder.open_with(step, StepFault::DiskFull);
        assert!(matches!(store.commit(&book(3), at(200), &[]), Err(StoreError::Fatal { .. })), "{step:?}");
    }
}

#[test]
fn a_history_or_backup_that_cant_be_written_is_told_but_stops_nothing() {
    let folder = Folder::lived("told", 2);
    let mut store = folder.open_with(Step::HistoryAppended, StepFault::DiskFull);
    assert_eq!(store.commit(&book(3), at(121), &line("change 3")).unwrap(), 3);
    assert!(store.trouble().unwrap().contains("history.jsonl"));
    store.hook = None;
    fs::remove_dir_all(folder.path("backups")).unwrap();
    fs::write(folder.path("backups"), b"a file in the way").unwrap();
    assert_eq!(store.commit(&book(4), at(400), &[]).unwrap(), 4);
    assert!(store.trouble().unwrap().contains("backup"));
}

// ---- Damage (G26, G27, G28) ----

#[test]
fn promise_06_a_torn_book_falls_back_and_only_looks() {
    let folder = Folder::lived("torn", 3);
    fs::remove_dir_all(folder.path("backups")).unwrap();
    folder.tear("state.json");
    let (_, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.generation), (Some(book(2)), 2));
    assert!(matches!(&loaded.trust, Trust::FromPrev { why } if why.contains("torn")), "{:?}", loaded.trust);
    assert!(loaded.trust.to_string().contains("usher accept state"));
    // G26: and it says what it no longer knows.
    assert_eq!(loaded.forgotten.iter().map(|line| line.what.as_str()).collect::<Vec<_>>(), ["change 3"]);
}

#[test]
fn an_edited_book_is_noticed_by_its_sum() {
    let folder = Folder::lived("edited", 3);
    let text = fs::read_to_string(folder.path("state.json")).unwrap();
    fs::write(folder.path("state.json"), text.replace("m-3", "m-9")).unwrap();
    let (_, loaded) = folder.open();
    assert!(!loaded.trust.is_sound());
    assert!(loaded.trust.to_string().contains("checksum"), "{}", loaded.trust);
}

#[test]
fn the_youngest_whole_copy_wins() {
    // The backup of commit 3 is younger than `.prev` (commit 2).
    let folder = Folder::lived("youngest", 3);
    folder.tear("state.json");
    let (_, loaded) = folder.open();
    assert_eq!(loaded.book, Some(book(3)));
    assert!(matches!(&loaded.trust, Trust::FromBackup { name, .. } if name.starts_with("state-0000000003-")));
    // Both of the last two and a backup torn: the next backup.
    for name in ["state.json.prev", &format!("backups/{}", folder.backups()[2])] {
        folder.tear(name);
    }
    let loaded = Store::<Book>::read_only(&folder.0, Which::Live).unwrap();
    assert_eq!(loaded.book, Some(book(2)));
}

#[test]
fn a_doubted_book_stays_doubted_through_commits_and_restarts_until_accepted() {
    let folder = Folder::lived("doubt", 3);
    folder.tear("state.json");
    let torn = fs::read(folder.path("state.json")).unwrap();
    let backups = folder.backups();
    let (mut store, _) = folder.open();
    for n in 4..40 {
        let generation = store.commit(&book(n), at(60 * 24 * i64::try_from(n).unwrap()), &line("alarm told")).unwrap();
        assert_eq!(generation, n, "above all that the history knows");
    }
    drop(store);
    // G27: the good copies are still there, and so is the evidence (G28).
    assert_eq!(folder.backups(), backups);
    assert_eq!(fs::read(folder.path("state.json.damaged-after-3")).unwrap(), torn);
    let (mut store, loaded) = folder.open();
    assert_eq!(loaded.book, Some(book(39)));
    assert!(matches!(loaded.trust, Trust::FromBackup { .. }));
    store.accept();
    store.commit(&book(40), at(90_000), &line("accepted")).unwrap();
    drop(store);
    let (_, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.trust), (Some(book(40)), Trust::Sound));
}

#[test]
fn a_damaged_book_never_becomes_prev() {
    let folder = Folder::lived("prev", 3);
    folder.tear("state.json");
    let prev = fs::read(folder.path("state.json.prev")).unwrap();
    let mut store = folder.open_with(Step::PrevLinked, StepFault::Die);
    store.commit(&book(4), at(300), &[]).unwrap_err();
    drop(store);
    assert_eq!(fs::read(folder.path("state.json.prev")).unwrap(), prev);
    assert_eq!(folder.open().1.book, Some(book(3)));
}

#[test]
fn an_old_backup_put_back_only_looks_and_lists_what_it_forgot() {
    let folder = Folder::lived("old", 5);
    fs::copy(folder.path(&format!("backups/{}", folder.backups()[1])), folder.path("state.json")).unwrap();
    let (mut store, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.generation), (Some(book(2)), 2));
    assert_eq!(loaded.trust, Trust::Older { history_generation: 5 });
    let forgotten: Vec<_> = loaded.forgotten.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(forgotten, ["change 3", "change 4", "change 5"]);
    assert_eq!(store.commit(&book(6), at(600), &line("still looking")).unwrap(), 6);
    drop(store);
    let (mut store, loaded) = folder.open();
    assert_eq!(loaded.trust, Trust::Older { history_generation: 5 });
    store.accept();
    store.commit(&book(7), at(601), &line("accepted")).unwrap();
    drop(store);
    assert_eq!(folder.open().1.trust, Trust::Sound);
}

#[test]
fn a_deleted_book_is_found_again_in_its_copies() {
    let folder = Folder::lived("deleted", 3);
    fs::remove_file(folder.path("state.json")).unwrap();
    let (_, loaded) = folder.open();
    assert_eq!(loaded.book, Some(book(3)));
    assert!(loaded.trust.to_string().contains("state.json is missing"), "{}", loaded.trust);
}

#[test]
fn it_never_starts_empty_over_traces_of_an_earlier_life() {
    // G26: each trace alone is enough.
    let traces: [(&str, &[u8]); 5] = [
        ("state.json", b"{\"schema\": 1"),
        ("state.json", b""),
        ("state.json.prev", b"{}"),
        ("history.jsonl", b"{}\n"),
        ("backups/state-0000000001-20261121T101500Z.json", b"\0\0\0"),
    ];
    for (name, bytes) in traces {
        let folder = Folder::new("traces");
        fs::create_dir_all(folder.path("backups")).unwrap();
        fs::write(folder.path(name), bytes).unwrap();
        let before = folder.files();
        let refusal = folder.refused();
        assert!(matches!(refusal, StoreError::NothingReadable { .. }), "{name}: {refusal}");
        assert!(refusal.to_string().contains("Restore state.json"), "{refusal}");
        let mut after = folder.files();
        after.retain(|(name, _)| !name.ends_with("usher.lock"));
        assert_eq!(before, after, "a refusal changes nothing (G28)");
    }
}

#[test]
fn a_live_book_is_no_trace_of_a_dry_run_and_the_other_way_round() {
    let folder = Folder::lived("apart", 2);
    fs::remove_file(folder.path("state.json")).unwrap();
    let loaded = Store::<Book>::read_only(&folder.0, Which::DryRun).unwrap();
    assert_eq!((loaded.book, loaded.trust), (None, Trust::Sound));
}

#[test]
fn a_newer_book_is_refused_and_not_replaced_by_an_older_copy() {
    let folder = Folder::lived("newer", 3);
    let text = fs::read_to_string(folder.path("state.json")).unwrap();
    let newer = text.replace("\"schema\": 1", "\"schema\": 2").replace("\"book\"", "\"books\"");
    fs::write(folder.path("state.json"), &newer).unwrap();
    let refusal = folder.refused();
    assert!(matches!(refusal, StoreError::NewerSchema { found: 2, known: 1, .. }), "{refusal}");
    assert_eq!(fs::read_to_string(folder.path("state.json")).unwrap(), newer);
}

#[test]
fn a_whole_book_of_another_kind_is_refused_and_left_alone() {
    let folder = Folder::new("kind");
    let (mut store, _) = Store::<Vec<u32>>::open(&folder.0, Which::Live, None, at(0)).unwrap();
    store.commit(&vec![1, 2], at(0), &[]).unwrap();
    drop(store);
    assert!(matches!(folder.refused(), StoreError::NotUnderstood { .. }));
}

#[test]
fn a_book_that_cant_be_read_is_not_taken_for_a_damaged_one() {
    // G28: one unreadable moment must not bring the older copy into force.
    let folder = Folder::lived("unreadable", 3);
    fs::remove_file(folder.path("state.json")).unwrap();
    fs::create_dir(folder.path("state.json")).unwrap();
    assert!(matches!(folder.refused(), StoreError::Unreadable { .. }));
}

// ---- One writer (G20, G21) ----

#[test]
fn two_daemons_on_one_folder_the_second_is_told_who_the_first_is() {
    let folder = Folder::new("two");
    let first = folder.open();
    let refusal = folder.refused();
    let sentence = refusal.to_string();
    assert!(matches!(refusal, StoreError::Locked { .. }), "{sentence}");
    assert!(sentence.contains(&format!("pid {}", std::process::id())), "{sentence}");
    drop(first);
    folder.open();
}

#[test]
fn the_folder_stays_locked_while_either_of_its_books_is_open() {
    let folder = Folder::new("either");
    let (live, _) = folder.open();
    let (dry, _) = live.open_beside(Which::DryRun).unwrap();
    drop(live);
    assert!(matches!(folder.refused(), StoreError::Locked { .. }));
    drop(dry);
    folder.open();
}

#[test]
fn a_reading_command_needs_no_lock_and_writes_nothing() {
    // G28: not even where the book is torn.
    let folder = Folder::lived("reading", 3);
    folder.tear("state.json");
    let _daemon = folder.open();
    let before = folder.files();
    let loaded = Store::<Book>::read_only(&folder.0, Which::Live).unwrap();
    assert!(!loaded.trust.is_sound());
    assert_eq!(read_history(&folder.0, Which::Live, Some("m-1"), 2).unwrap().len(), 2);
    assert!(read_history(&folder.0, Which::Live, Some("m-2"), 2).unwrap().is_empty());
    assert_eq!(existing_tokens(&folder.0).unwrap(), None);
    assert_eq!(folder.files(), before);
}

#[test]
fn a_folder_that_cant_be_written_is_refused_with_a_sentence() {
    let folder = Folder::new("unwritable");
    fs::write(folder.path("file"), b"").unwrap();
    let refusal = Store::<Book>::open(&folder.path("file"), Which::Live, None, at(0)).err().unwrap();
    assert!(matches!(refusal, StoreError::NotWritable { .. }));
    assert!(refusal.to_string().contains("chown"), "{refusal}");
}

// ---- Backups and history ----

#[test]
fn backups_are_spaced_checked_and_rotated() {
    // G27: a commit a minute for a day doesn't push out yesterday.
    let folder = Folder::new("rotate");
    let (mut store, _) = folder.open();
    for n in 0..600_i64 {
        // Every 3 minutes for 30 hours.
        store.commit(&book(1), at(n * 3), &[]).unwrap();
        assert_eq!(store.trouble(), None);
    }
    let kept = folder.backups();
    assert_eq!(kept.len(), limits::BACKUPS_RECENT + 1, "ten, and yesterday's last: {kept:?}");
    for name in &kept {
        let bytes = fs::read(folder.path(&format!("backups/{name}"))).unwrap();
        assert!(matches!(document::decode::<Book>(&bytes), document::Found::Whole { .. }), "{name}");
    }
    // A clock that jumps back makes one, then waits again.
    store.commit(&book(2), at(-100_000), &[]).unwrap();
    let (newest, last) = (folder.backups(), store.generation());
    assert!(newest.iter().any(|name| name.contains(&format!("{last:010}"))), "{newest:?}");
    store.commit(&book(3), at(-99_999), &[]).unwrap();
    assert_eq!(folder.backups(), newest);
}

#[test]
fn backup_spacing_survives_a_restart() {
    let folder = Folder::lived("spacing", 1);
    let (mut store, _) = folder.open();
    store.commit(&book(2), at(61), &[]).unwrap();
    assert_eq!(folder.backups().len(), 1);
    store.commit(&book(3), at(60) + Duration::minutes(10), &[]).unwrap();
    assert_eq!(folder.backups().len(), 2);
}

/// A book that can be written but not read again.
#[derive(Debug, Serialize)]
struct OneWay;

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("never"))
    }
}

#[test]
fn a_backup_that_cant_be_read_back_counts_for_nothing_and_pushes_out_nothing() {
    let folder = Folder::new("oneway");
    let (mut store, _) = Store::<OneWay>::open(&folder.0, Which::Live, None, at(0)).unwrap();
    store.commit(&OneWay, at(0), &[]).unwrap();
    assert!(store.trouble().unwrap().contains("read back"));
    assert!(folder.backups().is_empty());
}

#[test]
fn the_history_is_rotated_by_size_and_read_across_its_files() {
    let folder = Folder::new("rotated");
    let (mut store, _) = folder.open();
    store.history.set_bytes_max(300);
    for n in 1..=6 {
        store.commit(&book(n), at(0), &line(&format!("change {n}"))).unwrap();
    }
    assert!(folder.path("history.jsonl.1").exists());
    let told: Vec<_> =
        read_history(&folder.0, Which::Live, None, 4).unwrap().into_iter().map(|line| line.what).collect();
    assert_eq!(told, ["change 3", "change 4", "change 5", "change 6"]);
    for n in 7..200 {
        store.commit(&book(n), at(0), &line(&format!("change {n}"))).unwrap();
    }
    let names = disk::names_in(&folder.0).unwrap();
    let aside = names.iter().filter(|name| name.starts_with("history.jsonl.")).count();
    assert_eq!(aside, limits::HISTORY_FILES_KEPT);
    drop(store);
    assert_eq!(folder.open().1.trust, Trust::Sound);
}

#[test]
fn a_history_line_has_its_commit_and_its_details() {
    let folder = Folder::lived("line", 1);
    let text = fs::read_to_string(folder.path("history.jsonl")).unwrap();
    assert_eq!(
        text,
        "{\"at\":\"2027-01-15T08:00:00Z\",\"generation\":1,\"member\":\"m-1\",\"what\":\"change 1\",\
         \"fields\":{\"tier\":\"basic\"}}\n"
    );
}

// ---- Small files ----

#[test]
fn tokens_and_client_id_are_made_once_and_kept() {
    let folder = Folder::new("small");
    let made = tokens(&folder.0).unwrap();
    assert_eq!((made.admin.len(), made.read.len()), (64, 64));
    assert_ne!(made.admin, made.read);
    assert_eq!(tokens(&folder.0).unwrap(), made);
    assert_eq!(existing_tokens(&folder.0).unwrap(), Some(made.clone()));
    assert!(!format!("{made:?}").contains(&made.admin));
    let id = client_id(&folder.0).unwrap();
    assert_eq!(client_id(&folder.0).unwrap(), id);
    let parts: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(id[14..].starts_with('4') && "89ab".contains(&id[19..20]), "{id}");
}

#[test]
fn where_we_listen_is_read_back() {
    let folder = Folder::new("listening");
    assert_eq!(read_listening(&folder.0).unwrap(), None);
    let listening = Listening { public: "0.0.0.0:8480".parse().unwrap(), admin: "[::1]:8481".parse().unwrap() };
    write_listening(&folder.0, &listening).unwrap();
    assert_eq!(read_listening(&folder.0).unwrap(), Some(listening));
    remove_listening(&folder.0).unwrap();
    assert_eq!(read_listening(&folder.0).unwrap(), None);
}
