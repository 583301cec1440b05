//! A tier: what a price buys. Parsed, not validated: a [`Tier`] in hand is
//! well-formed; whether its libraries exist is decided against plex.tv later.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::facts::PriceId;

/// What a price buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// As in the tiers file; unique there.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Every Stripe price that buys it.
    pub prices: BTreeSet<PriceId>,
    /// What it opens.
    pub libraries: Wanted,
    /// Whether downloads are allowed.
    pub downloads: bool,
}

/// Which libraries are wanted, by title.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    description: Option<String>,
    prices: Vec<String>,
    libraries: OneOrMany,
    #[serde(default)]
    downloads: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads a tiers file: an array of `{name, description?, prices, libraries,
/// downloads?}`. Unknown fields are problems.
///
/// # Errors
/// Every problem found, each a sentence that names the tier and the fix.
pub fn parse_tiers(json: &str) -> Result<Vec<Tier>, Vec<String>> {
    let entries: Vec<serde_json::Value> =
        serde_json::from_str(json).map_err(|error| vec![format!("is not a JSON array of tiers: {error}")])?;
    let mut problems = Vec::new();
    let mut tiers: Vec<Tier> = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let place = entry
            .get("name")
            .and_then(|name| name.as_str())
            .map_or(format!("tier {}", at + 1), |name| format!("tier {name:?}"));
        match parse_tier(entry) {
            Ok(tier) => {
                if tiers.iter().any(|other| other.name == tier.name) {
                    problems.push(format!("{place}: the name stands twice; give each tier its own"));
                }
                for price in &tier.prices {
                    if let Some(other) = tiers.iter().find(|other| other.prices.contains(price)) {
                        problems.push(format!(
                            "{place}: price {price} is also in tier {:?}; a price buys one tier",
                            other.name
                        ));
                    }
                }
                tiers.push(tier);
            }
            Err(problem) => problems.push(format!("{place}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(tiers) } else { Err(problems) }
}

fn parse_tier(entry: serde_json::Value) -> Result<Tier, String> {
    let entry: Entry = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    let libraries = match entry.libraries {
        OneOrMany::One(one) if one.trim() == "*" => vec![one],
        OneOrMany::One(one) => {
            return Err(format!("libraries is {one:?}; write a list of titles, or \"*\" for all"));
        }
        OneOrMany::Many(many) => many,
    };
    let name = entry.name.trim().to_owned();
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    let prices: BTreeSet<PriceId> = entry.prices.iter().map(|price| PriceId(price.trim().to_owned())).collect();
    if let Some(price) = prices.iter().find(|price| price.0.is_empty() || price.0.contains(char::is_whitespace)) {
        return Err(format!("prices holds {:?}, which is no price id (price_…)", price.0));
    }
    Ok(Tier {
        name,
        description: entry.description,
        prices,
        libraries: Wanted::parse(&libraries)?,
        downloads: entry.downloads,
    })
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
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[2].contains("colour"), "{problems:?}");
    }

    #[test]
    fn a_star_may_leave_something_out() {
        let tiers = parse_tiers(r#"[{"name":"A","prices":["p"],"libraries":["*","-Kids"],"downloads":true}]"#).unwrap();
        assert_eq!(tiers[0].libraries, Wanted::Everything { except: vec!["Kids".into()] });
        assert!(tiers[0].downloads);
    }
}
