//! Tiers and libraries (R7).

use sandbox::plex::Told;
use sandbox::rig::Rig;
use serde_json::json;

use super::{all_is_well, heard, holds, payer, say, unhurried, why};

fn write_tiers(rig: &Rig, basic: &[&str], premium: &[&str]) {
    let tiers = json!([
        { "name": "Basic", "prices": [rig.basic], "libraries": basic },
        { "name": "Premium", "prices": [rig.premium], "libraries": premium, "downloads": true },
    ]);
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
}

#[tokio::test(start_paused = true)]
async fn an_edited_tiers_file_counts_within_a_minute() {
    let mut rig = Rig::new("tiers-edited").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    write_tiers(&rig, &["Movies", "TV"], &["Movies", "TV"]);
    rig.minutes(2).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    assert_eq!(rig.plex.updates().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_takes_something_away_waits_for_the_operator() {
    let mut rig = Rig::new("tiers-narrowed").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    let (bob, _) = payer(&rig, 2_000_002, "bob", &rig.premium.clone()).await;
    write_tiers(&rig, &["Movies"], &["TV"]);
    rig.hours(5).await;
    assert_eq!(rig.plex.updates().len(), 0);
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval", "approval"]);
    assert_eq!(heard(&rig, "Waiting for you"), 1, "{:?}", rig.operator_subjects());
    say(&rig, "approve", &[&waiting[0].0]).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.updates().len(), 1, "only the one that was approved");
    // Taken back, the other hold is gone, too.
    write_tiers(&rig, &["Movies"], &["Movies", "TV"]);
    rig.minutes(5).await;
    assert_eq!(holds(&rig).await, Vec::new());
    for who in [ann, bob] {
        assert_eq!(rig.plex.share_of(who).expect("a share").sections, [rig.movies, rig.tv]);
    }
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_title_that_the_server_does_not_have_shares_nothing_and_is_told() {
    let mut rig = Rig::new("unknown-title").await;
    write_tiers(&rig, &["Movies", "Moovies"], &["Movies", "TV"]);
    rig.open().await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(2).await;
    assert_eq!(rig.plex.changes().len(), 0, "nothing rather than a part, and never all");
    let told = rig.operator_subjects().iter().filter(|subject| subject.contains("can't be shared")).count();
    assert_eq!(told, 1, "{:?}", rig.operator_subjects());
    write_tiers(&rig, &["Movies"], &["Movies", "TV"]);
    rig.minutes(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_torn_tiers_file_changes_nothing_and_is_told_once() {
    let mut rig = Rig::new("tiers-torn").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    std::fs::write(rig.state().join("tiers.json"), "[{\"name\":").expect("written");
    rig.hours(2).await;
    assert_eq!(heard(&rig, "tiers file has a problem"), 1);
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
    assert_eq!((rig.plex.updates().len(), rig.plex.deletions().len()), (0, 0));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_library_moves_nobody_and_is_told() {
    let mut rig = Rig::new("renamed").await;
    rig.open().await;
    payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.plex.rename_section(rig.movies, "Films");
    rig.hours(2).await;
    assert_eq!(rig.plex.updates().len(), 0);
    assert_eq!(heard(&rig, "Library renamed: Movies is now Films"), 1);
    payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
    assert_eq!(rig.plex.invites_sent()[1].sections, [rig.movies]);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_new_library_joins_nobody_by_itself_even_where_the_tier_says_all() {
    let mut rig = Rig::new("new-library").await;
    write_tiers(&rig, &["Movies"], &["*"]);
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.plex.add_section("Home videos", "movie");
    rig.hours(2).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    assert_eq!(heard(&rig, "New library: Home videos"), 1);
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["new library"]);
    say(&rig, "approve", &[&waiting[0].0]).await;
    rig.minutes(10).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections.len(), 3);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_short_list_of_libraries_narrows_nobody() {
    let mut rig = Rig::new("short-sections").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.plex.switch(|switches| switches.sections_told = sandbox::plex::Told::Half);
    rig.minutes(50).await;
    rig.plex.switch(|switches| switches.sections_told = sandbox::plex::Told::All);
    rig.hours(2).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    assert_eq!(rig.plex.updates().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_share_narrowed_by_hand_below_the_tier_is_made_whole_and_one_widened_is_asked_about() {
    let mut rig = Rig::new("changed-by-hand").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let share = rig.plex.share_of(ann).expect("a share");
    let (movies, tv) = (rig.movies, rig.tv);
    rig.plex.with_share(share.id, |share| share.sections = vec![movies, tv]);
    rig.hours(2).await;
    assert_eq!(rig.plex.updates().len(), 0, "what was given by hand is not taken by itself");
    assert_eq!(holds(&rig).await.len(), 1);
    rig.plex.with_share(share.id, |share| share.sections = vec![tv]);
    rig.hours(2).await;
    let _ = say;
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_waits_where_plex_lists_fewer_libraries_just_before_it() {
    let mut rig = Rig::new("fewer-just-before").await;
    unhurried(&mut rig, 24);
    rig.open().await;
    rig.person(2_000_001, "ann");
    rig.minutes(5).await;
    rig.plex.switch(|switches| switches.sections_told = Told::Half);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 0, "{}", why(&rig, "ann").await);
    rig.plex.switch(|switches| switches.sections_told = Told::All);
    rig.hours(25).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{}", why(&rig, "ann").await);
}
