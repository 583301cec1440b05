//! The door over real sockets: forged, slow, many, too long.

use std::{collections::BTreeMap, future::pending, net::SocketAddr, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use super::*;
use crate::clock::Clock;
use crate::engine::desk::{
    Accept, Answer, Ask, Checkout, CheckoutAsked, Desk, Doors, Front, Health, Held, Hint, No, Trial, Upgrade, View,
    Welcome, Whom, Wish,
};
use crate::facts::{CustomerId, Moment, PriceId, SignedIn, SubscriptionId};
use crate::letters::Brand;
use crate::portal::PortalKey;
use crate::reports::{Look, Page, Question};
use crate::secret::Secret;
use crate::services::{plex::Plex, script::http};

const NOW: i64 = 1_700_000_000;
mod api;

const SECRET: &str = "whsec_test";
const CHANGE: &str = "change-token-0123456789";
const READ: &str = "read-token-0123456789";

pub(crate) struct Glass {
    pub(crate) healthy: bool,
    pub(crate) front: Front,
}

impl View for Glass {
    fn health(&self, now: Moment) -> Health {
        Health {
            healthy: self.healthy,
            mode: "dry run",
            started: now,
            generation: 7,
            loops: BTreeMap::new(),
            members: 3,
            holds: 0,
            outbox: 0,
            problems: Vec::new(),
        }
    }
    fn ready(&self) -> bool {
        self.healthy
    }
    fn front(&self, _now: Moment) -> Front {
        self.front.clone()
    }
    fn answer(&self, question: &Question, _now: Moment) -> Result<Page, String> {
        match question {
            Question::Why { who } if who == "nobody@b.example" => Err("nobody is called so".into()),
            _ if !self.healthy => Err("Usher is starting".into()),
            question => Ok(Page { text: format!("{question:?}"), json: serde_json::json!([]) }),
        }
    }
    fn look(&self, look: &Look, _now: Moment) -> Result<serde_json::Value, No> {
        match look {
            Look::Plans if !self.healthy => known("early")?,
            Look::Plans => {}
            Look::Subscription { who } | Look::Access { who, .. } => known(who)?,
        }
        Ok(serde_json::json!({}))
    }
    fn checkout(&self, asked: &CheckoutAsked, _now: Moment) -> Result<Checkout, No> {
        let Whom::Member(who) = &asked.whom else { return Err(No { code: "full", why: "no seat".into() }) };
        known(who)?;
        let customer = Some(api::customer(who));
        Ok(Checkout { price: "price_1".into(), customer, email: None, member: None, trial_days: None })
    }
    fn welcome(&self, signed_in: &SignedIn, _now: Moment) -> Result<Welcome, No> {
        let email = signed_in.email.clone();
        match signed_in.account.0 {
            0..10 => Err(No { code: "early", why: "early".into() }),
            10 => Ok(Welcome::Sale { email, trial: Trial::Fresh }),
            11 => Ok(Welcome::Sale { email: None, trial: Trial::Had }),
            12 => Ok(Welcome::Subscribed),
            13 => Ok(Welcome::Revoked),
            _ => Ok(Welcome::OfTheHouse),
        }
    }
    fn payer(&self, who: &str, _now: Moment) -> Result<CustomerId, No> {
        known(who).map(|()| api::customer(who))
    }
    fn held(&self, who: &str, _named: Option<&SubscriptionId>, _now: Moment) -> Result<Held, No> {
        known(who).map(|()| Held { subscription: format!("sub_{who}").into(), customer: api::customer(who) })
    }
    fn upgrade(
        &self,
        who: &str,
        named: Option<&SubscriptionId>,
        _tier: &str,
        _price: Option<&PriceId>,
        now: Moment,
    ) -> Result<Upgrade, No> {
        Ok(Upgrade { held: self.held(who, named, now)?, from: "price_from".into(), to: "price_to".into() })
    }
}

/// Answers by the name that is asked for.
fn known(who: &str) -> Result<(), No> {
    let code = match who {
        "nobody" => "not_found",
        "twice" => "ambiguous",
        "early" => "not_ready",
        "barred" => "no_access",
        _ => return Ok(()),
    };
    Err(No { code, why: "as asked".into() })
}

type Asks = mpsc::Receiver<(Wish, tokio::sync::oneshot::Sender<Answer>)>;

pub(crate) struct House {
    pub(crate) public: PublicDoor,
    pub(crate) admin: AdminDoor,
    hints: mpsc::Receiver<Hint>,
    pub(crate) asks: Asks,
    // Closing it would not hurt, but a view that changes is what it is for.
    _view: watch::Sender<Arc<dyn View>>,
}

pub(crate) fn house(healthy: bool, secrets: &[&str]) -> House {
    let front = Front { doors: Doors::NotNow, tiers: Vec::new(), has_codes: false };
    furnished(Glass { healthy, front }, secrets, None)
}

pub(crate) fn furnished(glass: Glass, secrets: &[&str], till: Option<Till>) -> House {
    let glass: Arc<dyn View> = Arc::new(glass);
    let (asks, asks_in) = mpsc::channel(4);
    let (hints, hints_in) = mpsc::channel(2);
    let (view_out, view) = watch::channel(glass);
    let desk = Desk { asks, view, hints };
    let clock = Clock::from_fn(|| Moment::from_timestamp(NOW, 0).unwrap());
    let tally = Arc::new(Tally::default());
    let secrets = secrets.iter().copied().map(Secret::new).collect();
    let webhook = Arc::new(WebhookSettings { secrets, livemode: Some(false) });
    let brand = Brand {
        name: "Attic <Cinema>".into(),
        color: "#3b5b92".into(),
        support_link: Some("https://help.example.com/".into()),
        public_url: till.as_ref().and_then(|till| till.public_url.clone()),
    };
    let lobby = Lobby {
        pages: Arc::new(Pages::new(&brand).unwrap()),
        strangers: Strangers::new(Arc::new(|_| false)),
        till,
        sign_in: Plex::new(http(), Some(String::new()), Secret::new("token"), "client".into()).sign_in(),
        portal: PortalKey::new(Secret::new("portal")),
        desk: desk.clone(),
        clock: clock.clone(),
    };
    let tokens = Arc::new(AdminTokens { change: Secret::new(CHANGE), read: Secret::new(READ) });
    House {
        public: PublicDoor { webhook, tally: Arc::clone(&tally), desk: desk.clone(), lobby, clock: clock.clone() },
        admin: AdminDoor::new(tokens, tally, desk, clock, None),
        hints: hints_in,
        asks: asks_in,
        _view: view_out,
    }
}

pub(crate) fn asked(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Asked {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let body = Ok(hyper::body::Bytes::copy_from_slice(body.as_bytes()));
    let peer = [203, 0, 113, 7].into();
    Asked { peer, method: method.parse().unwrap(), path: path.to_owned(), query, headers, body }
}

fn signed(body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{NOW}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={NOW},v1={hex}")
}

async fn webhook(house: &House, body: &str) -> u16 {
    let signature = signed(body);
    let asked = asked("POST", "/webhook/stripe", &[("stripe-signature", &signature)], body);
    house.public.answer(&asked).await.status().as_u16()
}

async fn body_of(reply: Reply) -> serde_json::Value {
    use http_body_util::BodyExt;
    serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap_or_default()
}

#[tokio::test]
async fn a_signed_webhook_leaves_a_hint_whom_to_look_at() {
    let customer = |id: &str| Some(Hint::Customer(id.into()));
    for (body, expected) in [
        (r#"{"type":"invoice.paid","data":{"object":{"object":"invoice","customer":"cus_A"}}}"#, customer("cus_A")),
        (r#"{"type":"x","data":{"object":{"customer":{"id":"cus_B","object":"customer"}}}}"#, customer("cus_B")),
        (r#"{"type":"customer.updated","data":{"object":{"object":"customer","id":"cus_C"}}}"#, customer("cus_C")),
        (
            r#"{"type":"entitlements.active_entitlement_summary.updated","data":{"object":
                {"object":"entitlements.active_entitlement_summary","customer":"cus_D","entitlements":{"data":[]}}}}"#,
            customer("cus_D"),
        ),
        (r#"{"type":"charge.dispute.created","data":{"object":{"object":"dispute"}}}"#, Some(Hint::Everything)),
        (r#"{"type":"x","data":{"object":{"customer":"cus_\u0000/../x"}}}"#, Some(Hint::Everything)),
        (r#"{"type":"x","livemode":false}"#, Some(Hint::Everything)),
        (r#"{"object":"v2.core.event","type":"x"}"#, None),
    ] {
        let mut house = house(true, &[SECRET]);
        assert_eq!(webhook(&house, body).await, 200, "{body}");
        assert_eq!(house.hints.try_recv().ok(), expected, "{body}");
        assert_eq!(house.public.tally.accepted(), 1);
    }
}

#[tokio::test]
async fn refused_webhooks_get_400_no_word_and_a_count() {
    let body = r#"{"type":"invoice.paid","livemode":true}"#;
    let mut house = house(true, &[SECRET]);
    assert_eq!(webhook(&house, body).await, 400, "a live event for a test key");
    assert_eq!(webhook(&house, "[1]").await, 400, "signed, but no event");
    let forged = asked("POST", "/webhook/stripe", &[("stripe-signature", &signed("other"))], body);
    let reply = house.public.answer(&forged).await;
    assert_eq!((reply.status().as_u16(), body_of(reply).await), (400, serde_json::Value::Null));
    assert_eq!(house.public.answer(&asked("POST", "/webhook/stripe", &[], body)).await.status(), 400);
    let mut long = asked("POST", "/webhook/stripe", &[], "");
    long.body = Err(BodyRefused::TooLong);
    assert_eq!(house.public.answer(&long).await.status(), 400);
    assert!(house.hints.try_recv().is_err());
    let refused: Vec<_> = house.public.tally.refused().into_iter().collect();
    assert_eq!(
        refused,
        [
            ("body_too_long", 1),
            ("not_an_event", 1),
            ("signature_forged", 1),
            ("signature_missing", 1),
            ("wrong_mode", 1)
        ]
    );
}

#[tokio::test]
async fn without_a_secret_every_webhook_is_refused() {
    let house = house(true, &[]);
    assert_eq!(webhook(&house, r#"{"type":"invoice.paid"}"#).await, 400);
    assert_eq!(house.public.tally.refused().get("not_configured"), Some(&1));
}

#[tokio::test]
async fn more_hints_than_the_loop_takes_are_dropped_and_still_200() {
    let house = house(true, &[SECRET]);
    for _ in 0..5 {
        assert_eq!(webhook(&house, r#"{"type":"x","data":{"object":{"customer":"cus_A"}}}"#).await, 200);
    }
}

#[tokio::test]
async fn health_tells_the_truth() {
    for (healthy, status) in [(true, 200), (false, 503)] {
        let house = house(healthy, &[]);
        let reply = house.public.answer(&asked("GET", "/health", &[], "")).await;
        assert_eq!(reply.status().as_u16(), status);
        let shown = body_of(reply).await;
        assert_eq!((&shown["healthy"], &shown["generation"]), (&healthy.into(), &7.into()));
        assert_eq!(shown["webhooks"]["accepted"], 0);
        assert_eq!(house.public.answer(&asked("GET", "/ready", &[], "")).await.status().as_u16(), status);
    }
    let house = house(true, &[]);
    for (method, path, status) in [
        ("POST", "/health", 405),
        ("GET", "/webhook/stripe", 405),
        ("GET", "/", 303),
        ("GET", "/api/members", 404),
        ("PUT", "/join/x", 405),
    ] {
        assert_eq!(
            house.public.answer(&asked(method, path, &[], "")).await.status().as_u16(),
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn the_operator_needs_a_token_and_the_reading_one_changes_nothing() {
    let house = house(true, &[]);
    let ask = r#"{"ask":"accept","what":"clock"}"#;
    for (method, path, token, status) in [
        ("GET", "/api/members", None, 401),
        ("GET", "/api/members", Some("Bearer wrong"), 401),
        ("GET", "/api/members", Some(CHANGE), 401),
        ("GET", "/nothing", None, 401),
        ("POST", "/api/ask", None, 401),
        ("POST", "/api/ask", Some("Bearer read-token-0123456789"), 403),
        ("GET", "/api/members", Some("Bearer read-token-0123456789"), 200),
        ("GET", "/api/holds", Some("bearer change-token-0123456789"), 200),
        ("GET", "/api/why", Some("Bearer read-token-0123456789"), 400),
        ("GET", "/api/why?who=ann%40b.example", Some("Bearer read-token-0123456789"), 200),
        ("GET", "/api/why?who=nobody%40b.example", Some("Bearer read-token-0123456789"), 404),
        ("POST", "/api/members", Some("Bearer change-token-0123456789"), 405),
        ("GET", "/nothing", Some("Bearer change-token-0123456789"), 404),
        ("GET", "/health", None, 200),
    ] {
        let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
        let reply = house.admin.answer(asked(method, path, &headers, ask)).await;
        assert_eq!(reply.status().as_u16(), status, "{method} {path} {token:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ask_reaches_the_engine_and_its_answer_comes_back() {
    let House { admin, mut asks, .. } = house(true, &[]);
    let headers = [("authorization", "Bearer change-token-0123456789")];
    let engine = async {
        let (ask, answer) = asks.recv().await.unwrap();
        assert_eq!(ask, Wish::from(Ask::Accept { what: Accept::Clock }));
        answer.send(Err("there is no such hold".into())).unwrap();
        asks
    };
    let request = asked("POST", "/api/ask", &headers, r#"{"ask":"accept","what":"clock"}"#);
    let (reply, asks) = tokio::join!(admin.answer(request), engine);
    assert_eq!(reply.status(), 409);
    assert_eq!(body_of(reply).await["error"]["message"], "there is no such hold");

    assert_eq!(admin.answer(asked("POST", "/api/ask", &headers, "{}")).await.status(), 400);
    // Nobody answers: ten seconds of virtual time.
    let late = asked("POST", "/api/ask", &headers, r#"{"ask":"approve","ids":["all"]}"#);
    assert_eq!(admin.answer(late).await.status(), 504);
    drop(asks);
    let gone = asked("POST", "/api/ask", &headers, r#"{"ask":"approve","ids":["all"]}"#);
    assert_eq!(admin.answer(gone).await.status(), 503);
}

/// A server whose answers are the path; `/panic` panics, `/wait` never answers.
async fn serving(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |asked: Asked| async move {
        match asked.path.as_str() {
            "/panic" => panic!("a fault"),
            "/wait" => pending().await,
            _ => super::reply::json(
                hyper::StatusCode::OK,
                &asked.body.map_err(|refused| format!("{refused:?}")).map(|body| body.len()),
            ),
        }
    };
    tokio::spawn(serve(listener, answer, limits, pending()));
    address
}

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const CLOSE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn quick() -> Limits {
    let moment = Duration::from_millis(150);
    Limits { connections_max: 3, head_timeout: moment, body_bytes_max: 10, body_timeout: moment, ..Limits::default() }
}

#[tokio::test]
async fn a_fault_in_one_answer_ends_one_connection() {
    let address = serving(quick()).await;
    let lost = rest(connect(address, "GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert_eq!(lost, "");
    assert!(rest(connect(address, CLOSE).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn heads_and_bodies_are_limited_in_size_and_time() {
    let address = serving(quick()).await;
    let half = rest(connect(address, "GET / HTTP/1.1\r\nhost:").await).await;
    assert!(!half.contains("200 OK"), "a head that never ends: {half}");
    let silent = rest(connect(address, "").await).await;
    assert_eq!(silent, "", "a connection that says nothing is closed");
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    let large = rest(connect(address, &large).await).await;
    assert!(!large.contains("200 OK"), "{large}");
    for (body, expected) in [
        ("content-length: 10\r\n\r\n0123456789", "{\"Ok\":10}"),
        ("content-length: 11\r\n\r\n01234567890", "TooLong"),
        ("transfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", "TooLong"),
        ("content-length: 10\r\n\r\n0", "TooSlow"),
    ] {
        let reply = rest(connect(address, &format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{body}")).await);
        let reply = reply.await;
        assert!(reply.contains(expected), "{body}: {reply}");
    }
}

#[tokio::test]
async fn when_full_the_one_waiting_longest_for_a_head_goes() {
    let limits = Limits { connections_max: 2, head_timeout: Duration::from_secs(60), ..Limits::default() };
    let address = serving(limits).await;
    let busy = connect(address, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let slow = connect(address, "GET / HTTP").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(rest(connect(address, CLOSE).await).await.starts_with("HTTP/1.1 200"), "the newcomer gets in");
    assert_eq!(rest(slow).await, "", "the slow one had to go");
    let busy_too = connect(address, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rest(connect(address, CLOSE).await).await, "", "everybody inside is being answered");
    drop((busy, busy_too));
}

#[tokio::test]
async fn a_hundred_slow_strangers_do_not_keep_stripe_out() {
    let limits = Limits { connections_max: 20, head_timeout: Duration::from_secs(60), ..Limits::default() };
    let address = serving(limits).await;
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(connect(address, "POST /webhook").await);
    }
    assert!(rest(connect(address, CLOSE).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn asked_to_stop_it_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let answer = |_| async { super::reply::empty(hyper::StatusCode::OK) };
    let server = tokio::spawn(serve(listener, answer, Limits::default(), async {
        let _ = stopped.await;
    }));
    let idle = connect(address, "").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(1), server).await.expect("soon").unwrap();
    assert_eq!(rest(idle).await, "");
}
