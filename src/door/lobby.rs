//! The public pages: for people who have nothing but a link.
//!
//! Promises: a GET writes nothing and costs no call, so crawlers and link
//! previews are free; no page says anything about anybody; an address only
//! prefills Stripe's page, and existing customers are neither used nor
//! revealed; no money is asked for while nobody could be let in for it, except
//! from somebody who shows that they are in already. What is
//! typed here proves nothing (RULES R2); who signs in with Plex has shown whose
//! account it is ([`sign_in`]).
//!
//! The forms carry no token against forged posts from other sites: nobody is
//! ever signed in here, so such a post does no more than what its sender could
//! do himself, and counts against the limits of whoever is made to send it.

mod by_link;
mod sign_in;

use std::num::NonZeroU32;
use std::sync::Arc;

use hyper::header::ACCEPT;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use self::by_link::{Link, for_who_is_in};
use super::pages::Pages;
use super::reply::{Asked, Reply, form_value, json as json_reply, not_found, percent_decoded, wrong_method};
use super::strangers::Strangers;
use super::till::{fresh_key, joined};
use crate::clock::Clock;
use crate::config::Live;
use crate::engine::desk::{Ask, Desk, Doors, Front, NO_SUCH_CODE, OnSale};
use crate::facts::{Email, PriceId, SignedIn};
use crate::limits::{EMAIL_CHARS_MAX, PLEX_NAME_CHARS_MAX, TEXT_CHARS_MAX};
use crate::member::MemberId;
use crate::portal::PortalKey;
use crate::services::sign_in::SignIn;
use crate::services::stripe::{Buyer, CheckoutOf, Stripe};

/// What the pages need. Cheap to clone.
#[derive(Clone)]
pub struct Lobby {
    /// Their looks.
    pub pages: Arc<Pages>,
    /// Who may post how often.
    pub strangers: Strangers,
    /// Where people pay.
    pub till: Option<Till>,
    /// Sees who signs in with Plex.
    pub sign_in: SignIn,
    /// Signs links to billing pages, and back from plex.tv.
    pub portal: PortalKey,
    /// The way to the engine.
    pub desk: Desk,
    /// The time.
    pub clock: Clock,
}

/// Where people pay; only with Stripe, and an address to come back to.
#[derive(Clone)]
pub struct Till {
    /// Makes the pages on which people pay.
    pub stripe: Stripe,
    /// `PUBLIC_URL`; `None` = nobody could come back, so nothing is sold.
    pub public_url: Option<String>,
    /// The right to do so; `None` in a dry run.
    pub live: Option<Live>,
    /// There is a way to mail links to billing pages.
    pub mails: bool,
}

/// For a page that can't do what it is for.
const NOT_SET_UP: &str = "This house has not set this page up.";

impl Lobby {
    /// Answers; waits for Stripe, plex.tv or the engine only when something is
    /// posted.
    pub async fn answer(&self, asked: &Asked) -> Reply {
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        let posts = asked.method == Method::POST;
        if !reads && !posts {
            return wrong_method("GET, HEAD, POST");
        }
        if posts
            && let Err(wait_secs) =
                self.strangers.let_through(self.clock.now(), self.strangers.who(asked.peer, &asked.headers))
        {
            tracing::debug!("a stranger posts too often");
            return self.pages.too_many(wait_secs);
        }
        let path = asked.path.trim_start_matches('/');
        let (head, tail) = path.split_once('/').unwrap_or((path, ""));
        match (head, tail, posts) {
            ("", "", false) => self.pages.see_other(&format!("{}/plans", self.pages.base())),
            ("style.css", "", false) => self.pages.style(),
            ("plans", "", false) => self.plans(asked),
            ("plans", token, false) if !token.contains('/') => self.plans_of_a_member(token),
            ("join", tier, _) if !tier.is_empty() => self.join(asked, tier).await,
            ("joined", "", false) => self.pages.page(StatusCode::OK, "joined.html", &json!({})),
            ("redeem", "", false) => self.redeem_form(StatusCode::OK, "", None),
            ("redeem", "", true) => self.redeem(asked).await,
            ("billing", "", false) => self.billing_form(StatusCode::OK, None),
            ("billing", "", true) => self.billing_link(asked),
            ("billing", token, _) if !token.contains('/') => self.billing_page(token, posts).await,
            ("plans" | "joined" | "style.css", "", true) => wrong_method("GET"),
            _ => not_found(),
        }
    }

