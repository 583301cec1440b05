//! What a mail server's reply means for the letter, the recipient and the
//! whole channel (facts/smtp.md §3, LESSONS G32).

use std::error::Error as _;
use std::time::Duration;

use crate::letters::DeliveryOutcome::{self, ChannelDown, Later, Never, Unknown};

/// A login that is refused: hammering locks the account.
const LOGIN_SECS: u64 = 3600;
/// Throttled, or a trouble in setting up the conversation.
const THROTTLED_SECS: u64 = 600;
/// The server is going down.
const CLOSING_SECS: u64 = 300;
/// Nobody there: the network, or a restart.
const UNREACHABLE_SECS: u64 = 120;
/// A day's quota, counted over a rolling day: four tries a day.
const QUOTA_SECS: u64 = 6 * 3600;
/// What somebody has to mend first: the sender's domain (SPF, DKIM, DMARC, a
/// block list), or a full mailbox.
const MENDED_SECS: u64 = 6 * 3600;
/// Greylisting servers want to see some patience.
const GREYLIST_SECS: u64 = 300;
/// Of a reply's text we keep this much.
const TEXT_CHARS_MAX: usize = 200;

/// Where in the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// TCP.
    Connect,
    /// TCP, TLS, greeting and EHLO in one.
    ImplicitTls,
    /// The greeting and the first EHLO.
    Greeting,
    /// STARTTLS, the handshake and the second EHLO.
    Tls,
    Auth,
    From,
    Rcpt,
    Data,
    /// The text, before its final dot.
    Text,
    /// From the final dot on.
    Dot,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::ImplicitTls => "connecting with TLS",
            Self::Greeting => "the greeting",
            Self::Tls => "STARTTLS",
            Self::Auth => "the login",
            Self::From => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Text => "the text",
            Self::Dot => "the final dot",
        }
    }

    /// The conversation isn't about a letter yet.
    fn is_set_up(self) -> bool {
        matches!(self, Self::Connect | Self::ImplicitTls | Self::Greeting | Self::Tls | Self::Auth)
    }

    /// Mixed-up ports are the commonest slip, and they show as silence.
    fn hint(self) -> &'static str {
        match self {
            Self::Greeting => " (a port that speaks TLS from the start, as 465 does, needs SMTP_TLS=implicit)",
            Self::ImplicitTls => " (a port that begins in clear, as 587 does, needs SMTP_TLS=starttls)",
            _ => "",
        }
    }
}

/// How a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The server said so.
    Reply { code: u16, text: String },
    /// No connection, a broken one, TLS trouble or a senseless answer.
    Lost(String),
    /// No answer in time.
    TimedOut(Duration),
    /// We won't go on: it would not be safe.
    Refused(String),
    /// An address in another script, at a server that knows only ASCII.
    Unreachable,
}

impl From<&lettre::transport::smtp::Error> for Failed {
    fn from(error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) => {
                let text = error.source().map(ToString::to_string).unwrap_or_default();
                Self::Reply { code: u16::from(code), text }
            }
            None => Self::Lost(error.to_string()),
        }
    }
}

impl Failed {
    /// The server refused this letter, and would hear another.
    pub(super) fn leaves_the_line_open(&self) -> bool {
        match self {
            Self::Reply { code, .. } => *code != 421,
            Self::Unreachable => true,
            Self::Lost(_) | Self::TimedOut(_) | Self::Refused(_) => false,
        }
    }
}

/// What is to be reported.
pub(super) fn verdict(step: Step, failed: &Failed) -> DeliveryOutcome {
    let at = step.name();
    let why = match failed {
        Failed::Reply { code, text } => return judge(step, *code, text),
        Failed::Refused(why) => return ChannelDown { why: why.clone(), for_secs: LOGIN_SECS },
        Failed::Unreachable => {
            let why = "the mail server can't handle this address (no SMTPUTF8)".to_owned();
            return Never { why, bad_address: true };
        }
        Failed::Lost(why) => format!("the mail server was lost at {at}{}: {}", step.hint(), quoted(why)),
        Failed::TimedOut(limit) => {
            format!("the mail server gave no answer at {at} within {} s{}", limit.as_secs(), step.hint())
        }
    };
    match step {
        Step::Dot => Unknown { why },
        Step::Tls => ChannelDown { why, for_secs: THROTTLED_SECS },
        _ if step.is_set_up() => ChannelDown { why, for_secs: UNREACHABLE_SECS },
        _ => Later { why, after_secs: None },
    }
}

