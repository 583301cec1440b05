//! A Plex account that is deleted, and one that is made anew under the same
//! address (R2, R6): the number is another, the person is the same. And an
//! address that is somebody else's by now, while the account lives: two people.

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching, Rule};
use sandbox::rig::{OPERATOR, Rig, address};
use sandbox::smtp::Received;
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, asked, heard, payer, say, told, unhurried, why};

/// How what is done at plex.tv shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plex {
    Well,
    /// Its listings lag behind.
    Lags,
    /// Its listings name no addresses.
    HidesAddresses,
    /// The answer to the invite is lost, though it was made.
    LosesTheAnswer,
    /// Only its older listing can be read, with numbers of its own.
    IsOld,
    /// Who was a friend before is let in at once.
    LetsFriendsInAtOnce,
}

const EVERY_WAY: [Plex; 6] =
    [Plex::Well, Plex::Lags, Plex::HidesAddresses, Plex::LosesTheAnswer, Plex::IsOld, Plex::LetsFriendsInAtOnce];

/// Ann's account of before, and the one that she makes anew.
const ANN: PlexId = PlexId(2_000_018);
const ANEW: PlexId = PlexId(2_000_777);

fn invites() -> Matching {
    Matching::WritesOf("/api/v2/shared_servers".into())
}

/// So many others are in, for whom nothing changes.
const FRIENDS: usize = 4;

async fn house(name: &str) -> Rig {
    opened(Rig::new(name).await).await
}

/// The same for stories that last for days: plex.tv is asked each ten minutes.
async fn unhurried_house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.set("CHECK_NEW_USERS_SECS", "600");
    opened(rig).await
}

/// The friends are in, and the daemon runs.
async fn opened(mut rig: Rig) -> Rig {
    for n in 0..FRIENDS {
        rig.old_friend(2_000_101 + n as u64, &format!("friend{n}"), 400);
    }
    rig.open().await;
    rig
}

/// Ann pays and is in; then she deletes her Plex account, and that is seen.
async fn ann_deletes_her_account(name: &str) -> (Rig, String) {
    let rig = unhurried_house(name).await;
    let (ann, sub) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    assert!(rig.plex.has_access(ann));
    rig.hours(2).await;
    rig.plex.delete_account(ann);
    rig.hours(1).await;
    (rig, sub)
}

/// She has a new account under the same address.
fn signs_up_anew(rig: &Rig, plex: Plex) {
    rig.person(ANEW.0, "ann");
    match plex {
        Plex::Well => {}
        Plex::Lags => rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(110)),
        Plex::HidesAddresses => rig.plex.with_account(ANEW, |account| account.email_hidden = true),
        // The first try is the one to the account of before, and is refused.
        Plex::LosesTheAnswer => {
            rig.plex.faults().add(Rule::new(invites(), Fault::EffectThenDrop).skip(1).times(1));
        }
        Plex::IsOld => {
            rig.plex.switch(|switches| switches.v1_ids_differ = true);
            let v2 = Matching::when(|request| request.path.contains("/api/v2/shared_servers/owned"));
            rig.plex.faults().always(v2, Fault::status(410));
        }
        Plex::LetsFriendsInAtOnce => {
            rig.plex.befriend(ANEW);
            rig.plex.switch(|switches| switches.friends_accept_at_once = true);
        }
    }
}

/// How many members there are besides the friends.
async fn members(rig: &Rig) -> usize {
    let page = rig.get("/api/members").await;
    page["json"]["members"].as_array().map_or(0, Vec::len) - FRIENDS
}

