//! One season, played live and played dry (promise 5): whoever would have been
//! invited, warned or removed is told of once, and on the day on which it is
//! really done.

use std::collections::BTreeMap;

use sandbox::plex::Who;
use sandbox::rig::{OPERATOR, Rig, address};
use sandbox::stripe::AfterRetries;
use usher::facts::{Moment, PlexId};

use super::{all_is_well, days, hours, payer, unhurried};

const SEASON_DAYS: u64 = 45;
const LOOKS_EVERY_HOURS: u64 = 6;
/// Who joins on which day of the season.
const JOIN: [(u64, &str); 3] = [(7, "vera"), (19, "will"), (33, "xeno")];
/// Who cancels on which day.
const CANCEL: [(u64, &str); 3] = [(9, "pia"), (21, "quinn"), (40, "rosa")];
/// Whose card fails on which day, and what Stripe makes of it.
const FAIL: [(u64, &str, AfterRetries); 2] = [(14, "sven", AfterRetries::Unpaid), (28, "tess", AfterRetries::Canceled)];
/// Whose card fails on which day, and is mended on which.
const MEND: (u64, u64, &str) = (24, 27, "uma");
/// Who watches again on which day, at times just after being warned.
const WATCH: [(u64, &str); 3] = [(2, "eva"), (6, "gus"), (8, "eva")];

/// What is done to whom, and when.
type Acts = BTreeMap<(String, &'static str), Vec<Moment>>;

struct Season {
    rig: Rig,
    subs: BTreeMap<&'static str, String>,
    people: BTreeMap<&'static str, PlexId>,
}

impl Season {
    /// Eight who were here before Usher, each idle for longer than the one
    /// before, and six who pay and were let in by Usher.
    async fn begin(name: &str) -> Self {
        let mut rig = Rig::new(name).await;
        unhurried(&mut rig, LOOKS_EVERY_HOURS);
        let mut people = BTreeMap::new();
        for (n, name) in ["ada", "ben", "cleo", "dina", "eva", "finn", "gus", "hal"].into_iter().enumerate() {
            let n = u64::try_from(n).expect("eight");
            let who = rig.old_friend(2_000_001 + n, name, 400);
            rig.watched(who, days(i64::try_from(n * 3).expect("few")) + hours(2));
            people.insert(name, who);
        }
        rig.open().await;
        let mut subs = BTreeMap::new();
        for (id, name) in (2_000_101..).zip(["pia", "quinn", "rosa", "sven", "tess", "uma"]) {
            let (who, sub) = payer(&rig, id, name, &rig.basic.clone()).await;
            people.insert(name, who);
            subs.insert(name, sub);
        }
        Self { rig, subs, people }
    }

    async fn play(&mut self) {
        for day in 1..=SEASON_DAYS {
            for (_, name) in JOIN.iter().filter(|(on, _)| *on == day) {
                self.people.insert(name, self.rig.person(2_000_200 + day, name));
                let customer = self.rig.stripe.customer(&address(name), name);
                self.rig.stripe.subscribe(&customer, &self.rig.premium);
            }
            for (_, name) in CANCEL.iter().filter(|(on, _)| *on == day) {
                self.rig.stripe.cancel_now(&self.subs[name], "cancellation_requested");
            }
            for (_, name, then) in FAIL.iter().filter(|(on, ..)| *on == day) {
                self.rig.stripe.card_fails(&self.subs[name]);
                self.rig.stripe.retries_exhausted(&self.subs[name], *then);
            }
            if day == MEND.0 {
                self.rig.stripe.card_fails(&self.subs[MEND.2]);
            }
            if day == MEND.1 {
                self.rig.stripe.retry_succeeds(&self.subs[MEND.2]);
            }
            for (_, name) in WATCH.iter().filter(|(on, _)| *on == day) {
                self.rig.watched(self.people[name], hours(1));
            }
            self.rig.days(1).await;
        }
    }

    /// Told to the operator, by who and what, and when.
    fn told(&self, what: &[(&str, &'static str)]) -> Acts {
        let mut acts = Acts::new();
        for mail in self.rig.smtp.received_for(OPERATOR) {
            let subject = mail.subject.strip_prefix("[dry run] ").unwrap_or(&mail.subject).to_lowercase();
            let words: Vec<&str> = subject.split_whitespace().collect();
            for (pattern, act) in what {
                let pattern: Vec<&str> = pattern.split_whitespace().collect();
                let fits = |(said, meant): (&&str, &&str)| *meant == "NAME" || said == meant;
                let at = pattern.iter().position(|word| *word == "NAME").expect("a name");
                if words.len() >= pattern.len() && words.iter().zip(&pattern).all(fits) {
                    acts.entry((words[at].to_owned(), *act)).or_default().push(mail.at);
                }
            }
        }
        acts
    }
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_season_played_dry_tells_once_of_each_act_on_the_day_of_the_live_one() {
    let mut live = Season::begin("season-live").await;
    live.play().await;
    let mut really = live.told(&[("NAME is idle", "warned"), ("NAME was removed", "removed")]);
    for (_, name) in JOIN {
        let theirs = |to: &Who| *to == Who::Id(live.people[name]) || *to == Who::Email(address(name));
        let invites = live.rig.plex.invites_sent().into_iter().filter(|invite| theirs(&invite.to));
        really.insert((name.to_owned(), "invited"), invites.map(|invite| invite.at).collect());
    }
    all_is_well(&live.rig);

    let mut dry = Season::begin("season-dry").await;
    dry.rig.close().await;
    let book = dry.rig.state().join("state.json");
    let before = std::fs::read(&book).expect("the book");
    let changes = |rig: &Rig| (rig.plex.changes().len(), rig.tautulli.changes().len(), rig.stripe.changes().len());
    let changed = changes(&dry.rig);
    dry.rig.smtp.forget_received();
    dry.rig.set("DRY_RUN", "true");
    dry.rig.open().await;
    dry.play().await;
    dry.rig.close().await;
    assert_eq!(changes(&dry.rig), changed, "nothing was changed outside");
    assert_eq!(std::fs::read(&book).expect("the book"), before, "the live book is as it was");
    assert!(dry.rig.smtp.received().iter().all(|mail| mail.to == [OPERATOR]));
    all_is_well(&dry.rig);

    let foretold =
        dry.told(&[("NAME is idle", "warned"), ("would remove NAME", "removed"), ("would invite NAME", "invited")]);
    for (act, ats) in &foretold {
        assert!(act.1 == "warned" || ats.len() == 1, "{act:?} was told {} times", ats.len());
    }
    assert_eq!(
        really.keys().collect::<Vec<_>>(),
        foretold.keys().collect::<Vec<_>>(),
        "the same is done to the same people"
    );
    for (act, ats) in &really {
        let (first, then) = (ats[0], foretold[act][0]);
        assert_eq!(first.date_naive(), then.date_naive(), "{act:?}: live {first}, dry {then}");
    }
    let count = |what: &str| really.keys().filter(|(_, act)| *act == what).count();
    assert_eq!(count("invited"), JOIN.len());
    assert!(count("warned") >= 8 && count("removed") >= 10, "{} {}", count("warned"), count("removed"));
}
