//! The libraries of the house, and the tiers file.

use serde_json::{Value, json};

use super::OperatorMove;
use crate::alphabet::member::hours;
use crate::alphabet::tiers::{opens_everything, texts};
use crate::alphabet::{Later, Town};
use crate::dice::Dice;
use crate::plex::Section;
use crate::rig::Rig;
use crate::stripe::Interval;

/// More tiers than that nobody has.
const TIERS_MAX: usize = 4;

impl OperatorMove {
    pub(super) fn at_home(self, rig: &Rig, town: &mut Town, dice: &mut Dice) -> bool {
        match self {
            Self::AddALibrary | Self::RenameALibrary | Self::DeleteALibrary | Self::RecreateALibrary => {
                self.in_the_library(rig, town, dice)
            }
            Self::SpoilTheTiersFile | Self::MisspellALibrary | Self::LoseTheTiersFile => {
                let spoilt = self.spoil(rig, town, dice);
                mend_later(rig, town, dice, spoilt)
            }
            Self::MendTheTiersFile => town.tiers.mend(rig),
            _ => self.edit(rig, town, dice) && town.tiers.write(rig),
        }
    }

    fn in_the_library(self, rig: &Rig, town: &mut Town, dice: &mut Dice) -> bool {
        if self == Self::AddALibrary {
            let section = rig.plex.add_section(&town.fresh("Extra"), "movie");
            let added = rig.plex.sections().into_iter().find(|other| other.id == section);
            added.iter().for_each(|section| rig.tautulli.add_library(section.key, &section.title));
            return added.is_some();
        }
        let Some(section) = dice.pick(&extra(rig)) else { return false };
        match self {
            Self::RenameALibrary => {
                let (title, named) = (town.fresh("Extra"), town.tiers.open(&section.title));
                town.tiers.rename(&section.title, &title);
                if town.lots.rename_changes_the_id {
                    recreate(rig, &section);
                    if named {
                        // Nobody can follow that: the file has to say the new title.
                        town.tiers.spoilt.get_or_insert(rig.now());
                        mend_later(rig, town, dice, true);
                    }
                    let new = extra(rig).into_iter().find(|other| other.title == section.title);
                    new.iter().for_each(|new| rig.plex.rename_section(new.id, &title));
                    return new.is_some();
                }
                rig.plex.rename_section(section.id, &title);
                true
            }
            Self::RecreateALibrary => recreate(rig, &section),
            _ => {
                rig.plex.remove_section(section.id);
                if town.tiers.open(&section.title) {
                    town.tiers.rename(&section.title, "");
                    town.tiers.spoilt.get_or_insert(rig.now());
                    mend_later(rig, town, dice, true);
                }
                true
            }
        }
    }

    fn spoil(self, rig: &Rig, town: &mut Town, dice: &mut Dice) -> bool {
        let mut rows = town.tiers.rows.clone();
        match self {
            Self::LoseTheTiersFile => return town.tiers.lose(rig),
            Self::MisspellALibrary => set(&mut rows, 0, "libraries", json!(["Moovies"])),
            _ => match dice.below(6) {
                0 => return town.tiers.spoil(rig, r#"[{"name": "Bas"#),
                1 => return town.tiers.spoil(rig, ""),
                2 => return town.tiers.spoil(rig, "{}"),
                3 => set(&mut rows, 0, "libraries", json!([])),
                4 => set(&mut rows, 0, "prices", json!([rig.premium])),
                _ => set(&mut rows, 0, "price", json!(5)),
            },
        }
        town.tiers.spoil(rig, &json!(rows).to_string())
    }

    fn edit(self, rig: &Rig, town: &mut Town, dice: &mut Dice) -> bool {
        let fresh = town.fresh("Basic");
        let tiers = &mut town.tiers;
        let title = dice.pick(&extra(rig)).map(|section| section.title).unwrap_or_default();
        match self {
            Self::RenameATier => set(&mut tiers.rows, 0, "name", json!(fresh)),
            Self::SplitATier => return split(rig, town, &fresh),
            // The last tier's prices buy the first from now on: it opens the same.
            Self::MergeTheTiers => {
                if tiers.rows.len() < 3 {
                    return false;
                }
                let Some(last) = tiers.rows.pop() else { return false };
                let prices: Vec<String> = tiers.rows.iter().take(1).flat_map(|row| texts(&row["prices"])).collect();
                let prices = [prices, texts(&last["prices"])].concat();
                set(&mut tiers.rows, 0, "prices", json!(prices));
            }
            Self::DeleteATier => {
                if tiers.rows.len() < 3 {
                    return false;
                }
                tiers.away = tiers.rows.pop();
            }
            Self::PutTheTierBack => {
                let Some(away) = tiers.away.take().filter(|_| tiers.rows.len() < TIERS_MAX) else { return false };
                tiers.rows.push(away);
            }
            Self::AddALibraryToATier => {
                if title.is_empty() || tiers.open(&title) {
                    return false;
                }
                let row = dice.index(tiers.rows.len());
                if tiers.rows.get(row).is_some_and(opens_everything) {
                    return false;
                }
                let mut titles = tiers.rows.get(row).map(|row| texts(&row["libraries"])).unwrap_or_default();
                titles.push(title);
                set(&mut tiers.rows, row, "libraries", json!(titles));
            }
            _ => {
                if title.is_empty() || !tiers.open(&title) {
                    return false;
                }
                tiers.rename(&title, "");
            }
        }
        true
    }
}

/// A new price of the first tier's product buys a tier of its own, which opens
/// the same.
fn split(rig: &Rig, town: &mut Town, name: &str) -> bool {
    if town.tiers.rows.len() >= TIERS_MAX || town.tiers.away.is_some() {
        return false;
    }
    let Some(mut row) = town.tiers.rows.first().cloned() else { return false };
    let product = rig.stripe.object(&rig.basic)["product"].as_str().unwrap_or_default().to_owned();
    let price = rig.stripe.add_price(&product, 600, "usd", Some(Interval::Month));
    row["name"] = json!(name);
    row["prices"] = json!([price]);
    town.tiers.rows.push(row);
    true
}

fn set(rows: &mut [Value], row: usize, field: &str, value: Value) {
    if let Some(row) = rows.get_mut(row) {
        row[field] = value;
    }
}

fn mend_later(rig: &Rig, town: &mut Town, dice: &mut Dice, spoilt: bool) -> bool {
    if spoilt {
        town.later.push((rig.now() + hours(dice.between(3, 40)), 0, Later::MendTheTiers));
    }
    spoilt
}

/// Libraries beside Movies and TV.
fn extra(rig: &Rig) -> Vec<Section> {
    rig.plex.sections().into_iter().filter(|s| ![rig.movies, rig.tv].contains(&s.id)).collect()
}

fn recreate(rig: &Rig, section: &Section) -> bool {
    let new = rig.plex.recreate_section(section.id);
    let new = new.and_then(|new| rig.plex.sections().into_iter().find(|other| other.id == new));
    new.iter().for_each(|section| rig.tautulli.add_library(section.key, &section.title));
    new.is_some()
}
