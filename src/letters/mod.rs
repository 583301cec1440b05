//! Every word that people read: mails to members, mails and Discord embeds to
//! the operator.
//!
//! What it promises: the same dispatch renders to the same bytes; the text and
//! the HTML of a mail say the same; whatever came from outside is stripped of
//! control characters, capped, and escaped for where it stands. What it never
//! does: send anything, ask the time, put a secret in a subject.
//!
//! The templates stand in `templates/`, one pair (`.html`, `.txt`) for each
//! letter to a member and one pair for all letters to the operator. A text
//! template's first line is `Subject: …`. A file of the same name in
//! `TEMPLATES_DIR` takes a template's place; should it fail on a letter, the
//! built-in one speaks instead: a warning must go out (RULES R3).

mod bulletin;
mod embed;
mod member;
mod sample;
mod words;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Value, json};

pub use embed::{Embed, Field, Footer};
pub use sample::{KINDS, sample, sample_dispatch};

/// What is carried and what became of it: the courier and the channels know
/// these, and nothing else of the book.
pub use crate::ledger::{Audience, Channel, Delivered, DeliveryOutcome, Dispatch, FirstSending};
use crate::portal::PortalKey;
use crate::secret::Secret;

/// How the cinema presents itself. No personal defaults (LESSONS G41).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// What people know it by, e.g. "Attic Cinema".
    pub name: String,
    /// `#rrggbb`; anything else is read as a quiet blue.
    pub color: String,
    /// Where members ask for help: `https:`, `http:` or `mailto:`. Without it
    /// they are asked to reply to the letter.
    pub support_link: Option<String>,
    /// Our own address on the web, without a slash at its end.
    pub public_url: Option<String>,
}

/// A rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line, no control characters.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A template that doesn't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template {template} can't be rendered: {why}")]
pub struct RenderError {
    /// Its file name.
    pub template: String,
    /// What is wrong with it.
    pub why: String,
}

/// The built-in templates, by file name.
const BUILT_IN: &[(&str, &str)] = &[
    ("base.html", include_str!("templates/base.html")),
    ("button.html", include_str!("templates/button.html")),
    ("base.txt", include_str!("templates/base.txt")),
    ("invited.html", include_str!("templates/invited.html")),
    ("invited.txt", include_str!("templates/invited.txt")),
    ("welcome.html", include_str!("templates/welcome.html")),
    ("welcome.txt", include_str!("templates/welcome.txt")),
    ("inactivity_warning.html", include_str!("templates/inactivity_warning.html")),
    ("inactivity_warning.txt", include_str!("templates/inactivity_warning.txt")),
    ("removed_inactive.html", include_str!("templates/removed_inactive.html")),
    ("removed_inactive.txt", include_str!("templates/removed_inactive.txt")),
    ("payment_failed.html", include_str!("templates/payment_failed.html")),
    ("payment_failed.txt", include_str!("templates/payment_failed.txt")),
    ("payment_action_required.html", include_str!("templates/payment_action_required.html")),
    ("payment_action_required.txt", include_str!("templates/payment_action_required.txt")),
    ("trial_ending.html", include_str!("templates/trial_ending.html")),
    ("trial_ending.txt", include_str!("templates/trial_ending.txt")),
    ("cancellation_received.html", include_str!("templates/cancellation_received.html")),
    ("cancellation_received.txt", include_str!("templates/cancellation_received.txt")),
    ("cancellation_undone.html", include_str!("templates/cancellation_undone.html")),
    ("cancellation_undone.txt", include_str!("templates/cancellation_undone.txt")),
    ("tier_changed.html", include_str!("templates/tier_changed.html")),
    ("tier_changed.txt", include_str!("templates/tier_changed.txt")),
    ("access_ending.html", include_str!("templates/access_ending.html")),
    ("access_ending.txt", include_str!("templates/access_ending.txt")),
    ("subscription_paused.html", include_str!("templates/subscription_paused.html")),
    ("subscription_paused.txt", include_str!("templates/subscription_paused.txt")),
    ("doubled.html", include_str!("templates/doubled.html")),
    ("doubled.txt", include_str!("templates/doubled.txt")),
    ("access_ended.html", include_str!("templates/access_ended.html")),
    ("access_ended.txt", include_str!("templates/access_ended.txt")),
    ("invite_reminder.html", include_str!("templates/invite_reminder.html")),
    ("invite_reminder.txt", include_str!("templates/invite_reminder.txt")),
    ("subscribe.html", include_str!("templates/subscribe.html")),
    ("subscribe.txt", include_str!("templates/subscribe.txt")),
    ("subscription_cancelled.html", include_str!("templates/subscription_cancelled.html")),
    ("subscription_cancelled.txt", include_str!("templates/subscription_cancelled.txt")),
    ("billing_link.html", include_str!("templates/billing_link.html")),
    ("billing_link.txt", include_str!("templates/billing_link.txt")),
    ("operator.html", include_str!("templates/operator.html")),
    ("operator.txt", include_str!("templates/operator.txt")),
];

