//! Stripe: the key and its rights, what is sold, and the webhook endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Said, plex::drops, read, way_out};
use crate::clock::Clock;
use crate::config::Config;
use crate::facts::{Billing, Catalogue, EntitlementLook, FailureKind, PriceId, Reading, Source};
use crate::ledger::Book;
use crate::policy::{Rules, Scene, Tiers, brake, entitlements, prices, selling, webhooks};
use crate::services::failure::Failure;
use crate::services::stripe::{Right, Stripe};

const WHAT: &str = "Stripe";
const RIGHTS: &str = "Stripe rights";
const PRICES: &str = "Prices";
const ENTITLEMENTS: &str = "Entitlements";
const WEBHOOK: &str = "Webhook";

/// What Stripe said.
pub(super) struct Told {
    pub(super) said: Said<Billing>,
    pub(super) rights: Rights,
}

/// What the key may not read; asked for only where anything could be read.
pub(super) struct Rights {
    pub(super) denied: Result<Vec<Right>, Failure>,
    /// What one paying customer is entitled to, where there is one.
    pub(super) entitled: Option<EntitlementLook>,
}

/// Everything, as the billing loop reads it, and each right by itself.
pub(super) async fn ask(rules: &Rules, clock: &Clock, stripe: &Stripe, book: Option<&Book>) -> Told {
    // Without a cursor: what money did of late changes nothing here.
    let running = book.map(Book::running_subscriptions).unwrap_or_default();
    let reading = read(clock, stripe.billing(None, &running)).await;
    let said = Said { reading, skew_secs: stripe.skew_secs() };
    let (denied, customer) = match &said.reading {
        Reading::Read(whole) => {
            let running = whole.value.subscriptions.values().find(|subscription| subscription.status.is_running());
            (stripe.denied().await, running.map(|subscription| subscription.customer.clone()))
        }
        Reading::Unread(unread) if unread.kind == FailureKind::Forbidden => (stripe.denied().await, None),
        Reading::Unread(_) => (Ok(Vec::new()), None),
    };
    let entitled = match customer.filter(|_| entitlements::are_used(rules)) {
        Some(customer) => Some(stripe.entitlement_look(&customer).await),
        None => None,
    };
    Told { said, rights: Rights { denied, entitled } }
}

pub(super) fn judge(config: &Config, scene: Scene<'_>, rights: Option<&Rights>) -> Vec<Finding> {
    let (Some(settings), Some(rights)) = (&config.stripe, rights) else {
        return vec![Finding::off(WHAT, "STRIPE_SECRET_KEY isn't set: nobody pays here")];
    };
    let mut findings = match scene.world.stripe.value() {
        None => unread(scene),
        Some(billing) => match brake::identity_failure(scene, Source::Stripe) {
            Some(why) => vec![Finding::fail(WHAT, why)],
            None => vec![Finding::ok(WHAT, in_words(scene, billing))],
        },
    };
    if !settings.livemode && config.live().is_some() {
        let says = "STRIPE_SECRET_KEY is a test key while DRY_RUN=false: people are let in for money that isn't real";
        findings.push(Finding::warn(WHAT, says));
    }
    findings.extend(drops(scene, Source::Stripe).map(|says| Finding::warn(WHAT, says)));
    findings.extend(judge_rights(scene, rights));
    findings
}

fn unread(scene: Scene<'_>) -> Vec<Finding> {
    let unread = scene.world.stripe.last_error.as_ref();
    unread.map(|unread| Finding::fail(WHAT, format!("{}{}", unread.why, way_out(unread)))).into_iter().collect()
}

fn in_words(scene: Scene<'_>, billing: &Billing) -> String {
    let mode = if billing.key_livemode { "live" } else { "test" };
    let account = billing.account.as_ref().map_or_else(|| "an account".to_owned(), ToString::to_string);
    let running = billing.subscriptions.values().filter(|subscription| subscription.status.is_running());
    let ours = |subscription| prices::bought(scene.rules, billing.catalogue.as_ref(), subscription).is_some();
    let (all, ours) = running.fold((0, 0), |(all, of_us), one| (all + 1, of_us + u32::from(ours(one))));
    if scene.rules.tiers.all().is_empty() {
        return format!("a {mode} key of {account}; running subscriptions: {all}");
    }
    format!("a {mode} key of {account}; running subscriptions that are yours: {ours}, others: {}", all - ours)
}

