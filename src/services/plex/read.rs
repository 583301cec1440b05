//! Whole readings of plex.tv, in a constant number of calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Lane, Plex,
    rows::{self, People},
};
use crate::{
    facts::{Email, FailureKind, Friends, Moment, PlexId, Section, SectionId, ServerId, Share, ShareState},
    services::{
        failure::Failure,
        http::{Reply, segment},
        loose::{flag, list, num, text},
    },
};

/// Every share and invite of our server, read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Before the first request.
    pub begun: Moment,
    /// Accepted and pending, each id once.
    pub shares: Vec<Share>,
    /// Who has a share on another server of the owner.
    pub elsewhere: BTreeSet<PlexId>,
    /// plex.tv's clock minus ours, in seconds.
    pub skew_secs: Option<i64>,
}

/// Shares of our server, and who has one of another server of the owner.
struct Shares {
    ours: Vec<Share>,
    elsewhere: BTreeSet<PlexId>,
    /// Every row says whether its person is in the owner's Home.
    tells_home: bool,
}

/// The server's name and its sections.
type Rooms = (String, BTreeMap<SectionId, Section>);

impl Plex {
    /// Everybody in the room. Our server is the `known` one if the account
    /// owns it, else the one called `server_name`, else the only one.
    ///
    /// # Errors
    /// When any of its calls fails or contradicts itself: half is nothing.
    pub async fn friends(
        &self,
        server_name: Option<&str>,
        known: Option<&ServerId>,
    ) -> Result<(Friends, Option<i64>), Failure> {
        let lane = Lane::Loop;
        let (reply, user) = self.get_json(lane, &self.site, "/api/v2/user").await?;
        let owner = num(&user["id"]).map(PlexId).ok_or_else(|| super::not(&reply, "an account"))?;
        let path = "/api/v2/resources?includeHttps=1&includeRelay=1";
        let (reply, resources) = self.get_json(lane, &self.site, path).await?;
        let servers = rows::own_servers(list(&resources).ok_or_else(|| super::not(&reply, "a list of servers"))?);
        let server = rows::pick(&servers, server_name, known).map_err(|why| {
            let kind = if servers.is_empty() { FailureKind::Nonsense } else { FailureKind::Refused };
            Failure::not_done(kind, format!("plex.tv: {why}"))
        })?;
        let (_, sections) = self.rooms(&server.id, lane).await?;
        let mut shares = self.shares(&server.id, lane).await?;
        let people = match self.people(&server.id, lane).await {
            // An endpoint of v1: once it is removed, the shares alone must do,
            // and they can, as long as nobody of the Home is taken for a guest.
            Err(failure) if failure.is_gone() && shares.tells_home => None,
            people => Some(people?),
        };
        let friends = people.as_ref().map(|people| people.all.clone());
        let people = people.unwrap_or_default();
        whole(&shares.ours, &people)?;
        for share in &mut shares.ours {
            share.home |= share.account.is_some_and(|id| people.home.contains(&id));
            share.restricted |= share.account.is_some_and(|id| people.restricted.contains(&id));
        }
        let owner_email = user["email"].as_str().and_then(Email::parse);
        let house_emails = people.home_emails.into_iter().chain(owner_email.clone()).collect();
        let mut home = people.home;
        home.extend(shares.ours.iter().filter(|share| share.home).filter_map(|share| share.account));
        let friends = Friends {
            owner,
            owner_email,
            house_emails,
            server: server.id.clone(),
            server_name: server.name.clone(),
            sections,
            shares: shares.ours,
            home,
            friends,
            on_other_servers: people.on_others.union(&shares.elsewhere).copied().collect(),
        };
        Ok((friends, self.skew_secs()))
    }

    /// A fresh whole listing of shares and invites, for an act.
    ///
    /// # Errors
    /// When either half can't be read whole.
    pub async fn listing(&self, server: &ServerId, lane: Lane) -> Result<Listing, Failure> {
        let begun = self.http.now();
        let Shares { ours, elsewhere, .. } = self.shares(server, lane).await?;
        Ok(Listing { begun, shares: ours, elsewhere, skew_secs: self.skew_secs() })
    }

