//! R10: letters. These rows show what is owed after one decision, and how each
//! channel stands with it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use usher::facts::Status;
use usher::ledger::{Audience, Channel, Delivered, Delivery, DeliveryOutcome, Letter, Notice, NoticeKey, Owed};
use usher::policy::decide;

use super::Table;
use crate::paper::{MOVIES, Paper, TV, days};

fn state(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Due { .. } => "due",
        Delivery::Sending { .. } => "handed out",
        Delivery::Accepted { .. } => "accepted",
        Delivery::Imagined { .. } => "counts as accepted",
        Delivery::NoChannel => "no channel",
        Delivery::Refused { .. } => "refused",
        Delivery::Cancelled { .. } => "cancelled",
    }
}

fn words(notice: &Notice) -> String {
    let to = match notice.audience {
        Audience::Member => "member",
        Audience::Operator => "you",
    };
    let ways = notice.deliveries.iter().map(|(channel, delivery)| {
        let channel = match channel {
            Channel::Mail => "mail",
            Channel::Discord => "Discord",
        };
        format!("{channel} {}", state(delivery))
    });
    format!("{} to {to}: {}", notice.letter.kind(), ways.collect::<Vec<_>>().join(", "))
}

/// What is owed after one decision, without what was in the outbox before.
fn owed(mut paper: Paper) -> String {
    let before: Vec<NoticeKey> = paper.book.outbox.keys().cloned().collect();
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let new = paper.book.outbox.iter().filter(|(key, _)| !before.contains(key));
    let all: Vec<String> = new.map(|(_, notice)| words(notice)).collect();
    if all.is_empty() { "nothing".into() } else { all.join("; ") }
}

fn letters_row(table: &mut Table, what: &str, make: impl FnOnce(&mut Paper)) {
    let mut paper = Paper::new();
    make(&mut paper);
    table.result(what, &owed(paper));
}

fn fails(paper: &mut Paper) {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(299));
    paper.owes(&ann, Status::PastDue, days(1), Some(days(1)));
    paper.member().made.insert(usher::facts::ShareId(1));
}

fn ends_in(paper: &mut Paper, left: i64) {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(299));
    let end = paper.now + days(left);
    paper.pays(&ann, Status::Active, days(300)).now.cancel_at = Some(end);
}

pub(super) fn letters(table: &mut Table) {
    table.heading(
        "R10  Letters",
        &["What one decision comes to owe, and to whom. Each at most once; fixed when it is first sent."],
    );
    table.group("a payment failed yesterday");
    letters_row(table, "mail and Discord are set up", fails);
    letters_row(table, "SMTP off", |paper| {
        fails(paper);
        paper.rules.ways.mail = false;
        paper.rules.ways.operator_mail = false;
    });
    letters_row(table, "no address at Stripe", |paper| {
        fails(paper);
        paper.member().customers.values_mut().for_each(|payer| payer.mail_to = None);
    });
    letters_row(table, "dry run", |paper| {
        fails(paper);
        paper.rules.ways.dry_run = true;
    });
    letters_row(table, "and the letter is owed already", |paper| {
        fails(paper);
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    });
    table.group("EXPIRY_WARN_DAYS=7,3; a subscription is set to end");
    for left in [9, 6, 2] {
        letters_row(table, &format!("in {left} days"), |paper| ends_in(paper, left));
    }
    letters_row(table, "in 6 days, and grandfathered: nothing ends", |paper| {
        ends_in(paper, 6);
        let ann = paper.ann.clone();
        paper.grant(&ann, usher::ledger::GrantKind::Grandfathered);
    });
    table.group("other occasions");
    letters_row(table, "idle for 28 days", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(28));
    });
    letters_row(table, "idle for 28 days, their address bounced on two days", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(28));
        let day = paper.now.date_naive();
        paper.member().bounces = [day, day - days(1)].into();
    });
    letters_row(table, "UNMANAGED=require-subscription, in by hand", |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(1));
        paper.rules.unmanaged_days = Some(14);
    });
    for ago in [2, 4, 11] {
        letters_row(table, &format!("a payer's invite has waited for {ago} days"), |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(20));
            paper.waits(&ann, days(ago));
        });
    }
    letters_row(table, "access that nothing stands for", |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES, TV], days(100));
    });
    letters_row(table, "a letter could not be sent for 8 days", |paper| {
        welcome(paper, days(8), Some("connection refused"));
    });
    table.group("a welcome letter (worth sending for 3 days) comes to be sent");
    for ago in [2, 4] {
        let mut paper = Paper::new();
        let key = welcome(&mut paper, days(ago), None);
        paper.book.hand_out(Channel::Mail, &[Audience::Member], "attic.example", false, paper.now);
        table.result(&format!("{ago} days after it came to be owed"), &words(&paper.book.outbox[&key]));
    }
    late(table);
}

