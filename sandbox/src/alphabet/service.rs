//! What the services around Usher can do: fail in every way, lie, lag, and be
//! somebody else's. Moves come in spells, from a shuffled deck so that every
//! kind comes; what a move began it takes back when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId};

use super::Town;
use super::member::hours;
use crate::dice::Dice;
use crate::faults::{Fault, Faults, Matching, Rule};
use crate::plex::{MACHINE, Switches, Told};
use crate::rig::Rig;
use crate::smtp::{self, Stay};
use crate::stripe::Delivery;

/// A service that speaks HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "their names")]
pub enum Service {
    Plex,
    Stripe,
    Tautulli,
    Discord,
}

/// A move of a service's.
#[derive(Debug, Clone)]
pub enum ServiceMove {
    /// Requests fail.
    Http(Service, Fault),
    /// Mail fails.
    Mail(smtp::Fault),
    /// Stripe's webhooks go astray.
    Webhooks(Delivery),
    /// Stripe's key is of the other mode.
    OtherMode,
    /// Stripe's key is of another account.
    OtherAccount,
    /// Stripe lists nothing.
    StripeEmpty,
    /// Stripe's pages never end.
    PagingStuck,
    /// plex.tv tells of some people only.
    PeopleTold(Told),
    /// plex.tv tells of some libraries only.
    SectionsTold(Told),
    /// The token leads to another server.
    OtherServer,
    /// plex.tv can't see the server.
    ServerAway,
    /// Listings lag by so many seconds.
    Lag(i64),
    /// Plex's v2 sharing API is gone, with this status.
    V2Gone(u16),
    /// Stripe shows no invoices any more: the key was edited.
    InvoicesHidden,
    /// Tautulli has lost its connection to Plex.
    CutOff,
    /// Tautulli's database fails.
    SqlError,
    /// Tautulli says that it can't reach Plex.
    PlexUnreachable,
    /// Tautulli is of another server.
    OtherTautulli,
    /// Tautulli keeps no history of some people.
    NoHistoryKept,
    /// Tautulli has forgotten everything, and lists people 12 hours later.
    Forgotten,
}

impl ServiceMove {
    /// In words: alike moves of a service have one name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(Service::Plex, fault) => {
                http(fault, ["plex.tv fails", "plex.tv talks nonsense", "plex.tv acts and fails"])
            }
            Self::Http(Service::Stripe, fault) => {
                http(fault, ["Stripe fails", "Stripe talks nonsense", "Stripe acts and fails"])
            }
            Self::Http(Service::Tautulli, fault) => {
                http(fault, ["Tautulli fails", "Tautulli talks nonsense", "Tautulli acts and fails"])
            }
            Self::Http(Service::Discord, fault) => {
                http(fault, ["Discord fails", "Discord fails", "Discord acts and fails"])
            }
            Self::Mail(smtp::Fault::DropAfterDot | smtp::Fault::HangAfterDot) => "a mail's receipt is lost",
            Self::Mail(_) => "mail fails",
            Self::Webhooks(_) => "webhooks go astray",
            Self::OtherMode | Self::OtherAccount => "Stripe is another's",
            Self::StripeEmpty | Self::PagingStuck => "Stripe lists wrongly",
            Self::PeopleTold(_) => "plex.tv hides people",
            Self::SectionsTold(_) => "plex.tv hides libraries",
            Self::OtherServer => "the server is another's",
            Self::ServerAway => "the server is away",
            Self::Lag(_) => "plex.tv lags",
            Self::V2Gone(_) => "half of plex.tv is gone",
            Self::InvoicesHidden => "Stripe hides the invoices",
            Self::CutOff | Self::PlexUnreachable => "Tautulli sees nothing",
            Self::SqlError => "Tautulli's database fails",
            Self::OtherTautulli => "Tautulli is another's",
            Self::NoHistoryKept => "Tautulli keeps no history",
            Self::Forgotten => "Tautulli forgets",
        }
    }

    /// Every name.
    #[must_use]
    pub fn names() -> std::collections::BTreeSet<&'static str> {
        deck().iter().map(Self::name).collect()
    }

    /// All of them, as they lie in the deck.
    #[must_use]
    pub fn all() -> Vec<Self> {
        deck()
    }

    fn kind(&self) -> String {
        match self {
            Self::Http(service, fault) => format!("{service:?} {}", fault.label()),
            Self::Mail(fault) => format!("mail {}", fault.name()),
            other => format!("{other:?}"),
        }
    }
}

