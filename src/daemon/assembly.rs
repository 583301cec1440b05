//! From configuration to parts: rules, services, the book.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::backoff::WAIT_MAX;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::door::{Lobby, Pages, Strangers, Till};
use crate::engine::desk::Desk;
use crate::engine::{Couriers, LiveBook, mailbox};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, KnownTiers, Ways};
use crate::letters::{Brand, Renderer};
use crate::loops::courier::{DiscordRoute, MailRoute};
use crate::policy::{Rules, Tiers, handover, numbers};
use crate::portal::PortalKey;
use crate::secret::Secret;
use crate::services::{
    discord::Discord, http::Http, plex::Plex, smtp, smtp::Smtp, stripe::Stripe, tautulli::Tautulli, tls,
};
use crate::store::{self, Store, StoreError, Which};
use crate::tier::Tier;

/// Why the daemon can't start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The book.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A listener.
    #[error("{name}: can't listen on {address}: {error}; choose a free port")]
    Listen { name: &'static str, address: SocketAddr, error: std::io::Error },
    /// The configuration, where only using it shows the problem.
    #[error("{0}")]
    Config(String),
    /// A part ended.
    #[error("{0}")]
    Ended(String),
}

/// The network clients.
pub(crate) struct Services {
    pub(crate) plex: Plex,
    pub(crate) stripe: Option<Stripe>,
    pub(crate) tautulli: Option<Tautulli>,
    http: Http,
}

impl Services {
    /// Connects to nothing yet. `client_id` is who we are to plex.tv.
    pub(crate) fn assemble(config: &Config, clock: &Clock, client_id: String) -> Result<Self, Trouble> {
        let tls = tls::client_config(config.extra_ca_pem.as_deref()).map_err(Trouble::Config)?;
        let proxy = config.https_proxy.as_ref().map(Secret::expose);
        let http = Http::new(&tls, clock.clone(), proxy).map_err(Trouble::Config)?;
        Ok(Self {
            plex: Plex::new(http.clone(), config.plex.api_url.clone(), config.plex.token.clone(), client_id),
            stripe: config
                .stripe
                .as_ref()
                .map(|stripe| Stripe::new(http.clone(), stripe.api_url.clone(), stripe.key.clone())),
            tautulli: config
                .tautulli
                .as_ref()
                .map(|tautulli| Tautulli::new(http.clone(), &tautulli.url, tautulli.key.clone())),
            http,
        })
    }

    /// What they asked for before this process began still counts. Nobody asks for more
    /// than a day: what lies farther ahead was counted by a clock that was ahead.
    pub(crate) fn keep_to(&self, rests: &BTreeMap<Source, Moment>, now: Moment) {
        let left = |source| {
            let until = rests.get(&source).filter(|until| **until <= now + WAIT_MAX)?;
            (*until - now).to_std().ok()
        };
        if let Some(wait) = left(Source::Plex) {
            self.plex.rest_for(wait);
        }
        if let (Some(stripe), Some(wait)) = (&self.stripe, left(Source::Stripe)) {
            stripe.rest_for(wait);
        }
    }

    /// The operator's Discord channel, where there is one.
    pub(crate) fn discord(&self, config: &Config) -> Result<Option<Discord>, Trouble> {
        let Some(settings) = &config.discord else { return Ok(None) };
        Discord::new(self.http.clone(), &settings.webhook, settings.api_url.clone()).map(Some).map_err(Trouble::Config)
    }
}

/// The book, opened.
pub(super) struct Opened {
    pub(super) store: Store<Book>,
    pub(super) book: Book,
    pub(super) live: Option<LiveBook>,
    pub(super) only_look: Option<String>,
    pub(super) forgotten: Vec<String>,
    /// Live, and the last who ran on this book was a rehearsal.
    pub(super) rehearsed: bool,
}

impl Opened {
    /// The tiers that were in force last.
    pub(super) fn known_tiers(&self) -> &KnownTiers {
        let of_live = || self.live.as_ref().map(|live| &live.book.tiers);
        match self.book.tiers.from {
            Some(_) => &self.book.tiers,
            None => of_live().unwrap_or(&self.book.tiers),
        }
    }
}

