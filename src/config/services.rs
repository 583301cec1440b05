//! The outside systems: which are on, and how they are reached.

use super::parse::{self, Complaint, Parsed, Problems, Var};
use super::raw::Raw;
use crate::facts::{Email, ProductId};
use crate::secret::Secret;

/// plex.tv.
#[derive(Debug, Clone)]
pub struct Plex {
    /// The server owner's token.
    pub token: Secret,
    /// Which of the owned servers; `None` = the only one.
    pub server_name: Option<String>,
    /// Stands for both plex.tv and clients.plex.tv; `None` = the real hosts.
    pub api_url: Option<String>,
}

/// Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// The secret or restricted key.
    pub key: Secret,
    /// Whether it is a live key, from its prefix.
    pub livemode: bool,
    /// Several while one is rolled; none = polling only.
    pub webhook_secrets: Vec<Secret>,
    /// `None` = the real host.
    pub api_url: Option<String>,
    /// Products that are ours besides those of the tiers.
    pub products: Vec<ProductId>,
}

/// Tautulli.
#[derive(Debug, Clone)]
pub struct Tautulli {
    /// Without `/api/v2` and trailing slash.
    pub url: String,
    /// Its API key.
    pub key: Secret,
    /// Days after a removal until the person is deleted there; `None` = never.
    pub forget_days: Option<u32>,
}

/// How the mail connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// STARTTLS, demanded.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None at all.
    None,
}

/// Mail.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// 465 or 587 unless told otherwise.
    pub port: u16,
    /// By the port unless told otherwise; never falls back to clear.
    pub tls: SmtpTls,
    /// `None` = no login.
    pub username: Option<String>,
    /// Set exactly when `username` is.
    pub password: Option<Secret>,
    /// The sender's name for people.
    pub from_name: Option<String>,
    /// The sender.
    pub from_address: Email,
}

/// The operator's Discord channel.
#[derive(Debug, Clone)]
pub struct Discord {
    /// As given: the address is the credential.
    pub webhook: Secret,
    /// Its numeric id.
    pub id: String,
    /// Its token.
    pub token: Secret,
    /// A thread to post into.
    pub thread_id: Option<String>,
    /// `None` = the real host.
    pub api_url: Option<String>,
}

pub(super) fn plex(raw: &Raw, problems: &mut Problems) -> Plex {
    let token = problems.read(raw.plex_token(), token_like);
    if !raw.plex_token().is_set() {
        problems.tell(raw.plex_token(), "is missing", "set the token of the Plex account that owns the server");
    }
    Plex {
        token: token.unwrap_or_else(|| Secret::new("")),
        server_name: problems.read(raw.plex_server_name(), parse::text),
        api_url: problems.read(raw.plex_api_url(), parse::url),
    }
}

/// A credential: one word, or it was pasted wrongly. Never echoed.
fn token_like(text: &str) -> Parsed<Secret> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Complaint::new("holds white space", "paste it again, on one line"));
    }
    if !text.is_ascii() {
        return Err(Complaint::new("holds characters that no key has", "paste it again"));
    }
    Ok(Secret::new(text))
}

pub(super) fn stripe(raw: &Raw, problems: &mut Problems) -> Option<Stripe> {
    let key = problems.read(raw.stripe_secret_key(), stripe_key);
    let secrets = problems.read(raw.stripe_webhook_secret(), webhook_secrets);
    let api_url = problems.read(raw.stripe_api_url(), parse::url);
    let products = problems.read(raw.stripe_products(), products).unwrap_or_default();
    if !raw.stripe_secret_key().is_set() {
        for var in [raw.stripe_webhook_secret(), raw.stripe_products()].into_iter().filter(|var| var.is_set()) {
            problems.tell(var, "is set, but STRIPE_SECRET_KEY is not", "set STRIPE_SECRET_KEY, or unset this one");
        }
    }
    let (key, livemode) = key?;
    Some(Stripe { key, livemode, webhook_secrets: secrets.unwrap_or_default(), api_url, products })
}

fn stripe_key(text: &str) -> Parsed<(Secret, bool)> {
    let livemode = match text {
        _ if text.starts_with("sk_live_") || text.starts_with("rk_live_") => true,
        _ if text.starts_with("sk_test_") || text.starts_with("rk_test_") => false,
        _ if text.starts_with("pk_") => {
            return Err(Complaint::new("is a publishable key", "set the secret key (sk_…) or a restricted one (rk_…)"));
        }
        _ => {
            return Err(Complaint::new(
                "does not begin with sk_live_, sk_test_, rk_live_ or rk_test_",
                "copy the secret key (or a restricted one) from Stripe's dashboard",
            ));
        }
    };
    Ok((token_like(text)?, livemode))
}

fn webhook_secrets(text: &str) -> Parsed<Vec<Secret>> {
    let wrong = || {
        Complaint::new("does not begin with whsec_", "copy the endpoint's signing secret; separate several by commas")
    };
    parse::list(text)
        .iter()
        .map(|secret| match secret.strip_prefix("whsec_") {
            Some(rest) if !rest.is_empty() => token_like(secret),
            _ => Err(wrong()),
        })
        .collect()
}

