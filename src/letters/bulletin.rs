//! What the operator is told: what happened, why, what was checked, what to
//! do. One shape, read by the mail's template and by the embed.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::words::{day, days, list, moment, name, sentence};
use crate::ledger::{Audience, DigestPart, Dispatch, Letter, MemberTold, Person};

/// At most this many names in one message; the rest is a number.
const PEOPLE_MAX: usize = 25;

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    /// Somebody came, something healed.
    Good,
    /// For information.
    Calm,
    /// Somebody was warned, a source is away.
    Watch,
    /// Somebody lost access, or the operator must act.
    Grave,
}

/// A run of text; code is what one types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub text: String,
    pub code: bool,
}

/// A part under a heading of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    pub title: String,
    pub lines: Vec<String>,
    pub more: usize,
    pub see: Vec<Piece>,
}

/// A message to the operator. Every text is clean already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Bulletin {
    pub title: String,
    pub tone: Tone,
    /// What happened, in a sentence or two.
    pub lead: Vec<Piece>,
    pub parts: Vec<Part>,
    pub facts: Vec<(String, String)>,
    pub people: Vec<String>,
    pub people_more: usize,
    pub checked: Vec<String>,
    /// What to do, in order.
    pub steps: Vec<Vec<Piece>>,
}

impl Bulletin {
    fn new(tone: Tone, title: &str, lead: &str) -> Self {
        Self {
            title: name(title),
            tone,
            lead: pieces(&sentence(lead)),
            parts: Vec::new(),
            facts: Vec::new(),
            people: Vec::new(),
            people_more: 0,
            checked: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn fact(mut self, called: &str, value: &str) -> Self {
        let value = sentence(value);
        if !value.is_empty() {
            self.facts.push((called.to_owned(), value));
        }
        self
    }

    fn who(self, who: &Person) -> Self {
        let plex = who.plex.map(|id| id.to_string()).unwrap_or_default();
        let email = who.email.as_ref().map(|email| name(email.as_str())).unwrap_or_default();
        self.fact("Member", &format!("{} ({})", name(&who.name), who.member))
            .fact("Address", &email)
            .fact("Plex account", &plex)
    }

    fn people(mut self, people: &[String]) -> Self {
        self.people = people.iter().take(PEOPLE_MAX).map(|one| name(one)).collect();
        self.people_more = people.len().saturating_sub(PEOPLE_MAX);
        self
    }

    fn part(mut self, part: &DigestPart) -> Self {
        self.parts.push(Part {
            title: name(&part.title),
            lines: part.lines.iter().map(|line| sentence(line)).collect(),
            more: part.more,
            see: pieces(&sentence(&part.see)),
        });
        self
    }

    fn checked(mut self, checked: &[String]) -> Self {
        self.checked = checked.iter().map(|one| sentence(one)).collect();
        self
    }

    fn step(mut self, step: &str) -> Self {
        let step = sentence(step);
        if step.starts_with("usher ") && !step.contains('`') {
            self.steps.push(vec![Piece { text: step, code: true }]);
        } else if !step.is_empty() {
            self.steps.push(pieces(&step));
        }
        self
    }
}

/// What stands between backticks is code.
fn pieces(text: &str) -> Vec<Piece> {
    if text.matches('`').count() % 2 == 1 {
        return vec![Piece { text: text.replace('`', "'"), code: false }];
    }
    let parts = text.split('`').enumerate().map(|(i, part)| Piece { text: part.to_owned(), code: i % 2 == 1 });
    parts.filter(|piece| !piece.text.is_empty()).collect()
}

fn told(told: MemberTold) -> &'static str {
    match told {
        MemberTold::Accepted => "The mail server accepted the letter to them.",
        MemberTold::Queued => "The letter to them is on its way.",
        MemberTold::NoChannel => "Not told: there is no way to reach them by mail.",
        MemberTold::DryRun => "Dry run: the letter was not sent.",
    }
}

/// What `dispatch` tells the operator, moments in `tz`.
pub(super) fn bulletin(dispatch: &Dispatch, tz: Tz) -> Bulletin {
    match &dispatch.letter {
        Letter::Joined { .. } | Letter::Departed { .. } | Letter::Warned { .. } | Letter::Removed { .. } => {
            about_a_member(&dispatch.letter)
        }
        Letter::PaymentTrouble { who, detail } => {
            let title = format!("Payment trouble: {}", name(&who.name));
            let lead = "A payment failed. Access stays until the grace is over; nothing is needed from you.";
            Bulletin::new(Tone::Watch, &title, lead).who(who).fact("Details", detail)
        }
        Letter::Held { title, reason, people, how_to_approve } => {
            let held = Bulletin::new(Tone::Grave, &format!("Waiting for you: {title}"), reason).people(people);
            how_to_approve.iter().fold(held, |held, step| held.step(step))
        }
        Letter::SourceDown { source, since, why, what_to_do } => {
            let lead = "Whatever rests on it waits until it can be read again. Nobody is warned or removed meanwhile.";
            Bulletin::new(Tone::Watch, &format!("{source} can't be read"), lead)
                .fact("Since", &moment(*since, tz))
                .fact("Why", why)
                .step(what_to_do)
        }
        Letter::SourceRecovered { source, since, down_for } => {
            let lead = "It can be read again. The time it was away counts against nobody.";
            Bulletin::new(Tone::Good, &format!("{source} is back"), lead)
                .fact("Away since", &moment(*since, tz))
                .fact("Away for", down_for)
        }
        Letter::Attention { title, detail, what_to_do } => Bulletin::new(Tone::Grave, title, detail).step(what_to_do),
        Letter::WouldHave { who, what, why } => {
            let lead = "This would have been done with `DRY_RUN=false`. Until then it is told once, and not done.";
            Bulletin::new(Tone::Calm, &format!("Would {}", name(what)), lead)
                .fact("What", what)
                .who(who)
                .fact("Why", why)
        }
        Letter::Digest { day, people_in, to_do, parts } => digest(*day, *people_in, to_do, parts),
        letter => {
            let to = if dispatch.audience == Audience::Member { "a member" } else { "you" };
            let kind = letter.kind().replace('_', " ");
            Bulletin::new(Tone::Calm, &format!("Letter: {kind}"), &format!("The letter “{kind}” to {to}."))
        }
    }
}

fn about_a_member(letter: &Letter) -> Bulletin {
    match letter {
        Letter::Joined { who, how, libraries } => {
            let libraries: Vec<String> = libraries.iter().map(|library| name(library)).collect();
            Bulletin::new(Tone::Good, &format!("{} is in", name(&who.name)), "Somebody has access now.")
                .who(who)
                .fact("How", how)
                .fact("Libraries", &list(&libraries))
        }
        Letter::Departed { who, how } => {
            let lead = "Their access went away, and not by Usher. It isn't given back by itself.";
            Bulletin::new(Tone::Watch, &format!("{} is gone", name(&who.name)), lead)
                .who(who)
                .fact("How", how)
                .step(&format!("To let them in again: `usher restore {}`", who.member))
        }
        Letter::Warned { who, idle_days, until, told: was_told } => {
            let idle = days(*idle_days);
            let lead = match was_told {
                MemberTold::NoChannel => format!(
                    "They haven't watched anything for {idle}, and can't be reached by mail. Without a warning nobody is \
                     removed unless you approve it."
                ),
                _ => format!("They haven't watched anything for {idle}."),
            };
            let until = until.map(day).unwrap_or_default();
            Bulletin::new(Tone::Watch, &format!("{} is idle", name(&who.name)), &lead)
                .who(who)
                .fact("Told", told(*was_told))
                .fact("Has until the end of", &until)
        }
        Letter::Removed { who, why, checked, told: was_told, undo } => {
            let lead = "Their access to the server was taken away, and a fresh listing at Plex shows that it is gone.";
            Bulletin::new(Tone::Grave, &format!("{} was removed", name(&who.name)), lead)
                .who(who)
                .fact("Why", why)
                .fact("Told", told(*was_told))
                .checked(checked)
                .step(&undo_step(undo))
        }
        letter => Bulletin::new(Tone::Calm, letter.kind(), ""),
    }
}

fn digest(day: NaiveDate, people_in: usize, to_do: &[DigestPart], parts: &[DigestPart]) -> Bulletin {
    let people = match people_in {
        0 => "Nobody is in.".to_owned(),
        1 => "One is in.".to_owned(),
        many => format!("{many} people are in."),
    };
    let (tone, what) = match to_do.iter().map(|part| part.lines.len() + part.more).sum() {
        0 => (Tone::Calm, "nothing to do".to_owned()),
        1 => (Tone::Watch, "one thing to look at".to_owned()),
        many => (Tone::Watch, format!("{many} things to look at")),
    };
    let title = format!("Digest of {}: {what}", day.format("%-d %B %Y"));
    let lead =
        if to_do.is_empty() { format!("Nothing to do. {people}") } else { format!("{people} To look at first:") };
    to_do.iter().chain(parts).fold(Bulletin::new(tone, &title, &lead), Bulletin::part)
}

fn undo_step(undo: &str) -> String {
    if undo.starts_with("usher ") { format!("To undo it: `{undo}`") } else { undo.to_owned() }
}
