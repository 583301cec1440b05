//! Who is who, as members live it (R2): purchases at pages of Stripe's, which
//! makes a new customer for each; and names that more than one person has.

use sandbox::rig::Rig;
use serde_json::json;
use usher::facts::PlexId;

use super::{accept, all_is_well, asked, days, heard, payer, refused, told, unhurried, why};

/// Ann, whose Plex account has `ann@example.com`, pays as `work@example.com`
/// and has taken up the invite that went there.
async fn ann_pays_from_work(rig: &Rig) -> (PlexId, String) {
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("work@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(2).await;
    rig.plex.accept_invite_as("work@example.com", ann).expect("her invite");
    rig.hours(5).await;
    assert!(rig.plex.has_access(ann));
    (ann, sub)
}

/// Ann paid, cancelled, and is out.
async fn ann_was_let_go(rig: &Rig) -> PlexId {
    let (ann, old) = ann_pays_from_work(rig).await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann));
    ann
}

async fn house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..9 {
        let friend = rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        rig.watched(friend, days(1));
    }
    rig.open().await;
    rig
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_upgrades_at_a_page_of_stripes_is_never_removed() {
    let rig = house("buys-anew").await;
    let (ann, old) = ann_pays_from_work(&rig).await;
    let customer = rig.stripe.customer("work@example.com", "Ann");
    let new = rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(5).await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.days(5).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!((rig.plex.deletions().len(), rig.plex.invites_sent().len()), (0, 1));
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections.len(), 2, "what she pays for now");
    rig.stripe.cancel_now(&new, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_buys_anew_only_just_in_time_is_never_removed() {
    let mut rig = house("buys-in-time").await;
    let (ann, old) = ann_pays_from_work(&rig).await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.hours(23).await;
    rig.minutes(50).await;
    rig.close().await;
    let customer = rig.stripe.customer("work@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.open().await;
    rig.days(4).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!((rig.plex.deletions().len(), rig.plex.invites_sent().len()), (0, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_may_be_a_payer_waits_until_the_operator_says_that_they_are_not() {
    let rig = house("may-be-a-payer").await;
    let (ann, old) = ann_pays_from_work(&rig).await;
    // Nothing proves that this is she: it is her Plex address, and her share is older.
    rig.stripe.cancel_now(&old, "cancellation_requested");
    let customer = rig.stripe.customer("zed@example.com", "Zed");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    rig.stripe.change_email(&customer, "work@example.com");
    rig.days(5).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let commands = [format!("--stripe {customer}"), "--plex".to_owned()];
    let asking = mails.iter().filter(|mail| commands.iter().all(|part| mail.text().contains(part)));
    assert_eq!(asking.count(), 1, "{:?}", rig.operator_subjects());
    let said = asked(&rig, json!({ "ask": "unlink", "who": "ann", "stripe": customer })).await;
    assert!(said.contains("ann@example.com") && said.contains("m-"), "{said}");
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_letter_about_an_invite_names_the_address_to_which_plex_wrote() {
    let rig = house("names-the-address").await;
    let ann = ann_was_let_go(&rig).await;
    let customer = rig.stripe.customer("work@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert!(rig.plex.pending_of(ann).is_some(), "invited by the account that is known");
    assert_eq!(told(&rig, "ann", "invitation"), 1, "{:?}", rig.subjects_to("ann"));
    let mails = rig.smtp.received_for("ann@example.com");
    let letter = mails.iter().rfind(|mail| mail.subject.contains("invitation")).expect("a letter");
    assert!(
        letter.text().contains("ann@example.com") && !letter.text().contains("work@example.com"),
        "{}",
        letter.text()
    );
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_meant_by_a_title_who_has_a_username_and_of_two_gretas_none_is_taken() {
    let mut rig = Rig::new("names").await;
    unhurried(&mut rig, 4);
    let greta = rig.old_friend(2_000_001, "greta", 400);
    let zed = rig.old_friend(2_000_002, "zed", 400);
    let other = rig.old_friend(2_000_003, "third", 400);
    rig.plex.with_account(zed, |zed| zed.title = "ann".to_owned());
    rig.plex.with_account(other, |other| (other.username, other.title) = (String::new(), "Greta".to_owned()));
    rig.open().await;
    rig.hours(1).await;
    let (status, _) = rig.api("GET", "/api/access?member=ann", "").await;
    assert_eq!(status, 403, "a stranger's title");
    let refusal = refused(&rig, json!({ "ask": "revoke", "who": "greta" })).await;
    for part in ["greta@example.com", "third@example.com", "m-"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    let page = rig.get("/api/members").await;
    for row in page["json"]["members"].as_array().expect("rows") {
        let name = row["name"].as_str().expect("a name");
        let looked = rig.get(&format!("/api/why?who={}", sandbox::wire::url_encoded(name))).await;
        assert_eq!(looked["json"]["member"], row["id"], "{name}: {looked}");
        assert!(page["text"].as_str().expect("text").contains(name), "{page}");
    }
    let said = asked(&rig, json!({ "ask": "revoke", "who": greta.to_string() })).await;
    assert!(said.contains("greta@example.com") && said.contains("m-"), "{said}");
    rig.hours(1).await;
    assert!(!rig.plex.has_access(greta) && rig.plex.has_access(other) && rig.plex.has_access(zed));
    assert_eq!(heard(&rig, "ann"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_has_a_payers_address_by_now_keeps_their_share_when_that_payers_invite_is_taken_back() {
    let rig = house("address-handed-on").await;
    let eve = rig.old_friend(2_000_066, "eve", 100);
    rig.hours(3).await;
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    rig.plex.with_account(eve, |eve| eve.email = "bob@example.com".into());
    rig.hours(5).await;
    assert!(!why(&rig, "2000066").await.contains(&format!("{sub}: active")), "{}", why(&rig, "2000066").await);
    assert!(rig.plex.pending_of("bob@example.com").is_some());
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.has_access(eve), "{}", why(&rig, "2000066").await);
    assert!(rig.plex.shares().iter().all(|share| share.accepted_at.is_some()), "his is taken back");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_of_a_household_with_one_address_nobody_goes_while_nobody_knows_who_bought_anew() {
    let rig = house("household").await;
    let ann = rig.person(2_000_001, "ann");
    let bob = rig.person(2_000_002, "bob");
    let one = rig.stripe.customer("home@example.com", "Ann");
    let first = rig.stripe.subscribe(&one, &rig.basic);
    rig.minutes(3).await;
    rig.plex.accept_invite_as("home@example.com", ann).expect("invite");
    rig.hours(5).await;
    let two = rig.stripe.customer("home@example.com", "Bob");
    let second = rig.stripe.subscribe(&two, &rig.basic);
    rig.hours(2).await;
    asked(&rig, json!({ "ask": "unlink", "who": "ann", "stripe": two })).await;
    rig.minutes(5).await;
    asked(&rig, json!({ "ask": "link", "who": two, "plex": "2000002" })).await;
    rig.minutes(10).await;
    rig.plex.accept_invite(bob).expect("invite");
    rig.hours(5).await;
    // One of the two buys anew: nobody knows which; neither may be removed.
    let three = rig.stripe.customer("home@example.com", "Home");
    rig.stripe.subscribe(&three, &rig.basic);
    rig.minutes(5).await;
    rig.stripe.cancel_now(&first, "cancellation_requested");
    rig.stripe.cancel_now(&second, "cancellation_requested");
    rig.days(5).await;
    assert!(
        rig.plex.has_access(bob) && rig.plex.has_access(ann),
        "{}\n{}",
        why(&rig, "bob").await,
        why(&rig, "ann").await
    );
    asked(&rig, json!({ "ask": "link", "who": "ann", "stripe": three })).await;
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(!rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_paid_for_another_and_then_buys_for_themselves_is_not_taken_for_the_other() {
    let rig = house("paid-for-another").await;
    let bob = rig.old_friend(2_000_002, "bob", 400);
    let ann = rig.person(2_000_001, "ann");
    rig.watched(bob, days(1));
    rig.hours(2).await;
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(2).await;
    asked(&rig, json!({ "ask": "unlink", "who": "bob" })).await;
    asked(&rig, json!({ "ask": "link", "who": customer, "plex": "2000001" })).await;
    rig.minutes(10).await;
    rig.plex.accept_invite(ann).expect("hers");
    rig.hours(5).await;
    let own = rig.stripe.customer("bob@example.com", "Bob");
    rig.stripe.subscribe(&own, &rig.premium);
    rig.hours(3).await;
    assert_eq!(heard(&rig, "could be 2 people"), 1, "{:?} {}", rig.operator_subjects(), why(&rig, "ann").await);
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    asked(&rig, json!({ "ask": "link", "who": "bob", "stripe": own })).await;
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    assert!(rig.plex.share_of(bob).unwrap().settings.allow_sync);
    all_is_well(&rig);
}

/// Ann was revoked, and somebody pays anew with the address of her Plex account,
/// under which nobody had paid before. The customer.
async fn revoked_and_pays_anew(rig: &Rig) -> String {
    ann_pays_from_work(rig).await;
    asked(rig, json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await;
    rig.hours(3).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{}", why(rig, &customer).await);
    assert_eq!(heard(rig, "may be ann, whom you revoked"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(rig, "was removed"), 1, "{:?}", rig.operator_subjects());
    customer
}

/// An invite would be taken up by the account that was revoked, and removed in the
/// same pass.
#[tokio::test(start_paused = true)]
async fn who_is_revoked_and_pays_anew_with_the_address_of_her_account_is_not_invited_before_the_operator_says_so() {
    let rig = house("revoked-pays-anew").await;
    let customer = revoked_and_pays_anew(&rig).await;
    asked(&rig, json!({ "ask": "link", "who": "ann", "stripe": customer })).await;
    rig.hours(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{}", why(&rig, "ann").await);
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.minutes(5).await;
    rig.plex.accept_invite(PlexId(2_000_001));
    rig.days(3).await;
    assert!(rig.plex.has_access(PlexId(2_000_001)), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_only_shares_an_address_with_somebody_revoked_is_invited_when_the_operator_says_so() {
    let rig = house("not-the-revoked").await;
    let customer = revoked_and_pays_anew(&rig).await;
    asked(&rig, json!({ "ask": "unlink", "who": "ann", "stripe": customer })).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{}", why(&rig, &customer).await);
    all_is_well(&rig);
}

/// Her invite went to her account, so Plex refuses one to her address.
#[tokio::test(start_paused = true)]
async fn who_pays_with_the_address_of_an_account_that_is_invited_already_is_told_with_the_command_that_links_them() {
    let rig = house("invited-as-an-account").await;
    let ann = ann_was_let_go(&rig).await;
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.minutes(5).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.hours(3).await;
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let told = mails.iter().filter(|mail| mail.subject.contains("pays and can't be let in"));
    let told: Vec<String> = told.map(|mail| mail.text()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let id = rig.get("/api/why?who=ann").await["json"]["member"].as_str().expect("an id").to_owned();
    let command = format!("`usher link {id} --stripe {customer}`");
    assert!(told[0].contains(&command), "{}", told[0]);
    asked(&rig, json!({ "ask": "link", "who": id, "stripe": customer })).await;
    rig.plex.accept_invite(ann);
    rig.days(2).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections.len(), 2, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

/// The second came after the book was copied, and their addresses at Plex were
/// swapped since: what shows whose money it is was only in the newer book.
#[tokio::test(start_paused = true)]
async fn two_who_swapped_addresses_get_nothing_of_each_other_when_an_old_book_is_put_back() {
    let mut rig = Rig::new("swapped-old-book").await;
    unhurried(&mut rig, 1);
    for n in 0..9 {
        let friend = rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        rig.watched(friend, days(1));
    }
    rig.open().await;
    let (ann, anns) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(5).await;
    rig.close().await;
    let file = rig.state().join("state.json");
    let old = std::fs::read(&file).expect("the book");
    rig.open().await;
    let (bob, bobs) = payer(&rig, 2_000_002, "bob", &rig.premium.clone()).await;
    rig.hours(5).await;
    rig.plex.swap_addresses(ann, bob);
    rig.days(2).await;
    rig.close().await;
    std::fs::write(&file, old).expect("put back");
    let invites = rig.plex.invites_sent().len();
    rig.open().await;
    rig.days(1).await;
    accept(&rig, "state").await;
    rig.days(3).await;
    let sections = |account| rig.plex.share_of(account).map(|share| share.sections.len());
    assert_eq!((sections(ann), sections(bob)), (Some(1), Some(2)), "{}", why(&rig, "2000001").await);
    assert_eq!(heard(&rig, "pays, and could be ann"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(rig.plex.invites_sent().len(), invites);
    // Her own subscription ends: as long as Bob's may be hers, she stays.
    rig.stripe.cancel_now(&anns, "cancellation_requested");
    rig.days(4).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "2000001").await);
    let bobs_customer = rig.stripe.object(&bobs)["customer"].as_str().expect("a customer").to_owned();
    asked(&rig, json!({ "ask": "link", "who": "2000002", "stripe": bobs_customer })).await;
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "2000001").await);
    assert_eq!(sections(bob), Some(2), "{}", why(&rig, "2000002").await);
    rig.stripe.cancel_now(&bobs, "cancellation_requested");
    rig.days(4).await;
    assert!(!rig.plex.has_access(bob), "{}", why(&rig, "2000002").await);
    all_is_well(&rig);
}
