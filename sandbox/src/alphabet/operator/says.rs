//! With Usher's own commands, right ones and wrong ones, live and in rehearsal.

use chrono::TimeDelta;
use serde_json::{Value, json};
use usher::facts::Moment;

use super::{OperatorMove, notes};
use crate::alphabet::member::hours;
use crate::alphabet::{Bought, Guest, LINKED_WRONGLY, Later, Person, Town, Wish};
use crate::dice::Dice;
use crate::rig::Rig;
use crate::stripe::Status;

/// What is asked for, and by which numbers.
struct Asked {
    ask: Value,
    /// Days from now, where it names some.
    days: u64,
    /// Whose customer it is, where that isn't theirs.
    other: Option<usize>,
}

impl OperatorMove {
    pub(super) async fn says(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        if !rig.is_running() {
            return false;
        }
        match self {
            Self::ApproveOne | Self::RejectOne => return self.decides(rig, town, dice).await,
            Self::NoteTheNumbers => return notes::note(rig, town).await,
            Self::RefuseALibrary => return notes::refuse_a_library(rig, town).await,
            Self::CancelByTheApi | Self::UncancelByTheApi | Self::UpgradeByTheApi => {
                return self.calls(rig, town, who, dice).await;
            }
            _ => {}
        }
        let Some(asked) = self.asks(rig, town, who, dice) else { return false };
        let Some(said) = rig.try_ask(asked.ask.clone()).await else { return false };
        // It counts once the disk takes it, unless the daemon ends before.
        if is_unwritten(&said) {
            let now = rig.now();
            town.people.get_mut(who).into_iter().for_each(|person| person.dispute(now, "said to a full disk"));
            return true;
        }
        // Nonsense is said even where it is refused.
        if said.get("error").is_some() && self != Self::SayNonsense {
            return false;
        }
        self.means(rig, town, who, &asked);
        true
    }

    fn asks(self, rig: &Rig, town: &Town, who: usize, dice: &mut Dice) -> Option<Asked> {
        let person = town.people.get(who)?;
        // Some say the username, as `usher members` lists it.
        let username = person.main().and_then(|account| rig.plex.username_of(account)).filter(|_| dice.one_in(2));
        let name = username.unwrap_or_else(|| person.who());
        let days = dice.between(2, 30);
        let until = (rig.now() + hours(days * 24)).date_naive();
        let tier = town.tiers.last_name();
        let bought = dice.pick(&person.bought);
        let mut other = None;
        let ask = match self {
            Self::Revoke => json!({ "ask": "revoke", "who": name }),
            Self::RevokeByNumber => json!({ "ask": "revoke", "who": notes::number_of(rig, town, who)? }),
            Self::RevokeAndCancel => json!({ "ask": "revoke", "who": name, "cancel": "now" }),
            Self::RevokeWithThePeriod => json!({ "ask": "revoke", "who": name, "cancel": "period-end" }),
            Self::Restore => json!({ "ask": "restore", "who": name }),
            Self::Grandfather => json!({ "ask": "grandfather", "who": name }),
            // For real it is said once in ten times: nobody could fall idle after it.
            Self::GrandfatherEverybody => json!({ "ask": "grandfather_everyone", "dry_run": !dice.one_in(10) }),
            Self::InviteAsAGuest => json!({ "ask": "invite", "who": name, "tier": tier, "days": days }),
            Self::InviteForGood => json!({ "ask": "invite", "who": name, "tier": tier, "days": "never" }),
            Self::InviteAgain => json!({ "ask": "invite", "who": name, "tier": tier }),
            Self::Extend => json!({ "ask": "extend", "who": name, "days": days }),
            Self::GiveAHoliday => json!({ "ask": "pause", "who": name, "until": until, "note": "away" }),
            Self::LinkRightly => json!({ "ask": "link", "who": name, "stripe": bought?.customer }),
            Self::LinkTheAccount => {
                json!({ "ask": "link", "who": bought?.email, "plex": person.main()?.to_string() })
            }
            Self::LinkWrongly => {
                let index = dice.index(town.people.len());
                let stranger = town.people.get(index).filter(|_| index != who)?;
                other = Some(index);
                json!({ "ask": "link", "who": name, "stripe": stranger.bought.last()?.customer })
            }
            Self::Unlink => json!({ "ask": "unlink", "who": name, "stripe": bought?.customer }),
            Self::UnlinkEverything => {
                bought?;
                json!({ "ask": "unlink", "who": name })
            }
            Self::ApproveEverything => json!({ "ask": "approve", "ids": ["all"] }),
            Self::RejectEverything => json!({ "ask": "reject", "ids": ["all"] }),
            Self::AcceptSomething => {
                let all = ["server", "stripe", "tautulli", "clock", "state"];
                json!({ "ask": "accept", "what": dice.pick(&all)? })
            }
            Self::RedeemForThem => json!({ "ask": "redeem", "email": person.home(rig), "code": "film" }),
            Self::SendTheBillingLink => json!({ "ask": "billing_link", "email": person.home(rig) }),
            Self::AskWhatWouldChange => json!({ "ask": "revoke", "who": name, "cancel": "now", "dry_run": true }),
            _ => nonsense(dice),
        };
        Some(Asked { ask, days, other })
    }

