//! R4, R6, R7: the end of paying, making it so, libraries.

use chrono::TimeDelta;
use usher::facts::{PriceId, ShareState, Status};
use usher::ledger::{EndedBecause, Gone, Grant, GrantKind, MadeFor, Pause, Reversed, SpellKind};
use usher::policy::{Tiers, follow};
use usher::tier::{Tier, Wanted};

use super::Table;
use crate::paper::{MOVIES, Paper, TV, days};

/// Ann has Movies for her subscription, and nothing by hand.
fn here(paper: &mut Paper) {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(299));
    paper.watched(&ann, days(40));
}

fn owes(paper: &mut Paper, status: Status, ago: i64, next: Option<i64>, told: Option<i64>) {
    here(paper);
    let ann = paper.ann.clone();
    paper.owes(&ann, status, days(ago), next.map(days));
    paper.told_unpaid(&ann, told.map(days));
}

fn ended(paper: &mut Paper, status: Status, ago: Option<TimeDelta>) {
    here(paper);
    let (ann, now) = (paper.ann.clone(), paper.now);
    let billed = paper.pays(&ann, status, days(299));
    billed.now.ended_at = ago.map(|ago| now - ago);
}

pub(super) fn the_end_of_paying(table: &mut Table) {
    table.heading(
        "R4  The end of paying",
        &["Stripe's own end and 24 h; or 7 days of grace, no attempt left, and 3 days after the letter."],
    );
    table.group("ended by Stripe; Movies were shared for it");
    for (word, ago) in [
        ("1 hour", TimeDelta::hours(1)),
        ("23 hours", TimeDelta::hours(23)),
        ("25 hours", TimeDelta::hours(25)),
        ("90 days", days(90)),
    ] {
        table.row(&format!("canceled, ended {word} ago"), |paper| ended(paper, Status::Canceled, Some(ago)));
    }
    table.row("canceled, but Stripe gives no date", |paper| ended(paper, Status::Canceled, None));
    table.row("incomplete_expired, ended 2 days ago", |paper| ended(paper, Status::IncompleteExpired, Some(days(2))));
    table.row("canceled for money 700 days ago, before Usher came", |paper| {
        ended(paper, Status::Canceled, Some(days(700)));
        (paper.first().ran, paper.first().now.ended_by_failed_payment) = (false, true);
    });
    table.row("canceled at the period's end, which is tomorrow", |paper| {
        ended(paper, Status::Active, None);
        let end = paper.now + days(1);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.now.cancel_at = Some(end));
    });
    table.row("canceled at the period's end, which was 3 days ago; Stripe: active", |paper| {
        ended(paper, Status::Active, None);
        let end = paper.now - days(3);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.now.cancel_at = Some(end));
    });
    table.row("Stripe no longer knows the subscription (404)", |paper| {
        ended(paper, Status::Active, None);
        let at = paper.now - days(3);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.vanished = Some(at));
    });
    table.row("an unknown status", |paper| ended(paper, Status::Unknown("frozen".into()), None));
    table.row("incomplete: not yet a reason, nothing to end", |paper| ended(paper, Status::Incomplete, None));
    table.row("active, but its price left every tier", |paper| {
        ended(paper, Status::Active, None);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.tiers.clear());
    });
    table.row("canceled 2 days ago, and complimentary", |paper| {
        ended(paper, Status::Canceled, Some(days(2)));
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Complimentary);
    });
    table.group("past due or unpaid (grace 7 days)");
    table.row("past_due since 2 days, letter accepted", |paper| owes(paper, Status::PastDue, 2, Some(1), Some(2)));
    table
        .row("past_due since 8 days, Stripe will try again", |paper| owes(paper, Status::PastDue, 8, Some(1), Some(8)));
    for told in [None, Some(2), Some(3), Some(9)] {
        let word = told.map_or("not yet accepted".into(), |days| format!("accepted {days} days ago"));
        table.row(&format!("past_due since 10 days, no attempt left, letter {word}"), |paper| {
            owes(paper, Status::PastDue, 10, None, told);
        });
    }
    table.row("unpaid since 10 days, letter accepted 9 days ago", |paper| {
        owes(paper, Status::Unpaid, 10, None, Some(9))
    });
    table.row("past_due since 10 days, letter accepted 9 days ago, 5 of them on holiday", |paper| {
        owes(paper, Status::PastDue, 10, None, Some(9));
        let (since, until) = (paper.now - days(7), Some(paper.now - days(2)));
        paper.member().grants.push(Grant { until, ..Grant::new(GrantKind::Holiday, since) });
    });
    table.row("unpaid since 10 days, no letter was ever owed", |paper| {
        owes(paper, Status::Unpaid, 10, None, None);
        paper.member().unpaid.clear();
    });
    table.row("unpaid since 10 days, no way to write to them", |paper| {
        owes(paper, Status::Unpaid, 10, None, None);
        paper.member().unpaid.values_mut().for_each(|spell| spell.no_channel = true);
    });
    table.row("unpaid, but no invoice is open", |paper| {
        owes(paper, Status::Unpaid, 10, None, Some(9));
        paper.member().subscriptions.values_mut().for_each(|billed| billed.now.open_invoices = Some(Vec::new()));
    });
    table.row("unpaid, and the invoices could not be read", |paper| {
        owes(paper, Status::Unpaid, 10, None, Some(9));
        paper.member().subscriptions.values_mut().for_each(|billed| billed.now.open_invoices = None);
    });
    table.row("unpaid since 10 days, letter accepted 9 days ago; Stripe shows no invoices now (403)", |paper| {
        owes(paper, Status::Unpaid, 10, None, Some(9));
        paper.world.stripe.whole_mut().unwrap().value.invoices_denied = true;
    });
    table.row("sent invoice, opened 20 days ago, due 2 days ago", |paper| {
        owes(paper, Status::PastDue, 20, None, Some(9));
        let due = paper.now - days(2);
        let member = paper.member();
        let invoices = member.subscriptions.values_mut().filter_map(|billed| billed.now.open_invoices.as_mut());
        invoices.flatten().for_each(|invoice| invoice.due_at = Some(due));
    });
    for (word, told) in [("not yet accepted", None), ("accepted 2 days ago", Some(2)), ("accepted 4 days ago", Some(4))]
    {
        table.row(&format!("canceled by Stripe for money 4 days ago, letter {word}"), |paper| {
            ended(paper, Status::Canceled, Some(days(4)));
            paper.member().subscriptions.values_mut().for_each(|billed| billed.now.ended_by_failed_payment = true);
            let ann = paper.ann.clone();
            paper.told_unpaid(&ann, told.map(days));
        });
    }
    paused_as_a_whole(table);
    table.group("paused collection");
    table.row("collection paused 5 days ago, PAUSED_COLLECTION=keep", |paper| paused(paper, false));
    table.row("collection paused 5 days ago, PAUSED_COLLECTION=end", |paper| paused(paper, true));
    table.group("not yet accepted");
    table.row("invited, canceled 2 days ago: the invite is taken back", |paper| {
        ended(paper, Status::Canceled, Some(days(2)));
        let ann = paper.ann.clone();
        paper.invited(&ann, &[MOVIES]);
    });
    table.row("no share, canceled 2 days ago", |paper| {
        ended(paper, Status::Canceled, Some(days(2)));
        paper.member().share = None;
    });
    strict(table);
    money_that_goes_back(table);
}

