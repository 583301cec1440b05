//! R8, R9: comings and goings, the brake.

use chrono::TimeDelta;
use usher::facts::{Source, Status};
use usher::ledger::{CodeMark, FreeUse, Grant, GrantKind, HeldBecause, Hold, Population, Removal, Verdict};
use usher::member::MemberId;
use usher::policy::asks::{self, Accept};
use usher::policy::brake::SecondLook;
use usher::policy::{Drop, Seen, decide, starting};

use super::Table;
use crate::paper::{MOVIES, Paper, TV, days};
use crate::rules::house::House;

pub(super) fn comings(table: &mut Table) {
    table.heading("R8  Adoption", &["Payers from before the book who aren't found on Plex wait for the operator."]);
    let adopted = |paper: &mut Paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(500)).adopted = true;
        paper.member().plex = None;
        paper.member().email = None;
    };
    table.row("paid since before the book, not found on Plex", adopted);
    table.row("the same, five of them", |paper| {
        adopted(paper);
        for n in 0..4 {
            let id = paper.person(&format!("old{n}"));
            paper.pays(&id, Status::Active, days(500)).adopted = true;
            paper.of(&id).plex = None;
        }
    });
    table.row("paid since before the book, and found", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(500)).adopted = true;
        paper.shares(&ann, &[MOVIES], days(450));
    });
    table.row("paid since before the book, removed by us since, pays again", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(500)).adopted = true;
        paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    });
    codes(table);
    goings(table);
}

/// Ann came by a free code `since` days ago, for `days`; watched `idle` days ago.
fn by_code(paper: &mut Paper, since: i64, lasts: Option<u32>, idle: i64) {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(since));
    paper.watched(&ann, days(idle));
    let kind = if lasts.is_some() { GrantKind::Complimentary } else { GrantKind::Grandfathered };
    let mut grant = Grant::new(kind, paper.now - days(since));
    grant.until = lasts.map(|lasts| paper.now - days(since) + days(i64::from(lasts)));
    grant.tier = Some("Basic".into());
    grant.code = Some(FreeUse { mark: CodeMark("film".into()), days: lasts });
    paper.member().grants.push(grant);
}

fn codes(table: &mut Table) {
    table.group("free codes, none of which is in the environment any more: deleting a code ends nobody");
    table.row("a code for 30 days, 10 days ago", |paper| by_code(paper, 10, Some(30), 1));
    table.row("a code for 30 days, 31 days ago", |paper| by_code(paper, 31, Some(30), 1));
    table.row("the same, and pays meanwhile", |paper| {
        by_code(paper, 31, Some(30), 1);
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(5));
    });
    table.row("a code without days, 400 days ago", |paper| by_code(paper, 400, None, 1));
    table.row("the same, has not watched for 300 days", |paper| by_code(paper, 400, None, 300));
    table.row("a code for 90 days, 60 days ago, has not watched for 40", |paper| by_code(paper, 60, Some(90), 40));
}

/// What plex.tv lists, in readings so many minutes apart, of Ann who was there.
fn goings(table: &mut Table) {
    table.group("Ann, here by hand, in the following readings of plex.tv");
    let readings: [(&str, &[(i64, bool)]); 5] = [
        ("listed, and not once", &[(2, false)]),
        ("not listed twice, two minutes apart", &[(2, false), (4, false)]),
        ("not listed twice, ten minutes apart", &[(2, false), (12, false)]),
        ("not listed, listed, not listed", &[(2, false), (4, true), (14, false)]),
        ("not listed for a day, listed again", &[(2, false), (12, false), (1440, true)]),
    ];
    for (words, readings) in readings {
        let mut house = House::new();
        house.share(10, 200, "ann", &[MOVIES], days(400));
        for n in 1..12 {
            house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        }
        house.settle();
        let (begun, row) = (house.now, house.row(10).clone());
        for (minutes, listed) in readings {
            house.now = begun + TimeDelta::minutes(*minutes);
            house.unshare(10);
            house.friends.shares.extend(listed.then(|| row.clone()));
            house.read();
            house.decide();
        }
        let ann = house.member(200);
        let is = if ann.has_access() { "here" } else { "departed" };
        let owed = |kind: &&str| !house.letters(kind).is_empty();
        let letters: Vec<&str> = ["departed", "joined", "welcome"].into_iter().filter(|kind| owed(kind)).collect();
        let letters = if letters.is_empty() { "no letter".to_owned() } else { letters.join(" + ") };
        table.result(words, &format!("{is}; {letters}"));
    }
}

