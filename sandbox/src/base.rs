//! The HTTP half that all stand-ins share: a server on 127.0.0.1 in the test's
//! own runtime, the log of requests, and the carrying out of faults.
//!
//! What it promises: a request is decided on and recorded in one step under
//! one lock, so effect and log agree; answers carry the virtual `Date`. What
//! it never does: read real time, start a thread.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::Sleep,
};
use usher::{clock::Clock, facts::Moment};

pub use crate::http::{Answer, Recorded, Request};
use crate::{
    faults::{Bend, Fault, Faults},
    wire,
};

/// A service's state and manners.
pub trait World: Send + 'static {
    /// Whether this request changes something.
    fn is_change(&self, request: &Request) -> bool;

    /// Carries the request out and answers it. `bend`: listings come spoilt.
    fn answer(&mut self, request: &Request, bend: Option<Bend>) -> Answer;

    /// How this service puts an error that a fault demands.
    fn error(&self, _request: &Request, code: u16) -> Answer {
        Answer::status(code)
    }
}

/// A running stand-in; clones are the same, and the last one dropped stops
/// the server and closes its connections.
#[derive(Debug)]
pub struct StandIn<W> {
    inner: Arc<Inner<W>>,
    server: Arc<Server>,
}

impl<W> Clone for StandIn<W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), server: self.server.clone() }
    }
}

#[derive(Debug)]
struct Inner<W> {
    world: Mutex<W>,
    clock: Clock,
    log: Mutex<Log>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Recorded>,
    unexpected: Vec<Recorded>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<W: World> StandIn<W> {
    /// Listens on a free port of 127.0.0.1, in the current runtime.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start(clock: Clock, world: W) -> Self {
        Self::start_on(clock, 0, world)
    }

    /// Listens on this port (0 = any), so a test can come back at an address.
    ///
    /// # Panics
    /// When the port can't be had.
    #[must_use]
    pub fn start_on(clock: Clock, port: u16, world: W) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port of 127.0.0.1");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the listener's address");
        let listener = TcpListener::from_std(listener).expect("a listener in this runtime");
        let inner =
            Arc::new(Inner { world: Mutex::new(world), clock, log: Mutex::default(), faults: Faults::default() });
        let accepting = tokio::spawn(accept(listener, inner.clone()));
        Self { inner, server: Arc::new(Server { address, accepting }) }
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// The present, by the world's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    /// The world's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The service's state. Don't hold it over an await.
    pub fn world(&self) -> MutexGuard<'_, W> {
        locked(&self.inner.world)
    }

    /// The faults to come.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.inner.faults.clone()
    }

    /// All requests since the start or the last [`clear`](Self::clear).
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        locked(&self.inner.log).requests.clone()
    }

    /// Those that change something, faulty or not.
    #[must_use]
    pub fn changes(&self) -> Vec<Recorded> {
        locked(&self.inner.log).requests.iter().filter(|recorded| recorded.change).cloned().collect()
    }

    /// How many requests are such.
    pub fn count(&self, such: impl Fn(&Recorded) -> bool) -> usize {
        locked(&self.inner.log).requests.iter().filter(|recorded| such(recorded)).count()
    }

    /// Requests that nobody should send: `METHOD path: why`. Kept for good.
    #[must_use]
    pub fn unexpected(&self) -> Vec<String> {
        let line = |recorded: &Recorded| {
            let why = recorded.unexpected.as_deref().unwrap_or_default();
            format!("{} {}: {why}", recorded.method, recorded.path)
        };
        locked(&self.inner.log).unexpected.iter().map(line).collect()
    }

    /// Forgets the requests so far (not the unexpected ones).
    pub fn clear(&self) {
        locked(&self.inner.log).requests.clear();
    }
}

/// A lock that a failed test elsewhere doesn't spoil.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept<W: World>(listener: TcpListener, inner: Arc<Inner<W>>) {
    // Connections live in here, so they end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let inner = inner.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| serve(inner.clone(), request));
            // A connection that ends badly is the client's to notice.
            let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Why a connection is closed without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

