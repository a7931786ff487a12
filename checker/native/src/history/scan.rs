//! Checks JSON text strictly and brings it into canonical form, without building values.
//!
//! Most values of a history stand in canonical form already (the writer sorts keys and leaves no
//! spaces): `Scanner::value` finds that out in the same pass that checks them, and only the others
//! are written anew by `Scanner::emit`.

use super::canonical::write_float;

pub const DEPTH_MAX: usize = 128;
pub const NUMBER_CHARACTERS_MAX: usize = 1000;
const SHOWN_CHARACTERS_MAX: usize = 40;

/// What is wrong, and at which byte of the line (from 0).
pub struct Fault {
    pub at: usize,
    pub kind: &'static str,
    pub detail: String,
}

pub type Checked<T> = Result<T, Fault>;

pub struct Scanner<'a> {
    pub text: &'a [u8],
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
    pub fn escape(&mut self) -> Checked<char> {
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
    pub fn goes_on(&mut self, close: u8, first: bool, canonical: &mut bool) -> Checked<bool> {
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
}

/// The beginning of a text, for a message.
pub fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(SHOWN_CHARACTERS_MAX)
        .collect()
}
