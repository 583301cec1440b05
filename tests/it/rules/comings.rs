//! R6, R8: what listings and looks show of comings and goings, in any order,
//! with our own calls among them.

use chrono::TimeDelta;
use usher::facts::{PlexId, Share, ShareId, ShareLook, ShareState, Whom};
use usher::ledger::{Act, Grant, GrantKind, IntentState, Letter, Member, Population};
use usher::member::MemberId;
use usher::policy::comings;
use usher::policy::{FreeCode, asks};
use usher::secret::Secret;

use super::house::{House, MOVIES, TV, days};

/// Five friends by hand, accounts 200 to 204, rows 10 to 14.
fn friends() -> House {
    let mut house = House::new();
    for n in 0..5 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.settle();
    house
}

fn id_of(house: &House, account: u64) -> MemberId {
    house.member(account).id.clone()
}

fn member<'a>(house: &'a mut House, id: &MemberId) -> &'a mut Member {
    house.book.members.get_mut(id).unwrap()
}

/// A look at one person, begun then, that shows these rows.
fn look(house: &mut House, id: &MemberId, begun: TimeDelta, shares: Vec<Share>) {
    let begun = house.now + begun;
    let look = ShareLook { begun, whom: Whom::default(), shares, elsewhere: false, home: false, sections: None };
    comings::fold_look(house.now, &house.rules, &mut house.world, &mut house.book, id, &look);
}

/// The end of this member's share was decided; `tries` times it was tried.
fn our_end(house: &mut House, account: u64, tries: u32) {
    let id = id_of(house, account);
    member(house, &id).blocked = Some(house.now);
    house.decide();
    let intent = house.book.intents.values_mut().find(|intent| intent.member == id).unwrap();
    assert!(matches!(intent.act, Act::End { .. }));
    intent.tries = tries;
    if tries > 0 {
        intent.state = IntentState::Attempted { at: house.now };
    }
}

fn kinds(member: &Member) -> Vec<GrantKind> {
    member.grants.iter().map(|grant| grant.kind).collect()
}

/// What the operator heard of this kind, in words, the newest last.
fn how(house: &House, kind: &str) -> Vec<String> {
    let said = house.letters(kind).into_iter().map(|key| &house.book.outbox[key].letter);
    said.filter_map(|letter| match letter {
        Letter::Joined { how, .. } | Letter::Departed { how, .. } => Some(how.clone()),
        _ => None,
    })
    .collect()
}

#[test]
fn a_look_changes_the_one_person_it_is_about_at_once() {
    let mut house = friends();
    let ann = id_of(&house, 200);
    let mut row = house.row(10).clone();
    row.sections.insert(TV);
    look(&mut house, &ann, TimeDelta::zero(), vec![row]);
    let opens = |house: &House, account| house.member(account).share.as_ref().unwrap().row.sections.len();
    assert_eq!((opens(&house, 200), opens(&house, 201)), (2, 1));
}

#[test]
fn of_two_rows_in_one_look_the_accepted_one_is_theirs() {
    let mut house = friends();
    let ann = id_of(&house, 200);
    let accepted = house.row(10).clone();
    let mut invite = Share { id: ShareId(5), ..accepted.clone() };
    invite.state = ShareState::Pending { invited_at: Some(house.now) };
    look(&mut house, &ann, TimeDelta::zero(), vec![invite, accepted]);
    assert!(house.member(200).has_access());
    assert_eq!(house.book.members.len(), 5, "nobody is new");
}

#[test]
fn a_look_that_shows_nobody_ends_only_what_we_ended() {
    let mut house = friends();
    our_end(&mut house, 200, 1);
    for account in [200, 201] {
        let id = id_of(&house, account);
        look(&mut house, &id, TimeDelta::seconds(1), vec![]);
    }
    assert!(house.member(200).gone.as_ref().is_some_and(|gone| gone.by_us));
    assert!(house.member(201).has_access(), "one look is no departure");
}

#[test]
fn what_we_ended_and_a_look_still_shows_is_not_gone_yet() {
    let mut house = friends();
    our_end(&mut house, 200, 1);
    let (ann, row) = (id_of(&house, 200), house.row(10).clone());
    look(&mut house, &ann, TimeDelta::seconds(1), vec![row]);
    assert!(house.member(200).has_access() && house.member(200).gone.is_none());
}

