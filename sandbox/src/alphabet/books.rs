//! Old books: copies of the state that an operator kept, and puts back.

use chrono::TimeDelta;
use usher::facts::Moment;

use super::Town;
use super::member::MemberMove;
use super::operator::OperatorMove;
use crate::dice::Dice;
use crate::rig::Rig;

/// The book's file.
const BOOK: &str = "state.json";
/// A copy a day; older ones are thrown away.
const KEPT: usize = 14;

/// Days by a code stand in the book only, too.
const CODE: &str = MemberMove::RedeemACode.name();

/// A copy of the book as it was then.
#[derive(Debug, Clone)]
pub struct Copy {
    /// When it was made.
    pub at: Moment,
    bytes: Vec<u8>,
}

/// Keeps a copy of the book, at most one a day. [`Town::catch_up`] does it.
pub fn keep_a_copy(rig: &Rig, town: &mut Town) {
    let now = rig.now();
    if town.books.last().is_some_and(|last| now - last.at < TimeDelta::days(1)) {
        return;
    }
    if let Ok(bytes) = std::fs::read(rig.state().join(BOOK)) {
        town.books.push(Copy { at: now, bytes });
        if town.books.len() > KEPT {
            town.books.remove(0);
        }
    }
}

/// Puts one of the kept books in the place of today's; of when it is. The daemon
/// must be down; `None` when it isn't, or when there is no copy. What the operator
/// has said of somebody since then stood in the lost book only.
pub fn restore_an_old_book(rig: &Rig, town: &mut Town, dice: &mut Dice) -> Option<Moment> {
    if rig.is_running() {
        return None;
    }
    let copy = dice.pick(&town.books)?;
    std::fs::write(rig.state().join(BOOK), &copy.bytes).ok()?;
    let of = copy.at;
    town.books.retain(|kept| kept.at <= of);
    let now = rig.now();
    let everybody = town.house.iter().any(|(at, what)| *at > of && *what == OperatorMove::GrandfatherEverybody.name());
    let is_lost = |(at, what): &(Moment, &str)| *at > of && (OperatorMove::is_word(what) || *what == CODE);
    for person in &mut town.people {
        if person.struck.iter().any(is_lost) || everybody && person.wish.grandfathered {
            person.dispute(now, "what was said of them stood in the book that is lost");
        }
    }
    Some(of)
}
