//! Years of the whole daemon, over real sockets, in virtual time: people, an
//! operator, services and a machine that make every move of the sandbox's
//! alphabets, whether or not a rule speaks of it; and an oracle that knows the
//! persons and judges by what truly happened (DESIGN §11).
//!
//! `USHER_SEED=n` replays the year of that seed exactly; `USHER_DAYS` says how
//! long it lasts.

mod blinks;
mod coverage;
mod forged;
mod harm;
mod house;
mod oracle;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use chrono::{TimeDelta, Timelike};
use sandbox::alphabet::aims::{self, Present};
use sandbox::alphabet::machine::Machine;
use sandbox::alphabet::member::{self, MemberMove};
use sandbox::alphabet::operator::OperatorMove;
use sandbox::alphabet::pairs::{Pair, Pairs};
use sandbox::alphabet::service::Weather;
use sandbox::alphabet::{Temper, Town};
use sandbox::dice::Dice;
use sandbox::plex::Deleted;
use sandbox::rig::Rig;
use sandbox::trap::{self, Trap};
use tokio::runtime::{Builder, Runtime};
use usher::facts::Moment;
use usher::ledger::{Act, Book, Delivery};

use coverage::Lived;
use house::House;
use oracle::{Hour, Oracle};

const PEOPLE: usize = 20;
const YEAR_DAYS: u64 = 365;
/// On the last days nobody moves but the members' remote controls.
const QUIET_DAYS: u64 = 21;
/// Without a play, who is in counts as idle: `KICK_DAYS` of the houses.
const IDLE_DAYS: TimeDelta = TimeDelta::days(30);
/// So long after the last trouble nothing is under way any more but what the
/// brake holds back.
const SETTLED_AFTER: TimeDelta = TimeDelta::hours(6);

/// A year under way.
struct Year {
    seed: u64,
    rig: Rig,
    trap: Trap,
    dice: Dice,
    town: Town,
    weather: Weather,
    machine: Machine,
    house: House,
    oracle: Oracle,
    pairs: Pairs,
    /// The operator doesn't look until then.
    away_until: Moment,
    well_since: Moment,
    approved: usize,
    accepted: usize,
    /// Rules of the brake that held something.
    held: BTreeMap<String, u32>,
    /// Removals whose traces in the book are not looked at yet.
    unread: Vec<Deleted>,
    read: usize,
    /// Who was in for weeks and watched nothing.
    idled: BTreeSet<usize>,
}

