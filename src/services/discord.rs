//! The operator's Discord webhook.
//!
//! What it promises: nobody is ever pinged; no message is over a limit of
//! Discord's (it refuses such a message whole); a webhook that is gone isn't
//! hammered, which would get the address banned. What it never does: try
//! again later by itself, show the webhook's token. Known race: an answer
//! lost after posting leaves a rare double; webhooks know no idempotency.

mod limits;

use std::fmt;
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};

pub use limits::fit;

use super::failure::{Certainty, Failure};
use super::http::{Call, Http, Reply};
use crate::facts::FailureKind;
use crate::letters::DeliveryOutcome::{self, Accepted, ChannelDown, Later, Never, Unknown};
use crate::letters::Embed;
use crate::secret::Secret;

/// The hosts that webhooks' addresses are copied from.
const HOSTS: [&str; 4] = ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];
/// Discord asks for this shape; others may be blocked in front of it.
const USER_AGENT: &str = concat!("DiscordBot (https://github.com/usher-door/usher, ", env!("CARGO_PKG_VERSION"), ")");
/// A webhook that is gone or forbidden: 10,000 such calls in 10 min are a ban.
const GONE_SECS: u64 = 24 * 3600;
/// Nobody there.
const UNREACHABLE_SECS: u64 = 120;
/// A 429 that doesn't say how long, as a ban's page doesn't.
const BANNED_SECS: u64 = 3600;
/// Longer than Discord asks between calls that it accepts.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// One webhook; one call at a time.
pub struct Discord {
    http: Http,
    base: String,
    /// `/api/v10/webhooks/{id}/{token}`: the credential.
    path: Secret,
    thread_id: Option<String>,
}

impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discord(…)")
    }
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Of the notice in it.
    pub outcome: DeliveryOutcome,
    /// How long Discord wants us to wait before the next message.
    pub pause: Option<Duration>,
}

impl Discord {
    /// Takes the address as it is copied from Discord: of any version (the
    /// unversioned one means the outdated v6), with or without a thread.
    /// `base_override` is `DISCORD_API_URL`.
    ///
    /// # Errors
    /// A sentence, without the address.
    pub fn new(http: Http, webhook_url: &Secret, base_override: Option<String>) -> Result<Self, String> {
        let wrong = "DISCORD_WEBHOOK isn't a webhook's address (https://discord.com/api/webhooks/NUMBER/TOKEN)";
        let url = Url::parse(webhook_url.expose().trim()).map_err(|_| wrong)?;
        let host_fits = HOSTS.contains(&url.host_str().unwrap_or_default()) && url.scheme() == "https";
        if base_override.is_none() && !host_fits {
            return Err(wrong.to_owned());
        }
        let mut segments = url.path_segments().ok_or(wrong)?.skip_while(|segment| *segment != "webhooks").skip(1);
        let (id, token) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let is_token = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if id.is_empty() || token.is_empty() || !id.chars().all(|c| c.is_ascii_digit()) || !is_token(token) {
            return Err(wrong.to_owned());
        }
        let thread = url.query_pairs().find(|(name, _)| name == "thread_id").map(|(_, id)| id.into_owned());
        Ok(Self {
            http,
            base: base_override.unwrap_or_else(|| "https://discord.com".to_owned()),
            path: Secret::new(format!("/api/v10/webhooks/{id}/{token}")),
            thread_id: thread,
        })
    }

    /// Posts one message. One that is refused as malformed goes out once more as
    /// short plain text.
    pub async fn send(&self, embed: &Embed) -> Sent {
        let sent = self.post(&json!({"embeds": [fit(embed)], "allowed_mentions": {"parse": []}})).await;
        if !matches!(sent.outcome, Never { .. }) {
            return sent;
        }
        let content = limits::plain(embed);
        self.post(&json!({"content": content, "allowed_mentions": {"parse": []}})).await
    }

