//! Stories about members: one behaviour each, in their words, over real
//! sockets and in virtual time. What is asserted is what a stand-in recorded.

mod anew;
mod api;
mod brake;
mod check;
mod comings;
mod digest;
mod dry_run;
mod endurance;
mod entitlements;
mod flapping;
mod going_live;
mod grants;
mod haste;
mod house_rules;
mod identity;
mod idle;
mod idle_limits;
mod joining;
mod known;
mod late;
mod leaving;
mod lessons;
mod letters;
mod libraries;
mod life;
mod links;
mod made_for;
mod moments;
mod money;
mod old_house;
mod outages;
mod pages;
mod pausing;
mod plan;
mod refusals;
mod rehearsal;
mod rehearsed;
mod restart;
mod seats;
mod sign_in;
mod stats;
mod unbelieved;
mod undo;
mod webhooks;

use chrono::TimeDelta;
use sandbox::rig::Rig;
use serde_json::Value;
use usher::facts::{Moment, PlexId};

/// Every poll once in so many hours: for stories that last weeks.
fn unhurried(rig: &mut Rig, hours: u64) {
    for name in ["CHECK_BILLING_SECS", "CHECK_NEW_USERS_SECS", "CHECK_INACTIVITY_SECS"] {
        rig.set(name, &(hours * 3600).to_string());
    }
}

/// No mail from the next start on; what is given back sets it up again.
fn without_mail(rig: &mut Rig) -> std::collections::BTreeMap<String, String> {
    let with_mail = rig.env.clone();
    rig.env.retain(|name, _| !name.starts_with("SMTP_") && name != "ADMIN_EMAIL");
    with_mail
}

/// Somebody with a Plex account pays, is invited and accepts. The daemon runs.
async fn payer(rig: &Rig, id: u64, name: &str, price: &str) -> (PlexId, String) {
    let account = rig.person(id, name);
    let customer = rig.stripe.customer(&sandbox::rig::address(name), name);
    let sub = rig.stripe.subscribe(&customer, price);
    rig.minutes(1).await;
    assert!(rig.plex.accept_invite(sandbox::rig::address(name).as_str()).is_some(), "{name} was invited");
    rig.minutes(5).await;
    (account, sub)
}

/// Somebody who was here before Usher, shared with long ago, and paid for just
/// as long under the same address: found and linked at the first readings.
fn old_payer(rig: &Rig, id: u64, name: &str, price: &str) -> (PlexId, String) {
    let account = rig.old_friend(id, name, 400);
    let customer = rig.stripe.customer(&sandbox::rig::address(name), name);
    (account, rig.stripe.subscribe(&customer, price))
}

/// How often the operator's mail said this in its subject.
fn heard(rig: &Rig, part: &str) -> usize {
    rig.operator_subjects().iter().filter(|subject| subject.contains(part)).count()
}

/// How often the operator's Discord said this.
fn heard_on_discord(rig: &Rig, part: &str) -> usize {
    rig.discord.messages().iter().flat_map(|posted| &posted.embeds).filter(|embed| embed.title.contains(part)).count()
}

/// How often this member was written to with this in the subject.
fn told(rig: &Rig, name: &str, part: &str) -> usize {
    rig.subjects_to(name).iter().filter(|subject| subject.contains(part)).count()
}

/// When this member was last written to with this in the subject.
fn told_at(rig: &Rig, name: &str, part: &str) -> Moment {
    let mails = rig.smtp.received_for(&sandbox::rig::address(name));
    let found = mails.iter().rfind(|mail| mail.subject.contains(part));
    found.unwrap_or_else(|| panic!("{name} never read {part:?}, but {:?}", rig.subjects_to(name))).at
}

/// What waits for the operator: `(id, rule, what)`.
async fn holds(rig: &Rig) -> Vec<(String, String, String)> {
    let page = rig.get("/api/holds").await;
    let text = |hold: &Value, key: &str| hold[key].as_str().unwrap_or_default().to_owned();
    let list = page["json"]["holds"].as_array().cloned().unwrap_or_default();
    list.iter().map(|hold| (text(hold, "id"), text(hold, "rule"), text(hold, "what"))).collect()
}

/// What waits by itself: `(rule, what)`.
async fn waits(rig: &Rig) -> Vec<(String, String)> {
    let page = rig.get("/api/holds").await;
    let text = |hold: &Value, key: &str| hold[key].as_str().unwrap_or_default().to_owned();
    let list = page["json"]["waiting"].as_array().cloned().unwrap_or_default();
    list.iter().map(|hold| (text(hold, "rule"), text(hold, "what"))).collect()
}

/// `usher approve …` or `usher reject …`.
async fn say(rig: &Rig, word: &str, ids: &[&str]) {
    let answer = rig.ask(serde_json::json!({ "ask": word, "ids": ids })).await;
    assert!(answer.get("error").is_none(), "{word} {ids:?}: {answer}");
}

/// `usher accept …`.
async fn accept(rig: &Rig, what: &str) {
    let answer = rig.ask(serde_json::json!({ "ask": "accept", "what": what })).await;
    assert!(answer.get("error").is_none(), "accept {what}: {answer}");
}

/// An ask that is done, and what it says.
async fn asked(rig: &Rig, ask: Value) -> String {
    let answer = rig.ask(ask.clone()).await;
    answer["text"].as_str().unwrap_or_else(|| panic!("{ask}: {answer}")).to_owned()
}

/// An ask that is refused, and why.
async fn refused(rig: &Rig, ask: Value) -> String {
    let answer = rig.ask(ask.clone()).await;
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{ask}: {answer}")).to_owned()
}

/// `usher why WHO`, as text.
async fn why(rig: &Rig, who: &str) -> String {
    let page = rig.get(&format!("/api/why?who={}", sandbox::wire::url_encoded(who))).await;
    page["text"].as_str().unwrap_or_else(|| panic!("no answer: {page}")).to_owned()
}

/// The book on disk.
fn book(rig: &Rig) -> Value {
    let text = std::fs::read_to_string(rig.state().join("state.json")).expect("the book");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    document["book"].clone()
}

/// Nobody lost or was promised anything, and nobody was invited.
fn nothing_was_done(rig: &Rig) {
    assert_eq!(rig.plex.changes().len(), 0, "{:?}", rig.plex.changes());
    assert_eq!(rig.tautulli.changes().len(), 0);
    let to_members = rig.smtp.received().into_iter().filter(|mail| mail.to != [sandbox::rig::OPERATOR]);
    assert_eq!(to_members.map(|mail| mail.subject).collect::<Vec<_>>(), Vec::<String>::new());
}

/// The stand-ins found nothing amiss.
fn all_is_well(rig: &Rig) {
    assert_eq!(rig.amiss(), Vec::<String>::new());
}

fn days(n: i64) -> TimeDelta {
    TimeDelta::days(n)
}

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}