#[test]
fn a_listing_that_was_begun_before_a_look_does_not_undo_it() {
    let mut house = friends();
    let (ann, bob) = (id_of(&house, 200), id_of(&house, 201));
    for (id, number) in [(&ann, 10), (&bob, 11)] {
        let mut row = house.row(number).clone();
        row.sections.insert(TV);
        look(&mut house, id, TimeDelta::seconds(1), vec![row]);
    }
    house.unshare(11); // The listing doesn't have him at all.
    house.read();
    assert_eq!(house.member(200).share.as_ref().unwrap().row.sections.len(), 2);
    assert_eq!(house.member(201).missing_since, None);
    // One that was begun at the same instant is as good as the look.
    house.later(TimeDelta::seconds(1));
    house.read();
    assert_eq!(house.member(200).share.as_ref().unwrap().row.sections.len(), 1);
    assert_eq!(house.member(201).missing_since, Some(house.now));
}

#[test]
fn a_share_that_goes_before_we_tried_was_not_taken_by_us() {
    let mut house = friends();
    our_end(&mut house, 200, 0);
    house.unshare(10);
    house.read();
    assert_eq!((house.member(200).has_access(), house.book.removals.len()), (true, 0));
    house.later(TimeDelta::minutes(10));
    house.read();
    assert!(house.member(200).gone.as_ref().is_some_and(|gone| !gone.by_us));
}

#[test]
fn what_we_ended_is_ours_also_when_its_number_comes_again_for_somebody_else() {
    let mut house = friends();
    our_end(&mut house, 200, 1);
    house.unshare(10);
    house.later(TimeDelta::seconds(15));
    house.share(10, 300, "zoe", &[MOVIES], days(0));
    house.read();
    assert!(house.member(300).has_access());
    assert!(house.member(200).gone.as_ref().is_some_and(|gone| gone.by_us), "{:?}", house.member(200).journal);
}

#[test]
fn whoever_goes_by_themselves_loses_what_was_by_hand_and_keeps_what_was_granted() {
    let mut house = friends();
    let ann = id_of(&house, 200);
    let granted = Grant::new(GrantKind::Grandfathered, house.now);
    member(&mut house, &ann).grants.push(granted);
    let row = house.row(10).clone();
    house.unshare(10);
    house.read();
    house.later(TimeDelta::minutes(10));
    house.read();
    assert_eq!(kinds(house.member(200)), [GrantKind::Grandfathered]);
    // The very same share is back: so is what was by hand, and nothing twice.
    house.friends.shares.push(row);
    house.read();
    assert_eq!(kinds(house.member(200)), [GrantKind::Grandfathered, GrantKind::ByHand]);
}

#[test]
fn a_share_that_is_made_anew_in_plex_stays_one_reason() {
    let mut house = friends();
    house.unshare(10);
    house.share(60, 200, "friend0", &[MOVIES, TV], days(0));
    house.read();
    assert_eq!(kinds(house.member(200)), [GrantKind::ByHand]);
    assert!(house.letters("departed").is_empty());
}

/// Ann came for 30 days, by a free code: invited by us, taken up or not.
fn with_code(taken_up: bool) -> (House, u64) {
    let mut house = friends();
    house.rules.free_tier = Some("Basic".into());
    house.rules.free_codes = vec![FreeCode { code: Secret::new("film"), uses: 5, until: None, days: Some(30) }];
    let ask = asks::Ask::Redeem { email: "ann@example.com".into(), code: "film".into() };
    let hearing = asks::Hearing { now: house.now, rules: &house.rules, world: &house.world };
    asks::carry_out(hearing, &mut house.book, &ask).unwrap();
    house.settle();
    house.carry_out();
    let invite = house.friends.shares.last().unwrap().id.0;
    if taken_up {
        house.accept(invite, 300, "ann");
        house.settle();
    }
    (house, invite)
}

#[test]
fn an_invite_that_gets_another_number_when_it_is_taken_up_is_no_share_by_hand() {
    let (mut house, invite) = with_code(false);
    house.unshare(invite);
    house.share(77, 300, "ann", &[MOVIES], days(0));
    house.settle();
    assert_eq!(kinds(house.member(300)), [GrantKind::Complimentary], "or she would stay for ever");
    assert!(house.member(300).grants[0].until.is_some());
}

