//! The house on paper: a book, a world and rules built in memory, for pure
//! tests of the policy. Everything is real but the outside.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use usher::facts::{
    Activity, Billing, Catalogue, CustomerId, Email, Friends, Invoice, Moment, PlexId, PriceId, ProductId, Section,
    SectionId, ServerId, Share, ShareId, ShareState, Source, Status, Subscription, SubscriptionId, Watcher, Whole,
};
use usher::ledger::{
    Act, ActKey, Audience, Billed, Book, Channel, Delivered, Delivery, DeliveryOutcome, Dispatch, Gone, Grant,
    GrantKind, IdleSpell, Intent, IntentState, Letter, Member, Notice, NoticeKey, Payer, ShareRecord, SpellKind, Undo,
    UnpaidSpell, Ways,
};
use usher::member::MemberId;
use usher::policy::asks::{self, Ask, Hearing, Said};
use usher::policy::brake::{self, Admission};
use usher::policy::plan::{self, Plan};
use usher::policy::{Rules, Scene, Seen, World};

use crate::rules::house;

pub const MOVIES: SectionId = SectionId(1);
pub const TV: SectionId = SectionId(2);
pub const OWNER: PlexId = PlexId(1);

/// Saturday, 31 January 2026, noon.
pub fn noon() -> Moment {
    chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc()
}

/// What a case changes about the house.
pub type Change = fn(&mut Paper);

pub fn days(n: i64) -> TimeDelta {
    TimeDelta::days(n)
}

/// Hands out mails, oldest first, until this one's turn comes; the others are
/// accepted. `None`: it isn't due.
pub fn hand_out(book: &mut Book, key: &NoticeKey, now: Moment) -> Option<Dispatch> {
    let audiences = [Audience::Operator, Audience::Member];
    while let Some(letter) = book.hand_out(Channel::Mail, &audiences, "attic.example", false, now) {
        if letter.key == *key {
            return Some(letter);
        }
        let outcome = DeliveryOutcome::Accepted;
        book.delivered(&Delivered { key: letter.key, channel: Channel::Mail, outcome }, now);
    }
    None
}

/// The warning of somebody who never watched, and has time until then.
pub fn warning(until: NaiveDate) -> Letter {
    Letter::InactivityWarning {
        idle_days: 28,
        last_play: None,
        never_watched: true,
        until,
        downloads: false,
        pays: false,
    }
}

/// A house in which every brake lets through, and one person: Ann, who has an
/// account, an address and nothing else.
pub struct Paper {
    pub now: Moment,
    pub rules: Rules,
    pub book: Book,
    pub world: World,
    pub ann: MemberId,
}

impl Paper {
    pub fn new() -> Self {
        let now = noon();
        let mut book = Book::new(now - days(400));
        book.committed = now - TimeDelta::minutes(1);
        book.identities.plex_server = Some(ServerId::from("server"));
        book.identities.owner = Some(OWNER);
        book.identities.stripe_account = Some("acct_1".into());
        book.identities.stripe_livemode = Some(false);
        for source in Source::ALL {
            book.adopted.insert(source, now - days(400));
        }
        book.libraries.known = sections();
        let mut paper = Self { now, rules: rules(), book, world: world(now), ann: MemberId::number(1) };
        paper.ann = paper.person("ann");
        paper
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene { now: self.now, rules: &self.rules, book: &self.book, world: &self.world }
    }

    pub fn plan(&self) -> Plan {
        plan::plan(self.scene())
    }

    pub fn admit(&self) -> Admission {
        brake::admit(self.scene(), self.plan())
    }

