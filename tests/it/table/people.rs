//! R1, R2, R3, R5: reasons, who is who, inactivity.

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Email, PlexId, Status};
use usher::ledger::{GrantKind, InviteRefused, Restoring};
use usher::policy::PruneMode;

use super::Table;
use crate::paper::{MOVIES, Paper, TV, days};

/// Ann's share from long ago.
fn here(paper: &mut Paper) {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES, TV], days(400));
    paper.watched(&ann, days(1));
}

/// The same, by hand.
fn by_hand(paper: &mut Paper, ago: i64) {
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(ago));
}

pub(super) fn reasons(table: &mut Table) {
    table.heading("R1  Reasons", &["Any reason keeps in; protected are never touched; blocked are out."]);
    table.group("one reason, and here");
    table.row("here, no reason, and nothing is known to have ended", here);
    table.row("here, shared by hand", |paper| by_hand(paper, 1));
    for kind in [GrantKind::Grandfathered, GrantKind::Complimentary, GrantKind::Extension, GrantKind::Holiday] {
        table.row(&format!("here, {}", usher::policy::reasons::words(kind)), |paper| {
            here(paper);
            let ann = paper.ann.clone();
            paper.grant(&ann, kind);
        });
    }
    let statuses = [Status::Active, Status::Trialing, Status::Incomplete, Status::Unknown("frozen".into())];
    for status in statuses {
        table.row(&format!("here by hand, subscription {} for Premium", status.word()), |paper| {
            by_hand(paper, 1);
            let ann = paper.ann.clone();
            paper.pays(&ann, status, days(90)).tiers = ["Premium".into()].into();
            let member = paper.member();
            member.share.as_mut().unwrap().row.downloads = Some(true);
        });
    }
    table.group("more than one, or none that counts");
    table.row("here by hand, paying for Basic: what was had by hand stays", |paper| {
        by_hand(paper, 300);
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(90));
    });
    table.row("here by hand, a subscription ended long ago: by hand stands", |paper| {
        by_hand(paper, 1);
        let ann = paper.ann.clone();
        paper.ended(&ann, days(90));
    });
    table.row("here, complimentary until yesterday, nothing else", |paper| {
        here(paper);
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Complimentary);
        let yesterday = paper.now - days(1);
        paper.member().grants[0].until = Some(yesterday);
    });
    for (name, ago, until) in [
        ("here, subscription ended 9 days ago, extended until tomorrow", days(9), days(1)),
        ("here, subscription ended 9 days ago, extended until yesterday", days(9), -days(1)),
        ("here, subscription ended 3 hours ago, extended until yesterday", TimeDelta::hours(3), -days(1)),
    ] {
        table.row(name, |paper| {
            here(paper);
            let ann = paper.ann.clone();
            paper.ended(&ann, ago);
            paper.grant(&ann, GrantKind::Extension);
            let until = paper.now + until;
            paper.member().grants[0].until = Some(until);
        });
    }
    table.row("here by hand, complimentary until yesterday", |paper| {
        by_hand(paper, 1);
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Complimentary);
        let yesterday = paper.now - days(1);
        paper.member().grants[1].until = Some(yesterday);
    });
    table.row("here, one subscription canceled, another active", |paper| {
        here(paper);
        let ann = paper.ann.clone();
        paper.ended(&ann, days(5));
        paper.pays(&ann, Status::Active, days(5)).tiers = ["Premium".into()].into();
        paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    });
    table.group("protected and blocked");
    for (what, protect) in protections() {
        table.row(&format!("{what}, idle for 300 days"), |paper| {
            by_hand(paper, 300);
            protect(paper);
        });
        table.row(&format!("{what}, whose subscription ended 5 days ago"), |paper| {
            here(paper);
            let ann = paper.ann.clone();
            paper.ended(&ann, days(5));
            protect(paper);
        });
    }
    table.row("a VIP who pays and has no share is invited", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(0));
        vip(paper);
    });
    table.row("a home user who pays and has no share is not", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(0));
        paper.member().home = true;
    });
    table.row("blocked, here, and paying", |paper| {
        here(paper);
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(5));
        paper.member().blocked = Some(paper_now());
    });
    for (name, cancels, end) in [
        ("blocked with --cancel now, here, and paying", CancelWhen::Now, None),
        ("blocked with --cancel period-end, here, and paying", CancelWhen::PeriodEnd, None),
        ("the same, set to end in 3 days", CancelWhen::PeriodEnd, Some(days(3))),
    ] {
        table.row(name, |paper| {
            here(paper);
            let (ann, now) = (paper.ann.clone(), paper.now);
            paper.pays(&ann, Status::Active, days(90)).now.cancel_at = end.map(|end| now + end);
            (paper.member().blocked, paper.member().cancels) = (Some(now), Some(cancels));
        });
    }
    table.row("blocked, paying, no share", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(0));
        paper.member().blocked = Some(paper_now());
    });
    table.row("blocked and a VIP", |paper| {
        by_hand(paper, 1);
        vip(paper);
        paper.member().blocked = Some(paper_now());
    });
}