type Make = fn(&mut Paper);

/// Something to take away, something to give.
const DUE: [(&str, Make); 7] = [
    ("idle and warned", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(31));
        paper.warned(&ann, days(4));
    }),
    ("to be warned", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(28));
    }),
    ("lapsed", |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(200));
        paper.ended(&ann, days(2));
    }),
    ("downgraded", |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES, TV], days(80));
        paper.pays(&ann, Status::Active, days(90));
    }),
    ("has just paid", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    }),
    ("gone, and to be forgotten by Tautulli", |paper| {
        let now = paper.now;
        paper.member().forget_at = Some(now - TimeDelta::hours(1));
    }),
    ("gone, and the friendship is to end", |paper| {
        let (now, account) = (paper.now, paper.member().plex.unwrap());
        paper.rules.unfriend_days = Some(5);
        paper.world.plex.whole_mut().unwrap().value.friends = Some([account].into());
        paper.member().unfriend_at = Some(now - TimeDelta::hours(1));
    }),
];

fn fewer(population: Population, paper: &mut Paper) {
    paper.world.drops.insert(population, Drop { since: paper.now, now: 3, expected: 10, begun_anew: false });
}

const CONDITIONS: [(&str, Make); 25] = [
    ("all is well", |_| ()),
    ("1 looked: plex.tv only once", |paper| paper.world.plex.wholes = 1),
    ("1 looked: Stripe only once", |paper| paper.world.stripe.wholes = 1),
    ("1 looked: Stripe never", |paper| paper.world.stripe = Seen::default()),
    ("1 looked: Tautulli only once", |paper| paper.world.tautulli.wholes = 1),
    ("2 fresh: plex.tv an hour ago", |paper| stale(paper, Source::Plex)),
    ("2 fresh: Stripe an hour ago", |paper| stale(paper, Source::Stripe)),
    ("2 fresh: Tautulli two hours ago", |paper| stale(paper, Source::Tautulli)),
    ("3 identity: another Plex server", |paper| {
        paper.world.plex.whole_mut().unwrap().value.server = "other".into();
    }),
    ("3 identity: another Stripe account", |paper| {
        paper.world.stripe.whole_mut().unwrap().value.account = Some("acct_2".into());
    }),
    ("3 identity: the key may not name its account", |paper| {
        paper.world.stripe.whole_mut().unwrap().value.account = None;
    }),
    ("3 identity: Tautulli of another server", |paper| {
        paper.world.tautulli.whole_mut().unwrap().value.server = "other".into();
    }),
    ("4 clock: 6 minutes off plex.tv's", |paper| paper.world.plex.whole_mut().unwrap().skew_secs = Some(360)),
    ("4 clock: before the last commit", |paper| paper.book.committed = paper.now + days(1)),
    ("5 continuity: 3 of 10 friends", |paper| fewer(Population::Friends, paper)),
    ("5 continuity: 3 of 10 subscriptions", |paper| fewer(Population::Subscriptions, paper)),
    ("5 continuity: 3 of 10 people with history", |paper| fewer(Population::Watchers, paper)),
    ("5 continuity: 3 of 10 plays in the history", |paper| fewer(Population::History, paper)),
    ("5 continuity: 3 of 10 friends, accepted", |paper| {
        fewer(Population::Friends, paper);
        asks::accept(paper.now, &mut paper.world, &mut paper.book, Accept::Server);
    }),
    ("6 protected: a VIP by now", |paper| {
        paper.rules.vip_names = vec!["ann".into()];
        let account = paper.member().plex.unwrap();
        paper.book.vips.insert("ann".into(), account);
    }),
    ("6 protected: in the owner's Plex Home by now", |paper| {
        let account = paper.member().plex.unwrap();
        paper.world.plex.whole_mut().unwrap().value.home = [account].into();
    }),
    ("9 budget: one removal 5 hours ago", |paper| removed(paper, TimeDelta::hours(5), false)),
    ("9 budget: an end that Stripe stated, 5 hours ago", |paper| removed(paper, TimeDelta::hours(5), true)),
    ("10 pace: a removal 5 minutes ago, stated", |paper| removed(paper, TimeDelta::minutes(5), true)),
    ("the book is not to be trusted yet", |paper| paper.world.only_look = Some("restored".into())),
];

