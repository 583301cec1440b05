use serde_json::json;

use super::*;
use crate::services::plex::xml;

fn ours() -> ServerId {
    ServerId::from("aaaa")
}

/// The sample of the contract, §5c.
fn accepted() -> Value {
    json!({"id":30000001,"name":"Attic","machineIdentifier":"aaaa","serverId":7000001,"ownerId":1000001,"owned":true,
      "accepted":true,"acceptedAt":"2024-07-01T02:13:20Z","deletedAt":null,"leftAt":null,"invitedId":2000001,
      "invitedEmail":null,"inviteToken":"SECRET","allLibraries":false,"numLibraries":1,"searchEnabled":true,
      "invited":{"id":2000001,"uuid":"u","username":"ann","title":"Ann","email":"Ann@Example.com","friendlyName":"",
        "home":false,"restricted":false,"status":null},
      "libraries":[{"id":128000001,"key":1,"title":"Movies","type":"movie"}],
      "sharingSettings":{"allowSync":true,"allowChannels":false,"allowTuners":0,"filterAll":null,"filterMovies":""}})
}

#[test]
fn a_share_is_read_as_the_contract_shows_it() {
    let share = share_v2(&accepted(), &ours(), true).unwrap().unwrap();
    assert_eq!((share.id, share.account), (ShareId(30000001), Some(PlexId(2000001))));
    assert_eq!(share.email, Email::parse("ann@example.com"));
    assert_eq!(share.sections, BTreeSet::from([SectionId(128000001)]));
    assert_eq!(share.state, ShareState::Accepted { accepted_at: Some("2024-07-01T02:13:20Z".parse().unwrap()) });
    assert_eq!((share.downloads, share.all_libraries), (Some(true), false));
    let settings = serde_json::to_value(share.settings).unwrap();
    assert_eq!(settings, accepted()["sharingSettings"], "exactly as read, nulls too");
}

#[test]
fn rows_of_other_servers_and_ended_ones_are_left_out() {
    for (name, value) in
        [("machineIdentifier", json!("bbbb")), ("deletedAt", json!("2024-08-01")), ("leftAt", json!(1719800000))]
    {
        let mut row = accepted();
        row[name] = value;
        assert_eq!(share_v2(&row, &ours(), true), Ok(None), "{name}");
    }
    for (name, value) in [("machineIdentifier", json!(null)), ("id", json!(null)), ("libraries", json!(null))] {
        let mut row = accepted();
        row[name] = value;
        assert!(share_v2(&row, &ours(), true).is_err(), "{name}");
    }
}

#[test]
fn settings_are_found_in_all_three_places() {
    let settings = json!({"allowSync": "1", "filterMovies": "label=kids"});
    let mut top = accepted();
    top.as_object_mut().unwrap().remove("sharingSettings");
    assert_eq!(share_v2(&top, &ours(), true).unwrap().unwrap().settings, None);
    let mut inside = top.clone();
    inside["invited"]["sharingSettings"] = settings.clone();
    top["allowSync"] = json!("1");
    top["filterMovies"] = json!("label=kids");
    for row in [top, inside] {
        let share = share_v2(&row, &ours(), true).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&share.settings).unwrap(), settings);
        assert_eq!(share.downloads, Some(true));
    }
}

#[test]
fn an_invite_to_an_address_has_no_account() {
    let row = json!({"id":"30000002","machineIdentifier":"aaaa","accepted":false,"acceptedAt":null,"invitedId":null,
        "invited":null,"invitedEmail":"bob@example.com","allLibraries":false,"libraries":[{"id":"128000001"}]});
    let share = share_v2(&row, &ours(), false).unwrap().unwrap();
    assert_eq!((share.account, share.email), (None, Email::parse("bob@example.com")));
    assert_eq!(share.state, ShareState::Pending { invited_at: None });
}

