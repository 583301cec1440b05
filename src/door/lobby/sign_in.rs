//! `/join/TIER/plex`: signing in with Plex before paying, which shows whose
//! account a place is for (RULES R2).
//!
//! 1. A post begins a sign-in at plex.tv, and leads to its page.
//! 2. plex.tv's page leads back to a signed link. Looking at it asks nobody.
//! 3. Its button asks plex.tv who signed in, and leads to Checkout, where our
//!    own key writes the account down.
//!
//! Promises: an account's affairs (a trial that was had, a subscription that
//! runs) are told to nobody but who signed in as it; nothing is remembered
//! here between the steps; the link is good for what it was begun for alone.
//!
//! Not promised: that who holds the link is who signed in. Whoever begins a
//! sign-in and talks somebody else into it can pay for *them*, or be told that
//! they pay already; see [`crate::services::sign_in`].

use chrono::TimeDelta;
use hyper::StatusCode;
use serde_json::json;

use super::{Counter, Lobby, Sale, chosen, shown};
use crate::config::Live;
use crate::door::reply::Reply;
use crate::engine::desk::{Trial, Welcome};
use crate::facts::{PriceId, SignedIn};
use crate::portal::Choice;
use crate::services::sign_in::Shown;

impl Lobby {
    /// Begins a sign-in, and leads to plex.tv's page.
    pub(super) async fn begin_sign_in(&self, counter: &Counter<'_>, live: &Live) -> Reply {
        let price = match chosen(counter.asked, counter.tier) {
            Ok(price) => price,
            Err(problem) => return self.join_form(counter, StatusCode::BAD_REQUEST, Some(problem)),
        };
        let pin = match self.sign_in.begin(live).await {
            Ok(pin) => pin,
            Err(failure) => {
                tracing::warn!("nobody can sign in with Plex: {failure}");
                let problem = "Plex can't be reached. Please try again in a minute, or continue without signing in.";
                return self.join_form(counter, StatusCode::BAD_GATEWAY, Some(problem));
            }
        };
        let until = self.clock.now() + TimeDelta::seconds(i64::try_from(pin.secs).unwrap_or_default());
        let token = self.portal.sign_in_token(choice(counter, price), pin.id, until);
        let back = format!("{}/join/{}/plex/{token}", counter.public_url, counter.tier.slug);
        self.pages.see_other(&self.sign_in.page(&pin, &back))
    }

    /// Back from plex.tv. Whether somebody signed in is asked by the button.
    pub(super) fn sign_in_page(&self, counter: &Counter<'_>, token: &str) -> Reply {
        match self.begun(counter, token) {
            Some(_) => self.take_up_page(counter, token, StatusCode::OK, None),
            None => self.sign_in_is_over(counter),
        }
    }

    /// Asks plex.tv who signed in, and leads them to Stripe's page.
    pub(super) async fn take_up(&self, counter: &Counter<'_>, live: &Live, token: &str) -> Reply {
        let Some((pin, price)) = self.begun(counter, token) else { return self.sign_in_is_over(counter) };
        match self.sign_in.shown(pin).await {
            Ok(Shown::Account(signed_in)) => self.sell_to(counter, live, price, &signed_in).await,
            Ok(Shown::Expired) => self.sign_in_is_over(counter),
            Ok(Shown::Nobody) => {
                let problem = "Plex says that you haven't signed in yet. Please do that first, or start again.";
                self.take_up_page(counter, token, StatusCode::BAD_REQUEST, Some(problem))
            }
            Err(failure) => {
                tracing::warn!("who signed in with Plex can't be seen: {failure}");
                let problem = "Plex can't be reached. Nothing was charged; please try again in a minute.";
                self.take_up_page(counter, token, StatusCode::BAD_GATEWAY, Some(problem))
            }
        }
    }

    async fn sell_to(&self, counter: &Counter<'_>, live: &Live, price: &PriceId, signed_in: &SignedIn) -> Reply {
        let welcome = self.desk.view.borrow().welcome(signed_in, self.clock.now());
        match welcome {
            Ok(Welcome::Sale { email, trial }) => {
                let trial_days = counter.tier.trial_days.filter(|_| trial == Trial::Fresh);
                let email = email.as_ref();
                let sale = Sale { price, email, plex: None, signed_in: Some(signed_in), member: None, trial_days };
                self.to_checkout(counter, live, sale).await
            }
            Ok(Welcome::Subscribed) => {
                self.pages.page(StatusCode::OK, "subscribed.html", &json!({ "billing": self.mails() }))
            }
            Ok(Welcome::OfTheHouse) => {
                let text = "This Plex account belongs to the house: everything here is open to it.";
                self.pages.notice(StatusCode::OK, "There is nothing to pay", text)
            }
            Ok(Welcome::Full) => {
                let text = "All seats are taken at the moment, and this Plex account has none. Nothing was charged; \
                            please come back later.";
                self.pages.notice(StatusCode::SERVICE_UNAVAILABLE, "All seats are taken", text)
            }
            Ok(Welcome::Revoked) => {
                let text = "No place is sold for this Plex account. Nothing was charged.";
                self.pages.notice(StatusCode::FORBIDDEN, "Not for this account", text)
            }
            Err(_) => self.not_now(),
        }
    }

    /// The sign-in of our own link, and what is bought with it.
    fn begun<'a>(&self, counter: &Counter<'a>, token: &str) -> Option<(u64, &'a PriceId)> {
        let now = self.clock.now();
        let mut prices = counter.tier.prices.iter().map(|offer| &offer.price);
        prices.find_map(|price| Some((self.portal.sign_in(now, choice(counter, price), token)?, price)))
    }

    fn take_up_page(&self, counter: &Counter<'_>, token: &str, status: StatusCode, problem: Option<&str>) -> Reply {
        let facts = json!({ "tier": shown(counter.tier), "token": token, "problem": problem });
        self.pages.page(status, "sign_in.html", &facts)
    }

    fn sign_in_is_over(&self, counter: &Counter<'_>) -> Reply {
        self.pages.page(StatusCode::NOT_FOUND, "sign_in_over.html", &json!({ "tier": shown(counter.tier) }))
    }
}

fn choice<'a>(counter: &Counter<'a>, price: &'a PriceId) -> Choice<'a> {
    Choice { tier: &counter.tier.slug, price }
}
