//! Writes JSON in its canonical form: names in order of their code points, no spaces, no escapes
//! but those that JSON demands, shortest numbers. `values.py` says the same with msgspec.

use super::scan::{shown, Checked, Fault, Scanner};

impl Scanner<'_> {
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
pub fn write_float(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let digits = std::str::from_utf8(text).unwrap_or_default();
    let number: f64 = digits.parse().unwrap_or(f64::INFINITY);
    if number.is_infinite() {
        return Err(shown(text));
    }
    // Not by `format!`: of two shortest forms it may take the odd one, 562949953421312.3 for .2,
    // and one number had two texts, this one here and the twin's.
    out.extend_from_slice(ryu::Buffer::new().format_finite(number + 0.0).as_bytes());
    Ok(())
}
