//! The alphabets: every move that a person who lives with Usher can make, one
//! file an actor, whether or not a rule of Usher's speaks of it.
//!
//! What it promises: each move is made at the stand-ins only, as its actor
//! would make it, and what is true of the persons afterwards ([`Person`]) is
//! written down here: whose account, address, customer and subscription is
//! whose, who watched when, and what the operator wants. What it never does:
//! look at Usher, or at its book.

pub mod aims;
pub mod books;
mod later;
mod letters;
pub mod lots;
pub mod machine;
pub mod member;
pub mod operator;
pub mod pairs;
pub mod service;
pub mod tiers;

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver, Sender};

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId, SectionId};

pub use self::lots::Lots;
use self::member::pages::Arrival;
use self::tiers::Tiers;
use crate::dice::Dice;
use crate::rig::{Rig, address};
use crate::stripe::Status;

/// How often somebody does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// A move every few days.
    Lively,
    /// A move every few weeks, so that they can fall idle.
    Calm,
}

/// Something bought.
#[derive(Debug, Clone)]
pub struct Bought {
    /// The subscription.
    pub id: String,
    /// Whose it is at Stripe.
    pub customer: String,
    /// The address it was bought under, in lower case.
    pub email: String,
    /// When.
    pub began: Moment,
    /// Who paid for it, where that is somebody else.
    pub paid_by: Option<String>,
}

impl Bought {
    /// What they bought for themselves just now.
    #[must_use]
    pub fn new(rig: &Rig, id: String, customer: String, email: &str) -> Self {
        Self { id, customer, email: email.to_lowercase(), began: rig.now(), paid_by: None }
    }

    /// The prices of all its items.
    #[must_use]
    pub fn prices(&self, rig: &Rig) -> Vec<String> {
        let sub = rig.stripe.object(&self.id);
        let items = sub["items"]["data"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item["price"]["id"].as_str().map(str::to_owned)).collect()
    }
}

/// Access for some days, by the operator's word.
#[derive(Debug, Clone)]
pub struct Guest {
    /// When it was said.
    pub from: Moment,
    /// Until when; `None` = for good.
    pub until: Option<Moment>,
}

/// What the operator wants of somebody.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Out, since then.
    pub revoked: Option<Moment>,
    /// In for good.
    pub grandfathered: bool,
    /// In as a guest.
    pub guest: Option<Guest>,
    /// A holiday: nothing ends before that.
    pub holiday: Option<Moment>,
    /// In for some days more, until then at the latest.
    pub extended: Option<Moment>,
}

/// Why a case is unclear for good: the operator said that something of theirs
/// is another's.
pub const LINKED_WRONGLY: &str = "linked wrongly";

/// Why a case is unclear for good: somebody else took up their invite, and from then
/// on the address that it was sent to is that other one's to Usher.
pub const TAKEN_BY_A_STRANGER: &str = "a stranger took up an invite";

