//! What kind of house a seed has: drawn by lot, as the operators' houses differ.

use sandbox::alphabet::Town;
use sandbox::dice::Dice;
use sandbox::rig::Rig;

/// More people than that the house doesn't take, where it has seats at all.
const SEATS: usize = 12;

/// The lots of a house.
#[derive(Debug, Clone)]
pub struct House {
    /// Whether who is there and doesn't pay is asked to.
    pub asks: bool,
    /// `SEATS`.
    pub seats: Option<usize>,
    /// The first tier opens whatever there is, and the operator refuses what is new.
    pub refuses: bool,
    /// The house begins in a rehearsal.
    pub rehearses: bool,
    /// The VIP never watches.
    pub sleepy_vip: bool,
}

impl House {
    /// Draws it, and writes it into the environment.
    pub fn draw(rig: &mut Rig, dice: &mut Dice) -> Self {
        let house = Self {
            asks: dice.one_in(2),
            seats: dice.one_in(4).then_some(SEATS),
            refuses: dice.one_in(3),
            rehearses: dice.one_in(2),
            sleepy_vip: dice.one_in(2),
        };
        if house.asks {
            rig.set("UNMANAGED", "require-subscription");
        }
        if let Some(seats) = house.seats {
            rig.set("SEATS", &seats.to_string());
        }
        rig.set("TAUTULLI_FORGET_DAYS", ["2", "7", "30"][dice.index(3)]);
        // As an editor on Windows writes it.
        if dice.one_in(2) {
            let file = rig.state().join("vips.txt");
            std::fs::write(&file, "\u{FEFF}vera\r\n").expect("a file");
            rig.set("VIP_NAMES_FILE", &file.display().to_string());
        } else {
            rig.set("VIP_NAMES", "vera");
        }
        if dice.one_in(2) {
            rig.env.remove("DISCORD_WEBHOOK");
            rig.env.remove("DISCORD_API_URL");
        }
        // Without a tiers file everybody would see everything.
        rig.set("DEFAULT_LIBRARIES", "Movies,TV");
        let product = |price: &str| rig.stripe.object(price)["product"].as_str().unwrap_or_default().to_owned();
        let products = [product(&rig.basic), product(&rig.premium)].join(",");
        rig.set("STRIPE_PRODUCTS", &products);
        house
    }

    /// What the house is before anybody opens it.
    pub fn furnish(&self, rig: &Rig, town: &mut Town) {
        if self.refuses {
            town.tiers.open_everything(rig);
        }
        if let Some(vera) = town.people.first_mut().filter(|_| self.sleepy_vip) {
            vera.awake = false;
        }
    }
}