    /// The libraries of `server`; never empty.
    ///
    /// # Errors
    /// Also when plex.tv lists none, which it does at times on a healthy
    /// server.
    pub async fn sections(&self, server: &ServerId, lane: Lane) -> Result<BTreeMap<SectionId, Section>, Failure> {
        Ok(self.rooms(server, lane).await?.1)
    }

    async fn rooms(&self, server: &ServerId, lane: Lane) -> Result<Rooms, Failure> {
        let path = format!("/api/v2/servers/{}", segment(&server.0));
        let (reply, name, rows) = match self.get_json(lane, &self.site, &path).await {
            Ok((reply, value)) => (reply, text(&value["name"]), value["librarySections"].clone()),
            Err(failure) if failure.is_gone() => {
                let path = format!("/api/servers/{}", segment(&server.0));
                let (reply, value) = self.get_xml(lane, &path).await?;
                let server = &value["Server"][0];
                (reply, text(&server["name"]), server["Section"].clone())
            }
            Err(failure) => return Err(failure),
        };
        let sections = list(&rows).and_then(rows::sections).ok_or_else(|| super::not(&reply, "a list of libraries"))?;
        if sections.is_empty() {
            return Err(super::not(&reply, "whole: it lists no library at all"));
        }
        Ok((name.unwrap_or_default(), sections))
    }

    async fn shares(&self, server: &ServerId, lane: Lane) -> Result<Shares, Failure> {
        // Pending first: whoever accepts in between is then in both.
        let halves = match self.owned(server, "pending", lane).await {
            Ok(pending) => self.owned(server, "accepted", lane).await.map(|accepted| (pending, accepted)),
            Err(failure) => Err(failure),
        };
        match halves {
            Ok((pending, accepted)) => Ok(Shares {
                ours: joined(accepted.ours, pending.ours),
                elsewhere: accepted.elsewhere.union(&pending.elsewhere).copied().collect(),
                tells_home: accepted.tells_home,
            }),
            Err(failure) if failure.is_gone() => self.shares_v1(server, lane).await,
            Err(failure) => Err(failure),
        }
    }

    async fn owned(&self, server: &ServerId, half: &str, lane: Lane) -> Result<Shares, Failure> {
        let path = format!("/api/v2/shared_servers/owned/{half}");
        let (reply, value) = self.get_json(lane, &self.clients, &path).await?;
        let rows = list(&value).ok_or_else(|| super::not(&reply, "a list of shares"))?;
        unpaged(&reply, rows.len())?;
        let mut shares = Shares { ours: Vec::new(), elsewhere: BTreeSet::new(), tells_home: true };
        for row in rows {
            match rows::share_v2(row, server, half == "accepted") {
                Ok(Some(share)) => {
                    shares.tells_home &= flag(&row["invited"]["home"]).is_some();
                    shares.ours.push(share);
                }
                Ok(None) if text(&row["machineIdentifier"]).is_some_and(|id| id != server.0) => {
                    shares.elsewhere.extend(num(&row["invitedId"]).map(PlexId));
                }
                Ok(None) => {}
                Err(why) => return Err(Failure::nonsense(format!("{}: {why}", reply.what))),
            }
        }
        Ok(shares)
    }

    async fn shares_v1(&self, server: &ServerId, lane: Lane) -> Result<Shares, Failure> {
        let (name, _) = self.rooms(server, lane).await?;
        let (reply, rows) = self.shared_servers_v1(server, lane).await?;
        let listed: Option<Vec<Share>> = rows.iter().map(rows::share_v1).collect();
        let listed = listed.ok_or_else(|| super::not(&reply, "a list of shares with ids"))?;
        let invites = self.invites_v1(lane).await?;
        let invites: Vec<Share> = invites.iter().filter_map(|row| rows::invite_v1(row, &name)).collect();
        // The same invite may stand in both listings; the row with an id wins.
        let is_listed = |invite: &Share| {
            listed.iter().any(|share| {
                (share.account.is_some() && share.account == invite.account)
                    || (share.email.is_some() && share.email == invite.email)
            })
        };
        let invites = invites.into_iter().filter(|invite| !is_listed(invite)).collect();
        let ours = told_apart(joined(listed.clone(), invites));
        Ok(Shares { ours, elsewhere: BTreeSet::new(), tells_home: false })
    }

