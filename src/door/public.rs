//! The listener that everybody may reach.

use std::sync::Arc;

use hyper::Method;

use super::health;
use super::lobby::Lobby;
use super::reply::{Asked, Reply, wrong_method};
use super::webhook::{self, Tally, WebhookSettings};
use crate::clock::Clock;
use crate::engine::desk::Desk;

/// Webhook, health and the pages. Cheap to clone.
#[derive(Clone)]
pub struct PublicDoor {
    /// How webhooks are checked.
    pub webhook: Arc<WebhookSettings>,
    /// What came in.
    pub tally: Arc<Tally>,
    /// The way to the engine.
    pub desk: Desk,
    /// The pages.
    pub lobby: Lobby,
    /// The time.
    pub clock: Clock,
}

impl PublicDoor {
    /// Answers; the signed webhook and health without waiting for anybody, and
    /// without any limit.
    pub async fn answer(&self, asked: &Asked) -> Reply {
        let now = self.clock.now();
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        match asked.path.as_str() {
            "/webhook/stripe" if asked.method == Method::POST => {
                webhook::receive(now, &self.webhook, &self.tally, &self.desk.hints, asked)
            }
            "/webhook/stripe" => wrong_method("POST"),
            "/health" if reads => health::health(now, self.desk.view.borrow().as_ref(), &self.tally),
            "/ready" if reads => health::ready(self.desk.view.borrow().as_ref()),
            "/health" | "/ready" => wrong_method("GET"),
            _ => self.lobby.answer(asked).await,
        }
    }
}
