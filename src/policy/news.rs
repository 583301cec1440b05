//! What the operator hears of plex.tv's listings: libraries that came, went or
//! were renamed, a VIP entry that fits two people, a crowd that is back.

use std::collections::BTreeSet;

use super::{Rules, libraries::SectionNews};
use crate::facts::Moment;
use crate::ledger::{Book, Letter, Member, Owed};
use crate::member::MemberId;

pub(super) fn tell_crowd(now: Moment, rules: &Rules, book: &mut Book, back: &BTreeSet<MemberId>) {
    let names: Vec<String> = back.iter().filter_map(|id| book.members.get(id)).map(Member::name).collect();
    let letter = Letter::Attention {
        title: format!("{} people are back at once", back.len()),
        detail: format!("plex.tv lists again whom it had not listed for a while: {}.", names.join(", ")),
        what_to_do: "Nothing, if they never really were gone: they have access, and are sent no welcome.".into(),
    };
    book.owe(Owed::to_operator(None, format!("crowd-{}", now.timestamp()), letter), rules.ways, now);
}

pub(super) fn tell_section_news(now: Moment, rules: &Rules, book: &mut Book, news: SectionNews) {
    let (occasion, title, detail, what_to_do) = match news {
        SectionNews::Renamed { from, to } => (
            format!("renamed-{from}-{to}"),
            format!("Library renamed: {from} is now {to}"),
            "Shares follow the library, whatever its title.".to_owned(),
            "Nothing. When you edit the tiers file next, write the new title.".to_owned(),
        ),
        SectionNews::New { title, id } => (
            format!("new-{id}"),
            format!("New library: {title}"),
            format!("Plex lists a new library {title:?} (#{id}). It is shared with nobody by itself."),
            "To share it, name it in a tier of the tiers file. For a tier of everything Usher asks you.".to_owned(),
        ),
        SectionNews::Gone { titles } => (
            format!("gone-{}", titles.join("-")),
            format!("Library gone: {}", titles.join(", ")),
            "Plex has not listed it for an hour.".to_owned(),
            "If a tier names it, edit the tiers file; until then that tier shares nothing new.".to_owned(),
        ),
    };
    let letter = Letter::Attention { title, detail, what_to_do };
    book.owe(Owed::to_operator(None, format!("{occasion}-{}", now.date_naive()), letter), rules.ways, now);
}

pub(super) fn tell_second_vip(now: Moment, rules: &Rules, book: &mut Book, entry: &str, member: &MemberId) {
    let name = book.members.get(member).map(Member::name).unwrap_or_default();
    let letter = Letter::Attention {
        title: format!("VIP_NAMES entry {entry:?} fits two people"),
        detail: format!("It protects the account that it fitted first, and not {name} ({member})."),
        what_to_do: "Write the numeric Plex id of the person you mean into VIP_NAMES.".into(),
    };
    book.owe(Owed::to_operator(Some(member), format!("vip-{entry}"), letter), rules.ways, now);
}
