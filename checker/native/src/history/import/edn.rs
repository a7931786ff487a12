//! Reads EDN (edn-format.org) and writes what it says as canonical JSON.
//!
//! Keywords, symbols and characters become strings, lists and sets arrays (a set is sorted), keys
//! of maps strings, ratios strings, `#inst` and `#uuid` their strings. A value with any other tag
//! becomes an object: `#a/b 1` is `{"#a/b":1}`. The simple twin is `importers/edn.py`.

use std::borrow::Cow;

use super::super::canonical::{write_object, write_string, Member};
use super::super::scan::{Checked, Fault, Scanner, DEPTH_MAX};
use super::atoms::{keyword, write_atom};

/// Tags of `jepsen.independent`'s pairs of key and value.
const TUPLES: [&[u8]; 4] = [
    b"jepsen.independent.Tuple",
    b"jepsen.independent/tuple",
    b"clojure.lang.MapEntry",
    b"MapEntry",
];
/// Tags whose value says it all.
const TRANSPARENT: [&[u8]; 4] = [b"inst", b"uuid", b"jepsen.history.Op", b"knossos.op.Op"];

/// The kind of the fault of a text that ends too early.
pub const PARTIAL: &str = "partial-line";

pub struct Edn<'a> {
    pub text: &'a [u8],
    pub at: usize,
    /// Whether a tagged tuple of key and value was met.
    pub tuples: bool,
    depth: usize,
}

impl<'a> Edn<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Edn {
            text,
            at: 0,
            tuples: false,
            depth: 0,
        }
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Step over white space, commas, comments and discarded forms.
    pub fn blank(&mut self) -> Checked<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | 11 | 12 | b',') => self.at += 1,
                Some(b';') => {
                    let rest = &self.text[self.at..];
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    self.at += end.unwrap_or(rest.len());
                }
                Some(b'#') if self.text.get(self.at + 1) == Some(&b'_') => {
                    self.enter(2)?;
                    self.form(&mut Vec::new())?;
                    self.leave();
                }
                _ => return Ok(()),
            }
        }
    }

    /// Step over one form and write it as canonical JSON.
    pub fn form(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.blank()?;
        match self.peek() {
            None => Err(self.partial()),
            Some(b'{') => self.map(b"", out),
            Some(b'[') => self.sequence(b']', out),
            Some(b'(') => self.sequence(b')', out),
            Some(b'"') => {
                let text = self.string()?;
                write_string(&text, out);
                Ok(())
            }
            Some(b'\\') => self.character(out),
            Some(b'#') => self.dispatch(out),
            Some(_) => {
                let at = self.at;
                let token = self.token()?;
                write_atom(token, out).map_err(|(kind, detail)| Fault { at, kind, detail })
            }
        }
    }

    /// Step into something nested; these bytes begin it.
    pub fn enter(&mut self, bytes: usize) -> Checked<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("too-deep", DEPTH_MAX.to_string()));
        }
        self.at += bytes;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Step over blanks inside brackets: false, and past it, at the closing one.
    pub fn goes_on(&mut self, close: u8) -> Checked<bool> {
        self.blank()?;
        if self.peek() != Some(close) {
            return Ok(true);
        }
        self.at += 1;
        self.leave();
        Ok(false)
    }

    pub fn fault(&self, kind: &'static str, detail: String) -> Fault {
        Fault {
            at: self.at,
            kind,
            detail,
        }
    }

    pub fn not_edn(&self, detail: &str) -> Fault {
        self.fault("not-edn", detail.to_string())
    }

    pub fn partial(&self) -> Fault {
        self.fault(PARTIAL, String::new())
    }

    fn sequence(&mut self, close: u8, out: &mut Vec<u8>) -> Checked<()> {
        self.enter(1)?;
        out.push(b'[');
        let start = out.len();
        while self.goes_on(close)? {
            if out.len() > start {
                out.push(b',');
            }
            self.form(out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn set(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.enter(2)?;
        let mut elements = Vec::new();
        while self.goes_on(b'}')? {
            let at = self.at;
            let mut element = Vec::new();
            self.form(&mut element)?;
            elements.push((element, at));
        }
        elements.sort();
        let twins = elements.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        if let Some(at) = twins.map(|pair| pair[1].1).min() {
            let (kind, detail) = ("not-edn", "a set holds an element twice".to_string());
            return Err(Fault { at, kind, detail });
        }
        let elements: Vec<_> = elements.into_iter().map(|(element, _)| element).collect();
        out.push(b'[');
        out.extend(elements.join(&b','));
        out.push(b']');
        Ok(())
    }

    fn map(&mut self, namespace: &[u8], out: &mut Vec<u8>) -> Checked<()> {
        self.enter(1)?;
        let mut members = Vec::new();
        while self.goes_on(b'}')? {
            let at = self.at;
            let name = self.name(namespace)?.into_owned();
            let mut value = Vec::new();
            self.member_value(&mut value)?;
            members.push(Member { name, at, value });
        }
        write_object(&mut members, out)
    }

    /// Step over the value that follows a key.
    pub fn member_value(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.blank()?;
        if self.peek() == Some(b'}') {
            return Err(self.not_edn("a map has a key without a value"));
        }
        self.form(out)
    }

    /// Step over a key of a map: its name; what is no keyword and no string is named by its JSON.
    pub fn name(&mut self, namespace: &[u8]) -> Checked<Cow<'a, [u8]>> {
        if self.peek() == Some(b':') {
            let at = self.at;
            let name = keyword(self.token()?);
            let name = name.map_err(|(kind, detail)| Fault { at, kind, detail })?;
            return Ok(qualified(namespace, name));
        }
        let mut written = Vec::new();
        self.form(&mut written)?;
        if written.first() != Some(&b'"') {
            return Ok(written.into());
        }
        Ok(Scanner::new(&written).decoded()?.into())
    }

    /// What begins with a number sign, discarded forms apart.
    fn dispatch(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        match self.text.get(self.at + 1) {
            None => Err(self.fault(PARTIAL, String::new())),
            Some(b'{') => self.set(out),
            Some(b'#') => self.symbolic(out),
            Some(b':') => self.namespaced(out),
            Some(byte) if byte.is_ascii_alphabetic() => self.tagged(out),
            Some(_) => Err(self.not_edn("this is not how EDN writes a value")),
        }
    }

    /// Numbers that are none to JSON.
    fn symbolic(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        let at = self.at;
        self.at += 2;
        let name = self.token()?;
        let text: &[u8] = match name {
            b"NaN" => b"NaN",
            b"Inf" => b"Infinity",
            b"-Inf" => b"-Infinity",
            _ => {
                self.at = at;
                return Err(self.not_edn("after ## one of Inf, -Inf, NaN belongs"));
            }
        };
        write_string(text, out);
        Ok(())
    }

    /// `#:name{...}`: the namespace of the keys stands in front.
    fn namespaced(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.at += 2;
        let namespace = self.token()?;
        self.blank()?;
        match self.peek() {
            Some(b'{') => self.map(namespace, out),
            None => Err(self.partial()),
            Some(_) => Err(self.not_edn("after a namespace a map belongs")),
        }
    }

    fn tagged(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        self.enter(1)?;
        let at = self.at;
        let tag = self.token()?;
        let mut value = Vec::new();
        self.form(&mut value)?;
        self.leave();
        if TUPLES.contains(&tag) {
            self.tuples = true;
            return write_tuple(&value, out).ok_or(Fault {
                at,
                kind: "not-edn",
                detail: "a tuple is a key and a value".to_string(),
            });
        }
        if TRANSPARENT.contains(&tag) {
            out.extend(value);
            return Ok(());
        }
        let name = [b"#", tag].concat();
        write_object(&mut [Member { name, at, value }], out)
    }

    /// The characters up to the next that ends a token; there is at least one.
    pub fn token(&mut self) -> Checked<&'a [u8]> {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| ends_token(byte));
        let token = &rest[..end.unwrap_or(rest.len())];
        if let Some(&byte) = rest.first().filter(|_| token.is_empty()) {
            return Err(self.not_edn(&format!("a value belongs here, not '{}'", byte as char)));
        }
        if token.is_empty() {
            return Err(self.partial());
        }
        self.at += token.len();
        Ok(token)
    }
}