#[test]
fn what_the_operator_shares_anew_with_somebody_whom_we_let_in_is_by_hand() {
    let (mut house, invite) = with_code(true);
    house.unshare(invite);
    house.share(77, 300, "ann", &[MOVIES, TV], days(0));
    house.settle();
    assert_eq!(kinds(house.member(300)), [GrantKind::Complimentary, GrantKind::ByHand]);
}

#[test]
fn an_invite_that_is_taken_back_excuses_nobodys_absence() {
    let (mut house, invite) = with_code(false);
    house.later(days(15));
    house.settle();
    house.carry_out();
    assert!(house.friends.shares.iter().all(|row| row.id.0 != invite), "it lapsed");
    assert!(house.book.explained.iter().all(|explained| explained.population != Population::Friends));
}

/// Ann pays and is invited by her address; plex.tv's answer was lost.
fn invite_is_out() -> (House, MemberId) {
    let mut house = friends();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let ann = house.payer("ann").id.clone();
    let now = house.now;
    let intent = house.book.intents.values_mut().find(|intent| intent.member == ann).unwrap();
    (intent.state, intent.tries) = (IntentState::Attempted { at: now }, 1);
    (house, ann)
}

/// A row that names neither an address nor an account.
fn nameless(house: &mut House, number: u64) {
    house.invite(number, "nobody", &[MOVIES]);
    house.row(number).email = None;
}

#[test]
fn a_nameless_invite_is_that_of_the_only_one_who_awaits_one() {
    let (mut house, ann) = invite_is_out();
    nameless(&mut house, 70);
    house.read();
    assert_eq!(house.book.members[&ann].share.as_ref().map(|share| share.row.id), Some(ShareId(70)));
    assert!(house.book.members[&ann].made.contains(&ShareId(70)));
}

#[test]
fn an_invite_for_somebody_else_is_not_taken_for_the_one_that_is_out() {
    let (mut house, ann) = invite_is_out();
    house.invite(70, "bob", &[MOVIES]);
    house.share(71, 301, "cleo", &[MOVIES], days(0));
    house.row(71).email = None;
    house.read();
    assert_eq!(house.book.members[&ann].share, None);
    assert_eq!(house.book.members.len(), 8, "five friends, Ann, Bob and Cleo");
    assert_eq!(kinds(house.member(301)), [GrantKind::ByHand]);
}

#[test]
fn an_invite_that_was_never_tried_awaits_no_row() {
    let (mut house, ann) = invite_is_out();
    house.book.intents.values_mut().for_each(|intent| (intent.state, intent.tries) = (IntentState::Decided, 0));
    nameless(&mut house, 70);
    house.read();
    assert_eq!(house.book.members[&ann].share, None, "the operator made it, for whomever");
}

#[test]
fn whoever_has_an_account_awaits_no_nameless_row() {
    let (mut house, ann) = invite_is_out();
    member(&mut house, &ann).plex = Some(PlexId(300));
    let account = usher::ledger::InviteTo::Account(PlexId(300));
    house.book.intents.values_mut().for_each(|intent| match &mut intent.act {
        Act::Invite { to, .. } => *to = account.clone(),
        _ => panic!(),
    });
    nameless(&mut house, 70);
    house.invite(72, "bob", &[MOVIES]);
    house.row(72).account = Some(PlexId(302));
    house.read();
    assert_eq!(house.book.members[&ann].share, None);
    house.invite(71, "somebody", &[MOVIES]);
    house.row(71).account = Some(PlexId(300));
    house.read();
    assert_eq!(house.book.members[&ann].share.as_ref().map(|share| share.row.id), Some(ShareId(71)));
}

#[test]
fn a_share_under_the_payers_address_that_came_after_the_payment_proves_nothing() {
    let mut house = friends();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let ann = house.payer("ann").id.clone();
    house.share(70, 300, "ann", &[MOVIES], days(0));
    house.read();
    assert_eq!(house.payer("ann").plex, None);
    assert_ne!(house.member(300).id, ann);
}

