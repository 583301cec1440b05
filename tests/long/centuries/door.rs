//! The house: what the rules are asked, what is done of what they decide, and
//! what is held against them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use usher::config::Config;
use usher::daemon;
use usher::facts::{
    Activity, Billing, Catalogue, Friends, Moment, PlexId, PriceId, Product, ProductId, Section, SectionId, ServerId,
    ShareId, ShareLook, ShareState, Source, Status, StripeAccountId, Watcher, Whom,
};
use usher::ledger::{
    Act, ActKey, Audience, Book, Channel, Delivered, DeliveryOutcome, EndCause, HeldBecause, IntentState, Letter,
    Verdict,
};
use usher::member::MemberId;
use usher::policy::brake::{self, NotNow, SecondLook};
use usher::policy::{Rules, Scene, Tiers, World, comings, confirm, decide};
use usher::tier::{Tier, Wanted};

use super::lives::Person;
use super::weather::Sky;
use sandbox::dice::Dice;

pub const MOVIES: SectionId = SectionId(1);
pub const TV: SectionId = SectionId(2);
/// As many acts fit into a day at their pace, and some are left for tomorrow.
const ACTS_A_DAY: usize = 60;

/// What is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Warnings count as accepted, and never go out.
    WarnsNobody,
    /// Tautulli's silence is taken for idleness.
    BelievesSilence,
    /// Payers are taken for people who stopped.
    IgnoresPayment,
    /// `VIP_NAMES` is forgotten.
    ForgetsProtection,
    /// There is no budget.
    NoBudget,
}

/// What happened.
#[derive(Debug, Default, Clone)]
pub struct Count {
    pub member_days: u64,
    pub joined: u64,
    pub invited: u64,
    pub warned: u64,
    pub removed_idle: u64,
    pub removed_lapsed: u64,
    pub approved: u64,
    pub skies: BTreeMap<Sky, u64>,
    pub held: BTreeMap<&'static str, u64>,
    /// Moves of the alphabets that were made, by name.
    pub moves: BTreeMap<&'static str, u64>,
}

impl Count {
    pub fn add(&mut self, other: &Self) {
        self.member_days += other.member_days;
        self.joined += other.joined;
        self.invited += other.invited;
        self.warned += other.warned;
        self.removed_idle += other.removed_idle;
        self.removed_lapsed += other.removed_lapsed;
        self.approved += other.approved;
        other.skies.iter().for_each(|(sky, times)| *self.skies.entry(*sky).or_default() += times);
        other.moves.iter().for_each(|(name, times)| *self.moves.entry(name).or_default() += times);
        other.held.iter().for_each(|(rule, times)| *self.held.entry(rule).or_default() += times);
    }

    /// What doesn't happen proves nothing.
    pub fn must_have_seen_enough(&self) {
        let people = [self.joined, self.invited, self.warned, self.removed_idle, self.removed_lapsed, self.approved];
        assert!(people.iter().all(|times| *times > 100), "{self:?}");
        // Those that do something to the facts are made, but for a few that hardly meet
        // anybody for whom they make sense.
        let made = self.moves.values().filter(|times| **times > 0).count();
        assert!(made >= 75, "only {made} moves: {:?}", self.moves);
        assert!(Sky::FOUL.iter().all(|sky| self.skies.contains_key(sky)), "{:?}", self.skies);
        // `revoke` and a book in doubt are for the tests of those.
        let rules = [
            "looked",
            "fresh",
            "identity",
            "clock",
            "continuity",
            "warned",
            "approval",
            "second look",
            "budget",
            "hold-all",
            "pace",
            "rejected",
        ];
        assert!(rules.iter().all(|rule| self.held.contains_key(rule)), "{:?}", self.held);
    }
}

/// See the module.
pub struct House {
    pub size: u64,
    begun: Moment,
    day: i64,
    pub now: Moment,
    pub rules: Rules,
    pub world: World,
    pub book: Book,
    pub friends: Friends,
    pub billing: Billing,
    pub activity: Activity,
    pub people: Vec<Person>,
    pub dice: Dice,
    pub sky: Sky,
    pub sky_until: Moment,
    /// Days on which no play could be seen.
    pub blind: Vec<Moment>,
    pub next_share: u64,
    pub next_section: u64,
    /// Usher is down, or the machine asleep, until then.
    pub down_until: Moment,
    /// Removals that Stripe didn't state and nobody approved.
    pub unstated: Vec<Moment>,
    pub count: Count,
    pub broken: Option<Broken>,
}