    pub fn hearing(&self) -> Hearing<'_> {
        Hearing { now: self.now, rules: &self.rules, world: &self.world }
    }

    /// The operator's word, taken up as the engine does: whole or not at all.
    pub fn says(&mut self, ask: &Ask) -> Result<Said, String> {
        let mut changed = self.book.clone();
        let said = asks::carry_out(self.hearing(), &mut changed, ask)?;
        self.book = changed;
        Ok(said)
    }

    /// What follows from the book for these people.
    pub fn next(&self, about: &[MemberId]) -> Vec<String> {
        asks::what_comes_next(self.scene(), about)
    }

    pub fn member(&mut self) -> &mut Member {
        let ann = self.ann.clone();
        self.of(&ann)
    }

    pub fn of(&mut self, id: &MemberId) -> &mut Member {
        self.book.members.get_mut(id).unwrap()
    }

    /// Somebody with an account and an address, and a record in Tautulli.
    pub fn person(&mut self, name: &str) -> MemberId {
        let id = self.book.enter(self.now - days(400));
        let account = PlexId(100 + self.book.next_member);
        let member = self.of(&id);
        member.plex = Some(account);
        member.username = Some(name.to_owned());
        member.email = Email::parse(&format!("{name}@example.com"));
        if let Some(whole) = self.world.tautulli.whole_mut() {
            whole.value.people.insert(account, Watcher { last_play: None, keep_history: true });
        }
        id
    }

    /// Somebody who pays and isn't known to Plex: `cus_…` and `sub_…_0` of
    /// their id.
    pub fn payer(&mut self, name: &str) -> MemberId {
        let id = self.person(name);
        self.pays(&id, Status::Active, days(30));
        let member = self.of(&id);
        (member.plex, member.email) = (None, None);
        id
    }

    /// A share that was taken up `ago`.
    pub fn shares(&mut self, id: &MemberId, sections: &[SectionId], ago: TimeDelta) {
        let now = self.now;
        let member = self.of(id);
        let account = member.plex;
        let email = member.email.clone();
        let row = Share {
            id: ShareId(account.map_or(9, |account| account.0 * 10)),
            account,
            username: member.username.clone(),
            title: None,
            email,
            sections: sections.iter().copied().collect(),
            all_libraries: false,
            downloads: Some(false),
            settings: Some(BTreeMap::new()),
            state: ShareState::Accepted { accepted_at: Some(now - ago) },
            invited_at: None,
            home: false,
            restricted: false,
        };
        member.share = Some(ShareRecord::new(row, now - ago));
    }

    /// An invite that waits.
    pub fn invited(&mut self, id: &MemberId, sections: &[SectionId]) {
        self.shares(id, sections, days(2));
        let invited_at = Some(self.now - days(2));
        let share = self.of(id).share.as_mut().unwrap();
        share.row.state = ShareState::Pending { invited_at };
    }

    /// An invite of ours that has waited so long.
    pub fn waits(&mut self, id: &MemberId, ago: TimeDelta) {
        self.invited(id, &[MOVIES]);
        let first_seen = self.now - ago;
        let member = self.of(id);
        let share = member.share.as_mut().unwrap();
        share.first_seen = first_seen;
        let made = share.row.id;
        member.made.insert(made);
    }

    /// Usher removed them `ago`, with everything they had.
    pub fn removed(&mut self, id: &MemberId, ago: TimeDelta) {
        let at = self.now - ago;
        let member = self.of(id);
        let (share, grants) = (member.share.take().unwrap().row, std::mem::take(&mut member.grants));
        member.undo = Some(Undo { at, share, grants });
        member.gone = Some(Gone {
            at,
            by_us: true,
            why: "removed".into(),
            standing: BTreeSet::new(),
            was_invite: false,
            row: None,
        });
    }

    /// Their share went away in Plex `ago`, without Usher.
    pub fn left(&mut self, id: &MemberId, ago: TimeDelta) {
        self.removed(id, ago);
        self.of(id).gone.as_mut().unwrap().by_us = false;
    }

    pub fn grant(&mut self, id: &MemberId, kind: GrantKind) {
        let since = self.now - days(400);
        self.of(id).grants.push(Grant::new(kind, since));
    }

    /// Somebody who was shared with by hand long ago, and watched last `ago`.
    pub fn friend(&mut self, name: &str, ago: TimeDelta) -> MemberId {
        let id = self.person(name);
        self.make_friend(&id, ago);
        id
    }

    pub fn make_friend(&mut self, id: &MemberId, ago: TimeDelta) {
        self.shares(id, &[MOVIES, TV], days(400));
        self.grant(id, GrantKind::ByHand);
        self.watched(id, ago);
    }

    pub fn watched(&mut self, id: &MemberId, ago: TimeDelta) {
        let at = self.now - ago;
        self.of(id).last_play = Some(at);
    }

    /// Their warning was accepted `ago`, in the spell that is under way.
    pub fn warned(&mut self, id: &MemberId, ago: TimeDelta) {
        let at = self.now - ago;
        let promised = self.rules.end_of_day(self.rules.day_of(at + days(self.rules.warning_days())));
        let mut spell = self.spell(id);
        spell.warned_at = Some(at);
        spell.promised_end = Some(promised);
        self.of(id).idle = Some(spell);
    }

    /// A spell whose warning is still in the outbox.
    pub fn spell(&mut self, id: &MemberId) -> IdleSpell {
        let standing = usher::policy::reasons::standing(self.scene(), &self.book.members[id]);
        let usher::policy::inactivity::Idle::Days { since, .. } =
            usher::policy::inactivity::idle(self.scene(), &self.book.members[id], &standing)
        else {
            panic!("not idle")
        };
        let notice = NoticeKey("warning".into());
        IdleSpell { started: since, notice, warned_at: None, promised_end: None, no_channel: false }
    }

    /// A subscription in this status, begun `ago`; tier Basic unless changed.
    pub fn pays(&mut self, id: &MemberId, status: Status, ago: TimeDelta) -> &mut Billed {
        self.pays_as(id, &format!("cus_{id}"), status, ago)
    }

    /// As [`Paper::pays`], with this customer.
    pub fn pays_as(&mut self, id: &MemberId, customer: &str, status: Status, ago: TimeDelta) -> &mut Billed {
        let began = self.now - ago;
        let member = self.of(id);
        let (sub, customer): (SubscriptionId, CustomerId) =
            (format!("sub_{id}_{}", member.subscriptions.len()).into(), customer.into());
        let email = member.email.clone();
        let payer = Payer { mail_to: email.clone(), email, name: None, since: began, proof: None, unlinked: None };
        member.customers.entry(customer.clone()).or_insert(payer);
        let now = Subscription { status, ..house::subscription(&sub, customer, "price_basic", began) };
        let billed = Billed {
            now,
            first_seen: began,
            tiers: ["Basic".into()].into(),
            entitled: BTreeSet::new(),
            unclear: BTreeSet::new(),
            unpaid_from: None,
            paused_since: None,
            paused_paid_until: None,
            pause: None,
            ran: true,
            cut_off: None,
            promised_end: None,
            let_go: None,
            heard: None,
            reversed: None,
            vanished: None,
            adopted: false,
        };
        member.subscriptions.entry(sub).or_insert(billed)
    }

    /// A letter that came to be owed to Ann `ago`, and what became of it.
    pub fn letter(&mut self, key: &str, letter: Letter, ago: TimeDelta, delivery: Delivery) -> NoticeKey {
        let created = self.now - ago;
        let notice = Notice {
            key: NoticeKey(key.into()),
            member: Some(self.ann.clone()),
            audience: Audience::Member,
            to: self.member().email.clone(),
            customer: None,
            letter,
            created,
            stale_after: created + days(365),
            first_sending: None,
            maybe_out: false,
            deliveries: [(Channel::Mail, delivery)].into(),
        };
        let key = notice.key.clone();
        self.book.outbox.insert(key.clone(), notice);
        key
    }

    /// Decided `ago`, and not tried yet.
    pub fn intends(&mut self, key: ActKey, member: &MemberId, act: Act, ago: TimeDelta) -> &mut Intent {
        let at = self.now - ago;
        let intent = Intent {
            key: key.clone(),
            member: member.clone(),
            act,
            because: "it was due".into(),
            rests_on: BTreeSet::new(),
            decided: at,
            due: at,
            state: IntentState::Decided,
            tries: 0,
            not_done: 0,
            first_try: None,
            last_try: None,
            not_before: at,
            last_error: None,
            ended: None,
            hindered: usher::ledger::Hindered::default(),
            idempotency_key: None,
        };
        self.book.intents.entry(key).or_insert(intent)
    }

    /// What the book knows of Ann's first subscription.
    pub fn first(&mut self) -> &mut Billed {
        self.member().subscriptions.values_mut().next().unwrap()
    }

    /// Past due (or unpaid) since `ago`; `next`: when Stripe tries again.
    pub fn owes(&mut self, id: &MemberId, status: Status, ago: TimeDelta, next: Option<TimeDelta>) {
        let now = self.now;
        let billed = self.pays(id, status, days(300));
        let next_attempt_at = next.map(|next| now + next);
        billed.now.open_invoices = Some(vec![Invoice { next_attempt_at, ..house::unpaid("in_1", now - ago) }]);
    }

    /// Ended by Stripe `ago`.
    pub fn ended(&mut self, id: &MemberId, ago: TimeDelta) {
        let now = self.now;
        self.pays(id, Status::Canceled, days(300)).now.ended_at = Some(now - ago);
    }

    /// The payment-failed letter was accepted `ago`.
    pub fn told_unpaid(&mut self, id: &MemberId, ago: Option<TimeDelta>) {
        let now = self.now;
        let member = self.of(id);
        let subscription = member.subscriptions.keys().next().unwrap().clone();
        let spell = UnpaidSpell {
            kind: SpellKind::Unpaid,
            occasion: "in_1".into(),
            invoice: Some("in_1".into()),
            subscription,
            notice: NoticeKey("unpaid".into()),
            told_at: ago.map(|ago| now - ago),
            promised_end: None,
            no_channel: false,
        };
        member.unpaid.insert(spell.subscription.clone(), spell);
    }

    /// So many others with access who pay and watch, so that shares of the
    /// house can be reckoned.
    pub fn crowd(&mut self, many: usize) {
        for n in 0..many {
            let id = self.friend(&format!("other{n}"), days(1));
            self.of(&id).last_play = Some(self.now - days(1));
        }
    }
}