#[test]
fn an_invite_that_the_operator_makes_for_a_payer_is_the_payers() {
    let mut house = friends();
    house.subscribe("sub_1", "ann", "price_basic");
    house.read();
    house.invite(70, "ann", &[MOVIES]);
    house.settle();
    assert_eq!(house.payer("ann").share.as_ref().map(|share| share.row.id), Some(ShareId(70)));
    assert!(house.payer("ann").grants.is_empty(), "it is for the subscription, and ends with it");
    assert_eq!((house.book.members.len(), house.invites().len()), (6, 0), "nobody is invited twice");
}

#[test]
fn an_invite_shows_no_account_before_it_is_taken_up() {
    let mut house = friends();
    house.subscribe("sub_1", "friend0", "price_basic");
    house.settle();
    house.unshare(10);
    house.days(1);
    assert_eq!((house.member(200).has_access(), &house.payer("friend0").id), (false, &id_of(&house, 200)));
    house.invite(70, "friend0", &[MOVIES]);
    house.read();
    assert_eq!(house.member(200).share, None, "whoever reads that mail may take it up");
    house.accept(70, 200, "friend0");
    house.read();
    assert!(house.member(200).has_access());
}

#[test]
fn an_invite_under_one_address_is_not_taken_up_by_a_share_under_another() {
    let (mut house, ann) = invite_is_out();
    nameless(&mut house, 70);
    house.read();
    house.row(70).email = Some(super::house::email("ann-at-work"));
    house.read();
    house.share(71, 301, "ann", &[MOVIES], days(0));
    house.read();
    assert_eq!(house.book.members[&ann].share.as_ref().map(|share| share.row.id), Some(ShareId(70)));
    assert_eq!(house.book.members[&ann].plex, None);
}

#[test]
fn a_row_that_names_no_account_proves_nothing() {
    let (mut house, ann) = invite_is_out();
    nameless(&mut house, 70);
    house.read();
    house.accept(70, 300, "ann");
    house.row(70).account = None;
    house.read();
    let proofs = |house: &House| house.book.members[&ann].customers.values().map(|p| p.proof).collect::<Vec<_>>();
    assert_eq!((house.book.members[&ann].plex, proofs(&house)), (None, vec![None]));
}

#[test]
fn somebody_who_is_back_on_another_day_is_welcomed_and_one_whose_share_only_hid_is_not() {
    let mut house = friends();
    house.share(20, 300, "ann", &[MOVIES], days(0));
    house.settle();
    assert_eq!(house.letters("welcome").len(), 1);
    let gone_for_a_day = |house: &mut House, accepted_at| {
        let mut row = house.row(20).clone();
        house.unshare(20);
        house.days(1);
        assert!(!house.member(300).has_access());
        if accepted_at {
            row.state = ShareState::Accepted { accepted_at: Some(house.now) };
        }
        house.friends.shares.push(row);
        house.settle();
        house.letters("welcome").len()
    };
    assert_eq!(gone_for_a_day(&mut house, false), 1, "it is the share of which she heard");
    assert_eq!(gone_for_a_day(&mut house, true), 2);
    assert!(how(&house, "joined").iter().any(|how| how.ends_with("; was here before")));
    let journal: Vec<&str> = house.member(300).journal.iter().map(|entry| entry.what.as_str()).collect();
    assert!(journal.contains(&"has access") && journal.contains(&"is back: has access again"), "{journal:?}");
}

#[test]
fn the_operator_hears_how_somebody_came() {
    let (house, _) = with_code(true);
    assert_eq!(how(&house, "joined"), ["used a free code"]);
    let mut house = friends();
    house.share(20, 300, "ann", &[MOVIES], days(0));
    house.read();
    assert_eq!(how(&house, "joined"), ["was shared with in Plex"]);
    let mut house = friends();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 300, "ann");
    house.read();
    assert_eq!(how(&house, "joined"), ["pays for Basic"]);
    let (mut house, invite) = with_code(false);
    house.book.members.values_mut().flat_map(|member| &mut member.grants).for_each(|grant| grant.code = None);
    house.accept(invite, 300, "ann");
    house.read();
    assert_eq!(how(&house, "joined"), ["accepted an invite"]);
}

