//! The promises, as questions to the record (DESIGN §5). Pure: the same record
//! has the same answer, so a forged one shows that they can be broken.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sandbox::stripe::Status;
use usher::facts::{Moment, PlexId};

use super::record::{Deletion, Kind, Record, Stood};

/// The record is taken hourly.
const HOUR: TimeDelta = TimeDelta::hours(1);
const WARN: TimeDelta = TimeDelta::days(27);
const KICK: TimeDelta = TimeDelta::days(30);
const SETTLE: TimeDelta = TimeDelta::hours(24);
const GRACE: TimeDelta = TimeDelta::days(7);
/// Between an accepted *payment failed* letter and the end.
const AFTER_LETTER: TimeDelta = TimeDelta::days(3);

/// Every promise that this record breaks.
pub fn broken(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for gone in record.deletions.iter().filter(|gone| gone.accepted) {
        if let Err(why) = deserved(record, gone) {
            let name = gone.who.map_or("somebody", |who| record.name(who));
            broken.push(format!("{}: {name} was removed {}: {why}", promise(&why), gone.at));
        }
    }
    broken.extend(wrongful_warnings(record));
    broken.extend(wrongful_invites(record));
    broken.extend(letters_twice(record));
    broken
}

fn promise(why: &str) -> &'static str {
    match why {
        why if why.contains("protected") => "promise 8",
        why if why.contains("warn") || why.contains("letter") => "promise 1",
        why if why.contains("pays") => "promise 4",
        _ => "promise 2",
    }
}

/// Why this removal was right, or what was wrong with it.
fn deserved(record: &Record, gone: &Deletion) -> Result<(), String> {
    let who = gone.who.ok_or("nobody knows who it was")?;
    let known = record.people.get(&who).ok_or("a stranger to the town")?;
    if known.protected {
        return Err("they are protected".into());
    }
    if let Some((sub, _)) = record.subs_of(who).find(|(_, sub)| sub.pays_at(gone.at)) {
        return Err(format!("{sub} pays"));
    }
    let invite = record.invites.iter().find(|invite| invite.share == gone.share);
    let by_hand = invite.is_none();
    let stay = record.stays.iter().find(|stay| stay.share == gone.share).ok_or("they had no share")?;
    let over = |stood: &Stood| matches!(stood.status, Status::Canceled | Status::IncompleteExpired);
    let for_a_sub = record.subs_of(who).any(|(_, sub)| sub.at(stay.from).is_some_and(|stood| !over(stood)));
    if by_hand && !for_a_sub {
        return idle_long_enough(record, who, stay.from, gone.at, known.unreachable);
    }
    // Who takes up an invite when what it was for is over already has to go.
    let since = invite.map_or(stay.from, |invite| invite.at);
    let lapsed = paid_time_over(record, who, since, gone.at, known.unreachable);
    if by_hand {
        lapsed.or_else(|_| idle_long_enough(record, who, stay.from, gone.at, known.unreachable))
    } else {
        lapsed
    }
}

/// Warned in this spell, long enough ago, and idle all the while.
fn idle_long_enough(record: &Record, who: PlexId, joined: Moment, at: Moment, unreachable: bool) -> Result<(), String> {
    // A play is written down within the hour in which it ends.
    let last = record.last_play(who, at - HOUR).map_or(joined, |play| play.max(joined));
    let idle = at - last + HOUR - record.blind_between(last, at);
    if idle < KICK {
        return Err(format!("idle for only {} hours, the last play was {last}", idle.num_hours()));
    }
    let warned = |mail: &&super::record::Mail| mail.at > last - HOUR && mail.at <= at - (KICK - WARN) + HOUR;
    if !unreachable && !record.mails_to(who, Kind::Warning).any(|mail| warned(&mail)) {
        return Err("no warning was accepted in this spell, 3 days before".into());
    }
    Ok(())
}