fn judge_rights(scene: Scene<'_>, rights: &Rights) -> Vec<Finding> {
    let denied = match &rights.denied {
        Ok(denied) => denied,
        Err(failure) => return vec![Finding::warn(RIGHTS, format!("they couldn't all be tried: {failure}"))],
    };
    if denied.is_empty() {
        return vec![match scene.world.stripe.value() {
            Some(_) => Finding::ok(RIGHTS, "the key may read all that Usher reads"),
            None => Finding::off(RIGHTS, "they couldn't be tried"),
        }];
    }
    let from_products = !matches!(scene.rules.tiers, Tiers::File(_));
    denied
        .iter()
        .map(|right| {
            let (needed, without) = match right {
                Right::Account => (false, "a key of another account wouldn't be noticed"),
                Right::Subscriptions => (true, "nobody is seen to pay"),
                Right::Customers => (true, "nobody who pays can be found on Plex"),
                Right::Products | Right::Prices if from_products => (true, "nobody knows what a price buys"),
                Right::Products | Right::Prices => {
                    (false, "your tiers' prices can't be compared, and an old price of a product isn't known as yours")
                }
                Right::Invoices => (
                    false,
                    "nobody whose payment failed is written to or ended, since it isn't seen since when they owe",
                ),
                Right::Events | Right::Charges | Right::Refunds | Right::Disputes => {
                    (false, "refunds and disputes are not heard of")
                }
                Right::WebhookEndpoints => (false, "the webhook endpoint can't be looked at"),
            };
            let says = format!(
                "STRIPE_SECRET_KEY may not read {}: {without}. Add the right in Stripe's dashboard",
                right.name()
            );
            if needed { Finding::fail(RIGHTS, says) } else { Finding::warn(RIGHTS, says) }
        })
        .collect()
}

/// How Stripe sees our endpoint.
pub(super) fn judge_webhook(config: &Config, scene: Scene<'_>) -> Vec<Finding> {
    // Without a secret no webhook is expected, which the settings say.
    if config.stripe.as_ref().is_none_or(|stripe| stripe.webhook_secrets.is_empty()) {
        return Vec::new();
    }
    let endpoints = scene.world.stripe.value().and_then(|billing| billing.endpoints.as_ref());
    let Some(endpoints) = endpoints else {
        return vec![Finding::off(WEBHOOK, "the endpoint couldn't be looked at")];
    };
    match webhooks::look_over(scene.rules, endpoints) {
        webhooks::Endpoint::Sound(endpoint) => {
            let sound = format!(
                "{endpoint} is on and sends what is needed; whether its secret is STRIPE_WEBHOOK_SECRET only a delivery \
                 shows"
            );
            let wishes = webhooks::wishes(scene.rules, endpoints);
            let more =
                format!("{endpoint} does not send {}; add them: breaks are seen later without", wishes.join(", "));
            let more = (!wishes.is_empty()).then(|| Finding::warn(WEBHOOK, more));
            std::iter::once(Finding::ok(WEBHOOK, sound)).chain(more).collect()
        }
        webhooks::Endpoint::Missing => vec![Finding::warn(
            WEBHOOK,
            format!(
                "none of Stripe's {} endpoints ends in /webhook/stripe, so payments are seen by polling only; add one in \
                 Stripe's dashboard, under Developers, Webhooks",
                endpoints.len()
            ),
        )],
        webhooks::Endpoint::Wrong(wrongs) => wrongs
            .into_iter()
            .map(|wrong| {
                let mend =
                    "Mend it in Stripe's dashboard, under Developers, Webhooks; until then payments are seen later";
                Finding::fail(WEBHOOK, format!("{wrong} {mend}"))
            })
            .collect(),
    }
}

