//! R6: an invite's days, to the day, and who has a seat.

use chrono::TimeDelta;
use usher::facts::Status;
use usher::ledger::{Act, ActKey, GrantKind, IntentState, InviteRefused, InviteTo, Letter};
use usher::policy::plan::Doing;
use usher::policy::{pending, two_reports};

use crate::paper::{MOVIES, Paper, days, noon};

/// Ann is a guest, and her invite has waited so many days.
fn guest(waited: i64) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.waits(&ann, days(waited));
    paper.grant(&ann, GrantKind::Complimentary);
    paper
}

#[test]
fn a_reminder_goes_out_on_day_3_or_10_or_in_the_days_after_and_names_the_last_day() {
    for (waited, day) in
        [(2, None), (3, Some(3)), (5, Some(3)), (6, None), (9, None), (10, Some(10)), (12, Some(10)), (13, None)]
    {
        let mut paper = guest(waited);
        pending::remind(paper.now, &paper.rules, &paper.world, &mut paper.book);
        let told = paper.book.outbox.values().find_map(|notice| match &notice.letter {
            Letter::InviteReminder { lapses, days_ago, .. } => {
                assert_eq!((*days_ago, *lapses), (waited, Some(paper.rules.day_of(paper.now + days(14 - waited)))));
                Some(notice.key.0.contains("-day-10"))
            }
            _ => None,
        });
        assert_eq!(told, day.map(|day| day == 10), "after {waited} days");
    }
}

#[test]
fn time_alone_changes_an_invite_on_its_days() {
    let paper = guest(1);
    let sent = paper.now - days(1);
    let deadlines: Vec<_> = pending::deadlines(paper.scene(), &paper.book.members[&paper.ann]).collect();
    assert_eq!(deadlines, [3, 10, 14].map(|day| sent + days(day)));
}

#[test]
fn a_seat_is_had_by_who_is_in_or_invited_or_about_to_be_and_by_nobody_else() {
    let mut paper = Paper::new();
    paper.rules.seats = Some(10);
    let ann = paper.ann.clone();
    let free = |paper: &Paper| pending::seats_free(paper.scene()).unwrap();
    assert_eq!(free(&paper), 10, "an account alone has none");
    paper.make_friend(&ann, days(1));
    assert_eq!(free(&paper), 9);
    let bob = paper.person("bob");
    paper.invited(&bob, &[MOVIES]);
    assert_eq!(free(&paper), 8);
    let cleo = paper.person("cleo");
    paper.pays(&cleo, Status::Active, days(3));
    assert_eq!(free(&paper), 7, "about to be invited");
    paper.of(&cleo).blocked = Some(paper.now);
    assert_eq!(free(&paper), 8, "who is revoked is not");
    let dan = paper.person("dan");
    paper.grant(&dan, GrantKind::Complimentary);
    assert_eq!(free(&paper), 7);
    paper.of(&dan).grants[0].until = Some(paper.now);
    assert_eq!(free(&paper), 8, "it is over");
    let eve = paper.friend("eve", days(1));
    paper.pays(&eve, Status::Active, days(3));
    paper.left(&eve, days(2));
    assert_eq!(free(&paper), 8, "who went away is not invited again by itself");
    paper.rules.seats = Some(1);
    assert_eq!(free(&paper), 0);
}

#[test]
fn without_a_seat_only_invites_wait_and_one_that_was_tried_keeps_its_place() {
    let mut paper = Paper::new();
    paper.rules.seats = Some(1);
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.ended(&ann, days(3));
    let bob = paper.person("bob");
    paper.pays(&bob, Status::Active, days(3));
    let acts = |paper: &Paper| -> Vec<Act> {
        let doing = paper.plan().proposals.into_iter().map(|proposal| proposal.doing);
        doing.map(|doing| if let Doing::Act(act) = doing { act } else { panic!("{doing:?}") }).collect()
    };
    assert!(matches!(&acts(&paper)[..], [Act::End { .. }]), "a removal waits for no seat: it frees one");
    paper.rules.seats = None;
    let plan = paper.plan();
    let invite = plan.proposals.iter().find(|proposal| proposal.member == bob).unwrap();
    let key: ActKey = invite.key.clone();
    let Doing::Act(act) = invite.doing.clone() else { panic!() };
    let now = paper.now;
    paper.intends(key, &bob, act, days(0)).state = IntentState::Attempted { at: now };
    paper.rules.seats = Some(1);
    assert_eq!(acts(&paper).len(), 2, "Plex may have it already");
    assert_eq!(paper.plan().problems, []);
}

#[test]
fn every_refusal_is_forgotten_after_a_day() {
    let second = TimeDelta::seconds(1);
    let refused = InviteRefused { at: noon(), by_id: true, by_email: true, unknown: None, why: "no".into() };
    assert!(refused.stands(noon() + days(1) - second) && !refused.stands(noon() + days(1)));
}

#[test]
fn a_refusal_of_an_old_book_loads_without_what_it_said_of_doubt() {
    let old = r#"{"at":"2026-11-01T12:00:00Z","by_id":true,"by_email":false,"why":"404","in_doubt_since":"2026-11-01T12:00:00Z"}"#;
    let refused: InviteRefused = serde_json::from_str(old).unwrap();
    assert_eq!((refused.by_id, refused.by_email, refused.why.as_str()), (true, false, "404"));
}

#[test]
fn who_is_invited_once_more_stays_on_the_list_of_who_pays_and_is_outside() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.pays(&ann, Status::Active, days(3));
    paper.member().invite_refused =
        Some(InviteRefused { at: now - days(1), by_id: true, by_email: true, unknown: None, why: "404".into() });
    let tell = |paper: &mut Paper| {
        two_reports::tell(paper.now, &paper.rules, &paper.world, &mut paper.book, &[]);
        std::mem::take(&mut paper.book.outbox).len()
    };
    assert_eq!(tell(&mut paper), 1);
    let [proposal] = &paper.plan().proposals[..] else { panic!("she is invited once more") };
    let Doing::Act(act @ Act::Invite { to: InviteTo::Account(_), .. }) = &proposal.doing else {
        panic!("{proposal:?}")
    };
    let key = proposal.key.clone();
    let act = act.clone();
    paper.intends(key, &ann, act, days(0));
    assert_eq!(tell(&mut paper), 0, "it is under way");
    paper.book.intents.clear();
    paper.member().invite_refused.as_mut().unwrap().at = now;
    assert_eq!(tell(&mut paper), 0, "refused again, and told of already");
}