    fn front(&self) -> Front {
        self.desk.view.borrow().front(self.clock.now())
    }

    /// Stripe, and the address to come back to.
    fn till(&self) -> Option<(&Till, &str)> {
        self.till.as_ref().and_then(|till| Some((till, till.public_url.as_deref()?)))
    }

    fn nothing_is_sold(&self) -> Reply {
        self.pages.notice(StatusCode::NOT_FOUND, "Nothing is sold here", NOT_SET_UP)
    }

    fn plans(&self, asked: &Asked) -> Reply {
        let (front, sells) = (self.front(), self.till().is_some());
        let tiers: Vec<Value> = front.tiers.iter().filter(|_| sells).map(shown).collect();
        if wants_json(asked) {
            return json_reply(StatusCode::OK, &json!({ "open": front.doors == Doors::Open, "plans": tiers }));
        }
        if tiers.is_empty() && !front.has_codes && front.doors != Doors::NotNow {
            return self.nothing_is_sold();
        }
        let facts = json!({
            "doors": word(front.doors), "tiers": tiers, "has_codes": front.has_codes, "billing": self.mails(),
        });
        self.pages.page(StatusCode::OK, "plans.html", &facts)
    }

    async fn join(&self, asked: &Asked, tail: &str) -> Reply {
        let Some((till, public_url)) = self.till() else { return self.nothing_is_sold() };
        let (named, step) = step(tail);
        let (named, front) = (percent_decoded(named), self.front());
        let is_meant = |tier: &&OnSale| tier.slug == named || tier.name.to_lowercase() == named.to_lowercase();
        let Some(tier) = front.tiers.iter().find(is_meant) else {
            let text = match front.doors {
                Doors::NotNow => "We can't say at this moment. Please try again in a little while.",
                _ => "There is no such plan, or not any more.",
            };
            return self.pages.notice(StatusCode::NOT_FOUND, "No such plan", text);
        };
        let link = match step {
            Step::Member(token) => match self.portal.place(self.clock.now(), token) {
                Some(member) => Some(Link { token, member }),
                None => return self.link_is_over(),
            },
            _ => None,
        };
        let counter = Counter { asked, till, public_url, front: &front, tier, link };
        if asked.method != Method::POST {
            return match step {
                Step::Form | Step::SignIn | Step::Member(_) => self.join_form(&counter, StatusCode::OK, None),
                Step::SignedIn(token) => self.sign_in_page(&counter, token),
            };
        }
        // Who shows that they are in needs no free seat (RULES R5).
        let doors = if step == Step::Form { front.doors } else { for_who_is_in(front.doors) };
        let live = match (doors, &till.live) {
            (Doors::Open, Some(live)) => live,
            // The page says why.
            _ => return self.join_form(&counter, StatusCode::SERVICE_UNAVAILABLE, None),
        };
        match step {
            Step::Form => self.buy(&counter, live).await,
            Step::SignIn => self.begin_sign_in(&counter, live).await,
            Step::SignedIn(token) => self.take_up(&counter, live, token).await,
            Step::Member(_) => self.sell_to_member(&counter, live).await,
        }
    }

    async fn buy(&self, counter: &Counter<'_>, live: &Live) -> Reply {
        let order = match Order::of(counter.asked, counter.tier) {
            Ok(order) => order,
            Err(problem) => return self.join_form(counter, StatusCode::BAD_REQUEST, Some(problem)),
        };
        let sale = Sale {
            price: &order.price,
            email: order.email.as_ref(),
            plex: order.plex.as_deref(),
            signed_in: None,
            member: None,
            trial_days: counter.tier.trial_days,
        };
        self.to_checkout(counter, live, sale).await
    }

    /// On to Stripe's page.
    async fn to_checkout(&self, counter: &Counter<'_>, live: &Live, sale: Sale<'_>) -> Reply {
        let success_url = joined(counter.public_url);
        let cancel_url = format!("{}/join/{}", counter.public_url, counter.tier.slug);
        let of = CheckoutOf {
            price: sale.price,
            // Never a customer who is known: that would be somebody's card.
            buyer: sale.email.map_or(Buyer::Stranger, Buyer::Email),
            member: sale.member,
            signed_in: sale.signed_in,
            plex: sale.plex,
            trial_days: sale.trial_days,
            success_url: &success_url,
            cancel_url: &cancel_url,
        };
        let Ok(key) = fresh_key("join") else { return self.not_now() };
        match counter.till.stripe.checkout(live, of, &key).await {
            Ok(session) => self.pages.see_other(&session.url),
            Err(failure) => {
                tracing::warn!("nobody can pay: {failure}");
                let problem = "The payment page can't be reached. Nothing was charged; please try again in a minute.";
                self.join_form(counter, StatusCode::BAD_GATEWAY, Some(problem))
            }
        }
    }

