//! Checks JSON text strictly and brings it into canonical form, without building values.
//!
//! Most values of a history stand in canonical form already (the writer sorts keys and leaves no
//! spaces): `Scanner::value` finds that out in the same pass that checks them, and only the others
//! are written anew by `Scanner::emit`.

use std::fmt::Write as _;

pub const DEPTH_MAX: usize = 128;
const NUMBER_CHARACTERS_MAX: usize = 1000;
const SHOWN_CHARACTERS_MAX: usize = 40;

/// What is wrong, and at which byte of the line (from 0).
pub struct Fault {
    pub at: usize,
    pub kind: &'static str,
    pub detail: String,
}

type Checked<T> = Result<T, Fault>;

pub struct Scanner<'a> {
    text: &'a [u8],
    pub at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Scanner {
            text,
            at: 0,
            depth: 0,
        }
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Step over this byte if it is the next.
    pub fn takes(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    pub fn expect(&mut self, byte: u8) -> Checked<()> {
        if self.takes(byte) {
            return Ok(());
        }
        Err(self.not_json(&format!("'{}' belongs here", byte as char)))
    }

    pub fn not_json(&self, detail: &str) -> Fault {
        Fault {
            at: self.at,
            kind: "not-json",
            detail: detail.to_string(),
        }
    }

    /// Step into an object or array.
    pub fn enter(&mut self) -> Checked<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault {
                at: self.at,
                kind: "too-deep",
                detail: DEPTH_MAX.to_string(),
            });
        }
        self.at += 1;
        Ok(())
    }

    /// Step over one value. True if it stands in canonical form.
    pub fn value(&mut self) -> Checked<bool> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.no_value()),
        }
    }

    fn no_value(&self) -> Fault {
        for name in ["NaN", "Infinity", "-Infinity"] {
            if self.text[self.at..].starts_with(name.as_bytes()) {
                return Fault {
                    at: self.at,
                    kind: "not-finite",
                    detail: name.to_string(),
                };
            }
        }
        self.not_json("a value belongs here")
    }

    fn literal(&mut self, name: &str) -> Checked<bool> {
        if !self.text[self.at..].starts_with(name.as_bytes()) {
            return Err(self.no_value());
        }
        self.at += name.len();
        Ok(true)
    }

    /// Step over a string. True if it holds no escapes; those that need some are written anew.
    pub fn string(&mut self) -> Checked<bool> {
        self.at += 1;
        let mut plain = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.escape()?;
                    plain = false;
                }
                Some(byte) if byte >= b' ' => self.at += 1,
                Some(_) => return Err(self.not_json("a control character stands unescaped")),
                None => return Err(self.not_json("a string has no end")),
            }
        }
        self.at += 1;
        Ok(plain)
    }

    /// Step over one escape (a whole surrogate pair), and give the character.
    fn escape(&mut self) -> Checked<char> {
        let start = self.at;
        let plain = match self.text.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(self.not_json("no escape is written so")),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Checked<char> {
        let mut code = self.hexadecimal()?;
        if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with(b"\\u") {
            let low = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code).ok_or(Fault {
            at: start,
            kind: "surrogate",
            detail: String::new(),
        })
    }

    /// Step over `\uXXXX`.
    fn hexadecimal(&mut self) -> Checked<u32> {
        let digits = self.text.get(self.at + 2..self.at + 6).unwrap_or_default();
        if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.not_json("four hexadecimal digits belong here"));
        }
        self.at += 6;
        let value = |digit: &u8| (*digit as char).to_digit(16).unwrap_or_default();
        Ok(digits
            .iter()
            .fold(0, |code, digit| code * 16 + value(digit)))
    }

    /// Step over a number. True if it stands in canonical form.
    fn number(&mut self) -> Checked<bool> {
        let start = self.at;
        let is_integer = self.number_parts()?;
        let text = &self.text[start..self.at];
        if text.len() > NUMBER_CHARACTERS_MAX {
            let detail = NUMBER_CHARACTERS_MAX.to_string();
            return Err(Fault {
                at: start,
                kind: "number-too-long",
                detail,
            });
        }
        if is_integer {
            return Ok(text != b"-0");
        }
        let mut written = Vec::new();
        write_float(text, &mut written).map_err(|detail| Fault {
            at: start,
            kind: "not-finite",
            detail,
        })?;
        Ok(written == text)
    }

    /// Step over sign, integer, fraction and exponent. True if there is an integer only.
    fn number_parts(&mut self) -> Checked<bool> {
        if self.peek() == Some(b'-') {
            if self.text[self.at..].starts_with(b"-Infinity") {
                return Err(self.no_value());
            }
            self.at += 1;
        }
        if !self.takes(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.takes(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(is_integer)
    }

    fn digits(&mut self) -> Checked<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.not_json("a digit belongs here"));
        }
        Ok(())
    }

    /// Step over a separator and blanks inside brackets: false at the closing one.
    fn goes_on(&mut self, close: u8, first: bool, canonical: &mut bool) -> Checked<bool> {
        let start = self.at;
        self.blank();
        if self.takes(close) {
            *canonical &= self.at == start + 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
            self.blank();
        }
        *canonical &= self.at == start + usize::from(!first);
        Ok(true)
    }

    fn array(&mut self) -> Checked<bool> {
        self.enter()?;
        let (mut canonical, mut first) = (true, true);
        while self.goes_on(b']', first, &mut canonical)? {
            canonical &= self.value()?;
            first = false;
        }
        Ok(canonical)
    }

    /// Step over an object. It is canonical only if its keys grow, which no twice named key does.
    fn object(&mut self) -> Checked<bool> {
        self.enter()?;
        let (mut canonical, mut first) = (true, true);
        let mut last: &[u8] = b"";
        while self.goes_on(b'}', first, &mut canonical)? {
            let key = self.at + 1;
            canonical &= self.key()?;
            let key = &self.text[key..self.at - 1];
            canonical &= first || last < key;
            (last, first) = (key, false);
            canonical &= self.colon()?;
            canonical &= self.value()?;
        }
        Ok(canonical)
    }

    /// Step over a key. True if it holds no escapes.
    pub fn key(&mut self) -> Checked<bool> {
        if self.peek() != Some(b'"') {
            return Err(self.not_json("a name in double quotes belongs here"));
        }
        self.string()
    }

    /// Step over a colon and the blanks around it. True if there are none.
    pub fn colon(&mut self) -> Checked<bool> {
        let start = self.at;
        self.blank();
        self.expect(b':')?;
        self.blank();
        Ok(self.at == start + 1)
    }

    /// Step over one value that `value` has checked, and write its canonical form.
    pub fn emit(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.emit_object(out),
            Some(b'[') => self.emit_array(out),
            Some(b'"') => {
                let text = self.decoded()?;
                write_string(&text, out);
                Ok(())
            }
            _ => {
                self.value()?;
                write_plain(&self.text[start..self.at], out);
                Ok(())
            }
        }
    }

    fn emit_array(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.enter()?;
        out.push(b'[');
        let mut first = true;
        while self.goes_on(b']', first, &mut true)? {
            if !first {
                out.push(b',');
            }
            self.emit(out)?;
            first = false;
        }
        out.push(b']');
        Ok(())
    }

    fn emit_object(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.enter()?;
        let mut members = Vec::new();
        while self.goes_on(b'}', members.is_empty(), &mut true)? {
            let at = self.at;
            let name = self.decoded()?;
            self.colon()?;
            let mut value = Vec::new();
            self.emit(&mut value)?;
            members.push(Member { name, at, value });
        }
        write_object(&mut members, out)
    }

    /// Step over a string, and give its characters as UTF-8.
    pub fn decoded(&mut self) -> Checked<Vec<u8>> {
        let mut decoded = Vec::new();
        self.at += 1;
        while !self.takes(b'"') {
            if self.peek() == Some(b'\\') {
                let character = self.escape()?;
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                decoded.push(self.text[self.at]);
                self.at += 1;
            }
        }
        Ok(decoded)
    }
}

