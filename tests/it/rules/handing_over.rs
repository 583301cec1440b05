//! What passes from a rehearsal to the live book, and what never does (RULES
//! R11); and that a number means one person or thing in both.

use usher::facts::{CancelWhen, Moment, Status};
use usher::ledger::{
    ActKey, AskedSpell, Book, Channel, Delivery, EndedBecause, Gone, Heard, HeldBecause, Hold, InviteRefused, Member,
    NoticeKey, Offer, Population, Proof, Reversed, Verdict,
};
use usher::member::MemberId;
use usher::policy::asks::{self, Ask};
use usher::policy::{decide, handover, numbers, who};

use crate::paper::{MOVIES, Paper, TV, days};

/// Ann pays, is in by hand, and a rehearsal has imagined everything of her that
/// can be imagined.
fn imagined() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(40));
    paper.pays(&ann, Status::Active, days(30));
    paper.told_unpaid(&ann, Some(days(20)));
    let now = paper.now;
    let notice = || NoticeKey("imagined".into());
    let member = paper.member();
    member.customers.values_mut().for_each(|payer| payer.proof = Some(Proof::ShareStood));
    member.idle = Some(usher::ledger::IdleSpell {
        started: now - days(40),
        notice: notice(),
        warned_at: Some(now - days(20)),
        promised_end: Some(now - days(10)),
        no_channel: false,
    });
    member.asked = Some(AskedSpell {
        since: now - days(30),
        notice: notice(),
        told_at: Some(now - days(30)),
        promised_end: Some(now - days(10)),
        no_channel: false,
    });
    member.invite_refused =
        Some(InviteRefused { at: now, by_id: true, by_email: true, unknown: None, why: "no".into() });
    member.bounces = [now.date_naive(), (now - days(1)).date_naive()].into();
    member.made = [usher::facts::ShareId(77)].into();
    member.missing_since = Some(now - days(1));
    member.forget_at = Some(now);
    member.unfriend_at = Some(now);
    member.forgotten = Some(now);
    member.note(now, "would be removed");
    let billed = paper.first();
    billed.cut_off = Some(now);
    billed.promised_end = Some(now);
    billed.heard = Some(Heard::default());
    billed.unpaid_from = Some("in_1".into());
    billed.reversed = Some(Reversed { because: EndedBecause::Refunded, id: "re_1".into(), at: now });
    paper.rules.ways.dry_run = true;
    paper
}

/// What is said in the rehearsal, and then in the live book.
fn says(paper: &mut Paper, live: &mut Book, ask: &Ask) {
    let rehearsal = paper.book.clone();
    let said = paper.says(ask).unwrap();
    asks::carry_over(paper.hearing(), live, &rehearsal, ask, &said.about).unwrap();
}

fn nothing_imagined(member: &Member) {
    assert_eq!((&member.idle, &member.asked, &member.invite_refused), (&None, &None, &None));
    assert_eq!(
        (member.missing_since, member.forget_at, member.unfriend_at, member.forgotten),
        (None, None, None, None)
    );
    assert!(member.unpaid.is_empty() && member.bounces.is_empty() && member.made.is_empty());
    assert!(member.journal.iter().all(|entry| !entry.what.contains("would")), "{:?}", member.journal);
    for billed in member.subscriptions.values() {
        assert_eq!((billed.cut_off, billed.promised_end, &billed.heard), (None, None, &None));
        assert_eq!((&billed.unpaid_from, &billed.reversed), (&None, &None));
    }
}

/// Everything that may be said of somebody who is in.
fn words(paper: &Paper) -> Vec<Ask> {
    let who = || "ann".to_owned();
    let until = (paper.now + days(9)).date_naive();
    vec![
        Ask::Pause { who: who(), until, note: "away".into() },
        Ask::Grandfather { who: who() },
        Ask::Invite { who: who(), tier: "Basic".into(), days: None },
        Ask::Revoke { who: who(), cancel: Some(CancelWhen::Now) },
        Ask::Link { who: who(), plex: None, stripe: Some("cus_more".into()) },
        Ask::Unlink { who: who(), stripe: None },
    ]
}