fn paper_now() -> usher::facts::Moment {
    crate::paper::noon()
}

type Change = fn(&mut Paper);

fn protections() -> [(&'static str, Change); 4] {
    [
        ("the owner", |paper| paper.book.identities.owner = paper.member().plex),
        ("a home user", |paper| paper.member().home = true),
        ("ADMIN_EMAIL", |paper| paper.member().email = Email::parse("operator@example.com")),
        ("a VIP", vip),
    ]
}

fn vip(paper: &mut Paper) {
    paper.rules.vip_names = vec!["ann".into()];
    let account = paper.member().plex.unwrap();
    paper.book.vips.insert("ann".into(), account);
}

/// A payer whose Plex account is not known.
fn stranger(paper: &mut Paper) {
    let ann = paper.ann.clone();
    paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    paper.member().plex = None;
    paper.member().email = None;
}

pub(super) fn who_is_who(table: &mut Table) {
    table.heading("R2  Who is who", &["Invited by account id, once by address if that is refused, then unmatched."]);
    table.row("pays, account known, no share", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    });
    table.row("pays, only the address is known", stranger);
    table.row("pays, no address at Stripe", |paper| {
        stranger(paper);
        paper.member().customers.values_mut().for_each(|payer| payer.email = None);
    });
    table.row("pays with a relay address", |paper| {
        stranger(paper);
        let relay = Email::parse("x1@privaterelay.appleid.com");
        paper.member().customers.values_mut().for_each(|payer| payer.email = relay.clone());
    });
    for (what, by_id, by_email, hours) in [
        ("by id", true, false, 0),
        ("by id and by address", true, true, 0),
        ("by address", false, true, 0),
        ("by id and by address 23 hours ago", true, true, 23),
        ("by id and by address a day ago", true, true, 24),
    ] {
        table.row(&format!("pays, Plex refused the invite {what}"), |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, TimeDelta::hours(1));
            if !by_id {
                paper.member().plex = None;
            }
            let at = paper.now - TimeDelta::hours(hours);
            paper.member().invite_refused =
                Some(InviteRefused { at, by_id, by_email, unknown: None, why: "404".into() });
        });
    }
    whose(table);
    who_could_be_a_payer(table);
}

/// Zed pays with this address, as a customer of his own; no account is known.
fn zed_pays(paper: &mut Paper, address: &str) -> usher::member::MemberId {
    let zed = paper.payer("zed");
    paper.of(&zed).username = None;
    paper.of(&zed).customers.values_mut().for_each(|payer| payer.email = Email::parse(address));
    zed
}

