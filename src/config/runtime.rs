//! The process itself: listeners, intervals, log, looks.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::parse::{self, Complaint, Network, Parsed, Problems, Var};
use super::raw::Raw;
use crate::policy::Digest;
use crate::secret::Secret;

/// How often the loops look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Stripe.
    pub check_billing_secs: u32,
    /// Plex.
    pub check_new_users_secs: u32,
    /// Tautulli.
    pub check_inactivity_secs: u32,
}

/// The listeners and who may use them.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// Webhook and health.
    pub listen: SocketAddr,
    /// The commands.
    pub admin_listen: SocketAddr,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// `None` = the one in the state folder.
    pub api_token: Option<Secret>,
    /// May only read. `None` = the one in the state folder.
    pub api_token_read: Option<Secret>,
}

/// How letters look; no personal defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Where people reach the join page.
    pub public_url: Option<String>,
    /// What the house is called.
    pub name: Option<String>,
    /// `0xRRGGBB`.
    pub color: Option<u32>,
    /// http(s) or mailto.
    pub support_link: Option<String>,
    /// The operator's own templates; a folder that is there.
    pub templates_dir: Option<PathBuf>,
}

/// The log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Whether addresses may stand in it.
    pub addresses: bool,
}

pub(super) fn state_dir(raw: &Raw, problems: &mut Problems) -> PathBuf {
    problems.read(raw.state_dir(), parse::text).map_or_else(|| PathBuf::from("state"), PathBuf::from)
}

/// Below this, plex.tv and Stripe may answer 429: allowed, but said.
const INTERVAL_UNWISE_SECS: u32 = 60;

pub(super) fn intervals(raw: &Raw, problems: &mut Problems, notes: &mut Vec<String>) -> Intervals {
    let mut secs = |var: Var<'_>, default| {
        let secs = problems.read_or(var, default, parse::number(1..=86_400, "seconds"));
        if secs < INTERVAL_UNWISE_SECS {
            notes.push(format!(
                "{} is {secs}: below {INTERVAL_UNWISE_SECS} seconds the services may refuse us",
                var.name
            ));
        }
        secs
    };
    Intervals {
        check_billing_secs: secs(raw.check_billing_secs(), 900),
        check_new_users_secs: secs(raw.check_new_users_secs(), 120),
        check_inactivity_secs: secs(raw.check_inactivity_secs(), 1800),
    }
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8480);
const ADMIN_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8481);

pub(super) fn door(raw: &Raw, problems: &mut Problems) -> DoorConfig {
    let mut listen = problems.read_or(raw.listen(), LISTEN, socket);
    let admin_listen = problems.read_or(raw.admin_listen(), ADMIN_LISTEN, socket);
    let port = problems.read(raw.health_check_port(), parse::number(1..=65535, "a port"));
    if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
        if raw.listen().is_set() && listen.port() != port {
            let problem = format!("{port} is not the port of LISTEN ({listen})");
            problems.tell(raw.health_check_port(), problem, "unset HEALTH_CHECK_PORT; LISTEN is enough");
        }
        listen.set_port(port);
    }
    let overlap =
        listen.ip() == admin_listen.ip() || listen.ip().is_unspecified() || admin_listen.ip().is_unspecified();
    if overlap && listen.port() != 0 && listen.port() == admin_listen.port() {
        let problem = format!("{admin_listen} is taken by LISTEN ({listen})");
        problems.tell(raw.admin_listen(), problem, "give each its own port");
    }
    let api_token = problems.read(raw.api_token(), api_token);
    let api_token_read = problems.read(raw.api_token_read(), self::api_token);
    if api_token.is_some() && api_token == api_token_read {
        let fix = "give reading its own token, or unset API_TOKEN_READ";
        problems.tell(raw.api_token_read(), "is the same as API_TOKEN, so it could change things", fix);
    }
    let trusted_proxies = problems.read(raw.trusted_proxies(), parse::networks).unwrap_or_default();
    DoorConfig { listen, admin_listen, trusted_proxies, api_token, api_token_read }
}

/// `ADDRESS:PORT`, or a port alone, or `:PORT`.
fn socket(text: &str) -> Parsed<SocketAddr> {
    let port_alone = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    port_alone.map(|port| SocketAddr::new(LISTEN.ip(), port)).or_else(|_| text.parse()).map_err(|_| {
        Complaint::new(format!("{text:?} is not an address with a port"), "write it like 0.0.0.0:8480 or [::]:8480")
    })
}

/// Shorter tokens could be guessed over the network.
const API_TOKEN_CHARS_MIN: usize = 20;

fn api_token(text: &str) -> Parsed<Secret> {
    let fix = format!("set at least {API_TOKEN_CHARS_MIN} characters without spaces, or unset it to have one made");
    if text.len() < API_TOKEN_CHARS_MIN {
        return Err(Complaint::new("is too short", fix));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Complaint::new("holds characters that fit in no header", fix));
    }
    Ok(Secret::new(text))
}

pub(super) fn brand(raw: &Raw, problems: &mut Problems) -> Brand {
    Brand {
        public_url: problems.read(raw.public_url(), parse::url),
        name: problems.read(raw.brand_name(), parse::text),
        color: problems.read(raw.brand_color(), color),
        support_link: problems.read(raw.support_link(), support_link),
        templates_dir: problems.read(raw.templates_dir(), templates_dir),
    }
}

fn color(text: &str) -> Parsed<u32> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let wrong = || Complaint::new(format!("{text:?} is not a colour"), "write it like #e5a00d");
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u32::from_str_radix(digits, 16).map_err(|_| wrong())
}

fn support_link(text: &str) -> Parsed<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "mailto") => Ok(url.into()),
        _ => Err(Complaint::new(
            format!("{text:?} is not a link"),
            "write it like https://host/help or mailto:help@example.com",
        )),
    }
}

fn templates_dir(text: &str) -> Parsed<PathBuf> {
    let trouble = |why: String| Complaint::new(why, "name a folder that is there, or unset it");
    fs::read_dir(text).map_err(|error| trouble(format!("{text} can't be read: {error}")))?;
    Ok(PathBuf::from(text))
}

pub(super) fn digest(raw: &Raw, problems: &mut Problems) -> Digest {
    let words = [("off", Digest::Off), ("daily", Digest::Daily), ("weekly", Digest::Weekly)];
    problems.read_or(raw.digest(), Digest::Weekly, parse::one_of(&words))
}

pub(super) fn log(raw: &Raw, problems: &mut Problems) -> Log {
    // The last two are the older tool's words.
    let levels = [
        ("error", "error"),
        ("warn", "warn"),
        ("info", "info"),
        ("debug", "debug"),
        ("trace", "trace"),
        ("warning", "warn"),
        ("critical", "error"),
    ];
    Log {
        level: problems.read_or(raw.log_level(), "info", parse::one_of(&levels)),
        json: problems.read_or(raw.log_format(), false, parse::one_of(&[("text", false), ("json", true)])),
        addresses: problems.read_or(raw.log_addresses(), false, parse::yes_or_no),
    }
}

pub(super) fn tz(raw: &Raw, problems: &mut Problems) -> chrono_tz::Tz {
    problems.read_or(raw.tz(), chrono_tz::UTC, |text| {
        text.parse().map_err(|_| {
            Complaint::new(format!("{text:?} is not a known time zone"), "write it like Europe/Zurich, or UTC")
        })
    })
}
