//! What the machine under Usher can do: stop, sleep, be cut off from its power
//! in the midst of work, show a wrong time, and have no room on its disk.

use chrono::TimeDelta;
use usher::facts::Moment;
use usher::store::{Step, StepFault};

use super::member::hours;
use super::{Town, books};
use crate::dice::Dice;
use crate::plug::Hand;
use crate::rig::Rig;
use crate::trap::{Spring, Trap};

/// A move of the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is said in words by `name`")]
pub enum MachineMove {
    Restart,
    LosePower,
    DownForMinutes,
    DownForHours,
    DownForDays,
    DownForAWeek,
    DownForAMonth,
    SleepForAnHour,
    SleepForDays,
    SleepForWeeks,
    ClockAhead,
    ClockBehind,
    ClockDrifts,
    DiskFull,
    DiskFails,
    TearTheBook,
    RestoreAnOldBook,
    Rehearse,
}

impl MachineMove {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Restart,
        Self::LosePower,
        Self::DownForMinutes,
        Self::DownForHours,
        Self::DownForDays,
        Self::DownForAWeek,
        Self::DownForAMonth,
        Self::SleepForAnHour,
        Self::SleepForDays,
        Self::SleepForWeeks,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::ClockDrifts,
        Self::DiskFull,
        Self::DiskFails,
        Self::TearTheBook,
        Self::RestoreAnOldBook,
        Self::Rehearse,
    ];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restarts",
            Self::LosePower => "loses power in the midst of work",
            Self::DownForMinutes => "is down for minutes",
            Self::DownForHours => "is down for hours",
            Self::DownForDays => "is down for days",
            Self::DownForAWeek => "is down for a week",
            Self::DownForAMonth => "is down for a month",
            Self::SleepForAnHour => "sleeps for an hour",
            Self::SleepForDays => "sleeps for days",
            Self::SleepForWeeks => "sleeps for weeks",
            Self::ClockAhead => "the clock is ahead",
            Self::ClockBehind => "the clock is behind",
            Self::ClockDrifts => "the clock drifts",
            Self::DiskFull => "the disk is full",
            Self::DiskFails => "the disk fails",
            Self::TearTheBook => "the book is torn",
            Self::RestoreAnOldBook => "an old book is restored",
            Self::Rehearse => "rehearses",
        }
    }

    /// How often it comes, against the others: what takes a month comes seldom.
    fn weight(self) -> u64 {
        match self {
            Self::DownForAMonth | Self::SleepForWeeks | Self::RestoreAnOldBook => 1,
            Self::DownForAWeek => 2,
            Self::Restart | Self::LosePower => 6,
            _ => 4,
        }
    }
}

/// The machine, hour by hour.
#[derive(Debug, Default)]
pub struct Machine {
    /// The daemon stays down until then.
    pub down_until: Option<Moment>,
    /// Usher rehearses until then.
    pub dry_until: Option<Moment>,
    /// When the last rehearsal began.
    pub dry_since: Moment,
    /// When it went live last.
    pub live_since: Option<Moment>,
    wrong_until: Option<Moment>,
    torn: bool,
    hand: Option<Hand>,
    /// How often each came.
    pub came: std::collections::BTreeMap<&'static str, u32>,
}