#[test]
fn v1_lists_every_section_and_only_the_shared_ones_count() {
    let xml = br#"<MediaContainer size="1"><SharedServer id="30000001" username="ann" email="ann@example.com" userID="2000001"
      accessToken="SECRET" name="Attic" acceptedAt="1719800000" invitedAt="1719700000" allowSync="1" allLibraries="0" owned="1">
      <Section id="128000001" key="1" title="Movies" type="movie" shared="1"/><Section id="128000002" key="2" shared="0"/>
      <Section id="128000003" key="3"/></SharedServer></MediaContainer>"#;
    let (_, value) = xml::parse(xml).unwrap();
    let share = share_v1(&value["SharedServer"][0]).unwrap();
    assert_eq!(share.sections, BTreeSet::from([SectionId(128000001)]));
    assert!(share.is_accepted() && share.settings.is_none() && share.downloads == Some(true));
    assert_eq!(share.invited_at, moment(&json!("1719700000")), "which invite it was");
}

#[test]
fn a_v1_invite_is_known_by_account_or_address() {
    let xml = br#"<MediaContainer><Invite id="ann@example.com" createdAt="1719700000" friend="0" home="0" server="1" username=""
      email="ann@example.com"><Server name="Attic" numLibraries="1"/></Invite></MediaContainer>"#;
    let (_, value) = xml::parse(xml).unwrap();
    let row = &value["Invite"][0];
    let share = invite_v1(row, "Attic").unwrap();
    assert!(share.account.is_none() && share.email.is_some() && is_made_up(share.id));
    assert_eq!(invite_v1(row, "Cellar"), None);
}

#[test]
fn people_tell_home_and_other_servers() {
    let xml = br#"<MediaContainer totalSize="2" size="2"><User id="2000001" title="Ann" home="0" restricted="0">
      <Server id="30000001" machineIdentifier="aaaa" owned="1" pending="0"/><Server id="3" machineIdentifier="bbbb" owned="1" pending="0"/></User>
      <User id="2000002" title="Kid" username="" email="" home="1" restricted="1"/>
      <User id="2000003" home="0"><Server machineIdentifier="aaaa" pending="1"/></User></MediaContainer>"#;
    let (_, value) = xml::parse(xml).unwrap();
    let people = people(list(&value["User"]).unwrap(), &ours()).unwrap();
    let only = |id| BTreeSet::from([PlexId(id)]);
    assert_eq!((people.home, people.restricted), (only(2000002), only(2000002)));
    assert_eq!((people.on_ours, people.on_others), (only(2000001), only(2000001)));
}

#[test]
fn our_server_is_the_known_one_else_by_name_else_the_only_one() {
    let server = |id: &str, name: &str| OwnServer { id: ServerId::from(id), name: name.to_owned() };
    let (attic, cellar, twin) = (server("aaaa", "Attic"), server("bbbb", "Cellar"), server("cccc", "attic"));
    let two = [attic.clone(), cellar.clone()];
    let known = ServerId::from("bbbb");
    assert_eq!(pick(&two, Some("Attic"), Some(&known)), Ok(&cellar));
    assert_eq!(pick(&two, Some(" ATTIC"), None), Ok(&attic));
    assert_eq!(pick(&two[..1], None, Some(&known)), Ok(&attic));
    assert!(pick(&two, None, None).unwrap_err().contains("\"Attic\", \"Cellar\""));
    assert!(pick(&[attic, twin], Some("Attic"), None).unwrap_err().contains("several"));
    assert!(pick(&two, Some("Shed"), None).unwrap_err().contains("PLEX_SERVER_NAME"));
    assert!(pick(&[], None, None).is_err());
}

#[test]
fn only_owned_servers_count() {
    let rows = [
        json!({"name":"Attic","clientIdentifier":"aaaa","provides":"server","owned":true}),
        json!({"name":"TV","clientIdentifier":"tttt","provides":"client,player","owned":true}),
        json!({"name":"Theirs","clientIdentifier":"zzzz","provides":"server","owned":false}),
    ];
    assert_eq!(own_servers(&rows).len(), 1);
}
