//! `usher check`: is everything set up as it should be?
//!
//! What it promises: it only reads, in a rehearsal and live alike: no lock, no
//! mail, no message, nothing kept in the state folder. So it may be run before
//! the first start, and beside a running daemon. Every line says what is wrong
//! and how to mend it, without secrets and without members' addresses; the
//! order of the lines is always the same.
//!
//! It takes the same whole readings as the loops do, side by side, each under
//! its client's own limits, and judges them by the same rules, on a copy of the
//! book. Asking (`ask`) and judging (`judge`) are apart; one file a service.
//!
//! What it can't see: whether a restricted key may *change* what Usher changes,
//! whether a webhook's secret is the endpoint's, and whether `PUBLIC_URL` leads
//! here from outside (a house often can't reach its own front door from within).

mod clock;
mod discord;
mod finding;
mod folder;
mod mail;
mod plex;
mod settings;
mod stripe;
mod tautulli;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub use finding::{Checked, Finding, Level};

use super::look::{Form, show};
use crate::clock::Clock;
use crate::config::{Config, ConfigProblem};
use crate::daemon::assembly::{self, Services};
use crate::facts::{Activity, FailureKind, Friends, Moment, Reading, Source, Unread, Whole};
use crate::ledger::Book;
use crate::limits::READING_TIMEOUT;
use crate::policy::{Rules, Scene, Tiers, World, readings};
use crate::services::failure::Failure;
use crate::services::tls;
use crate::store;

/// Checks, and prints a line for each check.
pub(super) async fn check(environment: impl Iterator<Item = (String, String)>, clock: &Clock, form: Form) -> ExitCode {
    let checked = inspect(environment, clock).await;
    show(&checked.page(), form);
    ExitCode::from(checked.code())
}

/// Everything that `usher check` finds.
pub async fn inspect(environment: impl Iterator<Item = (String, String)>, clock: &Clock) -> Checked {
    tls::install_provider();
    let config = match Config::from_env(environment) {
        Ok(config) => config,
        Err(problems) => return Checked { misconfigured: true, findings: settings::problems(&problems) },
    };
    // With a wrong tiers file, all but the tiers can still be checked.
    let (tiers, problems) = match config.read_tiers() {
        Ok(tiers) => (assembly::as_rules_have_them(tiers), Vec::new()),
        Err(problems) => (Tiers::Default(None), problems),
    };
    let rules = assembly::rules_with(&config, tiers);
    let told = ask(&config, &rules, clock).await;
    Checked { misconfigured: !problems.is_empty(), findings: judge(clock.now(), &config, rules, &problems, told) }
}

/// All that was heard.
struct Told {
    folder: folder::Told,
    /// Why the services couldn't even be asked, or what they said.
    services: Result<Heard, String>,
}

/// What the services said; `None` where one isn't set up.
struct Heard {
    plex: Said<Friends>,
    stripe: Option<stripe::Told>,
    tautulli: Option<Said<Activity>>,
    mail: Option<mail::Told>,
    discord: Option<Result<String, Failure>>,
}

/// A whole reading, or why there is none; and how far that service's clock is
/// from ours, which even a refusal tells.
struct Said<T> {
    reading: Reading<T>,
    skew_secs: Option<i64>,
}

/// Asks everybody at once. Nothing here judges.
async fn ask(config: &Config, rules: &Rules, clock: &Clock) -> Told {
    let folder = folder::look(config);
    let book = folder.book();
    let services = store::client_id_for_a_look(&config.state_dir, &config.plex.token)
        .map_err(|error| error.to_string())
        .and_then(|id| Services::assemble(config, clock, id).map_err(|trouble| trouble.to_string()));
    let (daemon, services) = tokio::join!(folder::ask_the_daemon(config), async {
        match services {
            Ok(services) => Ok(ask_services(config, rules, clock, &services, book).await),
            Err(why) => Err(why),
        }
    });
    Told { folder: folder::Told { daemon, ..folder }, services }
}

async fn ask_services(
    config: &Config,
    rules: &Rules,
    clock: &Clock,
    services: &Services,
    book: Option<&Book>,
) -> Heard {
    let (plex, stripe, tautulli, mail, discord) = tokio::join!(
        plex::ask(config, clock, &services.plex, book),
        async { Some(stripe::ask(rules, clock, services.stripe.as_ref()?, book).await) },
        async { Some(tautulli::ask(config, clock, services.tautulli.as_ref()?).await) },
        mail::ask(config),
        discord::ask(config, services),
    );
    Heard { plex, stripe, tautulli, mail, discord }
}

