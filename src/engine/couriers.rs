//! The digest, and handing notices to the couriers.

use super::Engine;
use crate::facts::Moment;
use crate::ledger::{Audience, Book, Channel, Dispatch};
use crate::policy::digest;
use crate::{limits, reports};

impl Engine {
    /// Owes the operator's digest when its time has come.
    pub(super) fn owe_digest(&self, now: Moment, book: &mut Book) {
        let Some(due) = digest::due(self.scene(now, book)) else { return };
        let letter = reports::digest(self.scene(now, book), &due);
        book.owe(due.owed(now, letter), self.parts.rules.ways, now);
    }

    /// Takes what is due for each idle channel. It is written down as
    /// `sending`; the caller commits before it is carried out.
    pub(super) fn hand_out(&mut self, now: Moment, book: &mut Book) -> Vec<(Channel, Vec<Dispatch>)> {
        let mut batches = Vec::new();
        if self.closing {
            return batches;
        }
        let dry_run = self.parts.rules.ways.dry_run;
        // A book that may have forgotten what it sent writes to no member.
        let audiences: &[Audience] = match &self.world.only_look {
            Some(_) => &[Audience::Operator],
            None => &[Audience::Operator, Audience::Member],
        };
        for channel in self.parts.couriers.keys() {
            let busy = self.carrying.get(channel).is_some_and(|letters| *letters > 0);
            let paused = self.paused.get(channel).is_some_and(|until| *until > now);
            if busy || paused {
                continue;
            }
            let batch =
                book.hand_out(*channel, audiences, limits::COURIER_BATCH, &self.parts.mail_domain, dry_run, now);
            if !batch.is_empty() {
                batches.push((*channel, batch));
            }
        }
        batches
    }

    /// Hands out what stands aside of the book: it tells of what keeps the book
    /// from being written.
    pub(super) fn carry_aside(&mut self, now: Moment) {
        let mut aside = std::mem::replace(&mut self.aside, Book::new(now));
        let batches = self.hand_out(now, &mut aside);
        self.aside = aside;
        self.carry(batches);
    }

    /// Gives committed batches to the couriers.
    pub(super) fn carry(&mut self, batches: Vec<(Channel, Vec<Dispatch>)>) {
        for (channel, batch) in batches {
            let Some(courier) = self.parts.couriers.get(&channel) else { continue };
            let letters = batch.len();
            let taken = courier.try_send(batch).is_ok();
            self.carrying.insert(channel, if taken { letters } else { 0 });
        }
    }
}
