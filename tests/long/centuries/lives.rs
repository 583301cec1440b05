//! Many people's lives, a day at a time. Some were shared with by hand, some
//! pay, a few are protected; they watch or fall asleep, subscribe, stop, run
//! out of money, accept invites and leave.

use chrono::TimeDelta;
use usher::facts::{
    Customer, CustomerId, Email, Item, Moment, PlexId, PriceId, ProductId, Share, ShareId, ShareState, Status,
    Subscription, SubscriptionId, Watcher,
};

use super::deeds::unpaid;
use super::door::{House, MOVIES, TV};
use super::weather::Sky;

/// A life, as it really is.
pub struct Person {
    pub account: PlexId,
    pub name: String,
    pub protected: bool,
    /// Comes by paying, and not otherwise.
    pub pays: bool,
    /// Falls asleep and wakes up again.
    pub awake: bool,
    /// Their last play that Tautulli wrote down.
    pub last_play: Option<Moment>,
    /// Since when they have had access.
    pub joined: Option<Moment>,
    pub sub: Option<SubscriptionId>,
    /// When letters reached them.
    pub warned: Vec<Moment>,
    pub told_unpaid: Vec<Moment>,
    pub told_paused: Vec<Moment>,
    /// Of the owner's Home.
    pub home: bool,
    /// Whether Tautulli keeps their history.
    pub seen: bool,
    /// Days on which it didn't.
    pub unseen: Vec<Moment>,
    pub wish: Wish,
}

/// What the operator has said of them.
#[derive(Debug, Default)]
pub struct Wish {
    pub revoked: bool,
    pub grandfathered: bool,
    pub guest_until: Option<Moment>,
    pub away_until: Option<Moment>,
}

impl Person {
    pub fn email(&self) -> Email {
        Email::parse(&format!("{}@example.com", self.name)).unwrap()
    }

    pub fn customer(&self) -> CustomerId {
        CustomerId(format!("cus_{}", self.name))
    }
}

impl House {
    /// Everybody's account; those who don't pay are there already.
    pub fn settle(&mut self, size: u64) {
        for n in 0..size {
            let pays = self.dice.one_in(3);
            let person = Person {
                account: PlexId(1000 + n),
                name: format!("p{n}"),
                protected: n == 1 || (n > 1 && n % 40 == 0),
                pays,
                awake: !self.dice.one_in(5),
                last_play: None,
                joined: None,
                sub: None,
                warned: Vec::new(),
                told_unpaid: Vec::new(),
                told_paused: Vec::new(),
                home: false,
                seen: true,
                unseen: Vec::new(),
                wish: Wish::default(),
            };
            if person.protected {
                self.rules.vip_names.push(person.name.clone());
            }
            self.people.push(person);
            let who = self.people.len() - 1;
            if !pays {
                self.share_by_hand(who);
                let since = self.now - TimeDelta::days(200);
                self.people[who].joined = Some(since);
                let row = self.row_of(who).expect("it was just made");
                row.state = ShareState::Accepted { accepted_at: Some(since) };
            }
            let last_play = (!self.dice.one_in(6)).then(|| self.now - TimeDelta::days(1));
            self.people[who].last_play = last_play;
            self.activity.people.insert(PlexId(1000 + n), Watcher { last_play, keep_history: true });
        }
    }

    pub fn row_of(&mut self, who: usize) -> Option<&mut Share> {
        let account = Some(self.people[who].account);
        self.friends.shares.iter_mut().find(|row| row.account == account)
    }

    /// A row at plex.tv, from now on.
    pub fn add_row(&mut self, who: usize, state: ShareState, downloads: bool) -> ShareId {
        self.next_share += 1;
        let person = &self.people[who];
        let id = ShareId(self.next_share);
        self.friends.shares.push(Share {
            id,
            account: Some(person.account),
            username: Some(person.name.clone()),
            title: None,
            email: Some(person.email()),
            sections: [MOVIES, TV].into(),
            all_libraries: false,
            downloads: Some(downloads),
            settings: Some([("allowSync".to_owned(), serde_json::json!(downloads))].into()),
            state,
            invited_at: None,
            home: false,
            restricted: false,
        });
        id
    }

    pub fn share_by_hand(&mut self, who: usize) {
        let downloads = self.dice.one_in(10);
        let accepted_at = Some(self.now);
        self.add_row(who, ShareState::Accepted { accepted_at }, downloads);
        self.people[who].joined = accepted_at;
    }

