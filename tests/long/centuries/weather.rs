//! What is wrong outside, one thing at a time, for days or weeks; and what the
//! services then say, which is not what is.

use chrono::TimeDelta;
use usher::facts::{Activity, Billing, FailureKind, Friends, Reading, Stated, SubscriptionId, Unread, Whole};
use usher::policy::{World, brake, readings};

use sandbox::alphabet::service::ServiceMove;

use super::door::House;
use super::moves;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sky {
    Fair,
    PlexDown,
    PlexTellsHalf,
    PlexTellsNobody,
    PlexOfAnother,
    StripeDown,
    StripeTellsHalf,
    StripeTellsNothing,
    StripeOfAnother,
    TautulliDown,
    TautulliCutOff,
    TautulliForgot,
    TautulliOfAnother,
    KeepsNoHistory,
    MailDown,
    ClockWrong,
}

impl Sky {
    pub const FOUL: [Self; 15] = [
        Self::PlexDown,
        Self::PlexTellsHalf,
        Self::PlexTellsNobody,
        Self::PlexOfAnother,
        Self::StripeDown,
        Self::StripeTellsHalf,
        Self::StripeTellsNothing,
        Self::StripeOfAnother,
        Self::TautulliDown,
        Self::TautulliCutOff,
        Self::TautulliForgot,
        Self::TautulliOfAnother,
        Self::KeepsNoHistory,
        Self::MailDown,
        Self::ClockWrong,
    ];

    pub fn is_of_plex(self) -> bool {
        matches!(self, Self::PlexDown | Self::PlexTellsHalf | Self::PlexTellsNobody | Self::PlexOfAnother)
    }

    pub fn is_of_stripe(self) -> bool {
        matches!(self, Self::StripeDown | Self::StripeTellsHalf | Self::StripeTellsNothing | Self::StripeOfAnother)
    }

    pub fn is_of_tautulli(self) -> bool {
        matches!(self, Self::TautulliDown | Self::TautulliCutOff | Self::TautulliForgot | Self::TautulliOfAnother)
    }
}

impl House {
    /// The sky of this day; a new process now and then.
    pub fn blow(&mut self) {
        if self.sky_until <= self.now {
            let fair = self.sky != Sky::Fair;
            let days = i64::try_from(self.dice.between(1, if fair { 45 } else { 30 })).unwrap();
            self.sky = if fair { Sky::Fair } else { self.foul() };
            self.sky_until = self.now + TimeDelta::days(days);
            *self.count.skies.entry(self.sky).or_default() += 1;
        }
        if self.dice.one_in(60) {
            self.world = World::default();
        }
    }

    /// Days on which a play could not be seen; while Usher is down nobody can tell.
    pub fn note_what_is_unseen(&mut self) {
        if matches!(self.sky, Sky::TautulliDown | Sky::TautulliCutOff | Sky::TautulliOfAnother) {
            self.blind.push(self.now);
        }
        let now = self.now;
        self.people.iter_mut().filter(|person| !person.seen).for_each(|person| person.unseen.push(now));
    }

    /// What the services do next: each kind of move as often as the others, and
    /// now and then the clock is wrong.
    fn foul(&mut self) -> Sky {
        if self.dice.one_in(15) {
            return Sky::ClockWrong;
        }
        let names: Vec<&str> = ServiceMove::names().into_iter().collect();
        loop {
            let name = self.dice.pick(&names).expect("an alphabet");
            let mut alike = ServiceMove::all();
            alike.retain(|step| step.name() == name);
            let step = self.dice.pick(&alike).expect("a name has a move");
            if let Ok(sky) = moves::of_service(&step) {
                return sky;
            }
        }
    }

    /// Reads every source as the loops do, until each was looked at twice.
    pub fn read(&mut self) {
        for _ in 0..3 {
            self.read_once();
            let once = |source| self.world.state(source).wholes == 1;
            if !usher::facts::Source::ALL.into_iter().any(once) {
                break;
            }
            self.now += TimeDelta::minutes(1);
        }
    }