/// Whose a new customer is, after a pass.
fn whose(table: &mut Table) {
    table.group("a new customer, whom Stripe makes for each purchase at a page of its own");
    let mut row = |words: &str, make: fn(&mut Paper)| {
        let mut paper = Paper::new();
        make(&mut paper);
        usher::policy::who::link_payers(paper.now, &mut paper.book);
        let second = usher::member::MemberId::number(2);
        let payer = &paper.book.members[paper.book.merged.get(&second).unwrap_or(&second)];
        let whose = match payer.id == paper.ann {
            true => "Ann's".to_owned(),
            false if payer.disputed.is_empty() => "by itself: invited at its address".to_owned(),
            false => "nobody's: the operator is asked".to_owned(),
        };
        table.result(words, &whose);
    };
    fn ann_paid_from(paper: &mut Paper, address: &str) {
        zed_pays(paper, "work@example.com"); // m-2
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(300));
        paper.ended(&ann, days(3));
        paper.member().customers.values_mut().for_each(|payer| payer.email = Email::parse(address));
    }
    row("the very address of a customer who is Ann's", |paper| ann_paid_from(paper, "work@example.com"));
    row("the same, and Ann is revoked", |paper| {
        ann_paid_from(paper, "work@example.com");
        paper.member().blocked = Some(paper_now());
    });
    row("an address that Ann's customer was given later at Stripe", |paper| {
        ann_paid_from(paper, "home@example.com");
        paper.member().customers.values_mut().for_each(|payer| payer.mail_to = Email::parse("work@example.com"));
    });
    row("the address of Ann's Plex account, whose share is older", |paper| {
        ann_paid_from(paper, "home@example.com");
        paper.member().email = Email::parse("work@example.com");
    });
    row("the address of a customer who is Ann's, and of one who is Bob's", |paper| {
        ann_paid_from(paper, "work@example.com");
        let bob = paper.friend("bob", days(1));
        paper.pays(&bob, Status::Active, days(30));
        paper.of(&bob).customers.values_mut().for_each(|payer| payer.email = Email::parse("work@example.com"));
    });
    row("the address of a customer who was unlinked from Ann", |paper| {
        ann_paid_from(paper, "work@example.com");
        let ask = usher::policy::asks::Ask::Unlink { who: "m-1".into(), stripe: Some("cus_m-1".into()) };
        paper.says(&ask).unwrap();
    });
    row("the address of a customer who is Ann's, but the operator said that they are two", |paper| {
        ann_paid_from(paper, "work@example.com");
        let ask = usher::policy::asks::Ask::Unlink { who: "m-1".into(), stripe: Some("cus_m-2".into()) };
        paper.says(&ask).unwrap();
    });
}

/// Ann's paying ended, and somebody pays of whom no account is known.
fn who_could_be_a_payer(table: &mut Table) {
    fn lapsed(paper: &mut Paper) {
        here(paper);
        let ann = paper.ann.clone();
        paper.ended(&ann, days(3));
        paper.member().customers.values_mut().for_each(|payer| payer.name = Some("Ann Smith".into()));
    }
    table.group("Ann's subscription ended 3 days ago, and Zed pays, of whom no account is known");
    let cases: [(&str, Change); 7] = [
        ("they have nothing in common", |paper| _ = zed_pays(paper, "zed@example.com")),
        ("with the address of her Plex account", |paper| _ = zed_pays(paper, "ann@example.com")),
        ("with an address that she was invited at once", |paper| {
            paper.member().addresses = Email::parse("old@example.com").into_iter().collect();
            zed_pays(paper, "old@example.com");
        }),
        ("under her name at Stripe", |paper| {
            let zed = zed_pays(paper, "zed@example.com");
            paper.of(&zed).customers.values_mut().for_each(|payer| payer.name = Some("ANN  SMITH".into()));
        }),
        ("with her address, and his subscription ended, paid 3 hours ago", |paper| {
            let (zed, now) = (zed_pays(paper, "ann@example.com"), paper.now);
            for billed in paper.of(&zed).subscriptions.values_mut() {
                (billed.now.status, billed.now.created) = (Status::Canceled, now - TimeDelta::hours(3));
            }
        }),
        ("with her address, and the operator said that they are two", |paper| {
            zed_pays(paper, "ann@example.com");
            let ask = usher::policy::asks::Ask::Unlink { who: "m-1".into(), stripe: Some("cus_m-2".into()) };
            paper.says(&ask).unwrap();
        }),
        ("with her address, and she is revoked", |paper| {
            zed_pays(paper, "ann@example.com");
            paper.member().blocked = Some(paper_now());
        }),
    ];
    for (words, make) in cases {
        table.row(words, |paper| {
            lapsed(paper);
            make(paper);
        });
    }
    table.row("the same with her address, approved", |paper| {
        lapsed(paper);
        zed_pays(paper, "ann@example.com");
        approve_all(paper);
    });
    table.row("she is idle and warned, and pays nothing; Zed has her name alone", |paper| {
        by_hand(paper, 40);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(10));
        let zed = zed_pays(paper, "zed@example.com");
        paper.of(&zed).customers.values_mut().for_each(|payer| payer.name = Some("ann".into()));
    });
}

