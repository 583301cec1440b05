//! The daemon: the only place that spawns.
//!
//! What it promises: everything that runs is in one [`JoinSet`]; dropping it
//! is pulling the plug. If any part of it ends by itself, all of it ends, and
//! the container starts it again: a start takes milliseconds and is safe.

pub(crate) mod assembly;
mod tiers;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::door::{self, AdminDoor, AdminTokens, PublicDoor, Tally, WebhookSettings};
use crate::engine::desk::{Desk, Hint, View};
use crate::engine::{Engine, act, mailbox, snapshot};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Channel};
use crate::limits;
use crate::loops::{self, Rhythm, courier};
use crate::policy::{Rules, starting};
use crate::store;
use assembly::{Services, Trouble};

/// The loops, each of which can be left out to show what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Stripe.
    Billing,
    /// Plex.
    Friends,
    /// Tautulli.
    Activity,
    /// Deadlines.
    Expiry,
    /// Letters.
    Courier,
}

/// What a test or the sandbox may choose; the daemon itself takes the default.
#[derive(Default, Clone)]
pub struct Options {
    /// Called at each step of a commit.
    pub hook: store::Hook,
    /// Loops to leave out.
    pub without: BTreeSet<Part>,
}

/// How the daemon ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Ended(String);

/// The operator's thresholds, for commands that explain a book without the
/// daemon.
///
/// # Errors
/// What is wrong with the tiers file.
pub fn rules(config: &Config) -> Result<Rules, String> {
    assembly::rules(config).map_err(|trouble| trouble.to_string())
}

/// Some book in `STATE_DIR` knows tiers of a file, which go on while the file
/// can't be read.
#[must_use]
pub fn knows_tiers(config: &Config) -> bool {
    let read = |which| store::Store::<Book>::read_only(&config.state_dir, which).ok().and_then(|loaded| loaded.book);
    let books = [store::Which::Live, store::Which::DryRun].into_iter().filter_map(read);
    books.into_iter().any(|book| book.tiers.of_file().is_some())
}

/// Runs until SIGTERM or SIGINT. Exit codes: 0 asked to stop, 1 otherwise.
pub async fn run(config: Config, clock: Clock) -> ExitCode {
    match run_until(config, clock, Options::default(), asked_to_stop()).await {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(ended) => {
            tracing::error!("{ended}");
            ExitCode::FAILURE
        }
    }
}

