//! The judgements, without asking anybody.

mod around;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::facts::{
    Billing, Catalogue, PlexId, PriceId, PriceTag, Product, ProductId, Section, SectionId, ServerId, StripeAccountId,
    Watcher, WebhookEndpoint,
};
use crate::ledger::Population;
use crate::policy::{Tiers, World};
use crate::services::stripe::Right;
use crate::tier::{Tier, parse_tiers};

const NOW: i64 = 1_767_430_800;

fn now() -> Moment {
    Moment::from_timestamp(NOW, 0).unwrap()
}

fn config(more: &[(&str, &str)]) -> Config {
    let least = [("PLEX_TOKEN", "token"), ("STRIPE_SECRET_KEY", "sk_live_x"), ("STRIPE_WEBHOOK_SECRET", "whsec_x")];
    let vars: BTreeMap<&str, &str> = least.into_iter().chain(more.iter().copied()).collect();
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_env(vars).unwrap()
}

fn tiers(json: &str) -> Tiers {
    Tiers::File(parse_tiers(json).unwrap())
}

fn friends() -> Friends {
    let section =
        |id: u64, title: &str| (SectionId(id), Section { id: SectionId(id), key: id % 10, title: title.into() });
    Friends {
        owner: PlexId(1),
        owner_email: crate::facts::Email::parse("owner@attic.example"),
        house_emails: BTreeSet::new(),
        server: ServerId::from("machine"),
        server_name: "Attic".into(),
        sections: [section(101, "Movies"), section(102, "TV"), section(103, "Kids"), section(104, "Kids")].into(),
        shares: Vec::new(),
        home: BTreeSet::new(),
        friends: None,
        on_other_servers: BTreeSet::new(),
    }
}

/// Prices by id: its product, and whether it is active.
fn billing(prices: &[(&str, &str, bool)]) -> Billing {
    let mut catalogue = Catalogue::default();
    for (price, product, active) in prices {
        let product_id = ProductId::from(*product);
        catalogue.prices.insert(PriceId::from(*price), product_id.clone());
        let tag = PriceTag {
            active: *active,
            amount: Some(500),
            currency: "usd".into(),
            interval: "month".into(),
            interval_count: 1,
            metered: false,
        };
        catalogue.tags.insert(PriceId::from(*price), tag);
        catalogue.products.insert(product_id, Product { name: (*product).into(), active: true, ..Product::default() });
    }
    Billing { catalogue: Some(catalogue), ..Billing::empty(Some(StripeAccountId::from("acct_1")), true) }
}

fn activity() -> Activity {
    Activity {
        server: ServerId::from("machine"),
        connected: true,
        people: [(PlexId(2), Watcher { last_play: Some(now()), keep_history: true })].into(),
        watching_now: Some(BTreeSet::new()),
        oldest_play: Some(now()),
        history_total: 7,
        unlogged_keys: BTreeSet::new(),
    }
}

fn whole<T>(value: T) -> Reading<T> {
    Reading::Read(Whole { begun: now(), at: now(), skew_secs: Some(0), value })
}

/// A house whose book knows its server and account, and what was read.
struct House {
    config: Config,
    rules: Rules,
    world: World,
    book: Book,
    product_problems: Vec<String>,
}

impl House {
    fn new(config: Config, tiers: Tiers, plex: Friends, stripe: Billing) -> Self {
        let mut book = Book::new(now());
        book.identities.plex_server = Some(ServerId::from("machine"));
        book.identities.stripe_account = Some(StripeAccountId::from("acct_1"));
        book.identities.stripe_livemode = Some(true);
        let mut world = World::default();
        world.plex.see(whole(plex));
        world.stripe.see(whole(stripe));
        world.tautulli.see(whole(activity()));
        let rules = assembly::rules_with(&config, tiers);
        let (rules, book, product_problems) = taken_up(now(), rules, &mut world, Some(book));
        Self { config, rules, world, book, product_problems }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { now: now(), rules: &self.rules, book: &self.book, world: &self.world }
    }
}