/// The name of a key in a map whose keys share a namespace; `_/` says that it has none.
fn qualified<'a>(namespace: &[u8], name: &'a [u8]) -> Cow<'a, [u8]> {
    match name.strip_prefix(b"_/") {
        _ if namespace.is_empty() => name.into(),
        Some(bare) => bare.into(),
        None if name.contains(&b'/') => name.into(),
        None => [namespace, b"/", name].concat().into(),
    }
}

pub fn ends_token(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | 11
            | 12
            | b','
            | b'"'
            | b';'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'\\'
    )
}

/// Write a tuple, which is printed as a vector or as a record, as an array. None for others.
fn write_tuple(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let parts = match value.first()? {
        b'[' => elements(value)?,
        b'{' => members(value)?.into_iter().map(|(_, part)| part).collect(),
        _ => return None,
    };
    let [key, value] = parts[..] else { return None };
    out.push(b'[');
    out.extend([key, value].join(&b','));
    out.push(b']');
    Some(())
}

/// The texts of the elements of a canonical array, None if the text is something else.
pub fn elements(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scanner = Scanner::new(text);
    let mut found = Vec::new();
    let mut separator = b'[';
    while text.len() > 2 && scanner.takes(separator) {
        let start = scanner.at;
        scanner.value().ok()?;
        found.push(&text[start..scanner.at]);
        separator = b',';
    }
    (text == b"[]" || scanner.peek() == Some(b']')).then_some(found)
}

/// The texts of names and values of a canonical object, None if the text is something else.
pub fn members(text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut scanner = Scanner::new(text);
    let mut found = Vec::new();
    let mut separator = b'{';
    while text.len() > 2 && scanner.takes(separator) {
        let start = scanner.at;
        scanner.key().ok()?;
        let name = &text[start..scanner.at];
        scanner.colon().ok()?;
        let start = scanner.at;
        scanner.value().ok()?;
        found.push((name, &text[start..scanner.at]));
        separator = b',';
    }
    (text == b"{}" || scanner.peek() == Some(b'}')).then_some(found)
}