/// Paused `ago`, paid for until `left` from now, no invoice open; what Stripe
/// calls the cause, if it does; and when the letter about it was accepted.
fn pauses(paper: &mut Paper, ago: i64, left: i64, word: Option<&str>, told: Option<i64>) {
    ended(paper, Status::Paused, None);
    let (ann, now) = (paper.ann.clone(), paper.now);
    let billed = paper.first();
    let began = now - days(ago);
    billed.pause = Some(Pause {
        seen: began,
        began: Some(began),
        was_failing: false,
        was_paid: false,
        paid_until: Some(now + days(left)),
    });
    billed.now.paused.cause = word.map(str::to_owned);
    billed.now.open_invoices = Some(Vec::new());
    if let Some(told) = told {
        paper.told_unpaid(&ann, Some(days(told)));
        let kind = if word.is_some_and(|word| word.contains("payment")) { SpellKind::Unpaid } else { SpellKind::Break };
        paper.member().unpaid.values_mut().for_each(|spell| spell.kind = kind);
    }
}

fn trial_ended(paper: &mut Paper, ago: i64) {
    paper.first().now.trial_end = Some(paper.now - days(ago));
}

fn paused_as_a_whole(table: &mut Table) {
    table.group("paused (ON_PAUSE=end): a trial's end, as stated");
    table.row("paused 2 days ago, when the trial ended", |paper| {
        pauses(paper, 2, -2, None, None);
        trial_ended(paper, 2);
    });
    table.row("the same, and Stripe says so", |paper| {
        pauses(paper, 2, -2, Some("trial_end_without_payment_method"), None);
        trial_ended(paper, 2);
    });
    table.group("paused: a break, after the paid time and 3 days after the letter");
    table.row("paused 9 days ago, paid for 5 days more, letter accepted 9 days ago", |paper| {
        pauses(paper, 9, 5, None, Some(9));
    });
    for told in [None, Some(2), Some(3)] {
        let word = told.map_or("not yet accepted".into(), |days| format!("accepted {days} days ago"));
        table.row(&format!("paused 9 days ago, paid until 2 days ago, letter {word}"), |paper| {
            pauses(paper, 9, -2, None, told);
        });
    }
    table.row("the same, accepted 3 days ago; its trial ended 800 days ago", |paper| {
        pauses(paper, 9, -2, None, Some(3));
        trial_ended(paper, 800);
    });
    table.row("the same, accepted 3 days ago; Stripe: pause_requested, trial ended then", |paper| {
        pauses(paper, 9, -2, Some("pause_requested"), Some(3));
        trial_ended(paper, 9);
    });
    table.row("the same, but there is no way to write to them", |paper| {
        pauses(paper, 9, -2, None, Some(3));
        paper.member().unpaid.values_mut().for_each(|spell| (spell.told_at, spell.no_channel) = (None, true));
    });
    table.row("the same, accepted 3 days ago, and grandfathered", |paper| {
        pauses(paper, 9, -2, None, Some(3));
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Grandfathered);
    });
    table.row("the same, accepted 3 days ago; ON_PAUSE=keep", |paper| {
        pauses(paper, 9, -2, None, Some(3));
        paper.rules.pause_keeps = true;
    });
    table.group("paused: a break of Premium beside Basic; paid until 2 days ago");
    for told in [None, Some(2), Some(3)] {
        let word = told.map_or("not yet accepted".into(), |days| format!("accepted {days} days ago"));
        table.row(&format!("letter about what goes {word}"), |paper| beside(paper, told));
    }
    table.row("the same, accepted 3 days ago, narrowed; the other one ended 3 days ago", |paper| {
        beside(paper, Some(3));
        narrowed(paper);
    });
    table.row("the same, and the letter about the end of access was accepted 3 days ago", |paper| {
        beside(paper, Some(3));
        narrowed(paper);
        paper.member().unpaid.values_mut().for_each(|spell| spell.kind = SpellKind::Break);
    });
    table.row("there is no way to write to them", |paper| {
        beside(paper, Some(3));
        paper.member().unpaid.values_mut().for_each(|spell| (spell.told_at, spell.no_channel) = (None, true));
        paper.first().let_go = None;
    });
    table.row("why it is paused can't be told", |paper| {
        beside(paper, None);
        paper.first().now.paused.cause = Some("moon_phase".into());
    });
    table.row("the other one buys Premium as well", |paper| {
        beside(paper, None);
        paper.member().subscriptions.values_mut().for_each(|billed| billed.tiers = ["Premium".into()].into());
    });
    table.row("paused 40 days ago, access ended; resumed an hour ago", |paper| {
        pauses(paper, 40, -30, None, None);
        let ann = paper.ann.clone();
        paper.removed(&ann, days(28));
        (paper.first().now.status, paper.first().pause) = (Status::Active, None);
    });
    table.group("paused: after a failed payment, as past_due");
    for (ago, told) in [(6, Some(6)), (8, None), (8, Some(2)), (8, Some(4))] {
        let word = told.map_or("not yet accepted".into(), |days| format!("accepted {days} days ago"));
        table.row(&format!("final_payment_failure {ago} days ago, paid until then, letter {word}"), |paper| {
            pauses(paper, ago, 20, Some("final_payment_failure"), told);
        });
    }
    table.group("paused: why can't be told");
    table.row("paid for 5 days more; Stripe calls the cause \"moon_phase\"", |paper| {
        pauses(paper, 9, 5, Some("moon_phase"), None);
    });
    table.row("paid until 2 days ago; Stripe calls the cause \"moon_phase\"", |paper| {
        pauses(paper, 9, -2, Some("moon_phase"), None);
    });
    table.row("paid until 2 days ago; its invoices can't be read", |paper| {
        pauses(paper, 9, -2, None, None);
        paper.first().now.open_invoices = None;
    });
    table.row("paid until 2 days ago; paused when first seen, its trial ended before", |paper| {
        pauses(paper, 9, -2, None, None);
        trial_ended(paper, 30);
        paper.first().pause.as_mut().unwrap().began = None;
    });
    table.row("no date until which it is paid for", |paper| {
        pauses(paper, 9, -2, None, Some(3));
        paper.first().pause.as_mut().unwrap().paid_until = None;
    });
}

