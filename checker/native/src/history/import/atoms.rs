//! What EDN writes without brackets: strings, characters, numbers, keywords and symbols.

use std::borrow::Cow;

use super::super::canonical::{write_float, write_string};
use super::super::scan::{shown, Checked, Fault, NUMBER_CHARACTERS_MAX};
use super::edn::Edn;

/// A kind of problem and its detail, the place being known to the caller.
type Refusal = (&'static str, String);

impl Edn<'_> {
    /// Step over a string, and give its characters as UTF-8.
    pub fn string(&mut self) -> Checked<Vec<u8>> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().position(|byte| b"\"\\".contains(byte));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.partial());
            };
            text.extend_from_slice(&rest[..plain]);
            self.at += plain;
            if rest[plain] == b'"' {
                self.at += 1;
                return Ok(text);
            }
            let character = self.escape()?;
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn escape(&mut self) -> Checked<char> {
        let plain = match self.text.get(self.at + 1) {
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'n') => '\n',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'\\') => '\\',
            Some(b'"') => '"',
            Some(b'u') => return self.unicode_escape(),
            Some(b'0'..=b'7') => return self.octal_escape(),
            Some(_) => return Err(self.not_edn("no escape is written so")),
            None => {
                self.at = self.text.len();
                return Err(self.partial());
            }
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Checked<char> {
        let start = self.at;
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
        let Some(code) = number_of(digits, 16).filter(|_| digits.len() == 4) else {
            return Err(self.not_edn("four hexadecimal digits belong here"));
        };
        self.at += 6;
        Ok(code)
    }

    fn octal_escape(&mut self) -> Checked<char> {
        let rest = &self.text[self.at + 1..];
        let count = rest
            .iter()
            .take(3)
            .take_while(|b| (b'0'..=b'7').contains(b));
        let digits = &rest[..count.count()];
        let code = number_of(digits, 8).filter(|code| *code <= 0o377);
        let Some(character) = code.and_then(char::from_u32) else {
            return Err(self.not_edn("an octal escape is at most \\377"));
        };
        self.at += 1 + digits.len();
        Ok(character)
    }

    /// Step over a character, and write it as a string.
    pub fn character(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let first = std::str::from_utf8(&rest[..rest.len().min(4)]);
        let first = first.or_else(|error| std::str::from_utf8(&rest[..error.valid_up_to()]));
        let Some(first) = first.unwrap_or_default().chars().next() else {
            return Err(self.partial());
        };
        self.at += 1 + first.len_utf8();
        if self
            .peek()
            .is_some_and(|byte| !super::edn::ends_token(byte))
        {
            self.token()?;
        }
        let name = &self.text[start + 1..self.at];
        let Some(character) = character_named(name, first) else {
            let (kind, detail) = ("not-edn", "no character is written so".to_string());
            return Err(Fault {
                at: start,
                kind,
                detail,
            });
        };
        write_string(character.encode_utf8(&mut [0; 4]).as_bytes(), out);
        Ok(())
    }
}

fn character_named(name: &[u8], first: char) -> Option<char> {
    match name {
        _ if name.len() == first.len_utf8() => Some(first),
        b"newline" => Some('\n'),
        b"return" => Some('\r'),
        b"space" => Some(' '),
        b"tab" => Some('\t'),
        b"backspace" => Some('\u{8}'),
        b"formfeed" => Some('\u{c}'),
        [b'u', digits @ ..] if digits.len() == 4 => char::from_u32(number_of(digits, 16)?),
        [b'o', digits @ ..] if digits.len() <= 3 => {
            char::from_u32(number_of(digits, 8).filter(|code| *code <= 0o377)?)
        }
        _ => None,
    }
}

/// The number that digits say, None if some are none.
fn number_of(digits: &[u8], radix: u32) -> Option<u32> {
    let mut digits = digits.iter().map(|digit| (*digit as char).to_digit(radix));
    digits.try_fold(0u32, |number, digit| {
        number.checked_mul(radix)?.checked_add(digit?)
    })
}

