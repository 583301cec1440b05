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
