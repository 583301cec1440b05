//! `/metrics`: how the house stands, in numbers and without names.

use std::collections::BTreeMap;

use super::money::{self, Figures};
use crate::policy::decide::Waiting;
use crate::policy::{Scene, brake, plan, reasons, two_reports};

/// A number that may rise and fall, once or for each value of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// With its unit, in base units.
    pub name: &'static str,
    /// A sentence for who reads it in Prometheus.
    pub help: &'static str,
    /// The label's name; empty = none.
    pub label: &'static str,
    /// The label's value and the number.
    pub samples: Vec<(String, String)>,
}

impl Gauge {
    /// A single number.
    pub fn one(name: &'static str, help: &'static str, value: impl ToString) -> Self {
        Self { name, help, label: "", samples: vec![(String::new(), value.to_string())] }
    }

    /// A number for each value of a label.
    pub fn each<L: ToString, V: ToString>(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(label, value)| (label.to_string(), value.to_string())).collect();
        Self { name, help, label, samples }
    }
}

/// What the book, the rules and Stripe say.
#[must_use]
pub fn gauges(scene: Scene<'_>, waiting: &[Waiting]) -> Vec<Gauge> {
    let mut gauges = of_people(scene);
    gauges.extend(of_the_brake(scene, waiting));
    // Nothing is said of money that has not been read: a gap, and no zero.
    gauges.extend(money::figures(scene).iter().flat_map(of_money));
    gauges
}

fn of_people(scene: Scene<'_>) -> Vec<Gauge> {
    let members = scene.book.members.values();
    let standings = members.clone().map(|member| reasons::standing(scene, member).word(member.has_access()));
    let invited = members.clone().filter(|member| member.is_invited());
    let unmatched = members.filter(|member| plan::unmatched(member).is_some()).count();
    vec![
        Gauge::each("usher_members", "Members in the book by their standing.", "standing", counted(standings)),
        Gauge::one("usher_invited", "Invites that wait to be accepted.", invited.count()),
        Gauge::one("usher_unmatched", "People who pay and can't be let in.", unmatched),
        Gauge::one(
            "usher_charged_without_access",
            "People whom Stripe charges and who are not in; should be 0.",
            two_reports::charged_without_access(scene).count(),
        ),
        Gauge::one(
            "usher_access_without_reason",
            "People who are in without any reason; should be 0.",
            two_reports::access_without_reason(scene).count(),
        ),
    ]
}

fn of_the_brake(scene: Scene<'_>, waiting: &[Waiting]) -> Vec<Gauge> {
    let rules = waiting.iter().map(|waiting| waiting.because.rule());
    let removals = scene.book.removals.iter().filter(|removal| scene.now - removal.at < brake::BUDGET_SPAN);
    let by_cause = removals.map(|removal| if removal.stated { "stated by Stripe" } else { "decided here" });
    let budget = scene.rules.removals_per_day(scene.book.members_with_access());
    vec![
        Gauge::each("usher_waiting", "What the brake keeps back, by the rule that holds it.", "rule", counted(rules)),
        Gauge::each("usher_removals_last_day", "Removals of the last 24 hours.", "cause", counted(by_cause)),
        Gauge::one("usher_removals_per_day_max", "How many may be decided here in 24 hours.", budget),
    ]
}

fn of_money(figures: &Figures) -> Vec<Gauge> {
    let counts = &figures.counts;
    let by_status = [
        ("active", counts.active),
        ("trialing", counts.trialing),
        ("past_due", counts.past_due),
        ("unpaid", counts.unpaid),
        ("paused", counts.paused),
    ];
    let mrr = figures.mrr.iter().map(|sum| (&sum.currency, sum.number()));
    let churn = counts.churn().into_iter().map(|percent| {
        Gauge::one("usher_churn_percent", "Of those who were there when the month began, how many left.", percent)
    });
    let mut gauges = vec![
        Gauge::each("usher_mrr", "Monthly recurring revenue, in whole units of the currency.", "currency", mrr),
        Gauge::each("usher_subscriptions", "Subscriptions by Stripe's status.", "status", by_status),
        Gauge::one("usher_subscriptions_cancelling", "Running subscriptions that are set to end.", counts.cancelling),
        Gauge::one("usher_subscriptions_new_this_month", "Begun in the operator's present month.", counts.new),
        Gauge::one("usher_subscriptions_lost_this_month", "Ended in the operator's present month.", counts.lost),
        Gauge::one(
            "usher_subscriptions_not_counted",
            "Those whose price or discount could not be read; missing in usher_mrr.",
            figures.not_counted.len(),
        ),
    ];
    gauges.extend(churn);
    gauges
}

fn counted(words: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts
}