/// One member of an object: its name, where that stands in the line, its value's canonical text.
pub struct Member {
    pub name: Vec<u8>,
    pub at: usize,
    pub value: Vec<u8>,
}

/// Write an object with its members in order of their names. A name twice is a fault.
pub fn write_object(members: &mut [Member], out: &mut Vec<u8>) -> Checked<()> {
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let twins = members
        .windows(2)
        .filter(|pair| pair[0].name == pair[1].name);
    if let Some(pair) = twins.min_by_key(|pair| pair[1].at) {
        return Err(named_twice(pair[1].at, &pair[1].name));
    }
    out.push(b'{');
    for (position, member) in members.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(&member.name, out);
        out.push(b':');
        out.extend_from_slice(&member.value);
    }
    out.push(b'}');
    Ok(())
}

pub fn named_twice(at: usize, name: &[u8]) -> Fault {
    let mut detail = Vec::new();
    write_string(name, &mut detail);
    Fault {
        at,
        kind: "duplicate-key",
        detail: String::from_utf8_lossy(&detail).into_owned(),
    }
}

/// Write a string in quotes, with no escapes but those that JSON demands.
pub fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            8 => out.extend(b"\\b"),
            9 => out.extend(b"\\t"),
            10 => out.extend(b"\\n"),
            12 => out.extend(b"\\f"),
            13 => out.extend(b"\\r"),
            0..=31 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Write a literal or a number that has been checked.
fn write_plain(text: &[u8], out: &mut Vec<u8>) {
    if text == b"-0" {
        out.push(b'0');
    } else if text[0].is_ascii_alphabetic() || !text.iter().any(|b| b".eE".contains(b)) {
        out.extend_from_slice(text);
    } else {
        // The number is finite, or `value` had refused it.
        let _ = write_float(text, out);
    }
}

/// Write a number with a fraction or an exponent in its shortest form: 1.0, 0.00001, 1e-6, 1e16.
/// A number too large for 64 bits is returned as the error.
fn write_float(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let number: f64 = text.parse().unwrap_or(f64::INFINITY);
    if number.is_infinite() {
        return Err(text.chars().take(SHOWN_CHARACTERS_MAX).collect());
    }
    let number = number + 0.0;
    let mut written = String::new();
    // Writing to a string cannot fail.
    let _ = if (1e-5..1e-4).contains(&number.abs()) {
        write!(written, "{number}")
    } else {
        write!(written, "{number:?}")
    };
    out.extend_from_slice(written.as_bytes());
    Ok(())
}

/// The beginning of a text, for a message.
pub fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(SHOWN_CHARACTERS_MAX)
        .collect()
}
