//! Years of the whole daemon, over real sockets, in virtual time: thirty
//! people's lives, every kind of weather, plugs pulled in the midst of work;
//! and after every pass that changed anything the promises are asked of what
//! truly happened (DESIGN §11).
//!
//! `USHER_SEED=n` replays the year of that seed exactly.

mod coverage;
mod harm;
mod plug;
mod promises;
mod record;
mod town;
mod weather;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use sandbox::dice::Dice;
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};
use sandbox::wire;
use tokio::runtime::{Builder, Runtime};
use usher::facts::{Moment, PlexId, ShareId};
use usher::ledger::{Act, Book, Delivery, Notice};

use crate::crash::trap::{self, Trap};
use coverage::Lived;
use record::{Deletion, Invite, Kind, Known, Record, Sub};
use town::{GHOST, Town, VIPS};
use weather::Weather;

const YEAR_DAYS: u64 = 365;
/// What fits into a minute or so of CI, unoptimised: so many days of so many seeds.
const CI_DAYS: u64 = 45;
const CI_SEEDS: u64 = 1;
/// The last days are fair, and only watching goes on.
const FAIR_DAYS: u64 = 21;
/// So long after the last trouble a payer is in: the operator, who looks once
/// a day, may have had to approve.
const PAYERS_IN_AFTER: TimeDelta = TimeDelta::hours(36);
/// So long after the last trouble nothing is under way any more but what the
/// brake holds back: two passes.
const SETTLED_AFTER: TimeDelta = TimeDelta::hours(2);

/// A year under way.
struct Year {
    seed: u64,
    rig: Rig,
    trap: Trap,
    dice: Dice,
    town: Town,
    weather: Weather,
    record: Record,
    well_since: Moment,
    approved: usize,
    accepted: usize,
    /// Rules of the brake that held something.
    held: BTreeMap<String, u32>,
    /// What the promises were asked of last, by number.
    asked_of: (usize, usize, usize),
    /// Removals whose traces in the book are not looked at yet.
    unread: Vec<Deletion>,
}

