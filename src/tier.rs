//! A tier: what a price buys. Parsed, not validated: a [`Tier`] in hand is
//! well-formed; whether its libraries exist is decided against plex.tv later.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::facts::{PriceId, ProductId};

/// Stripe's longest trial.
const TRIAL_DAYS_MAX: u32 = 730;
/// Stripe's longest lookup key.
const KEY_CHARS_MAX: usize = 80;
/// A limit of this is no limit.
pub const UNLIMITED: i64 = -1;

/// What a price buys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// As in the tiers file, or the Stripe product's name: unique among the
    /// tiers, and a label all the same (RULES R7). The book refers to a tier by
    /// its present name; [`crate::policy::tiers`] follows a rename.
    pub name: String,
    /// What people read, where the name had to be made unique.
    #[serde(default)]
    pub label: Option<String>,
    /// The Stripe product that says itself what it opens.
    #[serde(default)]
    pub product: Option<ProductId>,
    /// For people.
    pub description: Option<String>,
    /// Every Stripe price that buys it; none for one that costs nothing.
    pub prices: BTreeSet<PriceId>,
    /// What it opens.
    pub libraries: Wanted,
    /// Whether downloads are allowed.
    pub downloads: bool,
    /// Days before the first charge, once for each person.
    pub trial_days: Option<NonZeroU32>,
    /// Where it stands among the others, lowest first.
    pub order: i64,
    /// Still sold. Who pays for one that isn't keeps it.
    pub active: bool,
    /// The lookup key of the Stripe entitlement that gives it.
    pub entitlement: Option<String>,
    /// What else it opens, for other programs that ask.
    pub features: BTreeSet<String>,
    /// How much of something it allows, for other programs that ask;
    /// [`UNLIMITED`] = as much as they like.
    pub limits: BTreeMap<String, i64>,
}

impl Tier {
    /// One that opens these libraries, and nothing more.
    #[must_use]
    pub fn of(name: &str, libraries: Wanted) -> Self {
        Self {
            name: name.to_owned(),
            label: None,
            product: None,
            description: None,
            prices: BTreeSet::new(),
            libraries,
            downloads: false,
            trial_days: None,
            order: 0,
            active: true,
            entitlement: None,
            features: BTreeSet::new(),
            limits: BTreeMap::new(),
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// It costs nothing: neither a price nor an entitlement leads to it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.prices.is_empty() && self.entitlement.is_none()
    }
}

/// Which libraries are wanted, by title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// All that were known when the tier was taken up, but for these.
    Everything {
        /// Titles (or `#id`s) left out.
        except: Vec<String>,
    },
    /// These titles, or `#id`s where a title stands twice.
    Titles(Vec<String>),
}

impl Wanted {
    /// From a list such as `["Movies", "TV"]`, `["*", "-Kids"]`.
    ///
    /// # Errors
    /// A sentence naming what is wrong.
    pub fn parse(list: &[String]) -> Result<Self, String> {
        let list: Vec<&str> = list.iter().map(|title| title.trim()).collect();
        if list.is_empty() {
            return Err("libraries is empty; name at least one library, or \"*\" for all".into());
        }
        if list.iter().any(|title| title.is_empty()) {
            return Err("libraries holds an empty title; remove it".into());
        }
        if list.contains(&"*") {
            let (except, rest): (Vec<&str>, Vec<&str>) =
                list.iter().filter(|title| **title != "*").partition(|title| title.starts_with('-'));
            if let Some(title) = rest.first() {
                return Err(format!(
                    "libraries holds \"*\" and {title:?}; beside \"*\" only \"-Name\" (leave out) makes sense"
                ));
            }
            return Ok(Self::Everything { except: except.iter().map(|title| title[1..].trim().to_owned()).collect() });
        }
        if let Some(title) = list.iter().find(|title| title.starts_with('-')) {
            return Err(format!("libraries holds {title:?} without \"*\"; \"-Name\" leaves something out of \"*\""));
        }
        Ok(Self::Titles(list.iter().map(|title| (*title).to_owned()).collect()))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads a tiers file: an array of `{name, libraries, prices?, description?,
/// downloads?, trial_days?, order?, active?, entitlement?, features?, limits?}`.
/// Unknown fields are problems.
///
/// # Errors
/// Every problem found, each a sentence that names the tier and the fix.
pub fn parse_tiers(json: &str) -> Result<Vec<Tier>, Vec<String>> {
    let entries: Vec<Value> =
        serde_json::from_str(json).map_err(|error| vec![format!("is not a JSON array of tiers: {error}")])?;
    let mut problems = Vec::new();
    let mut tiers: Vec<Tier> = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str);
        let place = name.map_or(format!("tier {}", at + 1), |name| format!("tier {name:?}"));
        let mut fields = match entry {
            Value::Object(map) => Fields { map, problems: Vec::new() },
            _ => {
                problems.push(format!("{place}: is not an object in braces"));
                continue;
            }
        };
        let tier = parse_tier(&mut fields, at);
        let twice = tier.iter().flat_map(|tier| stands_twice(&tiers, tier));
        problems.extend(fields.problems.into_iter().chain(twice).map(|problem| format!("{place}: {problem}")));
        tiers.extend(tier);
    }
    if problems.is_empty() { Ok(tiers) } else { Err(problems) }
}

