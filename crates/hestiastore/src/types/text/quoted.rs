//! Quoted text: strings, byte strings and characters inside a tuple, array or option.

/// Appends `bytes` between `quote`s. Bytes outside printable ASCII are written as `\xNN`.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in bytes {
        out.extend(byte.escape_ascii());
    }
    out.push(b'"');
}

/// Appends `text` between `quote`s. Control characters are escaped, all others stay.
pub(super) fn write_text(text: &str, quote: char, out: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    let mut put = |char: char, out: &mut Vec<u8>| {
        out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
    };
    put(quote, out);
    for char in text.chars() {
        if char == quote || char == '\\' {
            out.push(b'\\');
            put(char, out);
        } else if char == '\0' || (char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
            char.escape_unicode().for_each(|escape| put(escape, out));
        } else if char.is_control() {
            char.escape_default().for_each(|escape| put(escape, out));
        } else {
            put(char, out);
        }
    }
    put(quote, out);
}

/// Reads from behind an opening quote, and moves `rest` behind the closing one.
pub(super) fn read(rest: &mut &[u8], quote: u8) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        let (first, behind) = rest.split_first().ok_or("a quote is not closed")?;
        *rest = behind;
        match *first {
            b'\\' => read_escape(rest, &mut bytes)?,
            byte if byte == quote => return Ok(bytes),
            byte => bytes.push(byte),
        }
    }
}

/// Reads from behind a backslash.
fn read_escape(rest: &mut &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
    let (kind, behind) = rest.split_first().ok_or("a quote is not closed")?;
    *rest = behind;
    match kind {
        b'n' => bytes.push(b'\n'),
        b'r' => bytes.push(b'\r'),
        b't' => bytes.push(b'\t'),
        b'0' => bytes.push(0),
        b'\\' | b'"' | b'\'' => bytes.push(*kind),
        b'x' => {
            let (pair, behind) = rest.split_first_chunk::<2>().ok_or("\\x needs two hexadecimal digits")?;
            *rest = behind;
            bytes.push(hex_pair(pair).ok_or("\\x needs two hexadecimal digits")?);
        }
        b'u' => {
            let char = read_code_point(rest).ok_or("\\u needs a code point, as in \\u{1f600}")?;
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        other => {
            return Err(format!("the escape \\{} is not known", other.escape_ascii()));
        }
    }
    Ok(())
}

pub(super) fn hex_pair(pair: &[u8; 2]) -> Option<u8> {
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

fn read_code_point(rest: &mut &[u8]) -> Option<char> {
    let (digits, behind) = {
        let inside = rest.strip_prefix(b"{")?;
        let end = inside.iter().take(7).position(|byte| *byte == b'}')?;
        inside.split_at_checked(end)?
    };
    *rest = behind.strip_prefix(b"}")?;
    if digits.is_empty() {
        return None;
    }
    let mut code = 0;
    for digit in digits {
        code = code << 4 | char::from(*digit).to_digit(16)?;
    }
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_readable() {
        let mut out = Vec::new();
        write_text("a\"'\\\n\0\u{1b}\u{85}é😀", '"', &mut out);
        assert_eq!(out, "\"a\\\"'\\\\\\n\\u{0}\\u{1b}\\u{85}é😀\"".as_bytes());
        out.clear();
        write_bytes(b"a\"'\\\n\0\xff", &mut out);
        assert_eq!(out, br#""a\"\'\\\n\x00\xff""#);
    }

    #[test]
    fn wrong_quotes_are_refused() {
        for bad in [
            "",
            "a",
            "\\",
            "\\\"",
            "\\q\"",
            "\\x\"",
            "\\x1\"",
            "\\xg0\"",
            "\\u\"",
            "\\u{}\"",
            "\\u{d800}\"",
            "\\u{110000}\"",
            "\\u{0000041}\"",
            "\\u{+1}\"",
            "\\u{41\"",
        ] {
            assert!(read(&mut bad.as_bytes(), b'"').is_err(), "{bad:?}");
        }
        assert_eq!(read(&mut &br#"\x41\u{42}\0\'""#[..], b'"').unwrap(), b"AB\0'");
    }

    proptest! {
        #[test]
        fn round_trip(text in any::<String>(), bytes: Vec<u8>, control in "[\\x00-\\x7f]*") {
            for text in [text, control] {
                for quote in ['"', '\''] {
                    let mut out = Vec::new();
                    write_text(&text, quote, &mut out);
                    prop_assert_eq!(&read(&mut &out[1..], quote as u8).unwrap(), text.as_bytes());
                }
            }
            let mut out = Vec::new();
            write_bytes(&bytes, &mut out);
            prop_assert_eq!(read(&mut &out[1..], b'"').unwrap(), bytes);
        }
    }
}