/// The operator's yes to whatever is planned.
fn approve_all(paper: &mut Paper) {
    for proposal in paper.plan().proposals {
        let verdict = Some(usher::ledger::Verdict::Approved { at: paper.now });
        let hold = usher::ledger::Hold {
            id: "h-1".into(),
            key: proposal.key.clone(),
            member: proposal.member,
            what: proposal.what,
            why: proposal.because,
            because: usher::ledger::HeldBecause::Adoption,
            since: paper.now,
            verdict,
            notice: None,
            rehearsed: false,
        };
        paper.book.holds.insert(proposal.key, hold);
    }
}

pub(super) fn inactivity(table: &mut Table) {
    table.heading(
        "R3  Inactivity",
        &["Only those whose only reasons are by hand or complimentary; only observed time."],
    );
    table.group("by hand, not warned");
    for ago in [1, 26, 27, 29, 30, 300] {
        let word = if ago == 1 { "yesterday".into() } else { format!("{ago} days ago") };
        table.row(&format!("watched {word}"), |paper| by_hand(paper, ago));
    }
    table.row("watches right now, 40 days after the last play", |paper| {
        by_hand(paper, 40);
        let ann = paper.ann.clone();
        paper.watched(&ann, days(0)); // As the reading is folded in.
    });
    table.row("never watched; Tautulli's oldest play is 500 days old", |paper| {
        by_hand(paper, 1);
        paper.member().last_play = None;
    });
    table.row("never watched; Tautulli's oldest play is 10 days old", |paper| {
        by_hand(paper, 1);
        paper.member().last_play = None;
        let oldest = paper.now - days(10);
        paper.world.tautulli.whole_mut().unwrap().value.oldest_play = Some(oldest);
    });
    table.row("never watched; shared with 20 days ago", |paper| {
        by_hand(paper, 1);
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(20));
        paper.member().last_play = None;
    });
    table.row("watched 300 days ago; came back 10 days ago", |paper| {
        by_hand(paper, 300);
        let back = paper.now - days(10);
        paper.member().returned = Some(back);
    });
    table.row("watched 40 days ago; 20 of them Tautulli was cut off", |paper| {
        by_hand(paper, 40);
        paper.book.blind.add(paper.now - days(30), paper.now - days(10));
    });
    table.group("by hand, idle for 31 days, warned");
    table.row("the warning is still in the outbox", |paper| {
        by_hand(paper, 31);
        let ann = paper.ann.clone();
        let spell = paper.spell(&ann);
        paper.member().idle = Some(spell);
    });
    for ago in [2, 3, 4, 200] {
        table.row(&format!("accepted {ago} days ago"), |paper| {
            by_hand(paper, 31.max(ago + 30));
            let ann = paper.ann.clone();
            paper.warned(&ann, days(ago));
        });
    }
    table.row("accepted 4 days ago, blind for 2 of them", |paper| {
        by_hand(paper, 33);
        paper.book.blind.add(paper.now - days(3), paper.now - days(1));
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
    });
    table.row("accepted 4 days ago, idle for 29 days only", |paper| {
        by_hand(paper, 29);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
    });
    table.row("accepted 4 days ago in an earlier spell", |paper| {
        by_hand(paper, 70);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
        paper.watched(&ann, days(31));
    });
    table.row("there is no way to write to them", |paper| {
        by_hand(paper, 31);
        let ann = paper.ann.clone();
        let spell = paper.spell(&ann);
        paper.member().idle = Some(usher::ledger::IdleSpell { no_channel: true, ..spell });
    });
    for downloads in [Some(true), None] {
        let word = if downloads.is_some() { "on" } else { "unknown" };
        table.row(&format!("accepted 4 days ago, downloads {word}"), |paper| {
            warned_long_ago(paper);
            paper.member().share.as_mut().unwrap().row.downloads = downloads;
        });
    }
    for (word, mode) in [("approve", PruneMode::Approve), ("report", PruneMode::Report)] {
        table.row(&format!("accepted 4 days ago, PRUNE_MODE={word}"), |paper| {
            warned_long_ago(paper);
            paper.rules.prune_mode = mode;
        });
    }
    table.row("idle for 300 days, PRUNE_MODE=report", |paper| {
        by_hand(paper, 300);
        paper.rules.prune_mode = PruneMode::Report;
    });
    unknowable(table);
    prune_paying(table);
    table.group("idle for 300 days, with other reasons");
    for kind in [GrantKind::Complimentary, GrantKind::Grandfathered, GrantKind::Holiday, GrantKind::Extension] {
        table.row(&format!("by hand and {}", usher::policy::reasons::words(kind)), |paper| {
            by_hand(paper, 300);
            let ann = paper.ann.clone();
            paper.grant(&ann, kind);
        });
    }
    for status in [Status::Active, Status::Trialing, Status::Unknown("frozen".into())] {
        table.row(&format!("by hand, and a subscription that is {}", status.word()), |paper| {
            by_hand(paper, 300);
            let ann = paper.ann.clone();
            paper.pays(&ann, status, days(90)).tiers = ["Basic".into()].into();
        });
    }
    table.row("invited by hand, not accepted", |paper| {
        by_hand(paper, 300);
        let ann = paper.ann.clone();
        paper.invited(&ann, &[MOVIES]);
    });
}