impl Machine {
    /// The house begins in a rehearsal, as most do. Call it before the daemon is
    /// opened.
    pub fn begins_in_a_rehearsal(&mut self, rig: &mut Rig, dice: &mut Dice) {
        rig.set("DRY_RUN", "true");
        self.dry_until = Some(rig.now() + hours(dice.between(48, 24 * 9)));
    }

    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.down_until.is_none() && self.wrong_until.is_none()
    }

    /// One hour, at its beginning. `quiet`: no new move, and what goes on ends.
    pub async fn turn(&mut self, rig: &mut Rig, trap: &Trap, town: &mut Town, dice: &mut Dice, quiet: bool) {
        let now = rig.now();
        if self.wrong_until.is_some_and(|until| until <= now || quiet) {
            self.wrong_until = None;
            rig.time.set_offset(TimeDelta::zero());
            trap.set(Spring::Never);
        }
        if self.down_until.is_some_and(|until| until > now && !quiet) {
            return;
        }
        if self.down_until.take().is_some() && self.torn {
            tear(rig);
            self.torn = false;
        }
        if self.dry_until.is_some_and(|until| until <= now || quiet) {
            self.dry_until = None;
            stop(rig, trap).await;
            rig.set("DRY_RUN", "false");
            self.live_since = Some(now);
            town.house.push((now, "goes live"));
        }
        if !rig.is_running() {
            stop(rig, trap).await;
            rig.open().await;
        }
        if quiet || !self.is_well() || !dice.one_in(24 * 5) {
            return;
        }
        let next = draw(dice);
        if next == MachineMove::Rehearse && self.dry_until.is_some() {
            return;
        }
        self.make(next, rig, trap, town, dice).await;
        *self.came.entry(next.name()).or_default() += 1;
        town.house.push((now, next.name()));
    }

    async fn make(&mut self, next: MachineMove, rig: &mut Rig, trap: &Trap, town: &mut Town, dice: &mut Dice) {
        let now = rig.now();
        let mut down = |n: u64| self.down_until = Some(now + hours(n));
        match next {
            MachineMove::Restart => {
                stop(rig, trap).await;
                rig.open().await;
            }
            MachineMove::LosePower => self.hand = Some(Hand::on_the_plug(rig, dice)),
            MachineMove::DownForMinutes => {
                stop(rig, trap).await;
                rig.minutes(dice.between(1, 30)).await;
                rig.open().await;
            }
            MachineMove::DownForHours => down(dice.between(1, 12)),
            MachineMove::DownForDays => down(dice.between(24, 80)),
            MachineMove::DownForAWeek => down(24 * 7),
            MachineMove::DownForAMonth => down(24 * 31),
            MachineMove::SleepForAnHour => rig.time.sleep(TimeDelta::minutes(70)),
            MachineMove::SleepForDays => rig.time.sleep(hours(dice.between(24, 90))),
            MachineMove::SleepForWeeks => rig.time.sleep(hours(dice.between(24 * 10, 24 * 25))),
            MachineMove::ClockAhead => self.clock(rig, dice, 24 * 60),
            MachineMove::ClockBehind => self.clock(rig, dice, -24 * 60),
            MachineMove::ClockDrifts => self.clock(rig, dice, 9),
            MachineMove::DiskFull => self.disk(trap, now, dice, Step::TempWritten, StepFault::DiskFull),
            MachineMove::DiskFails => self.disk(trap, now, dice, Step::TempSynced, StepFault::FsyncFails),
            MachineMove::RestoreAnOldBook => {
                stop(rig, trap).await;
                books::restore_an_old_book(rig, town, dice);
                town.refused.clear();
                rig.open().await;
            }
            MachineMove::TearTheBook => {
                town.refused.clear();
                self.torn = true;
                down(1);
            }
            MachineMove::Rehearse => {
                stop(rig, trap).await;
                rig.plex.clear();
                rig.tautulli.clear();
                rig.set("DRY_RUN", "true");
                self.dry_until = Some(now + hours(dice.between(5, 24 * 9)));
                self.dry_since = rig.now();
                rig.open().await;
            }
        }
        if self.down_until.is_some() {
            rig.pull_the_plug().await;
        }
    }

    fn clock(&mut self, rig: &Rig, dice: &mut Dice, minutes: i64) {
        rig.time.set_offset(TimeDelta::minutes(minutes));
        self.wrong_until = Some(rig.now() + hours(dice.between(1, 6)));
    }

    fn disk(&mut self, trap: &Trap, now: Moment, dice: &mut Dice, step: Step, fault: StepFault) {
        trap.set(Spring::Always(step, fault));
        self.wrong_until = Some(now + hours(dice.between(1, 30)));
    }

    /// Lets time pass until then; a hand on the plug pulls it meanwhile, and the
    /// daemon starts anew. Says whether it was pulled.
    pub async fn lets_pass(&mut self, rig: &mut Rig, until: Moment) -> bool {
        let rest = |rig: &Rig| (until - rig.now()).to_std().unwrap_or_default();
        let mut pulled = false;
        if let Some(hand) = self.hand.take().filter(|_| rig.is_running()) {
            let most = rest(rig);
            tokio::select! {
                biased;
                () = hand.pulls() => pulled = true,
                () = rig.pass(most) => {}
            }
            if pulled {
                rig.pull_the_plug().await;
            }
        }
        if pulled {
            rig.open().await;
        }
        rig.pass(rest(rig)).await;
        pulled
    }
}

/// As SIGTERM does where the daemon and its disk are well, else with the plug.
async fn stop(rig: &mut Rig, trap: &Trap) {
    if rig.is_running() && trap.sprung() == 0 {
        rig.close().await;
    } else {
        rig.pull_the_plug().await;
    }
}

/// The book lies on the disk cut off, as a failing disk leaves it.
fn tear(rig: &Rig) {
    let file = rig.state().join("state.json");
    if let Ok(bytes) = std::fs::read(&file) {
        let _ = std::fs::write(file, bytes.get(..bytes.len() / 3).unwrap_or_default());
    }
}

fn draw(dice: &mut Dice) -> MachineMove {
    let total: u64 = MachineMove::ALL.iter().map(|next| next.weight()).sum();
    let mut left = dice.below(total);
    for next in MachineMove::ALL {
        match left.checked_sub(next.weight()) {
            Some(rest) => left = rest,
            None => return next,
        }
    }
    MachineMove::Restart
}