/// She was invited once more, was told so, has taken it up, and is who she was.
async fn ann_comes_back(rig: &Rig, what: &str, plex: Plex) {
    rig.minutes(15).await;
    let letters = || format!("{what}: {:?} {:?}", rig.subjects_to("ann"), rig.operator_subjects());
    if plex != Plex::LetsFriendsInAtOnce {
        assert!(rig.plex.pending_of(ANEW).is_some(), "{}", letters());
        assert_eq!(told(rig, "ann", "invitation"), 2, "{}", letters());
        rig.plex.accept_invite(ANEW).expect("her invite");
        rig.minutes(15).await;
    }
    assert!(rig.plex.has_access(ANEW), "{}", letters());
    assert_eq!(rig.plex.invites_sent().len(), 2, "{what}");
    assert_eq!(heard(rig, "in vain") + heard(rig, "can't be let in"), 0, "{}", letters());
    assert_eq!(members(rig).await, 1, "{what}: {}", rig.get("/api/members").await["text"]);
    let why = why(rig, &ANEW.to_string()).await;
    assert!(!why.contains("by hand"), "{what}: {why}");
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_makes_a_new_plex_account_and_buys_anew_is_in_as_who_they_were() {
    for plex in EVERY_WAY {
        let what = format!("{plex:?}");
        let (rig, old) = ann_deletes_her_account(&format!("anew-{what}")).await;
        rig.stripe.cancel_now(&old, "cancellation_requested");
        rig.hours(30).await;
        signs_up_anew(&rig, plex);
        let customer = rig.stripe.customer(&address("ann"), "ann");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        ann_comes_back(&rig, &what, plex).await;
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.days(2).await;
        assert!(!rig.plex.has_access(ANEW), "{what}: {}", why(&rig, "ann").await);
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn promise_04_who_makes_a_new_plex_account_and_still_pays_is_back_when_restored() {
    let (mut rig, _) = ann_deletes_her_account("anew-restored").await;
    signs_up_anew(&rig, Plex::Lags);
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    // The daemon ends between the second invite and the listing that shows it.
    for _ in 0..600 {
        if rig.plex.pending_of(ANEW).is_some() {
            break;
        }
        rig.pass(std::time::Duration::from_secs(1)).await;
    }
    assert!(rig.plex.pending_of(ANEW).is_some(), "{:?}", rig.operator_subjects());
    rig.pull_the_plug().await;
    rig.open().await;
    ann_comes_back(&rig, "restored", Plex::Lags).await;
    rig.days(3).await;
    assert!(rig.plex.has_access(ANEW), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_03_whose_access_is_for_good_keeps_it_with_a_new_plex_account_when_the_subscription_ends() {
    let mut rig = house("anew-for-good").await;
    let (ann, _) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    asked(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Basic" })).await;
    rig.hours(2).await;
    rig.plex.delete_account(ann);
    rig.hours(1).await;
    signs_up_anew(&rig, Plex::Well);
    let customer = rig.stripe.customer(&address("ann"), "ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    ann_comes_back(&rig, "for good", Plex::Well).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    unhurried(&mut rig, 4);
    rig.close().await;
    rig.open().await;
    rig.days(5).await;
    assert!(rig.plex.has_access(ANEW), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_to_a_new_plex_account_that_is_taken_back_in_plex_is_that_members() {
    let (rig, old) = ann_deletes_her_account("anew-taken-back").await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.hours(30).await;
    signs_up_anew(&rig, Plex::Well);
    let customer = rig.stripe.customer(&address("ann"), "ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(15).await;
    assert!(rig.plex.remove_share_by_hand(ANEW), "{:?}", rig.operator_subjects());
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "it isn't made again by itself");
    assert_eq!(members(&rig).await, 1, "{}", rig.get("/api/members").await["text"]);
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.minutes(15).await;
    rig.plex.accept_invite(ANEW).expect("her invite");
    rig.minutes(15).await;
    assert!(rig.plex.has_access(ANEW) && members(&rig).await == 1, "{}", rig.get("/api/members").await["text"]);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn whose_new_plex_account_was_somebody_here_before_is_one_with_them() {
    let rig = house("anew-two").await;
    rig.person(ANEW.0, "annie");
    rig.plex.share_with(ANEW, &[rig.movies], rig.now() - TimeDelta::days(400));
    let (ann, _) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    rig.plex.leave(ANEW);
    rig.hours(2).await;
    rig.plex.delete_account(ann);
    rig.plex.with_account(ANEW, |account| account.email = address("ann").to_string());
    rig.hours(1).await;
    asked(&rig, json!({ "ask": "restore", "who": ANN.to_string() })).await;
    rig.minutes(15).await;
    assert_eq!(told(&rig, "ann", "invitation"), 2, "{:?}", rig.operator_subjects());
    rig.plex.accept_invite(ANEW).expect("her invite");
    rig.hours(1).await;
    assert_eq!(members(&rig).await, 1, "{}", rig.get("/api/members").await["text"]);
    assert!(why(&rig, &ANEW.to_string()).await.contains("sub_"), "{}", why(&rig, "annie").await);
    all_is_well(&rig);
}

/// The operator is quicker than Usher: nobody has met a 404 for the old account yet.
#[tokio::test(start_paused = true)]
async fn promise_04_who_is_let_in_by_hand_with_a_new_plex_account_while_they_pay_is_never_removed() {
    for asks in [true, false] {
        let mut rig = Rig::new(&format!("anew-by-hand-{asks}")).await;
        unhurried(&mut rig, 4);
        if asks {
            rig.set("UNMANAGED", "require-subscription");
        }
        let rig = opened(rig).await;
        let (ann, sub) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
        rig.hours(9).await;
        rig.plex.delete_account(ann);
        rig.days(1).await;
        signs_up_anew(&rig, Plex::Well);
        rig.plex.share_with(ANEW, &[rig.movies], rig.now());
        rig.watched(ANEW, TimeDelta::minutes(5));
        rig.days(2).await;
        say(&rig, "approve", &["all"]).await;
        rig.days(68).await;
        let what = format!("{asks}: {:?} {:?}", rig.subjects_to("ann"), rig.operator_subjects());
        assert!(rig.plex.has_access(ANEW), "{what}");
        assert_eq!(told(&rig, "ann", "Still with us") + told(&rig, "ann", "subscribe"), 0, "{what}");
        let customer = rig.stripe.customer_of(&address("ann")).expect("her customer");
        let says = |mail: &Received| mail.text().contains("usher link") && mail.text().contains(&customer);
        assert!(rig.smtp.received_for(OPERATOR).iter().any(says), "{what}");
        assert!(why(&rig, &ANN.to_string()).await.contains(&sub), "she is still who pays");
        all_is_well(&rig);
    }
}

/// A 404 may speak of a library, or of nothing: her account lives.
#[tokio::test(start_paused = true)]
async fn whose_plex_account_lives_stays_that_account_though_plex_says_404_once() {
    let rig = house("anew-404").await;
    let (ann, old) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann));
    let unknown = r#"{"errors":[{"code":1002,"message":"Not found","status":404}]}"#;
    rig.plex.faults().once(invites(), Fault::says(404, unknown));
    let customer = rig.stripe.customer(&address("ann"), "ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(15).await;
    assert_eq!(told(&rig, "ann", "invitation"), 2, "{:?}", rig.operator_subjects());
    rig.plex.accept_invite(ANN).expect("her invite");
    rig.minutes(15).await;
    assert!(rig.plex.has_access(ann) && members(&rig).await == 1, "{}", rig.get("/api/members").await["text"]);
    let why = why(&rig, &ann.to_string()).await;
    assert!(!why.contains("by hand"), "{why}");
    all_is_well(&rig);
}

/// Her account lives and is refused for another cause; her address is Eve's by now.
#[tokio::test(start_paused = true)]
async fn whose_address_is_somebody_elses_by_now_is_not_taken_for_them() {
    let rig = unhurried_house("anew-eve").await;
    let (ann, old) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&old, "cancellation_requested");
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann));
    let eve = rig.person(2_000_066, "eve");
    rig.plex.swap_addresses(ann, eve);
    let no = r#"{"errors":[{"code":1010,"message":"This account can't be shared with","status":422}]}"#;
    rig.plex.faults().once(invites(), Fault::says(422, no));
    let customer = rig.stripe.customer(&address("ann"), "ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(20).await;
    if rig.plex.pending_of(eve).is_some() {
        rig.plex.accept_invite(eve);
    }
    rig.hours(1).await;
    let of_eve = why(&rig, &eve.to_string()).await;
    assert!(!of_eve.contains("by hand") && !of_eve.contains("Plex account 2000018"), "{of_eve}");
    assert!(why(&rig, &ann.to_string()).await.contains(&sub), "Ann stays who she is");
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(eve), "over with what it was made for: {}", why(&rig, &eve.to_string()).await);
    all_is_well(&rig);
}

/// Sam took up an invite that had gone to Ann's account, long before she deleted it.
#[tokio::test(start_paused = true)]
async fn who_took_up_an_invite_of_hers_is_not_taken_for_her_when_her_account_is_gone() {
    let mut rig = unhurried_house("took-hers-up").await;
    let (ann, second) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    let (sam, first) = payer(&rig, 2_000_019, "sam", &rig.basic.clone()).await;
    rig.hours(2).await;
    rig.stripe.cancel_now(&first, "cancellation_requested");
    rig.stripe.cancel_now(&second, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann) && !rig.plex.has_access(sam));
    let customer = rig.stripe.customer(&address("ann"), "ann");
    let third = rig.stripe.subscribe(&customer, &rig.basic.clone());
    rig.hours(1).await;
    rig.close().await;
    rig.plex.accept_invite_as(ann, sam).expect("an invite to her account");
    rig.minutes(30).await;
    let customer = rig.stripe.customer(&address("sam"), "sam");
    rig.stripe.subscribe(&customer, &rig.basic.clone());
    rig.open().await;
    rig.hours(2).await;
    rig.stripe.cancel_now(&third, "cancellation_requested");
    rig.days(3).await;
    rig.plex.delete_account(ann);
    let customer = rig.stripe.customer(&address("ann"), "ann");
    let fourth = rig.stripe.subscribe(&customer, &rig.basic.clone());
    rig.hours(3).await;
    assert!(rig.plex.pending_of(address("ann").as_str()).is_some(), "{}", why(&rig, &address("ann")).await);
    let hers = why(&rig, &fourth).await;
    assert!(!why(&rig, &sam.to_string()).await.contains(&fourth) && hers.contains("invited"), "{hers}");
    signs_up_anew(&rig, Plex::Well);
    rig.plex.accept_invite(address("ann").as_str()).expect("her invite");
    rig.days(2).await;
    assert!(rig.plex.has_access(ANEW), "{}", why(&rig, &fourth).await);
    assert!(rig.plex.has_access(sam), "{}", why(&rig, &sam.to_string()).await);
    all_is_well(&rig);
}
