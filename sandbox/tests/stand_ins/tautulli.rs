//! The stand-in spoken to as Usher does.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use usher::facts::{Moment, PlexId};

use sandbox::{
    faults::{Fault, Matching},
    tautulli::{KEY, Tautulli},
    time::{moment, virtual_clock},
    wire::{call, form},
};

const ANN: PlexId = PlexId(2_000_001);

fn world() -> (Tautulli, Moment) {
    let start = moment(1_790_000_000);
    let tautulli = Tautulli::start(virtual_clock(start).0);
    tautulli.add_user(ANN, "ann", "ann@example.com");
    tautulli.add_library(1, "Movies");
    (tautulli, start)
}

async fn post(tautulli: &Tautulli, cmd: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let pairs = [&[("apikey", KEY), ("cmd", cmd)], more].concat();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/api/v2", tautulli.base_url());
    let reply = call("POST", &url, &headers, &form(&pairs)).await.unwrap();
    (reply.status, reply.json()["response"].clone())
}

async fn data(tautulli: &Tautulli, cmd: &str, more: &[(&str, &str)]) -> Value {
    let (status, response) = post(tautulli, cmd, more).await;
    assert_eq!((status, &response["result"]), (200, &json!("success")));
    response["data"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_play_is_a_session_until_it_stops_and_history_after() {
    let (tautulli, start) = world();
    tautulli.play(ANN, start, start + TimeDelta::hours(3));
    assert_eq!(data(&tautulli, "get_activity", &[]).await["stream_count"], json!("1"));
    assert_eq!(tautulli.last_seen(ANN), None);
    let live = data(&tautulli, "get_history", &[]).await;
    assert_eq!((&live["data"][0]["row_id"], &live["data"][0]["state"]), (&Value::Null, &json!("playing")));
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(data(&tautulli, "get_activity", &[]).await["stream_count"], json!("0"));
    let rows = data(&tautulli, "get_users_table", &[("order_dir", "asc")]).await;
    assert_eq!((&rows["draw"], &rows["data"][0]["user_id"]), (&json!(1), &json!(ANN)));
    assert_eq!(rows["data"][0]["last_seen"], json!(start.timestamp()));
    let plain = [("grouping", "0"), ("include_activity", "0"), ("after", "2026-09-21"), ("length", "100000")];
    let rows = data(&tautulli, "get_history", &plain).await;
    assert_eq!(rows["data"][0]["stopped"], json!(start.timestamp() + 3 * 3600));
    assert_eq!(tautulli.unexpected(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_never_becomes_history() {
    let (tautulli, start) = world();
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    tautulli.play(ANN, start - day, start - day + TimeDelta::seconds(119));
    tautulli.set_connected(false);
    tautulli.play(ANN, start - hour, start);
    tautulli.set_connected(true);
    tautulli.set_library_keep_history(1, false);
    tautulli.play(ANN, start - hour, start);
    tautulli.set_library_keep_history(1, true);
    tautulli.set_keep_history(ANN, false);
    tautulli.play(ANN, start - hour, start);
    assert_eq!(tautulli.plays(ANN), 0);
    tautulli.set_keep_history(ANN, true);
    tautulli.play(ANN, start - hour, start);
    assert_eq!(tautulli.plays(ANN), 1);
    post(&tautulli, "delete_user", &[("user_id", "2000001")]).await;
    assert_eq!((tautulli.plays(ANN), tautulli.is_deleted(ANN)), (0, true));
    assert_eq!(data(&tautulli, "get_users", &[]).await.as_array().unwrap().len(), 1);
    post(&tautulli, "undelete_user", &[("user_id", "2000001")]).await;
    assert_eq!((tautulli.is_deleted(ANN), tautulli.last_seen(ANN)), (false, None));
    assert_eq!((tautulli.deleted_users().len(), tautulli.changes().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_traps_of_the_api() {
    let (tautulli, _) = world();
    let rows = |value: &Value| value["data"].as_array().map_or(0, Vec::len);
    for id in 1..40 {
        tautulli.add_user(PlexId(id), &format!("u{id}"), "");
    }
    for (length, count) in [(None, 25), (Some("-1"), 40), (Some("0"), 0), (Some("100000"), 41)] {
        let more: Vec<_> = length.map(|length| ("length", length)).into_iter().collect();
        assert_eq!(rows(&data(&tautulli, "get_users_table", &more).await), count, "{length:?}");
    }
    assert_eq!(data(&tautulli, "get_user", &[("user_id", "77777")]).await["user_id"], json!(0));
    tautulli.set_plex_reachable(false);
    assert_eq!(data(&tautulli, "get_activity", &[]).await, json!({}));
    tautulli.set_sql_error(true);
    assert_eq!(data(&tautulli, "get_users_table", &[]).await["draw"], json!(0));
    assert_eq!(data(&tautulli, "get_users", &[]).await, json!([]));
    tautulli.set_sql_error(false);
    tautulli.faults().once(Matching::All, Fault::RepeatPage);
    let repeated = data(&tautulli, "get_users_table", &[("length", "100")]).await;
    assert_eq!((rows(&repeated), &repeated["recordsFiltered"]), (40, &json!(41)));
    assert_eq!(tautulli.unexpected(), Vec::<String>::new());

    assert_eq!(post(&tautulli, "status", &[("x", "1")]).await.0, 500);
    assert_eq!(post(&tautulli, "dance", &[]).await.0, 400);
    assert_eq!(post(&tautulli, "arnold", &[("cmd", "arnold")]).await.0, 500);
    assert_eq!(post(&tautulli, "get_users_table", &[("length", "abc")]).await.0, 500);
    let old = call("GET", &format!("{}/api/v1", tautulli.url()), &[], "").await.unwrap();
    assert_eq!((old.status, &old.json()["response"]["result"]), (200, &json!("error")));
    assert_eq!(tautulli.unexpected().len(), 5);
    tautulli.set_key("another");
    let (status, response) = post(&tautulli, "arnold", &[]).await;
    assert_eq!((status, &response["message"]), (400, &json!("Invalid apikey")));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_install_knows_nobody_until_it_refreshes() {
    let (tautulli, start) = world();
    tautulli.play(ANN, start - TimeDelta::hours(1), start);
    tautulli.reinstall();
    assert_eq!(data(&tautulli, "get_users", &[]).await.as_array().unwrap().len(), 1);
    data(&tautulli, "refresh_users_list", &[]).await;
    assert_eq!(data(&tautulli, "get_users", &[]).await.as_array().unwrap().len(), 2);
    assert_eq!(tautulli.last_seen(ANN), None);
}
