//! Just enough JSON to write a snapshot.

/// Appends `text` as a JSON string, quotes included.
pub(super) fn put_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Controls must be escaped; the two line separators are, for readers that run it as script.
            '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain ü 火", r#""plain ü 火""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t", r#""\n\r\t""#),
            ("\0\x08\x1f\x7f", r#""\u0000\u0008\u001f\u007f""#),
            ("\u{2028}", r#""\u2028""#),
        ] {
            let mut out = String::new();
            put_string(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
