use serde_json::json;

use super::*;
use crate::services::script::{Answer, Asked, http, live, serve};

async fn tautulli(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (Tautulli, Asked) {
    let (base, asked) = serve(move |_, body| answer(body)).await;
    (Tautulli::new(http(), &format!("{base}/tautulli/"), Secret::new("SECRET")), asked)
}

fn ok(data: &Value) -> Answer {
    let body = json!({"response":{"result":"success","message":null,"data":data}});
    (200, "application/json;charset=UTF-8", body.to_string())
}

fn table(rows: &Value, total: u64) -> Answer {
    let count = rows.as_array().unwrap().len();
    ok(&json!({"draw":1,"recordsTotal":total,"recordsFiltered":count,"data":rows}))
}

fn healthy(body: &str) -> Answer {
    let cmd = body.split('&').find_map(|pair| pair.strip_prefix("cmd=")).unwrap();
    match cmd {
        "get_server_info" => ok(&json!({"pms_identifier":"aaaa","pms_port":32400})),
        "server_status" => ok(&json!({"connected":true})),
        "get_users_table" => table(
            &json!([
                {"user_id":0,"username":"Local","last_seen":null,"keep_history":1},
                {"user_id":2000001,"last_seen":1790000000,"keep_history":1},
                {"user_id":"2000002","last_seen":null,"keep_history":0},
                {"user_id":2000003,"last_seen":null,"keep_history":null}]),
            9,
        ),
        "get_libraries_table" => {
            table(&json!([{"section_id":1,"keep_history":1},{"section_id":"2","keep_history":0}]), 2)
        }
        "get_history" if body.contains("length=1&") => ok(&json!({"draw":1,"recordsTotal":91,"recordsFiltered":91,
            "data":[{"user_id":2000001,"date":1700000000,"started":1700000000,"stopped":1700003600,"state":null}]})),
        "get_history" => table(
            &json!([
                {"user_id":2000001,"started":1790000000,"stopped":1790010800,"state":null},
                {"user_id":2000001,"started":1790020000,"stopped":1790099999,"state":"playing"},
                {"user_id":7,"started":1790000000,"stopped":1790010800,"state":null}]),
            91,
        ),
        "get_activity" => ok(&json!({"stream_count":"2","sessions":[{"user_id":2000002},{"user_id":0}]})),
        _ => (400, "application/json", r#"{"response":{"result":"error","message":"Unknown","data":{}}}"#.to_owned()),
    }
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, 1).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everybody_s_last_play_in_seven_calls() {
    let (tautulli, asked) = tautulli(healthy).await;
    let (activity, skew) = tautulli.activity(day()).await.unwrap();
    assert_eq!(
        (activity.server.as_str(), activity.connected, activity.history_total, skew),
        ("aaaa", true, 91, Some(7))
    );
    let people: Vec<_> = activity.people.iter().map(|(id, who)| (id.0, who.last_play, who.keep_history)).collect();
    let stop = Moment::from_timestamp(1790010800, 0);
    assert_eq!(people, [(2000001, stop, true), (2000002, None, false), (2000003, None, false)]);
    assert_eq!(activity.watching_now, Some(BTreeSet::from([PlexId(2000002)])));
    assert_eq!(activity.oldest_play, Moment::from_timestamp(1700000000, 0));
    assert_eq!(activity.unlogged_keys, BTreeSet::from([2]));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 7);
    for (line, body) in asked.iter() {
        assert_eq!(line, "POST /tautulli/api/v2");
        assert!(body.starts_with("apikey=SECRET&cmd="), "{body}");
    }
    assert!(
        asked
            .iter()
            .any(|(_, body)| body.contains("after=2026-09-01") && body.contains("grouping=0&include_activity=0"))
    );
}

#[tokio::test(start_paused = true)]
async fn promise_02_an_empty_success_is_a_failure() {
    let broken = json!({"draw":0,"recordsTotal":0,"recordsFiltered":0,"data":[]});
    let no_local = json!({"draw":1,"recordsTotal":1,"recordsFiltered":1,"data":[{"user_id":2000001,"keep_history":1}]});
    let short = json!({"draw":1,"recordsTotal":9,"recordsFiltered":9,"data":[{"user_id":0,"keep_history":1}]});
    let faults = [
        ("get_server_info", json!({}), FailureKind::Nonsense),
        ("server_status", json!({}), FailureKind::Nonsense),
        ("get_users_table", broken.clone(), FailureKind::Nonsense),
        ("get_users_table", no_local, FailureKind::Nonsense),
        ("get_users_table", short.clone(), FailureKind::Partial),
        ("get_users_table", json!([]), FailureKind::Nonsense),
        ("get_libraries_table", broken.clone(), FailureKind::Nonsense),
        ("get_history", broken, FailureKind::Nonsense),
        ("get_history", short, FailureKind::Partial),
        ("get_activity", json!([]), FailureKind::Nonsense),
    ];
    for (cmd, data, kind) in faults {
        let said = data.clone();
        let faulty = move |body: &str| {
            if body.contains(&format!("cmd={cmd}&")) || body.ends_with(cmd) { ok(&said) } else { healthy(body) }
        };
        let (tautulli, _) = tautulli(faulty).await;
        let failure = tautulli.activity(day()).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{cmd} {data}: {}", failure.why);
        assert!(failure.why.contains(cmd), "{}", failure.why);
    }
}

#[tokio::test(start_paused = true)]
async fn cut_off_from_plex_is_a_reading_too() {
    let cut = |body: &str| match body {
        body if body.contains("get_activity") => ok(&json!({})),
        body if body.contains("server_status") => ok(&json!({"connected":false})),
        body => healthy(body),
    };
    let (tautulli, _) = tautulli(cut).await;
    let (activity, _) = tautulli.activity(day()).await.unwrap();
    assert_eq!((activity.connected, activity.watching_now), (false, None));
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_only_the_one_asked_for() {
    let (tautulli, _) = tautulli(healthy).await;
    let look = tautulli.look(PlexId(2000001)).await.unwrap();
    let stop = Moment::from_timestamp(1790010800, 0);
    assert_eq!(look.watcher, Some(Watcher { last_play: stop, keep_history: true }));
    assert_eq!(look.watching_now, Some(false));
    assert_eq!(tautulli.look(PlexId(5)).await.unwrap().watcher, None);
}

#[tokio::test(start_paused = true)]
async fn where_only_get_is_let_through_it_reads_and_changes_nothing() {
    let answer = |line: &str, body: &str| match line.split_once('?') {
        Some((_, query)) => healthy(query),
        None if body.is_empty() => healthy(line),
        None => (405, "text/html", "<html/>".to_owned()),
    };
    let (base, asked) = serve(answer).await;
    let tautulli = Tautulli::new(http(), &base, Secret::new("SECRET"));
    assert_eq!(tautulli.activity(day()).await.unwrap().0.people.len(), 3);
    let failure = tautulli.delete_user(&live(), PlexId(2000001)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable); // A page for people: something in between said it.
    assert!(asked.lock().unwrap().iter().all(|(line, _)| !line.contains("delete_user")));
}

/// Only when it says so: a library table that merely fails keeps everybody
/// from being called idle.
#[tokio::test(start_paused = true)]
async fn a_tautulli_without_a_table_of_libraries_keeps_them_all() {
    let says = |message: &str| json!({"response":{"result":"error","message":message,"data":{}}}).to_string();
    for (message, known) in
        [("Unknown command: x", true), ("one of: arnold, get_users_table", true), ("it failed", false), ("", false)]
    {
        let body = says(message);
        let lacking = move |asked: &str| match asked.contains("get_libraries_table") {
            true => (400, "application/json", body.clone()),
            false => healthy(asked),
        };
        let (tautulli, _) = tautulli(lacking).await;
        let unlogged = tautulli.activity(day()).await.map(|(activity, _)| activity.unlogged_keys);
        assert_eq!(unlogged.ok(), known.then(BTreeSet::new), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_to_do() {
    let says = |message: &str| json!({"response":{"result":"error","message":message,"data":{}}}).to_string();
    for (status, kind, body, expected, word) in [
        (400, "application/json", says("Invalid apikey"), FailureKind::Unauthorized, "TAUTULLI_API_KEY"),
        (400, "application/json", says("something"), FailureKind::Refused, "400"),
        (500, "application/json", says("check the logs"), FailureKind::Unreachable, "500"),
        (200, "application/json", says("Please use /api/v2"), FailureKind::Refused, "TAUTULLI_URL"),
        (200, "text/html", "<html/>".to_owned(), FailureKind::Unreachable, "TAUTULLI_URL"),
        (302, "text/html", String::new(), FailureKind::Unreachable, "TAUTULLI_URL"),
    ] {
        let (tautulli, _) = tautulli(move |_| (status, kind, body.clone())).await;
        let failure = tautulli.delete_user(&live(), PlexId(2000001)).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{}", failure.why);
        assert!(failure.why.contains(word) && !failure.why.contains("SECRET"), "{}", failure.why);
    }
    let (tautulli, asked) = tautulli(|_| ok(&json!({}))).await;
    tautulli.undelete_user(&live(), PlexId(2000001)).await.unwrap();
    assert_eq!(asked.lock().unwrap()[0].1, "apikey=SECRET&cmd=undelete_user&user_id=2000001");
}
