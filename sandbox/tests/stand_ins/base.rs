//! Dates, faults and rules, over a service that only counts.

use std::time::Duration;

use sandbox::base::*;
use sandbox::{
    faults::{Bend, Fault, Matching, Rule},
    time::{moment, virtual_clock},
    wire::call,
};

struct Counter(u32);

impl World for Counter {
    fn is_change(&self, request: &Request) -> bool {
        request.method == "POST"
    }
    fn answer(&mut self, request: &Request, _: Option<Bend>) -> Answer {
        match request.path.as_str() {
            "/count" => {
                self.0 += u32::from(request.change);
                Answer::json(200, &serde_json::json!({"count": self.0, "filler": "x".repeat(200)}))
            }
            _ => Answer::status(404).unexpected("no such path"),
        }
    }
}

fn start() -> (StandIn<Counter>, String) {
    let (clock, _) = virtual_clock(moment(1_790_000_000));
    let service = StandIn::start(clock, Counter(0));
    let url = format!("{}/count", service.url());
    (service, url)
}

#[tokio::test(start_paused = true)]
async fn answers_carry_virtual_dates() {
    let (service, url) = start();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let reply = call("GET", &url, &[], "").await.unwrap();
    assert_eq!(reply.headers["date"], "Tue, 22 Sep 2026 14:13:20 GMT");
    call("GET", &format!("{}/other?x=1", service.url()), &[], "").await.unwrap();
    assert_eq!(service.unexpected(), ["GET /other: no such path"]);
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_it_says() {
    // fault, status seen (None = no whole answer), carried out
    let cases = [
        (Fault::status(401), Some(401), 0),
        (Fault::too_many(60), Some(429), 0),
        (Fault::Html, Some(200), 0),
        (Fault::Malformed, Some(200), 1),
        (Fault::Truncated, None, 1),
        (Fault::Empty, Some(200), 1),
        (Fault::DropBeforeEffect, None, 0),
        (Fault::EffectThenDrop, None, 1),
        (Fault::EffectThenStatus(500), Some(500), 1),
        (Fault::Hang, None, 0),
        (Fault::SlowDrip(Duration::from_secs(40)), Some(200), 1),
        (Fault::Delay(Duration::from_secs(3)), Some(200), 1),
    ];
    for (fault, status, carried_out) in cases {
        let (service, url) = start();
        service.faults().once(Matching::Writes, fault.clone());
        let limit = Duration::from_secs(60);
        let reply = tokio::time::timeout(limit, call("POST", &url, &[], "")).await;
        let seen = reply.ok().and_then(Result::ok).map(|reply| reply.status);
        assert_eq!((seen, service.world().0), (status, carried_out), "{fault:?}");
        assert_eq!(service.faults().struck(&fault), 1, "{fault:?}");
        assert_eq!(call("GET", &url, &[], "").await.unwrap().status, 200, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_skips_and_runs_out_and_a_bend_that_cannot_show_is_not_counted() {
    let (service, url) = start();
    service.faults().add(Rule::new(Matching::All, Fault::status(503)).skip(1).times(1));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(call("GET", &url, &[], "").await.unwrap().status);
    }
    assert_eq!(seen, [200, 503, 200]);
    service.faults().once(Matching::All, Fault::HalfPages);
    call("GET", &url, &[], "").await.unwrap();
    assert_eq!((service.faults().struck(&Fault::HalfPages), service.faults().waiting()), (0, true));
}
