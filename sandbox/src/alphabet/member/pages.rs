//! The pages of the house, walked through as a browser does: over HTTP, from
//! the plans to Stripe's page and back.

use usher::facts::{Moment, PlexId};

use std::sync::mpsc::Sender;

use super::{MemberMove, RUNNING, hours};
use crate::alphabet::{Bought, Later, Town};
use crate::dice::Dice;
use crate::plex::Plex;
use crate::rig::{Rig, address};
use crate::stripe::Stripe;
use crate::wire::{self, Reply, form};

/// Where the pages say that they are.
const PUBLIC_URL: &str = "https://cinema.example";
/// The free code of the house.
const CODE: &str = "film";

/// What came of a visit.
#[derive(Debug)]
pub enum Arrival {
    /// They have paid.
    Bought {
        /// Who.
        who: usize,
        /// What.
        bought: Bought,
        /// They have shown that the account is theirs.
        proven: bool,
    },
    /// They are in, and all seats are taken: the page said so.
    TurnedAway {
        /// Who.
        who: usize,
        /// When.
        at: Moment,
    },
    /// They have typed a code in, and it counted.
    Redeemed {
        /// Who.
        who: usize,
        /// When.
        at: Moment,
    },
}

/// Gives a house what its pages need. Call it before the daemon is opened.
pub fn set_up(rig: &mut Rig) {
    rig.set("PUBLIC_URL", PUBLIC_URL);
    rig.set("FREE_TIER_INVITE_CODE", &format!("{CODE}:3"));
    rig.set("FREE_TIER", "Premium");
}

/// A browser in somebody's hand.
struct Browser {
    who: usize,
    name: String,
    email: String,
    account: Option<PlexId>,
    /// Which of the plans it clicks.
    choice: usize,
    door: String,
    stripe: Stripe,
    plex: Plex,
    home: Sender<Arrival>,
}

impl MemberMove {
    pub(super) fn visit(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let fresh = town.fresh("page");
        let Some(door) = rig.door().filter(|_| rig.is_running()) else { return false };
        let has_pages = rig.env.contains_key("PUBLIC_URL");
        let Some(person) = town.people.get_mut(who).filter(|_| has_pages) else { return false };
        let joins = matches!(self, Self::JoinByThePage | Self::JoinWithPlex);
        let account = person.main();
        let without_account = self == Self::JoinWithPlex && account.is_none();
        if without_account || joins && person.sub(rig, &RUNNING).is_some() {
            return false;
        }
        if self == Self::RedeemACode && person.account_in(rig).is_some() {
            return false;
        }
        let home = person.home(rig);
        // Who has signed in may pay under any address.
        let elsewhere = self == Self::JoinWithPlex && dice.one_in(2);
        let email = if elsewhere { address(&format!("{}.{fresh}", person.name)) } else { home };
        person.addresses.insert(email.to_lowercase());
        let browser = Browser {
            who,
            name: person.name.clone(),
            email,
            account,
            choice: dice.index(97),
            door,
            stripe: rig.stripe.clone(),
            plex: rig.plex.clone(),
            home: town.arrivals.0.clone(),
        };
        tokio::spawn(async move { browser.walk(self).await });
        if joins || self == Self::RedeemACode {
            town.later.push((rig.now() + hours(dice.between(2, 40)), who, Later::Accept));
        }
        true
    }
}

impl Browser {
    /// Nothing comes of it where the door is shut or says no.
    async fn walk(self, step: MemberMove) -> Option<()> {
        match step {
            MemberMove::JoinByThePage => self.join().await,
            MemberMove::JoinWithPlex => self.sign_in().await,
            MemberMove::RedeemACode => self.redeem(CODE).await,
            MemberMove::RedeemAWrongCode => self.redeem("a guess").await,
            _ => {
                self.call("GET", "/billing", &[]).await?;
                self.call("POST", "/billing", &[("email", &self.email)]).await?;
                Some(())
            }
        }
    }

    async fn call(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Option<Reply> {
        wire::call(method, &format!("{}{path}", self.door), &[], &form(fields)).await.ok()
    }

    /// The page of one of the plans.
    async fn plan(&self) -> Option<String> {
        let plans = self.call("GET", "/plans", &[]).await?.text();
        let links: Vec<String> = plans.split("href=\"").filter_map(path_of_a_plan).collect();
        let path = links.get(self.choice % links.len().max(1))?.clone();
        let page = self.call("GET", &path, &[]).await?;
        // A full house still lets those sign in who are in.
        (page.status == 200 || page.text().contains("/plex\"")).then_some(path)
    }

    async fn join(&self) -> Option<()> {
        let path = self.plan().await?;
        let reply = self.call("POST", &path, &[("email", &self.email), ("plex", &self.name)]).await?;
        self.pay(&reply, false).await
    }

    async fn sign_in(&self) -> Option<()> {
        let path = self.plan().await?;
        let link = location(&self.call("POST", &format!("{path}/plex"), &[]).await?)?;
        let back = self.plex.sign_in_at(&link, self.account?)?;
        let back = back.strip_prefix(PUBLIC_URL)?;
        self.call("GET", back, &[]).await?;
        let was_in = self.account.is_some_and(|account| self.plex.has_access(account));
        let reply = self.call("POST", back, &[]).await?;
        if was_in && reply.text().contains("All seats are taken") {
            self.home.send(Arrival::TurnedAway { who: self.who, at: self.stripe.now() }).ok()?;
        }
        self.pay(&reply, true).await
    }

    /// Stripe's page, and back.
    async fn pay(&self, reply: &Reply, proven: bool) -> Option<()> {
        let to = location(reply)?;
        let session = to.strip_prefix("https://checkout.stripe.com/")?.rsplit('/').next()?;
        let id = self.stripe.complete_checkout(session, &self.email)?;
        let customer = self.stripe.object(&id)["customer"].as_str().unwrap_or_default().to_owned();
        let email = self.stripe.object(&customer)["email"].as_str().unwrap_or_default().to_lowercase();
        let bought = Bought { id, customer, email, began: self.stripe.now(), paid_by: None };
        self.home.send(Arrival::Bought { who: self.who, bought, proven }).ok()?;
        self.call("GET", &format!("/joined?s={session}"), &[]).await?;
        Some(())
    }

    async fn redeem(&self, code: &str) -> Option<()> {
        self.call("GET", "/redeem", &[]).await?;
        let reply = self.call("POST", "/redeem", &[("email", &self.email), ("code", code)]).await?;
        if reply.status == 200 {
            self.home.send(Arrival::Redeemed { who: self.who, at: self.stripe.now() }).ok()?;
        }
        Some(())
    }
}

fn path_of_a_plan(after: &str) -> Option<String> {
    let path = after.split('"').next()?;
    path.starts_with("/join/").then(|| path.to_owned())
}

fn location(reply: &Reply) -> Option<String> {
    let to = reply.headers.get("location").filter(|_| reply.status == 303)?;
    to.to_str().ok().map(str::to_owned)
}