#[test]
fn the_operator_hears_what_went_away_and_whether_they_still_pay() {
    let mut house = friends();
    house.unshare(10);
    house.days(1);
    assert_eq!(how(&house, "departed"), ["the share went away in Plex, without Usher"]);
    let mut house = friends();
    house.subscribe("sub_1", "friend0", "price_basic");
    house.settle();
    house.unshare(10);
    house.days(1);
    assert!(how(&house, "departed")[0].ends_with("they still pay, and Usher does not invite them again by itself"));
    let (mut house, invite) = with_code(false);
    house.unshare(invite);
    house.days(1);
    assert_eq!(how(&house, "departed"), ["the invite went away in Plex, without Usher"]);
}

#[test]
fn the_journal_says_who_was_here_before_usher() {
    let mut house = friends();
    house.share(20, 300, "ann", &[MOVIES], days(0));
    house.read();
    let written = |house: &House, account, what: &str| house.member(account).journal.iter().any(|e| e.what == what);
    assert!(written(&house, 200, "was here before Usher") && !written(&house, 200, "has access"));
    assert!(written(&house, 300, "was shared with by hand") && written(&house, 300, "has access"));
}

#[test]
fn the_welcome_says_which_libraries_are_open() {
    let mut house = House::new();
    let (_, id) = house.ann_pays("price_basic");
    let libraries = |house: &House, kind: &str| {
        let key = house.letters(kind)[0].clone();
        match &house.book.outbox[&key].letter {
            Letter::Welcome { libraries, .. } | Letter::Joined { libraries, .. } => libraries.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(house.row(id).sections, [MOVIES].into());
    assert_eq!(libraries(&house, "welcome"), ["Movies"]);
    assert_eq!(libraries(&house, "joined"), ["Movies"]);
}

#[test]
fn a_vip_name_that_fits_two_protects_the_first_and_the_operator_hears_of_the_second() {
    let mut house = House::new();
    house.rules.vip_names = vec!["ann@example.com".into()];
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    house.share(11, 201, "bob", &[MOVIES], days(1));
    house.row(11).username = Some("Ann@Example.com".into());
    house.settle();
    assert_eq!(house.book.vips["ann@example.com"], PlexId(200));
    let second = house.member(201).id.clone();
    let told: Vec<_> = house.letters("attention").into_iter().filter(|key| key.0.contains("vip-ann@")).collect();
    assert_eq!(told.len(), 1);
    let Letter::Attention { detail, .. } = &house.book.outbox[told[0]].letter else { panic!() };
    assert!(detail.contains(&format!("and not Ann@Example.com ({second})")), "{detail}");
}

#[test]
fn libraries_that_are_listed_no_more_are_believed_gone_after_an_hour_and_an_empty_list_never() {
    let mut house = House::new();
    house.settle();
    let known = |house: &House| house.book.libraries.known.len();
    let all = std::mem::take(&mut house.friends.sections);
    house.settle();
    house.later(days(3));
    house.settle();
    assert_eq!((known(&house), house.book.libraries.shorter_since), (2, None), "a list of nothing says nothing");
    house.friends.sections = all;
    house.friends.sections.remove(&TV);
    house.read();
    house.later(TimeDelta::hours(1) - TimeDelta::seconds(1));
    house.read();
    assert_eq!(known(&house), 2);
    house.later(TimeDelta::seconds(1));
    house.read();
    assert_eq!(known(&house), 1);
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("gone-TV")).count(), 1);
}

/// R4, promise 9: plex.tv's older listing has no settings.
#[test]
fn promise_09_what_is_undone_later_has_the_settings_that_were_read_last() {
    let mut house = House::new();
    for n in 0..20 {
        house.share(20 + n, 300 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.share(10, 200, "ann", &[MOVIES], days(400));
    let filters = [("allowSync".to_owned(), false.into()), ("filterMovies".to_owned(), "contentRating=G".into())];
    house.row(10).settings = Some(filters.into());
    house.settle();
    (house.row(10).settings, house.row(10).downloads) = (None, Some(true));
    house.settle();
    house.unshare(10);
    house.days(1);
    let undo = house.member(200).undo.clone().unwrap();
    let settings = undo.share.settings.unwrap();
    assert_eq!(settings["filterMovies"], "contentRating=G");
    assert_eq!(settings["allowSync"], true, "as it was listed last");
    // Another share's settings are nothing to this one.
    house.share(11, 200, "ann", &[MOVIES], days(0));
    house.row(11).settings = None;
    house.settle();
    house.unshare(11);
    house.days(1);
    assert_eq!(house.member(200).undo.clone().unwrap().share.settings, None);
}
