//! The mail server: up to the login, and nothing is sent.

use super::Finding;
use crate::config::{Config, Smtp, SmtpTls};
use crate::daemon::assembly;
use crate::letters::DeliveryOutcome;

const WHAT: &str = "Mail";
/// Whose app passwords have so many letters (shown in four groups).
const GMAIL_PASSWORD_CHARS: usize = 16;
/// Domains whose owners say that only their own servers write for them.
const PROVIDERS: [&str; 8] =
    ["gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "aol.com", "gmx.net"];
/// Endings that nobody outside knows.
const NOWHERE: [&str; 5] = ["local", "localhost", "internal", "invalid", "lan"];

/// Whether the server let us in.
pub(super) type Told = Result<(), String>;

/// Connects, logs in and says goodbye; `None` where there is no mail.
pub(super) async fn ask(config: &Config) -> Option<Told> {
    match assembly::mailer(config) {
        Ok(None) => None,
        Ok(Some(mut smtp)) => Some(smtp.verify().await.map_err(why)),
        Err(trouble) => Some(Err(trouble.to_string())),
    }
}

fn why(outcome: DeliveryOutcome) -> String {
    match outcome {
        DeliveryOutcome::ChannelDown { why, .. }
        | DeliveryOutcome::Later { why, .. }
        | DeliveryOutcome::Never { why, .. }
        | DeliveryOutcome::Unknown { why } => why,
        // Nothing was handed over that could have been accepted.
        DeliveryOutcome::Accepted => "the mail server said something out of turn".to_owned(),
    }
}

pub(super) fn judge(config: &Config, told: Option<&Told>) -> Vec<Finding> {
    let (Some(settings), Some(told)) = (&config.smtp, told) else {
        return vec![Finding::off(
            WHAT,
            "SMTP_HOST isn't set: no member is written to, and who can't be warned isn't removed",
        )];
    };
    let mut findings = vec![match told {
        Ok(()) => {
            let how = match settings.tls {
                SmtpTls::StartTls => "STARTTLS",
                SmtpTls::Implicit => "TLS",
                SmtpTls::None => "no TLS",
            };
            let login = if settings.username.is_some() { "the login is accepted" } else { "no login is asked for" };
            Finding::ok(
                WHAT,
                format!("{}:{} answers with {how}, {login}; nothing was sent", settings.host, settings.port),
            )
        }
        Err(why) => Finding::fail(WHAT, format!("{}:{}: {why}{}", settings.host, settings.port, mend(why))),
    }];
    findings.extend(doubts(settings).into_iter().map(|says| Finding::warn(WHAT, says)));
    findings
}

fn mend(why: &str) -> &'static str {
    if why.contains("certificate") {
        "; a certificate authority of your own goes into EXTRA_CA_FILE"
    } else if why.contains("at connecting") {
        "; can it be reached from here? Look at SMTP_HOST, SMTP_PORT, the network and DNS"
    } else {
        ""
    }
}

/// What will go wrong only later, with the receivers.
fn doubts(settings: &Smtp) -> Vec<String> {
    let from = settings.from_address.as_str();
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    let host = settings.host.to_lowercase();
    let of = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    let at_gmail = of("gmail.com") || of("googlemail.com");
    let mut doubts = Vec::new();
    if settings.tls == SmtpTls::None {
        doubts.push("SMTP_TLS=none sends letters in clear; only for a relay in your own network".to_owned());
    }
    let username = settings.username.as_deref().map(str::to_lowercase);
    if at_gmail && username.as_deref().is_some_and(|username| username.contains('@') && username != from) {
        doubts.push(
            "SMTP_FROM isn't the account of SMTP_USERNAME: Gmail rewrites it, unless it is an alias confirmed there"
                .to_owned(),
        );
    }
    let password = settings.password.as_ref().map(|password| password.expose().chars().count());
    if at_gmail && password.is_some_and(|chars| chars != GMAIL_PASSWORD_CHARS) {
        doubts.push("SMTP_PASSWORD isn't an app password of Gmail's: those have 16 letters and no spaces".to_owned());
    }
    if !at_gmail && PROVIDERS.contains(&domain) && !of(domain) && !is_of_the_same_house(&host, domain) {
        doubts.push(format!(
            "SMTP_FROM is at {domain}, whose letters only its own servers may send: others will be taken for spam; write \
             from a domain of yours"
        ));
    }
    let ending = domain.rsplit('.').next().unwrap_or(domain);
    if !domain.contains('.') || NOWHERE.contains(&ending) {
        doubts.push(format!("SMTP_FROM is at {domain}, which nobody outside knows: many will refuse its letters"));
    }
    doubts
}

/// Outlook's server has another name than its addresses.
fn is_of_the_same_house(host: &str, domain: &str) -> bool {
    matches!(domain, "outlook.com" | "hotmail.com")
        && (host.ends_with("office365.com") || host.ends_with("outlook.com"))
        || domain == "icloud.com" && host.ends_with("mail.me.com")
}