fn strict(table: &mut Table) {
    table.group("PAYMENT_GRACE=strict: the day count ends it, Stripe's further attempts don't");
    for (since, told) in [(6, Some(5)), (8, None), (8, Some(2)), (8, Some(3))] {
        let word = told.map_or("not yet accepted".into(), |days| format!("accepted {days} days ago"));
        table.row(&format!("past_due since {since} days, Stripe will try again, letter {word}"), |paper| {
            paper.rules.payment_grace_strict = true;
            owes(paper, Status::PastDue, since, Some(1), told);
        });
    }
    table.row("cancelled by Usher 2 days ago, letter accepted 5 days ago", |paper| {
        paper.rules.payment_grace_strict = true;
        ended(paper, Status::Canceled, Some(days(2)));
        let (ann, then) = (paper.ann.clone(), paper.now - days(2));
        paper.first().cut_off = Some(then);
        paper.told_unpaid(&ann, Some(days(5)));
    });
}

fn money_that_goes_back(table: &mut Table) {
    let reversed = |because: EndedBecause, status: Status| {
        move |paper: &mut Paper| {
            let ago = (status == Status::Canceled).then_some(days(2));
            ended(paper, status.clone(), ago);
            let at = paper.now - days(3);
            paper.first().reversed = Some(Reversed { because, id: "re_1".into(), at });
        }
    };
    table.group("ON_REFUND=end, ON_DISPUTE=end");
    table.row("all of the last payment was refunded, still active", reversed(EndedBecause::Refunded, Status::Active));
    table.row("disputed, still active", reversed(EndedBecause::Disputed, Status::Active));
    table.row("refunded, cancelled by Usher 2 days ago", reversed(EndedBecause::Refunded, Status::Canceled));
    table.row("refunded, but protected by now", |paper| {
        reversed(EndedBecause::Refunded, Status::Active)(paper);
        paper.member().home = true;
    });
}

