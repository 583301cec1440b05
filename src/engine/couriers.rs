//! The digest, and handing notices to the couriers.

use super::Engine;
use crate::facts::Moment;
use crate::ledger::{Audience, Book, Channel, Dispatch};
use crate::policy::digest;
use crate::reports;

impl Engine {
    /// Owes the operator's digest when its time has come.
    pub(super) fn owe_digest(&self, now: Moment, book: &mut Book) {
        let Some(due) = digest::due(self.scene(now, book)) else { return };
        let letter = reports::digest(self.scene(now, book), &due);
        book.owe(due.owed(now, letter), self.parts.rules.ways, now);
    }

    /// Takes the next letter for each idle channel. It is written down as
    /// `sending`; the caller commits before it is carried out.
    pub(super) fn hand_out(&mut self, now: Moment, book: &mut Book) -> Vec<(Channel, Dispatch)> {
        let mut letters = Vec::new();
        if self.closing {
            return letters;
        }
        let dry_run = self.parts.rules.ways.dry_run;
        // A book that may have forgotten what it sent writes to no member.
        let audiences: &[Audience] = match &self.world.only_look {
            Some(_) => &[Audience::Operator],
            None => &[Audience::Operator, Audience::Member],
        };
        for channel in self.parts.couriers.keys() {
            let paused = self.paused.get(channel).is_some_and(|until| *until > now);
            if paused || self.carrying.contains(channel) {
                continue;
            }
            let letter = book.hand_out(*channel, audiences, &self.parts.mail_domain, dry_run, now);
            letters.extend(letter.map(|letter| (*channel, letter)));
        }
        letters
    }

    /// Hands out what stands aside of the book: it tells of what keeps the book
    /// from being written.
    pub(super) fn carry_aside(&mut self, now: Moment) {
        let mut aside = std::mem::replace(&mut self.aside, Book::new(now));
        let letters = self.hand_out(now, &mut aside);
        self.aside = aside;
        self.carry(letters);
    }

    /// Gives committed letters to the couriers.
    pub(super) fn carry(&mut self, letters: Vec<(Channel, Dispatch)>) {
        for (channel, letter) in letters {
            let Some(courier) = self.parts.couriers.get(&channel) else { continue };
            if courier.try_send(letter).is_ok() {
                self.carrying.insert(channel);
            }
        }
    }
}