#[test]
fn whatever_is_said_of_somebody_in_a_rehearsal_nothing_imagined_of_them_passes() {
    for ask in words(&imagined()) {
        let mut paper = imagined();
        let ann = paper.ann.clone();
        let mut live = Book::new(paper.now - days(1));
        says(&mut paper, &mut live, &ask);
        nothing_imagined(&live.members[&ann]);
        assert!(live.outbox.is_empty() && live.intents.is_empty(), "{ask:?}");
    }
    let mut paper = imagined();
    let ann = paper.ann.clone();
    let mut live = Book::new(paper.now - days(1));
    says(&mut paper, &mut live, &Ask::Revoke { who: "ann".into(), cancel: Some(CancelWhen::Now) });
    says(&mut paper, &mut live, &Ask::Restore { who: "ann".into() });
    nothing_imagined(&live.members[&ann]);
    assert_eq!((live.members[&ann].blocked, live.members[&ann].cancels), (None, None));
}

#[test]
fn facts_that_were_read_and_the_operators_words_pass() {
    let mut paper = imagined();
    let ann = paper.ann.clone();
    let mut live = Book::new(paper.now - days(1));
    let until = (paper.now + days(9)).date_naive();
    says(&mut paper, &mut live, &Ask::Pause { who: "ann".into(), until, note: "away".into() });
    let (here, there) = (&live.members[&ann], &paper.book.members[&ann]);
    assert_eq!((here.plex, &here.email, here.last_play), (there.plex, &there.email, there.last_play));
    assert_eq!((&here.share, &here.grants), (&there.share, &there.grants));
    assert_eq!(here.customers, there.customers);
    let (now, then) = (here.subscriptions.values().next().unwrap(), there.subscriptions.values().next().unwrap());
    assert_eq!(
        (&now.now, now.first_seen, now.adopted, &now.tiers),
        (&then.now, then.first_seen, then.adopted, &then.tiers)
    );
}

#[test]
fn what_the_live_book_did_itself_stays_and_facts_are_brought_up_to_date() {
    let mut paper = imagined();
    let ann = paper.ann.clone();
    let mut live = paper.book.clone();
    // In the live season she was warned in truth; since then she has paid up.
    live.members.get_mut(&ann).unwrap().subscriptions.values_mut().next().unwrap().now.status = Status::PastDue;
    paper.member().idle = None;
    let before = live.members[&ann].clone();
    says(&mut paper, &mut live, &Ask::Grandfather { who: "ann".into() });
    let after = &live.members[&ann];
    assert_eq!((&after.idle, &after.made, &after.invite_refused), (&before.idle, &before.made, &before.invite_refused));
    let billed = after.subscriptions.values().next().unwrap();
    assert_eq!(billed.now.status, Status::Active);
    assert_eq!(billed.reversed, before.subscriptions.values().next().unwrap().reversed);
}

#[test]
fn an_end_that_the_rehearsal_read_explains_why_the_live_book_counts_one_less() {
    let mut paper = imagined();
    let mut live = paper.book.clone();
    let sub = paper.first().now.id.clone();
    paper.first().now.status = Status::Canceled;
    let until = (paper.now + days(30)).date_naive();
    let ask = Ask::Pause { who: paper.ann.0.clone(), until, note: "away".into() };
    says(&mut paper, &mut live, &ask);
    let explained: Vec<_> = live.explained.iter().map(|one| (one.population, one.what.clone())).collect();
    assert_eq!(explained, [(Population::Subscriptions, sub.0.clone())]);
    let ask = Ask::Pause { who: paper.ann.0.clone(), until, note: "again".into() };
    says(&mut paper, &mut live, &ask);
    assert_eq!(live.explained.len(), 1, "once");
}

#[test]
fn only_that_a_share_went_away_without_us_passes_of_how_it_ended() {
    for by_us in [false, true] {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(100));
        paper.left(&ann, days(3));
        paper.member().gone = Some(Gone { by_us, ..paper.member().gone.clone().unwrap() });
        let mut live = Book::new(paper.now - days(1));
        handover::enter(paper.now, &mut live, &paper.book, &ann);
        assert_eq!((live.members[&ann].gone.is_some(), live.members[&ann].undo.is_some()), (!by_us, !by_us));
    }
}