fn http(fault: &Fault, [fails, nonsense, acts]: [&'static str; 3]) -> &'static str {
    match fault {
        Fault::Html | Fault::Malformed | Fault::Truncated | Fault::Empty | Fault::HalfPages | Fault::RepeatPage => {
            nonsense
        }
        Fault::EffectThenDrop | Fault::EffectThenStatus(_) => acts,
        _ => fails,
    }
}

/// The deck, and the move that goes on.
#[derive(Debug)]
pub struct Weather {
    deck: Vec<ServiceMove>,
    now: Option<(ServiceMove, Moment)>,
    next: Moment,
    /// The spell of bad days ends then.
    spell_ends: Moment,
    refresh_at: Option<Moment>,
    cut_off: Option<Moment>,
    /// Tautulli saw nobody in these spans.
    pub blind: Vec<(Moment, Moment)>,
    /// How often each kind came.
    pub came: BTreeMap<String, u32>,
    /// When each began, and how long it was to last.
    pub log: Vec<String>,
    /// By how much plex.tv's listings lag in this seed, when all is well.
    lag: TimeDelta,
}

impl Weather {
    /// Fair at first.
    #[must_use]
    pub fn new(rig: &Rig, dice: &mut Dice) -> Self {
        let now = rig.now();
        let lags = [0, 0, 2, 40, 110];
        let lag = TimeDelta::seconds(dice.pick(&lags).unwrap_or(0));
        rig.plex.switch(|switches| switches.lag = lag);
        Self {
            deck: Vec::new(),
            now: None,
            next: now + TimeDelta::hours(30),
            spell_ends: now + TimeDelta::days(9),
            refresh_at: None,
            cut_off: None,
            blind: Vec::new(),
            came: BTreeMap::new(),
            log: vec![format!("plex.tv lags by {lag}")],
            lag,
        }
    }

    /// Since when Tautulli sees nobody, if it is so now.
    #[must_use]
    pub fn blind_since(&self) -> Option<Moment> {
        self.cut_off
    }

    /// Whether nothing goes on. Invoices that Stripe doesn't show keep nobody out,
    /// and no letter back.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.now.is_none() || self.invoices_hidden()
    }

    /// Whether Stripe doesn't show the invoices.
    #[must_use]
    pub fn invoices_hidden(&self) -> bool {
        matches!(self.now, Some((ServiceMove::InvoicesHidden, _)))
    }

    /// Whether letters don't go out.
    #[must_use]
    pub fn mail_fails(&self) -> bool {
        matches!(self.now, Some((ServiceMove::Mail(_), _)))
    }

    /// One hour. `over`: no new move, and the last one ends.
    pub fn blow(&mut self, rig: &Rig, town: &mut Town, dice: &mut Dice, over: bool) {
        let now = rig.now();
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            rig.tautulli.refresh();
        }
        if let Some((going, until)) = &self.now {
            let bitten = matches!(going, ServiceMove::Mail(fault) if rig.smtp.bitten().contains_key(fault.name()));
            if over || *until <= now || bitten && now + TimeDelta::hours(24) >= *until {
                self.calm_down(rig, town, dice);
            }
            return;
        }
        if over || self.next > now {
            return;
        }
        if self.deck.is_empty() {
            self.deck = deck();
            dice.shuffle(&mut self.deck);
        }
        if let Some(going) = self.deck.pop() {
            *self.came.entry(going.kind()).or_default() += 1;
            let lasts = self.begin(rig, town, dice, &going);
            self.log.push(format!("{} {} for {} h", now.format("%m-%d %H:%M"), going.kind(), lasts.num_hours()));
            town.house.push((now, going.name()));
            self.now = Some((going, now + lasts));
        }
    }

    /// Sets it off; says how long it lasts.
    fn begin(&mut self, rig: &Rig, town: &Town, dice: &mut Dice, going: &ServiceMove) -> TimeDelta {
        let mut lasts = hours(dice.between(1, 30));
        match going {
            ServiceMove::Http(service, fault) => {
                let matching = match dice.below(4) {
                    0 => Matching::All,
                    1 => Matching::Reads,
                    2 => Matching::Writes,
                    _ => half_of_all(dice.roll()),
                };
                // Discord hears only writes; what bends needs listings.
                let matching = if *service == Service::Discord { Matching::All } else { matching };
                faults(rig, *service).add(Rule::new(matching, fault.clone()));
            }
            ServiceMove::Mail(fault) => {
                let once = matches!(fault, smtp::Fault::DropAfterDot | smtp::Fault::HangAfterDot);
                rig.smtp.fault(fault.clone(), if once { Stay::Next(1) } else { Stay::UntilCleared });
                // Now and then nobody notices for weeks.
                lasts = hours(if dice.one_in(5) { dice.between(80, 20 * 24) } else { dice.between(24, 80) });
            }
            ServiceMove::Webhooks(delivery) => {
                rig.stripe.set_delivery(*delivery);
                lasts = hours(dice.between(24, 200));
            }
            ServiceMove::CutOff => {
                lasts = hours(dice.between(4, 100));
                self.darken(rig, town, going);
            }
            ServiceMove::Forgotten => {
                self.refresh_at = Some(rig.now() + hours(12));
                lasts = hours(13);
                self.darken(rig, town, going);
            }
            ServiceMove::SqlError
            | ServiceMove::PlexUnreachable
            | ServiceMove::OtherTautulli
            | ServiceMove::NoHistoryKept => {
                self.darken(rig, town, going);
            }
            ServiceMove::InvoicesHidden => {
                lasts = hours(dice.between(24 * 4, 24 * 12));
                self.lie(rig, going);
            }
            _ => self.lie(rig, going),
        }
        lasts
    }

    /// Stripe and plex.tv answer, and what they say is not so.
    fn lie(&self, rig: &Rig, going: &ServiceMove) {
        match going {
            ServiceMove::OtherMode => rig.stripe.set_livemode(Some(true)),
            ServiceMove::OtherAccount => rig.stripe.set_account_id(Some("acct_somebody_elses")),
            ServiceMove::StripeEmpty => rig.stripe.set_lists_empty(true),
            ServiceMove::PagingStuck => rig.stripe.set_paging_stuck(true),
            ServiceMove::PeopleTold(told) => rig.plex.switch(|switches| switches.people_told = *told),
            ServiceMove::SectionsTold(told) => rig.plex.switch(|switches| switches.sections_told = *told),
            ServiceMove::OtherServer => rig.plex.set_machine("ffff0000ffff0000ffff0000ffff0000ffff0000"),
            ServiceMove::ServerAway => rig.plex.switch(|switches| switches.server_away = true),
            ServiceMove::Lag(seconds) => rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(*seconds)),
            ServiceMove::InvoicesHidden => {
                let invoices = Matching::when(|request| request.path.starts_with("/v1/invoices"));
                rig.stripe.faults().add(Rule::new(invoices, Fault::status(403)));
            }
            ServiceMove::V2Gone(code) => {
                let v2 = Matching::PathContains("/api/v2/shared_servers".into());
                rig.plex.faults().add(Rule::new(v2, Fault::status(*code)));
            }
            _ => {}
        }
    }

    /// Tautulli sees less than there is.
    fn darken(&mut self, rig: &Rig, town: &Town, going: &ServiceMove) {
        self.cut_off = Some(rig.now());
        match going {
            ServiceMove::CutOff => rig.tautulli.set_connected(false),
            ServiceMove::SqlError => rig.tautulli.set_sql_error(true),
            ServiceMove::PlexUnreachable => rig.tautulli.set_plex_reachable(false),
            ServiceMove::OtherTautulli => rig.tautulli.set_server("eeee0000eeee0000eeee0000eeee0000eeee0000"),
            ServiceMove::NoHistoryKept => unseen(town).for_each(|who| rig.tautulli.set_keep_history(who, false)),
            _ => rig.tautulli.reinstall(),
        }
    }

    fn calm_down(&mut self, rig: &Rig, town: &Town, dice: &mut Dice) {
        let now = rig.now();
        for service in [Service::Plex, Service::Stripe, Service::Tautulli, Service::Discord] {
            faults(rig, service).clear();
        }
        rig.smtp.clear_faults();
        rig.stripe.set_delivery(Delivery::On);
        rig.stripe.set_livemode(None);
        rig.stripe.set_account_id(Some("acct_sandbox"));
        rig.stripe.set_lists_empty(false);
        rig.stripe.set_paging_stuck(false);
        rig.plex.switch(|switches| *switches = Switches { lag: self.lag, ..Switches::default() });
        town.lots.apply(rig);
        rig.plex.set_machine(MACHINE);
        rig.tautulli.set_connected(true);
        rig.tautulli.set_sql_error(false);
        rig.tautulli.set_plex_reachable(true);
        rig.tautulli.set_server(MACHINE);
        if let Some((ServiceMove::NoHistoryKept, _)) = self.now {
            unseen(town).for_each(|who| rig.tautulli.set_keep_history(who, true));
        }
        if let Some(since) = self.cut_off.take() {
            self.blind.push((since, now));
        }
        self.now = None;
        // Bad days come in spells, and so do good ones.
        self.next = now + hours(dice.between(2, 20));
        if now >= self.spell_ends {
            self.next = now + hours(dice.between(24 * 6, 24 * 12));
            self.spell_ends = self.next + hours(dice.between(24 * 5, 24 * 14));
        }
    }
}

