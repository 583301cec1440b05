//! `usher check`: every line there, and not a trace of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, WEBHOOK_SECRET};
use usher::commands::{Checked, Finding, Level, inspect};
use usher::services::stripe::Right;

use super::all_is_well;

async fn check(rig: &Rig) -> Checked {
    inspect(rig.env.clone().into_iter(), &rig.clock()).await
}

/// Every file of the state folder.
fn files(rig: &Rig) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![rig.state().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

fn nobody_was_touched(rig: &Rig) {
    let changes = [rig.plex.changes(), rig.stripe.changes(), rig.tautulli.changes()].concat();
    let changes: Vec<String> = changes.iter().map(|change| format!("{} {}", change.method, change.path)).collect();
    assert_eq!(changes, Vec::<String>::new());
    assert_eq!((rig.smtp.received().len(), rig.discord.messages().len()), (0, 0));
}

/// Compares the table with its golden file, but for what hangs on the machine:
/// ports, and the folder and its kind of disk. `BLESS=1` writes it anew.
fn assert_golden(rig: &Rig, name: &str, checked: &Checked) {
    let text = checked.page().text.replace(&rig.state().display().to_string(), "STATE");
    let text = text.replace(&format!("127.0.0.1:{}", rig.smtp.port()), "MAILSERVER");
    let text = rig.door().map_or(text.clone(), |door| text.replace(&door, "DOOR"));
    // Below it stands how many warnings there are, the folder's among them.
    let table = text.split("\n\n").next().unwrap_or_default();
    let lines = table.lines().filter(|line| !line.contains("State folder"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &text).expect("a file");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(golden == text, "{} differs; look at it, then BLESS=1\n{text}", file.display());
}

#[tokio::test(start_paused = true)]
async fn a_house_in_order_is_checked_before_its_first_start_and_beside_the_daemon_without_a_trace() {
    let mut rig = Rig::new("check-well").await;
    rig.set("DRY_RUN", "true");
    rig.set("PLEX_SERVER_NAME", "attic");
    rig.old_friend(2_000_001, "ann", 400);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.stripe.set_endpoint("https://cinema.example/webhook/stripe", WEBHOOK_SECRET);
    let before = files(&rig);
    let checked = check(&rig).await;
    assert_golden(&rig, "well", &checked);
    assert_eq!(checked.code(), 0, "{}", checked.page().text);
    check(&rig).await;
    assert_eq!(files(&rig), before);
    assert_eq!(rig.plex.clients().len(), 1, "two looks are one device");
    nobody_was_touched(&rig);

    rig.open().await;
    let (before, mails, posts) = (files(&rig), rig.smtp.received().len(), rig.discord.messages().len());
    let clients = rig.plex.clients();
    let checked = check(&rig).await;
    assert_eq!(checked.code(), 0, "{}", checked.page().text);
    assert_golden(&rig, "beside", &checked);
    assert_eq!(files(&rig), before);
    assert_eq!(rig.plex.clients(), clients, "the daemon's own device");
    assert_eq!((rig.smtp.received().len(), rig.discord.messages().len()), (mails, posts));
    assert!(rig.is_running());
    rig.close().await;
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_house_full_of_faults_is_told_each_of_them() {
    let mut rig = Rig::new("check-faults").await;
    std::fs::write(
        rig.state().join("tiers.json"),
        format!(
            r#"[{{"name":"Basic","prices":["{}","price_gone"],"libraries":["Moveis"],"entitlement":"films"}},
                {{"name":"All","prices":["{}"],"libraries":["TV","Anime"]}}]"#,
            rig.basic, rig.premium
        ),
    )
    .expect("a tiers file");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.stripe.deactivate_price(&rig.premium);
    rig.stripe.set_endpoint("https://cinema.example/webhook/stripe", WEBHOOK_SECRET);
    rig.stripe.set_endpoint_disabled(true);
    rig.stripe.set_account_id(None);
    for path in ["/v1/disputes", "/v1/entitlements/active_entitlements"] {
        rig.stripe.faults().always(Matching::ReadsOf(path.to_owned()), Fault::status(403));
    }
    rig.tautulli.set_server("another-machine");
    rig.discord.delete_webhook();
    rig.set("SMTP_PASSWORD", "sesame-of-mine");
    rig.set("VIP_NAMES", "grandma");
    // The other side's word for the time is ours, an hour later.
    rig.time.set_offset(-TimeDelta::hours(1));
    let before = files(&rig);
    let checked = check(&rig).await;
    assert_golden(&rig, "faults", &checked);
    assert_eq!(checked.code(), 1);
    assert_eq!(checked.page().json["code"], 1);
    assert_eq!(files(&rig), before);
    nobody_was_touched(&rig);

    // Everybody down, one hung: each says so itself, and none waits for ever.
    rig.plex.faults().always(Matching::All, Fault::Hang);
    rig.stripe.faults().clear();
    rig.stripe.faults().always(Matching::All, Fault::status(401));
    rig.tautulli.faults().always(Matching::All, Fault::status(503));
    rig.smtp.fault(sandbox::smtp::Fault::Down, sandbox::smtp::Stay::UntilCleared);
    let checked = check(&rig).await;
    assert_golden(&rig, "down", &checked);
    assert_eq!(checked.code(), 1);
    assert!(!checked.page().text.contains("sesame"), "no password is shown");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_hardly_read_is_told_every_right_that_it_lacks() {
    let rig = Rig::new("check-rights").await;
    rig.stripe.faults().always(Matching::All, Fault::status(403));
    let checked = check(&rig).await;
    assert_eq!(checked.code(), 1);
    let lacks = |finding: &&Finding| finding.what == "Stripe rights";
    let lacking: Vec<(Level, &str)> = checked
        .findings
        .iter()
        .filter(lacks)
        .filter_map(|finding| Some((finding.level, finding.says.split_once("may not read ")?.1.split_once(':')?.0)))
        .collect();
    assert_eq!(lacking.len(), Right::ALL.len(), "{}", checked.page().text);
    assert!(lacking.contains(&(Level::Fail, "Subscriptions")) && lacking.contains(&(Level::Warn, "Events")));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_configuration_is_78_and_with_wrong_tiers_all_else_is_still_checked() {
    let mut rig = Rig::new("check-config").await;
    std::fs::write(rig.state().join("tiers.json"), r#"[{"name":"Basic"},{"name":"Basic"}]"#).expect("a tiers file");
    let checked = check(&rig).await;
    assert_eq!(checked.code(), 78);
    let text = checked.page().text;
    let of = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert!(of("FAIL  TIERS_FILE") >= 2 && of("Stripe rights") == 1 && of("Prices") == 0, "{text}");
    assert!(text.starts_with("FAIL  TIERS_FILE"), "{text}");

    let asked = rig.plex.requests().len();
    rig.set("WARN_DAYS", "soon");
    rig.set("PLEX_TOKEN", "");
    let checked = check(&rig).await;
    assert_eq!(checked.code(), 78);
    let named: Vec<&str> = checked.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(named, ["PLEX_TOKEN", "WARN_DAYS"], "all of them, and nothing else");
    assert_eq!(rig.plex.requests().len(), asked, "nobody is asked");
    all_is_well(&rig);
}
