//! R6: what a share or an invite was made for; refused guests; frozen libraries.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{SectionId, ShareId, Status};
use usher::ledger::{GrantKind, InviteRefused, MadeFor};

use super::Table;
use crate::paper::{MOVIES, Paper, TV, days};

/// Usher made Ann's share (or the invite that waits) for this.
fn made_for(paper: &mut Paper, waits: bool, made_for: impl IntoIterator<Item = MadeFor>) -> ShareId {
    let ann = paper.ann.clone();
    match waits {
        true => paper.waits(&ann, days(2)),
        false => paper.shares(&ann, &[MOVIES], days(2)),
    }
    let id = paper.member().share.as_ref().unwrap().id();
    paper.member().note_made(id, made_for);
    id
}

/// A subscription of Ann's, begun and ended at the same time.
fn ended_at_once(paper: &mut Paper) -> MadeFor {
    let ann = paper.ann.clone();
    let ended = paper.now - days(2);
    let billed = paper.pays(&ann, Status::Canceled, days(2));
    billed.now.ended_at = Some(ended);
    MadeFor::Subscription(billed.now.id.clone())
}

pub(super) fn rows(table: &mut Table) {
    table.group("what Usher made is over with what it was made for, whatever the dates say");
    for (what, waits) in [("share", false), ("invite that waits", true)] {
        table.row(&format!("{what}: its subscription ended in the second in which it began"), |paper| {
            let sub = ended_at_once(paper);
            made_for(paper, waits, [sub]);
        });
        table.row(&format!("{what}: the same, and a new subscription runs"), |paper| {
            let sub = ended_at_once(paper);
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(1));
            made_for(paper, waits, [sub]);
        });
        table.row(&format!("{what}: its grant was used up"), |paper| {
            let since = paper.now - days(20);
            made_for(paper, waits, [MadeFor::Grant { kind: GrantKind::Complimentary, since }]);
        });
        table.row(&format!("{what}: its grant was used up, and another stands"), |paper| {
            let (ann, since) = (paper.ann.clone(), paper.now - days(20));
            paper.grant(&ann, GrantKind::Complimentary);
            paper.member().grants[0].libraries = Some([MOVIES].into());
            made_for(paper, waits, [MadeFor::Grant { kind: GrantKind::Complimentary, since }]);
        });
        table.row(&format!("{what}: its subscription is somebody else's now, and runs"), |paper| {
            let bob = paper.payer("bob");
            let sub = paper.of(&bob).subscriptions.keys().next().unwrap().clone();
            let other = paper.of(&bob).share.is_none().then_some(());
            assert!(other.is_some());
            paper.shares(&bob, &[MOVIES], days(30));
            made_for(paper, waits, [MadeFor::Subscription(sub)]);
        });
        table.row(&format!("{what}: of an older book, which doesn't say what for"), |paper| {
            let id = made_for(paper, waits, []);
            paper.member().made = BTreeSet::from([id]);
        });
    }
    table.group("a share that is new after they were seen gone began no earlier, whatever date plex.tv keeps");
    for (what, seen_gone) in [("and was seen gone before it", true), ("and was never gone", false)] {
        table.row(&format!("by hand, dated 300 days ago; subscription ended 9 days ago, {what}"), |paper| {
            let (ann, now) = (paper.ann.clone(), paper.now);
            paper.ended(&ann, days(9));
            paper.shares(&ann, &[MOVIES], days(300));
            paper.watched(&ann, days(1));
            paper.member().share.as_mut().unwrap().began_after = seen_gone.then(|| now - days(5));
            let row = paper.member().share.as_ref().unwrap().row.clone();
            let (rules, member) = (paper.rules.clone(), paper.member().clone());
            if !usher::policy::by_hand::is_for_a_subscription(now, &rules, &member, &row) {
                let grant = usher::policy::by_hand::grant(now, &rules, &member, &row);
                paper.member().grants.push(grant);
            }
        });
    }
    table.group("a guest whom Plex refuses is unmatched: told, and holds no seat");
    for (what, by_email) in [("by account; the address is still to be tried", false), ("in every way", true)] {
        table.row(&format!("complimentary, refused {what}"), |paper| {
            let (ann, at) = (paper.ann.clone(), paper.now - TimeDelta::hours(1));
            paper.grant(&ann, GrantKind::Complimentary);
            paper.member().grants[0].libraries = Some([MOVIES].into());
            paper.member().invite_refused =
                Some(InviteRefused { at, by_id: true, by_email, unknown: None, why: "422".into() });
        });
    }
    table.group("frozen libraries are cut to those that exist");
    table.row("by hand Movies and a library that was deleted, paying for Basic", |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(400));
        paper.watched(&ann, days(1));
        paper.pays(&ann, Status::Active, days(30));
        paper.grant(&ann, GrantKind::ByHand);
        paper.member().grants[0].libraries = Some([MOVIES, SectionId(77)].into());
    });
    table.row("by hand Movies and TV, paying for Basic, and TV is not shared", |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(400));
        paper.watched(&ann, days(1));
        paper.pays(&ann, Status::Active, days(30));
        paper.grant(&ann, GrantKind::ByHand);
        paper.member().grants[0].libraries = Some([MOVIES, TV].into());
    });
}
