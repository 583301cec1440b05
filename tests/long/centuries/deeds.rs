//! What is done to the facts: a life's own part, drawn from the alphabets.

use chrono::TimeDelta;
use sandbox::alphabet::machine::MachineMove;
use sandbox::alphabet::member::MemberMove;
use sandbox::alphabet::operator::OperatorMove;
use usher::facts::{Invoice, InvoiceId, Item, Moment, PriceId, ProductId, Section, SectionId, ShareState, Status};
use usher::facts::{Subscription, Watcher};
use usher::policy::asks::{self, Ask, Hearing, Stay};
use usher::policy::{World, decide};

use super::door::{House, MOVIES, TV};
use super::moves;
use super::weather::Sky;

/// What a move does to the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Subscribe,
    SubscribeTwice,
    UpgradeByANewCheckout,
    SubscribeAndCancel,
    FailToPay,
    BeginATrial,
    ExtendTheTrial,
    BuyBoth,
    ChangePrice,
    MoveToNoTier,
    CancelNow,
    CancelLater,
    UndoTheCancellation,
    Pause,
    Resume,
    Fail,
    Mend,
    PauseCollection,
    ResumeCollection,
    Accept,
    Decline,
    Leave,
    Share,
    GiveLibraries,
    TakeALibrary,
    ShareEverything,
    ChangeTheDownloads,
    AddALibrary,
    RenameALibrary,
    DeleteALibrary,
    RecreateALibrary,
    FallAsleep,
    WakeUp,
    Watch,
    JoinTheHome,
    LeaveTheHome,
    TakeATitle,
    HistoryOff,
    HistoryOn,
    Revoke,
    Restore,
    Grandfather,
    InviteAsAGuest,
    InviteAgain,
    GiveAHoliday,
    Approve,
    Reject,
    BeginAnew,
    StandStill { days: i64 },
    WrongClock,
}

/// One of so many people makes a move of the alphabet's on a day.
const MOVES: u64 = 60;

impl House {
    /// The moves of a day, each from a whole alphabet.
    pub fn draw(&mut self) {
        for who in 0..self.people.len() {
            self.what_is_due(who);
            if self.dice.one_in(MOVES) {
                self.member_moves(who);
            }
        }
        if !self.people.is_empty() && self.dice.one_in(3) {
            let who = self.dice.index(self.people.len());
            let step = self.dice.pick(&OperatorMove::ALL).expect("an alphabet");
            self.counted(step.name(), moves::of_operator(step), who);
        }
        if self.dice.one_in(60) {
            let step = self.dice.pick(&MachineMove::ALL).expect("an alphabet");
            self.counted(step.name(), moves::of_machine(step), 0);
        }
    }

    fn member_moves(&mut self, who: usize) {
        let step = self.dice.pick(&MemberMove::ALL).expect("an alphabet");
        self.counted(step.name(), moves::of_member(step), who);
    }

    fn counted(&mut self, name: &'static str, effect: moves::Effect<Deed>, who: usize) {
        let made = effect.is_ok_and(|deed| self.make(deed, who));
        *self.count.moves.entry(name).or_default() += u64::from(made);
    }

    /// `false`: it makes no sense for them now.
    fn make(&mut self, deed: Deed, who: usize) -> bool {
        let now = self.now;
        match deed {
            Deed::BeginAnew => self.world = World::default(),
            Deed::StandStill { days } => {
                self.world = World::default();
                self.down_until = now + TimeDelta::days(days);
            }
            Deed::WrongClock => {
                self.sky = Sky::ClockWrong;
                self.sky_until = now + TimeDelta::days(1);
            }
            Deed::AddALibrary | Deed::RenameALibrary | Deed::DeleteALibrary | Deed::RecreateALibrary => {
                return self.in_the_library(deed);
            }
            Deed::Approve => self.answer(true),
            Deed::Reject => self.answer(false),
            Deed::Revoke
            | Deed::Restore
            | Deed::Grandfather
            | Deed::InviteAsAGuest
            | Deed::InviteAgain
            | Deed::GiveAHoliday => return self.say(deed, who),
            Deed::Accept
            | Deed::Decline
            | Deed::Leave
            | Deed::Share
            | Deed::GiveLibraries
            | Deed::TakeALibrary
            | Deed::ShareEverything
            | Deed::ChangeTheDownloads => return !self.sky.is_of_plex() && self.at_plex(deed, who),
            Deed::FallAsleep
            | Deed::WakeUp
            | Deed::Watch
            | Deed::JoinTheHome
            | Deed::LeaveTheHome
            | Deed::TakeATitle
            | Deed::HistoryOff
            | Deed::HistoryOn => return self.at_home(deed, who),
            _ if self.people[who].protected => return false,
            _ => return self.at_stripe(deed, who),
        }
        true
    }

