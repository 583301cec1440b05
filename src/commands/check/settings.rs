//! The environment itself: what is wrong, what is unwise, and what only using
//! it shows.

use super::Finding;
use crate::config::{Config, ConfigProblem};
use crate::daemon::assembly;
use crate::services::tls;

/// A line for each problem of the configuration.
pub(super) fn problems(problems: &[ConfigProblem]) -> Vec<Finding> {
    problems
        .iter()
        .map(|problem| Finding::fail(&problem.variable, format!("{}; {}", problem.problem, problem.fix)))
        .collect()
}

/// What is allowed, and what of it is unwise.
pub(super) fn judge(config: &Config) -> Vec<Finding> {
    let mut findings = vec![match config.live() {
        None => Finding::ok("Mode", "a rehearsal (DRY_RUN isn't false): everything is shown, nobody is touched"),
        Some(_) => Finding::ok("Mode", "live (DRY_RUN=false): people are let in and out"),
    }];
    findings.extend(config.notes.iter().map(|note| Finding::warn("Settings", note.clone())));
    if config.discord.is_none() && (config.admin_email.is_none() || config.smtp.is_none()) {
        let says = "you hear nothing of what happens; set DISCORD_WEBHOOK, or ADMIN_EMAIL and SMTP_HOST: without, \
                    DRY_RUN=false is refused";
        findings.push(Finding::warn("Settings", says));
    }
    findings.push(Finding::ok(
        "Listeners",
        format!("{} and, for commands, {}", config.door.listen, config.door.admin_listen),
    ));
    if config.extra_ca_pem.is_some() && tls::client_config(config.extra_ca_pem.as_deref()).is_ok() {
        findings.push(Finding::ok("TLS", "EXTRA_CA_FILE is trusted beside the public authorities"));
    }
    if config.brand.templates_dir.is_some() {
        findings.push(match assembly::letters(config) {
            Ok(_) => Finding::ok("Letters", "the templates in TEMPLATES_DIR can be rendered"),
            Err(trouble) => Finding::fail("Letters", trouble.to_string()),
        });
    }
    findings
}