/// Turns dispatches into mails and embeds.
pub struct Renderer {
    brand: Brand,
    built_in: Environment<'static>,
    /// With the operator's templates in place, when there are any.
    own: Option<Environment<'static>>,
    /// Signs the links to billing pages.
    portal: PortalKey,
}

impl Brand {
    /// As templates know it: name, colours, links that are safe to follow.
    #[must_use]
    pub fn shown(&self) -> Value {
        words::brand(self)
    }
}

impl Renderer {
    /// Takes the built-in templates, and in their place those of `own` (file
    /// name → source: what `TEMPLATES_DIR` holds). Each is tried on a sample
    /// letter, so that a slip shows at the start.
    ///
    /// # Errors
    /// The first template that doesn't do, or one whose name isn't known.
    pub fn new(brand: Brand, own: &BTreeMap<String, String>) -> Result<Self, RenderError> {
        if let Some(name) = own.keys().find(|name| !template_names().any(|known| known == name.as_str())) {
            return Err(RenderError {
                template: name.clone(),
                why: "no letter has a template of this name".to_owned(),
            });
        }
        // Until it is told another: one whose links open nothing, for previews.
        let portal = PortalKey::new(Secret::new("preview"));
        let mut renderer = Self { brand, built_in: environment(&BTreeMap::new())?, own: None, portal };
        if !own.is_empty() {
            renderer.own = Some(environment(own)?);
            for dispatch in KINDS.iter().filter_map(|kind| sample_dispatch(kind)) {
                renderer.mail_from(renderer.own.as_ref(), &dispatch, Tz::UTC)?;
            }
        }
        Ok(renderer)
    }

    /// Links to billing pages are signed with this key, which the door knows.
    #[must_use]
    pub fn signing_with(self, portal: PortalKey) -> Self {
        Self { portal, ..self }
    }

    /// The mail that says what `dispatch` has to say, moments in `tz`.
    ///
    /// # Errors
    /// When not even the built-in template does.
    pub fn mail(&self, dispatch: &Dispatch, tz: Tz) -> Result<Mail, RenderError> {
        if self.own.is_some()
            && let Ok(mail) = self.mail_from(self.own.as_ref(), dispatch, tz)
        {
            return Ok(mail);
        }
        self.mail_from(Some(&self.built_in), dispatch, tz)
    }

    /// The embed for the operator's Discord, moments in `tz`.
    #[must_use]
    pub fn embed(&self, dispatch: &Dispatch, tz: Tz) -> Embed {
        embed::embed(&self.brand, dispatch, tz)
    }

    fn mail_from(&self, from: Option<&Environment<'_>>, dispatch: &Dispatch, tz: Tz) -> Result<Mail, RenderError> {
        let environment = from.unwrap_or(&self.built_in);
        let (template, facts) = match member::facts(&dispatch.letter, &self.portal) {
            Some(facts) if dispatch.audience == Audience::Member => (dispatch.letter.kind(), facts),
            _ => ("operator", value(&bulletin::bulletin(dispatch, tz))),
        };
        let context = json!({
            "brand": words::brand(&self.brand),
            "to_operator": dispatch.audience == Audience::Operator,
            "dry_run": dispatch.dry_run,
            "letter": facts,
        });
        let html = render(environment, &format!("{template}.html"), &context)?;
        let text_name = format!("{template}.txt");
        let whole = render(environment, &text_name, &context)?;
        let Some((head, text)) = whole.split_once('\n') else { return Err(no_subject(text_name)) };
        let Some(subject) = head.strip_prefix("Subject:") else { return Err(no_subject(text_name)) };
        let mark = if dispatch.dry_run { "[dry run] " } else { "" };
        let subject = words::clean(&format!("{mark}{}", subject.trim()), words::SUBJECT_CHARS_MAX);
        Ok(Mail { subject, text: words::tidy_text(text), html })
    }
}

fn no_subject(template: String) -> RenderError {
    RenderError { template, why: "its first line isn't `Subject: …`".to_owned() }
}

/// The file names that `TEMPLATES_DIR` may hold.
pub fn template_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// An environment of the built-in templates, each replaced by what `own` has
/// under its name. Names end in `.html` or `.txt`: minijinja escapes the
/// former by itself.
fn environment(own: &BTreeMap<String, String>) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|e| RenderError { template: "base.html".to_owned(), why: e.to_string() })?);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    for (name, source) in BUILT_IN {
        let added = match own.get(*name) {
            Some(own) => environment.add_template_owned(*name, own.clone()),
            None => environment.add_template(name, source),
        };
        added.map_err(|e| RenderError { template: (*name).to_owned(), why: e.to_string() })?;
    }
    Ok(environment)
}

fn render(environment: &Environment<'_>, name: &str, context: &Value) -> Result<String, RenderError> {
    environment
        .get_template(name)
        .and_then(|template| template.render(Serde(context)))
        .map_err(|e| RenderError { template: name.to_owned(), why: e.to_string() })
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

#[cfg(test)]
mod tests;