    /// The rows of v1's listing of shares: those carry the ids that v1 deletes by.
    pub(super) async fn shared_servers_v1(
        &self,
        server: &ServerId,
        lane: Lane,
    ) -> Result<(Reply, Vec<Value>), Failure> {
        let path = format!("/api/servers/{}/shared_servers", segment(&server.0));
        let (reply, value) = self.get_xml(lane, &path).await?;
        let rows = children(&reply, &value, "SharedServer")?;
        Ok((reply, rows))
    }

    pub(super) async fn invites_v1(&self, lane: Lane) -> Result<Vec<Value>, Failure> {
        let (reply, value) = self.get_xml(lane, "/api/invites/requested").await?;
        children(&reply, &value, "Invite")
    }

    /// Everybody in the owner's Plex Home, for an act.
    ///
    /// # Errors
    /// When the listing can't be read whole.
    pub async fn home(&self, server: &ServerId, lane: Lane) -> Result<BTreeSet<PlexId>, Failure> {
        Ok(self.people(server, lane).await?.home)
    }

    async fn people(&self, server: &ServerId, lane: Lane) -> Result<People, Failure> {
        let (reply, value) = self.get_xml(lane, "/api/users").await?;
        let rows = children(&reply, &value, "User")?;
        rows::people(&rows, server).ok_or_else(|| super::not(&reply, "a list of people with ids"))
    }
}

/// The children of a v1 container, all that it says there are.
fn children(reply: &Reply, value: &Value, name: &str) -> Result<Vec<Value>, Failure> {
    let rows = list(&value[name]).unwrap_or_default().to_vec();
    for count in ["totalSize", "size"].into_iter().filter_map(|size| num(&value[size])) {
        if count != rows.len() as u64 {
            let why = format!("{}: it says {count} rows and lists {}", reply.what, rows.len());
            return Err(Failure::partial(why));
        }
    }
    unpaged(reply, rows.len())?;
    Ok(rows)
}

/// Unpaged in practice; headers that say otherwise mean that more is to come.
fn unpaged(reply: &Reply, count: usize) -> Result<(), Failure> {
    let total = reply.header("x-plex-container-total-size").and_then(|text| text.trim().parse::<usize>().ok());
    let more = reply.header("link").is_some_and(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
    if more || total.is_some_and(|total| total != count) {
        return Err(Failure::partial(format!("{}: {count} rows came and there are more", reply.what)));
    }
    Ok(())
}

/// Each id once: accepted wins over pending.
fn joined(accepted: Vec<Share>, pending: Vec<Share>) -> Vec<Share> {
    let mut shares: BTreeMap<_, Share> = BTreeMap::new();
    for share in accepted.into_iter().chain(pending) {
        let known = shares.entry(share.id).or_insert_with(|| share.clone());
        if share.is_accepted() && matches!(known.state, ShareState::Pending { .. }) {
            *known = share;
        }
    }
    shares.into_values().collect()
}

/// When its invite was made tells which one a share was before it was taken up,
/// unless another of the listing was made in the same second.
fn told_apart(mut shares: Vec<Share>) -> Vec<Share> {
    let made = |share: &Share| match share.state {
        ShareState::Pending { invited_at } => invited_at,
        ShareState::Accepted { .. } => share.invited_at,
    };
    let made: Vec<i64> = shares.iter().filter_map(made).map(|at| at.timestamp()).collect();
    let is_the_only_one = |at: &Moment| made.iter().filter(|other| **other == at.timestamp()).count() == 1;
    for share in &mut shares {
        share.invited_at = share.invited_at.filter(is_the_only_one);
    }
    shares
}

/// plex.tv lists people twice. A third missing from the listing of shares is
/// more than the second or two by which the two listings may lag.
fn whole(shares: &[Share], people: &People) -> Result<(), Failure> {
    let listed: BTreeSet<PlexId> = shares.iter().filter_map(|share| share.account).collect();
    let missing = people.on_ours.difference(&listed).count();
    if missing > 0 && missing * 3 >= people.on_ours.len() {
        let all = people.on_ours.len();
        let why = format!("plex.tv: its two listings disagree: {missing} of {all} people have no share in the other");
        return Err(Failure::partial(why));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/read.rs"]
mod tests;