impl Year {
    async fn begin(seed: u64) -> Self {
        let mut rig = Rig::new(&format!("year-{seed}")).await;
        for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
            rig.set(name, "3600");
        }
        member::pages::set_up(&mut rig);
        let trap = Trap::new(rig.state());
        rig.options.hook = trap.hook();
        let mut dice = Dice::new(seed);
        let house = House::draw(&mut rig, &mut dice);
        let mut town = Town::found(&rig, PEOPLE, &mut dice);
        house.furnish(&rig, &mut town);
        let mut machine = Machine::default();
        if house.rehearses {
            machine.begins_in_a_rehearsal(&mut rig, &mut dice);
        }
        let weather = Weather::new(&rig, &mut dice);
        rig.open().await;
        let now = rig.now();
        Self {
            seed,
            rig,
            trap,
            dice,
            town,
            weather,
            machine,
            oracle: Oracle::new(now, house.asks),
            house,
            pairs: Pairs::default(),
            away_until: now,
            well_since: now,
            approved: 0,
            accepted: 0,
            held: BTreeMap::new(),
            unread: Vec::new(),
            read: 0,
            idled: BTreeSet::new(),
        }
    }

    async fn hour(&mut self, quiet: bool) {
        let began = self.rig.now();
        self.town.catch_up(&self.rig);
        self.weather.blow(&self.rig, &mut self.town, &mut self.dice, quiet);
        for who in 0..self.town.people.len() {
            if self.town.people[who].awake && self.dice.one_in(60) {
                member::watch(&self.rig, &mut self.town, who);
            }
            if !quiet {
                self.member(who);
                self.doze(who);
            }
        }
        if !quiet {
            if self.dice.one_in(24) {
                self.operator().await;
            }
            self.aim().await;
        }
        self.machine.turn(&mut self.rig, &self.trap, &mut self.town, &mut self.dice, quiet).await;
        if !self.machine.is_well() {
            self.oracle.ends.push(began);
        }
        let slept = self.rig.now() - began > TimeDelta::hours(1);
        self.oracle.rehearses(self.machine.dry_until.map(|_| self.machine.dry_since));
        self.oracle.live_since = self.machine.live_since;
        if !quiet && self.dice.one_in(40) {
            self.blink().await;
        }
        if self.rig.now().hour() == 10 && self.rig.is_running() {
            self.duty(quiet).await;
        }
        // An hour lasts an hour, whatever was done in it.
        let until = (began + TimeDelta::hours(1)).max(self.rig.now() + TimeDelta::minutes(1));
        if self.machine.lets_pass(&mut self.rig, until).await {
            self.oracle.ends.push(self.rig.now());
        }
        if !self.rig.is_running() {
            self.oracle.ends.push(self.rig.now());
            self.must_hold(harm::promise_06_crash_safe(self.rig.state(), self.rig.now()));
        }
        if slept {
            self.oracle.troubled(self.rig.now());
        }
        self.judge().await;
    }

    /// What the last hour broke.
    async fn judge(&mut self) {
        let now = self.rig.now();
        let well = self.weather.is_calm() && self.machine.is_well() && self.rig.is_running();
        if !well {
            self.well_since = now;
        }
        if !well || self.away_until > now {
            self.oracle.troubled(now);
        }
        self.town.arrive();
        // A guest's code, or somebody who is shared with by hand, takes a seat too.
        let taken = self.rig.plex.shares().len() + 1;
        if self.house.seats.is_some_and(|seats| taken >= seats) {
            self.oracle.full = Some(now);
        }
        self.pairs.look(&self.rig, &self.town);
        let mut blind = self.weather.blind.clone();
        blind.extend(self.weather.blind_since().map(|since| (since, now)));
        let hour = Hour { rig: &self.rig, town: &self.town, blind: &blind, now };
        let mut broken = self.oracle.look(&hour);
        if self.read != self.oracle.deletions.len() {
            let new = self.oracle.deletions[self.read..].iter().filter(|gone| gone.was_accepted);
            self.unread.extend(new.cloned());
            self.read = self.oracle.deletions.len();
            broken.extend(harm::promise_03_bounded_harm(&self.oracle));
        }
        if !broken.is_empty() {
            self.explain(&mut broken).await;
        }
        self.must_hold(broken);
        if self.rig.is_running() {
            self.read_the_holds().await;
        }
    }

    /// Moves aimed at those for whom they matter; a no to new libraries, where
    /// the operator gives none; and `approve all` while no letter goes out.
    async fn aim(&mut self) {
        let present = Present {
            rehearses: self.machine.dry_until.is_some(),
            fails: !self.weather.is_calm(),
            invoices_hidden: self.weather.invoices_hidden(),
            seats: self.house.seats.is_some(),
        };
        aims::take_aim(&self.rig, &mut self.town, &mut self.dice, present).await;
        if self.house.refuses && self.rig.is_running() {
            OperatorMove::RefuseALibrary.make(&self.rig, &mut self.town, 0, &mut self.dice).await;
        }
        if self.weather.mail_fails() && self.dice.one_in(10) && self.rig.is_running() {
            self.approve_all().await;
        }
    }

    /// Says `approve all`, and looks whether it let anything go of which the
    /// operator had never heard.
    async fn approve_all(&mut self) {
        let waits = |page: &serde_json::Value| -> BTreeMap<String, String> {
            let holds = page["json"]["holds"].as_array().cloned().unwrap_or_default();
            let open = holds.iter().filter(|hold| hold["verdict"] == "waits for you");
            open.map(|hold| (hold["id"].to_string(), hold["what"].to_string())).collect()
        };
        let Some(before) = self.rig.try_get("/api/holds").await else { return };
        let mut unheard = waits(&before);
        unheard.retain(|id, _| !self.oracle.has_heard(&self.rig, id.trim_matches('"')));
        if self.rig.try_ask(serde_json::json!({ "ask": "approve", "ids": ["all"] })).await.is_none() {
            return;
        }
        self.oracle.approvals.push(self.rig.now());
        let Some(after) = self.rig.try_get("/api/holds").await else { return };
        let still = waits(&after);
        unheard.retain(|id, _| !still.contains_key(id));
        let gone = unheard.iter().map(|(id, what)| format!("`approve all` let go {id} ({what}), never heard of"));
        self.must_hold(gone.collect());
    }

    async fn read_the_holds(&mut self) {
        let holds = self.rig.get("/api/holds").await["json"].clone();
        let health = self.rig.get("/health").await.to_string();
        if health.contains("usher accept") || holds.to_string().contains("usher accept") {
            self.oracle.waits_for_accept(self.rig.now());
        }
        for waiting in ["holds", "waiting"].iter().filter_map(|list| holds[list].as_array()).flatten() {
            *self.held.entry(waiting["rule"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
        let settled = self.rig.now() - self.well_since >= SETTLED_AFTER && self.machine.dry_until.is_none();
        let now = self.rig.now();
        let (mut due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unread).into_iter().partition(|gone| settled && now - gone.at >= SETTLED_AFTER);
        self.unread = rest;
        // Whoever has deleted the account since, or is in an unclear case, is left out.
        due.retain(|gone| {
            let person = gone.account.and_then(|account| self.town.with_account(account));
            person.is_some_and(|person| !oracle::is_unclear(&self.rig, person, now))
        });
        if due.is_empty() {
            return;
        }
        let Some(book) = trap::book(self.rig.state()) else { return };
        let traces = |gone: &Deleted| harm::promise_09_and_10_undo_and_explained(&self.oracle, gone, &book);
        self.must_hold(due.iter().flat_map(traces).collect());
    }

    fn member(&mut self, who: usize) {
        let days = if self.town.people[who].temper == Temper::Lively { 5 } else { 40 };
        if !self.dice.one_in(24 * days) {
            return;
        }
        let mut all = MemberMove::ALL.to_vec();
        self.dice.shuffle(&mut all);
        all.truncate(12);
        // What has not met yet goes first.
        all.sort_by_key(|next| std::cmp::Reverse(self.pairs.would_add(&self.town.people[who], next.name())));
        for next in all {
            // Some moves come two at a time.
            if next.make(&self.rig, &mut self.town, who, &mut self.dice) && !self.dice.one_in(4) {
                return;
            }
        }
    }

    /// Who never pays loses interest now and then, and may find it again.
    fn doze(&mut self, who: usize) {
        let person = &self.town.people[who];
        let (next, days) = match person.awake {
            true => (MemberMove::FallAsleep, 12),
            false => (MemberMove::WakeUp, 90),
        };
        if !person.buys && !person.protected && self.dice.one_in(24 * days) {
            next.make(&self.rig, &mut self.town, who, &mut self.dice);
        }
    }

    async fn operator(&mut self) {
        let mut all = Vec::new();
        for next in OperatorMove::ALL {
            let mut who = self.dice.index(self.town.people.len());
            // Who never buys is mostly left alone: they are there to fall idle.
            while !self.town.people[who].buys && !self.dice.one_in(12) {
                who = self.dice.index(self.town.people.len());
            }
            all.push((next, who));
        }
        self.dice.shuffle(&mut all);
        all.truncate(16);
        let adds = |(next, who): &(OperatorMove, usize)| self.pairs.would_add(&self.town.people[*who], next.name());
        all.sort_by_key(|next| std::cmp::Reverse(adds(next)));
        for (next, who) in all {
            if next.make(&self.rig, &mut self.town, who, &mut self.dice).await {
                return;
            }
        }
    }

    /// What a dutiful operator does each morning: approves, accepts, and says
    /// who is who where it is asked. Now and then they are away.
    async fn duty(&mut self, quiet: bool) {
        let now = self.rig.now();
        if !quiet && self.away_until <= now && self.dice.one_in(30) {
            self.away_until = now + member::hours(self.dice.between(48, 24 * 9));
        }
        if !quiet && self.away_until > now || !self.weather.is_calm() {
            return;
        }
        // A library without history keeps everybody's plays from being known.
        if self.dice.one_in(4) {
            let sections = self.rig.plex.sections();
            sections.iter().for_each(|section| self.rig.tautulli.set_library_keep_history(section.key, true));
        }
        // Where a rename gave a library another id, the tiers file has to be told.
        if self.town.tiers.spoilt.is_none() {
            self.town.tiers.write(&self.rig);
        }
        let holds = self.rig.get("/api/holds").await["json"].clone();
        let waits = |hold: &&serde_json::Value| hold["verdict"] == "waits for you";
        let waiting = holds["holds"].as_array().map_or(0, |holds| holds.iter().filter(waits).count());
        // Who has just gone live takes a day to read what would be done.
        let reads = self.machine.live_since.is_some_and(|since| now - since < TimeDelta::hours(20));
        if waiting > 0 && !reads {
            self.approve_all().await;
            self.approved += waiting;
        }
        let page = format!("{} {holds}", self.rig.get("/health").await);
        for what in ["server", "stripe", "tautulli", "clock", "state"] {
            if page.contains(&format!("usher accept {what}")) {
                self.rig.try_ask(serde_json::json!({ "ask": "accept", "what": what })).await;
                self.accepted += 1;
            }
        }
        for (person, customer) in self.oracle.asked_who(&self.town) {
            let said = self.rig.try_ask(serde_json::json!({ "ask": "link", "who": person, "stripe": customer })).await;
            if said.is_some_and(|said| said.get("error").is_none()) {
                self.town.customer_linked(&customer);
            }
        }
    }

    async fn day(&mut self, day: u64) {
        let now = self.rig.now();
        for (who, person) in self.town.people.iter().enumerate() {
            let share = person.account_in(&self.rig).and_then(|account| self.rig.plex.share_of(account));
            let stay = share.and_then(|share| self.oracle.stays.get(&share.id));
            let saw = stay.map(|stay| member::last_play(&person.plays, now).unwrap_or(stay.from).max(stay.from));
            // Who has another reason may sleep.
            let wish = &person.wish;
            let stays = person.protected || wish.grandfathered || wish.holiday.is_some_and(|until| until > now);
            if !stays && person.subs(&self.rig).is_empty() && saw.is_some_and(|saw| now - saw >= IDLE_DAYS) {
                self.idled.insert(who);
            }
        }
        let mut broken = self.oracle.day(&self.rig);
        if self.rig.is_running() && day.is_multiple_of(30) {
            let said = self.rig.get("/health").await.to_string() + &self.rig.get("/api/members").await.to_string();
            broken.extend(harm::promise_10_no_secret(&self.rig, &said));
        }
        self.must_hold(broken);
        assert!(self.rig.plex.clients().len() <= 1, "one client id for ever");
    }

    /// When all has been fair for weeks, nothing is left over.
    async fn end(mut self) -> Lived {
        self.rig.close().await;
        let book = trap::book(self.rig.state()).expect("the book");
        let grants = |act: &Act| matches!(act, Act::Invite { .. } | Act::Update { .. });
        let mut left: Vec<String> = open_letters(&book).map(|key| format!("letter {key} isn't out")).collect();
        let open = book.intents.values().filter(|intent| grants(&intent.act));
        left.extend(open.map(|intent| format!("{} isn't done", intent.key.0)));
        self.must_hold(left);
        Lived::of(self)
    }
}

/// Letters that are neither out nor given up.
fn open_letters(book: &Book) -> impl Iterator<Item = &str> {
    let open = |notice: &&usher::ledger::Notice| !notice.deliveries.values().all(Delivery::is_done);
    book.outbox.values().filter(open).map(|notice| notice.key.0.as_str())
}

/// So many days of this seed, the last of them fair.
async fn live(seed: u64, days: u64, quiet_days: u64) -> Year {
    let mut year = Year::begin(seed).await;
    for day in 0..days {
        for _ in 0..24 {
            year.hour(day + quiet_days >= days).await;
        }
        year.day(day).await;
    }
    year
}

/// So many days of each of these seeds, as many at a time as there are cores.
fn live_through(seeds: impl Iterator<Item = u64> + Send, days: u64) -> Vec<Lived> {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lives = || {
        let mut lived = Vec::new();
        while let Some(seed) = next() {
            let one = virtual_time().block_on(async { live(seed, days, QUIET_DAYS).await.end().await });
            one.write_pairs();
            one.saw_enough(days);
            lived.push(one);
        }
        lived
    };
    std::thread::scope(|threads| {
        let working: Vec<_> = (0..cores).map(|_| threads.spawn(lives)).collect();
        working.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|why| resume_unwind(why))).collect()
    })
}

