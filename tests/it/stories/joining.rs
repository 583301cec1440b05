//! How people come in.

use sandbox::rig::Rig;

#[tokio::test(start_paused = true)]
async fn a_payer_is_invited_by_poll_and_welcomed_when_they_accept() {
    let mut rig = Rig::new("joins-by-poll").await;
    rig.open().await;
    rig.person(2_000_001, "ann");
    rig.stripe.set_delivery(sandbox::stripe::Delivery::Lost);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(16).await;
    let invites = rig.plex.invites_sent();
    assert_eq!(invites.len(), 1, "{invites:?}");
    assert_eq!(invites[0].sections, [rig.movies]);
    assert!(!invites[0].allow_sync);
    rig.plex.accept_invite("ann@example.com");
    rig.minutes(10).await;
    assert_eq!(rig.subjects_to("ann").len(), 2, "{:?}", rig.subjects_to("ann"));
    assert_eq!(rig.amiss(), Vec::<String>::new());
}
