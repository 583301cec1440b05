//! plex.tv (and clients.plex.tv) on one port: who is who, which sections a
//! server has, who is invited, who has access.
//!
//! People can show their account by PIN ([`Plex::sign_in_at`]).
//!
//! What it promises: shares behave as plex.tv's were seen to, with its traps:
//! v1 always XML, v2 XML unless asked for JSON; **an empty list of sections
//! shares everything** (done, and kept in [`Plex::shared_everything`]); an
//! update resets the settings it doesn't name; a pending share ignores
//! updates; the same share id moves from pending to accepted; an address
//! without account is pending with nothing but the address. What plex.tv
//! leaves unsettled is a switch here ([`Switches`]).
//!
//! Whoever reads `state()` sees the truth; listings may lag or lie.

mod hands;
mod kinds;
mod paper;
mod pins;
mod routes;
mod rules;
mod writes;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use usher::{
    clock::Clock,
    facts::{Moment, PlexId, SectionId, ServerId, ShareId},
};

pub use self::kinds::{Account, Deleted, Invited, Section, Settings, ShareView, Switches, Told, Updated, Who};
use self::pins::Pins;
use crate::base::StandIn;

/// The owner's token until [`Plex::set_token`].
pub const TOKEN: &str = "token-of-the-owner";
/// The server's machineIdentifier until [`Plex::set_machine`].
pub const MACHINE: &str = "aaaa1111bbbb2222cccc3333dddd4444eeee5555";
/// The server's name.
pub const SERVER_NAME: &str = "Attic";
/// The owner's account id.
pub const OWNER: PlexId = PlexId(1_000_001);

/// All that plex.tv knows.
#[derive(Debug)]
pub struct State {
    token: String,
    owner: Account,
    machine: ServerId,
    sections: Vec<Section>,
    accounts: BTreeMap<PlexId, Account>,
    /// Ended shares stay while listings may still show them.
    shares: BTreeMap<ShareId, ShareView>,
    other_servers: Vec<ServerId>,
    next_account: u64,
    next_section: u64,
    next_share: u64,
    /// The switches.
    pub switches: Switches,
    invited: Vec<Invited>,
    deleted: Vec<Deleted>,
    updated: Vec<Updated>,
    shared_everything: Vec<String>,
    clients: BTreeSet<String>,
    pins: Pins,
}

/// A running plex.tv; derefs to its [`StandIn`] (url, requests, faults).
#[derive(Debug, Clone)]
pub struct Plex {
    stand_in: StandIn<State>,
}

impl Deref for Plex {
    type Target = StandIn<State>;
    fn deref(&self) -> &Self::Target {
        &self.stand_in
    }
}

impl Plex {
    /// plex.tv with an owner and one server, without sections or people.
    #[must_use]
    pub fn start(clock: Clock) -> Self {
        Self::start_on(clock, 0)
    }

    /// The same on this port.
    #[must_use]
    pub fn start_on(clock: Clock, port: u16) -> Self {
        let owner = Account::new(OWNER, "owner1", "owner@example.com");
        let state = State {
            token: TOKEN.into(),
            owner,
            machine: MACHINE.into(),
            sections: Vec::new(),
            accounts: BTreeMap::new(),
            shares: BTreeMap::new(),
            other_servers: Vec::new(),
            next_account: 2_500_001,
            next_section: 128_000_001,
            next_share: 30_000_001,
            switches: Switches::default(),
            invited: Vec::new(),
            deleted: Vec::new(),
            updated: Vec::new(),
            shared_everything: Vec::new(),
            clients: BTreeSet::new(),
            pins: Pins::default(),
        };
        Self { stand_in: StandIn::start_on(clock, port, state) }
    }