/// Rehearsed since the live book was begun.
fn rehearsal_of(live: &Book, paper: &mut Paper) {
    paper.book.rehearses = Some(0);
    paper.book.numbers.agreed = true;
    paper.book.words = live.words;
}

#[test]
fn going_live_everybody_has_the_number_of_the_rehearsal_and_new_ones_are_above_both() {
    let mut paper = imagined();
    let (ann, now) = (paper.ann.clone(), paper.now);
    let cleo = paper.payer("cleo");
    let dora = paper.friend("dora", days(1));
    let fred = paper.person("fred");
    let fred_pays = paper.payer("fredpays");
    who::merge(now, &mut paper.book, &fred_pays, &fred, "one");
    let mut live = Book::new(now);
    rehearsal_of(&live, &mut paper);
    handover::go_live(now, &mut live, &paper.book, 0, None);
    for id in [&ann, &cleo, &dora, &fred] {
        assert_eq!(live.members[id].plex, paper.book.members[id].plex);
    }
    assert_eq!(live.merged, paper.book.merged);
    nothing_imagined(&live.members[&ann]);
    assert!(live.adopted.is_empty(), "it looks for itself first");
    let new = live.enter(now);
    assert!(!paper.book.members.contains_key(&new) && !paper.book.merged.contains_key(&new));
    assert_eq!(who::find(&live, fred_pays.0.as_str()).unwrap().id, fred, "the number that was noted");
}

#[test]
fn somebody_invited_in_a_rehearsal_has_the_same_number_in_both_books() {
    let mut paper = Paper::new();
    let zed = paper.friend("zed", days(1));
    let mut live = Book::new(paper.now);
    for name in ["new@example.com", "newer@example.com"] {
        let ask = Ask::Invite { who: name.into(), tier: "Basic".into(), days: None };
        says(&mut paper, &mut live, &ask);
        let there = who::find(&paper.book, name).unwrap().id.clone();
        assert_eq!(who::find(&live, name).unwrap().id, there);
    }
    assert!(!live.members.contains_key(&zed));
}

#[test]
fn a_payer_who_turned_out_to_be_somebody_in_the_rehearsal_keeps_one_record_in_the_live_book() {
    let mut paper = Paper::new();
    let (payer, now) = (paper.payer("cleo"), paper.now);
    let mut live = Book::new(now);
    says(&mut paper, &mut live, &Ask::Invite { who: payer.to_string(), tier: "Basic".into(), days: None });
    let account = paper.friend("clara", days(1));
    who::merge(now, &mut paper.book, &payer, &account, "one");
    says(&mut paper, &mut live, &Ask::Revoke { who: payer.to_string(), cancel: Some(CancelWhen::Now) });
    assert_eq!(live.members.keys().collect::<Vec<_>>(), [&account]);
    assert_eq!(live.merged.get(&payer), Some(&account));
    assert!(live.members[&account].blocked.is_some());
    assert_eq!(live.members[&account].grants, paper.book.members[&account].grants);
}

#[test]
fn an_older_live_book_into_which_a_rehearsal_was_copied_goes_live_without_what_was_imagined() {
    let mut paper = imagined();
    let ann = paper.ann.clone();
    let mut live = Book::new(paper.now - days(20));
    live.members = paper.book.members.clone();
    live.members.get_mut(&ann).unwrap().journal.clear();
    live.next_member = paper.book.next_member;
    paper.book.rehearses = Some(3);
    handover::go_live(paper.now, &mut live, &paper.book, 3, None);
    nothing_imagined(&live.members[&ann]);
    assert_eq!(live.members[&ann].grants, paper.book.members[&ann].grants);
}