/// A break of what bought Premium, and another subscription buys Basic. The
/// letter about what goes was accepted so many days ago.
fn beside(paper: &mut Paper, told: Option<i64>) {
    pauses(paper, 9, -2, None, told);
    let (now, ann) = (paper.now, paper.ann.clone());
    let share = paper.member().share.as_mut().unwrap();
    (share.row.sections, share.row.downloads) = ([MOVIES, TV].into(), Some(true));
    let first = paper.first();
    first.tiers = ["Premium".into()].into();
    first.now.items[0].price = "price_premium".into();
    first.let_go = told.map(|told| now - days(told) + days(3));
    paper.member().unpaid.values_mut().for_each(|spell| spell.kind = SpellKind::Narrowing);
    paper.pays(&ann, Status::Active, days(90));
    paper.member().matched_prices = ["price_premium".into(), "price_basic".into()].into();
}

/// What went is gone, and the other subscription has ended, too.
fn narrowed(paper: &mut Paper) {
    let ended = paper.now - days(3);
    let share = paper.member().share.as_mut().unwrap();
    (share.row.sections, share.row.downloads) = ([MOVIES].into(), Some(false));
    let other = paper.member().subscriptions.values_mut().last().unwrap();
    (other.now.status, other.now.ended_at) = (Status::Canceled, Some(ended));
    paper.member().matched_prices = ["price_basic".into()].into();
}

