//! The sandbox's season: it is borne out whole, and each loop is needed for it.

use std::path::PathBuf;

use sandbox::season::{self, Failed, Tally};
use usher::daemon::{Options, Part};

/// Plays it; also gives what was told, and the files of the letters.
async fn season(without: Option<Part>) -> (Result<Tally, Failed>, String, Vec<String>) {
    let name = without.map_or("whole", season::name);
    let folder: PathBuf = std::env::temp_dir().join(format!("usher-season-{}-{name}", std::process::id()));
    let options = Options { without: without.into_iter().collect(), ..Options::default() };
    let mut told = Vec::new();
    let outcome = season::play(options, &mut told, &folder).await;
    let files = std::fs::read_dir(&folder).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    std::fs::remove_dir_all(&folder).unwrap();
    (outcome, String::from_utf8(told).unwrap(), files)
}

#[tokio::test(start_paused = true)]
async fn the_season_is_borne_out_and_its_last_line_counts() {
    let (outcome, told, files) = season(None).await;
    let tally = outcome.unwrap_or_else(|failed| panic!("{told}\n{failed}"));
    assert_eq!(told.lines().last(), Some(tally.to_string().as_str()));
    assert_eq!((tally.let_in, tally.warned, tally.removed, tally.held), (11, 7, 8, 7), "{told}");
    assert!(tally.lines >= 50, "{tally:?}");
    for ending in [".eml", ".html"] {
        assert_eq!(files.iter().filter(|file| file.ends_with(ending)).count(), tally.letters, "{files:?}");
    }
}

/// The sentence that doesn't hold without this loop, and what was told before.
async fn fails_without(part: Part, sentence: &str) {
    let (outcome, told, _) = season(Some(part)).await;
    let failed = outcome.err().unwrap_or_else(|| panic!("the season needs no {}:\n{told}", season::name(part)));
    assert!(failed.line.contains(sentence), "{failed}\n{told}");
    assert!(!failed.seen.is_empty(), "{failed}");
    assert!(!told.contains(sentence), "a sentence is told only when it holds:\n{told}");
}

#[tokio::test(start_paused = true)]
async fn without_the_friends_loop_nobody_is_seen_coming() {
    fails_without(Part::Friends, "Mia, invited by hand in Plex").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_courier_nobody_is_written_to() {
    fails_without(Part::Courier, "Usher sees her and welcomes her").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_billing_loop_payers_are_not_let_in() {
    fails_without(Part::Billing, "Ann pays for Basic").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_activity_loop_the_idle_are_not_warned() {
    fails_without(Part::Activity, "Jonas hasn't watched for 27 days").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_expiry_loop_deadlines_pass_unnoticed() {
    fails_without(Part::Expiry, "within the minute").await;
}
