//! R7: new libraries and tiers of everything.

use usher::facts::{Section, SectionId};
use usher::ledger::Libraries;
use usher::policy::{Tiers, decide, libraries};
use usher::tier::Wanted;

use super::house::{House, MOVIES, TV};

const HOME: SectionId = SectionId(9);

/// Ann pays for a tier of everything, and is in.
fn house() -> House {
    let mut house = House::new();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = Wanted::Everything { except: Vec::new() };
    house.subscribe("sub_1", "ann", "price_premium");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.settle();
    house.carry_out();
    house.deliver();
    house
}

fn add(house: &mut House, id: SectionId, title: &str) {
    house.friends.sections.insert(id, Section { id, key: id.0, title: title.into() });
    house.settle();
}

fn offer(house: &House) -> String {
    house.book.libraries.offers.keys().next().expect("an offer").clone()
}

#[test]
fn a_new_library_joins_a_tier_of_everything_when_the_operator_approves_it() {
    let mut house = house();
    assert_eq!(house.member(200).share.as_ref().unwrap().row.sections, [MOVIES, TV].into());
    add(&mut house, HOME, "Home videos");
    house.days(3);
    assert_eq!(house.decided(), Vec::<String>::new(), "by itself it joins nobody");
    assert_eq!(house.letters("held").len(), 1, "asked once");
    let id = offer(&house);
    let said = decide::give_verdict(house.now, &mut house.book, std::slice::from_ref(&id), true).unwrap();
    assert_eq!(said, [format!("approved {id}: open Home videos to everybody of tier Premium")]);
    house.settle();
    house.carry_out();
    assert_eq!(house.member(200).share.as_ref().unwrap().row.sections, [MOVIES, TV, HOME].into());
    assert!(house.book.libraries.offers.is_empty());
}

#[test]
fn a_no_to_a_new_library_is_remembered() {
    let mut house = house();
    add(&mut house, HOME, "Home videos");
    let id = offer(&house);
    decide::give_verdict(house.now, &mut house.book, &["all".to_owned()], false).unwrap();
    house.days(3);
    assert_eq!((house.letters("held").len(), house.decided().len()), (1, 0));
    // A change of mind is heard.
    decide::give_verdict(house.now, &mut house.book, &[id], true).unwrap();
    house.settle();
    assert_eq!(house.decided().len(), 1);
}

#[test]
fn a_library_that_the_tier_leaves_out_is_not_offered() {
    let mut house = house();
    add(&mut house, HOME, "Home videos");
    assert_eq!(house.book.libraries.offers.len(), 1);
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = Wanted::Everything { except: vec!["Home videos".into()] };
    house.settle();
    assert!(house.book.libraries.offers.is_empty() && house.decided().is_empty());
}

#[test]
fn an_offer_of_a_library_that_is_gone_is_forgotten() {
    let mut house = house();
    add(&mut house, HOME, "Home videos");
    house.friends.sections.remove(&HOME);
    house.days(1);
    assert!(house.book.libraries.offers.is_empty());
}

#[test]
fn a_tier_that_leaves_out_more_than_before_is_shown_before_it_takes_anything() {
    let mut house = house();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = Wanted::Everything { except: vec!["TV".into()] };
    house.settle();
    assert_eq!(house.decided(), Vec::<String>::new());
    assert_eq!(house.book.holds.len(), 1, "{:?}", house.waiting);
}

#[test]
fn each_new_library_is_offered_by_itself_under_a_number_of_its_own() {
    let mut house = house();
    let before = house.book.next_hold;
    house.friends.sections.insert(HOME, Section { id: HOME, key: 9, title: "Home videos".into() });
    add(&mut house, SectionId(10), "Music");
    let offered: Vec<SectionId> = house.book.libraries.offers.values().map(|offer| offer.section).collect();
    assert_eq!(offered, [HOME, SectionId(10)]);
    assert_eq!(house.book.next_hold, before + 2, "no number is used twice");
    add(&mut house, SectionId(11), "Kids");
    assert_eq!((house.book.libraries.offers.len(), house.letters("held").len()), (3, 3));
}

#[test]
fn a_library_can_be_left_out_by_its_number() {
    let mut house = house();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = Wanted::Everything { except: vec!["#9".into()] };
    add(&mut house, HOME, "Home videos");
    add(&mut house, SectionId(10), "Music");
    let offered: Vec<SectionId> = house.book.libraries.offers.values().map(|offer| offer.section).collect();
    assert_eq!(offered, [SectionId(10)]);
}

#[test]
fn nothing_is_shared_before_the_libraries_are_known() {
    let house = house();
    let why = libraries::resolve(&Libraries::default(), &house.rules.tiers.all()[0]).unwrap_err();
    assert!(why.contains("have not been read yet"), "{why}");
}