/// `LEVEL what: says`, for looking at.
fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|Finding { level, what, says }| format!("{level:?} {what}: {says}")).collect()
}

/// Each line of `findings` begins and goes on as told.
fn assert_lines(findings: &[Finding], wanted: &[(Level, &str)]) {
    let said = lines(findings);
    assert_eq!(findings.len(), wanted.len(), "{said:#?}");
    for (finding, (level, part)) in findings.iter().zip(wanted) {
        assert!(finding.level == *level && finding.says.contains(part), "{level:?} {part:?}: {said:#?}");
    }
}

const BASIC: &str = r#"[{"name":"Basic","prices":["price_a"],"libraries":["Movies"]}]"#;

// ---- Tiers ----

#[test]
fn each_library_that_plex_does_not_have_is_named_with_those_it_has_and_the_file() {
    let judged = |json: &str| {
        let house = House::new(config(&[]), tiers(json), friends(), billing(&[]));
        plex::judge_tiers(&house.config, house.scene())
    };
    assert_lines(&judged(BASIC), &[(Level::Ok, "every library of \"Basic\"")]);
    let wrong = judged(r#"[{"name":"A","libraries":["Moveis","Anime","TV"]},{"name":"B","libraries":["*","-Home"]}]"#);
    assert_lines(&wrong, &[(Level::Fail, "\"Moveis\""), (Level::Fail, "\"Anime\""), (Level::Fail, "\"Home\"")]);
    let first = &wrong.first().unwrap().says;
    assert!(first.contains("it has: Movies, TV") && first.ends_with("mend state/tiers.json"), "{first}");
    let double = judged(r#"[{"name":"A","libraries":["Kids"]}]"#);
    assert_lines(&double, &[(Level::Fail, "stands 2 times; write one of #103, #104")]);
}

#[test]
fn without_any_tier_a_payment_opens_nothing_and_that_is_said() {
    let judged = |config: Config| {
        let house = House::new(config, Tiers::Default(None), friends(), billing(&[("price_a", "prod_a", true)]));
        plex::judge_tiers(&house.config, house.scene())
    };
    assert_lines(&judged(config(&[])), &[(Level::Fail, "nothing says what a payment opens")]);
}

#[test]
fn libraries_are_not_judged_by_another_server_or_a_short_list() {
    let mut house = House::new(config(&[]), tiers(BASIC), friends(), billing(&[]));
    let mut other = friends();
    other.server = ServerId::from("another");
    house.world.plex.see(whole(other));
    assert_lines(&plex::judge(&house.config, house.scene()), &[(Level::Fail, "usher accept server")]);
    assert_lines(&plex::judge_tiers(&house.config, house.scene()), &[(Level::Off, "not compared")]);

    let mut house = House::new(config(&[]), tiers(BASIC), friends(), billing(&[]));
    house.book.libraries.shorter_since = Some(now());
    assert_lines(&plex::judge_tiers(&house.config, house.scene()), &[(Level::Warn, "Check again")]);
}

// ---- Plex ----

#[test]
fn a_vip_who_is_nobody_and_a_server_renamed_are_warned_of_without_addresses() {
    let more = [("VIP_NAMES", "grandma,gran@family.example"), ("PLEX_SERVER_NAME", "Loft")];
    let house = House::new(config(&more), tiers(BASIC), friends(), billing(&[]));
    let judged = plex::judge(&house.config, house.scene());
    assert_lines(&judged, &[(Level::Ok, "owner@…'s"), (Level::Warn, "\"Loft\""), (Level::Warn, "grandma, gran@…")]);
    assert!(!lines(&judged).concat().contains("family.example"));
}

// ---- Stripe ----

#[test]
fn prices_are_held_against_what_stripe_sells() {
    let judged = |tiers: Tiers, prices: &[(&str, &str, bool)]| {
        let house = House::new(config(&[]), tiers, friends(), billing(prices));
        stripe::judge_tiers(&house.config, house.scene(), &house.product_problems)
    };
    assert_lines(&judged(tiers(BASIC), &[("price_a", "prod_a", true)]), &[(Level::Ok, "1 can be bought")]);
    assert_lines(&judged(tiers(BASIC), &[("price_b", "prod_a", true)]), &[(Level::Fail, "names price_a")]);
    assert_lines(&judged(tiers(BASIC), &[("price_a", "prod_a", false)]), &[(Level::Fail, "active at Stripe")]);
    assert_lines(&judged(tiers(BASIC), &[]), &[(Level::Fail, "no recurring price in live mode")]);
    let everything = || Tiers::Default(Some(Tier::of("default", crate::tier::Wanted::Everything { except: vec![] })));
    assert_lines(&judged(everything(), &[("price_a", "prod_a", true)]), &[(Level::Ok, "1 can be bought")]);
    let two = [("price_a", "prod_a", true), ("price_b", "prod_b", true)];
    assert_lines(&judged(everything(), &two), &[(Level::Fail, "sells 2 recurring products and nothing says")]);
}

#[test]
fn tiers_with_prices_and_no_key_are_warned_of() {
    let vars = [("PLEX_TOKEN", "token")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(vars.into_iter()).unwrap();
    let house = House::new(config, tiers(BASIC), friends(), billing(&[]));
    assert_lines(&stripe::judge_tiers(&house.config, house.scene(), &[]), &[(Level::Warn, "STRIPE_SECRET_KEY")]);
    assert_lines(&stripe::judge(&house.config, house.scene(), None), &[(Level::Off, "nobody pays here")]);
}

#[test]
fn a_right_that_is_needed_fails_and_one_that_usher_can_do_without_is_warned_of() {
    let judged = |tiers: Tiers, denied: &[Right]| {
        let house = House::new(config(&[]), tiers, friends(), billing(&[]));
        let rights = stripe::Rights { denied: Ok(denied.to_vec()), entitled: None };
        let findings = stripe::judge(&house.config, house.scene(), Some(&rights));
        findings.into_iter().skip(1).collect::<Vec<_>>()
    };
    assert_lines(&judged(tiers(BASIC), &[]), &[(Level::Ok, "may read all")]);
    let some = [Right::Customers, Right::Prices, Right::Disputes];
    let wanted = [(Level::Fail, "Customers"), (Level::Warn, "Prices"), (Level::Warn, "Disputes")];
    assert_lines(&judged(tiers(BASIC), &some), &wanted);
    assert_lines(&judged(Tiers::Default(None), &[Right::Prices]), &[(Level::Fail, "what a price buys")]);
    for right in Right::ALL {
        assert_eq!(judged(tiers(BASIC), &[right]).len(), 1, "{right:?}");
    }
}

#[test]
fn a_key_of_another_account_or_mode_fails() {
    let judged = |change: fn(&mut Billing)| {
        let mut house = House::new(config(&[]), tiers(BASIC), friends(), billing(&[]));
        let mut other = billing(&[]);
        change(&mut other);
        house.world.stripe.see(whole(other));
        let findings = stripe::judge(
            &house.config,
            house.scene(),
            Some(&stripe::Rights { denied: Ok(Vec::new()), entitled: None }),
        );
        findings.into_iter().next().unwrap()
    };
    let other = judged(|billing| billing.account = Some(StripeAccountId::from("acct_2")));
    assert!(other.level == Level::Fail && other.says.contains("another Stripe account"), "{other:?}");
    let test = judged(|billing| billing.key_livemode = false);
    assert!(test.level == Level::Fail && test.says.contains("other mode"), "{test:?}");
    let unknown = judged(|billing| billing.account = None);
    assert_eq!(unknown.level, Level::Ok, "what can't be known is no mismatch");
}

#[test]
fn the_webhook_endpoint_is_seen_as_stripe_sees_it() {
    let judged = |config: Config, endpoints: Option<Vec<WebhookEndpoint>>| {
        let stripe = Billing { endpoints, ..billing(&[]) };
        let house = House::new(config, tiers(BASIC), friends(), stripe);
        stripe::judge_webhook(&house.config, house.scene())
    };
    let endpoint = |url: &str, events: &[&str], disabled| WebhookEndpoint {
        id: "we_1".into(),
        url: url.into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        disabled,
        version: None,
    };
    let ours = "https://attic.example/webhook/stripe";
    assert_lines(&judged(config(&[]), Some(vec![endpoint(ours, &["*"], false)])), &[(Level::Ok, "is on")]);
    assert_lines(&judged(config(&[]), Some(vec![endpoint(ours, &["*"], true)])), &[(Level::Fail, "is disabled")]);
    let few = endpoint(ours, &["invoice.*", "charge.*"], false);
    assert_lines(&judged(config(&[]), Some(vec![few])), &[(Level::Fail, "customer.subscription.created")]);
    let shop = endpoint("https://shop.example/hook", &["*"], false);
    assert_lines(&judged(config(&[]), Some(vec![shop])), &[(Level::Warn, "none of Stripe's 1 endpoints")]);
    assert_lines(&judged(config(&[]), None), &[(Level::Off, "couldn't be looked at")]);
    assert_lines(&judged(config(&[("STRIPE_WEBHOOK_SECRET", "")]), Some(Vec::new())), &[]);
}

#[test]
fn while_tiers_are_unknown_nobody_is_said_to_have_stopped_paying() {
    let mut book = Book::new(now());
    let peak = crate::ledger::Peak { count: 20, at: now() };
    book.marks.populations.entry(Population::Subscriptions).or_default().insert(now().date_naive(), peak);
    let drops = |tiers: Tiers| {
        let mut world = World::default();
        world.stripe.see(whole(billing(&[])));
        let rules = assembly::rules_with(&config(&[]), tiers);
        taken_up(now(), rules, &mut world, Some(book.clone()));
        world.drops.len()
    };
    assert_eq!((drops(tiers(BASIC)), drops(Tiers::Default(None))), (1, 0));
}

// ---- Tautulli ----

#[test]
fn a_tautulli_that_records_nothing_of_ours_is_not_well() {
    let more = [("TAUTULLI_URL", "http://tautulli:8181"), ("TAUTULLI_API_KEY", "key")];
    let judged = |change: fn(&mut Activity)| {
        let mut house = House::new(config(&more), tiers(BASIC), friends(), billing(&[]));
        let mut seen = activity();
        change(&mut seen);
        house.world.tautulli.see(whole(seen));
        tautulli::judge(&house.config, house.scene())
    };
    assert_lines(&judged(|_| {}), &[(Level::Ok, "plays in its history: 7, people with any: 1")]);
    assert_lines(&judged(|seen| seen.connected = false), &[(Level::Fail, "isn't connected")]);
    assert_lines(&judged(|seen| seen.server = ServerId::from("x")), &[(Level::Fail, "another Plex server")]);
    let gaps = judged(|seen| {
        seen.people.insert(PlexId(3), Watcher { last_play: None, keep_history: false });
        seen.unlogged_keys.extend([2, 9]);
    });
    assert_lines(&gaps, &[(Level::Ok, ""), (Level::Warn, "1 of 2 people"), (Level::Warn, "of \"TV\", #9")]);
    let off = House::new(config(&[]), tiers(BASIC), friends(), billing(&[]));
    assert_lines(&tautulli::judge(&off.config, off.scene()), &[(Level::Off, "isn't set")]);
}

// ---- The table ----

#[test]
fn the_worst_line_makes_the_exit_code_and_no_name_breaks_a_line() {
    let of = |misconfigured, level| Checked {
        misconfigured,
        findings: vec![Finding { level, what: "X".into(), says: "y".into() }],
    };
    for (misconfigured, level, code) in [
        (false, Level::Ok, 0),
        (false, Level::Off, 0),
        (false, Level::Warn, 0),
        (false, Level::Fail, 1),
        (true, Level::Fail, 78),
    ] {
        let checked = of(misconfigured, level);
        assert_eq!((checked.code(), checked.page().json["code"].as_u64()), (code, Some(u64::from(code))));
    }
    let odd = Finding::ok("Plex", "the server \"\u{1b}[2Jtwo\nlines\"");
    assert_eq!(odd.says, "the server \" [2Jtwo lines\"");
}
