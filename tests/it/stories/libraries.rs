//! Tiers and libraries (R7).

use sandbox::plex::Told;
use sandbox::rig::Rig;
use sandbox::stripe::Interval;
use serde_json::json;

use super::{all_is_well, asked, heard, holds, payer, say, told, unhurried, why};

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
    let why = super::why(&rig, "ann@example.com").await;
    assert!(why.contains("pays and is outside: what they bought opens no library now"), "{why}");
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

/// The tiers file as these say it.
fn write(rig: &Rig, tiers: &serde_json::Value) {
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
}

/// Ann pays for a tier of everything, and a library that is new was refused to it.
async fn a_library_was_refused(name: &str) -> (Rig, usher::facts::PlexId) {
    let mut rig = Rig::new(name).await;
    write_tiers(&rig, &["Movies"], &["*"]);
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.plex.add_section("Home videos", "movie");
    rig.hours(1).await;
    let waiting = holds(&rig).await;
    say(&rig, "reject", &[&waiting[0].0]).await;
    (rig, ann)
}

/// Nobody's share was touched, nothing is asked, and no false alarm was given.
async fn nobody_was_moved(rig: &Rig, ann: usher::facts::PlexId) {
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv], "{}", why(rig, "ann").await);
    assert_eq!(rig.plex.updates().len(), 0);
    assert_eq!(heard(rig, "no longer in the tiers file"), 0, "{:?}", rig.operator_subjects());
    assert_eq!(heard(rig, "Waiting for you"), 1, "the library was asked about once: {:?}", rig.operator_subjects());
    let open: Vec<_> = holds(rig).await.into_iter().filter(|(_, rule, _)| rule != "new library").collect();
    assert_eq!(open, Vec::new());
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_is_renamed_opens_no_refused_library_and_raises_no_alarm() {
    let (mut rig, ann) = a_library_was_refused("tier-renamed").await;
    asked(&rig, json!({ "ask": "invite", "who": "bob@example.com", "tier": "Premium" })).await;
    let bob = rig.person(2_000_002, "bob");
    rig.minutes(5).await;
    rig.plex.accept_invite("bob@example.com");
    rig.hours(1).await;
    let renamed = |name: &str| {
        json!([
            { "name": "Basic", "prices": [rig.basic], "libraries": ["Movies"] },
            { "name": name, "prices": [rig.premium], "libraries": ["*"], "downloads": true },
        ])
    };
    let (gold, platinum) = (renamed("Gold"), renamed("Platinum"));
    write(&rig, &gold);
    rig.hours(5).await;
    nobody_was_moved(&rig, ann).await;
    assert!(why(&rig, "ann").await.contains("Gold"), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "plan"), 0, "{:?}", rig.subjects_to("ann"));
    // While Usher is not running, likewise.
    rig.close().await;
    write(&rig, &platinum);
    rig.open().await;
    rig.hours(5).await;
    nobody_was_moved(&rig, ann).await;
    assert_eq!(rig.plex.share_of(bob).expect("a share").sections, [rig.movies, rig.tv], "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn tiers_that_swap_their_names_swap_nobody() {
    let mut rig = Rig::new("tiers-swapped").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    for (id, name, tier) in [(2_000_002, "bob", "Basic"), (2_000_003, "cleo", "Premium")] {
        asked(&rig, json!({ "ask": "invite", "who": format!("{name}@example.com"), "tier": tier })).await;
        rig.person(id, name);
        rig.minutes(20).await;
        rig.plex.accept_invite(format!("{name}@example.com").as_str());
    }
    rig.hours(1).await;
    let swapped = json!([
        { "name": "Premium", "prices": [rig.basic], "libraries": ["Movies"] },
        { "name": "Basic", "prices": [rig.premium], "libraries": ["Movies", "TV"], "downloads": true },
    ]);
    rig.close().await;
    write(&rig, &swapped);
    rig.open().await;
    rig.hours(5).await;
    assert_eq!((rig.plex.updates().len(), holds(&rig).await), (0, Vec::new()));
    assert!(why(&rig, "ann").await.contains("Basic"), "{}", why(&rig, "ann").await);
    let (all, _) = (rig.plex.share_of(ann).expect("a share").sections, ());
    assert_eq!(all, [rig.movies, rig.tv]);
    all_is_well(&rig);
}

/// Two products of one name, and who pays for them.
async fn two_products(name: &str) -> (Rig, [usher::facts::PlexId; 2], String) {
    let mut rig = Rig::new(name).await;
    std::fs::remove_file(rig.state().join("tiers.json")).expect("none");
    let month = Some(sandbox::stripe::Interval::Month);
    let small = rig.stripe.add_product("Club", &[("usher_libraries", "Movies")]);
    let large = rig.stripe.add_product("Club", &[("usher_libraries", "Movies,TV")]);
    let prices = [&small, &large].map(|product| rig.stripe.add_price(product, 500, "eur", month));
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &prices[0]).await;
    let (bob, _) = payer(&rig, 2_000_002, "bob", &prices[1]).await;
    (rig, [ann, bob], large)
}

