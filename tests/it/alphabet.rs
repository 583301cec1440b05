//! The alphabets of the sandbox: no move is dead, each has a name of its own,
//! and whoever makes one makes it as the real services know it.

use std::collections::BTreeSet;

use sandbox::alphabet::Town;
use sandbox::alphabet::member::{self, MemberMove, pages};
use sandbox::alphabet::operator::OperatorMove;
use sandbox::dice::Dice;
use sandbox::rig::Rig;

/// Longer than that nobody looks for a move that can be made.
const HOURS_MAX: usize = 24 * 7;

#[test]
fn every_move_has_a_name_of_its_own() {
    let members: BTreeSet<&str> = MemberMove::ALL.iter().map(|step| step.name()).collect();
    let operators: BTreeSet<&str> = OperatorMove::ALL.iter().map(|step| step.name()).collect();
    assert_eq!((members.len(), operators.len()), (MemberMove::ALL.len(), OperatorMove::ALL.len()));
    assert_eq!(members.intersection(&operators).count(), 0);
}

/// A town that makes every move that it can make for the first time.
struct Search {
    rig: Rig,
    town: Town,
    dice: Dice,
    members: Vec<MemberMove>,
    operators: Vec<OperatorMove>,
}

impl Search {
    async fn begin(seed: u64) -> Self {
        let mut rig = Rig::new(&format!("alphabet-{seed}")).await;
        for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
            rig.set(name, "3600");
        }
        rig.set("VIP_NAMES", "vera");
        pages::set_up(&mut rig);
        // A new library of a tier that opens everything waits for the operator.
        let tiers = rig.state().join("tiers.json");
        let text = std::fs::read_to_string(&tiers).expect("the tiers file");
        std::fs::write(&tiers, text.replace(r#"["Movies","TV"]"#, r#"["*"]"#)).expect("the tiers file");
        let mut dice = Dice::new(seed);
        let town = Town::found(&rig, 8, &mut dice);
        rig.open().await;
        Self { rig, town, dice, members: MemberMove::ALL.to_vec(), operators: OperatorMove::ALL.to_vec() }
    }

    /// What was not made yet is tried by everybody; two live on besides.
    async fn hour(&mut self) {
        self.town.catch_up(&self.rig);
        let (rig, town, dice) = (&self.rig, &mut self.town, &mut self.dice);
        let mut people: Vec<usize> = (0..town.people.len()).collect();
        dice.shuffle(&mut people);
        self.members.retain(|step| !people.iter().any(|who| step.make(rig, town, *who, dice)));
        let mut left = Vec::new();
        for step in std::mem::take(&mut self.operators) {
            let mut made = false;
            for who in &people {
                made = made || step.make(rig, town, *who, dice).await;
            }
            left.extend((!made).then_some(step));
        }
        self.operators = left;
        for who in people.into_iter().take(2) {
            let (member, operator) = (dice.pick(&MemberMove::ALL), dice.pick(&OperatorMove::ALL));
            member.map(|step| step.make(rig, town, who, dice));
            member::watch(rig, town, who);
            if let Some(step) = operator.filter(|_| dice.one_in(3)) {
                step.make(rig, town, who, dice).await;
            }
            // Other moves need something to play with.
            for step in [MemberMove::LetTheCardFail, MemberMove::Dispute, MemberMove::SignUpAtPlex] {
                let _ = dice.one_in(2) && step.make(rig, town, who, dice);
            }
            for step in [OperatorMove::AddALibrary, OperatorMove::SplitATier, OperatorMove::NoteTheNumbers] {
                let _ = dice.one_in(4) && step.make(rig, town, who, dice).await;
            }
        }
        self.rig.hours(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_move_can_be_made() {
    let mut search = Search::begin(7).await;
    let mut hours = 0;
    while hours < HOURS_MAX && !(search.members.is_empty() && search.operators.is_empty()) {
        search.hour().await;
        hours += 1;
    }
    assert_eq!(search.rig.amiss(), Vec::<String>::new());
    let dead = (search.members, search.operators);
    assert_eq!(dead, (Vec::new(), Vec::new()), "after {hours} hours");
    search.rig.close().await;
}