fn judge(step: Step, code: u16, text: &str) -> DeliveryOutcome {
    let enhanced = enhanced(text);
    let why = format!("the mail server answered {code} at {}: {}", step.name(), quoted(text));
    match (code, enhanced) {
        // Who we are, not whom we write to.
        (530 | 534 | 535 | 538, _) => {
            let why = format!("{why}; check SMTP_USERNAME and SMTP_PASSWORD (for Gmail an app password)");
            return ChannelDown { why, for_secs: LOGIN_SECS };
        }
        // Microsoft says it at any step, also about a recipient.
        (500..=599, Some((7, 30))) => {
            let why = format!(
                "{why}; Microsoft no longer accepts passwords for SMTP here: use another mail service, or an app with OAuth"
            );
            return ChannelDown { why, for_secs: LOGIN_SECS };
        }
        (500..=599, Some((4, 5))) => return ChannelDown { why, for_secs: QUOTA_SECS },
        (454, _) | (421, Some((7, _))) => return ChannelDown { why, for_secs: THROTTLED_SECS },
        (421, _) => return ChannelDown { why, for_secs: CLOSING_SECS },
        _ => {}
    }
    match (step, code) {
        (_, 400..=499) if step.is_set_up() => ChannelDown { why, for_secs: THROTTLED_SECS },
        _ if step.is_set_up() => ChannelDown { why, for_secs: LOGIN_SECS },
        (_, 450) => Later { why, after_secs: Some(GREYLIST_SECS) },
        (_, 400..=499) => Later { why, after_secs: None },
        // Our own sender is refused; but 552 speaks of the message's size.
        (Step::From, 500..=599) if code != 552 => ChannelDown { why, for_secs: LOGIN_SECS },
        (_, 500..=599) if matches!(enhanced, Some((7, _))) => {
            let why = format!("{why}; check SPF, DKIM and DMARC of SMTP_FROM's domain");
            Later { why, after_secs: Some(MENDED_SECS) }
        }
        (_, 500..=599) if enhanced == Some((2, 2)) => Later { why, after_secs: Some(MENDED_SECS) },
        (_, 500..=599) => Never { why, bad_address: is_dead_address(step, enhanced) },
        (Step::Dot, _) => Unknown { why },
        _ => Later { why, after_secs: None },
    }
}

/// Only 5.1.x at RCPT or after the text; 5.1.7 and 5.1.8 speak of the sender.
fn is_dead_address(step: Step, enhanced: Option<(u16, u16)>) -> bool {
    matches!(step, Step::Rcpt | Step::Dot) && matches!(enhanced, Some((1, detail)) if !matches!(detail, 7 | 8))
}

