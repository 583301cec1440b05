//! Plex sign-in by PIN (facts: plex.tv's `/api/v2/pins`): a stranger shows
//! which account is theirs, at plex.tv itself.
//!
//! Promises: this client has no token of the owner's; the stranger's is used
//! for one read of who they are, in the same call, and forgotten: it is neither
//! kept, logged nor handed on. Strangers have their turn at plex.tv last, and
//! no call, waiting included, takes longer than [`SIGN_IN_TIMEOUT`].
//!
//! Not promised, as with every sign-in on another device: that who opened
//! plex.tv's page is who began it. Who is talked into opening somebody else's
//! link and signing in there has shown their account to that somebody; all that
//! Usher does with it is to sell *them* a place, and to let who pays see the
//! account's address on Stripe's page.

use std::{future::Future, time::Duration};

use reqwest::Method;
use serde_json::Value;

use super::{
    failure::Failure,
    http::{
        Call, Http, form,
        pacer::{Lane, Pacer},
    },
    loose::{flag, num, text},
    plex,
};
use crate::{
    config::Live,
    facts::{Email, FailureKind, PlexId, SignedIn},
    limits::{SIGN_IN_SECS_MAX, SIGN_IN_TIMEOUT},
    secret::Secret,
};

/// Where people sign in: a link, never fetched.
const PAGE: &str = "https://app.plex.tv/auth#?";
/// How long a PIN lives whose answer doesn't say: the shortest kind does so.
const SECS_UNSAID: u64 = 900;

/// Begins sign-ins and sees who signed in. Cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    http: Http,
    site: String,
    client_id: String,
    pacer: Pacer,
}

/// A sign-in that has begun.
#[derive(Debug, Clone)]
pub struct Pin {
    /// plex.tv's number for it. Only our own client id can read it.
    pub id: u64,
    /// How long it can be taken up.
    pub secs: u64,
    code: Secret,
}

/// What came of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nobody has signed in yet.
    Nobody,
    /// It can't be taken up any more.
    Expired,
    /// Somebody did.
    Account(SignedIn),
}

impl SignIn {
    pub(super) fn new(http: Http, site: String, client_id: String, pacer: Pacer) -> Self {
        Self { http, site, client_id, pacer }
    }

    /// Begins one.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn begin(&self, _live: &Live) -> Result<Pin, Failure> {
        in_time(async {
            let call = self.call(Method::POST, "/api/v2/pins").query("strong", "true");
            let turn = self.pacer.write_for_a_stranger().await;
            turn.wrote(); // Also when it is given up on its way.
            let reply = self.http.call(call).await;
            turn.wrote();
            let reply = reply?;
            let value = plex::json(&reply)?;
            let named = num(&value["id"]).zip(text(&value["code"]));
            let (id, code) = named.ok_or_else(|| Failure::nonsense(format!("{}: no PIN in the answer", reply.what)))?;
            let secs = num(&value["expiresIn"]).unwrap_or(SECS_UNSAID).min(SIGN_IN_SECS_MAX);
            Ok(Pin { id, secs, code: Secret::new(code) })
        })
        .await
    }

    /// The page at which it is taken up, and which leads back to `back`.
    #[must_use]
    pub fn page(&self, pin: &Pin, back: &str) -> String {
        let said = [
            ("clientID", self.client_id.as_str()),
            ("code", pin.code.expose()),
            ("context[device][product]", plex::PRODUCT),
            ("forwardUrl", back),
        ];
        format!("{PAGE}{}", form(said))
    }

    /// Who took it up.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn shown(&self, pin: u64) -> Result<Shown, Failure> {
        in_time(async {
            let call = self.call(Method::GET, &format!("/api/v2/pins/{pin}")).shown("/api/v2/pins/…");
            let value = match self.read(call).await {
                Ok(value) => value,
                Err(failure) if failure.is_gone() => return Ok(Shown::Expired),
                Err(failure) => return Err(failure),
            };
            let Some(token) = text(&value["authToken"]).map(Secret::new) else { return Ok(Shown::Nobody) };
            let call = self.call(Method::GET, "/api/v2/user").header("x-plex-token", token.expose());
            let user = self.read(call).await?;
            let account = num(&user["id"]).filter(|id| *id > 0).map(PlexId);
            let account = account.ok_or_else(|| Failure::nonsense("plex.tv: who signed in has no account id"))?;
            // An address that its owner never confirmed says nothing of them.
            let email =
                user["email"].as_str().and_then(Email::parse).filter(|_| flag(&user["confirmed"]) != Some(false));
            Ok(Shown::Account(SignedIn { account, email }))
        })
        .await
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let call = plex::introduced(Call::new(plex::NAME, method, &self.site, path), &self.client_id);
        call.header("accept", "application/json").limit(SIGN_IN_TIMEOUT)
    }

    async fn read(&self, call: Call) -> Result<Value, Failure> {
        let _turn = self.pacer.read(Lane::Door).await;
        plex::json(&self.http.call(call).await?)
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let limit: Duration = SIGN_IN_TIMEOUT;
    let late = || Failure::unknown(FailureKind::Unreachable, format!("plex.tv: no answer in {} s", limit.as_secs()));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
#[path = "tests/sign_in.rs"]
mod tests;
