//! R11: what a start lets wait, on paper, and the first start on books that an
//! older version wrote (`tests/data/schema-1`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use usher::facts::{Activity, Billing, Catalogue, Customer, Friends, Moment, PlexId, Reading, Source, Watcher, Whole};
use usher::ledger::{
    Audience, Book, Channel, Delivered, Delivery, DeliveryOutcome, Dispatch, HeldBecause, IntentState, Letter, Looking,
    Matter, Member, Notice, NoticeKey, StartCause, VERSION,
};
use usher::letters::{Brand, Renderer};
use usher::policy::asks::Ask;
use usher::policy::{Rules, Tiers, World, decide, readings, starting};
use usher::store::{Store, Which};
use usher::tier::{Tier, Wanted};

use crate::paper::{MOVIES, Paper, days};
use crate::rules::house;

/// A house that goes live after a rehearsal, not yet looked at.
fn goes_live(paper: &mut Paper) {
    starting::begin(paper.now, &paper.rules, &mut paper.book, true);
    for wholes in [&mut paper.world.plex.wholes, &mut paper.world.stripe.wholes, &mut paper.world.tautulli.wholes] {
        *wholes = 0;
    }
}

fn looks(paper: &mut Paper) {
    for wholes in [&mut paper.world.plex.wholes, &mut paper.world.stripe.wholes, &mut paper.world.tautulli.wholes] {
        *wholes = 2;
    }
    decides(paper);
}

fn decides(paper: &mut Paper) -> Vec<(String, &'static str)> {
    let waiting = decide::decide(paper.now, &paper.rules, &paper.world, &mut paper.book);
    waiting.into_iter().map(|waiting| (waiting.what, waiting.because.rule())).collect()
}

fn waits(paper: &Paper) -> Vec<String> {
    paper.book.starting.waits.values().map(|hold| format!("{} {}", hold.id, hold.what)).collect()
}

fn say(paper: &mut Paper, id: &str, approve: bool) -> Result<Vec<String>, String> {
    decide::give_verdict(paper.now, &mut paper.book, &[id.to_owned()], approve)
}

fn idle_ann() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(28));
    paper.crowd(8);
    paper
}

#[test]
fn until_all_was_looked_at_it_waits_and_then_it_is_one_hold() {
    let mut paper = idle_ann();
    let bob = paper.friend("bob", days(1));
    paper.of(&bob).blocked = Some(paper.now - days(1));
    goes_live(&mut paper);
    paper.world.plex.wholes = 2;
    paper.world.stripe.wholes = 2;
    let held = decides(&mut paper);
    assert!(held.iter().all(|(_, rule)| *rule == "looked"), "{held:?}");
    assert_eq!(held.len(), 2, "the rehearsed revocation, too: {held:?}");
    assert!(paper.book.intents.is_empty() && waits(&paper).is_empty());
    looks(&mut paper);
    assert_eq!(waits(&paper), ["h-1 remove bob", "h-2 warn ann"]);
    assert!(paper.book.intents.is_empty() && paper.member().idle.is_none(), "a warning that waits has no spell");
    let told: Vec<&Notice> =
        paper.book.outbox.values().filter(|notice| matches!(notice.letter, Letter::Held { .. })).collect();
    assert_eq!(told.len(), 1);
    decides(&mut paper);
    assert_eq!(paper.book.starting.waits.len(), 2, "and stays");
}

#[test]
fn a_yes_lifts_this_hold_and_nothing_else_of_the_brake() {
    let mut paper = Paper::new();
    paper.crowd(8);
    for name in ["ann2", "bob", "cleo", "dan"] {
        let id = paper.friend(name, days(40));
        paper.warned(&id, days(8));
    }
    goes_live(&mut paper);
    looks(&mut paper);
    assert_eq!(paper.book.starting.waits.len(), 4);
    assert_eq!(say(&mut paper, "go-live", true).unwrap().len(), 4);
    let held = decides(&mut paper);
    assert_eq!(held.iter().filter(|(_, rule)| *rule == "hold-all").count(), 4, "{held:?}");
    assert!(paper.book.intents.is_empty());
}

