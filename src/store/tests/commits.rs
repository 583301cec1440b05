//! Writing, crashing, disks that fail.

use super::*;

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
    assert!(text.starts_with("{\n  \"schema\": 2,\n  \"generation\": 1,\n  \"sha256\": \""), "{text}");
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
