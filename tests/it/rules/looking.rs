//! R9.1 to R9.4: what was never taken up was never looked at.

use chrono::TimeDelta;
use usher::facts::{ServerId, Source};
use usher::policy::Scene;
use usher::reports::{self, Question};

use super::house::{House, MOVIES, days};

#[test]
fn readings_of_another_server_dont_count_as_looking() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    // A restart; the token answers for another server at first.
    house.world = usher::policy::World::default();
    let ours = std::mem::replace(&mut house.friends.server, ServerId::from("another"));
    house.read();
    house.read();
    house.friends.server = ours;
    house.later(TimeDelta::minutes(1));
    house.read();
    assert_eq!(house.world.state(Source::Plex).wholes, 1, "this was the first look at our server");
}

#[test]
fn a_house_that_moves_is_adopted_silently_and_lets_its_payers_in_again() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares[0].id.0;
    house.accept(id, 200, "ann");
    house.share(20, 300, "bob", &[MOVIES], days(300));
    house.settle();
    house.later(days(1));
    house.friends.server = ServerId::from("moved");
    house.friends.shares.clear();
    house.share(30, 400, "cleo", &[MOVIES], days(10));
    house.read();
    let welcomes = house.letters("welcome").len();
    usher::policy::comings::move_house(house.now, &mut house.book, &house.friends);
    house.activity.server = ServerId::from("moved");
    house.settle();
    assert_eq!(house.invites().len(), 1, "{:?}", house.waiting);
    assert_eq!(house.letters("welcome").len(), welcomes, "adoption is silent");
    assert_eq!(house.letters("departed").len(), 0);
}

#[test]
fn everybody_is_listed_in_columns_and_in_the_order_in_which_they_came() {
    let mut house = House::new();
    for n in 1..=11 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.settle();
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    let text = reports::answer(scene, &house.waiting, &Question::Members).unwrap().text;
    let rows: Vec<&str> = text.lines().collect();
    let column = rows[0].find("STANDING").unwrap();
    for (n, row) in (1..=11).zip(&rows[1..]) {
        assert_eq!(row.split_whitespace().next(), Some(format!("m-{n}").as_str()), "{text}");
        assert_eq!(row[column..].split_whitespace().next(), Some("in"), "{text}");
    }
}
