//! R9.1 to R9.4: what was never taken up was never looked at.

use chrono::TimeDelta;
use usher::facts::{ServerId, Source};

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
