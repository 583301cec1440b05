//! One writer; backups, history, tokens.

use chrono::Duration;

use super::*;
use crate::{limits, secret::Secret};

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
    assert_eq!((made.admin.expose().len(), made.read.expose().len()), (64, 64));
    assert_ne!(made.admin, made.read);
    assert_eq!(tokens(&folder.0).unwrap(), made);
    assert_eq!(existing_tokens(&folder.0).unwrap(), Some(made.clone()));
    assert!(!format!("{made:?}").contains(made.admin.expose()));
    let id = client_id(&folder.0).unwrap();
    assert_eq!(client_id(&folder.0).unwrap(), id);
    let parts: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(id[14..].starts_with('4') && "89ab".contains(&id[19..20]), "{id}");
}

#[test]
fn who_only_looks_leaves_no_client_id_and_is_one_device_however_often_it_looks() {
    let folder = Folder::new("look");
    let (token, other) = (Secret::new("token-of-the-owner"), Secret::new("another-token"));
    let id = client_id_for_a_look(&folder.0, &token).unwrap();
    assert_eq!(client_id_for_a_look(&folder.0, &token).unwrap(), id);
    assert_ne!(client_id_for_a_look(&folder.0, &other).unwrap(), id);
    assert_eq!(folder.files(), [], "nothing is kept");
    let kept = client_id(&folder.0).unwrap();
    assert_ne!(kept, id);
    assert_eq!(client_id_for_a_look(&folder.0, &token).unwrap(), kept);
}

// ---- Looking a folder over ----

#[test]
fn a_folder_is_looked_over_without_a_trace_even_while_a_daemon_has_it() {
    let folder = Folder::lived("over", 3);
    let _daemon = folder.open();
    let before = folder.files();
    let seen = inspect(&folder.0, &[Secret::new("a secret that is nowhere")]);
    assert!(seen.exists && seen.writable.is_ok(), "{seen:?}");
    assert!(seen.last_holder.as_ref().is_some_and(|who| who.contains(&format!("pid {}", std::process::id()))));
    assert_eq!((seen.open_to_others.len(), seen.leaking.len()), (0, 0), "{seen:?}");
    assert_eq!(folder.files(), before);
    assert!(!inspect(&folder.path("nowhere"), &[]).exists);
    assert!(!folder.path("nowhere").exists());
}

#[test]
fn a_key_in_the_book_and_a_file_that_others_may_read_are_noticed() {
    let folder = Folder::lived("leaky", 1);
    fs::write(folder.path("history.jsonl"), "{\"what\":\"sk_live_sesame\"}\n").unwrap();
    fs::write(folder.path("tiers.json"), "sk_live_sesame: the operator's own file").unwrap();
    fs::set_permissions(folder.path("history.jsonl"), fs::Permissions::from_mode(0o644)).unwrap();
    let seen = inspect(&folder.0, &[Secret::new("sk_live_sesame"), Secret::new("line")]);
    assert_eq!(seen.leaking, ["history.jsonl"], "and a short word is no secret");
    assert_eq!(seen.open_to_others, ["history.jsonl"]);
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
