//! A small HTTP/1.1 server that strangers may talk to.
//!
//! Promises: at most so many connections; when full, the one that has been
//! waiting longest for a head goes, so that slow strangers can't keep Stripe
//! out; heads, bodies and idling are limited in size and time; a panic while
//! answering ends that connection and nothing else. Dropping [`serve`] drops
//! every connection.
//!
//! Known race: a connection may be asked to go in the very moment in which its
//! head arrives. Stripe delivers again, and the poll covers it.

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use super::reply::{Asked, BodyRefused, Reply};
use crate::limits;

/// The server's limits; [`Default`] is what `limits.rs` says.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At once.
    pub connections_max: usize,
    /// A request's head.
    pub head_bytes_max: usize,
    /// Until a head is complete, from the first byte or from the last answer.
    pub head_timeout: Duration,
    /// A request's body.
    pub body_bytes_max: usize,
    /// Until a body is complete.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            head_bytes_max: limits::HEAD_BYTES_MAX,
            head_timeout: limits::HEAD_OR_IDLE_TIMEOUT,
            body_bytes_max: limits::BODY_BYTES_MAX,
            body_timeout: limits::BODY_TIMEOUT,
        }
    }
}

/// After `accept` failed (usually: out of file descriptors) it would fail again
/// at once; until then some connection may have ended.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For answers under way when asked to stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves until `shutdown`, then lets answers under way go out for a moment.
pub async fn serve<H, F>(listener: TcpListener, answer: H, limits: Limits, shutdown: impl Future<Output = ()>)
where
    H: Fn(Asked) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let queue = Arc::new(Queue::default());
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                told_if_panicked(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                if tokio::time::timeout(ACCEPT_PAUSE, &mut shutdown).await.is_ok() {
                    break;
                }
                continue;
            }
        };
        if make_room(&mut connections, &queue, limits.connections_max).await {
            connections.spawn(connection(stream, peer, answer.clone(), limits, Place::take(&queue)));
        }
    }
    drop(listener);
    while queue.send_longest_waiting_away() {}
    let rest = async { while connections.join_next().await.is_some() {} };
    // Whoever isn't done by then is dropped with the set.
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

/// False when everybody inside is being answered: then the newcomer goes.
async fn make_room(connections: &mut JoinSet<()>, queue: &Queue, connections_max: usize) -> bool {
    while connections.len() >= connections_max {
        if !queue.send_longest_waiting_away() {
            return false;
        }
        if let Some(ended) = connections.join_next().await {
            told_if_panicked(ended);
        }
    }
    true
}

fn told_if_panicked(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a request could not be answered because of a fault in Usher; please report it");
    }
}

async fn connection<H, F>(stream: TcpStream, peer: SocketAddr, answer: H, limits: Limits, place: Place)
where
    H: Fn(Asked) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Answers are one small packet each; without this they wait 40 ms.
    let _ = stream.set_nodelay(true);
    let place = Arc::new(place);
    let service = service_fn(|request: Request<Incoming>| {
        place.head_is_here();
        let place = Arc::clone(&place);
        let answer = &answer;
        async move {
            let asked = read(request, peer, limits).await;
            let reply = answer(asked).await;
            place.waits_for_a_head();
            Ok::<Reply, std::convert::Infallible>(reply)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        // Whoever closes their half after asking still gets the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = place.sent_away() => {}
        ended = served => {
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
        }
    }
}

async fn read(request: Request<Incoming>, peer: SocketAddr, limits: Limits) -> Asked {
    let (head, body) = request.into_parts();
    Asked {
        peer: peer.ip(),
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: read_body(body, limits).await,
    }
}

async fn read_body(body: Incoming, limits: Limits) -> Result<Bytes, BodyRefused> {
    // Announced too long: refused before a byte is read.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > limits.body_bytes_max) {
        return Err(BodyRefused::TooLong);
    }
    let whole = Limited::new(body, limits.body_bytes_max).collect();
    match tokio::time::timeout(limits.body_timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyRefused::TooLong),
        Ok(Err(_)) => Err(BodyRefused::Torn),
        Err(_) => Err(BodyRefused::TooSlow),
    }
}

/// Who waits for a head, the longest first.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next_turn: u64,
    by_turn: BTreeMap<u64, Arc<Notify>>,
}

impl Queue {
    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        // Nothing in `act` panics; should it ever, the queue is still a queue.
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send_longest_waiting_away(&self) -> bool {
        let first = self.with(|waiting| waiting.by_turn.pop_first());
        first.is_some_and(|(_, away)| {
            away.notify_one();
            true
        })
    }
}

/// One connection's place in the queue.
struct Place {
    queue: Arc<Queue>,
    turn: Mutex<Option<u64>>,
    away: Arc<Notify>,
}

impl Place {
    fn take(queue: &Arc<Queue>) -> Self {
        let place = Self { queue: Arc::clone(queue), turn: Mutex::new(None), away: Arc::new(Notify::new()) };
        place.waits_for_a_head();
        place
    }

    fn waits_for_a_head(&self) {
        let turn = self.queue.with(|waiting| {
            let turn = waiting.next_turn;
            waiting.next_turn += 1;
            waiting.by_turn.insert(turn, Arc::clone(&self.away));
            turn
        });
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    fn head_is_here(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(turn) = turn {
            self.queue.with(|waiting| waiting.by_turn.remove(&turn));
        }
    }

    async fn sent_away(&self) {
        self.away.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.head_is_here();
    }
}
