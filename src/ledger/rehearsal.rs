//! The rehearsal's book beside the live one (promise 5).

use super::{Audience, Book, Delivery, Starting};
use crate::facts::Moment;

impl Book {
    /// A copy of the live book to rehearse on. What is under way in the live
    /// book is neither done nor sent by a rehearsal: letters that were owed and
    /// not sent count as imagined (RULES R11). Those to members wait for
    /// [`Book::imagine`], so that the day that they promise is counted from then.
    #[must_use]
    pub fn rehearsal(live: Option<&Self>, generation: u64, now: Moment) -> Self {
        let mut book = live.cloned().unwrap_or_else(|| Self::new(now));
        book.rehearses = Some(generation.saturating_sub(book.words));
        book.last_word = None;
        // Going live again holds what is due then.
        book.starting = Starting::default();
        book.intents.clear();
        for notice in book.outbox.values_mut() {
            for delivery in notice.deliveries.values_mut() {
                let for_operator = notice.audience == Audience::Operator;
                if matches!(delivery, Delivery::Sending { .. }) || (for_operator && !delivery.is_done()) {
                    *delivery = Delivery::Imagined { at: now };
                }
            }
        }
        book
    }

    /// Whether this rehearsal was begun from this live book, of this generation,
    /// and the live book has only heard since what the operator said.
    #[must_use]
    pub fn goes_with(&self, live: Option<&Self>, generation: u64) -> bool {
        let words = live.map_or(0, |live| live.words);
        self.rehearses == Some(generation.saturating_sub(words))
    }

    /// In a rehearsal: letters to members that were owed in the live book are
    /// thought of as sent. True when there were any.
    pub fn imagine(&mut self, now: Moment) -> bool {
        let mut any = false;
        for notice in self.outbox.values_mut().filter(|notice| notice.audience == Audience::Member) {
            let stale = now > notice.stale_after && notice.first_sending.is_none();
            for delivery in notice.deliveries.values_mut().filter(|delivery| !delivery.is_done()) {
                any = true;
                *delivery = match stale {
                    true => Delivery::Cancelled { at: now, why: "no longer worth sending".into() },
                    false => Delivery::Imagined { at: now },
                };
            }
        }
        any
    }
}
