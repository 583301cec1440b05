//! The house on paper: what plex.tv, Stripe and Tautulli would say, and the
//! book, taken through passes by the rules alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use usher::facts::{
    Activity, Billing, Catalogue, Customer, CustomerId, Email, Friends, Invoice, InvoiceId, Item, Moment, PlexId,
    PriceId, Product, ProductId, Reading, Section, SectionId, ServerId, Share, ShareId, ShareState, Source, Stated,
    Status, StripeAccountId, Subscription, SubscriptionId, Watcher, Whole,
};
use usher::ledger::{Act, Book, Delivery, IntentState, InviteTo, Member, NoticeKey, Ways};
use usher::policy::decide::{self, Waiting};
use usher::policy::{Digest, PruneMode, Rules, Tiers, World, readings};
use usher::tier::{Tier, Wanted};

pub const MOVIES: SectionId = SectionId(1);
pub const TV: SectionId = SectionId(2);

/// See the module.
pub struct House {
    pub now: Moment,
    pub rules: Rules,
    pub world: World,
    pub book: Book,
    pub friends: Friends,
    pub billing: Billing,
    pub activity: Activity,
    pub waiting: Vec<Waiting>,
}

fn section(id: SectionId, title: &str) -> (SectionId, Section) {
    (id, Section { id, key: id.0, title: title.into() })
}

fn tier(name: &str, price: &str, libraries: &[&str], downloads: bool) -> Tier {
    Tier {
        prices: BTreeSet::from([PriceId::from(price)]),
        downloads,
        ..Tier::of(name, Wanted::Titles(libraries.iter().map(|title| (*title).to_owned()).collect()))
    }
}

pub fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

pub fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

/// What `Rules` are without any wish of the operator's.
pub fn rules() -> Rules {
    Rules {
        warn_days: 27,
        kick_days: 30,
        prune_mode: PruneMode::Auto,
        payment_grace_days: 7,
        payment_grace_strict: false,
        settle: TimeDelta::hours(24),
        expiry_warn_days: vec![7, 3],
        paused_collection_ends: false,
        pause_keeps: false,
        refund_ends: false,
        dispute_ends: false,
        vip_names: Vec::new(),
        admin_email: None,
        removals_per_day_max: None,
        removal_pace: TimeDelta::minutes(10),
        intervals: BTreeMap::from([
            (Source::Plex, TimeDelta::minutes(2)),
            (Source::Stripe, TimeDelta::minutes(15)),
            (Source::Tautulli, TimeDelta::minutes(30)),
        ]),
        configured: BTreeSet::from(Source::ALL),
        ways: Ways { mail: true, operator_mail: true, discord: false, dry_run: false },
        tz: chrono_tz::UTC,
        tiers: Tiers::File(vec![
            tier("Basic", "price_basic", &["Movies"], false),
            tier("Premium", "price_premium", &["Movies", "TV"], true),
        ]),
        products: BTreeSet::new(),
        forget_days: Some(30),
        prune_paying: false,
        invite_days: 14,
        seats: None,
        unmanaged_days: None,
        unfriend_days: None,
        free_codes: Vec::new(),
        free_tier: None,
        webhooks: true,
        public_url: None,
        digest: Digest::Off,
    }
}

/// One that was begun then, and is active.
pub fn subscription(id: &SubscriptionId, customer: CustomerId, price: &str, begun: Moment) -> Subscription {
    Subscription {
        id: id.clone(),
        customer,
        status: Status::Active,
        created: begun,
        items: vec![Item {
            price: PriceId::from(price),
            product: Some(ProductId::from("prod_1")),
            period_start: None,
            period_end: None,
        }],
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
    }
}

/// An invoice that nobody tries to collect any more.
pub fn unpaid(id: &str, opened_at: Moment) -> Invoice {
    Invoice {
        id: InvoiceId::from(id),
        opened_at,
        due_at: None,
        next_attempt_at: None,
        hosted_url: None,
        amount_due: 500,
        currency: "usd".into(),
        needs_action: false,
    }
}

impl House {
    /// Nobody is there yet; the book is new.
    pub fn new() -> Self {
        let now = Moment::from_timestamp(1_767_430_800, 0).unwrap();
        let server = ServerId::from("server-1");
        Self {
            now,
            rules: rules(),
            world: World::default(),
            book: Book::new(now),
            friends: Friends {
                owner: PlexId(1),
                owner_email: None,
                house_emails: BTreeSet::new(),
                server: server.clone(),
                server_name: "Attic Cinema".into(),
                sections: BTreeMap::from([section(MOVIES, "Movies"), section(TV, "TV")]),
                shares: Vec::new(),
                home: BTreeSet::new(),
                friends: Some(BTreeSet::new()),
                on_other_servers: BTreeSet::new(),
            },
            billing: Billing {
                catalogue: Some(Catalogue {
                    tags: BTreeMap::new(),
                    prices: ["price_basic", "price_premium"]
                        .map(|price| (PriceId::from(price), ProductId::from("prod_1")))
                        .into(),
                    products: BTreeMap::from([(ProductId::from("prod_1"), Product::default())]),
                }),
                ..Billing::empty(Some(StripeAccountId::from("acct_1")), true)
            },
            activity: Activity {
                server,
                connected: true,
                people: BTreeMap::new(),
                watching_now: Some(BTreeSet::new()),
                oldest_play: Some(now - days(2000)),
                history_total: 1000,
                unlogged_keys: BTreeSet::new(),
            },
            waiting: Vec::new(),
        }
    }