/// Every third person who can be seen at all.
fn unseen(town: &Town) -> impl Iterator<Item = PlexId> {
    let seen = town.people.iter().filter(|person| person.unseen_since.is_none());
    seen.step_by(3).flat_map(|person| person.accounts.clone())
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

fn deck() -> Vec<ServiceMove> {
    let faults = [
        Fault::status(400),
        Fault::status(401),
        Fault::status(403),
        Fault::status(404),
        Fault::status(408),
        Fault::status(409),
        Fault::status(410),
        Fault::status(425),
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
        Fault::EffectThenStatus(400),
        Fault::EffectThenStatus(502),
        Fault::Hang,
        Fault::SlowDrip(Duration::from_secs(120)),
    ];
    let mut deck = Vec::new();
    for service in [Service::Plex, Service::Stripe, Service::Tautulli, Service::Discord] {
        let bends =
            |fault: &&Fault| service != Service::Discord || !matches!(fault, Fault::HalfPages | Fault::RepeatPage);
        deck.extend(faults.iter().filter(bends).map(|fault| ServiceMove::Http(service, fault.clone())));
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
    deck.extend(mails.into_iter().map(ServiceMove::Mail));
    deck.extend([
        ServiceMove::Webhooks(Delivery::Lost),
        ServiceMove::Webhooks(Delivery::Doubled),
        ServiceMove::Webhooks(Delivery::Reordered),
        ServiceMove::OtherMode,
        ServiceMove::OtherAccount,
        ServiceMove::StripeEmpty,
        ServiceMove::PagingStuck,
        ServiceMove::PeopleTold(Told::Half),
        ServiceMove::PeopleTold(Told::Nothing),
        ServiceMove::SectionsTold(Told::Half),
        ServiceMove::SectionsTold(Told::Nothing),
        ServiceMove::OtherServer,
        ServiceMove::ServerAway,
        ServiceMove::Lag(40),
        ServiceMove::Lag(115),
        ServiceMove::V2Gone(404),
        ServiceMove::V2Gone(410),
        ServiceMove::V2Gone(404),
        ServiceMove::V2Gone(410),
        ServiceMove::InvoicesHidden,
        ServiceMove::InvoicesHidden,
        ServiceMove::InvoicesHidden,
        ServiceMove::CutOff,
        ServiceMove::CutOff,
        ServiceMove::SqlError,
        ServiceMove::PlexUnreachable,
        ServiceMove::OtherTautulli,
        ServiceMove::NoHistoryKept,
        ServiceMove::Forgotten,
    ]);
    deck
}

/// How many kinds there are.
#[must_use]
pub fn kinds() -> usize {
    let kinds: std::collections::BTreeSet<String> = deck().iter().map(ServiceMove::kind).collect();
    kinds.len()
}
