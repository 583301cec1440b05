//! Books that the version before wrote (RULES R11, Upgrades).

use std::path::Path;

use super::*;

/// Puts a book of schema 1 where the present one lies, as its version wrote it.
fn written_by_the_version_before(folder: &Folder, generation: u64) -> Vec<u8> {
    let bytes = document::encode(&book(generation), generation, &Trust::Sound).unwrap();
    let bytes = String::from_utf8(bytes).unwrap().replace("\"schema\": 2", "\"schema\": 1").into_bytes();
    fs::write(folder.path("state.json"), &bytes).unwrap();
    bytes
}

#[test]
fn the_book_of_the_version_before_is_read_and_kept_beside_the_first_one_of_the_new() {
    let folder = Folder::new("upgrade");
    let old = written_by_the_version_before(&folder, 7);
    let (mut store, loaded) = folder.open();
    assert_eq!((loaded.book, loaded.generation, loaded.trust), (Some(book(7)), 7, Trust::Sound));
    assert!(!folder.path("state.schema-1.json").exists(), "nothing is written by a mere look");
    assert_eq!(store.commit(&book(8), at(60), &[]).unwrap(), 8);
    store.commit(&book(9), at(120), &[]).unwrap();
    store.commit(&book(10), at(180), &[]).unwrap();
    assert_eq!(fs::read(folder.path("state.schema-1.json")).unwrap(), old, "byte for byte");
    drop(store);
    assert_eq!(folder.open().1.book, Some(book(10)));
}

#[test]
fn promise_06_killed_at_any_step_of_the_upgrade_the_old_book_or_the_new_one_is_there() {
    for step in Step::ALL {
        let folder = Folder::new("upgrade-killed");
        let old = written_by_the_version_before(&folder, 7);
        folder.open_with(step, StepFault::Die).commit(&book(8), at(60), &[]).unwrap_err();
        let (mut store, loaded) = folder.open();
        assert!(loaded.trust.is_sound(), "{step:?}: {:?}", loaded.trust);
        let found = loaded.book.unwrap();
        assert!(found == book(7) || found == book(8), "{step:?}: {found:?}");
        store.commit(&book(9), at(120), &[]).unwrap();
        assert_eq!(fs::read(folder.path("state.schema-1.json")).unwrap(), old, "{step:?}");
    }
}

#[test]
fn a_backup_of_the_version_before_can_still_be_put_back() {
    let folder = Folder::lived("upgrade-back", 3);
    written_by_the_version_before(&folder, 2);
    let (_, loaded) = folder.open();
    assert_eq!(loaded.book, Some(book(2)));
    assert_eq!(loaded.trust, Trust::Older { history_generation: 3 });
}

#[test]
fn the_younger_book_of_the_version_before_stays_kept() {
    let folder = Folder::new("upgrade-twice");
    let young = written_by_the_version_before(&folder, 7);
    folder.open().0.commit(&book(8), at(60), &[]).unwrap();
    written_by_the_version_before(&folder, 3);
    folder.open().0.commit(&book(9), at(120), &[]).unwrap();
    assert_eq!(fs::read(folder.path("state.schema-1.json")).unwrap(), young);
}

#[test]
fn a_kept_book_alone_shows_that_there_was_a_life_before() {
    let folder = Folder::new("upgrade-trace");
    written_by_the_version_before(&folder, 7);
    fs::rename(folder.path("state.json"), folder.path("state.schema-1.json")).unwrap();
    let refusal = folder.refused();
    assert!(
        matches!(&refusal, StoreError::NothingReadable { evidence, .. } if evidence.contains("state.schema-1.json")),
        "{refusal}"
    );
}

#[test]
fn the_rehearsal_is_kept_under_its_own_name() {
    let folder = Folder::new("upgrade-dry");
    written_by_the_version_before(&folder, 7);
    fs::rename(folder.path("state.json"), folder.path("dry-run.json")).unwrap();
    let (mut store, loaded) = Store::<Book>::open(&folder.0, Which::DryRun, None, at(0)).unwrap();
    assert_eq!(loaded.book, Some(book(7)));
    store.commit(&book(8), at(60), &[]).unwrap();
    assert!(Path::exists(&folder.path("dry-run.schema-1.json")));
}