    /// Changes the switches: `plex.switch(|s| s.server_away = true)`.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.world().switches);
    }

    /// Only this token is let in from now on.
    pub fn set_token(&self, token: &str) {
        self.world().token = token.into();
    }

    /// The owner is somebody else.
    pub fn set_owner(&self, id: PlexId, username: &str, email: &str) {
        self.world().owner = Account::new(id, username, email);
    }

    /// The token leads to another server; shares stay with the old one.
    pub fn set_machine(&self, machine: &str) {
        self.world().machine = machine.into();
    }

    /// The server's machineIdentifier.
    #[must_use]
    pub fn machine(&self) -> ServerId {
        self.world().machine.clone()
    }

    /// The owner's account id.
    #[must_use]
    pub fn owner_id(&self) -> PlexId {
        self.world().owner.id
    }

    /// A new section; kinds are `movie`, `show`, `artist`, `photo`.
    pub fn add_section(&self, title: &str, kind: &str) -> SectionId {
        let mut state = self.world();
        let id = SectionId(state.next_section);
        state.next_section += 1;
        let key = id.0 - 128_000_000;
        state.sections.push(Section { id, key, title: title.into(), kind: kind.into() });
        id
    }

    /// Renames a section; its id stays.
    pub fn rename_section(&self, id: SectionId, title: &str) {
        for section in self.world().sections.iter_mut().filter(|section| section.id == id) {
            section.title = title.into();
        }
    }

    /// Deletes a section; shares lose it.
    pub fn remove_section(&self, id: SectionId) {
        let mut state = self.world();
        state.sections.retain(|section| section.id != id);
        for share in state.shares.values_mut() {
            share.sections.retain(|section| *section != id);
        }
    }

    /// The sections as they truly are.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        self.world().sections.clone()
    }

    /// A person with an account (again: the account under new names).
    pub fn add_account(&self, id: PlexId, username: &str, email: &str) {
        let mut state = self.world();
        let account = Account::new(id, username, email);
        let known = state.accounts.entry(id).or_insert_with(|| account.clone());
        known.username = account.username;
        known.title = account.title;
        known.email = account.email;
    }

    /// The account is a friend of the owner, share or not.
    pub fn befriend(&self, id: PlexId) {
        if let Some(account) = self.world().accounts.get_mut(&id) {
            account.friend = true;
        }
    }

    /// Whether it still is.
    #[must_use]
    pub fn is_friend(&self, id: PlexId) -> bool {
        self.world().accounts.get(&id).is_some_and(|account| account.friend)
    }

    /// A member of the owner's Plex Home with an account of his own.
    pub fn add_home_user(&self, id: PlexId, username: &str, email: &str) {
        self.add_account(id, username, email);
        self.with_account(id, |account| account.home = true);
    }

    /// Somebody with an account joins the owner's Plex Home.
    pub fn join_home(&self, id: PlexId) {
        self.with_account(id, |account| account.home = true);
    }

    /// A managed user: a title, no username, no address.
    pub fn add_managed_user(&self, id: PlexId, title: &str) {
        self.add_account(id, "", "");
        self.with_account(id, |account| {
            account.title = title.into();
            account.home = true;
            account.restricted = true;
        });
    }

    /// Changes an account: `friend`, `accepts_at_once`, `email_hidden`…
    pub fn with_account(&self, id: PlexId, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.world().accounts.get_mut(&id) {
            change(account);
        }
    }

    /// The owner's account and another server of his, for listings.
    pub fn add_other_server(&self, machine: &str) {
        self.world().other_servers.push(machine.into());
    }

    /// The owner shared by hand, and it was accepted then.
    pub fn share_with(&self, account: PlexId, sections: &[SectionId], accepted_at: Moment) -> ShareId {
        let machine = self.machine();
        self.put_share(machine, account, sections, accepted_at)
    }

    /// The same on another server of the owner's.
    pub fn share_other_server(&self, machine: &str, account: PlexId, accepted_at: Moment) -> ShareId {
        self.put_share(machine.into(), account, &[], accepted_at)
    }

    fn put_share(&self, machine: ServerId, account: PlexId, sections: &[SectionId], at: Moment) -> ShareId {
        let mut state = self.world();
        let share = state.new_share(machine, at, at);
        share.account = Some(account);
        share.sections = sections.to_vec();
        share.accepted_at = Some(at);
        share.id
    }

    /// The owner invites an address by hand, past the API.
    pub fn invite_by_hand(&self, email: &str, sections: &[SectionId]) -> ShareId {
        let now = self.now();
        let mut state = self.world();
        let account = state.account_named(email);
        let machine = state.machine.clone();
        let share = state.new_share(machine, now, now);
        share.account = account;
        share.email = account.is_none().then(|| email.to_lowercase());
        share.sections = sections.to_vec();
        share.id
    }

    /// Changes a share by hand, past the API.
    pub fn with_share(&self, id: ShareId, change: impl FnOnce(&mut ShareView)) {
        if let Some(share) = self.world().shares.get_mut(&id) {
            change(share);
        }
    }

    /// The person accepts the pending invite. An address without account
    /// signs up first. `None` when there is no such invite.
    pub fn accept_invite(&self, who: impl Into<Who>) -> Option<PlexId> {
        let who = who.into();
        let mut state = self.world();
        let pending = state.pending(&who)?;
        let account = match (pending.account, &who) {
            (Some(account), _) => account,
            (None, Who::Id(id)) => *id,
            (None, Who::Email(email)) => state.account_named(email).unwrap_or_else(|| state.sign_up(email)),
        };
        state.accept(pending.id, account, self.now())
    }

    /// The invite to this address is taken up by this account, whose own
    /// address may be another. `None` when there is none, or he has a share.
    pub fn accept_invite_as(&self, who: impl Into<Who>, account: PlexId) -> Option<PlexId> {
        let mut state = self.world();
        let pending = state.pending(&who.into())?;
        state.accept(pending.id, account, self.now())
    }

    /// The person declines; the invite is gone.
    pub fn decline_invite(&self, who: impl Into<Who>) -> bool {
        let now = self.now();
        let mut state = self.world();
        let pending = state.pending(&who.into());
        pending.is_some_and(|share| state.end(share.id, now, false))
    }

    /// The owner removes the share (or invite) by hand.
    pub fn remove_share_by_hand(&self, who: impl Into<Who>) -> bool {
        let (who, now) = (who.into(), self.now());
        let mut state = self.world();
        let share = state.held(&who).or_else(|| state.pending(&who));
        share.is_some_and(|share| state.end(share.id, now, false))
    }

    /// The person leaves the server himself.
    pub fn leave(&self, id: PlexId) -> bool {
        let now = self.now();
        let mut state = self.world();
        let share = state.held(&Who::Id(id));
        share.is_some_and(|share| state.end(share.id, now, true))
    }

    /// The accepted share of this account on our server.
    #[must_use]
    pub fn share_of(&self, id: PlexId) -> Option<ShareView> {
        self.world().held(&Who::Id(id))
    }

    /// The pending invite of this account or address on our server.
    #[must_use]
    pub fn pending_of(&self, who: impl Into<Who>) -> Option<ShareView> {
        self.world().pending(&who.into())
    }

    /// The account with this address or username.
    #[must_use]
    pub fn account_of(&self, name: &str) -> Option<PlexId> {
        self.world().account_named(name)
    }

    /// The username of this account.
    #[must_use]
    pub fn username_of(&self, id: PlexId) -> Option<String> {
        self.world().accounts.get(&id).map(|account| account.username.clone())
    }

    /// Whether this account may watch on our server.
    #[must_use]
    pub fn has_access(&self, id: PlexId) -> bool {
        self.share_of(id).is_some()
    }

    /// Accepted shares and pending invites of our server, by id.
    #[must_use]
    pub fn shares(&self) -> Vec<ShareView> {
        let state = self.world();
        state.present().cloned().collect()
    }

    /// Invites sent through the API.
    #[must_use]
    pub fn invites_sent(&self) -> Vec<Invited> {
        self.world().invited.clone()
    }

    /// Shares and invites ended through the API.
    #[must_use]
    pub fn deletions(&self) -> Vec<Deleted> {
        self.world().deleted.clone()
    }

    /// Shares changed through the API.
    #[must_use]
    pub fn updates(&self) -> Vec<Updated> {
        self.world().updated.clone()
    }

    /// Requests that shared the whole server. Must stay empty.
    #[must_use]
    pub fn shared_everything(&self) -> Vec<String> {
        self.world().shared_everything.clone()
    }

    /// Every X-Plex-Client-Identifier seen: more than one is a fault.
    #[must_use]
    pub fn clients(&self) -> BTreeSet<String> {
        self.world().clients.clone()
    }
}
