use super::*;
use crate::services::script::{Answer, Asked, http, lines, live, serve};

async fn sign_in(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (SignIn, Asked) {
    let (base, asked) = serve(move |line, _| answer(line)).await;
    (plex::Plex::new(http(), Some(base), Secret::new("OWNER"), "client-1".to_owned()).sign_in(), asked)
}

fn json(status: u16, text: &str) -> Answer {
    (status, "application/json", text.to_owned())
}

const ANN: &str = r#"{"id":2000001,"username":"ann","email":"Ann@Example.com","confirmed":true,"authToken":"PERSON"}"#;

fn taken_up(user: &'static str) -> impl Fn(&str) -> Answer + Clone {
    move |line| match line {
        "GET /api/v2/pins/42" => json(200, r#"{"id":42,"code":"c","authToken":"PERSON"}"#),
        "GET /api/v2/user" => json(200, user),
        _ => json(500, "{}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_leads_to_plexs_page_and_back_with_everything_encoded() {
    let made = r#"{"id":42,"code":"a+b/c=&d","expiresIn":86400,"authToken":null}"#;
    let (sign_in, asked) = sign_in(move |_| json(201, made)).await;
    let pin = sign_in.begin(&live()).await.unwrap();
    assert_eq!((pin.id, pin.secs), (42, SIGN_IN_SECS_MAX));
    assert_eq!(asked.lock().unwrap()[0].0, "POST /api/v2/pins?strong=true");
    assert_eq!(
        sign_in.page(&pin, "https://cinema.example/join/a b?x"),
        "https://app.plex.tv/auth#?clientID=client-1&code=a%2Bb%2Fc%3D%26d&context%5Bdevice%5D%5Bproduct%5D=Usher\
         &forwardUrl=https%3A%2F%2Fcinema.example%2Fjoin%2Fa+b%3Fx"
    );
    assert!(!format!("{pin:?}").contains("a+b"), "whoever has the code could take it up");
}

#[tokio::test(start_paused = true)]
async fn who_signed_in_is_read_once_with_their_own_token() {
    let (sign_in, asked) = sign_in(taken_up(ANN)).await;
    let ann = SignedIn { account: PlexId(2_000_001), email: Email::parse("ann@example.com") };
    assert_eq!(sign_in.shown(42).await.unwrap(), Shown::Account(ann.clone()));
    assert_eq!(lines(&asked), ["GET /api/v2/pins/42", "GET /api/v2/user"]);
    for (user, email) in [
        (r#"{"id":"2000001","email":"boss@example.com","confirmed":false}"#, None),
        (r#"{"id":2000001,"email":"","confirmed":true}"#, None),
        (r#"{"id":2000001,"email":"ann@example.com"}"#, ann.email.clone()),
    ] {
        let (sign_in, _) = self::sign_in(taken_up(user)).await;
        let shown = sign_in.shown(42).await.unwrap();
        assert_eq!(shown, Shown::Account(SignedIn { account: ann.account, email }), "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_yet_expired_and_an_outage_are_three_things() {
    for (status, body, shown) in [
        (200, r#"{"id":42,"authToken":null}"#, Some(Shown::Nobody)),
        (200, r#"{"id":42,"authToken":""}"#, Some(Shown::Nobody)),
        (404, r#"{"errors":[{"code":1020}]}"#, Some(Shown::Expired)),
        (500, "", None),
        (429, "", None),
        (200, "<html>", None),
    ] {
        let (sign_in, asked) = sign_in(move |_| json(status, body)).await;
        assert_eq!(sign_in.shown(42).await.ok(), shown, "{status} {body}");
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
    for user in [r#"{"id":0}"#, r#"{"username":"ann"}"#, "[]"] {
        let (sign_in, _) = sign_in(taken_up(user)).await;
        let failure = sign_in.shown(42).await.unwrap_err();
        assert!(failure.kind == FailureKind::Nonsense && !failure.why.contains("PERSON"), "{}", failure.why);
    }
    let (sign_in, _) = sign_in(|_| json(201, r#"{"id":42}"#)).await;
    assert_eq!(sign_in.begin(&live()).await.unwrap_err().kind, FailureKind::Nonsense);
}

#[tokio::test(start_paused = true)]
async fn a_page_waits_seconds_for_plex_and_no_longer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let plex = plex::Plex::new(http(), Some(base), Secret::new("OWNER"), "client-1".to_owned());
    let present = || tokio::time::sleep(Duration::ZERO).deadline();
    let begun = present();
    assert_eq!(plex.sign_in().begin(&live()).await.unwrap_err().kind, FailureKind::Unreachable);
    assert_eq!(plex.sign_in().shown(42).await.unwrap_err().kind, FailureKind::Unreachable);
    assert!(present() - begun < 3 * SIGN_IN_TIMEOUT);
}