fn stale(paper: &mut Paper, source: Source) {
    let at = paper.now - if source == Source::Tautulli { TimeDelta::hours(2) } else { TimeDelta::hours(1) };
    match source {
        Source::Plex => paper.world.plex.whole_mut().unwrap().at = at,
        Source::Stripe => paper.world.stripe.whole_mut().unwrap().at = at,
        Source::Tautulli => paper.world.tautulli.whole_mut().unwrap().at = at,
    }
}

fn removed(paper: &mut Paper, ago: TimeDelta, stated: bool) {
    paper.book.removals = vec![Removal { at: paper.now - ago, member: MemberId::number(99), stated }];
}

pub(super) fn the_brake(table: &mut Table) {
    table.heading(
        "R9  The brake",
        &["Each condition against each thing that is due. Rule 7, the warnings: see R3, R4 and R5."],
    );
    for (condition, spoil) in CONDITIONS {
        table.group(condition);
        for (due, make) in DUE {
            table.row(due, |paper| {
                make(paper);
                spoil(paper);
            });
        }
    }
    second_look(table);
    words(table);
    table.group("9 hold-all, among few: more than two at once wait");
    for many in [2, 3] {
        table.row(&format!("{many} lapse on one day"), |paper| {
            for n in 0..many {
                let id = paper.person(&format!("payer{n}"));
                paper.shares(&id, &[MOVIES], days(200));
                paper.ended(&id, days(2));
            }
        });
        table.row(&format!("{many} to be warned"), |paper| {
            for n in 0..many {
                paper.friend(&format!("friend{n}"), days(28));
            }
        });
        table.row(&format!("{many} paid 3 days ago and have no share"), |paper| {
            for n in 0..many {
                let id = paper.person(&format!("payer{n}"));
                paper.pays(&id, Status::Active, days(3));
            }
        });
        table.row(&format!("{many} whose subscription is older than the book lost their share"), |paper| {
            for n in 0..many {
                let id = paper.person(&format!("payer{n}"));
                paper.pays(&id, Status::Active, days(500)).adopted = true;
            }
        });
        table.row(&format!("{many} paid an hour ago"), |paper| {
            for n in 0..many {
                let id = paper.person(&format!("payer{n}"));
                paper.pays(&id, Status::Active, TimeDelta::hours(1));
            }
        });
    }
    table.row("an idle one and two that lapse", |paper| {
        DUE[0].1(paper);
        for n in 0..2 {
            let id = paper.person(&format!("payer{n}"));
            paper.shares(&id, &[MOVIES], days(200));
            paper.ended(&id, days(2));
        }
    });
    table.group("5 continuity: 3 of 10 friends, and a new payer whom no listing ever showed");
    table.row("has just paid, by an address that no listing ever showed", |paper| {
        let ann = paper.payer("anna");
        paper.of(&ann).username = None;
        fewer(Population::Friends, paper);
    });
    table.group("9 budget: one a day among 12, the longest due first");
    table.row("two idle and warned", |paper| {
        DUE[0].1(paper);
        paper.crowd(10);
        let bob = paper.friend("bob", days(40));
        paper.warned(&bob, days(8));
    });
}

/// 8: what was looked at just before the call.
fn second_look(table: &mut Table) {
    let all = || SecondLook { answered: Source::ALL.to_vec(), ..SecondLook::default() };
    let without = |left_out: Source| {
        let answered = Source::ALL.into_iter().filter(|source| *source != left_out).collect();
        SecondLook { answered, ..SecondLook::default() }
    };
    let conditions = [
        ("8 second look: plex.tv was not asked again", without(Source::Plex)),
        ("8 second look: Stripe was not asked again", without(Source::Stripe)),
        ("8 second look: Tautulli was not asked again", without(Source::Tautulli)),
        ("8 second look: somebody didn't answer", SecondLook { unanswered: Some("timed out".into()), ..all() }),
        (
            "8 second look: a subscription that could be theirs",
            SecondLook { could_be_theirs: Some("sub_new".into()), ..all() },
        ),
    ];
    for (condition, looked) in conditions {
        table.group(condition);
        // A warning is a letter: there is no call to look before.
        for (due, make) in DUE.into_iter().filter(|(due, _)| *due != "to be warned") {
            table.looked(due, &looked, make);
        }
    }
}

