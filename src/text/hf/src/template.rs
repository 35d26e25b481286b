// SPDX-License-Identifier: Apache-2.0
//! Chat templates as Hugging Face renders them: Jinja2 with trim_blocks, lstrip_blocks, loop controls and Python's spelling.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use crate::python;

/// Instructions of one rendering: a tenth of a second. A chat of a thousand messages takes some hundred thousand.
const FUEL: u64 = 5_000_000;
const MAX_OUTPUT_BYTES: usize = 64 << 20;

pub struct Template {
    env: Environment<'static>,
}

impl Template {
    pub fn compile(source: &str) -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(100);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        env.set_formatter(|out: &mut Output, _: &State, value: &Value| {
            out.write_str(&python::text(value)).map_err(Error::from)
        });
        env.add_filter("tojson", tojson);
        env.add_filter("string", |value: Value| python::text(&value));
        env.add_filter("wordcount", |text: &str| text.split_whitespace().count());
        env.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        env.add_function("strftime_now", strftime_now);
        env.add_template_owned("chat", without_generation_tags(source)).map_err(|e| describe(&e))?;
        Ok(Self { env })
    }

    pub fn render(&self, json: &str) -> Result<String, String> {
        let context: serde_json::Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let template = self.env.get_template("chat").map_err(|e| describe(&e))?;
        let mut out = Bounded::default();
        let result = template.render_captured_to(&context, &mut out).map(drop);
        result.map_err(|e| describe(&e))?;
        String::from_utf8(out.bytes).map_err(|e| e.to_string())
    }
}

/// An output that refuses to grow without end.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(std::io::Error::other("the rendered prompt is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn describe(error: &Error) -> String {
    let text = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    match error.line() {
        Some(line) => format!("{text} (line {line})"),
        None => text,
    }
}

/// `{% generation %}` only marks spans for training; its body is rendered as it stands.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let Some(end) = rest[begin..].find("%}").map(|e| begin + e) else { break };
        let tag = &rest[begin + 2..end];
        let (open, close) = (tag.starts_with(['-', '+']), tag.ends_with(['-', '+']));
        let name = tag[open as usize..tag.len() - (close && tag.len() > 1) as usize].trim();
        out.push_str(&rest[..begin]);
        match name {
            "generation" | "endgeneration" => {
                let keyword = if name == "generation" { "if true" } else { "endif" };
                out.push_str(&format!("{{%{} {keyword} {}%}}", &tag[..open as usize], &tag[tag.len() - close as usize..]));
            }
            _ => out.push_str(&rest[begin..end + 2]),
        }
        rest = &rest[end + 2..];
    }
    out.push_str(rest);
    out
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=..., separators=..., sort_keys=...)`, as transformers defines it.
fn tojson(value: Value, args: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = args.get("indent")?;
    let separators: Option<Vec<String>> = args.get("separators")?;
    let ensure_ascii: Option<bool> = args.get("ensure_ascii")?;
    let sort_keys: Option<bool> = args.get("sort_keys")?;
    args.assert_all_used()?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ => (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()),
    };
    let style = python::JsonStyle {
        indent,
        item_separator: item,
        key_separator: key,
        sort_keys: sort_keys.unwrap_or(false),
        ensure_ascii: ensure_ascii.unwrap_or(false),
    };
    python::json(&value, &style)
}

/// The day and time of now (UTC), for templates that tell the model the date.
fn strftime_now(format: String) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    strftime(&format, now)
}

const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

pub fn strftime(format: &str, unix_seconds: u64) -> String {
    let days = unix_seconds / 86400;
    let (hour, minute, second) = (unix_seconds / 3600 % 24, unix_seconds / 60 % 60, unix_seconds % 60);
    // Howard Hinnant's civil_from_days, for days since 1970.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + (month <= 2) as u64;
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days % 7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&year.to_string()),
            Some('y') => out.push_str(&format!("{:02}", year % 100)),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            Some('H') => out.push_str(&format!("{hour:02}")),
            Some('I') => out.push_str(&format!("{:02}", (hour + 11) % 12 + 1)),
            Some('M') => out.push_str(&format!("{minute:02}")),
            Some('S') => out.push_str(&format!("{second:02}")),
            Some('p') => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            Some('B') => out.push_str(month_name),
            Some('b') => out.push_str(&month_name[..3]),
            Some('A') => out.push_str(day_name),
            Some('a') => out.push_str(&day_name[..3]),
            Some('F') => out.push_str(&format!("{year}-{month:02}-{day:02}")),
            Some('T') => out.push_str(&format!("{hour:02}:{minute:02}:{second:02}")),
            Some('%') => out.push('%'),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(strftime("%d %B %Y, %A %H:%M:%S %p", 0), "01 January 1970, Thursday 00:00:00 AM");
        assert_eq!(strftime("%F %a %b", 951_782_400), "2000-02-29 Tue Feb");
        assert_eq!(strftime("%Y-%m-%d %I%%", 4_102_444_799), "2099-12-31 11%");
    }
}
