//! What goes wrong outside, one storm at a time, from a shuffled deck so that
//! every kind comes. What it began it takes back; then there is calm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::dice::Dice;
use sandbox::faults::{Fault, Faults, Matching, Rule};
use sandbox::plex::{MACHINE, Told};
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};
use sandbox::stripe::Delivery;
use usher::facts::{Moment, PlexId};
use usher::store::{Step, StepFault};

use super::plug::Hand;
use super::record::Record;
use super::town::{GHOST, hours};
use crate::crash::trap::{Spring, Trap};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    Plex,
    Stripe,
    Tautulli,
    Discord,
}

/// One kind of weather.
#[derive(Debug, Clone)]
enum Storm {
    Http(Service, Fault),
    Mail(smtp::Fault),
    Webhooks(Delivery),
    OtherMode,
    OtherAccount,
    StripeEmpty,
    PagingStuck,
    PeopleTold(Told),
    SectionsTold(Told),
    OtherServer,
    ServerAway,
    Lag(i64),
    V2Gone(u16),
    CutOff,
    SqlError,
    PlexUnreachable,
    OtherTautulli,
    NoHistoryKept,
    Reinstalled,
    Clock(i64),
    Disk(Step, StepFault),
    Plug(u64),
    TornBook,
}

/// The deck, and the storm that rages.
pub struct Weather {
    deck: Vec<Storm>,
    now: Option<(Storm, Moment)>,
    pub calm_since: Moment,
    /// How often each kind came.
    pub came: BTreeMap<String, u32>,
    /// When each broke out, and how long it was to last.
    pub log: Vec<String>,
    refresh_at: Option<Moment>,
    cut_off: Option<Moment>,
    /// The daemon stays down until then.
    pub down_until: Option<Moment>,
    /// Somebody is about to pull it; then it stays down for so long.
    pub hand: Option<(Hand, TimeDelta)>,
    next: Moment,
}

impl Weather {
    pub fn new(now: Moment) -> Self {
        Self {
            deck: Vec::new(),
            now: None,
            calm_since: now,
            came: BTreeMap::new(),
            log: Vec::new(),
            refresh_at: None,
            cut_off: None,
            down_until: None,
            hand: None,
            next: now + TimeDelta::hours(30),
        }
    }

    /// What rages.
    pub fn says(&self) -> Option<String> {
        self.now.as_ref().map(|(storm, _)| name(storm))
    }

    pub fn is_calm(&self) -> bool {
        self.now.is_none() && self.down_until.is_none()
    }

    /// People can click at plex.tv.
    pub fn plex_works(&self) -> bool {
        !matches!(
            &self.now,
            Some((Storm::Http(Service::Plex, _) | Storm::OtherServer | Storm::PeopleTold(_) | Storm::V2Gone(_), _))
        )
    }