#[test]
fn a_live_season_that_was_begun_with_an_old_rehearsal_beside_it_takes_over_nobody() {
    let mut paper = imagined();
    let mut live = Book::new(paper.now);
    paper.book.rehearses = Some(3);
    handover::go_live(paper.now, &mut live, &paper.book, 4, None);
    assert!(live.members.is_empty());
    assert_eq!(live.next_member, paper.book.next_member);
}

#[test]
fn customers_of_the_test_mode_are_not_taken_over_with_a_key_of_the_live_mode() {
    let mut paper = imagined();
    let (ann, cleo, now) = (paper.ann.clone(), paper.payer("cleo"), paper.now);
    let mut live = Book::new(now);
    rehearsal_of(&live, &mut paper);
    handover::go_live(now, &mut live, &paper.book, 0, Some(true));
    let ann = &live.members[&ann];
    assert!(ann.customers.is_empty() && ann.subscriptions.is_empty() && ann.share.is_some());
    assert!(!live.members.contains_key(&cleo), "nothing else is known of her");
    assert_eq!((live.identities.stripe_livemode, &live.identities.stripe_account), (None, &None));
}

/// The house when Bob had come to the live book first, as an older version
/// numbered him; and a payer of whom only the rehearsal knows.
fn diverged() -> (Paper, Book, [MemberId; 3]) {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), paper.person("bob"));
    let cleo = paper.payer("cleo");
    let mut live = Book::new(paper.now);
    for (id, other) in [(&ann, &bob), (&bob, &ann)] {
        live.members.insert(id.clone(), Member { id: id.clone(), ..paper.book.members[other].clone() });
    }
    live.next_member = 3;
    paper.book.rehearses = Some(7);
    paper.book.next_member = 9;
    (paper, live, [ann, bob, cleo])
}

#[test]
fn where_older_books_have_diverged_the_numbers_of_the_rehearsal_are_refused_with_who_is_meant() {
    for dry in [true, false] {
        let (mut paper, mut live, [ann, bob, cleo]) = diverged();
        let before = live.clone();
        let book = match dry {
            true => numbers::rehearse(paper.now, Some(&live), 7, Some(paper.book.clone())),
            false => {
                handover::go_live(paper.now, &mut live, &paper.book, 8, None);
                live
            }
        };
        assert_eq!(book.members.keys().collect::<Vec<_>>(), before.members.keys().collect::<Vec<_>>());
        assert!(book.next_member >= 9, "above the highest of both");
        paper.book = book;
        for (number, names) in [(&ann, ["ann", "bob"]), (&bob, ["bob", "ann"]), (&cleo, ["cleo", "rehearsal"])] {
            let revoke = Ask::Revoke { who: number.to_string(), cancel: Some(CancelWhen::Now) };
            let why = paper.says(&revoke).unwrap_err();
            assert!(names.iter().all(|name| why.contains(name)), "{number}: {why}");
        }
        paper.says(&Ask::Revoke { who: "ann".into(), cancel: None }).unwrap();
        let blocked: Vec<_> = paper.book.members.values().filter(|member| member.blocked.is_some()).collect();
        assert_eq!(blocked.len(), 1);
        assert_eq!(blocked[0].username.as_deref(), Some("ann"));
        // And once more, after a restart: what was refused stays so.
        let again = numbers::rehearse(paper.now, Some(&before), 7, Some(paper.book.clone()));
        assert_eq!(again.numbers.refused.len(), 3);
    }
}

#[test]
fn books_of_older_versions_that_agree_go_on_as_they_are() {
    let (paper, ..) = diverged();
    let mut live = Book::new(paper.now);
    live.members.insert(paper.ann.clone(), paper.book.members[&paper.ann].clone());
    let book = numbers::rehearse(paper.now, Some(&live), 7, Some(paper.book.clone()));
    assert_eq!((book.members.len(), book.numbers.refused.len()), (3, 0));
    assert!(book.numbers.agreed);
    let anew = numbers::rehearse(paper.now, Some(&live), 8, Some(paper.book.clone()));
    assert_eq!((anew.members.len(), anew.next_member), (1, 9), "a live season lies between them");
}