fn virtual_time() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// `USHER_SEED` alone, or these; each for `USHER_DAYS`, or so many.
fn years(these: RangeInclusive<u64>, days: u64) -> Vec<Lived> {
    let seeds = variable("USHER_SEED").map_or(these, |seed| seed..=seed);
    live_through(seeds, variable("USHER_DAYS").unwrap_or(days))
}

/// Twenty minutes of two cores.
#[test]
fn three_years_keep_the_promises() {
    years(1..=3, YEAR_DAYS);
}

#[test]
#[ignore = "ten years: cargo test --profile long --test long ten_years -- --ignored"]
fn ten_years_keep_the_promises() {
    let lived = years(1..=10, YEAR_DAYS);
    if lived.len() == 10 {
        coverage::together(&lived, 60);
    }
}

/// What a seed shows once it shows always: faults, pulled plugs and all.
#[test]
fn a_seed_replays_exactly() {
    let life = |seed| virtual_time().block_on(async move { live(seed, 8, 0).await.oracle.digest() });
    let (first, again, other) = (life(7), life(7), life(8));
    assert_eq!(first, again, "the same seed lived two different lives");
    assert_ne!(first, other);
}

/// Every pair that some years have lived together.
fn lived_together(lived: &[Lived]) -> BTreeSet<Pair> {
    lived.iter().flat_map(|one| one.pairs.iter().copied()).collect()
}