/// What only one tier may have.
fn stands_twice(tiers: &[Tier], tier: &Tier) -> Vec<String> {
    let mut problems = Vec::new();
    if tiers.iter().any(|other| other.name == tier.name) {
        problems.push("the name stands twice; give each tier its own".to_owned());
    }
    for price in &tier.prices {
        if let Some(other) = tiers.iter().find(|other| other.prices.contains(price)) {
            problems.push(format!("price {price} is also in tier {:?}; a price buys one tier", other.name));
        }
    }
    let same = |other: &&Tier| tier.entitlement.is_some() && other.entitlement == tier.entitlement;
    if let Some(other) = tiers.iter().find(same) {
        problems.push(format!("its entitlement is also that of tier {:?}; one gives one tier", other.name));
    }
    problems
}

/// An entry's fields, taken out one by one, and what is wrong with them.
struct Fields {
    map: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    /// The field, if it is there and is what it should be.
    fn take<T: for<'de> Deserialize<'de>>(&mut self, name: &str, what: &str) -> Option<T> {
        let value = self.map.remove(name).filter(|value| !value.is_null())?;
        let shown = value.to_string();
        let read = serde_json::from_value(value).ok();
        self.check(read.is_some(), || format!("{name} is {shown}; write {what}"));
        read
    }

    fn check(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }
}

/// The tier, as far as it can be read at all; what is wrong is in `fields`.
fn parse_tier(fields: &mut Fields, at: usize) -> Option<Tier> {
    let has_name = fields.map.contains_key("name");
    let name: Option<String> = fields.take("name", "a text");
    fields.check(has_name, || "has no name; give it one".to_owned());
    fields.check(name.as_ref().is_none_or(|name| !name.trim().is_empty()), || "the name is empty".to_owned());
    let libraries = take_libraries(fields);
    let prices: Vec<String> = fields.take("prices", "a list of price ids (price_…)").unwrap_or_default();
    let prices: BTreeSet<PriceId> = prices.iter().map(|price| PriceId(price.trim().to_owned())).collect();
    for price in prices.iter().filter(|price| !is_key(price.as_str())) {
        fields.check(false, || format!("prices holds {:?}, which is no price id (price_…)", price.0));
    }
    let trial_days = fields.take::<u32>("trial_days", "a whole number of days, from 1 to 730").and_then(|days| {
        fields.check((1..=TRIAL_DAYS_MAX).contains(&days), || {
            format!("trial_days is {days}; Stripe takes 1 to {TRIAL_DAYS_MAX}; leave it out for no trial")
        });
        NonZeroU32::new(days)
    });
    fields.check(trial_days.is_none() || !prices.is_empty(), || {
        "has trial_days but no prices; what costs nothing has no trial".to_owned()
    });
    let order = fields.take("order", "a whole number").unwrap_or_else(|| i64::try_from(at).unwrap_or(i64::MAX));
    let entitlement: Option<String> = fields.take("entitlement", "the lookup key of a Stripe entitlement");
    fields.check(entitlement.as_deref().is_none_or(is_key), || {
        format!("entitlement is no lookup key: 1 to {KEY_CHARS_MAX} characters without spaces")
    });
    let tier = Tier {
        description: fields.take("description", "a text"),
        prices,
        downloads: fields.take("downloads", "true or false").unwrap_or(false),
        trial_days,
        order,
        active: fields.take("active", "true or false").unwrap_or(true),
        entitlement,
        features: take_features(fields),
        limits: take_limits(fields),
        ..Tier::of("", Wanted::Titles(Vec::new()))
    };
    let unknown: Vec<String> = fields.map.keys().cloned().collect();
    fields.check(unknown.is_empty(), || format!("unknown field {}; remove or correct it", unknown.join(", ")));
    Some(Tier { name: name?.trim().to_owned(), libraries: libraries?, ..tier })
}

