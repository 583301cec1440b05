//! R7: a tier is known by its product or its prices, and its name is a label.

use std::collections::BTreeSet;

use usher::facts::{Catalogue, PriceId, Product, ProductId, SectionId, Status};
use usher::ledger::{Book, Grant, GrantKind, Heard, Offer};
use usher::policy::{Tiers, follow, libraries, offers};
use usher::tier::{Tier, Wanted};

use crate::paper::{MOVIES, Paper, TV, days};

const HOME: SectionId = SectionId(9);

/// A tier of everything, with these prices.
fn tier(name: &str, prices: &[&str]) -> Tier {
    let prices = prices.iter().map(|price| PriceId::from(*price)).collect();
    Tier { prices, ..Tier::of(name, Wanted::Everything { except: Vec::new() }) }
}

fn file(tiers: &[Tier]) -> Tiers {
    Tiers::File(tiers.to_vec())
}

/// A book in which a guest of each tier is, by the tier's name.
fn book(tiers: &[Tier]) -> Paper {
    let mut paper = Paper::new();
    follow::take_up(&mut paper.book, &file(tiers));
    for tier in tiers {
        let id = paper.person(&tier.name);
        let grant = Grant::new(GrantKind::Complimentary, paper.now);
        paper.of(&id).grants.push(Grant { tier: Some(tier.name.clone()), ..grant });
    }
    paper
}

/// Which tier the guest of that one has now.
fn guest_of(book: &Book, tier: &str) -> String {
    let member = book.members.values().find(|member| member.username.as_deref() == Some(tier)).unwrap();
    member.grants[0].tier.clone().unwrap()
}

/// What became of each tier of before, by its guest.
fn check(what: &str, before: &[Tier], now: &[Tier], expected: &[(&str, &str)]) {
    let mut paper = book(before);
    follow::take_up(&mut paper.book, &file(now));
    for (old, new) in expected {
        assert_eq!(guest_of(&paper.book, old), *new, "{what}: the guest of {old}");
    }
    let once = paper.book.clone();
    follow::take_up(&mut paper.book, &file(now));
    assert!(!paper.book.differs_from(&once), "{what}: the same again changes nothing");
}

#[test]
fn a_tier_is_followed_by_its_prices_whatever_it_is_called() {
    let (a, b) = (|| tier("A", &["p1"]), || tier("B", &["p2"]));
    let named = |name: &str, of: Tier| Tier { name: name.into(), ..of };
    check("a new name", &[a(), b()], &[named("C", a()), b()], &[("A", "C"), ("B", "B")]);
    check("swapped names", &[a(), b()], &[named("B", a()), named("A", b())], &[("A", "B"), ("B", "A")]);
    check("a new name and another price beside", &[a()], &[tier("C", &["p1", "p9"])], &[("A", "C")]);
    check("another price under the same name", &[a()], &[tier("A", &["p9"])], &[("A", "A")]);
    let (small, large) = (tier("A", &["p1", "p3"]), tier("B", &["p2"]));
    check(
        "a price that moves",
        &[small.clone(), large],
        &[tier("A", &["p3"]), tier("B", &["p1", "p2"])],
        &[("A", "A"), ("B", "B")],
    );
    check(
        "all but its name moves",
        &[a(), b()],
        &[tier("A", &[]), tier("B", &["p1", "p2"])],
        &[("A", "A"), ("B", "B")],
    );
    check("two into one", &[a(), b()], &[tier("C", &["p1", "p2"])], &[("A", "C"), ("B", "C")]);
    check("one into the other", &[a(), b()], &[tier("B", &["p1", "p2"])], &[("A", "B"), ("B", "B")]);
    check("one into two", &[small], &[tier("X", &["p3"]), tier("A", &["p1"])], &[("A", "A")]);
    check("gone", &[a(), b()], &[b()], &[("A", "A"), ("B", "B")]);
    check("gone, and its name is another's now", &[a(), b()], &[named("A", b())], &[("A", "A (gone)"), ("B", "A")]);
}

#[test]
fn a_tier_without_prices_is_followed_by_its_entitlement_or_its_name_or_what_it_gives() {
    let free = |name: &str, libraries: &[&str]| {
        Tier::of(name, Wanted::Titles(libraries.iter().map(|title| (*title).to_owned()).collect()))
    };
    let entitled = |name: &str| Tier { entitlement: Some("films".into()), ..free(name, &["TV"]) };
    check("by entitlement", &[entitled("A")], &[entitled("B")], &[("A", "B")]);
    check("by name", &[free("A", &["TV"])], &[free("A", &["Movies"])], &[("A", "A")]);
    check("by what it gives", &[free("A", &["TV"])], &[free("B", &["Movies"]), free("C", &["TV"])], &[("A", "C")]);
    check("by nothing", &[free("A", &["TV"])], &[free("B", &["Movies"])], &[("A", "A")]);
}

#[test]
fn a_tier_that_was_gone_is_known_again_under_another_name() {
    let (a, b) = (tier("A", &["p1"]), tier("B", &["p2"]));
    let mut paper = book(&[a.clone(), b.clone()]);
    follow::take_up(&mut paper.book, &file(std::slice::from_ref(&b)));
    follow::take_up(&mut paper.book, &file(&[b, Tier { name: "C".into(), ..a }]));
    assert_eq!((guest_of(&paper.book, "A"), guest_of(&paper.book, "B")), ("C".into(), "B".into()));
}

