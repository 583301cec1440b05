//! `sandbox serve`: Attic Cinema on fixed ports, in real time, for an `usher`
//! of your own. It prints the environment, then what changes; a line typed in
//! makes something happen.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::attic::{Attic, Ports, WEBHOOK_SECRET, address};
use sandbox::http::Recorded;
use sandbox::mailbag;
use sandbox::stripe::CancelForm;
use tokio::sync::mpsc;
use usher::clock::Clock;
use usher::facts::PlexId;

/// Where the stand-ins listen.
const PORTS: Ports = Ports { plex: 18_410, stripe: 18_420, tautulli: 18_430, smtp: 18_440, discord: 18_450 };
/// Where the printed environment has `usher` listen.
const DOOR: u16 = 18_480;
const ADMIN: u16 = 18_481;
/// Usher's state folder; made anew, since this house is.
const STATE: &str = "state/sandbox-serve";
/// The letters that arrive.
const LETTERS: &str = "state/sandbox-serve/letters";
/// What happens is told this soon.
const TELL_EVERY: Duration = Duration::from_millis(300);

const COMMANDS: &str = "\
pay NAME [premium]   somebody pays (Basic unless said otherwise)
accept NAME          takes up the invite
watch NAME           has just watched for an hour
cancel NAME          cancels for the end of the paid month
end NAME             the paid time is over now
fail NAME            the card fails at a renewal now
mend NAME            the card works again, and what is open is paid
who                  who has access";

/// Serves until Ctrl-C.
pub async fn serve() -> io::Result<()> {
    for port in [PORTS.plex, PORTS.stripe, PORTS.tautulli, PORTS.smtp, PORTS.discord] {
        std::net::TcpListener::bind(("127.0.0.1", port))
            .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
    }
    let state = Path::new(STATE);
    if state.exists() {
        std::fs::remove_dir_all(state)?;
    }
    let attic = Attic::open(Clock::system(), PORTS).await;
    attic.furnish(state)?;
    seed(&attic);
    attic.stripe.set_endpoint(&format!("http://127.0.0.1:{DOOR}/webhook/stripe"), WEBHOOK_SECRET);
    attic.stripe.tick_every(Duration::from_secs(1));
    let mut out = io::stdout();
    write!(out, "{}", welcome(&attic, state))?;
    out.flush()?;

    let mut typed = typed_lines();
    let mut told = Told::default();
    loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok(()),
            Some(line) = typed.recv() => writeln!(out, "{}", obey(&attic, &line))?,
            () = tokio::time::sleep(TELL_EVERY) => {}
        }
        for line in told.news(&attic)? {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
}

/// Some who were there before, some of them long idle.
fn seed(attic: &Attic) {
    let now = attic.plex.now();
    for (place, (name, idle_days)) in [("greta", 1), ("henry", 6), ("ida", 12), ("jonas", 28)].into_iter().enumerate() {
        let account = account(attic, name);
        let since = now - TimeDelta::days(200 + i64::try_from(place).unwrap_or(0));
        attic.plex.share_with(account, &[attic.movies, attic.tv], since);
        let stopped = now - TimeDelta::days(idle_days);
        attic.tautulli.play(account, stopped - TimeDelta::hours(2), stopped);
    }
}

fn welcome(attic: &Attic, state: &Path) -> String {
    let mut environment = attic.environment(state);
    environment.insert("LISTEN".into(), format!("127.0.0.1:{DOOR}"));
    environment.insert("ADMIN_LISTEN".into(), format!("127.0.0.1:{ADMIN}"));
    let exports: String =
        environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    format!(
        "# Attic Cinema is open. In another terminal, in this folder, paste these lines and run\n\
         # `cargo run --release -p usher`:\n\n{exports}\n\
         # Here you can type:\n{}\n\n# Letters lie in {LETTERS}. Ctrl-C ends.\n\n",
        COMMANDS.lines().map(|line| format!("#   {line}")).collect::<Vec<_>>().join("\n")
    )
}

/// For a shell.
fn quoted(value: &str) -> String {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@".contains(c));
    if plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}

/// Lines of standard input. The one thread here: reading it blocks.
fn typed_lines() -> mpsc::Receiver<String> {
    let (send, typed) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// Somebody with a Plex account; made at first mention.
fn account(attic: &Attic, name: &str) -> PlexId {
    let email = address(name);
    if let Some(account) = attic.plex.account_of(&email) {
        return account;
    }
    let account = PlexId(2_000_000 + name.bytes().fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 400_000));
    attic.plex.add_account(account, name, &email);
    attic.tautulli.add_user(account, name, &email);
    account
}

