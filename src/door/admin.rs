//! The operator's listener: what the commands talk to.
//!
//! Promises: nothing is said or done without a token, which is compared in
//! constant time; the reading token changes nothing. Nobody waits longer than
//! ten seconds for the engine, or thirty for each call to Stripe.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::answers::{Answers, Which};
use super::api::{Trouble, answered};
use super::health;
use super::lobby::Till;
use super::metrics;
use super::reply::{Asked, Reply, error, json, json_of, json_text, not_found, query_value, wrong_method};
use super::webhook::Tally;
use crate::clock::Clock;
use crate::engine::desk::{Desk, Unanswered, Wish};
use crate::reports::Question;
use crate::secret::Secret;

/// Who may come in.
#[derive(Debug, Clone)]
pub struct AdminTokens {
    /// May change things.
    pub change: Secret,
    /// May only read.
    pub read: Secret,
}

/// The operator's door. Cheap to clone.
#[derive(Clone)]
pub struct AdminDoor {
    /// Who may come in.
    pub tokens: Arc<AdminTokens>,
    /// For `/health`.
    pub tally: Arc<Tally>,
    /// The way to the engine.
    pub desk: Desk,
    /// The time.
    pub clock: Clock,
    /// What is sold, and how.
    pub till: Option<Till>,
    /// What was answered to requests with an `Idempotency-Key`.
    answers: Arc<Answers>,
}

/// What can be asked for with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Access,
    Ask,
    Cancel,
    Checkout,
    Holds,
    Members,
    Metrics,
    OpenApi,
    Plan,
    Plans,
    Portal,
    Stats,
    Subscription,
    Uncancel,
    Unmatched,
    Upgrade,
    Usage,
    Why,
}

/// Everything that this door answers with a token; `openapi.json` says the
/// same. Who may only read can't POST.
pub(super) const ROUTES: [(&str, &str, Verb); 18] = [
    ("GET", "/api/access", Verb::Access),
    ("POST", "/api/ask", Verb::Ask),
    ("POST", "/api/cancel", Verb::Cancel),
    ("POST", "/api/checkout", Verb::Checkout),
    ("GET", "/api/holds", Verb::Holds),
    ("GET", "/api/members", Verb::Members),
    ("GET", "/api/openapi.json", Verb::OpenApi),
    ("GET", "/api/plan", Verb::Plan),
    ("GET", "/api/plans", Verb::Plans),
    ("POST", "/api/portal", Verb::Portal),
    ("GET", "/api/stats", Verb::Stats),
    ("GET", "/api/subscription", Verb::Subscription),
    ("POST", "/api/uncancel", Verb::Uncancel),
    ("GET", "/api/unmatched", Verb::Unmatched),
    ("POST", "/api/upgrade", Verb::Upgrade),
    ("POST", "/api/usage", Verb::Usage),
    ("GET", "/api/why", Verb::Why),
    ("GET", "/metrics", Verb::Metrics),
];

/// What this API is, for programs (OpenAPI 3.1).
pub(super) const OPENAPI: &str = include_str!("openapi.json");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Change,
    Read,
}

impl AdminDoor {
    /// A door of these.
    #[must_use]
    pub fn new(tokens: Arc<AdminTokens>, tally: Arc<Tally>, desk: Desk, clock: Clock, till: Option<Till>) -> Self {
        Self { tokens, tally, desk, clock, till, answers: Arc::default() }
    }

    /// Does what is asked, once for one `Idempotency-Key`.
    async fn once(&self, asked: &Asked, done: impl Future<Output = Result<Value, Trouble>>) -> Reply {
        let which = Which::of(asked);
        if let Some(answer) = which.as_ref().and_then(|which| self.answers.to(self.clock.now(), which)) {
            return json(StatusCode::OK, &answer);
        }
        let outcome = done.await;
        if let (Some(which), Ok(answer)) = (which, &outcome) {
            self.answers.keep(self.clock.now(), which, answer);
        }
        answered(outcome)
    }

    /// Answers; waits only for the engine, and for Stripe where it sells.
    pub async fn answer(&self, asked: Asked) -> Reply {
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        match asked.path.as_str() {
            "/health" if reads => {
                return health::health(self.clock.now(), self.desk.view.borrow().as_ref(), &self.tally);
            }
            "/ready" if reads => return health::ready(self.desk.view.borrow().as_ref()),
            "/health" | "/ready" => return wrong_method("GET"),
            _ => {}
        }
        let Some(right) = self.right(&asked) else { return unauthorized() };
        let Some((method, _, verb)) = ROUTES.iter().find(|(_, path, _)| *path == asked.path) else {
            return not_found();
        };
        let fits = if *method == "GET" { reads } else { asked.method == *method };
        match right {
            _ if !fits => wrong_method(method),
            Right::Read if *method != "GET" => error(StatusCode::FORBIDDEN, "read_only", "this token may only read"),
            _ => self.carry_out(*verb, &asked).await,
        }
    }