    fn at_plex(&mut self, deed: Deed, who: usize) -> bool {
        let (now, protected) = (self.now, self.people[who].protected);
        let outside = self.people[who].joined.is_none();
        if deed == Deed::Share {
            let free = outside && self.row_of(who).is_none();
            if free {
                self.share_by_hand(who);
            }
            return free;
        }
        let Some(row) = self.row_of(who) else { return false };
        match deed {
            Deed::Accept if !row.is_accepted() => {
                row.state = ShareState::Accepted { accepted_at: Some(now) };
                self.people[who].joined = Some(now);
                self.people[who].awake = true;
                self.count.joined += 1;
            }
            Deed::Decline if !row.is_accepted() => self.forget_row(who),
            Deed::Leave if row.is_accepted() && !protected => self.forget_row(who),
            Deed::GiveLibraries if row.is_accepted() => row.sections = [MOVIES, TV].into(),
            Deed::TakeALibrary if row.is_accepted() => row.sections = [MOVIES].into(),
            Deed::ShareEverything if row.is_accepted() => row.all_libraries = true,
            Deed::ChangeTheDownloads if row.is_accepted() => row.downloads = row.downloads.map(|allowed| !allowed),
            _ => return false,
        }
        true
    }

    fn forget_row(&mut self, who: usize) {
        let account = Some(self.people[who].account);
        self.friends.shares.retain(|row| row.account != account);
        self.people[who].joined = None;
    }

    fn at_home(&mut self, deed: Deed, who: usize) -> bool {
        let (now, account) = (self.now, self.people[who].account);
        let title = self.dice.index(self.people.len());
        let title = self.people[title].name.clone();
        let person = &mut self.people[who];
        match deed {
            Deed::FallAsleep => return std::mem::replace(&mut person.awake, false),
            Deed::WakeUp => return !std::mem::replace(&mut person.awake, true),
            Deed::Watch => {
                let stopped = now - TimeDelta::hours(1);
                let can = person.joined.is_some_and(|joined| joined < stopped) && !person.protected;
                if can && person.seen && self.sky != Sky::TautulliCutOff {
                    person.last_play = Some(stopped);
                    self.activity.history_total += 1;
                    self.activity.people.insert(account, Watcher { last_play: Some(stopped), keep_history: true });
                }
                return can;
            }
            Deed::JoinTheHome if !person.protected => person.home = self.friends.home.insert(account),
            Deed::LeaveTheHome if person.home => person.home = !self.friends.home.remove(&account),
            Deed::HistoryOff | Deed::HistoryOn => {
                person.seen = deed == Deed::HistoryOn;
                let seen = person.seen;
                let watcher = self.activity.people.get_mut(&account);
                return watcher.is_some_and(|watcher| std::mem::replace(&mut watcher.keep_history, seen) != seen);
            }
            Deed::TakeATitle => {
                let Some(row) = self.row_of(who) else { return false };
                row.title = Some(title);
            }
            _ => return false,
        }
        let home = self.people[who].home;
        self.row_of(who).into_iter().for_each(|row| row.home = home);
        true
    }