/// Subject and detail of an enhanced code (`5.1.1` → `(1, 1)`).
fn enhanced(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split_whitespace().next()?.trim_start_matches('#').split('.');
    let class = parts.next()?;
    let (subject, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (matches!(class, "2" | "4" | "5") && parts.next().is_none()).then_some((subject, detail))
}

/// A reply's words for the operator: one line, no addresses, not too long.
fn quoted(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if word.contains('@') { "‹address›" } else { word }).collect();
    words.join(" ").chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_is_sorted_into_ours_theirs_later_or_never() {
        let down = |for_secs| format!("down {for_secs}");
        let table: &[(Step, u16, &str, String)] = &[
            (Step::Auth, 535, "5.7.8 Username and Password not accepted", down(3600)),
            (Step::Auth, 534, "5.7.9 Application-specific password required", down(3600)),
            (Step::From, 530, "5.7.0 Authentication required", down(3600)),
            (Step::Auth, 454, "4.7.0 Too many login attempts", down(600)),
            (Step::Greeting, 421, "4.7.0 Try again later", down(600)),
            (Step::Greeting, 421, "Service closing", down(300)),
            (Step::Greeting, 554, "No SMTP service here", down(3600)),
            (Step::Tls, 454, "4.7.0 TLS not available", down(600)),
            (Step::Rcpt, 421, "4.3.2 Closing", down(300)),
            (Step::From, 550, "5.7.1 Sender not allowed", down(3600)),
            (Step::From, 553, "5.1.8 Sender's domain does not exist", down(3600)),
            (Step::From, 552, "5.3.4 Too big", "never".into()),
            (Step::Rcpt, 550, "5.4.5 Daily user sending limit exceeded", down(21600)),
            (Step::Dot, 550, "5.4.5 Daily user sending limit exceeded", down(21600)),
            (Step::Auth, 550, "5.7.30 Basic authentication is not supported", down(3600)),
            (Step::Rcpt, 550, "5.7.30 Basic authentication is not supported", down(3600)),
            (Step::Data, 550, "5.7.30 Basic authentication is not supported", down(3600)),
            (Step::Dot, 550, "5.7.30 Basic authentication is not supported", down(3600)),
            (Step::Rcpt, 450, "4.2.0 Greylisted", "later 300".into()),
            (Step::Rcpt, 451, "4.3.0 Local error", "later".into()),
            (Step::Rcpt, 452, "4.5.3 Too many recipients", "later".into()),
            (Step::Rcpt, 452, "4.2.2 Mailbox full", "later".into()),
            (Step::Rcpt, 552, "5.2.2 Mailbox full", "later 21600".into()),
            (Step::Dot, 552, "5.2.3 Too big", "never".into()),
            (Step::Rcpt, 550, "5.1.1 <ann@example.com> User unknown", "dead".into()),
            (Step::Rcpt, 550, "5.1.2 Bad destination system", "dead".into()),
            (Step::Rcpt, 553, "5.1.3 Bad syntax", "dead".into()),
            (Step::Dot, 550, "5.1.1 User unknown", "dead".into()),
            (Step::Rcpt, 550, "No such user here", "never".into()),
            (Step::Rcpt, 553, "5.1.7 Bad sender", "never".into()),
            (Step::Dot, 550, "5.7.26 Unauthenticated email", "later 21600".into()),
            (Step::Dot, 554, "5.7.1 Looks like spam", "later 21600".into()),
            (Step::Dot, 451, "4.7.1 Try later", "later".into()),
            (Step::Dot, 354, "What?", "unknown".into()),
        ];
        for (step, code, text, wanted) in table {
            assert_eq!(word(&judge(*step, *code, text)), *wanted, "{step:?} {code} {text}");
        }
    }

    #[test]
    fn only_the_final_dot_is_unknowable() {
        for (step, wanted) in [
            (Step::Connect, "down 120"),
            (Step::ImplicitTls, "down 120"),
            (Step::Greeting, "down 120"),
            (Step::Tls, "down 600"),
            (Step::Auth, "down 120"),
            (Step::From, "later"),
            (Step::Rcpt, "later"),
            (Step::Data, "later"),
            (Step::Text, "later"),
            (Step::Dot, "unknown"),
        ] {
            assert_eq!(word(&verdict(step, &Failed::Lost("reset".into()))), wanted, "{step:?}");
            assert_eq!(word(&verdict(step, &Failed::TimedOut(Duration::from_secs(60)))), wanted, "{step:?}");
        }
        assert_eq!(word(&verdict(Step::Tls, &Failed::Refused("no STARTTLS".into()))), "down 3600");
    }

    #[test]
    fn no_address_stands_in_an_error() {
        let said = format!("{:?}", judge(Step::Rcpt, 550, "5.1.1 <Ann@example.com>: no\r\nsuch user"));
        assert!(!said.contains("example.com") && said.contains("no such user"), "{said}");
    }

    fn word(outcome: &DeliveryOutcome) -> String {
        match outcome {
            DeliveryOutcome::Accepted => "accepted".into(),
            Later { after_secs: Some(secs), .. } => format!("later {secs}"),
            Later { .. } => "later".into(),
            Unknown { .. } => "unknown".into(),
            ChannelDown { for_secs, .. } => format!("down {for_secs}"),
            Never { bad_address: true, .. } => "dead".into(),
            Never { .. } => "never".into(),
        }
    }
}
