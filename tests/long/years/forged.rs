//! The oracle can be broken: what no promise allows, done on purpose, is noticed.

use std::time::Duration;

use sandbox::alphabet::{Bought, Person, Town};
use sandbox::dice::Dice;
use sandbox::plex::Deleted;
use sandbox::rig::{Rig, address};
use sandbox::wire;
use usher::facts::{PlexId, ShareId};
use usher::ledger::Book;

use super::harm;
use super::oracle::{Hour, Oracle};

fn seen(oracle: &mut Oracle, rig: &Rig, town: &Town) -> String {
    oracle.look(&Hour { rig, town, blind: &[], now: rig.now() }).join("\n")
}

/// A removal that no rule allows, made as the daemon makes them, with its token
/// and over the same wire.
#[tokio::test(start_paused = true)]
async fn a_wrongful_removal_over_the_wire_is_noticed() {
    let mut rig = Rig::new("forged").await;
    let mut town = Town::found(&rig, 0, &mut Dice::new(1));
    rig.open().await;
    let mut oracle = Oracle::new(rig.now(), false);
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&address("ann"), "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    let mut person = Person::new("ann");
    person.accounts.push(ann);
    person.proven.insert(address("ann"));
    person.bought.push(Bought::new(&rig, sub, customer, &address("ann")));
    town.people.push(person);
    rig.minutes(5).await;
    rig.plex.accept_invite(ann).expect("she was invited");
    rig.hours(2).await;
    assert_eq!(seen(&mut oracle, &rig, &town), "");
    let share = rig.plex.share_of(ann).expect("she is in").id;
    let machine = sandbox::plex::MACHINE;
    let url = format!("{}/api/servers/{machine}/shared_servers/{share}", rig.plex.url());
    let headers = [
        ("x-plex-token", sandbox::plex::TOKEN),
        ("x-plex-client-identifier", "the-daemons"),
        ("x-plex-product", "Usher"),
        ("x-plex-version", "1"),
    ];
    let reply = wire::call("DELETE", &url, &headers, "").await.expect("plex.tv answers");
    assert_eq!(reply.status, 200);
    rig.pass(Duration::from_secs(1)).await;
    let broken = seen(&mut oracle, &rig, &town);
    assert!(broken.contains("ann was removed") && broken.contains("pays"), "{broken}");
    // And who pays is outside from now on, since nobody lets her in.
    rig.close().await;
}

/// Letters that nobody should get, and the same one twice.
#[tokio::test(start_paused = true)]
async fn a_wrongful_letter_is_noticed() {
    let mut rig = Rig::new("forged-letters").await;
    let mut dice = Dice::new(1);
    let town = Town::found(&rig, 1, &mut dice);
    rig.open().await;
    rig.hours(1).await;
    let mut oracle = Oracle::new(rig.now(), false);
    assert_eq!(seen(&mut oracle, &rig, &town), "");
    let mail = |to: &str, subject: &str, text: &str| super::oracle::Mail {
        at: rig.now(),
        to: to.into(),
        subject: subject.into(),
        text: text.into(),
        message_id: "<one@attic.example>".into(),
        answer_lost: false,
    };
    let over = "Please watch something by Thursday, 1 January 2026, or your access ends.";
    oracle.mails.push(mail(&address("vera"), "Still with us?", over));
    oracle.mails.push(mail(&address("vera"), "Still with us?", over));
    oracle.mails.push(mail("nobody@example.com", "Welcome", ""));
    let broken = oracle.judge_mails(&Hour { rig: &rig, town: &town, blind: &[], now: rig.now() }, 0).join("\n");
    for noticed in ["they are protected", "which is over", "and again", "which is nobody's"] {
        assert!(broken.contains(noticed), "{noticed}: {broken}");
    }
}

/// A book that has lost what was taken, and why, is noticed.
#[test]
fn a_removal_without_undo_or_reason_is_noticed() {
    let at = sandbox::time::moment(sandbox::rig::BEGINNING);
    let mut book = Book::new(at);
    let path = String::new();
    let gone = Deleted { at, share: ShareId(1), account: Some(PlexId(7)), email: None, was_accepted: true, path };
    let oracle = Oracle::new(at, false);
    let asked = |book: &Book| harm::promise_09_and_10_undo_and_explained(&oracle, &gone, book).join("\n");
    assert!(asked(&book).contains("promise 10: the book has forgotten"), "{}", asked(&book));
    let member = book.enter(at);
    book.members.get_mut(&member).expect("she was just entered").plex = gone.account;
    assert!(asked(&book).contains("promise 9: nothing would bring"), "{}", asked(&book));
    assert!(asked(&book).contains("promise 10: the journal"), "{}", asked(&book));
}

/// More at once than the brake allows.
#[test]
fn too_many_at_once_are_noticed() {
    let at = sandbox::time::moment(sandbox::rig::BEGINNING);
    let mut oracle = Oracle::new(at, false);
    for n in 0..3 {
        let at = at + chrono::TimeDelta::minutes(n);
        let account = Some(PlexId(n.unsigned_abs()));
        let name = format!("p{n}");
        oracle.removed.push(super::oracle::Removed { at, account, name, house: 12, revoked: false, stated: false });
    }
    let broken = harm::promise_03_bounded_harm(&oracle).join("\n");
    assert!(broken.contains("too soon") && broken.contains("budget 1"), "{broken}");
}
