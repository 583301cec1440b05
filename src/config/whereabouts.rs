//! Where a running Usher is found: all that the commands need to know.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use super::parse::{ConfigProblem, Problems};
use super::{raw, runtime};
use crate::secret::Secret;

/// As much of the configuration as a command needs, so that `usher health` or
/// `usher holds` works while something else is misconfigured.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// Where the tokens and `listening.json` lie.
    pub state_dir: PathBuf,
    /// `LISTEN`; the real one stands in `listening.json`.
    pub listen: SocketAddr,
    /// `ADMIN_LISTEN`, likewise.
    pub admin_listen: SocketAddr,
    /// `API_TOKEN`, when set.
    pub api_token: Option<Secret>,
    /// `API_TOKEN_READ`, when set.
    pub api_token_read: Option<Secret>,
}

/// The only variables that are looked at here.
const NAMES: &[&str] =
    &["STATE_DIR", "LISTEN", "HEALTH_CHECK_PORT", "ADMIN_LISTEN", "TRUSTED_PROXIES", "API_TOKEN", "API_TOKEN_READ"];

impl Whereabouts {
    /// From the environment.
    ///
    /// # Errors
    /// Problems of these few variables only.
    pub fn from_env(vars: impl Iterator<Item = (String, String)>) -> Result<Self, Vec<ConfigProblem>> {
        let ours = |name: &str| NAMES.contains(&name.strip_suffix("_FILE").unwrap_or(name));
        let vars: BTreeMap<String, String> = vars.filter(|(name, _)| ours(name)).collect();
        let (raw, problems) = raw::gather(vars);
        let Some(raw) = raw else { return Err(problems) };
        let mut problems = Problems(problems);
        let state_dir = runtime::state_dir(&raw, &mut problems);
        let door = runtime::door(&raw, &mut problems);
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Self {
            state_dir,
            listen: door.listen,
            admin_listen: door.admin_listen,
            api_token: door.api_token,
            api_token_read: door.api_token_read,
        })
    }
}

/// The process's environment. A value that isn't UTF-8 arrives with `\u{FFFD}`
/// in it, which [`super::Config::from_env`] refuses.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}