    fn at_stripe(&mut self, deed: Deed, who: usize) -> bool {
        let now = self.now;
        let buys = matches!(deed, Deed::Subscribe | Deed::SubscribeAndCancel | Deed::FailToPay | Deed::BeginATrial);
        let anew = matches!(deed, Deed::BuyBoth) || buys;
        if anew && self.people[who].sub.is_some() {
            return false;
        }
        let old = self.people[who].sub.clone();
        if anew || matches!(deed, Deed::SubscribeTwice | Deed::UpgradeByANewCheckout) && old.is_some() {
            self.subscribe(who);
        }
        if let (Deed::UpgradeByANewCheckout, Some(old)) = (deed, &old) {
            let old = self.billing.subscriptions.get_mut(old);
            old.into_iter().for_each(|old| end(old, now));
        }
        let premium = self.dice.one_in(2);
        let Some(id) = self.people[who].sub.clone() else { return false };
        let Some(sub) = self.billing.subscriptions.get_mut(&id) else { return false };
        let made = change(sub, deed, now, premium);
        if sub.ended_at.is_some() || sub.status == Status::Incomplete {
            self.people[who].sub = None;
        }
        made
    }

    /// What was put off until today: ends, trials, first payments.
    fn what_is_due(&mut self, who: usize) {
        let now = self.now;
        let then = self.dice.below(4);
        let theirs = self.people[who].customer();
        for sub in self.billing.subscriptions.values_mut().filter(|sub| sub.customer == theirs) {
            match (sub.status.clone(), sub.trial_end) {
                (Status::Active | Status::Trialing, _) if sub.cancel_at.is_some_and(|at| at <= now) => {
                    end(sub, now);
                }
                (Status::Incomplete, _) => {
                    sub.status = Status::IncompleteExpired;
                    sub.ended_at = Some(now);
                }
                (Status::Trialing, Some(over)) if over <= now => match then {
                    0 => end(sub, now),
                    1 => sub.status = Status::Paused,
                    _ => sub.status = Status::Active,
                },
                _ => {}
            }
        }
        let gone = |id| self.billing.subscriptions.get(id).is_some_and(|sub: &Subscription| sub.ended_at.is_some());
        if self.people[who].sub.as_ref().is_some_and(gone) {
            self.people[who].sub = None;
        }
    }

    fn in_the_library(&mut self, deed: Deed) -> bool {
        let extra = self.friends.sections.keys().copied().find(|id| ![MOVIES, TV].contains(id));
        self.next_section += 1;
        let fresh = SectionId(self.next_section);
        let named = |id: SectionId| Section { id, key: id.0, title: format!("Extra {}", id.0) };
        match (deed, extra) {
            (Deed::AddALibrary, None) => drop(self.friends.sections.insert(fresh, named(fresh))),
            (Deed::RenameALibrary, Some(id)) => {
                let section = self.friends.sections.get_mut(&id);
                section.into_iter().for_each(|section| section.title = format!("Extra {}", fresh.0));
            }
            (Deed::DeleteALibrary, Some(id)) => drop(self.friends.sections.remove(&id)),
            (Deed::RecreateALibrary, Some(id)) => {
                self.friends.sections.remove(&id);
                self.friends.sections.insert(fresh, named(fresh));
            }
            _ => return false,
        }
        true
    }

    /// One of Usher's own commands, as the daemon carries it out.
    fn say(&mut self, deed: Deed, who: usize) -> bool {
        let now = self.now;
        let days = u32::try_from(self.dice.between(5, 40)).expect("few");
        let until = (now + TimeDelta::days(days.into())).date_naive();
        let name = self.people[who].account.to_string();
        let tier = "Premium".to_owned();
        let ask = match deed {
            Deed::Revoke => Ask::Revoke { who: name, cancel: None },
            Deed::Restore => Ask::Restore { who: name },
            Deed::Grandfather => Ask::Grandfather { who: name },
            Deed::InviteAsAGuest => Ask::Invite { who: name, tier, days: Some(Stay::Days(days)) },
            Deed::InviteAgain => Ask::Invite { who: name, tier, days: None },
            _ => Ask::Pause { who: name, until, note: "away".into() },
        };
        // Whoever is protected is theirs to say nothing of, and few are let in for good.
        let for_good = matches!(deed, Deed::Grandfather) && !self.dice.one_in(4);
        if self.people[who].protected || for_good || !self.is_in_the_book(who) {
            return false;
        }
        let hearing = Hearing { now, rules: &self.rules, world: &self.world };
        let mut changed = self.book.clone();
        if asks::carry_out(hearing, &mut changed, &ask).is_err() {
            return false;
        }
        self.book = changed;
        let ends = now + TimeDelta::days(days.into());
        let wish = &mut self.people[who].wish;
        match deed {
            Deed::Revoke => *wish = super::lives::Wish { revoked: true, ..Default::default() },
            Deed::Restore => wish.revoked = false,
            Deed::Grandfather => wish.grandfathered = true,
            Deed::InviteAsAGuest => wish.guest_until = Some(ends),
            Deed::InviteAgain => {}
            _ => wish.away_until = Some(ends),
        }
        true
    }