#[test]
fn a_yes_of_the_rehearsal_is_not_a_yes_to_going_live() {
    let mut paper = Paper::new();
    paper.crowd(8);
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(40));
    paper.warned(&ann, days(8));
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    decides(&mut paper);
    assert_eq!(say(&mut paper, "h-1", true).unwrap().len(), 1);
    paper.book.intents.clear();
    goes_live(&mut paper);
    looks(&mut paper);
    assert_eq!(waits(&paper), ["h-1 remove ann"], "it is the same thing, and has the same number");
    assert!(paper.book.intents.is_empty());
    say(&mut paper, "h-1", true).unwrap();
    decides(&mut paper);
    assert_eq!(paper.book.intents.len(), 1, "approved twice: of the person, and of the start");
}

#[test]
fn a_no_is_for_good_until_a_yes_by_number() {
    let mut paper = idle_ann();
    goes_live(&mut paper);
    looks(&mut paper);
    say(&mut paper, "go-live", false).unwrap();
    assert_eq!(decides(&mut paper), [("warn ann".to_owned(), "rejected")]);
    goes_live(&mut paper);
    looks(&mut paper);
    assert_eq!(waits(&paper), Vec::<String>::new(), "what was rejected doesn't come up at the next start");
    assert!(paper.member().idle.is_none());
    say(&mut paper, "h-1", true).unwrap();
    decides(&mut paper);
    assert!(paper.member().idle.is_some());
}

#[test]
fn what_is_no_longer_due_drops_out_and_not_knowing_drops_nobody() {
    let mut paper = idle_ann();
    goes_live(&mut paper);
    looks(&mut paper);
    paper.world.tautulli = usher::policy::Seen::default();
    decides(&mut paper);
    assert_eq!(waits(&paper), ["h-1 warn ann"], "just started again");
    let mut paper = idle_ann();
    goes_live(&mut paper);
    looks(&mut paper);
    paper.member().last_play = Some(paper.now);
    decides(&mut paper);
    assert_eq!(waits(&paper), Vec::<String>::new());
    paper.member().last_play = Some(paper.now - days(28));
    decides(&mut paper);
    assert!(paper.member().idle.is_some(), "what comes up later is another matter");
}

#[test]
fn the_same_matter_under_another_share_still_waits() {
    let mut paper = Paper::new();
    paper.crowd(8);
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.ended(&ann, days(3));
    goes_live(&mut paper);
    looks(&mut paper);
    assert_eq!(waits(&paper), ["h-1 remove ann"]);
    paper.member().share.as_mut().unwrap().row.id = usher::facts::ShareId(77);
    assert_eq!(decides(&mut paper), [("remove ann".to_owned(), "go-live")]);
    assert_eq!(waits(&paper), ["h-1 remove ann"]);
}

#[test]
fn a_revocation_waits_if_it_was_rehearsed_and_not_if_it_was_said_since() {
    let mut paper = idle_ann();
    let ann = paper.ann.clone();
    paper.member().blocked = Some(paper.now - days(1));
    goes_live(&mut paper);
    looks(&mut paper);
    assert_eq!(waits(&paper), ["h-1 remove ann"]);
    let said = paper.says(&Ask::Revoke { who: ann.to_string(), cancel: None }).unwrap();
    assert!(said.lines.iter().any(|line| line.contains("goes on now")), "{:?}", said.lines);
    decides(&mut paper);
    assert_eq!(paper.book.intents.len(), 1);
    let mut paper = idle_ann();
    goes_live(&mut paper);
    paper.now += chrono::TimeDelta::seconds(5);
    paper.member().blocked = Some(paper.now);
    decides(&mut paper);
    assert_eq!(paper.book.intents.len(), 1, "said since the start: {:?}", paper.book.starting);
}