impl Year {
    async fn begin(seed: u64) -> Self {
        let mut rig = Rig::new(&format!("year-{seed}")).await;
        for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
            rig.set(name, "3600");
        }
        rig.set("VIP_NAMES", VIPS);
        rig.smtp.fault(smtp::Fault::UnknownRecipient(address(GHOST)), Stay::UntilCleared);
        let trap = Trap::new(rig.state());
        rig.options.hook = trap.hook();
        let mut dice = Dice::new(seed);
        let mut record = Record::default();
        let town = Town::found(&rig, &mut dice, &mut record);
        record.take_up(&rig);
        let now = rig.now();
        let weather = Weather::new(now);
        Self {
            seed,
            rig,
            trap,
            dice,
            town,
            weather,
            record,
            well_since: now,
            approved: 0,
            accepted: 0,
            held: BTreeMap::new(),
            asked_of: (0, 0, 0),
            unread: Vec::new(),
        }
    }

    async fn hour(&mut self, fair: bool) {
        let Self { rig, trap, dice, town, weather, record, .. } = self;
        weather.blow(rig, trap, dice, record, fair);
        town.live(rig, dice, record, weather.plex_works(), fair);
        record.see_subs(rig);
        let ends = rig.now() + TimeDelta::hours(1);
        self.keep_running().await;
        if self.rig.now().hour() == 10 && self.weather.is_calm() && self.rig.is_running() {
            self.operator().await;
        }
        self.hand_on_the_plug(ends).await;
        self.rig.pass((ends - self.rig.now()).to_std().unwrap_or_default()).await;
        self.record.take_up(&self.rig);
        if !self.weather.is_calm() || !self.rig.is_running() {
            self.well_since = self.rig.now();
        }
        self.ask_after_the_pass().await;
    }

    /// Somebody pulls the plug, in the midst of whatever the daemon is doing.
    async fn hand_on_the_plug(&mut self, ends: Moment) {
        let Some((hand, down)) = self.weather.hand.take().filter(|_| self.rig.is_running()) else { return };
        let rest = (ends - self.rig.now()).to_std().unwrap_or_default();
        tokio::select! {
            biased;
            () = hand.pulls() => {}
            () = self.rig.pass(rest) => {}
        }
        self.rig.pull_the_plug().await;
        let now = self.rig.now();
        self.record.plugs.push(now);
        self.must_hold(harm::promise_06_crash_safe(self.rig.state(), now));
        if down.is_zero() {
            self.rig.open().await;
        } else {
            self.weather.down_until = Some(now + down);
        }
    }

    /// The plug, and what the container does.
    async fn keep_running(&mut self) {
        let now = self.rig.now();
        let torn = self.weather.tears_the_book();
        if self.weather.down_until.is_some_and(|until| until > now || self.rig.is_running()) || !self.rig.is_running() {
            if self.rig.pull_the_plug().await.is_some() || self.record.plugs.last() != Some(&now) {
                self.record.plugs.push(now);
            }
            self.well_since = now;
        }
        if self.weather.down_until.is_some_and(|until| until > now) || self.rig.is_running() {
            return;
        }
        let file = self.rig.state().join("state.json");
        if let (true, true, Ok(bytes)) = (torn, self.weather.down_until.is_some(), std::fs::read(&file)) {
            std::fs::write(file, &bytes[..bytes.len() / 3]).expect("the book can be torn");
        }
        self.weather.down_until = None;
        self.rig.open().await;
    }

    /// Once a day, when the weather is fair: approves what waits, and accepts
    /// what the daemon asks to have accepted.
    async fn operator(&mut self) {
        let holds = self.rig.get("/api/holds").await["json"].clone();
        let waiting = holds["holds"]
            .as_array()
            .map_or(0, |holds| holds.iter().filter(|hold| hold["verdict"] == "waits for you").count());
        if waiting > 0 {
            self.rig.ask(serde_json::json!({ "ask": "approve", "ids": ["all"] })).await;
            self.record.approvals.push(self.rig.now());
            self.approved += waiting;
        }
        let page = format!("{} {holds}", self.rig.get("/health").await);
        for what in ["server", "stripe", "tautulli", "clock", "state"] {
            if page.contains(&format!("usher accept {what}")) {
                self.rig.ask(serde_json::json!({ "ask": "accept", "what": what })).await;
                self.accepted += 1;
            }
        }
    }

    /// Ends the test when something is broken, and says how to see it again.
    fn must_hold(&self, broken: Vec<String>) {
        if !broken.is_empty() {
            let (seed, now) = (self.seed, self.rig.now());
            panic!("{now}, seed {seed} (replay: USHER_SEED={seed}):\n{}\n{}", broken.join("\n"), self.about(&broken));
        }
    }

    /// What can be broken by any pass.
    async fn ask_after_the_pass(&mut self) {
        let record = &self.record;
        let now_there = (record.deletions.len(), record.invites.len(), record.mails.len());
        if self.asked_of != now_there {
            self.unread.extend(record.deletions[self.asked_of.0..].iter().filter(|gone| gone.accepted).cloned());
            self.asked_of = now_there;
            let mut broken = promises::broken(&self.record);
            broken.extend(harm::promise_03_bounded_harm(&self.record));
            self.must_hold(broken);
        }
        if !self.rig.is_running() {
            return;
        }
        let holds = self.rig.get("/api/holds").await["json"].clone();
        for waiting in ["holds", "waiting"].iter().filter_map(|list| holds[list].as_array()).flatten() {
            *self.held.entry(waiting["rule"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
        let calm = self.rig.now() - self.well_since >= SETTLED_AFTER;
        if !calm || self.unread.is_empty() {
            return;
        }
        let Some(book) = trap::book(self.rig.state()) else { return };
        let traces = |gone: &Deletion| harm::promise_09_and_10_undo_and_explained(&self.record, gone, &book);
        self.must_hold(self.unread.iter().flat_map(traces).collect());
        self.unread.clear();
    }

    async fn ask_the_promises(&mut self, day: u64) {
        let now = self.rig.now();
        let mut broken = promises::broken(&self.record);
        if now - self.well_since >= PAYERS_IN_AFTER {
            let is_in = |who: PlexId| self.rig.plex.has_access(who) || self.rig.plex.pending_of(who).is_some();
            broken.extend(promises::payers_outside(&self.record, now, PAYERS_IN_AFTER, is_in));
        }
        broken.extend(self.rig.amiss());
        assert!(self.rig.plex.clients().len() <= 1, "one client id for ever");
        if self.rig.is_running() && day.is_multiple_of(30) {
            let said = self.rig.get("/health").await.to_string() + &self.rig.get("/api/members").await.to_string();
            broken.extend(harm::promise_10_no_secret(&self.rig, &said));
        }
        self.must_hold(broken);
        if std::env::var("USHER_TALK").is_ok() {
            let all = |_: &sandbox::base::Recorded| true;
            let counts = (self.rig.plex.count(all), self.rig.stripe.count(all), self.rig.tautulli.count(all));
            let size = std::fs::metadata(self.rig.state().join("state.json")).map_or(0, |file| file.len());
            println!(
                "{day}: {counts:?} calls, book {size} bytes, commits {}, {:?}",
                self.trap.commits(),
                self.weather.says()
            );
        }
        self.rig.plex.clear();
        self.rig.stripe.clear();
        self.rig.tautulli.clear();
        self.rig.discord.clear();
        self.rig.discord.forget_messages();
    }

    /// The journals of those who are named, and the last storms.
    fn about(&self, broken: &[String]) -> String {
        let Some(book) = trap::book(self.rig.state()) else { return "there is no book".into() };
        let named =
            |name: &str| broken.iter().any(|line| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == name));
        let log = &self.weather.log;
        let mut text = format!("\nweather\n  {}\n", log[log.len().saturating_sub(40)..].join("\n  "));
        for member in book.members.values().filter(|member| named(&member.name())) {
            text.push_str(&format!("\n{} ({})\n", member.name(), member.id));
            for entry in &member.journal {
                text.push_str(&format!("  {} {}\n", entry.at.format("%m-%d %H:%M"), entry.what));
            }
            for letter in book.outbox.values().filter(|notice| notice.member.as_ref() == Some(&member.id)) {
                text.push_str(&format!("  letter {}: {:?}\n", letter.key.0, letter.deliveries));
            }
        }
        text
    }

    /// When all has been fair for weeks, the world is as it should be.
    async fn end(mut self) -> Lived {
        let now = self.rig.now();
        self.rig.close().await;
        let book = trap::book(self.rig.state()).expect("the book");
        let told = |line: &str| format!("{line} (replay: USHER_SEED={})", self.seed);
        assert!(book.intents.is_empty(), "{}", told(&format!("still under way: {:#?}", book.intents)));
        let open: Vec<&str> = open_letters(&book).collect();
        assert!(open.is_empty(), "{}", told(&format!("letters not out: {open:#?}")));
        for (who, known) in &self.record.people {
            let Some(share) = self.rig.plex.share_of(*who) else { continue };
            let ours = self.record.invites.iter().any(|invite| invite.share == share.id);
            let ended_lately =
                |sub: &Sub| sub.stood.last().is_some_and(|stood| now - stood.since < TimeDelta::days(14));
            let mut subs = self.record.subs_of(*who).map(|(_, sub)| sub);
            assert!(
                !ours || subs.any(|sub| sub.pays_at(now) || ended_lately(sub)),
                "{}",
                told(&format!(
                    "{} is in without a reason {}",
                    known.name,
                    self.about(std::slice::from_ref(&known.name))
                ))
            );
        }
        Lived::of(self)
    }

    /// Two passes after the last trouble nothing is left over: no letter, and
    /// nothing that the brake doesn't hold back.
    fn is_settled(&self) {
        let book = trap::book(self.rig.state()).expect("the book");
        let mut left: Vec<String> = open_letters(&book).map(|key| format!("letter {key} isn't out")).collect();
        let grants = |intent: &&usher::ledger::Intent| matches!(intent.act, Act::Invite { .. } | Act::Update { .. });
        left.extend(book.intents.values().filter(grants).map(|intent| format!("{} isn't done", intent.key.0)));
        self.must_hold(left);
    }
}

/// Letters that are neither out nor given up.
fn open_letters(book: &Book) -> impl Iterator<Item = &str> {
    let open = |notice: &&Notice| !notice.deliveries.values().all(Delivery::is_done);
    book.outbox.values().filter(open).map(|notice| notice.key.0.as_str())
}

/// So many days of this seed, the last of them fair.
async fn live(seed: u64, days: u64, fair_days: u64) -> Year {
    let mut year = Year::begin(seed).await;
    year.rig.open().await;
    for day in 0..days {
        let fair = day + fair_days >= days;
        for _ in 0..24 {
            year.hour(fair).await;
            if fair && year.rig.now() - year.well_since == SETTLED_AFTER {
                year.is_settled();
            }
        }
        year.ask_the_promises(day).await;
    }
    year
}

/// So many days of each of these seeds, as many at a time as there are cores;
/// asserts what each of them must have seen.
fn live_through(seeds: impl Iterator<Item = u64> + Send, days: u64) -> Vec<Lived> {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lives = || {
        let mut lived = Vec::new();
        while let Some(seed) = next() {
            let one = virtual_time().block_on(async { live(seed, days, FAIR_DAYS).await.end().await });
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

/// `USHER_SEED` alone, or these.
fn seeds(these: RangeInclusive<u64>) -> RangeInclusive<u64> {
    let one = std::env::var("USHER_SEED").map(|seed| seed.parse().expect("USHER_SEED is a number"));
    one.map_or(these, |seed| seed..=seed)
}

#[test]
fn seasons_in_all_weathers_keep_the_promises() {
    let lived = live_through(seeds(1..=CI_SEEDS), CI_DAYS);
    the_checker_sees_forgeries(&lived[0].record);
}

#[test]
#[ignore = "ten years: cargo test --release --test long years_in_all -- --ignored"]
fn years_in_all_weathers_keep_the_promises() {
    let seeds = seeds(1..=10);
    let lived = live_through(seeds.clone(), YEAR_DAYS);
    if seeds.count() > 1 {
        coverage::together(&lived);
    }
}

#[test]
#[ignore = "fifty more years: cargo test --release --test long fifty -- --ignored"]
fn fifty_more_years() {
    coverage::together(&live_through(seeds(101..=150), YEAR_DAYS));
}

/// What a seed shows once it shows always: faults, pulled plugs and all.
#[test]
fn a_seed_replays_exactly() {
    let life = |seed| virtual_time().block_on(async move { live(seed, 8, 0).await.record.digest() });
    let (first, again, other) = (life(7), life(7), life(8));
    assert_eq!(first, again, "the same seed lived two different lives");
    assert_ne!(first, other);
}

/// The same year with one thing forged is called broken, promise by promise.
fn the_checker_sees_forgeries(record: &Record) {
    let broken = |forge: &dyn Fn(&mut Record)| {
        let mut forged = record.clone();
        forge(&mut forged);
        promises::broken(&forged).join("\n")
    };
    let idle = record.deletions.iter().filter(|gone| gone.accepted).cloned().collect::<Vec<_>>();
    let unwarned = broken(&|forged| forged.mails.retain(|mail| mail.kind != Kind::Warning));
    assert!(unwarned.contains("promise 1"), "{unwarned}");
    let watched = broken(&|forged| {
        for gone in &idle {
            forged.plays.entry(gone.who.unwrap()).or_default().push(gone.at - TimeDelta::days(2));
        }
    });
    assert!(watched.contains("promise 2"), "{watched}");
    let vip = record.people.iter().find(|(_, known)| known.protected).map(|(who, _)| *who);
    let touched = broken(&|forged| {
        let at = idle[0].at;
        forged.deletions.push(Deletion { at, who: vip, share: idle[0].share, accepted: true, house: 30 });
    });
    assert!(touched.contains("promise 8"), "{touched}");
    let twice = broken(&|forged| {
        forged.plugs.clear();
        let mail = record::Mail { answer_lost: false, ..forged.mails[0].clone() };
        forged.mails.extend([mail.clone(), mail]);
    });
    assert!(twice.contains("promise 7"), "{twice}");
    let everything = broken(&|forged| {
        forged.invites.push(Invite { everything: true, ..forged.invites[0].clone() });
    });
    assert!(everything.contains("promise 3") && everything.contains("for the same reason"), "{everything}");
    let mut crowd = record.clone();
    crowd.approvals.clear();
    for n in 0..4 {
        let at = idle[0].at + TimeDelta::hours(n);
        crowd.deletions.push(Deletion { at, share: ShareId(n.unsigned_abs()), who: None, ..idle[0].clone() });
    }
    crowd.deletions.sort_by_key(|gone| gone.at);
    let many = harm::promise_03_bounded_harm(&crowd).join("\n");
    assert!(many.contains("budget") && many.contains("too soon"), "{many}");
}

/// A book that has lost what was taken, and why, is noticed.
#[test]
fn a_removal_without_undo_or_reason_is_noticed() {
    let at = sandbox::time::moment(sandbox::rig::BEGINNING);
    let mut book = Book::new(at);
    let gone = Deletion { at, who: Some(PlexId(7)), share: ShareId(1), accepted: true, house: 1 };
    let asked = |book: &Book| harm::promise_09_and_10_undo_and_explained(&Record::default(), &gone, book).join("\n");
    assert!(asked(&book).contains("promise 10: the book has forgotten"), "{}", asked(&book));
    let member = book.enter(at);
    book.members.get_mut(&member).expect("she was just entered").plex = gone.who;
    assert!(asked(&book).contains("promise 9: nothing would bring"), "{}", asked(&book));
    assert!(asked(&book).contains("promise 10: the journal"), "{}", asked(&book));
}

/// A removal that no rule allows, made as the daemon makes them, with its
/// token and over the same wire, is noticed.
#[tokio::test(start_paused = true)]
async fn a_wrongful_removal_over_the_wire_is_noticed() {
    let mut rig = Rig::new("forged").await;
    rig.open().await;
    let mut record = Record::default();
    let ann = rig.person(2_000_001, "ann");
    record.people.insert(ann, Known { name: "ann".into(), protected: false, unreachable: false });
    let customer = rig.stripe.customer(&address("ann"), "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    record.subs.insert(sub, Sub { who: ann, began: rig.now(), stood: Vec::new() });
    record.take_up(&rig);
    rig.minutes(5).await;
    rig.plex.accept_invite(ann).expect("she was invited");
    rig.hours(1).await;
    record.take_up(&rig);
    assert_eq!(promises::broken(&record), Vec::<String>::new());
    let share = rig.plex.share_of(ann).expect("she is in").id;
    let url = format!("{}/api/servers/{}/shared_servers/{share}", rig.plex.url(), sandbox::plex::MACHINE);
    let headers = [
        ("x-plex-token", sandbox::plex::TOKEN),
        ("x-plex-client-identifier", "the-daemons"),
        ("x-plex-product", "Usher"),
        ("x-plex-version", "1"),
    ];
    let reply = wire::call("DELETE", &url, &headers, "").await.expect("plex.tv answers");
    assert_eq!(reply.status, 200);
    rig.pass(Duration::from_secs(1)).await;
    record.take_up(&rig);
    let broken = promises::broken(&record).join("\n");
    assert!(broken.contains("promise 4: ann was removed"), "{broken}");
}
