//! The variables' names, and their values as text.
//!
//! Promises: a variable that isn't in the list below is never read; `NAME_FILE`
//! works for each; an empty value is an unset one. Never guesses: a file that
//! can't be read, or both `NAME` and `NAME_FILE`, are problems.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::parse::{Complaint, ConfigProblem, Var};

macro_rules! variables {
    ($($field:ident $name:literal,)*) => {
        /// Every variable as text; envy fills it by the fields' names.
        #[derive(Deserialize)]
        pub(super) struct Raw { $($field: Option<String>,)* }

        impl Raw {
            $(pub(super) fn $field(&self) -> Var<'_> { Var { name: $name, text: self.$field.as_deref() } })*
        }

        /// Every variable that Usher reads. `env.example` explains each.
        pub const VARIABLES: &[&str] = &[$($name,)*];
    };
}

variables! {
    plex_token "PLEX_TOKEN",
    plex_server_name "PLEX_SERVER_NAME",
    plex_api_url "PLEX_API_URL",
    stripe_secret_key "STRIPE_SECRET_KEY",
    stripe_webhook_secret "STRIPE_WEBHOOK_SECRET",
    stripe_products "STRIPE_PRODUCTS",
    stripe_api_url "STRIPE_API_URL",
    tiers_file "TIERS_FILE",
    default_libraries "DEFAULT_LIBRARIES",
    default_downloads "DEFAULT_DOWNLOADS",
    free_tier_invite_code "FREE_TIER_INVITE_CODE",
    free_tier "FREE_TIER",
    tautulli_url "TAUTULLI_URL",
    tautulli_api_key "TAUTULLI_API_KEY",
    tautulli_forget_days "TAUTULLI_FORGET_DAYS",
    smtp_host "SMTP_HOST",
    smtp_port "SMTP_PORT",
    smtp_tls "SMTP_TLS",
    smtp_username "SMTP_USERNAME",
    smtp_password "SMTP_PASSWORD",
    smtp_from "SMTP_FROM",
    extra_ca_file "EXTRA_CA_FILE",
    admin_email "ADMIN_EMAIL",
    discord_webhook "DISCORD_WEBHOOK",
    discord_api_url "DISCORD_API_URL",
    warn_days "WARN_DAYS",
    kick_days "KICK_DAYS",
    prune_mode "PRUNE_MODE",
    prune_paying "PRUNE_PAYING",
    payment_grace_days "PAYMENT_GRACE_DAYS",
    payment_grace "PAYMENT_GRACE",
    expiry_settle_hours "EXPIRY_SETTLE_HOURS",
    expiry_warn_days "EXPIRY_WARN_DAYS",
    paused_collection "PAUSED_COLLECTION",
    on_refund "ON_REFUND",
    on_dispute "ON_DISPUTE",
    unmanaged "UNMANAGED",
    adoption_grace_days "ADOPTION_GRACE_DAYS",
    invite_days "INVITE_DAYS",
    unfriend_after_days "UNFRIEND_AFTER_DAYS",
    seats "SEATS",
    vip_names "VIP_NAMES",
    max_removals_per_day "MAX_REMOVALS_PER_DAY",
    removal_pace_mins "REMOVAL_PACE_MINS",
    check_billing_secs "CHECK_BILLING_SECS",
    check_new_users_secs "CHECK_NEW_USERS_SECS",
    check_inactivity_secs "CHECK_INACTIVITY_SECS",
    dry_run "DRY_RUN",
    state_dir "STATE_DIR",
    listen "LISTEN",
    health_check_port "HEALTH_CHECK_PORT",
    admin_listen "ADMIN_LISTEN",
    trusted_proxies "TRUSTED_PROXIES",
    api_token "API_TOKEN",
    api_token_read "API_TOKEN_READ",
    public_url "PUBLIC_URL",
    brand_name "BRAND_NAME",
    brand_color "BRAND_COLOR",
    support_link "SUPPORT_LINK",
    templates_dir "TEMPLATES_DIR",
    digest "DIGEST",
    heartbeat_url "HEARTBEAT_URL",
    log_level "LOG_LEVEL",
    log_format "LOG_FORMAT",
    log_addresses "LOG_ADDRESSES",
    tz "TZ",
    https_proxy "HTTPS_PROXY",
}

/// The variables we know, files read in, and what was wrong with any of them.
pub(super) fn gather(vars: BTreeMap<String, String>) -> (Option<Raw>, Vec<ConfigProblem>) {
    let mut problems = Vec::new();
    let mut pairs = Vec::new();
    for name in VARIABLES {
        match value_of(name, &vars) {
            Ok(Some(value)) => pairs.push(((*name).to_owned(), value)),
            Ok(None) => {}
            Err((variable, complaint)) => problems.push(ConfigProblem::new(variable, complaint)),
        }
    }
    // Optional strings can't fail; should envy ever think otherwise, it's told.
    match envy::from_iter::<_, Raw>(pairs) {
        Ok(raw) => (Some(raw), problems),
        Err(error) => {
            let complaint = Complaint::new(error.to_string(), "look at the variables' spelling");
            problems.push(ConfigProblem::new("environment", complaint));
            (None, problems)
        }
    }
}

fn value_of(name: &str, vars: &BTreeMap<String, String>) -> Result<Option<String>, (String, Complaint)> {
    let given = |name: &str| vars.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let by_file = format!("{name}_FILE");
    let value = match (given(name), given(&by_file)) {
        (Some(_), Some(_)) => {
            let problem = format!("is set, and {by_file} too; one of them would be ignored");
            return Err((name.to_owned(), Complaint::new(problem, "unset one of the two")));
        }
        (Some(value), None) => value.to_owned(),
        (None, Some(path)) => match text_of(path) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Ok(_) => {
                let complaint =
                    Complaint::new(format!("{path} is empty"), format!("write the value of {name} into it"));
                return Err((by_file, complaint));
            }
            Err(complaint) => return Err((by_file, complaint)),
        },
        (None, None) => return Ok(None),
    };
    if value.contains('\u{FFFD}') {
        return Err((name.to_owned(), Complaint::new("is not valid UTF-8 text", "type it in again")));
    }
    Ok(Some(value))
}

/// A file of text, without the byte order mark that some editors put first:
/// it would be taken for a part of the first word.
pub(super) fn text_of(path: &str) -> Result<String, Complaint> {
    let bytes = fs::read(path).map_err(|error| {
        Complaint::new(format!("{path} can't be read: {error}"), "check the path, the mount and its rights")
    })?;
    plain_text(bytes).map_err(|why| Complaint::new(format!("{path} {why}"), "save it anew as plain text in UTF-8"))
}

/// UTF-8 text without its byte order mark.
///
/// # Errors
/// What it is instead, to be said of the file.
pub(super) fn plain_text(bytes: Vec<u8>) -> Result<String, &'static str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").map_or_else(|| bytes.clone(), <[u8]>::to_vec);
    if bytes.contains(&0) {
        return Err("holds a zero byte, as text in UTF-16 does");
    }
    String::from_utf8(bytes).map_err(|_| "is not valid UTF-8 text")
}