#[test]
fn letters_that_are_owed_wait_and_those_about_a_payers_invite_do_not() {
    let mut paper = Paper::new();
    paper.crowd(3);
    let ann = paper.ann.clone();
    paper.owes(&ann, usher::facts::Status::PastDue, days(1), None);
    paper.shares(&ann, &[MOVIES], days(30));
    let due = |paper: &Paper| Delivery::Due { not_before: paper.now, tries: 0, last_error: None };
    let failed = Letter::PaymentFailed { amount: None, pay_url: None, access_until: None, next_attempt: None };
    let welcome = Letter::Welcome { libraries: vec!["Movies".into()], downloads: false };
    let (first, second) = (due(&paper), due(&paper));
    let failed = paper.letter("m-1/payment_failed/in_1/member", failed, days(1), first);
    let welcome = paper.letter("m-1/welcome/share-1/member", welcome, days(1), second);
    goes_live(&mut paper);
    let out = |paper: &mut Paper| -> Vec<NoticeKey> {
        let (mut book, now) = (paper.book.clone(), paper.now);
        let both = [Audience::Operator, Audience::Member];
        let batch = handed_out(&mut book, &both, now);
        batch.into_iter().filter(|one| one.audience == Audience::Member).map(|one| one.key).collect()
    };
    assert_eq!(out(&mut paper), std::slice::from_ref(&welcome), "before it has looked, too");
    looks(&mut paper);
    assert_eq!(out(&mut paper), std::slice::from_ref(&welcome));
    assert_eq!(waits(&paper), ["h-1 write to ann: payment failed"]);
    let said = say(&mut paper, "all", true).unwrap();
    assert!(said[0].contains("not been told"), "all is what the operator has been told of: {said:?}");
    say(&mut paper, "go-live", true).unwrap();
    let went = out(&mut paper);
    assert!(went.contains(&failed), "{went:?}: {:?}", paper.book.outbox.get(&failed));
}

#[test]
fn a_rejected_letter_is_never_sent() {
    let mut paper = Paper::new();
    let failed = Letter::PaymentFailed { amount: None, pay_url: None, access_until: None, next_attempt: None };
    let due = Delivery::Due { not_before: paper.now, tries: 0, last_error: None };
    let key = paper.letter("m-1/payment_failed/in_1/member", failed, days(1), due);
    goes_live(&mut paper);
    looks(&mut paper);
    say(&mut paper, "h-1", false).unwrap();
    assert!(matches!(paper.book.outbox[&key].deliveries[&Channel::Mail], Delivery::Cancelled { .. }));
}

#[test]
fn people_who_turn_out_to_be_one_keep_what_waits() {
    let mut paper = idle_ann();
    goes_live(&mut paper);
    looks(&mut paper);
    let (ann, other) = (paper.ann.clone(), usher::member::MemberId::number(99));
    paper.book.starting.rename(&ann, &other);
    assert!(paper.book.starting.waits.contains_key(&Matter::of("warn", &other)), "{:?}", paper.book.starting.waits);
}

#[test]
fn nothing_waits_for_an_upgrade_where_the_rules_say_what_they_said() {
    let mut paper = idle_ann();
    decides(&mut paper);
    paper.book.version = "0.0.1".into();
    paper.book.committed = paper.now;
    starting::begin(paper.now, &paper.rules, &mut paper.book, false);
    assert_eq!((paper.book.starting.looking.clone(), paper.book.version.as_str()), (None, VERSION));
}

#[test]
fn what_a_new_version_would_newly_do_on_the_same_facts_waits_as_upgrade() {
    let mut paper = idle_ann();
    let bob = paper.friend("bob", days(10));
    // The old version left her alone.
    paper.book.version = "0.0.1".into();
    paper.book.committed = paper.now - days(1);
    starting::begin(paper.now, &paper.rules, &mut paper.book, false);
    let only: BTreeSet<Matter> = [Matter::of("warn", &paper.ann)].into();
    let looking = paper.book.starting.looking.clone().unwrap();
    assert_eq!((looking.cause, looking.only.unwrap().contains(only.first().unwrap())), (StartCause::Upgrade, true));
    // A day that came since is not the upgrade's doing.
    paper.watched(&bob, days(27));
    looks(&mut paper);
    assert_eq!(waits(&paper), ["h-1 warn ann"]);
    assert!(paper.of(&bob).idle.is_some(), "bob's 27 days were over only after the last commit");
    assert!(paper.book.starting.waits.values().all(|hold| hold.because == HeldBecause::Upgrade));
    say(&mut paper, "upgrade", true).unwrap();
    decides(&mut paper);
    assert!(paper.member().idle.is_some());
}

