use sandbox::smtp::letter::*;

#[test]
fn words_and_bodies_are_decoded() {
    assert_eq!(decode_words("=?UTF-8?B?WW91ciBhY2Nlc3Mg4oCm?="), "Your access …");
    assert_eq!(decode_words("Hi =?utf-8?Q?Zo=C3=AB_a?= =?utf-8?Q?b?= c"), "Hi Zoë ab c");
    assert_eq!(quoted_printable("a=3Db=\r\nc=E2=82=AC"), "a=bc€".as_bytes());
}

#[test]
fn the_two_parts_of_an_alternative_are_found() {
    let message = "Subject: x\r\nContent-Type: multipart/alternative;\r\n boundary=\"b1\"\r\n\r\n\
        --b1\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nZo=C3=AB\r\n\
        --b1\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\nWjwvYj4=\r\n--b1--\r\n";
    assert_eq!(part(message, "text/plain").as_deref(), Some("Zoë"));
    assert_eq!(part(message, "text/html").as_deref(), Some("<b>Z</b>"));
    assert_eq!(faults_of_form(message).len(), 4);
}