    fn join_form(&self, counter: &Counter<'_>, status: StatusCode, problem: Option<&str>) -> Reply {
        let given = |name| form_value(counter.asked, name);
        let given = json!({ "email": given("email"), "plex": given("plex"), "price": given("price") });
        let doors = if counter.link.is_some() { for_who_is_in(counter.front.doors) } else { counter.front.doors };
        let (doors, tier) = (word(doors), shown(counter.tier));
        let link = counter.link.as_ref().map(|link| link.token);
        let facts = json!({ "doors": doors, "tier": tier, "given": given, "problem": problem, "link": link });
        self.pages.page(status, "join.html", &facts)
    }

    fn redeem_form(&self, status: StatusCode, email: &str, problem: Option<&str>) -> Reply {
        let front = self.front();
        if !front.has_codes && front.doors != Doors::NotNow {
            return self.pages.notice(StatusCode::NOT_FOUND, "There are no codes", NOT_SET_UP);
        }
        let facts = json!({ "doors": word(front.doors), "given": { "email": email }, "problem": problem });
        self.pages.page(status, "redeem.html", &facts)
    }

    async fn redeem(&self, asked: &Asked) -> Reply {
        let front = self.front();
        let (email, code) = (form_value(asked, "email"), form_value(asked, "code"));
        if front.doors != Doors::Open || !front.has_codes {
            return self.redeem_form(StatusCode::SERVICE_UNAVAILABLE, &email, None);
        }
        let bad = |problem| self.redeem_form(StatusCode::BAD_REQUEST, &email, Some(problem));
        if typed_email(&email).is_none() {
            return bad("Please give the email address of your Plex account.");
        }
        if code.is_empty() || code.chars().count() > TEXT_CHARS_MAX {
            return bad("Please give the code.");
        }
        match self.desk.ask(Ask::Redeem { email: email.clone(), code }).await {
            Ok(Ok(_)) => self.pages.page(StatusCode::OK, "redeemed.html", &json!({})),
            Ok(Err(why)) if why == NO_SUCH_CODE => bad("This code doesn't open a place, or not any more."),
            Ok(Err(why)) => {
                tracing::warn!("a free code could not be used: {why}");
                self.not_now()
            }
            Err(_) => self.not_now(),
        }
    }

    fn billing_form(&self, status: StatusCode, problem: Option<&str>) -> Reply {
        if !self.mails() {
            return self.pages.notice(StatusCode::NOT_FOUND, "Your subscription", NOT_SET_UP);
        }
        self.pages.page(status, "billing.html", &json!({ "problem": problem }))
    }

    /// The answer is there before anybody looks whose address it is: neither
    /// its words nor its time say whether it is known.
    fn billing_link(&self, asked: &Asked) -> Reply {
        if !self.mails() {
            return self.billing_form(StatusCode::NOT_FOUND, None);
        }
        let Some(email) = typed_email(&form_value(asked, "email")) else {
            return self.billing_form(StatusCode::BAD_REQUEST, Some("Please give an email address."));
        };
        if !self.desk.leave(Ask::BillingLink { email: email.as_str().to_owned() }) {
            tracing::warn!("a link to a billing page could not be asked for: the engine is busy");
        }
        self.pages.page(StatusCode::OK, "billing_asked.html", &json!({}))
    }

    /// The link of the letter. Looking at it costs nothing (mail scanners do);
    /// the button makes a page at Stripe, which lives for minutes.
    async fn billing_page(&self, token: &str, posted: bool) -> Reply {
        let Some((till, public_url)) = self.till() else { return self.nothing_is_sold() };
        let Some(customer) = self.portal.customer(self.clock.now(), token) else {
            let problem = "This link works no longer. You can have a new one mailed.";
            return self.billing_form(StatusCode::NOT_FOUND, Some(problem));
        };
        if !posted {
            return self.pages.page(StatusCode::OK, "billing_open.html", &json!({ "token": token }));
        }
        let Some(live) = &till.live else { return self.not_now() };
        let back = format!("{public_url}/plans");
        let Ok(key) = fresh_key("portal") else { return self.not_now() };
        match till.stripe.portal(live, &customer, Some(&back), &key).await {
            Ok(session) => self.pages.see_other(&session.url),
            Err(failure) => {
                tracing::warn!("nobody can see their subscription: {failure}");
                self.not_now()
            }
        }
    }