#[test]
fn a_start_between_looking_keeps_looking_for_what_it_began_with() {
    let mut paper = idle_ann();
    goes_live(&mut paper);
    let first = paper.book.starting.looking.clone();
    paper.now += chrono::TimeDelta::minutes(5);
    starting::begin(paper.now, &paper.rules, &mut paper.book, false);
    assert_eq!(paper.book.starting.looking, first);
    let once = Looking { cause: StartCause::GoLive, since: paper.now, only: None };
    starting::begin(paper.now, &paper.rules, &mut paper.book, true);
    assert_eq!(paper.book.starting.looking, Some(once));
}

/// As the operator reads it; `BLESS=1` writes it anew.
#[test]
fn the_message_of_a_start_is_as_in_its_golden_file() {
    let mut said = String::new();
    for live in [true, false] {
        let mut paper = idle_ann();
        let bob = paper.friend("bob", days(1));
        paper.of(&bob).blocked = Some(paper.now - days(1));
        paper.book.version = "0.0.1".into();
        paper.book.committed = paper.now;
        starting::begin(paper.now, &paper.rules, &mut paper.book, live);
        looks(&mut paper);
        let batch = handed_out(&mut paper.book, &[Audience::Operator], paper.now);
        let held = batch.into_iter().find(|one| matches!(one.letter, Letter::Held { .. })).unwrap();
        let brand =
            Brand { name: "Attic Cinema".into(), color: "#3b5b92".into(), support_link: None, public_url: None };
        let mail = Renderer::new(brand, &BTreeMap::new()).unwrap().mail(&held, chrono_tz::UTC).unwrap();
        said.push_str(&format!("{}\n\n{}\n----\n", mail.subject, mail.text));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/letters/held_at_a_start.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), said, "look at it, then BLESS=1");
}

// ---- Books of schema 1 ----

/// A copy of a folder of `tests/data/schema-1`, gone when it is dropped.
struct Old(PathBuf);