/// Stripe states the end of everything they had, or the grace is over. What
/// had ended before that, they had come in without it.
fn paid_time_over(record: &Record, who: PlexId, since: Moment, at: Moment, unreachable: bool) -> Result<(), String> {
    let mut any = false;
    for (id, sub) in record.subs_of(who) {
        let Some(stood) = sub.at(at).filter(|stood| stood.ended_at.is_none_or(|ended| ended > since)) else {
            continue;
        };
        any = true;
        let told = |since: Moment| {
            let told = |mail: &super::record::Mail| mail.at >= since - HOUR && mail.at <= at - AFTER_LETTER + HOUR;
            unreachable || record.mails_to(who, Kind::PaymentFailed).any(told)
        };
        let unpaid_since = || {
            let until_then = sub.stood.iter().rev().skip_while(|stood| stood.since > at);
            let since = until_then.take_while(|stood| !matches!(stood.status, Status::Active));
            since.map(|stood| stood.since).min().unwrap_or(at)
        };
        match stood.status {
            Status::Canceled | Status::IncompleteExpired => {
                let ended = stood.ended_at.ok_or_else(|| format!("{id} ended nobody knows when"))?;
                if at < ended + SETTLE {
                    return Err(format!("{id} ended only {ended}"));
                }
                if stood.unpaid && !told(unpaid_since()) {
                    return Err(format!("{id} was unpaid, and no letter about it was accepted 3 days before"));
                }
            }
            Status::PastDue | Status::Unpaid => {
                let since = unpaid_since();
                if at + HOUR < since + GRACE {
                    return Err(format!("{id} is unpaid only since {since}: it has grace"));
                }
                if !told(since) {
                    return Err(format!("{id} is unpaid, and no letter about it was accepted 3 days before"));
                }
            }
            Status::Incomplete => {}
            other => return Err(format!("{id} is {other:?}")),
        }
    }
    if any { Ok(()) } else { Err("they never had a subscription that could end".into()) }
}

fn wrongful_warnings(record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (who, known) in &record.people {
        let mut spells: BTreeMap<Option<Moment>, &str> = BTreeMap::new();
        for mail in record.mails_to(*who, Kind::Warning) {
            if known.protected {
                wrong.push(format!("promise 8: {} is protected and was warned {}", known.name, mail.at));
            }
            // What was played in the last hours may not have been read yet.
            let last = record.last_play(*who, mail.at - HOUR * 3);
            let joined = record.stays.iter().filter(|stay| stay.who == *who && stay.from <= mail.at);
            let since = last.max(joined.map(|stay| stay.from).max());
            if since.is_some_and(|since| mail.at - since + HOUR < WARN) {
                wrong.push(format!("{} was warned {} though they watched or came {since:?}", known.name, mail.at));
            }
            let first = spells.entry(since).or_insert(&mail.message_id);
            if *first != mail.message_id {
                wrong.push(format!("promise 7: {} was warned twice in one spell, {}", known.name, mail.at));
            }
        }
    }
    wrong
}

/// An invite needs a running subscription, and a second one for the same
/// subscription needs a removal of ours in between.
fn wrongful_invites(record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (i, invite) in record.invites.iter().enumerate() {
        if invite.everything {
            wrong.push(format!("promise 3: everything was shared {}", invite.at));
        }
        let Some(who) = invite.who else {
            wrong.push(format!("somebody unknown was invited {}", invite.at));
            continue;
        };
        let name = record.name(who);
        let paying: Vec<&String> =
            record.subs_of(who).filter(|(_, sub)| sub.pays_at(invite.at)).map(|(id, _)| id).collect();
        if paying.is_empty() {
            wrong.push(format!("{name} was invited {} and pays nothing", invite.at));
        }
        let Some(earlier) = record.invites[..i].iter().rev().find(|earlier| earlier.who == Some(who)) else { continue };
        let same = paying.iter().all(|id| record.subs[*id].began <= earlier.at);
        let removed =
            record.deletions.iter().any(|gone| gone.who == Some(who) && gone.at >= earlier.at && gone.at <= invite.at);
        if same && !removed {
            wrong.push(format!("{name} was invited {} and again {} for the same reason", earlier.at, invite.at));
        }
    }
    wrong
}