/// PRUNE_PAYING=true: it is the subscription that ends, and with it the access.
fn prune_paying(table: &mut Table) {
    table.group(
        "PRUNE_PAYING=true: a payer is idle, warned 4 days ago; Stripe ends the subscription, billing the access",
    );
    let payer = |paper: &mut Paper, ago: i64| {
        paper.rules.prune_paying = true;
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(400));
        paper.pays(&ann, Status::Active, days(390));
        paper.watched(&ann, days(ago));
    };
    table.row("watched 28 days ago, not warned", |paper| payer(paper, 28));
    table.row("watched 31 days ago", |paper| {
        payer(paper, 31);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
    });
    table.row("watched 31 days ago, the warning not yet accepted", |paper| {
        payer(paper, 31);
        let ann = paper.ann.clone();
        let spell = paper.spell(&ann);
        paper.member().idle = Some(spell);
    });
    table.row("watched 31 days ago, by hand as well", |paper| {
        payer(paper, 31);
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::ByHand);
        paper.warned(&ann, days(4));
    });
    table.row("watched 31 days ago, set to end already", |paper| {
        payer(paper, 31);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
        let end = paper.now + days(9);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.now.cancel_at = Some(end));
    });
    table.row("watched 31 days ago, past due: billing decides", |paper| {
        paper.rules.prune_paying = true;
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(400));
        paper.owes(&ann, Status::PastDue, days(2), Some(days(1)));
        paper.watched(&ann, days(31));
    });
    table.row("the same payer with PRUNE_PAYING=false", |paper| {
        payer(paper, 31);
        paper.rules.prune_paying = false;
    });
    table.group("R4: by hand, idle for 31 days and warned, but Stripe still charges them");
    table.row("past due, no attempt left, the grace is over: refused", |paper| {
        by_hand(paper, 31);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
        paper.owes(&ann, Status::PastDue, days(20), None);
        paper.told_unpaid(&ann, Some(days(10)));
    });
    table.group("R2: by hand, and somebody whose account isn't known pays with that address");
    table.row("idle for 27 days", |paper| perhaps_a_payer(paper, 27));
    table.row("idle for 31 days, warned 4 days ago", |paper| {
        perhaps_a_payer(paper, 31);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(4));
    });
    table.row("the same, and the operator has unlinked that customer", |paper| {
        perhaps_a_payer(paper, 31);
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.warned(&ann, days(4));
        let all = paper.book.members.values_mut().flat_map(|member| member.customers.values_mut());
        all.for_each(|payer| payer.unlinked = Some(now));
    });
}

/// By hand, idle; and somebody without a known account pays with that address.
fn perhaps_a_payer(paper: &mut Paper, idle: i64) {
    by_hand(paper, idle);
    let email = paper.member().email.clone();
    let id = paper.person("payer");
    paper.pays(&id, Status::Active, days(90));
    let payer = paper.of(&id);
    payer.plex = None;
    payer.customers.values_mut().for_each(|payer| payer.email = email.clone());
}

fn warned_long_ago(paper: &mut Paper) {
    by_hand(paper, 31);
    let ann = paper.ann.clone();
    paper.warned(&ann, days(4));
}