    /// `usher approve all`, and `usher reject all`.
    fn answer(&mut self, approve: bool) {
        let waiting = self.book.holds.values().filter(|hold| hold.verdict.is_none());
        for id in waiting.map(|hold| hold.id.clone()).collect::<Vec<_>>() {
            self.count.approved += u64::from(approve);
            decide::give_verdict(self.now, &mut self.book, &[id], approve).expect("it waits");
        }
    }

    fn is_in_the_book(&self, who: usize) -> bool {
        self.book.by_account(self.people[who].account).is_some()
    }
}

fn end(sub: &mut Subscription, now: Moment) {
    sub.status = Status::Canceled;
    sub.ended_at = Some(now);
}

/// What the move does to one subscription. `false`: it makes no sense.
fn change(sub: &mut Subscription, deed: Deed, now: Moment, premium: bool) -> bool {
    let running = matches!(sub.status, Status::Active | Status::Trialing);
    let item = |price: &str| {
        let product = Some(ProductId::from("prod_1"));
        Item { price: PriceId::from(price), product, period_start: None, period_end: None }
    };
    match deed {
        Deed::Subscribe | Deed::SubscribeTwice | Deed::UpgradeByANewCheckout => {}
        Deed::SubscribeAndCancel => end(sub, now),
        Deed::CancelNow if sub.ended_at.is_none() => end(sub, now),
        Deed::FailToPay => sub.status = Status::Incomplete,
        Deed::BeginATrial => {
            sub.status = Status::Trialing;
            sub.trial_end = Some(now + TimeDelta::days(7));
        }
        Deed::ExtendTheTrial if sub.status == Status::Trialing => sub.trial_end = Some(now + TimeDelta::days(20)),
        Deed::BuyBoth => sub.items = vec![item("price_basic"), item("price_premium")],
        Deed::ChangePrice if running => {
            sub.items = vec![item(if premium { "price_premium" } else { "price_basic" })];
        }
        Deed::MoveToNoTier if running => sub.items = vec![item("price_of_no_tier")],
        Deed::CancelLater if running => sub.cancel_at = Some(now + TimeDelta::days(9)),
        Deed::UndoTheCancellation if running && sub.cancel_at.is_some() => sub.cancel_at = None,
        Deed::Pause if sub.status == Status::Active => sub.status = Status::Paused,
        Deed::Resume if sub.status == Status::Paused => sub.status = Status::Active,
        Deed::Fail if sub.status == Status::Active => {
            sub.status = Status::PastDue;
            sub.open_invoices = Some(vec![unpaid(sub, now)]);
        }
        Deed::Mend if sub.status == Status::PastDue => {
            sub.status = Status::Active;
            sub.open_invoices = None;
        }
        Deed::PauseCollection if running => sub.collection_paused = true,
        Deed::ResumeCollection if sub.collection_paused => sub.collection_paused = false,
        _ => return false,
    }
    true
}

/// An invoice that nobody has paid.
pub fn unpaid(sub: &Subscription, now: Moment) -> Invoice {
    Invoice {
        id: InvoiceId(format!("in_{}_{}", sub.id, now.timestamp())),
        opened_at: now,
        due_at: None,
        next_attempt_at: None,
        hosted_url: None,
        amount_due: 500,
        currency: "usd".into(),
        needs_action: false,
    }
}