#[test]
fn everything_that_names_a_tier_follows_its_new_name() {
    let mut paper = book(&[tier("Basic", &["price_basic"])]);
    let ann = paper.ann.clone();
    let billed = paper.pays(&ann, Status::Active, days(30));
    billed.entitled = ["Basic".to_owned()].into();
    billed.heard = Some(Heard { tiers: ["Basic".to_owned()].into(), ..Heard::default() });
    paper.shares(&ann, &[MOVIES], days(30));
    paper.grant(&ann, GrantKind::Complimentary);
    paper.member().grants[0].tier = Some("Basic".into());
    paper.removed(&ann, days(1));
    follow::take_up(&mut paper.book, &file(&[tier("Silver", &["price_basic"])]));
    let silver: BTreeSet<String> = ["Silver".to_owned()].into();
    let billed = paper.first().clone();
    assert_eq!((billed.tiers, billed.entitled, billed.heard.unwrap().tiers), (silver.clone(), silver.clone(), silver));
    assert_eq!(paper.member().undo.as_ref().unwrap().grants[0].tier.as_deref(), Some("Silver"));
}

/// Two libraries were there when A was taken up; a third was refused to it.
fn refused(tiers: &[Tier]) -> Paper {
    let mut paper = book(tiers);
    libraries::take_up(&mut paper.book, tiers);
    let section = usher::facts::Section { id: HOME, key: 9, title: "Home".into() };
    paper.book.libraries.known.insert(HOME, section);
    for (at, tier) in tiers.iter().enumerate() {
        let (tier, since) = (tier.name.clone(), paper.now);
        let offer = Offer { tier, section: HOME, since, rejected: Some(since) };
        paper.book.libraries.offers.insert(format!("h-{}", at + 1), offer);
        paper.book.next_hold += 1;
    }
    paper
}

#[test]
fn what_was_refused_stays_refused_under_whatever_name() {
    let before = [tier("A", &["p1", "p3"]), tier("B", &["p2"])];
    let cases: [(&str, &[Tier]); 4] = [
        ("renamed", &[tier("X", &["p1", "p3"]), tier("Y", &["p2"])]),
        ("swapped", &[tier("B", &["p1", "p3"]), tier("A", &["p2"])]),
        ("merged", &[tier("C", &["p1", "p2", "p3"])]),
        ("split", &[tier("A", &["p1"]), tier("B", &["p2"]), tier("C", &["p3"])]),
    ];
    for (what, now) in cases {
        let mut paper = refused(&before);
        paper.rules.tiers = file(now);
        follow::take_up(&mut paper.book, &paper.rules.tiers);
        libraries::take_up(&mut paper.book, now);
        for tier in now {
            let open = libraries::resolve(&paper.book.libraries, tier).unwrap();
            assert_eq!(*open.ids(), [MOVIES, TV].into(), "{what}: {}", tier.name);
        }
        let letters = paper.book.outbox.len();
        offers::offer(paper.now, &paper.rules, &mut paper.book);
        assert_eq!(paper.book.outbox.len(), letters, "{what}: nobody is asked again");
        let offers = &paper.book.libraries.offers;
        assert!(
            offers.len() == now.len() && offers.values().all(|offer| offer.rejected.is_some()),
            "{what}: {offers:?}"
        );
    }
}

#[test]
fn a_book_that_knew_only_names_keeps_them_and_what_was_open() {
    let tiers = [tier("A", &["p1"])];
    let mut paper = refused(&tiers);
    paper.book.tiers = usher::ledger::KnownTiers::default();
    let before = (paper.book.libraries.clone(), guest_of(&paper.book, "A"));
    follow::take_up(&mut paper.book, &file(&tiers));
    assert_eq!((paper.book.libraries.clone(), guest_of(&paper.book, "A")), before);
}

fn catalogue(names: [&str; 2]) -> Catalogue {
    let products = [("prod_a", names[0], "Movies"), ("prod_b", names[1], "Movies, TV")];
    let metadata = |titles: &str| [("usher_libraries".to_owned(), titles.to_owned())].into();
    let product = |name: &str, titles| Product { name: name.into(), active: true, metadata: metadata(titles) };
    Catalogue {
        prices: ["a", "b"].map(|x| (PriceId(format!("price_{x}")), ProductId(format!("prod_{x}")))).into(),
        products: products.map(|(id, name, titles)| (ProductId::from(id), product(name, titles))).into(),
        ..Catalogue::default()
    }
}

#[test]
fn two_products_of_one_name_are_two_tiers_and_read_alike() {
    let take = |names| Tiers::Default(None).with_products(&catalogue(names)).unwrap().0;
    let tiers = take(["Club", "Club"]);
    let names: Vec<&str> = tiers.all().iter().map(|tier| tier.name.as_str()).collect();
    assert_eq!(names, ["Club (prod_a)", "Club (prod_b)"]);
    assert_eq!(tiers.words(&["Club (prod_b)".to_owned()].into()).as_deref(), Some("Club"));
    assert!(tiers.meant("club").is_err() && tiers.meant("club (prod_b)").is_ok());

    let mut paper = Paper::new();
    follow::take_up(&mut paper.book, &tiers);
    let ann = paper.ann.clone();
    paper.grant(&ann, GrantKind::Complimentary);
    paper.member().grants[0].tier = Some("Club (prod_b)".into());
    for (names, now) in [(["Club", "Grand"], "Grand"), (["Grand", "Club"], "Club"), (["X", "X"], "X (prod_b)")] {
        follow::take_up(&mut paper.book, &take(names));
        assert_eq!(paper.member().grants[0].tier.as_deref(), Some(now), "{names:?}");
    }
}