fn unknowable(table: &mut Table) {
    table.group("by hand, idle for 31 days, warned 4 days ago, but it can't be known");
    table.row("Tautulli doesn't list them", |paper| {
        warned_long_ago(paper);
        paper.world.tautulli.whole_mut().unwrap().value.people.clear();
    });
    table.row("keep_history=0", |paper| {
        warned_long_ago(paper);
        let account = paper.member().plex.unwrap_or(PlexId(0));
        let people = &mut paper.world.tautulli.whole_mut().unwrap().value.people;
        people.get_mut(&account).unwrap().keep_history = false;
    });
    table.row("a library shared with them has no history", |paper| {
        warned_long_ago(paper);
        paper.world.tautulli.whole_mut().unwrap().value.unlogged_keys.insert(TV.0);
    });
    table.row("a library not shared with them has no history", |paper| {
        warned_long_ago(paper);
        paper.world.tautulli.whole_mut().unwrap().value.unlogged_keys.insert(99);
    });
    table.row("Tautulli is cut off from Plex", |paper| {
        warned_long_ago(paper);
        paper.world.tautulli.whole_mut().unwrap().value.connected = false;
    });
    table.row("Tautulli's history was begun anew, and nobody has accepted it", |paper| {
        warned_long_ago(paper);
        (paper.book.marks.history_fell, paper.book.marks.history_since) = (true, Some(paper.now - days(900)));
        let whole = paper.world.tautulli.whole_mut().unwrap();
        whole.value.oldest_play = Some(paper.now - days(1));
        usher::policy::readings::fold_tautulli(paper.now, &paper.rules, &mut paper.world, &mut paper.book);
    });
    table.row("Tautulli has not been read since the start", |paper| {
        warned_long_ago(paper);
        paper.world.tautulli = usher::policy::Seen::default();
    });
    table.group("by hand, watched 45 days ago; while they could not be seen, their clock stands");
    let unseen = |paper: &mut Paper, from: i64, to: Option<i64>| {
        by_hand(paper, 45);
        let now = paper.now;
        match to {
            Some(to) => paper.member().unseen.add(now - days(from), now - days(to)),
            None => paper.member().unseen.open(now - days(from)),
        }
    };
    table.row("never out of sight", |paper| by_hand(paper, 45));
    table.row("unseen for 20 days, 15 days ago", |paper| unseen(paper, 35, Some(15)));
    table.row("unseen for 10 days, 15 days ago", |paper| unseen(paper, 25, Some(15)));
    table.row("never seen before 15 days ago", |paper| unseen(paper, 20_000, Some(15)));
    table.row("the same ten days blind for everybody and for them count once", |paper| {
        unseen(paper, 25, Some(15));
        let now = paper.now;
        paper.book.blind.add(now - days(25), now - days(15));
    });
    table.row("warned 20 days ago, and unseen for the last 18", |paper| {
        by_hand(paper, 48);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(20));
        let now = paper.now;
        paper.member().unseen.add(now - days(18), now);
    });
    table.row("never watched, and Tautulli's history is empty", |paper| {
        warned_long_ago(paper);
        paper.member().last_play = None;
        paper.world.tautulli.whole_mut().unwrap().value.oldest_play = None;
    });
}