fn obey(attic: &Attic, line: &str) -> String {
    let line = line.trim().to_lowercase();
    let words: Vec<&str> = line.split_whitespace().collect();
    let subscription = |name: &str| {
        let customer = attic.stripe.customer_of(&address(name))?;
        attic.stripe.subscriptions_of(&customer).pop()
    };
    match words[..] {
        ["who"] => who(attic),
        ["pay", name] => pay(attic, name, &attic.basic),
        ["pay", name, "premium"] => pay(attic, name, &attic.premium),
        ["accept", name] => match attic.plex.accept_invite(address(name).as_str()) {
            Some(_) => format!("{name} has accepted"),
            None => format!("{name} has no invite"),
        },
        ["watch", name] => {
            let (account, now) = (account(attic, name), attic.plex.now());
            attic.tautulli.play(account, now - TimeDelta::hours(1), now);
            format!("{name} has watched")
        }
        [what @ ("cancel" | "end" | "fail" | "mend"), name] => match subscription(name) {
            None => format!("{name} has never paid"),
            Some(sub) => {
                match what {
                    "cancel" => attic.stripe.cancel_at_period_end(&sub, CancelForm::Flexible),
                    "end" => attic.stripe.cancel_now(&sub, "cancellation_requested"),
                    "fail" => attic.stripe.card_fails(&sub),
                    _ => attic.stripe.retry_succeeds(&sub),
                }
                let status = attic.stripe.status(&sub).map_or("unknown", |status| status.as_str());
                format!("{name}'s subscription is {status}")
            }
        },
        [] => String::new(),
        _ => COMMANDS.to_owned(),
    }
}

fn pay(attic: &Attic, name: &str, price: &str) -> String {
    account(attic, name);
    let known = attic.stripe.customer_of(&address(name));
    let customer = known.unwrap_or_else(|| attic.stripe.customer(&address(name), name));
    attic.stripe.subscribe(&customer, price);
    format!("{name} has paid")
}

fn who(attic: &Attic) -> String {
    let shares = attic.plex.shares();
    let lines = shares.iter().map(|share| {
        let account = share.account.map_or_else(|| share.email.clone().unwrap_or_default(), |id| name_of(attic, id));
        let how = if share.accepted_at.is_some() { "in" } else { "invited" };
        format!("{account}: {how}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn name_of(attic: &Attic, account: PlexId) -> String {
    attic.plex.username_of(account).unwrap_or_else(|| account.to_string())
}

/// What has been told already.
#[derive(Default)]
struct Told {
    letters: usize,
    messages: usize,
    webhooks: usize,
}

impl Told {
    /// What is new since the last call: changes, letters, messages, webhooks.
    fn news(&mut self, attic: &Attic) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for attempt in attic.stripe.deliveries().into_iter().skip(self.webhooks) {
            self.webhooks += 1;
            let answer = attempt.status.map_or_else(|| "nobody answered".to_owned(), |status| status.to_string());
            lines.push(format!("webhook   {}: {answer}", attempt.kind));
        }
        // Kept no longer than until they are told: this runs for days.
        lines.extend(changes("plex.tv", attic.plex.changes()));
        attic.plex.clear();
        lines.extend(changes("tautulli", attic.tautulli.changes()));
        attic.tautulli.clear();
        lines.extend(changes("stripe", attic.stripe.changes()));
        attic.stripe.clear();
        for message in attic.discord.messages().into_iter().skip(self.messages) {
            self.messages += 1;
            lines.extend(message.embeds.iter().map(|embed| format!("discord   {}", embed.title)));
        }
        let letters = attic.smtp.received();
        for letter in letters.iter().skip(self.letters) {
            lines.push(format!("letter    to {}: {}", letter.to.join(", "), letter.subject));
        }
        if letters.len() > self.letters {
            self.letters = letters.len();
            mailbag::write_down(&letters, Path::new(LETTERS))?;
        }
        Ok(lines)
    }
}

fn changes(service: &str, changes: Vec<Recorded>) -> Vec<String> {
    let line = |change: Recorded| {
        let status = change.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        format!("{service:<9} {} {}: {status}", change.method, change.path)
    };
    changes.into_iter().map(line).collect()
}