/// What the operator said of something that waited for a word.
fn said(paper: &mut Paper, verdict: fn(usher::facts::Moment) -> Verdict) {
    for (n, proposal) in paper.plan().proposals.into_iter().enumerate() {
        let hold = Hold {
            id: format!("h-{n}"),
            key: proposal.key.clone(),
            member: proposal.member,
            what: proposal.what,
            why: proposal.because,
            because: HeldBecause::HoldAll { many: 9, threshold: 2 },
            since: paper.now,
            verdict: Some(verdict(paper.now)),
            notice: None,
            rehearsed: false,
        };
        paper.book.holds.insert(proposal.key, hold);
    }
}

/// `usher approve` and `usher reject`.
fn words(table: &mut Table) {
    table.group("you approved it; and the day's budget is used up");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            removed(paper, TimeDelta::hours(5), false);
            said(paper, |at| Verdict::Approved { at });
        });
    }
    table.group("you approved it; its warning was not accepted, or the source is stale");
    table.row("idle, the warning still in the outbox", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(31));
        let spell = paper.spell(&ann);
        paper.member().idle = Some(spell);
        said(paper, |at| Verdict::Approved { at });
    });
    table.row("idle and warned, Tautulli two hours ago", |paper| {
        DUE[0].1(paper);
        said(paper, |at| Verdict::Approved { at });
        stale(paper, Source::Tautulli);
    });
    table.group("you rejected it");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            said(paper, |at| Verdict::Rejected { at });
        });
    }
}

fn say_of_the_start(paper: &mut Paper, approve: bool) {
    // Where nothing waits, there is nothing to say.
    let _ = decide::give_verdict(paper.now, &mut paper.book, &["go-live".to_owned()], approve);
}

/// R11: what a start lets wait, and what it doesn't.
pub(super) fn starts(table: &mut Table) {
    table.heading(
        "R11  Going live, and upgrades",
        &[
            "After a rehearsal what is due at the first live start waits as go-live; after",
            "an upgrade, what only the new version would do. Payers' invites never wait.",
        ],
    );
    let begins = |paper: &mut Paper| starting::begin(paper.now, &paper.rules, &mut paper.book, true);
    let gathers = |paper: &mut Paper| {
        let plan = paper.plan();
        starting::gather(paper.now, &paper.rules, &paper.world, &mut paper.book, &plan);
    };
    table.group("goes live, Tautulli was read only once");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            begins(paper);
            paper.world.tautulli.wholes = 1;
        });
    }
    table.group("goes live, all was read twice");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            begins(paper);
            gathers(paper);
        });
    }
    table.row("revoked in the rehearsal", |paper| {
        DUE[0].1(paper);
        paper.member().blocked = Some(paper.now - days(1));
        begins(paper);
        gathers(paper);
    });
    table.row("revoked after the start", |paper| {
        DUE[0].1(paper);
        begins(paper);
        gathers(paper);
        paper.member().blocked = Some(paper.now);
    });
    table.group("approved with go-live: the rest of the brake stays (the day's budget is used up)");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            removed(paper, TimeDelta::hours(5), false);
            begins(paper);
            gathers(paper);
            say_of_the_start(paper, true);
        });
    }
    table.group("rejected with go-live");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            begins(paper);
            gathers(paper);
            say_of_the_start(paper, false);
        });
    }
    table.group("a new version, and the old book left them alone on the same facts");
    for (due, make) in DUE {
        table.row(due, |paper| {
            make(paper);
            paper.book.version = "0.0.1".into();
            starting::begin(paper.now, &paper.rules, &mut paper.book, false);
            gathers(paper);
        });
    }
    table.group("a new version, and they came to be due since the old book's last commit");
    for (due, make) in DUE {
        table.row(due, |paper| {
            paper.book.version = "0.0.1".into();
            starting::begin(paper.now, &paper.rules, &mut paper.book, false);
            make(paper);
            gathers(paper);
        });
    }
}