fn paused(paper: &mut Paper, ends: bool) {
    ended(paper, Status::Active, None);
    paper.rules.paused_collection_ends = ends;
    let since = paper.now - days(5);
    for billed in paper.member().subscriptions.values_mut() {
        billed.now.collection_paused = true;
        billed.paused_since = Some(since);
    }
}

/// Ann pays for this tier and has these libraries.
fn has(paper: &mut Paper, tier: &str, sections: &[usher::facts::SectionId], downloads: Option<bool>) {
    let ann = paper.ann.clone();
    paper.pays(&ann, Status::Active, days(90)).tiers = [tier.into()].into();
    paper.shares(&ann, sections, days(80));
    paper.member().share.as_mut().unwrap().row.downloads = downloads;
    let price: usher::facts::PriceId = format!("price_{}", tier.to_lowercase()).into();
    paper.member().subscriptions.values_mut().for_each(|billed| billed.now.items[0].price = price.clone());
    paper.member().matched_prices = [price].into();
}

/// Their time as a guest of Premium ended an hour ago; the share was last seen as
/// it should be while it ran.
fn was_guest(paper: &mut Paper) {
    let (since, over) = (paper.now - days(7), paper.now - TimeDelta::hours(1));
    let grant = Grant::new(GrantKind::Complimentary, since);
    let member = paper.member();
    member.grants = vec![Grant { tier: Some("Premium".into()), until: Some(over), ..grant }];
    member.matched_grants = [MadeFor::Grant { kind: GrantKind::Complimentary, since }].into();
}