fn hold(paper: &Paper, n: u64, key: &ActKey, member: &MemberId) -> Hold {
    Hold {
        id: format!("h-{n}"),
        key: key.clone(),
        member: member.clone(),
        what: format!("do {n}"),
        why: "due".into(),
        because: HeldBecause::Adoption,
        since: paper.now,
        verdict: None,
        notice: None,
        rehearsed: false,
    }
}

fn waits(paper: &mut Paper, n: u64, act: &str, occasion: &str) -> ActKey {
    let ann = paper.ann.clone();
    let key = ActKey::new(act, &ann, occasion);
    let hold = hold(paper, n, &key, &ann);
    paper.book.holds.insert(key.clone(), hold);
    paper.book.next_hold = paper.book.next_hold.max(n + 1);
    key
}

fn verdicts(paper: &mut Paper, live: &mut Book, ids: &[&str], approve: bool) {
    let before = paper.book.clone();
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    decide::give_verdict(paper.now, &mut paper.book, &ids, approve).unwrap();
    handover::pass_verdicts_on(paper.now, live, &before, &paper.book);
}

#[test]
fn what_was_said_to_a_hold_in_a_rehearsal_counts_in_the_live_book_under_the_same_number() {
    let mut paper = imagined();
    let (now, ann) = (paper.now, paper.ann.clone());
    let rejected = waits(&mut paper, 2, "end", "10-idle-1");
    let approved = waits(&mut paper, 3, "invite", "sub_1");
    let silent = waits(&mut paper, 4, "warn", "5");
    let mut live = Book::new(now);
    verdicts(&mut paper, &mut live, &["h-2"], false);
    verdicts(&mut paper, &mut live, &["h-3"], true);
    assert_eq!(live.members.keys().collect::<Vec<_>>(), [&ann]);
    rehearsal_of(&live, &mut paper);
    handover::go_live(now, &mut live, &paper.book, 0, None);
    let said = |key: &ActKey| live.holds.get(key).map(|hold| (hold.id.as_str(), hold.verdict, hold.rehearsed));
    assert_eq!(said(&rejected), Some(("h-2", Some(Verdict::Rejected { at: now }), true)));
    assert_eq!(said(&approved), Some(("h-3", Some(Verdict::Approved { at: now }), true)));
    assert_eq!(said(&silent), None, "whether it waits here is seen here");
    assert_eq!(live.hold_number(&silent), "h-4");
    assert_eq!(live.hold_number(&ActKey::new("warn", &ann, "6")), "h-5");
}

#[test]
fn a_rejection_of_the_rehearsal_waits_for_its_occasion_and_an_approval_only_until_everything_is_read() {
    let mut paper = Paper::new();
    let (rejected, approved) = (waits(&mut paper, 1, "end", "1"), waits(&mut paper, 2, "end", "2"));
    for (key, verdict) in
        [(&rejected, Verdict::Rejected { at: paper.now }), (&approved, Verdict::Approved { at: paper.now })]
    {
        let hold = paper.book.holds.get_mut(key).unwrap();
        (hold.verdict, hold.rehearsed) = (Some(verdict), true);
    }
    let mut unread = paper.world.clone();
    unread.tautulli.wholes = 1;
    decide::decide(paper.now, &paper.rules, &unread, &mut paper.book);
    assert_eq!(paper.book.holds.len(), 2);
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert_eq!(paper.book.holds.keys().collect::<Vec<_>>(), [&rejected]);
    paper.now += days(366);
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert!(paper.book.holds.is_empty());
}

#[test]
fn what_is_said_to_an_offered_library_in_a_rehearsal_is_said_in_the_live_book() {
    let mut paper = Paper::new();
    let offer = |section| Offer { tier: "Basic".into(), section, since: paper.now, rejected: None };
    paper.book.libraries.offers = [("h-1".to_owned(), offer(MOVIES)), ("h-2".to_owned(), offer(TV))].into();
    paper.book.next_hold = 3;
    let mut live = Book::new(paper.now);
    verdicts(&mut paper, &mut live, &["h-1"], true);
    verdicts(&mut paper, &mut live, &["h-2"], false);
    assert!(live.libraries.everything["Basic"].contains(&MOVIES));
    assert!(live.libraries.offers["h-2"].rejected.is_some() && live.libraries.offers.len() == 1);
}

