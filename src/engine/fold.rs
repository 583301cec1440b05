//! Taking up readings, looks and outcomes.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::Engine;
use super::act::{Acted, Looked};
use super::mailbox::Mail;
use crate::backoff;
use crate::facts::{Activity, Billing, CustomerLook, FailureKind, Friends, Moment, Reading, Source, WatchLook};
use crate::ledger::{Act, Book, Channel, Delivered, DeliveryOutcome, Intent, Letter, Owed, WatchRecord};
use crate::policy::confirm::SETTLED_AFTER;
use crate::policy::{Rules, Scene, Tiers, brake, comings, customers, follow, inactivity, readings, who};
use crate::services::failure::Failure;

/// Between the first whole reading of a process and the one that confirms it.
const SECOND_LOOK_AFTER: TimeDelta = TimeDelta::seconds(1);

/// A problem of the tiers file, as a condition that the operator is told of.
const TIERS_FILE: &str = "tiers file: ";

/// A channel that stays down is tried at least this often.
const DOWN_TRIED_EVERY_SECS: u64 = 3600;

/// The condition that no mail can be sent.
const NO_MAIL: &str = "no-mail";

/// Which sources sent a whole reading that may be folded in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sound {
    plex: bool,
    stripe: bool,
    tautulli: bool,
}

impl std::ops::BitOrAssign for Sound {
    fn bitor_assign(&mut self, other: Self) {
        self.plex |= other.plex;
        self.stripe |= other.stripe;
        self.tautulli |= other.tautulli;
    }
}

impl Engine {
    /// Remembers readings. Failures are logged on change, not on every try.
    pub(super) fn see(
        &mut self,
        plex: &Option<Reading<Friends>>,
        stripe: &Option<Reading<Billing>>,
        tautulli: &Option<Reading<Activity>>,
    ) -> Sound {
        let mut sound = Sound::default();
        if let Some(reading) = plex {
            let unsettled = |begun: Moment| self.world.call_ended.is_some_and(|ended| begun < ended + SETTLED_AFTER);
            match reading {
                Reading::Read(whole) if unsettled(whole.begun) => {
                    self.unsettled = Some(whole.clone());
                    if let Some(ended) = self.world.call_ended {
                        self.wanted.insert(Source::Plex, ended + SETTLED_AFTER);
                    }
                }
                reading => {
                    sound.plex = log_change(Source::Plex, self.world.plex.failures, reading);
                    self.note_recovery(sound.plex, Source::Plex);
                    self.world.plex.see(reading.clone());
                }
            }
        }
        if let Some(reading) = stripe {
            sound.stripe = log_change(Source::Stripe, self.world.stripe.failures, reading);
            self.note_recovery(sound.stripe, Source::Stripe);
            self.world.stripe.see(reading.clone());
        }
        if let Some(reading) = tautulli {
            sound.tautulli = log_change(Source::Tautulli, self.world.tautulli.failures, reading);
            self.note_recovery(sound.tautulli, Source::Tautulli);
            self.world.tautulli.see(reading.clone());
        }
        sound
    }

    fn note_recovery(&mut self, whole: bool, source: Source) {
        if whole {
            self.recovered.insert(source, self.world.state(source).failures);
        }
    }

    /// Folds whole readings into the book.
    pub(super) fn fold_readings(&mut self, now: Moment, book: &mut Book, sound: Sound) {
        let rules = self.parts.rules.clone();
        if let Some(whole) = self.unsettled.take() {
            self.look_through(now, book, &whole);
        }
        for (source, failures) in std::mem::take(&mut self.recovered) {
            self.note_whole(now, book, source, failures);
        }
        if sound.plex {
            readings::fold_plex(now, &rules, &mut self.world, book);
        }
        if sound.stripe {
            let rules = self.take_up_products(now, book);
            readings::fold_stripe(now, &rules, &mut self.world, book);
        }
        if sound.tautulli {
            readings::fold_tautulli(now, &rules, &mut self.world, book);
        }
        readings::note_blindness(now, &rules, &self.world, book);
        self.want_second_looks(now);
    }

    /// The second look of a process is taken at once, not an interval later.
    fn want_second_looks(&mut self, now: Moment) {
        for source in Source::ALL {
            let state = self.world.state(source);
            let wished = self.wanted.get(&source).is_some_and(|wanted| Some(*wanted) > state.read_at);
            if state.wholes == 1 && !wished {
                // A wish is met by a reading begun after it, so it lies after this one.
                self.wanted.insert(source, now + SECOND_LOOK_AFTER);
            }
        }
    }

