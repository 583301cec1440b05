//! R2: who is who: whom a VIP's name means, and two members who turn out to
//! be one.

use usher::facts::{Email, PlexId, Status};
use usher::ledger::{
    Act, ActKey, Channel, Delivery, EndedBecause, Gone, HeldBecause, Hold, IntentState, Letter, Owed, Proof, Verdict,
    Ways,
};
use usher::member::MemberId;
use usher::policy::who;

use crate::paper::{MOVIES, Paper, days};

const MAIL: Ways = Ways { mail: true, operator_mail: true, discord: false, dry_run: false };

/// Another house with the same book.
fn copy(paper: &Paper) -> Paper {
    Paper { book: paper.book.clone(), ..Paper::new() }
}

fn bind(paper: &mut Paper, entry: &str) -> (Option<PlexId>, Vec<MemberId>) {
    let second = who::bind_vips(&mut paper.book, &[entry.to_owned()]);
    (paper.book.vips.get(entry).copied(), second.into_iter().map(|(_, member)| member).collect())
}

#[test]
fn a_vip_is_who_has_just_that_id_address_or_username() {
    let mut paper = Paper::new();
    let bob = paper.person("bob");
    let (ann, other) = (paper.member().plex.unwrap(), paper.of(&bob).plex.unwrap());
    assert_eq!(bind(&mut copy(&paper), "ann@example.com"), (Some(ann), vec![]));
    assert_eq!(bind(&mut copy(&paper), "bob"), (Some(other), vec![]));
    assert_eq!(bind(&mut copy(&paper), &ann.to_string()), (Some(ann), vec![]));
    assert_eq!(bind(&mut copy(&paper), "an"), (None, vec![]), "no part of a name");
    // A display name can be anything: it counts only where there is no username.
    paper.of(&bob).title = Some("The Boss".into());
    assert_eq!(bind(&mut copy(&paper), "the boss"), (None, vec![]));
    paper.of(&bob).username = None;
    assert_eq!(bind(&mut copy(&paper), "the boss"), (Some(other), vec![]));
    // Bound once: who takes the name later is told, not protected.
    assert_eq!(bind(&mut paper, "ann"), (Some(ann), vec![]));
    paper.of(&bob).username = Some("ann".into());
    assert_eq!(bind(&mut paper, "ann"), (Some(ann), vec![bob]));
}

#[test]
fn open_business_goes_on_under_the_new_id_and_nobody_elses_is_touched() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    let (payer, bob) = (paper.person("payer"), paper.person("bob"));
    for id in [&payer, &bob] {
        let key = ActKey::new("invite", id, "sub_1");
        let act = Act::Unfriend { plex: PlexId(1) };
        let intent = paper.intends(key, id, act, days(0));
        (intent.state, intent.tries) = (IntentState::Attempted { at: now }, 1);
        let key = ActKey::new("end", id, "7");
        let hold = Hold {
            id: format!("h-{id}"),
            key: key.clone(),
            member: id.clone(),
            what: String::new(),
            why: String::new(),
            because: HeldBecause::Adoption,
            since: now,
            verdict: Some(Verdict::Rejected { at: now }),
            notice: None,
            rehearsed: false,
        };
        paper.book.holds.insert(key, hold);
        let letter = Letter::AccessEnded { because: EndedBecause::Canceled };
        let owed = Owed::to_member(&paper.book.members[id], "occasion", letter, days(9));
        paper.book.owe(owed, MAIL, now);
    }
    who::merge(now, &mut paper.book, &payer, &ann, "they are one");
    let acts: Vec<String> =
        paper.book.intents.values().map(|intent| format!("{} {}", intent.key.0, intent.member)).collect();
    assert_eq!(
        acts,
        [format!("invite/{ann}/sub_1 {ann}"), format!("invite/{bob}/sub_1 {bob}")],
        "tried once, not anew"
    );
    assert!(paper.book.intents.iter().all(|(key, intent)| *key == intent.key && intent.tries == 1));
    let holds: Vec<String> = paper.book.holds.values().map(|hold| format!("{} {}", hold.key.0, hold.member)).collect();
    assert_eq!(holds, [format!("end/{ann}/7 {ann}"), format!("end/{bob}/7 {bob}")], "the operator's no stands");
    let about: Vec<&MemberId> = paper.book.outbox.values().filter_map(|notice| notice.member.as_ref()).collect();
    assert!(about.contains(&&ann) && about.contains(&&bob) && !about.contains(&&payer), "{about:?}");
    assert!(paper.book.outbox.values().all(|notice| matches!(notice.deliveries[&Channel::Mail], Delivery::Due { .. })));
}