    /// Links to billing pages can be mailed and opened.
    fn mails(&self) -> bool {
        self.till.as_ref().is_some_and(|till| till.mails && till.live.is_some() && till.public_url.is_some())
    }

    fn not_now(&self) -> Reply {
        let text = "That didn't work at this moment, and nothing was changed. Please try again in a little while.";
        self.pages.notice(StatusCode::SERVICE_UNAVAILABLE, "Not now", text)
    }
}

/// How far somebody is who joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    /// The page of the tier.
    Form,
    /// They want to sign in with Plex first.
    SignIn,
    /// They are back, with the link that we signed.
    SignedIn(&'a str),
    /// They come with the link of a letter that asks them to subscribe.
    Member(&'a str),
}

/// The tier as it stands in an address, and the step.
fn step(tail: &str) -> (&str, Step<'_>) {
    if let Some(tier) = tail.strip_suffix("/plex") {
        return (tier, Step::SignIn);
    }
    if let Some((rest, token)) = tail.rsplit_once('/')
        && let Some(tier) = rest.strip_suffix("/for")
    {
        return (tier, Step::Member(token));
    }
    match tail.rsplit_once('/').and_then(|(rest, token)| Some((rest.strip_suffix("/plex")?, token))) {
        Some((tier, token)) => (tier, Step::SignedIn(token)),
        None => (tail, Step::Form),
    }
}

/// Where somebody buys, and what.
struct Counter<'a> {
    asked: &'a Asked,
    till: &'a Till,
    public_url: &'a str,
    front: &'a Front,
    tier: &'a OnSale,
    link: Option<Link<'a>>,
}

/// A purchase, decided.
struct Sale<'a> {
    price: &'a PriceId,
    /// What Stripe's page is filled in with.
    email: Option<&'a Email>,
    /// As typed.
    plex: Option<&'a str>,
    /// As shown.
    signed_in: Option<&'a SignedIn>,
    /// Whose signed link it was.
    member: Option<&'a MemberId>,
    trial_days: Option<NonZeroU32>,
}

/// What somebody wants to buy, as far as it makes sense.
struct Order {
    price: PriceId,
    email: Option<Email>,
    plex: Option<String>,
}

impl Order {
    fn of(asked: &Asked, tier: &OnSale) -> Result<Self, &'static str> {
        let price = chosen(asked, tier)?.clone();
        let email = form_value(asked, "email");
        let email = match email.is_empty() {
            true => None,
            false => Some(typed_email(&email).ok_or("This is no email address. Please correct it, or leave it out.")?),
        };
        let plex = form_value(asked, "plex");
        if plex.chars().count() > PLEX_NAME_CHARS_MAX || plex.chars().any(char::is_control) {
            return Err("This is no Plex name. Please correct it, or leave it out.");
        }
        Ok(Self { price, email, plex: (!plex.is_empty()).then_some(plex) })
    }
}

/// The only price, or the one that was chosen.
fn chosen<'a>(asked: &Asked, tier: &'a OnSale) -> Result<&'a PriceId, &'static str> {
    let chosen = form_value(asked, "price");
    let offer = match tier.prices.as_slice() {
        [one] => Some(one),
        several => several.iter().find(|offer| offer.price.as_str() == chosen),
    };
    offer.map(|offer| &offer.price).ok_or("Please choose how you would like to pay.")
}

/// An address as somebody typed it.
fn typed_email(text: &str) -> Option<Email> {
    Email::parse(text).filter(|email| email.as_str().chars().count() <= EMAIL_CHARS_MAX)
}

/// Programs say so; browsers ask for HTML first.
fn wants_json(asked: &Asked) -> bool {
    let accept = asked.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

fn word(doors: Doors) -> &'static str {
    match doors {
        Doors::Open => "open",
        Doors::Full => "full",
        Doors::DryRun => "dry_run",
        Doors::NotNow => "not_now",
    }
}

fn shown(tier: &OnSale) -> Value {
    let prices = tier.prices.iter().map(|offer| json!({ "id": offer.price.as_str(), "words": offer.words }));
    json!({
        "slug": tier.slug, "name": tier.name, "description": tier.description, "libraries": tier.libraries,
        "downloads": tier.downloads, "trial_days": tier.trial_days, "prices": prices.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