/// What a letter says that came to be owed `ago`, and whose first try certainly
/// failed (or may be out); by then `spoil` has happened.
fn late_row(table: &mut Table, what: &str, ago: i64, may_be_out: bool, make: fn(&mut Paper), spoil: fn(&mut Paper)) {
    let mut paper = Paper::new();
    paper.now -= days(ago);
    paper.book.committed -= days(ago);
    make(&mut paper);
    let decide = |paper: &mut Paper| {
        decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    };
    decide(&mut paper);
    let member = |notice: &&Notice| notice.audience == Audience::Member;
    let key = paper.book.outbox.values().find(member).expect("a letter").key.clone();
    let before = said(&paper, &key);
    let sent = crate::paper::hand_out(&mut paper.book, &key, paper.now).expect("due");
    let why = "the connection was lost".to_owned();
    let outcome = match may_be_out {
        true => DeliveryOutcome::Unknown { why },
        false => DeliveryOutcome::Later { why, after_secs: None },
    };
    paper.book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome }, paper.now);
    paper.now += days(ago);
    spoil(&mut paper);
    decide(&mut paper);
    let after = match &paper.book.outbox[&key].deliveries[&Channel::Mail] {
        Delivery::Cancelled { why, .. } => format!("cancelled: {why}"),
        _ => {
            let again = crate::paper::hand_out(&mut paper.book, &key, paper.now).expect("due");
            let id = if again.first == sent.first { "the same Message-ID" } else { "a new Message-ID" };
            format!("{}; {id}", said(&paper, &key))
        }
    };
    table.result(what, &format!("{before} -> {after}"));
}

/// The days that it names.
fn said(paper: &Paper, key: &NoticeKey) -> String {
    match &paper.book.outbox[key].letter {
        Letter::AccessEnding { days_left, .. } => format!("ends in {days_left} days"),
        Letter::PaymentFailed { access_until, next_attempt, .. } => {
            let day =
                |day: &Option<chrono::NaiveDate>| day.map_or("-".to_owned(), |day| day.format("%-d %b").to_string());
            format!("until {}, next try {}", day(access_until), day(next_attempt))
        }
        Letter::InactivityWarning { idle_days, until, .. } => {
            format!("idle for {idle_days}, until {}", until.format("%-d %b"))
        }
        Letter::Subscribe { until, .. } => format!("until {}", until.format("%-d %b")),
        other => other.words(),
    }
}

fn late(table: &mut Table) {
    table.group("late, on 31 January: a letter whose first try failed, or (*) may be out");
    let same: fn(&mut Paper) = |_| ();
    let idle: fn(&mut Paper) = |paper| {
        let ann = paper.ann.clone();
        paper.make_friend(&ann, days(28));
    };
    for (may_be_out, star) in [(false, ""), (true, "*")] {
        late_row(table, &format!("AccessEnding, owed 1 day ago{star}"), 1, may_be_out, |paper| ends_in(paper, 6), same);
        late_row(table, &format!("InactivityWarning, owed 2 days ago{star}"), 2, may_be_out, idle, same);
        late_row(table, &format!("InactivityWarning, owed 9 days ago{star}"), 9, may_be_out, idle, same);
        let asked: fn(&mut Paper) = |paper| {
            let ann = paper.ann.clone();
            paper.make_friend(&ann, days(1));
            paper.rules.unmanaged_days = Some(14);
        };
        let watches: fn(&mut Paper) = |paper| {
            let ann = paper.ann.clone();
            paper.watched(&ann, days(1));
        };
        late_row(table, &format!("Subscribe, owed 20 days ago{star}"), 20, may_be_out, asked, watches);
        let failing: fn(&mut Paper) = |paper| {
            let ann = paper.ann.clone();
            paper.shares(&ann, &[MOVIES], days(299));
            paper.owes(&ann, Status::PastDue, days(1), Some(days(2)));
        };
        late_row(table, &format!("PaymentFailed, owed 4 days ago{star}"), 4, may_be_out, failing, same);
        late_row(
            table,
            &format!("AccessEnding, owed 8 days ago{star}"),
            8,
            may_be_out,
            |paper| ends_in(paper, 6),
            same,
        );
        late_row(table, &format!("InactivityWarning, and they watched{star}"), 1, may_be_out, idle, watches);
    }
}

/// A welcome that came to be owed `ago`.
fn welcome(paper: &mut Paper, ago: TimeDelta, failed: Option<&str>) -> NoticeKey {
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let letter = Letter::Welcome { libraries: Vec::new(), downloads: false };
    let owed = Owed::to_member(&paper.book.members[&ann], "share-1", letter, days(3));
    let key = paper.book.owe(owed, paper.rules.ways, paper.now - ago);
    if let Some(why) = failed {
        let not_before = paper.now + days(1);
        let due = Delivery::Due { not_before, tries: 9, last_error: Some(why.into()) };
        paper.book.outbox.get_mut(&key).unwrap().deliveries = BTreeMap::from([(Channel::Mail, due)]);
    }
    key
}
