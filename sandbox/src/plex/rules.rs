//! What shares are and what may be done with them.

use serde_json::{Map, Value};
use usher::facts::{Moment, PlexId, SectionId, ServerId, ShareId};

use super::{Account, Deleted, Invited, Section, Settings, ShareView, State, Told, Updated, Who};

/// A write as both versions of the API put it, once understood.
pub(super) struct Offer {
    pub at: Moment,
    pub to: Who,
    pub sections: Vec<SectionId>,
    pub settings: Settings,
    pub with_friendship: bool,
}

/// Why plex.tv won't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such person, section, server or share.
    Unknown,
    /// There is a share or invite already.
    Already,
    /// The owner himself.
    Owner,
}

impl State {
    /// Shares of all servers that aren't over.
    pub(super) fn alive(&self) -> impl Iterator<Item = &ShareView> {
        self.shares.values().filter(|share| share.gone_at.is_none())
    }

    /// Shares of our server that aren't over.
    pub(super) fn present(&self) -> impl Iterator<Item = &ShareView> {
        self.alive().filter(|share| share.machine == self.machine)
    }

    pub(super) fn held(&self, who: &Who) -> Option<ShareView> {
        self.present().find(|share| share.accepted_at.is_some() && self.is_for(share, who)).cloned()
    }

    pub(super) fn pending(&self, who: &Who) -> Option<ShareView> {
        self.present().find(|share| share.accepted_at.is_none() && self.is_for(share, who)).cloned()
    }

    fn is_for(&self, share: &ShareView, who: &Who) -> bool {
        match who {
            Who::Id(id) => share.account == Some(*id),
            Who::Email(email) => {
                let own = share.account.and_then(|id| self.accounts.get(&id));
                share.email.as_ref() == Some(email)
                    || own.is_some_and(|account| account.email.eq_ignore_ascii_case(email))
            }
        }
    }

    /// The account with this address or username.
    pub(super) fn account_named(&self, name: &str) -> Option<PlexId> {
        let same = |text: &str| !text.is_empty() && text.eq_ignore_ascii_case(name);
        self.accounts.values().find(|a| same(&a.email) || same(&a.username)).map(|account| account.id)
    }

    pub(super) fn sign_up(&mut self, email: &str) -> PlexId {
        let id = PlexId(self.next_account);
        self.next_account += 1;
        let username = email.split('@').next().unwrap_or_default();
        self.accounts.insert(id, Account::new(id, username, email));
        id
    }

    pub(super) fn new_share(&mut self, machine: ServerId, invited_at: Moment, listed_from: Moment) -> &mut ShareView {
        let id = ShareId(self.next_share);
        self.next_share += 1;
        self.shares.entry(id).or_insert(ShareView {
            id,
            machine,
            account: None,
            email: None,
            sections: Vec::new(),
            all_libraries: false,
            settings: Settings::default(),
            invited_at,
            accepted_at: None,
            gone_at: None,
            left: false,
            with_friendship: false,
            listed_from,
        })
    }

    pub(super) fn accept(&mut self, share: ShareId, account: PlexId, now: Moment) -> Option<PlexId> {
        if self.held(&Who::Id(account)).is_some() || !self.accounts.contains_key(&account) {
            return None;
        }
        let theirs = self.shares.values().filter(|other| other.account == Some(account));
        let first = theirs.filter_map(|other| other.accepted_at).min().filter(|_| self.switches.keeps_first_date);
        let share = self.shares.get_mut(&share)?;
        share.account = Some(account);
        share.email = None;
        share.accepted_at = Some(first.unwrap_or(now));
        let friend = share.with_friendship;
        if let Some(account) = self.accounts.get_mut(&account) {
            account.friend |= friend;
        }
        Some(account)
    }

    pub(super) fn end(&mut self, share: ShareId, now: Moment, left: bool) -> bool {
        match self.shares.get_mut(&share) {
            Some(share) if share.gone_at.is_none() => {
                share.gone_at = Some(now);
                share.left = left;
                true
            }
            _ => false,
        }
    }

    /// Whether listings show this share now; ended ones linger for the lag.
    pub(super) fn is_listed(&self, share: &ShareView, now: Moment) -> bool {
        let begun = now >= share.listed_from;
        let gone = share.gone_at.is_some_and(|gone_at| now >= gone_at + self.switches.lag);
        begun && (!gone || self.stays_as_left(share))
    }

    pub(super) fn stays_as_left(&self, share: &ShareView) -> bool {
        share.left && self.switches.left_stay_listed
    }

    /// The sections of a share, as they are now.
    pub(super) fn sections_of(&self, share: &ShareView) -> Vec<&Section> {
        let in_share = |section: &&Section| share.all_libraries || share.sections.contains(&section.id);
        self.sections.iter().filter(in_share).collect()
    }

    /// Cuts a list as the switch says.
    pub(super) fn told<T>(told: Told, mut rows: Vec<T>) -> Vec<T> {
        match told {
            Told::All => {}
            Told::Half => rows.truncate(rows.len() / 2),
            Told::Nothing => rows.clear(),
        }
        rows
    }

    fn know_all(&self, sections: &[SectionId]) -> bool {
        sections.iter().all(|id| self.sections.iter().any(|section| section.id == *id))
    }