    /// A reading that came while the clocks disagreed was not taken up: the
    /// looking begins anew when they agree, and until then nobody's plays are
    /// seen.
    pub(super) fn set_aside(&mut self, now: Moment, book: &mut Book, sound: Sound) {
        if sound.tautulli {
            inactivity::open_blind(book, now);
        }
        let read = [(sound.plex, Source::Plex), (sound.stripe, Source::Stripe), (sound.tautulli, Source::Tautulli)];
        for (_, source) in read.into_iter().filter(|(read, _)| *read) {
            self.world.begin_looking_anew(source);
        }
    }

    fn is_ours(&self, now: Moment, book: &Book, source: Source) -> bool {
        let scene = Scene { now, rules: &self.parts.rules, book, world: &self.world };
        brake::identity_failure(scene, source).is_none()
    }

    /// Takes up one piece of mail. Looks for an intent are given back: they
    /// are admitted after the pass has decided anew.
    pub(super) fn take(&mut self, now: Moment, book: &mut Book, mail: Mail, clock_stands: bool) -> Option<Looked> {
        match mail {
            Mail::Tick => None,
            Mail::Tiers(tiers) => {
                self.take_up_tiers(now, book, tiers);
                None
            }
            Mail::Delivered(report) => {
                self.note_delivered(now, book, &report);
                None
            }
            Mail::Rests(source, wait) => {
                super::outcomes::rest(now, book, source, wait);
                None
            }
            Mail::Customer(look) => {
                if clock_stands {
                    self.note_answer(now, book, Source::Stripe);
                    self.fold_customer(now, book, &look);
                }
                None
            }
            Mail::Looked(looked) => {
                self.acting = None;
                clock_stands.then(|| self.fold_looks(now, book, *looked))
            }
            Mail::Acted(acted) => {
                self.acting = None;
                self.fold_outcome(now, book, *acted);
                None
            }
        }
    }

    /// An edited tiers file counts from the next decision on; one with a
    /// problem changes nothing.
    fn take_up_tiers(&mut self, now: Moment, book: &mut Book, tiers: Result<Tiers, String>) {
        let mut rules = (*self.parts.rules).clone();
        match tiers {
            Ok(tiers) => {
                tracing::info!(tiers = tiers.all().len(), "the tiers file was taken up");
                rules.tiers = tiers.products_of_before(&book.tiers).unwrap_or(tiers);
                follow::take_up(book, &rules.tiers);
                book.told.retain(|condition, _| !condition.starts_with(TIERS_FILE));
                self.parts.rules = Arc::new(rules);
                self.wanted.insert(Source::Stripe, now);
            }
            Err(problem) => {
                tracing::error!("the tiers file has a problem, the tiers of before stay in force: {problem}");
                let condition = format!("{TIERS_FILE}{problem}");
                let known = book.told.contains_key(&condition);
                book.told.retain(|other, _| !other.starts_with(TIERS_FILE) || *other == condition);
                if known {
                    return; // Told before a restart.
                }
                book.tell(condition, now);
                let letter = Letter::Attention {
                    title: "The tiers file has a problem".into(),
                    detail: format!("{problem}. The tiers of before stay in force."),
                    what_to_do: "Mend the file; it is read again each minute.".into(),
                };
                book.owe(Owed::to_operator(None, format!("tiers-{}", now.timestamp()), letter), rules.ways, now);
            }
        }
    }

    /// Without a tiers file, products may say themselves what they open.
    fn take_up_products(&mut self, now: Moment, book: &mut Book) -> Arc<Rules> {
        if !readings::is_ours(now, &self.parts.rules, &mut self.world, book, Source::Stripe) {
            return self.parts.rules.clone();
        }
        let catalogue = self.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
        let found = catalogue.and_then(|catalogue| self.parts.rules.tiers.with_products(catalogue));
        let Some((tiers, problems)) = found else { return self.parts.rules.clone() };
        if tiers != self.parts.rules.tiers {
            tracing::info!(tiers = tiers.all().len(), "tiers were read from Stripe's products");
            follow::take_up(book, &tiers);
            self.parts.rules = Arc::new(Rules { tiers, ..(*self.parts.rules).clone() });
        }
        for problem in problems {
            if !book.tell(format!("product/{problem}"), now) {
                continue;
            }
            let letter = Letter::Attention {
                title: "A Stripe product has a problem".into(),
                detail: format!("{problem}. It opens nothing until it is mended."),
                what_to_do: "Mend the metadata usher_libraries of the product in Stripe's dashboard: titles by comma."
                    .into(),
            };
            book.owe(Owed::to_operator(None, format!("product-{problem}"), letter), self.parts.rules.ways, now);
        }
        self.parts.rules.clone()
    }

