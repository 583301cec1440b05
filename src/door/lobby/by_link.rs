//! `/plans/TOKEN` and `/join/TIER/for/TOKEN`: the signed link of the letter that
//! asks somebody who is in to subscribe (RULES R5).
//!
//! Promises: who is in needs no free seat; what is bought is written down as
//! that member's by our own key; the link says nothing about anybody, uses no
//! customer who is known, and sells nothing to who pays already.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Counter, Lobby, Sale, chosen, shown, word};
use crate::config::Live;
use crate::door::reply::Reply;
use crate::engine::desk::{CheckoutAsked, Doors, Whom};
use crate::member::MemberId;

/// The link of a letter that asks somebody who is in to subscribe.
pub(super) struct Link<'a> {
    pub(super) token: &'a str,
    pub(super) member: MemberId,
}

impl Lobby {
    /// By the link of the letter that asks somebody who is in to subscribe.
    pub(super) fn plans_of_a_member(&self, token: &str) -> Reply {
        if self.till().is_none() {
            return self.nothing_is_sold();
        }
        if self.portal.place(self.clock.now(), token).is_none() {
            return self.link_is_over();
        }
        let front = self.front();
        let tiers: Vec<Value> = front.tiers.iter().map(shown).collect();
        let facts = json!({
            "doors": word(for_who_is_in(front.doors)), "tiers": tiers, "has_codes": false, "billing": self.mails(),
            "link": token,
        });
        self.pages.page(StatusCode::OK, "plans.html", &facts)
    }

    pub(super) fn link_is_over(&self) -> Reply {
        let text = "This link works no longer. Sign in with Plex on the page of a plan: who is in already needs no \
                    free seat.";
        self.pages.notice(StatusCode::NOT_FOUND, "This link is over", text)
    }

    /// By the link of their letter: the purchase is written down as this
    /// member's by our own key.
    pub(super) async fn sell_to_member(&self, counter: &Counter<'_>, live: &Live) -> Reply {
        let Some(link) = &counter.link else { return self.link_is_over() };
        let price = match chosen(counter.asked, counter.tier) {
            Ok(price) => price,
            Err(problem) => return self.join_form(counter, StatusCode::BAD_REQUEST, Some(problem)),
        };
        let wanted = CheckoutAsked {
            whom: Whom::Member(link.member.to_string()),
            tier: counter.tier.name.clone(),
            price: Some(price.clone()),
            plex: None,
        };
        let checkout = self.desk.view.borrow().checkout(&wanted, self.clock.now());
        match checkout {
            Ok(checkout) => {
                let sale = Sale {
                    price: &checkout.price,
                    email: checkout.email.as_ref(),
                    plex: None,
                    signed_in: None,
                    member: checkout.member.as_ref(),
                    trial_days: checkout.trial_days,
                };
                self.to_checkout(counter, live, sale).await
            }
            Err(no) => match no.code {
                "already_subscribed" => {
                    self.pages.page(StatusCode::OK, "subscribed.html", &json!({ "billing": self.mails() }))
                }
                "full" => {
                    let text = "You are no longer in, and all seats are taken at the moment. Nothing was charged; \
                                please come back later.";
                    self.pages.notice(StatusCode::SERVICE_UNAVAILABLE, "All seats are taken", text)
                }
                "revoked" | "not_found" | "ambiguous" => self.link_is_over(),
                _ => self.not_now(),
            },
        }
    }
}

/// Who is in already, and shows it, needs no free seat.
pub(super) fn for_who_is_in(doors: Doors) -> Doors {
    if doors == Doors::Full { Doors::Open } else { doors }
}
