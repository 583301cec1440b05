//! The state folder, the book in it, and whether a daemon has it.

use crate::commands::client::{Listener, Trouble, address};
use crate::commands::health;
use crate::config::{Config, Whereabouts};
use crate::ledger::Book;
use crate::secret::Secret;
use crate::store::{self, Inspection, Loaded, Store, StoreError, Which};

use super::Finding;

const FOLDER: &str = "State folder";
const BOOK: &str = "Book";
const DAEMON: &str = "Daemon";

/// What lies there, and who answers.
pub(super) struct Told {
    pub(super) inspection: Inspection,
    pub(super) live: Result<Loaded<Book>, StoreError>,
    /// In a rehearsal.
    pub(super) rehearsal: Option<Result<Loaded<Book>, StoreError>>,
    pub(super) daemon: Result<health::Told, Trouble>,
}

impl Told {
    /// The book that the daemon would work on; `None` before the first start.
    pub(super) fn book(&self) -> Option<&Book> {
        let live = self.live.as_ref().ok()?;
        let rehearsal = self.rehearsal.as_ref().and_then(|rehearsal| rehearsal.as_ref().ok()?.book.as_ref());
        // One begun from another live book is begun anew.
        rehearsal.filter(|book| book.goes_with(live.book.as_ref(), live.generation)).or(live.book.as_ref())
    }
}

/// Looks at the folder; [`ask_the_daemon`] is still to be done.
pub(super) fn look(config: &Config) -> Told {
    let dir = &config.state_dir;
    let rehearses = config.live().is_none();
    Told {
        inspection: store::inspect(dir, &secrets(config)),
        live: Store::read_only(dir, Which::Live),
        rehearsal: rehearses.then(|| Store::read_only(dir, Which::DryRun)),
        daemon: Err(Trouble::NotRunning),
    }
}

/// Whether a daemon answers where this folder's would.
pub(super) async fn ask_the_daemon(config: &Config) -> Result<health::Told, Trouble> {
    let at = Whereabouts {
        state_dir: config.state_dir.clone(),
        listen: config.door.listen,
        admin_listen: config.door.admin_listen,
        api_token: None,
        api_token_read: None,
    };
    health::ask(address(&at, Listener::Public)).await
}

/// None of these may ever stand in the book.
fn secrets(config: &Config) -> Vec<Secret> {
    let mut secrets = vec![config.plex.token.clone()];
    secrets.extend(config.stripe.iter().flat_map(|stripe| stripe.webhook_secrets.iter().chain([&stripe.key]).cloned()));
    secrets.extend(config.tautulli.iter().map(|tautulli| tautulli.key.clone()));
    secrets.extend(config.smtp.iter().filter_map(|smtp| smtp.password.clone()));
    secrets.extend(config.discord.iter().map(|discord| discord.token.clone()));
    secrets
}

pub(super) fn judge(told: &Told) -> Vec<Finding> {
    let mut findings = judge_folder(&told.inspection);
    findings.push(judge_book(BOOK, &told.live));
    if let Some(rehearsal) = &told.rehearsal {
        findings.push(judge_book("Rehearsal", rehearsal));
    }
    findings.push(judge_daemon(&told.daemon, told.inspection.last_holder.as_deref()));
    findings
}

fn judge_folder(folder: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !folder.exists {
        let says =
            "STATE_DIR isn't there; the first start makes it. If you meant to mount a folder there, look at its path";
        return vec![Finding::warn(FOLDER, says)];
    }
    if let Err(error) = &folder.writable {
        findings.push(Finding::fail(FOLDER, error.to_string()));
    }
    if folder.is_mount == Some(false) {
        let says = "STATE_DIR is not a mounted volume: a new container would forget everybody; mount one there";
        findings.push(Finding::warn(FOLDER, says));
    }
    if !folder.leaking.is_empty() {
        let says = format!(
            "{} holds one of your keys or passwords in clear, which is a fault of Usher's: please report it, and make \
             new keys",
            folder.leaking.join(", ")
        );
        findings.push(Finding::fail(FOLDER, says));
    }
    if !folder.open_to_others.is_empty() {
        let names = folder.open_to_others.join(" ");
        let says = format!("others on this machine may read what only Usher should; chmod 600 there: {names}");
        findings.push(Finding::warn(FOLDER, says));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(FOLDER, "it lasts, it can be written, and no key stands in the book"));
    }
    findings
}

fn judge_book(what: &str, loaded: &Result<Loaded<Book>, StoreError>) -> Finding {
    match loaded {
        Err(error) => Finding::fail(what, error.to_string()),
        Ok(loaded) => match &loaded.book {
            _ if !loaded.trust.is_sound() => Finding::fail(what, loaded.trust.to_string()),
            None => Finding::off(what, "there is none yet"),
            Some(book) => Finding::ok(
                what,
                format!(
                    "commit {} of {} is whole; people in it: {}, with access: {}",
                    loaded.generation,
                    book.committed.format("%Y-%m-%d %H:%M UTC"),
                    book.members.len(),
                    book.members_with_access()
                ),
            ),
        },
    }
}

fn judge_daemon(daemon: &Result<health::Told, Trouble>, last_holder: Option<&str>) -> Finding {
    match daemon {
        Ok(told) if told.healthy => Finding::ok(DAEMON, format!("it runs ({}) and says that it is well", told.mode)),
        Ok(told) => Finding::warn(DAEMON, format!("it runs ({}) and says: {}", told.mode, told.problems.join("; "))),
        Err(Trouble::Refused(sentence)) => Finding::warn(DAEMON, sentence.clone()),
        Err(Trouble::NotRunning) => {
            let last = last_holder.map_or_else(String::new, |who| format!("; the last one was {who}"));
            Finding::off(DAEMON, format!("none answers here{last}"))
        }
    }
}