pub(super) fn making_it_so(table: &mut Table) {
    table.heading(
        "R6  Making it so",
        &["No share: invite. Another share: update in place. Gone without us: not re-made."],
    );
    table.group("a payer without a share");
    for (word, ago) in [("an hour", TimeDelta::hours(1)), ("3 days", days(3))] {
        table.row(&format!("paid {word} ago"), |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, ago);
        });
    }
    table.row("past due, never had a share", |paper| {
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::PastDue, days(2), Some(days(1)));
    });
    table.row("past due since 2 days, no share, removed for it before", |paper| {
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::PastDue, days(2), Some(days(1)));
        let standing = paper.member().subscriptions.keys().cloned().collect();
        let at = paper.now - days(20);
        paper.member().gone =
            Some(Gone { at, by_us: true, why: "not paid".into(), standing, was_invite: false, row: None });
    });
    table.row("past due since 10 days, no share, no attempt left", |paper| {
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::PastDue, days(10), None);
    });
    table.row("canceled an hour ago, no share", |paper| {
        let ann = paper.ann.clone();
        paper.ended(&ann, TimeDelta::hours(1));
    });
    table.row("invited already", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(2));
        paper.invited(&ann, &[MOVIES]);
    });
    table.row("invited already, to other libraries than the tier's", |paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(2));
        paper.invited(&ann, &[TV]);
    });
    for (word, by_us, same) in [
        ("the invite went away without us, the same subscription stands", false, true),
        ("the share went away without us, then a new subscription", false, false),
        ("we removed them, then a new subscription", true, false),
    ] {
        table.row(word, |paper| {
            let ann = paper.ann.clone();
            let sub = paper.pays(&ann, Status::Active, TimeDelta::hours(2)).now.id.clone();
            let standing = if same { [sub].into() } else { std::collections::BTreeSet::new() };
            let at = paper.now - days(1);
            paper.member().gone = Some(Gone { at, by_us, why: "gone".into(), standing, was_invite: false, row: None });
        });
    }
    table.row("complimentary, no share", |paper| {
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Complimentary);
        paper.member().grants[0].libraries = Some([MOVIES].into());
    });
    table.row("by hand, no share: nothing to re-make", |paper| {
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::ByHand);
    });
    table.group("an invite that waits (INVITE_DAYS 14); an unaccepted one taken back is no removal");
    for (word, ago) in [("13", 13), ("15", 15)] {
        table.row(&format!("a payer's, for {word} days"), |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(20));
            paper.waits(&ann, days(ago));
        });
        table.row(&format!("for a complimentary place, for {word} days"), |paper| {
            let ann = paper.ann.clone();
            paper.grant(&ann, GrantKind::Complimentary);
            paper.waits(&ann, days(ago));
        });
    }
    table.row("for a complimentary place and by hand, for 15 days", |paper| {
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Complimentary);
        paper.grant(&ann, GrantKind::ByHand);
        paper.waits(&ann, days(15));
    });
    table.row("made by hand in Plex, for 15 days", |paper| {
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::ByHand);
        paper.waits(&ann, days(15));
        paper.member().made.clear();
    });
    table.group("SEATS");
    for (seats, word) in [(2, "one of 2 is free"), (1, "the only one is taken")] {
        table.row(&format!("paid an hour ago; {word}"), |paper| {
            paper.rules.seats = Some(seats);
            paper.friend("bob", days(1));
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, TimeDelta::hours(1));
        });
    }
    table.row("two paid an hour ago; one of 2 is free: who paid first", |paper| {
        paper.rules.seats = Some(2);
        paper.friend("bob", days(1));
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, TimeDelta::hours(1));
        let cleo = paper.person("cleo");
        paper.pays(&cleo, Status::Active, TimeDelta::hours(2));
    });
    table.group("a payer whose share differs");
    table.row("Basic, has Movies", |paper| has(paper, "Basic", &[MOVIES], Some(false)));
    table.row("Premium, has Movies: upgraded", |paper| {
        has(paper, "Premium", &[MOVIES], Some(false));
        paper.member().matched_prices = ["price_basic".into()].into();
    });
    table.row("Basic, has Movies and TV with downloads: downgraded", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(true));
        paper.member().matched_prices = ["price_premium".into()].into();
    });
    table.row("Basic, has Movies and TV: the tier was edited, or changed in Plex", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(false));
    });
    table.row("Basic, has all with downloads, was a guest of Premium until an hour ago", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(true));
        was_guest(paper);
    });
    table.row("the same, and the guest's time gave no downloads", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(true));
        was_guest(paper);
        paper.member().grants[0].tier = Some("Basic".into());
    });
    table.row("Basic, has TV only", |paper| {
        has(paper, "Basic", &[TV], Some(false));
    });
    table.row("Premium, has all, downloads off", |paper| has(paper, "Premium", &[MOVIES, TV], Some(false)));
    table.row("Premium, has all, downloads off, settings unreadable", |paper| {
        has(paper, "Premium", &[MOVIES, TV], Some(false));
        paper.member().share.as_mut().unwrap().row.settings = None;
    });
    table.row("Premium, has all, downloads off, and shares on our other servers", |paper| {
        has(paper, "Premium", &[MOVIES, TV], Some(false));
        let account = paper.member().plex.unwrap();
        paper.world.plex.whole_mut().unwrap().value.on_other_servers.insert(account);
    });
    table.row("Basic, has all, part of it by hand since before", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(false));
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::ByHand);
        paper.member().grants[0].libraries = Some([TV].into());
    });
    table.row("Premium ended 5 days ago, has all; had Movies by hand before", |paper| {
        has(paper, "Premium", &[MOVIES, TV], Some(true));
        let ann = paper.ann.clone();
        let end = paper.now - days(5);
        for billed in paper.member().subscriptions.values_mut() {
            billed.now.status = Status::Canceled;
            billed.now.ended_at = Some(end);
        }
        paper.grant(&ann, GrantKind::ByHand);
        paper.watched(&ann, days(1));
        paper.member().grants[0].libraries = Some([MOVIES].into());
        paper.member().grants[0].downloads = Some(false);
    });
    table.row("all libraries by the flag, Premium", |paper| {
        has(paper, "Premium", &[], Some(true));
        paper.member().share.as_mut().unwrap().row.all_libraries = true;
    });
    table.row("Basic, has all; another subscription of theirs is not understood", |paper| {
        has(paper, "Basic", &[MOVIES, TV], Some(false));
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Unknown("frozen".into()), days(5));
    });
}

