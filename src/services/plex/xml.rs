//! XML as a JSON value, so that v1 and v2 rows are read by the same words:
//! attributes become texts, children become lists under their name.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

/// Deeper than anything plex.tv sends; a bomb ends here.
const DEPTH_MAX: usize = 16;

/// The root's name and content; `None` when `body` isn't one whole document.
pub fn parse(body: &[u8]) -> Option<(String, Value)> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let mut open: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if open.len() < DEPTH_MAX => open.push(element(&start)?),
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let element = open.pop()?;
                close(element, &mut open, &mut root)?;
            }
            Event::Start(_) => return None,
            Event::Eof => break,
            _ => {}
        }
    }
    // An element still open: the answer was cut.
    if open.is_empty() { root } else { None }
}

fn close(
    (name, content): (String, Map<String, Value>),
    open: &mut [(String, Map<String, Value>)],
    root: &mut Option<(String, Value)>,
) -> Option<()> {
    let Some((_, parent)) = open.last_mut() else {
        // A second root is no document.
        return root.replace((name, Value::Object(content))).is_none().then_some(());
    };
    match parent.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(children) => children.push(Value::Object(content)),
        // An attribute of the same name: the children matter.
        other => *other = Value::Array(vec![Value::Object(content)]),
    }
    Some(())
}

fn element(start: &BytesStart<'_>) -> Option<(String, Map<String, Value>)> {
    let mut content = Map::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        content.insert(attribute.key.0.to_owned(), Value::String(value.into_owned()));
    }
    Some((start.name().0.to_owned(), content))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_become_texts_and_children_lists() {
        let xml = br#"<?xml version="1.0"?><A x="1 &amp; 2"><B y=""/><B/><C><D/></C>text</A>"#;
        let expected = json!({"x": "1 & 2", "B": [{"y": ""}, {}], "C": [{"D": [{}]}]});
        assert_eq!(parse(xml), Some(("A".to_owned(), expected)));
    }

    #[test]
    fn what_is_cut_or_no_xml_is_none() {
        for bad in ["", "<A><B/>", "<A/><A/>", "{}", "<A></B>", "<A x=1/>", "<html><br></html>"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
