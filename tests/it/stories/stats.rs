//! `usher stats`: the money report, over the wire.

use sandbox::rig::{Rig, address};
use sandbox::stripe::{CancelForm, Shape};

use super::{all_is_well, hours, payer, unhurried};

#[tokio::test(start_paused = true)]
async fn what_comes_in_each_month_is_said_in_both_shapes_and_costs_no_more_calls_than_nothing() {
    for shape in [Shape::New, Shape::Old] {
        let mut rig = Rig::new(&format!("stats-{shape:?}")).await;
        unhurried(&mut rig, 1);
        rig.stripe.set_shape(shape);
        rig.open().await;
        // 5.00, ten percent off for ever; 5.00 of which half is off once.
        let (_, ann) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
        let (_, bob) = payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
        let ten = rig.stripe.add_coupon(10.0, "forever");
        if shape == Shape::New {
            rig.stripe.apply_coupon_to_item(&ann, &ten);
        } else {
            rig.stripe.apply_coupon(&ann, &ten);
        }
        rig.stripe.apply_coupon(&bob, &rig.stripe.add_coupon(50.0, "once"));
        // Two at 9.00; one that fails; one in its trial; one that is leaving; one that left.
        let (_, cleo) = payer(&rig, 2_000_003, "cleo", &rig.premium.clone()).await;
        rig.stripe.set_quantity(&cleo, 2);
        let (_, dan) = payer(&rig, 2_000_004, "dan", &rig.basic.clone()).await;
        rig.stripe.card_fails(&dan);
        rig.stripe.subscribe_trial(&rig.stripe.customer(&address("eve"), "Eve"), &rig.basic, 14);
        rig.stripe.cancel_at_period_end(&bob, CancelForm::Flexible);
        let (_, fred) = payer(&rig, 2_000_005, "fred", &rig.basic.clone()).await;
        rig.stripe.cancel_now(&fred, "cancellation_requested");
        rig.hours(2).await;
        let stats = rig.get("/api/stats").await["json"].clone();
        // 4.50 + 5.00 + 18.00 + 5.00
        let usd = serde_json::json!([{ "currency": "usd", "minor": 3250, "amount": "32.50" }]);
        assert_eq!(stats["mrr"], usd, "{shape:?}: {stats}");
        let count = |name: &str| stats[name].as_u64();
        let stands = ["active", "trialing", "past_due", "cancelling", "new", "lost"].map(count);
        assert_eq!(stands, [Some(3), Some(1), Some(1), Some(1), Some(6), Some(1)], "{stats}");
        assert_eq!(stats["not_counted"], serde_json::json!([]));
        let text = rig.get("/api/stats").await["text"].as_str().expect("a text").to_owned();
        assert!(text.contains("Each month: 32.50 USD"), "{text}");
        let metrics = rig.metrics().await;
        let said = |line: &str| assert!(metrics.lines().any(|said| said == line), "{line} is not in\n{metrics}");
        said("usher_mrr{currency=\"usd\"} 32.50");
        said("usher_subscriptions{status=\"past_due\"} 1");
        said("usher_subscriptions_lost_this_month 1");
        said("usher_healthy 1");
        is_prometheus(&metrics);
        assert!(!metrics.contains("ann") && !metrics.contains('@'), "{metrics}");
        // What was learnt once is not asked again.
        let since = rig.now();
        rig.pass((hours(3)).to_std().expect("ahead")).await;
        let singly = |request: &&sandbox::base::Recorded| {
            request.at > since && (request.path.contains("/coupons/") || request.path.starts_with("/v1/subscriptions/"))
        };
        assert_eq!(rig.stripe.requests().iter().filter(singly).count(), 0);
        all_is_well(&rig);
    }
}

/// Every sample belongs to the family that was announced last, with a type and
/// a help text, and is a number.
fn is_prometheus(page: &str) {
    let mut family = "";
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect("a help text").0;
            let kind = lines.next().and_then(|line| line.strip_prefix(&*format!("# TYPE {family} ")));
            assert!(matches!(kind, Some("gauge" | "counter")), "{family}: {kind:?}");
            assert!(lines.peek().is_some_and(|sample| sample.starts_with(family)), "{family} has no sample");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        assert_eq!(name.split('{').next(), Some(family), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name == family || (name.contains("{") && name.ends_with("\"}")), "{line}");
    }
    assert!(page.ends_with('\n'));
}
