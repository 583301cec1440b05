//! Torn, edited, old, newer, missing (G26, G27, G28).

use super::*;

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
    let newer = text.replace("\"schema\": 2", "\"schema\": 3").replace("\"book\"", "\"books\"");
    fs::write(folder.path("state.json"), &newer).unwrap();
    let refusal = folder.refused();
    assert!(matches!(refusal, StoreError::NewerSchema { found: 3, known: 2, .. }), "{refusal}");
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