fn sections() -> BTreeMap<SectionId, Section> {
    [(MOVIES, "Movies"), (TV, "TV")]
        .into_iter()
        .map(|(id, title)| (id, Section { id, key: id.0, title: title.into() }))
        .collect()
}

fn rules() -> Rules {
    Rules {
        admin_email: Email::parse("operator@example.com"),
        ways: Ways { mail: true, operator_mail: true, discord: true, dry_run: false },
        ..house::rules()
    }
}

fn seen<T>(now: Moment, value: T) -> Seen<T> {
    let begun = now - TimeDelta::seconds(30);
    let whole = Whole { begun, at: now - TimeDelta::seconds(29), skew_secs: Some(0), value };
    Seen { last: Some(whole.into()), wholes: 2, ..Seen::default() }
}

fn world(now: Moment) -> World {
    let friends = Friends {
        owner: OWNER,
        owner_email: None,
        house_emails: BTreeSet::new(),
        server: ServerId::from("server"),
        server_name: "Attic".into(),
        sections: sections(),
        shares: Vec::new(),
        home: BTreeSet::new(),
        friends: Some(BTreeSet::new()),
        on_other_servers: BTreeSet::new(),
    };
    let billing = Billing {
        catalogue: Some(Catalogue {
            prices: ["price_basic", "price_premium"]
                .map(|price| (PriceId::from(price), ProductId::from("prod")))
                .into(),
            ..Catalogue::default()
        }),
        ..Billing::empty(Some("acct_1".into()), false)
    };
    let activity = Activity {
        server: ServerId::from("server"),
        connected: true,
        people: BTreeMap::new(),
        watching_now: Some(BTreeSet::new()),
        oldest_play: Some(now - days(500)),
        history_total: 1000,
        unlogged_keys: BTreeSet::new(),
    };
    World { plex: seen(now, friends), stripe: seen(now, billing), tautulli: seen(now, activity), ..World::default() }
}