#[test]
fn a_number_of_a_hold_that_meant_something_else_opens_no_library() {
    let mut paper = Paper::new();
    let mut live = paper.book.clone();
    live.libraries
        .offers
        .insert("h-1".into(), Offer { tier: "Basic".into(), section: MOVIES, since: paper.now, rejected: None });
    live.next_hold = 2;
    waits(&mut paper, 1, "warn", "1");
    paper.book.rehearses = Some(7);
    let mut book = numbers::rehearse(paper.now, Some(&live), 7, Some(paper.book.clone()));
    let why = decide::give_verdict(paper.now, &mut book, &["h-1".into()], true).unwrap_err();
    assert!(why.contains("do 1") && why.contains("usher holds"), "{why}");
    assert_eq!(book.libraries.offers.keys().collect::<Vec<_>>(), ["h-2"], "it can be answered by a number of its own");
    // Live, it has the same new one.
    handover::go_live(paper.now, &mut live, &book, 7, None);
    assert_eq!(live.libraries.offers.keys().collect::<Vec<_>>(), ["h-2"]);
    assert!(decide::give_verdict(paper.now, &mut live, &["h-1".into()], true).is_err());
}

#[test]
fn a_new_rehearsal_takes_what_was_owed_and_not_sent_for_sent_and_promises_from_now_on() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(40));
    let due = Delivery::Due { not_before: paper.now, tries: 3, last_error: Some("down".into()) };
    let until = (paper.now - days(3)).date_naive();
    let notice = paper.letter("m-1/inactivity_warning/x/member", crate::paper::warning(until), days(10), due);
    let mut spell = paper.spell(&ann);
    spell.notice = notice.clone();
    paper.member().idle = Some(spell);
    paper.rules.ways.dry_run = true;
    paper.book = numbers::rehearse(paper.now, Some(&paper.book), 7, None);
    decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    assert!(matches!(paper.book.outbox[&notice].deliveries[&Channel::Mail], Delivery::Imagined { .. }));
    let spell = paper.member().idle.clone().expect("it goes on");
    assert_eq!(spell.warned_at, Some(paper.now));
    let promised: Moment = spell.promised_end.expect("a promised day");
    assert!(promised > paper.now + days(2), "{promised}");
}

#[test]
fn a_word_on_all_covers_what_has_been_told_and_names_the_rest() {
    let mut paper = Paper::new();
    let (told, untold) = (waits(&mut paper, 1, "end", "1"), waits(&mut paper, 2, "end", "2"));
    let at = paper.now;
    for (key, delivery) in [
        (&told, Delivery::Accepted { at }),
        (&untold, Delivery::Due { not_before: at, tries: 1, last_error: Some("down".into()) }),
    ] {
        let notice =
            paper.letter(&format!("held-{}", key.0), crate::paper::warning(at.date_naive()), days(0), delivery);
        paper.book.holds.get_mut(key).unwrap().notice = Some(notice);
    }
    let said = decide::give_verdict(at, &mut paper.book, &["all".into()], false).unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("rejected h-1") && said[1].contains("h-2 (do 2)"), "{said:?}");
    assert_eq!(paper.book.holds[&untold].verdict, None);
    decide::give_verdict(at, &mut paper.book, &["h-2".into()], true).unwrap();
    assert!(paper.book.holds[&untold].verdict.is_some(), "named, it is covered");
}

#[test]
fn a_revocation_of_the_rehearsal_is_known_in_the_live_book_as_older_than_its_start() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let mut live = Book::new(paper.now);
    says(&mut paper, &mut live, &Ask::Revoke { who: "ann".into(), cancel: None });
    rehearsal_of(&live, &mut paper);
    let start = paper.now + days(3);
    handover::go_live(start, &mut live, &paper.book, 0, None);
    assert!(live.members[&ann].blocked < Some(start));
}