/// Write a token as JSON.
pub fn write_atom(token: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    match token {
        b"nil" => out.extend(b"null"),
        b"true" | b"false" => out.extend(token),
        [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => return write_number(token, out),
        [b':', ..] => write_string(keyword(token)?, out),
        [b'\'' | b'@' | b'`' | b'~' | b'^' | b'%', ..] => {
            return Err(refusal(token, "is no symbol"));
        }
        _ => write_string(token, out),
    }
    Ok(())
}

/// The name of a keyword.
pub fn keyword(token: &[u8]) -> Result<&[u8], Refusal> {
    match &token[1..] {
        [] | [b':', ..] => Err(refusal(token, "is no keyword")),
        name => Ok(name),
    }
}

fn refusal(token: &[u8], what: &str) -> Refusal {
    ("not-edn", format!("{} {what}", shown(token)))
}

fn write_number(token: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    if token.len() > NUMBER_CHARACTERS_MAX {
        return Err(("number-too-long", NUMBER_CHARACTERS_MAX.to_string()));
    }
    let (sign, digits): (&[u8], _) = match token {
        [b'-', digits @ ..] => (b"-", digits),
        [b'+', digits @ ..] => (b"", digits),
        digits => (b"", digits),
    };
    let is_number = if let Some(whole) = whole(digits) {
        write_whole(sign, &whole, out);
        true
    } else if let Some((above, below)) = ratio(digits) {
        write_ratio(sign, above, below, out);
        true
    } else if is_float(digits) {
        let text = [sign, digits.strip_suffix(b"M").unwrap_or(digits)].concat();
        write_float(&text, out).map_err(|detail| ("not-finite", detail))?;
        true
    } else {
        false
    };
    is_number
        .then_some(())
        .ok_or_else(|| refusal(token, "is no number"))
}

fn write_whole(sign: &[u8], digits: &[u8], out: &mut Vec<u8>) {
    if digits != b"0" {
        out.extend(sign);
    }
    out.extend(digits);
}

/// The digits of an integer: `12`, `12N`, `0xc`.
fn whole(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let [b'0', b'x' | b'X', digits @ ..] = text {
        let digits = std::str::from_utf8(digits).ok()?;
        let fits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| fits)?;
        return Some(number.to_string().into_bytes().into());
    }
    let digits = text.strip_suffix(b"N").unwrap_or(text);
    is_whole(digits).then_some(digits.into())
}

/// No integer other than 0 begins with 0.
fn is_whole(digits: &[u8]) -> bool {
    !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits[0] != b'0')
}

/// The two integers of `1/2`; their digits are few.
fn ratio(text: &[u8]) -> Option<(u64, u64)> {
    let slash = text.iter().position(|&byte| byte == b'/')?;
    let part = |digits: &[u8]| -> Option<u64> {
        let few = is_whole(digits) && digits.len() <= 18;
        std::str::from_utf8(digits)
            .ok()
            .filter(|_| few)?
            .parse()
            .ok()
    };
    let (above, below) = (part(&text[..slash])?, part(&text[slash + 1..])?);
    (below > 0).then_some((above, below))
}

/// Write a ratio in its lowest terms: a string, or an integer where it is one.
fn write_ratio(sign: &[u8], above: u64, below: u64, out: &mut Vec<u8>) {
    let (mut a, mut b) = (above, below);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    if below == a {
        write_whole(sign, (above / a).to_string().as_bytes(), out);
    } else {
        let sign = String::from_utf8_lossy(sign);
        write_string(format!("{sign}{}/{}", above / a, below / a).as_bytes(), out);
    }
}

/// `1.5`, `1e9`, `1.5E-3M`, `2M`.
fn is_float(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"M").unwrap_or(text);
    let exponent = text.iter().position(|byte| b"eE".contains(byte));
    let (mantissa, exponent) = text.split_at(exponent.unwrap_or(text.len()));
    let point = mantissa.iter().position(|&byte| byte == b'.');
    let (before, after) = mantissa.split_at(point.unwrap_or(mantissa.len()));
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    is_whole(before)
        && (after.is_empty() || digits(&after[1..]))
        && match exponent {
            [] => true,
            [_, b'+' | b'-', rest @ ..] | [_, rest @ ..] => digits(rest),
        }
}