/// Opens the live book, or, in a dry run, the rehearsal beside it. What a
/// rehearsal may hand over to the live book it does when that is opened.
pub(super) fn open_book(config: &Config, hook: store::Hook, now: Moment) -> Result<Opened, Trouble> {
    let (live, loaded) = Store::<Book>::open(&config.state_dir, Which::Live, hook, now)?;
    let doubt = |trust: &store::Trust| (!trust.is_sound()).then(|| trust.to_string());
    if config.live().is_some() {
        let (only_look, forgotten) = (doubt(&loaded.trust), loaded.forgotten.iter().map(in_words).collect());
        let mut book = loaded.book.clone().unwrap_or_else(|| Book::new(now));
        if book.adopted.is_empty() {
            book.begun = now; // Only a rehearsal has written in it so far.
        }
        // One that can't be read has nothing to hand over.
        let rehearsal = Store::<Book>::read_only(&config.state_dir, Which::DryRun).ok();
        let is_whole = |there: &store::Loaded<Book>| there.book.is_some() && there.trust.is_sound();
        if !rehearsal.as_ref().is_some_and(is_whole) {
            count_on_from_history(&mut book, config, Which::DryRun);
        }
        let came_last = |there: &Book| there.goes_with(loaded.book.as_ref(), loaded.generation);
        // What only heard the operator's word in a rehearsal has adopted nobody,
        // and no version ran live on it.
        let rehearsed = (loaded.book.is_some() && book.adopted.is_empty() && book.version.is_empty())
            || rehearsal.as_ref().and_then(|there| there.book.as_ref()).is_some_and(came_last);
        if let Some(store::Loaded { book: Some(there), trust, .. }) = rehearsal {
            let livemode = config.stripe.as_ref().map(|stripe| stripe.livemode);
            match trust.is_sound() {
                true => handover::go_live(now, &mut book, &there, loaded.generation, livemode),
                false => numbers::agree(&mut book, &there),
            }
        }
        return Ok(Opened { store: live, book, live: None, only_look, forgotten, rehearsed });
    }
    let (store, rehearsal) = live.open_beside(Which::DryRun)?;
    let only_look = doubt(&loaded.trust).or_else(|| doubt(&rehearsal.trust));
    let mut book = numbers::rehearse(now, loaded.book.as_ref(), loaded.generation, rehearsal.book);
    if loaded.book.is_none() || !loaded.trust.is_sound() {
        count_on_from_history(&mut book, config, Which::Live);
    }
    if !rehearsal.trust.is_sound() || rehearsal.generation == 0 {
        count_on_from_history(&mut book, config, Which::DryRun);
    }
    let live = LiveBook { store: live, book: loaded.book.unwrap_or_else(|| Book::new(now)) };
    let forgotten = loaded.forgotten.iter().chain(&rehearsal.forgotten).map(in_words).collect();
    Ok(Opened { store, book, live: Some(live), only_look, forgotten, rehearsed: false })
}

/// The other book is gone, or is not the last of its kind: none of the numbers
/// that it gave may mean somebody else.
fn count_on_from_history(book: &mut Book, config: &Config, which: Which) {
    // What can't be read can't be told; the book itself stands.
    let told = Store::<Book>::told(&config.state_dir, which).unwrap_or_default();
    book.count_on_from(told.iter().map(|line| (line.member.as_deref(), line.what.as_str())));
}

fn in_words(line: &store::HistoryLine) -> String {
    let who = line.member.as_ref().map_or(String::new(), |member| format!("{member}: "));
    format!("{} {who}{}", line.at.format("%Y-%m-%d %H:%M"), line.what)
}