    /// One hour. `over`: no new storm, and the last one ends.
    pub fn blow(&mut self, rig: &mut Rig, trap: &Trap, dice: &mut Dice, record: &mut Record, over: bool) {
        let now = rig.now();
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            rig.tautulli.refresh();
        }
        if let Some((storm, until)) = self.now.clone() {
            let bitten = matches!(&storm, Storm::Mail(fault) if rig.smtp.bitten().contains_key(fault.name()));
            if over || until <= now || bitten {
                self.calm_down(rig, trap, record);
            }
            return;
        }
        if over || self.next > now || self.down_until.is_some() {
            return;
        }
        if self.deck.is_empty() {
            self.deck = deck();
            dice.shuffle(&mut self.deck);
        }
        if let Some(storm) = self.deck.pop() {
            *self.came.entry(name(&storm)).or_default() += 1;
            let lasts = self.break_out(rig, trap, dice, &storm);
            self.log.push(format!("{} {} for {} h", now.format("%m-%d %H:%M"), name(&storm), lasts.num_hours()));
            self.now = Some((storm, now + lasts));
        }
    }

    /// Sets it off; says how long it lasts.
    fn break_out(&mut self, rig: &Rig, trap: &Trap, dice: &mut Dice, storm: &Storm) -> TimeDelta {
        let now = rig.now();
        let mut lasts = hours(dice.between(1, 30));
        match storm {
            Storm::Http(service, fault) => {
                let faults = faults(rig, *service);
                let matching = match dice.below(4) {
                    0 => Matching::All,
                    1 => Matching::Reads,
                    _ => half_of_all(dice.roll()),
                };
                // Discord hears only writes; what bends needs listings.
                let matching = if *service == Service::Discord { Matching::All } else { matching };
                faults.add(Rule::new(matching, fault.clone()));
            }
            Storm::Mail(fault) => {
                let once = matches!(fault, smtp::Fault::DropAfterDot | smtp::Fault::HangAfterDot);
                rig.smtp.fault(fault.clone(), if once { Stay::Next(1) } else { Stay::UntilCleared });
                // Ends when it has bitten, and letters are rare.
                lasts = hours(dice.between(48, 120));
            }
            Storm::Webhooks(delivery) => rig.stripe.set_delivery(*delivery),
            Storm::OtherMode => rig.stripe.set_livemode(Some(true)),
            Storm::OtherAccount => rig.stripe.set_account_id(Some("acct_somebody_elses")),
            Storm::StripeEmpty => rig.stripe.set_lists_empty(true),
            Storm::PagingStuck => rig.stripe.set_paging_stuck(true),
            Storm::PeopleTold(told) => rig.plex.switch(|switches| switches.people_told = *told),
            Storm::SectionsTold(told) => rig.plex.switch(|switches| switches.sections_told = *told),
            Storm::OtherServer => rig.plex.set_machine("ffff0000ffff0000ffff0000ffff0000ffff0000"),
            Storm::ServerAway => rig.plex.switch(|switches| switches.server_away = true),
            Storm::Lag(seconds) => rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(*seconds)),
            Storm::V2Gone(code) => {
                let v2 = Matching::PathContains("/api/v2/shared_servers".into());
                rig.plex.faults().add(Rule::new(v2, Fault::status(*code)));
            }
            Storm::CutOff => {
                rig.tautulli.set_connected(false);
                self.cut_off = Some(now);
                lasts = hours(dice.between(4, 100));
            }
            Storm::SqlError => rig.tautulli.set_sql_error(true),
            Storm::PlexUnreachable => rig.tautulli.set_plex_reachable(false),
            Storm::OtherTautulli => rig.tautulli.set_server("eeee0000eeee0000eeee0000eeee0000eeee0000"),
            Storm::NoHistoryKept => (0..4).for_each(|n| rig.tautulli.set_keep_history(PlexId(2_000_100 + n), false)),
            Storm::Reinstalled => {
                rig.tautulli.reinstall();
                self.refresh_at = Some(now + hours(12));
                lasts = hours(13);
            }
            Storm::Clock(minutes) => {
                rig.time.set_offset(TimeDelta::minutes(*minutes));
                lasts = hours(dice.between(1, 5));
            }
            Storm::Disk(step, fault) => trap.set(Spring::Always(*step, *fault)),
            Storm::Plug(most) => {
                self.hand = Some((Hand::on_the_plug(rig, dice), hours(dice.between(0, *most))));
                lasts = hours(2);
            }
            Storm::TornBook => self.down_until = Some(now),
        }
        lasts
    }

    fn calm_down(&mut self, rig: &mut Rig, trap: &Trap, record: &mut Record) {
        let now = rig.now();
        for service in [Service::Plex, Service::Stripe, Service::Tautulli, Service::Discord] {
            faults(rig, service).clear();
        }
        if matches!(self.now, Some((Storm::Reinstalled, _))) {
            record.history_is_lost();
        }
        rig.smtp.clear_faults();
        rig.smtp.fault(smtp::Fault::UnknownRecipient(address(GHOST)), Stay::UntilCleared);
        rig.stripe.set_delivery(Delivery::On);
        rig.stripe.set_livemode(None);
        rig.stripe.set_account_id(Some("acct_sandbox"));
        rig.stripe.set_lists_empty(false);
        rig.stripe.set_paging_stuck(false);
        rig.plex.switch(|switches| *switches = sandbox::plex::Switches::default());
        rig.plex.set_machine(MACHINE);
        rig.tautulli.set_connected(true);
        rig.tautulli.set_sql_error(false);
        rig.tautulli.set_plex_reachable(true);
        rig.tautulli.set_server(MACHINE);
        (0..4).for_each(|n| rig.tautulli.set_keep_history(PlexId(2_000_100 + n), true));
        rig.time.set_offset(TimeDelta::zero());
        trap.set(Spring::Never);
        if let Some(since) = self.cut_off.take() {
            record.blind.push((since, now));
        }
        self.hand = None;
        self.now = None;
        self.calm_since = now;
        // A few days without, now and then, so that calm is seen, too.
        let pause = if self.came.values().sum::<u32>() % 6 == 0 { 60 } else { 6 };
        self.next = now + hours(pause);
    }

    /// The daemon was torn down for a torn book?
    pub fn tears_the_book(&self) -> bool {
        matches!(self.now, Some((Storm::TornBook, _)))
    }
}

