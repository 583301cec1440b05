//! The courier: hands notices to a channel and reports what became of each.
//!
//! What it promises: one outcome for every dispatch of a batch, posted as soon
//! as it is known; a channel that is down is tried once a batch, and the rest
//! is reported as not tried. What it never does: decide whether or when to try
//! again (the book does), write to a member without [`Live`]. Known race: cut
//! off midway, what has no outcome yet stands as `sending` in the book, and
//! goes out again under the same Message-ID (promise 7). Of those only the one
//! under way can have been delivered.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::Live;
use crate::facts::Email;
use crate::letters::{Audience, Channel, Delivered, DeliveryOutcome, Dispatch, Embed, Renderer};
use crate::services::discord::{self, Discord};
use crate::services::smtp::{Recipient, Smtp};

/// Between two mails: a burst looks like spam, and a batch of 20 still takes
/// but 20 s.
const MAIL_PACE: Duration = Duration::from_secs(1);
/// Between two messages to Discord; folklore says 5 in 2 s.
const DISCORD_PACE: Duration = Duration::from_secs(1);

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

/// Sends the mails of each batch, until there are no more batches.
pub async fn run_mail(mut batches: mpsc::Receiver<Vec<Dispatch>>, post: Post, mut route: MailRoute) {
    while let Some(batch) = batches.recv().await {
        let Ok(()) = mail_batch(&mut route, &batch, &post).await else { return };
    }
}

/// Posts each batch to Discord, until there are no more batches.
pub async fn run_discord(mut batches: mpsc::Receiver<Vec<Dispatch>>, post: Post, route: DiscordRoute) {
    while let Some(batch) = batches.recv().await {
        let Ok(()) = discord_batch(&route, &batch, &post).await else { return };
    }
}

/// Where outcomes go; closed when the engine has ended.
type Post = mpsc::Sender<Vec<Delivered>>;
type Posted = Result<(), mpsc::error::SendError<Vec<Delivered>>>;

async fn mail_batch(route: &mut MailRoute, batch: &[Dispatch], post: &Post) -> Posted {
    let mut down = None;
    for (i, dispatch) in batch.iter().enumerate() {
        let outcome = match &down {
            Some(down) => DeliveryOutcome::clone(down),
            None => {
                if i > 0 {
                    sleep(MAIL_PACE).await;
                }
                mail(route, dispatch).await
            }
        };
        if matches!(outcome, DeliveryOutcome::ChannelDown { .. }) {
            down = Some(outcome.clone());
        }
        // At once: what is posted can't go out twice, whatever happens next.
        post.send(vec![Delivered { key: dispatch.key.clone(), channel: Channel::Mail, outcome }]).await?;
    }
    // Servers close idle connections; the next batch may be hours away.
    route.smtp.close().await;
    Ok(())
}

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

async fn discord_batch(route: &DiscordRoute, batch: &[Dispatch], post: &Post) -> Posted {
    let report = |dispatch: &Dispatch, outcome: &DeliveryOutcome| Delivered {
        key: dispatch.key.clone(),
        channel: Channel::Discord,
        outcome: outcome.clone(),
    };
    // Discord is the operator's: nothing meant for a member goes there.
    let (ours, theirs): (Vec<&Dispatch>, Vec<&Dispatch>) =
        batch.iter().partition(|dispatch| dispatch.audience == Audience::Operator);
    if !theirs.is_empty() {
        let refused = never("members aren't on Discord");
        post.send(theirs.into_iter().map(|dispatch| report(dispatch, &refused)).collect()).await?;
    }

    let embeds: Vec<Embed> = ours.iter().map(|dispatch| route.renderer.embed(dispatch, route.tz)).collect();
    let mut wait = Duration::ZERO;
    let mut stopped = None;
    for group in discord::groups(&embeds) {
        let outcome = match &stopped {
            Some(stopped) => DeliveryOutcome::clone(stopped),
            None => {
                sleep(wait).await;
                let sent = route.discord.send(embeds.get(group.clone()).unwrap_or_default()).await;
                wait = sent.pause.unwrap_or_default().max(DISCORD_PACE);
                sent.outcome
            }
        };
        if closes_the_channel(&outcome) {
            stopped = Some(outcome.clone());
        }
        let group = ours.get(group).unwrap_or_default();
        post.send(group.iter().map(|dispatch| report(dispatch, &outcome)).collect()).await?;
    }
    Ok(())
}

/// What holds for the next message, too: gone, or told to wait.
fn closes_the_channel(outcome: &DeliveryOutcome) -> bool {
    matches!(outcome, DeliveryOutcome::ChannelDown { .. } | DeliveryOutcome::Later { after_secs: Some(_), .. })
}

#[cfg(test)]
mod tests;