async fn serve<W: World>(
    inner: Arc<Inner<W>>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Pieces>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let mut request = Request {
        at: inner.clock.now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        target: parts.uri.to_string(),
        query: wire::pairs(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        change: false,
    };
    request.change = locked(&inner.world).is_change(&request);

    let strike = inner.faults.strike(&request);
    let fault = strike.as_ref().map(|strike| strike.fault.clone());
    if let Some(Fault::Delay(delay)) = fault {
        tokio::time::sleep(delay).await;
        request.at = inner.clock.now();
    }
    let bend = match fault {
        Some(Fault::HalfPages) => Some(Bend::Half),
        Some(Fault::RepeatPage) => Some(Bend::Repeat),
        _ => None,
    };
    let done = !matches!(fault, Some(Fault::Status { .. } | Fault::Html | Fault::DropBeforeEffect | Fault::Hang));
    let answer = done.then(|| locked(&inner.world).answer(&request, bend));
    let unexpected = answer.as_ref().and_then(|answer| answer.unexpected.clone());
    let mut label = fault.as_ref().map(Fault::label);
    if let (Some(strike), Some(_), false) = (&strike, bend, answer.as_ref().is_some_and(|answer| answer.bent)) {
        inner.faults.refund(strike);
        label = None;
    }

    let outcome = outcome(&inner, &request, fault, answer);
    let recorded = Recorded {
        request,
        status: match &outcome {
            Outcome::Answer(answer, _) => Some(answer.status),
            Outcome::Drop | Outcome::Hang => None,
        },
        done,
        fault: label,
        unexpected,
    };
    {
        let mut log = locked(&inner.log);
        if recorded.unexpected.is_some() {
            log.unexpected.push(recorded.clone());
        }
        log.requests.push(recorded);
    }
    match outcome {
        Outcome::Drop => Err(Dropped),
        Outcome::Hang => std::future::pending().await,
        Outcome::Answer(answer, spoil) => {
            if !answer.takes.is_zero() {
                tokio::time::sleep(answer.takes).await;
            }
            response(inner.clock.now(), answer, spoil).map_err(|_| Dropped)
        }
    }
}

enum Outcome {
    Drop,
    Hang,
    Answer(Answer, Option<Spoil>),
}

/// How the sending of a good answer goes wrong.
enum Spoil {
    Truncate,
    Drip(Duration),
}

fn outcome<W: World>(inner: &Inner<W>, request: &Request, fault: Option<Fault>, answer: Option<Answer>) -> Outcome {
    let answer = answer.unwrap_or_else(|| Answer::status(200));
    let error = |code| locked(&inner.world).error(request, code);
    match fault {
        Some(Fault::DropBeforeEffect | Fault::EffectThenDrop) => Outcome::Drop,
        Some(Fault::Hang) => Outcome::Hang,
        Some(Fault::EffectThenStatus(code)) => Outcome::Answer(error(code), None),
        Some(Fault::Status { code, retry_after_s, body }) => {
            let mut answer = body.map_or_else(|| error(code), |body| Answer::of(code, type_of(&body), body));
            if let Some(seconds) = retry_after_s {
                answer = answer.header("retry-after", &seconds.to_string());
            }
            Outcome::Answer(answer, None)
        }
        Some(Fault::Html) => {
            let page =
                "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in.<br></body></html>";
            Outcome::Answer(Answer::of(200, "text/html; charset=utf-8", page), None)
        }
        Some(Fault::Malformed) => {
            let half = answer.body.slice(..answer.body.len() / 2);
            Outcome::Answer(Answer { body: half, status: 200, ..answer }, None)
        }
        Some(Fault::Empty) => Outcome::Answer(Answer { body: Bytes::new(), status: 200, ..answer }, None),
        Some(Fault::Truncated) => Outcome::Answer(answer, Some(Spoil::Truncate)),
        Some(Fault::SlowDrip(over)) => Outcome::Answer(answer, Some(Spoil::Drip(over))),
        None | Some(Fault::HalfPages | Fault::RepeatPage | Fault::Delay(_)) => Outcome::Answer(answer, None),
    }
}

/// What a body that a test wrote down is, by how it begins.
fn type_of(body: &str) -> &'static str {
    match body.trim_start() {
        text if text.starts_with(['{', '[']) => "application/json",
        text if text.starts_with("<!") || text.starts_with("<html") => "text/html; charset=utf-8",
        text if text.starts_with('<') => "application/xml",
        _ => "text/plain",
    }
}

fn response(now: Moment, answer: Answer, spoil: Option<Spoil>) -> Result<hyper::Response<Pieces>, hyper::http::Error> {
    let mut length = answer.body.len();
    let mut pieces = VecDeque::new();
    match spoil {
        None => pieces.push_back(Piece::Data(answer.body)),
        Some(Spoil::Truncate) => {
            pieces.push_back(Piece::Data(answer.body.slice(..length / 2)));
            // A moment for hyper to flush what there is, before the end.
            pieces.push_back(Piece::Wait(Duration::from_millis(1)));
            pieces.push_back(Piece::Break);
            length += 16;
        }
        Some(Spoil::Drip(over)) => {
            const DRIPS: u32 = 20;
            let size = length.div_ceil(DRIPS as usize).max(1);
            for start in (0..length).step_by(size) {
                pieces.push_back(Piece::Wait(over / DRIPS));
                pieces.push_back(Piece::Data(answer.body.slice(start..length.min(start + size))));
            }
        }
    }
    let mut response = hyper::Response::builder().status(answer.status).header("date", wire::http_date(now));
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if answer.status != 204 {
        response = response.header("content-length", length);
    }
    response.body(Pieces { pieces, wait: None })
}

enum Piece {
    Data(Bytes),
    Wait(Duration),
    Break,
}

/// A body that can wait between its pieces, and break.
struct Pieces {
    pieces: VecDeque<Piece>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(wait) = &mut self.wait {
                if wait.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.wait = None;
            }
            match self.pieces.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Data(data)) if data.is_empty() => {}
                Some(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Piece::Wait(time)) => self.wait = Some(Box::pin(tokio::time::sleep(time))),
                Some(Piece::Break) => {
                    return Poll::Ready(Some(Err(io::Error::other("broken off on purpose"))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.wait.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