    /// A day of everybody's life.
    pub fn live(&mut self) {
        let plex_works = !self.sky.is_of_plex();
        for who in 0..self.people.len() {
            self.watch(who);
            if self.dice.one_in(20) && !self.people[who].protected {
                self.pay(who);
            }
            if plex_works {
                self.click(who);
            }
        }
    }

    fn watch(&mut self, who: usize) {
        let (now, seen) = (self.now, self.sky != Sky::TautulliCutOff);
        let person = &mut self.people[who];
        if self.dice.one_in(if person.awake { 90 } else { 60 }) {
            person.awake = !person.awake;
        }
        if person.joined.is_some() && person.awake && !person.protected && self.dice.one_in(4) {
            let stopped = now - TimeDelta::hours(2);
            // What nobody writes down has not been, for all that anybody can know.
            if seen && person.seen && person.joined.is_some_and(|joined| joined < stopped) {
                person.last_play = Some(stopped);
                self.activity.history_total += 1;
                self.activity.people.insert(person.account, Watcher { last_play: Some(stopped), keep_history: true });
            }
        }
    }

    fn click(&mut self, who: usize) {
        let (now, has_access) = (self.now, self.people[who].joined.is_some());
        if !has_access {
            let accepts = self.dice.one_in(2);
            let friend = !self.people[who].pays && self.dice.one_in(120);
            let pending = self.row_of(who).filter(|row| !row.is_accepted());
            match pending {
                Some(row) if accepts => {
                    row.state = ShareState::Accepted { accepted_at: Some(now) };
                    self.people[who].joined = Some(now);
                    self.people[who].awake = true;
                    self.count.joined += 1;
                }
                None if friend => self.share_by_hand(who),
                _ => {}
            }
        } else if self.dice.one_in(900) && !self.people[who].protected {
            let account = Some(self.people[who].account);
            self.friends.shares.retain(|row| row.account != account);
            self.people[who].joined = None;
        }
    }

    /// Their subscription, once in 20 days.
    fn pay(&mut self, who: usize) {
        let now = self.now;
        let running = self.people[who].sub.clone().and_then(|id| self.billing.subscriptions.get_mut(&id));
        match running {
            None => {
                if self.dice.one_in(if self.people[who].pays { 3 } else { 60 }) {
                    self.subscribe(who);
                }
            }
            Some(sub) if sub.status == Status::Active => match self.dice.below(24) {
                0 => {
                    sub.status = Status::Canceled;
                    sub.ended_at = Some(now);
                    self.people[who].sub = None;
                }
                1 => {
                    sub.status = Status::PastDue;
                    sub.open_invoices = Some(vec![unpaid(sub, now)]);
                }
                _ => {}
            },
            Some(sub) => match self.dice.below(3) {
                0 => {
                    sub.status = Status::Active;
                    sub.open_invoices = None;
                }
                1 => {
                    sub.status = Status::Canceled;
                    sub.ended_at = Some(now);
                    sub.ended_by_failed_payment = true;
                    self.people[who].sub = None;
                }
                _ => {}
            },
        }
    }

    pub fn subscribe(&mut self, who: usize) {
        self.next_share += 1;
        let id = SubscriptionId(format!("sub_{}", self.next_share));
        let person = &mut self.people[who];
        person.sub = Some(id.clone());
        let customer = Customer {
            id: person.customer(),
            email: Some(person.email()),
            name: Some(person.name.clone()),
            deleted: false,
        };
        let premium = self.dice.one_in(3);
        let price = PriceId::from(if premium { "price_premium" } else { "price_basic" });
        let subscription = Subscription {
            id: id.clone(),
            customer: customer.id.clone(),
            status: Status::Active,
            created: self.now,
            items: vec![Item { price, product: Some(ProductId::from("prod_1")), period_start: None, period_end: None }],
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            ended_by_failed_payment: false,
            trial_end: None,
            after_trial: usher::facts::AfterTrial::Unknown,
            member: None,
            signed_in: None,
            collection_paused: false,
            paused: usher::facts::PausedSaid::default(),
            open_invoices: None,
        };
        self.billing.customers.insert(customer.id.clone(), customer);
        self.billing.subscriptions.insert(id, subscription);
    }
}