    /// What the operator wants from now on, and what can be known since.
    fn means(self, rig: &Rig, town: &mut Town, who: usize, asked: &Asked) {
        let now = rig.now();
        let ends = now + hours((asked.days + 1) * 24);
        if self == Self::GrandfatherEverybody && asked.ask["dry_run"] == false {
            // Who may be a payer is left out, as the answer says.
            let is_in = |person: &&mut Person| person.account_in(rig).is_some() && person.subs(rig).is_empty();
            town.people.iter_mut().filter(is_in).for_each(|person| person.wish.grandfathered = true);
        }
        if let Some(other) = asked.other {
            for who in [who, other] {
                let person = town.people.get_mut(who);
                person.into_iter().for_each(|person| person.dispute(now, LINKED_WRONGLY));
            }
        }
        if matches!(self, Self::InviteAsAGuest | Self::InviteForGood | Self::InviteAgain | Self::RedeemForThem) {
            town.later.push((now + hours(20), who, Later::Accept));
        }
        let Some(person) = town.people.get_mut(who) else { return };
        let pays = !person.subs(rig).is_empty();
        let wish = &mut person.wish;
        match self {
            Self::Revoke | Self::RevokeByNumber | Self::RevokeAndCancel | Self::RevokeWithThePeriod => {
                *wish = Wish { revoked: Some(now), ..Wish::default() };
            }
            Self::Restore => {
                wish.revoked = None;
                // Who pays is back for what they pay.
                if !pays {
                    wish.guest = Some(Guest { from: now, until: None });
                }
            }
            Self::Grandfather => wish.grandfathered = true,
            Self::InviteAsAGuest => wish.guest = Some(Guest { from: now, until: Some(ends) }),
            // Who has something already gets nothing more by a code.
            Self::RedeemForThem if wish.guest.is_some() || !person.bought.is_empty() || !person.by_hand.is_empty() => {
                person.dispute(now, "a code typed in for somebody who has something already");
            }
            Self::InviteForGood | Self::RedeemForThem => wish.guest = Some(Guest { from: now, until: None }),
            // An end that they have stays as it is.
            Self::InviteAgain => wish.guest = kept(wish.guest.take(), now),
            // It counts from the end of what they have, a month away at most.
            Self::Extend => wish.extended = Some(if pays { ends + TimeDelta::days(31) } else { ends }),
            Self::GiveAHoliday => wish.holiday = Some(ends - TimeDelta::days(1)),
            Self::LinkRightly | Self::LinkTheAccount => {
                let named =
                    |bought: &&Bought| asked.ask["stripe"] == bought.customer || asked.ask["who"] == bought.email;
                let email = person.bought.iter().find(named).map(|bought| bought.email.clone());
                person.proven.extend(email);
            }
            Self::Unlink | Self::UnlinkEverything => person.dispute(now, "unlinked by the operator"),
            _ => {}
        }
    }

    /// Approves or rejects one hold, whatever it is.
    async fn decides(self, rig: &Rig, town: &mut Town, dice: &mut Dice) -> bool {
        let Some(page) = rig.try_get("/api/holds").await else { return false };
        let holds = page["json"]["holds"].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> = holds.iter().filter_map(|hold| hold["id"].as_str().map(str::to_owned)).collect();
        let Some(id) = dice.pick(&ids) else { return false };
        let word = if self == Self::ApproveOne { "approve" } else { "reject" };
        // A word on a library that was refused takes the refusal back.
        if self == Self::ApproveOne {
            town.refused.clear();
        }
        let said = rig.try_ask(json!({ "ask": word, "ids": [id] })).await;
        said.is_some_and(|said| said.get("error").is_none())
    }

    /// As another program of the operator's, for a member who wished it.
    async fn calls(self, rig: &Rig, town: &Town, who: usize, dice: &mut Dice) -> bool {
        let Some(person) = town.people.get(who) else { return false };
        if person.sub(rig, &[Status::Active, Status::Trialing]).is_none() {
            return false;
        }
        let name = person.who();
        let tier = town.tiers.rows.get(dice.index(town.tiers.rows.len())).map(|row| row["name"].clone());
        let (target, body) = match self {
            Self::CancelByTheApi => ("/api/cancel", json!({ "member": name, "at_period_end": !dice.one_in(3) })),
            Self::UncancelByTheApi => ("/api/uncancel", json!({ "member": name })),
            _ => ("/api/upgrade", json!({ "member": name, "tier": tier })),
        };
        // Where Stripe fails, or the power goes meanwhile, it may be done all the same.
        rig.try_post(target, &body).await.is_none_or(|(status, _)| status == 200 || status >= 500)
    }
}

/// The disk was full: what was said is kept in memory, as the answer says.
fn is_unwritten(said: &Value) -> bool {
    said["error"]["message"].as_str().is_some_and(|why| why.contains("kept in memory"))
}

/// The end that they have; days end at midnight, the last of them the day before.
fn kept(guest: Option<Guest>, now: Moment) -> Option<Guest> {
    let running = guest.filter(|guest| guest.until.is_none_or(|until| until.date_naive() > now.date_naive()));
    running.or(Some(Guest { from: now, until: None }))
}

fn nonsense(dice: &mut Dice) -> Value {
    let all = [
        json!({ "ask": "approve", "ids": ["h-99999"] }),
        json!({ "ask": "reject", "ids": [] }),
        json!({ "ask": "accept", "what": "apologies" }),
        json!({ "ask": "revoke", "who": "nobody at all" }),
        json!({ "ask": "restore", "who": "" }),
        json!({ "ask": "link", "who": "2000001", "stripe": "cus_nowhere" }),
        json!({ "ask": "unlink", "who": "2000001", "stripe": "sub_nowhere" }),
        json!({ "ask": "invite", "who": "not an address", "tier": "Premium" }),
        json!({ "ask": "invite", "who": "new@example.com", "tier": "Platinum", "days": 3 }),
        json!({ "ask": "extend", "who": "2000001", "days": 999_999 }),
        json!({ "ask": "pause", "who": "2000001", "until": "2020-01-01", "note": "long ago" }),
        json!({ "ask": "redeem", "email": "nobody", "code": "film" }),
        json!({ "ask": "dance" }),
    ];
    dice.pick(&all).unwrap_or_default()
}