/// Listens from the call on, not from the first poll: a stop in the first
/// milliseconds of a start counts too.
fn asked_to_stop() -> impl Future<Output = ()> {
    let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    async move {
        let terminate = async {
            match signal {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = terminate => {}
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    }
}

/// Runs until `shutdown`. Dropping the future is pulling the plug.
///
/// # Errors
/// Why it could not start, or could not go on.
pub async fn run_until(
    config: Config,
    clock: Clock,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Ended> {
    start(config, clock, options, shutdown).await.map_err(|trouble| Ended(trouble.to_string()))
}

async fn start(
    config: Config,
    clock: Clock,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Trouble> {
    let now = clock.now();
    let mut opened = assembly::open_book(&config, options.hook.clone(), now)?;
    let tiers = tiers::at_start(&config, opened.known_tiers())?;
    let rules = Arc::new(assembly::rules_with(&config, tiers.tiers.clone()));
    if config.live().is_some() {
        starting::begin(now, &rules, &mut opened.book, opened.rehearsed);
    }
    let services = Services::assemble(&config, &clock, store::client_id(&config.state_dir)?)?;
    services.keep_to(&opened.book.rests, now);
    announce(&config, now);
    let (mailbox, post, asks) = mailbox::mailbox();
    let (hints, hinted) = mpsc::channel(limits::HINTS_MAX);
    let nothing: Arc<dyn View> = Arc::new(snapshot::Nothing { started: now });
    let (publish, view) = watch::channel(nothing);
    let (needs_tx, needs) = watch::channel(Arc::new(snapshot::Needs::default()));
    let (acts, jobs) = mpsc::channel(1);
    let mut tasks: JoinSet<Result<(), Trouble>> = JoinSet::new();

    let with = |part| !options.without.contains(&part);
    let couriers = assembly::couriers(&config, &services, &post, &mut tasks, with(Part::Courier))?;
    open_doors(&config, &clock, &services, Desk { asks, view, hints }, &mut tasks).await?;
    let reach = act::Reach {
        plex: services.plex.clone(),
        stripe: services.stripe.clone(),
        tautulli: services.tautulli.clone(),
        live: config.live(),
        clock: clock.clone(),
    };
    {
        let post = post.clone();
        tasks.spawn(async move {
            let _: () = act::run(jobs, post, reach).await;
            ended(())
        });
    }
    let rhythm = |source| {
        let interval = rules.intervals.get(&source).and_then(|interval| interval.to_std().ok()).unwrap_or_default();
        Rhythm::new(source, interval, needs.clone(), clock.clone())
    };
    if with(Part::Friends) {
        let (rhythm, post, plex) = (rhythm(Source::Plex), post.clone(), services.plex.clone());
        let name = config.plex.server_name.clone();
        tasks.spawn(async move {
            let _: () = loops::friends::run(rhythm, plex, name, post).await;
            ended(())
        });
    }
    spawn_billing(&services, rhythm(Source::Stripe), hinted, &post, with(Part::Billing), &mut tasks);
    if let Some(tautulli) = services.tautulli.clone().filter(|_| with(Part::Activity)) {
        let (rhythm, post, days) = (rhythm(Source::Tautulli), post.clone(), rules.kick_days + 7);
        tasks.spawn(async move {
            let _: () = loops::activity::run(rhythm, tautulli, days, post).await;
            ended(())
        });
    }
    if with(Part::Expiry) {
        let (needs, post, clock) = (needs.clone(), post.clone(), clock.clone());
        tasks.spawn(async move {
            let _: () = loops::expiry::run(needs, post, clock).await;
            ended(())
        });
    }
    {
        let (config, post) = (config.clone(), post.clone());
        tasks.spawn(async move {
            let _: () = tiers::watch(config, tiers, post).await;
            ended(())
        });
    }
    drop(post);
    let engine = Engine::new(crate::engine::Parts {
        store: opened.store,
        book: opened.book,
        live: opened.live,
        rules,
        only_look: opened.only_look,
        forgotten: opened.forgotten,
        clock,
        mail_domain: assembly::mail_domain(&config),
        acts,
        couriers,
        publish,
        needs: needs_tx,
    });
    let outcome = tokio::select! {
        biased;
        outcome = engine.run(mailbox, shutdown) => outcome.map_err(Trouble::Store),
        Some(outcome) = tasks.join_next() => Err(match outcome {
            Ok(Err(trouble)) => trouble,
            Ok(Ok(())) => Trouble::Ended("a part of Usher ended by itself".into()),
            Err(error) => Trouble::Ended(format!("a part of Usher failed: {error}")),
        }),
    };
    tasks.shutdown().await;
    // The file would send commands to a door that is closed.
    let _ = store::remove_listening(&config.state_dir);
    outcome
}

fn ended((): ()) -> Result<(), Trouble> {
    Ok(())
}

fn spawn_billing(
    services: &Services,
    rhythm: Rhythm,
    hints: mpsc::Receiver<Hint>,
    post: &mailbox::Post,
    with: bool,
    tasks: &mut JoinSet<Result<(), Trouble>>,
) {
    let Some(stripe) = services.stripe.clone().filter(|_| with) else { return };
    let post = post.clone();
    tasks.spawn(async move {
        let _: () = loops::billing::run(rhythm, stripe, hints, post).await;
        ended(())
    });
}

/// Binds both listeners, writes down where, and serves.
async fn open_doors(
    config: &Config,
    clock: &Clock,
    services: &Services,
    desk: Desk,
    tasks: &mut JoinSet<Result<(), Trouble>>,
) -> Result<(), Trouble> {
    let bind = |name: &'static str, address| async move {
        TcpListener::bind(address).await.map_err(|error| Trouble::Listen { name, address, error })
    };
    let public = bind("LISTEN", config.door.listen).await?;
    let admin = bind("ADMIN_LISTEN", config.door.admin_listen).await?;
    if let (Ok(public), Ok(admin)) = (public.local_addr(), admin.local_addr()) {
        store::write_listening(&config.state_dir, &store::Listening { public, admin })?;
        tracing::info!(%public, %admin, "listening");
    }
    let made = store::tokens(&config.state_dir)?;
    let tokens = Arc::new(AdminTokens {
        change: config.door.api_token.clone().unwrap_or(made.admin),
        read: config.door.api_token_read.clone().unwrap_or(made.read),
    });
    let tally = Arc::new(Tally::default());
    let webhook = Arc::new(WebhookSettings {
        secrets: config.stripe.as_ref().map(|stripe| stripe.webhook_secrets.clone()).unwrap_or_default(),
        livemode: config.stripe.as_ref().map(|stripe| stripe.livemode),
    });
    let lobby = assembly::lobby(config, clock, services, &desk)?;
    let till = lobby.till.clone();
    let public_door = PublicDoor { webhook, tally: tally.clone(), desk: desk.clone(), lobby, clock: clock.clone() };
    let admin_door = AdminDoor { tokens, tally, desk, clock: clock.clone(), till };
    tasks.spawn(async move {
        let answer = move |asked| {
            let door = public_door.clone();
            async move { door.answer(&asked).await }
        };
        let _: () = door::serve(public, answer, door::Limits::default(), std::future::pending()).await;
        ended(())
    });
    tasks.spawn(async move {
        let answer = move |asked| {
            let door = admin_door.clone();
            async move { door.answer(asked).await }
        };
        let _: () = door::serve(admin, answer, door::Limits::default(), std::future::pending()).await;
        ended(())
    });
    Ok(())
}

/// One line that says what this Usher is set to do.
fn announce(config: &Config, now: Moment) {
    let mode = if config.live().is_some() { "live" } else { "dry run: everything is shown, nobody is touched" };
    let on = |on: bool| if on { "on" } else { "off" };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        stripe = on(config.stripe.is_some()),
        tautulli = on(config.tautulli.is_some()),
        mail = on(config.smtp.is_some()),
        discord = on(config.discord.is_some()),
        state_dir = %config.state_dir.display(),
        started = %now.format("%Y-%m-%d %H:%M:%S UTC"),
        "Usher is at the door, {mode}"
    );
    if store::is_mount(&config.state_dir) == Some(false) {
        tracing::warn!("STATE_DIR is not a mounted volume: a new container would forget everybody; mount one there");
    }
}

/// Spawns a courier and the forwarding of its reports to the engine.
fn spawn_courier<F: Future<Output = ()> + Send + 'static>(
    tasks: &mut JoinSet<Result<(), Trouble>>,
    post: &mailbox::Post,
    run: impl FnOnce(mpsc::Receiver<crate::ledger::Dispatch>, mpsc::Sender<crate::ledger::Delivered>) -> F,
) -> mpsc::Sender<crate::ledger::Dispatch> {
    let (letters, taken) = mpsc::channel(1);
    let (reports, mut reported) = mpsc::channel(1);
    let carry = run(taken, reports);
    tasks.spawn(async move {
        let _: () = carry.await;
        ended(())
    });
    let post = post.clone();
    tasks.spawn(async move {
        while let Some(report) = reported.recv().await {
            if !post.send(mailbox::Mail::Delivered(report)).await {
                break;
            }
        }
        Ok(())
    });
    letters
}

/// See [`assembly::couriers`].
fn couriers_of(
    mail: Option<courier::MailRoute>,
    discord: Option<courier::DiscordRoute>,
    post: &mailbox::Post,
    tasks: &mut JoinSet<Result<(), Trouble>>,
) -> crate::engine::Couriers {
    let mut couriers = crate::engine::Couriers::new();
    if let Some(route) = mail {
        let letters = spawn_courier(tasks, post, |taken, reports| courier::run_mail(taken, reports, route));
        couriers.insert(Channel::Mail, letters);
    }
    if let Some(route) = discord {
        let letters = spawn_courier(tasks, post, |taken, reports| courier::run_discord(taken, reports, route));
        couriers.insert(Channel::Discord, letters);
    }
    couriers
}