impl Old {
    fn folder(name: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema-1").join(name);
        let to = std::env::temp_dir().join(format!(
            "usher-old-{}-{name}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        Self(to)
    }

    fn book(&self, which: Which) -> Book {
        let loaded = Store::<Book>::read_only(&self.0, which).unwrap();
        assert!(loaded.trust.is_sound(), "{}", loaded.trust);
        loaded.book.unwrap()
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The services as they were when that book was last written.
struct Then {
    now: Moment,
    rules: Rules,
    world: World,
    book: Book,
    friends: Friends,
    billing: Billing,
    activity: Activity,
}

impl Then {
    fn of(book: Book) -> Self {
        let tier = |name: &str, price: &str, libraries: &[&str], downloads| Tier {
            prices: [price.into()].into(),
            downloads,
            ..Tier::of(name, Wanted::Titles(libraries.iter().map(|title| (*title).to_owned()).collect()))
        };
        // As in the tiers file of these folders.
        let tiers = vec![
            tier("Basic", "price_S000001", &["Movies"], false),
            tier("Premium", "price_S000002", &["Movies", "TV"], true),
        ];
        let rules = Rules {
            tiers: Tiers::File(tiers),
            vip_names: vec!["greta".into()],
            admin_email: usher::facts::Email::parse("operator@example.com"),
            removal_pace: chrono::TimeDelta::minutes(90),
            webhooks: false,
            ..house::rules()
        };
        let members = || book.members.values();
        let server = book.identities.plex_server.clone().unwrap();
        let billed = || members().flat_map(|member| member.subscriptions.values().map(|billed| billed.now.clone()));
        let friends = Friends {
            owner: book.identities.owner.unwrap(),
            owner_email: None,
            house_emails: BTreeSet::new(),
            server: server.clone(),
            server_name: "Attic".into(),
            sections: book.libraries.known.clone(),
            shares: members().filter_map(|member| Some(member.share.as_ref()?.row.clone())).collect(),
            home: BTreeSet::new(),
            friends: Some(BTreeSet::new()),
            on_other_servers: BTreeSet::new(),
        };
        let people: BTreeMap<PlexId, Watcher> = members()
            .filter_map(|member| Some((member.plex?, Watcher { last_play: member.last_play, keep_history: true })))
            .collect();
        let peak = |population| {
            let all = book.marks.populations.get(&population).map(|peaks| peaks.values().map(|peak| peak.count));
            all.and_then(Iterator::max).unwrap_or(0)
        };
        let billing = Billing {
            catalogue: Some(Catalogue {
                prices: billed()
                    .flat_map(|sub| sub.items)
                    .filter_map(|item| Some((item.price, item.product?)))
                    .collect(),
                ..Catalogue::default()
            }),
            subscriptions: billed().map(|sub| (sub.id.clone(), sub)).collect(),
            customers: members()
                .flat_map(|member| member.customers.clone())
                .map(|(id, payer)| (id.clone(), Customer { id, email: payer.email, name: payer.name, deleted: false }))
                .collect(),
            stated: billed().map(|sub| (sub.id.clone(), usher::facts::Stated::Is(Box::new(sub)))).collect(),
            cursor: book.cursor.clone(),
            ..Billing::empty(book.identities.stripe_account.clone(), book.identities.stripe_livemode.unwrap())
        };
        let activity = Activity {
            server,
            connected: true,
            people,
            watching_now: Some(BTreeSet::new()),
            oldest_play: members().filter_map(|member| member.last_play).min(),
            history_total: peak(usher::ledger::Population::History),
            unlogged_keys: BTreeSet::new(),
        };
        Self { now: book.committed, rules, world: World::default(), book, friends, billing, activity }
    }

    /// As `Engine::new` and the daemon take a book over.
    fn start(&mut self, rehearsed: bool) {
        self.now += chrono::TimeDelta::seconds(30);
        starting::begin(self.now, &self.rules, &mut self.book, rehearsed);
        self.book.reopen_sendings(self.now);
    }

    fn read(&mut self) {
        fn whole<T: Clone>(now: Moment, value: &T) -> Reading<T> {
            Reading::Read(Whole { begun: now, at: now, skew_secs: Some(0), value: value.clone() })
        }
        self.now += chrono::TimeDelta::seconds(5);
        self.world.plex.see(whole(self.now, &self.friends));
        self.world.stripe.see(whole(self.now, &self.billing));
        self.world.tautulli.see(whole(self.now, &self.activity));
        readings::fold_plex(self.now, &self.rules, &mut self.world, &mut self.book);
        readings::fold_stripe(self.now, &self.rules, &mut self.world, &mut self.book);
        readings::fold_tautulli(self.now, &self.rules, &mut self.world, &mut self.book);
        decide::decide(self.now, &self.rules, &self.world, &mut self.book);
    }

    /// Letters to members that would be handed out now.
    fn letters(&self) -> Vec<String> {
        let mut book = self.book.clone();
        let batch = handed_out(&mut book, &[Audience::Member], self.now);
        let mut all: Vec<String> = batch.into_iter().map(|one| one.key.0).collect();
        all.sort();
        all
    }

    fn operators(&self) -> BTreeSet<String> {
        let all = self.book.outbox.values().filter(|notice| notice.audience == Audience::Operator);
        all.map(|notice| notice.key.0.clone()).collect()
    }

    fn decided(&self) -> Vec<String> {
        let open = self.book.intents.values().filter(|intent| intent.state == IntentState::Decided);
        open.map(|intent| intent.key.0.clone()).collect()
    }

    fn who(&self, name: &str) -> &Member {
        self.book.members.values().find(|member| member.name().eq_ignore_ascii_case(name)).unwrap()
    }
}

#[test]
fn the_first_passes_on_an_old_live_book_do_what_the_old_version_would_have_done_and_no_more() {
    let old = Old::folder("live");
    let before = old.book(Which::Live);
    let mut house = Then::of(before.clone());
    let told: BTreeSet<String> = house.operators();
    house.start(false);
    assert_eq!(house.book.starting.looking, None, "these rules would do nothing new");
    // What was being sent when the plug was pulled goes again, and nothing else.
    let owed = [
        "m-13/inactivity_warning/idle-1766037600/member",
        "m-20/payment_failed/in_S000011/member",
        "m-22/access_ended/ended-sub_S000007-30000020/member",
    ];
    for _ in 0..6 {
        house.read();
        assert_eq!(house.letters(), owed);
        assert_eq!(house.decided(), ["end/m-23/30000021-sub_S000008", "invite/m-27/sub_S000010"]);
    }
    let news: Vec<String> = house.operators().difference(&told).cloned().collect();
    assert_eq!(news, Vec::<String>::new(), "and the operator hears nothing anew");
    let ids = |book: &Book| book.holds.values().map(|hold| (hold.id.clone(), hold.key.clone())).collect::<Vec<_>>();
    assert_eq!(ids(&house.book), ids(&before), "holds keep their numbers");
    let spells = |book: &Book| {
        let all = book.members.values().map(|member| (member.id.clone(), member.idle.clone(), member.unpaid.clone()));
        all.collect::<Vec<_>>()
    };
    assert_eq!(spells(&house.book), spells(&before), "warned stays warned");
    assert_eq!(house.book.told, before.told);
    assert!(house.who("jon").undo.is_some() && house.who("bea").blocked.is_some());
}

#[test]
fn going_live_on_an_old_book_with_a_rehearsal_holds_what_is_due_and_writes_nobody() {
    let old = Old::folder("rehearsed-after-live");
    let rehearsal = old.book(Which::DryRun);
    let mut house = Then::of(old.book(Which::Live));
    house.now = rehearsal.committed;
    house.book.committed = rehearsal.committed;
    house.start(true);
    for _ in 0..4 {
        house.read();
    }
    assert_eq!(house.letters(), Vec::<String>::new());
    let waits = |key: &String| house.book.starting.waits.values().any(|hold| hold.key.0 == *key);
    let goes: Vec<String> = house.decided().into_iter().filter(|key| !waits(key)).collect();
    assert_eq!(goes, ["invite/m-27/sub_S000010"], "zoe pays");
    let waits: Vec<&str> = house.book.starting.waits.values().map(|hold| hold.what.as_str()).collect();
    for what in [
        "remove dirk",
        "remove dora",
        "remove fred",
        "write to karl: inactivity warning",
        "write to dan: payment failed",
    ] {
        assert!(waits.contains(&what), "{what}: {waits:?}");
    }
}

#[test]
fn an_old_book_is_committed_in_the_new_form_beside_the_old_one() {
    let old = Old::folder("live");
    let before = std::fs::read(old.0.join("state.json")).unwrap();
    let (mut store, loaded) = Store::<Book>::open(&old.0, Which::Live, None, house_opens()).unwrap();
    let book = loaded.book.unwrap();
    store.commit(&book, house_opens(), &[]).unwrap();
    assert_eq!(std::fs::read(old.0.join("state.schema-1.json")).unwrap(), before);
    drop(store);
    assert_eq!(old.book(Which::Live), book, "nothing is lost on the way");
    for source in [Source::Plex, Source::Stripe] {
        assert!(book.adopted.contains_key(&source));
    }
}

fn house_opens() -> Moment {
    Moment::from_timestamp(1_768_400_000, 0).unwrap()
}

/// Everything that a courier would be handed, one letter after the other.
fn handed_out(book: &mut Book, audiences: &[Audience], now: Moment) -> Vec<Dispatch> {
    let mut all = Vec::new();
    while let Some(one) = book.hand_out(Channel::Mail, audiences, "example.com", false, now) {
        let outcome = DeliveryOutcome::Accepted;
        book.delivered(&Delivered { key: one.key.clone(), channel: Channel::Mail, outcome }, now);
        all.push(one);
    }
    all
}
