//! R7: libraries. Titles in tiers resolve once to plex.tv section ids. An
//! unknown title, an empty resolution or a short section list is a problem
//! that is told and shares **nothing**: an empty list means ALL at plex.tv.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::facts::{Moment, Section, SectionId, SectionSet};
use crate::ledger::{Book, Libraries};
use crate::tier::{Tier, Wanted};

/// A shorter list of sections is believed only after this long.
const SHORTER_BELIEVED_AFTER: TimeDelta = TimeDelta::minutes(60);

/// What the operator should hear of a new section list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionNews {
    /// A library has another title; shares follow it by id.
    Renamed { from: String, to: String },
    /// A library is new; `*` doesn't take it in by itself.
    New { title: String, id: SectionId },
    /// Libraries are gone.
    Gone { titles: Vec<String> },
}

/// Folds a whole list of sections into what is believed.
pub fn fold_sections(now: Moment, book: &mut Book, listed: &BTreeMap<SectionId, Section>) -> Vec<SectionNews> {
    let libraries = &mut book.libraries;
    let mut news = Vec::new();
    if listed.is_empty() {
        return news;
    }
    let first = libraries.known.is_empty();
    for (id, section) in listed {
        match libraries.known.get(id) {
            None if first => {}
            None => news.push(SectionNews::New { title: section.title.clone(), id: *id }),
            Some(known) if known.title != section.title => {
                news.push(SectionNews::Renamed { from: known.title.clone(), to: section.title.clone() });
            }
            Some(_) => {}
        }
        libraries.known.insert(*id, section.clone());
    }
    let missing: Vec<SectionId> = libraries.known.keys().filter(|id| !listed.contains_key(id)).copied().collect();
    if missing.is_empty() {
        libraries.shorter_since = None;
        return news;
    }
    let since = *libraries.shorter_since.get_or_insert(now);
    if now - since >= SHORTER_BELIEVED_AFTER {
        let titles = missing.iter().filter_map(|id| libraries.known.remove(id)).map(|section| section.title).collect();
        libraries.shorter_since = None;
        news.push(SectionNews::Gone { titles });
    }
    news
}

/// The sections of a tier, exactly.
///
/// # Errors
/// A sentence that names what is wrong and how to mend it; nothing is shared.
pub fn resolve(libraries: &Libraries, tier: &Tier) -> Result<SectionSet, String> {
    if libraries.known.is_empty() {
        return Err("the server's libraries have not been read yet".into());
    }
    if libraries.shorter_since.is_some() {
        return Err("plex.tv lists fewer libraries than before; waiting until it is sure".into());
    }
    let ids = match &tier.libraries {
        Wanted::Titles(titles) => {
            titles.iter().map(|title| find(libraries, &tier.name, title)).collect::<Result<BTreeSet<_>, _>>()?
        }
        Wanted::Everything { except } => {
            let except =
                except.iter().map(|title| find(libraries, &tier.name, title)).collect::<Result<BTreeSet<_>, _>>()?;
            let all = libraries
                .everything
                .get(&tier.name)
                .cloned()
                .unwrap_or_else(|| libraries.known.keys().copied().collect());
            all.into_iter().filter(|id| libraries.known.contains_key(id) && !except.contains(id)).collect()
        }
    };
    SectionSet::new(ids)
        .ok_or_else(|| format!("tier {:?} comes to no library at all; plex.tv would read that as ALL", tier.name))
}

fn find(libraries: &Libraries, tier: &str, wanted: &str) -> Result<SectionId, String> {
    if let Some(id) = wanted.strip_prefix('#').and_then(|id| id.parse().ok()).map(SectionId) {
        return match libraries.known.contains_key(&id) {
            true => Ok(id),
            false => Err(format!("tier {tier:?} names library {wanted}, which the server doesn't have")),
        };
    }
    let key = wanted.to_lowercase();
    // One that is gone may have been made anew under its title.
    if let Some(id) = libraries.titles.get(&key).filter(|id| libraries.known.contains_key(id)) {
        return Ok(*id);
    }
    let hits: Vec<&Section> = libraries.known.values().filter(|section| section.title.to_lowercase() == key).collect();
    match hits.as_slice() {
        [one] => Ok(one.id),
        [] => {
            let known: Vec<&str> = libraries.known.values().map(|section| section.title.as_str()).collect();
            Err(format!(
                "tier {tier:?} names library {wanted:?}, which the server doesn't have (it has: {})",
                known.join(", ")
            ))
        }
        several => {
            let ids: Vec<String> = several.iter().map(|section| format!("#{}", section.id)).collect();
            Err(format!(
                "tier {tier:?} names library {wanted:?}, which stands {} times; write one of {}",
                several.len(),
                ids.join(", ")
            ))
        }
    }
}

