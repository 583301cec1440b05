//! What is around the services: the clock, the mail server, the folder, the
//! settings.

use chrono::TimeDelta;

use super::super::*;
use super::{assert_lines, config, lines, now};
use crate::commands::client::Trouble;
use crate::commands::health;
use crate::config::Smtp;

// ---- Clock ----

#[test]
fn the_clock_is_held_against_theirs_and_the_books() {
    let skews = |plex, stripe| [(Source::Plex, plex), (Source::Stripe, stripe)];
    let judged = |skews: [(Source, Option<i64>); 2]| clock::judge(now(), None, &skews);
    assert_lines(&judged(skews(Some(-299), None)), &[(Level::Ok, "299 s from plex.tv's")]);
    let both = judged(skews(Some(301), Some(-3600)));
    assert_lines(&both, &[(Level::Fail, "5 minutes behind plex.tv's"), (Level::Fail, "60 minutes ahead of Stripe's")]);
    assert_lines(&judged(skews(None, None)), &[(Level::Warn, "couldn't be compared")]);
    let book = Book::new(now() + TimeDelta::days(1));
    assert_lines(&clock::judge(now(), Some(&book), &skews(Some(0), None)), &[(Level::Fail, "the book was written")]);
}

// ---- Mail ----

#[test]
fn a_sender_whose_letters_will_be_refused_elsewhere_is_doubted() {
    let judged = |host: &str, from: &str, username: &str, password: &str| {
        let vars = [("SMTP_HOST", host), ("SMTP_FROM", from), ("SMTP_USERNAME", username), ("SMTP_PASSWORD", password)];
        mail::judge(&config(&vars), Some(&Ok(()))).into_iter().skip(1).collect::<Vec<_>>()
    };
    let app = "abcdefghijklmnop";
    for (host, from, username, password, doubt) in [
        ("smtp.gmail.com", "me@gmail.com", "Me@gmail.com", app, None),
        ("smtp.gmail.com", "cinema@attic.example", "me@gmail.com", app, Some("Gmail rewrites it")),
        ("smtp.gmail.com", "me@gmail.com", "me@gmail.com", "abcd efgh ijkl mnop", Some("no spaces")),
        ("smtp.postmark.example", "me@gmail.com", "key", "secret", Some("taken for spam")),
        ("smtp.office365.com", "me@outlook.com", "me@outlook.com", "secret", None),
        ("mail.attic.example", "door@attic.example", "door", "secret", None),
        ("mail.attic.example", "door@attic.local", "door", "secret", Some("nobody outside knows")),
        ("mail.attic.example", "door@attic", "door", "secret", Some("nobody outside knows")),
    ] {
        let doubts: Vec<(Level, &str)> = doubt.map(|doubt| (Level::Warn, doubt)).into_iter().collect();
        assert_lines(&judged(host, from, username, password), &doubts);
    }
    let clear: Smtp =
        config(&[("SMTP_HOST", "relay"), ("SMTP_FROM", "a@b.example"), ("SMTP_TLS", "none")]).smtp.unwrap();
    assert_eq!(clear.tls, crate::config::SmtpTls::None);
    let refused = mail::judge(
        &config(&[("SMTP_HOST", "mail.b.example"), ("SMTP_FROM", "a@b.example")]),
        Some(&Err("535".into())),
    );
    assert_lines(&refused, &[(Level::Fail, "mail.b.example:587: 535")]);
    assert_lines(&mail::judge(&config(&[]), None), &[(Level::Off, "isn't set")]);
}

// ---- The folder ----

fn sound_folder() -> store::Inspection {
    store::Inspection {
        exists: true,
        writable: Ok(()),
        is_mount: Some(true),
        last_holder: Some("pid 1 on attic".into()),
        open_to_others: Vec::new(),
        leaking: Vec::new(),
    }
}

fn folder(inspection: store::Inspection, live: Result<store::Loaded<Book>, store::StoreError>) -> folder::Told {
    folder::Told { inspection, live, rehearsal: None, daemon: Err(Trouble::NotRunning) }
}