fn rules() -> Rules {
    let tier = |name: &str, price: &str, libraries: &[&str], downloads| Tier {
        prices: [PriceId::from(price)].into(),
        downloads,
        ..Tier::of(name, Wanted::Titles(libraries.iter().map(|title| (*title).to_owned()).collect()))
    };
    let environment = [
        ("PLEX_TOKEN", "token"),
        ("STRIPE_SECRET_KEY", "sk_live_centuries"),
        ("TAUTULLI_URL", "http://127.0.0.1:1"),
        ("TAUTULLI_API_KEY", "key"),
        ("TAUTULLI_FORGET_DAYS", "never"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_FROM", "door@attic.example"),
        ("ADMIN_EMAIL", "operator@attic.example"),
        ("DEFAULT_LIBRARIES", "Movies"),
        ("DRY_RUN", "false"),
        ("TZ", "Europe/Berlin"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(environment.into_iter()).expect("a sound environment");
    Rules {
        // Polled once a day: what is meant to be rare is no outage.
        intervals: Source::ALL.map(|source| (source, TimeDelta::days(1))).into(),
        tiers: Tiers::File(vec![
            tier("Basic", "price_basic", &["Movies"], false),
            tier("Premium", "price_premium", &["Movies", "TV"], true),
        ]),
        ..daemon::rules(&config).expect("they follow from the environment")
    }
}

impl House {
    /// A house of so many people, and their seed.
    pub fn of(size: u64) -> Self {
        let begun = sandbox::time::moment(sandbox::rig::BEGINNING);
        let section = |id: SectionId, title: &str| (id, Section { id, key: id.0, title: title.into() });
        let prices = ["price_basic", "price_premium"].map(|price| (PriceId::from(price), ProductId::from("prod_1")));
        let mut house = Self {
            size,
            begun,
            day: 0,
            now: begun,
            rules: rules(),
            world: World::default(),
            book: Book::new(begun),
            friends: Friends {
                owner: PlexId(1),
                owner_email: None,
                house_emails: std::collections::BTreeSet::new(),
                server: ServerId::from("server"),
                server_name: "Attic Cinema".into(),
                sections: [section(MOVIES, "Movies"), section(TV, "TV")].into(),
                shares: Vec::new(),
                friends: Default::default(),
                home: [].into(),
                on_other_servers: [].into(),
            },
            billing: Billing {
                catalogue: Some(Catalogue {
                    tags: BTreeMap::new(),
                    prices: prices.into(),
                    products: [(ProductId::from("prod_1"), Product::default())].into(),
                }),
                ..Billing::empty(Some(StripeAccountId::from("acct_1")), true)
            },
            activity: Activity {
                server: ServerId::from("server"),
                connected: true,
                people: [].into(),
                watching_now: Some([].into()),
                oldest_play: Some(begun - TimeDelta::days(2000)),
                history_total: 1000,
                unlogged_keys: [].into(),
            },
            people: Vec::new(),
            dice: Dice::new(size),
            sky: Sky::Fair,
            sky_until: begun + TimeDelta::days(20),
            blind: Vec::new(),
            next_share: 0,
            next_section: 10,
            down_until: begun,
            unstated: Vec::new(),
            count: Count::default(),
            broken: None,
        };
        house.settle(size);
        house
    }

    /// One day.
    pub fn day(&mut self) {
        self.day += 1;
        self.now = self.begun + TimeDelta::days(self.day);
        self.count.member_days += self.size;
        self.blow();
        self.live();
        self.draw();
        if self.down_until > self.now {
            return;
        }
        self.note_what_is_unseen();
        self.read();
        self.break_something();
        if brake::clock_failure(self.scene()).is_some() {
            *self.count.held.entry("clock").or_default() += 1;
            return; // Nothing is decided, and nothing goes out.
        }
        self.decide();
        self.act();
        self.deliver();
        self.operator();
        self.book.committed = self.now;
    }

    fn scene(&self) -> Scene<'_> {
        Scene { now: self.now, rules: &self.rules, book: &self.book, world: &self.world }
    }

    fn decide(&mut self) {
        let waiting = decide::decide(self.now, &self.rules, &self.world, &mut self.book);
        for waiting in waiting {
            *self.count.held.entry(waiting.because.rule()).or_default() += 1;
        }
    }

    /// What was decided is tried, one after the other, each looked at again just
    /// before; and read back.
    fn act(&mut self) {
        let now = self.now;
        let open = self.book.intents.values().filter(|intent| intent.state == IntentState::Decided);
        let mut due: Vec<(Moment, ActKey)> =
            open.filter(|intent| intent.not_before <= now).map(|intent| (intent.due, intent.key.clone())).collect();
        due.sort();
        for (_, key) in due.into_iter().take(ACTS_A_DAY) {
            if let Err(NotNow::Held(HeldBecause::Pace { until })) = self.try_one(&key) {
                self.now = until;
                let _held = self.try_one(&key);
            }
        }
    }

    fn try_one(&mut self, key: &ActKey) -> Result<(), NotNow> {
        let looked = self.look();
        let order = brake::second(self.scene(), key, &looked);
        if let Err(NotNow::Held(because)) = &order {
            *self.count.held.entry(because.rule()).or_default() += 1;
        }
        let approved = self.is_approved(key);
        self.carry_out(key, order?.spend().act, approved);
        Ok(())
    }

    fn is_approved(&self, key: &ActKey) -> bool {
        matches!(self.book.holds.get(key).and_then(|hold| hold.verdict), Some(Verdict::Approved { .. }))
    }

    /// Who answers today, asked about one person; not even one who otherwise
    /// answers does so always.
    fn look(&mut self) -> SecondLook {
        let foul = [
            (Source::Plex, self.sky.is_of_plex()),
            (Source::Stripe, self.sky.is_of_stripe()),
            (Source::Tautulli, self.sky.is_of_tautulli() || self.sky == Sky::KeepsNoHistory),
        ];
        let answered = foul.into_iter().filter(|(_, foul)| !foul && !self.dice.one_in(100)).map(|(source, _)| source);
        SecondLook { answered: answered.collect(), ..SecondLook::default() }
    }

    fn carry_out(&mut self, key: &ActKey, act: Act, approved: bool) {
        if self.sky.is_of_plex() {
            return; // The call can't be made.
        }
        let Some(intent) = self.book.intents.get_mut(key) else { return };
        intent.state = IntentState::Attempted { at: self.now };
        intent.tries += 1;
        let id = intent.member.clone();
        let member = &self.book.members[&id];
        let concerned = match act {
            Act::Invite { .. } => {
                let customer = member.customers.keys().next();
                let account = member.plex;
                // A guest, or who was restored, is known by the account.
                let is = |person: &Person| {
                    Some(&person.customer()) == customer || account.is_some() && account == Some(person.account)
                };
                let who = self.people.iter().position(is);
                let invited_at = Some(self.now);
                self.count.invited += 1;
                Some(self.add_row(
                    who.expect("only payers and guests are invited"),
                    ShareState::Pending { invited_at },
                    false,
                ))
            }
            Act::Update { share, sections, downloads, .. } => {
                // They may have left today; then plex.tv answers 404.
                if let Some(row) = self.friends.shares.iter_mut().find(|row| row.id == share) {
                    row.sections = sections.ids().clone();
                    row.downloads = downloads.or(row.downloads);
                }
                Some(share)
            }
            Act::End { share, cause } => {
                self.end(share, &cause, approved);
                Some(share)
            }
            Act::Cancel { .. }
            | Act::Uncancel { .. }
            | Act::Forget { .. }
            | Act::Remember { .. }
            | Act::Unfriend { .. } => None,
        };
        self.world.call_ended = Some(self.now);
        self.now += TimeDelta::seconds(15);
        self.read_back(&id, concerned);
    }

    /// The listing after a call shows what became of it.
    fn read_back(&mut self, member: &MemberId, share: Option<ShareId>) {
        let row = |id: ShareId| self.friends.shares.iter().find(|row| row.id == id).cloned();
        let shares = share.and_then(row).into_iter().collect();
        let look = ShareLook {
            begun: self.now,
            whom: Whom::default(),
            shares,
            sections: None,
            elsewhere: Default::default(),
            home: false,
        };
        comings::fold_look(self.now, &self.rules, &mut self.world, &mut self.book, member, &look);
        confirm::confirm(self.now, &self.rules, &self.world, &mut self.book);
    }

    fn end(&mut self, share: ShareId, cause: &EndCause, approved: bool) {
        let Some(row) = self.friends.shares.iter().find(|row| row.id == share).cloned() else { return };
        let who = self.people.iter().position(|person| Some(person.account) == row.account).expect("known");
        if row.is_accepted() {
            let wrong = self.wrong_with(who, cause, approved);
            let (size, now, sky, name) = (self.size, self.now, self.sky, self.people[who].name.clone());
            assert!(
                wrong.is_none(),
                "house of {size} (replay: USHER_SEED={size}), {now}, {sky:?}: {name} was removed, {cause:?}: {}\n{}",
                wrong.unwrap_or_default(),
                self.what_the_book_says_of(who)
            );
            match cause {
                EndCause::Idle { .. } => self.count.removed_idle += 1,
                _ => self.count.removed_lapsed += 1,
            }
            self.people[who].joined = None;
        }
        self.friends.shares.retain(|row| row.id != share);
    }

    /// The journals of whoever the book takes for this person.
    fn what_the_book_says_of(&self, who: usize) -> String {
        let (account, customer) = (self.people[who].account, self.people[who].customer());
        let mut lines = Vec::new();
        for member in self.book.members.values() {
            if member.plex == Some(account) || member.customers.contains_key(&customer) {
                lines.push(format!("{} of account {:?}, customers {:?}", member.id, member.plex, member.customers));
                lines.extend(member.journal.iter().map(|entry| format!("  {} {}", entry.at, entry.what)));
            }
        }
        lines.join("\n")
    }

    /// The mails that are due; a warning that nobody took warned nobody.
    fn deliver(&mut self) {
        let audiences = [Audience::Operator, Audience::Member];
        while let Some(dispatch) = self.book.hand_out(Channel::Mail, &audiences, "attic.example", false, self.now) {
            let why = "nobody answers".to_owned();
            let outcome = match self.sky {
                Sky::MailDown => DeliveryOutcome::ChannelDown { why, for_secs: 3600 },
                _ if self.dice.one_in(20) => DeliveryOutcome::Later { why, after_secs: None },
                _ => DeliveryOutcome::Accepted,
            };
            let person = self.people.iter_mut().find(|person| Some(person.email()) == dispatch.to);
            if let (Some(person), DeliveryOutcome::Accepted) = (person, &outcome) {
                match dispatch.letter {
                    Letter::InactivityWarning { .. } => {
                        self.count.warned += 1;
                        person.warned.push(self.now);
                    }
                    Letter::SubscriptionPaused { .. } => person.told_paused.push(self.now),
                    Letter::PaymentFailed { .. } => person.told_unpaid.push(self.now),
                    _ => {}
                }
            }
            let report = Delivered { key: dispatch.key, channel: Channel::Mail, outcome };
            self.book.delivered(&report, self.now);
        }
    }

    /// Looks in once a week or so, when nothing is wrong; says no to one thing
    /// in ten.
    fn operator(&mut self) {
        if self.sky != Sky::Fair || !self.dice.one_in(7) {
            return;
        }
        self.world.drops.keys().copied().collect::<Vec<_>>().into_iter().for_each(|population| {
            self.world.drops.remove(&population);
            self.book.marks.populations.remove(&population);
            self.world.accepted_drops.insert(population);
        });
        let waiting = self.book.holds.values().filter(|hold| hold.verdict.is_none());
        for id in waiting.map(|hold| hold.id.clone()).collect::<Vec<_>>() {
            let approve = !self.dice.one_in(10);
            self.count.approved += u64::from(approve);
            decide::give_verdict(self.now, &mut self.book, &[id], approve).expect("it waits");
        }
    }

    fn break_something(&mut self) {
        let now = self.now;
        match self.broken {
            None => {}
            Some(Broken::WarnsNobody) => {
                for member in self.book.members.values_mut() {
                    if let Some(spell) = &mut member.idle {
                        spell.warned_at = Some(now - TimeDelta::days(10));
                        spell.promised_end = Some(now - TimeDelta::days(1));
                    }
                }
                self.people.iter_mut().for_each(|person| person.warned.clear());
            }
            Some(Broken::BelievesSilence) => {
                for member in self.book.members.values_mut() {
                    member.last_play = member.last_play.map(|_| self.begun - TimeDelta::days(100));
                }
            }
            Some(Broken::IgnoresPayment) => {
                let all = self.book.members.values_mut().flat_map(|member| member.subscriptions.values_mut());
                let old = |at: Moment| now - at > TimeDelta::days(60);
                for billed in all.filter(|billed| billed.now.status == Status::Active && old(billed.now.created)) {
                    billed.now.status = Status::Canceled;
                    billed.now.ended_at = Some(now - TimeDelta::days(5));
                }
            }
            Some(Broken::ForgetsProtection) => {
                self.rules.vip_names.clear();
                self.book.vips.clear();
            }
            Some(Broken::NoBudget) => {
                self.rules.removals_per_day_max = Some(500);
                // A few fall asleep on the same day.
                let asleep = |person: &&mut Person| !person.pays && !person.protected && person.joined.is_some();
                for person in self.people.iter_mut().filter(asleep).take(7) {
                    person.awake = false;
                    if self.day == 30 {
                        person.last_play = Some(now);
                        let watcher = Watcher { last_play: Some(now), keep_history: true };
                        self.activity.people.insert(person.account, watcher);
                    }
                }
            }
        }
    }
}