/// The same letter twice only where the answer was lost, by the wire or the
/// plug; and one farewell for each removal.
fn letters_twice(record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_id: BTreeMap<(Option<PlexId>, &str), Vec<&super::record::Mail>> = BTreeMap::new();
    for mail in &record.mails {
        by_id.entry((mail.to, &mail.message_id)).or_default().push(mail);
    }
    for ((to, id), mails) in by_id {
        for pair in mails.windows(2) {
            let plug = |at: &Moment| *at >= pair[0].at - HOUR && *at <= pair[1].at;
            if !pair[0].answer_lost && !record.plugs.iter().any(plug) {
                let to = to.map_or("the operator", |who| record.name(who));
                wrong.push(format!("promise 7: {id} went to {to} {} and again {}", pair[0].at, pair[1].at));
            }
        }
    }
    for who in record.people.keys() {
        let different = |kind| {
            let mut ids: Vec<_> = record.mails_to(*who, kind).map(|mail| mail.message_id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids.len()
        };
        let removals = record.deletions.iter().filter(|gone| gone.accepted && gone.who == Some(*who)).count();
        let stays = record.stays.iter().filter(|stay| stay.who == *who).count();
        let invites = record.invites.iter().filter(|invite| invite.who == Some(*who)).count();
        for (kind, most) in
            [(Kind::Ended, removals), (Kind::Welcome, stays), (Kind::Invited, invites), (Kind::Reminder, 2 * invites)]
        {
            if different(kind) > most {
                let name = record.name(*who);
                let when: Vec<String> = record.mails_to(*who, kind).map(|mail| mail.at.to_string()).collect();
                let many = different(kind);
                let seen = record.last_seen_of(*who);
                wrong
                    .push(format!("promise 7: {name} got {many} letters {kind:?} for {most} causes: {when:?}\n{seen}"));
            }
        }
    }
    wrong
}

/// Promise 4, asked when everything has been well for long: payers (of longer
/// than that) who are outside and didn't leave by themselves.
pub fn payers_outside(record: &Record, now: Moment, longer: TimeDelta, is_in: impl Fn(PlexId) -> bool) -> Vec<String> {
    let mut outside = Vec::new();
    for (who, known) in &record.people {
        let paying = |at: Moment| record.subs_of(*who).any(|(_, sub)| sub.pays_at(at));
        if is_in(*who) || !(0..=longer.num_hours()).all(|hours| paying(now - TimeDelta::hours(hours))) {
            continue;
        }
        let new_since = |left: Moment| record.subs_of(*who).any(|(_, sub)| sub.pays_at(now) && sub.began > left);
        let last_left = record.left.iter().filter(|left| left.who == *who).map(|left| left.at).max();
        if last_left.is_none_or(new_since) {
            outside.push(format!(
                "promise 4: {} pays and has been outside for {} h, {now}",
                known.name,
                longer.num_hours()
            ));
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::super::record::{Known, Mail, Stay, Sub};
    use super::*;
    use usher::facts::ShareId;

    fn at(days: i64) -> Moment {
        sandbox::time::moment(sandbox::rig::BEGINNING) + TimeDelta::days(days)
    }

    fn ended(who: PlexId, began: i64, ended: i64, unpaid: bool) -> Sub {
        let stood = |since, status, ended_at| Stood { since, status, ended_at, unpaid };
        let over = stood(at(ended), Status::Canceled, Some(at(ended)));
        Sub { who, began: at(began), stood: vec![stood(at(began), Status::Active, None), over] }
    }

    /// Ann, whose share by Usher stood from day 41 to day 72.
    fn removed_ann() -> Record {
        let (who, share) = (PlexId(7), ShareId(1));
        let mut record = Record::default();
        record.people.insert(who, Known { name: "ann".into(), protected: false, unreachable: false });
        record.stays.push(Stay { who, share, from: at(41) });
        let invite = super::super::record::Invite { at: at(40), who: Some(who), share, everything: false };
        record.invites.push(invite);
        record.subs.insert("sub_2".into(), ended(who, 40, 70, false));
        record.deletions.push(Deletion { at: at(72), who: Some(who), share, accepted: true, house: 9 });
        record
    }

    #[test]
    fn what_ended_unpaid_before_they_came_back_is_no_cause_of_the_next_end() {
        let mut record = removed_ann();
        record.subs.insert("sub_1".into(), ended(PlexId(7), 0, 30, true));
        assert_eq!(broken(&record), Vec::<String>::new());
    }

    #[test]
    fn what_ended_unpaid_while_they_were_in_needs_its_letter() {
        let mut record = removed_ann();
        record.subs.insert("sub_2".into(), ended(PlexId(7), 40, 70, true));
        assert!(broken(&record).join("").contains("promise 1: ann"), "{:?}", broken(&record));
        record.mails.push(Mail {
            at: at(68),
            to: Some(PlexId(7)),
            kind: Kind::PaymentFailed,
            message_id: "1".into(),
            answer_lost: false,
        });
        record.subs.insert("sub_2".into(), {
            let mut sub = ended(PlexId(7), 40, 70, true);
            sub.stood.insert(1, Stood { since: at(67), status: Status::PastDue, ended_at: None, unpaid: true });
            sub
        });
        assert_eq!(broken(&record), Vec::<String>::new());
    }
}