    /// The webhook's name, read without posting: for `usher check`.
    ///
    /// # Errors
    /// What went wrong; `Gone` when the webhook was deleted.
    pub async fn check(&self) -> Result<String, Failure> {
        let reply = self.http.call(self.call(Method::GET)).await?;
        let about: Value =
            serde_json::from_slice(&reply.body).map_err(|_| Failure::nonsense("Discord: the answer isn't JSON"))?;
        Ok(about.get("name").and_then(Value::as_str).unwrap_or("without a name").to_owned())
    }

    fn call(&self, method: Method) -> Call {
        Call::new("Discord", method, &self.base, self.path.expose())
            .shown("/webhooks/…")
            .header("user-agent", USER_AGENT)
    }

    async fn post(&self, body: &Value) -> Sent {
        // wait=true: without it a message that can't be saved gives no error.
        let call = self.call(Method::POST).query("wait", "true").body("application/json", body.to_string());
        let call = match &self.thread_id {
            Some(thread) => call.query("thread_id", thread),
            None => call,
        };
        match self.http.send(call).await {
            Ok(reply) => Sent { pause: pause(&reply), outcome: judge(&reply) },
            Err(failure) => Sent { pause: None, outcome: unanswered(failure) },
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    code: u64,
    /// Seconds, with a fraction.
    retry_after: Option<f64>,
}

fn judge(reply: &Reply) -> DeliveryOutcome {
    // A proxy's or a portal's page that calls itself well is not Discord's word.
    if (200..=299).contains(&reply.status) && reply.body.trim_ascii_start().starts_with(b"<") {
        return Later { why: "a page for people came in place of Discord's answer".to_owned(), after_secs: None };
    }
    // An error may be a page for people: then it has no code.
    let refusal: Option<Refusal> = serde_json::from_slice(&reply.body).ok();
    verdict(reply.status, refusal, reply.retry_after)
}

fn verdict(status: u16, refusal: Option<Refusal>, header: Option<Duration>) -> DeliveryOutcome {
    let is_page = refusal.is_none();
    let Refusal { code, retry_after } = refusal.unwrap_or_default();
    let why = match code {
        0 => format!("Discord answered {status}"),
        code => format!("Discord answered {status} (code {code})"),
    };
    match status {
        200..=299 => Accepted,
        401 | 404 => ChannelDown {
            why: format!("{why}: the webhook was deleted or its address is wrong; make a new one for DISCORD_WEBHOOK"),
            for_secs: GONE_SECS,
        },
        403 => ChannelDown { why: format!("{why}: we may not post there"), for_secs: GONE_SECS },
        429 => {
            let said = retry_after.and_then(|secs| Duration::try_from_secs_f64(secs).ok());
            let wait = said.max(header).unwrap_or(Duration::from_secs(BANNED_SECS));
            let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            if is_page {
                return ChannelDown { why: format!("{why}: banned for a while"), for_secs: whole.max(BANNED_SECS) };
            }
            Later { why: format!("{why}: too many messages"), after_secs: Some(whole) }
        }
        408 | 500..=599 => Later { why, after_secs: header.map(|wait| wait.as_secs()) },
        _ => Never { why, bad_address: false },
    }
}

fn unanswered(failure: Failure) -> DeliveryOutcome {
    match (failure.certainty, failure.kind) {
        (Certainty::NotDone, FailureKind::Unreachable) => ChannelDown { why: failure.why, for_secs: UNREACHABLE_SECS },
        (Certainty::NotDone, _) => ChannelDown { why: failure.why, for_secs: GONE_SECS },
        (Certainty::Unknown, _) => Unknown { why: failure.why },
    }
}

/// Nothing left of the rate limit: how long until there is.
fn pause(reply: &Reply) -> Option<Duration> {
    if reply.header("x-ratelimit-remaining")?.trim() != "0" {
        return None;
    }
    let secs: f64 = reply.header("x-ratelimit-reset-after")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(secs).ok().map(|wait| wait.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests;
