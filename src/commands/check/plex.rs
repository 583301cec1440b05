//! plex.tv: the token, the owner, the server, its libraries, and what tiers
//! name of them.

use super::{Finding, Said, read, way_out};
use crate::clock::Clock;
use crate::config::Config;
use crate::facts::{Friends, Source};
use crate::ledger::{Book, Libraries, Population};
use crate::policy::{Scene, Tiers, brake, libraries};
use crate::services::plex::Plex;
use crate::tier::{Tier, Wanted};

const WHAT: &str = "Plex";
const TIERS: &str = "Tiers";

/// Everybody in the room, as the friends loop reads it.
pub(super) async fn ask(config: &Config, clock: &Clock, plex: &Plex, book: Option<&Book>) -> Said<Friends> {
    let known = book.and_then(|book| book.identities.plex_server.as_ref());
    let reading = read(clock, plex.friends(config.plex.server_name.as_deref(), known)).await;
    Said { reading, skew_secs: plex.skew_secs() }
}

pub(super) fn judge(config: &Config, scene: Scene<'_>) -> Vec<Finding> {
    let Some(friends) = scene.world.plex.value() else {
        let unread = scene.world.plex.last_error.as_ref();
        return unread
            .map(|unread| Finding::fail(WHAT, format!("{}{}", unread.why, way_out(unread))))
            .into_iter()
            .collect();
    };
    if let Some(why) = brake::identity_failure(scene, Source::Plex) {
        return vec![Finding::fail(WHAT, why)];
    }
    let accepted = friends.shares.iter().filter(|share| share.is_accepted()).count();
    let owner = friends.owner_email.as_ref().map_or_else(|| friends.owner.to_string(), |email| shown(email.as_str()));
    let mut findings = vec![Finding::ok(
        WHAT,
        format!(
            "the token is {owner}'s, who owns the server {:?}; with access: {accepted}, invited: {}",
            friends.server_name,
            friends.shares.len() - accepted
        ),
    )];
    let named = config.plex.server_name.as_deref();
    if let Some(named) = named.filter(|named| named.trim().to_lowercase() != friends.server_name.to_lowercase()) {
        let says = format!(
            "PLEX_SERVER_NAME is {named:?}, but the server in the book is called {:?} now; the book wins, so write the \
             new name there, or `usher accept server` if you moved",
            friends.server_name
        );
        findings.push(Finding::warn(WHAT, says));
    }
    let strangers: Vec<String> = scene
        .rules
        .vip_names
        .iter()
        .filter(|entry| !scene.book.vips.contains_key(*entry))
        .map(|entry| shown(entry))
        .collect();
    if !strangers.is_empty() {
        let says = format!(
            "VIP_NAMES: {} fits nobody who has access; if that is a slip, whoever is meant is not protected",
            strangers.join(", ")
        );
        findings.push(Finding::warn(WHAT, says));
    }
    findings.extend(drops(scene, Source::Plex).map(|says| Finding::warn(WHAT, says)));
    findings
}

/// A name; of an address only what stands before the @.
fn shown(name: &str) -> String {
    name.split_once('@').map_or_else(|| name.to_owned(), |(local, _)| format!("{local}@…"))
}

/// Populations of a source that are far smaller than lately, in words.
pub(super) fn drops(scene: Scene<'_>, source: Source) -> impl Iterator<Item = String> {
    let of_it = move |(population, _): &(&Population, &crate::policy::Drop)| population.source() == source;
    scene.world.drops.iter().filter(of_it).map(|(population, drop)| brake::drop_words(*population, drop))
}

/// Whether the server has what tiers name.
pub(super) fn judge_tiers(config: &Config, scene: Scene<'_>) -> Vec<Finding> {
    let tiers = &scene.rules.tiers;
    if tiers.all().is_empty() {
        return vec![no_tier_at_all(config, scene)];
    }
    let known = &scene.book.libraries;
    let sound = scene.world.plex.value().is_some() && brake::identity_failure(scene, Source::Plex).is_none();
    if !sound {
        return vec![Finding::off(TIERS, "the server's libraries couldn't be read, so tiers were not compared")];
    }
    if known.shorter_since.is_some() {
        let says = "plex.tv lists fewer libraries than the book knows; nothing is shared until that is sure. Check again \
                    in an hour";
        return vec![Finding::warn(TIERS, says)];
    }
    let problems: Vec<Finding> = tiers
        .all()
        .iter()
        .flat_map(|tier| wrongs(known, tier))
        .map(|why| Finding::fail(TIERS, format!("{why}; it opens nothing new until you {}", mend(config, tiers))))
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let names: Vec<String> = tiers.in_order().iter().map(|tier| format!("{:?}", tier.name)).collect();
    vec![Finding::ok(TIERS, format!("the server has every library of {}", names.join(", ")))]
}

fn no_tier_at_all(config: &Config, scene: Scene<'_>) -> Finding {
    if config.stripe.is_none() {
        return Finding::off(TIERS, "there are none");
    }
    let says = "nothing says what a payment opens: put a tiers.json into the state folder, give Stripe's products the \
                metadata usher_libraries, or set DEFAULT_LIBRARIES";
    // Where Stripe's products couldn't be read, they may say it.
    match scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref()) {
        Some(_) => Finding::fail(TIERS, says),
        None => Finding::warn(TIERS, says),
    }
}

/// What doesn't resolve, each title by itself; else what is wrong with all of
/// them together.
fn wrongs(known: &Libraries, tier: &Tier) -> Vec<String> {
    let (Wanted::Titles(titles) | Wanted::Everything { except: titles }) = &tier.libraries;
    let alone = |title: &String| Tier::of(&tier.name, Wanted::Titles(vec![title.clone()]));
    let wrongs: Vec<String> =
        titles.iter().filter_map(|title| libraries::resolve(known, &alone(title)).err()).collect();
    if wrongs.is_empty() { libraries::resolve(known, tier).err().into_iter().collect() } else { wrongs }
}

fn mend(config: &Config, tiers: &Tiers) -> String {
    match tiers {
        Tiers::File(_) => format!("mend {}", config.tiers.file.display()),
        Tiers::Default(_) => "mend DEFAULT_LIBRARIES".to_owned(),
        Tiers::Products { .. } => {
            "mend usher_libraries of the product in Stripe's dashboard, or DEFAULT_LIBRARIES".to_owned()
        }
    }
}
