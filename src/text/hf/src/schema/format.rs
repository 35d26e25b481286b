// SPDX-License-Identifier: Apache-2.0
//! The values of `format`.

/// What a format means for the grammar: a format that the grammar library knows well, a pattern for the whole text, or nothing
/// (a format that JSON Schema does not define is a remark).
pub enum Format {
    Known(&'static str),
    Pattern(String),
    Remark,
}

// Years begin with 0001 and seconds end with 59: less than RFC 3339 allows, and all that readers accept.
const YEAR: &str = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
const LEAP_YEAR: &str =
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
const DAY: &str = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))";
const TIME: &str = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const POINTER: &str = "(?:/(?:[^~/]|~[01])*)*";

fn date() -> String {
    format!("(?:{YEAR}-{DAY}|{LEAP_YEAR}-02-29)")
}

pub fn lookup(name: &str) -> Format {
    let pattern = match name {
        "email" | "idn-email" => return Format::Known("email"),
        "hostname" | "idn-hostname" => return Format::Known("hostname"),
        "uri" | "iri" | "uri-reference" | "iri-reference" | "uri-template" => return Format::Known("uri"),
        "ipv4" => return Format::Known("ipv4"),
        "ipv6" => return Format::Known("ipv6"),
        "uuid" => return Format::Known("uuid"),
        "duration" => return Format::Known("duration"),
        "date" => date(),
        "time" => TIME.to_string(),
        "date-time" => format!("{}T{TIME}", date()),
        "json-pointer" => POINTER.to_string(),
        "relative-json-pointer" => format!("(?:0|[1-9][0-9]*)(?:#|{POINTER})"),
        // Plain texts are expressions too; which others are depends on who reads them.
        "regex" => "[A-Za-z0-9 _-]*".to_string(),
        _ => return Format::Remark,
    };
    Format::Pattern(format!("^(?:{pattern})$"))
}