fn take_libraries(fields: &mut Fields) -> Option<Wanted> {
    let is_there = fields.map.contains_key("libraries");
    fields.check(is_there, || "has no libraries; list the titles that it opens, or \"*\" for all".to_owned());
    let libraries = match fields.take::<OneOrMany>("libraries", "a list of titles, or \"*\" for all")? {
        OneOrMany::One(one) if one.trim() == "*" => vec![one],
        OneOrMany::One(one) => {
            fields.check(false, || format!("libraries is {one:?}; write a list of titles, or \"*\" for all"));
            return None;
        }
        OneOrMany::Many(many) => many,
    };
    Wanted::parse(&libraries).map_err(|problem| fields.problems.push(problem)).ok()
}

fn take_features(fields: &mut Fields) -> BTreeSet<String> {
    let features: BTreeSet<String> = fields.take("features", "a list of keys").unwrap_or_default();
    for feature in features.iter().filter(|feature| !is_key(feature)) {
        fields.check(false, || format!("features holds {feature:?}, which is no key: letters without spaces"));
    }
    features
}

fn take_limits(fields: &mut Fields) -> BTreeMap<String, i64> {
    let what = "names and whole numbers, such as {\"streams\": 2}; -1 is no limit";
    let limits: BTreeMap<String, i64> = fields.take("limits", what).unwrap_or_default();
    for (name, limit) in limits.iter().filter(|(name, limit)| !is_key(name) || **limit < UNLIMITED) {
        fields.check(false, || format!("limits holds {name:?}: {limit}; write {what}"));
    }
    limits
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= KEY_CHARS_MAX && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_tiers_file_is_named_at_once() {
        let json = r##"[{"name":"A","prices":["p1"],"libraries":["Movies"]},
            {"name":"A","prices":["p1"],"libraries":"*"},
            {"name":"B","prices":[],"libraries":[],"colour":1},
            {"name":"C","prices":["p2"],"libraries":["*","TV"]}]"##;
        let problems = parse_tiers(json).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[2].contains("libraries") && problems[3].contains("colour"), "{problems:?}");
    }

    #[test]
    fn every_problem_of_one_tier_is_named_at_once() {
        let json = r#"[{"prices":"p","libraries":7,"trial_days":0,"order":"first","active":1,"entitlement":"a b",
            "features":["ok","not ok"],"limits":{"streams":-2},"downloads":"no"}, "B"]"#;
        let problems = parse_tiers(json).unwrap_err();
        let words = ["no name", "libraries", "prices", "trial_days", "order", "entitlement", "limits"];
        for word in words {
            assert!(
                problems.iter().any(|problem| problem.starts_with("tier 1: ") && problem.contains(word)),
                "{word}: {problems:?}"
            );
        }
        assert!(problems.iter().any(|problem| problem.starts_with("tier 2: ")), "{problems:?}");
    }

    #[test]
    fn what_is_sold_may_say_all_of_it() {
        let json = r#"[{"name":"Free","libraries":["Movies"]},
            {"name":"Plus","prices":["p"],"libraries":"*","trial_days":14,"order":-3,"active":false,
             "entitlement":"plus","features":["requests"],"limits":{"streams":-1,"devices":4}}]"#;
        let tiers = parse_tiers(json).unwrap();
        assert!(tiers[0].prices.is_empty() && tiers[0].active && tiers[0].order == 0);
        let plus = &tiers[1];
        assert_eq!((plus.trial_days.map(NonZeroU32::get), plus.order, plus.active), (Some(14), -3, false));
        assert_eq!((plus.entitlement.as_deref(), plus.features.contains("requests")), (Some("plus"), true));
        assert_eq!((plus.limits["streams"], plus.limits["devices"]), (UNLIMITED, 4));
    }

    #[test]
    fn a_trial_needs_a_price_and_an_entitlement_gives_one_tier() {
        let json = r#"[{"name":"A","libraries":["M"],"trial_days":7,"entitlement":"x"},
            {"name":"B","libraries":["M"],"prices":["p"],"entitlement":"x"}]"#;
        let problems = parse_tiers(json).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("trial_days") && problems[1].contains("\"A\""), "{problems:?}");
    }

    #[test]
    fn a_star_may_leave_something_out() {
        let tiers = parse_tiers(r#"[{"name":"A","prices":["p"],"libraries":["*","-Kids"],"downloads":true}]"#).unwrap();
        assert_eq!(tiers[0].libraries, Wanted::Everything { except: vec!["Kids".into()] });
        assert!(tiers[0].downloads);
    }
}
