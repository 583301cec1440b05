use usher::facts::Moment;

use sandbox::mailbag::file_name;
use sandbox::smtp::Received;

#[test]
fn file_names_tell_when_to_whom_and_what() {
    let letter = Received {
        at: Moment::UNIX_EPOCH,
        from: String::new(),
        to: vec!["ann@example.com".into()],
        data: String::new(),
        message_id: String::new(),
        subject: "Your payment didn’t go through: /etc/../x".into(),
        connection: 1,
        ehlo: String::new(),
        tls: true,
        user: None,
        answer_lost: false,
    };
    assert_eq!(file_name(&letter), "1970-01-01-0000-ann-your-payment-didnt-go-through-etc-x");
}