    fn read_once(&mut self) {
        let now = self.now;
        self.world.plex.see(self.plex_says());
        self.world.stripe.see(self.stripe_says());
        self.world.tautulli.see(self.tautulli_says());
        let (rules, world, book) = (&self.rules, &mut self.world, &mut self.book);
        if brake::clock_failure(usher::policy::Scene { now, rules, book, world }).is_some() {
            for source in usher::facts::Source::ALL {
                world.begin_looking_anew(source);
            }
            return;
        }
        if world.plex.failures == 0 {
            readings::fold_plex(now, rules, world, book);
        }
        if world.stripe.failures == 0 {
            readings::fold_stripe(now, rules, world, book);
        }
        if world.tautulli.failures == 0 {
            readings::fold_tautulli(now, rules, world, book);
        }
        readings::note_blindness(now, rules, world, book);
    }

    fn whole<T>(&self, value: T) -> Reading<T> {
        let skew_secs = Some(if self.sky == Sky::ClockWrong { 86_400 } else { 0 });
        Reading::Read(Whole { begun: self.now, at: self.now, skew_secs, value })
    }

    fn unread<T>(&self) -> Reading<T> {
        Reading::Unread(Unread { at: self.now, kind: FailureKind::Unreachable, why: "it is down".into() })
    }

    fn plex_says(&self) -> Reading<Friends> {
        let mut friends = self.friends.clone();
        match self.sky {
            Sky::PlexDown => return self.unread(),
            Sky::PlexTellsHalf => friends.shares.truncate(friends.shares.len() / 2),
            Sky::PlexTellsNobody => friends.shares.clear(),
            Sky::PlexOfAnother => {
                friends.server = "another".into();
                friends.shares.clear();
            }
            _ => {}
        }
        self.whole(friends)
    }

    fn stripe_says(&self) -> Reading<Billing> {
        let mut billing = self.billing.clone();
        match self.sky {
            Sky::StripeDown => return self.unread(),
            Sky::StripeTellsHalf => {
                let half = billing.subscriptions.len() / 2;
                billing.subscriptions = billing.subscriptions.into_iter().take(half).collect();
            }
            Sky::StripeTellsNothing => billing.subscriptions.clear(),
            Sky::StripeOfAnother => {
                billing.account = Some("acct_2".into());
                billing.subscriptions.clear();
            }
            _ => {}
        }
        // Asked about singly, Stripe tells the truth; another account knows nothing.
        let runs = |id: &SubscriptionId| billing.subscriptions.get(id).is_some_and(|sub| sub.status.is_running());
        let members = self.book.members.values().flat_map(|member| member.subscriptions.values());
        let gone = members.filter(|billed| billed.now.status.is_running() && !runs(&billed.now.id));
        let stated = gone.map(|billed| &billed.now.id).map(|id| match self.billing.subscriptions.get(id) {
            Some(sub) if self.sky != Sky::StripeOfAnother => (id.clone(), Stated::Is(Box::new(sub.clone()))),
            _ => (id.clone(), Stated::NotFound),
        });
        billing.stated = stated.collect();
        self.whole(billing)
    }

    fn tautulli_says(&self) -> Reading<Activity> {
        let mut activity = self.activity.clone();
        match self.sky {
            Sky::TautulliDown => return self.unread(),
            Sky::TautulliCutOff => activity.connected = false,
            Sky::TautulliForgot => {
                activity.people.values_mut().for_each(|watcher| watcher.last_play = None);
                activity.history_total = 0;
                activity.oldest_play = None;
            }
            Sky::TautulliOfAnother => {
                activity.server = "another".into();
                activity.people.clear();
            }
            Sky::KeepsNoHistory => activity.people.values_mut().for_each(|watcher| watcher.keep_history = false),
            _ => {}
        }
        self.whole(activity)
    }
}