fn loaded(book: Option<Book>, trust: store::Trust) -> store::Loaded<Book> {
    store::Loaded { book, generation: 7, trust, forgotten: Vec::new() }
}

#[test]
fn a_folder_that_would_forget_or_cannot_be_written_is_told() {
    let judged = |inspection| folder::judge(&folder(inspection, Ok(loaded(None, store::Trust::Sound))));
    let ends = [(Level::Off, "none yet"), (Level::Off, "the last one was pid 1 on attic")];
    let with = |first: &[(Level, &'static str)]| [first, &ends].concat();
    assert_lines(&judged(sound_folder()), &with(&[(Level::Ok, "it lasts")]));
    let nowhere = store::Inspection { exists: false, is_mount: None, ..sound_folder() };
    assert_lines(&judged(nowhere), &with(&[(Level::Warn, "isn't there")]));
    let refused = store::StoreError::NotWritable {
        dir: "state".into(),
        uid: 568,
        why: std::io::ErrorKind::ReadOnlyFilesystem.into(),
    };
    let bad = store::Inspection {
        writable: Err(refused),
        is_mount: Some(false),
        open_to_others: vec!["API_TOKEN".into()],
        leaking: vec!["state.json".into()],
        ..sound_folder()
    };
    let all = [
        (Level::Fail, "chown 568"),
        (Level::Warn, "mount one"),
        (Level::Fail, "state.json holds"),
        (Level::Warn, "chmod 600 there: API_TOKEN"),
    ];
    assert_lines(&judged(bad), &with(&all));
}

#[test]
fn a_book_that_is_not_the_last_one_fails_and_so_does_one_that_cannot_be_read() {
    let judged = |live| folder::judge(&folder(sound_folder(), live)).into_iter().nth(1).unwrap();
    let sound = judged(Ok(loaded(Some(Book::new(now())), store::Trust::Sound)));
    assert!(sound.level == Level::Ok && sound.says.contains("commit 7 of 2026-01-03 09:00 UTC"), "{sound:?}");
    let old = judged(Ok(loaded(Some(Book::new(now())), store::Trust::Older { history_generation: 9 })));
    assert!(old.level == Level::Fail && old.says.contains("usher accept state"), "{old:?}");
    let unread = judged(Err(store::StoreError::NewerSchema { file: "state.json".into(), found: 2, known: 1 }));
    assert!(unread.level == Level::Fail && unread.says.contains("newer usher"), "{unread:?}");
}

#[test]
fn a_daemon_that_is_not_well_or_a_stranger_on_its_port_is_warned_of() {
    let judged = |daemon| {
        let told = folder::Told { daemon, ..folder(sound_folder(), Ok(loaded(None, store::Trust::Sound))) };
        folder::judge(&told).into_iter().last().unwrap()
    };
    let said = |healthy| health::Told { healthy, mode: "live".into(), problems: vec!["Stripe is down".into()] };
    assert_eq!(judged(Ok(said(true))).level, Level::Ok);
    let ill = judged(Ok(said(false)));
    assert!(ill.level == Level::Warn && ill.says.contains("Stripe is down"), "{ill:?}");
    assert_eq!(judged(Err(Trouble::Refused("not Usher".into()))), Finding::warn("Daemon", "not Usher"));
}

// ---- The settings ----

#[test]
fn whoever_hears_nothing_is_told_so_and_the_mode_is_named() {
    let judged = |more: &[(&str, &str)]| lines(&settings::judge(&config(more))).join("\n");
    let alone = judged(&[]);
    assert!(alone.contains("Ok Mode: a rehearsal") && alone.contains("Warn Settings: you hear nothing"), "{alone}");
    let discord = ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/1/token");
    let live = judged(&[discord, ("DRY_RUN", "false")]);
    assert!(live.contains("Ok Mode: live") && !live.contains("you hear nothing"), "{live}");
    // What `run` only says in its log.
    assert!(live.contains("Warn Settings: SMTP_HOST is not set"), "{live}");
}
