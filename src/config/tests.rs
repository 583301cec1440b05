//! One test per kind of problem; each names the variable and the fix.

use std::{fs, path::PathBuf};

use super::*;

/// A smallest configuration, changed by `changes`; an empty value unsets.
fn read(changes: &[(&str, &str)]) -> Result<Config, Vec<ConfigProblem>> {
    let base = [("PLEX_TOKEN", "plex-token-1")];
    let vars = base.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_env(vars)
}

fn good(changes: &[(&str, &str)]) -> Config {
    read(changes).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Exactly one problem, of this variable, and its sentence holds `words`.
fn problem(changes: &[(&str, &str)], variable: &str, words: &str) {
    let problems = read(changes).expect_err("a problem");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].variable, variable, "{problems:?}");
    assert!(problems[0].to_string().contains(words), "{}", problems[0]);
    assert!(!problems[0].fix.is_empty());
}

fn scratch(name: &str, text: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("usher-config-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_123");

#[test]
fn a_token_is_enough_and_means_dry_run_with_the_defaults() {
    let config = good(&[]);
    assert!(config.live().is_none());
    assert!(config.stripe.is_none() && config.tautulli.is_none() && config.smtp.is_none() && config.discord.is_none());
    let house = &config.house;
    assert_eq!((house.warn_days, house.kick_days, house.payment_grace_days), (27, 30, 7));
    assert_eq!(house.expiry_warn_days, [7, 3]);
    assert_eq!((house.prune_mode, house.max_removals_per_day), (crate::policy::PruneMode::Auto, None));
    assert_eq!(config.intervals.check_billing_secs, 900);
    assert_eq!(config.door.listen.to_string(), "0.0.0.0:8480");
    assert_eq!(config.door.admin_listen.to_string(), "127.0.0.1:8481");
    assert_eq!(config.state_dir, PathBuf::from("state"));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn every_problem_is_told_at_once() {
    let problems = read(&[
        ("PLEX_TOKEN", ""),
        ("WARN_DAYS", "x"),
        ("TZ", "Mars/Base"),
        ("LISTEN", "nowhere"),
        ("PRUNE_MODE", "yes"),
    ])
    .expect_err("problems");
    let names: Vec<&str> = problems.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(names, ["PLEX_TOKEN", "WARN_DAYS", "PRUNE_MODE", "LISTEN", "TZ"]);
}

#[test]
fn warn_days_not_below_kick_days_is_refused_naming_both() {
    let problems = read(&[("WARN_DAYS", "40")]).expect_err("a problem");
    assert!(problems[0].to_string().starts_with("WARN_DAYS: 40 is not less than KICK_DAYS (30); set "), "{problems:?}");
    problem(&[("WARN_DAYS", "30")], "WARN_DAYS", "KICK_DAYS");
    assert_eq!(good(&[("WARN_DAYS", "29")]).house.warn_days, 29);
}

#[test]
fn only_the_word_false_ends_the_dry_run() {
    let admin = ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/123/abc");
    for dry in ["", "true", "True", " TRUE "] {
        assert!(good(&[admin, ("DRY_RUN", dry)]).live().is_none(), "{dry:?}");
    }
    for live in ["false", "False", " FALSE\n"] {
        assert!(good(&[admin, ("DRY_RUN", live)]).live().is_some(), "{live:?}");
    }
    for unknown in ["0", "no", "off", "flase", "live", "false;"] {
        problem(&[admin, ("DRY_RUN", unknown)], "DRY_RUN", "is not known");
    }
}

#[test]
fn live_mode_needs_somebody_to_tell() {
    problem(&[("DRY_RUN", "false")], "DRY_RUN", "ADMIN_EMAIL nor DISCORD_WEBHOOK");
    problem(&[("DRY_RUN", "false"), ("ADMIN_EMAIL", "a@b.example")], "ADMIN_EMAIL", "SMTP_HOST");
    let mail = [("SMTP_HOST", "smtp.example"), ("SMTP_FROM", "u@b.example"), ("ADMIN_EMAIL", "a@b.example")];
    assert!(good(&[mail[0], mail[1], mail[2], ("DRY_RUN", "false")]).live().is_some());
}

#[test]
fn a_group_with_only_some_of_its_keys_is_refused() {
    problem(&[("TAUTULLI_URL", "http://t:8181")], "TAUTULLI_API_KEY", "TAUTULLI_URL is set");
    problem(&[("TAUTULLI_API_KEY", "k")], "TAUTULLI_URL", "TAUTULLI_API_KEY is set");
    problem(&[("SMTP_HOST", "smtp.example")], "SMTP_FROM", "SMTP_HOST is set");
    problem(&[("SMTP_FROM", "u@b.example")], "SMTP_HOST", "SMTP_FROM is set");
    problem(&[("STRIPE_WEBHOOK_SECRET", "whsec_a")], "STRIPE_WEBHOOK_SECRET", "STRIPE_SECRET_KEY is not");
    let mail = [("SMTP_HOST", "smtp.example"), ("SMTP_FROM", "u@b.example")];
    problem(&[mail[0], mail[1], ("SMTP_USERNAME", "u")], "SMTP_PASSWORD", "SMTP_USERNAME is set");
    problem(&[mail[0], mail[1], ("SMTP_PASSWORD", "p")], "SMTP_USERNAME", "SMTP_PASSWORD is set");
}

#[test]
fn a_stripe_key_without_webhook_secret_polls_and_says_so() {
    let config = good(&[KEY]);
    assert!(config.stripe.is_some_and(|stripe| stripe.webhook_secrets.is_empty() && !stripe.livemode));
    assert!(config.notes.iter().any(|note| note.starts_with("STRIPE_WEBHOOK_SECRET is not set")));
}

#[test]
fn key_prefixes_are_checked_and_secrets_never_echoed() {
    for (name, value) in [
        ("STRIPE_SECRET_KEY", "pk_live_hunter2"),
        ("STRIPE_SECRET_KEY", "hunter2"),
        ("STRIPE_SECRET_KEY", "sk_live_hunter2 hunter2"),
        ("PLEX_TOKEN", "hunter2 x"),
        ("API_TOKEN", "hunter2"),
        ("DISCORD_WEBHOOK", "https://evil.example/api/webhooks/1/hunter2"),
        ("HTTPS_PROXY", "socks5://u:hunter2@p"),
        ("FREE_TIER_INVITE_CODE", "hunter2:x"),
    ] {
        let problems = read(&[(name, value)]).expect_err(name);
        assert_eq!(problems[0].variable, name);
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
    problem(&[KEY, ("STRIPE_WEBHOOK_SECRET", "whsec_a,secret")], "STRIPE_WEBHOOK_SECRET", "whsec_");
    let config = good(&[("STRIPE_SECRET_KEY", "rk_live_1"), ("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b")]);
    assert!(config.stripe.is_some_and(|stripe| stripe.livemode && stripe.webhook_secrets.len() == 2));
}

#[test]
fn secrets_never_stand_in_debug() {
    let config = good(&[
        ("PLEX_TOKEN", "hunter2"),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2"),
        ("TAUTULLI_URL", "http://t"),
        ("TAUTULLI_API_KEY", "hunter2"),
        ("SMTP_HOST", "smtp.example"),
        ("SMTP_FROM", "hunter2@b.example"),
        ("SMTP_USERNAME", "u"),
        ("SMTP_PASSWORD", "hunter2"),
        ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/1/hunter2"),
        ("API_TOKEN", "hunter2hunter2hunter2hunter2"),
        ("API_TOKEN_READ", "hunter2hunter2hunter2hunter3"),
        ("HTTPS_PROXY", "http://u:hunter2@p:3128"),
        ("HEARTBEAT_URL", "https://hc.example/ping/hunter2"),
        ("FREE_TIER_INVITE_CODE", "hunter2"),
        ("FREE_TIER", "Basic"),
        ("ADMIN_EMAIL", "hunter2@b.example"),
    ]);
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
}

#[test]
fn any_variable_may_come_from_a_file() {
    let path = scratch("token", "from-file\n");
    let path = path.to_str().unwrap();
    let config = good(&[("PLEX_TOKEN", ""), ("PLEX_TOKEN_FILE", path)]);
    assert_eq!(config.plex.token.expose(), "from-file");
    problem(&[("PLEX_TOKEN_FILE", path)], "PLEX_TOKEN", "PLEX_TOKEN_FILE too");
    problem(&[("PLEX_TOKEN", ""), ("PLEX_TOKEN_FILE", "/nowhere/x")], "PLEX_TOKEN_FILE", "can't be read");
    let empty = scratch("empty", "\n");
    problem(&[("PLEX_TOKEN", ""), ("PLEX_TOKEN_FILE", empty.to_str().unwrap())], "PLEX_TOKEN_FILE", "is empty");
}

#[test]
fn addresses_of_services_are_normalised() {
    for (given, expected) in [
        ("http://t:8181", "http://t:8181"),
        ("http://t:8181/", "http://t:8181"),
        ("https://t/tautulli/", "https://t/tautulli"),
        ("http://t:8181/tautulli/api/v2/", "http://t:8181/tautulli"),
    ] {
        let config = good(&[("TAUTULLI_URL", given), ("TAUTULLI_API_KEY", "k")]);
        assert_eq!(config.tautulli.unwrap().url, expected);
    }
    for bad in ["t:8181", "ftp://t", "t", "http://u:p@t", "http://t?x=1"] {
        let problems = read(&[("TAUTULLI_URL", bad), ("TAUTULLI_API_KEY", "k")]).expect_err(bad);
        assert_eq!(problems[0].variable, "TAUTULLI_URL");
    }
}

#[test]
fn numbers_out_of_range_or_malformed_are_refused() {
    for (name, value) in [
        ("WARN_DAYS", "0"),
        ("WARN_DAYS", "-1"),
        ("KICK_DAYS", "thirty"),
        ("KICK_DAYS", "30.5"),
        ("SEATS", "0"),
        ("CHECK_BILLING_SECS", "0"),
        ("EXPIRY_WARN_DAYS", "7,x"),
        ("MAX_REMOVALS_PER_DAY", "many"),
        ("UNFRIEND_AFTER_DAYS", "no"),
        ("REMOVAL_PACE_MINS", "99999"),
    ] {
        problem(&[(name, value)], name, "set a whole number of");
    }
    let house = good(&[("EXPIRY_SETTLE_HOURS", "0"), ("EXPIRY_WARN_DAYS", "1, 7,7")]).house;
    assert_eq!((house.expiry_settle_hours, house.expiry_warn_days), (0, vec![7, 1]));
}

#[test]
fn unknown_words_are_refused_with_the_known_ones() {
    for name in ["PRUNE_MODE", "PAYMENT_GRACE", "PAUSED_COLLECTION", "ON_REFUND", "ON_DISPUTE", "UNMANAGED", "DIGEST"] {
        problem(&[(name, "perhaps")], name, "set one of: ");
    }
    for name in ["PRUNE_PAYING", "DEFAULT_DOWNLOADS", "LOG_ADDRESSES", "LOG_FORMAT", "LOG_LEVEL", "SMTP_TLS"] {
        problem(&[(name, "perhaps")], name, "set one of: ");
    }
    problem(&[("TZ", "Mars/Base")], "TZ", "time zone");
    problem(&[("BRAND_COLOR", "red")], "BRAND_COLOR", "colour");
    problem(&[("SUPPORT_LINK", "help")], "SUPPORT_LINK", "link");
    problem(&[("TEMPLATES_DIR", "/nowhere/x")], "TEMPLATES_DIR", "can't be read");
    problem(&[("TRUSTED_PROXIES", "10.0.0.0/99")], "TRUSTED_PROXIES", "network");
    problem(&[("HEARTBEAT_URL", "x")], "HEARTBEAT_URL", "web address");
    problem(&[("UNMANAGED", "require-subscription")], "UNMANAGED", "STRIPE_SECRET_KEY");
    assert_eq!(good(&[("LOG_LEVEL", "WARNING")]).log.level, "warn");
}

#[test]
fn mail_goes_by_tls_and_never_with_a_password_in_clear() {
    let base = [("SMTP_HOST", "smtp.example"), ("SMTP_FROM", "The House <U@b.example>")];
    let smtp = |changes: &[(&str, &str)]| good(&[&base[..], changes].concat()).smtp.unwrap();
    assert_eq!((smtp(&[]).port, smtp(&[]).tls), (587, SmtpTls::StartTls));
    assert_eq!(smtp(&[("SMTP_PORT", "465")]).tls, SmtpTls::Implicit);
    assert_eq!(smtp(&[("SMTP_TLS", "implicit")]).port, 465);
    assert_eq!(smtp(&[]).from_name.as_deref(), Some("The House"));
    assert_eq!(smtp(&[]).from_address.as_str(), "u@b.example");
    let clear = [base[0], base[1], ("SMTP_TLS", "none"), ("SMTP_USERNAME", "u"), ("SMTP_PASSWORD", "p")];
    problem(&clear, "SMTP_TLS", "SMTP_PASSWORD in clear");
    problem(&[("SMTP_HOST", "smtp.example:587"), base[1]], "SMTP_HOST", "SMTP_PORT");
    problem(&[base[0], ("SMTP_FROM", "me")], "SMTP_FROM", "email address");
    problem(&[("ADMIN_EMAIL", "me")], "ADMIN_EMAIL", "email address");
}

#[test]
fn a_discord_webhook_is_taken_apart() {
    for address in [
        "https://discord.com/api/webhooks/123/abc",
        "https://canary.discord.com/api/v10/webhooks/123/abc/?thread_id=9",
        "https://discordapp.com/api/webhooks/123/abc?wait=true",
    ] {
        let discord = good(&[("DISCORD_WEBHOOK", address)]).discord.unwrap();
        assert_eq!((discord.id.as_str(), discord.token.expose()), ("123", "abc"));
        assert_eq!(discord.thread_id.is_some(), address.contains("thread_id"));
    }
    for address in ["https://discord.com/channels/1/2", "http://discord.com/api/webhooks/1/x", "https://discord.gg/x"] {
        problem(&[("DISCORD_WEBHOOK", address)], "DISCORD_WEBHOOK", "webhook address");
    }
    let local = ("DISCORD_API_URL", "http://127.0.0.1:9");
    assert!(good(&[local, ("DISCORD_WEBHOOK", "http://127.0.0.1:9/api/webhooks/1/x")]).discord.is_some());
}

#[test]
fn vips_written_as_name_and_mail_are_protected_by_the_mail() {
    let config = good(&[("VIP_NAMES", "ann, Ben <Ben@B.example>,, 12345"), ("ADMIN_EMAIL", "Op <Op@B.example>")]);
    assert_eq!(config.house.vip_names, ["ann", "ben@b.example", "12345"]);
    assert_eq!(config.admin_email.unwrap().as_str(), "op@b.example");
    problem(&[("VIP_NAMES", "Ben <ben")], "VIP_NAMES", "list them by commas");
}

#[test]
fn the_older_health_port_is_the_port_of_listen() {
    assert_eq!(good(&[("HEALTH_CHECK_PORT", "9000")]).door.listen.to_string(), "0.0.0.0:9000");
    problem(&[("HEALTH_CHECK_PORT", "9000"), ("LISTEN", "0.0.0.0:9001")], "HEALTH_CHECK_PORT", "LISTEN");
    problem(&[("LISTEN", "0.0.0.0:8481")], "ADMIN_LISTEN", "its own port");
    assert_eq!(good(&[("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0")]).door.listen.port(), 0);
}

#[test]
fn a_reading_token_must_not_be_the_changing_one() {
    let token = "0123456789abcdef0123456789abcdef";
    problem(&[("API_TOKEN", token), ("API_TOKEN_READ", token)], "API_TOKEN_READ", "same as API_TOKEN");
    problem(&[("API_TOKEN", "short")], "API_TOKEN", "too short");
}

#[test]
fn short_intervals_and_older_variables_are_only_noted() {
    let config = good(&[("CHECK_NEW_USERS_SECS", "1"), ("DATABASE_URL", "x"), ("SECRET_KEY", "")]);
    assert_eq!(config.notes.len(), 2, "{:?}", config.notes);
    assert_eq!(config.notes[0], "DATABASE_URL is not needed: the book is one file in STATE_DIR");
    assert!(config.notes[1].starts_with("CHECK_NEW_USERS_SECS is 1"));
}

#[test]
fn a_code_needs_something_to_open_and_a_shape() {
    let code = ("FREE_TIER_INVITE_CODE", "film:5:2027-01-31:30, open");
    problem(&[code], "FREE_TIER_INVITE_CODE", "FREE_TIER nor DEFAULT_LIBRARIES");
    let codes = good(&[code, ("DEFAULT_LIBRARIES", "Movies")]).tiers.free_codes;
    assert_eq!((codes[0].uses, codes[0].days, codes[1].uses, codes[1].until), (5, Some(30), 10, None));
    for bad in
        ["film:x", "film:1:soon", "film:1::0", "film:1::3651", "film:1:+262142-12-31", ":5", "a:1:2027-01-31:3:4"]
    {
        let changes = [("FREE_TIER_INVITE_CODE", bad), ("DEFAULT_LIBRARIES", "Movies")];
        problem(&changes, "FREE_TIER_INVITE_CODE", "write code:uses:until:days");
    }
}

#[test]
fn tiers_come_from_the_file_the_default_or_the_products() {
    let dir = scratch("here", "").parent().unwrap().join("no-tiers");
    let dir = ("STATE_DIR", dir.to_str().unwrap());
    assert_eq!(good(&[dir]).read_tiers(), Ok(Tiers::FromProducts));
    let Ok(Tiers::Default { downloads, .. }) = good(&[dir, ("DEFAULT_LIBRARIES", "Movies,TV")]).read_tiers() else {
        panic!("a default")
    };
    assert!(!downloads);
    problem(&[("DEFAULT_LIBRARIES", "*,TV")], "DEFAULT_LIBRARIES", "makes sense");

    let file = scratch("tiers.json", r#"[{"name":"Basic","prices":["price_1"],"libraries":["Movies"]}]"#);
    let file = ("TIERS_FILE", file.to_str().unwrap());
    assert!(matches!(good(&[file]).read_tiers(), Ok(Tiers::File(tiers)) if tiers.len() == 1));
    let problems = good(&[file, ("FREE_TIER", "Gold")]).read_tiers().expect_err("no such tier");
    assert!(problems[0].to_string().contains("set one of: Basic"), "{problems:?}");
    let code = ("FREE_TIER_INVITE_CODE", "film");
    let problems = good(&[file, code, ("DEFAULT_LIBRARIES", "TV")]).read_tiers().expect_err("which tier?");
    assert!(problems[0].to_string().starts_with("FREE_TIER: is not set"), "{problems:?}");
    assert!(good(&[file, code, ("FREE_TIER", "Basic")]).read_tiers().is_ok());
    let problems = good(&[("TIERS_FILE", "/nowhere/tiers.json")]).read_tiers().expect_err("named but missing");
    assert_eq!(problems[0].variable, "TIERS_FILE");
    let torn = scratch("torn.json", "[{");
    let problems = good(&[("TIERS_FILE", torn.to_str().unwrap())]).read_tiers().expect_err("torn");
    assert!(problems[0].to_string().contains("is not a JSON array"), "{problems:?}");
}

fn scratch_bytes(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch(name, "");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Notepad writes such files.
#[test]
fn a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_a_value() {
    let names = scratch("vips.txt", "\u{feff}carl, dora\r\n\r\n");
    let config = good(&[("VIP_NAMES_FILE", names.to_str().unwrap())]);
    assert_eq!(config.house.vip_names, ["carl", "dora"]);
    let token = scratch("token-bom", "\u{feff}abc\r\n");
    assert_eq!(good(&[("PLEX_TOKEN", ""), ("PLEX_TOKEN_FILE", token.to_str().unwrap())]).plex.token.expose(), "abc");
    let tiers = scratch("tiers-bom.json", "\u{feff}[{\"name\":\"Basic\",\r\n\"libraries\":[\"Movies\"]}]\r\n");
    assert!(matches!(good(&[("TIERS_FILE", tiers.to_str().unwrap())]).read_tiers(), Ok(Tiers::File(_))));
    let pem = scratch("ca-bom.pem", "\u{feff}-----BEGIN CERTIFICATE-----\r\n");
    let pem = good(&[("EXTRA_CA_FILE", pem.to_str().unwrap())]).extra_ca_pem.unwrap();
    assert!(pem.starts_with(b"-----BEGIN"));
}

#[test]
fn a_file_that_is_no_plain_text_is_a_problem_that_names_it() {
    let utf16 = scratch_bytes("utf16.txt", b"\xff\xfec\0a\0");
    let latin = scratch_bytes("latin.txt", b"Andr\xe9");
    for (file, what) in [(&utf16, "holds a zero byte"), (&latin, "is not valid UTF-8")] {
        let path = file.to_str().unwrap();
        problem(&[("VIP_NAMES_FILE", path)], "VIP_NAMES_FILE", what);
        let problems = good(&[("TIERS_FILE", path)]).read_tiers().expect_err("no text");
        assert!(problems[0].to_string().contains(what) && problems[0].to_string().contains(path), "{problems:?}");
    }
    let empty = scratch("empty.json", "\n");
    let problems = good(&[("TIERS_FILE", empty.to_str().unwrap())]).read_tiers().expect_err("empty");
    assert!(problems[0].to_string().contains("is empty"), "{problems:?}");
}

#[test]
fn certificates_are_read_at_load() {
    let pem = scratch("ca.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
    assert!(good(&[("EXTRA_CA_FILE", pem.to_str().unwrap())]).extra_ca_pem.is_some());
    problem(&[("EXTRA_CA_FILE", "/nowhere/ca.pem")], "EXTRA_CA_FILE", "can't be read");
    let empty = scratch("ca-empty.pem", "hello");
    problem(&[("EXTRA_CA_FILE", empty.to_str().unwrap())], "EXTRA_CA_FILE", "no certificate");
}

#[test]
fn networks_contain_what_they_say() {
    let proxies = good(&[("TRUSTED_PROXIES", "10.0.0.0/8, 172.18.0.1, fd00::/8")]).door.trusted_proxies;
    let trusted = |address: &str| proxies.iter().any(|network| network.contains(address.parse().unwrap()));
    assert!(trusted("10.9.9.9") && trusted("172.18.0.1") && trusted("fd12::1") && trusted("::ffff:10.0.0.1"));
    assert!(!trusted("11.0.0.1") && !trusted("172.18.0.2") && !trusted("fe80::1"));
}

/// Promise of the README: `env.example` lists what there is, no more, no less.
#[test]
fn env_example_names_every_variable() {
    let example = include_str!("../../env.example");
    let mut named: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    let mut known = VARIABLES.to_vec();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}

/// And as it stands (with the token filled in) it is a good configuration.
#[test]
fn env_example_is_a_good_configuration() {
    let example = include_str!("../../env.example");
    let vars = example.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let config = Config::from_env(vars.map(|(name, value)| {
        let value = if name == "PLEX_TOKEN" { "token" } else { value };
        (name.to_owned(), value.to_owned())
    }));
    assert!(config.is_ok_and(|config| config.live().is_none()));
}
