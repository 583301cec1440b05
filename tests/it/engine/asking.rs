//! What the operator says, as the engine takes it up.

use usher::engine::desk::{Accept, Ask};
use usher::facts::Source;

use super::Room;

#[tokio::test]
async fn accepting_something_has_it_read_anew_at_once() {
    let mut room = Room::new();
    room.opens().await;
    room.house.billing.account = Some("acct_other".into());
    room.reads_stripe().await;
    let refused = room.asked(Ask::Accept { what: Accept::Tautulli }, false).await.unwrap();
    assert!(refused.text.contains("nothing to accept"), "{}", refused.text);
    let before = room.wanted(Source::Stripe);
    room.later(super::minutes(1));
    room.asked(Ask::Accept { what: Accept::Stripe }, true).await.unwrap();
    assert_eq!(room.wanted(Source::Stripe), before, "only asked what it would do");
    room.asked(Ask::Accept { what: Accept::Stripe }, false).await.unwrap();
    assert_eq!(room.wanted(Source::Stripe), Some(room.now()));
}
