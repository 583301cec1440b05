//! The operator's digest: one mail and one message on Monday morning.

use sandbox::rig::{OPERATOR, Rig};

use super::{all_is_well, heard, heard_on_discord, payer, unhurried};

#[tokio::test(start_paused = true)]
async fn the_digest_comes_once_on_monday_and_marked_where_it_is_a_rehearsal() {
    for dry in [false, true] {
        let mut rig = Rig::new(if dry { "digest-dry" } else { "digest" }).await;
        unhurried(&mut rig, 2);
        rig.set("TZ", "Europe/Berlin");
        // Bob paid before Usher came, and isn't on Plex: he waits for a word.
        rig.person(2_000_002, "bob");
        rig.stripe.subscribe(&rig.stripe.customer("bob@example.com", "Bob"), &rig.basic);
        rig.hours(2).await;
        rig.open().await;
        payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
        if dry {
            rig.close().await;
            rig.set("DRY_RUN", "true");
            rig.open().await;
        }
        let relay = rig.stripe.customer("x7k2p9@privaterelay.appleid.com", "Cleo");
        rig.stripe.subscribe(&relay, &rig.basic);
        // Saturday, 12:00 in Berlin; on Monday at 8:59 there is none yet.
        rig.pass((monday_at_nine() - rig.now()).to_std().expect("ahead") - std::time::Duration::from_secs(60)).await;
        assert_eq!(heard(&rig, "Digest of"), 0, "{:?}", rig.operator_subjects());
        rig.minutes(2).await;
        let subject = "Digest of 5 January 2026: 2 things to look at";
        let mails = rig.smtp.received_for(OPERATOR);
        let mail = mails.iter().find(|mail| mail.subject.contains(subject)).expect("a digest");
        assert_eq!(mail.subject.starts_with("[dry run]"), dry, "{}", mail.subject);
        let text = mail.text();
        for line in [
            "- h-1: invite Bob",
            "they paid with a relay address",
            "- Each month: 19.00 USD (Stripe, read 2026-01-05 0",
            "- Came: ann",
            "- 1 paying",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        let posted = rig.discord.messages();
        let on_discord = posted.iter().map(sandbox::discord::Posted::all_text).find(|text| text.contains(subject));
        let on_discord = on_discord.expect("an embed");
        assert!(on_discord.contains("19.00 USD") && on_discord.contains("[dry run]") == dry, "{on_discord}");
        // Neither a restart nor the rest of the day brings it again.
        rig.close().await;
        rig.open().await;
        rig.hours(6).await;
        assert_eq!((heard(&rig, "Digest of"), heard_on_discord(&rig, "Digest of")), (1, 1));
        all_is_well(&rig);
    }
}

/// Of 5 January 2026, in Berlin.
fn monday_at_nine() -> usher::facts::Moment {
    "2026-01-05T08:00:00Z".parse().expect("an instant")
}
