//! Signing in by PIN: one is made without any token, read only by the client
//! that made it, taken up by a person at `app.plex.tv`, and gone after its time.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher::facts::{Moment, PlexId};

use super::{Account, Plex, State, paper::iso};
use crate::{
    base::{Answer, Request, World},
    wire,
};

/// A strong one's life.
const STRONG_S: i64 = 1800;
/// That of one with four letters, to be typed at a television.
const SHORT_S: i64 = 900;

/// PINs and the tokens that came of them.
#[derive(Debug, Default)]
pub(super) struct Pins {
    pins: BTreeMap<u64, Pin>,
    tokens: BTreeMap<String, PlexId>,
}

#[derive(Debug)]
struct Pin {
    code: String,
    client: String,
    product: String,
    made: Moment,
    expires: Moment,
    token: Option<String>,
}

impl Plex {
    /// A person follows this link to plex.tv's page and signs in. Where the
    /// page leads them back to; `None` when it knows no such PIN (any more).
    pub fn sign_in_at(&self, link: &str, account: PlexId) -> Option<String> {
        let said = wire::pairs(link.strip_prefix("https://app.plex.tv/auth#?")?);
        let said = |name: &str| said.iter().find(|(said, _)| said == name).map(|(_, value)| value.clone());
        let (client, code, _product) = (said("clientID")?, said("code")?, said("context[device][product]")?);
        let now = self.now();
        let pins = &mut self.world().pins;
        let open = |pin: &Pin| pin.code == code && pin.client == client && now < pin.expires;
        let (id, pin) = pins.pins.iter_mut().find(|(_, pin)| open(pin))?;
        let token = format!("token-of-{account}-by-{id}");
        pin.token = Some(token.clone());
        pins.tokens.insert(token, account);
        said("forwardUrl")
    }
}

impl State {
    /// `/api/v2/pins…`, which takes no token.
    pub(super) fn pin(&mut self, request: &Request, parts: &[&str]) -> Option<Answer> {
        let ["api", "v2", "pins", rest @ ..] = parts else { return None };
        let answer = match (request.method.as_str(), rest) {
            ("POST", []) => self.new_pin(request),
            ("GET", [id]) => self.read_pin(request, id),
            _ => self.error(request, 404).unexpected("no such path or method"),
        };
        let has_token = !request.header("x-plex-token").is_empty();
        Some(if has_token { answer.unexpected("a token with a PIN") } else { answer })
    }

    fn new_pin(&mut self, request: &Request) -> Answer {
        let strong = request.param("strong") == Some("true");
        let id = 42 + self.pins.pins.len() as u64;
        let life = chrono::TimeDelta::seconds(if strong { STRONG_S } else { SHORT_S });
        let pin = Pin {
            code: if strong { format!("code+of/{id}/as-long-as-strong-ones-are") } else { format!("P{id:03}") },
            client: request.header("x-plex-client-identifier").to_owned(),
            product: request.header("x-plex-product").to_owned(),
            made: request.at,
            expires: request.at + life,
            token: None,
        };
        let answer = Answer::json(201, &pin_json(id, &pin, request.at));
        self.pins.pins.insert(id, pin);
        if strong { answer } else { answer.unexpected("a PIN to be typed in") }
    }

    fn read_pin(&mut self, request: &Request, id: &str) -> Answer {
        let client = request.header("x-plex-client-identifier");
        let readable = |pin: &&Pin| pin.client == client && request.at < pin.expires;
        let number: u64 = id.parse().unwrap_or_default();
        match self.pins.pins.get(&number).filter(readable) {
            Some(pin) => Answer::json(200, &pin_json(number, pin, request.at)),
            None => self.error(request, 404),
        }
    }

    /// Who a person's own token belongs to.
    pub(super) fn signed_in(&self, token: &str) -> Option<&Account> {
        let id = self.pins.tokens.get(token)?;
        if *id == self.owner.id { Some(&self.owner) } else { self.accounts.get(id) }
    }
}

fn pin_json(id: u64, pin: &Pin, now: Moment) -> Value {
    json!({
        "id": id, "code": pin.code, "product": pin.product, "trusted": false, "clientIdentifier": pin.client,
        "expiresIn": (pin.expires - now).num_seconds(), "createdAt": iso(pin.made), "expiresAt": iso(pin.expires),
        "authToken": pin.token, "newRegistration": null,
    })
}