/// One whole reading within the loops' limit.
async fn read<T>(clock: &Clock, what: impl Future<Output = Result<(T, Option<i64>), Failure>>) -> Reading<T> {
    let begun = clock.now();
    let unread = |kind, why| Reading::Unread(Unread { at: clock.now(), kind, why });
    match tokio::time::timeout(READING_TIMEOUT, what).await {
        Ok(Ok((value, skew_secs))) => Reading::Read(Whole { begun, at: clock.now(), skew_secs, value }),
        Ok(Err(failure)) => unread(failure.kind, failure.why),
        Err(_) => unread(FailureKind::Unreachable, "the reading took longer than 5 minutes".into()),
    }
}

/// From what was heard to lines. Pure.
fn judge(now: Moment, config: &Config, rules: Rules, problems: &[ConfigProblem], told: Told) -> Vec<Finding> {
    let mut findings = settings::problems(problems);
    findings.extend(settings::judge(config));
    let book = told.folder.book().cloned();
    findings.extend(folder::judge(&told.folder));
    let heard = match told.services {
        Ok(heard) => heard,
        Err(why) => {
            findings.push(Finding::fail("Services", format!("none could be asked: {why}")));
            return findings;
        }
    };
    let skews = [
        (Source::Plex, heard.plex.skew_secs),
        (Source::Stripe, heard.stripe.as_ref().and_then(|stripe| stripe.said.skew_secs)),
    ];
    findings.extend(clock::judge(now, book.as_ref(), &skews));
    let mut world = World::default();
    world.plex.see(heard.plex.reading);
    let rights = heard.stripe.map(|told| {
        world.stripe.see(told.said.reading);
        told.rights
    });
    if let Some(said) = heard.tautulli {
        world.tautulli.see(said.reading);
    }
    let (rules, book, product_problems) = taken_up(now, rules, &mut world, book);
    let scene = Scene { now, rules: &rules, book: &book, world: &world };
    findings.extend(plex::judge(config, scene));
    findings.extend(stripe::judge(config, scene, rights.as_ref()));
    if problems.is_empty() {
        findings.extend(plex::judge_tiers(config, scene));
        findings.extend(stripe::judge_tiers(config, scene, &product_problems));
        findings.extend(stripe::judge_entitlements(scene, rights.as_ref()));
    }
    findings.extend(stripe::judge_webhook(config, scene));
    findings.extend(tautulli::judge(config, scene));
    findings.extend(mail::judge(config, heard.mail.as_ref()));
    findings.extend(discord::judge(heard.discord.as_ref()));
    findings
}

/// As the engine takes readings up, on a copy of the book; with what products
/// say they open, and what is wrong there.
fn taken_up(now: Moment, mut rules: Rules, world: &mut World, book: Option<Book>) -> (Rules, Book, Vec<String>) {
    let mut book = book.unwrap_or_else(|| Book::new(now));
    readings::fold_plex(now, &rules, world, &mut book);
    let catalogue = world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let found = catalogue.and_then(|catalogue| rules.tiers.with_products(catalogue));
    let mut problems = Vec::new();
    if let Some((tiers, wrong)) = found {
        (rules.tiers, problems) = (tiers, wrong);
    }
    // Without tiers (their file may be wrong) nobody's payment is ours to count.
    if !rules.tiers.all().is_empty() {
        readings::fold_stripe(now, &rules, world, &mut book);
    }
    readings::fold_tautulli(now, &rules, world, &mut book);
    (rules, book, problems)
}

/// What to try when a service can't be reached, by what was said.
fn way_out(unread: &Unread) -> &'static str {
    match unread.kind {
        FailureKind::Unreachable if unread.why.contains("certificate") => {
            "; a certificate authority of your own goes into EXTRA_CA_FILE"
        }
        FailureKind::Unreachable if unread.why.contains("answered") => {
            "; it is there but not well: wait some minutes, then check again"
        }
        FailureKind::Unreachable => "; can it be reached from here? Look at the network, DNS, HTTPS_PROXY, or wait",
        FailureKind::RateLimited => "; wait some minutes, then check again",
        FailureKind::Internal => "; please report it",
        _ => "",
    }
}
