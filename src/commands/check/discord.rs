//! The operator's channel: read, never posted to.

use super::Finding;
use crate::config::Config;
use crate::daemon::assembly::Services;
use crate::facts::FailureKind;
use crate::services::failure::Failure;

const WHAT: &str = "Discord";

/// The webhook's name; `None` without one.
pub(super) async fn ask(config: &Config, services: &Services) -> Option<Result<String, Failure>> {
    match services.discord(config) {
        Ok(None) => None,
        Ok(Some(discord)) => Some(discord.check().await),
        Err(trouble) => Some(Err(Failure::not_done(FailureKind::Refused, trouble.to_string()))),
    }
}

pub(super) fn judge(told: Option<&Result<String, Failure>>) -> Vec<Finding> {
    vec![match told {
        None => Finding::off(WHAT, "DISCORD_WEBHOOK isn't set: nothing is told there"),
        Some(Ok(name)) => Finding::ok(WHAT, format!("the webhook {name:?} is there; nothing was posted")),
        Some(Err(failure)) => Finding::fail(WHAT, format!("{failure}{}", mend(failure.kind))),
    }]
}

fn mend(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Gone | FailureKind::Unauthorized => {
            "; the webhook was deleted or its address is wrong: make a new one in the channel's settings and set \
             DISCORD_WEBHOOK"
        }
        FailureKind::Forbidden => "; we may not use it: make a new one in the channel's settings",
        FailureKind::RateLimited => "; too many requests came from this address: wait an hour",
        FailureKind::Unreachable => "; can discord.com be reached from here? Look at the network, DNS, HTTPS_PROXY",
        _ => "",
    }
}