    /// A row that plex.tv lists from now on, taken up `ago`.
    pub fn share(&mut self, id: u64, account: u64, name: &str, sections: &[SectionId], ago: TimeDelta) -> ShareId {
        let settings = BTreeMap::from([("allowSync".to_owned(), serde_json::json!(false))]);
        self.friends.shares.push(Share {
            id: ShareId(id),
            account: Some(PlexId(account)),
            username: Some(name.into()),
            title: Some(name.into()),
            email: Some(email(name)),
            sections: sections.iter().copied().collect(),
            all_libraries: false,
            downloads: Some(false),
            settings: Some(settings),
            state: ShareState::Accepted { accepted_at: Some(self.now - ago) },
            invited_at: None,
            home: false,
            restricted: false,
        });
        self.activity.people.insert(PlexId(account), Watcher { last_play: None, keep_history: true });
        ShareId(id)
    }

    /// An invite that plex.tv lists from now on.
    pub fn invite(&mut self, id: u64, name: &str, sections: &[SectionId]) -> ShareId {
        self.share(id, 0, name, sections, days(0));
        let now = self.now;
        let row = self.row(id);
        row.account = None;
        row.username = None;
        row.title = None;
        row.state = ShareState::Pending { invited_at: Some(now) };
        self.activity.people.remove(&PlexId(0));
        ShareId(id)
    }

    /// An invite is taken up by this account.
    pub fn accept(&mut self, id: u64, account: u64, name: &str) {
        let now = self.now;
        let row = self.row(id);
        row.account = Some(PlexId(account));
        row.username = Some(name.into());
        row.email = Some(email(name));
        row.state = ShareState::Accepted { accepted_at: Some(now) };
        self.activity.people.insert(PlexId(account), Watcher { last_play: None, keep_history: true });
    }

    /// The row as plex.tv lists it.
    pub fn row(&mut self, id: u64) -> &mut Share {
        self.friends.shares.iter_mut().find(|share| share.id == ShareId(id)).unwrap()
    }

    /// A row goes away at plex.tv.
    pub fn unshare(&mut self, id: u64) {
        self.friends.shares.retain(|share| share.id != ShareId(id));
    }

    /// `cus_NAME` with `NAME@example.com` subscribes now.
    pub fn subscribe(&mut self, sub: &str, name: &str, price: &str) -> SubscriptionId {
        let customer = CustomerId(format!("cus_{name}"));
        let known =
            Customer { id: customer.clone(), email: Some(email(name)), name: Some(name.into()), deleted: false };
        self.billing.customers.entry(customer.clone()).or_insert(known);
        let id = SubscriptionId::from(sub);
        let subscription = subscription(&id, customer, price, self.now);
        self.billing.subscriptions.insert(id.clone(), subscription);
        id
    }

    /// Ann pays for this and has taken up our invite, as account 200; nobody has
    /// read a letter yet. Her subscription, and the number of her share.
    pub fn ann_pays(&mut self, price: &str) -> (SubscriptionId, u64) {
        let sub = self.subscribe("sub_1", "ann", price);
        self.settle();
        self.carry_out();
        let id = self.friends.shares.last().unwrap().id.0;
        self.accept(id, 200, "ann");
        self.settle();
        (sub, id)
    }

    /// The subscription as Stripe has it.
    pub fn sub(&mut self, sub: &SubscriptionId) -> &mut Subscription {
        self.billing.subscriptions.get_mut(sub).unwrap()
    }

    /// It ended at `ended`, canceled by the customer.
    pub fn cancel(&mut self, sub: &SubscriptionId, ended: Moment) {
        let sub = self.sub(sub);
        sub.status = Status::Canceled;
        sub.ended_at = Some(ended);
    }

    /// Its invoice of `opened` is unpaid, and Stripe has given up on it.
    pub fn past_due(&mut self, sub: &SubscriptionId, invoice: &str, opened: Moment) {
        let sub = self.sub(sub);
        sub.status = Status::PastDue;
        sub.open_invoices = Some(vec![unpaid(invoice, opened)]);
    }

    /// They played something that stopped `ago`.
    pub fn played(&mut self, account: u64, ago: TimeDelta) {
        let last_play = Some(self.now - ago);
        self.activity.people.insert(PlexId(account), Watcher { last_play, keep_history: true });
    }

    /// Time passes; nobody looks.
    pub fn later(&mut self, span: TimeDelta) {
        self.now += span;
    }