/// What prices buy, as the configuration says it now.
fn tiers(config: &Config) -> Result<Tiers, Trouble> {
    let tiers = config
        .read_tiers()
        .map_err(|problems| Trouble::Config(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok(as_rules_have_them(tiers))
}

/// What prices buy, where these tiers of a file were in force before. That the
/// file is gone since says nothing about what anybody may see: it is a problem.
pub(super) fn tiers_after(config: &Config, before: &[Tier]) -> Result<Tiers, Trouble> {
    match tiers(config)? {
        Tiers::Default(_) | Tiers::Products { .. } if !before.is_empty() => Err(Trouble::Config(format!(
            "TIERS_FILE: {} was there and is gone. Put it back; if it shall be gone for good, write [] into it, wait \
             two minutes, and then delete it",
            config.tiers.file.display()
        ))),
        tiers => Ok(tiers),
    }
}

/// From the environment's words to the rules'.
pub(crate) fn as_rules_have_them(tiers: config::Tiers) -> Tiers {
    match tiers {
        config::Tiers::File(tiers) => Tiers::File(tiers),
        config::Tiers::Default { libraries, downloads } => Tiers::default_for(libraries, downloads),
        config::Tiers::FromProducts => Tiers::Default(None),
    }
}

/// The operator's thresholds, for who has no book at hand.
pub(super) fn rules(config: &Config) -> Result<Rules, Trouble> {
    Ok(rules_with(config, tiers(config)?))
}

/// The same, where what prices buy is known already.
pub(crate) fn rules_with(config: &Config, tiers: Tiers) -> Rules {
    let house = &config.house;
    let configured = [
        (Source::Plex, true),
        (Source::Stripe, config.stripe.is_some()),
        (Source::Tautulli, config.tautulli.is_some()),
    ];
    let seconds = |secs: u32| TimeDelta::seconds(i64::from(secs));
    Rules {
        warn_days: i64::from(house.warn_days),
        kick_days: i64::from(house.kick_days),
        prune_mode: house.prune_mode,
        payment_grace_days: i64::from(house.payment_grace_days),
        payment_grace_strict: house.payment_grace == config::PaymentGrace::Strict,
        settle: TimeDelta::hours(i64::from(house.expiry_settle_hours)),
        expiry_warn_days: house.expiry_warn_days.iter().map(|days| i64::from(*days)).collect(),
        paused_collection_ends: house.paused_collection == config::PausedCollection::End,
        pause_keeps: house.on_pause == config::OnPause::Keep,
        refund_ends: house.on_refund == config::OnReversal::End,
        dispute_ends: house.on_dispute == config::OnReversal::End,
        vip_names: house.vip_names.iter().map(|name| name.trim().to_lowercase()).collect(),
        admin_email: config.admin_email.clone(),
        removals_per_day_max: house.max_removals_per_day.map(|max| max as usize),
        removal_pace: TimeDelta::minutes(i64::from(house.removal_pace_mins)),
        intervals: BTreeMap::from([
            (Source::Plex, seconds(config.intervals.check_new_users_secs)),
            (Source::Stripe, seconds(config.intervals.check_billing_secs)),
            (Source::Tautulli, seconds(config.intervals.check_inactivity_secs)),
        ]),
        configured: configured.into_iter().filter(|(_, on)| *on).map(|(source, _)| source).collect(),
        ways: Ways {
            mail: config.smtp.is_some(),
            operator_mail: config.smtp.is_some() && config.admin_email.is_some(),
            discord: config.discord.is_some(),
            dry_run: config.live().is_none(),
        },
        tz: config.tz,
        tiers,
        products: config
            .stripe
            .as_ref()
            .map(|stripe| stripe.products.iter().cloned().collect::<BTreeSet<_>>())
            .unwrap_or_default(),
        forget_days: config.tautulli.as_ref().and_then(|tautulli| tautulli.forget_days).map(i64::from),
        prune_paying: house.prune_paying,
        invite_days: i64::from(house.invite_days),
        seats: house.seats.map(|seats| seats as usize),
        unmanaged_days: (house.unmanaged == config::Unmanaged::RequireSubscription)
            .then_some(i64::from(house.adoption_grace_days)),
        unfriend_days: house.unfriend_after_days.map(i64::from),
        free_codes: config.tiers.free_codes.clone(),
        free_tier: config.tiers.free_tier.clone(),
        webhooks: config.stripe.as_ref().is_some_and(|stripe| !stripe.webhook_secrets.is_empty()),
        public_url: config.brand.public_url.clone(),
        digest: config.digest,
    }
}

/// The domain of `From`: the right side of Message-IDs.
pub(super) fn mail_domain(config: &Config) -> String {
    let from = config.smtp.as_ref().map(|smtp| smtp.from_address.as_str());
    from.and_then(|from| from.rsplit_once('@'))
        .map_or_else(|| "usher.invalid".to_owned(), |(_, domain)| domain.to_owned())
}

fn brand(config: &Config) -> Brand {
    let color = config.brand.color.map_or_else(String::new, |color| format!("#{color:06x}"));
    Brand {
        name: config.brand.name.clone().unwrap_or_else(|| "Plex".into()),
        color,
        support_link: config.brand.support_link.clone(),
        public_url: config.brand.public_url.clone(),
    }
}

fn portal_key(config: &Config) -> Result<PortalKey, StoreError> {
    store::portal_key(&config.state_dir).map(PortalKey::new)
}

/// The public pages.
pub(super) fn lobby(config: &Config, clock: &Clock, services: &Services, desk: &Desk) -> Result<Lobby, Trouble> {
    let proxies = config.door.trusted_proxies.clone();
    let trusted = move |address| proxies.iter().any(|network| network.contains(address));
    let till = services.stripe.as_ref().map(|stripe| Till {
        stripe: stripe.at_the_door(),
        public_url: config.brand.public_url.clone(),
        live: config.live(),
        mails: config.smtp.is_some(),
    });
    Ok(Lobby {
        pages: Arc::new(Pages::new(&brand(config)).map_err(Trouble::Config)?),
        strangers: Strangers::new(Arc::new(trusted)),
        till,
        sign_in: services.plex.sign_in(),
        portal: portal_key(config)?,
        desk: desk.clone(),
        clock: clock.clone(),
    })
}

/// The ways out that are configured, each with its own courier.
pub(super) fn couriers(
    config: &Config,
    services: &Services,
    post: &mailbox::Post,
    tasks: &mut JoinSet<Result<(), Trouble>>,
    with: bool,
) -> Result<Couriers, Trouble> {
    if !with {
        return Ok(Couriers::new());
    }
    let renderer = Arc::new(letters(config)?.signing_with(portal_key(config)?));
    let mail = mailer(config)?.map(|smtp| MailRoute {
        smtp,
        renderer: renderer.clone(),
        live: config.live(),
        operator: config.admin_email.clone(),
        tz: config.tz,
    });
    let discord = services.discord(config)?.map(|discord| DiscordRoute { discord, renderer, tz: config.tz });
    Ok(super::couriers_of(mail, discord, post, tasks))
}

/// What renders letters, the operator's own templates tried.
pub(crate) fn letters(config: &Config) -> Result<Renderer, Trouble> {
    let own = config.own_templates().map_err(Trouble::Config)?;
    Renderer::new(brand(config), &own).map_err(|error| Trouble::Config(format!("TEMPLATES_DIR: {error}")))
}

/// The way out for mail, where there is one. Connects to nothing yet.
pub(crate) fn mailer(config: &Config) -> Result<Option<Smtp>, Trouble> {
    let Some(settings) = &config.smtp else { return Ok(None) };
    let tls = match settings.tls {
        config::SmtpTls::StartTls => smtp::Tls::StartTls,
        config::SmtpTls::Implicit => smtp::Tls::Implicit,
        config::SmtpTls::None => smtp::Tls::None,
    };
    let from = smtp::Mailbox {
        name: settings.from_name.clone().or_else(|| config.brand.name.clone()),
        address: settings.from_address.clone(),
    };
    let reply_to = config.admin_email.clone().map(|address| smtp::Mailbox { name: None, address });
    let settings = smtp::Settings {
        host: settings.host.clone(),
        port: settings.port,
        tls,
        username: settings.username.clone(),
        password: settings.password.clone(),
        from,
        reply_to,
        hello: mail_domain(config),
    };
    let smtp = Smtp::new(settings, config.extra_ca_pem.as_deref());
    smtp.map(Some).map_err(|why| Trouble::Config(format!("SMTP: {why}")))
}