/// One of the stand-ins' faults.
fn faults(rig: &Rig, service: Service) -> Faults {
    match service {
        Service::Plex => rig.plex.faults(),
        Service::Stripe => rig.stripe.faults(),
        Service::Tautulli => rig.tautulli.faults(),
        Service::Discord => rig.discord.faults(),
    }
}

/// Every second request or so, by chance that replays.
fn half_of_all(seed: u64) -> Matching {
    let state = Arc::new(AtomicU64::new(seed));
    Matching::when(move |_| {
        let mut dice = Dice::new(state.load(Ordering::Relaxed));
        let rolled = dice.roll();
        state.store(rolled, Ordering::Relaxed);
        rolled.is_multiple_of(2)
    })
}

fn name(storm: &Storm) -> String {
    match storm {
        Storm::Http(service, fault) => format!("{service:?} {}", fault.label()),
        Storm::Mail(fault) => format!("mail {}", fault.name()),
        other => format!("{other:?}"),
    }
}

fn deck() -> Vec<Storm> {
    let faults = [
        Fault::status(401),
        Fault::status(404),
        Fault::status(410),
        Fault::status(429),
        Fault::too_many(120),
        Fault::status(500),
        Fault::status(503),
        Fault::Html,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Empty,
        Fault::HalfPages,
        Fault::RepeatPage,
        Fault::DropBeforeEffect,
        Fault::EffectThenDrop,
        Fault::EffectThenStatus(502),
        Fault::Hang,
        Fault::SlowDrip(Duration::from_secs(120)),
    ];
    let mut deck = Vec::new();
    for service in [Service::Plex, Service::Stripe, Service::Tautulli, Service::Discord] {
        let bends =
            |fault: &&Fault| service != Service::Discord || !matches!(fault, Fault::HalfPages | Fault::RepeatPage);
        deck.extend(faults.iter().filter(bends).map(|fault| Storm::Http(service, fault.clone())));
    }
    let mails = [
        smtp::Fault::Down,
        smtp::Fault::GreetingBusy,
        smtp::Fault::Hang,
        smtp::Fault::StartTlsRefused,
        smtp::Fault::AuthRefused,
        smtp::Fault::Greylist,
        smtp::Fault::Quota,
        smtp::Fault::PolicyRefused,
        smtp::Fault::DropBeforeData,
        smtp::Fault::DropInData,
        smtp::Fault::DropAfterDot,
        smtp::Fault::HangAfterDot,
        smtp::Fault::SplitReplies,
    ];
    deck.extend(mails.into_iter().map(Storm::Mail));
    deck.extend([
        Storm::Webhooks(Delivery::Lost),
        Storm::Webhooks(Delivery::Doubled),
        Storm::Webhooks(Delivery::Reordered),
        Storm::OtherMode,
        Storm::OtherAccount,
        Storm::StripeEmpty,
        Storm::PagingStuck,
        Storm::PeopleTold(Told::Half),
        Storm::PeopleTold(Told::Nothing),
        Storm::SectionsTold(Told::Half),
        Storm::SectionsTold(Told::Nothing),
        Storm::OtherServer,
        Storm::ServerAway,
        Storm::Lag(2),
        Storm::Lag(40),
        Storm::V2Gone(404),
        Storm::V2Gone(410),
        Storm::CutOff,
        Storm::CutOff,
        Storm::SqlError,
        Storm::PlexUnreachable,
        Storm::OtherTautulli,
        Storm::NoHistoryKept,
        Storm::Reinstalled,
        Storm::Clock(24 * 60),
        Storm::Clock(-24 * 60),
        Storm::Clock(9),
        Storm::Disk(Step::TempWritten, StepFault::DiskFull),
        Storm::Disk(Step::TempSynced, StepFault::FsyncFails),
        Storm::Disk(Step::FolderSynced, StepFault::FsyncFails),
        Storm::Plug(0),
        Storm::Plug(0),
        Storm::Plug(0),
        Storm::Plug(1),
        Storm::Plug(12),
        Storm::Plug(80),
        Storm::TornBook,
    ]);
    deck
}

/// How many kinds there are.
pub fn kinds() -> usize {
    let names: std::collections::BTreeSet<String> = deck().iter().map(name).collect();
    names.len()
}