    fn fold_customer(&mut self, now: Moment, book: &mut Book, look: &CustomerLook) {
        let read = book.adopted.contains_key(&Source::Stripe) && self.world.stripe.last.is_some();
        if !read || !self.is_ours(now, book, Source::Stripe) {
            return; // The whole reading, which is on its way, says it.
        }
        let rules = self.parts.rules.clone();
        let catalogue = self.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
        customers::fold_look(now, &rules, book, catalogue, look);
        self.world.customers_looked.insert(look.id.clone(), look.begun);
    }

    fn fold_looks(&mut self, now: Moment, book: &mut Book, mut looked: Looked) -> Looked {
        for source in looked.second.answered.clone() {
            self.note_answer(now, book, source);
        }
        if let Some((source, failure)) = &looked.failure {
            self.note_trouble(now, book, *source, failure);
        }
        for customer in std::mem::take(&mut looked.customers) {
            self.fold_customer(now, book, &customer);
        }
        let Some(intent) = book.intents.get(&looked.key).cloned() else { return looked };
        let watched = looked.watch.as_ref().and_then(|watch| match intent.act {
            Act::Forget { .. } => fold_last_record(book, &intent.member, watch),
            _ => fold_watch(book, &intent.member, watch),
        });
        if let Some(why) = watched.filter(|_| looked.second.unanswered.is_none()) {
            looked.second.unanswered = Some(why);
            looked.second.by = Some(Source::Tautulli);
        }
        let created = std::mem::take(&mut looked.created);
        looked.second.could_be_theirs = who::could_be_theirs(now, book, &intent.member, &created);
        if let (Act::Unfriend { .. }, Some(true)) = (&intent.act, looked.share.as_ref().map(|share| share.elsewhere)) {
            looked.second.unanswered = Some("they have a share on another server of yours".into());
            looked.second.by = Some(Source::Plex);
        }
        if let Some(share) = &looked.share {
            let rules = self.parts.rules.clone();
            comings::fold_look(now, &rules, &mut self.world, book, &intent.member, share);
            // Gone without us, if the next whole readings agree: that is not
            // ours to do, nor to tell as ours.
            let known = book.members.get(&intent.member).is_some_and(|member| member.share.is_some());
            if known && share.shares.is_empty() && matches!(intent.act, Act::End { .. } | Act::Update { .. }) {
                looked.second.unanswered = Some("plex.tv no longer lists their share".into());
                looked.second.by = Some(Source::Plex);
            }
        }
        looked
    }

    /// What became of a call: the listing after it is folded in, and says
    /// whether it took effect.
    fn fold_outcome(&mut self, now: Moment, book: &mut Book, acted: Acted) {
        self.world.calling = false;
        self.world.call_ended = Some(acted.ended);
        self.wanted.insert(Source::Plex, acted.ended + SETTLED_AFTER);
        let Some(intent) = book.intents.get(&acted.key).cloned() else { return };
        if let (Some(share), Some(member)) = (acted.share, book.members.get_mut(&intent.member)) {
            let made_for = match &intent.act {
                Act::Invite { made_for, .. } => made_for.clone(),
                _ => Default::default(),
            };
            member.note_made(share, made_for);
        }
        note_tautulli(book, &intent, acted.failure.as_ref());
        self.note_outcome(now, book, &acted);
        if let Some(customer) = &acted.customer {
            self.fold_customer(now, book, customer);
        }
        if let Some(after) = &acted.after {
            let rules = self.parts.rules.clone();
            comings::fold_look(now, &rules, &mut self.world, book, &intent.member, after);
        }
    }

    fn note_delivered(&mut self, now: Moment, book: &mut Book, report: &Delivered) {
        self.carrying.remove(&report.channel);
        let pause = book.delivered(report, now).or_else(|| self.aside.delivered(report, now));
        match &report.outcome {
            DeliveryOutcome::Accepted => tracing::info!(notice = %report.key.0, channel = ?report.channel, "sent"),
            DeliveryOutcome::Later { why, .. } | DeliveryOutcome::Unknown { why } => {
                tracing::warn!(notice = %report.key.0, channel = ?report.channel, "not sent yet: {why}");
            }
            DeliveryOutcome::ChannelDown { why, for_secs } => {
                if !self.paused.contains_key(&report.channel) {
                    tracing::error!(channel = ?report.channel, pause_secs = for_secs, "nothing can be sent: {why}");
                }
                if report.channel == Channel::Mail && *for_secs >= DOWN_TRIED_EVERY_SECS {
                    self.tell_no_mail(now, book, why);
                }
            }
            DeliveryOutcome::Never { why, .. } => {
                tracing::warn!(notice = %report.key.0, channel = ?report.channel, "refused for good: {why}");
            }
        }
        match pause {
            Some(secs) => self.pause(now, report.channel, secs),
            None => {
                if report.channel == Channel::Mail && report.outcome == DeliveryOutcome::Accepted {
                    book.untell(NO_MAIL);
                }
                self.paused.remove(&report.channel);
                self.down_tries.remove(&report.channel);
            }
        }
    }

