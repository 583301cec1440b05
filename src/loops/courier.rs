//! The courier: carries one letter after the other to a channel and reports
//! what became of each.
//!
//! What it promises: one outcome for every letter, posted as soon as it is
//! known; the next letter comes only after that (DESIGN §6). What it never
//! does: decide whether or when to try again (the book does), write to a member
//! without [`Live`]. Known race: cut off midway, the letter under way has no
//! outcome, stands as `sending` in the book, and goes out again under the same
//! Message-ID (promise 7).

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::config::Live;
use crate::facts::Email;
use crate::letters::{Audience, Channel, Delivered, DeliveryOutcome, Dispatch, Renderer};
use crate::services::discord::Discord;
use crate::services::smtp::{Recipient, Smtp};

/// Between two mails: a burst looks like spam, and hundreds still take but some
/// minutes.
const MAIL_PACE: Duration = Duration::from_secs(1);
/// Between two messages to Discord; folklore says 5 in 2 s.
const DISCORD_PACE: Duration = Duration::from_secs(1);
/// A conversation with the mail server is kept open for the next letter so long:
/// while there is one, it comes with the next commit.
const MAIL_KEPT_OPEN: Duration = Duration::from_secs(3);

/// Everything that mails need besides the letters.
pub struct MailRoute {
    /// The way out.
    pub smtp: Smtp,
    /// Who writes them.
    pub renderer: Arc<Renderer>,
    /// `None` in dry run: then no member can be written to.
    pub live: Option<Live>,
    /// `ADMIN_EMAIL`.
    pub operator: Option<Email>,
    /// The operator's time zone.
    pub tz: Tz,
}

/// Everything that Discord needs besides the letters.
pub struct DiscordRoute {
    /// The way out.
    pub discord: Discord,
    /// Who writes them.
    pub renderer: Arc<Renderer>,
    /// The operator's time zone.
    pub tz: Tz,
}

/// Sends one mail after the other, until there are no more.
pub async fn run_mail(mut letters: mpsc::Receiver<Dispatch>, post: Post, mut route: MailRoute) {
    // It runs on while the next letter is waited for.
    let mut rest = sleep(Duration::ZERO);
    while let Some(letter) = next_mail(&mut letters, &mut route).await {
        rest.await;
        let outcome = mail(&mut route, &letter).await;
        rest = sleep(MAIL_PACE);
        let report = Delivered { key: letter.key, channel: Channel::Mail, outcome };
        let Ok(()) = post.send(report).await else { return };
    }
    route.smtp.close().await;
}

/// Servers close idle connections, and the next letter may be hours away: then
/// we say goodbye first.
async fn next_mail(letters: &mut mpsc::Receiver<Dispatch>, route: &mut MailRoute) -> Option<Dispatch> {
    match timeout(MAIL_KEPT_OPEN, letters.recv()).await {
        Ok(letter) => letter,
        Err(_) => {
            route.smtp.close().await;
            letters.recv().await
        }
    }
}

/// Posts one message after the other to Discord, until there are no more.
pub async fn run_discord(mut letters: mpsc::Receiver<Dispatch>, post: Post, route: DiscordRoute) {
    // It runs on while the next letter is waited for.
    let mut rest = sleep(Duration::ZERO);
    while let Some(letter) = letters.recv().await {
        let outcome = match letter.audience {
            Audience::Operator => {
                rest.await;
                let sent = route.discord.send(&route.renderer.embed(&letter, route.tz)).await;
                rest = sleep(sent.pause.unwrap_or_default().max(DISCORD_PACE));
                sent.outcome
            }
            // Discord is the operator's: nothing meant for a member goes there.
            Audience::Member => never("members aren't on Discord"),
        };
        let report = Delivered { key: letter.key, channel: Channel::Discord, outcome };
        let Ok(()) = post.send(report).await else { return };
    }
}

/// Where outcomes go; closed when the engine has ended.
type Post = mpsc::Sender<Delivered>;

async fn mail(route: &mut MailRoute, dispatch: &Dispatch) -> DeliveryOutcome {
    let to = match (dispatch.audience, &route.live, &dispatch.to, &route.operator) {
        (Audience::Operator, _, _, Some(operator)) => Recipient::Operator(operator),
        (Audience::Operator, _, _, None) => return never("ADMIN_EMAIL isn't set"),
        (Audience::Member, Some(live), Some(to), _) => Recipient::Member(live, to),
        (Audience::Member, Some(_), None, _) => return never("there is no address to write to"),
        (Audience::Member, None, _, _) => return never("dry run: no mail goes to a member"),
    };
    match route.renderer.mail(dispatch, route.tz) {
        Ok(mail) => route.smtp.send(to, &mail, &dispatch.first).await,
        Err(e) => never(&e.to_string()),
    }
}

fn never(why: &str) -> DeliveryOutcome {
    DeliveryOutcome::Never { why: why.to_owned(), bad_address: false }
}

#[cfg(test)]
mod tests;
