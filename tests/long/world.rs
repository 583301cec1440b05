//! A world as wide as the real one: people and an operator who make every move
//! of the sandbox's alphabets, and an oracle that knows the persons and judges
//! by what truly happened (DESIGN §11).
//!
//! `USHER_SEED=n` replays the world of that seed exactly; `USHER_DAYS` says how
//! long it lasts.

mod oracle;

use chrono::Timelike;
use sandbox::alphabet::member::{self, MemberMove};
use sandbox::alphabet::operator::OperatorMove;
use sandbox::alphabet::{Temper, Town};
use sandbox::dice::Dice;
use sandbox::rig::Rig;
use tokio::runtime::Builder;
use usher::facts::Moment;

use oracle::Oracle;

const PEOPLE: usize = 16;
/// Days of a seed, where nobody says otherwise.
const DAYS: u64 = 60;
/// On the last days nobody but the members' remote controls moves.
const QUIET_DAYS: u64 = 10;

struct World {
    seed: u64,
    rig: Rig,
    dice: Dice,
    town: Town,
    oracle: Oracle,
    down_until: Option<Moment>,
    dry_until: Option<Moment>,
}

impl World {
    async fn begin(seed: u64) -> Self {
        let mut rig = Rig::new(&format!("world-{seed}")).await;
        for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
            rig.set(name, "3600");
        }
        rig.set("VIP_NAMES", "vera");
        let mut dice = Dice::new(seed);
        let town = Town::found(&rig, PEOPLE, &mut dice);
        rig.open().await;
        let oracle = Oracle::new(rig.now());
        Self { seed, rig, dice, town, oracle, down_until: None, dry_until: None }
    }

    async fn hour(&mut self, quiet: bool) {
        self.town.catch_up(&self.rig);
        for who in 0..self.town.people.len() {
            if self.town.people[who].awake && self.dice.one_in(60) {
                member::watch(&self.rig, &mut self.town, who);
            }
            if !quiet {
                self.member(who);
            }
        }
        if !quiet && self.dice.one_in(36) {
            self.operator().await;
        }
        self.machine(quiet).await;
        if self.rig.now().hour() == 10 && self.rig.is_running() {
            self.duty().await;
        }
        self.rig.minutes(60).await;
        let broken = self.oracle.look(&self.rig, &self.town);
        self.must_hold(broken);
    }

    fn member(&mut self, who: usize) {
        let days = if self.town.people[who].temper == Temper::Lively { 6 } else { 40 };
        if !self.dice.one_in(24 * days) {
            return;
        }
        for _ in 0..12 {
            let Some(next) = self.dice.pick(&MemberMove::ALL) else { return };
            // Some moves come two at a time.
            if next.make(&self.rig, &mut self.town, who, &mut self.dice) && !self.dice.one_in(4) {
                return;
            }
        }
    }

    async fn operator(&mut self) {
        for _ in 0..12 {
            let who = self.dice.index(self.town.people.len());
            let Some(next) = self.dice.pick(&OperatorMove::ALL) else { return };
            if next.make(&self.rig, &mut self.town, who, &mut self.dice).await {
                return;
            }
        }
    }

    async fn machine(&mut self, quiet: bool) {
        let now = self.rig.now();
        if let Some(until) = self.down_until {
            if until > now {
                return;
            }
            self.down_until = None;
            self.rig.open().await;
            self.oracle.troubled(now);
            return;
        }
        if self.dry_until.is_some_and(|until| until <= now || quiet) {
            self.dry_until = None;
            self.rig.close().await;
            self.rig.set("DRY_RUN", "false");
            self.rig.open().await;
            self.town.house.push((now, "goes live"));
            self.oracle.rehearses(false, now);
        }
        if quiet {
            return;
        }
        if self.dry_until.is_none() && self.dice.one_in(24 * 30) {
            self.rig.plex.clear();
            self.rig.tautulli.clear();
            self.rig.close().await;
            self.rig.plex.clear();
            self.rig.tautulli.clear();
            self.rig.set("DRY_RUN", "true");
            self.dry_until = Some(now + member::hours(self.dice.between(5, 24 * 9)));
            self.rig.open().await;
            self.town.house.push((now, "begins to rehearse"));
            self.oracle.rehearses(true, now);
        } else if self.dice.one_in(24 * 12) {
            self.rig.close().await;
            self.rig.open().await;
            self.town.house.push((now, "restarted"));
        } else if self.dice.one_in(24 * 20) {
            self.rig.pull_the_plug().await;
            self.down_until = Some(now + member::hours(self.dice.between(1, 70)));
            self.town.house.push((now, "down"));
            self.oracle.troubled(now);
        }
    }

    /// What a dutiful operator does each morning: approves, accepts, and says
    /// who is who where it is asked.
    async fn duty(&mut self) {
        let holds = self.rig.get("/api/holds").await["json"].clone();
        let waits = |hold: &serde_json::Value| hold["verdict"] == "waits for you";
        if holds["holds"].as_array().is_some_and(|holds| holds.iter().any(waits)) {
            self.rig.ask(serde_json::json!({ "ask": "approve", "ids": ["all"] })).await;
        }
        let page = format!("{} {holds}", self.rig.get("/health").await);
        for what in ["server", "stripe", "tautulli", "clock", "state"] {
            if page.contains(&format!("usher accept {what}")) {
                self.rig.ask(serde_json::json!({ "ask": "accept", "what": what })).await;
            }
        }
        for (person, customer) in self.oracle.asked_who(&self.town) {
            let ask = serde_json::json!({ "ask": "link", "who": person, "stripe": customer });
            self.rig.ask(ask).await;
        }
    }

    fn must_hold(&self, broken: Vec<String>) {
        if broken.is_empty() {
            return;
        }
        let (seed, now) = (self.seed, self.rig.now());
        let mut text = format!("{now}, seed {seed} (replay: USHER_SEED={seed}):\n{}\n", broken.join("\n"));
        text.push_str(&self.oracle.about(&self.rig, &self.town, &broken));
        if let Some(book) = crate::crash::trap::book(self.rig.state()) {
            for member in book.members.values().filter(|member| {
                let names = |name: &str| broken.iter().any(|line| line.starts_with(&format!("{name} ")));
                self.town.people.iter().any(|person| {
                    names(&person.name) && member.plex.is_some_and(|plex| person.accounts.contains(&plex))
                })
            }) {
                text.push_str(&format!("\nbook: {} ({})\n", member.name(), member.id));
                for entry in &member.journal {
                    text.push_str(&format!("  {} {}\n", entry.at.format("%m-%d %H:%M"), entry.what));
                }
            }
        }
        panic!("{text}");
    }
}

async fn live(seed: u64, days: u64) -> World {
    let mut world = World::begin(seed).await;
    for day in 0..days {
        for _ in 0..24 {
            world.hour(day + QUIET_DAYS >= days).await;
        }
        let broken = world.oracle.day(&world.rig);
        world.must_hold(broken);
    }
    world
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
#[ignore = "two worlds of sixty days: cargo test --release --test long the_world_is_wide -- --ignored"]
fn the_world_is_wide() {
    let days = variable("USHER_DAYS").unwrap_or(DAYS);
    let seeds = variable("USHER_SEED").map_or(1..=2, |seed| seed..=seed);
    for seed in seeds {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut world = live(seed, days).await;
            world.rig.close().await;
            let moves: usize = world.town.people.iter().map(|person| person.struck.len()).sum();
            println!("seed {seed}: {moves} moves, {} of the house", world.town.house.len());
        });
    }
}