    fn whole<T: Clone>(&self, value: &T) -> Reading<T> {
        Reading::Read(Whole { begun: self.now, at: self.now, skew_secs: Some(0), value: value.clone() })
    }

    /// One pass with a whole reading of every source.
    pub fn read(&mut self) {
        let running: Vec<SubscriptionId> = self
            .book
            .members
            .values()
            .flat_map(|member| member.subscriptions.values())
            .filter(|billed| billed.now.status.is_running())
            .map(|billed| billed.now.id.clone())
            .collect();
        self.billing.stated = running
            .into_iter()
            .filter_map(|id| self.billing.subscriptions.get(&id).map(|sub| (id, Stated::Is(Box::new(sub.clone())))))
            .collect();
        self.world.plex.see(self.whole(&self.friends));
        self.world.stripe.see(self.whole(&self.billing));
        self.world.tautulli.see(self.whole(&self.activity));
        readings::fold_plex(self.now, &self.rules, &mut self.world, &mut self.book);
        readings::fold_stripe(self.now, &self.rules, &mut self.world, &mut self.book);
        readings::fold_tautulli(self.now, &self.rules, &mut self.world, &mut self.book);
        self.decide();
    }

    /// One pass without a reading.
    pub fn decide(&mut self) {
        self.waiting = decide::decide(self.now, &self.rules, &self.world, &mut self.book);
    }

    /// Readings a minute apart, so that everything that may follow has.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            self.read();
            self.later(TimeDelta::minutes(1));
        }
    }

    /// Every mail that is due is accepted now.
    pub fn deliver(&mut self) {
        let now = self.now;
        for delivery in self.book.outbox.values_mut().flat_map(|notice| notice.deliveries.values_mut()) {
            if !delivery.is_done() {
                *delivery = Delivery::Accepted { at: now };
            }
        }
    }

    /// Days pass with a reading every two hours (more would be blind), and
    /// mails are accepted.
    pub fn days(&mut self, count: i64) {
        for _ in 0..count * 12 {
            self.later(TimeDelta::hours(2));
            self.read();
            self.deliver();
        }
    }

    /// Everything that was decided and not yet tried, as `act/member/…`.
    pub fn decided(&self) -> Vec<String> {
        let open = self.book.intents.values().filter(|intent| intent.state == IntentState::Decided);
        open.map(|intent| intent.key.0.clone()).collect()
    }

    /// Decided removals and invites taken back.
    pub fn ends(&self) -> Vec<String> {
        self.decided().into_iter().filter(|key| key.starts_with("end/")).collect()
    }

    /// Decided invites.
    pub fn invites(&self) -> Vec<String> {
        self.decided().into_iter().filter(|key| key.starts_with("invite/")).collect()
    }

    /// What was decided is tried; a plain success shows in the next reading.
    pub fn carry_out(&mut self) {
        let now = self.now;
        let mut tried = Vec::new();
        for intent in self.book.intents.values_mut().filter(|intent| intent.state == IntentState::Decided) {
            intent.state = IntentState::Attempted { at: now };
            intent.tries += 1;
            tried.push((intent.act.clone(), intent.member.clone()));
        }
        for (act, member) in tried {
            match act {
                Act::End { share, .. } => self.unshare(share.0),
                Act::Update { share, sections, downloads, .. } => {
                    let row = self.row(share.0);
                    row.sections = sections.ids().clone();
                    row.all_libraries = false;
                    row.downloads = downloads.or(row.downloads);
                }
                Act::Invite { to, .. } => {
                    let member = &self.book.members[&member];
                    let own = member.email.as_ref().filter(|_| matches!(to, InviteTo::Account(_)));
                    let address = own.or(member.paying_email()).or(member.access_email());
                    let name = address.unwrap().as_str().to_owned();
                    let id = 900 + u64::try_from(self.friends.shares.len()).unwrap();
                    self.invite(id, name.split('@').next().unwrap(), &[MOVIES]);
                    if let InviteTo::Account(account) = to {
                        self.row(id).account = Some(account);
                    }
                }
                Act::Cancel { .. } | Act::Uncancel { .. } | Act::Forget { .. } | Act::Remember { .. } => {}
                Act::Unfriend { plex } => drop(self.friends.friends.as_mut().unwrap().remove(&plex)),
            }
        }
        self.later(TimeDelta::seconds(15));
        self.read();
    }

    /// The member with this account.
    pub fn member(&self, account: u64) -> &Member {
        self.book.by_account(PlexId(account)).expect("somebody with this account")
    }

    /// The member who holds this customer.
    pub fn payer(&self, name: &str) -> &Member {
        self.book.by_customer(&CustomerId(format!("cus_{name}"))).expect("a payer of this name")
    }

    /// Keys of letters of this kind, to anybody.
    pub fn letters(&self, kind: &str) -> Vec<&NoticeKey> {
        self.book.outbox.keys().filter(|key| key.0.contains(&format!("/{kind}/"))).collect()
    }
}