    /// The mail server refuses us, and not one letter or address: the operator
    /// hears it by the other channel.
    fn tell_no_mail(&self, now: Moment, book: &mut Book, why: &str) {
        if book.tell(NO_MAIL, now) {
            let letter = Letter::Attention {
                title: "No mail can be sent".into(),
                detail: format!("{why}. All letters are kept, and are tried again each hour."),
                what_to_do:
                    "Mend the SMTP_… settings and restart Usher. Nobody is removed without a warning that was accepted."
                        .into(),
            };
            book.owe(
                Owed::to_operator(None, format!("{NO_MAIL}-{}", now.timestamp()), letter),
                self.parts.rules.ways,
                now,
            );
        }
    }

    /// A channel that is down is tried more and more seldom, up to hourly: a
    /// week without mail is no reason to knock every two minutes.
    fn pause(&mut self, now: Moment, channel: Channel, secs: u64) {
        let tries = self.down_tries.entry(channel).or_insert(0);
        let longest = DOWN_TRIED_EVERY_SECS.max(secs);
        let pause = secs.saturating_mul(1 << (*tries).min(10)).min(longest);
        *tries += 1;
        self.paused.insert(channel, now + backoff::asked_for(Duration::from_secs(pause)));
    }
}

/// What Tautulli said of one person. Why it can't be relied on, if it can't.
fn fold_watch(book: &mut Book, member: &crate::member::MemberId, watch: &WatchLook) -> Option<String> {
    let member = book.members.get_mut(member)?;
    if !watch.connected {
        return Some("Tautulli is cut off from Plex".into());
    }
    let Some(watcher) = watch.watcher else { return Some("Tautulli doesn't list them".into()) };
    if !watcher.keep_history {
        return Some("Tautulli keeps no history for them".into());
    }
    match watch.watching_now {
        None => Some("Tautulli can't say who is watching now".into()),
        Some(now) => {
            inactivity::advance_play(member, watcher.last_play);
            if now {
                inactivity::advance_play(member, Some(watch.begun));
            }
            None
        }
    }
}

/// What Tautulli holds of somebody before it is deleted. Why that must wait, if
/// it must.
fn fold_last_record(book: &mut Book, member: &crate::member::MemberId, watch: &WatchLook) -> Option<String> {
    let member = book.members.get_mut(member)?;
    match watch.watching_now {
        None => return Some("Tautulli can't say who is watching now".into()),
        Some(true) => return Some("they are watching now".into()),
        Some(false) => {}
    }
    let watched = watch.watcher.is_some_and(|watcher| watcher.last_play.is_some());
    let now = WatchRecord { plays: watch.plays, watched };
    // A call whose answer was lost may have deleted it since the first look.
    let before = member.record.unwrap_or(now);
    member.record = Some(WatchRecord { plays: now.plays.max(before.plays), watched: now.watched || before.watched });
    None
}

/// Tautulli's answer is what there is to go by: it lists nobody who is deleted.
fn note_tautulli(book: &mut Book, intent: &Intent, failure: Option<&Failure>) {
    let Some(member) = book.members.get_mut(&intent.member) else { return };
    match (&intent.act, failure) {
        (Act::Forget { .. }, None) => member.forget_at = None,
        (Act::Remember { .. }, None) => member.forgotten = None,
        // It has never known them: it takes them up by itself.
        (Act::Remember { .. }, Some(failure)) if failure.kind == FailureKind::Refused => member.forgotten = None,
        _ => {}
    }
}

/// True when it is a whole reading. Logs the first failure and the recovery.
fn log_change<T>(source: Source, failures: u32, reading: &Reading<T>) -> bool {
    match reading {
        Reading::Read(_) => {
            if failures > 0 {
                tracing::info!(%source, failures, "can be read again");
            }
            true
        }
        Reading::Unread(unread) => {
            if failures == 0 {
                tracing::warn!(%source, "can't be read: {}", unread.why);
            }
            false
        }
    }
}