/// Whether Stripe has what tiers name, and tiers say what is sold.
pub(super) fn judge_tiers(config: &Config, scene: Scene<'_>, product_problems: &[String]) -> Vec<Finding> {
    let named = scene.rules.tiers.all().iter().any(|tier| !tier.is_free());
    if config.stripe.is_none() {
        let says = "tiers name prices, but STRIPE_SECRET_KEY isn't set, so nobody is seen to pay";
        let file = matches!(scene.rules.tiers, Tiers::File(_));
        return (named && file).then(|| Finding::warn(PRICES, says)).into_iter().collect();
    }
    match scene.world.stripe.value().map(|billing| (billing, &billing.catalogue)) {
        Some((billing, Some(catalogue))) => judge_prices(scene, billing, catalogue, product_problems),
        _ => vec![Finding::off(PRICES, "Stripe's prices couldn't be read, so tiers were not compared")],
    }
}

/// See [`judge_tiers`]; `entitled` is one customer's answer.
pub(super) fn judge_entitlements(scene: Scene<'_>, rights: Option<&Rights>) -> Vec<Finding> {
    if !entitlements::are_used(scene.rules) {
        return Vec::new();
    }
    vec![match rights.and_then(|rights| rights.entitled.as_ref()).map(|look| &look.keys) {
        None if scene.world.stripe.value().is_none() => Finding::off(ENTITLEMENTS, "they couldn't be tried"),
        None => Finding::off(ENTITLEMENTS, "no customer pays yet, so they couldn't be tried"),
        Some(Ok(_)) => Finding::ok(ENTITLEMENTS, "the key may read them"),
        Some(Err(why)) => {
            Finding::fail(ENTITLEMENTS, format!("{why}; until then a tier's entitlement gives nothing new"))
        }
    }]
}

fn judge_prices(
    scene: Scene<'_>,
    billing: &Billing,
    catalogue: &Catalogue,
    product_problems: &[String],
) -> Vec<Finding> {
    let rules = scene.rules;
    let mut wrong: Vec<String> = selling::problems(rules, scene.world)
        .into_iter()
        .map(|problem| format!("{} {}", problem.detail, problem.what_to_do.trim_end_matches('.')))
        .collect();
    if catalogue.prices.is_empty() {
        let mode = if billing.key_livemode { "live" } else { "test" };
        wrong.push(format!("Stripe has no recurring price in {mode} mode, so there is nothing to buy; make one, or set the other mode's key"));
    }
    if let Some(products) = prices::undecided(rules, catalogue) {
        wrong.push(format!(
            "Stripe sells {products} recurring products and nothing says which are yours, so nobody's payment counts; \
             name prices in tiers.json, or products in STRIPE_PRODUCTS"
        ));
    }
    for (price, payers) in unclear(scene, billing) {
        wrong.push(format!(
            "{payers} running subscriptions are on {price}, of a product of yours, and no tier says what it buys; add it \
             to one"
        ));
    }
    wrong.extend(product_problems.iter().map(|problem| {
        format!("{problem}. It opens nothing until usher_libraries is mended in Stripe's dashboard: titles by comma")
    }));
    if !wrong.is_empty() {
        return wrong.into_iter().map(|says| Finding::fail(PRICES, says)).collect();
    }
    let on_sale: BTreeSet<PriceId> =
        rules.tiers.all().iter().flat_map(|tier| selling::prices_of(rules, Some(catalogue), tier)).collect();
    vec![Finding::ok(PRICES, format!("Stripe has what tiers name; {} can be bought now", on_sale.len()))]
}

/// Prices of ours of which no tier says what they buy, and how many pay them.
fn unclear(scene: Scene<'_>, billing: &Billing) -> BTreeMap<PriceId, usize> {
    let mut unclear = BTreeMap::new();
    for subscription in billing.subscriptions.values().filter(|subscription| subscription.status.is_running()) {
        let catalogue = billing.catalogue.as_ref();
        let bought = prices::bought_by_book(scene.rules, catalogue, &scene.book.tiers, subscription);
        let bought = bought.unwrap_or_default();
        for price in bought.unclear {
            *unclear.entry(price).or_default() += 1;
        }
    }
    unclear
}