pub(super) fn unmanaged(table: &mut Table) {
    table.heading(
        "R5  Unmanaged people",
        &["UNMANAGED=keep: by hand is a reason like any other. require-subscription: asked, and out 14 days later."],
    );
    table.group("UNMANAGED=keep");
    table.row("here by hand, watched yesterday, no customer at Stripe", |paper| by_hand(paper, 1));
    table.group("UNMANAGED=require-subscription; here by hand, watched yesterday");
    let requires = |paper: &mut Paper| {
        by_hand(paper, 1);
        paper.rules.unmanaged_days = Some(14);
    };
    table.row("not yet asked", requires);
    table.row("not yet asked, and somebody who pays is unmatched", |paper| {
        requires(paper);
        unmatched(paper);
    });
    for (word, told, days_left) in [
        ("still in the outbox", None, None),
        ("accepted 5 days ago", Some(5), Some(9)),
        ("accepted 15 days ago", Some(15), Some(0)),
        ("accepted 2 days ago, and the day that it named is over since a week", Some(2), Some(-7)),
        ("accepted 15 days ago, and it named the day after tomorrow", Some(15), Some(2)),
    ] {
        table.row(&format!("asked, the letter {word}"), |paper| {
            requires(paper);
            asked(paper, told, days_left, false);
        });
    }
    table.row("asked, the day is over, and somebody who pays is unmatched", |paper| {
        requires(paper);
        asked(paper, Some(15), Some(0), false);
        unmatched(paper);
    });
    table.row("asked, but there is no way to write to them", |paper| {
        requires(paper);
        asked(paper, None, None, true);
    });
    for kind in [GrantKind::Grandfathered, GrantKind::Complimentary, GrantKind::Holiday, GrantKind::Extension] {
        table.row(&format!("and {}", usher::policy::reasons::words(kind)), |paper| {
            requires(paper);
            let ann = paper.ann.clone();
            paper.grant(&ann, kind);
        });
    }
    table.row("and pays", |paper| {
        requires(paper);
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(90)).tiers = ["Premium".into()].into();
    });
    table.row("and a subscription that can't be told", |paper| {
        requires(paper);
        asked(paper, Some(15), Some(0), false);
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Unknown("frozen".into()), days(90));
    });
    table.row("a VIP", |paper| {
        requires(paper);
        let account = paper.member().plex.unwrap_or(PlexId(0));
        paper.rules.vip_names = vec!["ann".into()];
        paper.book.vips.insert("ann".into(), account);
    });
}

fn asked(paper: &mut Paper, told: Option<i64>, days_left: Option<i64>, no_channel: bool) {
    let since = paper.now - days(15);
    let told_at = told.map(|ago| paper.now - days(ago));
    let promised_end = days_left.map(|left| paper.now + days(left));
    let notice = usher::ledger::NoticeKey("asked".into());
    paper.member().asked = Some(usher::ledger::AskedSpell { since, notice, told_at, promised_end, no_channel });
}

/// Somebody paid with a relay address, long ago, and is not in.
fn unmatched(paper: &mut Paper) {
    let id = paper.person("stranger");
    paper.pays(&id, Status::Active, days(90));
    let stranger = paper.of(&id);
    stranger.plex = None;
    let relay = usher::facts::Email::parse("x7@privaterelay.appleid.com");
    stranger.customers.values_mut().for_each(|payer| payer.email = relay.clone());
}

pub(super) fn operator(table: &mut Table) {
    table.heading("R11  What the operator says", &["A word never shortens what somebody has unless it says so."]);
    table.group("restored after `revoke --cancel period-end`; Ann pays for Basic and has Movies");
    let restored = |paper: &mut Paper, ours: bool| {
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.shares(&ann, &[MOVIES], days(30));
        let billed = paper.pays(&ann, Status::Active, days(30));
        billed.now.cancel_at = Some(now + days(20));
        let id = billed.now.id.clone();
        paper.member().returned = Some(now);
        paper.member().ends_set.extend(ours.then_some(id));
    };
    table.row("the end at Stripe was set by the revocation", |paper| restored(paper, true));
    table.row("the same, while it still stands", |paper| {
        restored(paper, true);
        let ann = paper.ann.clone();
        let now = paper.now;
        paper.of(&ann).blocked = Some(now);
        paper.of(&ann).cancels = Some(CancelWhen::PeriodEnd);
    });
    table.row("the end at Stripe was set by Ann", |paper| restored(paper, false));
    table.group("restored after a removal that took Movies and TV");
    let back = |paper: &mut Paper| {
        here(paper);
        let (ann, now) = (paper.ann.clone(), paper.now);
        let share = paper.member().share.take().unwrap().row;
        paper.member().restoring = Some(Restoring { since: now, share });
        ann
    };
    table.row("pays for Premium", |paper| {
        let ann = back(paper);
        paper.pays(&ann, Status::Active, days(30)).tiers = ["Premium".to_owned()].into();
    });
    table.row("pays for Basic by now", |paper| {
        let ann = back(paper);
        paper.pays(&ann, Status::Active, days(30));
    });
    table.row("pays for Basic, and had it all by hand before", |paper| {
        let ann = back(paper);
        paper.pays(&ann, Status::Active, days(30));
        paper.grant(&ann, GrantKind::ByHand);
    });
}