    /// Makes a share or invite on our server.
    pub(super) fn offer(&mut self, offer: Offer, line: &str) -> Result<ShareId, Refusal> {
        if !self.know_all(&offer.sections) {
            return Err(Refusal::Unknown);
        }
        let is_owner = match &offer.to {
            Who::Id(id) => *id == self.owner.id,
            Who::Email(name) => {
                name.eq_ignore_ascii_case(&self.owner.email) || name.eq_ignore_ascii_case(&self.owner.username)
            }
        };
        if is_owner {
            return Err(Refusal::Owner);
        }
        let account = match &offer.to {
            Who::Id(id) => Some(self.accounts.get(id).ok_or(Refusal::Unknown)?.id),
            Who::Email(name) => self.account_named(name),
        };
        let to = match (account, offer.to) {
            (Some(id), _) => Who::Id(id),
            (None, Who::Email(name)) if !name.contains('@') => return Err(Refusal::Unknown),
            (None, other) => other,
        };
        if self.held(&to).is_some() || self.pending(&to).is_some() {
            return Err(Refusal::Already);
        }
        let all = offer.sections.is_empty();
        if all {
            self.shared_everything.push(line.to_owned());
        }
        let (machine, listed_from) = (self.machine.clone(), offer.at + self.switches.lag);
        let friends = self.switches.friends_accept_at_once;
        let takes = |account: &Account| account.accepts_at_once || friends && account.friend;
        let at_once = account.and_then(|id| self.accounts.get(&id)).is_some_and(takes);
        let share = self.new_share(machine, offer.at, listed_from);
        share.account = account;
        share.email = match &to {
            Who::Id(_) => None,
            Who::Email(email) => Some(email.clone()),
        };
        share.sections.clone_from(&offer.sections);
        share.all_libraries = all;
        share.settings = offer.settings.clone();
        share.with_friendship = offer.with_friendship;
        let id = share.id;
        if let (true, Some(account)) = (at_once, account) {
            self.accept(id, account, offer.at);
        }
        let allow_sync = offer.settings.allow_sync;
        self.invited.push(Invited { at: offer.at, share: id, to, sections: offer.sections, allow_sync });
        Ok(id)
    }

    /// Replaces sections and settings. `None` = leave the settings.
    pub(super) fn update(
        &mut self,
        at: Moment,
        id: ShareId,
        sections: Vec<SectionId>,
        settings: Option<Settings>,
        line: &str,
    ) -> Result<(), Refusal> {
        if !self.know_all(&sections) || !self.present().any(|share| share.id == id) {
            return Err(Refusal::Unknown);
        }
        let takes_pending = self.switches.pending_takes_update;
        let share = self.shares.get_mut(&id).ok_or(Refusal::Unknown)?;
        let took = share.accepted_at.is_some() || takes_pending;
        if took {
            share.all_libraries = sections.is_empty();
            share.sections.clone_from(&sections);
            share.settings = settings.unwrap_or_else(|| share.settings.clone());
        }
        let settings = share.settings.clone();
        if sections.is_empty() {
            self.shared_everything.push(line.to_owned());
        }
        self.updated.push(Updated { at, share: id, sections, settings, took });
        Ok(())
    }

    /// Ends a share through the API.
    pub(super) fn delete(&mut self, at: Moment, id: ShareId, path: &str) -> bool {
        let Some(share) = self.shares.get(&id).cloned() else {
            return false;
        };
        let ended = self.end(id, at, false);
        if ended {
            self.deleted.push(Deleted {
                at,
                share: id,
                account: share.account,
                email: share.email,
                was_accepted: share.accepted_at.is_some(),
                path: path.to_owned(),
            });
        }
        ended
    }
}

/// How flags are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    /// v2: `true`, `false`.
    Bool,
    /// v1: `"0"`, `"1"`.
    Text,
}

impl Settings {
    /// Puts in what is named; an error names what can't be.
    pub(super) fn take(&mut self, named: &Map<String, Value>, flags: Flags) -> Result<(), String> {
        for (name, value) in named {
            let flag = || match (flags, value) {
                (Flags::Bool, Value::Bool(flag)) => Ok(*flag),
                (Flags::Text, Value::String(text)) if text == "0" || text == "1" => Ok(text == "1"),
                _ => Err(format!("setting {name} is {value}")),
            };
            let text = || match value {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Ok(String::new()),
                _ => Err(format!("setting {name} is {value}")),
            };
            match name.as_str() {
                "allowSync" => self.allow_sync = flag()?,
                "allowCameraUpload" => self.allow_camera_upload = flag()?,
                "allowChannels" => self.allow_channels = flag()?,
                "allowSubtitleAdmin" => self.allow_subtitle_admin = flag()?,
                "allowTuners" => {
                    let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                    self.allow_tuners = match number {
                        Some(number @ 0..=2) => u8::try_from(number).unwrap_or_default(),
                        _ => return Err(format!("setting {name} is {value}")),
                    };
                }
                "filterAll" => self.filter_all = text()?,
                "filterMovies" => self.filter_movies = text()?,
                "filterTelevision" => self.filter_television = text()?,
                "filterMusic" => self.filter_music = text()?,
                "filterPhotos" => self.filter_photos = text()?,
                _ => return Err(format!("no setting is called {name}")),
            }
        }
        Ok(())
    }
}