/// The tiers file says something else.
fn basic_is(paper: &mut Paper, wanted: Wanted) {
    let Tiers::File(tiers) = &mut paper.rules.tiers else { return };
    tiers[0].libraries = wanted;
}

fn titles(titles: &[&str]) -> Wanted {
    Wanted::Titles(titles.iter().map(|title| (*title).to_owned()).collect())
}

pub(super) fn libraries(table: &mut Table) {
    table.heading("R7  Libraries", &["What doesn't resolve is told and shares nothing; never all by mistake."]);
    let pays = |paper: &mut Paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    };
    table.row("Basic names a title that the server doesn't have", |paper| {
        pays(paper);
        basic_is(paper, titles(&["Movies", "Moovies"]));
    });
    table.row("the same, and they have Movies", |paper| {
        has(paper, "Basic", &[MOVIES], Some(false));
        basic_is(paper, titles(&["Movies", "Moovies"]));
    });
    table.row("Basic is everything but Movies and TV: nothing, which Plex reads as all", |paper| {
        pays(paper);
        basic_is(paper, Wanted::Everything { except: vec!["Movies".into(), "TV".into()] });
    });
    table.row("Basic is everything", |paper| {
        pays(paper);
        basic_is(paper, Wanted::Everything { except: Vec::new() });
    });
    table.row("Basic is everything, taken up when there was only Movies", |paper| {
        pays(paper);
        basic_is(paper, Wanted::Everything { except: Vec::new() });
        paper.book.libraries.everything.insert("Basic".into(), [MOVIES].into());
    });
    table.row("plex.tv lists fewer libraries than before", |paper| {
        pays(paper);
        paper.book.libraries.shorter_since = Some(paper.now);
    });
    table.row("the libraries have not been read yet", |paper| {
        pays(paper);
        paper.book.libraries.known.clear();
    });
    table.row("the title was renamed to Films after it was taken up", |paper| {
        pays(paper);
        paper.book.libraries.titles.insert("movies".into(), MOVIES);
        paper.book.libraries.known.get_mut(&MOVIES).unwrap().title = "Films".into();
    });
    // The tiers file says these from now on.
    let becomes = |paper: &mut Paper, tiers: &[(&str, &str, &[&str])]| {
        follow::take_up(&mut paper.book, &paper.rules.tiers);
        let tier = |(name, price, opens): &(&str, &str, &[&str])| {
            let prices = [PriceId::from(*price)].into();
            Tier { prices, ..Tier::of(name, Wanted::Titles(opens.iter().map(|title| (*title).to_owned()).collect())) }
        };
        paper.rules.tiers = Tiers::File(tiers.iter().map(tier).collect());
        follow::take_up(&mut paper.book, &paper.rules.tiers);
    };
    table.row("the tier has another name, they have Movies", |paper| {
        has(paper, "Basic", &[MOVIES], Some(false));
        becomes(paper, &[("Silver", "price_basic", &["Movies"])]);
    });
    table.row("Basic and Premium have swapped their names, they have Movies", |paper| {
        has(paper, "Basic", &[MOVIES], Some(false));
        becomes(paper, &[("Premium", "price_basic", &["Movies"]), ("Basic", "price_premium", &["Movies", "TV"])]);
    });
    table.row("the tier is gone from the file, they have Movies", |paper| {
        has(paper, "Basic", &[MOVIES], Some(false));
        paper.rules.tiers = Tiers::File(Vec::new());
    });
    table.row("a share of a pending invite is left as it is", |paper| {
        has(paper, "Premium", &[MOVIES], Some(false));
        paper.member().share.as_mut().unwrap().row.state = ShareState::Pending { invited_at: None };
    });
}