/// Writes down what titles and `*` came to, so that a rename moves nobody and
/// a new section joins nobody by itself. Returns what doesn't resolve.
pub fn take_up(book: &mut Book, tiers: &[Tier]) -> Vec<String> {
    let mut problems = Vec::new();
    for tier in tiers {
        match resolve(&book.libraries, tier) {
            Ok(_) => remember(&mut book.libraries, tier),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

fn remember(libraries: &mut Libraries, tier: &Tier) {
    let titles = match &tier.libraries {
        Wanted::Titles(titles) => titles,
        Wanted::Everything { except } => {
            if !libraries.everything.contains_key(&tier.name) {
                let all = libraries.known.keys().copied().collect();
                libraries.everything.insert(tier.name.clone(), all);
            }
            except
        }
    };
    for title in titles.iter().filter(|title| !title.starts_with('#')) {
        if let Ok(id) = find(libraries, &tier.name, title) {
            libraries.titles.insert(title.to_lowercase(), id);
        }
    }
}

/// The titles of sections, for people.
#[must_use]
pub fn titles(libraries: &Libraries, sections: &BTreeSet<SectionId>) -> Vec<String> {
    sections.iter().filter_map(|id| libraries.known.get(id)).map(|section| section.title.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u64, title: &str) -> (SectionId, Section) {
        (SectionId(id), Section { id: SectionId(id), key: id, title: title.into() })
    }

    fn tier(libraries: Wanted) -> Tier {
        Tier::of("Basic", libraries)
    }

    fn book(sections: &[(u64, &str)]) -> Book {
        let mut book = Book::new(Moment::UNIX_EPOCH);
        let listed = sections.iter().map(|(id, title)| section(*id, title)).collect();
        fold_sections(Moment::UNIX_EPOCH, &mut book, &listed);
        book
    }

    #[test]
    fn an_unknown_title_shares_nothing() {
        let book = book(&[(1, "Movies")]);
        let problem = resolve(&book.libraries, &tier(Wanted::Titles(vec!["Movies".into(), "TV".into()]))).unwrap_err();
        assert!(problem.contains("TV") && problem.contains("Movies"), "{problem}");
    }

    #[test]
    fn an_empty_resolution_never_becomes_all_libraries() {
        let book = book(&[(1, "Movies")]);
        assert!(resolve(&book.libraries, &tier(Wanted::Everything { except: vec!["Movies".into()] })).is_err());
    }

    #[test]
    fn a_title_that_stands_twice_needs_its_id() {
        let book = book(&[(1, "Movies"), (2, "Movies")]);
        assert!(resolve(&book.libraries, &tier(Wanted::Titles(vec!["Movies".into()]))).unwrap_err().contains("#2"));
        let set = resolve(&book.libraries, &tier(Wanted::Titles(vec!["#2".into()]))).unwrap();
        assert_eq!(set.ids().iter().copied().collect::<Vec<_>>(), [SectionId(2)]);
    }

    #[test]
    fn a_renamed_library_is_followed_by_its_id() {
        let mut book = book(&[(1, "Movies"), (2, "TV")]);
        let tiers = [tier(Wanted::Titles(vec!["Movies".into()]))];
        assert!(take_up(&mut book, &tiers).is_empty());
        let listed = [section(1, "Films"), section(2, "TV")].into_iter().collect();
        let news = fold_sections(Moment::UNIX_EPOCH, &mut book, &listed);
        assert_eq!(news, [SectionNews::Renamed { from: "Movies".into(), to: "Films".into() }]);
        assert!(resolve(&book.libraries, &tiers[0]).unwrap().ids().contains(&SectionId(1)));
    }

    #[test]
    fn a_new_section_joins_nobody_by_itself() {
        let mut book = book(&[(1, "Movies")]);
        let tiers = [tier(Wanted::Everything { except: vec![] })];
        take_up(&mut book, &tiers);
        fold_sections(
            Moment::UNIX_EPOCH,
            &mut book,
            &[section(1, "Movies"), section(9, "Home videos")].into_iter().collect(),
        );
        assert_eq!(resolve(&book.libraries, &tiers[0]).unwrap().ids().len(), 1);
    }

    #[test]
    fn a_short_section_list_shares_nothing_until_it_is_sure() {
        let mut book = book(&[(1, "Movies"), (2, "TV")]);
        let movies = tier(Wanted::Titles(vec!["Movies".into()]));
        let short = [section(1, "Movies")].into_iter().collect();
        fold_sections(Moment::UNIX_EPOCH, &mut book, &short);
        assert!(resolve(&book.libraries, &movies).is_err());
        let news = fold_sections(Moment::UNIX_EPOCH + TimeDelta::minutes(61), &mut book, &short);
        assert_eq!(news, [SectionNews::Gone { titles: vec!["TV".into()] }]);
        assert!(resolve(&book.libraries, &movies).is_ok());
    }
}
