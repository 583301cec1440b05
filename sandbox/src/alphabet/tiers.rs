//! The tiers file: what the operator wants it to say, and what it says.

use serde_json::{Value, json};
use usher::facts::{Moment, SectionId};

use crate::dice::Dice;
use crate::plex::Section;
use crate::rig::Rig;

/// Every library there is.
const EVERYTHING: &str = "*";

/// Whether a row of the tiers file opens whatever there is.
pub(super) fn opens_everything(row: &Value) -> bool {
    texts(&row["libraries"]).iter().any(|title| title == EVERYTHING)
}

/// tiers.json as the operator wants it.
#[derive(Debug, Clone, Default)]
pub struct Tiers {
    /// The tiers, as in the file.
    pub rows: Vec<Value>,
    /// A tier that was taken out.
    pub away: Option<Value>,
    /// Since when the file doesn't say what the operator wants, by a slip.
    pub spoilt: Option<Moment>,
    /// The times before.
    pub was_spoilt: Vec<(Moment, Moment)>,
}

impl Tiers {
    /// As the file is now.
    #[must_use]
    pub fn of(rig: &Rig) -> Self {
        let text = std::fs::read_to_string(rig.state().join("tiers.json")).unwrap_or_default();
        Self { rows: serde_json::from_str(&text).unwrap_or_default(), ..Self::default() }
    }

    /// Writes down what the operator wants.
    pub fn write(&mut self, rig: &Rig) -> bool {
        if let Some(since) = self.spoilt.take() {
            self.was_spoilt.push((since, rig.now()));
        }
        std::fs::write(rig.state().join("tiers.json"), json!(self.rows).to_string()).is_ok()
    }

    /// Writes something else, by a slip.
    pub fn spoil(&mut self, rig: &Rig, text: &str) -> bool {
        self.spoilt.get_or_insert(rig.now());
        std::fs::write(rig.state().join("tiers.json"), text).is_ok()
    }

    /// Takes the file away, by a slip.
    pub fn lose(&mut self, rig: &Rig) -> bool {
        self.spoilt.get_or_insert(rig.now());
        std::fs::remove_file(rig.state().join("tiers.json")).is_ok()
    }

    /// Sets a slip right. `false`: there was none.
    pub fn mend(&mut self, rig: &Rig) -> bool {
        self.spoilt.is_some() && self.write(rig)
    }

    /// The tier that this price buys.
    #[must_use]
    pub fn of_price(&self, price: &str) -> Option<&Value> {
        let buys = |row: &&Value| texts(&row["prices"]).iter().any(|other| other == price);
        self.rows.iter().find(buys)
    }

    /// The libraries that this price buys, as they are now; `None` where no tier
    /// names it.
    #[must_use]
    pub fn libraries_of(&self, rig: &Rig, price: &str) -> Option<Vec<SectionId>> {
        let titles = texts(&self.of_price(price)?["libraries"]);
        let sections = rig.plex.sections();
        let all = self.buys_everything(price);
        let opens = |section: &Section| all || titles.contains(&section.title);
        Some(sections.into_iter().filter(opens).map(|section| section.id).collect())
    }

    /// Whether this price buys whatever there is; what is new joins it by the
    /// operator's word only.
    #[must_use]
    pub fn buys_everything(&self, price: &str) -> bool {
        self.of_price(price).is_some_and(opens_everything)
    }

    /// The first tier opens whatever there is.
    pub fn open_everything(&mut self, rig: &Rig) -> bool {
        if let Some(row) = self.rows.first_mut() {
            row["libraries"] = json!([EVERYTHING]);
        }
        self.write(rig)
    }

    /// Whether any tier opens the library of this title.
    #[must_use]
    pub fn open(&self, title: &str) -> bool {
        self.rows.iter().any(|row| texts(&row["libraries"]).iter().any(|other| other == title))
    }

    /// The name of the last tier.
    #[must_use]
    pub fn last_name(&self) -> String {
        self.rows.last().and_then(|row| row["name"].as_str()).unwrap_or("Premium").to_owned()
    }

    /// A price that somebody may buy: the dearer one in three times, seldom one
    /// that was added later.
    #[must_use]
    pub fn price_on_sale(&self, rig: &Rig, dice: &mut Dice) -> String {
        let added: Vec<String> = self.rows.iter().flat_map(|row| texts(&row["prices"])).collect();
        let added: Vec<String> =
            added.into_iter().filter(|price| *price != rig.basic && *price != rig.premium).collect();
        let usual = if dice.one_in(3) { rig.premium.clone() } else { rig.basic.clone() };
        if dice.one_in(4) { dice.pick(&added).unwrap_or(usual) } else { usual }
    }

    /// Replaces a title wherever it stands; an empty one takes it out.
    pub fn rename(&mut self, title: &str, new: &str) {
        for row in &mut self.rows {
            let titles = texts(&row["libraries"]);
            let renamed = titles.into_iter().map(|other| if other == title { new.to_owned() } else { other });
            row["libraries"] = renamed.filter(|title| !title.is_empty()).collect();
        }
    }
}

/// The texts of a list.
#[must_use]
pub fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
