//! Webhooks that should have come and didn't, and which endpoint at Stripe is
//! ours.

use chrono::TimeDelta;
use usher::facts::{Moment, WebhookEndpoint};
use usher::policy::webhooks::{self, Endpoint, Hearing};

use crate::paper::Paper;

const SECOND: TimeDelta = TimeDelta::seconds(1);

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

/// A reading shows the newest event, and when this process last got a webhook.
fn reads(paper: &mut Paper, event: Option<Moment>, heard: Option<Moment>) {
    let billing = &mut paper.world.stripe.whole_mut().unwrap().value;
    (billing.newest_event, billing.webhook_heard) = (event, heard);
    let billing = billing.clone();
    paper.world.hearing.note(paper.now, &billing);
}

/// Whether the operator is told of silence by then.
fn is_silent(paper: &mut Paper, at: Moment) -> bool {
    paper.now = at;
    webhooks::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
    paper.book.told.contains_key("webhooks/silent")
}

fn recoveries(paper: &Paper) -> usize {
    paper.book.outbox.keys().filter(|key| key.0.contains("webhooks/silent-over")).count()
}

#[test]
fn money_that_moves_for_a_day_without_a_webhook_is_told() {
    let mut paper = Paper::new();
    let start = paper.now;
    reads(&mut paper, Some(start), None);
    assert!(!is_silent(&mut paper, start + hours(24) - SECOND), "not a day yet");
    assert!(is_silent(&mut paper, start + hours(24)));

    let mut paper = Paper::new();
    reads(&mut paper, Some(start - SECOND), None);
    assert!(!is_silent(&mut paper, start + hours(100)), "that was before this process listened");
    reads(&mut paper, Some(start + hours(100)), None);
    assert!(!is_silent(&mut paper, start + hours(101) - SECOND), "a delivery may take its time");
    assert!(is_silent(&mut paper, start + hours(101)));

    paper.rules.webhooks = false;
    paper.book.told.clear();
    assert!(!is_silent(&mut paper, start + hours(200)), "none are wanted");
}

#[test]
fn an_event_whose_webhook_came_is_no_silence() {
    let mut paper = Paper::new();
    let start = paper.now;
    let heard = start + hours(10);
    let minute = TimeDelta::minutes(1);
    reads(&mut paper, None, None);
    reads(&mut paper, Some(heard + minute), Some(heard));
    assert!(!is_silent(&mut paper, start + hours(90)), "clocks differ by a minute");
    reads(&mut paper, Some(heard + minute + SECOND), Some(heard));
    assert!(!is_silent(&mut paper, heard + hours(24) - SECOND));
    assert!(is_silent(&mut paper, heard + hours(24)), "a day after the last that came");

    let mut paper = Paper::new();
    reads(&mut paper, Some(start), None);
    reads(&mut paper, Some(start), Some(start + hours(2)));
    assert!(!is_silent(&mut paper, start + hours(90)), "it came late");
}

#[test]
fn only_a_webhook_ends_the_silence_not_a_restart_nor_a_quiet_day() {
    let mut paper = Paper::new();
    let start = paper.now;
    reads(&mut paper, Some(start), None);
    assert!(is_silent(&mut paper, start + hours(30)));
    paper.world.hearing = Hearing::default();
    reads(&mut paper, Some(start), None);
    assert!(is_silent(&mut paper, start + hours(40)), "a quiet restart");
    reads(&mut paper, Some(start + hours(40)), None);
    assert!(is_silent(&mut paper, start + hours(41)));
    // One came, and then another didn't.
    reads(&mut paper, Some(start + hours(50)), Some(start + hours(42)));
    assert!(is_silent(&mut paper, start + hours(51)), "not before the newest has come");
    assert_eq!(recoveries(&paper), 0);
    reads(&mut paper, Some(start + hours(50)), Some(start + hours(50)));
    assert!(!is_silent(&mut paper, start + hours(52)));
    assert_eq!(recoveries(&paper), 1);
    assert!(!is_silent(&mut paper, start + hours(53)));
    assert_eq!(recoveries(&paper), 1, "told once");
}

#[test]
fn an_endpoint_is_ours_by_the_public_address_or_by_its_path() {
    let mut rules = Paper::new().rules;
    let mut found = |public: Option<&str>, url: &str| {
        rules.public_url = public.map(str::to_owned);
        let endpoint = WebhookEndpoint {
            id: "we_1".into(),
            url: url.into(),
            events: ["*".to_owned()].into(),
            disabled: false,
            version: None,
        };
        webhooks::look_over(&rules, &[endpoint]) != Endpoint::Missing
    };
    let public = Some("https://door.example.com/");
    assert!(found(public, "https://door.example.com"));
    assert!(found(public, "https://door.example.com/"));
    assert!(found(public, "https://door.example.com/hooks/stripe"));
    assert!(!found(public, "https://door.example.com.another.example/hooks"));
    assert!(!found(public, "https://shop.example.com/hooks"));
    assert!(found(None, "https://tunnel.example.net/webhook/stripe"));
    assert!(!found(None, "https://door.example.com"));
}