fn products(text: &str) -> Parsed<Vec<ProductId>> {
    let list = parse::list(text);
    match list.iter().find(|id| id.contains(char::is_whitespace) || id.starts_with("price_")) {
        Some(id) => Err(Complaint::new(format!("{id:?} is no product id"), "list product ids (prod_…), by commas")),
        None => Ok(list.into_iter().map(ProductId).collect()),
    }
}

pub(super) fn tautulli(raw: &Raw, problems: &mut Problems) -> Option<Tautulli> {
    let url = problems.read(raw.tautulli_url(), |text| {
        let url = parse::url(text)?;
        Ok(url.trim_end_matches("/api/v2").trim_end_matches('/').to_owned())
    });
    let key = problems.read(raw.tautulli_api_key(), token_like);
    let forget_days =
        problems.read_or(raw.tautulli_forget_days(), Some(30), parse::number_or("never", 0..=3650, "days"));
    pair(raw.tautulli_url(), raw.tautulli_api_key(), problems);
    Some(Tautulli { url: url?, key: key?, forget_days })
}

/// Both or neither.
fn pair(one: Var<'_>, other: Var<'_>, problems: &mut Problems) {
    for (set, unset) in [(one, other), (other, one)] {
        if set.is_set() && !unset.is_set() {
            problems.tell(unset, format!("is missing, though {} is set", set.name), "set both, or neither");
        }
    }
}

pub(super) fn smtp(raw: &Raw, problems: &mut Problems) -> Option<Smtp> {
    let host = problems.read(raw.smtp_host(), smtp_host);
    let from = problems.read(raw.smtp_from(), parse::mailbox);
    let port = problems.read(raw.smtp_port(), parse::number(1..=65535, "a port"));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let tls = problems.read(
        raw.smtp_tls(),
        parse::one_of(&[("starttls", SmtpTls::StartTls), ("implicit", SmtpTls::Implicit), ("none", SmtpTls::None)]),
    );
    let tls = tls.unwrap_or(if port == Some(465) { SmtpTls::Implicit } else { SmtpTls::StartTls });
    let port = port.unwrap_or(if tls == SmtpTls::Implicit { 465 } else { 587 });
    let username = problems.read(raw.smtp_username(), parse::text);
    let password = problems.read(raw.smtp_password(), |text| Ok(Secret::new(parse::text(text)?)));

    pair(raw.smtp_host(), raw.smtp_from(), problems);
    pair(raw.smtp_username(), raw.smtp_password(), problems);
    if raw.smtp_password().is_set() && !raw.smtp_host().is_set() && !raw.smtp_from().is_set() {
        problems.tell(raw.smtp_host(), "is missing, though SMTP_PASSWORD is set", "set it, or unset SMTP_PASSWORD");
    }
    if tls == SmtpTls::None && raw.smtp_password().is_set() {
        problems.tell(
            raw.smtp_tls(),
            "none would send SMTP_PASSWORD in clear",
            "set starttls or implicit, or unset SMTP_USERNAME and SMTP_PASSWORD",
        );
    }
    let (from_name, from_address) = from?;
    Some(Smtp { host: host?, port, tls, username, password, from_name, from_address })
}

fn smtp_host(text: &str) -> Parsed<String> {
    if text.contains(['/', '@', ' ', ',']) || (text.matches(':').count() == 1) {
        return Err(Complaint::new(
            format!("{text:?} is not the name of a server"),
            "set the bare name, such as smtp.example.com; the port goes into SMTP_PORT",
        ));
    }
    parse::text(text)
}

pub(super) fn discord(raw: &Raw, problems: &mut Problems) -> Option<Discord> {
    let api_url = problems.read(raw.discord_api_url(), parse::url);
    let elsewhere = raw.discord_api_url().is_set();
    let mut discord = problems.read(raw.discord_webhook(), |text| webhook(text, elsewhere))?;
    discord.api_url = api_url;
    Some(discord)
}

const DISCORD_HOSTS: &[&str] = &["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];

/// `https://discord.com/api[/vN]/webhooks/{id}/{token}[?thread_id=…]`.
fn webhook(text: &str, elsewhere: bool) -> Parsed<Discord> {
    let wrong = |why: &str| {
        Complaint::new(
            format!("is not a Discord webhook address ({why})"),
            "copy it from the channel's settings: https://discord.com/api/webhooks/<id>/<token>",
        )
    };
    let url = url::Url::parse(text).map_err(|_| wrong("no address at all"))?;
    let known = url.scheme() == "https" && url.host_str().is_some_and(|host| DISCORD_HOSTS.contains(&host));
    if !known && !elsewhere {
        return Err(wrong("another host"));
    }
    let path: Vec<&str> = url.path().trim_end_matches('/').split('/').filter(|part| !part.is_empty()).collect();
    let (id, token) = match path.as_slice() {
        ["api", "webhooks", id, token] => (*id, *token),
        ["api", version, "webhooks", id, token] if version.starts_with('v') => (*id, *token),
        _ => return Err(wrong("another path")),
    };
    if !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("the id is no number"));
    }
    let thread_id = url.query_pairs().find(|(name, _)| name == "thread_id").map(|(_, id)| id.into_owned());
    Ok(Discord { webhook: Secret::new(text), id: id.to_owned(), token: Secret::new(token), thread_id, api_url: None })
}