/// Somebody, as they truly are.
#[derive(Debug, Clone)]
pub struct Person {
    /// The name that all their addresses begin with.
    pub name: String,
    /// Their accounts at Plex; they watch with the first.
    pub accounts: Vec<PlexId>,
    /// Every address that ever was theirs, in lower case.
    pub addresses: BTreeSet<String>,
    /// Those that an account of theirs ever had at Plex, or under which they took
    /// up an invite: Usher can know by them who they are.
    pub proven: BTreeSet<String>,
    /// What they bought, oldest first.
    pub bought: Vec<Bought>,
    /// How often they do something.
    pub temper: Temper,
    /// Whether they would ever pay: most of the calm ones stay for what the operator
    /// gives them.
    pub buys: bool,
    /// Whether they watch, these weeks.
    pub awake: bool,
    /// In `VIP_NAMES`, or of the owner's Home at the moment.
    pub protected: bool,
    /// What the operator wants.
    pub wish: Wish,
    /// Ends of plays that count: online, two minutes or longer.
    pub plays: Vec<Moment>,
    /// When a share or invite of theirs went away by somebody else than Usher.
    pub went: Vec<Moment>,
    /// Libraries that the operator gave them by hand, and when.
    pub by_hand: Vec<(Moment, Vec<SectionId>)>,
    /// When Tautulli could not see what they watch, since when.
    pub unseen_since: Option<Moment>,
    /// And the times before.
    pub unseen: Vec<(Moment, Moment)>,
    /// Ends of plays with an account that isn't their first.
    pub elsewhere: Vec<(Moment, PlexId)>,
    /// Ends of plays that nobody could see while they lasted: downloads.
    pub offline: Vec<Moment>,
    /// Disputes that the bank has not decided: `(subscription, dispute)`.
    pub claims: Vec<(String, String)>,
    /// What the operator set by hand on their share, to be left alone.
    pub set_by_hand: SetByHand,
    /// From then on it is honestly unclear what is right for them, and why: they
    /// paid under a stranger's address, somebody else took up their invite, the
    /// operator linked them wrongly.
    pub disputed: Vec<(Moment, &'static str)>,
    /// When a page told them, who were in, that all seats are taken.
    pub turned_away: Vec<Moment>,
    /// Every move that struck them.
    pub struck: Vec<(Moment, &'static str)>,
}

/// What an operator set on somebody's share by hand in Plex.
#[derive(Debug, Clone, Default)]
pub struct SetByHand {
    /// The filter of the movies, and since when.
    pub filter: Option<(Moment, String)>,
    /// Downloads, and since when.
    pub downloads: Option<(Moment, bool)>,
}

/// Everybody, and what is true of the house.
#[derive(Debug)]
pub struct Town {
    /// The people.
    pub people: Vec<Person>,
    /// Moves of the whole house, which struck everybody.
    pub house: Vec<(Moment, &'static str)>,
    /// A counter for new names.
    pub fresh: u64,
    /// What somebody does later: `(when, who, what)`.
    pub later: Vec<(Moment, usize, Later)>,
    /// tiers.json as the operator wants it.
    pub tiers: Tiers,
    /// How the services behave where nobody knows.
    pub lots: Lots,
    /// Libraries that the operator refused to give to anybody, by title, and when.
    pub refused: Vec<(Moment, SectionId, String)>,
    /// Numbers that the operator noted in a rehearsal: `(number, account, who)`.
    pub noted: Vec<(String, PlexId, usize)>,
    /// Copies of the book.
    pub books: Vec<books::Copy>,
    /// What visitors of the pages have done since.
    arrivals: (Sender<Arrival>, Receiver<Arrival>),
}

/// The second half of a move that takes its time.
#[derive(Debug, Clone)]
pub enum Later {
    /// Ends an old subscription after an upgrade.
    Cancel(String),
    /// Takes the invite up.
    Accept,
    /// All that this account plays ends.
    Stop(PlexId),
    /// The player that was offline until then comes online.
    Sync(PlexId, Moment),
    /// Is back: shared with by hand, as asked.
    ComeBack,
    /// Has asked for another invite, and gets one by hand.
    AskAnew,
    /// Their history is switched on again.
    SeeAgain(PlexId),
    /// The operator sees what is wrong with the tiers file.
    MendTheTiers,
}

impl Person {
    /// Somebody of whom nothing is known but a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            accounts: Vec::new(),
            addresses: BTreeSet::from([address(name)]),
            proven: BTreeSet::new(),
            bought: Vec::new(),
            temper: Temper::Calm,
            buys: true,
            awake: true,
            protected: false,
            wish: Wish::default(),
            plays: Vec::new(),
            went: Vec::new(),
            by_hand: Vec::new(),
            unseen_since: None,
            unseen: Vec::new(),
            elsewhere: Vec::new(),
            offline: Vec::new(),
            claims: Vec::new(),
            set_by_hand: SetByHand::default(),
            disputed: Vec::new(),
            turned_away: Vec::new(),
            struck: Vec::new(),
        }
    }

    /// Subscriptions that are not over, and how they stand.
    #[must_use]
    pub fn subs(&self, rig: &Rig) -> Vec<(Bought, Status)> {
        let with = |bought: &Bought| rig.stripe.status(&bought.id).map(|status| (bought.clone(), status));
        self.bought.iter().filter_map(with).filter(|(_, status)| !status.is_terminal()).collect()
    }

    /// A subscription that stands like this.
    #[must_use]
    pub fn sub(&self, rig: &Rig, stands: &[Status]) -> Option<Bought> {
        self.subs(rig).into_iter().rev().find(|(_, status)| stands.contains(status)).map(|(bought, _)| bought)
    }

    /// The account that they watch with.
    #[must_use]
    pub fn main(&self) -> Option<PlexId> {
        self.accounts.first().copied()
    }

    /// An account of theirs that has access.
    #[must_use]
    pub fn account_in(&self, rig: &Rig) -> Option<PlexId> {
        self.accounts.iter().copied().find(|account| rig.plex.has_access(*account))
    }

    /// Whether an invite to one of their accounts or addresses is pending.
    #[must_use]
    pub fn is_invited(&self, rig: &Rig) -> bool {
        self.accounts.iter().any(|account| rig.plex.pending_of(*account).is_some())
            || self.addresses.iter().any(|address| rig.plex.pending_of(address.as_str()).is_some())
    }

    /// How they are named to Usher: the account's number, or the address.
    #[must_use]
    pub fn who(&self) -> String {
        self.main().map_or_else(|| address(&self.name), |account| account.to_string())
    }

    /// From now on it is honestly unclear what is right for them.
    pub fn dispute(&mut self, now: Moment, why: &'static str) {
        self.disputed.push((now, why));
    }

    /// The address under which they would buy: their account's, or the one that
    /// everybody knows.
    #[must_use]
    pub fn home(&self, rig: &Rig) -> String {
        self.main().and_then(|account| rig.plex.email_of(account)).unwrap_or_else(|| address(&self.name))
    }

    /// Writes a move down.
    pub fn strike(&mut self, now: Moment, what: &'static str) {
        self.struck.push((now, what));
    }

    /// Every name by which a notice may mean them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        names.extend(self.addresses.iter().cloned());
        names.extend(self.bought.iter().flat_map(|bought| [bought.id.clone(), bought.customer.clone()]));
        names
    }