#[test]
fn whoever_was_merged_is_found_under_every_earlier_id() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    let (first, second, bob) = (paper.person("first"), paper.person("second"), paper.person("bob"));
    who::merge(now, &mut paper.book, &first, &second, "one");
    who::merge(now, &mut paper.book, &second, &ann, "one");
    for id in [&first, &second, &ann] {
        assert_eq!(who::find(&paper.book, &id.0).unwrap().id, ann);
    }
    assert_eq!(who::find(&paper.book, &bob.0).unwrap().id, bob);
    assert!(who::is_known(&paper.book, " BOB ") && who::is_known(&paper.book, "bob@example.com"));
    assert!(!who::is_known(&paper.book, "bo"));
}

#[test]
fn what_a_merge_keeps_is_what_either_had() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.shares(&ann, &[MOVIES], days(300));
    let payer = paper.person("payer");
    paper.pays(&payer, Status::Active, days(3));
    let kept = paper.member().share.clone();
    paper.member().missing_since = Some(now);
    let mut other = copy(&paper);
    who::merge(now, &mut paper.book, &payer, &ann, "one");
    assert_eq!(paper.member().share, kept, "a payer without a share takes none away");
    assert_eq!((paper.member().subscriptions.len(), paper.member().missing_since), (1, Some(now)));
    // The share of the other is the newer one, and it is there.
    let payers_own = &mut other.book;
    let mut newer = kept.clone().unwrap();
    newer.row.id = usher::facts::ShareId(77);
    payers_own.members.get_mut(&payer).unwrap().share = Some(newer.clone());
    who::merge(now, payers_own, &payer, &ann, "one");
    assert_eq!(other.member().share, Some(newer));
    assert_eq!(other.member().missing_since, None);
}

/// A payer, and somebody whose share stands under the address that they paid
/// with: one person, by proof, if all of it was so before.
fn linked(spoil: fn(&mut Paper, &MemberId)) -> bool {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    let payer = paper.person("payer");
    paper.pays(&payer, Status::Active, days(3));
    let address = Email::parse("ann@example.com");
    let member = paper.of(&payer);
    (member.plex, member.username, member.email) = (None, None, None);
    member.customers.values_mut().for_each(|customer| customer.email = address.clone());
    spoil(&mut paper, &payer);
    who::link_by_standing_share(paper.now, &mut paper.book);
    let linked = !paper.book.members.contains_key(&payer);
    let proved = paper.member().customers.values().any(|customer| customer.proof == Some(Proof::ShareStood));
    assert_eq!(linked, proved);
    linked
}

#[test]
fn a_share_that_stood_under_the_address_before_the_subscription_proves_who_pays() {
    assert!(linked(|_, _| ()));
    type Spoil = fn(&mut Paper, &MemberId);
    let not: [(&str, Spoil); 9] = [
        ("the share is younger than the payer", |paper, _| {
            let now = paper.now;
            let share = paper.member().share.as_mut().unwrap();
            share.first_seen = now;
            share.row.state = usher::facts::ShareState::Accepted { accepted_at: Some(now) };
        }),
        ("nobody has looked at Plex yet", |paper, _| paper.book.adopted.clear()),
        ("it is another address", |paper, payer| {
            let other = Email::parse("else@example.com");
            paper.of(payer).customers.values_mut().for_each(|customer| customer.email = other.clone());
        }),
        ("the payer has an account", |paper, payer| paper.of(payer).plex = Some(PlexId(999))),
        ("the operator unlinked them", |paper, payer| {
            let now = Some(paper.now);
            paper.of(payer).customers.values_mut().for_each(|customer| customer.unlinked = now);
        }),
        ("nothing runs any more", |paper, payer| {
            paper.of(payer).subscriptions.values_mut().for_each(|billed| billed.now.status = Status::Canceled);
        }),
        ("they are revoked", |paper, _| paper.member().blocked = Some(paper.now)),
        ("two have shares under it", |paper, _| {
            let twin = paper.friend("twin", days(1));
            paper.of(&twin).email = Email::parse("ann@example.com");
        }),
        ("the share is gone", |paper, _| {
            let now = paper.now;
            let member = paper.member();
            member.share = None;
            member.gone = Some(Gone {
                at: now,
                by_us: false,
                why: "went".into(),
                standing: [].into(),
                was_invite: false,
                row: None,
            });
        }),
    ];
    for (why, spoil) in not {
        assert!(!linked(spoil), "{why}");
    }
}