    async fn carry_out(&self, verb: Verb, asked: &Asked) -> Reply {
        let who = || query_value(asked.query.as_deref(), "who").filter(|who| !who.trim().is_empty());
        match verb {
            Verb::Ask => self.ask(asked).await,
            Verb::Members => self.question(&Question::Members),
            Verb::Holds => self.question(&Question::Holds),
            Verb::Plan => match query_value(asked.query.as_deref(), "days").as_deref().unwrap_or("7").parse() {
                Ok(days) => self.question(&Question::Plan { days }),
                Err(_) => error(StatusCode::BAD_REQUEST, "bad_request", "say how many days: /api/plan?days=7"),
            },
            Verb::Stats => self.question(&Question::Stats),
            Verb::Unmatched => self.question(&Question::Unmatched),
            Verb::Why => match who() {
                Some(who) => self.question(&Question::Why { who }),
                None => error(StatusCode::BAD_REQUEST, "bad_request", "say whom: /api/why?who=…"),
            },
            Verb::Metrics => metrics::metrics(self.clock.now(), self.desk.view.borrow().as_ref(), &self.tally),
            Verb::OpenApi => json_text(OPENAPI),
            Verb::Plans => answered(self.plans()),
            Verb::Subscription => answered(self.subscription(asked)),
            Verb::Access => answered(self.access(asked)),
            Verb::Checkout => self.once(asked, self.checkout(asked)).await,
            Verb::Portal => self.once(asked, self.portal(asked)).await,
            Verb::Cancel => self.once(asked, self.cancel(asked)).await,
            Verb::Uncancel => self.once(asked, self.uncancel(asked)).await,
            Verb::Upgrade => self.once(asked, self.upgrade(asked)).await,
            Verb::Usage => self.once(asked, self.usage(asked)).await,
        }
    }

    fn right(&self, asked: &Asked) -> Option<Right> {
        let header = asked.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, token) = header.split_at_checked(b"Bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return None;
        }
        // Both are compared, whatever the first says.
        let (change, read) = (self.tokens.change.is(token), self.tokens.read.is(token));
        if change {
            Some(Right::Change)
        } else if read {
            Some(Right::Read)
        } else {
            None
        }
    }

    fn question(&self, question: &Question) -> Reply {
        let answer = self.desk.view.borrow().answer(question, self.clock.now());
        match answer {
            Ok(page) => json(StatusCode::OK, &page),
            Err(sentence) => error(StatusCode::NOT_FOUND, "not_found", &sentence),
        }
    }

    async fn ask(&self, asked: &Asked) -> Reply {
        let bad = |why: &str| error(StatusCode::BAD_REQUEST, "bad_request", why);
        let Ok(body) = &asked.body else { return bad("the body is too long, too slow or torn") };
        let ask: Wish = match ask_of(body) {
            Ok(ask) => ask,
            Err(why) => return bad(&format!("this is not an ask: {why}")),
        };
        match self.desk.ask(ask).await {
            Ok(Ok(page)) => json(StatusCode::OK, &page),
            Ok(Err(sentence)) => error(StatusCode::CONFLICT, "refused", &sentence),
            Err(Unanswered::Stopping) => error(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "Usher is stopping; ask again when it runs, to be sure",
            ),
            Err(Unanswered::Late) => error(
                StatusCode::GATEWAY_TIMEOUT,
                "late",
                "no answer within 10 seconds; it may still be done: look with `usher holds`",
            ),
        }
    }
}

/// An ask by its word. A number would stand for the first, second, … of them.
fn ask_of(body: &[u8]) -> Result<Wish, String> {
    let ask: Value = json_of(body).map_err(|why| why.to_string())?;
    if ask.get("ask").is_some_and(Value::is_string) {
        serde_json::from_value(ask).map_err(|why| why.to_string())
    } else {
        Err("\"ask\" says what is wished, in a word".to_owned())
    }
}

fn unauthorized() -> Reply {
    let mut reply = error(StatusCode::UNAUTHORIZED, "unauthorized", "send the token: Authorization: Bearer …");
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}