    /// When they could not be seen, until now.
    pub fn unseen_until(&self, now: Moment) -> impl Iterator<Item = (Moment, Moment)> {
        self.unseen.iter().copied().chain(self.unseen_since.map(|since| (since, now)))
    }
}

impl Town {
    /// So many people: two fifths were there before Usher, one of them is a VIP
    /// (`vera`), the others will come.
    #[must_use]
    pub fn found(rig: &Rig, people: usize, dice: &mut Dice) -> Self {
        let lots = Lots::draw(dice);
        lots.apply(rig);
        let mut town = Self {
            people: Vec::new(),
            house: Vec::new(),
            fresh: 0,
            later: Vec::new(),
            tiers: Tiers::of(rig),
            lots,
            refused: Vec::new(),
            noted: Vec::new(),
            books: Vec::new(),
            arrivals: mpsc::channel(),
        };
        for n in 0..people {
            let name = if n == 0 { "vera".to_owned() } else { format!("p{n}") };
            let here = n % 5 == 0 || n % 4 == 0;
            let account = 2_000_001 + u64::try_from(n).unwrap_or(0);
            let mut person = Person {
                temper: if n % 2 == 0 { Temper::Calm } else { Temper::Lively },
                buys: n % 2 == 1 || n % 12 == 2,
                awake: !dice.one_in(6),
                protected: n == 0,
                ..Person::new(&name)
            };
            if here {
                let account = rig.old_friend(account, &name, 400);
                person.accounts.push(account);
                person.by_hand.push((rig.now() - TimeDelta::days(400), vec![rig.movies, rig.tv]));
                let ago = TimeDelta::hours(i64::try_from(dice.between(3, 120)).unwrap_or(3));
                rig.watched(account, ago);
                person.plays.push(rig.now() - ago);
            } else if !dice.one_in(4) {
                person.accounts.push(rig.person(account, &name));
            }
            if !person.accounts.is_empty() {
                person.proven.insert(address(&name));
            }
            town.people.push(person);
        }
        town
    }

    /// A name that nobody had before.
    pub fn fresh(&mut self, name: &str) -> String {
        self.fresh += 1;
        format!("{name}-{}", self.fresh)
    }

    /// Who has this account, if anybody.
    #[must_use]
    pub fn with_account(&self, account: PlexId) -> Option<&Person> {
        self.people.iter().find(|person| person.accounts.contains(&account))
    }

    /// The operator has said whose customer this is, and rightly.
    pub fn customer_linked(&mut self, customer: &str) {
        for person in &mut self.people {
            let theirs = person.bought.iter().filter(|bought| bought.customer == customer);
            let emails: Vec<String> = theirs.map(|bought| bought.email.clone()).collect();
            person.proven.extend(emails.into_iter().filter(|email| !email.is_empty()));
        }
    }

    /// Whose address this is.
    #[must_use]
    pub fn with_address(&self, address: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.addresses.contains(&address.to_lowercase()))
    }
}