#[tokio::test(start_paused = true)]
async fn two_products_of_one_name_are_two_tiers_and_a_new_name_moves_nobody() {
    let (mut rig, [ann, bob], large) = two_products("two-clubs").await;
    let stands = |rig: &Rig| {
        assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
        assert_eq!(rig.plex.share_of(bob).expect("a share").sections, [rig.movies, rig.tv]);
        assert_eq!(rig.plex.updates().len(), 0);
        assert_eq!(heard(rig, "no longer in the tiers file"), 0, "{:?}", rig.operator_subjects());
    };
    stands(&rig);
    rig.stripe.rename_product(&large, "Grand club");
    rig.hours(3).await;
    stands(&rig);
    rig.close().await;
    rig.stripe.rename_product(&large, "Grandest club");
    rig.open().await;
    rig.hours(3).await;
    stands(&rig);
    assert!(why(&rig, "bob").await.contains("Grandest club"), "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_tiers_file_that_is_gone_opens_nothing_to_anybody_also_over_a_restart() {
    let mut rig = Rig::new("tiers-gone").await;
    rig.set("DEFAULT_LIBRARIES", "Movies,TV");
    let basic = rig.stripe.object(&rig.basic);
    rig.set("STRIPE_PRODUCTS", basic["product"].as_str().expect("a product"));
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let file = rig.state().join("tiers.json");
    let text = std::fs::read_to_string(&file).expect("the tiers file");
    std::fs::remove_file(&file).expect("gone");
    rig.minutes(40).await;
    assert_eq!(heard(&rig, "The tiers file has a problem"), 1, "{:?}", rig.operator_subjects());
    // Nor does a start, in whatever state it finds the file.
    for half in [None, Some(""), Some("[{\"name\":")] {
        rig.close().await;
        match half {
            Some(half) => std::fs::write(&file, half).expect("written"),
            None => drop(std::fs::remove_file(&file)),
        }
        rig.open().await;
        rig.hours(2).await;
        assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies], "{half:?}");
    }
    assert_eq!(heard(&rig, "The tiers file has a problem"), 3, "each once: {:?}", rig.operator_subjects());
    let (bob, _) = payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
    assert_eq!(rig.plex.share_of(bob).expect("a share").sections, [rig.movies], "the tiers of before stand");
    std::fs::write(&file, text).expect("back");
    rig.hours(2).await;
    assert_eq!(rig.plex.updates().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_tiers_file_is_given_up_by_emptying_its_list_first() {
    let mut rig = Rig::new("tiers-given-up").await;
    rig.set("DEFAULT_LIBRARIES", "Movies,TV");
    let basic = rig.stripe.object(&rig.basic);
    rig.set("STRIPE_PRODUCTS", basic["product"].as_str().expect("a product"));
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    write(&rig, &json!([]));
    rig.minutes(5).await;
    std::fs::remove_file(rig.state().join("tiers.json")).expect("gone");
    rig.hours(1).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv], "{}", why(&rig, "ann").await);
    assert_eq!(heard(&rig, "The tiers file has a problem"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tiers_file_with_a_byte_order_mark_is_read() {
    let mut rig = Rig::new("tiers-bom").await;
    let file = rig.state().join("tiers.json");
    let text = std::fs::read_to_string(&file).expect("the tiers file");
    std::fs::write(&file, format!("\u{feff}{}\r\n", text.replace('\n', "\r\n"))).expect("written");
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_pays_a_price_of_a_tier_that_was_taken_out_of_the_file_keeps_what_they_have() {
    let mut rig = Rig::new("tier-deleted").await;
    let product = rig.stripe.object(&rig.basic)["product"].as_str().expect("a product").to_owned();
    let gold = rig.stripe.add_price(&product, 2_000, "eur", Some(Interval::Month));
    let tier = |name: &str, price: &str, libraries: &[&str]| json!({ "name": name, "prices": [price], "libraries": libraries });
    let (basic, movies, all) = (rig.basic.clone(), ["Movies"], ["Movies", "TV"]);
    write(&rig, &json!([tier("Basic", &basic, &movies), tier("Gold", &gold, &all)]));
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &gold).await;
    let (bob, _) = payer(&rig, 2_000_002, "bob", &basic).await;
    for left in [tier("Basic", &basic, &movies), tier("Gold", &gold, &all)] {
        write(&rig, &json!([left]));
        rig.hours(3).await;
        assert_eq!(
            rig.plex.share_of(ann).expect("a share").sections,
            [rig.movies, rig.tv],
            "{}",
            why(&rig, "ann").await
        );
        assert_eq!(rig.plex.share_of(bob).expect("a share").sections, [rig.movies], "{}", why(&rig, "bob").await);
        write(&rig, &json!([tier("Basic", &basic, &movies), tier("Gold", &gold, &all)]));
        rig.hours(3).await;
    }
    assert_eq!((rig.plex.updates().len(), holds(&rig).await.len()), (0, 0));
    assert_eq!(heard(&rig, "in no tier"), 2, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}
